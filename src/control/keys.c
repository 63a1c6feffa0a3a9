/* The customer's keys: /keys/validate, /keys/list, /keys/rotate, and /api/keys. */
#include "base/clock.h"
#include "base/json.h"
#include "control/control.h"
#include "gateway/idempotency.h"

#define GRACE_S_MAX (7 * 24 * 3600)

enum err control_keys_validate(void *control, const struct http_request *r,
                               struct http_reply *reply)
{
    struct control *c = control;
    struct identity_key *key = NULL;
    enum err e = gateway_who(c->gateway, r, 0, clock_wall_us(), &key);
    if (e != OK && err_info(e)->status >= 500)
        return e;
    buf_add(&reply->body, e == OK ? STR("{\"valid\":true}") : STR("{\"valid\":false}"));
    if (key != NULL)
        identity_key_unref(&key);
    return OK;
}

struct listing {
    struct buf *out;
    int64_t now_us;
};

static void add_row(void *arg, const struct identity_key_row *row)
{
    struct listing *l = arg;
    struct buf *b = l->out;
    struct buf scopes;
    char text[ID_TEXT_MAX];
    buf_init(&scopes, 256);
    identity_scopes_text(row->scopes, &scopes);
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("key_", row->key, text));
    buf_json_member(b, "name", row->name);
    buf_json_member(b, "key_display", row->display);
    buf_json_time(b, "created_at", row->created_us);
    buf_json_time(b, "last_used_at", row->last_used_us);
    buf_json_time(b, "expires_at", row->expires_us);
    buf_json_member(b, "status", str_c(identity_key_status(row, l->now_us)));
    buf_json_member(b, "scope", buf_str(&scopes));
    buf_byte(b, '}');
    buf_fini(&scopes);
}

enum err control_keys_list(void *control, const struct http_request *r, struct http_reply *reply)
{
    struct control *c = control;
    struct identity_key *key = NULL;
    struct store_conn *conn = NULL;
    struct listing l = {&reply->body, clock_wall_us()};
    enum err e = gateway_who(c->gateway, r, IDENTITY_SCOPE_KEYS, l.now_us, &key);
    if (e != OK)
        return e;
    struct id team = key->team, user = key->user;
    identity_key_unref(&key);
    e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    buf_add(&reply->body, STR("{\"keys\":["));
    e = identity_key_list(c->identity, conn, team, user, add_row, &l);
    buf_add(&reply->body, STR("]}"));
    store_reader_end(&conn);
    return e;
}

/* ---- what changes keys: one transaction with its idempotency and its line of audit ---- */

struct key_write {
    struct control *c;
    const char *action; /* for the audit log */
    enum err (*work)(struct key_write *w, struct store_conn *conn);
    void (*json)(const struct key_write *w, bool with_key, struct buf *b);
    struct id team, user, key, new_key;
    unsigned scopes; /* of the key that asks */
    int64_t grace_us, now_us;
    struct identity_key_spec spec;
    struct str address;
    struct idempotency_key idem; /* n 0: none was given */
    struct buf replay; /* the answer of the first time */
    struct buf kept; /* this one, without the key */
    char text[IDENTITY_KEY_TEXT_MAX];
};

static enum err write_in(struct store_conn *conn, void *arg)
{
    struct key_write *w = arg;
    char actor[ID_TEXT_MAX], object[ID_TEXT_MAX];
    struct idempotency *i = gateway_idempotency(w->c->gateway);
    enum err e = OK;
    buf_reset(&w->replay);
    if (w->idem.n != 0)
        e = idempotency_claim_in(i, conn, &w->idem, w->now_us, &w->replay);
    if (e != OK || w->replay.n != 0)
        return e;
    e = w->work(w, conn);
    if (e == OK && w->idem.n != 0) {
        buf_reset(&w->kept);
        w->json(w, false, &w->kept);
        e = idempotency_store_in(i, conn, &w->idem, buf_str(&w->kept));
    }
    if (e != OK)
        return e;
    return identity_audit_in(conn, id_text("usr_", w->user, actor), w->address, str_c(w->action),
                             id_text("key_", w->key, object), STR("{}"), w->now_us);
}

/* Who asks; the rest of `w` is the caller's. */
static enum err write_who(struct key_write *w, const struct http_request *r)
{
    struct identity_key *key = NULL;
    w->now_us = clock_wall_us();
    w->address = r->peer;
    enum err e = gateway_who(w->c->gateway, r, IDENTITY_SCOPE_KEYS, w->now_us, &key);
    if (e != OK)
        return e;
    w->team = key->team;
    w->user = key->user;
    w->key = key->key;
    w->scopes = key->scopes;
    identity_key_unref(&key);
    return OK;
}

static enum err write_run(struct key_write *w, const struct http_request *r,
                          struct http_reply *reply)
{
    struct str idem = http_request_header(r, STR("idempotency-key"));
    enum err e = OK;
    if (idem.p != NULL)
        e = idempotency_key_make(&w->idem, w->team, idem, r->path, r->body);
    if (e != OK) {
        reply->field = STR("Idempotency-Key");
        reply->message = STR("An Idempotency-Key has 1 to 255 printable ASCII characters.");
        return e;
    }
    buf_init(&w->replay, IDEMPOTENCY_ANSWER_MAX);
    buf_init(&w->kept, IDEMPOTENCY_ANSWER_MAX);
    e = store_write(w->c->store, write_in, w);
    if (e == OK && w->replay.n != 0) {
        buf_add(&reply->body, buf_str(&w->replay));
        buf_add(&reply->headers, STR("Idempotency-Replayed: true\r\n"));
    } else if (e == OK) {
        w->json(w, true, &reply->body);
    }
    buf_fini(&w->replay);
    buf_fini(&w->kept);
    return e;
}

/* The object of the body, checked; empty when there is none. */
static enum err read_object(const struct http_request *r, struct http_reply *reply,
                            struct str *ret_object)
{
    size_t offset = 0;
    *ret_object = json_trim(r->body);
    if (ret_object->n == 0)
        return OK;
    if (json_check(r->body, &offset) == OK && json_type_of(*ret_object) == JSON_OBJECT)
        return OK;
    reply->message = arena_printf(reply->arena, "The body is not a JSON object: see byte %zu.",
                                  offset);
    return ERR_INVALID_JSON;
}

static enum err wrong(struct http_reply *reply, struct str field, const char *message)
{
    reply->field = field;
    reply->message = str_c(message);
    return ERR_INVALID_REQUEST;
}

/* The key itself is shown once: a repeated request gets null for it. */
static void key_member(struct buf *b, const char *name, const struct key_write *w, bool with_key)
{
    buf_json_key(b, name);
    if (with_key)
        buf_json_str(b, str_c(w->text));
    else
        buf_add(b, STR("null"));
}

/* ---- POST /keys/rotate ---- */

static void rotation_json(const struct key_write *w, bool with_key, struct buf *b)
{
    char text[ID_TEXT_MAX];
    buf_byte(b, '{');
    buf_json_bool(b, "success", true);
    key_member(b, w->c->brand_key_member, w, with_key);
    key_member(b, "apiKey", w, with_key);
    buf_json_member(b, "keyId", id_text("key_", w->new_key, text));
    buf_byte(b, '}');
}

static enum err rotate(struct key_write *w, struct store_conn *conn)
{
    return identity_key_rotate_in(w->c->identity, conn, w->team, w->key, w->grace_us, w->now_us,
                                  &w->new_key, w->text);
}

/* {"grace_seconds":n}; an empty body is none. */
static enum err read_grace(const struct http_request *r, struct http_reply *reply, int64_t *ret_us)
{
    struct str object;
    int64_t s = 0;
    enum err e = read_object(r, reply, &object);
    struct json_walk m = json_walk_of(object);
    while (e == OK && json_next(&m)) {
        if (!json_key_is(m.key, STR("grace_seconds")))
            return wrong(reply, m.key, "The only member known here is 'grace_seconds'.");
        if (json_int(m.value, 0, GRACE_S_MAX, &s) != OK)
            return wrong(reply, STR("grace_seconds"),
                         "'grace_seconds' must be a number from 0 to 604800.");
    }
    *ret_us = s * US_PER_S;
    return e;
}

enum err control_keys_rotate(void *control, const struct http_request *r, struct http_reply *reply)
{
    struct key_write w = {
        .c = control, .action = "key.rotate", .work = rotate, .json = rotation_json};
    enum err e = write_who(&w, r);
    if (e == OK)
        e = read_grace(r, reply, &w.grace_us);
    return e == OK ? write_run(&w, r, reply) : e;
}

/* ---- POST /api/keys ---- */

static void created_json(const struct key_write *w, bool with_key, struct buf *b)
{
    char text[ID_TEXT_MAX];
    struct buf scopes;
    buf_init(&scopes, 256);
    identity_scopes_text(w->spec.scopes, &scopes);
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("key_", w->new_key, text));
    buf_json_member(b, "name", w->spec.name);
    key_member(b, "api_key", w, with_key);
    buf_json_member(b, "scope", buf_str(&scopes));
    buf_json_time(b, "created_at", w->now_us);
    buf_json_time(b, "expires_at", w->spec.expires_us);
    buf_byte(b, '}');
    buf_fini(&scopes);
}

static enum err create(struct key_write *w, struct store_conn *conn)
{
    w->spec.user = w->user;
    w->spec.team = w->team;
    enum err e = identity_key_create_in(w->c->identity, conn, &w->spec, w->now_us, &w->new_key,
                                        w->text);
    w->key = w->new_key;
    return e;
}

/* ["a","b"] to lines. */
static enum err read_list(struct http_reply *reply, const struct json_walk *m, struct str *ret)
{
    struct buf b;
    struct str one;
    enum err e = json_type_of(m->value) == JSON_ARRAY ? OK : ERR_INVALID_REQUEST;
    struct json_walk w = json_walk_of(m->value);
    buf_init(&b, 16u * 1024);
    while (e == OK && json_next(&w)) {
        e = json_string(reply->arena, w.value, &one);
        if (e == OK) {
            buf_add(&b, one);
            buf_byte(&b, '\n');
        }
    }
    if (b.n != 0)
        b.n--;
    *ret = arena_dup(reply->arena, buf_str(&b));
    bool over = b.over;
    buf_fini(&b);
    return e == OK && !over ? OK : wrong(reply, m->key, "It must be an array of strings.");
}

static enum err read_member(struct key_write *w, struct http_reply *reply,
                            const struct json_walk *m)
{
    struct str s = STR("");
    if (json_key_is(m->key, STR("models")))
        return read_list(reply, m, &w->spec.models);
    if (json_key_is(m->key, STR("ips")))
        return read_list(reply, m, &w->spec.ips);
    if (json_string(reply->arena, m->value, &s) != OK)
        return wrong(reply, m->key, "It must be a string.");
    if (json_key_is(m->key, STR("name"))) {
        w->spec.name = s;
        return OK;
    }
    if (json_key_is(m->key, STR("scope")))
        return identity_scopes_parse(s, &w->spec.scopes) == OK
                   ? OK
                   : wrong(reply, m->key, "'scope' takes inference, usage, keys or all.");
    if (json_key_is(m->key, STR("expires_at")))
        return clock_parse(s, &w->spec.expires_us) == OK
                   ? OK
                   : wrong(reply, m->key, "'expires_at' must be a time as in RFC 3339.");
    return wrong(reply, m->key, "Known here: name, scope, expires_at, models, ips.");
}

enum err control_keys_create(void *control, const struct http_request *r, struct http_reply *reply)
{
    struct key_write w = {
        .c = control, .action = "key.create", .work = create, .json = created_json};
    struct str object = STR("");
    enum err e = write_who(&w, r);
    if (e == OK)
        e = read_object(r, reply, &object);
    w.spec = (struct identity_key_spec){.name = STR("key"), .scopes = w.scopes};
    struct json_walk m = json_walk_of(object);
    while (e == OK && json_next(&m))
        e = read_member(&w, reply, &m);
    if (e != OK)
        return e;
    if ((w.spec.scopes & ~w.scopes) != 0)
        return ERR_SCOPE_MISSING; /* nobody gives what he has not */
    const char *fault = identity_key_fault(&w.spec, w.now_us);
    if (fault != NULL) {
        reply->message = str_c(fault);
        return ERR_VALIDATION_FAILED;
    }
    return write_run(&w, r, reply);
}

/* ---- POST /api/keys/{id}/revoke ---- */

static void owner(void *arg, const struct identity_key_row *row)
{
    *(struct id *)arg = row->user;
}

static void revoked_json(const struct key_write *w, bool with_key, struct buf *b)
{
    char text[ID_TEXT_MAX];
    (void)with_key;
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("key_", w->key, text));
    buf_json_member(b, "status", STR("revoked"));
    buf_byte(b, '}');
}

static enum err revoke(struct key_write *w, struct store_conn *conn)
{
    struct id user = {{0}};
    enum err e = identity_key_get(w->c->identity, conn, w->key, owner, &user);
    if (e == OK && !id_eq(user, w->user))
        e = ERR_NOT_FOUND; /* somebody else's is not there */
    return e == OK ? identity_key_revoke_in(w->c->identity, conn, w->team, w->key, w->now_us) : e;
}

enum err control_keys_revoke(void *control, const struct http_request *r, struct http_reply *reply)
{
    struct key_write w = {
        .c = control, .action = "key.revoke", .work = revoke, .json = revoked_json};
    struct str object;
    enum err e = write_who(&w, r);
    if (e == OK)
        e = read_object(r, reply, &object);
    if (e == OK && !id_parse("key_", r->params[0], &w.key))
        e = ERR_NOT_FOUND;
    return e == OK ? write_run(&w, r, reply) : e;
}

/* GET /keys/validate, GET /keys/list, POST /keys/rotate. */
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

struct rotation {
    struct control *c;
    struct id team, user, key, new_key;
    int64_t grace_us, now_us;
    struct str address;
    struct idempotency_key idem; /* n 0: none was given */
    struct buf replay; /* the answer of the first time */
    struct buf kept; /* this one, without the key */
    char text[IDENTITY_KEY_TEXT_MAX];
};

/* The key itself is shown once: a repeated request gets null for it. */
static void rotation_json(const struct rotation *t, bool with_key, struct buf *b)
{
    char text[ID_TEXT_MAX];
    const char *members[] = {t->c->brand_key_member, "apiKey"};
    buf_byte(b, '{');
    buf_json_bool(b, "success", true);
    for (size_t i = 0; i < 2; i++) {
        buf_json_key(b, members[i]);
        if (with_key)
            buf_json_str(b, str_c(t->text));
        else
            buf_add(b, STR("null"));
    }
    buf_json_member(b, "keyId", id_text("key_", t->new_key, text));
    buf_byte(b, '}');
}

static enum err rotate(struct store_conn *conn, void *arg)
{
    struct rotation *t = arg;
    char actor[ID_TEXT_MAX], object[ID_TEXT_MAX];
    struct idempotency *i = gateway_idempotency(t->c->gateway);
    enum err e = OK;
    buf_reset(&t->replay);
    if (t->idem.n != 0)
        e = idempotency_claim_in(i, conn, &t->idem, t->now_us, &t->replay);
    if (e != OK || t->replay.n != 0)
        return e;
    e = identity_key_rotate_in(t->c->identity, conn, t->team, t->key, t->grace_us, t->now_us,
                               &t->new_key, t->text);
    if (e == OK && t->idem.n != 0) {
        buf_reset(&t->kept);
        rotation_json(t, false, &t->kept);
        e = idempotency_store_in(i, conn, &t->idem, buf_str(&t->kept));
    }
    if (e != OK)
        return e;
    return identity_audit_in(conn, id_text("usr_", t->user, actor), t->address, STR("key.rotate"),
                             id_text("key_", t->key, object), STR("{}"), t->now_us);
}

/* {"grace_seconds":n}; an empty body is none. */
static enum err read_grace(const struct http_request *r, struct http_reply *reply, int64_t *ret_us)
{
    size_t offset = 0;
    int64_t s = 0;
    *ret_us = 0;
    if (json_trim(r->body).n == 0)
        return OK;
    if (json_check(r->body, &offset) != OK || json_type_of(json_trim(r->body)) != JSON_OBJECT) {
        reply->message = arena_printf(reply->arena, "The body is not a JSON object: see byte %zu.",
                                      offset);
        return ERR_INVALID_JSON;
    }
    struct json_walk w = json_walk_of(json_trim(r->body));
    while (json_next(&w)) {
        if (!json_key_is(w.key, STR("grace_seconds"))) {
            reply->field = w.key;
            reply->message = STR("The only member known here is 'grace_seconds'.");
            return ERR_INVALID_REQUEST;
        }
        if (json_int(w.value, 0, GRACE_S_MAX, &s) != OK) {
            reply->field = STR("grace_seconds");
            reply->message = STR("'grace_seconds' must be a number from 0 to 604800.");
            return ERR_INVALID_REQUEST;
        }
    }
    *ret_us = s * US_PER_S;
    return OK;
}

enum err control_keys_rotate(void *control, const struct http_request *r, struct http_reply *reply)
{
    struct control *c = control;
    struct identity_key *key = NULL;
    struct rotation t = {.c = c, .now_us = clock_wall_us(), .address = r->peer};
    enum err e = gateway_who(c->gateway, r, IDENTITY_SCOPE_KEYS, t.now_us, &key);
    if (e != OK)
        return e;
    t.team = key->team;
    t.user = key->user;
    t.key = key->key;
    identity_key_unref(&key);
    struct str idem = http_request_header(r, STR("idempotency-key"));
    e = read_grace(r, reply, &t.grace_us);
    if (e == OK && idem.p != NULL)
        e = idempotency_key_make(&t.idem, t.team, idem, STR("/keys/rotate"), r->body);
    if (e != OK)
        return e;
    buf_init(&t.replay, IDEMPOTENCY_ANSWER_MAX);
    buf_init(&t.kept, IDEMPOTENCY_ANSWER_MAX);
    e = store_write(c->store, rotate, &t);
    if (e == OK && t.replay.n != 0) {
        buf_add(&reply->body, buf_str(&t.replay));
        buf_add(&reply->headers, STR("Idempotency-Replayed: true\r\n"));
    } else if (e == OK) {
        rotation_json(&t, true, &reply->body);
    }
    buf_fini(&t.replay);
    buf_fini(&t.kept);
    return e;
}

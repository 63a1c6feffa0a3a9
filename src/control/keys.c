/* Keys: /keys/validate, /keys/list, /keys/rotate as they always were, and /api/keys in full. */
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "control/body.h"
#include "control/routes.h"
#include "control/tell.h"
#include "control/write.h"
#include "limits/limits.h"

#define GRACE_S_MAX (7 * 24 * 3600)
#define KEY_JSON_MAX (64u * 1024)
#define KEYS_MAX 500 /* active ones of a team */

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

/* ---- a key as JSON ---- */

void control_limits_json(struct buf *b, struct limits_rule *rule)
{
    buf_byte(b, '{');
    for (size_t i = 0; i < LIMITS_FIELDS; i++) {
        buf_json_key(b, limits_fields[i].name);
        if (*limits_field_of(rule, i) > 0)
            buf_i64(b, *limits_field_of(rule, i));
        else
            buf_add(b, STR("null"));
    }
    buf_byte(b, '}');
}

void control_limits_args(struct limits_rule *rule, struct buf *args)
{
    for (size_t i = 0; i < LIMITS_FIELDS; i++) {
        if (*limits_field_of(rule, i) < 0)
            continue;
        buf_json_key(args, limits_fields[i].option);
        buf_printf(args, "\"%lld\"", (long long)*limits_field_of(rule, i));
    }
}

void control_cap_json(struct control *c, struct buf *b, struct id cap, const struct nano *limit)
{
    const struct ledger_account *a = id_is_zero(cap) ? NULL : ledger_find(c->ledger, cap);
    buf_json_key(b, "cap");
    if (id_is_zero(cap) || (a != NULL && limit == NULL && ledger_cap_is_off(a))) {
        buf_add(b, STR("null"));
        return;
    }
    struct nano before = a != NULL ? ledger_cap_limit(a) : NANO(0);
    struct nano spent = a != NULL ? nano_minus(before, ledger_balance(a)) : NANO(0);
    buf_byte(b, '{');
    buf_json_nano(b, "limit", limit != NULL ? *limit : before);
    buf_json_nano(b, "spent", spent);
    buf_byte(b, '}');
}

static void lines_json(struct buf *b, const char *name, struct str lines)
{
    buf_json_key(b, name);
    buf_byte(b, '[');
    while (lines.n != 0) {
        buf_json_comma(b);
        buf_json_str(b, str_cut(&lines, '\n'));
    }
    buf_byte(b, ']');
}

static void scope_json(struct buf *b, unsigned set)
{
    struct buf scopes;
    buf_init(&scopes, 256);
    identity_scopes_text(set, &scopes);
    buf_json_member(b, "scope", buf_str(&scopes));
    buf_fini(&scopes);
}

/* What is known better than from the keepers, while a change is not durable yet. */
struct shown {
    struct control *c;
    int64_t now_us;
    const struct nano *cap_limit;
    bool cap_off;
    const struct limits_rule *rule;
    struct buf *out;
};

/* Left open, for a member more. */
static void add_members(const struct shown *s, const struct identity_key_row *row)
{
    struct buf *b = s->out;
    char text[ID_TEXT_MAX];
    struct limits_rule rule;
    limits_get(s->c->limits, LIMITS_KEY, row->key, &rule);
    if (s->rule != NULL)
        rule = *s->rule;
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("key_", row->key, text));
    buf_json_member(b, "name", row->name);
    buf_json_member(b, "key_display", row->display);
    scope_json(b, row->scopes);
    lines_json(b, "models", row->models);
    lines_json(b, "ips", row->ips);
    buf_json_time(b, "created_at", row->created_us);
    buf_json_key(b, "created_by");
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("usr_", row->user, text));
    buf_json_member(b, "email", row->user_email);
    buf_json_member(b, "name", row->user_name);
    buf_byte(b, '}');
    buf_json_time(b, "expires_at", row->expires_us);
    buf_json_time(b, "last_used_at", row->last_used_us);
    buf_json_member(b, "status", str_c(identity_key_status(row, s->now_us)));
    control_cap_json(s->c, b, s->cap_off ? (struct id){{0}} : row->cap, s->cap_limit);
    buf_json_key(b, "limits");
    control_limits_json(b, &rule);
}

static void add_whole(void *arg, const struct identity_key_row *row)
{
    const struct shown *s = arg;
    add_members(s, row);
    buf_byte(s->out, '}');
}

static void add_open(void *arg, const struct identity_key_row *row)
{
    add_members(arg, row);
}

/* ---- lists ---- */

struct listing {
    struct shown shown;
    struct control_page page;
};

static void add_old(void *arg, const struct identity_key_row *row)
{
    const struct listing *l = arg;
    struct buf *b = l->shown.out;
    char text[ID_TEXT_MAX];
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("key_", row->key, text));
    buf_json_member(b, "name", row->name);
    buf_json_member(b, "key_display", row->display);
    buf_json_time(b, "created_at", row->created_us);
    buf_json_time(b, "last_used_at", row->last_used_us);
    buf_json_time(b, "expires_at", row->expires_us);
    buf_json_member(b, "status", str_c(identity_key_status(row, l->shown.now_us)));
    scope_json(b, row->scopes);
    buf_byte(b, '}');
}

/* Whose keys: all of the team's, or his own (a key's owner sees his own in any case). */
static struct id whose(const struct control_who *who)
{
    return control_may(who, IDENTITY_MAY_KEYS_ALL) ? (struct id){{0}} : who->user;
}

CONTROL_ASK(control_keys_list)
{
    (void)r;
    struct store_conn *conn = NULL;
    struct listing l = {.shown = {.c = c, .now_us = who->now_us, .out = &reply->body}};
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    buf_add(&reply->body, STR("{\"keys\":["));
    e = identity_key_list(c->identity, conn, who->team, whose(who), add_old, &l);
    buf_add(&reply->body, STR("]}"));
    store_reader_end(&conn);
    return e;
}

static void add_row(void *arg, const struct identity_key_row *row)
{
    struct listing *l = arg;
    char text[ID_TEXT_MAX];
    if (!control_page_row(&l->page, id_text("key_", row->key, text)))
        return;
    buf_json_comma(l->shown.out);
    add_whole(&l->shown, row);
}

CONTROL_ASK(control_api_keys_list)
{
    struct store_conn *conn = NULL;
    struct listing l = {.shown = {.c = c, .now_us = who->now_us, .out = &reply->body}};
    struct str status = STR("");
    enum err e = control_page_begin(r, reply, &l.page);
    if (e == OK && http_query(r, reply->arena, STR("status"), &status) &&
        !str_eq(status, STR("active")) && !str_eq(status, STR("expired")) &&
        !str_eq(status, STR("revoked")))
        e = control_wrong(reply, ERR_INVALID_REQUEST, "status",
                          "'status' takes active, expired or revoked.");
    if (e == OK)
        e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    struct identity_key_query q = {.team = who->team,
                                   .user = whose(who),
                                   .status = status,
                                   .below = l.page.after,
                                   .limit = l.page.limit + 1};
    e = identity_key_page(c->identity, conn, &q, who->now_us, add_row, &l);
    store_reader_end(&conn);
    control_page_end(&l.page, reply);
    return e;
}

/* ---- one key, within the reach of who asks ---- */

struct found {
    struct id team, user, cap;
    unsigned scopes;
};

static void note(void *arg, const struct identity_key_row *row)
{
    *(struct found *)arg = (struct found){row->team, row->user, row->cap, row->scopes};
}

/* NOT_FOUND also for another team's, and for another member's unless his role reaches there. A key
 * does not act on one that may more than itself. */
static enum err reach(const struct control_who *who, struct control *c, struct store_conn *conn,
                      struct id key, struct found *f)
{
    enum err e = identity_key_get(c->identity, conn, key, note, f);
    if (e != OK)
        return e;
    if (!id_eq(f->team, who->team) ||
        (!id_eq(f->user, who->user) && !control_may(who, IDENTITY_MAY_KEYS_ALL)))
        return ERR_NOT_FOUND;
    return OK;
}

CONTROL_ASK(control_api_keys_get)
{
    struct store_conn *conn = NULL;
    struct shown s = {.c = c, .now_us = who->now_us, .out = &reply->body};
    struct found f;
    struct id key;
    if (!id_parse("key_", r->params[0], &key))
        return ERR_NOT_FOUND;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = reach(who, c, conn, key, &f);
    if (e == OK)
        e = identity_key_get(c->identity, conn, key, add_whole, &s);
    store_reader_end(&conn);
    return e;
}

/* ---- what changes keys ---- */

struct key_write {
    struct control_write w;
    struct id key, new_key;
    struct identity_key_spec spec;
    int64_t grace_us;
    struct nano cap;
    bool name_given, scope_given, models_given, ips_given, expires_given, cap_given, limits_given;
    bool models_null, ips_null, expires_null, cap_null, limits_null;
    struct str scope_text, limits_text;
    struct limits_rule rule; /* what is set */
    struct limits_rule rule_after;
    struct buf row; /* the key's JSON, left open */
    struct buf change;
    char text[IDENTITY_KEY_TEXT_MAX];
    bool has_text;
};

static enum err show_row(struct key_write *k, struct store_conn *conn, struct id key)
{
    struct shown s = {.c = k->w.c, .now_us = k->w.who->now_us, .out = &k->row};
    s.cap_off = k->cap_null;
    if (k->cap_given && !k->cap_null)
        s.cap_limit = &k->cap;
    if (k->limits_given)
        s.rule = &k->rule_after;
    buf_reset(&k->row);
    return identity_key_get(k->w.c->identity, conn, key, add_open, &s);
}

/* The key itself is shown once: a repeated request gets null for it. */
static void key_member(struct buf *b, const char *name, const struct key_write *k, bool first)
{
    buf_json_key(b, name);
    if (first)
        buf_json_str(b, str_c(k->text));
    else
        buf_add(b, STR("null"));
}

static void row_json(struct control_write *w, bool first, struct buf *b)
{
    const struct key_write *k = w->arg;
    buf_add(b, buf_str(&k->row));
    if (k->has_text)
        key_member(b, "api_key", k, first);
    buf_byte(b, '}');
}

static void old_json(struct control_write *w, bool first, struct buf *b)
{
    const struct key_write *k = w->arg;
    char text[ID_TEXT_MAX];
    buf_byte(b, '{');
    buf_json_bool(b, "success", true);
    key_member(b, w->c->brand_key_member, k, first);
    key_member(b, "apiKey", k, first);
    buf_json_member(b, "keyId", id_text("key_", k->new_key, text));
    buf_byte(b, '}');
}

static enum err run(struct key_write *k, struct control *c, const struct control_who *who,
                    const struct http_request *r, struct http_reply *reply)
{
    k->w.c = c;
    k->w.who = who;
    k->w.r = r;
    k->w.reply = reply;
    k->w.arg = k;
    buf_init(&k->row, KEY_JSON_MAX);
    buf_init(&k->change, KEY_JSON_MAX);
    enum err e = control_write_run(&k->w);
    mem_wipe(k->text, sizeof(k->text));
    buf_fini(&k->row);
    buf_fini(&k->change);
    return e;
}

/* ---- rotation ---- */

/* The limits of a key go over to the one that takes its place. */
static enum err copy_limits(struct key_write *k, struct store_conn *conn)
{
    struct limits_rule rule, none = LIMITS_UNSET;
    limits_get(k->w.c->limits, LIMITS_KEY, k->key, &rule);
    if (memcmp(&rule, &none, sizeof(rule)) == 0)
        return OK;
    k->limits_given = true;
    k->rule_after = rule;
    return limits_set_in(k->w.c->limits, conn, LIMITS_KEY, k->new_key, &rule, k->w.who->now_us);
}

static enum err rotate(struct control_write *w, struct store_conn *conn)
{
    struct key_write *k = w->arg;
    char text[ID_TEXT_MAX];
    struct found f;
    enum err e = reach(w->who, w->c, conn, k->key, &f);
    if (e == OK && (f.scopes & ~w->who->scopes) != 0)
        e = ERR_SCOPE_MISSING; /* nobody gets what he has not */
    if (e == OK)
        e = identity_key_rotate_in(w->c->identity, conn, w->who->team, k->key, k->grace_us,
                                   w->who->now_us, &k->new_key, k->text);
    if (e == ERR_CONFLICT)
        w->reply->message = STR("This key is revoked or has expired; make another one.");
    if (e == OK)
        e = copy_limits(k, conn);
    if (e == OK)
        e = tell_key_in(w->c, conn, HOOKS_KEY_CREATED, w->who->team, k->new_key, w->who->now_us);
    if (e == OK)
        e = tell_key_in(w->c, conn, HOOKS_KEY_REVOKED, w->who->team, k->key, w->who->now_us);
    if (e == OK)
        e = show_row(k, conn, k->new_key);
    buf_reset(&k->change);
    buf_byte(&k->change, '{');
    buf_json_member(&k->change, "new_key", id_text("key_", k->new_key, text));
    buf_json_i64(&k->change, "grace_seconds", k->grace_us / US_PER_S);
    buf_byte(&k->change, '}');
    w->change = buf_str(&k->change);
    id_text("key_", k->key, w->object);
    return e;
}

CONTROL_ASK(control_keys_rotate)
{
    struct key_write k = {.w = {.action = "key.rotate", .work = rotate, .json = old_json},
                          .key = who->key};
    struct str key = STR("");
    int64_t grace_s = 0;
    const struct control_field fields[] = {
        {.name = "grace_seconds", .kind = CONTROL_INT, .to = &grace_s, .max = GRACE_S_MAX},
        {.name = "key_id", .kind = CONTROL_TEXT, .to = &key}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == ERR_VALIDATION_FAILED && str_eq(reply->field, STR("grace_seconds")))
        e = ERR_INVALID_REQUEST; /* as it always was on this route */
    if (e == OK && key.n == 0 && id_is_zero(k.key))
        e = control_wrong(reply, ERR_INVALID_REQUEST, "key_id", "Say which key: 'key_id'.");
    if (e == OK && key.n != 0 && !id_parse("key_", key, &k.key))
        e = ERR_NOT_FOUND;
    k.grace_us = grace_s * US_PER_S;
    return e == OK ? run(&k, c, who, r, reply) : e;
}

CONTROL_ASK(control_api_keys_rotate)
{
    struct key_write k = {
        .w = {.action = "key.rotate", .work = rotate, .json = row_json, .status = 201},
        .has_text = true};
    int64_t grace_s = 0;
    const struct control_field fields[] = {
        {.name = "grace_seconds", .kind = CONTROL_INT, .to = &grace_s, .max = GRACE_S_MAX}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && !id_parse("key_", r->params[0], &k.key))
        e = ERR_NOT_FOUND;
    k.grace_us = grace_s * US_PER_S;
    return e == OK ? run(&k, c, who, r, reply) : e;
}

/* ---- making and changing ---- */

enum err control_limits_read(struct str object, struct http_reply *reply, struct limits_rule *rule)
{
    bool null[LIMITS_FIELDS] = {false};
    struct control_field fields[LIMITS_FIELDS];
    for (size_t i = 0; i < LIMITS_FIELDS; i++)
        fields[i] = (struct control_field){.name = limits_fields[i].name,
                                           .kind = CONTROL_INT,
                                           .to = limits_field_of(rule, i),
                                           .max = 1000000000,
                                           .null = &null[i]};
    enum err e = control_object_read(object, reply, fields, LIMITS_FIELDS);
    for (size_t i = 0; i < LIMITS_FIELDS; i++)
        if (null[i])
            *limits_field_of(rule, i) = 0;
    const char *fault = e == OK ? limits_rule_fault(rule) : NULL;
    return fault != NULL ? control_wrong(reply, ERR_VALIDATION_FAILED, "limits", fault) : e;
}

static enum err read_key(struct key_write *k, const struct http_request *r,
                         struct http_reply *reply)
{
    const struct control_field fields[] = {
        {.name = "name",
         .kind = CONTROL_TEXT,
         .to = &k->spec.name,
         .min = 1,
         .given = &k->name_given},
        {.name = "scope", .kind = CONTROL_TEXT, .to = &k->scope_text, .given = &k->scope_given},
        {.name = "expires_at",
         .kind = CONTROL_TIME,
         .to = &k->spec.expires_us,
         .given = &k->expires_given,
         .null = &k->expires_null},
        {.name = "models",
         .kind = CONTROL_TEXTS,
         .to = &k->spec.models,
         .given = &k->models_given,
         .null = &k->models_null},
        {.name = "ips",
         .kind = CONTROL_TEXTS,
         .to = &k->spec.ips,
         .given = &k->ips_given,
         .null = &k->ips_null},
        {.name = "cap",
         .kind = CONTROL_USD,
         .to = &k->cap,
         .given = &k->cap_given,
         .null = &k->cap_null},
        {.name = "limits",
         .kind = CONTROL_OBJECT,
         .to = &k->limits_text,
         .given = &k->limits_given,
         .null = &k->limits_null}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && k->scope_given && identity_scopes_parse(k->scope_text, &k->spec.scopes) != OK)
        e = control_wrong(reply, ERR_INVALID_REQUEST, "scope",
                          "'scope' takes inference, usage, keys or all.");
    k->rule = LIMITS_UNSET;
    if (e == OK && k->limits_given && !k->limits_null)
        e = control_limits_read(k->limits_text, reply, &k->rule);
    return e;
}

static enum err fault(struct key_write *k, int64_t now_us, struct http_reply *reply)
{
    const char *words = identity_key_fault(&k->spec, now_us);
    if (words == NULL)
        return OK;
    reply->message = str_c(words);
    return ERR_VALIDATION_FAILED;
}

enum err control_cap_set_in(struct control *c, struct store_conn *conn, struct id *cap,
                            const struct nano *limit, int64_t now_us)
{
    enum err e = OK;
    if (id_is_zero(*cap) && limit == NULL)
        return OK;
    if (id_is_zero(*cap)) {
        *cap = id_new(now_us);
        e = ledger_account_open_in(c->ledger, conn, *cap, LEDGER_CAP, NANO(0), now_us);
    }
    return e == OK ? ledger_cap_set_in(c->ledger, conn, *cap, limit == NULL,
                                       limit != NULL ? *limit : NANO(0), now_us)
                   : e;
}

static enum err set_limits(struct key_write *k, struct store_conn *conn, struct id key)
{
    struct control *c = k->w.c;
    if (!k->limits_given)
        return OK;
    struct limits_rule rule = k->rule;
    if (k->limits_null)
        rule = LIMITS_UNSET;
    limits_get(c->limits, LIMITS_KEY, key, &k->rule_after);
    for (size_t i = 0; i < LIMITS_FIELDS; i++)
        if (k->limits_null || *limits_field_of(&rule, i) >= 0)
            *limits_field_of(&k->rule_after, i) = *limits_field_of(&rule, i);
    return limits_set_in(c->limits, conn, LIMITS_KEY, key, &rule, k->w.who->now_us);
}

/* What was asked for, as it came: there is no secret in it. */
static void note_change(struct key_write *k)
{
    struct str body = json_trim(k->w.r->body);
    k->w.change = body.n < 4096 ? body : STR("{}");
}

static void count(void *arg, const struct identity_key_row *row)
{
    (void)row;
    ++*(int *)arg;
}

static enum err has_room(struct control_write *w, struct store_conn *conn)
{
    int n = 0;
    struct identity_key_query q = {
        .team = w->who->team, .status = STR("active"), .below = STR("\x7F"), .limit = KEYS_MAX};
    enum err e = identity_key_page(w->c->identity, conn, &q, w->who->now_us, count, &n);
    if (e != OK || n < KEYS_MAX)
        return e;
    w->reply->message = STR("A team has at most 500 active keys: revoke one first.");
    return ERR_CONFLICT;
}

static enum err create(struct control_write *w, struct store_conn *conn)
{
    struct key_write *k = w->arg;
    enum err e = has_room(w, conn);
    k->spec.user = w->who->user;
    k->spec.team = w->who->team;
    k->spec.cap = (struct id){{0}};
    if (e == OK && k->cap_given && !k->cap_null)
        e = control_cap_set_in(w->c, conn, &k->spec.cap, &k->cap, w->who->now_us);
    if (e == OK)
        e = identity_key_create_in(w->c->identity, conn, &k->spec, w->who->now_us, &k->new_key,
                                   k->text);
    if (e == OK)
        e = upstream_keys_ensure_in(w->c->upstream_keys, conn, w->who->user, w->who->now_us);
    if (e == OK)
        e = set_limits(k, conn, k->new_key);
    if (e == OK)
        e = tell_key_in(w->c, conn, HOOKS_KEY_CREATED, w->who->team, k->new_key, w->who->now_us);
    if (e == OK)
        e = show_row(k, conn, k->new_key);
    note_change(k);
    id_text("key_", k->new_key, w->object);
    return e;
}

CONTROL_ASK(control_keys_create)
{
    struct key_write k = {
        .w = {.action = "key.create", .work = create, .json = row_json, .status = 201},
        .has_text = true,
        .spec = {.name = STR("key"), .scopes = who->scopes, .models = STR(""), .ips = STR("")}};
    enum err e = read_key(&k, r, reply);
    if (e == OK && (k.spec.scopes & ~who->scopes) != 0)
        e = ERR_SCOPE_MISSING; /* nobody gives what he has not */
    if (e == OK)
        e = fault(&k, who->now_us, reply);
    return e == OK ? run(&k, c, who, r, reply) : e;
}

static enum err edit(struct control_write *w, struct store_conn *conn)
{
    struct key_write *k = w->arg;
    struct found f;
    enum err e = reach(w->who, w->c, conn, k->key, &f);
    if (e == OK && ((f.scopes | (k->scope_given ? k->spec.scopes : 0)) & ~w->who->scopes) != 0)
        e = ERR_SCOPE_MISSING;
    if (e == OK && k->cap_given) {
        e = control_cap_set_in(w->c, conn, &f.cap, k->cap_null ? NULL : &k->cap, w->who->now_us);
        if (e == OK && !id_is_zero(f.cap))
            e = identity_key_cap_set_in(w->c->identity, conn, k->key, f.cap);
    }
    struct identity_key_edit change = {.name = k->name_given ? &k->spec.name : NULL,
                                       .scopes = k->scope_given ? &k->spec.scopes : NULL,
                                       .expires_us = k->expires_given ? &k->spec.expires_us : NULL,
                                       .models = k->models_given ? &k->spec.models : NULL,
                                       .ips = k->ips_given ? &k->spec.ips : NULL};
    if (e == OK)
        e = identity_key_edit_in(w->c->identity, conn, w->who->team, k->key, &change,
                                 w->who->now_us);
    if (e == ERR_CONFLICT)
        w->reply->message = STR("This key is revoked.");
    if (e == OK)
        e = set_limits(k, conn, k->key);
    if (e == OK)
        e = show_row(k, conn, k->key);
    note_change(k);
    id_text("key_", k->key, w->object);
    return e;
}

CONTROL_ASK(control_api_keys_edit)
{
    struct key_write k = {
        .w = {.action = "key.edit", .work = edit, .json = row_json},
        .spec = {.name = STR("key"), .scopes = who->scopes, .models = STR(""), .ips = STR("")}};
    if (!id_parse("key_", r->params[0], &k.key))
        return ERR_NOT_FOUND;
    enum err e = read_key(&k, r, reply);
    if (e == OK)
        e = fault(&k, who->now_us, reply);
    return e == OK ? run(&k, c, who, r, reply) : e;
}

/* ---- the end of a key ---- */

static enum err revoke(struct control_write *w, struct store_conn *conn)
{
    struct key_write *k = w->arg;
    struct found f;
    enum err e = reach(w->who, w->c, conn, k->key, &f);
    if (e == OK)
        e = identity_key_revoke_in(w->c->identity, conn, w->who->team, k->key, w->who->now_us);
    if (e == OK)
        e = tell_key_in(w->c, conn, HOOKS_KEY_REVOKED, w->who->team, k->key, w->who->now_us);
    if (e == OK)
        e = show_row(k, conn, k->key);
    id_text("key_", k->key, w->object);
    return e;
}

CONTROL_ASK(control_keys_revoke)
{
    struct key_write k = {.w = {.action = "key.revoke", .work = revoke, .json = row_json}};
    enum err e = control_body_read(r, reply, NULL, 0);
    if (e == OK && !id_parse("key_", r->params[0], &k.key))
        e = ERR_NOT_FOUND;
    return e == OK ? run(&k, c, who, r, reply) : e;
}

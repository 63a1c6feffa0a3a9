/* Devices that sign in by a code (RFC 8628): /api/auth/device and /api/auth/token speak its forms
 * and its errors, the consent routes are the console's. */
#include "base/clock.h"
#include "base/mem.h"
#include "codec/url.h"
#include "control/account.h"
#include "control/body.h"
#include "control/routes.h"
#include "control/tell.h"
#include "control/write.h"
#include "identity/device.h"
#include "identity/team.h"

#define NAME_CHARS 60
#define GRANT STR("urn:ietf:params:oauth:grant-type:device_code")

/* A member of an application/x-www-form-urlencoded body; unknown ones are not looked at. */
static struct str form(const struct http_request *r, struct arena *a, struct str name)
{
    struct str raw;
    struct buf b;
    if (r->body.n > 8192 || !url_query_get(r->body, name, &raw))
        return STR("");
    buf_init(&b, 8192);
    struct str value = url_decode(raw, true, &b) == OK ? arena_dup(a, buf_str(&b)) : STR("");
    buf_fini(&b);
    return value;
}

/* RFC 6749 §5.2. */
static enum err oauth_no(struct http_reply *reply, const char *error, const char *description)
{
    reply->status = 400;
    buf_reset(&reply->body);
    buf_byte(&reply->body, '{');
    buf_json_member(&reply->body, "error", str_c(error));
    buf_json_member(&reply->body, "error_description", str_c(description));
    buf_byte(&reply->body, '}');
    return OK;
}

/* What a device says of itself, as it may stand on a page and in a list of keys. */
static struct str clean_name(struct str s, struct arena *a)
{
    char text[NAME_CHARS];
    size_t n = 0;
    for (size_t i = 0; i < s.n && n < sizeof(text); i++)
        if ((unsigned char)s.p[i] >= 0x20 && (unsigned char)s.p[i] < 0x7F)
            text[n++] = s.p[i];
    struct str name = str_trim(str_of(text, n));
    return name.n != 0 ? arena_dup(a, name) : STR("device");
}

/* ---- POST /api/auth/device ---- */

struct beginning {
    struct control *c;
    struct str name, address;
    int64_t now_us;
    char code[IDENTITY_DEVICE_TEXT_MAX], user_code[IDENTITY_USER_CODE_MAX];
};

static enum err begin(struct store_conn *conn, void *arg)
{
    struct beginning *x = arg;
    return identity_device_begin_in(x->c->identity, conn, x->name, x->address, x->now_us, x->code,
                                    x->user_code);
}

CONTROL_ASK(control_auth_device)
{
    struct buf *b = &reply->body;
    struct beginning x = {.c = c,
                          .name = clean_name(form(r, reply->arena, STR("name")), reply->arena),
                          .address = r->peer,
                          .now_us = who->now_us};
    enum err e = control_brake(c, reply, IDENTITY_BRAKE_DEVICE, r->peer);
    if (e == OK)
        e = store_write(c->store, begin, &x);
    if (e != OK)
        return e;
    buf_byte(b, '{');
    buf_json_member(b, "device_code", str_c(x.code));
    buf_json_member(b, "user_code", str_c(x.user_code));
    buf_json_member(b, "verification_uri", arena_printf(reply->arena, "%s/device", c->public_url));
    buf_json_member(b, "verification_uri_complete",
                    arena_printf(reply->arena, "%s/device?code=%s", c->public_url, x.user_code));
    buf_json_i64(b, "expires_in", IDENTITY_DEVICE_GOOD_US / US_PER_S);
    buf_json_i64(b, "interval", IDENTITY_DEVICE_INTERVAL_US / US_PER_S);
    buf_byte(b, '}');
    mem_wipe(x.code, sizeof(x.code));
    return OK;
}

/* ---- POST /api/auth/token ---- */

struct polling {
    struct control *c;
    const struct http_request *r;
    struct http_reply *reply;
    struct str code;
    int64_t now_us;
    struct identity_device d;
    struct identity_profile p;
    struct id key;
    bool made;
    char text[IDENTITY_KEY_TEXT_MAX];
};

/* The key is the approver's, named after the device. */
static enum err make_key(struct polling *x, struct store_conn *conn)
{
    char key[ID_TEXT_MAX];
    enum identity_role role = IDENTITY_ROLE_NONE;
    enum err e = identity_member_role(conn, x->d.team, x->d.user, &role);
    unsigned may = identity_role_permissions(role);
    if (e == ERR_NOT_FOUND || (e == OK && (may & 1u << IDENTITY_MAY_KEYS_WRITE) == 0)) {
        x->d.status = IDENTITY_DEVICE_DENIED; /* he is not in the team any more */
        return OK;
    }
    struct identity_key_spec spec = {
        .user = x->d.user, .team = x->d.team, .name = x->d.name, .scopes = IDENTITY_SCOPE_ALL};
    if (e == OK)
        e = identity_profile_by_id(conn, x->reply->arena, x->d.user, &x->p);
    if (e == OK)
        e = identity_key_create_in(x->c->identity, conn, &spec, x->now_us, &x->key, x->text);
    if (e == OK)
        e = upstream_keys_ensure_in(x->c->upstream_keys, conn, x->d.user, x->now_us);
    if (e == OK)
        e = tell_key_in(x->c, conn, HOOKS_KEY_CREATED, x->d.team, x->key, x->now_us);
    x->made = e == OK;
    struct control_who who = {.user = x->d.user, .now_us = x->now_us};
    return e == OK ? control_audit_in(conn, &who, x->r->peer, x->d.team, "key.create",
                                      id_text("key_", x->key, key), STR("{\"by\":\"device\"}"))
                   : e;
}

static enum err poll(struct store_conn *conn, void *arg)
{
    struct polling *x = arg;
    enum err e = identity_device_poll_in(x->c->identity, conn, x->reply->arena, x->code, x->now_us,
                                         &x->d);
    return e == OK && x->d.status == IDENTITY_DEVICE_APPROVED ? make_key(x, conn) : e;
}

static enum err answer_key(struct polling *x)
{
    struct buf *b = &x->reply->body;
    char text[ID_TEXT_MAX];
    buf_byte(b, '{');
    buf_json_member(b, "access_token", str_c(x->text));
    buf_json_member(b, "token_type", STR("bearer"));
    buf_json_member(b, "key_id", id_text("key_", x->key, text));
    buf_json_member(b, "team_id", id_text("team_", x->d.team, text));
    buf_json_member(b, "email", x->p.email);
    buf_byte(b, '}');
    mem_wipe(x->text, sizeof(x->text));
    return OK;
}

CONTROL_ASK(control_auth_token)
{
    struct polling x = {.c = c, .r = r, .reply = reply, .now_us = who->now_us};
    if (!str_eq(form(r, reply->arena, STR("grant_type")), GRANT))
        return oauth_no(reply, "unsupported_grant_type", "Only device codes are taken here.");
    x.code = form(r, reply->arena, STR("device_code"));
    if (x.code.n == 0)
        return oauth_no(reply, "invalid_request", "device_code is missing.");
    enum err e = control_brake(c, reply, IDENTITY_BRAKE_DEVICE, r->peer);
    if (e == OK)
        e = store_write(c->store, poll, &x);
    if (e == OK) /* a code that exists: its device asks as often as it is told */
        identity_brake_good(c->identity, IDENTITY_BRAKE_DEVICE, r->peer);
    if (e == ERR_NOT_FOUND)
        return oauth_no(reply, "invalid_grant", "There is no such device code (any more).");
    if (e != OK)
        return e;
    if (x.made)
        return answer_key(&x);
    switch (x.d.status) {
    case IDENTITY_DEVICE_SLOW_DOWN:
        return oauth_no(reply, "slow_down", "Wait five seconds longer between two questions.");
    case IDENTITY_DEVICE_DENIED: return oauth_no(reply, "access_denied", "This was declined.");
    case IDENTITY_DEVICE_EXPIRED:
        return oauth_no(reply, "expired_token", "Nobody has answered in time; begin again.");
    case IDENTITY_DEVICE_PENDING:
    case IDENTITY_DEVICE_APPROVED:
    case IDENTITY_DEVICE__COUNT: break;
    }
    return oauth_no(reply, "authorization_pending", "Nobody has answered yet.");
}

/* ---- GET /api/auth/device/{user_code}, POST /api/auth/device/decide ---- */

/* Codes can be guessed: a user has so many tries. */
static enum err find(struct control *c, const struct control_who *who, struct http_reply *reply,
                     struct str code, struct identity_device *d)
{
    char text[ID_TEXT_MAX];
    struct str user = id_text("usr_", who->user, text);
    struct store_conn *conn = NULL;
    enum err e = control_brake(c, reply, IDENTITY_BRAKE_DEVICE, user);
    if (e == OK)
        e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = identity_device_get(conn, reply->arena, code, who->now_us, d);
    store_reader_end(&conn);
    if (e == OK)
        identity_brake_good(c->identity, IDENTITY_BRAKE_DEVICE, user);
    if (e == ERR_NOT_FOUND)
        reply->message = STR("There is no such code. Look again at what the device shows.");
    return e;
}

CONTROL_ASK(control_device_get)
{
    struct identity_device d;
    struct buf *b = &reply->body;
    enum err e = find(c, who, reply, r->params[0], &d);
    if (e != OK)
        return e;
    buf_byte(b, '{');
    buf_json_member(b, "user_code", str_c(d.user_code));
    buf_json_member(b, "name", d.name);
    buf_json_member(b, "address", d.address);
    buf_json_time(b, "created_at", d.created_us);
    buf_json_time(b, "expires_at", d.expires_us);
    buf_json_member(b, "status", str_c(identity_device_status_name(d.status)));
    buf_byte(b, '}');
    return OK;
}

struct deciding {
    struct control_write w;
    struct str code, team_text;
    struct id team;
    bool approve;
};

static enum err decide(struct control_write *w, struct store_conn *conn)
{
    struct deciding *x = w->arg;
    enum identity_role role = IDENTITY_ROLE_NONE;
    enum err e = identity_member_role(conn, x->team, w->who->user, &role);
    bool may = (identity_role_permissions(role) & 1u << IDENTITY_MAY_KEYS_WRITE) != 0;
    if (e == OK && x->approve && !may)
        e = ERR_ROLE_MISSING;
    w->team = x->team;
    return e == OK ? identity_device_decide_in(conn, x->code, x->approve, w->who->user, x->team,
                                               w->who->now_us)
                   : e;
}

CONTROL_ASK(control_device_decide)
{
    struct deciding x = {
        .w =
            {.c = c, .who = who, .r = r, .reply = reply, .work = decide, .action = "device.decide"},
        .team = who->team,
        .team_text = STR("")};
    struct identity_device d;
    bool team_null = false;
    const struct control_field fields[] = {
        {.name = "user_code", .kind = CONTROL_TEXT, .to = &x.code, .max = 20, .required = true},
        {.name = "approve", .kind = CONTROL_BOOL, .to = &x.approve, .required = true},
        {.name = "team_id", .kind = CONTROL_TEXT, .to = &x.team_text, .null = &team_null}};
    x.w.arg = &x;
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK)
        e = find(c, who, reply, x.code, &d);
    if (e == OK && x.team_text.n != 0 && !id_parse("team_", x.team_text, &x.team))
        e = ERR_NOT_FOUND;
    x.w.change = x.approve ? STR("{\"approve\":true}") : STR("{\"approve\":false}");
    return e == OK ? control_write_run(&x.w) : e;
}

/* The door: credentials, then what the route needs. */
#include "control/who.h"
#include "base/clock.h"
#include "base/mem.h"
#include "control/body.h"
#include "control/oidc.h"
#include "identity/jwt.h"
#include "identity/session.h"
#include "identity/team.h"
#include "observe/observe.h"

#include <stdio.h>

#define COOKIE_NAME_MAX 64

/* ---- cookies ---- */

static bool is_https(const struct control *c)
{
    return str_starts(str_c(c->public_url), STR("https://"));
}

/* "__Host-tollgate_session"; the prefix binds it to this host and to TLS (RFC 6265bis §4.1.3). */
static struct str cookie_name(const struct control *c, const char *name, char text[COOKIE_NAME_MAX])
{
    size_t n = 0;
    char brand[24];
    for (const char *p = c->brand_name; p != NULL && *p != '\0' && n < sizeof(brand) - 1; p++) {
        char l = (char)(*p >= 'A' && *p <= 'Z' ? *p | 32 : *p);
        if ((l >= 'a' && l <= 'z') || (l >= '0' && l <= '9'))
            brand[n++] = l;
    }
    brand[n] = '\0';
    int all = snprintf(text, COOKIE_NAME_MAX, "%s%s_%s", is_https(c) ? "__Host-" : "", brand, name);
    must(all > 0 && all < COOKIE_NAME_MAX);
    return str_of(text, (size_t)all);
}

struct str control_cookie_find(struct str header, struct str name)
{
    while (header.n != 0) {
        struct str pair = str_trim(str_cut(&header, ';'));
        if (str_eq(str_cut(&pair, '='), name))
            return pair;
    }
    return (struct str){NULL, 0};
}

struct str control_cookie(struct control *c, const struct http_request *r, const char *name)
{
    char text[COOKIE_NAME_MAX];
    struct str wanted = cookie_name(c, name, text);
    for (size_t i = 0; i < r->head->headers_n; i++) {
        if (!str_eq_nocase(r->head->headers[i].name, STR("cookie")))
            continue;
        struct str found = control_cookie_find(r->head->headers[i].value, wanted);
        if (found.p != NULL)
            return found;
    }
    return STR("");
}

void control_cookie_put(struct control *c, const char *name, struct str value, int64_t max_age_s,
                        struct http_reply *reply)
{
    char text[COOKIE_NAME_MAX];
    buf_printf(&reply->headers,
               "Set-Cookie: %.*s=%.*s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Lax%s\r\n",
               STR_ARG(cookie_name(c, name, text)), STR_ARG(value), (long long)max_age_s,
               is_https(c) ? "; Secure" : "");
}

void control_cookie_set(struct control *c, const char *session_text, struct http_reply *reply)
{
    int64_t max_us = identity_session_max_us(c->identity);
    control_cookie_put(c, "session", str_c(session_text), max_us / US_PER_S, reply);
}

void control_cookie_clear(struct control *c, struct http_reply *reply)
{
    control_cookie_put(c, "session", STR(""), 0, reply);
}

/* ---- credentials ---- */

static bool is_write(const struct http_request *r)
{
    return r->head->method != HTTP1_GET && r->head->method != HTTP1_HEAD;
}

struct seen {
    struct control *c;
    struct identity_session session; /* its texts are not looked at */
    int64_t now_us;
    char text[IDENTITY_SESSION_TEXT_MAX];
};

static enum err write_seen(struct store_conn *conn, void *arg)
{
    struct seen *s = arg;
    return identity_session_touch_in(s->c->identity, conn, &s->session, s->now_us, NULL);
}

static enum err write_rotated(struct store_conn *conn, void *arg)
{
    struct seen *s = arg;
    return identity_session_touch_in(s->c->identity, conn, &s->session, s->now_us, s->text);
}

static void seen_written(void *arg, enum err e)
{
    if (e != OK)
        observe_say("warn", "session_seen_failed", "%s", err_info(e)->meaning);
    mem_free(arg);
}

/* Notes that the session lives; a browser's gets another token from time to time. Nobody is refused
 * because that cannot be written. */
static void touch(struct control *c, const struct identity_session *s, int64_t now_us,
                  struct http_reply *reply)
{
    if (!identity_session_is_stale(s, now_us))
        return;
    if (s->rotate) {
        struct seen now = {.c = c, .session = *s, .now_us = now_us};
        if (store_write(c->store, write_rotated, &now) == OK && now.text[0] != '\0')
            control_cookie_set(c, now.text, reply);
        mem_wipe(now.text, sizeof(now.text));
        return;
    }
    struct seen *later = mem_zalloc(sizeof(*later));
    *later = (struct seen){.c = c, .session = *s, .now_us = now_us};
    store_write_later(c->store, write_seen, seen_written, later);
}

static enum err by_session(struct control *c, const struct http_request *r,
                           struct http_reply *reply, struct str text, bool cookie,
                           struct control_who *who)
{
    struct store_conn *conn = NULL;
    struct identity_session s;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = identity_session_find(c->identity, conn, reply->arena, text, who->now_us, &s);
    store_reader_end(&conn);
    if (e == ERR_SESSION_EXPIRED && cookie)
        control_cookie_clear(c, reply);
    if (e == ERR_FORBIDDEN)
        reply->message = STR("This account is suspended. Write to us.");
    if (e != OK)
        return e;
    if (cookie && is_write(r)) {
        char csrf[IDENTITY_CSRF_TEXT_MAX];
        struct str wanted = identity_csrf(c->identity, s.session, csrf);
        struct str given = http_request_header(r, STR("x-csrf-token"));
        if (given.n != wanted.n || !crypto_eq(given.p, wanted.p, wanted.n))
            return ERR_CSRF_FAILED;
    }
    touch(c, &s, who->now_us, reply);
    who->by = CONTROL_BY_SESSION;
    who->session = s.session;
    who->user = s.user;
    who->team = s.team;
    who->role = s.role;
    who->permissions = identity_role_permissions(s.role);
    who->scopes = IDENTITY_SCOPE_ALL;
    who->is_operator = s.is_operator;
    who->cookie = cookie;
    who->email = s.email;
    who->name = s.name;
    return OK;
}

enum err control_role_in(struct control *c, struct control_who *who)
{
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = identity_member_role(conn, who->team, who->user, &who->role);
    store_reader_end(&conn);
    who->permissions = identity_role_permissions(who->role);
    return e;
}

/* A key may what its scopes say, as far as its owner's role reaches. */
static enum err by_key(struct control *c, const struct http_request *r, struct control_who *who)
{
    struct identity_key *key = NULL;
    enum err e = gateway_who(c->gateway, r, 0, who->now_us, &key);
    if (e != OK)
        return e == ERR_MISSING_API_KEY && str_starts(r->path, STR("/api/"))
                   ? ERR_MISSING_CREDENTIALS
                   : e;
    who->by = CONTROL_BY_KEY;
    who->key = key->key;
    who->user = key->user;
    who->team = key->team;
    who->scopes = key->scopes;
    identity_key_unref(&key);
    e = control_role_in(c, who);
    who->permissions &= identity_scopes_permissions(who->scopes);
    return e == ERR_NOT_FOUND ? ERR_INVALID_API_KEY : e;
}

/* A token of an issuer that the operator trusts: as the user that it belongs to, in his own
 * team. */
static enum err by_jwt(struct control *c, struct http_reply *reply, struct str token,
                       struct control_who *who)
{
    struct identity_profile p;
    enum err e = control_oidc_bearer(c, reply, token, who->now_us, &p);
    if (e != OK)
        return e;
    who->by = CONTROL_BY_JWT;
    who->user = p.user;
    who->team = p.team;
    who->email = p.email;
    who->name = p.name;
    who->scopes = IDENTITY_SCOPE_ALL;
    return control_role_in(c, who);
}

static enum err find_who(struct control *c, const struct http_request *r, struct http_reply *reply,
                         struct control_who *who)
{
    struct str auth = http_request_header(r, STR("authorization"));
    struct str bearer = STR("");
    if (auth.p != NULL && str_starts_nocase(auth, STR("bearer ")))
        bearer = str_trim(str_from(auth, 7));
    if (str_starts(bearer, STR(IDENTITY_SESSION_PREFIX)))
        return by_session(c, r, reply, bearer, false, who);
    bool other = auth.p != NULL || http_request_header(r, STR("x-api-key")).p != NULL;
    if (jwt_is_text(bearer) && str_starts(r->path, STR("/api/")))
        return by_jwt(c, reply, bearer, who);
    struct str cookie = str_starts(r->path, STR("/api/")) ? control_cookie(c, r, "session")
                                                          : STR("");
    if (!other && cookie.n != 0)
        return by_session(c, r, reply, cookie, true, who);
    return by_key(c, r, who);
}

/* ---- what is needed ---- */

static enum err in_path(struct control *c, const struct http_request *r, struct control_who *who)
{
    struct id team;
    if (!id_parse("team_", r->params[0], &team))
        return ERR_NOT_FOUND;
    who->team = team;
    return control_role_in(c, who);
}

static enum err has_need(struct control *c, const struct http_request *r, enum control_need need,
                         struct control_who *who)
{
    bool key = who->by == CONTROL_BY_KEY;
    if (need == NEED_OPERATOR)
        return who->is_operator && !key ? OK : ERR_NOT_FOUND;
    if (need == NEED_SELF)
        return key ? ERR_SCOPE_MISSING : OK;
    enum identity_may may = (enum identity_may)(need - NEED_USAGE_READ);
    if (key && (identity_scopes_permissions(who->scopes) & 1u << may) == 0)
        return ERR_SCOPE_MISSING;
    enum err e = identity_may_is_of_path(may) ? in_path(c, r, who) : OK;
    if (e != OK)
        return e;
    return control_may(who, may) ? OK : ERR_ROLE_MISSING;
}

enum err control_who(struct control *c, const struct http_request *r, struct http_reply *reply,
                     enum control_need need, struct control_who *ret_who)
{
    *ret_who = (struct control_who){.now_us = clock_wall_us(), .email = STR(""), .name = STR("")};
    enum err e = find_who(c, r, reply, ret_who);
    if (need == NEED_NONE) {
        if (e != OK)
            *ret_who = (struct control_who){
                .now_us = ret_who->now_us, .email = STR(""), .name = STR("")};
        return e == OK || err_info(e)->status < 500 ? OK : e;
    }
    must(need != NEED_KEY);
    return e == OK ? has_need(c, r, need, ret_who) : e;
}

enum err control_door_open(void *door, const struct http_request *r, struct http_reply *reply)
{
    const struct control_door *d = door;
    struct control_who who = {.now_us = clock_wall_us(), .email = STR(""), .name = STR("")};
    buf_add(&reply->headers, STR("Cache-Control: no-store\r\n"));
    enum err e = d->need == NEED_NONE ? OK : control_who(d->control, r, reply, d->need, &who);
    return e == OK ? d->ask(d->control, &who, r, reply) : e;
}

/* GET /api/auth/oidc/{provider}/start and /callback.
 *
 * What has to be remembered between the two (state, nonce, verifier, where to go) is sealed into a
 * cookie of the browser that began, good for ten minutes; so nobody else's answer fits it. */
#include "control/oidc.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "control/body.h"
#include "control/routes.h"
#include "identity/session.h"
#include "observe/observe.h"

#include <stdio.h>

#define FLOW_S 600
#define PLACE_MAX 512
#define SEAL_ABOUT STR("oidc flow")
#define COOKIE "oidc"

struct flow {
    struct identity_oidc_flow secrets;
    int64_t at_us;
    struct id user; /* who was signed in, and links; zero: nobody */
    struct str place; /* where to go afterwards */
};

/* A path of ours: nothing that leads elsewhere. */
static bool place_is_ours(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] > 0x7E || s.p[i] == '\\')
            return false;
    return s.n != 0 && s.n <= PLACE_MAX && s.p[0] == '/' && (s.n == 1 || s.p[1] != '/');
}

static enum err go_to(struct http_reply *reply, struct str base, struct str place)
{
    reply->status = 302;
    buf_printf(&reply->headers, "Location: %.*s%.*s\r\n", STR_ARG(base), STR_ARG(place));
    return OK;
}

/* Back to the page, which has words for the person. */
static enum err fail(struct control *c, struct http_reply *reply, enum err e)
{
    const char *why = "denied";
    if (e == ERR_NOT_FOUND)
        why = c->signup == CONTROL_SIGNUP_CLOSED ? "signup_closed" : "invitation_needed";
    else if (e == ERR_EMAIL_UNVERIFIED)
        why = "email_unverified";
    else if (e == ERR_CONFLICT)
        why = "taken";
    else if (e == ERR_FORBIDDEN)
        why = "suspended";
    else if (e == ERR_TOTP_REQUIRED)
        why = "second_factor";
    else if (e == ERR_UPSTREAM_UNAVAILABLE || e == ERR_UPSTREAM_TIMEOUT || e == ERR_UPSTREAM_ERROR)
        why = "unavailable";
    else if (e != ERR_DENIED && e != ERR_SESSION_EXPIRED)
        return e;
    char place[64];
    snprintf(place, sizeof(place), "/sign-in?error=%s", e == ERR_SESSION_EXPIRED ? "expired" : why);
    return go_to(reply, str_c(c->public_url), str_c(place));
}

static struct str redirect_uri(const struct control *c, struct arena *a, struct str provider)
{
    return arena_printf(a, "%s/api/auth/oidc/%.*s/callback", c->public_url, STR_ARG(provider));
}

/* ---- the cookie ---- */

static void keep_flow(struct control *c, const struct flow *f, struct http_reply *reply)
{
    struct buf json, sealed, text;
    char user[ID_TEXT_MAX];
    buf_init(&json, 4096);
    buf_init(&sealed, 4096);
    buf_init(&text, 8192);
    buf_byte(&json, '{');
    buf_json_member(&json, "provider", str_c(f->secrets.provider));
    buf_json_member(&json, "state", str_c(f->secrets.state));
    buf_json_member(&json, "nonce", str_c(f->secrets.nonce));
    buf_json_member(&json, "verifier", str_c(f->secrets.verifier));
    buf_json_member(&json, "place", f->place);
    buf_json_member(&json, "user", id_is_zero(f->user) ? STR("") : id_text("usr_", f->user, user));
    buf_json_i64(&json, "at", f->at_us);
    buf_byte(&json, '}');
    must(!json.over);
    crypto_seal(c->seal, SEAL_ABOUT, buf_str(&json), &sealed);
    base64url_add(&text, buf_str(&sealed));
    control_cookie_put(c, COOKIE, buf_str(&text), FLOW_S, reply);
    mem_wipe(json.p, json.n);
    buf_fini(&json);
    buf_fini(&sealed);
    buf_fini(&text);
}

static bool member(struct arena *a, struct str json, const char *name, char *to, size_t cap)
{
    struct str s;
    if (json_string(a, json_get(json, str_c(name)), &s) != OK || s.n >= cap)
        return false;
    memcpy(to, s.p, s.n);
    to[s.n] = '\0';
    return true;
}

static bool read_flow(struct arena *a, struct str json, struct flow *f)
{
    struct str user;
    struct identity_oidc_flow *s = &f->secrets;
    bool good = member(a, json, "provider", s->provider, sizeof(s->provider)) &&
                member(a, json, "state", s->state, sizeof(s->state)) &&
                member(a, json, "nonce", s->nonce, sizeof(s->nonce)) &&
                member(a, json, "verifier", s->verifier, sizeof(s->verifier)) &&
                json_string(a, json_get(json, STR("place")), &f->place) == OK &&
                json_string(a, json_get(json, STR("user")), &user) == OK &&
                json_int(json_get(json, STR("at")), 0, INT64_MAX, &f->at_us) == OK;
    return good && (user.n == 0 || id_parse("usr_", user, &f->user));
}

/* SESSION_EXPIRED when this browser did not begin, or too long ago. */
static enum err find_flow(struct control *c, const struct http_request *r, struct arena *a,
                          int64_t now_us, struct flow *ret)
{
    struct buf sealed, json;
    struct flow f = {.place = STR("/")};
    buf_init(&sealed, 8192);
    buf_init(&json, 8192);
    bool good = base64url_read(control_cookie(c, r, COOKIE), &sealed) == OK && sealed.n != 0 &&
                crypto_open(c->seal, SEAL_ABOUT, buf_str(&sealed), &json) == OK &&
                read_flow(a, arena_dup(a, buf_str(&json)), &f) &&
                now_us - f.at_us <= FLOW_S * US_PER_S &&
                str_eq(str_c(f.secrets.provider), r->params[0]);
    if (json.p != NULL)
        mem_wipe(json.p, json.n);
    buf_fini(&sealed);
    buf_fini(&json);
    if (good)
        *ret = f;
    return good ? OK : ERR_SESSION_EXPIRED;
}

/* ---- going ---- */

static enum err signed_in(struct control *c, const struct http_request *r, struct http_reply *reply,
                          struct control_who *ret_who)
{
    enum err e = control_who(c, r, reply, NEED_NONE, ret_who);
    if (e == OK && (ret_who->by != CONTROL_BY_SESSION || !ret_who->cookie))
        ret_who->user = (struct id){{0}};
    return e;
}

/* ?link= has the session's CSRF token: without it, any page could have the person of this browser
 * linked with whoever is signed in at the issuer. */
static enum err read_link(struct control *c, const struct http_request *r, struct http_reply *reply,
                          struct id *ret_user)
{
    char text[IDENTITY_CSRF_TEXT_MAX];
    struct control_who who;
    struct str given;
    *ret_user = (struct id){{0}};
    if (!http_query(r, reply->arena, STR("link"), &given))
        return OK;
    enum err e = signed_in(c, r, reply, &who);
    if (e != OK || id_is_zero(who.user))
        return e != OK ? e : ERR_MISSING_CREDENTIALS;
    struct str wanted = identity_csrf(c->identity, who.session, text);
    if (given.n != wanted.n || !crypto_eq(given.p, wanted.p, wanted.n))
        return ERR_CSRF_FAILED;
    *ret_user = who.user;
    return OK;
}

CONTROL_ASK(control_oidc_start)
{
    struct flow f = {.at_us = who->now_us, .place = STR("/")};
    struct str place;
    struct buf url;
    if (http_query(r, reply->arena, STR("redirect"), &place) && place_is_ours(place))
        f.place = place;
    enum err e = read_link(c, r, reply, &f.user);
    if (e != OK)
        return e;
    buf_init(&url, 8192);
    e = identity_oidc_begin(c->oidc, r->params[0], redirect_uri(c, reply->arena, r->params[0]),
                            who->now_us, &f.secrets, &url);
    if (e == OK && !http1_value_is_sane(buf_str(&url)))
        e = ERR_UPSTREAM_ERROR;
    if (e == OK) {
        keep_flow(c, &f, reply);
        e = go_to(reply, STR(""), buf_str(&url));
    } else if (e != ERR_NOT_FOUND) {
        e = fail(c, reply, e);
    }
    buf_fini(&url);
    return e;
}

/* ---- coming back ---- */

struct back {
    struct control *c;
    const struct http_request *r;
    int64_t now_us;
    struct control_oidc_account account;
    struct control_sign_in sign_in;
};

static enum err back_in(struct store_conn *conn, void *arg)
{
    struct back *b = arg;
    struct identity_profile p;
    struct arena a;
    enum err e = control_oidc_account_in(b->c, conn, &b->account, b->now_us);
    if (e == ERR_DENIED)
        e = ERR_TOTP_REQUIRED;
    if (e != OK)
        return e;
    arena_init(&a, 2048, 64u * 1024);
    e = identity_profile_by_id(conn, &a, b->account.user, &p);
    if (e == OK && b->account.created)
        e = control_audit_user_in(conn, b->r, p.user, p.team, "account.create", b->now_us);
    bool linking = !id_is_zero(b->account.link_to);
    if (e == OK && linking)
        e = control_audit_user_in(conn, b->r, p.user, p.team, "identity.link", b->now_us);
    b->sign_in = (struct control_sign_in){.user = b->account.user, .cookie = true};
    if (e == OK && !linking)
        e = control_sign_in_in(b->c, conn, b->r, b->now_us, &b->sign_in);
    arena_fini(&a);
    return e;
}

static enum err come_back(struct control *c, const struct http_request *r, struct http_reply *reply,
                          int64_t now_us, struct str *ret_place)
{
    struct flow f;
    struct identity_oidc_who who;
    struct control_who now;
    enum err e = find_flow(c, r, reply->arena, now_us, &f);
    if (e != OK)
        return e;
    *ret_place = f.place;
    /* Who began to link is still the one who is signed in. */
    e = id_is_zero(f.user) ? OK : signed_in(c, r, reply, &now);
    if (e == OK && !id_is_zero(f.user) && !id_eq(now.user, f.user))
        return ERR_SESSION_EXPIRED;
    if (e == OK)
        e = identity_oidc_end(c->oidc, &f.secrets, r->query,
                              redirect_uri(c, reply->arena, r->params[0]), now_us, reply->arena,
                              &who);
    if (e != OK)
        return e;
    struct back b = {.c = c, .r = r, .now_us = now_us, .account = {.who = &who, .link_to = f.user}};
    e = store_write(c->store, back_in, &b);
    if (e == OK && b.sign_in.text[0] != '\0')
        control_cookie_set(c, b.sign_in.text, reply);
    mem_wipe(b.sign_in.text, sizeof(b.sign_in.text));
    return e;
}

CONTROL_ASK(control_oidc_callback)
{
    struct str place = STR("/");
    if (identity_oidc_provider_of(c->oidc, r->params[0]) == NULL)
        return ERR_NOT_FOUND;
    enum err e = come_back(c, r, reply, who->now_us, &place);
    control_cookie_put(c, COOKIE, STR(""), 0, reply); /* once */
    if (e != OK)
        observe_say("info", "oidc_refused", "%.*s: %s", STR_ARG(r->params[0]), err_info(e)->name);
    return e == OK ? go_to(reply, str_c(c->public_url), place) : fail(c, reply, e);
}

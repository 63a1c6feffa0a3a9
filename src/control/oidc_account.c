/* Accounts of people who are known elsewhere. */
#include "control/oidc.h"

#include "base/clock.h"
#include "control/body.h"
#include "identity/session.h"

#include <stdio.h>

#define EMAIL_TEXT_MAX 64

/* May he sign in at all? Whoever has another way to do so hears of it. */
static enum err check_profile(struct control *c, struct store_conn *conn, struct arena *a,
                              const struct control_oidc_account *x, int64_t now_us)
{
    struct identity_profile p;
    enum err e = identity_profile_by_id(conn, a, x->user, &p);
    if (e == ERR_NOT_FOUND || (e == OK && p.suspended))
        return ERR_FORBIDDEN;
    if (e != OK || !x->linked)
        return e;
    struct control_mail m = {.name = MAIL_IDENTITY_LINKED,
                             .to = p.email,
                             .vars = {.path = STR("/security"), .name = x->who->issuer}};
    return control_mail_in(c, conn, &m, now_us);
}

/* Whoever signed up with this address never showed that it is his. */
static enum err take_over_in(struct control *c, struct store_conn *conn,
                             const struct identity_profile *p, int64_t now_us)
{
    bool first = false;
    struct id none = {{0}};
    enum err e = identity_password_set_in(conn, p->user, STR(""));
    if (e == OK)
        e = identity_sessions_end_in(conn, p->user, none);
    if (e == OK)
        e = identity_verified_in(conn, p->user, now_us, &first);
    return e == OK && first ? control_intro_in(c, conn, p->team, p->email, now_us) : e;
}

static enum err link_by_email_in(struct control *c, struct store_conn *conn,
                                 struct control_oidc_account *x, const struct identity_profile *p,
                                 int64_t now_us)
{
    enum err e = OK;
    if (p->suspended)
        return ERR_FORBIDDEN;
    if (p->totp_since_us != 0)
        return ERR_DENIED;
    if (p->verified_us == 0)
        e = take_over_in(c, conn, p, now_us);
    x->user = p->user;
    x->linked = true;
    return e == OK ? identity_oidc_link_in(conn, x->who, p->user, now_us) : e;
}

/* An address that no mail reaches (RFC 2606), the same for the same identity. */
static struct str made_email(const struct identity_oidc_who *who, char text[EMAIL_TEXT_MAX])
{
    uint8_t hash[CRYPTO_HASH_LEN];
    char hex[2 * 12 + 1];
    struct crypto_hasher *h = crypto_hasher_new();
    crypto_hasher_start(h);
    crypto_hasher_add(h, who->issuer);
    crypto_hasher_add(h, STR("\n"));
    crypto_hasher_add(h, who->subject);
    crypto_hasher_end(h, hash);
    crypto_hasher_free(&h);
    int n = snprintf(text, EMAIL_TEXT_MAX, "%.*s@users.invalid",
                     STR_ARG(crypto_hex(hash, 12, hex)));
    return str_of(text, (size_t)n);
}

static enum err create_in(struct control *c, struct store_conn *conn,
                          struct control_oidc_account *x, int64_t now_us)
{
    char text[EMAIL_TEXT_MAX];
    const struct identity_oidc_who *who = x->who;
    struct identity_user user;
    struct identity_account_spec spec = {.email = who->verified ? who->email
                                                                : made_email(who, text),
                                         .name = who->name,
                                         .company = STR(""),
                                         .password = STR(""),
                                         .verified = who->verified};
    if (c->signup != CONTROL_SIGNUP_OPEN)
        return ERR_NOT_FOUND;
    enum err e = control_account_create_in(c, conn, &spec, now_us, &user);
    if (e == OK && who->verified)
        e = control_intro_in(c, conn, user.wallet, who->email, now_us);
    x->user = user.user;
    x->created = true;
    return e == OK ? identity_oidc_link_in(conn, who, user.user, now_us) : e;
}

/* Nobody has this identity yet. */
static enum err unknown_in(struct control *c, struct store_conn *conn, struct arena *a,
                           struct control_oidc_account *x, int64_t now_us)
{
    struct identity_profile p;
    if (!x->who->verified)
        return x->bearer ? create_in(c, conn, x, now_us) : ERR_EMAIL_UNVERIFIED;
    enum err e = identity_profile_by_email(conn, a, x->who->email, &p);
    if (e == OK)
        return link_by_email_in(c, conn, x, &p, now_us);
    return e == ERR_NOT_FOUND ? create_in(c, conn, x, now_us) : e;
}

enum err control_oidc_account_in(struct control *c, struct store_conn *conn,
                                 struct control_oidc_account *x, int64_t now_us)
{
    struct arena a;
    x->created = x->linked = false;
    arena_init(&a, 2048, 64u * 1024);
    enum err e = identity_oidc_user(conn, x->who, &x->user);
    bool linking = !id_is_zero(x->link_to);
    if (e == OK && linking && !id_eq(x->user, x->link_to)) {
        e = ERR_CONFLICT;
    } else if (e == ERR_NOT_FOUND && linking) {
        x->user = x->link_to;
        x->linked = true;
        e = identity_oidc_link_in(conn, x->who, x->user, now_us);
    } else if (e == ERR_NOT_FOUND) {
        e = unknown_in(c, conn, &a, x, now_us);
    }
    if (e == OK)
        e = check_profile(c, conn, &a, x, now_us);
    arena_fini(&a);
    return e;
}

/* ---- bearers ---- */

struct bearer {
    struct control *c;
    struct control_oidc_account account;
    int64_t now_us;
};

static enum err bearer_in(struct store_conn *conn, void *arg)
{
    struct bearer *b = arg;
    return control_oidc_account_in(b->c, conn, &b->account, b->now_us);
}

static enum err read_profile(struct control *c, struct arena *a,
                             const struct identity_oidc_who *who, struct identity_profile *ret)
{
    struct store_conn *conn = NULL;
    struct id user;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = identity_oidc_user(conn, who, &user);
    if (e == OK && identity_profile_by_id(conn, a, user, ret) != OK)
        e = ERR_FORBIDDEN;
    store_reader_end(&conn);
    return e == OK && ret->suspended ? ERR_FORBIDDEN : e;
}

static enum err refused(struct http_reply *reply, enum err e)
{
    if (e == ERR_NOT_FOUND)
        reply->message = STR("Nobody here belongs to this token, and sign-up is not open.");
    else if (e == ERR_DENIED)
        reply->message = STR("The token's address has an account with a second factor: sign in "
                             "and link it there.");
    else if (e == ERR_FORBIDDEN)
        reply->message = STR("This account is suspended. Write to us.");
    return e == ERR_NOT_FOUND || e == ERR_DENIED ? ERR_FORBIDDEN : e;
}

enum err control_oidc_bearer(struct control *c, struct http_reply *reply, struct str token,
                             int64_t now_us, struct identity_profile *ret)
{
    struct identity_oidc_who who;
    enum err e = identity_oidc_bearer(c->oidc, token, now_us, reply->arena, &who);
    if (e == ERR_DENIED) {
        reply->message = STR("The token is not good here, or no longer.");
        return ERR_INVALID_CREDENTIALS;
    }
    if (e != OK) {
        reply->message = STR("The token's issuer cannot be asked right now.");
        return e;
    }
    e = read_profile(c, reply->arena, &who, ret);
    if (e != ERR_NOT_FOUND)
        return refused(reply, e);
    struct bearer b = {.c = c, .account = {.who = &who, .bearer = true}, .now_us = now_us};
    e = store_write(c->store, bearer_in, &b);
    return refused(reply, e == OK ? read_profile(c, reply->arena, &who, ret) : e);
}

/* What the routes of accounts share. */
#include "control/account.h"
#include "base/clock.h"
#include "control/body.h"
#include "identity/audit.h"
#include "identity/session.h"
#include "identity/team.h"

#include <stdio.h>

#define INTRO_PRIORITY 5 /* before what was given or paid for */

enum err control_brake(struct control *c, struct http_reply *reply, enum identity_brake_kind kind,
                       struct str subject)
{
    int64_t wait_us = identity_brake_take(c->identity, kind, subject, clock_mono_us());
    if (wait_us == 0)
        return OK;
    buf_printf(&reply->headers, "Retry-After: %lld\r\nretry-after-ms: %lld\r\n",
               (long long)((wait_us + US_PER_S - 1) / US_PER_S),
               (long long)((wait_us + US_PER_MS - 1) / US_PER_MS));
    reply->message = STR("Too many tries. Wait as Retry-After says.");
    return ERR_RATE_LIMITED;
}

struct str control_email_key(struct arena *a, struct str email)
{
    struct str key = arena_dup(a, str_trim(email));
    char *p = (char *)(uintptr_t)key.p;
    for (size_t i = 0; i < key.n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] | 32);
    return key;
}

/* ---- passwords ---- */

enum err control_profile(struct control *c, const struct control_who *who, struct http_reply *reply,
                         struct identity_profile *ret_profile)
{
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = identity_profile_by_id(conn, reply->arena, who->user, ret_profile);
    store_reader_end(&conn);
    return e;
}

enum err control_password_check(struct control *c, const struct control_who *who,
                                struct http_reply *reply, struct str password,
                                struct identity_profile *ret_profile)
{
    bool good = false, stale = false;
    enum err e = control_profile(c, who, reply, ret_profile);
    if (e != OK || ret_profile->password.n == 0)
        return e;
    struct str key = control_email_key(reply->arena, ret_profile->email);
    e = control_brake(c, reply, IDENTITY_BRAKE_ACCOUNT, key);
    if (e == OK)
        e = identity_password_check(c->identity, ret_profile->password, password, &good, &stale);
    if (e != OK)
        return e;
    if (!good)
        return control_wrong(reply, ERR_INVALID_CREDENTIALS, "password", "The password is wrong.");
    identity_brake_good(c->identity, IDENTITY_BRAKE_ACCOUNT, key);
    return OK;
}

enum err control_password_new(struct control *c, struct http_reply *reply, const char *field,
                              struct str password, char ret_phc[IDENTITY_PHC_MAX])
{
    const char *fault = identity_password_fault(password);
    if (fault != NULL)
        return control_wrong(reply, ERR_VALIDATION_FAILED, field, fault);
    return identity_password_hash(c->identity, password, ret_phc);
}

/* ---- in transactions ---- */

enum err control_account_create_in(struct control *c, struct store_conn *conn,
                                   const struct identity_account_spec *spec, int64_t now_us,
                                   struct identity_user *ret_user)
{
    enum err e = identity_account_create_in(c->identity, conn, spec, now_us, ret_user);
    return e == OK ? ledger_account_open_in(c->ledger, conn, ret_user->wallet, LEDGER_WALLET,
                                            NANO(0), now_us)
                   : e;
}

/* "Ann+shop@x" and "ann@x" reach the same person, who gets one intro credit. */
static void intro_key(struct str email, char text[96])
{
    char plain[256], hex[2 * CRYPTO_HASH_LEN + 1];
    uint8_t hash[CRYPTO_HASH_LEN];
    size_t n = 0, at = str_index(email, '@'), plus = str_index(email, '+');
    for (size_t i = 0; i < email.n && n < sizeof(plain); i++) {
        if (plus < at && i >= plus && i < at)
            continue;
        char ch = email.p[i];
        plain[n++] = (char)(ch >= 'A' && ch <= 'Z' ? ch | 32 : ch);
    }
    crypto_sha256(str_of(plain, n), hash);
    crypto_hex(hash, sizeof(hash), hex);
    snprintf(text, 96, "intro:%s", hex);
}

enum err control_intro_in(struct control *c, struct store_conn *conn, struct id wallet,
                          struct str email, int64_t now_us)
{
    char key[96];
    bool replayed;
    if (c->intro_credit.v <= 0)
        return OK;
    intro_key(email, key);
    struct ledger_grant g = {.wallet = wallet,
                             .lot = id_new(now_us),
                             .kind = LEDGER_LOT_INTRO,
                             .amount = c->intro_credit,
                             .priority = INTRO_PRIORITY,
                             .source = STR("promo_expense"),
                             .reason = STR("welcome"),
                             .idempotency = str_c(key),
                             .wall_us = now_us};
    enum err e = ledger_grant_in(c->ledger, conn, &g, &replayed);
    return e == ERR_CONFLICT ? OK : e; /* an earlier account of this address had it */
}

enum err control_audit_user_in(struct store_conn *conn, const struct http_request *r,
                               struct id user, struct id team, const char *action, int64_t now_us)
{
    char text[ID_TEXT_MAX];
    struct str actor = id_text("usr_", user, text);
    struct identity_audit_line line = {.team = team,
                                       .actor = actor,
                                       .address = r->peer,
                                       .action = str_c(action),
                                       .object = actor,
                                       .change = STR("{}")};
    return identity_audit_line_in(conn, &line, now_us);
}

enum err control_mail_in(struct control *c, struct store_conn *conn, const struct control_mail *m,
                         int64_t now_us)
{
    return mail_enqueue_in(c->mail, conn, m->name, m->to, &m->vars, STR(""), now_us);
}

/* ---- signing in ---- */

enum err control_sign_in_in(struct control *c, struct store_conn *conn,
                            const struct http_request *r, int64_t now_us, struct control_sign_in *s)
{
    struct identity_profile p;
    struct arena a;
    bool is_new = false;
    arena_init(&a, 2048, 64u * 1024);
    struct str agent = http_request_header(r, STR("user-agent"));
    struct identity_session_spec spec = {
        .user = s->user, .address = r->peer, .user_agent = agent, .cookie = s->cookie};
    enum err e = identity_profile_by_id(conn, &a, s->user, &p);
    if (e == OK)
        e = identity_session_is_new(conn, s->user, agent, &is_new);
    if (e == OK)
        e = identity_session_start_in(c->identity, conn, &spec, now_us, &s->session, s->text);
    if (e == OK)
        e = control_audit_user_in(conn, r, s->user, p.team, "session.start", now_us);
    if (e == OK && is_new) {
        struct control_mail m = {.name = MAIL_NEW_SIGN_IN,
                                 .to = p.email,
                                 .vars = {.path = STR("/security"),
                                          .address = r->peer,
                                          .device = str_upto(agent, 200),
                                          .at_us = now_us}};
        e = control_mail_in(c, conn, &m, now_us);
    }
    arena_fini(&a);
    return e;
}

/* ---- as JSON ---- */

void control_user_json(struct buf *b, const char *key, const struct identity_profile *p)
{
    char text[ID_TEXT_MAX];
    buf_json_key(b, key);
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("usr_", p->user, text));
    buf_json_member(b, "email", p->email);
    buf_json_member(b, "name", p->name);
    buf_json_member(b, "company", p->company);
    buf_json_bool(b, "email_verified", p->verified_us != 0);
    buf_json_bool(b, "is_operator", p->is_operator);
    buf_json_bool(b, "totp_enabled", p->totp_since_us != 0);
    buf_json_bool(b, "has_password", p->password.n != 0);
    buf_json_time(b, "created_at", p->created_us);
    buf_byte(b, '}');
}

struct teams {
    struct buf *out;
    struct id current;
    struct buf one; /* the current one */
};

static void add_team(void *arg, const struct identity_team_row *row)
{
    struct teams *t = arg;
    char text[ID_TEXT_MAX];
    struct buf *outs[] = {t->out, id_eq(row->team, t->current) ? &t->one : NULL};
    for (size_t i = 0; i < 2 && outs[i] != NULL; i++) {
        buf_json_comma(outs[i]);
        buf_byte(outs[i], '{');
        buf_json_member(outs[i], "id", id_text("team_", row->team, text));
        buf_json_member(outs[i], "name", row->name);
        buf_json_member(outs[i], "role", str_c(identity_role_name(row->role)));
        buf_json_bool(outs[i], "personal", row->personal);
        buf_byte(outs[i], '}');
    }
}

enum err control_me_json(struct control *c, struct store_conn *conn, struct arena *a,
                         const struct control_who *who, struct buf *b)
{
    struct identity_profile p;
    char csrf[IDENTITY_CSRF_TEXT_MAX];
    struct teams t = {.out = b, .current = who->team};
    enum err e = identity_profile_by_id(conn, a, who->user, &p);
    if (e != OK)
        return e;
    buf_init(&t.one, 4096);
    buf_byte(b, '{');
    control_user_json(b, "user", &p);
    buf_json_key(b, "teams");
    buf_byte(b, '[');
    e = identity_team_list(conn, who->user, add_team, &t);
    buf_byte(b, ']');
    buf_json_key(b, "team");
    buf_add(b, t.one.n != 0 ? buf_str(&t.one) : STR("null"));
    buf_fini(&t.one);
    if (!id_is_zero(who->session))
        buf_json_member(b, "csrf_token", identity_csrf(c->identity, who->session, csrf));
    buf_json_key(b, "permissions");
    buf_byte(b, '[');
    for (unsigned i = 0; i < IDENTITY_MAY__COUNT; i++) {
        if ((who->permissions & 1u << i) == 0)
            continue;
        buf_json_comma(b);
        buf_json_str(b, str_c(identity_may_name((enum identity_may)i)));
    }
    buf_add(b, STR("]}"));
    return e;
}

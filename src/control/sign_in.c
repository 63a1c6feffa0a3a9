/* Signing in and out, passwords, addresses, sessions. */
#include "base/clock.h"
#include "base/mem.h"
#include "control/account.h"
#include "control/body.h"
#include "control/routes.h"
#include "control/write.h"
#include "identity/session.h"

#define EMAIL_HOURS 24

/* ---- POST /api/auth/login ---- */

struct login {
    struct control *c;
    const struct http_request *r;
    struct identity_profile p;
    struct str code;
    char phc[IDENTITY_PHC_MAX]; /* "": the one that is there stays */
    struct str before; /* the browser's session until now */
    int64_t now_us;
    struct control_sign_in in;
};

/* A browser has one session: that which it had ends. */
static enum err end_before(const struct login *l, struct store_conn *conn)
{
    struct identity_session s;
    struct arena a;
    if (l->before.n == 0 || !l->in.cookie)
        return OK;
    arena_init(&a, 1024, 16u * 1024);
    enum err e = identity_session_find(l->c->identity, conn, &a, l->before, l->now_us, &s);
    if (e == OK)
        e = identity_session_end_in(conn, s.user, s.session);
    arena_fini(&a);
    return e == ERR_SESSION_EXPIRED || e == ERR_FORBIDDEN || e == ERR_NOT_FOUND ? OK : e;
}

static enum err log_in(struct store_conn *conn, void *arg)
{
    struct login *l = arg;
    enum err e = OK;
    if (l->p.totp_since_us != 0)
        e = identity_totp_check_in(l->c->identity, conn, l->p.user, l->code, true, l->now_us);
    if (e == ERR_NOT_FOUND)
        e = OK; /* it was taken away meanwhile */
    if (e == OK && l->phc[0] != '\0')
        e = identity_password_set_in(conn, l->p.user, str_c(l->phc));
    if (e == OK)
        e = end_before(l, conn);
    return e == OK ? control_sign_in_in(l->c, conn, l->r, l->now_us, &l->in) : e;
}

/* The same time for every address: a hash is compared in any case. */
static enum err check_login(struct login *l, struct http_reply *reply, struct str email,
                            struct str password)
{
    struct store_conn *conn = NULL;
    bool good = false, stale = false;
    enum err e = store_reader_begin(l->c->store, &conn);
    if (e != OK)
        return e;
    e = identity_profile_by_email(conn, reply->arena, email, &l->p);
    store_reader_end(&conn);
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    e = identity_password_check(l->c->identity, e == OK ? l->p.password : STR(""), password, &good,
                                &stale);
    if (e != OK || !good)
        return e != OK ? e : ERR_INVALID_CREDENTIALS;
    if (l->p.suspended) {
        reply->message = STR("This account is suspended. Write to us.");
        return ERR_FORBIDDEN;
    }
    if (l->p.verified_us == 0)
        return ERR_EMAIL_UNVERIFIED;
    if (l->p.totp_since_us != 0 && l->code.n == 0)
        return ERR_TOTP_REQUIRED;
    return stale ? identity_password_hash(l->c->identity, password, l->phc) : OK;
}

enum err control_signed_in_json(struct control *c, struct id user, struct id session,
                                struct http_reply *reply)
{
    struct control_who who = {.user = user};
    struct identity_profile p;
    char csrf[IDENTITY_CSRF_TEXT_MAX];
    enum err e = control_profile(c, &who, reply, &p);
    if (e != OK)
        return e;
    buf_byte(&reply->body, '{');
    control_user_json(&reply->body, "user", &p);
    buf_json_member(&reply->body, "csrf_token", identity_csrf(c->identity, session, csrf));
    buf_byte(&reply->body, '}');
    return OK;
}

static enum err answer_login(struct login *l, struct http_reply *reply)
{
    enum err e = control_signed_in_json(l->c, l->in.user, l->in.session, reply);
    if (e == OK && l->in.cookie) {
        control_cookie_set(l->c, l->in.text, reply);
    } else if (e == OK) {
        reply->body.n--;
        buf_json_member(&reply->body, "token", str_c(l->in.text));
        buf_byte(&reply->body, '}');
    }
    mem_wipe(l->in.text, sizeof(l->in.text));
    return e;
}

CONTROL_ASK(control_auth_login)
{
    struct login l = {.c = c, .r = r, .now_us = who->now_us, .code = STR("")};
    struct str email = STR(""), password = STR(""), transport = STR("cookie");
    const struct control_field fields[] = {
        {.name = "email", .kind = CONTROL_TEXT, .to = &email, .max = 254, .required = true},
        {.name = "password", .kind = CONTROL_SECRET, .to = &password, .required = true},
        {.name = "code", .kind = CONTROL_TEXT, .to = &l.code, .max = 20},
        {.name = "transport", .kind = CONTROL_TEXT, .to = &transport}};
    enum err e = control_json_only(r);
    if (e == OK)
        e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && !str_eq(transport, STR("cookie")) && !str_eq(transport, STR("token")))
        e = control_wrong(reply, ERR_VALIDATION_FAILED, "transport", "It is cookie or token.");
    struct str key = control_email_key(reply->arena, email);
    if (e == OK)
        e = control_brake(c, reply, IDENTITY_BRAKE_ADDRESS, r->peer);
    if (e == OK)
        e = control_brake(c, reply, IDENTITY_BRAKE_ACCOUNT, key);
    if (e == OK)
        e = check_login(&l, reply, email, password);
    l.before = control_cookie(c, r, "session");
    l.in = (struct control_sign_in){.user = l.p.user, .cookie = str_eq(transport, STR("cookie"))};
    if (e == OK)
        e = store_write(c->store, log_in, &l);
    mem_wipe(l.phc, sizeof(l.phc));
    if (e != OK)
        return e == ERR_DENIED ? ERR_TOTP_INVALID : e;
    identity_brake_good(c->identity, IDENTITY_BRAKE_ADDRESS, r->peer);
    identity_brake_good(c->identity, IDENTITY_BRAKE_ACCOUNT, key);
    return answer_login(&l, reply);
}

/* ---- POST /api/auth/logout ---- */

struct ending {
    struct control_write w;
    struct id session; /* zero: all */
};

static enum err end_sessions(struct control_write *w, struct store_conn *conn)
{
    const struct ending *x = w->arg;
    id_text("usr_", w->who->user, w->object);
    return id_is_zero(x->session) ? identity_sessions_end_in(conn, w->who->user, (struct id){{0}})
                                  : identity_session_end_in(conn, w->who->user, x->session);
}

static enum err run_ending(struct ending *x, struct control *c, const struct control_who *who,
                           const struct http_request *r, struct http_reply *reply)
{
    x->w = (struct control_write){.c = c,
                                  .who = who,
                                  .r = r,
                                  .reply = reply,
                                  .arg = x,
                                  .work = end_sessions,
                                  .action = "session.end"};
    return control_write_run(&x->w);
}

CONTROL_ASK(control_auth_logout)
{
    bool everywhere = false;
    const struct control_field fields[] = {
        {.name = "everywhere", .kind = CONTROL_BOOL, .to = &everywhere}};
    struct ending x = {.session = who->session};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (everywhere)
        x.session = (struct id){{0}};
    if (e == OK && (everywhere || !id_is_zero(who->session)))
        e = run_ending(&x, c, who, r, reply);
    if (e == OK && who->cookie)
        control_cookie_clear(c, reply);
    if (e == OK)
        reply->status = 204;
    return e;
}

/* ---- GET /api/auth/sessions, DELETE /api/auth/sessions/{id} ---- */

struct listing {
    struct buf *out;
    struct id current;
};

static void add_session(void *arg, const struct identity_session_row *row)
{
    const struct listing *l = arg;
    char text[ID_TEXT_MAX];
    buf_json_comma(l->out);
    buf_byte(l->out, '{');
    buf_json_member(l->out, "id", id_text("sess_", row->session, text));
    buf_json_time(l->out, "created_at", row->created_us);
    buf_json_time(l->out, "last_seen_at", row->seen_us);
    buf_json_time(l->out, "expires_at", row->expires_us);
    buf_json_member(l->out, "address", row->address);
    buf_json_member(l->out, "user_agent", row->user_agent);
    buf_json_bool(l->out, "current", id_eq(row->session, l->current));
    buf_byte(l->out, '}');
}

CONTROL_ASK(control_auth_sessions)
{
    (void)r;
    struct store_conn *conn = NULL;
    struct listing l = {.out = &reply->body, .current = who->session};
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    buf_add(&reply->body, STR("{\"data\":["));
    e = identity_session_list(c->identity, conn, who->user, who->now_us, add_session, &l);
    buf_add(&reply->body, STR("],\"has_more\":false,\"next_cursor\":null}"));
    store_reader_end(&conn);
    return e;
}

CONTROL_ASK(control_auth_session_end)
{
    struct ending x = {.session = {{0}}};
    if (!id_parse("sess_", r->params[0], &x.session))
        return ERR_NOT_FOUND;
    enum err e = run_ending(&x, c, who, r, reply);
    if (e == OK && who->cookie && id_eq(x.session, who->session))
        control_cookie_clear(c, reply);
    return e;
}

/* ---- POST /api/auth/password ---- */

struct changing {
    struct control_write w;
    struct identity_profile p;
    struct str email;
    char phc[IDENTITY_PHC_MAX];
};

static enum err change_password(struct control_write *w, struct store_conn *conn)
{
    struct changing *x = w->arg;
    id_text("usr_", w->who->user, w->object);
    enum err e = identity_password_set_in(conn, w->who->user, str_c(x->phc));
    if (e == OK)
        e = identity_sessions_end_in(conn, w->who->user, w->who->session);
    struct control_mail m = {
        .name = MAIL_PASSWORD_CHANGED, .to = x->p.email, .vars = {.at_us = w->who->now_us}};
    return e == OK ? control_mail_in(w->c, conn, &m, w->who->now_us) : e;
}

/* Who signs in elsewhere gets a password by mail: a session alone must not be enough to take an
 * account over. */
static enum err needs_password(const struct identity_profile *p, struct http_reply *reply)
{
    if (p->password.n != 0)
        return OK;
    reply->message = STR("This account has no password yet: choose one by 'forgot password'.");
    return ERR_CONFLICT;
}

CONTROL_ASK(control_auth_password)
{
    struct changing x = {.w = {.c = c,
                               .who = who,
                               .r = r,
                               .reply = reply,
                               .work = change_password,
                               .action = "account.password"}};
    struct str old = STR(""), new = STR("");
    const struct control_field fields[] = {
        {.name = "old", .kind = CONTROL_SECRET, .to = &old, .required = true},
        {.name = "new", .kind = CONTROL_SECRET, .to = &new, .required = true}};
    x.w.arg = &x;
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK)
        e = control_password_check(c, who, reply, old, &x.p);
    if (e == ERR_INVALID_CREDENTIALS)
        reply->field = STR("old");
    if (e == OK)
        e = needs_password(&x.p, reply);
    if (e == OK)
        e = control_password_new(c, reply, "new", new, x.phc);
    if (e == OK)
        e = control_write_run(&x.w);
    mem_wipe(x.phc, sizeof(x.phc));
    return e;
}

/* ---- POST /api/auth/email ---- */

/* The new address gets a link, or, when it is somebody's, a word about that. */
static enum err change_email(struct control_write *w, struct store_conn *conn)
{
    struct changing *x = w->arg;
    struct identity_profile other;
    char token[IDENTITY_LINK_TEXT_MAX];
    struct arena *a = w->reply->arena;
    id_text("usr_", w->who->user, w->object);
    enum err e = identity_profile_by_email(conn, a, x->email, &other);
    if (e == OK && !id_eq(other.user, w->who->user)) {
        struct control_mail taken = {.name = MAIL_ADDRESS_TAKEN,
                                     .to = other.email,
                                     .vars = {.path = STR("/sign-in"), .address = other.email}};
        return control_mail_in(w->c, conn, &taken, w->who->now_us);
    }
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    struct identity_link_spec link = {.kind = IDENTITY_LINK_EMAIL,
                                      .user = w->who->user,
                                      .email = x->email,
                                      .browser = STR(""),
                                      .password = STR(""),
                                      .name = STR(""),
                                      .company = STR(""),
                                      .invitation = STR(""),
                                      .expires_us = w->who->now_us + EMAIL_HOURS * US_PER_HOUR};
    e = identity_link_make_in(w->c->identity, conn, &link, w->who->now_us, token);
    struct control_mail m = {.name = MAIL_ADDRESS_CONFIRM,
                             .to = x->email,
                             .vars = {.path = arena_printf(a, "/verify?token=%s", token),
                                      .address = x->email,
                                      .hours = EMAIL_HOURS}};
    return e == OK ? control_mail_in(w->c, conn, &m, w->who->now_us) : e;
}

CONTROL_ASK(control_auth_email)
{
    struct changing x = {.w = {.c = c,
                               .who = who,
                               .r = r,
                               .reply = reply,
                               .work = change_email,
                               .action = "account.email_asked",
                               .status = 202}};
    struct str password = STR("");
    const struct control_field fields[] = {
        {.name = "email", .kind = CONTROL_TEXT, .to = &x.email, .max = 254, .required = true},
        {.name = "password", .kind = CONTROL_SECRET, .to = &password}};
    x.w.arg = &x;
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    const char *fault = e == OK ? identity_email_fault(x.email) : NULL;
    if (fault != NULL)
        e = control_wrong(reply, ERR_VALIDATION_FAILED, "email", fault);
    if (e == OK)
        e = control_password_check(c, who, reply, password, &x.p);
    if (e == OK)
        e = needs_password(&x.p, reply);
    if (e == OK)
        e = control_brake(c, reply, IDENTITY_BRAKE_MAIL, control_email_key(reply->arena, x.email));
    if (e == OK)
        e = control_write_run(&x.w);
    if (e == OK)
        buf_add(&reply->body, STR("{\"status\":\"check_mail\"}"));
    return e;
}

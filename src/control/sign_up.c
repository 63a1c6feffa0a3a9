/* Making accounts: signing up, links in mails, the first operator. What depends on whether an
 * address has an account is done behind the answer, so that neither it nor its time tells. */
#include "base/clock.h"
#include "base/mem.h"
#include "control/account.h"
#include "control/body.h"
#include "control/routes.h"
#include "identity/session.h"
#include "identity/team.h"
#include "observe/observe.h"

#define VERIFY_HOURS 24
#define RESET_HOURS 2
#define BROWSER_RANDOM 32
#define SETUP_RANDOM 43

/* ---- behind the answer ---- */

struct later {
    struct control *c;
    struct arena arena;
    enum err (*work)(struct later *l, struct store_conn *conn);
    const char *what;
    int64_t now_us;
    struct str email, name, company, browser, invitation, address;
    struct str phc;
};

static struct later *later_new(struct control *c, const struct http_request *r, const char *what,
                               enum err (*work)(struct later *l, struct store_conn *conn))
{
    struct later *l = mem_zalloc(sizeof(*l));
    l->c = c;
    l->what = what;
    l->work = work;
    l->now_us = clock_wall_us();
    arena_init(&l->arena, 2048, 64u * 1024);
    l->address = arena_dup(&l->arena, r->peer);
    l->email = l->name = l->company = l->browser = l->invitation = l->phc = STR("");
    return l;
}

static void later_free(struct later *l)
{
    arena_fini(&l->arena);
    mem_free(l);
}

static enum err later_write(struct store_conn *conn, void *arg)
{
    struct later *l = arg;
    return l->work(l, conn);
}

static void later_done(void *arg, enum err e)
{
    struct later *l = arg;
    if (e != OK)
        observe_say("error", "account_write_failed", "%s: %s", l->what, err_info(e)->meaning);
    later_free(l);
}

/* Nobody mails more than a few at a time to one address, whoever asks. */
static void later_start(struct later *l)
{
    struct control *c = l->c;
    if (identity_brake_take(c->identity, IDENTITY_BRAKE_MAIL,
                            control_email_key(&l->arena, l->email), clock_mono_us()) != 0) {
        later_free(l);
        return;
    }
    store_write_later(c->store, later_write, later_done, l);
}

/* ---- links ---- */

/* A link in a mail: "/verify?token=…". */
static enum err mail_link(struct later *l, struct store_conn *conn,
                          const struct identity_link_spec *spec, enum mail_name name,
                          const char *page, int64_t hours)
{
    char token[IDENTITY_LINK_TEXT_MAX];
    struct identity_link_spec link = *spec;
    link.expires_us = l->now_us + hours * US_PER_HOUR;
    enum err e = identity_link_make_in(l->c->identity, conn, &link, l->now_us, token);
    if (e != OK)
        return e;
    struct control_mail m = {.name = name,
                             .to = spec->email,
                             .vars = {.path = arena_printf(&l->arena, "%s?token=%s", page, token),
                                      .name = spec->name,
                                      .address = spec->email,
                                      .hours = hours}};
    return control_mail_in(l->c, conn, &m, l->now_us);
}

static enum err mail_verify(struct later *l, struct store_conn *conn, struct id user,
                            struct str email)
{
    struct identity_link_spec spec = {.kind = IDENTITY_LINK_VERIFY,
                                      .user = user,
                                      .email = email,
                                      .browser = l->browser,
                                      .password = l->phc,
                                      .name = l->name,
                                      .company = l->company,
                                      .invitation = l->invitation};
    return mail_link(l, conn, &spec, MAIL_VERIFY, "/verify", VERIFY_HOURS);
}

static enum err mail_taken(struct later *l, struct store_conn *conn, struct str email)
{
    struct control_mail m = {.name = MAIL_ADDRESS_TAKEN,
                             .to = email,
                             .vars = {.path = STR("/sign-in"), .address = email}};
    return control_mail_in(l->c, conn, &m, l->now_us);
}

/* A cookie that binds what follows to this browser. */
static struct str browser_cookie(struct control *c, struct http_reply *reply, struct arena *a)
{
    char secret[BROWSER_RANDOM];
    crypto_random_base62(secret, sizeof(secret));
    struct str kept = arena_dup(a, str_of(secret, sizeof(secret)));
    control_cookie_put(c, "browser", kept, VERIFY_HOURS * 3600, reply);
    return kept;
}

/* ---- POST /api/auth/signup ---- */

/* The password that counts is the one of the link that is opened: who only knows the address cannot
 * lay his own under somebody else's account. */
static enum err sign_up(struct later *l, struct store_conn *conn)
{
    struct identity_profile p;
    struct identity_user u = {.email = STR("")};
    enum err e = identity_profile_by_email(conn, &l->arena, l->email, &p);
    if (e == OK && p.verified_us != 0)
        return mail_taken(l, conn, p.email);
    if (e == OK) {
        e = identity_password_set_in(conn, p.user, l->phc);
        return e == OK ? mail_verify(l, conn, p.user, p.email) : e;
    }
    if (e != ERR_NOT_FOUND)
        return e;
    struct identity_account_spec spec = {
        .email = l->email, .name = l->name, .company = l->company, .password = l->phc};
    e = control_account_create_in(l->c, conn, &spec, l->now_us, &u);
    struct http_request r = {.peer = l->address};
    if (e == OK)
        e = control_audit_user_in(conn, &r, u.user, u.team, "account.sign_up", l->now_us);
    return e == OK ? mail_verify(l, conn, u.user, u.email) : e;
}

/* May anybody sign up, and did an invitation bring this address here? */
static enum err check_signup(struct control *c, struct http_reply *reply, struct str token,
                             struct later *l)
{
    struct identity_invitation inv;
    struct store_conn *conn = NULL;
    if (c->signup == CONTROL_SIGNUP_CLOSED) {
        reply->message = STR("Sign-up is closed here.");
        return ERR_FORBIDDEN;
    }
    enum err e = ERR_NOT_FOUND;
    if (token.n != 0) {
        e = store_reader_begin(c->store, &conn);
        if (e == OK)
            e = identity_invitation_by_token(c->identity, conn, reply->arena, token, l->now_us,
                                             &inv);
        if (conn != NULL)
            store_reader_end(&conn);
    }
    bool his = e == OK && inv.open &&
               str_eq(control_email_key(reply->arena, inv.email),
                      control_email_key(reply->arena, l->email));
    if (his)
        l->invitation = arena_dup(&l->arena, inv.id_text);
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    if (c->signup == CONTROL_SIGNUP_INVITATION && !his) {
        reply->message = STR("Sign-up needs an invitation that was sent to this address.");
        return ERR_FORBIDDEN;
    }
    return OK;
}

static enum err read_sign_up(struct control *c, const struct http_request *r,
                             struct http_reply *reply, struct later *l)
{
    struct str password = STR(""), invitation = STR("");
    char phc[IDENTITY_PHC_MAX];
    const struct control_field fields[] = {
        {.name = "email", .kind = CONTROL_TEXT, .to = &l->email, .max = 254, .required = true},
        {.name = "password", .kind = CONTROL_SECRET, .to = &password, .required = true},
        {.name = "name", .kind = CONTROL_TEXT, .to = &l->name},
        {.name = "company", .kind = CONTROL_TEXT, .to = &l->company},
        {.name = "invitation", .kind = CONTROL_TEXT, .to = &invitation}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    const char *fault = e == OK ? identity_email_fault(l->email) : NULL;
    if (fault != NULL)
        e = control_wrong(reply, ERR_VALIDATION_FAILED, "email", fault);
    if (e == OK)
        e = check_signup(c, reply, invitation, l);
    if (e == OK)
        e = control_password_new(c, reply, "password", password, phc);
    if (e != OK)
        return e;
    l->email = arena_dup(&l->arena, l->email);
    l->name = arena_dup(&l->arena, l->name);
    l->company = arena_dup(&l->arena, l->company);
    l->phc = arena_dup(&l->arena, str_c(phc));
    l->browser = browser_cookie(c, reply, &l->arena);
    return OK;
}

static enum err check_mail(struct http_reply *reply)
{
    reply->status = 202;
    buf_add(&reply->body, STR("{\"status\":\"check_mail\"}"));
    return OK;
}

/* For routes that mail or write without credentials. */
static enum err may_ask(struct control *c, const struct http_request *r, struct http_reply *reply)
{
    enum err e = control_json_only(r);
    if (e == OK)
        e = control_brake(c, reply, IDENTITY_BRAKE_SIGN_UP, r->peer);
    return e == OK && store_is_full(c->store) ? ERR_LEDGER_UNAVAILABLE : e;
}

CONTROL_ASK(control_auth_signup)
{
    (void)who;
    enum err e = may_ask(c, r, reply);
    if (e != OK)
        return e;
    struct later *l = later_new(c, r, "sign-up", sign_up);
    e = read_sign_up(c, r, reply, l);
    if (e != OK) {
        later_free(l);
        return e;
    }
    later_start(l);
    return check_mail(reply);
}

/* ---- POST /api/auth/resend, /forgot ---- */

static enum err resend(struct later *l, struct store_conn *conn)
{
    struct identity_profile p;
    enum err e = identity_profile_by_email(conn, &l->arena, l->email, &p);
    if (e == ERR_NOT_FOUND || (e == OK && p.verified_us != 0))
        return OK;
    if (e != OK)
        return e;
    l->phc = p.password;
    l->name = p.name;
    l->company = p.company;
    return mail_verify(l, conn, p.user, p.email);
}

static enum err forgot(struct later *l, struct store_conn *conn)
{
    struct identity_profile p;
    enum err e = identity_profile_by_email(conn, &l->arena, l->email, &p);
    if (e == ERR_NOT_FOUND || (e == OK && p.suspended))
        return OK;
    if (e != OK)
        return e;
    struct identity_link_spec spec = {.kind = IDENTITY_LINK_RESET,
                                      .user = p.user,
                                      .email = p.email,
                                      .browser = STR(""),
                                      .password = STR(""),
                                      .name = p.name,
                                      .company = STR(""),
                                      .invitation = STR("")};
    return mail_link(l, conn, &spec, MAIL_RESET, "/reset", RESET_HOURS);
}

static enum err ask_by_email(struct control *c, const struct http_request *r,
                             struct http_reply *reply, struct later *l, bool binds)
{
    const struct control_field fields[] = {
        {.name = "email", .kind = CONTROL_TEXT, .to = &l->email, .max = 254, .required = true}};
    enum err e = may_ask(c, r, reply);
    if (e == OK)
        e = CONTROL_BODY_READ(r, reply, fields);
    if (e != OK) {
        later_free(l);
        return e;
    }
    l->email = arena_dup(&l->arena, l->email);
    if (binds)
        l->browser = browser_cookie(c, reply, &l->arena);
    later_start(l);
    return check_mail(reply);
}

CONTROL_ASK(control_auth_resend)
{
    (void)who;
    return ask_by_email(c, r, reply, later_new(c, r, "resend", resend), true);
}

CONTROL_ASK(control_auth_forgot)
{
    (void)who;
    return ask_by_email(c, r, reply, later_new(c, r, "forgot", forgot), false);
}

/* ---- POST /api/auth/verify ---- */

struct verifying {
    struct control *c;
    const struct http_request *r;
    struct http_reply *reply;
    struct str token, browser;
    int64_t now_us;
    struct control_sign_in in;
    bool signed_in;
};

static enum err verify_sign_up(struct verifying *v, struct store_conn *conn,
                               const struct identity_link_spec *link)
{
    struct identity_profile p;
    bool first = false;
    enum err e = identity_profile_by_id(conn, v->reply->arena, link->user, &p);
    if (e == OK)
        e = identity_verified_in(conn, p.user, v->now_us, &first);
    if (e == OK && first && link->password.n != 0)
        e = identity_password_set_in(conn, p.user, link->password);
    if (e == OK && first)
        e = identity_profile_set_in(conn, p.user, &link->name, &link->company);
    if (e == OK && first)
        e = control_intro_in(v->c, conn, p.team, p.email, v->now_us);
    if (e == OK && first && link->invitation.n != 0)
        e = control_invitation_join_in(v->c, conn, v->r, link->invitation, &p, v->now_us);
    if (e == OK)
        e = control_audit_user_in(conn, v->r, p.user, p.team, "account.verify", v->now_us);
    if (e != OK || p.suspended || !identity_browser_is(v->c->identity, link->browser, v->browser))
        return e;
    v->in = (struct control_sign_in){.user = p.user, .cookie = true};
    v->signed_in = true;
    return control_sign_in_in(v->c, conn, v->r, v->now_us, &v->in);
}

static enum err verify_email(struct verifying *v, struct store_conn *conn,
                             const struct identity_link_spec *link)
{
    struct identity_profile p;
    enum err e = identity_profile_by_id(conn, v->reply->arena, link->user, &p);
    if (e == OK)
        e = identity_email_set_in(conn, link->user, link->email);
    if (e == ERR_CONFLICT)
        v->reply->message = STR("Another account has this address by now.");
    if (e == OK)
        e = control_audit_user_in(conn, v->r, p.user, p.team, "account.email", v->now_us);
    struct control_mail m = {.name = MAIL_ADDRESS_CHANGED,
                             .to = p.email,
                             .vars = {.address = link->email, .at_us = v->now_us}};
    return e == OK ? control_mail_in(v->c, conn, &m, v->now_us) : e;
}

static enum err verify(struct store_conn *conn, void *arg)
{
    struct verifying *v = arg;
    struct identity_link_spec link;
    enum err e = identity_link_take_in(v->c->identity, conn, v->reply->arena, IDENTITY_LINK_VERIFY,
                                       v->token, v->now_us, &link);
    if (e == OK)
        return verify_sign_up(v, conn, &link);
    if (e == ERR_NOT_FOUND)
        e = identity_link_take_in(v->c->identity, conn, v->reply->arena, IDENTITY_LINK_EMAIL,
                                  v->token, v->now_us, &link);
    return e == OK ? verify_email(v, conn, &link) : e;
}

static enum err used_up(struct http_reply *reply, enum err e)
{
    if (e == ERR_NOT_FOUND)
        reply->message = STR("This link was used already, or is too old. Ask for another one.");
    return e;
}

CONTROL_ASK(control_auth_verify)
{
    struct verifying v = {.c = c, .r = r, .reply = reply, .now_us = who->now_us};
    const struct control_field fields[] = {
        {.name = "token", .kind = CONTROL_TEXT, .to = &v.token, .required = true}};
    enum err e = may_ask(c, r, reply);
    if (e == OK)
        e = CONTROL_BODY_READ(r, reply, fields);
    v.browser = control_cookie(c, r, "browser");
    if (e == OK)
        e = used_up(reply, store_write(c->store, verify, &v));
    if (e != OK)
        return e;
    if (v.signed_in) {
        control_cookie_set(c, v.in.text, reply);
        control_cookie_put(c, "browser", STR(""), 0, reply);
    }
    mem_wipe(v.in.text, sizeof(v.in.text));
    buf_byte(&reply->body, '{');
    buf_json_bool(&reply->body, "verified", true);
    buf_json_bool(&reply->body, "signed_in", v.signed_in);
    buf_byte(&reply->body, '}');
    return OK;
}

/* ---- POST /api/auth/reset ---- */

struct resetting {
    struct control *c;
    const struct http_request *r;
    struct http_reply *reply;
    struct str token;
    int64_t now_us;
    char phc[IDENTITY_PHC_MAX];
};

static enum err reset(struct store_conn *conn, void *arg)
{
    struct resetting *s = arg;
    struct identity_link_spec link;
    struct identity_profile p;
    bool first = false;
    enum err e = identity_link_take_in(s->c->identity, conn, s->reply->arena, IDENTITY_LINK_RESET,
                                       s->token, s->now_us, &link);
    if (e == OK)
        e = identity_profile_by_id(conn, s->reply->arena, link.user, &p);
    if (e == OK && !str_eq(p.email, link.email))
        e = ERR_NOT_FOUND; /* the address has changed since */
    if (e == OK)
        e = identity_password_set_in(conn, p.user, str_c(s->phc));
    if (e == OK)
        e = identity_verified_in(conn, p.user, s->now_us, &first);
    if (e == OK && first)
        e = control_intro_in(s->c, conn, p.team, p.email, s->now_us);
    if (e == OK)
        e = identity_sessions_end_in(conn, p.user, (struct id){{0}});
    if (e == OK)
        e = control_audit_user_in(conn, s->r, p.user, p.team, "account.reset", s->now_us);
    if (e == OK)
        identity_brake_good(s->c->identity, IDENTITY_BRAKE_ACCOUNT,
                            control_email_key(s->reply->arena, p.email));
    struct control_mail m = {
        .name = MAIL_PASSWORD_CHANGED, .to = p.email, .vars = {.at_us = s->now_us}};
    return e == OK ? control_mail_in(s->c, conn, &m, s->now_us) : e;
}

CONTROL_ASK(control_auth_reset)
{
    struct resetting s = {.c = c, .r = r, .reply = reply, .now_us = who->now_us};
    struct str password = STR("");
    const struct control_field fields[] = {
        {.name = "token", .kind = CONTROL_TEXT, .to = &s.token, .required = true},
        {.name = "password", .kind = CONTROL_SECRET, .to = &password, .required = true}};
    enum err e = may_ask(c, r, reply);
    if (e == OK)
        e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK)
        e = control_password_new(c, reply, "password", password, s.phc);
    if (e == OK)
        e = used_up(reply, store_write(c->store, reset, &s));
    mem_wipe(s.phc, sizeof(s.phc));
    if (e == OK)
        reply->status = 204;
    return e;
}

/* ---- the first operator ---- */

static enum err count_operators(struct control *c, int64_t *ret_n)
{
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = identity_operators_count(conn, ret_n);
    store_reader_end(&conn);
    return e;
}

enum err control_setup_begin(struct control *c, char ret_text[IDENTITY_LINK_TEXT_MAX])
{
    int64_t n = 0;
    enum err e = count_operators(c, &n);
    if (e != OK || n != 0)
        return e != OK ? e : ERR_NOT_FOUND;
    crypto_random_base62(ret_text, SETUP_RANDOM);
    ret_text[SETUP_RANDOM] = '\0';
    crypto_sha256(str_c(ret_text), c->setup_hash);
    c->setup_open = true;
    return OK;
}

struct setting_up {
    struct control *c;
    const struct http_request *r;
    struct identity_account_spec spec;
    struct identity_user user;
    int64_t now_us;
    struct control_sign_in in;
};

static enum err set_up(struct store_conn *conn, void *arg)
{
    struct setting_up *s = arg;
    int64_t n = 0;
    enum err e = identity_operators_count(conn, &n);
    if (e == OK && n != 0)
        e = ERR_NOT_FOUND;
    if (e == OK)
        e = control_account_create_in(s->c, conn, &s->spec, s->now_us, &s->user);
    if (e == OK)
        e = control_audit_user_in(conn, s->r, s->user.user, s->user.team, "house.set_up",
                                  s->now_us);
    s->in = (struct control_sign_in){.user = s->user.user, .cookie = true};
    return e == OK ? control_sign_in_in(s->c, conn, s->r, s->now_us, &s->in) : e;
}

static bool is_setup_token(const struct control *c, struct str token)
{
    uint8_t hash[CRYPTO_HASH_LEN];
    crypto_sha256(token, hash);
    return c->setup_open && crypto_eq(hash, c->setup_hash, sizeof(hash));
}

CONTROL_ASK(control_auth_setup)
{
    struct setting_up s = {.c = c, .r = r, .now_us = who->now_us};
    struct str token = STR(""), password = STR("");
    char phc[IDENTITY_PHC_MAX];
    s.spec = (struct identity_account_spec){.email = STR(""),
                                            .name = STR(""),
                                            .company = STR(""),
                                            .verified = true,
                                            .is_operator = true};
    const struct control_field fields[] = {
        {.name = "token", .kind = CONTROL_TEXT, .to = &token, .required = true},
        {.name = "email", .kind = CONTROL_TEXT, .to = &s.spec.email, .max = 254, .required = true},
        {.name = "password", .kind = CONTROL_SECRET, .to = &password, .required = true},
        {.name = "name", .kind = CONTROL_TEXT, .to = &s.spec.name}};
    enum err e = may_ask(c, r, reply);
    if (e == OK)
        e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && !is_setup_token(c, token))
        e = used_up(reply, ERR_NOT_FOUND);
    const char *fault = e == OK ? identity_email_fault(s.spec.email) : NULL;
    if (fault != NULL)
        e = control_wrong(reply, ERR_VALIDATION_FAILED, "email", fault);
    if (e == OK)
        e = control_password_new(c, reply, "password", password, phc);
    s.spec.password = str_c(e == OK ? phc : "");
    if (e == OK)
        e = used_up(reply, store_write(c->store, set_up, &s));
    if (e == ERR_CONFLICT)
        reply->message = STR("This address has an account already: run 'tollgate admin user create "
                             "--operator' with another one.");
    if (e != OK)
        return e;
    control_cookie_set(c, s.in.text, reply);
    mem_wipe(s.in.text, sizeof(s.in.text));
    return control_signed_in_json(c, s.in.user, s.in.session, reply);
}

/* ---- GET /api/auth/options ---- */

static void add_providers(const struct control *c, struct buf *b)
{
    const struct identity_oidc_provider *p;
    buf_byte(b, '[');
    for (size_t i = 0; (p = identity_oidc_provider(c->oidc, i)) != NULL; i++) {
        buf_json_comma(b);
        buf_byte(b, '{');
        buf_json_member(b, "id", str_c(p->id));
        buf_json_member(b, "name", str_c(p->name));
        buf_byte(b, '}');
    }
    buf_byte(b, ']');
}

CONTROL_ASK(control_auth_options)
{
    (void)who;
    (void)r;
    static const char *const modes[CONTROL_SIGNUP__COUNT] = {"open", "invitation", "closed"};
    struct buf *b = &reply->body;
    int64_t operators = 0;
    enum err e = count_operators(c, &operators);
    if (e != OK)
        return e;
    buf_byte(b, '{');
    buf_json_key(b, "brand");
    buf_byte(b, '{');
    buf_json_member(b, "name", str_c(c->brand_name));
    buf_json_member(b, "color", str_c(c->brand_color));
    buf_json_member(b, "logo_url", str_c(c->brand_logo_url));
    buf_byte(b, '}');
    buf_json_member(b, "signup", str_c(modes[c->signup]));
    buf_json_bool(b, "password", true);
    buf_json_key(b, "providers");
    add_providers(c, b);
    buf_json_bool(b, "setup_needed", operators == 0);
    buf_json_member(b, "currency", STR("USD"));
    buf_json_nano(b, "intro_credit", c->intro_credit);
    buf_json_member(b, "public_url", str_c(c->public_url));
    buf_byte(b, '}');
    return OK;
}

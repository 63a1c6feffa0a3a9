/* Accounts elsewhere that somebody signs in with: /api/auth/identities. */
#include "base/clock.h"
#include "control/account.h"
#include "control/body.h"
#include "control/routes.h"
#include "control/write.h"
#include "identity/session.h"

#define ID_PREFIX "idn_"
#define FRESH_US (10 * 60 * US_PER_S)

/* How many ways in somebody has: a password, and identities whose issuers still let him in. */
struct ways {
    const struct identity_oidc *oidc;
    size_t n;
};

static void count_way(void *arg, const struct identity_oidc_row *row)
{
    struct ways *w = arg;
    w->n += identity_oidc_lets_in(w->oidc, row->issuer);
}

static enum err ways_of(struct control *c, struct store_conn *conn, struct arena *a, struct id user,
                        struct identity_profile *ret_profile, size_t *ret_n)
{
    struct ways w = {.oidc = c->oidc};
    enum err e = identity_profile_by_id(conn, a, user, ret_profile);
    if (e == OK)
        e = identity_oidc_list(conn, user, count_way, &w);
    if (e == OK)
        *ret_n = w.n + (ret_profile->password.n != 0);
    return e;
}

/* What is no way in may go; the last one may not. */
static bool is_last_way(struct control *c, struct str issuer, size_t ways)
{
    return ways <= 1 && identity_oidc_lets_in(c->oidc, issuer);
}

/* ---- GET ---- */

struct listing {
    struct control *c;
    struct buf *out;
    size_t ways;
};

static void add_row(void *arg, const struct identity_oidc_row *row)
{
    struct listing *l = arg;
    struct buf *b = l->out;
    char text[ID_TEXT_MAX];
    const struct identity_oidc_provider *p = identity_oidc_provider_by_issuer(l->c->oidc,
                                                                              row->issuer);
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text(ID_PREFIX, row->id, text));
    buf_json_key(b, "provider");
    if (p != NULL)
        buf_json_str(b, str_c(p->id));
    else
        buf_add(b, STR("null"));
    buf_json_member(b, "name", p != NULL ? str_c(p->name) : row->issuer);
    buf_json_member(b, "issuer", row->issuer);
    buf_json_member(b, "email", row->email);
    buf_json_time(b, "linked_at", row->linked_us);
    buf_json_bool(b, "removable", !is_last_way(l->c, row->issuer, l->ways));
    buf_byte(b, '}');
}

CONTROL_ASK(control_identities_list)
{
    (void)r;
    struct store_conn *conn = NULL;
    struct identity_profile p;
    struct listing l = {.c = c, .out = &reply->body};
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    buf_add(&reply->body, STR("{\"data\":["));
    e = ways_of(c, conn, reply->arena, who->user, &p, &l.ways);
    if (e == OK)
        e = identity_oidc_list(conn, who->user, add_row, &l);
    buf_add(&reply->body, STR("],\"has_more\":false,\"next_cursor\":null}"));
    store_reader_end(&conn);
    return e;
}

/* ---- DELETE ---- */

struct unlinking {
    struct control_write w;
    struct identity_profile p;
    struct id id;
    struct str code;
    /* Of the one that is meant. */
    struct arena arena;
    struct identity_oidc_row row;
    bool found;
};

static void find_row(void *arg, const struct identity_oidc_row *row)
{
    struct unlinking *x = arg;
    if (!id_eq(row->id, x->id))
        return;
    x->found = true;
    x->row.issuer = arena_dup(&x->arena, row->issuer);
    x->row.subject = arena_dup(&x->arena, row->subject);
}

static enum err told(struct unlinking *x, struct store_conn *conn)
{
    const struct identity_oidc_provider *p = identity_oidc_provider_by_issuer(x->w.c->oidc,
                                                                              x->row.issuer);
    struct control_mail m = {
        .name = MAIL_IDENTITY_UNLINKED,
        .to = x->p.email,
        .vars = {.path = STR("/security"), .name = p != NULL ? str_c(p->name) : x->row.issuer}};
    return control_mail_in(x->w.c, conn, &m, x->w.who->now_us);
}

static enum err unlink_in(struct control_write *w, struct store_conn *conn)
{
    struct unlinking *x = w->arg;
    struct identity_profile now;
    size_t ways = 0;
    arena_reset(&x->arena);
    x->found = false;
    enum err e = identity_oidc_list(conn, w->who->user, find_row, x);
    if (e == OK && !x->found)
        e = ERR_NOT_FOUND;
    if (e == OK)
        e = ways_of(w->c, conn, &x->arena, w->who->user, &now, &ways);
    if (e == OK && is_last_way(w->c, x->row.issuer, ways)) {
        w->reply->message = STR("It is the only way to sign in to this account: set a password, or "
                                "connect another one, first.");
        return ERR_CONFLICT;
    }
    if (e == OK && now.totp_since_us != 0)
        e = identity_totp_check_in(w->c->identity, conn, w->who->user, x->code, true,
                                   w->who->now_us);
    if (e == OK)
        e = identity_oidc_unlink_in(conn, w->who->user, &x->row);
    if (e == OK)
        e = identity_sessions_end_in(conn, w->who->user, w->who->session);
    id_text(ID_PREFIX, x->id, w->object);
    return e == OK ? told(x, conn) : e;
}

struct session_age {
    struct id session;
    int64_t created_us;
};

static void find_session(void *arg, const struct identity_session_row *row)
{
    struct session_age *s = arg;
    if (id_eq(row->session, s->session))
        s->created_us = row->created_us;
}

/* Who has neither password nor second factor to show has signed in just now. */
static enum err is_fresh(struct control *c, const struct control_who *who, struct http_reply *reply)
{
    struct session_age s = {.session = who->session};
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    if (!id_is_zero(who->session))
        e = identity_session_list(c->identity, conn, who->user, who->now_us, find_session, &s);
    store_reader_end(&conn);
    if (e == OK && s.created_us < who->now_us - FRESH_US) {
        reply->message = STR("Sign out and in again first, and do it within ten minutes.");
        return ERR_FORBIDDEN;
    }
    return e;
}

static enum err proven(struct unlinking *x, struct str password, struct str *ret_brake)
{
    struct control *c = x->w.c;
    struct http_reply *reply = x->w.reply;
    enum err e = control_password_check(c, x->w.who, reply, password, &x->p);
    if (e != OK)
        return e;
    if (x->p.totp_since_us == 0)
        return x->p.password.n == 0 ? is_fresh(c, x->w.who, reply) : OK;
    if (x->code.n == 0)
        return ERR_TOTP_REQUIRED;
    *ret_brake = control_email_key(reply->arena, x->p.email);
    return control_brake(c, reply, IDENTITY_BRAKE_ACCOUNT, *ret_brake);
}

CONTROL_ASK(control_identity_end)
{
    struct unlinking x = {.w = {.c = c,
                                .who = who,
                                .r = r,
                                .reply = reply,
                                .work = unlink_in,
                                .action = "identity.unlink"},
                          .code = STR("")};
    struct str password = STR(""), brake = STR("");
    const struct control_field fields[] = {
        {.name = "password", .kind = CONTROL_SECRET, .to = &password},
        {.name = "code", .kind = CONTROL_TEXT, .to = &x.code, .max = 20}};
    x.w.arg = &x;
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && !id_parse(ID_PREFIX, r->params[0], &x.id))
        e = ERR_NOT_FOUND;
    if (e == OK)
        e = proven(&x, password, &brake);
    if (e != OK)
        return e;
    arena_init(&x.arena, 2048, 64u * 1024);
    e = control_write_run(&x.w);
    arena_fini(&x.arena);
    if (e == ERR_DENIED)
        return control_wrong(reply, ERR_TOTP_INVALID, "code", "The code is wrong, or was used.");
    if (e == OK && brake.n != 0)
        identity_brake_good(c->identity, IDENTITY_BRAKE_ACCOUNT, brake);
    return e;
}

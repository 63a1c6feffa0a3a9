/* GET, PATCH, DELETE /api/me; the current team. */
#include "control/account.h"
#include "control/body.h"
#include "control/byok.h"
#include "control/routes.h"
#include "control/write.h"
#include "identity/people.h"
#include "identity/session.h"

static enum err answer_me(struct control *c, const struct control_who *who,
                          struct http_reply *reply)
{
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = control_me_json(c, conn, reply->arena, who, &reply->body);
    store_reader_end(&conn);
    return e;
}

CONTROL_ASK(control_api_me)
{
    (void)r;
    return answer_me(c, who, reply);
}

struct changing {
    struct control_write w;
    struct str name, company;
    bool name_given, company_given;
    struct id team;
    struct identity_profile p;
};

static struct control_write write_of(struct control *c, const struct control_who *who,
                                     const struct http_request *r, struct http_reply *reply)
{
    struct control_write w = {.c = c, .who = who, .r = r, .reply = reply};
    id_text("usr_", who->user, w.object);
    return w;
}

static enum err set_names(struct control_write *w, struct store_conn *conn)
{
    const struct changing *x = w->arg;
    return identity_profile_set_in(conn, w->who->user, x->name_given ? &x->name : NULL,
                                   x->company_given ? &x->company : NULL);
}

CONTROL_ASK(control_api_me_edit)
{
    struct changing x = {.w = write_of(c, who, r, reply)};
    const struct control_field fields[] = {
        {.name = "name", .kind = CONTROL_TEXT, .to = &x.name, .given = &x.name_given},
        {.name = "company", .kind = CONTROL_TEXT, .to = &x.company, .given = &x.company_given}};
    x.w.arg = &x;
    x.w.work = set_names;
    x.w.action = "account.edit";
    x.w.status = 200;
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK)
        e = control_write_run(&x.w);
    return e == OK ? answer_me(c, who, reply) : e;
}

static enum err set_team(struct control_write *w, struct store_conn *conn)
{
    const struct changing *x = w->arg;
    return identity_session_team_set_in(conn, w->who->session, w->who->user, x->team);
}

CONTROL_ASK(control_api_me_team)
{
    struct changing x = {.w = write_of(c, who, r, reply)};
    struct str team = STR("");
    const struct control_field fields[] = {
        {.name = "team_id", .kind = CONTROL_TEXT, .to = &team, .required = true}};
    x.w.arg = &x;
    x.w.work = set_team;
    x.w.status = 200;
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && (id_is_zero(who->session) || !id_parse("team_", team, &x.team)))
        e = ERR_NOT_FOUND;
    if (e == OK)
        e = control_write_run(&x.w);
    if (e != OK)
        return e;
    struct control_who now = *who;
    now.team = x.team;
    e = control_role_in(c, &now);
    return e == OK ? answer_me(c, &now, reply) : e;
}

static void note_team(void *arg, const struct identity_person *p)
{
    *(struct id *)arg = p->team;
}

static enum err delete_account(struct control_write *w, struct store_conn *conn)
{
    struct changing *x = w->arg;
    int64_t operators = 0;
    enum err e = identity_operators_count(conn, &operators);
    if (e == OK && w->who->is_operator && operators == 1) {
        w->reply->message = STR("You are the last operator of this house: make another one first.");
        return ERR_CONFLICT;
    }
    struct id personal = {{0}};
    if (e == OK)
        e = identity_person_get(conn, w->who->user, note_team, &personal);
    if (e == OK)
        e = identity_account_delete_in(w->c->identity, conn, w->who->user, w->who->now_us);
    if (e == OK)
        e = subscriptions_team_gone_in(w->c->payments, conn, personal, w->who->now_us);
    if (e == ERR_CONFLICT)
        w->reply->message = STR("You are the last owner of a team: give it to somebody, or delete "
                                "it, first.");
    if (e == OK)
        e = identity_oidc_forget_in(conn, w->who->user);
    if (e == OK)
        e = upstream_keys_end_in(w->c->upstream_keys, conn, w->who->user, w->who->now_us);
    if (e == OK)
        e = byok_end_in(w->c, conn, w->who->user, w->who->now_us);
    if (e != OK)
        return e;
    struct control_mail m = {.name = MAIL_ACCOUNT_DELETED, .to = x->p.email};
    e = control_mail_in(w->c, conn, &m, w->who->now_us);
    return e == OK ? control_audit_in(conn, w->who, STR(""), w->who->team, "account.delete",
                                      str_c(w->object), STR(""))
                   : e;
}

CONTROL_ASK(control_api_me_delete)
{
    struct changing x = {.w = write_of(c, who, r, reply)};
    struct str password = STR(""), confirm = STR("");
    const struct control_field fields[] = {
        {.name = "password", .kind = CONTROL_SECRET, .to = &password},
        {.name = "confirm", .kind = CONTROL_TEXT, .to = &confirm, .max = 254, .required = true}};
    x.w.arg = &x;
    x.w.work = delete_account;
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK)
        e = control_password_check(c, who, reply, password, &x.p);
    if (e == OK && !str_eq(control_email_key(reply->arena, confirm),
                           control_email_key(reply->arena, x.p.email)))
        e = control_wrong(reply, ERR_VALIDATION_FAILED, "confirm",
                          "Write your e-mail address to confirm.");
    if (e == OK)
        e = control_write_run(&x.w);
    if (e == OK && who->cookie)
        control_cookie_clear(c, reply);
    return e;
}

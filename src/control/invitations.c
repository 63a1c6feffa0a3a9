/* Invitations: made by a team, read and accepted by whoever has the link. */
#include "control/account.h"
#include "control/body.h"
#include "control/routes.h"
#include "control/write.h"
#include "identity/audit.h"
#include "identity/team.h"

#define INVITATIONS_MAX 200 /* kept of a team: pending, accepted, expired */

static const char *status_of(const struct identity_invitation *i)
{
    return i->accepted_us != 0 ? "accepted" : i->open ? "pending" : "expired";
}

static struct str name_of(struct str name, struct str email)
{
    return name.n != 0 ? name : email;
}

struct listing {
    struct control_page page;
    struct buf *out;
};

static void row_json(struct buf *b, const struct identity_invitation *i)
{
    char text[ID_TEXT_MAX];
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", i->id_text);
    buf_json_member(b, "email", i->email);
    buf_json_member(b, "role", str_c(identity_role_name(i->role)));
    buf_json_key(b, "invited_by");
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("usr_", i->inviter, text));
    buf_json_member(b, "email", i->inviter_email);
    buf_json_member(b, "name", i->inviter_name);
    buf_byte(b, '}');
    buf_json_time(b, "created_at", i->created_us);
    buf_json_time(b, "expires_at", i->expires_us);
    buf_json_member(b, "status", str_c(status_of(i)));
    buf_byte(b, '}');
}

static void add_row(void *arg, const struct identity_invitation *i)
{
    struct listing *l = arg;
    if (control_page_row(&l->page, i->id_text))
        row_json(l->out, i);
}

CONTROL_ASK(control_invitations_list)
{
    struct store_conn *conn = NULL;
    struct listing l = {.out = &reply->body};
    enum err e = control_page_begin(r, reply, &l.page);
    if (e == OK)
        e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = identity_invitation_list(conn, who->team, l.page.after, l.page.limit + 1, who->now_us,
                                 add_row, &l);
    store_reader_end(&conn);
    control_page_end(&l.page, reply);
    return e;
}

/* ---- making and ending one ---- */

struct inviting {
    struct control_write w;
    struct identity_invitation_spec spec;
    struct str role_text;
    struct buf shown;
    char id[ID_TEXT_MAX];
};

static void shown_json(struct control_write *w, bool first, struct buf *b)
{
    const struct inviting *x = w->arg;
    (void)first;
    buf_add(b, buf_str(&x->shown));
}

static void count(void *arg, const struct identity_invitation *i)
{
    (void)i;
    ++*(int *)arg;
}

static enum err has_room(struct control_write *w, struct store_conn *conn)
{
    int n = 0;
    enum err e = identity_invitation_list(conn, w->who->team, STR("\x7F"), INVITATIONS_MAX,
                                          w->who->now_us, count, &n);
    if (e != OK || n < INVITATIONS_MAX)
        return e;
    w->reply->message = STR("A team keeps at most 200 invitations: delete some first.");
    return ERR_CONFLICT;
}

static enum err invite(struct control_write *w, struct store_conn *conn)
{
    struct inviting *x = w->arg;
    struct identity_invitation made;
    struct arena *a = w->reply->arena;
    char token[IDENTITY_INVITATION_TEXT_MAX];
    x->spec.by = w->who->user;
    x->spec.team = w->who->team;
    enum err e = has_room(w, conn);
    if (e == OK)
        e = identity_invitation_make_in(w->c->identity, conn, &x->spec, w->who->now_us, x->id,
                                        token);
    if (e == ERR_CONFLICT && w->reply->message.n == 0)
        w->reply->message = STR("This address belongs to a member already.");
    if (e == OK)
        e = identity_invitation_by_id(conn, a, str_c(x->id), w->who->now_us, &made);
    if (e != OK)
        return e;
    buf_reset(&x->shown);
    row_json(&x->shown, &made);
    struct control_mail m = {.name = MAIL_INVITATION,
                             .to = made.email,
                             .vars = {.path = arena_printf(a, "/invitation?token=%s", token),
                                      .inviter = name_of(made.inviter_name, made.inviter_email),
                                      .team = made.team_name,
                                      .role = str_c(identity_role_name(made.role)),
                                      .days = IDENTITY_INVITATION_DAYS}};
    w->change = w->r->body;
    memcpy(w->object, x->id, sizeof(w->object));
    return control_mail_in(w->c, conn, &m, w->who->now_us);
}

CONTROL_ASK(control_invitation_create)
{
    struct inviting x = {.w = {.c = c,
                               .who = who,
                               .r = r,
                               .reply = reply,
                               .work = invite,
                               .json = shown_json,
                               .action = "invitation.create",
                               .status = 201}};
    const struct control_field fields[] = {
        {.name = "email", .kind = CONTROL_TEXT, .to = &x.spec.email, .max = 254, .required = true},
        {.name = "role", .kind = CONTROL_TEXT, .to = &x.role_text, .required = true}};
    x.w.arg = &x;
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    const char *fault = e == OK ? identity_email_fault(x.spec.email) : NULL;
    if (fault != NULL)
        e = control_wrong(reply, ERR_VALIDATION_FAILED, "email", fault);
    if (e == OK &&
        (identity_role_parse(x.role_text, &x.spec.role) != OK || x.spec.role == IDENTITY_OWNER))
        e = control_wrong(reply, ERR_VALIDATION_FAILED, "role",
                          "'role' takes admin, developer or viewer.");
    if (e == OK)
        e = control_brake(c, reply, IDENTITY_BRAKE_MAIL,
                          control_email_key(reply->arena, x.spec.email));
    if (e != OK)
        return e;
    buf_init(&x.shown, 16u * 1024);
    e = control_write_run(&x.w);
    buf_fini(&x.shown);
    return e;
}

static enum err drop(struct control_write *w, struct store_conn *conn)
{
    return identity_invitation_drop_in(conn, w->who->team, w->r->params[1]);
}

CONTROL_ASK(control_invitation_delete)
{
    struct control_write w = {
        .c = c, .who = who, .r = r, .reply = reply, .work = drop, .action = "invitation.delete"};
    struct id id;
    if (!id_parse("inv_", r->params[1], &id))
        return ERR_NOT_FOUND;
    id_text("inv_", id, w.object);
    return control_write_run(&w);
}

/* ---- with the link ---- */

CONTROL_ASK(control_invitation_get)
{
    struct store_conn *conn = NULL;
    struct identity_invitation i;
    struct buf *b = &reply->body;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = identity_invitation_by_token(c->identity, conn, reply->arena, r->params[0], who->now_us,
                                     &i);
    store_reader_end(&conn);
    if (e != OK)
        return e;
    buf_byte(b, '{');
    buf_json_key(b, "team");
    buf_byte(b, '{');
    buf_json_member(b, "name", i.team_name);
    buf_byte(b, '}');
    buf_json_member(b, "email", i.email);
    buf_json_member(b, "role", str_c(identity_role_name(i.role)));
    buf_json_member(b, "invited_by", name_of(i.inviter_name, i.inviter_email));
    buf_json_member(b, "status", str_c(status_of(&i)));
    buf_byte(b, '}');
    return OK;
}

/* The member is in, the inviter hears of it. */
static enum err join(struct control *c, struct store_conn *conn, struct str address,
                     const struct identity_invitation *i, const struct identity_profile *p,
                     int64_t now_us)
{
    char actor[ID_TEXT_MAX];
    enum err e = identity_invitation_accept_in(conn, i, p->user, now_us);
    struct identity_audit_line line = {.team = i->team,
                                       .actor = id_text("usr_", p->user, actor),
                                       .address = address,
                                       .action = STR("invitation.accept"),
                                       .object = i->id_text,
                                       .change = STR("{}")};
    if (e == OK)
        e = identity_audit_line_in(conn, &line, now_us);
    struct control_mail m = {.name = MAIL_TEAM_JOINED,
                             .to = i->inviter_email,
                             .vars = {.path = STR("/team"),
                                      .team = i->team_name,
                                      .member = name_of(p->name, p->email),
                                      .role = str_c(identity_role_name(i->role))}};
    return e == OK ? control_mail_in(c, conn, &m, now_us) : e;
}

enum err control_invitation_join_in(struct control *c, struct store_conn *conn,
                                    const struct http_request *r, struct str invitation,
                                    const struct identity_profile *p, int64_t now_us)
{
    struct arena a;
    struct identity_invitation i;
    arena_init(&a, 1024, 64u * 1024);
    enum err e = identity_invitation_by_id(conn, &a, invitation, now_us, &i);
    if (e == OK && i.open && str_eq_nocase(i.email, p->email))
        e = join(c, conn, r->peer, &i, p, now_us);
    arena_fini(&a);
    return e == ERR_NOT_FOUND ? OK : e; /* taken back since: he is a customer all the same */
}

static enum err accept_in(struct control_write *w, struct store_conn *conn)
{
    struct id *team = w->arg;
    struct arena *a = w->reply->arena;
    struct identity_invitation i;
    struct identity_profile p;
    enum err e = identity_invitation_by_token(w->c->identity, conn, a, w->r->params[0],
                                              w->who->now_us, &i);
    if (e == OK)
        e = identity_profile_by_id(conn, a, w->who->user, &p);
    if (e == OK && !i.open) {
        w->reply->message = STR("This invitation was accepted already, or is too old.");
        e = ERR_CONFLICT;
    }
    if (e == OK && (p.verified_us == 0 || !str_eq_nocase(p.email, i.email))) {
        w->reply->message = STR("This invitation was sent to another address: sign in with that "
                                "one, or ask for another invitation.");
        e = ERR_FORBIDDEN;
    }
    if (e == OK)
        e = join(w->c, conn, w->r->peer, &i, &p, w->who->now_us);
    if (e == OK)
        *team = i.team;
    return e;
}

static void note_team(void *arg, const struct identity_team_row *row)
{
    struct buf *b = arg;
    char text[ID_TEXT_MAX];
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("team_", row->team, text));
    buf_json_member(b, "name", row->name);
    buf_json_member(b, "role", str_c(identity_role_name(row->role)));
    buf_json_bool(b, "personal", row->personal);
    buf_byte(b, '}');
}

CONTROL_ASK(control_invitation_accept)
{
    struct id team = {{0}};
    struct store_conn *conn = NULL;
    struct control_write w = {
        .c = c, .who = who, .r = r, .reply = reply, .arg = &team, .work = accept_in, .status = 200};
    enum err e = control_body_read(r, reply, NULL, 0);
    if (e == OK)
        e = control_write_run(&w);
    if (e == OK)
        e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    buf_add(&reply->body, STR("{\"team\":"));
    e = identity_team_get(conn, team, who->user, note_team, &reply->body);
    buf_byte(&reply->body, '}');
    store_reader_end(&conn);
    return e;
}

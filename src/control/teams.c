/* Teams and their members. */
#include "control/account.h"
#include "control/body.h"
#include "control/routes.h"
#include "control/write.h"
#include "identity/team.h"

#define TEAMS_MAX 50 /* of a user */

/* ---- as JSON ---- */

static void team_json(struct buf *b, const struct identity_team_row *row)
{
    char text[ID_TEXT_MAX];
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("team_", row->team, text));
    buf_json_member(b, "name", row->name);
    buf_json_member(b, "role", str_c(identity_role_name(row->role)));
    buf_json_bool(b, "personal", row->personal);
    buf_json_i64(b, "members", row->members);
    buf_json_time(b, "created_at", row->created_us);
    buf_byte(b, '}');
}

static void add_team(void *arg, const struct identity_team_row *row)
{
    team_json(arg, row);
}

struct listing {
    struct control *c;
    struct buf *out;
    const struct nano *cap; /* of the one shown, when it is being set */
    bool cap_off;
};

static void add_member(void *arg, const struct identity_member_row *row)
{
    const struct listing *l = arg;
    char text[ID_TEXT_MAX];
    struct buf *b = l->out;
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_key(b, "user");
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("usr_", row->user, text));
    buf_json_member(b, "email", row->email);
    buf_json_member(b, "name", row->name);
    buf_byte(b, '}');
    buf_json_member(b, "role", str_c(identity_role_name(row->role)));
    buf_json_time(b, "joined_at", row->joined_us);
    control_cap_json(l->c, b, l->cap_off ? (struct id){{0}} : row->cap, l->cap);
    buf_byte(b, '}');
}

/* ---- reading ---- */

#define WHOLE_LIST STR("],\"has_more\":false,\"next_cursor\":null}")

CONTROL_ASK(control_teams_list)
{
    (void)r;
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    buf_add(&reply->body, STR("{\"data\":["));
    e = identity_team_list(conn, who->user, add_team, &reply->body);
    buf_add(&reply->body, WHOLE_LIST);
    store_reader_end(&conn);
    return e;
}

CONTROL_ASK(control_team_get)
{
    (void)r;
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = identity_team_get(conn, who->team, who->user, add_team, &reply->body);
    store_reader_end(&conn);
    return e;
}

CONTROL_ASK(control_members_list)
{
    (void)r;
    struct store_conn *conn = NULL;
    struct listing l = {.c = c, .out = &reply->body};
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    buf_add(&reply->body, STR("{\"data\":["));
    e = identity_member_list(conn, who->team, (struct id){{0}}, add_member, &l);
    buf_add(&reply->body, WHOLE_LIST);
    store_reader_end(&conn);
    return e;
}

/* ---- writing ---- */

struct team_write {
    struct control_write w;
    struct id team, user;
    struct str name, role_text;
    enum identity_role role;
    struct nano cap;
    bool role_given, cap_given, cap_null;
    struct buf shown;
};

static void shown_json(struct control_write *w, bool first, struct buf *b)
{
    const struct team_write *t = w->arg;
    (void)first;
    buf_add(b, buf_str(&t->shown));
}

static enum err run(struct team_write *t, struct control *c, const struct control_who *who,
                    const struct http_request *r, struct http_reply *reply)
{
    t->w.c = c;
    t->w.who = who;
    t->w.r = r;
    t->w.reply = reply;
    t->w.arg = t;
    if (id_is_zero(t->team))
        t->team = who->team;
    buf_init(&t->shown, 64u * 1024);
    enum err e = control_write_run(&t->w);
    buf_fini(&t->shown);
    return e;
}

/* Name of the team, for mails and confirmations. */
static void note_name(void *arg, const struct identity_team_row *row)
{
    struct buf *b = arg;
    buf_reset(b);
    buf_add(b, row->name);
}

static void note_change(struct team_write *t)
{
    struct str body = t->w.r->body;
    t->w.change = body.n != 0 && body.n < 4096 ? body : STR("{}");
}

static void count(void *arg, const struct identity_team_row *row)
{
    (void)row;
    ++*(int *)arg;
}

static enum err create(struct control_write *w, struct store_conn *conn)
{
    struct team_write *t = w->arg;
    int n = 0;
    enum err e = identity_team_list(conn, w->who->user, count, &n);
    if (e == OK && n >= TEAMS_MAX)
        e = control_wrong(w->reply, ERR_CONFLICT, "", "Nobody is in more than 50 teams.");
    if (e == OK)
        e = identity_team_create_in(conn, t->name, w->who->user, w->who->now_us, &t->team);
    if (e == OK)
        e = ledger_account_open_in(w->c->ledger, conn, t->team, LEDGER_WALLET, NANO(0),
                                   w->who->now_us);
    buf_reset(&t->shown);
    if (e == OK)
        e = identity_team_get(conn, t->team, w->who->user, add_team, &t->shown);
    w->team = t->team;
    note_change(t);
    id_text("team_", t->team, w->object);
    return e;
}

static enum err read_name(const struct http_request *r, struct http_reply *reply,
                          struct team_write *t)
{
    const struct control_field fields[] = {
        {.name = "name", .kind = CONTROL_TEXT, .to = &t->name, .min = 1, .required = true}};
    return CONTROL_BODY_READ(r, reply, fields);
}

CONTROL_ASK(control_team_create)
{
    struct team_write t = {
        .w = {.work = create, .json = shown_json, .action = "team.create", .status = 201}};
    enum err e = read_name(r, reply, &t);
    return e == OK ? run(&t, c, who, r, reply) : e;
}

static enum err rename_team(struct control_write *w, struct store_conn *conn)
{
    struct team_write *t = w->arg;
    enum err e = identity_team_rename_in(conn, t->team, t->name);
    buf_reset(&t->shown);
    if (e == OK)
        e = identity_team_get(conn, t->team, w->who->user, add_team, &t->shown);
    note_change(t);
    id_text("team_", t->team, w->object);
    return e;
}

CONTROL_ASK(control_team_edit)
{
    struct team_write t = {.w = {.work = rename_team, .json = shown_json, .action = "team.edit"}};
    enum err e = read_name(r, reply, &t);
    return e == OK ? run(&t, c, who, r, reply) : e;
}

static enum err delete_team(struct control_write *w, struct store_conn *conn)
{
    struct team_write *t = w->arg;
    struct buf name;
    buf_init(&name, 1024);
    enum err e = identity_team_get(conn, t->team, w->who->user, note_name, &name);
    if (e == OK && !str_eq(buf_str(&name), t->name))
        e = control_wrong(w->reply, ERR_VALIDATION_FAILED, "confirm",
                          "Write the team's name to confirm.");
    buf_fini(&name);
    if (e == OK)
        e = identity_team_delete_in(w->c->identity, conn, t->team, w->who->now_us);
    if (e == OK)
        e = subscriptions_team_gone_in(w->c->payments, conn, t->team, w->who->now_us);
    if (e == ERR_CONFLICT)
        w->reply->message = STR("A personal team goes with its account.");
    id_text("team_", t->team, w->object);
    return e;
}

CONTROL_ASK(control_team_delete)
{
    struct team_write t = {.w = {.work = delete_team, .action = "team.delete"}};
    const struct control_field fields[] = {
        {.name = "confirm", .kind = CONTROL_TEXT, .to = &t.name, .required = true}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    return e == OK ? run(&t, c, who, r, reply) : e;
}

/* ---- members ---- */

struct one {
    struct id user, cap;
    enum identity_role role;
    struct buf email;
};

static void note_one(void *arg, const struct identity_member_row *row)
{
    struct one *o = arg;
    o->user = row->user;
    o->cap = row->cap;
    o->role = row->role;
    buf_reset(&o->email);
    buf_add(&o->email, row->email);
}

/* An admin does not act on owners. */
static enum err over(const struct control_write *w, enum identity_role role)
{
    if (w->who->role == IDENTITY_OWNER || role != IDENTITY_OWNER)
        return OK;
    w->reply->message = STR("Only an owner acts on owners.");
    return ERR_ROLE_MISSING;
}

static enum err tell(struct team_write *t, struct store_conn *conn, enum mail_name name,
                     struct str to, const char *role)
{
    struct buf team;
    buf_init(&team, 1024);
    enum err e = identity_team_get(conn, t->team, t->w.who->user, note_name, &team);
    struct control_mail m = {.name = name,
                             .to = to,
                             .vars = {.path = STR("/team"),
                                      .team = buf_str(&team),
                                      .role = str_c(role),
                                      .inviter = t->w.who->email}};
    if (e == OK)
        e = control_mail_in(t->w.c, conn, &m, t->w.who->now_us);
    buf_fini(&team);
    return e;
}

static enum err set_role(struct team_write *t, struct store_conn *conn, const struct one *o)
{
    if (!t->role_given || t->role == o->role)
        return OK;
    enum err e = over(&t->w, t->role);
    if (e == OK)
        e = identity_member_role_set_in(conn, t->team, t->user, t->role);
    if (e == ERR_CONFLICT)
        t->w.reply->message = STR("A team keeps an owner: make somebody else one first.");
    if (e != OK || id_eq(t->user, t->w.who->user))
        return e;
    return tell(t, conn, MAIL_TEAM_ROLE, buf_str(&o->email), identity_role_name(t->role));
}

static enum err set_cap(struct team_write *t, struct store_conn *conn, struct one *o)
{
    if (!t->cap_given)
        return OK;
    enum err e = control_cap_set_in(t->w.c, conn, &o->cap, t->cap_null ? NULL : &t->cap,
                                    t->w.who->now_us);
    return e == OK && !id_is_zero(o->cap)
               ? identity_member_cap_set_in(t->w.c->identity, conn, t->team, t->user, o->cap)
               : e;
}

static enum err edit_member(struct control_write *w, struct store_conn *conn)
{
    struct team_write *t = w->arg;
    struct one o = {.role = IDENTITY_ROLE_NONE};
    struct listing l = {.c = w->c,
                        .out = &t->shown,
                        .cap = t->cap_given && !t->cap_null ? &t->cap : NULL,
                        .cap_off = t->cap_null};
    buf_init(&o.email, 1024);
    enum err e = identity_member_list(conn, t->team, t->user, note_one, &o);
    if (e == OK)
        e = over(w, o.role);
    if (e == OK)
        e = set_role(t, conn, &o);
    if (e == OK)
        e = set_cap(t, conn, &o);
    buf_reset(&t->shown);
    if (e == OK)
        e = identity_member_list(conn, t->team, t->user, add_member, &l);
    buf_fini(&o.email);
    note_change(t);
    id_text("usr_", t->user, w->object);
    return e;
}

CONTROL_ASK(control_member_edit)
{
    struct team_write t = {.w = {.work = edit_member, .json = shown_json, .action = "member.edit"}};
    const struct control_field fields[] = {
        {.name = "role", .kind = CONTROL_TEXT, .to = &t.role_text, .given = &t.role_given},
        {.name = "cap",
         .kind = CONTROL_USD,
         .to = &t.cap,
         .given = &t.cap_given,
         .null = &t.cap_null}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && t.role_given && identity_role_parse(t.role_text, &t.role) != OK)
        e = control_wrong(reply, ERR_VALIDATION_FAILED, "role",
                          "'role' takes owner, admin, developer or viewer.");
    if (e == OK && !id_parse("usr_", r->params[1], &t.user))
        e = ERR_NOT_FOUND;
    return e == OK ? run(&t, c, who, r, reply) : e;
}

static enum err remove_member(struct control_write *w, struct store_conn *conn)
{
    struct team_write *t = w->arg;
    struct one o = {.role = IDENTITY_ROLE_NONE};
    buf_init(&o.email, 1024);
    bool leaves = id_eq(t->user, w->who->user);
    enum err e = identity_member_list(conn, t->team, t->user, note_one, &o);
    if (e == OK && !leaves)
        e = over(w, o.role);
    if (e == OK && !leaves)
        e = tell(t, conn, MAIL_TEAM_REMOVED, buf_str(&o.email), "");
    if (e == OK)
        e = identity_member_remove_in(w->c->identity, conn, t->team, t->user, w->who->now_us);
    if (e == ERR_CONFLICT)
        w->reply->message = STR("A team keeps an owner: make somebody else one first.");
    buf_fini(&o.email);
    id_text("usr_", t->user, w->object);
    return e;
}

CONTROL_ASK(control_member_delete)
{
    struct team_write t = {.w = {.work = remove_member, .action = "member.remove"}};
    if (!id_parse("usr_", r->params[1], &t.user))
        return ERR_NOT_FOUND;
    if (!id_eq(t.user, who->user) && !control_may(who, IDENTITY_MAY_MEMBERS_WRITE))
        return ERR_ROLE_MISSING;
    if (id_eq(t.user, who->user))
        t.w.action = "member.leave";
    return run(&t, c, who, r, reply);
}

static enum err transfer(struct control_write *w, struct store_conn *conn)
{
    struct team_write *t = w->arg;
    struct one o = {.role = IDENTITY_ROLE_NONE};
    buf_init(&o.email, 1024);
    enum err e = identity_member_list(conn, t->team, t->user, note_one, &o);
    if (e == OK)
        e = identity_team_transfer_in(conn, t->team, w->who->user, t->user);
    if (e == ERR_CONFLICT)
        w->reply->message = STR("A personal team cannot be given away; make another one.");
    if (e == OK && !id_eq(t->user, w->who->user))
        e = tell(t, conn, MAIL_TEAM_OWNER, buf_str(&o.email), "owner");
    buf_fini(&o.email);
    note_change(t);
    id_text("team_", t->team, w->object);
    return e;
}

CONTROL_ASK(control_team_transfer)
{
    struct team_write t = {.w = {.work = transfer, .action = "team.transfer"}};
    struct str user = STR("");
    const struct control_field fields[] = {
        {.name = "user_id", .kind = CONTROL_TEXT, .to = &user, .required = true}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && !id_parse("usr_", user, &t.user))
        e = ERR_NOT_FOUND;
    return e == OK ? run(&t, c, who, r, reply) : e;
}

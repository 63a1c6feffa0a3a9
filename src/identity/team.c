/* Teams and members on the store. */
#include "identity/team.h"
#include "identity/room.h"
#include "identity/words.h"

enum err identity_member_role(struct store_conn *conn, struct id team, struct id user,
                              enum identity_role *ret_role)
{
    char t[ID_TEXT_MAX], u[ID_TEXT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_IDENTITY_MEMBER_ROLE, &q, "tt", id_text("team_", team, t),
                             id_text("usr_", user, u));
    if (e == OK)
        e = store_step(q);
    if (e == OK && identity_role_parse(store_str(q, 0), ret_role) != OK)
        e = ERR_CORRUPT;
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

/* ---- teams ---- */

static void give_team(const struct store_query *q, identity_team_row_f fn, void *arg)
{
    struct identity_team_row row = {.team = identity_column_id("team_", q, 0),
                                    .name = store_str(q, 1),
                                    .personal = store_i64(q, 3) != 0,
                                    .members = store_i64(q, 4),
                                    .created_us = store_i64(q, 5)};
    if (identity_role_parse(store_str(q, 2), &row.role) != OK)
        row.role = IDENTITY_ROLE_NONE;
    fn(arg, &row);
}

enum err identity_team_list(struct store_conn *conn, struct id user, identity_team_row_f fn,
                            void *arg)
{
    char u[ID_TEXT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_TEAM_LIST, &q, "t", id_text("usr_", user, u));
    while (e == OK && (e = store_step(q)) == OK)
        give_team(q, fn, arg);
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err identity_team_get(struct store_conn *conn, struct id team, struct id user,
                           identity_team_row_f fn, void *arg)
{
    char t[ID_TEXT_MAX], u[ID_TEXT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_TEAM_GET, &q, "tt", id_text("team_", team, t),
                             id_text("usr_", user, u));
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        give_team(q, fn, arg);
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

const char *identity_team_fault(struct str name)
{
    return identity_words_name(name);
}

enum err identity_team_create_in(struct store_conn *conn, struct str name, struct id owner,
                                 int64_t wall_us, struct id *ret_team)
{
    char t[ID_TEXT_MAX], u[ID_TEXT_MAX];
    struct id team = id_new(wall_us);
    struct str id = id_text("team_", team, t);
    if (identity_team_fault(name) != NULL)
        return ERR_VALIDATION_FAILED;
    enum err e = store_run(conn, SQL_TEAM_INSERT, NULL, "tti", id, name, wall_us);
    if (e == OK)
        e = store_run(conn, SQL_TEAM_MEMBER_ADD, NULL, "ttti", id, id_text("usr_", owner, u),
                      STR("owner"), wall_us);
    if (e == OK)
        *ret_team = team;
    return e;
}

enum err identity_team_rename_in(struct store_conn *conn, struct id team, struct str name)
{
    char t[ID_TEXT_MAX];
    int64_t changed = 0;
    if (identity_team_fault(name) != NULL)
        return ERR_VALIDATION_FAILED;
    enum err e = store_run(conn, SQL_TEAM_RENAME, &changed, "tt", id_text("team_", team, t), name);
    return e == OK && changed == 0 ? ERR_NOT_FOUND : e;
}

enum err identity_team_delete_in(struct identity *identity, struct store_conn *conn, struct id team,
                                 int64_t wall_us)
{
    char text[ID_TEXT_MAX];
    struct str t = id_text("team_", team, text);
    int64_t changed = 0;
    enum err e = store_run(conn, SQL_TEAM_CLOSE, &changed, "ti", t, wall_us);
    if (e != OK || changed == 0)
        return e != OK ? e : ERR_CONFLICT;
    e = identity_keys_revoke_in(identity, conn, team, (struct id){{0}}, wall_us);
    if (e == OK)
        e = store_run(conn, SQL_TEAM_DROP_INVITATIONS, NULL, "t", t);
    return e == OK ? store_run(conn, SQL_TEAM_DROP_MEMBERS, NULL, "t", t) : e;
}

/* ---- members ---- */

enum err identity_member_list(struct store_conn *conn, struct id team, struct id user,
                              identity_member_row_f fn, void *arg)
{
    char t[ID_TEXT_MAX], u[ID_TEXT_MAX];
    struct store_query *q = NULL;
    bool one = !id_is_zero(user), any = false;
    enum err e = store_start(conn, SQL_TEAM_MEMBERS, &q, "tt", id_text("team_", team, t),
                             one ? id_text("usr_", user, u) : STR(""));
    while (e == OK && (e = store_step(q)) == OK) {
        struct identity_member_row row = {.user = identity_column_id("usr_", q, 0),
                                          .email = store_str(q, 1),
                                          .name = store_str(q, 2),
                                          .cap = identity_column_id("cap_", q, 4),
                                          .joined_us = store_i64(q, 5)};
        if (identity_role_parse(store_str(q, 3), &row.role) != OK)
            e = ERR_CORRUPT;
        any = true;
        if (e == OK)
            fn(arg, &row);
    }
    store_finish(&q);
    return e != ERR_END ? e : one && !any ? ERR_NOT_FOUND : OK;
}

enum err identity_member_role_set_in(struct store_conn *conn, struct id team, struct id user,
                                     enum identity_role role)
{
    char t[ID_TEXT_MAX], u[ID_TEXT_MAX];
    enum identity_role now;
    int64_t changed = 0;
    enum err e = identity_member_role(conn, team, user, &now);
    if (e == OK)
        e = store_run(conn, SQL_TEAM_ROLE_SET, &changed, "ttt", id_text("team_", team, t),
                      id_text("usr_", user, u), str_c(identity_role_name(role)));
    return e == OK && changed == 0 ? ERR_CONFLICT : e;
}

enum err identity_member_remove_in(struct identity *identity, struct store_conn *conn,
                                   struct id team, struct id user, int64_t wall_us)
{
    char t[ID_TEXT_MAX], u[ID_TEXT_MAX];
    enum identity_role now;
    int64_t changed = 0;
    enum err e = identity_member_role(conn, team, user, &now);
    if (e == OK)
        e = store_run(conn, SQL_TEAM_MEMBER_DROP, &changed, "tt", id_text("team_", team, t),
                      id_text("usr_", user, u));
    if (e == OK && changed == 0)
        e = ERR_CONFLICT;
    return e == OK ? identity_keys_revoke_in(identity, conn, team, user, wall_us) : e;
}

struct is_personal {
    bool personal;
};

static void note_personal(void *arg, const struct identity_team_row *row)
{
    ((struct is_personal *)arg)->personal = row->personal;
}

enum err identity_team_transfer_in(struct store_conn *conn, struct id team, struct id from,
                                   struct id to)
{
    struct is_personal p = {.personal = false};
    enum err e = identity_team_get(conn, team, from, note_personal, &p);
    if (e == OK && p.personal)
        e = ERR_CONFLICT;
    if (e == OK)
        e = identity_member_role_set_in(conn, team, to, IDENTITY_OWNER);
    if (e == OK && !id_eq(from, to))
        e = identity_member_role_set_in(conn, team, from, IDENTITY_ADMIN);
    return e;
}

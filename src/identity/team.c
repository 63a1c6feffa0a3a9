/* Teams, members, invitations. */
#include "identity/team.h"
#include "identity/room.h"

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

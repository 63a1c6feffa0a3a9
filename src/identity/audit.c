/* The audit log. */
#include "identity/audit.h"

enum err identity_audit_line_in(struct store_conn *conn, const struct identity_audit_line *line,
                                int64_t wall_us)
{
    char id[ID_TEXT_MAX], team[ID_TEXT_MAX];
    struct str t = id_is_zero(line->team) ? STR("") : id_text("team_", line->team, team);
    return store_run(conn, SQL_IDENTITY_AUDIT, NULL, "titttttt",
                     id_text("evt_", id_new(wall_us), id), wall_us, line->actor, line->address,
                     line->action, line->object, line->change, t);
}

enum err identity_audit_forget_in(struct store_conn *conn, int64_t before_us, int64_t limit,
                                  int64_t *ret_n)
{
    char id[ID_TEXT_MAX];
    return store_run(conn, SQL_IDENTITY_AUDIT_FORGET, ret_n, "ti",
                     id_text("evt_", id_first(before_us), id), limit);
}

enum err identity_audit_page(struct store_conn *conn, const struct identity_audit_query *query,
                             identity_audit_row_f fn, void *arg)
{
    char team[ID_TEXT_MAX];
    struct str t = id_is_zero(query->team) ? STR("") : id_text("team_", query->team, team);
    struct store_query *q = NULL;
    enum err e = store_start(
        conn, id_is_zero(query->team) ? SQL_IDENTITY_AUDIT_ALL : SQL_IDENTITY_AUDIT_OF_TEAM, &q,
        "tttttiii", t, query->below, query->actor, query->action, query->object, query->start_us,
        query->end_us, query->limit);
    while (e == OK && (e = store_step(q)) == OK) {
        struct identity_audit_row row = {.id = store_str(q, 0),
                                         .at_us = store_i64(q, 1),
                                         .actor = store_str(q, 2),
                                         .actor_email = store_str(q, 3),
                                         .address = store_str(q, 4),
                                         .action = store_str(q, 5),
                                         .object = store_str(q, 6),
                                         .change = store_str(q, 7)};
        fn(arg, &row);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

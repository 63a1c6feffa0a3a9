/* Keys, owners, and endpoints that were turned off. */
#include "control/tell.h"

#include "control/account.h"
#include "identity/people.h"
#include "identity/team.h"

#include <stdio.h>

static void key_data(void *arg, const struct identity_key_row *row)
{
    struct buf *b = arg;
    char text[ID_TEXT_MAX];
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("key_", row->key, text));
    buf_json_member(b, "name", row->name);
    buf_json_member(b, "key_display", row->display);
    buf_json_member(b, "user_id", id_text("usr_", row->user, text));
    buf_byte(b, '}');
}

enum err tell_key_in(struct control *c, struct store_conn *conn, enum hooks_event event,
                     struct id team, struct id key, int64_t now_us)
{
    struct buf data;
    buf_init(&data, 8192);
    enum err e = identity_key_get(c->identity, conn, key, key_data, &data);
    if (e == OK)
        e = hooks_tell_in(c->hooks, conn, team, event, buf_str(&data), STR(""), now_us);
    buf_fini(&data);
    return e;
}

/* ---- owners ---- */

struct owners {
    struct control *c;
    struct arena arena;
    struct str list[16];
    size_t n;
};

static void add_owner(void *arg, const struct identity_member_row *row)
{
    struct owners *o = arg;
    if (row->role == IDENTITY_OWNER && o->n < sizeof(o->list) / sizeof(o->list[0]))
        o->list[o->n++] = arena_dup(&o->arena, row->email);
}

enum err tell_owners_in(struct control *c, struct store_conn *conn, struct id team,
                        enum mail_name name, const struct mail_vars *vars, struct str key,
                        int64_t now_us)
{
    struct owners o = {.c = c};
    struct str label = STR("");
    arena_init(&o.arena, 2048, 64u * 1024);
    enum err e = identity_member_list(conn, team, (struct id){{0}}, add_owner, &o);
    if (e == OK)
        e = identity_team_label(conn, &o.arena, team, &label);
    for (size_t i = 0; i < o.n && e == OK; i++) {
        struct mail_vars v = *vars;
        char once[200];
        v.team = label;
        int n = snprintf(once, sizeof(once), "%.*s %zu", STR_ARG(str_upto(key, 160)), i);
        e = mail_enqueue_in(c->mail, conn, name, o.list[i], &v,
                            key.n != 0 ? str_of(once, (size_t)n) : STR(""), now_us);
    }
    arena_fini(&o.arena);
    return e;
}

enum err tell_turned_off_in(void *control, struct store_conn *conn, struct id team, struct str url,
                            struct str endpoint, int64_t now_us)
{
    struct control *c = control;
    (void)endpoint;
    struct mail_vars v = {.path = STR("/webhooks"), .name = str_upto(url, 150)};
    return tell_owners_in(c, conn, team, MAIL_WEBHOOK_OFF, &v, STR(""), now_us);
}

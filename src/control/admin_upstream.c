/* /api/admin/upstream-keys: users' own keys at the provider, for operators. Never their value. */
#include "control/body.h"
#include "control/routes.h"
#include "control/write.h"

static void money_or_null(struct buf *b, const char *name, struct nano n)
{
    if (n.v >= 0) {
        buf_json_nano(b, name, n);
        return;
    }
    buf_json_key(b, name);
    buf_add(b, STR("null"));
}

/* The members of one row but the user: UPSTREAM_KEYS_LIST and _STATE from column 2 on. */
static void add_state(struct buf *b, const struct store_query *q)
{
    buf_json_bool(b, "exists", true);
    buf_json_time(b, "created_at", store_i64(q, 8));
    buf_json_time(b, "rotated_at", store_i64(q, 2));
    money_or_null(b, "limit", store_nano(q, 3));
    money_or_null(b, "limit_remaining", store_nano(q, 4));
    money_or_null(b, "usage_monthly", store_nano(q, 5));
    money_or_null(b, "byok_usage_monthly", store_nano(q, 6));
    buf_json_time(b, "checked_at", store_i64(q, 7));
}

enum err control_upstream_key_json(struct store_conn *conn, struct id user, struct buf *b)
{
    char text[ID_TEXT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_UPSTREAM_KEY_STATE, &q, "t", id_text("usr_", user, text));
    if (e == OK)
        e = store_step(q);
    buf_byte(b, '{');
    if (e == OK)
        add_state(b, q);
    else
        buf_json_bool(b, "exists", false);
    buf_byte(b, '}');
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

CONTROL_ASK(control_admin_upstream_keys)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    struct control_page page;
    struct buf *b = &reply->body;
    (void)who;
    enum err e = control_page_begin(r, reply, &page);
    if (e == OK)
        e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_UPSTREAM_KEYS_LIST, &q, "ti", page.after, page.limit + 1);
    while (e == OK && (e = store_step(q)) == OK && control_page_row(&page, store_str(q, 0))) {
        buf_json_comma(b);
        buf_add(b, STR("{\"user\":{"));
        buf_json_member(b, "id", store_str(q, 0));
        buf_json_member(b, "email", store_str(q, 1));
        buf_byte(b, '}');
        add_state(b, q);
        buf_byte(b, '}');
    }
    store_finish(&q);
    store_reader_end(&conn);
    control_page_end(&page, reply);
    return e == ERR_END ? OK : e;
}

static enum err rotate_in(struct control_write *w, struct store_conn *conn)
{
    const struct id *user = w->arg;
    (void)id_text("usr_", *user, w->object);
    return upstream_keys_rotate_in(w->c->upstream_keys, conn, *user, w->who->now_us);
}

static void rotate_json(struct control_write *w, bool first, struct buf *b)
{
    (void)first;
    buf_byte(b, '{');
    buf_json_member(b, "user_id", str_c(w->object));
    buf_json_bool(b, "rotating", true);
    buf_byte(b, '}');
}

CONTROL_ASK(control_admin_upstream_rotate)
{
    struct id user;
    struct control_write w = {.c = c,
                              .who = who,
                              .r = r,
                              .reply = reply,
                              .arg = &user,
                              .work = rotate_in,
                              .json = rotate_json,
                              .action = "upstream_key.rotate",
                              .status = 202};
    if (!id_parse("usr_", r->params[0], &user))
        return ERR_NOT_FOUND;
    enum err e = control_write_run(&w);
    if (e == ERR_CONFLICT)
        reply->message = STR("This key is being rotated already; the old one ends in a minute.");
    if (e == ERR_NOT_IMPLEMENTED)
        reply->message = STR("No provider with a provisioning key is configured ([openrouter]).");
    return e;
}

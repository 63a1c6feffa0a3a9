/* GET /api/audit: who did what in the team; GET /api/admin/audit: in the house. */
#include "base/clock.h"
#include "base/json.h"
#include "control/body.h"
#include "control/routes.h"
#include "identity/audit.h"

struct listing {
    struct control_page page;
    struct buf *out;
};

static void add_row(void *arg, const struct identity_audit_row *row)
{
    struct listing *l = arg;
    struct buf *b = l->out;
    size_t offset;
    if (!control_page_row(&l->page, row->id))
        return;
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", row->id);
    buf_json_time(b, "at", row->at_us);
    buf_json_key(b, "actor");
    buf_byte(b, '{');
    buf_json_member(b, "id", row->actor);
    buf_json_member(b, "email", row->actor_email);
    buf_byte(b, '}');
    buf_json_member(b, "address", row->address);
    buf_json_member(b, "action", row->action);
    buf_json_member(b, "object", row->object);
    buf_json_key(b, "change");
    buf_add(b, json_check(row->change, &offset) == OK ? row->change : STR("{}"));
    buf_byte(b, '}');
}

static enum err read_time(const struct http_request *r, struct http_reply *reply, const char *name,
                          int64_t *ret_us)
{
    struct str v;
    if (!http_query(r, reply->arena, str_c(name), &v) || clock_parse(v, ret_us) == OK)
        return OK;
    return control_wrong(reply, ERR_INVALID_REQUEST, name,
                         "It must be a date or a time as in RFC 3339.");
}

static enum err list(struct control *c, struct id team, const struct http_request *r,
                     struct http_reply *reply)
{
    struct store_conn *conn = NULL;
    struct listing l = {.out = &reply->body};
    struct identity_audit_query q = {
        .team = team, .actor = STR(""), .action = STR(""), .object = STR(""), .end_us = INT64_MAX};
    (void)http_query(r, reply->arena, STR("actor"), &q.actor);
    (void)http_query(r, reply->arena, STR("action"), &q.action);
    (void)http_query(r, reply->arena, STR("object"), &q.object);
    enum err e = read_time(r, reply, "start", &q.start_us);
    if (e == OK)
        e = read_time(r, reply, "end", &q.end_us);
    if (e == OK)
        e = control_page_begin(r, reply, &l.page);
    if (e == OK)
        e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    q.below = l.page.after;
    q.limit = l.page.limit + 1;
    e = identity_audit_page(conn, &q, add_row, &l);
    store_reader_end(&conn);
    control_page_end(&l.page, reply);
    return e;
}

CONTROL_ASK(control_audit_list)
{
    return list(c, who->team, r, reply);
}

CONTROL_ASK(control_admin_audit_list)
{
    (void)who;
    return list(c, (struct id){{0}}, r, reply);
}

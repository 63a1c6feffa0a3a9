/* /api/admin/jobs: what runs in the background, for operators. */
#include "control/body.h"
#include "control/routes.h"
#include "control/write.h"

CONTROL_ASK(control_admin_jobs_list)
{
    struct store_conn *conn = NULL;
    struct control_page page;
    struct id cursor = {{0}};
    struct str state = STR(""), kind = STR(""), after;
    (void)who;
    enum err e = control_page_begin(r, reply, &page);
    if (e != OK)
        return e;
    buf_reset(&reply->body); /* jobs write the whole list */
    (void)http_query(r, reply->arena, STR("state"), &state);
    (void)http_query(r, reply->arena, STR("kind"), &kind);
    if (http_query(r, reply->arena, STR("cursor"), &after) && !id_parse("job_", after, &cursor))
        return control_wrong(reply, ERR_INVALID_REQUEST, "cursor",
                             "'cursor' is what 'next_cursor' of the page before said.");
    e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = jobs_list_json(c->jobs, conn, state, kind, cursor, page.limit, &reply->body);
    store_reader_end(&conn);
    return e;
}

static enum err show(struct control *c, struct id run, struct http_reply *reply)
{
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = jobs_run_json(c->jobs, conn, run, &reply->body);
    store_reader_end(&conn);
    return e;
}

CONTROL_ASK(control_admin_jobs_get)
{
    struct id run;
    (void)who;
    return id_parse("job_", r->params[0], &run) ? show(c, run, reply) : ERR_NOT_FOUND;
}

struct change {
    struct id run;
    int64_t now_us;
    enum err (*fn)(struct jobs *jobs, struct store_conn *conn, struct id run, int64_t now_us);
};

static enum err change_in(struct control_write *w, struct store_conn *conn)
{
    const struct change *change = w->arg;
    (void)id_text("job_", change->run, w->object);
    return change->fn(w->c->jobs, conn, change->run, change->now_us);
}

static enum err change(struct control *c, const struct control_who *who,
                       const struct http_request *r, struct http_reply *reply, const char *action,
                       struct change *how)
{
    struct control_write w = {.c = c,
                              .who = who,
                              .r = r,
                              .reply = reply,
                              .arg = how,
                              .work = change_in,
                              .json = control_write_object_json,
                              .action = action};
    how->now_us = who->now_us;
    if (!id_parse("job_", r->params[0], &how->run))
        return ERR_NOT_FOUND;
    enum err e = control_write_run(&w);
    if (e == ERR_CONFLICT)
        reply->message = STR("The job is not in a state for that.");
    return e;
}

CONTROL_ASK(control_admin_jobs_retry)
{
    struct change how = {.fn = jobs_retry_in};
    return change(c, who, r, reply, "job.retry", &how);
}

CONTROL_ASK(control_admin_jobs_cancel)
{
    struct change how = {.fn = jobs_cancel_in};
    return change(c, who, r, reply, "job.cancel", &how);
}

/* What the operator sees of runs. */
#include "jobs/room.h"

static const struct jobs_step *step_of(const struct jobs *jobs, struct str kind, int64_t seq)
{
    const struct jobs_kind *k = jobs_kind_of(jobs, kind);
    return k != NULL && seq >= 0 && (size_t)seq < k->steps_n ? &k->steps[seq] : NULL;
}

/* Without the closing brace. */
static void add_run(const struct jobs *jobs, const struct store_query *q, struct buf *json)
{
    struct str kind = store_str(q, 1), state = store_str(q, 2), error = store_str(q, 8);
    const struct jobs_step *step = step_of(jobs, kind, store_i64(q, 3));
    bool over = str_eq(state, STR("done")) || str_eq(state, STR("cancelled")) ||
                str_eq(state, STR("needs_attention"));
    buf_byte(json, '{');
    buf_json_member(json, "id", store_str(q, 0));
    buf_json_member(json, "kind", kind);
    buf_json_member(json, "state", state);
    buf_json_i64(json, "attempt", store_i64(q, 4));
    buf_json_i64(json, "attempts_max", jobs_attempts_max(step));
    buf_json_time(json, "wake_at", over ? 0 : store_i64(q, 6));
    buf_json_time(json, "created_at", store_i64(q, 7));
    buf_json_key(json, "error");
    if (error.n != 0)
        buf_json_str(json, error);
    else
        buf_add(json, STR("null"));
    buf_json_member(json, "step", step != NULL ? str_c(step->name) : STR(""));
}

enum err jobs_list_json(struct jobs *jobs, struct store_conn *conn, struct str state,
                        struct str kind, struct id cursor, int64_t limit, struct buf *json)
{
    struct store_query *q = NULL;
    char before[ID_TEXT_MAX], last[ID_TEXT_MAX] = "";
    int64_t n = 0;
    struct str from = id_is_zero(cursor) ? STR("job_~") : id_text("job_", cursor, before);
    enum err e = store_start(conn, SQL_JOBS_LIST, &q, "ttti", state, kind, from, limit + 1);
    buf_add(json, STR("{\"data\":["));
    while (e == OK && (e = store_step(q)) == OK && ++n <= limit) {
        buf_json_comma(json);
        add_run(jobs, q, json);
        buf_byte(json, '}');
        struct str id = store_str(q, 0);
        must(id.n < sizeof(last));
        memcpy(last, id.p, id.n);
        last[id.n] = '\0';
    }
    store_finish(&q);
    buf_byte(json, ']');
    buf_json_bool(json, "has_more", n > limit);
    buf_json_key(json, "next_cursor");
    if (n > limit)
        buf_json_str(json, str_c(last));
    else
        buf_add(json, STR("null"));
    buf_byte(json, '}');
    return e == ERR_END ? OK : e;
}

static enum err add_steps(struct store_conn *conn, struct str id, struct buf *json)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_JOBS_STEPS, &q, "t", id);
    buf_json_key(json, "steps");
    buf_byte(json, '[');
    while (e == OK && (e = store_step(q)) == OK) {
        struct str error = store_str(q, 6);
        buf_json_comma(json);
        buf_byte(json, '{');
        buf_json_member(json, "name", store_str(q, 1));
        buf_json_member(json, "state", store_str(q, 2));
        buf_json_i64(json, "attempt", store_i64(q, 3));
        buf_json_time(json, "started_at", store_i64(q, 4));
        buf_json_time(json, "ended_at", store_i64(q, 5));
        buf_json_key(json, "error");
        if (error.n != 0)
            buf_json_str(json, error);
        else
            buf_add(json, STR("null"));
        buf_byte(json, '}');
    }
    buf_byte(json, ']');
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err jobs_run_json(struct jobs *jobs, struct store_conn *conn, struct id run, struct buf *json)
{
    char text[ID_TEXT_MAX];
    struct str id = id_text("job_", run, text);
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_JOBS_GET, &q, "t", id);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        add_run(jobs, q, json);
    store_finish(&q);
    if (e != OK)
        return e == ERR_END ? ERR_NOT_FOUND : e;
    e = add_steps(conn, id, json);
    buf_byte(json, '}');
    return e;
}

enum err jobs_count(struct store_conn *conn, struct jobs_counts *ret_counts)
{
    struct store_query *q = NULL;
    struct jobs_counts c = {0};
    enum err e = store_start(conn, SQL_JOBS_COUNT, &q, "");
    while (e == OK && (e = store_step(q)) == OK) {
        struct str state = store_str(q, 0);
        int64_t n = store_i64(q, 1);
        if (str_eq(state, STR("running")))
            c.running += n;
        else if (str_eq(state, STR("needs_attention")))
            c.needs_attention += n;
        else
            c.waiting += n;
    }
    store_finish(&q);
    if (e != ERR_END)
        return e;
    *ret_counts = c;
    return OK;
}

/* Runs into the store, and what the operator may do with them. */
#include "jobs/room.h"

#include "base/clock.h"

static void poke_on_end(void *arg, bool committed)
{
    if (committed)
        jobs_poke(arg);
}

static enum err id_of_key_in(struct store_conn *conn, const struct jobs_spec *spec,
                             struct id *ret_run)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_JOBS_BY_KEY, &q, "tt", str_c(spec->kind), spec->key);
    if (e == OK)
        e = store_step(q);
    if (e == OK && !id_parse("job_", store_str(q, 0), ret_run))
        e = ERR_CORRUPT;
    store_finish(&q);
    return e;
}

enum err jobs_enqueue_in(struct jobs *jobs, struct store_conn *conn, const struct jobs_spec *spec,
                         int64_t now_us, struct id *ret_run)
{
    struct id run = id_new(now_us);
    char text[ID_TEXT_MAX];
    struct store_query *q = NULL;
    must(jobs_kind_of(jobs, str_c(spec->kind)) != NULL);
    if (spec->key.n > JOBS_ONCE_MAX || spec->input.n > JOBS_INPUT_MAX)
        return ERR_VALIDATION_FAILED;
    struct str once = spec->key.n != 0 ? spec->key : str_of(NULL, 0);
    enum err e = store_start(conn, SQL_JOBS_INSERT, &q, "ttTibbi", id_text("job_", run, text),
                             str_c(spec->kind), once, spec->wake_us != 0 ? spec->wake_us : now_us,
                             spec->input, STR(""), now_us);
    if (e == OK)
        e = store_step(q);
    store_finish(&q);
    if (e == ERR_END)
        e = id_of_key_in(conn, spec, &run);
    if (e != OK)
        return e;
    store_on_end(conn, poke_on_end, jobs);
    if (ret_run != NULL)
        *ret_run = run;
    return OK;
}

/* ERR_CONFLICT when `sql` changed nothing of a run that is there. */
static enum err change_in(struct jobs *jobs, struct store_conn *conn, enum sql_id sql,
                          struct id run, int64_t now_us)
{
    char text[ID_TEXT_MAX];
    int64_t changed = 0;
    enum err e = store_run(conn, sql, &changed, "ti", id_text("job_", run, text), now_us);
    if (e == OK)
        store_on_end(conn, poke_on_end, jobs);
    return e == OK && changed == 0 ? ERR_CONFLICT : e;
}

static enum err kind_in(const struct jobs *jobs, struct store_conn *conn, struct id run,
                        const struct jobs_kind **ret_kind)
{
    char text[ID_TEXT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_JOBS_GET, &q, "t", id_text("job_", run, text));
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_kind = jobs_kind_of(jobs, store_str(q, 1));
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

enum err jobs_retry_in(struct jobs *jobs, struct store_conn *conn, struct id run, int64_t now_us)
{
    const struct jobs_kind *kind = NULL;
    enum err e = kind_in(jobs, conn, run, &kind);
    return e == OK ? change_in(jobs, conn, SQL_JOBS_AGAIN, run, now_us) : e;
}

static enum err cancelled_in(struct store_conn *conn, const struct jobs_kind *kind, struct str id,
                             int64_t now_us)
{
    struct store_query *q = NULL;
    struct arena a;
    if (kind == NULL || kind->cancelled_in == NULL)
        return OK;
    arena_init(&a, 1024, 2 * JOBS_INPUT_MAX);
    enum err e = store_start(conn, SQL_JOBS_INPUT, &q, "t", id);
    if (e == OK)
        e = store_step(q);
    struct str input = e == OK ? arena_dup(&a, store_str(q, 0)) : STR("");
    store_finish(&q);
    if (e == OK)
        e = kind->cancelled_in(conn, kind->arg, input, now_us);
    arena_fini(&a);
    return e;
}

enum err jobs_cancel_in(struct jobs *jobs, struct store_conn *conn, struct id run, int64_t now_us)
{
    char text[ID_TEXT_MAX];
    const struct jobs_kind *kind = NULL;
    enum err e = kind_in(jobs, conn, run, &kind);
    if (e == OK && kind != NULL && kind->every_us != 0)
        return ERR_CONFLICT;
    if (e == OK)
        e = change_in(jobs, conn, SQL_JOBS_CANCEL_NOW, run, now_us);
    else
        return e;
    if (e == ERR_CONFLICT)
        return change_in(jobs, conn, SQL_JOBS_CANCEL_LATER, run, now_us);
    if (e == OK)
        e = cancelled_in(conn, kind, id_text("job_", run, text), now_us);
    if (e == OK && kind != NULL && kind->wipe)
        e = store_run(conn, SQL_JOBS_WIPE, NULL, "tb", id_text("job_", run, text), STR(""));
    return e;
}

enum err jobs_state(struct store_conn *conn, struct id run, struct arena *a, struct str *ret_state)
{
    char text[ID_TEXT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_JOBS_GET, &q, "t", id_text("job_", run, text));
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_state = arena_dup(a, store_str(q, 2));
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

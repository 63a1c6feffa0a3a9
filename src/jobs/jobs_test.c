/* Durable jobs, on both engines: what runs, when, how often, and what a crash may not do. */
#include "jobs/room.h"
#include "store/store_testkit.h"

#include "base/clock.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define T0 (INT64_C(1767225600) * US_PER_S)

/* ---- a house with jobs, a clock of its own, and a provider that counts ---- */

enum mood { FINE, TIMES_OUT_AFTER, TIMES_OUT_BEFORE, BUSY_429, FAILS_500, REFUSES, MOOD__COUNT };

struct world {
    struct store_testkit kit;
    struct store *store;
    struct jobs *jobs;
    _Atomic int64_t now_us;
    uint64_t seed;
    _Atomic int effects, calls, asked, kept, ticks; /* calls: of the step; asked: of reconcile */
    enum mood mood;
    bool refuse_result;
    int64_t retry_us;
    struct id cancel_while; /* run to cancel while its step runs */
    int cancelled; /* told to the kind's owner */
    char seen[64];
};

static uint64_t next_random(uint64_t *s)
{
    *s += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *s;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static int64_t world_now(void *arg)
{
    return ((struct world *)arg)->now_us;
}

/* (Of any worker.) */
static uint64_t world_draw(void *arg)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    uint64_t n = next_random(&((struct world *)arg)->seed);
    pthread_mutex_unlock(&lock);
    return n;
}

static enum err cancel_in(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    return jobs_cancel_in(w->jobs, conn, w->cancel_while, w->now_us);
}

static enum err cancelled_in(struct store_conn *conn, void *arg, struct str input, int64_t now_us)
{
    struct world *w = arg;
    assert_true(str_eq(input, STR("x")));
    assert_true(now_us >= T0);
    w->cancelled++;
    return store_run(conn, SQL_HOUSE_SET, NULL, "tt", STR("job_cancelled"), input);
}

/* The provider does the work or does not, and answers or does not. */
static enum jobs_outcome write_outside(struct jobs_call *c)
{
    struct world *w = c->arg;
    w->calls++;
    if (!id_is_zero(w->cancel_while))
        assert_int_equal(store_write(w->store, cancel_in, w), OK);
    c->retry_us = w->retry_us;
    snprintf(c->why, sizeof(c->why), "the provider is in mood %d", (int)w->mood);
    switch (w->mood) {
    case FINE:
        w->effects++;
        buf_reset(&c->data);
        buf_add(&c->data, STR("made"));
        return JOBS_DONE;
    case TIMES_OUT_AFTER: w->effects++; return JOBS_UNKNOWN;
    case TIMES_OUT_BEFORE: return JOBS_UNKNOWN;
    case BUSY_429: return JOBS_RETRY;
    case FAILS_500: return JOBS_UNKNOWN;
    case REFUSES: return JOBS_FAILED;
    case MOOD__COUNT: break;
    }
    return JOBS_FAILED;
}

static enum jobs_outcome look_outside(struct jobs_call *c)
{
    struct world *w = c->arg;
    w->asked++;
    if (w->mood == BUSY_429)
        return JOBS_RETRY;
    if (w->effects == 0)
        return JOBS_ABSENT;
    buf_reset(&c->data);
    buf_add(&c->data, STR("made"));
    return JOBS_DONE;
}

static enum err keep_result(struct store_conn *conn, struct jobs_call *c)
{
    struct world *w = c->arg;
    if (w->refuse_result)
        return ERR_CONFLICT;
    w->kept++;
    return store_run(conn, SQL_HOUSE_SET, NULL, "tt", STR("job_test"), buf_str(&c->data));
}

static enum jobs_outcome prepare(struct jobs_call *c)
{
    buf_add(&c->data, c->input);
    return JOBS_DONE;
}

static enum jobs_outcome finish(struct jobs_call *c)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct world *w = c->arg;
    pthread_mutex_lock(&lock);
    snprintf(w->seen, sizeof(w->seen), "%.*s", STR_ARG(buf_str(&c->data)));
    pthread_mutex_unlock(&lock);
    return JOBS_DONE;
}

static enum jobs_outcome doze(struct jobs_call *c)
{
    struct world *w = c->arg;
    if (++w->calls < 4) {
        c->wake_us = c->now_us + US_PER_HOUR;
        return JOBS_SLEEP;
    }
    return JOBS_END;
}

static enum jobs_outcome tick(struct jobs_call *c)
{
    struct world *w = c->arg;
    w->ticks++;
    return w->mood == REFUSES ? JOBS_FAILED : JOBS_DONE;
}

static const struct jobs_step write_steps[] = {
    {.name = "prepare", .run = prepare},
    {.name = "write",
     .run = write_outside,
     .reconcile = look_outside,
     .done_in = keep_result,
     .attempts_max = 4},
    {.name = "finish", .run = finish},
};
static const struct jobs_step doze_steps[] = {{.name = "doze", .run = doze},
                                              {.name = "never", .run = write_outside}};
static const struct jobs_step tick_steps[] = {{.name = "tick", .run = tick, .attempts_max = 1}};

static struct world *world; /* kinds are constant; one world at a time */
static struct jobs_kind write_kind = {
    .name = "write", .steps = write_steps, .steps_n = 3, .cancelled_in = cancelled_in};
static struct jobs_kind secret_kind = {
    .name = "secret", .steps = write_steps, .steps_n = 3, .wipe = true};
static struct jobs_kind doze_kind = {.name = "doze", .steps = doze_steps, .steps_n = 2};
static struct jobs_kind tick_kind = {
    .name = "tick", .steps = tick_steps, .steps_n = 1, .every_us = 10 * 60 * US_PER_S};

static void boot(struct world *w, size_t threads, bool with_tick)
{
    struct jobs_options o = {.threads = threads, .now = world_now, .draw = world_draw, .arg = w};
    assert_int_equal(jobs_open(w->store, &o, &w->jobs), OK);
    write_kind.arg = secret_kind.arg = doze_kind.arg = tick_kind.arg = w;
    jobs_kind_add(w->jobs, &write_kind);
    jobs_kind_add(w->jobs, &secret_kind);
    jobs_kind_add(w->jobs, &doze_kind);
    if (with_tick)
        jobs_kind_add(w->jobs, &tick_kind);
    assert_int_equal(jobs_start(w->jobs), OK);
}

static void end_boot(struct world *w)
{
    jobs_stop(w->jobs);
    jobs_close(&w->jobs);
}

static int begin(void **state, bool postgres)
{
    world = mem_zalloc(sizeof(*world));
    *state = world;
    world->now_us = T0;
    world->seed = 7;
    if (!store_testkit_begin(&world->kit, postgres)) {
        mem_free(world);
        *state = NULL;
        return 0;
    }
    world->store = store_testkit_open(&world->kit);
    boot(world, 0, false);
    bool worked = true;
    for (int64_t next_us; worked;) /* the clean-up's first time */
        assert_int_equal(jobs_work(world->jobs, &worked, &next_us), OK);
    return 0;
}

static int begin_sqlite(void **state)
{
    return begin(state, false);
}

static int begin_postgres(void **state)
{
    return begin(state, true);
}

static int end(void **state)
{
    struct world *w = *state;
    if (w == NULL)
        return 0;
    end_boot(w);
    store_close(&w->store);
    store_testkit_end(&w->kit);
    mem_free(w);
    return 0;
}

/* Skipped where there is no PostgreSQL. */
static struct world *world_of(void **state)
{
    if (*state == NULL)
        skip();
    must(*state != NULL); /* skip() does not come back */
    return *state;
}

struct put {
    struct world *w;
    struct jobs_spec spec;
    struct id run;
    bool fail;
};

static enum err put_in(struct store_conn *conn, void *arg)
{
    struct put *p = arg;
    enum err e = jobs_enqueue_in(p->w->jobs, conn, &p->spec, p->w->now_us, &p->run);
    return e == OK && p->fail ? ERR_CONFLICT : e;
}

static struct id put(struct world *w, const char *kind, const char *key, const char *input)
{
    struct put p = {.w = w, .spec = {.kind = kind, .key = str_c(key), .input = str_c(input)}};
    assert_int_equal(store_write(w->store, put_in, &p), OK);
    return p.run;
}

/* Works until nothing is due; moves the clock to what is next while that is before `until_us`. */
static int64_t work_until(struct world *w, int64_t until_us)
{
    for (int i = 0; i < 100000; i++) {
        bool worked = false;
        int64_t next_us = 0;
        assert_int_equal(jobs_work(w->jobs, &worked, &next_us), OK);
        if (worked)
            continue;
        if (next_us == 0 || next_us > until_us)
            return next_us;
        w->now_us = next_us;
    }
    fail_msg("there is no end to it");
    return 0;
}

static void check_state(struct world *w, struct id run, const char *state)
{
    struct store_conn *conn = NULL;
    struct arena a;
    struct str s = STR("");
    arena_init(&a, 1024, 4096);
    assert_int_equal(store_reader_begin(w->store, &conn), OK);
    assert_int_equal(jobs_state(conn, run, &a, &s), OK);
    store_reader_end(&conn);
    assert_string_equal(s.p, state);
    arena_fini(&a);
}

/* The run as the operator sees it. */
static void check_shown(struct world *w, struct id run, const char *what)
{
    struct store_conn *conn = NULL;
    struct buf b;
    buf_init(&b, 65536);
    assert_int_equal(store_reader_begin(w->store, &conn), OK);
    assert_int_equal(jobs_run_json(w->jobs, conn, run, &b), OK);
    store_reader_end(&conn);
    if (str_find(buf_str(&b), str_c(what)) == SIZE_MAX)
        fail_msg("no %s in %.*s", what, STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

struct change {
    struct world *w;
    struct id run;
    enum err (*fn)(struct jobs *, struct store_conn *, struct id, int64_t);
};

static enum err change_in(struct store_conn *conn, void *arg)
{
    struct change *c = arg;
    return c->fn(c->w->jobs, conn, c->run, c->w->now_us);
}

static enum err retry(struct world *w, struct id run)
{
    struct change c = {w, run, jobs_retry_in};
    return store_write(w->store, change_in, &c);
}

static enum err cancel(struct world *w, struct id run)
{
    struct change c = {w, run, jobs_cancel_in};
    return store_write(w->store, change_in, &c);
}

/* ---- what runs ---- */

static void runs_if_and_only_if_committed(void **state)
{
    struct world *w = world_of(state);
    struct put p = {.w = w, .spec = {.kind = "write", .input = STR("x")}, .fail = true};
    assert_int_equal(store_write(w->store, put_in, &p), ERR_CONFLICT);
    work_until(w, T0);
    assert_int_equal(w->effects, 0);
    struct id run = put(w, "write", "", "x");
    work_until(w, T0);
    assert_int_equal(w->effects, 1);
    assert_int_equal(w->kept, 1);
    assert_string_equal(w->seen, "made");
    check_state(w, run, "done");
    check_shown(w, run, "\"name\":\"write\",\"state\":\"done\",\"attempt\":1");
}

static void same_key_is_the_same_run(void **state)
{
    struct world *w = world_of(state);
    struct id a = put(w, "write", "order-1", "x"), b = put(w, "write", "order-1", "y");
    assert_true(id_eq(a, b));
    assert_false(id_eq(a, put(w, "secret", "order-1", "x")));
    work_until(w, T0);
    assert_true(id_eq(a, put(w, "write", "order-1", "z"))); /* also when it is done */
    work_until(w, T0);
    assert_int_equal(w->effects, 2);
    struct put p = {.w = w, .spec = {.kind = "write", .key = {w->kit.dir, JOBS_ONCE_MAX + 1}}};
    assert_int_equal(store_write(w->store, put_in, &p), ERR_VALIDATION_FAILED);
}

static void waits_and_gives_up_loudly(void **state)
{
    struct world *w = world_of(state);
    w->mood = BUSY_429;
    w->retry_us = 77 * US_PER_S;
    struct id run = put(w, "write", "", "x");
    int64_t next_us = work_until(w, T0);
    assert_int_equal(next_us, T0 + w->retry_us); /* as Retry-After says */
    check_state(w, run, "retrying");
    w->retry_us = 0;
    w->now_us = next_us;
    next_us = work_until(w, next_us);
    assert_in_range(next_us - w->now_us, 15 * US_PER_S, 19 * US_PER_S);
    assert_int_equal(work_until(w, T0 + US_PER_HOUR - 1), T0 + US_PER_HOUR); /* the clean-up's */
    check_state(w, run, "needs_attention");
    assert_int_equal(w->calls, 4);
    assert_int_equal(w->asked, 0); /* 429 says that nothing was done */
    check_shown(w, run, "the provider is in mood 3");
    w->mood = FINE;
    assert_int_equal(retry(w, run), OK);
    work_until(w, w->now_us);
    check_state(w, run, "done");
    assert_int_equal(w->effects, 1);
    assert_int_equal(retry(w, run), ERR_CONFLICT);
    assert_int_equal(cancel(w, run), ERR_CONFLICT);
    assert_int_equal(cancel(w, id_new(1)), ERR_NOT_FOUND);
}

static void refusal_is_not_tried_again(void **state)
{
    struct world *w = world_of(state);
    w->mood = REFUSES;
    struct id run = put(w, "write", "", "x");
    work_until(w, T0 + US_PER_HOUR - 1);
    assert_int_equal(w->calls, 1);
    check_state(w, run, "needs_attention");
    assert_int_equal(cancel(w, run), OK);
    check_state(w, run, "cancelled");
}

static void unknown_is_asked_for(void **state)
{
    struct world *w = world_of(state);
    w->mood = TIMES_OUT_AFTER;
    struct id a = put(w, "write", "", "x");
    work_until(w, T0);
    w->mood = FINE;
    work_until(w, T0 + 60 * US_PER_S);
    check_state(w, a, "done");
    assert_int_equal(w->effects, 1);
    assert_int_equal(w->calls, 1);
    assert_int_equal(w->asked, 1);
    w->effects = w->calls = w->asked = 0;
    w->mood = TIMES_OUT_BEFORE;
    struct id b = put(w, "write", "", "x");
    work_until(w, w->now_us);
    w->mood = FINE;
    work_until(w, w->now_us + 60 * US_PER_S);
    check_state(w, b, "done");
    assert_int_equal(w->effects, 1);
    assert_int_equal(w->calls, 2);
    assert_int_equal(w->asked, 1);
}

static void sleeps_without_attempts(void **state)
{
    struct world *w = world_of(state);
    struct id run = put(w, "doze", "", "");
    work_until(w, T0 + US_PER_HOUR - 1);
    check_state(w, run, "sleeping");
    work_until(w, T0 + 4 * US_PER_HOUR);
    check_state(w, run, "done"); /* END: the second step never ran */
    assert_int_equal(w->calls, 4);
    assert_int_equal(w->effects, 0);
    check_shown(w, run, "\"attempt\":1");
}

static void result_that_cannot_be_kept(void **state)
{
    struct world *w = world_of(state);
    w->refuse_result = true;
    struct id run = put(w, "write", "", "x");
    work_until(w, T0);
    check_state(w, run, "retrying");
    assert_int_equal(w->effects, 1);
    w->refuse_result = false;
    work_until(w, T0 + 60 * US_PER_S);
    check_state(w, run, "done");
    assert_int_equal(w->effects, 1);
    assert_int_equal(w->calls, 1);
    assert_int_equal(w->kept, 1);
}

/* ---- cancelled ---- */

static void cancelled_while_waiting(void **state)
{
    struct world *w = world_of(state);
    struct id run = put(w, "write", "", "x");
    assert_int_equal(cancel(w, run), OK);
    check_state(w, run, "cancelled");
    work_until(w, T0);
    assert_int_equal(w->calls, 0);
    assert_int_equal(w->cancelled, 1);
    assert_int_equal(cancel(w, run), ERR_CONFLICT);
    assert_int_equal(w->cancelled, 1);
}

static void cancelled_while_running(void **state)
{
    struct world *w = world_of(state);
    w->cancel_while = put(w, "write", "", "x");
    work_until(w, T0);
    check_state(w, w->cancel_while, "cancelled");
    assert_int_equal(w->effects, 1);
    assert_int_equal(w->kept, 1); /* what was done is known */
    assert_string_equal(w->seen, ""); /* and nothing follows */
    assert_int_equal(w->cancelled, 1);
}

static void cancelled_while_unknown(void **state)
{
    struct world *w = world_of(state);
    w->mood = TIMES_OUT_AFTER;
    struct id run = put(w, "write", "", "x");
    work_until(w, T0);
    assert_int_equal(cancel(w, run), OK);
    check_state(w, run, "retrying");
    work_until(w, T0);
    check_state(w, run, "cancelled");
    assert_int_equal(w->asked, 1);
    assert_int_equal(w->kept, 1);
    assert_int_equal(w->calls, 1);
}

/* ---- crashes and lost leases ---- */

static struct jobs_taken *take(struct world *w)
{
    struct jobs_taken *t = NULL;
    int64_t next_us;
    assert_int_equal(jobs_claim(w->jobs, 1, &t, &next_us), OK);
    return t;
}

static void drop(struct jobs_taken *t)
{
    buf_fini(&t->call.data);
    arena_fini(&t->call.arena);
    mem_free(t);
}

static void late_worker_changes_nothing(void **state)
{
    struct world *w = world_of(state);
    struct id run = put(w, "write", "", "x");
    bool worked;
    int64_t next_us;
    assert_int_equal(jobs_work(w->jobs, &worked, &next_us), OK); /* prepare */
    struct jobs_taken *late = take(w);
    assert_non_null(late);
    assert_null(take(w)); /* nobody else gets it meanwhile */
    w->now_us += JOBS_LEASE_US + 1;
    work_until(w, w->now_us); /* its lease is over: asked for, absent, done by another */
    check_state(w, run, "done");
    assert_int_equal(w->asked, 1);
    assert_int_equal(w->effects, 1);
    w->mood = TIMES_OUT_BEFORE;
    jobs_do(&late); /* comes back with other news */
    check_state(w, run, "done");
    assert_int_equal(w->kept, 1);
}

/* The process dies with a run in hand, before or after its call. */
static void death(struct world *w, bool after_call)
{
    struct id run = put(w, "write", "", "x");
    bool worked;
    int64_t next_us;
    w->effects = w->calls = w->asked = w->kept = 0;
    assert_int_equal(jobs_work(w->jobs, &worked, &next_us), OK);
    struct jobs_taken *t = take(w);
    if (after_call)
        assert_int_equal(t->step->run(&t->call), JOBS_DONE);
    drop(t);
    end_boot(w);
    check_state(w, run, "running");
    boot(w, 0, false);
    work_until(w, w->now_us); /* at once: nobody waits for the lease of a dead process */
    check_state(w, run, "done");
    assert_int_equal(w->effects, 1);
    assert_int_equal(w->asked, 1);
    assert_int_equal(w->kept, 1);
}

static void death_is_survived(void **state)
{
    struct world *w = world_of(state);
    death(w, false);
    death(w, true);
}

static void poison_is_set_aside(void **state)
{
    struct world *w = world_of(state);
    struct id run = put(w, "doze", "", "");
    for (int i = 0; i < JOBS_ATTEMPTS_MAX; i++) {
        drop(take(w));
        end_boot(w);
        boot(w, 0, false);
    }
    work_until(w, w->now_us);
    check_state(w, run, "needs_attention");
    assert_int_equal(w->calls, 0);
    check_shown(w, run, "cut off");
}

static void unknown_kind_is_set_aside(void **state)
{
    struct world *w = world_of(state);
    struct id run = put(w, "doze", "", "");
    end_boot(w);
    doze_kind.name = "renamed";
    boot(w, 0, false);
    work_until(w, w->now_us);
    check_state(w, run, "needs_attention");
    end_boot(w);
    doze_kind.name = "doze";
    boot(w, 0, false);
    assert_int_equal(retry(w, run), OK);
    work_until(w, w->now_us + 4 * US_PER_HOUR);
    check_state(w, run, "done");
}

/* ---- recurring, forgotten ---- */

static void recurs(void **state)
{
    struct world *w = world_of(state);
    end_boot(w);
    boot(w, 0, true);
    work_until(w, T0 + 59 * 60 * US_PER_S);
    assert_int_equal(w->ticks, 6);
    w->mood = REFUSES; /* fails, is told, and comes again all the same */
    work_until(w, T0 + 119 * 60 * US_PER_S);
    assert_int_equal(w->ticks, 12);
    end_boot(w);
    boot(w, 0, true); /* not a second one */
    work_until(w, T0 + 179 * 60 * US_PER_S);
    assert_int_equal(w->ticks, 18);
}

static int64_t count_where_input(struct world *w, struct id run)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    char text[ID_TEXT_MAX];
    assert_int_equal(store_reader_begin(w->store, &conn), OK);
    assert_int_equal(store_start(conn, SQL_JOBS_SIZE, &q, "t", id_text("job_", run, text)), OK);
    assert_int_equal(store_step(q), OK);
    int64_t n = store_i64(q, 0);
    store_finish(&q);
    store_reader_end(&conn);
    return n;
}

static void secrets_are_forgotten(void **state)
{
    struct world *w = world_of(state);
    struct id done = put(w, "secret", "", "token"), kept = put(w, "write", "", "token");
    struct id gone = put(w, "secret", "gone", "token");
    assert_int_equal(cancel(w, gone), OK);
    work_until(w, T0);
    assert_int_equal(count_where_input(w, done), 0);
    assert_int_equal(count_where_input(w, gone), 0);
    assert_true(count_where_input(w, kept) > 0);
}

static void finished_runs_go(void **state)
{
    struct world *w = world_of(state);
    struct id sad;
    for (int i = 0; i < 30; i++)
        put(w, "write", "", "x");
    work_until(w, T0);
    w->mood = REFUSES;
    sad = put(w, "write", "", "x");
    work_until(w, T0 + 6 * US_PER_DAY);
    struct store_conn *conn = NULL;
    struct buf b;
    buf_init(&b, 1u << 20);
    assert_int_equal(store_reader_begin(w->store, &conn), OK);
    assert_int_equal(
        jobs_list_json(w->jobs, conn, STR("done"), STR("write"), (struct id){{0}}, 20, &b), OK);
    store_reader_end(&conn);
    assert_true(str_find(buf_str(&b), STR("\"has_more\":true")) != SIZE_MAX);
    work_until(w, T0 + 8 * US_PER_DAY);
    buf_reset(&b);
    assert_int_equal(store_reader_begin(w->store, &conn), OK);
    assert_int_equal(jobs_list_json(w->jobs, conn, STR(""), STR("write"), (struct id){{0}}, 20, &b),
                     OK);
    struct jobs_counts counts;
    assert_int_equal(jobs_count(conn, &counts), OK);
    store_reader_end(&conn);
    assert_int_equal(counts.needs_attention, 1);
    assert_true(str_find(buf_str(&b), STR("\"done\"")) == SIZE_MAX);
    check_state(w, sad, "needs_attention"); /* stays until somebody has looked, or 90 days */
    buf_fini(&b);
}

/* ---- threads ---- */

static void threads_do_everything_once(void **state)
{
    struct world *w = world_of(state);
    end_boot(w);
    boot(w, 4, false);
    for (int i = 0; i < 60; i++)
        put(w, "write", "", "x");
    for (int i = 0; i < 3000 && w->kept < 60; i++)
        usleep(10000); /* until the last has told; the bound is for the day it hangs */
    jobs_stop(w->jobs);
    assert_int_equal(w->effects, 60);
    assert_int_equal(w->kept, 60);
    assert_int_equal(w->asked, 0);
}

/* ---- at random: many runs, moods, deaths, lost leases; a provider that counts by run ---- */

#define RUNS 24

struct provider {
    struct world w;
    int effects[RUNS];
    struct id runs[RUNS];
    bool over[RUNS];
};

static enum jobs_outcome random_write(struct jobs_call *c)
{
    struct provider *p = c->arg;
    size_t i = (size_t)(c->input.p[0] - 'A');
    switch (next_random(&p->w.seed) % 8) {
    case 0: p->effects[i]++; return JOBS_UNKNOWN;
    case 1: return JOBS_UNKNOWN;
    case 2: c->retry_us = (int64_t)(next_random(&p->w.seed) % 100) * US_PER_S; return JOBS_RETRY;
    default: p->effects[i]++; return JOBS_DONE;
    }
}

static enum jobs_outcome random_look(struct jobs_call *c)
{
    struct provider *p = c->arg;
    size_t i = (size_t)(c->input.p[0] - 'A');
    if (next_random(&p->w.seed) % 8 == 0)
        return JOBS_RETRY;
    return p->effects[i] != 0 ? JOBS_DONE : JOBS_ABSENT;
}

static const struct jobs_step random_steps[] = {
    {.name = "write", .run = random_write, .reconcile = random_look, .attempts_max = 40},
    {.name = "rest", .run = prepare},
};

static struct jobs_kind random_kind = {.name = "random", .steps = random_steps, .steps_n = 2};

static void boot_random(struct provider *p)
{
    struct jobs_options o = {.now = world_now, .draw = world_draw, .arg = &p->w};
    assert_int_equal(jobs_open(p->w.store, &o, &p->w.jobs), OK);
    random_kind.arg = p;
    jobs_kind_add(p->w.jobs, &random_kind);
    assert_int_equal(jobs_start(p->w.jobs), OK);
}

/* One thing that a worker, a crash or time may do. Up to three runs are in hand at once. */
static void random_turn(struct provider *p, struct jobs_taken *hand[3])
{
    struct jobs_taken **t = &hand[next_random(&p->w.seed) % 3];
    switch (next_random(&p->w.seed) % 12) {
    case 0: /* death, with what is in hand */
        for (size_t i = 0; i < 3; i++) {
            if (hand[i] != NULL && hand[i]->act == JOBS_ACT_RUN && next_random(&p->w.seed) % 2 == 0)
                (void)hand[i]->step->run(&hand[i]->call);
            if (hand[i] != NULL)
                drop(hand[i]);
            hand[i] = NULL;
        }
        jobs_stop(p->w.jobs);
        jobs_close(&p->w.jobs);
        boot_random(p);
        break;
    case 1: p->w.now_us += (int64_t)(next_random(&p->w.seed) % 900) * US_PER_S; break;
    case 2: (void)cancel(&p->w, p->runs[next_random(&p->w.seed) % (RUNS / 4)]); break;
    case 3:
    case 4:
    case 5: p->w.now_us += (int64_t)(next_random(&p->w.seed) % 30) * US_PER_S; break;
    default:
        if (*t == NULL)
            *t = take(&p->w);
        else if ((*t)->call.now_us + JOBS_LEASE_US > p->w.now_us)
            jobs_do(t); /* a step keeps to its lease */
        else
            drop(*t), *t = NULL;
    }
}

/* False without PostgreSQL. */
static bool random_seed(uint64_t seed, bool postgres, int turns)
{
    struct provider *p = mem_zalloc(sizeof(*p));
    struct jobs_taken *hand[3] = {NULL};
    p->w.now_us = T0;
    p->w.seed = seed;
    if (!store_testkit_begin(&p->w.kit, postgres)) {
        mem_free(p);
        return false;
    }
    p->w.store = store_testkit_open(&p->w.kit);
    boot_random(p);
    for (size_t i = 0; i < RUNS; i++) {
        char input[2] = {(char)('A' + i), '\0'};
        p->runs[i] = put(&p->w, "random", "", input);
    }
    for (int i = 0; i < turns; i++)
        random_turn(p, hand);
    for (size_t i = 0; i < 3; i++)
        if (hand[i] != NULL)
            drop(hand[i]);
    work_until(&p->w, p->w.now_us + 4 * US_PER_DAY);
    for (size_t i = 0; i < RUNS; i++) {
        struct store_conn *conn = NULL;
        struct arena a;
        struct str s = STR("");
        arena_init(&a, 1024, 4096);
        assert_int_equal(store_reader_begin(p->w.store, &conn), OK);
        assert_int_equal(jobs_state(conn, p->runs[i], &a, &s), OK);
        store_reader_end(&conn);
        bool done = str_eq(s, STR("done"));
        if (p->effects[i] > 1 || (done && p->effects[i] != 1) ||
            (!done && !str_eq(s, STR("cancelled"))))
            fail_msg("seed %llu: run %zu is %s with %d effects", (unsigned long long)seed, i, s.p,
                     p->effects[i]);
        arena_fini(&a);
    }
    jobs_stop(p->w.jobs);
    jobs_close(&p->w.jobs);
    store_close(&p->w.store);
    store_testkit_end(&p->w.kit);
    mem_free(p);
    return true;
}

static void at_random_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++)
        assert_true(random_seed(seed, false, 600));
}

static void at_random_once_postgres(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 102; seed++)
        if (!random_seed(seed, true, 200))
            skip();
}

static void backoff(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        assert_in_range(jobs_backoff_us(1, i * 977777), 5 * US_PER_S, 6250 * US_PER_MS);
        assert_in_range(jobs_backoff_us(99, i * 977777), 7200 * US_PER_S, 9000 * US_PER_S);
    }
}

#define BOTH(f)                                                                                    \
    {#f ", SQLite", f, begin_sqlite, end, NULL},                                                   \
    {                                                                                              \
#f ", PostgreSQL", f, begin_postgres, end, NULL                                            \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {BOTH(runs_if_and_only_if_committed),
                                       BOTH(same_key_is_the_same_run),
                                       BOTH(waits_and_gives_up_loudly),
                                       BOTH(refusal_is_not_tried_again),
                                       BOTH(unknown_is_asked_for),
                                       BOTH(sleeps_without_attempts),
                                       BOTH(result_that_cannot_be_kept),
                                       BOTH(cancelled_while_waiting),
                                       BOTH(cancelled_while_running),
                                       BOTH(cancelled_while_unknown),
                                       BOTH(late_worker_changes_nothing),
                                       BOTH(death_is_survived),
                                       BOTH(poison_is_set_aside),
                                       BOTH(unknown_kind_is_set_aside),
                                       BOTH(recurs),
                                       BOTH(secrets_are_forgotten),
                                       BOTH(finished_runs_go),
                                       BOTH(threads_do_everything_once),
                                       cmocka_unit_test(at_random_once),
                                       cmocka_unit_test(at_random_once_postgres),
                                       cmocka_unit_test(backoff)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

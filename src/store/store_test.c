/* The store as its callers see it: the same tests on both engines. */
#include "store/store.h"

#include "base/clock.h"
#include "store/engine.h"
#include "store/store_testkit.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

/* A small ledger of its own, in statements that only this test has. */
enum { ADD, GET, ALL, SUM, TYPES, LIST_FROM, CHILD, BAD_TYPE, COUNT_DOWN, STATEMENTS };

static const struct sql_statement statements[STATEMENTS] = {
    [ADD] = {"T_ADD", 3, "INSERT INTO t (id, n, b) VALUES (?1, ?2, ?3)",
             "INSERT INTO t (id, n, b) VALUES ($1, $2, $3)", 0, NULL},
    [GET] = {"T_GET", 1, "SELECT n, b FROM t WHERE id = ?1", "SELECT n, b FROM t WHERE id = $1", 0,
             NULL},
    [ALL] = {"T_ALL", 0, "SELECT id, n, b FROM t ORDER BY id", "SELECT id, n, b FROM t ORDER BY id",
             0, NULL},
    [SUM] = {"T_SUM", 0, "SELECT count(*), CAST(coalesce(sum(n), 0) AS bigint) FROM t",
             "SELECT count(*), CAST(coalesce(sum(n), 0) AS bigint) FROM t", 0, NULL},
    [TYPES] = {"T_TYPES", 4, "SELECT CAST(?1 AS bigint), CAST(?2 AS text), ?3, ?4",
               "SELECT CAST($1 AS bigint), CAST($2 AS text), $3, $4", 0, NULL},
    [LIST_FROM] = {"T_LIST_FROM", 2, "SELECT id, n FROM t WHERE n >= ?1 ORDER BY n LIMIT ?2",
                   "SELECT id, n FROM t WHERE n >= $1 ORDER BY n LIMIT $2", 0, NULL},
    [CHILD] = {"T_CHILD", 1, "INSERT INTO child (parent) VALUES (?1)",
               "INSERT INTO child (parent) VALUES ($1)", 0, NULL},
    [BAD_TYPE] = {"T_BAD_TYPE", 0, "SELECT 1", "SELECT 1.5::numeric", 0, NULL},
    [COUNT_DOWN] = {"T_COUNT_DOWN", 0, "UPDATE t SET n = n - 1", "UPDATE t SET n = n - 1", 0, NULL},
};

static enum sql_id ids[STATEMENTS];
static bool postgres;

static enum err make_tables(struct store_conn *conn, void *arg)
{
    (void)arg;
    return conn->engine->exec(
        conn, postgres ? "CREATE TABLE t (id text COLLATE \"C\" PRIMARY KEY, n bigint NOT NULL"
                         " CHECK (n >= 0), b bytea); CREATE TABLE child (parent text COLLATE \"C\""
                         " REFERENCES t)"
                       : "CREATE TABLE t (id text PRIMARY KEY NOT NULL, n INTEGER NOT NULL"
                         " CHECK (n >= 0), b BLOB) STRICT; CREATE TABLE child (parent text"
                         " REFERENCES t) STRICT");
}

static int set_up(void **state)
{
    for (unsigned i = 0; i < STATEMENTS; i++)
        ids[i] = (enum sql_id)store_statement_extra(i, &statements[i]);
    return store_fixture_open(state, postgres, make_tables);
}

struct row {
    const char *id;
    int64_t n;
};

static enum err add_row(struct store_conn *conn, void *arg)
{
    const struct row *row = arg;
    return store_run(conn, ids[ADD], NULL, "tiB", str_c(row->id), row->n, str_of(NULL, 0));
}

static enum err add(struct store *store, const char *id, int64_t n)
{
    struct row row = {id, n};
    return store_write(store, add_row, &row);
}

static int64_t count(struct store *store, int64_t *ret_sum)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    assert_int_equal(store_reader_begin(store, &conn), OK);
    assert_int_equal(store_start(conn, ids[SUM], &q, ""), OK);
    assert_int_equal(store_step(q), OK);
    int64_t n = store_i64(q, 0);
    if (ret_sum != NULL)
        *ret_sum = store_i64(q, 1);
    assert_int_equal(store_step(q), ERR_END);
    store_finish(&q);
    store_reader_end(&conn);
    return n;
}

static void in_dir(const char *dir, const char *how)
{
    char command[512];
    int n = snprintf(command, sizeof(command), "cd '%s' && %s", dir, how);
    assert_true(n > 0 && (size_t)n < sizeof(command));
    assert_int_equal(system(command), 0);
}

/* ---------------------------------------------------------------- queries */

static void test_types_come_back_as_given(void **state)
{
    struct store *store = store_fixture_store(state);
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    static const int64_t numbers[] = {0, -1, INT64_MAX, INT64_MIN, 1234567890123};
    char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    assert_int_equal(store_reader_begin(store, &conn), OK);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(store_start(conn, ids[TYPES], &q, "ntbB", NANO(numbers[i]), STR("né'"),
                                     str_of(bytes, 256), str_of(NULL, 0)),
                         OK);
        assert_int_equal(store_step(q), OK);
        assert_int_equal(store_i64(q, 0), numbers[i]);
        assert_int_equal(store_nano(q, 0).v, numbers[i]);
        assert_true(str_eq(store_str(q, 1), STR("né'")));
        assert_true(str_eq(store_str(q, 2), str_of(bytes, 256)));
        assert_true(store_is_null(q, 3));
        assert_int_equal(store_str(q, 3).n, 0);
        assert_int_equal(store_i64(q, 3), 0);
        assert_int_equal(store_step(q), ERR_END);
        assert_int_equal(store_step(q), ERR_END);
        store_finish(&q);
        assert_null(q);
    }
    assert_int_equal(
        store_start(conn, ids[TYPES], &q, "ITbb", NULL, str_of(NULL, 0), STR(""), STR("x")), OK);
    assert_int_equal(store_step(q), OK);
    assert_true(store_is_null(q, 0) && store_is_null(q, 1) && !store_is_null(q, 2));
    store_finish(&q);
    store_finish(&q);
    store_reader_end(&conn);
}

/* PostgreSQL gives one answer at a time on a connection; the callers need not know. */
static void test_one_query_inside_another(void **state)
{
    struct store *store = store_fixture_store(state);
    struct store_conn *conn = NULL;
    struct store_query *all = NULL, *one = NULL;
    char id[16];
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof(id), "row%02d", i);
        assert_int_equal(add(store, id, i), OK);
    }
    assert_int_equal(store_reader_begin(store, &conn), OK);
    assert_int_equal(store_start(conn, ids[ALL], &all, ""), OK);
    int rows = 0;
    while (store_step(all) == OK) {
        assert_int_equal(store_start(conn, ids[GET], &one, "t", store_str(all, 0)), OK);
        assert_int_equal(store_step(one), OK);
        assert_int_equal(store_i64(one, 0), rows);
        store_finish(&one);
        assert_int_equal(store_i64(all, 1), rows);
        rows++;
    }
    assert_int_equal(rows, 50);
    store_finish(&all);
    /* And one that is left before its end. */
    assert_int_equal(store_start(conn, ids[LIST_FROM], &all, "ii", INT64_C(10), INT64_C(20)), OK);
    assert_int_equal(store_step(all), OK);
    assert_true(str_eq(store_str(all, 0), STR("row10")));
    store_finish(&all);
    store_reader_end(&conn);
}

static void test_a_reader_sees_one_moment(void **state)
{
    struct store *store = store_fixture_store(state);
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    assert_int_equal(add(store, "a", 1), OK);
    assert_int_equal(store_reader_begin(store, &conn), OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_start(conn, ids[SUM], &q, ""), OK);
        assert_int_equal(store_step(q), OK);
        assert_int_equal(store_i64(q, 0), 1);
        store_finish(&q);
        assert_int_equal(add(store, i == 0 ? "b" : "c", 1), OK);
    }
    store_reader_end(&conn);
    assert_int_equal(count(store, NULL), 3);
}

static void test_readers_cannot_write(void **state)
{
    struct store *store = store_fixture_store(state);
    struct store_conn *conn = NULL;
    assert_int_equal(store_reader_begin(store, &conn), OK);
    assert_int_equal(store_run(conn, ids[ADD], NULL, "tiB", STR("x"), INT64_C(1), str_of(NULL, 0)),
                     ERR_STORE_READONLY);
    assert_true(store_why(conn)[0] != '\0');
    store_reader_end(&conn);
    assert_int_equal(count(store, NULL), 0);
}

static void test_readers_are_bounded(void **state)
{
    struct store *store = store_fixture_store(state);
    struct store_conn *conns[5] = {NULL};
    struct store_query *q = NULL;
    for (int i = 0; i < 4; i++)
        assert_int_equal(store_reader_begin(store, &conns[i]), OK);
    /* The fifth waits, and is refused. */
    int64_t from_us = clock_mono_us();
    assert_int_equal(store_reader_begin(store, &conns[4]), ERR_STORE_BUSY);
    assert_true(clock_mono_us() - from_us >= 4 * US_PER_S);
    for (int i = 0; i < 4; i++)
        store_reader_end(&conns[i]);
    assert_int_equal(store_reader_begin_for(store, 1000, &conns[0]), OK);
    usleep(5000);
    enum err e = store_start(conns[0], ids[SUM], &q, "");
    assert_int_equal(e, ERR_STORE_BUSY);
    store_reader_end(&conns[0]);
    assert_int_equal(count(store, NULL), 0);
}

static void test_a_type_outside_the_dialect_is_told(void **state)
{
    struct store *store = store_fixture_store(state);
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    assert_int_equal(store_reader_begin(store, &conn), OK);
    assert_int_equal(store_start(conn, ids[BAD_TYPE], &q, ""), OK);
    assert_int_equal(store_step(q), ERR_STORE);
    assert_non_null(strstr(store_why(conn), "cast it to bigint"));
    store_finish(&q);
    store_reader_end(&conn);
}

/* ---------------------------------------------------------------- writing */

struct ends {
    int committed, rolled_back;
};

static void on_end(void *arg, bool committed)
{
    struct ends *ends = arg;
    if (committed)
        ends->committed++;
    else
        ends->rolled_back++;
}

struct job {
    struct ends ends;
    enum err give;
};

static enum err two_rows_then(struct store_conn *conn, void *arg)
{
    struct job *job = arg;
    int64_t changed = 0;
    store_on_end(conn, on_end, &job->ends);
    enum err e = store_run(conn, ids[ADD], &changed, "tiB", STR("one"), INT64_C(1), STR("b"));
    assert_int_equal(changed, 1);
    if (e == OK)
        store_put(conn, ids[ADD], "tiB", STR("two"), INT64_C(2), STR("b"));
    return e == OK ? job->give : e;
}

static void test_a_closure_is_whole_or_not(void **state)
{
    struct store *store = store_fixture_store(state);
    struct job job = {.give = ERR_VALIDATION_FAILED};
    assert_int_equal(store_write(store, two_rows_then, &job), ERR_VALIDATION_FAILED);
    assert_int_equal(job.ends.rolled_back, 1);
    assert_int_equal(count(store, NULL), 0);
    job.give = OK;
    assert_int_equal(store_write(store, two_rows_then, &job), OK);
    assert_int_equal(job.ends.committed, 1);
    assert_int_equal(job.ends.rolled_back, 1);
    assert_int_equal(count(store, NULL), 2);
}

static enum err count_down(struct store_conn *conn, void *arg)
{
    (void)arg;
    return store_run(conn, ids[COUNT_DOWN], NULL, "");
}

static enum err orphan(struct store_conn *conn, void *arg)
{
    (void)arg;
    return store_run(conn, ids[CHILD], NULL, "t", STR("nobody"));
}

static void test_conflicts(void **state)
{
    struct store *store = store_fixture_store(state);
    assert_int_equal(add(store, "a", 0), OK);
    assert_int_equal(add(store, "a", 1), ERR_CONFLICT);
    assert_int_equal(add(store, "b", -1), ERR_CONFLICT);
    assert_int_equal(store_write(store, count_down, NULL), ERR_CONFLICT);
    assert_int_equal(store_write(store, orphan, NULL), ERR_CONFLICT);
    assert_int_equal(count(store, NULL), 1);
}

/* Ignores its error and goes on: nothing of it may stay, on either engine. */
static enum err careless(struct store_conn *conn, void *arg)
{
    (void)arg;
    enum err first = store_run(conn, ids[ADD], NULL, "tiB", STR("a"), INT64_C(1), str_of(NULL, 0));
    enum err second = store_run(conn, ids[ADD], NULL, "tiB", STR("z"), INT64_C(1), str_of(NULL, 0));
    assert_int_equal(first, ERR_CONFLICT);
    assert_int_equal(second, ERR_CONFLICT);
    return OK;
}

static enum err careless_put(struct store_conn *conn, void *arg)
{
    (void)arg;
    store_put(conn, ids[ADD], "tiB", STR("y"), INT64_C(1), str_of(NULL, 0));
    store_put(conn, ids[ADD], "tiB", STR("a"), INT64_C(1), str_of(NULL, 0));
    store_put(conn, ids[ADD], "tiB", STR("z"), INT64_C(1), str_of(NULL, 0));
    return OK;
}

static void test_an_overlooked_error_is_not_committed(void **state)
{
    struct store *store = store_fixture_store(state);
    assert_int_equal(add(store, "a", 1), OK);
    assert_int_equal(store_write(store, careless, NULL), ERR_CONFLICT);
    assert_int_equal(store_write(store, careless_put, NULL), ERR_CONFLICT);
    assert_int_equal(count(store, NULL), 1);
    assert_int_equal(add(store, "b", 1), OK);
}

static enum err many_puts(struct store_conn *conn, void *arg)
{
    struct store_query *q = NULL;
    char id[16];
    for (int i = 0; i < 500; i++) {
        snprintf(id, sizeof(id), "p%03d", i);
        store_put(conn, ids[ADD], "tib", str_c(id), (int64_t)i, STR("some bytes"));
    }
    enum err e = store_start(conn, ids[SUM], &q, "");
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *(int64_t *)arg = store_i64(q, 0);
    store_finish(&q);
    store_put(conn, ids[ADD], "tib", STR("last"), INT64_C(0), STR(""));
    return e;
}

static void test_puts_are_seen_by_what_follows(void **state)
{
    struct store *store = store_fixture_store(state);
    int64_t seen = 0;
    assert_int_equal(store_write(store, many_puts, &seen), OK);
    assert_int_equal(seen, 500);
    assert_int_equal(count(store, NULL), 501);
}

#define WRITERS 8
#define WRITES 60

struct worker {
    pthread_t thread;
    struct store *store;
    int i, ok, conflicts;
};

/* Every third is a row that another one has too: those fail alone. */
static void *work(void *arg)
{
    struct worker *w = arg;
    char id[32];
    for (int i = 0; i < WRITES; i++) {
        snprintf(id, sizeof(id), i % 3 == 0 ? "shared%d" : "own%d.%d", i, w->i);
        enum err e = add(w->store, id, 1);
        w->ok += e == OK;
        w->conflicts += e == ERR_CONFLICT;
    }
    return NULL;
}

static void test_closures_of_many_threads(void **state)
{
    struct store *store = store_fixture_store(state);
    struct worker workers[WRITERS];
    int64_t sum = 0;
    int ok = 0, conflicts = 0;
    for (int i = 0; i < WRITERS; i++) {
        workers[i] = (struct worker){.store = store, .i = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(workers[i].thread, NULL);
        ok += workers[i].ok;
        conflicts += workers[i].conflicts;
    }
    assert_int_equal(ok + conflicts, WRITERS * WRITES);
    assert_int_equal(ok, WRITES / 3 + WRITERS * (WRITES - WRITES / 3));
    assert_int_equal(count(store, &sum), ok);
    assert_int_equal(sum, ok);
    assert_int_equal(store_counts(store).queue, 0);
}

static _Atomic int later_done;

static void on_later(void *arg, enum err e)
{
    (void)arg;
    if (e == OK)
        atomic_fetch_add(&later_done, 1);
}

static void test_closing_waits_for_what_is_queued(void **state)
{
    struct store_fixture *f = *state;
    (void)store_fixture_store(state);
    static char names[100][16];
    static struct row rows[100];
    atomic_store(&later_done, 0);
    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof(names[i]), "l%d", i);
        rows[i] = (struct row){names[i], 1};
        store_write_later(f->store, add_row, on_later, &rows[i]);
    }
    store_close(&f->store);
    assert_int_equal(atomic_load(&later_done), 100);
    f->store = store_testkit_open(&f->kit);
    assert_int_equal(count(f->store, NULL), 100);
}

/* ---------------------------------------------------------------- the source */

struct feed {
    _Atomic int64_t given, durable;
    int64_t in_flight;
    _Atomic int failures;
};

static bool feed_pending(void *arg)
{
    struct feed *feed = arg;
    return atomic_load(&feed->given) > feed->in_flight;
}

static enum err feed_write(void *arg, struct store_conn *conn, size_t *ret_records)
{
    struct feed *feed = arg;
    char id[32];
    int64_t from = atomic_load(&feed->durable), to = atomic_load(&feed->given);
    snprintf(id, sizeof(id), "batch%019lld", (long long)from);
    feed->in_flight = to;
    *ret_records = (size_t)(to - from);
    return store_run(conn, ids[ADD], NULL, "tib", str_c(id), to - from, STR("records"));
}

static void feed_committed(void *arg)
{
    struct feed *feed = arg;
    atomic_store(&feed->durable, feed->in_flight);
}

static void feed_failed(void *arg, enum err e)
{
    struct feed *feed = arg;
    assert_true(e == ERR_STORE_FULL || e == ERR_STORE_BUSY);
    feed->in_flight = atomic_load(&feed->durable);
    atomic_fetch_add(&feed->failures, 1);
}

static void source_of(struct feed *feed, struct store_source *source)
{
    *source = (struct store_source){.pending = feed_pending,
                                    .write = feed_write,
                                    .committed = feed_committed,
                                    .failed = feed_failed,
                                    .arg = feed};
}

static bool reaches(_Atomic int64_t *value, int64_t goal)
{
    for (int i = 0; i < 20000 && atomic_load(value) < goal; i++)
        usleep(500);
    return atomic_load(value) >= goal;
}

struct giver {
    pthread_t thread;
    struct store *store;
    struct feed *feed;
};

static void *give(void *arg)
{
    struct giver *g = arg;
    for (int i = 0; i < 2000; i++) {
        atomic_fetch_add(&g->feed->given, 1);
        store_poke(g->store);
        if (i % 100 == 0)
            usleep(200);
    }
    return NULL;
}

static void test_batches(void **state)
{
    struct store *store = store_fixture_store(state);
    struct feed feed = {0};
    struct store_source source;
    struct giver givers[4];
    source_of(&feed, &source);
    store_set_source(store, &source);
    for (int i = 0; i < 4; i++) {
        givers[i] = (struct giver){.store = store, .feed = &feed};
        assert_int_equal(pthread_create(&givers[i].thread, NULL, give, &givers[i]), 0);
    }
    for (int i = 0; i < 20; i++)
        assert_int_equal(add(store, (char[]){'c', (char)('a' + i), '\0'}, 0), OK);
    for (int i = 0; i < 4; i++)
        pthread_join(givers[i].thread, NULL);
    assert_true(reaches(&feed.durable, 8000));
    int64_t sum = 0;
    (void)count(store, &sum);
    assert_int_equal(sum, 8000);
    struct store_counts counts = store_counts(store);
    assert_int_equal(counts.records, 8000);
    assert_true(counts.commits < 8000 && counts.commits >= 2);
    assert_true(counts.commit_us_p50 > 0 && counts.commit_us_p50 <= counts.commit_us_p99);
    assert_true(counts.commit_us_max > 0);
    store_set_source(store, NULL);
}

/* The writer's connection is cut between and during batches: nothing is lost, nothing twice. */
static void test_a_cut_writer_comes_back(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_store(state);
    struct feed feed = {0};
    struct store_source source;
    struct giver giver = {.store = store, .feed = &feed};
    char command[512];
    source_of(&feed, &source);
    store_set_source(store, &source);
    snprintf(command, sizeof(command),
             "psql -qAt '%s' -c \"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
             " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query NOT LIKE"
             " '%%SELECT 1%%' AND query NOT LIKE '%%advisory%%'\" >/dev/null",
             f->kit.url);
    for (int round = 1; round <= 5; round++) {
        assert_int_equal(pthread_create(&giver.thread, NULL, give, &giver), 0);
        assert_int_equal(system(command), 0);
        pthread_join(giver.thread, NULL);
        assert_true(reaches(&feed.durable, 2000 * round));
    }
    int64_t sum = 0;
    (void)count(store, &sum);
    assert_int_equal(sum, 10000);
    assert_int_equal(add(store, "after", 0), OK);
    store_set_source(store, NULL);
}

/* ---------------------------------------------------------------- opening */

static void test_what_was_written_is_there_again(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_store(state);
    uint8_t pepper[32], again[32];
    char why[STORE_WHY_MAX];
    assert_int_equal(store_is_postgres(store), postgres);
    assert_string_equal(store_data_dir(store), f->kit.dir);
    assert_int_equal(add(store, "kept", 7), OK);
    assert_int_equal(store_secret(store, "pepper", pepper, why), OK);
    assert_int_equal(store_secret(store, "seal", again, why), OK);
    assert_memory_not_equal(pepper, again, 32);
    assert_int_equal(store_secret(store, "salt", again, why), ERR_NOT_FOUND);
    int version = store_version(store);
    store_close(&f->store);
    f->kit.options.may_create = false;
    f->store = store_testkit_open(&f->kit);
    assert_int_equal(store_version(f->store), version);
    assert_int_equal(store_secret(f->store, "pepper", again, why), OK);
    assert_memory_equal(pepper, again, 32);
    assert_int_equal(count(f->store, NULL), 1);
}

static enum err try_open(const struct store_options *options, char why[STORE_WHY_MAX])
{
    struct store *store = NULL;
    why[0] = '\0';
    enum err e = store_open(options, &store, why);
    if (e == OK)
        store_close(&store);
    else
        assert_true(why[0] != '\0');
    return e;
}

static void test_a_house_has_one_owner(void **state)
{
    struct store_fixture *f = *state;
    (void)store_fixture_store(state);
    char why[STORE_WHY_MAX], pid[32], dir[] = "/tmp/tgstore.XXXXXX";
    struct store_options other = f->kit.options;
    assert_int_equal(try_open(&f->kit.options, why), ERR_HOUSE_OWNED);
    snprintf(pid, sizeof(pid), "pid %ld", (long)getpid());
    assert_non_null(strstr(why, pid));
    /* The same database from another data directory. */
    assert_non_null(mkdtemp(dir));
    other.data_dir = dir;
    assert_int_equal(try_open(&other, why), ERR_HOUSE_OWNED);
    in_dir(dir, "rm -r \"$PWD\"");
    assert_int_equal(add(f->store, "still mine", 1), OK);
}

static void test_lost_secrets_are_noticed(void **state)
{
    struct store_fixture *f = *state;
    (void)store_fixture_store(state);
    char why[STORE_WHY_MAX];
    store_close(&f->store);
    in_dir(f->kit.dir, "mv pepper away");
    assert_int_equal(try_open(&f->kit.options, why), ERR_CORRUPT);
    assert_non_null(strstr(why, "pepper"));
    in_dir(f->kit.dir, "head -c 32 /dev/urandom >pepper && chmod 600 pepper");
    assert_int_equal(try_open(&f->kit.options, why), ERR_CORRUPT);
    assert_non_null(strstr(why, "another house"));
    in_dir(f->kit.dir, "cp away pepper && chmod 644 pepper");
    assert_int_equal(try_open(&f->kit.options, why), ERR_FORBIDDEN);
    assert_non_null(strstr(why, "chmod 600"));
    in_dir(f->kit.dir, "chmod 600 away && mv away pepper");
    f->store = store_testkit_open(&f->kit);
}

static enum err from_the_future(struct store_conn *conn, void *arg)
{
    (void)arg;
    return store_run(conn, SQL_MIGRATION_ADD, NULL, "iti", INT64_C(9999), STR("flying_cars"),
                     INT64_C(0));
}

static enum err from_elsewhere(struct store_conn *conn, void *arg)
{
    (void)arg;
    return conn->engine->exec(conn, "UPDATE migration SET name = 'mouse' WHERE version = 0");
}

static void test_a_newer_or_unknown_schema(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_store(state);
    char why[STORE_WHY_MAX];
    assert_int_equal(store_write(store, from_the_future, NULL), OK);
    store_close(&f->store);
    assert_int_equal(try_open(&f->kit.options, why), ERR_STORE_NEWER);
    assert_non_null(strstr(why, "newer version"));
    store_testkit_end(&f->kit);
    assert_true(store_testkit_begin(&f->kit, postgres));
    f->store = store_testkit_open(&f->kit);
    assert_int_equal(store_write(f->store, from_elsewhere, NULL), OK);
    store_close(&f->store);
    assert_int_equal(try_open(&f->kit.options, why), ERR_STORE_FOREIGN);
}

static void test_no_house(void **state)
{
    struct store_fixture *f = *state;
    (void)store_fixture_store(state);
    char why[STORE_WHY_MAX];
    struct store_options o = f->kit.options;
    o.may_create = false;
    o.data_dir = "/tmp/tgstore-nowhere";
    assert_int_equal(try_open(&o, why), ERR_NOT_FOUND);
    assert_non_null(strstr(why, "/tmp/tgstore-nowhere"));
    o.data_dir = f->kit.dir;
    o.url = "mysql://secret@host";
    assert_int_equal(try_open(&o, why), ERR_INVALID_REQUEST);
    assert_null(strstr(why, "secret"));
}

/* ---------------------------------------------------------------- backup */

struct backup {
    char file[96];
    struct store_testkit other;
};

static enum err restore(struct backup *b, const char *passphrase, char why[STORE_WHY_MAX])
{
    return store_restore(&b->other.options, b->file, str_c(passphrase), why);
}

static void poke_byte(const char *file, long at, int plus)
{
    FILE *f = fopen(file, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    int c = getc(f);
    assert_int_equal(fseek(f, -1, SEEK_CUR), 0);
    putc((c + plus) & 0xff, f);
    fclose(f);
}

static void fill_rows(struct store *store)
{
    char id[16];
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof(id), "r%d", i);
        assert_int_equal(add(store, id, i), OK);
    }
}

static enum err add_child(struct store_conn *conn, void *arg)
{
    (void)arg;
    return store_run(conn, ids[CHILD], NULL, "t", STR("r7"));
}

static void spoil(struct backup *b)
{
    char why[STORE_WHY_MAX];
    struct stat st;
    assert_int_equal(stat(b->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(restore(b, "wrong", why), ERR_DENIED);
    for (long at = 60; at < st.st_size; at += st.st_size / 5) {
        poke_byte(b->file, at, 1);
        assert_int_equal(restore(b, "open sesame", why), ERR_CORRUPT);
        assert_non_null(strstr(why, b->file));
        poke_byte(b->file, at, -1);
    }
    poke_byte(b->file, 0, 1);
    assert_int_equal(restore(b, "open sesame", why), ERR_STORE_FOREIGN);
    poke_byte(b->file, 0, -1);
    poke_byte(b->file, 8, 1);
    assert_int_equal(restore(b, "open sesame", why), ERR_STORE_NEWER);
    poke_byte(b->file, 8, -1);
    assert_int_equal(truncate(b->file, st.st_size - 1), 0);
    assert_int_equal(restore(b, "open sesame", why), ERR_END);
    assert_non_null(strstr(why, "cut short"));
}

static void test_backup(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_store(state);
    struct backup b;
    char why[STORE_WHY_MAX];
    int64_t sum = 0;
    uint8_t ours[32], theirs[32];
    snprintf(b.file, sizeof(b.file), "%s/house.backup", f->kit.dir);
    fill_rows(store);
    assert_int_equal(store_write(store, add_child, NULL), OK);
    assert_int_equal(store_backup(store, b.file, STR(""), why), ERR_INVALID_REQUEST);
    assert_int_equal(store_backup(store, b.file, STR("open sesame"), why), OK);
    assert_int_equal(store_backup(store, b.file, STR("open sesame"), why), ERR_CONFLICT);
    assert_true(store_testkit_begin(&b.other, postgres));
    /* The house that is backed up is there, and owned. */
    assert_int_equal(store_restore(&f->kit.options, b.file, STR("open sesame"), why),
                     ERR_HOUSE_OWNED);
    if (postgres) { /* its test tables are in no migration */
        struct store *other = store_testkit_open(&b.other);
        assert_int_equal(store_write(other, make_tables, NULL), OK);
        store_close(&other);
        assert_int_equal(restore(&b, "open sesame", why), ERR_CONFLICT);
        char text[400];
        snprintf(text, sizeof(text), "rm pepper seal && psql -q '%s' -c 'DELETE FROM house'",
                 b.other.url);
        in_dir(b.other.dir, text);
    }
    assert_int_equal(restore(&b, "open sesame", why), OK);
    assert_int_equal(restore(&b, "open sesame", why), ERR_CONFLICT);
    struct store *other = store_testkit_open(&b.other);
    assert_int_equal(count(other, &sum), 200);
    assert_int_equal(sum, 199 * 100);
    assert_int_equal(store_secret(store, "seal", ours, why), OK);
    assert_int_equal(store_secret(other, "seal", theirs, why), OK);
    assert_memory_equal(ours, theirs, 32);
    store_close(&other);
    store_testkit_end(&b.other);
    assert_true(store_testkit_begin(&b.other, postgres));
    spoil(&b);
    store_testkit_end(&b.other);
}

/* ---------------------------------------------------------------- */

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, store_fixture_close)

static int run_all(const char *name)
{
    const struct CMUnitTest tests[] = {
        EACH(test_types_come_back_as_given),
        EACH(test_one_query_inside_another),
        EACH(test_a_reader_sees_one_moment),
        EACH(test_readers_cannot_write),
        EACH(test_readers_are_bounded),
        EACH(test_a_closure_is_whole_or_not),
        EACH(test_conflicts),
        EACH(test_an_overlooked_error_is_not_committed),
        EACH(test_puts_are_seen_by_what_follows),
        EACH(test_closures_of_many_threads),
        EACH(test_closing_waits_for_what_is_queued),
        EACH(test_batches),
        EACH(test_what_was_written_is_there_again),
        EACH(test_a_house_has_one_owner),
        EACH(test_lost_secrets_are_noticed),
        EACH(test_a_newer_or_unknown_schema),
        EACH(test_no_house),
        EACH(test_backup),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

static int run_postgres_only(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_a_type_outside_the_dialect_is_told),
        EACH(test_a_cut_writer_comes_back),
    };
    return cmocka_run_group_tests_name("PostgreSQL alone", tests, NULL, NULL);
}

int main(void)
{
    postgres = false;
    int failures = run_all("store on SQLite");
    struct store_testkit probe;
    postgres = store_testkit_begin(&probe, true);
    if (postgres) {
        store_testkit_end(&probe);
        failures += run_all("store on PostgreSQL");
        failures += run_postgres_only();
    }
    store_testkit_fini();
    return failures != 0;
}

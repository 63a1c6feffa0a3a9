/* Rows by the hundred: the same on both engines, whatever is written at once. What SQLite writes at
 * once can be seen, since its statement for eight rows leaves a mark in them. */
#include "store/rows.h"

#include "base/mem.h"
#include "store/store_testkit.h"

#include <pthread.h>
#include <stdio.h>

#include <setjmp.h>

#include <cmocka.h>

#define MANY 8

enum { ADD, WORD, PLAIN, TWICE, SUM, WORDS, GET, STATEMENTS };

static const struct sql_statement statements[STATEMENTS] = {
    [ADD] = {"T_ADD", 3, "INSERT INTO line (id, n, b) VALUES (?1, ?2, ?3)",
             "INSERT INTO line (id, n, b) VALUES ($1, $2, $3)", MANY,
             "INSERT OR FAIL INTO line (id, n, b, at_once) VALUES (?1, ?2, ?3, 8),"
             " (?4, ?5, ?6, 8), (?7, ?8, ?9, 8), (?10, ?11, ?12, 8), (?13, ?14, ?15, 8),"
             " (?16, ?17, ?18, 8), (?19, ?20, ?21, 8), (?22, ?23, ?24, 8)"},
    [WORD] = {"T_WORD", 2, "INSERT INTO word (id, n) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
              "INSERT INTO word (id, n) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", 4,
              "INSERT OR FAIL INTO word (id, n) VALUES (?1, ?2), (?3, ?4), (?5, ?6), (?7, ?8)"
              " ON CONFLICT (id) DO NOTHING"},
    [PLAIN] = {"T_PLAIN", 2, "INSERT INTO line (id, n) VALUES (?1, ?2)",
               "INSERT INTO line (id, n) VALUES ($1, $2)", 0, NULL},
    [TWICE] = {"T_TWICE", 0, "UPDATE line SET n = 2 * n", "UPDATE line SET n = 2 * n", 0, NULL},
    [SUM] = {"T_SUM", 0,
             "SELECT count(*), CAST(coalesce(sum(n), 0) AS bigint),"
             " CAST(coalesce(sum(at_once), 0) AS bigint) FROM line",
             "SELECT count(*), CAST(coalesce(sum(n), 0) AS bigint),"
             " CAST(coalesce(sum(at_once), 0) AS bigint) FROM line",
             0, NULL},
    [WORDS] = {"T_WORDS", 0, "SELECT count(*), CAST(coalesce(sum(n), 0) AS bigint) FROM word",
               "SELECT count(*), CAST(coalesce(sum(n), 0) AS bigint) FROM word", 0, NULL},
    [GET] = {"T_GET", 1, "SELECT n, b FROM line WHERE id = ?1",
             "SELECT n, b FROM line WHERE id = $1", 0, NULL},
};

static enum sql_id ids[STATEMENTS];
static bool postgres;

static enum err make_tables(struct store_conn *conn, void *arg)
{
    (void)arg;
    return conn->engine->exec(
        conn, postgres ? "CREATE TABLE line (id text COLLATE \"C\" PRIMARY KEY, n bigint CHECK (n"
                         " >= 0), b bytea, at_once bigint NOT NULL DEFAULT 0);"
                         "CREATE TABLE word (id text COLLATE \"C\" PRIMARY KEY, n bigint NOT NULL)"
                       : "CREATE TABLE line (id text PRIMARY KEY NOT NULL, n INTEGER CHECK (n"
                         " >= 0), b BLOB, at_once INTEGER NOT NULL DEFAULT 0) STRICT;"
                         "CREATE TABLE word (id text PRIMARY KEY NOT NULL, n INTEGER NOT NULL)"
                         " STRICT, WITHOUT ROWID");
}

static int set_up(void **state)
{
    for (unsigned i = 0; i < STATEMENTS; i++)
        ids[i] = (enum sql_id)store_statement_extra(i, &statements[i]);
    return store_fixture_open(state, postgres, make_tables);
}

/* ---------------------------------------------------------------- looking */

struct sums {
    int64_t rows, n;
    int64_t at_once; /* rows that SQLite wrote with others */
};

static struct sums sums_in(struct store_conn *conn, unsigned statement)
{
    struct store_query *q = NULL;
    assert_int_equal(store_start(conn, ids[statement], &q, ""), OK);
    assert_int_equal(store_step(q), OK);
    struct sums s = {.rows = store_i64(q, 0), .n = store_i64(q, 1)};
    if (statement == SUM)
        s.at_once = store_i64(q, 2) / MANY;
    store_finish(&q);
    return s;
}

static struct sums sums(struct store *store, unsigned statement)
{
    struct store_conn *conn = NULL;
    assert_int_equal(store_reader_begin(store, &conn), OK);
    struct sums s = sums_in(conn, statement);
    store_reader_end(&conn);
    return s;
}

static int64_t at_once(int64_t rows)
{
    return postgres ? 0 : rows;
}

/* ---------------------------------------------------------------- putting */

static void put(struct store_conn *conn, int i, int64_t n)
{
    char id[16];
    snprintf(id, sizeof(id), "row%d", i);
    store_put(conn, ids[ADD], "tib", str_c(id), n, STR("bytes"));
    memset(id, 'x', sizeof(id)); /* the room is the caller's again */
}

struct range {
    int from, to;
    enum err give;
};

static enum err put_range(struct store_conn *conn, void *arg)
{
    const struct range *r = arg;
    for (int i = r->from; i < r->to; i++)
        put(conn, i, i);
    return r->give;
}

static enum err write_range(struct store *store, int from, int to)
{
    struct range r = {from, to, OK};
    return store_write(store, put_range, &r);
}

static void test_each_number_of_rows(void **state)
{
    struct store *store = store_fixture_store(state);
    int64_t rows = 0, together = 0;
    for (int n = 0; n <= 3 * MANY; n++) {
        assert_int_equal(write_range(store, (int)rows, (int)rows + n), OK);
        rows += n;
        together += n / MANY * MANY;
        struct sums s = sums(store, SUM);
        assert_int_equal(s.rows, rows);
        assert_int_equal(s.n, rows * (rows - 1) / 2);
        assert_int_equal(s.at_once, at_once(together));
    }
}

/* What comes back of row i, which was put with these values. */
static void expect(struct store_conn *conn, int i, const int64_t *n, struct str b)
{
    struct store_query *q = NULL;
    char id[16];
    snprintf(id, sizeof(id), "row%d", i);
    assert_int_equal(store_start(conn, ids[GET], &q, "t", str_c(id)), OK);
    assert_int_equal(store_step(q), OK);
    assert_int_equal(store_is_null(q, 0), n == NULL);
    assert_int_equal(store_i64(q, 0), n != NULL ? *n : 0);
    assert_int_equal(store_is_null(q, 1), b.p == NULL);
    assert_true(str_eq(store_str(q, 1), b.p != NULL ? b : STR("")));
    store_finish(&q);
}

#define VALUES 5

static const int64_t small = 0, large = INT64_MAX / 8; /* they are summed up */
static const int64_t *const numbers[VALUES] = {&small, NULL, &large, &small, NULL};

static struct str bytes_of(int i)
{
    static char all[256];
    static const char nothing[1];
    for (int k = 0; k < 256; k++)
        all[k] = (char)k;
    const struct str values[VALUES] = {str_of(all, 256), str_of(NULL, 0), str_of(nothing, 0),
                                       STR("b"), str_of(all, 100)};
    return values[i % VALUES];
}

static enum err put_values(struct store_conn *conn, void *arg)
{
    char id[16], bytes[256];
    for (int i = 0; i < *(int *)arg; i++) {
        struct str b = bytes_of(i);
        if (b.p != NULL) {
            if (b.n != 0)
                memcpy(bytes, b.p, b.n);
            b.p = bytes;
        }
        snprintf(id, sizeof(id), "row%d", i);
        store_put(conn, ids[ADD], "tIB", str_c(id), numbers[i % VALUES], b);
        memset(bytes, '-', sizeof(bytes));
        memset(id, '-', sizeof(id));
    }
    return OK;
}

static void test_values_are_copied(void **state)
{
    struct store *store = store_fixture_store(state);
    struct store_conn *conn = NULL;
    int rows = 2 * MANY + 5;
    assert_int_equal(store_write(store, put_values, &rows), OK);
    assert_int_equal(sums(store, SUM).at_once, at_once(2 * MANY));
    assert_int_equal(store_reader_begin(store, &conn), OK);
    for (int i = 0; i < rows; i++)
        expect(conn, i, numbers[i % VALUES], bytes_of(i));
    store_reader_end(&conn);
}

#define LONG 30000
#define TOO_LONG 100000

static struct str long_one(size_t n)
{
    static char bytes[TOO_LONG];
    memset(bytes, 'l', sizeof(bytes));
    return str_of(bytes, n);
}

static enum err put_long(struct store_conn *conn, void *arg)
{
    (void)arg;
    char id[16];
    for (int i = 0; i < 2 * MANY; i++) {
        snprintf(id, sizeof(id), "row%d", i);
        store_put(conn, ids[ADD], "tib", str_c(id), (int64_t)i,
                  long_one(i == 5       ? TOO_LONG
                           : i % 4 == 3 ? LONG
                                        : 1));
    }
    return OK;
}

/* What is too long for the room that there is goes its way alone; nothing is lost or cut. */
static void test_long_values(void **state)
{
    struct store *store = store_fixture_store(state);
    struct store_conn *conn = NULL;
    assert_int_equal(store_write(store, put_long, NULL), OK);
    assert_int_equal(sums(store, SUM).rows, 2 * MANY);
    assert_int_equal(store_reader_begin(store, &conn), OK);
    for (int64_t i = 0; i < 2 * MANY; i++)
        expect(conn, (int)i, &i, long_one(i == 5 ? TOO_LONG : i % 4 == 3 ? LONG : 1));
    store_reader_end(&conn);
}

/* ---------------------------------------------------------------- order */

static void put_word(struct store_conn *conn, const char *id, int64_t n)
{
    store_put(conn, ids[WORD], "ti", str_c(id), n);
}

/* The first of a kind stays: in one statement, across two, and among those that are left over. */
static enum err put_words(struct store_conn *conn, void *arg)
{
    (void)arg;
    put_word(conn, "a", 1);
    put_word(conn, "b", 10);
    put_word(conn, "a", 2);
    put_word(conn, "c", 100);
    put_word(conn, "b", 20);
    put_word(conn, "d", 1000);
    put_word(conn, "d", 2000);
    put_word(conn, "e", 10000);
    put_word(conn, "f", 100000);
    put_word(conn, "f", 200000);
    put_word(conn, "a", 3);
    return OK;
}

static void test_what_is_there_already_stays(void **state)
{
    struct store *store = store_fixture_store(state);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_write(store, put_words, NULL), OK);
        assert_int_equal(sums(store, WORDS).rows, 6);
        assert_int_equal(sums(store, WORDS).n, 111111);
    }
}

static enum err put_both(struct store_conn *conn, void *arg)
{
    (void)arg;
    char id[16];
    for (int i = 0; i < 2 * MANY + 3; i++) {
        put(conn, i, i);
        snprintf(id, sizeof(id), "word%d", i);
        put_word(conn, id, i);
    }
    return OK;
}

static void test_two_statements_in_turns(void **state)
{
    struct store *store = store_fixture_store(state);
    int64_t rows = 2 * MANY + 3;
    assert_int_equal(store_write(store, put_both, NULL), OK);
    assert_int_equal(sums(store, WORDS).rows, rows);
    assert_int_equal(sums(store, WORDS).n, rows * (rows - 1) / 2);
    assert_int_equal(sums(store, SUM).rows, rows);
    assert_int_equal(sums(store, SUM).at_once, at_once(2 * MANY));
}

/* Each statement that is none of theirs finds the rows that were put before it. */
static enum err put_between(struct store_conn *conn, void *arg)
{
    int64_t changed = 0;
    (void)arg;
    put(conn, 0, 1);
    assert_int_equal(sums_in(conn, SUM).n, 1);
    put(conn, 1, 1);
    assert_int_equal(store_run(conn, ids[TWICE], &changed, ""), OK);
    assert_int_equal(changed, 2);
    put(conn, 2, 1);
    store_put(conn, ids[TWICE], "");
    put(conn, 3, 1);
    assert_int_equal(conn->engine->exec(conn, "UPDATE line SET n = n + 100"), OK);
    put(conn, 4, 1);
    store_put(conn, ids[PLAIN], "ti", STR("plain"), INT64_C(1));
    put(conn, 5, 1);
    return OK;
}

static void test_others_see_what_was_put(void **state)
{
    struct store *store = store_fixture_store(state);
    assert_int_equal(store_write(store, put_between, NULL), OK);
    struct sums s = sums(store, SUM);
    assert_int_equal(s.rows, 7);
    assert_int_equal(s.n, 104 + 104 + 102 + 101 + 1 + 1 + 1);
    assert_int_equal(s.at_once, 0);
}

/* ---------------------------------------------------------------- what fails */

struct clash {
    int rows, at; /* of them, the one that is there already */
};

static enum err put_clash(struct store_conn *conn, void *arg)
{
    const struct clash *c = arg;
    for (int i = 0; i < c->rows; i++)
        put(conn, i == c->at ? 0 : 100 + i, 1);
    return OK;
}

static enum err clash_then_ask(struct store_conn *conn, void *arg)
{
    struct store_query *q = NULL;
    (void)put_clash(conn, arg);
    assert_int_equal(store_run(conn, ids[TWICE], NULL, ""), ERR_CONFLICT);
    enum err e = store_start(conn, ids[SUM], &q, "");
    assert_int_equal(e, ERR_CONFLICT);
    assert_true(store_why(conn)[0] != '\0');
    if (!postgres)
        assert_non_null(strstr(store_why(conn), "T_ADD"));
    return OK;
}

/* Schema changes have no other test of what failed before them. */
static enum err clash_then_exec(struct store_conn *conn, void *arg)
{
    (void)put_clash(conn, arg);
    assert_int_equal(conn->engine->exec(conn, "DELETE FROM line"), ERR_CONFLICT);
    assert_int_equal(store_run(conn, ids[TWICE], NULL, ""), ERR_CONFLICT);
    return OK;
}

static void test_a_conflict_fails_all(void **state)
{
    struct store *store = store_fixture_store(state);
    assert_int_equal(write_range(store, 0, 1), OK);
    for (int rows = 1; rows <= 2 * MANY + 2; rows++) {
        for (int at = 0; at < rows; at++) {
            struct clash c = {rows, at};
            assert_int_equal(store_write(store, at % 2 ? put_clash : clash_then_ask, &c),
                             ERR_CONFLICT);
        }
    }
    struct clash left_over = {3, 1};
    assert_int_equal(store_write(store, clash_then_exec, &left_over), ERR_CONFLICT);
    assert_int_equal(sums(store, SUM).rows, 1);
    assert_int_equal(write_range(store, 1, MANY + 4), OK);
    assert_int_equal(sums(store, SUM).rows, MANY + 4);
}

static enum err put_bad(struct store_conn *conn, void *arg)
{
    for (int i = 0; i < MANY; i++)
        put(conn, i, i == *(int *)arg ? -1 : i);
    return OK;
}

static void test_a_check_fails_all(void **state)
{
    struct store *store = store_fixture_store(state);
    for (int at = 0; at < MANY; at++)
        assert_int_equal(store_write(store, put_bad, &at), ERR_CONFLICT);
    assert_int_equal(sums(store, SUM).rows, 0);
}

static void test_rolled_back_is_gone(void **state)
{
    struct store *store = store_fixture_store(state);
    struct range r = {.give = ERR_VALIDATION_FAILED};
    for (r.to = 1; r.to < 2 * MANY; r.to++)
        assert_int_equal(store_write(store, put_range, &r), ERR_VALIDATION_FAILED);
    assert_int_equal(sums(store, SUM).rows, 0);
    assert_int_equal(write_range(store, 50, 52), OK);
    assert_int_equal(sums(store, SUM).rows, 2);
}

/* ---------------------------------------------------------------- savepoints */

struct gate {
    pthread_mutex_t lock;
};

static enum err wait_at(struct store_conn *conn, void *arg)
{
    struct gate *gate = arg;
    (void)conn;
    pthread_mutex_lock(&gate->lock);
    pthread_mutex_unlock(&gate->lock);
    return OK;
}

static _Atomic int outcomes[3];

static void on_first(void *arg, enum err e)
{
    (void)arg;
    atomic_store(&outcomes[0], (int)e);
}

static void on_second(void *arg, enum err e)
{
    (void)arg;
    atomic_store(&outcomes[1], (int)e);
}

static void on_third(void *arg, enum err e)
{
    (void)arg;
    atomic_store(&outcomes[2], (int)e);
}

/* Closures that queued up share a transaction: the one whose leftovers fail is alone in it. */
static void test_closures_of_one_transaction(void **state)
{
    struct store *store = store_fixture_store(state);
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct range first = {1, 4, OK}, third = {200, 203, OK};
    struct clash second = {3, 1};
    assert_int_equal(write_range(store, 0, 1), OK);
    pthread_mutex_lock(&gate.lock);
    store_write_later(store, wait_at, NULL, &gate);
    store_write_later(store, put_range, on_first, &first);
    store_write_later(store, put_clash, on_second, &second);
    store_write_later(store, put_range, on_third, &third);
    pthread_mutex_unlock(&gate.lock);
    assert_int_equal(write_range(store, 300, 301), OK); /* and those before it are done */
    assert_int_equal(atomic_load(&outcomes[0]), OK);
    assert_int_equal(atomic_load(&outcomes[1]), ERR_CONFLICT);
    assert_int_equal(atomic_load(&outcomes[2]), OK);
    assert_int_equal(sums(store, SUM).rows, 1 + 3 + 3 + 1);
}

/* ---------------------------------------------------------------- without closures */

/* As the writer does with the tables behind the journal: without savepoints, so that the commit
 * writes the rest. */
static void test_the_commit_writes_the_rest(void **state)
{
    struct store *store = store_fixture_store(state);
    const struct store_engine *engine = store->engine;
    struct store_conn *conn = NULL;
    char why[STORE_WHY_MAX];
    struct range r = {0, MANY + 3, OK};
    struct clash clash = {3, 1};
    assert_int_equal(engine->connect(store, STORE_WRITER, &conn, why), OK);
    assert_int_equal(engine->begin(conn), OK);
    assert_int_equal(put_range(conn, &r), OK);
    assert_int_equal(engine->commit(conn), OK);
    assert_int_equal(sums(store, SUM).rows, MANY + 3);
    /* Fails there at the latest, and the next one knows nothing of it. */
    assert_int_equal(engine->begin(conn), OK);
    assert_int_equal(put_clash(conn, &clash), OK);
    assert_int_equal(engine->commit(conn), ERR_CONFLICT);
    assert_true(conn->why[0] != '\0');
    assert_int_equal(conn->broken, OK);
    assert_false(conn->aborted);
    /* Rolled back before it was written. */
    assert_int_equal(engine->begin(conn), OK);
    assert_int_equal(put_clash(conn, &clash), OK);
    engine->rollback(conn);
    r = (struct range){50, 52, OK};
    assert_int_equal(engine->begin(conn), OK);
    assert_int_equal(put_range(conn, &r), OK);
    /* A savepoint stands behind what was put before it. */
    assert_int_equal(engine->mark(conn), OK);
    r = (struct range){60, 69, OK};
    assert_int_equal(put_range(conn, &r), OK);
    assert_int_equal(engine->mark_back(conn), OK);
    assert_int_equal(engine->commit(conn), OK);
    assert_int_equal(sums(store, SUM).rows, MANY + 3 + 2);
    engine->disconnect(conn);
}

/* ---------------------------------------------------------------- the copies alone */

static void test_copies(void **state)
{
    (void)state;
    struct store_rows *rows = store_rows_new(&statements[ADD]);
    struct store_param row[3] = {{.kind = STORE_TEXT, .s = STR("id")},
                                 {.kind = STORE_INT, .i = 7},
                                 {.kind = STORE_BYTES, .null = true}};
    uint64_t made = mem_count();
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            assert_true(store_rows_add(rows, row, 3));
            assert_int_equal(rows->n, i + 1);
        }
        assert_true(str_eq(store_rows_at(rows, MANY - 1)[0].s, STR("id")));
        assert_ptr_not_equal(store_rows_at(rows, 0)[0].s.p, row[0].s.p);
        assert_int_equal(store_rows_at(rows, 0)[1].i, 7);
        assert_true(store_rows_at(rows, 0)[2].null);
        store_rows_clear(rows);
    }
    assert_int_equal(mem_count(), made);
    /* A row that does not fit leaves nothing behind. */
    assert_true(store_rows_add(rows, row, 3));
    size_t used = rows->used;
    row[2] = (struct store_param){.kind = STORE_BYTES, .s = long_one(TOO_LONG)};
    assert_false(store_rows_add(rows, row, 3));
    assert_int_equal(rows->n, 1);
    assert_int_equal(rows->used, used);
    store_rows_free(&rows);
    assert_null(rows);
}

/* ---------------------------------------------------------------- */

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, store_fixture_close)

static int run_all(const char *name)
{
    const struct CMUnitTest tests[] = {
        EACH(test_each_number_of_rows),
        EACH(test_values_are_copied),
        EACH(test_long_values),
        EACH(test_what_is_there_already_stays),
        EACH(test_two_statements_in_turns),
        EACH(test_others_see_what_was_put),
        EACH(test_a_conflict_fails_all),
        EACH(test_a_check_fails_all),
        EACH(test_rolled_back_is_gone),
        EACH(test_closures_of_one_transaction),
        EACH(test_the_commit_writes_the_rest),
        cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    postgres = false;
    int failures = run_all("rows on SQLite");
    struct store_testkit probe;
    postgres = store_testkit_begin(&probe, true);
    if (postgres) {
        store_testkit_end(&probe);
        failures += run_all("rows on PostgreSQL");
    }
    store_testkit_fini();
    return failures != 0;
}

/* The redo log: what it says yes to is found again, whatever happens to the file behind it; and the
 * batches of a source that live through the loss of everything but it. */
#include "store/redo.h"

#include "base/mem.h"
#include "store/engine.h"
#include "store/store_testkit.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HALF ((off_t)4 << 20)
#define BLOCK ((off_t)4096)

enum { ADD, SUM, STATEMENTS };

static const struct sql_statement statements[STATEMENTS] = {
    [ADD] = {"T_ADD", 1, "INSERT INTO t (seq) VALUES (?1)", "", 0, NULL},
    [SUM] = {"T_SUM", 0, "SELECT count(*), coalesce(max(seq), 0) FROM t", "", 0, NULL},
};
static enum sql_id ids[STATEMENTS];

struct fixture {
    struct store_testkit kit;
    char path[256];
};

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    for (unsigned i = 0; i < STATEMENTS; i++)
        ids[i] = (enum sql_id)store_statement_extra(i, &statements[i]);
    *state = f;
    if (!store_testkit_begin(&f->kit, false))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/log-redo", f->kit.dir);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    store_testkit_end(&f->kit);
    mem_free(f);
    return 0;
}

static struct store_redo *redo_of(const struct fixture *f)
{
    struct store_redo *redo = NULL;
    char why[STORE_WHY_MAX] = "";
    enum err e = store_redo_open(f->path, &redo, why);
    if (e != OK)
        print_message("%s\n", why);
    assert_int_equal(e, OK);
    return redo;
}

/* Entry n: its number, and as many bytes of it as the number asks for. */
static struct str entry_of(uint64_t n, char *room)
{
    size_t bytes = 8 + (size_t)(n * 7919 % 9000);
    memset(room, (int)('a' + n % 26), bytes);
    memcpy(room, &n, sizeof(n));
    return str_of(room, bytes);
}

struct seen {
    uint64_t first, last;
};

static enum err see(void *arg, struct str entry)
{
    struct seen *seen = arg;
    char room[9100];
    uint64_t n = 0;
    memcpy(&n, entry.p, sizeof(n));
    assert_true(str_eq(entry, entry_of(n, room)));
    assert_true(seen->first == 0 || n == seen->last + 1);
    if (seen->first == 0)
        seen->first = n;
    seen->last = n;
    return OK;
}

static struct seen seen_in(struct store_redo *redo)
{
    struct seen seen = {0, 0};
    assert_int_equal(store_redo_found(redo, see, &seen), OK);
    return seen;
}

static void add(struct store_redo *redo, uint64_t from, uint64_t to)
{
    char room[9100];
    for (uint64_t n = from; n <= to; n++)
        assert_int_equal(store_redo_append(redo, entry_of(n, room)), OK);
}

static void test_found_again(void **state)
{
    struct store_redo *redo = redo_of(*state);
    assert_int_equal(seen_in(redo).last, 0);
    add(redo, 1, 300);
    store_redo_close(&redo);
    redo = redo_of(*state);
    struct seen seen = seen_in(redo);
    assert_int_equal(seen.first, 1);
    assert_int_equal(seen.last, 300);
    /* Not taken yet: there once more. */
    store_redo_close(&redo);
    redo = redo_of(*state);
    assert_int_equal(seen_in(redo).last, 300);
    store_redo_reset(redo);
    add(redo, 301, 310);
    store_redo_close(&redo);
    redo = redo_of(*state);
    assert_int_equal(seen_in(redo).last, 310);
    /* Released in full: a clean end, and nothing to look for. */
    store_redo_reset(redo);
    store_redo_close(&redo);
    redo = redo_of(*state);
    assert_int_equal(seen_in(redo).last, 0);
    add(redo, 311, 311);
    store_redo_close(&redo);
    redo = redo_of(*state);
    seen = seen_in(redo);
    assert_int_equal(seen.first, 311);
    assert_int_equal(seen.last, 311);
    store_redo_close(&redo);
}

/* No half is written over before all of it is released. */
static void test_no_room_before_release(void **state)
{
    struct store_redo *redo = redo_of(*state);
    char room[9100];
    uint64_t n = 0;
    enum err e;
    while ((e = store_redo_append(redo, entry_of(n + 1, room))) == OK)
        n++;
    assert_int_equal(e, ERR_END);
    assert_true(n > 1500);
    store_redo_folded(redo, store_redo_last(redo));
    store_redo_release(redo, n / 2 - 200);
    assert_int_equal(store_redo_append(redo, entry_of(n + 1, room)), ERR_END);
    store_redo_release(redo, n / 2 + 200);
    add(redo, n + 1, n + 50);
    store_redo_close(&redo);
    redo = redo_of(*state);
    struct seen seen = seen_in(redo);
    assert_true(seen.first > n / 2 - 200 && seen.first <= n / 2 + 201);
    assert_int_equal(seen.last, n + 50);
    store_redo_close(&redo);
}

static void test_too_long(void **state)
{
    struct store_redo *redo = redo_of(*state);
    char *long_one = mem_zalloc(STORE_REDO_ENTRY_MAX + 1);
    assert_int_equal(store_redo_append(redo, str_of(long_one, STORE_REDO_ENTRY_MAX + 1)), ERR_END);
    assert_int_equal(store_redo_append(redo, str_of(long_one, STORE_REDO_ENTRY_MAX)), OK);
    mem_free(long_one);
    store_redo_close(&redo);
}

static void scratch(const struct fixture *f, off_t at, size_t n)
{
    char bytes[BLOCK];
    memset(bytes, 0x5a, sizeof(bytes));
    int fd = open(f->path, O_WRONLY);
    assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
    close(fd);
}

/* The last write may be torn anywhere: what was promised before is there, and nothing of it. */
static void test_a_torn_tail(void **state)
{
    char room[9100];
    for (uint64_t last = 20; last < 28; last++) {
        struct store_redo *redo = redo_of(*state);
        store_redo_reset(redo);
        off_t end = BLOCK;
        for (uint64_t n = 1; n <= last; n++) {
            struct str entry = entry_of(n, room);
            assert_int_equal(store_redo_append(redo, entry), OK);
            if (n < last)
                end += (off_t)(24 + entry.n + 7) & ~7;
        }
        store_redo_close(&redo);
        scratch(*state, end + (off_t)(last % 5) * 11, 64);
        redo = redo_of(*state);
        assert_int_equal(seen_in(redo).last, last - 1);
        store_redo_close(&redo);
        assert_int_equal(unlink(((struct fixture *)*state)->path), 0);
    }
}

static void refused(const struct fixture *f)
{
    struct store_redo *redo = NULL;
    char why[STORE_WHY_MAX] = "";
    assert_int_equal(store_redo_open(f->path, &redo, why), ERR_CORRUPT);
    assert_non_null(strstr(why, f->path));
}

/* Damage before the tail would lose charges: it is refused, not passed over. */
static void test_damage(void **state)
{
    struct fixture *f = *state;
    struct store_redo *redo = redo_of(f);
    add(redo, 1, 30);
    store_redo_close(&redo);
    scratch(f, BLOCK + 5000, 8);
    refused(f);
    scratch(f, 8, 1);
    refused(f);
    assert_int_equal(truncate(f->path, HALF), 0);
    refused(f);
}

/* ---- a source, and a power cut ---- */

struct feed {
    _Atomic int64_t given, durable;
    _Atomic bool due;
    _Atomic int64_t in_table;
    int64_t packed, written;
    int64_t meanwhile; /* so many come while the tables are written, at most up to this number */
    int64_t breathed; /* of which so many were durable before that ended */
    char entry[9100];
};

static bool feed_pending(void *arg)
{
    struct feed *feed = arg;
    return atomic_load(&feed->given) > feed->packed;
}

static bool feed_due(void *arg)
{
    struct feed *feed = arg;
    return atomic_load(&feed->due) && feed->in_table < feed->packed;
}

static struct str feed_pack(void *arg, size_t *ret_records)
{
    struct feed *feed = arg;
    *ret_records = 1;
    return entry_of((uint64_t)++feed->packed, feed->entry);
}

static void feed_packed(void *arg)
{
    struct feed *feed = arg;
    atomic_store(&feed->durable, feed->packed);
}

static enum err feed_write(void *arg, struct store_conn *conn, size_t *ret_records)
{
    struct feed *feed = arg;
    enum err e = OK;
    *ret_records = 0;
    feed->written = feed->packed;
    for (int64_t n = feed->in_table + 1; n <= feed->written && e == OK; n++) {
        e = store_run(conn, ids[ADD], NULL, "i", n);
        int64_t given = atomic_load(&feed->given);
        if (given < feed->meanwhile)
            atomic_store(&feed->given, given + 1);
        store_breathe(conn);
        feed->breathed += given < feed->meanwhile && atomic_load(&feed->durable) == given + 1;
    }
    return e;
}

static void feed_committed(void *arg)
{
    struct feed *feed = arg;
    feed->in_table = feed->written;
}

static void feed_failed(void *arg, enum err e)
{
    (void)arg;
    (void)e;
}

static enum err make_table(struct store_conn *conn, void *arg)
{
    (void)arg;
    return conn->engine->exec(conn, "CREATE TABLE IF NOT EXISTS t (seq INTEGER PRIMARY KEY)"
                                    " STRICT");
}

struct catching {
    struct store_conn *conn;
    int64_t last;
};

static enum err catch_one(void *arg, struct str entry)
{
    struct catching *c = arg;
    int64_t n = 0;
    memcpy(&n, entry.p, sizeof(n));
    if (n <= c->last)
        return OK;
    assert_int_equal(n, c->last + 1);
    c->last = n;
    return store_run(c->conn, ids[ADD], NULL, "i", n);
}

static enum err catch_up(struct store_conn *conn, void *arg)
{
    struct catching c = {conn, 0};
    struct store_query *q = NULL;
    assert_int_equal(store_start(conn, ids[SUM], &q, ""), OK);
    assert_int_equal(store_step(q), OK);
    c.last = store_i64(q, 1);
    assert_int_equal(store_i64(q, 0), c.last);
    store_finish(&q);
    enum err e = store_redo_each(conn, catch_one, &c);
    *(int64_t *)arg = c.last;
    return e;
}

/* Opened, with the table as the source left it. */
static struct store *house_of(const struct store_testkit *kit, struct feed *feed,
                              struct store_source *source)
{
    struct store *store = store_testkit_open(kit);
    int64_t last = 0;
    if (store_write(store, make_table, NULL) != OK || store_write(store, catch_up, &last) != OK)
        _exit(1);
    *feed = (struct feed){.given = last, .durable = last, .packed = last, .in_table = last};
    *source = (struct store_source){.pending = feed_pending,
                                    .pack = feed_pack,
                                    .packed = feed_packed,
                                    .due = feed_due,
                                    .write = feed_write,
                                    .committed = feed_committed,
                                    .failed = feed_failed,
                                    .arg = feed};
    store_set_source(store, source);
    return store;
}

static void give_to(struct store *store, struct feed *feed, int64_t n)
{
    atomic_store(&feed->given, n);
    store_poke(store);
    while (atomic_load(&feed->durable) < n)
        usleep(20);
}

static enum err nothing(struct store_conn *conn, void *arg)
{
    (void)conn;
    (void)arg;
    return OK;
}

static void in_dir(const struct store_testkit *kit, const char *how)
{
    char command[600];
    snprintf(command, sizeof(command), "cd '%s' && %s", kit->dir, how);
    assert_int_equal(system(command), 0);
}

/* What a power cut may leave at worst: the database as of its last commit that was flushed, and the
 * redo log. Softly committed tables are lost, the batches are not. */
static void test_power_cut(void **state)
{
    struct fixture *f = *state;
    struct feed feed;
    struct store_source source;
    struct store *store = house_of(&f->kit, &feed, &source);
    for (int64_t n = 1; n <= 100; n++)
        give_to(store, &feed, n);
    /* A control write: flushed, with all before it. */
    assert_int_equal(store_write(store, nothing, NULL), OK);
    in_dir(&f->kit,
           "mkdir ../cut.$$ && mv ../cut.$$ cut && cp -a tollgate.db tollgate.db-wal cut/");
    atomic_store(&feed.due, true);
    for (int64_t n = 101; n <= 400; n++)
        give_to(store, &feed, n);
    in_dir(&f->kit, "cp -a tollgate.db-redo pepper seal cut/");
    store_set_source(store, NULL);
    store_close(&store);
    in_dir(&f->kit, "rm -f tollgate.db* pepper seal && mv cut/* . && rmdir cut");
    store = house_of(&f->kit, &feed, &source);
    assert_int_equal(feed.in_table, 400);
    give_to(store, &feed, 401);
    store_set_source(store, NULL);
    store_close(&store);
    /* After a clean end nothing is found, and all is in the table. */
    store = house_of(&f->kit, &feed, &source);
    assert_int_equal(feed.in_table, 401);
    store_set_source(store, NULL);
    store_close(&store);
}

static void run_until_killed(const struct store_testkit *kit, int say, unsigned seed)
{
    struct feed feed;
    struct store_source source;
    alarm(20);
    struct store *store = house_of(kit, &feed, &source);
    for (int64_t n = feed.packed + 1;; n++) {
        atomic_store(&feed.due, n % (int64_t)(seed % 90 + 10) < 3);
        give_to(store, &feed, n);
        if (write(say, &n, sizeof(n)) != sizeof(n))
            _exit(1);
        if (n % 101 == 0 && store_write(store, nothing, NULL) != OK)
            _exit(1);
    }
}

static void test_killed_at_any_moment(void **state)
{
    struct fixture *f = *state;
    int64_t said = 0;
    for (unsigned round = 0; round < 12; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t pid = fork();
        if (pid == 0) {
            close(pipes[0]);
            run_until_killed(&f->kit, pipes[1], round * 31);
        }
        close(pipes[1]);
        int64_t n = 0;
        /* Every third one dies while it starts, or soon after. */
        if (round % 3 != 0 && read(pipes[0], &n, sizeof(n)) == sizeof(n))
            said = n;
        usleep((useconds_t)(20000 + round * 7919));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(pipes[0], &n, sizeof(n)) == sizeof(n))
            said = n;
        close(pipes[0]);
    }
    struct feed feed;
    struct store_source source;
    struct store *store = house_of(&f->kit, &feed, &source);
    assert_true(said >= 8); /* each that was waited for said one at least */
    assert_true(feed.in_table >= said && feed.in_table <= said + 1);
    store_set_source(store, NULL);
    store_close(&store);
}

/* More than both halves hold, with tables that are never due: batches go through the tables. */
static void test_a_full_log(void **state)
{
    struct fixture *f = *state;
    struct feed feed;
    struct store_source source;
    struct store *store = house_of(&f->kit, &feed, &source);
    for (int64_t n = 1; n <= 5000; n++)
        give_to(store, &feed, n);
    store_set_source(store, NULL);
    store_close(&store);
    store = house_of(&f->kit, &feed, &source);
    assert_int_equal(feed.in_table, 5000);
    store_set_source(store, NULL);
    store_close(&store);
}

static void wait_for_table(struct store *store, const struct feed *feed, int64_t n)
{
    for (int i = 0; i < 5000; i++) {
        must(store_write(store, nothing, NULL) == OK);
        if (feed->in_table >= n) /* settled: the closure ran on the writer's thread behind it */
            return;
        usleep(1000);
    }
    fail_msg("the tables were not brought up");
}

/* Batches become durable while the tables are written, and come into the tables later. */
static void test_breathing(void **state)
{
    struct fixture *f = *state;
    struct feed feed;
    struct store_source source;
    struct store *store = house_of(&f->kit, &feed, &source);
    feed.meanwhile = 40;
    atomic_store(&feed.due, true);
    give_to(store, &feed, 1);
    wait_for_table(store, &feed, 40);
    assert_int_equal(atomic_load(&feed.durable), 40);
    assert_true(feed.breathed > 10);
    store_set_source(store, NULL);
    store_close(&store);
    store = house_of(&f->kit, &feed, &source);
    assert_int_equal(feed.in_table, 40);
    store_set_source(store, NULL);
    store_close(&store);
}

/* The log has no room for what comes meanwhile: it waits for the tables, and is not lost. */
static void test_breathing_with_a_full_log(void **state)
{
    struct fixture *f = *state;
    struct feed feed;
    struct store_source source;
    struct store *store = house_of(&f->kit, &feed, &source);
    feed.meanwhile = 6000;
    for (int64_t n = 1; n <= 1500; n++)
        give_to(store, &feed, n);
    atomic_store(&feed.due, true);
    wait_for_table(store, &feed, 6000);
    assert_true(feed.breathed > 100);
    store_set_source(store, NULL);
    store_close(&store);
    store = house_of(&f->kit, &feed, &source);
    assert_int_equal(feed.in_table, 6000);
    store_set_source(store, NULL);
    store_close(&store);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_found_again), EACH(test_no_room_before_release),
        EACH(test_too_long),    EACH(test_a_torn_tail),
        EACH(test_damage),      EACH(test_power_cut),
        EACH(test_a_full_log),  EACH(test_killed_at_any_moment),
        EACH(test_breathing),   EACH(test_breathing_with_a_full_log),
    };
    return cmocka_run_group_tests_name("redo log", tests, NULL, NULL);
}

/* What only files can do to a house: files that are no database, that belong to others, that cannot
 * be written; disks that are full; processes that are killed. */
#include "store/store.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/engine.h"
#include "store/store_testkit.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

enum { ADD, SUM, STATEMENTS };

static const struct sql_statement statements[STATEMENTS] = {
    [ADD] = {"T_ADD", 2, "INSERT INTO t (seq, body) VALUES (?1, ?2)", "", 0, NULL},
    [SUM] = {"T_SUM", 0, "SELECT count(*), coalesce(max(seq), 0) FROM t", "", 0, NULL},
};

static enum sql_id ids[STATEMENTS];

static int set_up(void **state)
{
    struct store_testkit *kit = mem_zalloc(sizeof(*kit));
    for (unsigned i = 0; i < STATEMENTS; i++)
        ids[i] = (enum sql_id)store_statement_extra(i, &statements[i]);
    *state = kit;
    return store_testkit_begin(kit, false) ? 0 : -1;
}

static int tear_down(void **state)
{
    store_testkit_end(*state);
    mem_free(*state);
    return 0;
}

static void in_dir(const struct store_testkit *kit, const char *how)
{
    char command[512];
    int n = snprintf(command, sizeof(command), "cd '%s' && %s", kit->dir, how);
    assert_true(n > 0 && (size_t)n < sizeof(command));
    assert_int_equal(system(command), 0);
}

/* Opens and closes; the words must name the database. */
static enum err try_open(const struct store_testkit *kit, char why[STORE_WHY_MAX])
{
    struct store *store = NULL;
    why[0] = '\0';
    enum err e = store_open(&kit->options, &store, why);
    if (e == OK)
        store_close(&store);
    else if (strstr(why, kit->dir) == NULL)
        fail_msg("the words do not say where: %s", why);
    return e;
}

static void run_sql(const struct store_testkit *kit, const char *text)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(kit->url + strlen("sqlite:"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* ---------------------------------------------------------------- bad files */

static void test_not_a_database(void **state)
{
    struct store_testkit *kit = *state;
    char why[STORE_WHY_MAX];
    static const char *const makes[] = {
        "printf 'dear diary, this is not a database at all' >tollgate.db",
        "printf x >tollgate.db",
        "head -c 100000 /dev/urandom >tollgate.db",
        "printf 'SQLite format 4\\0' >tollgate.db",
    };
    for (size_t i = 0; i < sizeof(makes) / sizeof(makes[0]); i++) {
        in_dir(kit, makes[i]);
        in_dir(kit, "cp tollgate.db before");
        assert_int_equal(try_open(kit, why), ERR_STORE_FOREIGN);
        assert_non_null(strstr(why, "is not a database"));
        in_dir(kit, "cmp tollgate.db before");
    }
    in_dir(kit, "rm tollgate.db && mkdir tollgate.db");
    assert_int_equal(try_open(kit, why), ERR_STORE_FOREIGN);
    in_dir(kit, "rmdir tollgate.db && (printf 'SQLite format 3\\0'; head -c 9000 /dev/urandom)"
                " >tollgate.db");
    assert_int_equal(try_open(kit, why), ERR_STORE_FOREIGN);
}

static void test_of_another_program(void **state)
{
    struct store_testkit *kit = *state;
    char why[STORE_WHY_MAX];
    run_sql(kit, "CREATE TABLE recipes (name)");
    assert_int_equal(try_open(kit, why), ERR_STORE_FOREIGN);
    assert_non_null(strstr(why, "another program"));
    in_dir(kit, "rm tollgate.db");
    run_sql(kit, "PRAGMA application_id = 7");
    assert_int_equal(try_open(kit, why), ERR_STORE_FOREIGN);
    in_dir(kit, "rm tollgate.db && : >tollgate.db");
    assert_int_equal(try_open(kit, why), OK);
    /* A damaged one of ours. */
    in_dir(kit, "dd if=/dev/urandom of=tollgate.db bs=4096 seek=1 count=6 conv=notrunc 2>/dev/null"
                " && rm -f tollgate.db-wal tollgate.db-shm");
    enum err e = try_open(kit, why);
    assert_true(e == ERR_CORRUPT || e == ERR_STORE_FOREIGN);
}

static void test_locked_by_another(void **state)
{
    struct store_testkit *kit = *state;
    char why[STORE_WHY_MAX];
    int gate[2];
    assert_int_equal(try_open(kit, why), OK);
    assert_int_equal(pipe(gate), 0);
    pid_t pid = fork();
    if (pid == 0) {
        sqlite3 *db = NULL;
        alarm(20); /* also when the test above it fails */
        sqlite3_open(kit->url + strlen("sqlite:"), &db);
        sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE", NULL, NULL, NULL);
        (void)!write(gate[1], "x", 1);
        pause();
        _exit(0);
    }
    char c;
    assert_int_equal(read(gate[0], &c, 1), 1);
    assert_int_equal(try_open(kit, why), ERR_STORE_BUSY);
    assert_non_null(strstr(why, "locked by another program"));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(gate[0]);
    close(gate[1]);
    assert_int_equal(try_open(kit, why), OK);
}

/* Root may write anything: the attempt is made as somebody else. */
static enum err try_as_nobody(const struct store_testkit *kit)
{
    pid_t pid = fork();
    if (pid == 0) {
        char why[STORE_WHY_MAX];
        struct store *store = NULL;
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(0);
        enum err e = store_open(&kit->options, &store, why);
        if (e != OK && strstr(why, kit->dir) == NULL)
            _exit(255);
        _exit((int)e);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return (enum err)(WIFEXITED(status) ? WEXITSTATUS(status) : 254);
}

static void test_read_only(void **state)
{
    struct store_testkit *kit = *state;
    char why[STORE_WHY_MAX];
    if (geteuid() != 0) {
        print_message("only root can become nobody: not tried\n");
        return;
    }
    assert_int_equal(try_open(kit, why), OK);
    /* The data directory. */
    in_dir(kit, "chmod 755 . && chown root . lock");
    assert_int_equal(try_as_nobody(kit), ERR_STORE_READONLY);
    /* The file. */
    in_dir(kit, "chown 65534 . lock pepper seal ballast 2>/dev/null; chmod 644 tollgate.db");
    assert_int_equal(try_as_nobody(kit), ERR_STORE_READONLY);
    /* The folder that the file lies in. */
    in_dir(kit, "mkdir apart && mv tollgate.db apart/ && chown 65534 apart/tollgate.db");
    snprintf(kit->url, sizeof(kit->url), "sqlite:%s/apart/tollgate.db", kit->dir);
    assert_int_equal(try_as_nobody(kit), ERR_STORE_READONLY);
    in_dir(kit, "chown 65534 apart");
    assert_int_equal(try_as_nobody(kit), OK);
}

static void test_modes(void **state)
{
    struct store_testkit *kit = *state;
    char why[STORE_WHY_MAX];
    kit->options.ballast_bytes = 1 << 20;
    assert_int_equal(try_open(kit, why), OK);
    in_dir(kit, "[ -z \"$(find . -type f -perm /077)\" ]");
    in_dir(kit, "[ \"$(wc -c <pepper)\" = 32 ] && [ \"$(wc -c <seal)\" = 32 ]");
}

/* ---------------------------------------------------------------- the source, killed and full */

struct feed {
    _Atomic int64_t given, durable;
    int64_t next;
    size_t bytes;
};

static bool feed_pending(void *arg)
{
    struct feed *feed = arg;
    return atomic_load(&feed->given) > atomic_load(&feed->durable);
}

static enum err feed_write(void *arg, struct store_conn *conn, size_t *ret_records)
{
    struct feed *feed = arg;
    char *body = mem_zalloc(feed->bytes);
    feed->next = atomic_load(&feed->durable) + 1;
    *ret_records = 1;
    enum err e = store_run(conn, ids[ADD], NULL, "ib", feed->next, str_of(body, feed->bytes));
    mem_free(body);
    return e;
}

static void feed_committed(void *arg)
{
    struct feed *feed = arg;
    atomic_store(&feed->durable, feed->next);
}

/* Full, or busy for as long as a disk stands still: it is tried again. */
static void feed_failed(void *arg, enum err e)
{
    (void)arg;
    (void)e;
}

static struct store_source source_of(struct feed *feed)
{
    return (struct store_source){.pending = feed_pending,
                                 .write = feed_write,
                                 .committed = feed_committed,
                                 .failed = feed_failed,
                                 .arg = feed};
}

static enum err make_table(struct store_conn *conn, void *arg)
{
    (void)arg;
    return conn->engine->exec(conn, "CREATE TABLE IF NOT EXISTS t (seq INTEGER PRIMARY KEY,"
                                    " body BLOB) STRICT");
}

static int64_t rows(struct store *store, int64_t *ret_last)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    assert_int_equal(store_reader_begin(store, &conn), OK);
    assert_int_equal(store_start(conn, ids[SUM], &q, ""), OK);
    assert_int_equal(store_step(q), OK);
    int64_t n = store_i64(q, 0);
    *ret_last = store_i64(q, 1);
    store_finish(&q);
    store_reader_end(&conn);
    return n;
}

/* The child says each number when it is durable; what it said must be there after its death. */
static void run_until_killed(const struct store_testkit *kit, int say)
{
    alarm(20);
    struct store *store = store_testkit_open(kit);
    struct feed feed = {.bytes = 3000};
    int64_t last = 0;
    if (store_write(store, make_table, NULL) != OK)
        _exit(1);
    (void)rows(store, &last);
    atomic_store(&feed.durable, last);
    atomic_store(&feed.given, last);
    struct store_source source = source_of(&feed);
    store_set_source(store, &source);
    for (int64_t n = last + 1;; n++) {
        atomic_store(&feed.given, n);
        store_poke(store);
        while (atomic_load(&feed.durable) < n)
            usleep(20);
        if (write(say, &n, sizeof(n)) != sizeof(n))
            _exit(1);
    }
}

static void test_killed_at_any_moment(void **state)
{
    struct store_testkit *kit = *state;
    int64_t said = 0;
    for (int round = 0; round < 12; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t pid = fork();
        if (pid == 0) {
            close(pipes[0]);
            run_until_killed(kit, pipes[1]);
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
    struct store *store = store_testkit_open(kit);
    int64_t last = 0, there = rows(store, &last);
    assert_true(said >= 8); /* each that was waited for said one at least */
    assert_true(last >= said);
    assert_int_equal(there, last);
    store_close(&store);
}

static enum err nothing(struct store_conn *conn, void *arg)
{
    (void)conn;
    (void)arg;
    return OK;
}

static bool comes_true(struct store *store, bool full)
{
    for (int i = 0; i < 8000 && store_is_full(store) != full; i++)
        usleep(1000);
    return store_is_full(store) == full;
}

/* A disk of 24 MiB, which others fill. */
static void test_full_disk(void **state)
{
    struct store_testkit *kit = *state;
    if (mount("tmpfs", kit->dir, "tmpfs", 0, "size=24m,mode=700") != 0) {
        print_message("a small disk cannot be mounted (%s): not tried\n", strerror(errno));
        return;
    }
    kit->options.ballast_bytes = 2 << 20;
    struct store *store = store_testkit_open(kit);
    struct feed feed = {.bytes = 20000};
    struct store_source source = source_of(&feed);
    assert_int_equal(store_write(store, make_table, NULL), OK);
    store_set_source(store, &source);
    for (int i = 0; i < 1000; i++) {
        struct stat st;
        char path[512];
        assert_true(store_path(store, "ballast", path, sizeof(path)));
        if (stat(path, &st) == 0 && st.st_size == 2 << 20)
            break;
        usleep(1000);
    }
    in_dir(kit, "dd if=/dev/zero of=hog bs=64k 2>/dev/null; true");
    /* Until it is noticed. */
    int64_t given = 0;
    while (!store_is_full(store) && given < 3000) {
        atomic_store(&feed.given, ++given);
        store_poke(store);
        for (int i = 0; i < 20000 && atomic_load(&feed.durable) < given; i++)
            usleep(100);
        assert_true(atomic_load(&feed.durable) >= given || store_is_full(store));
    }
    assert_true(comes_true(store, true));
    /* The ballast made room: what is under way is still written, control writes are not. */
    for (int i = 0; i < 8000 && atomic_load(&feed.durable) < given; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&feed.durable), given);
    assert_int_equal(store_write(store, nothing, NULL), ERR_STORE_FULL);
    for (int i = 0; i < 20; i++) {
        atomic_store(&feed.given, ++given);
        store_poke(store);
        for (int k = 0; k < 8000 && atomic_load(&feed.durable) < given; k++)
            usleep(1000);
    }
    assert_int_equal(atomic_load(&feed.durable), given);
    assert_true(store_is_full(store));
    /* Space again: it goes on by itself. */
    in_dir(kit, "rm hog");
    assert_true(comes_true(store, false));
    assert_int_equal(store_write(store, nothing, NULL), OK);
    store_set_source(store, NULL);
    store_close(&store);
    store = store_testkit_open(kit);
    int64_t last = 0;
    assert_int_equal(rows(store, &last), given);
    store_close(&store);
    assert_int_equal(umount(kit->dir), 0);
}

/* A reader that stays does not stop the writer, and the WAL shrinks to its limit behind it. */
static void test_checkpoints(void **state)
{
    struct store_testkit *kit = *state;
    struct store *store = store_testkit_open(kit);
    struct feed feed = {.bytes = 200000};
    struct store_source source = source_of(&feed);
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    struct stat st;
    char path[512];
    assert_int_equal(store_write(store, make_table, NULL), OK);
    store_set_source(store, &source);
    assert_int_equal(store_reader_begin(store, &conn), OK);
    assert_int_equal(store_start(conn, ids[SUM], &q, ""), OK);
    assert_int_equal(store_step(q), OK);
    store_finish(&q);
    for (int64_t n = 1; n <= 400; n++) {
        if (n == 200)
            store_reader_end(&conn);
        atomic_store(&feed.given, n);
        store_poke(store);
        for (int i = 0; i < 100000 && atomic_load(&feed.durable) < n; i++)
            usleep(100);
        assert_int_equal(atomic_load(&feed.durable), n);
    }
    assert_true(store_counts(store).commit_us_p99 < 1500000);
    assert_true(store_path(store, "tollgate.db-wal", path, sizeof(path)));
    for (int64_t n = 401; n <= 1200; n++) {
        atomic_store(&feed.given, n);
        store_poke(store);
        while (atomic_load(&feed.durable) < n)
            usleep(100);
        if (store_counts(store).wal_bytes < 8 << 20 && stat(path, &st) == 0 &&
            st.st_size <= 33 << 20)
            break;
        usleep(3000);
    }
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size <= 33 << 20); /* the limit, and what one commit may add */
    store_set_source(store, NULL);
    store_close(&store);
}

#ifdef TOLLGATE_FAULTS
static void test_deaths_on_demand(void **state)
{
    struct store_testkit *kit = *state;
    static const char *const faults[] = {"commit:60", "commit-before:70", "commit-after:80",
                                         "write:400"};
    for (size_t i = 0; i < 4; i++) {
        int pipes[2], status = 0;
        assert_int_equal(pipe(pipes), 0);
        pid_t pid = fork();
        if (pid == 0) {
            /* Anew, because this process has read its environment already. */
            setenv("TOLLGATE_FAULT", faults[i], 1);
            dup2(pipes[1], STDOUT_FILENO);
            close(pipes[0]);
            execl("/proc/self/exe", "sqlite_test", kit->dir, kit->url, NULL);
            _exit(1);
        }
        close(pipes[1]);
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        int64_t said = 0, n = 0, last = 0;
        while (read(pipes[0], &n, sizeof(n)) == sizeof(n))
            said = n;
        close(pipes[0]);
        struct store *store = store_testkit_open(kit);
        int64_t there = rows(store, &last);
        assert_int_equal(there, last);
        assert_int_equal(last, said + (strstr(faults[i], "after") != NULL));
        store_close(&store);
    }
}

/* argv: the data directory, the database's URL. */
static void be_the_child(char **argv)
{
    struct store_testkit kit = {
        .options = {.data_dir = argv[1], .url = argv[2], .may_create = true}};
    for (unsigned i = 0; i < STATEMENTS; i++)
        ids[i] = (enum sql_id)store_statement_extra(i, &statements[i]);
    run_until_killed(&kit, STDOUT_FILENO);
}
#endif

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    (void)argv;
#ifdef TOLLGATE_FAULTS
    if (argc == 3)
        be_the_child(argv);
#else
    (void)argc;
#endif
    const struct CMUnitTest tests[] = {
        EACH(test_not_a_database),
        EACH(test_of_another_program),
        EACH(test_locked_by_another),
        EACH(test_read_only),
        EACH(test_modes),
        EACH(test_killed_at_any_moment),
        EACH(test_full_disk),
        EACH(test_checkpoints),
#ifdef TOLLGATE_FAULTS
        EACH(test_deaths_on_demand),
#endif
    };
    return cmocka_run_group_tests_name("SQLite files", tests, NULL, NULL);
}

/* The embedded engine: SQLite in WAL mode, one writer, readers with snapshots.
 *
 * A commit is one append to the WAL and one fdatasync; a soft one has no fdatasync, since the
 * redo log has what it holds. The WAL is written over in place as long as checkpoints keep up.
 * They run on the keeper's thread, which also makes durable what was committed softly, so that
 * the redo log gets its room back.
 *
 * A statement costs about as much as the row that it writes. So rows that are put by the hundred
 * are copied (rows.h) and written several at once; what is left over goes in front of whatever else
 * is asked of the connection, one by one. */
#include "store/engine.h"
#include "store/redo.h"
#include "store/rows.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* "Toll", as `file` and sqlite3 show it. */
#define APPLICATION_ID 0x546f6c6c
#define PAGE 4096
/* A checkpoint per 128 KiB of WAL: what it flushes, the redo log's next write waits for. The
 * writer starts over from 8 MiB on. */
#define WAL_CHECKPOINT_PAGES 32
#define WAL_RESTART_PAGES 2048
/* What is kept of the log's file: as much as it grows to between two restarts under load, so that
 * commits overwrite it in place; cutting and growing it again costs each of them a second flush. */
#define WAL_LIMIT_BYTES (16 * 1024 * 1024)
/* A restart holds the writer's lock while it waits for readers: never for long. */
#define RESTART_WAIT_MS 10
#define WRITER_WAIT_MS 2000
#define WRITER_LOOK_US 200
#define READER_WAIT_MS 1000
#define PROGRESS_STEPS 20000
/* Far beyond any database, and beyond the bytes that SQLite locks. */
#define OWNER_BYTE INT64_C(0x3fffffffffff0000)

struct sqlite_query {
    struct store_query base;
    sqlite3_stmt *stmt;
    bool ended; /* SQLite would begin anew */
    /* Of a statement that is put by the hundred, from its first put on. */
    sqlite3_stmt *many;
    struct store_rows *rows;
    struct sqlite_query *next; /* whose first row came behind ours */
};

enum word { BEGIN_WRITE, BEGIN_READ, COMMIT, ROLLBACK, MARK, MARK_KEEP, MARK_BACK, WORD__COUNT };

static const char *const words[WORD__COUNT] = {
    "BEGIN IMMEDIATE", "BEGIN",       "COMMIT",          "ROLLBACK",
    "SAVEPOINT one",   "RELEASE one", "ROLLBACK TO one",
};

struct sqlite_conn {
    struct store_conn base;
    sqlite3 *db;
    int64_t busy_since_us;
    sqlite3_stmt *word[WORD__COUNT];
    struct sqlite_query queries[STORE_SQL_MAX];
    struct sqlite_query *waiting; /* those that have rows, by their first */
};

struct sqlite_state {
    char *path;
    int fd; /* our own, for the lock; closed last, see below */
    struct sqlite_conn *keeper;
    _Atomic int wal_pages;
    int kept_pages;
};

static struct sqlite_conn *of(struct store_conn *conn)
{
    return (struct sqlite_conn *)conn;
}

static struct sqlite_state *state_of(const struct store *store)
{
    return store->engine_state;
}

/* ---------------------------------------------------------------- errors */

static bool is_disk_full(sqlite3 *db)
{
    int no = sqlite3_system_errno(db);
    return no == ENOSPC || no == EDQUOT || no == EFBIG;
}

/* What happened, as the house names it. After a failed fsync the kernel may have dropped the pages
 * and will say yes to the next one: what is on disk is not known any more, so the process ends. */
static enum err err_of(sqlite3 *db, int rc)
{
    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
        store_die("fsync of the database failed (%s); nothing can be relied on, so it ends",
                  sqlite3_errmsg(db));
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW: return OK;
    case SQLITE_DONE: return ERR_END;
    case SQLITE_CONSTRAINT: return ERR_CONFLICT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
    case SQLITE_PROTOCOL: return ERR_STORE_BUSY;
    case SQLITE_FULL: return ERR_STORE_FULL;
    case SQLITE_IOERR: return is_disk_full(db) ? ERR_STORE_FULL : ERR_STORE;
    case SQLITE_READONLY: return ERR_STORE_READONLY;
    case SQLITE_NOTADB:
    case SQLITE_FORMAT: return ERR_STORE_FOREIGN;
    case SQLITE_CORRUPT: return ERR_CORRUPT;
    case SQLITE_NOMEM: store_die("memory is left: no");
    default: return ERR_STORE;
    }
}

static enum err failed(struct sqlite_conn *c, int rc, const char *what)
{
    enum err e = err_of(c->db, rc);
    (void)store_say(c->base.why, e, "%s: %s (SQLite %d)", what, sqlite3_errmsg(c->db), rc);
    /* Some errors roll the whole transaction back without being asked. */
    if (c->base.role == STORE_WRITER && sqlite3_get_autocommit(c->db))
        c->base.aborted = true;
    return e;
}

/* ---------------------------------------------------------------- running statements */

static enum err bind(struct sqlite_conn *c, sqlite3_stmt *stmt, const char *name,
                     const struct store_param *params, unsigned n, sqlite3_destructor_type lives)
{
    for (unsigned i = 0; i < n; i++) {
        const struct store_param *p = &params[i];
        int rc = SQLITE_OK, at = (int)i + 1;
        if (p->null)
            rc = sqlite3_bind_null(stmt, at);
        else if (p->kind == STORE_INT)
            rc = sqlite3_bind_int64(stmt, at, p->i);
        else if (p->kind == STORE_TEXT)
            rc = sqlite3_bind_text64(stmt, at, p->s.p, p->s.n, lives, SQLITE_UTF8);
        else
            rc = sqlite3_bind_blob64(stmt, at, p->s.p, p->s.n, lives);
        if (rc != SQLITE_OK)
            return failed(c, rc, name);
    }
    return OK;
}

static enum err prepare_text(struct sqlite_conn *c, const char *name, const char *text,
                             unsigned params, sqlite3_stmt **ret_stmt)
{
    int rc = sqlite3_prepare_v3(c->db, text, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL);
    if (rc != SQLITE_OK)
        return failed(c, rc, name);
    must(sqlite3_bind_parameter_count(*ret_stmt) == (int)params);
    return OK;
}

static enum err prepare(struct sqlite_conn *c, unsigned sql, struct sqlite_query **ret_query)
{
    struct sqlite_query *q = &c->queries[sql];
    must(!q->base.open);
    if (q->stmt == NULL) {
        const struct sql_statement *s = store_statement(sql);
        enum err e = prepare_text(c, s->name, s->sqlite, s->params, &q->stmt);
        if (e != OK)
            return e;
        q->base.conn = &c->base;
        q->base.sql = sql;
    }
    *ret_query = q;
    return OK;
}

static enum err step_to_end(struct sqlite_conn *c, sqlite3_stmt *stmt, const char *name)
{
    int rc = SQLITE_ROW;
    while (rc == SQLITE_ROW)
        rc = sqlite3_step(stmt);
    return rc == SQLITE_DONE ? OK : failed(c, rc, name);
}

static void rest(struct sqlite_query *q)
{
    sqlite3_reset(q->stmt);
    sqlite3_clear_bindings(q->stmt);
}

static enum err run_now(struct sqlite_conn *c, unsigned sql, const struct store_param *params,
                        unsigned n)
{
    const char *name = store_statement(sql)->name;
    struct sqlite_query *q = NULL;
    enum err e = prepare(c, sql, &q);
    if (e != OK)
        return e;
    e = bind(c, q->stmt, name, params, n, SQLITE_STATIC);
    if (e == OK)
        e = step_to_end(c, q->stmt, name);
    rest(q);
    return e;
}

/* ---------------------------------------------------------------- rows by the hundred */

static void no_longer_waits(struct sqlite_conn *c, struct sqlite_query *q)
{
    struct sqlite_query **at = &c->waiting;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    q->next = NULL;
    store_rows_clear(q->rows);
}

/* As many as one statement takes. Their bytes are ours, so the bindings may stay. */
static enum err write_many(struct sqlite_conn *c, struct sqlite_query *q)
{
    const struct sql_statement *s = store_statement(q->base.sql);
    unsigned n = s->params * s->rows;
    enum err e = OK;
    if (q->many == NULL)
        e = prepare_text(c, s->name, s->many_rows, n, &q->many);
    if (e == OK)
        e = bind(c, q->many, s->name, q->rows->values, n, SQLITE_STATIC);
    if (e == OK)
        e = step_to_end(c, q->many, s->name);
    sqlite3_reset(q->many);
    no_longer_waits(c, q);
    return e;
}

/* What is left over, before anything that could see it or end the transaction. What fails fails the
 * transaction, whatever it was written in front of. */
static enum err write_waiting(struct sqlite_conn *c)
{
    enum err e = c->waiting != NULL ? c->base.broken : OK;
    while (c->waiting != NULL && e == OK) {
        struct sqlite_query *q = c->waiting;
        const struct store_rows *rows = q->rows;
        for (unsigned i = 0; i < rows->n && e == OK; i++)
            e = run_now(c, q->base.sql, store_rows_at(rows, i), rows->params);
        no_longer_waits(c, q);
    }
    if (e != OK)
        c->base.broken = e;
    return e;
}

static void drop_waiting(struct sqlite_conn *c)
{
    while (c->waiting != NULL)
        no_longer_waits(c, c->waiting);
}

static enum err gather(struct sqlite_conn *c, struct sqlite_query *q,
                       const struct store_param *params, unsigned n)
{
    if (!store_rows_add(q->rows, params, n)) {
        enum err e = write_waiting(c);
        if (e != OK)
            return e;
        if (!store_rows_add(q->rows, params, n))
            return run_now(c, q->base.sql, params, n);
    }
    if (q->rows->n == 1) {
        struct sqlite_query **at = &c->waiting;
        while (*at != NULL)
            at = &(*at)->next;
        *at = q;
    }
    return q->rows->n == q->rows->most ? write_many(c, q) : OK;
}

static enum err sqlite_put(struct store_conn *conn, unsigned sql, const struct store_param *params,
                           unsigned n)
{
    struct sqlite_conn *c = of(conn);
    const struct sql_statement *s = store_statement(sql);
    struct sqlite_query *q = NULL;
    if (s->rows == 0) {
        enum err e = write_waiting(c);
        return e == OK ? run_now(c, sql, params, n) : e;
    }
    enum err e = prepare(c, sql, &q);
    if (e != OK)
        return e;
    if (q->rows == NULL)
        q->rows = store_rows_new(s);
    return gather(c, q, params, n);
}

/* ---------------------------------------------------------------- transactions */

static enum err say_word(struct sqlite_conn *c, enum word w)
{
    int rc = SQLITE_OK;
    if (c->word[w] == NULL)
        rc = sqlite3_prepare_v3(c->db, words[w], -1, SQLITE_PREPARE_PERSISTENT, &c->word[w], NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(c->word[w]);
        enum err e = rc == SQLITE_DONE ? OK : failed(c, rc, words[w]);
        sqlite3_reset(c->word[w]);
        return e;
    }
    return failed(c, rc, words[w]);
}

static enum err sqlite_begin(struct store_conn *conn)
{
    must(of(conn)->waiting == NULL);
    conn->broken = OK;
    conn->aborted = false;
    return say_word(of(conn), conn->role == STORE_WRITER ? BEGIN_WRITE : BEGIN_READ);
}

static void sqlite_rollback(struct store_conn *conn)
{
    must(conn->queries == 0);
    drop_waiting(of(conn));
    if (!sqlite3_get_autocommit(of(conn)->db) && say_word(of(conn), ROLLBACK) != OK &&
        !sqlite3_get_autocommit(of(conn)->db))
        store_die("a transaction cannot be rolled back: %s", conn->why);
    conn->broken = OK;
    conn->aborted = false;
}

static enum err sqlite_commit(struct store_conn *conn)
{
    must(conn->queries == 0);
    enum err e = conn->broken != OK ? conn->broken : write_waiting(of(conn));
    if (e == OK) {
        store_fault_here(STORE_FAULT_COMMIT_BEFORE);
        e = say_word(of(conn), COMMIT);
        if (e == OK)
            store_fault_here(STORE_FAULT_COMMIT_AFTER);
    }
    if (e != OK)
        sqlite_rollback(conn);
    return e;
}

static enum err sqlite_mark(struct store_conn *conn)
{
    enum err e = write_waiting(of(conn));
    return e == OK ? say_word(of(conn), MARK) : e;
}

static enum err sqlite_mark_keep(struct store_conn *conn)
{
    enum err e = write_waiting(of(conn));
    return e == OK ? say_word(of(conn), MARK_KEEP) : e;
}

static enum err sqlite_mark_back(struct store_conn *conn)
{
    drop_waiting(of(conn));
    if (conn->aborted)
        return conn->broken != OK ? conn->broken : ERR_STORE;
    enum err e = say_word(of(conn), MARK_BACK);
    return e == OK ? say_word(of(conn), MARK_KEEP) : e;
}

static enum err sqlite_exec(struct store_conn *conn, const char *text)
{
    struct sqlite_conn *c = of(conn);
    enum err e = write_waiting(c);
    if (e != OK)
        return e;
    int rc = sqlite3_exec(c->db, text, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return OK;
    e = failed(c, rc, "schema");
    if (conn->role == STORE_WRITER && !sqlite3_get_autocommit(c->db))
        conn->broken = e;
    return e;
}

static enum err sqlite_soften(struct store_conn *conn, bool soft)
{
    return sqlite_exec(conn, soft ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL");
}

/* One number that a PRAGMA or SELECT gives. */
static enum err number(struct sqlite_conn *c, const char *text, int64_t *ret_n)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, text, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    enum err e = rc == SQLITE_ROW ? OK : failed(c, rc, "the database cannot be read");
    if (e == OK)
        *ret_n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return e;
}

static enum err sqlite_stamp(struct store_conn *conn, int version)
{
    char text[64];
    snprintf(text, sizeof(text), "PRAGMA user_version = %d", version);
    return sqlite_exec(conn, text);
}

static enum err sqlite_has_table(struct store_conn *conn, const char *table, bool *ret_there)
{
    char text[160];
    int64_t n = 0;
    snprintf(text, sizeof(text),
             "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '%s'", table);
    enum err e = number(of(conn), text, &n);
    if (e == OK)
        *ret_there = n != 0;
    return e;
}

/* ---------------------------------------------------------------- queries */

static enum err sqlite_start(struct store_conn *conn, unsigned sql,
                             const struct store_param *params, unsigned n,
                             struct store_query **ret_query)
{
    struct sqlite_conn *c = of(conn);
    struct sqlite_query *q = NULL;
    enum err e = write_waiting(c);
    if (e == OK)
        e = prepare(c, sql, &q);
    if (e != OK)
        return e;
    e = bind(c, q->stmt, store_statement(sql)->name, params, n, SQLITE_TRANSIENT);
    if (e != OK)
        return e;
    q->base.open = true;
    q->ended = false;
    *ret_query = &q->base;
    return OK;
}

static enum err sqlite_step(struct store_query *base)
{
    struct sqlite_query *q = (struct sqlite_query *)base;
    int rc = q->ended ? SQLITE_DONE : sqlite3_step(q->stmt);
    if (rc == SQLITE_ROW)
        return OK;
    q->ended = true;
    if (rc == SQLITE_DONE)
        return ERR_END;
    return failed(of(base->conn), rc, store_statement(base->sql)->name);
}

static void sqlite_finish(struct store_query *base)
{
    struct sqlite_query *q = (struct sqlite_query *)base;
    rest(q);
    base->open = false;
}

static enum err sqlite_run(struct store_conn *conn, unsigned sql, const struct store_param *params,
                           unsigned n, int64_t *ret_changed)
{
    struct sqlite_conn *c = of(conn);
    enum err e = write_waiting(c);
    if (e == OK)
        e = run_now(c, sql, params, n);
    if (e == OK)
        *ret_changed = sqlite3_changes64(c->db);
    return e;
}

static sqlite3_stmt *stmt_of(const struct store_query *q)
{
    return ((const struct sqlite_query *)q)->stmt;
}

static bool sqlite_is_null(const struct store_query *q, int column)
{
    return sqlite3_column_type(stmt_of(q), column) == SQLITE_NULL;
}

static int64_t sqlite_i64(const struct store_query *q, int column)
{
    return sqlite3_column_int64(stmt_of(q), column);
}

static struct str sqlite_str(const struct store_query *q, int column)
{
    const void *p = sqlite3_column_blob(stmt_of(q), column);
    int n = sqlite3_column_bytes(stmt_of(q), column);
    return p != NULL ? str_of(p, (size_t)n) : STR("");
}

/* ---------------------------------------------------------------- connections */

static int on_progress(void *arg)
{
    const struct store_conn *conn = arg;
    return conn->deadline_us != 0 && clock_mono_us() > conn->deadline_us;
}

/* SQLite's own waits grow to 100 ms; what the writer waits for is a checkpoint's last pages. */
static int on_busy(void *arg, int tries)
{
    struct sqlite_conn *c = arg;
    int64_t now_us = clock_mono_us();
    if (tries == 0)
        c->busy_since_us = now_us;
    if (now_us - c->busy_since_us > WRITER_WAIT_MS * US_PER_MS)
        return 0;
    store_breathe(&c->base);
    usleep(WRITER_LOOK_US);
    return 1;
}

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct store *store = arg;
    (void)db;
    (void)name;
    int before = atomic_exchange(&state_of(store)->wal_pages, pages);
    /* Once per so many pages, not per commit: the keeper may be at work already. */
    if (pages >= WAL_CHECKPOINT_PAGES &&
        (before > pages || before / WAL_CHECKPOINT_PAGES != pages / WAL_CHECKPOINT_PAGES))
        store_keep_soon(store);
    return SQLITE_OK;
}

static enum err set_up(struct sqlite_conn *c)
{
    static const char *const settings[STORE_ROLE__COUNT] = {
        [STORE_WRITER] = "PRAGMA cache_size = -4096;",
        [STORE_READER] = "PRAGMA cache_size = -1024; PRAGMA query_only = 1;",
        [STORE_KEEPER] = "PRAGMA cache_size = -256;",
    };
    static const int wait_ms[STORE_ROLE__COUNT] = {
        [STORE_WRITER] = WRITER_WAIT_MS,
        [STORE_READER] = READER_WAIT_MS,
        [STORE_KEEPER] = RESTART_WAIT_MS,
    };
    char text[64];
    sqlite3_busy_timeout(c->db, wait_ms[c->base.role]);
    enum err e = sqlite_exec(&c->base, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = 1;"
                                       "PRAGMA trusted_schema = 0; PRAGMA temp_store = MEMORY;"
                                       "PRAGMA mmap_size = 0; PRAGMA wal_autocheckpoint = 0;");
    if (e == OK)
        e = sqlite_exec(&c->base, settings[c->base.role]);
    if (e == OK && c->base.role == STORE_READER)
        sqlite3_progress_handler(c->db, PROGRESS_STEPS, on_progress, &c->base);
    if (e == OK && c->base.role == STORE_WRITER) {
        /* After a long reader the WAL shrinks back to this at its next start from the front. */
        snprintf(text, sizeof(text), "PRAGMA journal_size_limit = %d", WAL_LIMIT_BYTES);
        e = sqlite_exec(&c->base, text);
        sqlite3_wal_hook(c->db, on_wal, c->base.store);
        sqlite3_busy_handler(c->db, on_busy, c);
    }
    int keep = 1;
    sqlite3_file_control(c->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    return e;
}

static enum err say_readonly(const char *path, char why[STORE_WHY_MAX])
{
    return store_say(why, ERR_STORE_READONLY,
                     "%s cannot be written: make it, and the folder it lies in, writable for the "
                     "user that runs this program.",
                     path);
}

/* What the operator reads when it does not open. */
static enum err say_open(const char *path, enum err e, const char *what, char why[STORE_WHY_MAX])
{
    if (e == ERR_STORE_BUSY)
        return store_say(
            why, e, "The database %s is locked by another program: close what has it open.", path);
    if (e == ERR_STORE_READONLY)
        return say_readonly(path, why);
    if (e == ERR_STORE_FOREIGN)
        return store_say(why, e, "%s is not a database (%s). Nothing was changed.", path, what);
    if (e == ERR_CORRUPT)
        return store_say(why, e, "The database %s is damaged (%s): restore the last backup.", path,
                         what);
    if (e == ERR_STORE_FULL)
        return store_say(why, e, "The disk that holds %s is full: make room on it.", path);
    return store_say(why, e, "The database %s cannot be opened: %s.", path, what);
}

static void sqlite_disconnect(struct store_conn *conn)
{
    struct sqlite_conn *c = of(conn);
    for (size_t i = 0; i < WORD__COUNT; i++)
        sqlite3_finalize(c->word[i]);
    for (size_t i = 0; i < STORE_SQL_MAX; i++) {
        sqlite3_finalize(c->queries[i].stmt);
        sqlite3_finalize(c->queries[i].many);
        store_rows_free(&c->queries[i].rows);
    }
    must(sqlite3_close(c->db) == SQLITE_OK);
    mem_free(conn->ends);
    mem_free(c);
}

static enum err sqlite_connect(struct store *store, enum store_role role,
                               struct store_conn **ret_conn, char why[STORE_WHY_MAX])
{
    const char *path = state_of(store)->path;
    struct sqlite_conn *c = mem_zalloc(sizeof(*c));
    c->base.store = store;
    c->base.engine = &store_sqlite;
    c->base.role = role;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(path, &c->db, flags, NULL);
    enum err e = rc == SQLITE_OK ? set_up(c) : failed(c, rc, "open");
    if (e == OK) {
        *ret_conn = &c->base;
        return OK;
    }
    (void)say_open(path, e, c->base.why, why);
    sqlite_disconnect(&c->base);
    return e;
}

/* ---------------------------------------------------------------- is it ours? */

static enum err say_foreign(const char *path, const char *what, char why[STORE_WHY_MAX])
{
    return store_say(why, ERR_STORE_FOREIGN,
                     "%s %s. Nothing was changed; give the path of a Tollgate database, or of a "
                     "file that does not exist yet.",
                     path, what);
}

static bool folder_is_writable(const char *path)
{
    struct str dir = str_c(path);
    while (dir.n != 0 && dir.p[dir.n - 1] != '/')
        dir.n--;
    char *name = dir.n != 0 ? mem_dup(dir.p, dir.n) : mem_dup(".", 1);
    bool ok = faccessat(AT_FDCWD, name, W_OK | X_OK, AT_EACCESS) == 0;
    mem_free(name);
    return ok;
}

/* Opens our own handle and locks it. POSIX drops a process's locks on a file, SQLite's too, when
 * any handle of it is closed: so this one is closed when all of SQLite's are. */
static enum err open_own(struct store *store, struct sqlite_state *st, char why[STORE_WHY_MAX])
{
    const char *path = st->path;
    struct stat info;
    if (stat(path, &info) == 0) {
        if (!S_ISREG(info.st_mode))
            return say_foreign(path, "is not a file", why);
    } else if (errno == ENOENT && !store->options.may_create) {
        return store_say(why, ERR_NOT_FOUND, "The database %s does not exist.", path);
    } else if (errno != ENOENT) {
        return store_say(why, ERR_IO, "The database %s cannot be opened: %s.", path,
                         strerror(errno));
    }
    st->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (st->fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM))
        return say_readonly(path, why);
    if (st->fd < 0)
        return store_say(why, ERR_IO, "The database %s cannot be opened: %s.", path,
                         strerror(errno));
    if (!folder_is_writable(path))
        return say_readonly(path, why);
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = OWNER_BYTE, .l_len = 1};
    if (fcntl(st->fd, F_OFD_SETLK, &lock) != 0)
        return store_say(why, ERR_HOUSE_OWNED,
                         "The database %s is used by another house. Stop that one first, or give "
                         "another path.",
                         path);
    return OK;
}

static enum err look_at_header(struct sqlite_state *st, char why[STORE_WHY_MAX])
{
    static const char magic[16] = "SQLite format 3";
    char head[16];
    ssize_t n = pread(st->fd, head, sizeof(head), 0);
    if (n < 0)
        return store_say(why, ERR_IO, "The database %s cannot be read: %s.", st->path,
                         strerror(errno));
    if (n != 0 && (n != sizeof(head) || memcmp(head, magic, sizeof(head)) != 0))
        return say_foreign(st->path, "is not a database", why);
    return OK;
}

/* Inside SQLite: whose is it? An empty one becomes ours. */
static enum err look_inside(struct sqlite_conn *c, const char *path, char why[STORE_WHY_MAX])
{
    char text[64];
    int64_t id = 0, tables = 0;
    enum err e = number(c, "PRAGMA application_id", &id);
    if (e == OK)
        e = number(c, "SELECT count(*) FROM sqlite_schema", &tables);
    if (e != OK)
        return e;
    if (id != APPLICATION_ID && (id != 0 || tables != 0))
        return say_foreign(path, "is a database of another program", why);
    if (sqlite3_db_readonly(c->db, "main") == 1)
        return say_readonly(path, why);
    if (id == 0) {
        snprintf(text, sizeof(text), "PRAGMA application_id = %d", APPLICATION_ID);
        e = sqlite_exec(&c->base, text);
    }
    return e == OK ? sqlite_exec(&c->base, "PRAGMA journal_mode = WAL") : e;
}

static enum err attach_in(struct store *store, struct sqlite_state *st, char why[STORE_WHY_MAX])
{
    struct store_conn *probe = NULL;
    enum err e = open_own(store, st, why);
    if (e == OK)
        e = look_at_header(st, why);
    if (e == OK)
        e = sqlite_connect(store, STORE_KEEPER, &probe, why);
    if (e == OK) {
        e = look_inside(of(probe), st->path, why);
        if (e != OK && why[0] == '\0')
            (void)say_open(st->path, e, probe->why, why);
        if (e != OK)
            sqlite_disconnect(probe);
    }
    if (e != OK)
        return e;
    st->keeper = of(probe);
    char path[600];
    int n = snprintf(path, sizeof(path), "%s-redo", st->path);
    if (n < 0 || (size_t)n >= sizeof(path))
        return store_say(why, ERR_INVALID_REQUEST, "The database's path is too long.");
    return store_redo_open(path, &store->redo, why);
}

/* Nobody reads how much memory SQLite has in use; counting it is a mutex around each allocation. */
static void do_not_count(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static enum err sqlite_attach(struct store *store, char why[STORE_WHY_MAX])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, do_not_count);
    struct sqlite_state *st = mem_zalloc(sizeof(*st));
    store->engine_state = st;
    st->path = mem_dup(store->url + strlen("sqlite:"), strlen(store->url) - strlen("sqlite:"));
    st->fd = -1;
    snprintf(store->name, sizeof(store->name), "database %s", st->path);
    if (st->path[0] == '\0')
        return store_say(why, ERR_INVALID_REQUEST,
                         "The database's address has no path: write sqlite:PATH.");
    return attach_in(store, st, why);
}

static void sqlite_detach(struct store *store)
{
    struct sqlite_state *st = state_of(store);
    store_redo_close(&store->redo);
    if (st->keeper != NULL)
        sqlite_disconnect(&st->keeper->base);
    if (st->fd >= 0)
        close(st->fd);
    mem_free(st->path);
    mem_free(st);
    store->engine_state = NULL;
}

/* ---------------------------------------------------------------- checkpoints */

static void sqlite_sync(struct store *store)
{
    sqlite3 *db = state_of(store)->keeper->db;
    sqlite3_file *wal = NULL;
    int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
    if (rc == SQLITE_OK && wal != NULL && wal->pMethods != NULL)
        rc = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
    if (rc != SQLITE_OK)
        store_die("fsync of the database failed; nothing can be relied on, so it ends");
}

static int64_t sqlite_keep(struct store *store)
{
    struct sqlite_state *st = state_of(store);
    sqlite3 *db = st->keeper->db;
    int in_log = 0, done = 0;
    uint64_t mark = store_redo_mark(store->redo);
    int pages = atomic_load(&st->wal_pages);
    if (pages == 0 || pages == st->kept_pages)
        return 5 * US_PER_S;
    int rc = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &done);
    if (rc != SQLITE_OK || in_log != done)
        sqlite_sync(store);
    store_redo_release(store->redo, mark);
    if (rc == SQLITE_OK && in_log >= WAL_RESTART_PAGES) {
        /* Under load the writer is always ahead. The first round was long, the second copies what
         * came meanwhile, so that the third, which keeps the writer waiting, has next to nothing
         * left. It fails when a reader still needs the WAL, and comes again. */
        (void)sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &done);
        rc = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_RESTART, &in_log, &done);
    }
    enum err e = rc == SQLITE_OK ? OK : err_of(db, rc);
    if (e == ERR_STORE_FULL)
        atomic_store(&store->no_room, true);
    st->kept_pages = e == OK && in_log == done ? pages : 0;
    return st->kept_pages != 0 ? 5 * US_PER_S : US_PER_S;
}

static int64_t sqlite_wal_bytes(const struct store *store)
{
    return (int64_t)atomic_load(&state_of(store)->wal_pages) * (PAGE + 24);
}

/* ---------------------------------------------------------------- copies */

/* The backup API from inside a read transaction: one snapshot, however long it takes. */
static enum err copy_to(struct sqlite_conn *from, const char *file)
{
    sqlite3 *to = NULL;
    int rc = sqlite3_open_v2(file, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    enum err e = rc == SQLITE_OK ? OK : ERR_STORE;
    if (e == OK)
        e = say_word(from, BEGIN_READ);
    if (e == OK) {
        sqlite3_backup *b = sqlite3_backup_init(to, "main", from->db, "main");
        rc = b != NULL ? SQLITE_OK : sqlite3_errcode(to);
        while (b != NULL && rc == SQLITE_OK)
            rc = sqlite3_backup_step(b, 1024);
        if (b != NULL)
            sqlite3_backup_finish(b);
        e = rc == SQLITE_DONE ? OK : err_of(to, rc);
        (void)say_word(from, ROLLBACK);
    }
    /* A copy of a WAL database is one too: as a plain file it needs no company. */
    if (e == OK && sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK)
        e = ERR_STORE;
    if (e != OK)
        (void)store_say(from->base.why, e, "%s", sqlite3_errmsg(to));
    sqlite3_close(to);
    return e;
}

static enum err sqlite_dump(struct store *store, const char *file, char why[STORE_WHY_MAX])
{
    struct store_conn *conn = NULL;
    enum err e = sqlite_connect(store, STORE_READER, &conn, why);
    if (e != OK)
        return e;
    e = copy_to(of(conn), file);
    if (e != OK)
        (void)store_say(why, e, "The database cannot be copied to %s: %s.", file, conn->why);
    sqlite_disconnect(conn);
    return e;
}

static enum err check_copy(struct store *store, const char *file, char why[STORE_WHY_MAX])
{
    struct sqlite_conn c = {.base = {.store = store, .role = STORE_KEEPER}};
    int64_t id = 0, faults = 0;
    int rc = sqlite3_open_v2(file, &c.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL);
    enum err e = rc == SQLITE_OK ? OK : failed(&c, rc, "open");
    if (e == OK)
        e = number(&c, "PRAGMA application_id", &id);
    if (e == OK)
        e = number(&c, "SELECT count(*) FROM pragma_quick_check WHERE quick_check <> 'ok'",
                   &faults);
    if (e == OK && (id != APPLICATION_ID || faults != 0))
        e = ERR_CORRUPT;
    if (e != OK)
        (void)store_say(why, e, "The database in the backup is damaged.");
    sqlite3_close(c.db);
    return e;
}

/* The file takes the place of the empty database. */
static enum err sqlite_load(struct store *store, const char *file, char why[STORE_WHY_MAX])
{
    struct sqlite_state *st = state_of(store);
    static const char *const tails[] = {"-wal", "-shm", "-redo"};
    enum err e = check_copy(store, file, why);
    if (e != OK)
        return e;
    sqlite_disconnect(&st->keeper->base);
    st->keeper = NULL;
    store_redo_close(&store->redo);
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        char path[600];
        int n = snprintf(path, sizeof(path), "%s%s", st->path, tails[i]);
        if (n > 0 && (size_t)n < sizeof(path))
            unlink(path);
    }
    if (rename(file, st->path) != 0)
        return store_say(why, ERR_IO, "%s cannot be put in place: %s.", st->path, strerror(errno));
    return store_dir_sync(st->path, why);
}

const struct store_engine store_sqlite = {
    .name = "sqlite",
    .attach = sqlite_attach,
    .detach = sqlite_detach,
    .connect = sqlite_connect,
    .disconnect = sqlite_disconnect,
    .stamp = sqlite_stamp,
    .has_table = sqlite_has_table,
    .exec = sqlite_exec,
    .soften = sqlite_soften,
    .sync = sqlite_sync,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .mark = sqlite_mark,
    .mark_keep = sqlite_mark_keep,
    .mark_back = sqlite_mark_back,
    .start = sqlite_start,
    .run = sqlite_run,
    .put = sqlite_put,
    .step = sqlite_step,
    .finish = sqlite_finish,
    .is_null = sqlite_is_null,
    .i64 = sqlite_i64,
    .str = sqlite_str,
    .keep = sqlite_keep,
    .wal_bytes = sqlite_wal_bytes,
    .dump = sqlite_dump,
    .load = sqlite_load,
};

/* Connections to the embedded database, and its checkpoints.
 *
 * A commit is one append to the WAL and one fdatasync; a soft one has no fdatasync, since the
 * redo log has what it holds. The WAL is written over in place as long as checkpoints keep up.
 * They run on the keeper's thread, which also makes durable what was committed softly, so that
 * the redo log gets its room back. */
#include "store/redo.h"
#include "store/sqlite.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <unistd.h>

#define PAGE 4096
/* A checkpoint per 128 KiB of WAL: what it flushes, the redo log's next write waits for. The
 * writer starts over from 8 MiB on. */
#define WAL_CHECKPOINT_PAGES 32
#define WAL_RESTART_PAGES 2048
/* What is kept of the log's file: as much as it grows to between two restarts under load, so that
 * commits overwrite it in place; cutting and growing it again costs each of them a second flush. */
#define WAL_LIMIT_BYTES (16 * 1024 * 1024)
/* A restart holds the writer's lock while it copies what is left and waits for readers: never for
 * long. More than so much is left while a reader needs what is older: it could only fail. */
#define RESTART_LEFT_PAGES 256
#define RESTART_WAIT_MS 10
#define WRITER_WAIT_MS 2000
#define WRITER_LOOK_US 200
#define READER_WAIT_MS 1000
#define PROGRESS_STEPS 20000

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
    int before = atomic_exchange(&sqlite_state_of(store)->wal_pages, pages);
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

enum err sqlite_say_readonly(const char *path, char why[STORE_WHY_MAX])
{
    return store_say(why, ERR_STORE_READONLY,
                     "%s cannot be written: make it, and the folder it lies in, writable for the "
                     "user that runs this program.",
                     path);
}

/* What the operator reads when it does not open. */
enum err sqlite_say_open(const char *path, enum err e, const char *what, char why[STORE_WHY_MAX])
{
    if (e == ERR_STORE_BUSY)
        return store_say(
            why, e, "The database %s is locked by another program: close what has it open.", path);
    if (e == ERR_STORE_READONLY)
        return sqlite_say_readonly(path, why);
    if (e == ERR_STORE_FOREIGN)
        return store_say(why, e, "%s is not a database (%s). Nothing was changed.", path, what);
    if (e == ERR_CORRUPT)
        return store_say(why, e, "The database %s is damaged (%s): restore the last backup.", path,
                         what);
    if (e == ERR_STORE_FULL)
        return store_say(why, e, "The disk that holds %s is full: make room on it.", path);
    return store_say(why, e, "The database %s cannot be opened: %s.", path, what);
}

void sqlite_disconnect(struct store_conn *conn)
{
    struct sqlite_conn *c = sqlite_of(conn);
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

enum err sqlite_connect(struct store *store, enum store_role role, struct store_conn **ret_conn,
                        char why[STORE_WHY_MAX])
{
    const char *path = sqlite_state_of(store)->path;
    struct sqlite_conn *c = mem_zalloc(sizeof(*c));
    c->base.store = store;
    c->base.engine = &store_sqlite;
    c->base.role = role;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(path, &c->db, flags, NULL);
    enum err e = rc == SQLITE_OK ? set_up(c) : sqlite_failed(c, rc, "open");
    if (e == OK) {
        *ret_conn = &c->base;
        return OK;
    }
    (void)sqlite_say_open(path, e, c->base.why, why);
    sqlite_disconnect(&c->base);
    return e;
}

/* ---------------------------------------------------------------- checkpoints */

void sqlite_sync(struct store *store)
{
    sqlite3 *db = sqlite_state_of(store)->keeper->db;
    sqlite3_file *wal = NULL;
    int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
    if (rc == SQLITE_OK && wal != NULL && wal->pMethods != NULL)
        rc = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
    if (rc != SQLITE_OK)
        store_die("fsync of the database failed; nothing can be relied on, so it ends");
}

int64_t sqlite_keep(struct store *store)
{
    struct sqlite_state *st = sqlite_state_of(store);
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
    /* Under load the writer is always ahead. The first round was long, the second copies what came
     * meanwhile, so that the third, which keeps the writer waiting, has next to nothing left. */
    if (rc == SQLITE_OK && in_log >= WAL_RESTART_PAGES)
        rc = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &done);
    if (rc == SQLITE_OK && in_log >= WAL_RESTART_PAGES && in_log - done <= RESTART_LEFT_PAGES)
        rc = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_RESTART, &in_log, &done);
    enum err e = rc == SQLITE_OK ? OK : sqlite_err_of(db, rc);
    if (e == ERR_STORE_FULL)
        atomic_store(&store->no_room, true);
    st->kept_pages = e == OK && in_log == done ? pages : 0;
    return st->kept_pages != 0 ? 5 * US_PER_S : US_PER_S;
}

int64_t sqlite_wal_bytes(const struct store *store)
{
    return (int64_t)atomic_load(&sqlite_state_of(store)->wal_pages) * (PAGE + 24);
}

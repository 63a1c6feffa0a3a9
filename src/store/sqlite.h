/* The embedded engine's inside: what its three files share. Inside this room only.
 *
 * Owns: nothing; the shapes of a connection, a cached statement, and the engine's own state.
 * Needs: engine.h, SQLite.
 * Threads: as engine.h says; wal_pages is the writer's to set and anyone's to read.
 * Memory: statements are prepared at their first use and kept with their connection.
 * Units: pages of 4096 bytes.
 * Errors: as engine.h says; the words are in the connection's why.
 * Always: a failed fsync ends the process. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "store/engine.h"
#include "store/rows.h"

#include <sqlite3.h>

struct sqlite_query {
    struct store_query base;
    sqlite3_stmt *stmt;
    bool ended; /* SQLite would begin anew */
    /* Of a statement that is put by the hundred, from its first put on. */
    sqlite3_stmt *many;
    struct store_rows *rows;
    struct sqlite_query *next; /* whose first row came behind ours */
};

enum sqlite_word {
    WORD_BEGIN_WRITE,
    WORD_BEGIN_READ,
    WORD_COMMIT,
    WORD_ROLLBACK,
    WORD_MARK,
    WORD_MARK_KEEP,
    WORD_MARK_BACK,
    WORD__COUNT
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
    int fd; /* our own, for the lock; closed last, see open_own */
    struct sqlite_conn *keeper;
    _Atomic int wal_pages;
    int kept_pages;
};

static inline struct sqlite_conn *sqlite_of(struct store_conn *conn)
{
    return (struct sqlite_conn *)conn;
}

static inline struct sqlite_state *sqlite_state_of(const struct store *store)
{
    return store->engine_state;
}

/* ---- sqlite.c: statements and transactions ---- */
/* What a result of SQLite means to the house. */
MUST enum err sqlite_err_of(sqlite3 *db, int rc);
/* The same, with the words for it: "WHAT: ...". */
enum err sqlite_failed(struct sqlite_conn *c, int rc, const char *what);
MUST enum err sqlite_begin(struct store_conn *conn);
void sqlite_rollback(struct store_conn *conn);
MUST enum err sqlite_exec(struct store_conn *conn, const char *text);
/* One number that a PRAGMA or SELECT gives. */
MUST enum err sqlite_number(struct sqlite_conn *c, const char *text, int64_t *ret_n);

/* ---- sqlite_conn.c: connections and checkpoints ---- */
MUST enum err sqlite_connect(struct store *store, enum store_role role,
                             struct store_conn **ret_conn, char why[STORE_WHY_MAX]);
void sqlite_disconnect(struct store_conn *conn);
/* What the operator reads when a database does not open, or cannot be written. */
enum err sqlite_say_open(const char *path, enum err e, const char *what, char why[STORE_WHY_MAX]);
enum err sqlite_say_readonly(const char *path, char why[STORE_WHY_MAX]);
void sqlite_sync(struct store *store);
int64_t sqlite_keep(struct store *store);
int64_t sqlite_wal_bytes(const struct store *store);

/* ---- sqlite_file.c: the file as a whole ---- */
MUST enum err sqlite_attach(struct store *store, char why[STORE_WHY_MAX]);
void sqlite_detach(struct store *store);
MUST enum err sqlite_dump(struct store *store, const char *file, char why[STORE_WHY_MAX]);
MUST enum err sqlite_load(struct store *store, const char *file, char why[STORE_WHY_MAX]);

#endif

/* What an engine is to the rest of the store. Inside this room only.
 *
 * Owns: nothing; the shapes of connections, queries and engines.
 * Needs: store.h.
 * Threads: a connection is used by one thread at a time; attach and detach by the one that opens
 * and closes the house.
 * Memory: a query belongs to its connection's statement cache, so that the steady state allocates
 * nothing.
 * Units: µs.
 * Errors: as store.h says; an engine puts the words into conn->why.
 * Always: a failed fsync ends the process (store_die); after an error inside a write transaction
 * nothing more is done in it, on both engines alike. */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include "store/store.h"

#include <stdatomic.h>

/* Statements of tests come behind the generated ones. */
#define STORE_SQL_EXTRA 16
#define STORE_SQL_MAX (SQL__COUNT + STORE_SQL_EXTRA)
#define STORE_PARAMS_MAX 32

enum store_role {
    STORE_WRITER, /* the one that writes */
    STORE_READER, /* a snapshot, read-only */
    STORE_KEEPER, /* checkpoints, locks, backups */
    STORE_ROLE__COUNT
};

enum store_kind { STORE_INT, STORE_TEXT, STORE_BYTES, STORE_KIND__COUNT };

struct store_param {
    enum store_kind kind;
    bool null;
    int64_t i;
    struct str s;
};

struct store_query {
    struct store_conn *conn;
    unsigned sql;
    bool open;
};

struct store_end {
    void (*fn)(void *arg, bool committed);
    void *arg;
};

struct store_engine;

struct store_conn {
    struct store *store;
    const struct store_engine *engine;
    enum store_role role;
    enum err broken; /* what failed first in this write transaction */
    bool aborted; /* the database itself rolled the transaction back */
    unsigned queries; /* open now */
    int64_t deadline_us; /* readers: mono time at which queries are refused; 0: none */
    struct store_end *ends;
    size_t ends_n, ends_cap;
    char why[STORE_WHY_MAX];
};

struct store_engine {
    const char *name;
    /* Looks at the database and makes sure that it is ours, or empty. */
    enum err (*attach)(struct store *store, char why[STORE_WHY_MAX]);
    void (*detach)(struct store *store);
    enum err (*connect)(struct store *store, enum store_role role, struct store_conn **ret_conn,
                        char why[STORE_WHY_MAX]);
    void (*disconnect)(struct store_conn *conn);
    /* After migrating: the version where other tools look for it. */
    enum err (*stamp)(struct store_conn *conn, int version);
    /* Does the table exist? */
    enum err (*has_table)(struct store_conn *conn, const char *table, bool *ret_there);
    /* Statements without parameters and rows. */
    enum err (*exec)(struct store_conn *conn, const char *text);
    /* Soft: commits of the writer are ordered, but durable only with the next that is not soft, or
     * by `sync`. NULL: the engine has none, and needs no redo log. */
    enum err (*soften)(struct store_conn *conn, bool soft);
    /* What was committed before the call is durable. On the keeper's thread, or when it has ended.
     * A failed fsync ends the process. */
    void (*sync)(struct store *store);
    enum err (*begin)(struct store_conn *conn);
    enum err (*commit)(struct store_conn *conn);
    void (*rollback)(struct store_conn *conn);
    /* One savepoint at a time. */
    enum err (*mark)(struct store_conn *conn);
    enum err (*mark_keep)(struct store_conn *conn);
    enum err (*mark_back)(struct store_conn *conn);
    enum err (*start)(struct store_conn *conn, unsigned sql, const struct store_param *params,
                      unsigned n, struct store_query **ret_query);
    enum err (*run)(struct store_conn *conn, unsigned sql, const struct store_param *params,
                    unsigned n, int64_t *ret_changed);
    /* Without waiting where the engine can; the outcome comes at the latest with the commit. What
     * was put is there for all that follows but other puts. */
    enum err (*put)(struct store_conn *conn, unsigned sql, const struct store_param *params,
                    unsigned n);
    enum err (*step)(struct store_query *q);
    void (*finish)(struct store_query *q);
    bool (*is_null)(const struct store_query *q, int column);
    int64_t (*i64)(const struct store_query *q, int column);
    struct str (*str)(const struct store_query *q, int column);
    /* The keeper's round: checkpoints, is the lock still ours. Returns µs until the next one. */
    int64_t (*keep)(struct store *store);
    int64_t (*wal_bytes)(const struct store *store);
    /* The whole database, consistent, into a new file; and back into an empty one. */
    enum err (*dump)(struct store *store, const char *file, char why[STORE_WHY_MAX]);
    enum err (*load)(struct store *store, const char *file, char why[STORE_WHY_MAX]);
};

extern const struct store_engine store_sqlite;
extern const struct store_engine store_postgres;

struct store_writer;
struct store_pool;

#define STORE_SECRETS 2

struct store {
    const struct store_engine *engine;
    void *engine_state;
    char *url, *data_dir;
    struct store_options options; /* url and data_dir point to ours */
    int lock_fd;
    int version;
    char name[256]; /* for words: "database PATH" */
    char epoch[33]; /* this ownership of the house, as its table has it */
    struct store_pool *pool;
    struct store_writer *writer;
    struct store_keeper *keeper;
    struct store_redo *redo; /* NULL: every commit is durable of itself */
    uint8_t secrets[STORE_SECRETS][32];
    /* Of the writer; any thread reads them. */
    _Atomic bool full;
    /* The keeper found no room for a checkpoint: the writer makes some. */
    _Atomic bool no_room;
};

/* ---- store.c ---- */
/* A house that is not open yet; NULL when the address names no engine. */
struct store *store_new(const struct store_options *options, char why[STORE_WHY_MAX]);
void store_free(struct store *store);
/* Fills why as printf does, and gives e back. */
enum err store_say(char why[STORE_WHY_MAX], enum err e, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* For what cannot be gone on from: says it on standard error and aborts. */
NORETURN void store_die(const char *fmt, ...) PRINTF_LIKE(1, 2);
const struct sql_statement *store_statement(unsigned sql);
/* Tests: a statement behind the generated ones. */
unsigned store_statement_extra(unsigned slot, const struct sql_statement *statement);
/* The keeper thread's next round comes now. Any thread. */
void store_keep_soon(struct store *store);

/* ---- house.c: the data directory and what lies in it ---- */
MUST enum err store_house_take(struct store *store, char why[STORE_WHY_MAX]);
void store_house_leave(struct store *store);
/* Reads both secrets; makes them in a house that has none. conn has a write transaction open. */
MUST enum err store_house_secrets(struct store *store, struct store_conn *conn,
                                  char why[STORE_WHY_MAX]);
extern const char *const store_secret_names[STORE_SECRETS];
/* data_dir/name; false when that is too long. */
bool store_path(const struct store *store, const char *name, char *path, size_t cap);
/* A new file of mode 0600 with these bytes, durable together with its name. */
MUST enum err store_file_write(const char *path, struct str bytes, char why[STORE_WHY_MAX]);
/* fsync of the folder that holds path. */
MUST enum err store_dir_sync(const char *path, char why[STORE_WHY_MAX]);

/* ---- migrate.c ---- */
MUST enum err store_migrate(struct store *store, struct store_conn *conn, int64_t wall_us,
                            char why[STORE_WHY_MAX]);
/* Only what is numbered up to `last` (restoring). */
MUST enum err store_migrate_to(struct store *store, struct store_conn *conn, int last,
                               int64_t wall_us, char why[STORE_WHY_MAX]);

/* ---- writer.c ---- */
struct store_writer *store_writer_new(struct store *store, struct store_conn *conn);
/* Ends after what is queued. */
void store_writer_free(struct store_writer **writer);
void store_writer_counts(const struct store_writer *writer, struct store_counts *counts);
/* Runs what was said at store_on_end from index `from` on. */
void store_conn_ended(struct store_conn *conn, size_t from, bool committed);

/* ---- ballast.c: a file that keeps room for settlements ---- */
struct store_ballast {
    char path[512];
    size_t bytes; /* 0: none */
    bool there;
};
void store_ballast_init(struct store_ballast *b, const struct store *store);
/* Takes the room, in truth (written, not promised). ERR_STORE_FULL when there is too little. */
MUST enum err store_ballast_take(struct store_ballast *b);
void store_ballast_spend(struct store_ballast *b);

#endif

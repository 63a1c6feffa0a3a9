/* The house's database: one small interface, two engines (SQLite, PostgreSQL).
 *
 * Owns: the connections, the lock on the house, the writer thread, the ballast file.
 * Needs: base; generated sql.h (statements of src/store/sql/ by number, migrations).
 * Threads: a store_conn is used by one thread at a time. Everything is written by the one writer
 * thread; readers have connections of their own. Blocking: never on a loop.
 * Memory: column values live until the next step or the end of the query.
 * Units: µs, bytes; money as nano in bigint.
 * Errors: STORE (the database said no; store_why tells), STORE_BUSY, STORE_FULL, STORE_READONLY,
 * STORE_FOREIGN, STORE_NEWER, HOUSE_OWNED, CONFLICT (a unique or foreign key, or a check), END
 * (no more rows).
 * Always: a write is durable (fsync) when its call returns OK; a failed fsync ends the process. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include "sql.h"

struct store;
struct store_conn;
struct store_query;

#define STORE_WHY_MAX 512

struct store_options {
    const char *url; /* "sqlite:PATH" or "postgresql://…" */
    const char
        *data_dir; /* made with mode 0700 when missing; holds lock, ballast, socket, secrets */
    size_t readers_max; /* connections for readers: 8 */
    size_t ballast_bytes; /* 16 MiB; 0: none */
    bool may_create; /* else a missing database is ERR_NOT_FOUND */
};

/* Opens, takes the house's lock (ERR_HOUSE_OWNED when another process has it), checks that the
 * database is ours and not newer, migrates it, starts the writer. ret_why gets the words. */
MUST enum err store_open(const struct store_options *options, struct store **ret_store,
                         char ret_why[STORE_WHY_MAX]);
/* Ends the writer after what is queued, releases the lock. */
void store_close(struct store **store);
bool store_is_postgres(const struct store *store);
const char *store_data_dir(const struct store *store);
/* Number of the newest migration applied. */
int store_version(const struct store *store);

/* Readers: borrowed from a pool (waits at most 5 s, then STORE_BUSY). Each sees a consistent
 * snapshot from its first query to store_reader_end. */
MUST enum err store_reader_begin(struct store *store, struct store_conn **ret_conn);
/* The same for longer than the 60 s that a reader normally has, then its queries are STORE_BUSY
 * (most_us 0: no bound; for the proofs of verbs, not for requests). */
MUST enum err store_reader_begin_for(struct store *store, int64_t most_us,
                                     struct store_conn **ret_conn);
void store_reader_end(struct store_conn **conn);

/* Queries. One at a time per statement and connection (other statements may run while one is open);
 * all are finished before the transaction ends. After an error in a write transaction everything
 * else in it fails with the same error, on both engines: write ON CONFLICT, don't try.
 * Parameters in order $1, $2, … by the characters of `types`, the same at each call of a statement
 * but for the case:  i int64_t,  n struct nano,  t struct str (text),  b struct str (bytes),
 * I const int64_t *, T and B struct str: NULL when the pointer is NULL. */
MUST enum err store_start(struct store_conn *conn, enum sql_id sql, struct store_query **ret_query,
                          const char *types, ...);
/* OK: a row is there; ERR_END: none left. */
MUST enum err store_step(struct store_query *q);
/* Always, also after errors; NULL is fine. */
void store_finish(struct store_query **q);
bool store_is_null(const struct store_query *q, int column);
int64_t store_i64(const struct store_query *q, int column);
struct nano store_nano(const struct store_query *q, int column);
/* Text or bytes; empty for NULL. */
struct str store_str(const struct store_query *q, int column);
/* Runs to the end; ret_changed (may be NULL) gets the number of rows changed. */
MUST enum err store_run(struct store_conn *conn, enum sql_id sql, int64_t *ret_changed,
                        const char *types, ...);
/* In a write transaction, for rows by the hundred: like store_run, but nobody waits for the outcome
 * of this one (PostgreSQL gets them in a pipeline). What fails makes the later calls and the commit
 * fail. Statements that say "-- rows:" are kept, as copies, until SQLite gets several rows at once,
 * or anything else is asked, which finds them written. Rows of one such statement are written in
 * the order of their puts; between two such statements there is no order, so neither may need the
 * other's rows (no foreign key between their tables). */
void store_put(struct store_conn *conn, enum sql_id sql, const char *types, ...);
/* Words about the last error of this connection, for the operator. */
const char *store_why(const struct store_conn *conn);

/* ---- writing ---- */
typedef enum err (*store_write_f)(struct store_conn *conn, void *arg);
/* Runs fn on the writer thread inside a transaction, between two batches; waits for the commit.
 * An error of fn rolls back and is returned. Never call it from the writer thread or a loop. */
MUST enum err store_write(struct store *store, store_write_f fn, void *arg);
/* The same without waiting: done(arg, err) is called on the writer thread after the commit. */
void store_write_later(struct store *store, store_write_f fn, void (*done)(void *arg, enum err e),
                       void *arg);
/* Inside fn: called on the writer thread once this transaction is durable (or rolled back). */
void store_on_end(struct store_conn *conn, void (*fn)(void *arg, bool committed), void *arg);

/* The batch source: the ledger's journal. All on the writer thread, except store_poke. While the
 * disk is full only batches are written: control writes are refused.
 *
 * With a redo log (SQLite) a batch is packed into one entry, which is durable with one write of
 * that log; the tables get what has gathered when it is `due`, and before each control write.
 * Without (PostgreSQL) each batch is packed and written in a transaction of its own. */
struct store_source {
    /* Does anything wait to be packed? */
    bool (*pending)(void *arg);
    /* Packs it: the bytes live until `packed`. Empty: nothing was there. NULL: `write` does all. */
    struct str (*pack)(void *arg, size_t *ret_records);
    /* What was packed is durable. */
    void (*packed)(void *arg);
    /* Is it time for the tables? NULL: with every batch. */
    bool (*due)(void *arg);
    /* In a transaction: writes all that had been packed when it was called and is not in the tables
     * yet. Without `pack`: what is pending, and how many records it was. */
    enum err (*write)(void *arg, struct store_conn *conn, size_t *ret_records);
    /* That transaction is committed. */
    void (*committed)(void *arg);
    /* It was rolled back and will be tried again: e is STORE_FULL or STORE_BUSY (anything else ends
     * the process). */
    void (*failed)(void *arg, enum err e);
    void *arg;
};
/* Waits until the writer has it; NULL: none any more. Not from the writer thread. Before the first
 * one is set, what store_redo_each gives must be durable in the tables: it is forgotten then. */
void store_set_source(struct store *store, const struct store_source *source);
/* Are batches durable before the tables have them? */
bool store_has_redo(const struct store *store);
/* What the redo log had when the house was opened, entry by entry as they were packed, oldest first
 * (also such as the tables have already). Inside a write closure, before a source is set. */
MUST enum err store_redo_each(struct store_conn *conn, enum err (*fn)(void *arg, struct str entry),
                              void *arg);
/* Inside a source's `write`, now and then: a batch that waits is packed and made durable meanwhile,
 * so that no call waits for rows. What it was to write is what was packed before. */
void store_breathe(struct store_conn *conn);
/* From any thread: something is pending, or due. Cheap when the writer is awake. */
void store_poke(struct store *store);
/* True while the disk is full (the ballast is spent): new calls are refused. */
bool store_is_full(const struct store *store);

struct store_counts {
    uint64_t commits, records;
    int64_t commit_us_p50, commit_us_p99, commit_us_max;
    uint64_t queue; /* control writes that wait */
    int64_t wal_bytes;
};
struct store_counts store_counts(struct store *store);

/* ---- secrets of the house: data_dir/pepper and data_dir/seal, 32 bytes each, mode 0600, made on
 * the first start ---- */
MUST enum err store_secret(const struct store *store, const char *name, uint8_t ret_key[32],
                           char ret_why[STORE_WHY_MAX]);

/* ---- backup: one sealed file (database, pepper, seal) ---- */
/* Beside a running store, by its own reader. */
MUST enum err store_backup(struct store *store, const char *file, struct str passphrase,
                           char ret_why[STORE_WHY_MAX]);
/* Into an empty or missing house (ERR_CONFLICT otherwise), which no process owns. */
MUST enum err store_restore(const struct store_options *options, const char *file,
                            struct str passphrase, char ret_why[STORE_WHY_MAX]);

#endif

/* The ledger's own shapes. Inside this room only.
 *
 * Owns: nothing.  Needs: ledger.h, model.
 * Threads: each field says whose it is.
 * Memory, Units, Errors: as ledger.h says.
 * Always: bytes go one way: lane.own (loop) → lane.shared (lock) → lane.taken, body (writer). */
#ifndef LEDGER_INSIDE_H
#define LEDGER_INSIDE_H

#include "base/clock.h"
#include "base/crypto.h"
#include "ledger/model.h"

#include <pthread.h>

/* A row of the journal takes whole lanes until it is this long. */
#define LEDGER_ROW_BYTES ((size_t)8 << 20)
/* More than this in one turn of a lane: no new holds. */
#define LEDGER_LANE_BYTES ((size_t)64 << 20)
/* More records than this wait for the disk: no new holds. */
#define LEDGER_QUEUE_MAX 1000000
/* The tables are brought up when so many records wait for it, and so long after the first one. */
#define LEDGER_PROJECT_RECORDS 4096
#define LEDGER_PROJECT_US (10 * US_PER_MS)
/* Calls that ended lately, to refuse a second hold: two generations of this many, as 64-bit hashes
 * (that two ids share one is as likely as a guessed key). */
#define LEDGER_RECENT 8192
#define LEDGER_RECENT_SLOTS (2 * LEDGER_RECENT)
/* Bound of what one control operation, charge or limit may say: a billion dollars. */
#define LEDGER_MONEY_MAX (INT64_C(1000000000) * NANO_PER_USD)
#define LEDGER_NODE_MAX 32

struct ledger_lane {
    struct ledger *ledger;
    /* The loop's. */
    struct buf own;
    uint64_t count, flushed;
    /* Between them, under lock. */
    pthread_mutex_t lock;
    struct buf shared;
    uint64_t shared_count;
    bool closed;
    void (*wake)(void *arg);
    void *wake_arg;
    /* The writer's. */
    struct buf taken;
    uint64_t taken_count;
    struct ledger_lane *next; /* under ledger->lanes_lock */
    _Atomic uint64_t durable;
};

struct ledger {
    struct store *store;
    struct ledger_projector projector;
    struct ledger_watcher watcher;
    char node[LEDGER_NODE_MAX + 1];
    struct model *model;
    struct ledger_lane *recovery; /* for ledger_recover_… */
    pthread_mutex_t lanes_lock;
    struct ledger_lane *lanes;
    _Atomic uint64_t queue_records;
    _Atomic bool closing;
    /* ledger_settled_up: asked for, and done. */
    _Atomic uint64_t wanted;
    pthread_mutex_t served_lock;
    pthread_cond_t served_cond;
    uint64_t served;
    /* The ticker, a thread of our own: asks for a projection a while after the first record that
     * waits for one, as the store's writer sleeps without a time. Under served_lock. */
    pthread_t ticker;
    pthread_cond_t tick_cond;
    bool tick, tick_stop;
    /* The writer's. */
    struct buf rows; /* packed (journal_entry), and behind the cut */
    struct ledger_cut {
        struct buf rows; /* packed before it, and not yet in the table */
        uint64_t seq, lag, serving;
        uint8_t hash[CRYPTO_HASH_LEN];
        int64_t at;
    } cut; /* what the transaction at hand writes */
    struct buf body, packed; /* scratch: records of the next row, and its body */
    uint64_t seq; /* of the last row that was packed or added */
    uint8_t hash[CRYPTO_HASH_LEN];
    int64_t at; /* latest of any record */
    struct crypto_hasher *hasher;
    bool projecting, tick_asked;
    uint64_t taken_wanted, serving; /* what was asked for before the lanes were last emptied */
    struct recent {
        uint64_t hashes[LEDGER_RECENT_SLOTS];
        size_t n;
    } * recent[2];
    struct buf parts; /* scratch */
    size_t ops; /* control operations in this transaction */
    /* Counts, any thread. */
    _Atomic uint64_t batches, records, lag_records, dropped;
};

/* ---- writer.c ---- */
/* Adds a row with the records in l->body behind the last one and moves seq and hash on; the caller
 * puts both back when the transaction rolls back. */
MUST enum err ledger_row_add(struct ledger *l, struct store_conn *conn, uint64_t records);
/* The row as it is. */
struct journal_row;
MUST enum err ledger_row_insert(struct ledger *l, struct store_conn *conn,
                                const struct journal_row *row);
struct store_source ledger_source(struct ledger *l);
/* Something waits to be projected. */
void ledger_tick_soon(struct ledger *l);
void ledger_lane_destroy(struct ledger_lane *lane);

/* ---- project.c: a transaction behind the journal ---- */
/* It is to write what was packed before this, although batches go on. */
void ledger_cut(struct ledger *l);
/* The rows alone; or the rows and all that waits. */
MUST enum err ledger_put_rows(struct ledger *l, struct store_conn *conn);
MUST enum err ledger_project(struct ledger *l, struct store_conn *conn);
/* It has ended. */
void ledger_cut_end(struct ledger *l, bool committed);

/* ---- load.c ---- */
/* Tables and unprojected rows into l->model; in a write transaction. */
MUST enum err ledger_load(struct ledger *l, struct store_conn *conn, char why[STORE_WHY_MAX]);
/* A lot that is not in memory, since nothing remained of it. */
MUST enum err ledger_lot_need(struct model *m, struct store_conn *conn, struct id lot);
/* Reads all rows of a lot query that has been started. */
MUST enum err ledger_lot_row(struct model *m, const struct store_query *q, struct lot *ret_lot);

#endif

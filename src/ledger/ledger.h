/* Accounts, holds, transfers, lots. Double entry in nano-dollars; knows numbers and opaque ids,
 * nothing of users, models or HTTP. docs/rooms/ledger.md draws it.
 *
 * Owns: the journal (one packed row per group commit, hash chain per node), and its projections:
 * account, lot, hold, transfer tables; the accounts in memory.
 * Needs: store (the writer calls us through store_source), base.
 * Threads: a lane belongs to one loop; account figures may be read by any thread; control functions
 * (…_in) run inside a store_write closure on the writer thread; ledger_open before any.
 * Memory: accounts live as long as the ledger, so pointers to them may be kept; a hold is the
 * caller's struct. Lanes and the writer allocate nothing in the steady state.
 * Units: nano-dollars, µs.
 * Errors: INSUFFICIENT_CREDITS, SPEND_CAP_REACHED, LEDGER_UNAVAILABLE (disk full, closing),
 * NOT_FOUND, CONFLICT (exists already; a key with another body), LIMIT (more than there was),
 * INVALID_REQUEST (an argument), STORE_FULL (control, on a full disk), CORRUPT.
 * Always (house rules I1–I12): all accounts sum to zero; available never goes below the overdraft
 * limit; a hold ends exactly once; nothing is charged twice, whatever crashes. */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include "base/buf.h"
#include "base/id.h"
#include "base/units.h"
#include "ledger/outcome.h"
#include "store/store.h"

struct ledger;
struct ledger_lane;
struct ledger_account;

/* ---- life ---- */
enum ledger_policy {
    LEDGER_POLICY_ZERO, /* an unknown outcome costs nothing */
    LEDGER_POLICY_CHECKPOINT, /* what was counted until the last checkpoint, else nothing */
    LEDGER_POLICY_ESTIMATE, /* the whole hold */
    LEDGER_POLICY__COUNT
};
struct ledger_options {
    struct str node; /* "n1"; a house keeps its node's name */
    struct ledger_projector projector;
    struct ledger_watcher watcher;
};
/* Loads the accounts, checks the chain from the last checkpoint on, replays what was not projected
 * (outcomes are projected then), and takes the writer's source. Open holds stay as they are. */
MUST enum err ledger_open(struct store *store, const struct ledger_options *options,
                          struct ledger **ret_ledger, char ret_why[STORE_WHY_MAX]);
/* Waits until everything is durable and projected. After the lanes, before the store. */
void ledger_close(struct ledger **ledger);

/* ---- accounts, any thread ---- */
enum ledger_kind {
    LEDGER_WALLET, /* has lots; `available` and `held` */
    LEDGER_CAP, /* a spend cap: `available` is what may still be spent; no money in it */
    LEDGER_KIND__COUNT
};
/* NULL when there is none (yet: an opening is seen when it is durable). */
struct ledger_account *ledger_find(struct ledger *ledger, struct id account);
struct id ledger_account_id(const struct ledger_account *a);
/* Follows a hold at once, and a release when the writer has its record (within a commit). */
struct nano ledger_available(const struct ledger_account *a);
struct nano ledger_held(const struct ledger_account *a);
struct nano ledger_balance(const struct ledger_account *a); /* not spent; follows at once */
bool ledger_cap_is_off(const struct ledger_account *a);
struct nano ledger_cap_limit(const struct ledger_account *a); /* less balance: what was spent */

/* ---- the fast lane: on the lane's loop ---- */
/* `wake` is called from the writer thread, once per commit that holds records of this lane; it must
 * not call the ledger. It is not called any more when ledger_lane_free has returned. */
MUST enum err ledger_lane_new(struct ledger *ledger, void (*wake)(void *arg), void *arg,
                              struct ledger_lane **ret_lane);
void ledger_lane_free(struct ledger_lane **lane);
bool ledger_lane_has_records(const struct ledger_lane *lane);
void ledger_lane_flush(struct ledger_lane *lane); /* to the writer, who commits at once */

struct ledger_hold {
    struct id call; /* the request id, never used twice: the charge's idempotency */
    struct ledger_account *wallet;
    struct ledger_account *caps[LEDGER_CAPS_MAX]; /* NULL: none */
    struct nano amount;
    bool open;
};
/* A ticket is the lane's count of records: durable when ledger_lane_durable() has reached it. */
typedef uint64_t ledger_ticket;

/* Takes hold->amount (>= 0) from wallet and caps together, or nothing; the wallet refuses first.
 * `about` (at most 512 bytes) is the caller's own description, given back in the outcome. */
MUST enum err ledger_hold_place(struct ledger_lane *lane, struct ledger_hold *hold, int64_t wall_us,
                                struct str about, ledger_ticket *ret_ticket);
/* An attempt is about to leave. `about` (at most 512 bytes) says which provider and key. */
ledger_ticket ledger_hold_dispatched(struct ledger_lane *lane, const struct ledger_hold *hold,
                                     int64_t wall_us, struct str about);
/* The upstream's own id of the call (at most 255 bytes). */
ledger_ticket ledger_hold_upstream_id(struct ledger_lane *lane, const struct ledger_hold *hold,
                                      struct str upstream_id);
/* Long streams: what it would cost if it ended now. `about`: at most 512 bytes. */
ledger_ticket ledger_hold_checkpoint(struct ledger_lane *lane, const struct ledger_hold *hold,
                                     struct nano charge_so_far, struct str about);
struct ledger_settlement {
    struct nano charge; /* to the customer; cut to a billion dollars */
    struct nano cost; /* to us: a figure in the outcome, no transfer */
    bool unresolved; /* outcome unknown, settled by policy: on the operator's list */
    int64_t wall_us;
    struct str about; /* usage, price version, basis, …; at most 2,048 bytes */
};
/* Posts the charge, releases the rest, closes the hold. A charge above the hold is taken from what
 * is available in wallet, never below the overdraft limit; the rest goes to write_off and is
 * returned in ret_written_off (0 normally): the customer pays charge less that. Caps may be overrun
 * by the excess. */
ledger_ticket ledger_hold_settle(struct ledger_lane *lane, struct ledger_hold *hold,
                                 const struct ledger_settlement *s, struct nano *ret_written_off);
/* Nothing was served: everything goes back. `about`: at most 2,048 bytes. */
ledger_ticket ledger_hold_void(struct ledger_lane *lane, struct ledger_hold *hold, int64_t wall_us,
                               struct str about);
ledger_ticket ledger_lane_durable(const struct ledger_lane *lane);
/* False while the disk is full or the ledger closes: refuse new calls. */
bool ledger_is_available(const struct ledger *ledger);

/* ---- what a crash left ---- */
/* After a crash: calls fn for each hold that has no end, before any lane exists. fn may decide by
 * calling ledger_recover_settle or _void on it, once each (CONFLICT: again; NOT_FOUND: not open);
 * what it leaves stays open. Returns when the decisions are durable and projected. */
typedef void (*ledger_open_f)(void *arg, struct ledger *ledger, const struct ledger_outcome *o);
MUST enum err ledger_open_holds(struct ledger *ledger, ledger_open_f fn, void *arg);
MUST enum err ledger_recover_settle(struct ledger *ledger, struct id call,
                                    const struct ledger_settlement *s);
MUST enum err ledger_recover_void(struct ledger *ledger, struct id call, int64_t wall_us,
                                  struct str about);

/* ---- control: inside a store_write closure; several in one see each other ---- */
/* Opens a wallet (overdraft_limit >= 0, normally 0) or a cap account (off until it is set). */
MUST enum err ledger_account_open_in(struct ledger *ledger, struct store_conn *conn,
                                     struct id account, enum ledger_kind kind,
                                     struct nano overdraft_limit, int64_t wall_us);
/* Sets how much may be spent in all by a cap account (`off`: no limit): what was spent counts. */
MUST enum err ledger_cap_set_in(struct ledger *ledger, struct store_conn *conn, struct id cap,
                                bool off, struct nano limit, int64_t wall_us);

enum ledger_lot_kind {
    LEDGER_LOT_PURCHASED,
    LEDGER_LOT_INTRO,
    LEDGER_LOT_PROMOTIONAL,
    LEDGER_LOT_SUBSCRIPTION,
    LEDGER_LOT_KIND__COUNT
};
/* `idempotency` (1 to 255 bytes, derived from the cause): the same again gives the same answer,
 * refusals too, and changes nothing. All but lot and wall_us is the body. */
struct ledger_grant {
    struct id wallet, lot;
    enum ledger_lot_kind kind;
    struct nano amount; /* > 0 */
    int priority; /* lower burns first; then the sooner expiry; then the id */
    int64_t expires_us; /* 0: never */
    struct str source; /* counter account: revenue promo_expense breakage receivable tax rounding
                         * stripe_clearing write_off */
    struct str reason; /* at most 512 bytes */
    struct str idempotency;
    int64_t wall_us;
};
MUST enum err ledger_grant_in(struct ledger *ledger, struct store_conn *conn,
                              const struct ledger_grant *g, bool *ret_replayed);
/* Takes back at most what is unspent and unheld of a lot; ret_taken tells how much. `to` is the
 * counter account ("breakage", "stripe_clearing" for a refund, …). */
MUST enum err ledger_lot_take_in(struct ledger *ledger, struct store_conn *conn, struct id lot,
                                 struct nano most, struct str to, struct str reason,
                                 struct str idempotency, int64_t wall_us, struct nano *ret_taken);
/* Expires what is due of all lots (held parts stay good for their holds). Call every minute. */
MUST enum err ledger_expire_in(struct ledger *ledger, struct store_conn *conn, int64_t wall_us,
                               int *ret_lots);
/* Gives a settled charge back, whole or in part (corrects, never edits), to the lots it came from,
 * in recorded order. LIMIT beyond what was paid less earlier refunds. Caps keep what was spent. */
MUST enum err ledger_refund_in(struct ledger *ledger, struct store_conn *conn, struct id call,
                               struct nano amount, struct str reason, struct str idempotency,
                               int64_t wall_us);

/* ---- proof, by a reader connection ---- */
struct ledger_verdict {
    uint64_t batches, records, accounts, lots, transfers, open_holds;
    uint64_t mismatches;
};
/* Recomputes everything from the journal's first row and compares with every table: the chain, the
 * sum of all accounts, each balance, lot, transfer, invariant. Each mismatch is a line in `report`.
 * Beside a running house it looks at what is projected. Long: store_reader_begin_for. */
MUST enum err ledger_verify(struct ledger *ledger, struct store_conn *conn,
                            struct ledger_verdict *ret_verdict, struct buf *report);
/* Everything that the journal and tables have of one call, in order: the JSON object members
 * "records":[…],"transfers":[…]. `about` writes the JSON value of a record's about (NULL: as text).
 * NOT_FOUND: no such call; `json` is of no use then. */
typedef void (*ledger_about_f)(void *arg, const char *record, struct str about, struct buf *json);
MUST enum err ledger_explain(struct ledger *ledger, struct store_conn *conn, struct id call,
                             ledger_about_f about, void *arg, struct buf *json);
/* Waits until everything flushed so far is durable and projected; STORE_FULL when it cannot be.
 * Never on a loop or the writer. */
MUST enum err ledger_settled_up(struct ledger *ledger);

struct ledger_counts {
    uint64_t holds_open, queue_records, batches, records, projected_lag_records, write_offs;
    uint64_t dropped; /* records that contradict others (a call id used twice): a bug elsewhere */
};
struct ledger_counts ledger_counts(const struct ledger *ledger);

#endif

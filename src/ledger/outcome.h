/* A call as the journal has it, for those who keep tables of their own beside the ledger's.
 *
 * Owns: nothing.  Needs: base, store.
 * Threads: a projector is called on the writer thread, within the transaction that writes the
 * ledger's tables; it must not block.
 * Memory: an outcome and its texts live until the call returns.
 * Units: nano-dollars, µs.
 * Errors: what a projector returns rolls the transaction back, and it is tried again.
 * Always: each ended hold comes once, in journal order, also after a crash. */
#ifndef LEDGER_OUTCOME_H
#define LEDGER_OUTCOME_H

#include "base/err.h"
#include "base/id.h"
#include "base/units.h"
#include "store/store.h"

#define LEDGER_CAPS_MAX 2

enum ledger_outcome_kind { LEDGER_SETTLED, LEDGER_VOIDED, LEDGER_OPEN, LEDGER_OUTCOME__COUNT };
struct ledger_outcome {
    enum ledger_outcome_kind kind;
    struct id call, wallet, caps[LEDGER_CAPS_MAX];
    int64_t held_us, dispatched_us, ended_us; /* 0: not; the latest dispatch */
    struct nano held, charge, cost, written_off;
    bool unresolved;
    int attempts; /* DISPATCHED records */
    struct nano checkpoint; /* charge so far; meaningful when has_checkpoint */
    bool has_checkpoint;
    struct str hold_about, dispatch_about, checkpoint_about, end_about; /* the latest of each */
    struct str upstream_id;
};
/* The gateway's own projection. Any of them may be NULL. */
struct ledger_projector {
    /* On the writer thread, in journal order, once per settled or voided hold; writes rows by conn
     * (store_put). Runs again for the same outcome only if the transaction did not commit. */
    enum err (*outcome)(void *arg, struct store_conn *conn, const struct ledger_outcome *o);
    /* End of a batch of outcomes, in the same transaction: write sums (rollups). */
    enum err (*flush)(void *arg, struct store_conn *conn);
    /* That transaction did not commit: forget unwritten sums. */
    void (*reset)(void *arg);
    void *arg;
};

/* What the transfers say that a wallet paid for a settled call (before refunds), without what was
 * written off; 0 for one that is not there. By a reader. */
MUST enum err ledger_call_charged(struct store_conn *conn, struct id call, struct nano *ret_charge);

/* Who wants to know that a wallet's credit was changed by a grant, a lot that was taken back or
 * expired, or a refund: called in that transaction; may be NULL. */
struct ledger_watcher {
    enum err (*credit_changed_in)(void *arg, struct store_conn *conn, struct id wallet,
                                  int64_t wall_us);
    void *arg;
};

#endif

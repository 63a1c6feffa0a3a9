/* What payments want of the ledger besides lots: the house's own side.
 *
 * Owns: nothing.  Needs: ledger.  Threads: inside a store_write closure.
 * Memory: none kept.  Units: nano-dollars, µs.
 * Errors: those of ledger.h.  Always: as ledger.h says. */
#ifndef LEDGER_COUNTER_H
#define LEDGER_COUNTER_H

#include "ledger/ledger.h"

/* Between two counter accounts: "receivable" to "stripe_clearing" for what a refund could not take
 * back. */
MUST enum err ledger_move_in(struct ledger *ledger, struct store_conn *conn, struct str from,
                             struct str to, struct nano amount, struct str reason,
                             struct str idempotency, int64_t wall_us);
/* What of a lot is not spent, held or not. NOT_FOUND. */
MUST enum err ledger_lot_left_in(struct ledger *ledger, struct store_conn *conn, struct id lot,
                                 struct nano *ret_left);
/* What of a lot is neither spent nor held. NOT_FOUND. */
MUST enum err ledger_lot_unspent_in(struct ledger *ledger, struct store_conn *conn, struct id lot,
                                    struct nano *ret_unspent);

#endif

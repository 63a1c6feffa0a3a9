/* A wallet's past, as its owner is shown it.
 *
 * Owns: nothing; reads the tables ledger_lot and ledger_transfer.
 * Needs: store.  Threads: any; blocks.
 * Memory: rows live until the callback returns.  Units: nano-dollars, µs.
 * Errors: the store's.
 * Always: on the caller's connection; what happened within the last milliseconds is there after
 * ledger_settled_up. */
#ifndef LEDGER_PAST_H
#define LEDGER_PAST_H

#include "ledger/ledger.h"

struct ledger_lot_row {
    struct id lot;
    enum ledger_lot_kind kind;
    struct nano amount, remaining;
    int64_t priority, granted_us, expires_us; /* expires_us 0: never */
    struct str source, reason;
};
typedef void (*ledger_lot_f)(void *arg, const struct ledger_lot_row *row);
/* Granted before the time, newest first. */
MUST enum err ledger_lots(struct store_conn *conn, struct id wallet, int64_t before_us,
                          int64_t limit, ledger_lot_f fn, void *arg);
const char *ledger_lot_kind_name(enum ledger_lot_kind kind);
enum ledger_move_kind { LEDGER_CREDITED, LEDGER_REFUNDED, LEDGER_EXPIRED, LEDGER_CORRECTED };
struct ledger_move_row {
    struct id group;
    int64_t n, at_us;
    enum ledger_move_kind kind;
    struct nano amount; /* below zero: it went */
    struct str reason;
    struct id call; /* REFUNDED: of which; else zero */
};
typedef void (*ledger_move_row_f)(void *arg, const struct ledger_move_row *row);
/* Everything but charges, before the time, newest first. */
MUST enum err ledger_moves(struct store_conn *conn, struct id wallet, int64_t before_us,
                           int64_t limit, ledger_move_row_f fn, void *arg);

#endif

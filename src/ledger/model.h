/* What the journal says: accounts, lots and open holds after each record, in journal order.
 *
 * Owns: accounts (their figures for any thread are in ledger_account's atomics), lots, holds.
 * Needs: record, idmap.
 * Threads: the writer's; model_find and the atomics any. The verifier has a model of his own.
 * Memory: accounts and lots live as long as the model; holds are recycled.
 * Units: nano-dollars, µs.
 * Errors: CORRUPT when a record contradicts what was before it (live: the record is dropped).
 * Always: Σ posted of all wallets and house accounts is 0; 0 <= lot->held <= lot->remaining;
 * a wallet's posted = Σ remaining of its lots − debt. */
#ifndef LEDGER_MODEL_H
#define LEDGER_MODEL_H

#include "ledger/idmap.h"
#include "ledger/ledger.h"
#include "ledger/record.h"

#include <stdatomic.h>

/* House accounts. An account's id is its name, filled up with zeros. */
enum house_account {
    HOUSE_REVENUE,
    HOUSE_PROMO_EXPENSE,
    HOUSE_BREAKAGE,
    HOUSE_RECEIVABLE,
    HOUSE_TAX,
    HOUSE_ROUNDING,
    HOUSE_STRIPE_CLEARING,
    HOUSE_WRITE_OFF,
    HOUSE__COUNT
};
#define MODEL_KIND_HOUSE LEDGER_KIND__COUNT /* as the account table has it */

struct lot {
    struct id id;
    struct ledger_account *wallet;
    unsigned kind;
    int64_t amount, remaining, held, priority, expires, at;
    struct id source;
    char *reason;
    size_t place; /* in wallet->lots, when listed */
    bool listed, dirty, in_table, gone; /* gone: its grant was rolled back */
    struct lot *next_dirty;
};

struct ledger_account {
    /* Any thread. available may only be lowered where a check allows it; see lane.c. */
    _Atomic int64_t available, balance;
    _Atomic int64_t overdraft;
    _Atomic int64_t cap_limit; /* of a cap: limit, for who reads it elsewhere */
    _Atomic bool off, live; /* live: its opening is durable */
    struct id id;
    unsigned kind; /* enum ledger_kind or MODEL_KIND_HOUSE */
    bool gone; /* its opening was rolled back */
    /* The writer's. */
    int64_t posted; /* wallet: Σ lots − debt; cap: −spent; house account: credits − debits */
    int64_t held;
    int64_t limit; /* wallet: overdraft; cap: what may be spent in all */
    int64_t is_off; /* cap: 1 without limit */
    int64_t debt, debt_held; /* wallet: spent and held without a lot (overdraft) */
    struct lot **lots; /* in burn order */
    size_t lots_n, lots_cap;
    size_t first; /* no lot before it has anything unheld */
    int64_t opened_at;
    void *adding; /* the grant whose transaction has not ended yet (control.c) */
    bool dirty;
    struct ledger_account *next_dirty;
};

/* lot NULL: of the overdraft. */
struct split {
    struct lot *lot;
    int64_t amount;
};

enum hold_text { TEXT_HOLD, TEXT_DISPATCH, TEXT_CHECKPOINT, TEXT_END, TEXT_UPSTREAM, TEXT__COUNT };

/* A hold is open (in model.open), or ended and waits for its projection (in model.ended). */
struct hold {
    struct id call;
    struct ledger_account *wallet, *caps[RECORD_CAPS_MAX];
    int64_t amount, held_at, dispatched_at, ended_at;
    int64_t checkpoint, charge, cost, over, written_off;
    int attempts;
    bool has_checkpoint, unresolved, in_table, taken /* by the recovery */;
    enum ledger_outcome_kind kind;
    struct split *splits; /* open: what is held of which lot; ended: what was spent */
    size_t splits_n, splits_cap;
    char *bytes; /* the texts */
    size_t bytes_n, bytes_cap;
    struct {
        uint32_t at, n;
    } texts[TEXT__COUNT];
    bool dirty;
    struct hold *prev, *next; /* among the dirty ones; ended ones; free ones */
};

/* One posted movement. A settled hold's own are made when asked for: model_hold_moves. */
struct move {
    struct id group;
    int n; /* within the group */
    struct id debit, credit;
    int64_t amount, at;
    const char *reason;
    char *owned; /* the reason, when it is not static */
    struct id corrects; /* zero: nothing */
};
typedef enum err (*model_move_f)(void *arg, const struct move *m);

/* One of: a figure with its old value, a lot that was not there, an account that was not there. */
struct undo {
    int64_t *where;
    int64_t old;
    struct lot *lot;
    struct ledger_account *account;
};

struct cut_list {
    void **p;
    size_t n, cap;
};
/* What one projection writes: figures as they are at the cut, and ended holds, which do not change
 * any more. */
struct model_cut {
    struct cut_list accounts, lots, holds;
    struct hold *ended, *ended_last;
    size_t moves_n; /* the first ones of the model's */
};

struct accounts; /* id to account; readers of any thread, one that adds */

struct model {
    _Atomic(struct accounts *) accounts;
    struct idmap lots, open;
    struct ledger_account *house[HOUSE__COUNT];
    bool live; /* what settlements give back is published to the atomics at once */
    bool undo_on; /* note what changes in `undo` */
    struct undo *undo;
    size_t undo_n, undo_cap;
    struct move *moves;
    size_t moves_n, moves_cap;
    /* What waits for the projection, and what is being written. */
    struct hold *ended, *ended_last, *dirty_holds, *spare;
    struct ledger_account *dirty_accounts;
    struct lot *dirty_lots;
    struct model_cut cut;
    _Atomic uint64_t holds_open, write_offs;
};

struct model *model_new(void);
void model_free(struct model **model);

/* ---- accounts ---- */
struct ledger_account *model_find(const struct model *m, struct id id);
/* Also those that are not there any more (rolled back). */
struct ledger_account *model_account_add(struct model *m, struct id id, unsigned kind);
struct id model_house_id(enum house_account which);
/* False when the name is none of the chart. */
bool model_house_named(struct str name, enum house_account *ret_which);
const char *model_house_name(struct id id);
struct ledger_account *model_account_next(const struct model *m, size_t *at);
/* All figures for other threads, from the model's own; before anybody else looks. */
void model_publish(struct model *m);

/* ---- records ---- */
MUST enum err model_apply(struct model *m, const struct record *r);
struct lot *model_lot(const struct model *m, struct id id);
/* A lot as the table has it. */
struct lot *model_lot_load(struct model *m, const struct lot *from, struct str reason);
/* A hold as the table has it; the caller fills the rest in. */
struct hold *model_hold_load(struct model *m, struct id call);
void model_split_add(struct hold *h, struct lot *lot, int64_t amount);
void model_text_set(struct hold *h, enum hold_text which, struct str s);
struct str model_text(const struct hold *h, enum hold_text which);
static inline int64_t lot_unheld(const struct lot *lot)
{
    return lot->remaining - lot->held;
}
/* The movements of an ended hold, in order. */
MUST enum err model_hold_moves(const struct hold *h, model_move_f fn, void *arg);
struct ledger_outcome model_outcome(const struct hold *h);

/* ---- undo ---- */
void model_undo_to(struct model *m, size_t undo_n, size_t moves_n);

#endif

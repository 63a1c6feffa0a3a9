/* Shared by the files of this room.
 *
 * Owns: nothing.  Needs: payments.h.  Threads: those ending in _in on the writer's.
 * Memory, Units, Errors, Always: as payments.h says. */
#ifndef PAYMENTS_ROOM_H
#define PAYMENTS_ROOM_H

#include "ledger/counter.h"
#include "payments/payments.h"

#define PAYMENTS_HANDLERS_MAX 8
#define EVENT_BODY_MAX (1024u * 1024)
#define PAYMENTS_REFUND_OURS "tgre_" /* a refund that Stripe has no name for yet */
#define PAYMENTS_WARNING_ID "issfr_" /* a bank's early suspicion, kept among the disputes */

struct payments {
    struct payments_options options;
    struct ledger *ledger;
    struct payments_watcher watcher;
    struct payments_handler handlers[PAYMENTS_HANDLERS_MAX];
    size_t handlers_n;
    struct jobs_kind event, refund, sweep, reconcile, reconcile_now;
};

/* ---- orders.c ---- */
enum err payment_tell_in(struct payments *p, struct store_conn *conn, const struct payment *x,
                         struct str what, int64_t now_us);
/* Everything that may change of it, and tells the watcher when `before` is another status. */
MUST enum err payment_put_in(struct payments *p, struct store_conn *conn, const struct payment *x,
                             struct str before, int64_t now_us);

/* ---- settle.c ---- */
/* Moves the ledger to what is known of the payment's refunds and disputes; changes *x. */
MUST enum err payment_settle_in(struct payments *p, struct store_conn *conn, struct arena *a,
                                struct payment *x, int64_t now_us);
/* What is unspent of its lots. */
MUST enum err payment_unspent_in(struct payments *p, struct store_conn *conn, const char *payment,
                                 struct nano *ret_unspent);

/* ---- facts.c ---- */
/* Objects of Stripe, as events or lists give them. NOT_FOUND: of no payment of ours (what they say
 * is kept all the same); VALIDATION_FAILED: refused, with words. *ret_payment: whose, or "". */
struct fact {
    struct payments *p;
    struct store_conn *conn;
    struct arena *arena;
    int64_t now_us;
    char payment[ID_TEXT_MAX];
    char why[200];
};
MUST enum err fact_session(struct fact *f, struct str session, struct str type);
MUST enum err fact_charge(struct fact *f, struct str charge);
MUST enum err fact_refund(struct fact *f, struct str refund);
MUST enum err fact_dispute(struct fact *f, struct str dispute, struct str type);
MUST enum err fact_intent(struct fact *f, struct str intent, struct str type);
MUST enum err fact_warning(struct fact *f, struct str warning);

/* ---- events.c ---- */
extern const struct jobs_step payments_event_steps[];
MUST enum err payments_event_dropped_in(struct store_conn *conn, void *arg, struct str input,
                                        int64_t now_us);
/* An event that Stripe has, stored as if it had been delivered. ret_new: we had missed it. */
MUST enum err payments_event_in(struct payments *p, struct store_conn *conn, struct str event,
                                int64_t now_us, bool *ret_new);

/* ---- refund.c, reconcile.c ---- */
extern const struct jobs_step payments_refund_steps[];
MUST enum err payments_refund_dropped_in(struct store_conn *conn, void *arg, struct str input,
                                         int64_t now_us);
extern const struct jobs_step payments_sweep_steps[];
#define PAYMENTS_RECONCILE_STEPS 4
extern const struct jobs_step payments_reconcile_steps[PAYMENTS_RECONCILE_STEPS];

#endif

/* Money that comes in: orders, Stripe's events, and what they do to lots.
 *
 * Owns: tables of stripe_…; job kinds "stripe_event", "stripe_refund", "stripe_sweep",
 * "stripe_reconcile".
 * Needs: stripe, ledger, jobs, store.
 * Threads: functions ending in _in inside a store_write closure; payments_checkout,
 * payments_customer and payments_receive block: workers; the rest by who opens the house.
 * Memory: a struct payment's texts live in the arena it was read into.
 * Units: nano-dollars of credit, minor units of the currency, µs.
 * Errors: NOT_IMPLEMENTED (Stripe is off), NOT_FOUND, VALIDATION_FAILED, CONFLICT, those of
 * stripe.h and of the store.
 * Always: an event's effect, its id and the end of its job are one transaction. Events say facts
 * that only grow (paid, refunded so much, withdrawn), and the ledger is moved to what the facts
 * together ask for: their order and number do not matter. A payment is granted once; what is taken
 * back never exceeds it, and what cannot be taken is owed: receivable. */
#ifndef PAYMENTS_PAYMENTS_H
#define PAYMENTS_PAYMENTS_H

#include "jobs/jobs.h"
#include "ledger/ledger.h"
#include "payments/stripe.h"

#define PAYMENTS_PRIORITY 20 /* of purchased lots: what was given burns first */
#define PAYMENTS_PLAN_PRIORITY 10 /* of included credit, which expires */
#define PAYMENTS_ID "pay_"

struct payment {
    char id[ID_TEXT_MAX]; /* pay_… */
    struct id team, user; /* user zero: nobody's */
    struct str kind; /* topup, auto_topup, subscription */
    struct str status; /* pending, completed, failed, expired, refunded, disputed */
    bool awaiting, livemode;
    struct nano amount; /* of credit */
    struct str currency;
    int64_t amount_minor, paid_minor, tax_minor;
    struct str session, intent, customer, url, failure, email;
    struct nano taken, owed, refunded;
    struct nano reversed; /* of what expired unspent: given back as money */
    int64_t moves; /* of the ledger, so far */
    struct str subscription, invoice, about; /* of kind subscription: whose, by which, for what */
    int64_t created_us, expires_us, completed_us, updated_us;
};
static inline bool payment_is_granted(const struct payment *x)
{
    return x->completed_us != 0;
}

/* What others do in the same transaction. what: the status that it has now, "refunded" when more
 * of it was given back than before, "settled" whenever refunds or disputes were looked at. */
struct payments_watcher {
    enum err (*changed_in)(void *arg, struct store_conn *conn, const struct payment *x,
                           struct str what, int64_t now_us);
    void *arg;
};

struct payments_options {
    struct store *store;
    struct jobs *jobs;
    struct stripe stripe;
    const char *brand, *public_url;
    const char *packs; /* "5, 10" */
    struct nano amount_min, amount_max;
    bool automatic_tax, promotion_codes, fraud_warning_freezes;
    int64_t checkout_expires_us, reconcile_every_us, reconcile_again_us;
    const char *access_states; /* of subscriptions: in which the tier holds, comma separated */
    int64_t grace_us; /* that it holds on while a renewal is not paid */
};
struct payments;
/* Adds its kinds to jobs. */
struct payments *payments_new(const struct payments_options *options);
void payments_attach(struct payments *p, struct ledger *ledger);
void payments_watch(struct payments *p, struct payments_watcher watcher);
void payments_free(struct payments **p);
bool payments_are_on(const struct payments *p);
const struct stripe *payments_stripe(const struct payments *p);

/* ---- orders ---- */
struct payments_order {
    struct id team, user;
    const char *kind;
    struct nano amount;
    char id[ID_TEXT_MAX]; /* made here */
};
/* Within the bounds, and a whole number of minor units? NULL, or words. */
const char *payments_amount_fault(const struct payments *p, struct nano amount);
/* A pending one. CONFLICT: the team has too many of these. */
MUST enum err payments_order_in(struct payments *p, struct store_conn *conn,
                                struct payments_order *order, int64_t now_us);
/* Opens the hosted page of a pending order, or finds the one that is open. Again: the same page. */
MUST enum err payments_checkout(struct payments *p, struct arena *a, const char *order,
                                struct str email, struct payment *ret_payment,
                                struct stripe_answer *ret_answer);
/* The team's customer at Stripe, made when there is none. */
MUST enum err payments_customer(struct payments *p, struct id team, struct str email,
                                char ret_customer[128], struct stripe_answer *ret_answer);

/* Stripe has none of that name any more: payments_customer makes another one, without his cards. */
MUST enum err payments_customer_gone(struct payments *p, const char *customer);
MUST enum err payments_customer_gone_in(struct store_conn *conn, struct str customer);

/* by: our id (pay_…), the session's (cs_…), the intent's (pi_…) or the invoice's (in_…). */
MUST enum err payments_get(struct store_conn *conn, struct arena *a, struct str by,
                           struct payment *ret_payment);
typedef void (*payments_f)(void *arg, const struct payment *x);
/* Newest first, ids below `below`; team zero: of all; status and word may be empty. */
MUST enum err payments_list(struct store_conn *conn, struct id team, struct str status,
                            struct str word, struct str below, int64_t limit, payments_f fn,
                            void *arg);
/* Members of a payment's object, for its owner. */
void payments_json(const struct payment *x, struct buf *b);
/* "packs":[…] and the rest of what the top-up page wants. */
void payments_options_json(const struct payments *p, struct buf *b);

/* For payments that need no page (off-session, invoices): what the events do for sessions. Grants
 * once; the claims of refunds and disputes that came before are met at once. CONFLICT when the
 * intent belongs to another payment. */
MUST enum err payments_paid_in(struct payments *p, struct store_conn *conn, const char *payment,
                               struct str intent, int64_t paid_minor, int64_t tax_minor,
                               int64_t now_us);
MUST enum err payments_failed_in(struct payments *p, struct store_conn *conn, const char *payment,
                                 const char *status, struct str why, int64_t now_us);

/* Credit of subscriptions that is over goes to breakage. Before ledger_expire_in, which knows of no
 * payments. */
MUST enum err payments_expire_in(struct payments *p, struct store_conn *conn, int64_t now_us);

/* ---- events ---- */
enum payments_received {
    PAYMENTS_STORED,
    PAYMENTS_REPEATED,
    PAYMENTS_UNSIGNED,
    PAYMENTS_NO_EVENT, /* signed, but no JSON of an event */
    PAYMENTS_RECEIVED__COUNT
};
/* Durable when it returns. */
MUST enum err payments_receive(struct payments *p, struct str signature, struct str body,
                               int64_t now_us, enum payments_received *ret_what,
                               const char **ret_words);
/* What an event means to others; the first whose prefix fits gets it ("invoice."). */
struct payments_event {
    struct str id, type, object; /* object: data.object, JSON */
    struct arena *arena;
    int64_t created_us, now_us;
};
struct payments_handler {
    const char *prefix;
    /* NOT_FOUND: nothing of ours; VALIDATION_FAILED: refused. Other errors: tried again. */
    enum err (*apply_in)(void *arg, struct store_conn *conn, const struct payments_event *event);
    void *arg;
};
/* Before the jobs start; at most eight. */
void payments_handle(struct payments *p, struct payments_handler handler);

/* ---- refunds by the operator ---- */
/* Takes the credit back and has the money sent. amount zero: all that is unspent of the payment.
 * VALIDATION_FAILED: more than that; CONFLICT: disputed, or never paid. */
MUST enum err payments_refund_in(struct payments *p, struct store_conn *conn, const char *payment,
                                 struct nano amount, int64_t now_us, struct nano *ret_amount);

/* Gives back what a dispute or a bank's suspicion froze or withdrew. What is lost in the end is
 * taken all the same. NOT_FOUND; CONFLICT: it takes nothing, or is lost. */
MUST enum err payments_release_in(struct payments *p, struct store_conn *conn, const char *payment,
                                  struct str dispute, int64_t now_us);

/* ---- looking ---- */
struct payments_standing {
    int64_t returned_minor; /* money that Stripe has sent back */
    int64_t refunded_minor; /* and what it is to send back */
    struct nano frozen; /* credit that a dispute keeps from being spent until it is decided */
};
MUST enum err payments_standing(struct store_conn *conn, const struct payment *x,
                                struct payments_standing *ret_standing);
/* Member "disputes": how many. */
MUST enum err payments_disputes_count(struct store_conn *conn, const struct payment *x,
                                      struct buf *b);
/* Members "refunds", "disputes", "events" of one payment. */
MUST enum err payments_about_json(struct store_conn *conn, const struct payment *x, struct buf *b);
struct payments_event_row {
    struct str id, type, state, note;
    int64_t created_us, received_us, deliveries;
};
/* As an element of an array. */
void payments_event_json(const struct payments_event_row *row, struct buf *b);
typedef void (*payments_event_row_f)(void *arg, const struct payments_event_row *row);
/* By id, descending; state and type may be empty. */
MUST enum err payments_events(struct store_conn *conn, struct str state, struct str type,
                              struct str below, int64_t limit, payments_event_row_f fn, void *arg);
/* A JSON array of the newest 50. */
MUST enum err payments_reports_json(struct store_conn *conn, struct buf *b);
/* Compares now. */
MUST enum err payments_reconcile_in(struct payments *p, struct store_conn *conn, int64_t now_us,
                                    struct id *ret_run);
/* Of the newest report, and events that were refused within a day: for alerts. */
struct payments_trouble {
    int64_t mismatches, refused;
};
MUST enum err payments_trouble(struct store_conn *conn, int64_t now_us,
                               struct payments_trouble *ret_trouble);

#endif

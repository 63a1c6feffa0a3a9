/* Shared by the files of this room.
 *
 * Owns: nothing.  Needs: payments.h.  Threads: those ending in _in on the writer's.
 * Memory, Units, Errors, Always: as payments.h says. */
#ifndef PAYMENTS_ROOM_H
#define PAYMENTS_ROOM_H

#include "ledger/counter.h"
#include "payments/subscriptions.h"

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
    struct subscriptions_watcher subscriptions_watcher;
    struct jobs_kind event, refund, sweep, reconcile, reconcile_now, plan, subscription, invoice,
        grace, rest;
};

/* ---- payments.c ---- */
/* DONE, RETRY or FAILED, with Stripe's words. */
enum jobs_outcome payments_job_outcome(struct jobs_call *call, enum err e,
                                       const struct stripe_answer *answer);

/* ---- orders.c ---- */
enum err payment_tell_in(struct payments *p, struct store_conn *conn, const struct payment *x,
                         struct str what, int64_t now_us);
/* Everything that may change of it, and tells the watcher when `before` is another status. */
MUST enum err payment_put_in(struct payments *p, struct store_conn *conn, const struct payment *x,
                             struct str before, int64_t now_us);

/* What every hosted page is told: whose it is (as metadata `what` too), and where it leads. */
void payment_page_form(struct payments *p, const char *customer, const char *what, struct str id,
                       struct id team, int64_t expires_us, struct buf *form);
/* Opens it. The same form again is the same page; another one is another page, whoever died before
 * he knew of the first: Stripe refuses a key that comes with another form, and what the form says
 * (the public URL, the tax) may be set otherwise meanwhile. The first was shown to nobody. */
MUST enum err payment_page_post(struct payments *p, const char *what, const char *id,
                                struct str form, struct stripe_answer *answer);
/* The team's customer at Stripe, where there is one. NOT_FOUND. */
MUST enum err payment_customer_known(struct payments *p, struct str team, char ret_customer[128]);

/* ---- settle.c ---- */
/* Moves the ledger to what is known of the payment's refunds and disputes; changes *x. */
MUST enum err payment_settle_in(struct payments *p, struct store_conn *conn, struct arena *a,
                                struct payment *x, int64_t now_us);
/* What is unspent of its lots. */
MUST enum err payment_unspent_in(struct payments *p, struct store_conn *conn, const char *payment,
                                 struct nano *ret_unspent);
/* A lot of a subscription: for the month that begins then, gone at the latest then (0: never). */
struct payment_month {
    int64_t starts_us, expires_us;
};
/* As payments_paid_in; x is as it is to be, month may be NULL. */
MUST enum err payment_paid_in(struct payments *p, struct store_conn *conn, struct arena *a,
                              struct payment *x, struct str intent,
                              const struct payment_month *month, int64_t now_us);
/* More credit of a payment that was granted already. */
MUST enum err payment_more_in(struct payments *p, struct store_conn *conn, struct arena *a,
                              struct payment *x, struct nano amount,
                              const struct payment_month *month, int64_t now_us);
/* At most so much of what is unspent of a payment's lot expires. What calls hold of a lot that is
 * due expires when they give it back. */
MUST enum err payment_expire_in(struct payments *p, struct store_conn *conn, struct str payment,
                                struct id lot, struct nano most, int64_t now_us);

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
/* Of subscriptions: what the object says is asked for again, by a job. */
MUST enum err fact_plan_session(struct fact *f, struct str session, struct str type);
MUST enum err fact_subscription(struct fact *f, struct str subscription, struct str type);
MUST enum err fact_invoice(struct fact *f, struct str invoice);

/* ---- plans.c, subscription_facts.c, subscription_credit.c ---- */
#define PAYMENTS_PLAN_STEPS 2
extern const struct jobs_step payments_plan_steps[PAYMENTS_PLAN_STEPS];
extern const struct jobs_step payments_subscription_steps[], payments_invoice_steps[];
extern const struct jobs_step payments_rest_steps[];
#define PAYMENTS_GRACE_STEPS 2
extern const struct jobs_step payments_grace_steps[PAYMENTS_GRACE_STEPS];
/* Stripe has no such price (any more): another one is made. */
MUST enum err plans_price_gone_in(struct payments *p, struct store_conn *conn, struct str id,
                                  int64_t n, int64_t now_us);
MUST enum err plans_unpriced_in(struct payments *p, struct store_conn *conn, int64_t now_us);

/* ---- subscriptions.c ---- */
/* Writes it down, and tells the watcher when it looks otherwise than before, and the news. */
MUST enum err subscription_put_in(struct payments *p, struct store_conn *conn,
                                  struct subscription *x, enum subscription_news news,
                                  struct str once, int64_t now_us);
/* A turn of asking Stripe what it is. */
MUST enum err subscription_ticket_in(struct store_conn *conn, const char *id, int64_t *ret_ticket);
/* Has Stripe asked, in a turn of its own. */
MUST enum err subscription_ask_in(struct payments *p, struct store_conn *conn, const char *id,
                                  struct str type, int64_t now_us);
/* What Stripe's object says, seen in that turn. */
MUST enum err subscription_seen_in(struct payments *p, struct store_conn *conn, struct arena *a,
                                   struct subscription *x, struct str object, struct str type,
                                   int64_t ticket, int64_t now_us);
/* Is Stripe's object what we have? */
bool subscription_is_as(struct arena *a, const struct subscription *x, struct str object);
/* Its checkout was not used: expired, unless it has begun. */
MUST enum err subscription_over_in(struct payments *p, struct store_conn *conn, struct str by,
                                   int64_t now_us);
#define SUBSCRIPTION_END_IT "end it" /* a type of no event: Stripe is told to end it */
/* Canceled, or never paid. */
bool subscription_is_over(const struct subscription *x);
bool subscription_has_access(const struct payments *p, const struct subscription *x,
                             int64_t now_us);

/* ---- subscription_credit.c ---- */
/* What a Stripe invoice's lines bring. */
struct invoice_lines {
    struct nano credit;
    struct plan plan; /* that is had from then on; id empty: none of ours is in it */
    int64_t starts_us, ends_us; /* of the month that the credit is for */
    bool full, trial, change; /* of a period; that is free; in the middle of one */
};
MUST enum err subscription_lines(struct payments *p, struct store_conn *conn, struct arena *a,
                                 struct str invoice, struct invoice_lines *ret_lines);
/* Months of years that are paid. */
MUST enum err subscription_months_in(struct payments *p, struct store_conn *conn, int64_t now_us);

/* ---- subscription_roll.c ---- */
/* Once credit for a later month was given, earlier months keep what that month's plan lets roll
 * over; what calls hold of them beyond that expires when they give it back. */
MUST enum err subscription_roll_in(struct payments *p, struct store_conn *conn, struct arena *a,
                                   const struct subscription *x, int64_t now_us);
/* All that is left of it expires; what calls hold of it, when they give it back. */
MUST enum err subscription_credit_end_in(struct payments *p, struct store_conn *conn,
                                         struct subscription *x, int64_t now_us);

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

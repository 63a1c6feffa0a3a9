/* Who has a plan: what Stripe says of it, and the credit that its paid invoices bring.
 *
 * Owns: tables subscription, stripe_portal; job kinds "stripe_subscription", "stripe_invoice",
 * "stripe_grace", "stripe_rest".
 * Needs: payments, plans.
 * Threads: functions ending in _in inside a store_write closure; those with an answer of Stripe's
 * block: workers; the rest on any worker.
 * Memory: texts live in the arena given.
 * Units: nano-dollars, minor units, µs.
 * Errors: NOT_FOUND, CONFLICT (not in a state for that), PAYMENT_FAILED (the card was declined;
 * nothing has changed), NOT_IMPLEMENTED (Stripe is off), those of stripe.h and of the store.
 * Always: events only say that something happened. What a subscription or an invoice is, is asked
 * of Stripe, in turns that are numbered, so that what was seen earlier never overwrites what was
 * seen later. The plan that is had is the one that was paid for. An invoice is a payment, granted
 * once; credit of months that are over is kept as far as the plan's rule lets it roll over,
 * whatever order the invoices come in. */
#ifndef PAYMENTS_SUBSCRIPTIONS_H
#define PAYMENTS_SUBSCRIPTIONS_H

#include "base/crypto.h"
#include "payments/plans.h"

#define SUBSCRIPTION_ID "subs_"

struct subscription {
    char id[ID_TEXT_MAX]; /* subs_… */
    struct id team, user; /* user zero: he is gone */
    struct str status; /* pending, expired; incomplete, trialing, active, …: Stripe's */
    bool livemode;
    struct str plan; /* plan_…: paid for; asked for before */
    int64_t plan_n, paid_us;
    struct str stripe_id, item, item_price, session, url, failure, pay_url;
    int64_t tickets, applied;
    int64_t period_start_us, period_end_us, trial_days, trial_end_us;
    bool cancel_at_end, access;
    int64_t grace_until_us;
    int64_t credit_us; /* the month that credit was given for last, and by which plan */
    struct str credit_plan;
    int64_t credit_n;
    int64_t year_us, year_month;
    struct str year_payment, trial_lot, email;
    char told[2 * CRYPTO_HASH_LEN + 1];
    int64_t created_us, expires_us, ended_us, updated_us;
};
/* Has it begun and not ended? */
bool subscription_is_live(const struct subscription *x);

/* by: our id (subs_…), the session's (cs_…) or Stripe's (sub_…). */
MUST enum err subscriptions_get(struct store_conn *conn, struct arena *a, struct str by,
                                struct subscription *ret_subscription);
/* The one that is live, else the newest. */
MUST enum err subscriptions_of_team(struct store_conn *conn, struct arena *a, struct id team,
                                    struct subscription *ret_subscription);
typedef void (*subscriptions_f)(void *arg, const struct subscription *x);
/* Newest first, ids below `below`; status ("live": all that are) and word may be empty. */
MUST enum err subscriptions_list(struct store_conn *conn, struct str status, struct str word,
                                 struct str below, int64_t limit, subscriptions_f fn, void *arg);
/* Members of its object; `credit` false: without what changes with each call. */
MUST enum err subscriptions_json(struct payments *p, struct store_conn *conn, struct arena *a,
                                 const struct subscription *x, bool credit, struct buf *b);
/* What was paid for it, newest first; at most 100. */
MUST enum err subscriptions_payments(struct store_conn *conn, struct arena *a,
                                     const struct subscription *x, payments_f fn, void *arg);
/* Would the team, by this user, begin with a trial? */
MUST enum err subscriptions_trial(struct store_conn *conn, struct id team, struct id user,
                                  bool *ret_trial);

/* ---- what others do in the same transaction ---- */
enum subscription_news {
    SUBSCRIPTION_NONE,
    SUBSCRIPTION_CHANGED,
    SUBSCRIPTION_PAYMENT_FAILED,
    SUBSCRIPTION_ACTION_REQUIRED,
    SUBSCRIPTION_LAST_WARNING,
    SUBSCRIPTION_TRIAL_ENDS,
    SUBSCRIPTION_ENDED,
    SUBSCRIPTION_NEWS__COUNT
};
struct subscription_told {
    enum subscription_news what;
    const struct subscription *x;
    const struct plan *plan; /* that is had */
    struct str once; /* names the cause: told again, it is the same news */
    int64_t now_us;
};
struct subscriptions_watcher {
    enum err (*changed_in)(void *arg, struct store_conn *conn,
                           const struct subscription_told *told);
    void *arg;
};
void subscriptions_watch(struct payments *p, struct subscriptions_watcher watcher);

/* ---- begun ---- */
/* A pending one, or the one that is pending for the same plan. NOT_FOUND: no such plan is on offer;
 * CONFLICT: the team has one, or a checkout of another plan is open. */
MUST enum err subscriptions_start_in(struct payments *p, struct store_conn *conn, struct id team,
                                     struct id user, struct str plan, int64_t now_us,
                                     char ret_id[ID_TEXT_MAX]);
/* The page of a pending one. */
MUST enum err subscriptions_checkout(struct payments *p, struct arena *a, const char *id,
                                     struct str email, struct subscription *ret_subscription,
                                     struct stripe_answer *ret_answer);
/* Ends an open checkout, at Stripe too. CONFLICT: it has just been paid. */
MUST enum err subscriptions_abandon(struct payments *p, const struct subscription *x,
                                    struct stripe_answer *ret_answer);

/* ---- changed: each asks Stripe at once, and writes down what it answers ---- */
struct subscription_change {
    struct plan from, to;
    bool at_once; /* else with the next period */
};
/* What a change to this plan would be. CONFLICT with words. */
MUST enum err subscriptions_change_of(struct payments *p, struct store_conn *conn, struct arena *a,
                                      const struct subscription *x, struct str plan,
                                      struct subscription_change *ret_change,
                                      const char **ret_words);
struct subscription_preview {
    int64_t due_minor;
    struct nano credit;
};
MUST enum err subscriptions_preview(struct payments *p, struct arena *a,
                                    const struct subscription *x,
                                    const struct subscription_change *change,
                                    struct subscription_preview *ret_preview,
                                    struct stripe_answer *ret_answer);
/* A turn for what follows: part of the idempotency key at Stripe. */
MUST enum err subscriptions_turn_in(struct store_conn *conn, const char *id, int64_t *ret_turn);
MUST enum err subscriptions_change(struct payments *p, struct arena *a, const char *id,
                                   int64_t turn, const struct subscription_change *change,
                                   struct stripe_answer *ret_answer);
/* At the end of the period, or not. */
MUST enum err subscriptions_cancel(struct payments *p, struct arena *a, const char *id,
                                   int64_t turn, bool cancel, struct stripe_answer *ret_answer);
/* Now. */
MUST enum err subscriptions_end(struct payments *p, struct arena *a, const char *id, int64_t turn,
                                struct stripe_answer *ret_answer);
/* Has Stripe asked again. */
MUST enum err subscriptions_refresh_in(struct payments *p, struct store_conn *conn, const char *id,
                                       int64_t now_us);
/* The team goes: nobody is charged for it any more. */
MUST enum err subscriptions_team_gone_in(struct payments *p, struct store_conn *conn,
                                         struct id team, int64_t now_us);
/* Stripe's pages for the team's cards, invoices and plan. NOT_FOUND: it is no customer yet. */
MUST enum err subscriptions_portal(struct payments *p, struct arena *a, struct id team,
                                   struct str *ret_url, struct stripe_answer *ret_answer);

#endif

/* What is sold by subscription: plans, each version of which has a price of its own at Stripe.
 *
 * Owns: tables plan, plan_version, plan_price; job kind "stripe_plan".
 * Needs: payments.
 * Threads: functions ending in _in inside a store_write closure; the rest on any worker.
 * Memory: texts live in the arena given.
 * Units: minor units of the currency, nano-dollars of credit, µs.
 * Errors: NOT_FOUND, CONFLICT, NOT_IMPLEMENTED (Stripe is off), those of the store.
 * Always: a version never changes, so that who has it keeps what he has bought; it is on offer once
 * Stripe has its price. */
#ifndef PAYMENTS_PLANS_H
#define PAYMENTS_PLANS_H

#include "payments/payments.h"

#define PLAN_ID "plan_"

/* A plan, as one version of it says. */
struct plan {
    char id[ID_TEXT_MAX];
    struct str name, description;
    bool active;
    int64_t trial_days;
    struct nano trial_credit;
    int64_t newest, n; /* the present version, and this one */
    int64_t price_minor;
    struct str currency, period; /* month, year */
    struct nano monthly_credit;
    struct str roll_over; /* none, all, capped */
    struct nano roll_over_max;
    int64_t rpm, burst; /* rpm 0: no tier */
    struct str product, price; /* Stripe's; empty: not yet */
    int64_t created_us, updated_us;
};
static inline bool plan_is_yearly(const struct plan *x)
{
    return str_eq(x->period, STR("year"));
}

/* n 0: the present version. */
MUST enum err plans_get(struct payments *p, struct store_conn *conn, struct arena *a, struct str id,
                        int64_t n, struct plan *ret_plan);
/* By Stripe's price. */
MUST enum err plans_by_price(struct payments *p, struct store_conn *conn, struct arena *a,
                             struct str price, struct plan *ret_plan);
typedef void (*plans_f)(void *arg, const struct plan *x);
/* Newest first, ids below `below`. */
MUST enum err plans_list(struct payments *p, struct store_conn *conn, struct str below,
                         int64_t limit, plans_f fn, void *arg);
/* What can be had, the cheapest first. */
MUST enum err plans_offered(struct payments *p, struct store_conn *conn, plans_f fn, void *arg);

/* What is wrong with it, for people; NULL: nothing. ret_field: which member. */
const char *plans_fault(const struct plan *x, const char **ret_field);
/* A new one (id empty: made here), or changes to it; what a customer has bought makes a version. */
MUST enum err plans_put_in(struct payments *p, struct store_conn *conn, struct plan *x,
                           int64_t now_us);
/* CONFLICT: somebody has or had it. */
MUST enum err plans_drop_in(struct payments *p, struct store_conn *conn, struct str id);

/* Members of a plan's object, for everybody; and what operators see besides. */
void plans_json(const struct plan *x, struct buf *b);
MUST enum err plans_more_json(struct store_conn *conn, const struct plan *x, struct buf *b);

#endif

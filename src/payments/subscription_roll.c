/* What of a subscription's credit leaves: of months that are over, what the plan does not let roll
 * over; when it has ended, all of it. What calls hold cannot be taken from them: it is looked at
 * again until they have spent it or given it back. */
#include "base/clock.h"
#include "payments/room.h"

#include <stdio.h>

#define HELD_AGAIN_US (5 * US_PER_S)

struct old_lots {
    struct {
        char payment[ID_TEXT_MAX];
        struct id lot;
        struct nano unspent;
    } list[64];
    size_t n;
    int64_t unspent, held;
};

static enum err old_read(struct payments *p, struct store_conn *conn, const struct subscription *x,
                         int64_t before_us, struct old_lots *o)
{
    struct store_query *q = NULL;
    o->n = 0;
    o->unspent = o->held = 0;
    enum err e = store_start(conn, SQL_PAYMENTS_LOTS_BEFORE, &q, "ti", str_c(x->id), before_us);
    while (e == OK && o->n < 64 && (e = store_step(q)) == OK) {
        struct nano unspent = NANO(0), left = NANO(0);
        struct id lot = id_of_bytes(store_str(q, 1));
        e = ledger_lot_unspent_in(p->ledger, conn, lot, &unspent);
        if (e == OK)
            e = ledger_lot_left_in(p->ledger, conn, lot, &left);
        o->held += left.v - unspent.v;
        if (e != OK || unspent.v == 0)
            continue;
        snprintf(o->list[o->n].payment, ID_TEXT_MAX, "%.*s", STR_ARG(store_str(q, 0)));
        o->list[o->n].lot = lot;
        o->list[o->n++].unspent = unspent;
        o->unspent += unspent.v;
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

/* Of months before that time so much stays, the newest of it; the rest expires. *ret_more: what
 * calls hold of it may yet be too much. */
static enum err keep_in(struct payments *p, struct store_conn *conn, const struct subscription *x,
                        int64_t before_us, int64_t kept, int64_t now_us, bool *ret_more)
{
    struct old_lots o;
    enum err e = old_read(p, conn, x, before_us, &o);
    int64_t over = o.unspent - kept, stays = over > 0 ? kept : o.unspent;
    for (size_t i = 0; i < o.n && e == OK && over > 0; i++) {
        int64_t take = o.list[i].unspent.v < over ? o.list[i].unspent.v : over;
        e = payment_expire_in(p, conn, str_c(o.list[i].payment), o.list[i].lot, NANO(take), now_us);
        over -= take;
    }
    *ret_more = *ret_more || o.held > kept - stays;
    return e;
}

/* What there was to try it with. */
static enum err trial_end_in(struct payments *p, struct store_conn *conn,
                             const struct subscription *x, int64_t now_us, bool *ret_more)
{
    char key[ID_TEXT_MAX + 48];
    struct nano unspent = NANO(0), left = NANO(0), taken;
    if (x->trial_lot.n == 0)
        return OK;
    struct id lot = id_of_bytes(x->trial_lot);
    /* Not the same each time: calls may have given back more. */
    int n = snprintf(key, sizeof(key), "trial:%s:end:%lld", x->id, (long long)now_us);
    enum err e = ledger_lot_unspent_in(p->ledger, conn, lot, &unspent);
    if (e == OK && unspent.v != 0)
        e = ledger_lot_take_in(p->ledger, conn, lot, unspent, STR("breakage"),
                               STR("the trial is over"), str_of(key, (size_t)n), now_us, &taken);
    if (e == OK)
        e = ledger_lot_left_in(p->ledger, conn, lot, &left);
    *ret_more = *ret_more || left.v != 0;
    return e;
}

/* Ended: nothing stays. Else by the rule of the month that credit was given for last. */
static enum err leave_in(struct payments *p, struct store_conn *conn, struct arena *a,
                         const struct subscription *x, bool ended, int64_t now_us, bool *ret_more)
{
    struct plan plan;
    int64_t kept = 0, before_us = ended ? INT64_MAX : x->credit_us;
    *ret_more = false;
    enum err e = ended ? OK : plans_get(p, conn, a, x->credit_plan, x->credit_n, &plan);
    if (e != OK)
        return e == ERR_NOT_FOUND ? OK : e;
    if (!ended && str_eq(plan.roll_over, STR("all")))
        kept = INT64_MAX;
    else if (!ended && str_eq(plan.roll_over, STR("capped")))
        kept = plan.roll_over_max.v;
    e = trial_end_in(p, conn, x, now_us, ret_more);
    return e == OK ? keep_in(p, conn, x, before_us, kept, now_us, ret_more) : e;
}

/* And what calls hold of it when they give it back. */
static enum err leave_all_in(struct payments *p, struct store_conn *conn, struct arena *a,
                             const struct subscription *x, bool ended, int64_t now_us)
{
    bool more = false;
    struct jobs_spec spec = {
        .kind = "stripe_rest", .input = str_c(x->id), .wake_us = now_us + HELD_AGAIN_US};
    enum err e = leave_in(p, conn, a, x, ended, now_us, &more);
    return e == OK && more ? jobs_enqueue_in(p->options.jobs, conn, &spec, now_us, NULL) : e;
}

enum err subscription_roll_in(struct payments *p, struct store_conn *conn, struct arena *a,
                              const struct subscription *x, int64_t now_us)
{
    return leave_all_in(p, conn, a, x, false, now_us);
}

enum err subscription_credit_end_in(struct payments *p, struct store_conn *conn,
                                    struct subscription *x, int64_t now_us)
{
    x->year_payment = STR("");
    return leave_all_in(p, conn, NULL, x, true, now_us);
}

struct rest {
    struct payments *p;
    struct str id;
    int64_t now_us;
    bool more;
};

static enum err rest_in(struct store_conn *conn, void *arg)
{
    struct rest *r = arg;
    struct arena a;
    struct subscription x;
    arena_init(&a, 4096, 65536);
    enum err e = subscriptions_get(conn, &a, r->id, &x);
    if (e == OK)
        e = leave_in(r->p, conn, &a, &x, subscription_is_over(&x), r->now_us, &r->more);
    arena_fini(&a);
    return e;
}

static enum jobs_outcome rest_run(struct jobs_call *call)
{
    struct rest r = {.p = call->arg, .id = call->input, .now_us = call->now_us};
    enum err e = store_write(r.p->options.store, rest_in, &r);
    call->wake_us = call->now_us + HELD_AGAIN_US;
    if (e != OK)
        snprintf(call->why, sizeof(call->why), "credit that is over is left: %s",
                 err_info(e)->name);
    return e != OK ? JOBS_RETRY : r.more ? JOBS_SLEEP : JOBS_DONE;
}

const struct jobs_step payments_rest_steps[] = {{.name = "take", .run = rest_run}};

/* Refunds that we start, and the sweep.
 *
 * A refund takes the credit first, under a name of our own, and asks for the money then: so what is
 * given back cannot be spent meanwhile. Stripe's refund carries our name; whoever hears of it first
 * (the answer or the event) puts Stripe's in its place. */
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "observe/observe.h"
#include "payments/room.h"

#include <stdio.h>

#define EVENTS_KEPT_US (45 * US_PER_DAY)
#define OWED_LOOKED_AT_US (7 * US_PER_DAY)

/* ---------------------------------------------------------------- asked for */

/* input: our name of it, payment, intent, minor amount, a line each. */
static enum err enqueue(struct payments *p, struct store_conn *conn, const struct payment *x,
                        struct str ours, int64_t minor, int64_t now_us)
{
    char input[512];
    int n = snprintf(input, sizeof(input), "%.*s\n%s\n%.*s\n%lld", STR_ARG(ours), x->id,
                     STR_ARG(str_upto(x->intent, 200)), (long long)minor);
    struct jobs_spec spec = {
        .kind = "stripe_refund", .key = ours, .input = str_of(input, (size_t)n)};
    return jobs_enqueue_in(p->options.jobs, conn, &spec, now_us, NULL);
}

/* The money that stands for so much of the credit: what tax and discounts have made of it. */
static enum err minor_of(struct store_conn *conn, const struct payment *x, struct nano amount,
                         int64_t *ret_minor)
{
    struct payments_standing standing;
    struct nano paid;
    int64_t minor = 0;
    enum err e = payments_standing(conn, x, &standing);
    if (e == OK)
        e = stripe_to_nano(x->currency, x->paid_minor, &paid);
    if (e == OK)
        e = stripe_to_minor_down(x->currency, nano_share(paid, amount.v, x->amount.v), &minor);
    if (e != OK)
        return e;
    int64_t left = x->paid_minor - standing.refunded_minor;
    *ret_minor = minor > left || amount.v + x->refunded.v >= x->amount.v ? left : minor;
    return *ret_minor > 0 ? OK : ERR_VALIDATION_FAILED;
}

static enum err refund(struct payments *p, struct store_conn *conn, struct arena *a,
                       struct payment *x, struct nano *amount, int64_t now_us)
{
    struct nano unspent;
    char text[ID_TEXT_MAX];
    int64_t minor;
    if (!str_eq(x->status, STR("completed")) || x->intent.n == 0)
        return ERR_CONFLICT;
    enum err e = payment_unspent_in(p, conn, x->id, &unspent);
    if (e != OK)
        return e;
    if (amount->v != 0 && stripe_to_minor(x->currency, *amount, &minor) != OK)
        return ERR_VALIDATION_FAILED;
    if (amount->v == 0)
        *amount = unspent;
    if (amount->v <= 0 || amount->v > unspent.v)
        return ERR_VALIDATION_FAILED;
    e = minor_of(conn, x, *amount, &minor);
    if (e != OK)
        return e;
    struct str ours = id_text(PAYMENTS_REFUND_OURS, id_new(now_us), text);
    e = store_run(conn, SQL_PAYMENTS_REFUND_PUT, NULL, "ttiii", ours, x->intent, minor, (int64_t)0,
                  now_us);
    if (e == OK)
        e = enqueue(p, conn, x, ours, minor, now_us);
    return e == OK ? payment_settle_in(p, conn, a, x, now_us) : e;
}

enum err payments_refund_in(struct payments *p, struct store_conn *conn, const char *payment,
                            struct nano amount, int64_t now_us, struct nano *ret_amount)
{
    struct arena a;
    struct payment x;
    arena_init(&a, 4096, 65536);
    enum err e = payments_get(conn, &a, str_c(payment), &x);
    if (e == OK)
        e = refund(p, conn, &a, &x, &amount, now_us);
    if (e == OK)
        *ret_amount = amount;
    arena_fini(&a);
    return e;
}

struct asked {
    struct str ours, payment, intent, minor;
};

static struct asked asked_read(struct str input)
{
    struct asked r = {.ours = str_cut(&input, '\n')};
    r.payment = str_cut(&input, '\n');
    r.intent = str_cut(&input, '\n');
    r.minor = input;
    return r;
}

/* The same key every time, so that a silence does no harm. data: Stripe's object, or nothing when
 * it was refused. */
static enum jobs_outcome refund_run(struct jobs_call *call)
{
    struct payments *p = call->arg;
    struct asked r = asked_read(call->input);
    struct stripe_answer answer;
    struct buf form;
    enum jobs_outcome outcome = JOBS_DONE;
    buf_init(&form, STRIPE_FORM_MAX);
    stripe_form_text(&form, "payment_intent", r.intent);
    stripe_form_text(&form, "amount", r.minor);
    stripe_form_text(&form, "metadata[refund_id]", r.ours);
    stripe_form_text(&form, "metadata[payment_id]", r.payment);
    enum err e = stripe_post(&p->options.stripe, "/v1/refunds", buf_str(&form), r.ours, &answer);
    buf_reset(&call->data);
    if (e == OK) {
        buf_add(&call->data, answer.json);
    } else if (e == ERR_INVALID_REQUEST || e == ERR_NOT_FOUND) {
        observe_say("error", "refund_refused", "%.*s: Stripe refuses the refund: %s (%s)",
                    STR_ARG(r.payment), answer.message, answer.code);
    } else {
        snprintf(call->why, sizeof(call->why), "%s", answer.message);
        call->retry_us = answer.retry_after_us;
        outcome = stripe_may_retry(e) ? JOBS_RETRY : JOBS_FAILED;
    }
    stripe_answer_fini(&answer);
    buf_fini(&form);
    return outcome;
}

/* Refused, or its job was cancelled. Only ours can be dropped: when the event has come all the
 * same, it says what happened. */
enum err payments_refund_dropped_in(struct store_conn *conn, void *arg, struct str input,
                                    int64_t now_us)
{
    struct asked r = asked_read(input);
    struct arena a;
    struct payment x;
    arena_init(&a, 4096, 65536);
    enum err e = store_run(conn, SQL_PAYMENTS_REFUND_DROP, NULL, "t", r.ours);
    if (e == OK)
        e = payments_get(conn, &a, r.payment, &x);
    if (e == OK)
        e = payment_settle_in(arg, conn, &a, &x, now_us);
    arena_fini(&a);
    return e;
}

static enum err refund_done_in(struct store_conn *conn, struct jobs_call *call)
{
    struct arena a;
    if (call->data.n == 0)
        return payments_refund_dropped_in(conn, call->arg, call->input, call->now_us);
    arena_init(&a, 16384, 2 * EVENT_BODY_MAX);
    struct fact f = {.p = call->arg, .conn = conn, .arena = &a, .now_us = call->now_us};
    enum err e = fact_refund(&f, buf_str(&call->data));
    arena_fini(&a);
    return e == ERR_NOT_FOUND || e == ERR_VALIDATION_FAILED ? ERR_UPSTREAM_ERROR : e;
}

const struct jobs_step payments_refund_steps[] = {
    {.name = "refund", .run = refund_run, .done_in = refund_done_in, .attempts_max = 40}};

/* ---------------------------------------------------------------- the sweep */

struct due {
    char ids[100][ID_TEXT_MAX];
    size_t n;
};

static enum err due_read(struct payments *p, enum sql_id sql, int64_t at_us, struct due *d)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    d->n = 0;
    enum err e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, sql, &q, "i", at_us);
    while (e == OK && d->n < 100 && (e = store_step(q)) == OK)
        snprintf(d->ids[d->n++], ID_TEXT_MAX, "%.*s", STR_ARG(store_str(q, 0)));
    store_finish(&q);
    store_reader_end(&conn);
    return e == ERR_END ? OK : e;
}

struct sweep {
    struct payments *p;
    struct due due;
    int64_t now_us;
};

/* What a hold kept from being taken back may be free now. */
static enum err owed_in(struct store_conn *conn, void *arg)
{
    struct sweep *s = arg;
    struct arena a;
    struct payment x;
    enum err e = OK;
    arena_init(&a, 4096, 65536);
    for (size_t i = 0; i < s->due.n && e == OK; i++) {
        struct nano unspent = NANO(0);
        arena_reset(&a);
        e = payment_unspent_in(s->p, conn, s->due.ids[i], &unspent);
        if (e != OK || unspent.v == 0)
            continue;
        e = payments_get(conn, &a, str_c(s->due.ids[i]), &x);
        if (e == OK)
            e = payment_settle_in(s->p, conn, &a, &x, s->now_us);
    }
    arena_fini(&a);
    return e;
}

/* Orders that never got a page. */
static enum err overdue_in(struct store_conn *conn, void *arg)
{
    struct sweep *s = arg;
    enum err e = store_run(conn, SQL_PAYMENTS_EVENTS_EXPIRE, NULL, "i", s->now_us - EVENTS_KEPT_US);
    for (size_t i = 0; i < s->due.n && e == OK; i++)
        e = payments_failed_in(s->p, conn, s->due.ids[i], "expired",
                               STR("The checkout could not be opened."), s->now_us);
    return e;
}

/* Checkouts of plans that never got a page; plans that Stripe has not heard of; months of years. */
static enum err plans_in(struct store_conn *conn, void *arg)
{
    struct sweep *s = arg;
    enum err e = plans_unpriced_in(s->p, conn, s->now_us);
    if (e == OK)
        e = subscription_months_in(s->p, conn, s->now_us);
    for (size_t i = 0; i < s->due.n && e == OK; i++)
        e = subscription_over_in(s->p, conn, str_c(s->due.ids[i]), s->now_us);
    return e;
}

static enum jobs_outcome sweep_run(struct jobs_call *call)
{
    struct sweep *s = mem_zalloc(sizeof(*s));
    s->p = call->arg;
    s->now_us = call->now_us;
    enum err e = due_read(s->p, SQL_PAYMENTS_OWED, call->now_us - OWED_LOOKED_AT_US, &s->due);
    if (e == OK && s->due.n != 0)
        e = store_write(s->p->options.store, owed_in, s);
    if (e == OK)
        e = due_read(s->p, SQL_PAYMENTS_OVERDUE, call->now_us, &s->due);
    if (e == OK && s->due.n != 0)
        e = store_write(s->p->options.store, overdue_in, s);
    if (e == OK && payments_are_on(s->p))
        e = due_read(s->p, SQL_SUBSCRIPTION_OVERDUE, call->now_us, &s->due);
    if (e == OK && payments_are_on(s->p))
        e = store_write(s->p->options.store, plans_in, s);
    mem_free(s);
    return e == OK ? JOBS_DONE : JOBS_RETRY;
}

const struct jobs_step payments_sweep_steps[] = {{.name = "sweep", .run = sweep_run}};

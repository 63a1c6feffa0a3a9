/* From invoices to credit.
 *
 * Credit runs in months of the subscription; of a monthly plan they are its periods. The line of a
 * period brings a month's credit. Lines of a change are for what is left of a month: what is left
 * of the plan before counts against it, and the plan that was changed to counts for it. */
#include "base/clock.h"
#include "base/json.h"
#include "observe/observe.h"
#include "payments/room.h"

#include <stdio.h>

#define CENT NANO(NANO_PER_USD / 100)
#define MONTHS_MAX 12

/* ---------------------------------------------------------------- lines */

struct line {
    int64_t amount, start_us, end_us;
    bool proration;
    struct plan plan;
};

static enum err line_read(struct payments *p, struct store_conn *conn, struct arena *a,
                          struct str json, struct line *l)
{
    struct str period = json_get(json, STR("period"));
    struct str item = json_get(json_get(json, STR("parent")), STR("subscription_item_details"));
    struct str price = json_get(json_get(json, STR("pricing")), STR("price_details"));
    l->amount = stripe_i64(json, "amount", 0);
    l->start_us = stripe_i64(period, "start", 0) * US_PER_S;
    l->end_us = stripe_i64(period, "end", 0) * US_PER_S;
    l->proration = json_is_true(json_get(item, STR("proration")));
    return plans_by_price(p, conn, a, stripe_ref(a, price, "price"), &l->plan);
}

/* The month of a period that ends then in which the time lies. */
static struct payment_month month_of(int64_t at_us, int64_t end_us)
{
    struct payment_month m = {clock_months_later(end_us, -1), end_us};
    for (int n = 2; n <= MONTHS_MAX && m.starts_us > at_us; n++) {
        m.expires_us = m.starts_us;
        m.starts_us = clock_months_later(end_us, -n);
    }
    return m;
}

static void line_add(struct invoice_lines *r, const struct line *l, int64_t *credit)
{
    if (!l->proration) {
        r->full = true;
        r->trial = l->amount == 0; /* a discount would stand beside the amount */
        r->plan = l->plan;
        r->starts_us = l->start_us;
        r->ends_us = plan_is_yearly(&l->plan) && !r->trial ? clock_months_later(l->start_us, 1)
                                                           : l->end_us;
        *credit += r->trial ? 0 : l->plan.monthly_credit.v;
        return;
    }
    r->change = true;
    struct payment_month m = month_of(l->start_us, l->end_us);
    int64_t all = m.expires_us - m.starts_us, left = m.expires_us - l->start_us;
    left = left > all ? all : left < 0 ? 0 : left;
    int64_t share = all > 0 ? nano_share(l->plan.monthly_credit, left, all).v : 0;
    *credit += l->amount < 0 ? -share : share;
    if (l->amount < 0 || r->full)
        return;
    r->plan = l->plan;
    r->starts_us = l->start_us;
    r->ends_us = m.expires_us;
}

enum err subscription_lines(struct payments *p, struct store_conn *conn, struct arena *a,
                            struct str invoice, struct invoice_lines *ret_lines)
{
    struct json_walk w = json_walk_of(json_get(json_get(invoice, STR("lines")), STR("data")));
    int64_t credit = 0;
    enum err e = OK;
    memset(ret_lines, 0, sizeof(*ret_lines));
    while (json_next(&w) && (e == OK || e == ERR_NOT_FOUND)) {
        struct line l;
        e = line_read(p, conn, a, w.value, &l);
        if (e == OK)
            line_add(ret_lines, &l, &credit);
    }
    /* To whole cents, for the customer. */
    if (credit > 0)
        ret_lines->credit = NANO((credit + CENT.v - 1) / CENT.v * CENT.v);
    return e == ERR_NOT_FOUND ? OK : e; /* lines that are no plan's bring nothing */
}

/* ---------------------------------------------------------------- years, month by month */

/* When a month's credit is gone at the latest: what may roll over has no such time. */
static struct payment_month lasting(const struct payments *p, const struct plan *plan,
                                    int64_t starts_us, int64_t ends_us)
{
    bool none = str_eq(plan->roll_over, STR("none"));
    return (struct payment_month){starts_us, none ? ends_us + p->options.grace_us : 0};
}

static enum err months_in(struct payments *p, struct store_conn *conn, struct arena *a,
                          struct subscription *x, int64_t now_us)
{
    struct plan plan;
    struct payment z;
    if (x->year_payment.n == 0)
        return OK;
    enum err e = plans_get(p, conn, a, x->plan, x->plan_n, &plan);
    if (e == OK)
        e = payments_get(conn, a, x->year_payment, &z);
    while (e == OK && x->year_month < MONTHS_MAX) {
        int64_t starts = clock_months_later(x->year_us, x->year_month);
        if (starts > now_us)
            break;
        struct payment_month month = lasting(p, &plan, starts,
                                             clock_months_later(x->year_us, x->year_month + 1));
        e = payment_more_in(p, conn, a, &z, plan.monthly_credit, &month, now_us);
        x->year_month++;
        x->credit_us = starts;
        x->credit_plan = arena_dup(a, str_c(plan.id));
        x->credit_n = plan.n;
        if (e == OK)
            e = subscription_roll_in(p, conn, a, x, now_us);
        if (e == OK)
            e = payments_get(conn, a, x->year_payment, &z);
    }
    return e;
}

/* ---------------------------------------------------------------- an invoice as it is */

struct paying {
    struct payments *p;
    struct store_conn *conn;
    struct arena *a;
    struct subscription x;
    struct str invoice; /* Stripe's object */
    struct str intent, failure;
    bool action;
    struct invoice_lines lines;
    int64_t now_us;
};

static struct str days_of(struct arena *a, int64_t start_us, int64_t end_us)
{
    char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];
    return arena_printf(a, "%.10s to %.10s", clock_rfc3339(start_us, from).p,
                        clock_rfc3339(end_us, to).p);
}

/* The one that paid it, or that was tried last. */
static void intent_find(struct paying *y)
{
    struct json_walk w = json_walk_of(json_get(json_get(y->invoice, STR("payments")), STR("data")));
    y->intent = y->failure = STR("");
    while (json_next(&w)) {
        struct str payment = json_get(w.value, STR("payment"));
        struct str object = json_get(payment, STR("payment_intent"));
        struct str fault = json_get(object, STR("last_payment_error"));
        y->intent = stripe_ref(y->a, payment, "payment_intent");
        y->failure = stripe_text(y->a, fault, "code");
        y->action = str_eq(stripe_text(y->a, object, "status"), STR("requires_action"));
        if (str_eq(stripe_text(y->a, w.value, "status"), STR("paid")))
            return;
    }
}

/* The payment of the invoice, made when there is none. */
static enum err payment_of(struct paying *y, struct payment *ret)
{
    char id[ID_TEXT_MAX], team[ID_TEXT_MAX], user[ID_TEXT_MAX];
    struct str invoice = stripe_text(y->a, y->invoice, "id");
    enum err e = payments_get(y->conn, y->a, invoice, ret);
    if (e != ERR_NOT_FOUND)
        return e;
    e = store_run(y->conn, SQL_PAYMENTS_ADD_INVOICE, NULL, "ttttiiitt",
                  id_text(PAYMENTS_ID, id_new(y->now_us), id), id_text("team_", y->x.team, team),
                  id_is_zero(y->x.user) ? STR("") : id_text("usr_", y->x.user, user),
                  stripe_text(y->a, y->invoice, "currency"),
                  stripe_i64(y->invoice, "amount_due", 0), (int64_t)y->x.livemode, y->now_us,
                  str_c(y->x.id), invoice);
    return e == OK ? payments_get(y->conn, y->a, invoice, ret) : e;
}

static enum err trial_in(struct paying *y)
{
    char key[ID_TEXT_MAX + 16];
    struct subscription *x = &y->x;
    bool replayed;
    int n = snprintf(key, sizeof(key), "trial:%s", x->id);
    struct ledger_grant g = {.wallet = x->team,
                             .lot = id_new(y->now_us),
                             .kind = LEDGER_LOT_SUBSCRIPTION,
                             .amount = y->lines.plan.trial_credit,
                             .priority = PAYMENTS_PLAN_PRIORITY,
                             .expires_us = y->lines.ends_us + y->p->options.grace_us,
                             .source = STR("promo_expense"),
                             .reason = STR("to try the plan"),
                             .idempotency = str_of(key, (size_t)n),
                             .wall_us = y->now_us};
    if (x->trial_lot.n != 0 || g.amount.v == 0 || g.expires_us <= y->now_us ||
        x->credit_us > y->lines.starts_us)
        return OK;
    enum err e = ledger_grant_in(y->p->ledger, y->conn, &g, &replayed);
    if (e == OK)
        x->trial_lot = arena_dup(y->a, id_bytes(&g.lot));
    return e;
}

static enum err granted_in(struct paying *y, char ret_payment[ID_TEXT_MAX])
{
    struct payment z;
    const struct invoice_lines *l = &y->lines;
    int64_t total = stripe_i64(y->invoice, "total", 0),
            paid = stripe_i64(y->invoice, "amount_paid", 0);
    ret_payment[0] = '\0';
    if (l->credit.v == 0 && paid == 0)
        return OK; /* a change that gave money back: it counts against the next invoice */
    enum err e = payment_of(y, &z);
    if (e != OK)
        return e;
    snprintf(ret_payment, ID_TEXT_MAX, "%s", z.id);
    if (payment_is_granted(&z))
        return OK;
    struct payment_month month = lasting(y->p, &l->plan, l->starts_us, l->ends_us);
    z.amount = l->credit;
    z.paid_minor = paid;
    z.tax_minor = total - stripe_i64(y->invoice, "total_excluding_tax", total);
    z.customer = stripe_ref(y->a, y->invoice, "customer");
    z.about = arena_printf(y->a, "%s%.*s, %.*s", l->full ? "" : "Change to ", STR_ARG(l->plan.name),
                           STR_ARG(days_of(y->a, l->starts_us, l->ends_us)));
    return payment_paid_in(y->p, y->conn, y->a, &z, y->intent, &month, y->now_us);
}

/* The first period of another plan, a renewal, or a change within a period. */
static enum err paid_in(struct paying *y)
{
    char payment[ID_TEXT_MAX];
    struct subscription *x = &y->x;
    const struct invoice_lines *l = &y->lines;
    enum err e = l->trial ? trial_in(y) : granted_in(y, payment);
    if (e != OK)
        return e;
    if (l->starts_us >= x->paid_us) {
        x->plan = str_c(l->plan.id);
        x->plan_n = l->plan.n;
        x->paid_us = l->starts_us;
    }
    if (!l->full || l->trial)
        return OK;
    if (l->starts_us > x->credit_us) {
        bool yearly = plan_is_yearly(&l->plan);
        x->credit_us = l->starts_us;
        x->credit_plan = str_c(l->plan.id);
        x->credit_n = l->plan.n;
        x->year_us = yearly ? l->starts_us : 0;
        x->year_month = yearly ? 1 : 0;
        x->year_payment = yearly ? arena_dup(y->a, str_c(payment)) : STR("");
    }
    /* A change in the middle of a month has counted what was left of it: it stays till its end. */
    return l->change ? OK : subscription_roll_in(y->p, y->conn, y->a, x, y->now_us);
}

static enum err unpaid_in(struct paying *y, enum subscription_news *ret_news)
{
    struct payment z;
    struct subscription *x = &y->x;
    struct str reason = stripe_text(y->a, y->invoice, "billing_reason");
    enum err e = payment_of(y, &z);
    if (e != OK || payment_is_granted(&z))
        return e;
    struct str before = z.status;
    z.status = STR("failed");
    z.failure = y->failure.n != 0 ? y->failure : STR("payment_failed");
    z.about = y->lines.plan.name;
    z.amount = y->lines.credit;
    x->failure = z.failure;
    x->pay_url = str_upto(stripe_text(y->a, y->invoice, "hosted_invoice_url"), 1000);
    /* Who sees the page needs no mail. */
    if (!str_eq(reason, STR("subscription_create")))
        *ret_news = y->action ? SUBSCRIPTION_ACTION_REQUIRED : SUBSCRIPTION_PAYMENT_FAILED;
    return payment_put_in(y->p, y->conn, &z, before, y->now_us);
}

static enum err invoice_in(struct paying *y)
{
    enum subscription_news news = SUBSCRIPTION_NONE;
    struct subscription *x = &y->x;
    struct str status = stripe_text(y->a, y->invoice, "status");
    int64_t attempts = stripe_i64(y->invoice, "attempt_count", 0);
    struct str once = arena_printf(y->a, "%.*s:%lld", STR_ARG(stripe_text(y->a, y->invoice, "id")),
                                   (long long)attempts);
    enum err e = subscription_lines(y->p, y->conn, y->a, y->invoice, &y->lines);
    intent_find(y);
    if (e == OK && str_eq(status, STR("paid")) && y->lines.plan.id[0] != '\0')
        e = paid_in(y);
    else if (e == OK && str_eq(status, STR("open")) && attempts > 0 && !subscription_is_over(x))
        e = unpaid_in(y, &news);
    else if (e == OK && !str_eq(status, STR("open")))
        x->pay_url = STR("");
    if (e == OK)
        e = months_in(y->p, y->conn, y->a, x, y->now_us);
    if (e == OK && subscription_is_over(x))
        e = subscription_credit_end_in(y->p, y->conn, x, y->now_us); /* it came too late */
    if (e == OK)
        e = subscription_put_in(y->p, y->conn, x, news, once, y->now_us);
    return e == OK && !subscription_is_over(x)
               ? subscription_ask_in(y->p, y->conn, x->id, STR(""), y->now_us)
               : e;
}

/* ---------------------------------------------------------------- asked for */

/* data: Stripe's object. Only what is paid for a plan that we know brings anything: else somebody
 * must look. */
static enum jobs_outcome invoice_known(struct jobs_call *call, struct str invoice)
{
    struct payments *p = call->arg;
    struct store_conn *conn = NULL;
    struct invoice_lines lines;
    struct str status = stripe_text(&call->arena, invoice, "status");
    enum err e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return JOBS_RETRY;
    e = subscription_lines(p, conn, &call->arena, invoice, &lines);
    store_reader_end(&conn);
    if (e != OK)
        return JOBS_RETRY;
    if (lines.plan.id[0] != '\0' || !str_eq(status, STR("paid")) ||
        stripe_i64(invoice, "amount_paid", 0) == 0)
        return JOBS_DONE;
    snprintf(call->why, sizeof(call->why), "it was paid, but none of its lines is a plan's");
    return JOBS_FAILED;
}

static enum jobs_outcome invoice_run(struct jobs_call *call)
{
    struct payments *p = call->arg;
    struct stripe_answer answer;
    struct str id = call->input;
    struct buf path;
    (void)str_cut(&id, '\n');
    buf_init(&path, 1024);
    buf_add(&path, STR("/v1/invoices/"));
    stripe_escape(&path, id);
    buf_add(&path, STR("?expand[]=payments.data.payment.payment_intent"));
    buf_byte(&path, '\0');
    enum err e = stripe_get(&p->options.stripe, path.p, &answer);
    enum jobs_outcome outcome = payments_job_outcome(call, e, &answer);
    buf_reset(&call->data);
    if (outcome == JOBS_DONE)
        outcome = invoice_known(call, answer.json);
    if (outcome == JOBS_DONE)
        buf_add(&call->data, answer.json);
    stripe_answer_fini(&answer);
    buf_fini(&path);
    return outcome;
}

static enum err invoice_done_in(struct store_conn *conn, struct jobs_call *call)
{
    struct arena a;
    struct str rest = call->input, id = str_cut(&rest, '\n');
    arena_init(&a, 16384, 2 * EVENT_BODY_MAX);
    struct paying y = {.p = call->arg,
                       .conn = conn,
                       .a = &a,
                       .invoice = buf_str(&call->data),
                       .now_us = call->now_us};
    enum err e = subscriptions_get(conn, &a, id, &y.x);
    if (e == OK)
        e = invoice_in(&y);
    arena_fini(&a);
    return e;
}

const struct jobs_step payments_invoice_steps[] = {
    {.name = "fetch", .run = invoice_run, .done_in = invoice_done_in, .attempts_max = 40}};

/* ---------------------------------------------------------------- every month */

enum err subscription_months_in(struct payments *p, struct store_conn *conn, int64_t now_us)
{
    struct store_query *q = NULL;
    struct arena ids, a;
    struct str list[1000];
    size_t n = 0;
    arena_init(&ids, 4096, 1u << 20);
    arena_init(&a, 4096, 1u << 20);
    enum err e = store_start(conn, SQL_SUBSCRIPTION_YEARLY, &q, "");
    while (e == OK && n < 1000 && (e = store_step(q)) == OK)
        list[n++] = arena_dup(&ids, store_str(q, 0));
    store_finish(&q);
    e = e == ERR_END ? OK : e;
    for (size_t i = 0; i < n && e == OK; i++) {
        struct subscription x;
        arena_reset(&a);
        e = subscriptions_get(conn, &a, list[i], &x);
        if (e != OK || clock_months_later(x.year_us, x.year_month) > now_us)
            continue;
        e = months_in(p, conn, &a, &x, now_us);
        if (e == OK)
            e = subscription_put_in(p, conn, &x, SUBSCRIPTION_NONE, STR(""), now_us);
    }
    arena_fini(&a);
    arena_fini(&ids);
    return e;
}

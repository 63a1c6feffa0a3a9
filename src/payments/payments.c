/* Opening, and looking. */
#include "payments/payments.h"

#include "base/clock.h"
#include "base/mem.h"
#include "payments/room.h"

#include <stdio.h>

#define SWEEP_EVERY_US (60 * US_PER_S)

bool payments_are_on(const struct payments *p)
{
    return stripe_is_on(&p->options.stripe);
}

const struct stripe *payments_stripe(const struct payments *p)
{
    return &p->options.stripe;
}

struct payments *payments_new(const struct payments_options *options)
{
    struct payments *p = mem_zalloc(sizeof(*p));
    struct jobs *jobs = options->jobs;
    p->options = *options;
    p->event = (struct jobs_kind){.name = "stripe_event",
                                  .steps = payments_event_steps,
                                  .steps_n = 1,
                                  .cancelled_in = payments_event_dropped_in,
                                  .arg = p};
    p->refund = (struct jobs_kind){.name = "stripe_refund",
                                   .steps = payments_refund_steps,
                                   .steps_n = 1,
                                   .cancelled_in = payments_refund_dropped_in,
                                   .arg = p};
    p->sweep = (struct jobs_kind){.name = "stripe_sweep",
                                  .steps = payments_sweep_steps,
                                  .steps_n = 1,
                                  .every_us = SWEEP_EVERY_US,
                                  .arg = p};
    p->reconcile = (struct jobs_kind){.name = "stripe_reconcile",
                                      .steps = payments_reconcile_steps,
                                      .steps_n = PAYMENTS_RECONCILE_STEPS,
                                      .every_us = options->reconcile_every_us,
                                      .arg = p};
    p->reconcile_now = p->reconcile;
    p->reconcile_now.name = "stripe_reconcile_now";
    p->reconcile_now.every_us = 0;
    p->plan = (struct jobs_kind){.name = "stripe_plan",
                                 .steps = payments_plan_steps,
                                 .steps_n = PAYMENTS_PLAN_STEPS,
                                 .arg = p};
    p->subscription = (struct jobs_kind){.name = "stripe_subscription",
                                         .steps = payments_subscription_steps,
                                         .steps_n = 1,
                                         .arg = p};
    p->invoice = (struct jobs_kind){
        .name = "stripe_invoice", .steps = payments_invoice_steps, .steps_n = 1, .arg = p};
    p->grace = (struct jobs_kind){.name = "stripe_grace",
                                  .steps = payments_grace_steps,
                                  .steps_n = PAYMENTS_GRACE_STEPS,
                                  .arg = p};
    p->rest = (struct jobs_kind){
        .name = "stripe_rest", .steps = payments_rest_steps, .steps_n = 1, .arg = p};
    jobs_kind_add(jobs, &p->rest);
    jobs_kind_add(jobs, &p->plan);
    jobs_kind_add(jobs, &p->subscription);
    jobs_kind_add(jobs, &p->invoice);
    jobs_kind_add(jobs, &p->grace);
    jobs_kind_add(jobs, &p->event);
    jobs_kind_add(jobs, &p->refund);
    jobs_kind_add(jobs, &p->sweep);
    jobs_kind_add(jobs, &p->reconcile_now);
    if (payments_are_on(p))
        jobs_kind_add(jobs, &p->reconcile);
    return p;
}

void payments_attach(struct payments *p, struct ledger *ledger)
{
    p->ledger = ledger;
}

void payments_watch(struct payments *p, struct payments_watcher watcher)
{
    p->watcher = watcher;
}

void payments_handle(struct payments *p, struct payments_handler handler)
{
    must(p->handlers_n < PAYMENTS_HANDLERS_MAX);
    p->handlers[p->handlers_n++] = handler;
}

void payments_free(struct payments **p)
{
    mem_free(*p);
    *p = NULL;
}

enum err payments_reconcile_in(struct payments *p, struct store_conn *conn, int64_t now_us,
                               struct id *ret_run)
{
    struct jobs_spec spec = {.kind = "stripe_reconcile_now"};
    if (!payments_are_on(p))
        return ERR_NOT_IMPLEMENTED;
    return jobs_enqueue_in(p->options.jobs, conn, &spec, now_us, ret_run);
}

enum jobs_outcome payments_job_outcome(struct jobs_call *call, enum err e,
                                       const struct stripe_answer *answer)
{
    if (e == OK)
        return JOBS_DONE;
    snprintf(call->why, sizeof(call->why), "%s",
             answer->message[0] != '\0' ? answer->message : err_info(e)->name);
    call->retry_us = answer->retry_after_us;
    return e == ERR_FORBIDDEN || e == ERR_INVALID_REQUEST || e == ERR_NOT_FOUND ? JOBS_FAILED
                                                                                : JOBS_RETRY;
}

/* ---------------------------------------------------------------- looking */

static void minor_json(struct buf *b, const struct payment *x, int64_t minor)
{
    struct nano n;
    if (stripe_to_nano(x->currency, minor, &n) == OK)
        buf_json_nano(b, "amount", n);
}

static enum err refunds_json(struct store_conn *conn, const struct payment *x, struct buf *b)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_PAYMENTS_REFUNDS, &q, "t", x->intent);
    while (e == OK && (e = store_step(q)) == OK) {
        buf_json_comma(b);
        buf_byte(b, '{');
        buf_json_member(b, "id", store_str(q, 0));
        minor_json(b, x, store_i64(q, 1));
        buf_json_bool(b, "failed", store_i64(q, 2) != 0);
        buf_byte(b, '}');
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

static enum err disputes_json(struct store_conn *conn, const struct payment *x, struct buf *b)
{
    static const char *const bits[] = {"opened", "withdrawn", "reinstated", "lost", "released"};
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_PAYMENTS_DISPUTES, &q, "t", x->intent);
    while (e == OK && (e = store_step(q)) == OK) {
        buf_json_comma(b);
        buf_byte(b, '{');
        buf_json_member(b, "id", store_str(q, 0));
        minor_json(b, x, store_i64(q, 1));
        buf_json_member(b, "reason", store_str(q, 2));
        for (int i = 0; i < 5; i++)
            buf_json_bool(b, bits[i], store_i64(q, 3 + i) != 0);
        buf_byte(b, '}');
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

static struct payments_event_row event_row(const struct store_query *q)
{
    return (struct payments_event_row){.id = store_str(q, 0),
                                       .type = store_str(q, 1),
                                       .created_us = store_i64(q, 2),
                                       .received_us = store_i64(q, 3),
                                       .deliveries = store_i64(q, 4),
                                       .state = store_str(q, 5),
                                       .note = store_str(q, 6)};
}

void payments_event_json(const struct payments_event_row *row, struct buf *b)
{
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", row->id);
    buf_json_member(b, "type", row->type);
    buf_json_time(b, "created_at", row->created_us);
    buf_json_time(b, "received_at", row->received_us);
    buf_json_i64(b, "deliveries", row->deliveries);
    buf_json_member(b, "state", row->state);
    buf_json_member(b, "note", row->note);
    buf_byte(b, '}');
}

static enum err events_json(struct store_conn *conn, const struct payment *x, struct buf *b)
{
    struct store_query *q = NULL;
    /* The note of an event that was done is the payment that it was about. */
    enum err e = store_start(conn, SQL_PAYMENTS_EVENTS_ABOUT, &q, "t", str_c(x->id));
    while (e == OK && (e = store_step(q)) == OK) {
        struct payments_event_row row = event_row(q);
        payments_event_json(&row, b);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err payments_disputes_count(struct store_conn *conn, const struct payment *x, struct buf *b)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_PAYMENTS_DISPUTES_COUNT, &q, "t", x->intent);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        buf_json_i64(b, "disputes", store_i64(q, 0));
    store_finish(&q);
    return e;
}

enum err payments_about_json(struct store_conn *conn, const struct payment *x, struct buf *b)
{
    static const struct {
        const char *name;
        enum err (*fn)(struct store_conn *conn, const struct payment *x, struct buf *b);
    } parts[] = {{"refunds", refunds_json}, {"disputes", disputes_json}, {"events", events_json}};
    enum err e = OK;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && e == OK; i++) {
        buf_json_key(b, parts[i].name);
        buf_byte(b, '[');
        e = parts[i].fn(conn, x, b);
        buf_byte(b, ']');
    }
    return e;
}

enum err payments_events(struct store_conn *conn, struct str state, struct str type,
                         struct str below, int64_t limit, payments_event_row_f fn, void *arg)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_PAYMENTS_EVENTS, &q, "ttti", state, type, below, limit);
    while (e == OK && (e = store_step(q)) == OK) {
        struct payments_event_row row = event_row(q);
        fn(arg, &row);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err payments_reports_json(struct store_conn *conn, struct buf *b)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_PAYMENTS_REPORTS, &q, "");
    buf_byte(b, '[');
    while (e == OK && (e = store_step(q)) == OK) {
        buf_json_comma(b);
        buf_byte(b, '{');
        buf_json_member(b, "id", store_str(q, 0));
        buf_json_time(b, "at", store_i64(q, 1));
        buf_json_time(b, "from", store_i64(q, 2));
        buf_json_i64(b, "checked", store_i64(q, 3));
        buf_json_i64(b, "mended", store_i64(q, 4));
        buf_json_i64(b, "mismatches", store_i64(q, 5));
        buf_json_key(b, "findings");
        buf_printf(b, "[%.*s]}", STR_ARG(store_str(q, 6)));
    }
    buf_byte(b, ']');
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err payments_trouble(struct store_conn *conn, int64_t now_us,
                          struct payments_trouble *ret_trouble)
{
    struct store_query *q = NULL;
    struct payments_trouble t = {0};
    enum err e = store_start(conn, SQL_PAYMENTS_REPORTS, &q, "");
    if (e == OK && (e = store_step(q)) == OK)
        t.mismatches = store_i64(q, 5);
    store_finish(&q);
    if (e != OK && e != ERR_END)
        return e;
    e = store_start(conn, SQL_PAYMENTS_EVENTS_REFUSED, &q, "i", now_us - US_PER_DAY);
    if (e == OK && (e = store_step(q)) == OK)
        t.refused = store_i64(q, 0);
    store_finish(&q);
    if (e == OK)
        *ret_trouble = t;
    return e;
}

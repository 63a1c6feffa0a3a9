/* Stripe's lists against ours. What Stripe knows and we have not heard of is worked on first, as if
 * it had been told (events that were lost, pages whose end we missed); what differs after that is a
 * mismatch, for the operator. */
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "observe/observe.h"
#include "payments/room.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_US (29 * US_PER_DAY) /* events are kept for 30 days there */
#define OVERLAP_US (3600 * US_PER_S)
#define EARLIER_US (2 * US_PER_DAY) /* an intent is that much older than its payment, at most */
#define FINDINGS_MAX 200
/* Paid since then: the list may be older. */
#define YOUNG_US (120 * US_PER_S)
/* What differs is looked at again, as its events may be on their way. */
#define LOOKS 3
#define WAIT_US (60 * US_PER_S)

/* data of the steps: from, mended, began, a line each. */
struct passed {
    int64_t from_us, mended, began_us;
};

static void passed_write(struct jobs_call *call, const struct passed *d)
{
    buf_reset(&call->data);
    buf_printf(&call->data, "%lld %lld %lld", (long long)d->from_us, (long long)d->mended,
               (long long)d->began_us);
}

static void passed_read(const struct jobs_call *call, struct passed *d)
{
    struct str s = buf_str(&call->data);
    uint64_t n[3] = {0};
    for (size_t i = 0; i < 3; i++)
        if (!str_to_u64(str_cut(&s, ' '), INT64_MAX, &n[i]))
            n[i] = 0;
    *d = (struct passed){(int64_t)n[0], (int64_t)n[1], (int64_t)n[2]};
}

/* ---------------------------------------------------------------- events that we have missed */

struct fill {
    struct payments *p;
    struct str event, session, type;
    int64_t now_us, mended;
    bool fresh;
    enum err err;
};

static enum err fill_in(struct store_conn *conn, void *arg)
{
    struct fill *f = arg;
    return payments_event_in(f->p, conn, f->event, f->now_us, &f->fresh);
}

static enum err is_known(struct payments *p, struct str id, bool *ret_known)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    enum err e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_PAYMENTS_EVENT_GET, &q, "t", id);
    if (e == OK)
        e = store_step(q);
    *ret_known = e == OK;
    store_finish(&q);
    store_reader_end(&conn);
    return e == ERR_END ? OK : e;
}

static bool fill_event(void *arg, struct str event)
{
    struct fill *f = arg;
    struct arena a;
    bool known = false;
    arena_init(&a, 1024, 4096);
    f->err = is_known(f->p, stripe_text(&a, event, "id"), &known);
    arena_fini(&a);
    if (f->err != OK || known)
        return f->err == OK;
    f->event = event;
    f->err = store_write(f->p->options.store, fill_in, f);
    f->mended += f->err == OK && f->fresh;
    return f->err == OK;
}

static enum err last_report(struct payments *p, int64_t *ret_at_us)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    enum err e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_PAYMENTS_REPORTS, &q, "");
    if (e == OK)
        e = store_step(q);
    *ret_at_us = e == OK ? store_i64(q, 1) : 0;
    store_finish(&q);
    store_reader_end(&conn);
    return e == ERR_END ? OK : e;
}

static enum jobs_outcome events_run(struct jobs_call *call)
{
    struct payments *p = call->arg;
    struct passed d = {.began_us = call->now_us};
    struct fill f = {.p = p, .now_us = call->now_us};
    struct stripe_answer answer = {0};
    char path[128];
    if (!payments_are_on(p))
        return JOBS_END;
    enum err e = last_report(p, &d.from_us);
    if (e != OK)
        return JOBS_RETRY;
    d.from_us = d.from_us == 0 ? call->now_us - FIRST_US : d.from_us - OVERLAP_US;
    snprintf(path, sizeof(path), "/v1/events?limit=100&created[gte]=%lld",
             (long long)(d.from_us / US_PER_S));
    e = stripe_list(&p->options.stripe, path, fill_event, &f, &answer);
    enum jobs_outcome outcome = payments_job_outcome(call, e == OK ? f.err : e, &answer);
    stripe_answer_fini(&answer);
    d.mended = f.mended;
    if (outcome == JOBS_DONE)
        passed_write(call, &d);
    return outcome;
}

/* ---------------------------------------------------------------- pages that ended unseen */

static enum err session_in(struct store_conn *conn, void *arg)
{
    struct fill *f = arg;
    struct arena a;
    arena_init(&a, 4096, EVENT_BODY_MAX);
    struct fact fact = {.p = f->p, .conn = conn, .arena = &a, .now_us = f->now_us};
    enum err e = fact_session(&fact, f->session, f->type);
    if (e == ERR_VALIDATION_FAILED)
        observe_say("error", "session_refused", "%s", fact.why);
    arena_fini(&a);
    return e == ERR_NOT_FOUND || e == ERR_VALIDATION_FAILED ? OK : e;
}

struct unsure {
    char ids[100][256];
    size_t n;
};

static enum err unsure_read(struct payments *p, int64_t now_us, struct str after, struct unsure *u)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    u->n = 0;
    enum err e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_PAYMENTS_UNSURE, &q, "it", now_us, after);
    while (e == OK && u->n < 100 && (e = store_step(q)) == OK)
        snprintf(u->ids[u->n++], 256, "%.*s", STR_ARG(store_str(q, 0)));
    store_finish(&q);
    store_reader_end(&conn);
    return e == ERR_END ? OK : e;
}

static enum err session_ask(struct payments *p, struct fill *f, const char *id,
                            struct stripe_answer *answer)
{
    struct arena a;
    struct buf path;
    buf_init(&path, 1024);
    arena_init(&a, 1024, 4096);
    buf_add(&path, STR("/v1/checkout/sessions/"));
    stripe_escape(&path, str_c(id));
    buf_byte(&path, '\0');
    enum err e = buf_check(&path) == OK ? stripe_get(&p->options.stripe, path.p, answer)
                                        : ERR_NOT_FOUND;
    if (e == OK) {
        struct str status = stripe_text(&a, answer->json, "status");
        f->session = answer->json;
        f->type = str_eq(status, STR("expired"))    ? STR("checkout.session.expired")
                  : str_eq(status, STR("complete")) ? STR("checkout.session.completed")
                                                    : STR("");
        if (f->type.n != 0)
            e = store_write(p->options.store, session_in, f);
    }
    arena_fini(&a);
    buf_fini(&path);
    return e == ERR_NOT_FOUND ? OK : e;
}

static enum jobs_outcome sessions_run(struct jobs_call *call)
{
    struct payments *p = call->arg;
    struct passed d;
    struct fill f = {.p = p, .now_us = call->now_us};
    struct stripe_answer answer = {0};
    struct unsure *u = mem_zalloc(sizeof(*u));
    char after[256] = "";
    enum err e = OK;
    passed_read(call, &d);
    do {
        e = unsure_read(p, call->now_us, str_c(after), u);
        for (size_t i = 0; i < u->n && e == OK; i++) {
            stripe_answer_fini(&answer);
            e = session_ask(p, &f, u->ids[i], &answer);
            snprintf(after, sizeof(after), "%s", u->ids[i]);
        }
    } while (e == OK && u->n == 100);
    mem_free(u);
    enum jobs_outcome outcome = payments_job_outcome(call, e, &answer);
    stripe_answer_fini(&answer);
    return outcome;
}

/* What was filled in is worked on by other jobs: wait for them, a while. */
static enum jobs_outcome wait_run(struct jobs_call *call)
{
    struct payments *p = call->arg;
    struct passed d;
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    int64_t stored = 0;
    passed_read(call, &d);
    enum err e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return JOBS_RETRY;
    e = store_start(conn, SQL_PAYMENTS_EVENTS_STORED, &q, "");
    if (e == OK && (e = store_step(q)) == OK)
        stored = store_i64(q, 0);
    store_finish(&q);
    store_reader_end(&conn);
    if (e != OK)
        return JOBS_RETRY;
    if (stored == 0 || call->now_us > d.began_us + WAIT_US)
        return JOBS_DONE;
    call->wake_us = call->now_us + US_PER_S;
    return JOBS_SLEEP;
}

/* ---------------------------------------------------------------- compared */

struct compare {
    struct payments *p;
    struct store_conn *conn;
    struct arena a;
    struct buf findings;
    int64_t from_us, checked, mismatches;
    struct buf intents; /* those that succeeded there, NUL-ended, one behind the other */
    size_t intents_n;
    bool (*fn)(void *arg, struct str object);
    enum err err;
};

static void differ(struct compare *c, const char *kind, struct str object, const char *ours,
                   const char *theirs)
{
    if (c->mismatches++ >= FINDINGS_MAX)
        return;
    buf_json_comma(&c->findings);
    buf_byte(&c->findings, '{');
    buf_json_member(&c->findings, "kind", str_c(kind));
    buf_json_member(&c->findings, "object", object);
    buf_json_member(&c->findings, "ours", str_c(ours));
    buf_json_member(&c->findings, "theirs", str_c(theirs));
    buf_byte(&c->findings, '}');
}

static bool fact_row(struct compare *c, enum sql_id sql, struct str id, int64_t *ret_v, size_t n);

static bool of_customer(struct compare *c, struct str customer)
{
    return customer.n != 0 && fact_row(c, SQL_PAYMENTS_CUSTOMER_IS, customer, NULL, 0);
}

static bool compare_intent(void *arg, struct str intent)
{
    struct compare *c = arg;
    char ours[80] = "not known", theirs[80];
    struct payment x;
    arena_reset(&c->a);
    struct str id = stripe_text(&c->a, intent, "id");
    struct str payment = stripe_text(&c->a, json_get(intent, STR("metadata")), "payment_id");
    if (!str_eq(stripe_text(&c->a, intent, "status"), STR("succeeded")))
        return true;
    buf_add(&c->intents, id);
    buf_byte(&c->intents, '\0');
    c->intents_n++;
    if (!str_starts(payment, STR(PAYMENTS_ID))) {
        /* Somebody else's, at the same account; or an invoice's: those carry nothing of ours. */
        if (!of_customer(c, stripe_ref(&c->a, intent, "customer")))
            return c->err == OK;
        payment = id;
    }
    c->checked++;
    int64_t received = stripe_i64(intent, "amount_received", -1);
    c->err = payments_get(c->conn, &c->a, payment, &x);
    if (c->err == ERR_NOT_FOUND)
        c->err = OK;
    else if (c->err != OK)
        return false;
    else if (payment_is_granted(&x) && str_eq(x.intent, id) && x.paid_minor == received)
        return true;
    else
        snprintf(ours, sizeof(ours), "%.*s, %lld", STR_ARG(x.status), (long long)x.paid_minor);
    snprintf(theirs, sizeof(theirs), "succeeded, %lld", (long long)received);
    differ(c, "payment", id, ours, theirs);
    return true;
}

/* Reads one row of our facts; false when there is none. */
static bool fact_row(struct compare *c, enum sql_id sql, struct str id, int64_t *ret_v, size_t n)
{
    struct store_query *q = NULL;
    c->err = store_start(c->conn, sql, &q, "t", id);
    if (c->err == OK)
        c->err = store_step(q);
    for (size_t i = 0; i < n && c->err == OK; i++)
        ret_v[i] = store_i64(q, (int)i);
    store_finish(&q);
    bool there = c->err == OK;
    if (c->err == ERR_END)
        c->err = OK;
    return there;
}

/* Of a payment of ours? */
static bool concerns_us(struct compare *c, struct str object)
{
    struct payment x;
    struct str intent = stripe_ref(&c->a, object, "payment_intent");
    enum err e = intent.n != 0 ? payments_get(c->conn, &c->a, intent, &x) : ERR_NOT_FOUND;
    if (e != OK && e != ERR_NOT_FOUND)
        c->err = e;
    return e == OK;
}

static bool compare_refund(void *arg, struct str refund)
{
    struct compare *c = arg;
    int64_t v[2] = {0};
    arena_reset(&c->a);
    struct str id = stripe_text(&c->a, refund, "id");
    struct str status = stripe_text(&c->a, refund, "status");
    int64_t amount = stripe_i64(refund, "amount", -1);
    bool failed = str_eq(status, STR("failed")) || str_eq(status, STR("canceled"));
    if (!concerns_us(c, refund))
        return c->err == OK;
    c->checked++;
    bool there = fact_row(c, SQL_PAYMENTS_REFUND_GET, id, v, 2);
    if (c->err == OK && (!there || v[0] != amount || (v[1] != 0) != failed))
        differ(c, "refund", id,
               !there      ? "not known"
               : v[1] != 0 ? "failed"
                           : "refunded",
               failed ? "failed" : "refunded");
    return c->err == OK;
}

static bool compare_dispute(void *arg, struct str dispute)
{
    struct compare *c = arg;
    int64_t v[3] = {0};
    char text[64];
    arena_reset(&c->a);
    struct str id = stripe_text(&c->a, dispute, "id");
    struct str status = stripe_text(&c->a, dispute, "status");
    bool won = str_eq(status, STR("won")) || str_eq(status, STR("warning_closed"));
    bool lost = str_eq(status, STR("lost"));
    if (!concerns_us(c, dispute))
        return c->err == OK;
    c->checked++;
    snprintf(text, sizeof(text), "%.*s", STR_ARG(str_upto(status, 40)));
    bool there = fact_row(c, SQL_PAYMENTS_DISPUTE_GET, id, v, 3);
    if (c->err == OK && (!there || (won && v[1] == 0) || (lost && v[2] == 0)))
        differ(c, "dispute", id, there ? "open" : "not known", text);
    return c->err == OK;
}

struct refresh {
    struct payments *p;
    const char *id;
};

static enum err refresh_in(struct store_conn *conn, void *arg)
{
    const struct refresh *r = arg;
    return subscription_ask_in(r->p, conn, r->id, STR(""), clock_wall_us());
}

static bool compare_subscription(void *arg, struct str object)
{
    struct compare *c = arg;
    struct subscription x;
    char theirs[64];
    arena_reset(&c->a);
    struct str id = stripe_text(&c->a, object, "id");
    struct str ours = stripe_text(&c->a, json_get(object, STR("metadata")), "subscription_id");
    struct str status = stripe_text(&c->a, object, "status");
    if (!str_starts(ours, STR(SUBSCRIPTION_ID)))
        return true;
    c->checked++;
    c->err = subscriptions_get(c->conn, &c->a, ours, &x);
    bool there = c->err == OK && str_eq(x.stripe_id, id);
    if (c->err != OK && c->err != ERR_NOT_FOUND)
        return false;
    c->err = OK;
    snprintf(theirs, sizeof(theirs), "%.*s", STR_ARG(str_upto(status, 40)));
    if (there && subscription_is_as(&c->a, &x, object))
        return true;
    differ(c, "subscription", id, there ? arena_dup(&c->a, x.status).p : "not known", theirs);
    struct refresh r = {c->p, x.id}; /* it is asked for again before the next look */
    if (there)
        c->err = store_write(c->p->options.store, refresh_in, &r);
    return c->err == OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Payments of ours that Stripe does not list. */
static enum err compare_ours(struct compare *c, int64_t to_us)
{
    struct store_query *q = NULL;
    const char **list = mem_array(c->intents_n + 1, sizeof(*list)), *at = c->intents.p;
    for (size_t i = 0; i < c->intents_n; i++, at += strlen(at) + 1)
        list[i] = at;
    qsort(list, c->intents_n, sizeof(*list), by_text);
    enum err e = store_start(c->conn, SQL_PAYMENTS_GRANTED_SINCE, &q, "ii", c->from_us, to_us);
    while (e == OK && (e = store_step(q)) == OK) {
        arena_reset(&c->a);
        const char *intent = arena_dup(&c->a, store_str(q, 0)).p;
        c->checked++;
        if (bsearch(&intent, list, c->intents_n, sizeof(*list), by_text) == NULL)
            differ(c, "payment", store_str(q, 0), "completed", "not listed");
    }
    store_finish(&q);
    mem_free(list);
    return e == ERR_END ? OK : e;
}

/* Read after it was listed: so we are never behind what is compared. */
static bool compare_object(void *arg, struct str object)
{
    struct compare *c = arg;
    c->err = store_reader_begin(c->p->options.store, &c->conn);
    if (c->err != OK)
        return false;
    bool more = c->fn(c, object);
    store_reader_end(&c->conn);
    return more;
}

static enum err compare_list(struct compare *c, const char *what, int64_t from_us,
                             bool (*fn)(void *arg, struct str object), struct stripe_answer *answer)
{
    char path[128];
    snprintf(path, sizeof(path), "/v1/%slimit=100&created[gte]=%lld", what,
             (long long)(from_us / US_PER_S));
    stripe_answer_fini(answer);
    c->fn = fn;
    enum err e = stripe_list(&c->p->options.stripe, path, compare_object, c, answer);
    return e == OK ? c->err : e;
}

static enum err compare_all(struct compare *c, int64_t now_us, struct stripe_answer *answer)
{
    enum err e = compare_list(c, "payment_intents?", c->from_us - EARLIER_US, compare_intent,
                              answer);
    if (e == OK)
        e = compare_list(c, "refunds?", c->from_us, compare_refund, answer);
    if (e == OK)
        e = compare_list(c, "disputes?", c->from_us, compare_dispute, answer);
    if (e == OK) /* all of them: they live long */
        e = compare_list(c, "subscriptions?status=all&", 0, compare_subscription, answer);
    if (e == OK)
        e = store_reader_begin(c->p->options.store, &c->conn);
    if (e != OK)
        return e;
    e = compare_ours(c, now_us - YOUNG_US);
    store_reader_end(&c->conn);
    return e;
}

/* data: the report's row, as lines, then the findings. */
static enum jobs_outcome compare_run(struct jobs_call *call)
{
    struct passed d;
    struct stripe_answer answer = {0};
    struct compare c = {.p = call->arg};
    passed_read(call, &d);
    c.from_us = d.from_us;
    arena_init(&c.a, 4096, 65536);
    buf_init(&c.findings, 200u * 1024);
    buf_init(&c.intents, 64u * 1024 * 1024);
    enum err e = compare_all(&c, call->now_us, &answer);
    if (e == OK && c.intents.over)
        e = ERR_LIMIT;
    enum jobs_outcome outcome = payments_job_outcome(call, e, &answer);
    if (outcome == JOBS_DONE && c.mismatches != 0 && call->attempt < LOOKS) {
        snprintf(call->why, sizeof(call->why), "%lld differ: they are looked at again",
                 (long long)c.mismatches);
        call->retry_us = c.p->options.reconcile_again_us;
        outcome = JOBS_RETRY;
    } else if (outcome == JOBS_DONE) {
        buf_reset(&call->data);
        buf_printf(&call->data, "%lld %lld %lld %lld\n", (long long)d.from_us, (long long)c.checked,
                   (long long)d.mended, (long long)c.mismatches);
        buf_add(&call->data, buf_str(&c.findings));
        if (c.mismatches != 0)
            observe_say("error", "reconciliation", "%lld mismatches between Stripe and this house",
                        (long long)c.mismatches);
    }
    stripe_answer_fini(&answer);
    arena_fini(&c.a);
    buf_fini(&c.findings);
    buf_fini(&c.intents);
    return outcome;
}

static enum err compare_done_in(struct store_conn *conn, struct jobs_call *call)
{
    char text[ID_TEXT_MAX];
    struct str findings = buf_str(&call->data), head = str_cut(&findings, '\n');
    uint64_t v[4];
    for (size_t i = 0; i < 4; i++)
        if (!str_to_u64(str_cut(&head, ' '), INT64_MAX, &v[i]))
            return ERR_CORRUPT;
    return store_run(conn, SQL_PAYMENTS_REPORT_ADD, NULL, "tiiiiit",
                     id_text("rec_", id_new(call->now_us), text), call->now_us, (int64_t)v[0],
                     (int64_t)v[1], (int64_t)v[2], (int64_t)v[3], findings);
}

const struct jobs_step payments_reconcile_steps[PAYMENTS_RECONCILE_STEPS] = {
    {.name = "events", .run = events_run},
    {.name = "sessions", .run = sessions_run},
    {.name = "wait", .run = wait_run},
    {.name = "compare", .run = compare_run, .done_in = compare_done_in}};

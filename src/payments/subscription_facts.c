/* What Stripe says of subscriptions. An event is only the cause to ask: a job fetches the object
 * and writes down what it is, unless a later turn has seen it already. */
#include "base/clock.h"
#include "base/json.h"
#include "observe/observe.h"
#include "payments/room.h"

#include <stdio.h>

#define WARNED_BEFORE_US US_PER_DAY

/* ---------------------------------------------------------------- events */

/* Ours: by Stripe's id, or, when its session has not told us yet, by what we had it carry. */
static enum err of_event(struct fact *f, struct str stripe_id, struct str metadata,
                         struct subscription *x)
{
    struct str ours = stripe_text(f->arena, metadata, "subscription_id");
    enum err e = str_starts(stripe_id, STR("sub_"))
                     ? subscriptions_get(f->conn, f->arena, stripe_id, x)
                     : ERR_NOT_FOUND;
    if (e == ERR_NOT_FOUND && str_starts(ours, STR(SUBSCRIPTION_ID))) {
        e = subscriptions_get(f->conn, f->arena, ours, x);
        if (e == OK && x->stripe_id.n != 0)
            return ERR_NOT_FOUND; /* a copy that somebody made at Stripe */
        if (e == OK && str_starts(stripe_id, STR("sub_"))) {
            x->stripe_id = stripe_id;
            e = subscription_put_in(f->p, f->conn, x, SUBSCRIPTION_NONE, STR(""), f->now_us);
        }
    }
    if (e == OK)
        snprintf(f->payment, sizeof(f->payment), "%s", x->id);
    return e;
}

enum err subscription_ask_in(struct payments *p, struct store_conn *conn, const char *id,
                             struct str type, int64_t now_us)
{
    char input[256], key[ID_TEXT_MAX + 32];
    int64_t ticket = 0;
    enum err e = subscription_ticket_in(conn, id, &ticket);
    int n = snprintf(input, sizeof(input), "%s\n%lld\n%.*s", id, (long long)ticket,
                     STR_ARG(str_upto(type, 100)));
    int k = snprintf(key, sizeof(key), "%s:%lld", id, (long long)ticket);
    struct jobs_spec spec = {.kind = "stripe_subscription",
                             .key = str_of(key, (size_t)k),
                             .input = str_of(input, (size_t)n)};
    return e == OK ? jobs_enqueue_in(p->options.jobs, conn, &spec, now_us, NULL) : e;
}

enum err subscriptions_refresh_in(struct payments *p, struct store_conn *conn, const char *id,
                                  int64_t now_us)
{
    struct arena a;
    struct subscription x;
    arena_init(&a, 4096, 65536);
    enum err e = subscriptions_get(conn, &a, str_c(id), &x);
    if (e == OK)
        e = x.stripe_id.n == 0 ? ERR_CONFLICT : subscription_ask_in(p, conn, id, STR(""), now_us);
    arena_fini(&a);
    return e;
}

enum err fact_plan_session(struct fact *f, struct str session, struct str type)
{
    struct subscription x;
    struct str id = stripe_text(f->arena, session, "id");
    struct str ours = stripe_text(f->arena, session, "client_reference_id");
    struct str stripe_id = stripe_ref(f->arena, session, "subscription");
    enum err e = subscriptions_get(f->conn, f->arena, id, &x);
    if (e == ERR_NOT_FOUND && str_starts(ours, STR(SUBSCRIPTION_ID)))
        e = subscriptions_get(f->conn, f->arena, ours, &x);
    if (e != OK)
        return e;
    snprintf(f->payment, sizeof(f->payment), "%s", x.id);
    if (str_eq(type, STR("checkout.session.expired")) && x.session.n != 0 && !str_eq(x.session, id))
        return OK; /* a page that nobody was shown */
    if (str_eq(type, STR("checkout.session.expired")))
        return subscription_over_in(f->p, f->conn, str_c(x.id), f->now_us);
    if (stripe_id.n == 0)
        return OK;
    if (x.stripe_id.n == 0) {
        x.stripe_id = stripe_id;
        x.session = x.session.n == 0 ? id : x.session;
        e = subscription_put_in(f->p, f->conn, &x, SUBSCRIPTION_NONE, STR(""), f->now_us);
    }
    return e == OK ? subscription_ask_in(f->p, f->conn, x.id, type, f->now_us) : e;
}

enum err fact_subscription(struct fact *f, struct str object, struct str type)
{
    struct subscription x;
    struct str id = stripe_text(f->arena, object, "id");
    enum err e = of_event(f, id, json_get(object, STR("metadata")), &x);
    return e == OK ? subscription_ask_in(f->p, f->conn, x.id, type, f->now_us) : e;
}

enum err fact_invoice(struct fact *f, struct str invoice)
{
    char input[256], key[ID_TEXT_MAX + 48];
    struct subscription x;
    int64_t ticket = 0;
    struct str id = stripe_text(f->arena, invoice, "id");
    struct str of = json_get(json_get(invoice, STR("parent")), STR("subscription_details"));
    if (!str_starts(id, STR("in_")) || id.n > 120 || json_type_of(of) != JSON_OBJECT)
        return ERR_NOT_FOUND;
    enum err e = of_event(f, stripe_ref(f->arena, of, "subscription"),
                          json_get(of, STR("metadata")), &x);
    if (e == OK)
        e = subscription_ticket_in(f->conn, x.id, &ticket);
    if (e != OK)
        return e;
    int n = snprintf(input, sizeof(input), "%s\n%.*s", x.id, STR_ARG(id));
    int k = snprintf(key, sizeof(key), "%s:%lld", x.id, (long long)ticket);
    struct jobs_spec spec = {
        .kind = "stripe_invoice", .key = str_of(key, (size_t)k), .input = str_of(input, (size_t)n)};
    return jobs_enqueue_in(f->p->options.jobs, f->conn, &spec, f->now_us, NULL);
}

/* ---------------------------------------------------------------- the subscription as it is */

static struct str item_of(struct str object)
{
    struct json_walk w = json_walk_of(json_get(json_get(object, STR("items")), STR("data")));
    return json_next(&w) ? w.value : STR("{}");
}

static int64_t time_of(struct str object, const char *name)
{
    return stripe_i64(object, name, 0) * US_PER_S;
}

/* The grace begins when it is first heard that a renewal is not paid. */
static enum err grace_in(struct payments *p, struct store_conn *conn, struct subscription *x,
                         bool late, int64_t now_us)
{
    char input[ID_TEXT_MAX + 32];
    if (!late || x->grace_until_us != 0) {
        x->grace_until_us = late ? x->grace_until_us : 0;
        return OK;
    }
    x->grace_until_us = now_us + p->options.grace_us;
    int n = snprintf(input, sizeof(input), "%s\n%lld", x->id, (long long)x->grace_until_us);
    struct str text = str_of(input, (size_t)n);
    struct jobs_spec spec = {.kind = "stripe_grace", .key = text, .input = text};
    return jobs_enqueue_in(p->options.jobs, conn, &spec, now_us, NULL);
}

static void fields_take(struct arena *a, struct subscription *x, struct str object)
{
    struct str item = item_of(object);
    x->status = stripe_text(a, object, "status");
    x->item = stripe_text(a, item, "id");
    x->item_price = stripe_ref(a, item, "price");
    x->period_start_us = time_of(item, "current_period_start");
    x->period_end_us = time_of(item, "current_period_end");
    x->trial_end_us = time_of(object, "trial_end");
    x->cancel_at_end = json_is_true(json_get(object, STR("cancel_at_period_end"))) ||
                       time_of(object, "cancel_at") != 0;
    x->ended_us = time_of(object, "ended_at");
    x->url = STR("");
}

bool subscription_is_as(struct arena *a, const struct subscription *x, struct str object)
{
    struct subscription there = *x;
    fields_take(a, &there, object);
    return str_eq(there.status, x->status) && str_eq(there.item_price, x->item_price) &&
           there.cancel_at_end == x->cancel_at_end && there.period_end_us == x->period_end_us;
}

enum err subscription_seen_in(struct payments *p, struct store_conn *conn, struct arena *a,
                              struct subscription *x, struct str object, struct str type,
                              int64_t ticket, int64_t now_us)
{
    enum subscription_news news = SUBSCRIPTION_NONE;
    bool was_live = subscription_is_live(x);
    if (ticket < x->applied || subscription_is_over(x))
        return OK;
    x->applied = ticket;
    fields_take(a, x, object);
    bool over = subscription_is_over(x);
    bool good = str_eq(x->status, STR("active")) || str_eq(x->status, STR("trialing"));
    enum err e = grace_in(p, conn, x, str_eq(x->status, STR("past_due")), now_us);
    if (good || over)
        x->failure = x->pay_url = STR("");
    if (over && x->ended_us == 0)
        x->ended_us = now_us;
    if (over && was_live)
        news = SUBSCRIPTION_ENDED;
    else if (str_eq(type, STR("customer.subscription.trial_will_end")) &&
             str_eq(x->status, STR("trialing")) && !x->cancel_at_end)
        news = SUBSCRIPTION_TRIAL_ENDS;
    if (over && e == OK)
        e = subscription_credit_end_in(p, conn, x, now_us);
    return e == OK ? subscription_put_in(p, conn, x, news, str_c(x->id), now_us) : e;
}

/* ---------------------------------------------------------------- asked for */

struct turn {
    struct str id, type;
    int64_t ticket;
};

static struct turn turn_of(const struct jobs_call *call)
{
    struct str rest = call->input;
    struct turn t = {.id = str_cut(&rest, '\n')};
    uint64_t n = 0;
    (void)str_to_u64(str_cut(&rest, '\n'), INT64_MAX, &n);
    t.ticket = (int64_t)n;
    t.type = rest;
    return t;
}

/* data: Stripe's object. */
static enum jobs_outcome ask_run(struct jobs_call *call)
{
    struct payments *p = call->arg;
    struct turn t = turn_of(call);
    struct subscription x;
    struct stripe_answer answer;
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return JOBS_RETRY;
    e = subscriptions_get(conn, &call->arena, t.id, &x);
    store_reader_end(&conn);
    buf_reset(&call->data);
    if (e != OK || x.stripe_id.n == 0 || t.ticket < x.applied)
        return e == OK || e == ERR_NOT_FOUND ? JOBS_DONE : JOBS_RETRY;
    struct buf path;
    buf_init(&path, 1024);
    buf_add(&path, STR("/v1/subscriptions/"));
    stripe_escape(&path, x.stripe_id);
    buf_byte(&path, '\0');
    e = str_eq(t.type, STR(SUBSCRIPTION_END_IT))
            ? stripe_delete(&p->options.stripe, path.p, t.id, &answer)
            : stripe_get(&p->options.stripe, path.p, &answer);
    enum jobs_outcome outcome = payments_job_outcome(call, e, &answer);
    if (outcome == JOBS_DONE)
        buf_add(&call->data, answer.json);
    stripe_answer_fini(&answer);
    buf_fini(&path);
    return outcome;
}

static enum err ask_done_in(struct store_conn *conn, struct jobs_call *call)
{
    struct arena a;
    struct subscription x;
    struct turn t = turn_of(call);
    if (call->data.n == 0)
        return OK;
    arena_init(&a, 16384, 2 * EVENT_BODY_MAX);
    enum err e = subscriptions_get(conn, &a, t.id, &x);
    if (e == OK)
        e = subscription_seen_in(call->arg, conn, &a, &x, buf_str(&call->data), t.type, t.ticket,
                                 call->now_us);
    arena_fini(&a);
    return e;
}

const struct jobs_step payments_subscription_steps[] = {
    {.name = "fetch", .run = ask_run, .done_in = ask_done_in, .attempts_max = 40}};

enum err subscriptions_team_gone_in(struct payments *p, struct store_conn *conn, struct id team,
                                    int64_t now_us)
{
    struct arena a;
    struct subscription x;
    arena_init(&a, 4096, 65536);
    enum err e = subscriptions_of_team(conn, &a, team, &x);
    if (e == OK && x.stripe_id.n != 0 && !subscription_is_over(&x))
        e = subscription_ask_in(p, conn, x.id, STR(SUBSCRIPTION_END_IT), now_us);
    arena_fini(&a);
    return e == ERR_NOT_FOUND ? OK : e;
}

/* ---------------------------------------------------------------- the grace */

/* Is it the grace that this run is about? */
static enum err grace_of(struct store_conn *conn, struct jobs_call *call, struct arena *a,
                         struct subscription *x, bool *ret_same)
{
    struct str until = call->input, id = str_cut(&until, '\n');
    uint64_t n = 0;
    (void)str_to_u64(until, INT64_MAX, &n);
    enum err e = subscriptions_get(conn, a, id, x);
    *ret_same = e == OK && x->grace_until_us == (int64_t)n;
    return e;
}

static enum jobs_outcome grace_wait(struct jobs_call *call, bool early)
{
    struct payments *p = call->arg;
    struct str until = call->input;
    uint64_t n = 0;
    (void)str_cut(&until, '\n');
    (void)str_to_u64(until, INT64_MAX, &n);
    int64_t half = p->options.grace_us / 2;
    int64_t at = (int64_t)n;
    if (early)
        at -= half < WARNED_BEFORE_US ? half : WARNED_BEFORE_US;
    if (call->now_us >= at)
        return JOBS_DONE;
    call->wake_us = at;
    return JOBS_SLEEP;
}

static enum jobs_outcome warn_run(struct jobs_call *call)
{
    return grace_wait(call, true);
}

static enum jobs_outcome over_run(struct jobs_call *call)
{
    return grace_wait(call, false);
}

static enum err grace_done(struct store_conn *conn, struct jobs_call *call,
                           enum subscription_news news)
{
    struct arena a;
    struct subscription x;
    bool same = false;
    arena_init(&a, 4096, 65536);
    enum err e = grace_of(conn, call, &a, &x, &same);
    if (e == OK && same)
        e = subscription_put_in(call->arg, conn, &x, news, call->input, call->now_us);
    arena_fini(&a);
    return e;
}

static enum err warn_done_in(struct store_conn *conn, struct jobs_call *call)
{
    return grace_done(conn, call, SUBSCRIPTION_LAST_WARNING);
}

static enum err over_done_in(struct store_conn *conn, struct jobs_call *call)
{
    return grace_done(conn, call, SUBSCRIPTION_NONE);
}

const struct jobs_step payments_grace_steps[PAYMENTS_GRACE_STEPS] = {
    {.name = "warn", .run = warn_run, .done_in = warn_done_in},
    {.name = "over", .run = over_run, .done_in = over_done_in}};

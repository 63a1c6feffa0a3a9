/* Rows of plans, and the job that tells Stripe of them. */
#include "payments/plans.h"

#include "base/json.h"
#include "observe/observe.h"
#include "payments/room.h"

#include <stdio.h>

#define PRICE_MIN 50 /* minor units; Stripe charges no less */
#define CREDIT_MAX NANO(1000000 * NANO_PER_USD)

static int64_t live(const struct payments *p)
{
    return p->options.stripe.livemode;
}

/* ---------------------------------------------------------------- rows */

static void row_read(const struct store_query *q, struct arena *a, struct plan *x)
{
    int c = 0;
    struct str id = str_upto(store_str(q, c++), ID_TEXT_MAX - 1);
    memset(x, 0, sizeof(*x));
    memcpy(x->id, id.p, id.n);
    x->name = arena_dup(a, store_str(q, c++));
    x->description = arena_dup(a, store_str(q, c++));
    x->active = store_i64(q, c++) != 0;
    x->trial_days = store_i64(q, c++);
    x->trial_credit = store_nano(q, c++);
    x->newest = store_i64(q, c++);
    x->n = store_i64(q, c++);
    x->price_minor = store_i64(q, c++);
    x->currency = arena_dup(a, store_str(q, c++));
    x->period = arena_dup(a, store_str(q, c++));
    x->monthly_credit = store_nano(q, c++);
    x->roll_over = arena_dup(a, store_str(q, c++));
    x->roll_over_max = store_nano(q, c++);
    x->rpm = store_i64(q, c++);
    x->burst = store_i64(q, c++);
    x->product = arena_dup(a, store_str(q, c++));
    x->price = arena_dup(a, store_str(q, c++));
    x->created_us = store_i64(q, c++);
    x->updated_us = store_i64(q, c);
}

enum err plans_get(struct payments *p, struct store_conn *conn, struct arena *a, struct str id,
                   int64_t n, struct plan *ret_plan)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_PLAN_GET, &q, "tii", id, n, live(p));
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        row_read(q, a, ret_plan);
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

enum err plans_by_price(struct payments *p, struct store_conn *conn, struct arena *a,
                        struct str price, struct plan *ret_plan)
{
    struct store_query *q = NULL;
    struct str id = STR("");
    int64_t n = 0;
    enum err e = store_start(conn, SQL_PLAN_BY_PRICE, &q, "t", price);
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        id = arena_dup(a, store_str(q, 0));
        n = store_i64(q, 1);
    }
    store_finish(&q);
    if (e != OK)
        return e == ERR_END ? ERR_NOT_FOUND : e;
    return plans_get(p, conn, a, id, n, ret_plan);
}

static enum err rows(struct store_query *q, enum err e, plans_f fn, void *arg)
{
    struct arena a;
    struct plan x;
    arena_init(&a, 4096, 65536);
    while (e == OK && (e = store_step(q)) == OK) {
        arena_reset(&a);
        row_read(q, &a, &x);
        fn(arg, &x);
    }
    arena_fini(&a);
    return e == ERR_END ? OK : e;
}

enum err plans_list(struct payments *p, struct store_conn *conn, struct str below, int64_t limit,
                    plans_f fn, void *arg)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_PLAN_LIST, &q, "iti", live(p), below, limit);
    e = rows(q, e, fn, arg);
    store_finish(&q);
    return e;
}

enum err plans_offered(struct payments *p, struct store_conn *conn, plans_f fn, void *arg)
{
    struct store_query *q = NULL;
    if (!payments_are_on(p))
        return OK;
    enum err e = store_start(conn, SQL_PLAN_OFFERED, &q, "it", live(p),
                             str_c(p->options.stripe.currency));
    e = rows(q, e, fn, arg);
    store_finish(&q);
    return e;
}

/* ---------------------------------------------------------------- changed */

static bool one_of(struct str s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(s, str_c(list[i])))
            return true;
    return false;
}

const char *plans_fault(const struct plan *x, const char **ret_field)
{
    static const char *const periods[] = {"month", "year"}, *const rules[] = {"none", "all",
                                                                              "capped"};
    const struct {
        bool wrong;
        const char *field, *words;
    } table[] = {
        {x->name.n == 0 || x->name.n > 100, "name", "A plan needs a name of at most 100 bytes."},
        {x->description.n > 500, "description", "It may have at most 500 bytes."},
        {x->price_minor < PRICE_MIN || x->price_minor > 99999999, "price",
         "It must be from 0.50 to 999999.99."},
        {!one_of(x->period, periods, 2), "interval", "It takes month or year."},
        {x->monthly_credit.v < 0 || x->monthly_credit.v > CREDIT_MAX.v, "monthly_credit",
         "It must be from 0 to 1000000."},
        {!one_of(x->roll_over, rules, 3), "roll_over", "It takes none, all or capped."},
        {str_eq(x->roll_over, STR("capped")) != (x->roll_over_max.v != 0), "roll_over_max",
         "It goes with the rule capped, and is more than 0 there."},
        {x->roll_over_max.v < 0 || x->roll_over_max.v > CREDIT_MAX.v, "roll_over_max",
         "It must be from 0 to 1000000."},
        {x->rpm < 0 || x->rpm > 1000000 || x->burst < 0 || x->burst > 1000000 ||
             (x->rpm == 0 && x->burst != 0),
         "limits", "rpm and burst must be from 1 to 1000000."},
        {x->trial_days < 0 || x->trial_days > 730, "trial_days", "It must be from 0 to 730."},
        {x->trial_credit.v < 0 || x->trial_credit.v > CREDIT_MAX.v ||
             (x->trial_days == 0 && x->trial_credit.v != 0),
         "trial_credit", "It goes with trial_days, and is at most 1000000."},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].wrong) {
            *ret_field = table[i].field;
            return table[i].words;
        }
    return NULL;
}

static bool same_deal(const struct plan *a, const struct plan *b)
{
    return a->price_minor == b->price_minor && str_eq(a->currency, b->currency) &&
           str_eq(a->period, b->period) && a->monthly_credit.v == b->monthly_credit.v &&
           str_eq(a->roll_over, b->roll_over) && a->roll_over_max.v == b->roll_over_max.v &&
           a->rpm == b->rpm && a->burst == b->burst;
}

static enum err version_add(struct store_conn *conn, const struct plan *x, int64_t now_us)
{
    return store_run(conn, SQL_PLAN_VERSION_ADD, NULL, "tiittntniii", str_c(x->id), x->n,
                     x->price_minor, x->currency, x->period, x->monthly_credit, x->roll_over,
                     x->roll_over_max, x->rpm, x->burst, now_us);
}

/* input: plan, version, a line each. */
static enum err tell_stripe_in(struct payments *p, struct store_conn *conn, const struct plan *x,
                               int64_t now_us)
{
    char input[ID_TEXT_MAX + 32], key[ID_TEXT_MAX + 64];
    int n = snprintf(input, sizeof(input), "%s\n%lld", x->id, (long long)x->n);
    int k = snprintf(key, sizeof(key), "%s:%lld:%d:%lld", x->id, (long long)x->n, (int)live(p),
                     (long long)x->updated_us);
    struct jobs_spec spec = {
        .kind = "stripe_plan", .key = str_of(key, (size_t)k), .input = str_of(input, (size_t)n)};
    return jobs_enqueue_in(p->options.jobs, conn, &spec, now_us, NULL);
}

enum err plans_put_in(struct payments *p, struct store_conn *conn, struct plan *x, int64_t now_us)
{
    struct arena a;
    struct plan before;
    if (!payments_are_on(p))
        return ERR_NOT_IMPLEMENTED;
    arena_init(&a, 4096, 65536);
    enum err e = OK;
    bool anew = x->id[0] == '\0';
    x->updated_us = now_us;
    if (anew) {
        (void)id_text(PLAN_ID, id_new(now_us), x->id);
        x->newest = x->n = 1;
        x->created_us = now_us;
        e = store_run(conn, SQL_PLAN_ADD, NULL, "tttiinii", str_c(x->id), x->name, x->description,
                      (int64_t)x->active, x->trial_days, x->trial_credit, x->n, now_us);
    } else {
        e = plans_get(p, conn, &a, str_c(x->id), 0, &before);
        if (e == OK) {
            bool same = same_deal(&before, x);
            x->newest = x->n = before.newest + (same ? 0 : 1);
            anew = !same;
            if (anew)
                x->price = STR("");
            e = store_run(conn, SQL_PLAN_SET, NULL, "tttiinii", str_c(x->id), x->name,
                          x->description, (int64_t)x->active, x->trial_days, x->trial_credit, x->n,
                          now_us);
        }
    }
    if (e == OK && anew)
        e = version_add(conn, x, now_us);
    if (e == OK)
        e = tell_stripe_in(p, conn, x, now_us);
    arena_fini(&a);
    return e;
}

enum err plans_price_gone_in(struct payments *p, struct store_conn *conn, struct str id, int64_t n,
                             int64_t now_us)
{
    struct arena a;
    struct plan x;
    arena_init(&a, 4096, 65536);
    enum err e = store_run(conn, SQL_PLAN_PRICE_FORGET, NULL, "tii", id, n, live(p));
    if (e == OK)
        e = store_run(conn, SQL_PLAN_TOUCH, NULL, "ti", id, now_us);
    if (e == OK)
        e = plans_get(p, conn, &a, id, n, &x);
    if (e == OK)
        e = tell_stripe_in(p, conn, &x, now_us);
    arena_fini(&a);
    return e;
}

static enum err users(struct store_conn *conn, struct str id, int64_t *ret_ever, int64_t *ret_now)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_PLAN_USERS, &q, "t", id);
    if (e == OK && (e = store_step(q)) == OK) {
        *ret_ever = store_i64(q, 0);
        *ret_now = store_i64(q, 1);
    }
    store_finish(&q);
    return e;
}

enum err plans_drop_in(struct payments *p, struct store_conn *conn, struct str id)
{
    struct arena a;
    struct plan x;
    int64_t ever = 0, now = 0;
    arena_init(&a, 4096, 65536);
    enum err e = plans_get(p, conn, &a, id, 0, &x);
    arena_fini(&a);
    if (e == OK)
        e = users(conn, id, &ever, &now);
    if (e == OK && ever != 0)
        e = ERR_CONFLICT;
    static const enum sql_id drops[] = {SQL_PLAN_PRICES_DROP, SQL_PLAN_VERSIONS_DROP,
                                        SQL_PLAN_DROP};
    for (size_t i = 0; i < 3 && e == OK; i++)
        e = store_run(conn, drops[i], NULL, "t", id);
    return e;
}

/* ---------------------------------------------------------------- Stripe's side */

static enum err of_job(struct jobs_call *call, struct plan *x)
{
    struct payments *p = call->arg;
    struct store_conn *conn = NULL;
    struct str n = call->input, id = str_cut(&n, '\n');
    uint64_t version = 0;
    if (!str_to_u64(n, INT64_MAX, &version))
        return ERR_CORRUPT;
    enum err e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return e;
    e = plans_get(p, conn, &call->arena, id, (int64_t)version, x);
    struct store_query *q = NULL;
    if (e == OK && x->product.n == 0) {
        e = store_start(conn, SQL_PLAN_PRODUCT, &q, "ti", id, live(p));
        if (e == OK && (e = store_step(q)) == OK)
            x->product = arena_dup(&call->arena, store_str(q, 0));
        e = e == ERR_END ? OK : e;
        store_finish(&q);
    }
    store_reader_end(&conn);
    return e;
}

/* data: the object's id, behind what is there. */
static enum err made(struct jobs_call *call, const char *path, const struct buf *form,
                     struct str key, enum jobs_outcome *ret_outcome)
{
    struct payments *p = call->arg;
    struct stripe_answer answer;
    enum err e = stripe_post(&p->options.stripe, path, buf_str(form), key, &answer);
    struct str id = stripe_text(&call->arena, answer.json, "id");
    *ret_outcome = payments_job_outcome(call, e, &answer);
    if (*ret_outcome == JOBS_DONE && id.n == 0)
        *ret_outcome = JOBS_RETRY;
    if (*ret_outcome == JOBS_DONE)
        buf_add(&call->data, id);
    stripe_answer_fini(&answer);
    return e;
}

/* One product for all versions, named as the plan is now. data: its id. */
static enum jobs_outcome product_run(struct jobs_call *call)
{
    struct payments *p = call->arg;
    struct plan x;
    struct buf form;
    enum jobs_outcome outcome = JOBS_DONE;
    enum err e = of_job(call, &x);
    buf_reset(&call->data);
    if (e == ERR_NOT_FOUND)
        return JOBS_END; /* it was taken away meanwhile */
    if (e != OK)
        return JOBS_RETRY;
    buf_init(&form, STRIPE_FORM_MAX);
    stripe_form_text(&form, "name", x.name);
    if (x.description.n != 0)
        stripe_form_text(&form, "description", x.description);
    stripe_form_text(&form, "metadata[plan_id]", str_c(x.id));
    struct str key = arena_printf(&call->arena, "product:%s:%d:%lld", x.id, (int)live(p),
                                  (long long)x.updated_us);
    struct str path = arena_printf(&call->arena, "/v1/products/%.*s", STR_ARG(x.product));
    e = ERR_NOT_FOUND;
    if (x.product.n != 0)
        e = made(call, path.p, &form, arena_printf(&call->arena, "%.*s:name", STR_ARG(key)),
                 &outcome);
    if (e == ERR_NOT_FOUND) /* there is none yet, or no longer */
        (void)!made(call, "/v1/products", &form, key, &outcome);
    buf_fini(&form);
    return outcome;
}

/* data: the product, the price, a line each. */
static enum jobs_outcome price_run(struct jobs_call *call)
{
    struct payments *p = call->arg;
    struct plan x;
    struct buf form;
    enum err e = of_job(call, &x);
    if (e == ERR_NOT_FOUND)
        return JOBS_END;
    if (e != OK)
        return JOBS_RETRY;
    struct str product = arena_dup(&call->arena, buf_str(&call->data));
    buf_byte(&call->data, '\n');
    if (x.price.n != 0) {
        buf_add(&call->data, x.price);
        return JOBS_DONE;
    }
    buf_init(&form, STRIPE_FORM_MAX);
    stripe_form_text(&form, "product", product);
    stripe_form_text(&form, "currency", x.currency);
    stripe_form_i64(&form, "unit_amount", x.price_minor);
    stripe_form_text(&form, "recurring[interval]", x.period);
    stripe_form_text(&form, "metadata[plan_id]", str_c(x.id));
    stripe_form_i64(&form, "metadata[version]", x.n);
    struct str key = arena_printf(&call->arena, "price:%s:%lld:%d:%lld", x.id, (long long)x.n,
                                  (int)live(p), (long long)x.updated_us);
    enum jobs_outcome outcome = JOBS_DONE;
    (void)!made(call, "/v1/prices", &form, key, &outcome);
    buf_fini(&form);
    return outcome;
}

static enum err price_done_in(struct store_conn *conn, struct jobs_call *call)
{
    struct payments *p = call->arg;
    struct str n = call->input, id = str_cut(&n, '\n');
    struct str price = buf_str(&call->data), product = str_cut(&price, '\n');
    uint64_t version = 0;
    if (price.n == 0)
        return OK;
    if (!str_to_u64(n, INT64_MAX, &version))
        return ERR_CORRUPT;
    return store_run(conn, SQL_PLAN_PRICE_PUT, NULL, "tiitt", id, (int64_t)version, live(p),
                     product, price);
}

const struct jobs_step payments_plan_steps[PAYMENTS_PLAN_STEPS] = {
    {.name = "product", .run = product_run, .attempts_max = 40},
    {.name = "price", .run = price_run, .done_in = price_done_in, .attempts_max = 40}};

/* Of another mode of Stripe than the one they were made in. */
enum err plans_unpriced_in(struct payments *p, struct store_conn *conn, int64_t now_us)
{
    struct store_query *q = NULL;
    struct arena a;
    struct str ids[100];
    size_t n = 0;
    arena_init(&a, 4096, 65536);
    enum err e = store_start(conn, SQL_PLAN_UNPRICED, &q, "i", live(p));
    while (e == OK && n < 100 && (e = store_step(q)) == OK)
        ids[n++] = arena_dup(&a, store_str(q, 0));
    store_finish(&q);
    e = e == ERR_END ? OK : e;
    for (size_t i = 0; i < n && e == OK; i++) {
        struct plan x;
        e = plans_get(p, conn, &a, ids[i], 0, &x);
        if (e == OK)
            e = tell_stripe_in(p, conn, &x, now_us);
    }
    arena_fini(&a);
    return e;
}

/* ---------------------------------------------------------------- looking */

void plans_json(const struct plan *x, struct buf *b)
{
    struct nano price = NANO(0);
    if (stripe_to_nano(x->currency, x->price_minor, &price) != OK)
        price = NANO(0);
    buf_json_member(b, "id", str_c(x->id));
    buf_json_member(b, "name", x->name);
    buf_json_member(b, "description", x->description);
    buf_json_nano(b, "price", price);
    buf_json_member(b, "currency", x->currency);
    buf_json_member(b, "interval", x->period);
    buf_json_nano(b, "monthly_credit", x->monthly_credit);
    buf_json_member(b, "roll_over", x->roll_over);
    if (x->roll_over_max.v != 0) {
        buf_json_nano(b, "roll_over_max", x->roll_over_max);
    } else {
        buf_json_key(b, "roll_over_max");
        buf_add(b, STR("null"));
    }
    buf_json_key(b, "limits");
    if (x->rpm == 0)
        buf_add(b, STR("null"));
    else
        buf_printf(b, "{\"rpm\":%lld,\"burst\":%lld}", (long long)x->rpm, (long long)x->burst);
    buf_json_i64(b, "trial_days", x->trial_days);
    buf_json_nano(b, "trial_credit", x->trial_credit);
}

enum err plans_more_json(struct store_conn *conn, const struct plan *x, struct buf *b)
{
    int64_t ever = 0, now = 0;
    enum err e = users(conn, str_c(x->id), &ever, &now);
    buf_json_bool(b, "active", x->active);
    buf_json_bool(b, "ready", x->price.n != 0);
    buf_json_i64(b, "version", x->n);
    buf_json_i64(b, "subscribers", now);
    buf_json_time(b, "created_at", x->created_us);
    buf_json_time(b, "updated_at", x->updated_us);
    return e;
}

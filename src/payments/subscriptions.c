/* Rows of subscriptions: read, shown, begun, written. */
#include "payments/subscriptions.h"

#include "base/clock.h"
#include "ledger/past.h"
#include "observe/observe.h"
#include "payments/room.h"

#include <stdio.h>

#define LOTS_MAX 1000

static bool status_in(struct str status, struct str list)
{
    while (list.n != 0)
        if (str_eq(str_trim(str_cut(&list, ',')), status))
            return true;
    return false;
}

bool subscription_is_live(const struct subscription *x)
{
    return status_in(x->status, STR("trialing,active,past_due,unpaid,paused"));
}

bool subscription_is_over(const struct subscription *x)
{
    return status_in(x->status, STR("canceled,incomplete_expired"));
}

bool subscription_has_access(const struct payments *p, const struct subscription *x, int64_t now_us)
{
    return status_in(x->status, str_c(p->options.access_states)) &&
           (!str_eq(x->status, STR("past_due")) || now_us < x->grace_until_us);
}

/* ---------------------------------------------------------------- rows */

static void row_read(const struct store_query *q, struct arena *a, struct subscription *x)
{
    int c = 0;
    struct str id = str_upto(store_str(q, c++), ID_TEXT_MAX - 1);
    memset(x, 0, sizeof(*x));
    memcpy(x->id, id.p, id.n);
    if (!id_parse("team_", store_str(q, c++), &x->team))
        memset(&x->team, 0, sizeof(x->team));
    if (!id_parse("usr_", store_str(q, c++), &x->user))
        memset(&x->user, 0, sizeof(x->user));
    x->status = arena_dup(a, store_str(q, c++));
    x->livemode = store_i64(q, c++) != 0;
    x->plan = arena_dup(a, store_str(q, c++));
    x->plan_n = store_i64(q, c++);
    x->paid_us = store_i64(q, c++);
    x->stripe_id = arena_dup(a, store_str(q, c++));
    x->item = arena_dup(a, store_str(q, c++));
    x->item_price = arena_dup(a, store_str(q, c++));
    x->session = arena_dup(a, store_str(q, c++));
    x->url = arena_dup(a, store_str(q, c++));
    x->failure = arena_dup(a, store_str(q, c++));
    x->pay_url = arena_dup(a, store_str(q, c++));
    x->tickets = store_i64(q, c++);
    x->applied = store_i64(q, c++);
    x->period_start_us = store_i64(q, c++);
    x->period_end_us = store_i64(q, c++);
    x->trial_days = store_i64(q, c++);
    x->trial_end_us = store_i64(q, c++);
    x->cancel_at_end = store_i64(q, c++) != 0;
    x->grace_until_us = store_i64(q, c++);
    x->access = store_i64(q, c++) != 0;
    x->credit_us = store_i64(q, c++);
    x->year_us = store_i64(q, c++);
    x->year_month = store_i64(q, c++);
    x->year_payment = arena_dup(a, store_str(q, c++));
    x->trial_lot = arena_dup(a, store_str(q, c++));
    struct str told = str_upto(store_str(q, c++), sizeof(x->told) - 1);
    memcpy(x->told, told.p, told.n);
    x->created_us = store_i64(q, c++);
    x->expires_us = store_i64(q, c++);
    x->ended_us = store_i64(q, c++);
    x->updated_us = store_i64(q, c++);
    x->email = arena_dup(a, store_str(q, c++));
    x->credit_plan = arena_dup(a, store_str(q, c++));
    x->credit_n = store_i64(q, c);
}

static enum err one(struct store_query **q, enum err e, struct arena *a, struct subscription *ret)
{
    if (e == OK)
        e = store_step(*q);
    if (e == OK)
        row_read(*q, a, ret);
    store_finish(q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

enum err subscriptions_get(struct store_conn *conn, struct arena *a, struct str by,
                           struct subscription *ret_subscription)
{
    struct store_query *q = NULL;
    enum sql_id sql = str_starts(by, STR("cs_"))    ? SQL_SUBSCRIPTION_BY_SESSION
                      : str_starts(by, STR("sub_")) ? SQL_SUBSCRIPTION_BY_STRIPE
                                                    : SQL_SUBSCRIPTION_GET;
    enum err e = store_start(conn, sql, &q, "t", by);
    return one(&q, e, a, ret_subscription);
}

enum err subscriptions_of_team(struct store_conn *conn, struct arena *a, struct id team,
                               struct subscription *ret_subscription)
{
    char text[ID_TEXT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_SUBSCRIPTION_OF_TEAM, &q, "t", id_text("team_", team, text));
    return one(&q, e, a, ret_subscription);
}

enum err subscriptions_list(struct store_conn *conn, struct str status, struct str word,
                            struct str below, int64_t limit, subscriptions_f fn, void *arg)
{
    struct store_query *q = NULL;
    struct arena a;
    struct subscription x;
    arena_init(&a, 4096, 65536);
    enum err e = store_start(conn, SQL_SUBSCRIPTION_LIST, &q, "ttti", status, word, below, limit);
    while (e == OK && (e = store_step(q)) == OK) {
        arena_reset(&a);
        row_read(q, &a, &x);
        fn(arg, &x);
    }
    store_finish(&q);
    arena_fini(&a);
    return e == ERR_END ? OK : e;
}

enum err subscriptions_payments(struct store_conn *conn, struct arena *a,
                                const struct subscription *x, payments_f fn, void *arg)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_PAYMENTS_OF_SUBSCRIPTION, &q, "t", str_c(x->id));
    while (e == OK && (e = store_step(q)) == OK) {
        struct payment one_of;
        e = payments_get(conn, a, store_str(q, 0), &one_of);
        if (e == OK)
            fn(arg, &one_of);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err subscriptions_trial(struct store_conn *conn, struct id team, struct id user,
                             bool *ret_trial)
{
    char t[ID_TEXT_MAX], u[ID_TEXT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_SUBSCRIPTION_TRIALS, &q, "tt", id_text("team_", team, t),
                             id_is_zero(user) ? STR("") : id_text("usr_", user, u));
    if (e == OK && (e = store_step(q)) == OK)
        *ret_trial = store_i64(q, 0) == 0;
    store_finish(&q);
    return e;
}

/* ---------------------------------------------------------------- shown */

static void plan_member(struct buf *b, const char *name, const struct plan *plan)
{
    buf_json_key(b, name);
    if (plan == NULL) {
        buf_add(b, STR("null"));
        return;
    }
    buf_byte(b, '{');
    plans_json(plan, b);
    buf_byte(b, '}');
}

static void text_or_null(struct buf *b, const char *name, struct str s)
{
    buf_json_key(b, name);
    if (s.n != 0)
        buf_json_str(b, s);
    else
        buf_add(b, STR("null"));
}

static void add_left(void *arg, const struct ledger_lot_row *row)
{
    struct nano *left = arg;
    if (row->kind == LEDGER_LOT_SUBSCRIPTION)
        *left = nano_plus(*left, row->remaining);
}

static enum err credit_json(struct store_conn *conn, const struct subscription *x,
                            const struct plan *plan, struct buf *b)
{
    struct nano left = NANO(0);
    bool trial = str_eq(x->status, STR("trialing"));
    enum err e = ledger_lots(conn, x->team, INT64_MAX, LOTS_MAX, add_left, &left);
    buf_json_key(b, "credit");
    buf_byte(b, '{');
    buf_json_nano(b, "included", trial ? plan->trial_credit : plan->monthly_credit);
    buf_json_nano(b, "left", left);
    buf_byte(b, '}');
    return e;
}

static void state_json(const struct subscription *x, struct buf *b)
{
    buf_json_key(b, "period");
    if (x->period_end_us == 0) {
        buf_add(b, STR("null"));
    } else {
        buf_byte(b, '{');
        buf_json_time(b, "start", x->period_start_us);
        buf_json_time(b, "end", x->period_end_us);
        buf_byte(b, '}');
    }
    buf_json_time(b, "trial_end", x->trial_end_us);
    buf_json_bool(b, "cancel_at_period_end", x->cancel_at_end);
    buf_json_time(b, "ended_at", x->ended_us);
    buf_json_time(b, "grace_until", x->grace_until_us);
    buf_json_member(b, "failure", x->failure);
    text_or_null(b, "pay_url", x->pay_url);
    text_or_null(b, "checkout_url", str_eq(x->status, STR("pending")) ? x->url : STR(""));
    buf_json_time(b, "created_at", x->created_us);
}

static void user_json(const struct subscription *x, struct buf *b)
{
    char text[ID_TEXT_MAX];
    buf_json_key(b, "user");
    if (id_is_zero(x->user) || x->email.n == 0) {
        buf_add(b, STR("null"));
        return;
    }
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("usr_", x->user, text));
    buf_json_member(b, "email", x->email);
    buf_byte(b, '}');
}

enum err subscriptions_json(struct payments *p, struct store_conn *conn, struct arena *a,
                            const struct subscription *x, bool credit, struct buf *b)
{
    struct plan plan, next;
    bool other = false;
    enum err e = plans_get(p, conn, a, x->plan, x->plan_n, &plan);
    if (e == OK && subscription_is_live(x) && !x->cancel_at_end && x->item_price.n != 0) {
        e = plans_by_price(p, conn, a, x->item_price, &next);
        other = e == OK && (strcmp(next.id, plan.id) != 0 || next.n != plan.n);
        e = e == ERR_NOT_FOUND ? OK : e;
    }
    if (e != OK)
        return e;
    buf_json_member(b, "id", str_c(x->id));
    buf_json_member(b, "status", x->status);
    buf_json_bool(b, "access", x->access);
    plan_member(b, "plan", &plan);
    plan_member(b, "next_plan", other ? &next : NULL);
    state_json(x, b);
    user_json(x, b);
    if (!credit)
        return OK;
    buf_json_time(b, "updated_at", x->updated_us);
    return credit_json(conn, x, &plan, b);
}

/* ---------------------------------------------------------------- written */

void subscriptions_watch(struct payments *p, struct subscriptions_watcher watcher)
{
    p->subscriptions_watcher = watcher;
}

static enum err row_write(struct store_conn *conn, const struct subscription *x)
{
    return store_run(conn, SQL_SUBSCRIPTION_SET, NULL, "tttiitttttttiiiiiiiiiitbtiiti",
                     str_c(x->id), x->status, x->plan, x->plan_n, x->paid_us, x->stripe_id, x->item,
                     x->item_price, x->session, x->url, x->failure, x->pay_url, x->applied,
                     x->period_start_us, x->period_end_us, x->trial_end_us,
                     (int64_t)x->cancel_at_end, x->grace_until_us, (int64_t)x->access, x->credit_us,
                     x->year_us, x->year_month, x->year_payment, x->trial_lot, str_c(x->told),
                     x->ended_us, x->updated_us, x->credit_plan, x->credit_n);
}

static enum err tell_in(struct payments *p, struct store_conn *conn, struct subscription_told *t,
                        enum subscription_news what)
{
    t->what = what;
    if (what == SUBSCRIPTION_NONE || p->subscriptions_watcher.changed_in == NULL)
        return OK;
    return p->subscriptions_watcher.changed_in(p->subscriptions_watcher.arg, conn, t);
}

/* The hash of what is seen of it from outside, but for its credit. */
static enum err told_hash(struct payments *p, struct store_conn *conn, struct arena *a,
                          const struct subscription *x, char ret_hex[2 * CRYPTO_HASH_LEN + 1])
{
    struct buf b;
    uint8_t hash[CRYPTO_HASH_LEN];
    buf_init(&b, 65536);
    enum err e = subscriptions_json(p, conn, a, x, false, &b);
    crypto_sha256(buf_str(&b), hash);
    (void)crypto_hex(hash, sizeof(hash), ret_hex);
    buf_fini(&b);
    return e;
}

enum err subscription_put_in(struct payments *p, struct store_conn *conn, struct subscription *x,
                             enum subscription_news news, struct str once, int64_t now_us)
{
    struct arena a;
    struct plan plan;
    char hex[2 * CRYPTO_HASH_LEN + 1];
    struct subscription_told t = {.x = x, .plan = &plan, .once = once, .now_us = now_us};
    arena_init(&a, 4096, 65536);
    x->access = subscription_has_access(p, x, now_us);
    enum err e = told_hash(p, conn, &a, x, hex);
    bool changed = e == OK && strcmp(x->told, hex) != 0;
    if (e == OK)
        e = plans_get(p, conn, &a, x->plan, x->plan_n, &plan);
    if (changed) {
        x->updated_us = now_us;
        memcpy(x->told, hex, sizeof(x->told));
    }
    if (e == OK)
        e = row_write(conn, x);
    if (e == OK && changed)
        e = tell_in(p, conn, &t, SUBSCRIPTION_CHANGED);
    if (e == OK)
        e = tell_in(p, conn, &t, news);
    arena_fini(&a);
    return e;
}

enum err subscription_ticket_in(struct store_conn *conn, const char *id, int64_t *ret_ticket)
{
    struct arena a;
    struct subscription x;
    arena_init(&a, 4096, 65536);
    enum err e = store_run(conn, SQL_SUBSCRIPTION_TICKET, NULL, "t", str_c(id));
    if (e == OK)
        e = subscriptions_get(conn, &a, str_c(id), &x);
    if (e == OK)
        *ret_ticket = x.tickets;
    arena_fini(&a);
    return e;
}

enum err subscriptions_turn_in(struct store_conn *conn, const char *id, int64_t *ret_turn)
{
    return subscription_ticket_in(conn, id, ret_turn);
}

/* ---------------------------------------------------------------- begun */

static enum err add_in(struct payments *p, struct store_conn *conn, struct id team, struct id user,
                       const struct plan *plan, int64_t now_us, char ret_id[ID_TEXT_MAX])
{
    char t[ID_TEXT_MAX], u[ID_TEXT_MAX];
    bool trial = false;
    enum err e = subscriptions_trial(conn, team, user, &trial);
    if (e != OK)
        return e;
    (void)id_text(SUBSCRIPTION_ID, id_new(now_us), ret_id);
    return store_run(
        conn, SQL_SUBSCRIPTION_ADD, NULL, "tttitiibii", str_c(ret_id), id_text("team_", team, t),
        id_is_zero(user) ? STR("") : id_text("usr_", user, u), (int64_t)p->options.stripe.livemode,
        str_c(plan->id), plan->n, trial ? plan->trial_days : (int64_t)0, STR(""), now_us,
        now_us + p->options.checkout_expires_us);
}

enum err subscriptions_start_in(struct payments *p, struct store_conn *conn, struct id team,
                                struct id user, struct str plan_id, int64_t now_us,
                                char ret_id[ID_TEXT_MAX])
{
    struct arena a;
    struct plan plan;
    struct subscription x;
    if (!payments_are_on(p))
        return ERR_NOT_IMPLEMENTED;
    arena_init(&a, 4096, 65536);
    enum err e = plans_get(p, conn, &a, plan_id, 0, &plan);
    if (e == OK && (!plan.active || plan.price.n == 0 ||
                    !str_eq(plan.currency, str_c(p->options.stripe.currency))))
        e = ERR_NOT_FOUND;
    enum err has = e == OK ? subscriptions_of_team(conn, &a, team, &x) : e;
    bool pending = has == OK && str_eq(x.status, STR("pending"));
    if (has == ERR_NOT_FOUND && e == OK)
        e = add_in(p, conn, team, user, &plan, now_us, ret_id);
    else if (has != OK)
        e = has;
    else if (subscription_is_live(&x) || str_eq(x.status, STR("incomplete")) ||
             (pending && (!str_eq(x.plan, plan_id) || x.plan_n != plan.n)))
        e = ERR_CONFLICT;
    else if (pending && x.expires_us > now_us)
        snprintf(ret_id, ID_TEXT_MAX, "%s", x.id);
    else
        e = add_in(p, conn, team, user, &plan, now_us, ret_id);
    arena_fini(&a);
    return e;
}

static void checkout_form(struct payments *p, const struct subscription *x, const struct plan *plan,
                          const char *customer, struct buf *form)
{
    char team[ID_TEXT_MAX];
    struct str team_text = id_text("team_", x->team, team), id = str_c(x->id);
    stripe_form_text(form, "mode", STR("subscription"));
    stripe_form_text(form, "line_items[0][price]", plan->price);
    stripe_form_i64(form, "line_items[0][quantity]", 1);
    /* Events of the subscription and of its invoices carry these. */
    stripe_form_text(form, "subscription_data[metadata][subscription_id]", id);
    stripe_form_text(form, "subscription_data[metadata][team_id]", team_text);
    if (x->trial_days > 0)
        stripe_form_i64(form, "subscription_data[trial_period_days]", x->trial_days);
    payment_page_form(p, customer, "subscription_id", id, x->team, x->expires_us, form);
}

struct opened {
    struct payments *p;
    struct str by, session, url;
    int64_t now_us;
};

static enum err opened_in(struct store_conn *conn, void *arg)
{
    const struct opened *o = arg;
    struct arena a;
    struct subscription x;
    arena_init(&a, 4096, 65536);
    enum err e = subscriptions_get(conn, &a, o->by, &x);
    if (e == OK && x.session.n == 0) {
        x.session = o->session;
        x.url = o->url;
        e = subscription_put_in(o->p, conn, &x, SUBSCRIPTION_NONE, STR(""), o->now_us);
    }
    arena_fini(&a);
    return e;
}

static enum err page_open(struct payments *p, struct arena *a, const struct subscription *x,
                          const struct plan *plan, const char *customer,
                          struct stripe_answer *answer)
{
    struct buf form;
    buf_init(&form, STRIPE_FORM_MAX);
    checkout_form(p, x, plan, customer, &form);
    enum err e = payment_page_post(p, "subscribe", x->id, buf_str(&form), answer);
    buf_fini(&form);
    if (e != OK)
        return e;
    struct opened o = {.p = p,
                       .by = str_c(x->id),
                       .session = stripe_text(a, answer->json, "id"),
                       .url = stripe_text(a, answer->json, "url"),
                       .now_us = clock_wall_us()};
    return o.session.n == 0 || o.url.n == 0 ? ERR_UPSTREAM_ERROR
                                            : store_write(p->options.store, opened_in, &o);
}

static enum err price_gone_in(struct store_conn *conn, void *arg)
{
    const struct opened *o = arg;
    struct arena a;
    struct subscription x;
    arena_init(&a, 4096, 65536);
    enum err e = subscriptions_get(conn, &a, o->by, &x);
    if (e == OK)
        e = plans_price_gone_in(o->p, conn, x.plan, x.plan_n, o->now_us);
    arena_fini(&a);
    return e;
}

/* Refused for want of the price: it can be tried again when there is another one. */
static enum err refused(struct payments *p, const char *id, const struct stripe_answer *answer)
{
    struct opened o = {.p = p, .by = str_c(id), .now_us = clock_wall_us()};
    struct str words = str_c(answer->message);
    observe_say("error", "checkout_refused", "%s: Stripe refuses it: %s (%s)", id, answer->message,
                answer->code);
    if (strcmp(answer->code, "resource_missing") != 0 || str_find(words, STR("price")) >= words.n)
        return ERR_UPSTREAM_ERROR;
    enum err e = store_write(p->options.store, price_gone_in, &o);
    return e == OK ? ERR_UPSTREAM_UNAVAILABLE : e;
}

static enum err read_both(struct payments *p, struct arena *a, struct str by,
                          struct subscription *x, struct plan *plan)
{
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return e;
    e = subscriptions_get(conn, a, by, x);
    if (e == OK)
        e = plans_get(p, conn, a, x->plan, x->plan_n, plan);
    store_reader_end(&conn);
    return e;
}

enum err subscriptions_checkout(struct payments *p, struct arena *a, const char *id,
                                struct str email, struct subscription *ret_subscription,
                                struct stripe_answer *ret_answer)
{
    char customer[128];
    struct plan plan;
    memset(ret_answer, 0, sizeof(*ret_answer));
    enum err e = read_both(p, a, str_c(id), ret_subscription, &plan);
    if (e == OK && ret_subscription->session.n != 0)
        return str_eq(ret_subscription->status, STR("pending")) ? OK : ERR_CONFLICT;
    bool gone = e == OK; /* deleted at Stripe: another one is made, once */
    for (int i = 0; i < 2 && gone; i++) {
        e = payments_customer(p, ret_subscription->team, email, customer, ret_answer);
        stripe_answer_fini(ret_answer);
        if (e == OK)
            e = page_open(p, a, ret_subscription, &plan, customer, ret_answer);
        gone = e == ERR_INVALID_REQUEST && stripe_customer_is_gone(ret_answer) &&
               payments_customer_gone(p, customer) == OK;
    }
    if (e == ERR_INVALID_REQUEST)
        return refused(p, id, ret_answer);
    if (e == OK)
        e = read_both(p, a, str_c(id), ret_subscription, &plan);
    return e == ERR_FORBIDDEN ? ERR_UPSTREAM_ERROR : e;
}

enum err subscription_over_in(struct payments *p, struct store_conn *conn, struct str by,
                              int64_t now_us)
{
    struct arena a;
    struct subscription x;
    arena_init(&a, 4096, 65536);
    enum err e = subscriptions_get(conn, &a, by, &x);
    if (e == OK && str_eq(x.status, STR("pending"))) {
        x.status = STR("expired");
        x.ended_us = now_us;
        e = subscription_put_in(p, conn, &x, SUBSCRIPTION_NONE, STR(""), now_us);
    }
    arena_fini(&a);
    return e;
}

static enum err abandoned_in(struct store_conn *conn, void *arg)
{
    const struct opened *o = arg;
    return subscription_over_in(o->p, conn, o->by, o->now_us);
}

enum err subscriptions_abandon(struct payments *p, const struct subscription *x,
                               struct stripe_answer *ret_answer)
{
    struct opened o = {.p = p, .by = str_c(x->id), .now_us = clock_wall_us()};
    struct buf path;
    char key[ID_TEXT_MAX + 16];
    enum err e = OK;
    memset(ret_answer, 0, sizeof(*ret_answer));
    if (x->session.n != 0) {
        buf_init(&path, 1024);
        buf_add(&path, STR("/v1/checkout/sessions/"));
        stripe_escape(&path, x->session);
        buf_add(&path, STR("/expire"));
        buf_byte(&path, '\0');
        int n = snprintf(key, sizeof(key), "abandon:%s", x->id);
        e = stripe_post(&p->options.stripe, path.p, STR(""), str_of(key, (size_t)n), ret_answer);
        buf_fini(&path);
    }
    if (e == ERR_INVALID_REQUEST)
        return ERR_CONFLICT; /* it is complete: the event is on its way */
    return e == OK || e == ERR_NOT_FOUND ? store_write(p->options.store, abandoned_in, &o) : e;
}

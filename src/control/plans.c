/* /api/admin/plans and /api/admin/subscriptions: what is sold, and who has it. */
#include "payments/plans.h"

#include "base/json.h"
#include "control/body.h"
#include "control/operator.h"
#include "control/routes.h"
#include "control/subscription.h"
#include "control/write.h"
#include "payments/subscriptions.h"

#include <stdio.h>

/* ---------------------------------------------------------------- plans */

struct listing {
    struct control *c;
    struct control_page page;
    struct store_conn *conn;
    struct arena *arena;
    struct buf *out;
    enum err err;
};

static enum err plan_show(struct store_conn *conn, const struct plan *x, struct buf *b)
{
    buf_json_comma(b);
    buf_byte(b, '{');
    plans_json(x, b);
    enum err e = plans_more_json(conn, x, b);
    buf_byte(b, '}');
    return e;
}

static void add_plan(void *arg, const struct plan *x)
{
    struct listing *l = arg;
    if (l->err == OK && control_page_row(&l->page, str_c(x->id)))
        l->err = plan_show(l->conn, x, l->out);
}

CONTROL_ASK(control_admin_plans)
{
    struct listing l = {.out = &reply->body};
    (void)who;
    enum err e = control_page_begin(r, reply, &l.page);
    if (e == OK)
        e = store_reader_begin(c->store, &l.conn);
    if (e != OK)
        return e;
    e = plans_list(c->payments, l.conn, l.page.after, l.page.limit + 1, add_plan, &l);
    store_reader_end(&l.conn);
    control_page_end(&l.page, reply);
    return e == OK ? l.err : e;
}

CONTROL_ASK(control_admin_plan)
{
    struct store_conn *conn = NULL;
    struct plan x;
    (void)who;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = plans_get(c->payments, conn, reply->arena, r->params[0], 0, &x);
    if (e == OK)
        e = plan_show(conn, &x, &reply->body);
    store_reader_end(&conn);
    return e;
}

/* As it was sent; what is not given stays as it is. */
struct plan_write {
    struct control_write w;
    struct plan plan;
    struct str limits;
    struct nano price;
    bool price_given, limits_null, max_null, capped_given, max_given;
    struct buf shown;
};

static enum err limits_read(struct plan_write *x)
{
    struct plan *p = &x->plan;
    if (x->limits_null)
        p->rpm = p->burst = 0;
    if (x->limits.n == 0)
        return OK;
    p->rpm = p->burst = 0;
    const struct control_field fields[] = {
        {.name = "rpm", .kind = CONTROL_INT, .to = &p->rpm, .min = 1, .required = true},
        {.name = "burst", .kind = CONTROL_INT, .to = &p->burst, .min = 1}};
    return control_object_read(x->limits, x->w.reply, fields, 2);
}

static enum err body_read(struct plan_write *x, bool anew)
{
    struct plan *p = &x->plan;
    const struct control_field fields[] = {
        {.name = "name", .kind = CONTROL_TEXT, .to = &p->name, .min = 1, .required = anew},
        {.name = "description", .kind = CONTROL_TEXT, .to = &p->description, .max = 400},
        {.name = "price",
         .kind = CONTROL_USD,
         .to = &x->price,
         .required = anew,
         .given = &x->price_given},
        {.name = "monthly_credit", .kind = CONTROL_USD, .to = &p->monthly_credit, .required = anew},
        {.name = "interval", .kind = CONTROL_TEXT, .to = &p->period},
        {.name = "roll_over", .kind = CONTROL_TEXT, .to = &p->roll_over, .given = &x->capped_given},
        {.name = "roll_over_max",
         .kind = CONTROL_USD,
         .to = &p->roll_over_max,
         .given = &x->max_given,
         .null = &x->max_null},
        {.name = "limits", .kind = CONTROL_OBJECT, .to = &x->limits, .null = &x->limits_null},
        {.name = "trial_days", .kind = CONTROL_INT, .to = &p->trial_days, .max = 730},
        {.name = "trial_credit", .kind = CONTROL_USD, .to = &p->trial_credit},
        {.name = "active", .kind = CONTROL_BOOL, .to = &p->active}};
    enum err e = CONTROL_BODY_READ(x->w.r, x->w.reply, fields);
    if (e != OK)
        return e;
    /* A cap goes with the rule that it belongs to. */
    if (x->max_null || (x->capped_given && !x->max_given && !str_eq(p->roll_over, STR("capped"))))
        p->roll_over_max = NANO(0);
    if (x->price_given && stripe_to_minor(p->currency, x->price, &p->price_minor) != OK)
        return control_wrong(x->w.reply, ERR_VALIDATION_FAILED, "price",
                             "It must be a whole number of the currency's smallest unit.");
    return limits_read(x);
}

static enum err put_work(struct control_write *w, struct store_conn *conn)
{
    struct plan_write *x = w->arg;
    struct plan p = x->plan;
    enum err e = plans_put_in(w->c->payments, conn, &p, w->who->now_us);
    snprintf(w->object, sizeof(w->object), "%s", p.id);
    buf_reset(&x->shown);
    return e == OK ? plan_show(conn, &p, &x->shown) : e;
}

static void put_json(struct control_write *w, bool first, struct buf *b)
{
    const struct plan_write *x = w->arg;
    (void)first;
    buf_add(b, buf_str(&x->shown));
}

static enum err put(struct plan_write *x)
{
    const char *field = NULL, *words = plans_fault(&x->plan, &field);
    if (!payments_are_on(x->w.c->payments)) {
        x->w.reply->message = STR("Nothing is sold here: set Stripe up first.");
        return ERR_NOT_FOUND;
    }
    if (words != NULL)
        return control_wrong(x->w.reply, ERR_VALIDATION_FAILED, field, words);
    x->w.arg = x;
    x->w.work = put_work;
    x->w.json = put_json;
    x->w.change = json_trim(x->w.r->body);
    buf_init(&x->shown, 16384);
    enum err e = control_write_run(&x->w);
    buf_fini(&x->shown);
    return e;
}

static struct plan_write plan_write(struct control *c, const struct control_who *who,
                                    const struct http_request *r, struct http_reply *reply)
{
    return (struct plan_write){.w = {.c = c, .who = who, .r = r, .reply = reply},
                               .plan = {.name = STR(""),
                                        .description = STR(""),
                                        .active = true,
                                        .currency = str_c(payments_stripe(c->payments)->currency),
                                        .period = STR("month"),
                                        .roll_over = STR("none"),
                                        .product = STR(""),
                                        .price = STR("")},
                               .limits = STR("")};
}

CONTROL_ASK(control_admin_plan_create)
{
    struct plan_write x = plan_write(c, who, r, reply);
    x.w.action = "plan.create";
    x.w.status = 201;
    enum err e = body_read(&x, true);
    return e == OK ? put(&x) : e;
}

CONTROL_ASK(control_admin_plan_edit)
{
    struct store_conn *conn = NULL;
    struct plan_write x = plan_write(c, who, r, reply);
    x.w.action = "plan.edit";
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    enum err had = plans_get(c->payments, conn, reply->arena, r->params[0], 0, &x.plan);
    store_reader_end(&conn);
    if (had != OK && had != ERR_NOT_FOUND)
        return had;
    e = body_read(&x, false);
    e = e == OK ? had : e;
    return e == OK ? put(&x) : e;
}

static enum err drop_work(struct control_write *w, struct store_conn *conn)
{
    snprintf(w->object, sizeof(w->object), "%.*s",
             STR_ARG(str_upto(w->r->params[0], ID_TEXT_MAX - 1)));
    return plans_drop_in(w->c->payments, conn, w->r->params[0]);
}

CONTROL_ASK(control_admin_plan_delete)
{
    struct control_write w = {
        .c = c, .who = who, .r = r, .reply = reply, .work = drop_work, .action = "plan.delete"};
    enum err e = control_write_run(&w);
    if (e == ERR_CONFLICT)
        reply->message = STR("Somebody has or had this plan: set it inactive instead.");
    return e;
}

/* ---------------------------------------------------------------- who has one */

/* Left open. */
static enum err row_json(struct listing *l, const struct subscription *x)
{
    struct buf *b = l->out;
    buf_byte(b, '{');
    enum err e = subscriptions_json(l->c->payments, l->conn, l->arena, x, true, b);
    if (e == OK)
        e = control_team_json(l->conn, l->arena, x->team, b);
    buf_json_member(b, "stripe_id", x->stripe_id);
    return e;
}

static void add_subscription(void *arg, const struct subscription *x)
{
    struct listing *l = arg;
    if (l->err != OK || !control_page_row(&l->page, str_c(x->id)))
        return;
    buf_json_comma(l->out);
    l->err = row_json(l, x);
    buf_byte(l->out, '}');
}

CONTROL_ASK(control_admin_subscriptions)
{
    struct listing l = {.c = c, .out = &reply->body, .arena = reply->arena};
    struct str status = STR(""), word = STR("");
    (void)who;
    (void)http_query(r, reply->arena, STR("status"), &status);
    (void)http_query(r, reply->arena, STR("q"), &word);
    enum err e = control_page_begin(r, reply, &l.page);
    if (e == OK)
        e = control_look_back(c, &l.conn);
    if (e != OK)
        return e;
    e = subscriptions_list(l.conn, status, word, l.page.after, l.page.limit + 1, add_subscription,
                           &l);
    store_reader_end(&l.conn);
    control_page_end(&l.page, reply);
    return e == OK ? l.err : e;
}

static void add_payment(void *arg, const struct payment *x)
{
    struct listing *l = arg;
    buf_json_comma(l->out);
    buf_byte(l->out, '{');
    l->err = l->err == OK ? control_payment_json(l->conn, x, l->out) : l->err;
    buf_byte(l->out, '}');
}

CONTROL_ASK(control_admin_subscription)
{
    struct listing l = {.c = c, .out = &reply->body, .arena = reply->arena};
    struct subscription x;
    (void)who;
    enum err e = control_look_back(c, &l.conn);
    if (e != OK)
        return e;
    e = subscriptions_get(l.conn, reply->arena, r->params[0], &x);
    if (e == OK)
        e = row_json(&l, &x);
    if (e == OK) {
        buf_json_key(l.out, "payments");
        buf_byte(l.out, '[');
        e = subscriptions_payments(l.conn, reply->arena, &x, add_payment, &l);
        buf_add(l.out, STR("]}"));
    }
    store_reader_end(&l.conn);
    return e == OK ? l.err : e;
}

static enum err one_read(struct control *c, const struct http_request *r, struct http_reply *reply,
                         struct subscription *ret)
{
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = subscriptions_get(conn, reply->arena, r->params[0], ret);
    store_reader_end(&conn);
    return e;
}

CONTROL_ASK(control_admin_subscription_cancel)
{
    struct subscription x;
    struct stripe_answer answer = {0};
    bool now = false;
    int64_t turn = 0;
    const struct control_field fields[] = {{.name = "now", .kind = CONTROL_BOOL, .to = &now}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK)
        e = one_read(c, r, reply, &x);
    if (e == OK && !subscription_is_live(&x)) {
        reply->message = STR("It has ended, or has not begun.");
        return ERR_CONFLICT;
    }
    if (e == OK)
        e = control_subscription_turn(c, who, r, reply, &x, "subscription.cancel", &turn);
    if (e != OK)
        return e;
    e = now ? subscriptions_end(c->payments, reply->arena, x.id, turn, &answer)
            : subscriptions_cancel(c->payments, reply->arena, x.id, turn, true, &answer);
    stripe_answer_fini(&answer);
    e = control_subscription_after(c, reply, x.id, e);
    reply->status = e == OK ? 202 : reply->status;
    return e;
}

static enum err refresh_work(struct control_write *w, struct store_conn *conn)
{
    const struct subscription *x = w->arg;
    snprintf(w->object, sizeof(w->object), "%s", x->id);
    return subscriptions_refresh_in(w->c->payments, conn, x->id, w->who->now_us);
}

CONTROL_ASK(control_admin_subscription_refresh)
{
    struct subscription x;
    struct control_write w = {.c = c,
                              .who = who,
                              .r = r,
                              .reply = reply,
                              .arg = &x,
                              .work = refresh_work,
                              .json = control_write_object_json,
                              .action = "subscription.refresh",
                              .status = 202};
    enum err e = control_body_read(r, reply, NULL, 0);
    if (e == OK)
        e = one_read(c, r, reply, &x);
    if (e == OK)
        e = control_write_run(&w);
    if (e == ERR_CONFLICT)
        reply->message = STR("Stripe knows nothing of it.");
    return e;
}

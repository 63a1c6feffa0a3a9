/* /api/plans, /api/billing/subscription and /api/billing/portal: what customers do with plans. */
#include "payments/subscriptions.h"

#include "base/json.h"
#include "control/body.h"
#include "control/routes.h"
#include "control/subscription.h"
#include "control/write.h"

#include <stdio.h>

/* ---------------------------------------------------------------- plans on offer */

static void add_plan(void *arg, const struct plan *x)
{
    struct buf *b = arg;
    buf_json_comma(b);
    buf_byte(b, '{');
    plans_json(x, b);
    buf_byte(b, '}');
}

CONTROL_ASK(control_plans)
{
    struct store_conn *conn = NULL;
    (void)who;
    (void)r;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    buf_add(&reply->body, STR("{\"data\":["));
    e = plans_offered(c->payments, conn, add_plan, &reply->body);
    buf_add(&reply->body, STR("],\"has_more\":false,\"next_cursor\":null}"));
    store_reader_end(&conn);
    return e;
}

/* ---------------------------------------------------------------- what is had */

static enum err read_of(struct control *c, struct arena *a, struct id team,
                        struct subscription *ret)
{
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = subscriptions_of_team(conn, a, team, ret);
    store_reader_end(&conn);
    return e;
}

static enum err show(struct control *c, struct arena *a, const struct subscription *x,
                     struct buf *b)
{
    struct store_conn *conn = NULL;
    enum err e = control_look_back(c, &conn);
    if (e != OK)
        return e;
    buf_byte(b, '{');
    e = subscriptions_json(c->payments, conn, a, x, true, b);
    buf_byte(b, '}');
    store_reader_end(&conn);
    return e;
}

CONTROL_ASK(control_subscription)
{
    struct store_conn *conn = NULL;
    struct subscription x;
    bool trial = false;
    struct buf *b = &reply->body;
    (void)r;
    enum err e = control_look_back(c, &conn);
    if (e != OK)
        return e;
    enum err has = subscriptions_of_team(conn, reply->arena, who->team, &x);
    e = has == ERR_NOT_FOUND ? OK : has;
    if (e == OK)
        e = subscriptions_trial(conn, who->team, who->user, &trial);
    buf_add(b, STR("{\"subscription\":"));
    if (has == ERR_NOT_FOUND) {
        buf_add(b, STR("null"));
    } else if (e == OK) {
        buf_byte(b, '{');
        e = subscriptions_json(c->payments, conn, reply->arena, &x, true, b);
        buf_byte(b, '}');
    }
    buf_json_bool(b, "trial", trial);
    buf_byte(b, '}');
    store_reader_end(&conn);
    return e;
}

/* Words for what Stripe did not do. */
static enum err unavailable(struct http_reply *reply, enum err e)
{
    if (e != ERR_UPSTREAM_UNAVAILABLE && e != ERR_UPSTREAM_TIMEOUT)
        return e;
    reply->message = STR("The payment service does not answer now. Try again in a minute.");
    return ERR_UPSTREAM_UNAVAILABLE;
}

static enum err read_plan(struct control *c, const struct http_request *r, struct http_reply *reply,
                          struct str *ret_plan)
{
    const struct control_field fields[] = {
        {.name = "plan", .kind = CONTROL_TEXT, .to = ret_plan, .required = true}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e != OK || payments_are_on(c->payments))
        return e;
    reply->message = STR("Nothing is sold here.");
    return ERR_NOT_FOUND;
}

/* ---------------------------------------------------------------- begun */

struct start {
    struct str plan;
    char id[ID_TEXT_MAX];
};

static enum err start_work(struct control_write *w, struct store_conn *conn)
{
    struct start *s = w->arg;
    enum err e = subscriptions_start_in(w->c->payments, conn, w->who->team, w->who->user, s->plan,
                                        w->who->now_us, s->id);
    snprintf(w->object, sizeof(w->object), "%s", s->id);
    return e;
}

/* A checkout of another plan that is still open is closed: nobody is to pay for both. */
static enum err others_close(struct control *c, const struct control_who *who,
                             struct http_reply *reply, struct str plan)
{
    struct subscription x;
    struct stripe_answer answer = {0};
    enum err e = read_of(c, reply->arena, who->team, &x);
    if (e != OK)
        return e == ERR_NOT_FOUND ? OK : e;
    if (!str_eq(x.status, STR("pending")) || (str_eq(x.plan, plan) && x.expires_us > who->now_us))
        return OK;
    e = subscriptions_abandon(c->payments, &x, &answer);
    stripe_answer_fini(&answer);
    return e;
}

static enum err start(struct control *c, const struct control_who *who,
                      const struct http_request *r, struct http_reply *reply, struct str plan,
                      struct str *ret_id)
{
    struct start s = {.plan = plan};
    struct control_write w = {.c = c,
                              .who = who,
                              .r = r,
                              .reply = reply,
                              .arg = &s,
                              .work = start_work,
                              .json = control_write_object_json,
                              .action = "subscription.start",
                              .change = json_trim(r->body)};
    enum err e = others_close(c, who, reply, plan);
    if (e == OK)
        e = control_write_run(&w);
    if (e == ERR_CONFLICT)
        return control_wrong(reply, e, "plan",
                             "The team has a subscription already: change it instead.");
    if (e == ERR_NOT_FOUND)
        return control_wrong(reply, e, "plan", "There is no such plan.");
    if (e != OK)
        return e;
    e = json_string(reply->arena, json_get(buf_str(&reply->body), STR("id")), ret_id);
    *ret_id = arena_dup(reply->arena, *ret_id);
    buf_reset(&reply->body);
    return e;
}

CONTROL_ASK(control_subscription_start)
{
    struct str plan = STR(""), id = STR("");
    struct subscription x;
    struct stripe_answer answer = {0};
    struct buf *b = &reply->body;
    enum err e = read_plan(c, r, reply, &plan);
    if (e == OK)
        e = start(c, who, r, reply, plan, &id);
    if (e != OK)
        return unavailable(reply, e);
    e = subscriptions_checkout(c->payments, reply->arena, id.p, who->email, &x, &answer);
    stripe_answer_fini(&answer);
    if (e == ERR_CONFLICT)
        return control_wrong(reply, e, "plan", "That checkout is over: begin another one.");
    if (e != OK)
        return unavailable(reply, e);
    reply->status = 201;
    buf_byte(b, '{');
    buf_json_member(b, "id", str_c(x.id));
    buf_json_member(b, "url", x.url);
    buf_json_member(b, "session_id", x.session);
    buf_json_time(b, "expires_at", x.expires_us);
    buf_byte(b, '}');
    return OK;
}

/* ---------------------------------------------------------------- changed */

/* The subscription, and what a change to the plan would be. */
static enum err change_of(struct control *c, const struct control_who *who,
                          const struct http_request *r, struct http_reply *reply,
                          struct subscription *x, struct subscription_change *ret_change)
{
    struct str plan = STR("");
    struct store_conn *conn = NULL;
    const char *words = NULL;
    enum err e = read_plan(c, r, reply, &plan);
    if (e == OK)
        e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = subscriptions_of_team(conn, reply->arena, who->team, x);
    bool none = e == ERR_NOT_FOUND;
    if (e == OK)
        e = subscriptions_change_of(c->payments, conn, reply->arena, x, plan, ret_change, &words);
    store_reader_end(&conn);
    if (none)
        return control_wrong(reply, ERR_CONFLICT, "plan", "There is no subscription to change.");
    if (words != NULL)
        return control_wrong(reply, ERR_CONFLICT, "plan", words);
    return e == ERR_NOT_FOUND ? control_wrong(reply, e, "plan", "There is no such plan.") : e;
}

CONTROL_ASK(control_subscription_preview)
{
    struct subscription x;
    struct subscription_change change = {.at_once = false};
    struct subscription_preview p = {.due_minor = 0};
    struct stripe_answer answer = {0};
    struct nano due = NANO(0);
    struct buf *b = &reply->body;
    enum err e = change_of(c, who, r, reply, &x, &change);
    if (e == OK)
        e = subscriptions_preview(c->payments, reply->arena, &x, &change, &p, &answer);
    stripe_answer_fini(&answer);
    if (e == OK)
        e = stripe_to_nano(change.to.currency, p.due_minor, &due);
    if (e != OK)
        return unavailable(reply, e);
    buf_byte(b, '{');
    buf_json_member(b, "when", change.at_once ? STR("now") : STR("period_end"));
    buf_json_time(b, "at", change.at_once ? who->now_us : x.period_end_us);
    buf_json_nano(b, "amount_due", due);
    buf_json_member(b, "currency", change.to.currency);
    buf_json_nano(b, "credit_now", p.credit);
    buf_json_key(b, "plan");
    buf_byte(b, '{');
    plans_json(&change.to, b);
    buf_add(b, STR("}}"));
    return OK;
}

struct turn {
    const char *id;
    int64_t turn;
};

static enum err turn_work(struct control_write *w, struct store_conn *conn)
{
    struct turn *t = w->arg;
    snprintf(w->object, sizeof(w->object), "%s", t->id);
    return subscriptions_turn_in(conn, t->id, &t->turn);
}

static void turn_json(struct control_write *w, bool first, struct buf *b)
{
    const struct turn *t = w->arg;
    (void)first;
    buf_byte(b, '{');
    buf_json_i64(b, "turn", t->turn);
    buf_byte(b, '}');
}

/* Written down before Stripe is asked; the same Idempotency-Key has the same turn. */
enum err control_subscription_turn(struct control *c, const struct control_who *who,
                                   const struct http_request *r, struct http_reply *reply,
                                   const struct subscription *x, const char *action,
                                   int64_t *ret_turn)
{
    struct turn t = {.id = x->id};
    struct control_write w = {.c = c,
                              .who = who,
                              .r = r,
                              .reply = reply,
                              .arg = &t,
                              .work = turn_work,
                              .json = turn_json,
                              .action = action,
                              .team = x->team,
                              .change = r->body.n != 0 ? json_trim(r->body) : STR("{}")};
    enum err e = control_write_run(&w);
    if (e == OK)
        e = json_int(json_get(buf_str(&reply->body), STR("turn")), 0, INT64_MAX, ret_turn);
    buf_reset(&reply->body);
    return e;
}

/* What it is after Stripe has answered. */
enum err control_subscription_after(struct control *c, struct http_reply *reply, const char *id,
                                    enum err e)
{
    struct store_conn *conn = NULL;
    struct subscription x;
    if (e == ERR_CONFLICT) {
        reply->message = STR("It is in no state for that now. Look at it again.");
        return e;
    }
    if (e != OK)
        return unavailable(reply, e);
    e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = subscriptions_get(conn, reply->arena, str_c(id), &x);
    store_reader_end(&conn);
    return e == OK ? show(c, reply->arena, &x, &reply->body) : e;
}

CONTROL_ASK(control_subscription_change)
{
    struct subscription x;
    struct subscription_change change;
    struct stripe_answer answer = {0};
    int64_t turn = 0;
    enum err e = change_of(c, who, r, reply, &x, &change);
    if (e == OK)
        e = control_subscription_turn(c, who, r, reply, &x, "subscription.change", &turn);
    if (e != OK)
        return e;
    e = subscriptions_change(c->payments, reply->arena, x.id, turn, &change, &answer);
    stripe_answer_fini(&answer);
    return control_subscription_after(c, reply, x.id, e);
}

static enum err cancel(struct control *c, const struct control_who *who,
                       const struct http_request *r, struct http_reply *reply, bool end)
{
    struct subscription x;
    struct stripe_answer answer = {0};
    int64_t turn = 0;
    enum err e = control_body_read(r, reply, NULL, 0);
    if (e == OK)
        e = read_of(c, reply->arena, who->team, &x);
    bool pending = e == OK && end && str_eq(x.status, STR("pending"));
    if (e == ERR_NOT_FOUND ||
        (e == OK && !pending && (!subscription_is_live(&x) || (!end && !x.cancel_at_end)))) {
        reply->message = end ? STR("There is no subscription to cancel.")
                             : STR("There is no subscription that is about to end.");
        return ERR_CONFLICT;
    }
    if (e == OK)
        e = control_subscription_turn(c, who, r, reply, &x,
                                      end ? "subscription.cancel" : "subscription.resume", &turn);
    if (e != OK)
        return e;
    e = pending ? subscriptions_abandon(c->payments, &x, &answer)
                : subscriptions_cancel(c->payments, reply->arena, x.id, turn, end, &answer);
    stripe_answer_fini(&answer);
    return control_subscription_after(c, reply, x.id, e);
}

CONTROL_ASK(control_subscription_cancel)
{
    return cancel(c, who, r, reply, true);
}

CONTROL_ASK(control_subscription_resume)
{
    return cancel(c, who, r, reply, false);
}

CONTROL_ASK(control_billing_portal)
{
    struct str url = STR("");
    struct stripe_answer answer = {0};
    enum err e = control_body_read(r, reply, NULL, 0);
    if (e == OK)
        e = subscriptions_portal(c->payments, reply->arena, who->team, &url, &answer);
    stripe_answer_fini(&answer);
    if (e == ERR_NOT_FOUND) {
        reply->message = STR("There are no cards and invoices before the first payment.");
        return ERR_CONFLICT;
    }
    if (e == ERR_NOT_IMPLEMENTED) {
        reply->message = STR("Nothing is sold here.");
        return ERR_NOT_FOUND;
    }
    if (e != OK)
        return unavailable(reply, e);
    reply->status = 201;
    buf_byte(&reply->body, '{');
    buf_json_member(&reply->body, "url", url);
    buf_byte(&reply->body, '}');
    return OK;
}

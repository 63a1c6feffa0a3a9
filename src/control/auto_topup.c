/* Looks who is low, orders, charges; and /api/billing/auto-topup. */
#include "control/auto_topup.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "control/body.h"
#include "control/routes.h"
#include "control/tell.h"
#include "control/write.h"

#include <stdio.h>

#define LOOK_EVERY_US (15 * US_PER_S)
#define FAILURES_MAX 3
#define WAIT_US (INT64_C(6) * US_PER_HOUR) /* after a failure */
#define TEAMS_MAX 1000 /* started in one look */
#define REASON_MAX 200

struct rule {
    struct id team;
    struct str state, user, reason, in_flight;
    struct nano threshold, amount, monthly_cap, spent;
    int64_t month_us, failures, not_before_us;
};

/* ---- rows ---- */

/* One that was never set is off. */
static enum err get(struct store_conn *conn, struct arena *a, struct id team, struct rule *ret)
{
    struct store_query *q = NULL;
    char t[ID_TEXT_MAX];
    struct rule r = {.team = team,
                     .state = STR("off"),
                     .user = STR(""),
                     .reason = STR(""),
                     .in_flight = STR("")};
    enum err e = store_start(conn, SQL_AUTO_GET, &q, "t", id_text("team_", team, t));
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        r.state = arena_dup(a, store_str(q, 0));
        r.threshold = store_nano(q, 1);
        r.amount = store_nano(q, 2);
        r.monthly_cap = store_nano(q, 3);
        r.user = arena_dup(a, store_str(q, 4));
        r.month_us = store_i64(q, 5);
        r.spent = store_nano(q, 6);
        r.failures = store_i64(q, 7);
        r.reason = arena_dup(a, store_str(q, 8));
        r.in_flight = arena_dup(a, store_str(q, 9));
        r.not_before_us = store_i64(q, 10);
    }
    store_finish(&q);
    *ret = r;
    return e == ERR_END ? OK : e;
}

static enum err put_in(struct store_conn *conn, const struct rule *r)
{
    char t[ID_TEXT_MAX];
    return store_run(conn, SQL_AUTO_SET, NULL, "ttnnntinitti", id_text("team_", r->team, t),
                     r->state, r->threshold, r->amount, r->monthly_cap, r->user, r->month_us,
                     r->spent, r->failures, r->reason, r->in_flight, r->not_before_us);
}

/* A new month begins with nothing spent. */
static void turn_month(struct rule *r, int64_t now_us)
{
    int64_t month_us = clock_month_start(now_us);
    if (r->month_us != month_us)
        r->spent = NANO(0);
    r->month_us = month_us;
}

static bool is_low(const struct control *c, struct id team, struct nano threshold)
{
    const struct ledger_account *a = ledger_find(c->ledger, team);
    return a != NULL && ledger_available(a).v < threshold.v;
}

/* ---- looking ---- */

struct start {
    struct control *c;
    struct id team;
    int64_t now_us;
};

/* Reads it again: since it was looked at somebody may have changed it, or bought credit. */
static enum err start_in(struct store_conn *conn, void *arg)
{
    const struct start *s = arg;
    struct arena a;
    struct rule r;
    arena_init(&a, 1024, 16384);
    enum err e = get(conn, &a, s->team, &r);
    turn_month(&r, s->now_us);
    bool go = e == OK && str_eq(r.state, STR("on")) && r.in_flight.n == 0 &&
              is_low(s->c, s->team, r.threshold) && r.spent.v <= r.monthly_cap.v - r.amount.v &&
              r.not_before_us <= s->now_us;
    struct payments_order order = {.team = s->team, .kind = "auto_topup", .amount = r.amount};
    (void)id_parse("usr_", r.user, &order.user);
    if (go)
        e = payments_order_in(s->c->payments, conn, &order, s->now_us);
    if (go && e == OK) {
        struct jobs_spec spec = {
            .kind = "auto_topup", .key = str_c(order.id), .input = str_c(order.id)};
        r.in_flight = str_c(order.id);
        r.spent = nano_plus(r.spent, r.amount);
        e = put_in(conn, &r);
        if (e == OK)
            e = jobs_enqueue_in(s->c->jobs, conn, &spec, s->now_us, NULL);
    }
    arena_fini(&a);
    return e;
}

static enum err ready(struct control *c, int64_t now_us, struct id *list, size_t *ret_n)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_AUTO_READY, &q, "i", now_us);
    while (e == OK && *ret_n < TEAMS_MAX && (e = store_step(q)) == OK)
        if (id_parse("team_", store_str(q, 0), &list[*ret_n]) &&
            is_low(c, list[*ret_n], store_nano(q, 1)))
            ++*ret_n;
    store_finish(&q);
    store_reader_end(&conn);
    return e == ERR_END ? OK : e;
}

static enum jobs_outcome look_step(struct jobs_call *call)
{
    struct control *c = call->arg;
    size_t n = 0;
    if (!payments_are_on(c->payments))
        return JOBS_DONE;
    struct id *list = mem_array(TEAMS_MAX, sizeof(*list));
    enum err e = ready(c, call->now_us, list, &n);
    for (size_t i = 0; i < n && e == OK; i++) {
        struct start s = {.c = c, .team = list[i], .now_us = call->now_us};
        e = store_write(c->store, start_in, &s);
    }
    mem_free(list);
    if (e == OK)
        return JOBS_DONE;
    snprintf(call->why, sizeof(call->why), "credit could not be ordered: %s", err_info(e)->name);
    return JOBS_RETRY;
}

/* ---- charging: first the card, then the money; the form stays the same at every attempt ---- */

static enum err order_of(struct jobs_call *call, struct payment *x)
{
    struct control *c = call->arg;
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = payments_get(conn, &call->arena, call->input, x);
    store_reader_end(&conn);
    return e;
}

static enum jobs_outcome again(struct jobs_call *call, enum err e, const struct stripe_answer *a)
{
    snprintf(call->why, sizeof(call->why), "%s: %.200s", err_info(e)->name, a->message);
    call->retry_us = a->retry_after_us;
    return JOBS_RETRY;
}

/* data: customer and card, a line each; nothing when there is no card. */
static enum jobs_outcome card_step(struct jobs_call *call)
{
    struct control *c = call->arg;
    struct payment x;
    struct stripe_answer answer = {0};
    char customer[128];
    enum err e = order_of(call, &x);
    if (e == OK) {
        e = payments_customer(c->payments, x.team, x.email, customer, &answer);
        stripe_answer_fini(&answer);
    }
    if (e != OK)
        return again(call, e, &answer);
    struct str path = arena_printf(&call->arena,
                                   "/v1/customers/%s/payment_methods?type=card&limit=1", customer);
    e = stripe_get(payments_stripe(c->payments), path.p, &answer);
    if (e == ERR_NOT_FOUND && payments_customer_gone(c->payments, customer) == OK)
        e = OK; /* deleted there, and his cards with him */
    struct json_walk w = json_walk_of(json_get(answer.json, STR("data")));
    buf_reset(&call->data);
    if (e == OK && json_next(&w)) {
        struct str card = stripe_text(&call->arena, w.value, "id");
        buf_printf(&call->data, "%s\n%.*s", customer, STR_ARG(card));
    }
    enum jobs_outcome outcome = e == OK ? JOBS_DONE : again(call, e, &answer);
    stripe_answer_fini(&answer);
    return outcome;
}

static void charge_form(const struct payment *x, struct str customer, struct str card,
                        struct buf *form)
{
    char team[ID_TEXT_MAX];
    stripe_form_i64(form, "amount", x->amount_minor);
    stripe_form_text(form, "currency", x->currency);
    stripe_form_text(form, "customer", customer);
    stripe_form_text(form, "payment_method", card);
    stripe_form_bool(form, "off_session", true);
    stripe_form_bool(form, "confirm", true);
    stripe_form_text(form, "metadata[payment_id]", str_c(x->id));
    stripe_form_text(form, "metadata[team_id]", id_text("team_", x->team, team));
}

/* data: "paid", intent; or "failed", code; a line each. */
static enum jobs_outcome charge_step(struct jobs_call *call)
{
    struct control *c = call->arg;
    struct payment x;
    struct stripe_answer answer = {0};
    struct buf form;
    struct str card = arena_dup(&call->arena, buf_str(&call->data));
    struct str customer = str_cut(&card, '\n');
    enum err e = order_of(call, &x);
    if (e != OK)
        return again(call, e, &answer);
    if (card.n == 0) {
        buf_reset(&call->data);
        buf_add(&call->data, STR("failed\nno_card"));
        return JOBS_DONE;
    }
    buf_init(&form, STRIPE_FORM_MAX);
    charge_form(&x, customer, card, &form);
    struct str key = arena_printf(&call->arena, "autotopup:%s", x.id);
    e = stripe_post(payments_stripe(c->payments), "/v1/payment_intents", buf_str(&form), key,
                    &answer);
    struct str status = stripe_text(&call->arena, answer.json, "status");
    enum jobs_outcome outcome = JOBS_DONE;
    if (e != OK && e != ERR_INVALID_REQUEST) {
        /* Nobody knows whether it was charged: the same key will tell. */
        outcome = again(call, e, &answer);
    } else {
        buf_reset(&call->data);
        if (e == OK && str_eq(status, STR("succeeded")))
            buf_printf(&call->data, "paid\n%.*s",
                       STR_ARG(stripe_text(&call->arena, answer.json, "id")));
        else
            buf_printf(&call->data, "failed\n%s",
                       answer.code[0] != '\0' ? answer.code : "payment_incomplete");
    }
    stripe_answer_fini(&answer);
    buf_fini(&form);
    return outcome;
}

/* The bank wants the customer himself, or it was tried often enough: it stops, with a mail. */
static enum err failed_in(struct control *c, struct store_conn *conn, struct rule *r,
                          const struct payment *x, struct str code, int64_t now_us)
{
    char amount[UNITS_TEXT_MAX + 1], text[UNITS_TEXT_MAX];
    bool human = str_eq(code, STR("authentication_required")) || str_eq(code, STR("no_card"));
    enum err e = payments_failed_in(c->payments, conn, x->id, "failed", code, now_us);
    r->spent = NANO(r->spent.v > x->amount.v ? r->spent.v - x->amount.v : 0);
    r->failures++;
    r->reason = str_upto(code, REASON_MAX);
    r->not_before_us = now_us + WAIT_US;
    bool stops = human || r->failures >= FAILURES_MAX;
    if (stops && str_eq(r->state, STR("on")))
        r->state = STR("suspended");
    int n = snprintf(amount, sizeof(amount), "$%.*s", STR_ARG(nano_format(x->amount, text)));
    struct mail_vars v = {.path = STR("/billing"), .amount = str_of(amount, (size_t)n)};
    return e == OK ? tell_owners_in(c, conn, r->team,
                                    human   ? MAIL_AUTO_TOPUP_HUMAN
                                    : stops ? MAIL_AUTO_TOPUP_STOPPED
                                            : MAIL_AUTO_TOPUP_FAILED,
                                    &v, str_c(x->id), now_us)
                   : e;
}

static enum err charged_in(struct store_conn *conn, struct jobs_call *call)
{
    struct control *c = call->arg;
    struct arena a;
    struct payment x;
    struct rule r;
    struct str what = buf_str(&call->data), how = str_cut(&what, '\n');
    arena_init(&a, 4096, 65536);
    enum err e = payments_get(conn, &a, call->input, &x);
    if (e == OK)
        e = get(conn, &a, x.team, &r);
    if (e == OK && str_eq(how, STR("paid"))) {
        e = payments_paid_in(c->payments, conn, x.id, what, x.amount_minor, 0, call->now_us);
        r.failures = 0;
        r.reason = STR("");
        r.not_before_us = 0;
    } else if (e == OK) {
        e = failed_in(c, conn, &r, &x, what, call->now_us);
    }
    if (e == OK && str_eq(r.in_flight, str_c(x.id)))
        r.in_flight = STR("");
    if (e == OK)
        e = put_in(conn, &r);
    arena_fini(&a);
    return e;
}

/* By the operator. If the card was charged all the same, its event says so, and it is granted. */
static enum err cancelled_in(struct store_conn *conn, void *arg, struct str input, int64_t now_us)
{
    struct control *c = arg;
    struct arena a;
    struct payment x;
    struct rule r;
    arena_init(&a, 4096, 65536);
    enum err e = payments_get(conn, &a, input, &x);
    if (e == OK)
        e = payments_failed_in(c->payments, conn, x.id, "failed", STR("cancelled"), now_us);
    if (e == OK)
        e = get(conn, &a, x.team, &r);
    if (e == OK && str_eq(r.in_flight, str_c(x.id))) {
        r.in_flight = STR("");
        r.spent = NANO(r.spent.v > x.amount.v ? r.spent.v - x.amount.v : 0);
        r.not_before_us = now_us + WAIT_US;
        e = put_in(conn, &r);
    }
    arena_fini(&a);
    return e;
}

static const struct jobs_step look_steps[] = {{.name = "look", .run = look_step}};
static const struct jobs_step charge_steps[] = {
    {.name = "card", .run = card_step},
    {.name = "charge", .run = charge_step, .done_in = charged_in}};

void auto_topup_add(struct control *c, struct jobs_kind *look, struct jobs_kind *charge)
{
    *look = (struct jobs_kind){.name = "auto_topup_look",
                               .steps = look_steps,
                               .steps_n = 1,
                               .every_us = LOOK_EVERY_US,
                               .arg = c};
    *charge = (struct jobs_kind){.name = "auto_topup",
                                 .steps = charge_steps,
                                 .steps_n = 2,
                                 .cancelled_in = cancelled_in,
                                 .arg = c};
    jobs_kind_add(c->jobs, look);
    jobs_kind_add(c->jobs, charge);
}

/* ---- what the team says ---- */

static void rule_json(struct buf *b, const struct rule *r)
{
    bool set = r->amount.v != 0;
    buf_byte(b, '{');
    buf_json_bool(b, "enabled", str_eq(r->state, STR("on")));
    buf_json_member(b, "status", r->state);
    buf_json_member(b, "reason", r->reason);
    buf_json_nano(b, "threshold", set ? r->threshold : NANO(5 * NANO_PER_USD));
    buf_json_nano(b, "amount", set ? r->amount : NANO(25 * NANO_PER_USD));
    buf_json_nano(b, "monthly_cap", set ? r->monthly_cap : NANO(100 * NANO_PER_USD));
    buf_json_nano(b, "spent_this_month", r->spent);
    buf_json_bool(b, "in_flight", r->in_flight.n != 0);
    buf_byte(b, '}');
}

CONTROL_ASK(control_auto_topup_get)
{
    struct store_conn *conn = NULL;
    struct rule rule;
    (void)r;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = get(conn, reply->arena, who->team, &rule);
    store_reader_end(&conn);
    turn_month(&rule, who->now_us);
    rule_json(&reply->body, &rule);
    return e;
}

struct rule_write {
    struct control_write w;
    struct rule rule;
    struct nano threshold, amount, monthly_cap;
    bool enabled, enabled_given, threshold_given, amount_given, cap_given;
    char user[ID_TEXT_MAX];
};

static enum err fault(struct rule_write *x, struct store_conn *conn)
{
    struct http_reply *reply = x->w.reply;
    const struct rule *r = &x->rule;
    struct store_query *q = NULL;
    char t[ID_TEXT_MAX];
    const char *words = payments_amount_fault(x->w.c->payments, r->amount);
    if (words != NULL)
        return control_wrong(reply, ERR_VALIDATION_FAILED, "amount", words);
    if (r->monthly_cap.v < r->amount.v)
        return control_wrong(reply, ERR_VALIDATION_FAILED, "monthly_cap",
                             "It must not be below the amount.");
    if (!str_eq(r->state, STR("on")))
        return OK;
    enum err e = store_start(conn, SQL_AUTO_CUSTOMER, &q, "ti", id_text("team_", r->team, t),
                             (int64_t)payments_stripe(x->w.c->payments)->livemode);
    if (e == OK)
        e = store_step(q);
    store_finish(&q);
    return e == ERR_END ? control_wrong(reply, ERR_CONFLICT, "enabled",
                                        "Buy credit once first: that is the card it will charge.")
                        : e;
}

static enum err edit_in(struct control_write *w, struct store_conn *conn)
{
    struct rule_write *x = w->arg;
    struct rule *r = &x->rule;
    enum err e = get(conn, w->reply->arena, w->who->team, r);
    if (e != OK)
        return e;
    bool anew = r->amount.v == 0;
    turn_month(r, w->who->now_us);
    if (anew || x->threshold_given)
        r->threshold = x->threshold;
    if (anew || x->amount_given)
        r->amount = x->amount;
    if (anew || x->cap_given)
        r->monthly_cap = x->monthly_cap;
    if (x->enabled_given) {
        r->state = x->enabled ? STR("on") : STR("off");
        r->user = id_text("usr_", w->who->user, x->user);
        r->failures = 0;
        r->reason = STR("");
        r->not_before_us = 0;
    }
    id_text("team_", w->who->team, w->object);
    w->change = json_trim(w->r->body);
    e = fault(x, conn);
    return e == OK ? put_in(conn, r) : e;
}

static void edit_json(struct control_write *w, bool first, struct buf *b)
{
    const struct rule_write *x = w->arg;
    (void)first;
    rule_json(b, &x->rule);
}

CONTROL_ASK(control_auto_topup_edit)
{
    struct rule_write x = {.w = {.c = c,
                                 .who = who,
                                 .r = r,
                                 .reply = reply,
                                 .arg = &x,
                                 .work = edit_in,
                                 .json = edit_json,
                                 .action = "auto_topup.edit"},
                           .threshold = NANO(5 * NANO_PER_USD),
                           .amount = NANO(25 * NANO_PER_USD),
                           .monthly_cap = NANO(100 * NANO_PER_USD)};
    const struct control_field fields[] = {
        {.name = "enabled", .kind = CONTROL_BOOL, .to = &x.enabled, .given = &x.enabled_given},
        {.name = "threshold", .kind = CONTROL_USD, .to = &x.threshold, .given = &x.threshold_given},
        {.name = "amount", .kind = CONTROL_USD, .to = &x.amount, .given = &x.amount_given},
        {.name = "monthly_cap", .kind = CONTROL_USD, .to = &x.monthly_cap, .given = &x.cap_given}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && !payments_are_on(c->payments))
        e = ERR_NOT_IMPLEMENTED;
    return e == OK ? control_write_run(&x.w) : e;
}

/* /api/billing/checkout and what was paid; /api/stripe: the same page under another name, and
 * Stripe's events. */
#include "base/json.h"
#include "control/body.h"
#include "control/invoice.h"
#include "control/routes.h"
#include "control/write.h"
#include "identity/people.h"

#include <stdio.h>

/* ---------------------------------------------------------------- ordered */

static enum err order_work(struct control_write *w, struct store_conn *conn)
{
    struct payments_order *order = w->arg;
    enum err e = payments_order_in(w->c->payments, conn, order, w->who->now_us);
    snprintf(w->object, sizeof(w->object), "%s", order->id);
    return e;
}

/* The order, or the one that the same key has made before: its id. */
static enum err order_make(struct control *c, const struct control_who *who,
                           const struct http_request *r, struct http_reply *reply,
                           struct nano amount, struct str *ret_id)
{
    char text[UNITS_TEXT_MAX];
    struct payments_order order = {
        .team = who->team, .user = who->user, .kind = "topup", .amount = amount};
    struct control_write w = {.c = c,
                              .who = who,
                              .r = r,
                              .reply = reply,
                              .arg = &order,
                              .work = order_work,
                              .json = control_write_object_json,
                              .action = "payment.order"};
    w.change = arena_printf(reply->arena, "{\"amount\":\"%.*s\"}",
                            STR_ARG(nano_format(amount, text)));
    enum err e = control_write_run(&w);
    if (e == ERR_CONFLICT)
        return control_wrong(reply, e, "amount",
                             "There are many open checkouts already: use one, or wait an hour.");
    if (e != OK)
        return e;
    e = json_string(reply->arena, json_get(buf_str(&reply->body), STR("id")), ret_id);
    *ret_id = arena_dup(reply->arena, *ret_id);
    buf_reset(&reply->body);
    return e;
}

static enum err read_amount(struct control *c, const struct http_request *r,
                            struct http_reply *reply, struct nano *ret_amount)
{
    const struct control_field fields[] = {
        {.name = "amount", .kind = CONTROL_USD, .to = ret_amount, .required = true}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e != OK)
        return e;
    if (!payments_are_on(c->payments)) {
        reply->message = STR("Credit is not sold here.");
        return ERR_NOT_FOUND;
    }
    const char *fault = payments_amount_fault(c->payments, *ret_amount);
    return fault == NULL ? OK : control_wrong(reply, ERR_VALIDATION_FAILED, "amount", fault);
}

static enum err checkout(struct control *c, const struct control_who *who,
                         const struct http_request *r, struct http_reply *reply,
                         struct payment *ret_payment)
{
    struct nano amount = NANO(0);
    struct str id = STR("");
    struct stripe_answer answer;
    enum err e = read_amount(c, r, reply, &amount);
    if (e == OK)
        e = order_make(c, who, r, reply, amount, &id);
    if (e != OK)
        return e;
    /* A key's user has no address here; Stripe asks for one then. */
    e = payments_checkout(c->payments, reply->arena, id.p, who->email, ret_payment, &answer);
    stripe_answer_fini(&answer);
    if (e == OK)
        return OK;
    reply->message = STR("The payment page cannot be opened now. Try again in a minute, with the "
                         "same Idempotency-Key.");
    return e == ERR_UPSTREAM_TIMEOUT ? ERR_UPSTREAM_UNAVAILABLE : e;
}

CONTROL_ASK(control_billing_checkout)
{
    struct payment x;
    struct buf *b = &reply->body;
    enum err e = checkout(c, who, r, reply, &x);
    if (e != OK)
        return e;
    reply->status = 201;
    buf_byte(b, '{');
    buf_json_member(b, "id", str_c(x.id));
    buf_json_member(b, "url", x.url);
    buf_json_member(b, "session_id", x.session);
    buf_json_time(b, "expires_at", x.expires_us);
    buf_byte(b, '}');
    return OK;
}

CONTROL_ASK(control_stripe_checkout)
{
    struct payment x;
    struct buf *b = &reply->body;
    enum err e = checkout(c, who, r, reply, &x);
    if (e != OK)
        return e;
    reply->status = 200;
    buf_byte(b, '{');
    buf_json_member(b, "sessionUrl", x.url);
    buf_json_member(b, "sessionId", x.session);
    buf_byte(b, '}');
    return OK;
}

/* ---------------------------------------------------------------- events */

CONTROL_ASK(control_stripe_webhook)
{
    enum payments_received what = PAYMENTS_STORED;
    const char *words = "";
    enum err e = payments_receive(c->payments, http_request_header(r, STR("stripe-signature")),
                                  r->body, who->now_us, &what, &words);
    if (e != OK)
        return e;
    if (what == PAYMENTS_UNSIGNED) {
        reply->message = str_c(words);
        return ERR_INVALID_REQUEST;
    }
    if (what == PAYMENTS_NO_EVENT)
        return ERR_INVALID_JSON;
    buf_add(&reply->body, STR("{\"received\":true}"));
    return OK;
}

/* With tax as Stripe has taken it; what was paid without a page says its sum itself. */
static enum err paper_of(const struct payment *x, struct invoice_payment *p)
{
    *p = (struct invoice_payment){.id = str_c(x->id),
                                  .team = x->team,
                                  .what = x->about.n != 0 ? x->about : STR("Prepaid credit"),
                                  .currency = x->currency,
                                  .credit = x->amount,
                                  .at_us = x->completed_us};
    return stripe_exponent(x->currency, &p->digits) &&
                   stripe_to_nano(x->currency, x->paid_minor, &p->paid) == OK &&
                   stripe_to_nano(x->currency, x->tax_minor, &p->tax) == OK
               ? OK
               : ERR_CORRUPT;
}

static enum err receipt_in(struct control *c, struct store_conn *conn, const struct payment *x)
{
    struct invoice_payment p;
    if (x->paid_minor == 0)
        return OK; /* an earlier invoice's money has paid it */
    enum err e = paper_of(x, &p);
    return e == OK ? invoice_receipt_in(c, conn, &p) : e;
}

/* Over what Stripe has sent back. What a bank took by a dispute has none: nothing was credited. */
static enum err credit_note_in(struct control *c, struct store_conn *conn, const struct payment *x,
                               int64_t now_us)
{
    struct invoice_payment p;
    struct payments_standing standing;
    struct nano returned = NANO(0);
    enum err e = paper_of(x, &p);
    if (e == OK)
        e = payments_standing(conn, x, &standing);
    if (e == OK)
        e = stripe_to_nano(x->currency, standing.returned_minor, &returned);
    return e == OK ? invoice_returned_in(c, conn, &p, returned, now_us) : e;
}

enum err control_team_json(struct store_conn *conn, struct arena *a, struct id team, struct buf *b)
{
    char text[ID_TEXT_MAX];
    struct str label = STR("");
    enum err e = identity_team_label(conn, a, team, &label);
    buf_json_key(b, "team");
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("team_", team, text));
    buf_json_member(b, "name", label);
    buf_byte(b, '}');
    return e;
}

enum err control_payment_json(struct store_conn *conn, const struct payment *x, struct buf *b)
{
    struct payments_standing standing = {0};
    payments_json(x, b);
    enum err e = str_eq(x->status, STR("disputed")) ? payments_standing(conn, x, &standing) : OK;
    buf_json_nano(b, "frozen", standing.frozen);
    return e == OK ? invoice_papers_json(conn, str_c(x->id), b) : e;
}

static bool payment_event(struct str what, enum hooks_event *ret_event)
{
    static const struct {
        struct str status;
        enum hooks_event event;
    } told[] = {{STR("completed"), HOOKS_PAYMENT_SUCCEEDED},
                {STR("failed"), HOOKS_PAYMENT_FAILED},
                {STR("refunded"), HOOKS_PAYMENT_REFUNDED},
                {STR("disputed"), HOOKS_PAYMENT_DISPUTED}};
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        if (str_eq(what, told[i].status)) {
            *ret_event = told[i].event;
            return true;
        }
    return false;
}

enum err control_payment_changed_in(void *control, struct store_conn *conn, const struct payment *x,
                                    struct str what, int64_t now_us)
{
    struct control *c = control;
    enum hooks_event event;
    struct buf data;
    char once[ID_TEXT_MAX + 32];
    if (str_eq(what, STR("settled")))
        return credit_note_in(c, conn, x, now_us);
    if (!payment_event(what, &event))
        return OK;
    /* A dispute that was won is no second payment. */
    bool again = event == HOOKS_PAYMENT_SUCCEEDED;
    int n = snprintf(once, sizeof(once), "%s:%.*s", x->id, STR_ARG(what));
    enum err e = again ? receipt_in(c, conn, x) : OK;
    buf_init(&data, 8192);
    buf_byte(&data, '{');
    if (e == OK)
        e = control_payment_json(conn, x, &data);
    buf_byte(&data, '}');
    if (e == OK)
        e = hooks_tell_in(c->hooks, conn, x->team, event, buf_str(&data),
                          again ? str_of(once, (size_t)n) : STR(""), now_us);
    buf_fini(&data);
    return e;
}

/* ---------------------------------------------------------------- looking */

CONTROL_ASK(control_billing_options)
{
    (void)who;
    (void)r;
    buf_byte(&reply->body, '{');
    payments_options_json(c->payments, &reply->body);
    buf_byte(&reply->body, '}');
    return OK;
}

struct listing {
    struct control_page page;
    struct store_conn *conn;
    struct buf *out;
    enum err err;
};

static void add_payment(void *arg, const struct payment *x)
{
    struct listing *l = arg;
    if (l->err != OK || !control_page_row(&l->page, str_c(x->id)))
        return;
    buf_json_comma(l->out);
    buf_byte(l->out, '{');
    l->err = control_payment_json(l->conn, x, l->out);
    buf_byte(l->out, '}');
}

CONTROL_ASK(control_billing_payments)
{
    struct listing l = {.out = &reply->body};
    struct str status = STR("");
    (void)http_query(r, reply->arena, STR("status"), &status);
    enum err e = control_page_begin(r, reply, &l.page);
    if (e == OK)
        e = store_reader_begin(c->store, &l.conn);
    if (e != OK)
        return e;
    e = payments_list(l.conn, who->team, status, STR(""), l.page.after, l.page.limit + 1,
                      add_payment, &l);
    store_reader_end(&l.conn);
    control_page_end(&l.page, reply);
    return e == OK ? l.err : e;
}

CONTROL_ASK(control_billing_payment)
{
    struct store_conn *conn = NULL;
    struct payment x;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = payments_get(conn, reply->arena, r->params[0], &x);
    if (e == OK && !id_eq(x.team, who->team))
        e = ERR_NOT_FOUND;
    buf_byte(&reply->body, '{');
    if (e == OK)
        e = control_payment_json(conn, &x, &reply->body);
    buf_byte(&reply->body, '}');
    store_reader_end(&conn);
    return e;
}

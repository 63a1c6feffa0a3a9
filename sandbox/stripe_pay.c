/* Money: checkout sessions, payment intents, refunds, disputes. */
#include "sandbox/stripe_room.h"

#include "base/clock.h"

#include <stdio.h>

enum { EXPIRES_S = 24 * 3600 };

static struct stripe_object *customer_of(struct stripe_call *c)
{
    struct str id = form_get(&c->form, "customer");
    return id.n != 0 ? stripe_find(c->stripe, STRIPE_CUSTOMER, id) : NULL;
}

static bool customer_missing(struct stripe_call *c)
{
    if (form_has(&c->form, "customer") && customer_of(c) == NULL) {
        stripe_fail(c, 400, "resource_missing", "No such customer");
        return true;
    }
    return false;
}

/* Who has paid on a page has left his card. */
bool stripe_has_paid(const struct stripe *s, struct str customer)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct stripe_object *o = s->objects[i];
        if (o->kind == STRIPE_SESSION && o->customer != NULL && o->status != NULL &&
            str_eq(str_c(o->status), STR("complete")) && str_eq(str_c(o->customer->id), customer))
            return true;
    }
    return false;
}

/* ---------------------------------------------------------------- sessions */

static void session_line(struct stripe_call *c, struct stripe_object *o)
{
    const struct stripe_form *f = &c->form;
    struct str price = form_get(f, "line_items[0][price]");
    struct str currency = form_get(f, "line_items[0][price_data][currency]");
    int64_t quantity = form_i64(f, "line_items[0][quantity]", 1);
    o->amount = form_i64(f, "line_items[0][price_data][unit_amount]", 0) * quantity;
    o->name = stripe_keep(form_get(f, "line_items[0][price_data][product_data][name]"));
    if (currency.n != 0)
        o->currency = stripe_keep(currency);
    if (price.n == 0)
        return;
    o->price = stripe_find(c->stripe, STRIPE_PRICE, price);
    if (o->price == NULL)
        return;
    o->amount = o->price->amount * quantity;
    o->currency = o->price->currency;
    o->name = o->price->product != NULL ? o->price->product->name : STR("");
}

static bool session_is_sound(struct stripe_call *c)
{
    const struct stripe_form *f = &c->form;
    struct str mode = form_get(f, "mode");
    int64_t expires = form_i64(f, "expires_at", c->now + EXPIRES_S);
    if (customer_missing(c))
        return false;
    if (!str_eq(mode, STR("payment")) && !str_eq(mode, STR("subscription")))
        stripe_fail(c, 400, "parameter_missing", "Missing required param: mode.");
    else if (!form_has(f, "success_url"))
        stripe_fail(c, 400, "parameter_missing", "Missing required param: success_url.");
    else if (expires < c->now + 1700 || expires > c->now + EXPIRES_S + 60)
        stripe_fail(c, 400, "parameter_invalid_integer",
                    "The `expires_at` timestamp must be between 30 minutes and 24 hours.");
    else
        return true;
    return false;
}

void stripe_session_make(struct stripe_call *c)
{
    const struct stripe_form *f = &c->form;
    char url[512];
    if (!session_is_sound(c))
        return;
    struct stripe_object *o = stripe_add(c->stripe, STRIPE_SESSION, "cs_test_", c->now);
    o->mode = stripe_keep(form_get(f, "mode"));
    o->status = "open";
    o->payment_status = "unpaid";
    session_line(c, o);
    bool plan = str_eq(o->mode, STR("subscription"));
    if (plan ? o->price == NULL : o->amount < 50) {
        o->deleted = true;
        stripe_fail(c, 400, plan ? "resource_missing" : "amount_too_small",
                    plan ? "No such price" : "The amount is below the minimum charge.");
        return;
    }
    o->customer = customer_of(c);
    o->email = stripe_keep(form_get(f, "customer_email"));
    o->reference = stripe_keep(form_get(f, "client_reference_id"));
    o->success = stripe_keep(form_get(f, "success_url"));
    o->cancel = stripe_keep(form_get(f, "cancel_url"));
    o->metadata = form_metadata(f, "metadata");
    o->inner_metadata = form_metadata(f, plan ? "subscription_data[metadata]"
                                              : "payment_intent_data[metadata]");
    o->trial_end = form_i64(f, "subscription_data[trial_period_days]", 0) * 86400;
    o->expires = form_i64(f, "expires_at", c->now + EXPIRES_S);
    int n = snprintf(url, sizeof(url), "http://%.*s/stripe/checkout/%s", STR_ARG(c->host), o->id);
    o->body = stripe_keep(str_of(url, (size_t)n));
    stripe_show(o, c->out);
}

static void charge_event(struct stripe *s, const char *type, const struct stripe_object *intent,
                         int64_t now)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    stripe_show_charge(intent, &b);
    stripe_event_json(s, type, buf_str(&b), now);
    buf_fini(&b);
}

static struct stripe_object *session_intent(struct stripe *s, struct stripe_object *o, int64_t now)
{
    struct stripe_object *i = stripe_add(s, STRIPE_INTENT, "pi_", now);
    if (o->customer == NULL) {
        o->customer = stripe_add(s, STRIPE_CUSTOMER, "cus_", now);
        o->customer->email = o->email;
    }
    i->amount = o->amount;
    i->currency = o->currency;
    i->customer = o->customer;
    i->metadata = o->inner_metadata;
    o->intent = i;
    return i;
}

static void session_paid(struct stripe *s, struct stripe_object *o, const char *type, int64_t now)
{
    o->intent->status = "succeeded";
    o->payment_status = "paid";
    stripe_event(s, "payment_intent.succeeded", o->intent, now);
    charge_event(s, "charge.succeeded", o->intent, now);
    stripe_event(s, type, o, now);
}

static void session_subscribe(struct stripe *s, struct stripe_object *o, int64_t now)
{
    if (o->customer == NULL)
        o->customer = stripe_add(s, STRIPE_CUSTOMER, "cus_", now);
    struct stripe_object *sub = stripe_add(s, STRIPE_SUBSCRIPTION, "sub_", now);
    sub->customer = o->customer;
    sub->price = o->price;
    sub->currency = o->currency;
    sub->metadata = o->inner_metadata;
    sub->trial_end = o->trial_end != 0 ? now + o->trial_end : 0;
    o->subscription = sub;
    stripe_subscription_begin(s, sub, now);
    o->payment_status = sub->trial_end != 0                                ? "no_payment_required"
                        : str_eq(str_c(sub->invoice->status), STR("paid")) ? "paid"
                                                                           : "unpaid";
    o->invoice = sub->invoice;
    stripe_event(s, "checkout.session.completed", o, now);
}

static bool session_pay(struct stripe *s, struct stripe_object *o, bool bank, int64_t now)
{
    o->status = "complete";
    if (str_eq(o->mode, STR("subscription"))) {
        session_subscribe(s, o, stripe_now(s, o->customer, now));
        return true;
    }
    struct stripe_object *i = session_intent(s, o, now);
    if (!bank) {
        session_paid(s, o, "checkout.session.completed", now);
        return true;
    }
    i->status = "processing";
    stripe_event(s, "checkout.session.completed", o, now);
    return true;
}

bool stripe_session_end(struct stripe *s, struct stripe_object *o, struct str how, int64_t now)
{
    bool open = str_eq(str_c(o->status), STR("open"));
    bool waits = !open && o->intent != NULL && str_eq(str_c(o->intent->status), STR("processing"));
    if (open && (str_eq(how, STR("pay")) || str_eq(how, STR("bank"))))
        return session_pay(s, o, str_eq(how, STR("bank")), now);
    if (open && str_eq(how, STR("close"))) {
        o->status = "expired";
        stripe_event(s, "checkout.session.expired", o, now);
        return true;
    }
    if (open && str_eq(how, STR("fail")))
        return true; /* the customer may try another card */
    if (waits && str_eq(how, STR("bank_paid"))) {
        session_paid(s, o, "checkout.session.async_payment_succeeded", now);
        return true;
    }
    if (waits && str_eq(how, STR("bank_failed"))) {
        o->intent->status = "requires_payment_method";
        stripe_event(s, "checkout.session.async_payment_failed", o, now);
        return true;
    }
    return false;
}

/* ---------------------------------------------------------------- intents off the session */

/* The card's mood is the customer's: its metadata or pm name says so. */
static const char *mood(const struct stripe_call *c, const struct stripe_object *customer)
{
    struct str pm = form_get(&c->form, "payment_method");
    if (customer != NULL && customer->needs_action)
        return "authentication_required";
    if (customer != NULL && customer->fails)
        return "card_declined";
    if (str_find(pm, STR("Declined")) < pm.n)
        return "card_declined";
    return str_find(pm, STR("authenticationRequired")) < pm.n ? "authentication_required" : "";
}

void stripe_intent_make(struct stripe_call *c)
{
    const struct stripe_form *f = &c->form;
    int64_t amount = form_i64(f, "amount", 0);
    if (customer_missing(c))
        return;
    if (amount < 50) {
        stripe_fail(c, 400, "amount_too_small", "The amount is below the minimum charge.");
        return;
    }
    struct stripe_object *o = stripe_add(c->stripe, STRIPE_INTENT, "pi_", c->now);
    o->amount = amount;
    o->currency = stripe_keep(form_get(f, "currency"));
    o->customer = customer_of(c);
    o->metadata = form_metadata(f, "metadata");
    o->off_session = str_eq(form_get(f, "off_session"), STR("true"));
    o->status = "requires_confirmation";
    if (!str_eq(form_get(f, "confirm"), STR("true"))) {
        stripe_show(o, c->out);
        return;
    }
    o->reason = mood(c, o->customer);
    if (o->reason[0] == '\0') {
        o->status = "succeeded";
        stripe_show(o, c->out);
        stripe_event(c->stripe, "payment_intent.succeeded", o, c->now);
        charge_event(c->stripe, "charge.succeeded", o, c->now);
        return;
    }
    o->status = "requires_payment_method";
    buf_reset(c->out);
    buf_add(c->out, STR("{\"error\":{\"type\":\"card_error\""));
    buf_json_member(c->out, "code", str_c(o->reason));
    buf_json_member(c->out, "message", STR("Your card was declined."));
    buf_json_key(c->out, "payment_intent");
    stripe_show(o, c->out);
    buf_add(c->out, STR("}}"));
    c->status = 402;
    stripe_event(c->stripe, "payment_intent.payment_failed", o, c->now);
}

/* ---------------------------------------------------------------- refunds */

void stripe_refund_make(struct stripe_call *c)
{
    const struct stripe_form *f = &c->form;
    struct stripe_object *i = stripe_find(c->stripe, STRIPE_INTENT, form_get(f, "payment_intent"));
    if (i == NULL || !str_eq(str_c(i->status), STR("succeeded"))) {
        stripe_fail(c, 404, "resource_missing", "No such payment_intent");
        return;
    }
    int64_t amount = form_i64(f, "amount", i->amount - i->refunded);
    if (i->disputed) {
        stripe_fail(c, 400, "charge_disputed", "The charge is disputed.");
    } else if (i->refunded == i->amount) {
        stripe_fail(c, 400, "charge_already_refunded", "The charge has already been refunded.");
    } else if (amount <= 0 || amount > i->amount - i->refunded) {
        stripe_fail(c, 400, "amount_too_large", "The refund is greater than the charge.");
    } else {
        struct stripe_object *o = stripe_add(c->stripe, STRIPE_REFUND, "re_", c->now);
        o->amount = amount;
        o->currency = i->currency;
        o->intent = i;
        o->status = "succeeded";
        o->metadata = form_metadata(f, "metadata");
        i->refunded += amount;
        stripe_show(o, c->out);
        stripe_event(c->stripe, "refund.created", o, c->now);
        charge_event(c->stripe, "charge.refunded", i, c->now);
    }
}

bool stripe_refund_end(struct stripe *s, struct stripe_object *refund, bool failed, int64_t now)
{
    if (!failed || str_eq(str_c(refund->status), STR("failed")))
        return false;
    refund->status = "failed";
    refund->intent->refunded -= refund->amount;
    stripe_event(s, "refund.failed", refund, now);
    stripe_event(s, "refund.updated", refund, now);
    return true;
}

/* ---------------------------------------------------------------- disputes */

static struct stripe_object *dispute_of(struct stripe *s, const struct stripe_object *intent)
{
    for (size_t i = s->n; i > 0; i--)
        if (s->objects[i - 1]->kind == STRIPE_DISPUTE && s->objects[i - 1]->intent == intent)
            return s->objects[i - 1];
    return NULL;
}

bool stripe_dispute_step(struct stripe *s, struct stripe_object *intent, struct str phase,
                         int64_t now)
{
    struct stripe_object *d = dispute_of(s, intent);
    bool open = str_eq(phase, STR("open")), inquiry = str_eq(phase, STR("inquiry"));
    bool won = str_eq(phase, STR("won")), lost = str_eq(phase, STR("lost"));
    if (open || inquiry) {
        d = stripe_add(s, STRIPE_DISPUTE, "dp_", now);
        d->intent = intent;
        d->amount = intent->amount - intent->refunded;
        d->currency = intent->currency;
        d->reason = "fraudulent";
        d->status = inquiry ? "warning_needs_response" : "needs_response";
        intent->disputed = !inquiry;
        stripe_event(s, "charge.dispute.created", d, now);
        if (open)
            stripe_event(s, "charge.dispute.funds_withdrawn", d, now);
        return true;
    }
    if (d == NULL || (!won && !lost))
        return false;
    bool was_inquiry = str_starts(str_c(d->status), STR("warning_"));
    d->status = was_inquiry ? "warning_closed" : won ? "won" : "lost";
    intent->disputed = false;
    if (won && !was_inquiry)
        stripe_event(s, "charge.dispute.funds_reinstated", d, now);
    stripe_event(s, "charge.dispute.closed", d, now);
    return true;
}

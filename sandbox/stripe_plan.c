/* Plans: products, prices, subscriptions and their invoices, the portal, and a clock to move. */
#include "sandbox/stripe_room.h"

#include "base/mem.h"

#include <stdio.h>

enum { DAY = 86400, PERIODS_MAX = 400 };

static bool path_is(const struct stripe_call *c, size_t i, const char *word)
{
    return i < c->path_n && str_eq(c->path[i], str_c(word));
}

/* Months are of 30 days here: who asserts dates reads them from the object. */
static int64_t period(const struct stripe_object *price)
{
    struct str i = price != NULL ? price->interval : STR("");
    return str_eq(i, STR("year"))   ? 365 * DAY
           : str_eq(i, STR("week")) ? 7 * DAY
           : str_eq(i, STR("day"))  ? DAY
                                    : 30 * DAY;
}

/* ---------------------------------------------------------------- invoices */

static void invoice_try(struct stripe *s, struct stripe_object *o, int64_t now)
{
    struct stripe_object *sub = o->subscription;
    bool fails = o->customer != NULL && (o->customer->fails || o->customer->needs_action);
    o->deliveries++;
    if (!fails || o->amount == 0) {
        o->status = "paid";
        o->intent->status = "succeeded";
        if (sub != NULL && !str_eq(str_c(sub->status), STR("canceled")))
            sub->status = sub->trial_end > now ? "trialing" : "active";
        if (o->amount != 0)
            stripe_event(s, "payment_intent.succeeded", o->intent, now);
        stripe_event(s, "invoice.paid", o, now);
        return;
    }
    o->intent->status = "requires_payment_method";
    o->intent->reason = o->customer->needs_action ? "authentication_required" : "card_declined";
    if (sub != NULL)
        sub->status = str_eq(str_c(sub->status), STR("incomplete")) ? "incomplete" : "past_due";
    stripe_event(s, "invoice.payment_failed", o, now);
    if (o->customer->needs_action)
        stripe_event(s, "invoice.payment_action_required", o, now);
}

static struct stripe_object *invoice_make(struct stripe *s, struct stripe_object *sub,
                                          const char *reason, int64_t amount, int64_t now)
{
    struct stripe_object *o = stripe_add(s, STRIPE_INVOICE, "in_", now);
    struct stripe_object *i = stripe_add(s, STRIPE_INTENT, "pi_", now);
    o->status = "open";
    o->reason = reason;
    o->amount = i->amount = amount;
    o->currency = i->currency = sub->currency;
    o->customer = i->customer = sub->customer;
    o->subscription = sub;
    o->period_start = sub->period_start;
    o->period_end = sub->period_end;
    o->intent = i;
    i->status = "requires_payment_method";
    i->metadata = sub->metadata;
    sub->invoice = o;
    stripe_event(s, "invoice.created", o, now);
    stripe_event(s, "invoice.finalized", o, now);
    invoice_try(s, o, now);
    return o;
}

/* ---------------------------------------------------------------- subscriptions */

void stripe_subscription_begin(struct stripe *s, struct stripe_object *sub, int64_t now)
{
    bool trial = sub->trial_end > now;
    sub->period_start = now;
    sub->period_end = trial ? sub->trial_end : now + period(sub->price);
    sub->status = trial ? "trialing" : "incomplete";
    stripe_event(s, "customer.subscription.created", sub, now);
    (void)invoice_make(s, sub, "subscription_create", trial ? 0 : sub->price->amount, now);
    stripe_event(s, "customer.subscription.updated", sub, now);
}

static int64_t now_of(const struct stripe_call *c, const struct stripe_object *customer)
{
    return customer != NULL && customer->clock != NULL ? customer->clock->period_start
                                                       : c->now + c->stripe->skew;
}

static void subscription_fields(struct stripe_call *c, struct stripe_object *sub)
{
    const struct stripe_form *f = &c->form;
    struct str price = form_get(f, "items[0][price]");
    struct stripe_object *p = price.n != 0 ? stripe_find(c->stripe, STRIPE_PRICE, price) : NULL;
    if (p != NULL) {
        sub->price = p;
        sub->currency = p->currency;
    }
    if (form_has(f, "cancel_at_period_end"))
        sub->cancel_at_end = str_eq(form_get(f, "cancel_at_period_end"), STR("true"));
    struct str metadata = form_metadata(f, "metadata");
    if (metadata.n > 2)
        sub->metadata = metadata;
    if (str_eq(form_get(f, "trial_end"), STR("now")))
        sub->trial_end = 0;
}

static void subscription_make(struct stripe_call *c)
{
    struct stripe *s = c->stripe;
    const struct stripe_form *f = &c->form;
    struct stripe_object *customer = stripe_find(s, STRIPE_CUSTOMER, form_get(f, "customer"));
    struct stripe_object *price = stripe_find(s, STRIPE_PRICE, form_get(f, "items[0][price]"));
    if (customer == NULL || price == NULL) {
        stripe_fail(c, 400, "resource_missing",
                    customer == NULL ? "No such customer" : "No such price");
        return;
    }
    int64_t now = now_of(c, customer), days = form_i64(f, "trial_period_days", 0);
    struct stripe_object *sub = stripe_add(s, STRIPE_SUBSCRIPTION, "sub_", now);
    sub->customer = customer;
    subscription_fields(c, sub);
    sub->trial_end = days != 0 ? now + days * DAY : form_i64(f, "trial_end", 0);
    stripe_subscription_begin(s, sub, now);
    stripe_show(sub, c->out);
}

/* Another price takes effect at once; with always_invoice the difference of what is left of the
 * period is paid now. */
static void subscription_change(struct stripe_call *c, struct stripe_object *sub)
{
    struct stripe *s = c->stripe;
    struct stripe_object *before = sub->price;
    int64_t now = now_of(c, sub->customer);
    subscription_fields(c, sub);
    bool invoice = str_eq(form_get(&c->form, "proration_behavior"), STR("always_invoice"));
    if (invoice && sub->price != before && sub->price->amount > before->amount &&
        sub->period_end > now) {
        int64_t more = sub->price->amount - before->amount;
        int64_t left = sub->period_end - now, all = sub->period_end - sub->period_start;
        (void)invoice_make(s, sub, "subscription_update", more * left / all, now);
    }
    stripe_event(s, "customer.subscription.updated", sub, now);
    stripe_show(sub, c->out);
}

static void subscription_end(struct stripe *s, struct stripe_object *sub, int64_t now)
{
    sub->status = "canceled";
    sub->expires = now;
    stripe_event(s, "customer.subscription.deleted", sub, now);
}

static bool is_live(const struct stripe_object *sub)
{
    struct str st = str_c(sub->status);
    return !str_eq(st, STR("canceled")) && !str_eq(st, STR("incomplete")) &&
           !str_eq(st, STR("incomplete_expired"));
}

/* One period on; past due three times over, it ends. */
static void subscription_renew(struct stripe *s, struct stripe_object *sub)
{
    int64_t at = sub->period_end;
    if (sub->cancel_at_end) {
        subscription_end(s, sub, at);
        return;
    }
    if (str_eq(str_c(sub->status), STR("past_due"))) {
        subscription_end(s, sub, at);
        return;
    }
    sub->period_start = at;
    sub->period_end = at + period(sub->price);
    (void)invoice_make(s, sub, "subscription_cycle", sub->price->amount, at);
    stripe_event(s, "customer.subscription.updated", sub, at);
}

void stripe_clock_advance(struct stripe *s, struct stripe_object *clock, int64_t to)
{
    if (clock != NULL && to > clock->period_start)
        clock->period_start = to;
    for (size_t i = 0, n = s->n; i < n; i++) {
        struct stripe_object *sub = s->objects[i];
        if (sub->kind != STRIPE_SUBSCRIPTION || sub->customer == NULL ||
            sub->customer->clock != clock)
            continue;
        for (int k = 0; k < PERIODS_MAX && is_live(sub) && sub->period_end <= to; k++)
            subscription_renew(s, sub);
    }
    if (clock != NULL)
        stripe_event(s, "test_helpers.test_clock.ready", clock, to);
}

/* ---------------------------------------------------------------- the rest */

static void product_make(struct stripe_call *c)
{
    struct stripe_object *o = stripe_add(c->stripe, STRIPE_PRODUCT, "prod_", c->now);
    o->name = stripe_keep(form_get(&c->form, "name"));
    o->metadata = form_metadata(&c->form, "metadata");
    stripe_show(o, c->out);
}

static void price_make(struct stripe_call *c)
{
    const struct stripe_form *f = &c->form;
    struct str product = form_get(f, "product");
    struct stripe_object *p = stripe_find(c->stripe, STRIPE_PRODUCT, product);
    if (p == NULL && form_has(f, "product_data[name]")) {
        p = stripe_add(c->stripe, STRIPE_PRODUCT, "prod_", c->now);
        p->name = stripe_keep(form_get(f, "product_data[name]"));
    }
    if (p == NULL || !form_has(f, "currency")) {
        stripe_fail(c, 400, "parameter_missing", "A price needs a product and a currency.");
        return;
    }
    struct stripe_object *o = stripe_add(c->stripe, STRIPE_PRICE, "price_", c->now);
    o->product = p;
    o->amount = form_i64(f, "unit_amount", 0);
    o->currency = stripe_keep(form_get(f, "currency"));
    o->interval = stripe_keep(form_get(f, "recurring[interval]"));
    o->reference = stripe_keep(form_get(f, "lookup_key"));
    o->metadata = form_metadata(f, "metadata");
    stripe_show(o, c->out);
}

static void portal_make(struct stripe_call *c)
{
    char url[512];
    struct str back = form_get(&c->form, "return_url");
    struct stripe_object *customer = stripe_find(c->stripe, STRIPE_CUSTOMER,
                                                 form_get(&c->form, "customer"));
    if (customer == NULL) {
        stripe_fail(c, 400, "resource_missing", "No such customer");
        return;
    }
    struct stripe_object *o = stripe_add(c->stripe, STRIPE_PORTAL, "bps_", c->now);
    o->customer = customer;
    o->success = stripe_keep(back);
    snprintf(url, sizeof(url), "http://%.*s/stripe/portal/%s", STR_ARG(c->host), o->id);
    o->body = stripe_keep(str_c(url));
    stripe_show(o, c->out);
}

static void clock_call(struct stripe_call *c)
{
    if (c->path_n == 2) {
        struct stripe_object *o = stripe_add(c->stripe, STRIPE_CLOCK, "clock_", c->now);
        o->period_start = form_i64(&c->form, "frozen_time", c->now);
        stripe_show(o, c->out);
        return;
    }
    struct stripe_object *o = stripe_find(c->stripe, STRIPE_CLOCK, c->path[2]);
    if (o == NULL) {
        stripe_fail(c, 404, "resource_missing", "No such clock");
        return;
    }
    if (path_is(c, 3, "advance"))
        stripe_clock_advance(c->stripe, o, form_i64(&c->form, "frozen_time", 0));
    stripe_show(o, c->out);
}

static void invoice_pay(struct stripe_call *c)
{
    struct stripe_object *o = stripe_find(c->stripe, STRIPE_INVOICE, c->path[1]);
    if (o == NULL) {
        stripe_fail(c, 404, "resource_missing", "No such invoice");
        return;
    }
    if (!str_eq(str_c(o->status), STR("paid"))) {
        invoice_try(c->stripe, o, c->now);
        if (o->subscription != NULL)
            stripe_event(c->stripe, "customer.subscription.updated", o->subscription, c->now);
    }
    if (!str_eq(str_c(o->status), STR("paid")))
        stripe_fail(c, 402, "card_declined", "The card was declined.");
    else
        stripe_show(o, c->out);
}

static void coupon_make(struct stripe_call *c)
{
    struct stripe_object *o = stripe_add(c->stripe, STRIPE_COUPON, "co_", c->now);
    struct str id = form_get(&c->form, "id");
    if (id.n != 0)
        snprintf(o->id, sizeof(o->id), "%.*s", STR_ARG(str_upto(id, sizeof(o->id) - 1)));
    o->name = stripe_keep(form_get(&c->form, "name"));
    o->metadata = form_metadata(&c->form, "metadata");
    stripe_show(o, c->out);
}

static void subscription_call(struct stripe_call *c, bool post)
{
    struct stripe_object *sub = stripe_find(c->stripe, STRIPE_SUBSCRIPTION, c->path[1]);
    if (sub == NULL) {
        stripe_fail(c, 404, "resource_missing", "No such subscription");
    } else if (post) {
        subscription_change(c, sub);
    } else {
        subscription_end(c->stripe, sub, now_of(c, sub->customer));
        stripe_show(sub, c->out);
    }
}

static void customer_change(struct stripe_call *c)
{
    struct stripe_object *o = stripe_find(c->stripe, STRIPE_CUSTOMER, c->path[1]);
    if (o == NULL) {
        stripe_fail(c, 404, "resource_missing", "No such customer");
        return;
    }
    if (form_has(&c->form, "email"))
        o->email = stripe_keep(form_get(&c->form, "email"));
    if (form_has(&c->form, "name"))
        o->name = stripe_keep(form_get(&c->form, "name"));
    stripe_show(o, c->out);
}

static void payment_methods(struct stripe_call *c)
{
    if (path_is(c, 0, "customers") && !stripe_has_paid(c->stripe, c->path[1])) {
        buf_add(c->out, STR("{\"object\":\"list\",\"has_more\":false,\"data\":[]}"));
        return;
    }
    buf_add(c->out,
            STR("{\"object\":\"list\",\"has_more\":false,\"data\":[{\"id\":\"pm_card_visa\","
                "\"object\":\"payment_method\",\"type\":\"card\",\"card\":{\"brand\":"
                "\"visa\",\"last4\":\"4242\",\"exp_month\":12,\"exp_year\":2040}}]}"));
}

void stripe_plan_call(struct stripe_call *c)
{
    bool post = strcmp(c->method, "POST") == 0, del = strcmp(c->method, "DELETE") == 0;
    bool one = post && c->path_n == 1;
    if (one && path_is(c, 0, "products"))
        product_make(c);
    else if (one && path_is(c, 0, "prices"))
        price_make(c);
    else if (one && path_is(c, 0, "coupons"))
        coupon_make(c);
    else if (one && path_is(c, 0, "subscriptions"))
        subscription_make(c);
    else if ((post || del) && c->path_n == 2 && path_is(c, 0, "subscriptions"))
        subscription_call(c, post);
    else if (post && c->path_n == 2 && path_is(c, 0, "customers"))
        customer_change(c);
    else if (post && c->path_n == 3 && path_is(c, 0, "invoices") && path_is(c, 2, "pay"))
        invoice_pay(c);
    else if (post && path_is(c, 0, "billing_portal"))
        portal_make(c);
    else if (c->path_n >= 2 && path_is(c, 0, "test_helpers") && path_is(c, 1, "test_clocks"))
        clock_call(c);
    else if (!post && !del &&
             (path_is(c, 0, "payment_methods") || path_is(c, 2, "payment_methods")))
        payment_methods(c);
    else
        stripe_fail(c, 404, "url_invalid", "Unrecognized request URL");
}

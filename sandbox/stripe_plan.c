/* Plans: products, prices, subscriptions and their invoices, the portal, and a clock to move. */
#include "sandbox/stripe_room.h"

#include <stdio.h>

enum { DAY = 86400 };

static bool path_is(const struct stripe_call *c, size_t i, const char *word)
{
    return i < c->path_n && str_eq(c->path[i], str_c(word));
}

/* ---------------------------------------------------------------- subscriptions */

static struct stripe_object *price_of(struct stripe_call *c, const char *name)
{
    return stripe_find(c->stripe, STRIPE_PRICE, form_get(&c->form, name));
}

static void subscription_make(struct stripe_call *c)
{
    struct stripe *s = c->stripe;
    const struct stripe_form *f = &c->form;
    struct stripe_object *customer = stripe_find(s, STRIPE_CUSTOMER, form_get(f, "customer"));
    struct stripe_object *price = price_of(c, "items[0][price]");
    if (customer == NULL || price == NULL) {
        stripe_fail(c, 400, "resource_missing",
                    customer == NULL ? "No such customer" : "No such price");
        return;
    }
    int64_t now = stripe_now(s, customer, c->now), days = form_i64(f, "trial_period_days", 0);
    struct stripe_object *sub = stripe_add(s, STRIPE_SUBSCRIPTION, "sub_", now);
    sub->customer = customer;
    sub->price = price;
    sub->currency = price->currency;
    sub->metadata = form_metadata(f, "metadata");
    sub->trial_end = days != 0 ? now + days * DAY : form_i64(f, "trial_end", 0);
    stripe_subscription_begin(s, sub, now);
    stripe_show(sub, c->out);
}

/* Another price takes effect at once; with always_invoice the difference for what is left of the
 * period is paid now, or (error_if_incomplete) nothing happens. */
static void subscription_change(struct stripe_call *c, struct stripe_object *sub)
{
    struct stripe *s = c->stripe;
    const struct stripe_form *f = &c->form;
    struct stripe_object *price = price_of(c, "items[0][price]");
    int64_t now = stripe_now(s, sub->customer, c->now);
    struct str prorate = form_get(f, "proration_behavior");
    if (!stripe_is_live(sub)) {
        stripe_fail(c, 400, "resource_missing",
                    "A canceled subscription can only update its "
                    "cancellation_details and metadata.");
        return;
    }
    if (form_has(f, "items[0][price]") && price == NULL) {
        stripe_fail(c, 400, "resource_missing", "No such price");
        return;
    }
    if (form_has(f, "cancel_at_period_end")) {
        sub->cancel_at_end = str_eq(form_get(f, "cancel_at_period_end"), STR("true"));
        sub->canceled_at = sub->cancel_at_end ? now : 0;
    }
    if (price != NULL && price != sub->price) {
        if (!stripe_subscription_switch(s, sub, price, str_eq(prorate, STR("always_invoice")),
                                        now)) {
            stripe_fail(c, 402, "card_declined", "Your card was declined.");
            return;
        }
    } else {
        sub->next = NULL;
        stripe_event(s, "customer.subscription.updated", sub, now);
    }
    stripe_show(sub, c->out);
}

static void invoice_preview(struct stripe_call *c)
{
    const struct stripe_form *f = &c->form;
    struct stripe_object o = {.kind = STRIPE_INVOICE,
                              .id = "upcoming_in_preview",
                              .status = "draft",
                              .reason = "subscription_update",
                              .metadata = STR("{}"),
                              .inner_metadata = STR("{}"),
                              .created = c->now};
    struct stripe_object *sub = stripe_find(c->stripe, STRIPE_SUBSCRIPTION,
                                            form_get(f, "subscription"));
    struct stripe_object *price = price_of(c, "subscription_details[items][0][price]");
    if (sub == NULL || price == NULL) {
        stripe_fail(c, 404, "resource_missing", "No such subscription, or no such price");
        return;
    }
    o.subscription = sub;
    o.customer = sub->customer;
    o.currency = sub->currency;
    stripe_invoice_switched(&o, sub, price, stripe_now(c->stripe, sub->customer, c->now));
    int64_t use = sub->customer->balance < o.amount ? sub->customer->balance : o.amount;
    o.due = o.amount - use;
    stripe_show(&o, c->out);
}

/* ---------------------------------------------------------------- the rest */

static void product_make(struct stripe_call *c)
{
    struct stripe_object *o = stripe_add(c->stripe, STRIPE_PRODUCT, "prod_", c->now);
    o->name = stripe_keep(form_get(&c->form, "name"));
    o->metadata = form_metadata(&c->form, "metadata");
    stripe_show(o, c->out);
}

static void product_change(struct stripe_call *c)
{
    struct stripe_object *o = stripe_find(c->stripe, STRIPE_PRODUCT, c->path[1]);
    if (o == NULL) {
        stripe_fail(c, 404, "resource_missing", "No such product");
        return;
    }
    if (form_has(&c->form, "name"))
        o->name = stripe_keep(form_get(&c->form, "name"));
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
    struct str plans = form_get(&c->form, "configuration");
    struct stripe_object *customer = stripe_find(c->stripe, STRIPE_CUSTOMER,
                                                 form_get(&c->form, "customer"));
    if (customer == NULL) {
        stripe_fail(c, 400, "resource_missing", "No such customer");
        return;
    }
    struct stripe_object *what = stripe_find(c->stripe, STRIPE_PORTAL_PLANS, plans);
    if (plans.n != 0 && what == NULL) {
        stripe_fail(c, 400, "resource_missing", "No such configuration");
        return;
    }
    struct stripe_object *o = stripe_add(c->stripe, STRIPE_PORTAL, "bps_", c->now);
    o->product = what;
    o->customer = customer;
    o->success = stripe_keep(back);
    snprintf(url, sizeof(url), "http://%.*s/stripe/portal/%s", STR_ARG(c->host), o->id);
    o->body = stripe_keep(str_c(url));
    stripe_show(o, c->out);
}

/* Which prices its customers may change to, a line each. */
static void portal_plans_make(struct stripe_call *c)
{
    struct buf b;
    const struct str products = STR("features[subscription_update][products]");
    struct stripe_object *o = stripe_add(c->stripe, STRIPE_PORTAL_PLANS, "bpc_", c->now);
    buf_init(&b, 65536);
    for (size_t i = 0; i < c->form.n; i++)
        if (str_starts(c->form.pairs[i].name, products) &&
            str_find(c->form.pairs[i].name, STR("[prices]")) < c->form.pairs[i].name.n) {
            buf_add(&b, c->form.pairs[i].value);
            buf_byte(&b, '\n');
        }
    o->body = stripe_keep(buf_str(&b));
    buf_fini(&b);
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
    if (!stripe_invoice_pay(c->stripe, o, stripe_now(c->stripe, o->customer, c->now)))
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
        stripe_subscription_end(c->stripe, sub, stripe_now(c->stripe, sub->customer, c->now));
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
    else if (post && c->path_n == 2 && path_is(c, 0, "products"))
        product_change(c);
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
    else if (post && c->path_n == 2 && path_is(c, 1, "create_preview"))
        invoice_preview(c);
    else if (post && path_is(c, 0, "billing_portal"))
        path_is(c, 1, "configurations") ? portal_plans_make(c) : portal_make(c);
    else if (c->path_n >= 2 && path_is(c, 0, "test_helpers") && path_is(c, 1, "test_clocks"))
        clock_call(c);
    else if (!post && !del &&
             (path_is(c, 0, "payment_methods") || path_is(c, 2, "payment_methods")))
        payment_methods(c);
    else
        stripe_fail(c, 404, "url_invalid", "Unrecognized request URL");
}

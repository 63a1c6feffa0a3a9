/* Objects as Stripe gives them, with the members that clients look at. */
#include "sandbox/stripe_room.h"

static void raw(struct buf *b, const char *name, struct str json)
{
    buf_json_key(b, name);
    buf_add(b, json.n != 0 ? json : STR("null"));
}

static void text_or_null(struct buf *b, const char *name, struct str s)
{
    if (s.n != 0)
        buf_json_member(b, name, s);
    else
        raw(b, name, STR("null"));
}

static void id_or_null(struct buf *b, const char *name, const struct stripe_object *o)
{
    text_or_null(b, name, o != NULL ? str_c(o->id) : STR(""));
}

static void time_or_null(struct buf *b, const char *name, int64_t s)
{
    if (s != 0)
        buf_json_i64(b, name, s);
    else
        raw(b, name, STR("null"));
}

static void head(const struct stripe_object *o, const char *object, struct buf *b)
{
    buf_byte(b, '{');
    buf_json_member(b, "id", str_c(o->id));
    buf_json_member(b, "object", str_c(object));
    buf_json_i64(b, "created", o->created);
    buf_json_bool(b, "livemode", false);
    raw(b, "metadata", o->metadata);
}

static void show_customer(const struct stripe_object *o, struct buf *b)
{
    head(o, "customer", b);
    text_or_null(b, "email", o->email);
    text_or_null(b, "name", o->name);
    id_or_null(b, "test_clock", o->clock);
    raw(b, "default_source", STR(""));
    buf_add(b, STR(",\"invoice_settings\":{\"default_payment_method\":null}"));
}

static void show_session(const struct stripe_object *o, struct buf *b)
{
    head(o, "checkout.session", b);
    buf_json_member(b, "mode", o->mode);
    buf_json_member(b, "status", str_c(o->status));
    buf_json_member(b, "payment_status", str_c(o->payment_status));
    buf_json_i64(b, "amount_subtotal", o->amount);
    buf_json_i64(b, "amount_total", o->amount);
    buf_add(b, STR(",\"total_details\":{\"amount_discount\":0,\"amount_shipping\":0,"
                   "\"amount_tax\":0}"));
    buf_json_member(b, "currency", o->currency);
    id_or_null(b, "customer", o->customer);
    text_or_null(b, "customer_email", o->email);
    text_or_null(b, "client_reference_id", o->reference);
    id_or_null(b, "payment_intent", o->intent);
    id_or_null(b, "subscription", o->subscription);
    id_or_null(b, "invoice", o->invoice);
    text_or_null(b, "success_url", o->success);
    text_or_null(b, "cancel_url", o->cancel);
    buf_json_i64(b, "expires_at", o->expires);
    text_or_null(b, "url", str_eq(str_c(o->status), STR("open")) ? o->body : STR(""));
}

static void charge_id(const struct stripe_object *intent, struct buf *b, const char *name)
{
    buf_json_key(b, name);
    buf_printf(b, "\"ch_%s\"", intent->id + 3);
}

static bool is_charged(const struct stripe_object *intent)
{
    return str_eq(str_c(intent->status), STR("succeeded"));
}

static void show_intent(const struct stripe_object *o, struct buf *b)
{
    head(o, "payment_intent", b);
    buf_json_i64(b, "amount", o->amount);
    buf_json_i64(b, "amount_received", is_charged(o) ? o->amount : 0);
    buf_json_member(b, "currency", o->currency);
    buf_json_member(b, "status", str_c(o->status));
    id_or_null(b, "customer", o->customer);
    raw(b, "payment_method", o->off_session || is_charged(o) ? STR("\"pm_card_visa\"") : STR(""));
    if (is_charged(o))
        charge_id(o, b, "latest_charge");
    else
        raw(b, "latest_charge", STR(""));
    buf_json_key(b, "last_payment_error");
    if (o->reason[0] == '\0')
        buf_add(b, STR("null"));
    else
        buf_printf(b,
                   "{\"type\":\"card_error\",\"code\":\"%s\",\"message\":\"The card was "
                   "declined.\"}",
                   o->reason);
}

void stripe_show_charge(const struct stripe_object *o, struct buf *b)
{
    buf_byte(b, '{');
    charge_id(o, b, "id");
    buf_json_member(b, "object", STR("charge"));
    buf_json_i64(b, "created", o->created);
    buf_json_bool(b, "livemode", false);
    raw(b, "metadata", o->metadata);
    buf_json_i64(b, "amount", o->amount);
    buf_json_i64(b, "amount_refunded", o->refunded);
    buf_json_bool(b, "refunded", o->refunded >= o->amount);
    buf_json_bool(b, "disputed", o->disputed);
    buf_json_bool(b, "paid", true);
    buf_json_member(b, "currency", o->currency);
    buf_json_member(b, "status", STR("succeeded"));
    buf_json_member(b, "payment_intent", str_c(o->id));
    id_or_null(b, "customer", o->customer);
    buf_byte(b, '}');
}

static void show_refund(const struct stripe_object *o, struct buf *b)
{
    head(o, "refund", b);
    buf_json_i64(b, "amount", o->amount);
    buf_json_member(b, "currency", o->currency);
    buf_json_member(b, "status", str_c(o->status));
    charge_id(o->intent, b, "charge");
    buf_json_member(b, "payment_intent", str_c(o->intent->id));
    text_or_null(b, "reason", str_c(o->reason));
}

static void show_dispute(const struct stripe_object *o, struct buf *b)
{
    head(o, "dispute", b);
    buf_json_i64(b, "amount", o->amount);
    buf_json_member(b, "currency", o->currency);
    buf_json_member(b, "status", str_c(o->status));
    buf_json_member(b, "reason", str_c(o->reason));
    charge_id(o->intent, b, "charge");
    buf_json_member(b, "payment_intent", str_c(o->intent->id));
}

static void show_price(const struct stripe_object *o, struct buf *b)
{
    head(o, "price", b);
    buf_json_bool(b, "active", !o->deleted);
    buf_json_i64(b, "unit_amount", o->amount);
    buf_json_member(b, "currency", o->currency);
    id_or_null(b, "product", o->product);
    text_or_null(b, "lookup_key", o->reference);
    buf_json_member(b, "type", o->interval.n != 0 ? STR("recurring") : STR("one_time"));
    buf_json_key(b, "recurring");
    if (o->interval.n == 0) {
        buf_add(b, STR("null"));
        return;
    }
    buf_byte(b, '{');
    buf_json_member(b, "interval", o->interval);
    buf_add(b, STR(",\"interval_count\":1,\"usage_type\":\"licensed\"}"));
}

/* Since basil the period stands with the items. */
static void show_subscription(const struct stripe_object *o, struct buf *b)
{
    head(o, "subscription", b);
    buf_json_member(b, "status", str_c(o->status));
    id_or_null(b, "customer", o->customer);
    id_or_null(b, "latest_invoice", o->invoice);
    id_or_null(b, "test_clock", o->customer != NULL ? o->customer->clock : NULL);
    buf_json_member(b, "currency", o->currency);
    buf_json_bool(b, "cancel_at_period_end", o->cancel_at_end);
    time_or_null(b, "canceled_at", o->canceled_at);
    time_or_null(b, "cancel_at", o->cancel_at_end ? o->period_end : 0);
    time_or_null(b, "ended_at", o->expires);
    time_or_null(b, "trial_end", o->trial_end);
    buf_printf(b,
               ",\"items\":{\"object\":\"list\",\"has_more\":false,\"data\":[{\"id\":\"si_%s\","
               "\"object\":\"subscription_item\",\"quantity\":1",
               o->id + 4);
    buf_json_i64(b, "current_period_start", o->period_start);
    buf_json_i64(b, "current_period_end", o->period_end);
    buf_json_key(b, "price");
    if (o->price != NULL)
        stripe_show(o->price, b);
    else
        buf_add(b, STR("null"));
    buf_add(b, STR("}]}"));
}

static void show_line(const struct stripe_object *o, const struct stripe_line *l, size_t i,
                      struct buf *b)
{
    buf_json_comma(b);
    buf_printf(b, "{\"id\":\"il_%s%zu\",\"object\":\"line_item\"", o->id + 3, i);
    buf_json_i64(b, "amount", l->amount);
    buf_json_member(b, "currency", o->currency);
    buf_printf(b, ",\"period\":{\"start\":%lld,\"end\":%lld}", (long long)l->start,
               (long long)l->end);
    buf_printf(b,
               ",\"pricing\":{\"type\":\"price_details\",\"price_details\":{\"price\":\"%s\","
               "\"product\":\"%s\"}}",
               l->price->id, l->price->product->id);
    buf_printf(b,
               ",\"parent\":{\"type\":\"subscription_item_details\","
               "\"subscription_item_details\":{\"subscription\":\"%s\",\"subscription_item\":"
               "\"si_%s\",\"proration\":%s}}}",
               o->subscription->id, o->subscription->id + 4, l->proration ? "true" : "false");
}

static void show_invoice_payments(const struct stripe_object *o, bool paid, struct buf *b)
{
    buf_add(b, STR(",\"payments\":{\"object\":\"list\",\"has_more\":false,\"data\":["));
    if (o->intent != NULL) {
        buf_printf(b,
                   "{\"object\":\"invoice_payment\",\"status\":\"%s\",\"payment\":{\"type\":"
                   "\"payment_intent\",\"payment_intent\":",
                   paid ? "paid" : "open");
        stripe_show(o->intent, b);
        buf_add(b, STR("}}"));
    }
    buf_add(b, STR("]}"));
}

static void show_invoice(const struct stripe_object *o, bool payments, struct buf *b)
{
    bool paid = str_eq(str_c(o->status), STR("paid"));
    head(o, "invoice", b);
    buf_json_member(b, "status", str_c(o->status));
    buf_json_member(b, "billing_reason", str_c(o->reason));
    id_or_null(b, "customer", o->customer);
    buf_json_member(b, "currency", o->currency);
    buf_json_i64(b, "total", o->amount);
    buf_json_i64(b, "total_excluding_tax", o->amount);
    buf_json_i64(b, "subtotal", o->amount);
    buf_json_i64(b, "amount_due", o->due);
    buf_json_i64(b, "amount_paid", paid ? o->due : 0);
    buf_json_i64(b, "amount_remaining", paid ? 0 : o->due);
    buf_json_i64(b, "attempt_count", o->deliveries);
    buf_json_i64(b, "period_start", o->period_start);
    buf_json_i64(b, "period_end", o->period_end);
    buf_add(b, STR(",\"parent\":{\"type\":\"subscription_details\",\"subscription_details\":{"));
    id_or_null(b, "subscription", o->subscription);
    raw(b, "metadata", o->inner_metadata);
    buf_add(b, STR("}}"));
    if (payments)
        show_invoice_payments(o, paid, b);
    buf_add(b, STR(",\"lines\":{\"object\":\"list\",\"has_more\":false,\"data\":["));
    for (size_t i = 0; i < o->lines_n; i++)
        show_line(o, &o->lines[i], i, b);
    buf_add(b, STR("]}"));
    text_or_null(b, "hosted_invoice_url", o->body);
}

void stripe_show_expanded(const struct stripe_object *o, struct buf *b)
{
    if (o->kind != STRIPE_INVOICE) {
        stripe_show(o, b);
        return;
    }
    show_invoice(o, true, b);
    buf_byte(b, '}');
}

void stripe_show(const struct stripe_object *o, struct buf *b)
{
    switch (o->kind) {
    case STRIPE_CUSTOMER: show_customer(o, b); break;
    case STRIPE_SESSION: show_session(o, b); break;
    case STRIPE_INTENT: show_intent(o, b); break;
    case STRIPE_REFUND: show_refund(o, b); break;
    case STRIPE_DISPUTE: show_dispute(o, b); break;
    case STRIPE_PRICE: show_price(o, b); break;
    case STRIPE_SUBSCRIPTION: show_subscription(o, b); break;
    case STRIPE_INVOICE: show_invoice(o, false, b); break;
    case STRIPE_EVENT: buf_add(b, o->body); return;
    case STRIPE_PRODUCT:
        head(o, "product", b);
        buf_json_bool(b, "active", true);
        buf_json_member(b, "name", o->name);
        break;
    case STRIPE_CLOCK:
        head(o, "test_helpers.test_clock", b);
        buf_json_i64(b, "frozen_time", o->period_start);
        buf_json_member(b, "status", STR("ready"));
        break;
    case STRIPE_PORTAL:
        head(o, "billing_portal.session", b);
        id_or_null(b, "customer", o->customer);
        buf_json_member(b, "url", o->body);
        buf_json_member(b, "return_url", o->success);
        break;
    case STRIPE_PORTAL_PLANS:
        head(o, "billing_portal.configuration", b);
        buf_json_bool(b, "active", true);
        break;
    case STRIPE_COUPON:
        head(o, "coupon", b);
        text_or_null(b, "name", o->name);
        buf_json_bool(b, "valid", true);
        break;
    case STRIPE_KIND__COUNT: break;
    }
    buf_byte(b, '}');
}

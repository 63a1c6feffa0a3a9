/* Subscriptions and their invoices as time goes by: periods by the calendar, trials, what a change
 * costs for the rest of a period, cards that are declined and tried again. */
#include "sandbox/stripe_room.h"

#include "base/clock.h"

#include <stdio.h>

enum { DAY = 86400, STEPS_MAX = 4000, TRIES_MAX = 4 };

static const int64_t retry_after[TRIES_MAX] = {0, 3 * DAY, 5 * DAY, 7 * DAY};

static bool is(const struct stripe_object *o, const char *status)
{
    return str_eq(str_c(o->status), str_c(status));
}

int64_t stripe_now(const struct stripe *s, const struct stripe_object *customer, int64_t now)
{
    return customer != NULL && customer->clock != NULL ? customer->clock->period_start
                                                       : now + s->skew;
}

bool stripe_is_live(const struct stripe_object *sub)
{
    return !is(sub, "canceled") && !is(sub, "incomplete_expired");
}

/* The beginning of the n-th period. */
static int64_t period_at(const struct stripe_object *sub, int64_t n)
{
    struct str i = sub->price->interval;
    int64_t days = str_eq(i, STR("week")) ? 7 : str_eq(i, STR("day")) ? 1 : 0;
    if (days != 0)
        return sub->anchor + n * days * DAY;
    int64_t months = str_eq(i, STR("year")) ? 12 : 1;
    return clock_months_later(sub->anchor * US_PER_S, n * months) / US_PER_S;
}

static void period_set(struct stripe_object *sub, int64_t anchor, int64_t cycle)
{
    sub->anchor = anchor;
    sub->cycle = cycle;
    sub->period_start = period_at(sub, cycle);
    sub->period_end = period_at(sub, cycle + 1);
}

/* ---------------------------------------------------------------- invoices */

static void line_add(struct stripe_object *o, const struct stripe_object *price, int64_t amount,
                     int64_t start, int64_t end, bool proration)
{
    must(o->lines_n < sizeof(o->lines) / sizeof(o->lines[0]));
    o->lines[o->lines_n++] = (struct stripe_line){price, amount, start, end, proration};
    o->amount += amount;
}

static int64_t share(int64_t amount, int64_t left, int64_t all)
{
    return all <= 0 ? 0 : (amount * left + all / 2) / all;
}

void stripe_invoice_switched(struct stripe_object *o, const struct stripe_object *sub,
                             const struct stripe_object *price, int64_t now)
{
    const struct stripe_object *before = sub->price;
    int64_t left = sub->period_end - now, all = sub->period_end - sub->period_start;
    if (sub->trial_end > now || left <= 0)
        return;
    line_add(o, before, -share(before->amount, left, all), now, sub->period_end, true);
    if (str_eq(before->interval, price->interval)) {
        line_add(o, price, share(price->amount, left, all), now, sub->period_end, true);
        return;
    }
    struct stripe_object anew = *sub;
    anew.price = (struct stripe_object *)(uintptr_t)price;
    period_set(&anew, now, 0);
    line_add(o, price, price->amount, anew.period_start, anew.period_end, false);
}

/* By its customer's card, as it is now. */
static bool invoice_try(struct stripe *s, struct stripe_object *o, int64_t now)
{
    struct stripe_object *sub = o->subscription, *customer = o->customer;
    bool action = customer->needs_action;
    o->deliveries++;
    if (o->due == 0 || (!customer->fails && !action)) {
        o->status = "paid";
        if (o->intent != NULL) {
            o->intent->status = "succeeded";
            o->intent->reason = "";
            stripe_event(s, "payment_intent.succeeded", o->intent, now);
        }
        if (sub->invoice == o && stripe_is_live(sub)) {
            sub->status = sub->trial_end > now ? "trialing" : "active";
            sub->retry_at = 0;
        }
        stripe_event(s, "invoice.paid", o, now);
        stripe_event(s, "invoice.payment_succeeded", o, now);
        return true;
    }
    o->intent->status = action ? "requires_action" : "requires_payment_method";
    o->intent->reason = action ? "authentication_required" : "card_declined";
    if (sub->invoice == o && !is(sub, "incomplete") && !is(sub, "unpaid")) {
        sub->status = "past_due";
        sub->retry_at = now + (o->deliveries < TRIES_MAX ? retry_after[o->deliveries] : DAY);
    }
    stripe_event(s, "payment_intent.payment_failed", o->intent, now);
    stripe_event(s, "invoice.payment_failed", o, now);
    if (action)
        stripe_event(s, "invoice.payment_action_required", o, now);
    return false;
}

static struct stripe_object *invoice_new(struct stripe *s, struct stripe_object *sub,
                                         const char *reason, int64_t now)
{
    struct stripe_object *o = stripe_add(s, STRIPE_INVOICE, "in_", now);
    char url[256];
    o->status = "open";
    o->reason = reason;
    o->currency = sub->currency;
    o->customer = sub->customer;
    o->subscription = sub;
    o->period_start = sub->period_start;
    o->period_end = sub->period_end;
    o->metadata = STR("{}");
    o->inner_metadata = sub->metadata;
    snprintf(url, sizeof(url), "http://%s/stripe/invoice/%s", s->host, o->id);
    o->body = stripe_keep(str_c(url));
    return o;
}

/* What the customer's balance does not cover is due. An invoice's intent carries no metadata. */
static void invoice_finish(struct stripe *s, struct stripe_object *o, int64_t now)
{
    struct stripe_object *customer = o->customer;
    int64_t use = customer->balance < o->amount ? customer->balance : o->amount;
    customer->balance -= use; /* below zero: what is left over is kept for the next one */
    o->due = o->amount - use;
    if (o->due > 0) {
        struct stripe_object *i = stripe_add(s, STRIPE_INTENT, "pi_", now);
        i->amount = o->due;
        i->currency = o->currency;
        i->customer = customer;
        i->status = "requires_payment_method";
        o->intent = i;
    }
    o->subscription->invoice = o;
    stripe_event(s, "invoice.created", o, now);
    stripe_event(s, "invoice.finalized", o, now);
    (void)invoice_try(s, o, now);
}

static void invoice_of_period(struct stripe *s, struct stripe_object *sub, const char *reason,
                              int64_t now)
{
    struct stripe_object *o = invoice_new(s, sub, reason, now);
    line_add(o, sub->price, sub->trial_end > now ? 0 : sub->price->amount, sub->period_start,
             sub->period_end, false);
    invoice_finish(s, o, now);
}

bool stripe_invoice_pay(struct stripe *s, struct stripe_object *o, int64_t now)
{
    if (!is(o, "open"))
        return is(o, "paid");
    bool paid = invoice_try(s, o, now);
    stripe_event(s, "customer.subscription.updated", o->subscription, now);
    return paid;
}

/* ---------------------------------------------------------------- subscriptions */

void stripe_subscription_begin(struct stripe *s, struct stripe_object *sub, int64_t now)
{
    period_set(sub, now, 0);
    if (sub->trial_end > now)
        sub->period_end = sub->trial_end;
    sub->status = sub->trial_end > now ? "trialing" : "incomplete";
    stripe_event(s, "customer.subscription.created", sub, now);
    invoice_of_period(s, sub, "subscription_create", now);
    stripe_event(s, "customer.subscription.updated", sub, now);
}

void stripe_subscription_end(struct stripe *s, struct stripe_object *sub, int64_t now)
{
    sub->status = is(sub, "incomplete") ? "incomplete_expired" : "canceled";
    sub->canceled_at = sub->canceled_at != 0 ? sub->canceled_at : now;
    sub->expires = now;
    sub->retry_at = 0;
    /* What was not paid is not asked for any more. */
    if (sub->invoice != NULL && is(sub->invoice, "open")) {
        sub->invoice->status = "void";
        stripe_event(s, "invoice.voided", sub->invoice, now);
    }
    stripe_event(s, "customer.subscription.deleted", sub, now);
}

bool stripe_subscription_switch(struct stripe *s, struct stripe_object *sub,
                                struct stripe_object *price, bool prorate, int64_t now)
{
    struct stripe_object probe = {.lines_n = 0};
    bool other = !str_eq(sub->price->interval, price->interval);
    if (prorate || other)
        stripe_invoice_switched(&probe, sub, price, now);
    if (probe.amount > sub->customer->balance &&
        (sub->customer->fails || sub->customer->needs_action))
        return false;
    struct stripe_object *o = NULL;
    if (probe.lines_n != 0) {
        o = invoice_new(s, sub, "subscription_update", now);
        stripe_invoice_switched(o, sub, price, now);
    }
    sub->price = price;
    sub->currency = price->currency;
    sub->next = NULL;
    if (other && sub->trial_end <= now)
        period_set(sub, now, 0);
    if (o != NULL)
        invoice_finish(s, o, now);
    stripe_event(s, "customer.subscription.updated", sub, now);
    return true;
}

static void renew(struct stripe *s, struct stripe_object *sub)
{
    int64_t at = sub->period_end;
    if (sub->cancel_at_end) {
        stripe_subscription_end(s, sub, at);
        return;
    }
    if (sub->next != NULL)
        sub->price = sub->next;
    sub->next = NULL;
    bool first = sub->trial_end != 0 && sub->trial_end <= at && sub->anchor < sub->trial_end;
    if (first)
        period_set(sub, at, 0); /* the trial is over */
    else
        period_set(sub, sub->anchor, sub->cycle + 1);
    if (!is(sub, "unpaid"))
        invoice_of_period(s, sub, "subscription_cycle", at);
    if (is(sub, "trialing"))
        sub->status = "active";
    stripe_event(s, "customer.subscription.updated", sub, at);
}

static void retry(struct stripe *s, struct stripe_object *sub)
{
    int64_t at = sub->retry_at;
    sub->retry_at = 0;
    if (invoice_try(s, sub->invoice, at) || sub->invoice->deliveries < TRIES_MAX) {
        stripe_event(s, "customer.subscription.updated", sub, at);
        return;
    }
    sub->retry_at = 0;
    if (!s->ends_unpaid) {
        stripe_subscription_end(s, sub, at);
        return;
    }
    sub->status = "unpaid";
    stripe_event(s, "customer.subscription.updated", sub, at);
}

/* What happens to it next, and when. */
static int64_t step(struct stripe *s, struct stripe_object *sub, int64_t to)
{
    int64_t notice = is(sub, "trialing") && !sub->noticed ? sub->trial_end - 3 * DAY : INT64_MAX;
    int64_t again = sub->retry_at != 0 ? sub->retry_at : INT64_MAX;
    int64_t gone = is(sub, "incomplete") ? sub->created + DAY - 3600 : INT64_MAX;
    int64_t first = sub->period_end;
    first = notice < first ? notice : first;
    first = again < first ? again : first;
    first = gone < first ? gone : first;
    if (first > to)
        return first;
    if (first == gone)
        stripe_subscription_end(s, sub, gone);
    else if (first == notice) {
        sub->noticed = true;
        stripe_event(s, "customer.subscription.trial_will_end", sub, notice);
    } else if (first == again)
        retry(s, sub);
    else
        renew(s, sub);
    return first;
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
        for (int k = 0; k < STEPS_MAX && stripe_is_live(sub) && step(s, sub, to) <= to; k++)
            ;
    }
    if (clock != NULL)
        stripe_event(s, "test_helpers.test_clock.ready", clock, to);
}

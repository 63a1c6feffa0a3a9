/* The customer portal, and the page on which an open invoice is paid. */
#include "sandbox/stripe_room.h"

#include "base/clock.h"

#include <stdio.h>

/* ---------------------------------------------------------------- the portal */

/* The customer's newest one that has not ended. */
static struct stripe_object *subscription_of(struct stripe *s, const struct stripe_object *customer)
{
    for (size_t i = s->n; i > 0; i--)
        if (s->objects[i - 1]->kind == STRIPE_SUBSCRIPTION &&
            s->objects[i - 1]->customer == customer && stripe_is_live(s->objects[i - 1]))
            return s->objects[i - 1];
    return NULL;
}

static void plan_buttons(struct stripe *s, const struct stripe_object *o, const char *path,
                         const struct stripe_object *sub, struct buf *b)
{
    char label[200];
    struct str list = o->product != NULL ? o->product->body : STR("");
    while (list.n != 0) {
        const struct stripe_object *p = stripe_find(s, STRIPE_PRICE, str_cut(&list, '\n'));
        if (p == NULL || p == sub->price)
            continue;
        snprintf(label, sizeof(label), "Change to %.*s, %lld.%02lld / %.*s",
                 STR_ARG(str_upto(p->product->name, 60)), (long long)(p->amount / 100),
                 (long long)(p->amount % 100), STR_ARG(p->interval));
        stripe_page_button(b, path, p->id, label, false);
    }
}

static void subscription_part(struct stripe *s, const struct stripe_object *o, const char *path,
                              const struct stripe_object *sub, struct buf *b)
{
    if (sub == NULL) {
        buf_add(b, STR("<p id=none>There is no subscription.</p>"));
        return;
    }
    buf_add(b, STR("<p id=plan>"));
    stripe_page_text(b, sub->price->product->name);
    buf_printf(b, ": %s%s</p>", sub->status, sub->cancel_at_end ? ", ends with the period" : "");
    plan_buttons(s, o, path, sub, b);
    if (sub->cancel_at_end)
        stripe_page_button(b, path, "resume", "Do not cancel", false);
    else
        stripe_page_button(b, path, "cancel", "Cancel at the end of the period", false);
}

enum err stripe_portal(void *arg, const struct http_request *r, struct http_reply *reply)
{
    struct stripe *s = arg;
    struct buf *b = &reply->body;
    char path[128];
    must(pthread_mutex_lock(&s->lock) == 0);
    const struct stripe_object *o = stripe_find(s, STRIPE_PORTAL, r->params[0]);
    if (o != NULL) {
        snprintf(path, sizeof(path), "/stripe/portal/%s", o->id);
        stripe_page_begin(b, "Sandbox portal");
        buf_add(b, STR("<p>Customer portal</p><h2>"));
        stripe_page_text(b, o->customer->email);
        buf_add(b, STR("</h2>"));
        if (str_eq(r->query, STR("declined")))
            buf_add(b, STR("<p id=declined role=alert>The card was declined.</p>"));
        subscription_part(s, o, path, subscription_of(s, o->customer), b);
        stripe_page_button(b, path, "card", "Use a card that works", false);
        stripe_page_button(b, path, "declined", "Use a card that is declined", false);
        buf_add(b, STR("<p><a id=back href=\""));
        stripe_page_text(b, o->success);
        buf_add(b, STR("\">Back</a></p>"));
        stripe_page_end(b);
    }
    must(pthread_mutex_unlock(&s->lock) == 0);
    reply->content_type = "text/html; charset=utf-8";
    return o == NULL ? ERR_NOT_FOUND : OK;
}

/* Dearer at once, else with the next period: as the configuration asks for it. */
static bool plan_change(struct stripe *s, struct stripe_object *sub, struct stripe_object *price,
                        int64_t now)
{
    if (price->amount > sub->price->amount)
        return stripe_subscription_switch(s, sub, price, true, now);
    sub->next = price;
    stripe_event(s, "customer.subscription.updated", sub, now);
    return true;
}

static bool portal_do(struct stripe *s, struct stripe_object *o, struct str how)
{
    struct stripe_object *sub = subscription_of(s, o->customer);
    struct stripe_object *price = stripe_find(s, STRIPE_PRICE, how);
    int64_t now = stripe_now(s, o->customer, clock_wall_us() / US_PER_S);
    bool cancel = str_eq(how, STR("cancel"));
    if (str_eq(how, STR("card")) || str_eq(how, STR("declined"))) {
        o->customer->fails = str_eq(how, STR("declined"));
        o->customer->needs_action = false;
        stripe_event(s, "customer.updated", o->customer, now);
    }
    if (sub == NULL)
        return true;
    if (price != NULL)
        return plan_change(s, sub, price, now);
    if (cancel || str_eq(how, STR("resume"))) {
        sub->cancel_at_end = cancel;
        sub->canceled_at = cancel ? now : 0;
        stripe_event(s, "customer.subscription.updated", sub, now);
    }
    return true;
}

enum err stripe_portal_post(void *arg, const struct http_request *r, struct http_reply *reply)
{
    struct stripe *s = arg;
    must(pthread_mutex_lock(&s->lock) == 0);
    struct stripe_object *o = stripe_find(s, STRIPE_PORTAL, r->params[0]);
    if (o != NULL) {
        bool done = portal_do(s, o, r->params[1]);
        buf_printf(&reply->headers, "Location: /stripe/portal/%s%s\r\n", o->id,
                   done ? "" : "?declined");
    }
    must(pthread_mutex_unlock(&s->lock) == 0);
    reply->status = 303;
    return o == NULL ? ERR_NOT_FOUND : OK;
}

/* ---------------------------------------------------------------- an invoice's page */

enum err stripe_invoice(void *arg, const struct http_request *r, struct http_reply *reply)
{
    struct stripe *s = arg;
    struct buf *b = &reply->body;
    char path[128];
    must(pthread_mutex_lock(&s->lock) == 0);
    const struct stripe_object *o = stripe_find(s, STRIPE_INVOICE, r->params[0]);
    if (o != NULL) {
        snprintf(path, sizeof(path), "/stripe/invoice/%s", o->id);
        stripe_page_begin(b, "Sandbox invoice");
        buf_printf(b, "<p>Invoice %s</p><h1>%lld.%02lld ", o->id, (long long)(o->due / 100),
                   (long long)(o->due % 100));
        stripe_page_text(b, o->currency);
        buf_printf(b, "</h1><p id=state>%s</p>", o->status);
        if (str_eq(str_c(o->status), STR("open")))
            stripe_page_button(b, path, "pay", "Pay (with another card)", true);
        stripe_page_end(b);
    }
    must(pthread_mutex_unlock(&s->lock) == 0);
    reply->content_type = "text/html; charset=utf-8";
    return o == NULL ? ERR_NOT_FOUND : OK;
}

enum err stripe_invoice_post(void *arg, const struct http_request *r, struct http_reply *reply)
{
    struct stripe *s = arg;
    must(pthread_mutex_lock(&s->lock) == 0);
    struct stripe_object *o = stripe_find(s, STRIPE_INVOICE, r->params[0]);
    if (o != NULL) {
        o->customer->fails = o->customer->needs_action = false;
        (void)stripe_invoice_pay(s, o, stripe_now(s, o->customer, clock_wall_us() / US_PER_S));
        buf_printf(&reply->headers, "Location: /stripe/invoice/%s\r\n", o->id);
    }
    must(pthread_mutex_unlock(&s->lock) == 0);
    reply->status = 303;
    return o == NULL ? ERR_NOT_FOUND : OK;
}

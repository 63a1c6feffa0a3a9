/* What Stripe's dashboard is for: payments refunded and disputed, cards that fail, time passing. */
#include "sandbox/stripe_board.h"

#include "base/clock.h"
#include "sandbox/stripe_room.h"

#include <stdio.h>

enum { SHOWN_MAX = 25 };
#define MONTH_S (INT64_C(31) * 86400)

static const char style[] =
    "<style>main{width:min(860px,88vw)!important}h2{margin:28px 0 8px;font-size:18px}table{width:"
    "100%;border-collapse:collapse}td{padding:8px 12px 8px 0;border-top:1px solid #e4e8ee;font-"
    "variant-numeric:tabular-nums}form{display:inline-block}button{display:inline-block!important;"
    "width:auto!important;padding:4px 12px!important;margin:2px 6px 2px 0!important}</style>";

static void button(struct buf *b, const char *what, const char *id, const char *label)
{
    char path[64];
    snprintf(path, sizeof(path), "/stripe/do/%s", what);
    stripe_page_button(b, path, id, label, false);
}

static void cell(struct buf *b, struct str text)
{
    buf_add(b, STR("<td>"));
    stripe_page_text(b, text);
    buf_add(b, STR("</td>"));
}

static void payment(struct buf *b, const struct stripe_object *o)
{
    bool paid = str_eq(str_c(o->status), STR("succeeded"));
    buf_printf(b, "<tr><td>%lld.%02lld %.*s</td>", (long long)(o->amount / 100),
               (long long)(o->amount % 100), STR_ARG(o->currency));
    cell(b, o->customer != NULL ? o->customer->email : STR(""));
    cell(b, !paid                      ? str_c(o->status)
            : o->disputed              ? STR("disputed")
            : o->refunded >= o->amount ? STR("refunded")
            : o->refunded != 0         ? STR("partly refunded")
                                       : STR("paid"));
    buf_add(b, STR("<td>"));
    if (paid && !o->disputed && o->refunded < o->amount) {
        button(b, "refund", o->id, "Refund");
        button(b, "open", o->id, "Dispute");
    } else if (paid && o->disputed) {
        button(b, "won", o->id, "Dispute is won");
        button(b, "lost", o->id, "Dispute is lost");
    }
    buf_add(b, STR("</td></tr>"));
}

static void customer(struct buf *b, const struct stripe_object *o)
{
    buf_add(b, STR("<tr>"));
    cell(b, o->email);
    cell(b, o->fails ? STR("the card is declined") : STR("the card works"));
    buf_add(b, STR("<td>"));
    button(b, "card", o->id, o->fails ? "Let it work" : "Let it be declined");
    buf_add(b, STR("</td></tr>"));
}

static void table(const struct stripe *s, struct buf *b, const char *heading, enum stripe_kind kind,
                  void (*row)(struct buf *b, const struct stripe_object *o))
{
    int n = 0;
    buf_printf(b, "<h2>%s</h2><table aria-label=\"%s\">", heading, heading);
    for (size_t i = s->n; i > 0 && n < SHOWN_MAX; i--)
        if (s->objects[i - 1]->kind == kind && !s->objects[i - 1]->deleted) {
            row(b, s->objects[i - 1]);
            n++;
        }
    buf_add(b, STR("</table>"));
    if (n == 0)
        buf_add(b, STR("<p>None yet.</p>"));
}

enum err stripe_board(void *arg, const struct http_request *r, struct http_reply *reply)
{
    struct stripe *s = arg;
    struct buf *b = &reply->body;
    char time[CLOCK_TEXT_MAX];
    (void)r;
    must(pthread_mutex_lock(&s->lock) == 0);
    int64_t now_us = clock_wall_us() + s->skew * US_PER_S;
    stripe_page_begin(b, "Sandbox Stripe");
    buf_add(b, str_c(style));
    buf_printf(b, "<p>Stripe, in the sandbox</p><h1 id=now>%.*s</h1>",
               STR_ARG(str_upto(clock_rfc3339(now_us, time), 10)));
    buf_add(b,
            STR("<p>Subscriptions renew, trials end, cards are tried again as time passes.</p>"));
    button(b, "clock", "day", "A day later");
    button(b, "clock", "month", "A month later");
    table(s, b, "Payments", STRIPE_INTENT, payment);
    table(s, b, "Customers", STRIPE_CUSTOMER, customer);
    buf_printf(b, "<p>%llu events delivered, %llu refused, %zu on their way.</p>",
               (unsigned long long)s->delivered, (unsigned long long)s->refused, s->queue_n);
    stripe_page_end(b);
    must(pthread_mutex_unlock(&s->lock) == 0);
    reply->content_type = "text/html; charset=utf-8";
    return OK;
}

/* ---------------------------------------------------------------- done */

static bool refund(struct stripe *s, const struct stripe_object *intent, struct arena *a,
                   int64_t now)
{
    struct buf out;
    struct stripe_call c = {.stripe = s, .method = "POST", .out = &out, .now = now};
    c.form.arena = a;
    c.form.pairs[c.form.n++] = (struct pair){STR("payment_intent"), str_c(intent->id)};
    buf_init(&out, 1 << 20);
    stripe_refund_make(&c);
    buf_fini(&out);
    return c.status < 400;
}

static bool later(struct stripe *s, struct str what, int64_t now)
{
    bool month = str_eq(what, STR("month"));
    if (!month && !str_eq(what, STR("day")))
        return false;
    s->skew += month ? MONTH_S : 86400;
    stripe_clock_advance(s, NULL, now + s->skew);
    return true;
}

static bool act(struct stripe *s, struct str what, struct str id, struct arena *a, int64_t now)
{
    struct stripe_object *intent = stripe_find(s, STRIPE_INTENT, id);
    struct stripe_object *of = stripe_find(s, STRIPE_CUSTOMER, id);
    if (str_eq(what, STR("clock")))
        return later(s, id, now);
    if (str_eq(what, STR("card")) && of != NULL) {
        of->fails = !of->fails;
        of->needs_action = false;
        return true;
    }
    if (intent == NULL)
        return false;
    return str_eq(what, STR("refund")) ? refund(s, intent, a, now)
                                       : stripe_dispute_step(s, intent, what, now);
}

enum err stripe_board_post(void *arg, const struct http_request *r, struct http_reply *reply)
{
    struct stripe *s = arg;
    must(pthread_mutex_lock(&s->lock) == 0);
    bool done = act(s, r->params[0], r->params[1], reply->arena, clock_wall_us() / US_PER_S);
    must(pthread_mutex_unlock(&s->lock) == 0);
    buf_add(&reply->headers, STR("Location: /stripe\r\n"));
    reply->status = 303;
    return done ? OK : ERR_NOT_FOUND;
}

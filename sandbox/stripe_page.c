/* The page to pay on, and what a test or a newcomer asks of the sandbox itself. */
#include "sandbox/stripe_room.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>

void stripe_page_text(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'')
            buf_printf(b, "&#%d;", c);
        else
            buf_byte(b, c);
    }
}

static const char style[] =
    "<style>body{font:16px/1.5 system-ui,sans-serif;background:#f6f8fa;color:#1a1f36;margin:0;"
    "display:grid;place-items:center;min-height:100vh}main{background:#fff;border-radius:12px;"
    "box-shadow:0 8px 30px #0001;padding:32px;width:min(380px,88vw)}h1{font-size:34px;margin:4px 0 "
    "20px;font-variant-numeric:tabular-nums}p{margin:0;color:#5a6172}button{display:block;width:"
    "100%;padding:12px;margin:10px 0 0;border:1px solid #d8dee6;border-radius:8px;background:#fff;"
    "font:inherit;cursor:pointer}button.pay{background:#635bff;border-color:#635bff;color:#fff;"
    "font-weight:600}small{display:block;margin-top:20px;color:#8a91a0}</style>";

void stripe_page_begin(struct buf *b, const char *title)
{
    buf_add(b, STR("<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="
                   "\"width=device-width\"><title>"));
    buf_add(b, str_c(title));
    buf_add(b, STR("</title>"));
    buf_add(b, str_c(style));
    buf_add(b, STR("<main>"));
}

void stripe_page_end(struct buf *b)
{
    buf_add(b, STR("<small>This is the sandbox: no money moves.</small></main></html>"));
}

void stripe_page_button(struct buf *b, const char *path, const char *how, const char *label,
                        bool first)
{
    buf_printf(b, "<form method=post action=\"%s/%s\"><button class=%s id=%s>", path, how,
               first ? "pay" : "other", how);
    stripe_page_text(b, str_c(label));
    buf_add(b, STR("</button></form>"));
}

static void page(const struct stripe_object *o, bool declined, struct buf *b)
{
    char path[128];
    bool plan = str_eq(o->mode, STR("subscription"));
    stripe_page_begin(b, "Sandbox checkout");
    buf_add(b, STR("<p>"));
    stripe_page_text(b, o->name);
    buf_printf(b, "</p><h1>%lld.%02lld ", (long long)(o->amount / 100),
               (long long)(o->amount % 100));
    stripe_page_text(b, o->currency);
    if (plan)
        buf_printf(b, " / %.*s", STR_ARG(o->price->interval));
    buf_add(b, STR("</h1>"));
    if (o->trial_end != 0)
        buf_printf(b, "<p>%lld days free</p>", (long long)(o->trial_end / 86400));
    if (declined)
        buf_add(b, STR("<p id=declined role=alert>The card was declined. Try another one.</p>"));
    snprintf(path, sizeof(path), "/stripe/checkout/%s", o->id);
    if (!str_eq(str_c(o->status), STR("open"))) {
        buf_printf(b, "<p id=over>This checkout is %s.</p>", o->status);
    } else {
        stripe_page_button(b, path, "pay", plan ? "Subscribe" : "Pay", true);
        stripe_page_button(b, path, "fail", "Fail (the card is declined)", false);
        if (!plan)
            stripe_page_button(b, path, "bank", "Pay by bank debit (takes days)", false);
        stripe_page_button(b, path, "close", "Close (the checkout expires)", false);
    }
    stripe_page_end(b);
}

enum err stripe_page(void *arg, const struct http_request *r, struct http_reply *reply)
{
    struct stripe *s = arg;
    must(pthread_mutex_lock(&s->lock) == 0);
    const struct stripe_object *o = stripe_find(s, STRIPE_SESSION, r->params[0]);
    if (o != NULL)
        page(o, str_eq(r->query, STR("declined")), &reply->body);
    must(pthread_mutex_unlock(&s->lock) == 0);
    reply->content_type = "text/html; charset=utf-8";
    return o == NULL ? ERR_NOT_FOUND : OK;
}

/* The URL with the session's id in its place. */
static void location(const struct stripe_object *o, struct str url, struct buf *headers)
{
    static const struct str mark = STR("{CHECKOUT_SESSION_ID}");
    size_t at = str_find(url, mark);
    buf_add(headers, STR("Location: "));
    buf_add(headers, str_upto(url, at));
    if (at < url.n) {
        buf_add(headers, str_c(o->id));
        buf_add(headers, str_from(url, at + mark.n));
    }
    buf_add(headers, STR("\r\n"));
}

enum err stripe_page_post(void *arg, const struct http_request *r, struct http_reply *reply)
{
    struct stripe *s = arg;
    struct str how = r->params[1];
    char back[128];
    must(pthread_mutex_lock(&s->lock) == 0);
    struct stripe_object *o = stripe_find(s, STRIPE_SESSION, r->params[0]);
    if (o != NULL && stripe_session_end(s, o, how, clock_wall_us() / US_PER_S)) {
        snprintf(back, sizeof(back), "/stripe/checkout/%s?declined", o->id);
        bool over = !str_eq(how, STR("fail"));
        location(o,
                 !over                       ? str_c(back)
                 : str_eq(how, STR("close")) ? o->cancel
                                             : o->success,
                 &reply->headers);
    } else if (o != NULL) {
        snprintf(back, sizeof(back), "/stripe/checkout/%s", o->id);
        location(o, str_c(back), &reply->headers);
    }
    must(pthread_mutex_unlock(&s->lock) == 0);
    reply->status = 303;
    return o == NULL ? ERR_NOT_FOUND : OK;
}

/* ---------------------------------------------------------------- control */

static int64_t percent(struct str body, const char *name, int64_t otherwise)
{
    int64_t n;
    return json_int(json_get(body, str_c(name)), 0, INT32_MAX, &n) == OK ? n : otherwise;
}

static int64_t seconds(struct str body, const char *name)
{
    int64_t n;
    return json_int(json_get(body, str_c(name)), -(INT64_C(1) << 40), INT64_C(1) << 40, &n) == OK
               ? n
               : 0;
}

static void text_set(struct arena *a, struct str body, const char *name, struct str *to)
{
    struct str s;
    if (json_string(a, json_get(body, str_c(name)), &s) == OK)
        *to = stripe_keep(s);
}

static void settings(struct stripe *s, struct arena *a, struct str body)
{
    text_set(a, body, "webhook", &s->webhook);
    text_set(a, body, "secret", &s->secret);
    s->duplicate_percent = percent(body, "duplicate_percent", s->duplicate_percent);
    s->reorder_percent = percent(body, "reorder_percent", s->reorder_percent);
    s->drop_percent = percent(body, "drop_percent", s->drop_percent);
    s->delay_ms = percent(body, "delay_ms", s->delay_ms);
    s->fail_status = (int)percent(body, "fail_status", s->fail_status);
    s->fail_times = (int)percent(body, "fail_times", s->fail_times);
    s->fail_after = json_is_true(json_get(body, STR("fail_after")));
    s->ends_unpaid = json_is_true(json_get(body, STR("ends_unpaid")));
    must(pthread_cond_signal(&s->wake) == 0);
}

static bool on_intent(struct stripe *s, struct str what, struct str id, struct str body,
                      struct arena *a, int64_t now)
{
    struct str phase = STR("");
    struct stripe_object *i = stripe_find(s, STRIPE_INTENT, id);
    struct stripe_object *customer = stripe_find(s, STRIPE_CUSTOMER, id);
    struct stripe_object *refund = stripe_find(s, STRIPE_REFUND, id);
    struct stripe_object *session = stripe_find(s, STRIPE_SESSION, id);
    struct stripe_object *clock = stripe_find(s, STRIPE_CLOCK, id);
    struct stripe_object *event = stripe_find(s, STRIPE_EVENT, id);
    struct stripe_object *price = stripe_find(s, STRIPE_PRICE, id);
    if (json_string(a, json_get(body, STR("phase")), &phase) != OK)
        phase = STR("");
    if (str_eq(what, STR("dispute")) && i != NULL)
        return stripe_dispute_step(s, i, phase, now);
    if (str_eq(what, STR("refund")) && refund != NULL)
        return stripe_refund_end(s, refund, true, now);
    if (str_eq(what, STR("session")) && session != NULL)
        return stripe_session_end(s, session, phase, now);
    if (str_eq(what, STR("clock")) && str_eq(id, STR("all"))) {
        s->skew += seconds(body, "by");
        stripe_clock_advance(s, NULL, now + s->skew);
        return true;
    }
    if (str_eq(what, STR("clock")) && clock != NULL) {
        stripe_clock_advance(s, clock, seconds(body, "to"));
        return true;
    }
    if (str_eq(what, STR("forget")) && price != NULL) {
        price->id[0] = '\0'; /* nobody finds it any more */
        return true;
    }
    if (str_eq(what, STR("event")) && event != NULL) {
        stripe_deliver(s, event, 0);
        return true;
    }
    if (str_eq(what, STR("card")) && customer != NULL) {
        customer->fails = str_eq(phase, STR("declined"));
        customer->needs_action = str_eq(phase, STR("authentication_required"));
        return true;
    }
    return false;
}

enum err stripe_control(void *arg, const struct http_request *r, struct http_reply *reply)
{
    struct stripe *s = arg;
    size_t offset;
    struct str body = r->body.n != 0 ? json_trim(r->body) : STR("{}");
    if (json_check(body, &offset) != OK || json_type_of(body) != JSON_OBJECT)
        return ERR_INVALID_JSON;
    bool done = true;
    must(pthread_mutex_lock(&s->lock) == 0);
    if (str_eq(r->params[0], STR("settings")))
        settings(s, reply->arena, body);
    else
        done = on_intent(s, r->params[0], r->params[1], body, reply->arena,
                         clock_wall_us() / US_PER_S);
    must(pthread_mutex_unlock(&s->lock) == 0);
    buf_add(&reply->body, STR("{\"done\":true}"));
    return done ? OK : ERR_NOT_FOUND;
}

enum err stripe_state(void *arg, const struct http_request *r, struct http_reply *reply)
{
    struct stripe *s = arg;
    struct buf *b = &reply->body;
    (void)r;
    must(pthread_mutex_lock(&s->lock) == 0);
    buf_byte(b, '{');
    buf_json_member(b, "webhook", s->webhook);
    buf_json_i64(b, "waiting", (int64_t)(s->queue_n + s->sending));
    buf_json_i64(b, "delivered", (int64_t)s->delivered);
    buf_json_i64(b, "refused", (int64_t)s->refused);
    buf_json_key(b, "events");
    buf_byte(b, '[');
    for (size_t i = s->n, n = 0; i > 0 && n < 1000; i--) {
        const struct stripe_object *o = s->objects[i - 1];
        if (o->kind != STRIPE_EVENT)
            continue;
        n++;
        buf_json_comma(b);
        buf_byte(b, '{');
        buf_json_member(b, "id", str_c(o->id));
        buf_json_member(b, "type", str_c(o->reason));
        buf_json_i64(b, "deliveries", o->deliveries);
        buf_byte(b, '}');
    }
    buf_add(b, STR("]}"));
    must(pthread_mutex_unlock(&s->lock) == 0);
    return OK;
}

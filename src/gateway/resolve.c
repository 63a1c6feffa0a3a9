/* A call whose outcome is not known: the upstream keeps receipts (OpenRouter's generation), so it
 * is asked a few times; at most 60 s after the end the house's policy decides.
 * Source: OpenRouter API, GET /generation?id=. */
#include "gateway/steps.h"

#define ASK_MAX 5
#define RECEIPT_BYTES_MAX (64u * 1024)

/* From the call's end on, so that slow answers do not add up: the last ends within 60 s. */
static const int64_t ask_at_us[ASK_MAX] = {300 * US_PER_MS, 2300 * US_PER_MS, 7300 * US_PER_MS,
                                           22300 * US_PER_MS, 52300 * US_PER_MS};
#define ASK_US_MAX (5 * US_PER_S)

static void ask_later(struct call *c);

static void give_up(struct call *c)
{
    loop_timer_stop(&c->timer);
    c->resolve_stop = NULL;
    if (c->up != NULL) {
        upstream_cancel(c->up);
        c->up = NULL;
    }
    c->ans.no_outcome = !c->ans.has_usage;
    call_settle(c, call_done);
}

static void receipt_head(void *arg, const struct http1_head *head)
{
    struct call *c = arg;
    c->receipt_found = head->status == 200;
    buf_reset(&c->answer);
}

static void receipt_body(void *arg, struct str bytes)
{
    struct call *c = arg;
    if (c->answer.n + bytes.n <= RECEIPT_BYTES_MAX)
        buf_add(&c->answer, bytes);
}

static void receipt_end(void *arg)
{
    struct call *c = arg;
    c->up = NULL;
    if (c->receipt_found && receipt_read(&c->ans, buf_str(&c->answer))) {
        usage_charge(c);
        give_up(c); /* has usage now: settled as known */
        return;
    }
    ask_later(c);
}

static void receipt_fail(void *arg, const struct upstream_failure *f)
{
    (void)f;
    struct call *c = arg;
    c->up = NULL;
    ask_later(c);
}

static void ask(void *call)
{
    static const struct upstream_events events = {receipt_head, receipt_body, receipt_end,
                                                  receipt_fail};
    struct call *c = call;
    const struct provider_wire *w = c->plan.candidates[c->candidate].provider->attached;
    struct arena a;
    arena_init(&a, 2048, 16u * 1024);
    struct upstream_request rq = {.target = &w->target, .method = "GET"};
    rq.timeouts = (struct upstream_timeouts){.connect_us = ASK_US_MAX,
                                             .first_byte_us = ASK_US_MAX,
                                             .idle_us = ASK_US_MAX,
                                             .total_us = ASK_US_MAX};
    rq.path = arena_printf(&a, "%s/generation?id=%.*s", w->path_prefix, (int)c->ans.upstream_id_n,
                           c->ans.upstream_id);
    rq.headers = arena_printf(&a, "%.*sAccept: application/json\r\nUser-Agent: tollgate\r\n",
                              STR_ARG(call_auth(c, &a)));
    c->up = upstream_start(c->gl->pool, &rq, &events, c);
    arena_fini(&a);
}

static void ask_later(struct call *c)
{
    if (c->asked == ASK_MAX) {
        give_up(c);
        return;
    }
    int64_t in_us = c->ended_us + ask_at_us[c->asked++] - loop_now_us(c->gl->loop);
    loop_timer_init(&c->timer, c->gl->loop, ask, c);
    loop_timer_start(&c->timer, in_us > 0 ? in_us : 0);
}

void call_resolve(struct call *c)
{
    const struct catalog_provider *p = c->plan.candidates[c->candidate].provider;
    if (p->kind != CATALOG_OPENROUTER ||
        !receipt_id_is_plain(str_of(c->ans.upstream_id, c->ans.upstream_id_n))) {
        give_up(c);
        return;
    }
    if (c->ended_us == 0)
        c->ended_us = loop_now_us(c->gl->loop);
    c->resolve_stop = give_up;
    ask_later(c);
}

void call_resolve_now(struct call *c)
{
    if (c->resolve_stop != NULL)
        c->resolve_stop(c);
}

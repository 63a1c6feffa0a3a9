/* The proxying route: the http and upstream rooms wired together as a gateway would. */
#include "tests/scenarios/httpd.h"
#include "base/clock.h"

#define QUEUE_MAX (256u * 1024)

struct proxy {
    struct http_exchange *x;
    struct upstream_call *call;
    bool paused;
};

static void on_gone(void *arg)
{
    struct proxy *p = arg;
    upstream_cancel(p->call);
}

static void on_drained(void *arg)
{
    struct proxy *p = arg;
    if (!p->paused)
        return;
    p->paused = false;
    upstream_resume(p->call);
}

static const struct http_events exchange_events = {.drained = on_drained, .gone = on_gone};

static void on_head(void *arg, const struct http1_head *head)
{
    struct proxy *p = arg;
    http_start(p->x, head->status);
    struct str type = http1_header_get(head, STR("content-type"));
    if (type.p != NULL)
        http_set(p->x, STR("Content-Type"), type);
    bool length = head->body == HTTP1_BODY_LENGTH;
    http_stream(p->x, length ? head->content_length : -1);
}

static void on_body(void *arg, struct str bytes)
{
    struct proxy *p = arg;
    http_write(p->x, bytes);
    if (http_queued(p->x) > QUEUE_MAX && !p->paused) {
        p->paused = true;
        upstream_pause(p->call);
    }
}

static void on_end(void *arg)
{
    struct proxy *p = arg;
    http_end(p->x);
}

static void on_fail(void *arg, const struct upstream_failure *f)
{
    static const char *const phases[UPSTREAM_PHASE__COUNT] = {"resolve", "connect", "send",
                                                              "wait",    "head",    "body"};
    struct proxy *p = arg;
    struct str line = arena_printf(http_arena(p->x), "X-Failure: %s%s%s%s\r\nX-Failure-Why: %s\r\n",
                                   phases[f->phase], f->reused ? " reused" : "",
                                   f->request_bytes ? " request-bytes" : "",
                                   f->response_bytes ? " response-bytes" : "", f->why);
    http_error(p->x, f->err, STR(""), STR(""), line);
}

static const struct upstream_events call_events = {
    .head = on_head, .body = on_body, .end = on_end, .fail = on_fail};

static void pass_on(struct http_exchange *x, const struct upstream_target *target, struct str path)
{
    const struct http_request *q = http_request_of(x);
    struct proxy *p = arena_zalloc(http_arena(x), sizeof(*p));
    must(p != NULL);
    p->x = x;
    struct upstream_request r = {
        .target = target,
        .method = q->head->method == HTTP1_HEAD ? "HEAD"
                  : q->body.n != 0              ? "POST"
                                                : "GET",
        .path = path,
        .pieces = {q->body},
        .pieces_n = 1,
        .timeouts = {.connect_us = query_us(x, STR("connect_ms")),
                     .first_byte_us = query_us(x, STR("first_byte_ms")),
                     .idle_us = query_us(x, STR("idle_ms")),
                     .total_us = query_us(x, STR("total_ms"))},
    };
    http_exchange_set(x, &exchange_events, p);
    p->call = upstream_start(httpd.pool, &r, &call_events, p);
}

int64_t query_us(struct http_exchange *x, struct str name)
{
    struct str text;
    uint64_t n = 0;
    if (http_query(http_request_of(x), http_arena(x), name, &text) &&
        !str_to_u64(text, 1000000, &n))
        n = 0;
    return (int64_t)n * US_PER_MS;
}

void proxy_ready(void *arg, struct http_exchange *x)
{
    (void)arg;
    struct str url = STR(""), path;
    const char *why = "";
    struct upstream_target *t = arena_zalloc(http_arena(x), sizeof(*t));
    must(t != NULL);
    (void)http_query(http_request_of(x), http_arena(x), STR("url"), &url);
    enum err e = upstream_url_parse(url, t, &path, &why);
    if (e != OK) {
        http_error(x, e, str_c(why), STR("url"), STR(""));
        return;
    }
    t->tls_context = httpd.client_tls;
    pass_on(x, t, path);
}

void proxy_fixed(void *arg, struct http_exchange *x)
{
    (void)arg;
    pass_on(x, &httpd.fixed, httpd.fixed_path);
}

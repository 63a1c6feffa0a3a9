/* Calls: from the request to `end` or `fail`, with their clocks. */
#include "upstream/upstream_in.h"
#include "base/clock.h"
#include "base/mem.h"

static void call_tick(void *arg);

/* ---- begun ---- */

static int64_t or_default(int64_t us, int64_t otherwise)
{
    return us > 0 ? us : otherwise;
}

static struct upstream_call *call_new(struct upstream_pool *p)
{
    struct upstream_call *call = p->call_pool;
    if (call != NULL) {
        p->call_pool = call->next;
        p->call_pool_n--;
    } else {
        call = mem_alloc(sizeof(*call));
    }
    *call = (struct upstream_call){.pool = p};
    loop_timer_init(&call->timer, p->loop, call_tick, call);
    p->calls_n++;
    return call;
}

static void call_free(struct upstream_call *call)
{
    struct upstream_pool *p = call->pool;
    loop_timer_stop(&call->timer);
    upstream_buf_give(p, &call->head);
    p->calls_n--;
    if (p->call_pool_n == UPSTREAM_POOL_MAX) {
        mem_free(call);
        return;
    }
    call->next = p->call_pool;
    p->call_pool = call;
    p->call_pool_n++;
}

static bool method_is(const char *method, const char *name)
{
    return strcmp(method, name) == 0;
}

/* RFC 9112 §3; a length is said unless the method means none. */
static void request_head(struct upstream_call *call, const struct upstream_request *r)
{
    uint64_t body_n = 0;
    for (size_t i = 0; i < r->pieces_n; i++)
        body_n += r->pieces[i].n;
    call->head = upstream_buf_take(call->pool, UPSTREAM_REQUEST_MAX);
    struct buf *b = &call->head;
    buf_add(b, str_c(r->method));
    buf_byte(b, ' ');
    buf_add(b, r->path.n != 0 ? r->path : STR("/"));
    buf_add(b, STR(" HTTP/1.1\r\nHost: "));
    buf_add(b, str_c(call->host->authority));
    buf_add(b, STR("\r\n"));
    buf_add(b, r->headers);
    bool bodiless = method_is(r->method, "GET") || method_is(r->method, "HEAD") ||
                    method_is(r->method, "DELETE") || method_is(r->method, "OPTIONS");
    if (body_n != 0 || !bodiless) {
        buf_add(b, STR("Content-Length: "));
        buf_u64(b, body_n);
        buf_add(b, STR("\r\n"));
    }
    buf_add(b, STR("\r\n"));
    must(buf_check(b) == OK);
    call->bytes = b->n + body_n;
}

struct upstream_call *upstream_start(struct upstream_pool *pool,
                                     const struct upstream_request *request,
                                     const struct upstream_events *events, void *arg)
{
    must(request->pieces_n <= UPSTREAM_PIECES_MAX);
    struct upstream_call *call = call_new(pool);
    call->events = events;
    call->arg = arg;
    call->timeouts.connect_us = or_default(request->timeouts.connect_us, 10 * US_PER_S);
    call->timeouts.first_byte_us = or_default(request->timeouts.first_byte_us, 300 * US_PER_S);
    call->timeouts.idle_us = or_default(request->timeouts.idle_us, 120 * US_PER_S);
    call->timeouts.total_us = request->timeouts.total_us;
    call->to_head = method_is(request->method, "HEAD");
    call->host = upstream_host_get(pool, request->target);
    call->began_us = loop_now_us(pool->loop);
    for (size_t i = 0; i < request->pieces_n; i++)
        if (request->pieces[i].n != 0)
            call->pieces[call->pieces_n++] = request->pieces[i];
    request_head(call, request);
    upstream_call_dispatch(call);
    return call;
}

/* ---- to a connection ---- */

/* No callback may run inside a user's call: the timer brings it. */
static void fail_later(struct upstream_call *call, enum err e, const char *why)
{
    call->failure = upstream_call_facts(call, e, why);
    call->state = UPSTREAM_FAILING;
    loop_timer_start(&call->timer, 0);
}

static void connect_next(struct upstream_call *call)
{
    struct upstream_host *h = call->host;
    size_t i = call->addrs_tried == 0 ? h->addr_first : call->addr_at + 1;
    call->addr_at = i % h->addrs_n;
    call->addrs_tried++;
    call->attempt_us = loop_now_us(call->pool->loop);
    upstream_conn_open(call, &h->addrs[call->addr_at]);
    upstream_call_arm(call);
}

void upstream_call_dispatch(struct upstream_call *call)
{
    struct upstream_host *h = call->host;
    struct upstream_pool *p = call->pool;
    struct upstream_conn *c = upstream_conn_take(h);
    if (c != NULL) {
        p->counts.reused++;
        upstream_conn_send(c, call);
        return;
    }
    if (h->conns_n >= p->o.connections_per_target_max) {
        call->state = UPSTREAM_IN_LINE;
        upstream_calls_push(&h->line, call);
        upstream_call_arm(call);
        return;
    }
    if (h->addrs_n != 0 && h->resolved_until_us > loop_now_us(p->loop)) {
        connect_next(call);
        return;
    }
    call->state = UPSTREAM_RESOLVING;
    if (upstream_resolve_start(p, h) != OK) {
        fail_later(call, ERR_UPSTREAM_UNAVAILABLE, "too many look-ups are waiting");
        return;
    }
    upstream_calls_push(&h->resolving, call);
    upstream_call_arm(call);
}

void upstream_line_go(struct upstream_host *h)
{
    while (h->line.first != NULL &&
           h->conns_n < h->line.first->pool->o.connections_per_target_max) {
        struct upstream_call *call = h->line.first;
        upstream_calls_drop(&h->line, call);
        upstream_call_dispatch(call);
    }
}

void upstream_call_resolved(struct upstream_call *call, enum err e)
{
    if (e != OK)
        fail_later(call, ERR_UPSTREAM_UNAVAILABLE, "the name has no address");
    else
        upstream_call_dispatch(call);
}

void upstream_call_unconnected(struct upstream_call *call, const char *why)
{
    if (call->addrs_tried < call->host->addrs_n) {
        connect_next(call);
        return;
    }
    struct upstream_failure f = upstream_call_facts(call, ERR_UPSTREAM_UNAVAILABLE, why);
    upstream_call_fail(call, &f);
}

/* ---- ended ---- */

struct upstream_failure upstream_call_facts(const struct upstream_call *call, enum err e,
                                            const char *why)
{
    struct upstream_failure f = {.err = e, .why = why};
    const struct upstream_conn *c = call->conn;
    f.phase = call->state == UPSTREAM_RESOLVING ? UPSTREAM_RESOLVE : UPSTREAM_CONNECT;
    if (call->state != UPSTREAM_ACTIVE)
        return f;
    must(c != NULL);
    f.phase = upstream_conn_phase(c);
    f.reused = c->reused;
    f.request_bytes = upstream_conn_sent(c) != 0;
    f.response_bytes = f.phase == UPSTREAM_HEAD || f.phase == UPSTREAM_BODY;
    return f;
}

void upstream_call_fail(struct upstream_call *call, const struct upstream_failure *failure)
{
    const struct upstream_events *events = call->events;
    struct upstream_failure f = *failure;
    void *arg = call->arg;
    call->pool->counts.failed++;
    if (call->conn != NULL)
        upstream_conn_doom(call->conn, true);
    call_free(call);
    events->fail(arg, &f);
}

void upstream_call_end(struct upstream_call *call)
{
    const struct upstream_events *events = call->events;
    void *arg = call->arg;
    must(call->conn == NULL);
    call_free(call);
    events->end(arg);
}

bool upstream_is_sent(const struct upstream_call *call)
{
    return call->state == UPSTREAM_ACTIVE && upstream_conn_phase(call->conn) >= UPSTREAM_WAIT;
}

/* ---- let go: nobody listens, the end of the response is still read ---- */

#define LET_GO_BYTES_MAX (64u * 1024)

static void let_go_head(void *arg, const struct http1_head *head)
{
    (void)arg;
    (void)head;
}

static void let_go_body(void *arg, struct str bytes)
{
    struct upstream_call *call = arg;
    call->let_go += bytes.n;
    if (call->let_go > LET_GO_BYTES_MAX)
        upstream_cancel(call);
}

static void let_go_end(void *arg)
{
    (void)arg;
}

static void let_go_fail(void *arg, const struct upstream_failure *failure)
{
    (void)arg;
    (void)failure;
}

void upstream_let_go(struct upstream_call *call)
{
    static const struct upstream_events events = {let_go_head, let_go_body, let_go_end,
                                                  let_go_fail};
    if (call->state != UPSTREAM_ACTIVE || !call->conn->in_body) {
        upstream_cancel(call);
        return;
    }
    int64_t now = loop_now_us(call->pool->loop);
    call->events = &events;
    call->arg = call;
    call->timeouts.total_us = now - call->began_us + US_PER_S;
    upstream_resume(call);
    upstream_call_arm(call);
}

void upstream_cancel(struct upstream_call *call)
{
    switch (call->state) {
    case UPSTREAM_IN_LINE: upstream_calls_drop(&call->host->line, call); break;
    case UPSTREAM_RESOLVING: upstream_calls_drop(&call->host->resolving, call); break;
    case UPSTREAM_CONNECTING:
    case UPSTREAM_ACTIVE: upstream_conn_doom(call->conn, true); break;
    case UPSTREAM_FAILING:
    case UPSTREAM_STATE__COUNT: break;
    }
    call_free(call);
}

void upstream_pause(struct upstream_call *call)
{
    if (call->paused)
        return;
    call->paused = true;
    if (call->conn != NULL)
        loop_conn_pause(call->conn->lc);
}

void upstream_resume(struct upstream_call *call)
{
    if (!call->paused)
        return;
    call->paused = false;
    if (call->conn == NULL)
        return;
    loop_conn_resume(call->conn->lc);
    call->last_us = loop_now_us(call->pool->loop);
    upstream_call_arm(call);
}

/* ---- clocks ---- */

/* What one address may take: an even share of the time that is left. */
static int64_t attempt_until(const struct upstream_call *call)
{
    int64_t until = call->began_us + call->timeouts.connect_us;
    if (call->state != UPSTREAM_CONNECTING || call->addrs_tried >= call->host->addrs_n)
        return until;
    size_t others = call->host->addrs_n - call->addrs_tried;
    return call->attempt_us + (until - call->attempt_us) / (int64_t)(others + 1);
}

/* When the timer is to look at it; INT64_MAX: never. */
static int64_t deadline(const struct upstream_call *call)
{
    if (call->state != UPSTREAM_ACTIVE)
        return attempt_until(call);
    if (call->conn->in_body)
        return call->paused ? INT64_MAX : call->last_us + call->timeouts.idle_us;
    return call->last_us + call->timeouts.first_byte_us;
}

static int64_t total_deadline(const struct upstream_call *call)
{
    return call->timeouts.total_us > 0 ? call->began_us + call->timeouts.total_us : INT64_MAX;
}

void upstream_call_arm(struct upstream_call *call)
{
    int64_t now = loop_now_us(call->pool->loop);
    int64_t at = deadline(call), total = total_deadline(call);
    if (total < at)
        at = total;
    /* A large request goes on being written: its progress is looked at each second. */
    bool writing = call->state == UPSTREAM_ACTIVE && call->piece_at < call->pieces_n;
    if (writing && at > now + US_PER_S)
        at = now + US_PER_S;
    if (at == INT64_MAX)
        loop_timer_stop(&call->timer);
    else
        loop_timer_start(&call->timer, at > now ? at - now : 0);
}

static const char *late_why(const struct upstream_call *call)
{
    switch (call->state) {
    case UPSTREAM_IN_LINE: return "no connection became free in time";
    case UPSTREAM_RESOLVING: return "the name was not resolved in time";
    case UPSTREAM_CONNECTING: return "not connected in time";
    case UPSTREAM_ACTIVE:
        return call->conn->in_body ? "the response stopped" : "no response in time";
    case UPSTREAM_FAILING:
    case UPSTREAM_STATE__COUNT: break;
    }
    return "";
}

static void call_late(struct upstream_call *call)
{
    struct upstream_failure f = upstream_call_facts(call, ERR_UPSTREAM_TIMEOUT, late_why(call));
    if (call->state == UPSTREAM_IN_LINE)
        upstream_calls_drop(&call->host->line, call);
    else if (call->state == UPSTREAM_RESOLVING)
        upstream_calls_drop(&call->host->resolving, call);
    upstream_call_fail(call, &f);
}

static void call_tick(void *arg)
{
    struct upstream_call *call = arg;
    if (call->state == UPSTREAM_FAILING) {
        upstream_call_fail(call, &call->failure);
        return;
    }
    int64_t now = loop_now_us(call->pool->loop);
    if (call->state == UPSTREAM_ACTIVE && upstream_conn_sent(call->conn) != call->last_sent) {
        uint64_t sent = upstream_conn_sent(call->conn);
        /* What left in the turn in which it was written is no news. */
        if (call->last_sent != 0 || call->piece_at < call->pieces_n)
            call->last_us = now;
        call->last_sent = sent;
    }
    if (now >= total_deadline(call)) {
        call_late(call);
        return;
    }
    if (now < deadline(call)) {
        upstream_call_arm(call);
        return;
    }
    if (call->state == UPSTREAM_CONNECTING && call->addrs_tried < call->host->addrs_n) {
        upstream_conn_doom(call->conn, true);
        connect_next(call);
        return;
    }
    call_late(call);
}

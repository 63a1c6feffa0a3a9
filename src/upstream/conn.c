/* Connections: the request out, the response in. */
#include "upstream/upstream_in.h"
#include "base/mem.h"

static const struct loop_conn_events conn_events;

/* ---- made, kept, ended ---- */

void upstream_conn_open(struct upstream_call *call, const union loop_addr *addr)
{
    struct upstream_pool *p = call->pool;
    struct upstream_host *h = call->host;
    struct upstream_conn *c = p->conn_pool;
    if (c != NULL) {
        p->conn_pool = c->next;
        p->conn_pool_n--;
        memset(c, 0, sizeof(*c));
    } else {
        c = mem_zalloc(sizeof(*c));
    }
    c->pool = p;
    c->host = h;
    c->generation = h->generation;
    c->call = call;
    call->conn = c;
    call->state = UPSTREAM_CONNECTING;
    c->next = p->conns;
    if (c->next != NULL)
        c->next->prev = c;
    p->conns = c;
    h->conns_n++;
    p->counts.open++;
    p->counts.opened++;
    c->lc = loop_connect(p->loop, addr, h->tls, str_c(h->name), &conn_events, c);
}

void upstream_conn_forget(struct upstream_conn *c)
{
    struct upstream_pool *p = c->pool;
    if (c->idle)
        upstream_conn_doom(c, true);
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        p->conns = c->next;
    c->host->conns_n--;
    p->counts.open--;
    upstream_buf_give(p, &c->in);
    if (p->conn_pool_n == UPSTREAM_POOL_MAX) {
        mem_free(c);
        return;
    }
    c->next = p->conn_pool;
    p->conn_pool = c;
    p->conn_pool_n++;
}

static void idle_drop(struct upstream_conn *c)
{
    struct upstream_host *h = c->host;
    if (c->idle_prev != NULL)
        c->idle_prev->idle_next = c->idle_next;
    else
        h->idle_first = c->idle_next;
    if (c->idle_next != NULL)
        c->idle_next->idle_prev = c->idle_prev;
    else
        h->idle_last = c->idle_prev;
    c->idle_next = c->idle_prev = NULL;
    c->idle = false;
    h->idle_n--;
    c->pool->counts.idle--;
}

static void idle_push(struct upstream_conn *c)
{
    struct upstream_host *h = c->host;
    c->idle_prev = NULL;
    c->idle_next = h->idle_first;
    if (c->idle_next != NULL)
        c->idle_next->idle_prev = c;
    else
        h->idle_last = c;
    h->idle_first = c;
    c->idle = true;
    c->idle_since_us = loop_now_us(c->pool->loop);
    h->idle_n++;
    c->pool->counts.idle++;
    upstream_sweep_start(c->pool);
}

struct upstream_conn *upstream_conn_take(struct upstream_host *h)
{
    struct upstream_conn *c = h->idle_first;
    if (c != NULL)
        idle_drop(c);
    return c;
}

static void conn_detach(struct upstream_conn *c)
{
    if (c->call == NULL)
        return;
    c->call->conn = NULL;
    c->call = NULL;
}

void upstream_conn_doom(struct upstream_conn *c, bool cut)
{
    if (c->idle)
        idle_drop(c);
    conn_detach(c);
    if (cut)
        loop_conn_abort(c->lc);
    else
        loop_conn_close(c->lc);
}

/* ---- the request ---- */

uint64_t upstream_conn_sent(const struct upstream_conn *c)
{
    return loop_conn_sent(c->lc) - c->sent_before;
}

enum upstream_phase upstream_conn_phase(const struct upstream_conn *c)
{
    if (c->in_body)
        return UPSTREAM_BODY;
    if (c->in.n != 0 || c->interim != 0)
        return UPSTREAM_HEAD;
    return upstream_conn_sent(c) >= c->call->bytes ? UPSTREAM_WAIT : UPSTREAM_SEND;
}

/* Keeps a bounded part of the body queued. */
static void conn_feed(struct upstream_conn *c, struct upstream_call *call)
{
    while (call->piece_at < call->pieces_n && loop_conn_queued(c->lc) <= UPSTREAM_FEED_BYTES) {
        struct str *piece = &call->pieces[call->piece_at];
        struct str now = str_upto(*piece, UPSTREAM_FEED_BYTES);
        loop_conn_write(c->lc, &now, 1);
        *piece = str_from(*piece, now.n);
        if (piece->n == 0)
            call->piece_at++;
    }
}

void upstream_conn_send(struct upstream_conn *c, struct upstream_call *call)
{
    c->call = call;
    call->conn = c;
    call->state = UPSTREAM_ACTIVE;
    c->in_body = c->keep = false;
    c->scanned = 0;
    c->interim = 0;
    c->sent_before = loop_conn_sent(c->lc);
    call->last_us = loop_now_us(c->pool->loop);
    call->last_sent = 0;
    if (call->paused)
        loop_conn_pause(c->lc);
    struct str head = buf_str(&call->head);
    loop_conn_write(c->lc, &head, 1);
    upstream_buf_give(c->pool, &call->head);
    conn_feed(c, call);
    upstream_call_arm(call);
}

/* ---- the response ---- */

static void conn_broken(struct upstream_conn *c, const char *why)
{
    struct upstream_failure f = upstream_call_facts(c->call, ERR_UPSTREAM_ERROR, why);
    f.response_bytes = true;
    if (f.phase != UPSTREAM_BODY)
        f.phase = UPSTREAM_HEAD;
    upstream_call_fail(c->call, &f);
}

/* Keeps or closes the connection, or gives it to the next in line; then tells the call. */
static void conn_complete(struct upstream_conn *c, size_t rest_n)
{
    struct upstream_call *call = c->call;
    struct upstream_host *h = c->host;
    bool sent = call->piece_at == call->pieces_n && loop_conn_queued(c->lc) == 0;
    bool keep = c->keep && sent && rest_n == 0 && c->generation == h->generation;
    if (call->paused)
        loop_conn_resume(c->lc);
    conn_detach(c);
    c->in_body = false;
    c->reused = true;
    if (!keep) {
        upstream_conn_doom(c, !sent);
    } else if (h->line.first != NULL) {
        struct upstream_call *next = h->line.first;
        upstream_calls_drop(&h->line, next);
        c->pool->counts.reused++;
        upstream_conn_send(c, next);
    } else if (h->idle_n >= c->pool->o.idle_per_target_max) {
        upstream_conn_doom(c, false);
    } else {
        idle_push(c);
    }
    upstream_call_end(call);
}

static void body_begin(struct upstream_conn *c, const struct http1_head *head)
{
    c->in_body = true;
    c->body = head->body;
    c->left = head->body == HTTP1_BODY_LENGTH ? head->content_length : 0;
    c->keep = head->keep_alive && head->body != HTTP1_BODY_CLOSE;
    if (head->body == HTTP1_BODY_CHUNKED)
        http1_chunks_init(&c->chunks);
}

static bool body_is_over(const struct upstream_conn *c)
{
    return c->body == HTTP1_BODY_NONE || (c->body == HTTP1_BODY_LENGTH && c->left == 0);
}

/* One step of a chunked body. False when it is over or broken. */
static bool chunk_step(struct upstream_conn *c, struct str *in, struct str *ret_data)
{
    enum err e = http1_chunks_next(&c->chunks, in, ret_data);
    if (e == ERR_END)
        conn_complete(c, in->n);
    else if (e != OK)
        conn_broken(c, "the chunked encoding of the response is broken");
    return e == OK;
}

static void conn_body(struct upstream_conn *c, struct str in)
{
    struct upstream_call *call = c->call;
    while (c->call == call && !body_is_over(c) && in.n != 0) {
        struct str data;
        if (c->body == HTTP1_BODY_CHUNKED) {
            if (!chunk_step(c, &in, &data))
                return;
        } else {
            data = c->body == HTTP1_BODY_LENGTH ? str_upto(in, (size_t)c->left) : in;
            c->left -= c->body == HTTP1_BODY_LENGTH ? (int64_t)data.n : 0;
            in = str_from(in, data.n);
        }
        if (data.n != 0)
            call->events->body(call->arg, data);
    }
    if (c->call == call && body_is_over(c))
        conn_complete(c, in.n);
}

/* Looks for the final head in *in and moves behind it. ERR_END: not whole yet. */
static enum err head_find(struct upstream_conn *c, struct str *in, const char **why)
{
    struct http1_head *head = &c->pool->head;
    for (;;) {
        enum err e = http1_response_parse(*in, &c->scanned, c->call->to_head, head, why);
        if (e != OK)
            return e;
        c->scanned = 0;
        if (head->status == 101 || c->interim == UPSTREAM_INTERIM_MAX) {
            *why = "an interim response that was not asked for";
            return ERR_INVALID_REQUEST;
        }
        *in = str_from(*in, head->bytes);
        if (head->status >= 200)
            return OK;
        c->interim++;
    }
}

static void conn_head(struct upstream_conn *c, struct str in)
{
    struct upstream_call *call = c->call;
    const char *why = "the response's head is broken";
    struct buf held = c->in; /* what the slices point into; goes back at the end */
    c->in = (struct buf){0};
    if (held.n != 0) {
        buf_add(&held, in);
        in = buf_str(&held);
    }
    enum err e = head_find(c, &in, &why);
    if (e == ERR_END && in.n <= UPSTREAM_HEAD_MAX) {
        if (held.p == NULL) {
            held = upstream_buf_take(c->pool, 4 * UPSTREAM_HEAD_MAX);
            buf_add(&held, in);
        } else {
            buf_consume(&held, held.n - in.n);
        }
        c->in = held;
        return;
    }
    if (e != OK) {
        struct upstream_pool *p = c->pool;
        conn_broken(c, e == ERR_END ? "the response's head is too long" : why);
        upstream_buf_give(p, &held);
        return;
    }
    struct upstream_pool *p = c->pool;
    body_begin(c, &p->head);
    call->events->head(call->arg, &p->head);
    if (c->call == call)
        conn_body(c, in);
    upstream_buf_give(p, &held);
}

static void conn_read(void *arg, struct str bytes)
{
    struct upstream_conn *c = arg;
    struct upstream_call *call = c->call;
    if (call == NULL) {
        /* Nobody asked: whatever it says, it is no answer to the next request. */
        upstream_conn_doom(c, true);
        return;
    }
    call->last_us = loop_now_us(c->pool->loop);
    if (c->in_body)
        conn_body(c, bytes);
    else
        conn_head(c, bytes);
    if (c->call == call && c->in_body)
        upstream_call_arm(call);
}

static void conn_opened(void *arg)
{
    struct upstream_conn *c = arg;
    struct upstream_call *call = c->call;
    if (call == NULL)
        return;
    c->host->addr_first = call->addr_at; /* the next one begins with what works */
    upstream_conn_send(c, call);
}

static void conn_drained(void *arg)
{
    struct upstream_conn *c = arg;
    if (c->call != NULL && c->call->state == UPSTREAM_ACTIVE)
        conn_feed(c, c->call);
}

static void conn_closed(void *arg, enum loop_close reason, const char *why)
{
    struct upstream_conn *c = arg;
    struct upstream_call *call = c->call;
    struct upstream_host *h = c->host;
    bool ended = false, active = call != NULL && call->state == UPSTREAM_ACTIVE;
    struct upstream_failure f = {0};
    if (active) {
        ended = c->in_body && c->body == HTTP1_BODY_CLOSE && reason == LOOP_CLOSE_EOF;
        f = upstream_call_facts(call, ERR_UPSTREAM_ERROR, why);
        /* When the peer ends its side the loop still gives the kernel what was queued. */
        f.request_bytes |= reason == LOOP_CLOSE_EOF;
    }
    conn_detach(c);
    upstream_conn_forget(c);
    upstream_line_go(h);
    if (ended)
        upstream_call_end(call);
    else if (active)
        upstream_call_fail(call, &f);
    else if (call != NULL)
        upstream_call_unconnected(call, why);
}

static const struct loop_conn_events conn_events = {
    .opened = conn_opened,
    .read = conn_read,
    .drained = conn_drained,
    .closed = conn_closed,
};

/* A server: its pools, its connections, its end. */
#include "http/http_in.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdatomic.h>

static void drain_tick(void *arg);
static void kick_all(void *arg);

static int64_t or_default(int64_t us, int64_t otherwise)
{
    return us > 0 ? us : otherwise;
}

static void proxies_build(struct http_server *s)
{
    struct str list = s->o.trusted_proxies;
    if (list.n == 0)
        return;
    s->proxies = mem_array(list.n / 2 + 1, sizeof(*s->proxies));
    while (list.n != 0) {
        struct str one = str_trim(str_cut(&list, ','));
        if (one.n == 0)
            continue;
        bool is_net = http_net_parse(one, &s->proxies[s->proxies_n]);
        must(is_net); /* the configuration was checked by http_nets_are_valid */
        s->proxies_n++;
    }
}

struct http_server *http_server_new(struct loop *loop, const struct http_options *options)
{
    struct http_server *s = mem_zalloc(sizeof(*s));
    s->loop = loop;
    s->o = *options;
    s->o.idle_us = or_default(s->o.idle_us, 75 * US_PER_S);
    s->o.head_us = or_default(s->o.head_us, 10 * US_PER_S);
    s->o.body_us = or_default(s->o.body_us, 60 * US_PER_S);
    s->o.write_us = or_default(s->o.write_us, 60 * US_PER_S);
    if (s->o.connections_max == 0)
        s->o.connections_max = SIZE_MAX;
    if (s->o.buffered == NULL)
        s->o.buffered = &s->own_buffered;
    if (s->o.buffered_max == 0)
        s->o.buffered_max = SIZE_MAX / 2;
    s->router = http_router_new(s->o.routes, s->o.routes_n);
    proxies_build(s);
    if (s->o.request_id_header != NULL) {
        struct str name = str_c(s->o.request_id_header);
        must(name.n + 2 <= sizeof(s->id_line));
        memcpy(s->id_line, name.p, name.n);
        memcpy(s->id_line + name.n, ": ", 2);
        s->id_line_n = name.n + 2;
    }
    s->date_s = -1;
    loop_timer_init(&s->drain, loop, drain_tick, s);
    return s;
}

void http_server_free(struct http_server **ps)
{
    struct http_server *s = *ps;
    if (s == NULL)
        return;
    *ps = NULL;
    must(s->conns == NULL && s->working == 0);
    loop_timer_stop(&s->drain);
    if (s->kick_posted) {
        s->freed = true;
        return;
    }
    for (struct http_exchange *x = s->pool, *next; x != NULL; x = next) {
        next = x->next;
        buf_fini(&x->in);
        arena_fini(&x->arena);
        mem_free(x);
    }
    for (struct http_conn *c = s->conn_pool, *next; c != NULL; c = next) {
        next = c->next;
        mem_free(c);
    }
    for (size_t i = 0; i < s->bufs_n; i++)
        buf_fini(&s->bufs[i]);
    http_router_free(&s->router);
    mem_free(s->proxies);
    mem_free(s);
}

size_t http_server_connections(const struct http_server *s)
{
    return s->conns_n;
}

void http_count(struct http_server *s, size_t n)
{
    atomic_fetch_add_explicit(s->o.buffered, n, memory_order_relaxed);
}

void http_uncount(struct http_server *s, size_t n)
{
    if (n != 0)
        atomic_fetch_sub_explicit(s->o.buffered, n, memory_order_relaxed);
}

bool http_is_over(const struct http_server *s, size_t more)
{
    size_t now = atomic_load_explicit(s->o.buffered, memory_order_relaxed);
    return more > s->o.buffered_max || now > s->o.buffered_max - more;
}

struct buf http_buf_take(struct http_server *s, size_t max)
{
    struct buf b = {0};
    if (s->bufs_n != 0)
        b = s->bufs[--s->bufs_n];
    b.max = max;
    return b;
}

void http_buf_give(struct http_server *s, struct buf *b)
{
    if (b->p == NULL)
        return;
    if (b->cap > HTTP_KEEP_BYTES || s->bufs_n == HTTP_POOL_MAX) {
        buf_fini(b);
        return;
    }
    buf_reset(b);
    s->bufs[s->bufs_n++] = *b;
    *b = (struct buf){0};
}

struct http_exchange *http_exchange_new(struct http_conn *c)
{
    struct http_server *s = c->s;
    struct http_exchange *x = s->pool;
    if (x != NULL) {
        s->pool = x->next;
        s->pool_n--;
    } else {
        x = mem_zalloc(sizeof(*x));
        arena_init(&x->arena, HTTP_ARENA_CHUNK, HTTP_ARENA_MAX);
        x->s = s;
        buf_init(&x->in, SIZE_MAX / 2);
    }
    x->c = c;
    x->next = NULL;
    x->route = NULL;
    x->events = NULL;
    x->arg = NULL;
    x->job = NULL;
    x->scanned = x->counted = x->body_max = 0;
    x->stage = HTTP_STAGE_OPEN;
    x->status = 0;
    x->no_body = x->chunks = false;
    x->keep = true;
    x->length = -1;
    x->written = 0;
    memset(&x->head, 0, offsetof(struct http1_head, headers));
    x->request = (struct http_request){
        .head = &x->head,
        .path = STR(""),
        .query = STR(""),
        .body = STR(""),
        .peer = str_of(c->peer, c->peer_n),
        .id = id_new(loop_wall_us(s->loop)),
        .request_id = x->id,
        .started_us = loop_now_us(s->loop),
        .tls = c->tls,
    };
    id_text("req_", x->request.id, x->id);
    c->x = x;
    return x;
}

void http_exchange_free(struct http_exchange *x)
{
    struct http_server *s = x->s;
    http_uncount(s, x->counted);
    http_buf_give(s, &x->body);
    http_buf_give(s, &x->out);
    http_buf_give(s, &x->trailers);
    if (x->in.cap > HTTP_KEEP_BYTES)
        buf_fini(&x->in);
    else
        buf_reset(&x->in);
    x->c = NULL;
    if (s->pool_n == HTTP_POOL_MAX) {
        buf_fini(&x->in);
        arena_fini(&x->arena);
        mem_free(x);
        return;
    }
    arena_reset(&x->arena);
    x->next = s->pool;
    s->pool = x;
    s->pool_n++;
}

void http_server_accept(void *server, struct loop_conn *lc)
{
    struct http_server *s = server;
    if (s->draining || s->conns_n >= s->o.connections_max) {
        static const struct loop_conn_events nobody = {0};
        loop_conn_set(lc, &nobody, NULL);
        loop_conn_close(lc);
        return;
    }
    struct http_conn *c = s->conn_pool;
    if (c != NULL) {
        s->conn_pool = c->next;
        s->conn_pool_n--;
        memset(c, 0, sizeof(*c));
    } else {
        c = mem_zalloc(sizeof(*c));
    }
    c->s = s;
    c->lc = lc;
    c->body_done = true;
    c->tls = loop_conn_is_tls(lc);
    c->peer_n = (uint8_t)loop_addr_text(loop_conn_peer(lc), false, c->peer).n;
    struct http_net addr;
    struct str text;
    c->forwarded = s->proxies_n != 0 &&
                   http_address_parse(str_of(c->peer, c->peer_n), &addr, &text) &&
                   http_net_has(s->proxies, s->proxies_n, &addr);
    c->next = s->conns;
    if (c->next != NULL)
        c->next->prev = c;
    s->conns = c;
    s->conns_n++;
    loop_conn_set(lc, &http_conn_events, c);
    loop_timer_init(&c->timer, s->loop, http_conn_tick, c);
    c->timed = HTTP_CONN_STATE__COUNT;
    if (!c->tls) {
        http_conn_arm(c);
        return;
    }
    c->timed = HTTP_CONN_IDLE; /* the handshake has a head's time, then `opened` starts anew */
    loop_timer_start(&c->timer, s->o.head_us);
}

/* After the loop's last word about it. */
void http_conn_closed(struct http_conn *c)
{
    struct http_server *s = c->s;
    loop_timer_stop(&c->timer);
    http_uncount(s, c->ahead.n);
    http_buf_give(s, &c->ahead);
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    s->conns_n--;
    for (struct http_conn **k = &s->kicks; c->kicked && *k != NULL; k = &(*k)->kick_next)
        if (*k == c) {
            *k = c->kick_next;
            break;
        }
    if (s->conn_pool_n == HTTP_POOL_MAX) {
        mem_free(c);
    } else {
        c->next = s->conn_pool;
        s->conn_pool = c;
        s->conn_pool_n++;
    }
    if (s->draining && s->conns_n == 0)
        loop_timer_start(&s->drain, 0);
}

/* Its waiting input is looked at when the callbacks of this turn have returned. */
void http_kick(struct http_conn *c)
{
    if (c->kicked)
        return;
    c->kicked = true;
    c->kick_next = c->s->kicks;
    c->s->kicks = c;
    if (c->s->kick_posted)
        return;
    c->s->kick_posted = true;
    loop_post(c->s->loop, kick_all, c->s);
}

static void kick_all(void *arg)
{
    struct http_server *s = arg;
    s->kick_posted = false;
    if (s->freed) {
        http_server_free(&s);
        return;
    }
    struct http_conn *c = s->kicks;
    s->kicks = NULL;
    while (c != NULL) {
        struct http_conn *next = c->kick_next;
        c->kicked = false;
        http_conn_kicked(c);
        c = next;
    }
}

void http_server_drain(struct http_server *s, int64_t within_us, loop_f done, void *arg)
{
    s->draining = true;
    s->drained = done;
    s->drained_arg = arg;
    s->drain_at_us = loop_now_us(s->loop) + within_us;
    for (struct http_conn *c = s->conns; c != NULL; c = c->next) {
        if (c->state != HTTP_CONN_IDLE)
            continue;
        c->state = HTTP_CONN_CLOSING;
        loop_conn_close(c->lc);
    }
    loop_timer_start(&s->drain, s->conns_n == 0 ? 0 : within_us);
}

static void drain_tick(void *arg)
{
    struct http_server *s = arg;
    int64_t left = s->drain_at_us - loop_now_us(s->loop);
    if (s->conns_n != 0 && left > 0) {
        loop_timer_start(&s->drain, left);
        return;
    }
    for (struct http_conn *c = s->conns; c != NULL; c = c->next)
        loop_conn_abort(c->lc);
    if (s->conns_n != 0 || s->working != 0) {
        /* Aborted connections end with the turn; for workers there is nothing but waiting. */
        loop_timer_start(&s->drain, 5 * US_PER_MS);
        return;
    }
    loop_f done = s->drained;
    s->drained = NULL;
    if (done != NULL)
        done(s->drained_arg);
}

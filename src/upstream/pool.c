/* A pool: its targets, their names, its end. */
#include "upstream/upstream_in.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

/* A look-up under way. It outlives the pool if it must. */
struct upstream_resolve {
    struct upstream_pool *pool;
    struct upstream_host *host; /* NULL: nobody waits any more */
    char name[256];
    uint16_t port;
    union loop_addr addrs[UPSTREAM_ADDRS_MAX];
    size_t addrs_n;
    enum err err;
};

static void sweep(void *arg);

struct upstream_pool *upstream_pool_new(struct loop *loop, const struct upstream_options *options)
{
    struct upstream_pool *p = mem_zalloc(sizeof(*p));
    p->loop = loop;
    p->o = *options;
    if (p->o.resolve_ttl_us <= 0)
        p->o.resolve_ttl_us = 60 * US_PER_S;
    if (p->o.idle_us <= 0)
        p->o.idle_us = 60 * US_PER_S;
    if (p->o.idle_per_target_max == 0)
        p->o.idle_per_target_max = 512;
    if (p->o.connections_per_target_max == 0)
        p->o.connections_per_target_max = 16384;
    loop_timer_init(&p->sweep, loop, sweep, p);
    return p;
}

void upstream_pool_free(struct upstream_pool **pp)
{
    struct upstream_pool *p = *pp;
    if (p == NULL)
        return;
    *pp = NULL;
    must(p->calls_n == 0);
    loop_timer_stop(&p->sweep);
    while (p->conns != NULL) {
        struct loop_conn *lc = p->conns->lc;
        upstream_conn_forget(p->conns);
        loop_conn_set(lc, NULL, NULL);
        loop_conn_abort(lc);
    }
    for (size_t i = 0; i < UPSTREAM_BUCKETS; i++) {
        for (struct upstream_host *h = p->hosts[i], *next; h != NULL; h = next) {
            next = h->next;
            if (h->resolve != NULL)
                h->resolve->host = NULL;
            mem_free(h);
        }
    }
    for (struct upstream_conn *c = p->conn_pool, *next; c != NULL; c = next) {
        next = c->next;
        mem_free(c);
    }
    for (struct upstream_call *call = p->call_pool, *next; call != NULL; call = next) {
        next = call->next;
        mem_free(call);
    }
    for (size_t i = 0; i < p->bufs_n; i++)
        buf_fini(&p->bufs[i]);
    mem_free(p);
}

struct upstream_counts upstream_pool_counts(const struct upstream_pool *p)
{
    return p->counts;
}

static void host_flush(struct upstream_host *h)
{
    h->generation++;
    while (h->idle_first != NULL)
        upstream_conn_doom(upstream_conn_take(h), false);
}

void upstream_pool_flush(struct upstream_pool *p, uint64_t target_id)
{
    for (size_t i = 0; i < UPSTREAM_BUCKETS; i++)
        for (struct upstream_host *h = p->hosts[i]; h != NULL; h = h->next)
            if (target_id == 0 || h->id == target_id)
                host_flush(h);
}

struct buf upstream_buf_take(struct upstream_pool *p, size_t max)
{
    struct buf b = {0};
    if (p->bufs_n != 0)
        b = p->bufs[--p->bufs_n];
    b.max = max;
    return b;
}

void upstream_buf_give(struct upstream_pool *p, struct buf *b)
{
    if (b->p == NULL)
        return;
    if (b->cap > UPSTREAM_KEEP_BYTES || p->bufs_n == UPSTREAM_POOL_MAX) {
        buf_fini(b);
        return;
    }
    buf_reset(b);
    p->bufs[p->bufs_n++] = *b;
    *b = (struct buf){0};
}

void upstream_calls_push(struct upstream_calls *list, struct upstream_call *call)
{
    call->next = NULL;
    call->prev = list->last;
    if (list->last != NULL)
        list->last->next = call;
    else
        list->first = call;
    list->last = call;
}

void upstream_calls_drop(struct upstream_calls *list, struct upstream_call *call)
{
    if (call->prev != NULL)
        call->prev->next = call->next;
    else
        list->first = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    else
        list->last = call->prev;
    call->next = call->prev = NULL;
}

/* ---- targets ---- */

static void host_name(struct upstream_host *h, const struct upstream_target *t)
{
    bool ipv6 = strchr(t->host, ':') != NULL;
    char text[sizeof(h->authority)];
    (void)snprintf(text, sizeof(text), ipv6 ? "[%s]:%u" : "%s:%u", t->host, t->port);
    /* An address needs no look-up, and is believed for ever. */
    if (loop_addr_parse(str_c(text), &h->addrs[0]) == OK) {
        h->addrs_n = 1;
        h->resolved_until_us = INT64_MAX;
    }
    if (t->port == (t->tls ? 443 : 80))
        (void)snprintf(text, sizeof(text), ipv6 ? "[%s]" : "%s", t->host);
    memcpy(h->authority, text, sizeof(text));
    memcpy(h->name, t->host, sizeof(h->name));
}

/* An id whose address was changed is another target. */
static bool host_is(const struct upstream_host *h, const struct upstream_target *t)
{
    return h->id == t->id && h->port == t->port && h->is_tls == t->tls &&
           strcmp(h->name, t->host) == 0;
}

struct upstream_host *upstream_host_get(struct upstream_pool *p, const struct upstream_target *t)
{
    struct upstream_host **bucket = &p->hosts[t->id % UPSTREAM_BUCKETS];
    struct upstream_host *h = *bucket;
    while (h != NULL && !host_is(h, t))
        h = h->next;
    if (h == NULL) {
        h = mem_zalloc(sizeof(*h));
        h->id = t->id;
        h->port = t->port;
        h->is_tls = t->tls;
        host_name(h, t);
        h->next = *bucket;
        *bucket = h;
    }
    h->tls = t->tls ? t->tls_context : NULL; /* the configuration may have brought a new one */
    must(!t->tls || h->tls != NULL);
    return h;
}

/* ---- names ---- */

static void resolve_work(void *arg)
{
    struct upstream_resolve *r = arg;
    r->err = loop_resolve(r->name, r->port, r->addrs, UPSTREAM_ADDRS_MAX, &r->addrs_n);
}

static void resolve_done(void *arg)
{
    struct upstream_resolve *r = arg;
    struct upstream_host *h = r->host;
    if (h == NULL) {
        mem_free(r);
        return;
    }
    h->resolve = NULL;
    enum err e = r->addrs_n != 0 ? r->err : ERR_UPSTREAM_UNAVAILABLE;
    if (e == OK) {
        memcpy(h->addrs, r->addrs, sizeof(h->addrs));
        h->addrs_n = r->addrs_n;
        h->addr_first = 0;
        h->resolved_until_us = loop_now_us(r->pool->loop) + r->pool->o.resolve_ttl_us;
        r->pool->counts.resolved++;
    }
    mem_free(r);
    while (h->resolving.first != NULL) {
        struct upstream_call *call = h->resolving.first;
        upstream_calls_drop(&h->resolving, call);
        upstream_call_resolved(call, e);
    }
}

enum err upstream_resolve_start(struct upstream_pool *p, struct upstream_host *h)
{
    if (h->resolve != NULL)
        return OK;
    struct upstream_resolve *r = mem_zalloc(sizeof(*r));
    r->pool = p;
    r->host = h;
    r->port = h->port;
    memcpy(r->name, h->name, sizeof(r->name));
    enum err e = loop_work(p->loop, resolve_work, resolve_done, r);
    if (e != OK) {
        mem_free(r);
        return e;
    }
    h->resolve = r;
    return OK;
}

/* ---- old connections ---- */

void upstream_sweep_start(struct upstream_pool *p)
{
    if (p->sweeping)
        return;
    p->sweeping = true;
    loop_timer_start(&p->sweep, p->o.idle_us / 4 + 1);
}

static void sweep(void *arg)
{
    struct upstream_pool *p = arg;
    int64_t before = loop_now_us(p->loop) - p->o.idle_us;
    for (size_t i = 0; i < UPSTREAM_BUCKETS; i++)
        for (struct upstream_host *h = p->hosts[i]; h != NULL; h = h->next)
            while (h->idle_last != NULL && h->idle_last->idle_since_us <= before)
                upstream_conn_doom(h->idle_last, false);
    p->sweeping = false;
    if (p->counts.idle != 0)
        upstream_sweep_start(p);
}

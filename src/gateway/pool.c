/* Calls: taken from and given back to the loop's free list; and waiting for the disk. */
#include "gateway/steps.h"

#include <stdatomic.h>
#include "base/mem.h"

#define ANSWER_KEEP_BYTES (256u * 1024)
#define HELD_BACK_BYTES_MAX (256u * 1024)
#define PREFIX_BYTES_MAX 2048
#define FREE_CALLS_MAX 4096

struct call *call_new(struct gateway_loop *gl, struct http_exchange *x, const struct product *p)
{
    struct call *c = gl->free_calls;
    if (c != NULL) {
        gl->free_calls = c->next;
    } else {
        c = mem_zalloc(sizeof(*c));
        buf_init(&c->answer, gl->g->o.answer_bytes_max + 1);
        buf_init(&c->held_back, HELD_BACK_BYTES_MAX);
        buf_init(&c->prefix_out, PREFIX_BYTES_MAX);
    }
    c->gl = gl;
    c->x = x;
    c->product = p;
    c->next = gl->calls;
    c->link = &gl->calls;
    if (c->next != NULL)
        c->next->link = &c->next;
    gl->calls = c;
    gl->calls_n++;
    return c;
}

static void keep_or_free(struct buf *b)
{
    if (b->cap > ANSWER_KEEP_BYTES)
        buf_fini(b);
    else
        buf_reset(b);
}

void call_at_turn_end(struct call *c)
{
    struct gateway_loop *gl = c->gl;
    if (c->late_link != NULL)
        return;
    c->late_next = gl->late;
    c->late_link = &gl->late;
    if (gl->late != NULL)
        gl->late->late_link = &c->late_next;
    gl->late = c;
}

static void not_late(struct call *c)
{
    if (c->late_link == NULL)
        return;
    *c->late_link = c->late_next;
    if (c->late_next != NULL)
        c->late_next->late_link = c->late_link;
    c->late_link = NULL;
}

void calls_turn_end(struct gateway_loop *gl)
{
    while (gl->late != NULL) {
        struct call *c = gl->late;
        not_late(c);
        if (c->settled)
            continue;
        call_journal_upstream_id(c);
        if (c->streaming)
            stream_turn_end(c);
    }
}

void call_free(struct call *c)
{
    struct gateway_loop *gl = c->gl;
    must(!c->held || c->settled);
    must(c->up == NULL && c->durable == NULL && !c->loading);
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    gl->calls_n--;
    loop_timer_stop(&c->timer);
    if (c->key != NULL)
        identity_key_unref(&c->key);
    if (c->snapshot != NULL)
        catalog_unref(&c->snapshot);
    if (c->counted != 0)
        atomic_fetch_sub_explicit(gl->g->o.buffered, c->counted, memory_order_relaxed);
    not_late(c);
    stream_fini(c);
    call_idem_end(c);
    keep_or_free(&c->answer);
    c->answer.max = gl->g->o.answer_bytes_max + 1;
    keep_or_free(&c->held_back);
    buf_reset(&c->prefix_out);
    struct buf answer = c->answer, held_back = c->held_back, prefix_out = c->prefix_out;
    memset(c, 0, sizeof(*c));
    c->answer = answer;
    c->held_back = held_back;
    c->prefix_out = prefix_out;
    c->next = gl->free_calls;
    gl->free_calls = c;
}

static bool is_durable(const struct call *c)
{
    return ledger_lane_durable(c->gl->lane) >= c->ticket;
}

void call_wait_durable(struct call *c, bool even_overlap, call_next_f next)
{
    struct gateway_loop *gl = c->gl;
    enum gateway_durability d = gl->g->o.durability;
    must(c->durable == NULL);
    bool waits = d == GATEWAY_STRICT || (d == GATEWAY_OVERLAP && even_overlap);
    if (!waits || is_durable(c)) {
        next(c);
        return;
    }
    c->durable = next;
    c->wait_prev = gl->wait_last;
    c->wait_next = NULL;
    if (gl->wait_last != NULL)
        gl->wait_last->wait_next = c;
    else
        gl->wait_first = c;
    gl->wait_last = c;
}

void call_wait_cancel(struct call *c)
{
    struct gateway_loop *gl = c->gl;
    if (c->durable == NULL)
        return;
    c->durable = NULL;
    if (c->wait_prev != NULL)
        c->wait_prev->wait_next = c->wait_next;
    else
        gl->wait_first = c->wait_next;
    if (c->wait_next != NULL)
        c->wait_next->wait_prev = c->wait_prev;
    else
        gl->wait_last = c->wait_prev;
}

/* The line is nearly sorted by ticket: a call that waits again joins at the end, with a later
 * ticket than all before it. So the first that is not durable ends the walk. */
void calls_wake(void *gateway_loop)
{
    struct gateway_loop *gl = gateway_loop;
    while (gl->wait_first != NULL && is_durable(gl->wait_first)) {
        struct call *c = gl->wait_first;
        call_next_f next = c->durable;
        call_wait_cancel(c);
        next(c);
    }
}

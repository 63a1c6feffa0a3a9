/* Timers: a binary heap by the time under which each was filed. A timer that is moved later keeps
 * its place and is filed anew when its old time comes, so that a deadline that is pushed on with
 * every byte costs one store. */
#include "loop/inner.h"
#include "base/mem.h"

static void heap_put(struct loop *loop, size_t at, struct loop_timer *t)
{
    loop->heap[at] = t;
    t->slot = at + 1;
}

static void heap_up(struct loop *loop, size_t at, struct loop_timer *t)
{
    while (at != 0 && loop->heap[(at - 1) / 2]->heap_us > t->heap_us) {
        heap_put(loop, at, loop->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(loop, at, t);
}

static void heap_down(struct loop *loop, size_t at, struct loop_timer *t)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= loop->heap_n)
            break;
        if (child + 1 < loop->heap_n && loop->heap[child + 1]->heap_us < loop->heap[child]->heap_us)
            child++;
        if (loop->heap[child]->heap_us >= t->heap_us)
            break;
        heap_put(loop, at, loop->heap[child]);
        at = child;
    }
    heap_put(loop, at, t);
}

static void heap_remove(struct loop *loop, struct loop_timer *t)
{
    size_t at = t->slot - 1;
    must(at < loop->heap_n && loop->heap[at] == t);
    t->slot = 0;
    struct loop_timer *last = loop->heap[--loop->heap_n];
    if (last == t)
        return;
    if (at != 0 && loop->heap[(at - 1) / 2]->heap_us > last->heap_us)
        heap_up(loop, at, last);
    else
        heap_down(loop, at, last);
}

void loop_timer_init(struct loop_timer *t, struct loop *loop, loop_f fn, void *arg)
{
    *t = (struct loop_timer){.loop = loop, .fn = fn, .arg = arg};
}

void loop_timer_start(struct loop_timer *t, int64_t in_us)
{
    struct loop *loop = t->loop;
    must(t->fn != NULL);
    /* At least one later than now, so that a timer that starts itself anew lets the turn end. */
    t->at_us = loop_now_us(loop) + (in_us > 0 ? in_us : 1);
    if (t->slot != 0) {
        if (t->at_us < t->heap_us) {
            t->heap_us = t->at_us;
            heap_up(loop, t->slot - 1, t);
        }
        return;
    }
    if (loop->heap_n == loop->heap_cap) {
        loop->heap_cap = loop->heap_cap != 0 ? 2 * loop->heap_cap : 64;
        loop->heap = mem_realloc(loop->heap, loop->heap_cap * sizeof(struct loop_timer *));
    }
    t->heap_us = t->at_us;
    heap_up(loop, loop->heap_n++, t);
}

void loop_timer_stop(struct loop_timer *t)
{
    if (t->slot != 0)
        heap_remove(t->loop, t);
}

void timer_ring(uv_timer_t *alarm)
{
    struct loop *loop = alarm->data;
    loop_turn_begin(loop);
    loop->alarm_us = INT64_MAX;
    int64_t now_us = loop->now_us;
    while (loop->heap_n != 0 && loop->heap[0]->heap_us <= now_us) {
        struct loop_timer *t = loop->heap[0];
        if (t->at_us > t->heap_us) {
            t->heap_us = t->at_us;
            heap_down(loop, 0, t);
            continue;
        }
        heap_remove(loop, t);
        t->fn(t->arg);
    }
}

/* Rings too early are harmless and cheaper than setting the alarm back in every turn. */
void timer_arm(struct loop *loop)
{
    if (loop->heap_n == 0 || loop->heap[0]->heap_us >= loop->alarm_us)
        return;
    int64_t in_us = loop->heap[0]->heap_us - loop->now_us;
    /* libuv counts from the whole millisecond before now: one more, so as not to ring early. */
    int64_t in_ms = in_us > 0 ? in_us / 1000 + 1 : 0;
    loop->alarm_us = loop->heap[0]->heap_us;
    must(uv_timer_start(&loop->alarm, timer_ring, (uint64_t)in_ms, 0) == 0);
}

void timer_drop_all(struct loop *loop)
{
    for (size_t i = 0; i < loop->heap_n; i++)
        loop->heap[i]->slot = 0;
    loop->heap_n = 0;
}

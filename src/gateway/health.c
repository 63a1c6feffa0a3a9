/* Counts by provider, for the operator's page; lost with the process. */
#include "base/mem.h"
#include "gateway/steps.h"

#include <stdatomic.h>

#define PROVIDERS 256
/* Doubling from a millisecond. */
#define TIMES 20

struct provider_seen {
    struct one {
        _Atomic int64_t provider; /* 0: free */
        _Atomic int64_t calls, failed;
        _Atomic int64_t times[TIMES];
    } list[PROVIDERS];
};

struct provider_seen *provider_seen_new(void)
{
    return mem_zalloc(sizeof(struct provider_seen));
}

/* NULL when there are more providers than places. */
static struct one *one_of(struct provider_seen *seen, int64_t provider, bool make)
{
    for (size_t i = 0; i < PROVIDERS; i++) {
        struct one *o = &seen->list[((uint64_t)provider + i) % PROVIDERS];
        int64_t there = atomic_load_explicit(&o->provider, memory_order_relaxed);
        if (there == provider)
            return o;
        if (there != 0)
            continue;
        if (!make)
            return NULL;
        if (atomic_compare_exchange_strong(&o->provider, &there, provider) || there == provider)
            return o;
    }
    return NULL;
}

void call_note_provider(const struct call *c, bool failed, int64_t us)
{
    const struct catalog_provider *p = c->plan.candidates[c->candidate].provider;
    struct one *o = one_of(c->gl->g->seen, p->id, true);
    if (o == NULL)
        return;
    atomic_fetch_add_explicit(&o->calls, 1, memory_order_relaxed);
    if (failed)
        atomic_fetch_add_explicit(&o->failed, 1, memory_order_relaxed);
    if (us <= 0)
        return;
    uint64_t ms = (uint64_t)us / 1000;
    unsigned slot = ms == 0 ? 0 : 64u - (unsigned)__builtin_clzll(ms);
    atomic_fetch_add_explicit(&o->times[slot < TIMES ? slot : TIMES - 1], 1, memory_order_relaxed);
}

void gateway_provider_health(const struct gateway *g, int64_t provider, struct gateway_health *ret)
{
    struct one *o = one_of(g->seen, provider, false);
    int64_t all = 0, sum = 0;
    *ret = (struct gateway_health){0, 0, 0};
    if (o == NULL)
        return;
    ret->calls = atomic_load_explicit(&o->calls, memory_order_relaxed);
    ret->failed = atomic_load_explicit(&o->failed, memory_order_relaxed);
    for (unsigned i = 0; i < TIMES; i++)
        all += atomic_load_explicit(&o->times[i], memory_order_relaxed);
    for (unsigned i = 0; i < TIMES && all != 0; i++) {
        sum += atomic_load_explicit(&o->times[i], memory_order_relaxed);
        if (sum * 2 < all)
            continue;
        ret->p50_ms = i == 0 ? 1 : (int64_t)3 << i >> 2; /* the middle of its slot */
        break;
    }
}

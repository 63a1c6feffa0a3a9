/* Counters and histograms: one slab per thread, summed when they are read. */
#include "base/mem.h"
#include "observe/observe.h"

#include <stdatomic.h>

/* Two buckets per power of two from 1 µs to about 134 s. */
#define BUCKETS 56

struct slab {
    struct slab *next;
    _Atomic uint64_t counters[METRIC__COUNT];
    struct {
        _Atomic uint64_t bucket[BUCKETS];
        _Atomic uint64_t sum_us;
    } times[METRIC_TIME__COUNT];
};

static _Atomic(struct slab *) slabs;
static _Thread_local struct slab *mine;

/* Slabs outlive their threads: what was counted stays counted. */
static struct slab *slab_of_thread(void)
{
    if (mine == NULL) {
        mine = mem_zalloc(sizeof(*mine));
        struct slab *head = atomic_load(&slabs);
        do {
            mine->next = head;
        } while (!atomic_compare_exchange_weak(&slabs, &head, mine));
    }
    return mine;
}

/* One writer per slab, so a plain load and store will do. */
static void bump(_Atomic uint64_t *c, uint64_t n)
{
    uint64_t v = atomic_load_explicit(c, memory_order_relaxed);
    atomic_store_explicit(c, v + n, memory_order_relaxed);
}

void observe_add(enum metric m, uint64_t n)
{
    bump(&slab_of_thread()->counters[m], n);
}

static unsigned bucket_of(int64_t us)
{
    if (us < 2)
        return 0;
    unsigned log = 63u - (unsigned)__builtin_clzll((uint64_t)us);
    unsigned half = (unsigned)((uint64_t)us >> (log - 1)) & 1u;
    unsigned b = log * 2 + half;
    return b < BUCKETS ? b : BUCKETS - 1;
}

/* The first value that no longer belongs to the bucket. */
static int64_t bucket_end(unsigned b)
{
    unsigned log = b / 2;
    if (b < 2)
        return 2;
    return b % 2 == 0 ? (INT64_C(3) << (log - 1)) : (INT64_C(2) << log);
}

void observe_time(enum metric_time m, int64_t us)
{
    struct slab *s = slab_of_thread();
    bump(&s->times[m].bucket[bucket_of(us)], 1);
    bump(&s->times[m].sum_us, us > 0 ? (uint64_t)us : 0);
}

uint64_t observe_get(enum metric m)
{
    uint64_t sum = 0;
    for (struct slab *s = atomic_load(&slabs); s != NULL; s = s->next)
        sum += atomic_load_explicit(&s->counters[m], memory_order_relaxed);
    return sum;
}

static uint64_t histogram_sum(enum metric_time m, uint64_t bucket[BUCKETS])
{
    uint64_t us = 0;
    for (unsigned b = 0; b < BUCKETS; b++)
        bucket[b] = 0;
    for (struct slab *s = atomic_load(&slabs); s != NULL; s = s->next) {
        for (unsigned b = 0; b < BUCKETS; b++)
            bucket[b] += atomic_load_explicit(&s->times[m].bucket[b], memory_order_relaxed);
        us += atomic_load_explicit(&s->times[m].sum_us, memory_order_relaxed);
    }
    return us;
}

int64_t observe_quantile_us(enum metric_time m, int64_t q_ppm)
{
    uint64_t bucket[BUCKETS], all = 0, seen = 0;
    histogram_sum(m, bucket);
    for (unsigned b = 0; b < BUCKETS; b++)
        all += bucket[b];
    for (unsigned b = 0; b < BUCKETS; b++) {
        seen += bucket[b];
        if (seen != 0 && seen * 1000000 >= all * (uint64_t)q_ppm)
            return bucket_end(b);
    }
    return 0;
}

static void render_counter(struct buf *out, const char *name, const char *help, uint64_t v)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n%s %llu\n", name, help, name, name,
               (unsigned long long)v);
}

static void render_histogram(struct buf *out, enum metric_time m, const char *name,
                             const char *help)
{
    uint64_t bucket[BUCKETS], seen = 0;
    uint64_t us = histogram_sum(m, bucket);
    buf_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
    for (unsigned b = 0; b < BUCKETS; b++) {
        seen += bucket[b];
        if (b % 2 == 1 && b >= 11 && b < BUCKETS - 1) {
            int64_t end = bucket_end(b);
            buf_printf(out, "%s_bucket{le=\"%lld.%06lld\"} %llu\n", name,
                       (long long)(end / 1000000), (long long)(end % 1000000),
                       (unsigned long long)seen);
        }
    }
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %llu.%06llu\n%s_count %llu\n", name,
               (unsigned long long)seen, name, (unsigned long long)(us / 1000000),
               (unsigned long long)(us % 1000000), name, (unsigned long long)seen);
}

void observe_render(struct buf *out)
{
#define COUNTER(name, text, help) render_counter(out, text, help, observe_get(METRIC_##name));
    METRIC_COUNTERS(COUNTER)
#undef COUNTER
#define HISTOGRAM(name, text, help) render_histogram(out, METRIC_TIME_##name, text, help);
    METRIC_HISTOGRAMS(HISTOGRAM)
#undef HISTOGRAM
}

void observe_gauge(struct buf *out, const char *name, const char *help, int64_t value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %lld\n", name, help, name, name,
               (long long)value);
}

/* GCRA, rings, concurrency of one subject. */
#include "limits/bucket.h"
#include "base/clock.h"
#include "base/mem.h"

#define MINUTE_TICKS (60 * US_PER_S * LIMITS_TICKS_PER_US)
#define ROOM_MAX_TICKS (30 * US_PER_DAY * LIMITS_TICKS_PER_US)
#define DEBT_MAX_TICKS (US_PER_HOUR * LIMITS_TICKS_PER_US)
#define HOUR_CELLS 60
#define HOUR_CELL_US (60 * US_PER_S)
#define DAY_CELLS 96
#define DAY_CELL_US (15 * 60 * US_PER_S)
/* Nobody knows when a place among concurrent calls comes free. */
#define CONCURRENCY_RETRY_US US_PER_S

#define RPM_MAX INT64_C(1000000000)
#define TPM_MAX INT64_C(10000000000)
#define COUNT_MAX INT64_C(4000000000)

static const char *const scope_names[LIMITS_SCOPE__COUNT] = {"global", "team", "user", "key"};

static int64_t ticks(int64_t us)
{
    return us * LIMITS_TICKS_PER_US;
}

static int64_t us_up(int64_t t)
{
    return t <= 0 ? 0 : (t + LIMITS_TICKS_PER_US - 1) / LIMITS_TICKS_PER_US;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- rules ---- */

bool limits_rule_is_unset(const struct limits_rule *r)
{
    return r->rpm < 0 && r->burst < 0 && r->per_hour < 0 && r->per_day < 0 && r->tpm < 0 &&
           r->concurrency < 0 && r->max_tokens < 0;
}

bool limits_rate_is_on(const struct limits_rate *rate)
{
    const struct limits_rule *r = &rate->rule;
    return r->rpm > 0 || r->per_hour > 0 || r->per_day > 0 || r->tpm > 0 || r->concurrency > 0;
}

const char *limits_rule_fault(const struct limits_rule *r)
{
    const struct {
        int64_t value, max;
        const char *wrong;
    } fields[] = {
        {r->rpm, RPM_MAX, "requests per minute are 0 (off) to 1,000,000,000"},
        {r->burst, RPM_MAX, "the burst is 0 (a minute's worth) to 1,000,000,000"},
        {r->per_hour, COUNT_MAX, "requests per hour are 0 (off) to 4,000,000,000"},
        {r->per_day, COUNT_MAX, "requests per day are 0 (off) to 4,000,000,000"},
        {r->tpm, TPM_MAX, "tokens per minute are 0 (off) to 10,000,000,000"},
        {r->concurrency, RPM_MAX, "concurrent requests are 0 (off) to 1,000,000,000"},
        {r->max_tokens, COUNT_MAX, "the most output tokens are 0 (any) to 4,000,000,000"},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (fields[i].value < -1 || fields[i].value > fields[i].max)
            return fields[i].wrong;
    if (r->rpm > 0 && r->burst > 0 && r->burst / r->rpm >= 30 * 24 * 60)
        return "the burst is more than 30 days' worth of requests";
    return NULL;
}

static int64_t over(int64_t own, int64_t fallback)
{
    return own >= 0 ? own : max64(fallback, 0);
}

void limits_rate_make(const struct limits_rule *own, const struct limits_rule *defaults,
                      struct limits_rate *ret)
{
    struct limits_rule r = {
        .rpm = min64(over(own->rpm, defaults->rpm), RPM_MAX),
        .burst = over(own->burst, defaults->burst),
        .per_hour = min64(over(own->per_hour, defaults->per_hour), COUNT_MAX),
        .per_day = min64(over(own->per_day, defaults->per_day), COUNT_MAX),
        .tpm = min64(over(own->tpm, defaults->tpm), TPM_MAX),
        .concurrency = over(own->concurrency, defaults->concurrency),
        .max_tokens = over(own->max_tokens, defaults->max_tokens),
    };
    /* A rate of its own with the scope's burst: "5 a minute" must not let ten through at once. */
    if (own->burst < 0 && own->rpm > 0 && r.burst > r.rpm)
        r.burst = r.rpm;
    if (r.burst <= 0)
        r.burst = r.rpm;
    *ret = (struct limits_rate){.rule = r};
    if (r.rpm > 0) {
        ret->req_step = (MINUTE_TICKS + r.rpm - 1) / r.rpm;
        ret->rule.burst = min64(r.burst, ROOM_MAX_TICKS / ret->req_step);
        ret->req_room = ret->rule.burst * ret->req_step;
    }
    if (r.tpm > 0) {
        ret->tok_step = (MINUTE_TICKS + r.tpm - 1) / r.tpm;
        ret->tok_room = r.tpm * ret->tok_step;
    }
}

/* ---- rings ---- */

static struct limits_ring *ring_new(uint32_t cells, int64_t cell_us)
{
    struct limits_ring *ring = mem_zalloc(sizeof(*ring) + (cells + 1) * sizeof(ring->count[0]));
    ring->cells = cells;
    ring->cell_us = cell_us;
    return ring;
}

static void ring_advance(struct limits_ring *ring, int64_t now_us)
{
    int64_t cell = now_us / ring->cell_us, size = ring->cells + 1;
    if (cell <= ring->last)
        return;
    int64_t from = max64(ring->last + 1, cell - size + 1);
    for (int64_t c = from; c <= cell; c++) {
        ring->sum -= ring->count[c % size];
        ring->count[c % size] = 0;
    }
    ring->last = cell;
}

/* When the sum will have fallen below the limit: at the end of the cell that holds what is too
 * much, plus the window. */
static int64_t ring_retry_us(const struct limits_ring *ring, int64_t limit, int64_t now_us)
{
    int64_t sum = ring->sum, size = ring->cells + 1;
    for (int64_t c = ring->last - ring->cells; c <= ring->last; c++) {
        if (c >= 0)
            sum -= ring->count[c % size];
        if (sum < limit)
            return max64((c + size) * ring->cell_us - now_us, 1);
    }
    return ring->cell_us;
}

static void ring_give_back(struct limits_ring *ring, int64_t at_us)
{
    int64_t cell = at_us / ring->cell_us, size = ring->cells + 1;
    if (cell > ring->last || cell + size <= ring->last || ring->count[cell % size] == 0)
        return;
    ring->count[cell % size]--;
    ring->sum--;
}

static bool ring_check(struct limits_ring **ring, uint32_t cells, int64_t cell_us, int64_t limit,
                       int64_t now_us, int64_t *ret_retry_us)
{
    if (limit <= 0)
        return true;
    if (*ring == NULL)
        *ring = ring_new(cells, cell_us);
    ring_advance(*ring, now_us);
    if ((*ring)->sum < limit)
        return true;
    *ret_retry_us = ring_retry_us(*ring, limit, now_us);
    return false;
}

static void ring_take(struct limits_ring *ring, int64_t limit, int64_t now_us)
{
    if (ring == NULL || limit <= 0)
        return;
    ring_advance(ring, now_us);
    ring->count[ring->last % (ring->cells + 1)]++;
    ring->sum++;
}

/* ---- the bucket ---- */

static int64_t load(_Atomic int64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void store(_Atomic int64_t *v, int64_t to)
{
    atomic_store_explicit(v, to, memory_order_relaxed);
}

static void deny(struct limits_denial *d, const struct limits_bucket *b, const char *limit,
                 int64_t value, int64_t retry_us)
{
    if (d->limit != NULL && d->retry_us >= retry_us)
        return;
    *d = (struct limits_denial){limit, scope_names[b->scope], value, retry_us};
}

bool limits_bucket_check(struct limits_bucket *b, int64_t tokens, int64_t now_us,
                         struct limits_denial *denial)
{
    const struct limits_rate *r = &b->rate;
    int64_t now = ticks(now_us), retry_us = 0, late;
    bool ok = true;
    if (r->req_step != 0) {
        late = max64(now, load(&b->req_tat)) + r->req_step - r->req_room - now;
        if (late > 0) {
            deny(denial, b, "requests per minute", r->rule.rpm, us_up(late));
            ok = false;
        }
    }
    if (r->tok_step != 0) {
        late = max64(now, load(&b->tok_tat)) + tokens * r->tok_step - r->tok_room - now;
        if (late > 0) {
            deny(denial, b, "tokens per minute", r->rule.tpm, us_up(late));
            ok = false;
        }
    }
    if (!ring_check(&b->hour, HOUR_CELLS, HOUR_CELL_US, r->rule.per_hour, now_us, &retry_us)) {
        deny(denial, b, "requests per hour", r->rule.per_hour, retry_us);
        ok = false;
    }
    if (!ring_check(&b->day, DAY_CELLS, DAY_CELL_US, r->rule.per_day, now_us, &retry_us)) {
        deny(denial, b, "requests per day", r->rule.per_day, retry_us);
        ok = false;
    }
    if (r->rule.concurrency > 0 && b->inflight >= r->rule.concurrency) {
        deny(denial, b, "concurrent requests", r->rule.concurrency, CONCURRENCY_RETRY_US);
        ok = false;
    }
    return ok;
}

void limits_bucket_take(struct limits_bucket *b, int64_t tokens, int64_t now_us,
                        struct limits_taken *taken, size_t i)
{
    const struct limits_rate *r = &b->rate;
    int64_t now = ticks(now_us);
    if (r->req_step != 0) {
        taken->request_tat[i] = max64(now, load(&b->req_tat)) + r->req_step;
        store(&b->req_tat, taken->request_tat[i]);
        taken->request_shift[i] = b->shift;
    }
    if (r->tok_step != 0) {
        taken->tokens_tat[i] = max64(now, load(&b->tok_tat)) + tokens * r->tok_step;
        store(&b->tok_tat, taken->tokens_tat[i]);
    }
    ring_take(b->hour, r->rule.per_hour, now_us);
    ring_take(b->day, r->rule.per_day, now_us);
    b->inflight++;
    b->touched_us = now_us;
    taken->held[i] = true;
    taken->placed[i] = true;
}

/* Takes `amount` ticks back from the time, no further than now: what has drained stays drained. */
static int64_t give_back(_Atomic int64_t *tat, int64_t amount, int64_t now)
{
    int64_t seen = load(tat), to;
    do {
        to = max64(seen - amount, min64(seen, now));
        if (to == seen)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(tat, &seen, to, memory_order_relaxed,
                                                    memory_order_relaxed));
    return seen - to;
}

void limits_bucket_settle(struct limits_bucket *b, const struct limits_taken *taken, size_t i,
                          int64_t tokens_used, int64_t now_us)
{
    const struct limits_rate *r = &b->rate;
    int64_t now = ticks(now_us);
    if (taken->placed[i] && b->inflight > 0)
        b->inflight--;
    b->touched_us = max64(b->touched_us, now_us);
    if (r->tok_step == 0 || taken->tokens_tat[i] == 0)
        return;
    if (tokens_used > taken->tokens) {
        int64_t more = min64(tokens_used - taken->tokens, DEBT_MAX_TICKS / r->tok_step);
        int64_t tat = max64(now, load(&b->tok_tat));
        store(&b->tok_tat, max64(tat, min64(tat + more * r->tok_step, now + DEBT_MAX_TICKS)));
        return;
    }
    int64_t back = (taken->tokens - tokens_used) * r->tok_step;
    /* Of its own reservation, what time has not paid for yet. */
    back = min64(back, taken->tokens_tat[i] - now);
    if (back > 0)
        (void)give_back(&b->tok_tat, back, now);
}

void limits_bucket_release(struct limits_bucket *b, const struct limits_taken *taken, size_t i,
                           int64_t now_us)
{
    int64_t now = ticks(now_us);
    limits_bucket_settle(b, taken, i, 0, now_us);
    if (taken->request_tat[i] != 0 && b->rate.req_step != 0) {
        /* Others that were given back since have moved this one forward. */
        int64_t end = taken->request_tat[i] - (b->shift - taken->request_shift[i]);
        int64_t back = min64(b->rate.req_step, end - now);
        if (back > 0)
            b->shift += give_back(&b->req_tat, back, now);
    }
    if (b->hour != NULL && b->rate.rule.per_hour > 0)
        ring_give_back(b->hour, taken->at_us);
    if (b->day != NULL && b->rate.rule.per_day > 0)
        ring_give_back(b->day, taken->at_us);
}

void limits_bucket_rescale(struct limits_bucket *b, int64_t old_step, int64_t now_us)
{
    int64_t now = ticks(now_us), left = load(&b->req_tat) - now, step = b->rate.req_step;
    if (left <= 0 || old_step == 0 || step == 0 || step == old_step)
        return;
    int64_t requests = min64((left + old_step - 1) / old_step, b->rate.req_room / step);
    store(&b->req_tat, now + requests * step);
    b->shift += left - requests * step;
}

static void view_requests(struct limits_view *view, int64_t limit, int64_t left, int64_t reset_us)
{
    if (view->requests_limit >= 0 && view->requests_left <= left)
        return;
    view->requests_limit = limit;
    view->requests_left = max64(left, 0);
    view->requests_reset_us = reset_us;
}

static void view_ring(struct limits_view *view, struct limits_ring *ring, int64_t limit,
                      int64_t now_us)
{
    if (limit <= 0 || ring == NULL)
        return;
    ring_advance(ring, now_us);
    int64_t size = ring->cells + 1, c = ring->last, reset_us = 0;
    while (ring->sum > 0 && ring->count[c % size] == 0)
        c--;
    if (ring->sum > 0)
        reset_us = (c + size) * ring->cell_us - now_us;
    view_requests(view, limit, limit - ring->sum, reset_us);
}

void limits_bucket_view_requests(struct limits_bucket *b, const struct limits_rate *rate,
                                 int64_t now_us, struct limits_view *view)
{
    if (rate->req_step == 0)
        return;
    int64_t used = max64(load(&b->req_tat) - ticks(now_us), 0);
    view_requests(view, rate->rule.burst, (rate->req_room - used) / rate->req_step, us_up(used));
}

void limits_bucket_view(struct limits_bucket *b, int64_t now_us, struct limits_view *view)
{
    const struct limits_rate *r = &b->rate;
    limits_bucket_view_requests(b, r, now_us, view);
    view_ring(view, b->hour, r->rule.per_hour, now_us);
    view_ring(view, b->day, r->rule.per_day, now_us);
    if (r->tok_step == 0)
        return;
    int64_t used = max64(load(&b->tok_tat) - ticks(now_us), 0);
    int64_t left = max64((r->tok_room - used) / r->tok_step, 0);
    if (view->tokens_limit >= 0 && view->tokens_left <= left)
        return;
    view->tokens_limit = r->rule.tpm;
    view->tokens_left = left;
    view->tokens_reset_us = us_up(used);
}

bool limits_bucket_take_request(struct limits_bucket *b, const struct limits_rate *rate,
                                int64_t now_us, struct limits_taken *taken, size_t i,
                                struct limits_denial *denial)
{
    int64_t now = ticks(now_us), seen = load(&b->req_tat), to;
    do {
        to = max64(now, seen) + rate->req_step;
        if (to - rate->req_room > now) {
            deny(denial, b, "requests per minute", rate->rule.rpm,
                 us_up(to - rate->req_room - now));
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&b->req_tat, &seen, to, memory_order_relaxed,
                                                    memory_order_relaxed));
    taken->held[i] = true;
    taken->request_tat[i] = to;
    return true;
}

void limits_bucket_free(struct limits_bucket *b)
{
    mem_free(b->hour);
    mem_free(b->day);
    mem_free(b);
}

/* One subject's state, and the arithmetic on it. Inside this room only; no locks, no clock.
 *
 * Owns: two rings per bucket, made on first use.
 * Threads: under the lock of the bucket's shard; the two GCRA times are atomic because the global
 * bucket is taken without a lock.
 * Units: ticks of 1/64 ns, so that a million tokens per second still divide a second exactly
 * enough; the interval of one unit is rounded up, so that never more than the rate comes through.
 * Source: GCRA in integers: T = period/count, tat' = max(now, tat) + n·T, allowed if
 * tat' − B·T <= now. */
#ifndef LIMITS_BUCKET_H
#define LIMITS_BUCKET_H

#include "limits/limits.h"

#include <stdatomic.h>

#define LIMITS_TICKS_PER_US INT64_C(64000)

/* A ring counts the cell that now is in and `cells` before it, the oldest in full: any window of
 * cells × cell_us lies within them, and room comes back at most one cell late. */
struct limits_ring {
    int64_t cell_us;
    uint32_t cells; /* beside the present one */
    int64_t last; /* number of the present cell */
    int64_t sum;
    uint32_t count[];
};

/* A rule made ready: every field 0 or more, 0 is off. */
struct limits_rate {
    struct limits_rule rule;
    int64_t req_step, req_room; /* T and B·T of requests; step 0: off */
    int64_t tok_step, tok_room;
};

struct limits_bucket {
    struct id id;
    enum limits_scope scope;
    struct limits_rule own; /* what was set for this subject */
    enum limits_tier tier; /* of a user, as he last came */
    struct limits_raise plan; /* of a team: for its members; of a user: his team's as he came */
    bool pinned; /* own or a team's plan is set: never dropped */
    uint64_t generation; /* of the defaults that rate was made of */
    struct limits_rate rate;
    _Atomic int64_t req_tat, tok_tat;
    int64_t shift; /* ticks given back so far: see limits_taken */
    int64_t inflight;
    struct limits_ring *hour, *day;
    int64_t touched_us;
    struct limits_bucket *next;
};

bool limits_rule_is_unset(const struct limits_rule *rule);
/* Does anything in it need a bucket? */
bool limits_rate_is_on(const struct limits_rate *rate);
/* `own` over `defaults`. */
void limits_rate_make(const struct limits_rule *own, const struct limits_rule *defaults,
                      struct limits_rate *ret_rate);

/* The rate is another one now: requests that have not drained count by it, up to its burst. */
void limits_bucket_rescale(struct limits_bucket *b, int64_t old_step, int64_t now_us);
/* Would it admit the call? Else notes the denial if it lasts longer than what stands there. */
bool limits_bucket_check(struct limits_bucket *b, int64_t tokens, int64_t now_us,
                         struct limits_denial *denial);
/* After the check, under the same lock. i is the place in `taken`. */
void limits_bucket_take(struct limits_bucket *b, int64_t tokens, int64_t now_us,
                        struct limits_taken *taken, size_t i);
void limits_bucket_settle(struct limits_bucket *b, const struct limits_taken *taken, size_t i,
                          int64_t tokens_used, int64_t now_us);
void limits_bucket_release(struct limits_bucket *b, const struct limits_taken *taken, size_t i,
                           int64_t now_us);
/* Narrows the view to this bucket's limits where they are closer to their end. */
void limits_bucket_view(struct limits_bucket *b, int64_t now_us, struct limits_view *view);
void limits_bucket_free(struct limits_bucket *b);

/* Without a lock: only requests per minute. */
bool limits_bucket_take_request(struct limits_bucket *b, const struct limits_rate *rate,
                                int64_t now_us, struct limits_taken *taken, size_t i,
                                struct limits_denial *denial);
void limits_bucket_view_requests(struct limits_bucket *b, const struct limits_rate *rate,
                                 int64_t now_us, struct limits_view *view);

#endif

/* Rate limits, in this process: GCRA for requests and tokens per minute, rings of cells for the
 * hour and the day, concurrency.
 *
 * Owns: tables limit_rule; the buckets in memory.
 * Needs: store, base.
 * Threads: limits_take, _settle, _release on any thread, never blocking (short locks of the shards
 * of the subjects, always in the same order; the global rate by compare-and-swap, unless hours,
 * days, tokens or concurrency are limited globally); control functions block.
 * Memory: a bucket per subject, made on first use; those untouched for two days go.
 * Units: µs, requests, tokens.
 * Errors: RATE_LIMITED with which limit and how long; VALIDATION_FAILED (tokens over the largest
 * request).
 * Always: all limits of a call are taken together or none. Bounds, asserted by the tests: GCRA
 * admits at most burst + rate × t in any time t ("60/min, burst 10" lets 70 through in some
 * minute); a ring of k cells (60 of the hour, 96 of the day, and the present one) never admits
 * more than its limit in any window, and gives room back at most 1/k of the window late. Tokens:
 * what is reserved less what is given back stays within tokens × (1 + minutes). */
#ifndef LIMITS_LIMITS_H
#define LIMITS_LIMITS_H

#include "base/err.h"
#include "base/id.h"
#include "store/store.h"

struct limits;

enum limits_scope { LIMITS_GLOBAL, LIMITS_TEAM, LIMITS_USER, LIMITS_KEY, LIMITS_SCOPE__COUNT };

/* 0: off; -1: not set here (the scope's default holds). burst 0: a minute's worth. A subject's own
 * rpm with the scope's burst: the burst is at most the rpm. */
struct limits_rule {
    int64_t rpm, burst, per_hour, per_day, tpm, concurrency, max_tokens;
};
/* Its figures by name, as members of JSON and as options. */
#define LIMITS_FIELDS 7
struct limits_field {
    const char *name, *option; /* "per_hour", "per-hour" */
};
extern const struct limits_field limits_fields[LIMITS_FIELDS];
int64_t *limits_field_of(struct limits_rule *rule, size_t field);
#define LIMITS_UNSET ((struct limits_rule){-1, -1, -1, -1, -1, -1, -1})

struct limits_options {
    struct limits_rule
        defaults[LIMITS_SCOPE__COUNT]; /* user: 60/min burst 10; global: 10,000/min */
    /* What users get at least whose wallet has much: rpm and burst alone; rpm 0: no such tier. It
     * raises a limit, and never sets one where there is none. */
    struct limits_rule funded;
};
/* Reads the rules of single subjects from the store. */
MUST enum err limits_new(struct store *store, const struct limits_options *options,
                         struct limits **ret_limits);
void limits_free(struct limits **limits);
/* New defaults after a reload of the configuration. */
void limits_set_defaults(struct limits *limits, const struct limits_options *options);

#define LIMITS_SUBJECTS 4
/* What one call took, by scope; give it to _settle or _release once. Zero-initialised: nothing
 * taken. */
struct limits_taken {
    struct id subject[LIMITS_SUBJECTS];
    bool held[LIMITS_SUBJECTS]; /* took part */
    bool placed[LIMITS_SUBJECTS]; /* counts among the concurrent ones */
    int64_t tokens;
    int64_t at_us;
    /* Where in the bucket it lies, so that what is given back is what has not drained yet. */
    int64_t request_tat[LIMITS_SUBJECTS], request_shift[LIMITS_SUBJECTS];
    int64_t tokens_tat[LIMITS_SUBJECTS];
};
/* For the x-ratelimit headers: of the limit closest to its end. limit < 0: none applies. Of
 * requests per minute the limit is the burst, as redis-cell and OpenAI say it: what may come at
 * once. */
struct limits_view {
    int64_t requests_limit, requests_left, requests_reset_us;
    int64_t tokens_limit, tokens_left, tokens_reset_us;
};
struct limits_denial {
    const char *limit; /* "requests per minute", … */
    const char *scope; /* "user", "key", "team", "global" */
    int64_t value;
    int64_t retry_us; /* when it may work again; of several refusals the longest */
};
enum limits_tier { LIMITS_TIER_BASE, LIMITS_TIER_FUNDED };
/* Takes one request and `tokens` (estimate: prompt plus output cap) from all limits of global,
 * team, user and key (a zero id: none). RATE_LIMITED: nothing is taken. VALIDATION_FAILED: tokens
 * is more than a whole minute's of some limit, so that it can never pass; the denial says which.
 * The view is filled in any case. */
MUST enum err limits_take(struct limits *limits, struct id team, struct id user, struct id key,
                          enum limits_tier tier, int64_t tokens, int64_t mono_us,
                          struct limits_taken *ret_taken, struct limits_view *ret_view,
                          struct limits_denial *ret_denial);
/* The call ended: gives back or takes the difference of tokens, frees its place. tokens_used 0 for
 * calls that were not served; requests are not given back. */
void limits_settle(struct limits *limits, struct limits_taken *taken, int64_t tokens_used,
                   int64_t mono_us);
/* A later step refused: everything is given back, the request too. */
void limits_release(struct limits *limits, struct limits_taken *taken, int64_t mono_us);
/* Most output tokens one request may ask for; 0: any. */
int64_t limits_max_tokens(struct limits *limits, struct id team, struct id user, struct id key);

/* What is wrong with a rule, for people; NULL: nothing. */
const char *limits_rule_fault(const struct limits_rule *rule);
/* Control. `subject` zero for global. Fields of 0 or more are set, those of -1 stay as they were
 * set before; LIMITS_UNSET takes the subject's rule away. VALIDATION_FAILED when limits_rule_fault
 * says so or the subject does not go with the scope. Acts when the transaction commits. */
MUST enum err limits_set_in(struct limits *limits, struct store_conn *conn, enum limits_scope scope,
                            struct id subject, const struct limits_rule *rule, int64_t wall_us);
/* What the team's plan gives each of its members at least, in calls of that team: it raises a
 * default as the funded tier does. rpm 0: there is no such plan (any more). Acts when the
 * transaction commits. */
struct limits_raise {
    int64_t rpm, burst;
};
MUST enum err limits_plan_set_in(struct limits *limits, struct store_conn *conn, struct id team,
                                 struct limits_raise raise, int64_t wall_us);
/* What holds for the subject (its own rule over the default). */
void limits_get(struct limits *limits, enum limits_scope scope, struct id subject,
                struct limits_rule *ret_rule);

#endif

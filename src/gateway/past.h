/* What was, as customers and operators look at it: sums, series, single calls.
 *
 * Owns: nothing; reads the tables usage and usage_hour.
 * Needs: store.
 * Threads: any; blocks. A connection of the caller's.
 * Memory: rows live until the callback returns.
 * Units: µs, hours since 1970, tokens, nano-dollars.
 * Errors: the store's.
 * Always: one team's, which the caller has checked; what ended within the last milliseconds is
 * there after ledger_settled_up. */
#ifndef GATEWAY_PAST_H
#define GATEWAY_PAST_H

#include "base/id.h"
#include "base/units.h"
#include "store/store.h"

struct past_sums {
    int64_t requests, failed, input, output;
    struct nano charge;
};
/* From hour to hour, the last one not included. Whole days are read by day: thirty times faster. */
MUST enum err past_sums_read(struct store_conn *conn, struct id team, int64_t from_hour,
                             int64_t to_hour, struct past_sums *ret);

/* Can the time be read by day? A day that has just begun may end in the future. */
bool past_is_days(int64_t from_hour, int64_t to_hour, int64_t now_us);

struct past_point {
    int64_t hour; /* the bucket's first */
    struct id key;
    struct str model;
    struct past_sums sums;
};
typedef void (*past_point_f)(void *arg, const struct past_point *p);
/* In buckets of so many hours, by key and model. */
MUST enum err past_series(struct store_conn *conn, struct id team, int64_t from_hour,
                          int64_t to_hour, int64_t bucket_hours, past_point_f fn, void *arg);

struct past_day {
    int64_t day; /* since 1970 */
    int64_t requests;
    struct nano charge;
};
typedef void (*past_day_f)(void *arg, const struct past_day *d);
/* Days on which something was charged, newest first. */
MUST enum err past_days(struct store_conn *conn, struct id team, int64_t from_day, int64_t to_day,
                        int64_t limit, past_day_f fn, void *arg);

enum past_status { PAST_ANY, PAST_COMPLETED, PAST_FAILED, PAST_STATUS__COUNT };
struct past_filter {
    struct id team;
    int64_t start_us, end_us;
    struct id below; /* only calls with lower ids; zero: no bound */
    struct str model; /* empty: all */
    struct id key, member; /* zero: all */
    enum past_status status;
    int64_t limit;
};
struct past_line {
    struct id call, user, key;
    struct str model;
    const char *basis;
    int64_t status, input, output, started_us, ended_us, first_byte_us;
    struct nano charge;
    bool unresolved, stream;
};
typedef void (*past_line_f)(void *arg, const struct past_line *l);
/* Newest first. */
MUST enum err past_lines(struct store_conn *conn, const struct past_filter *f, past_line_f fn,
                         void *arg);
/* 0: none yet. */
MUST enum err past_last_call(struct store_conn *conn, struct id team, int64_t *ret_us);

struct past_margin {
    struct str model; /* by model */
    struct id team; /* by team */
    int64_t requests;
    struct nano charge, cost;
};
typedef void (*past_margin_f)(void *arg, const struct past_margin *m);
/* Of the whole house, the greatest charge first, at most 1,000. */
MUST enum err past_margins(struct store_conn *conn, bool by_team, int64_t from_day, int64_t to_day,
                           past_margin_f fn, void *arg);

struct past_model {
    struct str model;
    int64_t requests, input, output, cache_read;
    struct nano charge, cost;
};
typedef void (*past_model_f)(void *arg, const struct past_model *m);
/* Of the whole house, the greatest charge first, at most 1,000. */
MUST enum err past_models(struct store_conn *conn, int64_t from_day, int64_t to_day,
                          past_model_f fn, void *arg);

/* Calls whose outcome is unknown, up to as many as their list shows (1,000). */
MUST enum err past_unresolved(struct store_conn *conn, int64_t *ret_n);

#endif

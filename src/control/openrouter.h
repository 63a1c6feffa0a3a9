/* OpenRouter's keys API, as far as keys of single users need it.
 * Source: OpenRouter API, /keys (management key).
 *
 * Owns: nothing.
 * Needs: outbound, catalog (where it is).
 * Threads: worker threads; blocks for up to 30 s a call.
 * Memory: texts in the arena given.
 * Units: nano-dollars.
 * Errors: as outcomes of a job's step, with words in call->why: RETRY when nothing was done,
 * UNKNOWN when that cannot be told, FAILED when it is refused for good, ABSENT when there is no
 * such key.
 * Always: the management key and the keys that are made are in no log. */
#ifndef CONTROL_OPENROUTER_H
#define CONTROL_OPENROUTER_H

#include "catalog/catalog.h"
#include "jobs/jobs.h"

struct openrouter {
    struct catalog *catalog;
    const char *provider; /* the catalog's name of it; empty: users have no keys of their own */
    const char *management_key;
    const char *limit_reset; /* of those without a subscription */
    const char *ca_file;
};
static inline bool openrouter_is_configured(const struct openrouter *o)
{
    return o->provider != NULL && o->provider[0] != '\0' && o->management_key != NULL &&
           o->management_key[0] != '\0';
}

/* Has the provider been added? */
bool openrouter_is_there(const struct openrouter *o);

struct openrouter_key {
    struct str hash, name;
    struct nano limit, remaining; /* -1: none */
    struct nano usage; /* within the limit's period */
    struct nano usage_monthly, byok_usage_monthly;
    bool disabled;
};

/* What a key may spend, and when that begins anew: "", "daily", "weekly", "monthly". */
struct openrouter_limit {
    struct nano amount;
    const char *reset;
};
/* DONE: ret_secret is the key itself. */
enum jobs_outcome openrouter_key_make(const struct openrouter *o, struct jobs_call *call,
                                      struct str name, struct openrouter_limit limit,
                                      struct str *ret_hash, struct str *ret_secret);
/* Its usage is told by the period of `reset`. */
enum jobs_outcome openrouter_key_read(const struct openrouter *o, struct jobs_call *call,
                                      struct str hash, const char *reset,
                                      struct openrouter_key *ret);
enum jobs_outcome openrouter_key_limit(const struct openrouter *o, struct jobs_call *call,
                                       struct str hash, struct openrouter_limit limit);
/* DONE also when it was gone. */
enum jobs_outcome openrouter_key_end(const struct openrouter *o, struct jobs_call *call,
                                     struct str hash);
/* Every key of the account; fn's key lives during the call, false ends the walk. */
enum jobs_outcome openrouter_keys_walk(const struct openrouter *o, struct jobs_call *call,
                                       bool (*fn)(void *arg, const struct openrouter_key *key),
                                       void *arg);

#endif

/* A key of its own at the provider for each user who wants one: made, limited to his credit, looked
 * after, rotated.
 *
 * Owns: job kinds "upstream_key", "upstream_limit", "upstream_end", "upstream_check".
 * Needs: jobs, identity (the keys), ledger (the limits), openrouter.
 * Threads: functions ending in _in inside a store_write closure; the rest by the one who opens the
 * house.
 * Memory: none kept.
 * Units: µs.
 * Errors: CONFLICT (a rotation is under way), NOT_FOUND, NOT_IMPLEMENTED (no provider for it).
 * Always: a key's value is in no answer, no log and no job; what the provider made and we have not
 * is ended there before another one is made. */
#ifndef CONTROL_UPSTREAM_KEYS_H
#define CONTROL_UPSTREAM_KEYS_H

#include "control/openrouter.h"
#include "identity/upstream.h"
#include "jobs/jobs.h"
#include "ledger/ledger.h"

struct upstream_keys_options {
    struct store *store;
    struct jobs *jobs;
    struct identity_upstreams *upstreams;
    struct openrouter openrouter;
    const char *brand;
    int64_t check_every_us;
};
struct upstream_keys;
/* Adds its kinds to jobs. The ledger comes later: it wants credit_changed_in first. */
struct upstream_keys *upstream_keys_new(const struct upstream_keys_options *options);
void upstream_keys_attach(struct upstream_keys *k, struct ledger *ledger);
void upstream_keys_free(struct upstream_keys **k);
/* Lives as long as k. */
const struct openrouter *upstream_keys_provider(const struct upstream_keys *k);
bool upstream_keys_are_on(const struct upstream_keys *k);

/* Has one made unless he has one. */
MUST enum err upstream_keys_ensure_in(struct upstream_keys *k, struct store_conn *conn,
                                      struct id user, int64_t now_us);
MUST enum err upstream_keys_rotate_in(struct upstream_keys *k, struct store_conn *conn,
                                      struct id user, int64_t now_us);
/* The user has gone: his key is forgotten here and ended there. */
MUST enum err upstream_keys_end_in(struct upstream_keys *k, struct store_conn *conn, struct id user,
                                   int64_t now_us);
/* The provider refused the user's key: it is looked at soon. On any thread, without waiting. */
void upstream_keys_refused(struct upstream_keys *k, struct id user, int64_t now_us);
/* Fits ledger_options: the limits of the wallet's users follow. */
enum err upstream_keys_credit_changed_in(void *k, struct store_conn *conn, struct id wallet,
                                         int64_t wall_us);

#endif

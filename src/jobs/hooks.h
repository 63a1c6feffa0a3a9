/* Webhooks: what happens in a team, told to addresses of its own, by durable jobs.
 * Source: Standard Webhooks (github.com/standard-webhooks/standard-webhooks).
 *
 * Owns: tables webhook_*; the job kinds "webhook" and "webhook_tidy".
 * Needs: jobs, outbound, store.
 * Threads: functions ending in _in inside a store_write closure; readers on the caller's
 * connection; hooks_new and _free by the one who opens the house.
 * Memory: none kept; a message is at most HOOKS_BODY_MAX bytes.
 * Units: µs.
 * Errors: NOT_FOUND (also another team's), CONFLICT (too many), LIMIT (a message too large), those
 * of the store.
 * Always: what is told in a transaction is sent if and only if it commits, at least once, each time
 * with the same id. Only public addresses are connected to, unless private ones are allowed; what
 * answers is not followed anywhere. Secrets are sealed, and shown once. */
#ifndef JOBS_HOOKS_H
#define JOBS_HOOKS_H

#include "base/crypto.h"
#include "jobs/jobs.h"
#include "tbl/hooks.h"

#include <stdatomic.h>

#define HOOKS_BODY_MAX (20u * 1024)
#define HOOKS_ENDPOINTS_MAX 20
#define HOOKS_REPLAY_MAX 500
#define HOOKS_SECRET_MAX 64 /* text: whsec_ and base64 */
#define HOOKS_GRACE_S_MAX (7 * 24 * 3600)

enum hooks_event {
#define HOOK(name, text, meaning) HOOKS_##name,
    HOOK_TABLE(HOOK)
#undef HOOK
        HOOKS__COUNT
};
const char *hooks_event_name(enum hooks_event event);

struct hooks_options {
    struct store *store;
    struct jobs *jobs;
    bool private_allowed; /* http, and addresses that are not public */
    const char *ca_file; /* NULL: the system's */
    uint8_t seal[CRYPTO_KEY_LEN];
    /* In the transaction that turned an endpoint off: somebody should hear of it. May be NULL. */
    enum err (*turned_off_in)(void *arg, struct store_conn *conn, struct id team, struct str url,
                              struct str endpoint, int64_t now_us);
    void *arg;
};
struct hooks;
/* Adds its kinds to jobs. */
struct hooks *hooks_new(const struct hooks_options *options);
void hooks_free(struct hooks **hooks);

/* Tells the team's endpoints that want to know. `data` is a JSON object; `once` (1 to 200 bytes,
 * or empty: none): the same team and text again is the same message, and sends nothing. */
MUST enum err hooks_tell_in(struct hooks *hooks, struct store_conn *conn, struct id team,
                            enum hooks_event event, struct str data, struct str once,
                            int64_t now_us);

/* ---- endpoints ---- */
/* What is wrong with a URL, for people; NULL: nothing. */
const char *hooks_url_fault(const struct hooks *hooks, struct str url);
/* Names, one a line, or "*". */
bool hooks_events_are_good(struct str events);

struct hooks_endpoint {
    struct str id, url, description, events, state; /* whk_…; state: enabled, manual, gone, … */
    struct id team;
    int64_t failing_since_us, created_us, updated_us, old_until_us;
};
typedef void (*hooks_endpoint_f)(void *arg, const struct hooks_endpoint *e);
MUST enum err hooks_list(struct store_conn *conn, struct id team, hooks_endpoint_f fn, void *arg);
MUST enum err hooks_get(struct store_conn *conn, struct id team, struct str id, hooks_endpoint_f fn,
                        void *arg);
MUST enum err hooks_add_in(struct hooks *hooks, struct store_conn *conn,
                           const struct hooks_endpoint *e, int64_t now_us, char ret_id[ID_TEXT_MAX],
                           char ret_secret[HOOKS_SECRET_MAX]);
/* All of url, description, events and state as they are in *e. */
MUST enum err hooks_edit_in(struct store_conn *conn, const struct hooks_endpoint *e,
                            int64_t now_us);
/* Another secret; the one before signs as well for grace_us. */
MUST enum err hooks_rotate_in(struct hooks *hooks, struct store_conn *conn, struct id team,
                              struct str id, int64_t grace_us, int64_t now_us,
                              char ret_secret[HOOKS_SECRET_MAX]);
/* With everything of it. */
MUST enum err hooks_drop_in(struct store_conn *conn, struct id team, struct str id);

/* ---- deliveries ---- */
/* A message of its own for this endpoint, whatever it wants to know. */
MUST enum err hooks_try_in(struct hooks *hooks, struct store_conn *conn, struct id team,
                           struct str id, int64_t now_us, char ret_delivery[ID_TEXT_MAX]);
/* The message of a delivery again. */
MUST enum err hooks_replay_in(struct hooks *hooks, struct store_conn *conn, struct id team,
                              struct str id, struct str delivery, int64_t now_us,
                              char ret_delivery[ID_TEXT_MAX]);
/* Those of a time with that state: at most HOOKS_REPLAY_MAX, the oldest first. */
MUST enum err hooks_replay_range_in(struct hooks *hooks, struct store_conn *conn, struct id team,
                                    struct str id, int64_t start_us, int64_t end_us,
                                    struct str state, int64_t now_us, int64_t *ret_n);
typedef bool (*hooks_row_f)(void *arg, struct str id);
/* One JSON object for each, newest first, ids below `below`; `row` is asked before each. */
MUST enum err hooks_deliveries_json(struct store_conn *conn, struct str endpoint, struct str state,
                                    struct str below, int64_t limit, hooks_row_f row, void *arg,
                                    struct buf *json);
/* One with its body and tries. */
MUST enum err hooks_delivery_json(struct store_conn *conn, struct str endpoint, struct str delivery,
                                  struct buf *json);

/* Inside this room: the job, in hooks_send.c. */
struct hooks {
    struct hooks_options options;
    struct jobs_kind send, tidy;
    _Atomic int sending;
};
void hooks_kinds_add(struct hooks *hooks);
MUST enum err hooks_secret_open(const struct hooks *hooks, struct str sealed, struct buf *ret_key);
/* webhook-signature: one for each secret, newest first. */
void hooks_sign(struct str key, struct str id, int64_t at_s, struct str body, struct buf *out);

#endif

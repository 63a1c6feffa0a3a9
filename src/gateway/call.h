/* One metered call and its loop: inside of the gateway room.
 *
 * Each step is a function; each fills one part of struct call and reads only parts above it.
 *
 * Owns: struct call, struct gateway, struct gateway_loop.  Threads: a call belongs to its loop.
 * Memory: calls are pooled; texts live in the exchange's arena until the call detaches from its
 * client, which only happens when none of them is needed any more. */
#ifndef GATEWAY_CALL_H
#define GATEWAY_CALL_H

#include "base/clock.h"
#include "codec/sse.h"
#include "gateway/about.h"
#include "gateway/edits.h"
#include "gateway/gateway.h"
#include "gateway/idempotency.h"
#include "observe/observe.h"

#define MODEL_BYTES_MAX 200
#define CALL_RAW_USAGE_MAX 900
#define UPSTREAM_ID_MAX 128

struct call;

/* What may be bought: the paths and their ways. */
enum product_id { PRODUCT_CHAT = 1, PRODUCT_COMPLETIONS, PRODUCT_EMBEDDINGS };
struct product {
    enum product_id id;
    const char *name;
    const char *path; /* ours */
    const char *upstream; /* behind the provider's base URL */
    const char *input; /* the member that holds the prompt */
    bool streams;
    bool has_output; /* embeddings have none */
};
extern const struct product product_chat, product_completions, product_embeddings;

enum basis { BASIS_NONE, BASIS_PROVIDER_USAGE, BASIS_PROVIDER_COST, BASIS_ESTIMATED };
const char *basis_name(int64_t basis);

/* read: what the request says. */
struct call_request {
    struct str body, model;
    bool stream, include_usage, has_cap;
    int64_t cap, n;
    int64_t input_estimate; /* tokens, high */
    int64_t input_bytes; /* of the prompt's text, for an own count */
    size_t model_at, model_n; /* the value in the body */
    size_t options_at, options_n; /* stream_options' value; n 0: missing */
    size_t include_at, include_n; /* include_usage's value in it; n 0: missing */
    size_t open_at; /* behind the body's opening brace */
};

/* What came back. */
struct call_answer {
    struct catalog_usage usage;
    struct nano cost;
    bool has_usage, has_cost;
    bool failed; /* mid-stream error or a cut */
    bool timed_out;
    bool no_outcome; /* neither usage nor an end: settled by policy, listed */
    int64_t output_bytes; /* of content, for an own count */
    char upstream_id[UPSTREAM_ID_MAX];
    size_t upstream_id_n;
    char raw_usage[CALL_RAW_USAGE_MAX];
    size_t raw_usage_n;
    char finish[24];
    size_t finish_n;
};

/* What an answer shows of the upstream, and what becomes of it. */
struct answer_view {
    struct str usage, error, choices;
    struct edits edits;
    size_t choices_at; /* where the value of `choices` starts; 0: none */
    size_t last_edit_at; /* start of the last member that was edited or removed */
    bool broken; /* it repeats its members beyond what edits can mend */
};

/* What the events of a stream have in common (events.c). */
struct event_shape {
    char start[768]; /* up to the text; its first prefix_n bytes became prefix_out */
    char suffix[160];
    size_t prefix_n, start_n, suffix_n;
    bool strip; /* the suffix ends in a usage that goes */
};

typedef void (*call_next_f)(struct call *c);

struct call {
    struct gateway_loop *gl;
    struct call *next, **link; /* in the loop's list of calls */
    struct http_exchange *x; /* NULL when the client is gone */
    const struct product *product;
    struct id id;
    char id_text[ID_TEXT_MAX];
    int64_t started_us, started_wall_us, read_us, held_us, dispatched_us, head_us, ended_us;

    /* who */
    struct identity_key *key;
    uint8_t mac[CRYPTO_HASH_LEN];
    bool loading, ready; /* the key is being loaded; the body is there */

    struct call_request rq;
    char model[MODEL_BYTES_MAX]; /* of rq.model: it outlives the body, for answer and log */

    /* limit */
    struct limits_taken taken;
    struct limits_view view;

    /* quote */
    const struct catalog_snapshot *snapshot;
    struct catalog_plan plan;
    int64_t output_cap; /* per choice */
    bool clamped;
    struct nano quote;

    /* hold */
    struct ledger_hold hold;
    bool held;

    /* waiting for the disk */
    ledger_ticket ticket;
    call_next_f durable; /* what comes when the ticket is durable; NULL: not waiting */
    struct call *wait_next, *wait_prev;
    struct call *late_next, **late_link; /* has something to do at the end of the turn */

    /* dispatch */
    size_t candidate, key_index, keys_tried;
    int64_t attempts;
    struct upstream_call *up;
    bool up_sent, own_key; /* the whole request has left; by the user's own key */
    bool upstream_id_noted, upstream_id_journalled;

    /* meter */
    int status; /* of the upstream */
    bool streaming, large, started, sse_ready;
    struct buf answer; /* whole answer, tail of a large one, error's body, or unwritten events */
    size_t counted, tail_at; /* of `answer`: in the global count; where a large one's end begins */
    struct sse sse;
    struct buf held_back; /* last events, until the settlement is durable */
    struct event_shape shape;
    struct buf prefix_out;
    int64_t checkpoint_us;
    struct call_answer ans;
    struct answer_view view_of_answer; /* of `answer`, once it is whole */
    char retry_after[16];

    /* settle */
    struct nano charge, cost, written_off;
    enum basis basis;
    enum err err; /* what the client got, OK for 2xx */
    bool settled, unresolved;
    struct call_idempotency *idem; /* with an Idempotency-Key (replay.c) */
    struct loop_timer timer;
    int asked; /* times that the upstream was asked for the outcome */
    bool receipt_found; /* the last time it had a receipt (200) */
    call_next_f resolve_stop; /* while asking: ends it at once; NULL: not asking */
};

struct gateway {
    struct gateway_options o;
    struct ledger *ledger;
    struct catalog *catalog;
    struct loop_tls *tls;
    struct rollup *rollup; /* project.c */
    struct idempotency idempotency;
    _Atomic uint64_t requests; /* draws and round robin */
    _Atomic int64_t global_alert_us; /* when the global limit was last told of */
    struct provider_seen *seen;
    char header_credits[64], header_cost[64], header_tag[64], header_clamped[64];
};

struct gateway_loop {
    struct gateway *g;
    struct loop *loop;
    struct ledger_lane *lane;
    struct upstream_pool *pool;
    struct call *calls, *free_calls;
    size_t calls_n;
    struct call *wait_first, *wait_last, *late;
    int64_t records_since_us; /* when the first was there that the writer has not got; 0: none */
    struct loop_timer tick;
    struct buf models; /* GET /v1/models of `models_generation` */
    uint64_t models_generation;
    struct buf log; /* lines and records in the making */
    struct buf scratch; /* JSON in the making, of one callback */
    struct arena texts; /* new values of one event */
};

/* What a provider needs per snapshot. */
struct provider_wire {
    struct upstream_target target;
    char path_prefix[512];
    struct str *auth; /* header lines, one per key; with user_keys a user's own goes first */
    bool user_keys;
    size_t keys_n;
};

#endif

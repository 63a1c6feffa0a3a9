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
#include "gateway/gateway.h"
#include "observe/observe.h"

#include <stdatomic.h>

#define MODEL_BYTES_MAX 200
#define EDITS_MAX 5
#define CALL_RAW_USAGE_MAX 900
#define UPSTREAM_ID_MAX 128

struct call;

/* What may be bought: the paths and their ways. */
enum product_id { PRODUCT_CHAT = 1, PRODUCT_COMPLETIONS, PRODUCT_EMBEDDINGS };
struct product {
    enum product_id id;
    const char *name;
    const char *path;       /* ours */
    const char *upstream;   /* behind the provider's base URL */
    const char *input;      /* the member that holds the prompt */
    bool streams;
    bool has_output; /* embeddings have none */
};
extern const struct product product_chat, product_completions, product_embeddings;

enum basis { BASIS_NONE, BASIS_PROVIDER_USAGE, BASIS_PROVIDER_COST, BASIS_ESTIMATED };
const char *basis_name(int64_t basis);

/* A replacement in a JSON text: [at, at+n) becomes `text`. */
struct edit {
    size_t at, n;
    struct str text;
};
struct edits {
    struct edit e[EDITS_MAX];
    size_t n;
};
/* Sorted insertion; overlapping edits are our bug. */
void edits_add(struct edits *list, size_t at, size_t n, struct str text);
/* The text in pieces, unchanged runs by reference; returns how many (at most 2 × edits + 1). */
size_t edits_pieces(const struct edits *list, struct str text, struct str *pieces);
/* read: what the request says. */
struct call_request {
    struct str body, model;
    bool stream, include_usage;
    bool has_cap;
    int64_t cap, n;
    int64_t input_estimate; /* tokens, high */
    int64_t input_bytes;    /* of the prompt's text, for an own count */
    size_t model_at, model_n;           /* the value in the body */
    size_t options_at, options_n;       /* stream_options' value; n 0: missing */
    size_t include_at, include_n;       /* include_usage's value in it; n 0: missing */
    size_t open_at;                     /* behind the body's opening brace */
};
/* ERR_INVALID_JSON, _INVALID_REQUEST, _UNSUPPORTED_PARAMETER, _MODEL_NOT_ALLOWED; message and
 * param are filled for the client. */
MUST enum err call_read(struct call *c, struct str *ret_message, struct str *ret_param);

/* What came back. */
struct call_answer {
    struct catalog_usage usage;
    struct nano cost;
    bool has_usage, has_cost;
    bool failed;      /* mid-stream error or a cut */
    bool timed_out;
    bool no_outcome;  /* neither usage nor an end: settled by policy, listed */
    int64_t output_bytes; /* of content, for an own count */
    char upstream_id[UPSTREAM_ID_MAX];
    size_t upstream_id_n;
    char raw_usage[CALL_RAW_USAGE_MAX];
    size_t raw_usage_n;
    char finish[24];
    size_t finish_n;
};

typedef void (*call_next_f)(struct call *c);

struct call {
    struct gateway_loop *gl;
    struct call *next, **link; /* in the loop's list of calls */
    struct http_exchange *x;   /* NULL when the client is gone */
    const struct product *product;
    struct id id;
    char id_text[ID_TEXT_MAX];
    int64_t started_us, started_wall_us, read_us, held_us, dispatched_us, head_us, ended_us;

    /* who */
    struct identity_key *key;
    uint8_t mac[CRYPTO_HASH_LEN];
    bool loading, ready; /* the key is being loaded; the body is there */

    struct call_request rq;

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

    /* dispatch */
    size_t candidate, key_index, keys_tried;
    int64_t attempts;
    struct upstream_call *up;
    bool up_sent; /* the whole request has left */
    bool upstream_id_noted;

    /* meter */
    int status; /* of the upstream */
    bool streaming, large, started, sse_ready;
    struct buf answer; /* whole answer, or the tail of a large one, or an error's body */
    size_t counted;    /* of `answer`, in the global count */
    struct sse sse;
    struct buf held_back; /* last events, until the settlement is durable */
    char prefix[512];     /* start of a stream's events, and what it becomes */
    size_t prefix_n;
    struct buf prefix_out;
    int64_t checkpoint_us;
    struct call_answer ans;
    char retry_after[16];

    /* settle */
    struct nano charge, cost, written_off;
    enum basis basis;
    enum err err; /* what the client got, OK for 2xx */
    bool settled, unresolved;
    struct loop_timer timer;
    int asked;               /* times that the upstream was asked for the outcome */
    call_next_f resolve_stop; /* while asking: ends it at once; NULL: not asking */
};

struct gateway {
    struct gateway_options o;
    struct ledger *ledger;
    struct catalog *catalog;
    struct loop_tls *tls;
    struct rollup *rollup; /* project.c */
    _Atomic uint64_t requests; /* draws and round robin */
    char header_credits[64], header_cost[64], header_tag[64], header_clamped[64];
};

struct gateway_loop {
    struct gateway *g;
    struct loop *loop;
    struct ledger_lane *lane;
    struct upstream_pool *pool;
    struct call *calls, *free_calls;
    size_t calls_n;
    struct call *wait_first, *wait_last;
    struct loop_timer tick;
    struct buf models; /* GET /v1/models of `models_generation` */
    uint64_t models_generation;
    struct buf log;
};

/* What a provider needs per snapshot. */
struct provider_wire {
    struct upstream_target target;
    char path_prefix[512];
    struct str *auth; /* header lines, one per key */
    size_t keys_n;
};

/* pool.c */
struct call *call_new(struct gateway_loop *gl, struct http_exchange *x, const struct product *p);
/* Gives back everything the call has; it must be settled or never held. */
void call_free(struct call *c);
/* Runs `next` once everything recorded so far for this call is durable, or at once when the
 * durability says that nothing waits. */
void call_wait_durable(struct call *c, bool even_overlap, call_next_f next);
void call_wait_cancel(struct call *c);
void calls_wake(void *gateway_loop);

/* steps.c */
bool call_on_head(void *route_arg, struct http_exchange *x, const struct product *p);
void call_on_ready(void *route_arg, struct http_exchange *x);
/* For routes that only want to see a good key: 401 or 403, else OK and maybe a key. */
MUST enum err call_quick_key(struct gateway_loop *gl, struct http_exchange *x,
                             struct identity_key **ret_key);
/* Refuses: nothing was held, or it is voided here. Ends the call. */
void call_refuse(struct call *c, enum err e, struct str message, struct str param,
                 struct str lines);
/* The headers that every answer of a call carries. */
void call_headers(struct call *c, bool with_cost);

/* dispatch.c */
void call_dispatch(struct call *c);
/* Body of the upstream's failure is mapped; another attempt is made when the rules allow one. */
void call_attempt_failed(struct call *c, const struct upstream_failure *f, bool may_retry);
bool call_may_try_again(struct call *c);

/* meter.c */
extern const struct upstream_events call_upstream_events;
void call_client_gone(void *call);
void call_client_drained(void *call);
/* answer.c: what both kinds of answer have in common. */
struct answer_view {
    struct str usage, error, choices;
    struct edits edits;
    size_t choices_at;    /* where the value of `choices` starts; 0: none */
    size_t last_edit_at;  /* start of the last member that was edited or removed */
};
/* Walks an answer's (or event's) object: model, id and provider become the customer's; `usage` is
 * found, and removed when drop_usage. New texts come from `out`. */
void answer_look(struct call *c, struct str object, bool drop_usage, struct arena *out,
                 struct answer_view *ret_view);
/* Bytes of text in an answer's or event's choices, for an own count. */
int64_t answer_text_bytes(struct str object);
/* json_answer.c, stream.c */
void answer_body(struct call *c, struct str bytes);
void answer_end(struct call *c);
void answer_cut(struct call *c, const struct upstream_failure *f);
/* Answers the client once the settlement is durable. */
void answer_reply(struct call *c);
void stream_head(struct call *c);
void stream_body(struct call *c, struct str bytes);
void stream_end(struct call *c);
void stream_cut(struct call *c, const struct upstream_failure *f);
void stream_fini(struct call *c);

/* usage.c */
/* Reads a `usage` object into the answer (later figures over earlier ones). */
void usage_read(struct call_answer *a, struct str usage);
/* The usage object as the customer sees it: cost is the charge, what tells of the upstream goes. */
void usage_rewrite(struct str usage, struct nano charge, struct buf *out);
/* Price and rule applied: charge, cost, basis. */
void usage_charge(struct call *c);

/* resolve.c: the outcome is not known; asks the upstream where it keeps receipts, else the policy. The
 * call may have lost its client; it is done afterwards. */
void call_resolve(struct call *c);
/* At the end of the draining: no more waiting. */
void call_resolve_now(struct call *c);

/* settle.c */
void call_settle(struct call *c, call_next_f next);
/* The call is over for client and upstream alike. */
void call_done(struct call *c);
void call_note_upstream_id(struct call *c, struct str id);
void call_hold_about(const struct call *c, struct buf *b);
void call_dispatch_about(const struct call *c, struct buf *b);
void call_end_about(const struct call *c, struct buf *b);

/* errors.c */
/* The refusal that a customer sees for an upstream's answer, and its message when that is safe. */
enum err upstream_status_err(int status);
struct str upstream_safe_message(const struct call *c, struct str body, struct arena *a);

/* project.c */
struct rollup *rollup_new(void);
void rollup_free(struct rollup **r);
#endif

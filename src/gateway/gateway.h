/* The way of a call: who, read, limit, quote, hold, dispatch, meter, settle.
 *
 * Owns: the calls in flight, table usage and its rollups, the list of unresolved calls.
 * Needs: http, upstream, ledger, identity, limits, catalog, observe, store.
 * Threads: a gateway is shared; a gateway_loop belongs to its loop; slow handlers run on workers.
 * Memory: calls are pooled per loop; answers that are not streams are buffered up to
 * answer_bytes_max, streams never.
 * Units: nano-dollars, µs, tokens, bytes.
 * Errors: those of the wire contract, in the order who, read, limit, quote, hold, dispatch.
 * Always: a dispatched call ends in exactly one settlement or void; in `strict` no byte goes
 * upstream before its hold is durable, and no last byte to the client before its settlement is. */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "catalog/catalog.h"
#include "http/http.h"
#include "identity/identity.h"
#include "identity/upstream.h"
#include "ledger/ledger.h"
#include "limits/limits.h"
#include "upstream/upstream.h"

struct gateway;
struct gateway_loop;

enum gateway_durability {
    GATEWAY_STRICT, /* hold durable before the request leaves, settlement before the last byte */
    GATEWAY_OVERLAP, /* the request leaves at once, the first byte waits for the hold */
    GATEWAY_RELAXED, /* nothing waits */
    GATEWAY_DURABILITY__COUNT
};

struct gateway_options {
    struct store *store;
    struct identity *identity;
    struct limits *limits;
    struct identity_upstreams *upstreams; /* NULL: users have no keys of their own upstream */
    const char *user_keys_provider; /* the provider that they were made at */
    void (*user_key_refused)(void *arg, struct id user); /* on a loop; may be NULL */
    void *user_keys_arg;
    uint8_t seal[CRYPTO_KEY_LEN]; /* for kept answers */
    enum gateway_durability durability;
    int64_t commit_window_us; /* a loop with other work keeps its records so long together */
    enum ledger_policy unknown_outcome;
    const char *header_prefix; /* "X-Tollgate-" */
    const char *top_up_url;
    const char *ca_file; /* NULL: the system's */
    int64_t default_output_tokens, prompt_bytes_per_token, image_tokens, file_tokens;
    struct nano unpriced_hold;
    size_t body_bytes_max, answer_bytes_max, buffered_max;
    struct nano tier_balance; /* from here on a wallet is of the funded tier; 0: never */
    bool models_public, log_calls;
    int64_t attempts_max;
    struct upstream_timeouts timeouts;
    _Atomic size_t *buffered; /* shared with http */
};
/* Options are copied; what they point to stays. Works without a ledger until gateway_attach. */
MUST enum err gateway_new(const struct gateway_options *options, struct gateway **ret_gateway,
                          char ret_why[STORE_WHY_MAX]);
void gateway_free(struct gateway **g);
/* The callbacks that ledger and catalog want from us. */
struct ledger_projector gateway_projector(struct gateway *g);
void *gateway_provider_attach(void *gateway, const struct catalog_provider *p);
void gateway_provider_detach(void *gateway, void *attached);
void gateway_attach(struct gateway *g, struct ledger *ledger, struct catalog *catalog);
/* Decides every hold that a crash left open: void, settle by policy, or ask the upstream. Before
 * the first loop. ret_unresolved counts those whose outcome stays unknown. */
MUST enum err gateway_recover(struct gateway *g, int64_t wall_us, int *ret_voided, int *ret_settled,
                              int *ret_unresolved);

MUST enum err gateway_loop_new(struct gateway *g, struct loop *loop,
                               struct gateway_loop **ret_loop);
/* On the loop, at the end of draining: what still asks for an outcome is settled by policy. */
void gateway_loop_drain(struct gateway_loop *gl);
/* All calls must have ended, and the loop must have stopped. */
void gateway_loop_free(struct gateway_loop **gl);
size_t gateway_loop_calls(const struct gateway_loop *gl);
/* Routes whose `arg` is the gateway_loop: fast ones. */
struct http_route gateway_route_chat(struct gateway_loop *gl);
struct http_route gateway_route_completions(struct gateway_loop *gl);
struct http_route gateway_route_embeddings(struct gateway_loop *gl);
struct http_route gateway_route_models(struct gateway_loop *gl);
struct http_route gateway_route_model(struct gateway_loop *gl);

/* Slow handlers, `arg` is the gateway. */
enum err gateway_generation(void *gateway, const struct http_request *r, struct http_reply *reply);

/* For control routes that honour Idempotency-Key. */
struct idempotency;
struct idempotency *gateway_idempotency(struct gateway *g);
/* The key of a slow request (any of the three ways), checked, with the scope. 401 and 403 errors.
 * Give back by identity_key_unref. */
MUST enum err gateway_who(struct gateway *g, const struct http_request *r, unsigned scope,
                          int64_t wall_us, struct identity_key **ret_key);
/* What a provider did since the start; any thread. */
struct gateway_health {
    int64_t calls, failed; /* attempts; failed: no answer, 429, 5xx */
    int64_t p50_ms; /* to the first byte; 0: not known */
};
void gateway_provider_health(const struct gateway *g, int64_t provider, struct gateway_health *ret);

struct gateway_usage_sums {
    int64_t requests, input, output;
    struct nano charge;
};
/* For /me/usage: the members of the answer but the balance, as JSON. */
MUST enum err gateway_usage_json(struct gateway *g, struct id team, int64_t start_us,
                                 int64_t end_us, int64_t recent, struct buf *json);
/* Calls whose outcome is unknown, newest first, as a JSON array. */
MUST enum err gateway_unresolved_json(struct gateway *g, struct store_conn *conn, struct buf *json);
/* Usage lines against the ledger's postings, call by call, and against their own sums by hour:
 * mismatches are lines in the report. */
MUST enum err gateway_usage_verify(struct gateway *g, struct store_conn *conn, uint64_t *ret_lines,
                                   uint64_t *ret_mismatches, struct buf *report);
/* For ledger_explain: an about as JSON text. */
void gateway_about_json(void *gateway, const char *record, struct str about, struct buf *json);
/* Writes the body of an error in the shape of /v1. */
void gateway_error_body(enum err e, struct str message, struct str param, struct buf *body);

#endif

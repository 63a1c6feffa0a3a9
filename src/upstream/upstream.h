/* The data path's client: pooled keep-alive connections per loop and target.
 *
 * Owns: the pools, the connections, the name cache.
 * Needs: loop, codec, base.
 * Threads: a pool belongs to its loop; everything is called on it.
 * Memory: per call a fixed record and the response head (64 KiB at most); bodies pass through by
 * slices; body pieces given by reference must live until the call ends, not longer; at most 128
 * KiB of them are queued at a time.
 * Units: µs, bytes.
 * Errors: exactly one of `end` and `fail` is called, last; after upstream_cancel none.
 * Always: one attempt per call: whether another may follow is the caller's decision, from the
 * facts in upstream_failure. A callback may cancel its own call and start others. Redirects are
 * not followed. 1xx answers are passed over. */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "codec/http1.h"
#include "loop/loop.h"

struct upstream_pool;
struct upstream_call;

/* Where to: shared by loops, immutable, kept alive by the owner of the configuration. */
struct upstream_target {
    char host[256]; /* name or numeric address */
    uint16_t port;
    bool tls;
    struct loop_tls *tls_context; /* NULL when plain */
    uint64_t id; /* equal ids share connections */
};
/* "http://host:port/prefix" or https; ERR_INVALID_REQUEST with a reason. The path prefix has no
 * trailing slash. User info, query and fragment are refused. */
MUST enum err upstream_url_parse(struct str url, struct upstream_target *ret_target,
                                 struct str *ret_path_prefix, const char **ret_why);

/* 0 means the default. */
struct upstream_options {
    int64_t resolve_ttl_us; /* how long a resolved name is believed: 60 s */
    size_t idle_per_target_max; /* kept connections: 512 */
    int64_t idle_us; /* a kept connection is closed after: 60 s */
    size_t connections_per_target_max; /* beyond it calls wait in line: 16,384 */
};

/* 0 means the default. */
struct upstream_timeouts {
    int64_t connect_us; /* waiting in line + resolve + TCP + TLS: 10 s; with several addresses
                            * each gets its share of what is left */
    int64_t first_byte_us; /* request written to response head: 300 s; also the longest time without
                            * progress while a large request is written */
    int64_t idle_us; /* between two pieces of the response: 120 s */
    int64_t total_us; /* 0: none */
};

enum upstream_phase {
    UPSTREAM_RESOLVE,
    UPSTREAM_CONNECT,
    UPSTREAM_SEND,
    UPSTREAM_WAIT, /* all sent, no response byte yet */
    UPSTREAM_HEAD,
    UPSTREAM_BODY,
    UPSTREAM_PHASE__COUNT
};

struct upstream_failure {
    /* UPSTREAM_UNAVAILABLE (not reached: phases RESOLVE and CONNECT), UPSTREAM_TIMEOUT (any phase),
     * UPSTREAM_ERROR (broken HTTP, or cut off after the request had begun). */
    enum err err;
    enum upstream_phase phase;
    bool reused; /* it was a kept connection */
    bool request_bytes; /* at least one request byte was handed to the kernel */
    bool response_bytes;
    const char *why; /* for the log; never shown to customers */
};

struct upstream_events {
    /* The final response head; slices live during this call. */
    void (*head)(void *arg, const struct http1_head *head);
    /* Decoded body bytes, during this call. May call pause or cancel. */
    void (*body)(void *arg, struct str bytes);
    void (*end)(void *arg);
    void (*fail)(void *arg, const struct upstream_failure *failure);
};

/* Body pieces are sent in order, by reference. */
#define UPSTREAM_PIECES_MAX 16
struct upstream_request {
    const struct upstream_target *target;
    const char *method;
    struct str path; /* with prefix and query */
    struct str headers; /* complete lines with CRLF; no Host, Content-Length, Connection in it */
    struct str pieces[UPSTREAM_PIECES_MAX];
    size_t pieces_n;
    struct upstream_timeouts timeouts;
};

struct upstream_pool *upstream_pool_new(struct loop *loop, const struct upstream_options *options);
/* Cancels nothing: all calls must have ended. */
void upstream_pool_free(struct upstream_pool **pool);
/* Closes kept connections of targets (all when id is 0): at reload and at draining. */
void upstream_pool_flush(struct upstream_pool *pool, uint64_t target_id);

/* Starts a call. Never fails at once: failures come as `fail` in a later turn. The request's
 * strings except the pieces are copied. */
struct upstream_call *upstream_start(struct upstream_pool *pool,
                                     const struct upstream_request *request,
                                     const struct upstream_events *events, void *arg);
/* Stops reading the response (back-pressure); the idle timeout stops with it. What was read already
 * is still delivered: at most one read of 64 KiB, and `end` if the response ends in it. */
void upstream_pause(struct upstream_call *call);
void upstream_resume(struct upstream_call *call);
/* Has the whole request been handed to the kernel? */
bool upstream_is_sent(const struct upstream_call *call);
/* What is wanted of the response has come: no other event. Its end is read (64 KiB, 1 s at most),
 * so that the connection is kept. */
void upstream_let_go(struct upstream_call *call);
/* Ends it without another event; the connection is closed unless the response was complete. */
void upstream_cancel(struct upstream_call *call);

struct upstream_counts {
    uint64_t open, idle, opened, reused, failed, resolved;
};
struct upstream_counts upstream_pool_counts(const struct upstream_pool *pool);

#endif

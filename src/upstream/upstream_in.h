/* Inside of the upstream room: what its files share.
 *
 * Owns: pools, targets, connections, calls.  Needs: loop, codec, base.  Threads: the pool's loop.
 * Memory: calls, connections and small buffers are pooled, so that the steady state allocates
 * nothing.  Units: µs, bytes.  Errors: by upstream_call_fail;
 * functions that say "calls nobody back" put off a failure to the next turn.
 * Always: a connection is connecting or active (it has a call), idle (in its target's list), or
 * doomed (no call; waits for `closed`). A call is in exactly one state, and in a list only while it
 * is in line or waits for a name. */
#ifndef UPSTREAM_UPSTREAM_IN_H
#define UPSTREAM_UPSTREAM_IN_H

#include "base/buf.h"
#include "upstream/upstream.h"

#define UPSTREAM_HEAD_MAX (64u * 1024)
#define UPSTREAM_REQUEST_MAX (256u * 1024) /* the request's head */
#define UPSTREAM_FEED_BYTES (64u * 1024)
#define UPSTREAM_POOL_MAX 256u
#define UPSTREAM_KEEP_BYTES (16u * 1024)
#define UPSTREAM_ADDRS_MAX 8
#define UPSTREAM_BUCKETS 64u
#define UPSTREAM_INTERIM_MAX 16

struct upstream_conn;
struct upstream_host;
struct upstream_resolve;

enum upstream_state {
    UPSTREAM_IN_LINE,
    UPSTREAM_RESOLVING,
    UPSTREAM_CONNECTING,
    UPSTREAM_ACTIVE,
    UPSTREAM_FAILING, /* `fail` comes in the next turn */
    UPSTREAM_STATE__COUNT
};

struct upstream_call {
    struct upstream_call *next, *prev;
    struct upstream_pool *pool;
    struct upstream_host *host;
    struct upstream_conn *conn;
    const struct upstream_events *events;
    void *arg;
    struct upstream_timeouts timeouts;
    enum upstream_state state;
    bool to_head, paused;
    struct buf head; /* of the request */
    struct str pieces[UPSTREAM_PIECES_MAX];
    size_t pieces_n, piece_at;
    uint64_t bytes; /* of the whole request */
    int64_t began_us, attempt_us;
    int64_t last_us; /* last progress */
    uint64_t last_sent;
    size_t addrs_tried, addr_at;
    struct upstream_failure failure; /* with UPSTREAM_FAILING */
    size_t let_go; /* bytes read since nobody listens */
    struct loop_timer timer;
};

struct upstream_calls {
    struct upstream_call *first, *last;
};

struct upstream_conn {
    struct upstream_conn *next, *prev; /* of the pool, all */
    struct upstream_conn *idle_next, *idle_prev; /* of the host: first is the latest used */
    struct upstream_pool *pool;
    struct upstream_host *host;
    struct loop_conn *lc;
    struct upstream_call *call;
    uint64_t generation;
    bool reused, idle, keep, in_body;
    enum http1_body body;
    int64_t left;
    int interim;
    uint64_t sent_before;
    int64_t idle_since_us;
    struct buf in; /* a head that has begun */
    size_t scanned;
    struct http1_chunks chunks;
};

/* A target as this loop knows it. */
struct upstream_host {
    struct upstream_host *next;
    uint64_t id;
    char name[256];
    uint16_t port;
    bool is_tls;
    struct loop_tls *tls;
    char authority[272]; /* for the Host header */
    uint64_t generation; /* connections of an older one are not kept */
    struct upstream_conn *idle_first, *idle_last;
    size_t idle_n, conns_n;
    struct upstream_calls line, resolving;
    struct upstream_resolve *resolve;
    union loop_addr addrs[UPSTREAM_ADDRS_MAX];
    size_t addrs_n, addr_first;
    int64_t resolved_until_us;
};

struct upstream_pool {
    struct loop *loop;
    struct upstream_options o;
    struct upstream_host *hosts[UPSTREAM_BUCKETS];
    struct upstream_conn *conns, *conn_pool;
    struct upstream_call *call_pool;
    size_t conn_pool_n, call_pool_n, calls_n;
    struct buf bufs[UPSTREAM_POOL_MAX];
    size_t bufs_n;
    struct loop_timer sweep;
    bool sweeping;
    struct upstream_counts counts;
    struct http1_head head; /* the response head that is being delivered */
};

/* pool.c */
struct buf upstream_buf_take(struct upstream_pool *p, size_t max);
void upstream_buf_give(struct upstream_pool *p, struct buf *b);
struct upstream_host *upstream_host_get(struct upstream_pool *p, const struct upstream_target *t);
void upstream_calls_push(struct upstream_calls *list, struct upstream_call *call);
void upstream_calls_drop(struct upstream_calls *list, struct upstream_call *call);
/* Makes the name's addresses known; the calls in host->resolving go on then. */
MUST enum err upstream_resolve_start(struct upstream_pool *p, struct upstream_host *h);
void upstream_sweep_start(struct upstream_pool *p);

/* conn.c */
void upstream_conn_open(struct upstream_call *call, const union loop_addr *addr);
/* A kept connection, or NULL. */
struct upstream_conn *upstream_conn_take(struct upstream_host *h);
/* Writes the call's request. */
void upstream_conn_send(struct upstream_conn *c, struct upstream_call *call);
/* Detaches its call, and closes or cuts it. */
void upstream_conn_doom(struct upstream_conn *c, bool cut);
/* Its record goes back; the loop's side is gone, or was told to forget it. */
void upstream_conn_forget(struct upstream_conn *c);
enum upstream_phase upstream_conn_phase(const struct upstream_conn *c);
/* Bytes of the request that the kernel has. */
uint64_t upstream_conn_sent(const struct upstream_conn *c);

/* call.c */
/* Finds or makes a connection for it, or puts it in line. Calls nobody back. */
void upstream_call_dispatch(struct upstream_call *call);
/* The next in line, after a connection went away. Calls nobody back. */
void upstream_line_go(struct upstream_host *h);
/* Its name's addresses are known, or will not be. Calls nobody back. */
void upstream_call_resolved(struct upstream_call *call, enum err e);
/* The attempt to connect failed: the next address, or `fail`. */
void upstream_call_unconnected(struct upstream_call *call, const char *why);
struct upstream_failure upstream_call_facts(const struct upstream_call *call, enum err e,
                                            const char *why);
/* `fail` with these facts; a connection that it still has is cut. The call is gone. */
void upstream_call_fail(struct upstream_call *call, const struct upstream_failure *failure);
/* `end`. The call has no connection any more, and is gone. */
void upstream_call_end(struct upstream_call *call);
/* Sets the timer for what the call waits for now. */
void upstream_call_arm(struct upstream_call *call);

#endif

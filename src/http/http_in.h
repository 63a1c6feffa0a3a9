/* Inside of the http room: what its files share.
 *
 * Owns: server, connections, exchanges.  Needs: loop, codec, base.  Threads: the server's loop; a
 * slow handler sees only its request and reply.
 * Memory: exchanges and small buffers are pooled per server; an idle connection is struct http_conn
 * and nothing else.  Units: bytes, µs.  Errors: a broken request ends its exchange by http_error.
 * Always: a connection has at most one exchange; `busy` is set while its input is worked on, so
 * that an exchange that ends inside a handler does not start the next one on the handler's stack.
 *
 *   IDLE ─► HEAD ─► BODY ─► RUN ─► IDLE        the good way; BODY is passed by without a body
 *             └───────┴──────┴──► DISCARD ─► IDLE     answered early, a short rest of body follows
 *             └───────┴──────┴──► CLOSING             answered for good; the loop reads the client
 *                                                       dry for a while, so that it gets the answer
 */
#ifndef HTTP_HTTP_IN_H
#define HTTP_HTTP_IN_H

#include "base/id.h"
#include "http/http.h"
#include "http/peer.h"
#include "http/router.h"

#define HTTP_AHEAD_MAX (64u * 1024) /* reading stops when more than this waits */
#define HTTP_QUEUE_MAX (64u * 1024) /* no new exchange while more than this is unsent */
#define HTTP_ARENA_MAX (64u * 1024)
#define HTTP_ARENA_CHUNK 4096u
#define HTTP_KEEP_BYTES (16u * 1024) /* larger buffers are not pooled */
#define HTTP_POOL_MAX 256u
#define HTTP_DISCARD_MAX (64 * 1024) /* a longer rest of a body costs the connection */
#define HTTP_UNWANTED_MAX 1024 /* body on a route that takes none */
#define HTTP_REPLY_HEAD_MAX (64u * 1024)

enum http_conn_state {
    HTTP_CONN_IDLE,
    HTTP_CONN_HEAD,
    HTTP_CONN_BODY,
    HTTP_CONN_RUN,
    HTTP_CONN_DISCARD,
    HTTP_CONN_CLOSING,
    HTTP_CONN_STATE__COUNT
};

struct http_conn {
    struct http_conn *next, *prev; /* of the server, or in its pool */
    struct http_conn *kick_next;
    struct http_server *s;
    struct loop_conn *lc;
    struct http_exchange *x;
    struct loop_timer timer;
    enum http_conn_state state, timed; /* timed: what the timer was started for */
    struct buf ahead; /* input that came before its time */
    struct http1_chunks chunks;
    bool chunked, body_done, paused, busy, kicked, forwarded, tls;
    int64_t left; /* of a body with a length */
    int64_t
        marked; /* bytes of the window of a slow body, or sent when a write was last looked at */
    uint8_t peer_n;
    char peer[LOOP_ADDR_TEXT_MAX];
};

enum http_stage {
    HTTP_STAGE_OPEN,
    HTTP_STAGE_STARTED, /* the head grows in `out` */
    HTTP_STAGE_STREAM, /* the head is written */
    HTTP_STAGE__COUNT
};

struct http_slow_job;

struct http_exchange {
    struct http_exchange *next; /* in the pool */
    struct http_server *s;
    struct http_conn *c; /* NULL: the client left while a worker has the exchange */
    const struct http_route *route;
    const struct http_events *events;
    void *arg;
    struct http_slow_job *job;
    struct buf in; /* the head, and the body when it came along */
    struct buf body; /* the body when it did not */
    struct buf out, trailers;
    size_t scanned;
    size_t counted; /* bytes noted in options.buffered */
    size_t body_max;
    enum http_stage stage;
    int status;
    bool no_body; /* HEAD, 204, 304: nothing follows the head */
    bool chunks; /* the reply is chunked */
    bool keep; /* the connection goes on after this one */
    int64_t length; /* of the reply, -1 when not declared */
    uint64_t written;
    struct arena arena;
    struct http_request request;
    char id[ID_TEXT_MAX];
    struct http1_head head;
};

struct http_server {
    struct loop *loop;
    struct http_options o;
    struct http_router *router;
    struct http_net *proxies;
    size_t proxies_n;
    struct http_conn *conns, *conn_pool, *kicks;
    size_t conns_n, conn_pool_n;
    struct http_exchange *pool;
    size_t pool_n;
    struct buf bufs[HTTP_POOL_MAX];
    size_t bufs_n;
    size_t working; /* exchanges at workers */
    struct loop_timer drain;
    bool draining;
    bool kick_posted;
    bool freed; /* as soon as the posted kick has come */
    int64_t drain_at_us;
    loop_f drained;
    void *drained_arg;
    int64_t date_s;
    size_t common_n;
    char common[256]; /* Date and Server lines, renewed each second */
    char id_line[64]; /* "X-…-Request-ID: " */
    size_t id_line_n;
    _Atomic size_t own_buffered; /* when the options name no shared count */
};

/* server.c */
void http_count(struct http_server *s, size_t n);
void http_uncount(struct http_server *s, size_t n);
bool http_is_over(const struct http_server *s, size_t more);
struct buf http_buf_take(struct http_server *s, size_t max);
void http_buf_give(struct http_server *s, struct buf *b);
struct http_exchange *http_exchange_new(struct http_conn *c);
void http_exchange_free(struct http_exchange *x);
void http_kick(struct http_conn *c);
void http_conn_closed(struct http_conn *c);

/* conn.c */
extern const struct loop_conn_events http_conn_events;
void http_conn_kicked(struct http_conn *c);
void http_conn_arm(struct http_conn *c);
void http_conn_tick(void *conn);
/* The reply is written whole: frees the exchange and decides what becomes of the connection. */
void http_exchange_finish(struct http_exchange *x);

/* slow.c */
void http_slow_start(struct http_exchange *x);

/* reply.c: http_error for input that is broken: the connection ends with it. */
void http_refuse(struct http_exchange *x, enum err e, const char *why);

#endif

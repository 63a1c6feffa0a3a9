/* The server side of HTTP/1.1: connections, limits, router, replies.
 *
 * Owns: the accepted connections and their exchanges.
 * Needs: loop, codec, base.
 * Threads: one server per loop, everything on that loop; slow handlers run on worker threads and
 * see only their request and reply.
 * Memory: head 32 KiB, body by route, both counted against one process-wide cap on buffered bytes;
 * an idle connection keeps no buffers; replies are bounded by http_queued() and `drained`.
 * Units: bytes, µs.
 * Errors: malformed input is answered with its status in the shape of the path (options.render) and
 * the connection closes; the table is in tbl/errors.h.
 * Always: an exchange ends exactly once: by http_body/http_end/http_error/http_abort, or by `gone`
 * (the client left, or its body broke a rule after `head` had accepted it). Pipelined requests
 * are answered in order, one exchange at a time; HEAD is answered like GET without the body. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/arena.h"
#include "base/id.h"
#include "base/buf.h"
#include "codec/http1.h"
#include "loop/loop.h"

struct http_server;
struct http_exchange;

/* What a handler reads. Lives until the exchange ends. */
struct http_request {
    const struct http1_head *head;
    struct str path, query; /* path percent-decoded only where a route parameter takes it */
    struct str params[4]; /* values of the {x} in the route's path, in order */
    struct str body; /* complete in `ready` and slow handlers; empty in `head` */
    struct str peer; /* address text; of X-Forwarded-For when the peer is a trusted proxy */
    struct id id; /* made at the head */
    const char *request_id; /* the same as text, req_… */
    int64_t started_us; /* loop clock at the first byte of the head */
    bool tls;
};

/* What a slow handler fills. */
struct http_reply {
    int status;
    struct buf headers; /* complete lines */
    struct buf body;
    const char *content_type; /* default application/json */
    /* For errors: a message better than the table's; static or in `arena`. */
    struct str message, field;
    struct arena *arena;
};

enum http_lane {
    HTTP_FAST, /* `ready` on the loop */
    HTTP_SLOW, /* `slow` on a worker thread */
    HTTP_LANE__COUNT
};

struct http_route {
    const char *method; /* "GET" also answers HEAD */
    const char *path; /* "/v1/models/{id}": {x} takes one segment, {x*} takes the rest */
    enum http_lane lane;
    size_t body_bytes_max; /* 0: no body wanted, one of up to 1 KiB is read and dropped */
    /* Optional: at the head, before the body is read and before 100-continue. To refuse, it replies
     * (http_error or http_body) and returns false; what is left of the body is then discarded or
     * the connection closed. */
    bool (*head)(void *arg, struct http_exchange *x);
    void (*ready)(void *arg, struct http_exchange *x);
    enum err (*slow)(void *arg, const struct http_request *request, struct http_reply *reply);
    void *arg;
};

struct http_options {
    const struct http_route *routes;
    size_t routes_n;
    const char *server_name; /* Server header; NULL: none */
    const char *request_id_header; /* "X-Tollgate-Request-ID"; x-request-id comes beside it */
    struct str trusted_proxies; /* comma list of addresses and CIDR nets */
    /* 0 means the default: 75 s; 10 s; a body slower than 1 KiB/s over 60 s; a client that takes
     * nothing of its answer for 60 s. */
    int64_t idle_us, head_us, body_us, write_us;
    size_t connections_max; /* per loop; beyond it new ones are closed; 0: no limit */
    _Atomic size_t *buffered; /* shared by all loops; NULL: an own one */
    size_t buffered_max; /* beyond it 503 overloaded; 0: no limit */
    /* At every head, before its route counts: answers by itself and returns true, or returns false.
     * May be NULL. */
    bool (*divert)(void *arg, struct http_exchange *x);
    /* Writes an error body in the shape that belongs to the path. NULL:
     * `{"error":{"code","message","field"?,"request_id"}}`. May add header lines. */
    void (*render)(void *arg, struct str path, enum err e, struct str message, struct str field,
                   const char *request_id, struct buf *headers, struct buf *body);
    /* One line per finished exchange, for the access log and metrics; may be NULL. */
    void (*finished)(void *arg, const struct http_exchange *x, int status, uint64_t body_bytes);
    /* Header lines for every answer (security headers, CORS by path); may be NULL. */
    void (*headers)(void *arg, const struct http_request *request, struct buf *headers);
    void *arg;
};

/* `options` is copied, the routes are not. trusted_proxies must be valid (http_nets_are_valid). */
struct http_server *http_server_new(struct loop *loop, const struct http_options *options);
/* Give to loop_listen as accept function with the server as its argument. */
void http_server_accept(void *server, struct loop_conn *c);
/* Graceful end: idle connections close, running exchanges finish with `Connection: close`, then
 * `done(arg)`; after `within_us` what is left is aborted. */
void http_server_drain(struct http_server *s, int64_t within_us, loop_f done, void *arg);
void http_server_free(struct http_server **s);
size_t http_server_connections(const struct http_server *s);

/* ---- an exchange, on the fast lane ---- */
struct http_events {
    void (*drained)(void *arg); /* the reply's queue fell under the low mark */
    void (*gone)(void *arg); /* the exchange is over without you: do not touch it again */
};
const struct http_request *http_request_of(const struct http_exchange *x);
struct loop *http_loop_of(const struct http_exchange *x);
void http_exchange_set(struct http_exchange *x, const struct http_events *events, void *arg);
void *http_exchange_arg(const struct http_exchange *x);
/* Arena of the exchange, 64 KiB at most, gone with it. */
struct arena *http_arena(struct http_exchange *x);
/* First header, empty with p == NULL when none. */
struct str http_header(const struct http_exchange *x, struct str name);
/* The body's bytes are no longer needed (frees a large buffer before the exchange ends). */
void http_body_release(struct http_exchange *x);

/* Reply: start, headers, then either http_body (whole, Content-Length) or http_stream and pieces.
 * The names' values must be sane (checked: an insane value aborts, it is our bug). */
void http_start(struct http_exchange *x, int status);
void http_set(struct http_exchange *x, struct str name, struct str value);
void http_set_i64(struct http_exchange *x, struct str name, int64_t value);
/* Raw complete lines. */
void http_set_lines(struct http_exchange *x, struct str lines);
/* Ends the exchange. */
void http_body(struct http_exchange *x, struct str content_type, struct str body);
/* Begins a chunked answer (for HTTP/1.0 clients: until close). length >= 0: with Content-Length. */
void http_stream(struct http_exchange *x, int64_t length);
void http_write(struct http_exchange *x, struct str bytes);
/* Only when http_set announced them by Trailer; dropped unless the client said `TE: trailers`. */
void http_trailer(struct http_exchange *x, struct str name, struct str value);
void http_end(struct http_exchange *x);
/* The stream cannot be finished: the connection is cut so that the client notices. */
void http_abort(struct http_exchange *x);
/* Bytes of the reply that the kernel has not taken. */
size_t http_queued(const struct http_exchange *x);
/* The whole error answer by the table and options.render; ends the exchange. message and field may
 * be empty. Extra header lines (may be empty) go along. */
void http_error(struct http_exchange *x, enum err e, struct str message, struct str field,
                struct str header_lines);

/* ---- addresses: comma lists of addresses and CIDR nets, IPv4 and IPv6 ---- */
bool http_nets_are_valid(struct str nets);
bool http_nets_have(struct str nets, struct str address);

/* ---- helpers for slow handlers ---- */
/* Value of a query parameter, percent-decoded into the arena; false when it is not there. */
bool http_query(const struct http_request *r, struct arena *a, struct str name,
                struct str *ret_value);
struct str http_request_header(const struct http_request *r, struct str name);

#endif

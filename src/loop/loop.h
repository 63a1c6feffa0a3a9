/* The engine: one libuv loop per core behind this header. Connections with or without TLS, timers,
 * wakes from other threads, work on worker threads.
 *
 * Owns: the libuv loop, its handles, the sockets.
 * Needs: base.
 * Threads: a loop and everything made on it belong to the thread that runs it; only loop_post,
 * loop_stop, loop_turn_us_max and the loop_tls functions may be called from anywhere.
 * Memory: a connection's write queue is bounded by the user's own back-pressure: he asks
 * loop_conn_queued() and stops producing; read buffers are one per loop, never one per connection.
 * Units: µs, bytes.
 * Errors: a connection ends with one `closed` call that says why.
 * Always: no callback runs inside a call that the user makes (writes and closes take effect at the
 * end of the turn); what was written in one turn leaves in one system call; nothing blocks. */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "base/err.h"
#include "base/str.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct loop;
struct loop_conn;
struct loop_listener;
struct loop_tls;

typedef void (*loop_f)(void *arg);

struct loop *loop_new(void);
/* Only after loop_run has returned. */
void loop_free(struct loop **loop);
/* Runs until loop_stop and until every connection and listener is gone. Once per loop. */
void loop_run(struct loop *loop);
/* From any thread: closes what is left, waits for running work and lets loop_run return; timers
 * that still run are dropped then. Posts may come until loop_free; late ones are not run. */
void loop_stop(struct loop *loop);
/* Clock of this turn: monotonic and wall. */
int64_t loop_now_us(const struct loop *loop);
int64_t loop_wall_us(const struct loop *loop);
/* From any thread: fn(arg) runs on the loop's thread in one of its next turns, in the order posted
 * by each thread. A burst of posts costs one wake. */
void loop_post(struct loop *loop, loop_f fn, void *arg);
/* On the loop: work(arg) runs on a worker thread, then done(arg) on the loop. At most 1,024 wait;
 * beyond that ERR_OVERLOADED and nothing is called. */
MUST enum err loop_work(struct loop *loop, loop_f work, loop_f done, void *arg);
/* Called at the end of every turn, before the flush of writes, and once more when the flush made
 * callbacks. At most eight of them, in this order; posts of the turn have run before. */
void loop_on_turn_end(struct loop *loop, loop_f fn, void *arg);
/* Called when the turn is over and its writes have left; writes nothing itself. True: the loop does
 * not sleep before its next turn. One per loop. */
void loop_on_turn_over(struct loop *loop, bool (*fn)(void *arg), void *arg);
/* In there: nothing waits for the loop. */
bool loop_is_idle(const struct loop *loop);
/* From any thread: longest turn since the last call, the running one included, for the watchdog
 * (turns over 50 ms are reported). */
int64_t loop_turn_us_max(struct loop *loop);

/* A timer lives inside its owner's struct; zero-initialised it is stopped. Restarting a running one
 * moves it. Cheap: later deadlines are noted, not re-sorted. */
struct loop_timer {
    struct loop *loop;
    loop_f fn;
    void *arg;
    int64_t at_us;
    size_t slot; /* index in the loop's heap plus one; 0: stopped */
    int64_t heap_us;
};
void loop_timer_init(struct loop_timer *t, struct loop *loop, loop_f fn, void *arg);
void loop_timer_start(struct loop_timer *t, int64_t in_us);
void loop_timer_stop(struct loop_timer *t);

/* Addresses. */
union loop_addr {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_storage any;
};
#define LOOP_ADDR_TEXT_MAX 64
/* "127.0.0.1:8787", "[::1]:8787"; numeric only. */
MUST enum err loop_addr_parse(struct str s, union loop_addr *ret_addr);
struct str loop_addr_text(const union loop_addr *addr, bool with_port,
                          char text[LOOP_ADDR_TEXT_MAX]);
/* getaddrinfo: blocking, for worker threads; at most `max` addresses. */
MUST enum err loop_resolve(const char *host, uint16_t port, union loop_addr *addrs, size_t max,
                           size_t *ret_n);

enum loop_close {
    LOOP_CLOSE_OURS, /* loop_conn_close or _abort, or the loop stops */
    LOOP_CLOSE_EOF, /* the peer ended its side */
    LOOP_CLOSE_RESET, /* read or write failed */
    LOOP_CLOSE_CONNECT, /* never connected */
    LOOP_CLOSE_TLS, /* handshake or certificate failed, or an alert */
    LOOP_CLOSE__COUNT
};

struct loop_conn_events {
    /* Connected, and the TLS handshake done (clients and TLS servers; plain servers: none). */
    void (*opened)(void *arg);
    /* Bytes arrived; they live during this call. */
    void (*read)(void *arg, struct str bytes);
    /* The queue fell under the low mark (64 KiB) after it had been above. */
    void (*drained)(void *arg);
    /* The last call, ever; the connection is gone with it. After loop_conn_close or _abort no
     * other event comes before it. `why` is a static or thread-local text for the log, not NULL. */
    void (*closed)(void *arg, enum loop_close reason, const char *why);
};

/* One connection, `arg` goes along to every event. */
void loop_conn_set(struct loop_conn *c, const struct loop_conn_events *events, void *arg);
void *loop_conn_arg(const struct loop_conn *c);
/* Copies into the queue; it leaves at the end of the turn. */
void loop_conn_write(struct loop_conn *c, const struct str *pieces, size_t n);
/* The queue's own tail, for builders that write in place; loop_conn_commit adds n bytes of it. */
char *loop_conn_reserve(struct loop_conn *c, size_t n);
void loop_conn_commit(struct loop_conn *c, size_t n);
/* Takes a piece without copying; `release(arg)` is called when it has left or the connection is
 * gone. For large bodies. */
void loop_conn_write_ref(struct loop_conn *c, struct str piece, loop_f release, void *arg);
/* Bytes not yet taken by the kernel. */
size_t loop_conn_queued(const struct loop_conn *c);
/* Bytes ever handed to the kernel (before TLS): tells whether a request has begun to leave. */
uint64_t loop_conn_sent(const struct loop_conn *c);
/* Stops and starts reading (back-pressure). A paused connection still notices a reset, but not that
 * the peer has ended its side: to learn that at once, read on. */
void loop_conn_pause(struct loop_conn *c);
void loop_conn_resume(struct loop_conn *c);
/* Writes what is queued, then ends (bounded by 5 s). The peer of an accepted connection is read dry
 * for as long, after `closed`, so that the last answer reaches him. */
void loop_conn_close(struct loop_conn *c);
/* Ends at once, by a reset; the queue is dropped. */
void loop_conn_abort(struct loop_conn *c);
const union loop_addr *loop_conn_peer(const struct loop_conn *c);
bool loop_conn_is_tls(const struct loop_conn *c);

typedef void (*loop_accept_f)(void *arg, struct loop_conn *c);
/* Binds with SO_REUSEPORT, so every loop has its own socket. ERR_CONFLICT when the port is taken by
 * another process (checked by a bind without SO_REUSEPORT first when `exclusive`), else ERR_IO.
 * `tls` may be NULL. Port 0 takes a free one: loop_listener_port tells which. */
MUST enum err loop_listen(struct loop *loop, const union loop_addr *addr, struct loop_tls *tls,
                          bool exclusive, loop_accept_f accept, void *arg,
                          struct loop_listener **ret_listener);
uint16_t loop_listener_port(const struct loop_listener *l);
/* Also after the loop has stopped listening by itself (loop_stop), but before loop_free. */
void loop_listener_close(struct loop_listener **l);

/* `server_name` is for SNI and the certificate; tls NULL means plain. Failure comes as `closed`. */
struct loop_conn *loop_connect(struct loop *loop, const union loop_addr *addr, struct loop_tls *tls,
                               struct str server_name, const struct loop_conn_events *events,
                               void *arg);

/* TLS contexts: shared by loops, counted. TLS 1.2 and later; session tickets; ALPN http/1.1. */
MUST enum err loop_tls_server_new(const char *cert_file, const char *key_file,
                                  struct loop_tls **ret_tls, char *ret_why, size_t why_max);
/* Reads the files again; on failure the old ones stay. From any thread. */
MUST enum err loop_tls_server_reload(struct loop_tls *tls, char *ret_why, size_t why_max);
/* Verifies against the system's store, or `ca_file` when given. */
MUST enum err loop_tls_client_new(const char *ca_file, struct loop_tls **ret_tls, char *ret_why,
                                  size_t why_max);
void loop_tls_free(struct loop_tls **tls);

#endif

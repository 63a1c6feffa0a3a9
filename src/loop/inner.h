/* What the files of this room share. Nobody else includes it.
 *
 * Owns: nothing.  Needs: libuv, OpenSSL.  Threads: the loop's own, where not said otherwise.
 * Memory: a connection is freed in libuv's close callback (one without a socket by a post), so a
 * pointer stays good for the turn.
 * Errors: none.  Units: µs, bytes.
 * Always: conn_finish is the only way a connection ends, and is never called from a user's call. */
#ifndef LOOP_INNER_H
#define LOOP_INNER_H

#include "loop/loop.h"
#include "loop/queue.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

enum {
    LOOP_READ_BYTES = 64 * 1024,
    /* One read decrypts to less than this: itself and the record that had begun before. */
    LOOP_PLAIN_BYTES = LOOP_READ_BYTES + 20 * 1024,
    LOOP_LOW_BYTES = 64 * 1024,
    /* Ciphertext made ahead of the kernel. */
    LOOP_TLS_AHEAD_BYTES = 256 * 1024,
    LOOP_IOV_MAX = 64,
    /* Of one connection in one turn. */
    LOOP_READS_MAX = 8,
    LOOP_TURN_ENDS_MAX = 8,
    LOOP_GENERATIONS_MAX = 4,
    LOOP_WORK_WAITING_MAX = 1024,
    LOOP_LINGERING_MAX = 1024,
    LOOP_LINGER_BYTES_MAX = 8 * 1024 * 1024,
    LOOP_WHY_MAX = 256
};
#define LOOP_CLOSE_US (5 * INT64_C(1000000))

/* A ring of links; the head is a link too. */
struct loop_link {
    struct loop_link *prev, *next;
};

static inline void link_init(struct loop_link *l)
{
    l->prev = l->next = l;
}
static inline bool link_is_alone(const struct loop_link *l)
{
    return l->next == l;
}
static inline void link_push(struct loop_link *head, struct loop_link *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}
static inline void link_drop(struct loop_link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    link_init(l);
}
#define link_owner(l, type, member) ((type *)(void *)((char *)(l)-offsetof(type, member)))

struct loop_post {
    loop_f fn;
    void *arg;
};
struct loop_posts {
    struct loop_post *p;
    size_t n, cap;
};
struct loop_turn_end {
    loop_f fn;
    void *arg;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t prepare;
    uv_idle_t again; /* runs when the next poll must not wait */
    uv_timer_t alarm;
    uv_poll_t watch; /* of watch_fd, the paused connections */
    int watch_fd; /* -1: not made yet */
    int spare_fd; /* given up to accept and drop a connection when no descriptor is left */

    bool in_turn, running, again_is_on, called, more, finished;
    int64_t now_us, wall_read_us, wall_ahead_us;
    _Atomic int64_t turn_began_us; /* 0: waiting */
    _Atomic int64_t turn_us_max;
    _Atomic bool stopping;
    bool stopped; /* stopping has been acted upon */
    struct loop_turn_end turn_ends[LOOP_TURN_ENDS_MAX];
    size_t turn_ends_n;
    bool (*turn_over)(void *arg);
    void *turn_over_arg;

    pthread_mutex_t lock; /* guards posts */
    struct loop_posts posts, posts_running;
    _Atomic bool posted;
    pthread_t thread;

    struct loop_timer **heap;
    size_t heap_n, heap_cap;
    int64_t alarm_us; /* when the alarm rings; INT64_MAX: it is off */

    struct loop_link conns; /* all */
    struct loop_link dirty; /* to be settled at the end of the turn */
    struct loop_link ending; /* closing or lingering, the first began first */
    struct loop_link listeners; /* all */
    size_t lingering_n, works_n, listening_n;
    struct loop_timer ending_timer;

    struct loop_chunks chunks;
    char *read_buf, *plain_buf;
};

/* The TLS side of a connection. */
struct loop_session {
    SSL *ssl;
    struct loop_queue plain; /* to be encrypted */
    struct str in; /* ciphertext of the current read, not yet taken */
    char *held; /* ciphertext that came while paused */
    size_t held_n;
    bool open, shut;
};

struct loop_conn {
    uv_poll_t poll; /* of fd, while there is one */
    int fd; /* -1: it could not be had */
    int polled; /* what poll waits for; 0: it does not */
    struct loop *loop;
    const struct loop_conn_events *events;
    void *arg;
    struct loop_link all, dirty, ending;
    struct loop_queue out; /* to the kernel */
    struct loop_queue trash; /* written after the end; waits for its release */
    struct loop_session *session;
    uint64_t sent;
    int64_t end_by_us;
    size_t linger_bytes;
    const char *fail_why;
    enum loop_close fail;
    bool accepted, connected, reading, watched;
    bool blocked; /* the kernel takes no more for now */
    bool paused, above, close_asked, abort_asked, failed, eof;
    bool lingering, ended;
    union loop_addr peer;
};

/* loop.c: every callback from libuv calls it first. */
void loop_turn_begin(struct loop *loop);
void loop_touch(struct loop_conn *c);
/* A text of this thread, good until the next. */
const char *loop_why(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* timer.c */
void timer_ring(uv_timer_t *alarm);
void timer_arm(struct loop *loop);
void timer_drop_all(struct loop *loop);

/* conn.c */
struct loop_conn *conn_new(struct loop *loop);
/* Takes the socket over. Not 0: libuv's error, and the socket is closed. */
int conn_take(struct loop_conn *c, int fd);
/* Has libuv wait for what the connection waits for now. */
void conn_poll(struct loop_conn *c);
void conn_opened(struct loop_conn *c);
void conn_start_reading(struct loop_conn *c);
void conn_deliver(struct loop_conn *c, struct str bytes);
void conn_settle(struct loop_conn *c);
/* Ends it now, with the one `closed`. What is queued gets one last try unless we cut it. */
void conn_finish(struct loop_conn *c, enum loop_close reason, const char *why);
void conn_ending_ring(void *loop);

/* watch.c: a paused connection is not read, so its reset is looked for elsewhere. */
void watch_add(struct loop_conn *c);
void watch_drop(struct loop_conn *c);
void watch_fini(struct loop *loop);

/* listen.c */
/* The socket of a connection that was asked for is writable, or has failed. */
void connect_ends(struct loop_conn *c);
void listeners_close(struct loop *loop);
void listeners_free(struct loop *loop);

/* tls.c */
void session_new(struct loop_conn *c, struct loop_tls *tls, struct str server_name);
void session_start(struct loop_conn *c);
/* Takes ciphertext; delivers `opened` and `read`, or ends the connection. */
void session_feed(struct loop_conn *c, struct str bytes);
void session_feed_held(struct loop_conn *c);
/* Encrypts what is queued, as far as the kernel keeps up. */
bool session_encrypt(struct loop_conn *c);
void session_shut(struct loop_conn *c);
void session_free(struct loop_conn *c);

#endif

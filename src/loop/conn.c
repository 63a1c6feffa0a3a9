/* Connections: reading into the loop's one buffer, writing at the end of the turn, ending.
 *
 * What a user calls only notes and touches; conn_settle acts at the end of the turn. The life:
 *
 *   connecting --> open --> (close_asked: writes what is queued) --> lingering --> ended
 *        \___________\___________________\__________________________________________^
 *
 * An accepted connection that we end lingers: it is told of our end and read dry for a while,
 * since closing it with bytes unread makes the kernel cut off the answer that is under way
 * (RFC 9112 §9.6). Its user has had `closed` by then. */
#include "loop/inner.h"
#include "base/mem.h"

#include <netinet/tcp.h>

struct write {
    uv_write_t req;
    struct loop_conn *conn;
};

/* ---- made and set ---- */

struct loop_conn *conn_new(struct loop *loop)
{
    struct loop_conn *c = mem_zalloc(sizeof(*c));
    c->loop = loop;
    c->tcp.data = c;
    must(uv_tcp_init(&loop->uv, &c->tcp) == 0);
    link_init(&c->dirty);
    link_init(&c->ending);
    link_push(&loop->conns, &c->all);
    return c;
}

void loop_conn_set(struct loop_conn *c, const struct loop_conn_events *events, void *arg)
{
    c->events = events;
    c->arg = arg;
}

void *loop_conn_arg(const struct loop_conn *c)
{
    return c->arg;
}

const union loop_addr *loop_conn_peer(const struct loop_conn *c)
{
    return &c->peer;
}

bool loop_conn_is_tls(const struct loop_conn *c)
{
    return c->session != NULL;
}

/* ---- writing: what users call ---- */

static bool is_writable(const struct loop_conn *c)
{
    return !c->ended && !c->lingering && !c->close_asked && !c->abort_asked && !c->failed;
}

static struct loop_queue *user_queue(struct loop_conn *c)
{
    if (!is_writable(c))
        return &c->trash;
    return c->session != NULL ? &c->session->plain : &c->out;
}

static void wrote(struct loop_conn *c)
{
    loop_touch(c);
    if (!c->above && loop_conn_queued(c) > LOOP_LOW_BYTES)
        c->above = true;
}

void loop_conn_write(struct loop_conn *c, const struct str *pieces, size_t n)
{
    if (!is_writable(c))
        return;
    struct loop_queue *q = user_queue(c);
    for (size_t i = 0; i < n; i++)
        queue_add(&c->loop->chunks, q, pieces[i]);
    wrote(c);
}

char *loop_conn_reserve(struct loop_conn *c, size_t n)
{
    return queue_reserve(&c->loop->chunks, user_queue(c), n);
}

void loop_conn_commit(struct loop_conn *c, size_t n)
{
    queue_commit(user_queue(c), n);
    wrote(c);
}

void loop_conn_write_ref(struct loop_conn *c, struct str piece, loop_f release, void *arg)
{
    /* Nothing to send, but still to be released at the end of the turn. */
    struct loop_queue *q = piece.n != 0 ? user_queue(c) : &c->trash;
    queue_ref(&c->loop->chunks, q, piece, release, arg);
    wrote(c);
}

/* Of what uv_write was given, the part that the kernel has taken. */
static size_t writing_taken(const struct loop_conn *c)
{
    if (!c->writing || c->ended)
        return 0;
    return c->writing_n - uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
}

size_t loop_conn_queued(const struct loop_conn *c)
{
    if (c->ended || c->lingering)
        return 0;
    size_t n = c->out.bytes - writing_taken(c);
    return c->session != NULL ? n + c->session->plain.bytes : n;
}

uint64_t loop_conn_sent(const struct loop_conn *c)
{
    return c->session != NULL ? c->sent : c->sent + writing_taken(c);
}

void loop_conn_pause(struct loop_conn *c)
{
    c->paused = true; /* acted upon when bytes come, so a short pause costs nothing */
}

void loop_conn_resume(struct loop_conn *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    if (!c->reading || (c->session != NULL && c->session->held_n != 0))
        loop_touch(c);
}

void loop_conn_close(struct loop_conn *c)
{
    if (c->close_asked || c->ended)
        return;
    c->close_asked = true;
    loop_touch(c);
}

void loop_conn_abort(struct loop_conn *c)
{
    if (c->ended)
        return;
    c->abort_asked = true;
    loop_touch(c);
}

/* ---- reading ---- */

static bool wants_bytes(const struct loop_conn *c)
{
    return !c->ended && (c->lingering || (!c->paused && !c->close_asked && !c->abort_asked));
}

void conn_deliver(struct loop_conn *c, struct str bytes)
{
    if (c->ended || c->close_asked || c->abort_asked || c->events == NULL)
        return;
    c->loop->called = true;
    if (c->events->read != NULL)
        c->events->read(c->arg, bytes);
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *ret_buf)
{
    struct loop_conn *c = handle->data;
    (void)hint;
    loop_turn_begin(c->loop);
    *ret_buf = wants_bytes(c) ? uv_buf_init(c->loop->read_buf, LOOP_READ_BYTES)
                              : uv_buf_init(NULL, 0);
}

static void on_linger_read(struct loop_conn *c, ssize_t n)
{
    if (n > 0)
        c->linger_bytes += (size_t)n;
    if (n < 0 || c->linger_bytes > LOOP_LINGER_BYTES_MAX)
        conn_finish(c, LOOP_CLOSE_OURS, "closed");
}

static void on_read_end(struct loop_conn *c, ssize_t status)
{
    c->reading = false;
    c->eof = true;
    if (status != UV_EOF)
        conn_finish(c, LOOP_CLOSE_RESET, uv_strerror((int)status));
    else if (c->close_asked)
        loop_touch(c); /* it may still read what we have queued */
    else if (c->session != NULL && !c->session->open)
        conn_finish(c, LOOP_CLOSE_TLS, "TLS: the peer ended during the handshake");
    else if (c->session != NULL)
        conn_finish(c, LOOP_CLOSE_RESET, "the peer ended without a TLS close_notify");
    else
        conn_finish(c, LOOP_CLOSE_EOF, "the peer ended the connection");
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct loop_conn *c = stream->data;
    if (n == 0 || c->ended)
        return;
    if (n == UV_ENOBUFS) {
        /* Bytes, or an end, while nobody wants them: from now on only a reset is looked for. */
        uv_read_stop(stream);
        c->reading = false;
        watch_add(c);
    } else if (c->lingering) {
        on_linger_read(c, n);
    } else if (n < 0) {
        on_read_end(c, n);
    } else if (c->session != NULL) {
        session_feed(c, str_of(buf->base, (size_t)n));
    } else {
        conn_deliver(c, str_of(buf->base, (size_t)n));
    }
}

void conn_start_reading(struct loop_conn *c)
{
    if (c->reading || c->eof || c->ended)
        return;
    watch_drop(c);
    c->reading = true;
    int bad = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    if (bad != 0) {
        c->reading = false;
        conn_finish(c, LOOP_CLOSE_RESET, uv_strerror(bad));
    }
}

void conn_opened(struct loop_conn *c)
{
    if (c->ended || c->close_asked || c->abort_asked || c->events == NULL)
        return;
    c->loop->called = true;
    if (c->events->opened != NULL)
        c->events->opened(c->arg);
}

/* ---- writing: at the end of the turn ---- */

static void took(struct loop_conn *c, size_t n)
{
    if (c->session == NULL)
        c->sent += n;
    queue_consume(&c->loop->chunks, &c->out, n);
}

static void on_written(uv_write_t *req, int status)
{
    struct write *w = link_owner(req, struct write, req);
    struct loop_conn *c = w->conn;
    mem_free(w);
    loop_turn_begin(c->loop);
    if (c->ended)
        return;
    if (c->lingering) /* everything was taken, and the queue is dropped already */
        return;
    size_t n = c->writing_n;
    c->writing = false;
    c->writing_n = 0;
    if (status != 0) {
        conn_finish(c, LOOP_CLOSE_RESET, uv_strerror(status));
        return;
    }
    took(c, n);
    loop_touch(c);
}

/* What the kernel did not take at once waits in libuv until it does. */
static bool write_later(struct loop_conn *c)
{
    uv_buf_t pieces[LOOP_IOV_MAX];
    size_t n;
    unsigned k = queue_pieces(&c->out, pieces, LOOP_IOV_MAX, &n);
    struct write *w = mem_alloc(sizeof(*w));
    w->conn = c;
    c->writing = true;
    c->writing_n = n;
    int bad = uv_write(&w->req, (uv_stream_t *)&c->tcp, pieces, k, on_written);
    if (bad == 0)
        return true;
    c->writing = false;
    mem_free(w);
    conn_finish(c, LOOP_CLOSE_RESET, uv_strerror(bad));
    return false;
}

/* False when the connection has ended over it. */
static bool flush(struct loop_conn *c)
{
    while (c->out.bytes != 0 && !c->writing) {
        uv_buf_t pieces[LOOP_IOV_MAX];
        size_t n;
        unsigned k = queue_pieces(&c->out, pieces, LOOP_IOV_MAX, &n);
        int wrote_n = uv_try_write((uv_stream_t *)&c->tcp, pieces, k);
        if (wrote_n < 0 && wrote_n != UV_EAGAIN) {
            conn_finish(c, LOOP_CLOSE_RESET, uv_strerror(wrote_n));
            return false;
        }
        if (wrote_n > 0)
            took(c, (size_t)wrote_n);
        if (wrote_n < 0 || (size_t)wrote_n < n)
            return write_later(c);
    }
    return true;
}

static bool flush_all(struct loop_conn *c)
{
    if (c->session == NULL)
        return flush(c);
    do {
        if (!session_encrypt(c) || !flush(c))
            return false;
    } while (c->session->open && c->session->plain.bytes != 0 && !c->writing);
    return true;
}

static void call_drained(struct loop_conn *c)
{
    if (!c->above || loop_conn_queued(c) >= LOOP_LOW_BYTES)
        return;
    c->above = false;
    if (c->close_asked || c->abort_asked || c->events == NULL || c->events->drained == NULL)
        return;
    c->loop->called = true;
    c->events->drained(c->arg);
}

/* ---- ending ---- */

static void on_closed(uv_handle_t *handle)
{
    struct loop_conn *c = handle->data;
    loop_turn_begin(c->loop);
    link_drop(&c->all);
    link_drop(&c->dirty);
    queue_drop(&c->loop->chunks, &c->trash);
    mem_free(c);
}

static void call_closed(struct loop_conn *c, enum loop_close reason, const char *why)
{
    const struct loop_conn_events *events = c->events;
    c->events = NULL;
    if (events == NULL)
        return;
    c->loop->called = true;
    if (events->closed != NULL)
        events->closed(c->arg, reason, why);
}

static void drop_queues(struct loop_conn *c)
{
    queue_drop(&c->loop->chunks, &c->out);
    queue_drop(&c->loop->chunks, &c->trash);
    session_free(c);
}

/* One last try for what is queued: an alert, or an answer to a peer that has ended its side. */
static void last_words(struct loop_conn *c)
{
    uv_buf_t pieces[LOOP_IOV_MAX];
    size_t n;
    if (!c->connected || c->writing || c->abort_asked)
        return;
    if (c->session != NULL && !session_encrypt(c))
        return;
    unsigned k = queue_pieces(&c->out, pieces, LOOP_IOV_MAX, &n);
    int taken = k != 0 ? uv_try_write((uv_stream_t *)&c->tcp, pieces, k) : 0;
    if (taken > 0 && c->session == NULL)
        c->sent += (uint64_t)taken;
}

void conn_finish(struct loop_conn *c, enum loop_close reason, const char *why)
{
    if (c->ended)
        return;
    if (c->session == NULL && !c->lingering)
        c->sent += writing_taken(c);
    c->ended = true;
    if (reason != LOOP_CLOSE_RESET)
        last_words(c);
    watch_drop(c);
    if (!link_is_alone(&c->ending))
        link_drop(&c->ending);
    if (c->lingering)
        c->loop->lingering_n--;
    /* A cut is seen by the peer as one, and what the kernel still holds is dropped. */
    if (!c->abort_asked || uv_tcp_close_reset(&c->tcp, on_closed) != 0)
        uv_close((uv_handle_t *)&c->tcp, on_closed);
    drop_queues(c);
    call_closed(c, reason, why);
}

static void linger(struct loop_conn *c)
{
    struct loop *loop = c->loop;
    uv_os_fd_t fd;
    if (!c->accepted || c->eof || loop->lingering_n >= LOOP_LINGERING_MAX ||
        uv_fileno((uv_handle_t *)&c->tcp, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
        conn_finish(c, LOOP_CLOSE_OURS, "closed");
        return;
    }
    c->lingering = true;
    loop->lingering_n++;
    conn_start_reading(c);
    drop_queues(c);
    call_closed(c, LOOP_CLOSE_OURS, "closed");
}

void conn_ending_ring(void *arg)
{
    struct loop *loop = arg;
    while (!link_is_alone(&loop->ending)) {
        struct loop_conn *c = link_owner(loop->ending.next, struct loop_conn, ending);
        if (c->end_by_us > loop_now_us(loop)) {
            loop_timer_start(&loop->ending_timer, c->end_by_us - loop_now_us(loop));
            return;
        }
        c->abort_asked = !c->lingering;
        conn_finish(c, LOOP_CLOSE_OURS, "closed, and the peer did not take what was queued");
    }
}

/* Everything that was asked for has left, or there is a bound to wait for it. */
static void settle_close(struct loop_conn *c)
{
    struct loop *loop = c->loop;
    if (c->session != NULL && c->session->plain.bytes == 0 && !c->session->shut) {
        session_shut(c);
        if (!flush(c))
            return;
    }
    if (link_is_alone(&c->ending)) {
        c->end_by_us = loop_now_us(loop) + LOOP_CLOSE_US;
        link_push(&loop->ending, &c->ending);
        if (loop->ending_timer.slot == 0)
            loop_timer_start(&loop->ending_timer, LOOP_CLOSE_US);
    }
    if (loop_conn_queued(c) == 0)
        linger(c);
}

void conn_settle(struct loop_conn *c)
{
    if (c->ended || c->lingering)
        return;
    if (c->failed)
        conn_finish(c, c->fail, c->fail_why);
    else if (c->loop->stopped)
        conn_finish(c, LOOP_CLOSE_OURS, "the loop stops");
    else if (c->abort_asked)
        conn_finish(c, LOOP_CLOSE_OURS, "aborted");
    else if (c->close_asked && (!c->connected || (c->session != NULL && !c->session->open)))
        conn_finish(c, LOOP_CLOSE_OURS, "closed before it was open");
    if (c->ended || !c->connected)
        return;
    if (c->session != NULL && !c->paused)
        session_feed_held(c);
    if (c->ended || !flush_all(c))
        return;
    queue_drop(&c->loop->chunks, &c->trash);
    call_drained(c);
    if (c->close_asked)
        settle_close(c);
    else if (!c->paused && !c->reading)
        conn_start_reading(c);
}

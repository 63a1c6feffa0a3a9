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

#include <errno.h>
#include <unistd.h>

/* ---- made and set ---- */

struct loop_conn *conn_new(struct loop *loop)
{
    struct loop_conn *c = mem_zalloc(sizeof(*c));
    c->loop = loop;
    c->fd = -1;
    link_init(&c->dirty);
    link_init(&c->ending);
    link_push(&loop->conns, &c->all);
    return c;
}

static void on_ready(uv_poll_t *poll, int status, int events);

int conn_take(struct loop_conn *c, int fd)
{
    int bad = uv_poll_init(&c->loop->uv, &c->poll, fd);
    if (bad != 0) {
        close(fd);
        return bad;
    }
    c->fd = fd;
    c->poll.data = c;
    return 0;
}

void conn_poll(struct loop_conn *c)
{
    int events = (c->reading ? UV_READABLE : 0) | (c->blocked || !c->connected ? UV_WRITABLE : 0);
    if (events == c->polled || c->ended)
        return;
    c->polled = events;
    must((events != 0 ? uv_poll_start(&c->poll, events, on_ready) : uv_poll_stop(&c->poll)) == 0);
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

size_t loop_conn_queued(const struct loop_conn *c)
{
    if (c->ended || c->lingering)
        return 0;
    return c->out.bytes + (c->session != NULL ? c->session->plain.bytes : 0);
}

uint64_t loop_conn_sent(const struct loop_conn *c)
{
    return c->sent;
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
    return !c->ended && !c->eof &&
           (c->lingering || (!c->paused && !c->close_asked && !c->abort_asked));
}

void conn_deliver(struct loop_conn *c, struct str bytes)
{
    if (c->ended || c->close_asked || c->abort_asked || c->events == NULL)
        return;
    c->loop->called = true;
    if (c->events->read != NULL)
        c->events->read(c->arg, bytes);
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

/* False when there is no more for now. */
static bool read_once(struct loop_conn *c)
{
    char *p = c->loop->read_buf;
    ssize_t n = recv(c->fd, p, LOOP_READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n > 0 && c->lingering)
        on_linger_read(c, n);
    else if (n > 0 && c->session != NULL)
        session_feed(c, str_of(p, (size_t)n));
    else if (n > 0)
        conn_deliver(c, str_of(p, (size_t)n));
    else if (c->lingering)
        on_linger_read(c, -1);
    else
        on_read_end(c, n == 0 ? UV_EOF : -errno);
    return n == LOOP_READ_BYTES;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct loop_conn *c = poll->data;
    loop_turn_begin(c->loop);
    if (status != 0) /* libuv has stopped; what it is, the next call on the socket tells */
        c->polled = 0;
    if (c->ended)
        return;
    if (!c->connected) {
        connect_ends(c);
        return;
    }
    if (c->blocked && (status != 0 || (events & UV_WRITABLE) != 0)) {
        c->blocked = false;
        loop_touch(c);
    }
    if (!c->reading || (status == 0 && (events & UV_READABLE) == 0))
        return;
    if (!wants_bytes(c)) { /* from now on only a reset is looked for */
        c->reading = false;
        watch_add(c);
    }
    for (int i = 0; i < LOOP_READS_MAX && wants_bytes(c) && read_once(c); i++)
        ;
    conn_poll(c);
}

void conn_start_reading(struct loop_conn *c)
{
    if (c->reading || c->eof || c->ended)
        return;
    watch_drop(c);
    c->reading = true;
    conn_poll(c);
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

/* As much as the kernel takes at once: its bytes, or -errno. */
static ssize_t send_out(struct loop_conn *c)
{
    struct iovec pieces[LOOP_IOV_MAX];
    size_t n;
    unsigned k = queue_pieces(&c->out, pieces, LOOP_IOV_MAX, &n);
    struct msghdr msg = {.msg_iov = pieces, .msg_iovlen = k};
    ssize_t sent;
    do {
        sent = k == 1 ? send(c->fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL)
                      : sendmsg(c->fd, &msg, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

/* False when the connection has ended over it. */
static bool flush(struct loop_conn *c)
{
    while (c->out.bytes != 0 && !c->blocked) {
        ssize_t n = send_out(c);
        if (n == -EAGAIN) {
            c->blocked = true;
        } else if (n < 0) {
            conn_finish(c, LOOP_CLOSE_RESET, uv_strerror((int)n));
            return false;
        } else {
            took(c, (size_t)n);
        }
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
    } while (c->session->open && c->session->plain.bytes != 0 && !c->blocked);
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

static void conn_free(void *arg)
{
    struct loop_conn *c = arg;
    link_drop(&c->all);
    link_drop(&c->dirty);
    queue_drop(&c->loop->chunks, &c->trash);
    mem_free(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct loop_conn *c = handle->data;
    loop_turn_begin(c->loop);
    conn_free(c);
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
    if (!c->connected || c->blocked || c->abort_asked)
        return;
    if (c->session != NULL && !session_encrypt(c))
        return;
    ssize_t taken = c->out.bytes != 0 ? send_out(c) : 0;
    if (taken > 0 && c->session == NULL)
        c->sent += (uint64_t)taken;
}

/* A cut is seen by the peer as one, and what the kernel still holds is dropped. */
static void close_socket(struct loop_conn *c)
{
    static const struct linger cut = {.l_onoff = 1};
    if (c->fd < 0) {
        loop_post(c->loop, conn_free, c);
        return;
    }
    uv_close((uv_handle_t *)&c->poll, on_closed);
    if (c->abort_asked)
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &cut, sizeof(cut));
    close(c->fd);
    c->fd = -1;
}

void conn_finish(struct loop_conn *c, enum loop_close reason, const char *why)
{
    if (c->ended)
        return;
    c->ended = true;
    if (reason != LOOP_CLOSE_RESET)
        last_words(c);
    watch_drop(c);
    if (!link_is_alone(&c->ending))
        link_drop(&c->ending);
    if (c->lingering)
        c->loop->lingering_n--;
    close_socket(c);
    drop_queues(c);
    call_closed(c, reason, why);
}

static void linger(struct loop_conn *c)
{
    struct loop *loop = c->loop;
    if (!c->accepted || c->eof || loop->lingering_n >= LOOP_LINGERING_MAX ||
        shutdown(c->fd, SHUT_WR) != 0) {
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
    conn_poll(c);
}

/* Listeners, and connections to others. */
#include "loop/inner.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    /* A flood of new connections lets the open ones have their turn. */
    ACCEPTS_PER_TURN = 64,
    /* How long a listener rests when not even the spare descriptor could be had again. */
    REST_US = 100 * 1000
};

struct loop_listener {
    uv_poll_t poll;
    struct loop *loop;
    struct loop_link all;
    struct loop_tls *tls;
    loop_accept_f accept;
    void *arg;
    struct loop_timer rest;
    int fd;
    bool closed, gone, given_back; /* asked for; done by libuv; the user has let go of it */
};

/* ---- accepting ---- */

static void adopt(struct loop_listener *l, int fd, const union loop_addr *peer)
{
    struct loop_conn *c = conn_new(l->loop);
    c->accepted = c->connected = true;
    c->peer = *peer;
    int bad = conn_take(c, fd);
    if (bad != 0) {
        conn_finish(c, LOOP_CLOSE_RESET, uv_strerror(bad));
        return;
    }
    if (l->tls != NULL)
        session_new(c, l->tls, STR(""));
    l->loop->called = true;
    l->accept(l->arg, c);
    conn_start_reading(c);
}

/* With no descriptor left the kernel would say "readable" for ever: the spare one is given up to
 * take a connection and drop it, so that its client learns at once. */
static bool accept_and_drop(struct loop_listener *l)
{
    if (l->loop->spare_fd >= 0)
        close(l->loop->spare_fd);
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    l->loop->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (l->loop->spare_fd < 0) {
        must(uv_poll_stop(&l->poll) == 0);
        loop_timer_start(&l->rest, REST_US);
    }
    return fd >= 0 && l->loop->spare_fd >= 0;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct loop_listener *l = poll->data;
    (void)events;
    loop_turn_begin(l->loop);
    if (status != 0)
        return;
    for (int i = 0; i < ACCEPTS_PER_TURN && !l->closed; i++) {
        union loop_addr peer = {0};
        socklen_t n = sizeof(peer);
        int fd = accept4(l->fd, &peer.sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            adopt(l, fd, &peer);
        else if (errno == EMFILE || errno == ENFILE) {
            if (!accept_and_drop(l))
                return;
        } else if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

static void on_rested(void *arg)
{
    struct loop_listener *l = arg;
    must(uv_poll_start(&l->poll, UV_READABLE, on_acceptable) == 0);
}

/* ---- listening ---- */

static socklen_t addr_bytes(const union loop_addr *a)
{
    return a->sa.sa_family == AF_INET6 ? sizeof(a->in6) : sizeof(a->in);
}

/* A bound socket, or -1 with errno. TCP_NODELAY goes over to what is accepted from it. */
static int bind_socket(const union loop_addr *addr, bool shared)
{
    int on = 1;
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
        (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
        bind(fd, &addr->sa, addr_bytes(addr)) == 0)
        return fd;
    int e = errno;
    close(fd);
    errno = e;
    return -1;
}

static enum err open_socket(const union loop_addr *addr, bool exclusive, int *ret_fd)
{
    if (exclusive) {
        int probe = bind_socket(addr, false);
        if (probe < 0)
            return errno == EADDRINUSE ? ERR_CONFLICT : ERR_IO;
        close(probe);
    }
    int fd = bind_socket(addr, true);
    if (fd < 0 || listen(fd, BACKLOG) != 0) {
        enum err e = errno == EADDRINUSE ? ERR_CONFLICT : ERR_IO;
        if (fd >= 0)
            close(fd);
        return e;
    }
    *ret_fd = fd;
    return OK;
}

enum err loop_listen(struct loop *loop, const union loop_addr *addr, struct loop_tls *tls,
                     bool exclusive, loop_accept_f accept, void *arg,
                     struct loop_listener **ret_listener)
{
    int fd;
    enum err e = open_socket(addr, exclusive, &fd);
    if (e != OK)
        return e;
    struct loop_listener *l = mem_zalloc(sizeof(*l));
    l->loop = loop;
    l->tls = tls;
    l->accept = accept;
    l->arg = arg;
    l->fd = fd;
    l->poll.data = l;
    loop_timer_init(&l->rest, loop, on_rested, l);
    loop->listening_n++;
    link_push(&loop->listeners, &l->all);
    must(uv_poll_init(&loop->uv, &l->poll, fd) == 0);
    must(uv_poll_start(&l->poll, UV_READABLE, on_acceptable) == 0);
    *ret_listener = l;
    return OK;
}

uint16_t loop_listener_port(const struct loop_listener *l)
{
    union loop_addr a = {0};
    socklen_t n = sizeof(a);
    must(getsockname(l->fd, &a.sa, &n) == 0);
    return ntohs(a.sa.sa_family == AF_INET6 ? a.in6.sin6_port : a.in.sin_port);
}

/* Freed when both libuv and the user have let go of it, or with the loop. */
static void listener_free(struct loop_listener *l)
{
    if (!l->gone || !l->given_back)
        return;
    link_drop(&l->all);
    mem_free(l);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct loop_listener *l = handle->data;
    loop_turn_begin(l->loop);
    l->gone = true;
    l->loop->listening_n--;
    listener_free(l);
}

static void listener_close(struct loop_listener *l)
{
    if (l->closed)
        return;
    l->closed = true;
    loop_timer_stop(&l->rest);
    uv_close((uv_handle_t *)&l->poll, on_listener_closed);
    close(l->fd);
}

void loop_listener_close(struct loop_listener **ret_l)
{
    struct loop_listener *l = *ret_l;
    if (l == NULL)
        return;
    *ret_l = NULL;
    l->given_back = true;
    listener_close(l);
    listener_free(l);
}

void listeners_close(struct loop *loop)
{
    for (struct loop_link *l = loop->listeners.next; l != &loop->listeners; l = l->next)
        listener_close(link_owner(l, struct loop_listener, all));
}

void listeners_free(struct loop *loop)
{
    while (!link_is_alone(&loop->listeners)) {
        struct loop_listener *l = link_owner(loop->listeners.next, struct loop_listener, all);
        must(l->gone);
        l->given_back = true;
        listener_free(l);
    }
}

/* ---- connecting ---- */

static void fail_later(struct loop_conn *c, const char *why)
{
    c->failed = true;
    c->fail = LOOP_CLOSE_CONNECT;
    c->fail_why = why;
    loop_touch(c);
}

void connect_ends(struct loop_conn *c)
{
    int bad = 0;
    socklen_t n = sizeof(bad);
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &bad, &n) != 0)
        bad = errno;
    if (bad != 0) {
        conn_finish(c, LOOP_CLOSE_CONNECT, uv_strerror(-bad));
        return;
    }
    c->connected = true;
    loop_touch(c); /* what was written meanwhile */
    if (c->session != NULL)
        session_start(c);
    else
        conn_opened(c);
    if (!c->ended)
        conn_start_reading(c);
}

/* 0, or libuv's error of what failed at once. How it goes on, the socket tells. */
static int connect_begins(struct loop_conn *c, const union loop_addr *addr)
{
    int on = 1;
    int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int bad = conn_take(c, fd);
    if (bad != 0)
        return bad;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        (connect(fd, &addr->sa, addr_bytes(addr)) != 0 && errno != EINPROGRESS))
        return -errno;
    conn_poll(c);
    return 0;
}

struct loop_conn *loop_connect(struct loop *loop, const union loop_addr *addr, struct loop_tls *tls,
                               struct str server_name, const struct loop_conn_events *events,
                               void *arg)
{
    struct loop_conn *c = conn_new(loop);
    loop_conn_set(c, events, arg);
    c->peer = *addr;
    if (tls != NULL)
        session_new(c, tls, server_name);
    int bad = connect_begins(c, addr);
    if (bad != 0)
        fail_later(c, uv_strerror(bad));
    return c;
}

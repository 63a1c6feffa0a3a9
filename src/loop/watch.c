/* Paused connections on which something happened: libuv would have to read them to find out, so
 * they wait in an epoll set of our own that asks for no event, and therefore reports errors and
 * hang-ups alone. The set as a whole is one descriptor of the loop. */
#include "loop/inner.h"

#include <sys/epoll.h>
#include <unistd.h>

static void on_watch(uv_poll_t *poll, int status, int events)
{
    struct loop *loop = poll->data;
    struct epoll_event ready[64];
    (void)status;
    (void)events;
    loop_turn_begin(loop);
    int n = epoll_wait(loop->watch_fd, ready, 64, 0);
    for (int i = 0; i < n; i++) {
        struct loop_conn *c = ready[i].data.ptr;
        if (!c->ended)
            conn_finish(c, LOOP_CLOSE_RESET, "reset while paused");
    }
}

static void watch_init(struct loop *loop)
{
    loop->watch_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->watch_fd < 0)
        return;
    must(uv_poll_init(&loop->uv, &loop->watch, loop->watch_fd) == 0);
    loop->watch.data = loop;
    must(uv_poll_start(&loop->watch, UV_READABLE, on_watch) == 0);
}

void watch_add(struct loop_conn *c)
{
    struct loop *loop = c->loop;
    if (c->watched)
        return;
    if (loop->watch_fd < 0)
        watch_init(loop);
    struct epoll_event none = {.events = 0, .data.ptr = c};
    c->watched = loop->watch_fd >= 0 && epoll_ctl(loop->watch_fd, EPOLL_CTL_ADD, c->fd, &none) == 0;
}

void watch_drop(struct loop_conn *c)
{
    struct epoll_event none = {0};
    if (!c->watched)
        return;
    c->watched = false;
    must(epoll_ctl(c->loop->watch_fd, EPOLL_CTL_DEL, c->fd, &none) == 0);
}

void watch_fini(struct loop *loop)
{
    if (loop->watch_fd < 0)
        return;
    uv_close((uv_handle_t *)&loop->watch, NULL);
    close(loop->watch_fd);
    loop->watch_fd = -1;
}

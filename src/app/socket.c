/* Frames over a unix socket. */
#include "app/socket.h"
#include "base/json.h"
#include "base/mem.h"
#include "observe/observe.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REQUEST_MAX (1u << 20)
#define ANSWER_MAX (64u << 20)
#define AT_ONCE_MAX 8

struct socket_door {
    struct house *house;
    char path[1200];
    int fd, stop[2];
    pthread_t thread;
    _Atomic int running;
};

struct visit {
    struct socket_door *door;
    int fd;
};

static bool read_all(int fd, char *p, size_t n)
{
    while (n != 0) {
        ssize_t got = read(fd, p, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

static bool send_all(int fd, struct str s)
{
    while (s.n != 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = str_from(s, (size_t)n);
    }
    return true;
}

static bool read_frame(int fd, struct buf *b)
{
    unsigned char head[4];
    if (!read_all(fd, (char *)head, 4))
        return false;
    size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    char *p = buf_reserve(b, n);
    if (p == NULL || !read_all(fd, p, n))
        return false;
    b->n += n;
    return true;
}

static bool send_frame(int fd, struct str s)
{
    const unsigned char head[4] = {(unsigned char)(s.n >> 24), (unsigned char)(s.n >> 16),
                                   (unsigned char)(s.n >> 8), (unsigned char)s.n};
    return send_all(fd, str_of((const char *)head, 4)) && send_all(fd, s);
}

/* ---- the server's side ---- */

static bool peer_is_ours(int fd)
{
    struct ucred c;
    socklen_t n = sizeof(c);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) == 0 &&
           (c.uid == geteuid() || c.uid == 0);
}

static void answer(struct admin *a, struct str request, struct buf *out)
{
    struct buf result, why;
    struct arena arena;
    struct str op;
    size_t offset;
    buf_init(&result, ANSWER_MAX / 2);
    buf_init(&why, 8192);
    arena_init(&arena, 1024, 8192);
    enum err e = json_check(request, &offset);
    if (e == OK)
        e = json_string(&arena, json_get(request, STR("op")), &op);
    if (e == OK) {
        struct str name = arena_dup(&arena, op);
        e = admin_perform(a, NULL, name.p, json_get(request, STR("args")), &result, &why);
    }
    if (e == OK) {
        buf_add(out, STR("{\"ok\":true,\"result\":"));
        buf_add(out, buf_str(&result));
    } else {
        buf_add(out, STR("{\"ok\":false"));
        buf_json_i64(out, "err", e);
        buf_json_member(out, "message", buf_str(&why));
    }
    buf_byte(out, '}');
    arena_fini(&arena);
    buf_fini(&result);
    buf_fini(&why);
}

static void *serve_one(void *arg)
{
    struct visit v = *(struct visit *)arg;
    mem_free(arg);
    struct buf in, out;
    buf_init(&in, REQUEST_MAX);
    buf_init(&out, ANSWER_MAX);
    if (read_frame(v.fd, &in)) {
        answer(&v.door->house->admin, buf_str(&in), &out);
        if (!send_frame(v.fd, buf_str(&out)))
            observe_say("warn", "admin_answer_lost", "an operator hung up before his answer");
    }
    mem_wipe(in.p, in.n);
    buf_fini(&in);
    buf_fini(&out);
    close(v.fd);
    atomic_fetch_sub(&v.door->running, 1);
    return NULL;
}

static void take_visit(struct socket_door *d)
{
    int fd = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct timeval t = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    if (!peer_is_ours(fd) || atomic_load(&d->running) >= AT_ONCE_MAX) {
        close(fd);
        return;
    }
    struct visit *v = mem_alloc(sizeof(*v));
    *v = (struct visit){d, fd};
    pthread_t thread;
    atomic_fetch_add(&d->running, 1);
    if (pthread_create(&thread, NULL, serve_one, v) != 0) {
        atomic_fetch_sub(&d->running, 1);
        close(fd);
        mem_free(v);
        return;
    }
    pthread_detach(thread);
}

static void *accept_all(void *arg)
{
    struct socket_door *d = arg;
    for (;;) {
        struct pollfd p[2] = {{.fd = d->fd, .events = POLLIN},
                              {.fd = d->stop[0], .events = POLLIN}};
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (p[1].revents != 0)
            return NULL;
        if (p[0].revents != 0)
            take_visit(d);
    }
}

enum err socket_door_open(struct house *h, struct socket_door **ret_door, struct buf *why)
{
    struct socket_door *d = mem_zalloc(sizeof(*d));
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    d->house = h;
    house_socket_path(h, d->path, sizeof(d->path));
    must(pipe(d->stop) == 0);
    d->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(d->fd >= 0 && strlen(d->path) < sizeof(a.sun_path));
    memcpy(a.sun_path, d->path, strlen(d->path) + 1);
    unlink(d->path); /* the house's lock is ours, so a socket that is there is a dead one */
    mode_t old = umask(0177);
    int r = bind(d->fd, (struct sockaddr *)&a, sizeof(a));
    umask(old);
    if (r != 0 || listen(d->fd, 16) != 0) {
        buf_printf(why, "the operator's socket %s cannot be made: %s", d->path, strerror(errno));
        close(d->fd);
        close(d->stop[0]);
        close(d->stop[1]);
        mem_free(d);
        return ERR_IO;
    }
    must(pthread_create(&d->thread, NULL, accept_all, d) == 0);
    *ret_door = d;
    return OK;
}

void socket_door_close(struct socket_door **door)
{
    struct socket_door *d = *door;
    if (d == NULL)
        return;
    must(write(d->stop[1], "x", 1) == 1);
    pthread_join(d->thread, NULL);
    unlink(d->path);
    close(d->fd);
    while (atomic_load(&d->running) != 0)
        usleep(1000); /* operations that run are let to finish */
    close(d->stop[0]);
    close(d->stop[1]);
    mem_free(d);
    *door = NULL;
}

/* ---- the verb's side ---- */

static enum err read_answer(struct str text, struct buf *out, struct buf *why)
{
    struct arena a;
    struct str message = STR("");
    int64_t code = ERR_INTERNAL;
    size_t offset;
    if (json_check(text, &offset) != OK) {
        buf_add(why, STR("the server's answer is broken"));
        return ERR_INTERNAL;
    }
    if (json_is_true(json_get(text, STR("ok")))) {
        buf_add(out, json_get(text, STR("result")));
        return OK;
    }
    arena_init(&a, 1024, 64u * 1024);
    if (json_string(&a, json_get(text, STR("message")), &message) == OK)
        buf_add(why, message);
    arena_fini(&a);
    if (json_int(json_get(text, STR("err")), 1, ERR__COUNT - 1, &code) != OK)
        code = ERR_INTERNAL;
    return (enum err)code;
}

enum socket_result socket_ask(const struct house *h, const char *operation, struct str args,
                              struct buf *out, struct buf *why, enum err *ret_err)
{
    char path[1200];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    house_socket_path(h, path, sizeof(path));
    if (strlen(path) >= sizeof(a.sun_path))
        return SOCKET_NOBODY;
    memcpy(a.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        close(fd);
        return SOCKET_NOBODY;
    }
    struct buf rq, rs;
    buf_init(&rq, REQUEST_MAX);
    buf_init(&rs, ANSWER_MAX);
    buf_byte(&rq, '{');
    buf_json_member(&rq, "op", str_c(operation));
    buf_add(&rq, STR(",\"args\":"));
    buf_add(&rq, args);
    buf_byte(&rq, '}');
    bool ok = buf_check(&rq) == OK && send_frame(fd, buf_str(&rq)) && read_frame(fd, &rs);
    if (ok)
        *ret_err = read_answer(buf_str(&rs), out, why);
    mem_wipe(rq.p, rq.n);
    buf_fini(&rq);
    buf_fini(&rs);
    close(fd);
    return ok ? SOCKET_ANSWERED : SOCKET_BROKEN;
}

/* The bare upstream: answers canned bytes, so that what is measured is the proxy.
 *
 *   upstream port=8801 [life=12] [every=3]
 *
 * The model in the body says what is answered: "bench/json" a completion of about 700 bytes,
 * "bench/sse" fifty events, a usage chunk and [DONE] in one write (each event its own chunk, as
 * providers send them), "bench/slow" an event now and one every `every` seconds, until `life`
 * seconds are over. One thread, epoll, keep-alive; a request costs a read and a write. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 8192, FDS_MAX = 65536, EVENTS = 256 };

struct conn {
    bool open;
    bool slow;
    bool waits; /* for room in the socket */
    size_t got;
    const char *out;
    size_t out_n;
    int64_t due;
    int64_t ends;
    char in[REQUEST_MAX];
};

static struct conn *conns;
static int epoll_fd;
static int fd_max;
static int slow_count;
static int64_t every_ns, life_ns;

static char json[2048], sse[32768], slow_head[1024], slow_event[512], slow_end[1024];
static size_t json_n, sse_n, slow_head_n, slow_event_n, slow_end_n;

/* ---- what is answered ---- */

#define CHUNK_HEAD                                                                                 \
    "data: {\"id\":\"gen-1754000000-benchbenchbenchbench\",\"provider\":\"Bench\","                \
    "\"model\":\"bench/model\",\"object\":\"chat.completion.chunk\",\"created\":1754000000,"
#define USAGE                                                                                      \
    "\"usage\":{\"prompt_tokens\":142,\"completion_tokens\":50,\"total_tokens\":192,"              \
    "\"cost\":0.0000513,\"is_byok\":false,"                                                        \
    "\"cost_details\":{\"upstream_inference_cost\":null},"                                         \
    "\"prompt_tokens_details\":{\"cached_tokens\":0},"                                             \
    "\"completion_tokens_details\":{\"reasoning_tokens\":0}}"
#define SSE_HEAD                                                                                   \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"            \
    "Transfer-Encoding: chunked\r\nX-Generation-Id: gen-1754000000-bench\r\n\r\n"

static size_t put(char *to, size_t at, size_t max, const char *text)
{
    size_t n = strlen(text);

    if (at + n >= max)
        wire_die("a canned answer does not fit");
    memcpy(to + at, text, n);
    return at + n;
}

/* One event as one chunk. */
static size_t put_event(char *to, size_t at, size_t max, const char *event)
{
    char size[32];

    snprintf(size, sizeof size, "%zx\r\n", strlen(event));
    at = put(to, at, max, size);
    at = put(to, at, max, event);
    return put(to, at, max, "\r\n");
}

static size_t put_end(char *to, size_t at, size_t max)
{
    at = put_event(to, at, max, CHUNK_HEAD "\"choices\":[]," USAGE "}\n\n");
    at = put_event(to, at, max, "data: [DONE]\n\n");
    return put(to, at, max, "0\r\n\r\n");
}

static void answers_make(void)
{
    static const char body[] =
        "{\"id\":\"gen-1754000000-benchbenchbenchbench\",\"provider\":\"Bench\","
        "\"model\":\"bench/model\",\"object\":\"chat.completion\",\"created\":1754000000,"
        "\"choices\":[{\"logprobs\":null,\"finish_reason\":\"stop\","
        "\"native_finish_reason\":\"stop\",\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"A tollgate is where those who use a road pay for it: what was used is "
        "counted, what is owed is taken from what was put down before, and the road is open "
        "again for the next one.\",\"refusal\":null,\"reasoning\":null}}]," USAGE "}";
    static const char event[] = CHUNK_HEAD
        "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\" word\"},"
        "\"finish_reason\":null,\"native_finish_reason\":null,\"logprobs\":null}]}\n\n";
    char head[256];

    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
             "X-Generation-Id: gen-1754000000-bench\r\n\r\n",
             sizeof body - 1);
    json_n = put(json, put(json, 0, sizeof json, head), sizeof json, body);
    sse_n = put(sse, 0, sizeof sse, SSE_HEAD);
    for (int i = 0; i < 50; i++)
        sse_n = put_event(sse, sse_n, sizeof sse, event);
    sse_n = put_end(sse, sse_n, sizeof sse);
    slow_event_n = put_event(slow_event, 0, sizeof slow_event, event);
    slow_head_n = put(slow_head, 0, sizeof slow_head, SSE_HEAD);
    slow_head_n = put_event(slow_head, slow_head_n, sizeof slow_head, event);
    slow_end_n = put_end(slow_end, 0, sizeof slow_end);
    printf("json=%zu sse=%zu\n", sizeof body - 1, sse_n);
    fflush(stdout);
}

/* ---- connections ---- */

static void conn_close(int fd)
{
    struct conn *c = &conns[fd];

    if (c->slow)
        slow_count--;
    c->open = c->slow = c->waits = false;
    c->got = c->out_n = 0;
    close(fd);
}

static void conn_watch(int fd, bool waits)
{
    struct epoll_event e = {.events = EPOLLIN | (waits ? (uint32_t)EPOLLOUT : 0), .data.fd = fd};

    conns[fd].waits = waits;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &e) != 0)
        wire_die("epoll_ctl");
}

static void conn_flush(int fd)
{
    struct conn *c = &conns[fd];
    ssize_t n = send(fd, c->out, c->out_n, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN) {
        conn_close(fd);
        return;
    }
    if (n > 0) {
        c->out += n;
        c->out_n -= (size_t)n;
    }
    if (c->waits != (c->out_n > 0))
        conn_watch(fd, c->out_n > 0);
}

static void conn_answer(int fd, const char *request, size_t n)
{
    struct conn *c = &conns[fd];
    const char *model = memmem(request, n, "bench/", 6);
    char kind = model != NULL && model + 7 < request + n ? model[7] : 's';

    if (kind == 's' && model[6] == 's') {
        c->out = sse;
        c->out_n = sse_n;
    } else if (kind == 'l') {
        c->out = slow_head;
        c->out_n = slow_head_n;
        c->slow = true;
        slow_count++;
        c->ends = wire_now() + life_ns;
        /* Spread, so that their events do not come all at once. */
        c->due = wire_now() + every_ns / 64 * (fd % 64 + 1);
    } else {
        c->out = json;
        c->out_n = json_n;
    }
    conn_flush(fd);
}

static void conn_read(int fd)
{
    struct conn *c = &conns[fd];
    ssize_t n = recv(fd, c->in + c->got, sizeof c->in - c->got, 0);

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            conn_close(fd);
        return;
    }
    c->got += (size_t)n;
    while (c->open && c->got > 0) {
        size_t head = wire_head(c->in, c->got);
        int64_t body = head == 0 ? 0 : wire_length(c->in, head);
        size_t whole = head + (body > 0 ? (size_t)body : 0);

        if (head == 0 || c->got < whole)
            return;
        conn_answer(fd, c->in, whole);
        if (!c->open)
            return;
        c->got -= whole;
        memmove(c->in, c->in + whole, c->got);
    }
}

static void listener_accept(int listener)
{
    for (;;) {
        int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

        if (fd < 0)
            return;
        if (fd >= FDS_MAX)
            wire_die("too many connections");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        conns[fd].open = true;
        fd_max = fd > fd_max ? fd : fd_max;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0)
            wire_die("epoll_ctl");
    }
}

/* The slow streams whose time has come. */
static void slow_turn(int64_t now)
{
    for (int fd = 0; fd <= fd_max; fd++) {
        struct conn *c = &conns[fd];

        if (!c->slow || c->out_n > 0 || (now < c->due && now < c->ends))
            continue;
        if (now >= c->ends) {
            c->slow = false;
            slow_count--;
            c->out = slow_end;
            c->out_n = slow_end_n;
        } else {
            c->due += every_ns;
            c->out = slow_event;
            c->out_n = slow_event_n;
        }
        conn_flush(fd);
    }
}

static int listener_open(int64_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

    to.sin_port = htons((uint16_t)port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) != 0 || listen(fd, 4096) != 0)
        wire_die("listen");
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0)
        wire_die("epoll_ctl");
    return fd;
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];
    int64_t slow_next = 0;
    int listener;

    every_ns = wire_arg_n(argc, argv, "every", "3") * 1000000000;
    life_ns = wire_arg_n(argc, argv, "life", "12") * 1000000000;
    wire_files();
    conns = wire_map(sizeof *conns * FDS_MAX);
    answers_make();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    listener = listener_open(wire_arg_n(argc, argv, "port", "8801"));
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, slow_count > 0 ? 20 : -1);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd == listener)
                listener_accept(fd);
            else if (conns[fd].open && (events[i].events & EPOLLOUT) != 0)
                conn_flush(fd);
            if (fd != listener && conns[fd].open && (events[i].events & ~(uint32_t)EPOLLOUT) != 0)
                conn_read(fd);
        }
        if (slow_count > 0 && wire_now() >= slow_next) {
            slow_turn(wire_now());
            slow_next = wire_now() + 20000000;
        }
    }
}

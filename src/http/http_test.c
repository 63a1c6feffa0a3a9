/* The server over real sockets: what a raw client sees. */
#include "http/http.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- the server under test, on a thread of its own ---- */

static struct loop *loop;
static struct http_server *server;
static struct loop_listener *listener;
static pthread_t thread;
static uint16_t port;
static _Atomic size_t buffered;
static _Atomic int gone_n, finished_n, finished_status, worked_n;
static sem_t gone, worker_may_go;
static struct http_exchange *parked;

static void hello(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_start(x, 200);
    http_set_i64(x, STR("X-N"), -5);
    http_body(x, STR("text/plain"), STR("hello"));
}

static void echo(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_start(x, 200);
    http_set(x, STR("X-Peer"), http_request_of(x)->peer);
    http_body(x, STR("text/plain"), http_request_of(x)->body);
}

static void stream(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_start(x, 200);
    http_stream(x, http_header(x, STR("x-length")).p != NULL ? 6 : -1);
    http_write(x, STR("abc"));
    http_write(x, STR(""));
    http_write(x, STR("def"));
    http_trailer(x, STR("X-Sum"), STR("6"));
    http_end(x);
}

static void on_gone(void *arg)
{
    (void)arg;
    parked = NULL;
    atomic_fetch_add(&gone_n, 1);
    (void)sem_post(&gone);
}

static const struct http_events parked_events = {.gone = on_gone};

/* Waits until /unpark, or until the client leaves. */
static void park(void *arg, struct http_exchange *x)
{
    (void)arg;
    parked = x;
    http_exchange_set(x, &parked_events, x);
    assert_ptr_equal(http_exchange_arg(x), x);
}

static void unpark(void *arg, struct http_exchange *x)
{
    struct http_exchange *p = parked;
    parked = NULL;
    if (p != NULL) {
        http_start(p, 200);
        http_body(p, STR(""), STR("unparked"));
    }
    hello(arg, x);
}

static void cut(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_start(x, 200);
    http_stream(x, 10);
    http_write(x, STR("abc"));
    http_end(x); /* seven bytes short */
}

static void late_error(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_start(x, 200);
    http_set(x, STR("X-Lost"), STR("yes"));
    http_error(x, ERR_STORE_BUSY, STR(""), STR(""), STR(""));
}

static void empty(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_start(x, 204);
    http_body(x, STR(""), STR(""));
}

static void pour_more(void *arg)
{
    static const char zeros[32768];
    struct http_exchange *x = arg;
    while (http_queued(x) < 128 * 1024)
        http_write(x, str_of(zeros, sizeof(zeros)));
}

static void pour(void *arg, struct http_exchange *x)
{
    (void)arg;
    static const struct http_events events = {.drained = pour_more, .gone = on_gone};
    http_exchange_set(x, &events, x);
    http_start(x, 200);
    http_stream(x, -1);
    pour_more(x);
}

static bool gate(void *arg, struct http_exchange *x)
{
    (void)arg;
    if (http_header(x, STR("x-bad")).p == NULL) {
        http_exchange_set(x, &parked_events, NULL);
        return true;
    }
    http_error(x, ERR_FORBIDDEN, STR("no \"entry\""), STR("x-bad"), STR("X-Why: bad\r\n"));
    return false;
}

static enum err work(void *arg, const struct http_request *r, struct http_reply *reply)
{
    (void)arg;
    if (http_request_header(r, STR("x-wait")).p != NULL)
        (void)sem_wait(&worker_may_go);
    atomic_fetch_add(&worked_n, 1);
    if (r->query.n != 0)
        return ERR_NOT_FOUND;
    reply->status = 201;
    reply->content_type = "text/plain";
    buf_add(&reply->headers, STR("X-Worked: 1\r\n"));
    buf_add(&reply->body, r->body);
    return OK;
}

static enum err too_much(void *arg, const struct http_request *r, struct http_reply *reply)
{
    (void)arg;
    (void)r;
    (void)buf_reserve(&reply->headers, 1024 * 1024);
    return OK;
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/hello", .ready = hello},
    {.method = "POST", .path = "/hello", .ready = hello},
    {.method = "POST", .path = "/echo", .body_bytes_max = 200000, .ready = echo},
    {.method = "GET", .path = "/stream", .ready = stream},
    {.method = "GET", .path = "/park", .ready = park},
    {.method = "GET", .path = "/unpark", .ready = unpark},
    {.method = "GET", .path = "/cut", .ready = cut},
    {.method = "GET", .path = "/late-error", .ready = late_error},
    {.method = "GET", .path = "/empty", .ready = empty},
    {.method = "GET", .path = "/pour", .ready = pour},
    {.method = "POST", .path = "/gate", .body_bytes_max = 200000, .head = gate, .ready = echo},
    {.method = "POST", .path = "/work", .lane = HTTP_SLOW, .body_bytes_max = 1000, .slow = work},
    {.method = "GET", .path = "/too-much", .lane = HTTP_SLOW, .slow = too_much},
};

static void on_finished(void *arg, const struct http_exchange *x, int status, uint64_t bytes)
{
    (void)arg;
    (void)bytes;
    assert_true(http_request_of(x)->request_id[0] == 'r');
    atomic_store(&finished_status, status);
    atomic_fetch_add(&finished_n, 1);
}

static void *run(void *arg)
{
    loop_run(loop);
    return arg;
}

static void start_with(struct http_options o)
{
    union loop_addr addr;
    loop = loop_new();
    o.routes = routes;
    o.routes_n = sizeof(routes) / sizeof(routes[0]);
    o.buffered = &buffered;
    o.request_id_header = "X-Tollgate-Request-ID";
    o.finished = on_finished;
    server = http_server_new(loop, &o);
    assert_int_equal(loop_addr_parse(STR("127.0.0.1:0"), &addr), OK);
    assert_int_equal(loop_listen(loop, &addr, NULL, false, http_server_accept, server, &listener),
                     OK);
    port = loop_listener_port(listener);
    atomic_store(&gone_n, 0);
    atomic_store(&finished_n, 0);
    assert_int_equal(sem_init(&gone, 0, 0), 0);
    assert_int_equal(sem_init(&worker_may_go, 0, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
}

static void on_drained(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

static void drain(void *arg)
{
    (void)arg;
    loop_listener_close(&listener);
    http_server_drain(server, US_PER_S, on_drained, NULL);
}

/* Whatever a test did, at the end nothing is left and nothing is counted. */
static int stop_server(void **state)
{
    (void)state;
    loop_post(loop, drain, NULL);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(http_server_connections(server), 0);
    http_server_free(&server);
    loop_free(&loop);
    assert_int_equal(atomic_load(&buffered), 0);
    return 0;
}

static int start_plain(void **state)
{
    (void)state;
    start_with((struct http_options){.trusted_proxies = STR("127.0.0.1")});
    return 0;
}

static int start_hasty(void **state)
{
    (void)state;
    start_with((struct http_options){.idle_us = 400000,
                                     .head_us = 400000,
                                     .body_us = 400000,
                                     .write_us = 400000,
                                     .connections_max = 2});
    return 0;
}

static int start_small(void **state)
{
    (void)state;
    start_with((struct http_options){.buffered_max = 40000});
    return 0;
}

/* ---- a raw client ---- */

static char answer[1 << 20];
static size_t answer_n;

static int dial(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 10};
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)(void *)&in, sizeof(in)), 0);
    answer_n = 0;
    answer[0] = '\0';
    return fd;
}

static void say(int fd, struct str s)
{
    while (s.n != 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* it may have closed by now: the answer tells */
        s = str_from(s, (size_t)n);
    }
}

/* Reads on; false at the end of the connection. */
static bool hear(int fd)
{
    assert_true(answer_n + 1 < sizeof(answer));
    ssize_t n = recv(fd, answer + answer_n, sizeof(answer) - 1 - answer_n, 0);
    if (n <= 0)
        return false;
    answer_n += (size_t)n;
    answer[answer_n] = '\0';
    return true;
}

static void hear_until(int fd, const char *text)
{
    while (strstr(answer, text) == NULL)
        if (!hear(fd))
            fail_msg("no '%s' in: %s", text, answer);
}

/* One connection, one text, everything that comes until the server closes. */
static const char *talk(struct str s)
{
    int fd = dial();
    say(fd, s);
    while (hear(fd))
        continue;
    close(fd);
    return answer;
}
#define TALK(text) talk(STR(text))

static size_t times(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}
#define assert_has(text, what)                                                                     \
    do {                                                                                           \
        if (strstr((text), (what)) == NULL)                                                        \
            fail_msg("no '%s' in: %s", (what), (text));                                            \
    } while (0)
#define assert_status(text, s) assert_memory_equal((text), "HTTP/1.1 " s " ", sizeof(s) + 9)
#define H "Host: a\r\n"
#define CLOSE H "Connection: close\r\n"

/* ---- good ---- */

static void a_reply(void **state)
{
    (void)state;
    const char *a = TALK("GET /hello?x=1 HTTP/1.1\r\n" CLOSE "\r\n");
    assert_status(a, "200");
    assert_has(a, "\r\nDate: ");
    assert_has(a, "\r\nX-Tollgate-Request-ID: req_");
    assert_has(a, "\r\nx-request-id: req_");
    assert_has(a, "\r\nX-N: -5\r\n");
    assert_has(a, "\r\nContent-Length: 5\r\n");
    assert_has(a, "\r\nConnection: close\r\n\r\nhello");
    assert_int_equal(atomic_load(&finished_n), 1);
    assert_int_equal(atomic_load(&finished_status), 200);
}

static void head_and_old_clients(void **state)
{
    (void)state;
    const char *a = TALK("HEAD /hello HTTP/1.1\r\n" CLOSE "\r\n");
    assert_has(a, "Content-Length: 5\r\n");
    assert_null(strstr(a, "hello"));
    a = TALK("HEAD /stream HTTP/1.1\r\n" CLOSE "\r\n");
    assert_has(a, "Transfer-Encoding: chunked\r\n");
    assert_null(strstr(a, "abc"));
    a = TALK("GET /hello HTTP/1.0\r\n\r\n");
    assert_status(a, "200");
    assert_has(a, "Connection: close\r\n\r\nhello");
    a = TALK("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /stream HTTP/1.0\r\n\r\n");
    assert_has(a, "Connection: keep-alive\r\n\r\nhello");
    assert_has(a, "Connection: close\r\n\r\nabcdef");
    a = TALK("GET /empty HTTP/1.1\r\n" CLOSE "\r\n");
    assert_status(a, "204");
    assert_null(strstr(a, "Content-Length"));
}

static void streams(void **state)
{
    (void)state;
    const char *a = TALK("GET /stream HTTP/1.1\r\n" CLOSE "\r\n");
    assert_has(a, "\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
    a = TALK("GET /stream HTTP/1.1\r\n" CLOSE "TE: trailers\r\n\r\n");
    assert_has(a, "\r\n0\r\nX-Sum: 6\r\n\r\n");
    a = TALK("GET /stream HTTP/1.1\r\n" CLOSE "X-Length: 1\r\n\r\n");
    assert_has(a, "Content-Length: 6\r\n");
    assert_has(a, "\r\n\r\nabcdef");
    assert_null(strstr(a, "chunked"));
    /* A stream that falls short is seen as cut. */
    a = TALK("GET /cut HTTP/1.1\r\n" H "\r\n");
    assert_null(strstr(a, "abc\r\n"));
    a = TALK("GET /late-error HTTP/1.1\r\n" CLOSE "\r\n");
    assert_status(a, "500");
    assert_null(strstr(a, "X-Lost"));
    assert_has(a, "\"code\":\"internal\"");
    assert_null(strstr(a, "locked")); /* nothing of the inside */
}

static void bodies(void **state)
{
    (void)state;
    const char *a = TALK("POST /echo HTTP/1.1\r\n" CLOSE "Content-Length: 4\r\n\r\nabcd");
    assert_has(a, "\r\n\r\nabcd");
    a = TALK("POST /echo HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n"
             "3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nT: 1\r\n\r\n");
    assert_has(a, "\r\n\r\nabcd");
    a = TALK("POST /hello HTTP/1.1\r\n" CLOSE "Content-Length: 4\r\n\r\nabcd");
    assert_has(a, "hello"); /* not wanted, dropped */
    a = TALK("POST /echo HTTP/1.1\r\n" CLOSE "\r\n");
    assert_has(a, "Content-Length: 0\r\n");
}

/* Every byte on its own: the pieces of a head and of a body can fall anywhere. */
static void byte_by_byte(void **state)
{
    (void)state;
    struct str s = STR("POST /echo HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nabcd"
                       "POST /echo HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n"
                       "3\r\nefg\r\n0\r\n\r\n");
    int fd = dial(), on = 1;
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on)), 0);
    for (size_t i = 0; i < s.n; i++)
        say(fd, str_of(s.p + i, 1));
    while (hear(fd))
        continue;
    close(fd);
    assert_int_equal(times(answer, "HTTP/1.1 200 OK"), 2);
    assert_has(answer, "\r\n\r\nabcdHTTP/1.1");
    assert_has(answer, "\r\n\r\nefg");
}

static void pipelined_in_order(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, STR("GET /park HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" H "\r\n"
                "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nthird"
                "\r\nGET /nowhere HTTP/1.1\r\n" CLOSE "\r\n"));
    int other = dial();
    /* It comes first, and finds the first one waiting. */
    do
        say(other, STR("GET /unpark HTTP/1.1\r\n" H "\r\n"));
    while (hear(other) && atomic_load(&finished_n) < 2);
    close(other);
    answer_n = 0;
    while (hear(fd))
        continue;
    close(fd);
    const char *one = strstr(answer, "unparked"), *two = strstr(answer, "hello");
    const char *three = strstr(answer, "third"), *four = strstr(answer, "HTTP/1.1 404");
    assert_non_null(one);
    assert_true(one < two && two < three && three < four);
}

static void many_pipelined(void **state)
{
    (void)state;
    enum { N = 5000 };
    static const char one[] = "GET /hello HTTP/1.1\r\n" H "\r\n";
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < N - 1; i++)
        buf_add(&b, str_c(one));
    buf_add(&b, STR("GET /hello HTTP/1.1\r\n" CLOSE "\r\n"));
    int fd = dial();
    say(fd, buf_str(&b)); /* nobody reads the answers yet */
    size_t n = 0;
    for (answer_n = 0; hear(fd);) {
        n += answer_n; /* all answers but the last are of one length */
        answer_n = 0;
    }
    close(fd);
    buf_fini(&b);
    assert_int_equal(atomic_load(&finished_n), N);
    assert_true(n > N * 100);
}

static void expectations(void **state)
{
    (void)state;
    int fd = dial();
    say(fd,
        STR("POST /gate HTTP/1.1\r\n" CLOSE "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    hear_until(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, STR("ok"));
    hear_until(fd, "\r\n\r\nok");
    close(fd);
    /* Refused at the head: no 100, and the connection cannot go on. */
    const char *a = TALK("POST /gate HTTP/1.1\r\n" H "X-Bad: 1\r\nExpect: 100-continue\r\n"
                         "Content-Length: 2\r\n\r\n");
    assert_status(a, "403");
    assert_has(a, "X-Why: bad\r\n");
    assert_has(a, "Connection: close\r\n");
    assert_has(a, "\"message\":\"no \\\"entry\\\"\",\"field\":\"x-bad\",\"request_id\":\"req_");
    a = TALK("POST /echo HTTP/1.1\r\n" CLOSE "Expect: 200-maybe\r\nContent-Length: 2\r\n\r\nok");
    assert_status(a, "417");
    a = TALK("POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok");
    assert_status(a, "200"); /* HTTP/1.0 knows no 100 */
}

static void refused_with_a_short_rest(void **state)
{
    (void)state;
    const char *a = TALK("POST /gate HTTP/1.1\r\n" H "X-Bad: 1\r\nContent-Length: 7\r\n\r\nGET /he"
                         "GET /hello HTTP/1.1\r\n" CLOSE "\r\n");
    assert_status(a, "403");
    assert_int_equal(times(a, "HTTP/1.1 "), 2);
    assert_has(a, "hello");
    /* A chunked rest has no known end: the connection closes. */
    a = TALK("POST /gate HTTP/1.1\r\n" H "X-Bad: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
             "0\r\n\r\nGET /hello HTTP/1.1\r\n" CLOSE "\r\n");
    assert_int_equal(times(a, "HTTP/1.1 "), 1);
}

static void addresses(void **state)
{
    (void)state;
    const char *a = TALK("POST /echo HTTP/1.1\r\n" CLOSE
                         "X-Forwarded-For: 9.9.9.9, 8.8.8.8\r\n\r\n");
    assert_has(a, "X-Peer: 8.8.8.8\r\n");
    a = TALK("POST /echo HTTP/1.1\r\n" CLOSE "\r\n");
    assert_has(a, "X-Peer: 127.0.0.1\r\n");
}

static void slow_lane(void **state)
{
    (void)state;
    const char *a = TALK("POST /work HTTP/1.1\r\n" CLOSE "Content-Length: 3\r\n\r\nabc");
    assert_status(a, "201");
    assert_has(a, "X-Worked: 1\r\n");
    assert_has(a, "Content-Type: text/plain\r\n");
    assert_has(a, "\r\n\r\nabc");
    a = TALK("POST /work?x HTTP/1.1\r\n" CLOSE "\r\n");
    assert_status(a, "404");
    a = TALK("GET /too-much HTTP/1.1\r\n" CLOSE "\r\n");
    assert_status(a, "500");
    /* The client leaves while the worker works: the work is done, the reply dropped. */
    int before = atomic_load(&worked_n), ended = atomic_load(&finished_n);
    int fd = dial();
    say(fd, STR("POST /work HTTP/1.1\r\n" H "X-Wait: 1\r\n\r\n"));
    close(fd);
    while (atomic_load(&finished_n) == ended)
        usleep(1000);
    assert_int_equal(atomic_load(&finished_status), 499);
    assert_int_equal(atomic_load(&worked_n), before);
    (void)sem_post(&worker_may_go);
    while (atomic_load(&worked_n) == before)
        usleep(1000);
}

static void a_client_leaves(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, STR("GET /park HTTP/1.1\r\n" H "\r\n"));
    shutdown(fd, SHUT_RDWR);
    (void)sem_wait(&gone);
    close(fd);
    assert_int_equal(atomic_load(&gone_n), 1);
    /* In the middle of a body that `head` had accepted. */
    fd = dial();
    say(fd, STR("POST /gate HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nabc"));
    close(fd);
    (void)sem_wait(&gone);
    /* In the middle of a large answer. */
    fd = dial();
    say(fd, STR("GET /pour HTTP/1.1\r\n" H "\r\n"));
    for (int i = 0; i < 50; i++) {
        answer_n = 0;
        assert_true(hear(fd));
    }
    close(fd);
    (void)sem_wait(&gone);
    assert_int_equal(atomic_load(&gone_n), 3);
}

static void nothing_is_allocated(void **state)
{
    (void)state;
    int fd = dial();
    uint64_t before = 0;
    for (int i = 0; i < 60; i++) {
        if (i == 20)
            before = mem_count();
        answer_n = 0;
        answer[0] = '\0';
        say(fd, STR("POST /echo HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nok"));
        hear_until(fd, "\r\n\r\nok");
    }
    assert_int_equal(mem_count() - before, 0);
    close(fd);
}

/* ---- bad ---- */

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *request, *status;
    } rows[] = {
        {"GET /nowhere HTTP/1.1\r\n" CLOSE "\r\n", "404"},
        {"PUT /hello HTTP/1.1\r\n" CLOSE "\r\n", "405"},
        {"BREW /hello HTTP/1.1\r\n" CLOSE "\r\n", "405"},
        {"POST /echo HTTP/1.1\r\n" H "Content-Length: 200001\r\n\r\n", "413"},
        {"POST /hello HTTP/1.1\r\n" H "Content-Length: 70000\r\n\r\n", "413"},
        {"GET /hello HTTP/2.0\r\n" H "\r\n", "505"},
        {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", "501"},
        {"GET /hello HTTP/1.1\r\n\r\n", "400"},
        {"GET  /hello HTTP/1.1\r\n" H "\r\n", "400"},
        {"nonsense\r\n\r\n", "400"},
        {"POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\n",
         "400"},
        {"POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"},
        {"POST /echo HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\nabc", "400"},
        {"POST /echo HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\nabc", "400"},
        {"POST /echo HTTP/1.1\r\n" H "Content-Length: 3a\r\n\r\nabc", "400"},
        {"POST /echo HTTP/1.1\r\n" H "Content-Length:\r\n\r\nabc", "400"},
        {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"
         "\r\n\r\n0\r\n\r\n",
         "400"},
        {"GET /hello HTTP/1.1\nHost: a\n\n", "400"},
        {"GET /hello HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "400"},
        {"GET /hello HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", "400"},
        {"GET /hello HTTP/1.1\r\n" H "X : a\r\n\r\n", "400"},
        {"GET /hello HTTP/1.1\r\n" H "X: a\001b\r\n\r\n", "400"},
        {"GET /hello HTTP/1.1\r\n" H H "\r\n", "400"},
        {"GET /hello HTTP/1.1\r\n X: a\r\n" H "\r\n", "400"},
        {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
        {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", "400"},
        {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n", "400"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;
        buf_init(&b, 4096);
        buf_add(&b, str_c(rows[i].request));
        /* What stands behind a refused request is no request. */
        bool closes = strstr(rows[i].request, "Connection: close") == NULL;
        if (closes)
            buf_add(&b, STR("GET /hello HTTP/1.1\r\n" CLOSE "\r\n"));
        const char *a = talk(buf_str(&b));
        if (a[0] == '\0' || strncmp(a + 9, rows[i].status, 3) != 0)
            fail_msg("not %s but '%s' for '%s'", rows[i].status, a, rows[i].request);
        assert_int_equal(times(a, "\r\nDate: "), 1);
        assert_has(a, "Connection: close\r\n");
        assert_has(a, "{\"error\":{\"code\":\"");
        buf_fini(&b);
    }
}

static void nul_bytes(void **state)
{
    (void)state;
    const char *a = TALK("GET /hello HTTP/1.1\r\n" H "X: a\0b\r\n\r\n");
    assert_status(a, "400");
    a = TALK("GET /he\0llo HTTP/1.1\r\n" H "\r\n");
    assert_status(a, "400");
}

static void too_large(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_add(&b, STR("GET /"));
    for (int i = 0; i < 9000; i++)
        buf_byte(&b, 'x');
    buf_add(&b, STR(" HTTP/1.1\r\n" H "\r\n"));
    assert_status(talk(buf_str(&b)), "414");
    buf_reset(&b);
    buf_add(&b, STR("GET /hello HTTP/1.1\r\n" H));
    for (int i = 0; i < 100; i++)
        buf_printf(&b, "X-%d: 1\r\n", i);
    buf_add(&b, STR("\r\n"));
    assert_status(talk(buf_str(&b)), "431");
    buf_reset(&b);
    buf_add(&b, STR("GET /hello HTTP/1.1\r\n" H "X: "));
    for (int i = 0; i < 40000; i++)
        buf_byte(&b, 'x');
    assert_status(talk(buf_str(&b)), "431"); /* not even its end was seen */
    buf_reset(&b);
    buf_add(&b, STR("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 21; i++) {
        buf_add(&b, STR("2710\r\n"));
        for (int k = 0; k < 10000; k++)
            buf_byte(&b, 'y');
        buf_add(&b, STR("\r\n"));
    }
    assert_status(talk(buf_str(&b)), "413");
    buf_fini(&b);
}

static void in_time(void **state)
{
    (void)state;
    const char *a = TALK("");
    assert_string_equal(a, ""); /* idle: closed without a word */
    a = TALK("GET /hello HTTP/1.1\r\nHost:");
    assert_status(a, "408");
    a = TALK("POST /echo HTTP/1.1\r\n" H "Content-Length: 4000\r\n\r\nabc");
    assert_status(a, "408");
    assert_has(a, "\"code\":\"request_timeout\"");
    a = TALK("POST /gate HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nabc");
    assert_status(a, "408");
    assert_int_equal(atomic_load(&gone_n), 1); /* `head` had accepted it */
    a = TALK("GET /hello HTTP/1.1\r\n" H "\r\n");
    assert_status(a, "200"); /* and then idle */
    /* Half of a refused body, and never the rest. */
    a = TALK("POST /gate HTTP/1.1\r\n" H "X-Bad: 1\r\nContent-Length: 9\r\n\r\nabc");
    assert_status(a, "403");
}

static void a_stalled_reader(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, STR("GET /pour HTTP/1.1\r\n" H "\r\n"));
    (void)sem_wait(&gone); /* it never reads */
    close(fd);
}

static void too_many(void **state)
{
    (void)state;
    int a = dial(), b = dial();
    say(a, STR("GET /park HTTP/1.1\r\n" H "\r\n"));
    say(b, STR("GET /hello HTTP/1.1\r\n" H "\r\n"));
    hear_until(b, "hello");
    int c = dial();
    say(c, STR("GET /hello HTTP/1.1\r\n" H "\r\n"));
    assert_false(hear(c));
    close(a);
    close(b);
    close(c);
}

static void overloaded(void **state)
{
    (void)state;
    const char *a = TALK("POST /echo HTTP/1.1\r\n" CLOSE "Content-Length: 50000\r\n\r\nabc");
    assert_status(a, "503");
    assert_has(a, "\"code\":\"overloaded\"");
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_add(&b, STR("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nc350\r\n"));
    for (int k = 0; k < 50000; k++)
        buf_byte(&b, 'y');
    assert_status(talk(buf_str(&b)), "503");
    buf_fini(&b);
    assert_status(TALK("GET /hello HTTP/1.1\r\n" CLOSE "\r\n"), "200");
}

static void draining(void **state)
{
    (void)state;
    int idle = dial(), busy = dial();
    say(idle, STR("GET /hello HTTP/1.1\r\n" H "\r\n"));
    hear_until(idle, "hello");
    answer_n = 0;
    answer[0] = '\0';
    say(busy, STR("POST /work HTTP/1.1\r\n" H "X-Wait: 1\r\nContent-Length: 4\r\n\r\nlast"));
    int other = dial();
    say(other, STR("GET /hello HTTP/1.1\r\n" CLOSE "\r\n"));
    hear_until(other, "hello");
    close(other);
    loop_post(loop, drain, NULL);
    answer_n = 0;
    assert_false(hear(idle)); /* closes at once */
    (void)sem_post(&worker_may_go);
    answer[0] = '\0';
    while (hear(busy))
        continue;
    assert_has(answer, "Connection: close\r\n\r\nlast");
    close(idle);
    close(busy);
}

#define PLAIN(f) cmocka_unit_test_setup_teardown(f, start_plain, stop_server)
#define HASTY(f) cmocka_unit_test_setup_teardown(f, start_hasty, stop_server)
#define SMALL(f) cmocka_unit_test_setup_teardown(f, start_small, stop_server)

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        PLAIN(a_reply),
        PLAIN(head_and_old_clients),
        PLAIN(streams),
        PLAIN(bodies),
        PLAIN(byte_by_byte),
        PLAIN(pipelined_in_order),
        PLAIN(many_pipelined),
        PLAIN(expectations),
        PLAIN(refused_with_a_short_rest),
        PLAIN(addresses),
        PLAIN(slow_lane),
        PLAIN(a_client_leaves),
        PLAIN(nothing_is_allocated),
        PLAIN(refusals),
        PLAIN(nul_bytes),
        PLAIN(too_large),
        HASTY(in_time),
        HASTY(a_stalled_reader),
        HASTY(too_many),
        SMALL(overloaded),
        PLAIN(draining),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

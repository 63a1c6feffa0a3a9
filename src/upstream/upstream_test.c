/* The client against a raw server that does what each test tells it. */
#include "upstream/upstream_in.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- the raw server: a thread that runs the test's script ---- */

static int listen_fd;
static uint16_t port;
static pthread_t script_thread;
static bool scripted;

static void listen_anywhere(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t n = sizeof(in);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listen_fd >= 0);
    assert_int_equal(bind(listen_fd, (struct sockaddr *)(void *)&in, sizeof(in)), 0);
    assert_int_equal(listen(listen_fd, 64), 0);
    assert_int_equal(getsockname(listen_fd, (struct sockaddr *)(void *)&in, &n), 0);
    port = ntohs(in.sin_port);
}

static void script(void *(*run)(void *))
{
    assert_int_equal(pthread_create(&script_thread, NULL, run, NULL), 0);
    scripted = true;
}

static int take(void)
{
    struct timeval limit = {.tv_sec = 10};
    int fd = accept(listen_fd, NULL, NULL);
    must(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    return fd;
}

/* Reads until `end` was seen; what was read stands in `heard`. */
static char heard[65536];
static void hear(int fd, const char *end)
{
    size_t n = 0;
    heard[0] = '\0';
    while (strstr(heard, end) == NULL) {
        ssize_t got = recv(fd, heard + n, sizeof(heard) - 1 - n, 0);
        if (got <= 0)
            return;
        n += (size_t)got;
        heard[n] = '\0';
    }
}

static void say(int fd, const char *text)
{
    must(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static void hear_end(int fd)
{
    char c[4096];
    while (recv(fd, c, sizeof(c), 0) > 0)
        continue;
    close(fd);
}

static void cut(int fd)
{
    struct linger reset = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
}

/* ---- the client ---- */

static struct loop *loop;
static struct upstream_pool *pool;
static struct upstream_target target;

struct probe {
    struct upstream_call *call;
    int status, heads;
    bool ended, failed;
    struct upstream_failure f;
    struct buf body;
    void (*on_head)(struct probe *p);
    void (*on_body)(struct probe *p);
    void (*then)(struct probe *p);
};
static int pending;
static struct probe probes[8];

static void probe_done(struct probe *p)
{
    p->call = NULL;
    pending--;
    if (p->then != NULL)
        p->then(p);
    if (pending == 0)
        loop_stop(loop);
}

static void on_head(void *arg, const struct http1_head *head)
{
    struct probe *p = arg;
    p->status = head->status;
    p->heads++;
    if (p->on_head != NULL)
        p->on_head(p);
}

static void on_body(void *arg, struct str bytes)
{
    struct probe *p = arg;
    buf_add(&p->body, bytes);
    if (p->on_body != NULL)
        p->on_body(p);
}

static void on_end(void *arg)
{
    struct probe *p = arg;
    assert_false(p->ended || p->failed);
    p->ended = true;
    probe_done(p);
}

static void on_fail(void *arg, const struct upstream_failure *f)
{
    struct probe *p = arg;
    assert_false(p->ended || p->failed);
    p->failed = true;
    p->f = *f;
    assert_non_null(f->why);
    probe_done(p);
}

static const struct upstream_events events = {on_head, on_body, on_end, on_fail};

static struct upstream_request get(void)
{
    return (struct upstream_request){
        .target = &target, .method = "GET", .path = STR("/x"), .headers = STR("")};
}

static void start(struct probe *p, struct upstream_request r)
{
    if (p->body.max == 0)
        buf_init(&p->body, SIZE_MAX / 2);
    p->ended = p->failed = false;
    p->heads = 0;
    buf_reset(&p->body);
    pending++;
    p->call = upstream_start(pool, &r, &events, p);
}

static void cancel(struct probe *p)
{
    upstream_cancel(p->call);
    p->call = NULL;
    if (--pending == 0)
        loop_stop(loop);
}

static void make(struct upstream_options o)
{
    loop = loop_new();
    pool = upstream_pool_new(loop, &o);
    listen_anywhere();
    target = (struct upstream_target){.host = "127.0.0.1", .port = port, .id = 7};
    pending = 0;
    memset(probes, 0, sizeof(probes));
}

static int set_up(void **state)
{
    (void)state;
    make((struct upstream_options){0});
    return 0;
}

static int set_up_narrow(void **state)
{
    (void)state;
    make((struct upstream_options){.connections_per_target_max = 1, .idle_us = 100000});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct upstream_counts c = upstream_pool_counts(pool);
    assert_int_equal(c.idle, pool->conns == NULL ? 0 : c.idle);
    upstream_pool_free(&pool);
    loop_free(&loop);
    close(listen_fd);
    if (scripted)
        assert_int_equal(pthread_join(script_thread, NULL), 0);
    scripted = false;
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
        buf_fini(&probes[i].body);
    return 0;
}

#define assert_body(probe, text) assert_true(str_eq(buf_str(&(probe)->body), STR(text)))

/* ---- good ---- */

static void *plain_script(void *arg)
{
    int fd = take();
    hear(fd, "cdef");
    say(fd,
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 201 Cre");
    say(fd, "ated\r\nContent-Length: 5\r\n\r\nhel");
    say(fd, "lo");
    hear_end(fd);
    return arg;
}

static void a_call(void **state)
{
    (void)state;
    struct upstream_request r = get();
    r.method = "POST";
    r.headers = STR("X-A: b\r\n");
    r.pieces[0] = STR("ab");
    r.pieces[2] = STR("cdef");
    r.pieces_n = 3;
    script(plain_script);
    start(&probes[0], r);
    loop_run(loop);
    char want[200];
    (void)snprintf(
        want, sizeof(want),
        "POST /x HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX-A: b\r\nContent-Length: 6\r\n\r\nabcdef",
        port);
    assert_string_equal(heard, want);
    assert_true(probes[0].ended);
    assert_int_equal(probes[0].heads, 1);
    assert_int_equal(probes[0].status, 201);
    assert_body(&probes[0], "hello");
}

static void *forms_script(void *arg)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", /* to HEAD */
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nup to the end",
    };
    int fd = take();
    for (size_t i = 0; i < 5; i++) {
        hear(fd, "\r\n\r\n");
        say(fd, answers[i]);
    }
    close(fd);
    return arg;
}

static void forms_next(struct probe *p)
{
    struct probe *next = p + 1;
    struct upstream_request r = get();
    if (next == &probes[5])
        return;
    next->then = forms_next;
    if (next == &probes[2])
        r.method = "HEAD";
    start(next, r);
}

static void forms_of_bodies(void **state)
{
    (void)state;
    script(forms_script);
    probes[0].then = forms_next;
    start(&probes[0], get());
    loop_run(loop);
    for (size_t i = 0; i < 5; i++)
        assert_true(probes[i].ended);
    assert_body(&probes[0], "abcde");
    assert_body(&probes[1], "");
    assert_body(&probes[2], "");
    assert_body(&probes[4], "up to the end");
    struct upstream_counts c = upstream_pool_counts(pool);
    assert_int_equal(c.opened, 1);
    assert_int_equal(c.reused, 4);
    assert_int_equal(c.open, 0);
}

static void *busy_script(void *arg)
{
    int fd = take();
    for (int i = 0; i < 60; i++) {
        hear(fd, "\r\n\r\n");
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    hear_end(fd);
    return arg;
}

static int rounds;
static uint64_t allocations;

static void again(struct probe *p)
{
    rounds++;
    if (rounds == 20)
        allocations = mem_count();
    if (rounds < 60)
        start(p, get());
    else
        allocations = mem_count() - allocations;
}

static void nothing_is_allocated(void **state)
{
    (void)state;
    rounds = 0;
    script(busy_script);
    probes[0].then = again;
    start(&probes[0], get());
    loop_run(loop);
    assert_int_equal(rounds, 60);
    assert_int_equal(allocations, 0);
    assert_int_equal(upstream_pool_counts(pool).opened, 1);
}

/* ---- kept connections ---- */

static void *stale_script(void *arg)
{
    for (int i = 0; i < 3; i++) {
        int fd = take();
        hear(fd, "\r\n\r\n");
        /* 0: keeps its word and leaves; 1: says more than was asked; 2: good. */
        say(fd, i == 1 ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 400 Bad\r\n\r\n"
                       : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        if (i == 0)
            close(fd);
        else
            hear_end(fd);
    }
    return arg;
}

static struct loop_timer pauser;

static void start_next(void *arg)
{
    start(arg, get());
}

static void after_a_while(struct probe *p)
{
    if (p == &probes[2])
        return;
    pending++; /* the loop shall not stop */
    loop_timer_init(&pauser, loop, start_next, p + 1);
    loop_timer_start(&pauser, 30000);
}

static void uncount(struct probe *p)
{
    pending--;
    after_a_while(p);
}

static void stale_ones_are_dropped(void **state)
{
    (void)state;
    script(stale_script);
    probes[0].then = after_a_while;
    start(&probes[0], get());
    probes[1].then = uncount;
    probes[2].then = uncount;
    loop_run(loop);
    for (int i = 0; i < 3; i++)
        assert_true(probes[i].ended);
    assert_int_equal(upstream_pool_counts(pool).opened, 3);
    assert_int_equal(upstream_pool_counts(pool).reused, 0);
    assert_int_equal(upstream_pool_counts(pool).failed, 0);
}

static void *reused_then_cut_script(void *arg)
{
    int fd = take();
    hear(fd, "\r\n\r\n");
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    hear(fd, "\r\n\r\n");
    cut(fd);
    return arg;
}

static void start_second(struct probe *p)
{
    if (p == &probes[0])
        start(&probes[1], get());
}

static void a_kept_one_dies(void **state)
{
    (void)state;
    script(reused_then_cut_script);
    probes[0].then = start_second;
    start(&probes[0], get());
    loop_run(loop);
    assert_true(probes[1].failed);
    assert_int_equal(probes[1].f.err, ERR_UPSTREAM_ERROR);
    assert_int_equal(probes[1].f.phase, UPSTREAM_WAIT);
    assert_true(probes[1].f.reused && probes[1].f.request_bytes && !probes[1].f.response_bytes);
}

static void *early_script(void *arg)
{
    int fd = take();
    hear(fd, "\r\n\r\n");
    say(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    hear_end(fd); /* reads on, so that the answer is not lost */
    return arg;
}

static void answered_before_all_was_sent(void **state)
{
    (void)state;
    size_t n = 64u * 1024 * 1024;
    char *large = mem_zalloc(n);
    struct upstream_request r = get();
    r.method = "POST";
    r.pieces[0] = str_of(large, n);
    r.pieces_n = 1;
    script(early_script);
    start(&probes[0], r);
    loop_run(loop);
    mem_free(large);
    assert_true(probes[0].ended);
    assert_body(&probes[0], "no");
    assert_int_equal(upstream_pool_counts(pool).idle, 0);
}

static void *flush_script(void *arg)
{
    int fd = take();
    for (;;) {
        hear(fd, "\r\n\r\n");
        if (heard[0] != '\0')
            break;
        close(fd); /* of a call that was cancelled while it connected */
        fd = take();
    }
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    hear_end(fd);
    return arg;
}

static void flush_in_body(struct probe *p)
{
    (void)p;
    upstream_pool_flush(pool, 7);
}

static void flushed_ones_are_not_kept(void **state)
{
    (void)state;
    script(flush_script);
    probes[0].on_body = flush_in_body;
    start(&probes[0], get());
    loop_run(loop);
    assert_true(probes[0].ended);
    assert_int_equal(upstream_pool_counts(pool).idle, 0);
}

static void look_again(void *arg)
{
    struct upstream_counts c = upstream_pool_counts(pool);
    if (c.open == 0)
        loop_stop(loop);
    else
        loop_timer_start(arg, 10000);
}

static void wait_for_none(struct probe *p)
{
    (void)p;
    pending++;
    assert_int_equal(upstream_pool_counts(pool).idle, 1);
    loop_timer_init(&pauser, loop, look_again, &pauser);
    loop_timer_start(&pauser, 10000);
}

static void idle_ones_are_closed(void **state)
{
    (void)state;
    script(flush_script);
    probes[0].then = wait_for_none;
    start(&probes[0], get());
    loop_run(loop);
    assert_int_equal(upstream_pool_counts(pool).idle, 0);
}

/* ---- bad ---- */

static const char *bad_answer;
static bool bad_resets;

static void *bad_script(void *arg)
{
    int fd = take();
    hear(fd, "\r\n\r\n");
    say(fd, bad_answer);
    if (bad_resets)
        cut(fd);
    else
        close(fd);
    return arg;
}

static void broken_answers(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum upstream_phase phase;
        bool reset, response_bytes;
    } rows[] = {
        {"", UPSTREAM_WAIT, false, false},
        {"", UPSTREAM_WAIT, true, false},
        {"HTTP/1.1 200 OK\r\nContent-", UPSTREAM_HEAD, false, true},
        {"HTTP/1.1 100 Continue\r\n\r\n", UPSTREAM_HEAD, false, true},
        {"garbage\r\n\r\n", UPSTREAM_HEAD, false, true},
        {"HTTP/1.1 101 Switching\r\n\r\n", UPSTREAM_HEAD, false, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         UPSTREAM_HEAD, false, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", UPSTREAM_HEAD,
         false, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", UPSTREAM_BODY, false, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", UPSTREAM_BODY, false,
         true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", UPSTREAM_BODY, false,
         true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", UPSTREAM_BODY, false,
         true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bad_answer = rows[i].answer;
        bad_resets = rows[i].reset;
        script(bad_script);
        start(&probes[0], get());
        loop_run(loop);
        const struct probe *p = &probes[0];
        if (!p->failed || p->f.phase != rows[i].phase || p->f.err != ERR_UPSTREAM_ERROR)
            fail_msg("row %zu: failed %d, phase %d, %s", i, p->failed, (int)p->f.phase, p->f.why);
        assert_int_equal(p->f.response_bytes, rows[i].response_bytes);
        assert_true(p->f.request_bytes && !p->f.reused);
        assert_int_equal(p->heads, rows[i].phase == UPSTREAM_BODY);
        upstream_pool_free(&pool);
        loop_free(&loop);
        assert_int_equal(pthread_join(script_thread, NULL), 0);
        loop = loop_new();
        pool = upstream_pool_new(loop, &(struct upstream_options){0});
    }
    scripted = false;
}

static void *long_head_script(void *arg)
{
    int fd = take();
    hear(fd, "\r\n\r\n");
    say(fd, "HTTP/1.1 200 OK\r\nX: ");
    for (int i = 0; i < 100; i++) {
        char x[1024];
        memset(x, 'x', sizeof(x));
        (void)send(fd, x, sizeof(x), MSG_NOSIGNAL);
    }
    hear_end(fd);
    return arg;
}

static void a_head_too_long(void **state)
{
    (void)state;
    script(long_head_script);
    start(&probes[0], get());
    loop_run(loop);
    assert_true(probes[0].failed);
    assert_int_equal(probes[0].f.err, ERR_UPSTREAM_ERROR);
    assert_int_equal(probes[0].f.phase, UPSTREAM_HEAD);
}

static void not_reached(void **state)
{
    (void)state;
    struct upstream_target none = {.host = "127.0.0.1", .port = 1, .id = 8};
    struct upstream_target nobody = {.host = "nobody.invalid", .port = 80, .id = 9};
    struct upstream_request r = get();
    r.target = &none;
    start(&probes[0], r);
    r.target = &nobody;
    start(&probes[1], r);
    loop_run(loop);
    for (int i = 0; i < 2; i++) {
        assert_true(probes[i].failed);
        assert_int_equal(probes[i].f.err, ERR_UPSTREAM_UNAVAILABLE);
        assert_false(probes[i].f.request_bytes || probes[i].f.response_bytes);
    }
    assert_int_equal(probes[0].f.phase, UPSTREAM_CONNECT);
    assert_int_equal(probes[1].f.phase, UPSTREAM_RESOLVE);
}

/* The first address refuses: the second is taken, and first from then on. */
static void the_next_address(void **state)
{
    (void)state;
    struct upstream_target named = {.host = "two.invalid", .port = port, .id = 10};
    struct upstream_host *h = upstream_host_get(pool, &named);
    assert_int_equal(loop_addr_parse(STR("127.0.0.1:1"), &h->addrs[0]), OK);
    h->addrs[1] = h->addrs[0];
    h->addrs[1].in.sin_port = htons(port);
    h->addrs_n = 2;
    h->resolved_until_us = INT64_MAX;
    struct upstream_request r = get();
    r.target = &named;
    script(flush_script);
    start(&probes[0], r);
    loop_run(loop);
    assert_true(probes[0].ended);
    assert_int_equal(h->addr_first, 1);
}

static void a_name(void **state)
{
    (void)state;
    struct upstream_target named = {.host = "localhost", .port = port, .id = 11};
    struct upstream_request r = get();
    r.target = &named;
    script(flush_script);
    start(&probes[0], r);
    loop_run(loop);
    assert_true(probes[0].ended);
    assert_int_equal(upstream_pool_counts(pool).resolved, 1);
}

/* ---- time ---- */

static void *silent_script(void *arg)
{
    int fd = take();
    hear_end(fd);
    return arg;
}

static void *half_script(void *arg)
{
    int fd = take();
    hear(fd, "\r\n\r\n");
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    hear_end(fd);
    return arg;
}

static void late(void *(*run)(void *), struct upstream_timeouts t, enum upstream_phase phase)
{
    struct upstream_request r = get();
    r.timeouts = t;
    script(run);
    start(&probes[0], r);
    loop_run(loop);
    assert_true(probes[0].failed);
    assert_int_equal(probes[0].f.err, ERR_UPSTREAM_TIMEOUT);
    assert_int_equal(probes[0].f.phase, phase);
}

static void no_first_byte(void **state)
{
    (void)state;
    late(silent_script, (struct upstream_timeouts){.first_byte_us = 50000}, UPSTREAM_WAIT);
    assert_true(probes[0].f.request_bytes);
}

static void no_next_byte(void **state)
{
    (void)state;
    late(half_script, (struct upstream_timeouts){.idle_us = 200000}, UPSTREAM_BODY);
    assert_true(probes[0].f.response_bytes);
}

static void no_end(void **state)
{
    (void)state;
    late(half_script, (struct upstream_timeouts){.total_us = 400000}, UPSTREAM_BODY);
}

static void no_handshake(void **state)
{
    (void)state;
    char why[200];
    assert_int_equal(loop_tls_client_new(NULL, &target.tls_context, why, sizeof(why)), OK);
    target.tls = true;
    late(silent_script, (struct upstream_timeouts){.connect_us = 50000}, UPSTREAM_CONNECT);
    assert_false(probes[0].f.request_bytes);
    loop_tls_free(&target.tls_context);
}

static void no_reader(void **state)
{
    (void)state;
    size_t n = 64u * 1024 * 1024;
    char *large = mem_zalloc(n);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* never accepted, never read */
    struct upstream_request r = get();
    r.method = "POST";
    r.pieces[0] = str_of(large, n);
    r.pieces_n = 1;
    r.timeouts.first_byte_us = 300000;
    start(&probes[0], r);
    loop_run(loop);
    mem_free(large);
    close(fd);
    assert_true(probes[0].failed);
    assert_int_equal(probes[0].f.err, ERR_UPSTREAM_TIMEOUT);
    assert_int_equal(probes[0].f.phase, UPSTREAM_SEND);
    assert_true(probes[0].f.request_bytes);
}

/* ---- back-pressure ---- */

enum { FLOOD = 8 * 1024 * 1024 };

static void *flood_script(void *arg)
{
    static char x[65536];
    int fd = take();
    hear(fd, "\r\n\r\n");
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n");
    for (size_t n = 0; n < FLOOD;) {
        ssize_t k = send(fd, x, sizeof(x), MSG_NOSIGNAL);
        if (k <= 0)
            break;
        n += (size_t)k;
    }
    hear_end(fd);
    return arg;
}

static size_t paused_at;

static void resume(void *arg)
{
    struct probe *p = arg;
    /* What had been read came, and no more. */
    assert_true(p->body.n <= paused_at + 128 * 1024);
    upstream_resume(p->call);
}

static void pause_once(struct probe *p)
{
    if (paused_at != 0)
        return;
    paused_at = p->body.n;
    upstream_pause(p->call);
    upstream_pause(p->call);
    loop_timer_init(&pauser, loop, resume, p);
    loop_timer_start(&pauser, 600000);
}

static void paused_and_resumed(void **state)
{
    (void)state;
    struct upstream_request r = get();
    r.timeouts.idle_us = 300000; /* shorter than the pause: it stands still meanwhile */
    paused_at = 0;
    script(flood_script);
    probes[0].on_body = pause_once;
    start(&probes[0], r);
    loop_run(loop);
    assert_true(probes[0].ended);
    assert_int_equal(probes[0].body.n, FLOOD);
    assert_int_equal(upstream_pool_counts(pool).idle, 0);
}

/* ---- the line ---- */

static void *line_script(void *arg)
{
    int fd = take();
    for (int i = 0; i < 2; i++) {
        hear(fd, "\r\n\r\n");
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    hear(fd, "\r\n\r\n");
    close(fd);
    fd = take();
    hear(fd, "\r\n\r\n");
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast");
    hear_end(fd);
    return arg;
}

static int order[8], order_n;

static void note_order(struct probe *p)
{
    order[order_n++] = (int)(p - probes);
}

static void in_line(void **state)
{
    (void)state;
    order_n = 0;
    script(line_script);
    for (int i = 0; i < 6; i++) {
        probes[i].then = note_order;
        struct upstream_request r = get();
        if (i == 4)
            r.timeouts.connect_us = 1; /* cannot wait */
        start(&probes[i], r);
    }
    cancel(&probes[2]);
    loop_run(loop);
    assert_int_equal(order_n, 5);
    assert_true(probes[0].ended && probes[1].ended);
    assert_true(probes[3].failed);
    assert_true(probes[3].f.reused);
    assert_true(probes[5].ended);
    assert_body(&probes[5], "last");
    assert_true(probes[4].failed);
    assert_int_equal(probes[4].f.err, ERR_UPSTREAM_TIMEOUT);
    assert_int_equal(probes[4].f.phase, UPSTREAM_CONNECT);
    assert_false(probes[4].f.request_bytes);
}

/* ---- cancelled at any moment ---- */

static void cancel_in_event(struct probe *p)
{
    cancel(p);
}

static void cancelled_at_once(void **state)
{
    (void)state;
    struct upstream_target nobody = {.host = "nobody.invalid", .port = 80, .id = 9};
    struct upstream_request r = get();
    start(&probes[0], r); /* connecting */
    r.target = &nobody;
    start(&probes[1], r); /* resolving */
    pending++;
    cancel(&probes[0]);
    cancel(&probes[1]);
    r.target = &target;
    script(flush_script);
    start(&probes[2], r);
    pending--;
    loop_run(loop);
    assert_false(probes[0].ended || probes[0].failed || probes[1].ended || probes[1].failed);
}

static void cancelled_in_head(void **state)
{
    (void)state;
    script(half_script);
    probes[0].on_head = cancel_in_event;
    start(&probes[0], get());
    loop_run(loop);
    assert_int_equal(probes[0].heads, 1);
    assert_int_equal(probes[0].body.n, 0);
    assert_false(probes[0].ended || probes[0].failed);
    assert_int_equal(upstream_pool_counts(pool).open, 0);
}

static void *three_chunks_script(void *arg)
{
    for (int i = 0; i < 2; i++) {
        int fd = take();
        hear(fd, "\r\n\r\n");
        say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n");
        hear_end(fd);
    }
    return arg;
}

static void cancel_and_start(struct probe *p)
{
    if (p != &probes[0])
        return;
    start(&probes[1], get()); /* may get the same record back */
    cancel(p);
}

static void cancelled_in_body(void **state)
{
    (void)state;
    script(three_chunks_script);
    probes[0].on_body = cancel_and_start;
    start(&probes[0], get());
    loop_run(loop);
    assert_body(&probes[0], "a");
    assert_false(probes[0].ended || probes[0].failed);
    assert_true(probes[1].ended);
    assert_body(&probes[1], "abc");
}

#define WIDE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define NARROW(f) cmocka_unit_test_setup_teardown(f, set_up_narrow, tear_down)

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        WIDE(a_call),
        WIDE(forms_of_bodies),
        WIDE(nothing_is_allocated),
        WIDE(stale_ones_are_dropped),
        WIDE(a_kept_one_dies),
        WIDE(answered_before_all_was_sent),
        WIDE(flushed_ones_are_not_kept),
        NARROW(idle_ones_are_closed),
        WIDE(broken_answers),
        WIDE(a_head_too_long),
        WIDE(not_reached),
        WIDE(the_next_address),
        WIDE(a_name),
        WIDE(no_first_byte),
        WIDE(no_next_byte),
        WIDE(no_end),
        WIDE(no_handshake),
        WIDE(no_reader),
        WIDE(paused_and_resumed),
        NARROW(in_line),
        WIDE(cancelled_at_once),
        WIDE(cancelled_in_head),
        WIDE(cancelled_in_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

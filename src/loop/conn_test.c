/* Plain connections: echo between two loops, back-pressure, and every way to end. */
#include "loop/loop.h"
#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* One end of a connection under test: what it saw. */
struct end {
    struct loop *loop;
    struct loop_conn *conn;
    size_t bytes, drained, opened, closed;
    enum loop_close reason;
    char text[256];
    void (*on_read)(struct end *e, struct str bytes);
    void (*on_closed)(struct end *e);
    void (*on_drained)(struct end *e);
    void (*on_opened)(struct end *e);
    uint64_t sent;
    size_t left;
};

static struct loop *loop;
static struct loop_listener *listener;
static struct end server, client;
static struct loop_timer guard;

static void on_opened(void *arg)
{
    struct end *e = arg;
    e->opened++;
    if (e->on_opened != NULL)
        e->on_opened(e);
}

static void on_read(void *arg, struct str bytes)
{
    struct end *e = arg;
    assert_int_equal(e->closed, 0);
    for (size_t i = 0; i < bytes.n && e->bytes + i < sizeof(e->text); i++)
        e->text[e->bytes + i] = bytes.p[i];
    e->bytes += bytes.n;
    if (e->on_read != NULL)
        e->on_read(e, bytes);
}

static void on_drained(void *arg)
{
    struct end *e = arg;
    e->drained++;
    if (e->on_drained != NULL)
        e->on_drained(e);
}

static void on_closed(void *arg, enum loop_close reason, const char *why)
{
    struct end *e = arg;
    assert_non_null(why);
    assert_int_equal(e->closed, 0);
    e->closed++;
    e->reason = reason;
    e->sent = loop_conn_sent(e->conn);
    assert_int_equal(loop_conn_queued(e->conn), 0);
    /* Harmless inside of the last callback. */
    loop_conn_write(e->conn, &STR("late"), 1);
    loop_conn_close(e->conn);
    loop_conn_abort(e->conn);
    e->conn = NULL;
    if (e->on_closed != NULL)
        e->on_closed(e);
}

static const struct loop_conn_events events = {on_opened, on_read, on_drained, on_closed};

static void say(struct end *e, const char *text)
{
    struct str s = str_c(text);
    loop_conn_write(e->conn, &s, 1);
}

static void accept_one(void *arg, struct loop_conn *c)
{
    struct end *e = arg;
    char text[LOOP_ADDR_TEXT_MAX];
    e->conn = c;
    assert_false(loop_conn_is_tls(c));
    assert_true(str_eq(loop_addr_text(loop_conn_peer(c), false, text), STR("127.0.0.1")));
    loop_conn_set(c, &events, e);
    assert_ptr_equal(loop_conn_arg(c), e);
}

static void guard_rings(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for 20 s");
}

static union loop_addr addr_of(const char *host, uint16_t port)
{
    union loop_addr a = {0};
    a.in.sin_family = AF_INET;
    a.in.sin_port = htons(port);
    assert_int_equal(inet_pton(AF_INET, host, &a.in.sin_addr), 1);
    return a;
}

static void listen_on(struct loop *on, struct end *e)
{
    union loop_addr a = addr_of("127.0.0.1", 0);
    assert_int_equal(loop_listen(on, &a, NULL, true, accept_one, e, &listener), OK);
    assert_true(loop_listener_port(listener) != 0);
}

static void dial(struct loop *on, struct end *e)
{
    union loop_addr a = addr_of("127.0.0.1", loop_listener_port(listener));
    e->conn = loop_connect(on, &a, NULL, str_of("", 0), &events, e);
}

/* A server and a client on one loop. */
static void set_up(void)
{
    loop = loop_new();
    server = (struct end){.loop = loop};
    client = (struct end){.loop = loop};
    listen_on(loop, &server);
    dial(loop, &client);
    loop_timer_init(&guard, loop, guard_rings, NULL);
    loop_timer_start(&guard, 20 * US_PER_S);
}

static void run_and_tear_down(void)
{
    loop_run(loop);
    loop_listener_close(&listener);
    loop_free(&loop);
}

static void stop_when_both_closed(struct end *e)
{
    if (server.closed + client.closed == 2)
        loop_stop(e->loop);
}

static void until_both_closed(void)
{
    server.on_closed = client.on_closed = stop_when_both_closed;
    run_and_tear_down();
}

/* ---- echo between two loops on two threads ---- */

static void echo(struct end *e, struct str bytes)
{
    char *p = loop_conn_reserve(e->conn, bytes.n);
    memcpy(p, bytes.p, bytes.n);
    loop_conn_commit(e->conn, bytes.n);
}

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void ping(struct end *e)
{
    struct str pieces[2] = {STR("pi"), STR("ng")};
    loop_conn_write(e->conn, pieces, 2);
}

static void ping_again(struct end *e, struct str bytes)
{
    (void)bytes;
    if (e->bytes % 4 != 0)
        return;
    if (e->bytes == 400)
        loop_conn_close(e->conn);
    else
        ping(e);
}

static void stop_loop(struct end *e)
{
    loop_stop(e->loop);
}

static void test_echo_between_loops(void **state)
{
    struct loop *theirs = loop_new();
    pthread_t thread;
    (void)state;
    loop = loop_new();
    server = (struct end){.loop = theirs, .on_read = echo, .on_closed = stop_loop};
    client = (struct end){
        .loop = loop, .on_opened = ping, .on_read = ping_again, .on_closed = stop_loop};
    listen_on(theirs, &server);
    dial(loop, &client);
    assert_int_equal(pthread_create(&thread, NULL, run_loop, theirs), 0);
    loop_run(loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(client.opened, 1);
    assert_int_equal(client.bytes, 400);
    assert_memory_equal(client.text, "pingping", 8);
    assert_int_equal(client.reason, LOOP_CLOSE_OURS);
    assert_int_equal(client.sent, 400);
    assert_int_equal(server.bytes, 400);
    assert_int_equal(server.opened, 0);
    assert_int_equal(server.reason, LOOP_CLOSE_EOF);
    loop_listener_close(&listener);
    loop_free(&theirs);
    loop_free(&loop);
}

/* ---- a large transfer, the reader pausing ---- */

enum { LARGE = 32 << 20, STEP = 100 * 1000 };
static struct loop_timer wake_up;
static size_t queued_max;

static void send_more(struct end *e)
{
    static char piece[STEP];
    while (e->left != 0 && loop_conn_queued(e->conn) < 256 * 1024) {
        struct str s = str_of(piece, e->left < STEP ? e->left : STEP);
        loop_conn_write(e->conn, &s, 1);
        e->left -= s.n;
    }
    if (loop_conn_queued(e->conn) > queued_max)
        queued_max = loop_conn_queued(e->conn);
    if (e->left == 0)
        loop_conn_close(e->conn);
}

static void pause_now_and_then(struct end *e, struct str bytes)
{
    (void)bytes;
    loop_conn_pause(e->conn);
    if (e->bytes / (4 << 20) == e->left) {
        loop_conn_resume(e->conn); /* in the same turn: nothing happens */
        return;
    }
    e->left = e->bytes / (4 << 20);
    loop_timer_start(&wake_up, 20 * 1000);
}

static void resume(void *arg)
{
    struct end *e = arg;
    if (e->conn != NULL)
        loop_conn_resume(e->conn);
}

static void test_large_with_pauses(void **state)
{
    (void)state;
    set_up();
    client.left = LARGE;
    client.on_opened = client.on_drained = send_more;
    server.on_read = pause_now_and_then;
    loop_timer_init(&wake_up, loop, resume, &server);
    until_both_closed();
    assert_int_equal(server.bytes, LARGE);
    assert_int_equal(client.sent, LARGE);
    assert_true(client.drained > 10);
    assert_true(queued_max < 512 * 1024);
    assert_int_equal(client.reason, LOOP_CLOSE_OURS);
    assert_int_equal(server.reason, LOOP_CLOSE_EOF);
}

/* ---- bytes by reference ---- */

static char body[3 << 20];
static size_t released;

static void release(void *arg)
{
    assert_ptr_equal(arg, body);
    released++;
}

static void send_refs(struct end *e)
{
    say(e, "head");
    loop_conn_write_ref(e->conn, str_of(body, sizeof(body)), release, body);
    say(e, "tail");
    loop_conn_write_ref(e->conn, str_of(body, 0), release, body);
    assert_int_equal(released, 0);
    loop_conn_close(e->conn);
    loop_conn_write_ref(e->conn, STR("too late"), release, body);
    assert_int_equal(released, 0);
}

static void test_by_reference(void **state)
{
    (void)state;
    set_up();
    client.on_opened = send_refs;
    until_both_closed();
    assert_int_equal(server.bytes, sizeof(body) + 8);
    assert_memory_equal(server.text, "head\0\0\0", 7);
    assert_int_equal(released, 3);
}

static void send_ref_and_abort(struct end *e)
{
    released = 0;
    loop_conn_write_ref(e->conn, str_of(body, sizeof(body)), release, body);
    loop_conn_abort(e->conn);
}

static void test_abort_releases(void **state)
{
    (void)state;
    set_up();
    client.on_opened = send_ref_and_abort;
    until_both_closed();
    assert_int_equal(released, 1);
    assert_int_equal(server.bytes, 0);
    assert_int_equal(client.reason, LOOP_CLOSE_OURS);
    assert_int_equal(server.reason, LOOP_CLOSE_RESET);
}

/* ---- ends ---- */

static void say_and_close(struct end *e, struct str bytes)
{
    (void)bytes;
    say(e, "bye");
    loop_conn_close(e->conn);
    say(e, "dropped");
}

static void hello(struct end *e)
{
    say(e, "hello");
}

static void test_server_closes(void **state)
{
    (void)state;
    set_up();
    client.on_opened = hello;
    server.on_read = say_and_close;
    until_both_closed();
    assert_int_equal(client.bytes, 3);
    assert_int_equal(server.reason, LOOP_CLOSE_OURS);
    assert_int_equal(client.reason, LOOP_CLOSE_EOF);
}

/* A server that ends while the client is still sending: the answer reaches him all the same. */
static void send_endlessly(struct end *e)
{
    static const char piece[64 * 1024];
    struct str s = str_of(piece, sizeof(piece));
    while (loop_conn_queued(e->conn) < 1 << 20)
        loop_conn_write(e->conn, &s, 1);
}

static void test_server_closes_amid_upload(void **state)
{
    (void)state;
    set_up();
    client.on_opened = client.on_drained = send_endlessly;
    server.on_read = say_and_close;
    until_both_closed();
    assert_int_equal(client.bytes, 3);
    assert_memory_equal(client.text, "bye", 3);
    assert_int_equal(client.reason, LOOP_CLOSE_EOF);
}

static void abort_it(struct end *e, struct str bytes)
{
    (void)bytes;
    loop_conn_abort(e->conn);
    loop_conn_abort(e->conn);
    loop_conn_close(e->conn);
}

static void test_server_aborts(void **state)
{
    (void)state;
    set_up();
    client.on_opened = hello;
    server.on_read = abort_it;
    until_both_closed();
    assert_int_equal(server.reason, LOOP_CLOSE_OURS);
    assert_int_equal(client.reason, LOOP_CLOSE_RESET);
}

static void abort_client(void *arg)
{
    (void)arg;
    loop_conn_abort(client.conn);
}

static void pause_it(struct end *e, struct str bytes)
{
    static struct loop_timer t;
    (void)bytes;
    loop_conn_pause(e->conn);
    say(&client, "more, which nobody reads");
    loop_timer_init(&t, loop, abort_client, NULL);
    loop_timer_start(&t, 20 * 1000);
}

static void test_paused_notices_reset(void **state)
{
    (void)state;
    set_up();
    client.on_opened = hello;
    server.on_read = pause_it;
    until_both_closed();
    assert_int_equal(server.bytes, 5);
    assert_int_equal(server.reason, LOOP_CLOSE_RESET);
}

static void test_connect_refused(void **state)
{
    (void)state;
    set_up();
    union loop_addr a = addr_of("127.0.0.1", loop_listener_port(listener));
    loop_conn_abort(client.conn);
    loop_listener_close(&listener);
    static struct end second;
    second = (struct end){.loop = loop, .on_closed = stop_loop};
    second.conn = loop_connect(loop, &a, NULL, str_of("", 0), &events, &second);
    say(&second, "never sent");
    run_and_tear_down();
    assert_int_equal(second.reason, LOOP_CLOSE_CONNECT);
    assert_int_equal(second.opened, 0);
    assert_int_equal(second.sent, 0);
    assert_int_equal(client.reason, LOOP_CLOSE_OURS);
}

/* An address that cannot even be tried fails later as well, not inside of the call. */
static void test_connect_impossible(void **state)
{
    union loop_addr a = {0};
    (void)state;
    loop = loop_new();
    client = (struct end){.loop = loop, .on_closed = stop_loop};
    a.in6.sin6_family = AF_INET6;
    a.in6.sin6_port = htons(9);
    a.in6.sin6_addr.s6_addr[0] = 0xFF; /* multicast */
    client.conn = loop_connect(loop, &a, NULL, str_of("", 0), &events, &client);
    assert_int_equal(client.closed, 0);
    loop_run(loop);
    assert_int_equal(client.reason, LOOP_CLOSE_CONNECT);
    loop_free(&loop);
}

static void stop_now(struct end *e, struct str bytes)
{
    (void)bytes;
    loop_stop(e->loop);
}

static void test_stop_closes_all(void **state)
{
    (void)state;
    set_up();
    client.on_opened = hello;
    server.on_read = stop_now;
    run_and_tear_down();
    assert_int_equal(client.reason, LOOP_CLOSE_OURS);
    assert_int_equal(server.reason, LOOP_CLOSE_OURS);
}

static void test_write_before_connected(void **state)
{
    (void)state;
    set_up();
    say(&client, "early");
    loop_conn_pause(client.conn);
    loop_conn_resume(client.conn);
    server.on_read = say_and_close;
    until_both_closed();
    assert_memory_equal(server.text, "early", 5);
    assert_memory_equal(client.text, "bye", 3);
}

/* A peer that does not read is not waited for longer than five seconds. */
static void stuff(struct end *e)
{
    loop_conn_write_ref(e->conn, str_of(body, sizeof(body)), release, body);
    loop_conn_write_ref(e->conn, str_of(body, sizeof(body)), release, body);
    loop_conn_write_ref(e->conn, str_of(body, sizeof(body)), release, body);
    loop_conn_close(e->conn);
    loop_conn_pause(server.conn);
}

static void accept_paused(void *arg, struct loop_conn *c)
{
    accept_one(arg, c);
    loop_conn_pause(c);
}

static void test_close_is_bounded(void **state)
{
    union loop_addr a = addr_of("127.0.0.1", 0);
    (void)state;
    loop = loop_new();
    server = (struct end){.loop = loop};
    client = (struct end){.loop = loop, .on_opened = stuff, .on_closed = stop_loop};
    released = 0;
    assert_int_equal(loop_listen(loop, &a, NULL, false, accept_paused, &server, &listener), OK);
    dial(loop, &client);
    int64_t began_us = clock_mono_us();
    run_and_tear_down();
    int64_t us = clock_mono_us() - began_us;
    assert_true(us > 4500 * US_PER_MS && us < 20 * US_PER_S);
    assert_int_equal(client.reason, LOOP_CLOSE_OURS);
    assert_true(client.sent > 0 && client.sent < 3 * sizeof(body));
    assert_int_equal(released, 3);
}

/* ---- listeners ---- */

static void test_port_in_use(void **state)
{
    struct loop_listener *second = NULL;
    (void)state;
    set_up();
    union loop_addr a = addr_of("127.0.0.1", loop_listener_port(listener));
    assert_int_equal(loop_listen(loop, &a, NULL, true, accept_one, &server, &second), ERR_CONFLICT);
    assert_null(second);
    assert_int_equal(loop_listen(loop, &a, NULL, false, accept_one, &server, &second), OK);
    assert_int_equal(loop_listener_port(second), loop_listener_port(listener));
    loop_listener_close(&second);
    loop_listener_close(&second);
    a = addr_of("192.0.2.1", 0);
    assert_int_equal(loop_listen(loop, &a, NULL, false, accept_one, &server, &second), ERR_IO);
    a = addr_of("192.0.2.1", 0);
    assert_int_equal(loop_listen(loop, &a, NULL, true, accept_one, &server, &second), ERR_IO);
    loop_stop(loop);
    run_and_tear_down();
}

static void accept_six(void *arg, struct loop_conn *c)
{
    struct end *e = arg;
    char text[LOOP_ADDR_TEXT_MAX];
    e->conn = c;
    loop_conn_set(c, &events, e);
    assert_true(str_eq(loop_addr_text(loop_conn_peer(c), false, text), STR("::1")));
}

static void test_ipv6(void **state)
{
    union loop_addr a;
    (void)state;
    loop = loop_new();
    server = (struct end){.loop = loop, .on_read = say_and_close};
    client = (struct end){.loop = loop, .on_opened = hello};
    assert_int_equal(loop_addr_parse(STR("[::1]:0"), &a), OK);
    if (loop_listen(loop, &a, NULL, true, accept_six, &server, &listener) != OK) {
        loop_free(&loop); /* no IPv6 here */
        skip();
    }
    a.in6.sin6_port = htons(loop_listener_port(listener));
    client.conn = loop_connect(loop, &a, NULL, str_of("", 0), &events, &client);
    loop_timer_init(&guard, loop, guard_rings, NULL);
    until_both_closed();
    assert_memory_equal(client.text, "bye", 3);
}

/* ---- many at once, and no descriptor left ---- */

enum { CROWD = 300 };
static struct end crowd[CROWD], guests[CROWD];
static size_t accepted, crowd_closed;

static void accept_crowd(void *arg, struct loop_conn *c)
{
    struct end *e = &guests[accepted++];
    (void)arg;
    *e = (struct end){.loop = loop, .conn = c, .on_read = echo};
    loop_conn_set(c, &events, e);
}

static void close_on_read(struct end *e, struct str bytes)
{
    (void)bytes;
    loop_conn_close(e->conn);
}

static void count_crowd(struct end *e)
{
    if (++crowd_closed == CROWD)
        loop_stop(e->loop);
}

static void run_crowd(size_t files_max)
{
    union loop_addr a = addr_of("127.0.0.1", 0);
    struct rlimit old, tight;
    accepted = crowd_closed = 0;
    loop = loop_new();
    assert_int_equal(loop_listen(loop, &a, NULL, false, accept_crowd, NULL, &listener), OK);
    a = addr_of("127.0.0.1", loop_listener_port(listener));
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = (struct end){
            .loop = loop, .on_opened = hello, .on_read = close_on_read, .on_closed = count_crowd};
        crowd[i].conn = loop_connect(loop, &a, NULL, str_of("", 0), &events, &crowd[i]);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    tight = old;
    int next = open("/dev/null", O_RDONLY);
    close(next);
    if (files_max != 0)
        tight.rlim_cur = (rlim_t)next + files_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    loop_timer_init(&guard, loop, guard_rings, NULL);
    loop_timer_start(&guard, 20 * US_PER_S);
    run_and_tear_down();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

static void test_crowd(void **state)
{
    (void)state;
    run_crowd(0);
    assert_int_equal(accepted, CROWD);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(crowd[i].bytes, 5);
}

static void test_no_descriptor_left(void **state)
{
    size_t served = 0, dropped = 0;
    (void)state;
    run_crowd(20);
    for (size_t i = 0; i < CROWD; i++) {
        served += crowd[i].bytes == 5;
        dropped += crowd[i].bytes == 0;
    }
    assert_true(served >= 20);
    assert_int_equal(served + dropped, CROWD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_between_loops),
        cmocka_unit_test(test_large_with_pauses),
        cmocka_unit_test(test_by_reference),
        cmocka_unit_test(test_abort_releases),
        cmocka_unit_test(test_server_closes),
        cmocka_unit_test(test_server_closes_amid_upload),
        cmocka_unit_test(test_server_aborts),
        cmocka_unit_test(test_paused_notices_reset),
        cmocka_unit_test(test_connect_refused),
        cmocka_unit_test(test_connect_impossible),
        cmocka_unit_test(test_stop_closes_all),
        cmocka_unit_test(test_write_before_connected),
        cmocka_unit_test(test_close_is_bounded),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_no_descriptor_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Turns, posts, work, timers, addresses. Connections are in conn_test.c, TLS in tls_test.c. */
#include "loop/loop.h"
#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <cmocka.h>

#include <unistd.h>

static struct loop *loop;

static void set_up(void)
{
    loop = loop_new();
}

static void tear_down(void)
{
    loop_free(&loop);
    assert_null(loop);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

/* ---- posts ---- */

enum { POSTERS = 4, POSTS = 2000 };
static struct {
    int next[POSTERS], done;
    bool in_order;
} posted;

struct parcel {
    int poster, number;
};

static void on_parcel(void *arg)
{
    struct parcel *p = arg;
    posted.in_order &= posted.next[p->poster] == p->number;
    posted.next[p->poster]++;
    mem_free(p);
    if (++posted.done == POSTERS * POSTS)
        loop_stop(loop);
}

static void *poster(void *arg)
{
    const int *self = arg;
    for (int i = 0; i < POSTS; i++) {
        struct parcel *p = mem_alloc(sizeof(*p));
        *p = (struct parcel){*self, i};
        loop_post(loop, on_parcel, p);
    }
    return NULL;
}

static void test_post_from_many_threads(void **state)
{
    static int names[POSTERS] = {0, 1, 2, 3};
    pthread_t threads[POSTERS];
    (void)state;
    set_up();
    posted.in_order = true;
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, poster, &names[i]), 0);
    loop_run(loop);
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(posted.in_order);
    assert_int_equal(posted.done, POSTERS * POSTS);
    tear_down();
}

static int reposts;

static void repost(void *arg)
{
    if (++reposts == 100)
        loop_stop(loop);
    else
        loop_post(loop, repost, arg);
}

static void test_post_from_the_loop(void **state)
{
    (void)state;
    set_up();
    loop_post(loop, repost, NULL);
    loop_run(loop);
    assert_int_equal(reposts, 100);
    loop_post(loop, repost, NULL); /* late, and dropped */
    tear_down();
    assert_int_equal(reposts, 100);
}

/* ---- turns ---- */

/* ---- the end of a turn that does not sleep ---- */

static struct {
    int calls;
    bool idle[4], late;
} over;

static bool on_turn_over(void *arg)
{
    (void)arg;
    if (over.calls < 3)
        over.idle[over.calls] = loop_is_idle(loop);
    if (++over.calls == 3) {
        loop_post(loop, stop, loop);
        over.idle[3] = loop_is_idle(loop);
    }
    return over.calls < 3;
}

static void on_late(void *arg)
{
    (void)arg;
    over.late = true;
    loop_stop(loop);
}

static void test_turn_over(void **state)
{
    struct loop_timer guard;
    (void)state;
    set_up();
    loop_on_turn_over(loop, on_turn_over, NULL);
    loop_timer_init(&guard, loop, on_late, NULL);
    loop_timer_start(&guard, 5 * US_PER_S); /* nothing else would wake a loop that slept */
    loop_run(loop);
    assert_false(over.late);
    assert_true(over.idle[0] && over.idle[1] && over.idle[2]);
    assert_false(over.idle[3]); /* a post waits */
    tear_down();
}

static int turn_ends;

static void on_turn_end(void *arg)
{
    (void)arg;
    if (++turn_ends >= 3)
        loop_stop(loop);
    else
        loop_post(loop, on_turn_end, NULL);
}

static void sleepy(void *arg)
{
    int64_t now_us = loop_now_us(loop);
    usleep(20 * 1000);
    assert_true(loop_now_us(loop) == now_us);
    loop_stop(arg);
}

static void test_turns(void **state)
{
    (void)state;
    set_up();
    loop_on_turn_end(loop, on_turn_end, NULL);
    loop_post(loop, on_turn_end, NULL);
    loop_run(loop);
    assert_true(turn_ends >= 3);
    tear_down();

    set_up();
    loop_post(loop, sleepy, loop);
    int64_t wall_us = loop_wall_us(loop);
    loop_run(loop);
    assert_true(loop_turn_us_max(loop) >= 20 * 1000);
    assert_true(loop_turn_us_max(loop) < 20 * 1000);
    assert_true(loop_wall_us(loop) - wall_us >= 20 * 1000);
    tear_down();
}

static void test_stop_before_run(void **state)
{
    (void)state;
    set_up();
    loop_stop(loop);
    loop_run(loop);
    tear_down();
    set_up();
    tear_down(); /* never run at all */
    loop_free(&loop);
}

/* ---- work ---- */

static struct {
    _Atomic int worked;
    int done;
    pthread_t main;
    bool other_thread;
} works;

static void do_work(void *arg)
{
    (void)arg;
    works.other_thread = !pthread_equal(works.main, pthread_self());
    atomic_fetch_add(&works.worked, 1);
}

static void work_done(void *arg)
{
    int *wanted = arg;
    if (++works.done == *wanted)
        loop_stop(loop);
}

static void test_work(void **state)
{
    int wanted = 1;
    (void)state;
    set_up();
    works.main = pthread_self();
    assert_int_equal(loop_work(loop, do_work, work_done, &wanted), OK);
    loop_run(loop);
    assert_int_equal(works.worked, 1);
    assert_true(works.other_thread);
    tear_down();
}

static _Atomic bool gate_open;

static void wait_for_gate(void *arg)
{
    (void)arg;
    while (!atomic_load(&gate_open))
        usleep(1000);
}

static void count_down(void *arg)
{
    int *left = arg;
    if (--*left == 0)
        loop_stop(loop);
}

static void test_work_is_bounded(void **state)
{
    int left = 0;
    (void)state;
    set_up();
    enum err e = OK;
    while (left < 5000 && (e = loop_work(loop, wait_for_gate, count_down, &left)) == OK)
        left++;
    assert_int_equal(e, ERR_OVERLOADED);
    assert_true(left >= 1024 && left < 1024 + 200);
    atomic_store(&gate_open, true);
    loop_run(loop);
    assert_int_equal(left, 0);
    tear_down();
}

/* What runs when the loop is stopped is waited for. */
static void test_stop_waits_for_work(void **state)
{
    int left = 1;
    (void)state;
    set_up();
    atomic_store(&gate_open, true);
    assert_int_equal(loop_work(loop, wait_for_gate, count_down, &left), OK);
    loop_stop(loop);
    loop_run(loop);
    assert_int_equal(left, 0);
    tear_down();
}

/* ---- timers ---- */

static struct loop_timer timers[4];
static char order[16];
static size_t order_n;

static void ring_0(void *arg)
{
    (void)arg;
    order[order_n++] = '0';
}
static void ring_1(void *arg)
{
    (void)arg;
    order[order_n++] = '1';
    loop_timer_stop(&timers[2]);
    loop_timer_stop(&timers[1]); /* has rung: nothing to stop */
}
static void ring_2(void *arg)
{
    (void)arg;
    order[order_n++] = '2';
}

static void test_timers(void **state)
{
    struct loop_timer end;
    (void)state;
    set_up();
    loop_timer_init(&timers[0], loop, ring_0, NULL);
    loop_timer_init(&timers[1], loop, ring_1, NULL);
    loop_timer_init(&timers[2], loop, ring_2, NULL);
    loop_timer_init(&timers[3], loop, ring_2, NULL);
    loop_timer_init(&end, loop, stop, loop);
    int64_t began_us = loop_now_us(loop);
    loop_timer_start(&end, 60 * 1000);
    loop_timer_start(&timers[2], 40 * 1000); /* stopped by 1 */
    loop_timer_start(&timers[1], 5 * 1000);
    loop_timer_start(&timers[1], 20 * 1000); /* later */
    loop_timer_start(&timers[0], 50 * 1000);
    loop_timer_start(&timers[0], 10 * 1000); /* sooner */
    loop_timer_start(&timers[3], 1000);
    loop_timer_stop(&timers[3]);
    loop_timer_stop(&timers[3]);
    loop_run(loop);
    assert_int_equal(order_n, 2);
    assert_memory_equal(order, "01", 2);
    int64_t us = clock_mono_us() - began_us;
    assert_true(us >= 60 * 1000);
    tear_down();
}

static int64_t rings;

static void ring_again(void *arg)
{
    if (++rings == 20)
        loop_stop(loop);
    else
        loop_timer_start(arg, 0);
}

static void never(void *arg)
{
    (void)arg;
    fail();
}

static void test_timer_restarts_itself(void **state)
{
    struct loop_timer t, left;
    (void)state;
    set_up();
    loop_timer_init(&t, loop, ring_again, &t);
    loop_timer_init(&left, loop, never, NULL);
    loop_timer_start(&t, -5);
    loop_timer_start(&left, US_PER_DAY);
    loop_run(loop);
    assert_int_equal(rings, 20);
    loop_timer_stop(&left); /* dropped by the loop's end */
    tear_down();
}

/* Many timers, moved at random, ring in the order of their times. */
enum { MANY = 500 };
static struct loop_timer many[MANY];
static int64_t last_rung_us;
static int many_left;

static void ring_many(void *arg)
{
    struct loop_timer *t = arg;
    assert_true(t->at_us >= last_rung_us);
    assert_true(t->at_us <= loop_now_us(loop));
    last_rung_us = t->at_us;
    if (--many_left == 0)
        loop_stop(loop);
}

static void test_many_timers(void **state)
{
    uint32_t seed = 1;
    (void)state;
    set_up();
    for (int i = 0; i < MANY; i++)
        loop_timer_init(&many[i], loop, ring_many, &many[i]);
    for (int i = 0; i < 10 * MANY; i++) {
        seed = seed * 1664525 + 1013904223;
        struct loop_timer *t = &many[(seed >> 8) % MANY];
        if ((seed >> 28) < 3)
            loop_timer_stop(t);
        else
            loop_timer_start(t, 1000 + (seed >> 4) % 50000);
    }
    for (int i = 0; i < MANY; i++)
        many_left += many[i].slot != 0;
    assert_true(many_left > MANY / 2);
    loop_run(loop);
    assert_int_equal(many_left, 0);
    tear_down();
}

/* ---- addresses ---- */

static void test_addresses(void **state)
{
    static const char *const good[] = {"127.0.0.1:8787", "[::1]:8787", "0.0.0.0:0",
                                       "[fe80::1]:65535"};
    static const char *const bad[] = {
        "",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:8x",
        "localhost:1",
        ":80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "[1.2.3.4]:80",
        "1.2.3.4.5:80",
        "[]:80",
        "127.0.0.1:000080",
    };
    char text[LOOP_ADDR_TEXT_MAX];
    union loop_addr a;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(loop_addr_parse(str_c(good[i]), &a), OK);
        assert_true(str_eq(loop_addr_text(&a, true, text), str_c(good[i])));
    }
    assert_true(str_eq(loop_addr_text(&a, false, text), STR("fe80::1")));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (loop_addr_parse(str_c(bad[i]), &a) != ERR_INVALID_REQUEST)
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(loop_addr_parse(STR("127.0.0.1\0:80"), &a), ERR_INVALID_REQUEST);
}

static void test_resolve(void **state)
{
    union loop_addr a[4];
    size_t n = 0;
    char text[LOOP_ADDR_TEXT_MAX];
    (void)state;
    assert_int_equal(loop_resolve("127.0.0.1", 80, a, 4, &n), OK);
    assert_int_equal(n, 1);
    assert_true(str_eq(loop_addr_text(&a[0], true, text), STR("127.0.0.1:80")));
    assert_int_equal(loop_resolve("::1", 81, a, 4, &n), OK);
    assert_true(str_eq(loop_addr_text(&a[0], true, text), STR("[::1]:81")));
    assert_int_equal(loop_resolve("no.such.name.invalid", 80, a, 4, &n), ERR_IO);
    assert_int_equal(loop_resolve("127.0.0.1", 80, a, 0, &n), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turn_over),
        cmocka_unit_test(test_post_from_many_threads),
        cmocka_unit_test(test_post_from_the_loop),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_stop_before_run),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_work_is_bounded),
        cmocka_unit_test(test_stop_waits_for_work),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_timer_restarts_itself),
        cmocka_unit_test(test_many_timers),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_resolve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Many lanes at once on one wallet. With LEDGER_BENCH=seconds it measures instead: calls through
 * two lanes to a real disk, paced by LEDGER_BENCH_RATE calls per second (0: as fast as it goes). */
#include "base/clock.h"
#include "ledger/ledger.h"
#include "ledger/ledger_testkit.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define LANES 8
#define CALLS_PER_LANE 25
#define ROUNDS 4

static bool on_postgres;

struct racer {
    struct ledger *ledger;
    struct id wallet, cap;
    int64_t now_us;
    uint64_t seed;
    pthread_t thread;
    int64_t charged, written_off;
    unsigned placed;
};

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void settle(struct racer *r, struct ledger_lane *lane, struct ledger_hold *h)
{
    struct nano written_off = NANO(0);
    struct ledger_settlement s = {.wall_us = r->now_us, .about = STR("")};
    /* Up to twice the hold. */
    s.charge = NANO((int64_t)(next_random(&r->seed) % (uint64_t)(2 * h->amount.v)));
    if (next_random(&r->seed) % 8 == 0) {
        (void)ledger_hold_void(lane, h, r->now_us, STR(""));
        return;
    }
    (void)ledger_hold_settle(lane, h, &s, &written_off);
    r->charged += s.charge.v - written_off.v;
    r->written_off += written_off.v;
}

static void *race(void *arg)
{
    struct racer *r = arg;
    struct ledger_lane *lane = NULL;
    struct ledger_hold holds[CALLS_PER_LANE];
    ledger_ticket ticket;
    if (ledger_lane_new(r->ledger, NULL, NULL, &lane) != OK)
        abort();
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < CALLS_PER_LANE; i++) {
            holds[i] = (struct ledger_hold){.call = id_new(r->now_us),
                                            .wallet = ledger_find(r->ledger, r->wallet),
                                            .caps = {ledger_find(r->ledger, r->cap)},
                                            .amount = NANO(300000)};
            if (ledger_hold_place(lane, &holds[i], r->now_us, STR("x"), &ticket) == OK)
                r->placed++;
            if (i % 5 == 0)
                ledger_lane_flush(lane);
            (void)ledger_balance(holds[i].wallet);
        }
        for (unsigned i = 0; i < CALLS_PER_LANE; i++)
            if (holds[i].open)
                settle(r, lane, &holds[i]);
        ledger_lane_flush(lane);
    }
    ledger_lane_free(&lane);
    return NULL;
}

static void race_on(bool postgres)
{
    struct ledger_testkit kit;
    if (!ledger_testkit_begin(&kit, postgres))
        fail_msg("the engine is not there");
    struct id w = ledger_testkit_wallet(&kit, NANO(0));
    struct id other = ledger_testkit_wallet(&kit, NANO(0));
    struct id cap = ledger_testkit_cap(&kit, false, NANO(9000000));
    (void)ledger_testkit_credit(&kit, w, NANO(4000000));
    (void)ledger_testkit_credit(&kit, w, NANO(6000000)); /* $0.01 in two lots */
    struct racer racers[LANES];
    for (unsigned i = 0; i < LANES; i++) {
        racers[i] = (struct racer){
            .ledger = kit.ledger, .wallet = w, .cap = cap, .now_us = kit.now_us, .seed = i + 1};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    int lots;
    for (unsigned i = 0; i < 20; i++) {
        (void)ledger_testkit_credit(&kit, other, NANO(5));
        assert_int_equal(ledger_testkit_expire(&kit, &lots), OK);
        assert_true(ledger_testkit_balance(&kit, w).v >= 0);
        if (i % 5 == 0)
            assert_int_equal(ledger_testkit_verify_only(&kit, true), 0);
    }
    int64_t charged = 0, written_off = 0;
    unsigned placed = 0;
    for (unsigned i = 0; i < LANES; i++) {
        pthread_join(racers[i].thread, NULL);
        charged += racers[i].charged;
        written_off += racers[i].written_off;
        placed += racers[i].placed;
    }
    assert_int_equal(ledger_testkit_verify(&kit, true), 0);
    assert_true(placed > 0 && charged > 0 && charged <= 10000000);
    assert_int_equal(kit.outcomes, placed);
    assert_int_equal(kit.charged - kit.written_off, charged);
    assert_int_equal(kit.written_off, written_off);
    assert_int_equal(ledger_testkit_balance(&kit, w).v, 10000000 - charged);
    assert_int_equal(ledger_testkit_available(&kit, w).v, 10000000 - charged);
    assert_int_equal(ledger_testkit_available(&kit, cap).v, 9000000 - charged);
    assert_int_equal(ledger_counts(kit.ledger).holds_open, 0);
    ledger_testkit_end(&kit);
}

static void test_race(void **state)
{
    (void)state;
    race_on(on_postgres);
}

/* ---- the measurement ---- */

#define BENCH_LANES 2
#define BENCH_CALLS 4096
#define BENCH_WALLETS 100

enum stage { IDLE, HOLDING, SETTLING };

struct bench_call {
    enum stage stage;
    struct ledger_hold hold;
    ledger_ticket ticket;
    int64_t begun_us;
};
struct bench_lane {
    struct ledger_testkit *kit;
    struct id wallets[BENCH_WALLETS];
    struct ledger_lane *lane;
    int event;
    pthread_t thread;
    int64_t until_us, cpu_us, waited_us, rate;
    uint64_t done;
    struct bench_call calls[BENCH_CALLS];
    size_t in_flight, first;
};

static void bench_wake(void *arg)
{
    struct bench_lane *b = arg;
    uint64_t one = 1;
    (void)!write(b->event, &one, sizeof(one));
}

static void bench_begin(struct bench_lane *b, struct bench_call *c, int64_t now_us)
{
    static const char about[64] = "hold: key, model, provider, price version, quote, limits";
    struct id wallet = b->wallets[(b->done + b->in_flight) % BENCH_WALLETS];
    c->hold = (struct ledger_hold){.call = id_new(now_us),
                                   .wallet = ledger_find(b->kit->ledger, wallet),
                                   .amount = NANO(1000000)};
    if (ledger_hold_place(b->lane, &c->hold, now_us, str_of(about, 64), &c->ticket) != OK)
        abort();
    c->ticket = ledger_hold_dispatched(b->lane, &c->hold, now_us, str_of(about, 24));
    c->begun_us = now_us;
    c->stage = HOLDING;
    b->in_flight++;
}

static void bench_settle(struct bench_lane *b, struct bench_call *c, int64_t now_us)
{
    static const char about[120] = "usage: tokens in, tokens out, cached, reasoning, basis";
    struct nano written_off;
    struct ledger_settlement s = {.charge = NANO(700000),
                                  .cost = NANO(500000),
                                  .wall_us = now_us,
                                  .about = str_of(about, sizeof(about))};
    (void)ledger_hold_upstream_id(b->lane, &c->hold, STR("gen-1234567890-abcdefghijkl"));
    c->ticket = ledger_hold_settle(b->lane, &c->hold, &s, &written_off);
    b->waited_us += now_us - c->begun_us;
    c->stage = SETTLING;
}

static void bench_turn(struct bench_lane *b, int64_t begun_us, uint64_t *begun)
{
    int64_t now_us = clock_wall_us();
    ledger_ticket durable = ledger_lane_durable(b->lane);
    for (size_t i = 0; i < BENCH_CALLS; i++) {
        struct bench_call *c = &b->calls[i];
        bool due = b->rate == 0 ? b->in_flight < 256
                                : (int64_t)*begun < (now_us - begun_us) * b->rate / 1000000;
        if (c->stage == SETTLING && durable >= c->ticket) {
            c->stage = IDLE;
            b->in_flight--;
            b->done++;
        } else if (c->stage == HOLDING && durable >= c->ticket) {
            bench_settle(b, c, now_us);
        } else if (c->stage == IDLE && due) {
            bench_begin(b, c, now_us);
            ++*begun;
        } else if (c->stage == IDLE && b->in_flight == 0) {
            break;
        }
    }
    ledger_lane_flush(b->lane);
}

static void *bench_run(void *arg)
{
    struct bench_lane *b = arg;
    uint64_t begun = 0, drop;
    int64_t begun_us = clock_wall_us();
    struct timespec cpu;
    while (clock_wall_us() < b->until_us) {
        bench_turn(b, begun_us, &begun);
        struct pollfd p = {.fd = b->event, .events = POLLIN};
        if (poll(&p, 1, 1) == 1)
            (void)!read(b->event, &drop, sizeof(drop));
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    b->cpu_us = (int64_t)cpu.tv_sec * 1000000 + cpu.tv_nsec / 1000;
    return NULL;
}

static void bench(int64_t seconds, int64_t rate, bool postgres)
{
    static struct bench_lane lanes[BENCH_LANES];
    struct ledger_testkit kit;
    if (!ledger_testkit_begin(&kit, postgres))
        return;
    kit.now_us = clock_wall_us();
    for (unsigned i = 0; i < BENCH_LANES; i++) {
        lanes[i] = (struct bench_lane){
            .kit = &kit, .event = eventfd(0, EFD_NONBLOCK), .rate = rate / BENCH_LANES};
        for (unsigned k = 0; k < BENCH_WALLETS; k++) {
            lanes[i].wallets[k] = ledger_testkit_wallet(&kit, NANO(0));
            (void)ledger_testkit_credit(&kit, lanes[i].wallets[k], NANO(100 * NANO_PER_USD));
        }
        assert_int_equal(ledger_lane_new(kit.ledger, bench_wake, &lanes[i], &lanes[i].lane), OK);
    }
    struct store_counts before = store_counts(kit.store);
    int64_t cpu_us = clock_cpu_us(), wall_us = clock_wall_us();
    for (unsigned i = 0; i < BENCH_LANES; i++) {
        lanes[i].until_us = wall_us + seconds * 1000000;
        assert_int_equal(pthread_create(&lanes[i].thread, NULL, bench_run, &lanes[i]), 0);
    }
    uint64_t calls = 0;
    int64_t lanes_us = 0, waited_us = 0;
    for (unsigned i = 0; i < BENCH_LANES; i++) {
        pthread_join(lanes[i].thread, NULL);
        calls += lanes[i].done;
        lanes_us += lanes[i].cpu_us;
        waited_us += lanes[i].waited_us;
    }
    wall_us = clock_wall_us() - wall_us;
    ledger_testkit_sync(&kit);
    cpu_us = clock_cpu_us() - cpu_us - lanes_us;
    struct store_counts after = store_counts(kit.store);
    uint64_t commits = after.commits - before.commits;
    int64_t n = (int64_t)calls;
    print_message("calls/s %" PRId64 "  CPU ns/call: writer %" PRId64 ", lane %" PRId64
                  "  commits/s %" PRId64 "  records/commit %" PRIu64 "  hold wait us %" PRId64
                  "  commit us p50 %" PRId64 " p99 %" PRId64 "\n",
                  n * 1000000 / wall_us, cpu_us * 1000 / n, lanes_us * 1000 / n,
                  (int64_t)commits * 1000000 / wall_us, (after.records - before.records) / commits,
                  waited_us / n, after.commit_us_p50, after.commit_us_p99);
    for (unsigned i = 0; i < BENCH_LANES; i++) {
        ledger_lane_free(&lanes[i].lane);
        close(lanes[i].event);
    }
    int64_t start_us = clock_mono_us();
    ledger_testkit_close(&kit);
    int64_t closed_us = clock_mono_us();
    ledger_testkit_open(&kit);
    int64_t opened_us = clock_mono_us();
    uint64_t mismatches = ledger_testkit_verify(&kit, true);
    print_message("close ms %" PRId64 "  open ms %" PRId64 "  verify of %" PRId64
                  " calls ms %" PRId64 ": %" PRIu64 " mismatches\n",
                  (closed_us - start_us) / 1000, (opened_us - closed_us) / 1000, n,
                  (clock_mono_us() - opened_us) / 1000, mismatches);
    ledger_testkit_end(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_race)};
    uint64_t seconds = 0, rate = 0;
    if (str_to_u64(str_c(getenv("LEDGER_BENCH")), 3600, &seconds)) {
        (void)str_to_u64(str_c(getenv("LEDGER_BENCH_RATE")), 10000000, &rate);
        bench((int64_t)seconds, (int64_t)rate, getenv("LEDGER_BENCH_PG") != NULL);
        store_testkit_fini();
        return 0;
    }
    int failed = cmocka_run_group_tests_name("race on SQLite", tests, NULL, NULL);
    on_postgres = true;
    if (ledger_testkit_has_postgres())
        failed += cmocka_run_group_tests_name("race on PostgreSQL", tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

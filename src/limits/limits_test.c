/* Limits: against a sliding log of what was admitted, and every refusal. */
#include "limits/limits.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "store/store_testkit.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cmocka.h>

#define MINUTE (60 * US_PER_S)
#define OFF                                                                                        \
    {                                                                                              \
        0, 0, 0, 0, 0, 0, 0                                                                        \
    }

static struct store_testkit kit;
static struct store *store;
static struct limits *limits;
static struct id team = {{1}}, user = {{2}}, key = {{3}};
static struct limits_taken taken;
static struct limits_view view;
static struct limits_denial denial;

static struct limits_options all_off(void)
{
    return (struct limits_options){.defaults = {OFF, OFF, OFF, OFF}};
}

static void renew(const struct limits_options *o)
{
    limits_free(&limits);
    assert_int_equal(limits_new(store, o, &limits), OK);
}

static void renew_user(struct limits_rule rule)
{
    struct limits_options o = all_off();
    o.defaults[LIMITS_USER] = rule;
    renew(&o);
}

static int setup(void **state)
{
    if (!store_testkit_begin(&kit, *state != NULL)) {
        store = NULL;
        return 0;
    }
    store = store_testkit_open(&kit);
    struct limits_options o = all_off();
    return limits_new(store, &o, &limits) != OK;
}

static int teardown(void **state)
{
    (void)state;
    if (store == NULL)
        return 0;
    limits_free(&limits);
    store_close(&store);
    store_testkit_end(&kit);
    return 0;
}

#define NEED_STORE()                                                                               \
    do {                                                                                           \
        (void)state;                                                                               \
        if (store == NULL)                                                                         \
            skip();                                                                                \
    } while (0)

static enum limits_tier tier; /* of the calls that come */

static enum err take(int64_t tokens, int64_t now_us)
{
    return limits_take(limits, team, user, key, tier, tokens, now_us, &taken, &view, &denial);
}

static uint64_t seed = 1;

static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

/* ---- models ---- */

#define LOG_MAX 4000
static int64_t log_us[LOG_MAX];
static size_t log_n;

/* Of any run of admitted calls, no more than burst + rate × time. Exact, in whole numbers. */
static void check_gcra(int64_t rpm, int64_t burst)
{
    for (size_t i = 0; i < log_n; i++)
        for (size_t k = i; k < log_n; k++)
            if ((int64_t)(k - i + 1 - burst) > 0 && (int64_t)(k - i + 1) > burst)
                assert_true(((int64_t)(k - i + 1) - burst) * MINUTE <=
                            (log_us[k] - log_us[i]) * rpm);
}

/* In no window of that length more than the limit. */
static void check_window(int64_t window_us, int64_t limit)
{
    for (size_t i = 0; i + (size_t)limit < log_n; i++)
        assert_true(log_us[i + (size_t)limit] - log_us[i] >= window_us);
}

static void test_gcra_bound(void **state)
{
    NEED_STORE();
    static const int64_t rates[][2] = {{60, 10}, {7, 1}, {1000, 50}, {13, 13}, {59, 3}};
    for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
        int64_t rpm = rates[r][0], burst = rates[r][1], now = 1000000007;
        renew_user((struct limits_rule){rpm, burst, 0, 0, 0, 0, 0});
        log_n = 0;
        int64_t step = MINUTE / rpm;
        for (int i = 0; i < 3000 && log_n < 1500; i++) {
            /* Crowds, trickles and long silences. */
            now += draw(4) == 0 ? (int64_t)draw((uint64_t)step * 3 + 1) : (int64_t)draw(3);
            now += draw(500) == 0 ? 20 * step * burst : 0;
            enum err e = take(0, now);
            if (e == OK) {
                log_us[log_n++] = now;
                if (draw(5) == 0)
                    limits_settle(limits, &taken, 0, now);
                continue;
            }
            assert_int_equal(e, ERR_RATE_LIMITED);
            /* The wait it names is right to the microsecond. */
            assert_int_equal(take(0, now + denial.retry_us - 1), ERR_RATE_LIMITED);
        }
        check_gcra(rpm, burst);
        /* Asked all the time, it lets nearly the whole rate through. */
        log_n = 0;
        now += 1000 * step;
        int64_t start = now;
        for (; now - start < 100 * MINUTE / rpm * 60 && log_n < 2000; now += step / 7 + 1)
            log_n += take(0, now) == OK;
        int64_t full = (now - start) / step;
        assert_true((int64_t)log_n >= full * 98 / 100);
        assert_true((int64_t)log_n <= full + burst + 1);
    }
}

static void test_gcra_release(void **state)
{
    NEED_STORE();
    /* Calls that are given back do not count, and never make room for more than the bound. */
    renew_user((struct limits_rule){60, 5, 0, 0, 0, 0, 0});
    struct limits_taken open[16];
    int64_t open_at[16];
    size_t n = 0;
    int64_t now = 5;
    log_n = 0;
    for (int i = 0; i < 6000; i++) {
        now += (int64_t)draw(500000);
        if (n < 16 && draw(2) == 0 && take(0, now) == OK) {
            open[n] = taken;
            open_at[n++] = now;
        } else if (n > 0) {
            size_t k = draw(n);
            if (draw(2) == 0) {
                limits_release(limits, &open[k], now);
            } else {
                limits_settle(limits, &open[k], 0, now);
                if (log_n < LOG_MAX)
                    log_us[log_n++] = open_at[k];
            }
            open[k] = open[--n];
            open_at[k] = open_at[n];
        }
    }
    for (size_t i = 1; i < log_n; i++) /* they ended in another order than they began */
        for (size_t k = i; k > 0 && log_us[k] < log_us[k - 1]; k--) {
            int64_t swap = log_us[k];
            log_us[k] = log_us[k - 1];
            log_us[k - 1] = swap;
        }
    assert_true(log_n > 500);
    check_gcra(60, 5);
    while (n > 0)
        limits_settle(limits, &open[--n], 0, now);
    now += MINUTE;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(take(0, now), OK);
        limits_release(limits, &taken, now);
    }
}

static void test_rings(void **state)
{
    NEED_STORE();
    static const struct {
        int64_t window_us, limit, cells;
        bool day;
    } rings[] = {
        {US_PER_HOUR, 20, 60, false}, {US_PER_DAY, 30, 96, true}, {US_PER_HOUR, 1, 60, false}};
    for (size_t r = 0; r < 3; r++) {
        int64_t limit = rings[r].limit, window = rings[r].window_us, now = 77;
        struct limits_rule rule = OFF;
        if (rings[r].day)
            rule.per_day = limit;
        else
            rule.per_hour = limit;
        renew_user(rule);
        log_n = 0;
        while (now < 60 * window && log_n < 1500) {
            now += (int64_t)draw((uint64_t)(window / limit / 4));
            if (take(0, now) == OK) {
                log_us[log_n++] = now;
                continue;
            }
            int64_t retry_us = denial.retry_us;
            assert_int_equal(take(0, now + retry_us - 1), ERR_RATE_LIMITED);
            if (draw(3) != 0)
                continue;
            now += retry_us;
            assert_int_equal(take(0, now), OK);
            log_us[log_n++] = now;
        }
        check_window(window, limit);
        /* Room comes back at most one cell late: over many windows nearly everything. */
        int64_t least = now / window * limit * (rings[r].cells - 1) / rings[r].cells;
        assert_true((int64_t)log_n >= least * 95 / 100);
    }
}

static void test_ring_release(void **state)
{
    NEED_STORE();
    renew_user((struct limits_rule){0, 0, 3, 0, 0, 0, 0});
    struct limits_taken three[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(take(0, MINUTE * i), OK);
        three[i] = taken;
    }
    assert_int_equal(view.requests_limit, 3);
    assert_int_equal(view.requests_left, 0);
    assert_int_equal(take(0, MINUTE * 3), ERR_RATE_LIMITED);
    assert_string_equal(denial.limit, "requests per hour");
    assert_int_equal(denial.retry_us, 58 * MINUTE);
    limits_release(limits, &three[1], MINUTE * 3);
    assert_int_equal(take(0, MINUTE * 3), OK);
    assert_int_equal(take(0, MINUTE * 3), ERR_RATE_LIMITED);
    /* Long after, giving back changes nothing. */
    limits_release(limits, &three[2], MINUTE * 500);
    for (int i = 0; i < 3; i++)
        assert_int_equal(take(0, MINUTE * 500), OK);
    assert_int_equal(take(0, MINUTE * 500), ERR_RATE_LIMITED);
}

static void test_tokens(void **state)
{
    NEED_STORE();
    renew_user((struct limits_rule){0, 0, 0, 0, 1000, 0, 0});
    assert_int_equal(take(1001, 1), ERR_VALIDATION_FAILED);
    assert_string_equal(denial.limit, "tokens per minute");
    assert_string_equal(denial.scope, "user");
    assert_int_equal(denial.value, 1000);
    assert_int_equal(take(600, 1), OK);
    assert_int_equal(view.tokens_limit, 1000);
    assert_int_equal(view.tokens_left, 400);
    assert_int_equal(take(401, 1), ERR_RATE_LIMITED);
    assert_int_equal(denial.retry_us, 60000); /* one token's time */
    assert_int_equal(take(401, 1 + denial.retry_us - 1), ERR_RATE_LIMITED);
    struct limits_taken first = taken;
    assert_int_equal(take(400, 1), OK);
    limits_settle(limits, &first, 100, 1); /* 500 come back */
    assert_int_equal(take(501, 1), ERR_RATE_LIMITED);
    assert_int_equal(take(500, 1), OK);
    limits_settle(limits, &taken, 1500, 1); /* a thousand more than it said */
    assert_int_equal(take(1, 1), ERR_RATE_LIMITED);
    assert_int_equal(denial.retry_us, MINUTE + 60000);
    assert_int_equal(take(1000, 1 + 2 * MINUTE), OK);
    limits_release(limits, &taken, 1 + 2 * MINUTE);
    assert_int_equal(take(1000, 1 + 2 * MINUTE), OK);
    /* After a minute it is paid for: nothing to give back. */
    limits_settle(limits, &taken, 0, 1 + 3 * MINUTE);
    assert_int_equal(take(1000, 1 + 3 * MINUTE), OK);
    assert_int_equal(take(1, 1 + 3 * MINUTE), ERR_RATE_LIMITED);
}

/* Reserved less given back, in any time, is at most what the bucket holds and what flowed off. */
static void test_tokens_bound(void **state)
{
    NEED_STORE();
    const int64_t tpm = 90000;
    renew_user((struct limits_rule){0, 0, 0, 0, tpm, 0, 0});
    enum { EVENTS = 1500 };
    static int64_t at[EVENTS], net[EVENTS];
    struct limits_taken open[8];
    size_t n = 0, events = 0;
    int64_t now = 9, used_sum = 0, start = now;
    while (events < EVENTS) {
        now += (int64_t)draw(800000);
        if (n < 8 && draw(2) == 0) {
            int64_t tokens = (int64_t)draw(20000);
            if (take(tokens, now) != OK)
                continue;
            open[n++] = taken;
            at[events] = now;
            net[events++] = tokens;
        } else if (n > 0) {
            size_t k = draw(n);
            int64_t used = (int64_t)draw((uint64_t)open[k].tokens + 1);
            at[events] = now;
            net[events++] = used - open[k].tokens;
            used_sum += used;
            limits_settle(limits, &open[k], used, now);
            open[k] = open[--n];
        }
    }
    /* What comes back may be less than what was said (paid for by time), so the sum of what calls
     * truly used is within the bound, over the whole run. */
    assert_true((used_sum - tpm) * MINUTE <= (now - start) * tpm + tpm * MINUTE);
    for (size_t i = 0; i < events; i++) {
        int64_t sum = 0;
        for (size_t k = i; k < events; k++) {
            sum += net[k];
            if (net[k] > 0)
                assert_true((sum - tpm) * MINUTE <= (at[k] - at[i]) * tpm + MINUTE);
        }
    }
}

static void test_concurrency(void **state)
{
    NEED_STORE();
    renew_user((struct limits_rule){0, 0, 0, 0, 0, 2, 0});
    assert_int_equal(take(0, 1), OK);
    struct limits_taken first = taken, second;
    assert_int_equal(take(0, 1), OK);
    second = taken;
    assert_int_equal(take(0, 1), ERR_RATE_LIMITED);
    assert_string_equal(denial.limit, "concurrent requests");
    assert_true(denial.retry_us > 0);
    limits_settle(limits, &first, 0, 2);
    limits_settle(limits, &first, 0, 2); /* once only, though told twice */
    assert_int_equal(take(0, 2), OK);
    assert_int_equal(take(0, 2), ERR_RATE_LIMITED);
    limits_release(limits, &second, 3);
    assert_int_equal(take(0, 3), OK);
}

static void test_all_or_nothing(void **state)
{
    NEED_STORE();
    struct limits_options o = all_off();
    o.defaults[LIMITS_GLOBAL] = (struct limits_rule){60, 6, 0, 0, 0, 0, 0};
    o.defaults[LIMITS_TEAM] = (struct limits_rule){60, 4, 0, 0, 0, 0, 0};
    o.defaults[LIMITS_USER] = (struct limits_rule){60, 9, 0, 0, 100, 0, 0};
    o.defaults[LIMITS_KEY] = (struct limits_rule){0, 0, 2, 0, 0, 0, 0};
    renew(&o);
    assert_int_equal(take(10, 1), OK);
    assert_int_equal(take(10, 1), OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(take(10, 1), ERR_RATE_LIMITED);
        assert_string_equal(denial.scope, "key");
        assert_string_equal(denial.limit, "requests per hour");
    }
    /* The key's refusals took nothing from team, user and all. */
    key.b[15] = 1;
    assert_int_equal(take(10, 1), OK);
    assert_int_equal(view.requests_left, 1); /* both the key's and the team's */
    assert_int_equal(view.tokens_left, 70);
    assert_int_equal(take(71, 1), ERR_RATE_LIMITED);
    assert_int_equal(take(101, 1), ERR_VALIDATION_FAILED);
    assert_int_equal(take(10, 1), OK);
    key.b[15] = 2;
    assert_int_equal(take(10, 1), ERR_RATE_LIMITED);
    assert_string_equal(denial.scope, "team");
    team.b[15] = 1;
    assert_int_equal(take(10, 1), OK);
    struct limits_taken last;
    assert_int_equal(take(10, 1), OK);
    last = taken;
    key.b[15] = 3;
    assert_int_equal(take(10, 1), ERR_RATE_LIMITED);
    assert_string_equal(denial.scope, "global");
    assert_int_equal(denial.retry_us, US_PER_S);
    limits_release(limits, &last, 1);
    assert_int_equal(take(10, 1), OK);
    key.b[15] = team.b[15] = 0;
    /* Nobody's: no limit of theirs, but the global one. */
    struct id none = {{0}};
    assert_int_equal(limits_take(limits, none, none, none, tier, 5, MINUTE, &taken, &view, &denial),
                     OK);
    assert_int_equal(view.requests_limit, 6);
}

static void test_global_of_all_kinds(void **state)
{
    NEED_STORE();
    struct limits_options o = all_off();
    o.defaults[LIMITS_GLOBAL] = (struct limits_rule){600, 3, 4, 0, 50, 2, 0};
    renew(&o);
    assert_int_equal(take(51, 1), ERR_VALIDATION_FAILED);
    assert_int_equal(take(20, 1), OK);
    struct limits_taken first = taken;
    assert_int_equal(take(20, 1), OK);
    struct limits_taken second = taken;
    assert_int_equal(take(1, 1), ERR_RATE_LIMITED);
    assert_string_equal(denial.limit, "concurrent requests");
    limits_settle(limits, &first, 0, 1);
    limits_settle(limits, &second, 0, 1);
    assert_int_equal(take(50, 1), OK);
    limits_settle(limits, &taken, 50, 1);
    assert_int_equal(take(1, 1), ERR_RATE_LIMITED);
    assert_int_equal(take(1, 2 * MINUTE), OK);
    limits_settle(limits, &taken, 1, 2 * MINUTE);
    assert_int_equal(take(1, 3 * MINUTE), ERR_RATE_LIMITED);
    assert_string_equal(denial.limit, "requests per hour");
    /* New defaults act at once. */
    o.defaults[LIMITS_GLOBAL] = (struct limits_rule)OFF;
    limits_set_defaults(limits, &o);
    for (int i = 0; i < 100; i++)
        assert_int_equal(take(1000, 3 * MINUTE), OK);
    assert_true(view.requests_limit < 0 && view.tokens_limit < 0);
}

/* ---- rules ---- */

struct set {
    enum limits_scope scope;
    struct id subject;
    struct limits_rule rule;
    bool fail_after;
};

static enum err set_in(struct store_conn *conn, void *arg)
{
    struct set *s = arg;
    enum err e = limits_set_in(limits, conn, s->scope, s->subject, &s->rule, 1);
    return e == OK && s->fail_after ? ERR_CONFLICT : e;
}

static enum err set_rule(enum limits_scope scope, struct id subject, struct limits_rule rule)
{
    struct set s = {scope, subject, rule, false};
    return store_write(store, set_in, &s);
}

static void test_rules(void **state)
{
    NEED_STORE();
    struct limits_options o = all_off();
    struct limits_rule r, unset = LIMITS_UNSET;
    struct id none = {{0}};
    o.defaults[LIMITS_USER] = (struct limits_rule){60, 10, 0, 0, 0, 0, 0};
    renew(&o);
    r = unset;
    r.rpm = 3;
    assert_int_equal(set_rule(LIMITS_USER, user, r), OK);
    r = unset;
    r.max_tokens = 500;
    assert_int_equal(limits_max_tokens(limits, team, user, key), 0);
    assert_int_equal(set_rule(LIMITS_USER, user, r), OK);
    for (int turn = 0; turn < 2; turn++) {
        limits_get(limits, LIMITS_USER, user, &r);
        assert_int_equal(r.rpm, 3);
        assert_int_equal(r.burst, 3); /* not the default's ten */
        assert_int_equal(r.max_tokens, 500);
        assert_int_equal(limits_max_tokens(limits, team, user, key), 500);
        assert_int_equal(limits_max_tokens(limits, team, key, user), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(take(0, MINUTE), OK);
        assert_int_equal(take(0, MINUTE), ERR_RATE_LIMITED);
        assert_int_equal(denial.value, 3);
        limits_get(limits, LIMITS_USER, key, &r);
        assert_int_equal(r.rpm, 60);
        renew(&o);
    }
    struct set undone = {LIMITS_USER, user, unset, true};
    assert_int_equal(store_write(store, set_in, &undone), ERR_CONFLICT);
    limits_get(limits, LIMITS_USER, user, &r);
    assert_int_equal(r.rpm, 3);
    assert_int_equal(set_rule(LIMITS_USER, user, unset), OK);
    limits_get(limits, LIMITS_USER, user, &r);
    assert_int_equal(r.rpm, 60);
    assert_int_equal(limits_max_tokens(limits, team, user, key), 0);
    r = unset;
    r.rpm = 0;
    assert_int_equal(set_rule(LIMITS_USER, user, r), OK); /* off for this one */
    for (int i = 0; i < 100; i++)
        assert_int_equal(take(0, 2 * MINUTE), OK);
    r.rpm = 2;
    assert_int_equal(set_rule(LIMITS_GLOBAL, none, r), OK);
    assert_int_equal(take(0, 3 * MINUTE), OK);
    assert_int_equal(take(0, 3 * MINUTE), OK);
    assert_int_equal(take(0, 3 * MINUTE), ERR_RATE_LIMITED);
    assert_int_equal(set_rule(LIMITS_KEY, key, r), OK);
    assert_int_equal(set_rule(LIMITS_TEAM, team, r), OK);
    renew(&o);
    assert_int_equal(take(0, MINUTE), OK);
    assert_int_equal(view.requests_limit, 2);
}

static void test_rule_refusals(void **state)
{
    NEED_STORE();
    struct limits_rule good = LIMITS_UNSET;
    struct id none = {{0}};
    assert_int_equal(set_rule(LIMITS_GLOBAL, user, good), ERR_VALIDATION_FAILED);
    assert_int_equal(set_rule(LIMITS_USER, none, good), ERR_VALIDATION_FAILED);
    for (int field = 0; field < 7; field++)
        for (int bad = 0; bad < 2; bad++) {
            struct limits_rule r = good;
            int64_t *const fields[] = {&r.rpm, &r.burst,       &r.per_hour,  &r.per_day,
                                       &r.tpm, &r.concurrency, &r.max_tokens};
            *fields[field] = bad == 0 ? -2 : INT64_C(20000000000);
            assert_non_null(limits_rule_fault(&r));
            assert_int_equal(set_rule(LIMITS_USER, user, r), ERR_VALIDATION_FAILED);
        }
    struct limits_rule r = good;
    r.rpm = 1;
    r.burst = 30 * 24 * 60;
    assert_int_equal(set_rule(LIMITS_USER, user, r), ERR_VALIDATION_FAILED);
    r.burst--;
    assert_int_equal(set_rule(LIMITS_USER, user, r), OK);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(take(0, MINUTE), OK);
}

static void test_steady_state(void **state)
{
    NEED_STORE();
    struct limits_options o = all_off();
    o.defaults[LIMITS_GLOBAL] = (struct limits_rule){1000000, 0, 0, 0, 0, 0, 0};
    o.defaults[LIMITS_USER] = (struct limits_rule){1000000, 0, 1000000, 1000000, 100000, 10, 0};
    o.defaults[LIMITS_KEY] = o.defaults[LIMITS_USER];
    renew(&o);
    int64_t now = 1;
    uint64_t before = 0;
    for (int i = 0; i < 5000; i++) {
        if (i == 1)
            before = mem_count();
        assert_int_equal(take(10, now += 100000), OK);
        limits_settle(limits, &taken, 5, now);
    }
    assert_int_equal(mem_count(), before);
}

static void test_idle_buckets_go(void **state)
{
    NEED_STORE();
    renew_user((struct limits_rule){1, 1, 5, 5, 5, 5, 0});
    struct id who = {{0}};
    for (int64_t day = 1; day < 40; day += 3)
        for (uint32_t i = 0; i < 500; i++) {
            uint8_t hash[CRYPTO_HASH_LEN];
            crypto_sha256(str_of((const char *)&i, sizeof(i)), hash);
            memcpy(who.b, hash, 16);
            who.b[0] = (uint8_t)day;
            assert_int_equal(limits_take(limits, team, who, key, tier, 1, day * US_PER_DAY, &taken,
                                         &view, &denial),
                             OK);
            if (i != 7)
                limits_settle(limits, &taken, 1, day * US_PER_DAY);
        }
    /* Whoever still has a call under way is remembered. */
    limits_settle(limits, &taken, 1, 40 * US_PER_DAY);
}

/* ---- threads ---- */

#define THREADS 4
static _Atomic int64_t admitted;

static void *hammer(void *arg)
{
    int64_t mine = 0;
    struct id k = {{(uint8_t)(uintptr_t)arg, 9}};
    for (int64_t i = 0; i < 20000; i++) {
        struct limits_taken t;
        struct limits_view v;
        struct limits_denial d;
        int64_t now = 1000 + i;
        if (limits_take(limits, team, i % 2 == 0 ? user : k, k, tier, 1, now, &t, &v, &d) != OK)
            continue;
        if (i % 3 == 0) {
            limits_release(limits, &t, now);
        } else {
            limits_settle(limits, &t, 1, now);
            mine++;
        }
    }
    atomic_fetch_add(&admitted, mine);
    return NULL;
}

static void test_threads(void **state)
{
    NEED_STORE();
    struct limits_options o = all_off();
    o.defaults[LIMITS_GLOBAL] = (struct limits_rule){60000, 3000, 0, 0, 0, 0, 0};
    o.defaults[LIMITS_USER] = (struct limits_rule){60000, 1000, 0, 0, 0, 3, 0};
    o.defaults[LIMITS_KEY] = (struct limits_rule){0, 0, 100000, 100000, 1000000, 3, 0};
    for (int turn = 0; turn < 2; turn++) {
        renew(&o);
        admitted = 0;
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)(i + 1)), 0);
        struct limits_rule r = LIMITS_UNSET; /* and rules change meanwhile */
        for (int i = 0; i < 5; i++) {
            r.per_day = 100000 + i;
            assert_int_equal(set_rule(LIMITS_USER, user, r), OK);
        }
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        /* 20 ms at 1,000 a second on top of the burst; the second turn has a global lock too. */
        assert_true(admitted <= 3000 + 20 + 1);
        assert_true(admitted >= 1000);
        assert_int_equal(take(1, 10 * MINUTE), OK);
        o.defaults[LIMITS_GLOBAL].concurrency = 100;
    }
}

/* How many of a hundred at once get through. */
static int admitted_at_once(int64_t now_us)
{
    int n = 0;
    for (int i = 0; i < 100; i++)
        n += take(0, now_us) == OK;
    return n;
}

static void test_tier(void **state)
{
    NEED_STORE();
    struct limits_options o = all_off();
    o.defaults[LIMITS_USER] = (struct limits_rule){60, 10, 0, 0, 0, 0, 0};
    o.funded = (struct limits_rule){.rpm = 600, .burst = 50};
    renew(&o);
    assert_int_equal(admitted_at_once(0), 10);
    tier = LIMITS_TIER_FUNDED;
    assert_int_equal(admitted_at_once(0), 40); /* ten of its fifty went */
    assert_int_equal(view.requests_limit, 50);
    tier = LIMITS_TIER_BASE; /* his credit is spent */
    assert_int_equal(admitted_at_once(0), 0);
    assert_int_equal(admitted_at_once(MINUTE / 60), 1); /* the base's rate, not a debt of fifty */
    assert_int_equal(admitted_at_once(10 * MINUTE), 10);
    /* What was set for him alone holds in both. */
    struct limits_rule own = LIMITS_UNSET;
    own.rpm = own.burst = 3;
    assert_int_equal(set_rule(LIMITS_USER, user, own), OK);
    tier = LIMITS_TIER_FUNDED;
    assert_int_equal(admitted_at_once(20 * MINUTE), 3);
    /* A tier never lowers, and sets no limit where there is none. */
    assert_int_equal(set_rule(LIMITS_USER, user, (struct limits_rule)LIMITS_UNSET), OK);
    o.funded.rpm = 6;
    renew(&o);
    assert_int_equal(admitted_at_once(0), 10);
    o.defaults[LIMITS_USER].rpm = 0;
    o.funded.rpm = 600;
    renew(&o);
    assert_int_equal(admitted_at_once(0), 100);
    tier = LIMITS_TIER_BASE;
}

static enum err plan_in(struct store_conn *conn, void *arg)
{
    return limits_plan_set_in(limits, conn, team, *(struct limits_raise *)arg, 1);
}

static enum err set_plan(int64_t rpm, int64_t burst)
{
    struct limits_raise r = {rpm, burst};
    return store_write(store, plan_in, &r);
}

static void test_plan(void **state)
{
    NEED_STORE();
    struct id home = team, other = {{9}};
    struct limits_options o = all_off();
    o.defaults[LIMITS_USER] = (struct limits_rule){60, 10, 0, 0, 0, 0, 0};
    o.funded = (struct limits_rule){.rpm = 600, .burst = 50};
    renew(&o);
    assert_int_equal(set_plan(-1, 0), ERR_VALIDATION_FAILED);
    assert_int_equal(set_plan(300, 30), OK);
    assert_int_equal(admitted_at_once(0), 30);
    team = other; /* in another team he is as others are */
    assert_int_equal(admitted_at_once(10 * MINUTE), 10);
    team = home;
    /* The better of plan and tier. */
    tier = LIMITS_TIER_FUNDED;
    assert_int_equal(admitted_at_once(20 * MINUTE), 50);
    tier = LIMITS_TIER_BASE;
    /* It outlives the process, and a rule of the team's own beside it. */
    renew(&o);
    assert_int_equal(admitted_at_once(30 * MINUTE), 30);
    struct limits_rule own = LIMITS_UNSET;
    own.rpm = own.burst = 20;
    assert_int_equal(set_rule(LIMITS_TEAM, team, own), OK);
    assert_int_equal(admitted_at_once(40 * MINUTE), 20);
    assert_int_equal(set_rule(LIMITS_TEAM, team, (struct limits_rule)LIMITS_UNSET), OK);
    assert_int_equal(admitted_at_once(50 * MINUTE), 30);
    assert_int_equal(set_plan(0, 0), OK);
    assert_int_equal(admitted_at_once(60 * MINUTE), 10);
    renew(&o);
    assert_int_equal(admitted_at_once(70 * MINUTE), 10);
}

#define ON_BOTH(test)                                                                              \
    {#test " sqlite", test, setup, teardown, NULL},                                                \
    {                                                                                              \
#test " postgres", test, setup, teardown, &kit                                             \
    }
#define HERE(test)                                                                                 \
    {                                                                                              \
#test, test, setup, teardown, NULL                                                         \
    }

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_tier),          HERE(test_gcra_bound),
        HERE(test_gcra_release),     HERE(test_rings),
        HERE(test_ring_release),     HERE(test_tokens),
        HERE(test_tokens_bound),     HERE(test_concurrency),
        HERE(test_all_or_nothing),   HERE(test_global_of_all_kinds),
        HERE(test_steady_state),     HERE(test_idle_buckets_go),
        HERE(test_threads),          ON_BOTH(test_rules),
        ON_BOTH(test_rule_refusals), ON_BOTH(test_plan),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

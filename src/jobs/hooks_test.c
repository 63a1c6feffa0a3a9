/* Webhooks on a clock of the test's own: the schedule, endpoints that fail, what is kept. */
#include "jobs/hooks.h"
#include "store/store_testkit.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define T0 (INT64_C(1767225600) * US_PER_S)
#define NOBODY STR("http://127.0.0.1:1/closed") /* tcpmux: nothing listens there */

struct world {
    struct store_testkit kit;
    struct store *store;
    struct jobs *jobs;
    struct hooks *hooks;
    int64_t now_us;
    struct id team;
    int turned_off;
    char id[ID_TEXT_MAX], secret[HOOKS_SECRET_MAX], delivery[ID_TEXT_MAX];
    struct str once;
};

static int64_t world_now(void *arg)
{
    return ((struct world *)arg)->now_us;
}

static enum err turned_off_in(void *arg, struct store_conn *conn, struct id team, struct str url,
                              struct str endpoint, int64_t now_us)
{
    struct world *w = arg;
    (void)conn;
    (void)now_us;
    assert_true(id_eq(team, w->team) && str_eq(url, NOBODY) && str_eq(endpoint, str_c(w->id)));
    w->turned_off++;
    return OK;
}

static enum err add_in(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    char team[ID_TEXT_MAX];
    struct hooks_endpoint e = {.team = w->team,
                               .url = NOBODY,
                               .description = STR(""),
                               .events = STR("key.created\nkey.revoked")};
    assert_int_equal(store_run(conn, SQL_TEAM_INSERT, NULL, "tti", id_text("team_", w->team, team),
                               STR("Team"), w->now_us),
                     OK);
    return hooks_add_in(w->hooks, conn, &e, w->now_us, w->id, w->secret);
}

static int begin(void **state, bool postgres)
{
    struct world *w = mem_zalloc(sizeof(*w));
    if (!store_testkit_begin(&w->kit, postgres)) {
        mem_free(w);
        *state = NULL;
        return 0;
    }
    w->store = store_testkit_open(&w->kit);
    w->now_us = T0;
    w->team = id_new(T0);
    struct jobs_options jo = {.now = world_now, .arg = w, .keep_us = 3650 * US_PER_DAY};
    assert_int_equal(jobs_open(w->store, &jo, &w->jobs), OK);
    struct hooks_options ho = {.store = w->store,
                               .jobs = w->jobs,
                               .private_allowed = true,
                               .turned_off_in = turned_off_in,
                               .arg = w};
    w->hooks = hooks_new(&ho);
    assert_int_equal(jobs_start(w->jobs), OK);
    assert_int_equal(store_write(w->store, add_in, w), OK);
    *state = w;
    return 0;
}

static int begin_sqlite(void **state)
{
    return begin(state, false);
}

static int begin_postgres(void **state)
{
    return begin(state, true);
}

static int end(void **state)
{
    struct world *w = *state;
    if (w == NULL)
        return 0;
    jobs_stop(w->jobs);
    store_close(&w->store);
    jobs_close(&w->jobs);
    hooks_free(&w->hooks);
    store_testkit_end(&w->kit);
    mem_free(w);
    return 0;
}

#define WORLD(state)                                                                               \
    struct world *w = *(state);                                                                    \
    if (w == NULL)                                                                                 \
    skip()

static enum err tell_in(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    return hooks_tell_in(w->hooks, conn, w->team, HOOKS_KEY_CREATED, STR("{\"id\":\"key_1\"}"),
                         w->once, w->now_us);
}

static enum err try_in(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    return hooks_try_in(w->hooks, conn, w->team, str_c(w->id), w->now_us, w->delivery);
}

/* Everything that is due at this time. */
static void work(struct world *w)
{
    bool worked = true;
    int64_t next_us;
    while (worked)
        assert_int_equal(jobs_work(w->jobs, &worked, &next_us), OK);
}

static bool any(void *arg, struct str id)
{
    (void)id;
    ++*(int *)arg;
    return true;
}

static int deliveries(struct world *w, const char *state)
{
    struct store_conn *conn = NULL;
    struct buf json;
    int n = 0;
    buf_init(&json, 1u << 20);
    assert_int_equal(store_reader_begin(w->store, &conn), OK);
    assert_int_equal(
        hooks_deliveries_json(conn, str_c(w->id), str_c(state), STR("\x7F"), 1000, any, &n, &json),
        OK);
    store_reader_end(&conn);
    buf_fini(&json);
    return n;
}

/* Of the delivery in w->delivery. */
static int64_t number(struct world *w, const char *name)
{
    struct store_conn *conn = NULL;
    struct buf json;
    int64_t n = -1;
    buf_init(&json, 1u << 20);
    assert_int_equal(store_reader_begin(w->store, &conn), OK);
    assert_int_equal(hooks_delivery_json(conn, str_c(w->id), str_c(w->delivery), &json), OK);
    store_reader_end(&conn);
    (void)!json_int(json_get(buf_str(&json), str_c(name)), 0, INT64_MAX, &n);
    buf_fini(&json);
    return n;
}

static void state_of(void *arg, const struct hooks_endpoint *e)
{
    snprintf(arg, 32, "%.*s", STR_ARG(e->state));
}

static void endpoint_is(struct world *w, const char *state)
{
    struct store_conn *conn = NULL;
    char now[32] = "";
    assert_int_equal(store_reader_begin(w->store, &conn), OK);
    assert_int_equal(hooks_get(conn, w->team, str_c(w->id), state_of, now), OK);
    store_reader_end(&conn);
    assert_string_equal(now, state);
}

/* Ten attempts in 75 hours, each at its time; the operator has nothing to do with it. */
static void is_tried_by_the_schedule(void **state)
{
    static const int64_t waits_s[] = {5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400};
    struct jobs_counts counts;
    struct store_conn *conn = NULL;
    WORLD(state);
    assert_int_equal(store_write(w->store, try_in, w), OK);
    work(w);
    for (int64_t i = 0; i < 9; i++) {
        assert_int_equal(number(w, "attempts"), i + 1);
        w->now_us += (waits_s[i] - 1) * US_PER_S;
        work(w);
        assert_int_equal(number(w, "attempts"), i + 1);
        w->now_us += (waits_s[i] / 10 + 2) * US_PER_S;
        work(w);
    }
    assert_int_equal(number(w, "attempts"), 10);
    assert_int_equal(deliveries(w, "failed"), 1);
    w->now_us += 30 * US_PER_HOUR;
    work(w);
    assert_int_equal(number(w, "attempts"), 10);
    assert_int_equal(store_reader_begin(w->store, &conn), OK);
    assert_int_equal(jobs_count(conn, &counts), OK);
    store_reader_end(&conn);
    assert_int_equal(counts.needs_attention, 0);
    endpoint_is(w, "enabled");
}

static void is_turned_off_after_days_of_failures(void **state)
{
    WORLD(state);
    assert_int_equal(store_write(w->store, try_in, w), OK);
    work(w);
    w->now_us += 5 * US_PER_DAY + US_PER_S;
    assert_int_equal(store_write(w->store, tell_in, w), OK);
    work(w);
    endpoint_is(w, "failing");
    assert_int_equal(w->turned_off, 1);
    assert_int_equal(deliveries(w, "pending"), 0);
    assert_int_equal(store_write(w->store, tell_in, w), OK); /* to nobody */
    assert_int_equal(deliveries(w, ""), 2);
}

static void once_is_once(void **state)
{
    WORLD(state);
    w->once = STR("key_1");
    assert_int_equal(store_write(w->store, tell_in, w), OK);
    assert_int_equal(store_write(w->store, tell_in, w), OK);
    assert_int_equal(deliveries(w, ""), 1);
    w->once = STR("key_2");
    assert_int_equal(store_write(w->store, tell_in, w), OK);
    assert_int_equal(deliveries(w, ""), 2);
}

static enum err drop_in(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    return hooks_drop_in(conn, w->team, str_c(w->id));
}

/* What was on its way to an endpoint that is gone ends quietly. */
static void dropped_under_way(void **state)
{
    WORLD(state);
    assert_int_equal(store_write(w->store, tell_in, w), OK);
    assert_int_equal(store_write(w->store, drop_in, w), OK);
    assert_int_equal(store_write(w->store, drop_in, w), ERR_NOT_FOUND);
    work(w);
    assert_int_equal(deliveries(w, ""), 0);
}

static void old_ones_go(void **state)
{
    WORLD(state);
    assert_int_equal(store_write(w->store, tell_in, w), OK);
    for (int i = 0; i < 12; i++) {
        w->now_us += 3 * US_PER_DAY;
        work(w);
    }
    assert_int_equal(deliveries(w, ""), 0);
}

static void addresses(void **state)
{
    static const char *const bad[] = {
        "http://example.com/",        "https://127.0.0.1/",        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/", "https://192.168.1.1:8443/", "https://169.254.169.254/",
        "https://localhost/",         "https://a.localhost/",      "https://user@example.com/",
        "https://exa\tmple.com/",     "file:///etc/passwd",        ""};
    struct hooks strict = {.options = {.private_allowed = false}};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(hooks_url_fault(&strict, str_c(bad[i])));
    assert_null(hooks_url_fault(&strict, STR("https://example.com/hooks?x=1")));
    assert_null(hooks_url_fault(&strict, STR("https://93.184.216.34/")));
    assert_true(hooks_events_are_good(STR("*")) && hooks_events_are_good(STR("key.created")));
    assert_false(hooks_events_are_good(STR("")) || hooks_events_are_good(STR("key")));
}

/* That each secret signs; tests/clients hold it against the official library. */
static void signature(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 256);
    hooks_sign(STR("a key"), STR("msg_1"), 1614265330, STR("{}"), &out);
    assert_true(str_starts(buf_str(&out), STR("v1,")) && out.n == 3 + 44);
    hooks_sign(STR("another"), STR("msg_1"), 1614265330, STR("{}"), &out);
    assert_true(out.n == 2 * (3 + 44) + 1 && memcmp(out.p, out.p + 48, 47) != 0);
    buf_fini(&out);
}

#define BOTH(f)                                                                                    \
    {#f ", SQLite", f, begin_sqlite, end, NULL},                                                   \
    {                                                                                              \
#f ", PostgreSQL", f, begin_postgres, end, NULL                                            \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {BOTH(is_tried_by_the_schedule),
                                       BOTH(is_turned_off_after_days_of_failures),
                                       BOTH(once_is_once),
                                       BOTH(dropped_under_way),
                                       BOTH(old_ones_go),
                                       cmocka_unit_test(addresses),
                                       cmocka_unit_test(signature)};
    crypto_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

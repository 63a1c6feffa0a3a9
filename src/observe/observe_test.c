/* Counters and histograms over threads, and log lines that are one JSON object each. */
#include "base/json.h"
#include "observe/observe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        observe_add(METRIC_RETRIES, 2);
    return NULL;
}

static void test_counters_are_summed(void **state)
{
    (void)state;
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(observe_get(METRIC_RETRIES), 8000); /* slabs outlive their threads */
}

static void test_quantiles_and_buckets(void **state)
{
    (void)state;
    assert_int_equal(observe_quantile_us(METRIC_TIME_STEP_READ, 500000), 0);
    for (int i = 0; i < 99; i++)
        observe_time(METRIC_TIME_STEP_READ, 100);
    observe_time(METRIC_TIME_STEP_READ, 1000000);
    observe_time(METRIC_TIME_STEP_READ, -5); /* a clock that went back is no time at all */
    assert_in_range(observe_quantile_us(METRIC_TIME_STEP_READ, 500000), 100, 150);
    assert_in_range(observe_quantile_us(METRIC_TIME_STEP_READ, 999999), 1000000, 1500000);
}

static void test_the_text_is_prometheus(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1u << 20);
    observe_render(&b);
    observe_gauge(&b, "a_gauge", "help", -3);
    uint64_t before = 0;
    bool histogram = false;
    for (struct str rest = buf_str(&b); rest.n != 0;) {
        struct str line = str_cut(&rest, '\n');
        if (str_starts(line, STR("# TYPE ")))
            before = 0;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        size_t blank = str_index(line, ' ');
        assert_true(blank != SIZE_MAX && blank > 0);
        if (str_find(line, STR("_bucket{le=")) == SIZE_MAX)
            continue;
        uint64_t n;
        assert_true(str_to_u64(str_from(line, blank + 1), UINT64_MAX, &n));
        assert_true(n >= before); /* cumulative */
        before = n;
        histogram = true;
    }
    assert_true(histogram);
    assert_true(str_find(buf_str(&b), STR("tollgate_upstream_retries_total 8000\n")) != SIZE_MAX);
    assert_true(str_find(buf_str(&b), STR("tollgate_step_read_seconds_count 101\n")) != SIZE_MAX);
    assert_true(str_ends(buf_str(&b), STR("# TYPE a_gauge gauge\na_gauge -3\n")));
    buf_fini(&b);
}

static size_t lines_of(const char *path, bool *ret_json)
{
    char line[8192];
    size_t n = 0, offset;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    *ret_json = true;
    while (fgets(line, sizeof(line), f) != NULL) {
        struct str s = str_upto(str_c(line), strcspn(line, "\n"));
        *ret_json &= json_check(s, &offset) == OK && json_type_of(s) == JSON_OBJECT;
        n++;
    }
    fclose(f);
    return n;
}

static void test_lines_and_rotation(void **state)
{
    (void)state;
    char path[64], old[70];
    bool json;
    snprintf(path, sizeof(path), "/tmp/tollgate-log-%d", (int)getpid());
    snprintf(old, sizeof(old), "%s.1", path);
    assert_int_equal(observe_start("/nowhere/at/all"), ERR_IO);
    observe_stop();
    assert_int_equal(observe_start(path), OK);
    observe_say("info", "quoted", "a \"quote\", a \\ and a\nline end \x01 \xff");
    observe_log("info", "plain", 1000000, STR("\"n\":1"));
    observe_log("info", "empty", 1000000, STR(""));
    observe_stop();
    assert_int_equal(lines_of(path, &json), 3);
    assert_true(json);
    assert_int_equal(observe_start(path), OK);
    assert_int_equal(rename(path, old), 0);
    observe_reopen();
    while (access(path, F_OK) != 0)
        usleep(1000); /* it is reopened by the thread that writes */
    observe_say("info", "after", "the new file has it");
    observe_stop();
    assert_int_equal(lines_of(path, &json), 1);
    assert_int_equal(lines_of(old, &json), 3);
    unlink(path);
    unlink(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters_are_summed), cmocka_unit_test(test_quantiles_and_buckets),
        cmocka_unit_test(test_the_text_is_prometheus), cmocka_unit_test(test_lines_and_rotation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

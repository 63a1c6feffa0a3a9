#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define AT INT64_C(1795161600000000) /* 2026-11-20T08:00:00Z */

static void test_text(void **state)
{
    (void)state;
    char t[CLOCK_TEXT_MAX];
    assert_true(str_eq(clock_rfc3339(AT + 7999, t), STR("2026-11-20T08:00:00.007Z")));
    assert_true(str_eq(clock_http_date(AT, t), STR("Fri, 20 Nov 2026 08:00:00 GMT")));
    assert_true(str_eq(clock_rfc3339(0, t), STR("1970-01-01T00:00:00.000Z")));
    assert_true(str_eq(clock_rfc3339(-1000, t), STR("1969-12-31T23:59:59.999Z")));
    assert_true(str_eq(clock_http_date(-1, t), STR("Wed, 31 Dec 1969 23:59:59 GMT")));
    assert_true(
        str_eq(clock_rfc3339(INT64_C(951782400000000), t), STR("2000-02-29T00:00:00.000Z")));
    (void)clock_rfc3339(INT64_MAX, t);
    (void)clock_rfc3339(INT64_MIN, t);
    (void)clock_http_date(INT64_MIN, t);
    assert_int_equal(clock_month_start(AT), AT - 19 * US_PER_DAY - 8 * US_PER_HOUR);
}

static void test_months(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        int64_t months;
        const char *to;
    } table[] = {{"2026-11-20T08:00:00Z", 1, "2026-12-20T08:00:00Z"},
                 {"2026-11-20T08:00:00Z", 2, "2027-01-20T08:00:00Z"},
                 {"2027-01-31T23:59:59Z", 1, "2027-02-28T23:59:59Z"},
                 {"2027-01-31T23:59:59Z", 2, "2027-03-31T23:59:59Z"},
                 {"2028-01-31T00:00:00Z", 1, "2028-02-29T00:00:00Z"},
                 {"2028-02-29T00:00:00Z", 12, "2029-02-28T00:00:00Z"},
                 {"2026-03-31T00:00:00Z", -13, "2025-02-28T00:00:00Z"},
                 {"2026-03-31T00:00:00Z", 0, "2026-03-31T00:00:00Z"}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int64_t from, to;
        assert_int_equal(clock_parse(str_c(table[i].from), &from), OK);
        assert_int_equal(clock_parse(str_c(table[i].to), &to), OK);
        assert_int_equal(clock_months_later(from, table[i].months), to);
    }
}

static void test_parse(void **state)
{
    (void)state;
    int64_t us = -7;
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {
        {"2026-11-20T08:00:00Z", AT},
        {"2026-11-20t09:30:00.25+01:30", AT + 250000},
        {"2026-11-20 08:00:00z", AT},
        {"2026-11-20", AT - 8 * US_PER_HOUR},
        {"2026-11-20T08:00:00.123456789Z", AT + 123456},
        {"2026-11-19T23:59:60Z", AT - 8 * US_PER_HOUR},
        {"2026-11-20T00:00:00-08:00", AT},
        {"1969-12-31T23:59:59Z", -US_PER_S},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(clock_parse(str_c(good[i].text), &us), OK);
        assert_int_equal(us, good[i].us);
    }
    us = -7;
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-11-2",
                                      "2026-13-01",
                                      "2026-00-01",
                                      "2026-02-30",
                                      "2025-02-29",
                                      "1900-02-29",
                                      "2026-04-31",
                                      "2026-11-20T",
                                      "2026-11-20T08:00",
                                      "2026-11-20T08:00:00",
                                      "2026-11-20T24:00:00Z",
                                      "2026-11-20T08:60:00Z",
                                      "2026-11-20T08:00:61Z",
                                      "2026-11-20T08:00:00.Z",
                                      "2026-11-20T08:00:00+1:00",
                                      "2026-11-20T08:00:00+24:00",
                                      "2026-11-20T08:00:00+01:60",
                                      "2026-11-20T08:00:00Zx",
                                      "2026/11/20",
                                      "2026-11-20X08:00:00Z",
                                      "-026-11-20",
                                      "2026-11-20T08:00:00+01-00"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(clock_parse(str_c(bad[i]), &us), ERR_INVALID_REQUEST);
    assert_int_equal(us, -7);
    /* Every day of two centuries, there and back. */
    for (int64_t day = -25567; day < 50000; day++) {
        char t[CLOCK_TEXT_MAX];
        assert_int_equal(clock_parse(clock_rfc3339(day * US_PER_DAY, t), &us), OK);
        assert_int_equal(us, day * US_PER_DAY);
    }
}

static void test_duration(void **state)
{
    (void)state;
    int64_t us = -7;
    assert_int_equal(clock_parse_duration(STR("90"), &us), OK);
    assert_int_equal(us, 90 * US_PER_S);
    assert_int_equal(clock_parse_duration(STR("15m"), &us), OK);
    assert_int_equal(us, 900 * US_PER_S);
    assert_int_equal(clock_parse_duration(STR("12h"), &us), OK);
    assert_int_equal(clock_parse_duration(STR("0s"), &us), OK);
    assert_int_equal(clock_parse_duration(STR("30d"), &us), OK);
    assert_int_equal(us, 30 * US_PER_DAY);
    static const char *const bad[] = {"", "s", "d", "1w", "-1", "1.5h", "1 h", "1hh", "1000001"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(clock_parse_duration(str_c(bad[i]), &us), ERR_INVALID_REQUEST);
}

static void test_reads(void **state)
{
    (void)state;
    int64_t a = clock_mono_us();
    assert_true(clock_mono_us() >= a && clock_cpu_us() >= 0);
    assert_true(clock_wall_us() > INT64_C(1700000000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text), cmocka_unit_test(test_months), cmocka_unit_test(test_parse),
        cmocka_unit_test(test_duration), cmocka_unit_test(test_reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

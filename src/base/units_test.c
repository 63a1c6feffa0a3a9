#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t seed = 1;

static uint64_t draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 11;
}

static void test_sums(void **state)
{
    (void)state;
    struct nano n = {-7};
    assert_int_equal(nano_add(NANO(INT64_MAX), NANO(1), &n), ERR_LIMIT);
    assert_int_equal(nano_sub(NANO(INT64_MIN), NANO(1), &n), ERR_LIMIT);
    assert_int_equal(n.v, -7);
    assert_int_equal(nano_add(NANO(5), NANO(-9), &n), OK);
    assert_int_equal(n.v, -4);
    assert_int_equal(nano_plus(NANO(1), NANO(2)).v, 3);
    assert_int_equal(nano_minus(NANO(1), NANO(2)).v, -1);
}

static void test_share(void **state)
{
    (void)state;
    assert_int_equal(nano_share(NANO(25 * NANO_PER_USD), 1000, 2500).v, 10 * NANO_PER_USD);
    assert_int_equal(nano_share(NANO(10), 1, 3).v, 3);
    assert_int_equal(nano_share(NANO(INT64_MAX), INT64_MAX, INT64_MAX).v, INT64_MAX);
    assert_int_equal(nano_share(NANO(5), 0, 7).v, 0);
}

static void test_charge(void **state)
{
    (void)state;
    struct pico_sum sum = pico_sum_zero();
    struct nano n = {-7};
    assert_int_equal(pico_sum_charge(sum, 0, &n), OK);
    assert_int_equal(n.v, 0);
    pico_sum_add(&sum, 1, PICO(1));
    assert_int_equal(pico_sum_charge(sum, 0, &n), OK);
    assert_int_equal(n.v, 1); /* up */
    assert_int_equal(pico_sum_floor(sum, 0, &n), OK);
    assert_int_equal(n.v, 0);
    assert_int_equal(pico_sum_charge(sum, -1000000, &n), OK);
    assert_int_equal(n.v, 0); /* a markup of -100 % is free */
    sum = pico_sum_zero();
    pico_sum_add_nano(&sum, NANO(-1));
    pico_sum_add(&sum, 1, PICO(500));
    assert_int_equal(pico_sum_charge(sum, 0, &n), OK);
    assert_int_equal(n.v, 0);
    assert_int_equal(pico_sum_floor(sum, 0, &n), OK);
    assert_int_equal(n.v, -1);
    sum = pico_sum_zero();
    pico_sum_add(&sum, INT64_MAX, PICO(1000));
    assert_int_equal(pico_sum_charge(sum, 0, &n), OK);
    assert_int_equal(n.v, INT64_MAX);
    assert_int_equal(pico_sum_charge(sum, 1, &n), ERR_LIMIT);
    for (int i = 0; i < 10; i++) /* as large as it gets: refused, not wrapped */
        pico_sum_add(&sum, INT64_MAX, PICO(INT64_MAX));
    assert_int_equal(pico_sum_charge(sum, 1 << 30, &n), ERR_LIMIT);
    assert_int_equal(pico_sum_charge(sum, -1000000, &n), ERR_LIMIT);
    assert_int_equal(n.v, INT64_MAX);
}

/* By 128-bit arithmetic written another way: multiply and compare instead of divide. */
static void test_charge_property(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        int64_t units = (int64_t)(draw() >> (draw() % 50)), ppm = (int64_t)(draw() % 3000000);
        int64_t price = (int64_t)(draw() >> (draw() % 50));
        ppm -= 1000000;
        struct pico_sum sum = pico_sum_zero();
        struct nano up, down;
        pico_sum_add(&sum, units, PICO(price));
        if (pico_sum_charge(sum, ppm, &up) != OK)
            continue;
        __int128 exact = (__int128)units * price * (1000000 + ppm);
        assert_true((__int128)up.v * 1000000000 >= exact);
        assert_true((__int128)(up.v - 1) * 1000000000 < exact || exact == 0);
        assert_int_equal(pico_sum_floor(sum, ppm, &down), OK);
        assert_int_equal(up.v - down.v, exact % 1000000000 != 0);
        struct nano budget = {(int64_t)(draw() >> (draw() % 50))};
        int64_t max = (int64_t)(draw() % 1000000);
        int64_t n = pico_units_affordable(budget, PICO(price), ppm, max);
        assert_true(n >= 0 && n <= max);
        sum = pico_sum_zero();
        pico_sum_add(&sum, n, PICO(price));
        if (n > 0)
            assert_true(pico_sum_charge(sum, ppm, &up) == OK && up.v <= budget.v);
        pico_sum_add(&sum, 1, PICO(price));
        if (n < max && budget.v > 0)
            assert_true(pico_sum_charge(sum, ppm, &up) == ERR_LIMIT || up.v > budget.v);
    }
    assert_int_equal(pico_units_affordable(NANO(0), PICO(0), 0, 9), 0);
    assert_int_equal(pico_units_affordable(NANO(1), PICO(0), 0, 9), 9);
}

static void test_markup(void **state)
{
    (void)state;
    struct pico p = {-7};
    assert_int_equal(pico_markup(PICO(150000), 200000, &p), OK);
    assert_int_equal(p.v, 180000);
    assert_int_equal(pico_markup(PICO(1), 1, &p), OK);
    assert_int_equal(p.v, 2);
    assert_int_equal(pico_markup(PICO(INT64_MAX), 1, &p), ERR_LIMIT);
    assert_int_equal(p.v, 2);
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err exact, rounded;
        int64_t v;
    } cases[] = {
        {"0", OK, OK, 0},
        {"-0", OK, OK, 0},
        {"12.34", OK, OK, 12340000000},
        {"1e-9", OK, OK, 1},
        {"1E+3", OK, OK, 1000000000000},
        {"00.5", OK, OK, 500000000},
        {"0.0000000010", OK, OK, 1},
        {"0.0000000001", ERR_INVALID_REQUEST, OK, 1},
        {"-0.0000000001", ERR_INVALID_REQUEST, OK, 0},
        {"0.0000000011", ERR_INVALID_REQUEST, OK, 2},
        {"9223372036.854775807", OK, OK, INT64_MAX},
        {"9223372036.854775808", ERR_LIMIT, ERR_LIMIT, 0},
        {"9223372036.8547758071", ERR_INVALID_REQUEST, ERR_LIMIT, 0},
        {"1e99999999999", ERR_LIMIT, ERR_LIMIT, 0},
        {"0e99999999999", OK, OK, 0},
        {"1e-99999999999", ERR_INVALID_REQUEST, OK, 1},
        {"", ERR_INVALID_REQUEST, ERR_INVALID_REQUEST, 0},
        {"+1", ERR_INVALID_REQUEST, ERR_INVALID_REQUEST, 0},
        {".5", ERR_INVALID_REQUEST, ERR_INVALID_REQUEST, 0},
        {"1.", ERR_INVALID_REQUEST, ERR_INVALID_REQUEST, 0},
        {"1e", ERR_INVALID_REQUEST, ERR_INVALID_REQUEST, 0},
        {"1e+", ERR_INVALID_REQUEST, ERR_INVALID_REQUEST, 0},
        {"-", ERR_INVALID_REQUEST, ERR_INVALID_REQUEST, 0},
        {" 1", ERR_INVALID_REQUEST, ERR_INVALID_REQUEST, 0},
        {"1 ", ERR_INVALID_REQUEST, ERR_INVALID_REQUEST, 0},
        {"0x1", ERR_INVALID_REQUEST, ERR_INVALID_REQUEST, 0},
        {"1,5", ERR_INVALID_REQUEST, ERR_INVALID_REQUEST, 0},
        {"NaN", ERR_INVALID_REQUEST, ERR_INVALID_REQUEST, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nano n = {-77};
        assert_int_equal(nano_parse(str_c(cases[i].text), false, &n), cases[i].exact);
        assert_int_equal(n.v, cases[i].exact == OK ? cases[i].v : -77);
        n.v = -77;
        assert_int_equal(nano_parse(str_c(cases[i].text), true, &n), cases[i].rounded);
        assert_int_equal(n.v, cases[i].rounded == OK ? cases[i].v : -77);
    }
    struct pico p;
    assert_int_equal(pico_parse(STR("0.0000000375"), false, &p), OK);
    assert_int_equal(p.v, 37500);
    int64_t ppm = 7;
    assert_int_equal(ppm_parse_percent(STR("12.5"), &ppm), OK);
    assert_int_equal(ppm, 125000);
    assert_int_equal(ppm_parse_percent(STR("-100"), &ppm), OK);
    assert_int_equal(ppm_parse_percent(STR("-100.0001"), &ppm), ERR_LIMIT);
    assert_int_equal(ppm_parse_percent(STR("1000000"), &ppm), ERR_LIMIT);
    assert_int_equal(ppm_parse_percent(STR("0.00001"), &ppm), ERR_INVALID_REQUEST);
    assert_int_equal(ppm_parse_percent(STR("20%"), &ppm), ERR_INVALID_REQUEST);
    assert_int_equal(ppm, -1000000);
}

static void test_format(void **state)
{
    (void)state;
    char text[UNITS_TEXT_MAX];
    assert_true(str_eq(nano_format(NANO(0), text), STR("0")));
    assert_true(str_eq(nano_format(NANO(1), text), STR("0.000000001")));
    assert_true(str_eq(nano_format(NANO(-3000000000), text), STR("-3")));
    assert_true(str_eq(nano_format(NANO(12340000000), text), STR("12.34")));
    assert_true(str_eq(nano_format(NANO(INT64_MIN), text), STR("-9223372036.854775808")));
    assert_true(str_eq(pico_format(PICO(150000), text), STR("0.00000015")));
    assert_true(str_eq(pico_format(PICO(INT64_MIN), text), STR("-9223372.036854775808")));
    for (int i = 0; i < 100000; i++) {
        struct nano n = {(int64_t)(draw() >> (draw() % 50))}, back;
        n.v = draw() % 2 ? n.v : -n.v;
        assert_int_equal(nano_parse(nano_format(n, text), false, &back), OK);
        assert_int_equal(n.v, back.v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),   cmocka_unit_test(test_share),
        cmocka_unit_test(test_charge), cmocka_unit_test(test_charge_property),
        cmocka_unit_test(test_markup), cmocka_unit_test(test_parse),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

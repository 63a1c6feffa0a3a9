#include "base/buf.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_limits(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_int_equal(buf_str(&b).n, 0);
    buf_add(&b, STR("12345"));
    buf_add(&b, (struct str){NULL, 0});
    buf_add(&b, STR("67890"));
    assert_int_equal(buf_check(&b), OK);
    buf_byte(&b, 'x');
    assert_int_equal(buf_check(&b), ERR_LIMIT);
    buf_consume(&b, 5); /* room again, but it stays over until the reset */
    assert_true(str_eq(buf_str(&b), STR("67890")));
    buf_byte(&b, 'x');
    assert_int_equal(b.n, 5);
    assert_null(buf_reserve(&b, 1));
    buf_reset(&b);
    assert_int_equal(buf_check(&b), OK);
    assert_null(buf_reserve(&b, 11));
    buf_reset(&b);
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_reset(&b);
    buf_printf(&b, "%s", "0123456789");
    assert_int_equal(buf_check(&b), ERR_LIMIT); /* printf wants room for its NUL */
    buf_reset(&b);
    buf_printf(&b, "%d-%s", 42, "abc");
    assert_true(str_eq(buf_str(&b), STR("42-abc")));
    buf_consume(&b, b.n);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

static void test_numbers(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    buf_u64(&b, 0);
    buf_byte(&b, ' ');
    buf_u64(&b, UINT64_MAX);
    buf_byte(&b, ' ');
    buf_i64(&b, INT64_MIN);
    assert_true(str_eq(buf_str(&b), STR("0 18446744073709551615 -9223372036854775808")));
    buf_reset(&b);
    buf_le(&b, 0x0102030405060708u, 8);
    buf_le(&b, 0xABCD, 2);
    assert_memory_equal(b.p, "\x08\x07\x06\x05\x04\x03\x02\x01\xCD\xAB", 10);
    buf_fini(&b);
}

static void test_json(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10000);
    buf_byte(&b, '{');
    buf_json_member(&b, "s", STR("a\"\\\n\r\t\x01\x7f\xC3\xA4\xFF\xE2\x82"));
    buf_json_i64(&b, "i", -5);
    buf_json_bool(&b, "t", true);
    buf_json_bool(&b, "f", false);
    buf_json_nano(&b, "n", NANO(123450));
    buf_json_nano_number(&b, "m", NANO(-12340000000));
    buf_json_time(&b, "at", 1000);
    buf_json_time(&b, "never", 0);
    buf_json_key(&b, "list");
    buf_byte(&b, '[');
    buf_json_comma(&b);
    buf_json_str(&b, STR("x,"));
    buf_json_comma(&b);
    buf_json_str(&b, STR(""));
    buf_add(&b, STR("]}"));
    assert_true(str_eq(
        buf_str(&b),
        STR("{\"s\":"
            "\"a\\\"\\\\\\n\\r\\t\\u0001\\u007f\xC3\xA4\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\","
            "\"i\":-5,\"t\":true,\"f\":false,\"n\":\"0.00012345\",\"m\":-12.34,"
            "\"at\":\"1970-01-01T00:00:00.001Z\",\"never\":null,\"list\":[\"x,\",\"\"]}")));
    /* Whatever bytes go in, JSON comes out. */
    for (unsigned i = 0; i < 65536; i++) {
        char bytes[3] = {(char)(i & 0xFF), (char)(i >> 8), (char)(i * 7)};
        size_t at;
        buf_reset(&b);
        buf_json_str(&b, str_of(bytes, 3));
        assert_int_equal(json_check(buf_str(&b), &at), OK);
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_limits),
                                       cmocka_unit_test(test_numbers), cmocka_unit_test(test_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

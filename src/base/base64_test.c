/* RFC 4648 §10, and what no encoder makes. */
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void there_and_back(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xFB\xFF", "-_8"}};
    struct buf b;
    (void)state;
    buf_init(&b, 64);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        buf_reset(&b);
        base64url_add(&b, str_c(pairs[i][0]));
        assert_true(str_eq(buf_str(&b), str_c(pairs[i][1])));
        buf_reset(&b);
        assert_int_equal(base64url_read(str_c(pairs[i][1]), &b), OK);
        assert_true(str_eq(buf_str(&b), str_c(pairs[i][0])));
    }
    buf_reset(&b);
    base64_add(&b, STR("\xFB\xFF"));
    base64_add(&b, STR("foo"));
    base64_add(&b, STR("f"));
    assert_true(str_eq(buf_str(&b), STR("+/8=Zm9vZg==")));
    buf_fini(&b);
}

static void refused(void **state)
{
    static const char *const bad[] = {"Z", "Zg==", "Zh", "Zm9=", "Zm 8", "+/8", "Zm9vY"};
    struct buf b;
    (void)state;
    buf_init(&b, 64);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        buf_reset(&b);
        assert_int_equal(base64url_read(str_c(bad[i]), &b), ERR_INVALID_REQUEST);
    }
    buf_fini(&b);
    buf_init(&b, 2);
    assert_int_equal(base64url_read(STR("Zm9vYmFy"), &b), ERR_LIMIT);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

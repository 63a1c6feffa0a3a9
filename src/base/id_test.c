#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_text(void **state)
{
    (void)state;
    char text[ID_TEXT_MAX];
    struct id id, back;
    /* The example of the ULID specification. */
    assert_true(id_parse("", STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"), &back));
    assert_true(str_eq(id_text("req_", back, text), STR("req_01ARZ3NDEKTSV4RRFFQ69G5FAV")));
    assert_int_equal(id_wall_ms(back), INT64_C(1469922850259));
    for (int i = 0; i < 1000; i++) {
        id = id_new(1000 + i * 300);
        assert_true(id_parse("usr_", id_text("usr_", id, text), &back) && id_eq(id, back));
    }
    memset(&id, 0xFF, sizeof(id));
    assert_true(str_eq(id_text("x_", id, text), STR("x_7ZZZZZZZZZZZZZZZZZZZZZZZZZ")));
    assert_true(id_parse("x_", str_c(text), &back) && id_eq(id, back));
    back = (struct id){{9}};
    static const char *const bad[] = {"",
                                      "x_",
                                      "x_8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
                                      "y_01ARZ3NDEKTSV4RRFFQ69G5FAV",
                                      "x_01ARZ3NDEKTSV4RRFFQ69G5FA",
                                      "x_01ARZ3NDEKTSV4RRFFQ69G5FAVV",
                                      "x_01ARZ3NDEKTSV4RRFFQ69G5FAU",
                                      "x_01arz3ndektsv4rrffq69g5fav",
                                      "x_01ARZ3NDEKTSV4RRFFQ69G5FAI"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(id_parse("x_", str_c(bad[i]), &back));
    assert_int_equal(back.b[0], 9);
}

static void test_order(void **state)
{
    (void)state;
    struct id last = id_new(5000000);
    assert_int_equal(id_wall_ms(last), 5000);
    for (int i = 0; i < 100000; i++) {
        struct id now = id_new(5000000 + i / 1000 * 1000);
        assert_true(memcmp(last.b, now.b, 16) < 0);
        last = now;
    }
    struct id zero = {{0}};
    assert_true(id_is_zero(zero) && !id_is_zero(last));
    assert_int_not_equal(id_hash(last), id_hash(zero));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

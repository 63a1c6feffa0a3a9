/* Papers: the same again, what cannot be printed, when they are too long. (What they look like is
 * read and looked at in tests/clients, where the tools for it are.) */
#include "control/paper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define NO_MEMBERS                                                                                 \
    "\"brand\":\"B\",\"color\":\"#2f5bea\",\"facts\":[],\"seller\":[\"S\"],\"totals\":[]"

static enum err draw(const char *buyer, size_t rows, struct buf *pdf, uint32_t *missing)
{
    struct buf b;
    buf_init(&b, 8u << 20);
    buf_printf(&b, "{\"title\":\"Receipt\"," NO_MEMBERS ",\"note\":\"N\",\"buyer\":[");
    buf_json_str(&b, str_c(buyer));
    buf_add(&b, STR("],\"sections\":[{\"heading\":\"\",\"columns\":[\"A\",\"B\"],\"rows\":["));
    for (size_t i = 0; i < rows; i++) {
        buf_json_comma(&b);
        buf_byte(&b, '[');
        buf_json_str(&b, str_c(buyer));
        buf_add(&b, STR(",\"$1\"]"));
    }
    buf_add(&b, STR("]}]}"));
    enum err e = paper_draw(buf_str(&b), STR("TG-1"), pdf, missing);
    buf_fini(&b);
    return e;
}

static uint32_t missing_of(const char *buyer)
{
    struct buf pdf;
    uint32_t missing = 0;
    buf_init(&pdf, 8u << 20);
    assert_int_equal(draw(buyer, 1, &pdf, &missing), OK);
    assert_true(str_starts(buf_str(&pdf), STR("%PDF-")));
    buf_fini(&pdf);
    return missing;
}

static void letter_by_letter_or_not_at_all(void **state)
{
    static const char *const written[] = {
        "Müller & Söhne",    "Москва Αθήνα",    "東京 서울",      "ქართული Հայերեն",
        "Tie\u0302\u0301ng", "a\u202Eb\u00ADc", "x\u200D\uFE0Fy", ""};
    static const struct {
        const char *text;
        uint32_t first;
    } boxes[] = {{"GmbH شركة النور", 0x0634},
                 {"שלום", 0x05E9},
                 {"नमस्ते", 0x0928},
                 {"ไทย", 0x0E44},
                 {"\uFEB5", 0xFEB5},
                 {"\u1112\u1161", 0x1112},
                 {"x \U0001F680", 0x1F680},
                 {"a\uE000", 0xE000},
                 {"\U0001F468\u200D", 0x1F468},
                 {"\xC2\x85", 0x85},
                 {"\U00020BB7野家", 0x20BB7}};
    (void)state;
    for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++)
        assert_int_equal(missing_of(written[i]), 0);
    for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++)
        assert_int_equal(missing_of(boxes[i].text), boxes[i].first);
}

static void the_same_again(void **state)
{
    struct buf one, two;
    uint32_t missing;
    (void)state;
    buf_init(&one, 8u << 20);
    buf_init(&two, 8u << 20);
    assert_int_equal(draw("東京 شركة", 100, &one, &missing), OK);
    assert_int_equal(draw("東京 شركة", 100, &two, &missing), OK);
    assert_true(str_eq(buf_str(&one), buf_str(&two)));
    buf_fini(&one);
    buf_fini(&two);
}

/* A statement's most, and each of its names too long for its column. */
static void long_ones(void **state)
{
    char name[400];
    struct buf pdf;
    uint32_t missing;
    (void)state;
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    buf_init(&pdf, 8u << 20);
    assert_int_equal(draw(name, 2500, &pdf, &missing), OK);
    buf_reset(&pdf);
    assert_int_equal(draw("x", 10000, &pdf, &missing), ERR_LIMIT);
    buf_fini(&pdf);
    buf_init(&pdf, 1000);
    assert_int_equal(draw("x", 1, &pdf, &missing), ERR_LIMIT);
    buf_fini(&pdf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(letter_by_letter_or_not_at_all),
                                       cmocka_unit_test(the_same_again),
                                       cmocka_unit_test(long_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_compare(void **state)
{
    (void)state;
    assert_true(str_eq(STR("a"), STR("a")) && !str_eq(STR("a"), STR("b")));
    assert_true(str_eq((struct str){NULL, 0}, STR("")));
    assert_true(str_eq_nocase(STR("Content-LENGTH"), STR("content-length")));
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_false(str_eq_nocase(STR("@"), STR("`"))); /* 0x40 and 0x60 are no letters */
    assert_true(str_starts_nocase(STR("HTTPS://x"), STR("https://")));
    assert_false(str_starts_nocase(STR("http"), STR("https")));
    assert_true(str_starts(STR("abc"), STR("ab")) && !str_starts(STR("a"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")) && !str_ends(STR("c"), STR("bc")));
    assert_true(str_cmp(STR("a"), STR("b")) < 0 && str_cmp(STR("b"), STR("a")) > 0);
    assert_true(str_cmp(STR("a"), STR("ab")) < 0 && str_cmp(STR("ab"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR(""), (struct str){NULL, 0}), 0);
    assert_true(str_cmp(STR("\x80"), STR("a")) > 0); /* bytes, not signed characters */
    assert_int_equal(str_c(NULL).n, 0);
}

static void test_slices(void **state)
{
    (void)state;
    struct str none = {NULL, 0};
    assert_true(str_eq(str_from(STR("abc"), 1), STR("bc")));
    assert_int_equal(str_from(STR("abc"), 3).n, 0);
    assert_int_equal(str_from(STR("abc"), 99).n, 0);
    assert_int_equal(str_from(none, 5).n, 0);
    assert_true(str_eq(str_upto(STR("abc"), 2), STR("ab")));
    assert_true(str_eq(str_upto(STR("abc"), SIZE_MAX), STR("abc")));
    assert_int_equal(str_index(STR("abc"), 'c'), 2);
    assert_int_equal(str_index(STR("abc"), 'd'), SIZE_MAX);
    assert_int_equal(str_index(none, 'd'), SIZE_MAX);
    assert_int_equal(str_find(STR("abcabc"), STR("ca")), 2);
    assert_int_equal(str_find(STR("ab"), STR("abc")), SIZE_MAX);
    assert_int_equal(str_find(none, STR("")), 0);
    assert_true(str_eq(str_trim(STR(" \ta b\t ")), STR("a b")));
    assert_int_equal(str_trim(STR(" \t ")).n, 0);
    struct str s = STR("a,b,");
    assert_true(str_eq(str_cut(&s, ','), STR("a")) && str_eq(s, STR("b,")));
    assert_true(str_eq(str_cut(&s, ','), STR("b")) && str_eq(s, STR("")));
    assert_true(str_eq(str_cut(&s, ','), STR("")) && s.n == 0);
    s = STR("abc");
    assert_true(str_eq(str_cut(&s, ','), STR("abc")) && s.n == 0);
    assert_int_equal(str_cut(&none, ',').n, 0);
}

/* The wildcard by its definition, without cleverness. */
static bool slow_glob(struct str p, struct str s)
{
    if (p.n == 0)
        return s.n == 0;
    if (p.p[0] != '*')
        return s.n > 0 && s.p[0] == p.p[0] && slow_glob(str_from(p, 1), str_from(s, 1));
    for (size_t i = 0; i <= s.n; i++)
        if (slow_glob(str_from(p, 1), str_from(s, i)))
            return true;
    return false;
}

static void test_glob(void **state)
{
    (void)state;
    assert_true(str_glob(STR("*"), STR("")) && str_glob(STR(""), STR("")));
    assert_false(str_glob(STR(""), STR("a")));
    assert_true(str_glob(STR("openai/*"), STR("openai/gpt")));
    assert_false(str_glob(STR("openai/*"), STR("OpenAI/gpt")));
    uint64_t seed = 1;
    for (int i = 0; i < 50000; i++) {
        char p[8], s[10];
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = seed >> 16;
        size_t np = bits % 8, ns = bits / 8 % 10;
        bits >>= 8;
        for (size_t k = 0; k < np; k++, bits /= 3)
            p[k] = "ab*"[bits % 3];
        for (size_t k = 0; k < ns; k++, bits /= 2)
            s[k] = "ab"[bits % 2];
        assert_int_equal(str_glob(str_of(p, np), str_of(s, ns)),
                         slow_glob(str_of(p, np), str_of(s, ns)));
    }
}

static void test_numbers(void **state)
{
    (void)state;
    uint64_t n = 7;
    assert_true(str_to_u64(STR("18446744073709551615"), UINT64_MAX, &n) && n == UINT64_MAX);
    assert_true(str_to_u64(STR("007"), 10, &n) && n == 7);
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1a",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "000000000000000000001",
                                      "11"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(str_to_u64(str_c(bad[i]), 10, &n));
    assert_int_equal(n, 7);
}

static void test_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "a",
                                       "\xC2\x80",
                                       "\xDF\xBF",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xC2",
                                      "\xC2\x41",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xE2\x82",
                                      "\xE2\x82\x28",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xF0\x9F\x98",
                                      "\xFF",
                                      "a\xFE"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(str_is_utf8(str_c(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(str_is_utf8(str_c(bad[i])));
    assert_int_not_equal(str_hash(STR("a")), str_hash(STR("b")));
    assert_int_equal(str_hash(STR("")), str_hash((struct str){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare), cmocka_unit_test(test_slices), cmocka_unit_test(test_glob),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_check(void **state)
{
    (void)state;
    static const char *const good[] = {"0",
                                       "-0",
                                       " [ ] ",
                                       "{}",
                                       "\"\"",
                                       "null",
                                       "[1,2.5,-3e-7,\"a\\u00e9\\n\"]",
                                       "{\"a\":{\"b\":[true,false,null]},\"a\":1}",
                                       "\"\\ud800\"",
                                       "\"\x7f\"",
                                       "1e999"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        size_t at = 77;
        assert_int_equal(json_check(str_c(good[i]), &at), OK);
        assert_int_equal(at, 77);
    }
    static const struct {
        struct str text;
        size_t at;
    } bad[] = {{{"", 0}, 0},
               {{"  ", 2}, 2},
               {{"{", 1}, 1},
               {{"{\"a\"", 4}, 4},
               {{"{\"a\":", 5}, 5},
               {{"{\"a\":1,}", 8}, 7},
               {{"[1,]", 4}, 3},
               {{"[1 2]", 5}, 3},
               {{"01", 2}, 1},
               {{"-", 1}, 1},
               {{"1.", 2}, 2},
               {{"1.e1", 4}, 2},
               {{"1e", 2}, 2},
               {{"+1", 2}, 0},
               {{".5", 2}, 0},
               {{"tru", 3}, 3},
               {{"trux", 4}, 3},
               {{"nulll", 5}, 4},
               {{"\"a", 2}, 2},
               {{"\"\\x\"", 4}, 2},
               {{"\"\\u12g4\"", 8}, 5},
               {{"\"\\u12", 5}, 5},
               {{"\"\\", 2}, 2},
               {{"\"a\nb\"", 5}, 2},
               {{"\"a\0b\"", 5}, 2},
               {{"\"ab\xFF\"", 5}, 3},
               {{"\"\xC3\xA4\xED\xA0\x80\"", 7}, 3},
               {{"{a:1}", 5}, 1},
               {{"{\"a\" 1}", 7}, 5},
               {{"[1}", 3}, 2},
               {{"]", 1}, 0},
               {{"{} x", 4}, 3},
               {{"{\"a\":1 \"b\":2}", 13}, 7},
               {{"[\xEF\xBB\xBF]", 5}, 1},
               {{"'a'", 3}, 0},
               {{"NaN", 3}, 0},
               {{"\\", 1}, 0},
               {{"[\"a\",\"\xE2\x82\"]", 10}, 6}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t at = 77;
        assert_int_equal(json_check(bad[i].text, &at), ERR_INVALID_JSON);
        assert_int_equal(at, bad[i].at);
    }
}

static void test_depth(void **state)
{
    (void)state;
    char deep[2 * JSON_DEPTH_MAX + 2];
    memset(deep, '[', JSON_DEPTH_MAX + 1);
    memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    size_t at;
    assert_int_equal(json_check(str_of(deep + 1, 2 * JSON_DEPTH_MAX), &at), OK);
    assert_int_equal(json_check(str_of(deep, sizeof(deep)), &at), ERR_INVALID_JSON);
    assert_int_equal(at, JSON_DEPTH_MAX);
}

static void test_walk(void **state)
{
    (void)state;
    struct str text = STR(
        "{ \"a\" : 1 , \"mod\\u0065l\":\"x\\\"}\" ,\"o\":{\"p\":[1,{}]}, \"a\":[] }");
    struct json_walk w = json_walk_of(text);
    assert_true(json_next(&w) && str_eq(w.key, STR("a")) && str_eq(w.value, STR("1")));
    assert_int_equal(w.at, 2);
    assert_true(json_next(&w) && json_key_is(w.key, STR("model")));
    assert_false(json_key_is(w.key, STR("mode")) || json_key_is(w.key, STR("models")));
    assert_true(str_eq(w.value, STR("\"x\\\"}\"")));
    assert_true(json_next(&w) && json_type_of(w.value) == JSON_OBJECT);
    assert_true(json_next(&w) && json_type_of(w.value) == JSON_ARRAY);
    assert_false(json_next(&w));
    assert_false(json_next(&w));
    assert_true(str_eq(json_get(text, STR("a")), STR("[]"))); /* the last one */
    assert_int_equal(json_type_of(json_get(text, STR("none"))), JSON_NONE);
    static const char *const path[] = {"o", "p", NULL}, *const no[] = {"o", "q", "r", NULL};
    assert_true(str_eq(json_path(text, path), STR("[1,{}]")));
    assert_int_equal(json_path(text, no).n, 0);
    w = json_walk_of(STR("[ 1,\"a\",[2] ]"));
    size_t n = 0;
    while (json_next(&w))
        n += w.value.n;
    assert_int_equal(n, 1 + 3 + 3);
    w = json_walk_of(STR("5"));
    assert_false(json_next(&w));
    assert_int_equal(json_get(STR("[1]"), STR("a")).n, 0);
    assert_string_equal(json_type_name(json_type_of(STR("-1"))), "a number");
    assert_string_equal(json_type_name(JSON_NONE), "missing");
}

static void test_index(void **state)
{
    (void)state;
    struct buf b;
    size_t offset;
    struct json_index index;
    buf_init(&b, 1 << 16);
    buf_add(&b, STR(" { \"a\" : [1,{\"b\":2}] ,\"\\u0062\":\"x\", \"c\":{} "));
    for (int i = 0; i < JSON_INDEX_MAX; i++)
        buf_printf(&b, ",\"n%d\":%d", i, i);
    buf_add(&b, STR("} "));
    assert_int_equal(json_check_index(buf_str(&b), &index, &offset), OK);
    assert_int_equal(index.n, JSON_INDEX_MAX);
    struct json_walk w = json_walk_indexed(json_trim(buf_str(&b)), &index);
    assert_true(json_next(&w) && json_is(&w, STR("a")) && str_eq(w.value, STR("[1,{\"b\":2}]")));
    assert_true(json_next(&w) && json_is(&w, STR("b")) && !json_is(&w, STR("c")));
    assert_true(json_next(&w) && json_is(&w, STR("c")) && str_eq(w.value, STR("{}")));
    int n = 0;
    for (; json_next(&w); n++) /* goes on behind the last that is indexed */
        assert_int_equal(w.value.n, n < 10 ? 1 : 2);
    assert_int_equal(n, JSON_INDEX_MAX);
    assert_int_equal(json_check_index(STR("[{\"a\":1}]"), &index, &offset), OK);
    assert_int_equal(index.n, 0);
    assert_int_equal(json_check_index(STR("{\"a\":1,}"), &index, &offset), ERR_INVALID_JSON);
    assert_int_equal(offset, 7);
    buf_fini(&b);
}

static void test_values(void **state)
{
    (void)state;
    struct arena a;
    struct str s = STR("x");
    arena_init(&a, 256, 1000);
    assert_int_equal(json_string(&a, STR("\"plain\""), &s), OK);
    assert_true(str_eq(s, STR("plain")));
    assert_int_equal(
        json_string(&a, STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\ude00\\ud800x\\u0000\""),
                    &s),
        OK);
    assert_true(str_eq(s, STR("\"\\/\b\f\n\r\t\xC3\xA4\xF0\x9F\x98\x80\xEF\xBF\xBDx\0")));
    assert_int_equal(json_string(&a, STR("1"), &s), ERR_INVALID_REQUEST);
    assert_int_equal(json_string(&a, STR(""), &s), ERR_INVALID_REQUEST);
    arena_fini(&a);
    arena_init(&a, 16, 8);
    assert_int_equal(json_string(&a, STR("\"\\n234567890\""), &s), ERR_LIMIT);
    arena_fini(&a);
    int64_t n = -7;
    static const struct {
        const char *text;
        int64_t n;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"1e3", 1000},
                {"2.0", 2},
                {"-5", -5},
                {"120e-1", 12},
                {"9223372036854775807", INT64_MAX},
                {"1700000000000000", 1700000000000000}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(json_int(str_c(good[i].text), INT64_MIN, INT64_MAX, &n), OK);
        assert_int_equal(n, good[i].n);
    }
    n = -7;
    static const char *const bad[] = {"2.5", "\"1\"", "true",        "null",
                                      "[]",  "",      "1e30",        "9223372036854775808",
                                      "101", "-1",    "0.0000000001"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(json_int(str_c(bad[i]), 0, 100, &n), ERR_INVALID_REQUEST);
    assert_int_equal(n, -7);
    assert_true(json_is_true(STR("true")) && !json_is_true(STR("false")) && !json_is_true(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_check), cmocka_unit_test(test_depth),
                                       cmocka_unit_test(test_walk), cmocka_unit_test(test_index),
                                       cmocka_unit_test(test_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

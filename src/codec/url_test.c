/* URLs: every form that is taken, and every refusal. */
#include "codec/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void is_text(struct str s, const char *text)
{
    assert_int_equal(s.n, strlen(text));
    assert_memory_equal(s.p, text, s.n);
}

static void decodes(const char *in, bool plus, const char *wanted)
{
    struct buf b;
    buf_init(&b, 100);
    buf_byte(&b, '>');
    enum err e = url_decode(str_c(in), plus, &b);
    assert_int_equal(e, wanted != NULL ? OK : ERR_INVALID_REQUEST);
    if (wanted != NULL)
        is_text(str_from(buf_str(&b), 1), wanted);
    else
        assert_int_equal(b.n, 1);
    buf_fini(&b);
}

static void test_decode(void **state)
{
    (void)state;
    decodes("", false, "");
    decodes("a%20b%2fC+d", false, "a b/C+d");
    decodes("a+b%2B", true, "a b+");
    decodes("%c3%A4", false, "\xC3\xA4");
    decodes("%", false, NULL);
    decodes("a%2", false, NULL);
    decodes("%zz", false, NULL);
    decodes("%2z", false, NULL);
    decodes("a%00", false, NULL);
    struct buf b;
    buf_init(&b, 2);
    assert_int_equal(url_decode(STR("abc"), false, &b), ERR_LIMIT);
    buf_fini(&b);
}

static void test_encode(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 100);
    url_encode(STR("a-B.9_~ /\xC3&="), &b);
    is_text(buf_str(&b), "a-B.9_~%20%2F%C3%26%3D");
    buf_fini(&b);
}

static void test_query(void **state)
{
    struct str q = STR("&a=1&&b&c=x=y&="), name, value;
    (void)state;
    assert_true(url_query_next(&q, &name, &value));
    is_text(name, "a");
    is_text(value, "1");
    assert_true(url_query_next(&q, &name, &value));
    is_text(name, "b");
    is_text(value, "");
    assert_true(url_query_next(&q, &name, &value));
    is_text(name, "c");
    is_text(value, "x=y");
    assert_true(url_query_next(&q, &name, &value));
    assert_int_equal(name.n + value.n, 0);
    assert_false(url_query_next(&q, &name, &value));

    q = STR("x%5fy=1&x+y=2&%zz=3&x_y=4");
    assert_true(url_query_get(q, STR("x_y"), &value));
    is_text(value, "1");
    assert_true(url_query_get(q, STR("x y"), &value));
    is_text(value, "2");
    assert_false(url_query_get(q, STR("x_"), &value));
    assert_false(url_query_get(q, STR("x_yz"), &value));
    assert_false(url_query_get(q, STR("%zz"), &value));
}

static void test_parse(void **state)
{
    struct url u;
    const char *why = NULL;
    (void)state;
    assert_int_equal(url_parse(STR("https://api.example.com/v1?a=b?c#f#g"), &u, &why), OK);
    assert_true(u.tls);
    is_text(u.scheme, "https");
    is_text(u.host, "api.example.com");
    assert_int_equal(u.port, 443);
    is_text(u.path, "/v1");
    is_text(u.query, "a=b?c");
    is_text(u.fragment, "f#g");
    assert_int_equal(url_parse(STR("HTTP://127.0.0.1:8080"), &u, &why), OK);
    assert_false(u.tls);
    is_text(u.host, "127.0.0.1");
    assert_int_equal(u.port, 8080);
    is_text(u.path, "/");
    assert_int_equal(url_parse(STR("http://[::1]:65535?q"), &u, &why), OK);
    is_text(u.host, "::1");
    assert_true(u.host_is_ipv6);
    assert_int_equal(u.port, 65535);
    is_text(u.path, "/");
    is_text(u.query, "q");
    assert_int_equal(url_parse(STR("http://[fe80::1]/x"), &u, &why), OK);
    assert_int_equal(u.port, 80);
    assert_int_equal(url_parse(STR("http://a_b.c-d./"), &u, &why), OK);
}

static void test_parse_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "/",
        "ftp://a/",
        "http:/a",
        "http://",
        "http:///x",
        "http://:80/",
        "http://u@a/",
        "http://u:p@a/",
        "http://a:/",
        "http://a:0/",
        "http://a:65536/",
        "http://a:000080/",
        "http://a:8x/",
        "http://a:1:2/",
        "http://a..b/",
        "http://.a/",
        "http://a%41/",
        "http://a,b/",
        "http://::1/",
        "http://[::1/",
        "http://[]/",
        "http://[::1]x/",
        "http://[1.2.3.4]/",
        "http://[::1%25eth0]/",
        "http://a/ b",
        "http://a/\x01",
        "http://a/\xC3\xA4",
        "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct url u;
        const char *why = NULL;
        if (url_parse(str_c(bad[i]), &u, &why) != ERR_INVALID_REQUEST)
            fail_msg("taken: %s", bad[i]);
        assert_non_null(why);
    }
    struct url u;
    const char *why = NULL;
    assert_int_equal(url_parse(STR("http://a\0b/"), &u, &why), ERR_INVALID_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_query),         cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

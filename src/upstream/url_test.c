/* Base URLs, good and bad. */
#include "upstream/upstream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct upstream_target target;
static struct str prefix;
static const char *why;

static void good(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host, *prefix;
        uint16_t port;
        bool tls;
    } rows[] = {
        {"https://openrouter.ai/api/v1", "openrouter.ai", "/api/v1", 443, true},
        {"http://127.0.0.1:11434/v1/", "127.0.0.1", "/v1", 11434, false},
        {"HTTP://Example.ORG", "example.org", "", 80, false},
        {"https://[::1]:8443/", "::1", "", 8443, true},
        {"http://[2001:db8::1]", "2001:db8::1", "", 80, false},
        {"http://a_b-c.d:1///", "a_b-c.d", "", 1, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(upstream_url_parse(str_c(rows[i].url), &target, &prefix, &why), OK);
        assert_string_equal(target.host, rows[i].host);
        assert_true(str_eq(prefix, str_c(rows[i].prefix)));
        assert_int_equal(target.port, rows[i].port);
        assert_int_equal(target.tls, rows[i].tls);
    }
}

static void bad(void **state)
{
    (void)state;
    const char *rows[] = {
        "",
        "ftp://a",
        "//a",
        "http://",
        "http:///x",
        "http://a:0",
        "http://a:65536",
        "http://a:",
        "http://a:b",
        "http://u@a",
        "http://u:p@a/",
        "http://a?x",
        "http://a/#f",
        "http://a b",
        "http://a\r\nX: y",
        "http://[::1",
        "http://[::1]x",
        "http://[g::]/",
        "http://a,b",
        "http://.a",
        "http://-a",
        "http://a\x80",
        "http://a:1:2",
        "http://[]:1",
        "https://a/x y",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        why = NULL;
        if (upstream_url_parse(str_c(rows[i]), &target, &prefix, &why) != ERR_INVALID_REQUEST)
            fail_msg("taken: %s", rows[i]);
        assert_non_null(why);
    }
    char url[400] = "http://";
    memset(url + 7, 'a', 300);
    assert_int_equal(upstream_url_parse(str_c(url), &target, &prefix, &why), ERR_INVALID_REQUEST);
}

static void ids(void **state)
{
    (void)state;
    assert_int_equal(upstream_url_parse(STR("http://a:80/x"), &target, &prefix, &why), OK);
    uint64_t id = target.id;
    assert_int_equal(upstream_url_parse(STR("http://A/y"), &target, &prefix, &why), OK);
    assert_true(target.id == id);
    assert_int_equal(upstream_url_parse(STR("https://a:80/x"), &target, &prefix, &why), OK);
    assert_true(target.id != id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(bad),
        cmocka_unit_test(ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

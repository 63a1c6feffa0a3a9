/* Addresses, nets, and who is believed about them. */
#include "http/peer.h"
#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define assert_str(s, z) assert_true(str_eq((s), str_c(z)))

static void nets(void **state)
{
    (void)state;
    assert_true(http_nets_have(STR("10.0.0.0/8, 192.0.2.7"), STR("10.200.3.4")));
    assert_true(http_nets_have(STR("10.0.0.0/8, 192.0.2.7"), STR("192.0.2.7")));
    assert_false(http_nets_have(STR("10.0.0.0/8, 192.0.2.7"), STR("192.0.2.8")));
    assert_false(http_nets_have(STR("10.0.0.0/8"), STR("11.0.0.1")));
    assert_true(http_nets_have(STR("10.0.0.0/9"), STR("10.127.0.1")));
    assert_false(http_nets_have(STR("10.0.0.0/9"), STR("10.128.0.1")));
    assert_true(http_nets_have(STR("2001:db8::/33"), STR("2001:db8:7fff::1")));
    assert_false(http_nets_have(STR("2001:db8::/33"), STR("2001:db8:8000::1")));
    assert_true(http_nets_have(STR("127.0.0.1"), STR("::ffff:127.0.0.1")));
    assert_true(http_nets_have(STR("0.0.0.0/0"), STR("8.8.8.8")));
    assert_false(http_nets_have(STR("0.0.0.0/0"), STR("::1")));
    assert_false(http_nets_have(STR(""), STR("8.8.8.8")));
    assert_false(http_nets_have(STR("0.0.0.0/0"), STR("nobody")));
}

static void bad_nets(void **state)
{
    (void)state;
    assert_true(http_nets_are_valid(STR("")));
    assert_true(http_nets_are_valid(STR("10.0.0.0/8,::1, fe80::/10")));
    const char *bad[] = {"10.0.0.0/33",
                         "10.0.0",
                         "::1/129",
                         "10.0.0.0/",
                         "10.0.0.0/x",
                         "name",
                         "10.0.0.0/8;1.1.1.1",
                         "/8",
                         "1111111111111111111111111111111111111111111111111111111111111111111111"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(http_nets_are_valid(str_c(bad[i])));
}

static struct str client(const char *first, const char *second)
{
    static struct http1_head head;
    struct http_net trusted[2];
    assert_true(http_net_parse(STR("10.0.0.0/8"), &trusted[0]));
    assert_true(http_net_parse(STR("fd00::/8"), &trusted[1]));
    head.headers_n = 0;
    head.headers[head.headers_n++] = (struct http1_header){STR("Host"), STR("a")};
    if (first != NULL)
        head.headers[head.headers_n++] = (struct http1_header){STR("X-Forwarded-For"),
                                                               str_c(first)};
    if (second != NULL)
        head.headers[head.headers_n++] = (struct http1_header){STR("x-forwarded-for"),
                                                               str_c(second)};
    return http_forwarded_for(&head, trusted, 2, STR("10.9.9.9"));
}

static void forwarded(void **state)
{
    (void)state;
    assert_str(client(NULL, NULL), "10.9.9.9");
    assert_str(client("198.51.100.1", NULL), "198.51.100.1");
    /* What stands left of the first stranger was written by the stranger. */
    assert_str(client("127.0.0.1, 198.51.100.1, 10.1.1.1", NULL), "198.51.100.1");
    assert_str(client("1.2.3.4", "198.51.100.2,10.1.1.1"), "198.51.100.2");
    assert_str(client("1.2.3.4", "10.1.1.1, fd00::5"), "1.2.3.4");
    assert_str(client("10.1.1.2, 10.1.1.1", NULL), "10.1.1.2");
    assert_str(client("[2001:db8::7]:4711, 10.1.1.1:99", NULL), "2001:db8::7");
    assert_str(client("198.51.100.1:80", NULL), "198.51.100.1");
    /* Nonsense ends the chain at the last address that a trusted proxy vouched for. */
    assert_str(client("unknown", NULL), "10.9.9.9");
    assert_str(client("1.1.1.1, garbage, 10.1.1.1", NULL), "10.1.1.1");
    assert_str(client("10.0.0.0/8", NULL), "10.9.9.9");
    assert_str(client("", NULL), "10.9.9.9");
    assert_str(client("[::1", NULL), "10.9.9.9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nets),
        cmocka_unit_test(bad_nets),
        cmocka_unit_test(forwarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The guard on addresses, and what a call that cannot be made says. */
#include "outbound/outbound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>

static bool is_public(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return outbound_address_is_public((const struct sockaddr *)&in);
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return outbound_address_is_public((const struct sockaddr *)&in6);
}

static void test_public_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {"1.1.1.1",         "8.8.8.8",          "100.63.255.255",
                                       "172.32.0.1",      "192.167.1.1",      "198.17.1.1",
                                       "223.255.255.255", "2606:4700::1111",  "2a00::1",
                                       "::ffff:8.8.8.8",  "64:ff9b::808:808", "2002:808:808::1"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!is_public(good[i]))
            fail_msg("%s is public", good[i]);
}

static void test_addresses_that_are_not(void **state)
{
    (void)state;
    static const char *const bad[] = {"0.0.0.0",
                                      "10.0.0.1",
                                      "100.64.0.1",
                                      "127.0.0.1",
                                      "127.255.255.255",
                                      "169.254.169.254",
                                      "172.16.0.1",
                                      "172.31.255.255",
                                      "192.0.0.1",
                                      "192.0.2.1",
                                      "192.168.0.1",
                                      "198.18.0.1",
                                      "198.51.100.1",
                                      "203.0.113.1",
                                      "224.0.0.1",
                                      "240.0.0.1",
                                      "255.255.255.255",
                                      "::",
                                      "::1",
                                      "fe80::1",
                                      "fc00::1",
                                      "fd00::1",
                                      "ff02::1",
                                      "2001:db8::1",
                                      "2001::1",
                                      "::ffff:127.0.0.1",
                                      "::ffff:10.0.0.1",
                                      "::ffff:169.254.169.254",
                                      "64:ff9b::7f00:1",
                                      "2002:7f00:1::1",
                                      "2002:a00:1::",
                                      "::127.0.0.1",
                                      "fec0::1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (is_public(bad[i]))
            fail_msg("%s is not public", bad[i]);
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_false(outbound_address_is_public(&other));
}

static enum err call(const char *url, bool guarded, char why[OUTBOUND_WHY_MAX])
{
    struct outbound_answer a;
    struct outbound_request r = {
        .method = "GET", .url = url, .timeout_ms = 2000, .body_bytes_max = 100, .guarded = guarded};
    why[0] = '\0';
    enum err e = outbound_call(&r, &a, why);
    outbound_answer_fini(&a);
    return e;
}

static void test_calls_that_cannot_be_made(void **state)
{
    (void)state;
    char why[OUTBOUND_WHY_MAX];
    assert_int_equal(call("http://127.0.0.1:1/", false, why), ERR_UPSTREAM_UNAVAILABLE);
    assert_true(why[0] != '\0');
    assert_int_equal(call("http://127.0.0.1:1/", true, why), ERR_FORBIDDEN);
    assert_string_equal(why, "the address is not public");
    assert_int_equal(call("http://localhost:1/", true, why), ERR_FORBIDDEN);
    assert_int_equal(call("file:///etc/passwd", false, why), ERR_UPSTREAM_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_public_addresses),
                                       cmocka_unit_test(test_addresses_that_are_not),
                                       cmocka_unit_test(test_calls_that_cannot_be_made)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

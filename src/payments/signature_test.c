/* Signatures as the official library makes them; money by currency; forms. */
#include "base/clock.h"
#include "base/crypto.h"
#include "payments/stripe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW_S INT64_C(1700000000)

static const char *sign(const char *secret, int64_t at_s, const char *body, char text[200])
{
    uint8_t mac[CRYPTO_HASH_LEN];
    char hex[2 * CRYPTO_HASH_LEN + 1], signed_text[500];
    int n = snprintf(signed_text, sizeof(signed_text), "%lld.%s", (long long)at_s, body);
    crypto_hmac_sha256(str_c(secret), str_of(signed_text, (size_t)n), mac);
    snprintf(text, 200, "t=%lld,v1=%.*s,v0=00", (long long)at_s,
             STR_ARG(crypto_hex(mac, sizeof(mac), hex)));
    return text;
}

static enum stripe_signature check(const char *secrets, const char *header, const char *body)
{
    return stripe_signature_check(secrets, str_c(header), str_c(body), NOW_S * US_PER_S);
}

static void test_signature(void **state)
{
    char t[200];
    const char *body = "{\"id\":\"evt_1\"}";
    (void)state;
    assert_int_equal(check("whsec_a", sign("whsec_a", NOW_S, body, t), body),
                     STRIPE_SIGNATURE_GOOD);
    assert_int_equal(check("whsec_b, whsec_a", t, body), STRIPE_SIGNATURE_GOOD);
    assert_int_equal(check("whsec_b", t, body), STRIPE_SIGNATURE_WRONG);
    assert_int_equal(check("", t, body), STRIPE_SIGNATURE_WRONG);
    assert_int_equal(check("whsec_a", t, "{\"id\":\"evt_2\"}"), STRIPE_SIGNATURE_WRONG);
    assert_int_equal(check("whsec_a", sign("whsec_a", NOW_S - 301, body, t), body),
                     STRIPE_SIGNATURE_OLD);
    assert_int_equal(check("whsec_a", sign("whsec_a", NOW_S + 301, body, t), body),
                     STRIPE_SIGNATURE_FUTURE);
    assert_int_equal(check("whsec_a", sign("whsec_a", NOW_S - 300, body, t), body),
                     STRIPE_SIGNATURE_GOOD);
    const char *const none[] = {"", "t=1", "v1=00", "t=,v1=00", "t=x,v1=00", "t=-5", "garbage"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_int_equal(check("whsec_a", none[i], body), STRIPE_SIGNATURE_MISSING);
}

static void test_money(void **state)
{
    struct nano n;
    int64_t minor;
    (void)state;
    assert_int_equal(stripe_to_nano(STR("usd"), 2500, &n), OK);
    assert_int_equal(n.v, 25 * NANO_PER_USD);
    assert_int_equal(stripe_to_nano(STR("JPY"), 2500, &n), OK);
    assert_int_equal(n.v, 2500 * NANO_PER_USD);
    assert_int_equal(stripe_to_nano(STR("kwd"), 2500, &n), OK);
    assert_int_equal(n.v, 5 * NANO_PER_USD / 2);
    assert_int_equal(stripe_to_nano(STR("usd"), INT64_MAX / 2, &n), ERR_LIMIT);
    assert_int_equal(stripe_to_nano(STR("us"), 1, &n), ERR_VALIDATION_FAILED);
    assert_int_equal(stripe_to_minor(STR("usd"), NANO(10000000), &minor), OK);
    assert_int_equal(minor, 1);
    assert_int_equal(stripe_to_minor(STR("usd"), NANO(10000001), &minor), ERR_VALIDATION_FAILED);
    assert_int_equal(stripe_to_minor(STR("jpy"), NANO(NANO_PER_USD / 2), &minor),
                     ERR_VALIDATION_FAILED);
    assert_int_equal(stripe_to_minor(STR("kwd"), NANO(1000000), &minor), ERR_VALIDATION_FAILED);
    assert_int_equal(stripe_to_minor(STR("ugx"), NANO(NANO_PER_USD), &minor), OK);
    assert_int_equal(minor, 100);
    assert_int_equal(stripe_to_minor(STR("isk"), NANO(10000000), &minor), ERR_VALIDATION_FAILED);
    assert_int_equal(stripe_to_minor(STR("usd"), NANO(-10000000), &minor), ERR_VALIDATION_FAILED);
    assert_int_equal(stripe_to_minor_down(STR("usd"), NANO(19999999), &minor), OK);
    assert_int_equal(minor, 1);
    assert_int_equal(stripe_to_minor_down(STR("kwd"), NANO(19999999), &minor), OK);
    assert_int_equal(minor, 10);
    assert_int_equal(stripe_to_minor_down(STR("usd"), NANO(-1), &minor), ERR_VALIDATION_FAILED);
}

static void test_form(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, STRIPE_FORM_MAX);
    stripe_form_text(&b, "line_items[0][name]", STR("a b&c=ü"));
    stripe_form_i64(&b, "n", -5);
    stripe_form_bool(&b, "yes", true);
    assert_true(str_eq(buf_str(&b), STR("line_items[0][name]=a%20b%26c%3D%C3%BC&n=-5&yes=true")));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_signature),
                                       cmocka_unit_test(test_money), cmocka_unit_test(test_form)};
    crypto_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tokens: what is taken, and everything that must not be. */
#include "identity/jwt.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW (INT64_C(1795132800) * US_PER_S)

static EVP_PKEY *rsa, *p256, *p384, *ed, *other;
static struct jwt_keys *keys;
static struct arena arena;
static struct buf text;

static void add_bn(struct buf *b, EVP_PKEY *key, const char *name, const char *param, int pad)
{
    BIGNUM *n = NULL;
    uint8_t bytes[600];
    assert_int_equal(EVP_PKEY_get_bn_param(key, param, &n), 1);
    int len = pad != 0 ? BN_bn2binpad(n, bytes, pad) : BN_bn2bin(n, bytes);
    buf_printf(b, ",\"%s\":\"", name);
    base64url_add(b, str_of((const char *)bytes, (size_t)len));
    buf_byte(b, '"');
    BN_free(n);
}

static void add_rsa(struct buf *b, EVP_PKEY *key, const char *more)
{
    buf_printf(b, "{\"kty\":\"RSA\"%s", more);
    add_bn(b, key, "n", OSSL_PKEY_PARAM_RSA_N, 0);
    add_bn(b, key, "e", OSSL_PKEY_PARAM_RSA_E, 0);
    buf_byte(b, '}');
}

static void add_ec(struct buf *b, EVP_PKEY *key, const char *crv, int half, const char *more)
{
    buf_printf(b, "{\"kty\":\"EC\",\"crv\":\"%s\"%s", crv, more);
    add_bn(b, key, "x", OSSL_PKEY_PARAM_EC_PUB_X, half);
    add_bn(b, key, "y", OSSL_PKEY_PARAM_EC_PUB_Y, half);
    buf_byte(b, '}');
}

static int set_up(void **state)
{
    struct buf b;
    uint8_t raw[32];
    size_t n = sizeof(raw);
    (void)state;
    rsa = EVP_RSA_gen(2048);
    other = EVP_RSA_gen(2048);
    p256 = EVP_EC_gen("P-256");
    p384 = EVP_EC_gen("P-384");
    ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    EVP_PKEY *small = EVP_RSA_gen(1024);
    buf_init(&b, 65536);
    buf_add(&b, STR("{\"keys\":["));
    add_rsa(&b, rsa, ",\"kid\":\"r\",\"use\":\"sig\"");
    buf_byte(&b, ',');
    add_rsa(&b, other, ",\"kid\":\"enc\",\"use\":\"enc\""); /* not for signatures */
    buf_byte(&b, ',');
    add_rsa(&b, small, ",\"kid\":\"small\"");
    buf_byte(&b, ',');
    add_rsa(&b, other, ",\"kid\":\"ps\",\"alg\":\"PS256\"");
    buf_byte(&b, ',');
    add_ec(&b, p256, "P-256", 32, ",\"kid\":\"e2\"");
    buf_byte(&b, ',');
    add_ec(&b, p384, "P-384", 48, ",\"kid\":\"e3\"");
    assert_int_equal(EVP_PKEY_get_raw_public_key(ed, raw, &n), 1);
    buf_add(&b, STR(",{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\",\"x\":\""));
    base64url_add(&b, str_of((const char *)raw, n));
    buf_add(&b,
            STR("\"},{\"kty\":\"oct\",\"kid\":\"hs\",\"k\":\"AAAA\"},{\"kty\":\"EC\",\"crv\":"
                "\"P-256\",\"kid\":\"off\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
                "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"},7]}"));
    assert_int_equal(jwt_keys_parse(buf_str(&b), &keys), OK);
    assert_int_equal(jwt_keys_count(keys), 5);
    EVP_PKEY_free(small);
    buf_fini(&b);
    arena_init(&arena, 4096, 1u << 20);
    buf_init(&text, 65536);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(other);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(ed);
    jwt_keys_free(&keys);
    arena_fini(&arena);
    buf_fini(&text);
    return 0;
}

/* A token as an issuer makes it. half: of an ES signature. */
static struct str make(const char *head, const char *claims, EVP_PKEY *key, const char *digest,
                       bool pss, int half)
{
    uint8_t sig[600], raw[96];
    size_t n = sizeof(sig);
    buf_reset(&text);
    base64url_add(&text, str_c(head));
    buf_byte(&text, '.');
    base64url_add(&text, str_c(claims));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how = NULL;
    assert_int_equal(EVP_DigestSignInit_ex(ctx, &how, digest, NULL, NULL, key, NULL), 1);
    if (pss) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    assert_int_equal(EVP_DigestSign(ctx, sig, &n, (const uint8_t *)text.p, text.n), 1);
    EVP_MD_CTX_free(ctx);
    const uint8_t *p = sig;
    if (half != 0) {
        ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);
        assert_non_null(s);
        BN_bn2binpad(ECDSA_SIG_get0_r(s), raw, half);
        BN_bn2binpad(ECDSA_SIG_get0_s(s), raw + half, half);
        ECDSA_SIG_free(s);
        p = raw;
        n = 2 * (size_t)half;
    }
    buf_byte(&text, '.');
    base64url_add(&text, str_of((const char *)(p == raw ? raw : sig), n));
    return buf_str(&text);
}

static enum err signature(struct str token)
{
    struct jwt t;
    arena_reset(&arena);
    enum err e = jwt_read(&arena, token, &t);
    return e == OK ? jwt_check_signature(&t, keys) : e;
}

static void every_algorithm(void **state)
{
    static const char claims[] = "{\"sub\":\"x\"}";
    (void)state;
    assert_int_equal(
        signature(make("{\"alg\":\"RS256\",\"kid\":\"r\"}", claims, rsa, "SHA256", false, 0)), OK);
    assert_int_equal(
        signature(make("{\"alg\":\"RS512\",\"kid\":\"r\"}", claims, rsa, "SHA512", false, 0)), OK);
    assert_int_equal(
        signature(make("{\"alg\":\"PS256\",\"kid\":\"ps\"}", claims, other, "SHA256", true, 0)),
        OK);
    assert_int_equal(
        signature(make("{\"alg\":\"ES256\",\"kid\":\"e2\"}", claims, p256, "SHA256", false, 32)),
        OK);
    assert_int_equal(
        signature(make("{\"alg\":\"ES384\",\"kid\":\"e3\"}", claims, p384, "SHA384", false, 48)),
        OK);
    assert_int_equal(
        signature(make("{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", claims, ed, NULL, false, 0)), OK);
    /* Without a name where only one key fits. */
    assert_int_equal(signature(make("{\"alg\":\"ES256\"}", claims, p256, "SHA256", false, 32)), OK);
}

static void wrong_keys_and_algorithms(void **state)
{
    static const char claims[] = "{\"sub\":\"x\"}";
    (void)state;
    /* Signed by somebody else. */
    assert_int_equal(
        signature(make("{\"alg\":\"RS256\",\"kid\":\"r\"}", claims, other, "SHA256", false, 0)),
        ERR_DENIED);
    /* A key that the issuer does not have, or not for this. */
    assert_int_equal(
        signature(make("{\"alg\":\"RS256\",\"kid\":\"new\"}", claims, rsa, "SHA256", false, 0)),
        ERR_NOT_FOUND);
    assert_int_equal(
        signature(make("{\"alg\":\"RS256\",\"kid\":\"enc\"}", claims, other, "SHA256", false, 0)),
        ERR_NOT_FOUND);
    assert_int_equal(
        signature(make("{\"alg\":\"RS256\",\"kid\":\"ps\"}", claims, other, "SHA256", false, 0)),
        ERR_NOT_FOUND);
    assert_int_equal(
        signature(make("{\"alg\":\"ES256\",\"kid\":\"r\"}", claims, p256, "SHA256", false, 32)),
        ERR_NOT_FOUND);
    assert_int_equal(
        signature(make("{\"alg\":\"ES256\",\"kid\":\"off\"}", claims, p256, "SHA256", false, 32)),
        ERR_NOT_FOUND);
    /* An EC signature in DER instead of r and s. */
    assert_int_equal(
        signature(make("{\"alg\":\"ES256\",\"kid\":\"e2\"}", claims, p256, "SHA256", false, 0)),
        ERR_DENIED);
    /* None at all, and a shared secret: the classics. */
    assert_int_equal(signature(make("{\"alg\":\"none\"}", claims, rsa, "SHA256", false, 0)),
                     ERR_INVALID_REQUEST);
    assert_int_equal(
        signature(make("{\"alg\":\"HS256\",\"kid\":\"r\"}", claims, rsa, "SHA256", false, 0)),
        ERR_INVALID_REQUEST);
    assert_int_equal(signature(make("{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}", claims,
                                    rsa, "SHA256", false, 0)),
                     ERR_INVALID_REQUEST);
}

static void altered(void **state)
{
    (void)state;
    make("{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", "{\"sub\":\"x\"}", ed, NULL, false, 0);
    for (size_t i = 3; i < text.n; i++) {
        char was = text.p[i];
        if (was == '.')
            continue;
        text.p[i] = was == 'A' ? 'B' : 'A';
        assert_int_not_equal(signature(buf_str(&text)), OK);
        text.p[i] = was;
    }
    assert_int_equal(signature(buf_str(&text)), OK);
    static const char *const bad[] = {"",      "eyJ",       "eyJ..",      "eyJ.eyJ.x",
                                      "a.b.c", "eyJ.a.b.c", "eyJ9.e30.AA"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(signature(str_c(bad[i])), ERR_INVALID_REQUEST);
}

static enum err claims(const char *json, const struct jwt_expect *x)
{
    struct jwt t;
    arena_reset(&arena);
    assert_int_equal(jwt_read(&arena, make("{\"alg\":\"EdDSA\"}", json, ed, NULL, false, 0), &t),
                     OK);
    return jwt_check_claims(&arena, &t, x);
}

static void claims_are_held(void **state)
{
    struct jwt_expect x = {.issuer = STR("https://i"),
                           .audiences = STR("me, you"),
                           .nonce = STR("n1"),
                           .parties = STR(""),
                           .now_us = NOW};
    (void)state;
#define BASE "\"iss\":\"https://i\",\"sub\":\"u\",\"nonce\":\"n1\","
    assert_int_equal(claims("{" BASE "\"aud\":\"me\",\"exp\":1795132801}", &x), OK);
    assert_int_equal(
        claims("{" BASE "\"aud\":[\"a\",\"you\"],\"exp\":1795132801.5,\"iat\":1795132800}", &x),
        OK);
    assert_int_equal(claims("{" BASE "\"aud\":\"me\",\"exp\":1795132741}", &x),
                     OK); /* a minute's skew */
    assert_int_equal(claims("{" BASE "\"aud\":\"me\",\"exp\":1795132739}", &x), ERR_DENIED);
    assert_int_equal(claims("{" BASE "\"aud\":\"me\"}", &x), ERR_DENIED);
    assert_int_equal(claims("{" BASE "\"aud\":\"me\",\"exp\":\"1795132801\"}", &x), ERR_DENIED);
    assert_int_equal(claims("{" BASE "\"aud\":\"he\",\"exp\":1795132801}", &x), ERR_DENIED);
    assert_int_equal(claims("{" BASE "\"aud\":[],\"exp\":1795132801}", &x), ERR_DENIED);
    assert_int_equal(claims("{" BASE "\"exp\":1795132801}", &x), ERR_DENIED);
    assert_int_equal(claims("{" BASE "\"aud\":\"me\",\"exp\":1795132801,\"nbf\":1795132900}", &x),
                     ERR_DENIED);
    assert_int_equal(claims("{" BASE "\"aud\":\"me\",\"exp\":1795132801,\"iat\":1795132900}", &x),
                     ERR_DENIED);
    assert_int_equal(claims("{\"iss\":\"https://i/"
                            "\",\"sub\":\"u\",\"nonce\":\"n1\",\"aud\":\"me\",\"exp\":1795132801}",
                            &x),
                     ERR_DENIED);
    assert_int_equal(
        claims("{\"iss\":\"https://i\",\"nonce\":\"n1\",\"aud\":\"me\",\"exp\":1795132801}", &x),
        ERR_DENIED);
    assert_int_equal(claims("{\"iss\":\"https://"
                            "i\",\"sub\":\"u\",\"nonce\":\"n2\",\"aud\":\"me\",\"exp\":1795132801}",
                            &x),
                     ERR_DENIED);
    x.parties = STR("https://app");
    assert_int_equal(claims("{" BASE "\"aud\":\"me\",\"exp\":1795132801}", &x), ERR_DENIED);
    assert_int_equal(
        claims("{" BASE "\"aud\":\"me\",\"azp\":\"https://app\",\"exp\":1795132801}", &x), OK);
}

static void key_sets_that_are_none(void **state)
{
    struct jwt_keys *none = NULL;
    (void)state;
    assert_int_equal(jwt_keys_parse(STR("{"), &none), ERR_INVALID_REQUEST);
    assert_int_equal(jwt_keys_parse(STR("[]"), &none), ERR_INVALID_REQUEST);
    assert_int_equal(jwt_keys_parse(STR("{\"keys\":{}}"), &none), ERR_INVALID_REQUEST);
    assert_int_equal(jwt_keys_parse(STR("{\"keys\":[]}"), &none), OK);
    assert_int_equal(jwt_keys_count(none), 0);
    jwt_keys_free(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_algorithm),
                                       cmocka_unit_test(wrong_keys_and_algorithms),
                                       cmocka_unit_test(altered), cmocka_unit_test(claims_are_held),
                                       cmocka_unit_test(key_sets_that_are_none)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

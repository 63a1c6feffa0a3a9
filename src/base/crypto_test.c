#include "base/crypto.h"
#include "base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_hashes(void **state)
{
    (void)state;
    uint8_t h[CRYPTO_HASH_LEN], key[CRYPTO_KEY_LEN];
    char text[65];
    crypto_sha256(STR("abc"), h); /* FIPS 180-2 */
    assert_true(str_eq(crypto_hex(h, 32, text),
                       STR("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")));
    crypto_sha256((struct str){NULL, 0}, h);
    assert_true(str_starts(crypto_hex(h, 32, text), STR("e3b0c44298fc1c14")));
    memset(key, 0, sizeof(key));
    memset(key, 0x0b, 20); /* RFC 4231 case 1: a key padded with zeros is the same key */
    crypto_hmac(key, STR("Hi There"), h);
    assert_true(str_eq(crypto_hex(h, 32, text),
                       STR("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")));
    struct crypto_hasher *x = crypto_hasher_new();
    for (int i = 0; i < 2; i++) {
        crypto_hasher_start(x);
        crypto_hasher_add(x, STR("a"));
        crypto_hasher_add(x, STR(""));
        crypto_hasher_add(x, STR("bc"));
        crypto_hasher_end(x, h);
        assert_true(str_starts(crypto_hex(h, 32, text), STR("ba7816bf8f01cfea")));
    }
    crypto_hasher_free(&x);
    assert_null(x);
    crypto_hasher_free(&x);
}

static void test_crc(void **state)
{
    (void)state;
    assert_int_equal(crypto_crc32(STR("123456789")), 0xCBF43926u);
    assert_int_equal(crypto_crc32(STR("")), 0);
    char bytes[64];
    for (size_t n = 0; n < sizeof(bytes); n++) {
        uint32_t slow = 0xFFFFFFFFu;
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (char)(i * 37 + n);
            slow ^= (unsigned char)bytes[i];
            for (int k = 0; k < 8; k++)
                slow = slow & 1 ? slow >> 1 ^ 0xEDB88320u : slow >> 1;
        }
        assert_int_equal(crypto_crc32(str_of(bytes, n)), ~slow);
    }
}

static void test_seal(void **state)
{
    (void)state;
    uint8_t key[CRYPTO_KEY_LEN] = {1}, other[CRYPTO_KEY_LEN] = {2};
    struct buf sealed, plain;
    buf_init(&sealed, 1000);
    buf_init(&plain, 1000);
    crypto_seal(key, STR("about"), STR("secret"), &sealed);
    assert_int_equal(sealed.n, 6 + CRYPTO_SEAL_EXTRA);
    assert_int_equal(crypto_open(key, STR("about"), buf_str(&sealed), &plain), OK);
    assert_true(str_eq(buf_str(&plain), STR("secret")));
    buf_reset(&plain);
    assert_int_equal(crypto_open(other, STR("about"), buf_str(&sealed), &plain), ERR_DENIED);
    assert_int_equal(crypto_open(key, STR("abouT"), buf_str(&sealed), &plain), ERR_DENIED);
    for (size_t i = 0; i < sealed.n; i++) {
        sealed.p[i] ^= 1;
        assert_int_equal(crypto_open(key, STR("about"), buf_str(&sealed), &plain), ERR_DENIED);
        sealed.p[i] ^= 1;
        assert_int_equal(crypto_open(key, STR("about"), str_of(sealed.p, i), &plain), ERR_DENIED);
    }
    assert_int_equal(plain.n, 0);
    struct buf small;
    buf_init(&small, 3);
    assert_int_equal(crypto_open(key, STR("about"), buf_str(&sealed), &small), ERR_LIMIT);
    crypto_seal(key, STR(""), STR("x"), &small);
    assert_int_equal(buf_check(&small), ERR_LIMIT);
    buf_fini(&small);
    buf_reset(&sealed);
    crypto_seal(key, STR(""), STR(""), &sealed);
    assert_int_equal(crypto_open(key, STR(""), buf_str(&sealed), &plain), OK);
    assert_int_equal(plain.n, 0);
    buf_fini(&sealed);
    buf_fini(&plain);
}

static void test_text(void **state)
{
    (void)state;
    char text[80];
    uint8_t bytes[4];
    crypto_base62(61, text, 3);
    assert_memory_equal(text, "00z", 3);
    crypto_base62(UINT32_MAX, text, 6);
    assert_memory_equal(text, "4gfFC3", 6);
    assert_true(crypto_unhex(STR("00ffAbCd"), bytes, 4));
    assert_memory_equal(bytes, "\x00\xff\xab\xcd", 4);
    assert_false(crypto_unhex(STR("00ffAbC"), bytes, 4));
    assert_false(crypto_unhex(STR("00ffAbCg"), bytes, 4));
    assert_false(crypto_unhex(STR("00ffAbC`"), bytes, 4));
    assert_false(crypto_unhex(STR("00ffAbCd0"), bytes, 4));
    assert_true(crypto_eq("abc", "abc", 3) && !crypto_eq("abc", "abd", 3));
}

static void test_random(void **state)
{
    (void)state;
    static unsigned seen[256];
    char text[6200];
    crypto_random_base62(text, sizeof(text));
    for (size_t i = 0; i < sizeof(text); i++)
        seen[(unsigned char)text[i]]++;
    size_t kinds = 0;
    for (int c = 0; c < 256; c++) {
        kinds += seen[c] != 0;
        assert_true(seen[c] == 0 || (seen[c] > 40 && seen[c] < 180)); /* 100 each on average */
    }
    assert_int_equal(kinds, 62);
    uint8_t a[300], b[300];
    crypto_random(a, sizeof(a));
    crypto_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    crypto_random(a, 16);
    crypto_random(b, 16);
    assert_memory_not_equal(a, b, 16);
    uint8_t salt[CRYPTO_SALT_LEN] = {3}, k1[32], k2[32];
    crypto_key_of_passphrase(STR("pass"), salt, k1);
    crypto_key_of_passphrase(STR("pass"), salt, k2);
    assert_memory_equal(k1, k2, 32);
    salt[0] = 4;
    crypto_key_of_passphrase(STR("pass"), salt, k2);
    assert_memory_not_equal(k1, k2, 32);
}

static void *hash_once(void *arg)
{
    crypto_sha256(STR("abc"), arg);
    return NULL;
}

/* What a thread needs for hashing goes with it (the leak checker looks). */
static void test_threads(void **state)
{
    (void)state;
    uint8_t h[4][CRYPTO_HASH_LEN];
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, hash_once, h[i]), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
    assert_memory_equal(h[0], h[3], CRYPTO_HASH_LEN);
}

int main(void)
{
    crypto_init();
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes), cmocka_unit_test(test_crc),
        cmocka_unit_test(test_seal),   cmocka_unit_test(test_text),
        cmocka_unit_test(test_random), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

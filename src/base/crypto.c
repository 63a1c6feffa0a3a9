/* OpenSSL's digests, fetched once, and libsodium's seals. */
#include "base/crypto.h"
#include "base/mem.h"

/* The plain SHA-256 functions are deprecated in favour of EVP, which allocates for every digest;
 * keys are hashed for every call. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <sodium.h>

#define POOL_LEN 512
#define BLOCK_LEN 64
#define SEAL_VERSION 1

struct crypto_hasher {
    EVP_MD_CTX *ctx;
};

static EVP_MD *sha256;
static pthread_key_t ctx_key;
static uint32_t crc_table[8][256];
static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* IEEE 802.3, reflected; table k is that of a byte with k zero bytes behind it. */
static void crc_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1u)));
        crc_table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            crc_table[k][i] = crc_table[k - 1][i] >> 8 ^ crc_table[0][crc_table[k - 1][i] & 0xFF];
}

static void ctx_free(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

void crypto_init(void)
{
    if (sha256 != NULL)
        return;
    must(sodium_init() >= 0);
    must(pthread_key_create(&ctx_key, ctx_free) == 0);
    crc_init();
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(sha256 != NULL);
}

static EVP_MD_CTX *thread_ctx(void)
{
    static _Thread_local EVP_MD_CTX *ctx;
    if (ctx == NULL) {
        crypto_init();
        ctx = EVP_MD_CTX_new();
        must(ctx != NULL);
        must(pthread_setspecific(ctx_key, ctx) == 0); /* frees it with the thread */
    }
    return ctx;
}

void crypto_random(void *p, size_t n)
{
    static _Thread_local uint8_t pool[POOL_LEN];
    static _Thread_local size_t left;
    if (n > POOL_LEN / 4) {
        randombytes_buf(p, n);
        return;
    }
    if (left < n) {
        randombytes_buf(pool, sizeof(pool));
        left = sizeof(pool);
    }
    left -= n;
    memcpy(p, pool + left, n);
    mem_wipe(pool + left, n);
}

static void digest(EVP_MD_CTX *ctx, struct str a, struct str b, uint8_t ret[CRYPTO_HASH_LEN])
{
    must(EVP_DigestInit_ex2(ctx, sha256, NULL) == 1);
    must(EVP_DigestUpdate(ctx, a.p, a.n) == 1);
    must(EVP_DigestUpdate(ctx, b.p, b.n) == 1);
    must(EVP_DigestFinal_ex(ctx, ret, NULL) == 1);
}

void crypto_sha256(struct str s, uint8_t ret_hash[CRYPTO_HASH_LEN])
{
    digest(thread_ctx(), s, STR(""), ret_hash);
}

/* The states behind the two padded keys. A process has one pepper, so the last key is remembered.
 */
struct keyed {
    uint8_t key[CRYPTO_KEY_LEN];
    SHA256_CTX inner, outer;
    bool there;
};

static void key_states(struct keyed *k, const uint8_t key[CRYPTO_KEY_LEN])
{
    uint8_t pad[BLOCK_LEN];
    for (size_t i = 0; i < BLOCK_LEN; i++)
        pad[i] = (uint8_t)((i < CRYPTO_KEY_LEN ? key[i] : 0) ^ 0x36);
    must(SHA256_Init(&k->inner) == 1 && SHA256_Update(&k->inner, pad, sizeof(pad)) == 1);
    for (size_t i = 0; i < BLOCK_LEN; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    must(SHA256_Init(&k->outer) == 1 && SHA256_Update(&k->outer, pad, sizeof(pad)) == 1);
    memcpy(k->key, key, sizeof(k->key));
    k->there = true;
    mem_wipe(pad, sizeof(pad));
}

void crypto_hmac(const uint8_t key[CRYPTO_KEY_LEN], struct str s, uint8_t ret_mac[CRYPTO_HASH_LEN])
{
    static _Thread_local struct keyed k;
    uint8_t inner[CRYPTO_HASH_LEN];
    if (!k.there || memcmp(k.key, key, sizeof(k.key)) != 0)
        key_states(&k, key);
    SHA256_CTX c = k.inner;
    must(SHA256_Update(&c, s.p, s.n) == 1 && SHA256_Final(inner, &c) == 1);
    c = k.outer;
    must(SHA256_Update(&c, inner, sizeof(inner)) == 1 && SHA256_Final(ret_mac, &c) == 1);
}

bool crypto_eq(const void *a, const void *b, size_t n)
{
    return sodium_memcmp(a, b, n) == 0;
}

/* Eight bytes a turn ("slicing by 8"): a key's checksum is taken for every call. */
uint32_t crypto_crc32(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t n = s.n;
    uint32_t crc = 0xFFFFFFFFu;
    crypto_init();
    for (; n >= 8; n -= 8, p += 8) {
        crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        crc = crc_table[7][crc & 0xFF] ^ crc_table[6][crc >> 8 & 0xFF] ^
              crc_table[5][crc >> 16 & 0xFF] ^ crc_table[4][crc >> 24] ^ crc_table[3][p[4]] ^
              crc_table[2][p[5]] ^ crc_table[1][p[6]] ^ crc_table[0][p[7]];
    }
    for (; n > 0; n--, p++)
        crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 0xFF];
    return ~crc;
}

struct crypto_hasher *crypto_hasher_new(void)
{
    crypto_init();
    struct crypto_hasher *h = mem_zalloc(sizeof(*h));
    h->ctx = EVP_MD_CTX_new();
    must(h->ctx != NULL);
    return h;
}

void crypto_hasher_free(struct crypto_hasher **h)
{
    if (*h != NULL)
        EVP_MD_CTX_free((*h)->ctx);
    mem_free(*h);
    *h = NULL;
}

void crypto_hasher_start(struct crypto_hasher *h)
{
    must(EVP_DigestInit_ex2(h->ctx, sha256, NULL) == 1);
}

void crypto_hasher_add(struct crypto_hasher *h, struct str s)
{
    must(EVP_DigestUpdate(h->ctx, s.p, s.n) == 1);
}

void crypto_hasher_end(struct crypto_hasher *h, uint8_t ret_hash[CRYPTO_HASH_LEN])
{
    must(EVP_DigestFinal_ex(h->ctx, ret_hash, NULL) == 1);
}

void crypto_seal(const uint8_t key[CRYPTO_KEY_LEN], struct str about, struct str plain,
                 struct buf *out)
{
    size_t n = CRYPTO_SEAL_EXTRA + plain.n;
    char *p = buf_reserve(out, n);
    if (p == NULL)
        return;
    uint8_t *u = (uint8_t *)p;
    u[0] = SEAL_VERSION;
    crypto_random(u + 1, 24);
    unsigned long long made = 0;
    must(crypto_aead_xchacha20poly1305_ietf_encrypt(u + 25, &made, (const uint8_t *)plain.p,
                                                    plain.n, (const uint8_t *)about.p, about.n,
                                                    NULL, u + 1, key) == 0);
    must(made + 25 == n);
    out->n += n;
}

enum err crypto_open(const uint8_t key[CRYPTO_KEY_LEN], struct str about, struct str sealed,
                     struct buf *ret_plain)
{
    if (sealed.n < CRYPTO_SEAL_EXTRA || sealed.p[0] != SEAL_VERSION)
        return ERR_DENIED;
    const uint8_t *u = (const uint8_t *)sealed.p;
    char *p = buf_reserve(ret_plain, sealed.n - CRYPTO_SEAL_EXTRA + 1);
    if (p == NULL)
        return ERR_LIMIT;
    unsigned long long made = 0;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)p, &made, NULL, u + 25, sealed.n - 25,
                                                   (const uint8_t *)about.p, about.n, u + 1,
                                                   key) != 0)
        return ERR_DENIED;
    ret_plain->n += made;
    return OK;
}

void crypto_key_of_passphrase(struct str passphrase, const uint8_t salt[CRYPTO_SALT_LEN],
                              uint8_t ret_key[CRYPTO_KEY_LEN])
{
    must(crypto_pwhash(ret_key, CRYPTO_KEY_LEN, passphrase.p, passphrase.n, salt, 3,
                       64u * 1024 * 1024, crypto_pwhash_ALG_ARGON2ID13) == 0);
}

void crypto_random_base62(char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint8_t byte;
        crypto_random(&byte, 1);
        if (byte < 248) /* 4 × 62: above it the remainder would be biased */
            p[i++] = base62[byte % 62];
    }
}

void crypto_base62(uint64_t v, char *p, size_t n)
{
    for (size_t i = n; i-- > 0; v /= 62)
        p[i] = base62[v % 62];
    must(v == 0);
}

struct str crypto_hex(const uint8_t *p, size_t n, char *text)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = hex[p[i] >> 4];
        text[2 * i + 1] = hex[p[i] & 15];
    }
    text[2 * n] = '\0';
    return str_of(text, 2 * n);
}

bool crypto_unhex(struct str s, uint8_t *p, size_t n)
{
    if (s.n != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int hi = str_hex_digit(s.p[2 * i]), lo = str_hex_digit(s.p[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        p[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

/* ---- passwords ---- */

_Static_assert(CRYPTO_PHC_MAX >= crypto_pwhash_STRBYTES, "a PHC string fits");

enum err crypto_password_hash(struct str password, int64_t memory_bytes, int64_t passes,
                              char ret_phc[CRYPTO_PHC_MAX])
{
    int rc = crypto_pwhash_str_alg(ret_phc, password.p, password.n, (unsigned long long)passes,
                                   (size_t)memory_bytes, crypto_pwhash_ALG_ARGON2ID13);
    return rc == 0 ? OK : ERR_LIMIT;
}

static bool phc_text(struct str phc, char text[CRYPTO_PHC_MAX])
{
    if (phc.n == 0 || phc.n >= CRYPTO_PHC_MAX)
        return false;
    memset(text, 0, CRYPTO_PHC_MAX);
    memcpy(text, phc.p, phc.n);
    return true;
}

bool crypto_password_is(struct str phc, struct str password)
{
    char text[CRYPTO_PHC_MAX];
    return phc_text(phc, text) && crypto_pwhash_str_verify(text, password.p, password.n) == 0;
}

bool crypto_password_is_stale(struct str phc, int64_t memory_bytes, int64_t passes)
{
    char text[CRYPTO_PHC_MAX];
    return !phc_text(phc, text) || crypto_pwhash_str_needs_rehash(text, (unsigned long long)passes,
                                                                  (size_t)memory_bytes) != 0;
}

void crypto_hmac_sha1(struct str key, struct str s, uint8_t ret_mac[CRYPTO_SHA1_LEN])
{
    unsigned n = 0;
    must(HMAC(EVP_sha1(), key.p, (int)key.n, (const unsigned char *)s.p, s.n, ret_mac, &n) != NULL);
    must(n == CRYPTO_SHA1_LEN);
}

void crypto_hmac_sha256(struct str key, struct str s, uint8_t ret_mac[CRYPTO_HASH_LEN])
{
    unsigned n = 0;
    must(HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)s.p, s.n, ret_mac, &n) !=
         NULL);
    must(n == CRYPTO_HASH_LEN);
}

struct str crypto_base32(const uint8_t *p, size_t n, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    size_t at = 0;
    must(n % 5 == 0);
    for (size_t i = 0; i < n; i += 5) {
        uint64_t v = 0;
        for (size_t k = 0; k < 5; k++)
            v = v << 8 | p[i + k];
        for (int shift = 35; shift >= 0; shift -= 5)
            text[at++] = digits[v >> shift & 31];
    }
    text[at] = '\0';
    return str_of(text, at);
}

void crypto_random_of(struct str alphabet, char *p, size_t n)
{
    must(alphabet.n >= 1 && alphabet.n <= 256);
    unsigned fair = 256 / (unsigned)alphabet.n * (unsigned)alphabet.n;
    for (size_t i = 0; i < n;) {
        uint8_t b;
        crypto_random(&b, 1);
        if (b < fair)
            p[i++] = alphabet.p[b % alphabet.n];
    }
}

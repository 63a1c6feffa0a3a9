/* Hashes, random, seals: thin names over OpenSSL and libsodium.
 *
 * Owns: per-thread digest contexts and a pool of random bytes.  Threads: any, after crypto_init.
 * Memory: caller's.  Errors: a seal that does not open is ERR_DENIED; a library that fails at what
 * cannot fail aborts.  Units: bytes. */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define CRYPTO_HASH_LEN 32
#define CRYPTO_KEY_LEN 32
#define CRYPTO_SALT_LEN 16
/* What a seal adds: version byte, nonce, tag. */
#define CRYPTO_SEAL_EXTRA (1 + 24 + 16)

/* Once, before any thread. */
void crypto_init(void);

void crypto_random(void *p, size_t n);
void crypto_sha256(struct str s, uint8_t ret_hash[CRYPTO_HASH_LEN]);
/* HMAC-SHA-256 (RFC 2104) of s under key. */
void crypto_hmac(const uint8_t key[CRYPTO_KEY_LEN], struct str s, uint8_t ret_mac[CRYPTO_HASH_LEN]);
/* In time that depends on n alone. */
bool crypto_eq(const void *a, const void *b, size_t n);
uint32_t crypto_crc32(struct str s);

/* Chained SHA-256 over pieces. */
struct crypto_hasher;
struct crypto_hasher *crypto_hasher_new(void);
void crypto_hasher_free(struct crypto_hasher **h);
void crypto_hasher_start(struct crypto_hasher *h);
void crypto_hasher_add(struct crypto_hasher *h, struct str s);
void crypto_hasher_end(struct crypto_hasher *h, uint8_t ret_hash[CRYPTO_HASH_LEN]);

/* XChaCha20-Poly1305 with a random nonce; `about` is authenticated, not stored. */
void crypto_seal(const uint8_t key[CRYPTO_KEY_LEN], struct str about, struct str plain,
                 struct buf *out);
MUST enum err crypto_open(const uint8_t key[CRYPTO_KEY_LEN], struct str about, struct str sealed,
                          struct buf *ret_plain);
/* Key from a passphrase (argon2id, 64 MiB, 3 passes). */
void crypto_key_of_passphrase(struct str passphrase, const uint8_t salt[CRYPTO_SALT_LEN],
                              uint8_t ret_key[CRYPTO_KEY_LEN]);

/* argon2id as a PHC string with its salt. ERR_LIMIT when the memory is not to be had. */
#define CRYPTO_PHC_MAX 128
MUST enum err crypto_password_hash(struct str password, int64_t memory_bytes, int64_t passes,
                                   char ret_phc[CRYPTO_PHC_MAX]);
bool crypto_password_is(struct str phc, struct str password);
/* Made with other parameters than these? */
bool crypto_password_is_stale(struct str phc, int64_t memory_bytes, int64_t passes);
/* HMAC-SHA-1, for RFC 4226 alone. */
#define CRYPTO_SHA1_LEN 20
void crypto_hmac_sha1(struct str key, struct str s, uint8_t ret_mac[CRYPTO_SHA1_LEN]);

/* HMAC-SHA-256 with a key of any length, for other people's signatures. */
void crypto_hmac_sha256(struct str key, struct str s, uint8_t ret_mac[CRYPTO_HASH_LEN]);

/* n unbiased characters of 0-9A-Za-z. */
void crypto_random_base62(char *p, size_t n);
/* Fixed width, most significant first; v < 62^n. */
void crypto_base62(uint64_t v, char *p, size_t n);
/* RFC 4648 without padding; n is a multiple of 5. `text` takes 8n/5 characters and a NUL. */
struct str crypto_base32(const uint8_t *p, size_t n, char *text);
/* n unbiased characters of an alphabet of at most 256. */
void crypto_random_of(struct str alphabet, char *p, size_t n);
/* Lower case. `text` takes 2n characters and a NUL. */
struct str crypto_hex(const uint8_t *p, size_t n, char *text);
/* Either case; false unless exactly 2n digits. */
bool crypto_unhex(struct str s, uint8_t *p, size_t n);

#endif

/* JSON Web Tokens (RFC 7515, 7517, 7519): form, signature, claims.
 *
 * Owns: sets of keys.
 * Needs: base, OpenSSL.
 * Threads: any; a set of keys is immutable.
 * Memory: what is read are slices of the token's copy in the arena given.
 * Units: µs.
 * Errors: INVALID_REQUEST (no token at all, or one of a kind that is not taken), NOT_FOUND (signed
 * by a key that is not in the set), DENIED (wrong signature, issuer, audience, time or nonce).
 * Always: the algorithm is one that fits the key's type: RS and PS with RSA, ES256 and ES384 with
 * their curves, EdDSA with Ed25519; never none, never a shared secret. Keys come from the set
 * alone: jku, x5u, jwk and crit of a token are never followed. */
#ifndef IDENTITY_JWT_H
#define IDENTITY_JWT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define JWT_BYTES_MAX (16u * 1024)
#define JWT_KEYS_MAX 64
#define JWT_SKEW_US (60 * INT64_C(1000000))

struct jwt_keys;
/* A JWK set; keys that are of no use here are passed over. INVALID_REQUEST when it is none. */
MUST enum err jwt_keys_parse(struct str json, struct jwt_keys **ret_keys);
void jwt_keys_free(struct jwt_keys **keys);
size_t jwt_keys_count(const struct jwt_keys *keys);

struct jwt {
    struct str head, claims; /* JSON objects, checked */
    struct str kid; /* empty: none */
    struct str alg;
    struct str content, signature; /* what is signed; the raw signature */
};
/* Of the form xxx.yyy.zzz. */
bool jwt_is_text(struct str text);
MUST enum err jwt_read(struct arena *a, struct str token, struct jwt *ret);
MUST enum err jwt_check_signature(const struct jwt *t, const struct jwt_keys *keys);

struct jwt_expect {
    struct str issuer; /* exactly */
    struct str audiences; /* comma list: one of them is in aud; empty: not asked for */
    struct str parties; /* comma list: azp is one of them; empty: not asked for */
    struct str nonce; /* empty: not asked for */
    int64_t now_us;
};
MUST enum err jwt_check_claims(struct arena *a, const struct jwt *t,
                               const struct jwt_expect *expect);
/* A claim that is text; empty when it is not there or something else. */
struct str jwt_claim(struct arena *a, const struct jwt *t, struct str name);
bool jwt_claim_is_true(const struct jwt *t, struct str name);

#endif

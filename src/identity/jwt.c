/* Tokens and the keys that sign them. */
#include "identity/jwt.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/units.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#define KID_MAX 256
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define KEY_BYTES_MAX 1100
#define SUBJECT_MAX 255 /* OpenID Connect Core §2 */

enum key_type { KEY_RSA, KEY_P256, KEY_P384, KEY_ED25519 };

static const struct alg {
    struct str name;
    enum key_type key;
    const char *digest; /* NULL: the key's own */
    bool pss;
    size_t half; /* ES: bytes of r, and of s */
} algs[] = {
    {{"RS256", 5}, KEY_RSA, "SHA256", false, 0},   {{"RS384", 5}, KEY_RSA, "SHA384", false, 0},
    {{"RS512", 5}, KEY_RSA, "SHA512", false, 0},   {{"PS256", 5}, KEY_RSA, "SHA256", true, 0},
    {{"PS384", 5}, KEY_RSA, "SHA384", true, 0},    {{"PS512", 5}, KEY_RSA, "SHA512", true, 0},
    {{"ES256", 5}, KEY_P256, "SHA256", false, 32}, {{"ES384", 5}, KEY_P384, "SHA384", false, 48},
    {{"EdDSA", 5}, KEY_ED25519, NULL, false, 0},
};

static const struct alg *alg_of(struct str name)
{
    for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
        if (str_eq(name, algs[i].name))
            return &algs[i];
    return NULL;
}

/* ---------------------------------------------------------------- keys */

struct key {
    enum key_type type;
    char kid[KID_MAX];
    size_t kid_n;
    const struct alg *alg; /* NULL: any that fits */
    EVP_PKEY *pkey;
};

struct jwt_keys {
    size_t n;
    struct key keys[JWT_KEYS_MAX];
};

static bool text_of(struct arena *a, struct str object, struct str name, struct str *ret)
{
    struct str value = json_get(object, name);
    return value.n != 0 && json_string(a, value, ret) == OK;
}

static bool bytes_of(struct arena *a, struct str object, struct str name, struct buf *ret)
{
    struct str text;
    buf_reset(ret);
    return text_of(a, object, name, &text) && base64url_read(text, ret) == OK && ret->n != 0;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    must(ctx != NULL);
    if (params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static EVP_PKEY *rsa_of(struct arena *a, struct str jwk, struct buf *b)
{
    EVP_PKEY *pkey = NULL;
    BIGNUM *n = NULL, *e = NULL;
    if (bytes_of(a, jwk, STR("n"), b))
        n = BN_bin2bn((const uint8_t *)b->p, (int)b->n, NULL);
    if (bytes_of(a, jwk, STR("e"), b) && b->n <= 8)
        e = BN_bin2bn((const uint8_t *)b->p, (int)b->n, NULL);
    bool good = n != NULL && e != NULL && BN_num_bits(n) >= RSA_BITS_MIN &&
                BN_num_bits(n) <= RSA_BITS_MAX && BN_is_odd(e) && !BN_is_one(e);
    if (good) {
        OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        must(build != NULL);
        must(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1);
        must(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1);
        pkey = from_params("RSA", build);
        OSSL_PARAM_BLD_free(build);
    }
    BN_free(n);
    BN_free(e);
    return pkey;
}

/* An uncompressed point (SEC 1 §2.3.3); fromdata refuses those that are not on the curve. */
static EVP_PKEY *ec_of(struct arena *a, struct str jwk, const char *group, size_t half,
                       struct buf *b)
{
    uint8_t point[1 + 2 * 48] = {4};
    if (!bytes_of(a, jwk, STR("x"), b) || b->n != half)
        return NULL;
    memcpy(point + 1, b->p, half);
    if (!bytes_of(a, jwk, STR("y"), b) || b->n != half)
        return NULL;
    memcpy(point + 1 + half, b->p, half);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    must(build != NULL);
    must(OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) == 1);
    must(OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * half) ==
         1);
    EVP_PKEY *pkey = from_params("EC", build);
    OSSL_PARAM_BLD_free(build);
    return pkey;
}

static EVP_PKEY *ed25519_of(struct arena *a, struct str jwk, struct buf *b)
{
    if (!bytes_of(a, jwk, STR("x"), b) || b->n != 32)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const uint8_t *)b->p, b->n);
}

static EVP_PKEY *pkey_of(struct arena *a, struct str jwk, enum key_type *ret_type)
{
    struct str kty = STR(""), crv = STR("");
    struct buf b;
    EVP_PKEY *pkey = NULL;
    (void)text_of(a, jwk, STR("kty"), &kty);
    (void)text_of(a, jwk, STR("crv"), &crv);
    buf_init(&b, KEY_BYTES_MAX);
    if (str_eq(kty, STR("RSA"))) {
        *ret_type = KEY_RSA;
        pkey = rsa_of(a, jwk, &b);
    } else if (str_eq(kty, STR("EC")) && str_eq(crv, STR("P-256"))) {
        *ret_type = KEY_P256;
        pkey = ec_of(a, jwk, "prime256v1", 32, &b);
    } else if (str_eq(kty, STR("EC")) && str_eq(crv, STR("P-384"))) {
        *ret_type = KEY_P384;
        pkey = ec_of(a, jwk, "secp384r1", 48, &b);
    } else if (str_eq(kty, STR("OKP")) && str_eq(crv, STR("Ed25519"))) {
        *ret_type = KEY_ED25519;
        pkey = ed25519_of(a, jwk, &b);
    }
    buf_fini(&b);
    return pkey;
}

/* Passed over when it is for encryption, of an unknown kind, or broken. */
static void add_key(struct jwt_keys *keys, struct arena *a, struct str jwk)
{
    struct str kid = STR(""), use = STR("sig"), alg = STR("");
    struct key k = {.kid_n = 0};
    if (keys->n == JWT_KEYS_MAX || json_type_of(jwk) != JSON_OBJECT)
        return;
    (void)text_of(a, jwk, STR("kid"), &kid);
    (void)text_of(a, jwk, STR("use"), &use);
    bool named = text_of(a, jwk, STR("alg"), &alg);
    k.alg = alg_of(alg);
    if (!str_eq(use, STR("sig")) || kid.n > KID_MAX || (named && k.alg == NULL))
        return;
    k.pkey = pkey_of(a, jwk, &k.type);
    if (k.pkey == NULL)
        return;
    memcpy(k.kid, kid.p, kid.n);
    k.kid_n = kid.n;
    keys->keys[keys->n++] = k;
}

enum err jwt_keys_parse(struct str json, struct jwt_keys **ret_keys)
{
    size_t offset;
    struct arena a;
    struct str list = STR("");
    json = json_trim(json);
    if (json_check(json, &offset) == OK)
        list = json_get(json, STR("keys"));
    if (json_type_of(list) != JSON_ARRAY)
        return ERR_INVALID_REQUEST;
    struct jwt_keys *keys = mem_zalloc(sizeof(*keys));
    struct json_walk w = json_walk_of(list);
    arena_init(&a, 4096, 256u * 1024);
    while (json_next(&w)) {
        arena_reset(&a);
        add_key(keys, &a, w.value);
    }
    arena_fini(&a);
    *ret_keys = keys;
    return OK;
}

void jwt_keys_free(struct jwt_keys **keys)
{
    if (*keys == NULL)
        return;
    for (size_t i = 0; i < (*keys)->n; i++)
        EVP_PKEY_free((*keys)->keys[i].pkey);
    mem_free(*keys);
    *keys = NULL;
}

size_t jwt_keys_count(const struct jwt_keys *keys)
{
    return keys->n;
}

/* ---------------------------------------------------------------- tokens */

bool jwt_is_text(struct str s)
{
    size_t dots = 0;
    for (size_t i = 0; i < s.n; i++)
        dots += s.p[i] == '.';
    return dots == 2 && str_starts(s, STR("eyJ")); /* {" in base64 */
}

/* A part of the token, decoded into the arena. */
static enum err part_read(struct arena *a, struct str text, struct str *ret)
{
    struct buf b;
    buf_init(&b, JWT_BYTES_MAX);
    enum err e = base64url_read(text, &b);
    if (e == OK)
        *ret = arena_dup(a, buf_str(&b));
    buf_fini(&b);
    return e == OK && !a->over ? OK : ERR_INVALID_REQUEST;
}

static bool is_object(struct str s)
{
    size_t offset;
    return json_check(s, &offset) == OK && json_type_of(s) == JSON_OBJECT;
}

enum err jwt_read(struct arena *a, struct str token, struct jwt *ret)
{
    struct jwt t = {.kid = STR(""), .alg = STR("")};
    struct str rest = token, head, claims;
    if (token.n > JWT_BYTES_MAX || !jwt_is_text(token))
        return ERR_INVALID_REQUEST;
    head = str_cut(&rest, '.');
    claims = str_cut(&rest, '.');
    t.content = str_of(token.p, head.n + 1 + claims.n);
    if (part_read(a, head, &t.head) != OK || part_read(a, claims, &t.claims) != OK ||
        part_read(a, rest, &t.signature) != OK)
        return ERR_INVALID_REQUEST;
    t.head = json_trim(t.head);
    t.claims = json_trim(t.claims);
    if (!is_object(t.head) || !is_object(t.claims))
        return ERR_INVALID_REQUEST;
    if (!text_of(a, t.head, STR("alg"), &t.alg) || alg_of(t.alg) == NULL)
        return ERR_INVALID_REQUEST;
    if (json_get(t.head, STR("crit")).n != 0)
        return ERR_INVALID_REQUEST; /* RFC 7515 §4.1.11: it asks for something that we do not do */
    struct str kid = json_get(t.head, STR("kid"));
    if (kid.n != 0 && (json_string(a, kid, &t.kid) != OK || t.kid.n > KID_MAX))
        return ERR_INVALID_REQUEST;
    *ret = t;
    return OK;
}

/* JWS has r and s as they are, OpenSSL wants them in DER. */
static enum err der_of(struct str raw, size_t half, uint8_t der[160], size_t *ret_n)
{
    if (raw.n != 2 * half)
        return ERR_DENIED;
    const uint8_t *p = (const uint8_t *)raw.p;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    must(sig != NULL);
    BIGNUM *r = BN_bin2bn(p, (int)half, NULL), *s = BN_bin2bn(p + half, (int)half, NULL);
    must(r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1);
    uint8_t *out = der;
    int n = i2d_ECDSA_SIG(sig, &out);
    ECDSA_SIG_free(sig);
    if (n <= 0)
        return ERR_DENIED;
    *ret_n = (size_t)n;
    return OK;
}

static bool verifies(const struct jwt *t, const struct alg *alg, EVP_PKEY *pkey)
{
    uint8_t der[160];
    const uint8_t *sig = (const uint8_t *)t->signature.p;
    size_t sig_n = t->signature.n;
    if (alg->half != 0) {
        if (der_of(t->signature, alg->half, der, &sig_n) != OK)
            return false;
        sig = der;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how = NULL;
    must(ctx != NULL);
    bool good = EVP_DigestVerifyInit_ex(ctx, &how, alg->digest, NULL, NULL, pkey, NULL) == 1;
    if (good && alg->pss)
        good = EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) == 1;
    good = good &&
           EVP_DigestVerify(ctx, sig, sig_n, (const uint8_t *)t->content.p, t->content.n) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

/* By its name; a token without one is fine where only one key fits. */
static const struct key *key_find(const struct jwt_keys *keys, const struct jwt *t,
                                  const struct alg *alg)
{
    const struct key *found = NULL;
    for (size_t i = 0; i < keys->n; i++) {
        const struct key *k = &keys->keys[i];
        if (k->type != alg->key || (k->alg != NULL && k->alg != alg))
            continue;
        if (t->kid.n != 0 && !str_eq(t->kid, str_of(k->kid, k->kid_n)))
            continue;
        if (found != NULL && t->kid.n == 0)
            return NULL;
        found = k;
    }
    return found;
}

enum err jwt_check_signature(const struct jwt *t, const struct jwt_keys *keys)
{
    const struct alg *alg = alg_of(t->alg);
    const struct key *k = key_find(keys, t, alg);
    if (k == NULL)
        return ERR_NOT_FOUND;
    return verifies(t, alg, k->pkey) ? OK : ERR_DENIED;
}

/* ---------------------------------------------------------------- claims */

struct str jwt_claim(struct arena *a, const struct jwt *t, struct str name)
{
    struct str s = STR("");
    (void)text_of(a, t->claims, name, &s);
    return s;
}

bool jwt_claim_is_true(const struct jwt *t, struct str name)
{
    struct str value = json_get(t->claims, name);
    /* Some issuers write it as text. */
    return json_is_true(value) || str_eq(value, STR("\"true\""));
}

/* Seconds, perhaps with a fraction (RFC 7519 §2, NumericDate). */
static bool time_of(const struct jwt *t, struct str name, int64_t *ret_us)
{
    struct nano n;
    struct str value = json_get(t->claims, name);
    if (json_type_of(value) != JSON_NUMBER || nano_parse(value, true, &n) != OK)
        return false;
    *ret_us = n.v / 1000;
    return true;
}

static bool list_has(struct str list, struct str one)
{
    while (list.n != 0)
        if (str_eq(str_trim(str_cut(&list, ',')), one))
            return one.n != 0;
    return false;
}

static bool is_for(struct arena *a, const struct jwt *t, struct str audiences)
{
    struct str aud = json_get(t->claims, STR("aud")), one;
    if (json_string(a, aud, &one) == OK)
        return list_has(audiences, one);
    struct json_walk w = json_walk_of(aud);
    while (json_next(&w))
        if (json_string(a, w.value, &one) == OK && list_has(audiences, one))
            return true;
    return false;
}

static bool is_in_time(const struct jwt *t, int64_t now_us)
{
    int64_t exp, nbf, iat;
    if (!time_of(t, STR("exp"), &exp) || exp + JWT_SKEW_US <= now_us)
        return false;
    if (json_get(t->claims, STR("nbf")).n != 0 &&
        (!time_of(t, STR("nbf"), &nbf) || nbf - JWT_SKEW_US > now_us))
        return false;
    return json_get(t->claims, STR("iat")).n == 0 ||
           (time_of(t, STR("iat"), &iat) && iat - JWT_SKEW_US <= now_us);
}

enum err jwt_check_claims(struct arena *a, const struct jwt *t, const struct jwt_expect *x)
{
    struct str subject = jwt_claim(a, t, STR("sub")), nonce = jwt_claim(a, t, STR("nonce"));
    if (!str_eq(jwt_claim(a, t, STR("iss")), x->issuer) || subject.n == 0 ||
        subject.n > SUBJECT_MAX)
        return ERR_DENIED;
    if (x->audiences.n != 0 && !is_for(a, t, x->audiences))
        return ERR_DENIED;
    if (x->parties.n != 0 && !list_has(x->parties, jwt_claim(a, t, STR("azp"))))
        return ERR_DENIED;
    if (x->nonce.n != 0 && (nonce.n != x->nonce.n || !crypto_eq(nonce.p, x->nonce.p, nonce.n)))
        return ERR_DENIED;
    return is_in_time(t, x->now_us) ? OK : ERR_DENIED;
}

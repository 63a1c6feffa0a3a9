/* Stripe-Signature: HMAC-SHA-256 over "t.body", the key being the whole secret as it is written. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "payments/stripe.h"

#define STAMP_MAX INT64_C(9999999999) /* seconds; the year 2286 */

struct header {
    struct str stamp;
    int64_t at_s;
    uint8_t macs[STRIPE_SECRETS_MAX][CRYPTO_HASH_LEN];
    size_t n;
};

/* Schemes that we do not know (v0, …) are not looked at. */
static bool header_read(struct str text, struct header *h)
{
    uint64_t at;
    memset(h, 0, sizeof(*h));
    while (text.n != 0) {
        struct str value = str_trim(str_cut(&text, ',')), name = str_cut(&value, '=');
        if (str_eq(name, STR("t"))) {
            if (h->stamp.n != 0 || !str_to_u64(value, (uint64_t)STAMP_MAX, &at))
                return false;
            h->stamp = value;
            h->at_s = (int64_t)at;
        } else if (str_eq(name, STR("v1")) && h->n < STRIPE_SECRETS_MAX &&
                   crypto_unhex(value, h->macs[h->n], CRYPTO_HASH_LEN)) {
            h->n++;
        }
    }
    return h->stamp.n != 0 && h->n != 0;
}

static bool is_signed_with(struct str secret, struct str signed_text, const struct header *h)
{
    uint8_t mac[CRYPTO_HASH_LEN];
    bool good = false;
    crypto_hmac_sha256(secret, signed_text, mac);
    for (size_t i = 0; i < h->n; i++)
        good |= crypto_eq(mac, h->macs[i], sizeof(mac));
    return good;
}

enum stripe_signature stripe_signature_check(const char *secrets, struct str header,
                                             struct str body, int64_t now_us)
{
    struct header h;
    struct buf text;
    struct str list = str_c(secrets);
    bool good = false;
    if (!header_read(header, &h))
        return STRIPE_SIGNATURE_MISSING;
    buf_init(&text, body.n + 32);
    buf_add(&text, h.stamp);
    buf_byte(&text, '.');
    buf_add(&text, body);
    must(buf_check(&text) == OK);
    for (int i = 0; i < STRIPE_SECRETS_MAX && list.n != 0; i++) {
        struct str secret = str_trim(str_cut(&list, ','));
        if (secret.n != 0)
            good |= is_signed_with(secret, buf_str(&text), &h);
    }
    buf_fini(&text);
    if (!good)
        return STRIPE_SIGNATURE_WRONG;
    if (h.at_s * US_PER_S < now_us - STRIPE_TOLERANCE_US)
        return STRIPE_SIGNATURE_OLD;
    if (h.at_s * US_PER_S > now_us + STRIPE_TOLERANCE_US)
        return STRIPE_SIGNATURE_FUTURE;
    return STRIPE_SIGNATURE_GOOD;
}

const char *stripe_signature_words(enum stripe_signature s)
{
    switch (s) {
    case STRIPE_SIGNATURE_GOOD: return "The signature is good.";
    case STRIPE_SIGNATURE_MISSING: return "There is no Stripe-Signature that can be read.";
    case STRIPE_SIGNATURE_OLD: return "The signature's timestamp is too old.";
    case STRIPE_SIGNATURE_FUTURE: return "The signature's timestamp lies in the future.";
    case STRIPE_SIGNATURE_WRONG: return "No webhook secret of ours makes this signature.";
    case STRIPE_SIGNATURE__COUNT: break;
    }
    return "";
}

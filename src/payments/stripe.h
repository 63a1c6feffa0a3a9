/* Stripe's API (v1): form-encoded requests, JSON answers, by the blocking client.
 *
 * Owns: nothing.
 * Needs: outbound.
 * Threads: workers and job workers; never a loop, never the writer.
 * Memory: an answer is the caller's, ended by stripe_answer_fini, also after an error.
 * Units: minor units of the currency, as Stripe counts them.
 * Errors: UPSTREAM_UNAVAILABLE (no connection, 409, 429, 5xx, or Stripe says so: the same call may
 * be tried again, with the same key), UPSTREAM_TIMEOUT (silence: likewise), NOT_FOUND (404),
 * INVALID_REQUEST (refused: code and message say why), FORBIDDEN (the key is not good),
 * NOT_IMPLEMENTED (Stripe is off), UPSTREAM_ERROR (no JSON, or too large).
 * Always: every POST carries an Idempotency-Key that its cause makes, so that repeating it does
 * nothing twice. Nothing is repeated here: that is what jobs are for. The key is in no log. */
#ifndef PAYMENTS_STRIPE_H
#define PAYMENTS_STRIPE_H

#include "base/arena.h"
#include "outbound/outbound.h"

#define STRIPE_VERSION "2025-03-31.basil"
#define STRIPE_FORM_MAX (64u * 1024)
#define STRIPE_SECRETS_MAX 8

/* Texts live as long as the house. */
struct stripe {
    const char *api_url; /* without a slash at the end */
    const char *secret_key; /* empty: Stripe is off */
    const char *webhook_secrets; /* whsec_…, comma separated: any of them signs */
    const char *account; /* acct_…, as events name it; empty: not looked at */
    const char *currency; /* "usd" */
    bool livemode;
    const char *ca_file; /* NULL: the system's */
};
static inline bool stripe_is_on(const struct stripe *s)
{
    return s->secret_key != NULL && s->secret_key[0] != '\0';
}

/* ---- forms: keys as "line_items[0][price]", values are percent-encoded ---- */
void stripe_form_text(struct buf *form, const char *key, struct str value);
void stripe_form_i64(struct buf *form, const char *key, int64_t value);
void stripe_form_bool(struct buf *form, const char *key, bool value);
/* A value for a query or path. */
void stripe_escape(struct buf *b, struct str value);

/* ---- calls ---- */
struct stripe_answer {
    struct outbound_answer http;
    struct str json; /* the object; empty when there was none */
    int64_t retry_after_us; /* 0: not said */
    char code[64]; /* of an error: "card_declined", "authentication_required", … */
    char param[64]; /* the field that is at fault: "customer" */
    char message[256];
};
void stripe_answer_fini(struct stripe_answer *a);
/* path: "/v1/checkout/sessions". idempotency: 1 to 255 bytes, derived from the cause. */
MUST enum err stripe_post(const struct stripe *s, const char *path, struct str form,
                          struct str idempotency, struct stripe_answer *ret_answer);
/* path with its query. */
MUST enum err stripe_get(const struct stripe *s, const char *path,
                         struct stripe_answer *ret_answer);
MUST enum err stripe_delete(const struct stripe *s, const char *path, struct str idempotency,
                            struct stripe_answer *ret_answer);
/* Refused because the customer that was named is not there any more. */
bool stripe_customer_is_gone(const struct stripe_answer *a);
/* May the same call succeed later? */
bool stripe_may_retry(enum err e);

/* Walks a list of Stripe's, page by page (the newest first): fn for each object, false ends it.
 * `path` has a query already ("/v1/refunds?limit=100"). */
MUST enum err stripe_list(const struct stripe *s, const char *path,
                          bool (*fn)(void *arg, struct str object), void *arg,
                          struct stripe_answer *ret_answer);

/* ---- JSON of Stripe ---- */
/* Text member of an object; empty when missing or null. Slices of the object (ids, codes), or
 * copies in the arena when escaped. */
struct str stripe_text(struct arena *a, struct str object, const char *name);
/* The same, where Stripe gives an id or, expanded, the object with one. */
struct str stripe_ref(struct arena *a, struct str object, const char *name);
int64_t stripe_i64(struct str object, const char *name, int64_t otherwise);

/* ---- money (ISO 4217 and Stripe's exceptions) ---- */
/* Digits behind the point that one minor unit stands for: usd 2, jpy 0, kwd 3. False when the
 * currency is not known. ISK and UGX have none and are sent times a hundred: 2. */
bool stripe_exponent(struct str currency, int *ret_digits);
/* Exact; LIMIT when it does not fit. */
MUST enum err stripe_to_nano(struct str currency, int64_t minor, struct nano *ret_amount);
/* VALIDATION_FAILED when the amount is no whole number of what may be charged. */
MUST enum err stripe_to_minor(struct str currency, struct nano amount, int64_t *ret_minor);
/* The most that may be charged and is not more. */
MUST enum err stripe_to_minor_down(struct str currency, struct nano amount, int64_t *ret_minor);

/* ---- signatures of events ---- */
#define STRIPE_TOLERANCE_US (INT64_C(300) * 1000 * 1000)
enum stripe_signature {
    STRIPE_SIGNATURE_GOOD,
    STRIPE_SIGNATURE_MISSING, /* or not to be read */
    STRIPE_SIGNATURE_OLD,
    STRIPE_SIGNATURE_FUTURE,
    STRIPE_SIGNATURE_WRONG,
    STRIPE_SIGNATURE__COUNT
};
/* `header` is Stripe-Signature: t=…,v1=…[,v1=…]; the raw body is what was signed. */
enum stripe_signature stripe_signature_check(const char *secrets, struct str header,
                                             struct str body, int64_t now_us);
const char *stripe_signature_words(enum stripe_signature s);

#endif

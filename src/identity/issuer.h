/* An OpenID issuer: its discovery document and its keys, kept fresh. Inside this room only.
 *
 * Owns: the documents.
 * Needs: outbound.
 * Threads: any; blocks while it fetches. One thread fetches, the others go on with what they have.
 * Memory: one set of keys.
 * Units: µs.
 * Errors: UPSTREAM_* (the issuer cannot be asked, or answers nonsense), DENIED.
 * Always: the document's issuer is the configured one, to the letter; https, or http on loopback.
 * Keys are asked for again after ten minutes, and for a key that is not known, at most every five
 * seconds; what was good stays good for a day while the issuer cannot be asked. */
#ifndef IDENTITY_ISSUER_H
#define IDENTITY_ISSUER_H

#include "base/buf.h"
#include "identity/jwt.h"

#include <pthread.h>

#define ISSUER_URL_MAX 512

struct issuer_document {
    char authorize[ISSUER_URL_MAX], token[ISSUER_URL_MAX], userinfo[ISSUER_URL_MAX];
    char jwks[ISSUER_URL_MAX];
    bool names_itself; /* RFC 9207: answers carry iss */
    bool basic_only; /* the client's secret goes into the Authorization header */
};

struct issuer {
    char url[ISSUER_URL_MAX]; /* as configured */
    const char *ca_file;
    pthread_mutex_t lock;
    pthread_cond_t fetched;
    bool fetching;
    struct jwt_keys *keys; /* NULL: none yet */
    int64_t keys_us, tried_us, found_us; /* found: the document */
    struct issuer_document document;
};
void issuer_init(struct issuer *i, struct str url, const char *ca_file);
void issuer_fini(struct issuer *i);
/* https, or http to this machine. */
bool issuer_url_is_good(struct str url);
/* A copy of its document. */
MUST enum err issuer_find(struct issuer *i, int64_t now_us, struct issuer_document *ret);
/* The signature alone. DENIED. */
MUST enum err issuer_check(struct issuer *i, const struct jwt *t, int64_t now_us);
/* Asks for a JSON object; status 2xx. headers end with NULL; body empty: GET. */
MUST enum err issuer_ask(const char *ca_file, const char *url, const char *const *headers,
                         struct str body, struct buf *ret_json);

#endif

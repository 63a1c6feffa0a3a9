/* Signing in elsewhere: OpenID Connect issuers, GitHub, and tokens of issuers as bearers.
 *
 * Owns: the issuers' documents and keys; table user_identity.
 * Needs: store, outbound.
 * Threads: functions ending in _in inside a store_write closure; the others on worker threads, they
 * block for up to 30 s.
 * Memory: texts that are found are in the arena given.
 * Units: µs.
 * Errors: NOT_FOUND (no such provider), DENIED (whoever it is, not this one), UPSTREAM_* (the
 * issuer cannot be asked now).
 * Always: code flow with PKCE S256, state and nonce; the issuer's name in an answer is the one that
 * was asked. A person is (issuer, subject); an address counts only when the issuer says that it is
 * verified. */
#ifndef IDENTITY_OIDC_H
#define IDENTITY_OIDC_H

#include "identity/identity.h"

enum identity_oidc_kind { IDENTITY_OIDC_ISSUER, IDENTITY_OIDC_GITHUB };
struct identity_oidc_provider {
    const char *id; /* in paths */
    const char *name; /* on the button */
    enum identity_oidc_kind kind;
    const char *issuer; /* GitHub's: where its pages are */
    const char *api_url; /* GitHub's alone */
    const char *client_id, *client_secret, *scope;
};
#define IDENTITY_OIDC_PROVIDERS_MAX 8
#define IDENTITY_OIDC_JWT_ISSUERS_MAX 16
struct identity_oidc_options {
    struct identity_oidc_provider providers[IDENTITY_OIDC_PROVIDERS_MAX];
    size_t providers_n;
    /* Comma lists. A bearer's aud is one of the audiences and his azp one of the parties, where
     * those are given. */
    const char *jwt_issuers, *jwt_audiences, *jwt_parties;
    const char *ca_file; /* NULL: the system's */
};
struct identity_oidc;
/* Texts of the options live as long. */
struct identity_oidc *identity_oidc_new(const struct identity_oidc_options *options);
void identity_oidc_free(struct identity_oidc **oidc);
/* NULL behind the last. */
const struct identity_oidc_provider *identity_oidc_provider(const struct identity_oidc *oidc,
                                                            size_t i);
/* NULL: none. */
const struct identity_oidc_provider *identity_oidc_provider_of(const struct identity_oidc *oidc,
                                                               struct str id);
/* https://…, or http on loopback; for the configuration. */
bool identity_oidc_url_is_good(struct str url);

/* What a browser keeps, sealed, between its going and its coming back. */
#define IDENTITY_OIDC_SECRET_MAX 44
struct identity_oidc_flow {
    char provider[32];
    char state[IDENTITY_OIDC_SECRET_MAX], nonce[IDENTITY_OIDC_SECRET_MAX];
    char verifier[IDENTITY_OIDC_SECRET_MAX];
};
/* Makes the secrets; ret_url gets where to send the browser. */
MUST enum err identity_oidc_begin(struct identity_oidc *oidc, struct str provider,
                                  struct str redirect_uri, int64_t now_us,
                                  struct identity_oidc_flow *ret_flow, struct buf *ret_url);

struct identity_oidc_who {
    struct str issuer, subject;
    struct str email, name; /* may be empty */
    bool verified; /* the address is his, the issuer says */
};
/* `query` is that of the address which the browser came back to. */
MUST enum err identity_oidc_end(struct identity_oidc *oidc, const struct identity_oidc_flow *flow,
                                struct str query, struct str redirect_uri, int64_t now_us,
                                struct arena *a, struct identity_oidc_who *ret);
/* A token of one of the jwt_issuers. DENIED for everybody else's. */
MUST enum err identity_oidc_bearer(struct identity_oidc *oidc, struct str token, int64_t now_us,
                                   struct arena *a, struct identity_oidc_who *ret);

/* ---- whose account that is ---- */
/* NOT_FOUND when nobody is linked with it. */
MUST enum err identity_oidc_user(struct store_conn *conn, const struct identity_oidc_who *who,
                                 struct id *ret_user);
/* From now on this identity is the user's. CONFLICT when it is somebody else's. */
MUST enum err identity_oidc_link_in(struct store_conn *conn, const struct identity_oidc_who *who,
                                    struct id user, int64_t wall_us);
/* Can somebody with an identity of this issuer still be let in here? */
bool identity_oidc_lets_in(const struct identity_oidc *oidc, struct str issuer);
/* NULL: none of those that browsers are sent to. */
const struct identity_oidc_provider *identity_oidc_provider_by_issuer(
    const struct identity_oidc *oidc, struct str issuer);
struct identity_oidc_row {
    struct id id; /* made of issuer and subject: the same wherever they are linked */
    struct str issuer, subject, email;
    int64_t linked_us;
};
typedef void (*identity_oidc_row_f)(void *arg, const struct identity_oidc_row *row);
/* The user's, the oldest first. */
MUST enum err identity_oidc_list(struct store_conn *conn, struct id user, identity_oidc_row_f fn,
                                 void *arg);
/* NOT_FOUND unless it is the user's. */
MUST enum err identity_oidc_unlink_in(struct store_conn *conn, struct id user,
                                      const struct identity_oidc_row *row);
/* The user has gone. */
MUST enum err identity_oidc_forget_in(struct store_conn *conn, struct id user);

#endif

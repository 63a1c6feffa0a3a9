/* Keys that the house has its provider make for single users: sealed in the store, opened in
 * memory, shown to nobody.
 *
 * Owns: table upstream_key; the opened keys.
 * Needs: store, base.
 * Threads: identity_upstream_auth, _doubt and _trust on any thread (a short lock of one of 64
 * shards); functions ending in _in inside a store_write closure.
 * Memory: some 150 bytes per user who has one.
 * Units: µs, nano.
 * Errors: NOT_FOUND, DENIED (a sealed key does not open), CONFLICT.
 * Always: a key is used from the commit of its change on. */
#ifndef IDENTITY_UPSTREAM_H
#define IDENTITY_UPSTREAM_H

#include "base/crypto.h"
#include "base/err.h"
#include "base/id.h"
#include "store/store.h"

#define IDENTITY_UPSTREAM_SECRET_MAX 200
#define IDENTITY_UPSTREAM_AUTH_MAX 256
#define IDENTITY_UPSTREAM_HASH_MAX 128

struct identity_upstreams;
/* Opens all that the store has. */
MUST enum err identity_upstreams_open(struct store *store, const uint8_t seal[CRYPTO_KEY_LEN],
                                      struct identity_upstreams **ret);
void identity_upstreams_close(struct identity_upstreams **u);

/* "Authorization: Bearer …\r\n" of the user's key; empty when he has none. */
struct str identity_upstream_auth(struct identity_upstreams *u, struct id user,
                                  char text[IDENTITY_UPSTREAM_AUTH_MAX]);

/* The provider has refused it: the user goes without, until it is trusted again or another one is
 * there. True the first time. */
bool identity_upstream_doubt(struct identity_upstreams *u, struct id user);
void identity_upstream_trust(struct identity_upstreams *u, struct id user);

struct identity_upstream_row {
    char hash[IDENTITY_UPSTREAM_HASH_MAX + 1], old_hash[IDENTITY_UPSTREAM_HASH_MAX + 1];
    int64_t rotated_us;
};
MUST enum err identity_upstream_get(struct store_conn *conn, struct id user,
                                    struct identity_upstream_row *ret);
void identity_upstream_seal(const struct identity_upstreams *u, struct id user, struct str secret,
                            struct buf *out);
/* The user's key from now on; the one before becomes old_hash. CONFLICT while there is an old one
 * that the provider has not ended. */
MUST enum err identity_upstream_put_in(struct identity_upstreams *u, struct store_conn *conn,
                                       struct id user, struct str hash, struct str sealed,
                                       struct nano limit, int64_t wall_us);
/* The provider has no such key any more. */
MUST enum err identity_upstream_lost_in(struct identity_upstreams *u, struct store_conn *conn,
                                        struct id user, struct str hash);

#endif

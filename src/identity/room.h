/* What the files of this room share. Inside this room only.
 * Owns: the shape of struct identity.  Threads: any (immutable but for the table). */
#ifndef IDENTITY_ROOM_H
#define IDENTITY_ROOM_H

#include "identity/identity.h"
#include "identity/table.h"

struct identity {
    struct store *store;
    struct identity_table *table;
    char prefix[20]; /* with its underscore */
    size_t prefix_n;
    uint8_t pepper[CRYPTO_KEY_LEN], seal[CRYPTO_KEY_LEN];
    int64_t session_idle_us, session_max_us;
    struct identity_hasher *hasher;
    struct identity_brake *brake;
};

struct identity_hasher *identity_hasher_new(const struct identity_options *options);
void identity_hasher_free(struct identity_hasher **hasher);
struct identity_brake *identity_brake_new(void);
void identity_brake_free(struct identity_brake **brake);

/* HMAC of a secret for one purpose. */
void identity_mac(const struct identity *identity, const char *purpose, struct str secret,
                  uint8_t ret_mac[CRYPTO_HASH_LEN]);

/* A new key and its MAC. */
void identity_key_make(const struct identity *identity, char ret_text[IDENTITY_KEY_TEXT_MAX],
                       uint8_t ret_mac[CRYPTO_HASH_LEN]);
void identity_user_hash(const struct identity *identity, struct id user, char ret_text[17]);
MUST enum err identity_personal_team(struct store_conn *conn, struct id user, struct id *ret_team);
/* Keys of a team, of a user, or of a user in a team; a zero id is any, not both. */
MUST enum err identity_keys_revoke_in(struct identity *identity, struct store_conn *conn,
                                      struct id team, struct id user, int64_t at_us);
/* Of the columns of IDENTITY_KEY_BY_MAC. */
struct identity_record *identity_record_of_row(const struct identity *identity,
                                               const uint8_t mac[CRYPTO_HASH_LEN],
                                               const struct store_query *q);
/* Zero for NULL. */
struct id identity_column_id(const char *prefix, const struct store_query *q, int column);

#endif

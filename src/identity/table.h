/* The key table in memory: 64 shards by MAC, each under a short lock. Inside this room only.
 *
 * Owns: the records, what is known not to exist, the list of records to write last-used times of.
 * Threads: any.
 * Memory: a record is immutable (but for last_used_us) and counted; a change puts a copy in its
 * place. At most keys_max records; the least recently found of a few neighbours goes.
 * Always: every change bumps its shard's epoch; what was read from the store before the change is
 * refused by identity_table_put, so a load that races with a revocation cannot bring the key
 * back. */
#ifndef IDENTITY_TABLE_H
#define IDENTITY_TABLE_H

#include "identity/identity.h"

#define IDENTITY_SHARDS 64

struct identity_record;

struct identity_table;
struct identity_table *identity_table_new(size_t keys_max);
void identity_table_free(struct identity_table **table);

/* A record with one reference, holding copies of what `key` points to. */
struct identity_record *identity_record_new(const uint8_t mac[CRYPTO_HASH_LEN],
                                            const struct identity_key *key);
void identity_record_unref(struct identity_record **record);
struct identity_key *identity_record_key(struct identity_record *record);

enum identity_find identity_table_find(struct identity_table *t, const uint8_t mac[CRYPTO_HASH_LEN],
                                       struct identity_key **ret_key);
/* Last use as this process knows it; 0 when the key is not in memory. */
int64_t identity_table_last_used(struct identity_table *t, const uint8_t mac[CRYPTO_HASH_LEN]);

uint64_t identity_table_epoch(struct identity_table *t, const uint8_t mac[CRYPTO_HASH_LEN]);
/* What a load found (record NULL: no such key), unless the shard's epoch has moved on. Takes the
 * record either way; true when it is in. */
bool identity_table_put(struct identity_table *t, const uint8_t mac[CRYPTO_HASH_LEN],
                        struct identity_record **record, uint64_t epoch);

/* Control. A key as it is now, new or not, whatever was believed of it. Takes the record. */
void identity_table_create(struct identity_table *t, struct identity_record **record);
/* `change` edits a copy, which takes the record's place if the key is in memory. */
typedef void (*identity_change_f)(struct identity_key *key, const void *arg);
void identity_table_change(struct identity_table *t, const uint8_t mac[CRYPTO_HASH_LEN],
                           identity_change_f change, const void *arg);

/* Takes up to n records that were found since they were last taken, each with a reference. */
size_t identity_table_take_used(struct identity_table *t, struct identity_record **records,
                                size_t n);
/* To the list again (writing failed); takes the reference. */
void identity_table_give_used(struct identity_table *t, struct identity_record **record);
/* Notes what was written; false when nothing newer is there to write. */
bool identity_record_used(struct identity_record *record, int64_t *ret_last_used_us);
void identity_record_written(struct identity_record *record, int64_t last_used_us);

size_t identity_table_count(struct identity_table *t);

#endif

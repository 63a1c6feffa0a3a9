/* Answers kept by Idempotency-Key: the same key and body again get the same answer, another body
 * is refused, one that is still being worked on is told so.
 *
 * Owns: table idempotency.
 * Needs: store; the seal under which answers are kept.
 * Threads: all block: worker threads, or inside a store_write closure (…_in).
 * Memory: an answer is at most 1 MiB, larger ones are only remembered to have been given.
 * Units: µs.
 * Errors: IDEMPOTENCY_MISMATCH, IN_PROGRESS, CONFLICT (the answer is not to be had any more: too
 * large, or lost in a crash; the call itself is not made twice).
 * Always: sealed with the team's id and the key as context; gone after 24 hours. */
#ifndef GATEWAY_IDEMPOTENCY_H
#define GATEWAY_IDEMPOTENCY_H

#include "base/buf.h"
#include "base/crypto.h"
#include "base/id.h"
#include "store/store.h"

#define IDEMPOTENCY_KEY_MAX 255
#define IDEMPOTENCY_ANSWER_MAX (1u << 20)
#define IDEMPOTENCY_KEEP_US (INT64_C(24) * 3600 * 1000000)

struct idempotency {
    struct store *store;
    uint8_t seal[CRYPTO_KEY_LEN];
    struct id boot; /* of this process: claims of an earlier one will never be answered */
};

struct idempotency_key {
    struct id team;
    char text[IDEMPOTENCY_KEY_MAX + 1];
    size_t n;
    uint8_t body_hash[CRYPTO_HASH_LEN];
};

/* ERR_INVALID_REQUEST unless 1 to 255 printable ASCII characters. */
MUST enum err idempotency_key_make(struct idempotency_key *k, struct id team, struct str text,
                                   struct str method_and_path, struct str body);
/* OK: claimed, work. ret_answer non-empty: the kept answer. */
MUST enum err idempotency_claim(struct idempotency *i, const struct idempotency_key *k,
                                int64_t wall_us, struct buf *ret_answer);
MUST enum err idempotency_claim_in(struct idempotency *i, struct store_conn *conn,
                                   const struct idempotency_key *k, int64_t wall_us,
                                   struct buf *ret_answer);
/* Keeps the answer. Empty: too large to keep. */
MUST enum err idempotency_store_in(struct idempotency *i, struct store_conn *conn,
                                   const struct idempotency_key *k, struct str answer);
/* Nothing was done: the key is free again. */
MUST enum err idempotency_drop_in(struct store_conn *conn, const struct idempotency_key *k);
/* Once in a while. */
MUST enum err idempotency_expire_in(struct store_conn *conn, int64_t wall_us);

#endif

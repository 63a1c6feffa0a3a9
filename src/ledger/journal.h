/* Reads the journal back, some rows at a time, and checks its chain.
 *
 * A row's body begins with a byte that says how the records are kept:
 *   1   as they are, behind each other
 *   2   their length (4 bytes, little-endian), then one LZ4 block of them
 *
 * Owns: that form, and a copy of the rows read last.  Needs: store, base, LZ4.  Threads: one.
 * Memory: rows point into the reader until the next journal_read.
 * Units: rows by their seq, from 1 on.
 * Errors: CORRUPT when seq is not dense, or a hash is not that of the row before and the body.
 * Always: no query is open between two calls, so that the caller may run his own. */
#ifndef LEDGER_JOURNAL_H
#define LEDGER_JOURNAL_H

#include "base/crypto.h"
#include "ledger/record.h"
#include "store/store.h"

#define JOURNAL_ROWS 64
#define JOURNAL_ENTRY_HEAD ((size_t)32 + CRYPTO_HASH_LEN)

struct journal_row {
    uint64_t seq, records;
    int64_t at;
    uint8_t hash[CRYPTO_HASH_LEN];
    struct str body; /* as it is kept */
    struct str plain; /* its records, once it was opened */
    bool broken; /* the chain does not hold here */
};
/* The body of a row with these records: the shorter form. */
void journal_pack(struct buf *body, struct str plain);
/* Its records, behind what the buffer has; CORRUPT for bytes that journal_pack has not made. */
MUST enum err journal_open(struct buf *plain, struct str body);
/* A row as the redo log has it, its parts behind each other. */
void journal_entry_put(struct buf *b, const struct journal_row *row);
/* Takes the first one off *s; CORRUPT when it is none. */
MUST enum err journal_entry_take(struct str *s, struct journal_row *ret_row);
/* SHA-256 of the hash before and the body. */
void journal_hash(struct crypto_hasher *hasher, const uint8_t before[CRYPTO_HASH_LEN],
                  struct str body, uint8_t ret_hash[CRYPTO_HASH_LEN]);

struct journal {
    struct store_conn *conn;
    struct str node;
    struct crypto_hasher *hasher;
    uint64_t next; /* to be read */
    uint8_t hash[CRYPTO_HASH_LEN]; /* of the row before */
    struct journal_row rows[JOURNAL_ROWS];
    size_t n;
    struct buf bytes, plain;
};

/* Behind row `seq` with that hash; 0 and zeros: from the first. */
void journal_init(struct journal *j, struct store_conn *conn, struct str node, uint64_t seq,
                  const uint8_t hash[CRYPTO_HASH_LEN]);
void journal_fini(struct journal *j);
/* The next rows; j->n is 0 at the end. A break of the chain is marked in the row, and the chain
 * goes on from what the row says. */
MUST enum err journal_read(struct journal *j);
/* Takes the next record of a row off *plain: ERR_END after the last. */
MUST enum err journal_record(struct str *plain, struct record *ret_record);
/* Some row of that time or before it, as a place to look from: binary search. 1 when in doubt. */
MUST enum err journal_seek(struct store_conn *conn, struct str node, int64_t at, uint64_t *ret_seq);

#endif

/* The journal, read back. */
#include "ledger/journal.h"
#include "base/mem.h"

#include <lz4.h>

#define READ_BYTES ((size_t)4 << 20)
#define PACKED_HEAD 5
/* LZ4 makes at most so much of a byte. */
#define UNPACKED_MAX(n) ((n)*255)

enum form { FORM_PLAIN = 1, FORM_LZ4 = 2 };

void journal_pack(struct buf *body, struct str plain)
{
    must(plain.n <= LZ4_MAX_INPUT_SIZE);
    buf_byte(body, FORM_LZ4);
    buf_le(body, plain.n, PACKED_HEAD - 1);
    int room = LZ4_compressBound((int)plain.n);
    char *to = buf_reserve(body, (size_t)room);
    must(to != NULL);
    size_t n = (size_t)LZ4_compress_default(plain.p, to, (int)plain.n, room);
    if (PACKED_HEAD + n < 1 + plain.n) {
        body->n += n;
        return;
    }
    buf_reset(body);
    buf_byte(body, FORM_PLAIN);
    buf_add(body, plain);
}

enum err journal_open(struct buf *plain, struct str body)
{
    if (body.n != 0 && body.p[0] == FORM_PLAIN) {
        buf_add(plain, str_from(body, 1));
        return OK;
    }
    if (body.n < PACKED_HEAD || body.p[0] != FORM_LZ4)
        return ERR_CORRUPT;
    uint64_t n = record_le(body.p + 1, PACKED_HEAD - 1);
    struct str block = str_from(body, PACKED_HEAD);
    if (n > LZ4_MAX_INPUT_SIZE || n > UNPACKED_MAX(block.n) || block.n > LZ4_MAX_INPUT_SIZE)
        return ERR_CORRUPT;
    char *to = buf_reserve(plain, (size_t)n + 1);
    if (to == NULL || LZ4_decompress_safe(block.p, to, (int)block.n, (int)n) != (int)n)
        return ERR_CORRUPT;
    plain->n += (size_t)n;
    return OK;
}

void journal_init(struct journal *j, struct store_conn *conn, struct str node, uint64_t seq,
                  const uint8_t hash[CRYPTO_HASH_LEN])
{
    *j = (struct journal){.conn = conn, .node = node, .next = seq + 1};
    memcpy(j->hash, hash, sizeof(j->hash));
    j->hasher = crypto_hasher_new();
    buf_init(&j->bytes, SIZE_MAX / 2);
    buf_init(&j->plain, SIZE_MAX / 2);
}

void journal_fini(struct journal *j)
{
    crypto_hasher_free(&j->hasher);
    buf_fini(&j->bytes);
    buf_fini(&j->plain);
}

void journal_hash(struct crypto_hasher *hasher, const uint8_t before[CRYPTO_HASH_LEN],
                  struct str body, uint8_t ret_hash[CRYPTO_HASH_LEN])
{
    crypto_hasher_start(hasher);
    crypto_hasher_add(hasher, str_of((const char *)before, CRYPTO_HASH_LEN));
    crypto_hasher_add(hasher, body);
    crypto_hasher_end(hasher, ret_hash);
}

void journal_entry_put(struct buf *b, const struct journal_row *row)
{
    buf_le(b, row->seq, 8);
    buf_le(b, (uint64_t)row->at, 8);
    buf_le(b, row->records, 8);
    buf_le(b, row->body.n, 8);
    buf_add(b, str_of((const char *)row->hash, sizeof(row->hash)));
    buf_add(b, row->body);
}

enum err journal_entry_take(struct str *s, struct journal_row *ret_row)
{
    size_t head = JOURNAL_ENTRY_HEAD;
    if (s->n < head || record_le(s->p + 24, 8) > s->n - head)
        return ERR_CORRUPT;
    *ret_row = (struct journal_row){.seq = record_le(s->p, 8),
                                    .at = (int64_t)record_le(s->p + 8, 8),
                                    .records = record_le(s->p + 16, 8),
                                    .body = str_of(s->p + head, record_le(s->p + 24, 8))};
    memcpy(ret_row->hash, s->p + 32, sizeof(ret_row->hash));
    *s = str_from(*s, head + ret_row->body.n);
    return OK;
}

/* The body's place is known when all rows are read, since the buffers move. */
static void row_take(struct journal *j, const struct store_query *q)
{
    struct journal_row *row = &j->rows[j->n++];
    struct str hash = store_str(q, 3), body = store_str(q, 4);
    *row = (struct journal_row){.seq = (uint64_t)store_i64(q, 0),
                                .at = store_i64(q, 1),
                                .records = (uint64_t)store_i64(q, 2)};
    if (hash.n == sizeof(row->hash))
        memcpy(row->hash, hash.p, hash.n);
    else
        row->broken = true;
    row->body = str_of(NULL, body.n);
    buf_add(&j->bytes, body);
    size_t before = j->plain.n;
    row->broken = row->broken || journal_open(&j->plain, body) != OK;
    row->plain = str_of(NULL, j->plain.n - before);
}

static void row_check(struct journal *j, struct journal_row *row)
{
    uint8_t hash[CRYPTO_HASH_LEN];
    journal_hash(j->hasher, j->hash, row->body, hash);
    if (row->seq != j->next || memcmp(hash, row->hash, sizeof(hash)) != 0)
        row->broken = true;
    memcpy(j->hash, row->hash, sizeof(j->hash));
    j->next = row->seq + 1;
}

enum err journal_read(struct journal *j)
{
    struct store_query *q = NULL;
    j->n = 0;
    buf_reset(&j->bytes);
    buf_reset(&j->plain);
    enum err e = store_start(j->conn, SQL_LEDGER_JOURNAL_FROM, &q, "tii", j->node, (int64_t)j->next,
                             (int64_t)JOURNAL_ROWS);
    while (e == OK && j->n < JOURNAL_ROWS && j->plain.n < READ_BYTES && (e = store_step(q)) == OK)
        row_take(j, q);
    store_finish(&q);
    if (e != OK && e != ERR_END)
        return e;
    struct str bytes = buf_str(&j->bytes), plain = buf_str(&j->plain);
    for (size_t i = 0; i < j->n; i++) {
        struct journal_row *row = &j->rows[i];
        row->body = str_upto(bytes, row->body.n);
        bytes = str_from(bytes, row->body.n);
        row->plain = str_upto(plain, row->plain.n);
        plain = str_from(plain, row->plain.n);
        row_check(j, row);
    }
    return OK;
}

enum err journal_record(struct str *plain, struct record *ret_record)
{
    return plain->n == 0 ? ERR_END : record_take(plain, ret_record);
}

static enum err at_of(struct store_conn *conn, struct str node, uint64_t seq, int64_t *ret_at)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_LEDGER_JOURNAL_AT, &q, "ti", node, (int64_t)seq);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_at = store_i64(q, 0);
    store_finish(&q);
    return e;
}

static enum err head_of(struct store_conn *conn, struct str node, uint64_t *ret_seq)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_LEDGER_JOURNAL_HEAD, &q, "t", node);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_seq = (uint64_t)store_i64(q, 0);
    if (e == ERR_END) {
        *ret_seq = 0;
        e = OK;
    }
    store_finish(&q);
    return e;
}

/* A row's `at` is the latest of all records up to it, so it never falls. */
enum err journal_seek(struct store_conn *conn, struct str node, int64_t at, uint64_t *ret_seq)
{
    uint64_t low = 1, high = 0;
    enum err e = head_of(conn, node, &high);
    while (e == OK && low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        int64_t there = 0;
        e = at_of(conn, node, middle, &there);
        if (e == OK && there < at)
            low = middle;
        else
            high = middle - 1;
    }
    if (e == OK)
        *ret_seq = low;
    return e;
}

/* The journal, read back. */
#include "ledger/journal.h"
#include "base/mem.h"

#define READ_BYTES ((size_t)4 << 20)

void journal_init(struct journal *j, struct store_conn *conn, struct str node, uint64_t seq,
                  const uint8_t hash[CRYPTO_HASH_LEN])
{
    *j = (struct journal){.conn = conn, .node = node, .next = seq + 1};
    memcpy(j->hash, hash, sizeof(j->hash));
    j->hasher = crypto_hasher_new();
    buf_init(&j->bytes, SIZE_MAX / 2);
}

void journal_fini(struct journal *j)
{
    crypto_hasher_free(&j->hasher);
    buf_fini(&j->bytes);
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

/* The body's place is an offset until all rows are read, since the buffer moves. */
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
    enum err e = store_start(j->conn, SQL_LEDGER_JOURNAL_FROM, &q, "tii", j->node, (int64_t)j->next,
                             (int64_t)JOURNAL_ROWS);
    while (e == OK && j->n < JOURNAL_ROWS && j->bytes.n < READ_BYTES && (e = store_step(q)) == OK)
        row_take(j, q);
    store_finish(&q);
    if (e != OK && e != ERR_END)
        return e;
    size_t at = 0;
    for (size_t i = 0; i < j->n; i++) {
        j->rows[i].body = str_of(buf_str(&j->bytes).p + at, j->rows[i].body.n);
        at += j->rows[i].body.n;
        row_check(j, &j->rows[i]);
    }
    return OK;
}

enum err journal_record(struct str *body, bool *started, struct record *ret_record)
{
    if (!*started) {
        if (body->n == 0 || body->p[0] != RECORD_FORMAT)
            return ERR_CORRUPT;
        *body = str_from(*body, 1);
        *started = true;
    }
    return body->n == 0 ? ERR_END : record_take(body, ret_record);
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

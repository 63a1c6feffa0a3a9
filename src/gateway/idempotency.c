/* The table of kept answers. */
#include "gateway/idempotency.h"

static struct str text_of(const struct idempotency_key *k)
{
    return str_of(k->text, k->n);
}

enum err idempotency_key_make(struct idempotency_key *k, struct id team, struct str text,
                              struct str method_and_path, struct str body)
{
    if (text.n == 0 || text.n > IDEMPOTENCY_KEY_MAX)
        return ERR_INVALID_REQUEST;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < 0x20 || text.p[i] > 0x7E)
            return ERR_INVALID_REQUEST;
    struct crypto_hasher *h = crypto_hasher_new();
    *k = (struct idempotency_key){.team = team, .n = text.n};
    memcpy(k->text, text.p, text.n);
    crypto_hasher_start(h);
    crypto_hasher_add(h, method_and_path);
    crypto_hasher_add(h, STR("\n"));
    crypto_hasher_add(h, body);
    crypto_hasher_end(h, k->body_hash);
    crypto_hasher_free(&h);
    return OK;
}

/* What the seal is bound to. */
static struct str context(const struct idempotency_key *k, char text[16 + IDEMPOTENCY_KEY_MAX])
{
    memcpy(text, k->team.b, 16);
    memcpy(text + 16, k->text, k->n);
    return str_of(text, 16 + k->n);
}

static enum err read_row(struct idempotency *i, const struct idempotency_key *k,
                         const struct store_query *q, struct buf *ret_answer)
{
    char text[16 + IDEMPOTENCY_KEY_MAX];
    struct str hash = store_str(q, 0);
    if (hash.n != CRYPTO_HASH_LEN || memcmp(hash.p, k->body_hash, CRYPTO_HASH_LEN) != 0)
        return ERR_IDEMPOTENCY_MISMATCH;
    switch (store_i64(q, 2)) {
    case 0: return str_eq(store_str(q, 1), id_bytes(&i->boot)) ? ERR_IN_PROGRESS : ERR_CONFLICT;
    case 1: return crypto_open(i->seal, context(k, text), store_str(q, 3), ret_answer);
    default: return ERR_CONFLICT;
    }
}

enum err idempotency_claim_in(struct idempotency *i, struct store_conn *conn,
                              const struct idempotency_key *k, int64_t wall_us,
                              struct buf *ret_answer)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_IDEMPOTENCY_GET, &q, "bt", id_bytes(&k->team), text_of(k));
    if (e == OK)
        e = store_step(q);
    bool there = e == OK && store_i64(q, 4) > wall_us - IDEMPOTENCY_KEEP_US;
    if (there)
        e = read_row(i, k, q, ret_answer);
    else if (e == ERR_END)
        e = OK;
    store_finish(&q);
    if (e != OK || there)
        return e;
    return store_run(conn, SQL_IDEMPOTENCY_CLAIM, NULL, "btbbbi", id_bytes(&k->team), text_of(k),
                     str_of((const char *)k->body_hash, CRYPTO_HASH_LEN), id_bytes(&i->boot),
                     STR(""), wall_us);
}

struct claim {
    struct idempotency *i;
    const struct idempotency_key *k;
    int64_t wall_us;
    struct buf *answer;
};

static enum err claim(struct store_conn *conn, void *arg)
{
    struct claim *c = arg;
    return idempotency_claim_in(c->i, conn, c->k, c->wall_us, c->answer);
}

enum err idempotency_claim(struct idempotency *i, const struct idempotency_key *k, int64_t wall_us,
                           struct buf *ret_answer)
{
    struct claim c = {i, k, wall_us, ret_answer};
    return store_write(i->store, claim, &c);
}

enum err idempotency_store_in(struct idempotency *i, struct store_conn *conn,
                              const struct idempotency_key *k, struct str answer)
{
    char text[16 + IDEMPOTENCY_KEY_MAX];
    struct buf sealed;
    bool keep = answer.n != 0 && answer.n <= IDEMPOTENCY_ANSWER_MAX;
    buf_init(&sealed, IDEMPOTENCY_ANSWER_MAX + CRYPTO_SEAL_EXTRA);
    if (keep)
        crypto_seal(i->seal, context(k, text), answer, &sealed);
    enum err e = store_run(conn, SQL_IDEMPOTENCY_STORE, NULL, "btib", id_bytes(&k->team),
                           text_of(k), keep ? INT64_C(1) : INT64_C(2), buf_str(&sealed));
    buf_fini(&sealed);
    return e;
}

enum err idempotency_drop_in(struct store_conn *conn, const struct idempotency_key *k)
{
    return store_run(conn, SQL_IDEMPOTENCY_DROP, NULL, "bt", id_bytes(&k->team), text_of(k));
}

enum err idempotency_expire_in(struct store_conn *conn, int64_t wall_us)
{
    return store_run(conn, SQL_IDEMPOTENCY_EXPIRE, NULL, "i", wall_us - IDEMPOTENCY_KEEP_US);
}

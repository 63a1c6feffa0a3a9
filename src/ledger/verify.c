/* The proof: everything is computed again from the journal's first row, in a model of its own, and
 * held against every table; and the balances once more from the transfers alone. */
#include "base/mem.h"
#include "ledger/inside.h"
#include "ledger/journal.h"
#include "ledger/waiting.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct check {
    struct store_conn *conn;
    struct model *model;
    struct ledger_verdict verdict;
    struct buf *report;
    uint64_t upto; /* the checkpoint: so far the tables go */
    uint8_t upto_hash[CRYPTO_HASH_LEN];
    int64_t at;
    uint64_t keys;
};

static void wrong(struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void wrong(struct check *c, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    c->verdict.mismatches++;
    buf_add(c->report, str_of(line, n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1));
    buf_byte(c->report, '\n');
}

static void figure(struct check *c, const char *what, struct id id, const char *name, int64_t is,
                   int64_t should)
{
    char text[ID_TEXT_MAX];
    const char *house = model_house_name(id);
    if (is != should)
        wrong(c, "%s %s: %s is %" PRId64 ", the journal says %" PRId64, what,
              house != NULL ? house : id_text("", id, text).p, name, is, should);
}

static void bytes(struct check *c, const char *what, struct id id, const char *name, struct str is,
                  struct str should)
{
    char text[ID_TEXT_MAX];
    if (!str_eq(is, should))
        wrong(c, "%s %s: %s is not what the journal says", what, id_text("", id, text).p, name);
}

static void stray(struct check *c, const char *what, struct id id)
{
    char text[ID_TEXT_MAX];
    wrong(c, "%s %s: the journal knows nothing of it", what, id_text("", id, text).p);
}

static void missing(struct check *c, const char *what, struct id id)
{
    char text[ID_TEXT_MAX];
    wrong(c, "%s %s: is missing", what, id_text("", id, text).p);
}

/* ---- along the journal ---- */

static enum err check_move(void *arg, const struct move *m)
{
    struct check *c = arg;
    struct store_query *q = NULL;
    c->verdict.transfers++;
    enum err e = store_start(c->conn, SQL_LEDGER_TRANSFER_GET, &q, "bi", id_bytes(&m->group),
                             (int64_t)m->n);
    if (e == OK)
        e = store_step(q);
    if (e == ERR_END) {
        missing(c, "transfer of", m->group);
        e = OK;
    } else if (e == OK) {
        bytes(c, "transfer of", m->group, "debit", store_str(q, 0), id_bytes(&m->debit));
        bytes(c, "transfer of", m->group, "credit", store_str(q, 1), id_bytes(&m->credit));
        figure(c, "transfer of", m->group, "amount", store_i64(q, 2), m->amount);
        bytes(c, "transfer of", m->group, "reason", store_str(q, 3), str_c(m->reason));
        figure(c, "transfer of", m->group, "at", store_i64(q, 4), m->at);
        bytes(c, "transfer of", m->group, "corrects", store_str(q, 5),
              id_is_zero(m->corrects) ? STR("") : id_bytes(&m->corrects));
    }
    store_finish(&q);
    return e;
}

static enum err check_key(struct check *c, const struct record *r)
{
    struct store_query *q = NULL;
    c->keys++;
    enum err e = store_start(c->conn, SQL_LEDGER_KEY_GET, &q, "t", r->about);
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        bool same = str_eq(store_str(q, 0), str_of((const char *)r->hash, sizeof(r->hash))) &&
                    str_eq(store_str(q, 1), r->reason) && store_i64(q, 2) == r->amount &&
                    store_i64(q, 3) == r->at;
        if (!same)
            wrong(c, "idempotency key %.*s: is not what the journal says", STR_ARG(r->about));
    } else if (e == ERR_END) {
        wrong(c, "idempotency key %.*s: is missing", STR_ARG(r->about));
        e = OK;
    }
    store_finish(&q);
    return e;
}

/* What the row has posted, against the transfers. */
static enum err check_moves(struct check *c)
{
    enum err e = OK;
    for (size_t i = 0; i < c->model->moves_n && e == OK; i++)
        e = check_move(c, &c->model->moves[i]);
    for (const struct hold *h = c->model->ended; h != NULL && e == OK; h = h->next)
        e = model_hold_moves(h, check_move, c);
    (void)model_cut(c->model);
    model_projected(c->model);
    return e;
}

static enum err check_row(struct check *c, const struct journal_row *row)
{
    struct str plain = row->plain;
    uint64_t n = 0;
    struct record r;
    enum err e;
    if (row->broken)
        wrong(c, "journal row %" PRIu64 ": the chain of hashes is broken", row->seq);
    while ((e = journal_record(&plain, &r)) == OK) {
        n++;
        if (r.at > c->at)
            c->at = r.at;
        if (r.type == RECORD_KEY && (e = check_key(c, &r)) != OK)
            return e;
        if (row->seq <= c->upto && model_apply(c->model, &r) != OK)
            wrong(c, "journal row %" PRIu64 ": record %" PRIu64 " (%s) contradicts those before",
                  row->seq, n, record_name(r.type));
    }
    if (e != ERR_END)
        wrong(c, "journal row %" PRIu64 ": record %" PRIu64 " cannot be read", row->seq, n + 1);
    if (row->records != n || row->at != c->at)
        wrong(c, "journal row %" PRIu64 ": its count of records or its time is wrong", row->seq);
    if (row->seq == c->upto && memcmp(row->hash, c->upto_hash, sizeof(c->upto_hash)) != 0)
        wrong(c, "checkpoint: its hash is not that of journal row %" PRIu64, row->seq);
    c->verdict.batches++;
    c->verdict.records += n;
    return check_moves(c);
}

static enum err check_journal(struct check *c, struct str node)
{
    static const uint8_t zeros[CRYPTO_HASH_LEN];
    struct journal j;
    uint64_t last = 0;
    journal_init(&j, c->conn, node, 0, zeros);
    enum err e = journal_read(&j);
    while (e == OK && j.n != 0) {
        for (size_t i = 0; i < j.n && e == OK; i++) {
            e = check_row(c, &j.rows[i]);
            last = j.rows[i].seq;
        }
        if (e == OK)
            e = journal_read(&j);
    }
    journal_fini(&j);
    if (e == OK && last < c->upto)
        wrong(c, "journal: ends at row %" PRIu64 ", but the tables go up to %" PRIu64, last,
              c->upto);
    return e;
}

/* ---- the tables ---- */

static enum err check_accounts(struct check *c)
{
    struct store_query *q = NULL;
    struct nano sum = NANO(0);
    uint64_t house = 0;
    enum err e = store_start(c->conn, SQL_LEDGER_ACCOUNT_ALL, &q, "");
    while (e == OK && (e = store_step(q)) == OK) {
        struct id id = id_of_bytes(store_str(q, 0));
        const struct ledger_account *a = model_find(c->model, id);
        int64_t balance = store_i64(q, 2);
        c->verdict.accounts++;
        if (a == NULL) {
            stray(c, "account", id);
            continue;
        }
        house += a->kind == MODEL_KIND_HOUSE;
        figure(c, "account", id, "kind", store_i64(q, 1), a->kind);
        figure(c, "account", id, "balance", balance, a->posted);
        figure(c, "account", id, "limit", store_i64(q, 3), a->limit);
        figure(c, "account", id, "off", store_i64(q, 4), a->is_off);
        figure(c, "account", id, "opened_at", store_i64(q, 5), a->opened_at);
        if (a->kind != LEDGER_CAP && nano_add(sum, NANO(balance), &sum) != OK)
            wrong(c, "accounts: their sum is out of range");
    }
    store_finish(&q);
    if (sum.v != 0)
        wrong(c, "accounts: their sum is %" PRId64 ", not 0", sum.v);
    uint64_t should = 0;
    size_t at = 0;
    for (struct ledger_account *a = model_account_next(c->model, &at); a != NULL;
         a = model_account_next(c->model, &at)) {
        should += a->kind != MODEL_KIND_HOUSE;
        if (a->kind == LEDGER_WALLET && a->posted - a->held < -a->limit)
            figure(c, "account", a->id, "available", a->posted - a->held, -a->limit);
    }
    if (c->verdict.accounts - house != should)
        wrong(c, "accounts: %" PRIu64 " wallets and caps, the journal says %" PRIu64,
              c->verdict.accounts - house, should);
    return e == ERR_END ? OK : e;
}

static enum err check_lots(struct check *c)
{
    struct store_query *q = NULL;
    enum err e = store_start(c->conn, SQL_LEDGER_LOT_ALL, &q, "");
    while (e == OK && (e = store_step(q)) == OK) {
        struct id id = id_of_bytes(store_str(q, 0));
        const struct lot *lot = model_lot(c->model, id);
        c->verdict.lots++;
        if (lot == NULL) {
            stray(c, "lot", id);
            continue;
        }
        bytes(c, "lot", id, "wallet", store_str(q, 1), id_bytes(&lot->wallet->id));
        figure(c, "lot", id, "kind", store_i64(q, 2), lot->kind);
        figure(c, "lot", id, "amount", store_i64(q, 3), lot->amount);
        figure(c, "lot", id, "remaining", store_i64(q, 4), lot->remaining);
        figure(c, "lot", id, "priority", store_i64(q, 5), lot->priority);
        figure(c, "lot", id, "expires_at", store_i64(q, 6), lot->expires);
        bytes(c, "lot", id, "source", store_str(q, 7), id_bytes(&lot->source));
        bytes(c, "lot", id, "reason", store_str(q, 8), str_c(lot->reason));
        figure(c, "lot", id, "granted_at", store_i64(q, 9), lot->at);
    }
    store_finish(&q);
    if (c->verdict.lots != c->model->lots.n)
        wrong(c, "lots: %" PRIu64 " rows, the journal says %zu", c->verdict.lots, c->model->lots.n);
    return e == ERR_END ? OK : e;
}

static void check_hold(struct check *c, const struct store_query *q, const struct hold *h)
{
    static const struct id none;
    struct buf parts;
    buf_init(&parts, SIZE_MAX / 2);
    for (size_t i = 0; i < h->splits_n; i++) {
        const struct split *s = &h->splits[i];
        record_part_put(&parts, s->lot != NULL ? s->lot->id : h->wallet->id, s->amount);
    }
    struct id id = h->call;
    bytes(c, "hold", id, "wallet", store_str(q, 1), id_bytes(&h->wallet->id));
    for (int i = 0; i < RECORD_CAPS_MAX; i++)
        bytes(c, "hold", id, "cap", store_str(q, 2 + i),
              id_bytes(h->caps[i] != NULL ? &h->caps[i]->id : &none));
    figure(c, "hold", id, "amount", store_i64(q, 4), h->amount);
    figure(c, "hold", id, "held_at", store_i64(q, 5), h->held_at);
    figure(c, "hold", id, "dispatched_at", store_i64(q, 6), h->dispatched_at);
    figure(c, "hold", id, "attempts", store_i64(q, 7), h->attempts);
    figure(c, "hold", id, "has_checkpoint", !store_is_null(q, 8), h->has_checkpoint);
    if (h->has_checkpoint)
        figure(c, "hold", id, "checkpoint", store_i64(q, 8), h->checkpoint);
    bytes(c, "hold", id, "parts", store_str(q, 9), buf_str(&parts));
    bytes(c, "hold", id, "hold_about", store_str(q, 10), model_text(h, TEXT_HOLD));
    bytes(c, "hold", id, "dispatch_about", store_str(q, 11), model_text(h, TEXT_DISPATCH));
    bytes(c, "hold", id, "checkpoint_about", store_str(q, 12), model_text(h, TEXT_CHECKPOINT));
    bytes(c, "hold", id, "upstream_id", store_str(q, 13), model_text(h, TEXT_UPSTREAM));
    buf_fini(&parts);
}

static enum err check_holds(struct check *c)
{
    struct store_query *q = NULL;
    enum err e = store_start(c->conn, SQL_LEDGER_HOLD_ALL, &q, "");
    while (e == OK && (e = store_step(q)) == OK) {
        struct id id = id_of_bytes(store_str(q, 0));
        const struct hold *h = idmap_find(&c->model->open, id);
        c->verdict.open_holds++;
        if (h == NULL)
            stray(c, "hold", id);
        else
            check_hold(c, q, h);
    }
    store_finish(&q);
    if (c->verdict.open_holds != c->model->open.n)
        wrong(c, "holds: %" PRIu64 " rows, the journal says %zu", c->verdict.open_holds,
              c->model->open.n);
    return e == ERR_END ? OK : e;
}

static enum err check_count(struct check *c, enum sql_id sql, const char *what, uint64_t should)
{
    struct store_query *q = NULL;
    enum err e = store_start(c->conn, sql, &q, "");
    if (e == OK)
        e = store_step(q);
    if (e == OK && (uint64_t)store_i64(q, 0) != should)
        wrong(c, "%s: %" PRId64 " rows, the journal says %" PRIu64, what, store_i64(q, 0), should);
    store_finish(&q);
    return e;
}

/* Without the model's arithmetic: each account is the sum of what the transfers moved. */
static enum err check_sums(struct check *c)
{
    struct store_query *q = NULL;
    enum err e = store_start(c->conn, SQL_LEDGER_SUMS, &q, "");
    while (e == OK && (e = store_step(q)) == OK) {
        struct id id = id_of_bytes(store_str(q, 0));
        const struct lot *lot = model_lot(c->model, id);
        const struct ledger_account *a = lot == NULL ? model_find(c->model, id) : NULL;
        if (lot != NULL)
            figure(c, "transfers of lot", id, "sum", store_i64(q, 1), lot->remaining);
        else if (a != NULL)
            figure(c, "transfers of account", id, "sum", store_i64(q, 1),
                   a->kind == LEDGER_WALLET ? -a->debt : a->posted);
        else
            stray(c, "transfers of account", id);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

static enum err check_start(struct check *c, struct str node)
{
    struct store_query *q = NULL;
    enum err e = store_start(c->conn, SQL_LEDGER_CHECKPOINT_GET, &q, "t", node);
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        struct str hash = store_str(q, 1);
        c->upto = (uint64_t)store_i64(q, 0);
        if (hash.n == sizeof(c->upto_hash))
            memcpy(c->upto_hash, hash.p, hash.n);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err ledger_verify(struct ledger *ledger, struct store_conn *conn,
                       struct ledger_verdict *ret_verdict, struct buf *report)
{
    struct check c = {.conn = conn, .report = report, .model = model_new()};
    struct str node = str_c(ledger->node);
    enum err e = check_start(&c, node);
    if (e == OK)
        e = check_journal(&c, node);
    if (e == OK)
        e = check_accounts(&c);
    if (e == OK)
        e = check_lots(&c);
    if (e == OK)
        e = check_holds(&c);
    if (e == OK)
        e = check_count(&c, SQL_LEDGER_TRANSFER_COUNT, "transfers", c.verdict.transfers);
    if (e == OK)
        e = check_count(&c, SQL_LEDGER_KEY_COUNT, "idempotency keys", c.keys);
    if (e == OK)
        e = check_sums(&c);
    model_free(&c.model);
    if (e == OK)
        *ret_verdict = c.verdict;
    return e;
}

/* A start: the tables as they were at the checkpoint, the rows behind it, and the holds that nobody
 * ended. */
#include "ledger/inside.h"
#include "ledger/journal.h"

#include <stdio.h>

static enum err say(char why[STORE_WHY_MAX], enum err e, const char *what)
{
    snprintf(why, STORE_WHY_MAX, "%s", what);
    return e;
}

static enum err load_accounts(struct ledger *l, struct store_conn *conn)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_LEDGER_ACCOUNT_ALL, &q, "");
    while (e == OK && (e = store_step(q)) == OK) {
        struct id id = id_of_bytes(store_str(q, 0));
        int64_t kind = store_i64(q, 1);
        struct ledger_account *a = model_find(l->model, id);
        if (kind < 0 || kind > MODEL_KIND_HOUSE || (a != NULL) != (kind == MODEL_KIND_HOUSE)) {
            e = ERR_CORRUPT;
            break;
        }
        if (a == NULL)
            a = model_account_add(l->model, id, (unsigned)kind);
        a->posted = store_i64(q, 2);
        a->limit = store_i64(q, 3);
        a->is_off = store_i64(q, 4);
        a->opened_at = store_i64(q, 5);
        /* Until the lots are there, all of it is owed or lot-less. */
        a->debt = kind == LEDGER_WALLET ? -a->posted : 0;
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err ledger_lot_row(struct model *m, const struct store_query *q, struct lot *ret_lot)
{
    struct lot lot = {
        .id = id_of_bytes(store_str(q, 0)),
        .wallet = model_find(m, id_of_bytes(store_str(q, 1))),
        .kind = (unsigned)store_i64(q, 2),
        .amount = store_i64(q, 3),
        .remaining = store_i64(q, 4),
        .priority = store_i64(q, 5),
        .expires = store_i64(q, 6),
        .source = id_of_bytes(store_str(q, 7)),
        .at = store_i64(q, 9),
        .in_table = true,
    };
    if (lot.wallet == NULL || lot.wallet->kind != LEDGER_WALLET || lot.remaining < 0)
        return ERR_CORRUPT;
    *ret_lot = lot;
    return OK;
}

static enum err load_lots(struct ledger *l, struct store_conn *conn)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_LEDGER_LOT_LIVE, &q, "");
    while (e == OK && (e = store_step(q)) == OK) {
        struct lot lot;
        e = ledger_lot_row(l->model, q, &lot);
        if (e != OK)
            break;
        lot.wallet->debt += lot.remaining;
        (void)model_lot_load(l->model, &lot, store_str(q, 8));
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err ledger_lot_need(struct model *m, struct store_conn *conn, struct id id)
{
    if (model_lot(m, id) != NULL)
        return OK;
    struct store_query *q = NULL;
    struct lot lot;
    enum err e = store_start(conn, SQL_LEDGER_LOT_GET, &q, "b", id_bytes(&id));
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        e = ledger_lot_row(m, q, &lot);
    if (e == OK)
        (void)model_lot_load(m, &lot, store_str(q, 8));
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

static enum err load_parts(struct ledger *l, struct hold *h, struct str parts)
{
    int64_t left = h->amount;
    if (parts.n % RECORD_PART_LEN != 0)
        return ERR_CORRUPT;
    for (size_t i = 0; i < record_parts(parts); i++) {
        struct record_part part = record_part(parts, i);
        struct lot *lot = model_lot(l->model, part.id);
        if (part.amount <= 0 || part.amount > left)
            return ERR_CORRUPT;
        if (lot == NULL && !id_eq(part.id, h->wallet->id))
            return ERR_CORRUPT;
        if (lot != NULL && part.amount > lot_unheld(lot))
            return ERR_CORRUPT;
        *(lot != NULL ? &lot->held : &h->wallet->debt_held) += part.amount;
        model_split_add(h, lot, part.amount);
        left -= part.amount;
    }
    return left == 0 ? OK : ERR_CORRUPT;
}

static enum err load_hold(struct ledger *l, const struct store_query *q)
{
    struct id call = id_of_bytes(store_str(q, 0));
    struct ledger_account *w = model_find(l->model, id_of_bytes(store_str(q, 1)));
    if (w == NULL || w->kind != LEDGER_WALLET)
        return ERR_CORRUPT;
    struct hold *h = model_hold_load(l->model, call);
    h->wallet = w;
    h->amount = store_i64(q, 4);
    h->held_at = store_i64(q, 5);
    h->dispatched_at = store_i64(q, 6);
    h->attempts = (int)store_i64(q, 7);
    h->has_checkpoint = !store_is_null(q, 8);
    h->checkpoint = h->has_checkpoint ? store_i64(q, 8) : 0;
    w->held += h->amount;
    for (int i = 0; i < RECORD_CAPS_MAX; i++) {
        struct id id = id_of_bytes(store_str(q, 2 + i));
        h->caps[i] = id_is_zero(id) ? NULL : model_find(l->model, id);
        if (h->caps[i] != NULL)
            h->caps[i]->held += h->amount;
    }
    model_text_set(h, TEXT_HOLD, store_str(q, 10));
    model_text_set(h, TEXT_DISPATCH, store_str(q, 11));
    model_text_set(h, TEXT_CHECKPOINT, store_str(q, 12));
    model_text_set(h, TEXT_UPSTREAM, store_str(q, 13));
    return load_parts(l, h, store_str(q, 9));
}

static enum err load_holds(struct ledger *l, struct store_conn *conn)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_LEDGER_HOLD_ALL, &q, "");
    while (e == OK && (e = store_step(q)) == OK)
        e = load_hold(l, q);
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

static enum err load_checkpoint(struct ledger *l, struct store_conn *conn)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_LEDGER_CHECKPOINT_GET, &q, "t", str_c(l->node));
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        struct str hash = store_str(q, 1);
        if (hash.n != sizeof(l->hash)) {
            e = ERR_CORRUPT;
        } else {
            l->seq = (uint64_t)store_i64(q, 0);
            l->at = store_i64(q, 2);
            memcpy(l->hash, hash.p, hash.n);
        }
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

static enum err no_stranger(struct ledger *l, struct store_conn *conn)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_LEDGER_JOURNAL_STRANGER, &q, "t", str_c(l->node));
    if (e == OK)
        e = store_step(q);
    store_finish(&q);
    return e == ERR_END ? OK : e == OK ? ERR_CONFLICT : e;
}

/* What a record needs of lots that are not in memory. */
static enum err lots_for(struct ledger *l, struct store_conn *conn, const struct record *r)
{
    enum err e = OK;
    if (r->type == RECORD_TAKE)
        e = ledger_lot_need(l->model, conn, r->id);
    for (size_t i = 0; i < record_parts(r->parts) && e == OK; i++) {
        e = ledger_lot_need(l->model, conn, record_part(r->parts, i).id);
        if (e == ERR_NOT_FOUND)
            e = OK; /* a wallet: its overdraft */
    }
    return e;
}

static enum err replay_row(struct ledger *l, struct store_conn *conn, const struct journal_row *row)
{
    struct str plain = row->plain;
    uint64_t n = 0;
    struct record r;
    enum err e = row->broken ? ERR_CORRUPT : OK;
    while (e == OK && (e = journal_record(&plain, &r)) == OK) {
        e = lots_for(l, conn, &r);
        if (e == OK)
            e = model_apply(l->model, &r);
        n++;
    }
    if (e != ERR_END)
        return e;
    l->seq = row->seq;
    l->at = row->at;
    memcpy(l->hash, row->hash, sizeof(l->hash));
    atomic_fetch_add(&l->lag_records, n);
    return n == row->records ? OK : ERR_CORRUPT;
}

static enum err project_now(struct ledger *l, struct store_conn *conn)
{
    ledger_cut(l);
    enum err e = ledger_project(l, conn);
    ledger_cut_end(l, e == OK);
    return e;
}

/* The row of the checkpoint itself must be there with the hash that was noted. */
static enum err checkpoint_holds(struct ledger *l, const struct journal *j)
{
    if (l->seq == 0)
        return OK;
    if (j->n == 0 || j->rows[0].seq != l->seq)
        return ERR_CORRUPT;
    return memcmp(j->rows[0].hash, l->hash, sizeof(l->hash)) == 0 ? OK : ERR_CORRUPT;
}

static enum err replay(struct ledger *l, struct store_conn *conn)
{
    struct journal j;
    uint64_t done = l->seq;
    /* From the checkpoint's own row; the hash of the one before it is not known, nor needed. */
    journal_init(&j, conn, str_c(l->node), done != 0 ? done - 1 : 0, l->hash);
    enum err e = journal_read(&j);
    if (e == OK)
        e = checkpoint_holds(l, &j);
    while (e == OK && j.n != 0) {
        for (size_t i = 0; i < j.n && e == OK; i++)
            if (j.rows[i].seq > done)
                e = replay_row(l, conn, &j.rows[i]);
        if (e == OK && atomic_load(&l->lag_records) >= LEDGER_PROJECT_RECORDS)
            e = project_now(l, conn);
        if (e == OK)
            e = journal_read(&j);
    }
    journal_fini(&j);
    return e;
}

struct catching {
    struct ledger *l;
    struct store_conn *conn;
};

/* What was promised and had not come into the tables: rows behind the last one there. */
static enum err catch_up_row(void *arg, struct str entry)
{
    struct catching *c = arg;
    struct ledger *l = c->l;
    struct journal_row row;
    uint8_t hash[CRYPTO_HASH_LEN];
    enum err e = journal_entry_take(&entry, &row);
    if (e != OK || row.seq <= l->seq)
        return e;
    journal_hash(l->hasher, l->hash, row.body, hash);
    buf_reset(&l->body);
    row.broken = row.seq != l->seq + 1 || memcmp(hash, row.hash, sizeof(hash)) != 0 ||
                 journal_open(&l->body, row.body) != OK;
    row.plain = buf_str(&l->body);
    e = replay_row(l, c->conn, &row);
    if (e == OK)
        e = ledger_row_insert(l, c->conn, &row);
    if (e == OK && atomic_load(&l->lag_records) >= LEDGER_PROJECT_RECORDS)
        e = project_now(l, c->conn);
    return e;
}

static enum err catch_up(struct ledger *l, struct store_conn *conn)
{
    struct catching c = {l, conn};
    enum err e = store_redo_each(conn, catch_up_row, &c);
    if (e == OK && atomic_load(&l->lag_records) != 0)
        e = project_now(l, conn);
    return e;
}

enum err ledger_load(struct ledger *l, struct store_conn *conn, char why[STORE_WHY_MAX])
{
    enum err e = no_stranger(l, conn);
    if (e == ERR_CONFLICT)
        return say(why, e, "the journal was written by a node of another name: keep the name");
    if (e == OK)
        e = load_checkpoint(l, conn);
    if (e == OK)
        e = load_accounts(l, conn);
    if (e == OK)
        e = load_lots(l, conn);
    if (e == OK)
        e = load_holds(l, conn);
    if (e == ERR_CORRUPT)
        return say(why, e, "the ledger's tables do not fit together: restore a backup");
    if (e == OK)
        e = replay(l, conn);
    if (e == OK)
        e = catch_up(l, conn);
    if (e == ERR_CORRUPT) {
        snprintf(why, STORE_WHY_MAX,
                 "the journal is damaged behind row %llu (chain, or a record): restore a backup",
                 (unsigned long long)l->seq);
        return e;
    }
    return e == OK ? OK : say(why, e, store_why(conn));
}

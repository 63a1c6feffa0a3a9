/* Writes what the model has become into the tables, many records per transaction. Everything that
 * waits is written at once, so that the tables are the model as it was after one row. */
#include "ledger/inside.h"
#include "ledger/journal.h"
#include "ledger/waiting.h"

static void put_account(struct store_conn *conn, const struct ledger_account *a)
{
    store_put(conn, SQL_LEDGER_ACCOUNT_SET, "biiiii", id_bytes(&a->id), (int64_t)a->kind, a->posted,
              a->limit, a->is_off, a->opened_at);
}

static void put_lot(struct store_conn *conn, const struct lot *lot)
{
    if (lot->in_table) {
        store_put(conn, SQL_LEDGER_LOT_SET, "bi", id_bytes(&lot->id), lot->remaining);
        return;
    }
    store_put(conn, SQL_LEDGER_LOT_ADD, "bbiiiiibti", id_bytes(&lot->id),
              id_bytes(&lot->wallet->id), (int64_t)lot->kind, lot->amount, lot->remaining,
              lot->priority, lot->expires, id_bytes(&lot->source), str_c(lot->reason), lot->at);
}

static enum err put_move(void *arg, const struct move *m)
{
    struct store_conn *conn = arg;
    struct str corrects = id_is_zero(m->corrects) ? str_of(NULL, 0) : id_bytes(&m->corrects);
    store_put(conn, SQL_LEDGER_TRANSFER_ADD, "bibbitiB", id_bytes(&m->group), (int64_t)m->n,
              id_bytes(&m->debit), id_bytes(&m->credit), m->amount, str_c(m->reason), m->at,
              corrects);
    return OK;
}

static void put_hold(struct ledger *l, struct store_conn *conn, const struct hold *h)
{
    static const struct id none;
    int64_t checkpoint = h->checkpoint;
    buf_reset(&l->parts);
    for (size_t i = 0; i < h->splits_n; i++) {
        const struct split *s = &h->splits[i];
        record_part_put(&l->parts, s->lot != NULL ? s->lot->id : h->wallet->id, s->amount);
    }
    store_put(conn, SQL_LEDGER_HOLD_SET, "bbbbiiiiIbbbbb", id_bytes(&h->call),
              id_bytes(&h->wallet->id), id_bytes(h->caps[0] != NULL ? &h->caps[0]->id : &none),
              id_bytes(h->caps[1] != NULL ? &h->caps[1]->id : &none), h->amount, h->held_at,
              h->dispatched_at, (int64_t)h->attempts, h->has_checkpoint ? &checkpoint : NULL,
              buf_str(&l->parts), model_text(h, TEXT_HOLD), model_text(h, TEXT_DISPATCH),
              model_text(h, TEXT_CHECKPOINT), model_text(h, TEXT_UPSTREAM));
}

enum err ledger_put_rows(struct ledger *l, struct store_conn *conn)
{
    struct str rest = buf_str(&l->cut.rows);
    struct journal_row row;
    enum err e = OK;
    while (rest.n != 0 && e == OK) {
        must(journal_entry_take(&rest, &row) == OK);
        e = ledger_row_insert(l, conn, &row);
        store_breathe(conn);
    }
    return e;
}

static enum err put_outcome(struct ledger *l, struct store_conn *conn, const struct hold *h)
{
    const struct ledger_projector *p = &l->projector;
    enum err e = model_hold_moves(h, put_move, conn);
    if (e != OK || p->outcome == NULL)
        return e;
    struct ledger_outcome o = model_outcome(h);
    return p->outcome(p->arg, conn, &o);
}

/* Their holds go behind the lines of all of them, which are put by the hundred: each hold between
 * two lines would write those before it one by one. */
static enum err put_ended(struct ledger *l, struct store_conn *conn, const struct hold *ended)
{
    const struct ledger_projector *p = &l->projector;
    for (const struct hold *h = ended; h != NULL; h = h->next) {
        enum err e = put_outcome(l, conn, h);
        if (e != OK)
            return e;
        store_breathe(conn);
    }
    for (const struct hold *h = ended; h != NULL; h = h->next) {
        if (!h->in_table)
            continue;
        store_put(conn, SQL_LEDGER_HOLD_DROP, "b", id_bytes(&h->call));
        store_breathe(conn);
    }
    return ended != NULL && p->flush != NULL ? p->flush(p->arg, conn) : OK;
}

/* What may change while batches go on. */
static enum err put_figures(struct ledger *l, struct store_conn *conn, const struct model_cut *cut)
{
    for (size_t i = 0; i < cut->accounts.n; i++) {
        const struct ledger_account *a = cut->accounts.p[i];
        if (!a->gone)
            put_account(conn, a);
    }
    for (size_t i = 0; i < cut->lots.n; i++) {
        const struct lot *lot = cut->lots.p[i];
        if (!lot->gone)
            put_lot(conn, lot);
    }
    for (size_t i = 0; i < cut->holds.n; i++)
        put_hold(l, conn, cut->holds.p[i]);
    enum err e = OK;
    for (size_t i = 0; i < cut->moves_n && e == OK; i++)
        e = put_move(conn, &l->model->moves[i]);
    return e;
}

void ledger_cut(struct ledger *l)
{
    struct ledger_cut *c = &l->cut;
    struct buf rows = c->rows;
    c->rows = l->rows;
    l->rows = rows;
    c->seq = l->seq;
    memcpy(c->hash, l->hash, sizeof(c->hash));
    c->at = l->at;
    c->lag = atomic_load_explicit(&l->lag_records, memory_order_relaxed);
    c->serving = l->taken_wanted;
}

enum err ledger_project(struct ledger *l, struct store_conn *conn)
{
    const struct ledger_cut *c = &l->cut;
    l->projecting = true;
    const struct model_cut *cut = model_cut(l->model);
    enum err e = put_figures(l, conn, cut);
    if (e == OK)
        e = ledger_put_rows(l, conn);
    if (e == OK)
        e = put_ended(l, conn, cut->ended);
    if (e != OK)
        return e;
    /* Waits for all that was put, so that the first error is ours to see. */
    return store_run(conn, SQL_LEDGER_CHECKPOINT_SET, NULL, "tibi", str_c(l->node), (int64_t)c->seq,
                     str_of((const char *)c->hash, CRYPTO_HASH_LEN), c->at);
}

/* Rows that were packed meanwhile stand behind those that were not written. */
static void take_back(struct ledger *l)
{
    struct buf rows = l->cut.rows;
    if (rows.n == 0)
        return; /* it had not come to the cut */
    buf_add(&rows, buf_str(&l->rows));
    buf_reset(&l->rows);
    l->cut.rows = l->rows;
    l->rows = rows;
}

void ledger_cut_end(struct ledger *l, bool committed)
{
    if (!committed) {
        take_back(l);
        if (!l->projecting)
            return;
        l->projecting = false;
        model_cut_undone(l->model);
        if (l->projector.reset != NULL)
            l->projector.reset(l->projector.arg);
        return;
    }
    buf_reset(&l->cut.rows);
    if (!l->projecting)
        return;
    l->projecting = false;
    model_projected(l->model);
    l->tick_asked = false;
    l->serving = l->cut.serving;
    uint64_t before = atomic_fetch_sub_explicit(&l->lag_records, l->cut.lag, memory_order_relaxed);
    if (before != l->cut.lag)
        ledger_tick_soon(l);
}

/* Writes what the model has become into the tables, many records per transaction. Everything that
 * waits is written at once, so that the tables are the model as it was after one row. */
#include "ledger/inside.h"

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

static enum err put_ended(struct ledger *l, struct store_conn *conn)
{
    const struct ledger_projector *p = &l->projector;
    for (const struct hold *h = l->model->ended; h != NULL; h = h->next) {
        enum err e = model_hold_moves(h, put_move, conn);
        if (e == OK && p->outcome != NULL) {
            struct ledger_outcome o = model_outcome(h);
            e = p->outcome(p->arg, conn, &o);
        }
        if (e != OK)
            return e;
        if (h->in_table)
            store_put(conn, SQL_LEDGER_HOLD_DROP, "b", id_bytes(&h->call));
    }
    return l->model->ended != NULL && p->flush != NULL ? p->flush(p->arg, conn) : OK;
}

enum err ledger_project(struct ledger *l, struct store_conn *conn, uint64_t seq,
                        const uint8_t hash[CRYPTO_HASH_LEN])
{
    struct model *m = l->model;
    for (struct ledger_account *a = m->dirty_accounts; a != NULL; a = a->next_dirty)
        if (!a->gone)
            put_account(conn, a);
    for (struct lot *lot = m->dirty_lots; lot != NULL; lot = lot->next_dirty)
        if (!lot->gone)
            put_lot(conn, lot);
    for (size_t i = 0; i < m->moves_n; i++) {
        enum err e = put_move(conn, &m->moves[i]);
        if (e != OK)
            return e;
    }
    enum err e = put_ended(l, conn);
    if (e != OK)
        return e;
    for (const struct hold *h = m->dirty_holds; h != NULL; h = h->next)
        put_hold(l, conn, h);
    /* Waits for all that was put, so that the first error is ours to see. */
    return store_run(conn, SQL_LEDGER_CHECKPOINT_SET, NULL, "tibi", str_c(l->node), (int64_t)seq,
                     str_of((const char *)hash, CRYPTO_HASH_LEN), l->at);
}

void ledger_project_end(struct ledger *l, bool committed)
{
    l->projecting = false;
    if (!committed) {
        if (l->projector.reset != NULL)
            l->projector.reset(l->projector.arg);
        return;
    }
    model_projected(l->model);
    l->tick_asked = false;
    atomic_store_explicit(&l->lag_records, 0, memory_order_relaxed);
}

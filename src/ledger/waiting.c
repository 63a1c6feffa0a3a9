/* What waits for its projection: it is noted as records change it, cut off when a projection
 * begins, and noted again when that one fails. */
#include "ledger/waiting.h"
#include "base/mem.h"

void model_touch_account(struct model *m, struct ledger_account *a)
{
    if (a->dirty)
        return;
    a->dirty = true;
    a->next_dirty = m->dirty_accounts;
    m->dirty_accounts = a;
}

void model_touch_lot(struct model *m, struct lot *lot)
{
    if (lot->dirty)
        return;
    lot->dirty = true;
    lot->next_dirty = m->dirty_lots;
    m->dirty_lots = lot;
}

void model_touch_hold(struct model *m, struct hold *h)
{
    if (h->dirty)
        return;
    h->dirty = true;
    h->prev = NULL;
    h->next = m->dirty_holds;
    if (h->next != NULL)
        h->next->prev = h;
    m->dirty_holds = h;
}

void model_untouch_hold(struct model *m, struct hold *h)
{
    if (!h->dirty)
        return;
    h->dirty = false;
    if (h->prev != NULL)
        h->prev->next = h->next;
    else
        m->dirty_holds = h->next;
    if (h->next != NULL)
        h->next->prev = h->prev;
}

void model_wait_ended(struct model *m, struct hold *h)
{
    h->next = NULL;
    if (m->ended_last != NULL)
        m->ended_last->next = h;
    else
        m->ended = h;
    m->ended_last = h;
}

void model_move_add(struct model *m, const struct move *move, struct str reason)
{
    if (m->moves_n == m->moves_cap) {
        m->moves_cap = m->moves_cap != 0 ? m->moves_cap * 2 : 16;
        m->moves = mem_realloc(m->moves, m->moves_cap * sizeof(*m->moves));
    }
    struct move *to = &m->moves[m->moves_n++];
    *to = *move;
    to->owned = move->reason == NULL ? mem_dup(reason.p, reason.n) : NULL;
    if (to->owned != NULL)
        to->reason = to->owned;
}

void model_moves_drop(struct model *m, size_t n)
{
    while (m->moves_n > n)
        mem_free(m->moves[--m->moves_n].owned);
}

/* ---- the cut ---- */

static void *list_add(struct cut_list *list, void *what)
{
    if (list->n == list->cap) {
        list->cap = list->cap != 0 ? list->cap * 2 : 64;
        list->p = mem_realloc(list->p, list->cap * sizeof(*list->p));
    }
    return list->p[list->n++] = what;
}

const struct model_cut *model_cut(struct model *m)
{
    struct model_cut *c = &m->cut;
    c->accounts.n = c->lots.n = c->holds.n = 0;
    for (struct ledger_account *a = m->dirty_accounts; a != NULL; a = a->next_dirty)
        ((struct ledger_account *)list_add(&c->accounts, a))->dirty = false;
    for (struct lot *lot = m->dirty_lots; lot != NULL; lot = lot->next_dirty)
        ((struct lot *)list_add(&c->lots, lot))->dirty = false;
    for (struct hold *h = m->dirty_holds; h != NULL; h = h->next)
        ((struct hold *)list_add(&c->holds, h))->dirty = false;
    m->dirty_accounts = NULL;
    m->dirty_lots = NULL;
    m->dirty_holds = NULL;
    c->moves_n = m->moves_n;
    c->ended = m->ended;
    c->ended_last = m->ended_last;
    m->ended = m->ended_last = NULL;
    return c;
}

void model_projected(struct model *m)
{
    struct model_cut *c = &m->cut;
    for (size_t i = 0; i < c->lots.n; i++) {
        struct lot *lot = c->lots.p[i];
        lot->in_table |= !lot->gone;
    }
    /* Also those that have ended since. */
    for (size_t i = 0; i < c->holds.n; i++)
        ((struct hold *)c->holds.p[i])->in_table = true;
    if (c->ended_last != NULL) {
        c->ended_last->next = m->spare;
        m->spare = c->ended;
    }
    for (size_t i = 0; i < c->moves_n; i++)
        mem_free(m->moves[i].owned);
    m->moves_n -= c->moves_n;
    if (m->moves_n != 0)
        memmove(m->moves, m->moves + c->moves_n, m->moves_n * sizeof(*m->moves));
    c->ended = c->ended_last = NULL;
    c->accounts.n = c->lots.n = c->holds.n = c->moves_n = 0;
}

void model_cut_undone(struct model *m)
{
    struct model_cut *c = &m->cut;
    for (size_t i = 0; i < c->accounts.n; i++)
        model_touch_account(m, c->accounts.p[i]);
    for (size_t i = 0; i < c->lots.n; i++)
        model_touch_lot(m, c->lots.p[i]);
    for (size_t i = 0; i < c->holds.n; i++) {
        struct hold *h = c->holds.p[i];
        if (h->kind == LEDGER_OPEN)
            model_touch_hold(m, h);
    }
    if (c->ended_last != NULL) {
        c->ended_last->next = m->ended;
        if (m->ended == NULL)
            m->ended_last = c->ended_last;
        m->ended = c->ended;
    }
    c->ended = c->ended_last = NULL;
    c->accounts.n = c->lots.n = c->holds.n = c->moves_n = 0;
}

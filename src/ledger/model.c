/* Applies one record after the other. Each checks first, all of it, and changes then: a record that
 * is refused has changed nothing. */
#include "ledger/model.h"
#include "ledger/waiting.h"
#include "base/mem.h"

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t sum(int64_t a, int64_t b)
{
    return nano_plus(NANO(a), NANO(b)).v;
}

/* ---- undo ---- */

static void undo_push(struct model *m, struct undo u)
{
    if (!m->undo_on)
        return;
    if (m->undo_n == m->undo_cap) {
        m->undo_cap = m->undo_cap != 0 ? m->undo_cap * 2 : 64;
        m->undo = mem_realloc(m->undo, m->undo_cap * sizeof(*m->undo));
    }
    m->undo[m->undo_n++] = u;
}

static void put(struct model *m, int64_t *where, int64_t value)
{
    undo_push(m, (struct undo){.where = where, .old = *where});
    *where = value;
}

static void add(struct model *m, int64_t *where, int64_t amount)
{
    put(m, where, sum(*where, amount));
}

/* ---- lots ---- */

struct lot *model_lot(const struct model *m, struct id id)
{
    struct lot *lot = idmap_find(&m->lots, id);
    return lot == NULL || lot->gone ? NULL : lot;
}

/* Lower priority first, then the sooner expiry (never is last), then the id. */
static bool burns_before(const struct lot *a, const struct lot *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority;
    uint64_t ae = (uint64_t)a->expires - 1, be = (uint64_t)b->expires - 1;
    if (ae != be)
        return ae < be;
    return memcmp(a->id.b, b->id.b, sizeof(a->id.b)) < 0;
}

/* Lots with nothing in them leave the list now, so that it stays as long as what is in use. */
static void list_prune(struct ledger_account *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->lots_n; i++) {
        struct lot *lot = w->lots[i];
        if (lot->remaining == 0 || lot->gone) {
            lot->listed = false;
            continue;
        }
        lot->place = n;
        w->lots[n++] = lot;
    }
    w->lots_n = n;
    w->first = 0;
}

static void list_add(struct lot *lot)
{
    struct ledger_account *w = lot->wallet;
    if (lot->listed)
        return;
    list_prune(w);
    if (w->lots_n == w->lots_cap) {
        w->lots_cap = w->lots_cap != 0 ? w->lots_cap * 2 : 4;
        w->lots = mem_realloc(w->lots, w->lots_cap * sizeof(struct lot *));
    }
    size_t i = w->lots_n++;
    for (; i > 0 && burns_before(lot, w->lots[i - 1]); i--) {
        w->lots[i] = w->lots[i - 1];
        w->lots[i]->place = i;
    }
    w->lots[i] = lot;
    lot->place = i;
    lot->listed = true;
}

/* More of it is unheld than before. */
static void lot_freed(struct lot *lot)
{
    struct ledger_account *w = lot->wallet;
    if (!lot->listed)
        list_add(lot);
    else if (lot->place < w->first)
        w->first = lot->place;
}

/* Takes `amount` of the wallet in burn order into h's splits: held, or spent at once. */
static void burn(struct model *m, struct hold *h, int64_t amount, bool spend)
{
    struct ledger_account *w = h->wallet;
    for (size_t i = w->first; i < w->lots_n && amount > 0; i++) {
        struct lot *lot = w->lots[i];
        int64_t part = min64(lot_unheld(lot), amount);
        if (part > 0) {
            *(spend ? &lot->remaining : &lot->held) += spend ? -part : part;
            if (spend)
                model_touch_lot(m, lot);
            model_split_add(h, lot, part);
            amount -= part;
        }
        if (i == w->first && lot_unheld(lot) == 0)
            w->first++;
    }
    if (amount > 0) {
        *(spend ? &w->debt : &w->debt_held) += amount;
        model_split_add(h, NULL, amount);
    }
}

/* What came into a wallet pays its overdraft first. */
static void repay(struct model *m, struct ledger_account *w, struct id group, int n, int64_t at)
{
    for (size_t i = 0; i < w->lots_n && w->debt > 0; i++) {
        struct lot *lot = w->lots[i];
        int64_t part = min64(lot_unheld(lot), w->debt);
        if (part == 0)
            continue;
        add(m, &lot->remaining, -part);
        add(m, &w->debt, -part);
        model_touch_lot(m, lot);
        struct move move = {.group = group,
                            .n = n++,
                            .debit = lot->id,
                            .credit = w->id,
                            .amount = part,
                            .at = at,
                            .reason = "overdraft"};
        model_move_add(m, &move, STR(""));
    }
}

struct lot *model_lot_load(struct model *m, const struct lot *from, struct str reason)
{
    struct lot *lot = idmap_find(&m->lots, from->id);
    if (lot == NULL) {
        lot = mem_zalloc(sizeof(*lot));
        idmap_add(&m->lots, from->id, lot);
    }
    must(!lot->listed);
    mem_free(lot->reason);
    bool dirty = lot->dirty;
    struct lot *next = lot->next_dirty;
    *lot = *from;
    lot->dirty = dirty;
    lot->next_dirty = next;
    lot->reason = mem_dup(reason.p, reason.n);
    list_add(lot);
    return lot;
}

/* ---- holds ---- */

static struct hold *hold_take(struct model *m, struct id call)
{
    struct hold *h = m->spare;
    if (h == NULL) {
        h = mem_zalloc(sizeof(*h));
    } else {
        m->spare = h->next;
        struct hold clean = {.splits = h->splits,
                             .splits_cap = h->splits_cap,
                             .bytes = h->bytes,
                             .bytes_cap = h->bytes_cap};
        *h = clean;
    }
    h->call = call;
    h->kind = LEDGER_OPEN;
    idmap_add(&m->open, call, h);
    atomic_fetch_add_explicit(&m->holds_open, 1, memory_order_relaxed);
    return h;
}

struct hold *model_hold_load(struct model *m, struct id call)
{
    struct hold *h = hold_take(m, call);
    h->in_table = true;
    return h;
}

static void hold_end(struct model *m, struct hold *h)
{
    model_untouch_hold(m, h);
    idmap_remove(&m->open, h->call);
    atomic_fetch_sub_explicit(&m->holds_open, 1, memory_order_relaxed);
    model_wait_ended(m, h);
}

static enum err apply_hold(struct model *m, const struct record *r)
{
    struct ledger_account *w = model_find(m, r->other), *caps[RECORD_CAPS_MAX] = {0};
    if (w == NULL || w->gone || w->kind != LEDGER_WALLET || idmap_find(&m->open, r->id) != NULL)
        return ERR_CORRUPT;
    for (size_t i = 0; i < RECORD_CAPS_MAX; i++) {
        if (id_is_zero(r->caps[i]))
            continue;
        caps[i] = model_find(m, r->caps[i]);
        if (caps[i] == NULL || caps[i]->gone || caps[i]->kind != LEDGER_CAP)
            return ERR_CORRUPT;
    }
    if (w->posted - w->held < r->amount - w->limit)
        return ERR_CORRUPT;
    struct hold *h = hold_take(m, r->id);
    h->wallet = w;
    h->amount = r->amount;
    h->held_at = r->at;
    burn(m, h, r->amount, false);
    w->held += r->amount;
    for (size_t i = 0; i < RECORD_CAPS_MAX; i++) {
        h->caps[i] = caps[i];
        if (caps[i] != NULL)
            caps[i]->held = sum(caps[i]->held, r->amount);
    }
    model_text_set(h, TEXT_HOLD, r->about);
    model_touch_hold(m, h);
    return OK;
}

static enum err apply_note(struct model *m, const struct record *r)
{
    struct hold *h = idmap_find(&m->open, r->id);
    if (h == NULL)
        return ERR_CORRUPT;
    if (r->type == RECORD_DISPATCHED) {
        h->dispatched_at = r->at;
        h->attempts++;
        model_text_set(h, TEXT_DISPATCH, r->about);
    } else if (r->type == RECORD_UPSTREAM_ID) {
        model_text_set(h, TEXT_UPSTREAM, r->about);
    } else {
        h->checkpoint = r->amount;
        h->has_checkpoint = true;
        model_text_set(h, TEXT_CHECKPOINT, r->about);
    }
    model_touch_hold(m, h);
    return OK;
}

/* The first `spent` of what is held is spent, in the order in which it was held; the rest is free
 * again. */
static void splits_resolve(struct model *m, struct hold *h, int64_t spent)
{
    struct ledger_account *w = h->wallet;
    size_t n = 0;
    for (size_t i = 0; i < h->splits_n; i++) {
        struct split s = h->splits[i];
        int64_t use = min64(spent, s.amount);
        spent -= use;
        if (s.lot != NULL) {
            s.lot->held -= s.amount;
            s.lot->remaining -= use;
            must(s.lot->held >= 0 && s.lot->remaining >= s.lot->held);
            if (use > 0)
                model_touch_lot(m, s.lot);
            if (use < s.amount)
                lot_freed(s.lot);
        } else {
            w->debt_held -= s.amount;
            w->debt += use;
        }
        if (use > 0)
            h->splits[n++] = (struct split){s.lot, use};
    }
    h->splits_n = n;
    must(spent == 0);
}

/* What a settlement gives back is published here, on the writer's thread, when it is in the
 * journal's order: any hold that uses it is recorded behind it, so a crash that loses this record
 * loses that hold, too, and a replay can never find a hold that its lots do not cover. Loops only
 * ever subtract, so available never exceeds what the model has unheld. */
static void give_back(const struct model *m, struct ledger_account *a, int64_t amount)
{
    if (m->live && amount != 0)
        atomic_fetch_add_explicit(&a->available, amount, memory_order_release);
}

static void caps_resolve(struct model *m, struct hold *h, int64_t paid, int64_t back)
{
    for (size_t i = 0; i < RECORD_CAPS_MAX; i++) {
        struct ledger_account *cap = h->caps[i];
        if (cap == NULL)
            continue;
        cap->held -= h->amount;
        cap->posted = sum(cap->posted, -paid);
        if (paid > 0)
            model_touch_account(m, cap);
        give_back(m, cap, back);
    }
}

static void house_add(struct model *m, enum house_account which, int64_t amount)
{
    if (amount == 0)
        return;
    add(m, &m->house[which]->posted, amount);
    model_touch_account(m, m->house[which]);
}

static enum err apply_settle(struct model *m, const struct record *r)
{
    struct hold *h = idmap_find(&m->open, r->id);
    if (h == NULL || !id_eq(h->wallet->id, r->other))
        return ERR_CORRUPT;
    struct ledger_account *w = h->wallet;
    int64_t from_hold = min64(r->amount, h->amount);
    int64_t paid = r->amount - r->written_off;
    if (r->written_off > r->amount - from_hold || r->over != paid - from_hold)
        return ERR_CORRUPT;
    if (w->posted - w->held < r->over - w->limit)
        return ERR_CORRUPT;
    h->kind = LEDGER_SETTLED;
    h->charge = r->amount;
    h->cost = r->cost;
    h->over = r->over;
    h->written_off = r->written_off;
    h->unresolved = (r->flags & RECORD_UNRESOLVED) != 0;
    h->ended_at = r->at;
    model_text_set(h, TEXT_END, r->about);
    splits_resolve(m, h, from_hold);
    if (r->over > 0)
        burn(m, h, r->over, true);
    w->held -= h->amount;
    w->posted -= paid;
    if (paid > 0)
        model_touch_account(m, w);
    house_add(m, HOUSE_REVENUE, r->amount);
    house_add(m, HOUSE_WRITE_OFF, -r->written_off);
    if (r->written_off > 0)
        atomic_fetch_add_explicit(&m->write_offs, 1, memory_order_relaxed);
    caps_resolve(m, h, paid, h->amount - from_hold);
    if (w->debt > 0)
        repay(m, w, h->call, (int)h->splits_n + (h->written_off > 0), r->at);
    give_back(m, w, h->amount - from_hold);
    hold_end(m, h);
    return OK;
}

static enum err apply_void(struct model *m, const struct record *r)
{
    struct hold *h = idmap_find(&m->open, r->id);
    if (h == NULL)
        return ERR_CORRUPT;
    struct ledger_account *w = h->wallet;
    h->kind = LEDGER_VOIDED;
    h->ended_at = r->at;
    model_text_set(h, TEXT_END, r->about);
    splits_resolve(m, h, 0);
    w->held -= h->amount;
    caps_resolve(m, h, 0, h->amount);
    if (w->debt > 0)
        repay(m, w, h->call, 0, r->at);
    give_back(m, w, h->amount);
    hold_end(m, h);
    return OK;
}

/* ---- control ---- */

static enum err apply_account(struct model *m, const struct record *r)
{
    struct ledger_account *a = model_find(m, r->id);
    if (r->kind >= LEDGER_KIND__COUNT || (a != NULL && !a->gone))
        return ERR_CORRUPT;
    if (a == NULL)
        a = model_account_add(m, r->id, r->kind);
    a->gone = false;
    a->kind = r->kind;
    a->opened_at = r->at;
    a->limit = r->kind == LEDGER_WALLET ? r->amount : 0;
    /* A cap without a limit until one is set. */
    a->is_off = r->kind == LEDGER_CAP;
    undo_push(m, (struct undo){.account = a});
    model_touch_account(m, a);
    return OK;
}

static enum err apply_cap(struct model *m, const struct record *r)
{
    struct ledger_account *a = model_find(m, r->id);
    if (a == NULL || a->gone || a->kind != LEDGER_CAP)
        return ERR_CORRUPT;
    put(m, &a->limit, r->amount);
    put(m, &a->is_off, (r->flags & RECORD_OFF) != 0);
    model_touch_account(m, a);
    return OK;
}

static void wallet_add(struct model *m, struct ledger_account *w, int64_t amount)
{
    add(m, &w->posted, amount);
    model_touch_account(m, w);
}

static enum err apply_grant(struct model *m, const struct record *r)
{
    struct ledger_account *w = model_find(m, r->other);
    enum house_account source;
    if (w == NULL || w->gone || w->kind != LEDGER_WALLET || model_lot(m, r->id) != NULL ||
        r->amount <= 0 || r->kind >= LEDGER_LOT_KIND__COUNT ||
        !model_house_named(r->about, &source))
        return ERR_CORRUPT;
    struct lot fresh = {.id = r->id,
                        .wallet = w,
                        .kind = r->kind,
                        .amount = r->amount,
                        .remaining = r->amount,
                        .priority = r->priority,
                        .expires = r->expires,
                        .at = r->at,
                        .source = model_house_id(source)};
    struct lot *lot = model_lot_load(m, &fresh, r->reason);
    undo_push(m, (struct undo){.lot = lot});
    model_touch_lot(m, lot);
    wallet_add(m, w, r->amount);
    house_add(m, source, -r->amount);
    struct move move = {
        .group = r->id, .debit = lot->source, .credit = r->id, .amount = r->amount, .at = r->at};
    model_move_add(m, &move, r->reason);
    repay(m, w, r->id, 1, r->at);
    return OK;
}

static enum err apply_take(struct model *m, const struct record *r)
{
    struct lot *lot = model_lot(m, r->id);
    enum house_account to;
    if (lot == NULL || r->amount <= 0 || r->amount > lot_unheld(lot) ||
        !model_house_named(r->about, &to))
        return ERR_CORRUPT;
    add(m, &lot->remaining, -r->amount);
    model_touch_lot(m, lot);
    wallet_add(m, lot->wallet, -r->amount);
    house_add(m, to, r->amount);
    struct move move = {.group = r->other,
                        .debit = lot->id,
                        .credit = model_house_id(to),
                        .amount = r->amount,
                        .at = r->at};
    model_move_add(m, &move, r->reason);
    return OK;
}

static enum err refund_check(const struct model *m, const struct record *r)
{
    int64_t left = r->amount;
    for (size_t i = 0; i < record_parts(r->parts); i++) {
        struct record_part part = record_part(r->parts, i);
        struct lot *lot = model_lot(m, part.id);
        struct ledger_account *w = lot == NULL ? model_find(m, part.id) : NULL;
        if (lot == NULL && (w == NULL || w->gone || w->kind != LEDGER_WALLET))
            return ERR_CORRUPT;
        if (part.amount > left || (lot != NULL && part.amount > lot->amount - lot->remaining))
            return ERR_CORRUPT;
        left -= part.amount;
    }
    return left == 0 ? OK : ERR_CORRUPT;
}

static enum err apply_refund(struct model *m, const struct record *r)
{
    if (refund_check(m, r) != OK)
        return ERR_CORRUPT;
    int n = 0;
    struct ledger_account *w = NULL;
    for (size_t i = 0; i < record_parts(r->parts); i++) {
        struct record_part part = record_part(r->parts, i);
        struct lot *lot = model_lot(m, part.id);
        w = lot != NULL ? lot->wallet : model_find(m, part.id);
        if (lot != NULL) {
            add(m, &lot->remaining, part.amount);
            model_touch_lot(m, lot);
            lot_freed(lot);
        } else {
            add(m, &w->debt, -part.amount);
        }
        wallet_add(m, w, part.amount);
        struct move move = {.group = r->other,
                            .n = n++,
                            .debit = model_house_id(HOUSE_REVENUE),
                            .credit = part.id,
                            .amount = part.amount,
                            .at = r->at,
                            .corrects = r->id};
        model_move_add(m, &move, r->reason);
    }
    house_add(m, HOUSE_REVENUE, -r->amount);
    if (w != NULL)
        repay(m, w, r->other, n, r->at);
    return OK;
}

static enum err apply_move(struct model *m, const struct record *r)
{
    struct str to = r->about, from = str_cut(&to, ' ');
    enum house_account a, b;
    if (r->amount <= 0 || !model_house_named(from, &a) || !model_house_named(to, &b) || a == b)
        return ERR_CORRUPT;
    house_add(m, a, -r->amount);
    house_add(m, b, r->amount);
    struct move move = {.group = r->other,
                        .debit = model_house_id(a),
                        .credit = model_house_id(b),
                        .amount = r->amount,
                        .at = r->at};
    model_move_add(m, &move, r->reason);
    return OK;
}

enum err model_apply(struct model *m, const struct record *r)
{
    switch (r->type) {
    case RECORD_HOLD: return apply_hold(m, r);
    case RECORD_DISPATCHED:
    case RECORD_UPSTREAM_ID:
    case RECORD_CHECKPOINT: return apply_note(m, r);
    case RECORD_SETTLE: return apply_settle(m, r);
    case RECORD_VOID: return apply_void(m, r);
    case RECORD_ACCOUNT: return apply_account(m, r);
    case RECORD_CAP: return apply_cap(m, r);
    case RECORD_GRANT: return apply_grant(m, r);
    case RECORD_TAKE: return apply_take(m, r);
    case RECORD_REFUND: return apply_refund(m, r);
    case RECORD_KEY: return OK;
    case RECORD_MOVE: return apply_move(m, r);
    case RECORD_TYPE__COUNT: break;
    }
    return ERR_CORRUPT;
}

/* ---- back ---- */

void model_undo_to(struct model *m, size_t undo_n, size_t moves_n)
{
    while (m->undo_n > undo_n) {
        struct undo u = m->undo[--m->undo_n];
        if (u.where != NULL) {
            *u.where = u.old;
        } else if (u.lot != NULL) {
            u.lot->gone = true;
            u.lot->remaining = 0;
            list_prune(u.lot->wallet);
        } else {
            u.account->gone = true;
        }
    }
    model_moves_drop(m, moves_n);
}

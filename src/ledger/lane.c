/* The fast lane: decides in memory by compare-and-swap, and packs what it decided for the writer.
 *
 * Loops only subtract from `available`; what is given back is added by the writer when it takes the
 * record (model.c says why). So two loops can never spend the same nano-dollar, and no lock is
 * taken. */
#include "base/mem.h"
#include "ledger/inside.h"

#define MAILBOX_MAX ((size_t)1 << 30)

enum err ledger_lane_new(struct ledger *ledger, void (*wake)(void *arg), void *arg,
                         struct ledger_lane **ret_lane)
{
    if (atomic_load(&ledger->closing))
        return ERR_LEDGER_UNAVAILABLE;
    struct ledger_lane *lane = mem_zalloc(sizeof(*lane));
    lane->ledger = ledger;
    lane->wake = wake;
    lane->wake_arg = arg;
    buf_init(&lane->own, MAILBOX_MAX);
    buf_init(&lane->shared, MAILBOX_MAX);
    buf_init(&lane->taken, MAILBOX_MAX);
    must(pthread_mutex_init(&lane->lock, NULL) == 0);
    must(pthread_mutex_lock(&ledger->lanes_lock) == 0);
    lane->next = ledger->lanes;
    ledger->lanes = lane;
    must(pthread_mutex_unlock(&ledger->lanes_lock) == 0);
    *ret_lane = lane;
    return OK;
}

/* The writer frees it when its last records are durable. */
void ledger_lane_free(struct ledger_lane **lane)
{
    struct ledger_lane *l = *lane;
    *lane = NULL;
    if (l == NULL)
        return;
    ledger_lane_flush(l);
    must(pthread_mutex_lock(&l->lock) == 0);
    l->closed = true;
    l->wake = NULL;
    must(pthread_mutex_unlock(&l->lock) == 0);
}

bool ledger_lane_has_records(const struct ledger_lane *lane)
{
    return lane->own.n != 0;
}

void ledger_lane_flush(struct ledger_lane *lane)
{
    if (lane->own.n == 0)
        return;
    must(pthread_mutex_lock(&lane->lock) == 0);
    if (lane->shared.n == 0) {
        struct buf empty = lane->shared;
        lane->shared = lane->own;
        lane->own = empty;
    } else {
        buf_add(&lane->shared, buf_str(&lane->own));
        must(!lane->shared.over);
        buf_reset(&lane->own);
    }
    lane->shared_count = lane->count;
    atomic_fetch_add(&lane->ledger->queue_records, lane->count - lane->flushed);
    must(pthread_mutex_unlock(&lane->lock) == 0);
    lane->flushed = lane->count;
    store_poke(lane->ledger->store);
}

ledger_ticket ledger_lane_durable(const struct ledger_lane *lane)
{
    return atomic_load_explicit(&lane->durable, memory_order_acquire);
}

bool ledger_is_available(const struct ledger *ledger)
{
    return !store_is_full(ledger->store) &&
           !atomic_load_explicit(&ledger->closing, memory_order_relaxed);
}

static ledger_ticket push(struct ledger_lane *lane, const struct record *r)
{
    record_put(&lane->own, r);
    return ++lane->count;
}

/* Lowers `available` by the amount unless that passes the floor. */
static bool take(struct ledger_account *a, int64_t amount, int64_t floor)
{
    int64_t now = atomic_load_explicit(&a->available, memory_order_acquire);
    do {
        if (now - floor < amount)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&a->available, &now, now - amount,
                                                    memory_order_acq_rel, memory_order_acquire));
    return true;
}

static bool cap_take(struct ledger_account *cap, int64_t amount)
{
    if (atomic_load_explicit(&cap->off, memory_order_relaxed)) {
        atomic_fetch_sub_explicit(&cap->available, amount, memory_order_acq_rel);
        return true;
    }
    return take(cap, amount, 0);
}

static void put_back(struct ledger_account *a, int64_t amount)
{
    atomic_fetch_add_explicit(&a->available, amount, memory_order_acq_rel);
}

static enum err take_together(const struct ledger_hold *hold)
{
    int64_t amount = hold->amount.v;
    int64_t overdraft = atomic_load_explicit(&hold->wallet->overdraft, memory_order_relaxed);
    if (!take(hold->wallet, amount, -overdraft))
        return ERR_INSUFFICIENT_CREDITS;
    for (size_t i = 0; i < LEDGER_CAPS_MAX; i++) {
        if (hold->caps[i] == NULL || cap_take(hold->caps[i], amount))
            continue;
        while (i-- > 0)
            if (hold->caps[i] != NULL)
                put_back(hold->caps[i], amount);
        put_back(hold->wallet, amount);
        return ERR_SPEND_CAP_REACHED;
    }
    return OK;
}

enum err ledger_hold_place(struct ledger_lane *lane, struct ledger_hold *hold, int64_t wall_us,
                           struct str about, ledger_ticket *ret_ticket)
{
    must(!hold->open && hold->amount.v >= 0 && hold->wallet != NULL);
    must(hold->wallet->kind == LEDGER_WALLET);
    if (!ledger_is_available(lane->ledger) || lane->own.n > LEDGER_LANE_BYTES ||
        atomic_load_explicit(&lane->ledger->queue_records, memory_order_relaxed) > LEDGER_QUEUE_MAX)
        return ERR_LEDGER_UNAVAILABLE;
    enum err e = take_together(hold);
    if (e != OK)
        return e;
    struct record r = {.type = RECORD_HOLD,
                       .id = hold->call,
                       .other = hold->wallet->id,
                       .at = wall_us,
                       .amount = hold->amount.v,
                       .about = about};
    for (size_t i = 0; i < LEDGER_CAPS_MAX; i++)
        if (hold->caps[i] != NULL)
            r.caps[i] = hold->caps[i]->id;
    hold->open = true;
    *ret_ticket = push(lane, &r);
    return OK;
}

ledger_ticket ledger_hold_dispatched(struct ledger_lane *lane, const struct ledger_hold *hold,
                                     int64_t wall_us, struct str about)
{
    must(hold->open);
    struct record r = {.type = RECORD_DISPATCHED, .id = hold->call, .at = wall_us, .about = about};
    return push(lane, &r);
}

ledger_ticket ledger_hold_upstream_id(struct ledger_lane *lane, const struct ledger_hold *hold,
                                      struct str upstream_id)
{
    must(hold->open);
    struct record r = {.type = RECORD_UPSTREAM_ID, .id = hold->call, .about = upstream_id};
    return push(lane, &r);
}

ledger_ticket ledger_hold_checkpoint(struct ledger_lane *lane, const struct ledger_hold *hold,
                                     struct nano charge_so_far, struct str about)
{
    must(hold->open);
    struct record r = {
        .type = RECORD_CHECKPOINT, .id = hold->call, .amount = charge_so_far.v, .about = about};
    return push(lane, &r);
}

/* Takes what there is, at most `most`; never beyond the overdraft. */
static int64_t take_most(struct ledger_account *w, int64_t most)
{
    int64_t overdraft = atomic_load_explicit(&w->overdraft, memory_order_relaxed);
    int64_t now = atomic_load_explicit(&w->available, memory_order_acquire), part;
    do {
        part = now + overdraft < most ? now + overdraft : most;
        if (part <= 0)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&w->available, &now, now - part,
                                                    memory_order_acq_rel, memory_order_acquire));
    return part;
}

/* The split of a charge above the hold is decided here, on the loop, where `available` is lowered:
 * so the record carries the final figures, and a replay needs nothing else. */
static void settle_record(const struct ledger_hold *hold, const struct ledger_settlement *s,
                          struct record *r)
{
    int64_t charge = s->charge.v < LEDGER_MONEY_MAX ? s->charge.v : LEDGER_MONEY_MAX;
    int64_t excess = charge > hold->amount.v ? charge - hold->amount.v : 0;
    int64_t over = excess > 0 ? take_most(hold->wallet, excess) : 0;
    *r = (struct record){
        .type = RECORD_SETTLE,
        .flags = s->unresolved ? RECORD_UNRESOLVED : 0,
        .id = hold->call,
        .other = hold->wallet->id,
        .at = s->wall_us,
        .amount = charge,
        .cost = s->cost.v,
        .over = over,
        .written_off = excess - over,
        .about = s->about,
    };
    int64_t paid = charge - r->written_off;
    atomic_fetch_sub_explicit(&hold->wallet->balance, paid, memory_order_relaxed);
    for (size_t i = 0; i < LEDGER_CAPS_MAX; i++) {
        struct ledger_account *cap = hold->caps[i];
        if (cap == NULL)
            continue;
        atomic_fetch_sub_explicit(&cap->balance, paid, memory_order_relaxed);
        if (over > 0)
            atomic_fetch_sub_explicit(&cap->available, over, memory_order_acq_rel);
    }
}

ledger_ticket ledger_hold_settle(struct ledger_lane *lane, struct ledger_hold *hold,
                                 const struct ledger_settlement *s, struct nano *ret_written_off)
{
    must(hold->open && s->charge.v >= 0 && s->cost.v >= 0);
    struct record r;
    settle_record(hold, s, &r);
    hold->open = false;
    *ret_written_off = NANO(r.written_off);
    return push(lane, &r);
}

ledger_ticket ledger_hold_void(struct ledger_lane *lane, struct ledger_hold *hold, int64_t wall_us,
                               struct str about)
{
    must(hold->open);
    hold->open = false;
    struct record r = {.type = RECORD_VOID, .id = hold->call, .at = wall_us, .about = about};
    return push(lane, &r);
}

/* ---- accounts ---- */

struct ledger_account *ledger_find(struct ledger *ledger, struct id account)
{
    struct ledger_account *a = model_find(ledger->model, account);
    if (a == NULL || !atomic_load_explicit(&a->live, memory_order_acquire) ||
        a->kind >= LEDGER_KIND__COUNT)
        return NULL;
    return a;
}

struct id ledger_account_id(const struct ledger_account *a)
{
    return a->id;
}

struct nano ledger_available(const struct ledger_account *a)
{
    return NANO(atomic_load_explicit(&a->available, memory_order_relaxed));
}

struct nano ledger_balance(const struct ledger_account *a)
{
    return NANO(atomic_load_explicit(&a->balance, memory_order_relaxed));
}

/* Two figures that move one after the other: never shown negative. */
struct nano ledger_held(const struct ledger_account *a)
{
    int64_t held = ledger_balance(a).v - ledger_available(a).v;
    return NANO(held > 0 ? held : 0);
}

struct nano ledger_cap_limit(const struct ledger_account *a)
{
    return NANO(atomic_load_explicit(&a->cap_limit, memory_order_relaxed));
}

bool ledger_cap_is_off(const struct ledger_account *a)
{
    return atomic_load_explicit(&a->off, memory_order_relaxed);
}

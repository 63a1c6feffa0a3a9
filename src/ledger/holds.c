/* A hold's body: its texts in one block, its parts of lots, its movements. */
#include "base/mem.h"
#include "ledger/model.h"

#define BYTES_FIRST 512

void model_split_add(struct hold *h, struct lot *lot, int64_t amount)
{
    if (h->splits_n == h->splits_cap) {
        h->splits_cap = h->splits_cap != 0 ? h->splits_cap * 2 : 4;
        h->splits = mem_realloc(h->splits, h->splits_cap * sizeof(*h->splits));
    }
    h->splits[h->splits_n++] = (struct split){lot, amount};
}

struct str model_text(const struct hold *h, enum hold_text which)
{
    return str_of(h->bytes != NULL ? h->bytes + h->texts[which].at : "", h->texts[which].n);
}

/* Without what was overwritten, and with room for n bytes more. */
static void repack(struct hold *h, enum hold_text leave_out, size_t n)
{
    size_t live = n;
    for (enum hold_text t = 0; t < TEXT__COUNT; t++)
        live += t != leave_out ? h->texts[t].n : 0;
    size_t cap = BYTES_FIRST;
    while (cap < live)
        cap *= 2;
    char *to = mem_alloc(cap);
    size_t at = 0;
    for (enum hold_text t = 0; t < TEXT__COUNT; t++) {
        size_t len = t != leave_out ? h->texts[t].n : 0;
        if (len != 0)
            memcpy(to + at, h->bytes + h->texts[t].at, len);
        h->texts[t].at = (uint32_t)at;
        h->texts[t].n = (uint32_t)len;
        at += len;
    }
    mem_free(h->bytes);
    h->bytes = to;
    h->bytes_n = at;
    h->bytes_cap = cap;
}

void model_text_set(struct hold *h, enum hold_text which, struct str s)
{
    if (s.n == 0) {
        h->texts[which].n = 0;
        return;
    }
    /* The same place again when it fits, so that a long stream's checkpoints cost no room. */
    if (h->texts[which].n < s.n) {
        if (h->bytes_cap - h->bytes_n < s.n)
            repack(h, which, s.n);
        h->texts[which].at = (uint32_t)h->bytes_n;
        h->bytes_n += s.n;
    }
    memcpy(h->bytes + h->texts[which].at, s.p, s.n);
    h->texts[which].n = (uint32_t)s.n;
}

enum err model_hold_moves(const struct hold *h, model_move_f fn, void *arg)
{
    struct move m = {.group = h->call, .at = h->ended_at, .credit = model_house_id(HOUSE_REVENUE)};
    m.reason = "charge";
    for (size_t i = 0; i < h->splits_n; i++) {
        m.debit = h->splits[i].lot != NULL ? h->splits[i].lot->id : h->wallet->id;
        m.amount = h->splits[i].amount;
        enum err e = fn(arg, &m);
        if (e != OK)
            return e;
        m.n++;
    }
    if (h->written_off == 0)
        return OK;
    m.debit = model_house_id(HOUSE_WRITE_OFF);
    m.amount = h->written_off;
    m.reason = "write_off";
    return fn(arg, &m);
}

struct ledger_outcome model_outcome(const struct hold *h)
{
    struct ledger_outcome o = {
        .kind = h->kind,
        .call = h->call,
        .wallet = h->wallet->id,
        .held_us = h->held_at,
        .dispatched_us = h->dispatched_at,
        .ended_us = h->ended_at,
        .held = NANO(h->amount),
        .charge = NANO(h->charge),
        .cost = NANO(h->cost),
        .written_off = NANO(h->written_off),
        .unresolved = h->unresolved,
        .attempts = h->attempts,
        .checkpoint = NANO(h->checkpoint),
        .has_checkpoint = h->has_checkpoint,
        .hold_about = model_text(h, TEXT_HOLD),
        .dispatch_about = model_text(h, TEXT_DISPATCH),
        .checkpoint_about = model_text(h, TEXT_CHECKPOINT),
        .end_about = model_text(h, TEXT_END),
        .upstream_id = model_text(h, TEXT_UPSTREAM),
    };
    for (size_t i = 0; i < RECORD_CAPS_MAX; i++)
        if (h->caps[i] != NULL)
            o.caps[i] = h->caps[i]->id;
    return o;
}

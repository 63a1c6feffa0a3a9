/* After a crash: every hold that has no end gets one. Not dispatched: void. Dispatched: by policy,
 * on
 * the operator's list, unless the upstream's receipt can be had. */
#include "base/clock.h"
#include "gateway/steps.h"

struct recovery {
    struct gateway *g;
    int64_t wall_us;
    int voided, settled, unresolved;
    enum err err;
};

/* What the policy takes for a call that nobody can tell about. */
static struct nano policy_charge(enum ledger_policy p, const struct ledger_outcome *o)
{
    switch (p) {
    case LEDGER_POLICY_ESTIMATE: return o->held;
    case LEDGER_POLICY_CHECKPOINT: return o->has_checkpoint ? o->checkpoint : NANO(0);
    case LEDGER_POLICY_ZERO:
    case LEDGER_POLICY__COUNT: break;
    }
    return NANO(0);
}

static void end_one(void *arg, struct ledger *ledger, const struct ledger_outcome *o)
{
    struct recovery *r = arg;
    enum err e;
    struct buf about;
    buf_init(&about, 2048);
    if (o->attempts == 0) {
        about_put_text(&about, ABOUT_ERROR, STR("stopped"));
        e = ledger_recover_void(ledger, o->call, r->wall_us, buf_str(&about));
        r->voided += e == OK;
    } else {
        struct nano charge = policy_charge(r->g->o.unknown_outcome, o);
        if (o->has_checkpoint && charge.v != 0)
            buf_add(&about, o->checkpoint_about);
        about_put_int(&about, ABOUT_STATUS, 500);
        about_put_text(&about, ABOUT_ERROR, STR("outcome_unknown"));
        if (charge.v != 0)
            about_put_int(&about, ABOUT_BASIS, BASIS_ESTIMATED);
        struct ledger_settlement s = {
            .charge = charge, .unresolved = true, .wall_us = r->wall_us, .about = buf_str(&about)};
        e = ledger_recover_settle(ledger, o->call, &s);
        r->settled += e == OK;
        r->unresolved += e == OK;
    }
    if (e != OK)
        r->err = e;
    buf_fini(&about);
}

enum err gateway_recover(struct gateway *g, int64_t wall_us, int *ret_voided, int *ret_settled,
                         int *ret_unresolved)
{
    struct recovery r = {.g = g, .wall_us = wall_us};
    enum err e = ledger_open_holds(g->ledger, end_one, &r);
    if (e != OK)
        return e;
    *ret_voided = r.voided;
    *ret_settled = r.settled;
    *ret_unresolved = r.unresolved;
    return r.err;
}

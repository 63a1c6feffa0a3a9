/* After a crash: every hold that has no end gets one. Not dispatched: void. Dispatched: by
 * policy, on the operator's list, unless the upstream's receipt can be had. */
#include "base/clock.h"
#include "base/mem.h"
#include "gateway/steps.h"
#include "outbound/outbound.h"

#include <stdio.h>

/* All questions together take no longer than this, so that an upstream that is away does not keep
 * the house closed. One that gave no answer at all is not asked again. */
#define ASK_MS_ALL 10000
#define ASK_MS_ONE 1500
#define DEAF_MAX 32
#define RECEIPT_BYTES_MAX (64u * 1024)

struct recovery {
    struct gateway *g;
    int64_t wall_us, ask_until_us;
    int64_t deaf[DEAF_MAX]; /* providers by id */
    size_t deaf_n;
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

/* The provider that the call went to, and the key that it went with. */
static struct str secret_of(const struct catalog_provider *p, int64_t key)
{
    for (size_t i = 0; i < p->keys_n; i++)
        if (p->keys[i].id == key)
            return p->keys[i].secret;
    return p->keys_n != 0 ? p->keys[0].secret : STR("");
}

static bool is_deaf(const struct recovery *r, int64_t provider)
{
    for (size_t i = 0; i < r->deaf_n; i++)
        if (r->deaf[i] == provider)
            return true;
    return false;
}

/* Asks the upstream for its receipt, where it keeps such. */
static bool ask_receipt(struct recovery *r, const struct catalog_snapshot *s,
                        const struct ledger_outcome *o, const struct about *a,
                        struct call_answer *ret)
{
    char url[1024], auth[1024], why[OUTBOUND_WHY_MAX];
    const struct catalog_provider *p = catalog_provider_get(s, about_text(a, ABOUT_PROVIDER));
    int64_t left_ms = (r->ask_until_us - clock_mono_us()) / 1000;
    if (p == NULL || p->kind != CATALOG_OPENROUTER || left_ms <= 0 || is_deaf(r, p->id) ||
        !receipt_id_is_plain(o->upstream_id))
        return false;
    struct str secret = secret_of(p, about_int(a, ABOUT_PROVIDER_KEY));
    snprintf(url, sizeof(url), "%.*s/generation?id=%.*s", STR_ARG(p->base_url),
             STR_ARG(o->upstream_id));
    snprintf(auth, sizeof(auth), "Authorization: Bearer %.*s", STR_ARG(secret));
    const char *const headers[] = {"Accept: application/json", auth, NULL};
    struct outbound_request rq = {.method = "GET",
                                  .url = url,
                                  .headers = headers,
                                  .timeout_ms = left_ms < ASK_MS_ONE ? left_ms : ASK_MS_ONE,
                                  .body_bytes_max = RECEIPT_BYTES_MAX,
                                  .ca_file = r->g->o.ca_file};
    struct outbound_answer answer;
    enum err e = outbound_call(&rq, &answer, why);
    if (e != OK && r->deaf_n < DEAF_MAX)
        r->deaf[r->deaf_n++] = p->id;
    bool ok = e == OK && answer.status == 200 && receipt_read(ret, buf_str(&answer.body));
    outbound_answer_fini(&answer);
    mem_wipe(auth, sizeof(auth));
    return ok;
}

/* The charge by the receipt, at the prices and rules in force. */
static bool price_receipt(const struct catalog_snapshot *s, struct str model,
                          const struct call_answer *a, struct nano *ret_charge, enum basis *ret)
{
    struct catalog_plan plan;
    if (catalog_plan_make(s, model, 0, &plan) != OK)
        return false;
    *ret = plan.price != NULL ? BASIS_PROVIDER_USAGE : BASIS_PROVIDER_COST;
    return (plan.price != NULL ? catalog_charge(&plan, &a->usage, ret_charge)
                               : catalog_charge_by_cost(&plan, a->cost, ret_charge)) == OK;
}

static enum err end_known(struct recovery *r, struct ledger *ledger, const struct ledger_outcome *o,
                          const struct call_answer *a, struct nano charge, enum basis basis)
{
    struct buf about;
    buf_init(&about, 2048);
    about_put_int(&about, ABOUT_STATUS, 500);
    about_put_text(&about, ABOUT_ERROR, STR("answer_lost"));
    about_put_int(&about, ABOUT_BASIS, basis);
    about_put_int(&about, ABOUT_INPUT, a->usage.input);
    about_put_int(&about, ABOUT_OUTPUT, a->usage.output);
    about_put_int(&about, ABOUT_CACHE_READ, a->usage.cache_read);
    about_put_int(&about, ABOUT_REASONING, a->usage.reasoning);
    about_put_int(&about, ABOUT_COST_REPORTED, a->cost.v);
    struct ledger_settlement s = {
        .charge = charge, .cost = a->cost, .wall_us = r->wall_us, .about = buf_str(&about)};
    enum err e = ledger_recover_settle(ledger, o->call, &s);
    buf_fini(&about);
    return e;
}

static enum err end_unknown(struct recovery *r, struct ledger *ledger,
                            const struct ledger_outcome *o)
{
    struct buf about;
    struct nano charge = policy_charge(r->g->o.unknown_outcome, o);
    buf_init(&about, 4096);
    if (o->has_checkpoint && charge.v != 0)
        buf_add(&about, o->checkpoint_about);
    about_put_int(&about, ABOUT_STATUS, 500);
    about_put_text(&about, ABOUT_ERROR, STR("outcome_unknown"));
    if (charge.v != 0)
        about_put_int(&about, ABOUT_BASIS, BASIS_ESTIMATED);
    struct ledger_settlement s = {
        .charge = charge, .unresolved = true, .wall_us = r->wall_us, .about = buf_str(&about)};
    enum err e = ledger_recover_settle(ledger, o->call, &s);
    r->unresolved += e == OK;
    buf_fini(&about);
    return e;
}

static void end_one(void *arg, struct ledger *ledger, const struct ledger_outcome *o)
{
    struct recovery *r = arg;
    enum err e;
    if (o->attempts == 0) {
        e = ledger_recover_void(ledger, o->call, r->wall_us, STR(""));
        r->voided += e == OK;
    } else {
        struct about a = {0};
        struct call_answer answer = {.has_usage = false};
        struct nano charge = NANO(0);
        enum basis basis = BASIS_NONE;
        const struct catalog_snapshot *s = catalog_ref(r->g->catalog);
        about_read(&a, o->hold_about);
        about_read(&a, o->dispatch_about);
        bool known = ask_receipt(r, s, o, &a, &answer) &&
                     price_receipt(s, about_text(&a, ABOUT_MODEL), &answer, &charge, &basis);
        catalog_unref(&s);
        e = known ? end_known(r, ledger, o, &answer, charge, basis) : end_unknown(r, ledger, o);
        r->settled += e == OK;
    }
    if (e != OK)
        r->err = e;
}

enum err gateway_recover(struct gateway *g, int64_t wall_us, int *ret_voided, int *ret_settled,
                         int *ret_unresolved)
{
    struct recovery r = {.g = g, .wall_us = wall_us};
    r.ask_until_us = clock_mono_us() + (int64_t)ASK_MS_ALL * US_PER_MS;
    enum err e = ledger_open_holds(g->ledger, end_one, &r);
    if (e != OK)
        return e;
    *ret_voided = r.voided;
    *ret_settled = r.settled;
    *ret_unresolved = r.unresolved;
    return r.err;
}

/* What a call costs: only sums of base/units.h, one rounding. */
#include "catalog/catalog.h"

static int64_t markup_of(const struct catalog_plan *plan)
{
    return plan->rule != NULL ? plan->rule->markup_ppm : 0;
}

static struct nano at_least(const struct catalog_plan *plan, struct nano n)
{
    return plan->rule != NULL && n.v < plan->rule->min_cost.v ? plan->rule->min_cost : n;
}

static struct pico cache_read_price(const struct catalog_price *p)
{
    return p->has_cache_read ? p->cache_read : p->input;
}

static struct pico cache_write_price(const struct catalog_price *p)
{
    return p->has_cache_write ? p->cache_write : p->input;
}

static struct pico dearer(struct pico a, struct pico b)
{
    return a.v > b.v ? a : b;
}

/* A provider may say that more was cached than came in; no more than all of it can be. */
static enum err price_usage(const struct catalog_price *p, const struct catalog_usage *u,
                            struct pico_sum *ret_sum)
{
    if (p == NULL)
        return ERR_UNPRICED_MODEL;
    if (u->input < 0 || u->output < 0 || u->cache_read < 0 || u->cache_write < 0)
        return ERR_INVALID_REQUEST;
    int64_t read = u->cache_read < u->input ? u->cache_read : u->input;
    int64_t rest = u->input - read;
    int64_t written = u->cache_write < rest ? u->cache_write : rest;
    struct pico_sum sum = pico_sum_zero();
    pico_sum_add(&sum, rest - written, p->input);
    pico_sum_add(&sum, read, cache_read_price(p));
    pico_sum_add(&sum, written, cache_write_price(p));
    pico_sum_add(&sum, u->output, p->output);
    pico_sum_add(&sum, 1, p->request);
    *ret_sum = sum;
    return OK;
}

enum err catalog_charge(const struct catalog_plan *plan, const struct catalog_usage *usage,
                        struct nano *ret_charge)
{
    struct pico_sum sum;
    struct nano n;
    enum err e = price_usage(plan->price, usage, &sum);
    if (e == OK)
        e = pico_sum_charge(sum, markup_of(plan), &n);
    if (e == OK)
        *ret_charge = at_least(plan, n);
    return e;
}

enum err catalog_charge_by_cost(const struct catalog_plan *plan, struct nano cost,
                                struct nano *ret_charge)
{
    if (cost.v < 0)
        return ERR_INVALID_REQUEST;
    struct pico_sum sum = pico_sum_zero();
    struct nano n;
    pico_sum_add_nano(&sum, cost);
    enum err e = pico_sum_charge(sum, markup_of(plan), &n);
    if (e == OK)
        *ret_charge = at_least(plan, n);
    return e;
}

enum err catalog_cost(const struct catalog_plan *plan, const struct catalog_usage *usage,
                      struct nano *ret_cost)
{
    struct pico_sum sum;
    enum err e = price_usage(plan->price, usage, &sum);
    return e != OK ? e : pico_sum_charge(sum, 0, ret_cost);
}

enum err catalog_quote(const struct catalog_plan *plan, int64_t input, int64_t output,
                       struct nano *ret_amount)
{
    if (input < 0 || output < 0)
        return ERR_INVALID_REQUEST;
    const struct catalog_price *p = plan->price;
    if (p == NULL) {
        *ret_amount = at_least(plan, CATALOG_BLIND_QUOTE);
        return OK;
    }
    struct pico dearest = dearer(p->input, dearer(cache_read_price(p), cache_write_price(p)));
    struct pico_sum sum = pico_sum_zero();
    struct nano n;
    pico_sum_add(&sum, input, dearest);
    pico_sum_add(&sum, output, p->output);
    pico_sum_add(&sum, 1, p->request);
    enum err e = pico_sum_charge(sum, markup_of(plan), &n);
    if (e == OK)
        *ret_amount = at_least(plan, n);
    return e;
}

static bool is_paid(const struct catalog_plan *plan, int64_t input, int64_t output,
                    struct nano budget)
{
    struct nano n;
    return catalog_quote(plan, input, output, &n) == OK && n.v <= budget.v;
}

int64_t catalog_affordable(const struct catalog_plan *plan, int64_t input, struct nano budget,
                           int64_t max)
{
    if (max <= 0 || !is_paid(plan, input, 0, budget))
        return 0;
    if (is_paid(plan, input, max, budget))
        return max;
    /* The quote grows with the output, so the answer is found by halving, by the very arithmetic
     * that will be asked again. */
    int64_t good = 0, bad = max;
    while (bad - good > 1) {
        int64_t middle = good + (bad - good) / 2;
        if (is_paid(plan, input, middle, budget))
            good = middle;
        else
            bad = middle;
    }
    return good;
}

enum err catalog_customer_price(const struct catalog_plan *plan, struct catalog_price *ret_price)
{
    if (plan->price == NULL)
        return ERR_UNPRICED_MODEL;
    struct catalog_price p = *plan->price;
    struct pico *const all[] = {&p.input, &p.output, &p.cache_read, &p.cache_write, &p.request};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        enum err e = pico_markup(*all[i], markup_of(plan), all[i]);
        if (e != OK)
            return e;
    }
    *ret_price = p;
    return OK;
}

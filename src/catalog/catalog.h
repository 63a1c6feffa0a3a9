/* Providers and their keys, models, routes, prices by version, pricing rules; the quote and the
 * charge.
 *
 * Owns: tables provider, provider_key, route, price, pricing_rule, model; the snapshot that calls
 * read.
 * Needs: store, base.
 * Threads: a snapshot is immutable and counted; any thread may take one. Control functions block.
 * Memory: snapshots live until the last reference goes.
 * Units: prices in pico-dollars per token or request, amounts in nano-dollars, markup in ppm.
 * Errors: MODEL_NOT_FOUND, UNPRICED_MODEL, NOT_FOUND, CONFLICT, VALIDATION_FAILED, DENIED (a sealed
 * key does not open).
 * Always: upstream keys are sealed in the store and never shown; a price is never changed, a new
 * version follows it.
 * Matching: `*` is a wildcard. Of prices the most specific pattern wins (exact before any wildcard,
 * then more literal characters), of equal ones the newest version. Of rules the higher priority,
 * then the more specific. Routes are tried by falling priority, then specificity; equals are drawn
 * by weight. */
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/id.h"
#include "base/units.h"
#include "store/store.h"

struct catalog;
struct catalog_snapshot;

enum catalog_kind { CATALOG_OPENROUTER, CATALOG_OPENAI, CATALOG_ANTHROPIC, CATALOG_KIND__COUNT };
const char *catalog_kind_name(enum catalog_kind k);
bool catalog_kind_parse(struct str s, enum catalog_kind *ret_kind);

struct catalog_provider {
    int64_t id;
    struct str name; /* the operator's name; also the default tag that customers see */
    struct str tag; /* X-…-Provider-Tag */
    enum catalog_kind kind;
    struct str base_url; /* without trailing slash */
    bool reports_cost; /* openrouter: usage.cost is there */
    bool drain; /* what to do when the client leaves: read on, or cancel */
    size_t keys_n;
    struct catalog_provider_key {
        int64_t id;
        struct str secret; /* opened, wiped with the snapshot; empty: send no Authorization */
    } * keys; /* at least one */
    void *attached; /* the gateway's: set once per snapshot by catalog_options.attach */
};

struct catalog_price {
    int64_t id; /* the version: on every usage line */
    struct str pattern;
    struct pico input, output, cache_read, cache_write, request;
    bool has_cache_read, has_cache_write; /* else the input price holds */
    int64_t created_us;
};
struct catalog_rule {
    int64_t id;
    struct str pattern;
    int64_t markup_ppm;
    struct nano min_cost;
    int64_t priority;
};
struct catalog_candidate {
    const struct catalog_provider *provider;
    struct str upstream_model; /* what to call it there */
    bool rename; /* differs from the client's model */
    size_t first_key; /* which of the provider's keys to begin with (drawn) */
};
#define CATALOG_CANDIDATES_MAX 8
/* Lives as long as the snapshot and the model's name; points into itself: not to be copied. */
struct catalog_plan {
    struct catalog_candidate candidates[CATALOG_CANDIDATES_MAX];
    size_t candidates_n;
    const struct catalog_price *price; /* NULL: charged by the provider's cost and the rule */
    const struct catalog_rule *rule; /* NULL: no markup */
    const struct catalog_model *model; /* NULL: not described */
    char renamed[512]; /* names that a route's `*` makes */
};

struct catalog_model {
    struct str id, name, owned_by;
    int64_t created_s, context_length, max_output; /* 0: not known */
    bool recommended;
};

struct catalog_options {
    uint8_t seal[CRYPTO_KEY_LEN];
    /* For each provider of a new snapshot (make its target), and at its end; may be NULL. */
    void *(*attach)(void *arg, const struct catalog_provider *p);
    void (*detach)(void *arg, void *attached);
    void *arg;
};
MUST enum err catalog_new(struct store *store, const struct catalog_options *options,
                          struct catalog **ret_catalog, char ret_why[STORE_WHY_MAX]);
void catalog_free(struct catalog **catalog);
/* The present snapshot, referenced (a short lock). */
const struct catalog_snapshot *catalog_ref(struct catalog *catalog);
void catalog_unref(const struct catalog_snapshot **s);
/* Counts up with each snapshot: a loop may keep its own reference and compare. */
uint64_t catalog_generation(const struct catalog *catalog);

/* Which way, at which price. `draw` is any random number. MODEL_NOT_FOUND without a route,
 * UNPRICED_MODEL without a price (unless a rule matches and every candidate reports its cost);
 * after an error the plan means nothing. No allocation; a search only for models that nothing
 * names. */
MUST enum err catalog_plan_make(const struct catalog_snapshot *s, struct str model, uint64_t draw,
                                struct catalog_plan *ret_plan);

struct catalog_usage {
    int64_t input, output; /* input includes cached; output includes reasoning */
    int64_t cache_read, cache_write; /* parts of input */
    int64_t reasoning; /* part of output */
};
/* Price × usage × rule, one rounding up; at least the rule's minimum. UNPRICED_MODEL without a
 * price, INVALID_REQUEST when a number is negative, LIMIT when the amount is past int64. Cached
 * parts that are more than the input count as the input. */
MUST enum err catalog_charge(const struct catalog_plan *plan, const struct catalog_usage *usage,
                             struct nano *ret_charge);
/* The provider's cost × (1 + markup), at least the minimum. */
MUST enum err catalog_charge_by_cost(const struct catalog_plan *plan, struct nano cost,
                                     struct nano *ret_charge);
/* What the call costs us by the price list without the rule (when the provider does not say). */
MUST enum err catalog_cost(const struct catalog_plan *plan, const struct catalog_usage *usage,
                           struct nano *ret_cost);
/* The most a call may cost: `input` tokens at the dearest of the input prices, `output` tokens, the
 * request's fee, with the rule. Without a price nobody knows: CATALOG_BLIND_QUOTE, or the rule's
 * minimum if that is more. */
#define CATALOG_BLIND_QUOTE NANO(NANO_PER_USD / 100)
MUST enum err catalog_quote(const struct catalog_plan *plan, int64_t input, int64_t output,
                            struct nano *ret_amount);
/* How many output tokens `budget` pays for beside `input` tokens; at most max; 0 when not even the
 * input is paid for. */
int64_t catalog_affordable(const struct catalog_plan *plan, int64_t input, struct nano budget,
                           int64_t max);

/* Puts the rule into the plan if it would be the one for the model; false: it would not. */
bool catalog_plan_try_rule(struct catalog_plan *plan, struct str model,
                           const struct catalog_rule *rule);
/* Prices of the plan with its rule's markup, rounded up: what /v1/models shows. */
MUST enum err catalog_customer_price(const struct catalog_plan *plan,
                                     struct catalog_price *ret_price);

/* Models for GET /v1/models, by id: those that are described or have an exact price, and have a
 * route and a price. The model given is never NULL (made up from the id where nobody has described
 * it). */
typedef void (*catalog_model_f)(void *arg, const struct catalog_model *m,
                                const struct catalog_plan *plan);
void catalog_models(const struct catalog_snapshot *s, catalog_model_f fn, void *arg);
bool catalog_model_get(const struct catalog_snapshot *s, struct str id,
                       const struct catalog_model **ret_model, struct catalog_plan *ret_plan);

/* ---- control, inside a store_write closure; the new snapshot is published when it commits ---- */
/* All answer VALIDATION_FAILED to what catalog/faults.h finds (and at 100,000 rows). */
struct catalog_provider_spec {
    struct str name, tag, base_url, api_key; /* tag empty: the name; key empty: it wants none */
    enum catalog_kind kind;
    bool drain;
};
/* The same name again adds another key to the provider when kind and base_url are equal, else
 * CONFLICT. */
MUST enum err catalog_provider_add_in(struct catalog *c, struct store_conn *conn,
                                      const struct catalog_provider_spec *spec, int64_t wall_us,
                                      int64_t *ret_id);
/* Its routes go with it. NOT_FOUND. */
MUST enum err catalog_provider_remove_in(struct catalog *c, struct store_conn *conn,
                                         struct str name);
struct catalog_route_spec {
    struct str pattern, provider, upstream_model; /* upstream_model empty: the client's; may hold
                                                   * one `*` that takes what the pattern's took */
    int64_t priority, weight; /* weight 1–1,000 */
};
/* NOT_FOUND when there is no such provider. */
MUST enum err catalog_route_add_in(struct catalog *c, struct store_conn *conn,
                                   const struct catalog_route_spec *spec, int64_t wall_us,
                                   int64_t *ret_id);
MUST enum err catalog_route_remove_in(struct catalog *c, struct store_conn *conn, int64_t id);
/* A new version for the pattern; id and created_us of `price` are not read. */
MUST enum err catalog_price_set_in(struct catalog *c, struct store_conn *conn,
                                   const struct catalog_price *price, int64_t wall_us,
                                   int64_t *ret_id);
MUST enum err catalog_rule_add_in(struct catalog *c, struct store_conn *conn,
                                  const struct catalog_rule *rule, int64_t wall_us,
                                  int64_t *ret_id);
MUST enum err catalog_rule_remove_in(struct catalog *c, struct store_conn *conn, int64_t id);
MUST enum err catalog_model_put_in(struct catalog *c, struct store_conn *conn,
                                   const struct catalog_model *model, int64_t wall_us);
/* One version as it was set; NOT_FOUND. */
MUST enum err catalog_price_by_id(struct store_conn *conn, struct arena *a, int64_t id,
                                  struct catalog_price *ret_price);
/* Lists as JSON arrays for the operator: providers (keys by count), routes, prices, rules. */
enum catalog_list { CATALOG_PROVIDERS, CATALOG_ROUTES, CATALOG_PRICES, CATALOG_RULES };
void catalog_list_json(const struct catalog_snapshot *s, enum catalog_list what, struct buf *json);
/* NULL when there is none. */
const struct catalog_provider *catalog_provider_get(const struct catalog_snapshot *s,
                                                    struct str name);

#endif

/* Rows made ready for calls, and the plan of a call. */
#include "catalog/room.h"
#include "base/mem.h"

#include <stdlib.h>

#define MATCHES_MAX 32

bool catalog_is_exact(struct str pattern)
{
    return str_index(pattern, '*') == SIZE_MAX;
}

size_t catalog_literals(struct str pattern)
{
    size_t n = 0;
    for (size_t i = 0; i < pattern.n; i++)
        n += pattern.p[i] != '*';
    return n;
}

struct str catalog_star(struct str pattern, struct str model)
{
    size_t star = str_index(pattern, '*');
    return star == SIZE_MAX ? STR("") : str_of(model.p + star, model.n - (pattern.n - 1));
}

/* ---- orders ---- */

/* Exact before any wildcard, then more literal characters: negative when a is more specific. */
static int by_specificity(struct str a, struct str b)
{
    bool exact_a = catalog_is_exact(a), exact_b = catalog_is_exact(b);
    if (exact_a != exact_b)
        return exact_a ? -1 : 1;
    size_t la = catalog_literals(a), lb = catalog_literals(b);
    return (la < lb) - (la > lb);
}

static int route_rank(const struct catalog_route *a, const struct catalog_route *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    return by_specificity(a->pattern, b->pattern);
}

static int by_route(const void *pa, const void *pb)
{
    const struct catalog_route *a = pa, *b = pb;
    int rank = route_rank(a, b);
    return rank != 0 ? rank : (a->id > b->id) - (a->id < b->id);
}

static int by_price(const void *pa, const void *pb)
{
    const struct catalog_price *const *a = pa, *const *b = pb;
    int rank = by_specificity((*a)->pattern, (*b)->pattern);
    return rank != 0 ? rank : ((*a)->id < (*b)->id) - ((*a)->id > (*b)->id);
}

static int by_rule(const void *pa, const void *pb)
{
    const struct catalog_rule *const *a = pa, *const *b = pb;
    if ((*a)->priority != (*b)->priority)
        return (*a)->priority > (*b)->priority ? -1 : 1;
    int rank = by_specificity((*a)->pattern, (*b)->pattern);
    return rank != 0 ? rank : ((*a)->id < (*b)->id) - ((*a)->id > (*b)->id);
}

static int by_id(const void *pa, const void *pb)
{
    const struct catalog_known *const *a = pa, *const *b = pb;
    return str_cmp((*a)->id, (*b)->id);
}

/* ---- compiling ---- */

static int by_provider(const void *pa, const void *pb)
{
    const struct catalog_key_row *a = pa, *b = pb;
    if (a->provider != b->provider)
        return a->provider > b->provider ? 1 : -1;
    return (a->id > b->id) - (a->id < b->id);
}

static void compile_providers(struct catalog_snapshot *s, const struct catalog_options *o)
{
    struct catalog_rows *r = &s->rows;
    s->providers = mem_array(r->providers_n, sizeof(*s->providers));
    s->keys = mem_array(r->keys_n, sizeof(*s->keys));
    if (r->keys_n != 0)
        qsort(r->keys, r->keys_n, sizeof(*r->keys), by_provider);
    for (size_t i = 0; i < r->keys_n; i++)
        s->keys[i] = (struct catalog_provider_key){r->keys[i].id, r->keys[i].secret};
    for (size_t i = 0; i < r->providers_n; i++) {
        const struct catalog_provider_row *row = &r->providers[i];
        struct catalog_provider *p = &s->providers[i];
        *p = (struct catalog_provider){.id = row->id,
                                       .name = row->name,
                                       .tag = row->tag,
                                       .kind = row->kind,
                                       .base_url = row->base_url,
                                       .reports_cost = row->kind == CATALOG_OPENROUTER,
                                       .drain = row->drain};
        for (size_t k = 0; k < r->keys_n; k++) {
            if (r->keys[k].provider != row->id)
                continue;
            if (p->keys_n++ == 0)
                p->keys = &s->keys[k];
        }
        p->attached = o->attach != NULL ? o->attach(o->arg, p) : NULL;
    }
}

static void compile_routes(struct catalog_snapshot *s)
{
    struct catalog_rows *r = &s->rows;
    s->routes = r->routes;
    for (size_t i = 0; i < r->routes_n; i++)
        for (size_t k = 0; k < r->providers_n; k++)
            if (s->providers[k].id == r->routes[i].provider_id)
                r->routes[i].provider = &s->providers[k];
    if (r->routes_n != 0)
        qsort(r->routes, r->routes_n, sizeof(*r->routes), by_route);
}

static void compile_prices(struct catalog_snapshot *s)
{
    struct catalog_rows *r = &s->rows;
    s->wild = mem_array(r->prices_n, sizeof(*s->wild));
    for (size_t i = 0; i < r->prices_n; i++)
        if (!catalog_is_exact(r->prices[i].pattern))
            s->wild[s->wild_n++] = &r->prices[i];
    if (s->wild_n != 0)
        qsort(s->wild, s->wild_n, sizeof(struct catalog_price *), by_price);
    s->rules = mem_array(r->rules_n, sizeof(*s->rules));
    for (size_t i = 0; i < r->rules_n; i++)
        s->rules[i] = &r->rules[i];
    if (r->rules_n != 0)
        qsort(s->rules, r->rules_n, sizeof(struct catalog_rule *), by_rule);
}

static const struct catalog_price *wild_price(const struct catalog_snapshot *s, struct str model)
{
    for (size_t i = 0; i < s->wild_n; i++)
        if (str_glob(s->wild[i]->pattern, model))
            return s->wild[i];
    return NULL;
}

static const struct catalog_rule *rule_for(const struct catalog_snapshot *s, struct str model)
{
    for (size_t i = 0; i < s->rows.rules_n; i++)
        if (str_glob(s->rules[i]->pattern, model))
            return s->rules[i];
    return NULL;
}

/* The slot of the model, or the free one where it belongs. */
static struct catalog_known *known_slot(const struct catalog_snapshot *s, struct str id)
{
    for (size_t i = str_hash(id) & (s->known_cap - 1);; i = (i + 1) & (s->known_cap - 1)) {
        struct catalog_known *k = &s->known[i];
        if (k->id.p == NULL || str_eq(k->id, id))
            return k;
    }
}

static struct catalog_known *known_make(struct catalog_snapshot *s, struct str id)
{
    struct catalog_known *k = known_slot(s, id);
    k->id = id;
    return k;
}

/* What the model is called behind the route, written into text; p NULL when it keeps its name.
 * False when there is no room. */
static bool upstream_name(const struct catalog_route *route, struct str model, char *text,
                          size_t cap, struct str *ret_name)
{
    struct str to = route->upstream;
    *ret_name = to.n == 0 ? (struct str){NULL, 0} : to;
    size_t star = str_index(to, '*');
    if (to.n == 0 || star == SIZE_MAX)
        return true;
    struct str taken = catalog_star(route->pattern, model), tail = str_from(to, star + 1);
    if (star + taken.n + tail.n > cap)
        return false;
    memcpy(text, to.p, star);
    memcpy(text + star, taken.p, taken.n);
    memcpy(text + star + taken.n, tail.p, tail.n);
    *ret_name = str_of(text, star + taken.n + tail.n);
    return true;
}

static void known_routes(struct catalog_snapshot *s, struct catalog_known *k)
{
    struct catalog_match matches[MATCHES_MAX];
    char text[CATALOG_PATTERN_MAX * 2];
    for (size_t i = 0; i < s->rows.routes_n && k->matches_n < MATCHES_MAX; i++) {
        struct catalog_match m = {&s->routes[i], STR("")};
        if (!str_glob(m.route->pattern, k->id) ||
            !upstream_name(m.route, k->id, text, sizeof(text), &m.upstream))
            continue;
        if (m.upstream.p == text)
            m.upstream = arena_dup(&s->rows.arena, m.upstream);
        matches[k->matches_n++] = m;
    }
    size_t bytes = k->matches_n * sizeof(matches[0]);
    k->matches = arena_alloc(&s->rows.arena, bytes);
    if (bytes != 0)
        memcpy(k->matches, matches, bytes);
}

/* Somebody to show where nobody has described the model: "openai/gpt-4o" is owned by openai. */
static void known_describe(struct catalog_known *k)
{
    size_t slash = str_index(k->id, '/');
    k->made = (struct catalog_model){
        .id = k->id,
        .name = k->id,
        .owned_by = slash == SIZE_MAX ? STR("") : str_upto(k->id, slash),
        .created_s = k->price != NULL ? k->price->created_us / 1000000 : 0,
    };
}

static void compile_known(struct catalog_snapshot *s)
{
    struct catalog_rows *r = &s->rows;
    size_t n = r->prices_n + r->models_n + r->routes_n;
    for (s->known_cap = 16; s->known_cap < n * 2;)
        s->known_cap *= 2;
    s->known = mem_array(s->known_cap, sizeof(*s->known));
    for (size_t i = 0; i < r->prices_n; i++)
        if (catalog_is_exact(r->prices[i].pattern)) {
            struct catalog_known *k = known_make(s, r->prices[i].pattern);
            k->price = &r->prices[i];
            k->priced_by_name = true;
        }
    for (size_t i = 0; i < r->models_n; i++)
        known_make(s, r->models[i].id)->model = &r->models[i];
    for (size_t i = 0; i < r->routes_n; i++)
        if (catalog_is_exact(s->routes[i].pattern))
            (void)known_make(s, s->routes[i].pattern);
    s->listed = mem_array(n, sizeof(*s->listed));
    for (size_t i = 0; i < s->known_cap; i++) {
        struct catalog_known *k = &s->known[i];
        if (k->id.p == NULL)
            continue;
        k->price = k->price != NULL ? k->price : wild_price(s, k->id);
        k->rule = rule_for(s, k->id);
        known_routes(s, k);
        known_describe(k);
        if (k->price != NULL && k->matches_n != 0 && (k->model != NULL || k->priced_by_name))
            s->listed[s->listed_n++] = k;
    }
    if (s->listed_n != 0)
        qsort(s->listed, s->listed_n, sizeof(struct catalog_known *), by_id);
}

struct catalog_snapshot *catalog_snapshot_new(struct catalog_rows *rows,
                                              const struct catalog_options *options)
{
    struct catalog_snapshot *s = mem_zalloc(sizeof(*s));
    atomic_init(&s->refs, 1);
    s->rows = *rows;
    *rows = (struct catalog_rows){.providers_n = 0};
    s->detach = options->detach;
    s->arg = options->arg;
    compile_providers(s, options);
    compile_routes(s);
    compile_prices(s);
    compile_known(s);
    must(!s->rows.arena.over);
    return s;
}

static void snapshot_free(struct catalog_snapshot *s)
{
    for (size_t i = 0; i < s->rows.providers_n; i++)
        if (s->detach != NULL && s->providers[i].attached != NULL)
            s->detach(s->arg, s->providers[i].attached);
    mem_free(s->providers);
    mem_free(s->keys);
    mem_free(s->wild);
    mem_free(s->rules);
    mem_free(s->known);
    mem_free(s->listed);
    catalog_rows_fini(&s->rows);
    mem_free(s);
}

/* ---- the present one ---- */

void catalog_publish(struct catalog *c, struct catalog_rows *rows)
{
    const struct catalog_snapshot *now = catalog_snapshot_new(rows, &c->options), *old;
    pthread_mutex_lock(&c->lock);
    old = c->now;
    c->now = now;
    atomic_fetch_add_explicit(&c->generation, 1, memory_order_release);
    pthread_mutex_unlock(&c->lock);
    catalog_unref(&old);
}

static _Atomic uint64_t *refs_of(const struct catalog_snapshot *s)
{
    /* The count is the one thing about a snapshot that changes. */
    return (_Atomic uint64_t *)(uintptr_t)&s->refs;
}

const struct catalog_snapshot *catalog_ref(struct catalog *c)
{
    pthread_mutex_lock(&c->lock);
    const struct catalog_snapshot *s = c->now;
    atomic_fetch_add_explicit(refs_of(s), 1, memory_order_relaxed);
    pthread_mutex_unlock(&c->lock);
    return s;
}

void catalog_unref(const struct catalog_snapshot **snapshot)
{
    const struct catalog_snapshot *s = *snapshot;
    *snapshot = NULL;
    if (s == NULL || atomic_fetch_sub_explicit(refs_of(s), 1, memory_order_acq_rel) != 1)
        return;
    snapshot_free((struct catalog_snapshot *)(uintptr_t)s);
}

uint64_t catalog_generation(const struct catalog *c)
{
    return atomic_load_explicit(&c->generation, memory_order_acquire);
}

/* ---- the plan ---- */

static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static bool is_there(const struct catalog_plan *plan, const struct catalog_provider *provider,
                     struct str upstream)
{
    for (size_t i = 0; i < plan->candidates_n; i++)
        if (plan->candidates[i].provider == provider &&
            str_eq(plan->candidates[i].upstream_model, upstream))
            return true;
    return false;
}

static void add_candidate(struct catalog_plan *plan, const struct catalog_match *m,
                          struct str model, uint64_t *draw)
{
    const struct catalog_provider *p = m->route->provider;
    struct str upstream = m->upstream.p != NULL ? m->upstream : model;
    if (p == NULL || plan->candidates_n == CATALOG_CANDIDATES_MAX || is_there(plan, p, upstream))
        return;
    plan->candidates[plan->candidates_n++] = (struct catalog_candidate){
        .provider = p,
        .upstream_model = upstream,
        .rename = !str_eq(upstream, model),
        .first_key = p->keys_n > 1 ? mix(draw) % p->keys_n : 0,
    };
}

/* Equals m[0..n): each next one is drawn by weight among those left. */
static void add_equals(struct catalog_plan *plan, const struct catalog_match *m, size_t n,
                       struct str model, uint64_t *draw)
{
    bool used[MATCHES_MAX] = {false};
    for (size_t turn = 0; turn < n; turn++) {
        uint64_t total = 0;
        for (size_t i = 0; i < n; i++)
            total += used[i] ? 0 : (uint64_t)m[i].route->weight;
        uint64_t at = total > 1 ? mix(draw) % total : 0;
        size_t pick = n;
        for (size_t i = 0; i < n && pick == n; i++) {
            if (used[i])
                continue;
            if (at < (uint64_t)m[i].route->weight)
                pick = i;
            else
                at -= (uint64_t)m[i].route->weight;
        }
        must(pick < n);
        used[pick] = true;
        add_candidate(plan, &m[pick], model, draw);
    }
}

static void choose(struct catalog_plan *plan, const struct catalog_match *m, size_t n,
                   struct str model, uint64_t draw)
{
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && route_rank(m[i].route, m[end].route) == 0)
            end++;
        if (end - i == 1)
            add_candidate(plan, &m[i], model, &draw);
        else
            add_equals(plan, m + i, end - i, model, &draw);
        i = end;
    }
}

/* A model that is named nowhere: only patterns can take it. */
static size_t search_routes(const struct catalog_snapshot *s, struct str model,
                            struct catalog_plan *plan, struct catalog_match m[MATCHES_MAX])
{
    size_t n = 0, used = 0;
    for (size_t i = 0; i < s->rows.routes_n && n < MATCHES_MAX; i++) {
        m[n].route = &s->routes[i];
        char *room = plan->renamed + used;
        if (!str_glob(m[n].route->pattern, model) ||
            !upstream_name(m[n].route, model, room, sizeof(plan->renamed) - used, &m[n].upstream))
            continue;
        used += m[n].upstream.p == room ? m[n].upstream.n : 0;
        n++;
    }
    return n;
}

static bool may_be_unpriced(const struct catalog_plan *plan)
{
    for (size_t i = 0; i < plan->candidates_n; i++)
        if (!plan->candidates[i].provider->reports_cost)
            return false;
    return plan->rule != NULL;
}

enum err catalog_plan_make(const struct catalog_snapshot *s, struct str model, uint64_t draw,
                           struct catalog_plan *ret_plan)
{
    struct catalog_plan *plan = ret_plan;
    plan->candidates_n = 0;
    const struct catalog_known *k = known_slot(s, model);
    if (k->id.p != NULL) {
        plan->price = k->price;
        plan->rule = k->rule;
        plan->model = k->model;
        choose(plan, k->matches, k->matches_n, model, draw);
    } else {
        struct catalog_match m[MATCHES_MAX] = {{NULL, {NULL, 0}}};
        size_t n = search_routes(s, model, plan, m);
        choose(plan, m, n, model, draw);
        plan->price = n != 0 ? wild_price(s, model) : NULL;
        plan->rule = n != 0 ? rule_for(s, model) : NULL;
        plan->model = NULL;
    }
    if (plan->candidates_n == 0)
        return ERR_MODEL_NOT_FOUND;
    return plan->price != NULL || may_be_unpriced(plan) ? OK : ERR_UNPRICED_MODEL;
}

bool catalog_plan_try_rule(struct catalog_plan *plan, struct str model,
                           const struct catalog_rule *rule)
{
    const struct catalog_rule *old = plan->rule;
    if (!str_glob(rule->pattern, model) || (old != NULL && by_rule(&rule, &old) > 0))
        return false;
    plan->rule = rule;
    return true;
}

/* ---- listing ---- */

static const struct catalog_model *shown(const struct catalog_known *k)
{
    return k->model != NULL ? k->model : &k->made;
}

void catalog_models(const struct catalog_snapshot *s, catalog_model_f fn, void *arg)
{
    struct catalog_plan plan;
    for (size_t i = 0; i < s->listed_n; i++)
        if (catalog_plan_make(s, s->listed[i]->id, 0, &plan) == OK)
            fn(arg, shown(s->listed[i]), &plan);
}

bool catalog_model_get(const struct catalog_snapshot *s, struct str id,
                       const struct catalog_model **ret_model, struct catalog_plan *ret_plan)
{
    const struct catalog_known *k = known_slot(s, id);
    if (k->id.p == NULL || k->price == NULL || (k->model == NULL && !k->priced_by_name) ||
        catalog_plan_make(s, id, 0, ret_plan) != OK)
        return false;
    *ret_model = shown(k);
    return true;
}

const struct catalog_provider *catalog_provider_get(const struct catalog_snapshot *s,
                                                    struct str name)
{
    for (size_t i = 0; i < s->rows.providers_n; i++)
        if (str_eq(s->providers[i].name, name))
            return &s->providers[i];
    return NULL;
}

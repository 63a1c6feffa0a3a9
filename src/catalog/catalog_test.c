/* Prices, routes, plans; the charge against a slow oracle; every refusal of the operator's
 * words. */
#include "catalog/catalog.h"
#include "base/mem.h"
#include "catalog/faults.h"
#include "store/store_testkit.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW INT64_C(1800000000000000)

static struct store_testkit kit;
static struct store *store;
static struct catalog *catalog;
static _Atomic int attached;
static uint64_t seed = 1;

static uint64_t draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 20;
}

static void *attach(void *arg, const struct catalog_provider *p)
{
    (void)arg;
    attached++;
    return mem_dup(p->base_url.p, p->base_url.n);
}

static void detach(void *arg, void *p)
{
    (void)arg;
    attached--;
    mem_free(p);
}

static enum err open_catalog(uint8_t seal)
{
    char why[STORE_WHY_MAX];
    struct catalog_options o = {.attach = attach, .detach = detach};
    memset(o.seal, seal, sizeof(o.seal));
    enum err e = catalog_new(store, &o, &catalog, why);
    assert_int_equal(e != OK, why[0] != '\0');
    return e;
}

static int setup(void **state)
{
    if (!store_testkit_begin(&kit, *state != NULL)) {
        store = NULL;
        return 0;
    }
    store = store_testkit_open(&kit);
    attached = 0;
    return open_catalog(5) != OK;
}

static int teardown(void **state)
{
    (void)state;
    if (store == NULL)
        return 0;
    catalog_free(&catalog);
    store_close(&store);
    store_testkit_end(&kit);
    return attached != 0;
}

#define NEED_STORE()                                                                               \
    do {                                                                                           \
        (void)state;                                                                               \
        if (store == NULL)                                                                         \
            skip();                                                                                \
    } while (0)

/* ---- control ---- */

struct job {
    enum { PROVIDER, UNPROVIDE, ROUTE, UNROUTE, PRICE, RULE, UNRULE, MODEL } what;
    struct catalog_provider_spec provider;
    struct catalog_route_spec route;
    struct catalog_price price;
    struct catalog_rule rule;
    struct catalog_model model;
    int64_t id;
    bool fail_after;
};

static enum err work(struct store_conn *conn, void *arg)
{
    struct job *j = arg;
    enum err e = OK;
    switch (j->what) {
    case PROVIDER: e = catalog_provider_add_in(catalog, conn, &j->provider, NOW, &j->id); break;
    case UNPROVIDE: e = catalog_provider_remove_in(catalog, conn, j->provider.name); break;
    case ROUTE: e = catalog_route_add_in(catalog, conn, &j->route, NOW, &j->id); break;
    case UNROUTE: e = catalog_route_remove_in(catalog, conn, j->id); break;
    case PRICE: e = catalog_price_set_in(catalog, conn, &j->price, NOW, &j->id); break;
    case RULE: e = catalog_rule_add_in(catalog, conn, &j->rule, NOW, &j->id); break;
    case UNRULE: e = catalog_rule_remove_in(catalog, conn, j->id); break;
    case MODEL: e = catalog_model_put_in(catalog, conn, &j->model, NOW); break;
    }
    return e == OK && j->fail_after ? ERR_CONFLICT : e;
}

static enum err do_job(struct job *j)
{
    return store_write(store, work, j);
}

static struct job provider_job(const char *name, enum catalog_kind kind)
{
    return (struct job){.what = PROVIDER,
                        .provider = {.name = str_c(name),
                                     .base_url = STR("https://api.example.com/v1/"),
                                     .api_key = STR("sk-secret"),
                                     .kind = kind}};
}

static int64_t add_provider(const char *name, enum catalog_kind kind)
{
    struct job j = provider_job(name, kind);
    assert_int_equal(do_job(&j), OK);
    return j.id;
}

static int64_t add_route(const char *pattern, const char *provider, const char *upstream,
                         int64_t priority, int64_t weight)
{
    struct job j = {.what = ROUTE,
                    .route = {str_c(pattern), str_c(provider), str_c(upstream), priority, weight}};
    assert_int_equal(do_job(&j), OK);
    return j.id;
}

static int64_t set_price(const char *pattern, int64_t input, int64_t output)
{
    struct job j = {
        .what = PRICE,
        .price = {.pattern = str_c(pattern), .input = PICO(input), .output = PICO(output)}};
    assert_int_equal(do_job(&j), OK);
    return j.id;
}

static int64_t add_rule(const char *pattern, int64_t ppm, int64_t min, int64_t priority)
{
    struct job j = {.what = RULE, .rule = {0, str_c(pattern), ppm, NANO(min), priority}};
    assert_int_equal(do_job(&j), OK);
    return j.id;
}

/* A plan in the present snapshot; the snapshot goes back at once, but the catalog holds it. */
static enum err plan_of(const char *model, struct catalog_plan *plan)
{
    const struct catalog_snapshot *s = catalog_ref(catalog);
    enum err e = catalog_plan_make(s, str_c(model), draw(), plan);
    catalog_unref(&s);
    return e;
}

static void reopen(void)
{
    catalog_free(&catalog);
    assert_int_equal(attached, 0);
    assert_int_equal(open_catalog(5), OK);
}

/* ---- plans ---- */

static void test_plan(void **state)
{
    NEED_STORE();
    struct catalog_plan p;
    assert_int_equal(plan_of("m", &p), ERR_MODEL_NOT_FOUND);
    assert_int_equal(plan_of("", &p), ERR_MODEL_NOT_FOUND);
    add_provider("one", CATALOG_OPENAI);
    add_route("*", "one", "", 0, 1);
    assert_int_equal(plan_of("m", &p), ERR_UNPRICED_MODEL);
    add_rule("*", 200000, 0, 0);
    assert_int_equal(plan_of("m", &p), ERR_UNPRICED_MODEL); /* it does not say what it cost */
    set_price("*", 1, 1);
    int64_t gpt = set_price("gpt-*", 2, 2), gpt4 = set_price("gpt-4*", 3, 3),
            exact = set_price("gpt-4o", 4, 4);
    int64_t second = set_price("gpt-*", 5, 5);
    assert_true(second > exact && exact > gpt4 && gpt4 > gpt);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(plan_of("gpt-4o", &p), OK);
        assert_int_equal(p.price->id, exact);
        assert_int_equal(plan_of("gpt-4x", &p), OK);
        assert_int_equal(p.price->id, gpt4);
        assert_int_equal(plan_of("gpt-3", &p), OK);
        assert_int_equal(p.price->id, second);
        assert_int_equal(plan_of("other", &p), OK);
        assert_int_equal(p.price->input.v, 1);
        assert_int_equal(p.rule->markup_ppm, 200000);
        assert_null(p.model);
        assert_int_equal(p.candidates_n, 1);
        assert_false(p.candidates[0].rename);
        assert_true(str_eq(p.candidates[0].upstream_model, STR("other")));
        assert_true(str_eq(p.candidates[0].provider->base_url, STR("https://api.example.com/v1")));
        assert_true(str_eq(p.candidates[0].provider->keys[0].secret, STR("sk-secret")));
        assert_true(str_eq(p.candidates[0].provider->tag, STR("one")));
        assert_non_null(p.candidates[0].provider->attached);
        reopen();
    }
    struct arena a;
    arena_init(&a, 256, 1000);
    struct catalog_price price;
    struct store_conn *conn = NULL;
    assert_int_equal(store_reader_begin(store, &conn), OK);
    assert_int_equal(catalog_price_by_id(conn, &a, gpt, &price), OK);
    assert_true(price.input.v == 2 && str_eq(price.pattern, STR("gpt-*")));
    assert_int_equal(catalog_price_by_id(conn, &a, 999, &price), ERR_NOT_FOUND);
    store_reader_end(&conn);
    arena_fini(&a);
}

static void test_rules(void **state)
{
    NEED_STORE();
    struct catalog_plan p;
    add_provider("or", CATALOG_OPENROUTER);
    add_route("*", "or", "", 0, 1);
    assert_int_equal(plan_of("m", &p), ERR_UNPRICED_MODEL); /* no price and no rule */
    int64_t all = add_rule("*", 100, 0, 0), m = add_rule("m*", 200, 0, 0),
            exact = add_rule("mm", 300, 0, 0), high = add_rule("m*", 400, 0, 7);
    assert_int_equal(plan_of("x", &p), OK);
    assert_null(p.price);
    assert_int_equal(p.rule->id, all);
    assert_int_equal(plan_of("mm", &p), OK);
    assert_int_equal(p.rule->id, high);
    struct job j = {.what = UNRULE, .id = high};
    assert_int_equal(do_job(&j), OK);
    assert_int_equal(do_job(&j), ERR_NOT_FOUND);
    assert_int_equal(plan_of("mm", &p), OK);
    assert_int_equal(p.rule->id, exact);
    assert_int_equal(plan_of("m3", &p), OK);
    assert_int_equal(p.rule->id, m);
    /* One candidate that does not report its cost is enough to refuse. */
    add_provider("plain", CATALOG_OPENAI);
    add_route("m3", "plain", "", -5, 1);
    assert_int_equal(plan_of("m3", &p), ERR_UNPRICED_MODEL);
    struct nano n;
    assert_int_equal(plan_of("x", &p), OK);
    struct catalog_usage u = {.input = 5};
    struct catalog_price shown;
    assert_int_equal(catalog_charge(&p, &u, &n), ERR_UNPRICED_MODEL);
    assert_int_equal(catalog_cost(&p, &u, &n), ERR_UNPRICED_MODEL);
    assert_int_equal(catalog_customer_price(&p, &shown), ERR_UNPRICED_MODEL);
    assert_int_equal(catalog_quote(&p, 5, 5, &n), OK);
    assert_int_equal(n.v, CATALOG_BLIND_QUOTE.v);
}

static void test_routes(void **state)
{
    NEED_STORE();
    struct catalog_plan p;
    static const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++)
        add_provider(names[i], CATALOG_OPENAI);
    set_price("*", 1, 1);
    add_route("*", "d", "", 0, 1);
    add_route("gpt-*", "c", "azure/*-eu", 0, 1);
    add_route("gpt-4o", "b", "special", 0, 1);
    int64_t last = add_route("*", "a", "", 9, 1);
    /* By priority, then exact, then the more literal pattern. */
    assert_int_equal(plan_of("gpt-4o", &p), OK);
    assert_int_equal(p.candidates_n, 4);
    for (int i = 0; i < 4; i++)
        assert_true(str_eq(p.candidates[i].provider->name, str_c(names[i])));
    assert_true(p.candidates[1].rename);
    assert_true(str_eq(p.candidates[1].upstream_model, STR("special")));
    assert_true(str_eq(p.candidates[2].upstream_model, STR("azure/4o-eu")));
    /* The same for a model that is named nowhere, whose name is made in the plan. */
    assert_int_equal(plan_of("gpt-5", &p), OK);
    assert_int_equal(p.candidates_n, 3);
    assert_true(str_eq(p.candidates[1].upstream_model, STR("azure/5-eu")));
    assert_int_equal(plan_of("gpt-", &p), OK);
    assert_true(str_eq(p.candidates[1].upstream_model, STR("azure/-eu")));
    char longest[1000];
    memset(longest, 'x', sizeof(longest));
    memcpy(longest, "gpt-", 4);
    longest[999] = '\0';
    assert_int_equal(plan_of(longest, &p), OK); /* what cannot be named is left out */
    assert_int_equal(p.candidates_n, 2);
    struct job j = {.what = UNROUTE, .id = last};
    assert_int_equal(do_job(&j), OK);
    assert_int_equal(do_job(&j), ERR_NOT_FOUND);
    assert_int_equal(plan_of("gpt-4o", &p), OK);
    assert_int_equal(p.candidates_n, 3);
    j = (struct job){.what = UNPROVIDE, .provider.name = STR("c")};
    assert_int_equal(do_job(&j), OK);
    assert_int_equal(do_job(&j), ERR_NOT_FOUND);
    assert_int_equal(plan_of("gpt-4o", &p), OK);
    assert_int_equal(p.candidates_n, 2);
    reopen();
    assert_int_equal(plan_of("gpt-4o", &p), OK);
    assert_int_equal(p.candidates_n, 2);
    /* A number once given is not given again. */
    add_route("*", "a", "", 9, 1);
    assert_true(add_route("*", "a", "x", 9, 1) > last + 1);
}

static void test_weights(void **state)
{
    NEED_STORE();
    struct catalog_plan p;
    set_price("*", 1, 1);
    char name[16];
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        add_provider(name, CATALOG_OPENAI);
    }
    add_route("*", "p0", "", 0, 30);
    add_route("*", "p1", "", 0, 70);
    int first = 0;
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(plan_of("m", &p), OK);
        assert_int_equal(p.candidates_n, 2);
        assert_ptr_not_equal(p.candidates[0].provider, p.candidates[1].provider);
        first += str_eq(p.candidates[0].provider->name, STR("p0"));
    }
    assert_in_range(first, 2800, 3200);
    add_route("m", "p1", "", 0, 1); /* the same way twice is one candidate */
    assert_int_equal(plan_of("m", &p), OK);
    assert_int_equal(p.candidates_n, 2);
    assert_true(str_eq(p.candidates[0].provider->name, STR("p1")));
    for (int i = 2; i < 10; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        add_route("*", name, "", 0, 1);
    }
    assert_int_equal(plan_of("m", &p), OK);
    assert_int_equal(p.candidates_n, CATALOG_CANDIDATES_MAX);
}

static void test_keys_and_conflicts(void **state)
{
    NEED_STORE();
    struct job j = provider_job("one", CATALOG_OPENAI);
    assert_int_equal(do_job(&j), OK);
    int64_t id = j.id;
    j.provider.api_key = STR("second");
    j.provider.base_url = STR("https://api.example.com/v1"); /* the slash makes no difference */
    assert_int_equal(do_job(&j), OK);
    assert_int_equal(j.id, id);
    j.provider.api_key = STR("third");
    j.fail_after = true;
    assert_int_equal(do_job(&j), ERR_CONFLICT);
    j.fail_after = false;
    j.provider.kind = CATALOG_ANTHROPIC;
    assert_int_equal(do_job(&j), ERR_CONFLICT);
    j.provider.kind = CATALOG_OPENAI;
    j.provider.base_url = STR("https://other");
    assert_int_equal(do_job(&j), ERR_CONFLICT);
    for (int turn = 0; turn < 2; turn++) {
        const struct catalog_snapshot *s = catalog_ref(catalog);
        const struct catalog_provider *p = catalog_provider_get(s, STR("one"));
        assert_int_equal(p->keys_n, 2);
        assert_true(str_eq(p->keys[0].secret, STR("sk-secret")));
        assert_true(str_eq(p->keys[1].secret, STR("second")));
        assert_null(catalog_provider_get(s, STR("two")));
        catalog_unref(&s);
        reopen();
    }
    /* A house with another sealing key does not open them. */
    catalog_free(&catalog);
    assert_int_equal(open_catalog(6), ERR_DENIED);
    assert_int_equal(open_catalog(5), OK);
    j = provider_job("nokey", CATALOG_OPENAI);
    j.provider.api_key = STR("");
    assert_int_equal(do_job(&j), OK);
    const struct catalog_snapshot *s = catalog_ref(catalog);
    const struct catalog_provider *p = catalog_provider_get(s, STR("nokey"));
    assert_true(p->keys_n == 1 && p->keys[0].secret.n == 0);
    catalog_unref(&s);
}

/* One transaction that does several things publishes once; one that fails publishes nothing. */
static enum err many_work(struct store_conn *conn, void *arg)
{
    struct job *jobs = arg;
    for (int i = 0; i < 4; i++) {
        enum err e = work(conn, &jobs[i]);
        if (e != OK)
            return e;
    }
    return OK;
}

static void test_one_transaction(void **state)
{
    NEED_STORE();
    struct job jobs[4] = {provider_job("one", CATALOG_OPENAI)};
    jobs[1] = (struct job){.what = ROUTE, .route = {STR("*"), STR("one"), STR(""), 0, 1}};
    jobs[2] = (struct job){.what = PRICE, .price = {.pattern = STR("m")}};
    jobs[3] = (struct job){.what = MODEL, .model = {.id = STR("m")}, .fail_after = true};
    uint64_t before = catalog_generation(catalog);
    struct catalog_plan p;
    assert_int_equal(store_write(store, many_work, jobs), ERR_CONFLICT);
    assert_int_equal(catalog_generation(catalog), before);
    assert_int_equal(plan_of("m", &p), ERR_MODEL_NOT_FOUND);
    jobs[3].fail_after = false;
    const struct catalog_snapshot *old = catalog_ref(catalog);
    assert_int_equal(store_write(store, many_work, jobs), OK);
    assert_int_equal(catalog_generation(catalog), before + 1);
    assert_int_equal(plan_of("m", &p), OK);
    assert_true(str_eq(p.model->name, STR("m")));
    /* Who holds the old one sees what it was. */
    assert_int_equal(catalog_plan_make(old, STR("m"), 1, &p), ERR_MODEL_NOT_FOUND);
    catalog_unref(&old);
}

struct seen {
    size_t n;
    char ids[200];
};

static void see_model(void *arg, const struct catalog_model *m, const struct catalog_plan *plan)
{
    struct seen *s = arg;
    s->n++;
    must(plan->price != NULL);
    size_t at = strlen(s->ids);
    snprintf(s->ids + at, sizeof(s->ids) - at, "%.*s(%.*s) ", STR_ARG(m->id), STR_ARG(m->owned_by));
}

static void test_models(void **state)
{
    NEED_STORE();
    const struct catalog_model *m;
    struct catalog_plan p;
    add_provider("one", CATALOG_OPENAI);
    add_route("z/*", "one", "", 0, 1);
    add_route("a", "one", "", 0, 1);
    set_price("z/9", 10, 20);
    set_price("unrouted", 1, 1);
    set_price("z/p*", 1000, 1);
    struct job j = {.what = MODEL,
                    .model = {.id = STR("z/pq"), .name = STR("PQ"), .owned_by = STR("them")}};
    assert_int_equal(do_job(&j), OK);
    j.model.id = STR("z/unpriced");
    assert_int_equal(do_job(&j), OK);
    add_rule("*", 200000, 0, 0);
    struct seen seen = {0};
    const struct catalog_snapshot *s = catalog_ref(catalog);
    catalog_models(s, see_model, &seen);
    assert_string_equal(seen.ids, "z/9(z) z/pq(them) ");
    assert_true(catalog_model_get(s, STR("z/pq"), &m, &p));
    assert_true(str_eq(m->name, STR("PQ")));
    struct catalog_price shown;
    assert_int_equal(catalog_customer_price(&p, &shown), OK);
    assert_int_equal(shown.input.v, 1200);
    assert_int_equal(shown.output.v, 2); /* 1.2, rounded up */
    assert_true(catalog_model_get(s, STR("z/9"), &m, &p));
    assert_false(catalog_model_get(s, STR("z/other"), &m, &p));
    assert_false(catalog_model_get(s, STR("a"), &m, &p));
    assert_false(catalog_model_get(s, STR("unrouted"), &m, &p));
    struct buf json;
    buf_init(&json, 10000);
    for (int what = CATALOG_PROVIDERS; what <= CATALOG_RULES; what++) {
        buf_reset(&json);
        catalog_list_json(s, (enum catalog_list)what, &json);
        assert_int_equal(str_find(buf_str(&json), STR("secret")), SIZE_MAX);
        static const char *const want[] = {
            "[{\"id\":1,\"name\":\"one\",\"tag\":\"one\",\"kind\":\"openai\",\"base_url\":"
            "\"https://api.example.com/v1\",\"keys\":1,\"reports_cost\":false,\"drain\":false}]",
            "[{\"id\":2,\"model\":\"a\",",
            "[{\"id\":1,\"model\":\"z/9\",\"input\":\"0.00000000001\"",
            "[{\"id\":1,\"model\":\"*\",\"markup_percent\":\"20\",\"min_cost\":\"0\",\"priority\":"
            "0}]"};
        assert_true(str_starts(buf_str(&json), str_c(want[what])));
    }
    buf_fini(&json);
    catalog_unref(&s);
}

/* ---- refusals ---- */

static void test_refusals(void **state)
{
    NEED_STORE();
    static const char *const urls[] = {"",
                                       "ftp://x",
                                       "https://",
                                       "http:///v1",
                                       "http://a b/",
                                       "http://u@h/",
                                       "http://h:0/",
                                       "http://h:65536/",
                                       "http://h:/",
                                       "http://h/?q",
                                       "http://h/#f",
                                       "http://[::1",
                                       "http://[::z%]/",
                                       "http://[::1]x",
                                       "http://h\\x/",
                                       "h",
                                       "http://h\n/",
                                       "https://h\xC3\xA4/",
                                       "http://[]/"};
    static const char *const good_urls[] = {"http://127.0.0.1:9000", "https://[::1]:8443/x/",
                                            "HTTPS://Api.Example.com/a/b", "http://localhost"};
    struct job j = provider_job("one", CATALOG_OPENAI);
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        j.provider.base_url = str_c(urls[i]);
        assert_non_null(catalog_provider_fault(&j.provider));
        assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    }
    for (size_t i = 0; i < sizeof(good_urls) / sizeof(good_urls[0]); i++) {
        j.provider.base_url = str_c(good_urls[i]);
        assert_null(catalog_provider_fault(&j.provider));
    }
    char big[5000];
    memset(big, 'a', sizeof(big));
    static const struct str names[] = {{"", 0},         {"a\nb", 3}, {"a\x7f", 2},
                                       {"\xC3\xA4", 2}, {" a", 2},   {"a ", 2}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        j.provider.name = names[i];
        assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
        j.provider.name = STR("one");
        j.provider.tag = names[i];
        assert_int_equal(catalog_provider_fault(&j.provider) == NULL, i == 0);
        j.provider.tag = STR("");
    }
    j.provider.name = str_of(big, 65);
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    j = provider_job("one", CATALOG_OPENAI);
    j.provider.api_key = STR("a\r\nHost: x");
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    j.provider.api_key = str_of(big, 4097);
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    j = provider_job("one", CATALOG_KIND__COUNT);
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
}

static void test_route_refusals(void **state)
{
    NEED_STORE();
    char big[201];
    struct job j;
    memset(big, 'a', sizeof(big));
    add_provider("one", CATALOG_OPENAI);
    const struct catalog_route_spec routes[] = {{STR(""), STR("one"), STR(""), 0, 1},
                                                {STR("a b"), STR("one"), STR(""), 0, 1},
                                                {STR("a"), STR(""), STR(""), 0, 1},
                                                {STR("a"), STR("one"), STR("x*"), 0, 1},
                                                {STR("*a*"), STR("one"), STR("x*"), 0, 1},
                                                {STR("*"), STR("one"), STR("**"), 0, 1},
                                                {STR("a"), STR("one"), STR("x\n"), 0, 1},
                                                {STR("a"), STR("one"), STR(""), 0, 0},
                                                {STR("a"), STR("one"), STR(""), 0, 1001},
                                                {STR("a"), STR("one"), STR(""), 1000001, 1},
                                                {STR("a"), STR("one"), STR(""), -1000001, 1},
                                                {str_of(big, 201), STR("one"), STR(""), 0, 1}};
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        j = (struct job){.what = ROUTE, .route = routes[i]};
        assert_non_null(catalog_route_fault(&j.route));
        assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    }
    j = (struct job){.what = ROUTE, .route = {STR("a"), STR("two"), STR(""), 0, 1}};
    assert_int_equal(do_job(&j), ERR_NOT_FOUND);
}

static void test_price_refusals(void **state)
{
    NEED_STORE();
    struct job j = {.what = PRICE};
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    for (int i = 0; i < 5; i++)
        for (int big = 0; big < 2; big++) {
            struct catalog_price p = {
                .pattern = STR("*"), .has_cache_read = true, .has_cache_write = true};
            struct pico *const all[] = {&p.input, &p.output, &p.cache_read, &p.cache_write,
                                        &p.request};
            *all[i] = PICO(big ? INT64_C(1000000000000001) : -1);
            j.price = p;
            assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
        }
    const struct catalog_rule rules[] = {
        {0, STR(""), 0, NANO(0), 0},           {0, STR("*"), -1000001, NANO(0), 0},
        {0, STR("*"), 1000000001, NANO(0), 0}, {0, STR("*"), 0, NANO(-1), 0},
        {0, STR("*"), 0, NANO(INT64_MAX), 0},  {0, STR("*"), 0, NANO(0), 1000001}};
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        j = (struct job){.what = RULE, .rule = rules[i]};
        assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    }
    add_rule("*", -1000000, 0, 0);
    const struct catalog_model models[] = {{.id = STR("")},
                                           {.id = STR("a*")},
                                           {.id = STR("a"), .name = STR("a\n")},
                                           {.id = STR("a"), .owned_by = STR("\xFF")},
                                           {.id = STR("a"), .context_length = -1},
                                           {.id = STR("a"), .max_output = -1},
                                           {.id = STR("a"), .created_s = -1}};
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        j = (struct job){.what = MODEL, .model = models[i]};
        assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    }
    enum catalog_kind k;
    assert_false(catalog_kind_parse(STR("OpenAI"), &k));
    assert_true(catalog_kind_parse(STR("anthropic"), &k) && k == CATALOG_ANTHROPIC);
}

/* ---- the charge against an oracle that counts in decimal digits ---- */

#define DIGITS 80
struct big {
    int d[DIGITS]; /* least first */
};

static struct big big_of(uint64_t v)
{
    struct big b = {{0}};
    for (int i = 0; v != 0; i++, v /= 10)
        b.d[i] = (int)(v % 10);
    return b;
}

static struct big big_add(struct big a, struct big b)
{
    for (int i = 0, carry = 0; i < DIGITS; i++) {
        int s = a.d[i] + b.d[i] + carry;
        a.d[i] = s % 10;
        carry = s / 10;
    }
    return a;
}

static struct big big_mul(struct big a, struct big b)
{
    struct big r = {{0}};
    for (int i = 0; i < DIGITS; i++)
        for (int k = 0, carry = 0; i + k < DIGITS; k++) {
            int s = r.d[i + k] + a.d[i] * b.d[k] + carry;
            r.d[i + k] = s % 10;
            carry = s / 10;
        }
    return r;
}

/* ÷ 10^places, rounded up; false when it is past int64. */
static bool big_up(struct big a, int places, int64_t *ret)
{
    bool rest = false;
    for (int i = 0; i < places; i++)
        rest |= a.d[i] != 0;
    uint64_t v = 0;
    for (int i = DIGITS - 1; i >= places; i--) {
        if (v > (INT64_MAX - (uint64_t)a.d[i]) / 10)
            return false;
        v = v * 10 + (uint64_t)a.d[i];
    }
    v += rest;
    *ret = (int64_t)v;
    return v <= INT64_MAX;
}

/* Numbers of every size. */
static int64_t any(int64_t max)
{
    int64_t v = (int64_t)(draw() & INT64_MAX) >> (draw() % 44);
    return draw() % 7 == 0 ? 0 : v % (max + 1);
}

static void test_charge_oracle(void **state)
{
    (void)state;
    int over = 0, fine = 0;
    for (int i = 0; i < 60000; i++) {
        const int64_t price_max = INT64_C(1000000000000000);
        struct catalog_price p = {.input = PICO(any(price_max)),
                                  .output = PICO(any(price_max)),
                                  .cache_read = PICO(any(price_max)),
                                  .cache_write = PICO(any(price_max)),
                                  .request = PICO(any(price_max)),
                                  .has_cache_read = draw() % 2,
                                  .has_cache_write = draw() % 2};
        struct catalog_rule r = {.markup_ppm = any(1001000000) - 1000000,
                                 .min_cost = NANO(any(1000))};
        struct catalog_plan plan = {.price = &p, .rule = draw() % 4 == 0 ? NULL : &r};
        struct catalog_usage u = {.input = any(INT64_C(1000000000000)),
                                  .output = any(INT64_C(1000000000000))};
        u.cache_read = any(u.input * 2);
        u.cache_write = any(u.input);
        int64_t read = u.cache_read < u.input ? u.cache_read : u.input;
        int64_t left = u.input - read;
        int64_t written = u.cache_write < left ? u.cache_write : left;
        struct big sum = big_mul(big_of((uint64_t)(left - written)), big_of((uint64_t)p.input.v));
        sum = big_add(sum,
                      big_mul(big_of((uint64_t)read),
                              big_of((uint64_t)(p.has_cache_read ? p.cache_read : p.input).v)));
        sum = big_add(sum,
                      big_mul(big_of((uint64_t)written),
                              big_of((uint64_t)(p.has_cache_write ? p.cache_write : p.input).v)));
        sum = big_add(sum, big_mul(big_of((uint64_t)u.output), big_of((uint64_t)p.output.v)));
        sum = big_add(sum, big_of((uint64_t)p.request.v));
        int64_t want, cost;
        bool cost_fits = big_up(sum, 3, &cost);
        uint64_t factor = 1000000u + (uint64_t)(plan.rule != NULL ? r.markup_ppm : 0);
        bool fits = big_up(big_mul(sum, big_of(factor)), 9, &want);
        struct nano got = {-7}, quote = {-7};
        enum err e = catalog_charge(&plan, &u, &got);
        assert_int_equal(e, fits ? OK : ERR_LIMIT);
        assert_int_equal(catalog_cost(&plan, &u, &quote), cost_fits ? OK : ERR_LIMIT);
        if (cost_fits)
            assert_int_equal(quote.v, cost);
        if (!fits) {
            assert_int_equal(got.v, -7);
            over++;
            continue;
        }
        fine++;
        if (plan.rule != NULL && want < r.min_cost.v)
            want = r.min_cost.v;
        assert_int_equal(got.v, want);
        /* What was quoted for no less is no less. */
        if (catalog_quote(&plan, u.input, u.output, &quote) == OK)
            assert_true(quote.v >= got.v);
        struct nano by_cost;
        if (cost_fits && big_up(big_mul(big_of((uint64_t)cost), big_of(factor)), 6, &want)) {
            assert_int_equal(catalog_charge_by_cost(&plan, NANO(cost), &by_cost), OK);
            if (plan.rule != NULL && want < r.min_cost.v)
                want = r.min_cost.v;
            assert_int_equal(by_cost.v, want);
        }
    }
    assert_true(over > 100 && fine > 10000);
}

static void test_charge_refusals(void **state)
{
    (void)state;
    struct catalog_price p = {.input = PICO(1000), .output = PICO(1000)};
    struct catalog_plan plan = {.price = &p};
    struct nano n = {-7};
    const struct catalog_usage bad[] = {
        {.input = -1}, {.output = -1}, {.cache_read = -1}, {.cache_write = -1}};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(catalog_charge(&plan, &bad[i], &n), ERR_INVALID_REQUEST);
    assert_int_equal(catalog_quote(&plan, -1, 0, &n), ERR_INVALID_REQUEST);
    assert_int_equal(catalog_quote(&plan, 0, -1, &n), ERR_INVALID_REQUEST);
    assert_int_equal(catalog_charge_by_cost(&plan, NANO(-1), &n), ERR_INVALID_REQUEST);
    p.input = PICO(INT64_C(1000000000000000));
    assert_int_equal(catalog_quote(&plan, INT64_MAX, 0, &n), ERR_LIMIT);
    assert_int_equal(n.v, -7);
}

static void test_affordable(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct catalog_price p = {.input = PICO(any(100000000)),
                                  .output = PICO(any(100000000)),
                                  .request = PICO(any(1000000000))};
        struct catalog_rule r = {.markup_ppm = any(3000000) - 1000000,
                                 .min_cost = NANO(any(100000))};
        struct catalog_plan plan = {.price = &p, .rule = &r};
        int64_t input = any(100000), max = any(200000);
        struct nano budget = {any(INT64_C(20000000000)) - 5}, q;
        int64_t n = catalog_affordable(&plan, input, budget, max);
        assert_true(n >= 0 && n <= max);
        if (n > 0) {
            assert_int_equal(catalog_quote(&plan, input, n, &q), OK);
            assert_true(q.v <= budget.v);
        }
        if (n < max) { /* one more is too much */
            assert_int_equal(catalog_quote(&plan, input, n + 1, &q), OK);
            assert_true(q.v > budget.v);
        }
    }
    struct catalog_plan free_of_charge = {.price = &(struct catalog_price){.created_us = 1}};
    assert_int_equal(catalog_affordable(&free_of_charge, 9, NANO(0), 77), 77);
    assert_int_equal(catalog_affordable(&free_of_charge, 9, NANO(-1), 77), 0);
    assert_int_equal(catalog_affordable(&free_of_charge, 9, NANO(5), -3), 0);
}

/* ---- threads: snapshots change while they are read ---- */

static _Atomic bool over;

static void *reader(void *arg)
{
    uint64_t mine = (uint64_t)(uintptr_t)arg;
    while (!over) {
        const struct catalog_snapshot *s = catalog_ref(catalog);
        struct catalog_plan p;
        if (catalog_plan_make(s, STR("m"), mine++, &p) == OK)
            must(p.candidates[0].provider->keys[0].secret.n == 9);
        catalog_unref(&s);
    }
    return NULL;
}

static void test_threads(void **state)
{
    NEED_STORE();
    pthread_t threads[3];
    over = false;
    add_provider("one", CATALOG_OPENAI);
    for (uintptr_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, (void *)i), 0);
    for (int i = 0; i < 30; i++) {
        int64_t route = add_route("*", "one", "", i, 1);
        set_price("m", i, i);
        if (i % 2 == 0) {
            struct job j = {.what = UNROUTE, .id = route};
            assert_int_equal(do_job(&j), OK);
        }
    }
    over = true;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

#define ON_BOTH(test)                                                                              \
    {#test " sqlite", test, setup, teardown, NULL},                                                \
    {                                                                                              \
#test " postgres", test, setup, teardown, &kit                                             \
    }

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_charge_oracle),
        cmocka_unit_test(test_charge_refusals),
        cmocka_unit_test(test_affordable),
        ON_BOTH(test_plan),
        ON_BOTH(test_rules),
        ON_BOTH(test_routes),
        ON_BOTH(test_weights),
        ON_BOTH(test_keys_and_conflicts),
        ON_BOTH(test_one_transaction),
        ON_BOTH(test_models),
        ON_BOTH(test_refusals),
        ON_BOTH(test_price_refusals),
        ON_BOTH(test_route_refusals),
        ON_BOTH(test_threads),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

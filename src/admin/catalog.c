/* Providers, routes, prices, pricing rules; trying a provider, and taking its price list. */
#include "admin/admin.h"
#include "base/clock.h"
#include "base/json.h"
#include "outbound/outbound.h"

#define LIST_BYTES_MAX (32u << 20)
#define CALL_MS 15000

static enum err ok_id(struct admin_run *run, enum err e, int64_t id)
{
    if (e != OK)
        return e;
    buf_byte(run->out, '{');
    buf_json_i64(run->out, "id", id);
    buf_byte(run->out, '}');
    return OK;
}

struct change {
    struct admin_run *run;
    int64_t id;
    union {
        struct catalog_provider_spec provider;
        struct catalog_route_spec route;
        struct catalog_price price;
        struct catalog_rule rule;
    };
};

/* ---- providers ---- */

static enum err add_provider(struct store_conn *conn, void *arg)
{
    struct change *c = arg;
    enum err e = catalog_provider_add_in(c->run->a->catalog, conn, &c->provider, c->run->now_us,
                                         &c->id);
    if (e == ERR_CONFLICT)
        return admin_no(c->run, e,
                        "a provider '%.*s' of another kind or address exists; remove it first or "
                        "choose another name",
                        STR_ARG(c->provider.name));
    if (e == ERR_VALIDATION_FAILED)
        return admin_no(c->run, e,
                        "a provider needs a name of 1 to 64 characters and a base URL like "
                        "https://host/v1 without user, query or fragment");
    return e != OK ? e : admin_audit(c->run, conn, "provider.add", c->provider.name);
}

static enum err provider_add(struct admin_run *run)
{
    struct str on_leave = admin_arg(run, "on-disconnect");
    struct change c = {.run = run,
                       .provider = {.name = admin_arg(run, "name"),
                                    .tag = admin_arg(run, "tag"),
                                    .base_url = admin_arg(run, "base-url"),
                                    .api_key = admin_arg(run, "api-key"),
                                    .drain = true}};
    if (!catalog_kind_parse(admin_arg(run, "kind"), &c.provider.kind))
        return admin_no(run, ERR_VALIDATION_FAILED, "--kind takes openrouter or openai");
    if (c.provider.kind == CATALOG_ANTHROPIC)
        return admin_no(
            run, ERR_VALIDATION_FAILED,
            "the anthropic kind is not spoken by this version; use openrouter or openai");
    if (on_leave.n != 0 && !str_eq(on_leave, STR("drain")) && !str_eq(on_leave, STR("cancel")))
        return admin_no(run, ERR_VALIDATION_FAILED, "--on-disconnect takes drain or cancel");
    c.provider.drain = !str_eq(on_leave, STR("cancel"));
    return ok_id(run, store_write(run->a->store, add_provider, &c), c.id);
}

static enum err remove_provider(struct store_conn *conn, void *arg)
{
    struct admin_run *run = arg;
    struct str name = admin_arg(run, "name");
    enum err e = catalog_provider_remove_in(run->a->catalog, conn, name);
    if (e == ERR_NOT_FOUND)
        return admin_no(run, e, "there is no provider '%.*s'", STR_ARG(name));
    return e != OK ? e : admin_audit(run, conn, "provider.remove", name);
}

static enum err provider_remove(struct admin_run *run)
{
    enum err e = store_write(run->a->store, remove_provider, run);
    if (e == OK)
        buf_add(run->out, STR("{\"ok\":true}"));
    return e;
}

static enum err list(struct admin_run *run, enum catalog_list what)
{
    const struct catalog_snapshot *s = catalog_ref(run->a->catalog);
    catalog_list_json(s, what, run->out);
    catalog_unref(&s);
    return OK;
}

static enum err provider_list(struct admin_run *run)
{
    return list(run, CATALOG_PROVIDERS);
}

static enum err route_list(struct admin_run *run)
{
    return list(run, CATALOG_ROUTES);
}

static enum err price_list(struct admin_run *run)
{
    return list(run, CATALOG_PRICES);
}

static enum err rule_list(struct admin_run *run)
{
    return list(run, CATALOG_RULES);
}

/* GET {base}/models with the provider's first key. */
static enum err fetch_models(struct admin_run *run, struct str name, struct outbound_answer *ret)
{
    const struct catalog_snapshot *s = catalog_ref(run->a->catalog);
    const struct catalog_provider *p = catalog_provider_get(s, name);
    char why[OUTBOUND_WHY_MAX] = "";
    enum err e = ERR_NOT_FOUND;
    *ret = (struct outbound_answer){.status = 0};
    if (p == NULL) {
        catalog_unref(&s);
        return admin_no(run, e, "there is no provider '%.*s'", STR_ARG(name));
    }
    struct str auth = p->keys_n != 0 ? arena_printf(&run->arena, "Authorization: Bearer %.*s",
                                                    STR_ARG(p->keys[0].secret))
                                     : STR("");
    const char *const headers[] = {"Accept: application/json", auth.n != 0 ? auth.p : NULL, NULL};
    struct str url = arena_printf(&run->arena, "%.*s/models", STR_ARG(p->base_url));
    struct outbound_request rq = {.method = "GET",
                                  .url = url.p,
                                  .headers = headers,
                                  .timeout_ms = CALL_MS,
                                  .body_bytes_max = LIST_BYTES_MAX,
                                  .ca_file = run->a->ca_file};
    e = outbound_call(&rq, ret, why);
    catalog_unref(&s);
    if (e != OK)
        return admin_no(run, e, "%s did not answer: %s", url.p, why);
    if (ret->status != 200)
        return admin_no(run, ERR_UPSTREAM_ERROR, "%s answered %d%s", url.p, ret->status,
                        ret->status == 401 || ret->status == 403 ? ": the key is not good there"
                                                                 : "");
    return OK;
}

static struct str model_array(struct str body)
{
    size_t offset;
    if (json_check(body, &offset) != OK)
        return STR("");
    return json_get(json_trim(body), STR("data"));
}

static enum err provider_test(struct admin_run *run)
{
    struct outbound_answer a;
    int64_t models = 0, t = clock_mono_us();
    enum err e = fetch_models(run, admin_arg(run, "name"), &a);
    if (e == OK) {
        struct json_walk w = json_walk_of(model_array(buf_str(&a.body)));
        while (json_next(&w))
            models++;
        buf_byte(run->out, '{');
        buf_json_bool(run->out, "ok", true);
        buf_json_i64(run->out, "models", models);
        buf_json_i64(run->out, "ms", (clock_mono_us() - t) / 1000);
        buf_byte(run->out, '}');
    }
    outbound_answer_fini(&a);
    return e;
}

/* ---- routes ---- */

static enum err add_route(struct store_conn *conn, void *arg)
{
    struct change *c = arg;
    enum err e = catalog_route_add_in(c->run->a->catalog, conn, &c->route, c->run->now_us, &c->id);
    if (e == ERR_NOT_FOUND)
        return admin_no(c->run, e, "there is no provider '%.*s'; add it with 'admin provider add'",
                        STR_ARG(c->route.provider));
    if (e == ERR_VALIDATION_FAILED)
        return admin_no(c->run, e,
                        "a route needs a model pattern ('*' is a wildcard), a weight from "
                        "1 to 1000, and at most one '*' in --upstream-model");
    return e != OK ? e : admin_audit(c->run, conn, "route.add", c->route.pattern);
}

static enum err route_add(struct admin_run *run)
{
    struct change c = {.run = run,
                       .route = {.pattern = admin_arg(run, "model"),
                                 .provider = admin_arg(run, "provider"),
                                 .upstream_model = admin_arg(run, "upstream-model"),
                                 .weight = 1}};
    enum err e = admin_int(run, "priority", -1000, 1000, &c.route.priority);
    if (e == OK)
        e = admin_int(run, "weight", 1, 1000, &c.route.weight);
    if (e == OK)
        e = store_write(run->a->store, add_route, &c);
    return ok_id(run, e, c.id);
}

static enum err remove_by_id(struct admin_run *run, struct store_conn *conn,
                             enum err (*fn)(struct catalog *, struct store_conn *, int64_t),
                             const char *what)
{
    int64_t id = 0;
    enum err e = admin_int(run, "id", 1, INT64_MAX, &id);
    if (e == OK)
        e = fn(run->a->catalog, conn, id);
    if (e == ERR_NOT_FOUND)
        return admin_no(run, e, "there is no %s %lld", what, (long long)id);
    return e != OK ? e : admin_audit(run, conn, what, admin_arg(run, "id"));
}

static enum err remove_route(struct store_conn *conn, void *run)
{
    return remove_by_id(run, conn, catalog_route_remove_in, "route");
}

static enum err remove_rule(struct store_conn *conn, void *run)
{
    return remove_by_id(run, conn, catalog_rule_remove_in, "pricing rule");
}

static enum err route_remove(struct admin_run *run)
{
    enum err e = store_write(run->a->store, remove_route, run);
    if (e == OK)
        buf_add(run->out, STR("{\"ok\":true}"));
    return e;
}

static enum err rule_remove(struct admin_run *run)
{
    enum err e = store_write(run->a->store, remove_rule, run);
    if (e == OK)
        buf_add(run->out, STR("{\"ok\":true}"));
    return e;
}

/* ---- prices and rules ---- */

static enum err price_arg(struct admin_run *run, const char *name, struct pico *ret, bool *ret_has)
{
    struct str s = admin_arg(run, name);
    if (s.n == 0)
        return OK;
    if (pico_parse(s, false, ret) != OK || ret->v < 0)
        return admin_no(run, ERR_VALIDATION_FAILED,
                        "--%s must be dollars per token with at most 12 places, e.g. 0.0000006",
                        name);
    if (ret_has != NULL)
        *ret_has = true;
    return OK;
}

static enum err set_price(struct store_conn *conn, void *arg)
{
    struct change *c = arg;
    enum err e = catalog_price_set_in(c->run->a->catalog, conn, &c->price, c->run->now_us, &c->id);
    if (e == ERR_VALIDATION_FAILED)
        return admin_no(c->run, e, "a price needs a model or a pattern, and no negative figures");
    return e != OK ? e : admin_audit(c->run, conn, "price.set", c->price.pattern);
}

static enum err price_set(struct admin_run *run)
{
    struct change c = {.run = run, .price = {.pattern = admin_arg(run, "model")}};
    enum err e = price_arg(run, "input", &c.price.input, NULL);
    if (e == OK)
        e = price_arg(run, "output", &c.price.output, NULL);
    if (e == OK)
        e = price_arg(run, "cache-read", &c.price.cache_read, &c.price.has_cache_read);
    if (e == OK)
        e = price_arg(run, "cache-write", &c.price.cache_write, &c.price.has_cache_write);
    if (e == OK)
        e = price_arg(run, "request", &c.price.request, NULL);
    if (e == OK)
        e = store_write(run->a->store, set_price, &c);
    return ok_id(run, e, c.id);
}

static enum err add_rule(struct store_conn *conn, void *arg)
{
    struct change *c = arg;
    enum err e = catalog_rule_add_in(c->run->a->catalog, conn, &c->rule, c->run->now_us, &c->id);
    if (e == ERR_VALIDATION_FAILED)
        return admin_no(c->run, e,
                        "a rule needs a pattern, a markup of -100 percent or more and a "
                        "minimum of 0 or more");
    return e != OK ? e : admin_audit(c->run, conn, "pricing_rule.add", c->rule.pattern);
}

static enum err rule_add(struct admin_run *run)
{
    struct change c = {.run = run, .rule = {.pattern = admin_arg(run, "model")}};
    struct str min = admin_arg(run, "min-cost");
    if (ppm_parse_percent(admin_arg(run, "markup"), &c.rule.markup_ppm) != OK)
        return admin_no(run, ERR_VALIDATION_FAILED, "--markup takes percent, e.g. 20 or 12.5");
    if (min.n != 0 && nano_parse(min, false, &c.rule.min_cost) != OK)
        return admin_no(run, ERR_VALIDATION_FAILED, "--min-cost takes dollars, e.g. 0.0001");
    enum err e = admin_int(run, "priority", -1000000, 1000000, &c.rule.priority);
    if (e == OK)
        e = store_write(run->a->store, add_rule, &c);
    return ok_id(run, e, c.id);
}

/* ---- price sync ---- */

struct sync {
    struct admin_run *run;
    struct str models;
    int64_t priced, described, skipped;
};

static bool read_price(struct str pricing, const char *name, struct pico *ret)
{
    struct str v = json_get(pricing, str_c(name));
    if (json_type_of(v) == JSON_STRING && v.n >= 2)
        v = str_of(v.p + 1, v.n - 2);
    return v.n != 0 && pico_parse(v, true, ret) == OK && ret->v >= 0;
}

static enum err sync_model(struct sync *y, struct store_conn *conn, struct str m)
{
    struct admin_run *run = y->run;
    struct catalog_model model = {.created_s = 0};
    struct catalog_price price = {.created_us = 0};
    struct str pricing = json_get(m, STR("pricing"));
    struct str top = json_get(m, STR("top_provider"));
    int64_t id;
    if (json_string(&run->arena, json_get(m, STR("id")), &model.id) != OK || model.id.n == 0) {
        y->skipped++;
        return OK;
    }
    if (json_string(&run->arena, json_get(m, STR("name")), &model.name) != OK)
        model.name = model.id;
    if (json_string(&run->arena, json_get(m, STR("owned_by")), &model.owned_by) != OK)
        model.owned_by = STR("");
    if (json_int(json_get(m, STR("created")), 0, INT32_MAX, &model.created_s) != OK)
        model.created_s = 0;
    if (json_int(json_get(m, STR("context_length")), 0, INT32_MAX, &model.context_length) != OK)
        model.context_length = 0;
    if (json_type_of(top) == JSON_OBJECT && json_int(json_get(top, STR("max_completion_tokens")), 0,
                                                     INT32_MAX, &model.max_output) != OK)
        model.max_output = 0;
    enum err e = catalog_model_put_in(run->a->catalog, conn, &model, run->now_us);
    y->described += e == OK;
    price.pattern = model.id;
    bool priced = json_type_of(pricing) == JSON_OBJECT &&
                  read_price(pricing, "prompt", &price.input) &&
                  read_price(pricing, "completion", &price.output);
    if (e != OK || !priced) {
        y->skipped += e == OK;
        return e;
    }
    read_price(pricing, "request", &price.request);
    price.has_cache_read = read_price(pricing, "input_cache_read", &price.cache_read);
    price.has_cache_write = read_price(pricing, "input_cache_write", &price.cache_write);
    e = catalog_price_set_in(run->a->catalog, conn, &price, run->now_us, &id);
    y->priced += e == OK;
    return e;
}

static enum err sync_all(struct store_conn *conn, void *arg)
{
    struct sync *y = arg;
    struct json_walk w = json_walk_of(y->models);
    enum err e = OK;
    while (e == OK && json_next(&w))
        if (json_type_of(w.value) == JSON_OBJECT)
            e = sync_model(y, conn, w.value);
    return e != OK ? e : admin_audit(y->run, conn, "price.sync", admin_arg(y->run, "provider"));
}

static enum err price_sync(struct admin_run *run)
{
    struct outbound_answer a;
    struct sync y = {.run = run};
    enum err e = fetch_models(run, admin_arg(run, "provider"), &a);
    if (e == OK) {
        y.models = model_array(buf_str(&a.body));
        e = json_type_of(y.models) == JSON_ARRAY
                ? store_write(run->a->store, sync_all, &y)
                : admin_no(run, ERR_UPSTREAM_ERROR,
                           "the provider's model list is not JSON as expected");
    }
    outbound_answer_fini(&a);
    if (e != OK)
        return e;
    buf_byte(run->out, '{');
    buf_json_i64(run->out, "models", y.described);
    buf_json_i64(run->out, "priced", y.priced);
    buf_json_i64(run->out, "without_price", y.skipped);
    buf_byte(run->out, '}');
    return OK;
}

const struct admin_operation admin_catalog[] = {{"provider.add", provider_add},
                                                {"provider.list", provider_list},
                                                {"provider.remove", provider_remove},
                                                {"provider.test", provider_test},
                                                {"route.add", route_add},
                                                {"route.list", route_list},
                                                {"route.remove", route_remove},
                                                {"price.set", price_set},
                                                {"price.list", price_list},
                                                {"price.sync", price_sync},
                                                {"pricing-rule.add", rule_add},
                                                {"pricing-rule.list", rule_list},
                                                {"pricing-rule.remove", rule_remove},
                                                {NULL, NULL}};

/* What the operator changes, and lists of it. Each change is written in the caller's transaction;
 * when that ends, the writer thread adds it to a copy of the rows, and with the last one of the
 * transaction the copy becomes the new snapshot. */
#include "catalog/catalog.h"
#include "base/mem.h"
#include "catalog/faults.h"
#include "catalog/room.h"

#include <stdio.h>

/* ---- kinds ---- */

static const struct str kind_names[CATALOG_KIND__COUNT] = {
    {"openrouter", 10}, {"openai", 6}, {"anthropic", 9}};

const char *catalog_kind_name(enum catalog_kind k)
{
    must((unsigned)k < CATALOG_KIND__COUNT);
    return kind_names[k].p;
}

bool catalog_kind_parse(struct str s, enum catalog_kind *ret_kind)
{
    for (unsigned k = 0; k < CATALOG_KIND__COUNT; k++)
        if (str_eq(s, kind_names[k])) {
            *ret_kind = (enum catalog_kind)k;
            return true;
        }
    return false;
}

/* ---- the whole ---- */

enum err catalog_new(struct store *store, const struct catalog_options *options,
                     struct catalog **ret_catalog, char ret_why[STORE_WHY_MAX])
{
    struct store_conn *conn = NULL;
    struct catalog_rows rows;
    ret_why[0] = '\0';
    enum err e = store_reader_begin(store, &conn);
    if (e != OK) {
        snprintf(ret_why, STORE_WHY_MAX, "%s", err_info(e)->meaning);
        return e;
    }
    catalog_rows_init(&rows);
    e = catalog_rows_read(&rows, conn, options->seal, ret_why);
    store_reader_end(&conn);
    if (e != OK) {
        catalog_rows_fini(&rows);
        return e;
    }
    struct catalog *c = mem_zalloc(sizeof(*c));
    c->options = *options;
    c->store = store;
    must(pthread_mutex_init(&c->lock, NULL) == 0);
    catalog_publish(c, &rows);
    *ret_catalog = c;
    return OK;
}

void catalog_free(struct catalog **catalog)
{
    struct catalog *c = *catalog;
    if (c == NULL)
        return;
    must(c->changes == 0);
    catalog_unref(&c->now);
    pthread_mutex_destroy(&c->lock);
    mem_wipe(c->options.seal, CRYPTO_KEY_LEN);
    mem_free(c);
    *catalog = NULL;
}

/* ---- what waits for the commit ---- */

struct change {
    struct catalog *catalog;
    struct catalog_rows add;
    int64_t drop_provider, drop_route, drop_rule; /* 0: none */
};

static void change_apply(struct catalog *c, const struct change *change)
{
    if (c->building == NULL) {
        c->building = mem_zalloc(sizeof(*c->building));
        catalog_rows_init(c->building);
        catalog_rows_copy(c->building, &c->now->rows);
    }
    if (change->drop_provider != 0)
        catalog_rows_drop_provider(c->building, change->drop_provider);
    if (change->drop_route != 0)
        catalog_rows_drop_route(c->building, change->drop_route);
    if (change->drop_rule != 0)
        catalog_rows_drop_rule(c->building, change->drop_rule);
    catalog_rows_add(c->building, &change->add);
}

static void change_end(void *arg, bool committed)
{
    struct change *change = arg;
    struct catalog *c = change->catalog;
    if (committed)
        change_apply(c, change);
    catalog_rows_fini(&change->add);
    mem_free(change);
    if (--c->changes != 0 || c->building == NULL)
        return;
    catalog_publish(c, c->building);
    mem_free(c->building);
    c->building = NULL;
}

static struct change *change_new(struct catalog *c, struct store_conn *conn)
{
    struct change *change = mem_zalloc(sizeof(*change));
    change->catalog = c;
    catalog_rows_init(&change->add);
    c->changes++;
    store_on_end(conn, change_end, change);
    return change;
}

static enum err next_number(struct store_conn *conn, struct str name, int64_t *ret_id)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_CATALOG_NUMBER, &q, "t", name);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_id = store_i64(q, 0);
    store_finish(&q);
    return e == ERR_END ? ERR_CORRUPT : e;
}

/* Only the writer thread changes what is counted here. */
static bool is_full(const struct catalog *c)
{
    return catalog_rows_count(&c->now->rows) + c->changes >= CATALOG_ROWS_MAX;
}

/* ---- providers ---- */

struct found {
    int64_t id;
    bool same_kind, same_url;
};

static enum err find_provider(struct store_conn *conn, struct str name, struct str kind,
                              struct str url, struct found *ret)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_CATALOG_PROVIDER_BY_NAME, &q, "t", name);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret = (struct found){store_i64(q, 0), str_eq(store_str(q, 1), kind),
                              str_eq(store_str(q, 2), url)};
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

static enum err insert_key(struct catalog *c, struct store_conn *conn,
                           const struct catalog_provider_spec *spec, int64_t provider,
                           int64_t wall_us, struct change *change)
{
    struct catalog_key_row key = {.provider = provider, .secret = spec->api_key};
    enum err e = next_number(conn, STR("provider_key"), &key.id);
    if (e != OK)
        return e;
    struct buf sealed;
    buf_init(&sealed, CATALOG_SECRET_MAX + CRYPTO_SEAL_EXTRA);
    crypto_seal(c->options.seal, spec->name, spec->api_key, &sealed);
    e = buf_check(&sealed);
    if (e == OK)
        e = store_run(conn, SQL_CATALOG_KEY_INSERT, NULL, "iibi", key.id, provider,
                      buf_str(&sealed), wall_us);
    buf_fini(&sealed);
    catalog_rows_key(&change->add, &key);
    return e;
}

static enum err insert_provider(struct store_conn *conn, const struct catalog_provider_row *row,
                                int64_t wall_us)
{
    return store_run(conn, SQL_CATALOG_PROVIDER_INSERT, NULL, "ittttii", row->id, row->name,
                     row->tag, str_c(catalog_kind_name(row->kind)), row->base_url,
                     (int64_t)row->drain, wall_us);
}

enum err catalog_provider_add_in(struct catalog *c, struct store_conn *conn,
                                 const struct catalog_provider_spec *spec, int64_t wall_us,
                                 int64_t *ret_id)
{
    if (catalog_provider_fault(spec) != NULL || is_full(c))
        return ERR_VALIDATION_FAILED;
    struct catalog_provider_row row = {.name = spec->name,
                                       .tag = spec->tag.n != 0 ? spec->tag : spec->name,
                                       .base_url = spec->base_url,
                                       .kind = spec->kind,
                                       .drain = spec->drain};
    while (str_ends(row.base_url, STR("/")))
        row.base_url.n--;
    struct found found;
    enum err e = find_provider(conn, spec->name, str_c(catalog_kind_name(spec->kind)), row.base_url,
                               &found);
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    if (e == OK && !(found.same_kind && found.same_url))
        return ERR_CONFLICT;
    struct change *change = change_new(c, conn);
    if (e == OK) {
        row.id = found.id;
    } else {
        e = next_number(conn, STR("provider"), &row.id);
        if (e == OK)
            e = insert_provider(conn, &row, wall_us);
        if (e != OK)
            return e;
        catalog_rows_provider(&change->add, &row);
    }
    e = insert_key(c, conn, spec, row.id, wall_us, change);
    if (e == OK)
        *ret_id = row.id;
    return e;
}

enum err catalog_provider_remove_in(struct catalog *c, struct store_conn *conn, struct str name)
{
    struct found found;
    enum err e = find_provider(conn, name, STR(""), STR(""), &found);
    if (e != OK)
        return e;
    change_new(c, conn)->drop_provider = found.id;
    static const enum sql_id steps[] = {SQL_CATALOG_PROVIDER_ROUTES_DELETE,
                                        SQL_CATALOG_PROVIDER_KEYS_DELETE,
                                        SQL_CATALOG_PROVIDER_DELETE};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && e == OK; i++)
        e = store_run(conn, steps[i], NULL, "i", found.id);
    return e;
}

/* ---- routes ---- */

enum err catalog_route_add_in(struct catalog *c, struct store_conn *conn,
                              const struct catalog_route_spec *spec, int64_t wall_us,
                              int64_t *ret_id)
{
    if (catalog_route_fault(spec) != NULL || is_full(c))
        return ERR_VALIDATION_FAILED;
    struct found found;
    struct catalog_route row = {.pattern = spec->pattern,
                                .upstream = spec->upstream_model,
                                .priority = spec->priority,
                                .weight = spec->weight};
    enum err e = find_provider(conn, spec->provider, STR(""), STR(""), &found);
    if (e == OK)
        e = next_number(conn, STR("route"), &row.id);
    if (e != OK)
        return e;
    row.provider_id = found.id;
    catalog_rows_route(&change_new(c, conn)->add, &row);
    e = store_run(conn, SQL_CATALOG_ROUTE_INSERT, NULL, "ititiii", row.id, row.pattern,
                  row.provider_id, row.upstream, row.priority, row.weight, wall_us);
    if (e == OK)
        *ret_id = row.id;
    return e;
}

enum err catalog_route_remove_in(struct catalog *c, struct store_conn *conn, int64_t id)
{
    int64_t changed = 0;
    enum err e = store_run(conn, SQL_CATALOG_ROUTE_DELETE, &changed, "i", id);
    if (e != OK || changed == 0)
        return e != OK ? e : ERR_NOT_FOUND;
    change_new(c, conn)->drop_route = id;
    return OK;
}

/* ---- prices and rules ---- */

enum err catalog_price_set_in(struct catalog *c, struct store_conn *conn,
                              const struct catalog_price *price, int64_t wall_us, int64_t *ret_id)
{
    if (catalog_price_fault(price) != NULL || is_full(c))
        return ERR_VALIDATION_FAILED;
    struct catalog_price row = *price;
    row.created_us = wall_us;
    enum err e = next_number(conn, STR("price"), &row.id);
    if (e != OK)
        return e;
    if (!row.has_cache_read)
        row.cache_read = PICO(0);
    if (!row.has_cache_write)
        row.cache_write = PICO(0);
    catalog_rows_price(&change_new(c, conn)->add, &row);
    e = store_run(conn, SQL_CATALOG_PRICE_INSERT, NULL, "itiiIIii", row.id, row.pattern,
                  row.input.v, row.output.v, row.has_cache_read ? &row.cache_read.v : NULL,
                  row.has_cache_write ? &row.cache_write.v : NULL, row.request.v, wall_us);
    if (e == OK)
        *ret_id = row.id;
    return e;
}

enum err catalog_rule_add_in(struct catalog *c, struct store_conn *conn,
                             const struct catalog_rule *rule, int64_t wall_us, int64_t *ret_id)
{
    if (catalog_rule_fault(rule) != NULL || is_full(c))
        return ERR_VALIDATION_FAILED;
    struct catalog_rule row = *rule;
    enum err e = next_number(conn, STR("pricing_rule"), &row.id);
    if (e != OK)
        return e;
    catalog_rows_rule(&change_new(c, conn)->add, &row);
    e = store_run(conn, SQL_CATALOG_RULE_INSERT, NULL, "itinii", row.id, row.pattern,
                  row.markup_ppm, row.min_cost, row.priority, wall_us);
    if (e == OK)
        *ret_id = row.id;
    return e;
}

enum err catalog_rule_remove_in(struct catalog *c, struct store_conn *conn, int64_t id)
{
    int64_t changed = 0;
    enum err e = store_run(conn, SQL_CATALOG_RULE_DELETE, &changed, "i", id);
    if (e != OK || changed == 0)
        return e != OK ? e : ERR_NOT_FOUND;
    change_new(c, conn)->drop_rule = id;
    return OK;
}

enum err catalog_model_put_in(struct catalog *c, struct store_conn *conn,
                              const struct catalog_model *m, int64_t wall_us)
{
    if (catalog_model_fault(m) != NULL || is_full(c))
        return ERR_VALIDATION_FAILED;
    struct catalog_model row = *m;
    if (row.name.n == 0)
        row.name = row.id;
    catalog_rows_model(&change_new(c, conn)->add, &row);
    return store_run(conn, SQL_CATALOG_MODEL_PUT, NULL, "tttiiiii", row.id, row.name, row.owned_by,
                     row.created_s, row.context_length, row.max_output, (int64_t)row.recommended,
                     wall_us);
}

/* ---- lists ---- */

static void json_pico(struct buf *json, const char *name, struct pico value, bool is_set)
{
    char text[UNITS_TEXT_MAX];
    if (is_set) {
        buf_json_member(json, name, pico_format(value, text));
        return;
    }
    buf_json_key(json, name);
    buf_add(json, STR("null"));
}

static void json_provider(struct buf *json, const struct catalog_provider *p)
{
    buf_json_i64(json, "id", p->id);
    buf_json_member(json, "name", p->name);
    buf_json_member(json, "tag", p->tag);
    buf_json_member(json, "kind", str_c(catalog_kind_name(p->kind)));
    buf_json_member(json, "base_url", p->base_url);
    buf_json_i64(json, "keys", (int64_t)p->keys_n);
    buf_json_bool(json, "reports_cost", p->reports_cost);
    buf_json_bool(json, "drain", p->drain);
}

static void json_route(struct buf *json, const struct catalog_route *r)
{
    buf_json_i64(json, "id", r->id);
    buf_json_member(json, "model", r->pattern);
    buf_json_member(json, "provider", r->provider != NULL ? r->provider->name : STR(""));
    buf_json_member(json, "upstream_model", r->upstream);
    buf_json_i64(json, "priority", r->priority);
    buf_json_i64(json, "weight", r->weight);
}

static void json_price(struct buf *json, const struct catalog_price *p)
{
    buf_json_i64(json, "id", p->id);
    buf_json_member(json, "model", p->pattern);
    json_pico(json, "input", p->input, true);
    json_pico(json, "output", p->output, true);
    json_pico(json, "cache_read", p->cache_read, p->has_cache_read);
    json_pico(json, "cache_write", p->cache_write, p->has_cache_write);
    json_pico(json, "request", p->request, true);
    buf_json_time(json, "created_at", p->created_us);
}

static void json_rule(struct buf *json, const struct catalog_rule *r)
{
    char text[UNITS_TEXT_MAX];
    buf_json_i64(json, "id", r->id);
    buf_json_member(json, "model", r->pattern);
    /* A ten-thousandth of a percent is a part per million, as a nano is to a hundred thousand. */
    buf_json_member(json, "markup_percent", nano_format(NANO(r->markup_ppm * 100000), text));
    buf_json_nano(json, "min_cost", r->min_cost);
    buf_json_i64(json, "priority", r->priority);
}

static size_t list_count(const struct catalog_rows *r, enum catalog_list what)
{
    switch (what) {
    case CATALOG_PROVIDERS: return r->providers_n;
    case CATALOG_ROUTES: return r->routes_n;
    case CATALOG_PRICES: return r->prices_n;
    case CATALOG_RULES: return r->rules_n;
    }
    return 0;
}

void catalog_list_json(const struct catalog_snapshot *s, enum catalog_list what, struct buf *json)
{
    buf_json_comma(json);
    buf_byte(json, '[');
    size_t n = list_count(&s->rows, what);
    for (size_t i = 0; i < n; i++) {
        buf_json_comma(json);
        buf_byte(json, '{');
        switch (what) {
        case CATALOG_PROVIDERS: json_provider(json, &s->providers[i]); break;
        case CATALOG_ROUTES: json_route(json, &s->routes[i]); break;
        case CATALOG_PRICES: json_price(json, &s->rows.prices[i]); break;
        case CATALOG_RULES: json_rule(json, s->rules[i]); break;
        }
        buf_byte(json, '}');
    }
    buf_byte(json, ']');
}

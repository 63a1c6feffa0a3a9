/* Rows as the store holds them: read, copied, changed. */
#include "catalog/room.h"
#include "base/mem.h"

#include <stdio.h>

void catalog_rows_init(struct catalog_rows *rows)
{
    *rows = (struct catalog_rows){.providers_n = 0};
    arena_init(&rows->arena, 4096, SIZE_MAX / 2);
}

static void secret_free(struct str *secret)
{
    /* The block was allocated here, so that it may be written to. */
    char *p = (char *)(uintptr_t)secret->p;
    mem_wipe(p, secret->n);
    mem_free(p);
    *secret = STR("");
}

void catalog_rows_fini(struct catalog_rows *rows)
{
    for (size_t i = 0; i < rows->keys_n; i++)
        secret_free(&rows->keys[i].secret);
    mem_free(rows->providers);
    mem_free(rows->keys);
    mem_free(rows->routes);
    mem_free(rows->prices);
    mem_free(rows->rules);
    mem_free(rows->models);
    arena_fini(&rows->arena);
    *rows = (struct catalog_rows){.providers_n = 0};
}

size_t catalog_rows_count(const struct catalog_rows *r)
{
    return r->providers_n + r->keys_n + r->routes_n + r->prices_n + r->rules_n + r->models_n;
}

/* Room for one more; the array may move. */
static void *grown(void *p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    *cap = *cap != 0 ? *cap * 2 : 8;
    return mem_realloc(p, *cap * size);
}

void catalog_rows_provider(struct catalog_rows *r, const struct catalog_provider_row *row)
{
    r->providers = grown(r->providers, r->providers_n, &r->providers_cap, sizeof(*r->providers));
    struct catalog_provider_row *now = &r->providers[r->providers_n++];
    *now = *row;
    now->name = arena_dup(&r->arena, row->name);
    now->tag = arena_dup(&r->arena, row->tag);
    now->base_url = arena_dup(&r->arena, row->base_url);
}

void catalog_rows_key(struct catalog_rows *r, const struct catalog_key_row *row)
{
    r->keys = grown(r->keys, r->keys_n, &r->keys_cap, sizeof(*r->keys));
    struct catalog_key_row *now = &r->keys[r->keys_n++];
    *now = *row;
    now->secret = str_of(mem_dup(row->secret.p, row->secret.n), row->secret.n);
}

void catalog_rows_route(struct catalog_rows *r, const struct catalog_route *row)
{
    r->routes = grown(r->routes, r->routes_n, &r->routes_cap, sizeof(*r->routes));
    struct catalog_route *now = &r->routes[r->routes_n++];
    *now = *row;
    now->provider = NULL;
    now->pattern = arena_dup(&r->arena, row->pattern);
    now->upstream = arena_dup(&r->arena, row->upstream);
}

static void price_append(struct catalog_rows *r, const struct catalog_price *row)
{
    r->prices = grown(r->prices, r->prices_n, &r->prices_cap, sizeof(*r->prices));
    struct catalog_price *now = &r->prices[r->prices_n++];
    *now = *row;
    now->pattern = arena_dup(&r->arena, row->pattern);
}

void catalog_rows_price(struct catalog_rows *r, const struct catalog_price *row)
{
    for (size_t i = 0; i < r->prices_n; i++) {
        if (!str_eq(r->prices[i].pattern, row->pattern))
            continue;
        struct str pattern = r->prices[i].pattern;
        r->prices[i] = *row;
        r->prices[i].pattern = pattern;
        return;
    }
    price_append(r, row);
}

void catalog_rows_rule(struct catalog_rows *r, const struct catalog_rule *row)
{
    r->rules = grown(r->rules, r->rules_n, &r->rules_cap, sizeof(*r->rules));
    struct catalog_rule *now = &r->rules[r->rules_n++];
    *now = *row;
    now->pattern = arena_dup(&r->arena, row->pattern);
}

static void model_set(struct catalog_rows *r, struct catalog_model *now,
                      const struct catalog_model *row)
{
    *now = *row;
    now->id = arena_dup(&r->arena, row->id);
    now->name = arena_dup(&r->arena, row->name);
    now->owned_by = arena_dup(&r->arena, row->owned_by);
}

static void model_append(struct catalog_rows *r, const struct catalog_model *row)
{
    r->models = grown(r->models, r->models_n, &r->models_cap, sizeof(*r->models));
    model_set(r, &r->models[r->models_n++], row);
}

void catalog_rows_model(struct catalog_rows *r, const struct catalog_model *row)
{
    for (size_t i = 0; i < r->models_n; i++)
        if (str_eq(r->models[i].id, row->id)) {
            model_set(r, &r->models[i], row);
            return;
        }
    model_append(r, row);
}

static void add_plain(struct catalog_rows *into, const struct catalog_rows *from)
{
    for (size_t i = 0; i < from->providers_n; i++)
        catalog_rows_provider(into, &from->providers[i]);
    for (size_t i = 0; i < from->keys_n; i++)
        catalog_rows_key(into, &from->keys[i]);
    for (size_t i = 0; i < from->routes_n; i++)
        catalog_rows_route(into, &from->routes[i]);
    for (size_t i = 0; i < from->rules_n; i++)
        catalog_rows_rule(into, &from->rules[i]);
}

void catalog_rows_copy(struct catalog_rows *into, const struct catalog_rows *from)
{
    add_plain(into, from);
    for (size_t i = 0; i < from->prices_n; i++)
        price_append(into, &from->prices[i]);
    for (size_t i = 0; i < from->models_n; i++)
        model_append(into, &from->models[i]);
}

void catalog_rows_add(struct catalog_rows *into, const struct catalog_rows *from)
{
    add_plain(into, from);
    for (size_t i = 0; i < from->prices_n; i++)
        catalog_rows_price(into, &from->prices[i]);
    for (size_t i = 0; i < from->models_n; i++)
        catalog_rows_model(into, &from->models[i]);
}

void catalog_rows_drop_provider(struct catalog_rows *r, int64_t id)
{
    size_t keep = 0;
    for (size_t i = 0; i < r->providers_n; i++)
        if (r->providers[i].id != id)
            r->providers[keep++] = r->providers[i];
    r->providers_n = keep;
    keep = 0;
    for (size_t i = 0; i < r->keys_n; i++)
        if (r->keys[i].provider != id)
            r->keys[keep++] = r->keys[i];
        else
            secret_free(&r->keys[i].secret);
    r->keys_n = keep;
    keep = 0;
    for (size_t i = 0; i < r->routes_n; i++)
        if (r->routes[i].provider_id != id)
            r->routes[keep++] = r->routes[i];
    r->routes_n = keep;
}

void catalog_rows_drop_route(struct catalog_rows *r, int64_t id)
{
    size_t keep = 0;
    for (size_t i = 0; i < r->routes_n; i++)
        if (r->routes[i].id != id)
            r->routes[keep++] = r->routes[i];
    r->routes_n = keep;
}

void catalog_rows_drop_rule(struct catalog_rows *r, int64_t id)
{
    size_t keep = 0;
    for (size_t i = 0; i < r->rules_n; i++)
        if (r->rules[i].id != id)
            r->rules[keep++] = r->rules[i];
    r->rules_n = keep;
}

/* ---- reading ---- */

struct reading {
    struct catalog_rows *rows;
    const uint8_t *seal;
    char *why;
};
typedef enum err (*row_f)(struct reading *r, const struct store_query *q);

static enum err take_provider(struct reading *r, const struct store_query *q)
{
    struct catalog_provider_row row = {.id = store_i64(q, 0),
                                       .name = store_str(q, 1),
                                       .tag = store_str(q, 2),
                                       .base_url = store_str(q, 4),
                                       .drain = store_i64(q, 5) != 0};
    if (!catalog_kind_parse(store_str(q, 3), &row.kind)) {
        snprintf(r->why, STORE_WHY_MAX, "the provider %.*s is of a kind that is not known here",
                 STR_ARG(row.name));
        return ERR_CORRUPT;
    }
    catalog_rows_provider(r->rows, &row);
    return OK;
}

static struct str provider_name(const struct catalog_rows *rows, int64_t id)
{
    for (size_t i = 0; i < rows->providers_n; i++)
        if (rows->providers[i].id == id)
            return rows->providers[i].name;
    return STR("");
}

static enum err take_key(struct reading *r, const struct store_query *q)
{
    struct catalog_key_row row = {.id = store_i64(q, 0), .provider = store_i64(q, 1)};
    struct str name = provider_name(r->rows, row.provider);
    struct buf plain;
    buf_init(&plain, CATALOG_SECRET_MAX + 1);
    enum err e = crypto_open(r->seal, name, store_str(q, 2), &plain);
    if (e == OK) {
        row.secret = buf_str(&plain);
        catalog_rows_key(r->rows, &row);
        mem_wipe(plain.p, plain.cap);
    } else {
        snprintf(r->why, STORE_WHY_MAX,
                 "key %lld of the provider %.*s does not open: the sealing key of this house is "
                 "not the one that it was sealed with",
                 (long long)row.id, STR_ARG(name));
    }
    buf_fini(&plain);
    return e;
}

static enum err take_route(struct reading *r, const struct store_query *q)
{
    struct catalog_route row = {.id = store_i64(q, 0),
                                .pattern = store_str(q, 1),
                                .provider_id = store_i64(q, 2),
                                .upstream = store_str(q, 3),
                                .priority = store_i64(q, 4),
                                .weight = store_i64(q, 5)};
    catalog_rows_route(r->rows, &row);
    return OK;
}

static enum err take_price(struct reading *r, const struct store_query *q)
{
    struct catalog_price row = {.id = store_i64(q, 0),
                                .pattern = store_str(q, 1),
                                .input = PICO(store_i64(q, 2)),
                                .output = PICO(store_i64(q, 3)),
                                .cache_read = PICO(store_i64(q, 4)),
                                .cache_write = PICO(store_i64(q, 5)),
                                .request = PICO(store_i64(q, 6)),
                                .has_cache_read = !store_is_null(q, 4),
                                .has_cache_write = !store_is_null(q, 5),
                                .created_us = store_i64(q, 7)};
    price_append(r->rows, &row);
    return OK;
}

static enum err take_rule(struct reading *r, const struct store_query *q)
{
    struct catalog_rule row = {.id = store_i64(q, 0),
                               .pattern = store_str(q, 1),
                               .markup_ppm = store_i64(q, 2),
                               .min_cost = store_nano(q, 3),
                               .priority = store_i64(q, 4)};
    catalog_rows_rule(r->rows, &row);
    return OK;
}

static enum err take_model(struct reading *r, const struct store_query *q)
{
    struct catalog_model row = {.id = store_str(q, 0),
                                .name = store_str(q, 1),
                                .owned_by = store_str(q, 2),
                                .created_s = store_i64(q, 3),
                                .context_length = store_i64(q, 4),
                                .max_output = store_i64(q, 5),
                                .recommended = store_i64(q, 6) != 0};
    model_append(r->rows, &row);
    return OK;
}

enum err catalog_rows_read(struct catalog_rows *rows, struct store_conn *conn,
                           const uint8_t seal[CRYPTO_KEY_LEN], char ret_why[STORE_WHY_MAX])
{
    static const struct {
        enum sql_id sql;
        row_f take;
    } tables[] = {
        {SQL_CATALOG_PROVIDERS, take_provider}, {SQL_CATALOG_KEYS, take_key},
        {SQL_CATALOG_ROUTES, take_route},       {SQL_CATALOG_PRICES, take_price},
        {SQL_CATALOG_RULES, take_rule},         {SQL_CATALOG_MODELS, take_model},
    };
    struct reading r = {rows, seal, ret_why};
    enum err e = OK;
    ret_why[0] = '\0';
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && e == OK; i++) {
        struct store_query *q = NULL;
        e = store_start(conn, tables[i].sql, &q, "");
        while (e == OK && (e = store_step(q)) == OK)
            e = tables[i].take(&r, q);
        store_finish(&q);
        e = e == ERR_END ? OK : e;
    }
    if (e != OK && ret_why[0] == '\0')
        snprintf(ret_why, STORE_WHY_MAX, "%s", store_why(conn));
    return e;
}

/* A version of the price list as it was, for explaining an old charge. */
enum err catalog_price_by_id(struct store_conn *conn, struct arena *a, int64_t id,
                             struct catalog_price *ret_price)
{
    struct catalog_rows rows;
    catalog_rows_init(&rows);
    struct reading r = {&rows, NULL, NULL};
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_CATALOG_PRICE_BY_ID, &q, "i", id);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        e = take_price(&r, q);
    store_finish(&q);
    if (e == OK) {
        struct str pattern = arena_dup(a, rows.prices[0].pattern);
        if (a->over) {
            e = ERR_LIMIT;
        } else {
            *ret_price = rows.prices[0];
            ret_price->pattern = pattern;
        }
    }
    catalog_rows_fini(&rows);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

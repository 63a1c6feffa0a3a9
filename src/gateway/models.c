/* GET /v1/models and /v1/models/{id}: what is sold, at the customer's prices. */
#include "gateway/steps.h"

static void price_member(struct buf *b, const char *name, struct pico price, int64_t markup_ppm)
{
    char text[UNITS_TEXT_MAX];
    struct pico shown;
    if (pico_markup(price, markup_ppm, &shown) != OK)
        return;
    buf_json_member(b, name, pico_format(shown, text));
}

static void pricing(struct buf *b, const struct catalog_plan *plan)
{
    int64_t ppm = plan->rule != NULL ? plan->rule->markup_ppm : 0;
    const struct catalog_price *p = plan->price;
    buf_json_key(b, "pricing");
    buf_byte(b, '{');
    if (p != NULL) {
        price_member(b, "prompt", p->input, ppm);
        price_member(b, "completion", p->output, ppm);
        price_member(b, "request", p->request, ppm);
        if (p->has_cache_read)
            price_member(b, "input_cache_read", p->cache_read, ppm);
        if (p->has_cache_write)
            price_member(b, "input_cache_write", p->cache_write, ppm);
    }
    buf_byte(b, '}');
}

static void model_json(struct buf *b, const struct catalog_model *m,
                       const struct catalog_plan *plan)
{
    size_t slash = str_index(m->id, '/');
    struct str owner = m->owned_by.n != 0  ? m->owned_by
                       : slash != SIZE_MAX ? str_upto(m->id, slash)
                                           : STR("system");
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", m->id);
    buf_json_member(b, "object", STR("model"));
    buf_json_i64(b, "created", m->created_s);
    buf_json_member(b, "owned_by", owner);
    buf_json_member(b, "name", m->name.n != 0 ? m->name : m->id);
    buf_json_key(b, "context_length");
    if (m->context_length > 0)
        buf_i64(b, m->context_length);
    else
        buf_add(b, STR("null"));
    pricing(b, plan);
    buf_json_bool(b, "recommended", m->recommended);
    buf_byte(b, '}');
}

static void add_model(void *arg, const struct catalog_model *m, const struct catalog_plan *plan)
{
    model_json(arg, m, plan);
}

/* The list is made once per snapshot and loop. */
static struct str models_list(struct gateway_loop *gl)
{
    uint64_t generation = catalog_generation(gl->g->catalog);
    if (gl->models.n != 0 && gl->models_generation == generation)
        return buf_str(&gl->models);
    char text[CLOCK_TEXT_MAX];
    const struct catalog_snapshot *s = catalog_ref(gl->g->catalog);
    buf_reset(&gl->models);
    buf_add(&gl->models, STR("{\"object\":\"list\",\"data\":["));
    catalog_models(s, add_model, &gl->models);
    buf_add(&gl->models, STR("],\"fetched_at\":"));
    buf_json_str(&gl->models, clock_rfc3339(loop_wall_us(gl->loop), text));
    buf_byte(&gl->models, '}');
    catalog_unref(&s);
    gl->models_generation = generation;
    return buf_str(&gl->models);
}

static void cache_headers(struct http_exchange *x, const struct gateway *g)
{
    http_set(x, STR("Cache-Control"),
             g->o.models_public ? STR("public, max-age=3600") : STR("private, max-age=3600"));
}

static void models_ready(void *arg, struct http_exchange *x)
{
    struct gateway_loop *gl = arg;
    http_start(x, 200);
    cache_headers(x, gl->g);
    http_body(x, STR("application/json"), models_list(gl));
}

static void model_ready(void *arg, struct http_exchange *x)
{
    struct gateway_loop *gl = arg;
    const struct catalog_snapshot *s = catalog_ref(gl->g->catalog);
    const struct catalog_model *m;
    struct catalog_plan plan;
    struct str id = http_request_of(x)->params[0];
    if (catalog_model_get(s, id, &m, &plan)) {
        struct buf b;
        buf_init(&b, 64u * 1024);
        model_json(&b, m, &plan);
        http_start(x, 200);
        cache_headers(x, gl->g);
        http_body(x, STR("application/json"), buf_str(&b));
        buf_fini(&b);
    } else {
        http_error(x, ERR_MODEL_NOT_FOUND, STR(""), STR("model"), STR(""));
    }
    catalog_unref(&s);
}

/* With models_public off a key is asked for; one that is not in memory yet counts by its form,
 * since the list is no secret worth a look-up. */
static bool models_head(void *arg, struct http_exchange *x)
{
    struct gateway_loop *gl = arg;
    if (gl->g->o.models_public)
        return true;
    struct identity_key *key = NULL;
    enum err e = call_quick_key(gl, x, &key);
    if (key != NULL)
        identity_key_unref(&key);
    if (e == OK)
        return true;
    http_error(x, e, STR(""), STR(""), STR(""));
    return false;
}

struct http_route gateway_route_models(struct gateway_loop *gl)
{
    return (struct http_route){.method = "GET",
                               .path = "/v1/models",
                               .lane = HTTP_FAST,
                               .head = models_head,
                               .ready = models_ready,
                               .arg = gl};
}

struct http_route gateway_route_model(struct gateway_loop *gl)
{
    return (struct http_route){.method = "GET",
                               .path = "/v1/models/{id*}",
                               .lane = HTTP_FAST,
                               .head = models_head,
                               .ready = model_ready,
                               .arg = gl};
}

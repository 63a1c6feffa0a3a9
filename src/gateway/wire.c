/* The gateway itself: options, providers as targets, loops with their lanes and pools. */
#include "base/mem.h"
#include "gateway/steps.h"

#include <stdio.h>

/* A call that waits longer than this for the disk before it is dispatched is refused. */
#define HOLD_WAIT_US_MAX (5 * US_PER_S)
#define TICK_US US_PER_S

static void header_name(char *to, size_t size, const char *prefix, const char *name)
{
    int n = snprintf(to, size, "%s%s", prefix, name);
    must(n > 0 && (size_t)n < size);
}

enum err gateway_new(const struct gateway_options *options, struct gateway **ret_gateway,
                     char ret_why[STORE_WHY_MAX])
{
    struct gateway *g = mem_zalloc(sizeof(*g));
    g->o = *options;
    enum err e = loop_tls_client_new(options->ca_file, &g->tls, ret_why, STORE_WHY_MAX);
    if (e != OK) {
        mem_free(g);
        return e;
    }
    g->rollup = rollup_new();
    g->seen = provider_seen_new();
    g->idempotency.store = options->store;
    g->idempotency.boot = id_new(clock_wall_us());
    memcpy(g->idempotency.seal, options->seal, sizeof(g->idempotency.seal));
    mem_wipe(g->o.seal, sizeof(g->o.seal));
    header_name(g->header_credits, sizeof(g->header_credits), options->header_prefix,
                "Credits-Remaining");
    header_name(g->header_cost, sizeof(g->header_cost), options->header_prefix, "Cost-USD");
    header_name(g->header_tag, sizeof(g->header_tag), options->header_prefix, "Provider-Tag");
    header_name(g->header_clamped, sizeof(g->header_clamped), options->header_prefix,
                "Max-Tokens-Clamped");
    *ret_gateway = g;
    return OK;
}

void gateway_free(struct gateway **g)
{
    if (*g == NULL)
        return;
    loop_tls_free(&(*g)->tls);
    mem_wipe((*g)->idempotency.seal, sizeof((*g)->idempotency.seal));
    rollup_free(&(*g)->rollup);
    mem_free((*g)->seen);
    mem_free(*g);
    *g = NULL;
}

void gateway_attach(struct gateway *g, struct ledger *ledger, struct catalog *catalog)
{
    g->ledger = ledger;
    g->catalog = catalog;
}

/* ---- providers ---- */

void *gateway_provider_attach(void *gateway, const struct catalog_provider *p)
{
    struct gateway *g = gateway;
    struct provider_wire *w = mem_zalloc(sizeof(*w));
    const char *why = "";
    struct str prefix = STR("");
    /* The catalog took the URL through the same rules when it was set. */
    enum err e = upstream_url_parse(p->base_url, &w->target, &prefix, &why);
    must(e == OK && prefix.n < sizeof(w->path_prefix));
    memcpy(w->path_prefix, prefix.p, prefix.n);
    if (w->target.tls)
        w->target.tls_context = g->tls;
    w->target.id = str_hash(p->base_url) | 1;
    w->keys_n = p->keys_n;
    w->user_keys = g->o.upstreams != NULL && str_eq(p->name, str_c(g->o.user_keys_provider));
    w->auth = mem_array(p->keys_n + 1, sizeof(*w->auth));
    for (size_t i = 0; i < p->keys_n; i++) {
        struct buf b;
        buf_init(&b, 8192);
        if (p->keys[i].secret.n != 0)
            buf_printf(&b, "Authorization: Bearer %.*s\r\n", STR_ARG(p->keys[i].secret));
        w->auth[i] = str_of(mem_dup(b.p, b.n), b.n);
        mem_wipe(b.p, b.n);
        buf_fini(&b);
    }
    w->auth[p->keys_n] = STR("");
    return w;
}

void gateway_provider_detach(void *gateway, void *attached)
{
    (void)gateway;
    struct provider_wire *w = attached;
    for (size_t i = 0; i < w->keys_n; i++) {
        char *p = (char *)(uintptr_t)w->auth[i].p;
        mem_wipe(p, w->auth[i].n);
        mem_free(p);
    }
    mem_free(w->auth);
    mem_free(w);
}

/* ---- loops ---- */

/* From the writer's thread: the lane's tickets have moved. */
static void on_commit(void *gateway_loop)
{
    struct gateway_loop *gl = gateway_loop;
    loop_post(gl->loop, calls_wake, gl);
}

static void on_turn_end(void *gateway_loop)
{
    calls_turn_end(gateway_loop);
}

/* A commit costs as much with one record as with a hundred. So a loop that has something else to do
 * does that first, and hands over what has gathered when it runs out of work, or after the window.
 */
static bool on_turn_over(void *gateway_loop)
{
    struct gateway_loop *gl = gateway_loop;
    const struct gateway_options *o = &gl->g->o;
    int64_t now = loop_now_us(gl->loop);
    if (!ledger_lane_has_records(gl->lane))
        return false;
    if (gl->records_since_us == 0)
        gl->records_since_us = now;
    bool waits = o->durability != GATEWAY_RELAXED &&
                 now - gl->records_since_us < o->commit_window_us && !loop_is_idle(gl->loop);
    if (waits)
        return true;
    gl->records_since_us = 0;
    ledger_lane_flush(gl->lane);
    return false;
}

/* Calls whose hold does not become durable (a full disk) are refused before they go upstream. */
static void tick(void *gateway_loop)
{
    struct gateway_loop *gl = gateway_loop;
    int64_t now = loop_now_us(gl->loop);
    struct call *next;
    for (struct call *c = gl->wait_first; c != NULL; c = next) {
        next = c->wait_next;
        if (c->dispatched_us != 0 || c->settled || now - c->read_us < HOLD_WAIT_US_MAX)
            continue;
        call_wait_cancel(c);
        call_attempt_failed(c,
                            &(struct upstream_failure){.err = ERR_LEDGER_UNAVAILABLE,
                                                       .why = "the hold is not durable"},
                            false);
    }
    int64_t slow = loop_turn_us_max(gl->loop);
    if (slow > 50 * US_PER_MS) {
        observe_add(METRIC_SLOW_TURNS, 1);
        observe_say("warn", "slow_turn", "a loop turn took %lld ms", (long long)(slow / 1000));
    }
    loop_timer_start(&gl->tick, TICK_US);
}

enum err gateway_loop_new(struct gateway *g, struct loop *loop, struct gateway_loop **ret_loop)
{
    static const struct upstream_options options = {.resolve_ttl_us = 60 * US_PER_S,
                                                    .idle_per_target_max = 512,
                                                    .idle_us = 60 * US_PER_S,
                                                    .connections_per_target_max = 16384};
    struct gateway_loop *gl = mem_zalloc(sizeof(*gl));
    gl->g = g;
    gl->loop = loop;
    enum err e = ledger_lane_new(g->ledger, on_commit, gl, &gl->lane);
    if (e != OK) {
        mem_free(gl);
        return e;
    }
    gl->pool = upstream_pool_new(loop, &options);
    buf_init(&gl->log, 64u * 1024);
    buf_init(&gl->scratch, 64u * 1024);
    arena_init(&gl->texts, 8192, 256u * 1024);
    buf_init(&gl->models, 16u << 20);
    loop_on_turn_end(loop, on_turn_end, gl);
    loop_on_turn_over(loop, on_turn_over, gl);
    loop_timer_init(&gl->tick, loop, tick, gl);
    loop_timer_start(&gl->tick, TICK_US);
    *ret_loop = gl;
    return OK;
}

void gateway_loop_drain(struct gateway_loop *gl)
{
    loop_timer_stop(&gl->tick);
    struct call *next;
    for (struct call *c = gl->calls; c != NULL; c = next) {
        next = c->next;
        call_resolve_now(c);
    }
}

void gateway_loop_free(struct gateway_loop **loop)
{
    struct gateway_loop *gl = *loop;
    if (gl == NULL)
        return;
    must(gl->calls == NULL);
    while (gl->free_calls != NULL) {
        struct call *c = gl->free_calls;
        gl->free_calls = c->next;
        buf_fini(&c->answer);
        buf_fini(&c->held_back);
        buf_fini(&c->prefix_out);
        mem_free(c);
    }
    upstream_pool_free(&gl->pool);
    ledger_lane_free(&gl->lane);
    buf_fini(&gl->log);
    buf_fini(&gl->scratch);
    arena_fini(&gl->texts);
    buf_fini(&gl->models);
    mem_free(gl);
    *loop = NULL;
}

size_t gateway_loop_calls(const struct gateway_loop *gl)
{
    return gl->calls_n;
}

/* ---- routes ---- */

static bool chat_head(void *gl, struct http_exchange *x)
{
    return call_on_head(gl, x, &product_chat);
}

static bool completions_head(void *gl, struct http_exchange *x)
{
    return call_on_head(gl, x, &product_completions);
}

static bool embeddings_head(void *gl, struct http_exchange *x)
{
    return call_on_head(gl, x, &product_embeddings);
}

static struct http_route route(struct gateway_loop *gl, const struct product *p,
                               bool (*head)(void *, struct http_exchange *))
{
    return (struct http_route){.method = "POST",
                               .path = p->path,
                               .lane = HTTP_FAST,
                               .body_bytes_max = gl->g->o.body_bytes_max,
                               .head = head,
                               .ready = call_on_ready,
                               .arg = gl};
}

struct http_route gateway_route_chat(struct gateway_loop *gl)
{
    return route(gl, &product_chat, chat_head);
}

struct http_route gateway_route_completions(struct gateway_loop *gl)
{
    return route(gl, &product_completions, completions_head);
}

struct http_route gateway_route_embeddings(struct gateway_loop *gl)
{
    return route(gl, &product_embeddings, embeddings_head);
}

struct idempotency *gateway_idempotency(struct gateway *g)
{
    return &g->idempotency;
}

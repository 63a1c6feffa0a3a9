/* The steps of a call up to its hold, in the order of refusals. */
#include "gateway/steps.h"

#include <stdatomic.h>
#include "base/mem.h"

const struct product product_chat = {
    PRODUCT_CHAT, "chat", "/v1/chat/completions", "/chat/completions", "messages", true, true};
const struct product product_completions = {
    PRODUCT_COMPLETIONS, "completions", "/v1/completions", "/completions", "prompt", true, true};
const struct product product_embeddings = {
    PRODUCT_EMBEDDINGS, "embeddings", "/v1/embeddings", "/embeddings", "input", false, false};

static const struct http_events exchange_events = {call_client_drained, call_client_gone};

static void step_read(struct call *c);

/* ---- answers ---- */

/* "1s", "6m0s" */
static struct str reset_text(int64_t reset_us, char text[32])
{
    struct buf b = {.p = text, .cap = 32, .max = 32};
    int64_t s = (reset_us + US_PER_S - 1) / US_PER_S;
    if (s >= 60) {
        buf_i64(&b, s / 60);
        buf_byte(&b, 'm');
        s %= 60;
    }
    buf_i64(&b, s);
    buf_byte(&b, 's');
    return buf_str(&b);
}

static void rate_headers(struct call *c, const struct str names[3], int64_t limit, int64_t left,
                         int64_t reset_us)
{
    char text[32];
    if (limit < 0)
        return;
    http_set_i64(c->x, names[0], limit);
    http_set_i64(c->x, names[1], left > 0 ? left : 0);
    http_set(c->x, names[2], reset_text(reset_us, text));
}

void call_headers(struct call *c, bool with_cost)
{
    static const struct str request_names[3] = {{"x-ratelimit-limit-requests", 26},
                                                {"x-ratelimit-remaining-requests", 30},
                                                {"x-ratelimit-reset-requests", 26}};
    static const struct str token_names[3] = {{"x-ratelimit-limit-tokens", 24},
                                              {"x-ratelimit-remaining-tokens", 28},
                                              {"x-ratelimit-reset-tokens", 24}};
    const struct gateway *g = c->gl->g;
    char text[UNITS_TEXT_MAX];
    if (c->hold.wallet != NULL) {
        struct nano left = ledger_balance(c->hold.wallet);
        if (!with_cost && c->settled) /* a short stream: its head tells of the time before it */
            left = nano_plus(left, call_paid(c));
        http_set(c->x, str_c(g->header_credits), nano_format(left, text));
    }
    if (with_cost)
        http_set(c->x, str_c(g->header_cost), nano_format(call_paid(c), text));
    if (c->attempts != 0 && c->plan.candidates_n != 0)
        http_set(c->x, str_c(g->header_tag), c->plan.candidates[c->candidate].provider->tag);
    if (c->clamped)
        http_set_i64(c->x, str_c(g->header_clamped), c->output_cap);
    rate_headers(c, request_names, c->view.requests_limit, c->view.requests_left,
                 c->view.requests_reset_us);
    rate_headers(c, token_names, c->view.tokens_limit, c->view.tokens_left,
                 c->view.tokens_reset_us);
}

static void count_refusal(enum err e)
{
    int status = err_info(e)->status;
    if (status == 401)
        observe_add(METRIC_REFUSED_AUTH, 1);
    if (e == ERR_RATE_LIMITED)
        observe_add(METRIC_REFUSED_LIMIT, 1);
    if (e == ERR_INSUFFICIENT_CREDITS || e == ERR_SPEND_CAP_REACHED)
        observe_add(METRIC_REFUSED_CREDIT, 1);
}

void call_refuse(struct call *c, enum err e, struct str message, struct str param, struct str lines)
{
    count_refusal(e);
    c->err = e;
    limits_settle(c->gl->g->o.limits, &c->taken, 0, loop_now_us(c->gl->loop));
    if (c->x != NULL) {
        struct http_exchange *x = c->x;
        c->x = NULL;
        http_exchange_set(x, NULL, NULL);
        http_error(x, e, message, param, lines);
    }
    call_free(c);
}

/* The 402 that says what is missing, in numbers. */
static void refuse_credit(struct call *c, struct nano available, int64_t affordable)
{
    struct arena *a = http_arena(c->x);
    char need[UNITS_TEXT_MAX], have[UNITS_TEXT_MAX];
    struct str required = nano_format(c->quote, need), left = nano_format(available, have);
    struct str message =
        affordable > 0
            ? arena_printf(a,
                           "This call may cost up to $%.*s, but $%.*s is left. Lower max_tokens "
                           "to %lld or less, or top up.",
                           STR_ARG(required), STR_ARG(left), (long long)affordable)
            : arena_printf(a, "This call may cost up to $%.*s, but $%.*s is left. Top up.",
                           STR_ARG(required), STR_ARG(left));
    struct buf b;
    buf_init(&b, 8192);
    gateway_error_body(ERR_INSUFFICIENT_CREDITS, message, STR(""), &b);
    b.n -= 2; /* into the error object again */
    buf_json_member(&b, "required", required);
    buf_json_member(&b, "available", left);
    buf_json_member(&b, "top_up_url", str_c(c->gl->g->o.top_up_url));
    buf_add(&b, STR("}}"));
    struct http_exchange *x = c->x;
    count_refusal(ERR_INSUFFICIENT_CREDITS);
    limits_settle(c->gl->g->o.limits, &c->taken, 0, loop_now_us(c->gl->loop));
    http_start(x, 402);
    http_set(x, STR("x-should-retry"), STR("false"));
    call_headers(c, false);
    c->x = NULL;
    http_exchange_set(x, NULL, NULL);
    http_body(x, STR("application/json"), buf_str(&b));
    buf_fini(&b);
    call_free(c);
}

/* ---- who ---- */

struct str call_key_text(const struct http_request *r)
{
    struct str auth = http_request_header(r, STR("authorization"));
    if (auth.p != NULL && str_starts_nocase(auth, STR("bearer ")))
        return str_trim(str_from(auth, 7));
    if (str_eq_nocase(auth, STR("bearer")))
        return STR(""); /* the key behind it is missing */
    if (auth.p != NULL)
        return auth;
    return str_trim(http_request_header(r, STR("x-api-key")));
}

/* The key is known: may it come in? */
static enum err who_check(struct call *c)
{
    const struct http_request *r = http_request_of(c->x);
    int64_t now = loop_wall_us(c->gl->loop);
    must(c->key != NULL);
    enum err e = identity_key_check(c->key, now);
    if (e != OK)
        return e;
    atomic_store_explicit(&c->key->last_used_us, now, memory_order_relaxed);
    if ((c->key->scopes & IDENTITY_SCOPE_INFERENCE) == 0)
        return ERR_SCOPE_MISSING;
    return identity_key_allows_ip(c->key, r->peer) ? OK : ERR_IP_NOT_ALLOWED;
}

static void who_load(void *call)
{
    struct call *c = call;
    if (identity_key_load(c->gl->g->o.identity, c->mac) != OK)
        observe_say("error", "key_load_failed", "a key could not be looked up in the store");
}

/* Behind the look-up: on with the call, or its refusal once the body is out of the way. */
static void who_loaded(void *call)
{
    struct call *c = call;
    c->loading = false;
    if (c->x == NULL) {
        call_free(c);
        return;
    }
    if (c->ready)
        step_read(c);
}

static enum err who_find(struct call *c)
{
    switch (identity_key_find(c->gl->g->o.identity, c->mac, &c->key)) {
    case IDENTITY_FOUND: observe_add(METRIC_KEY_HITS, 1); return who_check(c);
    case IDENTITY_UNKNOWN: return ERR_INVALID_API_KEY;
    case IDENTITY_LOAD:
    case IDENTITY_FIND__COUNT: break;
    }
    return ERR_END;
}

enum err call_quick_key(struct gateway_loop *gl, struct http_exchange *x,
                        struct identity_key **ret_key)
{
    uint8_t mac[CRYPTO_HASH_LEN];
    struct str text = call_key_text(http_request_of(x));
    if (!identity_key_mac(gl->g->o.identity, text, mac))
        return text.n == 0 ? ERR_MISSING_API_KEY : ERR_INVALID_API_KEY;
    if (identity_key_find(gl->g->o.identity, mac, ret_key) == IDENTITY_UNKNOWN)
        return ERR_INVALID_API_KEY;
    return *ret_key != NULL ? identity_key_check(*ret_key, loop_wall_us(gl->loop)) : OK;
}

bool call_on_head(void *route_arg, struct http_exchange *x, const struct product *p)
{
    struct gateway_loop *gl = route_arg;
    const struct http_request *r = http_request_of(x);
    struct call *c = call_new(gl, x, p);
    c->started_us = r->started_us;
    c->started_wall_us = loop_wall_us(gl->loop) - (loop_now_us(gl->loop) - r->started_us);
    c->id = r->id;
    memcpy(c->id_text, r->request_id, strlen(r->request_id) + 1);
    http_exchange_set(x, &exchange_events, c);
    struct str key = call_key_text(http_request_of(x));
    enum err e = OK;
    if (!identity_key_mac(gl->g->o.identity, key, c->mac))
        e = key.n == 0 ? ERR_MISSING_API_KEY : ERR_INVALID_API_KEY;
    else
        e = who_find(c);
    if (e == ERR_END) {
        observe_add(METRIC_KEY_MISSES, 1);
        e = loop_work(gl->loop, who_load, who_loaded, c);
        c->loading = e == OK;
    }
    if (e == OK)
        return true;
    call_refuse(c, e, STR(""), STR(""), STR(""));
    return false;
}

void call_on_ready(void *route_arg, struct http_exchange *x)
{
    (void)route_arg;
    struct call *c = http_exchange_arg(x);
    c->ready = true;
    if (!c->loading)
        step_read(c);
}

/* ---- read, limit, quote, hold ---- */

static void step_hold(struct call *c, bool again);

static enum err media_check(const struct call *c)
{
    struct str type = http_header(c->x, STR("content-type"));
    struct str coding = http_header(c->x, STR("content-encoding"));
    struct str bare = type;
    bare = str_trim(str_cut(&bare, ';'));
    if (coding.p != NULL && !str_eq_nocase(coding, STR("identity")))
        return ERR_UNSUPPORTED_MEDIA_TYPE;
    if (type.p == NULL || str_eq_nocase(bare, STR("application/json")))
        return OK;
    return ERR_UNSUPPORTED_MEDIA_TYPE;
}

/* The house's own limit turns customers away: once a minute the operator hears of it. */
static void alert_global(struct call *c, const struct limits_denial *d)
{
    struct gateway *g = c->gl->g;
    int64_t now = loop_now_us(c->gl->loop), last = atomic_load(&g->global_alert_us);
    if (strcmp(d->scope, "global") == 0 && (last == 0 || now - last >= 60 * US_PER_S) &&
        atomic_compare_exchange_strong(&g->global_alert_us, &last, now))
        observe_say("alert", "global_limit", "calls are refused by the global limit of %lld %s",
                    (long long)d->value, d->limit);
}

static enum err step_limit(struct call *c)
{
    struct gateway *g = c->gl->g;
    int64_t output = !c->product->has_output ? 0
                     : c->rq.has_cap         ? c->rq.cap
                                             : g->o.default_output_tokens;
    int64_t most = limits_max_tokens(g->o.limits, c->key->team, c->key->user, c->key->key);
    struct arena *a = http_arena(c->x);
    if (most > 0 && c->rq.has_cap && c->rq.cap > most) {
        call_refuse(
            c, ERR_VALIDATION_FAILED,
            arena_printf(a, "'max_tokens' may be at most %lld for this key.", (long long)most),
            STR("max_tokens"), STR(""));
        return ERR_VALIDATION_FAILED;
    }
    struct limits_denial d = {0};
    c->hold.wallet = ledger_find(g->ledger, c->key->wallet);
    enum limits_tier tier = g->o.tier_balance.v > 0 && c->hold.wallet != NULL &&
                                    ledger_balance(c->hold.wallet).v >= g->o.tier_balance.v
                                ? LIMITS_TIER_FUNDED
                                : LIMITS_TIER_BASE;
    enum err e = limits_take(g->o.limits, c->key->team, c->key->user, c->key->key, tier,
                             c->rq.input_estimate + output * c->rq.n, loop_now_us(c->gl->loop),
                             &c->taken, &c->view, &d);
    if (e == OK)
        return OK;
    alert_global(c, &d);
    int64_t ms = (d.retry_us + 999) / 1000;
    struct str lines = arena_printf(a, "Retry-After: %lld\r\nretry-after-ms: %lld\r\n",
                                    (long long)((ms + 999) / 1000), (long long)ms);
    struct str message =
        e == ERR_RATE_LIMITED
            ? arena_printf(a, "Over the limit of %lld %s per %s. Try again in %lld ms.",
                           (long long)d.value, d.limit, d.scope, (long long)ms)
            : arena_printf(a,
                           "This call alone is over the limit of %lld %s per %s. Lower "
                           "max_tokens, or send less.",
                           (long long)d.value, d.limit, d.scope);
    call_refuse(c, e, message, STR(""), e == ERR_RATE_LIMITED ? lines : STR(""));
    return e;
}

/* What may be spent at most by this call: the tightest of wallet and caps. */
static struct nano spendable(const struct call *c)
{
    struct nano least = ledger_available(c->hold.wallet);
    for (int i = 0; i < LEDGER_CAPS_MAX; i++) {
        const struct ledger_account *cap = c->hold.caps[i];
        if (cap != NULL && !ledger_cap_is_off(cap) && ledger_available(cap).v < least.v)
            least = ledger_available(cap);
    }
    return least;
}

static struct ledger_account *find_cap(const struct call *c, struct id cap)
{
    return id_is_zero(cap) ? NULL : ledger_find(c->gl->g->ledger, cap);
}

/* The cap that the hold reckons with when the client named none, and the one that he named. */
static int64_t output_wanted(const struct call *c)
{
    const struct gateway *g = c->gl->g;
    int64_t model_max = c->plan.model != NULL ? c->plan.model->max_output : 0;
    int64_t cap = c->rq.has_cap ? c->rq.cap : g->o.default_output_tokens;
    if (!c->product->has_output)
        return 0;
    return model_max > 0 && cap > model_max ? model_max : cap;
}

static enum err quote_amount(struct call *c, int64_t output, struct nano *ret)
{
    if (c->plan.price == NULL) {
        *ret = c->gl->g->o.unpriced_hold;
        return OK;
    }
    return catalog_quote(&c->plan, c->rq.input_estimate, output * c->rq.n, ret);
}

/* OK with c->quote and c->output_cap; INSUFFICIENT_CREDITS with *ret_affordable tokens. */
static enum err quote(struct call *c, struct nano budget, int64_t *ret_affordable)
{
    int64_t most = limits_max_tokens(c->gl->g->o.limits, c->key->team, c->key->user, c->key->key);
    c->output_cap = output_wanted(c);
    c->clamped = !c->rq.has_cap && most > 0 && c->output_cap > most;
    if (c->clamped)
        c->output_cap = most;
    enum err e = quote_amount(c, c->output_cap, &c->quote);
    *ret_affordable = 0;
    if (e != OK || c->quote.v <= budget.v)
        return e;
    if (c->plan.price == NULL || !c->product->has_output)
        return ERR_INSUFFICIENT_CREDITS;
    int64_t tokens = catalog_affordable(&c->plan, c->rq.input_estimate, budget,
                                        c->output_cap * c->rq.n) /
                     c->rq.n;
    *ret_affordable = tokens;
    if (tokens < 1 || c->rq.has_cap)
        return ERR_INSUFFICIENT_CREDITS;
    c->output_cap = tokens;
    c->clamped = true;
    return quote_amount(c, tokens, &c->quote);
}

static void step_quote(struct call *c)
{
    struct gateway *g = c->gl->g;
    c->snapshot = catalog_ref(g->catalog);
    uint64_t draw = atomic_fetch_add_explicit(&g->requests, 1, memory_order_relaxed);
    draw = (draw + 1) * 0x9E3779B97F4A7C15u;
    enum err e = catalog_plan_make(c->snapshot, c->rq.model, draw ^ draw >> 29, &c->plan);
    if (e != OK) {
        struct str message =
            e == ERR_MODEL_NOT_FOUND
                ? arena_printf(http_arena(c->x),
                               "The model '%.*s' does not exist here. GET /v1/models lists those "
                               "that do.",
                               STR_ARG(c->rq.model))
                : STR("");
        call_refuse(c, e, message, STR("model"), STR(""));
        return;
    }
    c->hold = (struct ledger_hold){
        .call = c->id,
        .wallet = c->hold.wallet,
        .caps = {find_cap(c, c->key->key_cap), find_cap(c, c->key->member_cap)}};
    if (c->hold.wallet == NULL || !ledger_is_available(g->ledger)) {
        call_refuse(c, c->hold.wallet == NULL ? ERR_INTERNAL : ERR_LEDGER_UNAVAILABLE, STR(""),
                    STR(""), STR("Retry-After: 5\r\n"));
        return;
    }
    step_hold(c, true);
}

static void refuse_funds(struct call *c, int64_t affordable)
{
    struct nano wallet = ledger_available(c->hold.wallet);
    if (wallet.v >= c->quote.v)
        call_refuse(c, ERR_SPEND_CAP_REACHED, STR(""), STR(""), STR("x-should-retry: false\r\n"));
    else
        refuse_credit(c, wallet, affordable);
}

static void step_hold(struct call *c, bool again)
{
    struct gateway_loop *gl = c->gl;
    int64_t affordable = 0;
    enum err e = quote(c, spendable(c), &affordable);
    if (e == ERR_INSUFFICIENT_CREDITS) {
        refuse_funds(c, affordable);
        return;
    }
    if (e == OK) {
        c->hold.amount = c->quote;
        buf_reset(&gl->log);
        call_hold_about(c, &gl->log);
        e = ledger_hold_place(gl->lane, &c->hold, loop_wall_us(gl->loop), buf_str(&gl->log),
                              &c->ticket);
    }
    /* Somebody else was faster between the quote and the hold: look once more. */
    if ((e == ERR_INSUFFICIENT_CREDITS || e == ERR_SPEND_CAP_REACHED) && again) {
        step_hold(c, false);
        return;
    }
    if (e == ERR_INSUFFICIENT_CREDITS || e == ERR_SPEND_CAP_REACHED) {
        refuse_funds(c, affordable);
        return;
    }
    if (e != OK) {
        call_refuse(c, e == ERR_LIMIT ? ERR_VALIDATION_FAILED : e, STR(""), STR(""),
                    e == ERR_LEDGER_UNAVAILABLE ? STR("Retry-After: 5\r\n") : STR(""));
        return;
    }
    c->held = true;
    observe_add(METRIC_CALLS, 1);
    if (c->clamped)
        observe_add(METRIC_CLAMPED, 1);
    call_dispatch(c);
}

static void step_claimed(struct call *c)
{
    if (step_limit(c) == OK)
        step_quote(c);
}

static void step_read(struct call *c)
{
    struct gateway_loop *gl = c->gl;
    struct str message = STR(""), param = STR("");
    enum err e = OK;
    if (c->key == NULL) { /* it had to be loaded */
        e = who_find(c);
        if (e == ERR_END)
            e = ERR_OVERLOADED;
    }
    c->read_us = loop_now_us(gl->loop);
    observe_time(METRIC_TIME_STEP_READ, c->read_us - c->started_us);
    if (e == OK)
        e = media_check(c);
    if (e == OK)
        e = call_read(c, http_request_of(c->x)->body, http_arena(c->x), &message, &param);
    if (e == OK &&
        atomic_load_explicit(gl->g->o.buffered, memory_order_relaxed) > gl->g->o.buffered_max)
        e = ERR_OVERLOADED;
    if (e != OK) {
        call_refuse(c, e, message, param,
                    e == ERR_OVERLOADED ? STR("Retry-After: 1\r\n") : STR(""));
        return;
    }
    call_claim(c, step_claimed);
}

/* The dispatch step: which provider and key, the request as the upstream wants it, and whether
 * another attempt may follow. */
#include "gateway/steps.h"

static const struct catalog_candidate *candidate(const struct call *c)
{
    return &c->plan.candidates[c->candidate];
}

static const struct provider_wire *wire_of(const struct call *c)
{
    return candidate(c)->provider->attached;
}

/* ---- the request ---- */

static bool client_names_cap_anew(const struct call *c)
{
    /* Reasoning models of OpenAI refuse max_tokens; everybody else knows it. */
    const struct provider_wire *w = wire_of(c);
    return c->product->id == PRODUCT_CHAT && candidate(c)->provider->kind == CATALOG_OPENAI &&
           str_ends(str_c(w->target.host), STR("openai.com"));
}

/* Members that are not there yet go behind the opening brace, in one edit. */
static void request_edits(struct call *c, struct edits *list)
{
    const struct call_request *rq = &c->rq;
    struct arena *a = http_arena(c->x);
    struct str head = STR("");
    if (candidate(c)->rename) {
        struct buf b;
        buf_init(&b, 4096);
        buf_json_str(&b, candidate(c)->upstream_model);
        edits_add(list, rq->model_at, rq->model_n, arena_dup(a, buf_str(&b)));
        buf_fini(&b);
    }
    if (rq->stream && !rq->include_usage) {
        bool object = rq->options_n != 0 && rq->body.p[rq->options_at] == '{';
        if (rq->include_n != 0)
            edits_add(list, rq->include_at, rq->include_n, STR("true"));
        else if (object) {
            struct json_walk w = json_walk_of(str_of(rq->body.p + rq->options_at, rq->options_n));
            edits_add(list, rq->options_at + 1, 0,
                      json_next(&w) ? STR("\"include_usage\":true,")
                                    : STR("\"include_usage\":true"));
        } else if (rq->options_n != 0)
            edits_add(list, rq->options_at, rq->options_n, STR("{\"include_usage\":true}"));
        else
            head = STR("\"stream_options\":{\"include_usage\":true},");
    }
    if (c->clamped)
        head = arena_printf(a, "%.*s\"%s\":%lld,", STR_ARG(head),
                            client_names_cap_anew(c) ? "max_completion_tokens" : "max_tokens",
                            (long long)c->output_cap);
    if (head.n != 0)
        edits_add(list, rq->open_at, 0, head);
}

struct str call_auth(struct call *c, struct arena *a)
{
    const struct provider_wire *w = wire_of(c);
    char *text = w->user_keys && c->keys_tried <= 1 ? arena_alloc(a, IDENTITY_UPSTREAM_AUTH_MAX)
                                                    : NULL;
    struct str own = STR("");
    if (text != NULL)
        own = identity_upstream_auth(c->gl->g->o.upstreams, c->key->user, text);
    c->own_key = own.n != 0;
    return c->own_key ? own : w->auth[c->key_index];
}

static void send_request(struct call *c)
{
    struct gateway_loop *gl = c->gl;
    const struct provider_wire *w = wire_of(c);
    struct arena *a = http_arena(c->x);
    struct edits list = {.n = 0};
    request_edits(c, &list);
    struct upstream_request rq = {
        .target = &w->target, .method = "POST", .timeouts = gl->g->o.timeouts};
    const struct str path[] = {str_c(w->path_prefix), str_c(c->product->upstream)};
    const struct str lines[] = {
        call_auth(c, a),
        STR("Content-Type: application/json\r\nAccept: "),
        c->rq.stream ? STR("text/event-stream") : STR("application/json"),
        STR("\r\nUser-Agent: tollgate\r\nX-Client-Request-Id: "),
        str_c(c->id_text),
        STR("\r\n"),
    };
    rq.path = arena_join(a, path, sizeof(path) / sizeof(path[0]));
    rq.headers = arena_join(a, lines, sizeof(lines) / sizeof(lines[0]));
    rq.pieces_n = edits_pieces(&list, c->rq.body, rq.pieces);
    if (a->over) {
        call_attempt_failed(
            c, &(struct upstream_failure){.err = ERR_INTERNAL, .why = "the call's arena is full"},
            false);
        return;
    }
    c->dispatched_us = loop_now_us(gl->loop);
    if (c->attempts == 1)
        observe_time(METRIC_TIME_STEP_HOLD, c->dispatched_us - c->read_us);
    observe_add(METRIC_ATTEMPTS, 1);
    c->up = upstream_start(gl->pool, &rq, &call_upstream_events, c);
}

/* The hold and the dispatch are on disk (or need not be). */
static void dispatch_durable(struct call *c)
{
    if (c->x == NULL) { /* the client left before anything was sent */
        call_attempt_failed(c, NULL, false);
        return;
    }
    send_request(c);
}

/* ---- which one ---- */

void call_dispatch(struct call *c)
{
    struct gateway_loop *gl = c->gl;
    const struct provider_wire *w = wire_of(c);
    if (c->keys_tried == 0)
        c->key_index = w->keys_n != 0 ? candidate(c)->first_key % w->keys_n : 0;
    c->keys_tried++;
    c->attempts++;
    buf_reset(&gl->log);
    call_dispatch_about(c, &gl->log);
    c->ticket = ledger_hold_dispatched(gl->lane, &c->hold, loop_wall_us(gl->loop),
                                       buf_str(&gl->log));
    call_wait_durable(c, false, dispatch_durable);
}

/* Moves to the provider's next key, then to the next candidate. */
bool call_may_try_again(struct call *c)
{
    if (c->x == NULL || c->started || c->attempts >= c->gl->g->o.attempts_max)
        return false;
    const struct provider_wire *w = wire_of(c);
    if (c->keys_tried < w->keys_n) {
        c->key_index = (c->key_index + 1) % w->keys_n;
        return true;
    }
    if (c->candidate + 1 < c->plan.candidates_n) {
        c->candidate++;
        c->keys_tried = 0;
        return true;
    }
    return false;
}

/* ---- how it ended without an answer ---- */

static void refused_settled(struct call *c)
{
    if (c->x != NULL) {
        struct http_exchange *x = c->x;
        c->x = NULL;
        http_exchange_set(x, NULL, NULL);
        struct arena *a = http_arena(x);
        bool charged = c->unresolved || c->charge.v != 0;
        bool wait = c->err == ERR_UPSTREAM_UNAVAILABLE || c->err == ERR_LEDGER_UNAVAILABLE;
        struct str lines = STR("");
        if (charged)
            lines = STR("x-should-retry: false\r\n");
        else if (wait)
            lines = arena_printf(a, "Retry-After: %s\r\n",
                                 c->retry_after[0] != '\0' ? c->retry_after : "1");
        struct str message = err_info(c->err)->status < 500
                                 ? upstream_safe_message(c, buf_str(&c->answer), a)
                                 : STR("");
        call_keep_error(c, c->err);
        http_error(x, c->err, message, STR(""), lines);
    }
    call_done(c);
}

/* A kept connection that the upstream had closed: the same again, on another one. */
static bool is_stale(const struct call *c, const struct upstream_failure *f)
{
    return f->reused && !f->response_bytes && c->x != NULL && !c->started &&
           c->attempts < c->gl->g->o.attempts_max;
}

void call_attempt_failed(struct call *c, const struct upstream_failure *f, bool may_retry)
{
    if (f != NULL) {
        observe_add(METRIC_UPSTREAM_FAILED, 1);
        if (c->status == 0)
            call_note_provider(c, true, 0);
    }
    if (f != NULL && may_retry && (is_stale(c, f) || call_may_try_again(c))) {
        observe_add(METRIC_RETRIES, 1);
        buf_reset(&c->answer);
        c->status = 0;
        call_dispatch(c);
        return;
    }
    c->err = f != NULL ? f->err : ERR_CLIENT_GONE;
    /* Once the whole request may have arrived, silence does not mean that nothing was served. */
    bool unknown = f != NULL && f->request_bytes && f->phase >= UPSTREAM_SEND && c->status == 0 &&
                   f->err != ERR_INTERNAL;
    c->ans.failed = true;
    c->ans.no_outcome |= unknown;
    call_settle(c, refused_settled);
}

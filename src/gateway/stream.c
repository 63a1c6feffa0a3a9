/* An answer that is a stream of events: relayed as it arrives, in bounded memory. What ends it (the
 * usage chunk and [DONE]) is held back until the settlement is durable. */
#include "gateway/steps.h"

#define EVENT_BYTES_MAX (4u << 20)
#define QUEUE_HIGH (256u * 1024)
#define RELAY_KEEP_BYTES (256u * 1024)
#define CHECKPOINT_US US_PER_S

static const struct str null_usage = {",\"usage\":null}", 14};

/* ---- the client's side ---- */

static void begin(struct call *c)
{
    if (c->up != NULL)
        upstream_resume(c->up);
    if (c->x == NULL || c->started)
        return;
    struct gateway *g = c->gl->g;
    c->started = true;
    http_start(c->x, 200);
    http_set(c->x, STR("Content-Type"), STR("text/event-stream"));
    http_set(c->x, STR("Cache-Control"), STR("no-cache"));
    call_headers(c, false);
    if (http_request_of(c->x)->head->te_trailers)
        http_set(c->x, STR("Trailer"),
                 arena_printf(http_arena(c->x), "%s, %s", g->header_cost, g->header_credits));
    http_stream(c->x, -1);
}

void stream_fini(struct call *c)
{
    if (c->sse_ready)
        sse_fini(&c->sse);
    c->sse_ready = false;
}

static void put(struct call *c, struct str s)
{
    if (c->x == NULL)
        return;
    call_keep(c, s);
    /* overlap: before the hold is durable nothing is relayed */
    buf_add(c->started ? &c->gl->relay : &c->held_back, s);
}

/* The events of one callback leave as one chunk. */
static void relay(struct call *c)
{
    struct buf *b = &c->gl->relay;
    if (b->n != 0 && c->x != NULL)
        http_write(c->x, buf_str(b));
    if (b->cap > RELAY_KEEP_BYTES)
        buf_fini(b);
    else
        buf_reset(b);
}

static void release_held_back(struct call *c)
{
    if (c->x != NULL && c->started)
        buf_add(&c->gl->relay, buf_str(&c->held_back));
    buf_reset(&c->held_back);
}

/* overlap: the hold has become durable while the upstream was paused. */
static void begin_durable(struct call *c)
{
    begin(c);
    release_held_back(c);
    relay(c);
}

void stream_head(struct call *c)
{
    sse_init(&c->sse, EVENT_BYTES_MAX);
    c->sse_ready = true;
    call_keep_head(c, 200, "text/event-stream");
    c->checkpoint_us = c->head_us + CHECKPOINT_US;
    if (c->gl->g->o.durability != GATEWAY_OVERLAP || c->x == NULL ||
        ledger_lane_durable(c->gl->lane) >= c->ticket) {
        begin(c);
        return;
    }
    upstream_pause(c->up);
    call_wait_durable(c, true, begin_durable);
}

/* ---- events ---- */

/* Text in an event that was not looked into: the first of the usual members. */
static int64_t quick_text_bytes(struct str tail)
{
    static const struct str names[] = {
        {"\"content\":\"", 11}, {"\"arguments\":\"", 13}, {"\"text\":\"", 8}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t at = str_find(tail, names[i]);
        if (at == SIZE_MAX)
            continue;
        struct str rest = str_from(tail, at + names[i].n);
        size_t end = str_index(rest, '"');
        while (end != SIZE_MAX && end > 0 && rest.p[end - 1] == '\\' && end + 1 < rest.n) {
            size_t more = str_index(str_from(rest, end + 1), '"');
            end = more == SIZE_MAX ? SIZE_MAX : end + 1 + more;
        }
        return end == SIZE_MAX ? 0 : (int64_t)end;
    }
    return 0;
}

/* Events of a stream begin alike up to `choices`. What the first one became is kept, so that those
 * which begin the same and have nothing else for us are copied without a look inside. */
static bool event_by_prefix(struct call *c, struct str data)
{
    if (c->prefix_n == 0 || data.n < c->prefix_n || memcmp(data.p, c->prefix, c->prefix_n) != 0)
        return false;
    struct str tail = str_from(data, c->prefix_n);
    bool null_end = str_ends(tail, null_usage);
    struct str looked = null_end ? str_upto(tail, tail.n - null_usage.n) : tail;
    if (str_find(looked, STR("\"usage\"")) != SIZE_MAX ||
        str_find(looked, STR("\"error\"")) != SIZE_MAX)
        return false;
    release_held_back(c);
    c->ans.output_bytes += quick_text_bytes(looked);
    put(c, buf_str(&c->prefix_out));
    if (null_end && !c->rq.include_usage) {
        put(c, looked);
        put(c, STR("}\n\n"));
    } else {
        put(c, tail);
        put(c, STR("\n\n"));
    }
    return true;
}

/* Keeps the start of an event, if all that concerns us stands before its choices. */
static void keep_prefix(struct call *c, struct str data, const struct answer_view *v)
{
    struct str pieces[2 * EDITS_MAX + 1];
    if (v->choices_at == 0 || v->choices_at > sizeof(c->prefix) || v->last_edit_at > v->choices_at)
        return;
    struct edits before = {.n = 0};
    for (size_t i = 0; i < v->edits.n; i++) {
        if (v->edits.e[i].at >= v->choices_at)
            return;
        before.e[before.n++] = v->edits.e[i];
    }
    buf_reset(&c->prefix_out);
    buf_add(&c->prefix_out, STR("data: "));
    size_t n = edits_pieces(&before, str_upto(data, v->choices_at), pieces);
    for (size_t i = 0; i < n; i++)
        buf_add(&c->prefix_out, pieces[i]);
    if (buf_check(&c->prefix_out) != OK)
        return;
    memcpy(c->prefix, data.p, v->choices_at);
    c->prefix_n = v->choices_at;
}

static void write_event(struct call *c, struct str data, const struct edits *edits, bool back)
{
    struct str pieces[2 * EDITS_MAX + 1];
    size_t n = edits_pieces(edits, data, pieces);
    struct buf *b = &c->held_back;
    if (back) {
        size_t before = b->n;
        buf_add(b, STR("data: "));
        for (size_t i = 0; i < n; i++)
            buf_add(b, pieces[i]);
        buf_add(b, STR("\n\n"));
        call_keep(c, str_from(buf_str(b), before));
        return;
    }
    put(c, STR("data: "));
    for (size_t i = 0; i < n; i++)
        put(c, pieces[i]);
    put(c, STR("\n\n"));
}

static void error_event(struct call *c, enum err e)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_add(&b, STR("data: {"));
    buf_json_member(&b, "id", str_c(c->id_text));
    buf_json_member(&b, "object",
                    c->product->id == PRODUCT_CHAT ? STR("chat.completion.chunk")
                                                   : STR("text_completion"));
    buf_json_i64(&b, "created", c->started_wall_us / US_PER_S);
    buf_json_member(&b, "model", c->rq.model);
    buf_add(&b, STR(",\"error\":{"));
    buf_json_member(&b, "message", str_c(err_info(e)->meaning));
    buf_json_member(&b, "type", str_c(err_info(e)->type));
    buf_json_key(&b, "param");
    buf_add(&b, STR("null"));
    buf_json_member(&b, "code", str_c(err_info(e)->code));
    buf_add(&b, STR("},\"choices\":[{\"index\":0,"));
    buf_add(&b, c->product->id == PRODUCT_CHAT ? STR("\"delta\":{\"content\":\"\"}")
                                               : STR("\"text\":\"\""));
    buf_add(&b, STR(",\"finish_reason\":\"error\"}]}\n\n"));
    put(c, buf_str(&b));
    buf_fini(&b);
}

static bool choices_are_empty(struct str choices)
{
    struct json_walk w = json_walk_of(choices);
    return json_type_of(choices) == JSON_NONE || !json_next(&w);
}

/* The usage chunk: what it costs is known now. */
static void usage_event(struct call *c, struct str data, struct answer_view *v)
{
    struct buf *usage = &c->gl->scratch;
    usage_read(&c->ans, v->usage);
    usage_charge(c);
    if (c->rq.include_usage) {
        buf_reset(usage);
        usage_rewrite(v->usage, c->charge, usage);
        edits_add(&v->edits, (size_t)(v->usage.p - data.p), v->usage.n, buf_str(usage));
    }
    /* A client that did not ask gets no chunk for it, and no chunk with it. */
    if (c->rq.include_usage || !choices_are_empty(v->choices))
        write_event(c, data, &v->edits, true);
}

/* Looks into one event. False: the stream is at its end. */
static bool event_look(struct call *c, struct str data)
{
    struct arena *texts = &c->gl->texts;
    struct answer_view v;
    size_t offset;
    data = json_trim(data);
    if (json_check(data, &offset) != OK || json_type_of(data) != JSON_OBJECT) {
        c->ans.failed = true;
        return false;
    }
    release_held_back(c); /* it was not the end after all */
    arena_reset(texts);
    answer_look(c, data, !c->rq.include_usage, texts, &v);
    if (json_type_of(v.error) == JSON_OBJECT) {
        c->ans.failed = true;
        return false;
    }
    c->ans.output_bytes += answer_text_bytes(data);
    if (json_type_of(v.usage) == JSON_OBJECT) {
        usage_event(c, data, &v);
        return true;
    }
    write_event(c, data, &v.edits, false);
    if (c->prefix_n == 0)
        keep_prefix(c, data, &v);
    return true;
}

/* ---- the end ---- */

static void stream_settled(struct call *c)
{
    if (c->x != NULL) {
        const struct gateway *g = c->gl->g;
        struct http_exchange *x = c->x;
        char text[UNITS_TEXT_MAX];
        begin(c);
        release_held_back(c);
        relay(c);
        http_exchange_set(x, NULL, NULL);
        c->x = NULL;
        if (http_request_of(x)->head->te_trailers) {
            http_trailer(x, str_c(g->header_cost), nano_format(c->charge, text));
            http_trailer(x, str_c(g->header_credits),
                         nano_format(ledger_balance(c->hold.wallet), text));
        }
        http_end(x);
    }
    call_done(c);
}

/* [DONE], or an end without it after the usage: nothing more is wanted of the upstream. */
static void stream_finished(struct call *c, bool done)
{
    call_wait_cancel(c);
    if (c->up != NULL) {
        upstream_let_go(c->up);
        c->up = NULL;
        c->ended_us = loop_now_us(c->gl->loop);
        observe_time(METRIC_TIME_STEP_RELAY, c->ended_us - c->head_us);
    }
    if (done) {
        buf_add(&c->held_back, STR("data: [DONE]\n\n"));
        call_keep(c, STR("data: [DONE]\n\n"));
    }
    if (!c->ans.has_usage)
        usage_charge(c);
    call_settle(c, stream_settled);
}

/* The stream broke: the client hears of it now, the charge is found out behind his back. */
static void stream_broken(struct call *c, enum err e)
{
    c->ans.failed = true;
    c->err = e;
    call_wait_cancel(c);
    if (c->up != NULL) {
        upstream_cancel(c->up);
        c->up = NULL;
    }
    if (c->x != NULL) {
        struct http_exchange *x = c->x;
        begin(c);
        release_held_back(c);
        error_event(c, e);
        relay(c);
        http_exchange_set(x, NULL, NULL);
        c->x = NULL;
        http_end(x);
    }
    if (c->ans.has_usage)
        call_settle(c, stream_settled);
    else
        call_resolve(c);
}

static void checkpoint(struct call *c)
{
    struct gateway_loop *gl = c->gl;
    struct call_answer seen = c->ans;
    usage_charge(c);
    buf_reset(&gl->log);
    call_end_about(c, &gl->log);
    ledger_hold_checkpoint(gl->lane, &c->hold, c->charge, buf_str(&gl->log));
    c->ans = seen; /* an own count is not the upstream's */
    c->charge = c->cost = NANO(0);
    c->basis = BASIS_NONE;
    c->checkpoint_us = loop_now_us(gl->loop) + CHECKPOINT_US;
}

/* A comment keeps connections alive; what it says is the upstream's own business. */
static bool one_event(struct call *c, const struct sse_event *e)
{
    if (e->kind == SSE_COMMENT) {
        put(c, STR(": processing\n\n"));
        return true;
    }
    if (str_starts(e->data, STR("[DONE]")))
        return false;
    return event_by_prefix(c, e->data) || event_look(c, e->data);
}

void stream_body(struct call *c, struct str bytes)
{
    struct sse_event e;
    enum err r;
    while ((r = sse_next(&c->sse, &bytes, &e)) == OK) {
        if (one_event(c, &e))
            continue;
        relay(c);
        if (c->ans.failed)
            stream_broken(c, ERR_UPSTREAM_ERROR);
        else
            stream_finished(c, true);
        return;
    }
    relay(c);
    if (r == ERR_LIMIT) {
        stream_broken(c, ERR_UPSTREAM_ERROR);
        return;
    }
    if (loop_now_us(c->gl->loop) >= c->checkpoint_us && !c->ans.has_usage)
        checkpoint(c);
    if (c->x != NULL && c->up != NULL && http_queued(c->x) > QUEUE_HIGH)
        upstream_pause(c->up);
}

void stream_end(struct call *c)
{
    struct str rest = STR("\n\n");
    struct sse_event e;
    bool done = sse_rest(&c->sse).n != 0 && sse_next(&c->sse, &rest, &e) == OK && !one_event(c, &e);
    relay(c);
    /* Neither text nor usage nor [DONE] is no answer, however well it was framed. */
    bool empty = !done && !c->ans.has_usage && c->ans.output_bytes == 0;
    if (c->ans.failed || empty)
        stream_broken(c, ERR_UPSTREAM_ERROR);
    else
        stream_finished(c, true);
}

void stream_cut(struct call *c, const struct upstream_failure *f)
{
    stream_broken(c, f->err);
}

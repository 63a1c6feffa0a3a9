/* An answer that is a stream of events: relayed as it arrives, in bounded memory. What ends it
 * (the usage chunk and [DONE]) is held back until the settlement is durable.
 *
 *   events of this turn   c->answer      leave together at its end; overlap: not before the hold
 *                                        is durable; of the last turn: with the end
 *   the end               c->held_back   until the settlement is durable
 */
#include "gateway/steps.h"

#define EVENT_BYTES_MAX (4u << 20)
#define QUEUE_HIGH (256u * 1024)
#define LAST_BYTES_MAX (256u * 1024)
/* One event of the largest size behind what is written at once. */
#define UNWRITTEN_BYTES_MAX (2 * EVENT_BYTES_MAX)
#define CHECKPOINT_US US_PER_S

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

static void write_out(struct call *c)
{
    begin(c);
    if (c->x != NULL && c->answer.n != 0)
        http_write(c->x, buf_str(&c->answer));
    buf_reset(&c->answer);
}

/* overlap: the hold has become durable while the upstream was paused. */
static void begin_durable(struct call *c)
{
    write_out(c);
}

void stream_head(struct call *c)
{
    sse_init(&c->sse, EVENT_BYTES_MAX);
    c->sse_ready = true;
    c->answer.max = UNWRITTEN_BYTES_MAX;
    call_keep_head(c, 200, "text/event-stream");
    c->checkpoint_us = c->head_us + CHECKPOINT_US;
    if (c->gl->g->o.durability != GATEWAY_OVERLAP || c->x == NULL ||
        ledger_lane_durable(c->gl->lane) >= c->ticket) {
        call_at_turn_end(c);
        return;
    }
    upstream_pause(c->up);
    call_wait_durable(c, true, begin_durable);
}

/* What came in this turn, or the head alone. */
void stream_turn_end(struct call *c)
{
    if (c->settled || c->durable != NULL)
        return;
    write_out(c);
    if (c->x != NULL && c->up != NULL && http_queued(c->x) > QUEUE_HIGH)
        upstream_pause(c->up);
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
    buf_add(&c->answer, buf_str(&b));
    buf_fini(&b);
}

/* ---- the end ---- */

/* The usage waits for the settlement, but says what was charged before anybody knew that the wallet
 * cannot pay it all. */
static void say_paid(struct call *c)
{
    static const struct str data = {"data: ", 6};
    size_t before = c->held_back.n;
    if (c->written_off.v == 0 || !str_starts(buf_str(&c->held_back), data))
        return;
    usage_say_paid(c, &c->held_back, data.n, STR(""));
    call_keep_instead(c, before, buf_str(&c->held_back));
}

static void stream_settled(struct call *c)
{
    say_paid(c);
    if (c->x != NULL) {
        const struct gateway *g = c->gl->g;
        struct http_exchange *x = c->x;
        char text[UNITS_TEXT_MAX];
        buf_add(&c->answer, buf_str(&c->held_back));
        write_out(c);
        http_exchange_set(x, NULL, NULL);
        c->x = NULL;
        if (http_request_of(x)->head->te_trailers) {
            http_trailer(x, str_c(g->header_cost), nano_format(call_paid(c), text));
            http_trailer(x, str_c(g->header_credits),
                         nano_format(ledger_balance(c->hold.wallet), text));
        }
        http_end(x);
    }
    call_done(c);
}

/* [DONE], or an end without it after the usage: nothing more is wanted of the upstream. What came
 * in the same turn leaves with the end, in one piece. */
static void stream_finished(struct call *c)
{
    if (c->answer.n > LAST_BYTES_MAX && c->durable == NULL)
        write_out(c);
    call_wait_cancel(c);
    if (c->up != NULL) {
        upstream_let_go(c->up);
        c->up = NULL;
        c->ended_us = loop_now_us(c->gl->loop);
        observe_time(METRIC_TIME_STEP_RELAY, c->ended_us - c->head_us);
    }
    buf_add(&c->held_back, STR("data: [DONE]\n\n"));
    call_keep(c, STR("data: [DONE]\n\n"));
    if (!c->ans.has_usage)
        usage_charge(c);
    call_settle(c, stream_settled);
}

static void broken_told(struct call *c)
{
    if (c->x != NULL) {
        struct http_exchange *x = c->x;
        write_out(c);
        http_exchange_set(x, NULL, NULL);
        c->x = NULL;
        http_end(x);
    }
    buf_reset(&c->answer); /* the receipt may be read into it */
    if (c->ans.has_usage)
        call_settle(c, stream_settled);
    else
        call_resolve(c);
}

/* The stream broke: the client hears of it now (overlap: when the hold is durable), the charge is
 * found out behind his back. */
static void stream_broken(struct call *c, enum err e)
{
    bool waits = c->durable != NULL;
    c->ans.failed = true;
    c->err = e;
    call_wait_cancel(c);
    if (c->up != NULL) {
        upstream_cancel(c->up);
        c->up = NULL;
    }
    if (c->x != NULL) {
        buf_add(&c->answer, buf_str(&c->held_back));
        buf_reset(&c->held_back);
        error_event(c, e);
    }
    if (waits)
        call_wait_durable(c, true, broken_told);
    else
        broken_told(c);
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

void stream_body(struct call *c, struct str bytes)
{
    struct sse_event e;
    enum err r;
    while ((r = sse_next(&c->sse, &bytes, &e)) == OK) {
        if (event_relay(c, &e))
            continue;
        if (c->ans.failed)
            stream_broken(c, ERR_UPSTREAM_ERROR);
        else
            stream_finished(c);
        return;
    }
    if (r == ERR_LIMIT || buf_check(&c->answer) != OK) {
        stream_broken(c, ERR_UPSTREAM_ERROR);
        return;
    }
    if (c->answer.n > LAST_BYTES_MAX)
        stream_turn_end(c);
    else if (c->answer.n != 0)
        call_at_turn_end(c);
    if (loop_now_us(c->gl->loop) >= c->checkpoint_us && !c->ans.has_usage)
        checkpoint(c);
}

void stream_end(struct call *c)
{
    struct str rest = STR("\n\n");
    struct sse_event e;
    bool done = sse_rest(&c->sse).n != 0 && sse_next(&c->sse, &rest, &e) == OK &&
                !event_relay(c, &e);
    /* Neither text nor usage nor [DONE] is no answer, however well it was framed. */
    bool empty = !done && !c->ans.has_usage && c->ans.output_bytes == 0;
    if (c->ans.failed || empty)
        stream_broken(c, ERR_UPSTREAM_ERROR);
    else
        stream_finished(c);
}

void stream_cut(struct call *c, const struct upstream_failure *f)
{
    stream_broken(c, f->err);
}

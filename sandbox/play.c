/* One call being answered. */
#include "sandbox/play.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/answer.h"
#include "sandbox/text.h"

enum {
    BATCH_BYTES = 64 * 1024,
    TEXT_KEEP_BYTES = 64 * 1024,
    OUT_KEEP_BYTES = 1024 * 1024,
    BROKEN_PIECES = 3,
    WORDS_MORE = 8, /* what a broken stream would still have said */
    TOKENS_SAID_MAX = 1000,
    ANSWER_BYTES_MAX = 256 * 1024 * 1024
};
#define CUT_US (5 * US_PER_MS)
#define COMMENT_US (100 * US_PER_MS)

static void play_begin(struct sandbox_play *p);
static void stream_go(struct sandbox_play *p);

/* ---- life ---- */

static void play_ring(void *arg)
{
    struct sandbox_play *p = arg;
    p->then(p);
}

static struct sandbox_play *play_take(struct sandbox_lane *lane)
{
    struct sandbox_play *p = lane->plays_free;
    if (p == NULL) {
        p = mem_zalloc(sizeof(*p));
        p->lane = lane;
        buf_init(&p->text, SANDBOX_OUT_BYTES_MAX);
        loop_timer_init(&p->timer, lane->loop, play_ring, p);
        return p;
    }
    lane->plays_free = p->next;
    return p;
}

static void play_give(struct sandbox_play *p)
{
    loop_timer_stop(&p->timer);
    if (p->text.cap > TEXT_KEEP_BYTES)
        buf_fini(&p->text);
    if (p->lane->out.cap > OUT_KEEP_BYTES)
        buf_fini(&p->lane->out);
    p->next = p->lane->plays_free;
    p->lane->plays_free = p;
}

static void play_later(struct sandbox_play *p, int64_t in_us, void (*then)(struct sandbox_play *))
{
    p->then = then;
    loop_timer_start(&p->timer, in_us);
}

/* ---- the tally ---- */

static void usage_price(struct sandbox_usage *u, const struct sandbox_play *p, int64_t completion)
{
    const struct sandbox_model *m = p->ask.fault.model;
    u->completion = completion;
    u->prompt_pico = (u->prompt - u->cached) * m->in_pico + u->cached * m->cached_pico;
    u->completion_pico = completion * m->out_pico;
    u->upstream_pico = u->prompt_pico + u->completion_pico;
    u->cost_pico = p->ask.fault.kind == SANDBOX_BYOK ? u->upstream_pico / 20 : u->upstream_pico;
}

static struct str client_id(const struct http_exchange *x)
{
    static const struct str names[] = {STR("x-client-request-id"), STR("x-tollgate-request-id"),
                                       STR("x-request-id")};
    const struct http1_head *head = http_request_of(x)->head;
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < head->headers_n; i++)
            if (head->headers[i].name.n == names[k].n &&
                str_eq_nocase(head->headers[i].name, names[k]))
                return head->headers[i].value;
    return STR("");
}

static void tally_add(struct sandbox_play *p, int status, uint8_t flags,
                      const struct sandbox_usage *u)
{
    struct sandbox_entry e = {.status = (uint16_t)status, .created_us = p->created_us};
    struct str id = str_upto(client_id(p->x), SANDBOX_CLIENT_ID_MAX);
    e.client_id_n = (uint8_t)id.n;
    memcpy(e.client_id, id.p, id.n);
    e.cost_pico = u->cost_pico;
    e.prompt = (uint32_t)u->prompt;
    e.completion = (uint32_t)u->completion;
    e.cached = (uint32_t)u->cached;
    e.took_us = (uint32_t)(loop_now_us(p->lane->loop) - p->began_us);
    if (p->dialect == SANDBOX_OPENAI)
        flags |= p->ask.kind == SANDBOX_CHAT ? SANDBOX_AS_CHATCMPL : SANDBOX_AS_CMPL;
    e.flags = (uint8_t)(flags | (p->ask.stream ? SANDBOX_STREAMED : 0) |
                        (p->by_length ? SANDBOX_BY_LENGTH : 0) |
                        (p->calls_tool ? SANDBOX_BY_TOOL : 0) |
                        (p->ask.fault.kind == SANDBOX_BYOK ? SANDBOX_IS_BYOK : 0));
    p->number = sandbox_tally_add(p->lane, &e, p->ask.model, p->key);
    p->begun = true;
    p->id_text = sandbox_id_text(&e, p->lane->index, p->number, p->id);
}

/* What a stream has come to so far, or in the end. */
static void tally_mend(struct sandbox_play *p, uint8_t flags)
{
    struct sandbox_usage u = p->usage;
    int64_t said = sandbox_tokens(p->at) * p->ask.choices * p->ask.inputs;
    if (p->at == p->text.n || said > u.completion)
        said = u.completion;
    usage_price(&u, p, said);
    sandbox_tally_mend(p->lane, p->number, (uint32_t)said, u.cost_pico, flags,
                       (uint32_t)(loop_now_us(p->lane->loop) - p->began_us));
}

static void play_gone(void *arg)
{
    struct sandbox_play *p = arg;
    if (p->begun)
        tally_mend(p, SANDBOX_CANCELLED);
    else
        sandbox_tally_abandoned(p->lane);
    play_give(p);
}

static void play_drained(void *arg)
{
    struct sandbox_play *p = arg;
    if (!p->waiting)
        return;
    p->waiting = false;
    stream_go(p);
}

static const struct http_events play_events = {play_drained, play_gone};

/* ---- what is said ---- */

static bool kind_is(const struct sandbox_play *p, enum sandbox_fault_kind kind)
{
    return p->ask.fault.kind == kind;
}

/* The bytes of text that the model's name asks for; SIZE_MAX: an echo. */
static size_t words_wanted(const struct sandbox_fault *f)
{
    size_t a = (size_t)f->a;
    if (f->kind == SANDBOX_STREAM)
        return a * SANDBOX_TOKEN_BYTES;
    if (f->kind == SANDBOX_CUT || f->kind == SANDBOX_STALL)
        return ((a < 100000 ? a : 100000) + WORDS_MORE) * SANDBOX_TOKEN_BYTES;
    if (f->kind == SANDBOX_MIDSTREAM_ERROR)
        return (BROKEN_PIECES + WORDS_MORE) * SANDBOX_TOKEN_BYTES;
    if (f->kind == SANDBOX_TOKENS)
        return (size_t)(f->b < TOKENS_SAID_MAX ? f->b : TOKENS_SAID_MAX) * SANDBOX_TOKEN_BYTES;
    if (f->kind == SANDBOX_REPLY || f->kind == SANDBOX_BIG_EVENT)
        return a;
    return SIZE_MAX;
}

static bool calls_tool(const struct sandbox_play *p)
{
    return p->ask.tool.n > 0 && !p->ask.answered_tool &&
           str_find(buf_str(&p->text), STR("tool")) != SIZE_MAX;
}

/* The echo becomes JSON: a tool's arguments, or what response_format wants. */
static void text_shape(struct sandbox_play *p, struct str schema)
{
    struct buf *quoted = &p->lane->out;
    buf_reset(quoted);
    buf_byte(quoted, '"');
    sandbox_string_put(quoted, buf_str(&p->text));
    buf_byte(quoted, '"');
    buf_reset(&p->text);
    if (!str_eq(schema, STR("{}"))) {
        sandbox_schema_fill(&p->text, schema, buf_str(quoted));
        return;
    }
    buf_add(&p->text, STR("{\"answer\":"));
    buf_add(&p->text, buf_str(quoted));
    buf_byte(&p->text, '}');
}

static void text_make(struct sandbox_play *p)
{
    const struct sandbox_ask *ask = &p->ask;
    size_t bytes = words_wanted(&ask->fault);
    buf_reset(&p->text);
    if (bytes != SIZE_MAX) {
        uint64_t seed = sandbox_mix(p->lane->sandbox->seed ^ str_hash(ask->model));
        sandbox_words(&p->text, seed, (bytes + SANDBOX_TOKEN_BYTES - 1) / SANDBOX_TOKEN_BYTES);
        p->text.n = bytes < p->text.n ? bytes : p->text.n;
    } else {
        sandbox_content_add(&p->text, ask->kind == SANDBOX_CHAT ? ask->last_user : ask->input);
        p->calls_tool = calls_tool(p);
        if (p->calls_tool)
            text_shape(p, json_get(ask->tool, STR("parameters")));
        else if (ask->schema.n > 0)
            text_shape(p, ask->schema);
    }
    if (p->calls_tool || ask->tokens_max < 0 || sandbox_tokens(p->text.n) <= ask->tokens_max)
        return;
    p->text.n = sandbox_cut(buf_str(&p->text), (size_t)ask->tokens_max * SANDBOX_TOKEN_BYTES);
    p->by_length = true;
}

/* About as much as the answer will take. */
static size_t answer_bytes(const struct sandbox_play *p)
{
    const struct sandbox_ask *ask = &p->ask;
    size_t per_byte = ask->logprobs ? 32 * (size_t)(1 + ask->top_logprobs) : 1;
    return p->text.n * (size_t)(ask->choices * ask->inputs) * per_byte;
}

static void usage_make(struct sandbox_play *p)
{
    struct sandbox_usage *u = &p->usage;
    const struct sandbox_ask *ask = &p->ask;
    int64_t completion = 0;
    *u = (struct sandbox_usage){.prompt = sandbox_ask_prompt_tokens(ask)};
    if (ask->kind != SANDBOX_EMBED)
        completion = sandbox_tokens(p->text.n) * ask->choices * ask->inputs;
    if (ask->fault.kind == SANDBOX_TOKENS) {
        u->prompt = ask->fault.a;
        completion = ask->kind == SANDBOX_EMBED ? 0 : ask->fault.b;
    }
    if (ask->fault.kind == SANDBOX_ZERO_USAGE || ask->fault.kind == SANDBOX_GARBAGE ||
        ask->fault.kind == SANDBOX_GARBAGE_JSON || ask->fault.kind == SANDBOX_GARBAGE_HTTP)
        u->prompt = completion = 0;
    if (ask->fault.kind == SANDBOX_REASONING)
        completion += u->reasoning = ask->fault.a;
    if (ask->fault.kind == SANDBOX_CACHED)
        u->cached = ask->fault.a < u->prompt ? ask->fault.a : u->prompt;
    usage_price(u, p, completion);
}

static void stream_plan(struct sandbox_play *p)
{
    const struct sandbox_fault *f = &p->ask.fault;
    p->piece = p->at = 0;
    p->pieces_max = SIZE_MAX;
    p->gap_us = 0;
    p->piece_bytes = p->text.n / SANDBOX_PIECES_MAX + 1;
    if (p->piece_bytes < SANDBOX_PIECE_BYTES)
        p->piece_bytes = SANDBOX_PIECE_BYTES;
    if (f->kind == SANDBOX_STREAM)
        p->gap_us = f->b * US_PER_MS;
    if (f->kind == SANDBOX_STREAM || f->kind == SANDBOX_CUT || f->kind == SANDBOX_STALL ||
        f->kind == SANDBOX_MIDSTREAM_ERROR)
        p->piece_bytes = SANDBOX_TOKEN_BYTES;
    if (f->kind == SANDBOX_BIG_EVENT)
        p->piece_bytes = p->text.n + 1;
    if (f->kind == SANDBOX_CUT || f->kind == SANDBOX_STALL)
        p->pieces_max = (size_t)f->a;
    if (f->kind == SANDBOX_MIDSTREAM_ERROR)
        p->pieces_max = BROKEN_PIECES;
}

/* ---- answers ---- */

static void head_start(struct sandbox_play *p)
{
    http_start(p->x, 200);
    if (p->dialect == SANDBOX_OPENROUTER)
        http_set(p->x, STR("X-Generation-Id"), p->id_text);
    else
        http_set_lines(p->x, STR("openai-version: 2020-10-01\r\nopenai-processing-ms: 1\r\n"));
}

static void refuse(struct sandbox_play *p, int status)
{
    struct sandbox_usage none = {0};
    struct buf *out = &p->lane->out;
    tally_add(p, status, 0, &none);
    buf_reset(out);
    sandbox_answer_error(out, p->dialect, status, sandbox_error_message(p->dialect, status), NULL,
                         NULL);
    http_start(p->x, status);
    if (status == 429 || status == 503)
        http_set_lines(p->x, STR("Retry-After: 1\r\n"));
    http_body(p->x, STR("application/json"), buf_str(out));
    play_give(p);
}

static void whole_build(struct sandbox_play *p)
{
    buf_reset(&p->lane->out);
    if (p->ask.kind == SANDBOX_EMBED)
        sandbox_answer_embeddings(&p->lane->out, p);
    else
        sandbox_answer_whole(&p->lane->out, p);
}

static void cut_tick(struct sandbox_play *p)
{
    if (http_queued(p->x) > 0) {
        play_later(p, CUT_US, cut_tick);
        return;
    }
    http_abort(p->x);
    play_give(p);
}

static void whole_cut(struct sandbox_play *p)
{
    struct str body = buf_str(&p->lane->out);
    head_start(p);
    http_set(p->x, STR("Content-Type"), STR("application/json"));
    http_stream(p->x, (int64_t)body.n);
    http_write(p->x, str_upto(body, (size_t)p->ask.fault.a));
    if ((size_t)p->ask.fault.a >= body.n) {
        http_end(p->x);
        play_give(p);
        return;
    }
    play_later(p, CUT_US, cut_tick);
}

static void slow_body_end(struct sandbox_play *p)
{
    whole_build(p);
    http_write(p->x, buf_str(&p->lane->out));
    tally_mend(p, SANDBOX_FINISHED);
    http_end(p->x);
    play_give(p);
}

static void garbage(struct sandbox_play *p)
{
    head_start(p);
    if (kind_is(p, SANDBOX_GARBAGE_HTTP)) {
        http_set_lines(p->x, STR("this line is no header\r\n\001\002: \r\n"));
        http_body(p->x, STR("application/json"), STR("{}"));
    } else if (p->ask.stream) {
        http_body(p->x, STR("text/event-stream"),
                  STR("data: {\"id\":\"gen-\n\ndata: <html>502 Bad Gateway</html>\n\n"));
    } else if (kind_is(p, SANDBOX_GARBAGE_JSON)) {
        http_body(p->x, STR("application/json"), STR("{\"id\":\"gen-1\",\"choices\":[{\"mess"));
    } else {
        http_body(p->x, STR("text/html"), STR("<html>502 Bad Gateway</html>"));
    }
    play_give(p);
}

static void whole(struct sandbox_play *p)
{
    bool partly = kind_is(p, SANDBOX_CUT) || kind_is(p, SANDBOX_STALL) ||
                  kind_is(p, SANDBOX_SLOW_BODY);
    p->at = p->text.n;
    tally_add(p, 200, partly ? 0 : SANDBOX_FINISHED, &p->usage);
    whole_build(p);
    if (kind_is(p, SANDBOX_CUT)) {
        whole_cut(p);
        return;
    }
    head_start(p);
    if (!partly) {
        http_body(p->x, STR("application/json"), buf_str(&p->lane->out));
        play_give(p);
        return;
    }
    http_set(p->x, STR("Content-Type"), STR("application/json"));
    http_stream(p->x, (int64_t)p->lane->out.n);
    if (kind_is(p, SANDBOX_SLOW_BODY))
        play_later(p, p->ask.fault.a * US_PER_MS, slow_body_end);
    else /* the rest never comes */
        http_write(p->x, str_upto(buf_str(&p->lane->out), (size_t)p->ask.fault.a));
}

/* ---- streams ---- */

static bool stream_is_said(const struct sandbox_play *p)
{
    return p->piece > 0 && p->at == p->text.n;
}

static void stream_event(struct sandbox_play *p, struct buf *out)
{
    size_t to = p->at;
    if (!p->calls_tool || p->piece > 0)
        to = sandbox_cut(buf_str(&p->text), p->at + p->piece_bytes);
    sandbox_answer_piece(out, p, p->at, to);
    p->at = to;
    p->piece++;
}

/* The stream breaks here, as was asked for. */
static void stream_break(struct sandbox_play *p, struct buf *out)
{
    if (kind_is(p, SANDBOX_MIDSTREAM_ERROR))
        sandbox_answer_broken(out, p);
    http_write(p->x, buf_str(out));
    tally_mend(p, 0);
    if (kind_is(p, SANDBOX_CUT)) {
        play_later(p, CUT_US, cut_tick);
    } else if (kind_is(p, SANDBOX_MIDSTREAM_ERROR)) {
        http_end(p->x);
        play_give(p);
    }
}

static void stream_go(struct sandbox_play *p)
{
    struct buf *out = &p->lane->out;
    buf_reset(out);
    if (p->piece == 0 && p->dialect == SANDBOX_OPENROUTER)
        buf_add(out, STR(": OPENROUTER PROCESSING\n\n"));
    for (;;) {
        while (!stream_is_said(p) && p->piece < p->pieces_max && out->n < BATCH_BYTES) {
            stream_event(p, out);
            if (p->gap_us > 0)
                break;
        }
        if (p->piece >= p->pieces_max) {
            stream_break(p, out);
            return;
        }
        if (stream_is_said(p)) {
            sandbox_answer_end(out, p);
            http_write(p->x, buf_str(out));
            tally_mend(p, SANDBOX_FINISHED);
            http_end(p->x);
            play_give(p);
            return;
        }
        http_write(p->x, buf_str(out));
        buf_reset(out);
        if (http_queued(p->x) > SANDBOX_AHEAD_BYTES) {
            p->waiting = true;
            tally_mend(p, 0);
            return;
        }
        if (p->gap_us > 0) {
            tally_mend(p, 0);
            play_later(p, p->gap_us, stream_go);
            return;
        }
    }
}

static void processing_tick(struct sandbox_play *p)
{
    int64_t left = p->until_us - loop_now_us(p->lane->loop);
    if (left <= 0) {
        stream_go(p);
        return;
    }
    http_write(p->x, STR(": OPENROUTER PROCESSING\n\n"));
    play_later(p, left < COMMENT_US ? left : COMMENT_US, processing_tick);
}

static void stream(struct sandbox_play *p)
{
    struct sandbox_usage u = p->usage;
    usage_price(&u, p, 0);
    tally_add(p, 200, 0, &u);
    sandbox_answer_heading(p);
    stream_plan(p);
    head_start(p);
    http_set_lines(p->x, STR("Content-Type: text/event-stream\r\nCache-Control: no-cache\r\n"));
    http_stream(p->x, -1);
    if (kind_is(p, SANDBOX_PROCESSING)) {
        p->until_us = loop_now_us(p->lane->loop) + p->ask.fault.a * US_PER_MS;
        processing_tick(p);
    } else if (kind_is(p, SANDBOX_SLOW_BODY)) {
        play_later(p, p->ask.fault.a * US_PER_MS, stream_go);
    } else {
        stream_go(p);
    }
}

/* ---- the call ---- */

static void play_begin(struct sandbox_play *p)
{
    p->created_us = loop_wall_us(p->lane->loop);
    if (kind_is(p, SANDBOX_GARBAGE) || kind_is(p, SANDBOX_GARBAGE_JSON) ||
        kind_is(p, SANDBOX_GARBAGE_HTTP)) {
        tally_add(p, 200, 0, &p->usage);
        garbage(p);
    } else if (p->ask.stream && p->ask.kind != SANDBOX_EMBED) {
        stream(p);
    } else if (kind_is(p, SANDBOX_MIDSTREAM_ERROR)) {
        refuse(p, 502);
    } else {
        whole(p);
    }
}

/* Out of 100 calls that ask for it, about P are unlucky: by the seed and a counter. */
static bool is_unlucky(struct sandbox_play *p)
{
    struct sandbox *s = p->lane->sandbox;
    uint64_t turn = atomic_fetch_add(&s->flaky, 1);
    return (int64_t)(sandbox_mix(sandbox_mix(s->seed) + turn) % 100) < p->ask.fault.a;
}

void sandbox_play_start(struct sandbox_lane *lane, struct http_exchange *x,
                        enum sandbox_dialect dialect, const struct sandbox_ask *ask, struct str key)
{
    struct sandbox_play *p = play_take(lane);
    p->x = x;
    p->dialect = dialect;
    p->ask = *ask;
    p->key = key;
    p->began_us = loop_now_us(lane->loop);
    p->created_us = loop_wall_us(lane->loop);
    p->calls_tool = p->by_length = p->begun = p->waiting = false;
    http_exchange_set(x, &play_events, p);
    if (kind_is(p, SANDBOX_ERROR)) {
        refuse(p, (int)ask->fault.a);
        return;
    }
    if (kind_is(p, SANDBOX_FLAKY) && is_unlucky(p)) {
        refuse(p, 503);
        return;
    }
    if (kind_is(p, SANDBOX_DROP) && is_unlucky(p)) {
        http_abort(x);
        sandbox_tally_abandoned(lane);
        play_give(p);
        return;
    }
    text_make(p);
    if (answer_bytes(p) > ANSWER_BYTES_MAX) {
        refuse(p, 413);
        return;
    }
    usage_make(p);
    bool late = kind_is(p, SANDBOX_DELAY) || kind_is(p, SANDBOX_SLOW_HEAD) ||
                (kind_is(p, SANDBOX_PROCESSING) && !ask->stream);
    if (late)
        play_later(p, ask->fault.a * US_PER_MS, play_begin);
    else
        play_begin(p);
}

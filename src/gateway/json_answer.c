/* An answer that is one JSON text: buffered so that its head can carry the cost; a larger one
 * passes through, its end held back until the usage in it is read. */
#include "gateway/steps.h"

#include <stdatomic.h>

#define TAIL_BYTES (64u * 1024)
#define QUEUE_HIGH (512u * 1024)

/* A JSON object, and all of it. */
static bool is_whole_object(struct str value)
{
    size_t offset;
    return json_type_of(value) == JSON_OBJECT && json_check(value, &offset) == OK;
}

static void count_buffered(struct call *c)
{
    size_t now = c->answer.cap;
    if (now > c->counted) {
        atomic_fetch_add_explicit(c->gl->g->o.buffered, now - c->counted, memory_order_relaxed);
        c->counted = now;
    }
}

/* The head of a large answer goes out before its cost is known, unless the usage stands in it. */
static void large_begin(struct call *c)
{
    struct arena *texts = &c->gl->texts;
    struct answer_view v;
    struct str pieces[2 * EDITS_MAX + 1];
    struct buf usage;
    /* Members behind the point that has arrived stay as they are; walks end early there. */
    struct str seen = str_upto(buf_str(&c->answer), TAIL_BYTES);
    c->large = true;
    call_keep_nothing(c);
    buf_init(&usage, TAIL_BYTES + 4096);
    arena_reset(texts);
    answer_look(c, seen, NULL, false, texts, &v);
    const struct edit *last = v.edits.n != 0 ? &v.edits.e[v.edits.n - 1] : NULL;
    if (last != NULL && last->at + last->n >= seen.n)
        v.edits.n--; /* its value may go on behind what has arrived */
    if (is_whole_object(v.usage)) {
        usage_read(&c->ans, v.usage);
        usage_charge(c);
        usage_rewrite(v.usage, c->charge, &usage);
        edits_add(&v.edits, (size_t)(v.usage.p - seen.p), v.usage.n, buf_str(&usage));
    }
    if (c->x != NULL) {
        c->started = true;
        http_start(c->x, 200);
        http_set(c->x, STR("Content-Type"), STR("application/json"));
        http_set(c->x, str_c(c->gl->g->header_tag), c->plan.candidates[c->candidate].provider->tag);
        http_stream(c->x, -1);
        size_t n = edits_pieces(&v.edits, seen, pieces);
        for (size_t i = 0; i < n; i++)
            http_write(c->x, pieces[i]);
    }
    buf_consume(&c->answer, seen.n);
    buf_fini(&usage);
}

static void large_flush(struct call *c)
{
    if (c->answer.n <= TAIL_BYTES)
        return;
    size_t n = c->answer.n - TAIL_BYTES;
    if (c->x != NULL)
        http_write(c->x, str_upto(buf_str(&c->answer), n));
    buf_consume(&c->answer, n);
    if (c->x != NULL && c->up != NULL && http_queued(c->x) > QUEUE_HIGH)
        upstream_pause(c->up);
}

void answer_body(struct call *c, struct str bytes)
{
    size_t max = c->gl->g->o.answer_bytes_max;
    while (bytes.n != 0) {
        struct str part = str_upto(bytes, max - c->answer.n);
        if (c->large && c->product->has_output)
            c->ans.output_bytes += (int64_t)part.n; /* for an own count, if nobody tells */
        buf_add(&c->answer, part);
        bytes = str_from(bytes, part.n);
        count_buffered(c);
        if (!c->large && c->answer.n == max)
            large_begin(c);
        if (c->large)
            large_flush(c);
    }
}

/* ---- the end ---- */

static void finish(struct call *c)
{
    c->x = NULL;
    call_done(c);
}

static struct http_exchange *take_exchange(struct call *c)
{
    struct http_exchange *x = c->x;
    http_exchange_set(x, NULL, NULL);
    return x;
}

/* The settlement is durable (or need not be). */
void answer_reply(struct call *c)
{
    if (c->x == NULL) {
        call_done(c);
        return;
    }
    struct http_exchange *x = take_exchange(c);
    struct str text = json_trim(buf_str(&c->answer)), pieces[2 * EDITS_MAX + 1];
    struct answer_view *v = &c->view_of_answer;
    struct buf *usage = &c->gl->scratch;
    if (json_type_of(v->usage) == JSON_OBJECT) {
        buf_reset(usage);
        usage_rewrite(v->usage, call_paid(c), usage);
        edits_add(&v->edits, (size_t)(v->usage.p - text.p), v->usage.n, buf_str(usage));
    }
    size_t n = edits_pieces(&v->edits, text, pieces), total = 0;
    for (size_t i = 0; i < n; i++)
        total += pieces[i].n;
    http_start(x, c->status);
    http_set(x, STR("Content-Type"), STR("application/json"));
    call_headers(c, true);
    http_stream(x, (int64_t)total);
    call_keep_head(c, c->status, "application/json");
    for (size_t i = 0; i < n; i++) {
        http_write(x, pieces[i]);
        call_keep(c, pieces[i]);
    }
    http_end(x);
    finish(c);
}

static void large_reply(struct call *c)
{
    if (c->x != NULL) {
        struct http_exchange *x = take_exchange(c);
        if (c->written_off.v != 0 && c->tail_at < c->answer.n)
            usage_say_paid(c, &c->answer, c->tail_at, STR("{\"\":0"));
        http_write(x, buf_str(&c->answer));
        if (c->ans.failed)
            http_abort(x);
        else
            http_end(x);
    }
    finish(c);
}

/* Where the tail's last members begin, at the comma before them: from there on it is members of the
 * answer's own object up to its end. SIZE_MAX: there is none that concerns us. */
static size_t tail_members(struct str tail, struct buf *object)
{
    static const struct str names[] = {
        {"\"usage\"", 7}, {"\"provider\"", 10}, {"\"model\"", 7}, {"\"id\"", 4}};
    for (size_t at = str_index(tail, ','); at != SIZE_MAX && at < tail.n;) {
        struct str rest = str_from(tail, at), key = json_trim(str_from(rest, 1));
        bool ours = false;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            ours |= str_starts(key, names[i]);
        size_t offset;
        if (ours) {
            buf_reset(object);
            buf_add(object, STR("{\"\":0"));
            buf_add(object, rest);
            if (json_check(buf_str(object), &offset) == OK)
                return at;
        }
        size_t more = str_index(str_from(rest, 1), ',');
        at = more == SIZE_MAX ? SIZE_MAX : at + 1 + more;
    }
    return SIZE_MAX;
}

/* The end of a large answer as the customer sees it. */
static void large_tail(struct call *c, struct str tail, size_t at, struct str object)
{
    struct arena *texts = &c->gl->texts;
    struct answer_view v;
    struct str pieces[2 * EDITS_MAX + 1];
    struct buf whole, usage;
    buf_init(&whole, 2 * TAIL_BYTES + 8192);
    buf_init(&usage, TAIL_BYTES + 4096);
    arena_reset(texts);
    answer_look(c, object, NULL, false, texts, &v);
    usage_read(&c->ans, v.usage);
    usage_charge(c);
    if (json_type_of(v.usage) == JSON_OBJECT) {
        usage_rewrite(v.usage, c->charge, &usage);
        edits_add(&v.edits, (size_t)(v.usage.p - object.p), v.usage.n, buf_str(&usage));
    }
    buf_add(&whole, str_upto(tail, at));
    c->tail_at = whole.n;
    size_t n = edits_pieces(&v.edits, object, pieces), opening = sizeof("{\"\":0") - 1;
    for (size_t i = 0; i < n; i++)
        buf_add(&whole, i == 0 ? str_from(pieces[0], opening) : pieces[i]);
    /* Into the same buffer: it stays with the call, and with its limit. */
    buf_reset(&c->answer);
    buf_add(&c->answer, buf_str(&whole));
    buf_fini(&whole);
    buf_fini(&usage);
}

static void large_end(struct call *c)
{
    struct str tail = json_trim(buf_str(&c->answer));
    struct buf object;
    buf_init(&object, 2 * TAIL_BYTES);
    size_t at = tail_members(tail, &object);
    c->tail_at = SIZE_MAX;
    if (at != SIZE_MAX)
        large_tail(c, tail, at, buf_str(&object));
    else
        usage_charge(c);
    buf_fini(&object);
    call_settle(c, large_reply);
}

static void not_an_answer(struct call *c, bool unknown)
{
    struct upstream_failure f = {.err = ERR_UPSTREAM_ERROR,
                                 .phase = UPSTREAM_BODY,
                                 .request_bytes = true,
                                 .response_bytes = true,
                                 .why = "the upstream's answer is no completion"};
    observe_say("warn", "upstream_failed", "%s: %s", c->id_text, f.why);
    buf_reset(&c->answer);
    c->ans.no_outcome = unknown;
    call_attempt_failed(c, &f, false);
}

void answer_end(struct call *c)
{
    struct answer_view *v = &c->view_of_answer;
    struct json_index index;
    size_t offset;
    if (c->large) {
        large_end(c);
        return;
    }
    struct str text = json_trim(buf_str(&c->answer));
    if (json_check_index(text, &index, &offset) != OK || json_type_of(text) != JSON_OBJECT) {
        not_an_answer(c, true);
        return;
    }
    arena_reset(&c->gl->texts);
    /* The new values wait for the settlement in the exchange's arena, if there is anybody to get
     * them. */
    answer_look(c, text, &index, false, c->x != NULL ? http_arena(c->x) : &c->gl->texts, v);
    if (v->broken) {
        not_an_answer(c, true);
        return;
    }
    if (json_type_of(v->error) == JSON_OBJECT && json_type_of(v->usage) != JSON_OBJECT) {
        not_an_answer(c, false);
        return;
    }
    usage_read(&c->ans, v->usage);
    if (!c->ans.has_usage)
        c->ans.output_bytes = answer_text_bytes(v->choices);
    usage_charge(c);
    call_settle(c, answer_reply);
}

static void cut_told(struct call *c)
{
    if (c->x != NULL && !c->large) {
        struct http_exchange *x = take_exchange(c);
        c->x = NULL;
        http_error(x, c->err, STR(""), STR(""), STR("x-should-retry: false\r\n"));
    } else if (c->x != NULL) {
        struct http_exchange *x = take_exchange(c);
        c->x = NULL;
        http_abort(x);
    }
    call_resolve(c);
}

/* The client hears of it now (overlap: when the hold is durable). */
void answer_cut(struct call *c, const struct upstream_failure *f)
{
    c->ans.failed = true;
    c->err = f->err;
    call_wait_durable(c, true, cut_told);
}

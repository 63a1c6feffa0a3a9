/* The events of a stream, one by one: what becomes of each.
 *
 * Most are copied without a look inside. Events of one stream begin alike up to their text and
 * end alike behind it, so what the first became is kept:
 *
 *   {"id":…,"model":…,"choices":[{"index":0,"delta":{"content":"  text  "},"finish_reason":…}]}
 *   |  prefix, rewritten once   |          same             | no quote |       suffix         |
 */
#include "gateway/steps.h"

static const struct str null_usage = {",\"usage\":null}", 14};

static void put(struct call *c, struct str s)
{
    if (c->x == NULL)
        return;
    call_keep(c, s);
    buf_add(&c->answer, s);
}

/* It was not the end after all. */
static void release_held_back(struct call *c)
{
    if (c->held_back.n == 0)
        return;
    if (c->x != NULL)
        buf_add(&c->answer, buf_str(&c->held_back));
    buf_reset(&c->held_back);
}

/* Where the text of an event begins and ends in its tail; false when no usual member has it. */
static bool find_text(struct str tail, size_t *ret_at, size_t *ret_end)
{
    static const struct str names[] = {
        {"\"content\":\"", 11}, {"\"arguments\":\"", 13}, {"\"text\":\"", 8}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t at = str_find(tail, names[i]);
        if (at == SIZE_MAX)
            continue;
        at += names[i].n;
        size_t end = at;
        while (end < tail.n && tail.p[end] != '"')
            end += tail.p[end] == '\\' ? 2 : 1;
        if (end >= tail.n)
            return false;
        *ret_at = at;
        *ret_end = end;
        return true;
    }
    return false;
}

/* The event behind its prefix; a `usage` of null goes when nobody asked for it. */
static void put_tail(struct call *c, struct str tail, bool strip)
{
    release_held_back(c);
    put(c, buf_str(&c->prefix_out));
    if (strip) {
        put(c, str_upto(tail, tail.n - null_usage.n));
        put(c, STR("}\n\n"));
    } else {
        put(c, tail);
        put(c, STR("\n\n"));
    }
}

/* Like the last one but for its text. */
static bool event_by_shape(struct call *c, struct str data)
{
    const struct event_shape *s = &c->shape;
    if (s->suffix_n == 0 || data.n < s->start_n + s->suffix_n ||
        memcmp(data.p, s->start, s->start_n) != 0 ||
        memcmp(data.p + data.n - s->suffix_n, s->suffix, s->suffix_n) != 0)
        return false;
    struct str text = str_of(data.p + s->start_n, data.n - s->start_n - s->suffix_n);
    if (str_index(text, '"') != SIZE_MAX)
        return false;
    c->ans.output_bytes += (int64_t)text.n;
    put_tail(c, str_from(data, s->prefix_n), s->strip);
    return true;
}

/* Keeps what this event has around its text. */
static void keep_shape(struct call *c, struct str data, size_t at, size_t end, bool strip)
{
    struct event_shape *s = &c->shape;
    s->suffix_n = 0;
    if (at > sizeof(s->start) || data.n - end > sizeof(s->suffix))
        return;
    memcpy(s->start, data.p, at);
    s->start_n = at;
    memcpy(s->suffix, data.p + end, data.n - end);
    s->suffix_n = data.n - end;
    s->strip = strip;
}

/* Begins like the first one, and has nothing else for us. */
static bool event_by_prefix(struct call *c, struct str data)
{
    const struct event_shape *s = &c->shape;
    size_t at, end;
    if (s->prefix_n == 0 || data.n < s->prefix_n || memcmp(data.p, s->start, s->prefix_n) != 0)
        return false;
    struct str tail = str_from(data, s->prefix_n);
    bool null_end = str_ends(tail, null_usage);
    struct str looked = null_end ? str_upto(tail, tail.n - null_usage.n) : tail;
    static const struct str ours[] = {
        {"\"usage\"", 7}, {"\"error\"", 7}, {"\"provider\"", 10}, {"\"model\"", 7}, {"\"id\"", 4}};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (str_find(looked, ours[i]) != SIZE_MAX)
            return false;
    bool strip = null_end && !c->rq.include_usage;
    if (find_text(looked, &at, &end)) {
        c->ans.output_bytes += (int64_t)(end - at);
        keep_shape(c, data, s->prefix_n + at, s->prefix_n + end, strip);
    }
    put_tail(c, tail, strip);
    return true;
}

/* Keeps the start of an event, if all that concerns us stands before its choices. */
static void keep_prefix(struct call *c, struct str data, const struct answer_view *v)
{
    struct str pieces[2 * EDITS_MAX + 1];
    if (v->choices_at == 0 || v->choices_at > sizeof(c->shape.start) ||
        v->last_edit_at > v->choices_at)
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
    memcpy(c->shape.start, data.p, v->choices_at);
    c->shape.prefix_n = c->shape.start_n = v->choices_at;
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
    struct json_index index;
    size_t offset;
    data = json_trim(data);
    if (json_check_index(data, &index, &offset) != OK || json_type_of(data) != JSON_OBJECT) {
        c->ans.failed = true;
        return false;
    }
    release_held_back(c);
    arena_reset(texts);
    answer_look(c, data, &index, !c->rq.include_usage, texts, &v);
    if (json_type_of(v.error) == JSON_OBJECT || v.broken) {
        c->ans.failed = true;
        return false;
    }
    c->ans.output_bytes += answer_text_bytes(v.choices);
    if (json_type_of(v.usage) == JSON_OBJECT) {
        usage_event(c, data, &v);
        return true;
    }
    write_event(c, data, &v.edits, false);
    if (c->shape.prefix_n == 0)
        keep_prefix(c, data, &v);
    return true;
}

/* Data that came in several lines leaves in one: JSON has line ends only between its tokens. */
static struct str in_one_line(struct call *c, struct str data)
{
    char *p = c->sse.joined.p;
    if (data.n != 0 && data.p == p)
        for (size_t i = 0; i < data.n; i++)
            if (p[i] == '\n')
                p[i] = ' ';
    return data;
}

/* A comment keeps connections alive; what it says is the upstream's own business. */
bool event_relay(struct call *c, const struct sse_event *e)
{
    if (e->kind == SSE_COMMENT) {
        put(c, STR(": processing\n\n"));
        return true;
    }
    if (str_starts(e->data, STR("[DONE]")))
        return false;
    struct str data = in_one_line(c, e->data);
    return event_by_shape(c, data) || event_by_prefix(c, data) || event_look(c, data);
}

/* Server-sent events. An event that lies whole in the input is given out of it; only one that is
 * cut by the end of the input is copied. */
#include "codec/sse.h"

enum {
    /* How much of the input is copied at a time while an event is completed: its rest is short. */
    STEP = 512,
    /* A buffer that one long event has blown up is given back. */
    KEEP_BYTES = 16 * 1024
};

/* Where in some bytes the search for the end of an event stands. */
struct search {
    size_t line, scanned;
};

void sse_init(struct sse *s, size_t event_bytes_max)
{
    *s = (struct sse){.event_bytes_max = event_bytes_max};
    buf_init(&s->held, event_bytes_max + STEP);
    buf_init(&s->joined, event_bytes_max + STEP);
}

static void empty(struct buf *b)
{
    if (b->cap > KEEP_BYTES)
        buf_fini(b);
    else
        buf_reset(b);
}

static void forget_held(struct sse *s)
{
    empty(&s->held);
    s->line = s->scanned = 0;
    s->consumed = false;
}

void sse_reset(struct sse *s)
{
    forget_held(s);
    empty(&s->joined);
    s->started = s->failed = false;
}

void sse_fini(struct sse *s)
{
    buf_fini(&s->held);
    buf_fini(&s->joined);
}

struct str sse_rest(const struct sse *s)
{
    return s->consumed ? str_of("", 0) : buf_str(&s->held);
}

/* ---- where an event ends ---- */

static size_t line_end(struct str in, size_t from)
{
    while (from < in.n && in.p[from] != '\n' && in.p[from] != '\r')
        from++;
    return from;
}

static bool is_behind_crlf(struct str in, size_t at)
{
    return at >= 2 && in.p[at - 1] == '\n' && in.p[at - 2] == '\r';
}

/* Length of the first event in the bytes, its blank line included; 0 when it is not all there. */
static size_t event_end(struct str in, struct search *s)
{
    for (;;) {
        size_t end = line_end(in, s->scanned);
        s->scanned = end;
        if (end == in.n)
            return 0;
        bool blank = end == s->line;
        size_t n = 1;
        if (in.p[end] == '\r' && (!blank || is_behind_crlf(in, end))) {
            if (end + 1 == in.n)
                return 0; /* CR, or half of CRLF: the next byte tells */
            n += in.p[end + 1] == '\n';
        }
        s->line = s->scanned = end + n;
        if (blank)
            return end + n;
    }
}

/* ---- what an event says ---- */

static struct str cut_line(struct str *raw)
{
    size_t end = line_end(*raw, 0);
    struct str line = str_upto(*raw, end);
    size_t n = end < raw->n && raw->p[end] == '\r' && end + 1 < raw->n && raw->p[end + 1] == '\n';
    *raw = str_from(*raw, end + 1 + n);
    return line;
}

static void add_data(struct sse *s, struct sse_event *e, struct str value)
{
    if (e->kind != SSE_EVENT) {
        e->kind = SSE_EVENT;
        e->data = value;
        return;
    }
    if (s->joined.n == 0 && e->data.n != 0)
        buf_add(&s->joined, e->data);
    buf_byte(&s->joined, '\n');
    buf_add(&s->joined, value);
    e->data = buf_str(&s->joined);
}

static void note_line(struct sse *s, struct sse_event *e, struct str line)
{
    struct str value = line;
    struct str name = str_cut(&value, ':');
    if (value.n != 0 && value.p[0] == ' ')
        value = str_from(value, 1);
    if (str_eq(name, STR("data")))
        add_data(s, e, value);
    else if (str_eq(name, STR("event")))
        e->name = value;
    else if (str_eq(name, STR("id")) && str_index(value, '\0') == SIZE_MAX)
        e->id = value;
}

static struct sse_event event_of(struct sse *s, struct str raw)
{
    struct sse_event e = {.kind = SSE_COMMENT, .name = STR(""), .data = STR(""), .id = STR("")};
    if (!s->started && str_starts(raw, STR("\xEF\xBB\xBF")))
        raw = str_from(raw, 3);
    s->started = true;
    e.raw = raw;
    buf_reset(&s->joined);
    while (raw.n != 0)
        note_line(s, &e, cut_line(&raw));
    return e;
}

/* ---- feeding ---- */

static enum err give(struct sse *s, struct str raw, struct sse_event *ret_event)
{
    if (raw.n > s->event_bytes_max) {
        s->failed = true;
        return ERR_LIMIT;
    }
    *ret_event = event_of(s, raw);
    return OK;
}

/* The event begins in `held`: the input is added to it piece by piece until it ends. */
static enum err complete(struct sse *s, struct str *in, struct sse_event *ret_event)
{
    while (in->n != 0) {
        struct str step = str_upto(*in, STEP);
        size_t before = s->held.n;
        buf_add(&s->held, step);
        struct search at = {s->line, s->scanned};
        size_t end = event_end(buf_str(&s->held), &at);
        s->line = at.line;
        s->scanned = at.scanned;
        if (end != 0) {
            /* A CR that waited for what follows it may turn out to have been the end. */
            must(end >= before);
            *in = str_from(*in, end - before);
            s->held.n = end;
            s->consumed = true;
            return give(s, buf_str(&s->held), ret_event);
        }
        *in = str_from(*in, step.n);
        if (s->held.n > s->event_bytes_max) {
            s->failed = true;
            return ERR_LIMIT;
        }
    }
    return ERR_END;
}

static enum err hold(struct sse *s, struct str *in, struct search at)
{
    if (in->n > s->event_bytes_max) {
        s->failed = true;
        return ERR_LIMIT;
    }
    buf_add(&s->held, *in);
    s->line = at.line;
    s->scanned = at.scanned;
    *in = str_from(*in, in->n);
    return ERR_END;
}

/* What nearly every event of the APIs is: one line of data and a blank line, both ended by LF.
 * Found by two searches instead of a look at every byte. */
static bool quick(struct sse *s, struct str *in, struct sse_event *ret_event)
{
    if (!str_starts(*in, STR("data: ")))
        return false;
    size_t end = str_index(*in, '\n');
    if (end == SIZE_MAX || end + 1 >= in->n || in->p[end + 1] != '\n' ||
        end + 2 > s->event_bytes_max)
        return false;
    struct str data = str_of(in->p + 6, end - 6);
    if (str_index(data, '\r') != SIZE_MAX)
        return false;
    *ret_event = (struct sse_event){.kind = SSE_EVENT,
                                    .raw = str_upto(*in, end + 2),
                                    .name = STR(""),
                                    .data = data,
                                    .id = STR("")};
    s->started = true;
    *in = str_from(*in, end + 2);
    return true;
}

enum err sse_next(struct sse *s, struct str *in, struct sse_event *ret_event)
{
    if (s->failed)
        return ERR_LIMIT;
    if (s->consumed)
        forget_held(s);
    if (s->held.n != 0)
        return complete(s, in, ret_event);
    if (in->n == 0)
        return ERR_END;
    if (quick(s, in, ret_event))
        return OK;
    struct search at = {0};
    size_t end = event_end(*in, &at);
    if (end == 0)
        return hold(s, in, at);
    struct str raw = str_upto(*in, end);
    *in = str_from(*in, end);
    return give(s, raw, ret_event);
}

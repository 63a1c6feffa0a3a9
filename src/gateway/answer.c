/* What an answer shows of the upstream, and what the customer sees instead. */
#include "gateway/steps.h"

/* id, model, provider, usage once each, and usage's new value, leave room for so many more. */
#define REPEATED_MAX (EDITS_MAX - 5)

/* Removal of members with the right commas: before the first member that stays, up to that one;
 * after it, from the end of the value before. */
struct cutter {
    struct edits *edits;
    size_t lead, prev_end;
    bool kept;
};

static void cut_member(struct cutter *k, size_t at, size_t end)
{
    if (k->kept)
        edits_add(k->edits, k->prev_end, end - k->prev_end, STR(""));
    else if (k->lead == SIZE_MAX)
        k->lead = at;
    k->prev_end = end;
}

static void keep_member(struct cutter *k, size_t at, size_t end)
{
    if (!k->kept && k->lead != SIZE_MAX)
        edits_add(k->edits, k->lead, at - k->lead, STR(""));
    k->kept = true;
    k->prev_end = end;
}

static struct str in_quotes(struct arena *out, struct str s)
{
    const struct str parts[] = {STR("\""), s, STR("\"")};
    return arena_join(out, parts, 3);
}

static struct str quoted(struct arena *out, struct str s)
{
    if (json_is_plain(s))
        return in_quotes(out, s);
    struct buf b;
    buf_init(&b, 8 * MODEL_BYTES_MAX + 16);
    buf_json_str(&b, s);
    struct str r = arena_dup(out, buf_str(&b));
    buf_fini(&b);
    return r;
}

enum answer_member { A_ID, A_MODEL, A_PROVIDER, A_USAGE, A_ERROR, A_CHOICES, A_OTHER };

static enum answer_member member_of(const struct json_walk *w)
{
    static const struct str name[] = {{"id", 2},    {"model", 5}, {"provider", 8},
                                      {"usage", 5}, {"error", 5}, {"choices", 7}};
    for (int i = 0; i < A_OTHER; i++)
        if (json_is(w, name[i]))
            return (enum answer_member)i;
    return A_OTHER;
}

static void note_id(struct call *c, struct str value)
{
    if (json_type_of(value) == JSON_STRING && value.n > 2)
        call_note_upstream_id(c, str_of(value.p + 1, value.n - 2));
}

void answer_look(struct call *c, struct str object, const struct json_index *index, bool drop_usage,
                 struct arena *out, struct answer_view *v)
{
    *v = (struct answer_view){.last_edit_at = 0};
    struct cutter cut = {.edits = &v->edits, .lead = SIZE_MAX};
    unsigned seen = 0, repeated = 0;
    struct json_walk w = json_walk_indexed(object, index);
    while (json_next(&w)) {
        size_t value_at = (size_t)(w.value.p - object.p), end = value_at + w.value.n;
        enum answer_member m = member_of(&w);
        bool twice = m != A_OTHER && (seen & 1u << m) != 0; /* a repeated member goes */
        seen |= 1u << m;
        if (twice && ++repeated > REPEATED_MAX) {
            v->broken = true;
            break;
        }
        if (m == A_PROVIDER || (m == A_USAGE && drop_usage) || twice)
            cut_member(&cut, w.at, end);
        else
            keep_member(&cut, w.at, end);
        if (twice)
            continue;
        if (m != A_OTHER && m != A_CHOICES && m != A_ERROR)
            v->last_edit_at = w.at;
        if (m == A_MODEL)
            edits_add(&v->edits, value_at, w.value.n, quoted(out, c->rq.model));
        else if (m == A_ID) {
            note_id(c, w.value);
            edits_add(&v->edits, value_at, w.value.n, in_quotes(out, str_c(c->id_text)));
        } else if (m == A_USAGE)
            v->usage = w.value;
        else if (m == A_ERROR)
            v->error = w.value;
        else if (m == A_CHOICES) {
            v->choices = w.value;
            v->choices_at = value_at;
        }
    }
    if (!cut.kept && cut.lead != SIZE_MAX) /* nothing else was in it */
        edits_add(&v->edits, cut.lead, cut.prev_end - cut.lead, STR(""));
}

static int64_t text_of(struct str message)
{
    int64_t n = 0;
    struct json_walk w = json_walk_of(message);
    while (json_next(&w)) {
        bool text = json_is(&w, STR("content")) || json_is(&w, STR("reasoning")) ||
                    json_is(&w, STR("refusal")) || json_is(&w, STR("tool_calls"));
        if (text && w.value.n > 2 && json_type_of(w.value) != JSON_NULL)
            n += (int64_t)w.value.n - 2;
    }
    return n;
}

int64_t answer_text_bytes(struct str choices)
{
    int64_t n = 0;
    struct json_walk w = json_walk_of(choices);
    while (json_next(&w)) {
        struct json_walk m = json_walk_of(w.value);
        while (m.object && json_next(&m)) {
            if (json_is(&m, STR("message")) || json_is(&m, STR("delta")))
                n += text_of(m.value);
            else if (json_is(&m, STR("text")) && m.value.n > 2)
                n += (int64_t)m.value.n - 2;
        }
    }
    return n;
}

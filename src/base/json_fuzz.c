/* json_check against a second reading of RFC 8259 (recursive descent, straight from the grammar),
 * and the walk over whatever comes. */
#include "base/json.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct oracle {
    const uint8_t *p, *end;
    int depth;
};

static bool value(struct oracle *o);

static void blanks(struct oracle *o)
{
    while (o->p < o->end && (*o->p == ' ' || *o->p == '\t' || *o->p == '\n' || *o->p == '\r'))
        o->p++;
}

static bool literal(struct oracle *o, const char *word)
{
    for (; *word != '\0'; word++)
        if (o->p == o->end || *o->p++ != (uint8_t)*word)
            return false;
    return true;
}

static bool digits(struct oracle *o)
{
    const uint8_t *from = o->p;
    while (o->p < o->end && *o->p >= '0' && *o->p <= '9')
        o->p++;
    return o->p > from;
}

static bool number(struct oracle *o)
{
    if (o->p < o->end && *o->p == '-')
        o->p++;
    if (o->p < o->end && *o->p == '0')
        o->p++;
    else if (!digits(o))
        return false;
    if (o->p < o->end && *o->p == '.') {
        o->p++;
        if (!digits(o))
            return false;
    }
    if (o->p < o->end && (*o->p | 32) == 'e') {
        o->p++;
        if (o->p < o->end && (*o->p == '+' || *o->p == '-'))
            o->p++;
        return digits(o);
    }
    return true;
}

/* One code point by RFC 3629, decoded and judged by its value. */
static bool code_point(struct oracle *o)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t c = *o->p++;
    int n = c < 0x80 ? 1 : c >= 0xF8 ? 0 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 0;
    if (n == 0)
        return false;
    uint32_t v = n == 1 ? c : c & (0xFFu >> (n + 1));
    for (int i = 1; i < n; i++) {
        if (o->p == o->end || (*o->p & 0xC0) != 0x80)
            return false;
        v = v << 6 | (*o->p++ & 0x3F);
    }
    return v >= least[n] && v <= 0x10FFFF && !(v >= 0xD800 && v < 0xE000);
}

static bool hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

static bool string(struct oracle *o)
{
    o->p++;
    while (o->p < o->end && *o->p != '"') {
        if (*o->p < 0x20)
            return false;
        if (*o->p != '\\') {
            if (!code_point(o))
                return false;
            continue;
        }
        if (++o->p == o->end)
            return false;
        uint8_t c = *o->p++;
        if (c == 'u') {
            for (int i = 0; i < 4; i++)
                if (o->p == o->end || !hex(*o->p++))
                    return false;
        } else if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL) {
            return false;
        }
    }
    return o->p < o->end && *o->p++ == '"';
}

static bool container(struct oracle *o, bool object)
{
    uint8_t close = object ? '}' : ']';
    if (o->depth++ == JSON_DEPTH_MAX)
        return false;
    o->p++;
    blanks(o);
    if (o->p < o->end && *o->p == close) {
        o->p++;
        o->depth--;
        return true;
    }
    for (;;) {
        if (object) {
            if (o->p == o->end || *o->p != '"' || !string(o))
                return false;
            blanks(o);
            if (o->p == o->end || *o->p++ != ':')
                return false;
            blanks(o);
        }
        if (!value(o))
            return false;
        blanks(o);
        if (o->p == o->end)
            return false;
        uint8_t c = *o->p++;
        if (c == close) {
            o->depth--;
            return true;
        }
        if (c != ',')
            return false;
        blanks(o);
    }
}

static bool value(struct oracle *o)
{
    if (o->p == o->end)
        return false;
    switch (*o->p) {
    case '{': return container(o, true);
    case '[': return container(o, false);
    case '"': return string(o);
    case 't': return literal(o, "true");
    case 'f': return literal(o, "false");
    case 'n': return literal(o, "null");
    default: return number(o);
    }
}

static bool oracle_accepts(const uint8_t *data, size_t size)
{
    struct oracle o = {data, data + size, 0};
    blanks(&o);
    if (!value(&o))
        return false;
    blanks(&o);
    return o.p == o.end;
}

/* Every slice lies within the text; on checked text every value is a value again. */
static size_t walk(struct str text, bool checked, struct arena *a, int depth)
{
    struct json_walk w = json_walk_of(text);
    size_t n = 0;
    while (json_next(&w)) {
        n++;
        must(n <= text.n);
        must(w.value.p >= text.p && w.value.p + w.value.n <= text.p + text.n);
        must(!w.object || (w.key.p >= text.p && w.key.p + w.key.n <= text.p + text.n));
        size_t at = 0;
        must(!checked || json_check(w.value, &at) == OK);
        struct str s;
        enum err e = json_string(a, w.value, &s);
        must(!checked || e == ERR_LIMIT || (e == OK) == (json_type_of(w.value) == JSON_STRING));
        int64_t v;
        if (json_int(w.value, INT64_MIN, INT64_MAX, &v) == OK)
            must(json_type_of(w.value) == JSON_NUMBER);
        (void)json_key_is(w.key, STR("model"));
        if (depth < 3)
            (void)walk(w.value, checked, a, depth + 1);
    }
    must(!json_next(&w));
    return n;
}

/* A walk by the index says what a walk without it says. */
static void walk_twice(struct str object, const struct json_index *index)
{
    struct json_walk plain = json_walk_of(object), quick = json_walk_indexed(object, index);
    unsigned n = 0;
    while (json_next(&plain)) {
        must(json_next(&quick) && quick.at == plain.at && quick.escaped == plain.escaped);
        must(quick.key.p == plain.key.p && quick.key.n == plain.key.n);
        must(quick.value.p == plain.value.p && quick.value.n == plain.value.n);
        n++;
    }
    must(!json_next(&quick));
    must(index->n == (!plain.object ? 0 : n < JSON_INDEX_MAX ? n : JSON_INDEX_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of((const char *)data, size);
    size_t offset = SIZE_MAX;
    enum err e = json_check(text, &offset);
    bool want = oracle_accepts(data, size);
    must((e == OK) == want);
    must(e == OK ? offset == SIZE_MAX : e == ERR_INVALID_JSON && offset <= size);
    struct json_index index;
    size_t other = SIZE_MAX;
    must(json_check_index(text, &index, &other) == e && other == offset);
    if (e == OK)
        walk_twice(json_trim(text), &index);
    struct arena a;
    arena_init(&a, 1024, 1 << 20);
    while (size > 0 && (*data == ' ' || *data == '\n' || *data == '\t' || *data == '\r')) {
        data++;
        size--;
    }
    if (size > 0)
        (void)walk(str_of((const char *)data, size), e == OK, &a, 0);
    (void)json_get(text, STR("a"));
    arena_fini(&a);
    return 0;
}

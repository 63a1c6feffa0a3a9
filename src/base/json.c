/* The strict pass and the walk. */
#include "base/json.h"
#include "base/lanes.h"

/* Scanners take a pointer to their first byte and return one behind their last. */

static inline bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline const char *skip_space(const char *p, const char *end)
{
    /* Most text has none: one comparison says so. */
    while (p < end && UNLIKELY((unsigned char)*p <= ' ') && is_space(*p))
        p++;
    return p;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* ---- the strict pass ---- */

struct scan {
    const char *end;
    const char *bad; /* the offence; a scanner that found it returns NULL */
    const char *key_end;
    size_t escapes;
    /* Of the members of the outermost object, when somebody asks for them. */
    bool in_member;
    struct json_index *index;
    const char *base; /* where that object begins */
};

static const char *fail(struct scan *s, const char *at)
{
    s->bad = at < s->end ? at : s->end;
    return NULL;
}

static const char *scan_escape(struct scan *s, const char *p)
{
    s->escapes++;
    if (p + 1 >= s->end)
        return fail(s, s->end);
    if (p[1] == 'u') {
        for (const char *digit = p + 2; digit < p + 6; digit++)
            if (digit >= s->end || !is_hex(*digit))
                return fail(s, digit);
        return p + 6;
    }
    return memchr("\"\\/bfnrt", p[1], 8) != NULL ? p + 2 : fail(s, p + 1);
}

/* Where the first ill-formed sequence stands. */
static const char *bad_utf8(const char *p, const char *end)
{
    while (p < end) {
        size_t n = 1, most = (size_t)(end - p);
        while (n <= 4 && n <= most && !str_is_utf8(str_of(p, n)))
            n++;
        if (n > 4 || n > most)
            break;
        p += n;
    }
    return p;
}

static const char *scan_string(struct scan *s, const char *p)
{
    const char *start = ++p;
    bool high = false;
    while ((p = lanes_special(p, s->end)) < s->end) {
        unsigned char c = (unsigned char)*p;
        if (c == '"') {
            if (high && !str_is_utf8(str_of(start, (size_t)(p - start))))
                return fail(s, bad_utf8(start, p));
            return p + 1;
        }
        if (c < 0x20)
            return fail(s, p);
        if (c == '\\') {
            p = scan_escape(s, p);
            if (p == NULL)
                return NULL;
        }
        for (; p < s->end && (unsigned char)*p >= 0x80; p++)
            high = true;
    }
    return fail(s, s->end);
}

static const char *scan_digits(struct scan *s, const char *p)
{
    if (p >= s->end || !is_digit(*p))
        return fail(s, p);
    while (p < s->end && is_digit(*p))
        p++;
    return p;
}

static const char *scan_number(struct scan *s, const char *p)
{
    const char *end = s->end;
    if (*p == '-')
        p++;
    if (p < end && *p == '0')
        p++;
    else
        p = scan_digits(s, p);
    if (p != NULL && p < end && *p == '.')
        p = scan_digits(s, p + 1);
    if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        p = scan_digits(s, p);
    }
    return p;
}

static const char *scan_word(struct scan *s, const char *p, struct str word)
{
    for (size_t i = 0; i < word.n; i++)
        if (p + i >= s->end || p[i] != word.p[i])
            return fail(s, p + i);
    return p + word.n;
}

static const char *scan_scalar(struct scan *s, const char *p)
{
    switch (*p) {
    case '"': return scan_string(s, p);
    case 't': return scan_word(s, p, STR("true"));
    case 'f': return scan_word(s, p, STR("false"));
    case 'n': return scan_word(s, p, STR("null"));
    default: return *p == '-' || is_digit(*p) ? scan_number(s, p) : fail(s, p);
    }
}

/* A note of where the key and its value begin. */
static void member_begins(struct scan *s, const char *key, const char *value, bool escaped)
{
    struct json_index *index = s->index;
    if (index == NULL || index->n == JSON_INDEX_MAX)
        return;
    struct json_place *m = &index->member[index->n];
    m->at = (uint32_t)(key - s->base);
    m->key_n = (uint32_t)(s->key_end - key - 2);
    m->value_at = (uint32_t)(value - s->base);
    m->escaped = escaped;
    s->in_member = true;
}

static void member_ends(struct scan *s, const char *p)
{
    struct json_place *m = &s->index->member[s->index->n++];
    m->value_n = (uint32_t)(p - s->base) - m->value_at;
    s->in_member = false;
}

/* `"key" :` and the blanks behind it. */
static const char *scan_key(struct scan *s, const char *key, int depth)
{
    size_t escapes = s->escapes;
    if (key >= s->end || *key != '"')
        return fail(s, key);
    const char *p = scan_string(s, key);
    if (p == NULL)
        return NULL;
    s->key_end = p;
    p = skip_space(p, s->end);
    if (p >= s->end || *p != ':')
        return fail(s, p);
    p = skip_space(p + 1, s->end);
    if (depth == 1)
        member_begins(s, key, p, s->escapes != escapes);
    return p;
}

/* Behind a value: closes what ends, and stands at the next value, or with depth 0 behind the last.
 */
static const char *scan_after(struct scan *s, const char *p, const char *stack, int *depth)
{
    for (;;) {
        if (*depth == 1 && s->in_member)
            member_ends(s, p);
        p = skip_space(p, s->end);
        if (*depth == 0)
            return p;
        char open = stack[*depth - 1];
        if (p >= s->end)
            return fail(s, p);
        if (*p == (open == '{' ? '}' : ']')) {
            (*depth)--;
            p++;
            continue;
        }
        if (*p != ',')
            return fail(s, p);
        p = skip_space(p + 1, s->end);
        return open == '{' ? scan_key(s, p, *depth) : p;
    }
}

/* Behind the value at p and the blanks after it; NULL: s->bad. */
static const char *scan_value(struct scan *s, const char *p)
{
    char stack[JSON_DEPTH_MAX];
    int depth = 0;
    do {
        if (p >= s->end)
            return fail(s, p);
        char c = *p;
        if (c == '{' || c == '[') {
            if (depth == JSON_DEPTH_MAX)
                return fail(s, p);
            stack[depth++] = c;
            p = skip_space(p + 1, s->end);
            if (p >= s->end || *p != (c == '{' ? '}' : ']')) {
                p = c == '{' ? scan_key(s, p, depth) : p;
                continue;
            }
            depth--;
            p++;
        } else {
            p = scan_scalar(s, p);
        }
        if (p != NULL)
            p = scan_after(s, p, stack, &depth);
    } while (p != NULL && depth != 0);
    return p;
}

enum err json_check_index(struct str text, struct json_index *index, size_t *ret_offset)
{
    const char *start = text.n != 0 ? text.p : "", *end = start + text.n;
    struct scan s = {.end = end, .index = text.n <= UINT32_MAX ? index : NULL};
    if (index != NULL)
        index->n = 0;
    s.base = skip_space(start, end);
    const char *p = scan_value(&s, s.base);
    if (p == end)
        return OK;
    *ret_offset = (size_t)((p != NULL ? p : s.bad) - start);
    return ERR_INVALID_JSON;
}

enum err json_check(struct str text, size_t *ret_offset)
{
    return json_check_index(text, NULL, ret_offset);
}

/* ---- values ---- */

struct str json_trim(struct str text)
{
    while (text.n != 0 && is_space(text.p[0]))
        text = str_from(text, 1);
    while (text.n != 0 && is_space(text.p[text.n - 1]))
        text.n--;
    return text;
}

enum json_type json_type_of(struct str v)
{
    if (v.n == 0)
        return JSON_NONE;
    switch (v.p[0]) {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 't': return JSON_TRUE;
    case 'f': return JSON_FALSE;
    case 'n': return JSON_NULL;
    default: return JSON_NUMBER;
    }
}

const char *json_type_name(enum json_type t)
{
    static const char *const name[JSON_TYPE__COUNT] = {
        "missing", "null", "false", "true", "a number", "a string", "an array", "an object"};
    return name[t];
}

/* ---- the walk: of text that was checked; of other text it only never reads past the end ---- */

/* Behind the string that starts at p. */
static inline const char *pass_string(const char *p, const char *end, bool *escaped)
{
    for (p = lanes_quote(p + 1, end); p < end; p = lanes_quote(p + 2, end)) {
        if (*p == '"')
            return p + 1;
        *escaped = true;
        if (end - p < 2)
            break;
    }
    return end;
}

/* What a byte is outside of strings. */
enum { OTHER, QUOTE, OPENS, CLOSES, PARTS };
static const uint8_t kind[256] = {
    ['"'] = QUOTE, ['{'] = OPENS, ['['] = OPENS,  ['}'] = CLOSES, [']'] = CLOSES,
    [','] = PARTS, [' '] = PARTS, ['\n'] = PARTS, ['\t'] = PARTS, ['\r'] = PARTS,
};

static const char *pass_container(const char *p, const char *end)
{
    size_t depth = 0;
    bool escaped;
    while (p < end) {
        switch (kind[(unsigned char)*p]) {
        case QUOTE: p = pass_string(p, end, &escaped); break;
        case OPENS:
            depth++;
            p++;
            break;
        case CLOSES:
            p++;
            if (--depth == 0)
                return p;
            break;
        default: p++;
        }
    }
    return end;
}

static inline const char *pass_value(const char *p, const char *end)
{
    bool escaped;
    uint8_t k = p < end ? kind[(unsigned char)*p] : PARTS;
    if (k == QUOTE)
        return pass_string(p, end, &escaped);
    if (k == OPENS)
        return pass_container(p, end);
    while (p < end && (k = kind[(unsigned char)*p]) != PARTS && k != CLOSES)
        p++;
    return p;
}

struct json_walk json_walk_of(struct str container)
{
    enum json_type t = json_type_of(container);
    struct json_walk w = {.text = container, .object = t == JSON_OBJECT};
    w.i = t == JSON_OBJECT || t == JSON_ARRAY ? 1 : container.n;
    return w;
}

struct json_walk json_walk_indexed(struct str object, const struct json_index *index)
{
    struct json_walk w = json_walk_of(object);
    w.index = index;
    return w;
}

static void take_place(struct json_walk *w, const struct json_place *m)
{
    w->at = m->at;
    w->key = str_of(w->text.p + m->at + 1, m->key_n);
    w->value = str_of(w->text.p + m->value_at, m->value_n);
    w->escaped = m->escaped;
    w->i = m->value_at + m->value_n;
    w->turn++;
}

static inline bool next(struct json_walk *w)
{
    const char *start = w->text.p, *end = start + w->text.n;
    const char *p = skip_space(start + w->i, end);
    if (p < end && *p == ',')
        p = skip_space(p + 1, end);
    if (p >= end || *p == '}' || *p == ']')
        return false;
    w->at = (size_t)(p - start);
    if (w->object) {
        bool escaped = false;
        if (*p != '"')
            return false;
        const char *behind = pass_string(p, end, &escaped);
        if (behind < p + 2)
            return false;
        w->key = str_of(p + 1, (size_t)(behind - p - 2));
        w->escaped = escaped;
        p = skip_space(behind, end);
        if (p >= end || *p != ':')
            return false;
        p = skip_space(p + 1, end);
    }
    const char *behind = pass_value(p, end);
    w->value = str_of(p, (size_t)(behind - p));
    w->i = (size_t)(behind - start);
    return behind > p;
}

bool json_next(struct json_walk *w)
{
    if (w->index != NULL && w->turn < w->index->n) {
        take_place(w, &w->index->member[w->turn]);
        return true;
    }
    if (w->i < w->text.n && next(w))
        return true;
    w->i = w->text.n; /* what has ended stays ended, in text that was not checked too */
    return false;
}

static unsigned hex_value(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
}

static uint32_t hex4(const char *p)
{
    return hex_value(p[0]) << 12 | hex_value(p[1]) << 8 | hex_value(p[2]) << 4 | hex_value(p[3]);
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(lead[n] | c);
    return n;
}

/* One escape at s.p[0] == '\\'; writes up to 4 bytes; a lone surrogate becomes U+FFFD. */
static size_t unescape_one(struct str s, char *out, size_t *ret_n)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (s.n < 2 || (s.p[1] == 'u' && s.n < 6)) {
        *ret_n = 0;
        return s.n;
    }
    if (s.p[1] != 'u') {
        const char *at = memchr(from, s.p[1], sizeof(from) - 1);
        out[0] = at != NULL ? to[at - from] : '?';
        *ret_n = 1;
        return 2;
    }
    uint32_t c = hex4(s.p + 2);
    size_t took = 6;
    if (c >= 0xD800 && c < 0xDC00 && s.n >= 12 && s.p[6] == '\\' && s.p[7] == 'u') {
        uint32_t low = hex4(s.p + 8);
        if (low >= 0xDC00 && low < 0xE000) {
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            took = 12;
        }
    }
    *ret_n = put_utf8(out, c >= 0xD800 && c < 0xE000 ? 0xFFFD : c);
    return took;
}

bool json_key_is(struct str raw, struct str name)
{
    /* What is escaped is longer than what it stands for. */
    if (raw.n <= name.n || str_index(raw, '\\') == SIZE_MAX)
        return str_eq(raw, name);
    size_t at = 0;
    while (raw.n != 0) {
        char out[4];
        size_t n = 1, took = 1;
        if (raw.p[0] == '\\')
            took = unescape_one(raw, out, &n);
        else
            out[0] = raw.p[0];
        if (at + n > name.n || memcmp(out, name.p + at, n) != 0)
            return false;
        at += n;
        raw = str_from(raw, took);
    }
    return at == name.n;
}

struct str json_get(struct str object, struct str name)
{
    struct str found = STR("");
    struct json_walk w = json_walk_of(object);
    while (w.object && json_next(&w))
        if (json_is(&w, name))
            found = w.value;
    return found;
}

struct str json_path(struct str object, const char *const *names)
{
    for (; *names != NULL; names++)
        object = json_get(object, str_c(*names));
    return object;
}

enum err json_string(struct arena *a, struct str value, struct str *ret_s)
{
    if (json_type_of(value) != JSON_STRING || value.n < 2)
        return ERR_INVALID_REQUEST;
    struct str raw = str_of(value.p + 1, value.n - 2);
    if (str_index(raw, '\\') == SIZE_MAX) {
        *ret_s = raw;
        return OK;
    }
    char *out = arena_alloc(a, raw.n + 4);
    if (out == NULL)
        return ERR_LIMIT;
    size_t n = 0;
    while (raw.n != 0) {
        size_t put = 1, took = 1;
        if (raw.p[0] == '\\')
            took = unescape_one(raw, out + n, &put);
        else
            out[n] = raw.p[0];
        n += put;
        raw = str_from(raw, took);
    }
    *ret_s = str_of(out, n);
    return OK;
}

enum err json_int(struct str value, int64_t min, int64_t max, int64_t *ret_n)
{
    if (json_type_of(value) != JSON_NUMBER)
        return ERR_INVALID_REQUEST;
    uint64_t digits;
    struct nano n;
    int64_t v;
    bool neg = value.p[0] == '-';
    if (str_to_u64(str_from(value, neg), INT64_MAX, &digits)) {
        v = neg ? -(int64_t)digits : (int64_t)digits;
    } else {
        /* The decimal scanner at nano scale keeps fractions exact, so 1e3 and 2.0 pass, 2.5 does
         * not. */
        if (nano_parse(value, false, &n) != OK || n.v % NANO_PER_USD != 0)
            return ERR_INVALID_REQUEST;
        v = n.v / NANO_PER_USD;
    }
    if (v < min || v > max)
        return ERR_INVALID_REQUEST;
    *ret_n = v;
    return OK;
}

bool json_is_true(struct str value)
{
    return str_eq(value, STR("true"));
}

bool json_is_plain(struct str s)
{
    return s.n == 0 || lanes_special(s.p, s.p + s.n) == s.p + s.n;
}

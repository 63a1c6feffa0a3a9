/* The strict pass and the walk. */
#include "base/json.h"
#include "base/lanes.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline size_t skip_space(struct str t, size_t i)
{
    /* Most text has none: one comparison says so. */
    while (i < t.n && UNLIKELY((unsigned char)t.p[i] <= ' ') && is_space(t.p[i]))
        i++;
    return i;
}

static bool is_digit_at(struct str t, size_t i)
{
    return i < t.n && t.p[i] >= '0' && t.p[i] <= '9';
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Each scanner takes the offset of its first byte and returns the offset behind the last, or
 * `t.n + 1` with *bad set to the offence. */
struct scan {
    struct str t;
    size_t bad, escapes, key_end;
    bool failed;
    /* Of the members of the outermost object, when somebody asks for them. */
    bool in_member;
    struct json_index *index;
    size_t base; /* where that object begins */
};

static size_t fail(struct scan *s, size_t at)
{
    if (!s->failed) {
        s->failed = true;
        s->bad = at;
    }
    return s->t.n;
}

static size_t scan_escape(struct scan *s, size_t i)
{
    s->escapes++;
    if (i + 1 >= s->t.n)
        return fail(s, s->t.n);
    char c = s->t.p[i + 1];
    if (c == 'u') {
        for (size_t k = 2; k < 6; k++)
            if (i + k >= s->t.n || !is_hex(s->t.p[i + k]))
                return fail(s, i + k < s->t.n ? i + k : s->t.n);
        return i + 6;
    }
    return memchr("\"\\/bfnrt", c, 8) != NULL ? i + 2 : fail(s, i + 1);
}

/* Where the first ill-formed sequence stands. */
static size_t bad_utf8(struct str t, size_t i, size_t end)
{
    while (i < end) {
        size_t n = 1;
        while (n <= 4 && i + n <= end && !str_is_utf8(str_of(t.p + i, n)))
            n++;
        if (n > 4 || i + n > end)
            break;
        i += n;
    }
    return i;
}

static size_t scan_string(struct scan *s, size_t i)
{
    size_t start = ++i;
    bool high = false;
    while ((i = lanes_special(s->t, i)) < s->t.n) {
        unsigned char c = (unsigned char)s->t.p[i];
        if (c == '"') {
            if (high && !str_is_utf8(str_of(s->t.p + start, i - start)))
                return fail(s, bad_utf8(s->t, start, i));
            return i + 1;
        }
        if (c < 0x20)
            return fail(s, i);
        if (c == '\\') {
            i = scan_escape(s, i);
            if (s->failed)
                return i;
        }
        for (; i < s->t.n && (unsigned char)s->t.p[i] >= 0x80; i++)
            high = true;
    }
    return fail(s, s->t.n);
}

static size_t scan_digits(struct scan *s, size_t i)
{
    if (!is_digit_at(s->t, i))
        return fail(s, i < s->t.n ? i : s->t.n);
    while (is_digit_at(s->t, i))
        i++;
    return i;
}

static size_t scan_number(struct scan *s, size_t i)
{
    if (s->t.p[i] == '-')
        i++;
    if (i < s->t.n && s->t.p[i] == '0')
        i++;
    else
        i = scan_digits(s, i);
    if (!s->failed && i < s->t.n && s->t.p[i] == '.')
        i = scan_digits(s, i + 1);
    if (!s->failed && i < s->t.n && (s->t.p[i] == 'e' || s->t.p[i] == 'E')) {
        i++;
        if (i < s->t.n && (s->t.p[i] == '+' || s->t.p[i] == '-'))
            i++;
        i = scan_digits(s, i);
    }
    return i;
}

static size_t scan_word(struct scan *s, size_t i, struct str word)
{
    for (size_t k = 0; k < word.n; k++)
        if (i + k >= s->t.n || s->t.p[i + k] != word.p[k])
            return fail(s, i + k < s->t.n ? i + k : s->t.n);
    return i + word.n;
}

static size_t scan_scalar(struct scan *s, size_t i)
{
    char c = s->t.p[i];
    if (c == '"')
        return scan_string(s, i);
    if (c == '-' || (c >= '0' && c <= '9'))
        return scan_number(s, i);
    if (c == 't')
        return scan_word(s, i, STR("true"));
    if (c == 'f')
        return scan_word(s, i, STR("false"));
    if (c == 'n')
        return scan_word(s, i, STR("null"));
    return fail(s, i);
}

/* `"key" :` and the blanks behind it. */
static size_t scan_key(struct scan *s, size_t i)
{
    if (i >= s->t.n || s->t.p[i] != '"')
        return fail(s, i < s->t.n ? i : s->t.n);
    s->key_end = scan_string(s, i);
    i = skip_space(s->t, s->key_end);
    if (s->failed)
        return i;
    if (i >= s->t.n || s->t.p[i] != ':')
        return fail(s, i < s->t.n ? i : s->t.n);
    return skip_space(s->t, i + 1);
}

/* A key, and a note of where it stands when it is one of the outermost object's. */
static size_t scan_member(struct scan *s, size_t i, int depth)
{
    size_t at = i, escapes = s->escapes;
    struct json_index *index = s->index;
    i = scan_key(s, i);
    if (depth != 1 || index == NULL || index->n == JSON_INDEX_MAX || s->failed)
        return i;
    index->member[index->n] = (struct json_place){.at = (uint32_t)(at - s->base),
                                                  .key_n = (uint32_t)(s->key_end - at - 2),
                                                  .value_at = (uint32_t)(i - s->base),
                                                  .escaped = s->escapes != escapes};
    s->in_member = true;
    return i;
}

static void member_ends(struct scan *s, size_t i)
{
    struct json_place *m = &s->index->member[s->index->n++];
    m->value_n = (uint32_t)(i - s->base) - m->value_at;
    s->in_member = false;
}

/* Behind a value: closes what ends, and stands at the next value; true when all is closed. */
static bool scan_after(struct scan *s, size_t *at, char *stack, int *depth)
{
    size_t i = *at;
    for (;;) {
        if (*depth == 1 && s->in_member)
            member_ends(s, i);
        i = skip_space(s->t, i);
        if (*depth == 0) {
            *at = i;
            return true;
        }
        char open = stack[*depth - 1], close = open == '{' ? '}' : ']';
        if (i < s->t.n && s->t.p[i] == close) {
            (*depth)--;
            i++;
            continue;
        }
        if (i >= s->t.n || s->t.p[i] != ',')
            i = fail(s, i < s->t.n ? i : s->t.n);
        else
            i = skip_space(s->t, i + 1);
        if (!s->failed && open == '{')
            i = scan_member(s, i, *depth);
        *at = i;
        return s->failed;
    }
}

enum err json_check(struct str text, size_t *ret_offset)
{
    return json_check_index(text, NULL, ret_offset);
}

enum err json_check_index(struct str text, struct json_index *index, size_t *ret_offset)
{
    char stack[JSON_DEPTH_MAX];
    int depth = 0;
    size_t i = skip_space(text, 0);
    struct scan s = {.t = text, .base = i, .index = text.n <= UINT32_MAX ? index : NULL};
    if (index != NULL)
        index->n = 0;
    for (;;) {
        if (i >= text.n) {
            fail(&s, text.n);
            break;
        }
        char c = text.p[i];
        if (c == '{' || c == '[') {
            if (depth == JSON_DEPTH_MAX) {
                fail(&s, i);
                break;
            }
            stack[depth++] = c;
            i = skip_space(text, i + 1);
            bool empty = i < text.n && text.p[i] == (c == '{' ? '}' : ']');
            if (!empty) {
                i = c == '{' ? scan_member(&s, i, depth) : i;
                if (s.failed)
                    break;
                continue;
            }
            depth--;
            i++;
        } else {
            i = scan_scalar(&s, i);
        }
        if (s.failed || scan_after(&s, &i, stack, &depth))
            break;
    }
    if (!s.failed && i < text.n)
        fail(&s, i);
    if (s.failed) {
        *ret_offset = s.bad;
        return ERR_INVALID_JSON;
    }
    return OK;
}

struct str json_trim(struct str text)
{
    text = str_from(text, skip_space(text, 0));
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

/* Behind a string that starts at i (trusted text, still never past the end). */
static size_t pass_string(struct str t, size_t i, bool *escaped)
{
    for (i = lanes_quote(t, i + 1); i < t.n; i = lanes_quote(t, i + 2)) {
        if (t.p[i] == '"')
            return i + 1;
        *escaped = true;
    }
    return t.n;
}

/* What a byte is outside of strings. */
enum { OTHER, QUOTE, OPENS, CLOSES, PARTS };
static const uint8_t kind[256] = {
    ['"'] = QUOTE, ['{'] = OPENS, ['['] = OPENS,  ['}'] = CLOSES, [']'] = CLOSES,
    [','] = PARTS, [' '] = PARTS, ['\n'] = PARTS, ['\t'] = PARTS, ['\r'] = PARTS,
};

static size_t pass_container(struct str t, size_t i)
{
    size_t depth = 0;
    bool escaped = false;
    while (i < t.n) {
        uint8_t k = kind[(unsigned char)t.p[i]];
        if (k == QUOTE) {
            i = pass_string(t, i, &escaped);
            continue;
        }
        i++;
        if (k == OPENS)
            depth++;
        else if (k == CLOSES && --depth == 0)
            return i;
    }
    return t.n;
}

static size_t pass_value(struct str t, size_t i)
{
    bool escaped = false;
    uint8_t k = i < t.n ? kind[(unsigned char)t.p[i]] : PARTS;
    if (k == QUOTE)
        return pass_string(t, i, &escaped);
    if (k == OPENS)
        return pass_container(t, i);
    while (i < t.n && (k = kind[(unsigned char)t.p[i]]) != PARTS && k != CLOSES)
        i++;
    return i;
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

static bool next(struct json_walk *w)
{
    struct str t = w->text;
    size_t i = skip_space(t, w->i);
    if (i < t.n && t.p[i] == ',')
        i = skip_space(t, i + 1);
    if (i >= t.n || t.p[i] == '}' || t.p[i] == ']')
        return false;
    w->at = i;
    if (w->object) {
        if (t.p[i] != '"')
            return false;
        w->escaped = false;
        size_t end = pass_string(t, i, &w->escaped);
        if (end < i + 2)
            return false;
        w->key = str_of(t.p + i + 1, end - i - 2);
        i = skip_space(t, end);
        if (i >= t.n || t.p[i] != ':')
            return false;
        i = skip_space(t, i + 1);
    }
    size_t end = pass_value(t, i);
    w->value = str_of(t.p + i, end - i);
    w->i = end;
    return end > i;
}

bool json_next(struct json_walk *w)
{
    if (w->index != NULL && w->turn < w->index->n) {
        take_place(w, &w->index->member[w->turn]);
        return true;
    }
    if (next(w))
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

/* Text of the sandbox: JSON strings, tokens, words, decimals. */
#include "sandbox/text.h"

#include "base/json.h"

enum { SCHEMA_DEPTH_MAX = 16 };

uint64_t sandbox_mix(uint64_t v)
{
    v += 0x9e3779b97f4a7c15u;
    v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9u;
    v = (v ^ (v >> 27)) * 0x94d049bb133111ebu;
    return v ^ (v >> 31);
}

static unsigned hex4(const char *p)
{
    unsigned v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        unsigned d = c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
        v = v << 4 | d;
    }
    return v;
}

static size_t utf8_put(unsigned c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* One escape at s, which starts with a backslash: its UTF-8 into out, its length into *ret_n. */
static size_t escape_put(struct str s, char out[4], size_t *ret_n)
{
    static const char from[] = "bfnrt";
    static const char to[] = "\b\f\n\r\t";
    *ret_n = 2;
    if (s.p[1] != 'u') {
        const char *at = strchr(from, s.p[1]);
        out[0] = at != NULL && *at != '\0' ? to[at - from] : s.p[1];
        return 1;
    }
    unsigned c = hex4(s.p + 2);
    *ret_n = 6;
    if (c >= 0xd800 && c < 0xdc00 && s.n >= 12 && s.p[6] == '\\' && s.p[7] == 'u') {
        unsigned low = hex4(s.p + 8);
        if (low >= 0xdc00 && low < 0xe000) {
            *ret_n = 12;
            return utf8_put(0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00), out);
        }
    }
    if (c >= 0xd800 && c < 0xe000)
        c = 0xfffd;
    return utf8_put(c, out);
}

/* Decodes what stands between the quotes; b may be NULL to count only. */
static size_t string_decode(struct buf *b, struct str value)
{
    if (value.n < 2 || value.p[0] != '"')
        return 0;
    struct str s = str_of(value.p + 1, value.n - 2);
    size_t total = 0;
    while (s.n > 0) {
        const char *slash = memchr(s.p, '\\', s.n);
        size_t plain = slash == NULL ? s.n : (size_t)(slash - s.p);
        total += plain;
        if (b != NULL)
            buf_add(b, str_upto(s, plain));
        s = str_from(s, plain);
        if (s.n == 0)
            break;
        char out[4];
        size_t used;
        size_t n = escape_put(s, out, &used);
        total += n;
        if (b != NULL)
            buf_add(b, str_of(out, n));
        s = str_from(s, used);
    }
    return total;
}

size_t sandbox_string_bytes(struct str value)
{
    return string_decode(NULL, value);
}

void sandbox_string_add(struct buf *b, struct str value)
{
    (void)string_decode(b, value);
}

void sandbox_string_put(struct buf *b, struct str text)
{
    static const char hex[] = "0123456789abcdef";
    size_t from = 0;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (LIKELY(c >= 0x20 && c != '"' && c != '\\'))
            continue;
        buf_add(b, str_of(text.p + from, i - from));
        from = i + 1;
        if (c == '"' || c == '\\') {
            char two[2] = {'\\', (char)c};
            buf_add(b, str_of(two, 2));
        } else if (c == '\n') {
            buf_add(b, STR("\\n"));
        } else {
            char six[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            buf_add(b, str_of(six, 6));
        }
    }
    buf_add(b, str_of(text.p + from, text.n - from));
}

void sandbox_words(struct buf *b, uint64_t seed, size_t n)
{
    static const char consonants[] = "bdfgklmnprstvz";
    static const char vowels[] = "aeiou";
    char *p = buf_reserve(b, n * SANDBOX_TOKEN_BYTES);
    if (p == NULL)
        return;
    for (size_t i = 0; i < n; i++) {
        uint64_t r = sandbox_mix(seed + i);
        p[4 * i] = consonants[r % 14];
        p[4 * i + 1] = vowels[(r >> 8) % 5];
        p[4 * i + 2] = consonants[(r >> 16) % 14];
        p[4 * i + 3] = ' ';
    }
    b->n += n * SANDBOX_TOKEN_BYTES;
}

size_t sandbox_cut(struct str text, size_t at)
{
    if (at >= text.n)
        return text.n;
    while (at > 0 && ((unsigned char)text.p[at] & 0xc0) == 0x80)
        at--;
    return at;
}

void sandbox_decimal(struct buf *b, int64_t pico)
{
    uint64_t v = (uint64_t)pico;
    buf_u64(b, v / 1000000000000u);
    uint64_t part = v % 1000000000000u;
    if (part == 0)
        return;
    char digits[13] = ".000000000000";
    size_t n = 13;
    for (size_t i = 12; i >= 1; i--, part /= 10)
        digits[i] = (char)('0' + part % 10);
    while (digits[n - 1] == '0')
        n--;
    buf_add(b, str_of(digits, n));
}

static void schema_fill(struct buf *b, struct str schema, struct str text, int depth);

static void schema_object(struct buf *b, struct str schema, struct str text, int depth)
{
    struct json_walk w = json_walk_of(json_get(schema, STR("properties")));
    buf_byte(b, '{');
    bool first = true;
    while (json_next(&w)) {
        if (!first)
            buf_byte(b, ',');
        first = false;
        buf_byte(b, '"');
        buf_add(b, w.key);
        buf_add(b, STR("\":"));
        schema_fill(b, w.value, text, depth + 1);
    }
    buf_byte(b, '}');
}

static void schema_fill(struct buf *b, struct str schema, struct str text, int depth)
{
    struct json_walk choices = json_walk_of(json_get(schema, STR("enum")));
    struct str type = json_get(schema, STR("type"));
    if (json_next(&choices))
        buf_add(b, choices.value);
    else if (depth > SCHEMA_DEPTH_MAX)
        buf_add(b, STR("null"));
    else if (str_eq(type, STR("\"object\"")) || json_get(schema, STR("properties")).n > 0)
        schema_object(b, schema, text, depth);
    else if (str_eq(type, STR("\"integer\"")) || str_eq(type, STR("\"number\"")))
        buf_byte(b, '1');
    else if (str_eq(type, STR("\"boolean\"")))
        buf_add(b, STR("true"));
    else if (str_eq(type, STR("\"array\"")))
        buf_add(b, STR("[]"));
    else if (str_eq(type, STR("\"null\"")))
        buf_add(b, STR("null"));
    else
        buf_add(b, text);
}

void sandbox_schema_fill(struct buf *b, struct str schema, struct str text)
{
    schema_fill(b, schema, text, 0);
}

struct str sandbox_mask(struct str key, char text[SANDBOX_MASK_MAX])
{
    size_t head = key.n >= 20 ? 9 : key.n / 4;
    size_t tail = key.n >= 20 ? 4 : key.n / 4;
    memcpy(text, key.p, head);
    memcpy(text + head, "...", 3);
    memcpy(text + head + 3, key.p + key.n - tail, tail);
    return str_of(text, head + 3 + tail);
}

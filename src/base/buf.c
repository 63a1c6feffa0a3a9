/* Sticky growing buffers and the JSON writer on top of them. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/lanes.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->over = false;
}

void buf_fini(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){.max = b->max};
}

enum err buf_check(const struct buf *b)
{
    return b->over ? ERR_LIMIT : OK;
}

char *buf_grow(struct buf *b, size_t n)
{
    if (b->over || n > b->max || b->n > b->max - n) {
        b->over = true;
        return NULL;
    }
    if (b->cap - b->n < n) {
        size_t cap = b->cap != 0 ? b->cap : 256;
        while (cap - b->n < n)
            cap *= 2;
        if (cap > b->max)
            cap = b->max;
        b->p = mem_realloc(b->p, cap);
        b->cap = cap;
    }
    static char nothing[1]; /* for 0 bytes of a buffer that has none yet */
    return b->p != NULL ? b->p + b->n : nothing;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    must(n >= 0);
    char *p = buf_reserve(b, (size_t)n + 1);
    if (p != NULL) {
        vsnprintf(p, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void buf_u64(struct buf *b, uint64_t n)
{
    char text[20];
    char *p = text + sizeof(text);
    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    buf_add(b, str_of(p, (size_t)(text + sizeof(text) - p)));
}

void buf_i64(struct buf *b, int64_t n)
{
    if (n < 0)
        buf_byte(b, '-');
    buf_u64(b, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void buf_consume(struct buf *b, size_t n)
{
    must(n <= b->n);
    b->n -= n;
    if (b->n != 0 && n != 0)
        memmove(b->p, b->p + n, b->n);
}

void buf_le(struct buf *b, uint64_t v, unsigned bytes)
{
    char *p = buf_reserve(b, bytes);
    if (p == NULL)
        return;
    for (unsigned i = 0; i < bytes; i++, v >>= 8)
        p[i] = (char)(v & 0xFF);
    b->n += bytes;
}

static void json_escape(struct buf *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    switch (c) {
    case '"': buf_add(b, STR("\\\"")); break;
    case '\\': buf_add(b, STR("\\\\")); break;
    case '\n': buf_add(b, STR("\\n")); break;
    case '\r': buf_add(b, STR("\\r")); break;
    case '\t': buf_add(b, STR("\\t")); break;
    default:
        buf_add(b, STR("\\u00"));
        buf_byte(b, hex[c >> 4]);
        buf_byte(b, hex[c & 15]);
    }
}

/* Bytes up to the first that needs care. */
static size_t plain_bytes(struct str s)
{
    if (s.n == 0)
        return 0;
    size_t n = (size_t)(lanes_special(s.p, s.p + s.n) - s.p);
    const char *del = n != 0 ? memchr(s.p, 0x7F, n) : NULL;
    return del != NULL ? (size_t)(del - s.p) : n;
}

/* Writes up to the next byte that needs care and returns how many it took. */
static size_t json_plain(struct buf *b, struct str s)
{
    size_t i = plain_bytes(s);
    buf_add(b, str_upto(s, i));
    return i;
}

void buf_html(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '&': buf_add(b, STR("&amp;")); break;
        case '<': buf_add(b, STR("&lt;")); break;
        case '>': buf_add(b, STR("&gt;")); break;
        case '"': buf_add(b, STR("&quot;")); break;
        case '\'': buf_add(b, STR("&#39;")); break;
        default: buf_byte(b, s.p[i]);
        }
    }
}

/* What needs care, from the first such byte on. */
static void json_careful(struct buf *b, struct str s)
{
    while (s.n != 0) {
        unsigned char c = (unsigned char)s.p[0];
        size_t len = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
        if (c < 0x80) {
            json_escape(b, c);
            s = str_from(s, 1);
        } else if (len <= s.n && str_is_utf8(str_upto(s, len))) {
            buf_add(b, str_upto(s, len));
            s = str_from(s, len);
        } else {
            buf_add(b, STR("\xEF\xBF\xBD"));
            s = str_from(s, 1);
        }
        s = str_from(s, json_plain(b, s));
    }
}

static void put_quoted(struct buf *b, struct str plain)
{
    char *p = buf_reserve(b, plain.n + 2);
    if (p == NULL)
        return;
    p[0] = '"';
    if (plain.n != 0)
        memcpy(p + 1, plain.p, plain.n);
    p[plain.n + 1] = '"';
    b->n += plain.n + 2;
}

void buf_json_str(struct buf *b, struct str s)
{
    size_t plain = plain_bytes(s);
    put_quoted(b, str_upto(s, plain));
    if (plain == s.n || b->over)
        return;
    b->n--; /* the quote comes later */
    json_careful(b, str_from(s, plain));
    buf_byte(b, '"');
}

static bool needs_comma(const struct buf *b)
{
    if (b->n == 0)
        return false;
    char last = b->p[b->n - 1];
    return last != '{' && last != '[' && last != ',' && last != ':';
}

void buf_json_comma(struct buf *b)
{
    if (needs_comma(b))
        buf_byte(b, ',');
}

void buf_json_key(struct buf *b, const char *name)
{
    /* Names are our own and need no escapes. */
    size_t n = strlen(name);
    char *p = buf_reserve(b, n + 4);
    if (p == NULL)
        return;
    if (needs_comma(b))
        *p++ = ',';
    *p++ = '"';
    memcpy(p, name, n);
    memcpy(p + n, "\":", 2);
    b->n = (size_t)(p + n + 2 - b->p);
}

void buf_json_member(struct buf *b, const char *name, struct str value)
{
    buf_json_key(b, name);
    buf_json_str(b, value);
}

void buf_json_plain(struct buf *b, const char *name, struct str value)
{
    buf_json_key(b, name);
    put_quoted(b, value);
}

void buf_json_i64(struct buf *b, const char *name, int64_t value)
{
    buf_json_key(b, name);
    buf_i64(b, value);
}

void buf_json_bool(struct buf *b, const char *name, bool value)
{
    buf_json_key(b, name);
    buf_add(b, value ? STR("true") : STR("false"));
}

void buf_json_nano(struct buf *b, const char *name, struct nano value)
{
    char text[UNITS_TEXT_MAX];
    buf_json_plain(b, name, nano_format(value, text));
}

void buf_json_nano_number(struct buf *b, const char *name, struct nano value)
{
    char text[UNITS_TEXT_MAX];
    buf_json_key(b, name);
    buf_add(b, nano_format(value, text));
}

void buf_json_time(struct buf *b, const char *name, int64_t unix_us)
{
    char text[CLOCK_TEXT_MAX];
    if (unix_us != 0) {
        buf_json_plain(b, name, clock_rfc3339(unix_us, text));
        return;
    }
    buf_json_key(b, name);
    buf_add(b, STR("null"));
}

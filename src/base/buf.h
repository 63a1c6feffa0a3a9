/* A growing buffer with a maximum, sticky when it is reached; and JSON written into it.
 *
 * Owns: its bytes.  Threads: one at a time.
 * Memory: grows by doubling up to `max`; buf_reset keeps the memory, buf_fini gives it back.
 * Errors: past `max` nothing more is written and `over` sticks until the reset: check once.
 * Units: bytes.
 *
 *      p            p+n             p+cap
 *      |  content   |  room          |
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"
#include "base/str.h"
#include "base/units.h"

struct buf {
    char *p;
    size_t n, cap, max;
    bool over;
};

void buf_init(struct buf *b, size_t max);
void buf_reset(struct buf *b);
void buf_fini(struct buf *b);
/* ERR_LIMIT when something did not fit. */
MUST enum err buf_check(const struct buf *b);

static inline struct str buf_str(const struct buf *b)
{
    return str_of(b->p != NULL ? b->p : "", b->n);
}

/* buf_reserve where there is no room yet. */
char *buf_grow(struct buf *b, size_t n);

/* Makes room for n more bytes; NULL (and over) when that passes the maximum. The caller writes up
 * to n bytes there and adds what he wrote to b->n. */
static inline char *buf_reserve(struct buf *b, size_t n)
{
    return !b->over && b->p != NULL && b->cap - b->n >= n ? b->p + b->n : buf_grow(b, n);
}

static inline void buf_add(struct buf *b, struct str s)
{
    char *p = s.n != 0 ? buf_reserve(b, s.n) : NULL;
    if (p == NULL)
        return;
    memcpy(p, s.p, s.n);
    b->n += s.n;
}

static inline void buf_byte(struct buf *b, char c)
{
    char *p = buf_reserve(b, 1);
    if (p == NULL)
        return;
    *p = c;
    b->n++;
}

void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_u64(struct buf *b, uint64_t n);
void buf_i64(struct buf *b, int64_t n);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);

/* Fixed-width little-endian, for records. */
void buf_le(struct buf *b, uint64_t v, unsigned bytes);

/* Text within HTML, in attributes too. */
void buf_html(struct buf *b, struct str s);

/* JSON. Quoted and escaped; bytes that are not UTF-8 become U+FFFD. */
void buf_json_str(struct buf *b, struct str s);
/* `"name":` with a comma before it unless it is the first member or element. */
void buf_json_key(struct buf *b, const char *name);
void buf_json_member(struct buf *b, const char *name, struct str value);
/* The same of a value of our own that needs no escapes: an id, a number, a word of the code. */
void buf_json_plain(struct buf *b, const char *name, struct str value);
void buf_json_i64(struct buf *b, const char *name, int64_t value);
void buf_json_bool(struct buf *b, const char *name, bool value);
/* As a decimal string. */
void buf_json_nano(struct buf *b, const char *name, struct nano value);
/* As a plain number (the source-defined shapes). */
void buf_json_nano_number(struct buf *b, const char *name, struct nano value);
/* RFC 3339 with milliseconds, or null when 0. */
void buf_json_time(struct buf *b, const char *name, int64_t unix_us);
/* A comma, unless the last byte opens an object or array. */
void buf_json_comma(struct buf *b);

#endif

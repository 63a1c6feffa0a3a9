/* Text looked through sixteen bytes at a time, for the scanners of this room.
 *
 * Owns: nothing.  Threads: any.  Memory: never reads past the end.  Units: bytes.  Errors: none. */
#ifndef BASE_LANES_H
#define BASE_LANES_H

#include "base/str.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef signed char lanes VECTOR(16);

static inline lanes lanes_at(const char *p)
{
    lanes v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* The first lane that is set; sizeof(lanes) when none is. */
static inline size_t lanes_first(lanes set)
{
#ifdef __SSE2__
    unsigned bits = (unsigned)_mm_movemask_epi8((__m128i)set);
    return bits != 0 ? (size_t)__builtin_ctz(bits) : sizeof(set);
#else
    size_t i = 0;
    while (i < sizeof(set) && set[i] == 0)
        i++;
    return i;
#endif
}

/* The first quote or backslash; `end` when there is none. */
static inline const char *lanes_quote(const char *p, const char *end)
{
    for (; end - p >= (ptrdiff_t)sizeof(lanes); p += sizeof(lanes)) {
        lanes v = lanes_at(p);
        size_t at = lanes_first((v == '"') | (v == '\\'));
        if (at != sizeof(lanes))
            return p + at;
    }
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* The first byte that text in JSON does not hold as it is: those, a control byte; and what is not
 * ASCII. */
static inline const char *lanes_special(const char *p, const char *end)
{
    for (; end - p >= (ptrdiff_t)sizeof(lanes); p += sizeof(lanes)) {
        lanes v = lanes_at(p); /* signed: what is not ASCII is below too */
        size_t at = lanes_first((v == '"') | (v == '\\') | (v < ' '));
        if (at != sizeof(lanes))
            return p + at;
    }
    while (p < end && (signed char)*p >= ' ' && *p != '"' && *p != '\\')
        p++;
    return p;
}

#endif

/* Text looked through sixteen bytes at a time, for the scanners of this room.
 *
 * Owns: nothing.  Threads: any.  Memory: never reads past the end.  Units: bytes.  Errors: none. */
#ifndef BASE_LANES_H
#define BASE_LANES_H

#include "base/str.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef signed char lanes __attribute__((vector_size(16)));

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

/* From i on, the first quote or backslash; s.n when there is none. */
static inline size_t lanes_quote(struct str s, size_t i)
{
    for (; i + sizeof(lanes) <= s.n; i += sizeof(lanes)) {
        lanes v = lanes_at(s.p + i);
        size_t at = lanes_first((v == '"') | (v == '\\'));
        if (at != sizeof(lanes))
            return i + at;
    }
    while (i < s.n && s.p[i] != '"' && s.p[i] != '\\')
        i++;
    return i;
}

/* From i on, the first byte that text in JSON does not hold as it is: those, a control byte; and
 * what is not ASCII. */
static inline size_t lanes_special(struct str s, size_t i)
{
    for (; i + sizeof(lanes) <= s.n; i += sizeof(lanes)) {
        lanes v = lanes_at(s.p + i); /* signed: what is not ASCII is below too */
        size_t at = lanes_first((v == '"') | (v == '\\') | (v < ' '));
        if (at != sizeof(lanes))
            return i + at;
    }
    while (i < s.n && (signed char)s.p[i] >= ' ' && s.p[i] != '"' && s.p[i] != '\\')
        i++;
    return i;
}

#endif

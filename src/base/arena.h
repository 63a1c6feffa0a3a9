/* An arena per call: many small allocations, one reset.
 *
 * Owns: its chunks.  Threads: one at a time.
 * Memory: what it gives lives until arena_reset or arena_fini; the first chunk is kept by reset, so
 * the steady state allocates nothing.
 * Errors: over the limit an allocation returns NULL and `over` sticks until the reset; the caller
 * checks once at the end of a step and refuses. Out of memory aborts.
 * Units: bytes.  Always: pointers are aligned for any type. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *first, *now;
    size_t used; /* of all chunks */
    size_t limit; /* of all chunks */
    size_t chunk_bytes;
    bool over;
};

void arena_init(struct arena *a, size_t chunk_bytes, size_t limit_bytes);
void arena_reset(struct arena *a);
void arena_fini(struct arena *a);

void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);
/* Copy with a NUL behind it; the empty str when over the limit. */
struct str arena_dup(struct arena *a, struct str s);
struct str arena_join(struct arena *a, const struct str *parts, size_t n);
struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif

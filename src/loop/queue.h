/* Queues of bytes on their way out, in chunks that go back to a pool.
 *
 * Owns: the chunks.  Needs: base, libuv's buffer type.  Threads: the loop's own.
 * Memory: an empty queue keeps no chunk; a pool keeps a bounded number of them.
 * Errors: none.  Units: bytes.
 * Always: bytes taken by reference are released exactly once, when consumed or dropped. */
#ifndef LOOP_QUEUE_H
#define LOOP_QUEUE_H

#include "loop/loop.h"

#include <uv.h>

enum { LOOP_CLASSES = 4 };

/* A run of bytes on its way out.
 *
 *      p        p+at          p+n           p+cap
 *      |  left   |  to leave   |  room       |
 */
struct loop_chunk {
    struct loop_chunk *next;
    char *p;
    size_t at, n, cap;
    loop_f release; /* of bytes taken by reference */
    void *arg;
    unsigned size_class;
};

struct loop_queue {
    struct loop_chunk *head, *tail;
    size_t bytes;
};

/* Chunks given back, by size, so that the steady state allocates nothing. */
struct loop_chunks {
    struct loop_chunk *kept[LOOP_CLASSES];
    size_t kept_n[LOOP_CLASSES];
};

char *queue_reserve(struct loop_chunks *pool, struct loop_queue *q, size_t n);
void queue_commit(struct loop_queue *q, size_t n);
void queue_add(struct loop_chunks *pool, struct loop_queue *q, struct str bytes);
void queue_ref(struct loop_chunks *pool, struct loop_queue *q, struct str bytes, loop_f release,
               void *arg);
/* Describes the first pieces; says how many, and their bytes. */
unsigned queue_pieces(const struct loop_queue *q, struct iovec *pieces, unsigned max,
                      size_t *ret_n);
void queue_consume(struct loop_chunks *pool, struct loop_queue *q, size_t n);
void queue_drop(struct loop_chunks *pool, struct loop_queue *q);
void chunks_fini(struct loop_chunks *pool);

#endif

/* Queues of bytes on their way out, in chunks of a few sizes that go back to a pool. */
#include "loop/queue.h"
#include "base/mem.h"

/* Bytes of a chunk with its header; class 0 is a header alone, for bytes by reference. The largest
 * takes what one read brought, with a frame around it. */
static const size_t class_bytes[LOOP_CLASSES] = {sizeof(struct loop_chunk), 4096, 16384, 73728};
static const size_t class_kept_max[LOOP_CLASSES] = {256, 256, 64, 16};

static struct loop_chunk *chunk_new(struct loop_chunks *pool, size_t room)
{
    size_t bytes = room + sizeof(struct loop_chunk);
    unsigned k = 0;
    while (k < LOOP_CLASSES && class_bytes[k] < bytes)
        k++;
    struct loop_chunk *c;
    if (k < LOOP_CLASSES && pool->kept[k] != NULL) {
        c = pool->kept[k];
        pool->kept[k] = c->next;
        pool->kept_n[k]--;
    } else {
        if (k < LOOP_CLASSES)
            bytes = class_bytes[k];
        c = mem_alloc(bytes);
        c->cap = bytes - sizeof(*c);
        c->size_class = k;
    }
    c->next = NULL;
    c->p = (char *)(c + 1);
    c->at = c->n = 0;
    c->release = NULL;
    return c;
}

static void chunk_free(struct loop_chunks *pool, struct loop_chunk *c)
{
    loop_f release = c->release;
    void *arg = c->arg;
    unsigned k = c->size_class;
    if (k < LOOP_CLASSES && pool->kept_n[k] < class_kept_max[k]) {
        c->next = pool->kept[k];
        pool->kept[k] = c;
        pool->kept_n[k]++;
    } else {
        mem_free(c);
    }
    if (release != NULL)
        release(arg);
}

static struct loop_chunk *queue_grow(struct loop_chunks *pool, struct loop_queue *q, size_t room)
{
    struct loop_chunk *c = chunk_new(pool, room);
    if (q->tail != NULL)
        q->tail->next = c;
    else
        q->head = c;
    q->tail = c;
    return c;
}

char *queue_reserve(struct loop_chunks *pool, struct loop_queue *q, size_t n)
{
    struct loop_chunk *c = q->tail;
    if (c == NULL || c->cap - c->n < n)
        c = queue_grow(pool, q, n != 0 ? n : 1);
    return c->p + c->n;
}

void queue_commit(struct loop_queue *q, size_t n)
{
    must(n == 0 || (q->tail != NULL && q->tail->cap - q->tail->n >= n));
    if (n == 0)
        return;
    q->tail->n += n;
    q->bytes += n;
}

void queue_add(struct loop_chunks *pool, struct loop_queue *q, struct str bytes)
{
    if (bytes.n == 0)
        return;
    struct loop_chunk *c = q->tail;
    size_t room = c != NULL ? c->cap - c->n : 0;
    size_t first = room < bytes.n ? room : bytes.n;
    if (first != 0) {
        memcpy(c->p + c->n, bytes.p, first);
        c->n += first;
    }
    if (first < bytes.n) {
        c = queue_grow(pool, q, bytes.n - first);
        memcpy(c->p, bytes.p + first, bytes.n - first);
        c->n = bytes.n - first;
    }
    q->bytes += bytes.n;
}

/* Bytes by reference are only ever read; the chunk has no other pointer to keep them by. */
static char *unconst(const char *p)
{
    union {
        const char *in;
        char *out;
    } u = {.in = p};
    return u.out;
}

void queue_ref(struct loop_chunks *pool, struct loop_queue *q, struct str bytes, loop_f release,
               void *arg)
{
    struct loop_chunk *c = queue_grow(pool, q, 0);
    must(c->size_class == 0);
    c->p = unconst(bytes.p);
    c->n = bytes.n;
    c->cap = bytes.n; /* no room: nothing is appended to what belongs to others */
    c->release = release;
    c->arg = arg;
    q->bytes += bytes.n;
}

unsigned queue_pieces(const struct loop_queue *q, struct iovec *pieces, unsigned max, size_t *ret_n)
{
    unsigned k = 0;
    size_t n = 0;
    for (const struct loop_chunk *c = q->head; c != NULL && k < max; c = c->next) {
        if (c->n == c->at)
            continue;
        pieces[k++] = (struct iovec){.iov_base = c->p + c->at, .iov_len = c->n - c->at};
        n += c->n - c->at;
    }
    *ret_n = n;
    return k;
}

static void queue_pop(struct loop_chunks *pool, struct loop_queue *q)
{
    struct loop_chunk *c = q->head;
    q->head = c->next;
    if (q->head == NULL)
        q->tail = NULL;
    if (c->size_class == 0)
        c->cap = 0;
    chunk_free(pool, c);
}

void queue_consume(struct loop_chunks *pool, struct loop_queue *q, size_t n)
{
    must(n <= q->bytes);
    q->bytes -= n;
    while (q->head != NULL) {
        struct loop_chunk *c = q->head;
        size_t take = c->n - c->at < n ? c->n - c->at : n;
        c->at += take;
        n -= take;
        if (c->at < c->n)
            break;
        queue_pop(pool, q);
    }
    must(n == 0);
}

void queue_drop(struct loop_chunks *pool, struct loop_queue *q)
{
    /* Emptied first: a release may look at the queue. */
    struct loop_queue old = *q;
    *q = (struct loop_queue){0};
    while (old.head != NULL)
        queue_pop(pool, &old);
}

void chunks_fini(struct loop_chunks *pool)
{
    for (unsigned k = 0; k < LOOP_CLASSES; k++) {
        while (pool->kept[k] != NULL) {
            struct loop_chunk *c = pool->kept[k];
            pool->kept[k] = c->next;
            mem_free(c);
        }
    }
}

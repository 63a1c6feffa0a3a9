/* malloc with one policy: no memory, no process. */
#include "base/mem.h"
#include "base/err.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t allocations;
static _Atomic uint64_t fail_at;

static void count_one(void)
{
    uint64_t n = atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed) + 1;
    uint64_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (UNLIKELY(at != 0 && n == at))
        must_fail(__FILE__, __LINE__, "memory is left");
}

void *mem_alloc(size_t n)
{
    count_one();
    void *p = malloc(n != 0 ? n : 1);
    must(p != NULL);
    return p;
}

void *mem_zalloc(size_t n)
{
    return mem_array(1, n);
}

void *mem_array(size_t n, size_t size)
{
    count_one();
    void *p = calloc(n != 0 ? n : 1, size != 0 ? size : 1);
    must(p != NULL);
    return p;
}

void *mem_aligned(size_t align, size_t n)
{
    count_one();
    void *p = aligned_alloc(align, n);
    must(p != NULL);
    memset(p, 0, n);
    return p;
}

void *mem_realloc(void *p, size_t n)
{
    count_one();
    void *q = realloc(p, n != 0 ? n : 1);
    must(q != NULL);
    return q;
}

void mem_free(void *p)
{
    free(p);
}

char *mem_dup(const void *p, size_t n)
{
    char *q = mem_alloc(n + 1);
    if (n != 0)
        memcpy(q, p, n);
    q[n] = '\0';
    return q;
}

void mem_wipe(void *p, size_t n)
{
    sodium_memzero(p, n);
}

uint64_t mem_count(void)
{
    return atomic_load_explicit(&allocations, memory_order_relaxed);
}

void mem_fail_at(uint64_t n)
{
    atomic_store(&fail_at, n == 0 ? 0 : mem_count() + n);
}

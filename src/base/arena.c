/* Bump allocation in a chain of chunks. */
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

struct arena_chunk {
    struct arena_chunk *next;
    size_t cap, n;
    _Alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *a, size_t chunk_bytes, size_t limit_bytes)
{
    *a = (struct arena){.limit = limit_bytes, .chunk_bytes = chunk_bytes};
}

static struct arena_chunk *chunk_new(size_t cap)
{
    struct arena_chunk *c = mem_alloc(sizeof(*c) + cap);
    c->next = NULL;
    c->cap = cap;
    c->n = 0;
    return c;
}

static void free_behind(struct arena_chunk *c)
{
    while (c != NULL) {
        struct arena_chunk *next = c->next;
        mem_free(c);
        c = next;
    }
}

void arena_reset(struct arena *a)
{
    if (a->first != NULL) {
        free_behind(a->first->next);
        a->first->next = NULL;
        a->first->n = 0;
        if (a->first->cap > a->chunk_bytes) {
            mem_free(a->first);
            a->first = NULL;
        }
    }
    a->now = a->first;
    a->used = 0;
    a->over = false;
}

void arena_fini(struct arena *a)
{
    free_behind(a->first);
    *a = (struct arena){0};
}

void *arena_alloc(struct arena *a, size_t n)
{
    size_t step = _Alignof(max_align_t);
    if (a->over || n > a->limit || a->used + (n + step) > a->limit) {
        a->over = true;
        return NULL;
    }
    n = (n + step - 1) / step * step;
    if (a->now == NULL || a->now->cap - a->now->n < n) {
        struct arena_chunk *c = chunk_new(n > a->chunk_bytes ? n : a->chunk_bytes);
        if (a->now != NULL)
            a->now->next = c;
        else
            a->first = c;
        a->now = c;
    }
    void *p = a->now->bytes + a->now->n;
    a->now->n += n;
    a->used += n;
    return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
    void *p = arena_alloc(a, n);
    if (p != NULL)
        memset(p, 0, n);
    return p;
}

struct str arena_dup(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (p == NULL)
        return STR("");
    if (s.n != 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return str_of(p, s.n);
}

struct str arena_join(struct arena *a, const struct str *parts, size_t n)
{
    size_t bytes = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        bytes += parts[i].n;
    char *p = arena_alloc(a, bytes + 1);
    if (p == NULL)
        return STR("");
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n != 0)
            memcpy(p + at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    p[bytes] = '\0';
    return str_of(p, bytes);
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    /* Most texts fit into what is left of the chunk: one pass for them. */
    size_t room = a->now != NULL && !a->over ? a->now->cap - a->now->n : 0;
    char *at = room != 0 ? a->now->bytes + a->now->n : NULL;
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(at, room, fmt, ap);
    va_end(ap);
    must(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    if (p != NULL && p != at)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p != NULL ? str_of(p, (size_t)n) : STR("");
}

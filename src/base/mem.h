/* Memory from the system. The only place that calls malloc.
 *
 * Owns: nothing.  Threads: any.
 * Memory: what mem_alloc gives is the caller's and goes back by mem_free.
 * Errors: out of memory aborts (a restart audits clean); being over a limit is the caller's own
 * refusal, made before he asks.
 * Always: a size of 0 gives a valid pointer. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t n);
void *mem_zalloc(size_t n);
/* n elements of `size` bytes, zeroed; aborts when the product overflows. */
void *mem_array(size_t n, size_t size);
/* n zeroed bytes at a multiple of `align` (a power of two that divides n). */
void *mem_aligned(size_t align, size_t n);
void *mem_realloc(void *p, size_t n);
void mem_free(void *p);
/* Copy of n bytes with a NUL behind them. */
char *mem_dup(const void *p, size_t n);
/* Wipes n bytes in a way that the compiler keeps. */
void mem_wipe(void *p, size_t n);

/* Allocations since the process began, of all threads: for the budgets. */
uint64_t mem_count(void);
/* The n-th allocation from now on aborts the process, as if memory had run out; 0: never. */
void mem_fail_at(uint64_t n);

#endif

/* Text by value: a pointer and a length, not terminated, not owned.
 *
 * Owns: nothing.  Threads: any.  Memory: never allocates; a str lives as long as what it points to.
 * Errors: cursor functions are sticky: the first failure sets `bad`, later calls return empty. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(lit) ((struct str){"" lit, sizeof(lit) - 1})
/* For "%.*s". */
#define STR_ARG(s) (int)(s).n, (s).p

static inline struct str str_of(const char *p, size_t n)
{
    return (struct str){p, n};
}
/* Of a C string; NULL gives the empty str. */
static inline struct str str_c(const char *z)
{
    return (struct str){z != NULL ? z : "", z != NULL ? strlen(z) : 0};
}
static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}
static inline bool str_ends(struct str s, struct str tail)
{
    return s.n >= tail.n && (tail.n == 0 || memcmp(s.p + s.n - tail.n, tail.p, tail.n) == 0);
}
/* The rest from byte n on; empty when n is beyond the end. */
static inline struct str str_from(struct str s, size_t n)
{
    /* (Not even zero may be added to NULL.) */
    if (n >= s.n)
        return str_of(s.n != 0 ? s.p + s.n : s.p, 0);
    return str_of(s.p + n, s.n - n);
}
/* At most the first n bytes. */
static inline struct str str_upto(struct str s, size_t n)
{
    return str_of(s.p, n < s.n ? n : s.n);
}

/* ASCII letters only; for header names and schemes. */
bool str_starts_nocase(struct str s, struct str prefix);
static inline bool str_eq_nocase(struct str a, struct str b)
{
    return a.n == b.n && str_starts_nocase(a, b);
}
int str_cmp(struct str a, struct str b);
/* Index of the byte, or SIZE_MAX. */
size_t str_index(struct str s, char c);
/* Index of the first occurrence of `what`, or SIZE_MAX. */
size_t str_find(struct str s, struct str what);
/* Without spaces and tabs at both ends. */
struct str str_trim(struct str s);
/* Splits at the first `sep`: returns what stands before it and moves *s behind it; with no `sep`
 * returns everything and leaves *s empty. */
struct str str_cut(struct str *s, char sep);
/* `*` in the pattern stands for any run of bytes, everything else for itself. */
bool str_glob(struct str pattern, struct str s);
/* Decimal digits only, no sign, no blanks; false on anything else or over `max`. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *ret_n);
/* Value of a hexadecimal digit of either case; -1 of anything else. */
int str_hex_digit(char c);
/* Well-formed UTF-8 without surrogates and overlong forms. */
bool str_is_utf8(struct str s);
/* Stable 64-bit hash for tables in memory (not for secrets, not keyed). */
uint64_t str_hash(struct str s);

#endif

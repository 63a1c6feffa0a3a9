/* Compiler attributes, named. The only file that spells GNU attributes out.
 * Owns: nothing.  Threads: any. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#define MUST __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ALIGNED(n) __attribute__((aligned(n)))
/* The type is that many bytes of it, worked on side by side. */
#define VECTOR(bytes) __attribute__((vector_size(bytes)))
#define PACKED __attribute__((packed))

#endif

/* What the load generator and the upstream share: tiny pieces of HTTP/1.1, on loopback only.
 *
 * Owns: nothing.
 * Needs: libc.
 * Threads: one in each program.
 * Memory: static, or mapped once at the start.
 * Units: nanoseconds in wire_now.
 * Errors: wire_die says what and ends the program.
 * Always: no check that would cost time in the measured path and tell nothing on loopback. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ends the program with this and errno's text. */
_Noreturn void wire_die(const char *what);
int64_t wire_now(void);
/* Decimal digits at the front; 0 when there are none. */
int64_t wire_digits(const char *p, const char *end);
/* The length of the head at the front of n bytes, its blank line included; 0: it is not whole. */
size_t wire_head(const char *p, size_t n);
/* The value of Content-Length in this head; -1: it has none. */
int64_t wire_length(const char *p, size_t head_n);
/* Zeroed memory for the life of the program. */
void *wire_map(size_t n);
/* Raises the limit of open files as far as it goes, and returns it. */
int64_t wire_files(void);
/* Text of the last "name=value" among the arguments, or `otherwise`. */
const char *wire_arg(int argc, char **argv, const char *name, const char *otherwise);
int64_t wire_arg_n(int argc, char **argv, const char *name, const char *otherwise);

#endif

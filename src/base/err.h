/* Errors: one enum from the table, and must() for our own bugs.
 *
 * Owns: the mapping from enum err to the public code.  Needs: tbl/errors.h.  Threads: any.
 * Memory: static.  Errors: none.
 * Always: OK is 0; a refusal or a fault of the world is an enum err; a bug of ours aborts. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/attr.h"
#include "tbl/errors.h"

#include <stdbool.h>

enum err {
    OK = 0,
#define ERR(name, status, code, type, retry, meaning) ERR_##name,
    ERR_TABLE(ERR)
#undef ERR
        ERR__COUNT
};

struct err_info {
    const char *name; /* "INVALID_JSON" */
    int status;
    const char *code;
    const char *type;
    bool retry;
    const char *meaning;
};

/* The row of an error. OK has status 200 and code "ok". */
const struct err_info *err_info(enum err e);

/* Prints what failed, the trail of this thread, and aborts. Never prints user content. */
NORETURN void must_fail(const char *file, int line, const char *what);

/* Notes where this thread is, for must_fail(): static strings only, the last eight are kept. */
void must_trail(const char *step);

#define must(cond) (LIKELY(cond) ? (void)0 : must_fail(__FILE__, __LINE__, #cond))

#endif

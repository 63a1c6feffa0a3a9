/* The error table as data, and the way down for bugs. */
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

static const struct err_info table[ERR__COUNT] = {{"OK", 200, "ok", "", false, ""},
#define ERR(name, status, code, type, retry, meaning) {#name, status, code, type, retry, meaning},
                                                  ERR_TABLE(ERR)
#undef ERR
};

#define TRAIL_LEN 8
static _Thread_local const char *trail[TRAIL_LEN];
static _Thread_local unsigned trail_n;

const struct err_info *err_info(enum err e)
{
    must((unsigned)e < ERR__COUNT);
    return &table[e];
}

void must_trail(const char *step)
{
    trail[trail_n++ % TRAIL_LEN] = step;
}

void must_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "tollgate: bug: %s:%d: %s does not hold; trail:", file, line, what);
    unsigned n = trail_n < TRAIL_LEN ? trail_n : TRAIL_LEN;
    for (unsigned i = 0; i < n; i++) {
        const char *step = trail[(trail_n - n + i) % TRAIL_LEN];
        fprintf(stderr, " %s", step != NULL ? step : "-");
    }
    fputc('\n', stderr);
    abort();
}

/* The program's own things: one sandbox, one lane per loop.
 *
 * Owns: the lanes, and through them tallies, logs of requests, plays.
 * Needs: http, loop, base.
 * Threads: a lane belongs to its loop's thread, but for what its own locks guard (tally.h, seen.h);
 * the rest of struct sandbox is fixed before the loops run, or guards itself.
 * Memory: lives as long as the process.
 * Units: as the members say.
 * Errors: none.
 * Always: what is answered depends on the request and the seed alone (flaky: and on a counter). */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include "http/http.h"
#include "sandbox/seen.h"
#include "sandbox/tally.h"

#include <stdatomic.h>

enum {
    SANDBOX_LANES_MAX = 16,
    SANDBOX_BODY_BYTES_MAX = 64 * 1024 * 1024,
    SANDBOX_OUT_BYTES_MAX = 512 * 1024 * 1024
};

struct sandbox_keys;
struct sandbox_inbox;
struct sandbox_play;

/* Whose shapes a path speaks. */
enum sandbox_dialect {
    SANDBOX_OPENROUTER, /* /api/v1 */
    SANDBOX_OPENAI, /* /v1 */
    SANDBOX_DIALECT__COUNT
};

struct sandbox_lane {
    struct sandbox *sandbox;
    unsigned index;
    struct loop *loop;
    struct http_server *server;
    struct sandbox_tally tally;
    struct sandbox_seen seen;
    struct buf out; /* where an answer is built */
    struct sandbox_play *plays_free; /* kept for the next call */
};

struct sandbox {
    uint64_t seed;
    unsigned lanes_n;
    struct sandbox_lane *lanes;
    struct sandbox_keys *keys;
    struct sandbox_inbox *inbox;
    _Atomic uint64_t flaky; /* calls that asked for luck */
    _Atomic uint64_t order; /* of everything tallied */
    _Atomic uint64_t seen_order; /* of every request seen */
    size_t tally_max; /* entries kept per lane */
};

#endif

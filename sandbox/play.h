/* One call being answered: what it says, how far it has come, and what goes wrong with it.
 *
 * Owns: its text and its timer; the exchange belongs to the http room.
 * Needs: http, loop, base.
 * Threads: its lane's loop.
 * Memory: kept by the lane for the next call; text of more than 64 KiB is given back. A stream is
 * written ahead of the kernel by at most SANDBOX_AHEAD_BYTES.
 * Units: bytes, tokens, pico-dollars, events.
 * Errors: none; what goes wrong is asked for by the model's name.
 * Always: tallied once, before its first byte of an answer leaves. */
#ifndef SANDBOX_PLAY_H
#define SANDBOX_PLAY_H

#include "sandbox/ask.h"
#include "sandbox/sandbox.h"

enum {
    SANDBOX_AHEAD_BYTES = 128 * 1024,
    SANDBOX_PIECE_BYTES = 16,
    SANDBOX_PIECES_MAX = 4096,
    SANDBOX_HEADING_MAX = 512
};

struct sandbox_usage {
    int64_t prompt, completion, cached, reasoning;
    int64_t prompt_pico, completion_pico;
    int64_t cost_pico; /* what the caller pays */
    int64_t upstream_pico; /* what the provider behind takes */
};

struct sandbox_play {
    struct sandbox_play *next; /* in the lane's pool */
    struct sandbox_lane *lane;
    struct http_exchange *x;
    enum sandbox_dialect dialect;
    struct sandbox_ask ask;
    struct str key; /* the bearer's */
    int64_t began_us, created_us;
    struct loop_timer timer;

    struct buf text; /* the answer, or the arguments of a tool call */
    bool calls_tool, by_length;
    struct sandbox_usage usage;
    uint64_t number; /* in the tally */
    char id[SANDBOX_ID_MAX];
    struct str id_text;

    /* What the timer, or a drained queue, goes on with. */
    void (*then)(struct sandbox_play *p);

    /* Of streams: piece 0 has the role (and, of a tool call, no text yet); `at` bytes are out. */
    size_t piece_bytes, piece, at;
    size_t heading_n; /* of every event: everything up to "choices":[ */
    char heading[SANDBOX_HEADING_MAX];
    bool begun, waiting;
    int64_t gap_us; /* between events */
    int64_t until_us; /* of processing: when the answer begins */
    size_t pieces_max; /* behind it: cut, stall, error; SIZE_MAX: none */
};

/* Takes the call over; the exchange ends by it. */
void sandbox_play_start(struct sandbox_lane *lane, struct http_exchange *x,
                        enum sandbox_dialect dialect, const struct sandbox_ask *ask,
                        struct str key);

#endif

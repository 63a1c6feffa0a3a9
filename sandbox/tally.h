/* The sandbox's own count of what it served, which a test holds against the bill.
 *
 * Owns: one tally per lane: its entries in pre-allocated chunks, its totals, names met.
 * Needs: base.
 * Threads: only the lane's loop adds and mends; everybody may read: each tally has a lock, and a
 * reader that wants them all takes all locks, so that no number of the order is missing in between.
 * Memory: 96 bytes an entry, at most tally_max per lane (the oldest chunks go first); totals stay.
 * Units: tokens, pico-dollars, µs of wall time.
 * Errors: none; an id that is not known is `false`.
 * Always: an entry stands before its answer's first byte is given to the kernel; totals are the
 * sums of the entries since the last clearing, however many of them were dropped. */
#ifndef SANDBOX_TALLY_H
#define SANDBOX_TALLY_H

#include "base/buf.h"
#include "base/str.h"

#include <pthread.h>
#include <stdatomic.h>

struct sandbox;
struct sandbox_lane;

enum {
    SANDBOX_CLIENT_ID_MAX = 48,
    SANDBOX_NAME_MAX = 64,
    SANDBOX_NAMES = 4096, /* a power of two */
    SANDBOX_CHUNK = 16384,
    SANDBOX_CHUNKS_MAX = 4096,
    SANDBOX_ID_MAX = 64,
    SANDBOX_GENERATIONS = 100000 /* can be asked for after a clearing */
};

enum sandbox_entry_flag {
    SANDBOX_FINISHED = 1,
    SANDBOX_STREAMED = 2,
    SANDBOX_CANCELLED = 4,
    SANDBOX_BY_LENGTH = 8,
    SANDBOX_BY_TOOL = 16,
    SANDBOX_IS_BYOK = 32,
    SANDBOX_AS_CHATCMPL = 64, /* which prefix its id has; none: gen- */
    SANDBOX_AS_CMPL = 128
};

struct sandbox_entry {
    uint64_t order;
    int64_t cost_pico;
    int64_t created_us;
    uint32_t prompt, completion, cached, took_us;
    uint16_t status, model, key;
    uint8_t flags, client_id_n;
    char client_id[SANDBOX_CLIENT_ID_MAX];
};

struct sandbox_totals {
    uint64_t requests, unfinished, refused, abandoned;
    int64_t prompt, completion, cost_pico;
};

/* A text met before is known by its number. */
struct sandbox_name {
    uint64_t hash;
    uint16_t n; /* 0: a free place */
    char text[SANDBOX_NAME_MAX];
    int64_t cost_pico; /* of keys: used with it */
};

struct sandbox_tally {
    pthread_mutex_t lock;
    struct sandbox_entry *chunks[SANDBOX_CHUNKS_MAX]; /* a ring by number of chunk */
    uint64_t count; /* entries ever */
    uint64_t kept_from, listed_from; /* numbers of entries */
    struct sandbox_totals totals;
    struct sandbox_name *names; /* models and masked keys */
};

void sandbox_tally_init(struct sandbox_tally *t);
/* Adds the entry (order is given here) and says its number in this lane. */
uint64_t sandbox_tally_add(struct sandbox_lane *lane, struct sandbox_entry *entry, struct str model,
                           struct str key);
/* What an unfinished one has come to. */
void sandbox_tally_mend(struct sandbox_lane *lane, uint64_t number, uint32_t completion,
                        int64_t cost_pico, uint8_t flags, uint32_t took_us);
/* A client that left before anything was served. */
void sandbox_tally_abandoned(struct sandbox_lane *lane);
/* "gen-1732100000-01000000002a": when, lane, number. OpenAI's calls have their prefixes. */
struct str sandbox_id_text(const struct sandbox_entry *entry, unsigned lane, uint64_t number,
                           char text[SANDBOX_ID_MAX]);

/* An entry as shown: names instead of their numbers. */
struct sandbox_shown {
    struct sandbox_entry entry;
    unsigned lane;
    uint64_t number;
    char model[SANDBOX_NAME_MAX], key[SANDBOX_NAME_MAX];
};
bool sandbox_tally_find(struct sandbox *s, struct str id, struct sandbox_shown *ret_shown);
/* Entries with since < order <= until, in order, at most max. */
size_t sandbox_tally_page(struct sandbox *s, uint64_t since, uint64_t until,
                          struct sandbox_shown *shown, size_t max);
/* Sums of all lanes, the highest order so far, and how many listed entries are gone. */
struct sandbox_totals sandbox_tally_totals(struct sandbox *s, uint64_t *ret_until,
                                           uint64_t *ret_dropped);
/* Used with this key since the start, in all lanes. */
int64_t sandbox_tally_key_cost(struct sandbox *s, struct str key);
void sandbox_tally_clear(struct sandbox *s);

#endif

/* The journal's records: packed little-endian, self-contained, in the order in which they count.
 *
 *   0     1      2        4 …
 *   type  flags  bytes    fields by the type's row in record.c
 *
 * Owns: the format.
 * Needs: base.  Threads: any.  Memory: a decoded record points into the bytes it was read from.
 * Units: nano-dollars, µs, bytes.
 * Errors: CORRUPT for bytes that no writer of ours has made.
 * Always: what record_put has written, record_take reads, and writing that again gives the same
 * bytes. */
#ifndef LEDGER_RECORD_H
#define LEDGER_RECORD_H

#include "base/buf.h"
#include "base/id.h"

#define RECORD_HEAD_LEN 4
#define RECORD_CAPS_MAX 2
#define RECORD_PART_LEN 24
#define RECORD_PARTS_MAX 1024
#define RECORD_KEY_MAX 255
#define RECORD_REASON_MAX 512
#define RECORD_MOVE_MAX 64

enum record_type {
    RECORD_HOLD,
    RECORD_DISPATCHED,
    RECORD_UPSTREAM_ID,
    RECORD_CHECKPOINT,
    RECORD_SETTLE,
    RECORD_VOID,
    RECORD_ACCOUNT,
    RECORD_CAP,
    RECORD_GRANT,
    RECORD_TAKE,
    RECORD_REFUND,
    RECORD_KEY,
    RECORD_MOVE,
    RECORD_TYPE__COUNT
};

enum record_flag {
    RECORD_UNRESOLVED = 1, /* SETTLE: by policy */
    RECORD_OFF = 2, /* CAP: no limit */
};

struct record {
    enum record_type type;
    unsigned flags;
    struct id id; /* call; ACCOUNT, CAP: account; GRANT, TAKE: lot */
    struct id other; /* HOLD, SETTLE, GRANT: wallet; TAKE, REFUND, MOVE: the group of
                     * transfers */
    struct id caps[RECORD_CAPS_MAX]; /* HOLD; zero: none */
    int64_t at;
    int64_t
        amount; /* HOLD, GRANT, TAKE, REFUND, MOVE, KEY (result); CHECKPOINT, SETTLE: the charge;
                     * ACCOUNT: overdraft limit; CAP: limit */
    int64_t cost, over, written_off; /* SETTLE: over is what was taken beyond the hold */
    int64_t expires; /* GRANT */
    int64_t priority; /* GRANT */
    unsigned kind; /* ACCOUNT, GRANT */
    uint8_t hash[32]; /* KEY: of the request's body */
    struct str about; /* the caller's bytes; GRANT source, TAKE to, KEY key, MOVE "from to" */
    struct str reason; /* GRANT, TAKE, REFUND; KEY: name of the error or "OK" */
    struct str parts; /* REFUND: (lot or wallet, amount) × n, see record_part */
};

struct record_part {
    struct id id;
    int64_t amount;
};

/* "HOLD", … for reports. */
const char *record_name(enum record_type type);
/* Appends; the record is ours, so a field over its bounds is a bug and aborts. */
void record_put(struct buf *b, const struct record *r);
/* Takes the first record off *s. */
MUST enum err record_take(struct str *s, struct record *ret_record);
/* What buf_le has written. */
uint64_t record_le(const char *p, unsigned bytes);
struct record_part record_part(struct str parts, size_t i);
static inline size_t record_parts(struct str parts)
{
    return parts.n / RECORD_PART_LEN;
}
void record_part_put(struct buf *b, struct id id, int64_t amount);

#endif

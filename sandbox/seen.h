/* The last requests as they came, so that a test can look at what a gateway sent upstream.
 *
 * Owns: per lane a ring of the last SANDBOX_SEEN requests.
 * Needs: http, base.
 * Threads: the lane's loop writes, everybody reads; a lock per ring.
 * Memory: per request its head and up to 64 KiB of body; the buffers are kept and used again.
 * Units: bytes.
 * Errors: none.
 * Always: the value of Authorization is not kept. */
#ifndef SANDBOX_SEEN_H
#define SANDBOX_SEEN_H

#include "base/buf.h"
#include "http/http.h"

#include <pthread.h>

struct sandbox;
struct sandbox_lane;

enum { SANDBOX_SEEN = 256, SANDBOX_SEEN_BODY_MAX = 64 * 1024 };

struct sandbox_sight {
    uint64_t order;
    int64_t at_us;
    size_t body_bytes; /* as it came; the copy may be shorter */
    struct buf head; /* "METHOD target", then "Name: value" lines, each ended by LF */
    struct buf body;
};

struct sandbox_seen {
    pthread_mutex_t lock;
    uint64_t count;
    struct sandbox_sight *ring;
};

void sandbox_seen_init(struct sandbox_seen *seen);
void sandbox_seen_note(struct sandbox_lane *lane, const struct http_request *request);
/* The last `last` of all lanes, oldest first, as elements of a JSON array. */
void sandbox_seen_show(struct sandbox *s, size_t last, struct buf *b);
void sandbox_seen_clear(struct sandbox *s);

#endif

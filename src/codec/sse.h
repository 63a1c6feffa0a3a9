/* Server-sent events, decoding, without I/O. Source: HTML standard §9.2.6 (WHATWG).
 *
 * Owns: the bytes of an event that is not yet complete.  Threads: one at a time.
 * Memory: bounded by event_bytes_max; an event inside one input slice is not copied.
 * Errors: ERR_LIMIT when one event is longer than the maximum; sticky.
 * Always: line ends CR, LF and CRLF; a leading BOM is dropped; what stands behind the last blank
 * line is no event; every byte but the BOM is in exactly one `raw`; how the input was cut does not
 * change what comes out. A blank line that ends with CR is waited for its LF only when the line
 * before ended with CRLF, so no event is late for want of a byte that never comes. */
#ifndef CODEC_SSE_H
#define CODEC_SSE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum sse_kind {
    SSE_EVENT, /* has data */
    SSE_COMMENT, /* comment lines alone, fields without data, or a blank line by itself */
    SSE_KIND__COUNT
};

struct sse_event {
    enum sse_kind kind;
    struct str raw; /* everything up to and with the blank line */
    struct str name; /* of `event:`, empty when none */
    struct str data; /* of `data:`; several lines joined by LF (then in `joined`) */
    struct str id; /* of `id:`, unless it holds NUL */
};

struct sse {
    struct buf held; /* start of an incomplete event */
    struct buf joined; /* data of several lines */
    size_t scanned; /* of `held`: so far there is no end of a line that was not looked at */
    size_t line; /* of `held`: where the unfinished line begins */
    size_t event_bytes_max;
    bool started, failed;
    bool consumed; /* the event in `held` was given out and goes at the next call */
};

void sse_init(struct sse *s, size_t event_bytes_max);
void sse_reset(struct sse *s);
void sse_fini(struct sse *s);
/* Takes from *in. OK: an event (its slices live until the next call); ERR_END: give more. */
MUST enum err sse_next(struct sse *s, struct str *in, struct sse_event *ret_event);
/* Bytes held of an event that never ended (at the end of the stream: lost by the standard). */
struct str sse_rest(const struct sse *s);

#endif

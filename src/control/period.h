/* ?start=&end= of what looks back.
 *
 * Owns: nothing.  Needs: http.  Threads: any.  Memory: none.  Units: µs.
 * Errors: INVALID_REQUEST with the field and words in the reply.
 * Always: end lies behind start, by ten years at most. */
#ifndef CONTROL_PERIOD_H
#define CONTROL_PERIOD_H

#include "http/http.h"

struct control_period {
    int64_t start_us, end_us;
};
/* What is missing stays as it is in *p. */
MUST enum err control_period_read(const struct http_request *r, struct http_reply *reply,
                                  struct control_period *p);

#endif

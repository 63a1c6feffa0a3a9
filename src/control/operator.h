/* What operator's routes share: the operations of the admin room, called by name.
 *
 * Owns: nothing.  Needs: body, who.  Threads: worker threads; blocks.
 * Memory: texts in the reply's arena.  Units: as on the wire.
 * Errors: INVALID_JSON, INVALID_REQUEST with the field; those of the operation, with its words.
 * Always: the audit log has who did it and from where. */
#ifndef CONTROL_OPERATOR_H
#define CONTROL_OPERATOR_H

#include "control/routes.h"

/* A member of the body, and the operation's argument that it becomes. */
struct operator_member {
    const char *json, *arg;
};
/* The body, which must be an object; nothing counts as an empty one. */
MUST enum err operator_object(const struct http_request *r, struct http_reply *reply,
                              struct str *ret_object);
/* Reads the body (strings, numbers and true; null is nothing) into an arguments object, left open
 * for more. */
MUST enum err operator_args(const struct http_request *r, struct http_reply *reply,
                            const struct operator_member *members, size_t n, struct buf *args);
/* Closes `args`, performs, and makes the operation's result the answer. */
MUST enum err operator_perform(struct control *c, const struct control_who *who,
                               const struct http_request *r, struct http_reply *reply,
                               const char *operation, struct buf *args, struct buf *ret_result);

#endif

/* The operator's door: a unix socket of the running server, and the way in from a verb.
 *
 * Wire: four bytes of length (big-endian) and a JSON object, both ways. Request
 * {"op":…,"args":{…}}; answer {"ok":true,"result":…} or {"ok":false,"code":…,"message":…}.
 *
 * Owns: the socket file and its threads (at most 8 operations at once).
 * Needs: admin.
 * Threads: one that accepts, one per operation.
 * Memory: 1 MiB a request, 64 MiB an answer.
 * Errors: a peer of another user (root aside) is cut without an answer. */
#ifndef APP_SOCKET_H
#define APP_SOCKET_H

#include "app/house.h"

struct socket_door;
MUST enum err socket_door_open(struct house *h, struct socket_door **ret_door, struct buf *why);
void socket_door_close(struct socket_door **door);

enum socket_result {
    SOCKET_ANSWERED, /* by the server: the operation's own outcome is in ret_err */
    SOCKET_NOBODY, /* no server runs on this house */
    SOCKET_BROKEN, /* it hung up */
};
enum socket_result socket_ask(const struct house *h, const char *operation, struct str args,
                              struct buf *out, struct buf *why, enum err *ret_err);

#endif

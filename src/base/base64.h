/* Base64 for URLs, without padding (RFC 4648 §5); and the plain one with it (§4), for headers.
 *
 * Owns: nothing.  Threads: any.  Memory: the caller's buffer.
 * Errors: INVALID_REQUEST for a character, a length or trailing bits that no encoder makes. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

void base64url_add(struct buf *out, struct str bytes);
void base64_add(struct buf *out, struct str bytes);
MUST enum err base64url_read(struct str text, struct buf *ret_bytes);

#endif

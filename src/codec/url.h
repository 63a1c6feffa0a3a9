/* URLs: percent-encoding, query parameters, absolute http addresses, without I/O.
 * Sources: RFC 3986; application/x-www-form-urlencoded (WHATWG URL §5).
 *
 * Owns: nothing.  Needs: base.  Threads: any.
 * Memory: results are slices of the input, or of a buf that the caller gives.
 * Units: bytes.
 * Errors: ERR_INVALID_REQUEST; `ret_why` says which rule was broken.
 * Always: a malformed escape is refused, never passed on; an escaped NUL as well. */
#ifndef CODEC_URL_H
#define CODEC_URL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Appends the decoded text. `plus`: '+' stands for a blank (queries). On failure the buf is left as
 * it was. ERR_LIMIT when it is full. */
MUST enum err url_decode(struct str s, bool plus, struct buf *to);
/* Appends s with everything but unreserved characters escaped. */
void url_encode(struct str s, struct buf *to);

/* Takes the next "name=value" from *query, still encoded; empty pairs ("&&") are passed over. False
 * when there is no more. */
bool url_query_next(struct str *query, struct str *ret_name, struct str *ret_value);
/* First parameter whose decoded name is `name`: its value, still encoded. False: not there. */
bool url_query_get(struct str query, struct str name, struct str *ret_value);

struct url {
    struct str scheme; /* "http" or "https", maybe in capitals */
    bool tls;
    struct str host; /* name or IPv4 as written; IPv6 without its brackets */
    bool host_is_ipv6;
    uint16_t port; /* 80 or 443 when not named */
    struct str path; /* with its leading slash; "/" when empty */
    struct str query; /* without '?' */
    struct str fragment;
};

/* http:// and https:// alone; user info is refused, since nobody means it. */
MUST enum err url_parse(struct str s, struct url *ret_url, const char **ret_why);

#endif

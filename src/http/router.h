/* The route table, made quick: plain paths by hash, paths with parameters by specificity.
 *
 * Owns: an index over routes that the caller keeps.  Needs: base, codec.  Threads: any, read-only.
 * Memory: built once; a match puts decoded parameters into the caller's arena.
 * Errors: NOT_FOUND, METHOD_NOT_ALLOWED (with what is allowed), INVALID_REQUEST (a bad %-escape in
 * a parameter), HEADERS_TOO_LARGE when the arena is full.
 * Always: a literal segment wins over {x}, {x} over {x*}, whatever the order of the table; "/{x*}"
 * takes only what no other route has by any method, and its own other methods are NOT_FOUND; two
 * routes of the same shape and method are a bug and abort at the start. */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include "http/http.h"

#define HTTP_PARAMS_MAX 4
#define HTTP_ALLOW_MAX 80

struct http_router;

struct http_router *http_router_new(const struct http_route *routes, size_t n);
void http_router_free(struct http_router **r);
/* ret_allow is written with METHOD_NOT_ALLOWED only: "GET, HEAD, POST". */
MUST enum err http_router_find(const struct http_router *r, enum http1_method method,
                               struct str path, struct arena *a,
                               struct str ret_params[HTTP_PARAMS_MAX],
                               const struct http_route **ret_route, char ret_allow[HTTP_ALLOW_MAX]);
/* %-escapes (and '+' as a blank when `plus`) decoded into the arena; ERR_INVALID_REQUEST for a bad
 * escape or a NUL. */
MUST enum err http_percent_decode(struct str s, bool plus, struct arena *a, struct str *ret_text);

#endif

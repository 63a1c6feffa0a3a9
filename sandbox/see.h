/* What a test looks at: /sandbox/ledger, /sandbox/requests, /sandbox/inbox, /health.
 *
 * Owns: the route handlers.  Needs: http.
 * Threads: listings on workers (slow lane), the rest on the loop.
 * Memory: a listing is cut at the http room's bound for bodies and says has_more.
 * Units: dollars as decimals; tokens.
 * Errors: 400 for a bad parameter.
 * Always: totals are exact whatever part of the list is shown. */
#ifndef SANDBOX_SEE_H
#define SANDBOX_SEE_H

#include "sandbox/sandbox.h"

size_t sandbox_see_routes(struct sandbox_lane *lane, struct http_route *routes, size_t n,
                          size_t max);

#endif

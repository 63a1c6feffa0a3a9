/* The routes of OpenRouter (/api/v1) and OpenAI (/v1).
 *
 * Owns: the route handlers.  Needs: http.
 * Threads: fast lane, each on its lane's loop.
 * Memory: answers are built in the lane's buffer.
 * Units: none.
 * Errors: in the shape of the path's dialect.
 * Always: a call without a bearer key is 401; any other key is taken (but see keys.h). */
#ifndef SANDBOX_LLM_H
#define SANDBOX_LLM_H

#include "sandbox/sandbox.h"

/* Puts the routes of this lane behind routes[0, n), at most max; says how many there are then. */
size_t sandbox_llm_routes(struct sandbox_lane *lane, struct http_route *routes, size_t n,
                          size_t max);
/* For http_options.render: errors of the http room itself, in the shape of their path. */
void sandbox_llm_render(void *arg, struct str path, enum err e, struct str message,
                        struct str field, const char *request_id, struct buf *headers,
                        struct buf *body);

#endif

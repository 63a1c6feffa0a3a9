/* The test server: what its two files share.
 * Owns: one loop, one server, one upstream pool.  Needs: http, upstream.  Threads: one.
 * Memory: freed at the end.  Units: ms on the command line.  Errors: said on stderr, exit 1. */
#ifndef SCENARIOS_HTTPD_H
#define SCENARIOS_HTTPD_H

#include "http/http.h"
#include "upstream/upstream.h"

struct httpd {
    struct loop *loop;
    struct http_server *server;
    struct upstream_pool *pool;
    struct loop_tls *client_tls;
    struct upstream_target fixed; /* of --upstream, for /up */
    struct str fixed_path;
    _Atomic size_t buffered;
};
extern struct httpd httpd;

/* ?url=http://… : passes the request on there, streams the answer back. A failure is told in the
 * header X-Failure. */
void proxy_ready(void *arg, struct http_exchange *x);
/* The same to --upstream. */
void proxy_fixed(void *arg, struct http_exchange *x);
/* A number from the query in µs, from ms; 0 when it is not there. */
int64_t query_us(struct http_exchange *x, struct str name);

#endif

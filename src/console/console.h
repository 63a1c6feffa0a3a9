/* The console: a single-page app, embedded in the binary and served by it.
 *
 * Owns: its two files that bear the brand's name and colour, rendered once at the start.
 * Needs: base, http.
 * Threads: console_find and the routes read only; any loop.
 * Memory: everything else it answers with is constant.
 * Units: bytes.
 * Errors: a path that is neither a file nor a page is the page "not found" with 404 for who takes
 * HTML, and not_found in JSON for everybody else and under the prefixes of the APIs.
 * Always: files under /assets/ have a hash in their name and never change; everything else is asked
 * about again (ETag). Nothing that a browser runs comes from elsewhere. */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include "http/http.h"

struct console;

/* `color` is a CSS colour of the form #rrggbb; empty, or anything else: the console's own.
 * `logo_url` says from where else pictures may come; it may be empty or a path. */
struct console *console_new(struct str brand, struct str color, struct str logo_url);
void console_free(struct console **c);

/* "GET /" and "GET /{path*}". */
struct http_route console_route_home(struct console *c);
struct http_route console_route(struct console *c);

/* What is asked for. */
struct console_ask {
    struct str path; /* as in the request line, without its query */
    struct str accept, accept_encoding, if_none_match; /* empty when not there */
};

struct console_answer {
    int status; /* 200, 304, 404 */
    bool zipped;
    bool for_ever; /* may be kept without asking again */
    struct str body, etag;
    const char *content_type;
};

/* False: the answer is the ordinary not_found. */
bool console_find(const struct console *c, const struct console_ask *ask,
                  struct console_answer *ret_answer);

/* Does this path belong to a program rather than to a person? */
bool console_path_is_api(struct str path);
/* The security headers of every answer, as complete lines; `https` says whether people reach this
 * house by it. Calls (/v1) get the two that mean something to them. */
void console_headers(const struct console *c, struct str path, bool https, struct buf *lines);

#endif

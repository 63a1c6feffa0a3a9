/* HTTP for everybody but the data path: libcurl, blocking.
 *
 * Owns: one libcurl handle per thread.
 * Needs: base.
 * Threads: worker threads and verbs; never a loop.
 * Memory: the answer's body is bounded by body_bytes_max.
 * Units: ms, bytes.
 * Errors: UPSTREAM_UNAVAILABLE (no connection), UPSTREAM_TIMEOUT, UPSTREAM_ERROR (broken answer,
 * or larger than asked for), FORBIDDEN (the guard refused the address). ret_why says more.
 * Always: no redirects; TLS is verified; with `guarded` only public addresses are connected to,
 * which is checked on the address of the connection, not on the name. */
#ifndef OUTBOUND_OUTBOUND_H
#define OUTBOUND_OUTBOUND_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define OUTBOUND_WHY_MAX 256

struct outbound_request {
    const char *method;
    const char *url;
    const char *const *headers; /* "Name: value", ends with NULL; may be NULL */
    struct str body; /* empty: none */
    int64_t timeout_ms;
    size_t body_bytes_max;
    const char *ca_file; /* NULL: the system's */
    const char *unix_socket; /* NULL: TCP */
    bool guarded; /* the address comes from a customer */
    /* When set, a 2xx body is handed over as it arrives instead of being collected. */
    void (*on_bytes)(void *arg, struct str bytes);
    void *arg;
};

struct outbound_answer {
    int status;
    struct buf headers; /* raw lines of the final answer */
    struct buf body;
};
void outbound_answer_fini(struct outbound_answer *a);
/* Value of a header of the answer; empty when it is not there. */
struct str outbound_header(const struct outbound_answer *a, struct str name);
/* The same for the first header whose name ends so. */
struct str outbound_header_ending(const struct outbound_answer *a, struct str ending);

/* The caller gives the answer back by outbound_answer_fini, also after an error. */
MUST enum err outbound_call(const struct outbound_request *request,
                            struct outbound_answer *ret_answer, char ret_why[OUTBOUND_WHY_MAX]);
/* For the guard and its test: a public unicast address? */
struct sockaddr;
bool outbound_address_is_public(const struct sockaddr *address);

#endif

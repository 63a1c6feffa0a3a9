/* One mail by SMTP: libcurl, blocking.
 *
 * Owns: nothing.
 * Needs: base.
 * Threads: worker threads; never a loop.
 * Memory: none kept.
 * Units: ms.
 * Errors: VALIDATION_FAILED (the server refuses this mail or recipient for good),
 * RATE_LIMITED (it says: later), DENIED (it does not let us in), UPSTREAM_UNAVAILABLE (no
 * connection, or no TLS), UPSTREAM_TIMEOUT, UPSTREAM_ERROR. ret_why says more, in the server's
 * words.
 * Always: TLS is verified; without it nothing goes to another machine unless `plain_allowed`. */
#ifndef OUTBOUND_MAIL_H
#define OUTBOUND_MAIL_H

#include "outbound/outbound.h"

struct outbound_mail {
    const char *url; /* "smtp://host:587", "smtps://host:465" */
    const char *user, *password; /* empty: none */
    const char *from, *to; /* addresses */
    struct str message; /* RFC 5322, lines end with CR LF */
    int64_t timeout_ms;
    const char *ca_file; /* NULL: the system's */
    bool plain_allowed;
};
MUST enum err outbound_mail_send(const struct outbound_mail *mail, char ret_why[OUTBOUND_WHY_MAX]);

#endif

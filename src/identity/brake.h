/* Growing delays for those who guess: by account, by address.
 *
 * Owns: a table of fixed size in memory.
 * Needs: the pepper.
 * Threads: any; one short lock.
 * Memory: 16,384 entries; when a neighbourhood of eight is full the one longest unused goes.
 * Units: µs of the monotonic clock.
 * Errors: none.
 * Always: a try counts before its outcome is known, so that many at once are no way around. */
#ifndef IDENTITY_BRAKE_H
#define IDENTITY_BRAKE_H

#include "identity/identity.h"

enum identity_brake_kind {
    IDENTITY_BRAKE_ACCOUNT, /* passwords and codes of one account */
    IDENTITY_BRAKE_ADDRESS, /* passwords tried from one address */
    IDENTITY_BRAKE_SIGN_UP, /* mails asked for from one address */
    IDENTITY_BRAKE_MAIL, /* mails asked for to one address */
    IDENTITY_BRAKE_DEVICE, /* codes of devices entered by one user, or asked for from one address */
    IDENTITY_BRAKE__COUNT
};
/* Counts a try. 0: go on; else how long to wait, and nothing is counted. */
int64_t identity_brake_take(struct identity *identity, enum identity_brake_kind kind,
                            struct str subject, int64_t mono_us);
/* That try was good: of an account everything is forgotten, else one try is given back. */
void identity_brake_good(struct identity *identity, enum identity_brake_kind kind,
                         struct str subject);

/* ---- inside of the room ---- */
/* Who a subject stands for: an IPv6 address for its /64, which one customer has whole; IPv4 mapped
 * into IPv6 for itself; anything else is what it is. */
#define IDENTITY_NET_TEXT_MAX 48
struct str identity_brake_net(struct str subject, char text[IDENTITY_NET_TEXT_MAX]);

#endif

/* Who somebody is elsewhere, made into who he is here. Inside this room only.
 *
 * Owns: nothing.  Needs: identity, ledger.  Threads: _in inside a store_write closure.
 * Memory: none kept.  Units: µs.
 * Errors: NOT_FOUND (none, and none may be made), CONFLICT (the identity is somebody else's),
 * DENIED (the address's account has a second factor: sign in with it first), EMAIL_UNVERIFIED (the
 * issuer does not say that the address is his), FORBIDDEN (suspended, or gone).
 * Always: an address counts only when the issuer has verified it; an account whose address nobody
 * had verified goes to who has, without the password and the sessions that it had. */
#ifndef CONTROL_OIDC_H
#define CONTROL_OIDC_H

#include "control/account.h"
#include "identity/oidc.h"

struct control_oidc_account {
    const struct identity_oidc_who *who;
    struct id link_to; /* not zero: the one who is signed in gets this identity */
    bool bearer; /* a token, not a person at a browser: an account needs no address */
    /* Found: */
    struct id user;
    bool created, linked; /* a new account; another way into an old one */
};
MUST enum err control_oidc_account_in(struct control *c, struct store_conn *conn,
                                      struct control_oidc_account *x, int64_t now_us);
/* The user that a token of a configured issuer stands for; made at the first time. INVALID_
 * CREDENTIALS, FORBIDDEN, or those above; words in the reply. */
MUST enum err control_oidc_bearer(struct control *c, struct http_reply *reply, struct str token,
                                  int64_t now_us, struct identity_profile *ret);

#endif

/* Teams: who belongs to them, as what; invitations.
 *
 * Owns: tables team, member (with identity.h), invitation.
 * Needs: store.
 * Threads: all block: worker threads; functions ending in _in run inside a store_write closure.
 * Memory: rows live until the callback returns, or in the arena given.
 * Units: µs.
 * Errors: NOT_FOUND, CONFLICT (said at each function).
 * Always: a team has an owner, its wallet is its own id's account. */
#ifndef IDENTITY_TEAM_H
#define IDENTITY_TEAM_H

#include "identity/identity.h"
#include "identity/role.h"

/* The user's role in the team; NOT_FOUND for who is no member. */
MUST enum err identity_member_role(struct store_conn *conn, struct id team, struct id user,
                                   enum identity_role *ret_role);

#endif

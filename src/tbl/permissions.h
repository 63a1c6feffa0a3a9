/* What a role may do in its team, and which scope of an API key may do the same.
 *
 *   MAY(NAME, "public name", owner, admin, developer, viewer, key scope, team)
 *
 * The four roles are 1 or 0. Scope: NONE when no key may, else USAGE or KEYS. Team: CURRENT is the
 * session's current team (or the key's), PATH the one that the route names by its first {id}. */
#ifndef TBL_PERMISSIONS_H
#define TBL_PERMISSIONS_H

#define PERMISSION_TABLE(MAY)                                                                      \
    MAY(USAGE_READ, "usage.read", 1, 1, 1, 1, USAGE, CURRENT)                                      \
    MAY(BILLING_READ, "billing.read", 1, 1, 1, 1, USAGE, CURRENT)                                  \
    MAY(BILLING_WRITE, "billing.write", 1, 1, 0, 0, NONE, CURRENT)                                 \
    /* Paying; keys may for who pays from a terminal. */                                           \
    MAY(CHECKOUT, "billing.checkout", 1, 1, 0, 0, USAGE, CURRENT)                                  \
    MAY(KEYS_READ, "keys.read", 1, 1, 1, 1, KEYS, CURRENT)                                         \
    MAY(KEYS_WRITE, "keys.write", 1, 1, 1, 0, KEYS, CURRENT)                                       \
    /* Other members' keys too. */                                                                 \
    MAY(KEYS_ALL, "keys.all", 1, 1, 0, 0, NONE, CURRENT)                                           \
    MAY(WEBHOOKS_READ, "webhooks.read", 1, 1, 1, 0, NONE, CURRENT)                                 \
    MAY(WEBHOOKS_WRITE, "webhooks.write", 1, 1, 0, 0, NONE, CURRENT)                               \
    MAY(PLAYGROUND, "playground", 1, 1, 1, 0, NONE, CURRENT)                                       \
    MAY(AUDIT_READ, "audit.read", 1, 1, 0, 0, NONE, CURRENT)                                       \
    MAY(TEAM_READ, "team.read", 1, 1, 1, 1, NONE, PATH)                                            \
    MAY(TEAM_WRITE, "team.write", 1, 1, 0, 0, NONE, PATH)                                          \
    MAY(MEMBERS_WRITE, "members.write", 1, 1, 0, 0, NONE, PATH)                                    \
    /* Ending it, and giving it away. */                                                           \
    MAY(TEAM_OWN, "team.own", 1, 0, 0, 0, NONE, PATH)

#endif

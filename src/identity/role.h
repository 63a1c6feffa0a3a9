/* Roles and what they may: tbl/permissions.h as values.
 *
 * Owns: nothing.  Needs: tbl.  Threads: any, pure.  Memory: static.
 * Errors: a word that is no role is INVALID_REQUEST. */
#ifndef IDENTITY_ROLE_H
#define IDENTITY_ROLE_H

#include "base/err.h"
#include "base/str.h"
#include "tbl/permissions.h"

enum identity_role {
    IDENTITY_ROLE_NONE,
    IDENTITY_VIEWER,
    IDENTITY_DEVELOPER,
    IDENTITY_ADMIN,
    IDENTITY_OWNER,
    IDENTITY_ROLE__COUNT
};

enum identity_may {
#define MAY(name, text, owner, admin, developer, viewer, scope, team) IDENTITY_MAY_##name,
    PERMISSION_TABLE(MAY)
#undef MAY
        IDENTITY_MAY__COUNT
};

/* "owner", "admin", "developer", "viewer"; "" for none. */
const char *identity_role_name(enum identity_role role);
MUST enum err identity_role_parse(struct str s, enum identity_role *ret_role);
/* Bit 1 << IDENTITY_MAY_x for each x that the role may. */
unsigned identity_role_permissions(enum identity_role role);
/* What a key with these scopes may. */
unsigned identity_scopes_permissions(unsigned scopes);
const char *identity_may_name(enum identity_may may);
/* Is it about the team that the route names? */
bool identity_may_is_of_path(enum identity_may may);

#endif

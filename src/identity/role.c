/* The permission table, read by role and by scope. */
#include "identity/role.h"
#include "identity/identity.h"

static const char *const role_names[IDENTITY_ROLE__COUNT] = {
    [IDENTITY_ROLE_NONE] = "",  [IDENTITY_VIEWER] = "viewer", [IDENTITY_DEVELOPER] = "developer",
    [IDENTITY_ADMIN] = "admin", [IDENTITY_OWNER] = "owner",
};

#define SCOPE_NONE 0
#define SCOPE_USAGE IDENTITY_SCOPE_USAGE
#define SCOPE_KEYS IDENTITY_SCOPE_KEYS
#define TEAM_CURRENT false
#define TEAM_PATH true

static const struct {
    const char *name;
    bool may[IDENTITY_ROLE__COUNT];
    unsigned scope;
    bool of_path;
} rows[IDENTITY_MAY__COUNT] = {
#define MAY(id, text, owner, admin, developer, viewer, scope, team)                                \
    {text,                                                                                         \
     {[IDENTITY_OWNER] = owner,                                                                    \
      [IDENTITY_ADMIN] = admin,                                                                    \
      [IDENTITY_DEVELOPER] = developer,                                                            \
      [IDENTITY_VIEWER] = viewer},                                                                 \
     SCOPE_##scope,                                                                                \
     TEAM_##team},
    PERMISSION_TABLE(MAY)
#undef MAY
};

const char *identity_role_name(enum identity_role role)
{
    return role_names[role];
}

enum err identity_role_parse(struct str s, enum identity_role *ret_role)
{
    for (int r = IDENTITY_VIEWER; r < IDENTITY_ROLE__COUNT; r++)
        if (str_eq(s, str_c(role_names[r]))) {
            *ret_role = (enum identity_role)r;
            return OK;
        }
    return ERR_INVALID_REQUEST;
}

unsigned identity_role_permissions(enum identity_role role)
{
    unsigned set = 0;
    for (unsigned i = 0; i < IDENTITY_MAY__COUNT; i++)
        if (rows[i].may[role])
            set |= 1u << i;
    return set;
}

unsigned identity_scopes_permissions(unsigned scopes)
{
    unsigned set = 0;
    for (unsigned i = 0; i < IDENTITY_MAY__COUNT; i++)
        if ((rows[i].scope & scopes) != 0)
            set |= 1u << i;
    return set;
}

const char *identity_may_name(enum identity_may may)
{
    return rows[may].name;
}

bool identity_may_is_of_path(enum identity_may may)
{
    return rows[may].of_path;
}

/* Teams: who belongs to them, as what; invitations.
 *
 * Owns: tables team, member (with identity.h), invitation.
 * Needs: store.
 * Threads: all block: worker threads; functions ending in _in run inside a store_write closure.
 * Memory: rows live until the callback returns; what is read alone, in the arena given.
 * Units: µs.
 * Errors: NOT_FOUND; CONFLICT: a team would be without an owner, or it is a personal one; others
 * are said at each function.
 * Always: a team has an owner; its wallet is the account of its own id, which the caller opens.
 * Keys of who leaves end at once. */
#ifndef IDENTITY_TEAM_H
#define IDENTITY_TEAM_H

#include "identity/identity.h"
#include "identity/role.h"

/* NOT_FOUND for who is no member. */
MUST enum err identity_member_role(struct store_conn *conn, struct id team, struct id user,
                                   enum identity_role *ret_role);

struct identity_team_row {
    struct id team;
    struct str name;
    enum identity_role role; /* of the user asked for */
    bool personal;
    int64_t members, created_us;
};
typedef void (*identity_team_row_f)(void *arg, const struct identity_team_row *row);
/* Of a user, oldest first. */
MUST enum err identity_team_list(struct store_conn *conn, struct id user, identity_team_row_f fn,
                                 void *arg);
MUST enum err identity_team_get(struct store_conn *conn, struct id team, struct id user,
                                identity_team_row_f fn, void *arg);
/* 1 to 100 characters. */
const char *identity_team_fault(struct str name);
MUST enum err identity_team_create_in(struct store_conn *conn, struct str name, struct id owner,
                                      int64_t wall_us, struct id *ret_team);
MUST enum err identity_team_rename_in(struct store_conn *conn, struct id team, struct str name);
/* Members, invitations and keys end; what was spent stays. */
MUST enum err identity_team_delete_in(struct identity *identity, struct store_conn *conn,
                                      struct id team, int64_t wall_us);

struct identity_member_row {
    struct id user, cap;
    struct str email, name;
    enum identity_role role;
    int64_t joined_us;
};
typedef void (*identity_member_row_f)(void *arg, const struct identity_member_row *row);
/* user zero: all, oldest first; else that one (NOT_FOUND when he is none). */
MUST enum err identity_member_list(struct store_conn *conn, struct id team, struct id user,
                                   identity_member_row_f fn, void *arg);
MUST enum err identity_member_role_set_in(struct store_conn *conn, struct id team, struct id user,
                                          enum identity_role role);
MUST enum err identity_member_remove_in(struct identity *identity, struct store_conn *conn,
                                        struct id team, struct id user, int64_t wall_us);
/* `to`, a member, becomes owner; `from` becomes admin. */
MUST enum err identity_team_transfer_in(struct store_conn *conn, struct id team, struct id from,
                                        struct id to);

/* ---- invitations ---- */
#define IDENTITY_INVITATION_TEXT_MAX 48
#define IDENTITY_INVITATION_DAYS 7
struct identity_invitation {
    struct str id_text; /* inv_… */
    struct id team, inviter;
    struct str team_name, email, inviter_email, inviter_name;
    enum identity_role role;
    int64_t created_us, expires_us, accepted_us;
    bool open; /* may be accepted now */
};
struct identity_invitation_spec {
    struct id team, by;
    struct str email;
    enum identity_role role;
};
/* An earlier one of the same address is void. VALIDATION_FAILED: no address; CONFLICT: a member
 * has this address. */
MUST enum err identity_invitation_make_in(struct identity *identity, struct store_conn *conn,
                                          const struct identity_invitation_spec *spec,
                                          int64_t wall_us, char ret_id[ID_TEXT_MAX],
                                          char ret_token[IDENTITY_INVITATION_TEXT_MAX]);
MUST enum err identity_invitation_by_token(struct identity *identity, struct store_conn *conn,
                                           struct arena *a, struct str token, int64_t wall_us,
                                           struct identity_invitation *ret);
MUST enum err identity_invitation_by_id(struct store_conn *conn, struct arena *a, struct str id,
                                        int64_t wall_us, struct identity_invitation *ret);
typedef void (*identity_invitation_f)(void *arg, const struct identity_invitation *row);
MUST enum err identity_invitation_list(struct store_conn *conn, struct id team, struct str below,
                                       int64_t limit, int64_t wall_us, identity_invitation_f fn,
                                       void *arg);
/* Who accepts becomes a member; who is one already stays what he is. NOT_FOUND unless it is
 * open. */
MUST enum err identity_invitation_accept_in(struct store_conn *conn,
                                            const struct identity_invitation *invitation,
                                            struct id user, int64_t wall_us);
MUST enum err identity_invitation_drop_in(struct store_conn *conn, struct id team, struct str id);

#endif

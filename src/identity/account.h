/* Accounts: people who sign in. Passwords, one-time links, profiles, the second factor, the end.
 *
 * Owns: the columns of app_user beside those of identity.h, tables auth_token and recovery_code.
 * Needs: store, base.
 * Threads: all block: worker threads; functions ending in _in run inside a store_write closure.
 * identity_password_* take 20 to 60 MB and some tens of milliseconds each and wait for each other.
 * Memory: texts that are read are copies in the arena given.
 * Units: µs.
 * Errors: CONFLICT (the address is taken), NOT_FOUND (no such user, link or code), OVERLOADED (too
 * many passwords at once), VALIDATION_FAILED.
 * Always: passwords are stored as argon2id (PHC string), links and codes as keyed hashes, the
 * secret of the second factor sealed; nothing of them is logged. */
#ifndef IDENTITY_ACCOUNT_H
#define IDENTITY_ACCOUNT_H

#include "identity/identity.h"

/* ---- people ---- */
struct identity_account_spec {
    struct str email, name, company; /* name and company may be empty */
    struct str password; /* as identity_password_hash gives it; empty: none */
    bool verified; /* the address is known to be his: by an operator, or a trusted issuer */
    bool is_operator;
};
/* Makes user, personal team and membership, as identity_user_create_in does. */
MUST enum err identity_account_create_in(struct identity *identity, struct store_conn *conn,
                                         const struct identity_account_spec *spec, int64_t wall_us,
                                         struct identity_user *ret_user);

struct identity_profile {
    struct id user, team; /* team: the personal one */
    struct str email, name, company;
    struct str password; /* PHC; empty: none. For identity_password_check alone */
    int64_t verified_us, created_us;
    int64_t totp_since_us; /* 0: no second factor */
    bool is_operator, suspended;
};
/* NOT_FOUND also for those who have left. */
MUST enum err identity_profile_by_id(struct store_conn *conn, struct arena *a, struct id user,
                                     struct identity_profile *ret);
MUST enum err identity_profile_by_email(struct store_conn *conn, struct arena *a, struct str email,
                                        struct identity_profile *ret);
/* Up to 100 characters without control characters; NULL pointers stay as they are. */
MUST enum err identity_profile_set_in(struct store_conn *conn, struct id user,
                                      const struct str *name, const struct str *company);
/* What is wrong with a name of a person or company (empty is fine), for people; NULL: nothing. */
const char *identity_person_fault(struct str name);
/* The address is his: ret_first tells whether it is the first time. */
MUST enum err identity_verified_in(struct store_conn *conn, struct id user, int64_t wall_us,
                                   bool *ret_first);
/* CONFLICT: somebody else's. */
MUST enum err identity_email_set_in(struct store_conn *conn, struct id user, struct str email);
MUST enum err identity_operators_count(struct store_conn *conn, int64_t *ret_n);
/* The person goes: address, names, password, links, sessions, second factor; keys are revoked,
 * memberships end, a personal team is closed. What was spent stays. CONFLICT while he is the last
 * owner of a team that is not his personal one. */
MUST enum err identity_account_delete_in(struct identity *identity, struct store_conn *conn,
                                         struct id user, int64_t wall_us);

/* Those who never verified their address in a week: they go like that too, some at a time. */
MUST enum err identity_account_expire_in(struct identity *identity, struct store_conn *conn,
                                         int64_t wall_us);

/* ---- passwords ---- */
#define IDENTITY_PASSWORD_CHARS_MIN 8
#define IDENTITY_PASSWORD_CHARS_MAX 256
#define IDENTITY_PHC_MAX 128
/* What is wrong with it, for people; NULL: nothing. Among the worst is refused. */
const char *identity_password_fault(struct str password);
/* OVERLOADED when too many wait. */
MUST enum err identity_password_hash(struct identity *identity, struct str password,
                                     char ret_phc[IDENTITY_PHC_MAX]);
/* Takes the same time when there is none to compare with (phc empty): then *ret_good is false.
 * ret_stale: good, but made with other parameters; hash and set it anew. */
MUST enum err identity_password_check(struct identity *identity, struct str phc,
                                      struct str password, bool *ret_good, bool *ret_stale);
/* Empty: none any more. */
MUST enum err identity_password_set_in(struct store_conn *conn, struct id user, struct str phc);

/* ---- one-time links ---- */
enum identity_link {
    IDENTITY_LINK_VERIFY,
    IDENTITY_LINK_RESET,
    IDENTITY_LINK_EMAIL,
    IDENTITY_LINK__COUNT
};
#define IDENTITY_LINK_TEXT_MAX 48
struct identity_link_spec {
    enum identity_link kind;
    struct id user;
    struct str email; /* that the link proves */
    struct str browser; /* secret of the browser that asked; empty: none */
    struct str password, name, company; /* VERIFY: what this sign-up said */
    struct str invitation; /* VERIFY: id of an invitation that is accepted with it; may be empty */
    int64_t expires_us;
};
/* Earlier links of the user of the same kind stay good. */
MUST enum err identity_link_make_in(struct identity *identity, struct store_conn *conn,
                                    const struct identity_link_spec *spec, int64_t wall_us,
                                    char ret_text[IDENTITY_LINK_TEXT_MAX]);
/* Once: it and the user's others of its kind are gone then. NOT_FOUND: never was, used, expired.
 * ret->browser is what identity_browser_is compares with. */
MUST enum err identity_link_take_in(struct identity *identity, struct store_conn *conn,
                                    struct arena *a, enum identity_link kind, struct str text,
                                    int64_t wall_us, struct identity_link_spec *ret);
/* Is this the browser of the link? */
bool identity_browser_is(const struct identity *identity, struct str kept, struct str secret);

/* ---- second factor: RFC 6238, SHA-1, 30 s, one step of tolerance ---- */
#define IDENTITY_TOTP_SECRET 20
#define IDENTITY_TOTP_BASE32_MAX 33
#define IDENTITY_RECOVERY_CODES 10
#define IDENTITY_RECOVERY_TEXT_MAX 12 /* "xxxxx-xxxxx" */
/* A new secret, not in force before totp_confirm. CONFLICT when one is in force. */
MUST enum err identity_totp_start_in(struct identity *identity, struct store_conn *conn,
                                     struct id user, char ret_base32[IDENTITY_TOTP_BASE32_MAX]);
/* DENIED: the code is wrong. NOT_FOUND: not begun. CONFLICT: in force already. */
MUST enum err identity_totp_confirm_in(
    struct identity *identity, struct store_conn *conn, struct id user, struct str code,
    int64_t wall_us, char ret_codes[IDENTITY_RECOVERY_CODES][IDENTITY_RECOVERY_TEXT_MAX]);
/* A code of the device, each step once; with `recovery_too` also a recovery code, each once.
 * DENIED: wrong. NOT_FOUND: no second factor in force. */
MUST enum err identity_totp_check_in(struct identity *identity, struct store_conn *conn,
                                     struct id user, struct str code, bool recovery_too,
                                     int64_t wall_us);
MUST enum err identity_totp_end_in(struct store_conn *conn, struct id user);
/* New codes; the old ones are void. */
MUST enum err identity_recovery_make_in(
    struct identity *identity, struct store_conn *conn, struct id user,
    char ret_codes[IDENTITY_RECOVERY_CODES][IDENTITY_RECOVERY_TEXT_MAX]);

#endif

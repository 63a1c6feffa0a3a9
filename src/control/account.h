/* What the routes of accounts share.
 *
 * Owns: nothing.  Needs: who, body, mail, identity.  Threads: worker threads; _in inside a
 * store_write closure.  Memory: texts in the arena given.  Units: µs.
 * Errors: said at each function.
 * Always: no answer, nor its time, tells whether an address has an account. */
#ifndef CONTROL_ACCOUNT_H
#define CONTROL_ACCOUNT_H

#include "control/who.h"
#include "identity/account.h"
#include "identity/brake.h"

/* RATE_LIMITED with Retry-After while the brake is on. */
MUST enum err control_brake(struct control *c, struct http_reply *reply,
                            enum identity_brake_kind kind, struct str subject);
/* In lower case: the subject that stands for an address with whatever capitals. */
struct str control_email_key(struct arena *a, struct str email);
/* INVALID_CREDENTIALS unless it is the signed-in user's; who has none needs none. ret_profile is
 * filled in any case but errors of the store. */
MUST enum err control_password_check(struct control *c, const struct control_who *who,
                                     struct http_reply *reply, struct str password,
                                     struct identity_profile *ret_profile);
MUST enum err control_profile(struct control *c, const struct control_who *who,
                              struct http_reply *reply, struct identity_profile *ret_profile);
/* VALIDATION_FAILED with the field. */
MUST enum err control_password_new(struct control *c, struct http_reply *reply, const char *field,
                                   struct str password, char ret_phc[IDENTITY_PHC_MAX]);
/* User, team, wallet. CONFLICT: the address is taken. */
MUST enum err control_account_create_in(struct control *c, struct store_conn *conn,
                                        const struct identity_account_spec *spec, int64_t now_us,
                                        struct identity_user *ret_user);
/* The first time that an address is verified: the intro credit, once per address. */
MUST enum err control_intro_in(struct control *c, struct store_conn *conn, struct id wallet,
                               struct str email, int64_t now_us);
/* A line about somebody who is not (yet) signed in. */
MUST enum err control_audit_user_in(struct store_conn *conn, const struct http_request *r,
                                    struct id user, struct id team, const char *action,
                                    int64_t now_us);
/* {"id","email","name",…} */
void control_user_json(struct buf *b, const char *key, const struct identity_profile *p);
/* {"user","csrf_token"} */
MUST enum err control_signed_in_json(struct control *c, struct id user, struct id session,
                                     struct http_reply *reply);
/* Who signed up by an invitation (its id) becomes a member, if it still stands. */
MUST enum err control_invitation_join_in(struct control *c, struct store_conn *conn,
                                         const struct http_request *r, struct str invitation,
                                         const struct identity_profile *p, int64_t now_us);
/* What GET /api/me answers. */
MUST enum err control_me_json(struct control *c, struct store_conn *conn, struct arena *a,
                              const struct control_who *who, struct buf *b);

/* Mail to somebody; `path` leads into the console. */
struct control_mail {
    enum mail_name name;
    struct str to;
    struct mail_vars vars;
};
MUST enum err control_mail_in(struct control *c, struct store_conn *conn,
                              const struct control_mail *m, int64_t now_us);

/* The set-up of a fresh house: a link is good while this process lives and no operator exists.
 * NOT_FOUND when there is one. */
MUST enum err control_setup_begin(struct control *c, char ret_text[IDENTITY_LINK_TEXT_MAX]);

#endif

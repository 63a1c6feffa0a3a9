/* Everybody, as an operator looks for them.
 *
 * Owns: nothing; reads app_user and team.
 * Needs: store.  Threads: any; blocks.
 * Memory: rows live until the callback returns.  Units: µs.
 * Errors: the store's.
 * Always: who has left is not among them. */
#ifndef IDENTITY_PEOPLE_H
#define IDENTITY_PEOPLE_H

#include "identity/identity.h"

struct identity_person {
    struct id user, team; /* the personal team */
    struct str email, name, company;
    bool is_operator, suspended, verified;
    int64_t created_us;
};
typedef void (*identity_person_f)(void *arg, const struct identity_person *p);
/* Newest first, ids below `below`; `word` is looked for in address, name and company. */
MUST enum err identity_people(struct store_conn *conn, struct str word, struct str below,
                              int64_t limit, identity_person_f fn, void *arg);
/* NOT_FOUND. */
MUST enum err identity_person_get(struct store_conn *conn, struct id user, identity_person_f fn,
                                  void *arg);
/* Whose personal team it is, or the name of the team; empty when there is none. */
MUST enum err identity_team_label(struct store_conn *conn, struct arena *a, struct id team,
                                  struct str *ret_label);

#endif

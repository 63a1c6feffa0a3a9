/* Sessions: who is signed in, on which device, in which team.
 *
 * Owns: table session.
 * Needs: store, base.
 * Threads: all block: worker threads; functions ending in _in run inside a store_write closure.
 * Memory: texts that are read are copies in the arena given.
 * Units: µs.
 * Errors: SESSION_EXPIRED (no such session any more: ended, idle for too long, too old), NOT_FOUND.
 * Always: a token has 256 random bits and is stored as a keyed hash; what was ended is refused from
 * the next request on; a rotated token is good until the new one is used, and for a minute more,
 * for what was on its way. */
#ifndef IDENTITY_SESSION_H
#define IDENTITY_SESSION_H

#include "identity/identity.h"
#include "identity/role.h"

#define IDENTITY_SESSION_PREFIX "ses_"
#define IDENTITY_SESSION_TEXT_MAX 48 /* ses_ and 43 base62 characters */
#define IDENTITY_CSRF_TEXT_MAX 65
#define IDENTITY_SESSIONS_MAX 50 /* of a user; the oldest ends for one more */

struct identity_session_spec {
    struct id user;
    struct id team; /* the current one; zero: the personal one */
    struct str address, user_agent; /* who signed in; cut to what is kept */
    bool cookie; /* a browser's: its token rotates */
};
MUST enum err identity_session_start_in(struct identity *identity, struct store_conn *conn,
                                        const struct identity_session_spec *spec, int64_t wall_us,
                                        struct id *ret_session,
                                        char ret_text[IDENTITY_SESSION_TEXT_MAX]);

/* How long one lives at most. */
int64_t identity_session_max_us(const struct identity *identity);

struct identity_session {
    struct id session, user, team;
    enum identity_role role; /* in the team */
    struct str email, name;
    bool is_operator, cookie;
    int64_t created_us, seen_us, expires_us;
    bool rotate; /* it is time for another token */
    bool settle; /* the new token has come for the first time */
    uint8_t mac[CRYPTO_HASH_LEN]; /* of the token that came */
};
/* SESSION_EXPIRED; FORBIDDEN for a suspended user. Who is no member of his current team any more is
 * in his personal one. */
MUST enum err identity_session_find(struct identity *identity, struct store_conn *conn,
                                    struct arena *a, struct str text, int64_t wall_us,
                                    struct identity_session *ret);
/* Does it look like a session's token at all? */
bool identity_session_is_text(struct str text);
/* Is it worth a write? Once a minute. */
bool identity_session_is_stale(const struct identity_session *s, int64_t wall_us);
/* Seen now. With `ret_text` the token is another one from here on, too (empty: another
 * request was quicker). */
MUST enum err identity_session_touch_in(struct identity *identity, struct store_conn *conn,
                                        const struct identity_session *s, int64_t wall_us,
                                        char ret_text[IDENTITY_SESSION_TEXT_MAX]);
/* NOT_FOUND unless the session's user is a member of the team. */
MUST enum err identity_session_team_set_in(struct store_conn *conn, struct id session,
                                           struct id user, struct id team);
/* NOT_FOUND unless it is the user's. */
MUST enum err identity_session_end_in(struct store_conn *conn, struct id user, struct id session);
/* All but one; zero: all. */
MUST enum err identity_sessions_end_in(struct store_conn *conn, struct id user, struct id but);

struct identity_session_row {
    struct id session;
    int64_t created_us, seen_us, expires_us;
    struct str address, user_agent;
};
typedef void (*identity_session_row_f)(void *arg, const struct identity_session_row *row);
/* Newest first, those that are good now. */
MUST enum err identity_session_list(struct identity *identity, struct store_conn *conn,
                                    struct id user, int64_t wall_us, identity_session_row_f fn,
                                    void *arg);
/* Has the user signed in with this user agent before? For the note about a new device. */
MUST enum err identity_session_is_new(struct store_conn *conn, struct id user,
                                      struct str user_agent, bool *ret_new);

/* The token that a browser sends beside its cookie on writes; lives as long as the session. */
struct str identity_csrf(const struct identity *identity, struct id session,
                         char text[IDENTITY_CSRF_TEXT_MAX]);
/* Sessions, links and device codes that are over. Once in a while. */
MUST enum err identity_expire_in(struct identity *identity, struct store_conn *conn,
                                 int64_t wall_us);

#endif

/* Who asks, and may he: the door before every route of the control API.
 *
 * Owns: nothing.
 * Needs: identity, gateway (API keys).
 * Threads: worker threads; blocks.
 * Memory: texts live in the reply's arena.
 * Units: µs.
 * Errors, in this order: MISSING_CREDENTIALS; SESSION_EXPIRED or those of API keys; FORBIDDEN
 * (suspended); CSRF_FAILED; NOT_FOUND (another team's, an operator's); ROLE_MISSING, SCOPE_MISSING.
 * Always: a route says in tbl/routes.h what it needs, and its handler runs only when that is there.
 * A cookie counts under /api alone, and on writes only with its CSRF token. */
#ifndef CONTROL_WHO_H
#define CONTROL_WHO_H

#include "control/control.h"
#include "identity/role.h"

/* What a route needs: a permission of tbl/permissions.h, or one of the others. */
enum control_need {
    NEED_NONE, /* anybody */
    NEED_KEY, /* an API key, which the handler asks for itself (gateway_who) */
    NEED_SELF, /* whoever is signed in: it is about himself; no API key */
    NEED_OPERATOR, /* a session of an operator */
#define MAY(name, text, owner, admin, developer, viewer, scope, team) NEED_##name,
    PERMISSION_TABLE(MAY)
#undef MAY
        NEED__COUNT
};

enum control_by { CONTROL_BY_NOBODY, CONTROL_BY_SESSION, CONTROL_BY_KEY, CONTROL_BY_JWT };

struct control_who {
    enum control_by by;
    struct id user;
    struct id team; /* the session's current one, the key's, or the one that the route is about */
    enum identity_role role; /* in it; of a key's owner IDENTITY_ROLE_NONE */
    unsigned permissions; /* bits 1 << IDENTITY_MAY_x */
    unsigned scopes; /* of the key; everything for people */
    struct id session, key; /* zero: none */
    bool is_operator, cookie;
    struct str email, name; /* of the user; empty for keys */
    int64_t now_us;
};
static inline bool control_may(const struct control_who *who, enum identity_may may)
{
    return (who->permissions & 1u << may) != 0;
}

/* Fills *ret_who, or refuses with words in the reply. With NEED_NONE it takes who comes: bad
 * credentials are nobody's. */
MUST enum err control_who(struct control *c, const struct http_request *r, struct http_reply *reply,
                          enum control_need need, struct control_who *ret_who);

/* The role in who->team, and what it permits. NOT_FOUND for who is no member. */
MUST enum err control_role_in(struct control *c, struct control_who *who);

/* A handler of lane ASK: who may do it is settled. */
typedef enum err (*control_ask_f)(struct control *c, const struct control_who *who,
                                  const struct http_request *r, struct http_reply *reply);
/* The route's argument. */
struct control_door {
    struct control *control;
    control_ask_f ask;
    enum control_need need;
};
enum err control_door_open(void *door, const struct http_request *r, struct http_reply *reply);

/* ---- signing in, for whoever has found out who it is (password, OIDC, links) ---- */
struct control_sign_in {
    struct id user;
    bool cookie; /* else the token is for the answer's body */
    struct id session; /* made here */
    char text[64]; /* the session's token */
};
/* In the caller's transaction: a session, its line of audit, the note about a new device. */
MUST enum err control_sign_in_in(struct control *c, struct store_conn *conn,
                                 const struct http_request *r, int64_t now_us,
                                 struct control_sign_in *s);
/* Afterwards: the cookie's header line. */
void control_cookie_set(struct control *c, const char *session_text, struct http_reply *reply);
void control_cookie_clear(struct control *c, struct http_reply *reply);
/* In a Cookie header's value (RFC 6265 §5.4); p == NULL: not there. */
struct str control_cookie_find(struct str header, struct str name);
/* Any other one; max_age_s 0 ends it. */
void control_cookie_put(struct control *c, const char *name, struct str value, int64_t max_age_s,
                        struct http_reply *reply);
/* The value of a cookie; empty: none. `name` without __Host- and brand: "session". */
struct str control_cookie(struct control *c, const struct http_request *r, const char *name);

#endif

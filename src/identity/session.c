/* Sessions on the store. */
#include "identity/session.h"
#include "base/clock.h"
#include "base/mem.h"
#include "identity/room.h"

#define TOKEN_RANDOM 43
#define PREFIX_N (sizeof(IDENTITY_SESSION_PREFIX) - 1)
#define ROTATE_US (12 * US_PER_HOUR)
#define OLD_GOOD_US (60 * US_PER_S)
#define SEEN_US (60 * US_PER_S)
#define AGENT_MAX 200
#define ADDRESS_MAX 64

/* Keyed, and by purpose, so that one kind of secret is never good as another. */
void identity_mac(const struct identity *identity, const char *purpose, struct str secret,
                  uint8_t ret_mac[CRYPTO_HASH_LEN])
{
    struct buf b;
    buf_init(&b, 4096);
    buf_add(&b, str_c(purpose));
    buf_byte(&b, '\0');
    buf_add(&b, secret);
    must(!b.over);
    crypto_hmac(identity->pepper, buf_str(&b), ret_mac);
    mem_wipe(b.p, b.n);
    buf_fini(&b);
}

bool identity_session_is_text(struct str text)
{
    return text.n == PREFIX_N + TOKEN_RANDOM && str_starts(text, STR(IDENTITY_SESSION_PREFIX));
}

static void make_token(const struct identity *identity, char ret_text[IDENTITY_SESSION_TEXT_MAX],
                       uint8_t ret_mac[CRYPTO_HASH_LEN])
{
    memcpy(ret_text, IDENTITY_SESSION_PREFIX, PREFIX_N);
    crypto_random_base62(ret_text + PREFIX_N, TOKEN_RANDOM);
    ret_text[PREFIX_N + TOKEN_RANDOM] = '\0';
    identity_mac(identity, "session", str_c(ret_text), ret_mac);
}

static struct str mac_str(const uint8_t mac[CRYPTO_HASH_LEN])
{
    return str_of((const char *)mac, CRYPTO_HASH_LEN);
}

/* What a client says of itself, cut to whole characters and without what a log would obey. */
static struct str clean(struct str s, size_t max, char *text)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n && n < max; i++)
        if ((unsigned char)s.p[i] >= 0x20 && (unsigned char)s.p[i] < 0x7F)
            text[n++] = s.p[i];
    return str_of(text, n);
}

enum err identity_personal_team(struct store_conn *conn, struct id user, struct id *ret_team)
{
    char text[ID_TEXT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_SESSION_PERSONAL_TEAM, &q, "t", id_text("usr_", user, text));
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_team = identity_column_id("team_", q, 0);
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

enum err identity_session_start_in(struct identity *identity, struct store_conn *conn,
                                   const struct identity_session_spec *spec, int64_t wall_us,
                                   struct id *ret_session, char ret_text[IDENTITY_SESSION_TEXT_MAX])
{
    char id[ID_TEXT_MAX], user[ID_TEXT_MAX], team[ID_TEXT_MAX], address[ADDRESS_MAX],
        agent[AGENT_MAX];
    uint8_t mac[CRYPTO_HASH_LEN];
    struct id session = id_new(wall_us), current = spec->team;
    enum err e = id_is_zero(current) ? identity_personal_team(conn, spec->user, &current) : OK;
    if (e != OK)
        return e;
    make_token(identity, ret_text, mac);
    e = store_run(conn, SQL_SESSION_INSERT, NULL, "tttbitti", id_text("sess_", session, id),
                  id_text("usr_", spec->user, user), id_text("team_", current, team), mac_str(mac),
                  (int64_t)spec->cookie, clean(spec->address, ADDRESS_MAX, address),
                  clean(spec->user_agent, AGENT_MAX, agent), wall_us);
    if (e == OK)
        e = store_run(conn, SQL_SESSION_TRIM, NULL, "ti", id_text("usr_", spec->user, user),
                      (int64_t)IDENTITY_SESSIONS_MAX);
    if (e == OK)
        *ret_session = session;
    return e;
}

int64_t identity_session_max_us(const struct identity *identity)
{
    return identity->session_max_us;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t ends_at(const struct identity *identity, int64_t created_us, int64_t seen_us)
{
    int64_t idle = seen_us + identity->session_idle_us,
            most = created_us + identity->session_max_us;
    return idle < most ? idle : most;
}

static enum err read_session(const struct identity *identity, struct arena *a,
                             const struct store_query *q, const uint8_t mac[CRYPTO_HASH_LEN],
                             int64_t wall_us, struct identity_session *ret)
{
    struct str now_mac = store_str(q, 15);
    bool is_old = now_mac.n != CRYPTO_HASH_LEN || !crypto_eq(now_mac.p, mac, CRYPTO_HASH_LEN);
    *ret = (struct identity_session){.session = identity_column_id("sess_", q, 0),
                                     .user = identity_column_id("usr_", q, 1),
                                     .team = identity_column_id("team_", q, 2),
                                     .email = arena_dup(a, store_str(q, 5)),
                                     .name = arena_dup(a, store_str(q, 6)),
                                     .is_operator = store_i64(q, 7) != 0,
                                     .cookie = store_i64(q, 10) != 0,
                                     .created_us = store_i64(q, 11),
                                     .seen_us = store_i64(q, 13)};
    ret->expires_us = ends_at(identity, ret->created_us, ret->seen_us);
    memcpy(ret->mac, mac, CRYPTO_HASH_LEN);
    bool open = store_i64(q, 14) == INT64_MAX; /* rotated, and the new token has not come yet */
    ret->settle = open && !is_old;
    ret->rotate = ret->cookie && (is_old ? open && store_i64(q, 12) + OLD_GOOD_US < wall_us
                                         : store_i64(q, 12) + ROTATE_US <= wall_us);
    if (store_i64(q, 9) != 0 || ret->expires_us <= wall_us ||
        (is_old && store_i64(q, 14) <= wall_us))
        return ERR_SESSION_EXPIRED;
    if (store_i64(q, 8) != 0)
        return ERR_FORBIDDEN;
    if (store_is_null(q, 3)) {
        ret->team = identity_column_id("team_", q, 4);
        ret->role = IDENTITY_OWNER;
        return OK;
    }
    return identity_role_parse(store_str(q, 3), &ret->role) == OK ? OK : ERR_CORRUPT;
}

enum err identity_session_find(struct identity *identity, struct store_conn *conn, struct arena *a,
                               struct str text, int64_t wall_us, struct identity_session *ret)
{
    uint8_t mac[CRYPTO_HASH_LEN];
    struct store_query *q = NULL;
    if (!identity_session_is_text(text))
        return ERR_SESSION_EXPIRED;
    identity_mac(identity, "session", text, mac);
    enum err e = store_start(conn, SQL_SESSION_BY_MAC, &q, "b", mac_str(mac));
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        e = read_session(identity, a, q, mac, wall_us, ret);
    store_finish(&q);
    return e == ERR_END ? ERR_SESSION_EXPIRED : e == OK && a->over ? ERR_LIMIT : e;
}

bool identity_session_is_stale(const struct identity_session *s, int64_t wall_us)
{
    return s->rotate || s->settle || s->seen_us + SEEN_US <= wall_us;
}

enum err identity_session_touch_in(struct identity *identity, struct store_conn *conn,
                                   const struct identity_session *session, int64_t wall_us,
                                   char ret_text[IDENTITY_SESSION_TEXT_MAX])
{
    char id[ID_TEXT_MAX];
    struct str s = id_text("sess_", session->session, id);
    if (ret_text == NULL)
        return session->settle ? store_run(conn, SQL_SESSION_SETTLE, NULL, "tii", s,
                                           wall_us + OLD_GOOD_US, wall_us)
                               : store_run(conn, SQL_SESSION_SEEN, NULL, "ti", s, wall_us);
    uint8_t mac[CRYPTO_HASH_LEN];
    int64_t changed = 0;
    make_token(identity, ret_text, mac);
    /* Of several requests at once one rotates; a minute's distance keeps the others from it. */
    enum err e = store_run(conn, SQL_SESSION_ROTATE, &changed, "tbibii", s, mac_str(session->mac),
                           INT64_MAX, mac_str(mac), wall_us, wall_us - OLD_GOOD_US);
    if (e == OK && changed == 0)
        ret_text[0] = '\0';
    return e;
}

enum err identity_session_team_set_in(struct store_conn *conn, struct id session, struct id user,
                                      struct id team)
{
    char s[ID_TEXT_MAX], u[ID_TEXT_MAX], t[ID_TEXT_MAX];
    int64_t changed = 0;
    enum err e = store_run(conn, SQL_SESSION_TEAM_SET, &changed, "ttt",
                           id_text("sess_", session, s), id_text("usr_", user, u),
                           id_text("team_", team, t));
    return e == OK && changed == 0 ? ERR_NOT_FOUND : e;
}

enum err identity_session_end_in(struct store_conn *conn, struct id user, struct id session)
{
    char s[ID_TEXT_MAX], u[ID_TEXT_MAX];
    int64_t changed = 0;
    enum err e = store_run(conn, SQL_SESSION_END, &changed, "tt", id_text("sess_", session, s),
                           id_text("usr_", user, u));
    return e == OK && changed == 0 ? ERR_NOT_FOUND : e;
}

enum err identity_sessions_end_in(struct store_conn *conn, struct id user, struct id but)
{
    char s[ID_TEXT_MAX], u[ID_TEXT_MAX];
    return store_run(conn, SQL_SESSION_END_ALL, NULL, "tt", id_text("usr_", user, u),
                     id_text("sess_", but, s));
}

enum err identity_session_list(struct identity *identity, struct store_conn *conn, struct id user,
                               int64_t wall_us, identity_session_row_f fn, void *arg)
{
    char u[ID_TEXT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_SESSION_OF_USER, &q, "tii", id_text("usr_", user, u),
                             wall_us - identity->session_max_us,
                             wall_us - identity->session_idle_us);
    while (e == OK && (e = store_step(q)) == OK) {
        struct identity_session_row row = {.session = identity_column_id("sess_", q, 0),
                                           .created_us = store_i64(q, 1),
                                           .seen_us = store_i64(q, 2),
                                           .address = store_str(q, 3),
                                           .user_agent = store_str(q, 4)};
        row.expires_us = ends_at(identity, row.created_us, row.seen_us);
        fn(arg, &row);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err identity_session_is_new(struct store_conn *conn, struct id user, struct str user_agent,
                                 bool *ret_new)
{
    char u[ID_TEXT_MAX], agent[AGENT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_SESSION_ANY, &q, "tt", id_text("usr_", user, u),
                             clean(user_agent, AGENT_MAX, agent));
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_new = store_i64(q, 0) != 0 && store_i64(q, 1) == 0;
    store_finish(&q);
    return e;
}

struct str identity_csrf(const struct identity *identity, struct id session,
                         char text[IDENTITY_CSRF_TEXT_MAX])
{
    uint8_t mac[CRYPTO_HASH_LEN];
    identity_mac(identity, "csrf", id_bytes(&session), mac);
    return crypto_hex(mac, sizeof(mac), text);
}

enum err identity_expire_in(struct identity *identity, struct store_conn *conn, int64_t wall_us)
{
    enum err e = store_run(conn, SQL_SESSION_EXPIRE, NULL, "ii",
                           later(wall_us - identity->session_max_us, 0),
                           later(wall_us - identity->session_idle_us, 0));
    if (e == OK)
        e = store_run(conn, SQL_SESSION_EXPIRE_LINKS, NULL, "i", wall_us);
    return e == OK ? store_run(conn, SQL_SESSION_EXPIRE_DEVICES, NULL, "i", wall_us) : e;
}

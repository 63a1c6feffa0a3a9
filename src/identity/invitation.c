/* Invitations into teams. */
#include "base/clock.h"
#include "identity/room.h"
#include "identity/team.h"
#include "identity/words.h"

#define TOKEN_RANDOM 43

struct same_address {
    struct str key;
    bool found;
};

static void look(void *arg, const struct identity_member_row *row)
{
    struct same_address *s = arg;
    s->found |= str_eq_nocase(row->email, s->key);
}

enum err identity_invitation_make_in(struct identity *identity, struct store_conn *conn,
                                     const struct identity_invitation_spec *spec, int64_t wall_us,
                                     char ret_id[ID_TEXT_MAX],
                                     char ret_token[IDENTITY_INVITATION_TEXT_MAX])
{
    char email[IDENTITY_EMAIL_MAX + 1], key[IDENTITY_EMAIL_MAX + 1], team[ID_TEXT_MAX],
        by[ID_TEXT_MAX];
    uint8_t mac[CRYPTO_HASH_LEN];
    size_t n;
    if (identity_words_email(spec->email, email, key, &n) != NULL ||
        spec->role == IDENTITY_ROLE_NONE)
        return ERR_VALIDATION_FAILED;
    struct same_address same = {.key = str_of(key, n)};
    enum err e = identity_member_list(conn, spec->team, (struct id){{0}}, look, &same);
    if (e != OK || same.found)
        return e != OK ? e : ERR_CONFLICT;
    crypto_random_base62(ret_token, TOKEN_RANDOM);
    ret_token[TOKEN_RANDOM] = '\0';
    identity_mac(identity, "invitation", str_c(ret_token), mac);
    return store_run(conn, SQL_TEAM_INVITE, NULL, "tttttbtii",
                     id_text("inv_", id_new(wall_us), ret_id), id_text("team_", spec->team, team),
                     str_of(email, n), str_of(key, n), str_c(identity_role_name(spec->role)),
                     str_of((const char *)mac, sizeof(mac)), id_text("usr_", spec->by, by), wall_us,
                     wall_us + IDENTITY_INVITATION_DAYS * US_PER_DAY);
}

static enum err of_row(const struct store_query *q, int64_t wall_us,
                       struct identity_invitation *ret)
{
    *ret = (struct identity_invitation){.id_text = store_str(q, 0),
                                        .team = identity_column_id("team_", q, 1),
                                        .team_name = store_str(q, 2),
                                        .email = store_str(q, 3),
                                        .inviter = identity_column_id("usr_", q, 5),
                                        .inviter_email = store_str(q, 6),
                                        .inviter_name = store_str(q, 7),
                                        .created_us = store_i64(q, 8),
                                        .expires_us = store_i64(q, 9),
                                        .accepted_us = store_i64(q, 10)};
    ret->open = ret->accepted_us == 0 && ret->expires_us > wall_us;
    return identity_role_parse(store_str(q, 4), &ret->role) == OK ? OK : ERR_CORRUPT;
}

/* Takes the query. */
static enum err one(struct store_query *q, enum err e, struct arena *a, int64_t wall_us,
                    struct identity_invitation *ret)
{
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        e = of_row(q, wall_us, ret);
    if (e == OK) {
        struct str *texts[] = {&ret->id_text, &ret->team_name, &ret->email, &ret->inviter_email,
                               &ret->inviter_name};
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
            *texts[i] = arena_dup(a, *texts[i]);
    }
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e == OK && a->over ? ERR_LIMIT : e;
}

enum err identity_invitation_by_token(struct identity *identity, struct store_conn *conn,
                                      struct arena *a, struct str token, int64_t wall_us,
                                      struct identity_invitation *ret)
{
    uint8_t mac[CRYPTO_HASH_LEN];
    struct store_query *q = NULL;
    if (token.n != TOKEN_RANDOM)
        return ERR_NOT_FOUND;
    identity_mac(identity, "invitation", token, mac);
    enum err e = store_start(conn, SQL_TEAM_INVITATION_BY_MAC, &q, "b",
                             str_of((const char *)mac, sizeof(mac)));
    return one(q, e, a, wall_us, ret);
}

enum err identity_invitation_by_id(struct store_conn *conn, struct arena *a, struct str id,
                                   int64_t wall_us, struct identity_invitation *ret)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_TEAM_INVITATION_BY_ID, &q, "t", id);
    return one(q, e, a, wall_us, ret);
}

enum err identity_invitation_list(struct store_conn *conn, struct id team, struct str below,
                                  int64_t limit, int64_t wall_us, identity_invitation_f fn,
                                  void *arg)
{
    char t[ID_TEXT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_TEAM_INVITATIONS, &q, "tti", id_text("team_", team, t),
                             below, limit);
    while (e == OK && (e = store_step(q)) == OK) {
        struct identity_invitation row;
        e = of_row(q, wall_us, &row);
        if (e == OK)
            fn(arg, &row);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err identity_invitation_accept_in(struct store_conn *conn,
                                       const struct identity_invitation *invitation, struct id user,
                                       int64_t wall_us)
{
    char t[ID_TEXT_MAX], u[ID_TEXT_MAX];
    int64_t changed = 0;
    if (!invitation->open)
        return ERR_NOT_FOUND;
    enum err e = store_run(conn, SQL_TEAM_INVITATION_ACCEPT, &changed, "ti", invitation->id_text,
                           wall_us);
    if (e != OK || changed == 0)
        return e != OK ? e : ERR_NOT_FOUND;
    return store_run(conn, SQL_TEAM_MEMBER_ADD, NULL, "ttti", id_text("team_", invitation->team, t),
                     id_text("usr_", user, u), str_c(identity_role_name(invitation->role)),
                     wall_us);
}

enum err identity_invitation_drop_in(struct store_conn *conn, struct id team, struct str id)
{
    char t[ID_TEXT_MAX];
    int64_t changed = 0;
    enum err e = store_run(conn, SQL_TEAM_INVITATION_DROP, &changed, "tt", id,
                           id_text("team_", team, t));
    return e == OK && changed == 0 ? ERR_NOT_FOUND : e;
}

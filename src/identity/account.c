/* People: made, read, changed, gone. */
#include "identity/account.h"
#include "base/clock.h"
#include "identity/room.h"
#include "identity/session.h"
#include "identity/words.h"

#define LINK_RANDOM 43
#define UNVERIFIED_US (7 * US_PER_DAY)
#define EXPIRE_AT_ONCE 20

enum err identity_account_create_in(struct identity *identity, struct store_conn *conn,
                                    const struct identity_account_spec *spec, int64_t wall_us,
                                    struct identity_user *ret_user)
{
    char text[ID_TEXT_MAX];
    enum err e = identity_user_create_in(identity, conn, spec->email, spec->is_operator, wall_us,
                                         ret_user);
    if (e != OK)
        return e;
    return store_run(conn, SQL_ACCOUNT_SET_UP, NULL, "tttti", id_text("usr_", ret_user->user, text),
                     spec->name, spec->company, spec->password,
                     spec->verified ? wall_us : (int64_t)0);
}

const char *identity_person_fault(struct str name)
{
    return name.n == 0 ? NULL : identity_words_name(name);
}

/* ---- profiles ---- */

static enum err read_profile(struct store_conn *conn, enum sql_id sql, struct arena *a,
                             struct str by, struct identity_profile *ret)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, sql, &q, "t", by);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret = (struct identity_profile){.user = identity_column_id("usr_", q, 0),
                                         .team = identity_column_id("team_", q, 1),
                                         .email = arena_dup(a, store_str(q, 2)),
                                         .name = arena_dup(a, store_str(q, 3)),
                                         .company = arena_dup(a, store_str(q, 4)),
                                         .password = arena_dup(a, store_str(q, 5)),
                                         .verified_us = store_i64(q, 6),
                                         .created_us = store_i64(q, 7),
                                         .totp_since_us = store_i64(q, 8),
                                         .is_operator = store_i64(q, 9) != 0,
                                         .suspended = store_i64(q, 10) != 0};
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e == OK && a->over ? ERR_LIMIT : e;
}

enum err identity_profile_by_id(struct store_conn *conn, struct arena *a, struct id user,
                                struct identity_profile *ret)
{
    char text[ID_TEXT_MAX];
    return read_profile(conn, SQL_ACCOUNT_BY_ID, a, id_text("usr_", user, text), ret);
}

enum err identity_profile_by_email(struct store_conn *conn, struct arena *a, struct str email,
                                   struct identity_profile *ret)
{
    char text[IDENTITY_EMAIL_MAX + 1], key[IDENTITY_EMAIL_MAX + 1];
    size_t n;
    if (identity_words_email(email, text, key, &n) != NULL)
        return ERR_NOT_FOUND;
    return read_profile(conn, SQL_ACCOUNT_BY_EMAIL, a, str_of(key, n), ret);
}

enum err identity_profile_set_in(struct store_conn *conn, struct id user, const struct str *name,
                                 const struct str *company)
{
    static const struct str none = {NULL, 0};
    char text[ID_TEXT_MAX];
    if ((name != NULL && identity_person_fault(*name) != NULL) ||
        (company != NULL && identity_person_fault(*company) != NULL))
        return ERR_VALIDATION_FAILED;
    return store_run(conn, SQL_ACCOUNT_NAMES, NULL, "tTT", id_text("usr_", user, text),
                     name != NULL ? *name : none, company != NULL ? *company : none);
}

enum err identity_verified_in(struct store_conn *conn, struct id user, int64_t wall_us,
                              bool *ret_first)
{
    char text[ID_TEXT_MAX];
    int64_t changed = 0;
    enum err e = store_run(conn, SQL_ACCOUNT_VERIFIED, &changed, "ti", id_text("usr_", user, text),
                           wall_us);
    if (e == OK)
        *ret_first = changed != 0;
    return e;
}

enum err identity_email_set_in(struct store_conn *conn, struct id user, struct str email)
{
    char id[ID_TEXT_MAX], text[IDENTITY_EMAIL_MAX + 1], key[IDENTITY_EMAIL_MAX + 1];
    size_t n;
    int64_t changed = 0;
    if (identity_words_email(email, text, key, &n) != NULL)
        return ERR_VALIDATION_FAILED;
    enum err e = store_run(conn, SQL_ACCOUNT_EMAIL, &changed, "ttt", id_text("usr_", user, id),
                           str_of(text, n), str_of(key, n));
    return e == OK && changed == 0 ? ERR_CONFLICT : e;
}

enum err identity_password_set_in(struct store_conn *conn, struct id user, struct str phc)
{
    char text[ID_TEXT_MAX];
    return store_run(conn, SQL_ACCOUNT_PASSWORD, NULL, "tt", id_text("usr_", user, text), phc);
}

enum err identity_operators_count(struct store_conn *conn, int64_t *ret_n)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_ACCOUNT_OPERATORS, &q, "");
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_n = store_i64(q, 0);
    store_finish(&q);
    return e;
}

/* ---- one-time links ---- */

static const char *const purposes[IDENTITY_LINK__COUNT] = {
    [IDENTITY_LINK_VERIFY] = "link verify",
    [IDENTITY_LINK_RESET] = "link reset",
    [IDENTITY_LINK_EMAIL] = "link email",
};

static struct str browser_text(const struct identity *identity, struct str secret,
                               char text[2 * CRYPTO_HASH_LEN + 1])
{
    uint8_t mac[CRYPTO_HASH_LEN];
    if (secret.n == 0)
        return STR("");
    identity_mac(identity, "browser", str_upto(secret, 200), mac);
    return crypto_hex(mac, sizeof(mac), text);
}

bool identity_browser_is(const struct identity *identity, struct str kept, struct str secret)
{
    char text[2 * CRYPTO_HASH_LEN + 1];
    struct str now = browser_text(identity, secret, text);
    return kept.n != 0 && kept.n == now.n && crypto_eq(kept.p, now.p, kept.n);
}

enum err identity_link_make_in(struct identity *identity, struct store_conn *conn,
                               const struct identity_link_spec *spec, int64_t wall_us,
                               char ret_text[IDENTITY_LINK_TEXT_MAX])
{
    char id[ID_TEXT_MAX], browser[2 * CRYPTO_HASH_LEN + 1];
    uint8_t mac[CRYPTO_HASH_LEN];
    crypto_random_base62(ret_text, LINK_RANDOM);
    ret_text[LINK_RANDOM] = '\0';
    identity_mac(identity, purposes[spec->kind], str_c(ret_text), mac);
    return store_run(conn, SQL_ACCOUNT_LINK_ADD, NULL, "bitttttttii",
                     str_of((const char *)mac, sizeof(mac)), (int64_t)spec->kind,
                     id_text("usr_", spec->user, id), spec->email,
                     browser_text(identity, spec->browser, browser), spec->password, spec->name,
                     spec->company, spec->invitation, wall_us, spec->expires_us);
}

enum err identity_link_take_in(struct identity *identity, struct store_conn *conn, struct arena *a,
                               enum identity_link kind, struct str text, int64_t wall_us,
                               struct identity_link_spec *ret)
{
    uint8_t mac[CRYPTO_HASH_LEN];
    char id[ID_TEXT_MAX];
    struct store_query *q = NULL;
    if (text.n != LINK_RANDOM)
        return ERR_NOT_FOUND;
    identity_mac(identity, purposes[kind], text, mac);
    enum err e = store_start(conn, SQL_ACCOUNT_LINK_TAKE, &q, "bi",
                             str_of((const char *)mac, sizeof(mac)), (int64_t)kind);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret = (struct identity_link_spec){.kind = kind,
                                           .user = identity_column_id("usr_", q, 0),
                                           .email = arena_dup(a, store_str(q, 1)),
                                           .browser = arena_dup(a, store_str(q, 2)),
                                           .password = arena_dup(a, store_str(q, 3)),
                                           .name = arena_dup(a, store_str(q, 4)),
                                           .company = arena_dup(a, store_str(q, 5)),
                                           .invitation = arena_dup(a, store_str(q, 6)),
                                           .expires_us = store_i64(q, 7)};
    store_finish(&q);
    if (e != OK)
        return e == ERR_END ? ERR_NOT_FOUND : e;
    if (a->over || ret->expires_us <= wall_us)
        return a->over ? ERR_LIMIT : ERR_NOT_FOUND;
    return store_run(conn, SQL_ACCOUNT_LINK_DROP, NULL, "ti", id_text("usr_", ret->user, id),
                     (int64_t)kind);
}

/* ---- the end ---- */

static enum err is_last_owner(struct store_conn *conn, struct str user)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_ACCOUNT_LAST_OWNER, &q, "t", user);
    if (e == OK)
        e = store_step(q);
    store_finish(&q);
    return e == OK ? ERR_CONFLICT : e == ERR_END ? OK : e;
}

enum err identity_account_delete_in(struct identity *identity, struct store_conn *conn,
                                    struct id user, int64_t wall_us)
{
    static const enum sql_id forget[] = {
        SQL_ACCOUNT_FORGET_INVITATIONS, SQL_ACCOUNT_LINK_DROP_ALL, SQL_ACCOUNT_RECOVERY_DROP,
        SQL_ACCOUNT_DEVICE_DROP,        SQL_ACCOUNT_FORGET_AUDIT,  SQL_ACCOUNT_DELETE_MEMBERSHIPS,
        SQL_ACCOUNT_DELETE_OTHERS};
    char text[ID_TEXT_MAX], gone[ID_TEXT_MAX + 16];
    struct str u = id_text("usr_", user, text);
    size_t n = sizeof("deleted:") - 1;
    memcpy(gone, "deleted:", n);
    memcpy(gone + n, u.p, u.n);
    struct id personal = {{0}};
    enum err e = is_last_owner(conn, u);
    if (e == OK)
        e = identity_personal_team(conn, user, &personal);
    if (e == OK)
        e = identity_keys_revoke_in(identity, conn, (struct id){{0}}, user, wall_us);
    if (e == OK)
        e = identity_keys_revoke_in(identity, conn, personal, (struct id){{0}}, wall_us);
    if (e == OK)
        e = identity_sessions_end_in(conn, user, (struct id){{0}});
    for (size_t i = 0; e == OK && i < sizeof(forget) / sizeof(forget[0]); i++)
        e = store_run(conn, forget[i], NULL, "t", u);
    if (e == OK)
        e = store_run(conn, SQL_ACCOUNT_CLOSE_TEAM, NULL, "ti", u, wall_us);
    int64_t changed = 0;
    if (e == OK)
        e = store_run(conn, SQL_ACCOUNT_DELETE, &changed, "tti", u, str_of(gone, n + u.n), wall_us);
    return e == OK && changed == 0 ? ERR_NOT_FOUND : e;
}

enum err identity_account_expire_in(struct identity *identity, struct store_conn *conn,
                                    int64_t wall_us)
{
    struct id users[EXPIRE_AT_ONCE];
    size_t n = 0;
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_ACCOUNT_UNVERIFIED, &q, "ii", wall_us - UNVERIFIED_US,
                             (int64_t)EXPIRE_AT_ONCE);
    while (e == OK && n < EXPIRE_AT_ONCE && (e = store_step(q)) == OK)
        users[n++] = identity_column_id("usr_", q, 0);
    store_finish(&q);
    if (e == ERR_END)
        e = OK;
    for (size_t i = 0; e == OK && i < n; i++)
        e = identity_account_delete_in(identity, conn, users[i], wall_us);
    return e;
}

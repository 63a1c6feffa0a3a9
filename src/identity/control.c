/* What the operator and the owners of keys change. Each change is written in the caller's
 * transaction and told to the table in memory when that transaction has ended well. */
#include "identity/identity.h"
#include "base/clock.h"
#include "base/mem.h"
#include "identity/audit.h"
#include "identity/room.h"
#include "identity/words.h"

#define GRACE_MAX_US (30 * US_PER_DAY)
#define SHOWN_TAIL 4

/* ---- what waits for the commit ---- */

struct change {
    struct identity *identity;
    struct identity_record *created; /* or NULL */
    identity_change_f change; /* or NULL */
    uint8_t (*macs)[CRYPTO_HASH_LEN];
    size_t macs_n;
    struct id cap;
    int64_t at_us;
    bool suspended;
};

static struct change *change_new(struct identity *identity, identity_change_f fn)
{
    struct change *c = mem_zalloc(sizeof(*c));
    c->identity = identity;
    c->change = fn;
    return c;
}

static void change_mac(struct change *c, struct str mac)
{
    must(mac.n == CRYPTO_HASH_LEN);
    if ((c->macs_n & (c->macs_n - 1)) == 0)
        c->macs = mem_realloc(c->macs, (c->macs_n != 0 ? c->macs_n * 2 : 1) * CRYPTO_HASH_LEN);
    memcpy(c->macs[c->macs_n++], mac.p, CRYPTO_HASH_LEN);
}

static void change_free(struct change *c)
{
    identity_record_unref(&c->created);
    mem_free(c->macs);
    mem_free(c);
}

static void change_end(void *arg, bool committed)
{
    struct change *c = arg;
    if (committed && c->created != NULL)
        identity_table_create(c->identity->table, &c->created);
    for (size_t i = 0; committed && i < c->macs_n; i++)
        identity_table_change(c->identity->table, c->macs[i], c->change, c);
    change_free(c);
}

static void set_revoked(struct identity_key *key, const void *arg)
{
    const struct change *c = arg;
    if (key->revoked_us == 0 || key->revoked_us > c->at_us)
        key->revoked_us = c->at_us;
}

static void set_cap(struct identity_key *key, const void *arg)
{
    key->key_cap = ((const struct change *)arg)->cap;
}

static void set_member_cap(struct identity_key *key, const void *arg)
{
    key->member_cap = ((const struct change *)arg)->cap;
}

static void set_suspended(struct identity_key *key, const void *arg)
{
    key->user_suspended = ((const struct change *)arg)->suspended;
}

/* Runs a query whose first column is a MAC into the change. */
static enum err collect_macs(struct store_query *q, struct change *c)
{
    enum err e;
    while ((e = store_step(q)) == OK)
        change_mac(c, store_str(q, 0));
    return e == ERR_END ? OK : e;
}

/* ---- users ---- */

enum err identity_user_create_in(struct identity *identity, struct store_conn *conn,
                                 struct str email, bool is_operator, int64_t wall_us,
                                 struct identity_user *ret_user)
{
    (void)identity;
    char text[IDENTITY_EMAIL_MAX + 1], key[IDENTITY_EMAIL_MAX + 1];
    size_t n;
    if (identity_words_email(email, text, key, &n) != NULL)
        return ERR_VALIDATION_FAILED;
    struct id user = id_new(wall_us), team = id_new(wall_us);
    char user_text[ID_TEXT_MAX], team_text[ID_TEXT_MAX];
    struct str u = id_text("usr_", user, user_text), t = id_text("team_", team, team_text);
    enum err e = store_run(conn, SQL_IDENTITY_USER_INSERT, NULL, "tttii", u, str_of(text, n),
                           str_of(key, n), (int64_t)is_operator, wall_us);
    if (e == OK)
        e = store_run(conn, SQL_IDENTITY_TEAM_INSERT, NULL, "ttti", t, STR("Personal"), u, wall_us);
    if (e == OK)
        e = store_run(conn, SQL_IDENTITY_MEMBER_INSERT, NULL, "ttti", t, u, STR("owner"), wall_us);
    if (e != OK)
        return e;
    *ret_user = (struct identity_user){.user = user,
                                       .team = team,
                                       .wallet = team,
                                       .email = str_trim(email),
                                       .is_operator = is_operator,
                                       .created_us = wall_us};
    return OK;
}

static enum err read_user(struct store_conn *conn, enum sql_id sql, struct arena *a, struct str by,
                          struct identity_user *ret_user)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, sql, &q, "t", by);
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        struct str email = arena_dup(a, store_str(q, 2));
        if (a->over)
            e = ERR_LIMIT;
        else
            *ret_user = (struct identity_user){.user = identity_column_id("usr_", q, 0),
                                               .team = identity_column_id("team_", q, 1),
                                               .wallet = identity_column_id("team_", q, 1),
                                               .email = email,
                                               .is_operator = store_i64(q, 3) != 0,
                                               .suspended = store_i64(q, 4) != 0,
                                               .created_us = store_i64(q, 5)};
    }
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

enum err identity_user_by_email(struct store_conn *conn, struct arena *a, struct str email,
                                struct identity_user *ret_user)
{
    char text[IDENTITY_EMAIL_MAX + 1], key[IDENTITY_EMAIL_MAX + 1];
    size_t n;
    if (identity_words_email(email, text, key, &n) != NULL)
        return ERR_NOT_FOUND;
    return read_user(conn, SQL_IDENTITY_USER_BY_EMAIL, a, str_of(key, n), ret_user);
}

enum err identity_user_by_id(struct store_conn *conn, struct arena *a, struct id user,
                             struct identity_user *ret_user)
{
    char text[ID_TEXT_MAX];
    return read_user(conn, SQL_IDENTITY_USER_BY_ID, a, id_text("usr_", user, text), ret_user);
}

enum err identity_user_suspend_in(struct identity *identity, struct store_conn *conn,
                                  struct id user, bool suspended)
{
    char text[ID_TEXT_MAX];
    struct str u = id_text("usr_", user, text);
    int64_t changed = 0;
    enum err e = store_run(conn, SQL_IDENTITY_USER_SUSPEND, &changed, "ti", u, (int64_t)suspended);
    if (e != OK || changed == 0)
        return e != OK ? e : ERR_NOT_FOUND;
    struct change *c = change_new(identity, set_suspended);
    c->suspended = suspended;
    store_on_end(conn, change_end, c);
    struct store_query *q = NULL;
    e = store_start(conn, SQL_IDENTITY_MACS_OF_USER, &q, "t", u);
    if (e == OK)
        e = collect_macs(q, c);
    store_finish(&q);
    return e;
}

/* ---- keys ---- */

const char *identity_key_fault(const struct identity_key_spec *spec, int64_t wall_us)
{
    char text[IDENTITY_LIST_MAX];
    size_t n;
    const char *fault = identity_words_name(spec->name);
    if (fault != NULL)
        return fault;
    if (spec->scopes == 0 || (spec->scopes & ~(unsigned)IDENTITY_SCOPE_ALL) != 0)
        return "the scopes are some of inference, usage and keys";
    if (spec->expires_us != 0 && spec->expires_us <= wall_us)
        return "the time of expiry is past";
    fault = identity_words_models(spec->models, text, &n);
    return fault != NULL ? fault : identity_words_ips(spec->ips, text, &n);
}

const char *identity_email_fault(struct str email)
{
    char text[IDENTITY_EMAIL_MAX + 1], key[IDENTITY_EMAIL_MAX + 1];
    size_t n;
    return identity_words_email(email, text, key, &n);
}

/* The member's cap and whether the user is suspended; NOT_FOUND when the user is no member. */
static enum err read_member(struct store_conn *conn, struct str team, struct str user,
                            struct identity_key *key)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_IDENTITY_MEMBER_GET, &q, "tt", team, user);
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        key->member_cap = identity_column_id("cap_", q, 0);
        key->user_suspended = store_i64(q, 1) != 0;
    }
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

static struct str cap_text(struct id cap, char text[ID_TEXT_MAX])
{
    return id_is_zero(cap) ? (struct str){NULL, 0} : id_text("cap_", cap, text);
}

/* "tg_…abcd": the prefix and the end of the key. */
static struct str display_of(const struct identity *identity, const char *text, char *out)
{
    static const char dots[] = "\xE2\x80\xA6";
    size_t n = identity->prefix_n, all = n + IDENTITY_KEY_RANDOM + IDENTITY_KEY_CHECK;
    memcpy(out, identity->prefix, n);
    memcpy(out + n, dots, sizeof(dots) - 1);
    n += sizeof(dots) - 1;
    memcpy(out + n, text + all - SHOWN_TAIL, SHOWN_TAIL);
    return str_of(out, n + SHOWN_TAIL);
}

static enum err insert_key(struct identity *identity, struct store_conn *conn,
                           const struct identity_key *key, struct str name, bool hidden,
                           int64_t wall_us, char text[IDENTITY_KEY_TEXT_MAX])
{
    uint8_t mac[CRYPTO_HASH_LEN];
    identity_key_make(identity, text, mac);
    char id[ID_TEXT_MAX], user[ID_TEXT_MAX], team[ID_TEXT_MAX], cap[ID_TEXT_MAX], shown[32];
    enum err e = store_run(
        conn, SQL_IDENTITY_KEY_INSERT, NULL, "tttbttittTiii", id_text("key_", key->key, id),
        id_text("usr_", key->user, user), id_text("team_", key->team, team),
        str_of((const char *)mac, sizeof(mac)), name, display_of(identity, text, shown),
        (int64_t)key->scopes, key->models, key->ips, cap_text(key->key_cap, cap), wall_us,
        key->expires_us, (int64_t)hidden);
    if (e != OK)
        return e;
    struct change *c = change_new(identity, NULL);
    c->created = identity_record_new(mac, key);
    store_on_end(conn, change_end, c);
    return OK;
}

enum err identity_key_create_in(struct identity *identity, struct store_conn *conn,
                                const struct identity_key_spec *spec, int64_t wall_us,
                                struct id *ret_key, char ret_text[IDENTITY_KEY_TEXT_MAX])
{
    if (identity_key_fault(spec, wall_us) != NULL)
        return ERR_VALIDATION_FAILED;
    char models[IDENTITY_LIST_MAX], ips[IDENTITY_LIST_MAX];
    struct identity_key key = {.key = id_new(wall_us),
                               .user = spec->user,
                               .team = spec->team,
                               .wallet = spec->team,
                               .key_cap = spec->cap,
                               .scopes = spec->scopes,
                               .expires_us = spec->expires_us,
                               .models = {models, 0},
                               .ips = {ips, 0}};
    must(identity_words_models(spec->models, models, &key.models.n) == NULL);
    must(identity_words_ips(spec->ips, ips, &key.ips.n) == NULL);
    identity_user_hash(identity, key.user, key.user_hash);
    char user[ID_TEXT_MAX], team[ID_TEXT_MAX];
    enum err e = read_member(conn, id_text("team_", spec->team, team),
                             id_text("usr_", spec->user, user), &key);
    if (e != OK)
        return e;
    e = insert_key(identity, conn, &key, spec->name, spec->hidden, wall_us, ret_text);
    if (e != OK)
        return e;
    *ret_key = key.key;
    return OK;
}

/* The row of a key; the caller finishes the query in any case. */
static enum err start_key(struct store_conn *conn, struct id key, struct store_query **q)
{
    char text[ID_TEXT_MAX];
    enum err e = store_start(conn, SQL_IDENTITY_KEY_BY_ID, q, "t", id_text("key_", key, text));
    if (e == OK)
        e = store_step(*q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

/* Columns of the two queries that list keys. */
enum {
    COL_ID,
    COL_USER,
    COL_TEAM,
    COL_CAP,
    COL_NAME,
    COL_DISPLAY,
    COL_MODELS,
    COL_IPS,
    COL_SCOPES,
    COL_CREATED,
    COL_USED,
    COL_EXPIRES,
    COL_REVOKED,
    COL_MAC,
    COL_EMAIL,
    COL_USER_NAME
};

/* Begins a change of one key: its MAC is noted, and that it belongs to the team (zero: any). */
static enum err change_key(struct identity *identity, struct store_conn *conn, struct id team,
                           struct id key, identity_change_f fn, struct change **ret_change)
{
    struct store_query *q = NULL;
    enum err e = start_key(conn, key, &q);
    if (e == OK && !id_is_zero(team) && !id_eq(identity_column_id("team_", q, COL_TEAM), team))
        e = ERR_NOT_FOUND;
    if (e == OK) {
        *ret_change = change_new(identity, fn);
        change_mac(*ret_change, store_str(q, COL_MAC));
    }
    store_finish(&q);
    return e;
}

enum err identity_key_revoke_in(struct identity *identity, struct store_conn *conn, struct id team,
                                struct id key, int64_t at_us)
{
    must(at_us > 0);
    struct change *c = NULL;
    enum err e = change_key(identity, conn, team, key, set_revoked, &c);
    if (e != OK)
        return e;
    c->at_us = at_us;
    store_on_end(conn, change_end, c);
    char key_text[ID_TEXT_MAX], team_text[ID_TEXT_MAX];
    return store_run(conn, SQL_IDENTITY_KEY_REVOKE, NULL, "tti", id_text("key_", key, key_text),
                     id_text("team_", team, team_text), at_us);
}

enum err identity_keys_forget_in(struct store_conn *conn, int64_t before_us, struct id *ids,
                                 int64_t max, int64_t *ret_n)
{
    struct store_query *q = NULL;
    int64_t n = 0;
    enum err e = store_start(conn, SQL_IDENTITY_KEYS_FORGET, &q, "ii", before_us, max / 2);
    while (e == OK && (e = store_step(q)) == OK) {
        must(n < max);
        ids[n++] = identity_column_id("key_", q, 0);
    }
    store_finish(&q);
    *ret_n = n;
    return e == ERR_END ? OK : e;
}

enum err identity_keys_revoke_in(struct identity *identity, struct store_conn *conn, struct id team,
                                 struct id user, int64_t at_us)
{
    char team_text[ID_TEXT_MAX], user_text[ID_TEXT_MAX];
    struct str t = id_text("team_", team, team_text), u = id_text("usr_", user, user_text);
    struct store_query *q = NULL;
    must(!id_is_zero(team) || !id_is_zero(user));
    struct change *c = change_new(identity, set_revoked);
    c->at_us = at_us;
    store_on_end(conn, change_end, c);
    enum err e;
    if (id_is_zero(team))
        e = store_start(conn, SQL_IDENTITY_REVOKE_OF_USER, &q, "ti", u, at_us);
    else if (id_is_zero(user))
        e = store_start(conn, SQL_IDENTITY_REVOKE_OF_TEAM, &q, "ti", t, at_us);
    else
        e = store_start(conn, SQL_IDENTITY_REVOKE_OF_MEMBER, &q, "tti", t, u, at_us);
    if (e == OK)
        e = collect_macs(q, c);
    store_finish(&q);
    return e;
}

/* The row as it is now takes the place of what memory has. */
static enum err reload_record(struct identity *identity, struct store_conn *conn,
                              const uint8_t mac[CRYPTO_HASH_LEN])
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_IDENTITY_KEY_BY_MAC, &q, "b",
                             str_of((const char *)mac, CRYPTO_HASH_LEN));
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        struct change *c = change_new(identity, NULL);
        c->created = identity_record_of_row(identity, mac, q);
        store_on_end(conn, change_end, c);
    }
    store_finish(&q);
    return e;
}

/* The lists of an edit in their one form; NULL stays NULL. */
static const char *edit_lists(const struct identity_key_edit *edit, struct str *models,
                              struct str *ips, char text[2][IDENTITY_LIST_MAX])
{
    const char *fault = NULL;
    *models = (struct str){NULL, 0};
    *ips = (struct str){NULL, 0};
    if (edit->models != NULL) {
        models->p = text[0];
        fault = identity_words_models(*edit->models, text[0], &models->n);
    }
    if (fault == NULL && edit->ips != NULL) {
        ips->p = text[1];
        fault = identity_words_ips(*edit->ips, text[1], &ips->n);
    }
    return fault;
}

enum err identity_key_edit_in(struct identity *identity, struct store_conn *conn, struct id team,
                              struct id key, const struct identity_key_edit *edit, int64_t wall_us)
{
    char lists[2][IDENTITY_LIST_MAX], key_text[ID_TEXT_MAX], team_text[ID_TEXT_MAX];
    struct str models, ips, none = {NULL, 0};
    if (edit_lists(edit, &models, &ips, lists) != NULL ||
        (edit->name != NULL && identity_words_name(*edit->name) != NULL) ||
        (edit->scopes != NULL &&
         (*edit->scopes == 0 || (*edit->scopes & ~(unsigned)IDENTITY_SCOPE_ALL) != 0)) ||
        (edit->expires_us != NULL && *edit->expires_us != 0 && *edit->expires_us <= wall_us))
        return ERR_VALIDATION_FAILED;
    int64_t scopes = edit->scopes != NULL ? *edit->scopes : 0;
    struct store_query *q = NULL;
    uint8_t mac[CRYPTO_HASH_LEN];
    enum err e = store_start(
        conn, SQL_IDENTITY_KEY_EDIT, &q, "ttTITTIi", id_text("key_", key, key_text),
        id_text("team_", team, team_text), edit->name != NULL ? *edit->name : none,
        edit->scopes != NULL ? &scopes : NULL, models, ips, edit->expires_us, wall_us);
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        must(store_str(q, 0).n == sizeof(mac));
        memcpy(mac, store_str(q, 0).p, sizeof(mac));
    }
    store_finish(&q);
    if (e == OK)
        return reload_record(identity, conn, mac);
    return e == ERR_END ? ERR_CONFLICT : e;
}

/* What a new key takes over from the old one; the slices are copies in the arena. */
static enum err read_old(struct store_conn *conn, struct arena *a, struct id team, struct id key,
                         int64_t wall_us, struct identity_key *ret, struct str *ret_name)
{
    struct store_query *q = NULL;
    enum err e = start_key(conn, key, &q);
    if (e == OK && !id_eq(identity_column_id("team_", q, COL_TEAM), team))
        e = ERR_NOT_FOUND;
    if (e == OK) {
        ret->user = identity_column_id("usr_", q, COL_USER);
        ret->team = ret->wallet = team;
        ret->key_cap = identity_column_id("cap_", q, COL_CAP);
        ret->scopes = (unsigned)store_i64(q, COL_SCOPES);
        ret->expires_us = store_i64(q, COL_EXPIRES);
        ret->models = arena_dup(a, store_str(q, COL_MODELS));
        ret->ips = arena_dup(a, store_str(q, COL_IPS));
        *ret_name = arena_dup(a, store_str(q, COL_NAME));
        bool gone = store_i64(q, COL_REVOKED) != 0 ||
                    (ret->expires_us != 0 && ret->expires_us <= wall_us);
        e = gone ? ERR_CONFLICT : a->over ? ERR_LIMIT : OK;
    }
    store_finish(&q);
    return e;
}

enum err identity_key_rotate_in(struct identity *identity, struct store_conn *conn, struct id team,
                                struct id key, int64_t grace_us, int64_t wall_us,
                                struct id *ret_new_key, char ret_text[IDENTITY_KEY_TEXT_MAX])
{
    if (grace_us < 0 || grace_us > GRACE_MAX_US)
        return ERR_VALIDATION_FAILED;
    struct arena a;
    arena_init(&a, 1024, 4 * IDENTITY_LIST_MAX);
    struct identity_key now = {.key = id_new(wall_us)};
    struct str name = STR("");
    char user[ID_TEXT_MAX], team_text[ID_TEXT_MAX];
    enum err e = read_old(conn, &a, team, key, wall_us, &now, &name);
    if (e == OK)
        e = read_member(conn, id_text("team_", team, team_text), id_text("usr_", now.user, user),
                        &now);
    if (e == OK) {
        identity_user_hash(identity, now.user, now.user_hash);
        e = insert_key(identity, conn, &now, name, false, wall_us, ret_text);
    }
    if (e == OK)
        e = identity_key_revoke_in(identity, conn, team, key, wall_us + grace_us);
    if (e == OK)
        *ret_new_key = now.key;
    arena_fini(&a);
    return e;
}

enum err identity_key_cap_set_in(struct identity *identity, struct store_conn *conn, struct id key,
                                 struct id cap)
{
    struct change *c = NULL;
    enum err e = change_key(identity, conn, (struct id){{0}}, key, set_cap, &c);
    if (e != OK)
        return e;
    c->cap = cap;
    store_on_end(conn, change_end, c);
    char key_text[ID_TEXT_MAX], text[ID_TEXT_MAX];
    return store_run(conn, SQL_IDENTITY_KEY_CAP, NULL, "tT", id_text("key_", key, key_text),
                     cap_text(cap, text));
}

enum err identity_member_cap_set_in(struct identity *identity, struct store_conn *conn,
                                    struct id team, struct id user, struct id cap)
{
    char team_text[ID_TEXT_MAX], user_text[ID_TEXT_MAX], text[ID_TEXT_MAX];
    struct str t = id_text("team_", team, team_text), u = id_text("usr_", user, user_text);
    int64_t changed = 0;
    enum err e = store_run(conn, SQL_IDENTITY_MEMBER_CAP, &changed, "ttT", t, u,
                           cap_text(cap, text));
    if (e != OK || changed == 0)
        return e != OK ? e : ERR_NOT_FOUND;
    struct change *c = change_new(identity, set_member_cap);
    c->cap = cap;
    store_on_end(conn, change_end, c);
    struct store_query *q = NULL;
    e = store_start(conn, SQL_IDENTITY_MACS_OF_MEMBER, &q, "tt", t, u);
    if (e == OK)
        e = collect_macs(q, c);
    store_finish(&q);
    return e;
}

/* ---- lists ---- */

static void give_row(struct identity *identity, const struct store_query *q, identity_key_row_f fn,
                     void *arg)
{
    struct identity_key_row row = {
        .key = identity_column_id("key_", q, COL_ID),
        .user = identity_column_id("usr_", q, COL_USER),
        .team = identity_column_id("team_", q, COL_TEAM),
        .cap = identity_column_id("cap_", q, COL_CAP),
        .name = store_str(q, COL_NAME),
        .display = store_str(q, COL_DISPLAY),
        .models = store_str(q, COL_MODELS),
        .ips = store_str(q, COL_IPS),
        .user_email = store_str(q, COL_EMAIL),
        .user_name = store_str(q, COL_USER_NAME),
        .scopes = (unsigned)store_i64(q, COL_SCOPES),
        .created_us = store_i64(q, COL_CREATED),
        .last_used_us = store_i64(q, COL_USED),
        .expires_us = store_i64(q, COL_EXPIRES),
        .revoked_us = store_i64(q, COL_REVOKED),
    };
    struct str mac = store_str(q, COL_MAC);
    must(mac.n == CRYPTO_HASH_LEN);
    int64_t used = identity_table_last_used(identity->table, (const uint8_t *)mac.p);
    if (used > row.last_used_us)
        row.last_used_us = used;
    fn(arg, &row);
}

enum err identity_key_page(struct identity *identity, struct store_conn *conn,
                           const struct identity_key_query *query, int64_t wall_us,
                           identity_key_row_f fn, void *arg)
{
    char team[ID_TEXT_MAX], user[ID_TEXT_MAX];
    struct str u = id_is_zero(query->user) ? STR("") : id_text("usr_", query->user, user);
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_IDENTITY_KEYS, &q, "tttiti",
                             id_text("team_", query->team, team), u, query->below, wall_us,
                             query->status, query->limit);
    while (e == OK && (e = store_step(q)) == OK)
        give_row(identity, q, fn, arg);
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err identity_key_list(struct identity *identity, struct store_conn *conn, struct id team,
                           struct id user, identity_key_row_f fn, void *arg)
{
    struct identity_key_query all = {
        .team = team, .user = user, .status = STR(""), .below = STR("\x7F"), .limit = INT64_MAX};
    return identity_key_page(identity, conn, &all, 0, fn, arg);
}

enum err identity_key_get(struct identity *identity, struct store_conn *conn, struct id key,
                          identity_key_row_f fn, void *arg)
{
    struct store_query *q = NULL;
    enum err e = start_key(conn, key, &q);
    if (e == OK)
        give_row(identity, q, fn, arg);
    store_finish(&q);
    return e;
}

const char *identity_key_status(const struct identity_key_row *row, int64_t wall_us)
{
    if (row->revoked_us != 0 && row->revoked_us <= wall_us)
        return "revoked";
    return row->expires_us != 0 && row->expires_us <= wall_us ? "expired" : "active";
}

enum err identity_audit_in(struct store_conn *conn, struct str actor, struct str address,
                           struct str action, struct str object, struct str change_json,
                           int64_t wall_us)
{
    struct identity_audit_line line = {.actor = actor,
                                       .address = address,
                                       .action = action,
                                       .object = object,
                                       .change = change_json};
    return identity_audit_line_in(conn, &line, wall_us);
}

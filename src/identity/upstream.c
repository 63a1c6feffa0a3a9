/* The opened keys: open addressing by the user's id, in shards. */
#include "identity/upstream.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>

#define SHARDS 64
#define SLOTS_FIRST 16
#define SEAL_ABOUT_MAX 80

struct entry {
    struct id user;
    char *auth; /* a header line; NULL: free, or gone */
    uint16_t auth_n;
    bool used; /* was ever in use: a search goes on behind it */
    bool doubted;
};

struct shard {
    pthread_mutex_t lock;
    struct entry *slots;
    size_t cap, used;
};

struct identity_upstreams {
    uint8_t seal[CRYPTO_KEY_LEN];
    struct shard shards[SHARDS];
};

static struct shard *shard_of(struct identity_upstreams *u, struct id user)
{
    return &u->shards[id_hash(user) % SHARDS];
}

/* Where the user is, or would be. With room for one more. */
static struct entry *slot_of(const struct shard *s, struct id user)
{
    for (size_t i = id_hash(user) / SHARDS & (s->cap - 1);; i = (i + 1) & (s->cap - 1))
        if (!s->slots[i].used || id_eq(s->slots[i].user, user))
            return &s->slots[i];
}

static void grow(struct shard *s)
{
    struct shard old = *s;
    if (s->cap != 0 && s->used * 4 < s->cap * 3)
        return;
    s->cap = s->cap != 0 ? s->cap * 2 : SLOTS_FIRST;
    s->slots = mem_array(s->cap, sizeof(struct entry));
    s->used = 0;
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].auth != NULL) {
            *slot_of(s, old.slots[i].user) = old.slots[i];
            s->used++;
        }
    mem_free(old.slots);
}

static void drop(struct entry *e)
{
    if (e->auth != NULL) {
        mem_wipe(e->auth, e->auth_n);
        mem_free(e->auth);
    }
    e->auth = NULL;
}

/* Empty secret: he has none any more. */
static void set(struct identity_upstreams *u, struct id user, struct str secret)
{
    char line[IDENTITY_UPSTREAM_AUTH_MAX];
    struct shard *s = shard_of(u, user);
    int n = snprintf(line, sizeof(line), "Authorization: Bearer %.*s\r\n", STR_ARG(secret));
    must(n > 0 && (size_t)n < sizeof(line));
    pthread_mutex_lock(&s->lock);
    grow(s);
    struct entry *e = slot_of(s, user);
    s->used += !e->used;
    drop(e);
    e->user = user;
    e->used = true;
    e->doubted = false;
    if (secret.n != 0) {
        e->auth = mem_dup(line, (size_t)n);
        e->auth_n = (uint16_t)n;
    }
    pthread_mutex_unlock(&s->lock);
    mem_wipe(line, sizeof(line));
}

struct str identity_upstream_auth(struct identity_upstreams *u, struct id user,
                                  char text[IDENTITY_UPSTREAM_AUTH_MAX])
{
    struct shard *s = shard_of(u, user);
    size_t n = 0;
    pthread_mutex_lock(&s->lock);
    const struct entry *e = s->cap != 0 ? slot_of(s, user) : NULL;
    if (e != NULL && e->auth != NULL && !e->doubted) {
        n = e->auth_n;
        memcpy(text, e->auth, n);
    }
    pthread_mutex_unlock(&s->lock);
    return str_of(text, n);
}

/* What it was before. */
static bool set_doubt(struct identity_upstreams *u, struct id user, bool doubted)
{
    struct shard *s = shard_of(u, user);
    bool was = doubted;
    pthread_mutex_lock(&s->lock);
    struct entry *e = s->cap != 0 ? slot_of(s, user) : NULL;
    if (e != NULL && e->auth != NULL) {
        was = e->doubted;
        e->doubted = doubted;
    }
    pthread_mutex_unlock(&s->lock);
    return was;
}

bool identity_upstream_doubt(struct identity_upstreams *u, struct id user)
{
    return !set_doubt(u, user, true);
}

void identity_upstream_trust(struct identity_upstreams *u, struct id user)
{
    (void)set_doubt(u, user, false);
}

/* ---- sealed ---- */

/* A key opens only for the user whom it was sealed for. */
static struct str about(struct id user, char text[SEAL_ABOUT_MAX])
{
    char id[ID_TEXT_MAX];
    int n = snprintf(text, SEAL_ABOUT_MAX, "upstream key of %.*s",
                     STR_ARG(id_text("usr_", user, id)));
    return str_of(text, (size_t)n);
}

void identity_upstream_seal(const struct identity_upstreams *u, struct id user, struct str secret,
                            struct buf *out)
{
    char text[SEAL_ABOUT_MAX];
    crypto_seal(u->seal, about(user, text), secret, out);
}

static bool is_sound(struct str secret)
{
    for (size_t i = 0; i < secret.n; i++)
        if ((unsigned char)secret.p[i] <= 0x20 || (unsigned char)secret.p[i] > 0x7E)
            return false;
    return secret.n != 0 && secret.n <= IDENTITY_UPSTREAM_SECRET_MAX;
}

static enum err take(struct identity_upstreams *u, struct id user, struct str sealed)
{
    char text[SEAL_ABOUT_MAX];
    struct buf plain;
    buf_init(&plain, 4096);
    enum err e = crypto_open(u->seal, about(user, text), sealed, &plain);
    if (e == OK && !is_sound(buf_str(&plain)))
        e = ERR_CORRUPT;
    if (e == OK)
        set(u, user, buf_str(&plain));
    if (plain.p != NULL)
        mem_wipe(plain.p, plain.n);
    buf_fini(&plain);
    return e;
}

static enum err take_all(struct identity_upstreams *u, struct store_conn *conn)
{
    struct store_query *q = NULL;
    struct id user;
    enum err e = store_start(conn, SQL_UPSTREAM_KEYS_ALL, &q, "");
    while (e == OK && (e = store_step(q)) == OK)
        e = id_parse("usr_", store_str(q, 0), &user) ? take(u, user, store_str(q, 1)) : ERR_CORRUPT;
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err identity_upstreams_open(struct store *store, const uint8_t seal[CRYPTO_KEY_LEN],
                                 struct identity_upstreams **ret)
{
    struct identity_upstreams *u = mem_zalloc(sizeof(*u));
    struct store_conn *conn = NULL;
    memcpy(u->seal, seal, CRYPTO_KEY_LEN);
    for (size_t i = 0; i < SHARDS; i++)
        must(pthread_mutex_init(&u->shards[i].lock, NULL) == 0);
    enum err e = store_reader_begin(store, &conn);
    if (e == OK) {
        e = take_all(u, conn);
        store_reader_end(&conn);
    }
    if (e != OK)
        identity_upstreams_close(&u);
    *ret = u;
    return e;
}

void identity_upstreams_close(struct identity_upstreams **upstreams)
{
    struct identity_upstreams *u = *upstreams;
    if (u == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        for (size_t k = 0; k < u->shards[i].cap; k++)
            drop(&u->shards[i].slots[k]);
        mem_free(u->shards[i].slots);
        pthread_mutex_destroy(&u->shards[i].lock);
    }
    mem_wipe(u->seal, sizeof(u->seal));
    mem_free(u);
    *upstreams = NULL;
}

/* ---- changes ---- */

struct change {
    struct identity_upstreams *u;
    struct id user;
    struct buf sealed; /* empty: gone */
};

static void change_end(void *arg, bool committed)
{
    struct change *c = arg;
    if (committed && c->sealed.n != 0)
        must(take(c->u, c->user, buf_str(&c->sealed)) == OK); /* it was looked at before */
    else if (committed)
        set(c->u, c->user, STR(""));
    buf_fini(&c->sealed);
    mem_free(c);
}

static void change_later(struct identity_upstreams *u, struct store_conn *conn, struct id user,
                         struct str sealed)
{
    struct change *c = mem_zalloc(sizeof(*c));
    c->u = u;
    c->user = user;
    buf_init(&c->sealed, 4096);
    buf_add(&c->sealed, sealed);
    store_on_end(conn, change_end, c);
}

static void text_of(const struct store_query *q, int column,
                    char text[IDENTITY_UPSTREAM_HASH_MAX + 1])
{
    struct str s = str_upto(store_str(q, column), IDENTITY_UPSTREAM_HASH_MAX);
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
}

enum err identity_upstream_get(struct store_conn *conn, struct id user,
                               struct identity_upstream_row *ret)
{
    char text[ID_TEXT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_UPSTREAM_KEY_GET, &q, "t", id_text("usr_", user, text));
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        text_of(q, 0, ret->hash);
        text_of(q, 1, ret->old_hash);
        ret->rotated_us = store_i64(q, 2);
    }
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

/* Does it open, for him, to something that can stand in a header? */
static bool opens(const struct identity_upstreams *u, struct id user, struct str sealed)
{
    char text[SEAL_ABOUT_MAX];
    struct buf plain;
    buf_init(&plain, 4096);
    bool good = crypto_open(u->seal, about(user, text), sealed, &plain) == OK &&
                is_sound(buf_str(&plain));
    if (plain.p != NULL)
        mem_wipe(plain.p, plain.n);
    buf_fini(&plain);
    return good;
}

enum err identity_upstream_put_in(struct identity_upstreams *u, struct store_conn *conn,
                                  struct id user, struct str hash, struct str sealed,
                                  struct nano limit, int64_t wall_us)
{
    char text[ID_TEXT_MAX];
    struct identity_upstream_row row;
    if (hash.n == 0 || hash.n > IDENTITY_UPSTREAM_HASH_MAX || !opens(u, user, sealed))
        return ERR_DENIED;
    enum err e = identity_upstream_get(conn, user, &row);
    if (e == OK && row.old_hash[0] != '\0')
        return ERR_CONFLICT;
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    e = store_run(conn, SQL_UPSTREAM_KEY_PUT, NULL, "ttbin", id_text("usr_", user, text), hash,
                  sealed, wall_us, limit);
    if (e == OK)
        change_later(u, conn, user, sealed);
    return e;
}

enum err identity_upstream_lost_in(struct identity_upstreams *u, struct store_conn *conn,
                                   struct id user, struct str hash)
{
    char text[ID_TEXT_MAX];
    int64_t changed = 0;
    enum err e = store_run(conn, SQL_UPSTREAM_KEY_LOST, &changed, "tt", id_text("usr_", user, text),
                           hash);
    if (e == OK && changed != 0)
        change_later(u, conn, user, STR(""));
    return e;
}

/* Keys: their text, the way to the table in memory, what a call asks of them. */
#include "identity/identity.h"
#include "base/clock.h"
#include "base/mem.h"
#include "identity/room.h"
#include "identity/words.h"

#include <stdatomic.h>

#define LOAD_TRIES 8
#define FLUSH_BATCH 64
#define PREFIX_MAX 16
#define SESSION_IDLE_US (7 * US_PER_DAY)
#define SESSION_MAX_US (30 * US_PER_DAY)

static bool is_base62(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

struct identity *identity_new(struct store *store, const struct identity_options *options)
{
    struct identity *identity = mem_zalloc(sizeof(*identity));
    struct str prefix = str_c(options->key_prefix);
    must(prefix.n >= 1 && prefix.n <= PREFIX_MAX);
    for (size_t i = 0; i < prefix.n; i++)
        must(is_base62(prefix.p[i]));
    identity->store = store;
    memcpy(identity->prefix, prefix.p, prefix.n);
    identity->prefix[prefix.n] = '_';
    identity->prefix_n = prefix.n + 1;
    memcpy(identity->pepper, options->pepper, CRYPTO_KEY_LEN);
    memcpy(identity->seal, options->seal, CRYPTO_KEY_LEN);
    int64_t idle = options->session_idle_us, most = options->session_max_us;
    identity->session_idle_us = idle != 0 ? idle : SESSION_IDLE_US;
    identity->session_max_us = most != 0 ? most : SESSION_MAX_US;
    identity->table = identity_table_new(options->keys_max);
    identity->hasher = identity_hasher_new(options);
    identity->brake = identity_brake_new();
    return identity;
}

void identity_free(struct identity **identity)
{
    if (*identity == NULL)
        return;
    identity_table_free(&(*identity)->table);
    identity_hasher_free(&(*identity)->hasher);
    identity_brake_free(&(*identity)->brake);
    mem_wipe((*identity)->pepper, CRYPTO_KEY_LEN);
    mem_wipe((*identity)->seal, CRYPTO_KEY_LEN);
    mem_free(*identity);
    *identity = NULL;
}

/* ---- scopes ---- */

static const struct {
    struct str name;
    unsigned scope;
} scopes[] = {
    {{"inference", 9}, IDENTITY_SCOPE_INFERENCE},
    {{"usage", 5}, IDENTITY_SCOPE_USAGE},
    {{"keys", 4}, IDENTITY_SCOPE_KEYS},
    {{"all", 3}, IDENTITY_SCOPE_ALL},
};
#define SCOPES (sizeof(scopes) / sizeof(scopes[0]))

static unsigned scope_of(struct str word)
{
    for (size_t i = 0; i < SCOPES; i++)
        if (str_eq(word, scopes[i].name))
            return scopes[i].scope;
    return 0;
}

enum err identity_scopes_parse(struct str s, unsigned *ret_scopes)
{
    unsigned all = 0;
    while (s.n != 0) {
        size_t n = 0;
        while (n < s.n && s.p[n] != ' ' && s.p[n] != ',')
            n++;
        unsigned one = n != 0 ? scope_of(str_upto(s, n)) : 0;
        if (n != 0 && one == 0)
            return ERR_VALIDATION_FAILED;
        all |= one;
        s = str_from(s, n + 1);
    }
    if (all == 0)
        return ERR_VALIDATION_FAILED;
    *ret_scopes = all;
    return OK;
}

void identity_scopes_text(unsigned set, struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < SCOPES; i++) {
        if (scopes[i].scope == IDENTITY_SCOPE_ALL || (set & scopes[i].scope) == 0)
            continue;
        if (!first)
            buf_byte(out, ' ');
        buf_add(out, scopes[i].name);
        first = false;
    }
}

/* ---- the text of a key ---- */

void identity_key_make(const struct identity *identity, char ret_text[IDENTITY_KEY_TEXT_MAX],
                       uint8_t ret_mac[CRYPTO_HASH_LEN])
{
    size_t n = identity->prefix_n;
    memcpy(ret_text, identity->prefix, n);
    crypto_random_base62(ret_text + n, IDENTITY_KEY_RANDOM);
    crypto_base62(crypto_crc32(str_of(ret_text + n, IDENTITY_KEY_RANDOM)),
                  ret_text + n + IDENTITY_KEY_RANDOM, IDENTITY_KEY_CHECK);
    n += IDENTITY_KEY_RANDOM + IDENTITY_KEY_CHECK;
    ret_text[n] = '\0';
    crypto_hmac(identity->pepper, str_of(ret_text, n), ret_mac);
}

bool identity_key_mac(const struct identity *identity, struct str text,
                      uint8_t ret_mac[CRYPTO_HASH_LEN])
{
    struct str prefix = str_of(identity->prefix, identity->prefix_n);
    if (text.n != prefix.n + IDENTITY_KEY_RANDOM + IDENTITY_KEY_CHECK || !str_starts(text, prefix))
        return false;
    struct str random = str_of(text.p + prefix.n, IDENTITY_KEY_RANDOM);
    for (size_t i = 0; i < random.n; i++)
        if (!is_base62(random.p[i]))
            return false;
    char check[IDENTITY_KEY_CHECK];
    crypto_base62(crypto_crc32(random), check, sizeof(check));
    if (memcmp(check, random.p + random.n, sizeof(check)) != 0)
        return false;
    crypto_hmac(identity->pepper, text, ret_mac);
    return true;
}

void identity_user_hash(const struct identity *identity, struct id user, char ret_text[17])
{
    char id[ID_TEXT_MAX];
    uint8_t mac[CRYPTO_HASH_LEN];
    crypto_hmac(identity->pepper, id_text("usr_", user, id), mac);
    crypto_hex(mac, 8, ret_text);
}

/* ---- finding and loading ---- */

enum identity_find identity_key_find(struct identity *identity, const uint8_t mac[CRYPTO_HASH_LEN],
                                     struct identity_key **ret_key)
{
    return identity_table_find(identity->table, mac, ret_key);
}

struct id identity_column_id(const char *prefix, const struct store_query *q, int column)
{
    struct id id = {{0}};
    if (!store_is_null(q, column) && !id_parse(prefix, store_str(q, column), &id))
        id = (struct id){{0}};
    return id;
}

struct identity_record *identity_record_of_row(const struct identity *identity,
                                               const uint8_t mac[CRYPTO_HASH_LEN],
                                               const struct store_query *q)
{
    struct identity_key key = {
        .key = identity_column_id("key_", q, 0),
        .user = identity_column_id("usr_", q, 1),
        .team = identity_column_id("team_", q, 2),
        .wallet = identity_column_id("team_", q, 2),
        .key_cap = identity_column_id("cap_", q, 3),
        .member_cap = identity_column_id("cap_", q, 4),
        .scopes = (unsigned)store_i64(q, 5),
        .expires_us = store_i64(q, 6),
        .revoked_us = store_i64(q, 7),
        .last_used_us = store_i64(q, 8),
        .user_suspended = store_i64(q, 9) != 0,
        .models = store_str(q, 10),
        .ips = store_str(q, 11),
    };
    identity_user_hash(identity, key.user, key.user_hash);
    return identity_record_new(mac, &key);
}

/* NULL when there is no such key. */
static enum err read_record(struct identity *identity, const uint8_t mac[CRYPTO_HASH_LEN],
                            struct identity_record **ret_record)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    enum err e = store_reader_begin(identity->store, &conn);
    if (e != OK)
        return e;
    struct str bytes = str_of((const char *)mac, CRYPTO_HASH_LEN);
    e = store_start(conn, SQL_IDENTITY_KEY_BY_MAC, &q, "b", bytes);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_record = identity_record_of_row(identity, mac, q);
    if (e == ERR_END) {
        *ret_record = NULL;
        e = OK;
    }
    store_finish(&q);
    store_reader_end(&conn);
    return e;
}

enum err identity_key_load(struct identity *identity, const uint8_t mac[CRYPTO_HASH_LEN])
{
    for (int i = 0; i < LOAD_TRIES; i++) {
        uint64_t epoch = identity_table_epoch(identity->table, mac);
        struct identity_record *record = NULL;
        enum err e = read_record(identity, mac, &record);
        if (e != OK)
            return e;
        if (identity_table_put(identity->table, mac, &record, epoch))
            return OK;
    }
    return ERR_STORE_BUSY;
}

enum err identity_key_check(const struct identity_key *key, int64_t wall_us)
{
    if (key->revoked_us != 0 && key->revoked_us <= wall_us)
        return ERR_REVOKED_API_KEY;
    if (key->expires_us != 0 && key->expires_us <= wall_us)
        return ERR_EXPIRED_API_KEY;
    return key->user_suspended ? ERR_INVALID_API_KEY : OK;
}

bool identity_key_allows_model(const struct identity_key *key, struct str model)
{
    struct str list = key->models;
    if (list.n == 0)
        return true;
    while (list.n != 0)
        if (str_glob(str_cut(&list, '\n'), model))
            return true;
    return false;
}

bool identity_key_allows_ip(const struct identity_key *key, struct str address)
{
    return key->ips.n == 0 || identity_words_ip_in(key->ips, address);
}

/* ---- last use ---- */

struct flush {
    struct identity_record *records[FLUSH_BATCH];
    int64_t used_us[FLUSH_BATCH];
    size_t n;
};

static enum err flush_write(struct store_conn *conn, void *arg)
{
    const struct flush *f = arg;
    for (size_t i = 0; i < f->n; i++) {
        char text[ID_TEXT_MAX];
        struct str id = id_text("key_", identity_record_key(f->records[i])->key, text);
        enum err e = store_run(conn, SQL_IDENTITY_KEY_USED, NULL, "ti", id, f->used_us[i]);
        if (e != OK)
            return e;
    }
    return OK;
}

/* Drops those of the batch whose time the store knows already. */
static void flush_choose(struct flush *f)
{
    size_t keep = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (identity_record_used(f->records[i], &f->used_us[keep]))
            f->records[keep++] = f->records[i];
        else
            identity_record_unref(&f->records[i]);
    }
    f->n = keep;
}

enum err identity_flush_last_used(struct identity *identity)
{
    /* Keys go on being used meanwhile; those wait for the next time. */
    size_t todo = identity_table_count(identity->table);
    for (size_t done = 0; done <= todo; done += FLUSH_BATCH) {
        struct flush f;
        f.n = identity_table_take_used(identity->table, f.records, FLUSH_BATCH);
        bool last = f.n < FLUSH_BATCH;
        flush_choose(&f);
        enum err e = f.n != 0 ? store_write(identity->store, flush_write, &f) : OK;
        for (size_t i = 0; i < f.n; i++) {
            if (e == OK) {
                identity_record_written(f.records[i], f.used_us[i]);
                identity_record_unref(&f.records[i]);
            } else {
                identity_table_give_used(identity->table, &f.records[i]);
            }
        }
        if (e != OK || last)
            return e;
    }
    return OK;
}

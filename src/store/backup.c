/* One sealed file: the database, the pepper, the seal.
 *
 *   magic "TGBACKUP" | u32 version | u32 0 | u64 plain bytes | salt 16 | check 16 | stream head 24
 *   then pieces of 64 KiB, each sealed (17 bytes more), the last one marked as the last
 *
 * All numbers little-endian. The key comes from the passphrase by argon2id
 * (crypto_key_of_passphrase); the pieces are libsodium's secretstream (XChaCha20-Poly1305), the
 * head is authenticated with the first. `check` is a keyed hash that tells a wrong passphrase from
 * a damaged file; it tells an attacker nothing that the first piece would not. The length lets a
 * file that was cut short be told from an altered one.
 *
 * Inside: u8 engine (1 SQLite, 2 PostgreSQL), pepper 32, seal 32, then the database. */
#include "store/engine.h"

#include "base/crypto.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "TGBACKUP"
#define VERSION 1
#define PIECE ((size_t)65536)
#define SEALED (PIECE + crypto_secretstream_xchacha20poly1305_ABYTES)
#define SALT_AT 24
#define CHECK_AT 40
#define STREAM_AT 56
#define HEAD (STREAM_AT + crypto_secretstream_xchacha20poly1305_HEADERBYTES)
#define INNER (1 + 32 + 32)

struct stream {
    FILE *plain, *sealed;
    uint8_t head[HEAD];
    uint8_t inner[INNER];
    uint8_t key[32];
    crypto_secretstream_xchacha20poly1305_state state;
    uint8_t *piece, *cover;
};

static void le(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++, v >>= 8)
        p[i] = (uint8_t)(v & 0xff);
}

static uint64_t of_le(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

/* Over all of the head but the check itself and the stream's header. */
static void check_of(const struct stream *s, uint8_t check[16])
{
    uint8_t mac[CRYPTO_HASH_LEN];
    crypto_hmac(s->key, str_of((const char *)s->head, CHECK_AT), mac);
    memcpy(check, mac, 16);
}

static void stream_init(struct stream *s)
{
    memset(s, 0, sizeof(*s));
    s->piece = mem_alloc(PIECE);
    s->cover = mem_alloc(SEALED);
}

static void stream_fini(struct stream *s)
{
    if (s->plain != NULL)
        fclose(s->plain);
    if (s->sealed != NULL)
        fclose(s->sealed);
    mem_wipe(s->piece, PIECE);
    mem_free(s->piece);
    mem_free(s->cover);
    mem_wipe(s, sizeof(*s));
}

static enum err say_file(const char *file, const char *what, char why[STORE_WHY_MAX])
{
    enum err e = errno == ENOSPC || errno == EDQUOT ? ERR_STORE_FULL : ERR_IO;
    return store_say(why, e, "%s cannot be %s: %s.", file, what, strerror(errno));
}

/* A place for the database in the clear while it is on its way, mode 0600: beside SQLite's file,
 * whose place it may take by a rename, else in the data directory. */
static enum err temp_path(const struct store *store, char path[512], char why[STORE_WHY_MAX])
{
    int n = store_is_postgres(store)
                ? snprintf(path, 512, "%s/backup.tmp", store->data_dir)
                : snprintf(path, 512, "%s.copy", store->url + strlen("sqlite:"));
    if (n < 0 || n >= 512)
        return store_say(why, ERR_LIMIT, "The path of the database is too long.");
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return say_file(path, "made", why);
    close(fd);
    return OK;
}

/* ---------------------------------------------------------------- sealing */

static enum err write_head(struct stream *s, uint64_t plain_bytes, struct str passphrase,
                           const char *file, char why[STORE_WHY_MAX])
{
    memcpy(s->head, MAGIC, 8);
    le(s->head + 8, VERSION, 4);
    le(s->head + 16, plain_bytes, 8);
    crypto_random(s->head + SALT_AT, CRYPTO_SALT_LEN);
    crypto_key_of_passphrase(passphrase, s->head + SALT_AT, s->key);
    check_of(s, s->head + CHECK_AT);
    must(crypto_secretstream_xchacha20poly1305_init_push(&s->state, s->head + STREAM_AT, s->key) ==
         0);
    return fwrite(s->head, HEAD, 1, s->sealed) == 1 ? OK : say_file(file, "written", why);
}

/* All of `inner` and the plain file, piece by piece. */
static enum err seal_pieces(struct stream *s, uint64_t plain_bytes, const char *file,
                            char why[STORE_WHY_MAX])
{
    uint64_t left = plain_bytes;
    size_t n = INNER;
    memcpy(s->piece, s->inner, INNER);
    for (bool first = true; left != 0; first = false, n = 0) {
        size_t want = left < PIECE ? (size_t)left : PIECE;
        if (want > n && fread(s->piece + n, want - n, 1, s->plain) != 1)
            return store_say(why, ERR_IO, "The copy of the database cannot be read again.");
        left -= want;
        uint8_t tag = left != 0 ? 0 : crypto_secretstream_xchacha20poly1305_TAG_FINAL;
        unsigned long long sealed_n = 0;
        must(crypto_secretstream_xchacha20poly1305_push(&s->state, s->cover, &sealed_n, s->piece,
                                                        want, first ? s->head : NULL,
                                                        first ? CHECK_AT : 0, tag) == 0);
        if (fwrite(s->cover, (size_t)sealed_n, 1, s->sealed) != 1)
            return say_file(file, "written", why);
    }
    return OK;
}

static enum err seal_file(struct store *store, struct stream *s, const char *temp, const char *file,
                          struct str passphrase, char why[STORE_WHY_MAX])
{
    struct stat st;
    s->plain = fopen(temp, "rbe");
    if (s->plain == NULL || fstat(fileno(s->plain), &st) != 0)
        return say_file(temp, "read", why);
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return store_say(why, ERR_CONFLICT, "%s exists already: give another name.", file);
    s->sealed = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (s->sealed == NULL)
        return say_file(file, "made", why);
    s->inner[0] = store_is_postgres(store) ? 2 : 1;
    memcpy(s->inner + 1, store->secrets[0], 32);
    memcpy(s->inner + 33, store->secrets[1], 32);
    uint64_t plain_bytes = (uint64_t)st.st_size + INNER;
    enum err e = write_head(s, plain_bytes, passphrase, file, why);
    if (e == OK)
        e = seal_pieces(s, plain_bytes, file, why);
    if (e == OK && (fflush(s->sealed) != 0 || fsync(fileno(s->sealed)) != 0))
        e = say_file(file, "written", why);
    if (e == OK)
        e = store_dir_sync(file, why);
    if (e != OK)
        unlink(file);
    return e;
}

static enum err nothing(struct store_conn *conn, void *arg)
{
    (void)conn;
    (void)arg;
    return OK;
}

enum err store_backup(struct store *store, const char *file, struct str passphrase,
                      char ret_why[STORE_WHY_MAX])
{
    char temp[512];
    struct stream s;
    ret_why[0] = '\0';
    if (passphrase.n == 0)
        return store_say(ret_why, ERR_INVALID_REQUEST, "A backup needs a passphrase.");
    /* Before the long work. */
    if (access(file, F_OK) == 0)
        return store_say(ret_why, ERR_CONFLICT, "%s exists already: give another name.", file);
    enum err e = temp_path(store, temp, ret_why);
    if (e != OK)
        return e;
    stream_init(&s);
    /* What the redo log holds goes into the tables before a control write. */
    e = store_write(store, nothing, NULL);
    if (e == OK)
        e = store->engine->dump(store, temp, ret_why);
    if (e == OK)
        e = seal_file(store, &s, temp, file, passphrase, ret_why);
    stream_fini(&s);
    unlink(temp);
    return e;
}

/* ---------------------------------------------------------------- opening */

static enum err look_at_head(struct stream *s, const char *file, struct str passphrase,
                             uint64_t *ret_plain, char why[STORE_WHY_MAX])
{
    struct stat st;
    uint8_t check[16];
    if (fread(s->head, 8, 1, s->sealed) != 1 || memcmp(s->head, MAGIC, 8) != 0)
        return store_say(why, ERR_STORE_FOREIGN, "%s is not a backup of this program.", file);
    if (fread(s->head + 8, HEAD - 8, 1, s->sealed) != 1 || fstat(fileno(s->sealed), &st) != 0)
        return store_say(why, ERR_END, "%s was cut short: it has no whole head.", file);
    if (of_le(s->head + 8, 4) > VERSION)
        return store_say(why, ERR_STORE_NEWER,
                         "%s was made by a newer version of this program: install that one.", file);
    crypto_key_of_passphrase(passphrase, s->head + SALT_AT, s->key);
    check_of(s, check);
    if (!crypto_eq(check, s->head + CHECK_AT, sizeof(check)))
        return store_say(why, ERR_DENIED,
                         "The passphrase does not open %s (or its first %d bytes were altered).",
                         file, (int)STREAM_AT);
    uint64_t plain = of_le(s->head + 16, 8);
    uint64_t pieces = plain / PIECE + (plain % PIECE != 0);
    uint64_t size = HEAD + plain + pieces * crypto_secretstream_xchacha20poly1305_ABYTES;
    if (plain < INNER)
        return store_say(why, ERR_CORRUPT, "%s is damaged.", file);
    if ((uint64_t)st.st_size < size)
        return store_say(why, ERR_END, "%s was cut short: %llu bytes of %llu are there.", file,
                         (unsigned long long)st.st_size, (unsigned long long)size);
    if ((uint64_t)st.st_size > size)
        return store_say(why, ERR_CORRUPT, "%s is damaged: there are bytes behind its end.", file);
    *ret_plain = plain;
    return OK;
}

static enum err say_altered(const char *file, uint64_t at, char why[STORE_WHY_MAX])
{
    return store_say(why, ERR_CORRUPT,
                     "%s is damaged: it was altered near byte %llu. Take another backup.", file,
                     (unsigned long long)at);
}

static enum err open_pieces(struct stream *s, uint64_t plain, const char *file, const char *temp,
                            char why[STORE_WHY_MAX])
{
    uint64_t left = plain, at = HEAD;
    if (crypto_secretstream_xchacha20poly1305_init_pull(&s->state, s->head + STREAM_AT, s->key) !=
        0)
        return say_altered(file, STREAM_AT, why);
    for (bool first = true; left != 0; first = false) {
        size_t want = left < PIECE ? (size_t)left : PIECE;
        size_t sealed_n = want + crypto_secretstream_xchacha20poly1305_ABYTES;
        unsigned long long n = 0;
        uint8_t tag = 0;
        left -= want;
        if (fread(s->cover, sealed_n, 1, s->sealed) != 1)
            return say_file(file, "read", why);
        bool ok = crypto_secretstream_xchacha20poly1305_pull(
                      &s->state, s->piece, &n, &tag, s->cover, sealed_n, first ? s->head : NULL,
                      first ? CHECK_AT : 0) == 0;
        uint8_t expected = left != 0 ? 0 : crypto_secretstream_xchacha20poly1305_TAG_FINAL;
        if (!ok || n != want || tag != expected || (first && want < INNER))
            return say_altered(file, at, why);
        size_t skip = first ? INNER : 0;
        if (first)
            memcpy(s->inner, s->piece, INNER);
        if (want > skip && fwrite(s->piece + skip, want - skip, 1, s->plain) != 1)
            return say_file(temp, "written", why);
        at += sealed_n;
    }
    return fflush(s->plain) == 0 && fsync(fileno(s->plain)) == 0 ? OK
                                                                 : say_file(temp, "written", why);
}

/* ---------------------------------------------------------------- restoring */

/* No house may be there: neither tables that were used, nor secrets of another one. */
static enum err is_empty(struct store *store, char why[STORE_WHY_MAX])
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    bool there = false;
    enum err e = store->engine->connect(store, STORE_KEEPER, &conn, why);
    if (e != OK)
        return e;
    e = store->engine->has_table(conn, "house", &there);
    if (e == OK && there) {
        e = store_start(conn, SQL_HOUSE_GET, &q, "t", STR("epoch"));
        if (e == OK)
            e = store_step(q);
        store_finish(&q);
        e = e == OK ? ERR_CONFLICT : e == ERR_END ? OK : e;
    }
    if (e == ERR_CONFLICT)
        (void)store_say(why, e,
                        "There is a house already: a backup is restored only into an empty "
                        "one. Give another data directory or database.");
    else if (e != OK)
        (void)store_say(why, e, "The database cannot be read: %s", conn->why);
    store->engine->disconnect(conn);
    return e;
}

static enum err has_secret(struct store *store, size_t i, const uint8_t ours[32], bool *ret_same,
                           char why[STORE_WHY_MAX])
{
    char path[512];
    uint8_t bytes[33];
    *ret_same = false;
    if (!store_path(store, store_secret_names[i], path, sizeof(path)))
        return store_say(why, ERR_LIMIT, "The path of the data directory is too long.");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? OK : say_file(path, "read", why);
    *ret_same = read(fd, bytes, sizeof(bytes)) == 32 && crypto_eq(bytes, ours, 32);
    close(fd);
    mem_wipe(bytes, sizeof(bytes));
    /* The same one: an earlier restore that did not come to its end. */
    return *ret_same ? OK
                     : store_say(why, ERR_CONFLICT,
                                 "%s exists already and is another one: give an empty data "
                                 "directory.",
                                 path);
}

/* Secrets first: a database without them would look whole and not be. */
static enum err put_in_place(struct store *store, struct stream *s, const char *temp,
                             char why[STORE_WHY_MAX])
{
    bool same[STORE_SECRETS] = {false};
    enum err e = OK;
    if (s->inner[0] != (store_is_postgres(store) ? 2 : 1))
        return store_say(why, ERR_INVALID_REQUEST,
                         "The backup is of a %s database: restore it into one.",
                         s->inner[0] == 2 ? "PostgreSQL" : "SQLite");
    for (size_t i = 0; i < STORE_SECRETS && e == OK; i++)
        e = has_secret(store, i, s->inner + 1 + 32 * i, &same[i], why);
    for (size_t i = 0; i < STORE_SECRETS && e == OK; i++) {
        char path[512];
        must(store_path(store, store_secret_names[i], path, sizeof(path)));
        if (!same[i])
            e = store_file_write(path, str_of((const char *)s->inner + 1 + 32 * i, 32), why);
    }
    return e == OK ? store->engine->load(store, temp, why) : e;
}

static enum err restore_in(struct store *store, const char *file, struct str passphrase,
                           char why[STORE_WHY_MAX])
{
    char temp[512];
    struct stream s;
    uint64_t plain = 0;
    stream_init(&s);
    s.sealed = fopen(file, "rbe");
    enum err e = s.sealed != NULL ? OK : say_file(file, "read", why);
    if (e == OK)
        e = look_at_head(&s, file, passphrase, &plain, why);
    if (e == OK)
        e = store_house_take(store, why);
    if (e == OK)
        e = store->engine->attach(store, why);
    if (e == OK)
        e = is_empty(store, why);
    if (e == OK)
        e = temp_path(store, temp, why);
    if (e == OK) {
        s.plain = fopen(temp, "wbe");
        e = s.plain != NULL ? OK : say_file(temp, "written", why);
        if (e == OK)
            e = open_pieces(&s, plain, file, temp, why);
        if (e == OK)
            e = put_in_place(store, &s, temp, why);
        unlink(temp);
    }
    stream_fini(&s);
    return e;
}

enum err store_restore(const struct store_options *options, const char *file, struct str passphrase,
                       char ret_why[STORE_WHY_MAX])
{
    struct store_options ours = *options;
    ret_why[0] = '\0';
    crypto_init();
    ours.may_create = true;
    struct store *store = store_new(&ours, ret_why);
    if (store == NULL)
        return ERR_INVALID_REQUEST;
    enum err e = restore_in(store, file, passphrase, ret_why);
    store_free(store);
    return e;
}

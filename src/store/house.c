/* The data directory: who owns it, and the two secrets in it. */
#include "store/engine.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const store_secret_names[STORE_SECRETS] = {"pepper", "seal"};

bool store_path(const struct store *store, const char *name, char *path, size_t cap)
{
    int n = snprintf(path, cap, "%s/%s", store->data_dir, name);
    return n > 0 && (size_t)n < cap;
}

/* ---------------------------------------------------------------- files */

enum err store_dir_sync(const char *path, char why[STORE_WHY_MAX])
{
    struct str dir = str_c(path);
    while (dir.n != 0 && dir.p[dir.n - 1] != '/')
        dir.n--;
    char *name = dir.n != 0 ? mem_dup(dir.p, dir.n) : mem_dup(".", 1);
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err e = OK;
    if (fd < 0)
        e = store_say(why, ERR_IO, "The folder %s cannot be opened: %s.", name, strerror(errno));
    else if (fsync(fd) != 0)
        store_die("fsync of the folder %s failed (%s); nothing can be relied on, so it ends", name,
                  strerror(errno));
    if (fd >= 0)
        close(fd);
    mem_free(name);
    return e;
}

static enum err write_all(int fd, struct str bytes)
{
    while (bytes.n != 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == ENOSPC || errno == EDQUOT ? ERR_STORE_FULL : ERR_IO;
        bytes = str_from(bytes, (size_t)n);
    }
    return OK;
}

enum err store_file_write(const char *path, struct str bytes, char why[STORE_WHY_MAX])
{
    char temp[600];
    int n = snprintf(temp, sizeof(temp), "%s.new", path);
    if (n < 0 || (size_t)n >= sizeof(temp))
        return store_say(why, ERR_LIMIT, "The path %.100s… is too long.", path);
    unlink(temp);
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return store_say(why, ERR_IO, "%s cannot be made: %s.", temp, strerror(errno));
    enum err e = write_all(fd, bytes);
    if (e == OK && fsync(fd) != 0)
        e = ERR_IO;
    close(fd);
    if (e == OK && rename(temp, path) != 0)
        e = ERR_IO;
    if (e != OK) {
        (void)store_say(why, e, "%s cannot be written: %s.", path, strerror(errno));
        unlink(temp);
        return e;
    }
    return store_dir_sync(path, why);
}

/* ---------------------------------------------------------------- the lock */

static enum err say_owned(struct store *store, int fd, char why[STORE_WHY_MAX])
{
    char text[32] = {0};
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    struct str pid = str_trim(str_of(text, n > 0 ? (size_t)n : 0));
    pid = str_cut(&pid, '\n');
    return store_say(why, ERR_HOUSE_OWNED,
                     "The house in %s is owned by another process (pid %.*s). Stop that one first, "
                     "or give another data directory.",
                     store->data_dir, STR_ARG(pid.n != 0 ? pid : STR("unknown")));
}

static enum err dir_make(struct store *store, char why[STORE_WHY_MAX])
{
    struct stat st;
    const char *dir = store->data_dir;
    if (stat(dir, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return OK;
        return store_say(why, ERR_IO, "%s is not a folder: give another data directory.", dir);
    }
    if (errno == ENOENT && !store->options.may_create)
        return store_say(why, ERR_NOT_FOUND, "There is no house in %s: the folder does not exist.",
                         dir);
    if (errno == ENOENT && mkdir(dir, 0700) == 0)
        return store_dir_sync(dir, why);
    enum err e = errno == EROFS || errno == EACCES ? ERR_STORE_READONLY : ERR_IO;
    return store_say(why, e, "The data directory %s cannot be made: %s.", dir, strerror(errno));
}

/* The lock belongs to the open file, not to the process: another close of the same file by a
 * library does not drop it. */
enum err store_house_take(struct store *store, char why[STORE_WHY_MAX])
{
    char path[512];
    if (!store_path(store, "lock", path, sizeof(path)))
        return store_say(why, ERR_LIMIT, "The path of the data directory is too long.");
    enum err e = dir_make(store, why);
    if (e != OK)
        return e;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        e = errno == EROFS || errno == EACCES ? ERR_STORE_READONLY : ERR_IO;
        return store_say(why, e,
                         "%s cannot be opened for writing: %s. The data directory must "
                         "belong to the user that runs this program.",
                         path, strerror(errno));
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        e = errno == EAGAIN || errno == EACCES
                ? say_owned(store, fd, why)
                : store_say(why, ERR_IO, "%s cannot be locked: %s.", path, strerror(errno));
        close(fd);
        return e;
    }
    char text[32];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        /* A full disk: the lock holds all the same, only its words are missing. */
    }
    store->lock_fd = fd;
    return OK;
}

void store_house_leave(struct store *store)
{
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    store->lock_fd = -1;
}

/* ---------------------------------------------------------------- secrets */

static void fingerprint(const char *name, const uint8_t key[32], char text[65])
{
    uint8_t hash[CRYPTO_HASH_LEN];
    struct crypto_hasher *h = crypto_hasher_new();
    crypto_hasher_start(h);
    crypto_hasher_add(h, STR("tollgate fingerprint of "));
    crypto_hasher_add(h, str_c(name));
    crypto_hasher_add(h, str_of((const char *)key, 32));
    crypto_hasher_end(h, hash);
    crypto_hasher_free(&h);
    (void)crypto_hex(hash, sizeof(hash), text);
}

/* ERR_NOT_FOUND when there is no such file. */
static enum err read_secret(const char *path, uint8_t key[32], char why[STORE_WHY_MAX])
{
    struct stat st;
    uint8_t bytes[33];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return ERR_NOT_FOUND;
    if (fd < 0)
        return store_say(why, ERR_IO, "%s cannot be read: %s.", path, strerror(errno));
    enum err e = OK;
    if (fstat(fd, &st) != 0 || (st.st_mode & 077) != 0)
        e = store_say(why, ERR_FORBIDDEN, "%s may be read by other users: chmod 600 it.", path);
    else if (read(fd, bytes, sizeof(bytes)) != 32)
        e = store_say(why, ERR_CORRUPT, "%s must have 32 bytes: put it back from the backup.",
                      path);
    else
        memcpy(key, bytes, 32);
    close(fd);
    mem_wipe(bytes, sizeof(bytes));
    return e;
}

static enum err recorded(struct store_conn *conn, const char *name, char text[65], bool *ret_there)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_HOUSE_GET, &q, "t", str_c(name));
    if (e != OK)
        return e;
    e = store_step(q);
    *ret_there = e == OK;
    if (e == OK)
        snprintf(text, 65, "%.*s", STR_ARG(store_str(q, 0)));
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

static enum err secret(struct store *store, struct store_conn *conn, size_t i,
                       char why[STORE_WHY_MAX])
{
    const char *name = store_secret_names[i];
    uint8_t *key = store->secrets[i];
    char path[512], ours[65], known[65] = "";
    bool is_known = false;
    if (!store_path(store, name, path, sizeof(path)))
        return store_say(why, ERR_LIMIT, "The path of the data directory is too long.");
    enum err e = recorded(conn, name, known, &is_known);
    if (e != OK)
        return store_say(why, e, "%s", conn->why);
    e = read_secret(path, key, why);
    if (e == ERR_NOT_FOUND && is_known)
        return store_say(why, ERR_CORRUPT,
                         "%s is missing, and without it the keys of this house are worth nothing: "
                         "put it back from the backup.",
                         path);
    if (e == ERR_NOT_FOUND) {
        crypto_random(key, 32);
        e = store_file_write(path, str_of((const char *)key, 32), why);
    }
    if (e != OK)
        return e;
    fingerprint(name, key, ours);
    if (is_known)
        return strcmp(ours, known) == 0
                   ? OK
                   : store_say(why, ERR_CORRUPT,
                               "%s belongs to another house: this database was used with another "
                               "one. Put the right one back from the backup.",
                               path);
    e = store_run(conn, SQL_HOUSE_SET, NULL, "tt", str_c(name), str_c(ours));
    return e == OK ? OK : store_say(why, e, "%s", conn->why);
}

enum err store_house_secrets(struct store *store, struct store_conn *conn, char why[STORE_WHY_MAX])
{
    crypto_init();
    for (size_t i = 0; i < STORE_SECRETS; i++) {
        enum err e = secret(store, conn, i, why);
        if (e != OK)
            return e;
    }
    return OK;
}

/* The embedded database's file: is it ours, whose is it now, and copies of it. */
#include "store/redo.h"
#include "store/sqlite.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* "Toll", as `file` and sqlite3 show it. */
#define APPLICATION_ID 0x546f6c6c
/* Far beyond any database, and beyond the bytes that SQLite locks. */
#define OWNER_BYTE INT64_C(0x3fffffffffff0000)

/* ---------------------------------------------------------------- is it ours? */

static enum err say_foreign(const char *path, const char *what, char why[STORE_WHY_MAX])
{
    return store_say(why, ERR_STORE_FOREIGN,
                     "%s %s. Nothing was changed; give the path of a Tollgate database, or of a "
                     "file that does not exist yet.",
                     path, what);
}

static bool folder_is_writable(const char *path)
{
    struct str dir = str_c(path);
    while (dir.n != 0 && dir.p[dir.n - 1] != '/')
        dir.n--;
    char *name = dir.n != 0 ? mem_dup(dir.p, dir.n) : mem_dup(".", 1);
    bool ok = faccessat(AT_FDCWD, name, W_OK | X_OK, AT_EACCESS) == 0;
    mem_free(name);
    return ok;
}

/* Opens our own handle and locks it. POSIX drops a process's locks on a file, SQLite's too, when
 * any handle of it is closed: so this one is closed when all of SQLite's are. */
static enum err open_own(struct store *store, struct sqlite_state *st, char why[STORE_WHY_MAX])
{
    const char *path = st->path;
    struct stat info;
    if (stat(path, &info) == 0) {
        if (!S_ISREG(info.st_mode))
            return say_foreign(path, "is not a file", why);
    } else if (errno == ENOENT && !store->options.may_create) {
        return store_say(why, ERR_NOT_FOUND, "The database %s does not exist.", path);
    } else if (errno != ENOENT) {
        return store_say(why, ERR_IO, "The database %s cannot be opened: %s.", path,
                         strerror(errno));
    }
    st->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (st->fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM))
        return sqlite_say_readonly(path, why);
    if (st->fd < 0)
        return store_say(why, ERR_IO, "The database %s cannot be opened: %s.", path,
                         strerror(errno));
    if (!folder_is_writable(path))
        return sqlite_say_readonly(path, why);
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = OWNER_BYTE, .l_len = 1};
    if (fcntl(st->fd, F_OFD_SETLK, &lock) != 0)
        return store_say(why, ERR_HOUSE_OWNED,
                         "The database %s is used by another house. Stop that one first, or give "
                         "another path.",
                         path);
    return OK;
}

static enum err look_at_header(struct sqlite_state *st, char why[STORE_WHY_MAX])
{
    static const char magic[16] = "SQLite format 3";
    char head[16];
    ssize_t n = pread(st->fd, head, sizeof(head), 0);
    if (n < 0)
        return store_say(why, ERR_IO, "The database %s cannot be read: %s.", st->path,
                         strerror(errno));
    if (n != 0 && (n != sizeof(head) || memcmp(head, magic, sizeof(head)) != 0))
        return say_foreign(st->path, "is not a database", why);
    return OK;
}

/* Inside SQLite: whose is it? An empty one becomes ours. */
static enum err look_inside(struct sqlite_conn *c, const char *path, char why[STORE_WHY_MAX])
{
    char text[64];
    int64_t id = 0, tables = 0;
    enum err e = sqlite_number(c, "PRAGMA application_id", &id);
    if (e == OK)
        e = sqlite_number(c, "SELECT count(*) FROM sqlite_schema", &tables);
    if (e != OK)
        return e;
    if (id != APPLICATION_ID && (id != 0 || tables != 0))
        return say_foreign(path, "is a database of another program", why);
    if (sqlite3_db_readonly(c->db, "main") == 1)
        return sqlite_say_readonly(path, why);
    if (id == 0) {
        snprintf(text, sizeof(text), "PRAGMA application_id = %d", APPLICATION_ID);
        e = sqlite_exec(&c->base, text);
    }
    return e == OK ? sqlite_exec(&c->base, "PRAGMA journal_mode = WAL") : e;
}

static enum err attach_in(struct store *store, struct sqlite_state *st, char why[STORE_WHY_MAX])
{
    struct store_conn *probe = NULL;
    enum err e = open_own(store, st, why);
    if (e == OK)
        e = look_at_header(st, why);
    if (e == OK)
        e = sqlite_connect(store, STORE_KEEPER, &probe, why);
    if (e == OK) {
        e = look_inside(sqlite_of(probe), st->path, why);
        if (e != OK && why[0] == '\0')
            (void)sqlite_say_open(st->path, e, probe->why, why);
        if (e != OK)
            sqlite_disconnect(probe);
    }
    if (e != OK)
        return e;
    st->keeper = sqlite_of(probe);
    char path[600];
    int n = snprintf(path, sizeof(path), "%s-redo", st->path);
    if (n < 0 || (size_t)n >= sizeof(path))
        return store_say(why, ERR_INVALID_REQUEST, "The database's path is too long.");
    return store_redo_open(path, &store->redo, why);
}

/* Nobody reads how much memory SQLite has in use; counting it is a mutex around each allocation. */
static void do_not_count(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum err sqlite_attach(struct store *store, char why[STORE_WHY_MAX])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, do_not_count);
    struct sqlite_state *st = mem_zalloc(sizeof(*st));
    store->engine_state = st;
    st->path = mem_dup(store->url + strlen("sqlite:"), strlen(store->url) - strlen("sqlite:"));
    st->fd = -1;
    snprintf(store->name, sizeof(store->name), "database %s", st->path);
    if (st->path[0] == '\0')
        return store_say(why, ERR_INVALID_REQUEST,
                         "The database's address has no path: write sqlite:PATH.");
    return attach_in(store, st, why);
}

void sqlite_detach(struct store *store)
{
    struct sqlite_state *st = sqlite_state_of(store);
    store_redo_close(&store->redo);
    if (st->keeper != NULL)
        sqlite_disconnect(&st->keeper->base);
    if (st->fd >= 0)
        close(st->fd);
    mem_free(st->path);
    mem_free(st);
    store->engine_state = NULL;
}

/* ---------------------------------------------------------------- copies */

/* The backup API from inside a read transaction: one snapshot, however long it takes. */
static enum err copy_to(struct sqlite_conn *from, const char *file)
{
    sqlite3 *to = NULL;
    int rc = sqlite3_open_v2(file, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    enum err e = rc == SQLITE_OK ? OK : ERR_STORE;
    if (e == OK)
        e = sqlite_begin(&from->base);
    if (e == OK) {
        sqlite3_backup *b = sqlite3_backup_init(to, "main", from->db, "main");
        rc = b != NULL ? SQLITE_OK : sqlite3_errcode(to);
        while (b != NULL && rc == SQLITE_OK)
            rc = sqlite3_backup_step(b, 1024);
        if (b != NULL)
            sqlite3_backup_finish(b);
        e = rc == SQLITE_DONE ? OK : sqlite_err_of(to, rc);
        sqlite_rollback(&from->base);
    }
    /* A copy of a WAL database is one too: as a plain file it needs no company. */
    if (e == OK && sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK)
        e = ERR_STORE;
    if (e != OK)
        (void)store_say(from->base.why, e, "%s", sqlite3_errmsg(to));
    sqlite3_close(to);
    return e;
}

enum err sqlite_dump(struct store *store, const char *file, char why[STORE_WHY_MAX])
{
    struct store_conn *conn = NULL;
    enum err e = sqlite_connect(store, STORE_READER, &conn, why);
    if (e != OK)
        return e;
    e = copy_to(sqlite_of(conn), file);
    if (e != OK)
        (void)store_say(why, e, "The database cannot be copied to %s: %s.", file, conn->why);
    sqlite_disconnect(conn);
    return e;
}

static enum err check_copy(struct store *store, const char *file, char why[STORE_WHY_MAX])
{
    struct sqlite_conn c = {.base = {.store = store, .role = STORE_KEEPER}};
    int64_t id = 0, faults = 0;
    int rc = sqlite3_open_v2(file, &c.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL);
    enum err e = rc == SQLITE_OK ? OK : sqlite_failed(&c, rc, "open");
    if (e == OK)
        e = sqlite_number(&c, "PRAGMA application_id", &id);
    if (e == OK)
        e = sqlite_number(&c, "SELECT count(*) FROM pragma_quick_check WHERE quick_check <> 'ok'",
                          &faults);
    if (e == OK && (id != APPLICATION_ID || faults != 0))
        e = ERR_CORRUPT;
    if (e != OK)
        (void)store_say(why, e, "The database in the backup is damaged.");
    sqlite3_close(c.db);
    return e;
}

/* The file takes the place of the empty database. */
enum err sqlite_load(struct store *store, const char *file, char why[STORE_WHY_MAX])
{
    struct sqlite_state *st = sqlite_state_of(store);
    static const char *const tails[] = {"-wal", "-shm", "-redo"};
    enum err e = check_copy(store, file, why);
    if (e != OK)
        return e;
    sqlite_disconnect(&st->keeper->base);
    st->keeper = NULL;
    store_redo_close(&store->redo);
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        char path[600];
        int n = snprintf(path, sizeof(path), "%s%s", st->path, tails[i]);
        if (n > 0 && (size_t)n < sizeof(path))
            unlink(path);
    }
    if (rename(file, st->path) != 0)
        return store_say(why, ERR_IO, "%s cannot be put in place: %s.", st->path, strerror(errno));
    return store_dir_sync(st->path, why);
}

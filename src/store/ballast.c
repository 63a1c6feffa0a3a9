/* A file of real bytes that is given up when the disk is full, so that what was already dispatched
 * can still be settled. */
#include "store/engine.h"

#include "base/crypto.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PIECE ((size_t)256 * 1024)

void store_ballast_init(struct store_ballast *b, const struct store *store)
{
    b->there = false;
    b->bytes = store_is_postgres(store) ? 0 : store->options.ballast_bytes;
    if (!store_path(store, "ballast", b->path, sizeof(b->path)))
        b->bytes = 0;
}

/* Random bytes: a file system that compresses or finds holes would keep no room for zeros. */
static bool fill(int fd, size_t bytes)
{
    char *piece = mem_alloc(PIECE);
    crypto_random(piece, PIECE);
    size_t done = 0;
    while (done < bytes) {
        size_t want = bytes - done < PIECE ? bytes - done : PIECE;
        ssize_t n = pwrite(fd, piece, want, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    mem_free(piece);
    return done == bytes && fdatasync(fd) == 0;
}

enum err store_ballast_take(struct store_ballast *b)
{
    struct stat st;
    struct statvfs fs;
    if (b->bytes == 0 || b->there)
        return OK;
    if (stat(b->path, &st) == 0 && (size_t)st.st_size == b->bytes &&
        (size_t)st.st_blocks * 512 >= b->bytes) {
        b->there = true;
        return OK;
    }
    int fd = open(b->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ERR_STORE_FULL;
    /* Twice: taking the last byte would make the next commit fail, and all begin anew. */
    bool room = fstatvfs(fd, &fs) == 0 && (size_t)fs.f_bavail * fs.f_frsize >= 2 * b->bytes;
    b->there = room && fill(fd, b->bytes);
    close(fd);
    if (!b->there)
        unlink(b->path);
    return b->there ? OK : ERR_STORE_FULL;
}

void store_ballast_spend(struct store_ballast *b)
{
    if (b->there)
        unlink(b->path);
    b->there = false;
}

/* Two halves, filled in turn; the tail's block is written again with each entry behind it (the
 * bytes before stay what they were, so a torn write cannot hurt them). */
#include "store/redo.h"

#include "base/crypto.h"
#include "base/mem.h"
#include "store/engine.h"
#include "store/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t)4096)
#define HALF_BYTES ((size_t)4 << 20)
#define FILE_BYTES (BLOCK + 2 * HALF_BYTES)
#define ENTRY_MAGIC 0x45474754u /* "TGGE" */
#define ALIGN ((size_t)8)

static const char file_magic[16] = "tollgate-redo\n\1";

struct entry_head {
    uint32_t magic, bytes;
    uint64_t number, sum; /* sum: of key, number, length and the bytes */
};

struct file_head {
    char magic[16];
    uint64_t half_bytes, key;
    uint64_t clean; /* the last entry's number, all of them released; 0: look for entries */
    uint64_t sum;
};

struct store_redo {
    int fd;
    bool is_synced; /* each write is durable of itself (O_DSYNC) */
    bool is_marked_clean, filling_said;
    uint64_t key;
    uint64_t number; /* of the last entry */
    _Atomic uint64_t folded, released;
    unsigned half;
    size_t at; /* where the next entry begins, in its half */
    uint64_t last[2]; /* of each half: its last entry */
    uint8_t *block; /* the tail's block, and what is being written */
    size_t block_bytes;
    char path[512];
};

/* ---------------------------------------------------------------- sums */

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return (h << 29) | (h >> 35);
}

/* Against torn writes, not against people: the journal's chain is against those. Two lanes, since
 * one multiplication waits for the one before. */
static uint64_t sum_of(uint64_t key, uint64_t number, const uint8_t *p, size_t n)
{
    uint64_t a = mix(key, number), b = mix(~key, n), w[2];
    size_t i = 0;
    for (; i + sizeof(w) <= n; i += sizeof(w)) {
        memcpy(w, p + i, sizeof(w));
        a = mix(a, w[0]);
        b = mix(b, w[1]);
    }
    memset(w, 0, sizeof(w));
    memcpy(w, p + i, n - i);
    a = mix(mix(a, w[0]), b);
    return mix(a, w[1]) ^ (a >> 32);
}

static size_t length_of(size_t bytes)
{
    return (sizeof(struct entry_head) + bytes + ALIGN - 1) & ~(ALIGN - 1);
}

static off_t place_of(unsigned half, size_t at)
{
    return (off_t)(BLOCK + half * HALF_BYTES + at);
}

/* ---------------------------------------------------------------- writing */

/* STORE_FULL where a file system copies on write; any other failure ends the process. */
static enum err put(struct store_redo *r, const uint8_t *p, size_t n, off_t at)
{
    while (n != 0) {
        ssize_t done = pwrite(r->fd, p, n, at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && (errno == ENOSPC || errno == EDQUOT))
            return ERR_STORE_FULL;
        if (done <= 0)
            store_die("%s cannot be written (%s); nothing can be relied on, so it ends", r->path,
                      strerror(done < 0 ? errno : EIO));
        p += done;
        n -= (size_t)done;
        at += done;
    }
    if (!r->is_synced && fdatasync(r->fd) != 0)
        store_die("fsync of %s failed (%s); nothing can be relied on, so it ends", r->path,
                  strerror(errno));
    return OK;
}

static enum err put_head(struct store_redo *r, uint64_t clean)
{
    struct file_head h = {.half_bytes = HALF_BYTES, .key = r->key, .clean = clean};
    memcpy(h.magic, file_magic, sizeof(h.magic));
    h.sum = sum_of(0, 0, (const uint8_t *)&h, offsetof(struct file_head, sum));
    uint8_t *block = mem_aligned(BLOCK, BLOCK);
    memcpy(block, &h, sizeof(h));
    enum err e = put(r, block, BLOCK, 0);
    mem_free(block);
    r->is_marked_clean = clean != 0;
    return e;
}

/* Into the other half when this one is full. */
static enum err make_room(struct store_redo *r, size_t need)
{
    if (r->at + need <= HALF_BYTES)
        return OK;
    unsigned other = 1 - r->half;
    if (r->last[other] > atomic_load(&r->released))
        return ERR_END;
    r->half = other;
    r->at = 0;
    r->filling_said = false;
    memset(r->block, 0, BLOCK);
    return OK;
}

static void grow(struct store_redo *r, size_t need)
{
    if (need <= r->block_bytes)
        return;
    size_t bytes = r->block_bytes;
    while (bytes < need)
        bytes *= 2;
    uint8_t *p = mem_aligned(BLOCK, bytes);
    memcpy(p, r->block, BLOCK);
    mem_free(r->block);
    r->block = p;
    r->block_bytes = bytes;
}

enum err store_redo_append(struct store_redo *r, struct str entry)
{
    size_t need = length_of(entry.n);
    enum err e = entry.n <= STORE_REDO_ENTRY_MAX ? make_room(r, need) : ERR_END;
    if (e == OK && r->is_marked_clean)
        e = put_head(r, 0);
    if (e != OK)
        return e;
    struct entry_head head = {
        .magic = ENTRY_MAGIC, .bytes = (uint32_t)entry.n, .number = r->number + 1};
    head.sum = sum_of(r->key, head.number, (const uint8_t *)entry.p, entry.n);
    size_t in_block = r->at % BLOCK, end = in_block + need;
    size_t whole = (end + BLOCK - 1) / BLOCK * BLOCK;
    grow(r, whole);
    memcpy(r->block + in_block, &head, sizeof(head));
    memcpy(r->block + in_block + sizeof(head), entry.p, entry.n);
    memset(r->block + in_block + sizeof(head) + entry.n, 0,
           whole - in_block - sizeof(head) - entry.n);
    store_fault_here(STORE_FAULT_COMMIT_BEFORE);
    e = put(r, r->block, whole, place_of(r->half, r->at - in_block));
    if (e != OK) {
        memset(r->block + in_block, 0, BLOCK - in_block);
        return e;
    }
    store_fault_here(STORE_FAULT_COMMIT_AFTER);
    r->number++;
    r->at += need;
    r->last[r->half] = r->number;
    if (whole > BLOCK)
        memcpy(r->block, r->block + whole - BLOCK, BLOCK);
    if (end % BLOCK == 0)
        memset(r->block, 0, BLOCK);
    return OK;
}

uint64_t store_redo_last(const struct store_redo *r)
{
    return r->number;
}

void store_redo_folded(struct store_redo *r, uint64_t number)
{
    atomic_store(&r->folded, number);
}

uint64_t store_redo_mark(const struct store_redo *r)
{
    return atomic_load(&r->folded);
}

void store_redo_release(struct store_redo *r, uint64_t number)
{
    uint64_t now = atomic_load(&r->released);
    while (now < number && !atomic_compare_exchange_weak(&r->released, &now, number))
        ;
}

bool store_redo_is_released(const struct store_redo *r, uint64_t number)
{
    return atomic_load(&r->released) >= number;
}

bool store_redo_is_filling(struct store_redo *r)
{
    if (r->filling_said || r->at < HALF_BYTES / 4)
        return false;
    r->filling_said = true;
    return r->last[1 - r->half] > atomic_load(&r->released);
}

/* ---------------------------------------------------------------- looking */

/* The entry at this place: its length in the file; 0 when there is none. */
static size_t entry_at(const struct store_redo *r, const uint8_t *half, size_t at,
                       struct entry_head *ret_head)
{
    if (at + sizeof(*ret_head) > HALF_BYTES)
        return 0;
    memcpy(ret_head, half + at, sizeof(*ret_head));
    size_t n = ret_head->bytes;
    if (ret_head->magic != ENTRY_MAGIC || n > STORE_REDO_ENTRY_MAX ||
        at + length_of(n) > HALF_BYTES)
        return 0;
    uint64_t sum = sum_of(r->key, ret_head->number, half + at + sizeof(*ret_head), n);
    return sum == ret_head->sum ? length_of(n) : 0;
}

struct found {
    uint64_t first, last; /* 0: none */
    uint64_t stray; /* the highest number behind them */
    size_t end;
};

static void look(const struct store_redo *r, const uint8_t *half, struct found *f)
{
    struct entry_head head;
    size_t n;
    *f = (struct found){0, 0, 0, 0};
    while ((n = entry_at(r, half, f->end, &head)) != 0 &&
           (f->first == 0 || head.number == f->last + 1)) {
        if (f->first == 0)
            f->first = head.number;
        f->last = head.number;
        f->end += n;
    }
    for (size_t at = f->end; at + sizeof(head) <= HALF_BYTES; at += ALIGN)
        if (entry_at(r, half, at, &head) != 0 && head.number > f->stray)
            f->stray = head.number;
}

static enum err read_half(const struct store_redo *r, unsigned half, uint8_t *p)
{
    size_t n = 0;
    while (n < HALF_BYTES) {
        ssize_t done = pread(r->fd, p + n, HALF_BYTES - n, place_of(half, n));
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return ERR_IO;
        n += (size_t)done;
    }
    return OK;
}

static enum err look_at_both(struct store_redo *r)
{
    uint8_t *p = mem_aligned(BLOCK, HALF_BYTES);
    struct found f[2] = {{0, 0, 0, 0}, {0, 0, 0, 0}};
    enum err e = OK;
    for (unsigned i = 0; i < 2 && e == OK; i++) {
        e = read_half(r, i, p);
        if (e == OK)
            look(r, p, &f[i]);
        r->last[i] = f[i].last;
        r->number = f[i].last > r->number ? f[i].last : r->number;
    }
    mem_free(p);
    /* A torn write can only be the newest: a newer entry behind a bad one is damage. Older ones
     * are of the round before. */
    if (e == OK && (f[0].stray > r->number || f[1].stray > r->number))
        e = ERR_CORRUPT;
    return e;
}

static enum err tell_half(struct store_redo *r, const uint8_t *p, uint64_t last,
                          enum err (*fn)(void *arg, struct str entry), void *arg)
{
    struct entry_head head;
    enum err e = OK;
    size_t at = 0, n;
    while (e == OK && last != 0 && (n = entry_at(r, p, at, &head)) != 0) {
        e = fn(arg, str_of((const char *)p + at + sizeof(head), head.bytes));
        at += n;
        if (head.number == last)
            break;
    }
    return e;
}

enum err store_redo_found(struct store_redo *r, enum err (*fn)(void *arg, struct str entry),
                          void *arg)
{
    if (r->last[0] == 0 && r->last[1] == 0)
        return OK;
    uint8_t *p = mem_aligned(BLOCK, HALF_BYTES);
    unsigned first = r->last[0] <= r->last[1] ? 0 : 1;
    enum err e = read_half(r, first, p);
    if (e == OK)
        e = tell_half(r, p, r->last[first], fn, arg);
    if (e == OK)
        e = read_half(r, 1 - first, p);
    if (e == OK)
        e = tell_half(r, p, r->last[1 - first], fn, arg);
    mem_free(p);
    return e;
}

void store_redo_reset(struct store_redo *r)
{
    r->half = 0;
    r->at = 0;
    r->last[0] = r->last[1] = 0;
    memset(r->block, 0, BLOCK);
    atomic_store(&r->folded, r->number);
    atomic_store(&r->released, r->number);
}

/* ---------------------------------------------------------------- life */

/* Laid down in full under another name, so that it is there whole or not at all. */
static enum err lay(struct store_redo *r, char why[STORE_WHY_MAX])
{
    char temp[sizeof(r->path) + 8];
    snprintf(temp, sizeof(temp), "%s.new", r->path);
    r->fd = open(temp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (r->fd < 0)
        return store_say(why, ERR_IO, "%s cannot be made: %s.", temp, strerror(errno));
    crypto_random((uint8_t *)&r->key, sizeof(r->key));
    uint8_t *zeros = mem_aligned(BLOCK, HALF_BYTES);
    r->is_synced = true; /* one flush for all of it, below */
    enum err e = put(r, zeros, BLOCK, 0);
    for (unsigned i = 0; i < 2 && e == OK; i++)
        e = put(r, zeros, HALF_BYTES, place_of(i, 0));
    mem_free(zeros);
    r->is_synced = false;
    if (e == OK)
        e = put_head(r, 0);
    close(r->fd);
    r->fd = -1;
    if (e == OK && rename(temp, r->path) != 0)
        e = ERR_IO;
    if (e != OK) {
        (void)unlink(temp);
        return store_say(why, e, "%s cannot be made: %s.", r->path,
                         e == ERR_STORE_FULL ? "the disk is full" : strerror(errno));
    }
    return store_dir_sync(r->path, why);
}

static enum err look_at_head(struct store_redo *r, char why[STORE_WHY_MAX])
{
    struct file_head h;
    struct stat info;
    uint8_t *block = mem_aligned(BLOCK, BLOCK);
    bool ok = fstat(r->fd, &info) == 0 && info.st_size == (off_t)FILE_BYTES &&
              pread(r->fd, block, BLOCK, 0) == (ssize_t)BLOCK;
    memcpy(&h, block, sizeof(h));
    mem_free(block);
    if (!ok || memcmp(h.magic, file_magic, sizeof(h.magic)) != 0 || h.half_bytes != HALF_BYTES ||
        h.sum != sum_of(0, 0, (const uint8_t *)&h, offsetof(struct file_head, sum)))
        return store_say(why, ERR_CORRUPT,
                         "%s is not a redo log of this program, or is damaged: put the right file "
                         "back, or restore the last backup.",
                         r->path);
    r->key = h.key;
    r->number = h.clean;
    r->is_marked_clean = h.clean != 0;
    enum err e = h.clean != 0 ? OK : look_at_both(r);
    if (e == OK)
        return OK;
    return store_say(why, e,
                     e == ERR_CORRUPT ? "%s is damaged in the middle: restore the last backup."
                                      : "%s cannot be read.",
                     r->path);
}

/* Past the page cache where that is possible: a third less CPU per commit. */
static void open_file(struct store_redo *r)
{
    r->is_synced = true;
    r->fd = open(r->path, O_RDWR | O_CLOEXEC | O_DSYNC | O_DIRECT);
    if (r->fd < 0 && errno == EINVAL)
        r->fd = open(r->path, O_RDWR | O_CLOEXEC | O_DSYNC);
}

enum err store_redo_open(const char *path, struct store_redo **ret_redo, char why[STORE_WHY_MAX])
{
    struct store_redo *r = mem_zalloc(sizeof(*r));
    snprintf(r->path, sizeof(r->path), "%s", path);
    r->block = mem_aligned(BLOCK, BLOCK);
    r->block_bytes = BLOCK;
    enum err e = OK;
    open_file(r);
    if (r->fd < 0 && errno == ENOENT) {
        e = lay(r, why);
        if (e == OK)
            open_file(r);
    }
    if (e == OK && r->fd < 0)
        e = store_say(why, errno == EACCES || errno == EROFS ? ERR_STORE_READONLY : ERR_IO,
                      "%s cannot be opened for writing: %s.", r->path, strerror(errno));
    if (e == OK)
        e = look_at_head(r, why);
    if (e != OK) {
        if (r->fd >= 0)
            close(r->fd);
        mem_free(r->block);
        mem_free(r);
        return e;
    }
    atomic_store(&r->released, r->is_marked_clean ? r->number : 0);
    atomic_store(&r->folded, r->is_marked_clean ? r->number : 0);
    *ret_redo = r;
    return OK;
}

void store_redo_close(struct store_redo **ref)
{
    struct store_redo *r = *ref;
    *ref = NULL;
    if (r == NULL)
        return;
    if (r->number != 0 && !r->is_marked_clean && store_redo_is_released(r, r->number))
        (void)!put_head(r, r->number);
    close(r->fd);
    mem_free(r->block);
    mem_free(r);
}

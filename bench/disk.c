/* How long the file system takes to make 4 KiB durable.
 *
 *   disk file=PATH [count=500]
 *
 * Twice: appended, then written over in place, fdatasync after each. Prints quantiles in µs. */
#include "wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { BLOCK = 4096, COUNT_MAX = 20000 };

static int64_t took[COUNT_MAX];

static void sort(int64_t *a, int n)
{
    for (int i = 1; i < n; i++) {
        int64_t x = a[i];
        int j = i;

        for (; j > 0 && a[j - 1] > x; j--)
            a[j] = a[j - 1];
        a[j] = x;
    }
}

static void measure(const char *what, int fd, int count, bool append)
{
    static char block[BLOCK];

    for (int i = 0; i < count; i++) {
        int64_t begin = wire_now();

        block[0] = (char)i;
        if (pwrite(fd, block, BLOCK, append ? (off_t)i * BLOCK : 0) != BLOCK || fdatasync(fd) != 0)
            wire_die(what);
        took[i] = (wire_now() - begin) / 1000;
    }
    sort(took, count);
    printf("%s_p50=%lld %s_p99=%lld ", what, (long long)took[count / 2], what,
           (long long)took[count * 99 / 100]);
}

int main(int argc, char **argv)
{
    const char *file = wire_arg(argc, argv, "file", "disk.tmp");
    int count = (int)wire_arg_n(argc, argv, "count", "500");
    int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        wire_die(file);
    if (count < 1 || count > COUNT_MAX)
        count = 500;
    measure("append", fd, count, true);
    measure("overwrite", fd, count, false);
    putchar('\n');
    close(fd);
    unlink(file);
    return 0;
}

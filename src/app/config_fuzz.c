/* Configuration files of any bytes: read, or refused with a line for each mistake. */
#include "app/config.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct buf report;
    int fd = memfd_create("config", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    buf_init(&report, 1u << 24);
    struct config *c = config_new();
    enum err e = config_read(c, path, &report);
    must(e == OK || (e == ERR_INVALID_REQUEST && report.n != 0));
    if (e == OK)
        e = config_check(c, &report);
    must(e == OK || (e == ERR_INVALID_REQUEST && report.n != 0));
    config_free(&c);
    buf_fini(&report);
    close(fd);
    return 0;
}

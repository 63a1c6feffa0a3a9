#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

void wire_die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, errno != 0 ? strerror(errno) : "no");
    exit(1);
}

int64_t wire_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t wire_digits(const char *p, const char *end)
{
    int64_t n = 0;

    while (p < end && *p >= '0' && *p <= '9')
        n = n * 10 + (*p++ - '0');
    return n;
}

size_t wire_head(const char *p, size_t n)
{
    const char *end = memmem(p, n, "\r\n\r\n", 4);

    return end == NULL ? 0 : (size_t)(end - p) + 4;
}

int64_t wire_length(const char *p, size_t head_n)
{
    static const char name[] = "\ncontent-length:";
    const char *end = p + head_n, *line = p;

    while ((line = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        if ((size_t)(end - line) > sizeof name - 1 && (line[1] | 32) == 'c' &&
            strncasecmp(line, name, sizeof name - 1) == 0) {
            line += sizeof name - 1;
            while (line < end && *line == ' ')
                line++;
            return wire_digits(line, end);
        }
        line++;
    }
    return -1;
}

void *wire_map(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        wire_die("mmap");
    return p;
}

int64_t wire_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        wire_die("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        wire_die("setrlimit");
    return (int64_t)limit.rlim_cur;
}

const char *wire_arg(int argc, char **argv, const char *name, const char *otherwise)
{
    size_t n = strlen(name);

    for (int i = argc - 1; i > 0; i--)
        if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=')
            return argv[i] + n + 1;
    return otherwise;
}

int64_t wire_arg_n(int argc, char **argv, const char *name, const char *otherwise)
{
    const char *text = wire_arg(argc, argv, name, otherwise);

    return wire_digits(text, text + strlen(text));
}

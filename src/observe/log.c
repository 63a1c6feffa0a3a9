/* Log lines: formatted by whoever speaks, written by one thread. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "observe/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define QUEUE_BYTES_MAX (4u << 20)
#define MESSAGE_MAX 1024
#define GATHER_US 20000

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    struct buf filling, writing;
    char *file; /* NULL: standard error */
    int fd;
    bool running, stopping, reopen;
    uint64_t dropped;
} out = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .fd = 2};

static void write_all(int fd, struct str s)
{
    while (s.n != 0) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (fd != 2)
                write_all(2, s);
            return;
        }
        s = str_from(s, (size_t)n);
    }
}

static int open_file(const char *file)
{
    return open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

static void reopen_file(void)
{
    int fd = out.file != NULL ? open_file(out.file) : -1;
    if (fd < 0)
        return;
    close(out.fd);
    out.fd = fd;
}

static void *writer(void *arg)
{
    (void)arg;
    thread_name("tg-log");
    pthread_mutex_lock(&out.lock);
    for (;;) {
        while (out.filling.n == 0 && !out.stopping && !out.reopen)
            pthread_cond_wait(&out.wake, &out.lock);
        if (out.reopen)
            reopen_file();
        out.reopen = false;
        struct buf swap = out.writing;
        out.writing = out.filling;
        out.filling = swap;
        bool last = out.stopping;
        pthread_mutex_unlock(&out.lock);
        write_all(out.fd, buf_str(&out.writing));
        buf_reset(&out.writing);
        if (!last)
            usleep(GATHER_US); /* lines of a burst leave together */
        pthread_mutex_lock(&out.lock);
        if (last && out.filling.n == 0)
            break;
    }
    pthread_mutex_unlock(&out.lock);
    return NULL;
}

enum err observe_start(const char *log_file)
{
    must(!out.running);
    buf_init(&out.filling, QUEUE_BYTES_MAX);
    buf_init(&out.writing, QUEUE_BYTES_MAX);
    out.fd = 2;
    if (strcmp(log_file, "-") != 0) {
        out.fd = open_file(log_file);
        if (out.fd < 0) {
            out.fd = 2;
            return ERR_IO;
        }
        out.file = mem_dup(log_file, strlen(log_file));
    }
    out.stopping = false;
    out.running = true;
    must(pthread_create(&out.thread, NULL, writer, NULL) == 0);
    return OK;
}

void observe_stop(void)
{
    if (!out.running)
        return;
    pthread_mutex_lock(&out.lock);
    out.stopping = true;
    pthread_cond_signal(&out.wake);
    pthread_mutex_unlock(&out.lock);
    pthread_join(out.thread, NULL);
    if (out.fd != 2)
        close(out.fd);
    out.fd = 2;
    mem_free(out.file);
    out.file = NULL;
    buf_fini(&out.filling);
    buf_fini(&out.writing);
    out.running = false;
}

void observe_reopen(void)
{
    pthread_mutex_lock(&out.lock);
    out.reopen = true;
    pthread_cond_signal(&out.wake);
    pthread_mutex_unlock(&out.lock);
}

static void line(struct buf *b, const char *level, const char *event, int64_t wall_us,
                 struct str members)
{
    buf_byte(b, '{');
    buf_json_time(b, "time", wall_us);
    buf_json_plain(b, "level", str_c(level));
    buf_json_plain(b, "event", str_c(event));
    if (members.n != 0) {
        buf_byte(b, ',');
        buf_add(b, members);
    }
    buf_add(b, STR("}\n"));
}

void observe_log(const char *level, const char *event, int64_t wall_us, struct str members)
{
    pthread_mutex_lock(&out.lock);
    if (out.running) {
        bool was_empty = out.filling.n == 0;
        size_t mark = out.filling.n;
        line(&out.filling, level, event, wall_us, members);
        if (out.filling.over) {
            out.filling.n = mark;
            out.filling.over = false;
            out.dropped++;
        }
        if (was_empty)
            pthread_cond_signal(&out.wake);
    } else {
        struct buf b;
        buf_init(&b, QUEUE_BYTES_MAX);
        line(&b, level, event, wall_us, members);
        write_all(2, buf_str(&b));
        buf_fini(&b);
    }
    pthread_mutex_unlock(&out.lock);
}

void observe_say(const char *level, const char *event, const char *fmt, ...)
{
    char text[MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    struct buf b;
    buf_init(&b, sizeof(text) * 8);
    buf_json_member(&b, "message", str_of(text, len));
    observe_log(level, event, clock_wall_us(), buf_str(&b));
    buf_fini(&b);
}

uint64_t observe_lines_dropped(void)
{
    pthread_mutex_lock(&out.lock);
    uint64_t n = out.dropped;
    pthread_mutex_unlock(&out.lock);
    return n;
}

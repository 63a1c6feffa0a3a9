/* Seeing: log lines out, Prometheus figures.
 *
 * Owns: the log file and its thread; the counters.
 * Needs: base, tbl/metrics.h.
 * Threads: any. observe_add and _time are wait-free on a per-thread slab; log lines are handed to
 * one thread, so that no loop waits for a disk.
 * Memory: the line queue is bounded (4 MiB); lines beyond it are dropped and counted.
 * Units: µs inside, seconds in the text.
 * Errors: a log file that cannot be opened is ERR_IO; one that cannot be written goes to standard
 * error.
 * Always: a line is one JSON object; never a prompt, never a key. */
#ifndef OBSERVE_OBSERVE_H
#define OBSERVE_OBSERVE_H

#include "base/buf.h"
#include "base/err.h"
#include "tbl/metrics.h"

enum metric {
#define COUNTER(name, text, help) METRIC_##name,
    METRIC_COUNTERS(COUNTER)
#undef COUNTER
        METRIC__COUNT
};
enum metric_time {
#define HISTOGRAM(name, text, help) METRIC_TIME_##name,
    METRIC_HISTOGRAMS(HISTOGRAM)
#undef HISTOGRAM
        METRIC_TIME__COUNT
};

/* "-" is standard error. */
MUST enum err observe_start(const char *log_file);
/* Writes what is queued. */
void observe_stop(void);
/* SIGHUP: opens the file again (log rotation). */
void observe_reopen(void);

void observe_add(enum metric m, uint64_t n);
void observe_time(enum metric_time m, int64_t us);
uint64_t observe_get(enum metric m);
/* Upper bound of the bucket that holds the quantile (0 < q_ppm < 1,000,000). */
int64_t observe_quantile_us(enum metric_time m, int64_t q_ppm);
/* Prometheus text of all counters and histograms. */
void observe_render(struct buf *out);
/* One gauge or counter in the same format. */
void observe_gauge(struct buf *out, const char *name, const char *help, int64_t value);

/* A log line: {"time":…,"level":…,"event":…, then the members that the caller wrote}. The members
 * are given as JSON text without braces; may be empty. */
void observe_log(const char *level, const char *event, int64_t wall_us, struct str members);
/* The same for a message in words. */
void observe_say(const char *level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);
uint64_t observe_lines_dropped(void);

#endif

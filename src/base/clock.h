/* Times: microseconds since 1970 (wall) or since the machine's start (mono), and their text.
 *
 * Owns: the only clock reads.  Threads: any.  Memory: none.  Units: µs in int64_t.
 * Errors: text that is no time is ERR_INVALID_REQUEST.
 * Always: business rooms get time as an argument; only loops, threads' tops and verbs read it. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/err.h"
#include "base/str.h"

#define US_PER_S INT64_C(1000000)
#define US_PER_MS INT64_C(1000)
#define US_PER_HOUR (INT64_C(3600) * US_PER_S)
#define US_PER_DAY (INT64_C(24) * US_PER_HOUR)

int64_t clock_wall_us(void);
int64_t clock_mono_us(void);
/* CPU time of this process. */
int64_t clock_cpu_us(void);

#define CLOCK_TEXT_MAX 32
/* "2026-11-20T08:00:00.000Z" */
struct str clock_rfc3339(int64_t wall_us, char text[CLOCK_TEXT_MAX]);
/* "Fri, 20 Nov 2026 08:00:00 GMT" (RFC 9110 §5.6.7) */
struct str clock_http_date(int64_t wall_us, char text[CLOCK_TEXT_MAX]);
/* RFC 3339 with any fraction and offset, or a date alone (midnight UTC). */
MUST enum err clock_parse(struct str s, int64_t *ret_wall_us);
/* Start of the UTC month that holds the time. */
int64_t clock_month_start(int64_t wall_us);
/* The same day and time, so many months later; the month's last day where it is shorter. */
int64_t clock_months_later(int64_t wall_us, int64_t months);
/* "90", "90s", "15m", "12h", "30d" to µs. */
MUST enum err clock_parse_duration(struct str s, int64_t *ret_us);

#endif

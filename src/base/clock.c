/* Clock reads, and civil dates by the days-from-civil arithmetic (proleptic Gregorian). */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    must(clock_gettime(id, &ts) == 0);
    return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_cpu_us(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

struct civil {
    int64_t year;
    int month, day;
};

/* Eras of 400 years starting on 1 March make leap days fall at the end. */
static int64_t days_of(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static struct civil civil_of(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);
    return (struct civil){yoe + era * 400 + (month <= 2), month,
                          (int)(doy - (153 * mp + 2) / 5 + 1)};
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Of the day that holds the time; never negative. */
static int64_t time_of_day(int64_t wall_us)
{
    int64_t rest = wall_us % US_PER_DAY;
    return rest < 0 ? rest + US_PER_DAY : rest;
}

/* `n` digits at p. */
static void put_digits(char *p, int64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, v /= 10)
        p[i] = (char)('0' + v % 10);
}

/* Whole seconds; lines of a log come by the hundred within one. */
static void put_second(int64_t wall_us, char text[20])
{
    static _Thread_local char last[20];
    static _Thread_local int64_t last_s = INT64_MIN;
    int64_t second = floor_div(wall_us, US_PER_S);
    if (second != last_s) {
        int64_t s = time_of_day(wall_us) / US_PER_S;
        struct civil c = civil_of(floor_div(wall_us, US_PER_DAY));
        memcpy(last, "0000-00-00T00:00:00.", 20);
        put_digits(last, c.year % 10000, 4);
        put_digits(last + 5, c.month, 2);
        put_digits(last + 8, c.day, 2);
        put_digits(last + 11, s / 3600, 2);
        put_digits(last + 14, s / 60 % 60, 2);
        put_digits(last + 17, s % 60, 2);
        last_s = second;
    }
    memcpy(text, last, 20);
}

struct str clock_rfc3339(int64_t wall_us, char text[CLOCK_TEXT_MAX])
{
    put_second(wall_us, text);
    memcpy(text + 20, "000Z", 5);
    put_digits(text + 20, time_of_day(wall_us) / 1000 % 1000, 3);
    return str_of(text, 24);
}

struct str clock_http_date(int64_t wall_us, char text[CLOCK_TEXT_MAX])
{
    static const char day[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char month[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t days = floor_div(wall_us, US_PER_DAY);
    int64_t s = time_of_day(wall_us) / US_PER_S;
    struct civil c = civil_of(days);
    int n = snprintf(text, CLOCK_TEXT_MAX, "%s, %02d %s %04d %02d:%02d:%02d GMT",
                     day[((days % 7) + 7) % 7], c.day, month[c.month - 1], (int)(c.year % 10000),
                     (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    return str_of(text, (size_t)n);
}

int64_t clock_month_start(int64_t wall_us)
{
    struct civil c = civil_of(floor_div(wall_us, US_PER_DAY));
    return days_of(c.year, c.month, 1) * US_PER_DAY;
}

int64_t clock_months_later(int64_t wall_us, int64_t months)
{
    struct civil c = civil_of(floor_div(wall_us, US_PER_DAY));
    int64_t m = c.year * 12 + c.month - 1 + months;
    int64_t first = days_of(floor_div(m, 12), (int)(m - floor_div(m, 12) * 12) + 1, 1);
    int64_t next = days_of(floor_div(m + 1, 12), (int)(m + 1 - floor_div(m + 1, 12) * 12) + 1, 1);
    int64_t day = c.day <= next - first ? c.day : next - first;
    return (first + day - 1) * US_PER_DAY + time_of_day(wall_us);
}

/* Two or four digits at `at`; -1 when they are not there. */
static int digits_at(struct str s, size_t at, size_t n)
{
    uint64_t v;
    return at + n <= s.n && str_to_u64(str_of(s.p + at, n), 9999, &v) ? (int)v : -1;
}

static bool parse_offset(struct str s, int64_t *ret_us)
{
    if (str_eq(s, STR("Z")) || str_eq(s, STR("z"))) {
        *ret_us = 0;
        return true;
    }
    int h = digits_at(s, 1, 2), m = digits_at(s, 4, 2);
    if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' || h < 0 || h > 23 || m < 0 ||
        m > 59)
        return false;
    int64_t us = ((int64_t)h * 60 + m) * 60 * US_PER_S;
    *ret_us = s.p[0] == '-' ? -us : us;
    return true;
}

static bool parse_clock(struct str s, int64_t *ret_us)
{
    int h = digits_at(s, 0, 2), m = digits_at(s, 3, 2), sec = digits_at(s, 6, 2);
    if (s.n < 9 || s.p[2] != ':' || s.p[5] != ':' || h < 0 || h > 23 || m < 0 || m > 59 ||
        sec < 0 || sec > 60)
        return false;
    int64_t us = (((int64_t)h * 60 + m) * 60 + sec) * US_PER_S, unit = US_PER_S / 10;
    size_t i = 8;
    if (s.p[i] == '.') {
        if (digits_at(s, ++i, 1) < 0)
            return false;
        for (; digits_at(s, i, 1) >= 0; i++, unit /= 10)
            us += digits_at(s, i, 1) * unit;
    }
    int64_t offset;
    if (!parse_offset(str_from(s, i), &offset))
        return false;
    *ret_us = us - offset;
    return true;
}

enum err clock_parse(struct str s, int64_t *ret_wall_us)
{
    static const int length[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y = digits_at(s, 0, 4), m = digits_at(s, 5, 2), d = digits_at(s, 8, 2);
    if (s.n < 10 || s.p[4] != '-' || s.p[7] != '-' || y < 0 || m < 1 || m > 12 || d < 1 ||
        d > length[m - 1] || (m == 2 && d == 29 && (y % 4 != 0 || (y % 100 == 0 && y % 400 != 0))))
        return ERR_INVALID_REQUEST;
    int64_t us = 0;
    if (s.n > 10 && ((s.p[10] != 'T' && s.p[10] != 't' && s.p[10] != ' ') ||
                     !parse_clock(str_from(s, 11), &us)))
        return ERR_INVALID_REQUEST;
    *ret_wall_us = days_of(y, m, d) * US_PER_DAY + us;
    return OK;
}

enum err clock_parse_duration(struct str s, int64_t *ret_us)
{
    static const struct {
        char suffix;
        int64_t us;
    } units[] = {{'s', US_PER_S}, {'m', 60 * US_PER_S}, {'h', US_PER_HOUR}, {'d', US_PER_DAY}};
    int64_t unit = US_PER_S;
    for (size_t i = 0; s.n > 1 && i < sizeof(units) / sizeof(units[0]); i++)
        if (s.p[s.n - 1] == units[i].suffix) {
            unit = units[i].us;
            s.n--;
            break;
        }
    uint64_t n;
    if (!str_to_u64(s, 1000000, &n))
        return ERR_INVALID_REQUEST;
    *ret_us = (int64_t)n * unit;
    return OK;
}

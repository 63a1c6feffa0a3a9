/* Money arithmetic and the decimal scanner. */
#include "base/units.h"

#define SUM_MAX ((__int128)1 << 96)
#define PPM INT64_C(1000000)
#define PPM_MAX (INT64_C(1) << 30)

static __int128 sum_get(struct pico_sum s)
{
    return (__int128)((unsigned __int128)s.hi << 64 | s.lo);
}

static struct pico_sum sum_of(__int128 v)
{
    if (v > SUM_MAX)
        v = SUM_MAX;
    if (v < -SUM_MAX)
        v = -SUM_MAX;
    return (struct pico_sum){(uint64_t)(unsigned __int128)v, (int64_t)(v >> 64)};
}

enum err nano_add(struct nano a, struct nano b, struct nano *ret_sum)
{
    int64_t v;
    if (__builtin_add_overflow(a.v, b.v, &v))
        return ERR_LIMIT;
    ret_sum->v = v;
    return OK;
}

enum err nano_sub(struct nano a, struct nano b, struct nano *ret_diff)
{
    int64_t v;
    if (__builtin_sub_overflow(a.v, b.v, &v))
        return ERR_LIMIT;
    ret_diff->v = v;
    return OK;
}

struct nano nano_plus(struct nano a, struct nano b)
{
    struct nano r = {0};
    must(nano_add(a, b, &r) == OK);
    return r;
}

struct nano nano_minus(struct nano a, struct nano b)
{
    struct nano r = {0};
    must(nano_sub(a, b, &r) == OK);
    return r;
}

int64_t nano_per_mille(struct nano part, struct nano whole)
{
    must(whole.v != 0);
    __int128 n = (__int128)part.v * 1000 / whole.v;
    return n > INT64_MAX ? INT64_MAX : n < INT64_MIN ? INT64_MIN : (int64_t)n;
}

struct nano nano_share(struct nano amount, int64_t part, int64_t whole)
{
    must(amount.v >= 0 && part >= 0 && part <= whole && whole > 0);
    return NANO((int64_t)((__int128)amount.v * part / whole));
}

struct pico_sum pico_sum_zero(void)
{
    return (struct pico_sum){0, 0};
}

void pico_sum_add(struct pico_sum *sum, int64_t units, struct pico price)
{
    must(units >= 0);
    *sum = sum_of(sum_get(*sum) + (__int128)sum_get(sum_of((__int128)units * price.v)));
}

void pico_sum_add_nano(struct pico_sum *sum, struct nano n)
{
    *sum = sum_of(sum_get(*sum) + (__int128)n.v * 1000);
}

static enum err divide(struct pico_sum sum, int64_t markup_ppm, bool up, struct nano *ret)
{
    must(markup_ppm >= -PPM && markup_ppm <= PPM_MAX);
    __int128 v = sum_get(sum);
    if (v >= SUM_MAX || v <= -SUM_MAX)
        return ERR_LIMIT;
    v *= PPM + markup_ppm;
    const __int128 by = (__int128)PPM * 1000;
    __int128 q = v / by, rest = v % by;
    if (up && rest > 0)
        q++;
    if (!up && rest < 0)
        q--;
    if (q > INT64_MAX || q < INT64_MIN)
        return ERR_LIMIT;
    ret->v = (int64_t)q;
    return OK;
}

enum err pico_sum_charge(struct pico_sum sum, int64_t markup_ppm, struct nano *ret_charge)
{
    return divide(sum, markup_ppm, true, ret_charge);
}

enum err pico_sum_floor(struct pico_sum sum, int64_t markup_ppm, struct nano *ret_amount)
{
    return divide(sum, markup_ppm, false, ret_amount);
}

int64_t pico_units_affordable(struct nano budget, struct pico price, int64_t markup_ppm,
                              int64_t max)
{
    if (budget.v <= 0)
        return 0;
    __int128 each = (__int128)price.v * (PPM + markup_ppm);
    if (each <= 0)
        return max;
    __int128 n = (__int128)budget.v * 1000 * PPM / each;
    return n < max ? (int64_t)n : max;
}

enum err pico_markup(struct pico price, int64_t markup_ppm, struct pico *ret_price)
{
    __int128 v = (__int128)price.v * (PPM + markup_ppm);
    v = v / PPM + (v % PPM > 0 ? 1 : 0);
    if (v > INT64_MAX || v < INT64_MIN)
        return ERR_LIMIT;
    ret_price->v = (int64_t)v;
    return OK;
}

/* A decimal taken apart: digits without leading zeros and the power of ten of the last one. */
struct decimal {
    char digits[64];
    int n, exp;
    bool neg;
    bool lost; /* digits that did not fit were not all zero */
};

static void decimal_digit(struct decimal *d, char c, bool fraction)
{
    if (d->n == 0 && c == '0') {
        d->exp -= fraction;
        return;
    }
    if (d->n < (int)sizeof(d->digits)) {
        d->digits[d->n++] = c;
        d->exp -= fraction;
    } else {
        d->lost |= c != '0';
        d->exp += !fraction;
    }
}

static bool is_digit(struct str s, size_t i)
{
    return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

static bool scan_exponent(struct str s, size_t *at, struct decimal *d)
{
    size_t i = *at + 1;
    bool neg = i < s.n && s.p[i] == '-';
    if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
        i++;
    if (!is_digit(s, i))
        return false;
    int e = 0;
    for (; is_digit(s, i); i++)
        e = e < 10000 ? e * 10 + (s.p[i] - '0') : e;
    d->exp += neg ? -e : e;
    *at = i;
    return true;
}

/* JSON's number grammar (RFC 8259 §6), leading zeros allowed. */
static bool decimal_scan(struct str s, struct decimal *d)
{
    *d = (struct decimal){.n = 0};
    size_t i = 0;
    if (s.n > 0 && s.p[0] == '-') {
        d->neg = true;
        i = 1;
    }
    if (!is_digit(s, i))
        return false;
    for (; is_digit(s, i); i++)
        decimal_digit(d, s.p[i], false);
    if (i < s.n && s.p[i] == '.') {
        i++;
        if (!is_digit(s, i))
            return false;
        for (; is_digit(s, i); i++)
            decimal_digit(d, s.p[i], true);
    }
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E') && !scan_exponent(s, &i, d))
        return false;
    return i == s.n;
}

/* The value × 10^places as int64. */
static enum err decimal_scaled(struct str s, int places, bool round_up, int64_t *ret_v)
{
    struct decimal d;
    if (!decimal_scan(s, &d))
        return ERR_INVALID_REQUEST;
    int shift = d.exp + places;
    bool rest = d.lost;
    while (d.n > 0 && shift < 0) {
        rest |= d.digits[--d.n] != '0';
        shift++;
    }
    __int128 v = 0;
    for (int i = 0; i < d.n + (d.n > 0 ? shift : 0); i++) {
        v = v * 10 + (i < d.n ? d.digits[i] - '0' : 0);
        if (v > INT64_MAX)
            return ERR_LIMIT;
    }
    if (rest && !round_up)
        return ERR_INVALID_REQUEST;
    if (rest && !d.neg)
        v++;
    if (v > INT64_MAX)
        return ERR_LIMIT;
    *ret_v = d.neg ? -(int64_t)v : (int64_t)v;
    return OK;
}

enum err nano_parse(struct str s, bool round_up, struct nano *ret_amount)
{
    return decimal_scaled(s, 9, round_up, &ret_amount->v);
}

enum err pico_parse(struct str s, bool round_up, struct pico *ret_price)
{
    return decimal_scaled(s, 12, round_up, &ret_price->v);
}

enum err ppm_parse_percent(struct str s, int64_t *ret_ppm)
{
    int64_t v;
    enum err e = decimal_scaled(s, 4, false, &v);
    if (e != OK)
        return e;
    if (v < -PPM || v > PPM_MAX)
        return ERR_LIMIT;
    *ret_ppm = v;
    return OK;
}

static struct str format(int64_t v, int places, char text[UNITS_TEXT_MAX])
{
    char *end = text + UNITS_TEXT_MAX, *p = end;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    bool point = false;
    for (int i = 0; i < places; i++, u /= 10) {
        if (!point && u % 10 == 0)
            continue;
        *--p = (char)('0' + u % 10);
        point = true;
    }
    if (point)
        *--p = '.';
    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u != 0);
    if (v < 0)
        *--p = '-';
    return str_of(p, (size_t)(end - p));
}

struct str nano_format(struct nano n, char text[UNITS_TEXT_MAX])
{
    return format(n.v, 9, text);
}

struct str pico_format(struct pico p, char text[UNITS_TEXT_MAX])
{
    return format(p.v, 12, text);
}

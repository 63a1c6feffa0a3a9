/* nano_parse and pico_parse against an oracle that shifts decimal digits in a long row. */
#include "base/units.h"

#define ROW 4200 /* exponents up to ±2000 around the point */
#define POINT 2100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct row {
    uint8_t d[ROW]; /* d[POINT] are ones, d[POINT + 1] tenths */
    bool neg;
};

static bool is_digit(struct str s, size_t i)
{
    return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

/* 1: read; 0: no number; -1: too long for the oracle. */
static int oracle_read(struct str s, struct row *r)
{
    *r = (struct row){.neg = s.n > 0 && s.p[0] == '-'};
    size_t i = r->neg, whole = 0, all = 0;
    size_t start = i;
    for (; is_digit(s, i); i++)
        whole++;
    if (whole == 0)
        return 0;
    size_t end = i;
    if (i < s.n && s.p[i] == '.') {
        for (i++; is_digit(s, i); i++)
            all++;
        if (all == 0)
            return 0;
        end = i;
    }
    long exponent = 0;
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        bool neg = i + 1 < s.n && s.p[i + 1] == '-';
        i += i + 1 < s.n && (s.p[i + 1] == '-' || s.p[i + 1] == '+') ? 2 : 1;
        if (!is_digit(s, i))
            return 0;
        for (; is_digit(s, i); i++)
            exponent = exponent < 100000 ? exponent * 10 + (s.p[i] - '0') : exponent;
        exponent = neg ? -exponent : exponent;
    }
    if (i != s.n)
        return 0;
    if (exponent > 1000 || exponent < -1000 || end - start > 1000)
        return -1;
    long at = POINT - (long)whole + 1 - exponent;
    for (size_t k = start; k < end; k++)
        if (s.p[k] != '.')
            r->d[at++] = (uint8_t)(s.p[k] - '0');
    return 1;
}

static enum err oracle(const struct row *r, int places, bool round_up, int64_t *ret)
{
    bool rest = false;
    for (int i = POINT + places + 1; i < ROW; i++)
        rest |= r->d[i] != 0;
    uint64_t v = 0;
    for (int i = 0; i <= POINT + places; i++) {
        if (v > (INT64_MAX - (uint64_t)r->d[i]) / 10)
            return ERR_LIMIT;
        v = v * 10 + r->d[i];
    }
    if (rest && !round_up)
        return ERR_INVALID_REQUEST;
    v += rest && !r->neg;
    if (v > INT64_MAX)
        return ERR_LIMIT;
    *ret = r->neg ? -(int64_t)v : (int64_t)v;
    return OK;
}

static void compare(struct str s, const struct row *r, bool round_up)
{
    struct nano n = {-77};
    struct pico p = {-77};
    int64_t want = -77;
    enum err e = oracle(r, 9, round_up, &want);
    must(nano_parse(s, round_up, &n) == e && n.v == want);
    want = -77;
    e = oracle(r, 12, round_up, &want);
    must(pico_parse(s, round_up, &p) == e && p.v == want);
}

static void there_and_back(struct nano n, struct pico p)
{
    char text[UNITS_TEXT_MAX];
    struct nano n2 = {0};
    struct pico p2 = {0};
    if (n.v != INT64_MIN)
        must(nano_parse(nano_format(n, text), false, &n2) == OK && n2.v == n.v);
    if (p.v != INT64_MIN)
        must(pico_parse(pico_format(p, text), false, &p2) == OK && p2.v == p.v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = str_of((const char *)data, size);
    struct row r;
    struct nano n = {0};
    int64_t v = 0;
    int read = oracle_read(s, &r);
    if (read == 0) {
        must(nano_parse(s, true, &n) == ERR_INVALID_REQUEST);
        must(nano_parse(s, false, &n) == ERR_INVALID_REQUEST);
    } else if (read > 0) {
        compare(s, &r, true);
        compare(s, &r, false);
        int64_t want;
        enum err e = oracle(&r, 4, false, &want);
        if (e == OK && (want < -1000000 || want > 1 << 30))
            e = ERR_LIMIT;
        must(ppm_parse_percent(s, &v) == e && (e != OK || v == want));
    } else {
        (void)!nano_parse(s, true, &n);
    }
    if (size >= 16) {
        int64_t two[2];
        memcpy(two, data, sizeof(two));
        there_and_back(NANO(two[0]), PICO(two[1]));
    }
    return 0;
}

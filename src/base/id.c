/* ULIDs. */
#include "base/id.h"
#include "base/crypto.h"
#include "base/err.h"

#include <stdio.h>

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

struct id id_new(int64_t wall_us)
{
    static _Thread_local struct id last;
    uint64_t ms = (uint64_t)(wall_us / 1000);
    if ((int64_t)ms == id_wall_ms(last) && !id_is_zero(last)) {
        for (int i = 15; i >= 6; i--)
            if (++last.b[i] != 0)
                return last;
    }
    for (int i = 5; i >= 0; i--, ms >>= 8)
        last.b[i] = (uint8_t)ms;
    crypto_random(last.b + 6, 10);
    last.b[6] &= 0x7F; /* room to count upward within the millisecond */
    return last;
}

struct id id_first(int64_t wall_us)
{
    struct id id = {{0}};
    uint64_t ms = wall_us > 0 ? (uint64_t)(wall_us + 999) / 1000 : 0;
    for (int i = 5; i >= 0; i--, ms >>= 8)
        id.b[i] = (uint8_t)ms;
    return id;
}

bool id_eq(struct id a, struct id b)
{
    return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

bool id_is_zero(struct id a)
{
    static const struct id zero;
    return id_eq(a, zero);
}

int64_t id_wall_ms(struct id a)
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | a.b[i];
    return ms;
}

uint64_t id_hash(struct id a)
{
    uint64_t hi, lo;
    memcpy(&hi, a.b, 8);
    memcpy(&lo, a.b + 8, 8);
    uint64_t h = (hi ^ (lo * 0x9E3779B97F4A7C15u)) * 0xd6e8feb86659fd93u;
    return h ^ (h >> 32);
}

struct str id_text(const char *prefix, struct id id, char text[ID_TEXT_MAX])
{
    size_t n = strlen(prefix);
    must(n + ID_ULID_LEN < ID_TEXT_MAX);
    memcpy(text, prefix, n);
    /* 128 bits in 26 digits of 5: two zero bits stand before the first. */
    uint64_t hi = 0, lo = 0;
    for (size_t i = 0; i < 8; i++) {
        hi = hi << 8 | id.b[i];
        lo = lo << 8 | id.b[8 + i];
    }
    for (size_t i = ID_ULID_LEN; i-- > 0;) {
        text[n + i] = digits[lo & 31];
        lo = lo >> 5 | hi << 59;
        hi >>= 5;
    }
    text[n + ID_ULID_LEN] = '\0';
    return str_of(text, n + ID_ULID_LEN);
}

void id_json(struct buf *b, const char *name, const char *prefix, struct id id)
{
    char text[ID_TEXT_MAX];
    buf_json_plain(b, name, id_text(prefix, id, text));
}

bool id_parse(const char *prefix, struct str s, struct id *ret_id)
{
    struct str pre = str_c(prefix);
    if (!str_starts(s, pre) || s.n != pre.n + ID_ULID_LEN)
        return false;
    struct id id = {{0}};
    for (size_t i = 0; i < ID_ULID_LEN; i++) {
        const char *at = memchr(digits, s.p[pre.n + i], sizeof(digits) - 1);
        if (at == NULL || (i == 0 && at - digits > 7))
            return false;
        unsigned v = (unsigned)(at - digits);
        for (size_t k = 0; k < 5; k++) {
            size_t bit = i * 5 + k;
            if (bit >= 2 && ((v >> (4 - k)) & 1u) != 0)
                id.b[(bit - 2) / 8] |= (uint8_t)(1u << (7 - (bit - 2) % 8));
        }
    }
    *ret_id = id;
    return true;
}

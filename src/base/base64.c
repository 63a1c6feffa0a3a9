/* Base64. */
#include "base/base64.h"

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char of_urls[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void add(struct buf *out, struct str s, const char digits[64])
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < s.n; i++) {
        bits = bits << 8 | (unsigned char)s.p[i];
        held += 8;
        while (held >= 6) {
            held -= 6;
            buf_byte(out, digits[bits >> held & 63]);
        }
    }
    if (held != 0)
        buf_byte(out, digits[bits << (6 - held) & 63]);
}

void base64url_add(struct buf *out, struct str s)
{
    add(out, s, of_urls);
}

void base64_add(struct buf *out, struct str s)
{
    add(out, s, plain);
    for (size_t i = s.n; i % 3 != 0; i++)
        buf_byte(out, '=');
}

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

enum err base64url_read(struct str s, struct buf *ret_bytes)
{
    uint32_t bits = 0;
    unsigned held = 0;
    if (s.n % 4 == 1)
        return ERR_INVALID_REQUEST;
    for (size_t i = 0; i < s.n; i++) {
        int d = digit_of(s.p[i]);
        if (d < 0)
            return ERR_INVALID_REQUEST;
        bits = bits << 6 | (uint32_t)d;
        held += 6;
        if (held >= 8) {
            held -= 8;
            buf_byte(ret_bytes, (char)(bits >> held & 255));
        }
    }
    if ((bits & ((1u << held) - 1)) != 0)
        return ERR_INVALID_REQUEST;
    return buf_check(ret_bytes);
}

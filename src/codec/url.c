/* URLs. */
#include "codec/url.h"

#include <arpa/inet.h>

enum { HOST_BYTES_MAX = 253, LABEL_BYTES_MAX = 63 };

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* ---- percent-encoding ---- */

/* The byte of an escape at i, which it moves to its last character; '\0' when it is none. */
static char unescape(struct str s, size_t *i)
{
    if (s.n - *i < 3)
        return '\0';
    int high = str_hex_digit(s.p[*i + 1]), low = str_hex_digit(s.p[*i + 2]);
    if (high < 0 || low < 0)
        return '\0';
    *i += 2;
    return (char)(high * 16 + low);
}

enum err url_decode(struct str s, bool plus, struct buf *to)
{
    size_t n = 0;
    if (s.n == 0)
        return OK;
    char *p = buf_reserve(to, s.n);
    if (p == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i] == '%' ? unescape(s, &i) : s.p[i] == '+' && plus ? ' ' : s.p[i];
        if (c == '\0')
            return ERR_INVALID_REQUEST;
        p[n++] = c;
    }
    to->n += n;
    return OK;
}

void url_encode(struct str s, struct buf *to)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            buf_byte(to, c);
            continue;
        }
        buf_byte(to, '%');
        buf_byte(to, hex[(unsigned char)c >> 4]);
        buf_byte(to, hex[(unsigned char)c & 15]);
    }
}

/* ---- queries ---- */

bool url_query_next(struct str *query, struct str *ret_name, struct str *ret_value)
{
    while (query->n != 0) {
        struct str pair = str_cut(query, '&');
        if (pair.n == 0)
            continue;
        *ret_name = str_cut(&pair, '=');
        *ret_value = pair;
        return true;
    }
    return false;
}

/* Does the encoded name say `name`? Compared as it is decoded, without a buffer. */
static bool decodes_to(struct str s, struct str name)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i] == '%' ? unescape(s, &i) : s.p[i] == '+' ? ' ' : s.p[i];
        if (c == '\0' || n == name.n || name.p[n] != c)
            return false;
        n++;
    }
    return n == name.n;
}

bool url_query_get(struct str query, struct str name, struct str *ret_value)
{
    struct str found, value;
    while (url_query_next(&query, &found, &value)) {
        if (decodes_to(found, name)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* ---- absolute addresses ---- */

#define BAD(why) (*ret_why = (why), ERR_INVALID_REQUEST)

static bool is_ipv6(struct str s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr a;
    if (s.n >= sizeof(text) || memchr(s.p, '\0', s.n) != NULL)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return inet_pton(AF_INET6, text, &a) == 1;
}

/* Letters, digits, '-' and '_' in labels; a final dot is let be. Dotted numbers pass as well. */
static bool is_name(struct str s)
{
    size_t label = 0;
    if (s.n == 0 || s.n > HOST_BYTES_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_') {
            return false;
        } else if (++label > LABEL_BYTES_MAX) {
            return false;
        }
    }
    return true;
}

static enum err scheme_parse(struct str *s, struct url *u, const char **ret_why)
{
    static const struct str http = {"http://", 7}, https = {"https://", 8};
    u->tls = str_starts_nocase(*s, https);
    if (!u->tls && !str_starts_nocase(*s, http))
        return BAD("an address begins with http:// or https://");
    u->scheme = str_upto(*s, u->tls ? 5 : 4);
    u->port = u->tls ? 443 : 80;
    *s = str_from(*s, u->tls ? https.n : http.n);
    return OK;
}

static enum err host_parse(struct str authority, struct url *u, const char **ret_why)
{
    size_t end = str_index(authority, ':');
    if (str_index(authority, '@') != SIZE_MAX)
        return BAD("user and password do not belong into an address");
    if (authority.n != 0 && authority.p[0] == '[') {
        end = str_index(authority, ']');
        if (end == SIZE_MAX || !is_ipv6(str_of(authority.p + 1, end - 1)))
            return BAD("the IPv6 address is malformed");
        u->host = str_of(authority.p + 1, end - 1);
        u->host_is_ipv6 = true;
        end++;
    } else {
        u->host = str_upto(authority, end);
        if (!is_name(u->host))
            return BAD("the host name is malformed");
    }
    struct str port = str_from(authority, end);
    uint64_t n;
    if (port.n == 0)
        return OK;
    if (port.p[0] != ':' || port.n > 6 || !str_to_u64(str_from(port, 1), UINT16_MAX, &n) || n == 0)
        return BAD("the port is malformed");
    u->port = (uint16_t)n;
    return OK;
}

static bool is_clean(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return true;
}

enum err url_parse(struct str s, struct url *ret_url, const char **ret_why)
{
    struct url u = {0};
    if (!is_clean(s))
        return BAD("blanks, control characters and bytes beyond ASCII must be escaped");
    enum err e = scheme_parse(&s, &u, ret_why);
    if (e != OK)
        return e;
    size_t end = 0;
    while (end < s.n && s.p[end] != '/' && s.p[end] != '?' && s.p[end] != '#')
        end++;
    if ((e = host_parse(str_upto(s, end), &u, ret_why)) != OK)
        return e;
    u.fragment = str_from(s, end);
    struct str rest = str_cut(&u.fragment, '#');
    u.query = rest;
    u.path = str_cut(&u.query, '?');
    if (u.path.n == 0)
        u.path = STR("/");
    *ret_url = u;
    return OK;
}

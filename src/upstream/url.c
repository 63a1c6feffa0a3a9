/* Base URLs of upstreams. */
#include "upstream/upstream.h"

static enum err refuse(const char **ret_why, const char *why)
{
    *ret_why = why;
    return ERR_INVALID_REQUEST;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

static bool is_ipv6(struct str host)
{
    char text[LOOP_ADDR_TEXT_MAX];
    union loop_addr addr;
    if (host.n + 5 > sizeof(text))
        return false;
    text[0] = '[';
    memcpy(text + 1, host.p, host.n);
    memcpy(text + 1 + host.n, "]:1", 3);
    return loop_addr_parse(str_of(text, host.n + 4), &addr) == OK;
}

static bool host_is_sane(struct str host, bool ipv6)
{
    if (ipv6)
        return is_ipv6(host);
    for (size_t i = 0; i < host.n; i++)
        if (!is_name_byte(host.p[i]))
            return false;
    return host.n != 0 && host.p[0] != '.' && host.p[0] != '-';
}

/* "host", "host:port", "[::1]:port" */
static enum err authority_parse(struct str authority, struct upstream_target *t,
                                const char **ret_why)
{
    bool ipv6 = authority.n != 0 && authority.p[0] == '[';
    struct str host, rest;
    if (ipv6) {
        rest = str_from(authority, 1);
        if (str_index(rest, ']') == SIZE_MAX)
            return refuse(ret_why, "the address lacks its ']'");
        host = str_cut(&rest, ']');
    } else {
        size_t colon = str_index(authority, ':');
        host = str_upto(authority, colon);
        rest = colon == SIZE_MAX ? STR("") : str_from(authority, colon);
    }
    uint64_t port = t->tls ? 443 : 80;
    if (!host_is_sane(host, ipv6))
        return refuse(ret_why, "the host is missing or has a character that no name has");
    if (host.n >= sizeof(t->host))
        return refuse(ret_why, "the host is too long");
    if (rest.n != 0 &&
        (rest.p[0] != ':' || !str_to_u64(str_from(rest, 1), 65535, &port) || port == 0))
        return refuse(ret_why, "the port is not a number from 1 to 65535");
    for (size_t i = 0; i < host.n; i++)
        t->host[i] = host.p[i] >= 'A' && host.p[i] <= 'Z' ? (char)(host.p[i] + 'a' - 'A')
                                                          : host.p[i];
    t->port = (uint16_t)port;
    return OK;
}

enum err upstream_url_parse(struct str url, struct upstream_target *ret_target,
                            struct str *ret_path_prefix, const char **ret_why)
{
    struct upstream_target t = {.tls = str_starts_nocase(url, STR("https://"))};
    if (!t.tls && !str_starts_nocase(url, STR("http://")))
        return refuse(ret_why, "the URL must begin with http:// or https://");
    struct str rest = str_from(url, t.tls ? 8 : 7);
    for (size_t i = 0; i < url.n; i++)
        if ((unsigned char)url.p[i] <= ' ' || (unsigned char)url.p[i] >= 0x7F)
            return refuse(ret_why, "the URL has a blank or a byte that is not printable ASCII");
    if (str_index(rest, '?') != SIZE_MAX || str_index(rest, '#') != SIZE_MAX)
        return refuse(ret_why, "the URL must have no query and no fragment");
    size_t slash = str_index(rest, '/');
    struct str path = slash == SIZE_MAX ? STR("") : str_from(rest, slash);
    struct str authority = str_upto(rest, slash);
    if (str_index(authority, '@') != SIZE_MAX)
        return refuse(ret_why, "the URL must have no user or password in it");
    while (path.n != 0 && path.p[path.n - 1] == '/')
        path.n--;
    enum err e = authority_parse(authority, &t, ret_why);
    if (e != OK)
        return e;
    t.id = (str_hash(str_c(t.host)) ^ t.port) * 2 + t.tls;
    *ret_target = t;
    *ret_path_prefix = path;
    return OK;
}

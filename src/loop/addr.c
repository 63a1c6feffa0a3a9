/* Addresses: their text, and names to addresses. */
#include "loop/inner.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

enum err loop_addr_parse(struct str s, union loop_addr *ret_addr)
{
    char host[INET6_ADDRSTRLEN + 1];
    union loop_addr a = {0};
    bool six = s.n != 0 && s.p[0] == '[';
    size_t end = six ? str_index(s, ']') : str_index(s, ':');
    if (end == SIZE_MAX)
        return ERR_INVALID_REQUEST;
    struct str name = str_of(s.p + six, end - six);
    struct str port = str_from(s, end + six);
    uint64_t n;
    if (port.n < 2 || port.p[0] != ':' || name.n >= sizeof(host) || port.n > 6 ||
        !str_to_u64(str_from(port, 1), UINT16_MAX, &n))
        return ERR_INVALID_REQUEST;
    memcpy(host, name.p, name.n);
    host[name.n] = '\0';
    if (strlen(host) != name.n)
        return ERR_INVALID_REQUEST;
    if (six) {
        a.in6.sin6_family = AF_INET6;
        a.in6.sin6_port = htons((uint16_t)n);
    } else {
        a.in.sin_family = AF_INET;
        a.in.sin_port = htons((uint16_t)n);
    }
    void *to = six ? (void *)&a.in6.sin6_addr : (void *)&a.in.sin_addr;
    if (inet_pton(a.sa.sa_family, host, to) != 1)
        return ERR_INVALID_REQUEST;
    *ret_addr = a;
    return OK;
}

struct str loop_addr_text(const union loop_addr *addr, bool with_port,
                          char text[LOOP_ADDR_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";
    bool six = addr->sa.sa_family == AF_INET6;
    unsigned port = 0;
    if (six) {
        inet_ntop(AF_INET6, &addr->in6.sin6_addr, host, sizeof(host));
        port = ntohs(addr->in6.sin6_port);
    } else if (addr->sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &addr->in.sin_addr, host, sizeof(host));
        port = ntohs(addr->in.sin_port);
    }
    int n = !with_port ? snprintf(text, LOOP_ADDR_TEXT_MAX, "%s", host)
            : six      ? snprintf(text, LOOP_ADDR_TEXT_MAX, "[%s]:%u", host, port)
                       : snprintf(text, LOOP_ADDR_TEXT_MAX, "%s:%u", host, port);
    must(n > 0 && n < LOOP_ADDR_TEXT_MAX);
    return str_of(text, (size_t)n);
}

enum err loop_resolve(const char *host, uint16_t port, union loop_addr *addrs, size_t max,
                      size_t *ret_n)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC}, *list = NULL;
    if (getaddrinfo(host, NULL, &hints, &list) != 0)
        return ERR_IO;
    size_t n = 0;
    for (const struct addrinfo *i = list; i != NULL && n < max; i = i->ai_next) {
        union loop_addr a = {0};
        if (i->ai_family != AF_INET && i->ai_family != AF_INET6)
            continue;
        must(i->ai_addrlen <= sizeof(a));
        memcpy(&a, i->ai_addr, i->ai_addrlen);
        if (i->ai_family == AF_INET)
            a.in.sin_port = htons(port);
        else
            a.in6.sin6_port = htons(port);
        addrs[n++] = a;
    }
    freeaddrinfo(list);
    if (n == 0)
        return ERR_IO;
    *ret_n = n;
    return OK;
}

/* Addresses and nets. */
#include "http/peer.h"
#include "http/http.h"

#include <arpa/inet.h>

/* As IPv6, IPv4 mapped. */
static bool address_bytes(struct str s, uint8_t ret_addr[16], bool *ret_v4)
{
    char text[LOOP_ADDR_TEXT_MAX];
    if (s.n == 0 || s.n >= sizeof(text))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    uint8_t b[16];
    *ret_v4 = inet_pton(AF_INET, text, b + 12) == 1;
    if (*ret_v4)
        memcpy(b, mapped, sizeof(mapped));
    else if (inet_pton(AF_INET6, text, b) != 1)
        return false;
    memcpy(ret_addr, b, sizeof(b));
    return true;
}

bool http_net_parse(struct str s, struct http_net *ret_net)
{
    struct http_net net;
    bool has_bits = str_index(s, '/') != SIZE_MAX;
    struct str addr = str_cut(&s, '/');
    bool v4;
    if (!address_bytes(addr, net.addr, &v4))
        return false;
    uint64_t bits = v4 ? 32 : 128;
    if (has_bits && !str_to_u64(s, bits, &bits))
        return false;
    net.bits = (unsigned)bits + (v4 ? 96 : 0);
    *ret_net = net;
    return true;
}

bool http_address_parse(struct str s, struct http_net *ret_addr, struct str *ret_text)
{
    s = str_trim(s);
    size_t colon = str_index(s, ':');
    if (s.n != 0 && s.p[0] == '[') {
        s = str_from(s, 1);
        size_t close = str_index(s, ']');
        if (close == SIZE_MAX)
            return false;
        s = str_upto(s, close);
    } else if (colon != SIZE_MAX && str_index(str_from(s, colon + 1), ':') == SIZE_MAX) {
        s = str_upto(s, colon); /* one colon only: a port behind an IPv4 address */
    }
    if (str_index(s, '/') != SIZE_MAX || !http_net_parse(s, ret_addr))
        return false;
    *ret_text = s;
    return true;
}

static bool net_has(const struct http_net *net, const struct http_net *addr)
{
    unsigned whole = net->bits / 8, rest = net->bits % 8;
    if (memcmp(net->addr, addr->addr, whole) != 0)
        return false;
    return rest == 0 || ((net->addr[whole] ^ addr->addr[whole]) >> (8 - rest)) == 0;
}

bool http_net_has(const struct http_net *nets, size_t n, const struct http_net *addr)
{
    for (size_t i = 0; i < n; i++)
        if (net_has(&nets[i], addr))
            return true;
    return false;
}

struct str http_forwarded_for(const struct http1_head *head, const struct http_net *proxies,
                              size_t n, struct str peer)
{
    for (size_t i = head->headers_n; i-- > 0;) {
        if (!str_eq_nocase(head->headers[i].name, STR("x-forwarded-for")))
            continue;
        struct str list = head->headers[i].value;
        while (list.n != 0) {
            size_t comma = list.n;
            while (comma > 0 && list.p[comma - 1] != ',')
                comma--;
            struct http_net addr;
            if (!http_address_parse(str_from(list, comma), &addr, &peer))
                return peer;
            if (!http_net_has(proxies, n, &addr))
                return peer;
            list = str_upto(list, comma > 0 ? comma - 1 : 0);
        }
    }
    return peer;
}

bool http_nets_are_valid(struct str nets)
{
    struct http_net net;
    while (nets.n != 0) {
        struct str one = str_trim(str_cut(&nets, ','));
        if (one.n != 0 && !http_net_parse(one, &net))
            return false;
    }
    return true;
}

bool http_nets_have(struct str nets, struct str address)
{
    struct http_net addr, net;
    struct str text;
    if (!http_address_parse(address, &addr, &text))
        return false;
    while (nets.n != 0)
        if (http_net_parse(str_trim(str_cut(&nets, ',')), &net) && net_has(&net, &addr))
            return true;
    return false;
}

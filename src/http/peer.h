/* Who is at the other end: addresses, nets, X-Forwarded-For.
 *
 * Owns: nothing.  Needs: base, codec.  Threads: any.  Memory: results are slices of the head.
 * Errors: a net that is none is false.
 * Always: IPv4 and IPv4-in-IPv6 are the same address; what a client wrote into X-Forwarded-For is
 * believed only as far as proxies that we trust have passed it on. */
#ifndef HTTP_PEER_H
#define HTTP_PEER_H

#include "codec/http1.h"

struct http_net {
    uint8_t addr[16];
    unsigned bits;
};

/* "10.0.0.0/8", "::1", "192.0.2.7"; an address alone is a net of one. */
bool http_net_parse(struct str s, struct http_net *ret_net);
/* An address as it stands in X-Forwarded-For: brackets and port are allowed, and cut off. */
bool http_address_parse(struct str s, struct http_net *ret_addr, struct str *ret_text);
bool http_net_has(const struct http_net *nets, size_t n, const struct http_net *addr);
/* The client's address behind trusted proxies: the last one in X-Forwarded-For that is not itself
 * trusted; `peer` when the header is missing or its end is no address. */
struct str http_forwarded_for(const struct http1_head *head, const struct http_net *proxies,
                              size_t n, struct str peer);

#endif

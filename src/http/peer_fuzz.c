/* Nets and X-Forwarded-For: whatever comes, the answer is a slice of the input or the peer. */
#include "http/peer.h"
#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct http1_head head;
    struct str s = str_of((const char *)data, n);
    struct str list = str_cut(&s, '\n');
    struct http_net nets[2];
    must(http_net_parse(STR("10.0.0.0/8"), &nets[0]) && http_net_parse(STR("fd00::/8"), &nets[1]));
    head.headers_n = 2;
    head.headers[0] = (struct http1_header){STR("X-Forwarded-For"), list};
    head.headers[1] = (struct http1_header){STR("X-Forwarded-For"), s};
    struct str peer = STR("10.0.0.1");
    struct str who = http_forwarded_for(&head, nets, 2, peer);
    struct http_net addr;
    struct str text;
    must(http_address_parse(who, &addr, &text));
    if (http_nets_are_valid(list))
        (void)http_nets_have(list, who);
    (void)http_nets_have(list, s);
    return 0;
}

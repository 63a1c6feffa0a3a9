/* Base URLs: what is taken has a host, a port and a path without surprises. */
#include "upstream/upstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct upstream_target t;
    struct str prefix;
    const char *why = NULL;
    struct str url = str_of((const char *)data, n);
    if (upstream_url_parse(url, &t, &prefix, &why) != OK) {
        must(why != NULL);
        return 0;
    }
    must(t.host[0] != '\0' && strlen(t.host) < sizeof(t.host) && t.port != 0);
    must(prefix.n == 0 || (prefix.p[0] == '/' && prefix.p[prefix.n - 1] != '/'));
    for (size_t i = 0; i < prefix.n; i++)
        must((unsigned char)prefix.p[i] > ' ' && prefix.p[i] != '?' && prefix.p[i] != '#');
    return 0;
}

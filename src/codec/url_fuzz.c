/* Addresses, queries and percent-encoding of any bytes. */
#include "codec/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void lies_in(struct str s, struct str in)
{
    must(s.n == 0 || (s.p >= in.p && s.p + s.n <= in.p + in.n));
}

static void addresses(struct str in)
{
    struct url u, again;
    const char *why = NULL;
    enum err e = url_parse(in, &u, &why);
    must(e == OK || (e == ERR_INVALID_REQUEST && why != NULL));
    if (e != OK)
        return;
    lies_in(u.host, in);
    lies_in(u.query, in);
    lies_in(u.fragment, in);
    must(u.host.n != 0 && u.host.n <= 253 && u.port != 0 && u.path.n != 0 && u.path.p[0] == '/');
    must(str_index(u.host, '@') == SIZE_MAX && str_index(u.host, '/') == SIZE_MAX);
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_printf(&b, u.host_is_ipv6 ? "%s://[%.*s]:%u" : "%s://%.*s:%u", u.tls ? "https" : "http",
               STR_ARG(u.host), u.port);
    buf_add(&b, u.path);
    must(url_parse(buf_str(&b), &again, &why) == OK);
    must(str_eq(u.host, again.host) && u.port == again.port && str_eq(u.path, again.path));
    buf_fini(&b);
}

static void escapes(struct str in, bool plus)
{
    struct buf plain, coded, back;
    buf_init(&plain, 1 << 24);
    buf_init(&coded, 1 << 24);
    buf_init(&back, 1 << 24);
    if (url_decode(in, plus, &plain) == OK) {
        url_encode(buf_str(&plain), &coded);
        must(url_decode(buf_str(&coded), plus, &back) == OK);
        must(str_eq(buf_str(&plain), buf_str(&back)));
    } else {
        must(plain.n == 0);
    }
    buf_fini(&plain);
    buf_fini(&coded);
    buf_fini(&back);
}

static void queries(struct str in)
{
    struct str q = in, name, value, found;
    size_t bytes = 0;
    while (url_query_next(&q, &name, &value)) {
        lies_in(name, in);
        lies_in(value, in);
        bytes += name.n + value.n + 1;
        struct buf plain;
        buf_init(&plain, 1 << 24);
        if (bytes < 4096 && url_decode(name, true, &plain) == OK)
            must(url_query_get(in, buf_str(&plain), &found));
        buf_fini(&plain);
    }
    must(bytes <= in.n + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of((const char *)data, size);
    addresses(in);
    escapes(in, false);
    escapes(in, true);
    queries(in);
    return 0;
}

/* Paths, parameters and queries: decoded text is never longer than what came, and has no NUL. */
#include "http/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(struct str s)
{
    must(s.n == 0 || memchr(s.p, '\0', s.n) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct http_route routes[] = {
        {.method = "GET", .path = "/a/{x}"},
        {.method = "POST", .path = "/a/{x}/b/{y*}"},
        {.method = "GET", .path = "/a/b"},
        {.method = "GET", .path = "/{all*}"},
    };
    static struct http_router *router;
    if (router == NULL)
        router = http_router_new(routes, sizeof(routes) / sizeof(routes[0]));
    struct arena a;
    arena_init(&a, 4096, 65536);
    struct http_request r = {.query = str_of((const char *)data, n)};
    struct str path = str_cut(&r.query, '?'), params[HTTP_PARAMS_MAX] = {{0}}, value;
    const struct http_route *route = NULL;
    char allow[HTTP_ALLOW_MAX];
    enum err e = http_router_find(router, n % 2 == 0 ? HTTP1_GET : HTTP1_POST, path, &a, params,
                                  &route, allow);
    must((e == OK) == (route != NULL));
    for (size_t i = 0; e == OK && i < HTTP_PARAMS_MAX; i++) {
        must(params[i].n <= path.n);
        if (memchr(path.p, '\0', path.n) == NULL)
            check(params[i]);
    }
    if (http_query(&r, &a, STR("k"), &value))
        check(value);
    arena_fini(&a);
    return 0;
}

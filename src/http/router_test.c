/* Which path goes where. */
#include "http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void ready(void *arg, struct http_exchange *x)
{
    (void)arg;
    (void)x;
}

#define ROUTE(m, p)                                                                                \
    {                                                                                              \
        .method = m, .path = p, .ready = ready                                                     \
    }
static const struct http_route routes[] = {
    ROUTE("GET", "/v1/models/{id*}"),  ROUTE("GET", "/v1/models"),
    ROUTE("POST", "/v1/models"),       ROUTE("GET", "/k/{id}"),
    ROUTE("DELETE", "/k/{id}"),        ROUTE("POST", "/k/{id}/rotate"),
    ROUTE("POST", "/k/new"),           ROUTE("GET", "/a/{x}/b/{y}"),
    ROUTE("GET", "/a/{x*}"),           ROUTE("GET", "/a/one/b/{z}"),
    ROUTE("PATCH", "/a/one/b/{name}"), ROUTE("HEAD", "/h"),
};
static struct http_router *router;
static struct arena arena;
static struct str params[HTTP_PARAMS_MAX];
static char allow[HTTP_ALLOW_MAX];
static const struct http_route *found;

static enum err find(enum http1_method m, const char *path)
{
    found = NULL;
    arena_reset(&arena);
    memset(params, 0, sizeof(params));
    return http_router_find(router, m, str_c(path), &arena, params, &found, allow);
}

#define assert_str(s, z) assert_true(str_eq((s), str_c(z)))

static void plain_paths(void **state)
{
    (void)state;
    assert_int_equal(find(HTTP1_GET, "/v1/models"), OK);
    assert_string_equal(found->path, "/v1/models");
    assert_int_equal(find(HTTP1_HEAD, "/v1/models"), OK); /* GET answers HEAD */
    assert_int_equal(find(HTTP1_HEAD, "/h"), OK);
    assert_int_equal(find(HTTP1_GET, "/v1/model"), ERR_NOT_FOUND);
    assert_int_equal(find(HTTP1_GET, "/v1/models2"), ERR_NOT_FOUND);
    assert_int_equal(find(HTTP1_GET, ""), ERR_NOT_FOUND);
    assert_int_equal(find(HTTP1_OTHER, "/nowhere"), ERR_NOT_FOUND);
}

static void parameters(void **state)
{
    (void)state;
    assert_int_equal(find(HTTP1_GET, "/v1/models/openai/gpt-4o"), OK);
    assert_str(params[0], "openai/gpt-4o");
    assert_int_equal(find(HTTP1_GET, "/k/a%2Fb%20c"), OK);
    assert_str(params[0], "a/b c");
    assert_int_equal(find(HTTP1_GET, "/k/"), ERR_NOT_FOUND);
    assert_int_equal(find(HTTP1_GET, "/k/a/b"), ERR_NOT_FOUND);
    assert_int_equal(find(HTTP1_GET, "/a/1/b/2"), OK);
    assert_str(params[0], "1");
    assert_str(params[1], "2");
}

static void the_most_specific_wins(void **state)
{
    (void)state;
    assert_int_equal(find(HTTP1_GET, "/a/one/b/2"), OK);
    assert_string_equal(found->path, "/a/one/b/{z}");
    assert_int_equal(find(HTTP1_GET, "/a/1/c"), OK);
    assert_string_equal(found->path, "/a/{x*}");
    assert_int_equal(find(HTTP1_PATCH, "/a/one/b/2"), OK);
    /* A plain path without the method leaves the way free for a pattern that has it. */
    assert_int_equal(find(HTTP1_GET, "/k/new"), OK);
    assert_str(params[0], "new");
    assert_int_equal(find(HTTP1_POST, "/k/new"), OK);
    assert_string_equal(found->path, "/k/new");
}

static void methods_are_listed(void **state)
{
    (void)state;
    assert_int_equal(find(HTTP1_PUT, "/v1/models"), ERR_METHOD_NOT_ALLOWED);
    assert_string_equal(allow, "GET, HEAD, POST");
    assert_int_equal(find(HTTP1_PUT, "/k/new"), ERR_METHOD_NOT_ALLOWED);
    assert_string_equal(allow, "GET, HEAD, POST, DELETE");
    assert_int_equal(find(HTTP1_OTHER, "/h"), ERR_METHOD_NOT_ALLOWED);
    assert_string_equal(allow, "HEAD");
}

static void bad_escapes(void **state)
{
    (void)state;
    const char *bad[] = {"/k/%", "/k/%2", "/k/%zz", "/k/a%0", "/k/%00", "/k/%2g"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(find(HTTP1_GET, bad[i]), ERR_INVALID_REQUEST);
}

static void last_resort(void **state)
{
    (void)state;
    static const struct http_route some[] = {ROUTE("GET", "/{rest*}"), ROUTE("GET", "/"),
                                             ROUTE("POST", "/v1/chat"), ROUTE("POST", "/k/{id}")};
    struct http_router *kept = router;
    router = http_router_new(some, 4);
    assert_int_equal(find(HTTP1_GET, "/k"), OK);
    assert_str(params[0], "k");
    assert_int_equal(find(HTTP1_GET, "/"), OK);
    assert_ptr_equal(found, &some[1]);
    assert_int_equal(find(HTTP1_HEAD, "/v1/other"), OK);
    /* What others have stays theirs, whatever they have it by. */
    assert_int_equal(find(HTTP1_GET, "/v1/chat"), ERR_METHOD_NOT_ALLOWED);
    assert_string_equal(allow, "POST");
    assert_int_equal(find(HTTP1_GET, "/k/1"), ERR_METHOD_NOT_ALLOWED);
    assert_int_equal(find(HTTP1_POST, "/nowhere"), ERR_NOT_FOUND);
    http_router_free(&router);
    router = kept;
}

static void full_arena(void **state)
{
    (void)state;
    struct arena small;
    arena_init(&small, 64, 64);
    char path[256] = "/k/%20";
    memset(path + 6, 'x', 200);
    assert_int_equal(
        http_router_find(router, HTTP1_GET, str_of(path, 206), &small, params, &found, allow),
        ERR_HEADERS_TOO_LARGE);
    arena_fini(&small);
}

static void queries(void **state)
{
    (void)state;
    struct http_request r = {.query = STR("a=1&b=x+y%21&a=2&empty&bad=%f&c%20d=3")};
    struct str v;
    arena_reset(&arena);
    assert_true(http_query(&r, &arena, STR("a"), &v));
    assert_str(v, "1");
    assert_true(http_query(&r, &arena, STR("b"), &v));
    assert_str(v, "x y!");
    assert_true(http_query(&r, &arena, STR("empty"), &v));
    assert_int_equal(v.n, 0);
    assert_true(http_query(&r, &arena, STR("c d"), &v));
    assert_str(v, "3");
    assert_false(http_query(&r, &arena, STR("bad"), &v));
    assert_false(http_query(&r, &arena, STR("z"), &v));
}

static int set_up(void **state)
{
    (void)state;
    router = http_router_new(routes, sizeof(routes) / sizeof(routes[0]));
    arena_init(&arena, 1024, 8192);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_router_free(&router);
    http_router_free(&router);
    arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_paths),
        cmocka_unit_test(parameters),
        cmocka_unit_test(the_most_specific_wins),
        cmocka_unit_test(methods_are_listed),
        cmocka_unit_test(bad_escapes),
        cmocka_unit_test(last_resort),
        cmocka_unit_test(full_arena),
        cmocka_unit_test(queries),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

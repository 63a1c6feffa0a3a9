/* What the console answers, path by path. */
#include "console/console.h"
#include "base/crypto.h"
#include "console/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct console *console;
static struct console_answer got;

static bool ask(const char *path, const char *accept, const char *encoding, const char *known)
{
    struct console_ask a = {str_c(path), str_c(accept), str_c(encoding), str_c(known)};
    memset(&got, 0, sizeof(got));
    return console_find(console, &a, &got);
}

static bool browser(const char *path)
{
    return ask(path, "text/html,application/xhtml+xml,*/*;q=0.8", "gzip, deflate, br", "");
}

static int set_up(void **state)
{
    (void)state;
    crypto_init();
    console = console_new(STR("Dex & <Sons>"), STR("#a1B2c3"), STR("/logo.svg"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    console_free(&console);
    return 0;
}

/* A file under /assets/ with this suffix; NULL where the console was not built. */
static const struct console_file *asset(const char *suffix)
{
    for (size_t i = 0; i < console_files_n; i++)
        if (str_starts(str_c(console_files[i].path), STR("/assets/")) &&
            str_ends(str_c(console_files[i].path), str_c(suffix)))
            return &console_files[i];
    return NULL;
}

static void pages_are_the_app(void **state)
{
    (void)state;
    static const char *const pages[] = {
        "/", "/keys", "/keys/", "/security", "/admin/jobs/job_1", "/invitation"};
    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
        assert_true(browser(pages[i]));
        assert_int_equal(got.status, 200);
        assert_string_equal(got.content_type, "text/html; charset=utf-8");
        assert_false(got.for_ever);
    }
    assert_true(ask("/keys", "", "", "")); /* also for who does not say what he takes */
}

static void the_brand_is_in_the_page(void **state)
{
    (void)state;
    assert_true(browser("/"));
    assert_true(str_find(got.body, STR("Dex &amp; &lt;Sons&gt;")) != SIZE_MAX);
    assert_true(str_find(got.body, STR("<Sons>")) == SIZE_MAX);
    assert_true(str_find(got.body, STR("%BRAND%")) == SIZE_MAX);
    if (asset(".js") != NULL)
        assert_true(str_find(got.body, STR("#a1B2c3")) != SIZE_MAX);

    struct console *odd = console_new(STR("x"), STR("red;}</style>"), STR(""));
    struct console_ask a = {STR("/"), STR("text/html"), STR(""), STR("")};
    assert_true(console_find(odd, &a, &got));
    assert_true(str_find(got.body, STR("red;")) == SIZE_MAX);
    console_free(&odd);
    console_free(&odd);
}

static void what_is_not_there(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/nothing",    "/keys/1", "/admin/jobs/a/b", "/index.htm", "/assets/../index.html",
        "/invitations"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        assert_true(browser(paths[i]));
        assert_int_equal(got.status, 404);
        assert_false(ask(paths[i], "application/json", "", ""));
        assert_false(ask(paths[i], "*/*", "", ""));
    }
    static const char *const apis[] = {"/v1/nothing", "/v1",        "/api/nothing",
                                       "/me/x",       "/keys/list", "/platform/api/x"};
    for (size_t i = 0; i < sizeof(apis) / sizeof(*apis); i++)
        assert_false(browser(apis[i]));
    assert_true(browser("/v1x/y")); /* the prefix ends at a slash */
    assert_int_equal(got.status, 404);
}

static void files_come_as_they_are_taken(void **state)
{
    (void)state;
    const struct console_file *f = asset(".js");
    if (f == NULL) {
        skip();
        return;
    }
    assert_true(browser(f->path));
    assert_int_equal(got.status, 200);
    assert_true(got.for_ever);
    assert_true(got.zipped);
    assert_memory_equal(got.body.p, "\x1f\x8b", 2);
    size_t zipped = got.body.n;
    assert_true(ask(f->path, "*/*", "", ""));
    assert_false(got.zipped);
    assert_true(got.body.n > zipped);
    assert_true(ask(f->path, "*/*", "br, gzip;q=0", ""));
    assert_false(got.zipped);
    assert_true(ask(f->path, "*/*", "br;q=1, GZIP;q=0.5", ""));
    assert_true(got.zipped);
    assert_string_equal(got.content_type, "text/javascript; charset=utf-8");
}

static void what_is_known_is_not_sent_again(void **state)
{
    (void)state;
    char known[128];
    assert_true(browser("/keys"));
    snprintf(known, sizeof(known), "\"other\", W/%.*s", STR_ARG(got.etag));
    assert_true(ask("/keys", "text/html", "gzip", known));
    assert_int_equal(got.status, 304);
    assert_int_equal(got.body.n, 0);
    assert_true(ask("/keys", "text/html", "gzip", "\"other\""));
    assert_int_equal(got.status, 200);
    assert_true(ask("/nothing", "text/html", "gzip", known));
    assert_int_equal(got.status, 404);
}

static void headers_by_path(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    console_headers(console, STR("/v1/models"), false, &b);
    assert_true(str_eq(buf_str(&b), STR("X-Content-Type-Options: nosniff\r\n")));
    buf_reset(&b);
    console_headers(console, STR("/keys"), true, &b);
    assert_true(str_find(buf_str(&b), STR("script-src 'self';")) != SIZE_MAX);
    assert_true(str_find(buf_str(&b), STR("frame-ancestors 'none'")) != SIZE_MAX);
    assert_true(str_find(buf_str(&b), STR("Strict-Transport-Security: ")) != SIZE_MAX);
    buf_reset(&b);
    console_headers(console, STR("/api/me"), false, &b);
    assert_true(str_find(buf_str(&b), STR("default-src 'none'; frame-ancestors")) != SIZE_MAX);
    assert_true(str_find(buf_str(&b), STR("Strict-Transport")) == SIZE_MAX);
    buf_fini(&b);
}

/* What the policy lets pictures come from, by the logo's URL. */
static void pictures(const char *logo_url, const char *expected)
{
    struct buf b;
    buf_init(&b, 4096);
    struct console *c = console_new(STR("x"), STR(""), str_c(logo_url));
    console_headers(c, STR("/"), false, &b);
    struct str rest = str_from(buf_str(&b), str_find(buf_str(&b), STR("img-src ")) + 8);
    struct str got_sources = str_upto(rest, str_find(rest, STR("\r\n")));
    assert_true(str_eq(got_sources, str_c(expected)));
    console_free(&c);
    buf_fini(&b);
}

static void a_logo_may_lie_elsewhere(void **state)
{
    (void)state;
    pictures("", "'self' data:");
    pictures("/logo.svg", "'self' data:");
    pictures("https://cdn.example.com:8443/a/logo.svg?x=1",
             "'self' data: https://cdn.example.com:8443");
    pictures("https://", "'self' data:");
    pictures("javascript:alert(1)", "'self' data:");
    /* Nothing of it becomes another directive, or another header. */
    pictures("https://a.example;script-src *", "'self' data:");
    pictures("https://a.example\r\nX: y", "'self' data:");
}

static void the_table_is_in_order(void **state)
{
    (void)state;
    assert_true(console_files_n >= 1);
    for (size_t i = 1; i < console_files_n; i++)
        assert_true(strcmp(console_files[i - 1].path, console_files[i].path) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_the_app),
        cmocka_unit_test(the_brand_is_in_the_page),
        cmocka_unit_test(what_is_not_there),
        cmocka_unit_test(files_come_as_they_are_taken),
        cmocka_unit_test(what_is_known_is_not_sent_again),
        cmocka_unit_test(headers_by_path),
        cmocka_unit_test(a_logo_may_lie_elsewhere),
        cmocka_unit_test(the_table_is_in_order),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

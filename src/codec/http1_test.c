/* Heads: what is understood, and every refusal. */
#include "codec/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>

static struct http1_head head;
static const char *why;

static enum err request(const char *text)
{
    size_t scanned = 0;
    why = NULL;
    return http1_request_parse(str_c(text), &scanned, &head, &why);
}

static enum err response(const char *text, bool to_head)
{
    size_t scanned = 0;
    why = NULL;
    return http1_response_parse(str_c(text), &scanned, to_head, &head, &why);
}

static void is_text(struct str s, const char *text)
{
    assert_int_equal(s.n, strlen(text));
    assert_memory_equal(s.p, text, s.n);
}

static void refused(const char *text, enum err e)
{
    assert_string_equal(err_info(request(text))->name, err_info(e)->name);
    assert_non_null(why);
}

static void test_request(void **state)
{
    (void)state;
    assert_int_equal(
        request("POST /v1/chat/completions?a=b&c HTTP/1.1\r\nHost: api.example:8787\r\n"
                "Content-Type:application/json \t\r\nAuthorization: \t Bearer x\r\n"
                "Content-Length: 42\r\nX-Empty:\r\nTE: gzip, trailers\r\n\r\nrest"),
        OK);
    assert_int_equal(head.method, HTTP1_POST);
    is_text(head.method_text, "POST");
    is_text(head.target, "/v1/chat/completions?a=b&c");
    is_text(head.path, "/v1/chat/completions");
    is_text(head.query, "a=b&c");
    assert_int_equal(head.minor, 1);
    assert_true(head.keep_alive);
    assert_int_equal(head.body, HTTP1_BODY_LENGTH);
    assert_int_equal(head.content_length, 42);
    assert_true(head.te_trailers);
    assert_false(head.expect_continue);
    assert_false(head.upgrade);
    assert_int_equal(head.headers_n, 6);
    is_text(http1_header_get(&head, STR("content-TYPE")), "application/json");
    is_text(http1_header_get(&head, STR("authorization")), "Bearer x");
    is_text(http1_header_get(&head, STR("x-empty")), "");
    assert_null(http1_header_get(&head, STR("x-none")).p);
    assert_int_equal(http1_header_count(&head, STR("host")), 1);
    assert_int_equal(http1_header_count(&head, STR("x-none")), 0);
}

static void test_methods(void **state)
{
    static const char *const names[] = {"GET",   "HEAD",   "POST",    "PUT",
                                        "PATCH", "DELETE", "OPTIONS", "BREW"};
    (void)state;
    for (unsigned i = 0; i < HTTP1_METHOD__COUNT; i++) {
        char text[64];
        assert_true(snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: a\r\n\r\n", names[i]) > 0);
        assert_int_equal(request(text), OK);
        assert_int_equal(head.method, i);
        is_text(head.method_text, names[i]);
    }
    assert_int_equal(request("get / HTTP/1.1\r\nHost: a\r\n\r\n"), OK);
    assert_int_equal(head.method, HTTP1_OTHER);
}

static void test_request_bodies(void **state)
{
    (void)state;
    assert_int_equal(request("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), OK);
    assert_int_equal(head.body, HTTP1_BODY_NONE);
    assert_int_equal(request("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"),
                     OK);
    assert_int_equal(head.body, HTTP1_BODY_CHUNKED);
    assert_int_equal(request("PUT / HTTP/1.1\r\nHost: a\r\ncontent-length: 0\r\n\r\n"), OK);
    assert_int_equal(head.body, HTTP1_BODY_LENGTH);
    assert_int_equal(head.content_length, 0);
    assert_int_equal(
        request("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n"), OK);
    assert_true(head.content_length == INT64_MAX);
    assert_int_equal(request("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n"), OK);
    assert_true(head.expect_continue);
    assert_int_equal(request("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), OK);
    assert_false(head.expect_continue);
}

static void test_request_connection(void **state)
{
    (void)state;
    assert_int_equal(request("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"), OK);
    assert_false(head.keep_alive);
    assert_int_equal(request("GET / HTTP/1.0\r\n\r\n"), OK);
    assert_false(head.keep_alive);
    assert_int_equal(head.minor, 0);
    assert_int_equal(request("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), OK);
    assert_true(head.keep_alive);
    assert_int_equal(
        request("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n"), OK);
    assert_false(head.keep_alive);
    assert_int_equal(
        request("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"), OK);
    assert_true(head.upgrade);
    assert_int_equal(request("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n"), OK);
    assert_false(head.upgrade);
}

static void test_request_targets(void **state)
{
    (void)state;
    assert_int_equal(request("GET http://other:1/p?q HTTP/1.1\r\nHost: a\r\n\r\n"), OK);
    is_text(head.path, "/p");
    is_text(head.query, "q");
    is_text(head.target, "http://other:1/p?q");
    assert_int_equal(request("GET HTTPS://[::1] HTTP/1.1\r\nHost: a\r\n\r\n"), OK);
    is_text(head.path, "/");
    assert_int_equal(request("GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n"), OK);
    is_text(head.path, "/");
    is_text(head.query, "q");
    assert_int_equal(request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), OK);
    is_text(head.path, "*");
    assert_int_equal(request("\r\nGET / HTTP/1.1\r\nHost:\r\n\r\n"), OK);
    assert_int_equal(head.bytes, strlen("\r\nGET / HTTP/1.1\r\nHost:\r\n\r\n"));
    refused("GET * HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET a HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET http:///p HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET http://u:p@a/p HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET /\xC3\xA4 HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", ERR_NOT_IMPLEMENTED);
}

static void test_request_line_refused(void **state)
{
    (void)state;
    refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", ERR_HTTP_VERSION);
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ERR_HTTP_VERSION);
    refused("GET / HTTP/1.2\r\nHost: a\r\n\r\n", ERR_HTTP_VERSION);
    refused("GET / HTTP/0.9\r\nHost: a\r\n\r\n", ERR_HTTP_VERSION);
    refused("GET / HTTP/11\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / http/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET /\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("\x16\x03\x01", ERR_INVALID_REQUEST);
    refused("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\nHost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a\r\n\n", ERR_INVALID_REQUEST);
}

static void test_fields_refused(void **state)
{
    (void)state;
    refused("GET / HTTP/1.1\r\nHost : a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX y: b\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX: a\x7F\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", ERR_INVALID_REQUEST);
    refused("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", ERR_INVALID_REQUEST);
    size_t scanned = 0;
    static const char nul[] = "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
    assert_int_equal(http1_request_parse(str_of(nul, sizeof(nul) - 1), &scanned, &head, &why),
                     ERR_INVALID_REQUEST);
}

#define PUT "PUT / HTTP/1.1\r\nHost: a\r\n"

static void test_smuggling_refused(void **state)
{
    (void)state;
    refused(PUT "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", ERR_INVALID_REQUEST);
    refused(PUT "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", ERR_INVALID_REQUEST);
    refused(PUT "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", ERR_INVALID_REQUEST);
    refused(PUT "Content-Length: 3, 3\r\n\r\n", ERR_INVALID_REQUEST);
    refused(PUT "Content-Length:\r\n\r\n", ERR_INVALID_REQUEST);
    refused(PUT "Content-Length: +3\r\n\r\n", ERR_INVALID_REQUEST);
    refused(PUT "Content-Length: -3\r\n\r\n", ERR_INVALID_REQUEST);
    refused(PUT "Content-Length: 0x3\r\n\r\n", ERR_INVALID_REQUEST);
    refused(PUT "Content-Length: 3 3\r\n\r\n", ERR_INVALID_REQUEST);
    refused(PUT "Content-Length: 9223372036854775808\r\n\r\n", ERR_BODY_TOO_LARGE);
    refused(PUT "Content-Length: 99999999999999999999999\r\n\r\n", ERR_BODY_TOO_LARGE);
    refused(PUT "Transfer-Encoding: gzip, chunked\r\n\r\n", ERR_NOT_IMPLEMENTED);
    refused(PUT "Transfer-Encoding: xchunked\r\n\r\n", ERR_NOT_IMPLEMENTED);
    refused(PUT "Transfer-Encoding: chunked;q=1\r\n\r\n", ERR_NOT_IMPLEMENTED);
    refused(PUT "Transfer-Encoding: chunked, identity\r\n\r\n", ERR_NOT_IMPLEMENTED);
    refused(PUT "Transfer-Encoding: chunked, chunked\r\n\r\n", ERR_INVALID_REQUEST);
    refused(PUT "Transfer-Encoding: ,chunked\r\n\r\n", ERR_INVALID_REQUEST);
    refused(PUT "Transfer-Encoding:\r\n\r\n", ERR_INVALID_REQUEST);
    refused(PUT "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            ERR_INVALID_REQUEST);
    refused(PUT "Transfer-Encoding : chunked\r\n\r\n", ERR_INVALID_REQUEST);
    refused("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", ERR_INVALID_REQUEST);
}

static void test_too_long(void **state)
{
    static char text[80 * 1024];
    size_t scanned = 0;
    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "GET /", 5);
    struct str in = str_of(text, HTTP1_TARGET_BYTES_MAX);
    assert_int_equal(http1_request_parse(in, &scanned, &head, &why), ERR_END);
    in.n += 100;
    assert_int_equal(http1_request_parse(in, &scanned, &head, &why), ERR_URI_TOO_LONG);
    static const char rest[] = " HTTP/1.1\r\nHost: a\r\n\r\n";
    memcpy(text + 5 + HTTP1_TARGET_BYTES_MAX, rest, sizeof(rest) - 1);
    scanned = 0;
    assert_int_equal(http1_request_parse(str_of(text, sizeof(text)), &scanned, &head, &why),
                     ERR_URI_TOO_LONG);

    memset(text, 'a', sizeof(text));
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    scanned = 0;
    assert_int_equal(http1_request_parse(str_of(text, 30000), &scanned, &head, &why), ERR_END);
    assert_int_equal(http1_request_parse(str_of(text, 40000), &scanned, &head, &why),
                     ERR_HEADERS_TOO_LARGE);
    memcpy(text, "HTTP/1.1 200 ", 13);
    scanned = 0;
    assert_int_equal(http1_response_parse(str_of(text, 40000), &scanned, false, &head, &why),
                     ERR_HEADERS_TOO_LARGE);
}

static void test_too_many(void **state)
{
    struct buf b;
    size_t scanned = 0;
    (void)state;
    buf_init(&b, 1 << 16);
    buf_add(&b, STR("GET / HTTP/1.1\r\nHost: a\r\n"));
    for (int i = 1; i < HTTP1_HEADERS_MAX; i++)
        buf_add(&b, STR("X: y\r\n"));
    size_t n = b.n;
    buf_add(&b, STR("\r\n"));
    assert_int_equal(http1_request_parse(buf_str(&b), &scanned, &head, &why), OK);
    assert_int_equal(head.headers_n, HTTP1_HEADERS_MAX);
    b.n = n;
    buf_add(&b, STR("X: y\r\n\r\n"));
    scanned = 0;
    assert_int_equal(http1_request_parse(buf_str(&b), &scanned, &head, &why),
                     ERR_HEADERS_TOO_LARGE);
    buf_fini(&b);
}

static void test_in_pieces(void **state)
{
    static const char text[] = "\r\nPOST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
    size_t scanned = 0, whole = sizeof(text) - 1 - 2;
    (void)state;
    for (size_t n = 0; n < whole; n++)
        assert_int_equal(http1_request_parse(str_of(text, n), &scanned, &head, &why), ERR_END);
    assert_int_equal(http1_request_parse(str_of(text, whole), &scanned, &head, &why), OK);
    assert_int_equal(head.bytes, whole);
}

static void test_response(void **state)
{
    (void)state;
    assert_int_equal(response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false), OK);
    assert_int_equal(head.status, 200);
    assert_int_equal(head.body, HTTP1_BODY_LENGTH);
    assert_int_equal(head.content_length, 5);
    assert_true(head.keep_alive);
    assert_int_equal(response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true), OK);
    assert_int_equal(head.body, HTTP1_BODY_NONE);
    assert_int_equal(response("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", false), OK);
    assert_int_equal(head.body, HTTP1_BODY_CHUNKED);
    assert_int_equal(response("HTTP/1.1 200 \r\n\r\n", false), OK);
    assert_int_equal(head.body, HTTP1_BODY_CLOSE);
    assert_false(head.keep_alive);
    assert_int_equal(response("HTTP/1.0 200 OK\r\n\r\n", false), OK);
    assert_false(head.keep_alive);
    assert_int_equal(response("HTTP/1.1 100 Continue\r\n\r\n", false), OK);
    assert_int_equal(head.body, HTTP1_BODY_NONE);
    assert_int_equal(response("HTTP/1.1 204 No Content\r\n\r\n", false), OK);
    assert_int_equal(head.body, HTTP1_BODY_NONE);
    assert_true(head.keep_alive);
    assert_int_equal(response("HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n", false), OK);
    assert_int_equal(head.body, HTTP1_BODY_NONE);
    assert_int_equal(response("", false), ERR_END);
    assert_int_equal(response("HTTP/1.1 200 OK\r\nA: b\r\n", false), ERR_END);
}

static void response_refused(const char *text, enum err e)
{
    assert_int_equal(response(text, false), e);
    assert_non_null(why);
}

static void test_response_refused(void **state)
{
    (void)state;
    response_refused("SSH-2.0\r\n\r\n", ERR_INVALID_REQUEST);
    response_refused("HTTQ/1.1 200 OK\r\n\r\n", ERR_INVALID_REQUEST);
    response_refused("HTTP/2.0 200 OK\r\n\r\n", ERR_HTTP_VERSION);
    response_refused("HTTP/1.1  200 OK\r\n\r\n", ERR_INVALID_REQUEST);
    response_refused("HTTP/1.1 20 OK\r\n\r\n", ERR_INVALID_REQUEST);
    response_refused("HTTP/1.1 2000 OK\r\n\r\n", ERR_INVALID_REQUEST);
    response_refused("HTTP/1.1 099 OK\r\n\r\n", ERR_INVALID_REQUEST);
    response_refused("HTTP/1.1 200 O\x01K\r\n\r\n", ERR_INVALID_REQUEST);
    response_refused("HTTP/1.1 200 OK\n\r\n", ERR_INVALID_REQUEST);
    response_refused("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                     ERR_INVALID_REQUEST);
    response_refused("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                     ERR_INVALID_REQUEST);
    response_refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: br\r\n\r\n", ERR_NOT_IMPLEMENTED);
}

static void test_helpers(void **state)
{
    (void)state;
    assert_true(http1_list_has(STR("a, B ,c"), STR("b")));
    assert_false(http1_list_has(STR("ab, c"), STR("b")));
    assert_false(http1_list_has(STR(""), STR("b")));
    assert_true(http1_value_is_sane(STR("a b\t\xC3\xA4")));
    assert_false(http1_value_is_sane(STR("a\r\nb")));
    assert_false(http1_value_is_sane(STR("a\0b")));
    assert_false(http1_value_is_sane(STR("\x7F")));
    assert_string_equal(http1_reason(200), "OK");
    assert_string_equal(http1_reason(777), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),          cmocka_unit_test(test_methods),
        cmocka_unit_test(test_request_bodies),   cmocka_unit_test(test_request_connection),
        cmocka_unit_test(test_request_targets),  cmocka_unit_test(test_request_line_refused),
        cmocka_unit_test(test_fields_refused),   cmocka_unit_test(test_smuggling_refused),
        cmocka_unit_test(test_too_long),         cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_in_pieces),        cmocka_unit_test(test_response),
        cmocka_unit_test(test_response_refused), cmocka_unit_test(test_helpers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

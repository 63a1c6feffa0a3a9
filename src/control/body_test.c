/* Bodies against a table, pages of lists: what is taken, and each refusal with its field. */
#include "control/body.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;
static struct http_reply reply;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 4096, 256u * 1024);
    reply = (struct http_reply){.arena = &arena};
    buf_init(&reply.headers, 4096);
    buf_init(&reply.body, 4096);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&reply.headers);
    buf_fini(&reply.body);
    arena_fini(&arena);
    return 0;
}

struct values {
    struct str text, secret, texts, object;
    bool yes, text_given, null, null_given;
    int64_t n, time;
    struct nano usd;
};

static enum err read(struct values *v, const char *body)
{
    *v = (struct values){.n = -1, .text = STR("as before")};
    const struct control_field fields[] = {
        {.name = "text", .kind = CONTROL_TEXT, .to = &v->text, .max = 5, .given = &v->text_given},
        {.name = "secret", .kind = CONTROL_SECRET, .to = &v->secret},
        {.name = "yes", .kind = CONTROL_BOOL, .to = &v->yes},
        {.name = "n", .kind = CONTROL_INT, .to = &v->n, .max = 10},
        {.name = "usd", .kind = CONTROL_USD, .to = &v->usd, .null = &v->null},
        {.name = "time", .kind = CONTROL_TIME, .to = &v->time},
        {.name = "texts", .kind = CONTROL_TEXTS, .to = &v->texts},
        {.name = "object", .kind = CONTROL_OBJECT, .to = &v->object}};
    struct http_request r = {.body = str_c(body)};
    reply.field = reply.message = STR("");
    return CONTROL_BODY_READ(&r, &reply, fields);
}

static void test_taken(void **state)
{
    (void)state;
    struct values v;
    assert_int_equal(read(&v, ""), OK);
    assert_false(v.text_given);
    assert_true(str_eq(v.text, STR("as before")));
    assert_int_equal(read(&v, " { } "), OK);
    assert_int_equal(read(&v, "{\"text\":\"\\u00e4bcd\\u20ac\",\"secret\":\" a\\nb \",\"yes\":true,"
                              "\"n\":1e1,\"usd\":\"2.50\",\"time\":\"1970-01-01T00:00:01Z\","
                              "\"texts\":[\"a\",\"b c\"],\"object\":{\"x\":[1]}}"),
                     OK);
    assert_true(v.text_given && str_eq(v.text, STR("äbcd€")));
    assert_true(str_eq(v.secret, STR(" a\nb ")));
    assert_true(v.yes);
    assert_int_equal(v.n, 10);
    assert_int_equal(v.usd.v, 2500000000);
    assert_int_equal(v.time, US_PER_S);
    assert_true(str_eq(v.texts, STR("a\nb c")));
    assert_true(str_eq(v.object, STR("{\"x\":[1]}")));
    assert_int_equal(read(&v, "{\"usd\":null,\"texts\":[]}"), OK);
    assert_true(v.null);
    assert_int_equal(v.texts.n, 0);
    assert_int_equal(read(&v, "{\"te\\u0078t\":\"x\"}"), OK); /* a name is a name */
    assert_true(v.text_given);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *field;
        enum err e;
    } rows[] = {
        {"[]", "", ERR_INVALID_JSON},
        {"{\"n\":1", "", ERR_INVALID_JSON},
        {"{} x", "", ERR_INVALID_JSON},
        {"null", "", ERR_INVALID_JSON},
        {"{\"other\":1}", "other", ERR_INVALID_REQUEST},
        {"{\"n\":1,\"n\":2}", "n", ERR_INVALID_REQUEST},
        {"{\"text\":5}", "text", ERR_INVALID_REQUEST},
        {"{\"text\":null}", "text", ERR_INVALID_REQUEST},
        {"{\"text\":\"123456\"}", "text", ERR_VALIDATION_FAILED},
        {"{\"text\":\"a\\nb\"}", "text", ERR_VALIDATION_FAILED},
        {"{\"text\":\"a\\u0085b\"}", "text", ERR_VALIDATION_FAILED},
        {"{\"secret\":\"a\\u0000b\"}", "secret", ERR_VALIDATION_FAILED},
        {"{\"yes\":1}", "yes", ERR_INVALID_REQUEST},
        {"{\"n\":\"1\"}", "n", ERR_INVALID_REQUEST},
        {"{\"n\":1.5}", "n", ERR_INVALID_REQUEST},
        {"{\"n\":11}", "n", ERR_VALIDATION_FAILED},
        {"{\"n\":-1}", "n", ERR_VALIDATION_FAILED},
        {"{\"usd\":2.5}", "usd", ERR_INVALID_REQUEST},
        {"{\"usd\":\"-1\"}", "usd", ERR_VALIDATION_FAILED},
        {"{\"usd\":\"0.0000000001\"}", "usd", ERR_VALIDATION_FAILED},
        {"{\"time\":\"soon\"}", "time", ERR_INVALID_REQUEST},
        {"{\"texts\":\"a\"}", "texts", ERR_INVALID_REQUEST},
        {"{\"texts\":[1]}", "texts", ERR_INVALID_REQUEST},
        {"{\"texts\":[\"a\\nb\"]}", "texts", ERR_VALIDATION_FAILED},
        {"{\"object\":[]}", "object", ERR_INVALID_REQUEST},
    };
    struct values v;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(read(&v, rows[i].body), rows[i].e);
        assert_true(str_eq(reply.field, str_c(rows[i].field)));
        assert_int_not_equal(reply.message.n, 0);
    }
    struct str s;
    const struct control_field needed[] = {
        {.name = "s", .kind = CONTROL_TEXT, .to = &s, .required = true}};
    struct http_request r = {.body = STR("{}")};
    assert_int_equal(CONTROL_BODY_READ(&r, &reply, needed), ERR_INVALID_REQUEST);
    assert_true(str_eq(reply.field, STR("s")));
}

static enum err page(struct control_page *p, const char *query)
{
    struct http_request r = {.query = str_c(query)};
    buf_reset(&reply.body);
    return control_page_begin(&r, &reply, p);
}

static void test_pages(void **state)
{
    (void)state;
    struct control_page p;
    static const char *const bad[] = {
        "limit=0", "limit=101", "limit=x",
        "limit=",  "cursor=",   "cursor=0123456789012345678901234567890123456789012345678"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(page(&p, bad[i]), ERR_INVALID_REQUEST);
    assert_int_equal(page(&p, ""), OK);
    assert_int_equal(p.limit, 20);
    control_page_end(&p, &reply);
    assert_true(
        str_eq(buf_str(&reply.body), STR("{\"data\":[],\"has_more\":false,\"next_cursor\":null}")));
    assert_int_equal(page(&p, "limit=1&cursor=key_2"), OK);
    assert_true(str_eq(p.after, STR("key_2")));
    assert_true(control_page_row(&p, STR("key_1")));
    assert_false(control_page_row(&p, STR("key_0")));
    control_page_end(&p, &reply);
    assert_true(str_eq(buf_str(&reply.body),
                       STR("{\"data\":[],\"has_more\":true,\"next_cursor\":\"key_1\"}")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

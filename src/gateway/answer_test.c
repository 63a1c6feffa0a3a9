/* What of an upstream's answer a customer sees; usage; splicing; the packed abouts. */
#include "gateway/gateway_testkit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct gateway_testkit kit;

static int set_up(void **state)
{
    (void)state;
    gateway_testkit_init(&kit, &product_chat);
    kit.call.rq.model = STR("m");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gateway_testkit_fini(&kit);
    return 0;
}

static void becomes(const char *object, bool drop_usage, const char *expected)
{
    struct answer_view v;
    struct buf out;
    buf_init(&out, 4096);
    assert_true(gateway_testkit_look(&kit, str_c(object), drop_usage, &v, &out));
    buf_byte(&out, '\0');
    assert_string_equal(out.p, expected);
    buf_fini(&out);
}

#define ID "\"req_01ARZ3NDEKTSV4RRFFQ69G5FAV\""

static void test_what_the_customer_sees(void **state)
{
    (void)state;
    becomes("{}", false, "{}");
    becomes("{\"id\":\"u\",\"model\":\"real\",\"x\":1}", false,
            "{\"id\":" ID ",\"model\":\"m\",\"x\":1}");
    becomes("{\"provider\":\"A\"}", false, "{}");
    becomes("{\"provider\":\"A\",\"x\":1}", false, "{\"x\":1}");
    becomes("{\"x\":1,\"provider\":\"A\"}", false, "{\"x\":1}");
    becomes("{\"x\":1, \"provider\":\"A\" ,\"y\":2}", false, "{\"x\":1 ,\"y\":2}");
    becomes("{\"provider\":1,\"usage\":{},\"x\":1}", true, "{\"x\":1}");
    becomes("{\"provider\":1,\"usage\":{}}", true, "{}");
    becomes("{\"usage\":null,\"choices\":[]}", true, "{\"choices\":[]}");
    becomes("{\"usage\":null,\"choices\":[]}", false, "{\"usage\":null,\"choices\":[]}");
    becomes("{\"prov\\u0069der\":1,\"a\":2}", false, "{\"a\":2}");
    /* A second copy goes: the first is what was read. */
    becomes("{\"model\":\"a\",\"x\":1,\"model\":\"b\"}", false, "{\"model\":\"m\",\"x\":1}");
}

static void test_an_answer_that_repeats_itself(void **state)
{
    (void)state;
    struct answer_view v;
    struct buf out;
    buf_init(&out, 4096);
    assert_false(gateway_testkit_look(
        &kit,
        STR("{\"a\":1,\"provider\":1,\"b\":1,\"provider\":2,\"c\":1,\"provider\":3,\"d\":1,"
            "\"provider\":4,\"e\":1,\"provider\":5,\"f\":1,\"provider\":6,\"g\":1,\"provider\":7}"),
        false, &v, &out));
    assert_true(v.broken);
    buf_fini(&out);
}

static void test_own_count(void **state)
{
    (void)state;
    assert_int_equal(answer_text_bytes(STR("[{\"message\":{\"content\":\"12345\"}},"
                                           "{\"delta\":{\"content\":\"123\"}},{\"text\":\"1\"}]")),
                     9);
    assert_int_equal(answer_text_bytes(STR("[{\"message\":{\"content\":null}}]")), 0);
    assert_int_equal(answer_text_bytes(STR("{}")), 0);
    assert_int_equal(answer_text_bytes(STR("")), 0);
}

static void read_as(const char *usage, int64_t in, int64_t out, int64_t cached, int64_t cost)
{
    struct call_answer a = {.has_usage = false};
    usage_read(&a, str_c(usage));
    assert_true(a.has_usage);
    assert_int_equal(a.usage.input, in);
    assert_int_equal(a.usage.output, out);
    assert_int_equal(a.usage.cache_read, cached);
    assert_int_equal(a.has_cost ? a.cost.v : -1, cost);
}

static void test_usage_as_upstreams_write_it(void **state)
{
    (void)state;
    read_as("{\"prompt_tokens\":10,\"completion_tokens\":5}", 10, 5, 0, -1);
    read_as("{\"prompt_tokens\":1e1,\"completion_tokens\":5.0}", 10, 5, 0, -1);
    read_as("{\"prompt_tokens\":10,\"prompt_tokens_details\":{\"cached_tokens\":4}}", 10, 0, 4, -1);
    /* Parts never exceed the whole. */
    read_as("{\"prompt_tokens\":10,\"prompt_tokens_details\":{\"cached_tokens\":40}}", 10, 0, 10,
            -1);
    read_as("{\"prompt_tokens\":-1,\"completion_tokens\":\"x\"}", 0, 0, 0, -1);
    read_as("{\"prompt_tokens\":1,\"cost\":1.5e-6}", 1, 0, 0, 1500);
    read_as("{\"prompt_tokens\":1,\"cost\":-1}", 1, 0, 0, -1);
    read_as("{\"prompt_tokens\":1,\"cost\":0.1,\"is_byok\":true,\"cost_details\":"
            "{\"upstream_inference_cost\":0.9}}",
            1, 0, 0, 1000000000);
    read_as("{\"prompt_tokens\":1,\"cost\":0.1,\"is_byok\":false,\"cost_details\":"
            "{\"upstream_inference_cost\":0.9}}",
            1, 0, 0, 100000000);
    struct call_answer none = {.has_usage = false};
    usage_read(&none, STR("null"));
    usage_read(&none, STR("[]"));
    assert_false(none.has_usage || none.has_cost);
}

static void test_usage_as_the_customer_sees_it(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    usage_rewrite(STR("{\"cost\":9,\"prompt_tokens\":1,\"is_byok\":true,\"x\":{\"y\":2},"
                      "\"cost_details\":{\"upstream_inference_cost\":8}}"),
                  NANO(1200), &b);
    assert_true(
        str_eq(buf_str(&b), STR("{\"prompt_tokens\":1,\"x\":{\"y\":2},\"cost\":0.0000012}")));
    buf_reset(&b);
    usage_rewrite(STR("{}"), NANO(0), &b);
    assert_true(str_eq(buf_str(&b), STR("{\"cost\":0}")));
    buf_fini(&b);
}

static void test_splicing(void **state)
{
    (void)state;
    struct edits list = {.n = 0};
    struct str pieces[2 * EDITS_MAX + 1];
    edits_add(&list, 4, 2, STR("XYZ"));
    edits_add(&list, 0, 1, STR(""));
    edits_add(&list, 6, 0, STR("!"));
    size_t n = edits_pieces(&list, STR("0123456789"), pieces);
    struct buf b;
    buf_init(&b, 100);
    for (size_t i = 0; i < n; i++)
        buf_add(&b, pieces[i]);
    assert_true(str_eq(buf_str(&b), STR("123XYZ!6789")));
    buf_fini(&b);
    struct edits none = {.n = 0};
    assert_int_equal(edits_pieces(&none, STR("ab"), pieces), 1);
    assert_int_equal(edits_pieces(&none, STR(""), pieces), 0);
}

static void test_abouts(void **state)
{
    (void)state;
    struct buf b, json;
    struct about a = {0};
    buf_init(&b, 4096);
    buf_init(&json, 4096);
    about_put_text(&b, ABOUT_MODEL, STR("m\"x"));
    about_put_int(&b, ABOUT_INPUT, INT64_MIN);
    about_put_int(&b, ABOUT_OUTPUT, 0);
    about_put_text(&b, ABOUT_RAW_USAGE, STR("{\"a\":1}"));
    about_read(&a, buf_str(&b));
    assert_true(str_eq(about_text(&a, ABOUT_MODEL), STR("m\"x")));
    assert_true(about_int(&a, ABOUT_INPUT) == INT64_MIN);
    assert_int_equal(about_int(&a, ABOUT_OUTPUT), 0);
    about_json(buf_str(&b), &json);
    assert_true(
        str_eq(buf_str(&json), STR("{\"model\":\"m\\\"x\",\"input_tokens\":-9223372036854775808,"
                                   "\"raw_usage\":{\"a\":1}}")));
    /* Cut anywhere it reads as what is whole of it. */
    for (size_t i = 0; i <= b.n; i++) {
        struct about cut = {0};
        about_read(&cut, str_upto(buf_str(&b), i));
        assert_true(about_text(&cut, ABOUT_MODEL).n == 0 || i >= 5);
    }
    buf_fini(&b);
    buf_fini(&json);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(test_what_the_customer_sees),
                                       CASE(test_an_answer_that_repeats_itself),
                                       CASE(test_own_count),
                                       CASE(test_usage_as_upstreams_write_it),
                                       CASE(test_usage_as_the_customer_sees_it),
                                       CASE(test_splicing),
                                       CASE(test_abouts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The read step: what is understood, what is refused, and with which words. */
#include "gateway/gateway_testkit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CHAT(members)                                                                              \
    "{\"model\":\"m\"," members "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"

static struct gateway_testkit kit;

static int set_up(void **state)
{
    (void)state;
    gateway_testkit_init(&kit, &product_chat);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gateway_testkit_fini(&kit);
    return 0;
}

static void refused(const char *body, enum err e, const char *param, const char *words)
{
    assert_int_equal(gateway_testkit_read(&kit, str_c(body)), e);
    assert_true(str_eq(kit.param, str_c(param)));
    if (str_find(kit.message, str_c(words)) == SIZE_MAX)
        fail_msg("%s: '%.*s' lacks '%s'", body, STR_ARG(kit.message), words);
}

static void test_what_is_read(void **state)
{
    (void)state;
    const struct call_request *rq = &kit.call.rq;
    assert_int_equal(gateway_testkit_read(&kit, STR(CHAT("\"n\":3,\"max_tokens\":7,"))), OK);
    assert_true(str_eq(rq->model, STR("m")));
    assert_int_equal(rq->n, 3);
    assert_true(rq->has_cap && rq->cap == 7 && !rq->stream);
    assert_int_equal(rq->input_bytes, sizeof("[{\"role\":\"user\",\"content\":\"hello\"}]") - 1);
    assert_int_equal(rq->input_estimate, rq->input_bytes / 3 + 1);
    assert_true(str_eq(str_of(rq->body.p + rq->model_at, rq->model_n), STR("\"m\"")));
    /* Both caps: the larger one, since a provider may follow either. */
    assert_int_equal(
        gateway_testkit_read(&kit, STR(CHAT("\"max_tokens\":7,\"max_completion_tokens\":9,"))), OK);
    assert_int_equal(rq->cap, 9);
    assert_int_equal(gateway_testkit_read(&kit, STR(CHAT("\"max_tokens\":null,\"n\":null,"))), OK);
    assert_true(!rq->has_cap && rq->n == 1);
    assert_int_equal(
        gateway_testkit_read(
            &kit, STR(" \n" CHAT("\"stream\":true,\"stream_options\":{\"include_usage\":true},"))),
        OK);
    assert_true(rq->stream && rq->include_usage);
    assert_true(str_eq(str_of(rq->body.p + rq->include_at, rq->include_n), STR("true")));
    assert_int_equal(rq->body.p[0], '{');
}

static void test_the_model_outlives_the_body(void **state)
{
    (void)state;
    char body[] = CHAT("");
    assert_int_equal(gateway_testkit_read(&kit, str_c(body)), OK);
    memset(body, 'x', sizeof(body) - 1);
    arena_reset(&kit.arena);
    assert_true(str_eq(kit.call.rq.model, STR("m")));
}

static void test_pictures_and_files_count_by_bounds(void **state)
{
    (void)state;
    const struct call_request *rq = &kit.call.rq;
    assert_int_equal(
        gateway_testkit_read(
            &kit, STR("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
                      "\"image_url\",\"image_url\":{\"url\":\"data:AAAAAAAAAAAAAAAAAAAAAAAA\"}},"
                      "{\"type\":\"text\",\"text\":\"x\"}]}]}")),
        OK);
    assert_in_range(rq->input_estimate, 2048, 2048 + 40);
    assert_int_equal(
        gateway_testkit_read(&kit, STR("{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                                       "\"content\":[{\"type\":\"file\",\"file\":{}}]}]}")),
        OK);
    assert_in_range(rq->input_estimate, 10, 60);
}

static void test_refusals_of_form(void **state)
{
    (void)state;
    refused("", ERR_INVALID_REQUEST, "", "no body");
    refused("{", ERR_INVALID_JSON, "", "byte 1");
    refused("{}x", ERR_INVALID_JSON, "", "byte 2");
    refused("7", ERR_INVALID_REQUEST, "", "JSON object");
    refused("{\"messages\":[{}]}", ERR_INVALID_REQUEST, "model", "is missing");
    refused("{\"model\":\"m\"}", ERR_INVALID_REQUEST, "messages", "is missing");
    refused("{\"model\":\"m\",\"messages\":[]}", ERR_INVALID_REQUEST, "messages", "not be empty");
    refused("{\"model\":\"m\",\"messages\":[1]}", ERR_INVALID_REQUEST, "messages", "objects");
    refused("{\"model\":\"\",\"messages\":[{}]}", ERR_INVALID_REQUEST, "model", "1 to 200");
    refused("{\"model\":\"a\\u0000b\",\"messages\":[{}]}", ERR_INVALID_REQUEST, "model", "control");
    refused(CHAT("\"stream\":1,"), ERR_INVALID_REQUEST, "stream", "true or false");
    refused(CHAT("\"n\":0,"), ERR_INVALID_REQUEST, "n", "1 to 128");
    refused(CHAT("\"max_tokens\":1e9,"), ERR_INVALID_REQUEST, "max_tokens", "whole number");
    refused(CHAT("\"stream_options\":{},"), ERR_INVALID_REQUEST, "stream_options", "needs");
    refused(CHAT("\"model\":\"x\","), ERR_INVALID_REQUEST, "model", "twice");
    refused(CHAT("\"mod\\u0065l\":\"x\","), ERR_INVALID_REQUEST, "model", "twice");
    refused(CHAT("\"stream\":true,\"stream_options\":{\"include_usage\":true,"
                 "\"include\\u005fusage\":false},"),
            ERR_INVALID_REQUEST, "stream_options.include_usage", "twice");
}

static void test_refusals_of_price(void **state)
{
    (void)state;
    static const char *const names[] = {"models", "route", "provider",   "plugins",
                                        "preset", "audio", "modalities", "web_search_options"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str body = arena_printf(&kit.arena, "{\"%s\":[],\"model\":\"m\"}", names[i]);
        char text[100];
        memcpy(text, body.p, body.n + 1);
        refused(text, ERR_UNSUPPORTED_PARAMETER, names[i], "not supported");
    }
    refused(CHAT("\"service_tier\":\"flex\","), ERR_UNSUPPORTED_PARAMETER, "service_tier", "auto");
    refused(CHAT("\"tools\":[{\"type\":\"web_search\"}],"), ERR_UNSUPPORTED_PARAMETER, "tools",
            "function");
    refused("{\"model\":\"m:online\",\"messages\":[{}]}", ERR_UNSUPPORTED_PARAMETER, "model",
            "online");
    assert_int_equal(gateway_testkit_read(&kit, STR(CHAT("\"service_tier\":\"auto\","
                                                         "\"provider\":null,\"tools\":[{\"type\":"
                                                         "\"function\"},{\"type\":\"custom\"}],"))),
                     OK);
}

static void test_the_keys_allowlist(void **state)
{
    (void)state;
    kit.key.models = STR("a/*\nm");
    assert_int_equal(gateway_testkit_read(&kit, STR(CHAT(""))), OK);
    kit.key.models = STR("a/*");
    refused(CHAT(""), ERR_MODEL_NOT_ALLOWED, "model", "");
}

static void test_other_products(void **state)
{
    (void)state;
    kit.call.product = &product_embeddings;
    assert_int_equal(gateway_testkit_read(&kit, STR("{\"model\":\"m\",\"input\":[1,2]}")), OK);
    refused("{\"model\":\"m\",\"input\":\"x\",\"stream\":true}", ERR_INVALID_REQUEST, "stream",
            "not possible");
    refused("{\"model\":\"m\",\"input\":7}", ERR_INVALID_REQUEST, "input", "a string or an array");
    kit.call.product = &product_completions;
    assert_int_equal(gateway_testkit_read(&kit, STR("{\"model\":\"m\",\"prompt\":\"x\","
                                                    "\"best_of\":5,\"n\":2}")),
                     OK);
    assert_int_equal(kit.call.rq.n, 5);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(test_what_is_read),
                                       CASE(test_the_model_outlives_the_body),
                                       CASE(test_pictures_and_files_count_by_bounds),
                                       CASE(test_refusals_of_form),
                                       CASE(test_refusals_of_price),
                                       CASE(test_the_keys_allowlist),
                                       CASE(test_other_products)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

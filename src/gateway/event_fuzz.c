/* Answers and events of any bytes, as a stream and whole: what comes out is JSON, has our id and
 * model, and nothing of the upstream's. */
#include "codec/sse.h"
#include "gateway/gateway_testkit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_object(struct gateway_testkit *k, struct str object, bool drop_usage)
{
    struct answer_view v;
    struct buf out, usage;
    size_t offset;
    object = json_trim(object);
    answer_text_bytes(object);
    if (json_check(object, &offset) != OK || json_type_of(object) != JSON_OBJECT)
        return;
    buf_init(&out, 1u << 24);
    buf_init(&usage, 1u << 24);
    if (gateway_testkit_look(k, object, drop_usage, &v, &out)) {
        struct str seen = buf_str(&out);
        must(json_check(seen, &offset) == OK);
        must(json_type_of(json_get(seen, STR("provider"))) == JSON_NONE);
        must(!drop_usage || json_type_of(json_get(seen, STR("usage"))) == JSON_NONE);
        struct str model = json_get(seen, STR("model")), id = json_get(seen, STR("id"));
        must(model.n == 0 || str_eq(model, STR("\"m\"")));
        must(id.n == 0 || str_starts(id, STR("\"req_")));
    }
    if (json_type_of(v.usage) == JSON_OBJECT) {
        struct call_answer a = {.has_usage = false};
        usage_read(&a, v.usage);
        must(a.usage.input >= 0 && a.usage.cache_read + a.usage.cache_write <= a.usage.input);
        must(a.usage.output >= a.usage.reasoning && (!a.has_cost || a.cost.v >= 0));
        usage_rewrite(v.usage, NANO(1), &usage);
        must(json_check(buf_str(&usage), &offset) == OK);
        must(json_type_of(json_get(buf_str(&usage), STR("cost_details"))) == JSON_NONE);
    }
    buf_fini(&out);
    buf_fini(&usage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gateway_testkit k;
    struct sse sse;
    struct sse_event e;
    struct str in = str_of((const char *)data, size), rest = in;
    gateway_testkit_init(&k, &product_chat);
    k.call.rq.model = STR("m");
    one_object(&k, in, false);
    one_object(&k, in, true);
    sse_init(&sse, 1u << 20);
    while (sse_next(&sse, &rest, &e) == OK)
        if (e.kind == SSE_EVENT)
            one_object(&k, e.data, true);
    sse_fini(&sse);
    gateway_testkit_fini(&k);
    return 0;
}

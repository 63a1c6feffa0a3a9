/* Requests of any bytes: refused with words, or understood so that the edits keep it JSON. */
#include "gateway/gateway_testkit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void understood(const struct gateway_testkit *k)
{
    const struct call_request *rq = &k->call.rq;
    size_t offset;
    must(rq->model.n != 0 && rq->n >= 1 && rq->n <= 128 && rq->input_estimate > 0);
    must(rq->input_bytes >= 0 && (!rq->has_cap || rq->cap >= 1));
    must(json_type_of(str_of(rq->body.p + rq->model_at, rq->model_n)) == JSON_STRING);
    must(rq->options_n == 0 || rq->include_n == 0 ||
         (rq->include_at > rq->options_at &&
          rq->include_at + rq->include_n < rq->options_at + rq->options_n));
    /* The edits that dispatch makes. */
    struct edits list = {.n = 0};
    struct str pieces[2 * EDITS_MAX + 1];
    struct buf b;
    buf_init(&b, 1u << 24);
    edits_add(&list, rq->model_at, rq->model_n, STR("\"other\""));
    if (rq->include_n != 0)
        edits_add(&list, rq->include_at, rq->include_n, STR("true"));
    edits_add(&list, rq->open_at, 0, STR("\"max_tokens\":7,"));
    size_t n = edits_pieces(&list, rq->body, pieces);
    for (size_t i = 0; i < n; i++)
        buf_add(&b, pieces[i]);
    must(json_check(buf_str(&b), &offset) == OK);
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct product *const products[] = {&product_chat, &product_completions,
                                                     &product_embeddings};
    struct gateway_testkit k;
    for (size_t i = 0; i < 3; i++) {
        gateway_testkit_init(&k, products[i]);
        enum err e = gateway_testkit_read(&k, str_of((const char *)data, size));
        if (e == OK)
            understood(&k);
        else
            must(err_info(e)->status == 400 && k.message.n != 0);
        gateway_testkit_fini(&k);
    }
    return 0;
}

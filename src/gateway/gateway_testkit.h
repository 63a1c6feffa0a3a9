/* A call without a house around it, for unit tests and fuzz targets of what reads
 * and rewrites JSON. (In a header alone, since fuzz targets are linked without kits.)
 *
 * Owns: the call it makes.  Threads: one.  Memory: gateway_testkit_free gives all back.
 * Errors: none.  Always: the call has no client, no hold and no loop thread. */
#ifndef GATEWAY_TESTKIT_H
#define GATEWAY_TESTKIT_H

#include "gateway/steps.h"

struct gateway_testkit {
    struct gateway gateway;
    struct gateway_loop loop;
    struct identity_key key;
    struct call call;
    struct arena arena;
    struct str message, param;
};

static inline void gateway_testkit_init(struct gateway_testkit *k, const struct product *p)
{
    memset(k, 0, sizeof(*k));
    k->gateway.o.prompt_bytes_per_token = 3;
    k->gateway.o.image_tokens = 2048;
    k->gateway.o.file_tokens = 65536;
    k->gateway.o.default_output_tokens = 4096;
    k->loop.g = &k->gateway;
    k->call.gl = &k->loop;
    k->call.product = p;
    k->call.key = &k->key;
    memcpy(k->call.id_text, "req_01ARZ3NDEKTSV4RRFFQ69G5FAV", sizeof("req_") + 26);
    arena_init(&k->arena, 4096, 64u * 1024);
}

static inline void gateway_testkit_fini(struct gateway_testkit *k)
{
    arena_fini(&k->arena);
}

/* call_read on a body; message and param stay in the kit. */
static inline enum err gateway_testkit_read(struct gateway_testkit *k, struct str body)
{
    arena_reset(&k->arena);
    return call_read(&k->call, body, &k->arena, &k->message, &k->param);
}

/* The object as the customer sees it, by answer_look; false when it is broken. */
static inline bool gateway_testkit_look(struct gateway_testkit *k, struct str object,
                                        bool drop_usage, struct answer_view *ret_view,
                                        struct buf *out)
{
    struct str pieces[2 * EDITS_MAX + 1];
    struct json_index index;
    size_t offset;
    arena_reset(&k->arena);
    bool whole = json_check_index(object, &index, &offset) == OK;
    answer_look(&k->call, object, whole ? &index : NULL, drop_usage, &k->arena, ret_view);
    if (ret_view->broken)
        return false;
    size_t n = edits_pieces(&ret_view->edits, object, pieces);
    for (size_t i = 0; i < n; i++)
        buf_add(out, pieces[i]);
    return true;
}

#endif

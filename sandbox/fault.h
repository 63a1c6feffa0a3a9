/* What a model name asks for: the table of the sandbox's models, and their prices.
 *
 * Owns: the tables.  Needs: base.  Threads: any.  Memory: static.
 * Units: pico-dollars per token; milliseconds, events, bytes, percent as the row says.
 * Errors: an unknown model is `false`.
 * Always: a name stands for one behaviour; nothing else of the request changes it. */
#ifndef SANDBOX_FAULT_H
#define SANDBOX_FAULT_H

#include "base/str.h"

/*   FAULT(NAME, "name after sandbox/", numbers behind it, "example", what it does)   */
#define SANDBOX_FAULTS(FAULT)                                                                      \
    FAULT(ECHO, "echo", 0, "echo", "answers the last message")                                     \
    FAULT(STREAM, "stream", 2, "stream-50-0", "N events, M ms apart")                              \
    FAULT(DELAY, "delay", 1, "delay-100", "not a byte for MS, then an echo")                       \
    FAULT(SLOW_HEAD, "slow-head", 1, "slow-head-100", "the same as delay")                         \
    FAULT(SLOW_BODY, "slow-body", 1, "slow-body-100", "the head at once, the body after MS")       \
    FAULT(PROCESSING, "processing", 1, "processing-100", "head and comments for MS, then an echo") \
    FAULT(ERROR, "error", 1, "error-500", "that HTTP status")                                      \
    FAULT(FLAKY, "flaky", 1, "flaky-50", "P percent answer 503")                                   \
    FAULT(DROP, "drop", 1, "drop-50", "P percent lose the connection before a byte of answer")     \
    FAULT(CUT, "cut", 1, "cut-3", "drops the connection after N events, or bytes of the body")     \
    FAULT(STALL, "stall", 1, "stall-3", "N events, then silence")                                  \
    FAULT(NO_USAGE, "no-usage", 0, "no-usage", "an echo without usage")                            \
    FAULT(ZERO_USAGE, "zero-usage", 0, "zero-usage", "an echo with usage of zero")                 \
    FAULT(TOKENS, "tokens", 2, "tokens-100-50", "reports exactly IN and OUT tokens")               \
    FAULT(CACHED, "cached", 1, "cached-10", "N tokens of the prompt were cached")                  \
    FAULT(REASONING, "reasoning", 1, "reasoning-10", "N tokens more, which were thought")          \
    FAULT(BYOK, "byok", 0, "byok", "is_byok: 5 % of the price, the rest as upstream cost")         \
    FAULT(GARBAGE, "garbage", 0, "garbage", "200 with something that is not JSON")                 \
    FAULT(GARBAGE_JSON, "garbage-json", 0, "garbage-json", "the same")                             \
    FAULT(GARBAGE_HTTP, "garbage-http", 0, "garbage-http", "a head that is not HTTP")              \
    FAULT(MIDSTREAM_ERROR, "midstream-error", 0, "midstream-error", "three events, then an error") \
    FAULT(NO_DONE, "no-done", 0, "no-done", "a stream that ends without [DONE]")                   \
    FAULT(BIG_EVENT, "big-event", 1, "big-event-65536", "one event of BYTES")                      \
    FAULT(REPLY, "reply", 1, "reply-1000", "an answer of BYTES")                                   \
    FAULT(EMBEDDING, "embedding", 0, "embedding", "for embeddings")

enum sandbox_fault_kind {
#define FAULT(name, text, numbers, example, what) SANDBOX_##name,
    SANDBOX_FAULTS(FAULT)
#undef FAULT
        SANDBOX_FAULT__COUNT
};

struct sandbox_fault {
    enum sandbox_fault_kind kind;
    int64_t a, b;
    const struct sandbox_model *model; /* its prices */
};

struct sandbox_model {
    struct str id, owner;
    const char *what;
    int64_t in_pico, out_pico, cached_pico;
    int64_t context;
    bool embeds;
};

/* Of a `model` as the request has it; false when there is no such model. */
bool sandbox_fault_of(struct str model, struct sandbox_fault *ret_fault);
/* The i-th model of the list; NULL behind the last one. */
const struct sandbox_model *sandbox_model_at(size_t i);

#endif

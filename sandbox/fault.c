/* What a model name asks for. */
#include "sandbox/fault.h"

enum {
    SANDBOX_IN_PICO = 150000,
    SANDBOX_OUT_PICO = 600000,
    SANDBOX_CACHED_PICO = 75000,
    SANDBOX_CONTEXT = 128000,
    NUMBER_MAX = 64 * 1024 * 1024,
    MODEL_BYTES_MAX = 64
};

struct row {
    struct str name;
    int numbers;
};
static const struct row rows[] = {
#define FAULT(name, text, numbers, example, what) {STR(text), numbers},
    SANDBOX_FAULTS(FAULT)
#undef FAULT
};

#define SANDBOX_MODEL(ident, what)                                                                 \
    {                                                                                              \
        STR("sandbox/" ident), STR("sandbox"), what, SANDBOX_IN_PICO, SANDBOX_OUT_PICO,            \
            SANDBOX_CACHED_PICO, SANDBOX_CONTEXT, false                                            \
    }
/* The sandbox's own first, in the order of the faults; then names that people know, which echo. */
static const struct sandbox_model models[] = {
#define FAULT(name, text, numbers, example, what) SANDBOX_MODEL(example, what),
    SANDBOX_FAULTS(FAULT)
#undef FAULT
#define CHAT(ident, owner, in, out, cached, context)                                               \
    {                                                                                              \
        STR(ident), STR(owner), "an echo under a known name", in, out, cached, context, false      \
    }
#define EMBED(ident, in, context)                                                                  \
    {                                                                                              \
        STR(ident), STR("openai"), "embeddings under a known name", in, 0, in, context, true       \
    }
        CHAT("gpt-4o-mini", "openai", 150000, 600000, 75000, 128000),
    CHAT("gpt-4o", "openai", 2500000, 10000000, 1250000, 128000),
    CHAT("openai/gpt-4o-mini", "openai", 150000, 600000, 75000, 128000),
    CHAT("openai/gpt-4o", "openai", 2500000, 10000000, 1250000, 128000),
    CHAT("gpt-3.5-turbo-instruct", "openai", 1500000, 2000000, 1500000, 4096),
    CHAT("anthropic/claude-sonnet-4.5", "anthropic", 3000000, 15000000, 300000, 1000000),
    EMBED("text-embedding-3-small", 20000, 8192),
    EMBED("text-embedding-3-large", 130000, 8192),
    EMBED("openai/text-embedding-3-small", 20000, 8192),
    EMBED("openai/text-embedding-3-large", 130000, 8192),
};
enum { MODELS = sizeof(models) / sizeof(models[0]) };

const struct sandbox_model *sandbox_model_at(size_t i)
{
    return i < MODELS ? &models[i] : NULL;
}

/* "-12-0" into two numbers; false when it is anything else, or of another count. */
static bool numbers_read(struct str s, int count, int64_t *ret_a, int64_t *ret_b)
{
    uint64_t n[2] = {0, 0};
    for (int i = 0; i < count; i++) {
        if (s.n == 0 || s.p[0] != '-')
            return false;
        s = str_from(s, 1);
        size_t end = str_index(s, '-');
        struct str digits = str_upto(s, end);
        if (!str_to_u64(digits, NUMBER_MAX, &n[i]))
            return false;
        s = str_from(s, digits.n);
    }
    *ret_a = (int64_t)n[0];
    *ret_b = (int64_t)n[1];
    return s.n == 0;
}

static bool bounds_hold(const struct sandbox_fault *f)
{
    if (f->kind == SANDBOX_ERROR)
        return f->a >= 400 && f->a <= 599;
    if (f->kind == SANDBOX_FLAKY || f->kind == SANDBOX_DROP)
        return f->a <= 100;
    return f->kind != SANDBOX_STREAM || f->a <= 1000000;
}

bool sandbox_fault_of(struct str model, struct sandbox_fault *ret_fault)
{
    if (model.n > MODEL_BYTES_MAX)
        return false;
    if (!str_starts(model, STR("sandbox/"))) {
        for (size_t i = SANDBOX_FAULT__COUNT; i < MODELS; i++) {
            if (!str_eq(models[i].id, model))
                continue;
            *ret_fault = (struct sandbox_fault){models[i].embeds ? SANDBOX_EMBEDDING : SANDBOX_ECHO,
                                                0, 0, &models[i]};
            return true;
        }
        return false;
    }
    struct str name = str_from(model, 8);
    for (size_t i = 0; i < SANDBOX_FAULT__COUNT; i++) {
        struct sandbox_fault f = {(enum sandbox_fault_kind)i, 0, 0, &models[i]};
        if (str_starts(name, rows[i].name) &&
            numbers_read(str_from(name, rows[i].name.n), rows[i].numbers, &f.a, &f.b) &&
            bounds_hold(&f)) {
            *ret_fault = f;
            return true;
        }
    }
    return false;
}

/* What a caller asks for: bodies of chat/completions, completions and embeddings, read and checked.
 *
 * Owns: nothing.  Needs: base.  Threads: any.
 * Memory: slices of the body.
 * Units: tokens, bytes.
 * Errors: a struct of the refusal: status, words, the parameter at fault.
 * Always: refuses what the real ones refuse, in their order: form, model, messages, values. */
#ifndef SANDBOX_ASK_H
#define SANDBOX_ASK_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "sandbox/fault.h"

enum sandbox_ask_kind { SANDBOX_CHAT, SANDBOX_COMPLETION, SANDBOX_EMBED, SANDBOX_ASK_KIND__COUNT };

enum {
    SANDBOX_CHOICES_MAX = 128,
    SANDBOX_TOP_LOGPROBS_MAX = 20,
    SANDBOX_IMAGE_TOKENS = 85,
    SANDBOX_INPUTS_MAX = 2048
};

struct sandbox_ask {
    enum sandbox_ask_kind kind;
    struct sandbox_fault fault;
    struct str model;
    struct str last_user; /* content as it stands: a string or an array of parts */
    struct str tool; /* the first function; empty when none may be called */
    struct str tool_name; /* with quotes */
    struct str schema; /* of response_format, or "{}" for json_object; empty: text */
    struct str input; /* prompt or input as it stands */
    size_t prompt_bytes;
    int64_t prompt_extra; /* tokens that are not text: images, inputs given as tokens */
    int64_t inputs; /* of embeddings, prompts of completions */
    int64_t choices, tokens_max, top_logprobs, dimensions; /* tokens_max < 0: none */
    bool stream, include_usage, logprobs, answered_tool, base64;
};

struct sandbox_refusal {
    int status;
    struct str message; /* static or in the arena */
    const char *param, *code;
};

/* False: *ret_refusal says why. */
bool sandbox_ask_read(struct arena *a, enum sandbox_ask_kind kind, struct str body,
                      struct sandbox_ask *ret_ask, struct sandbox_refusal *ret_refusal);
static inline int64_t sandbox_ask_prompt_tokens(const struct sandbox_ask *ask)
{
    return (int64_t)((ask->prompt_bytes + 3) / 4) + ask->prompt_extra;
}
/* Adds the text of a content: the string, or the text parts one after another. */
void sandbox_content_add(struct buf *b, struct str content);

#endif

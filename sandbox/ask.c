/* Bodies of the three model routes, read and checked. */
#include "sandbox/ask.h"

#include "base/json.h"
#include "sandbox/text.h"

/* One reading: where refusals and copies go. */
struct reading {
    struct arena *arena;
    struct sandbox_ask *ask;
    struct sandbox_refusal *refusal;
    struct str messages, model, prompt, input, tools, tool_choice, response_format, stream_options;
};

static bool refuse(struct reading *r, int status, struct str message, const char *param,
                   const char *code)
{
    *r->refusal = (struct sandbox_refusal){status, message, param, code};
    return false;
}

static bool refuse_type(struct reading *r, const char *param, const char *wanted, struct str value)
{
    return refuse(r, 400,
                  arena_printf(r->arena, "Invalid type for '%s': expected %s, but got %s instead.",
                               param, wanted, json_type_name(json_type_of(value))),
                  param, "invalid_type");
}

static bool flag_read(struct reading *r, const char *param, struct str value, bool *ret_flag)
{
    enum json_type t = json_type_of(value);
    if (t == JSON_NULL || t == JSON_NONE)
        return true;
    if (t != JSON_TRUE && t != JSON_FALSE)
        return refuse_type(r, param, "a boolean", value);
    *ret_flag = t == JSON_TRUE;
    return true;
}

static bool int_read(struct reading *r, const char *param, struct str value, int64_t min,
                     int64_t max, int64_t *ret_n)
{
    if (json_type_of(value) == JSON_NULL)
        return true;
    if (json_type_of(value) != JSON_NUMBER)
        return refuse_type(r, param, "an integer", value);
    if (json_int(value, min, max, ret_n) == OK)
        return true;
    return refuse(r, 400,
                  arena_printf(r->arena,
                               "Invalid '%s': integer outside of its bounds. Expected a value "
                               "between %lld and %lld.",
                               param, (long long)min, (long long)max),
                  param, "integer_out_of_range");
}

/* One pass over the members of the body. */
static bool member_read(struct reading *r, struct str key, struct str value)
{
    struct sandbox_ask *ask = r->ask;
    const struct {
        struct str name;
        struct str *into;
    } kept[] = {
        {STR("model"), &r->model},
        {STR("messages"), &r->messages},
        {STR("prompt"), &r->prompt},
        {STR("input"), &r->input},
        {STR("tools"), &r->tools},
        {STR("tool_choice"), &r->tool_choice},
        {STR("response_format"), &r->response_format},
        {STR("stream_options"), &r->stream_options},
    };
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (str_eq(key, kept[i].name)) {
            *kept[i].into = value;
            return true;
        }
    if (str_eq(key, STR("stream")))
        return flag_read(r, "stream", value, &ask->stream);
    if (str_eq(key, STR("logprobs")) && ask->kind == SANDBOX_CHAT)
        return flag_read(r, "logprobs", value, &ask->logprobs);
    if (str_eq(key, STR("logprobs"))) {
        ask->logprobs = json_type_of(value) == JSON_NUMBER;
        return int_read(r, "logprobs", value, 0, 5, &ask->top_logprobs);
    }
    if (str_eq(key, STR("top_logprobs")))
        return int_read(r, "top_logprobs", value, 0, SANDBOX_TOP_LOGPROBS_MAX, &ask->top_logprobs);
    if (str_eq(key, STR("n")))
        return int_read(r, "n", value, 1, SANDBOX_CHOICES_MAX, &ask->choices);
    if (str_eq(key, STR("max_tokens")))
        return int_read(r, "max_tokens", value, 1, INT32_MAX, &ask->tokens_max);
    if (str_eq(key, STR("max_completion_tokens")))
        return int_read(r, "max_completion_tokens", value, 1, INT32_MAX, &ask->tokens_max);
    if (str_eq(key, STR("dimensions")))
        return int_read(r, "dimensions", value, 1, 8192, &ask->dimensions);
    if (str_eq(key, STR("encoding_format")))
        ask->base64 = str_eq(value, STR("\"base64\""));
    return true;
}

static bool content_part_read(struct reading *r, struct str part)
{
    struct str type = json_get(part, STR("type"));
    if (json_type_of(part) != JSON_OBJECT || json_type_of(type) != JSON_STRING)
        return refuse_type(r, "messages.content", "parts with a type", part);
    if (str_eq(type, STR("\"text\"")))
        r->ask->prompt_bytes += sandbox_string_bytes(json_get(part, STR("text")));
    else if (str_eq(type, STR("\"image_url\"")))
        r->ask->prompt_extra += SANDBOX_IMAGE_TOKENS;
    return true;
}

static bool content_read(struct reading *r, struct str content)
{
    enum json_type t = json_type_of(content);
    if (t == JSON_STRING) {
        r->ask->prompt_bytes += sandbox_string_bytes(content);
        return true;
    }
    if (t == JSON_NULL || t == JSON_NONE)
        return true; /* an assistant's message that only called tools */
    if (t != JSON_ARRAY)
        return refuse_type(r, "messages.content", "a string or an array of objects", content);
    struct json_walk parts = json_walk_of(content);
    while (json_next(&parts))
        if (!content_part_read(r, parts.value))
            return false;
    return true;
}

static bool message_read(struct reading *r, struct str message)
{
    struct str role = {0}, content = {0};
    if (json_type_of(message) != JSON_OBJECT)
        return refuse_type(r, "messages", "objects", message);
    struct json_walk w = json_walk_of(message);
    while (json_next(&w)) {
        if (str_eq(w.key, STR("role")))
            role = w.value;
        else if (str_eq(w.key, STR("content")))
            content = w.value;
    }
    if (json_type_of(role) != JSON_STRING)
        return refuse(r, 400, STR("Missing required parameter: 'messages.role'."), "messages.role",
                      "missing_required_parameter");
    bool user = str_eq(role, STR("\"user\""));
    r->ask->answered_tool = str_eq(role, STR("\"tool\""));
    if (!user && !r->ask->answered_tool && !str_eq(role, STR("\"assistant\"")) &&
        !str_eq(role, STR("\"system\"")) && !str_eq(role, STR("\"developer\"")) &&
        !str_eq(role, STR("\"function\"")))
        return refuse(r, 400,
                      STR("Invalid value for 'messages.role'. Supported values are: 'system', "
                          "'assistant', 'user', 'function', 'tool', and 'developer'."),
                      "messages.role", "invalid_value");
    if (user || r->ask->answered_tool || r->ask->last_user.n == 0)
        r->ask->last_user = content;
    return content_read(r, content);
}

static bool messages_read(struct reading *r)
{
    if (r->messages.n == 0)
        return refuse(r, 400, STR("Missing required parameter: 'messages'."), "messages",
                      "missing_required_parameter");
    if (json_type_of(r->messages) != JSON_ARRAY)
        return refuse_type(r, "messages", "an array of objects", r->messages);
    struct json_walk w = json_walk_of(r->messages);
    size_t n = 0;
    for (; json_next(&w); n++)
        if (!message_read(r, w.value))
            return false;
    if (n == 0)
        return refuse(r, 400,
                      STR("Invalid 'messages': empty array. Expected an array with minimum length "
                          "1, but got an empty array instead."),
                      "messages", "empty_array");
    return true;
}

static void tools_read(struct reading *r)
{
    struct json_walk w = json_walk_of(r->tools);
    if (str_eq(r->tool_choice, STR("\"none\"")) || !json_next(&w))
        return;
    r->ask->tool = json_get(w.value, STR("function"));
    r->ask->tool_name = json_get(r->ask->tool, STR("name"));
    if (json_type_of(r->ask->tool_name) != JSON_STRING)
        r->ask->tool = str_of(NULL, 0);
}

static void format_read(struct reading *r)
{
    struct str type = json_get(r->response_format, STR("type"));
    if (str_eq(type, STR("\"json_object\""))) {
        r->ask->schema = STR("{}");
    } else if (str_eq(type, STR("\"json_schema\""))) {
        struct str schema = json_get(r->response_format, STR("json_schema"));
        r->ask->schema = json_get(schema, STR("schema"));
        if (r->ask->schema.n == 0)
            r->ask->schema = STR("{}");
    }
}

/* A prompt or an input: text, texts, tokens, or arrays of tokens. */
static bool input_read(struct reading *r, const char *param, struct str value)
{
    struct sandbox_ask *ask = r->ask;
    ask->input = value;
    ask->inputs = 1;
    if (value.n == 0)
        return refuse(r, 400, arena_printf(r->arena, "Missing required parameter: '%s'.", param),
                      param, "missing_required_parameter");
    if (json_type_of(value) == JSON_STRING) {
        ask->prompt_bytes = sandbox_string_bytes(value);
        return true;
    }
    if (json_type_of(value) != JSON_ARRAY)
        return refuse_type(r, param, "a string or an array", value);
    struct json_walk w = json_walk_of(value);
    int64_t elements = 0, numbers = 0;
    for (; json_next(&w); elements++) {
        if (json_type_of(w.value) == JSON_STRING) {
            ask->prompt_bytes += sandbox_string_bytes(w.value);
        } else if (json_type_of(w.value) == JSON_NUMBER) {
            numbers++;
        } else {
            struct json_walk tokens = json_walk_of(w.value);
            while (json_next(&tokens))
                ask->prompt_extra++;
        }
    }
    if (elements == 0)
        return refuse(r, 400, arena_printf(r->arena, "Invalid '%s': empty array.", param), param,
                      "empty_array");
    if (numbers == 0 && elements > SANDBOX_INPUTS_MAX)
        return refuse(
            r, 400,
            arena_printf(r->arena, "Invalid '%s': at most %d elements.", param, SANDBOX_INPUTS_MAX),
            param, "array_above_max_length");
    ask->prompt_extra += numbers;
    ask->inputs = numbers == 0 ? elements : 1;
    return true;
}

static bool model_read(struct reading *r)
{
    if (r->model.n == 0)
        return refuse(r, 400, STR("you must provide a model parameter"), "model", NULL);
    if (json_type_of(r->model) != JSON_STRING)
        return refuse_type(r, "model", "a string", r->model);
    if (json_string(r->arena, r->model, &r->ask->model) != OK)
        return refuse(r, 400, STR("Invalid 'model'."), "model", NULL);
    if (sandbox_fault_of(r->ask->model, &r->ask->fault))
        return true;
    return refuse(r, 404,
                  arena_printf(r->arena,
                               "The model `%.*s` does not exist or you do not have "
                               "access to it.",
                               STR_ARG(str_upto(r->ask->model, 200))),
                  NULL, "model_not_found");
}

bool sandbox_ask_read(struct arena *a, enum sandbox_ask_kind kind, struct str body,
                      struct sandbox_ask *ret_ask, struct sandbox_refusal *ret_refusal)
{
    *ret_ask = (struct sandbox_ask){.kind = kind, .inputs = 1, .choices = 1, .tokens_max = -1};
    struct reading r = {.arena = a, .ask = ret_ask, .refusal = ret_refusal};
    size_t offset = 0;
    while (body.n > 0 && (body.p[0] == ' ' || (body.p[0] >= '\t' && body.p[0] <= '\r')))
        body = str_from(body, 1);
    if (json_check(body, &offset) != OK || json_type_of(body) != JSON_OBJECT)
        return refuse(&r, 400,
                      STR("We could not parse the JSON body of your request. The API expects a "
                          "JSON payload."),
                      NULL, NULL);
    struct json_walk w = json_walk_of(body);
    while (json_next(&w))
        if (!member_read(&r, w.key, w.value))
            return false;
    if (!model_read(&r))
        return false;
    if (kind == SANDBOX_COMPLETION && !input_read(&r, "prompt", r.prompt))
        return false;
    if (kind == SANDBOX_EMBED)
        return input_read(&r, "input", r.input);
    if (kind == SANDBOX_CHAT && !messages_read(&r))
        return false;
    if (!flag_read(&r, "stream_options.include_usage",
                   json_get(r.stream_options, STR("include_usage")), &ret_ask->include_usage))
        return false;
    tools_read(&r);
    format_read(&r);
    return true;
}

void sandbox_content_add(struct buf *b, struct str content)
{
    if (json_type_of(content) == JSON_STRING) {
        sandbox_string_add(b, content);
        return;
    }
    struct json_walk w = json_walk_of(content);
    while (json_next(&w))
        sandbox_string_add(
            b, json_type_of(w.value) == JSON_STRING ? w.value : json_get(w.value, STR("text")));
}

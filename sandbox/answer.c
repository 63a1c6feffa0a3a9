/* The shapes of answers. */
#include "sandbox/answer.h"

#include "sandbox/text.h"

static bool is_openrouter(const struct sandbox_play *p)
{
    return p->dialect == SANDBOX_OPENROUTER;
}

static struct str finish_reason(const struct sandbox_play *p)
{
    if (p->calls_tool)
        return STR("\"tool_calls\"");
    return p->by_length ? STR("\"length\"") : STR("\"stop\"");
}

/* ---- usage ---- */

static void usage_cost(struct buf *b, const struct sandbox_play *p)
{
    const struct sandbox_usage *u = &p->usage;
    buf_add(b, STR(",\"cost\":"));
    sandbox_decimal(b, u->cost_pico);
    buf_add(b, p->ask.fault.kind == SANDBOX_BYOK ? STR(",\"is_byok\":true")
                                                 : STR(",\"is_byok\":false"));
    buf_add(b, STR(",\"cost_details\":{\"upstream_inference_cost\":"));
    sandbox_decimal(b, u->upstream_pico);
    buf_add(b, STR(",\"upstream_inference_prompt_cost\":"));
    sandbox_decimal(b, u->prompt_pico);
    buf_add(b, STR(",\"upstream_inference_completions_cost\":"));
    sandbox_decimal(b, u->completion_pico);
    buf_byte(b, '}');
}

static void usage_put(struct buf *b, const struct sandbox_play *p)
{
    const struct sandbox_usage *u = &p->usage;
    buf_add(b, STR("{\"prompt_tokens\":"));
    buf_i64(b, u->prompt);
    if (p->ask.kind != SANDBOX_EMBED) {
        buf_add(b, STR(",\"completion_tokens\":"));
        buf_i64(b, u->completion);
    }
    buf_add(b, STR(",\"total_tokens\":"));
    buf_i64(b, u->prompt + u->completion);
    if (is_openrouter(p))
        usage_cost(b, p);
    if (p->ask.kind == SANDBOX_EMBED) {
        buf_byte(b, '}');
        return;
    }
    buf_add(b, STR(",\"prompt_tokens_details\":{\"cached_tokens\":"));
    buf_i64(b, u->cached);
    if (is_openrouter(p))
        buf_add(b, STR(",\"cache_write_tokens\":0,\"audio_tokens\":0,\"video_tokens\":0},"
                       "\"completion_tokens_details\":{\"reasoning_tokens\":"));
    else
        buf_add(b, STR(",\"audio_tokens\":0},\"completion_tokens_details\":{"
                       "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0,"
                       "\"reasoning_tokens\":"));
    buf_i64(b, u->reasoning);
    buf_add(b, STR(",\"audio_tokens\":0}}"));
}

/* ---- log probabilities: made up, but of the right shape ---- */

static void logprob_put(struct buf *b, struct str token, int64_t top, bool alternatives)
{
    buf_add(b, STR("{\"token\":\""));
    sandbox_string_put(b, token);
    buf_add(b, STR("\",\"logprob\":-0.125,\"bytes\":["));
    for (size_t i = 0; i < token.n; i++) {
        if (i > 0)
            buf_byte(b, ',');
        buf_u64(b, (unsigned char)token.p[i]);
    }
    buf_byte(b, ']');
    if (alternatives) {
        buf_add(b, STR(",\"top_logprobs\":["));
        for (int64_t i = 0; i < top; i++) {
            if (i > 0)
                buf_byte(b, ',');
            logprob_put(b, token, 0, false);
        }
        buf_byte(b, ']');
    }
    buf_byte(b, '}');
}

static void logprobs_put(struct buf *b, const struct sandbox_play *p, struct str text)
{
    if (!p->ask.logprobs || p->calls_tool) {
        buf_add(b, STR("null"));
        return;
    }
    buf_add(b, STR("{\"content\":["));
    for (size_t at = 0; at < text.n;) {
        size_t end = sandbox_cut(text, at + SANDBOX_TOKEN_BYTES);
        if (at > 0)
            buf_byte(b, ',');
        logprob_put(b, str_of(text.p + at, end - at), p->ask.top_logprobs, true);
        at = end;
    }
    buf_add(b, STR("],\"refusal\":null}"));
}

/* ---- whole answers ---- */

static void head_put(struct buf *b, const struct sandbox_play *p, struct str object)
{
    buf_add(b, STR("{\"id\":\""));
    buf_add(b, p->id_text);
    if (is_openrouter(p))
        buf_add(b, STR("\",\"provider\":\"Sandbox"));
    buf_add(b, STR("\",\"model\":\""));
    sandbox_string_put(b, p->ask.model);
    buf_add(b, STR("\",\"object\":\""));
    buf_add(b, object);
    buf_add(b, STR("\",\"created\":"));
    buf_i64(b, p->created_us / 1000000);
    buf_add(b, STR(",\"system_fingerprint\":\"fp_sandbox\","));
}

/* Up to the open string of its arguments, without the brace before. */
static void tool_call_open(struct buf *b, const struct sandbox_play *p, int64_t choice)
{
    buf_add(b, STR("\"id\":\"call_"));
    buf_add(b, str_from(p->id_text, p->id_text.n - 14));
    buf_i64(b, choice);
    buf_add(b, STR("\",\"type\":\"function\",\"function\":{\"name\":"));
    buf_add(b, p->ask.tool_name);
    buf_add(b, STR(",\"arguments\":\""));
}

static void message_put(struct buf *b, const struct sandbox_play *p, int64_t choice)
{
    buf_add(b, STR("\"message\":{\"role\":\"assistant\",\"content\":"));
    buf_add(b, p->calls_tool ? STR("null") : STR("\""));
    if (!p->calls_tool) {
        sandbox_string_put(b, buf_str(&p->text));
        buf_byte(b, '"');
    }
    buf_add(b, STR(",\"refusal\":null"));
    if (is_openrouter(p))
        buf_add(b, STR(",\"reasoning\":null"));
    if (p->calls_tool) {
        buf_add(b, STR(",\"tool_calls\":[{"));
        tool_call_open(b, p, choice);
        sandbox_string_put(b, buf_str(&p->text));
        buf_add(b, STR("\"}}]"));
    }
    buf_byte(b, '}');
}

static void whole_choice_put(struct buf *b, const struct sandbox_play *p, int64_t choice)
{
    buf_add(b, STR("{\"index\":"));
    buf_i64(b, choice);
    buf_byte(b, ',');
    if (p->ask.kind == SANDBOX_CHAT) {
        message_put(b, p, choice);
        buf_add(b, STR(",\"logprobs\":"));
        logprobs_put(b, p, buf_str(&p->text));
    } else {
        buf_add(b, STR("\"text\":\""));
        sandbox_string_put(b, buf_str(&p->text));
        buf_add(b, STR("\",\"logprobs\":null"));
    }
    buf_add(b, STR(",\"finish_reason\":"));
    buf_add(b, finish_reason(p));
    if (is_openrouter(p)) {
        buf_add(b, STR(",\"native_finish_reason\":"));
        buf_add(b, finish_reason(p));
    }
    buf_byte(b, '}');
}

void sandbox_answer_whole(struct buf *b, const struct sandbox_play *p)
{
    head_put(b, p, p->ask.kind == SANDBOX_CHAT ? STR("chat.completion") : STR("text_completion"));
    if (p->dialect == SANDBOX_OPENAI && p->ask.kind == SANDBOX_CHAT)
        buf_add(b, STR("\"service_tier\":\"default\","));
    buf_add(b, STR("\"choices\":["));
    for (int64_t i = 0; i < p->ask.choices * p->ask.inputs; i++) {
        if (i > 0)
            buf_byte(b, ',');
        whole_choice_put(b, p, i);
    }
    buf_byte(b, ']');
    if (p->ask.fault.kind != SANDBOX_NO_USAGE) {
        buf_add(b, STR(",\"usage\":"));
        usage_put(b, p);
    }
    buf_byte(b, '}');
}

/* ---- embeddings ---- */

/* Multiples of 1/1024 in (-1, 1): exact in binary and short in decimal. */
static int embedding_at(uint64_t seed, int64_t i)
{
    return (int)(sandbox_mix(seed + (uint64_t)i) % 2047) - 1023;
}

static void embedding_numbers(struct buf *b, uint64_t seed, int64_t n)
{
    buf_byte(b, '[');
    for (int64_t i = 0; i < n; i++) {
        int v = embedding_at(seed, i);
        if (i > 0)
            buf_byte(b, ',');
        if (v < 0)
            buf_byte(b, '-');
        sandbox_decimal(b, (int64_t)(v < 0 ? -v : v) * 1000000000000 / 1024);
    }
    buf_byte(b, ']');
}

/* IEEE 754 singles, little-endian, in base 64. */
static void embedding_base64(struct buf *b, uint64_t seed, int64_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned held = 0;
    buf_byte(b, '"');
    for (int64_t i = 0; i < n; i++) {
        float v = (float)embedding_at(seed, i) / 1024;
        unsigned char bytes[4];
        memcpy(bytes, &v, 4);
        for (int k = 0; k < 4; k++) {
            bits = bits << 8 | bytes[k];
            for (held += 8; held >= 6; held -= 6)
                buf_byte(b, digits[bits >> (held - 6) & 63]);
        }
    }
    if (held > 0)
        buf_byte(b, digits[bits << (6 - held) & 63]);
    if (held > 0)
        buf_add(b, held == 2 ? STR("==") : STR("="));
    buf_byte(b, '"');
}

void sandbox_answer_embeddings(struct buf *b, const struct sandbox_play *p)
{
    int64_t n = p->ask.dimensions > 0 ? p->ask.dimensions : 1536;
    uint64_t seed = sandbox_mix(p->lane->sandbox->seed ^ str_hash(p->ask.input));
    buf_add(b, STR("{\"object\":\"list\",\"data\":["));
    for (int64_t i = 0; i < p->ask.inputs; i++) {
        if (i > 0)
            buf_byte(b, ',');
        buf_add(b, STR("{\"object\":\"embedding\",\"index\":"));
        buf_i64(b, i);
        buf_add(b, STR(",\"embedding\":"));
        if (p->ask.base64)
            embedding_base64(b, sandbox_mix(seed + (uint64_t)i), n);
        else
            embedding_numbers(b, sandbox_mix(seed + (uint64_t)i), n);
        buf_byte(b, '}');
    }
    buf_add(b, STR("],\"model\":\""));
    sandbox_string_put(b, p->ask.model);
    if (is_openrouter(p)) {
        buf_add(b, STR("\",\"provider\":\"Sandbox\",\"id\":\""));
        buf_add(b, p->id_text);
    }
    buf_byte(b, '"');
    if (p->ask.fault.kind != SANDBOX_NO_USAGE) {
        buf_add(b, STR(",\"usage\":"));
        usage_put(b, p);
    }
    buf_byte(b, '}');
}

/* ---- streams ---- */

void sandbox_answer_heading(struct sandbox_play *p)
{
    struct buf b = {.p = p->heading, .cap = sizeof(p->heading), .max = sizeof(p->heading)};
    buf_add(&b, STR("data: "));
    head_put(&b, p,
             p->ask.kind == SANDBOX_CHAT ? STR("chat.completion.chunk") : STR("text_completion"));
    buf_add(&b, STR("\"choices\":["));
    must(!b.over);
    p->heading_n = b.n;
}

/* OpenAI's chunks say `usage:null` when the last one will have it. */
static void event_end(struct buf *b, const struct sandbox_play *p)
{
    if (p->dialect == SANDBOX_OPENAI && p->ask.include_usage)
        buf_add(b, STR("],\"usage\":null}\n\n"));
    else
        buf_add(b, STR("]}\n\n"));
}

static void delta_put(struct buf *b, const struct sandbox_play *p, int64_t choice, struct str text)
{
    buf_add(b, STR("\"delta\":{"));
    if (p->piece == 0)
        buf_add(b, STR("\"role\":\"assistant\","));
    if (!p->calls_tool) {
        buf_add(b, STR("\"content\":\""));
        sandbox_string_put(b, text);
        buf_add(b, STR("\"}"));
    } else if (p->piece == 0) {
        buf_add(b, STR("\"content\":null,\"tool_calls\":[{\"index\":0,"));
        tool_call_open(b, p, choice);
        buf_add(b, STR("\"}}]}"));
    } else {
        buf_add(b, STR("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\""));
        sandbox_string_put(b, text);
        buf_add(b, STR("\"}}]}"));
    }
}

void sandbox_answer_piece(struct buf *b, const struct sandbox_play *p, size_t from, size_t to)
{
    struct str text = str_of(p->text.p + from, to - from);
    for (int64_t i = 0; i < p->ask.choices * p->ask.inputs; i++) {
        buf_add(b, str_of(p->heading, p->heading_n));
        buf_add(b, STR("{\"index\":"));
        buf_i64(b, i);
        buf_byte(b, ',');
        if (p->ask.kind == SANDBOX_CHAT) {
            delta_put(b, p, i, text);
        } else {
            buf_add(b, STR("\"text\":\""));
            sandbox_string_put(b, text);
            buf_byte(b, '"');
        }
        buf_add(b, STR(",\"finish_reason\":null,\"logprobs\":"));
        if (p->ask.kind == SANDBOX_CHAT)
            logprobs_put(b, p, text);
        else
            buf_add(b, STR("null"));
        buf_byte(b, '}');
        event_end(b, p);
    }
}

static void finish_put(struct buf *b, const struct sandbox_play *p)
{
    for (int64_t i = 0; i < p->ask.choices * p->ask.inputs; i++) {
        buf_add(b, str_of(p->heading, p->heading_n));
        buf_add(b, STR("{\"index\":"));
        buf_i64(b, i);
        buf_add(b, p->ask.kind == SANDBOX_CHAT ? STR(",\"delta\":{},\"finish_reason\":")
                                               : STR(",\"text\":\"\",\"finish_reason\":"));
        buf_add(b, finish_reason(p));
        buf_add(b, STR(",\"logprobs\":null}"));
        event_end(b, p);
    }
}

void sandbox_answer_end(struct buf *b, const struct sandbox_play *p)
{
    finish_put(b, p);
    bool tells = is_openrouter(p) || p->ask.include_usage;
    if (tells && p->ask.fault.kind != SANDBOX_NO_USAGE) {
        buf_add(b, str_of(p->heading, p->heading_n));
        buf_add(b, STR("],\"usage\":"));
        usage_put(b, p);
        buf_add(b, STR("}\n\n"));
    }
    if (p->ask.fault.kind != SANDBOX_NO_DONE)
        buf_add(b, STR("data: [DONE]\n\n"));
}

void sandbox_answer_broken(struct buf *b, const struct sandbox_play *p)
{
    if (!is_openrouter(p)) {
        buf_add(b, STR("data: {\"error\":{\"message\":\"The server had an error while processing "
                       "your request. Sorry about that!\",\"type\":\"server_error\",\"param\":"
                       "null,\"code\":null}}\n\n"));
        return;
    }
    buf_add(b, str_of(p->heading, p->heading_n));
    buf_add(b, STR("{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}],"
                   "\"error\":{\"code\":502,\"message\":\"Provider disconnected unexpectedly\","
                   "\"metadata\":{\"error_type\":\"provider_unavailable\","
                   "\"provider_code\":\"sandbox_broke\"}}}\n\n"));
}

/* ---- errors ---- */

struct error_words {
    int status;
    struct str openrouter, openai;
    const char *type, *code;
};
static const struct error_words words[] = {
    {400, STR("Invalid request parameters"), STR("Your request was malformed."),
     "invalid_request_error", NULL},
    {401, STR("Missing Authentication header"), STR("Incorrect API key provided."),
     "invalid_request_error", "invalid_api_key"},
    {402, STR("Insufficient credits. Add more using https://openrouter.ai/credits"),
     STR("You have no credit left."), "insufficient_quota", "insufficient_quota"},
    {403, STR("Only management keys can perform this operation"),
     STR("You are not allowed to do this."), "invalid_request_error", "permission_denied"},
    {404, STR("Resource not found"), STR("There is no such thing."), "invalid_request_error",
     "not_found"},
    {408, STR("Operation timed out. Please try again later."), STR("Request timed out."),
     "server_error", "timeout"},
    {413, STR("Request payload too large"), STR("The request is too large."),
     "invalid_request_error", "request_too_large"},
    {429, STR("Rate limit exceeded"),
     STR("Rate limit reached for requests. Please try again in 1s."), "requests",
     "rate_limit_exceeded"},
    {500, STR("Internal Server Error"),
     STR("The server had an error while processing your request. Sorry about that!"),
     "server_error", NULL},
    {502, STR("Provider returned error"), STR("Bad gateway."), "server_error", NULL},
    {503, STR("Service temporarily unavailable"),
     STR("The engine is currently overloaded, please try again later."), "service_unavailable",
     "overloaded"},
    {524, STR("Request timed out. Please try again later."), STR("Timed out."), "server_error",
     NULL},
    {529, STR("Provider returned error"), STR("Overloaded."), "server_error", "overloaded"},
};
enum { WORDS = sizeof(words) / sizeof(words[0]) };

static const struct error_words *words_of(int status)
{
    for (size_t i = 0; i < WORDS; i++)
        if (words[i].status == status)
            return &words[i];
    return &words[status < 500 ? 0 : 8];
}

struct str sandbox_error_message(enum sandbox_dialect dialect, int status)
{
    const struct error_words *w = words_of(status);
    return dialect == SANDBOX_OPENROUTER ? w->openrouter : w->openai;
}

void sandbox_answer_error(struct buf *b, enum sandbox_dialect dialect, int status,
                          struct str message, const char *param, const char *code)
{
    const struct error_words *w = words_of(status);
    buf_add(b, STR("{\"error\":{\"message\":\""));
    sandbox_string_put(b, message);
    if (dialect == SANDBOX_OPENROUTER) {
        buf_add(b, STR("\",\"code\":"));
        buf_i64(b, status);
        if (status == 429 || status >= 502)
            buf_add(b, STR(",\"metadata\":{\"provider_name\":\"Sandbox\","
                           "\"raw\":\"{\\\"error\\\":\\\"sandbox upstream said no\\\"}\"}"));
        buf_add(b, STR("},\"user_id\":\"user_sandbox\"}"));
        return;
    }
    buf_add(b, STR("\",\"type\":\""));
    buf_add(b, str_c(w->type));
    buf_add(b, STR("\",\"param\":"));
    if (param != NULL)
        buf_json_str(b, str_c(param));
    else
        buf_add(b, STR("null"));
    buf_add(b, STR(",\"code\":"));
    code = code != NULL ? code : w->code;
    if (code != NULL)
        buf_json_str(b, str_c(code));
    else
        buf_add(b, STR("null"));
    buf_add(b, STR("}}"));
}

/* The routes of OpenRouter and OpenAI. */
#include "sandbox/llm.h"

#include "base/clock.h"
#include "sandbox/answer.h"
#include "sandbox/ask.h"
#include "sandbox/keys.h"
#include "sandbox/play.h"
#include "sandbox/text.h"

enum { KEY_BODY_MAX = 64 * 1024, CREATED_S = 1732060800 };
#define CREDITS_PICO (INT64_C(1000000) * 1000000000000)

static enum sandbox_dialect dialect_of(struct str path)
{
    return str_starts(path, STR("/api/")) ? SANDBOX_OPENROUTER : SANDBOX_OPENAI;
}

static void error_reply(struct sandbox_lane *lane, struct http_exchange *x, int status,
                        struct str message, const char *param, const char *code)
{
    struct buf *out = &lane->out;
    buf_reset(out);
    sandbox_answer_error(out, dialect_of(http_request_of(x)->path), status, message, param, code);
    http_start(x, status);
    http_body(x, STR("application/json"), buf_str(out));
}

static void json_reply(struct sandbox_lane *lane, struct http_exchange *x, int status)
{
    http_start(x, status);
    http_body(x, STR("application/json"), buf_str(&lane->out));
}

/* Every handler's beginning: notes the request, and finds the bearer key or refuses. */
static bool enter(struct sandbox_lane *lane, struct http_exchange *x, struct str *ret_key)
{
    sandbox_seen_note(lane, http_request_of(x));
    buf_reset(&lane->out);
    enum sandbox_dialect dialect = dialect_of(http_request_of(x)->path);
    struct str key = http_header(x, STR("authorization"));
    if (!str_starts_nocase(key, STR("bearer ")) || str_trim(str_from(key, 7)).n == 0) {
        error_reply(lane, x, 401,
                    dialect == SANDBOX_OPENROUTER
                        ? STR("Missing Authentication header")
                        : STR("You didn't provide an API key. You need to provide your API key in "
                              "an Authorization header using Bearer auth."),
                    NULL, NULL);
        return false;
    }
    *ret_key = str_trim(str_from(key, 7));
    int status = sandbox_key_status(lane->sandbox, *ret_key);
    if (status == 200)
        return true;
    error_reply(lane, x, status,
                status == 401 ? STR("User not found.") : sandbox_error_message(dialect, status),
                NULL, NULL);
    return false;
}

static void model_call(struct sandbox_lane *lane, struct http_exchange *x,
                       enum sandbox_ask_kind kind)
{
    struct str key;
    if (!enter(lane, x, &key))
        return;
    const struct http_request *request = http_request_of(x);
    enum sandbox_dialect dialect = dialect_of(request->path);
    struct sandbox_ask ask;
    struct sandbox_refusal refusal;
    if (sandbox_ask_read(http_arena(x), kind, request->body, &ask, &refusal)) {
        sandbox_play_start(lane, x, dialect, &ask, key);
        return;
    }
    /* OpenRouter answers an unknown model with 400. */
    if (refusal.status == 404 && dialect == SANDBOX_OPENROUTER) {
        refusal.status = 400;
        refusal.message = arena_printf(http_arena(x), "%.*s is not a valid model ID",
                                       STR_ARG(str_upto(ask.model, 200)));
    }
    error_reply(lane, x, refusal.status, refusal.message, refusal.param, refusal.code);
}

static void chat_ready(void *arg, struct http_exchange *x)
{
    model_call(arg, x, SANDBOX_CHAT);
}

static void completions_ready(void *arg, struct http_exchange *x)
{
    model_call(arg, x, SANDBOX_COMPLETION);
}

static void embeddings_ready(void *arg, struct http_exchange *x)
{
    model_call(arg, x, SANDBOX_EMBED);
}

/* ---- models ---- */

static void price_put(struct buf *b, const char *name, int64_t pico)
{
    buf_json_key(b, name);
    buf_byte(b, '"');
    sandbox_decimal(b, pico);
    buf_byte(b, '"');
}

static void openrouter_model_put(struct buf *b, const struct sandbox_model *m)
{
    buf_byte(b, '{');
    buf_json_member(b, "id", m->id);
    buf_json_member(b, "canonical_slug", m->id);
    buf_json_member(b, "name", m->id);
    buf_json_member(b, "description", str_c(m->what));
    buf_json_i64(b, "created", CREATED_S);
    buf_json_i64(b, "context_length", m->context);
    buf_add(b, STR(",\"architecture\":{\"modality\":\"text+image->text\",\"input_modalities\":["
                   "\"text\",\"image\"],\"output_modalities\":[\"text\"],\"tokenizer\":\"Other\","
                   "\"instruct_type\":null},\"pricing\":{"));
    price_put(b, "prompt", m->in_pico);
    price_put(b, "completion", m->out_pico);
    price_put(b, "input_cache_read", m->cached_pico);
    buf_add(b, STR(",\"request\":\"0\",\"image\":\"0\",\"web_search\":\"0\","
                   "\"internal_reasoning\":\"0\"},\"top_provider\":{"));
    buf_json_i64(b, "context_length", m->context);
    buf_add(b, STR(",\"max_completion_tokens\":16384,\"is_moderated\":false},"
                   "\"per_request_limits\":null,\"supported_parameters\":[\"max_tokens\","
                   "\"max_completion_tokens\",\"temperature\",\"tools\",\"tool_choice\","
                   "\"response_format\",\"logprobs\",\"top_logprobs\"],"
                   "\"default_parameters\":null,\"supported_voices\":null,"
                   "\"knowledge_cutoff\":null,\"expiration_date\":null,\"links\":{"
                   "\"details\":\"/api/v1/models/"));
    buf_add(b, m->id);
    buf_add(b, STR("/endpoints\"}}"));
}

static void openai_model_put(struct buf *b, const struct sandbox_model *m)
{
    buf_byte(b, '{');
    buf_json_member(b, "id", m->id);
    buf_json_member(b, "object", STR("model"));
    buf_json_i64(b, "created", CREATED_S);
    buf_json_member(b, "owned_by", m->owner);
    buf_byte(b, '}');
}

static void models_ready(void *arg, struct http_exchange *x)
{
    struct sandbox_lane *lane = arg;
    struct str key;
    if (!enter(lane, x, &key))
        return;
    bool openrouter = dialect_of(http_request_of(x)->path) == SANDBOX_OPENROUTER;
    struct buf *out = &lane->out;
    buf_add(out, openrouter ? STR("{\"data\":[") : STR("{\"object\":\"list\",\"data\":["));
    const struct sandbox_model *m;
    size_t n = 0;
    for (; (m = sandbox_model_at(n)) != NULL; n++) {
        buf_json_comma(out);
        if (openrouter)
            openrouter_model_put(out, m);
        else
            openai_model_put(out, m);
    }
    buf_byte(out, ']');
    if (openrouter) {
        buf_json_i64(out, "total_count", (int64_t)n);
        buf_add(out, STR(",\"links\":{\"next\":null}"));
    }
    buf_byte(out, '}');
    json_reply(lane, x, 200);
}

static void model_ready(void *arg, struct http_exchange *x)
{
    struct sandbox_lane *lane = arg;
    struct str key;
    if (!enter(lane, x, &key))
        return;
    bool openrouter = dialect_of(http_request_of(x)->path) == SANDBOX_OPENROUTER;
    struct str id = http_request_of(x)->params[0];
    struct sandbox_fault fault;
    if (openrouter && str_eq(id, STR("count"))) {
        size_t n = 0;
        while (sandbox_model_at(n) != NULL)
            n++;
        buf_printf(&lane->out, "{\"data\":{\"count\":%zu}}", n);
        json_reply(lane, x, 200);
        return;
    }
    if (!sandbox_fault_of(id, &fault)) {
        error_reply(lane, x, 404,
                    arena_printf(http_arena(x), "The model '%.*s' does not exist",
                                 STR_ARG(str_upto(id, 200))),
                    "model", "model_not_found");
        return;
    }
    struct sandbox_model named = *fault.model;
    named.id = id;
    if (openrouter) {
        buf_add(&lane->out, STR("{\"data\":"));
        openrouter_model_put(&lane->out, &named);
        buf_byte(&lane->out, '}');
    } else {
        openai_model_put(&lane->out, &named);
    }
    json_reply(lane, x, 200);
}

/* ---- generation, key, credits ---- */

static const char *finish_of(const struct sandbox_entry *e)
{
    if ((e->flags & SANDBOX_FINISHED) == 0)
        return NULL;
    if ((e->flags & SANDBOX_BY_TOOL) != 0)
        return "tool_calls";
    return (e->flags & SANDBOX_BY_LENGTH) != 0 ? "length" : "stop";
}

static void word_put(struct buf *b, const char *name, const char *word)
{
    buf_json_key(b, name);
    if (word != NULL)
        buf_json_str(b, str_c(word));
    else
        buf_add(b, STR("null"));
}

static void generation_put(struct buf *b, struct str id, const struct sandbox_shown *shown)
{
    const struct sandbox_entry *e = &shown->entry;
    bool byok = (e->flags & SANDBOX_IS_BYOK) != 0;
    buf_add(b, STR("{\"data\":{"));
    buf_json_member(b, "id", id);
    buf_json_member(b, "upstream_id", id);
    buf_json_member(b, "model", str_c(shown->model));
    buf_json_member(b, "provider_name", STR("Sandbox"));
    buf_json_time(b, "created_at", e->created_us);
    buf_json_key(b, "total_cost");
    sandbox_decimal(b, e->cost_pico);
    buf_json_key(b, "usage");
    sandbox_decimal(b, e->cost_pico);
    buf_json_key(b, "upstream_inference_cost");
    sandbox_decimal(b, byok ? 20 * e->cost_pico : e->cost_pico);
    buf_json_bool(b, "is_byok", byok);
    buf_json_bool(b, "streamed", (e->flags & SANDBOX_STREAMED) != 0);
    buf_json_bool(b, "cancelled", (e->flags & SANDBOX_CANCELLED) != 0);
    buf_json_i64(b, "tokens_prompt", e->prompt);
    buf_json_i64(b, "tokens_completion", e->completion);
    buf_json_i64(b, "native_tokens_prompt", e->prompt);
    buf_json_i64(b, "native_tokens_completion", e->completion);
    buf_json_i64(b, "native_tokens_cached", e->cached);
    buf_json_i64(b, "latency", e->took_us / 1000);
    buf_json_i64(b, "generation_time", e->took_us / 1000);
    word_put(b, "finish_reason", finish_of(e));
    word_put(b, "native_finish_reason", finish_of(e));
    buf_json_key(b, "request_id");
    if (e->client_id_n > 0)
        buf_json_str(b, str_of(e->client_id, e->client_id_n));
    else
        buf_add(b, STR("null"));
    buf_add(b, STR(",\"native_tokens_reasoning\":0,\"native_tokens_completion_images\":0,"
                   "\"num_media_prompt\":0,\"num_input_audio_prompt\":0,\"num_media_completion\":"
                   "0,\"num_search_results\":0,\"num_fetches\":0,\"cache_discount\":null,"
                   "\"app_id\":null,\"moderation_latency\":null,\"service_tier\":null,"
                   "\"web_search_engine\":null,\"origin\":\"\",\"external_user\":null,"
                   "\"api_type\":\"completions\",\"preset_id\":null,\"router\":null,"
                   "\"provider_responses\":null,\"user_agent\":null,\"http_referer\":null,"
                   "\"session_id\":null,\"data_region\":\"global\",\"workspace_id\":null}}"));
}

static void generation_ready(void *arg, struct http_exchange *x)
{
    struct sandbox_lane *lane = arg;
    struct str key, id;
    struct sandbox_shown shown;
    if (!enter(lane, x, &key))
        return;
    if (!http_query(http_request_of(x), http_arena(x), STR("id"), &id) || id.n == 0) {
        error_reply(lane, x, 400, STR("Invalid request parameters: id is required"), "id", NULL);
        return;
    }
    if (!sandbox_tally_find(lane->sandbox, id, &shown)) {
        error_reply(
            lane, x, 404,
            arena_printf(http_arena(x), "Generation %.*s not found", STR_ARG(str_upto(id, 100))),
            "id", NULL);
        return;
    }
    generation_put(&lane->out, id, &shown);
    json_reply(lane, x, 200);
}

static void key_ready(void *arg, struct http_exchange *x)
{
    struct sandbox_lane *lane = arg;
    struct str key;
    if (!enter(lane, x, &key))
        return;
    sandbox_key_show(lane->sandbox, key, &lane->out);
    json_reply(lane, x, 200);
}

static void credits_ready(void *arg, struct http_exchange *x)
{
    struct sandbox_lane *lane = arg;
    struct str key;
    uint64_t until, dropped;
    if (!enter(lane, x, &key))
        return;
    struct sandbox_totals t = sandbox_tally_totals(lane->sandbox, &until, &dropped);
    buf_add(&lane->out, STR("{\"data\":{\"total_credits\":"));
    sandbox_decimal(&lane->out, CREDITS_PICO);
    buf_add(&lane->out, STR(",\"total_usage\":"));
    sandbox_decimal(&lane->out, t.cost_pico);
    buf_add(&lane->out, STR("}}"));
    json_reply(lane, x, 200);
}

/* ---- keys ---- */

static void keys_reply(struct sandbox_lane *lane, struct http_exchange *x, int status)
{
    if (status < 400) {
        json_reply(lane, x, status);
        return;
    }
    struct str message = arena_dup(http_arena(x), buf_str(&lane->out));
    error_reply(lane, x, status, message, NULL, NULL);
}

static void keys_list_ready(void *arg, struct http_exchange *x)
{
    struct sandbox_lane *lane = arg;
    struct str key;
    if (enter(lane, x, &key))
        keys_reply(lane, x, sandbox_keys_list(lane->sandbox, &lane->out));
}

static void keys_create_ready(void *arg, struct http_exchange *x)
{
    struct sandbox_lane *lane = arg;
    struct str key;
    if (enter(lane, x, &key))
        keys_reply(lane, x,
                   sandbox_keys_create(lane->sandbox, http_request_of(x)->body,
                                       loop_wall_us(lane->loop), &lane->out));
}

static void keys_get_ready(void *arg, struct http_exchange *x)
{
    struct sandbox_lane *lane = arg;
    struct str key;
    if (enter(lane, x, &key))
        keys_reply(lane, x,
                   sandbox_keys_get(lane->sandbox, http_request_of(x)->params[0], &lane->out));
}

static void keys_patch_ready(void *arg, struct http_exchange *x)
{
    struct sandbox_lane *lane = arg;
    const struct http_request *r = http_request_of(x);
    struct str key;
    if (enter(lane, x, &key))
        keys_reply(lane, x,
                   sandbox_keys_patch(lane->sandbox, r->params[0], r->body,
                                      loop_wall_us(lane->loop), &lane->out));
}

static void keys_delete_ready(void *arg, struct http_exchange *x)
{
    struct sandbox_lane *lane = arg;
    struct str key;
    if (enter(lane, x, &key))
        keys_reply(lane, x,
                   sandbox_keys_delete(lane->sandbox, http_request_of(x)->params[0], &lane->out));
}

/* ---- the table ---- */

size_t sandbox_llm_routes(struct sandbox_lane *lane, struct http_route *routes, size_t n,
                          size_t max)
{
    static const struct {
        const char *method, *openrouter, *openai;
        size_t body_max;
        void (*ready)(void *arg, struct http_exchange *x);
    } table[] = {
        {"POST", "/api/v1/chat/completions", "/v1/chat/completions", SANDBOX_BODY_BYTES_MAX,
         chat_ready},
        {"POST", "/api/v1/completions", "/v1/completions", SANDBOX_BODY_BYTES_MAX,
         completions_ready},
        {"POST", "/api/v1/embeddings", "/v1/embeddings", SANDBOX_BODY_BYTES_MAX, embeddings_ready},
        {"GET", "/api/v1/models", "/v1/models", 0, models_ready},
        {"GET", "/api/v1/models/{id*}", "/v1/models/{id*}", 0, model_ready},
        {"GET", "/api/v1/generation", "/v1/generation", 0, generation_ready},
        {"GET", "/api/v1/key", "/v1/key", 0, key_ready},
        {"GET", "/api/v1/credits", "/v1/credits", 0, credits_ready},
        {"GET", "/api/v1/keys", "/v1/keys", 0, keys_list_ready},
        {"POST", "/api/v1/keys", "/v1/keys", KEY_BODY_MAX, keys_create_ready},
        {"GET", "/api/v1/keys/{hash}", "/v1/keys/{hash}", 0, keys_get_ready},
        {"PATCH", "/api/v1/keys/{hash}", "/v1/keys/{hash}", KEY_BODY_MAX, keys_patch_ready},
        {"DELETE", "/api/v1/keys/{hash}", "/v1/keys/{hash}", KEY_BODY_MAX, keys_delete_ready},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const char *paths[2] = {table[i].openrouter, table[i].openai};
        for (int k = 0; k < 2; k++) {
            must(n < max);
            routes[n++] = (struct http_route){.method = table[i].method,
                                              .path = paths[k],
                                              .lane = HTTP_FAST,
                                              .body_bytes_max = table[i].body_max,
                                              .ready = table[i].ready,
                                              .arg = lane};
        }
    }
    return n;
}

void sandbox_llm_render(void *arg, struct str path, enum err e, struct str message,
                        struct str field, const char *request_id, struct buf *headers,
                        struct buf *body)
{
    (void)arg;
    (void)field;
    (void)request_id;
    (void)headers;
    const struct err_info *info = err_info(e);
    sandbox_answer_error(body, dialect_of(path), info->status,
                         message.n > 0 ? message : str_c(info->meaning), NULL, info->code);
}

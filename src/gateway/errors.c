/* What a customer sees when the upstream says no: the contract's codes, and words only when they
 * tell nothing about who stands behind the brand. */
#include "gateway/steps.h"

#define SAFE_MESSAGE_MAX 400

enum err upstream_status_err(int status)
{
    switch (status) {
    case 400:
    case 404:
    case 409:
    case 415:
    case 422: return ERR_INVALID_REQUEST;
    case 413: return ERR_BODY_TOO_LARGE;
    case 429:
    case 503: return ERR_UPSTREAM_UNAVAILABLE;
    case 504:
    case 408: return ERR_UPSTREAM_TIMEOUT;
    default: return ERR_UPSTREAM_ERROR;
    }
}

static bool has_nocase(struct str text, struct str word)
{
    for (size_t i = 0; word.n != 0 && i + word.n <= text.n; i++)
        if (str_starts_nocase(str_from(text, i), word))
            return true;
    return false;
}

/* Words that name a provider, or look like an address or a key. */
static bool is_safe(const struct call *c, struct str m)
{
    static const struct str words[] = {
        {"http:", 5},   {"https:", 6},  {"www.", 4},          {"sk-", 3},      {"bearer", 6},
        {"api key", 7}, {"api_key", 7}, {"openrouter", 10},   {"openai", 6},   {"anthropic", 9},
        {"azure", 5},   {"bedrock", 7}, {"vertex", 6},        {"account", 7},  {"billing", 7},
        {"quota", 5},   {"credit", 6},  {"organization", 12}, {"upstream", 8},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (has_nocase(m, words[i]))
            return false;
    for (size_t i = 0; i < c->plan.candidates_n; i++) {
        const struct catalog_provider *p = c->plan.candidates[i].provider;
        const struct provider_wire *w = p->attached;
        if (has_nocase(m, p->name) || has_nocase(m, str_c(w->target.host)))
            return false;
        if (c->plan.candidates[i].rename && has_nocase(m, c->plan.candidates[i].upstream_model))
            return false;
    }
    for (size_t i = 0; i < m.n; i++)
        if ((unsigned char)m.p[i] < 0x20)
            return false;
    return m.n > 0 && m.n <= SAFE_MESSAGE_MAX && str_is_utf8(m);
}

struct str upstream_safe_message(const struct call *c, struct str body, struct arena *a)
{
    static const char *const path[] = {"error", "message", NULL};
    size_t offset;
    struct str text;
    if (json_check(body, &offset) != OK)
        return STR("");
    body = json_trim(body);
    if (json_string(a, json_path(body, path), &text) != OK || !is_safe(c, text))
        return STR("");
    return text;
}

void gateway_error_body(enum err e, struct str message, struct str param, struct buf *body)
{
    const struct err_info *i = err_info(e);
    buf_add(body, STR("{\"error\":{"));
    buf_json_member(body, "message", message.n != 0 ? message : str_c(i->meaning));
    buf_json_member(body, "type", str_c(i->type));
    buf_json_key(body, "param");
    if (param.n != 0)
        buf_json_str(body, param);
    else
        buf_add(body, STR("null"));
    buf_json_member(body, "code", str_c(i->code));
    buf_add(body, STR("}}"));
}

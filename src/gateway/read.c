/* The read step: one pass over the body for form, one walk for what the call depends on. */
#include "gateway/steps.h"

#define CAP_MAX 100000000
#define CHOICES_MAX 128

/* Members that change the model or the price behind our back, and are therefore refused. */
static const struct str refused[] = {
    {"models", 6}, {"route", 5}, {"provider", 8},    {"plugins", 7},
    {"preset", 6}, {"audio", 5}, {"modalities", 10}, {"web_search_options", 18},
};

enum member {
    M_MODEL,
    M_STREAM,
    M_STREAM_OPTIONS,
    M_MAX_TOKENS,
    M_MAX_COMPLETION_TOKENS,
    M_N,
    M_BEST_OF,
    M_INPUT,
    M_TOOLS,
    M_SERVICE_TIER,
    M__COUNT
};
static const struct str member_name[M__COUNT] = {{"model", 5},
                                                 {"stream", 6},
                                                 {"stream_options", 14},
                                                 {"max_tokens", 10},
                                                 {"max_completion_tokens", 21},
                                                 {"n", 1},
                                                 {"best_of", 7},
                                                 [M_TOOLS] = {"tools", 5},
                                                 [M_SERVICE_TIER] = {"service_tier", 12}};

struct reading {
    struct call *c;
    struct arena *a;
    unsigned seen;
    struct str message, param;
    int64_t best_of;
    struct json_index *index; /* of the body */
};

static enum err wrong(struct reading *r, enum err e, const char *param, const char *what)
{
    r->param = str_c(param);
    r->message = arena_printf(r->a, "'%s' %s", param, what);
    return e;
}

static enum err read_model(struct reading *r, const struct json_walk *w)
{
    struct call_request *rq = &r->c->rq;
    if (json_string(r->a, w->value, &rq->model) != OK)
        return wrong(r, ERR_INVALID_REQUEST, "model", "must be a string.");
    if (rq->model.n == 0 || rq->model.n > MODEL_BYTES_MAX)
        return wrong(r, ERR_INVALID_REQUEST, "model", "must have 1 to 200 bytes.");
    for (size_t i = 0; i < rq->model.n; i++)
        if ((unsigned char)rq->model.p[i] <= 0x20 || rq->model.p[i] == 0x7F)
            return wrong(r, ERR_INVALID_REQUEST, "model", "has blanks or control characters.");
    if (str_ends(rq->model, STR(":online")))
        return wrong(r, ERR_UNSUPPORTED_PARAMETER, "model", "with ':online' is not sold here.");
    memcpy(r->c->model, rq->model.p, rq->model.n);
    rq->model = str_of(r->c->model, rq->model.n);
    rq->model_at = (size_t)(w->value.p - rq->body.p);
    rq->model_n = w->value.n;
    return OK;
}

static enum err read_bool(struct reading *r, const char *name, struct str value, bool *ret)
{
    enum json_type t = json_type_of(value);
    if (t != JSON_TRUE && t != JSON_FALSE && t != JSON_NULL)
        return wrong(r, ERR_INVALID_REQUEST, name, "must be true or false.");
    *ret = t == JSON_TRUE;
    return OK;
}

static enum err read_options(struct reading *r, const struct json_walk *w)
{
    struct call_request *rq = &r->c->rq;
    enum json_type t = json_type_of(w->value);
    if (t != JSON_OBJECT && t != JSON_NULL)
        return wrong(r, ERR_INVALID_REQUEST, "stream_options", "must be an object.");
    rq->options_at = (size_t)(w->value.p - rq->body.p);
    rq->options_n = w->value.n;
    struct json_walk in = json_walk_of(w->value);
    while (json_next(&in)) {
        if (!json_is(&in, STR("include_usage")))
            continue;
        if (rq->include_n != 0)
            return wrong(r, ERR_INVALID_REQUEST, "stream_options.include_usage", "comes twice.");
        enum err e = read_bool(r, "stream_options.include_usage", in.value, &rq->include_usage);
        if (e != OK)
            return e;
        rq->include_at = (size_t)(in.value.p - rq->body.p);
        rq->include_n = in.value.n;
    }
    return OK;
}

static enum err read_count(struct reading *r, enum member m, struct str value, int64_t max,
                           int64_t *ret)
{
    if (json_type_of(value) == JSON_NULL)
        return OK;
    if (json_int(value, 1, max, ret) == OK)
        return OK;
    r->param = member_name[m];
    r->message = arena_printf(r->a, "'%s' must be a whole number from 1 to %lld.", r->param.p,
                              (long long)max);
    return ERR_INVALID_REQUEST;
}

static enum err read_cap(struct reading *r, enum member m, struct str value)
{
    struct call_request *rq = &r->c->rq;
    int64_t cap = 0;
    enum err e = read_count(r, m, value, CAP_MAX, &cap);
    if (e != OK || cap == 0)
        return e;
    /* Both caps at once: the larger one, since a provider may follow either. */
    if (!rq->has_cap || cap > rq->cap)
        rq->cap = cap;
    rq->has_cap = true;
    return OK;
}

/* Parts that are not text count by a bound of their own. */
static int64_t part_tokens(const struct gateway_options *o, struct str part)
{
    if (json_type_of(part) != JSON_OBJECT)
        return 0;
    struct str type = json_get(part, STR("type"));
    if (str_eq(type, STR("\"image_url\"")) || str_eq(type, STR("\"input_image\"")))
        return o->image_tokens;
    if (str_eq(type, STR("\"file\"")) || str_eq(type, STR("\"input_file\"")) ||
        str_eq(type, STR("\"input_audio\"")) || str_eq(type, STR("\"video_url\""))) {
        int64_t by_size = (int64_t)part.n / o->prompt_bytes_per_token + 1;
        return by_size < o->file_tokens ? by_size : o->file_tokens;
    }
    return 0;
}

/* A message's parts that are not text count by tokens instead of bytes. */
static void count_media(struct call *c, struct str message)
{
    struct str content = json_get(message, STR("content"));
    struct json_walk p = json_walk_of(content);
    if (json_type_of(content) != JSON_ARRAY)
        return;
    while (json_next(&p)) {
        int64_t n = part_tokens(&c->gl->g->o, p.value);
        if (n != 0)
            c->rq.input_bytes -= (int64_t)p.value.n;
        c->rq.input_estimate += n;
    }
}

static enum err read_input(struct reading *r, struct str value)
{
    struct call *c = r->c;
    const struct product *p = c->product;
    enum json_type t = json_type_of(value);
    if (p->id == PRODUCT_CHAT && t != JSON_ARRAY)
        return wrong(r, ERR_INVALID_REQUEST, p->input, "must be an array of messages.");
    if (t != JSON_ARRAY && t != JSON_STRING)
        return wrong(r, ERR_INVALID_REQUEST, p->input, "must be a string or an array.");
    struct json_walk w = json_walk_of(value);
    bool empty = t == JSON_ARRAY && !json_next(&w);
    if (empty)
        return wrong(r, ERR_INVALID_REQUEST, p->input, "must not be empty.");
    for (bool more = p->id == PRODUCT_CHAT; more; more = json_next(&w)) {
        if (json_type_of(w.value) != JSON_OBJECT)
            return wrong(r, ERR_INVALID_REQUEST, p->input, "must hold objects with a role.");
        count_media(c, w.value);
    }
    c->rq.input_bytes += (int64_t)value.n;
    return OK;
}

/* Functions run at the client; tools that run at the provider are billed on their own. */
static enum err read_tools(struct reading *r, struct str value)
{
    enum json_type t = json_type_of(value);
    if (t == JSON_NULL)
        return OK;
    if (t != JSON_ARRAY)
        return wrong(r, ERR_INVALID_REQUEST, "tools", "must be an array.");
    struct json_walk w = json_walk_of(value);
    while (json_next(&w)) {
        struct str type = json_get(w.value, STR("type"));
        if (json_type_of(w.value) != JSON_OBJECT ||
            (!str_eq(type, STR("\"function\"")) && !str_eq(type, STR("\"custom\""))))
            return wrong(r, ERR_UNSUPPORTED_PARAMETER, "tools",
                         "may hold only tools of type 'function' or 'custom'.");
    }
    r->c->rq.input_bytes += (int64_t)value.n;
    return OK;
}

static enum err read_tier(struct reading *r, struct str value)
{
    if (json_type_of(value) == JSON_NULL || str_eq(value, STR("\"auto\"")) ||
        str_eq(value, STR("\"default\"")))
        return OK;
    return wrong(r, ERR_UNSUPPORTED_PARAMETER, "service_tier", "can only be 'auto' or 'default'.");
}

static enum err read_member(struct reading *r, enum member m, const struct json_walk *w)
{
    struct call_request *rq = &r->c->rq;
    switch (m) {
    case M_MODEL: return read_model(r, w);
    case M_STREAM: return read_bool(r, "stream", w->value, &rq->stream);
    case M_STREAM_OPTIONS: return read_options(r, w);
    case M_MAX_TOKENS:
    case M_MAX_COMPLETION_TOKENS: return read_cap(r, m, w->value);
    case M_N: return read_count(r, m, w->value, CHOICES_MAX, &rq->n);
    case M_BEST_OF: return read_count(r, m, w->value, CHOICES_MAX, &r->best_of);
    case M_INPUT: return read_input(r, w->value);
    case M_TOOLS: return read_tools(r, w->value);
    case M_SERVICE_TIER: return read_tier(r, w->value);
    case M__COUNT: break;
    }
    return OK;
}

static enum member member_of(const struct call *c, const struct json_walk *w)
{
    for (int m = 0; m < M__COUNT; m++)
        if (json_is(w, m == M_INPUT ? str_c(c->product->input) : member_name[m]))
            return (enum member)m;
    return M__COUNT;
}

static bool is_refused(const struct json_walk *w, struct str *ret_name)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (json_is(w, refused[i])) {
            *ret_name = refused[i];
            return true;
        }
    return false;
}

static enum err walk_members(struct reading *r)
{
    struct json_walk w = json_walk_indexed(r->c->rq.body, r->index);
    while (json_next(&w)) {
        enum member m = member_of(r->c, &w);
        struct str name;
        if (m == M__COUNT) {
            if (is_refused(&w, &name) && json_type_of(w.value) != JSON_NULL)
                return wrong(r, ERR_UNSUPPORTED_PARAMETER, name.p, "is not supported here.");
            continue;
        }
        if ((r->seen & 1u << m) != 0)
            return wrong(r, ERR_INVALID_REQUEST,
                         m == M_INPUT ? r->c->product->input : member_name[m].p, "comes twice.");
        r->seen |= 1u << m;
        enum err e = read_member(r, m, &w);
        if (e != OK)
            return e;
    }
    return OK;
}

/* The object without blanks around it; its form is checked. */
static enum err open_body(struct reading *r, struct str body)
{
    struct call_request *rq = &r->c->rq;
    size_t offset = 0;
    if (body.n == 0) {
        r->message = STR("The request has no body; send a JSON object.");
        return ERR_INVALID_REQUEST;
    }
    enum err e = json_check_index(body, r->index, &offset);
    if (e != OK) {
        r->message = arena_printf(r->a, "The body is not valid JSON: see byte %zu.", offset);
        return e;
    }
    size_t at = 0;
    while (body.p[at] == ' ' || body.p[at] == '\n' || body.p[at] == '\r' || body.p[at] == '\t')
        at++;
    rq->body = str_from(body, at);
    rq->open_at = 1;
    if (json_type_of(rq->body) != JSON_OBJECT) {
        r->message = STR("The body must be a JSON object.");
        return ERR_INVALID_REQUEST;
    }
    return OK;
}

static enum err check_whole(struct reading *r)
{
    struct call *c = r->c;
    struct call_request *rq = &c->rq;
    if ((r->seen & 1u << M_MODEL) == 0)
        return wrong(r, ERR_INVALID_REQUEST, "model", "is missing.");
    if ((r->seen & 1u << M_INPUT) == 0)
        return wrong(r, ERR_INVALID_REQUEST, c->product->input, "is missing.");
    if (rq->stream && !c->product->streams)
        return wrong(r, ERR_INVALID_REQUEST, "stream", "is not possible here.");
    if (rq->options_n != 0 && !rq->stream &&
        json_type_of(str_of(rq->body.p + rq->options_at, rq->options_n)) == JSON_OBJECT)
        return wrong(r, ERR_INVALID_REQUEST, "stream_options", "needs 'stream': true.");
    if (rq->n < r->best_of)
        rq->n = r->best_of;
    if (!identity_key_allows_model(c->key, rq->model)) {
        r->param = STR("model");
        return ERR_MODEL_NOT_ALLOWED;
    }
    rq->input_estimate += rq->input_bytes / c->gl->g->o.prompt_bytes_per_token + 1;
    return OK;
}

enum err call_read(struct call *c, struct str body, struct arena *a, struct str *ret_message,
                   struct str *ret_param)
{
    struct json_index index;
    struct reading r = {.c = c, .a = a, .index = &index, .message = STR(""), .param = STR("")};
    c->rq = (struct call_request){.n = 1};
    enum err e = open_body(&r, body);
    if (e == OK)
        e = walk_members(&r);
    if (e == OK)
        e = check_whole(&r);
    *ret_message = r.message;
    *ret_param = r.param;
    return e;
}

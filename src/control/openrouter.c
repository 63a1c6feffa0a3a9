/* The keys API by libcurl. */
#include "control/openrouter.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "outbound/outbound.h"

#include <stdio.h>

#define TIMEOUT_MS 20000
#define ANSWER_MAX (4u * 1024 * 1024)
#define PAGES_MAX 1000
#define PAGE 100 /* what the API gives at most */

struct exchange {
    struct outbound_answer answer;
    enum jobs_outcome outcome;
    bool sent; /* an answer came */
};

static int64_t retry_after(const struct outbound_answer *a)
{
    uint64_t s;
    return str_to_u64(outbound_header(a, STR("retry-after")), 86400, &s) ? (int64_t)s * US_PER_S
                                                                         : 0;
}

/* What an answer means for somebody who wrote: 429 and refusals did nothing, 5xx may have. */
static enum jobs_outcome outcome_of(const struct outbound_answer *a, struct jobs_call *call)
{
    int status = a->status;
    if (status >= 200 && status < 300)
        return JOBS_DONE;
    snprintf(call->why, sizeof(call->why), "the provider's keys API answered %d", status);
    call->retry_us = retry_after(a);
    if (status == 404)
        return JOBS_ABSENT;
    if (status == 429)
        return JOBS_RETRY;
    return status >= 500 ? JOBS_UNKNOWN : JOBS_FAILED;
}

static bool base_url(const struct openrouter *o, char *url, size_t cap, const char *path)
{
    const struct catalog_snapshot *s = catalog_ref(o->catalog);
    const struct catalog_provider *p = catalog_provider_get(s, str_c(o->provider));
    int n = p != NULL ? snprintf(url, cap, "%.*s%s", STR_ARG(p->base_url), path) : -1;
    catalog_unref(&s);
    return n > 0 && (size_t)n < cap;
}

bool openrouter_is_there(const struct openrouter *o)
{
    char url[1024];
    return openrouter_is_configured(o) && base_url(o, url, sizeof(url), "");
}

/* Always ended by outbound_answer_fini(&x->answer). */
static void ask(const struct openrouter *o, struct jobs_call *call, const char *method,
                const char *path, struct str body, struct exchange *x)
{
    char url[1024], bearer[600], why[OUTBOUND_WHY_MAX] = "";
    const char *headers[] = {bearer, "Content-Type: application/json", "Accept: application/json",
                             NULL};
    size_t offset;
    memset(x, 0, sizeof(*x));
    x->outcome = JOBS_FAILED;
    if (!openrouter_is_configured(o)) {
        snprintf(call->why, sizeof(call->why), "no provisioning key is configured");
        return;
    }
    if (!base_url(o, url, sizeof(url), path)) {
        snprintf(call->why, sizeof(call->why), "there is no provider named %.60s", o->provider);
        x->outcome = JOBS_RETRY; /* not yet, perhaps */
        return;
    }
    snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", o->management_key);
    struct outbound_request r = {.method = method,
                                 .url = url,
                                 .headers = headers,
                                 .body = body,
                                 .timeout_ms = TIMEOUT_MS,
                                 .body_bytes_max = ANSWER_MAX,
                                 .ca_file = o->ca_file};
    enum err e = outbound_call(&r, &x->answer, why);
    mem_wipe(bearer, sizeof(bearer));
    if (e != OK) {
        /* Without a connection nothing was done; else nobody knows. */
        x->outcome = e == ERR_UPSTREAM_UNAVAILABLE ? JOBS_RETRY : JOBS_UNKNOWN;
        snprintf(call->why, sizeof(call->why), "the provider's keys API: %.200s", why);
        return;
    }
    x->sent = true;
    x->outcome = outcome_of(&x->answer, call);
    if (x->outcome == JOBS_DONE && json_check(buf_str(&x->answer.body), &offset) != OK) {
        snprintf(call->why, sizeof(call->why), "the provider's keys API answered no JSON");
        x->outcome = JOBS_UNKNOWN;
    }
}

static void end(struct exchange *x)
{
    if (x->answer.body.p != NULL)
        mem_wipe(x->answer.body.p, x->answer.body.n);
    outbound_answer_fini(&x->answer);
}

/* For calls that change nothing: what is not known is asked again. */
static enum jobs_outcome read_only(enum jobs_outcome outcome)
{
    return outcome == JOBS_UNKNOWN ? JOBS_RETRY : outcome;
}

/* ---- a key as JSON ---- */

static struct nano money_of(struct str o, const char *name)
{
    struct nano n;
    struct str v = json_get(o, str_c(name));
    return json_type_of(v) == JSON_NUMBER && nano_parse(v, true, &n) == OK ? n : NANO(-1);
}

static struct nano zero_if_none(struct nano n)
{
    return NANO(n.v < 0 ? 0 : n.v);
}

static const char *usage_member(const char *reset)
{
    if (strcmp(reset, "daily") == 0)
        return "usage_daily";
    if (strcmp(reset, "weekly") == 0)
        return "usage_weekly";
    return strcmp(reset, "monthly") == 0 ? "usage_monthly" : "usage";
}

static bool key_read(const char *reset, struct arena *a, struct str json, struct openrouter_key *k)
{
    *k = (struct openrouter_key){.name = STR("")};
    if (json_string(a, json_get(json, STR("hash")), &k->hash) != OK || k->hash.n == 0)
        return false;
    if (json_string(a, json_get(json, STR("name")), &k->name) != OK)
        k->name = STR("");
    k->limit = money_of(json, "limit");
    k->remaining = money_of(json, "limit_remaining");
    k->usage = zero_if_none(money_of(json, usage_member(reset)));
    k->usage_monthly = zero_if_none(money_of(json, "usage_monthly"));
    k->byok_usage_monthly = zero_if_none(money_of(json, "byok_usage_monthly"));
    k->disabled = json_is_true(json_get(json, STR("disabled")));
    return true;
}

/* A hash stands in paths: letters and digits. */
static bool hash_is_plain(struct str hash)
{
    for (size_t i = 0; i < hash.n; i++) {
        char c = hash.p[i];
        if (!(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z') && c != '-' &&
            c != '_')
            return false;
    }
    return hash.n != 0 && hash.n <= 128;
}

/* ---- calls ---- */

static void limit_members(struct openrouter_limit limit, struct buf *b)
{
    buf_json_nano_number(b, "limit", limit.amount);
    buf_json_key(b, "limit_reset");
    if (limit.reset[0] != '\0')
        buf_json_str(b, str_c(limit.reset));
    else
        buf_add(b, STR("null"));
    buf_json_bool(b, "include_byok_in_limit", true);
}

enum jobs_outcome openrouter_key_make(const struct openrouter *o, struct jobs_call *call,
                                      struct str name, struct openrouter_limit limit,
                                      struct str *ret_hash, struct str *ret_secret)
{
    struct exchange x;
    struct buf body;
    struct arena *a = &call->arena;
    buf_init(&body, 4096);
    buf_byte(&body, '{');
    buf_json_member(&body, "name", name);
    limit_members(limit, &body);
    buf_byte(&body, '}');
    ask(o, call, "POST", "/keys", buf_str(&body), &x);
    buf_fini(&body);
    if (x.outcome == JOBS_ABSENT)
        x.outcome = JOBS_FAILED; /* a provider without this API */
    struct str json = buf_str(&x.answer.body), secret = STR("");
    if (x.outcome == JOBS_DONE &&
        (json_string(a, json_get(json_get(json, STR("data")), STR("hash")), ret_hash) != OK ||
         json_string(a, json_get(json, STR("key")), &secret) != OK || secret.n == 0 ||
         !hash_is_plain(*ret_hash))) {
        snprintf(call->why, sizeof(call->why), "the provider's answer has no key in it");
        x.outcome = JOBS_UNKNOWN;
    }
    if (x.outcome == JOBS_DONE) /* (a slice of the answer, which goes) */
        *ret_secret = arena_dup(a, secret);
    if (x.outcome == JOBS_DONE)
        *ret_hash = arena_dup(a, *ret_hash);
    end(&x);
    return x.outcome;
}

enum jobs_outcome openrouter_key_read(const struct openrouter *o, struct jobs_call *call,
                                      struct str hash, const char *reset,
                                      struct openrouter_key *ret)
{
    struct exchange x;
    if (!hash_is_plain(hash))
        return JOBS_ABSENT;
    struct str path = arena_printf(&call->arena, "/keys/%.*s", STR_ARG(hash));
    ask(o, call, "GET", path.p, STR(""), &x);
    struct str json = arena_dup(&call->arena, buf_str(&x.answer.body));
    end(&x);
    if (x.outcome == JOBS_DONE && !key_read(reset, &call->arena, json_get(json, STR("data")), ret))
        return JOBS_RETRY;
    return read_only(x.outcome);
}

enum jobs_outcome openrouter_key_limit(const struct openrouter *o, struct jobs_call *call,
                                       struct str hash, struct openrouter_limit limit)
{
    struct exchange x;
    struct buf body;
    struct str path = arena_printf(&call->arena, "/keys/%.*s", STR_ARG(hash));
    buf_init(&body, 1024);
    buf_byte(&body, '{');
    limit_members(limit, &body);
    buf_byte(&body, '}');
    ask(o, call, "PATCH", path.p, buf_str(&body), &x);
    buf_fini(&body);
    end(&x);
    return read_only(x.outcome); /* the same again does no harm */
}

enum jobs_outcome openrouter_key_end(const struct openrouter *o, struct jobs_call *call,
                                     struct str hash)
{
    struct exchange x;
    if (!hash_is_plain(hash))
        return JOBS_DONE;
    struct str path = arena_printf(&call->arena, "/keys/%.*s", STR_ARG(hash));
    ask(o, call, "DELETE", path.p, STR(""), &x);
    end(&x);
    return x.outcome == JOBS_ABSENT ? JOBS_DONE : read_only(x.outcome);
}

/* One page; `first` is its first key's hash, by which a provider that does not page is noticed. */
static enum jobs_outcome walk_page(const struct openrouter *o, struct jobs_call *call, size_t from,
                                   bool (*fn)(void *arg, const struct openrouter_key *key),
                                   void *arg, char first[130], size_t *ret_n, bool *ret_stop)
{
    struct exchange x;
    struct arena a;
    char path[64];
    snprintf(path, sizeof(path), "/keys?offset=%zu", from);
    ask(o, call, "GET", path, STR(""), &x);
    size_t n = 0;
    struct json_walk w = json_walk_of(json_get(buf_str(&x.answer.body), STR("data")));
    arena_init(&a, 4096, 1u << 20);
    while (x.outcome == JOBS_DONE && !*ret_stop && json_next(&w)) {
        struct openrouter_key k;
        arena_reset(&a);
        if (!key_read(o->limit_reset, &a, w.value, &k) || !hash_is_plain(k.hash))
            continue;
        bool again = n == 0 && str_eq(k.hash, str_c(first));
        if (n++ == 0) {
            memcpy(first, k.hash.p, k.hash.n);
            first[k.hash.n] = '\0';
        }
        *ret_stop = again || !fn(arg, &k);
    }
    arena_fini(&a);
    end(&x);
    *ret_n = n;
    return read_only(x.outcome);
}

enum jobs_outcome openrouter_keys_walk(const struct openrouter *o, struct jobs_call *call,
                                       bool (*fn)(void *arg, const struct openrouter_key *key),
                                       void *arg)
{
    char first[130] = "";
    size_t from = 0;
    bool stop = false;
    for (int i = 0; i < PAGES_MAX && !stop; i++) {
        size_t n = 0;
        enum jobs_outcome outcome = walk_page(o, call, from, fn, arg, first, &n, &stop);
        if (outcome != JOBS_DONE)
            return outcome == JOBS_ABSENT ? JOBS_FAILED : outcome;
        if (n < PAGE)
            return JOBS_DONE;
        from += n;
    }
    return JOBS_DONE;
}

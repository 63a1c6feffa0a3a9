/* Requests to Stripe, and what its answers mean. */
#include "payments/stripe.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>

#define TIMEOUT_MS 20000
#define ANSWER_MAX (8u * 1024 * 1024)
#define URL_MAX 2048
#define KEY_MAX 255
#define PAGES_MAX 10000

/* ---- forms ---- */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

void stripe_escape(struct buf *b, struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        if (is_plain(value.p[i]))
            buf_byte(b, value.p[i]);
        else
            buf_printf(b, "%%%02X", (unsigned)(uint8_t)value.p[i]);
}

void stripe_form_text(struct buf *form, const char *key, struct str value)
{
    if (form->n != 0)
        buf_byte(form, '&');
    /* Brackets are structure, and Stripe reads them plain. */
    buf_add(form, str_c(key));
    buf_byte(form, '=');
    stripe_escape(form, value);
}

void stripe_form_i64(struct buf *form, const char *key, int64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)value);
    stripe_form_text(form, key, str_of(text, (size_t)n));
}

void stripe_form_bool(struct buf *form, const char *key, bool value)
{
    stripe_form_text(form, key, value ? STR("true") : STR("false"));
}

/* ---- calls ---- */

void stripe_answer_fini(struct stripe_answer *a)
{
    outbound_answer_fini(&a->http);
}

bool stripe_may_retry(enum err e)
{
    return e == ERR_UPSTREAM_UNAVAILABLE || e == ERR_UPSTREAM_TIMEOUT;
}

bool stripe_customer_is_gone(const struct stripe_answer *a)
{
    return strcmp(a->code, "resource_missing") == 0 && strcmp(a->param, "customer") == 0;
}

static void text_put(char *to, size_t cap, struct str s)
{
    s = str_upto(s, cap - 1);
    if (s.n != 0)
        memcpy(to, s.p, s.n);
    to[s.n] = '\0';
}

static void fault_read(struct stripe_answer *a, struct arena *arena)
{
    struct str error = json_get(a->json, STR("error"));
    struct str code = stripe_text(arena, error, "code");
    text_put(a->code, sizeof(a->code), code.n != 0 ? code : stripe_text(arena, error, "type"));
    text_put(a->param, sizeof(a->param), stripe_text(arena, error, "param"));
    text_put(a->message, sizeof(a->message), stripe_text(arena, error, "message"));
    if (a->message[0] == '\0')
        snprintf(a->message, sizeof(a->message), "Stripe answered %d", a->http.status);
}

static enum err meaning_of(const struct stripe_answer *a)
{
    int status = a->http.status;
    struct str should = outbound_header(&a->http, STR("stripe-should-retry"));
    if (status >= 200 && status < 300)
        return OK;
    if (str_eq(should, STR("true")))
        return ERR_UPSTREAM_UNAVAILABLE;
    if (str_eq(should, STR("false")) && status != 404 && status != 401 && status != 403)
        return ERR_INVALID_REQUEST;
    if (status == 409 || status == 429 || status >= 500)
        return ERR_UPSTREAM_UNAVAILABLE;
    if (status == 401 || status == 403)
        return ERR_FORBIDDEN;
    return status == 404 ? ERR_NOT_FOUND : ERR_INVALID_REQUEST;
}

static enum err answer_read(struct stripe_answer *a)
{
    size_t offset;
    uint64_t s;
    struct arena arena;
    struct str body = json_trim(buf_str(&a->http.body));
    if (str_to_u64(outbound_header(&a->http, STR("retry-after")), 86400, &s))
        a->retry_after_us = (int64_t)s * US_PER_S;
    enum err e = meaning_of(a);
    bool sound = json_check(body, &offset) == OK && json_type_of(body) == JSON_OBJECT;
    if (sound)
        a->json = body;
    if (e == OK && !sound) {
        snprintf(a->message, sizeof(a->message), "Stripe answered no JSON");
        return ERR_UPSTREAM_ERROR;
    }
    if (e == OK)
        return OK;
    arena_init(&arena, 1024, 16384);
    fault_read(a, &arena);
    arena_fini(&arena);
    return e;
}

static enum err call(const struct stripe *s, const char *method, const char *path, struct str form,
                     struct str idempotency, struct stripe_answer *a)
{
    char url[URL_MAX], bearer[600], key[KEY_MAX + 32];
    static const char version[] = "Stripe-Version: " STRIPE_VERSION;
    const char *headers[] = {bearer, version, "Content-Type: application/x-www-form-urlencoded",
                             idempotency.n != 0 ? key : NULL, NULL};
    memset(a, 0, sizeof(*a));
    if (!stripe_is_on(s)) {
        snprintf(a->message, sizeof(a->message), "no secret key of Stripe is configured");
        return ERR_NOT_IMPLEMENTED;
    }
    must(idempotency.n <= KEY_MAX);
    int n = snprintf(url, sizeof(url), "%s%s", s->api_url, path);
    must(n > 0 && (size_t)n < sizeof(url));
    snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", s->secret_key);
    snprintf(key, sizeof(key), "Idempotency-Key: %.*s", STR_ARG(idempotency));
    struct outbound_request r = {.method = method,
                                 .url = url,
                                 .headers = headers,
                                 .body = form,
                                 .timeout_ms = TIMEOUT_MS,
                                 .body_bytes_max = ANSWER_MAX,
                                 .ca_file = s->ca_file};
    enum err e = outbound_call(&r, &a->http, a->message);
    mem_wipe(bearer, sizeof(bearer));
    return e == OK ? answer_read(a) : e;
}
_Static_assert(sizeof(((struct stripe_answer *)0)->message) >= OUTBOUND_WHY_MAX, "words fit");

enum err stripe_post(const struct stripe *s, const char *path, struct str form,
                     struct str idempotency, struct stripe_answer *ret_answer)
{
    must(idempotency.n != 0);
    return call(s, "POST", path, form, idempotency, ret_answer);
}

enum err stripe_get(const struct stripe *s, const char *path, struct stripe_answer *ret_answer)
{
    return call(s, "GET", path, STR(""), STR(""), ret_answer);
}

enum err stripe_delete(const struct stripe *s, const char *path, struct str idempotency,
                       struct stripe_answer *ret_answer)
{
    return call(s, "DELETE", path, STR(""), idempotency, ret_answer);
}

enum err stripe_list(const struct stripe *s, const char *path,
                     bool (*fn)(void *arg, struct str object), void *arg,
                     struct stripe_answer *ret_answer)
{
    char at[URL_MAX], last[256] = "";
    struct arena arena;
    memset(ret_answer, 0, sizeof(*ret_answer));
    arena_init(&arena, 1024, 4096);
    enum err e = OK;
    bool more = true;
    for (int page = 0; page < PAGES_MAX && more && e == OK; page++) {
        stripe_answer_fini(ret_answer);
        snprintf(at, sizeof(at), "%s%s%s", path, last[0] != '\0' ? "&starting_after=" : "", last);
        e = stripe_get(s, at, ret_answer);
        if (e != OK)
            break;
        more = json_is_true(json_get(ret_answer->json, STR("has_more")));
        struct json_walk w = json_walk_of(json_get(ret_answer->json, STR("data")));
        last[0] = '\0';
        while (json_next(&w)) {
            arena_reset(&arena);
            text_put(last, sizeof(last), stripe_text(&arena, w.value, "id"));
            if (!fn(arg, w.value)) {
                more = false;
                break;
            }
        }
        more = more && last[0] != '\0';
    }
    arena_fini(&arena);
    return e;
}

/* ---- JSON ---- */

struct str stripe_text(struct arena *a, struct str object, const char *name)
{
    struct str s;
    return json_string(a, json_get(object, str_c(name)), &s) == OK ? s : STR("");
}

struct str stripe_ref(struct arena *a, struct str object, const char *name)
{
    struct str v = json_get(object, str_c(name));
    return json_type_of(v) == JSON_OBJECT ? stripe_text(a, v, "id") : stripe_text(a, object, name);
}

int64_t stripe_i64(struct str object, const char *name, int64_t otherwise)
{
    int64_t n;
    struct str v = json_get(object, str_c(name));
    return json_int(v, INT64_MIN / 2, INT64_MAX / 2, &n) == OK ? n : otherwise;
}

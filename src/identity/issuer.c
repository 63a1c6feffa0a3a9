/* Discovery (OpenID Connect Discovery 1.0 §4) and keys. */
#include "identity/issuer.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "codec/url.h"
#include "observe/observe.h"
#include "outbound/outbound.h"

#include <stdio.h>

#define ASK_TIMEOUT_MS 10000
#define DOCUMENT_MAX (256u * 1024)
#define DOCUMENT_FRESH_US US_PER_HOUR
#define KEYS_FRESH_US (600 * US_PER_S)
#define KEYS_STALE_US US_PER_DAY
#define AGAIN_US (5 * US_PER_S)

void issuer_init(struct issuer *i, struct str url, const char *ca_file)
{
    memset(i, 0, sizeof(*i));
    must(url.n < sizeof(i->url));
    memcpy(i->url, url.p, url.n);
    i->ca_file = ca_file;
    must(pthread_mutex_init(&i->lock, NULL) == 0);
    must(pthread_cond_init(&i->fetched, NULL) == 0);
}

void issuer_fini(struct issuer *i)
{
    jwt_keys_free(&i->keys);
    pthread_cond_destroy(&i->fetched);
    pthread_mutex_destroy(&i->lock);
}

bool issuer_url_is_good(struct str text)
{
    struct url u;
    const char *why;
    if (text.n >= ISSUER_URL_MAX || url_parse(text, &u, &why) != OK || u.fragment.n != 0)
        return false;
    return u.tls || str_starts(u.host, STR("127.")) || str_eq(u.host, STR("::1")) ||
           str_eq_nocase(u.host, STR("localhost"));
}

enum err issuer_ask(const char *ca_file, const char *url, const char *const *headers,
                    struct str body, struct buf *ret_json)
{
    struct outbound_answer a;
    char why[OUTBOUND_WHY_MAX] = "";
    struct outbound_request r = {.method = body.n != 0 ? "POST" : "GET",
                                 .url = url,
                                 .headers = headers,
                                 .body = body,
                                 .timeout_ms = ASK_TIMEOUT_MS,
                                 .body_bytes_max = DOCUMENT_MAX,
                                 .ca_file = ca_file};
    size_t offset;
    enum err e = outbound_call(&r, &a, why);
    if (e == OK && (a.status < 200 || a.status > 299)) {
        snprintf(why, sizeof(why), "status %d", a.status);
        e = a.status >= 500 || a.status == 429 ? ERR_UPSTREAM_UNAVAILABLE : ERR_UPSTREAM_ERROR;
    }
    if (e == OK && json_check(buf_str(&a.body), &offset) != OK) {
        snprintf(why, sizeof(why), "no JSON");
        e = ERR_UPSTREAM_ERROR;
    }
    if (e == OK)
        buf_add(ret_json, json_trim(buf_str(&a.body)));
    else /* (The address is the operator's or the issuer's; no query is in it.) */
        observe_say("warn", "issuer_failed", "%s: %s", url, why);
    if (a.body.p != NULL)
        mem_wipe(a.body.p, a.body.n);
    outbound_answer_fini(&a);
    return e;
}

/* ---------------------------------------------------------------- the document */

static bool url_of(struct str document, struct str name, char ret[ISSUER_URL_MAX])
{
    struct arena a;
    struct str s = STR("");
    arena_init(&a, 1024, 8192);
    bool good = json_string(&a, json_get(document, name), &s) == OK && issuer_url_is_good(s);
    if (good) {
        memcpy(ret, s.p, s.n);
        ret[s.n] = '\0';
    }
    arena_fini(&a);
    return good;
}

static bool list_has(struct str list, struct str quoted)
{
    struct json_walk w = json_walk_of(list);
    while (json_next(&w))
        if (str_eq(w.value, quoted))
            return true;
    return false;
}

static enum err document_read(const struct issuer *i, struct str json, struct issuer_document *d)
{
    struct arena a;
    struct str issuer = STR("");
    arena_init(&a, 1024, 8192);
    bool same = json_string(&a, json_get(json, STR("issuer")), &issuer) == OK &&
                str_eq(issuer, str_c(i->url));
    arena_fini(&a);
    memset(d, 0, sizeof(*d));
    if (!same || !url_of(json, STR("jwks_uri"), d->jwks)) {
        observe_say("warn", "issuer_failed", "%s: its document is another issuer's, or no good",
                    i->url);
        return ERR_UPSTREAM_ERROR;
    }
    (void)url_of(json, STR("authorization_endpoint"), d->authorize);
    (void)url_of(json, STR("token_endpoint"), d->token);
    (void)url_of(json, STR("userinfo_endpoint"), d->userinfo);
    d->names_itself = json_is_true(
        json_get(json, STR("authorization_response_iss_parameter_supported")));
    struct str ways = json_get(json, STR("token_endpoint_auth_methods_supported"));
    d->basic_only = !list_has(ways, STR("\"client_secret_post\""));
    return OK;
}

static enum err fetch_document(const struct issuer *i, struct issuer_document *ret)
{
    struct buf json;
    char url[ISSUER_URL_MAX + 64];
    struct str base = str_c(i->url);
    while (base.n != 0 && base.p[base.n - 1] == '/')
        base.n--;
    snprintf(url, sizeof(url), "%.*s/.well-known/openid-configuration", STR_ARG(base));
    buf_init(&json, DOCUMENT_MAX);
    enum err e = issuer_ask(i->ca_file, url, NULL, STR(""), &json);
    if (e == OK)
        e = document_read(i, buf_str(&json), ret);
    buf_fini(&json);
    return e;
}

static enum err fetch_keys(const struct issuer *i, const char *url, struct jwt_keys **ret_keys)
{
    struct buf json;
    struct jwt_keys *keys = NULL;
    buf_init(&json, DOCUMENT_MAX);
    enum err e = issuer_ask(i->ca_file, url, NULL, STR(""), &json);
    if (e == OK && (jwt_keys_parse(buf_str(&json), &keys) != OK || jwt_keys_count(keys) == 0)) {
        observe_say("warn", "issuer_failed", "%s: no key of use in it", url);
        jwt_keys_free(&keys);
        e = ERR_UPSTREAM_ERROR;
    }
    buf_fini(&json);
    if (e == OK)
        *ret_keys = keys;
    return e;
}

/* With the lock, which is let go meanwhile. What cannot be had leaves what was there. */
static void refresh(struct issuer *i, int64_t now_us)
{
    struct issuer_document d = i->document;
    struct jwt_keys *keys = NULL;
    bool old = i->found_us == 0 || now_us - i->found_us > DOCUMENT_FRESH_US;
    i->fetching = true;
    i->tried_us = now_us;
    pthread_mutex_unlock(&i->lock);
    bool found = old && fetch_document(i, &d) == OK;
    if (old && !found)
        snprintf(d.jwks, sizeof(d.jwks), "%s", i->document.jwks); /* we alone write it */
    enum err e = d.jwks[0] != '\0' ? fetch_keys(i, d.jwks, &keys) : ERR_UPSTREAM_ERROR;
    pthread_mutex_lock(&i->lock);
    if (found) {
        i->document = d;
        i->found_us = now_us;
    }
    if (e == OK) {
        jwt_keys_free(&i->keys);
        i->keys = keys;
        i->keys_us = now_us;
    }
    i->fetching = false;
    pthread_cond_broadcast(&i->fetched);
}

/* With the lock. */
static void freshen(struct issuer *i, int64_t now_us)
{
    bool none = i->keys == NULL || i->found_us == 0;
    bool old = none || now_us - i->keys_us > KEYS_FRESH_US;
    while (none && i->fetching)
        pthread_cond_wait(&i->fetched, &i->lock);
    bool lately = i->tried_us != 0 && now_us - i->tried_us < (none ? US_PER_S : AGAIN_US);
    if (old && !i->fetching && !lately)
        refresh(i, now_us);
}

enum err issuer_find(struct issuer *i, int64_t now_us, struct issuer_document *ret)
{
    pthread_mutex_lock(&i->lock);
    freshen(i, now_us);
    *ret = i->document;
    bool found = i->found_us != 0 && ret->authorize[0] != '\0' && ret->token[0] != '\0';
    pthread_mutex_unlock(&i->lock);
    return found ? OK : ERR_UPSTREAM_UNAVAILABLE;
}

enum err issuer_check(struct issuer *i, const struct jwt *t, int64_t now_us)
{
    enum err e = ERR_UPSTREAM_UNAVAILABLE;
    pthread_mutex_lock(&i->lock);
    freshen(i, now_us);
    if (i->keys != NULL && now_us - i->keys_us < KEYS_STALE_US)
        e = jwt_check_signature(t, i->keys);
    if (e == ERR_NOT_FOUND && !i->fetching && now_us - i->tried_us >= AGAIN_US) {
        refresh(i, now_us); /* the issuer may have another key by now */
        e = jwt_check_signature(t, i->keys);
    }
    pthread_mutex_unlock(&i->lock);
    return e == ERR_NOT_FOUND ? ERR_DENIED : e;
}

/* The code flow (OpenID Connect Core 1.0 §3.1, RFC 7636, RFC 9207), GitHub's own variant of it, and
 * bearers. */
#include "identity/oidc.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "codec/url.h"
#include "identity/issuer.h"
#include "identity/jwt.h"

#include <stdio.h>

#define ISSUERS_MAX (IDENTITY_OIDC_PROVIDERS_MAX + IDENTITY_OIDC_JWT_ISSUERS_MAX)
#define SECRET_BYTES 32
#define ANSWER_MAX (256u * 1024)
#define CODE_MAX 4096
#define EMAIL_MAX 254
#define NAME_MAX_BYTES 100

struct identity_oidc {
    struct identity_oidc_options options;
    struct issuer issuers[ISSUERS_MAX];
    size_t issuers_n;
};

bool identity_oidc_url_is_good(struct str url)
{
    return issuer_url_is_good(url);
}

static struct issuer *issuer_of(struct identity_oidc *o, struct str url)
{
    for (size_t i = 0; i < o->issuers_n; i++)
        if (str_eq(str_c(o->issuers[i].url), url))
            return &o->issuers[i];
    return NULL;
}

static void add_issuer(struct identity_oidc *o, struct str url)
{
    if (url.n == 0 || issuer_of(o, url) != NULL)
        return;
    must(o->issuers_n < ISSUERS_MAX);
    issuer_init(&o->issuers[o->issuers_n++], url, o->options.ca_file);
}

struct identity_oidc *identity_oidc_new(const struct identity_oidc_options *options)
{
    struct identity_oidc *o = mem_zalloc(sizeof(*o));
    o->options = *options;
    must(options->providers_n <= IDENTITY_OIDC_PROVIDERS_MAX);
    for (size_t i = 0; i < options->providers_n; i++)
        if (options->providers[i].kind == IDENTITY_OIDC_ISSUER)
            add_issuer(o, str_c(options->providers[i].issuer));
    struct str list = str_c(options->jwt_issuers);
    while (list.n != 0)
        add_issuer(o, str_trim(str_cut(&list, ',')));
    return o;
}

void identity_oidc_free(struct identity_oidc **oidc)
{
    if (*oidc == NULL)
        return;
    for (size_t i = 0; i < (*oidc)->issuers_n; i++)
        issuer_fini(&(*oidc)->issuers[i]);
    mem_free(*oidc);
    *oidc = NULL;
}

const struct identity_oidc_provider *identity_oidc_provider(const struct identity_oidc *o, size_t i)
{
    return i < o->options.providers_n ? &o->options.providers[i] : NULL;
}

const struct identity_oidc_provider *identity_oidc_provider_of(const struct identity_oidc *o,
                                                               struct str id)
{
    for (size_t i = 0; i < o->options.providers_n; i++)
        if (str_eq(str_c(o->options.providers[i].id), id))
            return &o->options.providers[i];
    return NULL;
}

static bool list_has(struct str list, struct str one)
{
    while (list.n != 0)
        if (str_eq(str_trim(str_cut(&list, ',')), one))
            return one.n != 0;
    return false;
}

const struct identity_oidc_provider *identity_oidc_provider_by_issuer(const struct identity_oidc *o,
                                                                      struct str issuer)
{
    for (size_t i = 0; i < o->options.providers_n; i++)
        if (str_eq(str_c(o->options.providers[i].issuer), issuer))
            return &o->options.providers[i];
    return NULL;
}

bool identity_oidc_lets_in(const struct identity_oidc *o, struct str issuer)
{
    return identity_oidc_provider_by_issuer(o, issuer) != NULL ||
           list_has(str_c(o->options.jwt_issuers), issuer);
}

/* ---------------------------------------------------------------- going */

static void make_secret(char text[IDENTITY_OIDC_SECRET_MAX])
{
    uint8_t bytes[SECRET_BYTES];
    struct buf b = {.p = text, .cap = IDENTITY_OIDC_SECRET_MAX, .max = IDENTITY_OIDC_SECRET_MAX};
    crypto_random(bytes, sizeof(bytes));
    base64url_add(&b, str_of((const char *)bytes, sizeof(bytes)));
    must(!b.over && b.n < IDENTITY_OIDC_SECRET_MAX);
    text[b.n] = '\0';
}

static void add_parameter(struct buf *b, const char *name, struct str value)
{
    if (b->n != 0 && b->p[b->n - 1] != '?')
        buf_byte(b, '&');
    buf_printf(b, "%s=", name);
    url_encode(value, b);
}

enum err identity_oidc_begin(struct identity_oidc *o, struct str provider, struct str redirect_uri,
                             int64_t now_us, struct identity_oidc_flow *f, struct buf *url)
{
    const struct identity_oidc_provider *p = identity_oidc_provider_of(o, provider);
    uint8_t hash[CRYPTO_HASH_LEN];
    struct buf challenge;
    if (p == NULL || provider.n >= sizeof(f->provider))
        return ERR_NOT_FOUND;
    memcpy(f->provider, provider.p, provider.n);
    f->provider[provider.n] = '\0';
    if (p->kind == IDENTITY_OIDC_GITHUB) {
        buf_printf(url, "%s/login/oauth/authorize?", p->issuer);
    } else {
        struct issuer_document d;
        enum err e = issuer_find(issuer_of(o, str_c(p->issuer)), now_us, &d);
        if (e != OK)
            return e;
        buf_printf(url, "%s%c", d.authorize, strchr(d.authorize, '?') != NULL ? '&' : '?');
    }
    make_secret(f->state);
    make_secret(f->nonce);
    make_secret(f->verifier);
    crypto_sha256(str_c(f->verifier), hash);
    buf_init(&challenge, 64);
    base64url_add(&challenge, str_of((const char *)hash, sizeof(hash)));
    add_parameter(url, "response_type", STR("code"));
    add_parameter(url, "client_id", str_c(p->client_id));
    add_parameter(url, "redirect_uri", redirect_uri);
    add_parameter(url, "scope", str_c(p->scope));
    add_parameter(url, "state", str_c(f->state));
    if (p->kind == IDENTITY_OIDC_ISSUER)
        add_parameter(url, "nonce", str_c(f->nonce));
    add_parameter(url, "code_challenge", buf_str(&challenge));
    add_parameter(url, "code_challenge_method", STR("S256"));
    buf_fini(&challenge);
    return buf_check(url);
}

/* ---------------------------------------------------------------- coming back */

/* A way back: who is asked, by whom, what came. */
struct back {
    struct identity_oidc *o;
    const struct identity_oidc_provider *p;
    struct issuer *issuer; /* NULL: GitHub */
    struct issuer_document document; /* the issuer's */
    const struct identity_oidc_flow *flow;
    struct str redirect_uri;
    struct arena *a;
    int64_t now_us;
    struct str code, access_token;
};

/* A copy, since what it came in is wiped; empty when it is not there, or no text. */
static struct str text_in(struct arena *a, struct str object, struct str name)
{
    struct str s;
    return json_string(a, json_get(object, name), &s) == OK ? arena_dup(a, s) : STR("");
}

static struct str parameter(struct arena *a, struct str query, struct str name)
{
    struct str value;
    struct buf b;
    buf_init(&b, CODE_MAX);
    struct str got = STR("");
    if (url_query_get(query, name, &value) && url_decode(value, true, &b) == OK)
        got = arena_dup(a, buf_str(&b));
    buf_fini(&b);
    return got;
}

static bool same(struct str a, struct str b)
{
    return a.n == b.n && crypto_eq(a.p, b.p, a.n);
}

/* State, issuer, code. What went wrong there is the issuer's to say to the person. */
static enum err read_answer(struct back *b, struct str query)
{
    struct str iss = parameter(b->a, query, STR("iss"));
    if (!same(parameter(b->a, query, STR("state")), str_c(b->flow->state)))
        return ERR_DENIED;
    bool named = b->issuer != NULL && b->document.names_itself;
    if (b->issuer != NULL && (named || iss.n != 0) && !str_eq(iss, str_c(b->issuer->url)))
        return ERR_DENIED;
    b->code = parameter(b->a, query, STR("code"));
    return b->code.n != 0 && parameter(b->a, query, STR("error")).n == 0 ? OK : ERR_DENIED;
}

/* "Authorization: Basic …" (RFC 6749 §2.3.1). */
static struct str basic(struct back *b)
{
    struct buf pair, header;
    buf_init(&pair, 4096);
    buf_init(&header, 8192);
    url_encode(str_c(b->p->client_id), &pair);
    buf_byte(&pair, ':');
    url_encode(str_c(b->p->client_secret), &pair);
    buf_add(&header, STR("Authorization: Basic "));
    base64_add(&header, buf_str(&pair));
    struct str s = arena_dup(b->a, buf_str(&header));
    buf_fini(&pair);
    buf_fini(&header);
    return s;
}

/* The code for tokens: the answer's JSON. */
static enum err exchange(struct back *b, struct buf *ret_json)
{
    char url[ISSUER_URL_MAX + 64];
    struct buf form;
    bool in_header = b->issuer != NULL && b->document.basic_only;
    const char *headers[4] = {"Content-Type: application/x-www-form-urlencoded",
                              "Accept: application/json", NULL, NULL};
    if (in_header)
        headers[2] = basic(b).p;
    buf_init(&form, 16384);
    add_parameter(&form, "grant_type", STR("authorization_code"));
    add_parameter(&form, "code", b->code);
    add_parameter(&form, "redirect_uri", b->redirect_uri);
    add_parameter(&form, "code_verifier", str_c(b->flow->verifier));
    if (!in_header) {
        add_parameter(&form, "client_id", str_c(b->p->client_id));
        add_parameter(&form, "client_secret", str_c(b->p->client_secret));
    }
    if (b->issuer != NULL)
        snprintf(url, sizeof(url), "%s", b->document.token);
    else
        snprintf(url, sizeof(url), "%s/login/oauth/access_token", b->p->issuer);
    enum err e = issuer_ask(b->o->options.ca_file, url, headers, buf_str(&form), ret_json);
    mem_wipe(form.p, form.n);
    buf_fini(&form);
    if (e != OK)
        return e == ERR_UPSTREAM_ERROR ? ERR_DENIED : e; /* a code that is no good is 400 */
    b->access_token = text_in(b->a, buf_str(ret_json), STR("access_token"));
    return b->access_token.n != 0 ? OK : ERR_DENIED; /* GitHub says so with 200 and "error" */
}

static enum err ask_as_user(struct back *b, const char *url, struct buf *ret_json)
{
    char bearer[CODE_MAX];
    const char *headers[] = {bearer, "Accept: application/json", NULL};
    int n = snprintf(bearer, sizeof(bearer), "Authorization: Bearer %.*s",
                     STR_ARG(b->access_token));
    if (n < 0 || (size_t)n >= sizeof(bearer) || strpbrk(bearer, "\r\n") != NULL)
        return ERR_UPSTREAM_ERROR;
    enum err e = issuer_ask(b->o->options.ca_file, url, headers, STR(""), ret_json);
    mem_wipe(bearer, sizeof(bearer));
    return e;
}

/* Somebody's address and name, if they are such. */
static void take_person(struct identity_oidc_who *who, struct str email, bool verified,
                        struct str name)
{
    if (email.n <= EMAIL_MAX && identity_email_fault(email) == NULL) {
        who->email = email;
        who->verified = verified;
    }
    if (name.n <= NAME_MAX_BYTES && str_is_utf8(name))
        who->name = name;
    for (size_t i = 0; i < who->name.n; i++)
        if ((unsigned char)who->name.p[i] < 0x20 || who->name.p[i] == 0x7F)
            who->name = STR("");
}

static void take_claims(struct arena *a, const struct jwt *t, struct identity_oidc_who *who)
{
    struct str email = jwt_claim(a, t, STR("email"));
    take_person(who, email, jwt_claim_is_true(t, STR("email_verified")),
                jwt_claim(a, t, STR("name")));
}

/* Where the token does not say it, the userinfo does (§5.3); its subject must be the same. */
static void ask_userinfo(struct back *b, struct identity_oidc_who *who)
{
    struct buf json;
    if (b->document.userinfo[0] == '\0')
        return;
    buf_init(&json, ANSWER_MAX);
    if (ask_as_user(b, b->document.userinfo, &json) == OK) {
        struct str o = buf_str(&json);
        struct str verified = json_get(o, STR("email_verified"));
        if (str_eq(text_in(b->a, o, STR("sub")), who->subject))
            take_person(who, text_in(b->a, o, STR("email")),
                        json_is_true(verified) || str_eq(verified, STR("\"true\"")),
                        text_in(b->a, o, STR("name")));
    }
    buf_fini(&json);
}

static enum err end_issuer(struct back *b, struct identity_oidc_who *who)
{
    struct buf json;
    struct jwt t;
    struct str token = STR("");
    buf_init(&json, ANSWER_MAX);
    enum err e = exchange(b, &json);
    if (e == OK)
        token = text_in(b->a, buf_str(&json), STR("id_token"));
    if (json.p != NULL)
        mem_wipe(json.p, json.n);
    buf_fini(&json);
    if (e == OK && jwt_read(b->a, token, &t) != OK)
        e = ERR_DENIED;
    if (e == OK)
        e = issuer_check(b->issuer, &t, b->now_us);
    if (e != OK)
        return e;
    /* azp, where there is one, is we (§3.1.3.7). */
    bool has_azp = json_get(t.claims, STR("azp")).n != 0;
    struct jwt_expect x = {.issuer = str_c(b->issuer->url),
                           .audiences = str_c(b->p->client_id),
                           .parties = has_azp ? str_c(b->p->client_id) : STR(""),
                           .nonce = str_c(b->flow->nonce),
                           .now_us = b->now_us};
    e = jwt_check_claims(b->a, &t, &x);
    if (e != OK)
        return e;
    who->issuer = arena_dup(b->a, str_c(b->issuer->url));
    who->subject = jwt_claim(b->a, &t, STR("sub"));
    take_claims(b->a, &t, who);
    if (who->email.n == 0)
        ask_userinfo(b, who);
    return OK;
}

/* The primary address, if GitHub has verified it. */
static void take_github_email(struct back *b, struct str list, struct identity_oidc_who *who)
{
    struct json_walk w = json_walk_of(list);
    while (json_next(&w))
        if (json_is_true(json_get(w.value, STR("primary"))))
            take_person(who, text_in(b->a, w.value, STR("email")),
                        json_is_true(json_get(w.value, STR("verified"))), who->name);
}

static enum err end_github(struct back *b, struct identity_oidc_who *who)
{
    struct buf json;
    char url[ISSUER_URL_MAX + 64];
    int64_t number = 0;
    buf_init(&json, ANSWER_MAX);
    enum err e = exchange(b, &json);
    if (json.p != NULL)
        mem_wipe(json.p, json.n);
    buf_reset(&json);
    snprintf(url, sizeof(url), "%s/user", b->p->api_url);
    if (e == OK)
        e = ask_as_user(b, url, &json);
    if (e == OK && json_int(json_get(buf_str(&json), STR("id")), 1, INT64_MAX, &number) != OK)
        e = ERR_UPSTREAM_ERROR;
    if (e == OK) {
        take_person(who, STR(""), false, text_in(b->a, buf_str(&json), STR("name")));
        buf_reset(&json);
        snprintf(url, sizeof(url), "%s/user/emails", b->p->api_url);
        e = ask_as_user(b, url, &json);
    }
    if (e == OK) {
        who->issuer = arena_dup(b->a, str_c(b->p->issuer));
        who->subject = arena_printf(b->a, "%lld", (long long)number);
        take_github_email(b, buf_str(&json), who);
    }
    buf_fini(&json);
    return e;
}

enum err identity_oidc_end(struct identity_oidc *o, const struct identity_oidc_flow *flow,
                           struct str query, struct str redirect_uri, int64_t now_us,
                           struct arena *a, struct identity_oidc_who *ret)
{
    struct back b = {.o = o,
                     .p = identity_oidc_provider_of(o, str_c(flow->provider)),
                     .flow = flow,
                     .redirect_uri = redirect_uri,
                     .a = a,
                     .now_us = now_us};
    struct identity_oidc_who who = {.email = STR(""), .name = STR("")};
    if (b.p == NULL)
        return ERR_NOT_FOUND;
    if (b.p->kind == IDENTITY_OIDC_ISSUER)
        b.issuer = issuer_of(o, str_c(b.p->issuer));
    enum err e = b.issuer != NULL ? issuer_find(b.issuer, now_us, &b.document) : OK;
    if (e == OK)
        e = read_answer(&b, query);
    if (e == OK)
        e = b.issuer != NULL ? end_issuer(&b, &who) : end_github(&b, &who);
    if (e == OK && a->over)
        e = ERR_UPSTREAM_ERROR;
    if (e == OK)
        *ret = who;
    return e;
}

/* ---------------------------------------------------------------- bearers */

enum err identity_oidc_bearer(struct identity_oidc *o, struct str token, int64_t now_us,
                              struct arena *a, struct identity_oidc_who *ret)
{
    struct jwt t;
    struct identity_oidc_who who = {.email = STR(""), .name = STR("")};
    if (jwt_read(a, token, &t) != OK)
        return ERR_DENIED;
    who.issuer = jwt_claim(a, &t, STR("iss"));
    if (!list_has(str_c(o->options.jwt_issuers), who.issuer))
        return ERR_DENIED;
    struct jwt_expect x = {.issuer = who.issuer,
                           .audiences = str_c(o->options.jwt_audiences),
                           .parties = str_c(o->options.jwt_parties),
                           .nonce = STR(""),
                           .now_us = now_us};
    if (x.audiences.n == 0 && x.parties.n == 0)
        return ERR_DENIED; /* for whom it was made must be known somehow */
    enum err e = issuer_check(issuer_of(o, who.issuer), &t, now_us);
    if (e == OK)
        e = jwt_check_claims(a, &t, &x);
    if (e != OK)
        return e;
    who.subject = jwt_claim(a, &t, STR("sub"));
    take_claims(a, &t, &who);
    *ret = who;
    return OK;
}

/* ---------------------------------------------------------------- whose */

enum err identity_oidc_user(struct store_conn *conn, const struct identity_oidc_who *who,
                            struct id *ret_user)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_OIDC_USER, &q, "tt", who->issuer, who->subject);
    if (e == OK)
        e = store_step(q);
    if (e == OK && !id_parse("usr_", store_str(q, 0), ret_user))
        e = ERR_CORRUPT;
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

enum err identity_oidc_link_in(struct store_conn *conn, const struct identity_oidc_who *who,
                               struct id user, int64_t wall_us)
{
    char text[ID_TEXT_MAX];
    struct id owner;
    int64_t added = 0;
    enum err e = store_run(conn, SQL_OIDC_LINK, &added, "tttti", who->issuer, who->subject,
                           id_text("usr_", user, text), who->email, wall_us);
    if (e != OK || added == 1)
        return e;
    e = identity_oidc_user(conn, who, &owner);
    return e == OK && !id_eq(owner, user) ? ERR_CONFLICT : e;
}

static struct id row_id(struct str issuer, struct str subject)
{
    uint8_t hash[CRYPTO_HASH_LEN];
    struct id id;
    struct crypto_hasher *h = crypto_hasher_new();
    crypto_hasher_start(h);
    crypto_hasher_add(h, issuer);
    crypto_hasher_add(h, STR("\n"));
    crypto_hasher_add(h, subject);
    crypto_hasher_end(h, hash);
    crypto_hasher_free(&h);
    memcpy(id.b, hash, sizeof(id.b));
    return id;
}

enum err identity_oidc_list(struct store_conn *conn, struct id user, identity_oidc_row_f fn,
                            void *arg)
{
    char text[ID_TEXT_MAX];
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_OIDC_LIST, &q, "t", id_text("usr_", user, text));
    while (e == OK && (e = store_step(q)) == OK) {
        struct identity_oidc_row row = {.issuer = store_str(q, 0),
                                        .subject = store_str(q, 1),
                                        .email = store_str(q, 2),
                                        .linked_us = store_i64(q, 3)};
        row.id = row_id(row.issuer, row.subject);
        fn(arg, &row);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err identity_oidc_unlink_in(struct store_conn *conn, struct id user,
                                 const struct identity_oidc_row *row)
{
    char text[ID_TEXT_MAX];
    int64_t gone = 0;
    enum err e = store_run(conn, SQL_OIDC_UNLINK, &gone, "ttt", row->issuer, row->subject,
                           id_text("usr_", user, text));
    return e == OK && gone == 0 ? ERR_NOT_FOUND : e;
}

enum err identity_oidc_forget_in(struct store_conn *conn, struct id user)
{
    char text[ID_TEXT_MAX];
    return store_run(conn, SQL_OIDC_FORGET, NULL, "t", id_text("usr_", user, text));
}

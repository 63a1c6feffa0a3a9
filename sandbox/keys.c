/* Keys made through OpenRouter's keys API. */
#include "sandbox/keys.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/text.h"

enum { HEX_BYTES = 64, NAME_MAX_BYTES = 200, RESET_MAX = 16 };
static const struct str key_prefix = STR("sk-or-v1-");

struct key {
    char hash[HEX_BYTES];
    char text[9 + HEX_BYTES];
    char name[NAME_MAX_BYTES];
    char reset[RESET_MAX]; /* with its quotes; empty: none */
    size_t name_n, reset_n;
    int64_t limit_pico; /* < 0: none */
    int64_t created_us, updated_us, expires_us;
    bool disabled, deleted, byok_counts;
};

struct sandbox_keys {
    pthread_mutex_t lock;
    uint64_t seed;
    _Atomic size_t n;
    struct key *keys;
};

struct sandbox_keys *sandbox_keys_new(uint64_t seed)
{
    struct sandbox_keys *k = mem_zalloc(sizeof(*k));
    must(pthread_mutex_init(&k->lock, NULL) == 0);
    k->seed = sandbox_mix(seed ^ 0x6b657973);
    k->keys = mem_array(SANDBOX_KEYS_MAX, sizeof(struct key));
    return k;
}

static void hex_put(char *out, uint64_t seed)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < HEX_BYTES; i++)
        out[i] = hex[sandbox_mix(seed + i / 16) >> (i % 16 * 4) & 15];
}

static struct str key_text(const struct key *k)
{
    return str_of(k->text, sizeof(k->text));
}

static struct key *key_of_bearer(struct sandbox_keys *keys, struct str bearer)
{
    if (!str_starts(bearer, key_prefix))
        return NULL;
    for (size_t i = 0; i < keys->n; i++)
        if (str_eq(bearer, key_text(&keys->keys[i])))
            return &keys->keys[i];
    return NULL;
}

static struct key *key_of_hash(struct sandbox_keys *keys, struct str hash)
{
    for (size_t i = 0; i < keys->n; i++)
        if (!keys->keys[i].deleted && str_eq(hash, str_of(keys->keys[i].hash, HEX_BYTES)))
            return &keys->keys[i];
    return NULL;
}

int sandbox_key_status(struct sandbox *s, struct str bearer)
{
    struct sandbox_keys *keys = s->keys;
    if (LIKELY(keys->n == 0))
        return 200;
    int status = 200;
    int64_t limit = -1;
    must(pthread_mutex_lock(&keys->lock) == 0);
    const struct key *k = key_of_bearer(keys, bearer);
    if (k != NULL) {
        bool late = k->expires_us != 0 && clock_wall_us() > k->expires_us;
        if (k->disabled || k->deleted || late)
            status = 401;
        limit = k->limit_pico;
    }
    must(pthread_mutex_unlock(&keys->lock) == 0);
    if (status == 200 && limit >= 0 && sandbox_tally_key_cost(s, bearer) >= limit)
        status = 402;
    return status;
}

static void member_decimal(struct buf *b, const char *name, int64_t pico)
{
    buf_json_key(b, name);
    if (pico < 0)
        buf_add(b, STR("null"));
    else
        sandbox_decimal(b, pico);
}

static void usage_put(struct buf *b, int64_t used, int64_t limit, struct str reset,
                      bool byok_counts)
{
    static const char *const spans[] = {"usage", "usage_daily", "usage_weekly", "usage_monthly"};
    static const char *const byok[] = {"byok_usage", "byok_usage_daily", "byok_usage_weekly",
                                       "byok_usage_monthly"};
    for (size_t i = 0; i < 4; i++)
        member_decimal(b, spans[i], used);
    for (size_t i = 0; i < 4; i++)
        member_decimal(b, byok[i], 0);
    member_decimal(b, "limit", limit);
    int64_t left = limit < 0 ? -1 : limit > used ? limit - used : 0;
    member_decimal(b, "limit_remaining", left);
    buf_json_key(b, "limit_reset");
    buf_add(b, reset.n > 0 ? reset : STR("null"));
    buf_json_bool(b, "include_byok_in_limit", byok_counts);
    buf_json_member(b, "creator_user_id", STR("user_sandbox"));
}

static void label_put(struct buf *b, struct str bearer)
{
    char masked[SANDBOX_MASK_MAX];
    buf_json_member(b, "label", sandbox_mask(bearer, masked));
}

void sandbox_key_show(struct sandbox *s, struct str bearer, struct buf *b)
{
    int64_t used = sandbox_tally_key_cost(s, bearer);
    struct sandbox_keys *keys = s->keys;
    buf_add(b, STR("{\"data\":{"));
    label_put(b, bearer);
    must(pthread_mutex_lock(&keys->lock) == 0);
    const struct key *k = key_of_bearer(keys, bearer);
    if (k != NULL)
        usage_put(b, used, k->limit_pico, str_of(k->reset, k->reset_n), k->byok_counts);
    else
        usage_put(b, used, -1, STR(""), false);
    buf_json_time(b, "expires_at", k != NULL ? k->expires_us : 0);
    must(pthread_mutex_unlock(&keys->lock) == 0);
    buf_add(b, STR(",\"is_free_tier\":false,\"is_management_key\":false,"
                   "\"is_provisioning_key\":false,\"rate_limit\":{\"requests\":-1,"
                   "\"interval\":\"10s\",\"note\":\"This field is deprecated and safe to "
                   "ignore.\"}}}"));
}

/* `used` is asked for without this room's lock: the tally has its own. */
static void key_put(struct buf *b, struct sandbox *s, const struct key *k)
{
    buf_byte(b, '{');
    buf_json_member(b, "hash", str_of(k->hash, HEX_BYTES));
    buf_json_member(b, "name", str_of(k->name, k->name_n));
    label_put(b, key_text(k));
    buf_json_bool(b, "disabled", k->disabled);
    usage_put(b, sandbox_tally_key_cost(s, key_text(k)), k->limit_pico,
              str_of(k->reset, k->reset_n), k->byok_counts);
    buf_json_time(b, "created_at", k->created_us);
    buf_json_time(b, "updated_at", k->updated_us);
    buf_json_time(b, "expires_at", k->expires_us);
    buf_json_member(b, "workspace_id", STR("00000000-0000-4000-8000-000000000000"));
    buf_byte(b, '}');
}

int sandbox_keys_list(struct sandbox *s, struct buf *b)
{
    buf_add(b, STR("{\"data\":["));
    must(pthread_mutex_lock(&s->keys->lock) == 0);
    for (size_t i = 0; i < s->keys->n; i++) {
        if (s->keys->keys[i].deleted)
            continue;
        buf_json_comma(b);
        key_put(b, s, &s->keys->keys[i]);
    }
    must(pthread_mutex_unlock(&s->keys->lock) == 0);
    buf_add(b, STR("]}"));
    return 200;
}

/* Takes over what the body names; false: *ret_why says what is wrong with it. */
static bool key_take(struct key *k, struct str body, const char **ret_why)
{
    char scratch[4 * NAME_MAX_BYTES];
    struct buf text = {.p = scratch, .cap = sizeof(scratch), .max = sizeof(scratch)};
    size_t offset;
    *ret_why = "Invalid request parameters";
    if (json_check(body, &offset) != OK || json_type_of(body) != JSON_OBJECT)
        return false;
    struct json_walk w = json_walk_of(body);
    while (json_next(&w)) {
        enum json_type t = json_type_of(w.value);
        struct pico limit;
        buf_reset(&text);
        if (t == JSON_STRING && w.value.n < sizeof(scratch))
            sandbox_string_add(&text, w.value);
        if (str_eq(w.key, STR("name"))) {
            if (t != JSON_STRING || text.n == 0 || text.n > NAME_MAX_BYTES)
                return false;
            memcpy(k->name, text.p, text.n);
            k->name_n = text.n;
        } else if (str_eq(w.key, STR("limit"))) {
            if (t != JSON_NULL && (t != JSON_NUMBER || pico_parse(w.value, true, &limit) != OK))
                return false;
            k->limit_pico = t == JSON_NULL ? -1 : limit.v;
        } else if (str_eq(w.key, STR("limit_reset"))) {
            k->reset_n = t == JSON_STRING && w.value.n <= RESET_MAX ? w.value.n : 0;
            memcpy(k->reset, w.value.p, k->reset_n);
        } else if (str_eq(w.key, STR("expires_at")) && t == JSON_STRING) {
            if (clock_parse(buf_str(&text), &k->expires_us) != OK)
                return false;
        } else if (str_eq(w.key, STR("disabled"))) {
            k->disabled = json_is_true(w.value);
        } else if (str_eq(w.key, STR("include_byok_in_limit"))) {
            k->byok_counts = json_is_true(w.value);
        }
    }
    return true;
}

int sandbox_keys_create(struct sandbox *s, struct str body, int64_t now_us, struct buf *b)
{
    struct sandbox_keys *keys = s->keys;
    struct key made = {.limit_pico = -1, .created_us = now_us};
    const char *why;
    if (!key_take(&made, body, &why) || made.name_n == 0) {
        buf_add(b, STR("Invalid request parameters"));
        return 400;
    }
    int status = 201;
    must(pthread_mutex_lock(&keys->lock) == 0);
    if (keys->n == SANDBOX_KEYS_MAX) {
        buf_add(b, STR("The sandbox holds no more keys"));
        status = 400;
    } else {
        hex_put(made.hash, sandbox_mix(keys->seed + 2 * keys->n));
        memcpy(made.text, key_prefix.p, key_prefix.n);
        hex_put(made.text + key_prefix.n, sandbox_mix(keys->seed + 2 * keys->n + 1));
        keys->keys[keys->n] = made;
        keys->n++;
        buf_add(b, STR("{\"data\":"));
        key_put(b, s, &made);
        buf_json_member(b, "key", key_text(&made));
        buf_byte(b, '}');
    }
    must(pthread_mutex_unlock(&keys->lock) == 0);
    return status;
}

static int not_found(struct buf *b)
{
    buf_add(b, STR("API key not found"));
    return 404;
}

int sandbox_keys_get(struct sandbox *s, struct str hash, struct buf *b)
{
    int status = 200;
    must(pthread_mutex_lock(&s->keys->lock) == 0);
    const struct key *k = key_of_hash(s->keys, hash);
    if (k == NULL) {
        status = not_found(b);
    } else {
        buf_add(b, STR("{\"data\":"));
        key_put(b, s, k);
        buf_byte(b, '}');
    }
    must(pthread_mutex_unlock(&s->keys->lock) == 0);
    return status;
}

int sandbox_keys_patch(struct sandbox *s, struct str hash, struct str body, int64_t now_us,
                       struct buf *b)
{
    int status = 200;
    const char *why;
    must(pthread_mutex_lock(&s->keys->lock) == 0);
    struct key *k = key_of_hash(s->keys, hash);
    if (k == NULL) {
        status = not_found(b);
    } else {
        struct key changed = *k;
        if (!key_take(&changed, body, &why)) {
            buf_add(b, str_c(why));
            status = 400;
        } else {
            changed.updated_us = now_us;
            *k = changed;
            buf_add(b, STR("{\"data\":"));
            key_put(b, s, k);
            buf_byte(b, '}');
        }
    }
    must(pthread_mutex_unlock(&s->keys->lock) == 0);
    return status;
}

int sandbox_keys_delete(struct sandbox *s, struct str hash, struct buf *b)
{
    int status = 200;
    must(pthread_mutex_lock(&s->keys->lock) == 0);
    struct key *k = key_of_hash(s->keys, hash);
    if (k == NULL) {
        status = not_found(b);
    } else {
        k->deleted = true;
        buf_add(b, STR("{\"deleted\":true}"));
    }
    must(pthread_mutex_unlock(&s->keys->lock) == 0);
    return status;
}

/* Endpoints, messages, and what is on its way to whom. */
#include "jobs/hooks.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/url.h"
#include "outbound/outbound.h"

#include <arpa/inet.h>
#include <stdio.h>

#define SECRET_BYTES 32
#define SEAL_ABOUT STR("webhook secret")
#define URL_MAX 2048

static const char *const names[] = {
#define HOOK(name, text, meaning) text,
    HOOK_TABLE(HOOK)
#undef HOOK
};

const char *hooks_event_name(enum hooks_event event)
{
    return names[event];
}

struct hooks *hooks_new(const struct hooks_options *options)
{
    struct hooks *h = mem_zalloc(sizeof(*h));
    h->options = *options;
    hooks_kinds_add(h);
    return h;
}

void hooks_free(struct hooks **hooks)
{
    if (*hooks == NULL)
        return;
    mem_wipe(&(*hooks)->options, sizeof((*hooks)->options));
    mem_free(*hooks);
    *hooks = NULL;
}

/* ---- addresses and events ---- */

/* An address in figures that is not public: the guard would refuse each delivery. */
static bool is_private_literal(const struct url *u)
{
    char host[64];
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {.any = {0}};
    if (u->host.n >= sizeof(host))
        return false;
    memcpy(host, u->host.p, u->host.n);
    host[u->host.n] = '\0';
    if (inet_pton(AF_INET, host, &a.v4.sin_addr) == 1)
        a.any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, host, &a.v6.sin6_addr) == 1)
        a.any.sa_family = AF_INET6;
    else
        return str_eq_nocase(u->host, STR("localhost")) || str_ends(u->host, STR(".localhost"));
    return !outbound_address_is_public(&a.any);
}

const char *hooks_url_fault(const struct hooks *hooks, struct str url)
{
    struct url u;
    const char *why = NULL;
    if (url.n > URL_MAX)
        return "It has more than 2,048 characters.";
    for (size_t i = 0; i < url.n; i++)
        if ((unsigned char)url.p[i] <= 0x20 || url.p[i] == 0x7F)
            return "There is a blank or a control character in it.";
    if (url_parse(url, &u, &why) != OK)
        return why;
    if (hooks->options.private_allowed)
        return NULL;
    if (!u.tls)
        return "It must begin with https://.";
    return is_private_literal(&u) ? "This address is not a public one." : NULL;
}

static bool is_event(struct str name)
{
    for (size_t i = 0; i < HOOKS__COUNT; i++)
        if (str_eq(name, str_c(names[i])))
            return true;
    return str_eq(name, STR("*"));
}

bool hooks_events_are_good(struct str events)
{
    bool good = events.n != 0;
    while (events.n != 0)
        good = is_event(str_cut(&events, '\n')) && good;
    return good;
}

static bool wants(struct str events, struct str name)
{
    while (events.n != 0) {
        struct str e = str_cut(&events, '\n');
        if (str_eq(e, name) || str_eq(e, STR("*")))
            return true;
    }
    return false;
}

/* ---- rows ---- */

static void give(const struct store_query *q, hooks_endpoint_f fn, void *arg)
{
    struct hooks_endpoint e = {.id = store_str(q, 0),
                               .url = store_str(q, 1),
                               .description = store_str(q, 2),
                               .events = store_str(q, 3),
                               .state = store_str(q, 4),
                               .failing_since_us = store_i64(q, 5),
                               .created_us = store_i64(q, 6),
                               .updated_us = store_i64(q, 7),
                               .old_until_us = store_i64(q, 8)};
    if (id_parse("team_", store_str(q, 9), &e.team))
        fn(arg, &e);
}

enum err hooks_list(struct store_conn *conn, struct id team, hooks_endpoint_f fn, void *arg)
{
    struct store_query *q = NULL;
    char t[ID_TEXT_MAX];
    enum err e = store_start(conn, SQL_HOOK_LIST, &q, "t", id_text("team_", team, t));
    while (e == OK && (e = store_step(q)) == OK)
        give(q, fn, arg);
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err hooks_get(struct store_conn *conn, struct id team, struct str id, hooks_endpoint_f fn,
                   void *arg)
{
    struct store_query *q = NULL;
    char t[ID_TEXT_MAX];
    enum err e = store_start(conn, SQL_HOOK_GET, &q, "t", id);
    if (e == OK)
        e = store_step(q);
    if (e == OK && !str_eq(store_str(q, 9), id_text("team_", team, t)))
        e = ERR_END;
    if (e == OK && fn != NULL)
        give(q, fn, arg);
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

/* ---- endpoints ---- */

static void make_secret(const struct hooks *hooks, char ret_text[HOOKS_SECRET_MAX],
                        struct buf *sealed)
{
    uint8_t key[SECRET_BYTES];
    struct buf text;
    crypto_random(key, sizeof(key));
    buf_init(&text, HOOKS_SECRET_MAX);
    buf_add(&text, STR("whsec_"));
    base64_add(&text, str_of((const char *)key, sizeof(key)));
    must(!text.over && text.n < HOOKS_SECRET_MAX);
    memcpy(ret_text, text.p, text.n);
    ret_text[text.n] = '\0';
    crypto_seal(hooks->options.seal, SEAL_ABOUT, str_of((const char *)key, sizeof(key)), sealed);
    mem_wipe(key, sizeof(key));
    mem_wipe(text.p, text.n);
    buf_fini(&text);
}

enum err hooks_secret_open(const struct hooks *hooks, struct str sealed, struct buf *ret_key)
{
    return crypto_open(hooks->options.seal, SEAL_ABOUT, sealed, ret_key);
}

static void count(void *arg, const struct hooks_endpoint *e)
{
    (void)e;
    ++*(int *)arg;
}

enum err hooks_add_in(struct hooks *hooks, struct store_conn *conn,
                      const struct hooks_endpoint *endpoint, int64_t now_us,
                      char ret_id[ID_TEXT_MAX], char ret_secret[HOOKS_SECRET_MAX])
{
    char team[ID_TEXT_MAX];
    struct buf sealed;
    int n = 0;
    enum err e = hooks_list(conn, endpoint->team, count, &n);
    if (e == OK && n >= HOOKS_ENDPOINTS_MAX)
        e = ERR_CONFLICT;
    if (e != OK)
        return e;
    buf_init(&sealed, 256);
    make_secret(hooks, ret_secret, &sealed);
    e = store_run(conn, SQL_HOOK_ADD, NULL, "tttttbbi", id_text("whk_", id_new(now_us), ret_id),
                  id_text("team_", endpoint->team, team), endpoint->url, endpoint->description,
                  endpoint->events, buf_str(&sealed), STR(""), now_us);
    buf_fini(&sealed);
    return e;
}

enum err hooks_edit_in(struct store_conn *conn, const struct hooks_endpoint *endpoint,
                       int64_t now_us)
{
    return store_run(conn, SQL_HOOK_EDIT, NULL, "ttttti", endpoint->id, endpoint->url,
                     endpoint->description, endpoint->events, endpoint->state, now_us);
}

enum err hooks_rotate_in(struct hooks *hooks, struct store_conn *conn, struct id team,
                         struct str id, int64_t grace_us, int64_t now_us,
                         char ret_secret[HOOKS_SECRET_MAX])
{
    struct buf sealed;
    enum err e = hooks_get(conn, team, id, NULL, NULL);
    if (e != OK)
        return e;
    buf_init(&sealed, 256);
    make_secret(hooks, ret_secret, &sealed);
    e = store_run(conn, SQL_HOOK_ROTATE, NULL, "tbii", id, buf_str(&sealed),
                  grace_us > 0 ? now_us + grace_us : 0, now_us);
    buf_fini(&sealed);
    return e;
}

enum err hooks_drop_in(struct store_conn *conn, struct id team, struct str id)
{
    enum err e = hooks_get(conn, team, id, NULL, NULL);
    if (e == OK)
        e = store_run(conn, SQL_HOOK_DROP_TRIES, NULL, "t", id);
    if (e == OK)
        e = store_run(conn, SQL_HOOK_DROP_DELIVERIES, NULL, "t", id);
    return e == OK ? store_run(conn, SQL_HOOK_DROP, NULL, "t", id) : e;
}

/* ---- messages ---- */

static enum err deliver_in(struct hooks *hooks, struct store_conn *conn, struct str endpoint,
                           struct str message, bool replay, int64_t now_us,
                           char ret_id[ID_TEXT_MAX])
{
    struct str id = id_text("dlv_", id_new(now_us), ret_id);
    struct jobs_spec spec = {.kind = "webhook", .key = id, .input = id};
    enum err e = store_run(conn, SQL_HOOK_DELIVERY_ADD, NULL, "tttii", id, endpoint, message,
                           (int64_t)replay, now_us);
    return e == OK ? jobs_enqueue_in(hooks->options.jobs, conn, &spec, now_us, NULL) : e;
}

static enum err sequence_in(struct store_conn *conn, struct str team, int64_t *ret_n)
{
    struct store_query *q = NULL;
    enum err e = store_run(conn, SQL_HOOK_SEQUENCE, NULL, "t", team);
    if (e == OK)
        e = store_start(conn, SQL_HOOK_SEQUENCE_GET, &q, "t", team);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_n = store_i64(q, 0);
    store_finish(&q);
    return e;
}

static enum err message_in(struct store_conn *conn, struct id team, enum hooks_event event,
                           struct str data, struct str once, int64_t now_us,
                           char ret_id[ID_TEXT_MAX])
{
    char t[ID_TEXT_MAX];
    int64_t n = 0;
    struct buf b;
    struct str team_text = id_text("team_", team, t);
    enum err e = sequence_in(conn, team_text, &n);
    if (e != OK)
        return e;
    buf_init(&b, HOOKS_BODY_MAX);
    buf_byte(&b, '{');
    buf_json_member(&b, "type", str_c(names[event]));
    buf_json_time(&b, "timestamp", now_us);
    buf_json_i64(&b, "sequence", n);
    buf_json_key(&b, "data");
    buf_add(&b, data);
    buf_byte(&b, '}');
    e = buf_check(&b);
    if (e == OK)
        e = store_run(conn, SQL_HOOK_MESSAGE_ADD, NULL, "ttttTi",
                      id_text("msg_", id_new(now_us), ret_id), team_text, str_c(names[event]),
                      buf_str(&b), once.n != 0 ? once : str_of(NULL, 0), now_us);
    buf_fini(&b);
    return e;
}

struct wanting {
    struct str name;
    char ids[HOOKS_ENDPOINTS_MAX][ID_TEXT_MAX];
    size_t n;
};

static void add_wanting(void *arg, const struct hooks_endpoint *e)
{
    struct wanting *w = arg;
    if (w->n == HOOKS_ENDPOINTS_MAX || !str_eq(e->state, STR("enabled")) ||
        !wants(e->events, w->name) || e->id.n >= ID_TEXT_MAX)
        return;
    memcpy(w->ids[w->n], e->id.p, e->id.n);
    w->ids[w->n++][e->id.n] = '\0';
}

static enum err is_new(struct store_conn *conn, struct id team, struct str once, bool *ret_new)
{
    struct store_query *q = NULL;
    char t[ID_TEXT_MAX];
    *ret_new = true;
    if (once.n == 0)
        return OK;
    enum err e = store_start(conn, SQL_HOOK_MESSAGE_ONCE, &q, "tt", id_text("team_", team, t),
                             once);
    if (e == OK)
        e = store_step(q);
    *ret_new = e == ERR_END;
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err hooks_tell_in(struct hooks *hooks, struct store_conn *conn, struct id team,
                       enum hooks_event event, struct str data, struct str once, int64_t now_us)
{
    struct wanting w = {.name = str_c(names[event])};
    char message[ID_TEXT_MAX], delivery[ID_TEXT_MAX];
    bool anew = true;
    enum err e = hooks_list(conn, team, add_wanting, &w);
    if (e == OK && w.n != 0)
        e = is_new(conn, team, once, &anew);
    if (e != OK || w.n == 0 || !anew)
        return e;
    e = message_in(conn, team, event, data, once, now_us, message);
    for (size_t i = 0; i < w.n && e == OK; i++)
        e = deliver_in(hooks, conn, str_c(w.ids[i]), str_c(message), false, now_us, delivery);
    return e;
}

enum err hooks_try_in(struct hooks *hooks, struct store_conn *conn, struct id team, struct str id,
                      int64_t now_us, char ret_delivery[ID_TEXT_MAX])
{
    char message[ID_TEXT_MAX];
    enum err e = hooks_get(conn, team, id, NULL, NULL);
    if (e == OK)
        e = message_in(conn, team, HOOKS_WEBHOOK_TEST,
                       STR("{\"message\":\"This is a test. It arrived.\"}"), STR(""), now_us,
                       message);
    return e == OK ? deliver_in(hooks, conn, id, str_c(message), false, now_us, ret_delivery) : e;
}

enum err hooks_replay_in(struct hooks *hooks, struct store_conn *conn, struct id team,
                         struct str id, struct str delivery, int64_t now_us,
                         char ret_delivery[ID_TEXT_MAX])
{
    struct store_query *q = NULL;
    char message[ID_TEXT_MAX] = "";
    enum err e = hooks_get(conn, team, id, NULL, NULL);
    if (e == OK)
        e = store_start(conn, SQL_HOOK_DELIVERY_GET, &q, "tt", id, delivery);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        snprintf(message, sizeof(message), "%.*s", STR_ARG(store_str(q, 1)));
    store_finish(&q);
    if (e == OK)
        e = deliver_in(hooks, conn, id, str_c(message), true, now_us, ret_delivery);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

enum err hooks_replay_range_in(struct hooks *hooks, struct store_conn *conn, struct id team,
                               struct str id, int64_t start_us, int64_t end_us, struct str state,
                               int64_t now_us, int64_t *ret_n)
{
    struct store_query *q = NULL;
    char delivery[ID_TEXT_MAX];
    int64_t n = 0;
    enum err e = hooks_get(conn, team, id, NULL, NULL);
    if (e != OK)
        return e;
    char(*messages)[ID_TEXT_MAX] = mem_array(HOOKS_REPLAY_MAX, sizeof(*messages));
    e = store_start(conn, SQL_HOOK_RANGE, &q, "tiit", id, start_us, end_us, state);
    while (e == OK && n < HOOKS_REPLAY_MAX && (e = store_step(q)) == OK)
        snprintf(messages[n++], ID_TEXT_MAX, "%.*s", STR_ARG(store_str(q, 0)));
    store_finish(&q);
    e = e == ERR_END ? OK : e;
    for (int64_t i = 0; i < n && e == OK; i++)
        e = deliver_in(hooks, conn, id, str_c(messages[i]), true, now_us, delivery);
    mem_free(messages);
    *ret_n = n;
    return e;
}

/* ---- what became of them ---- */

/* Left open. */
static void delivery_members(const struct store_query *q, struct buf *b)
{
    bool pending = str_eq(store_str(q, 3), STR("pending"));
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", store_str(q, 0));
    buf_json_member(b, "message_id", store_str(q, 1));
    buf_json_member(b, "type", store_str(q, 2));
    buf_json_member(b, "status", store_str(q, 3));
    buf_json_i64(b, "attempts", store_i64(q, 4));
    buf_json_key(b, "response_status");
    if (store_i64(q, 5) != 0)
        buf_i64(b, store_i64(q, 5));
    else
        buf_add(b, STR("null"));
    buf_json_time(b, "created_at", store_i64(q, 6));
    buf_json_time(b, "next_attempt_at", pending ? store_i64(q, 7) : 0);
    buf_json_time(b, "ended_at", store_i64(q, 8));
    buf_json_bool(b, "replay", store_i64(q, 9) != 0);
}

enum err hooks_deliveries_json(struct store_conn *conn, struct str endpoint, struct str state,
                               struct str below, int64_t limit, hooks_row_f row, void *arg,
                               struct buf *json)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_HOOK_DELIVERIES, &q, "ttti", endpoint, state, below, limit);
    while (e == OK && (e = store_step(q)) == OK)
        if (row(arg, store_str(q, 0))) {
            delivery_members(q, json);
            buf_byte(json, '}');
        }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

static enum err tries_json(struct store_conn *conn, struct str delivery, struct buf *b)
{
    struct store_query *q = NULL;
    buf_json_key(b, "tries");
    buf_byte(b, '[');
    enum err e = store_start(conn, SQL_HOOK_TRIES, &q, "t", delivery);
    while (e == OK && (e = store_step(q)) == OK) {
        buf_json_comma(b);
        buf_byte(b, '{');
        buf_json_time(b, "at", store_i64(q, 0));
        buf_json_key(b, "status");
        if (store_i64(q, 1) != 0)
            buf_i64(b, store_i64(q, 1));
        else
            buf_add(b, STR("null"));
        buf_json_i64(b, "duration_ms", store_i64(q, 2) / US_PER_MS);
        buf_json_member(b, "error", store_str(q, 3));
        buf_json_member(b, "response", store_str(q, 4));
        buf_byte(b, '}');
    }
    store_finish(&q);
    buf_byte(b, ']');
    return e == ERR_END ? OK : e;
}

enum err hooks_delivery_json(struct store_conn *conn, struct str endpoint, struct str delivery,
                             struct buf *json)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_HOOK_DELIVERY_GET, &q, "tt", endpoint, delivery);
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        delivery_members(q, json);
        buf_json_key(json, "body");
        buf_add(json, store_str(q, 10));
    }
    store_finish(&q);
    if (e == OK)
        e = tries_json(conn, delivery, json);
    buf_byte(json, '}');
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

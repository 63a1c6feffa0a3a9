/* /api/admin: providers, routes, prices, rules, settings, health; margin and dry runs are margin.c,
 * customers customers.c. */
#include "control/operator.h"

#include "base/clock.h"
#include "base/json.h"
#include "control/body.h"
#include "gateway/past.h"
#include "limits/limits.h"
#include "observe/observe.h"

#define ARGS_MAX (64u * 1024)
#define RESULT_MAX (32u << 20)

/* ---- operations by name ---- */

static const char *arg_of(const struct operator_member *members, size_t n, struct str key)
{
    for (size_t i = 0; i < n; i++)
        if (json_key_is(key, str_c(members[i].json)))
            return members[i].arg;
    return NULL;
}

static enum err put_arg(struct buf *args, const char *name, struct str value,
                        struct http_reply *reply)
{
    switch (json_type_of(value)) {
    case JSON_STRING:
        buf_json_key(args, name);
        buf_add(args, value);
        return OK;
    case JSON_NUMBER: buf_json_member(args, name, value); return OK;
    case JSON_TRUE: buf_json_bool(args, name, true); return OK;
    case JSON_FALSE:
    case JSON_NULL: return OK;
    case JSON_OBJECT:
    case JSON_ARRAY:
    case JSON_NONE:
    case JSON_TYPE__COUNT: break;
    }
    return control_wrong(reply, ERR_INVALID_REQUEST, name, "It must be a string or a number.");
}

enum err operator_object(const struct http_request *r, struct http_reply *reply,
                         struct str *ret_object)
{
    struct str body = r->body.n != 0 ? r->body : STR("{}");
    size_t offset = 0;
    *ret_object = STR("{}");
    if (json_check(body, &offset) != OK || json_type_of(json_trim(body)) != JSON_OBJECT) {
        reply->message = arena_printf(reply->arena, "The body is not a JSON object (byte %zu).",
                                      offset);
        return ERR_INVALID_JSON;
    }
    *ret_object = json_trim(body);
    return OK;
}

enum err operator_args(const struct http_request *r, struct http_reply *reply,
                       const struct operator_member *members, size_t n, struct buf *args)
{
    struct str body;
    enum err e = operator_object(r, reply, &body);
    buf_byte(args, '{');
    struct json_walk w = json_walk_of(body);
    while (e == OK && json_next(&w)) {
        const char *arg = arg_of(members, n, w.key);
        if (arg == NULL) {
            reply->field = arena_dup(reply->arena, str_upto(w.key, 64));
            reply->message = STR("There is no such member.");
            return ERR_INVALID_REQUEST;
        }
        e = put_arg(args, arg, w.value, reply);
    }
    return e;
}

/* The operations speak of options; over the wire these are members. */
static struct str in_words(struct arena *a, struct str why)
{
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < why.n; i++) {
        if (i + 1 < why.n && why.p[i] == '-' && why.p[i + 1] == '-')
            i++;
        else
            buf_byte(&b, why.p[i]);
    }
    struct str s = arena_dup(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

enum err operator_perform(struct control *c, const struct control_who *who,
                          const struct http_request *r, struct http_reply *reply,
                          const char *operation, struct buf *args, struct buf *ret_result)
{
    struct buf why;
    char actor[ID_TEXT_MAX];
    buf_byte(args, '}');
    buf_init(&why, 8192);
    enum err e = args->over ? ERR_LIMIT
                            : c->perform(c->operations, id_text("usr_", who->user, actor), r->peer,
                                         operation, buf_str(args), ret_result, &why);
    if (e != OK && why.n != 0)
        reply->message = in_words(reply->arena, buf_str(&why));
    buf_fini(&why);
    return e;
}

/* Body to operation to answer. */
static enum err operate(struct control *c, const struct control_who *who,
                        const struct http_request *r, struct http_reply *reply,
                        const char *operation, const struct operator_member *members, size_t n)
{
    struct buf args;
    buf_init(&args, ARGS_MAX);
    enum err e = operator_args(r, reply, members, n, &args);
    if (e == OK)
        e = operator_perform(c, who, r, reply, operation, &args, &reply->body);
    buf_fini(&args);
    return e;
}
#define OPERATE(operation, members)                                                                \
    operate(c, who, r, reply, operation, members, sizeof(members) / sizeof((members)[0]))

/* One argument, from the path. */
static enum err operate_on(struct control *c, const struct control_who *who,
                           const struct http_request *r, struct http_reply *reply,
                           const char *operation, const char *arg)
{
    struct buf args;
    buf_init(&args, ARGS_MAX);
    enum err e = operator_args(r, reply, NULL, 0, &args);
    buf_json_member(&args, arg, r->params[0]);
    if (e == OK)
        e = operator_perform(c, who, r, reply, operation, &args, &reply->body);
    buf_fini(&args);
    return e;
}

static enum err ended(enum err e, struct http_reply *reply)
{
    if (e != OK)
        return e;
    buf_reset(&reply->body);
    reply->status = 204;
    return OK;
}

static enum err made(enum err e, struct http_reply *reply)
{
    if (e == OK)
        reply->status = 201;
    return e;
}

/* ---- the catalog ---- */

static void list_json(struct control *c, enum catalog_list what, struct buf *b)
{
    const struct catalog_snapshot *s = catalog_ref(c->catalog);
    catalog_list_json(s, what, b);
    catalog_unref(&s);
}

static enum err list(struct control *c, enum catalog_list what, struct http_reply *reply)
{
    buf_add(&reply->body, STR("{\"data\":"));
    list_json(c, what, &reply->body);
    buf_add(&reply->body, STR(",\"has_more\":false,\"next_cursor\":null}"));
    return OK;
}

static void add_health(struct control *c, struct str provider, struct buf *b)
{
    struct gateway_health h = {0, 0, 0};
    int64_t id = 0;
    if (json_int(json_get(provider, STR("id")), 0, INT64_MAX, &id) == OK)
        gateway_provider_health(c->gateway, id, &h);
    buf_json_comma(b);
    buf_add(b, str_upto(provider, provider.n - 1)); /* without its brace */
    buf_json_key(b, "health");
    buf_byte(b, '{');
    buf_json_bool(b, "ok", h.failed * 2 <= h.calls);
    buf_json_i64(b, "calls", h.calls);
    buf_json_i64(b, "failed", h.failed);
    buf_json_i64(b, "p50_ms", h.p50_ms);
    buf_add(b, STR("}}"));
}

CONTROL_ASK(control_admin_providers)
{
    struct buf all;
    (void)who;
    (void)r;
    buf_init(&all, RESULT_MAX);
    list_json(c, CATALOG_PROVIDERS, &all);
    buf_add(&reply->body, STR("{\"data\":["));
    struct json_walk w = json_walk_of(buf_str(&all));
    while (json_next(&w))
        add_health(c, w.value, &reply->body);
    buf_add(&reply->body, STR("],\"has_more\":false,\"next_cursor\":null}"));
    buf_fini(&all);
    return OK;
}

CONTROL_ASK(control_admin_provider_add)
{
    static const struct operator_member members[] = {
        {"name", "name"},       {"kind", "kind"}, {"base_url", "base-url"},
        {"api_key", "api-key"}, {"tag", "tag"},   {"on_disconnect", "on-disconnect"},
    };
    return made(OPERATE("provider.add", members), reply);
}

CONTROL_ASK(control_admin_provider_remove)
{
    return ended(operate_on(c, who, r, reply, "provider.remove", "name"), reply);
}

CONTROL_ASK(control_admin_provider_test)
{
    return operate_on(c, who, r, reply, "provider.test", "name");
}

CONTROL_ASK(control_admin_routes)
{
    (void)who;
    (void)r;
    return list(c, CATALOG_ROUTES, reply);
}

CONTROL_ASK(control_admin_route_add)
{
    static const struct operator_member members[] = {
        {"model", "model"},       {"provider", "provider"}, {"upstream_model", "upstream-model"},
        {"priority", "priority"}, {"weight", "weight"},
    };
    return made(OPERATE("route.add", members), reply);
}

CONTROL_ASK(control_admin_route_remove)
{
    return ended(operate_on(c, who, r, reply, "route.remove", "id"), reply);
}

CONTROL_ASK(control_admin_prices)
{
    (void)who;
    (void)r;
    return list(c, CATALOG_PRICES, reply);
}

CONTROL_ASK(control_admin_price_set)
{
    static const struct operator_member members[] = {
        {"model", "model"},
        {"input", "input"},
        {"output", "output"},
        {"cache_read", "cache-read"},
        {"cache_write", "cache-write"},
        {"request", "request"},
    };
    return made(OPERATE("price.set", members), reply);
}

CONTROL_ASK(control_admin_price_sync)
{
    static const struct operator_member members[] = {{"provider", "provider"}};
    return OPERATE("price.sync", members);
}

CONTROL_ASK(control_admin_rules)
{
    (void)who;
    (void)r;
    return list(c, CATALOG_RULES, reply);
}

CONTROL_ASK(control_admin_rule_add)
{
    static const struct operator_member members[] = {
        {"model", "model"},
        {"markup", "markup"},
        {"min_cost", "min-cost"},
        {"priority", "priority"},
    };
    return made(OPERATE("pricing-rule.add", members), reply);
}

CONTROL_ASK(control_admin_rule_remove)
{
    return ended(operate_on(c, who, r, reply, "pricing-rule.remove", "id"), reply);
}

/* ---- settings, health ---- */

static const char *const signup_names[CONTROL_SIGNUP__COUNT] = {
    [CONTROL_SIGNUP_OPEN] = "open",
    [CONTROL_SIGNUP_INVITATION] = "invitation",
    [CONTROL_SIGNUP_CLOSED] = "closed",
};

CONTROL_ASK(control_admin_settings)
{
    struct buf *b = &reply->body;
    struct limits_rule rule;
    (void)who;
    (void)r;
    buf_byte(b, '{');
    buf_json_member(b, "signup", str_c(signup_names[c->signup]));
    buf_json_nano(b, "intro_credit", c->intro_credit);
    buf_json_member(b, "public_url", str_c(c->public_url));
    buf_json_key(b, "brand");
    buf_byte(b, '{');
    buf_json_member(b, "name", str_c(c->brand_name));
    buf_json_member(b, "color", str_c(c->brand_color));
    buf_json_member(b, "logo_url", str_c(c->brand_logo_url));
    buf_byte(b, '}');
    buf_json_key(b, "smtp");
    buf_byte(b, '{');
    buf_json_bool(b, "configured", mail_is_configured(c->mail));
    buf_byte(b, '}');
    buf_json_key(b, "limits");
    limits_get(c->limits, LIMITS_GLOBAL, (struct id){{0}}, &rule);
    control_limits_json(b, &rule);
    /* These come from the configuration file. */
    buf_add(b,
            STR(",\"read_only\":[\"signup\",\"intro_credit\",\"public_url\",\"brand\",\"smtp\"]}"));
    return OK;
}

CONTROL_ASK(control_admin_settings_set)
{
    struct str limits = STR("");
    const struct control_field fields[] = {
        {.name = "limits", .kind = CONTROL_OBJECT, .to = &limits, .required = true}};
    struct limits_rule rule = LIMITS_UNSET;
    struct buf args;
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK)
        e = control_limits_read(limits, reply, &rule);
    if (e != OK)
        return e;
    buf_init(&args, ARGS_MAX);
    buf_byte(&args, '{');
    buf_json_bool(&args, "global", true);
    control_limits_args(&rule, &args);
    struct buf result;
    buf_init(&result, RESULT_MAX);
    e = operator_perform(c, who, r, reply, "limits.set", &args, &result);
    buf_fini(&result);
    buf_fini(&args);
    return e == OK ? control_admin_settings(c, who, r, reply) : e;
}

static void alert(struct buf *b, const char *code, const char *message)
{
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "code", str_c(code));
    buf_json_member(b, "message", str_c(message));
    buf_byte(b, '}');
}

static bool jobs_wait_for_somebody(struct control *c)
{
    struct store_conn *conn = NULL;
    struct jobs_counts n = {0};
    if (store_reader_begin(c->store, &conn) != OK)
        return false;
    enum err e = jobs_count(conn, &n);
    store_reader_end(&conn);
    return e == OK && n.needs_attention != 0;
}

static void payments_alerts(struct control *c, struct buf *b)
{
    struct store_conn *conn = NULL;
    struct payments_trouble t = {0};
    if (!payments_are_on(c->payments) || store_reader_begin(c->store, &conn) != OK)
        return;
    enum err e = payments_trouble(conn, clock_wall_us(), &t);
    store_reader_end(&conn);
    if (e == OK && t.mismatches != 0)
        alert(b, "reconciliation", "Stripe's lists and ours differ: see the reconciliation page.");
    if (e == OK && t.refused != 0)
        alert(b, "events_refused", "Events of Stripe were refused within a day: see their list.");
}

static void alerts_json(struct control *c, const struct ledger_counts *l, int64_t unresolved,
                        struct buf *b)
{
    buf_json_key(b, "alerts");
    buf_byte(b, '[');
    if (store_is_full(c->store))
        alert(b, "disk_full", "The disk is full: new calls are refused until there is room.");
    if (!mail_is_configured(c->mail))
        alert(b, "no_smtp", "No mail server is configured: mails wait until [smtp] url is set.");
    if (jobs_wait_for_somebody(c))
        alert(b, "jobs", "There are jobs that need attention: mails, keys at a provider.");
    if (unresolved > 0)
        alert(b, "unresolved",
              "There are calls whose outcome nobody saw: tollgate ledger "
              "unresolved lists them.");
    payments_alerts(c, b);
    if (l->write_offs != 0)
        alert(b, "written_off", "Calls cost more than their wallets could pay since the start.");
    if (l->dropped != 0)
        alert(b, "ledger_dropped", "The ledger refused records that contradict others.");
    if (observe_lines_dropped() != 0)
        alert(b, "log_dropped", "Log lines were lost: the log's disk is too slow or full.");
    buf_byte(b, ']');
}

static enum err unresolved_count(struct control *c, int64_t *ret_n)
{
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = past_unresolved(conn, ret_n);
    store_reader_end(&conn);
    return e;
}

CONTROL_ASK(control_admin_health)
{
    struct buf *b = &reply->body;
    struct store_counts s = store_counts(c->store);
    struct ledger_counts l = ledger_counts(c->ledger);
    int64_t unresolved = 0;
    (void)r;
    enum err e = unresolved_count(c, &unresolved);
    buf_byte(b, '{');
    buf_json_member(b, "version", str_c(c->version));
    buf_json_i64(b, "uptime_s", (who->now_us - c->started_us) / US_PER_S);
    buf_json_key(b, "store");
    buf_byte(b, '{');
    buf_json_member(b, "engine", store_is_postgres(c->store) ? STR("postgresql") : STR("sqlite"));
    buf_json_bool(b, "full", store_is_full(c->store));
    buf_json_i64(b, "wal_bytes", s.wal_bytes);
    buf_json_i64(b, "queue", (int64_t)s.queue);
    buf_byte(b, '}');
    buf_json_key(b, "commits");
    buf_byte(b, '{');
    buf_json_i64(b, "count", (int64_t)s.commits);
    buf_json_i64(b, "records", (int64_t)s.records);
    buf_json_i64(b, "p50_us", s.commit_us_p50);
    buf_json_i64(b, "p99_us", s.commit_us_p99);
    buf_byte(b, '}');
    buf_json_i64(b, "open_calls", (int64_t)l.holds_open);
    buf_json_i64(b, "unresolved", unresolved);
    alerts_json(c, &l, unresolved, b);
    buf_byte(b, '}');
    return e;
}

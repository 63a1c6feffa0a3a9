/* What is read of the past: one generation, a team's usage, calls without a known outcome, and the
 * proof that usage and ledger agree. Slow lane. */
#include "base/clock.h"
#include "gateway/past.h"
#include "gateway/steps.h"

#include <stdatomic.h>

#define DAYS_MAX 3660
/* An end that is no longer ago than this is meant as "until now". */
#define NOW_US (5 * US_PER_S)

/* ---- who, for slow requests ---- */

enum err gateway_who(struct gateway *g, const struct http_request *r, unsigned scope,
                     int64_t wall_us, struct identity_key **ret_key)
{
    uint8_t mac[CRYPTO_HASH_LEN];
    struct str text = call_key_text(r);
    struct identity_key *key = NULL;
    if (!identity_key_mac(g->o.identity, text, mac))
        return text.n == 0 ? ERR_MISSING_API_KEY : ERR_INVALID_API_KEY;
    enum identity_find f = identity_key_find(g->o.identity, mac, &key);
    for (int i = 0; f == IDENTITY_LOAD && i < 3; i++) {
        enum err e = identity_key_load(g->o.identity, mac);
        if (e != OK)
            return e;
        f = identity_key_find(g->o.identity, mac, &key);
    }
    if (f != IDENTITY_FOUND)
        return ERR_INVALID_API_KEY;
    enum err e = identity_key_check(key, wall_us);
    if (e == OK && scope != 0 && (key->scopes & scope) == 0)
        e = ERR_SCOPE_MISSING;
    if (e == OK && !identity_key_allows_ip(key, r->peer))
        e = ERR_IP_NOT_ALLOWED;
    if (e != OK) {
        identity_key_unref(&key);
        return e;
    }
    atomic_store_explicit(&key->last_used_us, wall_us, memory_order_relaxed);
    *ret_key = key;
    return OK;
}

/* ---- GET /v1/generation?id= ---- */

static void generation_json(const struct store_query *q, struct str id, struct buf *b)
{
    struct about a = {0};
    about_read(&a, store_str(q, 9));
    int64_t started = store_i64(q, 6), ended = store_i64(q, 7);
    int64_t first = about_int(&a, ABOUT_FIRST_BYTE);
    int64_t in = store_i64(q, 3), out = store_i64(q, 4);
    int status = (int)store_i64(q, 1);
    buf_add(b, STR("{\"data\":{"));
    buf_json_member(b, "id", id);
    buf_json_nano_number(b, "total_cost", store_nano(q, 5));
    buf_json_nano_number(b, "usage", store_nano(q, 5));
    buf_json_time(b, "created_at", started);
    buf_json_member(b, "model", store_str(q, 0));
    buf_json_bool(b, "streamed", about_int(&a, ABOUT_STREAM) != 0);
    buf_json_bool(b, "cancelled", status == 499);
    buf_json_i64(b, "status", status);
    buf_json_i64(b, "tokens_prompt", in);
    buf_json_i64(b, "tokens_completion", out);
    buf_json_i64(b, "native_tokens_prompt", in);
    buf_json_i64(b, "native_tokens_completion", out);
    buf_json_i64(b, "native_tokens_cached", about_int(&a, ABOUT_CACHE_READ));
    buf_json_i64(b, "native_tokens_reasoning", about_int(&a, ABOUT_REASONING));
    buf_json_i64(b, "latency", first > started ? (first - started) / 1000 : 0);
    buf_json_i64(b, "generation_time", first != 0 && ended > first ? (ended - first) / 1000 : 0);
    buf_json_member(b, "basis", str_c(basis_name(store_i64(q, 2))));
    buf_json_bool(b, "unresolved", store_i64(q, 8) != 0);
    buf_add(b, STR("}}"));
}

/* Another team's is not there. */
static enum err generation_read(struct gateway *g, struct id call, struct id team, struct str id,
                                struct buf *out)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    enum err e = store_reader_begin(g->o.store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_USAGE_GET, &q, "bb", id_bytes(&team), id_bytes(&call));
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        generation_json(q, id, out);
    store_finish(&q);
    store_reader_end(&conn);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

enum err gateway_generation(void *gateway, const struct http_request *r, struct http_reply *reply)
{
    struct gateway *g = gateway;
    struct identity_key *key = NULL;
    struct str id;
    struct id call;
    enum err e = gateway_who(g, r, 0, clock_wall_us(), &key);
    if (e != OK)
        return e;
    struct id team = key->team;
    identity_key_unref(&key);
    if (!http_query(r, reply->arena, STR("id"), &id)) {
        reply->message = STR("Name the call: ?id=req_…");
        reply->field = STR("id");
        return ERR_INVALID_REQUEST;
    }
    if (!id_parse("req_", id, &call))
        return ERR_NOT_FOUND;
    e = generation_read(g, call, team, id, &reply->body);
    if (e != ERR_NOT_FOUND)
        return e;
    /* It may have ended this very moment. */
    e = ledger_settled_up(g->ledger);
    return e == OK ? generation_read(g, call, team, id, &reply->body) : e;
}

/* ---- a team's usage ---- */

static void model_sums(struct buf *b, struct str model, const struct gateway_usage_sums *s)
{
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "model", model);
    buf_json_i64(b, "requests", s->requests);
    buf_json_i64(b, "input_tokens", s->input);
    buf_json_i64(b, "output_tokens", s->output);
    buf_json_nano_number(b, "cost_usd", s->charge);
    buf_byte(b, '}');
}

/* By hour when the period fits hours, else by line. */
static enum err by_model(struct store_conn *conn, struct id team, int64_t start_us, int64_t end_us,
                         int64_t now_us, struct gateway_usage_sums *all, struct buf *b)
{
    struct store_query *q = NULL;
    bool hours = start_us % US_PER_HOUR == 0 &&
                 (end_us % US_PER_HOUR == 0 || end_us >= now_us - NOW_US);
    struct id first = id_first(start_us), behind = id_first(end_us);
    int64_t end_hour = (end_us + US_PER_HOUR - 1) / US_PER_HOUR;
    bool days = hours && past_is_days(start_us / US_PER_HOUR, end_hour, now_us);
    enum err e = days    ? store_start(conn, SQL_USAGE_DAY_BY_MODEL, &q, "bii", id_bytes(&team),
                                       start_us / US_PER_DAY, (end_hour + 23) / 24)
                 : hours ? store_start(conn, SQL_USAGE_BY_MODEL, &q, "bii", id_bytes(&team),
                                       start_us / US_PER_HOUR, end_hour)
                         : store_start(conn, SQL_USAGE_BY_MODEL_EXACT, &q, "bbb", id_bytes(&team),
                                       id_bytes(&first), id_bytes(&behind));
    buf_byte(b, '[');
    while (e == OK && (e = store_step(q)) == OK) {
        struct gateway_usage_sums s = {store_i64(q, 1), store_i64(q, 2), store_i64(q, 3),
                                       store_nano(q, 4)};
        all->requests += s.requests;
        all->input += s.input;
        all->output += s.output;
        all->charge = nano_plus(all->charge, s.charge);
        model_sums(b, store_str(q, 0), &s);
    }
    buf_byte(b, ']');
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

static enum err recent_lines(struct store_conn *conn, struct id team, int64_t start_us,
                             int64_t end_us, int64_t limit, struct buf *b)
{
    struct store_query *q = NULL;
    struct id first = id_first(start_us), behind = id_first(end_us);
    enum err e = store_start(conn, SQL_USAGE_RECENT, &q, "bbbi", id_bytes(&team), id_bytes(&first),
                             id_bytes(&behind), limit);
    buf_byte(b, '[');
    while (e == OK && (e = store_step(q)) == OK) {
        struct about a = {0};
        about_read(&a, store_str(q, 9));
        buf_json_comma(b);
        buf_byte(b, '{');
        buf_json_time(b, "timestamp", store_i64(q, 0));
        id_json(b, "request_id", "req_", id_of_bytes(store_str(q, 1)));
        buf_json_member(b, "model", store_str(q, 2));
        buf_json_i64(b, "input_tokens", store_i64(q, 3));
        buf_json_i64(b, "output_tokens", store_i64(q, 4));
        buf_json_nano_number(b, "cost_usd", store_nano(q, 5));
        buf_json_member(b, "status", store_i64(q, 6) < 400 ? STR("completed") : STR("failed"));
        buf_json_i64(b, "http_status", store_i64(q, 6));
        buf_json_member(b, "basis", str_c(basis_name(store_i64(q, 7))));
        buf_json_bool(b, "stream", about_int(&a, ABOUT_STREAM) != 0);
        if (store_i64(q, 8) != 0)
            buf_json_bool(b, "unresolved", true);
        buf_byte(b, '}');
    }
    buf_byte(b, ']');
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err gateway_usage_json(struct gateway *g, struct id team, int64_t start_us, int64_t end_us,
                            int64_t recent, struct buf *json)
{
    struct store_conn *conn = NULL;
    struct buf models;
    struct gateway_usage_sums all = {0, 0, 0, NANO(0)};
    buf_init(&models, 8u << 20);
    enum err e = store_reader_begin(g->o.store, &conn);
    if (e == OK)
        e = by_model(conn, team, start_us, end_us, clock_wall_us(), &all, &models);
    if (e == OK) {
        buf_json_nano_number(json, "total_cost", all.charge);
        buf_json_i64(json, "total_requests", all.requests);
        buf_json_i64(json, "total_tokens", all.input + all.output);
        buf_json_key(json, "by_model");
        buf_add(json, buf_str(&models));
        buf_json_key(json, "recent");
        e = recent_lines(conn, team, start_us, end_us, recent, json);
        buf_json_key(json, "period");
        buf_byte(json, '{');
        buf_json_time(json, "start", start_us);
        buf_json_time(json, "end", end_us);
        buf_byte(json, '}');
    }
    store_reader_end(&conn);
    buf_fini(&models);
    return e;
}

/* ---- for the operator ---- */

enum err gateway_unresolved_json(struct gateway *g, struct store_conn *conn, struct buf *json)
{
    (void)g;
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_USAGE_UNRESOLVED, &q, "");
    buf_byte(json, '[');
    while (e == OK && (e = store_step(q)) == OK) {
        buf_json_comma(json);
        buf_byte(json, '{');
        id_json(json, "request_id", "req_", id_of_bytes(store_str(q, 0)));
        id_json(json, "team_id", "team_", id_of_bytes(store_str(q, 1)));
        id_json(json, "key_id", "key_", id_of_bytes(store_str(q, 2)));
        buf_json_member(json, "model", store_str(q, 3));
        buf_json_member(json, "provider", store_str(q, 4));
        struct about a = {0};
        about_read(&a, store_str(q, 5));
        buf_json_member(json, "upstream_id", about_text(&a, ABOUT_UPSTREAM_ID));
        buf_json_i64(json, "status", store_i64(q, 6));
        buf_json_nano(json, "charged", store_nano(q, 7));
        buf_json_time(json, "started_at", store_i64(q, 8));
        buf_json_time(json, "ended_at", store_i64(q, 9));
        buf_json_member(json, "basis", str_c(basis_name(store_i64(q, 10))));
        buf_byte(json, '}');
    }
    buf_byte(json, ']');
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

struct team_sum {
    struct str team;
    int64_t lines, amount;
    bool there;
};

static enum err next_sum(struct store_query *q, struct team_sum *s)
{
    enum err e = store_step(q);
    s->there = e == OK;
    if (e == OK)
        *s = (struct team_sum){store_str(q, 0), store_i64(q, 1), store_i64(q, 2), true};
    return e == ERR_END ? OK : e;
}

static void differs(struct buf *report, const struct team_sum *a, const struct team_sum *b,
                    const char *sums)
{
    char text[ID_TEXT_MAX];
    struct id id = id_of_bytes(a->there ? a->team : b->team);
    buf_printf(report, "usage of %s: %lld lines, %lld nano-dollars; its %s say %lld, %lld\n",
               id_text("team_", id, text).p, (long long)(a->there ? a->lines : 0),
               (long long)(a->there ? a->amount : 0), sums, (long long)(b->there ? b->lines : 0),
               (long long)(b->there ? b->amount : 0));
}

/* Each line's charge against what the ledger posted for the call. */
static enum err lines_against_postings(struct store_conn *conn, uint64_t *mismatches,
                                       struct buf *report)
{
    struct store_query *q = NULL;
    char text[ID_TEXT_MAX];
    enum err e = store_start(conn, SQL_USAGE_CHARGES, &q, "");
    while (e == OK && (e = store_step(q)) == OK) {
        struct id call = id_of_bytes(store_str(q, 0));
        struct nano charge = store_nano(q, 1), posted = NANO(0);
        e = ledger_call_charged(conn, call, &posted);
        if (e != OK || posted.v == charge.v)
            continue;
        (*mismatches)++;
        buf_printf(report, "usage of %s: charged %lld nano-dollars, the ledger posted %lld\n",
                   id_text("req_", call, text).p, (long long)charge.v, (long long)posted.v);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

/* Lines against their sums, team by team; both come sorted by team. */
static enum err lines_against_sums(struct store_conn *conn, enum sql_id sql, const char *sums,
                                   uint64_t *ret_lines, uint64_t *mismatches, struct buf *report)
{
    struct store_query *lines = NULL, *hours = NULL;
    struct team_sum a = {.there = false}, b = {.there = false};
    uint64_t n = 0;
    enum err e = store_start(conn, SQL_USAGE_SUM_BY_TEAM, &lines, "");
    if (e == OK)
        e = store_start(conn, sql, &hours, "");
    if (e == OK)
        e = next_sum(lines, &a);
    if (e == OK)
        e = next_sum(hours, &b);
    while (e == OK && (a.there || b.there)) {
        int order = !a.there ? 1 : !b.there ? -1 : str_cmp(a.team, b.team);
        bool same = order == 0 && a.lines == b.lines && a.amount == b.amount;
        if (!same) {
            (*mismatches)++;
            differs(report, order <= 0 ? &a : &(struct team_sum){.there = false},
                    order >= 0 ? &b : &(struct team_sum){.there = false}, sums);
        }
        n += order <= 0 ? (uint64_t)a.lines : 0;
        if (order <= 0)
            e = next_sum(lines, &a);
        if (e == OK && order >= 0)
            e = next_sum(hours, &b);
    }
    store_finish(&lines);
    store_finish(&hours);
    *ret_lines = n;
    return e;
}

enum err gateway_usage_verify(struct gateway *g, struct store_conn *conn, uint64_t *ret_lines,
                              uint64_t *ret_mismatches, struct buf *report)
{
    (void)g;
    uint64_t lines = 0, wrong = 0;
    enum err e = lines_against_sums(conn, SQL_USAGE_HOUR_SUM_BY_TEAM, "hours", &lines, &wrong,
                                    report);
    if (e == OK)
        e = lines_against_sums(conn, SQL_USAGE_DAY_SUM_BY_TEAM, "days", &lines, &wrong, report);
    if (e == OK)
        e = lines_against_postings(conn, &wrong, report);
    *ret_lines = lines;
    *ret_mismatches = wrong;
    return e;
}

/* What a test looks at. */
#include "sandbox/see.h"

#include "base/mem.h"
#include "sandbox/inbox.h"
#include "sandbox/text.h"

enum {
    PAGE = 1024,
    LIMIT_DEFAULT = 200000, /* about 50 MB of JSON */
    LAST_DEFAULT = 20
};

/* A number of the query; false when it is none. */
static bool query_number(const struct http_request *r, struct arena *a, struct str name,
                         uint64_t fallback, uint64_t *ret_n)
{
    struct str text;
    *ret_n = fallback;
    return !http_query(r, a, name, &text) || str_to_u64(text, INT64_MAX, ret_n);
}

static enum err bad_number(struct http_reply *reply)
{
    reply->message = STR("since, limit and last are numbers.");
    return ERR_INVALID_REQUEST;
}

static void row_put(struct buf *b, const struct sandbox_shown *shown)
{
    const struct sandbox_entry *e = &shown->entry;
    char id[SANDBOX_ID_MAX];
    buf_add(b, STR("{\"order\":"));
    buf_u64(b, e->order);
    buf_json_member(b, "id", sandbox_id_text(e, shown->lane, shown->number, id));
    buf_json_member(b, "client_request_id", str_of(e->client_id, e->client_id_n));
    buf_json_member(b, "key", str_c(shown->key));
    buf_json_member(b, "model", str_c(shown->model));
    buf_json_i64(b, "prompt_tokens", e->prompt);
    buf_json_i64(b, "completion_tokens", e->completion);
    buf_json_i64(b, "cached_tokens", e->cached);
    buf_json_key(b, "cost");
    sandbox_decimal(b, e->cost_pico);
    buf_json_i64(b, "status", e->status);
    buf_json_bool(b, "streamed", (e->flags & SANDBOX_STREAMED) != 0);
    buf_json_bool(b, "finished", (e->flags & SANDBOX_FINISHED) != 0);
    buf_json_bool(b, "cancelled", (e->flags & SANDBOX_CANCELLED) != 0);
    buf_byte(b, '}');
}

static void totals_put(struct buf *b, const struct sandbox_totals *t)
{
    buf_json_key(b, "totals");
    buf_byte(b, '{');
    buf_json_i64(b, "requests", (int64_t)t->requests);
    buf_json_i64(b, "prompt_tokens", t->prompt);
    buf_json_i64(b, "completion_tokens", t->completion);
    buf_json_key(b, "cost");
    sandbox_decimal(b, t->cost_pico);
    buf_json_i64(b, "cost_pico", t->cost_pico);
    buf_json_i64(b, "unfinished", (int64_t)t->unfinished);
    buf_json_i64(b, "refused", (int64_t)t->refused);
    buf_json_i64(b, "abandoned", (int64_t)t->abandoned);
    buf_byte(b, '}');
}

static enum err ledger_slow(void *arg, const struct http_request *r, struct http_reply *reply)
{
    struct sandbox_lane *lane = arg;
    struct sandbox *s = lane->sandbox;
    uint64_t since, limit, all, until, dropped, shown = 0;
    if (!query_number(r, reply->arena, STR("since"), 0, &since) ||
        !query_number(r, reply->arena, STR("limit"), LIMIT_DEFAULT, &limit) ||
        !query_number(r, reply->arena, STR("all"), 0, &all))
        return bad_number(reply);
    struct buf *b = &reply->body;
    struct sandbox_totals totals = sandbox_tally_totals(s, &until, &dropped);
    struct sandbox_shown *page = mem_array(PAGE, sizeof(*page));
    bool more = false;
    buf_add(b, STR("{\"requests\":["));
    for (;;) {
        size_t n = sandbox_tally_page(s, since, until, page, PAGE);
        for (size_t i = 0; i < n && !more; i++) {
            bool listed = all != 0 || page[i].entry.status == 200;
            more = listed && (shown == limit || b->n + 1024 > b->max);
            if (more)
                break;
            since = page[i].entry.order;
            if (!listed)
                continue;
            buf_json_comma(b);
            row_put(b, &page[i]);
            shown++;
        }
        if (n < PAGE || more)
            break;
    }
    mem_free(page);
    buf_byte(b, ']');
    totals_put(b, &totals);
    buf_json_bool(b, "has_more", more);
    buf_json_i64(b, "next_since", (int64_t)since);
    buf_json_i64(b, "dropped", (int64_t)dropped);
    buf_byte(b, '}');
    return OK;
}

static void ledger_clear(void *arg, struct http_exchange *x)
{
    struct sandbox_lane *lane = arg;
    sandbox_tally_clear(lane->sandbox);
    http_start(x, 204);
    http_body(x, STR(""), STR(""));
}

static enum err requests_slow(void *arg, const struct http_request *r, struct http_reply *reply)
{
    struct sandbox_lane *lane = arg;
    uint64_t last;
    if (!query_number(r, reply->arena, STR("last"), LAST_DEFAULT, &last))
        return bad_number(reply);
    buf_add(&reply->body, STR("{\"requests\":["));
    sandbox_seen_show(lane->sandbox, last, &reply->body);
    buf_add(&reply->body, STR("]}"));
    return OK;
}

static void requests_clear(void *arg, struct http_exchange *x)
{
    struct sandbox_lane *lane = arg;
    sandbox_seen_clear(lane->sandbox);
    http_start(x, 204);
    http_body(x, STR(""), STR(""));
}

static enum err inbox_slow(void *arg, const struct http_request *r, struct http_reply *reply)
{
    struct sandbox_lane *lane = arg;
    struct str accept = http_request_header(r, STR("accept"));
    if (accept.p != NULL && str_find(accept, STR("text/html")) != SIZE_MAX) {
        reply->content_type = "text/html; charset=utf-8";
        sandbox_inbox_page(lane->sandbox->inbox, &reply->body);
    } else {
        sandbox_inbox_show(lane->sandbox->inbox, &reply->body);
    }
    return OK;
}

static void inbox_clear(void *arg, struct http_exchange *x)
{
    struct sandbox_lane *lane = arg;
    sandbox_inbox_clear(lane->sandbox->inbox);
    http_start(x, 204);
    http_body(x, STR(""), STR(""));
}

static void health_ready(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_start(x, 200);
    http_body(x, STR("application/json"), STR("{\"status\":\"ok\"}"));
}

size_t sandbox_see_routes(struct sandbox_lane *lane, struct http_route *routes, size_t n,
                          size_t max)
{
    const struct http_route table[] = {
        {.method = "GET", .path = "/sandbox/ledger", .lane = HTTP_SLOW, .slow = ledger_slow},
        {.method = "DELETE", .path = "/sandbox/ledger", .ready = ledger_clear},
        {.method = "GET", .path = "/sandbox/requests", .lane = HTTP_SLOW, .slow = requests_slow},
        {.method = "DELETE", .path = "/sandbox/requests", .ready = requests_clear},
        {.method = "GET", .path = "/sandbox/inbox", .lane = HTTP_SLOW, .slow = inbox_slow},
        {.method = "DELETE", .path = "/sandbox/inbox", .ready = inbox_clear},
        {.method = "GET", .path = "/health", .ready = health_ready},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        must(n < max);
        routes[n] = table[i];
        routes[n++].arg = lane;
    }
    return n;
}

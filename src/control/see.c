/* GET /health, /ready, /metrics; and the shape of errors. */
#include "base/clock.h"
#include "control/control.h"
#include "observe/observe.h"

#include <stdio.h>
#include <unistd.h>

static void health_ready(void *arg, struct http_exchange *x)
{
    struct control *c = arg;
    struct buf b;
    buf_init(&b, 512);
    buf_byte(&b, '{');
    buf_json_member(&b, "status", STR("ok"));
    buf_json_member(&b, "version", str_c(c->version));
    buf_json_time(&b, "timestamp", loop_wall_us(http_loop_of(x)));
    buf_byte(&b, '}');
    http_start(x, 200);
    http_set(x, STR("Cache-Control"), STR("no-store"));
    http_body(x, STR("application/json"), buf_str(&b));
    buf_fini(&b);
}

static void ready_ready(void *arg, struct http_exchange *x)
{
    struct control *c = arg;
    bool ledger = ledger_is_available(c->ledger);
    bool ok = atomic_load(&c->ready) && !atomic_load(&c->draining) && ledger;
    http_start(x, ok ? 200 : 503);
    http_set(x, STR("Cache-Control"), STR("no-store"));
    http_body(x, STR("application/json"),
              ok                          ? STR("{\"status\":\"ready\"}")
              : atomic_load(&c->draining) ? STR("{\"status\":\"draining\"}")
              : !ledger                   ? STR("{\"status\":\"ledger_unavailable\"}")
                                          : STR("{\"status\":\"starting\"}"));
}

struct http_route control_route_health(struct control *c)
{
    return (struct http_route){
        .method = "GET", .path = "/health", .lane = HTTP_FAST, .ready = health_ready, .arg = c};
}

struct http_route control_route_ready(struct control *c)
{
    return (struct http_route){
        .method = "GET", .path = "/ready", .lane = HTTP_FAST, .ready = ready_ready, .arg = c};
}

static bool may_see_metrics(const struct control *c, const struct http_request *r)
{
    struct str auth = http_request_header(r, STR("authorization"));
    struct str token = str_c(c->metrics_token);
    if (token.n == 0)
        return str_starts(r->peer, STR("127.")) || str_eq(r->peer, STR("::1"));
    return auth.p != NULL && str_starts_nocase(auth, STR("bearer ")) && auth.n == token.n + 7 &&
           crypto_eq(auth.p + 7, token.p, token.n);
}

/* The second figure of statm, in pages (proc(5)). */
static int64_t resident_bytes(void)
{
    char text[128];
    uint64_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    size_t n = f != NULL ? fread(text, 1, sizeof(text), f) : 0;
    if (f != NULL)
        fclose(f);
    struct str rest = str_of(text, n);
    str_cut(&rest, ' ');
    if (!str_to_u64(str_cut(&rest, ' '), INT32_MAX, &pages))
        return 0;
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static void add_jobs(const struct control *c, struct buf *b)
{
    struct store_conn *conn = NULL;
    struct jobs_counts n = {0};
    if (store_reader_begin(c->store, &conn) != OK)
        return;
    enum err e = jobs_count(conn, &n);
    store_reader_end(&conn);
    if (e != OK)
        return;
    observe_gauge(b, "tollgate_jobs_waiting", "jobs that wait for their time", n.waiting);
    observe_gauge(b, "tollgate_jobs_running", "jobs that are worked on", n.running);
    observe_gauge(b, "tollgate_jobs_needs_attention", "jobs that the operator has to look at",
                  n.needs_attention);
    observe_gauge(b, "tollgate_mail_configured", "0 while mails wait for a mail server",
                  mail_is_configured(c->mail));
}

enum err control_metrics(void *control, const struct http_request *r, struct http_reply *reply)
{
    struct control *c = control;
    struct buf *b = &reply->body;
    if (!may_see_metrics(c, r))
        return ERR_FORBIDDEN;
    struct ledger_counts l = ledger_counts(c->ledger);
    struct store_counts s = store_counts(c->store);
    observe_render(b);
    observe_gauge(b, "tollgate_ledger_holds_open", "holds without an end", (int64_t)l.holds_open);
    observe_gauge(b, "tollgate_ledger_queue_records", "records that wait for the writer",
                  (int64_t)l.queue_records);
    observe_gauge(b, "tollgate_ledger_projection_lag_records", "records not projected yet",
                  (int64_t)l.projected_lag_records);
    observe_gauge(b, "tollgate_ledger_write_offs", "settlements that no wallet covered whole",
                  (int64_t)l.write_offs);
    observe_gauge(b, "tollgate_store_commits", "commits since the start", (int64_t)s.commits);
    observe_gauge(b, "tollgate_store_records", "records in those commits", (int64_t)s.records);
    observe_gauge(b, "tollgate_store_commit_p50_microseconds", "median commit", s.commit_us_p50);
    observe_gauge(b, "tollgate_store_commit_p99_microseconds", "slow commits", s.commit_us_p99);
    observe_gauge(b, "tollgate_store_wal_bytes", "size of the write-ahead log", s.wal_bytes);
    observe_gauge(b, "tollgate_store_queue", "control writes that wait", (int64_t)s.queue);
    observe_gauge(b, "tollgate_store_full", "1 while the disk is full", store_is_full(c->store));
    add_jobs(c, b);
    observe_gauge(b, "tollgate_log_lines_dropped", "log lines that found no room",
                  (int64_t)observe_lines_dropped());
    observe_gauge(b, "process_resident_memory_bytes", "resident memory", resident_bytes());
    observe_gauge(b, "process_start_time_seconds", "start of the process",
                  c->started_us / US_PER_S);
    reply->content_type = "text/plain; version=0.0.4";
    return OK;
}

void control_render_error(void *control, struct str path, enum err e, struct str message,
                          struct str field, const char *request_id, struct buf *headers,
                          struct buf *body)
{
    (void)control;
    const struct err_info *i = err_info(e);
    bool retry_off = i->status == 402 || e == ERR_SPEND_CAP_REACHED;
    if (retry_off && str_find(buf_str(headers), STR("x-should-retry")) == SIZE_MAX)
        buf_add(headers, STR("x-should-retry: false\r\n"));
    if (i->status == 401)
        buf_add(headers, STR("WWW-Authenticate: Bearer\r\n"));
    bool told = str_find(buf_str(headers), STR("Retry-After")) != SIZE_MAX ||
                str_find(buf_str(headers), STR("x-should-retry")) != SIZE_MAX;
    if (i->status == 503 && !told)
        buf_add(headers, STR("Retry-After: 1\r\n"));
    if (str_starts(path, STR("/v1/")) || str_eq(path, STR("/v1"))) {
        gateway_error_body(e, message, field, body);
        return;
    }
    buf_add(body, STR("{\"error\":{"));
    buf_json_member(body, "code", str_c(i->code));
    buf_json_member(body, "message", message.n != 0 ? message : str_c(i->meaning));
    if (field.n != 0)
        buf_json_member(body, "field", field);
    buf_json_member(body, "request_id", str_c(request_id));
    buf_add(body, STR("}}"));
}

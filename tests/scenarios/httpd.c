/* A server with routes that plays can pull at. Says "listening" when it is; SIGTERM drains, SIGHUP
 * reads the certificate again, SIGINT ends at once.
 *
 *   httpd --listen A:P [--tls-listen A:P --cert F --key F] [--ca F] [--upstream URL]
 *         [--idle-ms N] [--head-ms N] [--body-ms N] [--write-ms N] [--drain-ms N]
 *         [--connections N] [--buffered N] [--trusted NETS] [--line N] [--keep-ms N] */
#include "tests/scenarios/httpd.h"
#include "base/clock.h"
#include "base/crypto.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct httpd httpd;

struct settings {
    const char *listen, *tls_listen, *cert, *key, *ca, *upstream, *trusted;
    uint64_t idle_ms, head_ms, body_ms, write_ms, drain_ms, connections, buffered, line, keep_ms;
};
static struct settings settings = {.drain_ms = 5000};
static struct loop_tls *server_tls;
static struct loop_listener *plain_listener, *tls_listener;

/* ---- routes ---- */

static void hello(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_start(x, 200);
    http_body(x, STR("application/json"), STR("{\"ok\":true}"));
}

static void echo(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_start(x, 200);
    http_set(x, STR("X-Peer"), http_request_of(x)->peer);
    http_body(x, STR("application/octet-stream"), http_request_of(x)->body);
}

static void rest(void *arg, struct http_exchange *x)
{
    (void)arg;
    const struct http_request *q = http_request_of(x);
    http_start(x, 200);
    struct str text = arena_printf(http_arena(x), "%.*s|%.*s", STR_ARG(q->params[0]),
                                   STR_ARG(q->params[1]));
    http_body(x, STR("text/plain"), text);
}

static uint64_t param_number(struct http_exchange *x, uint64_t max)
{
    uint64_t n = 0;
    return str_to_u64(http_request_of(x)->params[0], max, &n) ? n : 0;
}

static void chunks(void *arg, struct http_exchange *x)
{
    (void)arg;
    uint64_t n = param_number(x, 100000);
    http_start(x, 200);
    http_set(x, STR("Content-Type"), STR("text/plain"));
    http_set(x, STR("Trailer"), STR("X-Sum"));
    http_stream(x, -1);
    for (uint64_t i = 0; i < n; i++) {
        char text[40];
        int len = snprintf(text, sizeof(text), "piece %llu\n", (unsigned long long)i);
        http_write(x, str_of(text, (size_t)len));
    }
    http_trailer(x, STR("X-Sum"), STR("done"));
    http_end(x);
}

/* A large answer in pieces, as the client takes them. */
struct big {
    struct http_exchange *x;
    uint64_t left;
};

static void big_more(void *arg)
{
    static const char zeros[16384];
    struct big *b = arg;
    while (b->left != 0 && http_queued(b->x) < 128 * 1024) {
        size_t n = b->left < sizeof(zeros) ? (size_t)b->left : sizeof(zeros);
        http_write(b->x, str_of(zeros, n));
        b->left -= n;
    }
    if (b->left == 0)
        http_end(b->x);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void big(void *arg, struct http_exchange *x)
{
    (void)arg;
    static const struct http_events events = {.drained = big_more, .gone = nothing};
    struct big *b = arena_zalloc(http_arena(x), sizeof(*b));
    must(b != NULL);
    *b = (struct big){.x = x, .left = param_number(x, UINT64_C(1) << 40)};
    http_exchange_set(x, &events, b);
    http_start(x, 200);
    http_stream(x, (int64_t)b->left);
    big_more(b);
}

struct later {
    struct http_exchange *x;
    struct loop_timer timer;
};

static void later_now(void *arg)
{
    struct later *l = arg;
    struct http_exchange *x = l->x;
    http_start(x, 200);
    http_body(x, STR("text/plain"), STR("later"));
}

static void later_gone(void *arg)
{
    struct later *l = arg;
    loop_timer_stop(&l->timer);
}

static void later(void *arg, struct http_exchange *x)
{
    (void)arg;
    static const struct http_events events = {.gone = later_gone};
    struct later *l = arena_zalloc(http_arena(x), sizeof(*l));
    must(l != NULL);
    l->x = x;
    loop_timer_init(&l->timer, http_loop_of(x), later_now, l);
    loop_timer_start(&l->timer, (int64_t)param_number(x, 60000) * US_PER_MS);
    http_exchange_set(x, &events, l);
}

static bool refuse_head(void *arg, struct http_exchange *x)
{
    (void)arg;
    if (http_header(x, STR("authorization")).p != NULL)
        return true;
    http_error(x, ERR_MISSING_API_KEY, STR(""), STR(""), STR("WWW-Authenticate: Bearer\r\n"));
    return false;
}

static enum err work(void *arg, const struct http_request *q, struct http_reply *reply)
{
    (void)arg;
    struct str status;
    if (http_query(q, reply->arena, STR("fail"), &status)) {
        reply->message = arena_printf(reply->arena, "failed on %.*s", STR_ARG(status));
        reply->field = STR("fail");
        return ERR_VALIDATION_FAILED;
    }
    buf_add(&reply->headers, STR("X-Worked: yes\r\n"));
    buf_add(&reply->body, STR("{"));
    buf_json_i64(&reply->body, "bytes", (int64_t)q->body.n);
    buf_add(&reply->body, STR("}"));
    return OK;
}

static void counts(void *arg, struct http_exchange *x)
{
    (void)arg;
    struct upstream_counts c = upstream_pool_counts(httpd.pool);
    http_start(x, 200);
    http_set_i64(x, STR("X-Buffered"), (int64_t)httpd.buffered);
    http_set_i64(x, STR("X-Connections"), (int64_t)http_server_connections(httpd.server));
    http_set_i64(x, STR("X-Up-Open"), (int64_t)c.open);
    http_set_i64(x, STR("X-Up-Idle"), (int64_t)c.idle);
    http_set_i64(x, STR("X-Up-Opened"), (int64_t)c.opened);
    http_set_i64(x, STR("X-Up-Reused"), (int64_t)c.reused);
    http_set_i64(x, STR("X-Up-Failed"), (int64_t)c.failed);
    http_body(x, STR(""), STR(""));
}

#define MIB (1024u * 1024)
static const struct http_route routes[] = {
    {.method = "GET", .path = "/hello", .ready = hello},
    {.method = "POST", .path = "/echo", .body_bytes_max = MIB, .ready = echo},
    {.method = "GET", .path = "/rest/{id}/{path*}", .ready = rest},
    {.method = "GET", .path = "/chunks/{n}", .ready = chunks},
    {.method = "GET", .path = "/big/{n}", .ready = big},
    {.method = "GET", .path = "/later/{ms}", .ready = later},
    {.method = "POST",
     .path = "/locked",
     .body_bytes_max = MIB,
     .head = refuse_head,
     .ready = echo},
    {.method = "POST", .path = "/work", .lane = HTTP_SLOW, .body_bytes_max = MIB, .slow = work},
    {.method = "GET", .path = "/proxy", .ready = proxy_ready},
    {.method = "POST", .path = "/proxy", .body_bytes_max = 32 * MIB, .ready = proxy_ready},
    {.method = "GET", .path = "/up", .ready = proxy_fixed},
    {.method = "POST", .path = "/up", .body_bytes_max = 32 * MIB, .ready = proxy_fixed},
    {.method = "GET", .path = "/counts", .ready = counts},
};

/* ---- the program ---- */

NORETURN static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "httpd: %s: %s\n", what, why);
    exit(1);
}

static void set(const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **text;
        uint64_t *number;
    } rows[] = {
        {"--listen", &settings.listen, NULL},
        {"--tls-listen", &settings.tls_listen, NULL},
        {"--cert", &settings.cert, NULL},
        {"--key", &settings.key, NULL},
        {"--ca", &settings.ca, NULL},
        {"--upstream", &settings.upstream, NULL},
        {"--trusted", &settings.trusted, NULL},
        {"--idle-ms", NULL, &settings.idle_ms},
        {"--head-ms", NULL, &settings.head_ms},
        {"--body-ms", NULL, &settings.body_ms},
        {"--write-ms", NULL, &settings.write_ms},
        {"--drain-ms", NULL, &settings.drain_ms},
        {"--connections", NULL, &settings.connections},
        {"--buffered", NULL, &settings.buffered},
        {"--line", NULL, &settings.line},
        {"--keep-ms", NULL, &settings.keep_ms},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        if (rows[i].text != NULL)
            *rows[i].text = value;
        else if (!str_to_u64(str_c(value), UINT32_MAX, rows[i].number))
            die(name, "not a number");
        return;
    }
    die(name, "no such option");
}

static void listen_at(const char *text, struct loop_tls *tls, struct loop_listener **ret_l)
{
    union loop_addr addr;
    if (text == NULL)
        return;
    if (loop_addr_parse(str_c(text), &addr) != OK ||
        loop_listen(httpd.loop, &addr, tls, true, http_server_accept, httpd.server, ret_l) != OK)
        die(text, "cannot listen there");
}

static void drained(void *arg)
{
    (void)arg;
    loop_stop(httpd.loop);
}

static void drain(void *arg)
{
    (void)arg;
    loop_listener_close(&plain_listener);
    loop_listener_close(&tls_listener);
    upstream_pool_flush(httpd.pool, 0);
    http_server_drain(httpd.server, (int64_t)settings.drain_ms * US_PER_MS, drained, NULL);
}

static void reload(void *arg)
{
    (void)arg;
    char why[256];
    if (server_tls == NULL)
        return;
    if (loop_tls_server_reload(server_tls, why, sizeof(why)) != OK)
        (void)printf("kept: %s\n", why);
    else
        (void)printf("reloaded\n");
    (void)fflush(stdout);
}

static sigset_t signals;

static void *signals_thread(void *arg)
{
    int sig;
    while (sigwait(&signals, &sig) == 0 && sig != SIGINT)
        loop_post(httpd.loop, sig == SIGHUP ? reload : drain, NULL);
    loop_stop(httpd.loop);
    return arg;
}

static void tls_init(void)
{
    char why[256];
    if (settings.cert != NULL &&
        loop_tls_server_new(settings.cert, settings.key, &server_tls, why, sizeof(why)) != OK)
        die(settings.cert, why);
    if (settings.ca != NULL &&
        loop_tls_client_new(settings.ca, &httpd.client_tls, why, sizeof(why)) != OK)
        die(settings.ca, why);
}

static void wire_up(void)
{
    const struct http_options o = {
        .routes = routes,
        .routes_n = sizeof(routes) / sizeof(routes[0]),
        .server_name = "httpd",
        .request_id_header = "X-Tollgate-Request-ID",
        .trusted_proxies = str_c(settings.trusted),
        .idle_us = (int64_t)settings.idle_ms * US_PER_MS,
        .head_us = (int64_t)settings.head_ms * US_PER_MS,
        .body_us = (int64_t)settings.body_ms * US_PER_MS,
        .write_us = (int64_t)settings.write_ms * US_PER_MS,
        .connections_max = settings.connections,
        .buffered = &httpd.buffered,
        .buffered_max = settings.buffered,
    };
    const struct upstream_options u = {.connections_per_target_max = settings.line,
                                       .idle_us = (int64_t)settings.keep_ms * US_PER_MS};
    const char *why;
    httpd.loop = loop_new();
    httpd.server = http_server_new(httpd.loop, &o);
    httpd.pool = upstream_pool_new(httpd.loop, &u);
    if (settings.upstream != NULL &&
        upstream_url_parse(str_c(settings.upstream), &httpd.fixed, &httpd.fixed_path, &why) != OK)
        die(settings.upstream, why);
    httpd.fixed.tls_context = httpd.client_tls;
    listen_at(settings.listen, NULL, &plain_listener);
    listen_at(settings.tls_listen, server_tls, &tls_listener);
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2)
        set(argv[i], argv[i + 1]);
    must(sigemptyset(&signals) == 0 && sigaddset(&signals, SIGTERM) == 0 &&
         sigaddset(&signals, SIGHUP) == 0 && sigaddset(&signals, SIGINT) == 0);
    must(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0);
    crypto_init();
    tls_init();
    wire_up();
    pthread_t thread;
    must(pthread_create(&thread, NULL, signals_thread, NULL) == 0);
    (void)printf("listening\n");
    (void)fflush(stdout);
    loop_run(httpd.loop);
    must(kill(getpid(), SIGINT) == 0);
    must(pthread_join(thread, NULL) == 0);
    upstream_pool_free(&httpd.pool);
    http_server_free(&httpd.server);
    loop_free(&httpd.loop);
    loop_tls_free(&server_tls);
    loop_tls_free(&httpd.client_tls);
    (void)printf("ended\n");
    return 0;
}

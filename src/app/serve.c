/* `tollgate serve`: loops on every core, listeners, the operator's door, signals, jobs.
 *
 *   main thread        opens the house, waits for signals, writes times of last use
 *   loop threads       accept, parse, gateway, relay
 *   store's writer     commits
 *   worker threads     slow handlers */
#include "app/socket.h"
#include "app/verbs.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "console/console.h"
#include "control/account.h"
#include "control/routes.h"
#include "identity/session.h"
#include "observe/observe.h"
#include "tbl/routes.h"
#include "version.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOOPS_MAX 256
#define LISTENERS 3
/* Each route, and what a browser asks before it. */
#define ONE_ROUTE(name, method, path, lane, handler, body, need, summary) +1
#define ROUTES_MAX (2 * (0 ROUTE_TABLE(ONE_ROUTE)))
#define FLUSH_PERIOD_US (20 * US_PER_S)
#define DRAIN_POLL_US (20 * US_PER_MS)

struct lane {
    struct server *server;
    struct loop *loop;
    struct gateway_loop *gateway;
    struct http_server *http;
    struct loop_listener *listeners[LISTENERS];
    struct http_route routes[ROUTES_MAX];
    size_t routes_n;
    struct control_door doors[ROUTES_MAX];
    size_t doors_n;
    struct loop_timer drain;
    int64_t drain_until_us;
    pthread_t thread;
};

struct server {
    struct house house;
    struct lane lanes[LOOPS_MAX];
    size_t lanes_n;
    struct loop_tls *tls;
    struct socket_door *door;
    char request_id_header[64];
    char setup[IDENTITY_LINK_TEXT_MAX]; /* until it is told */
    struct str cors;
    struct console *console;
};

/* ---- routes ---- */

static struct http_route slow(const char *method, const char *path, size_t body_bytes_max,
                              enum err (*fn)(void *, const struct http_request *,
                                             struct http_reply *),
                              void *arg)
{
    return (struct http_route){.method = method,
                               .path = path,
                               .lane = HTTP_SLOW,
                               .body_bytes_max = body_bytes_max,
                               .slow = fn,
                               .arg = arg};
}

/* Behind the door: who may ask is settled before the handler runs. */
static struct http_route ask(struct lane *l, const char *method, const char *path,
                             size_t body_bytes_max, control_ask_f fn, enum control_need need)
{
    must(l->doors_n < ROUTES_MAX);
    struct control_door *d = &l->doors[l->doors_n++];
    *d = (struct control_door){.control = &l->server->house.control, .ask = fn, .need = need};
    return slow(method, path, body_bytes_max, control_door_open, d);
}

/* Which object a handler of the table belongs to. */
#define ARG_gateway_route_chat l->gateway
#define ARG_gateway_route_completions l->gateway
#define ARG_gateway_route_embeddings l->gateway
#define ARG_gateway_route_models l->gateway
#define ARG_gateway_route_model l->gateway
#define ARG_gateway_generation l->server->house.gateway
#define ARG_control_me &l->server->house.control
#define ARG_control_me_usage &l->server->house.control
#define ARG_control_keys_validate &l->server->house.control
#define ARG_control_route_health &l->server->house.control
#define ARG_control_route_ready &l->server->house.control
#define ARG_control_metrics &l->server->house.control
#define ARG_console_route_home l->server->console
#define ARG_console_route l->server->console

/* A browser asks before it sends (the Fetch standard's CORS preflight); answer_headers says whether
 * its origin may. */
static void preflight(void *arg, struct http_exchange *x)
{
    (void)arg;
    struct str wanted = http_header(x, STR("access-control-request-headers"));
    http_start(x, 204);
    http_set(x, STR("Access-Control-Allow-Methods"), STR("GET, POST, PUT, PATCH, DELETE"));
    if (wanted.p != NULL && http1_value_is_sane(wanted))
        http_set(x, STR("Access-Control-Allow-Headers"), wanted);
    http_set(x, STR("Access-Control-Max-Age"), STR("600"));
    http_body(x, STR(""), STR(""));
}

static bool has_preflight(const struct lane *l, const char *path)
{
    for (size_t i = 0; i < l->routes_n; i++)
        if (strcmp(l->routes[i].method, "OPTIONS") == 0 && strcmp(l->routes[i].path, path) == 0)
            return true;
    return false;
}

static void add_preflights(struct lane *l)
{
    for (size_t i = 0, n = l->routes_n; i < n; i++) {
        const char *path = l->routes[i].path;
        if (has_preflight(l, path))
            continue;
        must(l->routes_n < ROUTES_MAX);
        l->routes[l->routes_n++] = (struct http_route){
            .method = "OPTIONS", .path = path, .lane = HTTP_FAST, .ready = preflight, .arg = l};
    }
}

static void make_routes(struct lane *l)
{
#define ADD_FAST(method, path, handler, body, need) handler(ARG_##handler)
#define ADD_SLOW(method, path, handler, body, need) slow(method, path, body, handler, ARG_##handler)
#define ADD_ASK(method, path, handler, body, need) ask(l, method, path, body, handler, NEED_##need)
#define ROUTE(name, method, path, lane, handler, body, need, summary)                              \
    l->routes[l->routes_n++] = ADD_##lane(method, path, handler, body, need);
    ROUTE_TABLE(ROUTE)
#undef ROUTE
    must(l->routes_n <= ROUTES_MAX);
    if (l->server->cors.n != 0)
        add_preflights(l);
}

/* ---- every answer ---- */

static bool origin_is_allowed(struct str list, struct str origin)
{
    while (list.n != 0)
        if (str_eq(str_trim(str_cut(&list, ',')), origin))
            return origin.n != 0;
    return false;
}

static void answer_headers(void *arg, const struct http_request *r, struct buf *headers)
{
    const struct server *s = arg;
    bool https = r->tls || str_starts(str_c(s->house.config->server_public_url), STR("https://"));
    console_headers(s->console, r->path, https, headers);
    if (s->cors.n == 0)
        return;
    struct str origin = http_request_header(r, STR("origin"));
    buf_add(headers, STR("Vary: Origin\r\n"));
    if (origin_is_allowed(s->cors, origin))
        buf_printf(headers,
                   "Access-Control-Allow-Origin: %.*s\r\n"
                   "Access-Control-Expose-Headers: *\r\n",
                   STR_ARG(origin));
}

static void render(void *arg, struct str path, enum err e, struct str message, struct str field,
                   const char *request_id, struct buf *headers, struct buf *body)
{
    struct server *s = arg;
    control_render_error(&s->house.control, path, e, message, field, request_id, headers, body);
}

/* Clients that still know a former host are sent on, body and method with them. Stripe follows no
 * redirects, and its events are signed: they are taken wherever they come. */
static bool divert(void *arg, struct http_exchange *x)
{
    const struct server *s = arg;
    const struct http_request *r = http_request_of(x);
    struct str hosts = str_c(s->house.config->server_redirect_hosts);
    if (hosts.n == 0 || !str_starts(r->path, STR("/api/")) ||
        str_eq(r->path, STR("/api/stripe/webhook")))
        return false;
    struct str host = http_header(x, STR("host"));
    host = str_upto(host, str_index(host, ':'));
    while (hosts.n != 0) {
        if (host.n == 0 || !str_eq_nocase(str_trim(str_cut(&hosts, ',')), host))
            continue;
        struct str to = arena_printf(http_arena(x), "%s%.*s%s%.*s", s->house.public_url,
                                     STR_ARG(r->path), r->query.n != 0 ? "?" : "",
                                     STR_ARG(r->query));
        http_start(x, 307);
        http_set(x, STR("Location"), to);
        http_body(x, STR(""), STR(""));
        return true;
    }
    return false;
}

static void finished(void *arg, const struct http_exchange *x, int status, uint64_t body_bytes)
{
    (void)arg;
    (void)x;
    (void)body_bytes;
    observe_add(METRIC_REQUESTS, 1);
    if (status >= 400)
        observe_add(status >= 500 ? METRIC_REQUESTS_5XX : METRIC_REQUESTS_4XX, 1);
}

/* ---- loops ---- */

static void set_port(union loop_addr *addr, uint16_t port)
{
    if (addr->sa.sa_family == AF_INET6)
        addr->in6.sin6_port = htons(port);
    else
        addr->in.sin_port = htons(port);
}

static enum err listen_on(struct lane *l, size_t slot, const char *address, struct loop_tls *tls,
                          bool first, struct buf *why)
{
    union loop_addr addr;
    if (address[0] == '\0')
        return OK;
    enum err e = loop_addr_parse(str_c(address), &addr);
    if (e == OK && !first) /* of port 0 the first loop has made a real one */
        set_port(&addr, loop_listener_port(l->server->lanes[0].listeners[slot]));
    if (e == OK)
        e = loop_listen(l->loop, &addr, tls, first, http_server_accept, l->http,
                        &l->listeners[slot]);
    if (e == ERR_CONFLICT)
        buf_printf(why, "%s is in use by another process; choose another with --listen", address);
    else if (e != OK)
        buf_printf(why, "cannot listen on %s: %s", address, err_info(e)->meaning);
    return e;
}

static enum err lane_open(struct server *s, size_t i, struct buf *why)
{
    struct lane *l = &s->lanes[i];
    const struct config *c = s->house.config;
    l->server = s;
    l->loop = loop_new();
    s->lanes_n = i + 1;
    enum err e = gateway_loop_new(s->house.gateway, l->loop, &l->gateway);
    if (e != OK) {
        buf_add(why, str_c(err_info(e)->meaning));
        return e;
    }
    make_routes(l);
    struct http_options o = {.routes = l->routes,
                             .routes_n = l->routes_n,
                             .request_id_header = s->request_id_header,
                             .trusted_proxies = str_c(c->server_trusted_proxies),
                             .idle_us = c->server_idle_timeout,
                             .head_us = c->server_head_timeout,
                             .body_us = c->server_body_timeout,
                             .connections_max = (size_t)c->server_connections_max,
                             .buffered = &s->house.buffered,
                             .buffered_max = (size_t)c->server_buffered_bytes_max,
                             .divert = divert,
                             .render = render,
                             .finished = finished,
                             .headers = answer_headers,
                             .arg = s};
    l->http = http_server_new(l->loop, &o);
    e = listen_on(l, 0, c->server_listen, NULL, i == 0, why);
    if (e == OK)
        e = listen_on(l, 1, c->server_tls_listen, s->tls, i == 0, why);
    if (e == OK)
        e = listen_on(l, 2, c->server_metrics_listen, NULL, i == 0, why);
    return e;
}

static void *run_lane(void *lane)
{
    thread_name("tg-loop");
    thread_be_prompt();
    loop_run(((struct lane *)lane)->loop);
    return NULL;
}

/* ---- draining ---- */

static void drain_poll(void *lane)
{
    struct lane *l = lane;
    if (gateway_loop_calls(l->gateway) == 0 || loop_now_us(l->loop) >= l->drain_until_us) {
        loop_stop(l->loop);
        return;
    }
    loop_timer_start(&l->drain, DRAIN_POLL_US);
}

/* The clients are served; calls that go on without one (read on, or asked about) are let to end. */
static void clients_done(void *lane)
{
    struct lane *l = lane;
    gateway_loop_drain(l->gateway);
    loop_timer_init(&l->drain, l->loop, drain_poll, l);
    drain_poll(l);
}

static void drain(void *lane)
{
    struct lane *l = lane;
    int64_t within = l->server->house.config->server_drain_timeout;
    for (size_t i = 0; i < LISTENERS; i++)
        if (l->listeners[i] != NULL)
            loop_listener_close(&l->listeners[i]);
    l->drain_until_us = loop_now_us(l->loop) + within;
    http_server_drain(l->http, within, clients_done, l);
}

/* ---- the main thread ---- */

static void reload(struct server *s)
{
    char why[256] = "";
    observe_reopen();
    if (s->tls != NULL && loop_tls_server_reload(s->tls, why, sizeof(why)) != OK)
        observe_say("error", "reload_failed", "the certificate stays as it was: %s", why);
    else
        observe_say("info", "reloaded", "log file and certificate were opened again");
}

static void flush(struct server *s)
{
    if (identity_flush_last_used(s->house.identity) != OK)
        observe_say("error", "last_used_failed", "times of last use could not be written");
}

static void wait_for_end(struct server *s, const sigset_t *signals)
{
    int64_t next_flush = clock_mono_us() + FLUSH_PERIOD_US;
    for (;;) {
        struct timespec t = {.tv_sec = 1};
        int sig = sigtimedwait(signals, NULL, &t);
        if (sig == SIGTERM || sig == SIGINT)
            return;
        if (sig == SIGHUP)
            reload(s);
        if (clock_mono_us() >= next_flush) {
            flush(s);
            next_flush = clock_mono_us() + FLUSH_PERIOD_US;
        }
    }
}

static void raise_file_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

/* The configured address with the port that was really taken. */
static struct str listens_on(const struct server *s, size_t slot, const char *address,
                             char text[LOOP_ADDR_TEXT_MAX])
{
    union loop_addr addr;
    must(loop_addr_parse(str_c(address), &addr) == OK);
    set_port(&addr, loop_listener_port(s->lanes[0].listeners[slot]));
    return loop_addr_text(&addr, true, text);
}

static enum err open_all(struct server *s, struct buf *why)
{
    const struct config *c = s->house.config;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = c->server_threads > 0 ? (size_t)c->server_threads : cores > 0 ? (size_t)cores : 1;
    char text[256] = "", address[LOOP_ADDR_TEXT_MAX];
    if (!http_nets_are_valid(str_c(c->server_trusted_proxies))) {
        buf_add(why, STR("[server] trusted_proxies must be addresses or nets, comma separated"));
        return ERR_INVALID_REQUEST;
    }
    snprintf(s->request_id_header, sizeof(s->request_id_header), "%sRequest-ID",
             c->brand_header_prefix);
    s->cors = str_c(c->server_cors_origins);
    s->console = console_new(str_c(c->brand_name), str_c(c->brand_color), str_c(c->brand_logo_url));
    enum err e = house_open(&s->house, true, why);
    if (e == OK && c->server_tls_listen[0] != '\0') {
        e = loop_tls_server_new(c->server_tls_cert, c->server_tls_key, &s->tls, text, sizeof(text));
        buf_add(why, str_c(text));
    }
    for (size_t i = 0; e == OK && i < n && i < LOOPS_MAX; i++)
        e = lane_open(s, i, why);
    if (e == OK)
        house_make_urls(&s->house, listens_on(s, 0, c->server_listen, address));
    if (e == OK)
        e = socket_door_open(&s->house, &s->door, why);
    if (e == OK && control_setup_begin(&s->house.control, s->setup) != OK)
        s->setup[0] = '\0'; /* there is an operator already */
    if (e == OK && (e = jobs_start(s->house.jobs)) != OK)
        buf_add(why, STR("the jobs cannot be started"));
    return e;
}

/* A house without operators prints a link, good once and for this run, that makes the first. It
 * goes to the terminal alone: the log is read by others. */
static void tell_setup(struct server *s)
{
    if (s->setup[0] != '\0')
        printf("set up its first operator at %s/setup?token=%s\n", s->house.public_url, s->setup);
    mem_wipe(s->setup, sizeof(s->setup));
}

static void tell_start(struct server *s, int64_t began_us)
{
    const struct house *h = &s->house;
    char text[LOOP_ADDR_TEXT_MAX];
    printf("tollgate %s listens on http://%.*s\n", TOLLGATE_VERSION,
           STR_ARG(listens_on(s, 0, h->config->server_listen, text)));
    if (h->config->server_tls_listen[0] != '\0')
        printf("tollgate listens on https://%.*s\n",
               STR_ARG(listens_on(s, 1, h->config->server_tls_listen, text)));
    tell_setup(s);
    fflush(stdout);
    observe_say("info", "started", "ready in %lld ms; %d loops; database %s",
                (long long)((clock_mono_us() - began_us) / 1000), (int)s->lanes_n,
                store_is_postgres(h->store) ? "PostgreSQL" : "SQLite");
    if (h->recovered_voided + h->recovered_settled != 0)
        observe_say("warn", "recovered",
                    "calls that the last end cut off: %d voided, %d settled, %d without a known "
                    "outcome (see 'tollgate ledger unresolved')",
                    h->recovered_voided, h->recovered_settled, h->recovered_unresolved);
}

static void close_all(struct server *s)
{
    socket_door_close(&s->door);
    jobs_stop(s->house.jobs);
    for (size_t i = 0; i < s->lanes_n; i++) {
        struct lane *l = &s->lanes[i];
        if (l->http != NULL)
            http_server_free(&l->http);
        if (l->gateway != NULL && gateway_loop_calls(l->gateway) != 0) {
            /* An upstream outlasted the drain: its holds are found at the next start. */
            observe_say("warn", "calls_left", "%zu calls were still open at the end",
                        gateway_loop_calls(l->gateway));
            continue;
        }
        gateway_loop_free(&l->gateway);
        loop_free(&l->loop);
    }
    console_free(&s->console);
    house_close(&s->house);
    if (s->tls != NULL)
        loop_tls_free(&s->tls);
}

int app_serve(struct cli_args *args)
{
    struct server *s = mem_zalloc(sizeof(*s));
    struct buf why;
    sigset_t signals;
    int64_t began = clock_mono_us();
    buf_init(&why, 64u * 1024);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread, so that all inherit it */
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    enum err e = house_configure(&s->house, args, &why);
    const char *listen = cli_value(args, "listen");
    if (e == OK && listen != NULL) {
        mem_free(s->house.config->server_listen);
        s->house.config->server_listen = mem_dup(listen, strlen(listen));
        e = config_check(s->house.config, &why);
    }
    if (e == OK && observe_start(s->house.config->log_file) != OK) {
        buf_printf(&why, "the log file %s cannot be opened", s->house.config->log_file);
        e = ERR_IO;
    }
    if (e == OK)
        e = open_all(s, &why);
    if (e == OK) {
        for (size_t i = 0; i < s->lanes_n; i++)
            must(pthread_create(&s->lanes[i].thread, NULL, run_lane, &s->lanes[i]) == 0);
        atomic_store(&s->house.control.ready, true);
        tell_start(s, began);
        wait_for_end(s, &signals);
        observe_say("info", "draining", "no new connections; running calls may finish");
        atomic_store(&s->house.control.draining, true);
        for (size_t i = 0; i < s->lanes_n; i++)
            loop_post(s->lanes[i].loop, drain, &s->lanes[i]);
        for (size_t i = 0; i < s->lanes_n; i++)
            pthread_join(s->lanes[i].thread, NULL);
    }
    bool failed = e != OK;
    if (failed)
        cli_fail("%.*s", STR_ARG(buf_str(&why)));
    if (!failed) {
        close_all(s);
        observe_say("info", "stopped", "everything is on disk");
    }
    observe_stop();
    buf_fini(&why);
    if (!failed)
        mem_free(s); /* else the writer's thread may still look at it, and the process ends now */
    return failed ? CLI_FAILED : CLI_DONE;
}

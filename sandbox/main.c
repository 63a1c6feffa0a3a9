/* tollgate-sandbox: the providers of the world on loopback, deterministic, with faults on demand.
 *
 * One thread per loop serves HTTP; the first loop takes SMTP too. The main thread waits for SIGTERM
 * or SIGINT. */
#include "base/mem.h"
#include "sandbox/inbox.h"
#include "sandbox/keys.h"
#include "sandbox/llm.h"
#include "sandbox/see.h"
#include "sandbox/smtp.h"
#include "sandbox/stripe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ROUTES_MAX = 64,
    CONNECTIONS_MAX = 60000,
    THREADS_DEFAULT = 2,
    TALLY_DEFAULT = 4 * 1000 * 1000
};
#define BUFFERED_MAX ((size_t)2 * 1024 * 1024 * 1024)

struct arguments {
    struct str listen, smtp, webhook, secret;
    const char *port_file;
    uint64_t seed, threads, tally_max;
};

struct lane_thread {
    struct sandbox_lane *lane;
    struct loop_listener *listener;
    struct http_route routes[ROUTES_MAX];
    pthread_t thread;
};

static const char usage[] =
    "tollgate-sandbox --listen HOST:PORT [--seed N] [--threads N] [--smtp HOST:PORT]\n"
    "                 [--port-file FILE] [--ledger-max N]\n"
    "\n"
    "  --listen HOST:PORT   where OpenRouter (/api/v1) and OpenAI (/v1) are played; port 0: a free "
    "one\n"
    "  --seed N             what made-up texts, keys and flaky answers depend on (1)\n"
    "  --threads N          loops, each on its own thread (2)\n"
    "  --smtp HOST:PORT     takes mail too; it is shown at /sandbox/inbox\n"
    "  --stripe-webhook URL where Stripe (played at /stripe) sends its events; also POST\n"
    "                       /sandbox/stripe/settings\n"
    "  --stripe-secret S    what it signs them with (whsec_sandbox)\n"
    "  --port-file FILE     HOST:PORT is written there when all is ready, SMTP's on the second "
    "line\n"
    "  --ledger-max N       calls kept for /sandbox/ledger (4000000); its totals count all\n"
    "\n"
    "GET /stripe is Stripe's dashboard: refunds, disputes, cards, and a clock to move.\n"
    "Look at GET /sandbox/ledger, /sandbox/requests?last=N, /sandbox/inbox; DELETE empties each.\n"
    "GET /v1/models lists the models; what goes wrong is asked for by the model's name.\n";

NORETURN static void wrong_usage(const char *what, const char *value)
{
    fprintf(stderr, "tollgate-sandbox: %s%s%s\n%s", what, value != NULL ? ": " : "",
            value != NULL ? value : "", usage);
    exit(2);
}

static void number_read(const char *name, const char *value, uint64_t max, uint64_t *ret_n)
{
    if (!str_to_u64(str_c(value), max, ret_n))
        wrong_usage(name, value);
}

static void arguments_read(int argc, char **argv, struct arguments *ret_args)
{
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        if (value == NULL)
            wrong_usage("wants a value, or is unknown", name);
        if (strcmp(name, "--listen") == 0)
            ret_args->listen = str_c(value);
        else if (strcmp(name, "--smtp") == 0)
            ret_args->smtp = str_c(value);
        else if (strcmp(name, "--stripe-webhook") == 0)
            ret_args->webhook = str_c(value);
        else if (strcmp(name, "--stripe-secret") == 0)
            ret_args->secret = str_c(value);
        else if (strcmp(name, "--port-file") == 0)
            ret_args->port_file = value;
        else if (strcmp(name, "--seed") == 0)
            number_read("--seed wants a number", value, INT64_MAX, &ret_args->seed);
        else if (strcmp(name, "--threads") == 0)
            number_read("--threads wants 1 to 16", value, SANDBOX_LANES_MAX, &ret_args->threads);
        else if (strcmp(name, "--ledger-max") == 0)
            number_read("--ledger-max wants a number", value, INT32_MAX, &ret_args->tally_max);
        else
            wrong_usage("there is no such argument", name);
    }
    if (ret_args->listen.n == 0)
        wrong_usage("--listen is needed", NULL);
    if (ret_args->threads == 0)
        wrong_usage("--threads wants 1 to 16", "0");
}

static union loop_addr address_read(const char *name, struct str text)
{
    union loop_addr addr;
    if (loop_addr_parse(text, &addr) != OK)
        wrong_usage(name, text.p);
    return addr;
}

NORETURN static void cannot_listen(const union loop_addr *addr, enum err e)
{
    char text[LOOP_ADDR_TEXT_MAX];
    struct str where = loop_addr_text(addr, true, text);
    fprintf(stderr, "tollgate-sandbox: cannot listen on %.*s: %s\n", STR_ARG(where),
            e == ERR_CONFLICT ? "another process has this port; choose another one"
                              : "it is no address of this machine, or not allowed");
    exit(1);
}

static void port_set(union loop_addr *addr, uint16_t port)
{
    if (addr->sa.sa_family == AF_INET6)
        addr->in6.sin6_port = htons(port);
    else
        addr->in.sin_port = htons(port);
}

/* Listens; a port of 0 becomes the one that was taken. */
static void lane_open(struct sandbox *s, struct lane_thread *t, unsigned i, union loop_addr *addr,
                      struct stripe *stripe, _Atomic size_t *buffered)
{
    struct sandbox_lane *lane = &s->lanes[i];
    lane->sandbox = s;
    lane->index = i;
    lane->loop = loop_new();
    buf_init(&lane->out, SANDBOX_OUT_BYTES_MAX);
    sandbox_tally_init(&lane->tally);
    sandbox_seen_init(&lane->seen);
    size_t n = sandbox_see_routes(lane, t->routes, 0, ROUTES_MAX);
    n = sandbox_llm_routes(lane, t->routes, n, ROUTES_MAX);
    n = sandbox_stripe_routes(stripe, t->routes, n, ROUTES_MAX);
    struct http_options options = {
        .routes = t->routes,
        .routes_n = n,
        .server_name = "tollgate-sandbox",
        .idle_us = INT64_C(300000000),
        .head_us = INT64_C(10000000),
        .body_us = INT64_C(60000000),
        .connections_max = CONNECTIONS_MAX,
        .buffered = buffered,
        .buffered_max = BUFFERED_MAX,
        .render = sandbox_llm_render,
    };
    lane->server = http_server_new(lane->loop, &options);
    t->lane = lane;
    enum err e = loop_listen(lane->loop, addr, NULL, i == 0, http_server_accept, lane->server,
                             &t->listener);
    if (e != OK)
        cannot_listen(addr, e);
    port_set(addr, loop_listener_port(t->listener));
}

static void *lane_run(void *arg)
{
    struct lane_thread *t = arg;
    loop_run(t->lane->loop);
    return NULL;
}

static void ready_tell(const struct arguments *args, const union loop_addr *addr,
                       const union loop_addr *smtp)
{
    char text[2][LOOP_ADDR_TEXT_MAX];
    struct str http_at = loop_addr_text(addr, true, text[0]);
    struct str smtp_at = args->smtp.n > 0 ? loop_addr_text(smtp, true, text[1]) : STR("");
    if (args->port_file != NULL) {
        /* Renamed into place, so that a reader never sees half of it. */
        struct buf name;
        buf_init(&name, 4096);
        buf_printf(&name, "%s.new", args->port_file);
        buf_byte(&name, '\0');
        FILE *f = buf_check(&name) == OK ? fopen(name.p, "w") : NULL;
        bool bad = f == NULL || fprintf(f, "%.*s\n%.*s\n", STR_ARG(http_at), STR_ARG(smtp_at)) < 0;
        bad |= f != NULL && fclose(f) != 0;
        if (bad || rename(name.p, args->port_file) != 0) {
            fprintf(stderr, "tollgate-sandbox: cannot write %s: %s\n", args->port_file,
                    strerror(errno));
            exit(1);
        }
        buf_fini(&name);
    }
    printf("tollgate-sandbox listening on %.*s\n", STR_ARG(http_at));
    if (smtp_at.n > 0)
        printf("tollgate-sandbox takes mail on %.*s\n", STR_ARG(smtp_at));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct arguments args = {.secret = STR("whsec_sandbox"),
                             .seed = 1,
                             .threads = THREADS_DEFAULT,
                             .tally_max = TALLY_DEFAULT};
    arguments_read(argc, argv, &args);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);

    static struct sandbox s;
    static struct lane_thread threads[SANDBOX_LANES_MAX];
    static struct sandbox_lane lanes[SANDBOX_LANES_MAX];
    static _Atomic size_t buffered;
    s.seed = args.seed;
    s.lanes_n = (unsigned)args.threads;
    s.lanes = lanes;
    s.tally_max = args.tally_max / args.threads;
    s.keys = sandbox_keys_new(args.seed);
    s.inbox = sandbox_inbox_new();
    const struct sandbox_stripe_options so = {
        .seed = args.seed, .webhook = args.webhook, .secret = args.secret};
    struct stripe *stripe = sandbox_stripe_new(&so);
    union loop_addr addr = address_read("--listen wants HOST:PORT, numeric", args.listen);
    union loop_addr smtp_addr = {0};
    for (unsigned i = 0; i < s.lanes_n; i++)
        lane_open(&s, &threads[i], i, &addr, stripe, &buffered);
    struct sandbox_smtp smtp = {lanes[0].loop, s.inbox};
    struct loop_listener *smtp_listener = NULL;
    if (args.smtp.n > 0) {
        smtp_addr = address_read("--smtp wants HOST:PORT, numeric", args.smtp);
        enum err e = loop_listen(lanes[0].loop, &smtp_addr, NULL, true, sandbox_smtp_accept, &smtp,
                                 &smtp_listener);
        if (e != OK)
            cannot_listen(&smtp_addr, e);
        port_set(&smtp_addr, loop_listener_port(smtp_listener));
    }
    for (unsigned i = 0; i < s.lanes_n; i++)
        must(pthread_create(&threads[i].thread, NULL, lane_run, &threads[i]) == 0);
    ready_tell(&args, &addr, &smtp_addr);

    int sig;
    while (sigwait(&ends, &sig) != 0)
        ;
    for (unsigned i = 0; i < s.lanes_n; i++)
        loop_stop(lanes[i].loop);
    for (unsigned i = 0; i < s.lanes_n; i++)
        must(pthread_join(threads[i].thread, NULL) == 0);
    sandbox_stripe_stop(stripe);
    return 0;
}

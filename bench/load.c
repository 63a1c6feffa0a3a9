/* The load generator: one thread, epoll, keep-alive connections to 127.0.0.1.
 *
 *   load mode=closed port=P key=K model=M conns=64 secs=4 [warm=1] [pid=A,B]
 *   load mode=open   … rate=5000          calls begin when they are due, whatever the answers do
 *   load mode=hold   … secs=5             every connection makes one call; then they stay open
 *   load mode=ready  port=P [secs=10]     waits until GET /ready answers 200
 *
 * Prints one line of name=value. cpu_us is what the processes of `pid` used in the measured time,
 * all their threads, from /proc/PID/stat. In mode=open a call's latency counts from the time when
 * it was due, so a stall shows in every call that it delayed. mode=hold prints "held=N" once all
 * are open (a stream: its first event is there), and for a stream ends with the last of them. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_MAX = 4096, EVENTS = 256, LATENCY_US_MAX = 2000000, OPENING_MAX = 64, TAIL = 21 };

/* A stream ends with this; anything else is an error. */
static const char stream_end[TAIL + 1] = "data: [DONE]\n\n\r\n0\r\n\r\n";

struct conn {
    int fd;
    bool busy;
    bool chunked;
    bool fresh;       /* has been held for the first time */
    size_t head_got;  /* bytes of the head in `head`; the head is whole: 0 */
    int64_t need;     /* of the body; -1: the head is not whole */
    int64_t t0;
    size_t tail_n;
    char tail[TAIL];
    char head[HEAD_MAX];
};

static struct conn *conns;
static int conns_n, epoll_fd, opening, held, open_n;
static int *spare; /* connections without a call */
static int spare_n;
static char request[4096];
static size_t request_n;
static uint16_t port;
static bool measuring, stopping, holding;
static bool streams; /* what is asked for: anything else is an error */
static int64_t calls, errors, busy_n;
static uint32_t *latencies; /* by µs */

/* ---- the request ---- */

static void request_make(const char *key, const char *model)
{
    static const char words[] =
        "\"messages\":[{\"role\":\"system\",\"content\":\"You answer travellers at a tollgate. Be "
        "brief, be exact, and say what it costs before they pass. Never promise what the keeper "
        "has not agreed to, and never keep anybody waiting for longer than is needed.\"},"
        "{\"role\":\"user\",\"content\":\"I come with two oxen and a cart of apples from the "
        "valley, and I want to be at the market before noon. What do I pay here, and what if I "
        "come back by the same road this evening with an empty cart?\"}],\"temperature\":0.7,"
        "\"max_tokens\":256";
    char body[2048];
    int n = snprintf(body, sizeof body, "{\"model\":\"%s\",%s%s}", model, words,
                     streams ? ",\"stream\":true" : "");

    n = snprintf(request, sizeof request,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                 "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
                 "Accept: application/json\r\nUser-Agent: load/1\r\nContent-Length: %d\r\n\r\n%s",
                 port, key, n, body);
    if (n < 0 || (size_t)n >= sizeof request)
        wire_die("the request does not fit");
    request_n = (size_t)n;
}

/* ---- processor time ---- */

/* Of one process, in µs: the 14th and 15th field of its stat, counted behind the name. */
static int64_t process_us(int64_t pid)
{
    char path[64], text[1024];
    const char *p;
    ssize_t n;
    int64_t ticks = 0;
    int fd;

    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        wire_die(path);
    close(fd);
    text[n] = '\0';
    p = strrchr(text, ')');
    for (int field = 2; p != NULL && field < 15; field++) {
        p = strchr(p + 1, ' ');
        if (p != NULL && field >= 13)
            ticks += wire_digits(p + 1, text + n);
    }
    return ticks * (1000000 / sysconf(_SC_CLK_TCK));
}

static int64_t processes_us(const char *pids)
{
    const char *end = pids + strlen(pids);
    int64_t us = 0;

    while (pids < end) {
        us += process_us(wire_digits(pids, end));
        pids = strchr(pids, ',');
        if (pids == NULL)
            break;
        pids++;
    }
    return us;
}

static int64_t own_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000L + u.ru_utime.tv_usec +
           u.ru_stime.tv_usec;
}

/* ---- connections ---- */

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_port = htons(port);
    if (fd < 0)
        wire_die("socket");
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void conn_open(struct conn *c)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)(c - conns)};

    c->fd = dial();
    if (c->fd < 0 || fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
        wire_die("connect");
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e) != 0)
        wire_die("epoll_ctl");
    open_n++;
}

/* On loopback a request of this size always goes in one write. */
static void conn_send(struct conn *c, int64_t due)
{
    c->t0 = due;
    c->busy = true;
    c->chunked = false;
    c->head_got = 0;
    c->need = -1;
    c->tail_n = 0;
    busy_n++;
    if (send(c->fd, request, request_n, MSG_NOSIGNAL) != (ssize_t)request_n)
        c->need = -2; /* the read sees why */
}

static void conn_held(struct conn *c)
{
    if (!holding || c->fresh)
        return;
    c->fresh = true;
    opening--;
    held++;
}

static void conn_idle(struct conn *c)
{
    c->busy = false;
    busy_n--;
    if (!stopping && !holding)
        spare[spare_n++] = (int)(c - conns);
    conn_held(c);
}

/* Cut, or not what was asked for. */
static void conn_fail(struct conn *c)
{
    close(c->fd);
    open_n--;
    c->fd = -1;
    if (c->busy) {
        errors++;
        if (errors <= 3)
            fprintf(stderr, "bench: a call failed: %.*s\n",
                    (int)(c->head_got < 160 ? c->head_got : 160), c->head);
        c->head_got = 0;
        if (!holding)
            conn_open(c);
        conn_idle(c);
    } else if (!stopping && !holding) {
        conn_open(c);
    }
}

static void conn_done(struct conn *c)
{
    if (measuring) {
        int64_t us = (wire_now() - c->t0) / 1000;

        latencies[us < LATENCY_US_MAX ? us : LATENCY_US_MAX - 1]++;
        calls++;
    }
    conn_idle(c);
}

/* Keeps the last bytes of a chunked body, and says whether it is complete. */
static bool tail_add(struct conn *c, const char *p, size_t n)
{
    if (n >= TAIL) {
        memcpy(c->tail, p + n - TAIL, TAIL);
        c->tail_n = TAIL;
    } else {
        size_t keep = c->tail_n + n > TAIL ? TAIL - n : c->tail_n;

        memmove(c->tail, c->tail + c->tail_n - keep, keep);
        memcpy(c->tail + keep, p, n);
        c->tail_n = keep + n;
    }
    return c->tail_n == TAIL && memcmp(c->tail, stream_end, TAIL) == 0;
}

static void conn_body(struct conn *c, const char *p, size_t n)
{
    if (c->chunked) {
        if (n > 0)
            conn_held(c);
        if (tail_add(c, p, n))
            conn_done(c);
        return;
    }
    c->need -= (int64_t)n;
    if (c->need == 0)
        conn_done(c);
    else if (c->need < 0)
        conn_fail(c);
}

static void conn_bytes(struct conn *c, const char *p, size_t n)
{
    size_t take, head;

    if (!c->busy) {
        conn_fail(c);
        return;
    }
    if (c->need >= 0) {
        conn_body(c, p, n);
        return;
    }
    take = n < HEAD_MAX - c->head_got ? n : HEAD_MAX - c->head_got;
    memcpy(c->head + c->head_got, p, take);
    head = wire_head(c->head, c->head_got + take);
    if (head == 0 || memcmp(c->head, "HTTP/1.1 200", 12) != 0) {
        c->head_got += take;
        if (head != 0 || c->head_got == HEAD_MAX)
            conn_fail(c);
        return;
    }
    head -= c->head_got;
    c->need = wire_length(c->head, c->head_got + head);
    c->chunked = c->need < 0;
    if (c->chunked != streams) {
        c->head_got += head;
        conn_fail(c);
        return;
    }
    if (c->chunked)
        c->need = 0;
    c->head_got = 0;
    conn_body(c, p + head, n - head);
}

static void conn_read(struct conn *c)
{
    static char in[65536];
    ssize_t n = recv(c->fd, in, sizeof in, 0);

    if (n > 0)
        conn_bytes(c, in, (size_t)n);
    else if (n == 0 || errno != EAGAIN)
        conn_fail(c);
}

/* One turn: what has come, waiting at most so long. */
static void turn(int64_t wait_ns)
{
    static struct epoll_event events[EVENTS];
    struct timespec wait = {.tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000};
    int n = epoll_pwait2(epoll_fd, events, EVENTS, &wait, NULL);

    for (int i = 0; i < n; i++)
        if (conns[events[i].data.u32].fd >= 0)
            conn_read(&conns[events[i].data.u32]);
}

/* ---- the modes ---- */

static int64_t quantile_us(double q)
{
    int64_t rank = (int64_t)((double)calls * q), seen = 0;

    for (int64_t us = 0; us < LATENCY_US_MAX; us++) {
        seen += latencies[us];
        if (seen > rank)
            return us;
    }
    return LATENCY_US_MAX;
}

/* Closed loop for rate 0: who has an answer asks again. */
static void run(int64_t until, int64_t rate)
{
    static int64_t due;
    int64_t gap = rate > 0 ? 1000000000 / rate : 0, now = wire_now();

    if (due == 0)
        due = now;
    while (now < until) {
        while (spare_n > 0 && (rate == 0 || due <= now)) {
            conn_send(&conns[spare[--spare_n]], rate == 0 ? now : due);
            due += gap;
        }
        turn(rate > 0 && spare_n > 0 && due < until ? due - now : until - now);
        now = wire_now();
    }
}

static void load(int argc, char **argv, int64_t rate)
{
    const char *pids = wire_arg(argc, argv, "pid", "");
    int64_t warm = wire_arg_n(argc, argv, "warm", "1") * 1000000000;
    int64_t secs = wire_arg_n(argc, argv, "secs", "4") * 1000000000;
    int64_t begin, cpu, own, end;
    double took;

    for (int i = 0; i < conns_n; i++) {
        conn_open(&conns[i]);
        spare[spare_n++] = i;
    }
    run(wire_now() + warm, rate);
    errors = 0;
    cpu = processes_us(pids);
    own = own_us();
    begin = wire_now();
    measuring = true;
    run(begin + secs, rate);
    end = wire_now();
    cpu = processes_us(pids) - cpu;
    own = own_us() - own;
    measuring = false;
    stopping = true;
    while (busy_n > 0 && wire_now() < end + 10000000000)
        turn(100000000);
    took = (double)(end - begin) / 1e9;
    printf("calls=%lld errors=%lld left=%lld secs=%.3f rate=%.0f cpu_us=%.3f busy=%.3f "
           "own_us=%.3f p50=%lld p90=%lld p99=%lld p999=%lld\n",
           (long long)calls, (long long)errors, (long long)busy_n, took, (double)calls / took,
           calls > 0 ? (double)cpu / (double)calls : 0, (double)cpu / 1e6 / took,
           calls > 0 ? (double)own / (double)calls : 0, (long long)quantile_us(0.5),
           (long long)quantile_us(0.9), (long long)quantile_us(0.99),
           (long long)quantile_us(0.999));
}

static void hold(int argc, char **argv)
{
    int64_t secs = wire_arg_n(argc, argv, "secs", "5") * 1000000000;
    int64_t limit = wire_now() + 60000000000, end;
    int next = 0;

    holding = true;
    while (held < conns_n && wire_now() < limit) {
        while (next < conns_n && opening < OPENING_MAX) {
            conn_open(&conns[next]);
            opening++;
            conn_send(&conns[next++], wire_now());
        }
        turn(100000000);
    }
    printf("held=%d errors=%lld\n", open_n, (long long)errors);
    fflush(stdout);
    end = wire_now() + secs;
    while (streams ? busy_n > 0 && wire_now() < limit : wire_now() < end)
        turn(100000000);
    printf("ended=%lld errors=%lld left=%lld\n", (long long)(conns_n - busy_n - errors),
           (long long)errors, (long long)busy_n);
}

static int ready(int64_t secs)
{
    static const char get[] = "GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    int64_t end = wire_now() + secs * 1000000000;
    char in[1024];

    while (wire_now() < end) {
        int fd = dial();

        if (fd >= 0) {
            bool ok = send(fd, get, sizeof get - 1, MSG_NOSIGNAL) > 0 &&
                      recv(fd, in, sizeof in, 0) > 12 && memcmp(in + 9, "200", 3) == 0;

            close(fd);
            if (ok)
                return 0;
        }
        usleep(200);
    }
    return 1;
}

int main(int argc, char **argv)
{
    const char *mode = wire_arg(argc, argv, "mode", "closed");
    const char *model = wire_arg(argc, argv, "model", "bench/json");

    port = (uint16_t)wire_arg_n(argc, argv, "port", "8787");
    if (strcmp(mode, "ready") == 0)
        return ready(wire_arg_n(argc, argv, "secs", "10"));
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
    wire_files();
    conns_n = (int)wire_arg_n(argc, argv, "conns", "64");
    conns = wire_map(sizeof *conns * (size_t)conns_n);
    spare = wire_map(sizeof *spare * (size_t)conns_n);
    latencies = wire_map(sizeof *latencies * LATENCY_US_MAX);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    streams = strcmp(model, "bench/json") != 0;
    request_make(wire_arg(argc, argv, "key", "none"), model);
    if (strcmp(mode, "hold") == 0)
        hold(argc, argv);
    else
        load(argc, argv, strcmp(mode, "open") == 0 ? wire_arg_n(argc, argv, "rate", "5000") : 0);
    return errors > 0 || busy_n > 0;
}

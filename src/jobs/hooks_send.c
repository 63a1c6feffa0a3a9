/* One delivery: signed, sent, written down, tried again.
 *
 * It has a schedule of its own, and its end is the customer's business: a delivery that failed for
 * good is a row that he sees, no run that needs the operator's attention. */
#include "jobs/hooks.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "outbound/outbound.h"

#include <stdio.h>

#define TIMEOUT_MS 20000
#define AT_ONCE 2 /* slow endpoints keep no more workers than these from other work */
#define WAIT_US (300 * US_PER_MS)
#define ANSWER_MAX (64u * 1024)
#define SHOWN_MAX 1000 /* of an answer */
#define FAILING_MAX_US (5 * US_PER_DAY)
#define KEEP_US (30 * US_PER_DAY)
#define TIDY_EVERY_US US_PER_HOUR

/* Before attempt n + 2, in seconds. */
static const int64_t schedule_s[] = {5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400};
#define ATTEMPTS_MAX ((int64_t)(sizeof(schedule_s) / sizeof(schedule_s[0])) + 1)

struct sending {
    struct hooks *h;
    struct jobs_call *call;
    struct str delivery, endpoint, url, state, message, body, delivery_state, secret, old_secret;
    struct id team;
    int64_t attempts, old_until_us, failing_since_us;
    /* What came of it. */
    int status;
    int64_t at_us, took_us, retry_after_us, next_us;
    char error[OUTBOUND_WHY_MAX];
    struct str response;
    bool good, over;
    const char *off; /* why the endpoint is turned off; NULL: it is not */
};

static enum err load(struct sending *s, struct store_conn *conn)
{
    struct store_query *q = NULL;
    struct arena *a = &s->call->arena;
    enum err e = store_start(conn, SQL_HOOK_SENDING, &q, "t", s->delivery);
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        s->endpoint = arena_dup(a, store_str(q, 0));
        (void)id_parse("team_", store_str(q, 1), &s->team);
        s->url = arena_dup(a, store_str(q, 2));
        s->state = arena_dup(a, store_str(q, 3));
        s->secret = arena_dup(a, store_str(q, 4));
        s->old_secret = arena_dup(a, store_str(q, 5));
        s->old_until_us = store_i64(q, 6);
        s->message = arena_dup(a, store_str(q, 7));
        s->body = arena_dup(a, store_str(q, 8));
        s->attempts = store_i64(q, 9);
        s->delivery_state = arena_dup(a, store_str(q, 10));
        s->failing_since_us = store_i64(q, 11);
    }
    store_finish(&q);
    return e == OK && a->over ? ERR_LIMIT : e;
}

void hooks_sign(struct str key, struct str id, int64_t at_s, struct str body, struct buf *out)
{
    uint8_t mac[CRYPTO_HASH_LEN];
    struct buf text;
    buf_init(&text, HOOKS_BODY_MAX + 256);
    buf_printf(&text, "%.*s.%lld.", STR_ARG(id), (long long)at_s);
    buf_add(&text, body);
    must(!text.over);
    crypto_hmac_sha256(key, buf_str(&text), mac);
    buf_fini(&text);
    buf_add(out, out->n != 0 ? STR(" v1,") : STR("v1,"));
    base64_add(out, str_of((const char *)mac, sizeof(mac)));
}

static enum err sign(struct sending *s, struct buf *out)
{
    const struct str sealed[] = {s->secret, s->old_secret};
    enum err e = OK;
    for (size_t i = 0; i < 2 && e == OK; i++) {
        struct buf key;
        if (sealed[i].n == 0 || (i == 1 && s->old_until_us <= s->at_us))
            continue;
        buf_init(&key, 256);
        e = hooks_secret_open(s->h, sealed[i], &key);
        if (e == OK)
            hooks_sign(buf_str(&key), s->message, s->at_us / US_PER_S, s->body, out);
        if (key.p != NULL)
            mem_wipe(key.p, key.n);
        buf_fini(&key);
    }
    return e;
}

static void drop(void *arg, struct str bytes)
{
    (void)arg;
    (void)bytes;
}

/* Seconds or a date; at most a day. */
static int64_t retry_after(const struct outbound_answer *a)
{
    uint64_t s = 0;
    return str_to_u64(outbound_header(a, STR("retry-after")), 86400, &s) ? (int64_t)s * US_PER_S
                                                                         : 0;
}

/* What was answered, as text that a table and a page can have. */
static struct str shown(struct arena *a, struct str body)
{
    struct str s = arena_dup(a, str_upto(body, SHOWN_MAX));
    while (s.n != 0 && !str_is_utf8(s) && s.n + 4 > SHOWN_MAX)
        s.n--;
    return str_is_utf8(s) && memchr(s.p, '\0', s.n) == NULL ? s : STR("");
}

static enum err post(struct sending *s)
{
    struct arena *a = &s->call->arena;
    struct outbound_answer answer = {0};
    struct buf signature;
    buf_init(&signature, 256);
    s->at_us = s->call->now_us;
    enum err e = sign(s, &signature);
    const char *headers[] = {
        "Content-Type: application/json",
        arena_printf(a, "webhook-id: %.*s", STR_ARG(s->message)).p,
        arena_printf(a, "webhook-timestamp: %lld", (long long)(s->at_us / US_PER_S)).p,
        arena_printf(a, "webhook-signature: %.*s", STR_ARG(buf_str(&signature))).p,
        "Expect:",
        NULL};
    buf_fini(&signature);
    if (e != OK)
        return e;
    struct outbound_request r = {.method = "POST",
                                 .url = s->url.p,
                                 .headers = headers,
                                 .body = s->body,
                                 .timeout_ms = TIMEOUT_MS,
                                 .body_bytes_max = ANSWER_MAX,
                                 .ca_file = s->h->options.ca_file,
                                 .guarded = !s->h->options.private_allowed,
                                 .on_bytes = drop};
    int64_t began_us = clock_mono_us();
    e = outbound_call(&r, &answer, s->error);
    s->took_us = clock_mono_us() - began_us;
    s->status = e == OK ? answer.status : 0;
    s->good = s->status >= 200 && s->status < 300;
    s->retry_after_us = retry_after(&answer);
    s->response = shown(a, buf_str(&answer.body));
    outbound_answer_fini(&answer);
    return OK;
}

static void decide(struct sending *s)
{
    int64_t n = s->attempts + 1;
    s->over = s->good || s->status == 410 || n >= ATTEMPTS_MAX;
    if (s->status == 410)
        s->off = "gone";
    else if (!s->good && s->failing_since_us != 0 &&
             s->at_us - s->failing_since_us >= FAILING_MAX_US)
        s->off = "failing";
    s->over = s->over || s->off != NULL;
    if (s->over)
        return;
    int64_t us = schedule_s[n - 1] * US_PER_S;
    uint64_t draw;
    crypto_random(&draw, sizeof(draw));
    us += (int64_t)(draw % (uint64_t)(us / 10));
    s->next_us = s->at_us + (us > s->retry_after_us ? us : s->retry_after_us);
}

static enum err turn_off_in(struct sending *s, struct store_conn *conn)
{
    int64_t changed = 0;
    const struct hooks_options *o = &s->h->options;
    enum err e = store_run(conn, SQL_HOOK_TURN_OFF, &changed, "tti", s->endpoint, str_c(s->off),
                           s->at_us);
    if (e != OK || changed == 0 || o->turned_off_in == NULL)
        return e;
    return o->turned_off_in(o->arg, conn, s->team, s->url, s->endpoint, s->at_us);
}

static enum err record_in(struct store_conn *conn, void *arg)
{
    struct sending *s = arg;
    int64_t n = s->attempts + 1;
    const char *state = s->good ? "delivered" : s->over ? "failed" : "pending";
    enum err e = store_run(conn, SQL_HOOK_TRY_ADD, NULL, "tiiiitt", s->delivery, n, s->at_us,
                           (int64_t)s->status, s->took_us, str_c(s->error), s->response);
    if (e == OK)
        e = store_run(conn, SQL_HOOK_DELIVERY_SET, NULL, "ttiiii", s->delivery, str_c(state), n,
                      (int64_t)s->status, s->next_us, s->over ? s->at_us : 0);
    if (e == OK && s->good)
        e = store_run(conn, SQL_HOOK_WORKING, NULL, "t", s->endpoint);
    else if (e == OK)
        e = store_run(conn, SQL_HOOK_FAILING, NULL, "ti", s->endpoint, s->at_us);
    return e == OK && s->off != NULL ? turn_off_in(s, conn) : e;
}

static enum err cancel_in(struct store_conn *conn, void *arg)
{
    const struct sending *s = arg;
    return store_run(conn, SQL_HOOK_DELIVERY_SET, NULL, "ttiiii", s->delivery, STR("cancelled"),
                     s->attempts, (int64_t)0, (int64_t)0, s->call->now_us);
}

static enum jobs_outcome failed(struct jobs_call *call, const char *what, enum err e)
{
    snprintf(call->why, sizeof(call->why), "%s: %s", what, err_info(e)->name);
    return JOBS_RETRY;
}

static enum jobs_outcome deliver(struct sending *s)
{
    struct jobs_call *call = s->call;
    if (!str_eq(s->delivery_state, STR("pending")))
        return JOBS_END;
    if (!str_eq(s->state, STR("enabled"))) {
        enum err e = store_write(s->h->options.store, cancel_in, s);
        return e == OK ? JOBS_END : failed(call, "the delivery could not be ended", e);
    }
    enum err e = post(s);
    if (e != OK)
        return failed(call, "the delivery could not be signed", e);
    decide(s);
    e = store_write(s->h->options.store, record_in, s);
    if (e != OK) /* it is sent once more, with the same id */
        return failed(call, "the delivery could not be written down", e);
    if (s->over)
        return JOBS_END;
    call->wake_us = s->next_us;
    return JOBS_SLEEP;
}

static enum jobs_outcome send_step(struct jobs_call *call)
{
    struct hooks *h = call->arg;
    struct sending s = {.h = h, .call = call, .delivery = call->input, .response = STR("")};
    struct store_conn *conn = NULL;
    if (atomic_fetch_add(&h->sending, 1) >= AT_ONCE) {
        atomic_fetch_sub(&h->sending, 1);
        call->wake_us = call->now_us + WAIT_US;
        return JOBS_SLEEP;
    }
    enum err e = store_reader_begin(h->options.store, &conn);
    if (e == OK) {
        e = load(&s, conn);
        store_reader_end(&conn);
    }
    enum jobs_outcome outcome = e == OK        ? deliver(&s)
                                : e == ERR_END ? JOBS_END /* its endpoint is gone */
                                               : failed(call, "the delivery cannot be read", e);
    atomic_fetch_sub(&h->sending, 1);
    return outcome;
}

/* By the operator, on the jobs page. */
static enum err cancelled_in(struct store_conn *conn, void *arg, struct str input, int64_t now_us)
{
    (void)arg;
    return store_run(conn, SQL_HOOK_DELIVERY_CANCEL, NULL, "ti", input, now_us);
}

/* ---- what is old ---- */

static enum err tidy_in(struct store_conn *conn, void *arg)
{
    int64_t before_us = *(const int64_t *)arg - KEEP_US;
    enum err e = store_run(conn, SQL_HOOK_EXPIRE_TRIES, NULL, "i", before_us);
    if (e == OK)
        e = store_run(conn, SQL_HOOK_EXPIRE_DELIVERIES, NULL, "i", before_us);
    return e == OK ? store_run(conn, SQL_HOOK_EXPIRE_MESSAGES, NULL, "i", before_us) : e;
}

static enum jobs_outcome tidy_step(struct jobs_call *call)
{
    struct hooks *h = call->arg;
    enum err e = store_write(h->options.store, tidy_in, &call->now_us);
    return e == OK ? JOBS_DONE : failed(call, "old deliveries could not be forgotten", e);
}

static const struct jobs_step send_steps[] = {{.name = "send", .run = send_step}};
static const struct jobs_step tidy_steps[] = {{.name = "tidy", .run = tidy_step}};

void hooks_kinds_add(struct hooks *hooks)
{
    hooks->send = (struct jobs_kind){.name = "webhook",
                                     .steps = send_steps,
                                     .steps_n = 1,
                                     .cancelled_in = cancelled_in,
                                     .arg = hooks};
    hooks->tidy = (struct jobs_kind){.name = "webhook_tidy",
                                     .steps = tidy_steps,
                                     .steps_n = 1,
                                     .every_us = TIDY_EVERY_US,
                                     .arg = hooks};
    jobs_kind_add(hooks->options.jobs, &hooks->send);
    jobs_kind_add(hooks->options.jobs, &hooks->tidy);
}

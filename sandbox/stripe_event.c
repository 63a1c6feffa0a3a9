/* Events: made, signed, delivered, some twice, some late, until they are taken. */
#include "sandbox/stripe_room.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "outbound/outbound.h"

#include <errno.h>
#include <stdio.h>

#define ATTEMPTS_MAX 12
#define RETRY_US (200 * US_PER_MS)

void stripe_deliver(struct stripe *s, struct stripe_object *event, int64_t in_us)
{
    if (s->queue_n == STRIPE_QUEUE_MAX)
        return;
    s->queue[s->queue_n++] = (struct stripe_delivery){event, clock_wall_us() + in_us, 0};
    must(pthread_cond_signal(&s->wake) == 0);
}

void stripe_event_json(struct stripe *s, const char *type, struct str object, int64_t now)
{
    struct buf b;
    struct stripe_object *e = stripe_add(s, STRIPE_EVENT, "evt_", now);
    buf_init(&b, 1 << 20);
    buf_byte(&b, '{');
    buf_json_member(&b, "id", str_c(e->id));
    buf_json_member(&b, "object", STR("event"));
    buf_json_member(&b, "api_version", STR("2025-03-31.basil"));
    buf_json_i64(&b, "created", now);
    buf_json_bool(&b, "livemode", false);
    buf_json_i64(&b, "pending_webhooks", 1);
    buf_json_member(&b, "type", str_c(type));
    buf_add(&b, STR(",\"request\":{\"id\":null,\"idempotency_key\":null},\"data\":{\"object\":"));
    buf_add(&b, object);
    buf_add(&b, STR("}}"));
    e->body = stripe_keep(buf_str(&b));
    e->reason = mem_dup(type, strlen(type));
    buf_fini(&b);
    if (stripe_draw(s, 100) < (uint64_t)s->drop_percent)
        return; /* Stripe's list has it all the same */
    int64_t late = s->delay_ms * US_PER_MS;
    if (stripe_draw(s, 100) < (uint64_t)s->reorder_percent)
        late += (int64_t)stripe_draw(s, 1500) * US_PER_MS;
    stripe_deliver(s, e, late);
    if (stripe_draw(s, 100) < (uint64_t)s->duplicate_percent)
        stripe_deliver(s, e, late + (int64_t)stripe_draw(s, 1500) * US_PER_MS);
}

void stripe_event(struct stripe *s, const char *type, const struct stripe_object *o, int64_t now)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    stripe_show(o, &b);
    stripe_event_json(s, type, buf_str(&b), now);
    buf_fini(&b);
}

/* ---------------------------------------------------------------- delivered */

static bool event_send(const char *url, struct str secret, struct str body)
{
    uint8_t mac[CRYPTO_HASH_LEN];
    char hex[2 * CRYPTO_HASH_LEN + 1], header[256], why[OUTBOUND_WHY_MAX];
    const char *headers[] = {header, "Content-Type: application/json; charset=utf-8",
                             "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)", NULL};
    struct buf text;
    struct outbound_answer answer;
    long long at = (long long)(clock_wall_us() / US_PER_S);
    buf_init(&text, 2 << 20);
    buf_printf(&text, "%lld.", at);
    buf_add(&text, body);
    crypto_hmac_sha256(secret, buf_str(&text), mac);
    snprintf(header, sizeof(header), "Stripe-Signature: t=%lld,v1=%.*s", at,
             STR_ARG(crypto_hex(mac, sizeof(mac), hex)));
    struct outbound_request r = {.method = "POST",
                                 .url = url,
                                 .headers = headers,
                                 .body = body,
                                 .timeout_ms = 10000,
                                 .body_bytes_max = 1 << 20};
    memset(&answer, 0, sizeof(answer));
    bool taken = outbound_call(&r, &answer, why) == OK && answer.status / 100 == 2;
    outbound_answer_fini(&answer);
    buf_fini(&text);
    return taken;
}

/* Takes the one that is due out of the queue; else says how long to wait. */
static bool due_take(struct stripe *s, struct stripe_delivery *ret, int64_t *ret_wait_us)
{
    int64_t now = clock_wall_us();
    size_t first = s->queue_n;
    for (size_t i = 0; i < s->queue_n && s->webhook.n != 0; i++)
        if (first == s->queue_n || s->queue[i].due_us < s->queue[first].due_us)
            first = i;
    *ret_wait_us = 3600 * US_PER_S;
    if (first == s->queue_n)
        return false;
    *ret_wait_us = s->queue[first].due_us - now;
    if (*ret_wait_us > 0)
        return false;
    *ret = s->queue[first];
    memmove(&s->queue[first], &s->queue[first + 1],
            (--s->queue_n - first) * sizeof(struct stripe_delivery));
    return true;
}

static void wait_us(struct stripe *s, int64_t us)
{
    struct timespec t;
    int64_t at = clock_wall_us() + us;
    t.tv_sec = (time_t)(at / US_PER_S);
    t.tv_nsec = (long)(at % US_PER_S * 1000);
    (void)pthread_cond_timedwait(&s->wake, &s->lock, &t);
}

static void *deliveries(void *arg)
{
    struct stripe *s = arg;
    char url[1024];
    must(pthread_mutex_lock(&s->lock) == 0);
    while (!s->stopping) {
        struct stripe_delivery d;
        int64_t wait;
        if (!due_take(s, &d, &wait)) {
            wait_us(s, wait);
            continue;
        }
        snprintf(url, sizeof(url), "%.*s", STR_ARG(s->webhook));
        struct str secret = s->secret; /* kept for ever */
        s->sending = 1;
        must(pthread_mutex_unlock(&s->lock) == 0);
        bool taken = event_send(url, secret, d.event->body);
        must(pthread_mutex_lock(&s->lock) == 0);
        s->sending = 0;
        d.event->deliveries++;
        *(taken ? &s->delivered : &s->refused) += 1;
        if (!taken && ++d.attempt < ATTEMPTS_MAX && s->queue_n < STRIPE_QUEUE_MAX) {
            d.due_us = clock_wall_us() + (RETRY_US << d.attempt);
            s->queue[s->queue_n++] = d;
        }
    }
    must(pthread_mutex_unlock(&s->lock) == 0);
    return NULL;
}

void stripe_events_start(struct stripe *s)
{
    must(pthread_create(&s->thread, NULL, deliveries, s) == 0);
}

void sandbox_stripe_stop(struct stripe *s)
{
    must(pthread_mutex_lock(&s->lock) == 0);
    s->stopping = true;
    must(pthread_cond_signal(&s->wake) == 0);
    must(pthread_mutex_unlock(&s->lock) == 0);
    must(pthread_join(s->thread, NULL) == 0);
}

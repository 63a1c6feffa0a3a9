/* The last requests as they came. */
#include "sandbox/seen.h"

#include "base/mem.h"
#include "sandbox/sandbox.h"

void sandbox_seen_init(struct sandbox_seen *seen)
{
    must(pthread_mutex_init(&seen->lock, NULL) == 0);
    seen->ring = mem_array(SANDBOX_SEEN, sizeof(struct sandbox_sight));
    for (size_t i = 0; i < SANDBOX_SEEN; i++) {
        buf_init(&seen->ring[i].head, 2 * HTTP1_HEAD_BYTES_MAX);
        buf_init(&seen->ring[i].body, SANDBOX_SEEN_BODY_MAX);
    }
}

void sandbox_seen_note(struct sandbox_lane *lane, const struct http_request *request)
{
    struct sandbox_seen *seen = &lane->seen;
    const struct http1_head *head = request->head;
    must(pthread_mutex_lock(&seen->lock) == 0);
    struct sandbox_sight *sight = &seen->ring[seen->count++ % SANDBOX_SEEN];
    sight->order = atomic_fetch_add(&lane->sandbox->seen_order, 1) + 1;
    sight->at_us = loop_wall_us(lane->loop);
    sight->body_bytes = request->body.n;
    buf_reset(&sight->head);
    buf_reset(&sight->body);
    buf_add(&sight->head, head->method_text);
    buf_byte(&sight->head, ' ');
    buf_add(&sight->head, head->target);
    buf_byte(&sight->head, '\n');
    for (size_t i = 0; i < head->headers_n; i++) {
        bool secret = str_eq_nocase(head->headers[i].name, STR("authorization")) ||
                      str_eq_nocase(head->headers[i].name, STR("x-api-key"));
        buf_add(&sight->head, head->headers[i].name);
        buf_byte(&sight->head, ':');
        buf_add(&sight->head, secret ? STR("(not kept)") : head->headers[i].value);
        buf_byte(&sight->head, '\n');
    }
    buf_add(&sight->body, str_upto(request->body, SANDBOX_SEEN_BODY_MAX));
    must(pthread_mutex_unlock(&seen->lock) == 0);
}

static void name_put(struct buf *b, struct str name)
{
    buf_byte(b, '"');
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        buf_byte(b, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
    }
    buf_add(b, STR("\":"));
}

static void sight_put(const struct sandbox_sight *sight, struct buf *b)
{
    struct str head = buf_str(&sight->head);
    struct str line = str_cut(&head, '\n');
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "method", str_cut(&line, ' '));
    buf_json_member(b, "path", line);
    buf_json_time(b, "received_at", sight->at_us);
    buf_json_key(b, "headers");
    buf_byte(b, '{');
    while (head.n > 0) {
        line = str_cut(&head, '\n');
        buf_json_comma(b);
        name_put(b, str_cut(&line, ':'));
        buf_json_str(b, line);
    }
    buf_byte(b, '}');
    buf_json_i64(b, "body_bytes", (int64_t)sight->body_bytes);
    buf_json_member(b, "body", buf_str(&sight->body));
    buf_byte(b, '}');
}

void sandbox_seen_show(struct sandbox *s, size_t last, struct buf *b)
{
    uint64_t newest = atomic_load(&s->seen_order);
    uint64_t from = newest > last ? newest - last : 0;
    uint64_t at[SANDBOX_LANES_MAX];
    for (unsigned i = 0; i < s->lanes_n; i++) {
        must(pthread_mutex_lock(&s->lanes[i].seen.lock) == 0);
        uint64_t count = s->lanes[i].seen.count;
        at[i] = count > SANDBOX_SEEN ? count - SANDBOX_SEEN : 0;
    }
    for (;;) {
        const struct sandbox_sight *next = NULL;
        unsigned lane = 0;
        for (unsigned i = 0; i < s->lanes_n; i++) {
            const struct sandbox_seen *seen = &s->lanes[i].seen;
            while (at[i] < seen->count && seen->ring[at[i] % SANDBOX_SEEN].order <= from)
                at[i]++;
            const struct sandbox_sight *here = &seen->ring[at[i] % SANDBOX_SEEN];
            if (at[i] < seen->count && (next == NULL || here->order < next->order)) {
                next = here;
                lane = i;
            }
        }
        if (next == NULL)
            break;
        sight_put(next, b);
        at[lane]++;
    }
    for (unsigned i = s->lanes_n; i-- > 0;)
        must(pthread_mutex_unlock(&s->lanes[i].seen.lock) == 0);
}

void sandbox_seen_clear(struct sandbox *s)
{
    for (unsigned i = 0; i < s->lanes_n; i++) {
        must(pthread_mutex_lock(&s->lanes[i].seen.lock) == 0);
        s->lanes[i].seen.count = 0;
        must(pthread_mutex_unlock(&s->lanes[i].seen.lock) == 0);
    }
}

/* The input side of a connection: from bytes to exchanges. */
#include "http/http_in.h"
#include "base/clock.h"

static void conn_run(struct http_conn *c);

/* ---- what waits ---- */

static void ahead_add(struct http_conn *c, struct str bytes)
{
    if (bytes.n == 0)
        return;
    if (c->ahead.p == NULL)
        c->ahead = http_buf_take(c->s, SIZE_MAX / 2);
    buf_add(&c->ahead, bytes);
    http_count(c->s, bytes.n);
    if (c->ahead.n > HTTP_AHEAD_MAX && !c->paused) {
        c->paused = true;
        loop_conn_pause(c->lc);
    }
}

static void ahead_consume(struct http_conn *c, size_t n)
{
    http_uncount(c->s, n);
    buf_consume(&c->ahead, n);
    if (c->ahead.n == 0)
        http_buf_give(c->s, &c->ahead);
    if (c->paused && c->ahead.n <= HTTP_AHEAD_MAX) {
        c->paused = false;
        loop_conn_resume(c->lc);
    }
}

/* What is queued leaves, then the loop reads the client dry for a while and closes. */
static void conn_end(struct http_conn *c)
{
    c->state = HTTP_CONN_CLOSING;
    loop_conn_close(c->lc);
}

/* Our own refusal of an exchange that a handler may know already: he is told that it is over. */
static void own_error(struct http_exchange *x, enum err e, struct str message)
{
    const struct http_events *events = x->events;
    x->events = NULL;
    if (events != NULL && events->gone != NULL)
        events->gone(x->arg);
    http_error(x, e, message, STR(""), STR(""));
}

static void exchange_count(struct http_exchange *x, size_t n)
{
    http_count(x->s, n - x->counted);
    x->counted = n;
}

/* ---- the body ---- */

/* Takes what belongs to the body from *in; data goes into x->body when there is an exchange that
 * wants it. */
static enum err body_take(struct http_conn *c, struct str *in, struct str *ret_data)
{
    if (!c->chunked) {
        struct str data = str_upto(*in, (size_t)c->left);
        *in = str_from(*in, data.n);
        c->left -= (int64_t)data.n;
        c->body_done = c->left == 0;
        *ret_data = data;
        return OK;
    }
    enum err e = http1_chunks_next(&c->chunks, in, ret_data);
    if (e == ERR_END) {
        c->body_done = true;
        *ret_data = STR("");
        return OK;
    }
    return e;
}

static enum err body_keep(struct http_exchange *x, struct str data)
{
    if (x->body.n + data.n > x->body_max)
        return ERR_BODY_TOO_LARGE;
    if (x->route->body_bytes_max == 0) {
        x->body_max -= data.n; /* read and dropped */
        return OK;
    }
    if (http_is_over(x->s, data.n))
        return ERR_OVERLOADED;
    http_count(x->s, data.n);
    x->counted += data.n;
    if (x->body.p == NULL)
        x->body = http_buf_take(x->s, x->body_max);
    buf_add(&x->body, data);
    return buf_check(&x->body) == OK ? OK : ERR_BODY_TOO_LARGE;
}

static void conn_body(struct http_conn *c, struct str *in)
{
    struct http_exchange *x = c->x;
    must(x != NULL);
    while (c->state == HTTP_CONN_BODY && !c->body_done && in->n != 0) {
        struct str data;
        enum err e = body_take(c, in, &data);
        if (e != OK) {
            x->keep = false;
            own_error(x, ERR_INVALID_REQUEST, STR("The chunked body is malformed."));
            return;
        }
        c->marked += (int64_t)data.n;
        e = body_keep(x, data);
        if (e != OK) {
            own_error(x, e, STR(""));
            return;
        }
    }
    if (c->state == HTTP_CONN_BODY && c->body_done) {
        x->request.body = buf_str(&x->body);
        conn_run(c);
    }
}

/* The rest of a body whose exchange is answered. */
static void conn_discard(struct http_conn *c, struct str *in)
{
    struct str data;
    while (!c->body_done && in->n != 0) {
        if (body_take(c, in, &data) != OK) {
            conn_end(c);
            return;
        }
        c->marked += (int64_t)data.n;
    }
    if (c->body_done)
        c->state = HTTP_CONN_IDLE;
}

/* ---- the head ---- */

static void conn_run(struct http_conn *c)
{
    struct http_exchange *x = c->x;
    c->state = HTTP_CONN_RUN;
    if (x->route->lane == HTTP_SLOW)
        http_slow_start(x);
    else
        x->route->ready(x->route->arg, x);
}

/* Who asks, and for what. */
static enum err head_route(struct http_exchange *x, char allow[HTTP_ALLOW_MAX])
{
    struct http_conn *c = x->c;
    const struct http1_head *h = &x->head;
    x->request.path = h->path;
    x->request.query = h->query;
    if (c->forwarded)
        x->request.peer = http_forwarded_for(h, c->s->proxies, c->s->proxies_n, x->request.peer);
    x->no_body = h->method == HTTP1_HEAD;
    if (http_is_over(x->s, 0))
        return ERR_OVERLOADED;
    enum err e = http_router_find(c->s->router, h->method, h->path, &x->arena, x->request.params,
                                  &x->route, allow);
    if (e != OK)
        return e;
    if (!h->expect_continue && h->minor > 0 && http1_header_get(h, STR("expect")).p != NULL)
        return ERR_EXPECTATION_FAILED;
    return OK;
}

static void head_refuse(struct http_exchange *x, enum err e, const char *allow)
{
    struct str lines = STR("");
    if (e == ERR_METHOD_NOT_ALLOWED)
        lines = arena_printf(&x->arena, "Allow: %s\r\n", allow);
    bool escape = e == ERR_INVALID_REQUEST;
    http_error(x, e, escape ? STR("The path has a malformed %-escape.") : STR(""), STR(""), lines);
}

/* Limits that the head alone can pass; then the body begins. */
static void head_body(struct http_conn *c)
{
    struct http_exchange *x = c->x;
    size_t max = x->route->body_bytes_max;
    x->body_max = max != 0 ? max : HTTP_UNWANTED_MAX;
    if (x->head.body == HTTP1_BODY_LENGTH && (uint64_t)x->head.content_length > x->body_max) {
        own_error(x, ERR_BODY_TOO_LARGE, STR(""));
        return;
    }
    if (!c->body_done && !c->chunked && http_is_over(x->s, (size_t)c->left)) {
        own_error(x, ERR_OVERLOADED, STR(""));
        return;
    }
    if (c->body_done) {
        if (max == 0)
            x->request.body = STR("");
        conn_run(c);
        return;
    }
    c->state = HTTP_CONN_BODY;
    c->marked = 0;
    if (x->head.expect_continue && x->head.minor > 0)
        loop_conn_write(c->lc, &STR("HTTP/1.1 100 Continue\r\n\r\n"), 1);
}

/* The head is whole. `body` is what came along of a body with a length, or empty. */
static void conn_head_done(struct http_conn *c, struct str body)
{
    struct http_exchange *x = c->x;
    const struct http1_head *h = &x->head;
    c->chunked = h->body == HTTP1_BODY_CHUNKED;
    c->left = h->body == HTTP1_BODY_LENGTH ? h->content_length - (int64_t)body.n : 0;
    c->body_done = !c->chunked && c->left == 0;
    if (c->chunked)
        http1_chunks_init(&c->chunks);
    exchange_count(x, x->in.n);
    x->keep = h->keep_alive;
    char allow[HTTP_ALLOW_MAX];
    enum err e = head_route(x, allow);
    if (x->s->o.divert != NULL && x->s->o.divert(x->s->o.arg, x)) {
        must(c->x != x);
        return;
    }
    if (e != OK) {
        head_refuse(x, e, allow);
        return;
    }
    if (x->route->head != NULL && !x->route->head(x->route->arg, x)) {
        must(c->x != x); /* who refuses has answered */
        return;
    }
    must(c->x == x); /* and who accepts has not */
    x->request.body = body;
    head_body(c);
}

static void str_move(struct str *s, ptrdiff_t by)
{
    if (s->p != NULL)
        s->p += by;
}

/* The head's slices point into the loop's buffer; now they shall point into ours. */
static void head_move(struct http1_head *h, const char *from, const char *to)
{
    ptrdiff_t by = (ptrdiff_t)((uintptr_t)to - (uintptr_t)from);
    str_move(&h->method_text, by);
    str_move(&h->target, by);
    str_move(&h->path, by);
    str_move(&h->query, by);
    for (size_t i = 0; i < h->headers_n; i++) {
        str_move(&h->headers[i].name, by);
        str_move(&h->headers[i].value, by);
    }
}

/* Nothing of this head was kept so far: parse it where it lies, copy it (and its body) once. */
static enum err head_fresh(struct http_exchange *x, struct str *in, const char **why,
                           struct str *ret_body)
{
    enum err e = http1_request_parse(*in, &x->scanned, &x->head, why);
    if (e == ERR_END) {
        buf_add(&x->in, str_upto(*in, HTTP1_HEAD_BYTES_MAX + 1));
        *in = STR("");
    }
    if (e != OK)
        return e;
    size_t n = x->head.bytes, body = 0;
    if (x->head.body == HTTP1_BODY_LENGTH && (uint64_t)x->head.content_length <= in->n - n)
        body = (size_t)x->head.content_length;
    buf_add(&x->in, str_upto(*in, n + body));
    head_move(&x->head, in->p, x->in.p);
    *in = str_from(*in, n + body);
    *ret_body = str_of(x->in.p + n, body);
    return OK;
}

/* More of a head that had begun. What is too much goes back. */
static enum err head_more(struct http_exchange *x, struct str *in, const char **why)
{
    size_t before = x->in.n;
    buf_add(&x->in, str_upto(*in, HTTP1_HEAD_BYTES_MAX + 1 - before));
    enum err e = http1_request_parse(buf_str(&x->in), &x->scanned, &x->head, why);
    if (e == OK) {
        *in = str_from(*in, x->head.bytes - before);
        x->in.n = x->head.bytes;
    } else {
        *in = str_from(*in, x->in.n - before);
    }
    return e;
}

static void conn_head(struct http_conn *c, struct str *in)
{
    struct http_exchange *x = c->x;
    must(x != NULL);
    const char *why = NULL;
    struct str body = STR("");
    enum err e = x->in.n == 0 ? head_fresh(x, in, &why, &body) : head_more(x, in, &why);
    if (e == OK) {
        conn_head_done(c, body);
        return;
    }
    if (e == ERR_END && x->in.n > HTTP1_HEAD_BYTES_MAX)
        e = ERR_HEADERS_TOO_LARGE;
    if (e == ERR_END) {
        exchange_count(x, x->in.n);
        if (!http_is_over(c->s, 0))
            return;
        e = ERR_OVERLOADED;
    }
    /* What a failed parse left in the head is not to be looked at. */
    memset(&x->head, 0, offsetof(struct http1_head, headers));
    http_refuse(x, e, why);
}

/* ---- the turn ---- */

/* Takes what it may from `in` and returns what must wait. */
static struct str conn_take(struct http_conn *c, struct str in)
{
    while (in.n != 0) {
        switch (c->state) {
        case HTTP_CONN_IDLE:
            /* RFC 9112 §2.2: blank lines before a request line are passed over. */
            if (in.n >= 2 && in.p[0] == '\r' && in.p[1] == '\n') {
                in = str_from(in, 2);
                break;
            }
            if (loop_conn_queued(c->lc) > HTTP_QUEUE_MAX)
                return in;
            http_exchange_new(c);
            c->state = HTTP_CONN_HEAD;
            break;
        case HTTP_CONN_HEAD: conn_head(c, &in); break;
        case HTTP_CONN_BODY: conn_body(c, &in); break;
        case HTTP_CONN_RUN: return in;
        case HTTP_CONN_DISCARD: conn_discard(c, &in); break;
        case HTTP_CONN_CLOSING:
        case HTTP_CONN_STATE__COUNT:
            /* Dropped, whatever it looks like: after an error nothing is a request any more. */
            return STR("");
        }
    }
    return in;
}

static void conn_take_ahead(struct http_conn *c)
{
    if (c->ahead.n == 0)
        return;
    size_t before = c->ahead.n;
    struct str rest = conn_take(c, buf_str(&c->ahead));
    ahead_consume(c, before - rest.n);
}

static void conn_read(void *arg, struct str bytes)
{
    struct http_conn *c = arg;
    c->busy = true;
    if (c->ahead.n != 0) {
        ahead_add(c, bytes);
        conn_take_ahead(c);
    } else {
        ahead_add(c, conn_take(c, bytes));
    }
    c->busy = false;
    http_conn_arm(c);
}

void http_conn_kicked(struct http_conn *c)
{
    c->busy = true;
    conn_take_ahead(c);
    c->busy = false;
    http_conn_arm(c);
}

static void conn_drained(void *arg)
{
    struct http_conn *c = arg;
    if (c->x != NULL && c->x->events != NULL && c->x->events->drained != NULL)
        c->x->events->drained(c->x->arg);
    else if (c->x == NULL && c->ahead.n != 0)
        http_conn_kicked(c);
}

/* The client is gone, whatever it was doing. */
static void conn_closed(void *arg, enum loop_close reason, const char *why)
{
    (void)reason;
    (void)why;
    struct http_conn *c = arg;
    struct http_exchange *x = c->x;
    if (x != NULL) {
        c->x = NULL;
        x->c = NULL;
        if (c->s->o.finished != NULL && x->head.bytes != 0)
            c->s->o.finished(c->s->o.arg, x, err_info(ERR_CLIENT_GONE)->status, x->written);
        if (x->events != NULL && x->events->gone != NULL)
            x->events->gone(x->arg);
        if (x->job == NULL)
            http_exchange_free(x);
    }
    http_conn_closed(c);
}

static void conn_opened(void *arg)
{
    struct http_conn *c = arg;
    c->timed = HTTP_CONN_STATE__COUNT;
    http_conn_arm(c);
}

const struct loop_conn_events http_conn_events = {
    .opened = conn_opened,
    .read = conn_read,
    .drained = conn_drained,
    .closed = conn_closed,
};

void http_exchange_finish(struct http_exchange *x)
{
    struct http_conn *c = x->c;
    struct http_server *s = c->s;
    bool keep = x->keep && !s->draining;
    if (s->o.finished != NULL)
        s->o.finished(s->o.arg, x, x->status, x->written);
    http_exchange_free(x);
    c->x = NULL;
    c->timed = HTTP_CONN_STATE__COUNT;
    c->marked = 0;
    if (!keep)
        conn_end(c);
    else
        c->state = c->body_done ? HTTP_CONN_IDLE : HTTP_CONN_DISCARD;
    if (c->busy)
        return;
    http_conn_arm(c);
    if (c->ahead.n != 0)
        http_kick(c);
}

/* ---- time ---- */

/* Starts the timer for the state that the connection is in, if it ticks for another one. While an
 * exchange runs it is left as it is: when it fires it becomes the watch over stalled writes. */
void http_conn_arm(struct http_conn *c)
{
    const struct http_options *o = &c->s->o;
    if (c->timed == c->state || c->state == HTTP_CONN_RUN)
        return;
    c->timed = c->state;
    switch (c->state) {
    case HTTP_CONN_IDLE: loop_timer_start(&c->timer, o->idle_us); return;
    case HTTP_CONN_HEAD: loop_timer_start(&c->timer, o->head_us); return;
    case HTTP_CONN_BODY:
    case HTTP_CONN_DISCARD: loop_timer_start(&c->timer, o->body_us); return;
    case HTTP_CONN_RUN:
    case HTTP_CONN_CLOSING:
    case HTTP_CONN_STATE__COUNT: loop_timer_stop(&c->timer); return;
    }
}

static void tick_body(struct http_conn *c)
{
    must(c->state == HTTP_CONN_DISCARD || c->x != NULL);
    const struct http_options *o = &c->s->o;
    int64_t least = o->body_us * 1024 / US_PER_S;
    if (c->marked >= (least > 0 ? least : 1)) {
        c->marked = 0;
        loop_timer_start(&c->timer, o->body_us);
        return;
    }
    if (c->state == HTTP_CONN_BODY) {
        c->x->keep = false; /* the rest may come at any time, or never */
        own_error(c->x, ERR_REQUEST_TIMEOUT, STR("The body did not arrive in time."));
        return;
    }
    c->state = HTTP_CONN_CLOSING;
    loop_conn_abort(c->lc);
}

static void tick_run(struct http_conn *c)
{
    int64_t sent = (int64_t)loop_conn_sent(c->lc);
    if (loop_conn_queued(c->lc) != 0 && c->timed == HTTP_CONN_RUN && sent == c->marked) {
        loop_conn_abort(c->lc); /* `closed` tells the handler */
        return;
    }
    c->timed = HTTP_CONN_RUN;
    c->marked = sent;
    loop_timer_start(&c->timer, c->s->o.write_us);
}

void http_conn_tick(void *conn)
{
    struct http_conn *c = conn;
    switch (c->state) {
    case HTTP_CONN_IDLE:
        if (loop_conn_queued(c->lc) != 0)
            loop_conn_abort(c->lc);
        else
            conn_end(c);
        return;
    case HTTP_CONN_HEAD:
        http_refuse(c->x, ERR_REQUEST_TIMEOUT, "The request's head did not arrive in time.");
        return;
    case HTTP_CONN_BODY:
    case HTTP_CONN_DISCARD: tick_body(c); return;
    case HTTP_CONN_RUN: tick_run(c); return;
    case HTTP_CONN_CLOSING:
    case HTTP_CONN_STATE__COUNT: return;
    }
}

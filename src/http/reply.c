/* The output side of an exchange: heads, bodies, streams, errors. */
#include "http/http_in.h"
#include "base/clock.h"

const struct http_request *http_request_of(const struct http_exchange *x)
{
    return &x->request;
}

struct loop *http_loop_of(const struct http_exchange *x)
{
    return x->s->loop;
}

void http_exchange_set(struct http_exchange *x, const struct http_events *events, void *arg)
{
    x->events = events;
    x->arg = arg;
}

void *http_exchange_arg(const struct http_exchange *x)
{
    return x->arg;
}

struct arena *http_arena(struct http_exchange *x)
{
    return &x->arena;
}

struct str http_header(const struct http_exchange *x, struct str name)
{
    return http1_header_get(&x->head, name);
}

void http_body_release(struct http_exchange *x)
{
    x->request.body = STR("");
    size_t n = x->body.n;
    http_buf_give(x->s, &x->body);
    must(x->counted >= n);
    x->counted -= n;
    http_uncount(x->s, n);
}

size_t http_queued(const struct http_exchange *x)
{
    return x->c != NULL ? loop_conn_queued(x->c->lc) : 0;
}

/* ---- the head ---- */

/* Date and Server, once per second. */
static struct str common_lines(struct http_server *s)
{
    int64_t now_s = loop_wall_us(s->loop) / US_PER_S;
    if (now_s == s->date_s)
        return str_of(s->common, s->common_n);
    s->date_s = now_s;
    char text[CLOCK_TEXT_MAX];
    struct buf b = {.p = s->common, .cap = sizeof(s->common), .max = sizeof(s->common)};
    buf_add(&b, STR("Date: "));
    buf_add(&b, clock_http_date(now_s * US_PER_S, text));
    buf_add(&b, STR("\r\n"));
    if (s->o.server_name != NULL) {
        buf_add(&b, STR("Server: "));
        buf_add(&b, str_c(s->o.server_name));
        buf_add(&b, STR("\r\n"));
    }
    must(!b.over);
    s->common_n = b.n;
    return str_of(s->common, s->common_n);
}

void http_start(struct http_exchange *x, int status)
{
    must(x->stage == HTTP_STAGE_OPEN && status >= 200 && status <= 599);
    x->stage = HTTP_STAGE_STARTED;
    x->status = status;
    x->no_body |= status == 204 || status == 304;
    x->out = http_buf_take(x->s, HTTP_REPLY_HEAD_MAX);
    struct buf *b = &x->out;
    if (status == 200) {
        buf_add(b, STR("HTTP/1.1 200 OK\r\n"));
    } else {
        buf_add(b, STR("HTTP/1.1 "));
        buf_i64(b, status);
        buf_byte(b, ' ');
        buf_add(b, str_c(http1_reason(status)));
        buf_add(b, STR("\r\n"));
    }
    buf_add(b, common_lines(x->s));
    struct str id = str_c(x->id);
    if (x->s->id_line_n != 0) {
        buf_add(b, str_of(x->s->id_line, x->s->id_line_n));
        buf_add(b, id);
        buf_add(b, STR("\r\n"));
    }
    buf_add(b, STR("x-request-id: "));
    buf_add(b, id);
    buf_add(b, STR("\r\n"));
    if (x->s->o.headers != NULL)
        x->s->o.headers(x->s->o.arg, &x->request, b);
}

void http_set(struct http_exchange *x, struct str name, struct str value)
{
    must(x->stage == HTTP_STAGE_STARTED && name.n != 0 && http1_value_is_sane(value));
    buf_add(&x->out, name);
    buf_add(&x->out, STR(": "));
    buf_add(&x->out, value);
    buf_add(&x->out, STR("\r\n"));
}

void http_set_i64(struct http_exchange *x, struct str name, int64_t value)
{
    must(x->stage == HTTP_STAGE_STARTED && name.n != 0);
    buf_add(&x->out, name);
    buf_add(&x->out, STR(": "));
    buf_i64(&x->out, value);
    buf_add(&x->out, STR("\r\n"));
}

void http_set_lines(struct http_exchange *x, struct str lines)
{
    must(x->stage == HTTP_STAGE_STARTED);
    must(lines.n == 0 || str_ends(lines, STR("\r\n")));
    buf_add(&x->out, lines);
}

/* May the connection take another request after this answer? What is left of the body must be
 * short and certain to come: a client that was not told to continue may or may not send it. */
static bool goes_on(const struct http_exchange *x)
{
    const struct http_conn *c = x->c;
    if (!x->keep || x->s->draining)
        return false;
    if (c->body_done)
        return true;
    bool waits = x->head.expect_continue && c->state == HTTP_CONN_HEAD;
    return !c->chunked && !waits && c->left <= HTTP_DISCARD_MAX;
}

/* The last lines of the head, and whatever of the body goes along. */
static void head_write(struct http_exchange *x, struct str body)
{
    x->keep = goes_on(x);
    struct buf *b = &x->out;
    if (!x->keep)
        buf_add(b, STR("Connection: close\r\n"));
    else if (x->head.minor == 0)
        buf_add(b, STR("Connection: keep-alive\r\n"));
    buf_add(b, STR("\r\n"));
    must(buf_check(b) == OK); /* a reply's head is ours: 64 KiB of it is a bug */
    struct str pieces[2] = {buf_str(b), body};
    loop_conn_write(x->c->lc, pieces, body.n != 0 ? 2 : 1);
    http_buf_give(x->s, b);
    x->stage = HTTP_STAGE_STREAM;
}

static void length_add(struct http_exchange *x, uint64_t n)
{
    buf_add(&x->out, STR("Content-Length: "));
    buf_u64(&x->out, n);
    buf_add(&x->out, STR("\r\n"));
}

void http_body(struct http_exchange *x, struct str content_type, struct str body)
{
    must(x->stage == HTTP_STAGE_STARTED);
    if (content_type.n != 0)
        http_set(x, STR("Content-Type"), content_type);
    if (x->status != 204 && x->status != 304)
        length_add(x, body.n);
    if (x->no_body)
        body = STR("");
    x->written = body.n;
    head_write(x, body);
    http_exchange_finish(x);
}

/* ---- streams ---- */

void http_stream(struct http_exchange *x, int64_t length)
{
    must(x->stage == HTTP_STAGE_STARTED);
    x->length = length;
    if (length >= 0) {
        length_add(x, (uint64_t)length);
    } else if (x->head.minor == 0) {
        x->keep = false; /* HTTP/1.0 knows no chunks: the end of the connection ends the body */
    } else if (x->status != 204 && x->status != 304) {
        buf_add(&x->out, STR("Transfer-Encoding: chunked\r\n"));
        x->chunks = !x->no_body;
    }
    head_write(x, STR(""));
}

void http_write(struct http_exchange *x, struct str bytes)
{
    must(x->stage == HTTP_STAGE_STREAM);
    if (bytes.n == 0 || x->no_body)
        return;
    x->written += bytes.n;
    must(x->length < 0 || x->written <= (uint64_t)x->length);
    if (!x->chunks) {
        loop_conn_write(x->c->lc, &bytes, 1);
        return;
    }
    char text[HTTP1_CHUNK_HEAD_MAX];
    struct str pieces[3] = {http1_chunk_head(bytes.n, text), bytes, STR("\r\n")};
    loop_conn_write(x->c->lc, pieces, 3);
}

void http_trailer(struct http_exchange *x, struct str name, struct str value)
{
    must(x->stage == HTTP_STAGE_STREAM && name.n != 0 && http1_value_is_sane(value));
    if (!x->chunks || !x->head.te_trailers)
        return;
    if (x->trailers.p == NULL)
        x->trailers = http_buf_take(x->s, HTTP_REPLY_HEAD_MAX);
    buf_add(&x->trailers, name);
    buf_add(&x->trailers, STR(": "));
    buf_add(&x->trailers, value);
    buf_add(&x->trailers, STR("\r\n"));
}

void http_end(struct http_exchange *x)
{
    must(x->stage == HTTP_STAGE_STREAM);
    if (!x->no_body && x->length >= 0 && x->written != (uint64_t)x->length) {
        http_abort(x);
        return;
    }
    if (x->chunks) {
        must(buf_check(&x->trailers) == OK);
        struct str pieces[3] = {STR("0\r\n"), buf_str(&x->trailers), STR("\r\n")};
        loop_conn_write(x->c->lc, pieces, 3);
    }
    http_exchange_finish(x);
}

void http_abort(struct http_exchange *x)
{
    struct http_conn *c = x->c;
    struct http_server *s = x->s;
    if (s->o.finished != NULL)
        s->o.finished(s->o.arg, x, x->status != 0 ? x->status : 499, x->written);
    c->x = NULL;
    c->state = HTTP_CONN_CLOSING;
    http_exchange_free(x);
    loop_conn_abort(c->lc);
}

/* ---- errors ---- */

static void render_default(struct buf *b, const struct err_info *info, struct str message,
                           struct str field, const char *request_id)
{
    buf_add(b, STR("{\"error\":{"));
    buf_json_member(b, "code", str_c(info->code));
    buf_json_member(b, "message", message);
    if (field.n != 0)
        buf_json_member(b, "field", field);
    buf_json_member(b, "request_id", str_c(request_id));
    buf_add(b, STR("}}"));
}

void http_error(struct http_exchange *x, enum err e, struct str message, struct str field,
                struct str header_lines)
{
    struct http_server *s = x->s;
    if (x->stage == HTTP_STAGE_STREAM) {
        http_abort(x);
        return;
    }
    if (x->stage == HTTP_STAGE_STARTED) {
        http_buf_give(s, &x->out);
        x->stage = HTTP_STAGE_OPEN;
    }
    const struct err_info *info = err_info(e);
    if (strcmp(info->code, "internal") == 0) {
        /* What happened inside is for the log. */
        e = ERR_INTERNAL;
        info = err_info(e);
    }
    if (message.n == 0)
        message = str_c(info->meaning);
    struct buf lines = http_buf_take(s, HTTP_REPLY_HEAD_MAX / 2);
    struct buf body = http_buf_take(s, HTTP_REPLY_HEAD_MAX);
    buf_add(&lines, header_lines); /* first, so that render sees what is there already */
    if (s->o.render != NULL)
        s->o.render(s->o.arg, x->request.path, e, message, field, x->id, &lines, &body);
    else
        render_default(&body, info, message, field, x->id);
    http_start(x, info->status);
    http_set_lines(x, buf_str(&lines));
    http_body(x, STR("application/json"), buf_str(&body));
    http_buf_give(s, &lines);
    http_buf_give(s, &body);
}

void http_refuse(struct http_exchange *x, enum err e, const char *why)
{
    x->keep = false;
    http_error(x, e, str_c(why), STR(""), STR(""));
}

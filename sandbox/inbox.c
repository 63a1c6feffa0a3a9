/* Mail that arrived by SMTP. */
#include "sandbox/inbox.h"

#include "base/mem.h"

#include <pthread.h>

enum { PARTS_DEPTH_MAX = 8 };

struct mail {
    char *text; /* from, to, raw one after another */
    struct str from, to, raw;
    int64_t at_us;
};

struct sandbox_inbox {
    pthread_mutex_t lock;
    uint64_t count, first;
    struct mail ring[SANDBOX_MAILS];
};

struct sandbox_inbox *sandbox_inbox_new(void)
{
    struct sandbox_inbox *inbox = mem_zalloc(sizeof(*inbox));
    must(pthread_mutex_init(&inbox->lock, NULL) == 0);
    return inbox;
}

void sandbox_inbox_add(struct sandbox_inbox *inbox, struct str from, struct str to, struct str raw,
                       int64_t now_us)
{
    char *text = mem_alloc(from.n + to.n + raw.n);
    memcpy(text, from.p, from.n);
    memcpy(text + from.n, to.p, to.n);
    memcpy(text + from.n + to.n, raw.p, raw.n);
    must(pthread_mutex_lock(&inbox->lock) == 0);
    struct mail *m = &inbox->ring[inbox->count++ % SANDBOX_MAILS];
    mem_free(m->text);
    *m = (struct mail){text, str_of(text, from.n), str_of(text + from.n, to.n),
                       str_of(text + from.n + to.n, raw.n), now_us};
    must(pthread_mutex_unlock(&inbox->lock) == 0);
}

void sandbox_inbox_clear(struct sandbox_inbox *inbox)
{
    must(pthread_mutex_lock(&inbox->lock) == 0);
    inbox->first = inbox->count;
    must(pthread_mutex_unlock(&inbox->lock) == 0);
}

/* ---- what is in a message (RFC 5322, RFC 2045) ---- */

/* A line without its end; *s moves behind it. */
static struct str line_next(struct str *s)
{
    struct str line = str_cut(s, '\n');
    return str_ends(line, STR("\r")) ? str_upto(line, line.n - 1) : line;
}

/* Unfolded value of the first header of that name. */
static void header_find(struct str s, struct str name, struct buf *ret_value)
{
    bool found = false;
    buf_reset(ret_value);
    while (s.n > 0) {
        struct str line = line_next(&s);
        bool folded = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
        if (line.n == 0 || (found && !folded))
            return;
        if (found) {
            buf_byte(ret_value, ' ');
            buf_add(ret_value, str_trim(line));
        } else if (str_starts_nocase(line, name) && line.n > name.n && line.p[name.n] == ':') {
            found = true;
            buf_add(ret_value, str_trim(str_from(line, name.n + 1)));
        }
    }
}

static struct str body_of(struct str s)
{
    while (s.n > 0 && line_next(&s).n > 0)
        ;
    return s;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void quoted_printable_add(struct buf *b, struct str s)
{
    while (s.n > 0) {
        struct str line = line_next(&s);
        bool soft = str_ends(line, STR("="));
        if (soft)
            line.n--;
        for (size_t i = 0; i < line.n; i++) {
            bool coded = line.p[i] == '=' && i + 2 < line.n && hex_digit(line.p[i + 1]) >= 0 &&
                         hex_digit(line.p[i + 2]) >= 0;
            if (!coded) {
                buf_byte(b, line.p[i]);
                continue;
            }
            buf_byte(b, (char)(hex_digit(line.p[i + 1]) * 16 + hex_digit(line.p[i + 2])));
            i += 2;
        }
        if (!soft)
            buf_byte(b, '\n');
    }
}

static void base64_add(struct buf *b, struct str s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < s.n && s.p[i] != '='; i++) {
        const char *at = memchr(digits, s.p[i], 64);
        if (at == NULL)
            continue;
        bits = bits << 6 | (uint32_t)(at - digits);
        held += 6;
        if (held >= 8) {
            held -= 8;
            buf_byte(b, (char)(bits >> held & 255));
        }
    }
}

static void plain_add(struct buf *b, struct str s)
{
    while (s.n > 0) {
        buf_add(b, line_next(&s));
        buf_byte(b, '\n');
    }
}

/* The boundary parameter of a multipart content type; empty when it is none. */
static struct str boundary_of(struct str type)
{
    size_t at = str_find(type, STR("boundary="));
    if (!str_starts_nocase(type, STR("multipart/")) || at == SIZE_MAX)
        return STR("");
    struct str rest = str_from(type, at + 9);
    if (rest.n > 0 && rest.p[0] == '"') {
        rest = str_from(rest, 1);
        return str_cut(&rest, '"');
    }
    return str_trim(str_cut(&rest, ';'));
}

static bool text_add(struct buf *b, struct str part, int depth);

static bool multipart_add(struct buf *b, struct str body, struct str boundary, int depth)
{
    const char *begin = NULL;
    while (body.n > 0) {
        struct str before = body;
        struct str line = line_next(&body);
        bool limit = str_starts(line, STR("--")) && str_starts(str_from(line, 2), boundary);
        if (!limit)
            continue;
        if (begin != NULL && text_add(b, str_of(begin, (size_t)(before.p - begin)), depth + 1))
            return true;
        begin = body.p;
    }
    return false;
}

/* The first text/plain of a message or part, decoded; false when it has none. */
static bool text_add(struct buf *b, struct str part, int depth)
{
    struct buf type, coding;
    buf_init(&type, 4096);
    buf_init(&coding, 4096);
    header_find(part, STR("content-type"), &type);
    header_find(part, STR("content-transfer-encoding"), &coding);
    struct str boundary = boundary_of(buf_str(&type));
    bool done = true;
    if (boundary.n > 0)
        done = depth < PARTS_DEPTH_MAX && multipart_add(b, body_of(part), boundary, depth);
    else if (type.n > 0 && !str_starts_nocase(buf_str(&type), STR("text/plain")))
        done = false;
    else if (str_eq_nocase(buf_str(&coding), STR("quoted-printable")))
        quoted_printable_add(b, body_of(part));
    else if (str_eq_nocase(buf_str(&coding), STR("base64")))
        base64_add(b, body_of(part));
    else
        plain_add(b, body_of(part));
    buf_fini(&type);
    buf_fini(&coding);
    return done;
}

static void mail_put(struct buf *b, const struct mail *m, struct buf *scratch)
{
    struct str to = m->to;
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "from", m->from);
    buf_json_key(b, "to");
    buf_byte(b, '[');
    while (to.n > 0) {
        buf_json_comma(b);
        buf_json_str(b, str_cut(&to, '\n'));
    }
    buf_byte(b, ']');
    header_find(m->raw, STR("subject"), scratch);
    buf_json_member(b, "subject", buf_str(scratch));
    buf_json_time(b, "received_at", m->at_us);
    buf_reset(scratch);
    (void)text_add(scratch, m->raw, 0);
    buf_json_member(b, "text", buf_str(scratch));
    buf_json_member(b, "raw", m->raw);
    buf_byte(b, '}');
}

void sandbox_inbox_show(struct sandbox_inbox *inbox, struct buf *b)
{
    struct buf scratch;
    buf_init(&scratch, 2 * SANDBOX_MAIL_BYTES_MAX);
    buf_byte(b, '[');
    must(pthread_mutex_lock(&inbox->lock) == 0);
    uint64_t i = inbox->first;
    if (inbox->count - i > SANDBOX_MAILS)
        i = inbox->count - SANDBOX_MAILS;
    for (; i < inbox->count; i++)
        mail_put(b, &inbox->ring[i % SANDBOX_MAILS], &scratch);
    must(pthread_mutex_unlock(&inbox->lock) == 0);
    buf_byte(b, ']');
    buf_fini(&scratch);
}

/* ---- for people ---- */

/* Text whose addresses can be followed. */
static void linked_add(struct buf *b, struct str s)
{
    while (s.n > 0) {
        size_t http = str_find(s, STR("http://")), https = str_find(s, STR("https://"));
        size_t at = http < https ? http : https;
        buf_html(b, str_upto(s, at));
        s = str_from(s, at);
        size_t n = 0;
        while (n < s.n && (unsigned char)s.p[n] > ' ' && s.p[n] != '<' && s.p[n] != '>' &&
               s.p[n] != '"')
            n++;
        if (n > 0) {
            buf_add(b, STR("<a href=\""));
            buf_html(b, str_upto(s, n));
            buf_add(b, STR("\">"));
            buf_html(b, str_upto(s, n));
            buf_add(b, STR("</a>"));
            s = str_from(s, n);
        }
    }
}

static void mail_page_add(struct buf *b, const struct mail *m, struct buf *scratch)
{
    struct str to = m->to;
    buf_reset(scratch);
    header_find(m->raw, STR("subject"), scratch);
    buf_add(b, STR("<article><h2>"));
    buf_html(b, buf_str(scratch));
    buf_add(b, STR("</h2><p>to "));
    buf_html(b, str_cut(&to, '\n'));
    buf_add(b, STR("</p><pre>"));
    buf_reset(scratch);
    (void)text_add(scratch, m->raw, 0);
    linked_add(b, buf_str(scratch));
    buf_add(b, STR("</pre></article>"));
}

void sandbox_inbox_page(struct sandbox_inbox *inbox, struct buf *b)
{
    struct buf scratch;
    buf_init(&scratch, 2 * SANDBOX_MAIL_BYTES_MAX);
    buf_add(b, STR("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
                   "<meta name=\"viewport\" content=\"width=device-width\">"
                   "<meta http-equiv=\"refresh\" content=\"3\"><title>Inbox</title><style>"
                   "body{font:15px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;"
                   "padding:0 1rem;color-scheme:light dark}article{border:1px solid #8884;"
                   "border-radius:8px;padding:0 1.2rem;margin:1rem 0}h2{font-size:1.05rem;"
                   "margin-bottom:0}p{margin:0;opacity:.7}pre{white-space:pre-wrap;"
                   "overflow-wrap:anywhere}</style></head><body><h1>Inbox</h1>"
                   "<p>What the house has mailed, the newest first.</p>"));
    must(pthread_mutex_lock(&inbox->lock) == 0);
    uint64_t first = inbox->first;
    if (inbox->count - first > SANDBOX_PAGE_MAILS)
        first = inbox->count - SANDBOX_PAGE_MAILS;
    for (uint64_t i = inbox->count; i > first; i--)
        mail_page_add(b, &inbox->ring[(i - 1) % SANDBOX_MAILS], &scratch);
    if (inbox->count == first)
        buf_add(b, STR("<p>Nothing yet.</p>"));
    must(pthread_mutex_unlock(&inbox->lock) == 0);
    buf_add(b, STR("</body></html>"));
    buf_fini(&scratch);
}

/* HTTP/1.1 heads and chunks. RFC 9110, RFC 9112.
 *
 * A head is looked at twice: by memchr for its end (and for line ends without CR, wherever they
 * stand), then once by byte against a table. In the second look no bound is checked: the blank line
 * at the end is in no class of the table, so every run stops there. */
#include "codec/http1.h"

enum {
    TOKEN = 1, /* names and methods */
    TARGET = 2, /* visible ASCII without '#' */
    VALUE = 4, /* blanks, visible ASCII, bytes from 0x80 on */
    HOST = 8, /* of Host: registered names, addresses, port */
    DIGIT = 16,
    HEX = 32
};

#define TTH (TOKEN | TARGET | VALUE | HOST)
#define NUM (TTH | DIGIT | HEX)
#define ABC (TTH | HEX)
static const uint8_t class_of[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = TTH,
    ['"'] = TARGET | VALUE,
    ['#'] = TOKEN | VALUE,
    ['$' ... '\''] = TTH,
    ['('] = TARGET | VALUE | HOST,
    [')'] = TARGET | VALUE | HOST,
    ['*'] = TTH,
    ['+'] = TTH,
    [','] = TARGET | VALUE | HOST,
    ['-'] = TTH,
    ['.'] = TTH,
    ['/'] = TARGET | VALUE,
    ['0' ... '9'] = NUM,
    [':'] = TARGET | VALUE | HOST,
    [';'] = TARGET | VALUE | HOST,
    ['<'] = TARGET | VALUE,
    ['='] = TARGET | VALUE | HOST,
    ['>' ... '@'] = TARGET | VALUE,
    ['A' ... 'F'] = ABC,
    ['G' ... 'Z'] = TTH,
    ['['] = TARGET | VALUE | HOST,
    ['\\'] = TARGET | VALUE,
    [']'] = TARGET | VALUE | HOST,
    ['^'] = TOKEN | TARGET | VALUE,
    ['_'] = TTH,
    ['`'] = TOKEN | TARGET | VALUE,
    ['a' ... 'f'] = ABC,
    ['g' ... 'z'] = TTH,
    ['{'] = TARGET | VALUE,
    ['|'] = TOKEN | TARGET | VALUE,
    ['}'] = TARGET | VALUE,
    ['~'] = TTH,
    [0x80 ... 0xFF] = VALUE,
};

static inline bool is(char c, unsigned what)
{
    return (class_of[(unsigned char)c] & what) != 0;
}

static const char *run(const char *p, unsigned what)
{
    while (is(*p, what))
        p++;
    return p;
}

static bool all(struct str s, unsigned what)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is(s.p[i], what))
            return false;
    return true;
}

static enum err refuse(enum err e, const char *why, const char **ret_why)
{
    *ret_why = why;
    return e;
}

#define BAD(why) refuse(ERR_INVALID_REQUEST, (why), ret_why)

/* ---- the end of the head ---- */

/* The longest first line: a target, a method, a version. */
enum { FIRST_LINE_MAX = HTTP1_TARGET_BYTES_MAX + 64 };

static enum err too_long(bool request, bool in_first_line, const char **ret_why)
{
    if (request && in_first_line)
        return refuse(ERR_URI_TOO_LONG, "the request line is too long", ret_why);
    return refuse(ERR_HEADERS_TOO_LARGE, "the head is too long", ret_why);
}

/* Finds the blank line; `start` is where the first line begins. */
static enum err head_end(struct str in, size_t start, size_t *scanned, bool request,
                         size_t *ret_end, const char **ret_why)
{
    size_t n = in.n < HTTP1_HEAD_BYTES_MAX ? in.n : HTTP1_HEAD_BYTES_MAX;
    size_t at = *scanned > start ? *scanned : start;
    while (at < n) {
        const char *lf = memchr(in.p + at, '\n', n - at);
        if (lf == NULL)
            break;
        size_t i = (size_t)(lf - in.p);
        if (i == start || in.p[i - 1] != '\r')
            return BAD("a line ends with a bare LF");
        if (i - start > FIRST_LINE_MAX && *scanned <= start)
            return too_long(request, true, ret_why);
        if (i < start + 2)
            return BAD("the first line is empty");
        if (in.p[i - 2] == '\n') {
            *ret_end = i + 1;
            return OK;
        }
        at = *scanned = i + 1;
    }
    if (*scanned <= start && n - start > FIRST_LINE_MAX)
        return too_long(request, true, ret_why);
    if (in.n >= HTTP1_HEAD_BYTES_MAX)
        return too_long(request, false, ret_why);
    return ERR_END;
}

/* ---- header fields ---- */

/* What the fields said, before it is judged as a whole. */
struct fields {
    size_t lengths, codings, hosts;
    struct str length, coding, host;
    bool close, keep_alive, upgrade, upgrade_named;
};

static void note_connection(struct fields *f, struct str value)
{
    f->close |= http1_list_has(value, STR("close"));
    f->keep_alive |= http1_list_has(value, STR("keep-alive"));
    f->upgrade_named |= http1_list_has(value, STR("upgrade"));
}

/* The few that we act upon; the length tells most others apart. */
static void note_field(struct http1_head *head, struct fields *f, const struct http1_header *h)
{
    switch (h->name.n) {
    case 2:
        head->te_trailers |= str_eq_nocase(h->name, STR("te")) &&
                             http1_list_has(h->value, STR("trailers"));
        break;
    case 4:
        if (str_eq_nocase(h->name, STR("host"))) {
            f->hosts++;
            f->host = h->value;
        }
        break;
    case 6:
        if (str_eq_nocase(h->name, STR("expect")))
            head->expect_continue = str_eq_nocase(h->value, STR("100-continue"));
        break;
    case 7: f->upgrade |= str_eq_nocase(h->name, STR("upgrade")); break;
    case 10:
        if (str_eq_nocase(h->name, STR("connection")))
            note_connection(f, h->value);
        break;
    case 14:
        if (str_eq_nocase(h->name, STR("content-length"))) {
            f->lengths++;
            f->length = h->value;
        }
        break;
    case 17:
        if (str_eq_nocase(h->name, STR("transfer-encoding"))) {
            f->codings++;
            f->coding = h->value;
        }
        break;
    default: break;
    }
}

static enum err field_line(const char **at, struct http1_header *h, const char **ret_why)
{
    const char *p = *at;
    const char *end = run(p, TOKEN);
    if (end == p)
        return BAD(*p == ' ' || *p == '\t' ? "a header line is folded"
                   : *p == ':'             ? "a header has no name"
                                           : "a header name holds a forbidden character");
    if (*end != ':')
        return BAD(*end == ' ' || *end == '\t' ? "white space stands before a header's colon"
                                               : "a header name holds a forbidden character");
    h->name = str_of(p, (size_t)(end - p));
    for (p = end + 1; *p == ' ' || *p == '\t';)
        p++;
    end = run(p, VALUE);
    if (end[0] != '\r' || end[1] != '\n')
        return BAD("a header value holds a control character");
    *at = end + 2;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    h->value = str_of(p, (size_t)(end - p));
    return OK;
}

static enum err fields_parse(const char *p, struct http1_head *head, struct fields *f,
                             const char **ret_why)
{
    size_t n = 0;
    while (p[0] != '\r' || p[1] != '\n') {
        if (n == HTTP1_HEADERS_MAX)
            return refuse(ERR_HEADERS_TOO_LARGE, "there are too many header fields", ret_why);
        enum err e = field_line(&p, &head->headers[n], ret_why);
        if (e != OK)
            return e;
        note_field(head, f, &head->headers[n++]);
    }
    head->headers_n = n;
    return OK;
}

/* ---- framing ---- */

static enum err judge_coding(const struct http1_head *head, const struct fields *f,
                             const char **ret_why)
{
    struct str list = f->coding;
    if (f->lengths != 0)
        return BAD("Content-Length and Transfer-Encoding stand together");
    if (f->codings > 1)
        return BAD("Transfer-Encoding is repeated");
    if (head->minor == 0)
        return BAD("Transfer-Encoding in HTTP/1.0");
    if (str_eq_nocase(list, STR("chunked")))
        return OK;
    while (list.n != 0) {
        struct str one = str_trim(str_cut(&list, ','));
        if (one.n != 0 && !str_eq_nocase(one, STR("chunked")))
            return refuse(ERR_NOT_IMPLEMENTED, "the transfer coding is unknown", ret_why);
    }
    return BAD("Transfer-Encoding is malformed");
}

static enum err judge_length(const struct fields *f, int64_t *ret_n, const char **ret_why)
{
    uint64_t n;
    if (f->lengths > 1)
        return BAD("Content-Length is repeated");
    if (f->length.n == 0 || !all(f->length, DIGIT))
        return BAD("Content-Length is malformed");
    if (!str_to_u64(f->length, INT64_MAX, &n))
        return refuse(ERR_BODY_TOO_LARGE, "Content-Length is too large", ret_why);
    *ret_n = (int64_t)n;
    return OK;
}

static enum err judge_framing(struct http1_head *head, const struct fields *f, const char **ret_why)
{
    enum err e = OK;
    if (f->codings != 0) {
        e = judge_coding(head, f, ret_why);
        head->body = HTTP1_BODY_CHUNKED;
    } else if (f->lengths != 0) {
        e = judge_length(f, &head->content_length, ret_why);
        head->body = HTTP1_BODY_LENGTH;
    }
    if (e != OK)
        return e;
    head->keep_alive = !f->close && (head->minor == 1 || f->keep_alive);
    head->upgrade = f->upgrade && f->upgrade_named;
    return OK;
}

static void head_init(struct http1_head *head)
{
    /* The table of headers stays as it is: three kilobytes need no zeroes. */
    memset(head, 0, offsetof(struct http1_head, headers));
}

/* ---- requests ---- */

static enum http1_method method_of(struct str s)
{
    static const struct {
        struct str name;
        enum http1_method method;
    } known[] = {
        {{"POST", 4}, HTTP1_POST},       {{"GET", 3}, HTTP1_GET},     {{"HEAD", 4}, HTTP1_HEAD},
        {{"PUT", 3}, HTTP1_PUT},         {{"PATCH", 5}, HTTP1_PATCH}, {{"DELETE", 6}, HTTP1_DELETE},
        {{"OPTIONS", 7}, HTTP1_OPTIONS},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (str_eq(s, known[i].name))
            return known[i].method;
    return HTTP1_OTHER;
}

/* p stands at "HTTP/1.1" CRLF, or should. */
static enum err version_parse(const char *p, int *ret_minor, const char **ret_why)
{
    static const char name[] = "HTTP/";
    for (size_t i = 0; i < sizeof(name) - 1; i++)
        if (p[i] != name[i])
            return BAD("the request line has no HTTP version");
    p += sizeof(name) - 1;
    if (!is(p[0], DIGIT) || p[1] != '.' || !is(p[2], DIGIT))
        return BAD("the HTTP version is malformed");
    if (p[0] != '1' || p[2] > '1')
        return refuse(ERR_HTTP_VERSION, "only HTTP/1.0 and HTTP/1.1 are spoken here", ret_why);
    *ret_minor = p[2] - '0';
    return OK;
}

/* What follows the scheme: an authority, then path and query. */
static enum err absolute_form(struct str rest, struct str *ret_origin, const char **ret_why)
{
    size_t end = 0;
    while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?')
        end++;
    if (end == 0 || !all(str_upto(rest, end), HOST))
        return BAD("the authority of the request target is malformed");
    *ret_origin = str_from(rest, end);
    return OK;
}

static enum err target_split(struct http1_head *head, const char **ret_why)
{
    struct str t = head->target;
    if (t.n == 1 && t.p[0] == '*') {
        head->path = t;
        return head->method == HTTP1_OPTIONS ? OK : BAD("the target * is for OPTIONS only");
    }
    if (str_eq(head->method_text, STR("CONNECT")))
        return refuse(ERR_NOT_IMPLEMENTED, "CONNECT is not supported", ret_why);
    if (t.p[0] != '/') {
        size_t skip = str_starts_nocase(t, STR("http://"))    ? 7
                      : str_starts_nocase(t, STR("https://")) ? 8
                                                              : 0;
        if (skip == 0)
            return BAD("the request target is neither a path nor an http address");
        enum err e = absolute_form(str_from(t, skip), &t, ret_why);
        if (e != OK)
            return e;
    }
    head->path = str_cut(&t, '?');
    head->query = t;
    if (head->path.n == 0)
        head->path = STR("/");
    return OK;
}

static enum err request_line(const char **at, struct http1_head *head, const char **ret_why)
{
    const char *p = *at, *end = run(p, TOKEN);
    if (end == p || *end != ' ')
        return BAD("the method is malformed");
    head->method_text = str_of(p, (size_t)(end - p));
    head->method = method_of(head->method_text);
    p = end + 1;
    end = run(p, TARGET);
    if (end == p || *end != ' ')
        return BAD("the request target is malformed");
    head->target = str_of(p, (size_t)(end - p));
    if (head->target.n > HTTP1_TARGET_BYTES_MAX)
        return too_long(true, true, ret_why);
    enum err e = version_parse(end + 1, &head->minor, ret_why);
    if (e != OK)
        return e;
    p = end + 9;
    if (p[0] != '\r' || p[1] != '\n')
        return BAD("the request line goes on behind the HTTP version");
    *at = p + 2;
    return target_split(head, ret_why);
}

static enum err judge_host(const struct http1_head *head, const struct fields *f,
                           const char **ret_why)
{
    if (f->hosts > 1)
        return BAD("Host is repeated");
    if (f->hosts == 0 && head->minor == 1)
        return BAD("Host is missing");
    return f->hosts == 0 || all(f->host, HOST) ? OK : BAD("Host is malformed");
}

enum err http1_request_parse(struct str in, size_t *scanned, struct http1_head *ret_head,
                             const char **ret_why)
{
    struct fields f = {0};
    size_t end;
    /* One empty line before a request is passed over (RFC 9112 §2.2). */
    size_t start = in.n >= 1 && in.p[0] == '\r' ? 2 : 0;
    if (in.n <= start)
        return ERR_END;
    if (start != 0 && in.p[1] != '\n')
        return BAD("a bare CR");
    if (!is(in.p[start], TOKEN))
        return BAD("this is not HTTP: the method is malformed");
    enum err e = head_end(in, start, scanned, true, &end, ret_why);
    if (e != OK)
        return e;
    head_init(ret_head);
    ret_head->bytes = end;
    const char *p = in.p + start;
    if ((e = request_line(&p, ret_head, ret_why)) != OK ||
        (e = fields_parse(p, ret_head, &f, ret_why)) != OK ||
        (e = judge_host(ret_head, &f, ret_why)) != OK)
        return e;
    if (ret_head->minor == 0)
        ret_head->expect_continue = false;
    return judge_framing(ret_head, &f, ret_why);
}

/* ---- responses ---- */

static enum err status_line(const char **at, struct http1_head *head, const char **ret_why)
{
    const char *p = *at;
    enum err e = version_parse(p, &head->minor, ret_why);
    if (e != OK)
        return e;
    p += 8;
    if (p[0] != ' ' || p[1] < '1' || p[1] > '9' || !is(p[2], DIGIT) || !is(p[3], DIGIT))
        return BAD("the status is malformed");
    head->status = (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
    p += 4;
    /* Some leave the blank before an empty reason out. */
    if (*p != ' ' && *p != '\r')
        return BAD("the status is malformed");
    p = run(p, VALUE);
    if (p[0] != '\r' || p[1] != '\n')
        return BAD("the reason holds a control character");
    *at = p + 2;
    return OK;
}

enum err http1_response_parse(struct str in, size_t *scanned, bool to_head,
                              struct http1_head *ret_head, const char **ret_why)
{
    struct fields f = {0};
    size_t end;
    if (in.n == 0)
        return ERR_END;
    if (in.p[0] != 'H')
        return BAD("this is not HTTP");
    enum err e = head_end(in, 0, scanned, false, &end, ret_why);
    if (e != OK)
        return e;
    head_init(ret_head);
    ret_head->bytes = end;
    ret_head->body = HTTP1_BODY_CLOSE;
    const char *p = in.p;
    if ((e = status_line(&p, ret_head, ret_why)) != OK ||
        (e = fields_parse(p, ret_head, &f, ret_why)) != OK ||
        (e = judge_framing(ret_head, &f, ret_why)) != OK)
        return e;
    int status = ret_head->status;
    if (to_head || status < 200 || status == 204 || status == 304)
        ret_head->body = HTTP1_BODY_NONE;
    if (ret_head->body == HTTP1_BODY_CLOSE)
        ret_head->keep_alive = false;
    return OK;
}

/* ---- looking into heads ---- */

struct str http1_header_get(const struct http1_head *head, struct str name)
{
    for (size_t i = 0; i < head->headers_n; i++)
        if (str_eq_nocase(head->headers[i].name, name))
            return head->headers[i].value;
    return str_of(NULL, 0);
}

size_t http1_header_count(const struct http1_head *head, struct str name)
{
    size_t n = 0;
    for (size_t i = 0; i < head->headers_n; i++)
        n += str_eq_nocase(head->headers[i].name, name);
    return n;
}

bool http1_list_has(struct str list, struct str token)
{
    while (list.n != 0)
        if (str_eq_nocase(str_trim(str_cut(&list, ',')), token))
            return true;
    return false;
}

bool http1_value_is_sane(struct str value)
{
    return all(value, VALUE);
}

const char *http1_reason(int status)
{
    switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented"; /* RFC 9110 §15.6.2: 501 */
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
    }
}

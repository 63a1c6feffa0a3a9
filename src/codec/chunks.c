/* The chunked transfer coding. RFC 9112 §7.1.
 *
 * Strict where recipients are known to disagree: nothing but digits, an extension or CRLF may
 * follow a size, and no line of it ends with LF alone. */
#include "codec/http1.h"

enum { EXTENSION_MAX = 1024, TRAILERS_MAX = 8 * 1024 };

enum state {
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* at the start of a line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE,
    BROKEN
};

void http1_chunks_init(struct http1_chunks *c)
{
    *c = (struct http1_chunks){.state = SIZE};
}

static bool is_value(char c)
{
    unsigned char u = (unsigned char)c;
    return u == '\t' || (u >= ' ' && u != 0x7F);
}

/* RFC 9110 §5.6.2 */
static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static enum err broken(struct http1_chunks *c, enum err e)
{
    c->state = BROKEN;
    return e;
}

static enum err on_size(struct http1_chunks *c, char b)
{
    int digit = str_hex_digit(b);
    if (digit >= 0) {
        if (c->left > (uint64_t)INT64_MAX >> 4)
            return broken(c, ERR_BODY_TOO_LARGE);
        /* Zeros without end are no size. */
        if (++c->line > EXTENSION_MAX)
            return broken(c, ERR_INVALID_REQUEST);
        c->left = c->left << 4 | (unsigned)digit;
        c->digits = true;
        return OK;
    }
    if (!c->digits || (b != ';' && b != '\r'))
        return broken(c, ERR_INVALID_REQUEST);
    c->state = b == ';' ? EXTENSION : SIZE_LF;
    return OK;
}

static enum err on_extension(struct http1_chunks *c, char b)
{
    if (b == '\r')
        c->state = SIZE_LF;
    else if (!is_value(b) || ++c->line > EXTENSION_MAX)
        return broken(c, ERR_INVALID_REQUEST);
    return OK;
}

static enum err expect(struct http1_chunks *c, char b, char wanted, enum state next)
{
    if (b != wanted)
        return broken(c, ERR_INVALID_REQUEST);
    c->state = next;
    return OK;
}

static enum err on_trailer(struct http1_chunks *c, char b)
{
    if (++c->trailer > TRAILERS_MAX)
        return broken(c, ERR_HEADERS_TOO_LARGE);
    if (c->state == TRAILER && b == '\r')
        c->state = LAST_LF;
    else if (c->state == TRAILER_VALUE && b == '\r')
        c->state = TRAILER_LF;
    else if (c->state == TRAILER_VALUE ? is_value(b) : is_token(b))
        c->state = c->state == TRAILER ? TRAILER_NAME : c->state;
    else if (c->state == TRAILER_NAME && b == ':')
        c->state = TRAILER_VALUE;
    else
        return broken(c, ERR_INVALID_REQUEST);
    return OK;
}

static enum err on_size_end(struct http1_chunks *c, char b)
{
    enum err e = expect(c, b, '\n', c->left != 0 ? DATA : TRAILER);
    c->digits = false;
    c->line = 0;
    return e;
}

static enum err on_byte(struct http1_chunks *c, char b)
{
    switch ((enum state)c->state) {
    case SIZE: return on_size(c, b);
    case EXTENSION: return on_extension(c, b);
    case SIZE_LF: return on_size_end(c, b);
    case DATA_CR: return expect(c, b, '\r', DATA_LF);
    case DATA_LF: return expect(c, b, '\n', SIZE);
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_VALUE: return on_trailer(c, b);
    case TRAILER_LF: return expect(c, b, '\n', TRAILER);
    case LAST_LF: return expect(c, b, '\n', DONE);
    case DATA:
    case DONE:
    case BROKEN: break;
    }
    must_fail(__FILE__, __LINE__, "a state that takes single bytes");
}

enum err http1_chunks_next(struct http1_chunks *c, struct str *in, struct str *ret_data)
{
    if (c->state == BROKEN)
        return ERR_INVALID_REQUEST;
    while (c->state != DONE && c->state != DATA && in->n != 0) {
        enum err e = on_byte(c, in->p[0]);
        if (e != OK)
            return e;
        *in = str_from(*in, 1);
    }
    if (c->state == DONE)
        return ERR_END;
    *ret_data = str_of(in->p, 0);
    if (c->state != DATA)
        return OK;
    size_t n = c->left < in->n ? (size_t)c->left : in->n;
    *ret_data = str_upto(*in, n);
    *in = str_from(*in, n);
    c->left -= n;
    if (c->left == 0)
        c->state = DATA_CR;
    return OK;
}

struct str http1_chunk_head(size_t n, char text[HTTP1_CHUNK_HEAD_MAX])
{
    static const char hex[] = "0123456789abcdef";
    char *p = text + HTTP1_CHUNK_HEAD_MAX;
    *--p = '\n';
    *--p = '\r';
    do {
        *--p = hex[n & 15];
        n >>= 4;
    } while (n != 0);
    return str_of(p, (size_t)(text + HTTP1_CHUNK_HEAD_MAX - p));
}

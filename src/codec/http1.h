/* HTTP/1.1 messages, without I/O: heads of requests and responses, chunked bodies both ways.
 * Sources: RFC 9110, RFC 9112.
 *
 * Owns: nothing.  Needs: base.  Threads: any.
 * Memory: results are slices of the input; the caller keeps it in place.
 * Units: bytes.
 * Errors: ERR_INVALID_REQUEST (400), ERR_URI_TOO_LONG, ERR_HEADERS_TOO_LARGE, ERR_HTTP_VERSION,
 * ERR_NOT_IMPLEMENTED (an unknown transfer coding, CONNECT), ERR_BODY_TOO_LARGE for a length that
 * does not fit 63 bits; `ret_why` says which rule was broken, in words for the client.
 * Always: strict. Refused: both Content-Length and Transfer-Encoding, repeated or malformed lengths
 * (also equal ones and lists), any transfer coding but one final `chunked`, bare LF as a line end,
 * obs-fold, white space before the colon or in a name, NUL and control bytes, missing or repeated
 * Host in 1.1. The authority of an absolute-form target is checked and dropped; asterisk-form is
 * for OPTIONS only. One empty line before a request is passed over. How the input was cut does not
 * change what comes out. */
#ifndef CODEC_HTTP1_H
#define CODEC_HTTP1_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define HTTP1_HEAD_BYTES_MAX (32u * 1024)
#define HTTP1_TARGET_BYTES_MAX (8u * 1024)
#define HTTP1_HEADERS_MAX 100

enum http1_method {
    HTTP1_GET,
    HTTP1_HEAD,
    HTTP1_POST,
    HTTP1_PUT,
    HTTP1_PATCH,
    HTTP1_DELETE,
    HTTP1_OPTIONS,
    HTTP1_OTHER,
    HTTP1_METHOD__COUNT
};

struct http1_header {
    struct str name, value; /* value trimmed */
};

enum http1_body {
    HTTP1_BODY_NONE,
    HTTP1_BODY_LENGTH,
    HTTP1_BODY_CHUNKED,
    HTTP1_BODY_CLOSE, /* responses only: until the connection ends */
    HTTP1_BODY__COUNT
};

struct http1_head {
    enum http1_method method; /* requests */
    struct str method_text;
    struct str target; /* as sent */
    struct str path, query; /* of origin- and absolute-form; query without '?' */
    int status; /* responses */
    int minor; /* 0 or 1 */
    bool keep_alive;
    enum http1_body body;
    int64_t content_length; /* with HTTP1_BODY_LENGTH */
    bool expect_continue;
    bool te_trailers;
    bool upgrade;
    size_t bytes; /* of the whole head, blank line included */
    size_t headers_n;
    struct http1_header headers[HTTP1_HEADERS_MAX];
};

/* Does `in` hold a whole head? ERR_END: not yet, come again with more (the same start); `scanned`
 * (0 at first) remembers how far was looked. */
MUST enum err http1_request_parse(struct str in, size_t *scanned, struct http1_head *ret_head,
                                  const char **ret_why);
/* `to_head`: the request was HEAD, so no body follows. 1xx heads have no body. */
MUST enum err http1_response_parse(struct str in, size_t *scanned, bool to_head,
                                   struct http1_head *ret_head, const char **ret_why);
/* First header of that name, case-insensitive; empty slice with p == NULL when there is none. */
struct str http1_header_get(const struct http1_head *head, struct str name);
size_t http1_header_count(const struct http1_head *head, struct str name);
/* Is the token in the comma list? */
bool http1_list_has(struct str list, struct str token);
const char *http1_reason(int status);
/* A value that may stand in a header: no CR, LF, NUL, control bytes. */
bool http1_value_is_sane(struct str value);

/* Chunked, decoding. Feed bytes; each turn gives a slice of data; trailers are checked and dropped
 * (8 KiB at most), extensions are skipped (1 KiB per line at most). */
struct http1_chunks {
    int state;
    uint64_t left;
    size_t line, trailer;
    bool digits;
};
void http1_chunks_init(struct http1_chunks *c);
/* Takes from *in; OK with ret_data (maybe empty when more input is needed); ERR_END when the last
 * chunk and its trailers are behind (what is left in *in belongs to the next message). For good:
 * ERR_INVALID_REQUEST, ERR_BODY_TOO_LARGE (size over 63 bits), ERR_HEADERS_TOO_LARGE (trailers). */
MUST enum err http1_chunks_next(struct http1_chunks *c, struct str *in, struct str *ret_data);
/* Encoding: "SIZE CRLF" of a chunk, in text. The caller adds data and CRLF. */
#define HTTP1_CHUNK_HEAD_MAX 20
struct str http1_chunk_head(size_t n, char text[HTTP1_CHUNK_HEAD_MAX]);

#endif

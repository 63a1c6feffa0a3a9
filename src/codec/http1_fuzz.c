/* Heads and chunked bodies. The first two bytes say where the input is cut; then it must come out
 * the same cut and whole, everything found lies in the input, and what was decoded can be encoded
 * and decoded again. */
#include "codec/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum err e;
    struct http1_head head;
};

static enum err parse(bool request, struct str in, size_t *scanned, struct http1_head *head)
{
    const char *why = NULL;
    enum err e = request ? http1_request_parse(in, scanned, head, &why)
                         : http1_response_parse(in, scanned, false, head, &why);
    must(e == OK || e == ERR_END || why != NULL);
    return e;
}

static void lies_in(struct str s, struct str in)
{
    must(s.n == 0 || (s.p >= in.p && s.p + s.n <= in.p + in.n));
}

static void is_sane(const struct http1_head *h, struct str in)
{
    must(h->bytes <= in.n && h->bytes <= HTTP1_HEAD_BYTES_MAX);
    must(str_ends(str_upto(in, h->bytes), STR("\r\n\r\n")));
    must(h->headers_n <= HTTP1_HEADERS_MAX && h->content_length >= 0);
    must(h->target.n <= HTTP1_TARGET_BYTES_MAX);
    lies_in(h->target, in);
    lies_in(h->query, in);
    for (size_t i = 0; i < h->headers_n; i++) {
        lies_in(h->headers[i].name, in);
        lies_in(h->headers[i].value, in);
        must(h->headers[i].name.n != 0 && http1_value_is_sane(h->headers[i].value));
    }
    must(http1_header_count(h, STR("content-length")) <= 1);
    must(http1_header_count(h, STR("transfer-encoding")) <= 1);
    must(http1_header_count(h, STR("content-length")) == 0 ||
         http1_header_count(h, STR("transfer-encoding")) == 0);
}

static void heads(bool request, struct str in, size_t cut)
{
    static struct http1_head whole, parts;
    size_t scanned = 0;
    enum err e = parse(request, in, &scanned, &whole);
    if (e == OK)
        is_sane(&whole, in);
    scanned = 0;
    enum err e2 = parse(request, str_upto(in, cut), &scanned, &parts);
    if (e2 == ERR_END)
        e2 = parse(request, in, &scanned, &parts);
    must(e == e2);
    if (e != OK)
        return;
    must(whole.bytes == parts.bytes && whole.headers_n == parts.headers_n);
    must(whole.body == parts.body && whole.content_length == parts.content_length);
    must(str_eq(whole.path, parts.path) && whole.status == parts.status);
}

/* Decodes into `out` what it can; the rest stays in *in. */
static enum err decode(struct http1_chunks *c, struct str *in, struct buf *out)
{
    struct str piece;
    enum err e = OK;
    while (in->n != 0 && (e = http1_chunks_next(c, in, &piece)) == OK)
        if (piece.n != 0)
            buf_add(out, piece);
    return e;
}

static void roundtrip(struct str plain, size_t step)
{
    struct buf coded, out;
    struct http1_chunks c;
    char text[HTTP1_CHUNK_HEAD_MAX];
    buf_init(&coded, 1 << 24);
    buf_init(&out, 1 << 24);
    for (struct str left = plain; left.n != 0; left = str_from(left, step)) {
        struct str one = str_upto(left, step);
        buf_add(&coded, http1_chunk_head(one.n, text));
        buf_add(&coded, one);
        buf_add(&coded, STR("\r\n"));
    }
    buf_add(&coded, http1_chunk_head(0, text));
    buf_add(&coded, STR("\r\n"));
    struct str in = buf_str(&coded), none;
    http1_chunks_init(&c);
    enum err e = decode(&c, &in, &out);
    must((e == ERR_END || http1_chunks_next(&c, &in, &none) == ERR_END) && in.n == 0);
    must(str_eq(buf_str(&out), plain));
    buf_fini(&coded);
    buf_fini(&out);
}

static void chunks(struct str in, size_t cut)
{
    struct http1_chunks c, c2;
    struct buf out, out2;
    struct str left = in, first = str_upto(in, cut), second = str_from(in, cut);
    buf_init(&out, 1 << 24);
    buf_init(&out2, 1 << 24);
    http1_chunks_init(&c);
    http1_chunks_init(&c2);
    enum err e = decode(&c, &left, &out);
    enum err e2 = decode(&c2, &first, &out2);
    if (e2 == OK)
        e2 = decode(&c2, &second, &out2);
    must(e == e2 || (e == ERR_END && e2 == OK) || (e == OK && e2 == ERR_END));
    must(c.state == c2.state && str_eq(buf_str(&out), buf_str(&out2)));
    roundtrip(buf_str(&out), cut % 700 + 1);
    buf_fini(&out);
    buf_fini(&out2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct str in = str_of((const char *)data + 2, size - 2);
    size_t cut = in.n != 0 ? (data[0] + 256u * data[1]) % (in.n + 1) : 0;
    heads(true, in, cut);
    heads(false, in, cut);
    chunks(in, cut);
    return 0;
}

/* Streams of events. The first two bytes say where the input is cut, and how long an event may be;
 * cut and whole must give the same events, and together they are the input. */
#include "codec/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(struct buf *log, const struct sse_event *ev)
{
    buf_printf(log, "%d/%zu/%zu/%zu/%zu:", ev->kind, ev->raw.n, ev->name.n, ev->data.n, ev->id.n);
    buf_add(log, ev->data);
    buf_add(log, ev->name);
    buf_add(log, ev->id);
}

/* Feeds pieces of `step` bytes; what comes out goes to the log, the raw bytes to `raw`. */
static enum err play(struct str in, size_t first, size_t step, size_t max, struct buf *log,
                     struct buf *raw)
{
    struct sse s;
    enum err e = ERR_END;
    sse_init(&s, max);
    for (size_t n = first; in.n != 0 && e == ERR_END; n = step) {
        struct str piece = str_upto(in, n);
        struct sse_event ev;
        in = str_from(in, piece.n);
        while ((e = sse_next(&s, &piece, &ev)) == OK) {
            must(ev.raw.n <= max && ev.data.n <= ev.raw.n);
            must(ev.kind == SSE_EVENT || ev.data.n == 0);
            note(log, &ev);
            buf_add(raw, ev.raw);
        }
        must(e == ERR_LIMIT || piece.n == 0);
    }
    if (e == ERR_END && sse_rest(&s).n != 0)
        buf_add(raw, sse_rest(&s));
    sse_fini(&s);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct str in = str_of((const char *)data + 2, size - 2);
    size_t max = data[1] < 128 ? 1 << 20 : data[1];
    struct buf log[3], raw[3];
    enum err e[3];
    const size_t first[3] = {in.n, in.n != 0 ? data[0] % (in.n + 1) : 0, 1};
    for (int i = 0; i < 3; i++) {
        buf_init(&log[i], 1 << 26);
        buf_init(&raw[i], 1 << 26);
        e[i] = play(in, first[i], i < 2 ? in.n : 1, max, &log[i], &raw[i]);
        must(e[i] == e[0] && str_eq(buf_str(&log[i]), buf_str(&log[0])));
        must(str_eq(buf_str(&raw[i]), buf_str(&raw[0])));
    }
    if (e[0] == ERR_END) {
        struct str got = buf_str(&raw[0]);
        must(str_ends(in, got) && (got.n == in.n || in.n - got.n == 3));
    }
    for (int i = 0; i < 3; i++) {
        buf_fini(&log[i]);
        buf_fini(&raw[i]);
    }
    return 0;
}

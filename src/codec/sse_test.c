/* Events: whole, cut anywhere, and over the limit. */
#include "codec/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>

/* Everything that comes out of a stream, as text to compare. */
static enum err play(struct str in, size_t step, size_t max, struct buf *log)
{
    struct sse s;
    enum err e = ERR_END;
    sse_init(&s, max);
    while (in.n != 0) {
        struct str piece = str_upto(in, step);
        in = str_from(in, piece.n);
        struct sse_event ev;
        while ((e = sse_next(&s, &piece, &ev)) == OK) {
            buf_printf(log, "%c(%zu)", ev.kind == SSE_EVENT ? 'E' : 'C', ev.raw.n);
            buf_printf(log, "[%.*s|%.*s|%.*s]", STR_ARG(ev.name), STR_ARG(ev.id), STR_ARG(ev.data));
        }
        if (e != ERR_END)
            break;
        assert_int_equal(piece.n, 0);
    }
    if (e == ERR_END)
        buf_printf(log, "rest(%zu)", sse_rest(&s).n);
    else
        buf_printf(log, "%s", err_info(e)->name);
    sse_fini(&s);
    return e;
}

static void plays(struct str in, size_t max, const char *wanted)
{
    for (size_t step = 1; step <= in.n; step++) {
        struct buf log;
        buf_init(&log, 1 << 20);
        enum err e = play(in, step, max, &log);
        assert_true(e == ERR_END || e == ERR_LIMIT);
        buf_byte(&log, '\0');
        assert_string_equal(log.p, wanted);
        buf_fini(&log);
    }
}

static void test_lines(void **state)
{
    (void)state;
    plays(STR("data: a\n\ndata:b\n\n"), 100, "E(9)[||a]E(8)[||b]rest(0)");
    plays(STR("data: a\r\n\r\ndata: b\r\n\r\n"), 100, "E(11)[||a]E(11)[||b]rest(0)");
    plays(STR("data: a\r\rdata: b\r\r"), 100, "E(9)[||a]E(9)[||b]rest(0)");
    plays(STR("data: a\r\n\rdata: b\n\n"), 100, "E(10)[||a]E(9)[||b]rest(0)");
    plays(STR("data: a\n\r\n"), 100, "E(9)[||a]C(1)[||]rest(0)");
    plays(STR("\n\ndata\n\n"), 100, "C(1)[||]C(1)[||]E(6)[||]rest(0)");
    plays(STR("data: a\n\ndata: lost\n"), 100, "E(9)[||a]rest(11)");
}

static void test_fields(void **state)
{
    (void)state;
    plays(STR("event: x\nid: 7\ndata: a\ndata:  b\ndata\n\n"), 100, "E(38)[x|7|a\n b\n]rest(0)");
    plays(STR(": OPENROUTER PROCESSING\n\ndata: a\n\n"), 100, "C(25)[||]E(9)[||a]rest(0)");
    plays(STR("retry: 5\nother: x\n\n"), 100, "C(19)[||]rest(0)");
    plays(STR("data:\n\n"), 100, "E(7)[||]rest(0)");
    plays(STR("data: a:b: c\n\n"), 100, "E(14)[||a:b: c]rest(0)");
    plays(STR("datax: a\n\n"), 100, "C(10)[||]rest(0)");
    plays(STR("id: a\0b\ndata: x\n\n"), 100, "E(17)[||x]rest(0)");
    plays(STR("\xEF\xBB\xBF"
              "data: a\n\n\xEF\xBB\xBF"
              "data: b\n\n"),
          100, "E(9)[||a]C(12)[||]rest(0)");
}

static void test_limit(void **state)
{
    (void)state;
    plays(STR("data: 0123\n\ndata: 4\n\n"), 12, "E(12)[||0123]E(9)[||4]rest(0)");
    plays(STR("data: 01234\n\n"), 12, "LIMIT");
    plays(STR("data: 0123456789012345"), 12, "LIMIT");
    plays(STR("data: a\n\ndata: 0123456789\ndata: 9\n\n"), 12, "E(9)[||a]LIMIT");
}

/* A long event in small pieces: the buffer grows past what is kept, and is given back. */
static void test_long(void **state)
{
    struct buf in;
    struct sse s;
    struct sse_event ev;
    (void)state;
    buf_init(&in, 1 << 20);
    buf_add(&in, STR("data: "));
    for (int i = 0; i < 50000; i++)
        buf_byte(&in, 'x');
    buf_add(&in, STR("\n\n"));
    sse_init(&s, 1 << 20);
    struct str first = str_upto(buf_str(&in), 30000), rest = str_from(buf_str(&in), 30000);
    assert_int_equal(sse_next(&s, &first, &ev), ERR_END);
    assert_int_equal(sse_rest(&s).n, 30000);
    assert_int_equal(sse_next(&s, &rest, &ev), OK);
    assert_int_equal(ev.data.n, 50000);
    assert_int_equal(rest.n, 0);
    assert_int_equal(sse_rest(&s).n, 0);
    assert_int_equal(sse_next(&s, &rest, &ev), ERR_END);
    assert_int_equal(s.held.cap, 0);
    sse_reset(&s);
    rest = STR("data: y\n\n");
    assert_int_equal(sse_next(&s, &rest, &ev), OK);
    sse_fini(&s);
    buf_fini(&in);
}

/* What is whole in the input is not copied. */
static void test_in_place(void **state)
{
    struct sse s;
    struct sse_event ev;
    static const char text[] = "data: a\n\n";
    struct str in = str_of(text, sizeof(text) - 1);
    (void)state;
    sse_init(&s, 100);
    assert_int_equal(sse_next(&s, &in, &ev), OK);
    assert_ptr_equal(ev.data.p, text + 6);
    assert_int_equal(s.held.cap, 0);
    sse_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines), cmocka_unit_test(test_fields),   cmocka_unit_test(test_limit),
        cmocka_unit_test(test_long),  cmocka_unit_test(test_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

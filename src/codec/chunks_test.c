/* Chunked bodies: whole, in pieces, and every refusal. */
#include "codec/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Decodes, fed `step` bytes at a time, into `out`; what is left is *ret_rest. */
static enum err decode(struct str in, size_t step, struct buf *out, struct str *ret_rest)
{
    struct http1_chunks c;
    http1_chunks_init(&c);
    while (in.n != 0) {
        struct str piece = str_upto(in, step);
        struct str left = piece, data;
        while (left.n != 0) {
            enum err e = http1_chunks_next(&c, &left, &data);
            if (e != OK) {
                *ret_rest = str_from(in, piece.n - left.n);
                enum err again = http1_chunks_next(&c, &left, &data);
                assert_int_equal(again, e == ERR_END ? ERR_END : ERR_INVALID_REQUEST);
                return e;
            }
            buf_add(out, data);
        }
        in = str_from(in, piece.n);
    }
    return OK;
}

static void decodes(struct str text, enum err wanted, struct str data, size_t rest)
{
    for (size_t step = 1; step <= text.n; step++) {
        struct buf out;
        struct str left = str_of("", 0);
        buf_init(&out, 1 << 20);
        assert_int_equal(decode(text, step, &out, &left), wanted);
        if (wanted == ERR_END || wanted == OK) {
            assert_int_equal(out.n, data.n);
            assert_int_equal(left.n, rest);
            if (data.n != 0)
                assert_memory_equal(out.p, data.p, data.n);
        }
        buf_fini(&out);
    }
}

static void test_good(void **state)
{
    (void)state;
    decodes(STR("5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n"), ERR_END, STR("hello world"), 0);
    decodes(STR("0\r\n\r\nGET /"), ERR_END, STR(""), 5);
    decodes(STR("000A;\t\"q\"\r\n0123456789\r\n0\r\nX: y\r\nZ:\r\n\r\n"), ERR_END,
            STR("0123456789"), 0);
    decodes(STR("a\r\n01234"), OK, STR("01234"), 0);
    decodes(STR("1\r\nx\r\n0\r\nA: b\r\n"), OK, STR("x"), 0);
}

static void bad(struct str text)
{
    decodes(text, ERR_INVALID_REQUEST, STR(""), 0);
}

static void test_refused(void **state)
{
    (void)state;
    bad(STR("\r\n"));
    bad(STR("x\r\n"));
    bad(STR(" 5\r\nhello\r\n"));
    bad(STR("5 \r\nhello\r\n"));
    bad(STR("-5\r\nhello\r\n"));
    bad(STR("0x5\r\nhello\r\n"));
    bad(STR("5\nhello\r\n"));
    bad(STR("5\r\rhello\r\n"));
    bad(STR("5;a\x01\r\nhello\r\n"));
    bad(STR("5;a\nhello\r\n"));
    bad(STR("5\r\nhelloX\r\n"));
    bad(STR("5\r\nhello\n"));
    bad(STR("5\r\nhello\rX"));
    bad(STR(";\r\n"));
    bad(STR("0\r\n: x\r\n\r\n"));
    bad(STR("0\r\nA : x\r\n\r\n"));
    bad(STR("0\r\n folded\r\n\r\n"));
    bad(STR("0\r\nA: x\n\r\n"));
    bad(STR("0\r\nA: x\x01\r\n\r\n"));
    bad(STR("0\r\nA\r\n\r\n"));
    bad(STR("0\r\n\rX"));
    decodes(STR("8000000000000000\r\n"), ERR_BODY_TOO_LARGE, STR(""), 0);
    decodes(STR("10000000000000000\r\n"), ERR_BODY_TOO_LARGE, STR(""), 0);
    decodes(STR("7fffffffffffffff\r\n"), OK, STR(""), 0);
}

static void test_limits(void **state)
{
    struct buf in, out;
    struct str rest;
    (void)state;
    buf_init(&in, 1 << 16);
    buf_init(&out, 1 << 16);
    buf_add(&in, STR("5;"));
    for (int i = 0; i < 2000; i++)
        buf_byte(&in, 'e');
    assert_int_equal(decode(buf_str(&in), in.n, &out, &rest), ERR_INVALID_REQUEST);
    buf_reset(&in);
    for (int i = 0; i < 2000; i++)
        buf_byte(&in, '0');
    assert_int_equal(decode(buf_str(&in), in.n, &out, &rest), ERR_INVALID_REQUEST);
    buf_reset(&in);
    buf_add(&in, STR("0\r\n"));
    for (int i = 0; i < 2000; i++)
        buf_add(&in, STR("A: b\r\n"));
    assert_int_equal(decode(buf_str(&in), in.n, &out, &rest), ERR_HEADERS_TOO_LARGE);
    buf_fini(&in);
    buf_fini(&out);
}

static void test_encode(void **state)
{
    char text[HTTP1_CHUNK_HEAD_MAX];
    (void)state;
    assert_true(str_eq(http1_chunk_head(0, text), STR("0\r\n")));
    assert_true(str_eq(http1_chunk_head(255, text), STR("ff\r\n")));
    assert_true(str_eq(http1_chunk_head(SIZE_MAX, text), STR("ffffffffffffffff\r\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_encode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

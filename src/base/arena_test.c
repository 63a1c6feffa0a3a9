#include "base/arena.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_arena(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 256, 4096);
    for (size_t n = 0; n < 60; n++) {
        char *p = arena_alloc(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        memset(p, 0xAA, n);
    }
    char *big = arena_zalloc(&a, 1000); /* larger than a chunk */
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(big[i], 0);
    struct str s = arena_dup(&a, STR("abc"));
    assert_string_equal(s.p, "abc");
    assert_int_equal(arena_dup(&a, (struct str){NULL, 0}).n, 0);
    s = arena_printf(&a, "%s-%d", "x", 7);
    assert_string_equal(s.p, "x-7");
    arena_fini(&a);
}

static void test_limit(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 128, 1000);
    assert_null(arena_alloc(&a, 1001));
    assert_true(a.over);
    assert_null(arena_alloc(&a, 1)); /* sticks */
    assert_int_equal(arena_dup(&a, STR("abc")).n, 0);
    assert_int_equal(arena_printf(&a, "abc").n, 0);
    arena_reset(&a);
    assert_false(a.over);
    size_t got = 0;
    while (arena_alloc(&a, 50) != NULL)
        got++;
    assert_in_range(got, 14, 20);
    arena_reset(&a);
    assert_null(arena_alloc(&a, SIZE_MAX));
    arena_fini(&a);
}

static void test_reset_keeps(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024, 100000);
    (void)arena_alloc(&a, 100);
    arena_reset(&a);
    uint64_t before = mem_count();
    for (int i = 0; i < 100; i++) {
        assert_non_null(arena_alloc(&a, 900));
        arena_reset(&a);
    }
    assert_int_equal(mem_count(), before);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_arena), cmocka_unit_test(test_limit),
                                       cmocka_unit_test(test_reset_keeps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/mem.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_memory(void **state)
{
    (void)state;
    uint64_t before = mem_count();
    char *p = mem_alloc(0), *z = mem_zalloc(100), *a = mem_array(10, 10), *d = mem_dup("abc", 3);
    char *none = mem_dup(NULL, 0);
    assert_non_null(p);
    for (int i = 0; i < 100; i++)
        assert_true(z[i] == 0 && a[i] == 0);
    assert_string_equal(d, "abc");
    assert_string_equal(none, "");
    p = mem_realloc(p, 1000);
    memset(p, 7, 1000);
    mem_wipe(p, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    assert_int_equal(mem_count() - before, 6);
    mem_free(p);
    mem_free(z);
    mem_free(a);
    mem_free(d);
    mem_free(none);
    mem_free(NULL);
}

/* Does it abort? */
static bool dies(void (*fn)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        fn();
        _exit(0);
    }
    int status = 0;
    must(waitpid(pid, &status, 0) == pid);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void too_much(void)
{
    mem_free(mem_array(SIZE_MAX / 2, 3));
}

static void third(void)
{
    mem_fail_at(3);
    for (int i = 0; i < 3; i++)
        mem_free(mem_alloc(1));
}

static void second_of_three(void)
{
    mem_fail_at(3);
    for (int i = 0; i < 2; i++)
        mem_free(mem_alloc(1));
    mem_fail_at(0);
    mem_free(mem_alloc(1));
}

static void a_bug(void)
{
    must_trail("first");
    must(1 + 1 == 3);
}

static void test_deaths(void **state)
{
    (void)state;
    assert_true(dies(too_much));
    assert_true(dies(third));
    assert_false(dies(second_of_three));
    assert_true(dies(a_bug));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory),
                                       cmocka_unit_test(test_deaths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

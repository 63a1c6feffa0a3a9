#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_table(void **state)
{
    (void)state;
    assert_string_equal(err_info(OK)->code, "ok");
    assert_int_equal(err_info(OK)->status, 200);
    assert_string_equal(err_info(ERR_RATE_LIMITED)->code, "rate_limit_exceeded");
    assert_string_equal(err_info(ERR_RATE_LIMITED)->name, "RATE_LIMITED");
    for (int e = 1; e < ERR__COUNT; e++) {
        const struct err_info *i = err_info((enum err)e);
        assert_in_range(i->status, 400, 599);
        assert_true(strlen(i->code) > 0 && strlen(i->type) > 0 && strlen(i->meaning) > 0);
        for (const char *c = i->code; *c != '\0'; c++)
            assert_true((*c >= 'a' && *c <= 'z') || *c == '_');
        /* What a client may not do better the next time is no retry. */
        assert_true(!i->retry || i->status >= 500 || i->status == 429 || i->status == 408 ||
                    i->status == 409);
    }
}

static void test_trail(void **state)
{
    (void)state;
    int pipe_fd[2];
    assert_int_equal(pipe(pipe_fd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fd[1], 2);
        for (int i = 0; i < 10; i++)
            must_trail(i % 2 == 0 ? "even" : "odd");
        must_trail("last");
        must(pid != 0);
    }
    close(pipe_fd[1]);
    char text[500] = "";
    size_t n = 0;
    for (ssize_t got; (got = read(pipe_fd[0], text + n, sizeof(text) - 1 - n)) > 0;)
        n += (size_t)got;
    close(pipe_fd[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_non_null(
        strstr(text, "pid != 0 does not hold; trail: odd even odd even odd even odd last"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_trail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Verbs, options and their mistakes; completion and help. */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static struct cli_args seen;
static int runs;

static int note(struct cli_args *a)
{
    seen = *a;
    runs++;
    return 7;
}

static const struct cli_option options[] = {
    {"name", "TEXT", true, "a name"}, {"force", NULL, false, "a flag"}, {NULL, NULL, false, NULL}};
static const struct cli_verb verbs[] = {{"one", "", NULL, "nothing", note, NULL},
                                        {"one two", "A [B]", options, "two words", note, NULL},
                                        {"many", "[TEXT…]", NULL, "as many", note, NULL},
                                        {"at home", "", NULL, "of a house", note, "home"},
                                        {NULL, NULL, NULL, NULL, NULL, NULL}};
static const struct cli_verb *const tables[] = {verbs, NULL};

#define RUN(...) run((char *[]){write_once("tollgate"), __VA_ARGS__, NULL})

static char *write_once(const char *s)
{
    return (char *)(uintptr_t)s;
}

static int run(char **argv)
{
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    seen = (struct cli_args){.json = false};
    runs = 0;
    return cli_main(argc, argv, tables);
}

static void test_good_ones(void **state)
{
    (void)state;
    char one[] = "one", two[] = "two", a[] = "a", b[] = "b", name[] = "--name", x[] = "x";
    char glued[] = "--name=y=z", force[] = "--force", json[] = "--json", end[] = "--";
    char many[] = "many", dash[] = "-", home[] = "home", at[] = "at", data[] = "--data";
    assert_int_equal(RUN(one), 7);
    assert_int_equal(RUN(one, two, a, name, x, b, force), 7);
    assert_string_equal(cli_value(&seen, "name"), "x");
    assert_true(cli_flag(&seen, "force") && !seen.json && seen.operands_n == 2);
    assert_string_equal(seen.operands[1], "b");
    assert_int_equal(RUN(one, two, glued, a, json), 7);
    assert_string_equal(cli_value(&seen, "name"), "y=z");
    assert_true(seen.json);
    assert_int_equal(RUN(many, dash, end, force, json), 7);
    assert_int_equal(seen.operands_n, 3);
    assert_false(seen.json);
    assert_int_equal(RUN(at, home, data, x), 7);
    assert_string_equal(cli_value(&seen, "data"), "x");
    assert_null(cli_value(&seen, "config"));
}

static void test_wrong_ones(void **state)
{
    (void)state;
    char one[] = "one", two[] = "two", a[] = "a", name[] = "--name", x[] = "x", at[] = "at";
    char glued[] = "--force=1", other[] = "--other", single[] = "-n", nothing[] = "nothing";
    assert_int_equal(RUN(nothing), CLI_USAGE);
    assert_int_equal(RUN(at), CLI_USAGE);
    assert_int_equal(RUN(one, x), CLI_USAGE);
    assert_int_equal(RUN(one, two, name, x), CLI_USAGE);
    assert_int_equal(RUN(one, two, a), CLI_USAGE);
    assert_int_equal(RUN(one, two, a, name), CLI_USAGE);
    assert_int_equal(RUN(one, two, a, name, x, name, x), CLI_USAGE);
    assert_int_equal(RUN(one, two, a, name, x, glued), CLI_USAGE);
    assert_int_equal(RUN(one, two, a, name, x, other), CLI_USAGE);
    assert_int_equal(RUN(one, two, a, name, x, single), CLI_USAGE);
    assert_int_equal(RUN(one, two, a, a, a, name, x), CLI_USAGE);
    assert_int_equal(runs, 0);
}

static void test_completion_and_help(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1u << 16);
    assert_int_equal(cli_completion(tables, "tcsh", &b), ERR_INVALID_REQUEST);
    assert_int_equal(cli_completion(tables, "bash", &b), OK);
    assert_true(str_find(buf_str(&b), STR("--force")) != SIZE_MAX);
    buf_reset(&b);
    cli_help(tables, "one two", &b);
    assert_true(str_starts(buf_str(&b), STR("tollgate one two A [B]\n")));
    assert_true(str_find(buf_str(&b), STR("a name (needed)")) != SIZE_MAX);
    buf_reset(&b);
    cli_help(tables, "three", &b);
    assert_true(str_starts(buf_str(&b), STR("There is no verb")));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good_ones),
                                       cmocka_unit_test(test_wrong_ones),
                                       cmocka_unit_test(test_completion_and_help)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

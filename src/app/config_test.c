/* The configuration file: every default holds, every mistake is told with its place. */
#include "app/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];
static struct buf report;

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/tollgate-config-%d", (int)getpid());
    buf_init(&report, 1u << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    buf_fini(&report);
    return 0;
}

static enum err read_text(struct config *c, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    buf_reset(&report);
    return config_read(c, path, &report);
}

static void test_defaults_are_fine(void **state)
{
    (void)state;
    struct config *c = config_new();
    assert_int_equal(config_check(c, &report), OK);
    assert_string_equal(c->server_listen, "127.0.0.1:8787");
    assert_int_equal(c->server_body_bytes_max, 32 << 20);
    assert_int_equal(c->store_commit_window, 1000);
    assert_int_equal(c->store_durability, GATEWAY_STRICT);
    assert_int_equal(c->gateway_unknown_outcome, LEDGER_POLICY_CHECKPOINT);
    assert_int_equal(c->gateway_unpriced_hold.v, 250000000);
    config_free(&c);
    assert_null(c);
}

static void test_each_type(void **state)
{
    (void)state;
    struct config *c = config_new();
    assert_int_equal(read_text(c,
                               "[server]\nthreads = 3\nbody_bytes_max = 2K\nidle_timeout = 250ms\n"
                               "public_url = http://a/ \n[store]\ndurability = Overlap\n"
                               "[gateway]\nunknown_outcome = zero\nunpriced_hold = 0.000000001\n"
                               "models_public = off\n# comment\n; another\n[log]\ncalls=no\n"),
                     OK);
    assert_int_equal(c->server_threads, 3);
    assert_int_equal(c->server_body_bytes_max, 2048);
    assert_int_equal(c->server_idle_timeout, 250000);
    assert_string_equal(c->server_public_url, "http://a/");
    assert_int_equal(c->store_durability, GATEWAY_OVERLAP);
    assert_int_equal(c->gateway_unknown_outcome, LEDGER_POLICY_ZERO);
    assert_int_equal(c->gateway_unpriced_hold.v, 1);
    assert_false(c->gateway_models_public || c->log_calls);
    config_free(&c);
}

static void mistaken(const char *text, const char *words)
{
    struct config *c = config_new();
    enum err e = read_text(c, text);
    if (e == OK)
        e = config_check(c, &report);
    assert_int_equal(e, ERR_INVALID_REQUEST);
    if (str_find(buf_str(&report), str_c(words)) == SIZE_MAX)
        fail_msg("'%.*s' lacks '%s'", STR_ARG(buf_str(&report)), words);
    config_free(&c);
}

static void test_mistakes(void **state)
{
    (void)state;
    mistaken("[server]\nthreads = -1\n", ":2: threads = -1: must be a whole number");
    mistaken("[server]\nthreads = 1x\n", "whole number");
    mistaken("[server]\nbody_bytes_max = 9999999999G\n", "a size such as");
    mistaken("[server]\nidle_timeout = soon\n", "a time such as");
    mistaken("[store]\ndurability = maybe\n", "strict, overlap or relaxed");
    mistaken("[gateway]\nunknown_outcome = guess\n", "checkpoint, estimate or zero");
    mistaken("[gateway]\nunpriced_hold = -1\n", "dollars such as");
    mistaken("[log]\ncalls = perhaps\n", "yes or no");
    mistaken("[server]\nname = \xff\n", "no key 'name' in [server]");
    mistaken("[brand]\nname = \xff\n", "text in UTF-8");
    mistaken("[nowhere]\na = b\n", ":2: there is no section [nowhere]");
    mistaken("listen = 1\n", "stands before any [section]");
    mistaken("[server]\nthreads = 1\nthreads = 2\n", ":3: 'threads' in [server] comes twice");
    mistaken("[server]\nwhat\n", ":2: neither '[section]' nor 'key = value'");
    mistaken("[server]\nlisten = localhost:80\n", "numeric address");
    mistaken("[server]\ntls_listen = 127.0.0.1:1\n", "needs tls_cert and tls_key");
    mistaken("[server]\nthreads = 257\n", "from 0 to 256");
    mistaken("[server]\nbody_bytes_max = 1\n", "1K or more");
    mistaken("[brand]\nkey_prefix = TG\n", "lower-case");
    mistaken("[brand]\nheader_prefix = a b\n", "letters, digits or dashes");
    mistaken("[gateway]\nprompt_bytes_per_token = 0\n", "from 1 to 16");
    mistaken("[gateway]\nattempts_max = 0\n", "1 or more");
    mistaken("[gateway]\nanswer_bytes_max = 1K\n", "from 128K to 1G");
    mistaken("[server]\nredirect_hosts = a.example\n", "needs public_url");
    mistaken(
        "[server]\npublic_url = https://b.example:8443/\nredirect_hosts = a.example, B.example\n",
        "is public_url's own host");
    mistaken("[server]\npublic_url = https://b.example\nredirect_hosts = https://a.example\n",
             "without scheme");
    mistaken("[retention]\naudit = 1d\n", "audit must be 30d or more");
    mistaken("[retention]\nended_keys = 30d\n", "ended_keys 62d or more");
    mistaken("[store]\ndatabase = mysql://x\n", "sqlite:PATH");
}

static void test_files_that_cannot_be_read(void **state)
{
    (void)state;
    struct config *c = config_new();
    assert_int_equal(config_read(c, "/nowhere/at/all", &report), ERR_IO);
    assert_true(str_find(buf_str(&report), STR("No such file")) != SIZE_MAX);
    buf_reset(&report);
    assert_int_equal(config_read(c, "/tmp", &report), ERR_IO);
    config_free(&c);
}

static void test_the_example_is_the_defaults(void **state)
{
    (void)state;
    struct buf text, plain;
    struct config *c = config_new();
    buf_init(&text, 1u << 20);
    buf_init(&plain, 1u << 20);
    config_example(&text);
    for (struct str rest = buf_str(&text); rest.n != 0;) {
        struct str line = str_cut(&rest, '\n');
        bool key = line.n > 1 && line.p[0] == '#' && line.p[1] != ' ';
        buf_add(&plain, key ? str_from(line, 1) : line);
        buf_byte(&plain, '\n');
    }
    buf_byte(&plain, '\0');
    assert_int_equal(read_text(c, plain.p), OK);
    assert_int_equal(config_check(c, &report), OK);
    buf_fini(&text);
    buf_fini(&plain);
    config_free(&c);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(test_defaults_are_fine), CASE(test_each_type),
                                       CASE(test_mistakes), CASE(test_files_that_cannot_be_read),
                                       CASE(test_the_example_is_the_defaults)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

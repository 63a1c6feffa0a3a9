/* Mail by SMTP: what is taken, refused, put off. */
#include "outbound/mail.h"
#include "outbound/outbound_testkit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct smtp_testkit kit;

static enum err send_as(const char *user, const char *password, char why[OUTBOUND_WHY_MAX])
{
    struct outbound_mail m = {.url = kit.url,
                              .user = user,
                              .password = password,
                              .from = "house@example.com",
                              .to = "ada@example.com",
                              .message = STR("Subject: x\r\n\r\n.dot\r\nend\r\n"),
                              .timeout_ms = 5000};
    why[0] = '\0';
    return outbound_mail_send(&m, why);
}

static void taken(void **state)
{
    (void)state;
    char why[OUTBOUND_WHY_MAX];
    assert_int_equal(send_as("", "", why), OK);
    assert_int_equal(kit.taken, 1); /* which also brings what lies behind it here */
    assert_string_equal(kit.rcpt, "RCPT TO:<ada@example.com>");
    assert_true(str_find(buf_str(&kit.message), STR("\n.dot\nend\n")) != SIZE_MAX);
    assert_int_equal(send_as("user", "pass word", why), OK);
}

static void refused(void **state)
{
    (void)state;
    char why[OUTBOUND_WHY_MAX];
    assert_int_equal(send_as("user", "wrong", why), ERR_DENIED);
    kit.to_rcpt = "550 5.1.1 nobody here";
    assert_int_equal(send_as("", "", why), ERR_VALIDATION_FAILED);
    assert_non_null(strstr(why, "nobody here"));
    kit.to_rcpt = "451 4.7.1 greylisted";
    assert_int_equal(send_as("", "", why), ERR_RATE_LIMITED);
    kit.to_rcpt = NULL;
    kit.to_data = "554 spam";
    assert_int_equal(send_as("", "", why), ERR_VALIDATION_FAILED);
    kit.to_data = NULL;
    kit.cut_after_data = true;
    assert_int_equal(send_as("", "", why), ERR_UPSTREAM_ERROR);
    kit.cut_after_data = false;
}

static void unreachable(void **state)
{
    (void)state;
    char why[OUTBOUND_WHY_MAX];
    struct outbound_mail m = {.url = "smtp://127.0.0.1:1",
                              .from = "a@b",
                              .to = "c@d",
                              .message = STR("x\r\n"),
                              .timeout_ms = 2000};
    assert_int_equal(outbound_mail_send(&m, why), ERR_UPSTREAM_UNAVAILABLE);
    m.url = "http://127.0.0.1:1"; /* no other protocol */
    assert_int_equal(outbound_mail_send(&m, why), ERR_UPSTREAM_ERROR);
}

/* To another machine nothing goes in plain text. (0.0.0.0 is this one, but is not asked.) */
static void needs_tls(void **state)
{
    (void)state;
    char why[OUTBOUND_WHY_MAX], url[80];
    int before = kit.taken;
    struct str port = str_c(kit.url);
    snprintf(url, sizeof(url), "smtp://0.0.0.0%.*s",
             STR_ARG(str_from(port, strlen("smtp://127.0.0.1"))));
    struct outbound_mail m = {
        .url = url, .from = "a@b", .to = "c@d", .message = STR("x\r\n"), .timeout_ms = 2000};
    assert_int_equal(outbound_mail_send(&m, why), ERR_UPSTREAM_UNAVAILABLE);
    assert_int_equal(kit.taken, before);
    m.plain_allowed = true;
    assert_int_equal(outbound_mail_send(&m, why), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(taken), cmocka_unit_test(refused),
                                       cmocka_unit_test(unreachable), cmocka_unit_test(needs_tls)};
    smtp_testkit_start(&kit);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    smtp_testkit_stop(&kit);
    return failed;
}

/* Mails: what they look like, that nothing gets into them, that they arrive. */
#include "control/letter.h"
#include "outbound/outbound_testkit.h"
#include "store/store_testkit.h"

#include "base/clock.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define T0 (INT64_C(1795132800) * US_PER_S)

static struct mail_options options(void)
{
    struct mail_options o = {.brand = "Tollgate",
                             .color = "#2f5bea",
                             .logo_url = "",
                             .public_url = "https://pay.example.com",
                             .smtp_url = "",
                             .smtp_user = "",
                             .smtp_password = "",
                             .from = "house@example.com"};
    memset(o.seal, 7, sizeof(o.seal));
    return o;
}

static void write_letter(const struct mail_options *o, enum mail_name name,
                         const struct mail_vars *v, struct buf *b)
{
    buf_init(b, 1u << 20);
    letter_write(o, name, STR("ada@example.com"), v, id_new(T0), T0, b);
    assert_int_equal(buf_check(b), OK);
}

static bool has(const struct buf *b, const char *what)
{
    return str_find(buf_str(b), str_c(what)) != SIZE_MAX;
}

/* RFC 5322 §2.1.1, RFC 5321: lines end with CR LF and have at most 998 bytes, all of them ASCII. */
static void check_lines(const struct buf *b)
{
    size_t width = 0;
    for (size_t i = 0; i < b->n; i++) {
        unsigned char c = (unsigned char)b->p[i];
        assert_true(c < 0x7F && (c >= 0x20 || c == '\r' || c == '\n'));
        assert_true((c == '\n') == (i > 0 && b->p[i - 1] == '\r'));
        width = c == '\n' ? 0 : width + 1;
        assert_true(width < 500);
    }
}

static void every_mail_is_well_formed(void **state)
{
    (void)state;
    struct mail_options o = options();
    struct mail_vars v = {.path = STR("/verify?token=abc=def"),
                          .name = STR("k"),
                          .address = STR("x@example.com"),
                          .device = STR("Firefox"),
                          .team = STR("Ops"),
                          .inviter = STR("Bob"),
                          .member = STR("Eve"),
                          .role = STR("admin"),
                          .amount = STR("$1.25"),
                          .at_us = T0,
                          .hours = 24,
                          .days = 7};
    for (int i = 0; i < MAIL__COUNT; i++) {
        struct buf b;
        write_letter(&o, (enum mail_name)i, &v, &b);
        check_lines(&b);
        assert_true(has(&b, "From: \"Tollgate\" <house@example.com>\r\n"));
        assert_true(has(&b, "To: <ada@example.com>\r\n"));
        assert_true(has(&b, "Content-Type: text/plain; charset=utf-8"));
        assert_true(has(&b, "Content-Type: text/html; charset=utf-8"));
        assert_false(has(&b, "{") && !has(&b, "{=7B")); /* no brace is left open */
        assert_int_equal(letter_of_name(str_c(letter_name((enum mail_name)i))), i);
        buf_fini(&b);
    }
}

static void a_letter_says_what_it_should(void **state)
{
    (void)state;
    struct mail_options o = options();
    struct mail_vars v = {.path = STR("/verify?token=abc"), .hours = 24};
    struct buf b;
    write_letter(&o, MAIL_VERIFY, &v, &b);
    assert_true(has(&b, "Subject: Confirm your e-mail address\r\n"));
    assert_true(has(&b, "https://pay.example.com/verify?token=3Dabc"));
    assert_true(has(&b, "24 hours"));
    assert_true(has(&b, "Date: Fri, 20 Nov 2026 00:00:00 +0000\r\n"));
    assert_true(has(&b, "color:#ffffff"));
    buf_fini(&b);
    o.color = "#ffee88";
    o.logo_url = "/logo.png";
    write_letter(&o, MAIL_VERIFY, &v, &b);
    assert_true(has(&b, "color:#111827\""));
    assert_true(has(&b, "src=3D\"https://pay.example.com/logo.png"));
    buf_fini(&b);
}

static void nothing_gets_in(void **state)
{
    (void)state;
    struct mail_options o = options();
    struct mail_vars v = {.path = STR("/i"),
                          .inviter = STR("<b>x</b>\r\nBcc: all@example.com"),
                          .team = STR("evil.example/login"),
                          .role = STR("viewer")};
    struct buf b;
    write_letter(&o, MAIL_INVITATION, &v, &b);
    check_lines(&b);
    assert_false(has(&b, "\nBcc:"));
    assert_true(has(&b, "&lt;b&gt;x&lt;/"));
    assert_false(has(&b, "evil.example"));
    assert_true(has(&b, "Subject: =?UTF-8?Q?"));
    buf_fini(&b);
    o.brand = "Zo\xC3\xAB \"&\" <Co>";
    write_letter(&o, MAIL_VERIFY, &v, &b);
    assert_true(has(&b, "From: =?UTF-8?Q?Zo=C3=AB_=22=26=22_=3CCo=3E?= <house@example.com>\r\n"));
    assert_true(has(&b, "&lt;Co&gt;"));
    buf_fini(&b);
}

static void encodings(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    letter_quoted_printable(&b, STR("a=b \n.x\n\xC3\xA9"));
    assert_true(str_eq(buf_str(&b), STR("a=3Db=20\r\n=2Ex\r\n=C3=A9\r\n")));
    buf_reset(&b);
    struct str line = {"0123456789012345678901234567890123456789012345678901234567890123456789"
                       "0123456789.",
                       81};
    letter_quoted_printable(&b, line);
    assert_int_equal(str_index(buf_str(&b), '\r'), 76);
    buf_fini(&b);
}

/* ---- the queue ---- */

struct world {
    struct store_testkit kit;
    struct store *store;
    struct jobs *jobs;
    struct mail *mail;
    struct smtp_testkit smtp;
    int64_t now_us;
    struct str to;
    struct mail_vars vars;
};

static int64_t world_now(void *arg)
{
    return ((struct world *)arg)->now_us;
}

static void world_begin(struct world *w, bool postgres, bool with_smtp)
{
    struct mail_options o = options();
    struct jobs_options jo = {.now = world_now, .arg = w};
    memset(w, 0, sizeof(*w));
    w->now_us = T0;
    w->to = STR("ada@example.com");
    w->vars = (struct mail_vars){.path = STR("/verify?token=SECRETSECRET"), .hours = 24};
    if (!store_testkit_begin(&w->kit, postgres))
        skip();
    smtp_testkit_start(&w->smtp);
    w->store = store_testkit_open(&w->kit);
    if (with_smtp)
        o.smtp_url = w->smtp.url;
    assert_int_equal(jobs_open(w->store, &jo, &w->jobs), OK);
    w->mail = mail_new(w->jobs, &o);
    assert_int_equal(jobs_start(w->jobs), OK);
}

static void world_end(struct world *w)
{
    jobs_stop(w->jobs);
    store_close(&w->store);
    mail_free(&w->mail);
    jobs_close(&w->jobs);
    smtp_testkit_stop(&w->smtp);
    store_testkit_end(&w->kit);
}

static enum err put_in(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    return mail_enqueue_in(w->mail, conn, MAIL_VERIFY, w->to, &w->vars, STR("m1"), w->now_us);
}

static void work(struct world *w)
{
    bool worked = true;
    for (int64_t next_us; worked;)
        assert_int_equal(jobs_work(w->jobs, &worked, &next_us), OK);
}

static void check_counts(struct world *w, int64_t waiting, int64_t needs_attention)
{
    struct store_conn *conn = NULL;
    struct jobs_counts c;
    assert_int_equal(store_reader_begin(w->store, &conn), OK);
    assert_int_equal(jobs_count(conn, &c), OK);
    store_reader_end(&conn);
    assert_int_equal(c.waiting - 1, waiting); /* less the clean-up */
    assert_int_equal(c.needs_attention, needs_attention);
}

static void arrives_once(bool postgres)
{
    struct world w;
    world_begin(&w, postgres, true);
    assert_int_equal(store_write(w.store, put_in, &w), OK);
    assert_int_equal(store_write(w.store, put_in, &w), OK); /* the same key */
    work(&w);
    assert_int_equal(w.smtp.taken, 1);
    assert_true(has(&w.smtp.message, "SECRETSECRET"));
    check_counts(&w, 0, 0);
    world_end(&w);
}

static void arrives_once_sqlite(void **state)
{
    (void)state;
    arrives_once(false);
}

static void arrives_once_postgres(void **state)
{
    (void)state;
    arrives_once(true);
}

static bool file_has(const struct world *w, const char *name, const char *what)
{
    static char bytes[8 << 20];
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", w->kit.dir, name);
    FILE *f = fopen(path, "re");
    size_t n = f != NULL ? fread(bytes, 1, sizeof(bytes), f) : 0;
    if (f != NULL)
        fclose(f);
    return str_find(str_of(bytes, n), str_c(what)) != SIZE_MAX;
}

static void waits_for_a_server_sealed(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w, false, false);
    assert_int_equal(store_write(w.store, put_in, &w), OK);
    work(&w);
    check_counts(&w, 1, 0);
    assert_false(file_has(&w, "tollgate.db", "SECRETSECRET"));
    assert_false(file_has(&w, "tollgate.db-wal", "SECRETSECRET"));
    w.now_us += 4 * US_PER_DAY; /* stale by then */
    work(&w);
    check_counts(&w, 0, 1);
    world_end(&w);
}

static void put_off_and_refused(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w, false, true);
    w.smtp.to_rcpt = "451 4.7.1 later";
    assert_int_equal(store_write(w.store, put_in, &w), OK);
    work(&w);
    check_counts(&w, 1, 0);
    w.smtp.to_rcpt = NULL;
    w.now_us += 10 * US_PER_S;
    work(&w);
    assert_int_equal(w.smtp.taken, 1);
    check_counts(&w, 0, 0);
    world_end(&w);
    world_begin(&w, false, true);
    w.smtp.to_rcpt = "550 5.1.1 nobody";
    assert_int_equal(store_write(w.store, put_in, &w), OK);
    work(&w);
    check_counts(&w, 0, 1);
    world_end(&w);
}

static void addresses_that_are_none(void **state)
{
    (void)state;
    struct world w;
    static const char *const bad[] = {"",        "x",        "a b@c.d",       "a>b@c.d",
                                      "a@b,c@d", "\"a\"@b",  "a@b\r\nDATA",   "a@b;c",
                                      "<a@b.c>", "a(x)@b.c", "a\xC2\x85@b.c", "a@b@c"};
    world_begin(&w, false, true);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        w.to = str_c(bad[i]);
        assert_int_equal(store_write(w.store, put_in, &w), ERR_VALIDATION_FAILED);
    }
    static char large[4000];
    memset(large, 'x', sizeof(large));
    w.to = STR("ada@example.com");
    w.vars.path = str_of(large, sizeof(large));
    assert_int_equal(store_write(w.store, put_in, &w), ERR_VALIDATION_FAILED);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mail_is_well_formed), cmocka_unit_test(a_letter_says_what_it_should),
        cmocka_unit_test(nothing_gets_in),           cmocka_unit_test(encodings),
        cmocka_unit_test(arrives_once_sqlite),       cmocka_unit_test(arrives_once_postgres),
        cmocka_unit_test(waits_for_a_server_sealed), cmocka_unit_test(put_off_and_refused),
        cmocka_unit_test(addresses_that_are_none)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

/* Accounts: passwords, links, second factor, profiles, the end; every refusal. */
#include "identity/account.h"
#include "base/clock.h"
#include "identity/identity_testkit.h"
#include "identity/session.h"
#include "identity/team.h"
#include "identity/totp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ID identity_kit.identity
#define A (&identity_kit.arena)

/* ---- passwords ---- */

static void test_password_faults(void **state)
{
    (void)state;
    char many[300];
    memset(many, 'q', sizeof(many));
    many[1] = 'x';
    static const char *const bad[] = {"",         "1234567",  "password", "PassWord1", "12345678",
                                      "87654321", "zzzzzzzz", "abcdefgh", "qwertyuiop"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(identity_password_fault(str_c(bad[i])));
    assert_non_null(identity_password_fault(STR("\xFF\xFE\xFD\xFC\xFB\xFA\xF9\xF8")));
    assert_non_null(identity_password_fault(STR("nul\0inside it")));
    assert_non_null(identity_password_fault(str_of(many, 257)));
    assert_null(identity_password_fault(str_of(many, 256)));
    assert_null(identity_password_fault(STR("blue horse")));
    assert_null(identity_password_fault(STR("äöüßäöüß")));
}

static void test_password_hash(void **state)
{
    char phc[IDENTITY_PHC_MAX], again[IDENTITY_PHC_MAX];
    bool good = true, stale = true;
    (void)state;
    if (identity_kit.store == NULL)
        skip();
    assert_int_equal(identity_password_hash(ID, STR("blue horse"), phc), OK);
    assert_int_equal(identity_password_hash(ID, STR("blue horse"), again), OK);
    assert_true(strncmp(phc, "$argon2id$v=19$m=64,t=1,p=1$", 28) == 0);
    assert_string_not_equal(phc, again);
    assert_int_equal(identity_password_check(ID, str_c(phc), STR("blue horse"), &good, &stale), OK);
    assert_true(good && !stale);
    assert_int_equal(identity_password_check(ID, str_c(phc), STR("blue Horse"), &good, &stale), OK);
    assert_false(good || stale);
    /* Nothing to compare with: wrong, after the same work. */
    good = true;
    assert_int_equal(identity_password_check(ID, STR(""), STR("blue horse"), &good, &stale), OK);
    assert_false(good);
    /* Of other parameters: good, and to be made anew. */
    assert_int_equal(crypto_password_hash(STR("blue horse"), 128 << 10, 2, phc), OK);
    assert_int_equal(identity_password_check(ID, str_c(phc), STR("blue horse"), &good, &stale), OK);
    assert_true(good && stale);
}

/* ---- RFC 6238, appendix B (SHA-1) ---- */

static void test_totp_vectors(void **state)
{
    (void)state;
    static const struct {
        int64_t s;
        const char *code;
    } rows[] = {{59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
                {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};
    char code[7];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        identity_totp_code((const uint8_t *)"12345678901234567890", 20,
                           identity_totp_step(rows[i].s * US_PER_S), code);
        assert_string_equal(code, rows[i].code);
    }
}

static uint8_t digit32(char c)
{
    return (uint8_t)(c >= 'A' ? c - 'A' : c - '2' + 26);
}

static void code_at(const char *base32, int64_t wall_us, char code[7])
{
    uint8_t secret[20];
    for (size_t g = 0; g < 4; g++) {
        uint64_t v = 0;
        for (size_t i = 0; i < 8; i++)
            v = v << 5 | digit32(base32[8 * g + i]);
        for (size_t i = 0; i < 5; i++)
            secret[5 * g + i] = (uint8_t)(v >> (32 - 8 * i));
    }
    identity_totp_code(secret, sizeof(secret), identity_totp_step(wall_us), code);
}

static enum err play_totp(struct store_conn *conn, void *arg)
{
    const struct identity_user *u = arg;
    char base32[IDENTITY_TOTP_BASE32_MAX], code[7];
    char codes[IDENTITY_RECOVERY_CODES][IDENTITY_RECOVERY_TEXT_MAX];
    int64_t now = KIT_NOW, step = 30 * US_PER_S;
    struct id nobody = id_new(now);
    must(identity_totp_check_in(ID, conn, u->user, STR("123456"), true, now) == ERR_NOT_FOUND);
    must(identity_totp_confirm_in(ID, conn, u->user, STR("123456"), now, codes) == ERR_NOT_FOUND);
    must(identity_totp_start_in(ID, conn, nobody, base32) == ERR_CONFLICT);
    must(identity_totp_start_in(ID, conn, u->user, base32) == OK);
    must(identity_totp_check_in(ID, conn, u->user, STR("123456"), true, now) == ERR_NOT_FOUND);
    code_at(base32, now - 2 * step, code);
    must(identity_totp_confirm_in(ID, conn, u->user, str_c(code), now, codes) == ERR_DENIED);
    code_at(base32, now - step, code);
    must(identity_totp_confirm_in(ID, conn, u->user, str_c(code), now, codes) == OK);
    must(identity_totp_confirm_in(ID, conn, u->user, str_c(code), now, codes) == ERR_CONFLICT);
    must(identity_totp_start_in(ID, conn, u->user, base32) == ERR_CONFLICT);
    /* Its step is used up. */
    must(identity_totp_check_in(ID, conn, u->user, str_c(code), true, now) == ERR_DENIED);
    return OK;
}

static enum err play_totp_steps(struct store_conn *conn, void *arg)
{
    const struct identity_user *u = arg;
    char base32[IDENTITY_TOTP_BASE32_MAX], code[7], next[7];
    char codes[IDENTITY_RECOVERY_CODES][IDENTITY_RECOVERY_TEXT_MAX];
    char fresh[IDENTITY_RECOVERY_CODES][IDENTITY_RECOVERY_TEXT_MAX];
    int64_t now = KIT_NOW, step = 30 * US_PER_S;
    must(identity_totp_start_in(ID, conn, u->user, base32) == OK);
    code_at(base32, now, code);
    must(identity_totp_confirm_in(ID, conn, u->user, str_c(code), now, codes) == OK);
    code_at(base32, now + step, next);
    must(identity_totp_check_in(ID, conn, u->user, str_c(next), true, now) == OK);
    must(identity_totp_check_in(ID, conn, u->user, str_c(next), true, now) == ERR_DENIED);
    must(identity_totp_check_in(ID, conn, u->user, str_c(code), true, now) == ERR_DENIED);
    must(identity_totp_check_in(ID, conn, u->user, STR(""), true, now) == ERR_DENIED);
    must(identity_totp_check_in(ID, conn, u->user, str_c(codes[0]), false, now) == ERR_DENIED);
    must(identity_totp_check_in(ID, conn, u->user, str_c(codes[0]), true, now) == OK);
    must(identity_totp_check_in(ID, conn, u->user, str_c(codes[0]), true, now) == ERR_DENIED);
    must(identity_totp_check_in(ID, conn, u->user, STR("aaaaa-aaaaaa"), true, now) == ERR_DENIED);
    must(identity_recovery_make_in(ID, conn, u->user, fresh) == OK);
    must(identity_totp_check_in(ID, conn, u->user, str_c(codes[1]), true, now) == ERR_DENIED);
    must(identity_totp_check_in(ID, conn, u->user, str_c(fresh[1]), true, now) == OK);
    must(identity_totp_end_in(conn, u->user) == OK);
    must(identity_totp_check_in(ID, conn, u->user, str_c(fresh[2]), true, now) == ERR_NOT_FOUND);
    return OK;
}

static void test_totp(void **state)
{
    (void)state;
    if (identity_kit.store == NULL)
        skip();
    struct identity_user a = identity_testkit_user("a@example.com"),
                         b = identity_testkit_user("b@example.com");
    assert_int_equal(identity_testkit_write(play_totp, &a), OK);
    assert_int_equal(identity_testkit_write(play_totp_steps, &b), OK);
}

/* ---- links ---- */

static struct identity_link_spec link_of(enum identity_link kind, struct id user)
{
    return (struct identity_link_spec){.kind = kind,
                                       .user = user,
                                       .email = STR("a@example.com"),
                                       .browser = STR("secret of a browser"),
                                       .password = STR("phc"),
                                       .name = STR("Ann"),
                                       .company = STR("Co"),
                                       .invitation = STR("inv_x"),
                                       .expires_us = KIT_NOW + 100};
}

static enum err play_links(struct store_conn *conn, void *arg)
{
    const struct identity_user *u = arg;
    struct identity_link_spec spec = link_of(IDENTITY_LINK_VERIFY, u->user), got;
    char one[IDENTITY_LINK_TEXT_MAX], two[IDENTITY_LINK_TEXT_MAX], reset[IDENTITY_LINK_TEXT_MAX];
    must(identity_link_make_in(ID, conn, &spec, KIT_NOW, one) == OK);
    must(identity_link_make_in(ID, conn, &spec, KIT_NOW, two) == OK);
    spec.kind = IDENTITY_LINK_RESET;
    must(identity_link_make_in(ID, conn, &spec, KIT_NOW, reset) == OK);
    /* Each kind for itself. */
    must(identity_link_take_in(ID, conn, A, IDENTITY_LINK_RESET, str_c(one), KIT_NOW, &got) ==
         ERR_NOT_FOUND);
    must(identity_link_take_in(ID, conn, A, IDENTITY_LINK_VERIFY, STR("short"), KIT_NOW, &got) ==
         ERR_NOT_FOUND);
    must(identity_link_take_in(ID, conn, A, IDENTITY_LINK_VERIFY, str_c(one), KIT_NOW, &got) == OK);
    must(id_eq(got.user, u->user) && str_eq(got.email, STR("a@example.com")));
    must(str_eq(got.password, STR("phc")) && str_eq(got.name, STR("Ann")));
    must(str_eq(got.company, STR("Co")) && str_eq(got.invitation, STR("inv_x")));
    must(identity_browser_is(ID, got.browser, STR("secret of a browser")));
    must(!identity_browser_is(ID, got.browser, STR("secret of another")));
    must(!identity_browser_is(ID, got.browser, STR("")) &&
         !identity_browser_is(ID, STR(""), STR("")));
    /* The others of its kind are gone with it, those of other kinds are not. */
    must(identity_link_take_in(ID, conn, A, IDENTITY_LINK_VERIFY, str_c(two), KIT_NOW, &got) ==
         ERR_NOT_FOUND);
    must(identity_link_take_in(ID, conn, A, IDENTITY_LINK_RESET, str_c(reset), KIT_NOW, &got) ==
         OK);
    must(identity_link_make_in(ID, conn, &spec, KIT_NOW, reset) == OK);
    must(identity_link_take_in(ID, conn, A, IDENTITY_LINK_RESET, str_c(reset), KIT_NOW + 100,
                               &got) == ERR_NOT_FOUND);
    must(identity_link_make_in(ID, conn, &spec, KIT_NOW, reset) == OK);
    must(identity_expire_in(ID, conn, KIT_NOW + 101) == OK);
    must(identity_link_take_in(ID, conn, A, IDENTITY_LINK_RESET, str_c(reset), KIT_NOW, &got) ==
         ERR_NOT_FOUND);
    return OK;
}

static void test_links(void **state)
{
    (void)state;
    if (identity_kit.store == NULL)
        skip();
    struct identity_user u = identity_testkit_user("a@example.com");
    assert_int_equal(identity_testkit_write(play_links, &u), OK);
}

/* ---- profiles ---- */

static enum err play_profiles(struct store_conn *conn, void *arg)
{
    const struct identity_user *u = arg;
    struct identity_profile p;
    struct str name = STR("Änn"), bad = STR("a\nb"), none = STR("");
    bool first = true;
    int64_t n = -1;
    must(identity_profile_by_email(conn, A, STR(" A@Example.com "), &p) == OK);
    must(id_eq(p.user, u[0].user) && id_eq(p.team, u[0].team));
    must(p.verified_us == KIT_NOW && p.totp_since_us == 0 && p.password.n == 0);
    must(identity_profile_by_email(conn, A, STR("nobody@example.com"), &p) == ERR_NOT_FOUND);
    must(identity_profile_by_email(conn, A, STR("no address"), &p) == ERR_NOT_FOUND);
    must(identity_profile_by_id(conn, A, id_new(KIT_NOW), &p) == ERR_NOT_FOUND);
    must(identity_profile_set_in(conn, u[0].user, &name, NULL) == OK);
    must(identity_profile_set_in(conn, u[0].user, &bad, NULL) == ERR_VALIDATION_FAILED);
    must(identity_profile_set_in(conn, u[0].user, NULL, &bad) == ERR_VALIDATION_FAILED);
    must(identity_profile_set_in(conn, u[0].user, NULL, &none) == OK);
    must(identity_profile_by_id(conn, A, u[0].user, &p) == OK && str_eq(p.name, name));
    must(identity_verified_in(conn, u[0].user, KIT_NOW, &first) == OK && !first);
    must(identity_email_set_in(conn, u[0].user, STR("B@example.com")) == ERR_CONFLICT);
    must(identity_email_set_in(conn, u[0].user, STR("nothing")) == ERR_VALIDATION_FAILED);
    must(identity_email_set_in(conn, u[0].user, STR("A@Example.com")) ==
         OK); /* in other capitals */
    must(identity_email_set_in(conn, u[0].user, STR("new@example.com")) == OK);
    must(identity_profile_by_email(conn, A, STR("a@example.com"), &p) == ERR_NOT_FOUND);
    must(identity_password_set_in(conn, u[0].user, STR("phc")) == OK);
    must(identity_profile_by_id(conn, A, u[0].user, &p) == OK && str_eq(p.password, STR("phc")));
    must(identity_operators_count(conn, &n) == OK && n == 0);
    return OK;
}

static void test_profiles(void **state)
{
    (void)state;
    if (identity_kit.store == NULL)
        skip();
    struct identity_user u[2] = {identity_testkit_user("a@example.com"),
                                 identity_testkit_user("b@example.com")};
    assert_int_equal(identity_testkit_write(play_profiles, u), OK);
}

struct unverified {
    struct identity_user made;
    bool first, again;
};

static enum err play_unverified(struct store_conn *conn, void *arg)
{
    struct unverified *x = arg;
    struct identity_account_spec spec = {.email = STR("c@example.com"),
                                         .name = STR("C"),
                                         .company = STR("Co"),
                                         .password = STR("phc"),
                                         .is_operator = true};
    struct identity_profile p;
    int64_t n = 0;
    must(identity_account_create_in(ID, conn, &spec, KIT_NOW, &x->made) == OK);
    must(identity_account_expire_in(ID, conn, KIT_NOW + 7 * US_PER_DAY) == OK);
    must(identity_profile_by_id(conn, A, x->made.user, &p) == OK);
    must(p.verified_us == 0 && p.is_operator && str_eq(p.company, STR("Co")));
    must(identity_verified_in(conn, x->made.user, KIT_NOW + 1, &x->first) == OK);
    must(identity_verified_in(conn, x->made.user, KIT_NOW + 2, &x->again) == OK);
    must(identity_operators_count(conn, &n) == OK && n == 1);
    return OK;
}

/* Who never opens the link is forgotten, and his address is free again. */
static enum err play_forgotten(struct store_conn *conn, void *arg)
{
    struct identity_account_spec spec = {.email = STR("late@example.com"),
                                         .name = STR(""),
                                         .company = STR(""),
                                         .password = STR("phc")};
    struct identity_user u, again;
    struct identity_profile p;
    (void)arg;
    must(identity_account_create_in(ID, conn, &spec, KIT_NOW, &u) == OK);
    must(identity_account_expire_in(ID, conn, KIT_NOW + 7 * US_PER_DAY + 1) == OK);
    must(identity_profile_by_id(conn, A, u.user, &p) == ERR_NOT_FOUND);
    must(identity_account_create_in(ID, conn, &spec, KIT_NOW, &again) == OK);
    return OK;
}

static enum err play_taken(struct store_conn *conn, void *arg)
{
    struct identity_account_spec spec = {
        .email = STR("C@Example.com"), .name = STR(""), .company = STR(""), .password = STR("")};
    struct identity_user u;
    (void)arg;
    return identity_account_create_in(ID, conn, &spec, KIT_NOW, &u);
}

static void test_creation(void **state)
{
    (void)state;
    struct unverified x = {.again = true};
    if (identity_kit.store == NULL)
        skip();
    assert_int_equal(identity_testkit_write(play_unverified, &x), OK);
    assert_true(x.first);
    assert_false(x.again);
    assert_int_equal(identity_testkit_write(play_taken, NULL), ERR_CONFLICT);
    assert_int_equal(identity_testkit_write(play_forgotten, NULL), OK);
}

/* ---- the end ---- */

struct leaving {
    struct identity_user u, other;
    struct id team, key;
    char text[IDENTITY_KEY_TEXT_MAX], session[IDENTITY_SESSION_TEXT_MAX];
};

static enum err play_before(struct store_conn *conn, void *arg)
{
    struct leaving *x = arg;
    struct id session;
    struct identity_key_spec key = {
        .user = x->u.user, .team = x->u.team, .name = STR("k"), .scopes = IDENTITY_SCOPE_ALL};
    struct identity_session_spec s = {.user = x->u.user, .address = STR("10.0.0.1")};
    must(identity_key_create_in(ID, conn, &key, KIT_NOW, &x->key, x->text) == OK);
    must(identity_session_start_in(ID, conn, &s, KIT_NOW, &session, x->session) == OK);
    must(identity_team_create_in(conn, STR("Shared"), x->u.user, KIT_NOW, &x->team) == OK);
    return OK;
}

static enum err play_leave(struct store_conn *conn, void *arg)
{
    struct leaving *x = arg;
    return identity_account_delete_in(ID, conn, x->u.user, KIT_NOW);
}

static enum err play_give(struct store_conn *conn, void *arg)
{
    struct leaving *x = arg;
    return identity_team_delete_in(ID, conn, x->team, KIT_NOW);
}

static enum err play_after(struct store_conn *conn, void *arg)
{
    struct leaving *x = arg;
    struct identity_profile p;
    struct identity_session s;
    struct identity_account_spec again = {
        .email = STR("a@example.com"), .name = STR(""), .company = STR(""), .password = STR("")};
    struct identity_user u;
    must(identity_profile_by_id(conn, A, x->u.user, &p) == ERR_NOT_FOUND);
    must(identity_profile_by_email(conn, A, STR("a@example.com"), &p) == ERR_NOT_FOUND);
    must(identity_session_find(ID, conn, A, str_c(x->session), KIT_NOW, &s) == ERR_SESSION_EXPIRED);
    must(identity_account_create_in(ID, conn, &again, KIT_NOW, &u) == OK);
    must(identity_account_delete_in(ID, conn, x->u.user, KIT_NOW) == ERR_NOT_FOUND);
    return OK;
}

static void test_end(void **state)
{
    (void)state;
    if (identity_kit.store == NULL)
        skip();
    struct leaving x = {.u = identity_testkit_user("a@example.com")};
    uint8_t mac[CRYPTO_HASH_LEN];
    struct identity_key *key = NULL;
    assert_int_equal(identity_testkit_write(play_before, &x), OK);
    assert_true(identity_key_mac(ID, str_c(x.text), mac));
    assert_int_equal(identity_testkit_write(play_leave, &x), ERR_CONFLICT); /* the last owner */
    assert_int_equal(identity_testkit_write(play_give, &x), OK);
    assert_int_equal(identity_testkit_write(play_leave, &x), OK);
    assert_int_equal(identity_key_find(ID, mac, &key), IDENTITY_FOUND);
    assert_int_equal(identity_key_check(key, KIT_NOW), ERR_REVOKED_API_KEY);
    identity_key_unref(&key);
    assert_int_equal(identity_testkit_write(play_after, &x), OK);
}

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_password_faults),
        cmocka_unit_test(test_totp_vectors),
        cmocka_unit_test_setup_teardown(test_password_hash, identity_testkit_setup,
                                        identity_testkit_teardown),
        KIT_BOTH(test_totp),
        KIT_BOTH(test_links),
        KIT_BOTH(test_profiles),
        KIT_BOTH(test_creation),
        KIT_BOTH(test_end),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

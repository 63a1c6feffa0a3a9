/* Sessions: found, rotated, ended, over; roles and brakes. */
#include "identity/session.h"
#include "base/clock.h"
#include "identity/brake.h"
#include "identity/identity_testkit.h"
#include "identity/team.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ID identity_kit.identity
#define A (&identity_kit.arena)
#define DAY US_PER_DAY

static struct id start(struct store_conn *conn, struct id user, bool cookie, const char *agent,
                       char text[IDENTITY_SESSION_TEXT_MAX])
{
    struct identity_session_spec spec = {
        .user = user, .address = STR("10.0.0.1"), .user_agent = str_c(agent), .cookie = cookie};
    struct id id;
    must(identity_session_start_in(ID, conn, &spec, KIT_NOW, &id, text) == OK);
    return id;
}

static enum err found(struct store_conn *conn, const char *text, int64_t at,
                      struct identity_session *s)
{
    return identity_session_find(ID, conn, A, str_c(text), at, s);
}

static enum err play_life(struct store_conn *conn, void *arg)
{
    const struct identity_user *u = arg;
    char text[IDENTITY_SESSION_TEXT_MAX], wrong[IDENTITY_SESSION_TEXT_MAX];
    struct identity_session s;
    struct id id = start(conn, u->user, true, "Agent\r\n\x01 7", text);
    must(identity_session_is_text(str_c(text)) && !identity_session_is_text(STR("ses_x")));
    must(found(conn, text, KIT_NOW, &s) == OK);
    must(id_eq(s.session, id) && id_eq(s.user, u->user) && id_eq(s.team, u->team));
    must(s.role == IDENTITY_OWNER && s.cookie && !s.rotate && !s.is_operator);
    must(str_eq(s.email, STR("a@example.com")) && str_eq(s.name, STR("Somebody")));
    memcpy(wrong, text, sizeof(wrong));
    wrong[10] = wrong[10] == 'a' ? 'b' : 'a';
    must(found(conn, wrong, KIT_NOW, &s) == ERR_SESSION_EXPIRED);
    must(found(conn, "ses_", KIT_NOW, &s) == ERR_SESSION_EXPIRED);
    /* Idle for seven days: over; seen meanwhile: not. */
    must(found(conn, text, KIT_NOW + 7 * DAY, &s) == ERR_SESSION_EXPIRED);
    must(found(conn, text, KIT_NOW, &s) == OK);
    must(identity_session_touch_in(ID, conn, &s, KIT_NOW + 6 * DAY, NULL) == OK);
    must(found(conn, text, KIT_NOW + 7 * DAY, &s) == OK);
    must(identity_session_is_stale(&s, KIT_NOW + 7 * DAY));
    must(!identity_session_is_stale(&s, s.seen_us + 1) || s.rotate);
    /* Thirty days: over in any case. */
    for (int d = 6; d < 30; d += 6)
        must(identity_session_touch_in(ID, conn, &s, KIT_NOW + d * DAY, NULL) == OK);
    must(found(conn, text, KIT_NOW + 30 * DAY - 1, &s) == OK);
    must(found(conn, text, KIT_NOW + 30 * DAY, &s) == ERR_SESSION_EXPIRED);
    must(identity_expire_in(ID, conn, KIT_NOW + 29 * DAY) == OK);
    must(found(conn, text, KIT_NOW + 29 * DAY, &s) == OK);
    must(identity_expire_in(ID, conn, KIT_NOW + 31 * DAY) == OK);
    must(found(conn, text, KIT_NOW, &s) == ERR_SESSION_EXPIRED);
    return OK;
}

static enum err touch(struct store_conn *conn, const struct identity_session *s, int64_t at,
                      char *text)
{
    return identity_session_touch_in(ID, conn, s, at, text);
}

static enum err play_rotation(struct store_conn *conn, void *arg)
{
    const struct identity_user *u = arg;
    char text[IDENTITY_SESSION_TEXT_MAX], next[IDENTITY_SESSION_TEXT_MAX],
        late[IDENTITY_SESSION_TEXT_MAX], csrf[2][IDENTITY_CSRF_TEXT_MAX];
    struct identity_session s, other;
    int64_t half = KIT_NOW + 12 * US_PER_HOUR, minute = 60 * US_PER_S;
    struct id id = start(conn, u->user, true, "x", text);
    identity_csrf(ID, id, csrf[0]);
    must(found(conn, text, half - 1, &s) == OK && !s.rotate);
    must(found(conn, text, half, &s) == OK && s.rotate);
    must(touch(conn, &s, half, next) == OK && next[0] != '\0');
    /* Another request at the same time keeps what the first one made. */
    must(touch(conn, &s, half, late) == OK && late[0] == '\0');
    must(found(conn, text, half + minute, &other) == OK && !other.rotate);
    /* The answer was lost: the old token is good, and gets another new one in its time. */
    must(found(conn, text, half + minute + 1, &other) == OK && other.rotate && !other.settle);
    must(touch(conn, &other, half + minute + 1, late) == OK && late[0] != '\0');
    must(found(conn, next, half + minute + 1, &s) == ERR_SESSION_EXPIRED);
    /* The new one is used: the old one has a minute left. */
    must(found(conn, late, half + 2 * minute, &s) == OK && s.settle && !s.rotate);
    must(touch(conn, &s, half + 2 * minute, NULL) == OK);
    must(found(conn, late, half + 2 * minute, &s) == OK && !s.settle);
    must(found(conn, text, half + 3 * minute - 1, &s) == OK && !s.rotate);
    must(found(conn, text, half + 3 * minute, &s) == ERR_SESSION_EXPIRED);
    must(found(conn, late, half + 3 * minute, &s) == OK);
    identity_csrf(ID, s.session, csrf[1]);
    must(strcmp(csrf[0], csrf[1]) == 0); /* open pages go on */
    must(identity_session_end_in(conn, u->user, id) == OK);
    return OK;
}

static void note(void *arg, const struct identity_session_row *row)
{
    char *seen = arg;
    snprintf(seen + strlen(seen), 200, "%.*s;", STR_ARG(row->user_agent));
}

static enum err play_many(struct store_conn *conn, void *arg)
{
    const struct identity_user *u = arg;
    char text[3][IDENTITY_SESSION_TEXT_MAX], seen[1000] = "";
    struct identity_session s;
    bool is_new = true;
    struct id id[3];
    must(identity_session_is_new(conn, u[0].user, STR("one"), &is_new) == OK && !is_new);
    id[0] = start(conn, u[0].user, true, "one", text[0]);
    must(identity_session_is_new(conn, u[0].user, STR("one"), &is_new) == OK && !is_new);
    must(identity_session_is_new(conn, u[0].user, STR("two"), &is_new) == OK && is_new);
    id[1] = start(conn, u[0].user, false, "two", text[1]);
    id[2] = start(conn, u[1].user, false, "other", text[2]);
    must(identity_session_list(ID, conn, u[0].user, KIT_NOW, note, seen) == OK);
    must(strcmp(seen, "two;one;") == 0);
    must(identity_session_end_in(conn, u[1].user, id[0]) == ERR_NOT_FOUND); /* not his */
    must(identity_session_end_in(conn, u[0].user, id[0]) == OK);
    must(found(conn, text[0], KIT_NOW, &s) == ERR_SESSION_EXPIRED);
    id[0] = start(conn, u[0].user, true, "three", text[0]);
    must(identity_sessions_end_in(conn, u[0].user, id[0]) == OK);
    must(found(conn, text[0], KIT_NOW, &s) == OK);
    must(found(conn, text[1], KIT_NOW, &s) == ERR_SESSION_EXPIRED);
    must(identity_sessions_end_in(conn, u[0].user, (struct id){{0}}) == OK);
    must(found(conn, text[0], KIT_NOW, &s) == ERR_SESSION_EXPIRED);
    must(found(conn, text[2], KIT_NOW, &s) == OK);
    return OK;
}

static void count(void *arg, const struct identity_session_row *row)
{
    (void)row;
    ++*(int *)arg;
}

static enum err play_most(struct store_conn *conn, void *arg)
{
    const struct identity_user *u = arg;
    char first[IDENTITY_SESSION_TEXT_MAX], text[IDENTITY_SESSION_TEXT_MAX];
    struct identity_session s;
    int n = 0;
    start(conn, u->user, false, "first", first);
    for (int i = 0; i < IDENTITY_SESSIONS_MAX; i++)
        start(conn, u->user, false, "x", text);
    must(found(conn, first, KIT_NOW, &s) == ERR_SESSION_EXPIRED);
    must(found(conn, text, KIT_NOW, &s) == OK);
    must(identity_session_list(ID, conn, u->user, KIT_NOW, count, &n) == OK);
    must(n == IDENTITY_SESSIONS_MAX);
    return identity_sessions_end_in(conn, u->user, (struct id){{0}});
}

static enum err play_team(struct store_conn *conn, void *arg)
{
    const struct identity_user *u = arg;
    char text[IDENTITY_SESSION_TEXT_MAX];
    struct identity_session s;
    struct id team, id = start(conn, u[0].user, false, "x", text);
    must(identity_team_create_in(conn, STR("Shared"), u[0].user, KIT_NOW, &team) == OK);
    must(identity_session_team_set_in(conn, id, u[0].user, u[1].team) == ERR_NOT_FOUND);
    must(identity_session_team_set_in(conn, id, u[1].user, team) == ERR_NOT_FOUND);
    must(identity_session_team_set_in(conn, id, u[0].user, team) == OK);
    must(found(conn, text, KIT_NOW, &s) == OK && id_eq(s.team, team));
    /* Gone from under him: his personal one. */
    must(identity_team_delete_in(ID, conn, team, KIT_NOW) == OK);
    must(found(conn, text, KIT_NOW, &s) == OK && id_eq(s.team, u[0].team));
    must(identity_user_suspend_in(ID, conn, u[0].user, true) == OK);
    must(found(conn, text, KIT_NOW, &s) == ERR_FORBIDDEN);
    return OK;
}

static void test_sessions(void **state)
{
    (void)state;
    if (identity_kit.store == NULL)
        skip();
    struct identity_user u[2] = {identity_testkit_user("a@example.com"),
                                 identity_testkit_user("b@example.com")};
    assert_int_equal(identity_testkit_write(play_life, u), OK);
    assert_int_equal(identity_testkit_write(play_rotation, u), OK);
    assert_int_equal(identity_testkit_write(play_many, u), OK);
    assert_int_equal(identity_testkit_write(play_most, u), OK);
    assert_int_equal(identity_testkit_write(play_team, u), OK);
}

/* ---- roles ---- */

static void test_roles(void **state)
{
    (void)state;
    enum identity_role r;
    for (int i = IDENTITY_VIEWER; i < IDENTITY_ROLE__COUNT; i++) {
        assert_int_equal(identity_role_parse(str_c(identity_role_name((enum identity_role)i)), &r),
                         OK);
        assert_int_equal(r, i);
    }
    assert_int_equal(identity_role_parse(STR(""), &r), ERR_INVALID_REQUEST);
    assert_int_equal(identity_role_parse(STR("Owner"), &r), ERR_INVALID_REQUEST);
    unsigned owner = identity_role_permissions(IDENTITY_OWNER),
             admin = identity_role_permissions(IDENTITY_ADMIN),
             developer = identity_role_permissions(IDENTITY_DEVELOPER),
             viewer = identity_role_permissions(IDENTITY_VIEWER);
    assert_int_equal(identity_role_permissions(IDENTITY_ROLE_NONE), 0);
    /* Each may what those below may. */
    assert_int_equal(admin & ~owner, 0);
    assert_int_equal(developer & ~admin, 0);
    assert_int_equal(viewer & ~developer, 0);
    assert_true((owner & ~admin & 1u << IDENTITY_MAY_TEAM_OWN) != 0);
    assert_true((developer & 1u << IDENTITY_MAY_KEYS_WRITE) != 0);
    assert_true((developer & 1u << IDENTITY_MAY_KEYS_ALL) == 0);
    assert_int_equal(identity_scopes_permissions(IDENTITY_SCOPE_INFERENCE), 0);
    assert_int_equal(identity_scopes_permissions(IDENTITY_SCOPE_USAGE),
                     1u << IDENTITY_MAY_USAGE_READ | 1u << IDENTITY_MAY_BILLING_READ |
                         1u << IDENTITY_MAY_CHECKOUT);
    assert_true(identity_may_is_of_path(IDENTITY_MAY_TEAM_READ));
    assert_false(identity_may_is_of_path(IDENTITY_MAY_KEYS_READ));
    assert_string_equal(identity_may_name(IDENTITY_MAY_KEYS_WRITE), "keys.write");
}

/* ---- brakes ---- */

static int64_t take(const char *subject, int64_t at)
{
    return identity_brake_take(ID, IDENTITY_BRAKE_ACCOUNT, str_c(subject), at);
}

static void test_brake(void **state)
{
    (void)state;
    if (identity_kit.store == NULL)
        skip();
    int64_t now = 1000 * US_PER_S, wait = 0;
    for (int i = 0; i < 6; i++)
        assert_int_equal(take("a", now), 0);
    /* The sixth was wrong: a second; then it doubles, up to five minutes. */
    assert_int_equal(take("a", now), US_PER_S);
    assert_int_equal(take("a", now + US_PER_S / 2), US_PER_S / 2);
    assert_int_equal(take("b", now), 0); /* nobody else's matter */
    for (int64_t expected = 2; expected <= 256; expected *= 2) {
        now += expected / 2 * US_PER_S;
        assert_int_equal(take("a", now), 0);
        assert_int_equal(take("a", now), expected * US_PER_S);
    }
    for (int i = 0; i < 3; i++) {
        wait = take("a", now);
        now += wait;
        assert_int_equal(take("a", now), 0);
    }
    assert_int_equal(take("a", now), 300 * US_PER_S);
    /* An hour of peace, or success, and it is forgotten. */
    now += US_PER_HOUR + US_PER_S;
    for (int i = 0; i < 6; i++)
        assert_int_equal(take("a", now), 0);
    assert_int_not_equal(take("a", now), 0);
    identity_brake_good(ID, IDENTITY_BRAKE_ACCOUNT, STR("a"));
    for (int i = 0; i < 5; i++)
        assert_int_equal(take("a", now), 0);
    /* Of an address a success gives back one try. */
    for (int i = 0; i < 500; i++) {
        assert_int_equal(identity_brake_take(ID, IDENTITY_BRAKE_ADDRESS, STR("10.0.0.1"), now), 0);
        identity_brake_good(ID, IDENTITY_BRAKE_ADDRESS, STR("10.0.0.1"));
    }
    /* Two at once: the one who looked at the clock first may come second. */
    assert_int_equal(take("both", now + 7), 0);
    assert_int_equal(take("both", now), 0);
    /* However many there are, the table stays as it is. */
    for (int i = 0; i < 100000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(take(name, now + i), 0);
    }
}

static void test_nets(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"10.1.2.3", "10.1.2.3"},
                                          {"::ffff:10.1.2.3", "10.1.2.3"},
                                          {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
                                          {"2001:db8:1:2::", "2001:db8:1:2::"},
                                          {"::1", "::"},
                                          {"nonsense", "nonsense"},
                                          {"", ""}};
    char text[IDENTITY_NET_TEXT_MAX];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(str_eq(identity_brake_net(str_c(rows[i][0]), text), str_c(rows[i][1])));
}

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_nets),
        cmocka_unit_test_setup_teardown(test_brake, identity_testkit_setup,
                                        identity_testkit_teardown),
        KIT_BOTH(test_sessions),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

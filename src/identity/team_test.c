/* Teams, members, invitations, devices, the audit log. */
#include "identity/team.h"
#include "base/clock.h"
#include "identity/audit.h"
#include "identity/device.h"
#include "identity/identity_testkit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ID identity_kit.identity
#define A (&identity_kit.arena)
#define DAY US_PER_DAY

struct world {
    struct identity_user u[3];
    struct id team;
    char key[IDENTITY_KEY_TEXT_MAX];
};

static void put_team(void *arg, const struct identity_team_row *row)
{
    char *to = arg;
    snprintf(to + strlen(to), 200, "%.*s/%s/%d/%d;", STR_ARG(row->name),
             identity_role_name(row->role), row->personal, (int)row->members);
}

static void put_member(void *arg, const struct identity_member_row *row)
{
    char *to = arg;
    snprintf(to + strlen(to), 200, "%.*s/%s;", STR_ARG(row->email), identity_role_name(row->role));
}

static struct identity_invitation invite(struct store_conn *conn, struct world *w,
                                         const char *email, enum identity_role role,
                                         char token[IDENTITY_INVITATION_TEXT_MAX])
{
    struct identity_invitation_spec spec = {
        .team = w->team, .by = w->u[0].user, .email = str_c(email), .role = role};
    struct identity_invitation i;
    char id[ID_TEXT_MAX];
    must(identity_invitation_make_in(ID, conn, &spec, KIT_NOW, id, token) == OK);
    must(identity_invitation_by_token(ID, conn, A, str_c(token), KIT_NOW, &i) == OK);
    must(str_eq(i.id_text, str_c(id)));
    return i;
}

static enum err play_teams(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    char seen[1000] = "";
    struct id gone = id_new(KIT_NOW);
    must(identity_team_create_in(conn, STR(""), w->u[0].user, KIT_NOW, &w->team) ==
         ERR_VALIDATION_FAILED);
    must(identity_team_create_in(conn, STR("Shared"), w->u[0].user, KIT_NOW + 1, &w->team) == OK);
    must(identity_team_list(conn, w->u[0].user, put_team, seen) == OK);
    must(strcmp(seen, "Personal/owner/1/1;Shared/owner/0/1;") == 0);
    must(identity_team_get(conn, gone, w->u[0].user, put_team, seen) == ERR_NOT_FOUND);
    must(identity_team_rename_in(conn, w->team, STR("a\x01")) == ERR_VALIDATION_FAILED);
    must(identity_team_rename_in(conn, gone, STR("x")) == ERR_NOT_FOUND);
    must(identity_team_rename_in(conn, w->team, STR("Renamed")) == OK);
    seen[0] = '\0';
    must(identity_team_get(conn, w->team, w->u[1].user, put_team, seen) == OK);
    must(strcmp(seen, "Renamed//0/1;") == 0);
    must(identity_team_delete_in(ID, conn, w->u[0].team, KIT_NOW) == ERR_CONFLICT);
    return OK;
}

static enum err play_invitations(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    char one[IDENTITY_INVITATION_TEXT_MAX], two[IDENTITY_INVITATION_TEXT_MAX], id[ID_TEXT_MAX];
    struct identity_invitation i, old;
    struct identity_invitation_spec bad = {
        .team = w->team, .by = w->u[0].user, .email = STR("nothing"), .role = IDENTITY_VIEWER};
    must(identity_invitation_make_in(ID, conn, &bad, KIT_NOW, id, one) == ERR_VALIDATION_FAILED);
    bad.email = STR("A@example.com");
    must(identity_invitation_make_in(ID, conn, &bad, KIT_NOW, id, one) == ERR_CONFLICT);
    old = invite(conn, w, "b@example.com", IDENTITY_VIEWER, one);
    i = invite(conn, w, "B@example.com", IDENTITY_ADMIN, two); /* again: the first is void */
    must(identity_invitation_by_token(ID, conn, A, str_c(one), KIT_NOW, &old) == ERR_NOT_FOUND);
    must(identity_invitation_by_token(ID, conn, A, STR("x"), KIT_NOW, &old) == ERR_NOT_FOUND);
    must(i.open && i.role == IDENTITY_ADMIN && str_eq(i.team_name, STR("Renamed")));
    must(str_eq(i.inviter_email, STR("a@example.com")));
    must(identity_invitation_by_token(ID, conn, A, str_c(two), KIT_NOW + 7 * DAY, &old) == OK);
    must(!old.open);
    must(identity_invitation_accept_in(conn, &old, w->u[1].user, KIT_NOW) == ERR_NOT_FOUND);
    must(identity_invitation_accept_in(conn, &i, w->u[1].user, KIT_NOW + 2) == OK);
    must(identity_invitation_accept_in(conn, &i, w->u[2].user, KIT_NOW + 2) == ERR_NOT_FOUND);
    i = invite(conn, w, "c@example.com", IDENTITY_DEVELOPER, one);
    must(identity_invitation_drop_in(conn, w->u[0].team, i.id_text) == ERR_NOT_FOUND);
    must(identity_invitation_drop_in(conn, w->team, i.id_text) == OK);
    i = invite(conn, w, "c@example.com", IDENTITY_DEVELOPER, one);
    must(identity_invitation_accept_in(conn, &i, w->u[2].user, KIT_NOW + 3) == OK);
    return OK;
}

static enum err play_members(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    struct id a = w->u[0].user, b = w->u[1].user, c = w->u[2].user, none = {{0}};
    enum identity_role role;
    char seen[1000] = "";
    struct id key;
    must(identity_member_list(conn, w->team, none, put_member, seen) == OK);
    must(strcmp(seen, "a@example.com/owner;b@example.com/admin;c@example.com/developer;") == 0);
    must(identity_member_list(conn, w->u[0].team, b, put_member, seen) == ERR_NOT_FOUND);
    must(identity_member_role(conn, w->u[0].team, b, &role) == ERR_NOT_FOUND);
    must(identity_member_role_set_in(conn, w->u[0].team, b, IDENTITY_VIEWER) == ERR_NOT_FOUND);
    /* Never without an owner. */
    must(identity_member_role_set_in(conn, w->team, a, IDENTITY_ADMIN) == ERR_CONFLICT);
    must(identity_member_remove_in(ID, conn, w->team, a, KIT_NOW) == ERR_CONFLICT);
    must(identity_member_remove_in(ID, conn, w->u[0].team, a, KIT_NOW) == ERR_CONFLICT);
    must(identity_team_transfer_in(conn, w->u[0].team, a, b) == ERR_CONFLICT); /* personal */
    must(identity_team_transfer_in(conn, w->team, a, b) == OK);
    must(identity_member_role(conn, w->team, a, &role) == OK && role == IDENTITY_ADMIN);
    must(identity_member_role(conn, w->team, b, &role) == OK && role == IDENTITY_OWNER);
    must(identity_member_role_set_in(conn, w->team, a, IDENTITY_OWNER) == OK); /* two owners */
    must(identity_member_role_set_in(conn, w->team, b, IDENTITY_VIEWER) == OK);
    struct identity_key_spec spec = {
        .user = c, .team = w->team, .name = STR("k"), .scopes = IDENTITY_SCOPE_ALL};
    must(identity_key_create_in(ID, conn, &spec, KIT_NOW, &key, w->key) == OK);
    return OK;
}

static enum err play_remove(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    return identity_member_remove_in(ID, conn, w->team, w->u[2].user, KIT_NOW);
}

static void test_teams(void **state)
{
    (void)state;
    if (identity_kit.store == NULL)
        skip();
    struct world w = {.u = {identity_testkit_user("a@example.com"),
                            identity_testkit_user("b@example.com"),
                            identity_testkit_user("c@example.com")}};
    uint8_t mac[CRYPTO_HASH_LEN];
    struct identity_key *key = NULL;
    assert_int_equal(identity_testkit_write(play_teams, &w), OK);
    assert_int_equal(identity_testkit_write(play_invitations, &w), OK);
    assert_int_equal(identity_testkit_write(play_members, &w), OK);
    assert_true(identity_key_mac(ID, str_c(w.key), mac));
    assert_int_equal(identity_key_find(ID, mac, &key), IDENTITY_FOUND);
    assert_int_equal(identity_key_check(key, KIT_NOW), OK);
    identity_key_unref(&key);
    assert_int_equal(identity_testkit_write(play_remove, &w), OK);
    assert_int_equal(identity_key_find(ID, mac, &key), IDENTITY_FOUND);
    assert_int_equal(identity_key_check(key, KIT_NOW), ERR_REVOKED_API_KEY);
    identity_key_unref(&key);
}

/* ---- keys: changed, by page ---- */

struct page {
    char seen[1000];
    unsigned scopes;
};

static void put_key(void *arg, const struct identity_key_row *row)
{
    struct page *p = arg;
    snprintf(p->seen + strlen(p->seen), 200, "%.*s;", STR_ARG(row->name));
    p->scopes = row->scopes;
}

static enum err play_keys(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    static const char *const names[] = {"one", "two", "three"};
    struct id key[3], hidden;
    char text[IDENTITY_KEY_TEXT_MAX];
    struct identity_key_spec spec = {.user = w->u[0].user,
                                     .team = w->u[0].team,
                                     .scopes = IDENTITY_SCOPE_ALL,
                                     .models = STR(""),
                                     .ips = STR("")};
    for (size_t i = 0; i < 3; i++) {
        spec.name = str_c(names[i]);
        must(identity_key_create_in(ID, conn, &spec, KIT_NOW + (int64_t)i * 1000, &key[i],
                                    i == 2 ? w->key : text) == OK);
    }
    spec.hidden = true;
    must(identity_key_create_in(ID, conn, &spec, KIT_NOW, &hidden, text) == OK);
    must(identity_key_revoke_in(ID, conn, w->u[0].team, key[0], KIT_NOW) == OK);
    struct identity_key_query q = {
        .team = w->u[0].team, .status = STR(""), .below = STR("\x7F"), .limit = 2};
    struct page p = {.seen = ""};
    must(identity_key_page(ID, conn, &q, KIT_NOW, put_key, &p) == OK);
    must(strcmp(p.seen, "three;two;") == 0);
    p.seen[0] = '\0';
    q.status = STR("revoked");
    must(identity_key_page(ID, conn, &q, KIT_NOW, put_key, &p) == OK);
    must(strcmp(p.seen, "one;") == 0);
    struct str name = STR("renamed"), models = STR("m/*, n"), bad = STR("10.0.0.0/99");
    unsigned scopes = IDENTITY_SCOPE_USAGE, none = 0;
    int64_t past = KIT_NOW - 1;
    struct identity_key_edit e = {.name = &name, .models = &models, .scopes = &scopes};
    must(identity_key_edit_in(ID, conn, w->u[1].team, key[2], &e, KIT_NOW) == ERR_CONFLICT);
    must(identity_key_edit_in(ID, conn, w->u[0].team, key[0], &e, KIT_NOW) == ERR_CONFLICT);
    must(identity_key_edit_in(ID, conn, w->u[0].team, key[2], &e, KIT_NOW) == OK);
    p.seen[0] = '\0';
    must(identity_key_get(ID, conn, key[2], put_key, &p) == OK);
    must(strcmp(p.seen, "renamed;") == 0 && p.scopes == IDENTITY_SCOPE_USAGE);
    const struct identity_key_edit refused[] = {
        {.ips = &bad}, {.scopes = &none}, {.expires_us = &past}, {.name = &(struct str){"", 0}}};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        must(identity_key_edit_in(ID, conn, w->u[0].team, key[2], &refused[i], KIT_NOW) ==
             ERR_VALIDATION_FAILED);
    return OK;
}

static void test_keys(void **state)
{
    (void)state;
    if (identity_kit.store == NULL)
        skip();
    struct world w = {
        .u = {identity_testkit_user("a@example.com"), identity_testkit_user("b@example.com")}};
    uint8_t mac[CRYPTO_HASH_LEN];
    struct identity_key *key = NULL;
    assert_int_equal(identity_testkit_write(play_keys, &w), OK);
    /* At once, also in memory. */
    assert_true(identity_key_mac(ID, str_c(w.key), mac));
    assert_int_equal(identity_key_find(ID, mac, &key), IDENTITY_FOUND);
    assert_int_equal(key->scopes, IDENTITY_SCOPE_USAGE);
    assert_true(identity_key_allows_model(key, STR("m/a")));
    assert_false(identity_key_allows_model(key, STR("o")));
    identity_key_unref(&key);
}

/* ---- devices ---- */

static enum err play_devices(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    struct id user = w->u[0].user, team = w->u[0].team;
    char code[IDENTITY_DEVICE_TEXT_MAX], shown[IDENTITY_USER_CODE_MAX];
    struct identity_device d;
    int64_t now = KIT_NOW, s = US_PER_S;
    must(identity_device_begin_in(ID, conn, STR("laptop"), STR("10.0.0.1"), now, code, shown) ==
         OK);
    must(identity_device_poll_in(ID, conn, A, STR("x"), now, &d) == ERR_NOT_FOUND);
    must(identity_device_poll_in(ID, conn, A, str_c(code), now, &d) == OK);
    must(d.status == IDENTITY_DEVICE_PENDING);
    must(identity_device_poll_in(ID, conn, A, str_c(code), now + 5 * s, &d) == OK);
    must(d.status == IDENTITY_DEVICE_PENDING);
    must(identity_device_poll_in(ID, conn, A, str_c(code), now + 6 * s, &d) == OK);
    must(d.status == IDENTITY_DEVICE_SLOW_DOWN); /* ten seconds from here on */
    must(identity_device_poll_in(ID, conn, A, str_c(code), now + 14 * s, &d) == OK);
    must(d.status == IDENTITY_DEVICE_SLOW_DOWN);
    must(identity_device_poll_in(ID, conn, A, str_c(code), now + 30 * s, &d) == OK);
    must(d.status == IDENTITY_DEVICE_PENDING);
    must(identity_device_get(conn, A, str_c(shown), now, &d) == OK);
    must(str_eq(d.name, STR("laptop")) && strcmp(d.user_code, shown) == 0);
    must(identity_device_get(conn, A, STR("bcd-1"), now, &d) == ERR_NOT_FOUND);
    must(identity_device_get(conn, A, STR("BBBB-BBBBB"), now, &d) == ERR_NOT_FOUND);
    must(identity_device_decide_in(conn, STR("nothing"), true, user, team, now) == ERR_NOT_FOUND);
    must(identity_device_decide_in(conn, str_c(shown), true, user, team, now) == OK);
    must(identity_device_decide_in(conn, str_c(shown), false, user, team, now) == ERR_NOT_FOUND);
    must(identity_device_poll_in(ID, conn, A, str_c(code), now + 31 * s, &d) == OK);
    must(d.status == IDENTITY_DEVICE_APPROVED && id_eq(d.user, user) && id_eq(d.team, team));
    must(identity_device_poll_in(ID, conn, A, str_c(code), now + 32 * s, &d) == ERR_NOT_FOUND);
    /* Too late. */
    must(identity_device_begin_in(ID, conn, STR("x"), STR(""), now, code, shown) == OK);
    must(identity_device_get(conn, A, str_c(shown), now + IDENTITY_DEVICE_GOOD_US, &d) == OK);
    must(d.status == IDENTITY_DEVICE_EXPIRED);
    must(identity_device_decide_in(conn, str_c(shown), true, user, team,
                                   now + IDENTITY_DEVICE_GOOD_US) == ERR_NOT_FOUND);
    must(identity_device_poll_in(ID, conn, A, str_c(code), now + IDENTITY_DEVICE_GOOD_US, &d) ==
         OK);
    must(d.status == IDENTITY_DEVICE_EXPIRED);
    return OK;
}

/* ---- the audit log ---- */

static void put_line(void *arg, const struct identity_audit_row *row)
{
    char *to = arg;
    snprintf(to + strlen(to), 200, "%.*s by %.*s;", STR_ARG(row->action),
             STR_ARG(row->actor_email));
}

static enum err play_audit(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    char actor[ID_TEXT_MAX], seen[1000] = "";
    struct identity_audit_line line = {.team = w->u[0].team,
                                       .actor = id_text("usr_", w->u[0].user, actor),
                                       .address = STR("10.0.0.1"),
                                       .action = STR("key.create"),
                                       .object = STR("key_x"),
                                       .change = STR("{}")};
    must(identity_audit_line_in(conn, &line, KIT_NOW) == OK);
    line.action = STR("keys");
    must(identity_audit_line_in(conn, &line, KIT_NOW + 1000) == OK);
    must(identity_audit_in(conn, STR("operator"), STR("local"), STR("user.create"), STR("usr_x"),
                           STR("{}"), KIT_NOW + 2000) == OK);
    struct identity_audit_query q = {.team = w->u[0].team,
                                     .actor = STR(""),
                                     .action = STR(""),
                                     .object = STR(""),
                                     .end_us = INT64_MAX,
                                     .below = STR("\x7F"),
                                     .limit = 10};
    must(identity_audit_page(conn, &q, put_line, seen) == OK);
    must(strcmp(seen, "keys by a@example.com;key.create by a@example.com;") == 0);
    seen[0] = '\0';
    q.action = STR("key"); /* the word, not the beginning of another */
    must(identity_audit_page(conn, &q, put_line, seen) == OK);
    must(strcmp(seen, "key.create by a@example.com;") == 0);
    seen[0] = '\0';
    q = (struct identity_audit_query){.actor = STR("operator"),
                                      .action = STR(""),
                                      .object = STR("usr_x"),
                                      .start_us = KIT_NOW,
                                      .end_us = KIT_NOW + 3000,
                                      .below = STR("\x7F"),
                                      .limit = 10};
    must(identity_audit_page(conn, &q, put_line, seen) == OK);
    must(strcmp(seen, "user.create by ;") == 0);
    return OK;
}

static void test_devices_and_audit(void **state)
{
    (void)state;
    if (identity_kit.store == NULL)
        skip();
    struct world w = {.u = {identity_testkit_user("a@example.com")}};
    assert_int_equal(identity_testkit_write(play_devices, &w), OK);
    assert_int_equal(identity_testkit_write(play_audit, &w), OK);
}

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        KIT_BOTH(test_teams),
        KIT_BOTH(test_keys),
        KIT_BOTH(test_devices_and_audit),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

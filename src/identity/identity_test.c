/* Keys, users, members: every refusal, and that each change acts at once. */
#include "identity/identity.h"
#include "base/clock.h"
#include "base/mem.h"
#include "identity/audit.h"
#include "identity/room.h"
#include "identity/words.h"
#include "store/store_testkit.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW INT64_C(1800000000000000)

static struct store_testkit kit;
static struct store *store;
static struct identity *identity;
static struct arena arena;

static struct identity_options options(size_t keys_max)
{
    struct identity_options o = {.key_prefix = "tg", .keys_max = keys_max};
    memset(o.pepper, 7, sizeof(o.pepper));
    return o;
}

static int setup(void **state)
{
    bool postgres = *state != NULL;
    if (!store_testkit_begin(&kit, postgres)) {
        store = NULL;
        return 0;
    }
    store = store_testkit_open(&kit);
    struct identity_options o = options(100000);
    identity = identity_new(store, &o);
    arena_init(&arena, 4096, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (store == NULL)
        return 0;
    identity_free(&identity);
    store_close(&store);
    store_testkit_end(&kit);
    arena_fini(&arena);
    return 0;
}

#define NEED_STORE()                                                                               \
    do {                                                                                           \
        (void)state;                                                                               \
        if (store == NULL)                                                                         \
            skip();                                                                                \
    } while (0)

/* ---- control, each in a transaction of its own ---- */

struct job {
    enum { USER, KEY, REVOKE, ROTATE, CAP, MEMBER_CAP, SUSPEND, AUDIT } what;
    struct str email;
    struct identity_key_spec spec;
    struct id team, user, key, cap;
    int64_t at_us;
    bool suspended, fail_after;
    struct identity_user made;
    struct id new_key;
    char text[IDENTITY_KEY_TEXT_MAX];
};

static enum err work(struct store_conn *conn, void *arg)
{
    struct job *j = arg;
    enum err e = OK;
    switch (j->what) {
    case USER: e = identity_user_create_in(identity, conn, j->email, false, NOW, &j->made); break;
    case KEY:
        e = identity_key_create_in(identity, conn, &j->spec, NOW, &j->new_key, j->text);
        break;
    case REVOKE: e = identity_key_revoke_in(identity, conn, j->team, j->key, j->at_us); break;
    case ROTATE:
        e = identity_key_rotate_in(identity, conn, j->team, j->key, j->at_us, NOW, &j->new_key,
                                   j->text);
        break;
    case CAP: e = identity_key_cap_set_in(identity, conn, j->key, j->cap); break;
    case MEMBER_CAP:
        e = identity_member_cap_set_in(identity, conn, j->team, j->user, j->cap);
        break;
    case SUSPEND: e = identity_user_suspend_in(identity, conn, j->user, j->suspended); break;
    case AUDIT:
        e = identity_audit_in(conn, STR("cli"), STR("local"), STR("key.create"), STR("key_x"),
                              STR("{}"), NOW);
        break;
    }
    return e == OK && j->fail_after ? ERR_CONFLICT : e;
}

static enum err do_job(struct job *j)
{
    return store_write(store, work, j);
}

static struct identity_user make_user(const char *email)
{
    struct job j = {.what = USER, .email = str_c(email)};
    assert_int_equal(do_job(&j), OK);
    return j.made;
}

static struct job make_key(const struct identity_user *u)
{
    struct job j = {.what = KEY};
    j.spec = (struct identity_key_spec){.user = u->user,
                                        .team = u->team,
                                        .name = STR("laptop"),
                                        .scopes = IDENTITY_SCOPE_ALL,
                                        .models = STR("openai/*, sandbox/echo"),
                                        .ips = STR("10.0.0.0/8 2001:db8::/32\n192.0.2.7")};
    assert_int_equal(do_job(&j), OK);
    return j;
}

/* As the gateway does it. */
static struct identity_key *look(const char *text)
{
    uint8_t mac[CRYPTO_HASH_LEN];
    struct identity_key *key = NULL;
    if (!identity_key_mac(identity, str_c(text), mac))
        return NULL;
    enum identity_find f = identity_key_find(identity, mac, &key);
    if (f == IDENTITY_LOAD) {
        assert_int_equal(identity_key_load(identity, mac), OK);
        f = identity_key_find(identity, mac, &key);
    }
    assert_int_not_equal(f, IDENTITY_LOAD);
    return f == IDENTITY_FOUND ? key : NULL;
}

static enum err check(const char *text, int64_t at_us)
{
    struct identity_key *key = look(text);
    if (key == NULL)
        return ERR_INVALID_API_KEY;
    enum err e = identity_key_check(key, at_us);
    identity_key_unref(&key);
    return e;
}

/* Everything forgotten, as after a restart. */
static void restart(void)
{
    identity_free(&identity);
    struct identity_options o = options(100000);
    identity = identity_new(store, &o);
}

/* ---- tests ---- */

static void test_scopes(void **state)
{
    (void)state;
    unsigned s = 0;
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(identity_scopes_parse(STR("inference, usage"), &s), OK);
    assert_int_equal(s, IDENTITY_SCOPE_INFERENCE | IDENTITY_SCOPE_USAGE);
    identity_scopes_text(s, &b);
    assert_true(str_eq(buf_str(&b), STR("inference usage")));
    assert_int_equal(identity_scopes_parse(STR("all"), &s), OK);
    assert_int_equal(s, IDENTITY_SCOPE_ALL);
    buf_reset(&b);
    identity_scopes_text(s, &b);
    assert_true(str_eq(buf_str(&b), STR("inference usage keys")));
    s = 99;
    assert_int_equal(identity_scopes_parse(STR(""), &s), ERR_VALIDATION_FAILED);
    assert_int_equal(identity_scopes_parse(STR(" ,"), &s), ERR_VALIDATION_FAILED);
    assert_int_equal(identity_scopes_parse(STR("inference admin"), &s), ERR_VALIDATION_FAILED);
    assert_int_equal(s, 99);
    buf_fini(&b);
}

static void test_email(void **state)
{
    (void)state;
    char text[IDENTITY_EMAIL_MAX + 1], key[IDENTITY_EMAIL_MAX + 1];
    size_t n;
    assert_null(identity_words_email(STR("  Ann.B@Example.COM\t"), text, key, &n));
    assert_string_equal(text, "Ann.B@example.com");
    assert_string_equal(key, "ann.b@example.com");
    static const char *const bad[] = {"",      "   ",    "ann",     "@x",         "ann@",  "a@b@c",
                                      "a b@c", "a@b\nc", "a\x7f@b", "a@\xC2\x85", "a@\xFF"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(identity_email_fault(str_c(bad[i])));
    char longer[256];
    memset(longer, 'a', sizeof(longer));
    longer[1] = '@';
    assert_null(identity_email_fault(str_of(longer, 254)));
    assert_non_null(identity_email_fault(str_of(longer, 255)));
}

static void test_ips(void **state)
{
    (void)state;
    char text[IDENTITY_LIST_MAX];
    size_t n;
    assert_null(identity_words_ips(STR(" 10.1.2.3/8,,::1 "), text, &n));
    assert_true(str_eq(str_of(text, n), STR("10.1.2.3/8\n::1")));
    static const char *const bad[] = {"10.0.0.0/33", "10.0.0",      "10.0.0.0/",
                                      "10.0.0.0/x",  "::/129",      "localhost",
                                      "/8",          "1.2.3.4/8/8", "::g"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(identity_words_ips(str_c(bad[i]), text, &n));
    static const struct {
        const char *nets, *address;
        bool in;
    } cases[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.8", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"0.0.0.0/0", "9.9.9.9", true},
        {"0.0.0.0/0", "2001::1", false},
        {"::/0", "9.9.9.9", true},
        {"10.0.0.1\n::1", "::1", true},
        {"::1", "nonsense", false},
        {"::1", "", false},
        {"192.168.4.4/30", "192.168.4.7", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(identity_words_ip_in(str_c(cases[i].nets), str_c(cases[i].address)),
                         cases[i].in);
    struct identity_key key = {.models = STR("openai/*\nx")};
    assert_true(identity_key_allows_ip(&key, STR("whatever")));
    assert_true(identity_key_allows_model(&key, STR("openai/gpt")));
    assert_true(identity_key_allows_model(&key, STR("x")));
    assert_false(identity_key_allows_model(&key, STR("xx")));
    assert_false(identity_key_allows_model(&key, STR("")));
    key.models = STR("");
    assert_true(identity_key_allows_model(&key, STR("anything")));
}

static void test_users(void **state)
{
    NEED_STORE();
    struct identity_user u = make_user(" Ann@Example.com "), got;
    assert_true(str_eq(u.email, STR("Ann@Example.com")));
    assert_true(id_eq(u.wallet, u.team));
    struct job again = {.what = USER, .email = STR("aNN@example.COM")};
    assert_int_equal(do_job(&again), ERR_CONFLICT);
    again.email = STR("nobody");
    assert_int_equal(do_job(&again), ERR_VALIDATION_FAILED);
    struct store_conn *conn = NULL;
    assert_int_equal(store_reader_begin(store, &conn), OK);
    assert_int_equal(identity_user_by_email(conn, &arena, STR("ANN@EXAMPLE.COM"), &got), OK);
    assert_true(id_eq(got.user, u.user) && id_eq(got.team, u.team) && !got.suspended);
    assert_true(str_eq(got.email, STR("Ann@example.com")) && got.created_us == NOW);
    assert_int_equal(identity_user_by_id(conn, &arena, u.user, &got), OK);
    assert_int_equal(identity_user_by_id(conn, &arena, u.team, &got), ERR_NOT_FOUND);
    assert_int_equal(identity_user_by_email(conn, &arena, STR("b@x"), &got), ERR_NOT_FOUND);
    assert_int_equal(identity_user_by_email(conn, &arena, STR("none"), &got), ERR_NOT_FOUND);
    store_reader_end(&conn);
    struct job audit = {.what = AUDIT};
    assert_int_equal(do_job(&audit), OK);
}

static void test_key_text(void **state)
{
    NEED_STORE();
    struct identity_user u = make_user("a@x");
    struct job j = make_key(&u);
    uint8_t mac[CRYPTO_HASH_LEN];
    assert_int_equal(strlen(j.text), 3 + 38);
    assert_true(identity_key_mac(identity, str_c(j.text), mac));
    /* Every single wrong character, and every wrong length, is seen without a look-up. */
    for (size_t i = 0; i < 41; i++) {
        char bad[IDENTITY_KEY_TEXT_MAX];
        memcpy(bad, j.text, 42);
        bad[i] = bad[i] == 'x' ? 'y' : 'x';
        assert_false(identity_key_mac(identity, str_c(bad), mac));
        bad[i] = '\xC3';
        assert_false(identity_key_mac(identity, str_c(bad), mac));
        assert_false(identity_key_mac(identity, str_of(j.text, i), mac));
    }
    assert_false(identity_key_mac(identity, str_of(j.text, 42), mac));
    assert_false(identity_key_mac(identity, STR(""), mac));
    struct identity_key *key = look(j.text);
    assert_non_null(key);
    assert_true(id_eq(key->key, j.new_key) && id_eq(key->wallet, u.team));
    assert_int_equal(strlen(key->user_hash), 16);
    assert_true(identity_key_allows_ip(key, STR("10.3.4.5")));
    assert_true(identity_key_allows_ip(key, STR("192.0.2.7")));
    assert_false(identity_key_allows_ip(key, STR("192.0.2.8")));
    assert_true(identity_key_allows_model(key, STR("sandbox/echo")));
    assert_false(identity_key_allows_model(key, STR("sandbox/cut-1")));
    char hash[17];
    memcpy(hash, key->user_hash, 17);
    identity_key_unref(&key);
    restart();
    key = look(j.text); /* and from the store it is the same */
    assert_non_null(key);
    assert_string_equal(key->user_hash, hash);
    assert_true(str_eq(key->models, STR("openai/*\nsandbox/echo")));
    assert_true(str_eq(key->ips, STR("10.0.0.0/8\n2001:db8::/32\n192.0.2.7")));
    identity_key_unref(&key);
}

static void test_key_refusals(void **state)
{
    NEED_STORE();
    struct identity_user u = make_user("a@x"), other = make_user("b@x");
    struct job j = make_key(&u);
    struct identity_key_spec good = j.spec;
    char name[301];
    for (size_t i = 0; i < 300; i += 3)
        memcpy(name + i, "\xE2\x82\xAC", 3);
    j.spec.name = str_of(name, 300);
    assert_int_equal(do_job(&j), OK);
    static const struct str names[] = {{"", 0}, {"a\nb", 3}, {"\xFF", 1}, {"a\xC2\x9B", 3}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        j.spec.name = names[i];
        assert_non_null(identity_key_fault(&j.spec, NOW));
        assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    }
    memset(name, 'n', sizeof(name));
    j.spec.name = str_of(name, 101);
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    j.spec = good;
    j.spec.scopes = 0;
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    j.spec.scopes = 8;
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    j.spec = good;
    j.spec.expires_us = NOW;
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    j.spec = good;
    j.spec.ips = STR("10.0.0.0/40");
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    j.spec = good;
    j.spec.models = STR("a\x01");
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    j.spec.models = str_of(name, 201);
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    j.spec = good;
    j.spec.team = other.team;
    assert_int_equal(do_job(&j), ERR_NOT_FOUND);
    j.spec = good;
    j.fail_after = true; /* rolled back: it never was */
    assert_int_equal(do_job(&j), ERR_CONFLICT);
    assert_int_equal(check(j.text, NOW), ERR_INVALID_API_KEY);
}

static void test_known_not_to_exist(void **state)
{
    NEED_STORE();
    struct identity_user u = make_user("a@x");
    char text[IDENTITY_KEY_TEXT_MAX];
    uint8_t mac[CRYPTO_HASH_LEN];
    struct identity_key *key = NULL;
    identity_key_make(identity, text, mac);
    assert_int_equal(identity_key_find(identity, mac, &key), IDENTITY_LOAD);
    assert_int_equal(identity_key_load(identity, mac), OK);
    assert_int_equal(identity_key_find(identity, mac, &key), IDENTITY_UNKNOWN);
    /* Created after all: found at once, although it was known not to exist. */
    struct identity_key made = {.user = u.user, .team = u.team};
    struct identity_record *record = identity_record_new(mac, &made);
    identity_table_create(identity->table, &record);
    assert_int_equal(identity_key_find(identity, mac, &key), IDENTITY_FOUND);
    identity_key_unref(&key);
}

static void test_revoke(void **state)
{
    NEED_STORE();
    struct identity_user u = make_user("a@x"), other = make_user("b@x");
    struct job k = make_key(&u);
    assert_int_equal(check(k.text, NOW), OK);
    struct job j = {.what = REVOKE, .team = other.team, .key = k.new_key, .at_us = NOW};
    assert_int_equal(do_job(&j), ERR_NOT_FOUND);
    j.key = u.user;
    j.team = u.team;
    assert_int_equal(do_job(&j), ERR_NOT_FOUND);
    j.key = k.new_key;
    j.fail_after = true;
    assert_int_equal(do_job(&j), ERR_CONFLICT);
    assert_int_equal(check(k.text, NOW), OK);
    j.fail_after = false;
    j.at_us = NOW + 10;
    assert_int_equal(do_job(&j), OK);
    assert_int_equal(check(k.text, NOW + 9), OK);
    assert_int_equal(check(k.text, NOW + 10), ERR_REVOKED_API_KEY);
    j.at_us = NOW + 100; /* never later than it was */
    assert_int_equal(do_job(&j), OK);
    assert_int_equal(check(k.text, NOW + 10), ERR_REVOKED_API_KEY);
    j.at_us = NOW;
    assert_int_equal(do_job(&j), OK);
    assert_int_equal(check(k.text, NOW), ERR_REVOKED_API_KEY);
    restart();
    assert_int_equal(check(k.text, NOW - 1), OK);
    assert_int_equal(check(k.text, NOW), ERR_REVOKED_API_KEY);
}

static void test_expiry_and_suspension(void **state)
{
    NEED_STORE();
    struct identity_user u = make_user("a@x");
    struct job k = make_key(&u);
    k.spec.expires_us = NOW + 5;
    assert_int_equal(do_job(&k), OK);
    assert_int_equal(check(k.text, NOW + 4), OK);
    assert_int_equal(check(k.text, NOW + 5), ERR_EXPIRED_API_KEY);
    struct job j = {.what = SUSPEND, .user = u.user, .suspended = true};
    assert_int_equal(do_job(&j), OK);
    assert_int_equal(check(k.text, NOW), ERR_INVALID_API_KEY);
    struct job late = make_key(&u);
    assert_int_equal(check(late.text, NOW), ERR_INVALID_API_KEY);
    restart();
    assert_int_equal(check(k.text, NOW), ERR_INVALID_API_KEY);
    j.suspended = false;
    assert_int_equal(do_job(&j), OK);
    assert_int_equal(check(k.text, NOW), OK);
    j.user = u.team;
    assert_int_equal(do_job(&j), ERR_NOT_FOUND);
}

static void test_caps(void **state)
{
    NEED_STORE();
    struct identity_user u = make_user("a@x");
    struct job k = make_key(&u);
    struct id cap = id_new(NOW), member_cap = id_new(NOW);
    struct job j = {.what = CAP, .key = k.new_key, .cap = cap};
    assert_int_equal(do_job(&j), OK);
    struct job m = {.what = MEMBER_CAP, .team = u.team, .user = u.user, .cap = member_cap};
    assert_int_equal(do_job(&m), OK);
    for (int i = 0; i < 2; i++) {
        struct identity_key *key = look(k.text);
        assert_non_null(key);
        assert_true(id_eq(key->key_cap, cap) && id_eq(key->member_cap, member_cap));
        identity_key_unref(&key);
        restart();
    }
    struct job k2 = make_key(&u); /* a later key of the member has it too */
    struct identity_key *key = look(k2.text);
    assert_true(id_is_zero(key->key_cap) && id_eq(key->member_cap, member_cap));
    identity_key_unref(&key);
    j.cap = (struct id){{0}};
    assert_int_equal(do_job(&j), OK);
    restart();
    key = look(k.text);
    assert_true(id_is_zero(key->key_cap));
    identity_key_unref(&key);
    j.key = cap;
    assert_int_equal(do_job(&j), ERR_NOT_FOUND);
    m.user = cap;
    assert_int_equal(do_job(&m), ERR_NOT_FOUND);
}

static void test_rotate(void **state)
{
    NEED_STORE();
    struct identity_user u = make_user("a@x"), other = make_user("b@x");
    struct job k = make_key(&u);
    struct job j = {.what = ROTATE, .team = u.team, .key = k.new_key, .at_us = 100};
    j.team = other.team;
    assert_int_equal(do_job(&j), ERR_NOT_FOUND);
    j.team = u.team;
    j.at_us = -1;
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    j.at_us = 31 * US_PER_DAY;
    assert_int_equal(do_job(&j), ERR_VALIDATION_FAILED);
    j.at_us = 100;
    assert_int_equal(do_job(&j), OK);
    assert_int_equal(check(k.text, NOW + 99), OK);
    assert_int_equal(check(k.text, NOW + 100), ERR_REVOKED_API_KEY);
    assert_int_equal(check(j.text, NOW + 100), OK);
    struct identity_key *key = look(j.text);
    assert_true(str_eq(key->models, STR("openai/*\nsandbox/echo")));
    assert_int_equal(key->scopes, IDENTITY_SCOPE_ALL);
    identity_key_unref(&key);
    assert_int_equal(do_job(&j), ERR_CONFLICT); /* the old one waits to be revoked */
    j.key = j.new_key;
    j.at_us = 0;
    assert_int_equal(do_job(&j), OK);
    k.what = KEY;
    k.spec.expires_us = NOW + 1;
    assert_int_equal(do_job(&k), OK);
    struct job expired = {.what = ROTATE, .team = u.team, .key = k.new_key, .at_us = 0};
    assert_int_equal(do_job(&expired), OK); /* not yet */
}

struct listing {
    size_t n;
    struct id first;
    int64_t last_used_us;
    char display[64];
    struct identity_key_row row;
};

static void list_row(void *arg, const struct identity_key_row *row)
{
    struct listing *l = arg;
    if (l->n++ == 0)
        l->first = row->key;
    l->last_used_us = row->last_used_us;
    snprintf(l->display, sizeof(l->display), "%.*s", STR_ARG(row->display));
    l->row = *row;
}

static void test_list_and_last_used(void **state)
{
    NEED_STORE();
    struct identity_user u = make_user("a@x");
    struct job a = make_key(&u), b = make_key(&u);
    struct identity_key *key = look(a.text);
    key->last_used_us = NOW + 77;
    identity_key_unref(&key);
    struct store_conn *conn = NULL;
    for (int turn = 0; turn < 2; turn++) {
        struct listing l = {0}, one = {0};
        assert_int_equal(store_reader_begin(store, &conn), OK);
        assert_int_equal(identity_key_list(identity, conn, u.team, (struct id){{0}}, list_row, &l),
                         OK);
        assert_int_equal(l.n, 2);
        assert_true(id_eq(l.first, b.new_key));
        assert_int_equal(identity_key_list(identity, conn, u.team, u.team, list_row, &one), OK);
        assert_int_equal(one.n, 0);
        assert_int_equal(identity_key_get(identity, conn, a.new_key, list_row, &one), OK);
        assert_int_equal(one.last_used_us, NOW + 77);
        char display[64];
        snprintf(display, sizeof(display), "tg_\xE2\x80\xA6%s", a.text + 41 - 4);
        assert_string_equal(one.display, display);
        assert_string_equal(identity_key_status(&one.row, NOW), "active");
        one.row.expires_us = NOW;
        assert_string_equal(identity_key_status(&one.row, NOW), "expired");
        one.row.revoked_us = NOW;
        assert_string_equal(identity_key_status(&one.row, NOW), "revoked");
        assert_int_equal(identity_key_get(identity, conn, u.user, list_row, &one), ERR_NOT_FOUND);
        store_reader_end(&conn);
        assert_int_equal(identity_flush_last_used(identity), OK);
        restart(); /* the second turn reads what was written */
    }
}

static void test_flush_many(void **state)
{
    NEED_STORE();
    struct identity_user u = make_user("a@x");
    enum { MANY = 150 };
    static struct job keys[MANY];
    for (int i = 0; i < MANY; i++) {
        keys[i] = make_key(&u);
        struct identity_key *key = look(keys[i].text);
        key->last_used_us = NOW + i;
        identity_key_unref(&key);
    }
    assert_int_equal(identity_flush_last_used(identity), OK);
    restart();
    for (int i = 0; i < MANY; i++) {
        struct identity_key *key = look(keys[i].text);
        assert_int_equal(key->last_used_us, NOW + i);
        identity_key_unref(&key);
    }
}

static void test_eviction(void **state)
{
    (void)state;
    struct identity_table *t = identity_table_new(64 * 20);
    uint8_t mac[CRYPTO_HASH_LEN];
    struct identity_key none = {.scopes = 1}, *key = NULL;
    uint8_t hot[CRYPTO_HASH_LEN];
    memset(hot, 1, sizeof(hot));
    for (uint32_t i = 0; i < 20000; i++) {
        crypto_sha256(str_of((const char *)&i, sizeof(i)), mac);
        struct identity_record *r = identity_record_new(i == 0 ? hot : mac, &none);
        assert_true(identity_table_put(t, i == 0 ? hot : mac, &r, 0));
        if (i != 0) {
            assert_int_equal(identity_table_find(t, mac, &key), IDENTITY_FOUND);
            identity_key_unref(&key);
        }
        /* What is used all the time stays. */
        assert_int_equal(identity_table_find(t, hot, &key), IDENTITY_FOUND);
        identity_key_unref(&key);
    }
    assert_true(identity_table_count(t) <= 64 * 20);
    assert_true(identity_table_count(t) >= 64 * 19);
    /* Every record that the table still says it has is found by its MAC. */
    size_t found = 0;
    for (uint32_t i = 1; i < 20000; i++) {
        crypto_sha256(str_of((const char *)&i, sizeof(i)), mac);
        if (identity_table_find(t, mac, &key) == IDENTITY_FOUND) {
            found++;
            identity_key_unref(&key);
        }
    }
    assert_int_equal(found + 1, identity_table_count(t));
    identity_table_free(&t);
}

static void test_stale_load(void **state)
{
    (void)state;
    struct identity_table *t = identity_table_new(1000);
    uint8_t mac[CRYPTO_HASH_LEN] = {9};
    struct identity_key was = {.scopes = 1}, *key = NULL;
    uint64_t epoch = identity_table_epoch(t, mac);
    struct identity_record *r = identity_record_new(mac, &was);
    struct identity_record *made = identity_record_new(mac, &was);
    identity_table_create(t, &made);
    assert_false(identity_table_put(t, mac, &r, epoch)); /* read before the change */
    assert_null(r);
    assert_false(identity_table_put(t, mac, &r, epoch)); /* also that it was not there */
    assert_int_equal(identity_table_find(t, mac, &key), IDENTITY_FOUND);
    identity_key_unref(&key);
    identity_table_free(&t);
}

/* ---- threads: loads, finds, flushes race with revocations ---- */

#define RACE_KEYS 24
static struct job race_keys[RACE_KEYS];
static _Atomic int race_revoked[RACE_KEYS];
static _Atomic bool race_over;

static void *race_finder(void *arg)
{
    unsigned x = (unsigned)(uintptr_t)arg;
    while (!race_over) {
        unsigned i = (x = x * 1103515245u + 12345u) >> 16;
        i %= RACE_KEYS;
        bool revoked = race_revoked[i] != 0; /* before looking: then it must be seen */
        uint8_t mac[CRYPTO_HASH_LEN];
        struct identity_key *key = NULL;
        must(identity_key_mac(identity, str_c(race_keys[i].text), mac));
        enum identity_find f = identity_key_find(identity, mac, &key);
        if (f == IDENTITY_LOAD) {
            enum err e = identity_key_load(identity, mac);
            must(e == OK || e == ERR_STORE_BUSY);
        }
        if (f != IDENTITY_FOUND)
            continue;
        must(!revoked || identity_key_check(key, NOW) == ERR_REVOKED_API_KEY);
        key->last_used_us = NOW + 1;
        identity_key_unref(&key);
    }
    return NULL;
}

static void test_race(void **state)
{
    NEED_STORE();
    struct identity_options o = options(64); /* one key per shard: loads all the time */
    identity_free(&identity);
    identity = identity_new(store, &o);
    struct identity_user u = make_user("a@x");
    for (int i = 0; i < RACE_KEYS; i++)
        race_keys[i] = make_key(&u);
    pthread_t threads[3];
    race_over = false;
    memset(&race_revoked, 0, sizeof(race_revoked));
    for (uintptr_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race_finder, (void *)(i + 1)), 0);
    for (int i = 0; i < RACE_KEYS; i++) {
        struct job j = {.what = REVOKE, .team = u.team, .key = race_keys[i].new_key, .at_us = NOW};
        assert_int_equal(do_job(&j), OK);
        race_revoked[i] = 1;
        if (i % 5 == 0)
            assert_int_equal(identity_flush_last_used(identity), OK);
    }
    race_over = true;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

/* ---- what was kept long enough ---- */

struct forgetting {
    struct id ids[4];
    int64_t keys, lines, before_us;
};

static enum err forget(struct store_conn *conn, void *arg)
{
    struct forgetting *f = arg;
    enum err e = identity_keys_forget_in(conn, f->before_us, f->ids, 4, &f->keys);
    return e == OK ? identity_audit_forget_in(conn, f->before_us, 2, &f->lines) : e;
}

static void count_rows(void *arg, const struct identity_key_row *row)
{
    (void)row;
    ++*(int *)arg;
}

static enum err count_keys(struct store_conn *conn, void *arg)
{
    struct job *j = arg;
    int n = 0;
    enum err e = identity_key_list(identity, conn, j->team, j->user, count_rows, &n);
    j->at_us = n;
    return e;
}

static void test_forgetting(void **state)
{
    NEED_STORE();
    struct identity_user u = make_user("f@example.com");
    struct job good = make_key(&u), revoked = make_key(&u), later = make_key(&u);
    struct job expires = {.what = KEY, .spec = good.spec}, both = expires;
    expires.spec.expires_us = NOW + 10;
    both.spec.expires_us = NOW + 20;
    assert_int_equal(do_job(&expires), OK);
    assert_int_equal(do_job(&both), OK);
    const struct job ends[] = {
        {.what = REVOKE, .team = u.team, .key = revoked.new_key, .at_us = NOW + 5},
        {.what = REVOKE, .team = u.team, .key = both.new_key, .at_us = NOW + 5},
        {.what = REVOKE, .team = u.team, .key = later.new_key, .at_us = NOW + 100}};
    for (size_t i = 0; i < 3; i++) {
        struct job j = ends[i];
        assert_int_equal(do_job(&j), OK);
    }
    struct job audit = {.what = AUDIT};
    for (int i = 0; i < 3; i++)
        assert_int_equal(do_job(&audit), OK);
    struct forgetting f = {.before_us = NOW};
    assert_int_equal(store_write(store, forget, &f), OK);
    assert_int_equal(f.keys, 0);
    assert_int_equal(f.lines, 0); /* none is from before */
    f.before_us = NOW + 50;
    assert_int_equal(store_write(store, forget, &f), OK);
    assert_int_equal(f.keys, 3); /* one of them for both reasons */
    assert_int_equal(f.lines, 2); /* no more than asked for */
    f.before_us = NOW + 2000;
    assert_int_equal(store_write(store, forget, &f), OK);
    assert_int_equal(f.keys, 1);
    assert_true(id_eq(f.ids[0], later.new_key));
    assert_int_equal(f.lines, 1);
    assert_int_equal(store_write(store, forget, &f), OK);
    assert_int_equal(f.keys + f.lines, 0);
    struct job left = {.team = u.team, .user = u.user};
    assert_int_equal(store_write(store, count_keys, &left), OK);
    assert_int_equal(left.at_us, 1);
    struct identity_key *key = look(good.text);
    assert_non_null(key);
    identity_key_unref(&key);
}

#define ON_BOTH(test)                                                                              \
    {#test " sqlite", test, setup, teardown, NULL},                                                \
    {                                                                                              \
#test " postgres", test, setup, teardown, &kit                                             \
    }

int main(void)
{
    crypto_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_email),
        cmocka_unit_test(test_ips),
        cmocka_unit_test(test_eviction),
        cmocka_unit_test(test_stale_load),
        ON_BOTH(test_users),
        ON_BOTH(test_key_text),
        ON_BOTH(test_key_refusals),
        ON_BOTH(test_known_not_to_exist),
        ON_BOTH(test_revoke),
        ON_BOTH(test_expiry_and_suspension),
        ON_BOTH(test_caps),
        ON_BOTH(test_rotate),
        ON_BOTH(test_list_and_last_used),
        ON_BOTH(test_flush_many),
        ON_BOTH(test_race),
        ON_BOTH(test_forgetting),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

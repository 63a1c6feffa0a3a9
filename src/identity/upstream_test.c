/* Users' own keys: sealed in the store, in memory from the commit on, on both engines. */
#include "identity/upstream.h"
#include "identity/identity.h"
#include "store/store_testkit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define T0 INT64_C(1795132800000000)

struct world {
    struct store_testkit kit;
    struct store *store;
    struct identity *identity;
    struct identity_upstreams *u;
    struct id ada, bob;
    /* A change to make. */
    struct id user;
    struct str hash;
    struct buf sealed;
    bool lost, fail;
};

static enum err people_in(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    struct identity_user user;
    enum err e = identity_user_create_in(w->identity, conn, STR("ada@example.com"), false, T0,
                                         &user);
    w->ada = user.user;
    if (e == OK)
        e = identity_user_create_in(w->identity, conn, STR("bob@example.com"), false, T0, &user);
    w->bob = user.user;
    return e;
}

static void reopen(struct world *w)
{
    uint8_t seal[CRYPTO_KEY_LEN] = {7};
    identity_upstreams_close(&w->u);
    assert_int_equal(identity_upstreams_open(w->store, seal, &w->u), OK);
}

static bool begin(struct world *w, bool postgres)
{
    struct identity_options o = {.key_prefix = "tg", .keys_max = 100};
    memset(w, 0, sizeof(*w));
    if (!store_testkit_begin(&w->kit, postgres))
        return false;
    w->store = store_testkit_open(&w->kit);
    w->identity = identity_new(w->store, &o);
    assert_int_equal(store_write(w->store, people_in, w), OK);
    reopen(w);
    buf_init(&w->sealed, 4096);
    return true;
}

static void end(struct world *w)
{
    buf_fini(&w->sealed);
    identity_upstreams_close(&w->u);
    identity_free(&w->identity);
    store_close(&w->store);
    store_testkit_end(&w->kit);
}

static enum err change_in(struct store_conn *conn, void *arg)
{
    struct world *w = arg;
    enum err e = w->lost ? identity_upstream_lost_in(w->u, conn, w->user, w->hash)
                         : identity_upstream_put_in(w->u, conn, w->user, w->hash,
                                                    buf_str(&w->sealed), NANO(5), T0);
    return e == OK && w->fail ? ERR_CONFLICT : e;
}

static enum err put(struct world *w, struct id user, const char *hash, const char *secret)
{
    w->user = user;
    w->hash = str_c(hash);
    w->lost = false;
    buf_reset(&w->sealed);
    identity_upstream_seal(w->u, user, str_c(secret), &w->sealed);
    return store_write(w->store, change_in, w);
}

static void check_auth(struct world *w, struct id user, const char *line)
{
    char text[IDENTITY_UPSTREAM_AUTH_MAX];
    struct str s = identity_upstream_auth(w->u, user, text);
    assert_true(str_eq(s, str_c(line)));
}

static void lives(bool postgres)
{
    struct world w;
    if (!begin(&w, postgres))
        skip();
    check_auth(&w, w.ada, "");
    assert_int_equal(put(&w, w.ada, "h1", "sk-one"), OK);
    check_auth(&w, w.ada, "Authorization: Bearer sk-one\r\n");
    check_auth(&w, w.bob, "");
    assert_true(identity_upstream_doubt(w.u, w.ada));
    assert_false(identity_upstream_doubt(w.u, w.ada));
    assert_false(identity_upstream_doubt(w.u, w.bob));
    check_auth(&w, w.ada, "");
    identity_upstream_trust(w.u, w.ada);
    check_auth(&w, w.ada, "Authorization: Bearer sk-one\r\n");
    assert_true(identity_upstream_doubt(w.u, w.ada)); /* until there is another one */
    reopen(&w);
    check_auth(&w, w.ada, "Authorization: Bearer sk-one\r\n");
    assert_int_equal(put(&w, w.ada, "h2", "sk-two"), OK);
    check_auth(&w, w.ada, "Authorization: Bearer sk-two\r\n");
    /* h1 has not been ended at the provider: a third would leave it behind. */
    assert_int_equal(put(&w, w.ada, "h3", "sk-three"), ERR_CONFLICT);
    check_auth(&w, w.ada, "Authorization: Bearer sk-two\r\n");
    w.lost = true;
    w.hash = STR("h1"); /* not the one that he has */
    assert_int_equal(store_write(w.store, change_in, &w), OK);
    check_auth(&w, w.ada, "Authorization: Bearer sk-two\r\n");
    w.hash = STR("h2");
    assert_int_equal(store_write(w.store, change_in, &w), OK);
    check_auth(&w, w.ada, "");
    reopen(&w);
    check_auth(&w, w.ada, "");
    end(&w);
}

static void refused(bool postgres)
{
    struct world w;
    if (!begin(&w, postgres))
        skip();
    assert_int_equal(put(&w, w.ada, "", "sk-one"), ERR_DENIED);
    assert_int_equal(put(&w, w.ada, "h", "sk one"), ERR_DENIED);
    assert_int_equal(put(&w, w.ada, "h", "sk\r\nX: y"), ERR_DENIED);
    assert_int_equal(put(&w, w.ada, "h", ""), ERR_DENIED);
    w.fail = true; /* rolled back: nothing in memory either */
    assert_int_equal(put(&w, w.ada, "h", "sk-one"), ERR_CONFLICT);
    check_auth(&w, w.ada, "");
    w.fail = false;
    /* Sealed for somebody else. */
    buf_reset(&w.sealed);
    identity_upstream_seal(w.u, w.bob, STR("sk-bob"), &w.sealed);
    w.user = w.ada;
    w.hash = STR("h");
    assert_int_equal(store_write(w.store, change_in, &w), ERR_DENIED);
    check_auth(&w, w.ada, "");
    end(&w);
}

static void lives_sqlite(void **state)
{
    (void)state;
    lives(false);
}

static void lives_postgres(void **state)
{
    (void)state;
    lives(true);
}

static void refused_sqlite(void **state)
{
    (void)state;
    refused(false);
}

static void refused_postgres(void **state)
{
    (void)state;
    refused(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives_sqlite), cmocka_unit_test(lives_postgres),
        cmocka_unit_test(refused_sqlite), cmocka_unit_test(refused_postgres)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

/* A house with identity for tests. */
#include "identity/identity_testkit.h"

struct identity_testkit identity_kit;

int identity_testkit_setup(void **state)
{
    struct identity_testkit *k = &identity_kit;
    if (!store_testkit_begin(&k->kit, *state != NULL)) {
        k->store = NULL;
        return 0;
    }
    struct identity_options o = {.key_prefix = "tg",
                                 .keys_max = 1000,
                                 .password_memory_bytes = 64 << 10,
                                 .password_passes = 1};
    memset(o.pepper, 7, sizeof(o.pepper));
    memset(o.seal, 8, sizeof(o.seal));
    k->store = store_testkit_open(&k->kit);
    k->identity = identity_new(k->store, &o);
    arena_init(&k->arena, 4096, 1 << 20);
    return 0;
}

int identity_testkit_teardown(void **state)
{
    struct identity_testkit *k = &identity_kit;
    (void)state;
    if (k->store == NULL)
        return 0;
    identity_free(&k->identity);
    store_close(&k->store);
    store_testkit_end(&k->kit);
    arena_fini(&k->arena);
    return 0;
}

enum err identity_testkit_write(store_write_f play, void *arg)
{
    return store_write(identity_kit.store, play, arg);
}

struct making {
    struct identity_account_spec spec;
    struct identity_user made;
};

static enum err make(struct store_conn *conn, void *arg)
{
    struct making *m = arg;
    return identity_account_create_in(identity_kit.identity, conn, &m->spec, KIT_NOW, &m->made);
}

struct identity_user identity_testkit_user(const char *email)
{
    struct making m = {.spec = {.email = str_c(email),
                                .name = STR("Somebody"),
                                .company = STR(""),
                                .password = STR(""),
                                .verified = true}};
    must(identity_testkit_write(make, &m) == OK);
    return m.made;
}

/* A house with identity for the unit tests of this room, on both engines.
 *
 * Owns: store and identity of the running test.  Needs: store_testkit.  Threads: one.
 * Memory: freed by the teardown.  Units: none.
 * Errors: what fails ends the process: plays run on the writer's thread, where a test framework
 * cannot jump out. */
#ifndef IDENTITY_IDENTITY_TESTKIT_H
#define IDENTITY_IDENTITY_TESTKIT_H

#include "identity/account.h"
#include "store/store_testkit.h"

#define KIT_NOW INT64_C(1800000000000000)

struct identity_testkit {
    struct store_testkit kit;
    struct store *store;
    struct identity *identity;
    struct arena arena;
};
extern struct identity_testkit identity_kit;

/* cmocka's; *state non-NULL: PostgreSQL. */
int identity_testkit_setup(void **state);
int identity_testkit_teardown(void **state);
/* Runs in a transaction, and returns what it returned. */
enum err identity_testkit_write(store_write_f play, void *arg);
struct identity_user identity_testkit_user(const char *email);

#define KIT_BOTH(fn)                                                                               \
    cmocka_unit_test_setup_teardown(fn, identity_testkit_setup, identity_testkit_teardown),        \
    {                                                                                              \
#fn " (PostgreSQL)", fn, identity_testkit_setup, identity_testkit_teardown, &identity_kit  \
    }

#endif

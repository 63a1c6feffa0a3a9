/* Empty houses for tests, on both engines.
 *
 * Owns: a folder under /tmp per house, and for PostgreSQL a database in a server of the test's own.
 * Needs: store; for PostgreSQL the server of TOLLGATE_TEST_POSTGRES or TOLLGATE_TEST_PG (a URL), or
 * tests/lib/pg.sh, which starts one, found from TOLLGATE_ROOT or the working directory.
 * Threads: one.  Memory: static.  Units: none.
 * Errors: none; what fails ends the test.
 * Always: store_testkit_end leaves neither files nor processes. */
#ifndef STORE_STORE_TESTKIT_H
#define STORE_STORE_TESTKIT_H

#include "store/store.h"

struct store_testkit {
    char dir[64]; /* the data directory */
    char url[256];
    struct store_options options; /* points into this struct */
    bool postgres;
};

/* False, with a word on standard output, when PostgreSQL is not installed. */
bool store_testkit_begin(struct store_testkit *kit, bool postgres);
/* Removes the folder and the database. */
void store_testkit_end(struct store_testkit *kit);
/* At the end of main: stops the server if the kit started it. */
void store_testkit_fini(void);
/* Opens it, or ends the test with the words. */
struct store *store_testkit_open(const struct store_testkit *kit);

/* The state of a test: an open house with tables of the test's own. What cmocka calls before and
 * behind each test; 0 when all is well. */
struct store_fixture {
    struct store_testkit kit;
    struct store *store;
};
int store_fixture_open(void **state, bool postgres, store_write_f make_tables);
int store_fixture_close(void **state);
static inline struct store *store_fixture_store(void **state)
{
    const struct store_fixture *f = *state;
    return f->store;
}

#endif

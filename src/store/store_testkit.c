/* Houses for tests. */
#include "store/store_testkit.h"

#include "base/mem.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char server[256];
static bool started, looked;
static unsigned count;

static void fail(const char *what, const char *more)
{
    fprintf(stderr, "store_testkit: %s: %s\n", what, more);
    abort();
}

static void run_line(const char *command, char *line, size_t cap)
{
    FILE *f = popen(command, "r");
    line[0] = '\0';
    if (f == NULL)
        fail(command, "cannot be run");
    if (fgets(line, (int)cap, f) != NULL)
        line[strcspn(line, "\n")] = '\0';
    (void)pclose(f);
}

/* The server's URL; empty when there is none to be had. */
static const char *find_server(void)
{
    const char *root = getenv("TOLLGATE_ROOT");
    char command[512];
    if (looked)
        return server;
    looked = true;
    const char *given = getenv("TOLLGATE_TEST_POSTGRES");
    if (given == NULL || given[0] == '\0')
        given = getenv("TOLLGATE_TEST_PG");
    if (given != NULL && given[0] != '\0') {
        snprintf(server, sizeof(server), "%s", given);
        return server;
    }
    snprintf(command, sizeof(command), "%s/tests/lib/pg.sh start %ld", root != NULL ? root : ".",
             (long)getpid());
    run_line(command, server, sizeof(server));
    started = server[0] != '\0';
    if (!started)
        printf("PostgreSQL is not installed: its tests are skipped\n");
    return server;
}

static void at_server(const char *text)
{
    PGconn *conn = PQconnectdb(server);
    if (PQstatus(conn) != CONNECTION_OK)
        fail("PostgreSQL does not answer", PQerrorMessage(conn));
    PGresult *r = PQexec(conn, text);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        fail(text, PQerrorMessage(conn));
    PQclear(r);
    PQfinish(conn);
}

/* The server's URL with another database: the path stands between the authority and the "?". */
static void url_of(const char *name, char *url, size_t cap)
{
    struct str s = str_c(server);
    size_t from = str_find(s, STR("://")) + 3;
    struct str authority = str_from(s, from);
    struct str query = authority;
    authority = str_cut(&query, '?');
    struct str path = authority;
    authority = str_cut(&path, '/');
    snprintf(url, cap, "postgresql://%.*s/%s?%.*s", STR_ARG(authority), name, STR_ARG(query));
}

bool store_testkit_begin(struct store_testkit *kit, bool postgres)
{
    memset(kit, 0, sizeof(*kit));
    if (postgres && find_server()[0] == '\0')
        return false;
    snprintf(kit->dir, sizeof(kit->dir), "/tmp/tgstore.XXXXXX");
    if (mkdtemp(kit->dir) == NULL)
        fail("mkdtemp", kit->dir);
    kit->postgres = postgres;
    if (postgres) {
        char name[64], text[128];
        snprintf(name, sizeof(name), "t%ld_%u", (long)getpid(), ++count);
        snprintf(text, sizeof(text), "CREATE DATABASE %s", name);
        at_server(text);
        url_of(name, kit->url, sizeof(kit->url));
    } else {
        snprintf(kit->url, sizeof(kit->url), "sqlite:%s/tollgate.db", kit->dir);
    }
    kit->options = (struct store_options){
        .url = kit->url, .data_dir = kit->dir, .readers_max = 4, .may_create = true};
    return true;
}

void store_testkit_end(struct store_testkit *kit)
{
    char text[160], line[8];
    snprintf(text, sizeof(text), "rm -rf -- '%s'", kit->dir);
    run_line(text, line, sizeof(line));
    if (kit->postgres) {
        struct str path = str_from(str_c(kit->url), strlen("postgresql://"));
        path = str_cut(&path, '?');
        (void)str_cut(&path, '/');
        snprintf(text, sizeof(text), "DROP DATABASE %.*s WITH (FORCE)", STR_ARG(path));
        at_server(text);
    }
}

void store_testkit_fini(void)
{
    char command[512], line[8];
    const char *root = getenv("TOLLGATE_ROOT");
    if (!started)
        return;
    snprintf(command, sizeof(command), "%s/tests/lib/pg.sh stop '%s'", root != NULL ? root : ".",
             server);
    run_line(command, line, sizeof(line));
    started = looked = false;
    server[0] = '\0';
}

struct store *store_testkit_open(const struct store_testkit *kit)
{
    struct store *store = NULL;
    char why[STORE_WHY_MAX];
    if (store_open(&kit->options, &store, why) != OK)
        fail("store_open", why);
    return store;
}

int store_fixture_open(void **state, bool postgres, store_write_f make_tables)
{
    struct store_fixture *f = mem_zalloc(sizeof(*f));
    *state = f;
    if (!store_testkit_begin(&f->kit, postgres))
        return -1;
    f->store = store_testkit_open(&f->kit);
    return store_write(f->store, make_tables, NULL) == OK ? 0 : -1;
}

int store_fixture_close(void **state)
{
    struct store_fixture *f = *state;
    store_close(&f->store);
    store_testkit_end(&f->kit);
    mem_free(f);
    return 0;
}

/* Brings the schema up to what this program knows. */
#include "store/engine.h"

#include "base/clock.h"

#include <stdio.h>

#define VERSIONS_MAX 10000

static int newest_known(void)
{
    int newest = -1;
    for (const struct sql_migration *m = sql_migrations; m->version >= 0; m++)
        newest = m->version;
    return newest;
}

static const struct sql_migration *find(int64_t version)
{
    for (const struct sql_migration *m = sql_migrations; m->version >= 0; m++)
        if (m->version == version)
            return m;
    return NULL;
}

/* Marks what was applied; a database with steps that we do not have is a newer one. */
static enum err read_applied(struct store_conn *conn, const char *name,
                             uint8_t applied[VERSIONS_MAX], char why[STORE_WHY_MAX])
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_MIGRATION_LIST, &q, "");
    while (e == OK && (e = store_step(q)) == OK) {
        int64_t version = store_i64(q, 0);
        const struct sql_migration *m = find(version);
        if (version > newest_known()) {
            e = store_say(why, ERR_STORE_NEWER,
                          "The %s was made by a newer version of this program: it has schema "
                          "%lld, and this program knows up to %d. Install the newer version.",
                          name, (long long)version, newest_known());
            break;
        }
        if (m == NULL || !str_eq(str_c(m->name), store_str(q, 1))) {
            e = store_say(why, ERR_STORE_FOREIGN,
                          "The %s has a schema step %lld called %.*s that this program does "
                          "not know: it was made by another program, or an unfinished version.",
                          name, (long long)version, STR_ARG(store_str(q, 1)));
            break;
        }
        applied[version] = 1;
    }
    store_finish(&q);
    if (e != OK && e != ERR_END && why[0] == '\0')
        (void)store_say(why, e,
                        "The %s does not read (%s): if it is damaged, restore the last "
                        "backup.",
                        name, conn->why);
    return e == ERR_END ? OK : e;
}

static enum err apply(struct store_conn *conn, const struct sql_migration *m, int64_t wall_us)
{
    const char *text = conn->engine == &store_sqlite ? m->sqlite : m->postgres;
    enum err e = conn->engine->begin(conn);
    if (e != OK)
        return e;
    if (text[0] != '\0')
        e = conn->engine->exec(conn, text);
    if (e == OK)
        e = store_run(conn, SQL_MIGRATION_ADD, NULL, "iti", (int64_t)m->version, str_c(m->name),
                      wall_us);
    if (e == OK)
        e = conn->engine->stamp(conn, m->version);
    if (e == OK)
        return conn->engine->commit(conn);
    conn->engine->rollback(conn);
    return e;
}

enum err store_migrate_to(struct store *store, struct store_conn *conn, int last, int64_t wall_us,
                          char why[STORE_WHY_MAX])
{
    uint8_t applied[VERSIONS_MAX] = {0};
    bool there = false;
    enum err e = conn->engine->has_table(conn, "migration", &there);
    if (e != OK)
        return store_say(why, e, "The %s cannot be read: %s", store->name, conn->why);
    e = there ? read_applied(conn, store->name, applied, why) : OK;
    for (const struct sql_migration *m = sql_migrations; e == OK && m->version >= 0; m++) {
        if (m->version > last)
            break;
        if (!applied[m->version]) {
            e = apply(conn, m, wall_us);
            if (e != OK)
                return store_say(why, e, "The schema step %04d_%s of the %s failed: %s", m->version,
                                 m->name, store->name, conn->why);
        }
        store->version = m->version;
    }
    return e;
}

enum err store_migrate(struct store *store, struct store_conn *conn, int64_t wall_us,
                       char why[STORE_WHY_MAX])
{
    return store_migrate_to(store, conn, newest_known(), wall_us, why);
}

/* The embedded engine: SQLite in WAL mode, one writer, readers with snapshots. This file runs its
 * statements and transactions; sqlite_conn.c has connections and checkpoints, sqlite_file.c the
 * file as a whole.
 *
 * A statement costs about as much as the row that it writes. So rows that are put by the hundred
 * are copied (rows.h) and written several at once; what is left over goes in front of whatever else
 * is asked of the connection, one by one. */
#include "store/sqlite.h"

#include "store/fault.h"

#include <errno.h>
#include <stdio.h>

static const char *const words[WORD__COUNT] = {
    [WORD_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [WORD_BEGIN_READ] = "BEGIN",
    [WORD_COMMIT] = "COMMIT",
    [WORD_ROLLBACK] = "ROLLBACK",
    [WORD_MARK] = "SAVEPOINT one",
    [WORD_MARK_KEEP] = "RELEASE one",
    [WORD_MARK_BACK] = "ROLLBACK TO one",
};

/* ---------------------------------------------------------------- errors */

static bool is_disk_full(sqlite3 *db)
{
    int no = sqlite3_system_errno(db);
    return no == ENOSPC || no == EDQUOT || no == EFBIG;
}

/* What happened, as the house names it. After a failed fsync the kernel may have dropped the pages
 * and will say yes to the next one: what is on disk is not known any more, so the process ends. */
enum err sqlite_err_of(sqlite3 *db, int rc)
{
    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
        store_die("fsync of the database failed (%s); nothing can be relied on, so it ends",
                  sqlite3_errmsg(db));
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW: return OK;
    case SQLITE_DONE: return ERR_END;
    case SQLITE_CONSTRAINT: return ERR_CONFLICT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
    case SQLITE_PROTOCOL: return ERR_STORE_BUSY;
    case SQLITE_FULL: return ERR_STORE_FULL;
    case SQLITE_IOERR: return is_disk_full(db) ? ERR_STORE_FULL : ERR_STORE;
    case SQLITE_READONLY: return ERR_STORE_READONLY;
    case SQLITE_NOTADB:
    case SQLITE_FORMAT: return ERR_STORE_FOREIGN;
    case SQLITE_CORRUPT: return ERR_CORRUPT;
    case SQLITE_NOMEM: store_die("memory is left: no");
    default: return ERR_STORE;
    }
}

enum err sqlite_failed(struct sqlite_conn *c, int rc, const char *what)
{
    enum err e = sqlite_err_of(c->db, rc);
    (void)store_say(c->base.why, e, "%s: %s (SQLite %d)", what, sqlite3_errmsg(c->db), rc);
    /* Some errors roll the whole transaction back without being asked. */
    if (c->base.role == STORE_WRITER && sqlite3_get_autocommit(c->db))
        c->base.aborted = true;
    return e;
}

/* ---------------------------------------------------------------- running statements */

static enum err bind(struct sqlite_conn *c, sqlite3_stmt *stmt, const char *name,
                     const struct store_param *params, unsigned n, sqlite3_destructor_type lives)
{
    for (unsigned i = 0; i < n; i++) {
        const struct store_param *p = &params[i];
        int rc = SQLITE_OK, at = (int)i + 1;
        if (p->null)
            rc = sqlite3_bind_null(stmt, at);
        else if (p->kind == STORE_INT)
            rc = sqlite3_bind_int64(stmt, at, p->i);
        else if (p->kind == STORE_TEXT)
            rc = sqlite3_bind_text64(stmt, at, p->s.p, p->s.n, lives, SQLITE_UTF8);
        else
            rc = sqlite3_bind_blob64(stmt, at, p->s.p, p->s.n, lives);
        if (rc != SQLITE_OK)
            return sqlite_failed(c, rc, name);
    }
    return OK;
}

static enum err prepare_text(struct sqlite_conn *c, const char *name, const char *text,
                             unsigned params, sqlite3_stmt **ret_stmt)
{
    int rc = sqlite3_prepare_v3(c->db, text, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL);
    if (rc != SQLITE_OK)
        return sqlite_failed(c, rc, name);
    must(sqlite3_bind_parameter_count(*ret_stmt) == (int)params);
    return OK;
}

static enum err prepare(struct sqlite_conn *c, unsigned sql, struct sqlite_query **ret_query)
{
    struct sqlite_query *q = &c->queries[sql];
    must(!q->base.open);
    if (q->stmt == NULL) {
        const struct sql_statement *s = store_statement(sql);
        enum err e = prepare_text(c, s->name, s->sqlite, s->params, &q->stmt);
        if (e != OK)
            return e;
        q->base.conn = &c->base;
        q->base.sql = sql;
    }
    *ret_query = q;
    return OK;
}

static enum err step_to_end(struct sqlite_conn *c, sqlite3_stmt *stmt, const char *name)
{
    int rc = SQLITE_ROW;
    while (rc == SQLITE_ROW)
        rc = sqlite3_step(stmt);
    return rc == SQLITE_DONE ? OK : sqlite_failed(c, rc, name);
}

static void rest(struct sqlite_query *q)
{
    sqlite3_reset(q->stmt);
    sqlite3_clear_bindings(q->stmt);
}

static enum err run_now(struct sqlite_conn *c, unsigned sql, const struct store_param *params,
                        unsigned n)
{
    const char *name = store_statement(sql)->name;
    struct sqlite_query *q = NULL;
    enum err e = prepare(c, sql, &q);
    if (e != OK)
        return e;
    e = bind(c, q->stmt, name, params, n, SQLITE_STATIC);
    if (e == OK)
        e = step_to_end(c, q->stmt, name);
    rest(q);
    return e;
}

/* ---------------------------------------------------------------- rows by the hundred */

static void no_longer_waits(struct sqlite_conn *c, struct sqlite_query *q)
{
    struct sqlite_query **at = &c->waiting;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    q->next = NULL;
    store_rows_clear(q->rows);
}

/* As many as one statement takes. Their bytes are ours, so the bindings may stay. */
static enum err write_many(struct sqlite_conn *c, struct sqlite_query *q)
{
    const struct sql_statement *s = store_statement(q->base.sql);
    unsigned n = s->params * s->rows;
    enum err e = OK;
    if (q->many == NULL)
        e = prepare_text(c, s->name, s->many_rows, n, &q->many);
    if (e == OK)
        e = bind(c, q->many, s->name, q->rows->values, n, SQLITE_STATIC);
    if (e == OK)
        e = step_to_end(c, q->many, s->name);
    sqlite3_reset(q->many);
    no_longer_waits(c, q);
    return e;
}

/* What is left over, before anything that could see it or end the transaction. What fails fails the
 * transaction, whatever it was written in front of. */
static enum err write_waiting(struct sqlite_conn *c)
{
    enum err e = c->waiting != NULL ? c->base.broken : OK;
    while (c->waiting != NULL && e == OK) {
        struct sqlite_query *q = c->waiting;
        const struct store_rows *rows = q->rows;
        for (unsigned i = 0; i < rows->n && e == OK; i++)
            e = run_now(c, q->base.sql, store_rows_at(rows, i), rows->params);
        no_longer_waits(c, q);
    }
    if (e != OK)
        c->base.broken = e;
    return e;
}

static void drop_waiting(struct sqlite_conn *c)
{
    while (c->waiting != NULL)
        no_longer_waits(c, c->waiting);
}

static enum err gather(struct sqlite_conn *c, struct sqlite_query *q,
                       const struct store_param *params, unsigned n)
{
    if (!store_rows_add(q->rows, params, n)) {
        enum err e = write_waiting(c);
        if (e != OK)
            return e;
        if (!store_rows_add(q->rows, params, n))
            return run_now(c, q->base.sql, params, n);
    }
    if (q->rows->n == 1) {
        struct sqlite_query **at = &c->waiting;
        while (*at != NULL)
            at = &(*at)->next;
        *at = q;
    }
    return q->rows->n == q->rows->most ? write_many(c, q) : OK;
}

static enum err sqlite_put(struct store_conn *conn, unsigned sql, const struct store_param *params,
                           unsigned n)
{
    struct sqlite_conn *c = sqlite_of(conn);
    const struct sql_statement *s = store_statement(sql);
    struct sqlite_query *q = NULL;
    if (s->rows == 0) {
        enum err e = write_waiting(c);
        return e == OK ? run_now(c, sql, params, n) : e;
    }
    enum err e = prepare(c, sql, &q);
    if (e != OK)
        return e;
    if (q->rows == NULL)
        q->rows = store_rows_new(s);
    return gather(c, q, params, n);
}

/* ---------------------------------------------------------------- transactions */

static enum err say_word(struct sqlite_conn *c, enum sqlite_word w)
{
    int rc = SQLITE_OK;
    if (c->word[w] == NULL)
        rc = sqlite3_prepare_v3(c->db, words[w], -1, SQLITE_PREPARE_PERSISTENT, &c->word[w], NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(c->word[w]);
        enum err e = rc == SQLITE_DONE ? OK : sqlite_failed(c, rc, words[w]);
        sqlite3_reset(c->word[w]);
        return e;
    }
    return sqlite_failed(c, rc, words[w]);
}

enum err sqlite_begin(struct store_conn *conn)
{
    must(sqlite_of(conn)->waiting == NULL);
    conn->broken = OK;
    conn->aborted = false;
    return say_word(sqlite_of(conn),
                    conn->role == STORE_WRITER ? WORD_BEGIN_WRITE : WORD_BEGIN_READ);
}

void sqlite_rollback(struct store_conn *conn)
{
    must(conn->queries == 0);
    drop_waiting(sqlite_of(conn));
    if (!sqlite3_get_autocommit(sqlite_of(conn)->db) &&
        say_word(sqlite_of(conn), WORD_ROLLBACK) != OK &&
        !sqlite3_get_autocommit(sqlite_of(conn)->db))
        store_die("a transaction cannot be rolled back: %s", conn->why);
    conn->broken = OK;
    conn->aborted = false;
}

static enum err sqlite_commit(struct store_conn *conn)
{
    must(conn->queries == 0);
    enum err e = conn->broken != OK ? conn->broken : write_waiting(sqlite_of(conn));
    if (e == OK) {
        store_fault_here(STORE_FAULT_COMMIT_BEFORE);
        e = say_word(sqlite_of(conn), WORD_COMMIT);
        if (e == OK)
            store_fault_here(STORE_FAULT_COMMIT_AFTER);
    }
    if (e != OK)
        sqlite_rollback(conn);
    return e;
}

static enum err sqlite_mark(struct store_conn *conn)
{
    enum err e = write_waiting(sqlite_of(conn));
    return e == OK ? say_word(sqlite_of(conn), WORD_MARK) : e;
}

static enum err sqlite_mark_keep(struct store_conn *conn)
{
    enum err e = write_waiting(sqlite_of(conn));
    return e == OK ? say_word(sqlite_of(conn), WORD_MARK_KEEP) : e;
}

static enum err sqlite_mark_back(struct store_conn *conn)
{
    drop_waiting(sqlite_of(conn));
    if (conn->aborted)
        return conn->broken != OK ? conn->broken : ERR_STORE;
    enum err e = say_word(sqlite_of(conn), WORD_MARK_BACK);
    return e == OK ? say_word(sqlite_of(conn), WORD_MARK_KEEP) : e;
}

enum err sqlite_exec(struct store_conn *conn, const char *text)
{
    struct sqlite_conn *c = sqlite_of(conn);
    enum err e = write_waiting(c);
    if (e != OK)
        return e;
    int rc = sqlite3_exec(c->db, text, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return OK;
    e = sqlite_failed(c, rc, "schema");
    if (conn->role == STORE_WRITER && !sqlite3_get_autocommit(c->db))
        conn->broken = e;
    return e;
}

static enum err sqlite_soften(struct store_conn *conn, bool soft)
{
    return sqlite_exec(conn, soft ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL");
}

/* One number that a PRAGMA or SELECT gives. */
enum err sqlite_number(struct sqlite_conn *c, const char *text, int64_t *ret_n)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, text, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    enum err e = rc == SQLITE_ROW ? OK : sqlite_failed(c, rc, "the database cannot be read");
    if (e == OK)
        *ret_n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return e;
}

static enum err sqlite_stamp(struct store_conn *conn, int version)
{
    char text[64];
    snprintf(text, sizeof(text), "PRAGMA user_version = %d", version);
    return sqlite_exec(conn, text);
}

static enum err sqlite_has_table(struct store_conn *conn, const char *table, bool *ret_there)
{
    char text[160];
    int64_t n = 0;
    snprintf(text, sizeof(text),
             "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '%s'", table);
    enum err e = sqlite_number(sqlite_of(conn), text, &n);
    if (e == OK)
        *ret_there = n != 0;
    return e;
}

/* ---------------------------------------------------------------- queries */

static enum err sqlite_start(struct store_conn *conn, unsigned sql,
                             const struct store_param *params, unsigned n,
                             struct store_query **ret_query)
{
    struct sqlite_conn *c = sqlite_of(conn);
    struct sqlite_query *q = NULL;
    enum err e = write_waiting(c);
    if (e == OK)
        e = prepare(c, sql, &q);
    if (e != OK)
        return e;
    e = bind(c, q->stmt, store_statement(sql)->name, params, n, SQLITE_TRANSIENT);
    if (e != OK)
        return e;
    q->base.open = true;
    q->ended = false;
    *ret_query = &q->base;
    return OK;
}

static enum err sqlite_step(struct store_query *base)
{
    struct sqlite_query *q = (struct sqlite_query *)base;
    int rc = q->ended ? SQLITE_DONE : sqlite3_step(q->stmt);
    if (rc == SQLITE_ROW)
        return OK;
    q->ended = true;
    if (rc == SQLITE_DONE)
        return ERR_END;
    return sqlite_failed(sqlite_of(base->conn), rc, store_statement(base->sql)->name);
}

static void sqlite_finish(struct store_query *base)
{
    struct sqlite_query *q = (struct sqlite_query *)base;
    rest(q);
    base->open = false;
}

static enum err sqlite_run(struct store_conn *conn, unsigned sql, const struct store_param *params,
                           unsigned n, int64_t *ret_changed)
{
    struct sqlite_conn *c = sqlite_of(conn);
    enum err e = write_waiting(c);
    if (e == OK)
        e = run_now(c, sql, params, n);
    if (e == OK)
        *ret_changed = sqlite3_changes64(c->db);
    return e;
}

static sqlite3_stmt *stmt_of(const struct store_query *q)
{
    return ((const struct sqlite_query *)q)->stmt;
}

static bool sqlite_is_null(const struct store_query *q, int column)
{
    return sqlite3_column_type(stmt_of(q), column) == SQLITE_NULL;
}

static int64_t sqlite_i64(const struct store_query *q, int column)
{
    return sqlite3_column_int64(stmt_of(q), column);
}

static struct str sqlite_str(const struct store_query *q, int column)
{
    const void *p = sqlite3_column_blob(stmt_of(q), column);
    int n = sqlite3_column_bytes(stmt_of(q), column);
    return p != NULL ? str_of(p, (size_t)n) : STR("");
}

const struct store_engine store_sqlite = {
    .name = "sqlite",
    .attach = sqlite_attach,
    .detach = sqlite_detach,
    .connect = sqlite_connect,
    .disconnect = sqlite_disconnect,
    .stamp = sqlite_stamp,
    .has_table = sqlite_has_table,
    .exec = sqlite_exec,
    .soften = sqlite_soften,
    .sync = sqlite_sync,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .mark = sqlite_mark,
    .mark_keep = sqlite_mark_keep,
    .mark_back = sqlite_mark_back,
    .start = sqlite_start,
    .run = sqlite_run,
    .put = sqlite_put,
    .step = sqlite_step,
    .finish = sqlite_finish,
    .is_null = sqlite_is_null,
    .i64 = sqlite_i64,
    .str = sqlite_str,
    .keep = sqlite_keep,
    .wal_bytes = sqlite_wal_bytes,
    .dump = sqlite_dump,
    .load = sqlite_load,
};

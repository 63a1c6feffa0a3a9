/* The engine at scale: PostgreSQL through libpq.
 *
 * Integers, text and bytes travel in binary. Each statement is prepared once per connection, with
 * the types that its first call has. Rows are read one by one as they come; when another statement
 * wants the connection meanwhile, what is left of the first is read into memory. store_put goes
 * into a pipeline, which is emptied before anything else is asked.
 *
 * A lost writer connection. Before COMMIT was sent nothing is committed: the caller tries again.
 * When it is lost between sending COMMIT and hearing the answer, the outcome is not known, and a
 * retry could write twice. So each write transaction learns its number at its begin, and over a new
 * connection PostgreSQL is asked what became of that number (pg_xact_status): committed, aborted,
 * or still in progress, which is waited for. Only if that cannot be had, the process ends, and the
 * start that follows reads what there is.
 *
 * The house is owned by an advisory lock on a connection that does nothing else; when it is lost,
 * another process may own the house, so this one ends at once. As this is noticed a moment late,
 * each write transaction also reads the house's epoch, which each new owner changes. */
#include "store/engine.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/fault.h"
#include "store/postgres_copy.h"

#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOCK_TRIES 20
#define LOCK_AGAIN_US 50000
#define OID_BOOL 16
#define OID_BYTEA 17
#define OID_INT8 20
#define OID_INT2 21
#define OID_INT4 23
#define OID_TEXT 25
#define OID_NAME 19
#define OID_VARCHAR 1043
#define OID_UNKNOWN 705

/* "tollgate" */
#define HOUSE_LOCK "8390043843661231205"
#define PIPELINE_MAX 64
#define KEEP_US (1 * US_PER_S)
#define OUTCOME_US (60 * US_PER_S)
#define SERVER_OLDEST 150000

struct pg_query {
    struct store_query base;
    bool prepared, arriving; /* arriving: more rows are on their way */
    char kinds[STORE_PARAMS_MAX + 1];
    PGresult *row;
    PGresult **kept; /* rows that had to make way */
    size_t kept_n, kept_at, kept_cap;
    bool ended;
};

struct pg_conn {
    struct store_conn base;
    PGconn *db;
    struct pg_query *arriving;
    unsigned piped;
    char xid[32];
    struct pg_query queries[STORE_SQL_MAX];
};

struct pg_state {
    struct pg_conn *keeper;
};

static struct pg_conn *of(struct store_conn *conn)
{
    return (struct pg_conn *)conn;
}

/* ---------------------------------------------------------------- errors */

static enum err err_of(const char *state)
{
    static const struct {
        const char *state;
        enum err e;
    } known[] = {
        {"53100", ERR_STORE_FULL}, {"55P03", ERR_STORE_BUSY},     {"40001", ERR_STORE_BUSY},
        {"40P01", ERR_STORE_BUSY}, {"57014", ERR_STORE_BUSY},     {"53300", ERR_STORE_BUSY},
        {"57P01", ERR_STORE_BUSY}, {"57P02", ERR_STORE_BUSY},     {"57P03", ERR_STORE_BUSY},
        {"25P03", ERR_STORE_BUSY}, {"25006", ERR_STORE_READONLY}, {"XX001", ERR_CORRUPT},
        {"XX002", ERR_CORRUPT},
    };
    if (state == NULL)
        return ERR_STORE;
    if (strncmp(state, "23", 2) == 0)
        return ERR_CONFLICT;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(state, known[i].state) == 0)
            return known[i].e;
    return ERR_STORE;
}

/* A connection that is gone is BUSY: a new one may do. */
static enum err failed(struct pg_conn *c, const PGresult *r, const char *what)
{
    enum err e = err_of(r != NULL ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL);
    if (PQstatus(c->db) == CONNECTION_BAD) {
        e = ERR_STORE_BUSY;
        c->base.aborted = true;
    }
    const char *words = r != NULL ? PQresultErrorMessage(r) : "";
    if (words[0] == '\0')
        words = PQerrorMessage(c->db);
    struct str text = str_trim(str_c(words));
    while (text.n != 0 && text.p[text.n - 1] == '\n')
        text.n--;
    return store_say(c->base.why, e, "%s: %.*s", what, STR_ARG(text));
}

/* ---------------------------------------------------------------- the wire */

static void row_clear(struct pg_query *q)
{
    PQclear(q->row);
    q->row = NULL;
}

/* The next result of what is arriving: OK with a row, ERR_END, or what failed. */
static enum err next_row(struct pg_conn *c, struct pg_query *q, PGresult **ret_row)
{
    enum err e = ERR_END;
    PGresult *r = PQgetResult(c->db);
    if (r != NULL && PQresultStatus(r) == PGRES_SINGLE_TUPLE) {
        *ret_row = r;
        return OK;
    }
    while (r != NULL) {
        ExecStatusType status = PQresultStatus(r);
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && e == ERR_END)
            e = failed(c, r, store_statement(q->base.sql)->name);
        PQclear(r);
        r = PQgetResult(c->db);
    }
    q->arriving = false;
    c->arriving = NULL;
    return e;
}

/* The connection is wanted: what is on its way for an open query goes into memory. */
static enum err make_way(struct pg_conn *c)
{
    struct pg_query *q = c->arriving;
    enum err e = OK;
    if (q == NULL)
        return OK;
    for (;;) {
        PGresult *r = NULL;
        e = next_row(c, q, &r);
        if (e != OK)
            break;
        if (q->kept_n == q->kept_cap) {
            q->kept_cap = q->kept_cap != 0 ? 2 * q->kept_cap : 16;
            q->kept = mem_realloc(q->kept, q->kept_cap * sizeof(PGresult *));
        }
        q->kept[q->kept_n++] = r;
    }
    q->ended = true;
    return e == ERR_END ? OK : e;
}

/* Reads the outcomes of what store_put sent, up to the mark behind it. */
static enum err end_pipeline(struct pg_conn *c)
{
    enum err e = OK;
    if (c->piped == 0)
        return OK;
    c->piped = 0;
    if (PQpipelineSync(c->db) != 1)
        return failed(c, NULL, "pipeline");
    for (;;) {
        PGresult *r = PQgetResult(c->db);
        if (r == NULL) {
            if (PQstatus(c->db) == CONNECTION_BAD)
                return failed(c, NULL, "pipeline");
            continue; /* the end of one statement */
        }
        ExecStatusType status = PQresultStatus(r);
        if (status != PGRES_PIPELINE_SYNC && status != PGRES_PIPELINE_ABORTED &&
            status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && e == OK)
            e = failed(c, r, "pipeline");
        PQclear(r);
        if (status == PGRES_PIPELINE_SYNC)
            break;
        if (PQstatus(c->db) == CONNECTION_BAD)
            return e != OK ? e : failed(c, NULL, "pipeline");
    }
    if (PQexitPipelineMode(c->db) != 1 && e == OK)
        e = failed(c, NULL, "pipeline");
    return e;
}

/* The connection is free for the next question. */
static enum err settle(struct pg_conn *c)
{
    enum err e = end_pipeline(c);
    if (e != OK && c->base.role == STORE_WRITER && c->base.broken == OK)
        c->base.broken = e;
    return e == OK ? make_way(c) : e;
}

/* Plain text, no rows wanted, though the last one may be: ret_result (or NULL) gets it. */
static enum err say_text(struct pg_conn *c, const char *text, PGresult **ret_result)
{
    enum err e = settle(c);
    if (e != OK)
        return e;
    PGresult *r = PQexec(c->db, text);
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        e = failed(c, r, "PostgreSQL");
    if (e == OK && ret_result != NULL)
        *ret_result = r;
    else
        PQclear(r);
    return e;
}

static enum err say_one(struct pg_conn *c, const char *text, char *value, size_t cap)
{
    PGresult *r = NULL;
    enum err e = say_text(c, text, &r);
    if (e != OK)
        return e;
    bool there = PQntuples(r) == 1 && !PQgetisnull(r, 0, 0);
    snprintf(value, cap, "%s", there ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    return OK;
}

/* ---------------------------------------------------------------- queries */

struct wire {
    Oid types[STORE_PARAMS_MAX];
    const char *values[STORE_PARAMS_MAX];
    int lengths[STORE_PARAMS_MAX], formats[STORE_PARAMS_MAX];
    uint64_t ints[STORE_PARAMS_MAX];
    char kinds[STORE_PARAMS_MAX + 1];
};

static void wire_of(const struct store_param *params, unsigned n, struct wire *w)
{
    static const Oid oids[STORE_KIND__COUNT] = {OID_INT8, OID_TEXT, OID_BYTEA};
    for (unsigned i = 0; i < n; i++) {
        const struct store_param *p = &params[i];
        w->types[i] = oids[p->kind];
        w->kinds[i] = "itb"[p->kind];
        w->formats[i] = 1;
        w->ints[i] = htobe64((uint64_t)p->i);
        w->values[i] = p->kind == STORE_INT ? (const char *)&w->ints[i] : p->s.p;
        w->lengths[i] = p->kind == STORE_INT ? 8 : (int)p->s.n;
        must(p->s.n <= INT32_MAX);
        if (p->null)
            w->values[i] = NULL;
    }
    w->kinds[n] = '\0';
}

static void name_of(unsigned sql, char name[16])
{
    snprintf(name, 16, "s%u", sql);
}

static enum err prepare(struct pg_conn *c, unsigned sql, const struct wire *w, unsigned n,
                        struct pg_query **ret_query)
{
    struct pg_query *q = &c->queries[sql];
    *ret_query = q;
    must(!q->base.open);
    if (q->prepared) {
        /* One statement, one set of types: the first call decided. */
        must(strcmp(q->kinds, w->kinds) == 0);
        return OK;
    }
    enum err e = settle(c);
    if (e != OK)
        return e;
    char name[16];
    name_of(sql, name);
    PGresult *r = PQprepare(c->db, name, store_statement(sql)->postgres, (int)n, w->types);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        e = failed(c, r, store_statement(sql)->name);
    PQclear(r);
    if (e != OK)
        return e;
    q->prepared = true;
    q->base.conn = &c->base;
    q->base.sql = sql;
    memcpy(q->kinds, w->kinds, sizeof(q->kinds));
    return OK;
}

static enum err pg_start(struct store_conn *conn, unsigned sql, const struct store_param *params,
                         unsigned n, struct store_query **ret_query)
{
    struct pg_conn *c = of(conn);
    struct pg_query *q = NULL;
    struct wire w;
    char name[16];
    wire_of(params, n, &w);
    name_of(sql, name);
    enum err e = prepare(c, sql, &w, n, &q);
    if (e == OK)
        e = settle(c);
    if (e != OK)
        return e;
    if (PQsendQueryPrepared(c->db, name, (int)n, w.values, w.lengths, w.formats, 1) != 1 ||
        PQsetSingleRowMode(c->db) != 1)
        return failed(c, NULL, store_statement(sql)->name);
    q->base.open = true;
    q->ended = false;
    q->arriving = true;
    c->arriving = q;
    *ret_query = &q->base;
    return OK;
}

/* Types that the dialect does not have are found here, not as wrong numbers. */
static enum err check_types(struct pg_conn *c, const struct pg_query *q)
{
    for (int i = 0; i < PQnfields(q->row); i++) {
        switch (PQftype(q->row, i)) {
        case OID_BOOL:
        case OID_INT2:
        case OID_INT4:
        case OID_INT8:
        case OID_TEXT:
        case OID_NAME:
        case OID_VARCHAR:
        case OID_BYTEA:
        case OID_UNKNOWN: break;
        default:
            return store_say(c->base.why, ERR_STORE,
                             "%s: column %d is of a type that the dialect does not have: cast it "
                             "to bigint, text or bytea",
                             store_statement(q->base.sql)->name, i);
        }
    }
    return OK;
}

static enum err pg_step(struct store_query *base)
{
    struct pg_query *q = (struct pg_query *)base;
    struct pg_conn *c = of(base->conn);
    bool first = q->row == NULL && q->kept_at == 0;
    row_clear(q);
    if (q->kept_at < q->kept_n) {
        q->row = q->kept[q->kept_at++];
    } else if (q->ended) {
        return ERR_END;
    } else {
        enum err e = next_row(c, q, &q->row);
        if (e != OK) {
            q->ended = true;
            return e;
        }
    }
    return first ? check_types(c, q) : OK;
}

static void pg_finish(struct store_query *base)
{
    struct pg_query *q = (struct pg_query *)base;
    struct pg_conn *c = of(base->conn);
    row_clear(q);
    while (q->kept_at < q->kept_n)
        PQclear(q->kept[q->kept_at++]);
    q->kept_n = q->kept_at = 0;
    while (q->arriving) {
        PGresult *r = NULL;
        enum err e = next_row(c, q, &r);
        PQclear(r);
        /* The rest was not wanted, but its error spoils a write all the same. */
        if (e != OK && e != ERR_END && c->base.role == STORE_WRITER && c->base.broken == OK)
            c->base.broken = e;
    }
    base->open = false;
}

static enum err pg_run(struct store_conn *conn, unsigned sql, const struct store_param *params,
                       unsigned n, int64_t *ret_changed)
{
    struct pg_conn *c = of(conn);
    struct pg_query *q = NULL;
    struct wire w;
    char name[16];
    wire_of(params, n, &w);
    name_of(sql, name);
    enum err e = prepare(c, sql, &w, n, &q);
    if (e == OK)
        e = settle(c);
    if (e != OK)
        return e;
    PGresult *r = PQexecPrepared(c->db, name, (int)n, w.values, w.lengths, w.formats, 1);
    uint64_t changed = 0;
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        e = failed(c, r, store_statement(sql)->name);
    else if (str_to_u64(str_c(PQcmdTuples(r)), INT64_MAX, &changed))
        *ret_changed = (int64_t)changed;
    PQclear(r);
    return e;
}

/* Not more at once than fits the sockets' buffers: libpq would wait for room to send, and the
 * server for room to answer. */
static enum err pg_put(struct store_conn *conn, unsigned sql, const struct store_param *params,
                       unsigned n)
{
    struct pg_conn *c = of(conn);
    struct pg_query *q = NULL;
    struct wire w;
    char name[16];
    wire_of(params, n, &w);
    name_of(sql, name);
    enum err e = prepare(c, sql, &w, n, &q);
    if (e == OK)
        e = make_way(c);
    if (e == OK && c->piped == 0 && PQenterPipelineMode(c->db) != 1)
        e = failed(c, NULL, "pipeline");
    if (e != OK)
        return e;
    if (PQsendQueryPrepared(c->db, name, (int)n, w.values, w.lengths, w.formats, 1) != 1)
        return failed(c, NULL, store_statement(sql)->name);
    c->piped++;
    return c->piped >= PIPELINE_MAX ? end_pipeline(c) : OK;
}

static const struct pg_query *query_of(const struct store_query *base)
{
    const struct pg_query *q = (const struct pg_query *)base;
    must(q->row != NULL);
    return q;
}

static bool pg_is_null(const struct store_query *base, int column)
{
    return PQgetisnull(query_of(base)->row, 0, column) != 0;
}

static int64_t pg_i64(const struct store_query *base, int column)
{
    const PGresult *row = query_of(base)->row;
    if (PQgetisnull(row, 0, column))
        return 0;
    const uint8_t *p = (const uint8_t *)PQgetvalue(row, 0, column);
    int n = PQgetlength(row, 0, column);
    must(n == 1 || n == 2 || n == 4 || n == 8);
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 8 | p[i];
    unsigned unused = 64 - 8 * (unsigned)n;
    return (int64_t)(v << unused) >> unused;
}

static struct str pg_str(const struct store_query *base, int column)
{
    const PGresult *row = query_of(base)->row;
    return str_of(PQgetvalue(row, 0, column), (size_t)PQgetlength(row, 0, column));
}

/* ---------------------------------------------------------------- connections */

static enum err set_up(struct pg_conn *c)
{
    PGresult *r = NULL;
    /* "off" and "local" promise less than the house does; what promises more stays. */
    enum err e = say_text(
        c,
        "SELECT CASE WHEN current_setting('synchronous_commit') IN ('off') THEN"
        " set_config('synchronous_commit', 'on', false) END,"
        " set_config('TimeZone', 'UTC', false), set_config('standard_conforming_strings', 'on',"
        " false), set_config('client_min_messages', 'warning', false),"
        " set_config('lock_timeout', '10s', false)",
        &r);
    PQclear(r);
    return e;
}

static void forget_prepared(struct pg_conn *c)
{
    for (size_t i = 0; i < STORE_SQL_MAX; i++)
        c->queries[i].prepared = false;
    c->arriving = NULL;
    c->piped = 0;
}

static void on_notice(void *arg, const PGresult *r)
{
    (void)arg;
    (void)r;
}

static enum err dial(struct pg_conn *c)
{
    const char *url = c->base.store->url;
    const char *const keys[] = {"dbname",
                                "fallback_application_name",
                                "client_encoding",
                                "connect_timeout",
                                "tcp_user_timeout",
                                "keepalives_idle",
                                NULL};
    const char *const values[] = {url, "tollgate", "UTF8", "5", "15000", "10", NULL};
    PQfinish(c->db);
    c->db = PQconnectdbParams(keys, values, 1);
    must(c->db != NULL);
    forget_prepared(c);
    PQsetNoticeReceiver(c->db, on_notice, NULL);
    if (PQstatus(c->db) != CONNECTION_OK) {
        enum err e = failed(c, NULL, "connect");
        return e;
    }
    return set_up(c);
}

static void pg_disconnect(struct store_conn *conn)
{
    struct pg_conn *c = of(conn);
    for (size_t i = 0; i < STORE_SQL_MAX; i++)
        mem_free(c->queries[i].kept);
    PQfinish(c->db);
    mem_free(conn->ends);
    mem_free(c);
}

static enum err pg_connect(struct store *store, enum store_role role, struct store_conn **ret_conn,
                           char why[STORE_WHY_MAX])
{
    struct pg_conn *c = mem_zalloc(sizeof(*c));
    c->base.store = store;
    c->base.engine = &store_postgres;
    c->base.role = role;
    enum err e = dial(c);
    if (e == OK) {
        *ret_conn = &c->base;
        return OK;
    }
    (void)store_say(why, e, "PostgreSQL cannot be reached: %s", c->base.why);
    pg_disconnect(&c->base);
    return e;
}

/* ---------------------------------------------------------------- transactions */

static enum err begin_write(struct pg_conn *c)
{
    char text[160];
    const char *epoch = c->base.store->epoch;
    PGresult *r = NULL;
    snprintf(text, sizeof(text), "BEGIN; SELECT pg_current_xact_id()::text%s",
             epoch[0] != '\0' ? ", (SELECT value FROM house WHERE name = 'epoch')" : "");
    enum err e = say_text(c, text, &r);
    if (e != OK)
        return e;
    snprintf(c->xid, sizeof(c->xid), "%s", PQgetvalue(r, 0, 0));
    if (epoch[0] != '\0' && strcmp(PQgetvalue(r, 0, 1), epoch) != 0)
        store_die("another process owns this house in PostgreSQL now, so this one ends");
    PQclear(r);
    return OK;
}

static enum err begin_read(struct pg_conn *c)
{
    char text[256];
    int64_t ms = 0;
    if (c->base.deadline_us != 0)
        ms = (c->base.deadline_us - clock_mono_us()) / US_PER_MS + 1;
    snprintf(text, sizeof(text),
             "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
             "SET LOCAL statement_timeout = %lld;"
             "SET LOCAL idle_in_transaction_session_timeout = %lld",
             (long long)ms, (long long)ms);
    return say_text(c, text, NULL);
}

static enum err pg_begin(struct store_conn *conn)
{
    struct pg_conn *c = of(conn);
    conn->broken = OK;
    conn->aborted = false;
    if (conn->role != STORE_WRITER)
        return begin_read(c); /* the pool makes dead ones anew */
    enum err e = PQstatus(c->db) == CONNECTION_OK ? begin_write(c) : ERR_STORE_BUSY;
    /* That a connection died while it was idle is heard now; nothing was asked of it yet. */
    if (e != OK && PQstatus(c->db) == CONNECTION_BAD) {
        conn->aborted = false;
        e = dial(c);
        e = e == OK ? begin_write(c) : ERR_STORE_BUSY;
    }
    return e;
}

static void pg_rollback(struct store_conn *conn)
{
    struct pg_conn *c = of(conn);
    must(conn->queries == 0);
    (void)end_pipeline(c);
    if (PQstatus(c->db) == CONNECTION_BAD)
        conn->aborted = true;
    else if (PQtransactionStatus(c->db) != PQTRANS_IDLE && say_text(c, "ROLLBACK", NULL) != OK)
        conn->aborted = true;
    conn->broken = OK;
}

/* The connection broke while COMMIT was on its way: asks what became of the transaction. */
static enum err outcome(struct pg_conn *c)
{
    char text[128], status[32] = "";
    int64_t until_us = clock_mono_us() + OUTCOME_US;
    snprintf(text, sizeof(text), "SELECT pg_xact_status('%s'::xid8)", c->xid);
    while (clock_mono_us() < until_us) {
        enum err e = PQstatus(c->db) == CONNECTION_BAD ? dial(c) : OK;
        if (e == OK)
            e = say_one(c, text, status, sizeof(status));
        if (e == OK && strcmp(status, "committed") == 0)
            return OK;
        if (e == OK && strcmp(status, "aborted") == 0)
            return store_say(c->base.why, ERR_STORE_BUSY,
                             "the connection to PostgreSQL was lost, nothing was committed");
        usleep(50000);
    }
    store_die("the connection to PostgreSQL was lost during a commit, and for a minute its outcome "
              "could not be asked for (%s); what is true is found out at the next start",
              c->base.why);
}

static enum err pg_commit(struct store_conn *conn)
{
    struct pg_conn *c = of(conn);
    PGresult *r = NULL;
    must(conn->queries == 0);
    enum err e = settle(c);
    if (conn->broken != OK)
        e = conn->broken;
    if (e == OK) {
        store_fault_here(STORE_FAULT_COMMIT_BEFORE);
        e = say_text(c, "COMMIT", &r);
        if (e == OK && strcmp(PQcmdStatus(r), "COMMIT") != 0)
            e = store_say(conn->why, ERR_STORE, "the transaction had failed before its commit");
        PQclear(r);
        if (e != OK && PQstatus(c->db) == CONNECTION_BAD && conn->role == STORE_WRITER)
            e = outcome(c);
        if (e == OK)
            store_fault_here(STORE_FAULT_COMMIT_AFTER);
    }
    if (e != OK)
        pg_rollback(conn);
    return e;
}

static enum err pg_mark(struct store_conn *conn)
{
    return say_text(of(conn), "SAVEPOINT one", NULL);
}

static enum err pg_mark_keep(struct store_conn *conn)
{
    return say_text(of(conn), "RELEASE one", NULL);
}

static enum err pg_mark_back(struct store_conn *conn)
{
    /* What is still in the pipeline belongs to what is taken back. */
    (void)end_pipeline(of(conn));
    if (conn->aborted)
        return conn->broken != OK ? conn->broken : ERR_STORE_BUSY;
    return say_text(of(conn), "ROLLBACK TO one; RELEASE one", NULL);
}

static enum err pg_exec(struct store_conn *conn, const char *text)
{
    enum err e = say_text(of(conn), text, NULL);
    if (e != OK && conn->role == STORE_WRITER && conn->broken == OK)
        conn->broken = e;
    return e;
}

static enum err pg_stamp(struct store_conn *conn, int version)
{
    (void)conn;
    (void)version;
    return OK;
}

static enum err pg_has_table(struct store_conn *conn, const char *table, bool *ret_there)
{
    char text[192], value[32];
    snprintf(text, sizeof(text),
             "SELECT count(*) FROM pg_class WHERE relname = '%s' AND relkind = 'r'"
             " AND relnamespace = current_schema()::regnamespace",
             table);
    enum err e = say_one(of(conn), text, value, sizeof(value));
    if (e == OK)
        *ret_there = strcmp(value, "0") != 0;
    return e;
}

/* ---------------------------------------------------------------- is it ours? */

static enum err look_at_server(struct pg_conn *c, char why[STORE_WHY_MAX])
{
    char value[64];
    if (PQserverVersion(c->db) < SERVER_OLDEST)
        return store_say(why, ERR_STORE, "PostgreSQL %d is too old: 15 or newer is needed.",
                         PQserverVersion(c->db) / 10000);
    enum err e = say_one(c, "SHOW server_encoding", value, sizeof(value));
    if (e == OK && strcmp(value, "UTF8") != 0)
        return store_say(why, ERR_STORE,
                         "The database's encoding is %s: make it anew with ENCODING 'UTF8'.",
                         value);
    if (e == OK)
        e = say_one(c, "SHOW fsync", value, sizeof(value));
    /* A server for tests may do without. */
    if (e == OK && strcmp(value, "on") != 0 && getenv("TOLLGATE_TEST_POSTGRES") == NULL)
        return store_say(why, ERR_STORE,
                         "PostgreSQL runs with fsync = off, so nothing would be durable: set it "
                         "on.");
    if (e == OK)
        e = say_one(c, "SHOW transaction_read_only", value, sizeof(value));
    if (e == OK && strcmp(value, "off") != 0)
        return store_say(why, ERR_STORE_READONLY,
                         "The database is read-only (a standby?): give the primary's address.");
    return e;
}

static enum err look_inside(struct store *store, struct pg_conn *c, char why[STORE_WHY_MAX])
{
    char value[64];
    bool ours = false;
    enum err e = say_one(c, "SELECT current_schema()", value, sizeof(value));
    if (e == OK && value[0] == '\0')
        return store_say(why, ERR_STORE,
                         "The search_path of this user names no schema that "
                         "exists: create one.");
    if (e == OK)
        e = pg_has_table(&c->base, "house", &ours);
    if (e == OK)
        e = say_one(c,
                    "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'v', 'm', 'p')"
                    " AND relnamespace = current_schema()::regnamespace",
                    value, sizeof(value));
    if (e != OK || ours)
        return e;
    if (strcmp(value, "0") != 0)
        return store_say(why, ERR_STORE_FOREIGN,
                         "The database %s has tables of another program. Nothing was changed; give "
                         "an empty database.",
                         PQdb(c->db));
    if (!store->options.may_create)
        return store_say(why, ERR_NOT_FOUND, "The database %s is empty: there is no house in it.",
                         PQdb(c->db));
    return OK;
}

/* The server may not have noticed yet that an owner who died is gone: it is asked for a while. */
static enum err take_lock(struct pg_conn *c, char why[STORE_WHY_MAX])
{
    char value[8] = "";
    enum err e = OK;
    for (int i = 0; e == OK && i < LOCK_TRIES && strcmp(value, "t") != 0; i++) {
        if (i != 0)
            usleep(LOCK_AGAIN_US);
        e = say_one(c, "SELECT pg_try_advisory_lock(" HOUSE_LOCK ")", value, sizeof(value));
    }
    if (e == OK && strcmp(value, "t") != 0)
        return store_say(why, ERR_HOUSE_OWNED,
                         "The house in the database %s is owned by another process. Stop that one "
                         "first.",
                         PQdb(c->db));
    return e;
}

static enum err pg_attach(struct store *store, char why[STORE_WHY_MAX])
{
    struct pg_state *st = mem_zalloc(sizeof(*st));
    struct store_conn *conn = NULL;
    store->engine_state = st;
    enum err e = pg_connect(store, STORE_KEEPER, &conn, why);
    if (e != OK)
        return e;
    st->keeper = of(conn);
    snprintf(store->name, sizeof(store->name), "PostgreSQL database %s", PQdb(st->keeper->db));
    e = look_at_server(st->keeper, why);
    if (e == OK)
        e = take_lock(st->keeper, why);
    if (e == OK)
        e = look_inside(store, st->keeper, why);
    if (e != OK && why[0] == '\0')
        (void)store_say(why, e, "%s", conn->why);
    return e;
}

static void pg_detach(struct store *store)
{
    struct pg_state *st = store->engine_state;
    if (st->keeper != NULL)
        pg_disconnect(&st->keeper->base);
    mem_free(st);
    store->engine_state = NULL;
}

/* ---------------------------------------------------------------- rounds, copies */

static int64_t pg_keep(struct store *store)
{
    struct pg_state *st = store->engine_state;
    if (say_text(st->keeper, "SELECT 1", NULL) != OK)
        store_die("the connection that holds the house's lock in PostgreSQL is lost (%s): another "
                  "process may own it now, so this one ends",
                  st->keeper->base.why);
    return KEEP_US;
}

static int64_t pg_wal_bytes(const struct store *store)
{
    (void)store;
    return 0;
}

static enum err pg_dump(struct store *store, const char *file, char why[STORE_WHY_MAX])
{
    struct store_conn *conn = NULL;
    enum err e = pg_connect(store, STORE_READER, &conn, why);
    if (e != OK)
        return e;
    e = pg_begin(conn);
    if (e == OK)
        e = postgres_copy_out(of(conn)->db, store->version, file, why);
    else
        (void)store_say(why, e, "%s", conn->why);
    pg_disconnect(conn);
    return e;
}

static enum err pg_load(struct store *store, const char *file, char why[STORE_WHY_MAX])
{
    struct store_conn *conn = NULL;
    int version = 0;
    enum err e = postgres_copy_version(file, &version, why);
    if (e == OK)
        e = pg_connect(store, STORE_WRITER, &conn, why);
    if (e != OK)
        return e;
    e = store_migrate_to(store, conn, version, clock_wall_us(), why);
    if (e == OK) {
        e = pg_begin(conn);
        if (e == OK)
            e = postgres_copy_in(of(conn)->db, file, why);
        if (e == OK)
            e = pg_commit(conn);
        if (e != OK && why[0] == '\0')
            (void)store_say(why, e, "%s", conn->why);
    }
    pg_disconnect(conn);
    return e;
}

const struct store_engine store_postgres = {
    .name = "postgresql",
    .attach = pg_attach,
    .detach = pg_detach,
    .connect = pg_connect,
    .disconnect = pg_disconnect,
    .stamp = pg_stamp,
    .has_table = pg_has_table,
    .exec = pg_exec,
    .begin = pg_begin,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .mark = pg_mark,
    .mark_keep = pg_mark_keep,
    .mark_back = pg_mark_back,
    .start = pg_start,
    .run = pg_run,
    .put = pg_put,
    .step = pg_step,
    .finish = pg_finish,
    .is_null = pg_is_null,
    .i64 = pg_i64,
    .str = pg_str,
    .keep = pg_keep,
    .wal_bytes = pg_wal_bytes,
    .dump = pg_dump,
    .load = pg_load,
};

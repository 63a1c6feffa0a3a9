/* Opening and closing a house, readers, and queries as callers know them; engines do the rest. */
#include "store/store.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "base/thread.h"
#include "store/engine.h"
#include "store/fault.h"
#include "store/redo.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define READER_WAIT_US (5 * US_PER_S)
#define READER_US (60 * US_PER_S)
#define READERS_MOST 64

struct store_pool {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct store_conn *idle[READERS_MOST];
    size_t idle_n, made, max;
};

/* Does the engine's rounds: checkpoints, a look at the lock. */
struct store_keeper {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool soon, stop;
};

static struct sql_statement extra[STORE_SQL_EXTRA];

/* ---------------------------------------------------------------- words */

enum err store_say(char why[STORE_WHY_MAX], enum err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, STORE_WHY_MAX, fmt, ap);
    va_end(ap);
    return e;
}

void store_die(const char *fmt, ...)
{
    char why[STORE_WHY_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    /* In one write, since other threads log to the same place. */
    dprintf(STDERR_FILENO, "tollgate: store: %s\n", why);
    abort();
}

/* ---------------------------------------------------------------- readers */

static void cond_init_mono(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    must(pthread_condattr_init(&attr) == 0);
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(cond, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

static struct timespec timespec_of(int64_t mono_us)
{
    return (struct timespec){.tv_sec = mono_us / US_PER_S, .tv_nsec = mono_us % US_PER_S * 1000};
}

static struct store_pool *pool_new(size_t max)
{
    struct store_pool *pool = mem_zalloc(sizeof(*pool));
    pool->max = max < READERS_MOST ? max : READERS_MOST;
    must(pthread_mutex_init(&pool->lock, NULL) == 0);
    cond_init_mono(&pool->freed);
    return pool;
}

static void pool_free(struct store *store)
{
    struct store_pool *pool = store->pool;
    must(pool->idle_n == pool->made);
    while (pool->idle_n != 0)
        store->engine->disconnect(pool->idle[--pool->idle_n]);
    pthread_cond_destroy(&pool->freed);
    pthread_mutex_destroy(&pool->lock);
    mem_free(pool);
    store->pool = NULL;
}

/* An idle connection, or NULL and the right to make one; BUSY when neither comes in time. */
static enum err pool_take(struct store_pool *pool, struct store_conn **ret_conn)
{
    struct timespec until = timespec_of(clock_mono_us() + READER_WAIT_US);
    enum err e = OK;
    pthread_mutex_lock(&pool->lock);
    while (pool->idle_n == 0 && pool->made == pool->max && e == OK)
        if (pthread_cond_timedwait(&pool->freed, &pool->lock, &until) == ETIMEDOUT)
            e = ERR_STORE_BUSY;
    if (pool->idle_n != 0) {
        *ret_conn = pool->idle[--pool->idle_n];
        e = OK;
    } else if (e == OK) {
        *ret_conn = NULL;
        pool->made++;
    }
    pthread_mutex_unlock(&pool->lock);
    return e;
}

/* conn NULL: it does not exist any more. */
static void pool_give(struct store_pool *pool, struct store_conn *conn)
{
    pthread_mutex_lock(&pool->lock);
    if (conn != NULL)
        pool->idle[pool->idle_n++] = conn;
    else
        pool->made--;
    pthread_cond_signal(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
}

enum err store_reader_begin_for(struct store *store, int64_t most_us, struct store_conn **ret_conn)
{
    struct store_conn *conn = NULL;
    enum err e = pool_take(store->pool, &conn);
    if (e != OK)
        return e;
    bool fresh = conn == NULL;
    for (;;) {
        if (conn == NULL) {
            char why[STORE_WHY_MAX];
            e = store->engine->connect(store, STORE_READER, &conn, why);
            if (e != OK) {
                pool_give(store->pool, NULL);
                return e;
            }
        }
        conn->broken = OK;
        conn->deadline_us = most_us > 0 ? clock_mono_us() + most_us : 0;
        e = store->engine->begin(conn);
        if (e == OK)
            break;
        /* An old connection may have died in the pool: one new one is tried. */
        store->engine->disconnect(conn);
        conn = NULL;
        if (fresh) {
            pool_give(store->pool, NULL);
            return e;
        }
        fresh = true;
    }
    *ret_conn = conn;
    return OK;
}

enum err store_reader_begin(struct store *store, struct store_conn **ret_conn)
{
    return store_reader_begin_for(store, READER_US, ret_conn);
}

void store_reader_end(struct store_conn **ref)
{
    struct store_conn *conn = *ref;
    if (conn == NULL)
        return;
    *ref = NULL;
    must(conn->role == STORE_READER && conn->queries == 0);
    struct store *store = conn->store;
    conn->deadline_us = 0;
    conn->aborted = false;
    store->engine->rollback(conn);
    if (conn->aborted) {
        store->engine->disconnect(conn);
        conn = NULL;
    }
    pool_give(store->pool, conn);
}

/* ---------------------------------------------------------------- the keeper's thread */

static void *keeper_main(void *arg)
{
    struct store *store = arg;
    struct store_keeper *k = store->keeper;
    thread_name("tg-keeper");
    thread_be_patient(); /* a checkpoint is a millisecond and more at a time */
    pthread_mutex_lock(&k->lock);
    while (!k->stop) {
        k->soon = false;
        pthread_mutex_unlock(&k->lock);
        int64_t next_us = store->engine->keep(store);
        pthread_mutex_lock(&k->lock);
        struct timespec until = timespec_of(clock_mono_us() + next_us);
        while (!k->soon && !k->stop)
            if (pthread_cond_timedwait(&k->wake, &k->lock, &until) == ETIMEDOUT)
                break;
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

static void keeper_start(struct store *store)
{
    struct store_keeper *k = mem_zalloc(sizeof(*k));
    must(pthread_mutex_init(&k->lock, NULL) == 0);
    cond_init_mono(&k->wake);
    store->keeper = k;
    must(pthread_create(&k->thread, NULL, keeper_main, store) == 0);
}

static void keeper_stop(struct store *store)
{
    struct store_keeper *k = store->keeper;
    if (k == NULL)
        return;
    pthread_mutex_lock(&k->lock);
    k->stop = true;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->lock);
    mem_free(k);
    store->keeper = NULL;
}

void store_keep_soon(struct store *store)
{
    struct store_keeper *k = store->keeper;
    if (k == NULL)
        return;
    pthread_mutex_lock(&k->lock);
    k->soon = true;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
}

/* ---------------------------------------------------------------- opening and closing */

struct store *store_new(const struct store_options *options, char why[STORE_WHY_MAX])
{
    static const struct {
        const char *scheme;
        const struct store_engine *engine;
    } engines[] = {
        {"sqlite:", &store_sqlite},
        {"postgresql://", &store_postgres},
        {"postgres://", &store_postgres},
    };
    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        if (!str_starts(str_c(options->url), str_c(engines[i].scheme)))
            continue;
        struct store *store = mem_zalloc(sizeof(*store));
        store->engine = engines[i].engine;
        store->url = mem_dup(options->url, strlen(options->url));
        store->data_dir = mem_dup(options->data_dir, strlen(options->data_dir));
        store->options = *options;
        store->options.url = store->url;
        store->options.data_dir = store->data_dir;
        store->lock_fd = -1;
        store->version = -1;
        return store;
    }
    /* The address may carry a password: only its scheme is shown. */
    (void)store_say(why, OK,
                    "The database's address must begin with sqlite:PATH or postgresql://, "
                    "and this one does not.");
    return NULL;
}

void store_free(struct store *store)
{
    if (store->pool != NULL)
        pool_free(store);
    if (store->engine_state != NULL)
        store->engine->detach(store);
    store_house_leave(store);
    mem_wipe(store->secrets, sizeof(store->secrets));
    mem_wipe(store->url, strlen(store->url));
    mem_free(store->url);
    mem_free(store->data_dir);
    mem_free(store);
}

static enum err fail(struct store_conn *conn, char why[STORE_WHY_MAX], enum err e)
{
    if (conn->why[0] != '\0')
        snprintf(why, STORE_WHY_MAX, "%s", conn->why);
    return e;
}

/* Secrets are read or made, and the epoch moves on: what an earlier owner still has on its way
 * can be told from ours. */
static enum err settle_in(struct store *store, struct store_conn *conn, char why[STORE_WHY_MAX])
{
    enum err e = store->engine->begin(conn);
    if (e != OK)
        return fail(conn, why, e);
    e = store_house_secrets(store, conn, why);
    if (e != OK) {
        store->engine->rollback(conn);
        return e;
    }
    uint8_t random[16];
    char epoch[33];
    crypto_random(random, sizeof(random));
    (void)crypto_hex(random, sizeof(random), epoch);
    e = store_run(conn, SQL_HOUSE_SET, NULL, "tt", STR("epoch"), str_c(epoch));
    if (e == OK)
        e = store->engine->commit(conn);
    else
        store->engine->rollback(conn);
    if (e != OK)
        return fail(conn, why, e);
    memcpy(store->epoch, epoch, sizeof(epoch));
    return OK;
}

enum err store_open(const struct store_options *options, struct store **ret_store,
                    char ret_why[STORE_WHY_MAX])
{
    ret_why[0] = '\0';
    struct store *store = store_new(options, ret_why);
    if (store == NULL)
        return ERR_INVALID_REQUEST;
    struct store_conn *conn = NULL;
    enum err e = store_house_take(store, ret_why);
    if (e == OK)
        e = store->engine->attach(store, ret_why);
    if (e == OK)
        e = store->engine->connect(store, STORE_WRITER, &conn, ret_why);
    if (e == OK)
        e = store_migrate(store, conn, clock_wall_us(), ret_why);
    if (e == OK)
        e = settle_in(store, conn, ret_why);
    if (e != OK) {
        if (ret_why[0] == '\0')
            (void)store_say(ret_why, e, "The database cannot be opened: %s.", err_info(e)->meaning);
        if (conn != NULL)
            store->engine->disconnect(conn);
        store_free(store);
        return e;
    }
    store->pool = pool_new(options->readers_max != 0 ? options->readers_max : 8);
    store->writer = store_writer_new(store, conn);
    keeper_start(store);
    *ret_store = store;
    return OK;
}

void store_close(struct store **ref)
{
    struct store *store = *ref;
    if (store == NULL)
        return;
    *ref = NULL;
    store_writer_free(&store->writer);
    keeper_stop(store);
    /* So that the next start finds nothing to do. */
    if (store->redo != NULL) {
        uint64_t mark = store_redo_mark(store->redo);
        store->engine->sync(store);
        store_redo_release(store->redo, mark);
    }
    store_free(store);
}

bool store_has_redo(const struct store *store)
{
    return store->redo != NULL;
}

enum err store_redo_each(struct store_conn *conn, enum err (*fn)(void *arg, struct str entry),
                         void *arg)
{
    struct store_redo *redo = conn->store->redo;
    return redo != NULL ? store_redo_found(redo, fn, arg) : OK;
}

bool store_is_postgres(const struct store *store)
{
    return store->engine == &store_postgres;
}

const char *store_data_dir(const struct store *store)
{
    return store->data_dir;
}

int store_version(const struct store *store)
{
    return store->version;
}

bool store_is_full(const struct store *store)
{
    return atomic_load_explicit(&store->full, memory_order_relaxed);
}

struct store_counts store_counts(struct store *store)
{
    struct store_counts counts = {0};
    store_writer_counts(store->writer, &counts);
    counts.wal_bytes = store->engine->wal_bytes(store);
    return counts;
}

enum err store_secret(const struct store *store, const char *name, uint8_t ret_key[32],
                      char ret_why[STORE_WHY_MAX])
{
    for (size_t i = 0; i < STORE_SECRETS; i++) {
        if (strcmp(name, store_secret_names[i]) == 0) {
            memcpy(ret_key, store->secrets[i], 32);
            return OK;
        }
    }
    return store_say(ret_why, ERR_NOT_FOUND, "The house has no secret called %s.", name);
}

/* ---------------------------------------------------------------- queries */

const struct sql_statement *store_statement(unsigned sql)
{
    must(sql < STORE_SQL_MAX);
    return sql < SQL__COUNT ? &sql_statements[sql] : &extra[sql - SQL__COUNT];
}

unsigned store_statement_extra(unsigned slot, const struct sql_statement *statement)
{
    must(slot < STORE_SQL_EXTRA);
    extra[slot] = *statement;
    return SQL__COUNT + slot;
}

static struct store_param param_of(char type, va_list *ap)
{
    struct store_param p = {.kind = STORE_INT};
    const int64_t *maybe = NULL;
    switch (type) {
    case 'i': p.i = va_arg(*ap, int64_t); break;
    case 'n': p.i = va_arg(*ap, struct nano).v; break;
    case 'I':
        maybe = va_arg(*ap, const int64_t *);
        p.null = maybe == NULL;
        p.i = maybe != NULL ? *maybe : 0;
        break;
    case 't':
    case 'T':
    case 'b':
    case 'B':
        p.kind = type == 't' || type == 'T' ? STORE_TEXT : STORE_BYTES;
        p.s = va_arg(*ap, struct str);
        p.null = (type == 'T' || type == 'B') && p.s.p == NULL;
        if (p.s.p == NULL)
            p.s = STR("");
        break;
    default: must_fail(__FILE__, __LINE__, "the parameter type is known");
    }
    return p;
}

/* A mismatch between a call and its statement is a bug, found at its first run. */
static unsigned params_of(unsigned sql, const char *types, va_list *ap,
                          struct store_param params[STORE_PARAMS_MAX])
{
    unsigned n = 0;
    for (; types[n] != '\0'; n++) {
        must(n < STORE_PARAMS_MAX);
        params[n] = param_of(types[n], ap);
    }
    must(n == store_statement(sql)->params);
    return n;
}

/* May this connection be asked now? */
static enum err ready(struct store_conn *conn)
{
    if (UNLIKELY(conn->broken != OK))
        return conn->broken;
    if (conn->role == STORE_WRITER)
        store_fault_here(STORE_FAULT_WRITE);
    else if (conn->deadline_us != 0 && clock_mono_us() > conn->deadline_us)
        return store_say(conn->why, ERR_STORE_BUSY, "This reader has held its snapshot too long.");
    return OK;
}

/* What fails in a write transaction fails it as a whole. */
static enum err noted(struct store_conn *conn, enum err e)
{
    if (UNLIKELY(e != OK && e != ERR_END && conn->role == STORE_WRITER && conn->broken == OK))
        conn->broken = e;
    return e;
}

enum err store_start(struct store_conn *conn, enum sql_id sql, struct store_query **ret_query,
                     const char *types, ...)
{
    struct store_param params[STORE_PARAMS_MAX];
    enum err e = ready(conn);
    if (e != OK)
        return e;
    va_list ap;
    va_start(ap, types);
    unsigned n = params_of((unsigned)sql, types, &ap, params);
    va_end(ap);
    e = conn->engine->start(conn, (unsigned)sql, params, n, ret_query);
    if (e == OK)
        conn->queries++;
    return noted(conn, e);
}

enum err store_step(struct store_query *q)
{
    struct store_conn *conn = q->conn;
    must(q->open);
    if (UNLIKELY(conn->broken != OK))
        return conn->broken;
    return noted(conn, conn->engine->step(q));
}

void store_finish(struct store_query **ref)
{
    struct store_query *q = *ref;
    if (q == NULL)
        return;
    *ref = NULL;
    must(q->open && q->conn->queries != 0);
    q->conn->queries--;
    q->conn->engine->finish(q);
}

enum err store_run(struct store_conn *conn, enum sql_id sql, int64_t *ret_changed,
                   const char *types, ...)
{
    struct store_param params[STORE_PARAMS_MAX];
    enum err e = ready(conn);
    if (e != OK)
        return e;
    va_list ap;
    va_start(ap, types);
    unsigned n = params_of((unsigned)sql, types, &ap, params);
    va_end(ap);
    int64_t changed = 0;
    e = noted(conn, conn->engine->run(conn, (unsigned)sql, params, n, &changed));
    if (e == OK && ret_changed != NULL)
        *ret_changed = changed;
    return e;
}

void store_put(struct store_conn *conn, enum sql_id sql, const char *types, ...)
{
    struct store_param params[STORE_PARAMS_MAX];
    if (ready(conn) != OK)
        return;
    va_list ap;
    va_start(ap, types);
    unsigned n = params_of((unsigned)sql, types, &ap, params);
    va_end(ap);
    must(conn->role == STORE_WRITER);
    (void)noted(conn, conn->engine->put(conn, (unsigned)sql, params, n));
}

bool store_is_null(const struct store_query *q, int column)
{
    return q->conn->engine->is_null(q, column);
}

int64_t store_i64(const struct store_query *q, int column)
{
    return q->conn->engine->i64(q, column);
}

struct nano store_nano(const struct store_query *q, int column)
{
    return NANO(q->conn->engine->i64(q, column));
}

struct str store_str(const struct store_query *q, int column)
{
    return q->conn->engine->str(q, column);
}

const char *store_why(const struct store_conn *conn)
{
    return conn->why;
}

void store_on_end(struct store_conn *conn, void (*fn)(void *arg, bool committed), void *arg)
{
    must(conn->role == STORE_WRITER);
    if (conn->ends_n == conn->ends_cap) {
        conn->ends_cap = conn->ends_cap != 0 ? 2 * conn->ends_cap : 16;
        conn->ends = mem_realloc(conn->ends, conn->ends_cap * sizeof(conn->ends[0]));
    }
    conn->ends[conn->ends_n++] = (struct store_end){fn, arg};
}

void store_conn_ended(struct store_conn *conn, size_t from, bool committed)
{
    for (size_t i = from; i < conn->ends_n; i++)
        conn->ends[i].fn(conn->ends[i].arg, committed);
    conn->ends_n = from;
}

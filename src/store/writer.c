/* The writer: the one thread that writes.
 *
 *      loops ── poke ──►  batch of the source   one entry of the redo log, who waits is told
 *                         its tables            behind it, when they are due, without an fsync
 * workers ── queue ─►  control closures      between batches, several in one transaction
 *
 * Without a redo log a batch is a transaction. Control closures find the tables as the batches
 * before them left them, and their commit makes all of that durable.
 *
 * Group commit: what arrives while a commit is on its way is in the next one. Nothing is waited for
 * here: who has records keeps them together as long as that is better (gateway/wire.c). */
#include "store/engine.h"
#include "store/redo.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CONTROLS_AT_ONCE 64
#define CONTROLS_US 2000
#define BUSY_AGAIN_US (50 * US_PER_MS)
#define FULL_AGAIN_US (1 * US_PER_S)
#define STOP_TRIES 100

enum wake { AWAKE, POKED, ASLEEP };

struct control {
    struct control *next;
    store_write_f fn;
    void (*done)(void *arg, enum err e);
    void *arg;
    size_t ends_from; /* where its store_on_end entries begin */
    enum err result;
    bool ours; /* allocated here */
};

/* Commit times by halves of powers of two would be too coarse for a p99: eighths. */
#define EIGHTHS 8
#define TIMES (28 * EIGHTHS)

struct store_writer {
    struct store *store;
    struct store_conn *conn;
    pthread_t thread;
    _Atomic uint32_t wake;
    _Atomic bool stop;

    pthread_mutex_t lock; /* the queue */
    struct control *first, **last;
    _Atomic uint64_t queue;
    const struct store_source *next_source;
    _Atomic bool changing;
    pthread_cond_t changed;

    /* Of the thread alone. */
    struct store_source source;
    bool has_source, had_source;
    struct str entry; /* packed, and not yet durable */
    size_t entry_records;
    bool entry_waits;
    struct buf kept; /* the entry, when it has to outlive what it was packed into */
    bool tables_wait; /* entries are durable that the tables do not have */
    bool may_breathe; /* the tables are being written, and can wait for a batch */
    int64_t batch_again_us, tables_again_us, space_us;
    unsigned tries;
    struct store_ballast ballast;
    bool ballast_asked;

    _Atomic uint64_t commits, records;
    _Atomic int64_t longest_us;
    _Atomic uint64_t times[TIMES];
};

/* ---------------------------------------------------------------- waking */

static void futex_wait(_Atomic uint32_t *word, uint32_t value, int64_t us)
{
    struct timespec ts = {.tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * 1000};
    (void)syscall(SYS_futex, (uintptr_t)word, FUTEX_WAIT_PRIVATE, value, us >= 0 ? &ts : NULL, NULL,
                  0);
}

static void poke(struct store_writer *w)
{
    if (atomic_exchange(&w->wake, POKED) == ASLEEP)
        (void)syscall(SYS_futex, (uintptr_t)&w->wake, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void store_poke(struct store *store)
{
    poke(store->writer);
}

static void sleep_until(struct store_writer *w, int64_t until_us)
{
    uint32_t awake = AWAKE;
    int64_t us = until_us == INT64_MAX ? -1 : until_us - clock_mono_us();
    if (until_us != INT64_MAX && us <= 0)
        return;
    if (atomic_compare_exchange_strong(&w->wake, &awake, ASLEEP))
        futex_wait(&w->wake, ASLEEP, us);
}

/* ---------------------------------------------------------------- counting */

static unsigned slot_of(int64_t us)
{
    uint64_t v = us > 0 ? (uint64_t)us : 0;
    if (v < EIGHTHS)
        return (unsigned)v;
    unsigned top = 63 - (unsigned)__builtin_clzll(v);
    unsigned slot = (top - 2) * EIGHTHS + (unsigned)((v >> (top - 3)) & (EIGHTHS - 1));
    return slot < TIMES ? slot : TIMES - 1;
}

/* The upper end of a slot. */
static int64_t us_of(unsigned slot)
{
    if (slot < EIGHTHS)
        return slot;
    unsigned top = slot / EIGHTHS + 2;
    return ((int64_t)1 << top) + (int64_t)(slot % EIGHTHS + 1) * ((int64_t)1 << (top - 3)) - 1;
}

static void count_commit(struct store_writer *w, int64_t us, size_t records)
{
    atomic_fetch_add_explicit(&w->commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->records, records, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->times[slot_of(us)], 1, memory_order_relaxed);
    if (us > atomic_load_explicit(&w->longest_us, memory_order_relaxed))
        atomic_store_explicit(&w->longest_us, us, memory_order_relaxed);
}

static int64_t share_of(const struct store_writer *w, uint64_t all, unsigned percent)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < TIMES; i++) {
        sum += atomic_load_explicit(&w->times[i], memory_order_relaxed);
        if (sum != 0 && sum * 100 >= all * percent)
            return us_of(i);
    }
    return 0;
}

void store_writer_counts(const struct store_writer *w, struct store_counts *counts)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < TIMES; i++)
        all += atomic_load_explicit(&w->times[i], memory_order_relaxed);
    counts->commits = atomic_load_explicit(&w->commits, memory_order_relaxed);
    counts->records = atomic_load_explicit(&w->records, memory_order_relaxed);
    counts->commit_us_max = atomic_load_explicit(&w->longest_us, memory_order_relaxed);
    counts->commit_us_p50 = share_of(w, all, 50);
    counts->commit_us_p99 = share_of(w, all, 99);
    counts->queue = atomic_load_explicit(&w->queue, memory_order_relaxed);
}

/* ---------------------------------------------------------------- a full disk */

/* The ballast goes, so that what was dispatched can still be settled; no new call is let in. */
static void enter_full(struct store_writer *w)
{
    store_ballast_spend(&w->ballast);
    atomic_store(&w->store->full, true);
    w->space_us = clock_mono_us() + FULL_AGAIN_US;
    store_keep_soon(w->store);
}

/* Without a ballast (PostgreSQL's disk is elsewhere) a small write has to answer. */
static bool try_to_write(struct store_writer *w)
{
    const struct store_engine *engine = w->store->engine;
    if (engine->begin(w->conn) != OK)
        return false;
    if (store_run(w->conn, SQL_HOUSE_SET, NULL, "tt", STR("probe"), STR("")) == OK)
        return engine->commit(w->conn) == OK;
    engine->rollback(w->conn);
    return false;
}

static void look_for_space(struct store_writer *w, int64_t now_us)
{
    if (atomic_load(&w->store->no_room)) {
        atomic_store(&w->store->no_room, false);
        enter_full(w);
    }
    if (!store_is_full(w->store) || now_us < w->space_us)
        return;
    w->space_us = now_us + FULL_AGAIN_US;
    if (w->ballast.bytes != 0 ? store_ballast_take(&w->ballast) == OK : try_to_write(w))
        atomic_store(&w->store->full, false);
}

/* ---------------------------------------------------------------- the batch */

static bool is_due(const struct store_writer *w)
{
    return w->has_source && w->source.due != NULL && w->source.due(w->source.arg);
}

/* Without a redo log the tables are brought up by batches only. */
static bool is_pending(const struct store_writer *w)
{
    return w->entry_waits || (w->has_source && w->source.pending(w->source.arg)) ||
           (w->store->redo == NULL && is_due(w));
}

/* A transaction was not committed. Returns when to try again; ends the process where trying is no
 * use. */
static int64_t again_after(struct store_writer *w, enum err e, const char *what)
{
    bool had = w->ballast.there;
    if (e == ERR_STORE_FULL) {
        enter_full(w);
        return clock_mono_us() + (had ? 0 : FULL_AGAIN_US);
    }
    if (e != ERR_STORE_BUSY)
        store_die("%s cannot be written, so it ends before more is promised: %s", what,
                  w->conn->why[0] != '\0' ? w->conn->why : err_info(e)->meaning);
    return clock_mono_us() + BUSY_AGAIN_US;
}

/* What a commit that is durable makes durable: all that the tables have. */
static void release(struct store_writer *w)
{
    if (w->store->redo != NULL)
        store_redo_release(w->store->redo, store_redo_mark(w->store->redo));
}

/* ret_upto: the last entry that it has written. */
static enum err transact(struct store_writer *w, size_t *ret_records, uint64_t *ret_upto)
{
    const struct store_engine *engine = w->store->engine;
    enum err e = engine->begin(w->conn);
    if (e != OK)
        return e;
    *ret_upto = w->store->redo != NULL ? store_redo_last(w->store->redo) : 0;
    e = w->source.write(w->source.arg, w->conn, ret_records);
    if (e == OK)
        return engine->commit(w->conn);
    engine->rollback(w->conn);
    return e;
}

/* Everything that was packed goes into the tables; softly when the redo log has all of it. */
static enum err write_tables(struct store_writer *w, bool soft, size_t *ret_records)
{
    const struct store_engine *engine = w->store->engine;
    struct store_redo *redo = w->store->redo;
    uint64_t upto = 0;
    enum err e = soft ? engine->soften(w->conn, true) : OK;
    if (e == OK)
        e = transact(w, ret_records, &upto);
    if (soft && engine->soften(w->conn, false) != OK)
        store_die("commits cannot be made durable again: %s", w->conn->why);
    store_conn_ended(w->conn, 0, e == OK);
    if (e != OK) {
        w->source.failed(w->source.arg, e);
        return e;
    }
    if (redo != NULL) {
        store_redo_folded(redo, upto);
        w->tables_wait = store_redo_last(redo) != upto;
    }
    if (!soft)
        release(w);
    w->source.committed(w->source.arg);
    return OK;
}

/* END: there is no redo log, or it has no room. */
static enum err append_entry(struct store_writer *w)
{
    struct store_redo *redo = w->store->redo;
    enum err e = redo == NULL || !w->entry_waits ? ERR_END
                 : w->entry.n == 0               ? OK
                                                 : store_redo_append(redo, w->entry);
    if (e == OK) {
        w->tables_wait = w->tables_wait || w->entry.n != 0;
        if (store_redo_is_filling(redo))
            store_keep_soon(w->store);
    }
    return e;
}

/* By the redo log when there is one with room, else through the tables. */
static enum err write_entry(struct store_writer *w)
{
    size_t records = 0;
    if (append_entry(w) == OK)
        return OK;
    enum err e = write_tables(w, false, &records);
    if (!w->entry_waits)
        w->entry_records = records;
    return e;
}

static void pack(struct store_writer *w)
{
    w->entry = w->source.pack(w->source.arg, &w->entry_records);
    w->entry_waits = true;
}

static void is_durable(struct store_writer *w, int64_t begin_us)
{
    count_commit(w, clock_mono_us() - begin_us, w->entry_records);
    w->tries = 0;
    if (w->entry_waits) {
        w->entry_waits = false;
        w->source.packed(w->source.arg);
    }
}

static bool write_batch(struct store_writer *w)
{
    if (!is_pending(w) || clock_mono_us() < w->batch_again_us)
        return false;
    if (!w->entry_waits && w->source.pack != NULL)
        pack(w);
    int64_t begin_us = clock_mono_us();
    enum err e = write_entry(w);
    if (e != OK) {
        w->batch_again_us = again_after(w, e, "the journal");
        w->tries++;
        return false;
    }
    is_durable(w, begin_us);
    return true;
}

void store_breathe(struct store_conn *conn)
{
    struct store_writer *w = conn->store->writer;
    if (w == NULL || !w->may_breathe) /* NULL: the house is being opened */
        return;
    if (w->entry_waits || !w->source.pending(w->source.arg))
        return;
    int64_t begin_us = clock_mono_us();
    pack(w);
    if (append_entry(w) == OK) {
        is_durable(w, begin_us);
        return;
    }
    /* It waits for the end of the transaction, by which its bytes may have gone elsewhere. */
    buf_reset(&w->kept);
    buf_add(&w->kept, w->entry);
    w->entry = buf_str(&w->kept);
}

/* True when the tables have what the batches left before it was called. */
static bool bring_up_tables(struct store_writer *w, bool may_breathe)
{
    size_t records = 0;
    if (w->entry_waits || clock_mono_us() < w->tables_again_us)
        return false;
    w->may_breathe = may_breathe;
    enum err e = write_tables(w, true, &records);
    w->may_breathe = false;
    if (e != OK)
        w->tables_again_us = again_after(w, e, "a projection of the journal");
    return e == OK;
}

static bool write_due_tables(struct store_writer *w)
{
    return w->store->redo != NULL && is_due(w) && bring_up_tables(w, true);
}

/* True when the tables have all that is durable: most of it while batches go on, the rest alone. */
static bool catch_up_tables(struct store_writer *w)
{
    for (int round = 0; round < 2 && w->tables_wait; round++)
        if (!bring_up_tables(w, round == 0))
            return false;
    return !w->entry_waits;
}

/* ---------------------------------------------------------------- control writes */

static struct control *take_controls(struct store_writer *w)
{
    struct control *list = NULL, **tail = &list;
    pthread_mutex_lock(&w->lock);
    for (size_t n = 0; n < CONTROLS_AT_ONCE && w->first != NULL; n++) {
        *tail = w->first;
        tail = &w->first->next;
        w->first = w->first->next;
        *tail = NULL;
    }
    if (w->first == NULL)
        w->last = &w->first;
    pthread_mutex_unlock(&w->lock);
    return list;
}

static void put_back(struct store_writer *w, struct control *list)
{
    struct control **tail = &list;
    if (list == NULL)
        return;
    while (*tail != NULL)
        tail = &(*tail)->next;
    pthread_mutex_lock(&w->lock);
    *tail = w->first;
    if (w->first == NULL)
        w->last = tail;
    w->first = list;
    pthread_mutex_unlock(&w->lock);
}

static void done_with(struct store_writer *w, struct control *c, enum err e)
{
    struct control copy = *c;
    atomic_fetch_sub(&w->queue, 1);
    if (copy.ours)
        mem_free(c);
    if (copy.done != NULL)
        copy.done(copy.arg, e);
}

/* One closure inside the transaction, between savepoints, so that its error is its own. False when
 * the whole transaction is lost. */
static bool run_control(struct store_writer *w, struct control *c)
{
    const struct store_engine *engine = w->store->engine;
    c->ends_from = w->conn->ends_n;
    c->result = engine->mark(w->conn);
    if (c->result != OK)
        return false;
    c->result = c->fn(w->conn, c->arg);
    /* A closure that overlooked an error is not committed. */
    if (c->result == OK)
        c->result = w->conn->broken;
    if (c->result == OK)
        c->result = engine->mark_keep(w->conn);
    if (c->result == OK)
        return true;
    if (engine->mark_back(w->conn) != OK)
        return false;
    w->conn->broken = OK;
    store_conn_ended(w->conn, c->ends_from, false);
    return true;
}

/* Runs controls of the list in one transaction until one of them spoils it or money waits; what was
 * not run is put back. */
static enum err run_controls(struct store_writer *w, struct control **list)
{
    const struct store_engine *engine = w->store->engine;
    int64_t begin_us = clock_mono_us();
    enum err e = engine->begin(w->conn);
    if (e != OK)
        return e;
    struct control *c = *list;
    for (; c != NULL && e == OK; c = c->next) {
        if (!run_control(w, c))
            e = c->result != OK ? c->result : ERR_STORE;
        struct control *rest = c->next;
        if (e != OK || (clock_mono_us() - begin_us > CONTROLS_US || is_pending(w))) {
            c->next = NULL;
            put_back(w, rest);
            break;
        }
    }
    if (e == OK)
        e = engine->commit(w->conn);
    else
        engine->rollback(w->conn);
    return e;
}

static bool write_controls(struct store_writer *w)
{
    if (atomic_load_explicit(&w->queue, memory_order_acquire) == 0)
        return false;
    /* They wait for the batches before them. */
    bool ready = !w->entry_waits && catch_up_tables(w);
    bool full = store_is_full(w->store);
    if (!ready && !full && !atomic_load(&w->stop))
        return false;
    struct control *list = take_controls(w);
    if (list == NULL)
        return false;
    int64_t begin_us = clock_mono_us();
    enum err e = full ? ERR_STORE_FULL : ready ? run_controls(w, &list) : ERR_STORE_BUSY;
    if (!full && ready)
        store_conn_ended(w->conn, 0, e == OK);
    if (e == OK) {
        count_commit(w, clock_mono_us() - begin_us, 0);
        release(w);
    } else if (e == ERR_STORE_FULL && !full) {
        enter_full(w);
    }
    while (list != NULL) {
        struct control *c = list;
        list = c->next;
        done_with(w, c, e != OK ? e : c->result);
    }
    return true;
}

static void enqueue(struct store_writer *w, struct control *c)
{
    must(!pthread_equal(pthread_self(), w->thread) || c->ours);
    atomic_fetch_add(&w->queue, 1);
    pthread_mutex_lock(&w->lock);
    c->next = NULL;
    *w->last = c;
    w->last = &c->next;
    pthread_mutex_unlock(&w->lock);
    poke(w);
}

/* The source changes between two batches, so that neither sees half of it. Not a control write,
 * because those are refused while the disk is full. */
static void change_source(struct store_writer *w)
{
    if (!atomic_load(&w->changing))
        return;
    pthread_mutex_lock(&w->lock);
    w->has_source = w->next_source != NULL;
    if (w->has_source)
        w->source = *w->next_source;
    if (w->has_source && !w->had_source && w->store->redo != NULL)
        store_redo_reset(w->store->redo);
    w->had_source = w->had_source || w->has_source;
    atomic_store(&w->changing, false);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void store_set_source(struct store *store, const struct store_source *source)
{
    struct store_writer *w = store->writer;
    must(!pthread_equal(pthread_self(), w->thread));
    pthread_mutex_lock(&w->lock);
    w->next_source = source;
    atomic_store(&w->changing, true);
    poke(w);
    while (atomic_load(&w->changing))
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    enum err result;
    store_write_f fn;
    void *arg;
};

static enum err waiter_run(struct store_conn *conn, void *arg)
{
    struct waiter *waiter = arg;
    return waiter->fn(conn, waiter->arg);
}

static void waiter_done(void *arg, enum err e)
{
    struct waiter *waiter = arg;
    pthread_mutex_lock(&waiter->lock);
    waiter->result = e;
    waiter->done = true;
    pthread_cond_signal(&waiter->cond);
    pthread_mutex_unlock(&waiter->lock);
}

enum err store_write(struct store *store, store_write_f fn, void *arg)
{
    struct waiter waiter = {.fn = fn, .arg = arg};
    must(pthread_mutex_init(&waiter.lock, NULL) == 0);
    must(pthread_cond_init(&waiter.cond, NULL) == 0);
    struct control c = {.fn = waiter_run, .done = waiter_done, .arg = &waiter};
    enqueue(store->writer, &c);
    pthread_mutex_lock(&waiter.lock);
    while (!waiter.done)
        pthread_cond_wait(&waiter.cond, &waiter.lock);
    pthread_mutex_unlock(&waiter.lock);
    pthread_cond_destroy(&waiter.cond);
    pthread_mutex_destroy(&waiter.lock);
    return waiter.result;
}

void store_write_later(struct store *store, store_write_f fn, void (*done)(void *arg, enum err e),
                       void *arg)
{
    struct control *c = mem_zalloc(sizeof(*c));
    c->fn = fn;
    c->done = done;
    c->arg = arg;
    c->ours = true;
    enqueue(store->writer, c);
}

/* ---------------------------------------------------------------- the thread */

static int64_t next_time(const struct store_writer *w)
{
    int64_t next_us = INT64_MAX;
    if (is_pending(w))
        next_us = w->batch_again_us;
    if (w->tables_wait && w->tables_again_us < next_us &&
        (is_due(w) || atomic_load(&w->queue) != 0))
        next_us = w->tables_again_us;
    if (store_is_full(w->store) && w->space_us < next_us)
        next_us = w->space_us;
    return next_us;
}

/* True when nothing is left that can be done. */
static bool is_over(const struct store_writer *w)
{
    if (!atomic_load(&w->stop) || atomic_load(&w->queue) != 0)
        return false;
    return !is_pending(w) || w->tries > STOP_TRIES || store_is_full(w->store);
}

/* What does not go into the tables now stays in the redo log. */
static void finish(struct store_writer *w)
{
    if (w->tables_wait && w->has_source)
        (void)!bring_up_tables(w, false);
}

static void *writer_main(void *arg)
{
    struct store_writer *w = arg;
    thread_name("tg-writer");
    thread_be_prompt();
    for (;;) {
        atomic_store(&w->wake, AWAKE);
        change_source(w);
        bool did = write_batch(w);
        did = write_due_tables(w) || did;
        did = write_controls(w) || did;
        look_for_space(w, clock_mono_us());
        if (did)
            continue;
        if (is_over(w)) {
            finish(w);
            return NULL;
        }
        if (!w->ballast_asked) {
            w->ballast_asked = true;
            if (store_ballast_take(&w->ballast) != OK)
                enter_full(w);
            continue;
        }
        sleep_until(w, next_time(w));
    }
}

struct store_writer *store_writer_new(struct store *store, struct store_conn *conn)
{
    struct store_writer *w = mem_zalloc(sizeof(*w));
    w->store = store;
    w->conn = conn;
    w->last = &w->first;
    buf_init(&w->kept, SIZE_MAX / 2);
    must(pthread_mutex_init(&w->lock, NULL) == 0);
    must(pthread_cond_init(&w->changed, NULL) == 0);
    store_ballast_init(&w->ballast, store);
    must(pthread_create(&w->thread, NULL, writer_main, w) == 0);
    return w;
}

void store_writer_free(struct store_writer **ref)
{
    struct store_writer *w = *ref;
    if (w == NULL)
        return;
    atomic_store(&w->stop, true);
    poke(w);
    pthread_join(w->thread, NULL);
    *ref = NULL;
    w->store->engine->disconnect(w->conn);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    buf_fini(&w->kept);
    mem_free(w);
}

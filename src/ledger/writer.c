/* On the writer thread: takes the lanes' records, applies each to the model, and packs those
 * that it accepts as one row of the journal; brings the tables up behind it. */
#include "base/mem.h"
#include "ledger/inside.h"
#include "ledger/journal.h"

enum err ledger_row_insert(struct ledger *l, struct store_conn *conn, const struct journal_row *row)
{
    return store_run(conn, SQL_LEDGER_JOURNAL_ADD, NULL, "tiiibb", str_c(l->node),
                     (int64_t)row->seq, row->at, (int64_t)row->records,
                     str_of((const char *)row->hash, sizeof(row->hash)), row->body);
}

/* The row behind the last one, of the records in l->body. */
static struct journal_row row_next(struct ledger *l, uint64_t records)
{
    must(!l->body.over);
    buf_reset(&l->packed);
    journal_pack(&l->packed, buf_str(&l->body));
    struct journal_row row = {
        .seq = l->seq + 1, .at = l->at, .records = records, .body = buf_str(&l->packed)};
    journal_hash(l->hasher, l->hash, row.body, row.hash);
    return row;
}

static void row_done(struct ledger *l, const struct journal_row *row)
{
    l->seq = row->seq;
    memcpy(l->hash, row->hash, sizeof(l->hash));
    atomic_fetch_add_explicit(&l->batches, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->records, row->records, memory_order_relaxed);
}

enum err ledger_row_add(struct ledger *l, struct store_conn *conn, uint64_t records)
{
    struct journal_row row = row_next(l, records);
    enum err e = ledger_row_insert(l, conn, &row);
    if (e == OK)
        row_done(l, &row);
    return e;
}

/* ---- taking ---- */

/* Where the hash is or would be; 0 stands for nothing. */
static uint64_t *recent_slot(struct recent *r, uint64_t hash)
{
    size_t i = (hash >> 8) & (LEDGER_RECENT_SLOTS - 1);
    while (r->hashes[i] != 0 && r->hashes[i] != hash)
        i = (i + 1) & (LEDGER_RECENT_SLOTS - 1);
    return &r->hashes[i];
}

static void remember(struct ledger *l, struct id call)
{
    uint64_t hash = idmap_hash(call) | 1;
    if (l->recent[0]->n >= LEDGER_RECENT) {
        struct recent *old = l->recent[1];
        l->recent[1] = l->recent[0];
        l->recent[0] = old;
        memset(old, 0, sizeof(*old));
    }
    *recent_slot(l->recent[0], hash) = hash;
    l->recent[0]->n++;
}

static bool ended_lately(const struct ledger *l, struct id call)
{
    uint64_t hash = idmap_hash(call) | 1;
    return *recent_slot(l->recent[0], hash) != 0 || *recent_slot(l->recent[1], hash) != 0;
}

/* A record that contradicts the model (a call id used twice) is not journalled; what the loop took
 * for it goes back. */
static void drop(struct ledger *l, const struct record *r)
{
    struct ledger_account *w = model_find(l->model, r->other);
    atomic_fetch_add_explicit(&l->dropped, 1, memory_order_relaxed);
    if (w == NULL)
        return;
    if (r->type == RECORD_SETTLE) {
        atomic_fetch_add(&w->balance, r->amount - r->written_off);
        atomic_fetch_add(&w->available, r->over);
    }
    if (r->type != RECORD_HOLD)
        return;
    atomic_fetch_add(&w->available, r->amount);
    for (size_t i = 0; i < RECORD_CAPS_MAX; i++) {
        struct ledger_account *cap = id_is_zero(r->caps[i]) ? NULL
                                                            : model_find(l->model, r->caps[i]);
        if (cap != NULL)
            atomic_fetch_add(&cap->available, r->amount);
    }
}

static uint64_t take_records(struct ledger *l, struct str bytes)
{
    uint64_t n = 0;
    while (bytes.n != 0) {
        struct str before = bytes;
        struct record r;
        must(record_take(&bytes, &r) == OK);
        enum err e = r.type == RECORD_HOLD && ended_lately(l, r.id) ? ERR_CORRUPT
                                                                    : model_apply(l->model, &r);
        if (e != OK) {
            drop(l, &r);
            continue;
        }
        if (r.type == RECORD_SETTLE || r.type == RECORD_VOID)
            remember(l, r.id);
        if (r.at > l->at)
            l->at = r.at;
        buf_add(&l->body, str_upto(before, before.n - bytes.n));
        n++;
    }
    return n;
}

static uint64_t take_lane(struct ledger *l, struct ledger_lane *lane)
{
    buf_reset(&lane->taken);
    must(pthread_mutex_lock(&lane->lock) == 0);
    struct buf full = lane->shared;
    lane->shared = lane->taken;
    lane->taken = full;
    uint64_t n = lane->shared_count - lane->taken_count;
    lane->taken_count = lane->shared_count;
    atomic_fetch_sub_explicit(&l->queue_records, n, memory_order_relaxed);
    must(pthread_mutex_unlock(&lane->lock) == 0);
    return take_records(l, buf_str(&lane->taken));
}

/* Into l->body; ret_all: no lane was left out because the row was full. */
static uint64_t take_lanes(struct ledger *l, bool *ret_all)
{
    uint64_t n = 0;
    *ret_all = true;
    buf_reset(&l->body);
    must(pthread_mutex_lock(&l->lanes_lock) == 0);
    for (struct ledger_lane *lane = l->lanes; lane != NULL; lane = lane->next) {
        if (l->body.n < LEDGER_ROW_BYTES)
            n += take_lane(l, lane);
        else
            *ret_all = false;
    }
    must(pthread_mutex_unlock(&l->lanes_lock) == 0);
    return n;
}

/* ---- what the store calls ---- */

static bool source_pending(void *arg)
{
    const struct ledger *l = arg;
    /* In order behind the writer's own "awake", so that no poke is lost between the two. */
    return atomic_load(&l->queue_records) != 0;
}

static bool source_due(void *arg)
{
    const struct ledger *l = arg;
    return atomic_load(&l->wanted) != l->serving ||
           atomic_load_explicit(&l->lag_records, memory_order_relaxed) >= LEDGER_PROJECT_RECORDS;
}

static struct str source_pack(void *arg, size_t *ret_records)
{
    struct ledger *l = arg;
    /* Read before the lanes: what was flushed before it was asked for is in this row. */
    uint64_t wanted = atomic_load(&l->wanted);
    bool all;
    uint64_t n = take_lanes(l, &all);
    size_t from = l->rows.n;
    if (n != 0) {
        struct journal_row row = row_next(l, n);
        journal_entry_put(&l->rows, &row);
        must(!l->rows.over);
        row_done(l, &row);
        atomic_fetch_add_explicit(&l->lag_records, n, memory_order_relaxed);
    }
    if (all)
        l->taken_wanted = wanted;
    *ret_records = n;
    return str_from(buf_str(&l->rows), from);
}

static enum err source_write(void *arg, struct store_conn *conn, size_t *ret_records)
{
    struct ledger *l = arg;
    uint64_t wanted = atomic_load(&l->wanted);
    /* Nothing waits to be packed: who asked has all that he can know of. */
    if (atomic_load(&l->queue_records) == 0)
        l->taken_wanted = wanted;
    *ret_records = 0;
    ledger_cut(l);
    return store_has_redo(l->store) || source_due(l) ? ledger_project(l, conn)
                                                     : ledger_put_rows(l, conn);
}

void ledger_tick_soon(struct ledger *l)
{
    if (l->tick_asked)
        return;
    l->tick_asked = true;
    must(pthread_mutex_lock(&l->served_lock) == 0);
    l->tick = true;
    must(pthread_cond_signal(&l->tick_cond) == 0);
    must(pthread_mutex_unlock(&l->served_lock) == 0);
}

static void serve(struct ledger *l)
{
    must(pthread_mutex_lock(&l->served_lock) == 0);
    l->served = l->serving;
    must(pthread_cond_broadcast(&l->served_cond) == 0);
    must(pthread_mutex_unlock(&l->served_lock) == 0);
}

static bool is_finished(struct ledger_lane *lane)
{
    must(pthread_mutex_lock(&lane->lock) == 0);
    bool finished = lane->closed && lane->shared_count == atomic_load(&lane->durable);
    must(pthread_mutex_unlock(&lane->lock) == 0);
    return finished;
}

void ledger_lane_destroy(struct ledger_lane *lane)
{
    buf_fini(&lane->own);
    buf_fini(&lane->shared);
    buf_fini(&lane->taken);
    pthread_mutex_destroy(&lane->lock);
    mem_free(lane);
}

static void announce(struct ledger_lane *lane)
{
    if (lane->taken_count == atomic_load_explicit(&lane->durable, memory_order_relaxed))
        return;
    atomic_store_explicit(&lane->durable, lane->taken_count, memory_order_release);
    /* Under the lock: a lane that was given back is not woken any more. */
    must(pthread_mutex_lock(&lane->lock) == 0);
    if (lane->wake != NULL)
        lane->wake(lane->wake_arg);
    must(pthread_mutex_unlock(&lane->lock) == 0);
}

static void source_packed(void *arg)
{
    struct ledger *l = arg;
    must(pthread_mutex_lock(&l->lanes_lock) == 0);
    for (struct ledger_lane **at = &l->lanes; *at != NULL;) {
        struct ledger_lane *lane = *at;
        announce(lane);
        if (is_finished(lane)) {
            *at = lane->next;
            ledger_lane_destroy(lane);
        } else {
            at = &lane->next;
        }
    }
    must(pthread_mutex_unlock(&l->lanes_lock) == 0);
    if (atomic_load_explicit(&l->lag_records, memory_order_relaxed) != 0)
        ledger_tick_soon(l);
}

static void source_committed(void *arg)
{
    struct ledger *l = arg;
    ledger_cut_end(l, true);
    if (l->serving != l->served)
        serve(l);
}

static void source_failed(void *arg, enum err e)
{
    struct ledger *l = arg;
    (void)e;
    ledger_cut_end(l, false);
}

struct store_source ledger_source(struct ledger *l)
{
    return (struct store_source){
        .pending = source_pending,
        .pack = source_pack,
        .packed = source_packed,
        .due = source_due,
        .write = source_write,
        .committed = source_committed,
        .failed = source_failed,
        .arg = l,
    };
}

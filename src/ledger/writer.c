/* On the writer thread: takes the lanes' records, applies each to the model, and appends those that
 * it accepts as one row of the journal. */
#include "base/mem.h"
#include "ledger/inside.h"

void ledger_row_hash(struct ledger *l, const uint8_t before[CRYPTO_HASH_LEN], struct str body,
                     uint8_t ret_hash[CRYPTO_HASH_LEN])
{
    crypto_hasher_start(l->hasher);
    crypto_hasher_add(l->hasher, str_of((const char *)before, CRYPTO_HASH_LEN));
    crypto_hasher_add(l->hasher, body);
    crypto_hasher_end(l->hasher, ret_hash);
}

static enum err row_insert(struct ledger *l, struct store_conn *conn, struct str body,
                           uint64_t records)
{
    ledger_row_hash(l, l->hash, body, l->next_hash);
    struct str hash = str_of((const char *)l->next_hash, CRYPTO_HASH_LEN);
    return store_run(conn, SQL_LEDGER_JOURNAL_ADD, NULL, "tiiibb", str_c(l->node),
                     (int64_t)l->seq + 1, l->at, (int64_t)records, hash, body);
}

static void row_done(struct ledger *l, uint64_t records)
{
    l->seq++;
    memcpy(l->hash, l->next_hash, sizeof(l->hash));
    atomic_fetch_add_explicit(&l->batches, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->records, records, memory_order_relaxed);
}

enum err ledger_row_add(struct ledger *l, struct store_conn *conn, struct str body,
                        uint64_t records)
{
    enum err e = row_insert(l, conn, body, records);
    if (e == OK)
        row_done(l, records);
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

static void take_records(struct ledger *l, struct str bytes)
{
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
        l->body_records++;
    }
}

static void take_lane(struct ledger *l, struct ledger_lane *lane)
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
    take_records(l, buf_str(&lane->taken));
}

/* False when the row was full before the last lane. */
static bool take_lanes(struct ledger *l)
{
    bool all = true;
    must(pthread_mutex_lock(&l->lanes_lock) == 0);
    for (struct ledger_lane *lane = l->lanes; lane != NULL; lane = lane->next) {
        if (l->body.n < LEDGER_ROW_BYTES)
            take_lane(l, lane);
        else
            all = false;
    }
    must(pthread_mutex_unlock(&l->lanes_lock) == 0);
    must(!l->body.over);
    return all;
}

/* What the lanes have, as l->body. */
static bool compose(struct ledger *l)
{
    buf_reset(&l->body);
    buf_byte(&l->body, RECORD_FORMAT);
    l->body_records = 0;
    bool all = take_lanes(l);
    atomic_fetch_add_explicit(&l->lag_records, l->body_records, memory_order_relaxed);
    return all;
}

/* ---- what the store calls ---- */

static bool source_pending(void *arg)
{
    const struct ledger *l = arg;
    /* In order behind the writer's own "awake", so that no poke is lost between the two. */
    return atomic_load(&l->queue_records) != 0 || l->stuck || atomic_load(&l->wanted) != l->serving;
}

static enum err source_write(void *arg, struct store_conn *conn, size_t *ret_records)
{
    struct ledger *l = arg;
    /* Read before the lanes: what was flushed before it was asked for is in this row. */
    uint64_t wanted = atomic_load(&l->wanted);
    /* A row that could not be written is tried again as it was: the model has it already. */
    bool all = !l->stuck && compose(l);
    l->stuck = true;
    l->projecting = false;
    *ret_records = l->body_records;
    const uint8_t *hash = l->hash;
    uint64_t seq = l->seq;
    if (l->body_records != 0) {
        enum err e = row_insert(l, conn, buf_str(&l->body), l->body_records);
        if (e != OK)
            return e;
        hash = l->next_hash;
        seq++;
    }
    bool asked = all && wanted != l->serving;
    if (!asked &&
        atomic_load_explicit(&l->lag_records, memory_order_relaxed) < LEDGER_PROJECT_RECORDS)
        return OK;
    l->projecting = true;
    enum err e = ledger_project(l, conn, seq, hash);
    if (e == OK && asked)
        l->serving = wanted;
    return e;
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

static void source_committed(void *arg)
{
    struct ledger *l = arg;
    l->stuck = false;
    if (l->body_records != 0)
        row_done(l, l->body_records);
    l->body_records = 0;
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
    if (l->projecting)
        ledger_project_end(l, true);
    else if (atomic_load_explicit(&l->lag_records, memory_order_relaxed) != 0)
        ledger_tick_soon(l);
    if (l->serving != l->served)
        serve(l);
}

static void source_failed(void *arg, enum err e)
{
    struct ledger *l = arg;
    (void)e;
    if (l->projecting)
        ledger_project_end(l, false);
    l->serving = l->served;
}

/* No `background`: a transaction of its own behind each commit would double the fsyncs. */
struct store_source ledger_source(struct ledger *l)
{
    return (struct store_source){
        .pending = source_pending,
        .write = source_write,
        .committed = source_committed,
        .failed = source_failed,
        .arg = l,
    };
}

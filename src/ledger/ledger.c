/* Life: opening, the holds that a crash left, waiting, closing. */
#include "ledger/ledger.h"
#include "base/mem.h"
#include "base/thread.h"
#include "ledger/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_AGAIN_NS 20000000

/* ---- opening ---- */

struct opening {
    struct ledger *ledger;
    char *why;
};

static enum err load_in(struct store_conn *conn, void *arg)
{
    struct opening *o = arg;
    return ledger_load(o->ledger, conn, o->why);
}

static struct ledger *ledger_new(struct store *store, const struct ledger_options *options)
{
    struct ledger *l = mem_zalloc(sizeof(*l));
    l->store = store;
    l->projector = options->projector;
    l->watcher = options->watcher;
    memcpy(l->node, options->node.p, options->node.n);
    l->model = model_new();
    l->recent[0] = mem_zalloc(sizeof(struct recent));
    l->recent[1] = mem_zalloc(sizeof(struct recent));
    l->hasher = crypto_hasher_new();
    buf_init(&l->body, SIZE_MAX / 2);
    buf_init(&l->packed, SIZE_MAX / 2);
    buf_init(&l->rows, SIZE_MAX / 2);
    buf_init(&l->cut.rows, SIZE_MAX / 2);
    buf_init(&l->parts, SIZE_MAX / 2);
    must(pthread_mutex_init(&l->lanes_lock, NULL) == 0);
    must(pthread_mutex_init(&l->served_lock, NULL) == 0);
    must(pthread_cond_init(&l->served_cond, NULL) == 0);
    must(pthread_cond_init(&l->tick_cond, NULL) == 0);
    return l;
}

static void *tick(void *arg)
{
    struct ledger *l = arg;
    thread_name("tg-ledger");
    must(pthread_mutex_lock(&l->served_lock) == 0);
    while (!l->tick_stop) {
        if (!l->tick) {
            must(pthread_cond_wait(&l->tick_cond, &l->served_lock) == 0);
            continue;
        }
        l->tick = false;
        must(pthread_mutex_unlock(&l->served_lock) == 0);
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0,
                              &(struct timespec){.tv_nsec = LEDGER_PROJECT_US * 1000}, NULL);
        atomic_fetch_add(&l->wanted, 1);
        store_poke(l->store);
        must(pthread_mutex_lock(&l->served_lock) == 0);
    }
    must(pthread_mutex_unlock(&l->served_lock) == 0);
    return NULL;
}

static void tick_end(struct ledger *l)
{
    must(pthread_mutex_lock(&l->served_lock) == 0);
    l->tick_stop = true;
    must(pthread_cond_signal(&l->tick_cond) == 0);
    must(pthread_mutex_unlock(&l->served_lock) == 0);
    pthread_join(l->ticker, NULL);
}

static void lanes_free(struct ledger *l)
{
    while (l->lanes != NULL) {
        struct ledger_lane *lane = l->lanes;
        l->lanes = lane->next;
        ledger_lane_destroy(lane);
    }
}

static void ledger_free(struct ledger *l)
{
    lanes_free(l);
    model_free(&l->model);
    crypto_hasher_free(&l->hasher);
    buf_fini(&l->body);
    buf_fini(&l->packed);
    buf_fini(&l->rows);
    buf_fini(&l->cut.rows);
    buf_fini(&l->parts);
    mem_free(l->recent[0]);
    mem_free(l->recent[1]);
    pthread_mutex_destroy(&l->lanes_lock);
    pthread_mutex_destroy(&l->served_lock);
    pthread_cond_destroy(&l->served_cond);
    pthread_cond_destroy(&l->tick_cond);
    mem_free(l);
}

enum err ledger_open(struct store *store, const struct ledger_options *options,
                     struct ledger **ret_ledger, char ret_why[STORE_WHY_MAX])
{
    if (options->node.n == 0 || options->node.n > LEDGER_NODE_MAX) {
        snprintf(ret_why, STORE_WHY_MAX, "a node's name has 1 to %d bytes", LEDGER_NODE_MAX);
        return ERR_INVALID_REQUEST;
    }
    struct ledger *l = ledger_new(store, options);
    struct opening opening = {l, ret_why};
    ret_why[0] = '\0';
    enum err e = store_write(store, load_in, &opening);
    if (e == OK) {
        model_publish(l->model);
        l->model->live = true;
        e = ledger_lane_new(l, NULL, NULL, &l->recovery);
    }
    if (e != OK) {
        if (ret_why[0] == '\0')
            snprintf(ret_why, STORE_WHY_MAX, "%s", err_info(e)->meaning);
        ledger_free(l);
        return e;
    }
    must(pthread_create(&l->ticker, NULL, tick, l) == 0);
    struct store_source source = ledger_source(l);
    store_set_source(store, &source);
    *ret_ledger = l;
    return OK;
}

/* ---- waiting, closing ---- */

enum err ledger_settled_up(struct ledger *ledger)
{
    enum err e = OK;
    uint64_t mine = atomic_fetch_add(&ledger->wanted, 1) + 1;
    store_poke(ledger->store);
    must(pthread_mutex_lock(&ledger->served_lock) == 0);
    while (ledger->served < mine && e == OK) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_AGAIN_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        (void)pthread_cond_timedwait(&ledger->served_cond, &ledger->served_lock, &until);
        if (ledger->served < mine && store_is_full(ledger->store))
            e = ERR_STORE_FULL;
    }
    must(pthread_mutex_unlock(&ledger->served_lock) == 0);
    return e;
}

void ledger_close(struct ledger **ledger)
{
    struct ledger *l = *ledger;
    *ledger = NULL;
    if (l == NULL)
        return;
    atomic_store(&l->closing, true);
    /* On a full disk what is recorded and durable is replayed by the next start. */
    (void)!ledger_settled_up(l);
    tick_end(l);
    store_set_source(l->store, NULL);
    ledger_free(l);
}

/* ---- holds that a crash left ---- */

static int by_call(const void *a, const void *b)
{
    const struct hold *const *x = a, *const *y = b;
    return memcmp((*x)->call.b, (*y)->call.b, sizeof((*x)->call.b));
}

enum err ledger_open_holds(struct ledger *ledger, ledger_open_f fn, void *arg)
{
    const struct model *m = ledger->model;
    struct hold **holds = mem_array(m->open.n, sizeof(struct hold *));
    size_t n = 0, at = 0;
    for (struct hold *h = idmap_next(&m->open, &at); h != NULL; h = idmap_next(&m->open, &at))
        holds[n++] = h;
    if (n != 0)
        qsort(holds, n, sizeof(struct hold *), by_call);
    /* The decisions are handed over together, so that the holds stay as they are meanwhile. */
    for (size_t i = 0; i < n; i++) {
        struct ledger_outcome o = model_outcome(holds[i]);
        fn(arg, ledger, &o);
    }
    mem_free(holds);
    ledger_lane_flush(ledger->recovery);
    return n == 0 ? OK : ledger_settled_up(ledger);
}

/* The hold as its owner had it. */
static enum err hold_of(struct ledger *l, struct id call, struct ledger_hold *ret_hold)
{
    struct hold *h = idmap_find(&l->model->open, call);
    if (h == NULL)
        return ERR_NOT_FOUND;
    if (h->taken)
        return ERR_CONFLICT;
    h->taken = true;
    *ret_hold = (struct ledger_hold){
        .call = call, .wallet = h->wallet, .amount = NANO(h->amount), .open = true};
    for (size_t i = 0; i < LEDGER_CAPS_MAX; i++)
        ret_hold->caps[i] = h->caps[i];
    return OK;
}

enum err ledger_recover_settle(struct ledger *ledger, struct id call,
                               const struct ledger_settlement *s)
{
    struct ledger_hold hold;
    struct nano written_off;
    enum err e = hold_of(ledger, call, &hold);
    if (e == OK)
        (void)ledger_hold_settle(ledger->recovery, &hold, s, &written_off);
    return e;
}

enum err ledger_recover_void(struct ledger *ledger, struct id call, int64_t wall_us,
                             struct str about)
{
    struct ledger_hold hold;
    enum err e = hold_of(ledger, call, &hold);
    if (e == OK)
        (void)ledger_hold_void(ledger->recovery, &hold, wall_us, about);
    return e;
}

/* ---- counts ---- */

struct ledger_counts ledger_counts(const struct ledger *ledger)
{
    return (struct ledger_counts){
        .holds_open = atomic_load_explicit(&ledger->model->holds_open, memory_order_relaxed),
        .queue_records = atomic_load_explicit(&ledger->queue_records, memory_order_relaxed),
        .batches = atomic_load_explicit(&ledger->batches, memory_order_relaxed),
        .records = atomic_load_explicit(&ledger->records, memory_order_relaxed),
        .projected_lag_records = atomic_load_explicit(&ledger->lag_records, memory_order_relaxed),
        .write_offs = atomic_load_explicit(&ledger->model->write_offs, memory_order_relaxed),
        .dropped = atomic_load_explicit(&ledger->dropped, memory_order_relaxed),
    };
}

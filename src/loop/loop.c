/* The loop itself: turns, posts, work, start and stop.
 *
 * A turn is what happens between two polls. libuv calls our prepare handle right before it polls:
 * there the turn ends: posted functions run, the users' end-of-turn functions, then every
 * connection that was touched is settled (its writes leave, its close happens). */
#include "loop/loop.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/inner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How often the wall clock is read; a turn in between adds what the monotonic one has gone on. */
enum { WALL_READ_US = 100 * 1000 };

static pthread_once_t process_once = PTHREAD_ONCE_INIT;
static _Atomic int works_waiting;

static void process_init(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    must(sigaction(SIGPIPE, &ignore, NULL) == 0);
    /* Password hashing and the like wait for each other with libuv's four. */
    must(setenv("UV_THREADPOOL_SIZE", "16", 0) == 0);
    must(uv_replace_allocator(mem_alloc, mem_realloc, mem_array, mem_free) == 0);
}

const char *loop_why(const char *fmt, ...)
{
    static _Thread_local char text[LOOP_WHY_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return text;
}

/* ---- turns ---- */

static void turn_start(struct loop *loop)
{
    loop->in_turn = true;
    loop->now_us = clock_mono_us();
    if (loop->now_us >= loop->wall_read_us + WALL_READ_US) {
        loop->wall_read_us = loop->now_us;
        loop->wall_ahead_us = clock_wall_us() - loop->now_us;
    }
    atomic_store_explicit(&loop->turn_began_us, loop->now_us, memory_order_relaxed);
}

void loop_turn_begin(struct loop *loop)
{
    if (UNLIKELY(!loop->in_turn))
        turn_start(loop);
}

static void turn_stop(struct loop *loop)
{
    int64_t us = clock_mono_us() - loop->now_us;
    if (us > atomic_load_explicit(&loop->turn_us_max, memory_order_relaxed))
        atomic_store_explicit(&loop->turn_us_max, us, memory_order_relaxed);
    atomic_store_explicit(&loop->turn_began_us, 0, memory_order_relaxed);
    loop->in_turn = false;
}

int64_t loop_now_us(const struct loop *loop)
{
    return loop->in_turn ? loop->now_us : clock_mono_us();
}

int64_t loop_wall_us(const struct loop *loop)
{
    return loop->in_turn ? loop->now_us + loop->wall_ahead_us : clock_wall_us();
}

int64_t loop_turn_us_max(struct loop *loop)
{
    int64_t us = atomic_exchange_explicit(&loop->turn_us_max, 0, memory_order_relaxed);
    int64_t began_us = atomic_load_explicit(&loop->turn_began_us, memory_order_relaxed);
    int64_t running_us = began_us != 0 ? clock_mono_us() - began_us : 0;
    return running_us > us ? running_us : us;
}

void loop_on_turn_end(struct loop *loop, loop_f fn, void *arg)
{
    must(loop->turn_ends_n < LOOP_TURN_ENDS_MAX);
    loop->turn_ends[loop->turn_ends_n++] = (struct loop_turn_end){fn, arg};
}

void loop_on_turn_over(struct loop *loop, bool (*fn)(void *arg), void *arg)
{
    must(loop->turn_over == NULL);
    loop->turn_over = fn;
    loop->turn_over_arg = arg;
}

bool loop_is_idle(const struct loop *loop)
{
    struct pollfd events = {.fd = uv_backend_fd(&loop->uv), .events = POLLIN};
    return !loop->more && !atomic_load_explicit(&loop->posted, memory_order_relaxed) &&
           poll(&events, 1, 0) == 0;
}

/* ---- posts ---- */

void loop_post(struct loop *loop, loop_f fn, void *arg)
{
    must(pthread_mutex_lock(&loop->lock) == 0);
    struct loop_posts *q = &loop->posts;
    bool first = q->n == 0;
    if (q->n == q->cap) {
        q->cap = q->cap != 0 ? 2 * q->cap : 64;
        q->p = mem_realloc(q->p, q->cap * sizeof(*q->p));
    }
    q->p[q->n++] = (struct loop_post){fn, arg};
    atomic_store_explicit(&loop->posted, true, memory_order_release);
    /* The loop's own thread looks before it polls, so it needs no wake. */
    bool own = loop->running && pthread_equal(loop->thread, pthread_self());
    must(pthread_mutex_unlock(&loop->lock) == 0);
    if (first && !own)
        must(uv_async_send(&loop->wake) == 0);
}

static void posts_run(struct loop *loop)
{
    if (!atomic_load_explicit(&loop->posted, memory_order_acquire))
        return;
    must(pthread_mutex_lock(&loop->lock) == 0);
    struct loop_posts batch = loop->posts;
    loop->posts = loop->posts_running;
    loop->posts.n = 0;
    loop->posts_running = (struct loop_posts){0};
    atomic_store_explicit(&loop->posted, false, memory_order_relaxed);
    must(pthread_mutex_unlock(&loop->lock) == 0);
    for (size_t i = 0; i < batch.n; i++)
        batch.p[i].fn(batch.p[i].arg);
    loop->posts_running = batch;
}

/* ---- work ---- */

struct work {
    uv_work_t req;
    struct loop *loop;
    loop_f work, done;
    void *arg;
};

static void work_run(uv_work_t *req)
{
    struct work *w = req->data;
    atomic_fetch_sub(&works_waiting, 1);
    w->work(w->arg);
}

static void work_done(uv_work_t *req, int status)
{
    struct work *w = req->data;
    must(status == 0); /* nothing here cancels work */
    loop_turn_begin(w->loop);
    w->loop->works_n--;
    loop_f done = w->done;
    void *arg = w->arg;
    mem_free(w);
    if (done != NULL)
        done(arg);
}

enum err loop_work(struct loop *loop, loop_f work, loop_f done, void *arg)
{
    if (atomic_fetch_add(&works_waiting, 1) >= LOOP_WORK_WAITING_MAX) {
        atomic_fetch_sub(&works_waiting, 1);
        return ERR_OVERLOADED;
    }
    struct work *w = mem_zalloc(sizeof(*w));
    *w = (struct work){.loop = loop, .work = work, .done = done, .arg = arg};
    w->req.data = w;
    loop->works_n++;
    must(uv_queue_work(&loop->uv, &w->req, work_run, work_done) == 0);
    return OK;
}

/* ---- the end of a turn ---- */

void loop_touch(struct loop_conn *c)
{
    if (link_is_alone(&c->dirty))
        link_push(&c->loop->dirty, &c->dirty);
}

static void settle_all(struct loop *loop)
{
    struct loop_link batch;
    if (link_is_alone(&loop->dirty))
        return;
    /* Those that are touched meanwhile come in the next generation. */
    batch = loop->dirty;
    batch.next->prev = batch.prev->next = &batch;
    link_init(&loop->dirty);
    while (!link_is_alone(&batch)) {
        struct loop_conn *c = link_owner(batch.next, struct loop_conn, dirty);
        link_drop(&c->dirty);
        conn_settle(c);
    }
}

static void close_everything(struct loop *loop)
{
    loop->stopped = true;
    listeners_close(loop);
    /* They stay in the ring until libuv has let go of them, so the walk is safe. */
    for (struct loop_link *l = loop->conns.next; l != &loop->conns; l = l->next)
        conn_finish(link_owner(l, struct loop_conn, all), LOOP_CLOSE_OURS, "the loop stops");
}

static bool is_quiet(const struct loop *loop)
{
    return link_is_alone(&loop->conns) && loop->listening_n == 0 && loop->works_n == 0 &&
           link_is_alone(&loop->dirty);
}

static void again_set(struct loop *loop, bool on);

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    loop_turn_begin(loop);
    if (atomic_load_explicit(&loop->stopping, memory_order_acquire) && !loop->stopped)
        close_everything(loop);
    loop->more = true;
    for (int i = 0; loop->more && i < LOOP_GENERATIONS_MAX; i++) {
        posts_run(loop);
        loop->called = false;
        for (size_t k = 0; k < loop->turn_ends_n; k++)
            loop->turn_ends[k].fn(loop->turn_ends[k].arg);
        settle_all(loop);
        loop->more = loop->called || !link_is_alone(&loop->dirty) ||
                     atomic_load_explicit(&loop->posted, memory_order_relaxed);
    }
    bool soon = loop->turn_over != NULL && loop->turn_over(loop->turn_over_arg);
    soon |= atomic_load_explicit(&loop->posted, memory_order_relaxed); /* by that */
    again_set(loop, loop->more || soon);
    timer_arm(loop);
    if (loop->stopped && !loop->more && is_quiet(loop)) {
        loop->finished = true;
        uv_stop(&loop->uv);
    }
    turn_stop(loop);
}

static void on_again(uv_idle_t *idle)
{
    loop_turn_begin(idle->data);
}

static void again_set(struct loop *loop, bool on)
{
    if (on == loop->again_is_on)
        return;
    loop->again_is_on = on;
    if (on)
        must(uv_idle_start(&loop->again, on_again) == 0);
    else
        must(uv_idle_stop(&loop->again) == 0);
}

/* Posts run at the end of the turn; the wake is only there to end the poll. */
static void on_wake(uv_async_t *wake)
{
    loop_turn_begin(wake->data);
}

/* ---- life ---- */

struct loop *loop_new(void)
{
    must(pthread_once(&process_once, process_init) == 0);
    struct loop *loop = mem_zalloc(sizeof(*loop));
    must(uv_loop_init(&loop->uv) == 0);
    must(uv_async_init(&loop->uv, &loop->wake, on_wake) == 0);
    must(uv_prepare_init(&loop->uv, &loop->prepare) == 0);
    must(uv_idle_init(&loop->uv, &loop->again) == 0);
    must(uv_timer_init(&loop->uv, &loop->alarm) == 0);
    loop->wake.data = loop->prepare.data = loop->again.data = loop->alarm.data = loop;
    must(uv_prepare_start(&loop->prepare, on_prepare) == 0);
    must(pthread_mutex_init(&loop->lock, NULL) == 0);
    loop->alarm_us = INT64_MAX;
    loop->watch_fd = -1;
    loop->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    loop->read_buf = mem_alloc(LOOP_READ_BYTES);
    link_init(&loop->conns);
    link_init(&loop->dirty);
    link_init(&loop->ending);
    link_init(&loop->listeners);
    loop_timer_init(&loop->ending_timer, loop, conn_ending_ring, loop);
    return loop;
}

void loop_run(struct loop *loop)
{
    must(!loop->running && !loop->finished);
    must(pthread_mutex_lock(&loop->lock) == 0);
    loop->thread = pthread_self();
    loop->running = true;
    must(pthread_mutex_unlock(&loop->lock) == 0);
    while (!loop->finished)
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    must(pthread_mutex_lock(&loop->lock) == 0);
    loop->running = false;
    must(pthread_mutex_unlock(&loop->lock) == 0);
    timer_drop_all(loop);
}

void loop_stop(struct loop *loop)
{
    atomic_store_explicit(&loop->stopping, true, memory_order_release);
    must(uv_async_send(&loop->wake) == 0);
}

void loop_free(struct loop **ret_loop)
{
    struct loop *loop = *ret_loop;
    if (loop == NULL)
        return;
    *ret_loop = NULL;
    must(!loop->running);
    if (!loop->finished) { /* never run, or made for its parts only */
        loop_stop(loop);
        loop_run(loop);
    }
    watch_fini(loop);
    listeners_free(loop);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->again, NULL);
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    must(uv_loop_close(&loop->uv) == 0);
    if (loop->spare_fd >= 0)
        close(loop->spare_fd);
    must(pthread_mutex_destroy(&loop->lock) == 0);
    chunks_fini(&loop->chunks);
    mem_free(loop->heap);
    mem_free(loop->posts.p);
    mem_free(loop->posts_running.p);
    mem_free(loop->read_buf);
    mem_free(loop->plain_buf);
    mem_free(loop);
}

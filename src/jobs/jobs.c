/* The room's life: kinds, the dispatcher, the workers.
 *
 * The dispatcher sleeps until the next run is due, somebody pokes it, or POLL_US is over (so that
 * a clock that was set, or a store that failed, holds nothing up for longer). It takes as many runs
 * as workers are idle and hands them over; a worker does one step and comes back. */
#include "jobs/jobs.h"

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/room.h"
#include "observe/observe.h"

#include <sys/prctl.h>

#define THREADS_MAX 64
#define POLL_US (30 * US_PER_S)
#define FAILED_AGAIN_US US_PER_S
#define CLEANUP_EVERY_US US_PER_HOUR
#define CLEANUP_ROUNDS 1000
#define KEEP_SAD_US (90 * US_PER_DAY)

/* ---------------------------------------------------------------- clean-up */

struct cleanup {
    int64_t keep_us, sad_us, deleted;
};

static enum err cleanup_in(struct store_conn *conn, void *arg)
{
    struct cleanup *c = arg;
    enum err e = store_run(conn, SQL_JOBS_OLD_STEPS_DELETE, NULL, "ii", c->sad_us, c->keep_us);
    if (e == OK)
        e = store_run(conn, SQL_JOBS_OLD_DELETE, &c->deleted, "ii", c->sad_us, c->keep_us);
    return e;
}

static enum jobs_outcome cleanup_run(struct jobs_call *call)
{
    struct jobs *jobs = call->arg;
    struct cleanup c = {.keep_us = call->now_us - jobs->options.keep_us,
                        .sad_us = call->now_us - KEEP_SAD_US};
    for (int i = 0; i < CLEANUP_ROUNDS; i++) {
        if (store_write(jobs->store, cleanup_in, &c) != OK)
            return JOBS_RETRY;
        if (c.deleted == 0)
            break;
    }
    return JOBS_DONE;
}

static const struct jobs_step cleanup_steps[] = {{.name = "delete", .run = cleanup_run}};

/* ---------------------------------------------------------------- open */

enum err jobs_open(struct store *store, const struct jobs_options *options, struct jobs **ret_jobs)
{
    struct jobs *jobs = mem_zalloc(sizeof(*jobs));
    pthread_condattr_t mono;
    jobs->store = store;
    jobs->options = *options;
    if (jobs->options.keep_us == 0)
        jobs->options.keep_us = 7 * US_PER_DAY;
    (void)id_text("boot_", id_new(clock_wall_us()), jobs->boot);
    must(pthread_mutex_init(&jobs->lock, NULL) == 0);
    must(pthread_condattr_init(&mono) == 0);
    must(pthread_condattr_setclock(&mono, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&jobs->look, &mono) == 0);
    must(pthread_cond_init(&jobs->work, NULL) == 0);
    pthread_condattr_destroy(&mono);
    jobs->cleanup = (struct jobs_kind){.name = "jobs_cleanup",
                                       .steps = cleanup_steps,
                                       .steps_n = 1,
                                       .every_us = CLEANUP_EVERY_US,
                                       .arg = jobs};
    jobs_kind_add(jobs, &jobs->cleanup);
    *ret_jobs = jobs;
    return OK;
}

void jobs_close(struct jobs **jobs)
{
    if (*jobs == NULL)
        return;
    must(!(*jobs)->started);
    pthread_cond_destroy(&(*jobs)->look);
    pthread_cond_destroy(&(*jobs)->work);
    pthread_mutex_destroy(&(*jobs)->lock);
    mem_free(*jobs);
    *jobs = NULL;
}

void jobs_kind_add(struct jobs *jobs, const struct jobs_kind *kind)
{
    must(!jobs->started && jobs->kinds_n < JOBS_KINDS_MAX);
    must(kind->steps_n >= 1 && kind->steps_n <= JOBS_STEPS_MAX);
    must(jobs_kind_of(jobs, str_c(kind->name)) == NULL);
    jobs->kinds[jobs->kinds_n++] = kind;
}

const struct jobs_kind *jobs_kind_of(const struct jobs *jobs, struct str name)
{
    for (size_t i = 0; i < jobs->kinds_n; i++)
        if (str_eq(str_c(jobs->kinds[i]->name), name))
            return jobs->kinds[i];
    return NULL;
}

/* ---------------------------------------------------------------- threads */

void jobs_poke(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    jobs->poked = true;
    pthread_cond_signal(&jobs->look);
    pthread_mutex_unlock(&jobs->lock);
}

static void wait_for_look(struct jobs *jobs, int64_t until_us)
{
    struct timespec ts = {.tv_sec = until_us / US_PER_S, .tv_nsec = until_us % US_PER_S * 1000};
    (void)pthread_cond_timedwait(&jobs->look, &jobs->lock, &ts);
}

/* Idle workers, once there is something to look for; 0 at the end. */
static size_t wait_for_idle(struct jobs *jobs, int64_t until_us)
{
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->stop && (jobs->idle == 0 || (!jobs->poked && clock_mono_us() < until_us))) {
        if (jobs->idle == 0)
            pthread_cond_wait(&jobs->look, &jobs->lock);
        else
            wait_for_look(jobs, until_us);
    }
    jobs->poked = false;
    size_t idle = jobs->stop ? 0 : jobs->idle;
    pthread_mutex_unlock(&jobs->lock);
    return idle;
}

static void hand_over(struct jobs *jobs, struct jobs_taken *list)
{
    pthread_mutex_lock(&jobs->lock);
    while (list != NULL) {
        struct jobs_taken *t = list;
        list = t->next;
        t->next = jobs->queue;
        jobs->queue = t;
        must(jobs->idle > 0);
        jobs->idle--;
    }
    pthread_cond_broadcast(&jobs->work);
    pthread_mutex_unlock(&jobs->lock);
}

static void *dispatch(void *arg)
{
    struct jobs *jobs = arg;
    int64_t until_us = 0;
    enum err told = OK;
    prctl(PR_SET_NAME, "jobs");
    for (;;) {
        struct jobs_taken *list = NULL;
        int64_t next_us = 0;
        size_t idle = wait_for_idle(jobs, until_us);
        if (idle == 0)
            return NULL;
        enum err e = jobs_claim(jobs, idle, &list, &next_us);
        int64_t wait_us = POLL_US;
        if (e != OK) {
            if (e != told) /* once, not every second while the disk is full */
                observe_say("error", "jobs_claim_failed", "due jobs cannot be taken: %s",
                            err_info(e)->name);
            wait_us = FAILED_AGAIN_US;
        } else if (next_us != 0 && next_us - jobs_now(jobs) < wait_us) {
            wait_us = next_us - jobs_now(jobs);
        }
        told = e;
        until_us = clock_mono_us() + (wait_us > 0 ? wait_us : 0);
        hand_over(jobs, list);
    }
}

static struct jobs_taken *wait_for_work(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    while (jobs->queue == NULL && !jobs->stop)
        pthread_cond_wait(&jobs->work, &jobs->lock);
    struct jobs_taken *t = jobs->queue;
    if (t != NULL)
        jobs->queue = t->next;
    pthread_mutex_unlock(&jobs->lock);
    return t;
}

static void *work(void *arg)
{
    struct jobs *jobs = arg;
    struct jobs_taken *t;
    prctl(PR_SET_NAME, "job");
    while ((t = wait_for_work(jobs)) != NULL) {
        jobs_do(&t);
        pthread_mutex_lock(&jobs->lock);
        jobs->idle++;
        jobs->poked = true; /* the run's next step may be due */
        pthread_cond_signal(&jobs->look);
        pthread_mutex_unlock(&jobs->lock);
    }
    return NULL;
}

static enum err set_up_in(struct store_conn *conn, void *arg)
{
    struct jobs *jobs = arg;
    int64_t now_us = jobs_now(jobs);
    enum err e = store_run(conn, SQL_JOBS_BOOT, NULL, "ti", str_c(jobs->boot), now_us);
    for (size_t i = 0; i < jobs->kinds_n && e == OK; i++) {
        const struct jobs_kind *k = jobs->kinds[i];
        struct jobs_spec spec = {.kind = k->name, .key = JOBS_EVERY};
        if (k->every_us == 0)
            continue;
        e = jobs_enqueue_in(jobs, conn, &spec, now_us, NULL);
        if (e == OK) /* of a longer interval that the version before had */
            e = store_run(conn, SQL_JOBS_SOONER, NULL, "tti", str_c(k->name), JOBS_EVERY,
                          now_us + k->every_us);
    }
    return e;
}

enum err jobs_start(struct jobs *jobs)
{
    enum err e = store_write(jobs->store, set_up_in, jobs);
    if (e != OK)
        return e;
    jobs->started = true;
    jobs->stop = false;
    jobs->poked = true;
    jobs->workers_n = jobs->options.threads;
    must(jobs->workers_n <= THREADS_MAX);
    if (jobs->workers_n == 0)
        return OK;
    jobs->idle = jobs->workers_n;
    jobs->workers = mem_array(jobs->workers_n, sizeof(pthread_t));
    for (size_t i = 0; i < jobs->workers_n; i++)
        must(pthread_create(&jobs->workers[i], NULL, work, jobs) == 0);
    must(pthread_create(&jobs->dispatcher, NULL, dispatch, jobs) == 0);
    return OK;
}

void jobs_stop(struct jobs *jobs)
{
    if (!jobs->started)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->stop = true;
    pthread_cond_signal(&jobs->look);
    pthread_mutex_unlock(&jobs->lock);
    if (jobs->workers_n != 0)
        pthread_join(jobs->dispatcher, NULL); /* nobody hands over any more */
    pthread_mutex_lock(&jobs->lock);
    pthread_cond_broadcast(&jobs->work);
    pthread_mutex_unlock(&jobs->lock);
    for (size_t i = 0; i < jobs->workers_n; i++)
        pthread_join(jobs->workers[i], NULL); /* what is in the queue is done first */
    mem_free(jobs->workers);
    jobs->workers = NULL;
    jobs->started = false;
}

enum err jobs_work(struct jobs *jobs, bool *ret_worked, int64_t *ret_next_us)
{
    struct jobs_taken *t = NULL;
    int64_t next_us = 0;
    enum err e = jobs_claim(jobs, 1, &t, &next_us);
    if (e != OK)
        return e;
    *ret_worked = t != NULL;
    *ret_next_us = t != NULL ? 0 : next_us;
    if (t != NULL)
        jobs_do(&t);
    return OK;
}

/* What the files of this room share. Inside this room only.
 * Owns: the shape of struct jobs and of a run that was taken.  Threads: as noted. */
#ifndef JOBS_ROOM_H
#define JOBS_ROOM_H

#include "jobs/jobs.h"

#include <pthread.h>
#include <stdatomic.h>

#define JOBS_KINDS_MAX 64
#define JOBS_ATTEMPTS_MAX 10
#define JOBS_ONCE_MAX 200
/* The key of a recurring kind's one run. */
#define JOBS_EVERY STR("every")

/* What is to be done with a run that was taken. */
enum jobs_act {
    JOBS_ACT_RUN,
    JOBS_ACT_RECONCILE,
    JOBS_ACT_CANCEL, /* as was asked; nothing is open outside */
    JOBS_ACT_GIVE_UP, /* call.why says why */
    JOBS_ACT__COUNT
};

/* A run that was taken: one worker's from claim to leave. */
struct jobs_taken {
    struct jobs *jobs;
    struct jobs_call call;
    const struct jobs_kind *kind; /* NULL: this program does not know it */
    const struct jobs_step *step;
    enum jobs_act act;
    int64_t seq, epoch;
    bool intent, cancel;
    struct jobs_taken *next;
};

struct jobs {
    struct store *store;
    struct jobs_options options;
    char boot[ID_TEXT_MAX];
    const struct jobs_kind *kinds[JOBS_KINDS_MAX];
    size_t kinds_n;
    struct jobs_kind cleanup;

    pthread_mutex_t lock;
    pthread_cond_t look, work; /* for the dispatcher, for the workers */
    bool poked, stop, started;
    size_t idle;
    struct jobs_taken *queue;
    pthread_t dispatcher;
    pthread_t *workers;
    size_t workers_n;
};

int64_t jobs_now(const struct jobs *jobs);
const struct jobs_kind *jobs_kind_of(const struct jobs *jobs, struct str name);
int64_t jobs_attempts_max(const struct jobs_step *step);
/* Takes up to `most` due runs; a list. ret_next_us: when the next is due, 0: none. */
MUST enum err jobs_claim(struct jobs *jobs, size_t most, struct jobs_taken **ret_list,
                         int64_t *ret_next_us);
/* Does its step and keeps what came of it. Frees it. */
void jobs_do(struct jobs_taken **taken);

#endif

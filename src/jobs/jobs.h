/* Durable jobs: runs of named steps on the store, that outlive the process.
 *
 * Owns: tables job_run, job_step; the dispatcher and the worker threads.
 * Needs: store, observe.
 * Threads: jobs_*_in inside store_write closures; jobs_open to jobs_start and jobs_stop to
 * jobs_close by the one who owns it; the others from any thread but the writer's and the loops.
 * Memory: input and data of a run are at most JOBS_INPUT_MAX and JOBS_DATA_MAX bytes.
 * Units: µs.
 * Errors: NOT_FOUND, CONFLICT (the run is not in a state for that), VALIDATION_FAILED, those of the
 * store.
 * Always: what is enqueued in a transaction runs if and only if it commits. A step that writes
 * outside (it has a `reconcile`) leaves its intent before and its result after: when nobody knows
 * whether the write happened (a crash, a timeout), reconcile is called and not the step. Every
 * write of a run carries the epoch of its lease, so that a worker who lost it changes nothing. A
 * step that fails too often leaves its run in needs_attention and says so; nothing is given up
 * silently. */
#ifndef JOBS_JOBS_H
#define JOBS_JOBS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "store/store.h"

#define JOBS_INPUT_MAX (256u * 1024)
#define JOBS_DATA_MAX (256u * 1024)
#define JOBS_WHY_MAX 256
#define JOBS_STEPS_MAX 32
/* A step must end within; after that another worker may take the run. */
#define JOBS_LEASE_US (INT64_C(600) * 1000 * 1000)

struct jobs;

enum jobs_outcome {
    JOBS_DONE, /* the next step follows, or the run is done */
    JOBS_END, /* the run is done, whatever steps are left */
    JOBS_RETRY, /* nothing happened outside: again, later (call->retry_us or the schedule) */
    JOBS_UNKNOWN, /* something may have happened outside: reconcile, later */
    JOBS_ABSENT, /* of reconcile: it did not happen; the step itself runs, at once */
    JOBS_SLEEP, /* this step again at call->wake_us; not counted as an attempt */
    JOBS_FAILED, /* no use in trying: needs_attention */
    JOBS_OUTCOME__COUNT
};

/* What a step is given, and what it leaves. */
struct jobs_call {
    void *arg; /* the kind's */
    struct id run;
    const char *kind, *step;
    struct str input; /* as it was enqueued */
    struct buf data; /* what the steps before left; kept with the outcome */
    int64_t attempt; /* of this step: 1, 2, … */
    int64_t now_us;
    struct arena arena;
    /* Left behind: */
    int64_t retry_us; /* RETRY, UNKNOWN: not before so long (a Retry-After); 0: the schedule */
    int64_t wake_us; /* SLEEP: when */
    char why[JOBS_WHY_MAX]; /* for the operator; no secrets */
};

struct jobs_step {
    const char *name;
    /* Blocking, on a worker thread; within JOBS_LEASE_US, all its waits bounded. */
    enum jobs_outcome (*run)(struct jobs_call *call);
    /* What came of an outside write whose result is not known: DONE (it is there; data as run would
     * have left it), ABSENT, RETRY (cannot be told now), FAILED. NULL: running the step again does
     * no harm. */
    enum jobs_outcome (*reconcile)(struct jobs_call *call);
    /* In the transaction that keeps a DONE or END (and may be tried again, as every closure of the
     * store may be); may be NULL. An error undoes both, and the outcome counts as UNKNOWN. */
    enum err (*done_in)(struct store_conn *conn, struct jobs_call *call);
    int attempts_max; /* 0: 10 */
};

struct jobs_kind {
    const char *name; /* letters, digits, '_'; constant, as the steps are */
    const struct jobs_step *steps;
    size_t steps_n;
    int64_t every_us; /* 0: runs when enqueued; else one run for ever, each time so long after */
    bool wipe; /* input and data are forgotten when the run is done or cancelled */
    /* In the transaction that cancels a run: what its owner keeps of it ends too. May be NULL. */
    enum err (*cancelled_in)(struct store_conn *conn, void *arg, struct str input, int64_t now_us);
    void *arg;
};

struct jobs_options {
    size_t threads; /* workers: 4; 0: none, jobs_work does it */
    int64_t keep_us; /* finished runs stay so long: 7 days */
    int64_t (*now)(void *arg); /* NULL: the wall clock */
    uint64_t (*draw)(void *arg); /* for jitter; NULL: random */
    void *arg;
};
MUST enum err jobs_open(struct store *store, const struct jobs_options *options,
                        struct jobs **ret_jobs);
/* Before jobs_start. The kind is kept by reference. */
void jobs_kind_add(struct jobs *jobs, const struct jobs_kind *kind);
/* Ends the leases of earlier boots, sets up the recurring runs, starts the threads. */
MUST enum err jobs_start(struct jobs *jobs);
/* Waits for the steps that run; the rest goes on at the next start. */
void jobs_stop(struct jobs *jobs);
void jobs_close(struct jobs **jobs);

struct jobs_spec {
    const char *kind;
    struct str key; /* empty: none. The same kind and key again is the same run */
    struct str input; /* opaque bytes; what is secret in it is sealed */
    int64_t wake_us; /* 0: at once */
};
/* Inside a store_write closure; workers hear of it when that commits. ret_run may be NULL.
 * VALIDATION_FAILED when key (200 bytes) or input are too long. */
MUST enum err jobs_enqueue_in(struct jobs *jobs, struct store_conn *conn,
                              const struct jobs_spec *spec, int64_t now_us, struct id *ret_run);
/* By the operator: a run in needs_attention or one that waits is tried at once, with all attempts;
 * else CONFLICT. */
MUST enum err jobs_retry_in(struct jobs *jobs, struct store_conn *conn, struct id run,
                            int64_t now_us);
/* A run that waits ends now, one whose step runs (or whose outside write is not known) as soon as
 * that is known; CONFLICT when it is over, or recurring. */
MUST enum err jobs_cancel_in(struct jobs *jobs, struct store_conn *conn, struct id run,
                             int64_t now_us);
/* "scheduled", "retrying", "sleeping", "running", "done", "cancelled", "needs_attention", or
 * NOT_FOUND. */
MUST enum err jobs_state(struct store_conn *conn, struct id run, struct arena *a,
                         struct str *ret_state);

/* For the operator, newest first: {"data":[…],"has_more","next_cursor"}. state and kind may be
 * empty, cursor zero. */
MUST enum err jobs_list_json(struct jobs *jobs, struct store_conn *conn, struct str state,
                             struct str kind, struct id cursor, int64_t limit, struct buf *json);
/* One run with its steps. NOT_FOUND. */
MUST enum err jobs_run_json(struct jobs *jobs, struct store_conn *conn, struct id run,
                            struct buf *json);
struct jobs_counts {
    int64_t waiting, running, needs_attention;
};
MUST enum err jobs_count(struct store_conn *conn, struct jobs_counts *ret_counts);

/* Without threads (tests, verbs): does one step of one due run. ret_next_us: when none was due, the
 * time of the next one; 0: there is none. */
MUST enum err jobs_work(struct jobs *jobs, bool *ret_worked, int64_t *ret_next_us);
/* From any thread: look again. */
void jobs_poke(struct jobs *jobs);

/* The wait before attempt n + 1: 5 s, 15 s, 30 s, 1, 2, 5, 10, 20, 40 min, 1 h, then 2 h, and up to
 * a quarter more. */
int64_t jobs_backoff_us(int64_t attempt, uint64_t draw);

#endif

/* One step of one run: taken, done, its outcome kept.
 *
 *   claim   lease, epoch and (for a step that writes outside) intent, in one transaction
 *   do      run, or reconcile where an intent is open
 *   leave   outcome, the step's own rows, the next step: in one transaction, under the epoch */
#include "jobs/room.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "observe/observe.h"

#include <stdio.h>
#include <unistd.h>

#define RETRY_MIN_US US_PER_S
#define RETRY_MAX_US US_PER_DAY
#define LEAVE_US (JOBS_LEASE_US / 2)

int64_t jobs_now(const struct jobs *jobs)
{
    return jobs->options.now != NULL ? jobs->options.now(jobs->options.arg) : clock_wall_us();
}

static uint64_t draw(const struct jobs *jobs)
{
    uint64_t n;
    if (jobs->options.draw != NULL)
        return jobs->options.draw(jobs->options.arg);
    crypto_random(&n, sizeof(n));
    return n;
}

int64_t jobs_backoff_us(int64_t attempt, uint64_t drawn)
{
    static const int64_t s[] = {5, 15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200};
    size_t n = sizeof(s) / sizeof(s[0]);
    size_t i = attempt < 1 ? 0 : (size_t)attempt > n ? n - 1 : (size_t)attempt - 1;
    int64_t us = s[i] * US_PER_S;
    return us + (int64_t)(drawn % (uint64_t)(us / 4));
}

int64_t jobs_attempts_max(const struct jobs_step *step)
{
    return step != NULL && step->attempts_max > 0 ? step->attempts_max : JOBS_ATTEMPTS_MAX;
}

/* ---------------------------------------------------------------- claim */

static void taken_free(struct jobs_taken **taken)
{
    buf_fini(&(*taken)->call.data);
    arena_fini(&(*taken)->call.arena);
    mem_free(*taken);
    *taken = NULL;
}

static void list_free(struct jobs_taken **list)
{
    while (*list != NULL) {
        struct jobs_taken *first = *list;
        *list = first->next;
        taken_free(&first);
    }
}

static void choose_act(struct jobs_taken *t)
{
    if (t->step == NULL) {
        t->act = JOBS_ACT_GIVE_UP;
        snprintf(t->call.why, JOBS_WHY_MAX, "this version knows no such kind or step");
        return;
    }
    if (t->call.attempt > jobs_attempts_max(t->step)) {
        t->act = JOBS_ACT_GIVE_UP;
        snprintf(t->call.why, JOBS_WHY_MAX, "its last attempts were cut off");
        return;
    }
    if (t->intent)
        t->act = t->step->reconcile != NULL ? JOBS_ACT_RECONCILE : JOBS_ACT_RUN;
    else
        t->act = t->cancel ? JOBS_ACT_CANCEL : JOBS_ACT_RUN;
}

static struct jobs_taken *taken_of_row(struct jobs *jobs, const struct store_query *q,
                                       int64_t now_us)
{
    struct jobs_taken *t = mem_zalloc(sizeof(*t));
    struct str kind = store_str(q, 1);
    t->jobs = jobs;
    arena_init(&t->call.arena, 4096, 8u * 1024 * 1024);
    buf_init(&t->call.data, JOBS_DATA_MAX);
    must(id_parse("job_", store_str(q, 0), &t->call.run));
    t->kind = jobs_kind_of(jobs, kind);
    t->seq = store_i64(q, 2);
    if (t->kind != NULL && t->seq >= 0 && (size_t)t->seq < t->kind->steps_n)
        t->step = &t->kind->steps[t->seq];
    t->call.arg = t->kind != NULL ? t->kind->arg : NULL;
    t->call.kind = t->kind != NULL ? t->kind->name : arena_dup(&t->call.arena, kind).p;
    t->call.step = t->step != NULL ? t->step->name : "";
    t->call.attempt = store_i64(q, 3);
    t->intent = store_i64(q, 4) != 0;
    t->cancel = store_i64(q, 5) != 0;
    t->epoch = store_i64(q, 6);
    t->call.input = arena_dup(&t->call.arena, store_str(q, 7));
    buf_add(&t->call.data, store_str(q, 8));
    t->call.now_us = now_us;
    choose_act(t);
    return t;
}

struct claim {
    struct jobs *jobs;
    size_t most;
    struct jobs_taken *list;
    int64_t now_us, next_us;
};

/* The step is begun: what follows may leave traces outside. */
static enum err begin_in(struct store_conn *conn, struct jobs_taken *t)
{
    char text[ID_TEXT_MAX];
    struct str id = id_text("job_", t->call.run, text);
    if (t->act != JOBS_ACT_RUN && t->act != JOBS_ACT_RECONCILE)
        return OK;
    enum err e = OK;
    if (t->step->reconcile != NULL && !t->intent)
        e = store_run(conn, SQL_JOBS_INTEND, NULL, "ti", id, t->epoch);
    t->intent = t->intent || t->step->reconcile != NULL;
    if (e == OK)
        e = store_run(conn, SQL_JOBS_STEP_BEGIN, NULL, "titii", id, t->seq, str_c(t->step->name),
                      t->call.attempt, t->call.now_us);
    return e;
}

static enum err claim_one_in(struct store_conn *conn, struct claim *c, struct jobs_taken **ret)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_JOBS_CLAIM, &q, "tii", str_c(c->jobs->boot),
                             c->now_us + JOBS_LEASE_US, c->now_us);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret = taken_of_row(c->jobs, q, c->now_us);
    store_finish(&q);
    return e == OK ? begin_in(conn, *ret) : e;
}

static enum err next_in(struct store_conn *conn, int64_t *ret_next_us)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_JOBS_NEXT, &q, "");
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_next_us = store_is_null(q, 0) ? 0 : store_i64(q, 0);
    store_finish(&q);
    return e;
}

static enum err claim_in(struct store_conn *conn, void *arg)
{
    struct claim *c = arg;
    enum err e = OK;
    list_free(&c->list); /* of a transaction that is tried again */
    struct jobs_taken **last = &c->list;
    for (size_t i = 0; i < c->most && e == OK; i++) {
        struct jobs_taken *t = NULL;
        e = claim_one_in(conn, c, &t);
        *last = t;
        if (t != NULL)
            last = &t->next;
    }
    if (e == OK || e == ERR_END)
        e = next_in(conn, &c->next_us);
    return e;
}

enum err jobs_claim(struct jobs *jobs, size_t most, struct jobs_taken **ret_list,
                    int64_t *ret_next_us)
{
    struct claim c = {.jobs = jobs, .most = most, .now_us = jobs_now(jobs)};
    enum err e = store_write(jobs->store, claim_in, &c);
    if (e != OK)
        list_free(&c.list);
    else
        *ret_next_us = c.next_us;
    *ret_list = c.list;
    return e;
}

/* ---------------------------------------------------------------- leave */

/* What a run becomes. */
struct after {
    const char *state, *step_state;
    bool live, intent, over, sad; /* over: ended; sad: the operator hears of it */
    bool anew; /* a recurring run begins again, with nothing */
    int64_t wake_us, seq, attempt;
};

static struct after stay(const struct jobs_taken *t, const char *state, int64_t wake_us)
{
    return (struct after){.state = state,
                          .step_state = state,
                          .live = true,
                          .intent = t->intent,
                          .wake_us = wake_us,
                          .seq = t->seq,
                          .attempt = t->call.attempt};
}

/* The run is over, one way or the other; a recurring one begins anew. */
static struct after over(const struct jobs_taken *t, const char *state, bool sad)
{
    struct after a = {.state = state, .step_state = state, .over = true, .sad = sad};
    a.seq = t->seq;
    a.attempt = t->call.attempt;
    a.intent = sad && t->intent;
    if (t->kind == NULL || t->kind->every_us == 0)
        return a;
    a = (struct after){.state = "scheduled", .step_state = state, .live = true, .sad = sad};
    a.anew = true;
    a.wake_us = t->call.now_us + t->kind->every_us;
    return a;
}

static struct after later(const struct jobs_taken *t, uint64_t drawn)
{
    int64_t us = t->call.retry_us;
    if (t->call.attempt >= jobs_attempts_max(t->step))
        return over(t, "needs_attention", true);
    if (us == 0)
        us = jobs_backoff_us(t->call.attempt, drawn);
    us = us < RETRY_MIN_US ? RETRY_MIN_US : us > RETRY_MAX_US ? RETRY_MAX_US : us;
    return stay(t, "retrying", t->call.now_us + us);
}

static struct after next_step(const struct jobs_taken *t, bool end)
{
    struct after a;
    if (end || (size_t)t->seq + 1 == t->kind->steps_n)
        return over(t, "done", false);
    a = stay(t, "scheduled", t->call.now_us);
    a.step_state = "done";
    a.intent = false;
    a.seq = t->seq + 1;
    a.attempt = 0;
    return a;
}

/* Without an outside write in doubt a run that was cancelled ends here. */
static struct after unless_cancelled(const struct jobs_taken *t, struct after a)
{
    if (!t->cancel || a.intent || strcmp(a.state, "done") == 0)
        return a;
    struct after c = over(t, "cancelled", false);
    c.step_state = strcmp(a.step_state, "done") == 0 ? "done" : "cancelled";
    return c;
}

static struct after after_of(struct jobs_taken *t, enum jobs_outcome outcome, uint64_t drawn)
{
    struct after a;
    bool was_run = t->act == JOBS_ACT_RUN;
    switch (outcome) {
    case JOBS_DONE:
    case JOBS_END: return unless_cancelled(t, next_step(t, outcome == JOBS_END));
    case JOBS_RETRY:
        if (was_run)
            t->intent = false; /* it says that nothing happened */
        return unless_cancelled(t, later(t, drawn));
    case JOBS_UNKNOWN: return unless_cancelled(t, later(t, drawn));
    case JOBS_ABSENT:
        t->intent = false;
        a = stay(t, "scheduled", t->call.now_us);
        a.attempt = t->call.attempt - 1; /* asking is no attempt */
        return unless_cancelled(t, a);
    case JOBS_SLEEP:
        t->intent = false;
        return unless_cancelled(t, stay(t, "sleeping", t->call.wake_us));
    case JOBS_FAILED:
        if (was_run)
            t->intent = false;
        return t->cancel && !t->intent ? over(t, "cancelled", false)
                                       : over(t, "needs_attention", true);
    case JOBS_OUTCOME__COUNT: break;
    }
    must(false);
    return a;
}

struct leave {
    struct jobs_taken *t;
    enum jobs_outcome outcome;
    uint64_t drawn;
    bool refused; /* by done_in */
    struct after after;
};

/* Has this worker still the run? Reads whether it was cancelled meanwhile. */
static enum err fence_in(struct store_conn *conn, struct jobs_taken *t, struct str id)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_JOBS_FENCE, &q, "ti", id, t->epoch);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        t->cancel = store_i64(q, 0) != 0;
    store_finish(&q);
    return e == ERR_END ? ERR_CONFLICT : e;
}

/* It will pass. (A statement that the database refuses is ERR_STORE, and will be refused again.) */
static bool will_pass(enum err e)
{
    return e == ERR_STORE_BUSY || e == ERR_STORE_FULL || e == ERR_STORE_READONLY;
}

static enum err keep_in(struct store_conn *conn, const struct leave *l, struct str id)
{
    const struct after *a = &l->after;
    struct jobs_call *call = &l->t->call;
    bool done = l->outcome == JOBS_DONE || l->outcome == JOBS_END;
    struct str why = done ? STR("") : str_c(call->why);
    struct str data = a->anew ? STR("") : buf_str(&call->data);
    enum err e = store_run(conn, SQL_JOBS_STEP_END, NULL, "titit", id, l->t->seq,
                           str_c(a->step_state), call->now_us, why);
    if (e == OK)
        e = store_run(conn, SQL_JOBS_LEAVE, NULL, "titiiiiibti", id, l->t->epoch, str_c(a->state),
                      (int64_t)a->live, a->wake_us, a->seq, a->attempt, (int64_t)a->intent, data,
                      why, a->over ? call->now_us : INT64_C(0));
    if (e == OK && strcmp(a->state, "cancelled") == 0 && l->t->kind != NULL &&
        l->t->kind->cancelled_in != NULL)
        e = l->t->kind->cancelled_in(conn, l->t->kind->arg, call->input, call->now_us);
    if (e == OK && a->over && !a->sad && l->t->kind != NULL && l->t->kind->wipe)
        e = store_run(conn, SQL_JOBS_WIPE, NULL, "tb", id, STR(""));
    return e;
}

static enum err leave_in(struct store_conn *conn, void *arg)
{
    struct leave *l = arg;
    struct jobs_taken t = *l->t; /* flags change with each try */
    char text[ID_TEXT_MAX];
    struct str id = id_text("job_", t.call.run, text);
    bool done = l->outcome == JOBS_DONE || l->outcome == JOBS_END;
    enum err e = fence_in(conn, &t, id);
    l->refused = false;
    if (e != OK)
        return e;
    l->after = t.act == JOBS_ACT_CANCEL ? over(&t, "cancelled", false)
                                        : after_of(&t, l->outcome, l->drawn);
    if (done && t.step->done_in != NULL) {
        e = t.step->done_in(conn, &l->t->call);
        l->refused = e != OK && !will_pass(e);
    }
    return e == OK ? keep_in(conn, l, id) : e;
}

static void tell(const struct jobs_taken *t, const struct after *a, enum jobs_outcome outcome)
{
    char id[ID_TEXT_MAX];
    if (outcome == JOBS_DONE || outcome == JOBS_END || outcome == JOBS_SLEEP ||
        outcome == JOBS_ABSENT)
        return;
    observe_say(a->sad ? "error" : "info", a->sad ? "job_needs_attention" : "job_retries",
                "%.*s %s, step %s, attempt %lld: %s", STR_ARG(id_text("job_", t->call.run, id)),
                t->call.kind, t->call.step, (long long)t->call.attempt, t->call.why);
}

static bool is_stopping(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    bool stop = jobs->stop;
    pthread_mutex_unlock(&jobs->lock);
    return stop;
}

/* A store that is busy or full may take it later, as long as the lease lasts. What cannot be kept
 * at all is found again when it ends, or at the next start. */
static void leave(struct jobs_taken *t, enum jobs_outcome outcome)
{
    struct leave l = {.t = t, .outcome = outcome, .drawn = draw(t->jobs)};
    enum err e = OK;
    int64_t until_us = clock_mono_us() + LEAVE_US;
    do {
        e = store_write(t->jobs->store, leave_in, &l);
        if (will_pass(e))
            sleep(1);
    } while (will_pass(e) && clock_mono_us() < until_us && !is_stopping(t->jobs));
    if (l.refused) {
        snprintf(t->call.why, JOBS_WHY_MAX, "its result could not be kept: %s",
                 err_info(e)->meaning);
        l = (struct leave){.t = t, .outcome = JOBS_UNKNOWN, .drawn = l.drawn};
        e = store_write(t->jobs->store, leave_in, &l);
    }
    char id[ID_TEXT_MAX];
    if (e == OK)
        tell(t, &l.after, l.outcome);
    else
        observe_say("error", "job_lost", "%.*s %s, step %s: what came of it is not kept: %s",
                    STR_ARG(id_text("job_", t->call.run, id)), t->call.kind, t->call.step,
                    err_info(e)->name);
}

/* ---------------------------------------------------------------- do */

static enum jobs_outcome act(struct jobs_taken *t)
{
    enum jobs_outcome outcome = JOBS_FAILED;
    switch (t->act) {
    case JOBS_ACT_RUN: outcome = t->step->run(&t->call); break;
    case JOBS_ACT_RECONCILE: outcome = t->step->reconcile(&t->call); break;
    case JOBS_ACT_CANCEL:
    case JOBS_ACT_GIVE_UP: return JOBS_FAILED;
    case JOBS_ACT__COUNT: must(false);
    }
    must(outcome != JOBS_ABSENT || t->act == JOBS_ACT_RECONCILE);
    if (t->call.data.over) {
        snprintf(t->call.why, JOBS_WHY_MAX, "the step leaves more data than a run may hold");
        return JOBS_FAILED;
    }
    return outcome;
}

void jobs_do(struct jobs_taken **taken)
{
    struct jobs_taken *t = *taken;
    must_trail(t->kind != NULL ? t->kind->name : "a job of no kind");
    must_trail(t->call.step);
    enum jobs_outcome outcome = act(t);
    t->call.now_us = jobs_now(t->jobs);
    leave(t, outcome);
    taken_free(taken);
}

/* Recurring jobs. */
#include "app/chores.h"

#include "base/clock.h"
#include "gateway/idempotency.h"
#include "identity/account.h"
#include "identity/audit.h"
#include "identity/session.h"
#include "observe/observe.h"

#include <stdio.h>

#define EXPIRIES_EVERY_US (20 * US_PER_S)
#define RETENTION_EVERY_US US_PER_HOUR
#define RETENTION_ROWS 500
#define RETENTION_TURNS 200

/* Lots that are due, sessions, answers kept for repeated requests: in one transaction, which may be
 * tried again. */
struct expiry {
    struct house *h;
    int64_t now_us;
    int lots;
};

static enum err expire_in(struct store_conn *conn, void *arg)
{
    struct expiry *x = arg;
    enum err e = idempotency_expire_in(conn, x->now_us);
    if (e == OK)
        e = identity_expire_in(x->h->identity, conn, x->now_us);
    if (e == OK)
        e = identity_account_expire_in(x->h->identity, conn, x->now_us);
    if (e == OK)
        e = payments_expire_in(x->h->payments, conn, x->now_us);
    return e == OK ? ledger_expire_in(x->h->ledger, conn, x->now_us, &x->lots) : e;
}

static enum jobs_outcome expire(struct jobs_call *call)
{
    struct expiry x = {.h = call->arg, .now_us = call->now_us};
    enum err e = store_write(x.h->store, expire_in, &x);
    if (e != OK) {
        snprintf(call->why, sizeof(call->why), "what is due could not be expired: %s",
                 err_info(e)->name);
        return JOBS_RETRY;
    }
    if (x.lots > 0)
        observe_say("info", "lots_expired", "%d lots expired", x.lots);
    return JOBS_DONE;
}

static const struct jobs_step expiry_steps[] = {{.name = "expire", .run = expire}};

/* What was kept long enough goes, some rows at a time so that nobody waits for the writer. The
 * books are another matter: the journal and what is made of it name keys by id, and stay. */
struct retention {
    struct house *h;
    int64_t before_us;
    int64_t gone; /* in this transaction */
};

static enum err audit_in(struct store_conn *conn, void *arg)
{
    struct retention *r = arg;
    return identity_audit_forget_in(conn, r->before_us, RETENTION_ROWS, &r->gone);
}

static enum err keys_in(struct store_conn *conn, void *arg)
{
    struct retention *r = arg;
    struct id ids[RETENTION_ROWS];
    int64_t n = 0;
    enum err e = identity_keys_forget_in(conn, r->before_us, ids, RETENTION_ROWS, &n);
    for (int64_t i = 0; i < n && e == OK; i++)
        e = limits_set_in(r->h->limits, conn, LIMITS_KEY, ids[i], &LIMITS_UNSET, r->before_us);
    r->gone = n;
    return e;
}

static enum err forget(struct house *h, int64_t keep_us, int64_t now_us,
                       enum err (*some_in)(struct store_conn *conn, void *arg), int64_t *ret_n)
{
    struct retention r = {.h = h, .before_us = now_us - keep_us, .gone = RETENTION_ROWS};
    enum err e = OK;
    *ret_n = 0;
    for (int i = 0; keep_us != 0 && e == OK && r.gone != 0 && i < RETENTION_TURNS; i++) {
        e = store_write(h->store, some_in, &r);
        *ret_n += r.gone;
    }
    return e;
}

static enum jobs_outcome retain(struct jobs_call *call)
{
    struct house *h = call->arg;
    int64_t lines = 0, keys = 0;
    enum err e = forget(h, h->config->retention_audit, call->now_us, audit_in, &lines);
    if (e == OK)
        e = forget(h, h->config->retention_ended_keys, call->now_us, keys_in, &keys);
    if (lines != 0 || keys != 0)
        observe_say("info", "retention", "%lld lines of audit and %lld ended keys were forgotten",
                    (long long)lines, (long long)keys);
    if (e == OK)
        return JOBS_DONE;
    snprintf(call->why, sizeof(call->why), "old rows could not be deleted: %s", err_info(e)->name);
    return JOBS_RETRY;
}

static const struct jobs_step retention_steps[] = {{.name = "forget", .run = retain}};

void chores_add(struct house *h)
{
    h->expiries = (struct jobs_kind){.name = "expiries",
                                     .steps = expiry_steps,
                                     .steps_n = 1,
                                     .every_us = EXPIRIES_EVERY_US,
                                     .arg = h};
    jobs_kind_add(h->jobs, &h->expiries);
    h->retention = (struct jobs_kind){.name = "retention",
                                      .steps = retention_steps,
                                      .steps_n = 1,
                                      .every_us = RETENTION_EVERY_US,
                                      .arg = h};
    jobs_kind_add(h->jobs, &h->retention);
}

/* Recurring jobs. */
#include "app/chores.h"

#include "base/clock.h"
#include "gateway/idempotency.h"
#include "identity/account.h"
#include "identity/session.h"
#include "observe/observe.h"

#include <stdio.h>

#define EXPIRIES_EVERY_US (20 * US_PER_S)

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

void chores_add(struct house *h)
{
    h->expiries = (struct jobs_kind){.name = "expiries",
                                     .steps = expiry_steps,
                                     .steps_n = 1,
                                     .every_us = EXPIRIES_EVERY_US,
                                     .arg = h};
    jobs_kind_add(h->jobs, &h->expiries);
}

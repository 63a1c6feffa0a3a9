/* A house with a ledger. */
#include "ledger/ledger_testkit.h"
#include "base/clock.h"
#include "base/crypto.h"

#include <stdio.h>
#include <stdlib.h>

static void need(enum err e, const char *what)
{
    if (e == OK)
        return;
    fprintf(stderr, "ledger_testkit: %s: %s\n", what, err_info(e)->name);
    abort();
}

static enum err outcome(void *arg, struct store_conn *conn, const struct ledger_outcome *o)
{
    struct ledger_testkit *kit = arg;
    (void)conn;
    kit->outcomes++;
    kit->settled += o->kind == LEDGER_SETTLED;
    kit->charged += o->charge.v;
    kit->written_off += o->written_off.v;
    kit->last = *o;
    struct str about = str_upto(o->end_about, sizeof(kit->last_about) - 1);
    memcpy(kit->last_about, about.p, about.n);
    kit->last_about[about.n] = '\0';
    return OK;
}

static enum err flush(void *arg, struct store_conn *conn)
{
    struct ledger_testkit *kit = arg;
    (void)conn;
    kit->flushes++;
    return OK;
}

static void reset(void *arg)
{
    struct ledger_testkit *kit = arg;
    kit->resets++;
}

bool ledger_testkit_has_postgres(void)
{
    struct store_testkit probe;
    if (getenv("LEDGER_NO_PG") != NULL || !store_testkit_begin(&probe, true))
        return false;
    store_testkit_end(&probe);
    return true;
}

bool ledger_testkit_begin(struct ledger_testkit *kit, bool postgres)
{
    crypto_init();
    *kit = (struct ledger_testkit){.now_us = INT64_C(1800000000000000)};
    if (!store_testkit_begin(&kit->house, postgres))
        return false;
    ledger_testkit_open(kit);
    return true;
}

void ledger_testkit_open(struct ledger_testkit *kit)
{
    char why[STORE_WHY_MAX] = "";
    struct ledger_options options = {
        .node = STR("n1"),
        .projector = {.outcome = outcome, .flush = flush, .reset = reset, .arg = kit},
    };
    kit->store = store_testkit_open(&kit->house);
    enum err e = ledger_open(kit->store, &options, &kit->ledger, why);
    need(e, why);
    need(ledger_lane_new(kit->ledger, NULL, NULL, &kit->lane), "lane");
}

void ledger_testkit_close(struct ledger_testkit *kit)
{
    ledger_lane_free(&kit->lane);
    ledger_close(&kit->ledger);
    store_close(&kit->store);
}

void ledger_testkit_end(struct ledger_testkit *kit)
{
    if (kit->store != NULL)
        ledger_testkit_close(kit);
    store_testkit_end(&kit->house);
}

/* ---- control ---- */

enum what { OPEN, CAP_SET, GRANT, TAKE, EXPIRE, REFUND };

struct job {
    struct ledger_testkit *kit;
    enum what what;
    struct id id;
    enum ledger_kind kind;
    bool off;
    struct nano amount;
    const struct ledger_grant *grant;
    const char *key;
    bool replayed;
    struct nano taken;
    int lots;
};

static enum err job_run(struct store_conn *conn, void *arg)
{
    struct job *j = arg;
    struct ledger *l = j->kit->ledger;
    int64_t now_us = j->kit->now_us;
    switch (j->what) {
    case OPEN: return ledger_account_open_in(l, conn, j->id, j->kind, j->amount, now_us);
    case CAP_SET: return ledger_cap_set_in(l, conn, j->id, j->off, j->amount, now_us);
    case GRANT: return ledger_grant_in(l, conn, j->grant, &j->replayed);
    case TAKE:
        return ledger_lot_take_in(l, conn, j->id, j->amount, STR("stripe_clearing"),
                                  STR("refund of a payment"), str_c(j->key), now_us, &j->taken);
    case EXPIRE: return ledger_expire_in(l, conn, now_us, &j->lots);
    case REFUND:
        return ledger_refund_in(l, conn, j->id, j->amount, STR("a complaint"), str_c(j->key),
                                now_us);
    }
    return ERR_INTERNAL;
}

static enum err job_do(struct job *j)
{
    return store_write(j->kit->store, job_run, j);
}

struct id ledger_testkit_wallet(struct ledger_testkit *kit, struct nano overdraft)
{
    struct job j = {.kit = kit,
                    .what = OPEN,
                    .id = id_new(kit->now_us),
                    .kind = LEDGER_WALLET,
                    .amount = overdraft};
    need(job_do(&j), "wallet");
    return j.id;
}

struct id ledger_testkit_cap(struct ledger_testkit *kit, bool off, struct nano limit)
{
    struct job j = {.kit = kit, .what = OPEN, .id = id_new(kit->now_us), .kind = LEDGER_CAP};
    need(job_do(&j), "cap");
    need(ledger_testkit_cap_set(kit, j.id, off, limit), "cap's limit");
    return j.id;
}

enum err ledger_testkit_cap_set(struct ledger_testkit *kit, struct id cap, bool off,
                                struct nano limit)
{
    struct job j = {.kit = kit, .what = CAP_SET, .id = cap, .off = off, .amount = limit};
    return job_do(&j);
}

enum err ledger_testkit_grant(struct ledger_testkit *kit, const struct ledger_grant *g,
                              bool *ret_replayed)
{
    struct job j = {.kit = kit, .what = GRANT, .grant = g};
    enum err e = job_do(&j);
    *ret_replayed = j.replayed;
    return e;
}

struct id ledger_testkit_credit(struct ledger_testkit *kit, struct id wallet, struct nano amount)
{
    char key[32];
    bool replayed;
    int n = snprintf(key, sizeof(key), "credit:%u", kit->names++);
    struct ledger_grant g = {
        .wallet = wallet,
        .lot = id_new(kit->now_us),
        .kind = LEDGER_LOT_PROMOTIONAL,
        .amount = amount,
        .source = STR("promo_expense"),
        .reason = STR("a gift"),
        .idempotency = str_of(key, (size_t)n),
        .wall_us = kit->now_us,
    };
    need(ledger_testkit_grant(kit, &g, &replayed), "credit");
    return g.lot;
}

enum err ledger_testkit_take(struct ledger_testkit *kit, struct id lot, struct nano most,
                             const char *key, struct nano *ret_taken)
{
    struct job j = {.kit = kit, .what = TAKE, .id = lot, .amount = most, .key = key};
    enum err e = job_do(&j);
    *ret_taken = j.taken;
    return e;
}

enum err ledger_testkit_expire(struct ledger_testkit *kit, int *ret_lots)
{
    struct job j = {.kit = kit, .what = EXPIRE};
    enum err e = job_do(&j);
    *ret_lots = j.lots;
    return e;
}

enum err ledger_testkit_refund(struct ledger_testkit *kit, struct id call, struct nano amount,
                               const char *key)
{
    struct job j = {.kit = kit, .what = REFUND, .id = call, .amount = amount, .key = key};
    return job_do(&j);
}

/* ---- holds ---- */

enum err ledger_testkit_hold(struct ledger_testkit *kit, struct id wallet, struct id cap,
                             struct nano amount, struct ledger_hold *ret_hold)
{
    ledger_ticket ticket;
    *ret_hold = (struct ledger_hold){
        .call = id_new(kit->now_us), .wallet = ledger_find(kit->ledger, wallet), .amount = amount};
    if (!id_is_zero(cap))
        ret_hold->caps[0] = ledger_find(kit->ledger, cap);
    return ledger_hold_place(kit->lane, ret_hold, kit->now_us, STR("hold"), &ticket);
}

struct nano ledger_testkit_settle(struct ledger_testkit *kit, struct ledger_hold *hold,
                                  struct nano charge)
{
    struct nano written_off;
    struct ledger_settlement s = {.charge = charge,
                                  .cost = NANO(charge.v / 2),
                                  .wall_us = kit->now_us,
                                  .about = STR("usage")};
    (void)ledger_hold_settle(kit->lane, hold, &s, &written_off);
    return written_off;
}

void ledger_testkit_void(struct ledger_testkit *kit, struct ledger_hold *hold)
{
    (void)ledger_hold_void(kit->lane, hold, kit->now_us, STR("nothing"));
}

void ledger_testkit_sync(struct ledger_testkit *kit)
{
    ledger_lane_flush(kit->lane);
    need(ledger_settled_up(kit->ledger), "settled up");
}

struct nano ledger_testkit_available(struct ledger_testkit *kit, struct id account)
{
    return ledger_available(ledger_find(kit->ledger, account));
}

struct nano ledger_testkit_balance(struct ledger_testkit *kit, struct id account)
{
    return ledger_balance(ledger_find(kit->ledger, account));
}

uint64_t ledger_testkit_verify(struct ledger_testkit *kit, bool loud)
{
    ledger_testkit_sync(kit);
    return ledger_testkit_verify_only(kit, loud);
}

uint64_t ledger_testkit_verify_only(struct ledger_testkit *kit, bool loud)
{
    struct store_conn *conn = NULL;
    struct ledger_verdict verdict = {0};
    struct buf report;
    buf_init(&report, 1 << 20);
    need(store_reader_begin_for(kit->store, 0, &conn), "reader");
    need(ledger_verify(kit->ledger, conn, &verdict, &report), "verify");
    store_reader_end(&conn);
    if (loud && verdict.mismatches != 0)
        fprintf(stderr, "%.*s", STR_ARG(buf_str(&report)));
    buf_fini(&report);
    return verdict.mismatches;
}

/* Thousands of random operations against a naive model, which predicts every answer and balance.
 *
 * The operations are cut into lives. Each is a process of its own that ends without closing
 * anything (the last one closes); the next one opens what is left. All ids and choices come from
 * the seed, so a new process finds out what should be there by doing the earlier lives in the naive
 * model alone.
 *
 *   LEDGER_SEED=n LEDGER_OPS=n random_test     repeats a failure, or makes it longer */
#include "base/clock.h"
#include "base/mem.h"
#include "ledger/ledger.h"
#include "ledger/ledger_testkit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WALLETS 4
#define CAPS 3
#define LOTS 1500
#define HOLDS 24
#define CALLS 6000
#define LIVES 4

static bool on_postgres;
static uint64_t seed_given, ops_given;

/* ---- the naive model ---- */

struct n_lot {
    int wallet;
    int64_t amount, remaining, held, expires;
    int priority;
    struct id id;
};
struct n_part {
    int lot; /* -1: overdraft */
    int64_t amount, refunded;
};
struct n_call {
    bool open;
    struct id id;
    int wallet, cap[2];
    int64_t amount;
    struct n_part parts[64];
    int parts_n;
    struct ledger_hold hold; /* of this life */
};
struct naive {
    uint64_t random;
    int64_t now_us, limit[WALLETS], debt[WALLETS], debt_held[WALLETS];
    int64_t cap_limit[CAPS], cap_spent[CAPS], cap_held[CAPS];
    bool cap_off[CAPS];
    struct n_lot lots[LOTS];
    int lots_n;
    struct n_call calls[CALLS];
    int calls_n;
    int open[HOLDS], open_n;
    int64_t charged, written_off;
    unsigned keys;
    /* The real one; NULL while earlier lives are only done in mind. */
    struct ledger_testkit *kit;
    ledger_ticket ticket; /* of this life's last record */
};

static uint64_t roll(struct naive *n, uint64_t of)
{
    uint64_t z = (n->random += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (z ^ (z >> 31)) % of;
}

static struct id make_id(unsigned what, unsigned number)
{
    struct id id = {{1, 0x90, (uint8_t)what}};
    for (int i = 0; i < 4; i++)
        id.b[15 - i] = (uint8_t)(number >> (8 * i));
    return id;
}

static int64_t n_available(const struct naive *n, int w)
{
    int64_t sum = -n->debt[w] - n->debt_held[w];
    for (int i = 0; i < n->lots_n; i++)
        if (n->lots[i].wallet == w)
            sum += n->lots[i].remaining - n->lots[i].held;
    return sum;
}

static int64_t n_balance(const struct naive *n, int w)
{
    int64_t sum = -n->debt[w];
    for (int i = 0; i < n->lots_n; i++)
        if (n->lots[i].wallet == w)
            sum += n->lots[i].remaining;
    return sum;
}

static int64_t n_cap_available(const struct naive *n, int c)
{
    return n->cap_limit[c] - n->cap_spent[c] - n->cap_held[c];
}

static bool n_before(const struct n_lot *a, const struct n_lot *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority;
    if (a->expires != b->expires)
        return a->expires != 0 && (b->expires == 0 || a->expires < b->expires);
    return memcmp(a->id.b, b->id.b, 16) < 0;
}

/* The next lot to burn; -1: none has anything. */
static int n_next(const struct naive *n, int w)
{
    int best = -1;
    for (int i = 0; i < n->lots_n; i++) {
        const struct n_lot *lot = &n->lots[i];
        if (lot->wallet == w && lot->remaining > lot->held &&
            (best < 0 || n_before(lot, &n->lots[best])))
            best = i;
    }
    return best;
}

static void n_burn(struct naive *n, struct n_call *c, int64_t amount, bool spend)
{
    while (amount > 0) {
        int i = n_next(n, c->wallet);
        int64_t part = amount;
        if (i >= 0) {
            struct n_lot *lot = &n->lots[i];
            if (part > lot->remaining - lot->held)
                part = lot->remaining - lot->held;
            if (spend)
                lot->remaining -= part;
            else
                lot->held += part;
        } else if (spend) {
            n->debt[c->wallet] += part;
        } else {
            n->debt_held[c->wallet] += part;
        }
        if (c->parts_n == 64)
            abort();
        c->parts[c->parts_n++] = (struct n_part){i, part, 0};
        amount -= part;
    }
}

static void n_repay(struct naive *n, int w)
{
    int i;
    while (n->debt[w] > 0 && (i = n_next(n, w)) >= 0) {
        int64_t part = n->lots[i].remaining - n->lots[i].held;
        if (part > n->debt[w])
            part = n->debt[w];
        n->lots[i].remaining -= part;
        n->debt[w] -= part;
    }
}

/* Resolves what was held; the first `spent` is spent. */
static void n_resolve(struct naive *n, struct n_call *c, int64_t spent)
{
    int kept = 0;
    for (int i = 0; i < c->parts_n; i++) {
        struct n_part p = c->parts[i];
        int64_t use = p.amount < spent ? p.amount : spent;
        spent -= use;
        if (p.lot >= 0) {
            n->lots[p.lot].held -= p.amount;
            n->lots[p.lot].remaining -= use;
        } else {
            n->debt_held[c->wallet] -= p.amount;
            n->debt[c->wallet] += use;
        }
        if (use > 0)
            c->parts[kept++] = (struct n_part){p.lot, use, 0};
    }
    c->parts_n = kept;
}

/* ---- both ---- */

static void wait_durable(struct naive *n, ledger_ticket ticket)
{
    n->ticket = ticket;
    ledger_lane_flush(n->kit->lane);
    while (ledger_lane_durable(n->kit->lane) < ticket)
        usleep(20);
}

static void op_hold(struct naive *n)
{
    if (n->open_n == HOLDS || n->calls_n == CALLS)
        return;
    struct n_call *c = &n->calls[n->calls_n];
    *c = (struct n_call){.id = make_id(3, (unsigned)n->calls_n),
                         .wallet = (int)roll(n, WALLETS),
                         .cap = {-1, -1},
                         .amount = (int64_t)roll(n, 60)};
    if (roll(n, 2) == 0)
        c->cap[0] = (int)roll(n, CAPS);
    if (c->cap[0] >= 0 && roll(n, 2) == 0)
        c->cap[1] = (c->cap[0] + 1) % CAPS;
    n->calls_n++;
    enum err should = OK;
    if (n_available(n, c->wallet) - c->amount < -n->limit[c->wallet])
        should = ERR_INSUFFICIENT_CREDITS;
    for (int i = 0; i < 2 && should == OK; i++)
        if (c->cap[i] >= 0 && !n->cap_off[c->cap[i]] && n_cap_available(n, c->cap[i]) < c->amount)
            should = ERR_SPEND_CAP_REACHED;
    if (n->kit != NULL) {
        c->hold = (struct ledger_hold){
            .call = c->id,
            .wallet = ledger_find(n->kit->ledger, make_id(1, (unsigned)c->wallet)),
            .amount = NANO(c->amount)};
        for (int i = 0; i < 2; i++)
            if (c->cap[i] >= 0)
                c->hold.caps[i] = ledger_find(n->kit->ledger, make_id(2, (unsigned)c->cap[i]));
        assert_int_equal(
            ledger_hold_place(n->kit->lane, &c->hold, n->now_us, STR("about"), &n->ticket), should);
    }
    if (should != OK)
        return;
    c->open = true;
    n_burn(n, c, c->amount, false);
    for (int i = 0; i < 2; i++)
        if (c->cap[i] >= 0)
            n->cap_held[c->cap[i]] += c->amount;
    n->open[n->open_n++] = (int)(c - n->calls);
}

static struct n_call *pick_open(struct naive *n)
{
    if (n->open_n == 0)
        return NULL;
    int at = (int)roll(n, (uint64_t)n->open_n);
    struct n_call *c = &n->calls[n->open[at]];
    n->open[at] = n->open[--n->open_n];
    c->open = false;
    for (int i = 0; i < 2; i++)
        if (c->cap[i] >= 0)
            n->cap_held[c->cap[i]] -= c->amount;
    return c;
}

static void op_settle(struct naive *n)
{
    struct n_call *c = pick_open(n);
    if (c == NULL)
        return;
    int64_t charge = (int64_t)roll(n, (uint64_t)c->amount * 3 / 2 + 2);
    int64_t from_hold = charge < c->amount ? charge : c->amount;
    int64_t room = n_available(n, c->wallet) + n->limit[c->wallet];
    int64_t over = charge - from_hold < room ? charge - from_hold : room;
    int64_t written_off = charge - from_hold - over;
    if (n->kit != NULL) {
        struct nano got;
        struct ledger_settlement s = {.charge = NANO(charge),
                                      .cost = NANO(charge / 2),
                                      .wall_us = n->now_us,
                                      .about = STR("settled")};
        ledger_ticket ticket = ledger_hold_settle(n->kit->lane, &c->hold, &s, &got);
        assert_int_equal(got.v, written_off);
        wait_durable(n, ticket);
    }
    n_resolve(n, c, from_hold);
    n_burn(n, c, over, true);
    n_repay(n, c->wallet);
    for (int i = 0; i < 2; i++)
        if (c->cap[i] >= 0)
            n->cap_spent[c->cap[i]] += from_hold + over;
    n->charged += charge;
    n->written_off += written_off;
}

static void op_void(struct naive *n)
{
    struct n_call *c = pick_open(n);
    if (c == NULL)
        return;
    if (n->kit != NULL)
        wait_durable(n, ledger_hold_void(n->kit->lane, &c->hold, n->now_us, STR("")));
    n_resolve(n, c, 0);
    n_repay(n, c->wallet);
}

static void op_note(struct naive *n)
{
    if (n->open_n == 0)
        return;
    struct n_call *c = &n->calls[n->open[roll(n, (uint64_t)n->open_n)]];
    uint64_t which = roll(n, 3);
    if (n->kit == NULL)
        return;
    if (which == 0)
        n->ticket = ledger_hold_dispatched(n->kit->lane, &c->hold, n->now_us, STR("to p1"));
    else if (which == 1)
        n->ticket = ledger_hold_upstream_id(n->kit->lane, &c->hold, STR("gen-1"));
    else
        n->ticket = ledger_hold_checkpoint(n->kit->lane, &c->hold, NANO(3), STR("so far"));
}

/* A lane's records count before a control operation that comes after them. */
static void settle_lane(struct naive *n)
{
    if (n->kit != NULL)
        ledger_testkit_sync(n->kit);
}

static void op_grant(struct naive *n)
{
    if (n->lots_n == LOTS)
        return;
    struct n_lot *lot = &n->lots[n->lots_n];
    *lot = (struct n_lot){.wallet = (int)roll(n, WALLETS),
                          .amount = (int64_t)roll(n, 80) + 1,
                          .priority = (int)roll(n, 3),
                          .expires = roll(n, 2) == 0 ? 0 : n->now_us + 1 + (int64_t)roll(n, 300),
                          .id = make_id(4, (unsigned)n->lots_n)};
    lot->remaining = lot->amount;
    settle_lane(n);
    char key[32];
    int len = snprintf(key, sizeof(key), "g%d", n->lots_n);
    n->lots_n++;
    struct ledger_grant g = {
        .wallet = make_id(1, (unsigned)lot->wallet),
        .lot = lot->id,
        .kind = LEDGER_LOT_PURCHASED,
        .amount = NANO(lot->amount),
        .priority = lot->priority,
        .expires_us = lot->expires,
        .source = STR("stripe_clearing"),
        .reason = STR("top-up"),
        .idempotency = str_of(key, (size_t)len),
        .wall_us = n->now_us,
    };
    uint64_t times = 1 + roll(n, 2); /* sometimes again: nothing happens */
    for (uint64_t i = 0; n->kit != NULL && i < times; i++) {
        bool again = false;
        assert_int_equal(ledger_testkit_grant(n->kit, &g, &again), OK);
        assert_int_equal(again, i > 0);
    }
    n_repay(n, lot->wallet);
}

static int64_t n_take(struct naive *n, struct n_lot *lot, int64_t most)
{
    int64_t part = lot->remaining - lot->held, available = n_available(n, lot->wallet);
    if (part > most)
        part = most;
    if (part > available)
        part = available > 0 ? available : 0;
    lot->remaining -= part;
    return part;
}

static void op_take(struct naive *n)
{
    if (n->lots_n == 0)
        return;
    struct n_lot *lot = &n->lots[roll(n, (uint64_t)n->lots_n)];
    int64_t most = (int64_t)roll(n, 50) + 1;
    char key[32];
    settle_lane(n);
    snprintf(key, sizeof(key), "t%u", n->keys++);
    int64_t should = n_take(n, lot, most);
    if (n->kit != NULL) {
        struct nano taken;
        assert_int_equal(ledger_testkit_take(n->kit, lot->id, NANO(most), key, &taken), OK);
        assert_int_equal(taken.v, should);
    }
}

/* The next lot that is due, by expiry and id (which ascends as lots are made); -1: no more. */
static int n_due(const struct naive *n, int64_t after, int at)
{
    int best = -1;
    for (int i = 0; i < n->lots_n; i++) {
        int64_t expires = n->lots[i].expires;
        if (expires == 0 || expires > n->now_us || expires < after || (expires == after && i <= at))
            continue;
        if (best < 0 || expires < n->lots[best].expires)
            best = i;
    }
    return best;
}

static void op_expire(struct naive *n)
{
    int should = 0, lots = 0;
    settle_lane(n);
    int64_t after = 0;
    for (int at = -1; (at = n_due(n, after, at)) >= 0; after = n->lots[at].expires)
        should += n_take(n, &n->lots[at], INT64_MAX) > 0;
    if (n->kit != NULL) {
        assert_int_equal(ledger_testkit_expire(n->kit, &lots), OK);
        assert_int_equal(lots, should);
    }
}

static void op_refund(struct naive *n)
{
    if (n->calls_n == 0)
        return;
    struct n_call *c = &n->calls[roll(n, (uint64_t)n->calls_n)];
    int64_t amount = (int64_t)roll(n, 40) + 1, left = amount, whole = 0;
    char key[32];
    settle_lane(n);
    snprintf(key, sizeof(key), "r%u", n->keys++);
    for (int i = 0; !c->open && i < c->parts_n; i++)
        whole += c->parts[i].amount - c->parts[i].refunded;
    enum err should = c->open || c->parts_n == 0 ? ERR_NOT_FOUND : whole < amount ? ERR_LIMIT : OK;
    if (n->kit != NULL)
        assert_int_equal(ledger_testkit_refund(n->kit, c->id, NANO(amount), key), should);
    for (int i = 0; should == OK && i < c->parts_n; i++) {
        struct n_part *p = &c->parts[i];
        int64_t part = p->amount - p->refunded < left ? p->amount - p->refunded : left;
        p->refunded += part;
        left -= part;
        if (p->lot >= 0)
            n->lots[p->lot].remaining += part;
        else
            n->debt[c->wallet] -= part;
    }
    if (should == OK)
        n_repay(n, c->wallet);
}

static void op_cap(struct naive *n)
{
    int c = (int)roll(n, CAPS);
    n->cap_off[c] = roll(n, 3) == 0;
    n->cap_limit[c] = n->cap_off[c] ? 0 : n->cap_spent[c] + (int64_t)roll(n, 500);
    settle_lane(n);
    if (n->kit != NULL)
        assert_int_equal(ledger_testkit_cap_set(n->kit, make_id(2, (unsigned)c), n->cap_off[c],
                                                NANO(n->cap_limit[c])),
                         OK);
}

static void op(struct naive *n)
{
    uint64_t which = roll(n, 100);
    n->now_us += (int64_t)roll(n, 5);
    if (n->kit != NULL)
        n->kit->now_us = n->now_us;
    if (which < 36)
        op_hold(n);
    else if (which < 62)
        op_settle(n);
    else if (which < 68)
        op_void(n);
    else if (which < 80)
        op_note(n);
    else if (which < 88)
        op_grant(n);
    else if (which < 91)
        op_take(n);
    else if (which < 94)
        op_expire(n);
    else if (which < 98)
        op_refund(n);
    else
        op_cap(n);
}

static void compare(struct naive *n)
{
    ledger_testkit_sync(n->kit);
    for (int w = 0; w < WALLETS; w++) {
        struct id id = make_id(1, (unsigned)w);
        assert_int_equal(ledger_testkit_available(n->kit, id).v, n_available(n, w));
        assert_int_equal(ledger_testkit_balance(n->kit, id).v, n_balance(n, w));
    }
    for (int c = 0; c < CAPS; c++) {
        struct id id = make_id(2, (unsigned)c);
        assert_int_equal(ledger_testkit_available(n->kit, id).v, n_cap_available(n, c));
        assert_int_equal(ledger_testkit_balance(n->kit, id).v, n->cap_limit[c] - n->cap_spent[c]);
    }
    assert_int_equal(ledger_counts(n->kit->ledger).holds_open, n->open_n);
    assert_int_equal(ledger_counts(n->kit->ledger).dropped, 0);
}

/* ---- lives ---- */

struct account_job {
    struct ledger *ledger;
    int64_t now_us;
    const struct naive *n;
};

static enum err open_accounts(struct store_conn *conn, void *arg)
{
    struct account_job *j = arg;
    enum err e = OK;
    for (int w = 0; w < WALLETS && e == OK; w++)
        e = ledger_account_open_in(j->ledger, conn, make_id(1, (unsigned)w), LEDGER_WALLET,
                                   NANO(j->n->limit[w]), j->now_us);
    for (int c = 0; c < CAPS && e == OK; c++)
        e = ledger_account_open_in(j->ledger, conn, make_id(2, (unsigned)c), LEDGER_CAP, NANO(0),
                                   j->now_us);
    return e;
}

/* The holds of the life before are known again by their calls. */
static void adopt(struct naive *n)
{
    for (int i = 0; i < n->open_n; i++) {
        struct n_call *c = &n->calls[n->open[i]];
        c->hold = (struct ledger_hold){
            .call = c->id,
            .wallet = ledger_find(n->kit->ledger, make_id(1, (unsigned)c->wallet)),
            .amount = NANO(c->amount),
            .open = true};
        for (int k = 0; k < 2; k++)
            if (c->cap[k] >= 0)
                c->hold.caps[k] = ledger_find(n->kit->ledger, make_id(2, (unsigned)c->cap[k]));
    }
}

static void live(struct ledger_testkit *kit, struct naive *n, uint64_t life, uint64_t ops)
{
    *n = (struct naive){.random = seed_given, .now_us = INT64_C(1800000000000000)};
    n->limit[1] = 100;
    for (int c = 0; c < CAPS; c++)
        n->cap_off[c] = true;
    for (uint64_t i = 0; i < ops * life; i++)
        op(n);
    n->kit = kit;
    ledger_testkit_open(kit);
    struct account_job job = {kit->ledger, n->now_us, n};
    if (life == 0)
        assert_int_equal(store_write(kit->store, open_accounts, &job), OK);
    adopt(n);
    compare(n);
    for (uint64_t i = 0; i < ops; i++) {
        op(n);
        if (i % 97 == 0)
            compare(n);
    }
    if (roll(n, 2) == 0 || life + 1 == LIVES)
        assert_int_equal(ledger_testkit_verify(kit, true), 0);
    ledger_lane_flush(kit->lane);
}

static void end_life(struct ledger_testkit *kit, struct naive *n, uint64_t life)
{
    if (life + 1 == LIVES) {
        compare(n);
        ledger_testkit_close(kit);
        ledger_testkit_open(kit);
        compare(n);
        assert_int_equal(ledger_testkit_verify(kit, true), 0);
        ledger_testkit_close(kit);
        _exit(0);
    }
    /* What was flushed is waited for; nothing is closed, little of it projected. */
    while (ledger_lane_durable(kit->lane) < n->ticket)
        usleep(20);
    _exit(0);
}

static void test_random(void **state)
{
    struct ledger_testkit kit;
    struct naive *n = mem_zalloc(sizeof(*n));
    (void)state;
    if (!ledger_testkit_begin(&kit, on_postgres))
        fail_msg("the engine is not there");
    ledger_testkit_close(&kit);
    print_message("LEDGER_SEED=%llu LEDGER_OPS=%llu\n", (unsigned long long)seed_given,
                  (unsigned long long)ops_given);
    for (uint64_t life = 0; life < LIVES; life++) {
        pid_t pid = fork();
        if (pid == 0) {
            live(&kit, n, life, ops_given / LIVES);
            end_life(&kit, n, life);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (status != 0)
            fail_msg("life %llu of LEDGER_SEED=%llu ended with %x", (unsigned long long)life,
                     (unsigned long long)seed_given, (unsigned)status);
    }
    mem_free(n);
    kit.store = NULL;
    ledger_testkit_end(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
    pid_t parent = getpid();
    seed_given = (uint64_t)clock_wall_us();
    ops_given = 4000;
    (void)str_to_u64(str_c(getenv("LEDGER_SEED")), UINT64_MAX, &seed_given);
    (void)str_to_u64(str_c(getenv("LEDGER_OPS")), CALLS, &ops_given);
    int failed = cmocka_run_group_tests_name("random on SQLite", tests, NULL, NULL);
    if (getpid() != parent)
        _exit(1); /* a life that failed */
    on_postgres = true;
    if (ledger_testkit_has_postgres())
        failed += cmocka_run_group_tests_name("random on PostgreSQL", tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

/* Every public function, its refusals, and what a crash leaves; on both engines. */
#include "ledger/ledger.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "ledger/counter.h"
#include "ledger/ledger_testkit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <sqlite3.h>

static const struct id none;

static bool on_postgres;

static int begin(void **state)
{
    struct ledger_testkit *kit = mem_zalloc(sizeof(*kit));
    *state = kit;
    return ledger_testkit_begin(kit, on_postgres) ? 0 : -1;
}

static int end(void **state)
{
    ledger_testkit_end(*state);
    mem_free(*state);
    return 0;
}

static struct ledger_testkit *kit_of(void **state)
{
    return *state;
}

static void assert_money(struct nano is, int64_t should)
{
    assert_int_equal(is.v, should);
}

struct opening {
    struct ledger_testkit *kit;
    struct id id;
    enum ledger_kind kind;
    struct nano overdraft;
};

static enum err open_run(struct store_conn *conn, void *arg)
{
    struct opening *o = arg;
    return ledger_account_open_in(o->kit->ledger, conn, o->id, o->kind, o->overdraft,
                                  o->kit->now_us);
}

static enum err open_account(struct ledger_testkit *kit, struct id id, enum ledger_kind kind,
                             int64_t overdraft)
{
    struct opening o = {kit, id, kind, NANO(overdraft)};
    return store_write(kit->store, open_run, &o);
}

static void test_hold_settle(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(0));
    struct ledger_hold h;
    assert_int_equal(ledger_testkit_hold(kit, w, none, NANO(1), &h), ERR_INSUFFICIENT_CREDITS);
    (void)ledger_testkit_credit(kit, w, NANO(100));
    assert_money(ledger_testkit_available(kit, w), 100);
    assert_int_equal(ledger_testkit_hold(kit, w, none, NANO(60), &h), OK);
    assert_money(ledger_testkit_available(kit, w), 40);
    assert_money(ledger_testkit_balance(kit, w), 100);
    assert_money(ledger_held(h.wallet), 60);
    assert_money(ledger_testkit_settle(kit, &h, NANO(25)), 0);
    assert_money(ledger_testkit_balance(kit, w), 75);
    ledger_testkit_sync(kit);
    assert_money(ledger_testkit_available(kit, w), 75);
    assert_money(ledger_held(ledger_find(kit->ledger, w)), 0);
    assert_int_equal(kit->outcomes, 1);
    assert_money(kit->last.charge, 25);
    assert_string_equal(kit->last_about, "usage");
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

static void test_accounts(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(0));
    struct id cap = ledger_testkit_cap(kit, false, NANO(10));
    assert_null(ledger_find(kit->ledger, id_new(kit->now_us)));
    assert_true(id_eq(ledger_account_id(ledger_find(kit->ledger, w)), w));
    assert_false(ledger_cap_is_off(ledger_find(kit->ledger, cap)));
    assert_int_equal(open_account(kit, w, LEDGER_WALLET, 0), ERR_CONFLICT);
    assert_int_equal(open_account(kit, none, LEDGER_WALLET, 0), ERR_INVALID_REQUEST);
    assert_int_equal(open_account(kit, id_new(kit->now_us), LEDGER_WALLET, -1),
                     ERR_INVALID_REQUEST);
    assert_int_equal(open_account(kit, id_new(kit->now_us), LEDGER_CAP, 1), ERR_INVALID_REQUEST);
    assert_int_equal(ledger_testkit_cap_set(kit, w, false, NANO(1)), ERR_NOT_FOUND);
    assert_int_equal(ledger_testkit_cap_set(kit, cap, false, NANO(-1)), ERR_INVALID_REQUEST);
    assert_money(ledger_testkit_available(kit, cap), 10);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

static struct ledger_grant grant_of(struct ledger_testkit *kit, struct id wallet, int64_t amount,
                                    const char *key)
{
    return (struct ledger_grant){
        .wallet = wallet,
        .lot = id_new(kit->now_us),
        .kind = LEDGER_LOT_PURCHASED,
        .amount = NANO(amount),
        .source = STR("stripe_clearing"),
        .reason = STR("top-up"),
        .idempotency = str_c(key),
        .wall_us = kit->now_us,
    };
}

static void test_grant_refusals(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(0));
    bool again;
    struct ledger_grant good = grant_of(kit, w, 5, "k"), g;
#define REFUSED(change, error)                                                                     \
    g = good;                                                                                      \
    change;                                                                                        \
    assert_int_equal(ledger_testkit_grant(kit, &g, &again), error)
    REFUSED(g.amount = NANO(0), ERR_INVALID_REQUEST);
    REFUSED(g.amount = NANO(INT64_MAX), ERR_INVALID_REQUEST);
    REFUSED(g.lot = none, ERR_INVALID_REQUEST);
    REFUSED(g.source = STR("revenues"), ERR_INVALID_REQUEST);
    REFUSED(g.idempotency = STR(""), ERR_INVALID_REQUEST);
    REFUSED(g.idempotency = STR("a\0b"), ERR_INVALID_REQUEST);
    REFUSED(g.reason = STR("\xff"), ERR_INVALID_REQUEST);
    REFUSED(g.expires_us = kit->now_us, ERR_INVALID_REQUEST);
    REFUSED(g.kind = LEDGER_LOT_KIND__COUNT, ERR_INVALID_REQUEST);
    REFUSED((g.wallet = id_new(kit->now_us), g.idempotency = STR("k0")), ERR_NOT_FOUND);
    assert_int_equal(ledger_testkit_grant(kit, &good, &again), OK);
    assert_false(again);
    REFUSED(g.idempotency = STR("k2"), ERR_CONFLICT); /* the lot is there */
    REFUSED(g.amount = NANO(6), ERR_CONFLICT); /* the key is, with another body */
#undef REFUSED
    /* Another try makes a lot id of its own: it is the same request all the same. */
    good.lot = id_new(kit->now_us);
    assert_int_equal(ledger_testkit_grant(kit, &good, &again), OK);
    assert_true(again);
    assert_money(ledger_testkit_balance(kit, w), 5);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

/* I5: what was refused once stays refused under its key, though its transaction was rolled back and
 * it would succeed now. */
static void test_refusal_is_remembered(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = id_new(kit->now_us);
    bool again;
    struct ledger_grant g = grant_of(kit, w, 5, "late");
    assert_int_equal(ledger_testkit_grant(kit, &g, &again), ERR_NOT_FOUND);
    assert_int_equal(open_account(kit, w, LEDGER_WALLET, 0), OK);
    assert_int_equal(ledger_testkit_grant(kit, &g, &again), ERR_NOT_FOUND);
    ledger_testkit_close(kit);
    ledger_testkit_open(kit);
    assert_int_equal(ledger_testkit_grant(kit, &g, &again), ERR_NOT_FOUND);
    g.idempotency = STR("later");
    assert_int_equal(ledger_testkit_grant(kit, &g, &again), OK);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

static void lot_in(struct ledger_testkit *kit, struct id wallet, int64_t amount, int priority,
                   int64_t expires_us, const char *key, struct id *ret_lot)
{
    bool again;
    struct ledger_grant g = grant_of(kit, wallet, amount, key);
    g.priority = priority;
    g.expires_us = expires_us;
    assert_int_equal(ledger_testkit_grant(kit, &g, &again), OK);
    *ret_lot = g.lot;
}

static int64_t left_in(struct ledger_testkit *kit, struct id lot)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    ledger_testkit_sync(kit);
    assert_int_equal(store_reader_begin(kit->store, &conn), OK);
    assert_int_equal(store_start(conn, SQL_LEDGER_LOT_GET, &q, "b", id_bytes(&lot)), OK);
    assert_int_equal(store_step(q), OK);
    int64_t left = store_i64(q, 4);
    store_finish(&q);
    store_reader_end(&conn);
    return left;
}

static struct id spend(struct ledger_testkit *kit, struct id wallet, int64_t held, int64_t charge)
{
    struct ledger_hold h;
    assert_int_equal(ledger_testkit_hold(kit, wallet, none, NANO(held), &h), OK);
    (void)ledger_testkit_settle(kit, &h, NANO(charge));
    ledger_testkit_sync(kit);
    return h.call;
}

static void test_burn_order(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(0)), never, late, soon, last, a, b;
    lot_in(kit, w, 10, 5, 0, "never", &never);
    lot_in(kit, w, 10, 5, kit->now_us + 2000, "late", &late);
    lot_in(kit, w, 10, 5, kit->now_us + 1000, "soon", &soon);
    lot_in(kit, w, 10, 9, kit->now_us + 1, "last", &last);
    lot_in(kit, w, 10, 1, 0, "a", &a);
    lot_in(kit, w, 10, 1, 0, "b", &b);
    const struct id order[] = {a, b, soon, late, never, last};
    for (size_t i = 0; i < 6; i++) {
        (void)spend(kit, w, 10 - (int64_t)i, 4);
        assert_int_equal(left_in(kit, order[i]), 6);
        (void)spend(kit, w, 6, 6);
        assert_int_equal(left_in(kit, order[i]), 0);
    }
    assert_money(ledger_testkit_balance(kit, w), 0);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

static void test_expiry_while_held(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(0)), lot;
    struct ledger_hold h;
    int lots = 0;
    lot_in(kit, w, 100, 0, kit->now_us + 10, "short", &lot);
    assert_int_equal(ledger_testkit_hold(kit, w, none, NANO(70), &h), OK);
    ledger_testkit_sync(kit);
    kit->now_us += 20;
    assert_int_equal(ledger_testkit_expire(kit, &lots), OK);
    assert_int_equal(lots, 1);
    assert_money(ledger_testkit_available(kit, w), 0);
    assert_money(ledger_testkit_balance(kit, w), 70);
    /* Still good for its hold. */
    assert_money(ledger_testkit_settle(kit, &h, NANO(50)), 0);
    ledger_testkit_sync(kit);
    assert_money(ledger_testkit_available(kit, w), 20);
    assert_int_equal(ledger_testkit_expire(kit, &lots), OK);
    assert_int_equal(lots, 1);
    assert_money(ledger_testkit_available(kit, w), 0);
    assert_int_equal(ledger_testkit_expire(kit, &lots), OK);
    assert_int_equal(lots, 0);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

static void test_charge_above_hold(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(0));
    struct ledger_hold h, other;
    (void)ledger_testkit_credit(kit, w, NANO(100));
    assert_int_equal(ledger_testkit_hold(kit, w, none, NANO(10), &h), OK);
    assert_int_equal(ledger_testkit_hold(kit, w, none, NANO(60), &other), OK);
    assert_money(ledger_testkit_settle(kit, &h, NANO(25)), 0); /* 15 of the free 30 */
    assert_money(ledger_testkit_available(kit, w), 15);
    assert_money(ledger_testkit_settle(kit, &other, NANO(90)), 15); /* 15 more, then nothing */
    ledger_testkit_sync(kit);
    assert_money(ledger_testkit_available(kit, w), 0);
    assert_money(ledger_testkit_balance(kit, w), 0);
    assert_money(kit->last.charge, 90);
    assert_money(kit->last.written_off, 15);
    assert_int_equal(ledger_counts(kit->ledger).write_offs, 1);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

static void test_overdraft(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(50));
    struct ledger_hold h, more;
    (void)ledger_testkit_credit(kit, w, NANO(10));
    assert_int_equal(ledger_testkit_hold(kit, w, none, NANO(61), &h), ERR_INSUFFICIENT_CREDITS);
    assert_int_equal(ledger_testkit_hold(kit, w, none, NANO(40), &h), OK);
    assert_money(ledger_testkit_available(kit, w), -30);
    assert_int_equal(ledger_testkit_hold(kit, w, none, NANO(20), &more), OK);
    assert_money(ledger_testkit_settle(kit, &h, NANO(45)), 5); /* limit reached */
    ledger_testkit_void(kit, &more);
    ledger_testkit_sync(kit);
    assert_money(ledger_testkit_balance(kit, w), -30);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
    /* What comes in pays the overdraft first. */
    struct id lot = ledger_testkit_credit(kit, w, NANO(100));
    assert_money(ledger_testkit_available(kit, w), 70);
    assert_int_equal(left_in(kit, lot), 70);
    assert_int_equal(ledger_testkit_refund(kit, h.call, NANO(40), "r"), OK);
    assert_money(ledger_testkit_available(kit, w), 110);
    (void)spend(kit, w, 150, 150);
    assert_money(ledger_testkit_available(kit, w), -40);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

static void test_caps(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(0));
    struct id key = ledger_testkit_cap(kit, false, NANO(50));
    struct id member = ledger_testkit_cap(kit, false, NANO(30));
    ledger_ticket ticket;
    (void)ledger_testkit_credit(kit, w, NANO(1000));
    struct ledger_hold h = {
        .call = id_new(kit->now_us),
        .wallet = ledger_find(kit->ledger, w),
        .caps = {ledger_find(kit->ledger, key), ledger_find(kit->ledger, member)},
        .amount = NANO(40)};
    /* The second cap refuses: the wallet and the first one have everything back. */
    assert_int_equal(ledger_hold_place(kit->lane, &h, kit->now_us, STR(""), &ticket),
                     ERR_SPEND_CAP_REACHED);
    assert_money(ledger_testkit_available(kit, w), 1000);
    assert_money(ledger_testkit_available(kit, key), 50);
    assert_money(ledger_testkit_available(kit, member), 30);
    h.amount = NANO(30);
    assert_int_equal(ledger_hold_place(kit->lane, &h, kit->now_us, STR(""), &ticket), OK);
    assert_money(ledger_testkit_settle(kit, &h, NANO(35)), 0); /* overrun by the excess */
    ledger_testkit_sync(kit);
    assert_money(ledger_testkit_available(kit, key), 15);
    assert_money(ledger_testkit_available(kit, member), -5);
    h = (struct ledger_hold){.call = id_new(kit->now_us),
                             .wallet = h.wallet,
                             .caps = {h.caps[0], h.caps[1]},
                             .amount = NANO(1)};
    assert_int_equal(ledger_hold_place(kit->lane, &h, kit->now_us, STR(""), &ticket),
                     ERR_SPEND_CAP_REACHED);
    assert_int_equal(ledger_testkit_cap_set(kit, member, true, NANO(0)), OK);
    assert_true(ledger_cap_is_off(h.caps[1]));
    assert_int_equal(ledger_hold_place(kit->lane, &h, kit->now_us, STR(""), &ticket), OK);
    ledger_testkit_void(kit, &h);
    ledger_testkit_sync(kit);
    /* What was spent counts under a new limit. */
    assert_int_equal(ledger_testkit_cap_set(kit, member, false, NANO(36)), OK);
    assert_money(ledger_testkit_available(kit, member), 1);
    ledger_testkit_close(kit);
    ledger_testkit_open(kit);
    assert_money(ledger_testkit_available(kit, member), 1);
    assert_money(ledger_testkit_available(kit, key), 15);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

static void test_take(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(0)), lot;
    struct ledger_hold h;
    struct nano taken = NANO(0);
    lot_in(kit, w, 100, 0, 0, "lot", &lot);
    assert_int_equal(ledger_testkit_take(kit, none, NANO(1), "t0", &taken), ERR_NOT_FOUND);
    assert_int_equal(ledger_testkit_take(kit, lot, NANO(0), "t1", &taken), ERR_INVALID_REQUEST);
    assert_int_equal(ledger_testkit_take(kit, lot, NANO(1), "", &taken), ERR_INVALID_REQUEST);
    assert_int_equal(ledger_testkit_hold(kit, w, none, NANO(30), &h), OK);
    /* Also before the writer knows of the hold: `available` has it already. */
    assert_int_equal(ledger_testkit_take(kit, lot, NANO(90), "t2", &taken), OK);
    assert_money(taken, 70);
    assert_int_equal(ledger_testkit_take(kit, lot, NANO(90), "t2", &taken), OK);
    assert_money(taken, 70);
    assert_int_equal(ledger_testkit_take(kit, lot, NANO(91), "t2", &taken), ERR_CONFLICT);
    assert_int_equal(ledger_testkit_take(kit, lot, NANO(90), "t3", &taken), OK);
    assert_money(taken, 0);
    assert_money(ledger_testkit_available(kit, w), 0);
    ledger_testkit_void(kit, &h);
    ledger_testkit_sync(kit);
    assert_money(ledger_testkit_available(kit, w), 30);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

/* A grant and its claw-back in one transaction; and the house's own side. */
struct at_once {
    struct ledger_testkit *kit;
    struct id wallet, lot;
    struct nano taken, unspent, left;
    bool fail;
};

static enum err at_once_in(struct store_conn *conn, void *arg)
{
    struct at_once *o = arg;
    struct ledger *l = o->kit->ledger;
    bool replayed;
    struct ledger_grant g = {.wallet = o->wallet,
                             .lot = o->lot,
                             .kind = LEDGER_LOT_PURCHASED,
                             .amount = NANO(100),
                             .source = STR("stripe_clearing"),
                             .reason = STR("bought"),
                             .idempotency = STR("once:grant"),
                             .wall_us = o->kit->now_us};
    enum err e = ledger_grant_in(l, conn, &g, &replayed);
    if (e == OK)
        e = ledger_lot_unspent_in(l, conn, o->lot, &o->unspent);
    if (e == OK)
        e = ledger_lot_take_in(l, conn, o->lot, NANO(70), STR("stripe_clearing"), STR("back"),
                               STR("once:take"), o->kit->now_us, &o->taken);
    if (e == OK)
        e = ledger_lot_left_in(l, conn, o->lot, &o->left);
    if (e == OK)
        e = ledger_move_in(l, conn, STR("receivable"), STR("stripe_clearing"), NANO(5), STR("owed"),
                           STR("once:owed"), o->kit->now_us);
    if (e == OK)
        e = ledger_move_in(l, conn, STR("receivable"), STR("stripe_clearing"), NANO(5), STR("owed"),
                           STR("once:owed"), o->kit->now_us);
    if (e != OK)
        return e;
    if (ledger_move_in(l, conn, STR("tax"), STR("tax"), NANO(5), STR(""), STR("x"),
                       o->kit->now_us) != ERR_INVALID_REQUEST)
        return ERR_CORRUPT;
    return o->fail ? ERR_END : OK;
}

static void test_at_once(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct at_once o = {.kit = kit, .wallet = ledger_testkit_wallet(kit, NANO(0)), .fail = true};
    o.lot = id_new(kit->now_us);
    assert_int_equal(store_write(kit->store, at_once_in, &o), ERR_END);
    assert_money(ledger_testkit_available(kit, o.wallet), 0);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
    o.fail = false;
    assert_int_equal(store_write(kit->store, at_once_in, &o), OK);
    assert_money(o.unspent, 100);
    assert_money(o.taken, 70);
    assert_money(o.left, 30);
    assert_money(ledger_testkit_available(kit, o.wallet), 30);
    assert_money(ledger_testkit_balance(kit, o.wallet), 30);
    assert_int_equal(left_in(kit, o.lot), 30);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

static void test_refund_order(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(0)), first, second;
    lot_in(kit, w, 10, 1, 0, "first", &first);
    lot_in(kit, w, 50, 2, 0, "second", &second);
    struct id call = spend(kit, w, 40, 30);
    assert_int_equal(left_in(kit, first), 0);
    assert_int_equal(left_in(kit, second), 30);
    assert_int_equal(ledger_testkit_refund(kit, id_new(kit->now_us), NANO(1), "x"), ERR_NOT_FOUND);
    assert_int_equal(ledger_testkit_refund(kit, call, NANO(31), "x31"), ERR_LIMIT);
    assert_int_equal(ledger_testkit_refund(kit, call, NANO(0), "x0"), ERR_INVALID_REQUEST);
    assert_int_equal(ledger_testkit_refund(kit, call, NANO(12), "r1"), OK);
    assert_int_equal(ledger_testkit_refund(kit, call, NANO(12), "r1"), OK); /* once */
    assert_int_equal(ledger_testkit_refund(kit, call, NANO(13), "r1"), ERR_CONFLICT);
    assert_int_equal(left_in(kit, first), 10);
    assert_int_equal(left_in(kit, second), 32);
    assert_int_equal(ledger_testkit_refund(kit, call, NANO(19), "r2"), ERR_LIMIT);
    assert_int_equal(ledger_testkit_refund(kit, call, NANO(18), "r3"), OK);
    assert_money(ledger_testkit_available(kit, w), 60);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
    /* Into a lot that is not in memory any more. */
    call = spend(kit, w, 60, 60);
    ledger_testkit_close(kit);
    ledger_testkit_open(kit);
    assert_int_equal(ledger_testkit_refund(kit, call, NANO(60), "r4"), OK);
    assert_int_equal(left_in(kit, first), 10);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

struct closure {
    struct ledger_testkit *kit;
    struct id wallet, cap;
    enum err result;
};

/* Several operations in one transaction see each other. */
static enum err sign_up(struct store_conn *conn, void *arg)
{
    struct closure *c = arg;
    struct ledger_testkit *kit = c->kit;
    bool again;
    struct ledger_grant g = grant_of(kit, c->wallet, 7, "signup");
    enum err e = ledger_account_open_in(kit->ledger, conn, c->wallet, LEDGER_WALLET, NANO(0),
                                        kit->now_us);
    if (e == OK)
        e = ledger_account_open_in(kit->ledger, conn, c->cap, LEDGER_CAP, NANO(0), kit->now_us);
    if (e == OK)
        e = ledger_cap_set_in(kit->ledger, conn, c->cap, false, NANO(3), kit->now_us);
    if (e == OK)
        e = ledger_grant_in(kit->ledger, conn, &g, &again);
    /* Not to be seen by others before it is durable. */
    if (e == OK && ledger_find(kit->ledger, c->wallet) != NULL)
        e = ERR_INTERNAL;
    return e == OK ? c->result : e;
}

static void test_transaction(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct closure c = {kit, id_new(kit->now_us), id_new(kit->now_us), ERR_FORBIDDEN};
    struct id other = ledger_testkit_wallet(kit, NANO(0));
    (void)ledger_testkit_credit(kit, other, NANO(5));
    assert_int_equal(store_write(kit->store, sign_up, &c), ERR_FORBIDDEN);
    assert_null(ledger_find(kit->ledger, c.wallet));
    (void)spend(kit, other, 2, 1); /* the chain goes on where it was */
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
    c.result = OK;
    assert_int_equal(store_write(kit->store, sign_up, &c), OK);
    assert_money(ledger_testkit_available(kit, c.wallet), 7);
    assert_money(ledger_testkit_available(kit, c.cap), 3);
    c.result = ERR_FORBIDDEN;
    c.wallet = id_new(kit->now_us);
    assert_int_equal(store_write(kit->store, sign_up, &c), ERR_CONFLICT);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

/* ---- crash ---- */

struct found {
    struct ledger_outcome o[4];
    char texts[4][5][32];
    size_t n;
    bool decide;
};

static void on_open_hold(void *arg, struct ledger *ledger, const struct ledger_outcome *o)
{
    struct found *f = arg;
    const struct str texts[5] = {o->hold_about, o->dispatch_about, o->checkpoint_about,
                                 o->end_about, o->upstream_id};
    assert_true(f->n < 4);
    f->o[f->n] = *o;
    for (size_t i = 0; i < 5; i++)
        snprintf(f->texts[f->n][i], sizeof(f->texts[0][0]), "%.*s", STR_ARG(texts[i]));
    f->n++;
    if (!f->decide)
        return;
    struct ledger_settlement s = {
        .charge = o->checkpoint, .unresolved = true, .wall_us = 1, .about = STR("recovered")};
    assert_int_equal(ledger_recover_void(ledger, id_new(1), 1, STR("")), ERR_NOT_FOUND);
    if (o->attempts == 0)
        assert_int_equal(ledger_recover_void(ledger, o->call, 1, STR("never left")), OK);
    else
        assert_int_equal(ledger_recover_settle(ledger, o->call, &s), OK);
    assert_int_equal(ledger_recover_settle(ledger, o->call, &s), ERR_CONFLICT);
}

static void wait_durable(struct ledger_testkit *kit, ledger_ticket ticket)
{
    ledger_lane_flush(kit->lane);
    while (ledger_lane_durable(kit->lane) < ticket)
        usleep(100);
}

/* In a process of its own, which ends in the middle. */
static void crash_with_holds(struct ledger_testkit *kit, struct id w, struct id cap)
{
    struct ledger_hold a, b, c;
    ledger_ticket ticket;
    ledger_testkit_open(kit);
    (void)ledger_testkit_hold(kit, w, cap, NANO(10), &a);
    (void)ledger_testkit_hold(kit, w, none, NANO(20), &b);
    (void)ledger_testkit_hold(kit, w, none, NANO(30), &c);
    (void)ledger_hold_dispatched(kit->lane, &b, kit->now_us + 5, STR("first"));
    (void)ledger_hold_dispatched(kit->lane, &b, kit->now_us + 6, STR("second"));
    (void)ledger_hold_upstream_id(kit->lane, &b, STR("gen-1"));
    (void)ledger_hold_checkpoint(kit->lane, &b, NANO(7), STR("half"));
    (void)ledger_testkit_settle(kit, &c, NANO(30));
    ticket = ledger_hold_checkpoint(kit->lane, &b, NANO(8), STR("more than half"));
    wait_durable(kit, ticket);
    _exit(0);
}

static void test_crash(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(0)), cap = ledger_testkit_cap(kit, true, NANO(0));
    (void)ledger_testkit_credit(kit, w, NANO(100));
    ledger_testkit_close(kit);
    pid_t pid = fork();
    if (pid == 0)
        crash_with_holds(kit, w, cap);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    ledger_testkit_open(kit);
    assert_money(ledger_testkit_available(kit, w), 40);
    assert_money(ledger_testkit_balance(kit, w), 70);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
    struct found f = {.decide = false};
    assert_int_equal(ledger_open_holds(kit->ledger, on_open_hold, &f), OK);
    assert_int_equal(f.n, 2);
    assert_true(id_eq(f.o[0].caps[0], cap));
    assert_int_equal(f.o[0].attempts, 0);
    assert_string_equal(f.texts[0][0], "hold");
    assert_int_equal(f.o[1].kind, LEDGER_OPEN);
    assert_int_equal(f.o[1].attempts, 2);
    assert_int_equal(f.o[1].dispatched_us, kit->now_us + 6);
    assert_money(f.o[1].checkpoint, 8);
    assert_string_equal(f.texts[1][1], "second");
    assert_string_equal(f.texts[1][2], "more than half");
    assert_string_equal(f.texts[1][4], "gen-1");
    f = (struct found){.decide = true};
    assert_int_equal(ledger_open_holds(kit->ledger, on_open_hold, &f), OK);
    assert_int_equal(f.n, 2);
    assert_money(ledger_testkit_available(kit, w), 62);
    assert_money(ledger_testkit_balance(kit, w), 62);
    ledger_testkit_close(kit);
    ledger_testkit_open(kit);
    assert_money(ledger_testkit_available(kit, w), 62);
    f.n = 0;
    assert_int_equal(ledger_open_holds(kit->ledger, on_open_hold, &f), OK);
    assert_int_equal(f.n, 0);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

static void test_call_twice(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(0));
    struct ledger_hold a, b;
    ledger_ticket ticket;
    (void)ledger_testkit_credit(kit, w, NANO(100));
    assert_int_equal(ledger_testkit_hold(kit, w, none, NANO(10), &a), OK);
    b = a;
    b.open = false;
    assert_int_equal(ledger_hold_place(kit->lane, &b, kit->now_us, STR(""), &ticket), OK);
    (void)ledger_testkit_settle(kit, &a, NANO(5));
    (void)ledger_testkit_settle(kit, &b, NANO(12));
    ledger_testkit_sync(kit);
    assert_money(ledger_testkit_balance(kit, w), 95);
    assert_money(ledger_testkit_available(kit, w), 95);
    /* And later, when it has long ended. */
    assert_int_equal(ledger_hold_place(kit->lane, &b, kit->now_us, STR(""), &ticket), OK);
    (void)ledger_testkit_settle(kit, &b, NANO(10));
    ledger_testkit_sync(kit);
    assert_money(ledger_testkit_available(kit, w), 95);
    assert_int_equal(ledger_counts(kit->ledger).dropped, 4);
    assert_int_equal(kit->outcomes, 1);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
}

static void about_json(void *arg, const char *record, struct str about, struct buf *json)
{
    (void)arg;
    buf_printf(json, "{\"%s\":%zu}", record, about.n);
}

static void test_explain(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(0));
    struct store_conn *conn = NULL;
    struct buf json;
    (void)ledger_testkit_credit(kit, w, NANO(20));
    struct ledger_hold h;
    assert_int_equal(ledger_testkit_hold(kit, w, none, NANO(10), &h), OK);
    (void)ledger_hold_dispatched(kit->lane, &h, kit->now_us, STR("p"));
    (void)ledger_hold_upstream_id(kit->lane, &h, STR("gen-9"));
    (void)ledger_testkit_settle(kit, &h, NANO(30));
    ledger_testkit_sync(kit);
    assert_int_equal(ledger_testkit_refund(kit, h.call, NANO(4), "r"), OK);
    ledger_testkit_sync(kit);
    buf_init(&json, 1 << 16);
    assert_int_equal(store_reader_begin(kit->store, &conn), OK);
    buf_byte(&json, '{');
    assert_int_equal(ledger_explain(kit->ledger, conn, h.call, about_json, NULL, &json), OK);
    buf_printf(&json, "}%c", 0);
    const char *wanted[] = {
        "\"record\":\"HOLD\"",       "{\"HOLD\":4}",
        "\"record\":\"DISPATCHED\"", "gen-9",
        "\"record\":\"SETTLE\"",     "\"written_off\":\"0.00000001\"",
        "\"record\":\"REFUND\"",     "\"debit\":\"write_off\"",
        "\"reason\":\"charge\"",     "\"reason\":\"a complaint\"",
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (strstr(json.p, wanted[i]) == NULL)
            fail_msg("%s is not in %s", wanted[i], json.p);
    buf_reset(&json);
    assert_int_equal(
        ledger_explain(kit->ledger, conn, id_new(kit->now_us), about_json, NULL, &json),
        ERR_NOT_FOUND);
    store_reader_end(&conn);
    buf_fini(&json);
}

/* ---- what was altered is found ---- */

static void alter(struct ledger_testkit *kit, const char *text)
{
    if (kit->house.postgres) {
        PGconn *conn = PQconnectdb(kit->house.url);
        PGresult *r = PQexec(conn, text);
        assert_int_equal(PQresultStatus(r), PGRES_COMMAND_OK);
        PQclear(r);
        PQfinish(conn);
        return;
    }
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(kit->house.url + strlen("sqlite:"), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static const char *const alterations[][2] = {
    /* What is altered, and how it is put right again. */
    {"UPDATE ledger_account SET balance = balance + 1 WHERE kind = 0",
     "UPDATE ledger_account SET balance = balance - 1 WHERE kind = 0"},
    {"UPDATE ledger_account SET balance = balance + 1 WHERE kind = 1",
     "UPDATE ledger_account SET balance = balance - 1 WHERE kind = 1"},
    {"UPDATE ledger_account SET money_limit = money_limit + 1 WHERE kind = 0",
     "UPDATE ledger_account SET money_limit = money_limit - 1 WHERE kind = 0"},
    {"UPDATE ledger_account SET is_off = 1 - is_off WHERE kind = 1",
     "UPDATE ledger_account SET is_off = 1 - is_off WHERE kind = 1"},
    {"UPDATE ledger_lot SET remaining = remaining - 1",
     "UPDATE ledger_lot SET remaining = remaining + 1"},
    {"UPDATE ledger_lot SET amount = amount + 1", "UPDATE ledger_lot SET amount = amount - 1"},
    {"UPDATE ledger_lot SET reason = 'x'", "UPDATE ledger_lot SET reason = 'a gift'"},
    {"UPDATE ledger_hold SET amount = amount + 1", "UPDATE ledger_hold SET amount = amount - 1"},
    {"UPDATE ledger_hold SET attempts = 5", "UPDATE ledger_hold SET attempts = 0"},
    {"UPDATE ledger_transfer SET amount = amount + 1 WHERE reason = 'charge'",
     "UPDATE ledger_transfer SET amount = amount - 1 WHERE reason = 'charge'"},
    {"UPDATE ledger_transfer SET debit = credit, credit = debit",
     "UPDATE ledger_transfer SET debit = credit, credit = debit"},
    {"UPDATE ledger_transfer SET reason = 'x' WHERE reason = 'charge'",
     "UPDATE ledger_transfer SET reason = 'charge' WHERE reason = 'x'"},
    {"UPDATE ledger_key SET amount = amount + 1", "UPDATE ledger_key SET amount = amount - 1"},
    {"UPDATE ledger_key SET result = 'NOT_FOUND'", "UPDATE ledger_key SET result = 'OK'"},
    {"UPDATE ledger_checkpoint SET seq = seq - 1", "UPDATE ledger_checkpoint SET seq = seq + 1"},
    {"UPDATE ledger_journal SET at = at + 1 WHERE seq = 3",
     "UPDATE ledger_journal SET at = at - 1 WHERE seq = 3"},
    {"UPDATE ledger_journal SET records = records + 1 WHERE seq = 3",
     "UPDATE ledger_journal SET records = records - 1 WHERE seq = 3"},
    {"UPDATE ledger_journal SET seq = 1000 WHERE seq = 2",
     "UPDATE ledger_journal SET seq = 2 WHERE seq = 1000"},
};
/* For good: these cannot be put right by a statement. */
static const char *const last_alterations[] = {
    "DELETE FROM ledger_transfer WHERE reason = 'charge'",
    "DELETE FROM ledger_hold",
    "DELETE FROM ledger_key",
    "UPDATE ledger_checkpoint SET hash = (SELECT hash FROM ledger_journal WHERE seq = 1)",
    "UPDATE ledger_journal SET hash = (SELECT j.hash FROM ledger_journal j WHERE j.seq = 1) WHERE "
    "seq = 3",
    "UPDATE ledger_journal SET body = (SELECT j.body FROM ledger_journal j WHERE j.seq = 1) WHERE "
    "seq = 3",
};

static void test_alterations(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    struct id w = ledger_testkit_wallet(kit, NANO(3)),
              cap = ledger_testkit_cap(kit, false, NANO(80));
    struct ledger_hold h;
    (void)ledger_testkit_credit(kit, w, NANO(100));
    assert_int_equal(ledger_testkit_hold(kit, w, cap, NANO(10), &h), OK);
    (void)ledger_testkit_settle(kit, &h, NANO(7));
    assert_int_equal(ledger_testkit_hold(kit, w, cap, NANO(10), &h), OK);
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
    for (size_t i = 0; i < sizeof(alterations) / sizeof(alterations[0]); i++) {
        alter(kit, alterations[i][0]);
        if (ledger_testkit_verify_only(kit, false) == 0)
            fail_msg("not found: %s", alterations[i][0]);
        alter(kit, alterations[i][1]);
        if (ledger_testkit_verify_only(kit, true) != 0)
            fail_msg("not put right: %s", alterations[i][1]);
    }
    uint64_t before = 0;
    for (size_t i = 0; i < sizeof(last_alterations) / sizeof(last_alterations[0]); i++) {
        alter(kit, last_alterations[i]);
        uint64_t found = ledger_testkit_verify_only(kit, false);
        if (found <= before)
            fail_msg("not found: %s", last_alterations[i]);
        before = found;
    }
}

/* A start refuses a journal whose chain is broken behind the checkpoint, and a stranger's. */
static void test_start_refuses(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    char why[STORE_WHY_MAX];
    struct ledger *l = NULL;
    struct id w = ledger_testkit_wallet(kit, NANO(0));
    (void)ledger_testkit_credit(kit, w, NANO(100));
    (void)spend(kit, w, 10, 10);
    ledger_testkit_close(kit);
    struct store *store = store_testkit_open(&kit->house);
    struct ledger_options options = {.node = STR("n2")};
    assert_int_equal(ledger_open(store, &options, &l, why), ERR_CONFLICT);
    assert_non_null(strstr(why, "node"));
    options.node = STR("");
    assert_int_equal(ledger_open(store, &options, &l, why), ERR_INVALID_REQUEST);
    alter(kit, "UPDATE ledger_checkpoint SET seq = 1, hash = "
               "(SELECT hash FROM ledger_journal WHERE seq = 2)");
    options.node = STR("n1");
    assert_int_equal(ledger_open(store, &options, &l, why), ERR_CORRUPT);
    assert_non_null(strstr(why, "journal"));
    alter(kit, "UPDATE ledger_checkpoint SET seq = 100");
    assert_int_equal(ledger_open(store, &options, &l, why), ERR_CORRUPT);
    store_close(&store);
    kit->store = NULL;
}

/* ---- a full disk ---- */

static void fill_disk(const char *path)
{
    static char block[4096];
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    setvbuf(f, NULL, _IONBF, 0);
    while (fwrite(block, sizeof(block), 1, f) == 1)
        continue;
    while (fwrite(block, 1, 1, f) == 1)
        continue;
    fclose(f);
}

/* New calls are refused; what was held before is settled, if not at once. */
static void test_full_disk(void **state)
{
    struct ledger_testkit *kit = kit_of(state);
    char filler[128], about[500];
    crypto_random(about, sizeof(about)); /* not to be packed */
    if (kit->house.postgres)
        return; /* its disk is not ours to fill */
    ledger_testkit_close(kit);
    if (mount("none", kit->house.dir, "tmpfs", 0, "size=32m") != 0) {
        ledger_testkit_open(kit);
        print_message("a full disk is not tried: no right to mount one\n");
        return;
    }
    snprintf(filler, sizeof(filler), "%s/filler", kit->house.dir);
    ledger_testkit_open(kit);
    struct id w = ledger_testkit_wallet(kit, NANO(0));
    struct ledger_hold h, more[64];
    (void)ledger_testkit_credit(kit, w, NANO(100000));
    assert_int_equal(ledger_testkit_hold(kit, w, none, NANO(10), &h), OK);
    ledger_testkit_sync(kit);
    fill_disk(filler);
    enum err e = OK;
    ledger_ticket ticket = 0;
    size_t n = 0;
    for (unsigned i = 0; e == OK && i < 64; i++) {
        e = ledger_testkit_hold(kit, w, none, NANO(1), &more[i]);
        for (unsigned k = 0; e == OK && k < 1000; k++)
            ticket = ledger_hold_dispatched(kit->lane, &more[i], kit->now_us,
                                            str_of(about, sizeof(about)));
        n += e == OK;
        ledger_lane_flush(kit->lane);
        /* Time for the tables too: it is they that find no room. */
        for (unsigned wait = 0; wait < 100 && ledger_is_available(kit->ledger) &&
                                (wait < 20 || ledger_lane_durable(kit->lane) < ticket);
             wait++)
            usleep(1000);
    }
    assert_int_equal(e, ERR_LEDGER_UNAVAILABLE);
    assert_false(ledger_is_available(kit->ledger));
    (void)ledger_testkit_settle(kit, &h, NANO(7));
    for (size_t i = 0; i < n; i++)
        (void)ledger_testkit_settle(kit, &more[i], NANO(1));
    ledger_lane_flush(kit->lane);
    unlink(filler);
    for (unsigned wait = 0; wait < 5000 && !ledger_is_available(kit->ledger); wait++)
        usleep(1000);
    assert_true(ledger_is_available(kit->ledger));
    assert_int_equal(ledger_testkit_verify(kit, true), 0);
    assert_money(ledger_testkit_balance(kit, w), 100000 - 7 - (int64_t)n);
    assert_money(ledger_testkit_available(kit, w), 100000 - 7 - (int64_t)n);
    ledger_testkit_close(kit);
    ledger_testkit_open(kit);
    assert_money(ledger_testkit_available(kit, w), 100000 - 7 - (int64_t)n);
    ledger_testkit_close(kit);
    assert_int_equal(umount(kit->house.dir), 0);
}

#define BOTH(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_hold_settle),
        BOTH(test_accounts),
        BOTH(test_grant_refusals),
        BOTH(test_refusal_is_remembered),
        BOTH(test_burn_order),
        BOTH(test_expiry_while_held),
        BOTH(test_charge_above_hold),
        BOTH(test_overdraft),
        BOTH(test_caps),
        BOTH(test_take),
        BOTH(test_at_once),
        BOTH(test_refund_order),
        BOTH(test_transaction),
        BOTH(test_crash),
        BOTH(test_call_twice),
        BOTH(test_explain),
        BOTH(test_alterations),
        BOTH(test_start_refuses),
        BOTH(test_full_disk),
    };
    int failed = cmocka_run_group_tests_name("ledger on SQLite", tests, NULL, NULL);
    on_postgres = true;
    if (ledger_testkit_has_postgres())
        failed += cmocka_run_group_tests_name("ledger on PostgreSQL", tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

/* A house with a ledger, for tests.
 *
 * Owns: store and ledger of an empty house.  Needs: store_testkit.
 * Threads: one, but for what it starts.  Memory: the caller's struct.  Units: nano-dollars, µs.
 * Errors: none; what fails ends the test with words.
 * Always: time is the test's own: kit->now_us. */
#ifndef LEDGER_LEDGER_TESTKIT_H
#define LEDGER_LEDGER_TESTKIT_H

#include "ledger/ledger.h"
#include "store/store_testkit.h"

struct ledger_testkit {
    struct store_testkit house;
    struct store *store;
    struct ledger *ledger;
    struct ledger_lane *lane;
    int64_t now_us;
    /* Of the projector: ended holds. */
    uint64_t outcomes, settled, flushes, resets;
    int64_t charged, written_off;
    struct ledger_outcome last; /* without its texts */
    char last_about[64];
    unsigned names; /* for idempotency keys */
};

/* PostgreSQL is to be had, and LEDGER_NO_PG is not set. */
bool ledger_testkit_has_postgres(void);
/* False when the engine is not there. */
bool ledger_testkit_begin(struct ledger_testkit *kit, bool postgres);
void ledger_testkit_end(struct ledger_testkit *kit);
void ledger_testkit_open(struct ledger_testkit *kit);
void ledger_testkit_close(struct ledger_testkit *kit);

/* Control operations, each in a transaction of its own. */
struct id ledger_testkit_wallet(struct ledger_testkit *kit, struct nano overdraft);
struct id ledger_testkit_cap(struct ledger_testkit *kit, bool off, struct nano limit);
enum err ledger_testkit_cap_set(struct ledger_testkit *kit, struct id cap, bool off,
                                struct nano limit);
enum err ledger_testkit_grant(struct ledger_testkit *kit, const struct ledger_grant *g,
                              bool *ret_replayed);
/* A promotional lot without expiry. */
struct id ledger_testkit_credit(struct ledger_testkit *kit, struct id wallet, struct nano amount);
enum err ledger_testkit_take(struct ledger_testkit *kit, struct id lot, struct nano most,
                             const char *key, struct nano *ret_taken);
enum err ledger_testkit_expire(struct ledger_testkit *kit, int *ret_lots);
enum err ledger_testkit_refund(struct ledger_testkit *kit, struct id call, struct nano amount,
                               const char *key);

/* Holds by kit->lane. */
enum err ledger_testkit_hold(struct ledger_testkit *kit, struct id wallet, struct id cap,
                             struct nano amount, struct ledger_hold *ret_hold);
struct nano ledger_testkit_settle(struct ledger_testkit *kit, struct ledger_hold *hold,
                                  struct nano charge);
void ledger_testkit_void(struct ledger_testkit *kit, struct ledger_hold *hold);
/* Flushes the lane and waits for durable and projected. */
void ledger_testkit_sync(struct ledger_testkit *kit);

struct nano ledger_testkit_available(struct ledger_testkit *kit, struct id account);
struct nano ledger_testkit_balance(struct ledger_testkit *kit, struct id account);
/* Syncs and proves; returns the mismatches, and prints them when `loud`. */
uint64_t ledger_testkit_verify(struct ledger_testkit *kit, bool loud);
uint64_t ledger_testkit_verify_only(struct ledger_testkit *kit, bool loud);

#endif

/* What a wallet's owner is shown of it. */
#include "ledger/past.h"

#include "ledger/model.h"

const char *ledger_lot_kind_name(enum ledger_lot_kind kind)
{
    static const char *const names[LEDGER_LOT_KIND__COUNT] = {
        [LEDGER_LOT_PURCHASED] = "purchased",
        [LEDGER_LOT_INTRO] = "intro",
        [LEDGER_LOT_PROMOTIONAL] = "promotional",
        [LEDGER_LOT_SUBSCRIPTION] = "subscription",
    };
    return kind < LEDGER_LOT_KIND__COUNT ? names[kind] : "unknown";
}

enum err ledger_lots(struct store_conn *conn, struct id wallet, int64_t before_us, int64_t limit,
                     ledger_lot_f fn, void *arg)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_LEDGER_LOTS_OF, &q, "bii", id_bytes(&wallet), before_us,
                             limit);
    while (e == OK && (e = store_step(q)) == OK) {
        struct ledger_lot_row row = {
            .lot = id_of_bytes(store_str(q, 0)),
            .kind = (enum ledger_lot_kind)store_i64(q, 1),
            .amount = store_nano(q, 2),
            .remaining = store_nano(q, 3),
            .priority = store_i64(q, 4),
            .granted_us = store_i64(q, 5),
            .expires_us = store_i64(q, 6),
            .source = str_c(model_house_name(id_of_bytes(store_str(q, 7)))),
            .reason = store_str(q, 8),
        };
        fn(arg, &row);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

static enum ledger_move_kind kind_of(const struct store_query *q)
{
    if (!store_is_null(q, 5))
        return LEDGER_REFUNDED;
    if (store_i64(q, 3) < 0 && id_eq(id_of_bytes(store_str(q, 7)), model_house_id(HOUSE_BREAKAGE)))
        return LEDGER_EXPIRED;
    return store_i64(q, 3) < 0 ? LEDGER_CORRECTED : LEDGER_CREDITED;
}

enum err ledger_moves(struct store_conn *conn, struct id wallet, int64_t before_us, int64_t limit,
                      ledger_move_row_f fn, void *arg)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_LEDGER_MOVES_OF, &q, "bii", id_bytes(&wallet), before_us,
                             limit);
    while (e == OK && (e = store_step(q)) == OK) {
        struct ledger_move_row row = {
            .group = id_of_bytes(store_str(q, 0)),
            .n = store_i64(q, 1),
            .at_us = store_i64(q, 2),
            .amount = store_nano(q, 3),
            .reason = store_str(q, 4),
            .kind = kind_of(q),
        };
        if (!store_is_null(q, 5))
            row.call = id_of_bytes(store_str(q, 5));
        fn(arg, &row);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

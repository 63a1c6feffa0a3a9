/* All that is known of one call, as JSON: its records in the journal, and what they posted. */
#include "ledger/inside.h"
#include "ledger/journal.h"

/* A call's id holds its time. Its HOLD is journalled soon after; clocks of a restart may differ. */
#define BEFORE_US (INT64_C(60) * 1000000)
#define HOLD_WITHIN_US (INT64_C(3600) * 1000000)

struct telling {
    struct store_conn *conn;
    struct str node;
    struct id call, group; /* group: of the refund looked for; zero: none */
    ledger_about_f about;
    void *arg;
    struct buf *json;
    bool held, ended;
};

static void json_id(struct buf *json, const char *name, struct id id)
{
    char text[ID_TEXT_MAX];
    const char *house = model_house_name(id);
    buf_json_member(json, name, house != NULL ? str_c(house) : id_text("", id, text));
}

static void json_about(struct telling *t, enum record_type type, struct str about)
{
    if (type == RECORD_UPSTREAM_ID) {
        buf_json_member(t->json, "upstream_id", about);
        return;
    }
    buf_json_key(t->json, "about");
    if (t->about != NULL)
        t->about(t->arg, record_name(type), about, t->json);
    else
        buf_json_str(t->json, about);
}

static void json_hold(struct buf *json, const struct record *r)
{
    json_id(json, "wallet", r->other);
    buf_json_nano(json, "amount", NANO(r->amount));
    for (size_t i = 0; i < RECORD_CAPS_MAX; i++)
        if (!id_is_zero(r->caps[i]))
            json_id(json, i == 0 ? "cap1" : "cap2", r->caps[i]);
}

static void json_settle(struct buf *json, const struct record *r)
{
    buf_json_nano(json, "charge", NANO(r->amount));
    buf_json_nano(json, "cost", NANO(r->cost));
    buf_json_nano(json, "over_hold", NANO(r->over));
    buf_json_nano(json, "written_off", NANO(r->written_off));
    buf_json_bool(json, "unresolved", (r->flags & RECORD_UNRESOLVED) != 0);
}

static void tell_record(struct telling *t, uint64_t seq, const struct record *r)
{
    struct buf *json = t->json;
    buf_json_comma(json);
    buf_byte(json, '{');
    buf_json_i64(json, "seq", (int64_t)seq);
    buf_json_member(json, "record", str_c(record_name(r->type)));
    if (r->at != 0)
        buf_json_time(json, "at", r->at);
    if (r->type == RECORD_HOLD)
        json_hold(json, r);
    else if (r->type == RECORD_SETTLE)
        json_settle(json, r);
    else if (r->type == RECORD_CHECKPOINT)
        buf_json_nano(json, "charge_so_far", NANO(r->amount));
    if (r->type == RECORD_REFUND) {
        buf_json_nano(json, "amount", NANO(r->amount));
        buf_json_member(json, "reason", r->reason);
    } else {
        json_about(t, r->type, r->about);
    }
    buf_byte(json, '}');
}

/* Is it one of those looked for? */
static bool concerns(const struct telling *t, const struct record *r)
{
    if (!id_eq(r->id, t->call))
        return false;
    if (!id_is_zero(t->group))
        return r->type == RECORD_REFUND && id_eq(r->other, t->group);
    return r->type <= RECORD_VOID;
}

static enum err tell_row(struct telling *t, const struct journal_row *row)
{
    struct str plain = row->plain;
    struct record r;
    enum err e = plain.n != 0 ? OK : ERR_CORRUPT; /* no row is without records */
    while (e == OK && (e = journal_record(&plain, &r)) == OK) {
        if (t->ended || !concerns(t, &r))
            continue;
        tell_record(t, row->seq, &r);
        t->held = true;
        t->ended = r.type == RECORD_SETTLE || r.type == RECORD_VOID || r.type == RECORD_REFUND;
    }
    return e == ERR_END ? OK : e;
}

/* From the time on until the last record that is looked for; ERR_END: there are no more rows. */
static enum err tell_from(struct telling *t, int64_t at)
{
    static const uint8_t zeros[CRYPTO_HASH_LEN];
    uint64_t seq = 1;
    struct journal j;
    enum err e = journal_seek(t->conn, t->node, at - BEFORE_US, &seq);
    if (e != OK)
        return e;
    journal_init(&j, t->conn, t->node, seq - 1, zeros);
    do {
        e = journal_read(&j);
        for (size_t i = 0; i < j.n && e == OK && !t->ended; i++) {
            e = tell_row(t, &j.rows[i]);
            if (!t->held && j.rows[i].at > at + HOLD_WITHIN_US)
                t->ended = true;
        }
    } while (e == OK && j.n != 0 && !t->ended);
    journal_fini(&j);
    return e;
}

static enum err tell_transfers(struct telling *t, enum sql_id sql)
{
    struct store_query *q = NULL;
    enum err e = store_start(t->conn, sql, &q, "b", id_bytes(&t->call));
    while (e == OK && (e = store_step(q)) == OK) {
        struct buf *json = t->json;
        buf_json_comma(json);
        buf_byte(json, '{');
        json_id(json, "group", id_of_bytes(store_str(q, 0)));
        buf_json_i64(json, "n", store_i64(q, 1));
        json_id(json, "debit", id_of_bytes(store_str(q, 2)));
        json_id(json, "credit", id_of_bytes(store_str(q, 3)));
        buf_json_nano(json, "amount", NANO(store_i64(q, 4)));
        buf_json_member(json, "reason", store_str(q, 5));
        buf_json_time(json, "at", store_i64(q, 6));
        if (!store_is_null(q, 7))
            json_id(json, "corrects", id_of_bytes(store_str(q, 7)));
        buf_byte(json, '}');
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

#define REFUNDS_TOLD 64

/* Refunds are found by their transfers, and their records by these. */
static enum err tell_refunds(struct telling *t)
{
    struct id groups[REFUNDS_TOLD];
    int64_t at[REFUNDS_TOLD];
    size_t n = 0;
    struct store_query *q = NULL;
    enum err e = store_start(t->conn, SQL_LEDGER_TRANSFER_CORRECTING, &q, "b", id_bytes(&t->call));
    while (e == OK && n < REFUNDS_TOLD && (e = store_step(q)) == OK) {
        struct id group = id_of_bytes(store_str(q, 0));
        if (n != 0 && id_eq(groups[n - 1], group))
            continue;
        groups[n] = group;
        at[n++] = store_i64(q, 6);
    }
    store_finish(&q);
    for (size_t i = 0; i < n && (e == OK || e == ERR_END); i++) {
        t->group = groups[i];
        t->held = t->ended = false;
        e = tell_from(t, at[i]);
    }
    return e == ERR_END ? OK : e;
}

enum err ledger_explain(struct ledger *ledger, struct store_conn *conn, struct id call,
                        ledger_about_f about, void *arg, struct buf *json)
{
    struct telling t = {.conn = conn,
                        .node = str_c(ledger->node),
                        .call = call,
                        .about = about,
                        .arg = arg,
                        .json = json};
    buf_json_key(json, "records");
    buf_byte(json, '[');
    enum err e = tell_from(&t, id_wall_ms(call) * 1000);
    if (e == OK && !t.held)
        e = ERR_NOT_FOUND;
    if (e == OK)
        e = tell_refunds(&t);
    buf_byte(json, ']');
    buf_json_key(json, "transfers");
    buf_byte(json, '[');
    if (e == OK)
        e = tell_transfers(&t, SQL_LEDGER_TRANSFER_OF);
    if (e == OK)
        e = tell_transfers(&t, SQL_LEDGER_TRANSFER_CORRECTING);
    buf_byte(json, ']');
    return e;
}

enum err ledger_call_charged(struct store_conn *conn, struct id call, struct nano *ret_charge)
{
    struct store_query *q = NULL;
    struct id revenue = model_house_id(HOUSE_REVENUE), lost = model_house_id(HOUSE_WRITE_OFF);
    enum err e = store_start(conn, SQL_LEDGER_CALL_CHARGED, &q, "bbb", id_bytes(&call),
                             id_bytes(&revenue), id_bytes(&lost));
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_charge = store_nano(q, 0);
    store_finish(&q);
    return e;
}

/* /api/billing: the balance, the lots it is made of, and how it came about. */
#include "base/clock.h"
#include "base/mem.h"
#include "control/body.h"
#include "control/period.h"
#include "control/routes.h"
#include "gateway/past.h"
#include "ledger/past.h"

#include <stdio.h>
#include <stdlib.h>

#define GOOD_FROM NANO(10 * NANO_PER_USD)
#define LOW_FROM NANO(NANO_PER_USD)
#define LOTS_MAX 1000
#define DESCRIPTION_MAX 600

CONTROL_ASK(control_billing_balance)
{
    const struct ledger_account *a = ledger_find(c->ledger, who->team);
    struct nano balance = a != NULL ? ledger_balance(a) : NANO(0);
    struct buf *b = &reply->body;
    (void)r;
    buf_byte(b, '{');
    buf_json_nano(b, "balance", balance);
    buf_json_nano(b, "available", a != NULL ? ledger_available(a) : NANO(0));
    buf_json_nano(b, "held", a != NULL ? ledger_held(a) : NANO(0));
    buf_json_member(b, "currency", STR("USD"));
    buf_json_member(b, "state",
                    balance.v >= GOOD_FROM.v  ? STR("good")
                    : balance.v >= LOW_FROM.v ? STR("low")
                                              : STR("very_low"));
    buf_byte(b, '}');
    return OK;
}

static void add_lot(void *arg, const struct ledger_lot_row *row)
{
    struct buf *b = arg;
    char text[ID_TEXT_MAX];
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("lot_", row->lot, text));
    buf_json_member(b, "kind", str_c(ledger_lot_kind_name(row->kind)));
    buf_json_nano(b, "amount", row->amount);
    buf_json_nano(b, "remaining", row->remaining);
    buf_json_i64(b, "priority", row->priority);
    buf_json_time(b, "granted_at", row->granted_us);
    buf_json_time(b, "expires_at", row->expires_us);
    buf_json_member(b, "source", row->source);
    buf_json_member(b, "reason", row->reason);
    buf_byte(b, '}');
}

enum err control_lots_json(struct control *c, struct store_conn *conn, struct id team,
                           struct buf *b)
{
    (void)c;
    buf_byte(b, '[');
    enum err e = ledger_lots(conn, team, INT64_MAX, LOTS_MAX, add_lot, b);
    buf_byte(b, ']');
    return e;
}

CONTROL_ASK(control_billing_lots)
{
    struct store_conn *conn = NULL;
    (void)r;
    enum err e = control_look_back(c, &conn);
    if (e != OK)
        return e;
    buf_add(&reply->body, STR("{\"data\":"));
    e = control_lots_json(c, conn, who->team, &reply->body);
    buf_add(&reply->body, STR(",\"has_more\":false,\"next_cursor\":null}"));
    store_reader_end(&conn);
    return e;
}

/* ---- transactions: what came and went, and the charges of each day ---- */

static const char *const kinds[] = {
    [LEDGER_CREDITED] = "credit",
    [LEDGER_REFUNDED] = "refund",
    [LEDGER_EXPIRED] = "expiry",
    [LEDGER_CORRECTED] = "correction",
};
#define KIND_USAGE "usage"

struct entry {
    int64_t at_us;
    char id[ID_TEXT_MAX + 12];
    const char *kind;
    struct nano amount;
    struct str description;
    struct id call;
};

struct entries {
    struct arena *arena;
    struct entry *list;
    size_t n, max;
    struct str kind; /* only these; empty: all */
    int64_t start_us;
};

static struct entry *entry_new(struct entries *s, const char *kind, int64_t at_us)
{
    if (s->n == s->max || at_us < s->start_us || (s->kind.n != 0 && !str_eq(s->kind, str_c(kind))))
        return NULL;
    struct entry *x = &s->list[s->n++];
    *x = (struct entry){.at_us = at_us, .kind = kind, .description = STR("")};
    return x;
}

static void add_move(void *arg, const struct ledger_move_row *row)
{
    struct entries *s = arg;
    char text[ID_TEXT_MAX];
    struct entry *x = entry_new(s, kinds[row->kind], row->at_us);
    if (x == NULL)
        return;
    (void)!snprintf(x->id, sizeof(x->id), "%.*s.%lld", STR_ARG(id_text("txn_", row->group, text)),
                    (long long)row->n);
    x->amount = row->amount;
    x->description = arena_dup(s->arena, str_upto(row->reason, DESCRIPTION_MAX));
    x->call = row->call;
}

static void add_day(void *arg, const struct past_day *d)
{
    struct entries *s = arg;
    char time[CLOCK_TEXT_MAX];
    struct entry *x = entry_new(s, KIND_USAGE, d->day * US_PER_DAY);
    if (x == NULL)
        return;
    struct str day = str_upto(clock_rfc3339(d->day * US_PER_DAY, time), 10);
    (void)!snprintf(x->id, sizeof(x->id), "usage.%.*s", STR_ARG(day));
    x->amount = NANO(-d->charge.v);
    x->description = arena_printf(s->arena, "%lld calls on %.*s (UTC)", (long long)d->requests,
                                  STR_ARG(day));
}

static int newest_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->at_us != y->at_us)
        return x->at_us > y->at_us ? -1 : 1;
    return strcmp(y->id, x->id);
}

static void entry_json(struct buf *b, const struct entry *x)
{
    char text[ID_TEXT_MAX];
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", str_c(x->id));
    buf_json_time(b, "at", x->at_us);
    buf_json_member(b, "kind", str_c(x->kind));
    buf_json_nano(b, "amount", x->amount);
    buf_json_member(b, "description", x->description);
    buf_json_key(b, "request_id");
    if (id_is_zero(x->call))
        buf_add(b, STR("null"));
    else
        buf_json_str(b, id_text("req_", x->call, text));
    buf_byte(b, '}');
}

/* The cursor is a time: entries of the same microsecond are never parted. */
static void entries_json(struct entries *s, size_t limit, struct buf *b)
{
    size_t i = 0;
    qsort(s->list, s->n, sizeof(*s->list), newest_first);
    buf_add(b, STR("{\"data\":["));
    for (; i < s->n && (i < limit || s->list[i].at_us == s->list[i - 1].at_us); i++)
        entry_json(b, &s->list[i]);
    buf_byte(b, ']');
    buf_json_bool(b, "has_more", i < s->n);
    if (i < s->n)
        buf_printf(b, ",\"next_cursor\":\"%lld\"}", (long long)s->list[i - 1].at_us);
    else
        buf_add(b, STR(",\"next_cursor\":null}"));
}

static bool is_kind(struct str s)
{
    bool ok = s.n == 0 || str_eq(s, STR(KIND_USAGE));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        ok = ok || str_eq(s, str_c(kinds[i]));
    return ok;
}

static enum err query_read(const struct http_request *r, struct http_reply *reply,
                           struct control_period *p, struct str *kind, size_t *limit)
{
    struct str v;
    uint64_t n = 20;
    enum err e = control_period_read(r, reply, p);
    *kind = STR("");
    if (e != OK)
        return e;
    (void)!http_query(r, reply->arena, STR("kind"), kind);
    if (!is_kind(*kind))
        return control_wrong(reply, ERR_INVALID_REQUEST, "kind",
                             "'kind' takes credit, usage, refund, expiry or correction.");
    if (http_query(r, reply->arena, STR("limit"), &v) && (!str_to_u64(v, 100, &n) || n == 0))
        return control_wrong(reply, ERR_INVALID_REQUEST, "limit",
                             "'limit' must be a number from 1 to 100.");
    *limit = (size_t)n;
    if (!http_query(r, reply->arena, STR("cursor"), &v))
        return OK;
    if (!str_to_u64(v, INT64_MAX, &n))
        return control_wrong(reply, ERR_INVALID_REQUEST, "cursor", "It must be one of ours.");
    p->end_us = (int64_t)n < p->end_us ? (int64_t)n : p->end_us;
    return OK;
}

CONTROL_ASK(control_billing_transactions)
{
    struct store_conn *conn = NULL;
    struct control_period p = {who->now_us - 3650 * US_PER_DAY, who->now_us + US_PER_S};
    struct entries s = {.arena = reply->arena};
    size_t limit = 0;
    enum err e = query_read(r, reply, &p, &s.kind, &limit);
    if (e == OK)
        e = control_look_back(c, &conn);
    if (e != OK)
        return e;
    int64_t most = (int64_t)limit + 1;
    /* Days whose beginning lies before the end. */
    int64_t days_end = (p.end_us - 1) / US_PER_DAY + 1;
    s.start_us = p.start_us;
    s.max = 2 * (size_t)most;
    s.list = mem_array(s.max, sizeof(*s.list));
    e = ledger_moves(conn, who->team, p.end_us, most, add_move, &s);
    if (e == OK)
        e = past_days(conn, who->team, p.start_us / US_PER_DAY, days_end, most, add_day, &s);
    store_reader_end(&conn);
    if (e == OK)
        entries_json(&s, limit, &reply->body);
    mem_free(s.list);
    return e;
}

/* ---- the same as CSV (RFC 4180) ---- */

#define CSV_MAX 50000 /* lines of each kind */

static void entry_csv(struct buf *b, const struct entry *x)
{
    char text[ID_TEXT_MAX], time[CLOCK_TEXT_MAX], amount[UNITS_TEXT_MAX];
    buf_printf(b, "%.*s,%s,%.*s,", STR_ARG(clock_rfc3339(x->at_us, time)), x->kind,
               STR_ARG(nano_format(x->amount, amount)));
    control_csv_cell(b, x->description);
    buf_byte(b, ',');
    if (!id_is_zero(x->call))
        buf_add(b, id_text("req_", x->call, text));
    buf_printf(b, ",%s\r\n", x->id);
}

CONTROL_ASK(control_billing_csv)
{
    struct store_conn *conn = NULL;
    struct control_period p = {who->now_us - 3650 * US_PER_DAY, who->now_us + US_PER_S};
    struct entries s = {.kind = STR("")};
    struct arena arena;
    enum err e = control_period_read(r, reply, &p);
    if (e == OK)
        e = control_look_back(c, &conn);
    if (e != OK)
        return e;
    arena_init(&arena, 64u * 1024, 64u * 1024 * 1024);
    s.arena = &arena;
    s.start_us = p.start_us;
    s.max = 2 * CSV_MAX;
    s.list = mem_array(s.max, sizeof(*s.list));
    e = ledger_moves(conn, who->team, p.end_us, CSV_MAX, add_move, &s);
    if (e == OK)
        e = past_days(conn, who->team, p.start_us / US_PER_DAY, (p.end_us - 1) / US_PER_DAY + 1,
                      CSV_MAX, add_day, &s);
    store_reader_end(&conn);
    qsort(s.list, s.n, sizeof(*s.list), newest_first);
    buf_add(&reply->body, STR("at,kind,amount,description,request_id,id\r\n"));
    for (size_t i = 0; i < s.n && e == OK; i++)
        entry_csv(&reply->body, &s.list[i]);
    mem_free(s.list);
    arena_fini(&arena);
    reply->content_type = "text/csv; charset=utf-8";
    buf_add(&reply->headers,
            STR("Content-Disposition: attachment; filename=\"transactions.csv\"\r\n"));
    return e;
}

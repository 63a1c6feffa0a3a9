/* Proofs and copies: verify, explain, unresolved, backup. */
#include "admin/admin.h"
#include "base/json.h"

#define REPORT_MAX (4u << 20)

static void verdict_json(struct buf *out, const struct ledger_verdict *v, uint64_t lines,
                         uint64_t wrong, struct str report)
{
    buf_byte(out, '{');
    buf_json_bool(out, "ok", v->mismatches + wrong == 0);
    buf_json_i64(out, "batches", (int64_t)v->batches);
    buf_json_i64(out, "records", (int64_t)v->records);
    buf_json_i64(out, "accounts", (int64_t)v->accounts);
    buf_json_i64(out, "lots", (int64_t)v->lots);
    buf_json_i64(out, "transfers", (int64_t)v->transfers);
    buf_json_i64(out, "usage_lines", (int64_t)lines);
    buf_json_i64(out, "open_holds", (int64_t)v->open_holds);
    buf_json_i64(out, "mismatches", (int64_t)(v->mismatches + wrong));
    buf_json_key(out, "report");
    buf_byte(out, '[');
    while (report.n != 0) {
        buf_json_comma(out);
        buf_json_str(out, str_cut(&report, '\n'));
    }
    buf_add(out, STR("]}"));
}

static enum err verify(struct admin_run *run)
{
    struct store_conn *conn = NULL;
    struct ledger_verdict v = {0};
    struct buf report;
    uint64_t lines = 0, wrong = 0;
    enum err e = ledger_settled_up(run->a->ledger);
    if (e == OK)
        e = store_reader_begin_for(run->a->store, 0, &conn);
    if (e != OK)
        return e;
    buf_init(&report, REPORT_MAX);
    e = ledger_verify(run->a->ledger, conn, &v, &report);
    if (e == OK)
        e = gateway_usage_verify(run->a->gateway, conn, &lines, &wrong, &report);
    store_reader_end(&conn);
    if (e == OK)
        verdict_json(run->out, &v, lines, wrong, buf_str(&report));
    buf_fini(&report);
    return e;
}

static int64_t figure(struct str about, const char *name)
{
    int64_t n = 0;
    return json_int(json_get(about, str_c(name)), 0, INT32_MAX, &n) == OK ? n : 0;
}

static void factor(struct buf *b, const char *what, int64_t units, struct pico price)
{
    char text[UNITS_TEXT_MAX];
    if (units == 0 && price.v == 0)
        return;
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "what", str_c(what));
    buf_json_i64(b, "units", units);
    buf_json_member(b, "usd_each", pico_format(price, text));
    buf_byte(b, '}');
}

/* The factors of the charge: the usage that was settled, at the price version of the hold. */
static void calculation(struct buf *b, const struct catalog_price *p, struct str held,
                        struct str settled)
{
    int64_t read = figure(settled, "cache_read_tokens");
    int64_t write = figure(settled, "cache_write_tokens");
    int64_t ppm = figure(held, "markup_ppm");
    buf_json_key(b, "calculation");
    buf_byte(b, '[');
    factor(b, "input tokens", figure(settled, "input_tokens") - read - write, p->input);
    factor(b, "input tokens from the cache", read, p->has_cache_read ? p->cache_read : p->input);
    factor(b, "input tokens into the cache", write, p->has_cache_write ? p->cache_write : p->input);
    factor(b, "output tokens", figure(settled, "output_tokens"), p->output);
    factor(b, "request", 1, p->request);
    buf_json_comma(b);
    buf_printf(b, "{\"what\":\"markup\",\"percent\":\"%lld.%04lld\"}]", (long long)(ppm / 10000),
               (long long)(ppm % 10000));
}

/* A further member behind what the ledger says: what the figures were multiplied with. */
static enum err add_calculation(struct admin_run *run, struct store_conn *conn)
{
    struct str held = STR(""), settled = STR("");
    struct catalog_price price;
    struct json_walk w = json_walk_of(json_get(buf_str(run->out), STR("records")));
    while (json_next(&w)) {
        struct str record = json_get(w.value, STR("record"));
        if (str_eq(record, STR("\"HOLD\"")))
            held = json_get(w.value, STR("about"));
        if (str_eq(record, STR("\"SETTLE\"")))
            settled = json_get(w.value, STR("about"));
    }
    int64_t id = figure(held, "price_version");
    if (id == 0 || settled.n == 0)
        return OK; /* nothing was charged, or by the provider's cost */
    enum err e = catalog_price_by_id(conn, &run->arena, id, &price);
    if (e != OK)
        return e == ERR_NOT_FOUND ? OK : e;
    struct buf more;
    buf_init(&more, 64u * 1024);
    calculation(&more, &price, held, settled);
    buf_byte(run->out, ',');
    buf_add(run->out, buf_str(&more));
    buf_fini(&more);
    return OK;
}

static enum err explain(struct admin_run *run)
{
    struct store_conn *conn = NULL;
    struct str s = admin_arg(run, "request");
    struct id call;
    if (!id_parse("req_", s, &call))
        return admin_no(run, ERR_VALIDATION_FAILED,
                        "'%.*s' is no request id; answers carry it as x-request-id: req_…",
                        STR_ARG(s));
    enum err e = ledger_settled_up(run->a->ledger);
    if (e == OK)
        e = store_reader_begin(run->a->store, &conn);
    if (e != OK)
        return e;
    buf_byte(run->out, '{');
    buf_json_member(run->out, "request_id", s);
    e = ledger_explain(run->a->ledger, conn, call, gateway_about_json, run->a->gateway, run->out);
    if (e == OK)
        e = add_calculation(run, conn);
    buf_byte(run->out, '}');
    store_reader_end(&conn);
    if (e == ERR_NOT_FOUND)
        return admin_no(run, e,
                        "the ledger knows nothing of %.*s: it was refused before a hold, or "
                        "never came here",
                        STR_ARG(s));
    return e;
}

static enum err unresolved(struct admin_run *run)
{
    struct store_conn *conn = NULL;
    enum err e = ledger_settled_up(run->a->ledger);
    if (e == OK)
        e = store_reader_begin(run->a->store, &conn);
    if (e != OK)
        return e;
    e = gateway_unresolved_json(run->a->gateway, conn, run->out);
    store_reader_end(&conn);
    return e;
}

static enum err backup(struct admin_run *run)
{
    char why[STORE_WHY_MAX] = "";
    struct str file = arena_dup(&run->arena, admin_arg(run, "file"));
    if (admin_arg(run, "passphrase").n < 8)
        return admin_no(run, ERR_VALIDATION_FAILED,
                        "a passphrase of at least 8 characters is needed; it is read from "
                        "TOLLGATE_PASSPHRASE or the terminal");
    enum err e = ledger_settled_up(run->a->ledger);
    if (e == OK)
        e = store_backup(run->a->store, file.p, admin_arg(run, "passphrase"), why);
    if (e != OK)
        return admin_no(run, e, "%s", why);
    buf_byte(run->out, '{');
    buf_json_bool(run->out, "ok", true);
    buf_json_member(run->out, "file", file);
    buf_byte(run->out, '}');
    return OK;
}

const struct admin_operation admin_money[] = {{"ledger.verify", verify},
                                              {"ledger.explain", explain},
                                              {"ledger.unresolved", unresolved},
                                              {"backup.create", backup},
                                              {NULL, NULL}};

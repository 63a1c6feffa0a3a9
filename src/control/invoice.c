/* What receipts and statements say. */
#include "control/invoice.h"

#include "base/clock.h"
#include "base/mem.h"
#include "control/names.h"
#include "gateway/past.h"
#include "identity/people.h"
#include "ledger/past.h"

#include <stdio.h>
#include <stdlib.h>

#define BODY_MAX (512u * 1024)
#define ROWS_MAX 400
#define MOVES_MAX 1000
#define EVERY_US US_PER_HOUR
#define WANTED_MAX 200

/* ---- words and figures ---- */

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

struct date {
    int year, month, day;
};

static struct date date_of(int64_t us)
{
    char text[CLOCK_TEXT_MAX];
    struct str s = clock_rfc3339(us, text);
    uint64_t y = 1970, m = 1, d = 1;
    (void)!(str_to_u64(str_of(s.p, 4), 9999, &y) && str_to_u64(str_of(s.p + 5, 2), 12, &m) &&
            str_to_u64(str_of(s.p + 8, 2), 31, &d));
    return (struct date){(int)y, (int)m, (int)d};
}

static struct str date_text(struct arena *a, int64_t us)
{
    struct date d = date_of(us);
    return arena_printf(a, "%d %s %d", d.day, months[d.month - 1], d.year);
}

/* "1,234,567.5": a comma before every three digits of the whole part. */
static struct str grouped(struct arena *a, struct str number)
{
    size_t dot = str_index(number, '.'), whole = dot < number.n ? dot : number.n, n = 0;
    char *to = arena_alloc(a, number.n + whole / 3 + 1);
    if (to == NULL)
        return STR("");
    for (size_t i = 0; i < number.n; i++) {
        if (i != 0 && i < whole && (whole - i) % 3 == 0)
            to[n++] = ',';
        to[n++] = number.p[i];
    }
    return str_of(to, n);
}

static struct str count(struct arena *a, int64_t n)
{
    return grouped(a, arena_printf(a, "%lld", (long long)n));
}

/* "-$1,234.50": at least so many places, and all that there are. */
static struct str money(struct arena *a, struct str currency, int digits, struct nano n)
{
    char text[UNITS_TEXT_MAX];
    bool below = n.v < 0;
    struct str s = nano_format(below ? NANO(-n.v) : n, text);
    size_t dot = str_index(s, '.');
    int places = dot == SIZE_MAX ? 0 : (int)(s.n - dot - 1);
    int missing = digits > places ? digits - places : 0;
    struct str number = arena_printf(a, "%.*s%s%.*s", STR_ARG(grouped(a, s)),
                                     places == 0 && missing != 0 ? "." : "", missing, "000000000");
    if (str_eq_nocase(currency, STR("usd")))
        return arena_printf(a, "%s$%.*s", below ? "-" : "", STR_ARG(number));
    struct str code = arena_dup(a, currency);
    char *p = (char *)(uintptr_t)code.p;
    for (size_t i = 0; i < code.n; i++)
        if (p[i] >= 'a' && p[i] <= 'z')
            p[i] = (char)(p[i] - 32);
    return arena_printf(a, "%s%.*s %.*s", below ? "-" : "", STR_ARG(code), STR_ARG(number));
}

static struct str usd(struct arena *a, struct nano n)
{
    return money(a, STR("usd"), 2, n);
}

/* ---- pieces of a document ---- */

static void pair(struct buf *b, const char *label, struct str value)
{
    buf_json_comma(b);
    buf_byte(b, '[');
    buf_json_str(b, str_c(label));
    buf_byte(b, ',');
    buf_json_str(b, value);
    buf_byte(b, ']');
}

static void text_lines(struct buf *b, struct str text, char separator)
{
    while (text.n != 0) {
        struct str line = str_trim(str_cut(&text, separator));
        if (line.n == 0)
            continue;
        buf_json_comma(b);
        buf_json_str(b, line);
    }
}

static void open_section(struct buf *b, const char *heading, const char *const *columns, size_t n)
{
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "heading", str_c(heading));
    buf_json_key(b, "columns");
    buf_byte(b, '[');
    for (size_t i = 0; i < n; i++) {
        buf_json_comma(b);
        buf_json_str(b, str_c(columns[i]));
    }
    buf_add(b, STR("],\"rows\":["));
}

static void cells(struct buf *b, const struct str *list, size_t n)
{
    buf_json_comma(b);
    buf_byte(b, '[');
    for (size_t i = 0; i < n; i++) {
        buf_json_comma(b);
        buf_json_str(b, list[i]);
    }
    buf_byte(b, ']');
}

static void tax_id_line(struct buf *b, struct arena *a, struct str tax_id)
{
    if (tax_id.n == 0)
        return;
    buf_json_comma(b);
    buf_json_str(b, arena_printf(a, "Tax ID: %.*s", STR_ARG(tax_id)));
}

/* Title, brand, seller and buyer: a document, left open. */
static enum err begin(struct control *c, struct store_conn *conn, struct arena *a, struct id team,
                      const char *title, struct buf *b)
{
    struct invoice_details d;
    struct str label = STR("");
    const struct control_seller *s = &c->seller;
    enum err e = invoice_details_get(conn, a, team, &d);
    if (e == OK)
        e = identity_team_label(conn, a, team, &label);
    buf_byte(b, '{');
    buf_json_member(b, "title", str_c(title));
    buf_json_member(b, "brand", str_c(c->brand_name));
    buf_json_member(b, "color", str_c(c->brand_color));
    buf_json_key(b, "seller");
    buf_byte(b, '[');
    buf_json_str(b, s->name[0] != '\0' ? str_c(s->name) : str_c(c->brand_name));
    text_lines(b, str_c(s->address), ';');
    tax_id_line(b, a, str_c(s->tax_id));
    text_lines(b, str_c(s->email), '\n');
    buf_byte(b, ']');
    buf_json_key(b, "buyer");
    buf_byte(b, '[');
    buf_json_str(b, d.name.n != 0 ? d.name : label);
    text_lines(b, d.address, '\n');
    tax_id_line(b, a, d.tax_id);
    text_lines(b, d.email, '\n');
    buf_byte(b, ']');
    buf_json_member(b, "note", str_c(s->note));
    return e;
}

/* ---- numbers ---- */

/* Credit notes have a series of their own. */
static enum err number_in(struct control *c, struct store_conn *conn, struct arena *a,
                          const char *kind, int64_t now_us, struct str *ret_number)
{
    struct store_query *q = NULL;
    int year = date_of(now_us).year;
    const char *of = strcmp(kind, "credit_note") == 0 ? "CN-" : "";
    struct str series = arena_printf(a, "%s%s%d", c->seller.prefix, of, year);
    enum err e = store_run(conn, SQL_INVOICE_NEXT, NULL, "t", series);
    if (e == OK)
        e = store_start(conn, SQL_INVOICE_NEXT_GET, &q, "t", series);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_number = arena_printf(a, "%.*s-%06lld", STR_ARG(series), (long long)store_i64(q, 0));
    store_finish(&q);
    return e;
}

struct row {
    const char *kind;
    struct id team;
    struct str payment, currency, body;
    int64_t start_us, end_us, now_us;
    struct nano total, tax;
};

static enum err add_in(struct control *c, struct store_conn *conn, struct arena *a,
                       const struct row *r)
{
    struct str number;
    char id[ID_TEXT_MAX];
    enum err e = number_in(c, conn, a, r->kind, r->now_us, &number);
    return e == OK ? store_run(conn, SQL_INVOICE_ADD, NULL, "tttbtiiinntt",
                               id_text("inv_", id_new(r->now_us), id), number, str_c(r->kind),
                               id_bytes(&r->team), r->payment, r->start_us, r->end_us, r->now_us,
                               r->total, r->tax, r->currency, r->body)
                   : e;
}

static enum err is_there(struct store_query **q, enum err e, bool *ret)
{
    if (e == OK)
        e = store_step(*q);
    *ret = e == OK;
    store_finish(q);
    return e == ERR_END ? OK : e;
}

/* ---- receipts ---- */

static void receipt_body(struct control *c, struct arena *a, const struct invoice_payment *p,
                         struct buf *b)
{
    static const char *const columns[] = {"Description", "Amount"};
    struct nano net = nano_minus(p->paid, p->tax);
    buf_json_key(b, "facts");
    buf_byte(b, '[');
    pair(b, "Issued", date_text(a, p->at_us));
    pair(b, "Paid", date_text(a, p->at_us));
    pair(b, "Payment", p->id);
    buf_byte(b, ']');
    buf_json_key(b, "sections");
    buf_byte(b, '[');
    open_section(b, "", columns, 2);
    struct str what = arena_printf(a, "%.*s (%.*s%s)", STR_ARG(p->what), STR_ARG(usd(a, p->credit)),
                                   p->credit.v == net.v ? "" : " of credit");
    cells(b, (struct str[]){what, money(a, p->currency, p->digits, net)}, 2);
    buf_add(b, STR("]}]"));
    buf_json_key(b, "totals");
    buf_byte(b, '[');
    pair(b, "Subtotal", money(a, p->currency, p->digits, net));
    pair(b, c->seller.tax_name, money(a, p->currency, p->digits, p->tax));
    pair(b, "Total paid", money(a, p->currency, p->digits, p->paid));
    buf_add(b, STR("]}"));
}

enum err invoice_receipt_in(struct control *c, struct store_conn *conn,
                            const struct invoice_payment *p)
{
    struct store_query *q = NULL;
    struct arena a;
    struct buf b;
    bool there = false;
    enum err e = store_start(conn, SQL_INVOICE_RECEIPT, &q, "t", p->id);
    e = is_there(&q, e, &there);
    if (e != OK || there)
        return e;
    arena_init(&a, 4096, 1024u * 1024);
    buf_init(&b, BODY_MAX);
    e = begin(c, conn, &a, p->team, "Receipt", &b);
    receipt_body(c, &a, p, &b);
    struct row r = {.kind = "receipt",
                    .team = p->team,
                    .payment = p->id,
                    .currency = p->currency,
                    .body = buf_str(&b),
                    .now_us = p->at_us,
                    .total = p->paid,
                    .tax = p->tax};
    if (e == OK)
        e = a.over ? ERR_LIMIT : buf_check(&b);
    if (e == OK)
        e = add_in(c, conn, &a, &r);
    buf_fini(&b);
    arena_fini(&a);
    return e;
}

/* ---- credit notes ---- */

struct note {
    struct str receipt; /* its number; empty: there is none */
    struct nano total, tax; /* of those before: below zero */
};

static enum err note_read(struct store_conn *conn, struct arena *a, struct str payment,
                          struct note *n)
{
    struct store_query *q = NULL;
    *n = (struct note){.receipt = STR("")};
    enum err e = store_start(conn, SQL_INVOICE_RECEIPT, &q, "t", payment);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        n->receipt = arena_dup(a, store_str(q, 1));
    store_finish(&q);
    if (e != OK)
        return e == ERR_END ? OK : e;
    e = store_start(conn, SQL_INVOICE_NOTES_SUM, &q, "t", payment);
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        n->total = store_nano(q, 0);
        n->tax = store_nano(q, 1);
    }
    store_finish(&q);
    return e;
}

static void note_body(struct control *c, struct arena *a, const struct invoice_payment *p,
                      const struct note *n, const struct row *r, struct buf *b)
{
    static const char *const columns[] = {"Description", "Amount"};
    bool back = r->total.v > 0;
    struct nano total = NANO(-r->total.v), tax = NANO(-r->tax.v);
    buf_json_key(b, "facts");
    buf_byte(b, '[');
    pair(b, "Issued", date_text(a, r->now_us));
    pair(b, "Receipt", n->receipt);
    pair(b, "Payment", p->id);
    buf_byte(b, ']');
    buf_json_key(b, "sections");
    buf_byte(b, '[');
    open_section(b, "", columns, 2);
    struct str what = arena_printf(a, "%s: %.*s", back ? "Refund that did not arrive" : "Refund",
                                   STR_ARG(p->what));
    struct str net = money(a, p->currency, p->digits, nano_minus(total, tax));
    cells(b, (struct str[]){what, net}, 2);
    buf_add(b, STR("]}]"));
    buf_json_key(b, "totals");
    buf_byte(b, '[');
    pair(b, "Subtotal", net);
    pair(b, c->seller.tax_name, money(a, p->currency, p->digits, tax));
    pair(b, back ? "Taken back" : "Total refunded", money(a, p->currency, p->digits, total));
    buf_add(b, STR("]}"));
}

static enum err note_in(struct control *c, struct store_conn *conn, struct arena *a,
                        const struct invoice_payment *p, const struct note *n, struct row *r)
{
    struct buf b;
    buf_init(&b, BODY_MAX);
    enum err e = begin(c, conn, a, p->team, "Credit note", &b);
    note_body(c, a, p, n, r, &b);
    r->body = buf_str(&b);
    if (e == OK)
        e = a->over ? ERR_LIMIT : buf_check(&b);
    if (e == OK)
        e = add_in(c, conn, a, r);
    buf_fini(&b);
    return e;
}

/* Of the last digit that the currency has. */
static int64_t unit_of(int digits)
{
    int64_t unit = NANO_PER_USD;
    for (int i = 0; i < digits; i++)
        unit /= 10;
    return unit;
}

enum err invoice_returned_in(struct control *c, struct store_conn *conn,
                             const struct invoice_payment *p, struct nano returned, int64_t now_us)
{
    struct arena a;
    struct note n;
    arena_init(&a, 4096, 1024u * 1024);
    enum err e = note_read(conn, &a, p->id, &n);
    struct nano tax = p->paid.v > 0 ? nano_share(p->tax, returned.v, p->paid.v) : NANO(0);
    tax.v -= tax.v % unit_of(p->digits);
    struct row r = {.kind = "credit_note",
                    .team = p->team,
                    .payment = p->id,
                    .currency = p->currency,
                    .now_us = now_us,
                    .total = NANO(-returned.v - n.total.v),
                    .tax = NANO(-tax.v - n.tax.v)};
    if (e == OK && n.receipt.n != 0 && r.total.v != 0)
        e = note_in(c, conn, &a, p, &n, &r);
    arena_fini(&a);
    return e;
}

static enum err ids_json(struct store_conn *conn, struct str payment, struct str kind,
                         struct buf *b, size_t *ret_n)
{
    struct store_query *q = NULL;
    *ret_n = 0;
    enum err e = store_start(conn, SQL_INVOICE_OF_PAYMENT, &q, "tt", payment, kind);
    while (e == OK && (e = store_step(q)) == OK) {
        if ((*ret_n)++ != 0)
            buf_byte(b, ',');
        buf_json_str(b, store_str(q, 0));
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err invoice_papers_json(struct store_conn *conn, struct str payment, struct buf *b)
{
    size_t n;
    buf_json_key(b, "receipt_id");
    enum err e = ids_json(conn, payment, STR("receipt"), b, &n);
    if (n == 0)
        buf_add(b, STR("null"));
    buf_json_key(b, "credit_note_ids");
    buf_byte(b, '[');
    if (e == OK)
        e = ids_json(conn, payment, STR("credit_note"), b, &n);
    buf_byte(b, ']');
    return e;
}

/* ---- statements ---- */

struct line {
    struct str name;
    struct id key;
    int64_t requests, input, output;
    struct nano charge;
};
struct table {
    struct line *list;
    size_t n;
};

struct statement {
    struct control *c;
    struct arena arena;
    struct control_names names;
    struct id team;
    int64_t start_us, end_us, now_us;
    struct table models, members, keys;
    struct line all;
    struct nano added, taken;
    struct buf moves, body;
};

static void add(struct line *l, const struct past_sums *s)
{
    l->requests += s->requests;
    l->input += s->input;
    l->output += s->output;
    l->charge = nano_plus(l->charge, s->charge);
}

/* What does not fit any more is the last line, all together. */
static struct line *line_of(struct statement *s, struct table *t, struct str name, struct id key)
{
    for (size_t i = 0; i < t->n && i < ROWS_MAX; i++)
        if (str_eq(t->list[i].name, name) && id_eq(t->list[i].key, key))
            return &t->list[i];
    if (t->n < ROWS_MAX)
        t->list[t->n++] = (struct line){.name = arena_dup(&s->arena, name), .key = key};
    else if (t->n == ROWS_MAX)
        t->list[t->n++] = (struct line){.name = STR("All others")};
    return &t->list[t->n - 1];
}

static void add_point(void *arg, const struct past_point *p)
{
    struct statement *s = arg;
    const struct control_name *n = control_name_of(&s->names, p->key);
    struct str key = n->name.n != 0 ? n->name : STR("a key that is gone");
    struct str member = n->email.n != 0 ? n->email : STR("somebody who has gone");
    struct id nobody = {{0}};
    add(line_of(s, &s->models, p->model, nobody), &p->sums);
    add(line_of(s, &s->keys, key, p->key), &p->sums);
    add(line_of(s, &s->members, member, n->user), &p->sums);
    add(&s->all, &p->sums);
}

static void add_move(void *arg, const struct ledger_move_row *m)
{
    struct statement *s = arg;
    struct arena *a = &s->arena;
    if (m->at_us < s->start_us)
        return;
    static const char *const kinds[] = {[LEDGER_CREDITED] = "Credit",
                                        [LEDGER_REFUNDED] = "Refund of a call",
                                        [LEDGER_EXPIRED] = "Expired",
                                        [LEDGER_CORRECTED] = "Correction"};
    struct str what = arena_printf(a, "%.*s  %s%s%.*s", STR_ARG(date_text(a, m->at_us)),
                                   kinds[m->kind], m->reason.n != 0 ? ": " : "",
                                   STR_ARG(str_upto(m->reason, 200)));
    cells(&s->moves, (struct str[]){what, usd(a, m->amount)}, 2);
    if (m->amount.v > 0)
        s->added = nano_plus(s->added, m->amount);
    else
        s->taken = nano_plus(s->taken, m->amount);
}

static int dearest_first(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->charge.v != y->charge.v)
        return x->charge.v > y->charge.v ? -1 : 1;
    return str_cmp(x->name, y->name);
}

static void table_json(struct statement *s, const char *heading, const char *first, struct table *t)
{
    const char *const columns[] = {first, "Requests", "Input tokens", "Output tokens", "Amount"};
    struct arena *a = &s->arena;
    if (t->n == 0)
        return;
    qsort(t->list, t->n, sizeof(*t->list), dearest_first);
    open_section(&s->body, heading, columns, 5);
    for (size_t i = 0; i < t->n; i++) {
        const struct line *l = &t->list[i];
        cells(&s->body,
              (struct str[]){l->name, count(a, l->requests), count(a, l->input),
                             count(a, l->output), usd(a, l->charge)},
              5);
    }
    buf_add(&s->body, STR("]}"));
}

static void statement_body(struct statement *s)
{
    static const char *const columns[] = {"Entry", "Amount"};
    struct date d = date_of(s->start_us);
    struct arena *a = &s->arena;
    struct buf *b = &s->body;
    buf_json_key(b, "facts");
    buf_byte(b, '[');
    pair(b, "Period", arena_printf(a, "%s %d (UTC)", months[d.month - 1], d.year));
    pair(b, "Issued", date_text(a, s->now_us));
    pair(b, "Calls", count(a, s->all.requests));
    buf_byte(b, ']');
    buf_json_key(b, "sections");
    buf_byte(b, '[');
    table_json(s, "By model", "Model", &s->models);
    table_json(s, "By member", "Member", &s->members);
    table_json(s, "By API key", "Key", &s->keys);
    if (s->moves.n != 0) {
        open_section(b, "Credit", columns, 2);
        buf_add(b, buf_str(&s->moves));
        buf_add(b, STR("]}"));
    }
    buf_byte(b, ']');
    buf_json_key(b, "totals");
    buf_byte(b, '[');
    pair(b, "Credit added", usd(a, s->added));
    pair(b, "Credit taken back", usd(a, s->taken));
    pair(b, "Used", usd(a, s->all.charge));
    buf_add(b, STR("]}"));
}

static enum err gather(struct statement *s, struct store_conn *conn)
{
    enum err e = begin(s->c, conn, &s->arena, s->team, "Statement", &s->body);
    if (e == OK)
        e = past_series(conn, s->team, s->start_us / US_PER_HOUR, s->end_us / US_PER_HOUR, 24,
                        add_point, s);
    if (e == OK)
        e = ledger_moves(conn, s->team, s->end_us, MOVES_MAX, add_move, s);
    if (e == OK)
        statement_body(s);
    if (e == OK)
        e = s->arena.over ? ERR_LIMIT : buf_check(&s->body);
    return e;
}

static enum err statement_in(struct store_conn *conn, void *arg)
{
    struct statement *s = arg;
    struct store_query *q = NULL;
    bool there = false;
    enum err e = store_start(conn, SQL_INVOICE_OF_MONTH, &q, "bi", id_bytes(&s->team), s->start_us);
    e = is_there(&q, e, &there);
    struct row r = {.kind = "statement",
                    .team = s->team,
                    .payment = STR(""),
                    .currency = STR("usd"),
                    .body = buf_str(&s->body),
                    .start_us = s->start_us,
                    .end_us = s->end_us,
                    .now_us = s->now_us,
                    .total = s->all.charge};
    return e != OK || there ? e : add_in(s->c, conn, &s->arena, &r);
}

static enum err issue(struct control *c, struct id team, int64_t start_us, int64_t end_us,
                      int64_t now_us)
{
    struct store_conn *conn = NULL;
    struct statement s = {
        .c = c, .team = team, .start_us = start_us, .end_us = end_us, .now_us = now_us};
    struct table *const tables[] = {&s.models, &s.members, &s.keys};
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    arena_init(&s.arena, 64u * 1024, 16u * 1024 * 1024);
    buf_init(&s.body, BODY_MAX);
    buf_init(&s.moves, BODY_MAX / 2);
    for (size_t i = 0; i < 3; i++)
        tables[i]->list = mem_array(ROWS_MAX + 1, sizeof(struct line));
    control_names_init(&s.names, c, conn);
    e = gather(&s, conn);
    control_names_fini(&s.names);
    store_reader_end(&conn);
    if (e == OK)
        e = store_write(c->store, statement_in, &s);
    for (size_t i = 0; i < 3; i++)
        mem_free(tables[i]->list);
    buf_fini(&s.moves);
    buf_fini(&s.body);
    arena_fini(&s.arena);
    return e;
}

static enum err wanted(struct control *c, int64_t start_us, int64_t end_us, struct id *list,
                       size_t *ret_n)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    size_t n = 0;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_INVOICE_WANTED, &q, "iiii", start_us / US_PER_DAY,
                    end_us / US_PER_DAY, start_us, end_us);
    while (e == OK && n < WANTED_MAX && (e = store_step(q)) == OK)
        list[n++] = id_of_bytes(store_str(q, 0));
    store_finish(&q);
    store_reader_end(&conn);
    *ret_n = n;
    return e == ERR_END ? OK : e;
}

static enum jobs_outcome statements_step(struct jobs_call *call)
{
    struct control *c = call->arg;
    int64_t end_us = clock_month_start(call->now_us);
    int64_t start_us = clock_month_start(end_us - US_PER_S);
    struct id list[WANTED_MAX];
    size_t n = 0;
    enum err e = wanted(c, start_us, end_us, list, &n);
    for (size_t i = 0; i < n && e == OK; i++)
        e = issue(c, list[i], start_us, end_us, call->now_us);
    if (e != OK) {
        snprintf(call->why, sizeof(call->why), "a statement could not be made: %s",
                 err_info(e)->name);
        return JOBS_RETRY;
    }
    if (n < WANTED_MAX)
        return JOBS_DONE;
    call->wake_us = call->now_us; /* there are more */
    return JOBS_SLEEP;
}

static const struct jobs_step steps[] = {{.name = "issue", .run = statements_step}};

void invoice_statements_add(struct control *c, struct jobs_kind *kind)
{
    *kind = (struct jobs_kind){
        .name = "statements", .steps = steps, .steps_n = 1, .every_us = EVERY_US, .arg = c};
    jobs_kind_add(c->jobs, kind);
}

/* ---- the buyer ---- */

enum err invoice_details_get(struct store_conn *conn, struct arena *a, struct id team,
                             struct invoice_details *ret_details)
{
    struct store_query *q = NULL;
    struct invoice_details d = {STR(""), STR(""), STR(""), STR("")};
    enum err e = store_start(conn, SQL_DETAILS_GET, &q, "b", id_bytes(&team));
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        d.name = arena_dup(a, store_str(q, 0));
        d.address = arena_dup(a, store_str(q, 1));
        d.tax_id = arena_dup(a, store_str(q, 2));
        d.email = arena_dup(a, store_str(q, 3));
    }
    store_finish(&q);
    *ret_details = d;
    return e == ERR_END ? OK : e;
}

enum err invoice_details_set_in(struct store_conn *conn, struct id team,
                                const struct invoice_details *d)
{
    return store_run(conn, SQL_DETAILS_SET, NULL, "btttt", id_bytes(&team), d->name, d->address,
                     d->tax_id, d->email);
}

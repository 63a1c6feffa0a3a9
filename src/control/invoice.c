/* Receipts, credit notes, and whom they are for. */
#include "control/invoice.h"

#include "control/document.h"

#define ARENA_MAX (1024u * 1024)

/* ---- what was bought ---- */

/* One line, and what it came to. */
static void bill(struct control *c, struct arena *a, const struct invoice_payment *p,
                 const struct document_pair facts[3], struct str what, const char *last,
                 struct nano total, struct nano tax, struct buf *b)
{
    static const char *const columns[] = {"Description", "Amount"};
    struct str net = document_money(a, p->currency, p->digits, nano_minus(total, tax));
    const struct document_pair totals[] = {
        {"Subtotal", net},
        {c->seller.tax_name, document_money(a, p->currency, p->digits, tax)},
        {last, document_money(a, p->currency, p->digits, total)}};
    document_facts(b, facts, 3);
    document_section(b, "", columns, 2);
    document_row(b, (struct str[]){what, net}, 2);
    document_section_end(b);
    document_end(b, totals, 3);
}

/* Empty: there is none. */
static enum err receipt_number(struct store_conn *conn, struct arena *a, struct str payment,
                               struct str *ret_number)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_INVOICE_RECEIPT, &q, "t", payment);
    if (e == OK)
        e = store_step(q);
    *ret_number = e == OK ? arena_dup(a, store_str(q, 1)) : STR("");
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

/* ---- receipts ---- */

static enum err receipt_in(struct control *c, struct store_conn *conn, struct arena *a,
                           const struct invoice_payment *p, struct buf *b)
{
    const struct document_about about = {.kind = "receipt",
                                         .team = p->team,
                                         .payment = p->id,
                                         .currency = p->currency,
                                         .now_us = p->at_us,
                                         .total = p->paid,
                                         .tax = p->tax};
    const struct document_pair facts[] = {{"Issued", document_date(a, p->at_us)},
                                          {"Paid", document_date(a, p->at_us)},
                                          {"Payment", p->id}};
    bool same = p->credit.v == nano_minus(p->paid, p->tax).v;
    struct str what = arena_printf(a, "%.*s (%.*s%s)", STR_ARG(p->what),
                                   STR_ARG(document_usd(a, p->credit)), same ? "" : " of credit");
    enum err e = document_begin(c, conn, a, p->team, "Receipt", b);
    bill(c, a, p, facts, what, "Total paid", p->paid, p->tax, b);
    return e == OK ? document_keep_in(c, conn, a, &about, b) : e;
}

enum err invoice_receipt_in(struct control *c, struct store_conn *conn,
                            const struct invoice_payment *p)
{
    struct arena a;
    struct buf b;
    struct str number;
    arena_init(&a, 4096, ARENA_MAX);
    buf_init(&b, DOCUMENT_MAX);
    enum err e = receipt_number(conn, &a, p->id, &number);
    if (e == OK && number.n == 0)
        e = receipt_in(c, conn, &a, p, &b);
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
    enum err e = receipt_number(conn, a, payment, &n->receipt);
    if (e == OK)
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

static enum err note_in(struct control *c, struct store_conn *conn, struct arena *a,
                        const struct invoice_payment *p, struct str receipt,
                        const struct document_about *about)
{
    struct buf b;
    bool back = about->total.v > 0;
    const struct document_pair facts[] = {
        {"Issued", document_date(a, about->now_us)}, {"Receipt", receipt}, {"Payment", p->id}};
    struct str what = arena_printf(a, "%s: %.*s", back ? "Refund that did not arrive" : "Refund",
                                   STR_ARG(p->what));
    buf_init(&b, DOCUMENT_MAX);
    enum err e = document_begin(c, conn, a, p->team, "Credit note", &b);
    bill(c, a, p, facts, what, back ? "Taken back" : "Total refunded", NANO(-about->total.v),
         NANO(-about->tax.v), &b);
    if (e == OK)
        e = document_keep_in(c, conn, a, about, &b);
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
    struct note n = {.receipt = STR("")};
    arena_init(&a, 4096, ARENA_MAX);
    enum err e = note_read(conn, &a, p->id, &n);
    struct nano tax = p->paid.v > 0 ? nano_share(p->tax, returned.v, p->paid.v) : NANO(0);
    tax.v -= tax.v % unit_of(p->digits);
    const struct document_about about = {.kind = "credit_note",
                                         .team = p->team,
                                         .payment = p->id,
                                         .currency = p->currency,
                                         .now_us = now_us,
                                         .total = NANO(-returned.v - n.total.v),
                                         .tax = NANO(-tax.v - n.tax.v)};
    if (e == OK && n.receipt.n != 0 && about.total.v != 0)
        e = note_in(c, conn, &a, p, n.receipt, &about);
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

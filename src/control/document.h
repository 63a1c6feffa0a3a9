/* What receipts, credit notes and statements have in common: the document that paper_draw takes,
 * written from top to bottom; how it says figures; its number and its row.
 *
 * Owns: tables invoice (adding to it), invoice_series.
 * Needs: invoice.h (the buyer), identity (the team's name), store.
 * Threads: document_keep_in inside a store_write closure; the rest on any worker.
 * Memory: texts in the arena given, which says when they do not fit; the document in the buffer.
 * Units: nano of the currency, µs.
 * Errors: LIMIT: too long; those of the store.
 * Always: begin, then facts, then sections with their rows, then end; a number is given only
 * together with its row, so that there are no gaps. */
#ifndef CONTROL_DOCUMENT_H
#define CONTROL_DOCUMENT_H

#include "control/control.h"

#define DOCUMENT_MAX (2u * 1024 * 1024)

/* ---- figures ---- */
struct str document_date(struct arena *a, int64_t us); /* "1 October 2026" */
struct str document_month(struct arena *a, int64_t us); /* "October 2026" */
struct str document_count(struct arena *a, int64_t n); /* "1,234" */
/* "-$1,234.50", "EUR 2.00": at least so many digits behind the point, and all that there are. */
struct str document_money(struct arena *a, struct str currency, int digits, struct nano n);
struct str document_usd(struct arena *a, struct nano n);

/* ---- the document ---- */
struct document_pair {
    const char *label;
    struct str value;
};
/* Who sells and who buys, as they are called now. */
MUST enum err document_begin(struct control *c, struct store_conn *conn, struct arena *a,
                             struct id team, const char *title, struct buf *b);
/* Under the title; the sections follow. */
void document_facts(struct buf *b, const struct document_pair *list, size_t n);
void document_section(struct buf *b, const char *heading, const char *const *columns, size_t n);
void document_row(struct buf *b, const struct str *cells, size_t n);
void document_section_end(struct buf *b);
/* The last total is the strong one. */
void document_end(struct buf *b, const struct document_pair *totals, size_t n);

/* ---- kept ---- */
struct document_about {
    const char *kind; /* receipt, credit_note (they have a series of their own), statement */
    struct id team;
    struct str payment, currency;
    int64_t start_us, end_us, now_us; /* a statement's month; else 0 */
    struct nano total, tax;
};
/* Under the next number of the year's series. */
MUST enum err document_keep_in(struct control *c, struct store_conn *conn, struct arena *a,
                               const struct document_about *about, const struct buf *b);

#endif

/* Receipts for payments, credit notes for refunds, monthly statements: issued once, numbered
 * without gaps, never changed.
 *
 * Owns: tables invoice, invoice_series, billing_details; the job kind "statements".
 * Needs: ledger (moves), gateway (usage), identity (names), store.
 * Threads: functions ending in _in inside a store_write closure; the rest on workers.
 * Memory: texts in the arena given.
 * Units: nano of the currency, µs.
 * Errors: NOT_FOUND; CONFLICT: there is one already; LIMIT: too long; those of the store.
 * Always: what a document says is kept with its number, and the buyer's details as they were. */
#ifndef CONTROL_INVOICE_H
#define CONTROL_INVOICE_H

#include "control/control.h"

struct invoice_payment {
    struct str id; /* pay_… */
    struct id team;
    struct str what; /* "Prepaid credit" */
    struct str currency; /* "usd" */
    int digits; /* behind the point of this currency */
    struct nano paid, tax, credit; /* paid with the tax; credit: what it gave */
    int64_t at_us;
};
/* Again for the same payment: nothing. */
MUST enum err invoice_receipt_in(struct control *c, struct store_conn *conn,
                                 const struct invoice_payment *payment);

/* A credit note over what was sent back of the payment since the last one; `returned` is all of it,
 * with the tax. When that is less than before (a refund did not arrive) the note takes it back. */
MUST enum err invoice_returned_in(struct control *c, struct store_conn *conn,
                                  const struct invoice_payment *payment, struct nano returned,
                                  int64_t now_us);
/* Members "receipt_id" and "credit_note_ids" of a payment. */
MUST enum err invoice_papers_json(struct store_conn *conn, struct str payment, struct buf *b);

struct invoice_details {
    struct str name, address, tax_id, email; /* address: lines */
};
/* Empty where nothing was given. */
MUST enum err invoice_details_get(struct store_conn *conn, struct arena *a, struct id team,
                                  struct invoice_details *ret_details);
MUST enum err invoice_details_set_in(struct store_conn *conn, struct id team,
                                     const struct invoice_details *details);
/* Adds the kind to c->jobs: statements of the month before, for whom it had something. */
void invoice_statements_add(struct control *c, struct jobs_kind *kind);

#endif

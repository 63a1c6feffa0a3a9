/* Credit that buys itself: when the balance falls below a threshold, the card of an earlier payment
 * is charged.
 *
 * Owns: table auto_topup; job kinds "auto_topup_look", "auto_topup".
 * Needs: payments, ledger, tell (mail).
 * Threads: auto_topup_add by the one who opens the house; the jobs on theirs.
 * Memory: none kept.
 * Units: nano-dollars, µs.
 * Errors: none; what fails is in the row, and owners hear of it.
 * Always: one payment of a team at a time, under one idempotency key however often it is tried; in
 * a month never more than its cap; after three failures, or when the bank wants the customer, it
 * stops until somebody turns it on again. */
#ifndef CONTROL_AUTO_TOPUP_H
#define CONTROL_AUTO_TOPUP_H

#include "control/control.h"

/* Adds the kinds to c->jobs. */
void auto_topup_add(struct control *c, struct jobs_kind *look, struct jobs_kind *charge);

#endif

/* Changing a subscription, for its team and for operators.
 *
 * Owns: nothing.  Needs: payments, write.  Threads: worker threads; they block.
 * Memory: texts in the reply's arena.  Units: none.
 * Errors: those of control_write_run and of payments/subscriptions.h, with words in the reply.
 * Always: a change is in the audit log, with its turn, before Stripe is asked for it. */
#ifndef CONTROL_SUBSCRIPTION_H
#define CONTROL_SUBSCRIPTION_H

#include "control/who.h"

/* The same Idempotency-Key has the same turn. */
MUST enum err control_subscription_turn(struct control *c, const struct control_who *who,
                                        const struct http_request *r, struct http_reply *reply,
                                        const struct subscription *x, const char *action,
                                        int64_t *ret_turn);
/* Answers with what it is afterwards; e: what came of the change. */
MUST enum err control_subscription_after(struct control *c, struct http_reply *reply,
                                         const char *id, enum err e);

#endif

/* What the model has that its tables have not yet.
 *
 * Owns: the marks and lists of that.  Needs: model.
 * Threads: the model's.  Memory: ended holds are recycled once they are written.
 * Errors: none.
 * Always: what waits is written by the next projection that is committed, and by no other. */
#ifndef LEDGER_WAITING_H
#define LEDGER_WAITING_H

#include "ledger/model.h"

/* Begins a projection of all that waits. Records may be applied before it ends, once the figures of
 * accounts, lots and open holds have been taken, and the moves; ended holds do not change. */
const struct model_cut *model_cut(struct model *m);
/* It is written. */
void model_projected(struct model *m);
/* It is not: all of it waits again. */
void model_cut_undone(struct model *m);

/* ---- as records change it ---- */
void model_touch_account(struct model *m, struct ledger_account *a);
void model_touch_lot(struct model *m, struct lot *lot);
void model_touch_hold(struct model *m, struct hold *h);
void model_untouch_hold(struct model *m, struct hold *h);
void model_wait_ended(struct model *m, struct hold *h);
/* The reason is copied unless the move has one. */
void model_move_add(struct model *m, const struct move *move, struct str reason);
void model_moves_drop(struct model *m, size_t n);

#endif

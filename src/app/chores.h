/* What the house does by itself, as recurring jobs.
 *
 * Owns: the job kinds "expiries" and "retention".  Needs: an opened house.
 * Threads: the one who opens the house. */
#ifndef APP_CHORES_H
#define APP_CHORES_H

#include "app/house.h"

/* Adds the kinds to house->jobs. */
void chores_add(struct house *h);

#endif

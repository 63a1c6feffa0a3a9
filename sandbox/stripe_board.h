/* The page on which a person does what Stripe's dashboard is for.
 *
 * Owns: nothing.  Needs: stripe_room.h.  Threads: worker threads.
 * Memory, Units, Errors, Always: as stripe.h says. */
#ifndef SANDBOX_STRIPE_BOARD_H
#define SANDBOX_STRIPE_BOARD_H

#include "http/http.h"

enum err stripe_board(void *arg, const struct http_request *r, struct http_reply *reply);
enum err stripe_board_post(void *arg, const struct http_request *r, struct http_reply *reply);

#endif

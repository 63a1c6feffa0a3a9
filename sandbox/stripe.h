/* Stripe, as far as the house uses it: objects, a page to pay on, signed events, a clock to move.
 *
 * Owns: its objects; a thread that delivers events.
 * Needs: http, outbound, codec.
 * Threads: handlers on worker threads, all under one lock; deliveries on their own thread.
 * Memory: objects live as long as the process.
 * Units: minor units, seconds.
 * Errors: in Stripe's shape.
 * Always: the same Idempotency-Key and parameters give the same answer, 500s too; what is delivered
 * twice, late or in another order depends on the seed alone. */
#ifndef SANDBOX_STRIPE_H
#define SANDBOX_STRIPE_H

#include "http/http.h"

struct stripe;
struct sandbox_stripe_options {
    uint64_t seed;
    struct str webhook; /* where events go; empty: nowhere yet */
    struct str secret; /* whsec_… */
};
struct stripe *sandbox_stripe_new(const struct sandbox_stripe_options *options);
/* No event is on its way any more; up to 10 s, for one that is. */
void sandbox_stripe_stop(struct stripe *s);
/* Puts the routes behind routes[0, n), at most max; says how many there are then. */
size_t sandbox_stripe_routes(struct stripe *s, struct http_route *routes, size_t n, size_t max);

#endif

/* Keys of the provider's that customers get for their own use (POST /api/openrouter-provision).
 *
 * Owns: table byok_key, job kind "byok_check".
 * Needs: upstream_keys (the provider, the kind that ends keys), jobs, store.
 * Threads: byok_add by the one who opens the house; _in inside a store_write closure.
 * Memory: none kept.  Units: nano, µs.  Errors: of the store.
 * Always: a key's value is in one answer and nowhere else; what all keys of a user together may
 * spend is what the operator gives each user, and ends with his account or its suspension. */
#ifndef CONTROL_BYOK_H
#define CONTROL_BYOK_H

#include "control/control.h"

void byok_add(struct control *c, struct jobs_kind *kind, int64_t every_us);
/* The user has gone. */
MUST enum err byok_end_in(struct control *c, struct store_conn *conn, struct id user,
                          int64_t now_us);

#endif

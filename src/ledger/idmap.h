/* A table from ids to pointers, open addressing, for one thread.
 *
 * Owns: its slots, not what they point to.  Needs: base.  Threads: one at a time.
 * Memory: grows by doubling at half full; keeps its size when things go.  Errors: none.
 * Always: a value is never NULL. */
#ifndef LEDGER_IDMAP_H
#define LEDGER_IDMAP_H

#include "base/id.h"

/* Ids of one millisecond differ in their last bytes alone: these must reach the low bits. */
static inline size_t idmap_hash(struct id id)
{
    uint64_t hi, lo;
    memcpy(&hi, id.b, sizeof(hi));
    memcpy(&lo, id.b + sizeof(hi), sizeof(lo));
    uint64_t h = lo ^ (hi * 0x9E3779B97F4A7C15u);
    h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93u;
    h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93u;
    return (size_t)(h ^ (h >> 32));
}

struct idmap_slot {
    struct id id;
    void *value;
};
struct idmap {
    struct idmap_slot *slots;
    size_t cap, n;
};

void idmap_fini(struct idmap *m);
void *idmap_find(const struct idmap *m, struct id id);
/* The id must not be there. */
void idmap_add(struct idmap *m, struct id id, void *value);
/* The id must be there. */
void idmap_remove(struct idmap *m, struct id id);
void idmap_clear(struct idmap *m);
/* Walks: start with *at = 0; NULL at the end. The map must not change meanwhile. */
void *idmap_next(const struct idmap *m, size_t *at);

#endif

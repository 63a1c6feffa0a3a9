/* Linear probing; a removal shifts the followers back, so there are no tombstones. */
#include "ledger/idmap.h"
#include "base/err.h"
#include "base/mem.h"

#define FIRST_CAP 64

void idmap_fini(struct idmap *m)
{
    mem_free(m->slots);
    *m = (struct idmap){0};
}

static size_t slot_of(const struct idmap *m, struct id id)
{
    size_t i = idmap_hash(id) & (m->cap - 1);
    while (m->slots[i].value != NULL && !id_eq(m->slots[i].id, id))
        i = (i + 1) & (m->cap - 1);
    return i;
}

void *idmap_find(const struct idmap *m, struct id id)
{
    return m->n == 0 ? NULL : m->slots[slot_of(m, id)].value;
}

static void grow(struct idmap *m)
{
    struct idmap old = *m;
    m->cap = old.cap != 0 ? old.cap * 2 : FIRST_CAP;
    m->slots = mem_array(m->cap, sizeof(*m->slots));
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].value != NULL)
            m->slots[slot_of(m, old.slots[i].id)] = old.slots[i];
    mem_free(old.slots);
}

void idmap_add(struct idmap *m, struct id id, void *value)
{
    must(value != NULL);
    if (m->n * 2 >= m->cap)
        grow(m);
    size_t i = slot_of(m, id);
    must(m->slots[i].value == NULL);
    m->slots[i] = (struct idmap_slot){id, value};
    m->n++;
}

void idmap_remove(struct idmap *m, struct id id)
{
    must(m->n != 0);
    size_t hole = slot_of(m, id), mask = m->cap - 1;
    must(m->slots[hole].value != NULL);
    m->slots[hole].value = NULL;
    m->n--;
    for (size_t i = (hole + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
        size_t home = idmap_hash(m->slots[i].id) & mask;
        /* It may move into the hole when its home is not between the hole and itself. */
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        m->slots[hole] = m->slots[i];
        m->slots[i].value = NULL;
        hole = i;
    }
}

void idmap_clear(struct idmap *m)
{
    if (m->n != 0)
        memset(m->slots, 0, m->cap * sizeof(*m->slots));
    m->n = 0;
}

void *idmap_next(const struct idmap *m, size_t *at)
{
    while (*at < m->cap)
        if (m->slots[(*at)++].value != NULL)
            return m->slots[*at - 1].value;
    return NULL;
}

/* The table of accounts: one thread adds, any thread finds, without a lock. */
#include "base/mem.h"
#include "ledger/model.h"

#define FIRST_CAP 64

/* Grows by copying; the smaller one stays until the end, for a reader who still looks at it. */
struct accounts {
    struct accounts *older;
    size_t cap, n;
    _Atomic(struct ledger_account *) slots[];
};

static const char *const house_names[HOUSE__COUNT] = {
    [HOUSE_REVENUE] = "revenue",
    [HOUSE_PROMO_EXPENSE] = "promo_expense",
    [HOUSE_BREAKAGE] = "breakage",
    [HOUSE_RECEIVABLE] = "receivable",
    [HOUSE_TAX] = "tax",
    [HOUSE_ROUNDING] = "rounding",
    [HOUSE_STRIPE_CLEARING] = "stripe_clearing",
    [HOUSE_WRITE_OFF] = "write_off",
};

static struct accounts *table_new(size_t cap, struct accounts *older)
{
    struct accounts *t = mem_zalloc(sizeof(*t) + cap * sizeof(t->slots[0]));
    t->cap = cap;
    t->older = older;
    return t;
}

static size_t slot_of(const struct accounts *t, struct id id)
{
    size_t i = idmap_hash(id) & (t->cap - 1);
    for (;; i = (i + 1) & (t->cap - 1)) {
        struct ledger_account *a = atomic_load_explicit(&t->slots[i], memory_order_acquire);
        if (a == NULL || id_eq(a->id, id))
            return i;
    }
}

struct ledger_account *model_find(const struct model *m, struct id id)
{
    struct accounts *t = atomic_load_explicit(&m->accounts, memory_order_acquire);
    return atomic_load_explicit(&t->slots[slot_of(t, id)], memory_order_acquire);
}

static struct accounts *grown(struct model *m, struct accounts *old)
{
    struct accounts *t = table_new(old->cap * 2, old);
    for (size_t i = 0; i < old->cap; i++) {
        struct ledger_account *a = atomic_load_explicit(&old->slots[i], memory_order_relaxed);
        if (a != NULL)
            atomic_store_explicit(&t->slots[slot_of(t, a->id)], a, memory_order_relaxed);
    }
    t->n = old->n;
    atomic_store_explicit(&m->accounts, t, memory_order_release);
    return t;
}

struct ledger_account *model_account_add(struct model *m, struct id id, unsigned kind)
{
    struct accounts *t = atomic_load_explicit(&m->accounts, memory_order_relaxed);
    if (t->n * 2 >= t->cap)
        t = grown(m, t);
    size_t i = slot_of(t, id);
    must(atomic_load_explicit(&t->slots[i], memory_order_relaxed) == NULL);
    struct ledger_account *a = mem_zalloc(sizeof(*a));
    a->id = id;
    a->kind = kind;
    atomic_store_explicit(&t->slots[i], a, memory_order_release);
    t->n++;
    return a;
}

struct ledger_account *model_account_next(const struct model *m, size_t *at)
{
    struct accounts *t = atomic_load_explicit(&m->accounts, memory_order_relaxed);
    while (*at < t->cap) {
        struct ledger_account *a = atomic_load_explicit(&t->slots[*at], memory_order_relaxed);
        (*at)++;
        if (a != NULL && !a->gone)
            return a;
    }
    return NULL;
}

struct id model_house_id(enum house_account which)
{
    struct id id = {{0}};
    memcpy(id.b, house_names[which], strlen(house_names[which]));
    return id;
}

bool model_house_named(struct str name, enum house_account *ret_which)
{
    for (enum house_account i = 0; i < HOUSE__COUNT; i++)
        if (str_eq(name, str_c(house_names[i]))) {
            *ret_which = i;
            return true;
        }
    return false;
}

const char *model_house_name(struct id id)
{
    for (enum house_account i = 0; i < HOUSE__COUNT; i++)
        if (id_eq(id, model_house_id(i)))
            return house_names[i];
    return NULL;
}

struct model *model_new(void)
{
    struct model *m = mem_zalloc(sizeof(*m));
    atomic_init(&m->accounts, table_new(FIRST_CAP, NULL));
    for (enum house_account i = 0; i < HOUSE__COUNT; i++) {
        m->house[i] = model_account_add(m, model_house_id(i), MODEL_KIND_HOUSE);
        atomic_store(&m->house[i]->live, true);
    }
    return m;
}

static void hold_free(struct hold *h)
{
    mem_free(h->bytes);
    mem_free(h->splits);
    mem_free(h);
}

static void holds_free(struct hold *first)
{
    while (first != NULL) {
        struct hold *next = first->next;
        hold_free(first);
        first = next;
    }
}

static void accounts_free(struct model *m)
{
    struct accounts *t = atomic_load(&m->accounts);
    for (size_t i = 0; i < t->cap; i++) {
        struct ledger_account *a = atomic_load_explicit(&t->slots[i], memory_order_relaxed);
        if (a != NULL)
            mem_free(a->lots);
        mem_free(a);
    }
    while (t != NULL) {
        struct accounts *older = t->older;
        mem_free(t);
        t = older;
    }
}

void model_free(struct model **model)
{
    struct model *m = *model;
    *model = NULL;
    if (m == NULL)
        return;
    model_undo_to(m, m->undo_n, 0);
    size_t at = 0;
    for (struct hold *h = idmap_next(&m->open, &at); h != NULL; h = idmap_next(&m->open, &at))
        hold_free(h);
    at = 0;
    for (struct lot *lot = idmap_next(&m->lots, &at); lot != NULL;
         lot = idmap_next(&m->lots, &at)) {
        mem_free(lot->reason);
        mem_free(lot);
    }
    holds_free(m->cut.ended);
    mem_free(m->cut.accounts.p);
    mem_free(m->cut.lots.p);
    mem_free(m->cut.holds.p);
    holds_free(m->ended);
    holds_free(m->spare);
    idmap_fini(&m->open);
    idmap_fini(&m->lots);
    accounts_free(m);
    mem_free(m->undo);
    mem_free(m->moves);
    mem_free(m);
}

void model_publish(struct model *m)
{
    size_t at = 0;
    for (struct ledger_account *a = model_account_next(m, &at); a != NULL;
         a = model_account_next(m, &at)) {
        int64_t limit = a->kind == LEDGER_CAP ? a->limit : 0;
        atomic_store(&a->available, limit + a->posted - a->held);
        atomic_store(&a->balance, limit + a->posted);
        atomic_store(&a->overdraft, a->kind == LEDGER_WALLET ? a->limit : 0);
        atomic_store(&a->cap_limit, limit);
        atomic_store(&a->off, a->is_off != 0);
        atomic_store(&a->live, true);
    }
}

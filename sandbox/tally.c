/* The sandbox's own count of what it served. */
#include "sandbox/tally.h"

#include "base/mem.h"
#include "sandbox/sandbox.h"
#include "sandbox/text.h"

void sandbox_tally_init(struct sandbox_tally *t)
{
    must(pthread_mutex_init(&t->lock, NULL) == 0);
    t->names = mem_array(SANDBOX_NAMES + 1, sizeof(struct sandbox_name));
    t->names[SANDBOX_NAMES].n = SANDBOX_NAMES + 1;
    memcpy(t->names[SANDBOX_NAMES].text, "(others)", 9);
}

static struct sandbox_entry *entry_at(struct sandbox_tally *t, uint64_t number)
{
    return &t->chunks[number / SANDBOX_CHUNK % SANDBOX_CHUNKS_MAX][number % SANDBOX_CHUNK];
}

/* The place of a text; when the table is nearly full, whatever is new is "(others)". */
static struct sandbox_name *name_of(struct sandbox_tally *t, struct str text, struct str shown)
{
    uint64_t hash = str_hash(text);
    for (size_t i = hash, tries = 0; tries < 64; i++, tries++) {
        struct sandbox_name *name = &t->names[i & (SANDBOX_NAMES - 1)];
        if (name->n != 0 && name->hash == hash)
            return name;
        if (name->n != 0)
            continue;
        name->hash = hash;
        name->n = (uint16_t)((i & (SANDBOX_NAMES - 1)) + 1);
        shown = str_upto(shown, SANDBOX_NAME_MAX - 1);
        memcpy(name->text, shown.p, shown.n);
        return name;
    }
    return &t->names[SANDBOX_NAMES];
}

static void chunk_make(struct sandbox *s, struct sandbox_tally *t)
{
    size_t slot = t->count / SANDBOX_CHUNK % SANDBOX_CHUNKS_MAX;
    uint64_t kept = t->count - t->kept_from;
    bool full = kept >= s->tally_max ||
                kept + SANDBOX_CHUNK > (uint64_t)SANDBOX_CHUNK * SANDBOX_CHUNKS_MAX;
    bool cleared = t->listed_from >= t->kept_from + SANDBOX_CHUNK && kept > SANDBOX_GENERATIONS;
    if (full || cleared) {
        size_t oldest = t->kept_from / SANDBOX_CHUNK % SANDBOX_CHUNKS_MAX;
        struct sandbox_entry *chunk = t->chunks[oldest];
        t->chunks[oldest] = NULL;
        t->chunks[slot] = chunk;
        t->kept_from += SANDBOX_CHUNK;
        return;
    }
    t->chunks[slot] = mem_array(SANDBOX_CHUNK, sizeof(struct sandbox_entry));
}

static void totals_add(struct sandbox_totals *totals, const struct sandbox_entry *e, int sign)
{
    if (e->status != 200) {
        totals->refused += (uint64_t)(int64_t)sign;
        return;
    }
    totals->requests += (uint64_t)(int64_t)sign;
    if ((e->flags & SANDBOX_FINISHED) == 0)
        totals->unfinished += (uint64_t)(int64_t)sign;
    totals->prompt += sign * (int64_t)e->prompt;
    totals->completion += sign * (int64_t)e->completion;
    totals->cost_pico += sign * e->cost_pico;
}

uint64_t sandbox_tally_add(struct sandbox_lane *lane, struct sandbox_entry *entry, struct str model,
                           struct str key)
{
    struct sandbox_tally *t = &lane->tally;
    char masked[SANDBOX_MASK_MAX];
    must(pthread_mutex_lock(&t->lock) == 0);
    uint64_t number = t->count;
    if (number % SANDBOX_CHUNK == 0)
        chunk_make(lane->sandbox, t);
    t->count++;
    entry->order = atomic_fetch_add(&lane->sandbox->order, 1) + 1;
    entry->model = name_of(t, model, model)->n;
    struct sandbox_name *k = name_of(t, key, sandbox_mask(key, masked));
    entry->key = k->n;
    k->cost_pico += entry->cost_pico;
    *entry_at(t, number) = *entry;
    totals_add(&t->totals, entry, 1);
    must(pthread_mutex_unlock(&t->lock) == 0);
    return number;
}

void sandbox_tally_mend(struct sandbox_lane *lane, uint64_t number, uint32_t completion,
                        int64_t cost_pico, uint8_t flags, uint32_t took_us)
{
    struct sandbox_tally *t = &lane->tally;
    must(pthread_mutex_lock(&t->lock) == 0);
    if (number >= t->kept_from) {
        struct sandbox_entry *e = entry_at(t, number);
        bool listed = number >= t->listed_from;
        if (listed)
            totals_add(&t->totals, e, -1);
        t->names[e->key - 1].cost_pico += cost_pico - e->cost_pico;
        e->completion = completion;
        e->cost_pico = cost_pico;
        e->flags |= flags;
        e->took_us = took_us;
        if (listed)
            totals_add(&t->totals, e, 1);
    }
    must(pthread_mutex_unlock(&t->lock) == 0);
}

void sandbox_tally_abandoned(struct sandbox_lane *lane)
{
    must(pthread_mutex_lock(&lane->tally.lock) == 0);
    lane->tally.totals.abandoned++;
    must(pthread_mutex_unlock(&lane->tally.lock) == 0);
}

static size_t put_hex(char *p, uint64_t v, size_t digits)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = digits; i-- > 0; v >>= 4)
        p[i] = hex[v & 15];
    return digits;
}

struct str sandbox_id_text(const struct sandbox_entry *entry, unsigned lane, uint64_t number,
                           char text[SANDBOX_ID_MAX])
{
    struct str prefix = STR("gen-");
    if ((entry->flags & SANDBOX_AS_CHATCMPL) != 0)
        prefix = STR("chatcmpl-");
    else if ((entry->flags & SANDBOX_AS_CMPL) != 0)
        prefix = STR("cmpl-");
    size_t n = prefix.n;
    memcpy(text, prefix.p, n);
    uint64_t seconds = (uint64_t)entry->created_us / 1000000;
    for (size_t i = 10; i-- > 0; seconds /= 10)
        text[n + i] = (char)('0' + seconds % 10);
    n += 10;
    text[n++] = '-';
    n += put_hex(text + n, lane, 2);
    n += put_hex(text + n, number, 12);
    return str_of(text, n);
}

static bool hex_read(struct str s, uint64_t *ret_v)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *ret_v = v;
    return true;
}

static void show(struct sandbox_lane *lane, uint64_t number, struct sandbox_shown *ret_shown)
{
    struct sandbox_tally *t = &lane->tally;
    ret_shown->entry = *entry_at(t, number);
    ret_shown->lane = lane->index;
    ret_shown->number = number;
    memcpy(ret_shown->model, t->names[ret_shown->entry.model - 1].text, SANDBOX_NAME_MAX);
    memcpy(ret_shown->key, t->names[ret_shown->entry.key - 1].text, SANDBOX_NAME_MAX);
}

bool sandbox_tally_find(struct sandbox *s, struct str id, struct sandbox_shown *ret_shown)
{
    uint64_t lane, number, created;
    if (id.n < 26 || id.p[id.n - 15] != '-' || !hex_read(str_of(id.p + id.n - 14, 2), &lane) ||
        !hex_read(str_of(id.p + id.n - 12, 12), &number) ||
        !str_to_u64(str_of(id.p + id.n - 25, 10), UINT64_MAX, &created) || lane >= s->lanes_n)
        return false;
    struct sandbox_tally *t = &s->lanes[lane].tally;
    bool found = false;
    must(pthread_mutex_lock(&t->lock) == 0);
    if (number < t->count && number >= t->kept_from) {
        show(&s->lanes[lane], number, ret_shown);
        found = ret_shown->entry.created_us / 1000000 == (int64_t)created &&
                ret_shown->entry.status == 200;
    }
    must(pthread_mutex_unlock(&t->lock) == 0);
    return found;
}

static void lock_all(struct sandbox *s)
{
    for (unsigned i = 0; i < s->lanes_n; i++)
        must(pthread_mutex_lock(&s->lanes[i].tally.lock) == 0);
}

static void unlock_all(struct sandbox *s)
{
    for (unsigned i = s->lanes_n; i-- > 0;)
        must(pthread_mutex_unlock(&s->lanes[i].tally.lock) == 0);
}

static uint64_t listed_from(const struct sandbox_tally *t)
{
    return t->listed_from > t->kept_from ? t->listed_from : t->kept_from;
}

/* The first number in this lane whose order is above `since`. */
static uint64_t first_above(struct sandbox_tally *t, uint64_t since)
{
    uint64_t low = listed_from(t), high = t->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (entry_at(t, middle)->order > since)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

size_t sandbox_tally_page(struct sandbox *s, uint64_t since, uint64_t until,
                          struct sandbox_shown *shown, size_t max)
{
    uint64_t at[SANDBOX_LANES_MAX];
    size_t n = 0;
    lock_all(s);
    for (unsigned i = 0; i < s->lanes_n; i++)
        at[i] = first_above(&s->lanes[i].tally, since);
    while (n < max) {
        struct sandbox_lane *next = NULL;
        uint64_t best = until + 1;
        for (unsigned i = 0; i < s->lanes_n; i++) {
            struct sandbox_tally *t = &s->lanes[i].tally;
            if (at[i] < t->count && entry_at(t, at[i])->order < best) {
                best = entry_at(t, at[i])->order;
                next = &s->lanes[i];
            }
        }
        if (next == NULL)
            break;
        show(next, at[next->index]++, &shown[n++]);
    }
    unlock_all(s);
    return n;
}

struct sandbox_totals sandbox_tally_totals(struct sandbox *s, uint64_t *ret_until,
                                           uint64_t *ret_dropped)
{
    struct sandbox_totals sum = {0};
    uint64_t dropped = 0;
    lock_all(s);
    for (unsigned i = 0; i < s->lanes_n; i++) {
        const struct sandbox_tally *t = &s->lanes[i].tally;
        sum.requests += t->totals.requests;
        sum.unfinished += t->totals.unfinished;
        sum.refused += t->totals.refused;
        sum.abandoned += t->totals.abandoned;
        sum.prompt += t->totals.prompt;
        sum.completion += t->totals.completion;
        sum.cost_pico += t->totals.cost_pico;
        if (t->kept_from > t->listed_from)
            dropped += t->kept_from - t->listed_from;
    }
    *ret_until = atomic_load(&s->order);
    unlock_all(s);
    *ret_dropped = dropped;
    return sum;
}

int64_t sandbox_tally_key_cost(struct sandbox *s, struct str key)
{
    uint64_t hash = str_hash(key);
    int64_t cost = 0;
    lock_all(s);
    for (unsigned i = 0; i < s->lanes_n; i++)
        for (size_t k = hash, tries = 0; tries < 64; k++, tries++) {
            const struct sandbox_name *name = &s->lanes[i].tally.names[k & (SANDBOX_NAMES - 1)];
            if (name->n == 0)
                break;
            if (name->hash == hash)
                cost += name->cost_pico;
        }
    unlock_all(s);
    return cost;
}

void sandbox_tally_clear(struct sandbox *s)
{
    lock_all(s);
    for (unsigned i = 0; i < s->lanes_n; i++) {
        s->lanes[i].tally.listed_from = s->lanes[i].tally.count;
        s->lanes[i].tally.totals = (struct sandbox_totals){0};
    }
    unlock_all(s);
}

/* Open addressing with linear probing and backward-shift deletion; the MAC is its own hash, and
 * nobody outside can choose it, because it is keyed. */
#include "identity/table.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#define UNKNOWN_SLOTS 256
#define SLOTS_FIRST 16
#define EVICT_LOOKS 8

/* What finding touches comes first and lies in one line of the cache. */
struct identity_record {
    _Atomic uint32_t refs;
    uint32_t tick; /* the shard's when it was last found */
    uint8_t mac[CRYPTO_HASH_LEN];
    struct identity_record *next; /* in the list of used records, which holds a reference */
    bool listed;
    void *block; /* what was allocated */
    _Atomic int64_t written_us; /* last use that the store knows */
    struct identity_key key;
    char text[];
};
#define LINE 64

struct slot {
    uint64_t tag;
    struct identity_record *record; /* NULL: free */
};

struct shard {
    ALIGNED(64) pthread_mutex_t lock;
    struct slot *slots;
    size_t cap, n;
    uint32_t tick;
    uint32_t hand;
    uint64_t epoch;
    struct identity_record *used;
    uint8_t (*unknown)[CRYPTO_HASH_LEN];
};

struct identity_table {
    void *block;
    struct shard *shards;
    size_t shard_max;
};

static uint64_t tag_of(const uint8_t *mac)
{
    uint64_t tag;
    memcpy(&tag, mac, sizeof(tag));
    return tag;
}

static struct shard *shard_of(struct identity_table *t, const uint8_t *mac)
{
    return &t->shards[tag_of(mac) % IDENTITY_SHARDS];
}

static size_t home_of(const struct shard *s, uint64_t tag)
{
    return (tag / IDENTITY_SHARDS) & (s->cap - 1);
}

struct identity_table *identity_table_new(size_t keys_max)
{
    struct identity_table *t = mem_zalloc(sizeof(*t));
    size_t bytes = IDENTITY_SHARDS * sizeof(struct shard);
    t->block = mem_zalloc(bytes + 63);
    t->shards = (struct shard *)(((uintptr_t)t->block + 63) & ~(uintptr_t)63);
    t->shard_max = keys_max / IDENTITY_SHARDS > 0 ? keys_max / IDENTITY_SHARDS : 1;
    for (size_t i = 0; i < IDENTITY_SHARDS; i++)
        must(pthread_mutex_init(&t->shards[i].lock, NULL) == 0);
    return t;
}

void identity_table_free(struct identity_table **table)
{
    struct identity_table *t = *table;
    if (t == NULL)
        return;
    for (size_t i = 0; i < IDENTITY_SHARDS; i++) {
        struct shard *s = &t->shards[i];
        while (s->used != NULL) {
            struct identity_record *r = s->used;
            s->used = r->next;
            identity_record_unref(&r);
        }
        for (size_t k = 0; k < s->cap; k++)
            identity_record_unref(&s->slots[k].record);
        mem_free(s->slots);
        mem_free(s->unknown);
        pthread_mutex_destroy(&s->lock);
    }
    mem_free(t->block);
    mem_free(t);
    *table = NULL;
}

struct identity_record *identity_record_new(const uint8_t mac[CRYPTO_HASH_LEN],
                                            const struct identity_key *key)
{
    char *block = mem_zalloc(LINE + sizeof(struct identity_record) + key->models.n + key->ips.n);
    uintptr_t line = ((uintptr_t)block + LINE - 1) & ~(uintptr_t)(LINE - 1);
    struct identity_record *r = (struct identity_record *)line;
    r->block = block;
    atomic_init(&r->refs, 1);
    memcpy(r->mac, mac, CRYPTO_HASH_LEN);
    struct identity_key *k = &r->key;
    k->key = key->key;
    k->user = key->user;
    k->team = key->team;
    k->wallet = key->wallet;
    k->key_cap = key->key_cap;
    k->member_cap = key->member_cap;
    k->scopes = key->scopes;
    k->expires_us = key->expires_us;
    k->revoked_us = key->revoked_us;
    k->user_suspended = key->user_suspended;
    memcpy(k->user_hash, key->user_hash, sizeof(k->user_hash));
    int64_t used = atomic_load_explicit(&key->last_used_us, memory_order_relaxed);
    atomic_init(&k->last_used_us, used);
    atomic_init(&r->written_us, used);
    if (key->models.n != 0)
        memcpy(r->text, key->models.p, key->models.n);
    if (key->ips.n != 0)
        memcpy(r->text + key->models.n, key->ips.p, key->ips.n);
    k->models = str_of(r->text, key->models.n);
    k->ips = str_of(r->text + key->models.n, key->ips.n);
    return r;
}

void identity_record_unref(struct identity_record **record)
{
    struct identity_record *r = *record;
    *record = NULL;
    if (r == NULL || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_release) != 1)
        return;
    /* Loading (not a fence, which TSan does not see) pairs with the others' releases. */
    must(atomic_load_explicit(&r->refs, memory_order_acquire) == 0);
    mem_free(r->block);
}

struct identity_key *identity_record_key(struct identity_record *record)
{
    return &record->key;
}

void identity_key_unref(struct identity_key **key)
{
    struct identity_key *k = *key;
    *key = NULL;
    if (k == NULL)
        return;
    char *at = (char *)k - offsetof(struct identity_record, key);
    struct identity_record *r = (struct identity_record *)(void *)at;
    identity_record_unref(&r);
}

static void record_ref(struct identity_record *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}

/* ---- a shard, under its lock ---- */

static struct slot *slot_find(const struct shard *s, const uint8_t *mac)
{
    if (s->cap == 0)
        return NULL;
    uint64_t tag = tag_of(mac);
    for (size_t i = home_of(s, tag);; i = (i + 1) & (s->cap - 1)) {
        struct slot *slot = &s->slots[i];
        if (slot->record == NULL)
            return NULL;
        if (slot->tag == tag && memcmp(slot->record->mac, mac, CRYPTO_HASH_LEN) == 0)
            return slot;
    }
}

static void slot_place(struct shard *s, struct identity_record *r)
{
    uint64_t tag = tag_of(r->mac);
    size_t i = home_of(s, tag);
    while (s->slots[i].record != NULL)
        i = (i + 1) & (s->cap - 1);
    s->slots[i] = (struct slot){tag, r};
}

static void shard_grow(struct shard *s)
{
    struct slot *old = s->slots;
    size_t old_cap = s->cap;
    s->cap = old_cap != 0 ? old_cap * 2 : SLOTS_FIRST;
    s->slots = mem_array(s->cap, sizeof(*s->slots));
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].record != NULL)
            slot_place(s, old[i].record);
    mem_free(old);
}

/* Empties the slot, moving up those behind it that would no longer be found. */
static void slot_remove(struct shard *s, struct slot *slot)
{
    identity_record_unref(&slot->record);
    s->n--;
    size_t hole = (size_t)(slot - s->slots), mask = s->cap - 1;
    for (size_t i = (hole + 1) & mask; s->slots[i].record != NULL; i = (i + 1) & mask) {
        size_t home = home_of(s, s->slots[i].tag);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        s->slots[hole] = s->slots[i];
        s->slots[i].record = NULL;
        hole = i;
    }
}

static void shard_evict(struct shard *s)
{
    struct slot *oldest = NULL;
    for (size_t looked = 0; looked < EVICT_LOOKS && looked < s->n;) {
        struct slot *slot = &s->slots[s->hand++ & (s->cap - 1)];
        if (slot->record == NULL)
            continue;
        looked++;
        /* Ticks wrap; the distance to now does not mind. */
        if (oldest == NULL || s->tick - slot->record->tick > s->tick - oldest->record->tick)
            oldest = slot;
    }
    if (oldest != NULL)
        slot_remove(s, oldest);
}

static void shard_insert(struct identity_table *t, struct shard *s, struct identity_record *r)
{
    if (s->n >= t->shard_max)
        shard_evict(s);
    if ((s->n + 1) * 2 > s->cap)
        shard_grow(s);
    r->tick = s->tick;
    slot_place(s, r);
    s->n++;
}

static uint8_t *unknown_slot(struct shard *s, const uint8_t *mac)
{
    return s->unknown[(tag_of(mac) / IDENTITY_SHARDS) % UNKNOWN_SLOTS];
}

static void unknown_forget(struct shard *s, const uint8_t *mac)
{
    if (s->unknown != NULL && memcmp(unknown_slot(s, mac), mac, CRYPTO_HASH_LEN) == 0)
        memset(unknown_slot(s, mac), 0, CRYPTO_HASH_LEN);
}

static void unknown_remember(struct shard *s, const uint8_t *mac)
{
    if (s->unknown == NULL)
        s->unknown = mem_array(UNKNOWN_SLOTS, CRYPTO_HASH_LEN);
    memcpy(unknown_slot(s, mac), mac, CRYPTO_HASH_LEN);
}

static void list_used(struct shard *s, struct identity_record *r)
{
    if (r->listed)
        return;
    r->listed = true;
    r->next = s->used;
    s->used = r;
    record_ref(r);
}

/* ---- the table ---- */

enum identity_find identity_table_find(struct identity_table *t, const uint8_t mac[CRYPTO_HASH_LEN],
                                       struct identity_key **ret_key)
{
    enum identity_find found = IDENTITY_LOAD;
    struct shard *s = shard_of(t, mac);
    pthread_mutex_lock(&s->lock);
    struct slot *slot = slot_find(s, mac);
    if (slot != NULL) {
        slot->record->tick = ++s->tick;
        record_ref(slot->record);
        list_used(s, slot->record);
        *ret_key = &slot->record->key;
        found = IDENTITY_FOUND;
    } else if (s->unknown != NULL && memcmp(unknown_slot(s, mac), mac, CRYPTO_HASH_LEN) == 0) {
        found = IDENTITY_UNKNOWN;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

int64_t identity_table_last_used(struct identity_table *t, const uint8_t mac[CRYPTO_HASH_LEN])
{
    struct shard *s = shard_of(t, mac);
    pthread_mutex_lock(&s->lock);
    struct slot *slot = slot_find(s, mac);
    int64_t used = slot != NULL ? slot->record->key.last_used_us : 0;
    pthread_mutex_unlock(&s->lock);
    return used;
}

uint64_t identity_table_epoch(struct identity_table *t, const uint8_t mac[CRYPTO_HASH_LEN])
{
    struct shard *s = shard_of(t, mac);
    pthread_mutex_lock(&s->lock);
    uint64_t epoch = s->epoch;
    pthread_mutex_unlock(&s->lock);
    return epoch;
}

bool identity_table_put(struct identity_table *t, const uint8_t mac[CRYPTO_HASH_LEN],
                        struct identity_record **record, uint64_t epoch)
{
    struct shard *s = shard_of(t, mac);
    pthread_mutex_lock(&s->lock);
    bool fresh = s->epoch == epoch;
    bool there = fresh && slot_find(s, mac) != NULL;
    if (fresh && !there && *record != NULL) {
        unknown_forget(s, mac);
        shard_insert(t, s, *record);
        *record = NULL;
    } else if (fresh && !there) {
        unknown_remember(s, mac);
    }
    pthread_mutex_unlock(&s->lock);
    identity_record_unref(record);
    return fresh;
}

void identity_table_create(struct identity_table *t, struct identity_record **record)
{
    struct identity_record *r = *record;
    *record = NULL;
    struct shard *s = shard_of(t, r->mac);
    pthread_mutex_lock(&s->lock);
    s->epoch++;
    unknown_forget(s, r->mac);
    struct slot *slot = slot_find(s, r->mac);
    struct identity_record *old = NULL;
    if (slot == NULL) {
        shard_insert(t, s, r);
    } else {
        old = slot->record;
        int64_t used = atomic_load_explicit(&old->key.last_used_us, memory_order_relaxed);
        if (used > atomic_load_explicit(&r->key.last_used_us, memory_order_relaxed))
            atomic_store_explicit(&r->key.last_used_us, used, memory_order_relaxed);
        r->tick = old->tick;
        slot->record = r;
    }
    pthread_mutex_unlock(&s->lock);
    identity_record_unref(&old);
}

void identity_table_change(struct identity_table *t, const uint8_t mac[CRYPTO_HASH_LEN],
                           identity_change_f change, const void *arg)
{
    struct shard *s = shard_of(t, mac);
    pthread_mutex_lock(&s->lock);
    s->epoch++;
    struct slot *slot = slot_find(s, mac);
    struct identity_record *old = NULL;
    if (slot != NULL) {
        old = slot->record;
        struct identity_record *now = identity_record_new(mac, &old->key);
        now->tick = old->tick;
        change(&now->key, arg);
        slot->record = now;
    }
    pthread_mutex_unlock(&s->lock);
    identity_record_unref(&old);
}

size_t identity_table_take_used(struct identity_table *t, struct identity_record **records,
                                size_t n)
{
    size_t got = 0;
    for (size_t i = 0; i < IDENTITY_SHARDS && got < n; i++) {
        struct shard *s = &t->shards[i];
        pthread_mutex_lock(&s->lock);
        while (s->used != NULL && got < n) {
            struct identity_record *r = s->used;
            s->used = r->next;
            r->listed = false;
            records[got++] = r;
        }
        pthread_mutex_unlock(&s->lock);
    }
    return got;
}

void identity_table_give_used(struct identity_table *t, struct identity_record **record)
{
    struct shard *s = shard_of(t, (*record)->mac);
    pthread_mutex_lock(&s->lock);
    list_used(s, *record);
    pthread_mutex_unlock(&s->lock);
    identity_record_unref(record);
}

bool identity_record_used(struct identity_record *record, int64_t *ret_last_used_us)
{
    int64_t used = atomic_load_explicit(&record->key.last_used_us, memory_order_relaxed);
    if (used <= atomic_load_explicit(&record->written_us, memory_order_relaxed))
        return false;
    *ret_last_used_us = used;
    return true;
}

void identity_record_written(struct identity_record *record, int64_t last_used_us)
{
    atomic_store_explicit(&record->written_us, last_used_us, memory_order_relaxed);
}

size_t identity_table_count(struct identity_table *t)
{
    size_t n = 0;
    for (size_t i = 0; i < IDENTITY_SHARDS; i++) {
        struct shard *s = &t->shards[i];
        pthread_mutex_lock(&s->lock);
        n += s->n;
        pthread_mutex_unlock(&s->lock);
    }
    return n;
}

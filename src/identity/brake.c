/* Growing delays. */
#include "identity/brake.h"
#include "base/clock.h"
#include "base/mem.h"
#include "identity/room.h"

#include <arpa/inet.h>
#include <pthread.h>

#define WAYS 8
#define SETS 2048

struct entry {
    uint64_t tag; /* 0: free */
    int64_t last_us, until_us;
    uint32_t count;
};

struct identity_brake {
    pthread_mutex_t lock;
    struct entry entries[SETS][WAYS];
};

/* So many cost nothing, then the delay doubles with each up to the most; all is forgotten after a
 * while without any. */
static const struct {
    uint32_t at_first;
    int64_t first_us, most_us, forget_us;
} rules[IDENTITY_BRAKE__COUNT] = {
    [IDENTITY_BRAKE_ACCOUNT] = {5, US_PER_S, 5 * 60 * US_PER_S, US_PER_HOUR},
    [IDENTITY_BRAKE_ADDRESS] = {50, US_PER_S, 15 * 60 * US_PER_S, US_PER_HOUR},
    [IDENTITY_BRAKE_SIGN_UP] = {100, 10 * US_PER_S, US_PER_HOUR, US_PER_HOUR},
    [IDENTITY_BRAKE_MAIL] = {5, 60 * US_PER_S, 6 * US_PER_HOUR, 6 * US_PER_HOUR},
    [IDENTITY_BRAKE_DEVICE] = {20, US_PER_S, 15 * 60 * US_PER_S, US_PER_HOUR},
};

struct identity_brake *identity_brake_new(void)
{
    struct identity_brake *b = mem_zalloc(sizeof(*b));
    must(pthread_mutex_init(&b->lock, NULL) == 0);
    return b;
}

void identity_brake_free(struct identity_brake **brake)
{
    if (*brake == NULL)
        return;
    pthread_mutex_destroy(&(*brake)->lock);
    mem_free(*brake);
    *brake = NULL;
}

struct str identity_brake_net(struct str subject, char text[IDENTITY_NET_TEXT_MAX])
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    uint8_t b[16];
    if (subject.n == 0 || subject.n >= IDENTITY_NET_TEXT_MAX)
        return subject;
    memcpy(text, subject.p, subject.n);
    text[subject.n] = '\0';
    if (inet_pton(AF_INET6, text, b) != 1)
        return subject;
    if (memcmp(b, mapped, sizeof(mapped)) == 0)
        return str_c(inet_ntop(AF_INET, b + 12, text, IDENTITY_NET_TEXT_MAX));
    memset(b + 8, 0, 8);
    return str_c(inet_ntop(AF_INET6, b, text, IDENTITY_NET_TEXT_MAX));
}

/* Keyed, so that nobody can choose whose entry he pushes out. */
static uint64_t tag_of(const struct identity *identity, enum identity_brake_kind kind,
                       struct str subject)
{
    static const char *const purpose[IDENTITY_BRAKE__COUNT] = {
        "brake account", "brake address", "brake sign-up", "brake mail", "brake device"};
    uint8_t mac[CRYPTO_HASH_LEN];
    char net[IDENTITY_NET_TEXT_MAX];
    uint64_t tag;
    identity_mac(identity, purpose[kind], str_upto(identity_brake_net(subject, net), 512), mac);
    memcpy(&tag, mac, sizeof(tag));
    return tag | 1;
}

static struct entry *find(struct entry *set, uint64_t tag)
{
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].tag == tag)
            return &set[i];
    return NULL;
}

static struct entry *place(struct entry *set, uint64_t tag)
{
    struct entry *at = &set[0];
    for (size_t i = 1; i < WAYS; i++)
        if (set[i].last_us < at->last_us)
            at = &set[i];
    *at = (struct entry){.tag = tag};
    return at;
}

static int64_t delay_of(enum identity_brake_kind kind, uint32_t count)
{
    if (count <= rules[kind].at_first)
        return 0;
    uint32_t doublings = count - rules[kind].at_first - 1;
    int64_t us = doublings < 20 ? rules[kind].first_us << doublings : rules[kind].most_us;
    return us < rules[kind].most_us ? us : rules[kind].most_us;
}

/* 0 without a delay: one who read the clock a moment before the last one need not wait for him. */
static int64_t until_of(enum identity_brake_kind kind, const struct entry *e)
{
    int64_t delay = delay_of(kind, e->count);
    return delay != 0 ? e->last_us + delay : 0;
}

int64_t identity_brake_take(struct identity *identity, enum identity_brake_kind kind,
                            struct str subject, int64_t mono_us)
{
    struct identity_brake *b = identity->brake;
    uint64_t tag = tag_of(identity, kind, subject);
    struct entry *set = b->entries[tag >> 32 & (SETS - 1)];
    int64_t wait = 0;
    pthread_mutex_lock(&b->lock);
    struct entry *e = find(set, tag);
    if (e != NULL && mono_us - e->last_us > rules[kind].forget_us && mono_us >= e->until_us)
        *e = (struct entry){.tag = tag};
    if (e == NULL)
        e = place(set, tag);
    if (e->until_us > mono_us) {
        wait = e->until_us - mono_us;
    } else {
        e->count++;
        e->last_us = mono_us;
        e->until_us = until_of(kind, e);
    }
    pthread_mutex_unlock(&b->lock);
    return wait;
}

void identity_brake_good(struct identity *identity, enum identity_brake_kind kind,
                         struct str subject)
{
    struct identity_brake *b = identity->brake;
    uint64_t tag = tag_of(identity, kind, subject);
    pthread_mutex_lock(&b->lock);
    struct entry *e = find(b->entries[tag >> 32 & (SETS - 1)], tag);
    if (e != NULL && kind == IDENTITY_BRAKE_ACCOUNT)
        *e = (struct entry){.tag = 0};
    else if (e != NULL && e->count > 0) {
        e->count--;
        e->until_us = until_of(kind, e);
    }
    pthread_mutex_unlock(&b->lock);
}

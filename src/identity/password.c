/* Passwords: what is too weak, and hashing by a few at a time. */
#include "identity/account.h"
#include "base/mem.h"
#include "identity/room.h"

#include <pthread.h>
#include <stdio.h>

#define MEMORY_BYTES (INT64_C(46) << 20)
#define MEMORY_BYTES_MIN 8192
#define PASSES 1
#define AT_ONCE 2
#define WAITING_MAX 6

_Static_assert(IDENTITY_PHC_MAX == CRYPTO_PHC_MAX, "one size");

/* Each takes tens of megabytes: so many run, some wait, the rest is told to come again. */
struct identity_hasher {
    pthread_mutex_t lock;
    pthread_cond_t room;
    int64_t running, waiting, at_once;
    int64_t memory_bytes, passes;
    char dummy[IDENTITY_PHC_MAX]; /* compared with when there is nothing to compare with */
};

struct identity_hasher *identity_hasher_new(const struct identity_options *o)
{
    struct identity_hasher *h = mem_zalloc(sizeof(*h));
    must(pthread_mutex_init(&h->lock, NULL) == 0 && pthread_cond_init(&h->room, NULL) == 0);
    h->memory_bytes = o->password_memory_bytes != 0 ? o->password_memory_bytes : MEMORY_BYTES;
    if (h->memory_bytes < MEMORY_BYTES_MIN)
        h->memory_bytes = MEMORY_BYTES_MIN;
    h->passes = o->password_passes != 0 ? o->password_passes : PASSES;
    h->at_once = o->password_at_once != 0 ? o->password_at_once : AT_ONCE;
    /* The shape of a hash that no password is known to give. */
    char salt[23], hash[44];
    crypto_random_base62(salt, 22);
    crypto_random_base62(hash, 43);
    salt[21] = hash[42] = 'A'; /* the last digit's low bits must be zero */
    salt[22] = hash[43] = '\0';
    int n = snprintf(h->dummy, sizeof(h->dummy), "$argon2id$v=19$m=%lld,t=%lld,p=1$%s$%s",
                     (long long)(h->memory_bytes / 1024), (long long)h->passes, salt, hash);
    must(n > 0 && (size_t)n < sizeof(h->dummy));
    return h;
}

void identity_hasher_free(struct identity_hasher **hasher)
{
    if (*hasher == NULL)
        return;
    pthread_cond_destroy(&(*hasher)->room);
    pthread_mutex_destroy(&(*hasher)->lock);
    mem_free(*hasher);
    *hasher = NULL;
}

static enum err enter(struct identity_hasher *h)
{
    enum err e = OK;
    pthread_mutex_lock(&h->lock);
    if (h->running >= h->at_once && h->waiting >= WAITING_MAX) {
        e = ERR_OVERLOADED;
    } else {
        h->waiting++;
        while (h->running >= h->at_once)
            pthread_cond_wait(&h->room, &h->lock);
        h->waiting--;
        h->running++;
    }
    pthread_mutex_unlock(&h->lock);
    return e;
}

static void leave(struct identity_hasher *h)
{
    pthread_mutex_lock(&h->lock);
    h->running--;
    pthread_cond_signal(&h->room);
    pthread_mutex_unlock(&h->lock);
}

enum err identity_password_hash(struct identity *identity, struct str password,
                                char ret_phc[IDENTITY_PHC_MAX])
{
    struct identity_hasher *h = identity->hasher;
    enum err e = enter(h);
    if (e != OK)
        return e;
    e = crypto_password_hash(password, h->memory_bytes, h->passes, ret_phc);
    leave(h);
    return e == ERR_LIMIT ? ERR_OVERLOADED : e;
}

enum err identity_password_check(struct identity *identity, struct str phc, struct str password,
                                 bool *ret_good, bool *ret_stale)
{
    struct identity_hasher *h = identity->hasher;
    enum err e = enter(h);
    if (e != OK)
        return e;
    bool same = crypto_password_is(phc.n != 0 ? phc : str_c(h->dummy), password);
    leave(h);
    *ret_good = same && phc.n != 0;
    *ret_stale = *ret_good && crypto_password_is_stale(phc, h->memory_bytes, h->passes);
    return OK;
}

/* ---- what is too weak ---- */

/* Those of eight characters and more that head every list of leaked passwords, in lower case. */
static const char *const worst[] = {
    "password",     "password1",    "password12",    "password123",
    "password1234", "passw0rd",     "p@ssw0rd",      "p@ssword",
    "12345678",     "123456789",    "1234567890",    "0123456789",
    "0987654321",   "987654321",    "87654321",      "11111111",
    "111111111",    "00000000",     "88888888",      "66666666",
    "99999999",     "12341234",     "123123123",     "11223344",
    "1122334455",   "123454321",    "1q2w3e4r",      "1q2w3e4r5t",
    "1qaz2wsx",     "1qaz2wsx3edc", "q1w2e3r4",      "q1w2e3r4t5",
    "zaq12wsx",     "!qaz2wsx",     "qwerty12",      "qwerty123",
    "qwerty1234",   "qwerty12345",  "qwertyui",      "qwertyuiop",
    "qwertzuiop",   "azertyuiop",   "asdfghjk",      "asdfghjkl",
    "asdf1234",     "asdfasdf",     "zxcvbnm1",      "zxcvbnm123",
    "abcd1234",     "abcdefgh",     "abc12345",      "abc123456",
    "a1234567",     "a12345678",    "a123456789",    "aa123456",
    "aa12345678",   "1234qwer",     "qwer1234",      "iloveyou",
    "iloveyou1",    "iloveyou2",    "sunshine",      "sunshine1",
    "princess",     "princess1",    "football",      "football1",
    "baseball",     "baseball1",    "basketball",    "superman",
    "superman1",    "batman123",    "starwars",      "starwars1",
    "pokemon1",     "pokemon123",   "trustno1",      "whatever",
    "welcome1",     "welcome123",   "letmein1",      "letmein123",
    "michael1",     "jennifer",     "jordan23",      "michelle",
    "charlie1",     "computer",     "corvette",      "internet",
    "samantha",     "victoria",     "alexander",     "danielle",
    "benjamin",     "jonathan",     "elizabeth",     "liverpool",
    "liverpool1",   "chelsea1",     "arsenal1",      "mustang1",
    "maverick",     "mercedes",     "cheyenne",      "midnight",
    "creative",     "scorpion",     "dolphins",      "redskins",
    "cocacola",     "explorer",     "hello123",      "hello1234",
    "helloworld",   "monkey123",    "dragon123",     "master123",
    "shadow123",    "ninja123",     "freedom1",      "changeme",
    "changeme1",    "changeme123",  "secret123",     "admin123",
    "admin1234",    "adminadmin",   "administrator", "root1234",
    "toor1234",     "test1234",     "test12345",     "testtest",
    "testtest1",    "testing123",   "guest123",      "user1234",
    "login123",     "default1",     "temp1234",      "summer2024",
    "summer2025",   "summer2026",   "winter2024",    "winter2025",
    "winter2026",   "spring2025",   "autumn2025",    "company1",
    "tollgate",     "tollgate1",    "correcthorse",  "correcthorsebatterystaple",
};

static bool is_run(struct str s)
{
    bool same = true, up = true, down = true;
    for (size_t i = 1; i < s.n; i++) {
        int step = s.p[i] - s.p[i - 1];
        same &= step == 0;
        up &= step == 1;
        down &= step == -1;
    }
    return same || up || down;
}

const char *identity_password_fault(struct str password)
{
    size_t chars = 0;
    if (!str_is_utf8(password) || str_index(password, '\0') != SIZE_MAX)
        return "the password is not UTF-8";
    for (size_t i = 0; i < password.n; i++)
        chars += ((unsigned char)password.p[i] & 0xC0) != 0x80;
    if (chars < IDENTITY_PASSWORD_CHARS_MIN)
        return "the password has fewer than 8 characters";
    if (chars > IDENTITY_PASSWORD_CHARS_MAX)
        return "the password has more than 256 characters";
    for (size_t i = 0; i < sizeof(worst) / sizeof(worst[0]); i++)
        if (str_eq_nocase(password, str_c(worst[i])))
            return "this password is one of the first that are tried; choose another";
    return is_run(password) ? "this password is one of the first that are tried; choose another"
                            : NULL;
}

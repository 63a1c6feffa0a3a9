/* Codes of an authenticator app (RFC 6238 over RFC 4226), and recovery codes. */
#include "identity/totp.h"
#include "base/clock.h"
#include "base/mem.h"
#include "identity/account.h"
#include "identity/room.h"

#define STEP_US (30 * US_PER_S)
#define DIGITS 6
#define RECOVERY_CHARS 10

void identity_totp_code(const uint8_t *secret, size_t n, int64_t step, char ret_code[7])
{
    uint8_t counter[8], mac[CRYPTO_SHA1_LEN];
    for (int i = 0; i < 8; i++)
        counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
    crypto_hmac_sha1(str_of((const char *)secret, n), str_of((const char *)counter, 8), mac);
    unsigned at = mac[19] & 15u;
    uint32_t v = (uint32_t)(mac[at] & 127u) << 24 | (uint32_t)mac[at + 1] << 16 |
                 (uint32_t)mac[at + 2] << 8 | mac[at + 3];
    v %= 1000000;
    for (int i = DIGITS - 1; i >= 0; i--, v /= 10)
        ret_code[i] = (char)('0' + v % 10);
    ret_code[DIGITS] = '\0';
}

int64_t identity_totp_step(int64_t wall_us)
{
    return wall_us / STEP_US;
}

/* The step that the code is of, one around now; -1: none. All three are looked at in any case. */
static int64_t step_of(const uint8_t *secret, struct str code, int64_t wall_us)
{
    int64_t found = -1, now = identity_totp_step(wall_us);
    char text[7];
    if (code.n != DIGITS)
        return -1;
    for (int64_t step = now - 1; step <= now + 1; step++) {
        identity_totp_code(secret, IDENTITY_TOTP_SECRET, step, text);
        if (crypto_eq(text, code.p, DIGITS))
            found = step;
    }
    return found;
}

/* ---- the secret in its row ---- */

struct factor {
    uint8_t secret[IDENTITY_TOTP_SECRET];
    int64_t since_us, last_step;
    bool there;
};

static enum err read_factor(struct identity *identity, struct store_conn *conn, struct str user,
                            struct factor *f)
{
    struct store_query *q = NULL;
    struct buf plain;
    *f = (struct factor){.there = false};
    buf_init(&plain, 256);
    enum err e = store_start(conn, SQL_ACCOUNT_TOTP_GET, &q, "t", user);
    if (e == OK)
        e = store_step(q);
    if (e == OK && !store_is_null(q, 0)) {
        f->since_us = store_i64(q, 1);
        f->last_step = store_i64(q, 2);
        f->there = true;
        e = crypto_open(identity->seal, user, store_str(q, 0), &plain);
        if (e == OK && plain.n == sizeof(f->secret))
            memcpy(f->secret, plain.p, sizeof(f->secret));
        else if (e == OK)
            e = ERR_CORRUPT;
    }
    store_finish(&q);
    mem_wipe(plain.p, plain.n);
    buf_fini(&plain);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

enum err identity_totp_start_in(struct identity *identity, struct store_conn *conn, struct id user,
                                char ret_base32[IDENTITY_TOTP_BASE32_MAX])
{
    char text[ID_TEXT_MAX];
    uint8_t secret[IDENTITY_TOTP_SECRET];
    struct str u = id_text("usr_", user, text);
    struct buf sealed;
    int64_t changed = 0;
    crypto_random(secret, sizeof(secret));
    buf_init(&sealed, 256);
    crypto_seal(identity->seal, u, str_of((const char *)secret, sizeof(secret)), &sealed);
    enum err e = store_run(conn, SQL_ACCOUNT_TOTP_START, &changed, "tb", u, buf_str(&sealed));
    crypto_base32(secret, sizeof(secret), ret_base32);
    mem_wipe(secret, sizeof(secret));
    buf_fini(&sealed);
    return e == OK && changed == 0 ? ERR_CONFLICT : e;
}

/* ---- recovery codes ---- */

static void recovery_mac(const struct identity *identity, struct id user, struct str code,
                         uint8_t mac[CRYPTO_HASH_LEN])
{
    char text[16 + RECOVERY_CHARS];
    memcpy(text, user.b, sizeof(user.b));
    memcpy(text + 16, code.p, code.n);
    identity_mac(identity, "recovery", str_of(text, 16 + code.n), mac);
}

enum err identity_recovery_make_in(
    struct identity *identity, struct store_conn *conn, struct id user,
    char ret_codes[IDENTITY_RECOVERY_CODES][IDENTITY_RECOVERY_TEXT_MAX])
{
    char text[ID_TEXT_MAX];
    struct str u = id_text("usr_", user, text);
    enum err e = store_run(conn, SQL_ACCOUNT_RECOVERY_DROP, NULL, "t", u);
    for (size_t i = 0; e == OK && i < IDENTITY_RECOVERY_CODES; i++) {
        char code[RECOVERY_CHARS];
        uint8_t mac[CRYPTO_HASH_LEN];
        crypto_random_of(STR("abcdefghjkmnpqrstuvwxyz23456789"), code, sizeof(code));
        memcpy(ret_codes[i], code, 5);
        ret_codes[i][5] = '-';
        memcpy(ret_codes[i] + 6, code + 5, 5);
        ret_codes[i][11] = '\0';
        recovery_mac(identity, user, str_of(code, sizeof(code)), mac);
        e = store_run(conn, SQL_ACCOUNT_RECOVERY_ADD, NULL, "tb", u,
                      str_of((const char *)mac, sizeof(mac)));
    }
    return e;
}

/* As people write it: in capitals, with or without the dash. */
static enum err recovery_use(struct identity *identity, struct store_conn *conn, struct id user,
                             struct str written)
{
    char code[RECOVERY_CHARS], text[ID_TEXT_MAX];
    uint8_t mac[CRYPTO_HASH_LEN];
    size_t n = 0;
    int64_t changed = 0;
    for (size_t i = 0; i < written.n; i++) {
        char c = written.p[i];
        if (c == '-' || c == ' ')
            continue;
        if (n == sizeof(code))
            return ERR_DENIED;
        code[n++] = (char)(c >= 'A' && c <= 'Z' ? c | 32 : c);
    }
    if (n != sizeof(code))
        return ERR_DENIED;
    recovery_mac(identity, user, str_of(code, n), mac);
    enum err e = store_run(conn, SQL_ACCOUNT_RECOVERY_USE, &changed, "tb",
                           id_text("usr_", user, text), str_of((const char *)mac, sizeof(mac)));
    return e == OK && changed == 0 ? ERR_DENIED : e;
}

/* ---- checking ---- */

/* Each step is good once: what was seen over a shoulder is of no use any more. */
static enum err use_step(struct store_conn *conn, struct str user, int64_t step)
{
    int64_t changed = 0;
    enum err e = store_run(conn, SQL_ACCOUNT_TOTP_STEP, &changed, "ti", user, step);
    return e == OK && changed == 0 ? ERR_DENIED : e;
}

enum err identity_totp_confirm_in(
    struct identity *identity, struct store_conn *conn, struct id user, struct str code,
    int64_t wall_us, char ret_codes[IDENTITY_RECOVERY_CODES][IDENTITY_RECOVERY_TEXT_MAX])
{
    char text[ID_TEXT_MAX];
    struct str u = id_text("usr_", user, text);
    struct factor f;
    enum err e = read_factor(identity, conn, u, &f);
    if (e != OK || !f.there)
        return e != OK ? e : ERR_NOT_FOUND;
    if (f.since_us != 0)
        return ERR_CONFLICT;
    int64_t step = step_of(f.secret, code, wall_us);
    mem_wipe(&f, sizeof(f));
    if (step < 0)
        return ERR_DENIED;
    e = use_step(conn, u, step);
    if (e == OK)
        e = store_run(conn, SQL_ACCOUNT_TOTP_CONFIRM, NULL, "ti", u, wall_us);
    return e == OK ? identity_recovery_make_in(identity, conn, user, ret_codes) : e;
}

enum err identity_totp_check_in(struct identity *identity, struct store_conn *conn, struct id user,
                                struct str code, bool recovery_too, int64_t wall_us)
{
    char text[ID_TEXT_MAX];
    struct str u = id_text("usr_", user, text);
    struct factor f;
    enum err e = read_factor(identity, conn, u, &f);
    if (e != OK || !f.there || f.since_us == 0)
        return e != OK ? e : ERR_NOT_FOUND;
    int64_t step = step_of(f.secret, code, wall_us);
    mem_wipe(&f, sizeof(f));
    if (step >= 0)
        return use_step(conn, u, step);
    return recovery_too ? recovery_use(identity, conn, user, code) : ERR_DENIED;
}

enum err identity_totp_end_in(struct store_conn *conn, struct id user)
{
    char text[ID_TEXT_MAX];
    struct str u = id_text("usr_", user, text);
    enum err e = store_run(conn, SQL_ACCOUNT_TOTP_END, NULL, "t", u);
    return e == OK ? store_run(conn, SQL_ACCOUNT_RECOVERY_DROP, NULL, "t", u) : e;
}

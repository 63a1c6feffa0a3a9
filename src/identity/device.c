/* Device codes on the store. */
#include "identity/device.h"
#include "base/clock.h"
#include "identity/room.h"

#define CODE_RANDOM 43
#define USER_CHARS 8

static const char *const status_names[IDENTITY_DEVICE__COUNT] = {"pending", "approved", "denied",
                                                                 "expired", "pending"};

const char *identity_device_status_name(enum identity_device_status status)
{
    return status_names[status];
}

static void show_code(const char plain[USER_CHARS], char ret[IDENTITY_USER_CODE_MAX])
{
    memcpy(ret, plain, 4);
    ret[4] = '-';
    memcpy(ret + 5, plain + 4, 4);
    ret[9] = '\0';
}

/* Capitals alone, eight of them; false when it is something else. */
static bool plain_code(struct str written, char plain[USER_CHARS])
{
    size_t n = 0;
    for (size_t i = 0; i < written.n; i++) {
        char c = written.p[i];
        if (c == '-' || c == ' ')
            continue;
        c = (char)(c >= 'a' && c <= 'z' ? c & ~32 : c);
        if (n == USER_CHARS || c < 'A' || c > 'Z')
            return false;
        plain[n++] = c;
    }
    return n == USER_CHARS;
}

static void code_mac(const struct identity *identity, struct str code, uint8_t mac[CRYPTO_HASH_LEN])
{
    identity_mac(identity, "device", str_upto(code, 128), mac);
}

enum err identity_device_begin_in(struct identity *identity, struct store_conn *conn,
                                  struct str name, struct str address, int64_t wall_us,
                                  char ret_code[IDENTITY_DEVICE_TEXT_MAX],
                                  char ret_user_code[IDENTITY_USER_CODE_MAX])
{
    uint8_t mac[CRYPTO_HASH_LEN];
    char plain[USER_CHARS];
    crypto_random_base62(ret_code, CODE_RANDOM);
    ret_code[CODE_RANDOM] = '\0';
    crypto_random_of(STR("BCDFGHJKLMNPQRSTVWXZ"), plain, sizeof(plain));
    show_code(plain, ret_user_code);
    code_mac(identity, str_c(ret_code), mac);
    return store_run(conn, SQL_DEVICE_ADD, NULL, "btttiii", str_of((const char *)mac, sizeof(mac)),
                     str_of(plain, sizeof(plain)), name, address, wall_us,
                     wall_us + IDENTITY_DEVICE_GOOD_US, IDENTITY_DEVICE_INTERVAL_US);
}

enum err identity_device_get(struct store_conn *conn, struct arena *a, struct str user_code,
                             int64_t wall_us, struct identity_device *ret)
{
    char plain[USER_CHARS];
    struct store_query *q = NULL;
    if (!plain_code(user_code, plain))
        return ERR_NOT_FOUND;
    enum err e = store_start(conn, SQL_DEVICE_BY_CODE, &q, "t", str_of(plain, sizeof(plain)));
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        *ret = (struct identity_device){.name = arena_dup(a, store_str(q, 1)),
                                        .address = arena_dup(a, store_str(q, 2)),
                                        .created_us = store_i64(q, 3),
                                        .expires_us = store_i64(q, 4),
                                        .status = (enum identity_device_status)store_i64(q, 5)};
        if (ret->status == IDENTITY_DEVICE_PENDING && ret->expires_us <= wall_us)
            ret->status = IDENTITY_DEVICE_EXPIRED;
        show_code(plain, ret->user_code);
    }
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e == OK && a->over ? ERR_LIMIT : e;
}

enum err identity_device_decide_in(struct store_conn *conn, struct str user_code, bool approve,
                                   struct id user, struct id team, int64_t wall_us)
{
    char plain[USER_CHARS], u[ID_TEXT_MAX], t[ID_TEXT_MAX];
    int64_t changed = 0;
    if (!plain_code(user_code, plain))
        return ERR_NOT_FOUND;
    int64_t status = approve ? IDENTITY_DEVICE_APPROVED : IDENTITY_DEVICE_DENIED;
    enum err e = store_run(conn, SQL_DEVICE_DECIDE, &changed, "titti", str_of(plain, sizeof(plain)),
                           status, id_text("usr_", user, u), id_text("team_", team, t), wall_us);
    return e == OK && changed == 0 ? ERR_NOT_FOUND : e;
}

/* Too soon again: five seconds more between two (RFC 8628 §3.5). */
static enum err polled(struct store_conn *conn, struct str mac, int64_t last_us,
                       int64_t interval_us, int64_t wall_us, struct identity_device *ret)
{
    /* What the network delays is not the device's fault. */
    if (last_us != 0 && wall_us - last_us < interval_us - US_PER_S / 2) {
        ret->status = IDENTITY_DEVICE_SLOW_DOWN;
        interval_us += IDENTITY_DEVICE_INTERVAL_US;
    }
    return store_run(conn, SQL_DEVICE_POLLED, NULL, "bii", mac, wall_us, interval_us);
}

enum err identity_device_poll_in(struct identity *identity, struct store_conn *conn,
                                 struct arena *a, struct str code, int64_t wall_us,
                                 struct identity_device *ret)
{
    uint8_t bytes[CRYPTO_HASH_LEN];
    struct store_query *q = NULL;
    int64_t interval_us = 0, last_us = 0;
    code_mac(identity, code, bytes);
    struct str mac = str_of((const char *)bytes, sizeof(bytes));
    enum err e = store_start(conn, SQL_DEVICE_BY_MAC, &q, "b", mac);
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        *ret = (struct identity_device){.name = arena_dup(a, store_str(q, 0)),
                                        .address = STR(""),
                                        .expires_us = store_i64(q, 1),
                                        .status = (enum identity_device_status)store_i64(q, 4),
                                        .user = identity_column_id("usr_", q, 5),
                                        .team = identity_column_id("team_", q, 6)};
        interval_us = store_i64(q, 2);
        last_us = store_i64(q, 3);
        if (ret->expires_us <= wall_us)
            ret->status = IDENTITY_DEVICE_EXPIRED;
    }
    store_finish(&q);
    if (e != OK || a->over)
        return e == ERR_END ? ERR_NOT_FOUND : e != OK ? e : ERR_LIMIT;
    if (ret->status == IDENTITY_DEVICE_PENDING)
        return polled(conn, mac, last_us, interval_us, wall_us, ret);
    return store_run(conn, SQL_DEVICE_DROP, NULL, "b", mac);
}

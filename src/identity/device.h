/* Devices that ask to be let in: RFC 8628.
 *
 * Owns: table device_login.
 * Needs: store.
 * Threads: all block: worker threads; functions ending in _in run inside a store_write closure.
 * Memory: texts in the arena given.
 * Units: µs.
 * Errors: NOT_FOUND.
 * Always: the device's code is stored as a keyed hash and good once; the user's has 8 of 20
 * consonants, so that it makes no words. */
#ifndef IDENTITY_DEVICE_H
#define IDENTITY_DEVICE_H

#include "identity/identity.h"

#define IDENTITY_DEVICE_TEXT_MAX 48
#define IDENTITY_USER_CODE_MAX 10 /* "XXXX-XXXX" */
#define IDENTITY_DEVICE_GOOD_US (INT64_C(900) * 1000 * 1000)
#define IDENTITY_DEVICE_INTERVAL_US (INT64_C(5) * 1000 * 1000)

MUST enum err identity_device_begin_in(struct identity *identity, struct store_conn *conn,
                                       struct str name, struct str address, int64_t wall_us,
                                       char ret_code[IDENTITY_DEVICE_TEXT_MAX],
                                       char ret_user_code[IDENTITY_USER_CODE_MAX]);

enum identity_device_status {
    IDENTITY_DEVICE_PENDING,
    IDENTITY_DEVICE_APPROVED,
    IDENTITY_DEVICE_DENIED,
    IDENTITY_DEVICE_EXPIRED,
    IDENTITY_DEVICE_SLOW_DOWN, /* asked again too soon: the interval has grown */
    IDENTITY_DEVICE__COUNT
};
const char *identity_device_status_name(enum identity_device_status status);

struct identity_device {
    char user_code[IDENTITY_USER_CODE_MAX];
    struct str name, address;
    int64_t created_us, expires_us;
    enum identity_device_status status;
    struct id user, team; /* who approved it, for which team */
};
/* As people write the code: small, without the dash. */
MUST enum err identity_device_get(struct store_conn *conn, struct arena *a, struct str user_code,
                                  int64_t wall_us, struct identity_device *ret);
/* NOT_FOUND unless it is pending. */
MUST enum err identity_device_decide_in(struct store_conn *conn, struct str user_code, bool approve,
                                        struct id user, struct id team, int64_t wall_us);
/* What the device is told. NOT_FOUND: no such code. Once approved or denied it is gone. */
MUST enum err identity_device_poll_in(struct identity *identity, struct store_conn *conn,
                                      struct arena *a, struct str code, int64_t wall_us,
                                      struct identity_device *ret);

#endif

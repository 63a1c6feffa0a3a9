/* Users, teams, members, API keys.
 *
 * Owns: tables app_user, team, member, api_key, audit; the key table in memory.
 * Needs: store, base.
 * Threads: identity_key_find and _unref on any thread without waiting for anything but a short lock
 * of one of 64 shards; loading, flushing and control functions block (worker threads).
 * Memory: a key's record is immutable and counted; change replaces it.
 * Units: µs.
 * Errors: MISSING_, INVALID_, EXPIRED_, REVOKED_API_KEY; NOT_FOUND, CONFLICT, VALIDATION_FAILED.
 * Always: a key is stored only as HMAC-SHA-256 under the pepper; what is revoked is refused from
 * the next call on. Key format: prefix_ + 32 random base62 + 6 base62 digits of the CRC-32 of the
 * 32. */
#ifndef IDENTITY_IDENTITY_H
#define IDENTITY_IDENTITY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/id.h"
#include "store/store.h"

struct identity;

struct identity_options {
    const char *key_prefix; /* "tg" */
    uint8_t pepper[CRYPTO_KEY_LEN];
    size_t keys_max; /* kept in memory: 4,000,000; beyond it the least used go */
    uint8_t seal[CRYPTO_KEY_LEN]; /* for secrets of second factors */
    /* 0 means the default: 7 and 30 days; 46 MiB, 1 pass, 2 at once. */
    int64_t session_idle_us, session_max_us;
    int64_t password_memory_bytes, password_passes, password_at_once;
};
struct identity *identity_new(struct store *store, const struct identity_options *options);
void identity_free(struct identity **identity);

#define IDENTITY_KEY_RANDOM 32
#define IDENTITY_KEY_CHECK 6
#define IDENTITY_KEY_TEXT_MAX 64

enum identity_scope {
    IDENTITY_SCOPE_INFERENCE = 1, /* "inference": /v1 */
    IDENTITY_SCOPE_USAGE = 2, /* "usage": read usage and billing */
    IDENTITY_SCOPE_KEYS = 4, /* "keys": list and rotate keys */
    IDENTITY_SCOPE_ALL = 7
};
/* "inference usage keys", separated by blanks or commas; "all". VALIDATION_FAILED for other words
 * and for none. */
MUST enum err identity_scopes_parse(struct str s, unsigned *ret_scopes);
void identity_scopes_text(unsigned scopes, struct buf *out);

/* What a call needs to know of its key. Immutable. */
struct identity_key {
    struct id key, user, team;
    struct id wallet; /* the team's */
    struct id key_cap, member_cap; /* zero: none */
    unsigned scopes;
    int64_t expires_us; /* 0: never */
    int64_t revoked_us; /* 0: not; in the future: grace after rotation */
    bool user_suspended;
    struct str models; /* allowlist: patterns separated by '\n'; empty: all */
    struct str ips; /* allowlist: addresses and CIDR nets separated by '\n'; empty: all */
    char user_hash[17]; /* for logs: 16 hex digits of the HMAC of the user's id */
    _Atomic int64_t last_used_us; /* whoever found the key sets it, relaxed */
};

/* Text of a key to its MAC; false when prefix, length or checksum are wrong (no look-up needed). */
bool identity_key_mac(const struct identity *identity, struct str text,
                      uint8_t ret_mac[CRYPTO_HASH_LEN]);
enum identity_find {
    IDENTITY_FOUND,
    IDENTITY_UNKNOWN, /* known not to exist */
    IDENTITY_LOAD, /* not in memory: call identity_key_load on a worker, then find again */
    IDENTITY_FIND__COUNT
};
/* With IDENTITY_FOUND the key is referenced: give it back by identity_key_unref. */
enum identity_find identity_key_find(struct identity *identity, const uint8_t mac[CRYPTO_HASH_LEN],
                                     struct identity_key **ret_key);
void identity_key_unref(struct identity_key **key);
/* Blocking. OK also when there is no such key (then find says UNKNOWN). Under pressure (keys_max,
 * many unknown keys) what was loaded may be gone again before the next find: ask a second time,
 * then give up with OVERLOADED. STORE_BUSY when the key changed under it eight times. */
MUST enum err identity_key_load(struct identity *identity, const uint8_t mac[CRYPTO_HASH_LEN]);
/* Is the key good now? EXPIRED_, REVOKED_API_KEY, or INVALID_ for a suspended user. */
MUST enum err identity_key_check(const struct identity_key *key, int64_t wall_us);
bool identity_key_allows_model(const struct identity_key *key, struct str model);
bool identity_key_allows_ip(const struct identity_key *key, struct str address);
/* Writes last-used times that changed (once a minute, on a worker thread: it waits for the
 * writer). */
MUST enum err identity_flush_last_used(struct identity *identity);

/* ---- control; all block. Functions ending in _in run inside a store_write closure ---- */
struct identity_user {
    struct id user, team, wallet;
    struct str email; /* in the arena given */
    bool is_operator, suspended;
    int64_t created_us;
};
/* Makes user, personal team and membership (not the wallet's ledger account: the caller opens it in
 * the same closure). CONFLICT when the e-mail is taken (in whatever case), VALIDATION_FAILED when
 * it is none. ret_user->email is a slice of `email`. */
MUST enum err identity_user_create_in(struct identity *identity, struct store_conn *conn,
                                      struct str email, bool is_operator, int64_t wall_us,
                                      struct identity_user *ret_user);
/* What is wrong with an address, for people; NULL: nothing. */
const char *identity_email_fault(struct str email);
/* Both NOT_FOUND when there is none. */
MUST enum err identity_user_by_email(struct store_conn *conn, struct arena *a, struct str email,
                                     struct identity_user *ret_user);
MUST enum err identity_user_by_id(struct store_conn *conn, struct arena *a, struct id user,
                                  struct identity_user *ret_user);
/* Operator: may not call until lifted. Acts at once. */
MUST enum err identity_user_suspend_in(struct identity *identity, struct store_conn *conn,
                                       struct id user, bool suspended);

struct identity_key_spec {
    struct id user, team;
    struct str name; /* 1–100 characters of UTF-8 without control characters */
    unsigned scopes;
    int64_t expires_us;
    struct str models, ips; /* entries separated by blanks, commas or lines */
    struct id cap; /* zero: none; a ledger cap account that the caller opened */
    bool hidden; /* not in lists (the playground's) */
};
/* What is wrong with a spec, for people; NULL: nothing. */
const char *identity_key_fault(const struct identity_key_spec *spec, int64_t wall_us);
/* ret_text gets the key, shown once. VALIDATION_FAILED when identity_key_fault says so, NOT_FOUND
 * unless the user is a member of the team. */
MUST enum err identity_key_create_in(struct identity *identity, struct store_conn *conn,
                                     const struct identity_key_spec *spec, int64_t wall_us,
                                     struct id *ret_key, char ret_text[IDENTITY_KEY_TEXT_MAX]);
/* Revoked from `at_us` on (now, or later as grace); an earlier time that was set before stays.
 * NOT_FOUND unless the key is the team's. Acts at once when the transaction commits. */
MUST enum err identity_key_revoke_in(struct identity *identity, struct store_conn *conn,
                                     struct id team, struct id key, int64_t at_us);
/* Deletes up to `max` keys that ended before that time (revoked or expired); ids[0, *ret_n) are
 * theirs. Their cap accounts stay in the books. */
MUST enum err identity_keys_forget_in(struct store_conn *conn, int64_t before_us, struct id *ids,
                                      int64_t max, int64_t *ret_n);
/* A new key with everything of the old one, its cap account too; the old one is revoked after
 * grace_us (at most 30 days, else VALIDATION_FAILED). CONFLICT when the old one is revoked, waits
 * to be, or has expired. */
MUST enum err identity_key_rotate_in(struct identity *identity, struct store_conn *conn,
                                     struct id team, struct id key, int64_t grace_us,
                                     int64_t wall_us, struct id *ret_new_key,
                                     char ret_text[IDENTITY_KEY_TEXT_MAX]);
/* What is NULL stays. CONFLICT: it is revoked; VALIDATION_FAILED as for a new one. Acts at once
 * when the transaction commits. */
struct identity_key_edit {
    const struct str *name, *models, *ips;
    const unsigned *scopes;
    const int64_t *expires_us;
};
MUST enum err identity_key_edit_in(struct identity *identity, struct store_conn *conn,
                                   struct id team, struct id key,
                                   const struct identity_key_edit *edit, int64_t wall_us);
/* Zero takes the cap away. NOT_FOUND when there is no such key, or no such member. */
MUST enum err identity_key_cap_set_in(struct identity *identity, struct store_conn *conn,
                                      struct id key, struct id cap);
MUST enum err identity_member_cap_set_in(struct identity *identity, struct store_conn *conn,
                                         struct id team, struct id user, struct id cap);

struct identity_key_row {
    struct id key, user, team, cap;
    struct str name, display, models, ips; /* display: "tg_…abcd" */
    struct str user_email, user_name;
    unsigned scopes;
    int64_t created_us, last_used_us, expires_us, revoked_us;
};
typedef void (*identity_key_row_f)(void *arg, const struct identity_key_row *row);
/* A page: keys whose id is below `below`, newest first; status empty: any. */
struct identity_key_query {
    struct id team, user; /* user zero: all members' */
    struct str status, below;
    int64_t limit;
};
MUST enum err identity_key_page(struct identity *identity, struct store_conn *conn,
                                const struct identity_key_query *query, int64_t wall_us,
                                identity_key_row_f fn, void *arg);
/* Keys of a team (user zero: all members'), newest first. Last use as memory knows it. */
MUST enum err identity_key_list(struct identity *identity, struct store_conn *conn, struct id team,
                                struct id user, identity_key_row_f fn, void *arg);
MUST enum err identity_key_get(struct identity *identity, struct store_conn *conn, struct id key,
                               identity_key_row_f fn, void *arg);
/* "active", "expired", "revoked". */
const char *identity_key_status(const struct identity_key_row *row, int64_t wall_us);
/* One line of the house's audit log; a team's: audit.h. */
MUST enum err identity_audit_in(struct store_conn *conn, struct str actor, struct str address,
                                struct str action, struct str object, struct str change_json,
                                int64_t wall_us);

#endif

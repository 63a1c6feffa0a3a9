/* What an operator does to the house: users, keys, credit, providers, routes, prices, rules,
 * limits, plans, proofs, backups. One function per operation, called by name with JSON arguments,
 * so that the command line works alike beside a running server (through its socket) and on the
 * store itself.
 *
 * Owns: the table of operations.
 * Needs: the keepers, the gateway, payments, outbound.
 * Threads: worker threads or a verb's own thread; everything blocks.
 * Memory: the result is a JSON text in the caller's buffer.
 * Units: money as decimal text in dollars.
 * Errors: as the keepers say, with words for the operator in `why`.
 * Always: money never comes as a JSON number; each change leaves a line in the audit log. */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "gateway/gateway.h"
#include "payments/payments.h"

struct admin {
    struct store *store;
    struct identity *identity;
    struct limits *limits;
    struct catalog *catalog;
    struct ledger *ledger;
    struct gateway *gateway;
    struct payments *payments;
    const char *ca_file; /* NULL: the system's */
};

/* Who does it, for the audit log. */
struct admin_actor {
    struct str name, address; /* "usr_…", or "operator" at "local" */
};

struct admin_run {
    struct admin *a;
    const struct admin_actor *actor;
    struct str args; /* a JSON object: texts, and true for flags */
    int64_t now_us;
    struct buf *out; /* JSON result */
    struct arena arena; /* for texts of this run */
    struct buf why; /* words about what went wrong */
};
typedef enum err (*admin_f)(struct admin_run *run);

struct admin_operation {
    const char *name; /* "user.create" */
    admin_f fn;
};
/* `args` is a JSON object of strings and booleans; ERR_INVALID_JSON otherwise. `actor` NULL: who
 * has the operator's socket.
 * ERR_NOT_FOUND when there is no such operation. ret_why gets a sentence on every error. */
MUST enum err admin_perform(struct admin *a, const struct admin_actor *actor, const char *operation,
                            struct str args, struct buf *out, struct buf *ret_why);

/* ---- inside of the room ---- */
extern const struct admin_operation admin_people[], admin_catalog[], admin_money[], admin_plans[];
/* Argument as text; empty when missing. Ends with a NUL. */
#define ADMIN_ARGS_MAX (1u << 20)
struct str admin_arg(struct admin_run *run, const char *name);
bool admin_has(const struct admin_run *run, const char *name);
bool admin_flag(const struct admin_run *run, const char *name);
/* Missing: *ret stays. Not a whole number in [min, max]: VALIDATION_FAILED with words. */
MUST enum err admin_int(struct admin_run *run, const char *name, int64_t min, int64_t max,
                        int64_t *ret);
/* Says why and returns e. */
enum err admin_no(struct admin_run *run, enum err e, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The user that `--user` names, by e-mail or id. */
MUST enum err admin_user(struct admin_run *run, struct store_conn *conn, const char *name,
                         struct identity_user *ret_user);
MUST enum err admin_audit(struct admin_run *run, struct store_conn *conn, const char *action,
                          struct str object);

#endif

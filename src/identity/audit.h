/* The audit log: who did what, from where.
 *
 * Owns: table audit.  Needs: store.  Threads: worker threads; _in inside a store_write closure.
 * Memory: rows live until the callback returns.  Units: µs.  Errors: those of the store.
 * Always: a line is never changed; what a person leaves behind is his id alone. */
#ifndef IDENTITY_AUDIT_H
#define IDENTITY_AUDIT_H

#include "base/err.h"
#include "base/id.h"
#include "store/store.h"

struct identity_audit_line {
    struct id team; /* whose log; zero: the house's alone */
    struct str actor; /* usr_…, "operator" */
    struct str address, action, object;
    struct str change; /* a JSON object */
};
MUST enum err identity_audit_line_in(struct store_conn *conn,
                                     const struct identity_audit_line *line, int64_t wall_us);

/* At most so many lines from before that time, the oldest first; ret_n of them are gone. */
MUST enum err identity_audit_forget_in(struct store_conn *conn, int64_t before_us, int64_t limit,
                                       int64_t *ret_n);

struct identity_audit_query {
    struct id team; /* zero: the whole house's */
    struct str actor, action, object; /* empty: any; an action also by its first word: "key" */
    int64_t start_us, end_us;
    struct str below;
    int64_t limit;
};
struct identity_audit_row {
    struct str id, actor, actor_email, address, action, object, change;
    int64_t at_us;
};
typedef void (*identity_audit_row_f)(void *arg, const struct identity_audit_row *row);
/* Newest first. */
MUST enum err identity_audit_page(struct store_conn *conn, const struct identity_audit_query *query,
                                  identity_audit_row_f fn, void *arg);

#endif

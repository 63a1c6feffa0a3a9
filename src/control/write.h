/* A change asked for over the control API: one transaction with its idempotency and its line of
 * audit.
 *
 * Owns: nothing.
 * Needs: gateway (kept answers), identity (the audit log), store.
 * Threads: control_write_run on a worker thread; `work` inside the transaction, on the writer's.
 * Memory: slices must live until control_write_run returns.
 * Units: µs.
 * Errors: the work's, and those of Idempotency-Key.
 * Always: the same key and body again is answered as the first time, with Idempotency-Replayed, but
 * for secrets, which come as null; nothing is changed then. */
#ifndef CONTROL_WRITE_H
#define CONTROL_WRITE_H

#include "control/who.h"
#include "gateway/idempotency.h"

struct control_write {
    struct control *c;
    const struct control_who *who;
    const struct http_request *r;
    struct http_reply *reply; /* for words; its arena is not for `work` */
    void *arg;
    /* Changes things; names what it changed by `object` and `change`. */
    enum err (*work)(struct control_write *w, struct store_conn *conn);
    /* The answer; `first` is false when it is written down for repetitions. NULL: 204. */
    void (*json)(struct control_write *w, bool first, struct buf *b);
    const char *action; /* "key.create"; NULL: no audit */
    int status; /* of the answer: 0 means 200, or 204 without json */
    bool secret; /* no Idempotency-Key: no copy of the answer is kept */
    /* Of the audit: filled before or by `work`. */
    char object[ID_TEXT_MAX];
    struct str change; /* a JSON object; empty: {} */
    struct id team; /* whose log; the asker's team at first */
    /* Inside. */
    struct idempotency_key idem;
    struct buf replay, kept;
};
MUST enum err control_write_run(struct control_write *w);
/* An answer that is no more than the object: {"id": …}. */
void control_write_object_json(struct control_write *w, bool first, struct buf *b);
/* A line of audit by who asks, in the caller's transaction. */
MUST enum err control_audit_in(struct store_conn *conn, const struct control_who *who,
                               struct str address, struct id team, const char *action,
                               struct str object, struct str change);

#endif

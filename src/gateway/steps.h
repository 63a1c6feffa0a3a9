/* What the files of the gateway room call of each other, in the order of a call's life.
 *
 * Owns: nothing.  Needs: call.h.  Threads: the call's loop.  Memory, errors: as in call.h. */
#ifndef GATEWAY_STEPS_H
#define GATEWAY_STEPS_H

#include "gateway/call.h"
#include "gateway/edits.h"

/* read.c */
/* ERR_INVALID_JSON, _INVALID_REQUEST, _UNSUPPORTED_PARAMETER, _MODEL_NOT_ALLOWED; message and
 * param are filled for the client. */
MUST enum err call_read(struct call *c, struct str body, struct arena *a, struct str *ret_message,
                        struct str *ret_param);

/* pool.c */
struct call *call_new(struct gateway_loop *gl, struct http_exchange *x, const struct product *p);
/* Gives back everything the call has; it must be settled or never held. */
void call_free(struct call *c);
/* Runs `next` once everything recorded so far for this call is durable, or at once when the
 * durability says that nothing waits. */
void call_wait_durable(struct call *c, bool even_overlap, call_next_f next);
void call_wait_cancel(struct call *c);
void calls_wake(void *gateway_loop);
/* At the end of this turn, unless the call is over by then: the upstream's id is journalled, a
 * stream begun. */
void call_at_turn_end(struct call *c);
void calls_turn_end(struct gateway_loop *gl);

/* steps.c */
bool call_on_head(void *route_arg, struct http_exchange *x, const struct product *p);
void call_on_ready(void *route_arg, struct http_exchange *x);
/* The API key of a request, by either header; empty when there is none. */
struct str call_key_text(const struct http_request *r);
/* For routes that only want to see a good key: 401 or 403, else OK and maybe a key. */
MUST enum err call_quick_key(struct gateway_loop *gl, struct http_exchange *x,
                             struct identity_key **ret_key);
/* Refuses: nothing was held, or it is voided here. Ends the call. */
void call_refuse(struct call *c, enum err e, struct str message, struct str param,
                 struct str lines);
/* The headers that every answer of a call carries. */
void call_headers(struct call *c, bool with_cost);

/* replay.c: calls with an Idempotency-Key. */
/* Claims the key, then goes on; answers from what was kept, or refuses. */
void call_claim(struct call *c, call_next_f next);
/* What the client is given, for the next time; nothing without a key. */
void call_keep_head(struct call *c, int status, const char *type);
void call_keep_error(struct call *c, enum err e);
void call_keep(struct call *c, struct str bytes);
/* Instead of the last n bytes. */
void call_keep_instead(struct call *c, size_t n, struct str bytes);
void call_keep_nothing(struct call *c);
void call_idem_end(struct call *c);

/* dispatch.c */
/* The Authorization line of this attempt; the user's own key there, or the provider's. */
struct str call_auth(struct call *c, struct arena *a);
void call_dispatch(struct call *c);
/* Body of the upstream's failure is mapped; another attempt is made when the rules allow one. */
void call_attempt_failed(struct call *c, const struct upstream_failure *f, bool may_retry);
bool call_may_try_again(struct call *c);

/* meter.c */
extern const struct upstream_events call_upstream_events;
void call_client_gone(void *call);
void call_client_drained(void *call);
/* answer.c: what both kinds of answer have in common. */
/* Walks an answer's (or event's) object: model, id and provider become the customer's; `usage` is
 * found, and removed when drop_usage. index: of its check, or NULL. New texts come from `out`. */
void answer_look(struct call *c, struct str object, const struct json_index *index, bool drop_usage,
                 struct arena *out, struct answer_view *ret_view);
/* Bytes of text in an answer's or event's choices, for an own count. */
int64_t answer_text_bytes(struct str choices);
/* json_answer.c, stream.c */
void answer_body(struct call *c, struct str bytes);
void answer_end(struct call *c);
void answer_cut(struct call *c, const struct upstream_failure *f);
/* Answers the client once the settlement is durable. */
void answer_reply(struct call *c);
void stream_head(struct call *c);
void stream_body(struct call *c, struct str bytes);
void stream_end(struct call *c);
void stream_cut(struct call *c, const struct upstream_failure *f);
void stream_fini(struct call *c);
void stream_turn_end(struct call *c);
/* events.c: one event into answer or held_back; false at the stream's end, or when it failed. */
bool event_relay(struct call *c, const struct sse_event *e);

/* usage.c */
/* Reads a `usage` object into the answer (later figures over earlier ones). */
void usage_read(struct call_answer *a, struct str usage);
/* The usage object as the customer sees it: cost is the charge, what tells of the upstream goes. */
void usage_rewrite(struct str usage, struct nano charge, struct buf *out);
/* The "usage" in the object that begins in `b` at `at` (behind `opening`, which is not in it) now
 * says what was paid. Once it is settled. */
void usage_say_paid(const struct call *c, struct buf *b, size_t at, struct str opening);
/* The upstream's receipt of a call (its tokens and cost); false when it is none. */
bool receipt_read(struct call_answer *a, struct str body);
/* May the id stand in a query as it is? */
bool receipt_id_is_plain(struct str id);
/* Price and rule applied: charge, cost, basis. */
void usage_charge(struct call *c);

/* resolve.c: the outcome is not known; asks the upstream where it keeps receipts, else the
 * policy. The call may have lost its client; it is done afterwards. */
void call_resolve(struct call *c);
/* At the end of the draining: no more waiting. */
void call_resolve_now(struct call *c);

/* settle.c */
/* What the wallet pays, once it is settled: the charge, less what it could not cover. */
static inline struct nano call_paid(const struct call *c)
{
    return nano_minus(c->charge, c->written_off);
}
void call_settle(struct call *c, call_next_f next);
/* The call is over for client and upstream alike. */
void call_done(struct call *c);
void call_note_upstream_id(struct call *c, struct str id);
void call_journal_upstream_id(struct call *c);
void call_hold_about(const struct call *c, struct buf *b);
void call_dispatch_about(const struct call *c, struct buf *b);
void call_end_about(const struct call *c, struct buf *b);

/* errors.c */
/* The refusal that a customer sees for an upstream's answer, and its message when that is safe. */
enum err upstream_status_err(int status);
struct str upstream_safe_message(const struct call *c, struct str body, struct arena *a);

/* project.c */
/* ---- health.c: what each provider did since the start ---- */
struct provider_seen *provider_seen_new(void);
/* An attempt was answered (us: until its head), or failed. */
void call_note_provider(const struct call *c, bool failed, int64_t us);

struct rollup *rollup_new(void);
void rollup_free(struct rollup **r);

#endif

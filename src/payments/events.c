/* Stripe's events: stored as they come and answered at once, worked on by a job, whose end, the
 * event's state and its effect are one transaction. */
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "observe/observe.h"
#include "payments/room.h"

#include <stdio.h>

#define ID_MAX 128
#define TYPE_MAX 128

/* ---------------------------------------------------------------- received */

struct incoming {
    struct payments *p;
    struct arena arena;
    struct str id, type, body;
    int64_t created_us, now_us;
    const char *refused; /* what is not ours; NULL: it is */
    bool fresh;
    bool listed; /* not delivered: we have asked */
};

static enum err store_in(struct store_conn *conn, void *arg)
{
    struct incoming *in = arg;
    int64_t added = 0;
    struct str note = in->refused != NULL ? str_c(in->refused) : STR("");
    struct str state = in->refused != NULL ? STR("refused") : STR("stored");
    enum err e = store_run(conn, SQL_PAYMENTS_EVENT_ADD, &added, "ttiittt", in->id, in->type,
                           in->created_us, in->now_us, state, note, in->body);
    in->fresh = added != 0;
    if (e == OK && added == 0 && !in->listed)
        return store_run(conn, SQL_PAYMENTS_EVENT_AGAIN, NULL, "t", in->id);
    if (e != OK || added == 0 || in->refused != NULL)
        return e;
    struct jobs_spec spec = {.kind = "stripe_event", .key = in->id, .input = in->id};
    return jobs_enqueue_in(in->p->options.jobs, conn, &spec, in->now_us, NULL);
}

/* Is it about our account, and our kind of money? */
static const char *foreign(struct incoming *in)
{
    const struct stripe *s = &in->p->options.stripe;
    struct str live = json_get(in->body, STR("livemode"));
    struct str account = stripe_text(&in->arena, in->body, "account");
    if (json_is_true(live) != s->livemode)
        return "of the other livemode";
    if (account.n != 0 && s->account[0] != '\0' && !str_eq(account, str_c(s->account)))
        return "of another account";
    return account.n != 0 && s->account[0] == '\0' ? "of a connected account" : NULL;
}

static bool event_read(struct incoming *in)
{
    size_t offset;
    in->body = json_trim(in->body);
    if (json_check(in->body, &offset) != OK || json_type_of(in->body) != JSON_OBJECT)
        return false;
    in->id = stripe_text(&in->arena, in->body, "id");
    in->type = stripe_text(&in->arena, in->body, "type");
    in->created_us = stripe_i64(in->body, "created", 0) * US_PER_S;
    struct str object = json_get(json_get(in->body, STR("data")), STR("object"));
    return str_starts(in->id, STR("evt_")) && in->id.n <= ID_MAX && in->type.n != 0 &&
           in->type.n <= TYPE_MAX && str_is_utf8(in->body) &&
           (json_type_of(object) == JSON_OBJECT || str_starts(in->type, STR("v1.")));
}

enum err payments_receive(struct payments *p, struct str signature, struct str body, int64_t now_us,
                          enum payments_received *ret_what, const char **ret_words)
{
    struct incoming in = {.p = p, .body = body, .now_us = now_us};
    if (!payments_are_on(p))
        return ERR_NOT_FOUND;
    enum stripe_signature s = stripe_signature_check(p->options.stripe.webhook_secrets, signature,
                                                     body, now_us);
    *ret_what = PAYMENTS_UNSIGNED;
    *ret_words = stripe_signature_words(s);
    if (s != STRIPE_SIGNATURE_GOOD) {
        observe_say("warn", "event_unsigned", "an event was refused: %s", *ret_words);
        return OK;
    }
    arena_init(&in.arena, 4096, 2 * EVENT_BODY_MAX);
    enum err e = OK;
    if (!event_read(&in)) {
        *ret_what = PAYMENTS_NO_EVENT;
        observe_say("warn", "event_unread", "what Stripe signed is no event");
    } else {
        in.refused = foreign(&in);
        e = store_write(p->options.store, store_in, &in);
        *ret_what = in.fresh ? PAYMENTS_STORED : PAYMENTS_REPEATED;
        if (e == OK && in.fresh && in.refused != NULL)
            observe_say("warn", "event_refused", "%.*s: %s", STR_ARG(in.id), in.refused);
    }
    arena_fini(&in.arena);
    return e;
}

enum err payments_event_in(struct payments *p, struct store_conn *conn, struct str event,
                           int64_t now_us, bool *ret_new)
{
    struct incoming in = {.p = p, .body = event, .now_us = now_us, .listed = true};
    arena_init(&in.arena, 4096, 2 * EVENT_BODY_MAX);
    enum err e = OK;
    *ret_new = false;
    if (event_read(&in) && foreign(&in) == NULL) {
        e = store_in(conn, &in);
        *ret_new = in.fresh;
    }
    arena_fini(&in.arena);
    return e;
}

/* ---------------------------------------------------------------- worked on */

enum about { SESSION, CHARGE, REFUND, DISPUTE, INTENT, WARNING, CUSTOMER, SUBSCRIPTION, INVOICE };

static const struct rule {
    const char *type; /* ends with '.': all that begin so */
    enum about about;
} rules[] = {
    {"checkout.session.", SESSION},
    {"charge.refunded", CHARGE},
    {"charge.refund.updated", REFUND},
    {"refund.", REFUND},
    {"charge.dispute.", DISPUTE},
    {"payment_intent.succeeded", INTENT},
    {"payment_intent.payment_failed", INTENT},
    {"payment_intent.canceled", INTENT},
    {"radar.early_fraud_warning.created", WARNING},
    {"customer.deleted", CUSTOMER},
    {"customer.subscription.", SUBSCRIPTION},
    {"invoice.", INVOICE},
};

static bool fits(const char *rule, struct str type)
{
    struct str r = str_c(rule);
    return str_ends(r, STR(".")) ? str_starts(type, r) : str_eq(type, r);
}

static enum err apply_rule(struct fact *f, enum about about, struct str object, struct str type)
{
    switch (about) {
    case SESSION: return fact_session(f, object, type);
    case CHARGE: return fact_charge(f, object);
    case REFUND: return fact_refund(f, object);
    case DISPUTE: return fact_dispute(f, object, type);
    case INTENT: return fact_intent(f, object, type);
    case WARNING: return fact_warning(f, object);
    case CUSTOMER: return payments_customer_gone_in(f->conn, stripe_text(f->arena, object, "id"));
    case SUBSCRIPTION: return fact_subscription(f, object, type);
    case INVOICE: return fact_invoice(f, object);
    }
    return ERR_NOT_FOUND;
}

/* Others' and ours: each gets it. NOT_FOUND when it was nobody's. */
static enum err apply(struct fact *f, const struct payments_event *event)
{
    enum err ours = ERR_NOT_FOUND, theirs = ERR_NOT_FOUND;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && ours == ERR_NOT_FOUND; i++)
        if (fits(rules[i].type, event->type))
            ours = apply_rule(f, rules[i].about, event->object, event->type);
    if (ours != OK && ours != ERR_NOT_FOUND)
        return ours;
    for (size_t i = 0; i < f->p->handlers_n; i++) {
        const struct payments_handler *h = &f->p->handlers[i];
        if (!str_starts(event->type, str_c(h->prefix)))
            continue;
        theirs = h->apply_in(h->arg, f->conn, event);
        break;
    }
    return theirs == ERR_NOT_FOUND ? ours : theirs;
}

static enum err event_set(struct store_conn *conn, struct str id, const char *state,
                          const char *note)
{
    return store_run(conn, SQL_PAYMENTS_EVENT_SET, NULL, "ttt", id, str_c(state), str_c(note));
}

static enum err apply_in(struct store_conn *conn, struct jobs_call *call, struct fact *f)
{
    struct store_query *q = NULL;
    struct payments_event event = {
        .id = call->input, .arena = &call->arena, .now_us = call->now_us};
    struct str state = STR(""), body = STR("");
    enum err e = store_start(conn, SQL_PAYMENTS_EVENT_GET, &q, "t", call->input);
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        event.type = arena_dup(f->arena, store_str(q, 0));
        event.created_us = store_i64(q, 1);
        state = arena_dup(f->arena, store_str(q, 2));
        body = arena_dup(f->arena, store_str(q, 3));
    }
    store_finish(&q);
    if (e != OK || !str_eq(state, STR("stored")))
        return e == ERR_END ? OK : e;
    event.arena = f->arena;
    event.object = json_get(json_get(body, STR("data")), STR("object"));
    e = apply(f, &event);
    if (e == OK)
        return event_set(conn, call->input, "done", f->payment);
    if (e == ERR_NOT_FOUND)
        return event_set(conn, call->input, "ignored", "of no order here, or of no use");
    if (e != ERR_VALIDATION_FAILED)
        return e;
    observe_say("error", "event_refused", "%.*s: %s", STR_ARG(call->input), f->why);
    return event_set(conn, call->input, "refused", f->why);
}

/* Everything is done in the transaction that ends the run. */
static enum jobs_outcome event_run(struct jobs_call *call)
{
    (void)call;
    return JOBS_DONE;
}

static enum err event_done_in(struct store_conn *conn, struct jobs_call *call)
{
    struct arena a;
    arena_init(&a, 16384, 4 * EVENT_BODY_MAX);
    struct fact f = {.p = call->arg, .conn = conn, .arena = &a, .now_us = call->now_us};
    enum err e = apply_in(conn, call, &f);
    arena_fini(&a);
    return e;
}

/* Its job was cancelled: the operator has decided that it is of no use. */
enum err payments_event_dropped_in(struct store_conn *conn, void *arg, struct str input,
                                   int64_t now_us)
{
    (void)arg;
    (void)now_us;
    return event_set(conn, input, "ignored", "its job was cancelled");
}

const struct jobs_step payments_event_steps[] = {
    {.name = "apply", .run = event_run, .done_in = event_done_in, .attempts_max = 20}};

/* Shared by the files that play Stripe.
 *
 * Owns: nothing.  Needs: stripe.h.  Threads: under stripe->lock.
 * Memory: texts are kept for ever.  Units, Errors, Always: as stripe.h says. */
#ifndef SANDBOX_STRIPE_ROOM_H
#define SANDBOX_STRIPE_ROOM_H

#include "base/arena.h"
#include "base/buf.h"
#include "sandbox/stripe.h"

#include <pthread.h>

enum stripe_kind {
    STRIPE_CUSTOMER,
    STRIPE_SESSION,
    STRIPE_INTENT,
    STRIPE_REFUND,
    STRIPE_DISPUTE,
    STRIPE_PRODUCT,
    STRIPE_PRICE,
    STRIPE_SUBSCRIPTION,
    STRIPE_INVOICE,
    STRIPE_CLOCK,
    STRIPE_PORTAL,
    STRIPE_PORTAL_PLANS, /* a portal's configuration */
    STRIPE_COUPON,
    STRIPE_EVENT,
    STRIPE_KIND__COUNT
};

/* Of an invoice. */
struct stripe_line {
    const struct stripe_object *price;
    int64_t amount, start, end;
    bool proration;
};

/* One shape for all: what a kind does not use is zero. */
struct stripe_object {
    enum stripe_kind kind;
    char id[48];
    int64_t created, amount, refunded, expires, period_start, period_end, trial_end;
    const char *status, *payment_status, *reason;
    struct str currency, email, name, reference, success, cancel, interval, mode;
    struct str metadata, inner_metadata; /* JSON objects */
    struct str body; /* of an event */
    struct stripe_object *customer, *intent, *subscription, *price, *clock, *product, *invoice;
    bool deleted, disputed, cancel_at_end, off_session, fails; /* fails: its card declines */
    bool needs_action;
    int deliveries; /* of an invoice: how often its payment was tried */
    /* Of subscriptions. Periods are counted from the anchor, so that the 31st comes back. */
    int64_t anchor, cycle, retry_at, canceled_at;
    struct stripe_object *next; /* the price from the next period on */
    bool noticed; /* that the trial ends was told */
    /* Of invoices: amount is the total, due what is left of it after the customer's balance. */
    struct stripe_line lines[3];
    size_t lines_n;
    int64_t due;
    int64_t balance; /* of a customer: what we owe him */
};

struct stripe_form {
    struct arena *arena;
    struct pair {
        struct str name, value;
    } pairs[200];
    size_t n;
};
/* Empty when it is not there. */
struct str form_get(const struct stripe_form *f, const char *name);
bool form_has(const struct stripe_form *f, const char *name);
int64_t form_i64(const struct stripe_form *f, const char *name, int64_t otherwise);
/* Members "prefix[x]" as a JSON object. */
struct str form_metadata(const struct stripe_form *f, const char *prefix);

struct stripe_idempotency {
    char key[256];
    uint64_t hash;
    int status;
    struct str body;
};

struct stripe_delivery {
    struct stripe_object *event;
    int64_t due_us;
    int attempt;
};

enum { STRIPE_OBJECTS_MAX = 200000, STRIPE_KEYS_MAX = 100000, STRIPE_QUEUE_MAX = 100000 };

struct stripe {
    pthread_mutex_t lock;
    uint64_t seed, numbers, draws;
    int64_t skew; /* how far those without a clock of theirs were moved */
    struct stripe_object **objects;
    size_t n;
    struct stripe_idempotency *keys;
    size_t keys_n;
    /* Deliveries. */
    struct str webhook, secret;
    int64_t duplicate_percent, reorder_percent, drop_percent, delay_ms;
    struct stripe_delivery *queue;
    size_t queue_n, sending;
    uint64_t delivered, refused;
    pthread_cond_t wake;
    pthread_t thread;
    /* What the next calls are to be: this status, before the work or after it. */
    int fail_status, fail_times;
    bool fail_after, stopping;
    bool ends_unpaid; /* when the last try has failed: unpaid, not canceled */
    char host[128]; /* as it was last called, for links */
};

/* A call of the API. */
struct stripe_call {
    struct stripe *stripe;
    const char *method;
    struct str path[6]; /* behind /v1/ */
    size_t path_n;
    struct stripe_form form; /* of the body, or of the query */
    struct str host;
    struct buf *out;
    int64_t now; /* s */
    int status;
};

struct str stripe_keep(struct str s);
uint64_t stripe_draw(struct stripe *s, uint64_t below);
struct stripe_object *stripe_add(struct stripe *s, enum stripe_kind kind, const char *prefix,
                                 int64_t now);
/* NULL: there is none. */
struct stripe_object *stripe_find(struct stripe *s, enum stripe_kind kind, struct str id);
/* The object as JSON. */
void stripe_show(const struct stripe_object *o, struct buf *b);
/* With what is only shown when asked for: payments of an invoice, with their intents. */
void stripe_show_expanded(const struct stripe_object *o, struct buf *b);
void stripe_show_charge(const struct stripe_object *intent, struct buf *b);
/* Fails the call: status, code, words. */
void stripe_fail(struct stripe_call *c, int status, const char *code, const char *message);

/* ---- stripe_event.c ---- */
void stripe_event(struct stripe *s, const char *type, const struct stripe_object *o, int64_t now);
void stripe_event_json(struct stripe *s, const char *type, struct str object, int64_t now);
void stripe_events_start(struct stripe *s);
void stripe_deliver(struct stripe *s, struct stripe_object *event, int64_t in_us);

/* ---- stripe_pay.c ---- */
void stripe_session_make(struct stripe_call *c);
/* By the page: "pay", "fail", "close", "bank", "bank_paid", "bank_failed". False: not now. */
bool stripe_session_end(struct stripe *s, struct stripe_object *session, struct str how,
                        int64_t now);
bool stripe_has_paid(const struct stripe *s, struct str customer);
void stripe_intent_make(struct stripe_call *c);
void stripe_refund_make(struct stripe_call *c);
bool stripe_refund_end(struct stripe *s, struct stripe_object *refund, bool failed, int64_t now);
/* phase: "open", "inquiry", "withdraw", "won", "lost". */
bool stripe_dispute_step(struct stripe *s, struct stripe_object *intent, struct str phase,
                         int64_t now);

/* ---- stripe_plan.c ---- */
void stripe_plan_call(struct stripe_call *c);

/* ---- stripe_cycle.c ---- */
int64_t stripe_now(const struct stripe *s, const struct stripe_object *customer, int64_t now);
void stripe_subscription_begin(struct stripe *s, struct stripe_object *subscription, int64_t now);
void stripe_subscription_end(struct stripe *s, struct stripe_object *subscription, int64_t now);
/* Another price at once, paid for now when `prorate`; false: the card was declined, nothing has
 * changed. */
bool stripe_subscription_switch(struct stripe *s, struct stripe_object *subscription,
                                struct stripe_object *price, bool prorate, int64_t now);
/* The lines that it would bring. */
void stripe_invoice_switched(struct stripe_object *invoice,
                             const struct stripe_object *subscription,
                             const struct stripe_object *price, int64_t now);
/* By another card, or the same one again. */
bool stripe_invoice_pay(struct stripe *s, struct stripe_object *invoice, int64_t now);
bool stripe_is_live(const struct stripe_object *subscription);
void stripe_clock_advance(struct stripe *s, struct stripe_object *clock, int64_t to);

/* ---- stripe_page.c ---- */
enum err stripe_page(void *arg, const struct http_request *r, struct http_reply *reply);
enum err stripe_page_post(void *arg, const struct http_request *r, struct http_reply *reply);
/* ---- stripe_portal.c ---- */
enum err stripe_portal(void *arg, const struct http_request *r, struct http_reply *reply);
enum err stripe_portal_post(void *arg, const struct http_request *r, struct http_reply *reply);
enum err stripe_invoice(void *arg, const struct http_request *r, struct http_reply *reply);
enum err stripe_invoice_post(void *arg, const struct http_request *r, struct http_reply *reply);
void stripe_page_begin(struct buf *b, const char *title);
void stripe_page_end(struct buf *b);
void stripe_page_text(struct buf *b, struct str text);
/* A form with one button; value: "name=x", or NULL. */
void stripe_page_button(struct buf *b, const char *path, const char *how, const char *label,
                        bool first);

enum err stripe_control(void *arg, const struct http_request *r, struct http_reply *reply);
enum err stripe_state(void *arg, const struct http_request *r, struct http_reply *reply);
void stripe_form_read(struct str text, struct arena *a, struct stripe_form *ret_form);

#endif

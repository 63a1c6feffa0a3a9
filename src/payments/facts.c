/* What Stripe's objects say, written down so that it only grows. An object counts the same whether
 * an event brings it or a list. */
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "observe/observe.h"
#include "payments/room.h"

#include <stdarg.h>
#include <stdio.h>

static enum err refuse(struct fact *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

static enum err refuse(struct fact *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->why, sizeof(f->why), fmt, ap);
    va_end(ap);
    return ERR_VALIDATION_FAILED;
}

static void found(struct fact *f, const struct payment *x)
{
    snprintf(f->payment, sizeof(f->payment), "%s", x->id);
}

/* The payment of the intent follows what is now known. */
static enum err settle_intent(struct fact *f, struct str intent)
{
    struct payment x;
    enum err e = payments_get(f->conn, f->arena, intent, &x);
    if (e != OK)
        return e;
    found(f, &x);
    return payment_settle_in(f->p, f->conn, f->arena, &x, f->now_us);
}

/* ---------------------------------------------------------------- checkout sessions */

/* By the session, or, when its answer never reached us, by what we had it carry. */
static enum err session_payment(struct fact *f, struct str session, struct str type,
                                struct payment *x)
{
    struct str id = stripe_text(f->arena, session, "id");
    struct str ours = stripe_text(f->arena, session, "client_reference_id");
    if (!str_starts(id, STR("cs_")))
        return refuse(f, "the session has no id");
    enum err e = payments_get(f->conn, f->arena, id, x);
    if (e != ERR_NOT_FOUND || !str_starts(ours, STR(PAYMENTS_ID)))
        return e;
    e = payments_get(f->conn, f->arena, ours, x);
    if (e == OK && x->session.n != 0 && str_eq(type, STR("checkout.session.expired")))
        return ERR_NOT_FOUND; /* a page that nobody was shown */
    if (e == OK && x->session.n != 0)
        return refuse(f, "%s was paid by another session", x->id);
    if (e == OK)
        x->session = id;
    return e;
}

/* What was paid is what was ordered? */
static enum err session_check(struct fact *f, struct str session, const struct payment *x,
                              int64_t *ret_total, int64_t *ret_tax)
{
    struct str currency = stripe_text(f->arena, session, "currency");
    struct str details = json_get(session, STR("total_details"));
    int64_t total = stripe_i64(session, "amount_total", -1);
    int64_t tax = stripe_i64(details, "amount_tax", 0);
    int64_t discount = stripe_i64(details, "amount_discount", 0);
    if (discount != 0 && !f->p->options.promotion_codes)
        return refuse(f, "%s: a discount that we have not allowed", x->id);
    if (!str_eq_nocase(currency, x->currency))
        return refuse(f, "%s: paid in %.*s, ordered in %.*s", x->id, STR_ARG(str_upto(currency, 8)),
                      STR_ARG(x->currency));
    if (total < 0 || tax < 0 || discount < 0 || total - tax + discount != x->amount_minor)
        return refuse(f, "%s: %lld was paid, %lld was ordered", x->id, (long long)total,
                      (long long)x->amount_minor);
    *ret_total = total;
    *ret_tax = tax;
    return OK;
}

static enum err session_paid(struct fact *f, struct str session, struct payment *x)
{
    struct str intent = stripe_ref(f->arena, session, "payment_intent");
    int64_t total = 0, tax = 0;
    enum err e = session_check(f, session, x, &total, &tax);
    if (e != OK || payment_is_granted(x))
        return e;
    struct str before = x->status;
    x->customer = stripe_ref(f->arena, session, "customer");
    e = payment_put_in(f->p, f->conn, x, before, f->now_us); /* the session, the customer */
    if (e == OK)
        e = payments_paid_in(f->p, f->conn, x->id, intent, total, tax, f->now_us);
    if (e == ERR_CONFLICT)
        return refuse(f, "%s: its payment intent has paid another order", x->id);
    /* The wallet is gone, with its team: somebody must look. */
    return e == ERR_NOT_FOUND ? refuse(f, "%s: its team has no wallet", x->id) : e;
}

static enum err session_open(struct fact *f, struct payment *x, const char *status,
                             const char *words)
{
    struct str before = x->status;
    if (!str_eq(before, STR("pending")))
        return OK;
    x->awaiting = status == NULL;
    if (status != NULL)
        x->status = str_c(status);
    x->failure = str_c(words);
    return payment_put_in(f->p, f->conn, x, before, f->now_us);
}

enum err fact_session(struct fact *f, struct str session, struct str type)
{
    struct payment x;
    struct str mode = stripe_text(f->arena, session, "mode");
    if (str_eq(mode, STR("subscription")))
        return fact_plan_session(f, session, type);
    if (!str_eq(mode, STR("payment")))
        return ERR_NOT_FOUND;
    enum err e = session_payment(f, session, type, &x);
    if (e != OK)
        return e;
    found(f, &x);
    struct str state = stripe_text(f->arena, session, "payment_status");
    bool is_paid = str_eq(state, STR("paid")) || str_eq(state, STR("no_payment_required"));
    if (str_eq(type, STR("checkout.session.expired")))
        return session_open(f, &x, "expired", "The checkout was not used in time.");
    if (str_eq(type, STR("checkout.session.async_payment_failed")))
        return session_open(f, &x, "failed", "The bank did not pay.");
    if (is_paid)
        return session_paid(f, session, &x);
    if (str_eq(type, STR("checkout.session.completed")))
        return session_open(f, &x, NULL, "");
    return OK;
}

/* ---------------------------------------------------------------- intents without a page */

enum err fact_intent(struct fact *f, struct str intent, struct str type)
{
    struct payment x;
    struct str metadata = json_get(intent, STR("metadata"));
    struct str id = stripe_text(f->arena, intent, "id");
    struct str ours = stripe_text(f->arena, metadata, "payment_id");
    if (!str_starts(ours, STR(PAYMENTS_ID)) || !str_starts(id, STR("pi_")))
        return ERR_NOT_FOUND;
    enum err e = payments_get(f->conn, f->arena, ours, &x);
    if (e != OK)
        return e;
    found(f, &x);
    if (!str_eq(x.kind, STR("auto_topup")))
        return OK; /* its session or invoice says when it is paid */
    if (!str_eq(type, STR("payment_intent.succeeded")))
        return OK; /* who asked for it knows */
    int64_t received = stripe_i64(intent, "amount_received", -1);
    if (received != x.amount_minor ||
        !str_eq_nocase(stripe_text(f->arena, intent, "currency"), x.currency))
        return refuse(f, "%s: %lld was paid, %lld was ordered", x.id, (long long)received,
                      (long long)x.amount_minor);
    return payments_paid_in(f->p, f->conn, x.id, id, received, 0, f->now_us);
}

/* ---------------------------------------------------------------- money that goes back */

static bool intent_of(struct fact *f, struct str object, struct str *ret_intent)
{
    *ret_intent = stripe_ref(f->arena, object, "payment_intent");
    return ret_intent->n != 0;
}

enum err fact_charge(struct fact *f, struct str charge)
{
    struct str intent;
    int64_t refunded = stripe_i64(charge, "amount_refunded", -1);
    if (!intent_of(f, charge, &intent))
        return ERR_NOT_FOUND;
    if (refunded < 0)
        return refuse(f, "the charge says nothing of refunds");
    enum err e = store_run(f->conn, SQL_PAYMENTS_CHARGE_PUT, NULL, "ti", intent, refunded);
    return e == OK ? settle_intent(f, intent) : e;
}

enum err fact_refund(struct fact *f, struct str refund)
{
    struct str intent, id = stripe_text(f->arena, refund, "id");
    struct str status = stripe_text(f->arena, refund, "status");
    struct str ours = stripe_text(f->arena, json_get(refund, STR("metadata")), "refund_id");
    int64_t amount = stripe_i64(refund, "amount", -1);
    bool failed = str_eq(status, STR("failed")) || str_eq(status, STR("canceled"));
    if (!intent_of(f, refund, &intent) || id.n == 0)
        return ERR_NOT_FOUND;
    if (amount <= 0)
        return refuse(f, "the refund has no amount");
    enum err e = OK;
    if (ours.n != 0) /* the one that we asked for is known by Stripe's name from now on */
        e = store_run(f->conn, SQL_PAYMENTS_REFUND_DROP, NULL, "t", ours);
    if (e == OK)
        e = store_run(f->conn, SQL_PAYMENTS_REFUND_PUT, NULL, "ttiii", id, intent, amount,
                      (int64_t)failed, f->now_us);
    return e == OK ? settle_intent(f, intent) : e;
}

static enum err dispute_put(struct fact *f, struct str id, struct str intent, int64_t amount,
                            struct str why, const int64_t bits[4])
{
    return store_run(f->conn, SQL_PAYMENTS_DISPUTE_PUT, NULL, "ttitiiiii", id, intent, amount,
                     str_upto(why, 60), bits[0], bits[1], bits[2], bits[3], f->now_us);
}

enum err fact_dispute(struct fact *f, struct str dispute, struct str type)
{
    struct str intent, id = stripe_text(f->arena, dispute, "id");
    struct str status = stripe_text(f->arena, dispute, "status");
    int64_t amount = stripe_i64(dispute, "amount", -1);
    if (!intent_of(f, dispute, &intent) || id.n == 0)
        return ERR_NOT_FOUND;
    if (amount < 0)
        return refuse(f, "the dispute has no amount");
    bool inquiry = str_starts(status, STR("warning_"));
    bool won = str_eq(status, STR("won")) || str_eq(status, STR("warning_closed")) ||
               str_eq(status, STR("prevented"));
    /* opened, withdrawn, reinstated, lost */
    const int64_t bits[4] = {!inquiry, str_eq(type, STR("charge.dispute.funds_withdrawn")),
                             won || str_eq(type, STR("charge.dispute.funds_reinstated")),
                             str_eq(status, STR("lost"))};
    enum err e = dispute_put(f, id, intent, amount, stripe_text(f->arena, dispute, "reason"), bits);
    return e == OK ? settle_intent(f, intent) : e;
}

enum err fact_warning(struct fact *f, struct str warning)
{
    struct payment x;
    struct str intent, id = stripe_text(f->arena, warning, "id");
    const int64_t opened[4] = {1, 0, 0, 0};
    if (!intent_of(f, warning, &intent) || !str_starts(id, STR(PAYMENTS_WARNING_ID)))
        return ERR_NOT_FOUND;
    enum err e = payments_get(f->conn, f->arena, intent, &x);
    if (e != OK)
        return e;
    found(f, &x);
    observe_say("warn", "fraud_warning", "%s: the card's bank suspects fraud", x.id);
    if (!f->p->options.fraud_warning_freezes)
        return OK;
    int64_t amount = x.paid_minor > x.amount_minor ? x.paid_minor : x.amount_minor;
    e = dispute_put(f, id, intent, amount, STR("early_fraud_warning"), opened);
    return e == OK ? settle_intent(f, intent) : e;
}

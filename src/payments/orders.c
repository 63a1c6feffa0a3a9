/* Orders: the rows, and the pages on which they are paid. */
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "observe/observe.h"
#include "payments/room.h"

#include <stdio.h>

#define PENDING_MAX 50 /* of a team, at once */

/* ---------------------------------------------------------------- rows */

static void row_read(const struct store_query *q, struct arena *a, struct payment *x)
{
    int c = 0;
    struct str id = str_upto(store_str(q, c++), ID_TEXT_MAX - 1);
    memset(x, 0, sizeof(*x));
    memcpy(x->id, id.p, id.n);
    if (!id_parse("team_", store_str(q, c++), &x->team))
        memset(&x->team, 0, sizeof(x->team));
    if (!id_parse("usr_", store_str(q, c++), &x->user))
        memset(&x->user, 0, sizeof(x->user));
    x->kind = arena_dup(a, store_str(q, c++));
    x->status = arena_dup(a, store_str(q, c++));
    x->awaiting = store_i64(q, c++) != 0;
    x->amount = store_nano(q, c++);
    x->currency = arena_dup(a, store_str(q, c++));
    x->amount_minor = store_i64(q, c++);
    x->paid_minor = store_i64(q, c++);
    x->tax_minor = store_i64(q, c++);
    x->livemode = store_i64(q, c++) != 0;
    x->session = arena_dup(a, store_str(q, c++));
    x->intent = arena_dup(a, store_str(q, c++));
    x->customer = arena_dup(a, store_str(q, c++));
    x->url = arena_dup(a, store_str(q, c++));
    x->failure = arena_dup(a, store_str(q, c++));
    x->taken = store_nano(q, c++);
    x->owed = store_nano(q, c++);
    x->refunded = store_nano(q, c++);
    x->moves = store_i64(q, c++);
    x->created_us = store_i64(q, c++);
    x->expires_us = store_i64(q, c++);
    x->completed_us = store_i64(q, c++);
    x->updated_us = store_i64(q, c++);
    x->email = arena_dup(a, store_str(q, c++));
    x->subscription = arena_dup(a, store_str(q, c++));
    x->invoice = arena_dup(a, store_str(q, c++));
    x->about = arena_dup(a, store_str(q, c++));
    x->reversed = store_nano(q, c);
}

enum err payments_get(struct store_conn *conn, struct arena *a, struct str by,
                      struct payment *ret_payment)
{
    struct store_query *q = NULL;
    enum sql_id sql = str_starts(by, STR("cs_"))   ? SQL_PAYMENTS_BY_SESSION
                      : str_starts(by, STR("pi_")) ? SQL_PAYMENTS_BY_INTENT
                      : str_starts(by, STR("in_")) ? SQL_PAYMENTS_BY_INVOICE
                                                   : SQL_PAYMENTS_GET;
    enum err e = store_start(conn, sql, &q, "t", by);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        row_read(q, a, ret_payment);
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

enum err payments_list(struct store_conn *conn, struct id team, struct str status, struct str word,
                       struct str below, int64_t limit, payments_f fn, void *arg)
{
    char text[ID_TEXT_MAX];
    struct store_query *q = NULL;
    struct arena a;
    struct payment x;
    struct str of = id_is_zero(team) ? STR("") : id_text("team_", team, text);
    arena_init(&a, 4096, 65536);
    enum err e = store_start(conn, SQL_PAYMENTS_LIST, &q, "tttti", of, status, word, below, limit);
    while (e == OK && (e = store_step(q)) == OK) {
        arena_reset(&a);
        row_read(q, &a, &x);
        fn(arg, &x);
    }
    store_finish(&q);
    arena_fini(&a);
    return e == ERR_END ? OK : e;
}

enum err payment_tell_in(struct payments *p, struct store_conn *conn, const struct payment *x,
                         struct str what, int64_t now_us)
{
    if (p->watcher.changed_in == NULL)
        return OK;
    return p->watcher.changed_in(p->watcher.arg, conn, x, what, now_us);
}

enum err payment_put_in(struct payments *p, struct store_conn *conn, const struct payment *x,
                        struct str before, int64_t now_us)
{
    enum err e = store_run(conn, SQL_PAYMENTS_SET, NULL, "ttiiittttnnniiintn", str_c(x->id),
                           x->status, (int64_t)x->awaiting, x->paid_minor, x->tax_minor, x->session,
                           x->intent, x->customer, x->failure, x->taken, x->owed, x->refunded,
                           x->moves, x->completed_us, now_us, x->amount, x->about, x->reversed);
    if (e != OK || str_eq(before, x->status))
        return e;
    observe_say("info", "payment", "%s is %.*s", x->id, STR_ARG(x->status));
    return str_eq(x->status, STR("refunded")) ? OK : payment_tell_in(p, conn, x, x->status, now_us);
}

static struct nano paid_of(const struct payment *x)
{
    struct nano paid;
    return stripe_to_nano(x->currency, x->paid_minor, &paid) == OK ? paid : NANO(0);
}

void payments_json(const struct payment *x, struct buf *b)
{
    char text[ID_TEXT_MAX];
    bool pending = str_eq(x->status, STR("pending"));
    buf_json_member(b, "id", str_c(x->id));
    buf_json_member(b, "kind", x->kind);
    buf_json_member(b, "status", x->status);
    buf_json_bool(b, "awaiting", pending && x->awaiting);
    buf_json_nano(b, "amount", x->amount);
    buf_json_nano(b, "paid", paid_of(x));
    buf_json_member(b, "description", x->about);
    buf_json_member(b, "currency", x->currency);
    buf_json_nano(b, "refunded", x->refunded);
    buf_json_nano(b, "owed", x->owed);
    buf_json_member(b, "failure", x->failure);
    buf_json_time(b, "created_at", x->created_us);
    buf_json_time(b, "completed_at", x->completed_us);
    buf_json_time(b, "expires_at", x->expires_us);
    buf_json_key(b, "checkout_url");
    if (pending && !x->awaiting && x->url.n != 0)
        buf_json_str(b, x->url);
    else
        buf_add(b, STR("null"));
    buf_json_key(b, "user");
    if (id_is_zero(x->user) || x->email.n == 0) {
        buf_add(b, STR("null"));
        return;
    }
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("usr_", x->user, text));
    buf_json_member(b, "email", x->email);
    buf_byte(b, '}');
}

void payments_options_json(const struct payments *p, struct buf *b)
{
    const struct payments_options *o = &p->options;
    struct str packs = str_c(o->packs);
    buf_json_bool(b, "enabled", payments_are_on(p));
    buf_json_member(b, "currency", str_c(o->stripe.currency));
    buf_json_key(b, "packs");
    buf_byte(b, '[');
    while (packs.n != 0) {
        struct str one = str_trim(str_cut(&packs, ','));
        if (one.n == 0)
            continue;
        buf_json_comma(b);
        buf_json_str(b, one);
    }
    buf_byte(b, ']');
    buf_json_nano(b, "amount_min", o->amount_min);
    buf_json_nano(b, "amount_max", o->amount_max);
    buf_json_bool(b, "livemode", o->stripe.livemode);
}

/* ---------------------------------------------------------------- ordered */

const char *payments_amount_fault(const struct payments *p, struct nano amount)
{
    int64_t minor;
    if (amount.v < p->options.amount_min.v || amount.v > p->options.amount_max.v)
        return "The amount is less or more than can be bought at once.";
    if (stripe_to_minor(str_c(p->options.stripe.currency), amount, &minor) != OK)
        return "The amount must be a whole number of the currency's smallest unit.";
    return NULL;
}

static enum err pending_count(struct store_conn *conn, struct str team, int64_t *ret_n)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_PAYMENTS_PENDING, &q, "t", team);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_n = store_i64(q, 0);
    store_finish(&q);
    return e;
}

enum err payments_order_in(struct payments *p, struct store_conn *conn,
                           struct payments_order *order, int64_t now_us)
{
    char team[ID_TEXT_MAX], user[ID_TEXT_MAX];
    const struct stripe *s = &p->options.stripe;
    struct str team_text = id_text("team_", order->team, team);
    int64_t minor, pending = 0;
    if (!payments_are_on(p))
        return ERR_NOT_IMPLEMENTED;
    enum err e = stripe_to_minor(str_c(s->currency), order->amount, &minor);
    if (e == OK)
        e = pending_count(conn, team_text, &pending);
    if (e != OK || pending >= PENDING_MAX)
        return e != OK ? e : ERR_CONFLICT;
    (void)id_text(PAYMENTS_ID, id_new(now_us), order->id);
    return store_run(conn, SQL_PAYMENTS_ADD, NULL, "ttttntiiii", str_c(order->id), team_text,
                     id_is_zero(order->user) ? STR("") : id_text("usr_", order->user, user),
                     str_c(order->kind), order->amount, str_c(s->currency), minor,
                     (int64_t)s->livemode, now_us, now_us + p->options.checkout_expires_us);
}

/* ---------------------------------------------------------------- Stripe's side */

static enum err read_payment(struct payments *p, struct arena *a, struct str by, struct payment *x)
{
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return e;
    e = payments_get(conn, a, by, x);
    store_reader_end(&conn);
    return e;
}

void payment_page_form(struct payments *p, const char *customer, const char *what, struct str id,
                       struct id team, int64_t expires_us, struct buf *form)
{
    char text[1400], name[64];
    const struct payments_options *o = &p->options;
    stripe_form_text(form, "customer", str_c(customer));
    stripe_form_text(form, "client_reference_id", id);
    snprintf(name, sizeof(name), "metadata[%s]", what);
    stripe_form_text(form, name, id);
    stripe_form_text(form, "metadata[team_id]", id_text("team_", team, text));
    if (o->automatic_tax) {
        stripe_form_bool(form, "automatic_tax[enabled]", true);
        stripe_form_text(form, "customer_update[address]", STR("auto"));
    }
    if (o->promotion_codes)
        stripe_form_bool(form, "allow_promotion_codes", true);
    snprintf(text, sizeof(text), "%s/billing?session_id={CHECKOUT_SESSION_ID}", o->public_url);
    stripe_form_text(form, "success_url", str_c(text));
    snprintf(text, sizeof(text), "%s/billing?canceled=%.*s", o->public_url, STR_ARG(id));
    stripe_form_text(form, "cancel_url", str_c(text));
    stripe_form_i64(form, "expires_at", expires_us / US_PER_S);
}

enum err payment_page_post(struct payments *p, const char *what, const char *id, struct str form,
                           struct stripe_answer *answer)
{
    char key[ID_TEXT_MAX + 80], hex[2 * CRYPTO_HASH_LEN + 1];
    uint8_t hash[CRYPTO_HASH_LEN];
    crypto_sha256(form, hash);
    int n = snprintf(key, sizeof(key), "%s:%s:%.32s", what, id,
                     crypto_hex(hash, sizeof(hash), hex).p);
    return stripe_post(&p->options.stripe, "/v1/checkout/sessions", form, str_of(key, (size_t)n),
                       answer);
}

static void session_form(struct payments *p, const struct payment *x, const char *customer,
                         struct buf *form)
{
    char team[ID_TEXT_MAX], text[1400];
    struct str team_text = id_text("team_", x->team, team), id = str_c(x->id);
    stripe_form_text(form, "mode", STR("payment"));
    stripe_form_i64(form, "line_items[0][quantity]", 1);
    stripe_form_text(form, "line_items[0][price_data][currency]", x->currency);
    stripe_form_i64(form, "line_items[0][price_data][unit_amount]", x->amount_minor);
    snprintf(text, sizeof(text), "%s credit", p->options.brand);
    stripe_form_text(form, "line_items[0][price_data][product_data][name]", str_c(text));
    /* On both: refunds and disputes name the intent, which does not inherit the session's. */
    stripe_form_text(form, "payment_intent_data[metadata][payment_id]", id);
    stripe_form_text(form, "payment_intent_data[metadata][team_id]", team_text);
    stripe_form_text(form, "payment_intent_data[setup_future_usage]", STR("off_session"));
    payment_page_form(p, customer, "payment_id", id, x->team, x->expires_us, form);
}

struct opened {
    struct payments *p;
    const char *order;
    struct str session, url, customer, why;
    int64_t now_us;
};

static enum err opened_in(struct store_conn *conn, void *arg)
{
    const struct opened *o = arg;
    return store_run(conn, SQL_PAYMENTS_OPENED, NULL, "tttti", str_c(o->order), o->session, o->url,
                     o->customer, o->now_us);
}

static enum err refused_in(struct store_conn *conn, void *arg)
{
    const struct opened *o = arg;
    return payments_failed_in(o->p, conn, o->order, "failed", o->why, o->now_us);
}

static enum err session_open(struct payments *p, struct arena *a, const struct payment *x,
                             const char *customer, struct stripe_answer *answer)
{
    struct buf form;
    struct opened o = {
        .p = p, .order = x->id, .customer = str_c(customer), .now_us = clock_wall_us()};
    buf_init(&form, STRIPE_FORM_MAX);
    session_form(p, x, customer, &form);
    enum err e = payment_page_post(p, "checkout", x->id, buf_str(&form), answer);
    buf_fini(&form);
    if (e == OK) {
        o.session = stripe_text(a, answer->json, "id");
        o.url = stripe_text(a, answer->json, "url");
        if (o.session.n == 0 || o.url.n == 0)
            return ERR_UPSTREAM_ERROR;
        return store_write(p->options.store, opened_in, &o);
    }
    if (e == ERR_INVALID_REQUEST && stripe_customer_is_gone(answer))
        return ERR_NOT_FOUND;
    if (e == ERR_INVALID_REQUEST) {
        /* For the operator: what the customer sees says nothing of it. */
        observe_say("error", "checkout_refused", "%s: Stripe refuses it: %s (%s)", x->id,
                    answer->message, answer->code);
        o.why = STR("Stripe refused the order.");
        enum err failed = store_write(p->options.store, refused_in, &o);
        return failed != OK ? failed : ERR_UPSTREAM_ERROR;
    }
    return e;
}

/* NOT_FOUND: the customer was deleted there; another one is made, once. */
static enum err page_open(struct payments *p, struct arena *a, const struct payment *x,
                          struct str email, struct stripe_answer *answer)
{
    char customer[128];
    enum err e = ERR_NOT_FOUND;
    for (int i = 0; i < 2 && e == ERR_NOT_FOUND; i++) {
        stripe_answer_fini(answer);
        e = payments_customer(p, x->team, email, customer, answer);
        stripe_answer_fini(answer);
        if (e == OK)
            e = session_open(p, a, x, customer, answer);
        if (e == ERR_NOT_FOUND && payments_customer_gone(p, customer) != OK)
            break;
    }
    return e == ERR_NOT_FOUND ? ERR_UPSTREAM_ERROR : e;
}

enum err payments_checkout(struct payments *p, struct arena *a, const char *order, struct str email,
                           struct payment *ret_payment, struct stripe_answer *ret_answer)
{
    struct payment x;
    memset(ret_answer, 0, sizeof(*ret_answer));
    if (!payments_are_on(p))
        return ERR_NOT_IMPLEMENTED;
    enum err e = read_payment(p, a, str_c(order), &x);
    if (e == OK && x.session.n == 0 && !str_eq(x.status, STR("pending")))
        e = ERR_CONFLICT;
    if (e == OK && x.session.n == 0) {
        e = page_open(p, a, &x, email, ret_answer);
        if (e == OK)
            e = read_payment(p, a, str_c(order), &x);
    }
    if (e == OK)
        *ret_payment = x;
    return e == ERR_FORBIDDEN || e == ERR_INVALID_REQUEST ? ERR_UPSTREAM_ERROR : e;
}

/* ---------------------------------------------------------------- by other means than a page */

enum err payments_failed_in(struct payments *p, struct store_conn *conn, const char *payment,
                            const char *status, struct str why, int64_t now_us)
{
    struct arena a;
    struct payment x;
    arena_init(&a, 4096, 65536);
    enum err e = payments_get(conn, &a, str_c(payment), &x);
    if (e == OK && str_eq(x.status, STR("pending"))) {
        x.status = str_c(status);
        x.failure = str_upto(why, 200);
        x.awaiting = false;
        e = payment_put_in(p, conn, &x, STR("pending"), now_us);
    }
    arena_fini(&a);
    return e;
}

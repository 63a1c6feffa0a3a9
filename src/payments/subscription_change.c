/* What customers and operators ask for: another plan, its end, Stripe's pages. Each call carries a
 * turn, taken before it is sent: so a repetition is the same call to Stripe, and its answer is no
 * older than what came before. */
#include "base/clock.h"
#include "base/json.h"
#include "payments/room.h"

#include <stdio.h>

#define PORTAL_PLANS_MAX 10 /* Stripe takes no more products */

/* ---------------------------------------------------------------- which change it is */

static int64_t monthly_price(const struct plan *x)
{
    return plan_is_yearly(x) ? x->price_minor / 12 : x->price_minor;
}

static const char *obstacle(const struct subscription *x, const struct plan *from,
                            const struct plan *to, bool same)
{
    bool trialing = str_eq(x->status, STR("trialing"));
    if (!trialing && !str_eq(x->status, STR("active")))
        return "Only a subscription that is paid for can be changed.";
    if (x->cancel_at_end)
        return "It ends with this period: resume it first.";
    if (same && str_eq(x->item_price, to->price))
        return "That is the plan that it has.";
    if (!trialing && plan_is_yearly(from) && !plan_is_yearly(to))
        return "A year is paid for: cancel it, and begin the monthly plan after its end.";
    return NULL;
}

enum err subscriptions_change_of(struct payments *p, struct store_conn *conn, struct arena *a,
                                 const struct subscription *x, struct str plan,
                                 struct subscription_change *ret_change, const char **ret_words)
{
    struct subscription_change c = {.at_once = false};
    enum err e = plans_get(p, conn, a, x->plan, x->plan_n, &c.from);
    if (e == OK)
        e = plans_get(p, conn, a, plan, 0, &c.to);
    if (e != OK)
        return e;
    /* Back to what it is, when another one was chosen meanwhile: the version that was bought. */
    bool same = str_eq(plan, x->plan);
    if (same && !str_eq(x->item_price, c.from.price))
        c.to = c.from;
    same = same && c.to.n == c.from.n;
    if (!same && (!c.to.active || c.to.price.n == 0 || !str_eq(c.to.currency, c.from.currency)))
        return ERR_NOT_FOUND;
    *ret_words = obstacle(x, &c.from, &c.to, same);
    if (*ret_words != NULL)
        return ERR_CONFLICT;
    c.at_once = !same && str_eq(x->status, STR("active")) &&
                (monthly_price(&c.to) > monthly_price(&c.from) ||
                 plan_is_yearly(&c.to) != plan_is_yearly(&c.from));
    *ret_change = c;
    return OK;
}

enum err subscriptions_preview(struct payments *p, struct arena *a, const struct subscription *x,
                               const struct subscription_change *change,
                               struct subscription_preview *ret_preview,
                               struct stripe_answer *ret_answer)
{
    struct buf form;
    char random[ID_TEXT_MAX];
    struct invoice_lines lines;
    struct store_conn *conn = NULL;
    memset(ret_answer, 0, sizeof(*ret_answer));
    *ret_preview = (struct subscription_preview){.due_minor = 0};
    if (!change->at_once)
        return OK;
    buf_init(&form, STRIPE_FORM_MAX);
    stripe_form_text(&form, "subscription", x->stripe_id);
    stripe_form_text(&form, "subscription_details[items][0][id]", x->item);
    stripe_form_text(&form, "subscription_details[items][0][price]", change->to.price);
    stripe_form_text(&form, "subscription_details[proration_behavior]", STR("always_invoice"));
    enum err e = stripe_post(&p->options.stripe, "/v1/invoices/create_preview", buf_str(&form),
                             id_text("preview_", id_new(clock_wall_us()), random), ret_answer);
    buf_fini(&form);
    if (e == OK)
        e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return e;
    e = subscription_lines(p, conn, a, ret_answer->json, &lines);
    store_reader_end(&conn);
    ret_preview->due_minor = stripe_i64(ret_answer->json, "amount_due", 0);
    ret_preview->credit = lines.credit;
    return e;
}

/* ---------------------------------------------------------------- sent */

struct seen {
    struct payments *p;
    const char *id;
    struct str object;
    int64_t turn, now_us;
    int64_t next_turn; /* 0, or a later one in which to look again */
};

static enum err seen_in(struct store_conn *conn, void *arg)
{
    struct seen *s = arg;
    struct arena a;
    struct subscription x;
    arena_init(&a, 16384, 2 * EVENT_BODY_MAX);
    enum err e = subscriptions_get(conn, &a, str_c(s->id), &x);
    s->next_turn = 0;
    if (e == OK && s->turn >= x.applied) {
        e = subscription_seen_in(s->p, conn, &a, &x, s->object, STR(""), s->turn, s->now_us);
    } else if (e == OK) { /* meanwhile somebody has looked: nobody knows at what */
        e = subscription_ask_in(s->p, conn, x.id, STR(""), s->now_us);
        if (e == OK)
            e = subscription_ticket_in(conn, x.id, &s->next_turn);
    }
    arena_fini(&a);
    return e;
}

/* Who asked for it is shown what became of it, whatever was seen before that in a later turn: he
 * looks again, and if Stripe does not answer the job does. */
static enum err seen(struct seen *s, const char *path, struct stripe_answer *answer)
{
    enum err e = store_write(s->p->options.store, seen_in, s);
    if (e != OK || s->next_turn == 0)
        return e;
    stripe_answer_fini(answer);
    if (stripe_get(&s->p->options.stripe, path, answer) != OK)
        return OK;
    s->object = answer->json;
    s->turn = s->next_turn;
    return store_write(s->p->options.store, seen_in, s);
}

static enum err read_row(struct payments *p, struct arena *a, const char *id,
                         struct subscription *ret)
{
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return e;
    e = subscriptions_get(conn, a, str_c(id), ret);
    store_reader_end(&conn);
    return e == OK && ret->stripe_id.n == 0 ? ERR_CONFLICT : e;
}

/* form NULL: its end. */
static enum err send(struct payments *p, struct arena *a, const char *id, struct str stripe_id,
                     int64_t turn, const struct buf *form, struct stripe_answer *answer)
{
    struct buf path;
    buf_init(&path, 1024);
    buf_add(&path, STR("/v1/subscriptions/"));
    stripe_escape(&path, stripe_id);
    buf_byte(&path, '\0');
    struct str key = arena_printf(a, "subscription:%s:%lld", id, (long long)turn);
    enum err e = form != NULL ? stripe_post(&p->options.stripe, path.p, buf_str(form), key, answer)
                              : stripe_delete(&p->options.stripe, path.p, key, answer);
    if (e == OK) {
        struct seen s = {
            .p = p, .id = id, .object = answer->json, .turn = turn, .now_us = clock_wall_us()};
        e = seen(&s, path.p, answer);
    } else if (e == ERR_INVALID_REQUEST && answer->http.status == 402) {
        e = ERR_PAYMENT_FAILED;
    } else if (e == ERR_INVALID_REQUEST || e == ERR_NOT_FOUND) {
        e = ERR_CONFLICT;
    }
    buf_fini(&path);
    return e;
}

enum err subscriptions_change(struct payments *p, struct arena *a, const char *id, int64_t turn,
                              const struct subscription_change *change,
                              struct stripe_answer *ret_answer)
{
    struct subscription x;
    struct buf form;
    memset(ret_answer, 0, sizeof(*ret_answer));
    enum err e = read_row(p, a, id, &x);
    if (e != OK)
        return e;
    buf_init(&form, STRIPE_FORM_MAX);
    stripe_form_text(&form, "items[0][id]", x.item);
    stripe_form_text(&form, "items[0][price]", change->to.price);
    stripe_form_text(&form, "proration_behavior",
                     change->at_once ? STR("always_invoice") : STR("none"));
    if (change->at_once)
        stripe_form_text(&form, "payment_behavior", STR("error_if_incomplete"));
    e = send(p, a, id, x.stripe_id, turn, &form, ret_answer);
    buf_fini(&form);
    return e;
}

enum err subscriptions_cancel(struct payments *p, struct arena *a, const char *id, int64_t turn,
                              bool cancel, struct stripe_answer *ret_answer)
{
    struct subscription x;
    struct buf form;
    memset(ret_answer, 0, sizeof(*ret_answer));
    enum err e = read_row(p, a, id, &x);
    if (e != OK)
        return e;
    buf_init(&form, STRIPE_FORM_MAX);
    stripe_form_bool(&form, "cancel_at_period_end", cancel);
    e = send(p, a, id, x.stripe_id, turn, &form, ret_answer);
    buf_fini(&form);
    return e;
}

enum err subscriptions_end(struct payments *p, struct arena *a, const char *id, int64_t turn,
                           struct stripe_answer *ret_answer)
{
    struct subscription x;
    memset(ret_answer, 0, sizeof(*ret_answer));
    enum err e = read_row(p, a, id, &x);
    return e == OK ? send(p, a, id, x.stripe_id, turn, NULL, ret_answer) : e;
}

/* ---------------------------------------------------------------- the portal */

struct offered {
    struct buf list; /* product, price, a line each plan */
    int n;
};

static void add_offered(void *arg, const struct plan *x)
{
    struct offered *o = arg;
    if (o->n++ < PORTAL_PLANS_MAX)
        buf_printf(&o->list, "%.*s %.*s\n", STR_ARG(x->product), STR_ARG(x->price));
}

static void portal_form(const char *brand, struct str plans, struct buf *form)
{
    static const struct {
        const char *name, *value;
    } always[] = {{"features[invoice_history][enabled]", "true"},
                  {"features[payment_method_update][enabled]", "true"},
                  {"features[customer_update][enabled]", "true"},
                  {"features[customer_update][allowed_updates][0]", "address"},
                  {"features[customer_update][allowed_updates][1]", "tax_id"},
                  {"features[subscription_cancel][enabled]", "true"},
                  {"features[subscription_cancel][mode]", "at_period_end"}};
    static const char update[] = "features[subscription_update]";
    char name[160];
    stripe_form_text(form, "business_profile[headline]",
                     strlen(brand) <= 60 ? str_c(brand) : STR("Billing"));
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        stripe_form_text(form, always[i].name, str_c(always[i].value));
    stripe_form_bool(form, "features[subscription_update][enabled]", plans.n != 0);
    if (plans.n == 0)
        return;
    /* As with us: dearer at once, the rest with the next period. */
    stripe_form_text(form, "features[subscription_update][proration_behavior]",
                     STR("always_invoice"));
    stripe_form_text(form, "features[subscription_update][default_allowed_updates][0]",
                     STR("price"));
    stripe_form_text(form,
                     "features[subscription_update][schedule_at_period_end][conditions][0][type]",
                     STR("decreasing_item_amount"));
    for (int i = 0; plans.n != 0; i++) {
        struct str price = str_cut(&plans, '\n'), product = str_cut(&price, ' ');
        snprintf(name, sizeof(name), "%s[products][%d][product]", update, i);
        stripe_form_text(form, name, product);
        snprintf(name, sizeof(name), "%s[products][%d][prices][0]", update, i);
        stripe_form_text(form, name, price);
    }
}

struct configured {
    struct str plans, id;
    int64_t livemode;
};

static enum err configured_in(struct store_conn *conn, void *arg)
{
    const struct configured *c = arg;
    return store_run(conn, SQL_PORTAL_PUT, NULL, "tit", c->plans, c->livemode, c->id);
}

static enum err configuration_known(struct store_conn *conn, struct arena *a, struct configured *c)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_PORTAL_GET, &q, "ti", c->plans, c->livemode);
    if (e == OK && (e = store_step(q)) == OK)
        c->id = arena_dup(a, store_str(q, 0));
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

/* One for each set of plans that was ever on offer. */
static enum err configuration(struct payments *p, struct arena *a, struct configured *c,
                              struct stripe_answer *answer)
{
    struct store_conn *conn = NULL;
    struct offered o = {.n = 0};
    struct buf form;
    char hex[2 * CRYPTO_HASH_LEN + 1];
    uint8_t hash[CRYPTO_HASH_LEN];
    buf_init(&o.list, 16384);
    enum err e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return e;
    e = plans_offered(p, conn, add_offered, &o);
    c->plans = arena_dup(a, buf_str(&o.list));
    c->livemode = p->options.stripe.livemode;
    buf_fini(&o.list);
    if (e == OK)
        e = configuration_known(conn, a, c);
    store_reader_end(&conn);
    if (e != OK || c->id.n != 0)
        return e;
    buf_init(&form, STRIPE_FORM_MAX);
    portal_form(p->options.brand, c->plans, &form);
    crypto_sha256(buf_str(&form), hash);
    struct str key = arena_printf(a, "portal:%.*s", STR_ARG(crypto_hex(hash, sizeof(hash), hex)));
    e = stripe_post(&p->options.stripe, "/v1/billing_portal/configurations", buf_str(&form), key,
                    answer);
    buf_fini(&form);
    if (e == OK)
        c->id = arena_dup(a, stripe_text(a, answer->json, "id"));
    return e == OK ? store_write(p->options.store, configured_in, c) : e;
}

enum err subscriptions_portal(struct payments *p, struct arena *a, struct id team,
                              struct str *ret_url, struct stripe_answer *ret_answer)
{
    char customer[128], text[ID_TEXT_MAX];
    struct configured c = {.id = STR("")};
    struct buf form;
    memset(ret_answer, 0, sizeof(*ret_answer));
    if (!payments_are_on(p))
        return ERR_NOT_IMPLEMENTED;
    enum err e = payment_customer_known(p, id_text("team_", team, text), customer);
    if (e == OK)
        e = configuration(p, a, &c, ret_answer);
    if (e != OK)
        return e;
    stripe_answer_fini(ret_answer);
    buf_init(&form, STRIPE_FORM_MAX);
    stripe_form_text(&form, "customer", str_c(customer));
    stripe_form_text(&form, "configuration", c.id);
    stripe_form_text(&form, "return_url", arena_printf(a, "%s/billing", p->options.public_url));
    e = stripe_post(&p->options.stripe, "/v1/billing_portal/sessions", buf_str(&form),
                    id_text("portal_", id_new(clock_wall_us()), text), ret_answer);
    buf_fini(&form);
    if (e == OK)
        *ret_url = arena_dup(a, stripe_text(a, ret_answer->json, "url"));
    return e == ERR_FORBIDDEN || e == ERR_INVALID_REQUEST || e == ERR_NOT_FOUND ? ERR_UPSTREAM_ERROR
                                                                                : e;
}

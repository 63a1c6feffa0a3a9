/* What follows when a subscription changes: the team's limits, its keys at the provider, its
 * webhooks, the mail of its owners. */
#include "control/tell.h"
#include "payments/subscriptions.h"

#include <stdio.h>

/* The tier of the plan that is had, while it may be used. */
static enum err limits_follow(struct control *c, struct store_conn *conn,
                              const struct subscription_told *t)
{
    struct arena a;
    struct subscription had;
    struct limits_raise raise = {t->x->access ? t->plan->rpm : 0,
                                 t->x->access ? t->plan->burst : 0};
    arena_init(&a, 4096, 65536);
    /* An old one that ends takes nothing from the one that is had. */
    enum err e = subscriptions_of_team(conn, &a, t->x->team, &had);
    bool other = e == OK && strcmp(had.id, t->x->id) != 0 && had.access;
    arena_fini(&a);
    if (e != OK || other)
        return e;
    e = limits_plan_set_in(c->limits, conn, t->x->team, raise, t->now_us);
    if (e == OK)
        e = upstream_keys_credit_changed_in(c->upstream_keys, conn, t->x->team, t->now_us);
    return e;
}

static enum err changed_in(struct control *c, struct store_conn *conn,
                           const struct subscription_told *t)
{
    struct arena a;
    struct buf data;
    enum err e = limits_follow(c, conn, t);
    arena_init(&a, 4096, 65536);
    buf_init(&data, 16384);
    buf_byte(&data, '{');
    if (e == OK)
        e = subscriptions_json(c->payments, conn, &a, t->x, true, &data);
    buf_byte(&data, '}');
    if (e == OK)
        e = hooks_tell_in(c->hooks, conn, t->x->team, HOOKS_SUBSCRIPTION_UPDATED, buf_str(&data),
                          STR(""), t->now_us);
    buf_fini(&data);
    arena_fini(&a);
    return e;
}

static const struct {
    enum mail_name mail;
    bool amount; /* it says the price */
} mails[SUBSCRIPTION_NEWS__COUNT] = {
    [SUBSCRIPTION_PAYMENT_FAILED] = {MAIL_SUBSCRIPTION_FAILED, true},
    [SUBSCRIPTION_ACTION_REQUIRED] = {MAIL_SUBSCRIPTION_ACTION, true},
    [SUBSCRIPTION_LAST_WARNING] = {MAIL_SUBSCRIPTION_WARNING, false},
    [SUBSCRIPTION_TRIAL_ENDS] = {MAIL_SUBSCRIPTION_TRIAL, true},
    [SUBSCRIPTION_ENDED] = {MAIL_SUBSCRIPTION_ENDED, false},
};

static enum err mail_in(struct control *c, struct store_conn *conn,
                        const struct subscription_told *t)
{
    char amount[UNITS_TEXT_MAX + 16], text[UNITS_TEXT_MAX], once[200];
    struct nano price = NANO(0);
    enum err e = stripe_to_nano(t->plan->currency, t->plan->price_minor, &price);
    if (e != OK)
        return ERR_CORRUPT;
    int n = snprintf(amount, sizeof(amount), "%.*s %.*s", STR_ARG(nano_format(price, text)),
                     STR_ARG(t->plan->currency));
    int64_t ends_us = t->what == SUBSCRIPTION_TRIAL_ENDS     ? t->x->trial_end_us
                      : t->what == SUBSCRIPTION_LAST_WARNING ? t->x->grace_until_us
                                                             : t->now_us;
    struct mail_vars v = {.path = STR("/billing"),
                          .name = str_upto(t->plan->name, 100),
                          .amount = str_of(amount, (size_t)n),
                          .at_us = ends_us};
    int k = snprintf(once, sizeof(once), "%d %.*s", (int)t->what, STR_ARG(str_upto(t->once, 150)));
    return tell_owners_in(c, conn, t->x->team, mails[t->what].mail, &v, str_of(once, (size_t)k),
                          t->now_us);
}

enum err control_subscription_changed_in(void *control, struct store_conn *conn,
                                         const struct subscription_told *told)
{
    return told->what == SUBSCRIPTION_CHANGED ? changed_in(control, conn, told)
                                              : mail_in(control, conn, told);
}

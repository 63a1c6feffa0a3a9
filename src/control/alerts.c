/* Thresholds: balances that fell, months that cost more than was thought.
 *
 * A threshold of the balance is armed while the balance is above it; falling below tells, once, and
 * it is armed again by a tenth more than it, so that a balance that hovers there tells once too. */
#include "base/clock.h"
#include "base/mem.h"
#include "control/tell.h"
#include "gateway/past.h"

#include <stdio.h>
#include <stdlib.h>

#define LOOK_EVERY_US (15 * US_PER_S)
#define TEAMS_MAX 100000

/* ---- rules ---- */

static int falling(const void *a, const void *b)
{
    const struct nano *x = a, *y = b;
    return x->v < y->v ? 1 : x->v > y->v ? -1 : 0;
}

bool tell_amounts(struct str lines, struct nano *ret_list, size_t *ret_n)
{
    size_t n = 0;
    struct nano list[TELL_THRESHOLDS_MAX];
    while (lines.n != 0) {
        struct nano amount;
        if (n == TELL_THRESHOLDS_MAX || nano_parse(str_cut(&lines, '\n'), false, &amount) != OK ||
            amount.v <= 0 || amount.v > 1000000000 * NANO_PER_USD)
            return false;
        list[n++] = amount;
    }
    qsort(list, n, sizeof(*list), falling);
    for (size_t i = 1; i < n; i++)
        if (list[i].v == list[i - 1].v)
            return false;
    memcpy(ret_list, list, n * sizeof(*list));
    *ret_n = n;
    return true;
}

enum err tell_rule_get(struct control *c, struct store_conn *conn, struct id team,
                       struct tell_rule *ret_rule)
{
    struct store_query *q = NULL;
    char t[ID_TEXT_MAX];
    struct tell_rule r = {.low = {c->low_balance}, .low_n = c->low_balance.v > 0};
    enum err e = store_start(conn, SQL_ALERT_GET, &q, "t", id_text("team_", team, t));
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        r.seen = true;
        r.low_set = store_i64(q, 1) != 0;
        if ((r.low_set && !tell_amounts(store_str(q, 0), r.low, &r.low_n)) ||
            !tell_amounts(store_str(q, 2), r.spent, &r.spent_n))
            e = ERR_CORRUPT;
        r.armed = store_i64(q, 3);
        r.told = store_i64(q, 4);
        r.month_us = store_i64(q, 5);
    }
    store_finish(&q);
    *ret_rule = r;
    return e == ERR_END ? OK : e;
}

static void lines(struct buf *b, const struct nano *list, size_t n)
{
    char text[UNITS_TEXT_MAX];
    for (size_t i = 0; i < n; i++) {
        if (i != 0)
            buf_byte(b, '\n');
        buf_add(b, nano_format(list[i], text));
    }
}

enum err tell_rule_set_in(struct store_conn *conn, struct id team, const struct tell_rule *rule)
{
    char t[ID_TEXT_MAX];
    struct buf low, spent;
    buf_init(&low, 512);
    buf_init(&spent, 512);
    if (rule->low_set)
        lines(&low, rule->low, rule->low_n);
    lines(&spent, rule->spent, rule->spent_n);
    enum err e = store_run(conn, SQL_ALERT_SET, NULL, "ttitiii", id_text("team_", team, t),
                           buf_str(&low), (int64_t)rule->low_set, buf_str(&spent), rule->armed,
                           rule->told, rule->month_us);
    buf_fini(&low);
    buf_fini(&spent);
    return e;
}

bool tell_rule_look(struct tell_rule *rule, struct nano balance, struct nano spent,
                    int64_t month_us, int *ret_low, int *ret_spent)
{
    struct tell_rule before = *rule;
    *ret_low = *ret_spent = -1;
    if (rule->month_us != month_us)
        rule->told = 0;
    rule->month_us = rule->spent_n != 0 ? month_us : 0;
    for (size_t i = 0; i < rule->low_n; i++) {
        int64_t bit = INT64_C(1) << i, at = rule->low[i].v;
        if ((rule->armed & bit) != 0 && balance.v < at) {
            rule->armed &= ~bit;
            *ret_low = (int)i; /* the lowest, when several were passed at once */
        } else if (balance.v >= (rule->seen ? at + at / 10 : at)) {
            rule->armed |= bit;
        }
    }
    for (size_t i = rule->spent_n; i-- > 0;) {
        int64_t bit = INT64_C(1) << i;
        if ((rule->told & bit) != 0 || spent.v < rule->spent[i].v)
            continue;
        rule->told |= bit;
        *ret_spent = (int)i; /* the highest */
    }
    rule->seen = true;
    return !before.seen || before.armed != rule->armed || before.told != rule->told ||
           before.month_us != rule->month_us;
}

/* ---- looking ---- */

struct look {
    struct control *c;
    struct id team;
    int64_t now_us;
    struct nano spent;
    bool due;
};

static struct nano balance_of(const struct look *l)
{
    const struct ledger_account *a = ledger_find(l->c->ledger, l->team);
    return a != NULL ? ledger_balance(a) : NANO(0);
}

static enum err low_in(struct look *l, struct store_conn *conn, struct nano threshold)
{
    const struct ledger_account *a = ledger_find(l->c->ledger, l->team);
    struct nano balance = balance_of(l);
    char text[UNITS_TEXT_MAX], amount[UNITS_TEXT_MAX + 1];
    struct buf b;
    buf_init(&b, 4096);
    buf_byte(&b, '{');
    buf_json_nano(&b, "balance", balance);
    buf_json_nano(&b, "available", a != NULL ? ledger_available(a) : NANO(0));
    buf_json_nano(&b, "threshold", threshold);
    buf_json_member(&b, "currency", STR("USD"));
    buf_json_key(&b, "top_up_url");
    buf_byte(&b, '"');
    buf_printf(&b, "%s/billing\"}", l->c->public_url);
    enum err e = hooks_tell_in(l->c->hooks, conn, l->team, HOOKS_BALANCE_LOW, buf_str(&b), STR(""),
                               l->now_us);
    buf_fini(&b);
    /* In whole cents, as a person reads it. */
    struct nano cents = NANO(balance.v - balance.v % 10000000);
    int n = snprintf(amount, sizeof(amount), "$%.*s", STR_ARG(nano_format(cents, text)));
    struct mail_vars v = {.path = STR("/billing"), .amount = str_of(amount, (size_t)n)};
    return e == OK ? tell_owners_in(l->c, conn, l->team, MAIL_LOW_BALANCE, &v, STR(""), l->now_us)
                   : e;
}

static enum err spent_in(struct look *l, struct store_conn *conn, struct nano threshold)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_byte(&b, '{');
    buf_json_nano(&b, "spent", l->spent);
    buf_json_nano(&b, "threshold", threshold);
    buf_json_key(&b, "period");
    buf_byte(&b, '{');
    buf_json_time(&b, "start", clock_month_start(l->now_us));
    buf_json_time(&b, "end", clock_month_start(clock_month_start(l->now_us) + 32 * US_PER_DAY));
    buf_byte(&b, '}');
    buf_json_member(&b, "currency", STR("USD"));
    buf_byte(&b, '}');
    enum err e = hooks_tell_in(l->c->hooks, conn, l->team, HOOKS_USAGE_THRESHOLD, buf_str(&b),
                               STR(""), l->now_us);
    buf_fini(&b);
    return e;
}

/* Reads the rule again: it may have been changed since it was looked at. */
static enum err look_in(struct store_conn *conn, void *arg)
{
    struct look *l = arg;
    struct tell_rule rule;
    char t[ID_TEXT_MAX];
    int low, spent;
    enum err e = tell_rule_get(l->c, conn, l->team, &rule);
    if (e == OK && tell_rule_look(&rule, balance_of(l), l->spent, clock_month_start(l->now_us),
                                  &low, &spent)) {
        e = tell_rule_set_in(conn, l->team, &rule);
        if (e == OK && low >= 0)
            e = low_in(l, conn, rule.low[low]);
        if (e == OK && spent >= 0)
            e = spent_in(l, conn, rule.spent[spent]);
    }
    return e == OK && l->due
               ? store_run(conn, SQL_ALERT_DUE_DROP, NULL, "t", id_text("team_", l->team, t))
               : e;
}

static enum err spent_this_month(struct look *l, struct store_conn *conn)
{
    struct past_sums sums = {0};
    enum err e = past_sums_read(conn, l->team, clock_month_start(l->now_us) / US_PER_HOUR,
                                l->now_us / US_PER_DAY * 24 + 24, &sums);
    l->spent = sums.charge;
    return e;
}

static enum err look(struct look *l)
{
    struct store_conn *conn = NULL;
    struct tell_rule rule;
    int low, spent;
    enum err e = store_reader_begin(l->c->store, &conn);
    if (e != OK)
        return e;
    e = tell_rule_get(l->c, conn, l->team, &rule);
    if (e == OK && rule.spent_n != 0)
        e = spent_this_month(l, conn);
    store_reader_end(&conn);
    if (e != OK || (!tell_rule_look(&rule, balance_of(l), l->spent, clock_month_start(l->now_us),
                                    &low, &spent) &&
                    !l->due))
        return e;
    return store_write(l->c->store, look_in, l);
}

struct teams {
    struct id *list;
    size_t n;
};

static enum err collect(struct store_conn *conn, enum sql_id sql, int64_t day, struct teams *t)
{
    struct store_query *q = NULL;
    bool active = sql == SQL_ALERT_ACTIVE;
    enum err e = active ? store_start(conn, sql, &q, "i", day) : store_start(conn, sql, &q, "");
    while (e == OK && t->n < TEAMS_MAX && (e = store_step(q)) == OK) {
        struct id id = id_of_bytes(store_str(q, 0));
        if (active || id_parse("team_", store_str(q, 0), &id))
            t->list[t->n++] = id;
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

static enum err look_at_all(struct control *c, int64_t now_us)
{
    struct store_conn *conn = NULL;
    struct teams t = {.list = mem_array(TEAMS_MAX, sizeof(*t.list))};
    size_t due = 0;
    enum err e = store_reader_begin(c->store, &conn);
    if (e == OK) {
        e = collect(conn, SQL_ALERT_DUE, 0, &t);
        due = t.n;
        if (e == OK)
            e = collect(conn, SQL_ALERT_ACTIVE, now_us / US_PER_DAY - 1, &t);
        store_reader_end(&conn);
    }
    for (size_t i = 0; i < t.n && e == OK; i++) {
        struct look l = {.c = c, .team = t.list[i], .now_us = now_us, .due = i < due};
        e = look(&l);
    }
    mem_free(t.list);
    return e;
}

static enum jobs_outcome look_step(struct jobs_call *call)
{
    enum err e = look_at_all(call->arg, call->now_us);
    if (e == OK)
        return JOBS_DONE;
    snprintf(call->why, sizeof(call->why), "balances could not be looked at: %s",
             err_info(e)->name);
    return JOBS_RETRY;
}

static const struct jobs_step steps[] = {{.name = "look", .run = look_step}};

void tell_alerts_add(struct control *c, struct jobs_kind *kind)
{
    *kind = (struct jobs_kind){
        .name = "alerts", .steps = steps, .steps_n = 1, .every_us = LOOK_EVERY_US, .arg = c};
    jobs_kind_add(c->jobs, kind);
}

enum err tell_credit_changed_in(struct store_conn *conn, struct id wallet)
{
    char t[ID_TEXT_MAX];
    return store_run(conn, SQL_ALERT_DUE_ADD, NULL, "t", id_text("team_", wallet, t));
}

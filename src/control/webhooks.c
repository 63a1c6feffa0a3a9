/* /api/webhooks: a team's endpoints, what went to them; /api/billing/alerts: when it is told. */
#include "base/clock.h"
#include "base/mem.h"
#include "control/body.h"
#include "control/period.h"
#include "control/routes.h"
#include "control/tell.h"
#include "control/write.h"

#define SHOWN_MAX (64u * 1024)
#define GRACE_S 86400

/* ---- an endpoint as JSON ---- */

/* Left open. */
static void members(struct buf *b, const struct hooks_endpoint *e, int64_t now_us)
{
    bool on = str_eq(e->state, STR("enabled"));
    struct str events = e->events;
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", e->id);
    buf_json_member(b, "url", e->url);
    buf_json_member(b, "description", e->description);
    buf_json_key(b, "events");
    buf_byte(b, '[');
    while (events.n != 0) {
        buf_json_comma(b);
        buf_json_str(b, str_cut(&events, '\n'));
    }
    buf_byte(b, ']');
    buf_json_member(b, "status", on ? STR("enabled") : STR("disabled"));
    buf_json_member(b, "disabled_reason", on ? STR("") : e->state);
    buf_json_time(b, "created_at", e->created_us);
    buf_json_time(b, "updated_at", e->updated_us);
    buf_json_time(b, "failing_since", e->failing_since_us);
    buf_json_time(b, "old_secret_until", e->old_until_us > now_us ? e->old_until_us : 0);
}

struct shown {
    struct buf *out;
    int64_t now_us;
    bool open;
};

static void show(void *arg, const struct hooks_endpoint *e)
{
    const struct shown *s = arg;
    members(s->out, e, s->now_us);
    if (!s->open)
        buf_byte(s->out, '}');
}

CONTROL_ASK(control_webhooks_list)
{
    struct store_conn *conn = NULL;
    struct shown s = {.out = &reply->body, .now_us = who->now_us};
    (void)r;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    buf_add(&reply->body, STR("{\"data\":["));
    e = hooks_list(conn, who->team, show, &s);
    buf_add(&reply->body, STR("],\"has_more\":false,\"next_cursor\":null}"));
    store_reader_end(&conn);
    return e;
}

CONTROL_ASK(control_webhook_get)
{
    struct store_conn *conn = NULL;
    struct shown s = {.out = &reply->body, .now_us = who->now_us};
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = hooks_get(conn, who->team, r->params[0], show, &s);
    store_reader_end(&conn);
    return e;
}

/* ---- changes ---- */

struct hook_write {
    struct control_write w;
    struct hooks_endpoint e; /* what is asked for */
    bool url_given, description_given, events_given, enabled, enabled_given;
    int64_t grace_s, start_us, end_us, replayed;
    struct str delivery, state;
    char id[ID_TEXT_MAX], made[ID_TEXT_MAX], secret[HOOKS_SECRET_MAX];
    struct buf shown;
};

static enum err run(struct hook_write *h, struct control *c, const struct control_who *who,
                    const struct http_request *r, struct http_reply *reply)
{
    h->w.c = c;
    h->w.who = who;
    h->w.r = r;
    h->w.reply = reply;
    h->w.arg = h;
    buf_init(&h->shown, SHOWN_MAX);
    enum err e = control_write_run(&h->w);
    mem_wipe(h->secret, sizeof(h->secret));
    buf_fini(&h->shown);
    return e;
}

static enum err show_in(struct hook_write *h, struct store_conn *conn, struct str id)
{
    struct shown s = {.out = &h->shown, .now_us = h->w.who->now_us, .open = true};
    buf_reset(&h->shown);
    return hooks_get(conn, h->w.who->team, id, show, &s);
}

static void name_object(struct hook_write *h, struct str id)
{
    must(id.n < sizeof(h->w.object));
    memcpy(h->w.object, id.p, id.n);
    h->w.object[id.n] = '\0';
}

static void endpoint_json(struct control_write *w, bool first, struct buf *b)
{
    const struct hook_write *h = w->arg;
    buf_add(b, buf_str(&h->shown));
    if (h->secret[0] != '\0') {
        buf_json_key(b, "secret");
        if (first)
            buf_json_str(b, str_c(h->secret));
        else
            buf_add(b, STR("null"));
    }
    buf_byte(b, '}');
}

static enum err read_endpoint(struct hook_write *h, struct control *c, const struct http_request *r,
                              struct http_reply *reply, bool anew)
{
    const struct control_field fields[] = {
        {.name = "url",
         .kind = CONTROL_TEXT,
         .to = &h->e.url,
         .min = 1,
         .max = 2048,
         .required = anew,
         .given = &h->url_given},
        {.name = "events",
         .kind = CONTROL_TEXTS,
         .to = &h->e.events,
         .required = anew,
         .given = &h->events_given},
        {.name = "description",
         .kind = CONTROL_TEXT,
         .to = &h->e.description,
         .max = 200,
         .given = &h->description_given},
        {.name = "enabled", .kind = CONTROL_BOOL, .to = &h->enabled, .given = &h->enabled_given}};
    enum err e = control_body_read(r, reply, fields, anew ? 3 : 4);
    const char *fault = e == OK && h->url_given ? hooks_url_fault(c->hooks, h->e.url) : NULL;
    if (fault != NULL)
        return control_wrong(reply, ERR_VALIDATION_FAILED, "url", fault);
    if (e == OK && h->events_given && !hooks_events_are_good(h->e.events))
        return control_wrong(reply, ERR_VALIDATION_FAILED, "events",
                             "'events' takes names of events, or \"*\" for all.");
    return e;
}

static enum err create_in(struct control_write *w, struct store_conn *conn)
{
    struct hook_write *h = w->arg;
    h->e.team = w->who->team;
    enum err e = hooks_add_in(w->c->hooks, conn, &h->e, w->who->now_us, h->id, h->secret);
    if (e == ERR_CONFLICT)
        w->reply->message = STR("A team has at most 20 endpoints: remove one first.");
    if (e == OK)
        e = show_in(h, conn, str_c(h->id));
    name_object(h, str_c(h->id));
    return e;
}

CONTROL_ASK(control_webhook_create)
{
    struct hook_write h = {
        .w = {.action = "webhook.create", .work = create_in, .json = endpoint_json, .status = 201},
        .e = {.url = STR(""), .description = STR(""), .events = STR("")}};
    enum err e = read_endpoint(&h, c, r, reply, true);
    return e == OK ? run(&h, c, who, r, reply) : e;
}

/* What is not asked for stays as it was. */
static void merge(void *arg, const struct hooks_endpoint *was)
{
    struct hook_write *h = arg;
    struct arena *a = h->w.reply->arena;
    if (!h->url_given)
        h->e.url = arena_dup(a, was->url);
    if (!h->description_given)
        h->e.description = arena_dup(a, was->description);
    if (!h->events_given)
        h->e.events = arena_dup(a, was->events);
    h->e.state = arena_dup(a, was->state);
    if (h->enabled_given)
        h->e.state = h->enabled ? STR("enabled") : STR("manual");
}

static enum err edit_in(struct control_write *w, struct store_conn *conn)
{
    struct hook_write *h = w->arg;
    enum err e = hooks_get(conn, w->who->team, h->e.id, merge, h);
    if (e == OK)
        e = hooks_edit_in(conn, &h->e, w->who->now_us);
    if (e == OK)
        e = show_in(h, conn, h->e.id);
    if (e == OK)
        name_object(h, h->e.id);
    return e;
}

CONTROL_ASK(control_webhook_edit)
{
    struct hook_write h = {.w = {.action = "webhook.edit", .work = edit_in, .json = endpoint_json},
                           .e = {.id = r->params[0]}};
    enum err e = read_endpoint(&h, c, r, reply, false);
    return e == OK ? run(&h, c, who, r, reply) : e;
}

static enum err drop_in(struct control_write *w, struct store_conn *conn)
{
    struct hook_write *h = w->arg;
    enum err e = hooks_drop_in(conn, w->who->team, h->e.id);
    if (e == OK)
        name_object(h, h->e.id);
    return e;
}

CONTROL_ASK(control_webhook_delete)
{
    struct hook_write h = {.w = {.action = "webhook.delete", .work = drop_in},
                           .e = {.id = r->params[0]}};
    return run(&h, c, who, r, reply);
}

static enum err rotate_in(struct control_write *w, struct store_conn *conn)
{
    struct hook_write *h = w->arg;
    enum err e = hooks_rotate_in(w->c->hooks, conn, w->who->team, h->e.id, h->grace_s * US_PER_S,
                                 w->who->now_us, h->secret);
    if (e == OK)
        e = show_in(h, conn, h->e.id);
    if (e == OK)
        name_object(h, h->e.id);
    return e;
}

CONTROL_ASK(control_webhook_rotate)
{
    struct hook_write h = {
        .w = {.action = "webhook.rotate", .work = rotate_in, .json = endpoint_json},
        .e = {.id = r->params[0]},
        .grace_s = GRACE_S};
    const struct control_field fields[] = {
        {.name = "grace_seconds", .kind = CONTROL_INT, .to = &h.grace_s, .max = HOOKS_GRACE_S_MAX}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    return e == OK ? run(&h, c, who, r, reply) : e;
}

/* ---- deliveries ---- */

static void shown_json(struct control_write *w, bool first, struct buf *b)
{
    const struct hook_write *h = w->arg;
    (void)first;
    buf_add(b, buf_str(&h->shown));
}

/* The delivery that was made, as the answer. */
static enum err show_made(struct hook_write *h, struct store_conn *conn)
{
    buf_reset(&h->shown);
    enum err e = hooks_delivery_json(conn, h->e.id, str_c(h->made), &h->shown);
    if (e == OK)
        name_object(h, h->e.id);
    return e;
}

static enum err try_in(struct control_write *w, struct store_conn *conn)
{
    struct hook_write *h = w->arg;
    enum err e = hooks_try_in(w->c->hooks, conn, w->who->team, h->e.id, w->who->now_us, h->made);
    return e == OK ? show_made(h, conn) : e;
}

CONTROL_ASK(control_webhook_test)
{
    struct hook_write h = {
        .w = {.action = "webhook.test", .work = try_in, .json = shown_json, .status = 202},
        .e = {.id = r->params[0]}};
    enum err e = control_body_read(r, reply, NULL, 0);
    return e == OK ? run(&h, c, who, r, reply) : e;
}

static enum err replay_in(struct control_write *w, struct store_conn *conn)
{
    struct hook_write *h = w->arg;
    enum err e = hooks_replay_in(w->c->hooks, conn, w->who->team, h->e.id, h->delivery,
                                 w->who->now_us, h->made);
    return e == OK ? show_made(h, conn) : e;
}

CONTROL_ASK(control_webhook_replay)
{
    struct hook_write h = {
        .w = {.action = "webhook.replay", .work = replay_in, .json = shown_json, .status = 202},
        .e = {.id = r->params[0]},
        .delivery = r->params[1]};
    enum err e = control_body_read(r, reply, NULL, 0);
    return e == OK ? run(&h, c, who, r, reply) : e;
}

static enum err replay_range_in(struct control_write *w, struct store_conn *conn)
{
    struct hook_write *h = w->arg;
    enum err e = hooks_replay_range_in(w->c->hooks, conn, w->who->team, h->e.id, h->start_us,
                                       h->end_us, h->state, w->who->now_us, &h->replayed);
    buf_reset(&h->shown);
    buf_byte(&h->shown, '{');
    buf_json_i64(&h->shown, "replayed", h->replayed);
    buf_byte(&h->shown, '}');
    if (e == OK)
        name_object(h, h->e.id);
    return e;
}

static bool is_state(struct str s)
{
    return str_eq(s, STR("pending")) || str_eq(s, STR("delivered")) || str_eq(s, STR("failed")) ||
           str_eq(s, STR("cancelled"));
}

#define STATES "'status' takes pending, delivered, failed or cancelled."

CONTROL_ASK(control_webhook_replay_range)
{
    struct hook_write h = {.w = {.action = "webhook.replay",
                                 .work = replay_range_in,
                                 .json = shown_json,
                                 .status = 202},
                           .e = {.id = r->params[0]},
                           .end_us = who->now_us,
                           .state = STR("failed")};
    const struct control_field fields[] = {
        {.name = "start", .kind = CONTROL_TIME, .to = &h.start_us, .required = true},
        {.name = "end", .kind = CONTROL_TIME, .to = &h.end_us},
        {.name = "status", .kind = CONTROL_TEXT, .to = &h.state}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && !is_state(h.state))
        e = control_wrong(reply, ERR_INVALID_REQUEST, "status", STATES);
    return e == OK ? run(&h, c, who, r, reply) : e;
}

struct listing {
    struct control_page page;
};

static bool list_row(void *arg, struct str id)
{
    struct listing *l = arg;
    return control_page_row(&l->page, id);
}

CONTROL_ASK(control_webhook_deliveries)
{
    struct store_conn *conn = NULL;
    struct listing l;
    struct str state = STR("");
    enum err e = control_page_begin(r, reply, &l.page);
    if (e == OK && http_query(r, reply->arena, STR("status"), &state) && !is_state(state))
        e = control_wrong(reply, ERR_INVALID_REQUEST, "status", STATES);
    if (e == OK)
        e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = hooks_get(conn, who->team, r->params[0], NULL, NULL);
    if (e == OK)
        e = hooks_deliveries_json(conn, r->params[0], state, l.page.after, l.page.limit + 1,
                                  list_row, &l, &reply->body);
    store_reader_end(&conn);
    control_page_end(&l.page, reply);
    return e;
}

CONTROL_ASK(control_webhook_delivery)
{
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = hooks_get(conn, who->team, r->params[0], NULL, NULL);
    if (e == OK)
        e = hooks_delivery_json(conn, r->params[0], r->params[1], &reply->body);
    store_reader_end(&conn);
    return e;
}

/* ---- thresholds ---- */

static void amounts_json(struct buf *b, const char *name, const struct nano *list, size_t n)
{
    char text[UNITS_TEXT_MAX];
    buf_json_key(b, name);
    buf_byte(b, '[');
    for (size_t i = 0; i < n; i++) {
        buf_json_comma(b);
        buf_json_str(b, nano_format(list[i], text));
    }
    buf_byte(b, ']');
}

static void rule_json(struct buf *b, const struct tell_rule *rule)
{
    buf_byte(b, '{');
    amounts_json(b, "balance_low", rule->low, rule->low_n);
    amounts_json(b, "usage", rule->spent, rule->spent_n);
    buf_byte(b, '}');
}

CONTROL_ASK(control_alerts_get)
{
    struct store_conn *conn = NULL;
    struct tell_rule rule;
    (void)r;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = tell_rule_get(c, conn, who->team, &rule);
    store_reader_end(&conn);
    rule_json(&reply->body, &rule);
    return e;
}

struct alert_write {
    struct control_write w;
    struct tell_rule rule, after;
    bool low_given, spent_given;
};

/* A changed list begins anew: armed as it stands, and this month's spending is told again. */
static enum err alerts_in(struct control_write *w, struct store_conn *conn)
{
    struct alert_write *a = w->arg;
    struct tell_rule *rule = &a->after;
    const struct ledger_account *wallet = ledger_find(w->c->ledger, w->who->team);
    struct nano balance = wallet != NULL ? ledger_balance(wallet) : NANO(0);
    enum err e = tell_rule_get(w->c, conn, w->who->team, rule);
    if (e != OK)
        return e;
    if (a->low_given) {
        memcpy(rule->low, a->rule.low, sizeof(rule->low));
        rule->low_n = a->rule.low_n;
        rule->low_set = true;
        rule->armed = 0;
        for (size_t i = 0; i < rule->low_n; i++)
            rule->armed |= balance.v >= rule->low[i].v ? INT64_C(1) << i : 0;
    }
    if (a->spent_given) {
        memcpy(rule->spent, a->rule.spent, sizeof(rule->spent));
        rule->spent_n = a->rule.spent_n;
        rule->told = 0;
    }
    id_text("team_", w->who->team, w->object);
    e = tell_rule_set_in(conn, w->who->team, rule);
    return e == OK ? tell_credit_changed_in(conn, w->who->team) : e;
}

static void alerts_json(struct control_write *w, bool first, struct buf *b)
{
    const struct alert_write *a = w->arg;
    (void)first;
    rule_json(b, &a->after);
}

CONTROL_ASK(control_alerts_edit)
{
    struct alert_write a = {.w = {.c = c,
                                  .who = who,
                                  .r = r,
                                  .reply = reply,
                                  .arg = &a,
                                  .work = alerts_in,
                                  .json = alerts_json,
                                  .action = "alerts.edit"}};
    struct str low = STR(""), spent = STR("");
    const struct control_field fields[] = {
        {.name = "balance_low", .kind = CONTROL_TEXTS, .to = &low, .given = &a.low_given},
        {.name = "usage", .kind = CONTROL_TEXTS, .to = &spent, .given = &a.spent_given}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && !tell_amounts(low, a.rule.low, &a.rule.low_n))
        return control_wrong(reply, ERR_VALIDATION_FAILED, "balance_low",
                             "It takes at most 5 different amounts in dollars, above 0.");
    if (e == OK && !tell_amounts(spent, a.rule.spent, &a.rule.spent_n))
        return control_wrong(reply, ERR_VALIDATION_FAILED, "usage",
                             "It takes at most 5 different amounts in dollars, above 0.");
    return e == OK ? control_write_run(&a.w) : e;
}

/* /api/admin: what was earned, and what a rule would have earned. */
#include "base/clock.h"
#include "base/json.h"
#include "control/body.h"
#include "control/operator.h"
#include "control/period.h"
#include "gateway/past.h"
#include "identity/people.h"

#define TRY_DAYS 7

/* ---- margin ---- */

struct earning {
    struct control *c;
    struct store_conn *conn;
    struct arena *arena;
    struct buf *out;
    bool by_team;
    int64_t requests;
    struct nano charge, cost;
};

/* Percent of the charge with one place, no floating point. */
static void sums_json(struct buf *b, int64_t requests, struct nano charge, struct nano cost)
{
    struct nano margin = nano_minus(charge, cost);
    buf_json_i64(b, "requests", requests);
    buf_json_nano(b, "charge", charge);
    buf_json_nano(b, "cost", cost);
    buf_json_nano(b, "margin", margin);
    buf_json_key(b, "margin_percent");
    if (charge.v == 0) {
        buf_add(b, STR("null"));
        return;
    }
    int64_t tenths = nano_per_mille(margin, charge);
    buf_printf(b, "\"%s%lld.%lld\"", tenths < 0 ? "-" : "",
               (long long)((tenths < 0 ? -tenths : tenths) / 10),
               (long long)((tenths < 0 ? -tenths : tenths) % 10));
}

static void add_earning(void *arg, const struct past_margin *m)
{
    struct earning *s = arg;
    struct buf *b = s->out;
    char text[ID_TEXT_MAX];
    struct str name = m->model;
    if (s->by_team && identity_team_label(s->conn, s->arena, m->team, &name) != OK)
        name = STR("");
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", s->by_team ? id_text("team_", m->team, text) : m->model);
    buf_json_member(b, "name", name);
    sums_json(b, m->requests, m->charge, m->cost);
    buf_byte(b, '}');
    s->requests += m->requests;
    s->charge = nano_plus(s->charge, m->charge);
    s->cost = nano_plus(s->cost, m->cost);
}

CONTROL_ASK(control_admin_margin)
{
    struct control_period p = {who->now_us - 30 * US_PER_DAY, who->now_us};
    struct earning s = {.c = c, .arena = reply->arena, .out = &reply->body};
    struct str group = STR("model");
    enum err e = control_period_read(r, reply, &p);
    (void)!http_query(r, reply->arena, STR("group"), &group);
    s.by_team = str_eq(group, STR("customer"));
    if (e == OK && !s.by_team && !str_eq(group, STR("model")))
        e = control_wrong(reply, ERR_INVALID_REQUEST, "group", "'group' takes model or customer.");
    if (e == OK)
        e = control_look_back(c, &s.conn);
    if (e != OK)
        return e;
    buf_add(s.out, STR("{\"data\":["));
    /* Names are looked up behind the rows, by another statement of the same connection. */
    e = past_margins(s.conn, s.by_team, p.start_us / US_PER_DAY,
                     (p.end_us + US_PER_DAY - 1) / US_PER_DAY, add_earning, &s);
    store_reader_end(&s.conn);
    buf_add(s.out, STR("],\"total\":{"));
    sums_json(s.out, s.requests, s.charge, s.cost);
    buf_add(s.out, STR("}}"));
    return e;
}

/* ---- a rule, tried on what was sold ---- */

struct trial {
    const struct catalog_snapshot *snapshot;
    struct catalog_rule rule;
    struct buf by_model;
    int64_t calls;
    struct nano charged, would;
};

static int64_t times(int64_t each, int64_t n)
{
    int64_t product;
    return __builtin_mul_overflow(each, n, &product) ? INT64_MAX : product;
}

/* From sums: the minimum is taken call by call, so it counts for all of them together. */
static enum err charge_of(const struct trial *t, const struct past_model *m,
                          struct catalog_plan *plan, struct nano *ret)
{
    struct catalog_rule rule = t->rule;
    struct catalog_price price;
    struct catalog_usage usage = {
        .input = m->input, .output = m->output, .cache_read = m->cache_read};
    rule.min_cost.v = times(rule.min_cost.v, m->requests);
    plan->rule = &rule;
    if (plan->price == NULL)
        return catalog_charge_by_cost(plan, m->cost, ret);
    price = *plan->price;
    price.request.v = times(price.request.v, m->requests);
    plan->price = &price;
    return catalog_charge(plan, &usage, ret);
}

static void try_model(void *arg, const struct past_model *m)
{
    struct trial *t = arg;
    struct catalog_plan plan;
    struct nano would = m->charge;
    enum err e = catalog_plan_make(t->snapshot, m->model, 0, &plan);
    bool applies = (e == OK || e == ERR_UNPRICED_MODEL) &&
                   catalog_plan_try_rule(&plan, m->model, &t->rule) &&
                   charge_of(t, m, &plan, &would) == OK;
    t->calls += m->requests;
    t->charged = nano_plus(t->charged, m->charge);
    t->would = nano_plus(t->would, would);
    if (!applies)
        return;
    struct buf *b = &t->by_model;
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "model", m->model);
    buf_json_i64(b, "calls", m->requests);
    buf_json_nano(b, "charged", m->charge);
    buf_json_nano(b, "would_charge", would);
    buf_byte(b, '}');
}

static enum err rule_read(const struct http_request *r, struct http_reply *reply,
                          struct catalog_rule *rule)
{
    struct str markup = STR("");
    const struct control_field fields[] = {
        {.name = "model", .kind = CONTROL_TEXT, .to = &rule->pattern, .min = 1, .required = true},
        {.name = "markup", .kind = CONTROL_TEXT, .to = &markup, .min = 1, .required = true},
        {.name = "min_cost", .kind = CONTROL_USD, .to = &rule->min_cost},
        {.name = "priority",
         .kind = CONTROL_INT,
         .to = &rule->priority,
         .min = -1000000,
         .max = 1000000},
    };
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && ppm_parse_percent(markup, &rule->markup_ppm) != OK)
        e = control_wrong(reply, ERR_VALIDATION_FAILED, "markup",
                          "It must be percent as a string, e.g. \"20\" or \"12.5\".");
    return e;
}

CONTROL_ASK(control_admin_rule_try)
{
    struct trial t = {.rule = {.id = INT64_MAX, .pattern = STR("")}};
    struct store_conn *conn = NULL;
    int64_t to = who->now_us / US_PER_DAY + 1;
    enum err e = rule_read(r, reply, &t.rule);
    if (e == OK)
        e = control_look_back(c, &conn);
    if (e != OK)
        return e;
    buf_init(&t.by_model, 8u << 20);
    t.snapshot = catalog_ref(c->catalog);
    e = past_models(conn, to - TRY_DAYS, to, try_model, &t);
    catalog_unref(&t.snapshot);
    store_reader_end(&conn);
    struct buf *b = &reply->body;
    buf_byte(b, '{');
    buf_json_i64(b, "calls", t.calls);
    buf_json_nano(b, "charged", t.charged);
    buf_json_nano(b, "would_charge", t.would);
    buf_json_key(b, "by_model");
    buf_byte(b, '[');
    buf_add(b, buf_str(&t.by_model));
    buf_add(b, STR("]}"));
    buf_fini(&t.by_model);
    return e;
}

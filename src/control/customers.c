/* /api/admin/customers: who there is, what he has and spends; credit, limits, suspension. */
#include "base/clock.h"
#include "control/body.h"
#include "control/operator.h"
#include "gateway/past.h"
#include "identity/people.h"
#include "limits/limits.h"

#define ARGS_MAX (64u * 1024)
#define SPENT_DAYS 30
#define HOURS_A_DAY 24

struct showing {
    struct control *c;
    struct store_conn *conn;
    struct buf *out;
    int64_t now_us;
    struct control_page page;
    bool paged;
    struct id team; /* of the one shown last */
    enum err err;
};

/* Left open. */
static void person_json(struct showing *s, const struct identity_person *p)
{
    struct buf *b = s->out;
    struct past_sums spent = {0};
    int64_t to = (s->now_us / US_PER_DAY + 1) * HOURS_A_DAY, last_us = 0;
    const struct ledger_account *a = ledger_find(s->c->ledger, p->team);
    s->err = past_sums_read(s->conn, p->team, to - SPENT_DAYS * HOURS_A_DAY, to, &spent);
    if (s->err == OK)
        s->err = past_last_call(s->conn, p->team, &last_us);
    buf_add(b, STR("{\"user\":{"));
    id_json(b, "id", "usr_", p->user);
    buf_json_member(b, "email", p->email);
    buf_json_member(b, "name", p->name);
    buf_json_member(b, "company", p->company);
    buf_json_time(b, "created_at", p->created_us);
    buf_json_bool(b, "email_verified", p->verified);
    buf_json_bool(b, "is_operator", p->is_operator);
    buf_json_bool(b, "suspended", p->suspended);
    buf_add(b, STR("},\"team\":{"));
    id_json(b, "id", "team_", p->team);
    buf_byte(b, '}');
    buf_json_nano(b, "balance", a != NULL ? ledger_balance(a) : NANO(0));
    buf_json_nano(b, "spent_30d", spent.charge);
    buf_json_i64(b, "requests_30d", spent.requests);
    buf_json_time(b, "last_call_at", last_us);
    s->team = p->team;
}

static void add_person(void *arg, const struct identity_person *p)
{
    struct showing *s = arg;
    char text[ID_TEXT_MAX];
    if (s->err != OK || !control_page_row(&s->page, id_text("usr_", p->user, text)))
        return;
    buf_json_comma(s->out);
    person_json(s, p);
    buf_byte(s->out, '}');
}

CONTROL_ASK(control_admin_customers)
{
    struct showing s = {.c = c, .out = &reply->body, .now_us = who->now_us};
    struct str word = STR("");
    enum err e = control_page_begin(r, reply, &s.page);
    (void)!http_query(r, reply->arena, STR("q"), &word);
    if (e == OK)
        e = control_look_back(c, &s.conn);
    if (e != OK)
        return e;
    e = identity_people(s.conn, word, s.page.after, s.page.limit + 1, add_person, &s);
    store_reader_end(&s.conn);
    control_page_end(&s.page, reply);
    return e == OK ? s.err : e;
}

static void add_key(void *arg, const struct identity_key_row *row)
{
    struct showing *s = arg;
    struct buf *b = s->out;
    buf_json_comma(b);
    buf_byte(b, '{');
    id_json(b, "id", "key_", row->key);
    buf_json_member(b, "name", row->name);
    buf_json_member(b, "key_display", row->display);
    buf_json_member(b, "status", str_c(identity_key_status(row, s->now_us)));
    buf_json_time(b, "created_at", row->created_us);
    buf_json_time(b, "last_used_at", row->last_used_us);
    buf_json_time(b, "expires_at", row->expires_us);
    buf_byte(b, '}');
}

static void note_person(void *arg, const struct identity_person *p)
{
    person_json(arg, p);
}

static enum err customer_json(struct control *c, struct id user, int64_t now_us, struct buf *out)
{
    struct showing s = {.c = c, .out = out, .now_us = now_us};
    struct limits_rule rule;
    enum err e = control_look_back(c, &s.conn);
    if (e != OK)
        return e;
    e = identity_person_get(s.conn, user, note_person, &s);
    if (e == OK)
        e = s.err;
    if (e == OK) {
        buf_json_key(out, "limits");
        limits_get(c->limits, LIMITS_USER, user, &rule);
        control_limits_json(out, &rule);
        buf_json_key(out, "keys");
        buf_byte(out, '[');
        e = identity_key_list(c->identity, s.conn, s.team, (struct id){{0}}, add_key, &s);
        buf_byte(out, ']');
    }
    if (e == OK) {
        buf_json_key(out, "lots");
        e = control_lots_json(c, s.conn, s.team, out);
    }
    if (e == OK) {
        buf_json_key(out, "upstream_key");
        e = control_upstream_key_json(s.conn, user, out);
        buf_byte(out, '}');
    }
    store_reader_end(&s.conn);
    return e;
}

CONTROL_ASK(control_admin_customer)
{
    struct id user;
    if (!id_parse("usr_", r->params[0], &user))
        return ERR_NOT_FOUND;
    return customer_json(c, user, who->now_us, &reply->body);
}

/* The operation on the customer of the path, then the customer as he is now. */
static enum err change(struct control *c, const struct control_who *who,
                       const struct http_request *r, struct http_reply *reply,
                       const char *operation, struct buf *args)
{
    struct id user;
    struct buf result;
    if (!id_parse("usr_", r->params[0], &user))
        return ERR_NOT_FOUND;
    buf_json_member(args, "user", r->params[0]);
    buf_init(&result, ARGS_MAX);
    enum err e = operator_perform(c, who, r, reply, operation, args, &result);
    buf_fini(&result);
    return e == OK ? customer_json(c, user, who->now_us, &reply->body) : e;
}

static enum err suspend(struct control *c, const struct control_who *who,
                        const struct http_request *r, struct http_reply *reply, bool lift)
{
    struct buf args;
    buf_init(&args, ARGS_MAX);
    enum err e = operator_args(r, reply, NULL, 0, &args);
    if (e == OK && lift)
        buf_json_bool(&args, "lift", true);
    if (e == OK)
        e = change(c, who, r, reply, "user.suspend", &args);
    buf_fini(&args);
    return e;
}

CONTROL_ASK(control_admin_suspend)
{
    return suspend(c, who, r, reply, false);
}

CONTROL_ASK(control_admin_unsuspend)
{
    return suspend(c, who, r, reply, true);
}

CONTROL_ASK(control_admin_credit)
{
    static const struct operator_member members[] = {{"amount", "amount"}, {"reason", "reason"}};
    struct str idempotency = http_request_header(r, STR("idempotency-key"));
    struct buf args;
    buf_init(&args, ARGS_MAX);
    enum err e = operator_args(r, reply, members, 2, &args);
    if (e == OK && idempotency.n != 0)
        buf_json_member(&args, "idempotency-key", idempotency);
    if (e == OK)
        e = change(c, who, r, reply, "credit.add", &args);
    buf_fini(&args);
    return e;
}

CONTROL_ASK(control_admin_limits)
{
    struct limits_rule rule = LIMITS_UNSET;
    struct buf args;
    struct str object;
    enum err e = operator_object(r, reply, &object);
    if (e == OK)
        e = control_limits_read(object, reply, &rule);
    if (e != OK)
        return e;
    buf_init(&args, ARGS_MAX);
    buf_byte(&args, '{');
    control_limits_args(&rule, &args);
    e = change(c, who, r, reply, "limits.set", &args);
    buf_fini(&args);
    return e;
}

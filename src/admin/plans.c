/* Plans that are sold by subscription. */
#include "payments/plans.h"

#include "admin/admin.h"
#include "base/json.h"

struct change {
    struct admin_run *run;
    struct plan plan;
};

static enum err usd(struct admin_run *run, const char *name, struct nano *ret)
{
    struct str s = admin_arg(run, name);
    if (s.n == 0 || nano_parse(s, false, ret) == OK)
        return OK;
    return admin_no(run, ERR_VALIDATION_FAILED, "--%s takes an amount, e.g. 20", name);
}

static struct str text_or(struct admin_run *run, const char *name, const char *otherwise)
{
    struct str s = admin_arg(run, name);
    return s.n != 0 ? s : str_c(otherwise);
}

static enum err read_plan(struct admin_run *run, struct plan *x)
{
    struct nano price = NANO(0);
    const char *field = NULL;
    *x = (struct plan){.name = admin_arg(run, "name"),
                       .description = admin_arg(run, "description"),
                       .active = true,
                       .currency = str_c(payments_stripe(run->a->payments)->currency),
                       .period = text_or(run, "interval", "month"),
                       .roll_over = text_or(run, "roll-over", "none"),
                       .product = STR(""),
                       .price = STR("")};
    enum err e = usd(run, "price", &price);
    if (e == OK)
        e = usd(run, "monthly-credit", &x->monthly_credit);
    if (e == OK)
        e = usd(run, "roll-over-max", &x->roll_over_max);
    if (e == OK)
        e = usd(run, "trial-credit", &x->trial_credit);
    if (e == OK)
        e = admin_int(run, "rpm", 1, 1000000, &x->rpm);
    if (e == OK)
        e = admin_int(run, "burst", 1, 1000000, &x->burst);
    if (e == OK)
        e = admin_int(run, "trial-days", 0, 730, &x->trial_days);
    if (e == OK && stripe_to_minor(x->currency, price, &x->price_minor) != OK)
        e = admin_no(run, ERR_VALIDATION_FAILED, "--price must be a whole number of cents");
    const char *words = e == OK ? plans_fault(x, &field) : NULL;
    return words == NULL ? e : admin_no(run, ERR_VALIDATION_FAILED, "%s: %s", field, words);
}

static enum err put_in(struct store_conn *conn, void *arg)
{
    struct change *c = arg;
    struct plan x = c->plan; /* (a closure may run again) */
    enum err e = plans_put_in(c->run->a->payments, conn, &x, c->run->now_us);
    if (e == ERR_NOT_IMPLEMENTED)
        return admin_no(c->run, e, "nothing is sold here: [stripe] secret_key is not configured");
    if (e == OK)
        e = admin_audit(c->run, conn, c->plan.id[0] != '\0' ? "plan.edit" : "plan.create",
                        str_c(x.id));
    if (e != OK)
        return e;
    buf_reset(c->run->out);
    buf_byte(c->run->out, '{');
    plans_json(&x, c->run->out);
    buf_byte(c->run->out, '}');
    return OK;
}

static enum err plan_add(struct admin_run *run)
{
    struct change c = {.run = run};
    enum err e = read_plan(run, &c.plan);
    return e == OK ? store_write(run->a->store, put_in, &c) : e;
}

static enum err plan_retire(struct admin_run *run)
{
    struct change c = {.run = run};
    struct store_conn *conn = NULL;
    struct str id = admin_arg(run, "id");
    enum err e = store_reader_begin(run->a->store, &conn);
    if (e != OK)
        return e;
    e = plans_get(run->a->payments, conn, &run->arena, id, 0, &c.plan);
    store_reader_end(&conn);
    if (e == ERR_NOT_FOUND)
        return admin_no(run, e, "there is no plan '%.*s'", STR_ARG(id));
    c.plan.active = false;
    return e == OK ? store_write(run->a->store, put_in, &c) : e;
}

struct listing {
    struct store_conn *conn;
    struct buf *out;
    enum err err;
};

static void add_plan(void *arg, const struct plan *x)
{
    struct listing *l = arg;
    buf_json_comma(l->out);
    buf_byte(l->out, '{');
    plans_json(x, l->out);
    l->err = l->err == OK ? plans_more_json(l->conn, x, l->out) : l->err;
    buf_byte(l->out, '}');
}

static enum err plan_list(struct admin_run *run)
{
    struct listing l = {.out = run->out};
    enum err e = store_reader_begin(run->a->store, &l.conn);
    if (e != OK)
        return e;
    buf_byte(run->out, '[');
    e = plans_list(run->a->payments, l.conn, STR("\x7F"), 1000, add_plan, &l);
    buf_byte(run->out, ']');
    store_reader_end(&l.conn);
    return e == OK ? l.err : e;
}

const struct admin_operation admin_plans[] = {
    {"plan.add", plan_add}, {"plan.list", plan_list}, {"plan.retire", plan_retire}, {NULL, NULL}};

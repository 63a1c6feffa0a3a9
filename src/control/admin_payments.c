/* /api/admin/payments, /stripe-events, /reconciliation: what was paid, told and found, for the
 * operator; refunds. */
#include "control/body.h"
#include "control/operator.h"
#include "control/write.h"

#include <stdio.h>

struct listing {
    struct control_page page;
    struct store_conn *conn;
    struct arena *arena;
    struct buf *out;
    enum err err;
};

/* Left open. */
static enum err payment_json(struct store_conn *conn, struct arena *a, const struct payment *x,
                             struct buf *b)
{
    buf_byte(b, '{');
    enum err e = control_payment_json(conn, x, b);
    if (e == OK)
        e = control_team_json(conn, a, x->team, b);
    buf_json_member(b, "payment_intent", x->intent);
    buf_json_member(b, "session_id", x->session);
    return e;
}

static void add_payment(void *arg, const struct payment *x)
{
    struct listing *l = arg;
    if (l->err != OK || !control_page_row(&l->page, str_c(x->id)))
        return;
    buf_json_comma(l->out);
    l->err = payment_json(l->conn, l->arena, x, l->out);
    if (l->err == OK)
        l->err = payments_disputes_count(l->conn, x, l->out);
    buf_byte(l->out, '}');
}

CONTROL_ASK(control_admin_payments)
{
    struct listing l = {.out = &reply->body, .arena = reply->arena};
    struct str status = STR(""), word = STR("");
    (void)who;
    (void)http_query(r, reply->arena, STR("status"), &status);
    (void)http_query(r, reply->arena, STR("q"), &word);
    enum err e = control_page_begin(r, reply, &l.page);
    if (e == OK)
        e = store_reader_begin(c->store, &l.conn);
    if (e != OK)
        return e;
    e = payments_list(l.conn, (struct id){{0}}, status, word, l.page.after, l.page.limit + 1,
                      add_payment, &l);
    store_reader_end(&l.conn);
    control_page_end(&l.page, reply);
    return e == OK ? l.err : e;
}

static enum err show(struct control *c, struct str id, struct http_reply *reply)
{
    struct store_conn *conn = NULL;
    struct payment x;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = payments_get(conn, reply->arena, id, &x);
    if (e == OK)
        e = payment_json(conn, reply->arena, &x, &reply->body);
    if (e == OK)
        e = payments_about_json(conn, &x, &reply->body);
    buf_byte(&reply->body, '}');
    store_reader_end(&conn);
    return e;
}

CONTROL_ASK(control_admin_payment)
{
    (void)who;
    return show(c, r->params[0], reply);
}

/* ---------------------------------------------------------------- refunds */

struct refund {
    const char *payment;
    struct nano amount;
};

static enum err refund_work(struct control_write *w, struct store_conn *conn)
{
    struct refund *f = w->arg;
    struct nano amount = NANO(0);
    enum err e = payments_refund_in(w->c->payments, conn, f->payment, f->amount, w->who->now_us,
                                    &amount);
    snprintf(w->object, sizeof(w->object), "%s", f->payment);
    return e;
}

CONTROL_ASK(control_admin_refund)
{
    struct refund f = {.payment = arena_dup(reply->arena, str_upto(r->params[0], 47)).p};
    struct str reason = STR("");
    bool given = false;
    char text[UNITS_TEXT_MAX];
    struct buf change;
    const struct control_field fields[] = {
        {.name = "amount", .kind = CONTROL_USD, .to = &f.amount, .given = &given},
        {.name = "reason", .kind = CONTROL_TEXT, .to = &reason, .max = 200}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && given && f.amount.v == 0)
        e = control_wrong(reply, ERR_VALIDATION_FAILED, "amount", "It must be more than 0.");
    if (e != OK)
        return e;
    buf_init(&change, 4096);
    buf_byte(&change, '{');
    buf_json_member(&change, "amount", given ? nano_format(f.amount, text) : STR("all"));
    buf_json_member(&change, "reason", reason);
    buf_byte(&change, '}');
    struct control_write w = {.c = c,
                              .who = who,
                              .r = r,
                              .reply = reply,
                              .arg = &f,
                              .work = refund_work,
                              .json = control_write_object_json,
                              .action = "payment.refund",
                              .change = buf_str(&change),
                              .status = 202};
    e = control_write_run(&w);
    buf_fini(&change);
    if (e == ERR_VALIDATION_FAILED)
        return control_wrong(reply, e, "amount",
                             "More than what is unspent of this payment cannot be refunded here.");
    if (e == ERR_CONFLICT)
        return control_wrong(reply, e, "id", "It is not paid, disputed, or refunded already.");
    if (e != OK)
        return e;
    buf_reset(&reply->body);
    return show(c, str_c(f.payment), reply);
}

/* ---------------------------------------------------------------- releases */

struct release {
    const char *payment;
    struct str dispute;
};

static enum err release_work(struct control_write *w, struct store_conn *conn)
{
    const struct release *x = w->arg;
    snprintf(w->object, sizeof(w->object), "%s", x->payment);
    return payments_release_in(w->c->payments, conn, x->payment, x->dispute, w->who->now_us);
}

CONTROL_ASK(control_admin_release)
{
    struct release x = {.payment = arena_dup(reply->arena, str_upto(r->params[0], 47)).p,
                        .dispute = r->params[1]};
    struct str reason = STR("");
    struct buf change;
    const struct control_field fields[] = {
        {.name = "reason", .kind = CONTROL_TEXT, .to = &reason, .max = 200}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e != OK)
        return e;
    buf_init(&change, 4096);
    buf_byte(&change, '{');
    buf_json_member(&change, "dispute", x.dispute);
    buf_json_member(&change, "reason", reason);
    buf_byte(&change, '}');
    struct control_write w = {.c = c,
                              .who = who,
                              .r = r,
                              .reply = reply,
                              .arg = &x,
                              .work = release_work,
                              .json = control_write_object_json,
                              .action = "payment.release",
                              .change = buf_str(&change)};
    e = control_write_run(&w);
    buf_fini(&change);
    if (e == ERR_CONFLICT)
        return control_wrong(reply, e, "id", "It keeps no credit from being spent, or is lost.");
    if (e != OK)
        return e;
    buf_reset(&reply->body);
    return show(c, str_c(x.payment), reply);
}

/* ---------------------------------------------------------------- events, reconciliation */

static void add_event(void *arg, const struct payments_event_row *row)
{
    struct listing *l = arg;
    if (control_page_row(&l->page, row->id))
        payments_event_json(row, l->out);
}

CONTROL_ASK(control_admin_stripe_events)
{
    struct listing l = {.out = &reply->body};
    struct str state = STR(""), type = STR("");
    (void)who;
    (void)http_query(r, reply->arena, STR("state"), &state);
    (void)http_query(r, reply->arena, STR("type"), &type);
    enum err e = control_page_begin(r, reply, &l.page);
    if (e == OK)
        e = store_reader_begin(c->store, &l.conn);
    if (e != OK)
        return e;
    e = payments_events(l.conn, state, type, l.page.after, l.page.limit + 1, add_event, &l);
    store_reader_end(&l.conn);
    control_page_end(&l.page, reply);
    return e;
}

CONTROL_ASK(control_admin_reconciliation)
{
    struct store_conn *conn = NULL;
    (void)who;
    (void)r;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    buf_byte(&reply->body, '{');
    buf_json_bool(&reply->body, "enabled", payments_are_on(c->payments));
    buf_json_key(&reply->body, "reports");
    e = payments_reports_json(conn, &reply->body);
    buf_byte(&reply->body, '}');
    store_reader_end(&conn);
    return e;
}

static enum err reconcile_work(struct control_write *w, struct store_conn *conn)
{
    struct id run;
    enum err e = payments_reconcile_in(w->c->payments, conn, w->who->now_us, &run);
    if (e == OK)
        (void)id_text("job_", run, w->object);
    return e;
}

CONTROL_ASK(control_admin_reconcile)
{
    struct control_write w = {.c = c,
                              .who = who,
                              .r = r,
                              .reply = reply,
                              .work = reconcile_work,
                              .json = control_write_object_json,
                              .action = "stripe.reconcile",
                              .status = 202};
    if (!payments_are_on(c->payments)) {
        reply->message = STR("Credit is not sold here.");
        return ERR_NOT_FOUND;
    }
    return control_write_run(&w);
}

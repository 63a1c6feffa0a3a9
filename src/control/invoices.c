/* /api/billing/invoices: receipts and statements as a list and as PDF; the buyer's details. */
#include "control/body.h"
#include "control/invoice.h"
#include "control/paper.h"
#include "control/routes.h"
#include "control/write.h"
#include "observe/observe.h"

#define LINES_MAX 6
#define PDF_MAX (8u * 1024 * 1024)

static void invoice_json(struct buf *b, const struct store_query *q)
{
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", store_str(q, 0));
    buf_json_member(b, "number", store_str(q, 1));
    buf_json_member(b, "kind", store_str(q, 2));
    buf_json_key(b, "payment_id");
    if (store_str(q, 3).n != 0)
        buf_json_str(b, store_str(q, 3));
    else
        buf_add(b, STR("null"));
    buf_json_key(b, "period");
    if (store_i64(q, 4) != 0) {
        buf_byte(b, '{');
        buf_json_time(b, "start", store_i64(q, 4));
        buf_json_time(b, "end", store_i64(q, 5));
        buf_byte(b, '}');
    } else {
        buf_add(b, STR("null"));
    }
    buf_json_time(b, "issued_at", store_i64(q, 6));
    buf_json_nano(b, "total", store_nano(q, 7));
    buf_json_nano(b, "tax", store_nano(q, 8));
    buf_json_member(b, "currency", store_str(q, 9));
    buf_byte(b, '}');
}

CONTROL_ASK(control_invoices_list)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    struct control_page page;
    struct str kind = STR("");
    enum err e = control_page_begin(r, reply, &page);
    if (e == OK && http_query(r, reply->arena, STR("kind"), &kind) &&
        !str_eq(kind, STR("receipt")) && !str_eq(kind, STR("credit_note")) &&
        !str_eq(kind, STR("statement")))
        e = control_wrong(reply, ERR_INVALID_REQUEST, "kind",
                          "'kind' takes receipt, credit_note or statement.");
    if (e == OK)
        e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_INVOICE_LIST, &q, "btti", id_bytes(&who->team), kind, page.after,
                    page.limit + 1);
    while (e == OK && (e = store_step(q)) == OK)
        if (control_page_row(&page, store_str(q, 0)))
            invoice_json(&reply->body, q);
    store_finish(&q);
    store_reader_end(&conn);
    control_page_end(&page, reply);
    return e == ERR_END ? OK : e;
}

/* Of the team, or, for the operator, of any. */
static enum err find(struct control *c, const struct id *team, struct arena *a, struct str id,
                     struct str *ret_number, struct buf *document)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = team != NULL ? store_start(conn, SQL_INVOICE_GET, &q, "tb", id, id_bytes(team))
                     : store_start(conn, SQL_INVOICE_ANY, &q, "t", id);
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        *ret_number = arena_dup(a, store_str(q, 0));
        buf_add(document, store_str(q, 1));
    }
    store_finish(&q);
    store_reader_end(&conn);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

/* Once: the next paper will be like this one. */
static void tell_missing(struct str number, uint32_t code)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    if (code == 0 || atomic_flag_test_and_set(&told))
        return;
    observe_say("warn", "paper_letters",
                "%.*s has letters that cannot be printed (the first is U+%04X): a box stands for "
                "them, here and on every other paper; the operator's guide says which scripts "
                "can be printed",
                STR_ARG(number), (unsigned)code);
}

static enum err draw(struct control *c, const struct id *team, struct str id,
                     struct http_reply *reply)
{
    struct buf document;
    struct str number = STR("");
    uint32_t missing = 0;
    buf_init(&document, PDF_MAX);
    enum err e = find(c, team, reply->arena, id, &number, &document);
    if (e == OK)
        e = paper_draw(buf_str(&document), number, &reply->body, &missing);
    buf_fini(&document);
    if (e != OK)
        return e;
    tell_missing(number, missing);
    reply->content_type = "application/pdf";
    buf_printf(&reply->headers, "Content-Disposition: inline; filename=\"%.*s.pdf\"\r\n",
               STR_ARG(number));
    return OK;
}

CONTROL_ASK(control_invoice_pdf)
{
    return draw(c, &who->team, r->params[0], reply);
}

CONTROL_ASK(control_admin_invoice_pdf)
{
    (void)who;
    return draw(c, NULL, r->params[0], reply);
}

/* ---- the buyer ---- */

static void details_json(struct buf *b, const struct invoice_details *d)
{
    buf_byte(b, '{');
    buf_json_member(b, "name", d->name);
    buf_json_member(b, "address", d->address);
    buf_json_member(b, "tax_id", d->tax_id);
    buf_json_member(b, "email", d->email);
    buf_byte(b, '}');
}

CONTROL_ASK(control_details_get)
{
    struct store_conn *conn = NULL;
    struct invoice_details d;
    (void)r;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = invoice_details_get(conn, reply->arena, who->team, &d);
    store_reader_end(&conn);
    details_json(&reply->body, &d);
    return e;
}

struct details_write {
    struct control_write w;
    struct invoice_details asked, d;
    bool name, address, tax_id, email; /* given */
};

static enum err details_in(struct control_write *w, struct store_conn *conn)
{
    struct details_write *x = w->arg;
    enum err e = invoice_details_get(conn, w->reply->arena, w->who->team, &x->d);
    if (x->name)
        x->d.name = x->asked.name;
    if (x->address)
        x->d.address = x->asked.address;
    if (x->tax_id)
        x->d.tax_id = x->asked.tax_id;
    if (x->email)
        x->d.email = x->asked.email;
    id_text("team_", w->who->team, w->object);
    return e == OK ? invoice_details_set_in(conn, w->who->team, &x->d) : e;
}

static void details_answer(struct control_write *w, bool first, struct buf *b)
{
    const struct details_write *x = w->arg;
    (void)first;
    details_json(b, &x->d);
}

/* Up to six lines; nothing but line ends among the control characters. */
static bool is_address(struct str s)
{
    size_t n = 1;
    for (size_t i = 0; i < s.n; i++) {
        n += s.p[i] == '\n';
        if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\n') || s.p[i] == 0x7F)
            return false;
    }
    return n <= LINES_MAX;
}

CONTROL_ASK(control_details_edit)
{
    struct details_write x = {.w = {.c = c,
                                    .who = who,
                                    .r = r,
                                    .reply = reply,
                                    .arg = &x,
                                    .work = details_in,
                                    .json = details_answer,
                                    .action = "billing.details"},
                              .asked = {STR(""), STR(""), STR(""), STR("")}};
    const struct control_field fields[] = {
        {.name = "name", .kind = CONTROL_TEXT, .to = &x.asked.name, .given = &x.name},
        {.name = "address",
         .kind = CONTROL_SECRET, /* it may have line ends */
         .to = &x.asked.address,
         .max = 600,
         .given = &x.address},
        {.name = "tax_id",
         .kind = CONTROL_TEXT,
         .to = &x.asked.tax_id,
         .max = 40,
         .given = &x.tax_id},
        {.name = "email",
         .kind = CONTROL_TEXT,
         .to = &x.asked.email,
         .max = 254,
         .given = &x.email}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && (!str_is_utf8(x.asked.address) || !is_address(x.asked.address)))
        e = control_wrong(reply, ERR_VALIDATION_FAILED, "address", "It has up to 6 lines of text.");
    if (e == OK && x.asked.email.n != 0 && identity_email_fault(x.asked.email) != NULL)
        e = control_wrong(reply, ERR_VALIDATION_FAILED, "email", "It is no e-mail address.");
    return e == OK ? control_write_run(&x.w) : e;
}

/* Documents: figures, JSON, numbers. */
#include "control/document.h"

#include "base/clock.h"
#include "control/invoice.h"
#include "identity/people.h"

#include <stdio.h>

/* ---- figures ---- */

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

struct date {
    int year, month, day;
};

static struct date date_of(int64_t us)
{
    char text[CLOCK_TEXT_MAX];
    struct str s = clock_rfc3339(us, text);
    uint64_t y = 1970, m = 1, d = 1;
    (void)!(str_to_u64(str_of(s.p, 4), 9999, &y) && str_to_u64(str_of(s.p + 5, 2), 12, &m) &&
            str_to_u64(str_of(s.p + 8, 2), 31, &d));
    return (struct date){(int)y, (int)m, (int)d};
}

struct str document_date(struct arena *a, int64_t us)
{
    struct date d = date_of(us);
    return arena_printf(a, "%d %s %d", d.day, months[d.month - 1], d.year);
}

struct str document_month(struct arena *a, int64_t us)
{
    struct date d = date_of(us);
    return arena_printf(a, "%s %d", months[d.month - 1], d.year);
}

/* "1,234,567.5": a comma before every three digits of the whole part. */
static struct str grouped(struct arena *a, struct str number)
{
    size_t dot = str_index(number, '.'), whole = dot < number.n ? dot : number.n, n = 0;
    char *to = arena_alloc(a, number.n + whole / 3 + 1);
    if (to == NULL)
        return STR("");
    for (size_t i = 0; i < number.n; i++) {
        if (i != 0 && i < whole && (whole - i) % 3 == 0)
            to[n++] = ',';
        to[n++] = number.p[i];
    }
    return str_of(to, n);
}

struct str document_count(struct arena *a, int64_t n)
{
    return grouped(a, arena_printf(a, "%lld", (long long)n));
}

struct str document_money(struct arena *a, struct str currency, int digits, struct nano n)
{
    char text[UNITS_TEXT_MAX];
    bool below = n.v < 0;
    struct str s = nano_format(below ? NANO(-n.v) : n, text);
    size_t dot = str_index(s, '.');
    int places = dot == SIZE_MAX ? 0 : (int)(s.n - dot - 1);
    int missing = digits > places ? digits - places : 0;
    struct str number = arena_printf(a, "%.*s%s%.*s", STR_ARG(grouped(a, s)),
                                     places == 0 && missing != 0 ? "." : "", missing, "000000000");
    if (str_eq_nocase(currency, STR("usd")))
        return arena_printf(a, "%s$%.*s", below ? "-" : "", STR_ARG(number));
    struct str code = arena_dup(a, currency);
    char *p = (char *)(uintptr_t)code.p;
    for (size_t i = 0; i < code.n; i++)
        if (p[i] >= 'a' && p[i] <= 'z')
            p[i] = (char)(p[i] - 32);
    return arena_printf(a, "%s%.*s %.*s", below ? "-" : "", STR_ARG(code), STR_ARG(number));
}

struct str document_usd(struct arena *a, struct nano n)
{
    return document_money(a, STR("usd"), 2, n);
}

/* ---- the document ---- */

static void pairs(struct buf *b, const char *name, const struct document_pair *list, size_t n)
{
    buf_json_key(b, name);
    buf_byte(b, '[');
    for (size_t i = 0; i < n; i++)
        document_row(b, (struct str[]){str_c(list[i].label), list[i].value}, 2);
    buf_byte(b, ']');
}

void document_facts(struct buf *b, const struct document_pair *list, size_t n)
{
    pairs(b, "facts", list, n);
    buf_json_key(b, "sections");
    buf_byte(b, '[');
}

void document_section(struct buf *b, const char *heading, const char *const *columns, size_t n)
{
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "heading", str_c(heading));
    buf_json_key(b, "columns");
    buf_byte(b, '[');
    for (size_t i = 0; i < n; i++) {
        buf_json_comma(b);
        buf_json_str(b, str_c(columns[i]));
    }
    buf_add(b, STR("],\"rows\":["));
}

void document_row(struct buf *b, const struct str *cells, size_t n)
{
    buf_json_comma(b);
    buf_byte(b, '[');
    for (size_t i = 0; i < n; i++) {
        buf_json_comma(b);
        buf_json_str(b, cells[i]);
    }
    buf_byte(b, ']');
}

void document_section_end(struct buf *b)
{
    buf_add(b, STR("]}"));
}

void document_end(struct buf *b, const struct document_pair *totals, size_t n)
{
    buf_byte(b, ']');
    pairs(b, "totals", totals, n);
    buf_byte(b, '}');
}

static void text_lines(struct buf *b, struct str text, char separator)
{
    while (text.n != 0) {
        struct str line = str_trim(str_cut(&text, separator));
        if (line.n == 0)
            continue;
        buf_json_comma(b);
        buf_json_str(b, line);
    }
}

static void tax_id_line(struct buf *b, struct arena *a, struct str tax_id)
{
    if (tax_id.n == 0)
        return;
    buf_json_comma(b);
    buf_json_str(b, arena_printf(a, "Tax ID: %.*s", STR_ARG(tax_id)));
}

enum err document_begin(struct control *c, struct store_conn *conn, struct arena *a, struct id team,
                        const char *title, struct buf *b)
{
    struct invoice_details d;
    struct str label = STR("");
    const struct control_seller *s = &c->seller;
    enum err e = invoice_details_get(conn, a, team, &d);
    if (e == OK)
        e = identity_team_label(conn, a, team, &label);
    buf_byte(b, '{');
    buf_json_member(b, "title", str_c(title));
    buf_json_member(b, "brand", str_c(c->brand_name));
    buf_json_member(b, "color", str_c(c->brand_color));
    buf_json_key(b, "seller");
    buf_byte(b, '[');
    buf_json_str(b, s->name[0] != '\0' ? str_c(s->name) : str_c(c->brand_name));
    text_lines(b, str_c(s->address), ';');
    tax_id_line(b, a, str_c(s->tax_id));
    text_lines(b, str_c(s->email), '\n');
    buf_byte(b, ']');
    buf_json_key(b, "buyer");
    buf_byte(b, '[');
    buf_json_str(b, d.name.n != 0 ? d.name : label);
    text_lines(b, d.address, '\n');
    tax_id_line(b, a, d.tax_id);
    text_lines(b, d.email, '\n');
    buf_byte(b, ']');
    buf_json_member(b, "note", str_c(s->note));
    return e;
}

/* ---- kept ---- */

static enum err number_in(struct control *c, struct store_conn *conn, struct arena *a,
                          const char *kind, int64_t now_us, struct str *ret_number)
{
    struct store_query *q = NULL;
    int year = date_of(now_us).year;
    const char *of = strcmp(kind, "credit_note") == 0 ? "CN-" : "";
    struct str series = arena_printf(a, "%s%s%d", c->seller.prefix, of, year);
    enum err e = store_run(conn, SQL_INVOICE_NEXT, NULL, "t", series);
    if (e == OK)
        e = store_start(conn, SQL_INVOICE_NEXT_GET, &q, "t", series);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_number = arena_printf(a, "%.*s-%06lld", STR_ARG(series), (long long)store_i64(q, 0));
    store_finish(&q);
    return e;
}

enum err document_keep_in(struct control *c, struct store_conn *conn, struct arena *a,
                          const struct document_about *x, const struct buf *b)
{
    struct str number;
    char id[ID_TEXT_MAX];
    enum err e = a->over ? ERR_LIMIT : buf_check(b);
    if (e == OK)
        e = number_in(c, conn, a, x->kind, x->now_us, &number);
    return e == OK ? store_run(conn, SQL_INVOICE_ADD, NULL, "tttbtiiinntt",
                               id_text("inv_", id_new(x->now_us), id), number, str_c(x->kind),
                               id_bytes(&x->team), x->payment, x->start_us, x->end_us, x->now_us,
                               x->total, x->tax, x->currency, buf_str(b))
                   : e;
}

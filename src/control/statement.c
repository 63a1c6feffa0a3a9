/* Statements: a month of a team, by model, member and key, and what came and went of its credit. */
#include "control/invoice.h"

#include "base/clock.h"
#include "base/mem.h"
#include "control/document.h"
#include "control/names.h"
#include "gateway/past.h"
#include "ledger/past.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS_MAX 400
#define MOVES_MAX 1000
#define EVERY_US US_PER_HOUR
#define WANTED_MAX 200

struct line {
    struct str name;
    struct id key;
    int64_t requests, input, output;
    struct nano charge;
};
struct table {
    struct line *list;
    size_t n;
};

struct statement {
    struct control *c;
    struct arena arena;
    struct control_names names;
    struct id team;
    int64_t start_us, end_us, now_us;
    struct table models, members, keys;
    struct line all;
    struct nano added, taken;
    struct buf moves, body;
};

static void add(struct line *l, const struct past_sums *s)
{
    l->requests += s->requests;
    l->input += s->input;
    l->output += s->output;
    l->charge = nano_plus(l->charge, s->charge);
}

/* What does not fit any more is the last line, all together. */
static struct line *line_of(struct statement *s, struct table *t, struct str name, struct id key)
{
    for (size_t i = 0; i < t->n && i < ROWS_MAX; i++)
        if (str_eq(t->list[i].name, name) && id_eq(t->list[i].key, key))
            return &t->list[i];
    if (t->n < ROWS_MAX)
        t->list[t->n++] = (struct line){.name = arena_dup(&s->arena, name), .key = key};
    else if (t->n == ROWS_MAX)
        t->list[t->n++] = (struct line){.name = STR("All others")};
    return &t->list[t->n - 1];
}

static void add_point(void *arg, const struct past_point *p)
{
    struct statement *s = arg;
    const struct control_name *n = control_name_of(&s->names, p->key);
    struct str member = n->email.n != 0 ? n->email : STR("somebody who has gone");
    struct id nobody = {{0}};
    add(line_of(s, &s->models, p->model, nobody), &p->sums);
    add(line_of(s, &s->keys, n->name, p->key), &p->sums);
    add(line_of(s, &s->members, member, n->user), &p->sums);
    add(&s->all, &p->sums);
}

static void add_move(void *arg, const struct ledger_move_row *m)
{
    struct statement *s = arg;
    struct arena *a = &s->arena;
    if (m->at_us < s->start_us)
        return;
    static const char *const kinds[] = {[LEDGER_CREDITED] = "Credit",
                                        [LEDGER_REFUNDED] = "Refund of a call",
                                        [LEDGER_EXPIRED] = "Expired",
                                        [LEDGER_CORRECTED] = "Correction"};
    struct str what = arena_printf(a, "%.*s  %s%s%.*s", STR_ARG(document_date(a, m->at_us)),
                                   kinds[m->kind], m->reason.n != 0 ? ": " : "",
                                   STR_ARG(str_upto(m->reason, 200)));
    document_row(&s->moves, (struct str[]){what, document_usd(a, m->amount)}, 2);
    if (m->amount.v > 0)
        s->added = nano_plus(s->added, m->amount);
    else
        s->taken = nano_plus(s->taken, m->amount);
}

static int dearest_first(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->charge.v != y->charge.v)
        return x->charge.v > y->charge.v ? -1 : 1;
    return str_cmp(x->name, y->name);
}

static void table_write(struct statement *s, const char *heading, const char *first,
                        struct table *t)
{
    const char *const columns[] = {first, "Requests", "Input tokens", "Output tokens", "Amount"};
    struct arena *a = &s->arena;
    if (t->n == 0)
        return;
    qsort(t->list, t->n, sizeof(*t->list), dearest_first);
    document_section(&s->body, heading, columns, 5);
    for (size_t i = 0; i < t->n; i++) {
        const struct line *l = &t->list[i];
        document_row(&s->body,
                     (struct str[]){l->name, document_count(a, l->requests),
                                    document_count(a, l->input), document_count(a, l->output),
                                    document_usd(a, l->charge)},
                     5);
    }
    document_section_end(&s->body);
}

static void statement_write(struct statement *s)
{
    static const char *const columns[] = {"Entry", "Amount"};
    struct arena *a = &s->arena;
    struct buf *b = &s->body;
    const struct document_pair facts[] = {
        {"Period", arena_printf(a, "%.*s (UTC)", STR_ARG(document_month(a, s->start_us)))},
        {"Issued", document_date(a, s->now_us)},
        {"Calls", document_count(a, s->all.requests)}};
    const struct document_pair totals[] = {{"Credit added", document_usd(a, s->added)},
                                           {"Credit taken back", document_usd(a, s->taken)},
                                           {"Used", document_usd(a, s->all.charge)}};
    document_facts(b, facts, 3);
    table_write(s, "By model", "Model", &s->models);
    table_write(s, "By member", "Member", &s->members);
    table_write(s, "By API key", "Key", &s->keys);
    if (s->moves.n != 0) {
        document_section(b, "Credit", columns, 2);
        buf_add(b, buf_str(&s->moves));
        document_section_end(b);
    }
    document_end(b, totals, 3);
}

static enum err gather(struct statement *s, struct store_conn *conn)
{
    enum err e = document_begin(s->c, conn, &s->arena, s->team, "Statement", &s->body);
    if (e == OK)
        e = past_series(conn, s->team, s->start_us / US_PER_HOUR, s->end_us / US_PER_HOUR, 24,
                        add_point, s);
    if (e == OK)
        e = ledger_moves(conn, s->team, s->end_us, MOVES_MAX, add_move, s);
    if (e == OK)
        e = buf_check(&s->moves);
    if (e == OK)
        statement_write(s);
    return e;
}

static enum err statement_in(struct store_conn *conn, void *arg)
{
    struct statement *s = arg;
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_INVOICE_OF_MONTH, &q, "bi", id_bytes(&s->team), s->start_us);
    if (e == OK)
        e = store_step(q);
    store_finish(&q);
    const struct document_about about = {.kind = "statement",
                                         .team = s->team,
                                         .payment = STR(""),
                                         .currency = STR("usd"),
                                         .start_us = s->start_us,
                                         .end_us = s->end_us,
                                         .now_us = s->now_us,
                                         .total = s->all.charge};
    /* OK: there is one already. */
    return e == ERR_END ? document_keep_in(s->c, conn, &s->arena, &about, &s->body) : e;
}

static enum err issue(struct control *c, struct id team, int64_t start_us, int64_t end_us,
                      int64_t now_us)
{
    struct store_conn *conn = NULL;
    struct statement s = {
        .c = c, .team = team, .start_us = start_us, .end_us = end_us, .now_us = now_us};
    struct table *const tables[] = {&s.models, &s.members, &s.keys};
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    arena_init(&s.arena, 64u * 1024, 16u * 1024 * 1024);
    buf_init(&s.body, DOCUMENT_MAX);
    buf_init(&s.moves, DOCUMENT_MAX);
    for (size_t i = 0; i < 3; i++)
        tables[i]->list = mem_array(ROWS_MAX + 1, sizeof(struct line));
    control_names_init(&s.names, c, conn);
    e = gather(&s, conn);
    control_names_fini(&s.names);
    store_reader_end(&conn);
    if (e == OK)
        e = store_write(c->store, statement_in, &s);
    for (size_t i = 0; i < 3; i++)
        mem_free(tables[i]->list);
    buf_fini(&s.moves);
    buf_fini(&s.body);
    arena_fini(&s.arena);
    return e;
}

static enum err wanted(struct control *c, int64_t start_us, int64_t end_us, struct id *list,
                       size_t *ret_n)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    size_t n = 0;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_INVOICE_WANTED, &q, "iiii", start_us / US_PER_DAY,
                    end_us / US_PER_DAY, start_us, end_us);
    while (e == OK && n < WANTED_MAX && (e = store_step(q)) == OK)
        list[n++] = id_of_bytes(store_str(q, 0));
    store_finish(&q);
    store_reader_end(&conn);
    *ret_n = n;
    return e == ERR_END ? OK : e;
}

static enum jobs_outcome statements_step(struct jobs_call *call)
{
    struct control *c = call->arg;
    int64_t end_us = clock_month_start(call->now_us);
    int64_t start_us = clock_month_start(end_us - US_PER_S);
    struct id list[WANTED_MAX];
    size_t n = 0;
    enum err e = wanted(c, start_us, end_us, list, &n);
    for (size_t i = 0; i < n && e == OK; i++)
        e = issue(c, list[i], start_us, end_us, call->now_us);
    if (e != OK) {
        snprintf(call->why, sizeof(call->why), "a statement could not be made: %s",
                 err_info(e)->name);
        return JOBS_RETRY;
    }
    if (n < WANTED_MAX)
        return JOBS_DONE;
    call->wake_us = call->now_us; /* there are more */
    return JOBS_SLEEP;
}

static const struct jobs_step steps[] = {{.name = "issue", .run = statements_step}};

void invoice_statements_add(struct control *c, struct jobs_kind *kind)
{
    *kind = (struct jobs_kind){
        .name = "statements", .steps = steps, .steps_n = 1, .every_us = EVERY_US, .arg = c};
    jobs_kind_add(c->jobs, kind);
}

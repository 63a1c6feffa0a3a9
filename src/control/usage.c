/* /api/usage: sums, series, single calls, the same as CSV. */
#include "base/clock.h"
#include "base/mem.h"
#include "control/body.h"
#include "control/names.h"
#include "control/period.h"
#include "control/routes.h"
#include "gateway/past.h"

#define POINTS_MAX 1000
#define GROUPS_MAX 2000
#define EXPORT_LINES_MAX 100000
#define HOURS_A_DAY 24

/* Left open. */
static void sums_json(struct buf *b, const struct past_sums *s)
{
    buf_json_nano(b, "cost", s->charge);
    buf_json_i64(b, "requests", s->requests);
    buf_json_i64(b, "failed", s->failed);
    buf_json_i64(b, "input_tokens", s->input);
    buf_json_i64(b, "output_tokens", s->output);
}

static void period_json(struct buf *b, int64_t start_us, int64_t end_us)
{
    buf_json_time(b, "start", start_us);
    buf_json_time(b, "end", end_us);
}

enum err control_look_back(struct control *c, struct store_conn **ret_conn)
{
    enum err e = ledger_settled_up(c->ledger);
    return e == OK ? store_reader_begin(c->store, ret_conn) : e;
}

CONTROL_ASK(control_usage_current)
{
    struct store_conn *conn = NULL;
    struct past_sums month = {0}, today = {0};
    int64_t start = clock_month_start(who->now_us), to = who->now_us / US_PER_HOUR + 1;
    (void)r;
    enum err e = control_look_back(c, &conn);
    if (e != OK)
        return e;
    e = past_sums_read(conn, who->team, start / US_PER_HOUR, to, &month);
    if (e == OK)
        e = past_sums_read(conn, who->team, who->now_us / US_PER_DAY * HOURS_A_DAY, to, &today);
    store_reader_end(&conn);
    struct buf *b = &reply->body;
    buf_add(b, STR("{\"period\":{"));
    period_json(b, start, who->now_us);
    buf_byte(b, '}');
    sums_json(b, &month);
    buf_json_key(b, "today");
    buf_byte(b, '{');
    sums_json(b, &today);
    buf_add(b, STR("}}"));
    return e;
}

/* ---- series ---- */

enum grouping { BY_NOTHING, BY_MODEL, BY_KEY, BY_MEMBER, GROUPING__COUNT };

struct group {
    struct str id, name;
    struct past_sums now; /* in the bucket at hand */
    bool there;
};

struct series {
    struct control_names names;
    enum grouping by;
    struct group *groups;
    size_t n;
    int64_t hour; /* of the bucket at hand */
    struct buf points;
    bool over;
};

static void bucket_end(struct series *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct group *g = &s->groups[i];
        if (!g->there)
            continue;
        buf_json_comma(&s->points);
        buf_byte(&s->points, '{');
        buf_json_time(&s->points, "at", s->hour * US_PER_HOUR);
        buf_json_member(&s->points, "group", g->id);
        sums_json(&s->points, &g->now);
        buf_byte(&s->points, '}');
        g->there = false;
        g->now = (struct past_sums){0};
    }
}

static struct group *group_of(struct series *s, struct str id, struct str name)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->groups[i].id, id))
            return &s->groups[i];
    if (s->n == GROUPS_MAX) {
        s->over = true;
        return NULL;
    }
    s->groups[s->n] = (struct group){.id = arena_dup(&s->names.arena, id),
                                     .name = arena_dup(&s->names.arena, name)};
    return &s->groups[s->n++];
}

static void add_point(void *arg, const struct past_point *p)
{
    struct series *s = arg;
    char text[ID_TEXT_MAX];
    if (p->hour != s->hour)
        bucket_end(s);
    s->hour = p->hour;
    struct str id = STR("all"), name = STR("all");
    const struct control_name *key = s->by >= BY_KEY ? control_name_of(&s->names, p->key) : NULL;
    if (s->by == BY_MODEL) {
        id = name = p->model;
    } else if (s->by == BY_KEY) {
        id = id_text("key_", p->key, text);
        name = key->name;
    } else if (s->by == BY_MEMBER) {
        id = id_text("usr_", key->user, text);
        name = key->email.n != 0 ? key->email : key->name;
    }
    struct group *g = group_of(s, id, name);
    if (g == NULL)
        return;
    g->there = true;
    g->now.requests += p->sums.requests;
    g->now.failed += p->sums.failed;
    g->now.input += p->sums.input;
    g->now.output += p->sums.output;
    g->now.charge = nano_plus(g->now.charge, p->sums.charge);
}

static void series_json(const struct series *s, struct str bucket, int64_t from, int64_t to,
                        struct buf *b)
{
    buf_byte(b, '{');
    buf_json_member(b, "bucket", bucket);
    period_json(b, from * US_PER_HOUR, to * US_PER_HOUR);
    buf_json_key(b, "groups");
    buf_byte(b, '[');
    for (size_t i = 0; i < s->n; i++) {
        buf_json_comma(b);
        buf_byte(b, '{');
        buf_json_member(b, "id", s->groups[i].id);
        buf_json_member(b, "name", s->groups[i].name);
        buf_byte(b, '}');
    }
    buf_byte(b, ']');
    buf_json_key(b, "points");
    buf_byte(b, '[');
    buf_add(b, buf_str(&s->points));
    buf_add(b, STR("]}"));
}

static enum err grouping_read(const struct http_request *r, struct http_reply *reply,
                              enum grouping *ret)
{
    static const char *const names[GROUPING__COUNT] = {"", "model", "key", "member"};
    struct str v = STR("");
    (void)!http_query(r, reply->arena, STR("group"), &v);
    for (int i = 0; i < GROUPING__COUNT; i++)
        if (str_eq(v, str_c(names[i]))) {
            *ret = (enum grouping)i;
            return OK;
        }
    return control_wrong(reply, ERR_INVALID_REQUEST, "group",
                         "'group' takes model, key or member.");
}

struct span {
    int64_t from, to, step; /* hours */
    struct str bucket;
};

static enum err span_read(const struct http_request *r, struct http_reply *reply, int64_t now_us,
                          struct span *s)
{
    struct control_period p = {now_us - 30 * US_PER_DAY, now_us};
    enum err e = control_period_read(r, reply, &p);
    if (e != OK)
        return e;
    s->bucket = STR("day");
    (void)!http_query(r, reply->arena, STR("bucket"), &s->bucket);
    bool hours = str_eq(s->bucket, STR("hour"));
    if (!hours && !str_eq(s->bucket, STR("day")))
        return control_wrong(reply, ERR_INVALID_REQUEST, "bucket", "'bucket' takes hour or day.");
    s->step = hours ? 1 : HOURS_A_DAY;
    int64_t us = s->step * US_PER_HOUR;
    s->from = p.start_us / us * s->step;
    s->to = (p.end_us + us - 1) / us * s->step;
    if ((s->to - s->from) / s->step > POINTS_MAX)
        return control_wrong(
            reply, ERR_VALIDATION_FAILED, "bucket",
            "That would be more than 1000 points: choose days, or a shorter time.");
    return OK;
}

CONTROL_ASK(control_usage_series)
{
    struct store_conn *conn = NULL;
    struct series s = {.hour = -1};
    struct span span;
    enum err e = grouping_read(r, reply, &s.by);
    if (e == OK)
        e = span_read(r, reply, who->now_us, &span);
    if (e == OK)
        e = control_look_back(c, &conn);
    if (e != OK)
        return e;
    control_names_init(&s.names, c, conn);
    buf_init(&s.points, 32u << 20);
    s.groups = mem_array(GROUPS_MAX, sizeof(*s.groups));
    e = past_series(conn, who->team, span.from, span.to, span.step, add_point, &s);
    bucket_end(&s);
    store_reader_end(&conn);
    if (e == OK && s.over)
        e = control_wrong(reply, ERR_VALIDATION_FAILED, "group",
                          "There are more than 2000 groups in that time: choose a shorter one.");
    if (e == OK)
        series_json(&s, span.bucket, span.from, span.to, &reply->body);
    mem_free(s.groups);
    buf_fini(&s.points);
    control_names_fini(&s.names);
    return e;
}

/* ---- single calls ---- */

static enum err id_filter(const struct http_request *r, struct http_reply *reply, const char *name,
                          const char *prefix, struct id *ret)
{
    struct str v;
    if (!http_query(r, reply->arena, str_c(name), &v) || v.n == 0 || id_parse(prefix, v, ret))
        return OK;
    return control_wrong(reply, ERR_INVALID_REQUEST, name, "It must be an id.");
}

static enum err filter_read(const struct http_request *r, struct http_reply *reply,
                            const struct control_who *who, struct past_filter *f)
{
    static const char *const statuses[PAST_STATUS__COUNT] = {"", "completed", "failed"};
    struct control_period p = {clock_month_start(who->now_us), who->now_us + US_PER_S};
    struct str status = STR("");
    enum err e = control_period_read(r, reply, &p);
    *f = (struct past_filter){
        .team = who->team, .start_us = p.start_us, .end_us = p.end_us, .model = STR("")};
    (void)!http_query(r, reply->arena, STR("model"), &f->model);
    if (e == OK)
        e = id_filter(r, reply, "key", "key_", &f->key);
    if (e == OK)
        e = id_filter(r, reply, "member", "usr_", &f->member);
    if (e != OK)
        return e;
    (void)!http_query(r, reply->arena, STR("status"), &status);
    for (int i = 0; i < PAST_STATUS__COUNT; i++)
        if (str_eq(status, str_c(statuses[i]))) {
            f->status = (enum past_status)i;
            return OK;
        }
    return control_wrong(reply, ERR_INVALID_REQUEST, "status",
                         "'status' takes completed or failed.");
}

struct history {
    struct control_page page;
    struct control_names names;
    struct buf *out;
    int64_t lines;
};

static void add_line(void *arg, const struct past_line *l)
{
    struct history *h = arg;
    struct buf *b = h->out;
    char text[ID_TEXT_MAX];
    if (!control_page_row(&h->page, id_text("req_", l->call, text)))
        return;
    const struct control_name *key = control_name_of(&h->names, l->key);
    buf_json_comma(b);
    buf_byte(b, '{');
    id_json(b, "request_id", "req_", l->call);
    buf_json_time(b, "at", l->started_us);
    buf_json_member(b, "model", l->model);
    buf_json_key(b, "key");
    buf_byte(b, '{');
    id_json(b, "id", "key_", l->key);
    buf_json_member(b, "name", key->name);
    buf_byte(b, '}');
    buf_json_key(b, "member");
    buf_byte(b, '{');
    id_json(b, "id", "usr_", l->user);
    buf_json_member(b, "email", key->email);
    buf_byte(b, '}');
    buf_json_i64(b, "input_tokens", l->input);
    buf_json_i64(b, "output_tokens", l->output);
    buf_json_nano(b, "cost", l->charge);
    buf_json_member(b, "status", l->status < 400 ? STR("completed") : STR("failed"));
    buf_json_i64(b, "http_status", l->status);
    buf_json_bool(b, "stream", l->stream);
    buf_json_i64(b, "duration_ms",
                 l->ended_us > l->started_us ? (l->ended_us - l->started_us) / US_PER_MS : 0);
    buf_json_member(b, "basis", str_c(l->basis));
    buf_json_bool(b, "unresolved", l->unresolved);
    buf_byte(b, '}');
}

CONTROL_ASK(control_usage_history)
{
    struct store_conn *conn = NULL;
    struct history h = {.out = &reply->body};
    struct past_filter f;
    enum err e = filter_read(r, reply, who, &f);
    if (e == OK)
        e = control_page_begin(r, reply, &h.page);
    if (e == OK && h.page.after.p[0] != '\x7F' && !id_parse("req_", h.page.after, &f.below))
        e = control_wrong(reply, ERR_INVALID_REQUEST, "cursor", "It must be one of ours.");
    if (e == OK)
        e = control_look_back(c, &conn);
    if (e != OK)
        return e;
    f.limit = h.page.limit + 1;
    control_names_init(&h.names, c, conn);
    e = past_lines(conn, &f, add_line, &h);
    store_reader_end(&conn);
    control_names_fini(&h.names);
    control_page_end(&h.page, reply);
    return e;
}

/* ---- CSV (RFC 4180) ---- */

void control_csv_cell(struct buf *b, struct str s)
{
    bool formula = s.n != 0 && memchr("=+-@\t\r", s.p[0], 6) != NULL;
    buf_byte(b, '"');
    if (formula)
        buf_byte(b, '\'');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            buf_byte(b, '"');
        buf_byte(b, s.p[i]);
    }
    buf_byte(b, '"');
}

static void add_csv(void *arg, const struct past_line *l)
{
    struct history *h = arg;
    struct buf *b = h->out;
    char text[ID_TEXT_MAX], time[CLOCK_TEXT_MAX], usd[UNITS_TEXT_MAX];
    if (++h->lines > EXPORT_LINES_MAX)
        return;
    const struct control_name *key = control_name_of(&h->names, l->key);
    buf_add(b, clock_rfc3339(l->started_us, time));
    buf_byte(b, ',');
    buf_add(b, id_text("req_", l->call, text));
    buf_byte(b, ',');
    control_csv_cell(b, l->model);
    buf_byte(b, ',');
    control_csv_cell(b, key->name);
    buf_byte(b, ',');
    control_csv_cell(b, key->email);
    buf_printf(b, ",%lld,%lld,", (long long)l->input, (long long)l->output);
    buf_add(b, nano_format(l->charge, usd));
    buf_printf(b, ",%lld,%s,%lld,%s\r\n", (long long)l->status, l->stream ? "yes" : "no",
               (long long)((l->ended_us - l->started_us) / US_PER_MS),
               l->unresolved ? "yes" : "no");
}

CONTROL_ASK(control_usage_export)
{
    struct store_conn *conn = NULL;
    struct history h = {.out = &reply->body};
    struct past_filter f;
    enum err e = filter_read(r, reply, who, &f);
    if (e == OK)
        e = control_look_back(c, &conn);
    if (e != OK)
        return e;
    f.limit = EXPORT_LINES_MAX + 1;
    control_names_init(&h.names, c, conn);
    buf_add(h.out,
            STR("time,request_id,model,key,member,input_tokens,output_tokens,cost_usd,status,"
                "stream,duration_ms,unresolved\r\n"));
    e = past_lines(conn, &f, add_csv, &h);
    store_reader_end(&conn);
    control_names_fini(&h.names);
    if (e == OK && (h.lines > EXPORT_LINES_MAX || h.out->over))
        e = control_wrong(
            reply, ERR_VALIDATION_FAILED, "start",
            "There are more than 100000 calls in that time: choose a shorter one, and "
            "the rest after it.");
    if (e != OK)
        return e;
    reply->content_type = "text/csv; charset=utf-8";
    buf_add(&reply->headers, STR("Content-Disposition: attachment; filename=\"usage.csv\"\r\n"));
    return OK;
}

/* Rows of usage and of its sums, for who may see them. */
#include "gateway/past.h"

#include "gateway/steps.h"

#define DAY INT64_C(24)

bool past_is_days(int64_t from_hour, int64_t to_hour, int64_t now_us)
{
    return from_hour % DAY == 0 && (to_hour % DAY == 0 || to_hour > now_us / US_PER_HOUR);
}

static int64_t day_above(int64_t hour)
{
    return (hour + DAY - 1) / DAY;
}

enum err past_sums_read(struct store_conn *conn, struct id team, int64_t from_hour, int64_t to_hour,
                        struct past_sums *ret)
{
    struct store_query *q = NULL;
    bool days = past_is_days(from_hour, to_hour, clock_wall_us());
    enum err e = days ? store_start(conn, SQL_USAGE_DAY_SUMS, &q, "bii", id_bytes(&team),
                                    from_hour / DAY, day_above(to_hour))
                      : store_start(conn, SQL_USAGE_SUMS, &q, "bii", id_bytes(&team), from_hour,
                                    to_hour);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret = (struct past_sums){store_i64(q, 0), store_i64(q, 1), store_i64(q, 2),
                                  store_i64(q, 3), store_nano(q, 4)};
    store_finish(&q);
    return e;
}

enum err past_series(struct store_conn *conn, struct id team, int64_t from_hour, int64_t to_hour,
                     int64_t bucket_hours, past_point_f fn, void *arg)
{
    struct store_query *q = NULL;
    bool days = bucket_hours == DAY && past_is_days(from_hour, to_hour, clock_wall_us());
    enum err e = days ? store_start(conn, SQL_USAGE_DAY_SERIES, &q, "bii", id_bytes(&team),
                                    from_hour / DAY, day_above(to_hour))
                      : store_start(conn, SQL_USAGE_SERIES, &q, "biii", id_bytes(&team), from_hour,
                                    to_hour, bucket_hours);
    while (e == OK && (e = store_step(q)) == OK) {
        struct past_point p = {.hour = store_i64(q, 0),
                               .key = id_of_bytes(store_str(q, 1)),
                               .model = store_str(q, 2),
                               .sums = {store_i64(q, 3), store_i64(q, 4), store_i64(q, 5),
                                        store_i64(q, 6), store_nano(q, 7)}};
        fn(arg, &p);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err past_days(struct store_conn *conn, struct id team, int64_t from_day, int64_t to_day,
                   int64_t limit, past_day_f fn, void *arg)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_USAGE_DAYS, &q, "biii", id_bytes(&team), from_day, to_day,
                             limit);
    while (e == OK && (e = store_step(q)) == OK) {
        struct past_day d = {store_i64(q, 0), store_i64(q, 1), store_nano(q, 2)};
        fn(arg, &d);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

static struct str id_or_none(const struct id *id)
{
    return id_is_zero(*id) ? STR("") : id_bytes(id);
}

static void line_of(const struct store_query *q, struct past_line *l)
{
    struct about a = {0};
    about_read(&a, store_str(q, 12));
    *l = (struct past_line){.call = id_of_bytes(store_str(q, 0)),
                            .user = id_of_bytes(store_str(q, 1)),
                            .key = id_of_bytes(store_str(q, 2)),
                            .model = store_str(q, 3),
                            .status = store_i64(q, 4),
                            .basis = basis_name(store_i64(q, 5)),
                            .input = store_i64(q, 6),
                            .output = store_i64(q, 7),
                            .charge = store_nano(q, 8),
                            .started_us = store_i64(q, 9),
                            .ended_us = store_i64(q, 10),
                            .unresolved = store_i64(q, 11) != 0,
                            .stream = about_int(&a, ABOUT_STREAM) != 0,
                            .first_byte_us = about_int(&a, ABOUT_FIRST_BYTE)};
}

enum err past_lines(struct store_conn *conn, const struct past_filter *f, past_line_f fn, void *arg)
{
    struct store_query *q = NULL;
    struct id first = id_first(f->start_us), behind = id_first(f->end_us);
    if (!id_is_zero(f->below) && memcmp(f->below.b, behind.b, sizeof(behind.b)) < 0)
        behind = f->below;
    enum err e = store_start(conn, SQL_USAGE_LINES, &q, "bbbtbbii", id_bytes(&f->team),
                             id_bytes(&first), id_bytes(&behind), f->model, id_or_none(&f->key),
                             id_or_none(&f->member), (int64_t)f->status, f->limit);
    while (e == OK && (e = store_step(q)) == OK) {
        struct past_line l;
        line_of(q, &l);
        fn(arg, &l);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err past_last_call(struct store_conn *conn, struct id team, int64_t *ret_us)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_USAGE_LAST, &q, "b", id_bytes(&team));
    if (e == OK)
        e = store_step(q);
    if (e == OK || e == ERR_END)
        *ret_us = e == OK ? store_i64(q, 0) : 0;
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err past_margins(struct store_conn *conn, bool by_team, int64_t from_day, int64_t to_day,
                      past_margin_f fn, void *arg)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, by_team ? SQL_MARGIN_BY_TEAM : SQL_MARGIN_BY_MODEL, &q, "ii",
                             from_day, to_day);
    while (e == OK && (e = store_step(q)) == OK) {
        struct past_margin m = {
            .requests = store_i64(q, 1), .charge = store_nano(q, 2), .cost = store_nano(q, 3)};
        if (by_team)
            m.team = id_of_bytes(store_str(q, 0));
        else
            m.model = store_str(q, 0);
        fn(arg, &m);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err past_models(struct store_conn *conn, int64_t from_day, int64_t to_day, past_model_f fn,
                     void *arg)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_USAGE_OF_MODELS, &q, "ii", from_day, to_day);
    while (e == OK && (e = store_step(q)) == OK) {
        struct past_model m = {store_str(q, 0), store_i64(q, 1),  store_i64(q, 2), store_i64(q, 3),
                               store_i64(q, 4), store_nano(q, 5), store_nano(q, 6)};
        fn(arg, &m);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err past_unresolved(struct store_conn *conn, int64_t *ret_n)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_USAGE_UNRESOLVED_COUNT, &q, "");
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_n = store_i64(q, 0);
    store_finish(&q);
    return e;
}

/* Periods of queries. */
#include "control/period.h"

#include "base/clock.h"
#include "control/body.h"

#define DAYS_MAX 3660

enum err control_period_read(const struct http_request *r, struct http_reply *reply,
                             struct control_period *p)
{
    struct str v;
    if (http_query(r, reply->arena, STR("start"), &v) && clock_parse(v, &p->start_us) != OK)
        return control_wrong(reply, ERR_INVALID_REQUEST, "start",
                             "'start' must be a date or a time as in RFC 3339.");
    if (http_query(r, reply->arena, STR("end"), &v) && clock_parse(v, &p->end_us) != OK)
        return control_wrong(reply, ERR_INVALID_REQUEST, "end",
                             "'end' must be a date or a time as in RFC 3339.");
    if (p->end_us < p->start_us || p->end_us - p->start_us > DAYS_MAX * US_PER_DAY)
        return control_wrong(reply, ERR_INVALID_REQUEST, "end",
                             "'end' must lie behind 'start', within ten years.");
    return OK;
}

/* Bodies against a table of members; pages of lists. */
#include "control/body.h"
#include "base/clock.h"
#include "base/json.h"

#include <inttypes.h>

#define FIELDS_MAX 32
#define TEXT_MAX 100
#define SECRET_MAX 4096
#define LIST_MAX (16u * 1024)
#define PAGE_DEFAULT 20
#define PAGE_MAX 100

enum err control_wrong(struct http_reply *reply, enum err e, const char *field, const char *message)
{
    reply->field = str_c(field);
    reply->message = str_c(message);
    return e;
}

static enum err no(struct http_reply *reply, enum err e, const char *field, struct str message)
{
    reply->field = str_c(field);
    reply->message = message;
    return e;
}

enum err control_json_only(const struct http_request *r)
{
    struct str type = http_request_header(r, STR("content-type"));
    return str_eq_nocase(str_trim(str_cut(&type, ';')), STR("application/json"))
               ? OK
               : ERR_UNSUPPORTED_MEDIA_TYPE;
}

static size_t chars(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7F || (c == 0xC2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xA0))
            return true;
    }
    return false;
}

static enum err read_text(const struct control_field *f, struct str value, struct http_reply *reply)
{
    struct str s;
    int64_t max = f->max != 0 ? f->max : f->kind == CONTROL_SECRET ? SECRET_MAX : TEXT_MAX;
    if (json_string(reply->arena, value, &s) != OK)
        return control_wrong(reply, ERR_INVALID_REQUEST, f->name, "It must be a string.");
    int64_t n = (int64_t)(f->kind == CONTROL_SECRET ? s.n : chars(s));
    if (n < f->min || n > max)
        return no(reply, ERR_VALIDATION_FAILED, f->name,
                  arena_printf(reply->arena, "It must have %" PRId64 " to %" PRId64 " characters.",
                               f->min, max));
    if (f->kind == CONTROL_TEXT && has_control(s))
        return control_wrong(reply, ERR_VALIDATION_FAILED, f->name,
                             "It has a control character in it.");
    if (str_index(s, '\0') != SIZE_MAX)
        return control_wrong(reply, ERR_VALIDATION_FAILED, f->name, "It has a NUL in it.");
    *(struct str *)f->to = arena_dup(reply->arena, s);
    return reply->arena->over ? ERR_LIMIT : OK;
}

static enum err read_int(const struct control_field *f, struct str value, struct http_reply *reply)
{
    int64_t max = f->max != 0 ? f->max : INT64_MAX, n;
    if (json_int(value, INT64_MIN, INT64_MAX, &n) != OK)
        return control_wrong(reply, ERR_INVALID_REQUEST, f->name, "It must be a whole number.");
    if (n < f->min || n > max)
        return no(
            reply, ERR_VALIDATION_FAILED, f->name,
            arena_printf(reply->arena, "It must be from %" PRId64 " to %" PRId64 ".", f->min, max));
    *(int64_t *)f->to = n;
    return OK;
}

static enum err read_usd(const struct control_field *f, struct str value, struct http_reply *reply)
{
    struct str s;
    struct nano amount;
    if (json_string(reply->arena, value, &s) != OK)
        return control_wrong(reply, ERR_INVALID_REQUEST, f->name,
                             "It must be an amount in dollars as a string, e.g. \"2.50\".");
    if (nano_parse(s, false, &amount) != OK || amount.v < 0)
        return control_wrong(reply, ERR_VALIDATION_FAILED, f->name,
                             "It must be an amount in dollars with at most 9 places, not below 0.");
    *(struct nano *)f->to = amount;
    return OK;
}

/* ["a","b"] to lines. */
static enum err read_texts(const struct control_field *f, struct str value,
                           struct http_reply *reply)
{
    struct buf b;
    struct str one;
    enum err e = json_type_of(value) == JSON_ARRAY ? OK : ERR_INVALID_REQUEST;
    struct json_walk w = json_walk_of(value);
    buf_init(&b, LIST_MAX);
    while (e == OK && json_next(&w)) {
        e = json_string(reply->arena, w.value, &one);
        if (e == OK && (one.n == 0 || has_control(one)))
            e = ERR_VALIDATION_FAILED;
        if (e == OK) {
            if (b.n != 0)
                buf_byte(&b, '\n');
            buf_add(&b, one);
        }
    }
    if (e == OK && b.over)
        e = ERR_VALIDATION_FAILED;
    *(struct str *)f->to = arena_dup(reply->arena, buf_str(&b));
    buf_fini(&b);
    return e == OK ? OK : control_wrong(reply, e, f->name, "It must be an array of short strings.");
}

static enum err read_time(const struct control_field *f, struct str value, struct http_reply *reply)
{
    struct str s;
    if (json_string(reply->arena, value, &s) != OK || clock_parse(s, f->to) != OK)
        return control_wrong(reply, ERR_INVALID_REQUEST, f->name,
                             "It must be a time as in RFC 3339.");
    return OK;
}

static enum err read_value(const struct control_field *f, struct str value,
                           struct http_reply *reply)
{
    enum json_type type = json_type_of(value);
    if (type == JSON_NULL) {
        if (f->null == NULL)
            return control_wrong(reply, ERR_INVALID_REQUEST, f->name, "It must not be null.");
        *f->null = true;
        return OK;
    }
    switch (f->kind) {
    case CONTROL_TEXT:
    case CONTROL_SECRET: return read_text(f, value, reply);
    case CONTROL_INT: return read_int(f, value, reply);
    case CONTROL_USD: return read_usd(f, value, reply);
    case CONTROL_TIME: return read_time(f, value, reply);
    case CONTROL_TEXTS: return read_texts(f, value, reply);
    case CONTROL_BOOL:
        if (type != JSON_TRUE && type != JSON_FALSE)
            return control_wrong(reply, ERR_INVALID_REQUEST, f->name, "It must be true or false.");
        *(bool *)f->to = type == JSON_TRUE;
        return OK;
    case CONTROL_OBJECT:
        if (type != JSON_OBJECT)
            return control_wrong(reply, ERR_INVALID_REQUEST, f->name, "It must be an object.");
        *(struct str *)f->to = value;
        return OK;
    case CONTROL_KIND__COUNT: break;
    }
    return ERR_INTERNAL;
}

static enum err unknown(struct str key, const struct control_field *fields, size_t n,
                        struct http_reply *reply)
{
    struct buf b;
    buf_init(&b, 2048);
    buf_add(&b, n == 0 ? STR("No member is known here.") : STR("Known here:"));
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s %s", i != 0 ? "," : "", fields[i].name);
    if (n != 0)
        buf_byte(&b, '.');
    reply->message = arena_dup(reply->arena, buf_str(&b));
    reply->field = arena_dup(reply->arena, key);
    buf_fini(&b);
    return ERR_INVALID_REQUEST;
}

enum err control_object_read(struct str object, struct http_reply *reply,
                             const struct control_field *fields, size_t n)
{
    bool seen[FIELDS_MAX] = {false};
    must(n <= FIELDS_MAX);
    struct json_walk w = json_walk_of(object);
    while (json_next(&w)) {
        size_t i = 0;
        while (i < n && !json_is(&w, str_c(fields[i].name)))
            i++;
        if (i == n)
            return unknown(w.key, fields, n, reply);
        if (seen[i])
            return control_wrong(reply, ERR_INVALID_REQUEST, fields[i].name, "It comes twice.");
        seen[i] = true;
        enum err e = read_value(&fields[i], w.value, reply);
        if (e != OK)
            return e;
        if (fields[i].given != NULL)
            *fields[i].given = true;
    }
    for (size_t i = 0; i < n; i++)
        if (fields[i].required && !seen[i])
            return control_wrong(reply, ERR_INVALID_REQUEST, fields[i].name, "It is missing.");
    return OK;
}

enum err control_body_read(const struct http_request *r, struct http_reply *reply,
                           const struct control_field *fields, size_t n)
{
    size_t offset = 0;
    struct str object = json_trim(r->body);
    if (object.n == 0)
        object = STR("{}");
    else if (json_check(r->body, &offset) != OK || json_type_of(object) != JSON_OBJECT) {
        reply->message = arena_printf(reply->arena, "The body is not a JSON object: see byte %zu.",
                                      offset);
        return ERR_INVALID_JSON;
    }
    return control_object_read(object, reply, fields, n);
}

/* ---- pages ---- */

enum err control_page_begin(const struct http_request *r, struct http_reply *reply,
                            struct control_page *page)
{
    struct str v;
    uint64_t n = PAGE_DEFAULT;
    *page = (struct control_page){.after = STR("\x7F")};
    if (http_query(r, reply->arena, STR("limit"), &v) && (!str_to_u64(v, PAGE_MAX, &n) || n == 0))
        return control_wrong(reply, ERR_INVALID_REQUEST, "limit",
                             "'limit' must be a number from 1 to 100.");
    page->limit = (int64_t)n;
    if (http_query(r, reply->arena, STR("cursor"), &v)) {
        if (v.n == 0 || v.n >= ID_TEXT_MAX || !str_is_utf8(v))
            return control_wrong(reply, ERR_INVALID_REQUEST, "cursor",
                                 "'cursor' must be the next_cursor of an answer.");
        page->after = v;
    }
    buf_add(&reply->body, STR("{\"data\":["));
    return OK;
}

bool control_page_row(struct control_page *page, struct str id)
{
    if (page->n == page->limit) {
        page->more = true;
        return false;
    }
    must(id.n < sizeof(page->last));
    page->n++;
    memcpy(page->last, id.p, id.n);
    page->last[id.n] = '\0';
    return true;
}

void control_page_end(struct control_page *page, struct http_reply *reply)
{
    buf_byte(&reply->body, ']');
    buf_json_bool(&reply->body, "has_more", page->more);
    buf_json_key(&reply->body, "next_cursor");
    if (page->more)
        buf_json_str(&reply->body, str_c(page->last));
    else
        buf_add(&reply->body, STR("null"));
    buf_byte(&reply->body, '}');
}

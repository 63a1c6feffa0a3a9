/* The packed fields of the gateway's records. */
#include "gateway/about.h"

#define TEXT_MAX 1024
#define LONG 255

enum about_kind { KIND_NONE, KIND_ID, KIND_INT, KIND_TEXT, KIND_JSON };

static const struct {
    enum about_kind kind;
    const char *json;
} field_info[ABOUT__COUNT] = {
#define ABOUT(name, tag, kind, json) [tag] = {KIND_##kind, json},
    ABOUT_TABLE(ABOUT)
#undef ABOUT
};

static uint64_t little_endian(struct str s)
{
    uint64_t v = 0;
    for (size_t i = s.n; i-- > 0;)
        v = v << 8 | (unsigned char)s.p[i];
    return v;
}

/* The next field; false at the end or at what is none. */
static bool next(struct str *s, unsigned *ret_tag, struct str *ret_value)
{
    if (s->n < 2)
        return false;
    size_t n = (unsigned char)s->p[1], head = 2;
    if (n == LONG) {
        if (s->n < 4)
            return false;
        n = (size_t)little_endian(str_of(s->p + 2, 2));
        head = 4;
    }
    if (s->n - head < n)
        return false;
    *ret_tag = (unsigned char)s->p[0];
    *ret_value = str_of(s->p + head, n);
    *s = str_from(*s, head + n);
    return true;
}

void about_read(struct about *a, struct str bytes)
{
    unsigned tag;
    struct str value;
    while (next(&bytes, &tag, &value))
        if (tag < ABOUT__COUNT)
            a->field[tag] = value;
}

int64_t about_int(const struct about *a, enum about_tag tag)
{
    struct str v = a->field[tag];
    return v.n <= 8 ? (int64_t)little_endian(v) : 0;
}

struct id about_id(const struct about *a, enum about_tag tag)
{
    return id_of_bytes(a->field[tag]);
}

struct str about_text(const struct about *a, enum about_tag tag)
{
    return a->field[tag].p != NULL ? a->field[tag] : STR("");
}

static void put(struct buf *b, enum about_tag tag, struct str value)
{
    buf_byte(b, (char)tag);
    if (value.n < LONG) {
        buf_byte(b, (char)value.n);
    } else {
        buf_byte(b, (char)LONG);
        buf_le(b, value.n, 2);
    }
    buf_add(b, value);
}

void about_put_int(struct buf *b, enum about_tag tag, int64_t v)
{
    if (v == 0)
        return;
    unsigned bytes = (71u - (unsigned)__builtin_clzll((uint64_t)v)) / 8u;
    char *p = buf_reserve(b, 2 + bytes);
    if (p == NULL)
        return;
    p[0] = (char)tag;
    p[1] = (char)bytes;
    b->n += 2;
    buf_le(b, (uint64_t)v, bytes);
}

void about_put_id(struct buf *b, enum about_tag tag, struct id id)
{
    put(b, tag, id_bytes(&id));
}

void about_put_text(struct buf *b, enum about_tag tag, struct str s)
{
    if (s.n != 0)
        put(b, tag, str_upto(s, TEXT_MAX));
}

static void field_json(struct buf *json, enum about_tag tag, struct str value)
{
    const char *name = field_info[tag].json;
    struct about one = {0};
    char text[ID_TEXT_MAX];
    size_t offset;
    one.field[tag] = value;
    switch (field_info[tag].kind) {
    case KIND_INT: buf_json_i64(json, name, about_int(&one, tag)); break;
    case KIND_TEXT: buf_json_member(json, name, value); break;
    case KIND_ID:
        buf_json_member(json, name,
                        id_text(tag == ABOUT_USER  ? "usr_"
                                : tag == ABOUT_KEY ? "key_"
                                                   : "team_",
                                about_id(&one, tag), text));
        break;
    case KIND_JSON:
        buf_json_key(json, name);
        if (json_check(value, &offset) == OK)
            buf_add(json, value);
        else
            buf_json_str(json, value);
        break;
    case KIND_NONE: break;
    }
}

void about_json(struct str bytes, struct buf *json)
{
    unsigned tag;
    struct str value;
    buf_byte(json, '{');
    while (next(&bytes, &tag, &value))
        if (tag < ABOUT__COUNT)
            field_json(json, (enum about_tag)tag, value);
    buf_byte(json, '}');
}

/* JSON read without a tree: one strict pass over the text, and a walk over the members of one
 * object or the elements of one array. RFC 8259; duplicate members are reported as they stand.
 *
 * Owns: nothing.  Threads: any.  Memory: none; values are slices of the text.
 * Errors: ERR_INVALID_JSON with the byte offset of the first offence.
 * Always: walking is defined only on text that json_check accepted (walks of other text end early
 * and never read past it). */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define JSON_DEPTH_MAX 128

enum json_type {
    JSON_NONE, /* no such value */
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
    JSON_TYPE__COUNT
};

/* Where the first members of an object stand, found on the way when it was checked, so that a walk
 * over them does not look through their values again. */
#define JSON_INDEX_MAX 32
struct json_index {
    unsigned n;
    struct json_place {
        uint32_t at, key_n, value_at, value_n; /* from the opening brace on */
        bool escaped;
    } member[JSON_INDEX_MAX];
};

/* The whole text is one JSON value, valid UTF-8, nested at most JSON_DEPTH_MAX. */
MUST enum err json_check(struct str text, size_t *ret_offset);
/* The same; when the value is an object, index has its members, otherwise none. */
MUST enum err json_check_index(struct str text, struct json_index *index, size_t *ret_offset);

/* Without JSON's white space at both ends. */
struct str json_trim(struct str text);

/* Of a value slice (without blanks around it). */
enum json_type json_type_of(struct str value);
/* "a string", "an object", … for messages. */
const char *json_type_name(enum json_type t);

/* A walk. For an object each turn gives key (the raw text between the quotes, escapes and all) and
 * value; for an array only the value. `at` is the offset of the member in the walked text. */
struct json_walk {
    struct str text;
    const struct json_index *index;
    size_t i;
    unsigned turn;
    bool object;
    bool escaped; /* the key has escapes */
    struct str key; /* raw, without quotes */
    struct str value; /* with quotes, brackets */
    size_t at; /* where the key (or element) starts */
};
/* `container` is an object's or array's slice; anything else walks zero turns. */
struct json_walk json_walk_of(struct str container);
/* Of the object that was checked with this index, which lives as long as the walk. */
struct json_walk json_walk_indexed(struct str object, const struct json_index *index);
bool json_next(struct json_walk *w);
/* Is the raw key, unescaped, equal to name? (`"mod\u0065l"` is `model`.) */
bool json_key_is(struct str raw_key, struct str name);
/* The same of the walk's member. */
static inline bool json_is(const struct json_walk *w, struct str name)
{
    return w->escaped ? json_key_is(w->key, name) : str_eq(w->key, name);
}

/* Member of an object by name; JSON_NONE's empty slice when missing; the last one when repeated. */
struct str json_get(struct str object, struct str name);
/* Path through objects: "usage", "cost_details". Ends with NULL. */
struct str json_path(struct str object, const char *const *names);

/* Unescaped string value; ERR_INVALID_REQUEST when it is no string. Without escapes it is a slice,
 * else a copy in the arena (ERR_LIMIT when that is full). */
MUST enum err json_string(struct arena *a, struct str value, struct str *ret_s);
/* Integer in [min, max]; 1e3 and 1.0 count as integers; else ERR_INVALID_REQUEST. */
MUST enum err json_int(struct str value, int64_t min, int64_t max, int64_t *ret_n);
bool json_is_true(struct str value);
/* May these bytes stand between quotes as they are? (ASCII only.) */
bool json_is_plain(struct str s);

#endif

/* Reading JSON bodies and list queries of the control API against a table of members.
 *
 * Owns: nothing.  Needs: base, http.  Threads: any.
 * Memory: texts are slices of the body or copies in the reply's arena.
 * Units: as the kinds say.
 * Errors: INVALID_JSON (with the byte); INVALID_REQUEST with the field: unknown, missing, of the
 * wrong type, twice; VALIDATION_FAILED with the field: out of its bounds. Words are in the reply.
 * Always: what is not in the table is refused. */
#ifndef CONTROL_BODY_H
#define CONTROL_BODY_H

#include "base/id.h"
#include "base/units.h"
#include "http/http.h"

enum control_kind {
    CONTROL_TEXT, /* struct str; min and max in characters of UTF-8, no control characters */
    CONTROL_SECRET, /* struct str; max in bytes; as it is */
    CONTROL_BOOL, /* bool */
    CONTROL_INT, /* int64_t, min to max */
    CONTROL_USD, /* struct nano; a decimal string, not below zero */
    CONTROL_TIME, /* int64_t µs; RFC 3339 */
    CONTROL_TEXTS, /* struct str; an array of strings, one a line */
    CONTROL_OBJECT, /* struct str; the object's text */
    CONTROL_KIND__COUNT
};
struct control_field {
    const char *name;
    enum control_kind kind;
    void *to; /* of the kind's type; keeps its value when the member is missing or null */
    int64_t min, max; /* max 0: 100 characters, 4096 bytes, INT64_MAX */
    bool required;
    bool *given; /* may be NULL; set when the member is there */
    bool *null; /* NULL: null is refused; else set when the member is null */
};
/* An empty body is an empty object. */
MUST enum err control_body_read(const struct http_request *r, struct http_reply *reply,
                                const struct control_field *fields, size_t n);
/* Members of an object within a body: the same rules. */
MUST enum err control_object_read(struct str object, struct http_reply *reply,
                                  const struct control_field *fields, size_t n);
#define CONTROL_BODY_READ(r, reply, fields)                                                        \
    control_body_read(r, reply, fields, sizeof(fields) / sizeof((fields)[0]))
/* Refuses with words: returns e. */
enum err control_wrong(struct http_reply *reply, enum err e, const char *field,
                       const char *message);
/* Routes without credentials that a browser may send its cookies to: the body must say that it is
 * JSON, which other sites' pages cannot do. UNSUPPORTED_MEDIA_TYPE. */
MUST enum err control_json_only(const struct http_request *r);

/* ---- lists: ?limit=&cursor=, newest first, by id ---- */
struct control_page {
    int64_t limit; /* 1 to 100 */
    struct str after; /* rows whose id is below this come; "\x7F" at the beginning */
    int64_t n; /* rows written */
    bool more;
    char last[ID_TEXT_MAX];
};
/* INVALID_REQUEST with the field. Begins the answer: {"data":[ */
MUST enum err control_page_begin(const struct http_request *r, struct http_reply *reply,
                                 struct control_page *page);
/* Ask the store for limit + 1 rows, and this before writing each: false when there is one too
 * many, which only says that there are more. */
bool control_page_row(struct control_page *page, struct str id);
void control_page_end(struct control_page *page, struct http_reply *reply);

#endif

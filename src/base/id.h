/* Ids: `prefix_` and a ULID (48 bits of milliseconds, 80 random bits, Crockford base 32).
 * Source: github.com/ulid/spec.
 *
 * Owns: a per-thread pool of random bytes.  Threads: any.  Memory: caller's.  Errors: none.
 * Always: ids of one thread ascend within a millisecond. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/buf.h"
#include "base/str.h"

#define ID_ULID_LEN 26
#define ID_TEXT_MAX 48

/* 16 bytes, big-endian, sortable. */
struct id {
    uint8_t b[16];
};

struct id id_new(int64_t wall_us);
/* The least id of that millisecond, or of the next one when the time lies within it: what began
 * then or later is not below. */
struct id id_first(int64_t wall_us);
bool id_eq(struct id a, struct id b);
bool id_is_zero(struct id a);
int64_t id_wall_ms(struct id a);
uint64_t id_hash(struct id a);
/* The 16 bytes as a table keeps them; lives as long as *id. */
static inline struct str id_bytes(const struct id *id)
{
    return str_of((const char *)id->b, sizeof(id->b));
}
/* The zero id when they are not 16. */
static inline struct id id_of_bytes(struct str s)
{
    struct id id = {{0}};
    if (s.n == sizeof(id.b))
        memcpy(id.b, s.p, sizeof(id.b));
    return id;
}
/* `prefix` with its underscore: "req_". */
struct str id_text(const char *prefix, struct id id, char text[ID_TEXT_MAX]);
/* `"name":"prefix_…"`, with its comma. */
void id_json(struct buf *b, const char *name, const char *prefix, struct id id);
/* False when the prefix or a character is not right. */
bool id_parse(const char *prefix, struct str s, struct id *ret_id);

#endif

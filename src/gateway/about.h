/* What the gateway writes into the ledger's opaque `about` fields: tagged values, packed, since
 * they are in every record of the journal. A value is one byte of tag, one of length (255: two
 * more bytes of length follow, little-endian) and its bytes; an integer is little-endian without
 * its leading zero bytes. Unknown tags are passed over.
 *
 * Owns: the format. Threads: any. Memory: slices of the input.
 * Errors: a broken about reads as empty fields. */
#ifndef GATEWAY_ABOUT_H
#define GATEWAY_ABOUT_H

#include "base/buf.h"
#include "base/id.h"
#include "base/json.h"

/*   ABOUT(NAME, tag, kind, "json name")   kinds: ID (16 bytes), INT, TEXT, JSON (raw text) */
#define ABOUT_TABLE(ABOUT)                                                                         \
    ABOUT(USER, 1, ID, "user_id")                                                                  \
    ABOUT(KEY, 2, ID, "key_id")                                                                    \
    ABOUT(TEAM, 3, ID, "team_id")                                                                  \
    ABOUT(MODEL, 4, TEXT, "model")                                                                 \
    ABOUT(PRODUCT, 5, INT, "product")                                                              \
    ABOUT(STREAM, 6, INT, "stream")                                                                \
    ABOUT(STARTED, 7, INT, "started_us")                                                           \
    ABOUT(PRICE, 8, INT, "price_version")                                                          \
    ABOUT(RULE, 9, INT, "rule_id")                                                                 \
    ABOUT(INPUT_ESTIMATE, 10, INT, "input_tokens_estimate")                                        \
    ABOUT(OUTPUT_CAP, 11, INT, "output_tokens_cap")                                                \
    ABOUT(PROVIDER, 12, TEXT, "provider")                                                          \
    ABOUT(PROVIDER_ID, 13, INT, "provider_id")                                                     \
    ABOUT(PROVIDER_KEY, 14, INT, "provider_key_id")                                                \
    ABOUT(UPSTREAM_MODEL, 15, TEXT, "upstream_model")                                              \
    ABOUT(ATTEMPT, 16, INT, "attempt")                                                             \
    ABOUT(STATUS, 17, INT, "status")                                                               \
    ABOUT(BASIS, 18, INT, "basis")                                                                 \
    ABOUT(INPUT, 19, INT, "input_tokens")                                                          \
    ABOUT(OUTPUT, 20, INT, "output_tokens")                                                        \
    ABOUT(CACHE_READ, 21, INT, "cache_read_tokens")                                                \
    ABOUT(CACHE_WRITE, 22, INT, "cache_write_tokens")                                              \
    ABOUT(REASONING, 23, INT, "reasoning_tokens")                                                  \
    ABOUT(FIRST_BYTE, 24, INT, "first_byte_us")                                                    \
    ABOUT(UPSTREAM_ID, 25, TEXT, "upstream_id")                                                    \
    ABOUT(RAW_USAGE, 26, JSON, "raw_usage")                                                        \
    ABOUT(FINISH, 27, TEXT, "finish_reason")                                                       \
    ABOUT(ERROR, 28, TEXT, "error")                                                                \
    ABOUT(MARKUP, 29, INT, "markup_ppm")                                                           \
    ABOUT(COST_REPORTED, 30, INT, "cost_reported_nano")                                            \
    ABOUT(WRITTEN_OFF, 31, INT, "written_off_nano")

enum about_tag {
#define ABOUT(name, tag, kind, json) ABOUT_##name = (tag),
    ABOUT_TABLE(ABOUT)
#undef ABOUT
        ABOUT__COUNT = 32
};

/* Fields of one or several abouts, later ones over earlier ones. */
struct about {
    struct str field[ABOUT__COUNT];
};
void about_read(struct about *a, struct str bytes);
int64_t about_int(const struct about *a, enum about_tag tag); /* 0 when missing */
struct id about_id(const struct about *a, enum about_tag tag);
struct str about_text(const struct about *a, enum about_tag tag);

void about_put_int(struct buf *b, enum about_tag tag, int64_t v); /* 0 is not written */
void about_put_id(struct buf *b, enum about_tag tag, struct id id);
void about_put_text(struct buf *b, enum about_tag tag, struct str s); /* cut at 1,024 bytes */
/* All fields as a JSON object. */
void about_json(struct str bytes, struct buf *json);

#endif

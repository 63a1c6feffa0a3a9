/* Text of the sandbox: JSON strings, tokens, words made from a seed, decimals.
 *
 * Owns: nothing.  Needs: base.  Threads: any.
 * Memory: appends to the caller's buffers, which are sticky when full.
 * Units: bytes; tokens are four bytes of UTF-8 each, rounded up; money is pico-dollars.
 * Errors: none; JSON given here has passed json_check.
 * Always: the same input gives the same output. */
#ifndef SANDBOX_TEXT_H
#define SANDBOX_TEXT_H

#include "base/buf.h"
#include "base/str.h"

enum { SANDBOX_TOKEN_BYTES = 4 };

static inline int64_t sandbox_tokens(size_t bytes)
{
    return (int64_t)((bytes + SANDBOX_TOKEN_BYTES - 1) / SANDBOX_TOKEN_BYTES);
}

/* Well-mixed 64 bits of one number. */
uint64_t sandbox_mix(uint64_t v);
/* Of a JSON string with its quotes: the bytes of its value; 0 when it is no string. */
size_t sandbox_string_bytes(struct str value);
void sandbox_string_add(struct buf *b, struct str value);
/* Text into an open JSON string: escaped, without quotes. */
void sandbox_string_put(struct buf *b, struct str text);
/* n pieces of four bytes: three letters and a blank. */
void sandbox_words(struct buf *b, uint64_t seed, size_t n);
/* The largest cut at most `at` that does not fall inside a character. */
size_t sandbox_cut(struct str text, size_t at);
/* As a JSON number with up to twelve places. */
void sandbox_decimal(struct buf *b, int64_t pico);
/* A value that a JSON schema allows, with `text` (JSON string, quotes and all) in its strings. */
void sandbox_schema_fill(struct buf *b, struct str schema, struct str text);
/* First 9 and last 4 characters of a key. */
enum { SANDBOX_MASK_MAX = 24 };
struct str sandbox_mask(struct str key, char text[SANDBOX_MASK_MAX]);

#endif

/* Splicing: a JSON text with a few values exchanged, the rest untouched.
 *
 * Owns: nothing.  Threads: any.  Memory: slices of the text and of the new values.
 * Errors: edits that overlap are our bug. */
#ifndef GATEWAY_EDITS_H
#define GATEWAY_EDITS_H

#include "base/json.h"

#define EDITS_MAX 7

/* A replacement in a JSON text: [at, at+n) becomes `text`. */
struct edit {
    size_t at, n;
    struct str text;
};
struct edits {
    struct edit e[EDITS_MAX];
    size_t n;
};
/* Sorted insertion; overlapping edits are our bug. */
void edits_add(struct edits *list, size_t at, size_t n, struct str text);
/* The text in pieces, unchanged runs by reference; returns how many (at most 2 × edits + 1). */
size_t edits_pieces(const struct edits *list, struct str text, struct str *pieces);

#endif

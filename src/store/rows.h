/* Rows of one statement that were put and are not written yet: for an engine that writes several at
 * once.
 *
 * Owns: copies of their values, with the text and bytes of them.
 * Needs: engine.h.
 * Threads: that of the connection.
 * Memory: all of it is made with the first row and kept, 32 KiB of text and bytes per statement.
 * Units: none.  Errors: none.
 * Always: rows are kept in the order in which they were added. */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "store/engine.h"

struct store_rows {
    unsigned params, most; /* per row; rows at once */
    unsigned n;
    size_t used; /* of bytes */
    char *bytes;
    struct store_param values[]; /* n rows, one behind the other */
};

struct store_rows *store_rows_new(const struct sql_statement *statement);
void store_rows_free(struct store_rows **rows);
/* Copies a row. False, and nothing has changed: its text and bytes do not fit beside the others',
 * or, when there are none, not at all. There is a place free for it (n < most). */
bool store_rows_add(struct store_rows *rows, const struct store_param *params, unsigned n);
/* The values of a row. */
const struct store_param *store_rows_at(const struct store_rows *rows, unsigned i);
void store_rows_clear(struct store_rows *rows);

#endif

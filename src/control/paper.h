/* Receipts and statements on A4: a PDF of what a document's JSON says.
 *
 * Owns: nothing.
 * Needs: paper_font.h.
 * Threads: any; blocks for milliseconds.
 * Memory: the caller's buffer.
 * Units: points, 1/72 inch.
 * Errors: LIMIT (too many pages, or the buffer's maximum), CORRUPT (libharu refused something).
 * Always: the same document is the same paper; who sells and who buys stands there whole, what does
 * not fit a table's column ends with an ellipsis; letters that cannot be written are a box, and the
 * paper says so.
 *
 * The document: {"title","brand","color","facts":[["Issued","…"]],"seller":["…"],"buyer":["…"],
 * "sections":[{"heading","columns":["…"],"rows":[["…"]]}],"totals":[["Total","…"]],"note"}. The
 * first column of a section stands left, the others right; the last total is the strong one. */
#ifndef CONTROL_PAPER_H
#define CONTROL_PAPER_H

#include "base/buf.h"

#define PAPER_PAGES_MAX 200

/* ret_missing: the first code point that is a box; 0: all are written. */
MUST enum err paper_draw(struct str document, struct str number, struct buf *ret_pdf,
                         uint32_t *ret_missing);

#endif

/* The redo log: what is promised, on disk in one write, before the tables have it.
 *
 *      block 0            header: key, size of a half, where a clean end left off
 *      half 0, half 1     entries behind each other, numbered; filled in turn
 *
 * A half is written again only when all of its entries are durable in the database. The file keeps
 * its size, so that a commit is one overwrite in place, past the page cache where the file system
 * lets us, and needs no flush of any metadata.
 *
 * Owns: the file PATH-redo beside the database.
 * Needs: base.
 * Threads: append and folded on the writer; release on any thread; the rest while nobody writes.
 * Memory: one buffer, aligned, at most STORE_REDO_ENTRY_MAX and a block.
 * Units: bytes; entries by their number, from 1 on.
 * Errors: END: no room before more is released; STORE_FULL; CORRUPT. A failed write or flush ends
 * the process: what is on disk is not known any more.
 * Always: what append has said OK to is found by store_redo_each after any crash, until it is
 * released; a torn entry is never found. */
#ifndef STORE_REDO_H
#define STORE_REDO_H

#include "base/err.h"
#include "base/str.h"
#include "store/store.h"

struct store_redo;

#define STORE_REDO_ENTRY_MAX ((size_t)1 << 20)

/* Makes the file when it is not there and may be made; what it holds is read by store_redo_each. */
MUST enum err store_redo_open(const char *path, struct store_redo **ret_redo,
                              char why[STORE_WHY_MAX]);
/* When all is released, the next start has nothing to look for. */
void store_redo_close(struct store_redo **redo);
/* Durable when it returns OK. END also for an entry over STORE_REDO_ENTRY_MAX. */
MUST enum err store_redo_append(struct store_redo *redo, struct str entry);
/* The number of the last entry. */
uint64_t store_redo_last(const struct store_redo *redo);
/* Entries up to this number are in the tables, not yet durable there. */
void store_redo_folded(struct store_redo *redo, uint64_t number);
/* The number of the last entry that is in the tables. */
uint64_t store_redo_mark(const struct store_redo *redo);
/* Entries up to this number are durable in the database. */
void store_redo_release(struct store_redo *redo, uint64_t number);
bool store_redo_is_released(const struct store_redo *redo, uint64_t number);
/* Once per half: it would be good to release the other one soon. */
bool store_redo_is_filling(struct store_redo *redo);
/* The entries that were found when it was opened, oldest first; the first error of fn ends it. */
MUST enum err store_redo_found(struct store_redo *redo, enum err (*fn)(void *arg, struct str entry),
                               void *arg);
/* What was found is in the tables and durable: begins anew. */
void store_redo_reset(struct store_redo *redo);

#endif

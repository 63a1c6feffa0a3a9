/* All tables of a PostgreSQL house as one file, and back.
 *
 * Owns: the file's format.  Needs: libpq.  Threads: one at a time.
 * Memory: one piece of COPY at a time.  Units: bytes.
 * Errors: IO, STORE_FULL, STORE, CORRUPT; the words in why.
 * Always: a file is read whole or the transaction fails. */
#ifndef STORE_POSTGRES_COPY_H
#define STORE_POSTGRES_COPY_H

#include "store/engine.h"

#include <libpq-fe.h>

/* Inside a REPEATABLE READ transaction of db. The table `migration` is left out: `version` stands
 * for it. */
MUST enum err postgres_copy_out(PGconn *db, int version, const char *file, char why[STORE_WHY_MAX]);
/* The version that the file's tables have. */
MUST enum err postgres_copy_version(const char *file, int *ret_version, char why[STORE_WHY_MAX]);
/* Inside a transaction of db, whose schema has that version: empties the tables and fills them. */
MUST enum err postgres_copy_in(PGconn *db, const char *file, char why[STORE_WHY_MAX]);

#endif

/* The file: "TGPG" 1, u32 version; per table: u16 and its name, u32 and its column list, pieces of
 * COPY (FORMAT binary) each behind its u32, u32 0; at the end u16 0. Little-endian. */
#include "store/postgres_copy.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define MAGIC "TGPG\1"
#define TABLES_MAX 512
#define NAME_MAX_BYTES 64
#define PIECE_MAX (64u << 20)

/* Parents before children: COPY checks foreign keys as it goes. */
static const char list_tables[] =
    "WITH RECURSIVE t AS (SELECT c.oid, c.relname FROM pg_class c"
    " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace"
    " AND c.relname <> 'migration'),"
    " d AS (SELECT oid, 0 AS depth FROM t UNION"
    " SELECT f.conrelid, d.depth + 1 FROM d JOIN pg_constraint f ON f.confrelid = d.oid"
    " AND f.contype = 'f' AND f.conrelid <> f.confrelid WHERE d.depth < 64)"
    " SELECT t.relname, (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)"
    " FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped)"
    " FROM t JOIN d USING (oid) GROUP BY t.oid, t.relname ORDER BY max(d.depth), t.relname";

static enum err say_io(const char *file, char why[STORE_WHY_MAX])
{
    enum err e = errno == ENOSPC || errno == EDQUOT ? ERR_STORE_FULL : ERR_IO;
    return store_say(why, e, "%s cannot be written: %s.", file, strerror(errno));
}

static enum err say_pg(PGconn *db, char why[STORE_WHY_MAX])
{
    return store_say(why, ERR_STORE, "PostgreSQL: %s", PQerrorMessage(db));
}

static bool put(FILE *f, const void *p, size_t n)
{
    return n == 0 || fwrite(p, n, 1, f) == 1;
}

static bool put_le(FILE *f, uint32_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++, v >>= 8)
        if (putc((int)(v & 0xff), f) == EOF)
            return false;
    return true;
}

static bool get_le(FILE *f, unsigned bytes, uint32_t *ret_v)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < bytes; i++) {
        int c = getc(f);
        if (c == EOF)
            return false;
        v |= (uint32_t)c << (8 * i);
    }
    *ret_v = v;
    return true;
}

/* ---------------------------------------------------------------- out */

static enum err table_out(PGconn *db, FILE *f, const char *table, const char *columns,
                          const char *file, char why[STORE_WHY_MAX])
{
    struct buf text;
    size_t name_n = strlen(table), columns_n = strlen(columns);
    buf_init(&text, 65536);
    buf_printf(&text, "COPY \"%s\" (%s) TO STDOUT (FORMAT binary)", table, columns);
    buf_byte(&text, '\0');
    must(buf_check(&text) == OK);
    PGresult *r = PQexec(db, text.p);
    enum err e = PQresultStatus(r) == PGRES_COPY_OUT ? OK : say_pg(db, why);
    PQclear(r);
    buf_fini(&text);
    if (e == OK && !(put_le(f, (uint32_t)name_n, 2) && put(f, table, name_n) &&
                     put_le(f, (uint32_t)columns_n, 4) && put(f, columns, columns_n)))
        e = say_io(file, why);
    char *piece = NULL;
    int n = 0;
    while (e == OK && (n = PQgetCopyData(db, &piece, 0)) > 0) {
        if (!put_le(f, (uint32_t)n, 4) || !put(f, piece, (size_t)n))
            e = say_io(file, why);
        PQfreemem(piece);
    }
    if (e == OK && n == -2)
        e = say_pg(db, why);
    if (e == OK && !put_le(f, 0, 4))
        e = say_io(file, why);
    /* The result of the whole COPY; an error that came late is in it. */
    while (e == OK && (r = PQgetResult(db)) != NULL) {
        if (PQresultStatus(r) != PGRES_COMMAND_OK)
            e = say_pg(db, why);
        PQclear(r);
    }
    return e;
}

static enum err tables_out(PGconn *db, FILE *f, int version, const char *file,
                           char why[STORE_WHY_MAX])
{
    PGresult *r = PQexec(db, list_tables);
    enum err e = PQresultStatus(r) == PGRES_TUPLES_OK ? OK : say_pg(db, why);
    int tables = e == OK ? PQntuples(r) : 0;
    if (e == OK && !(put(f, MAGIC, 5) && put_le(f, (uint32_t)version, 4)))
        e = say_io(file, why);
    for (int i = 0; i < tables && e == OK; i++)
        e = table_out(db, f, PQgetvalue(r, i, 0), PQgetvalue(r, i, 1), file, why);
    if (e == OK && !put_le(f, 0, 2))
        e = say_io(file, why);
    PQclear(r);
    return e;
}

enum err postgres_copy_out(PGconn *db, int version, const char *file, char why[STORE_WHY_MAX])
{
    FILE *f = fopen(file, "wbe");
    if (f == NULL)
        return say_io(file, why);
    enum err e = tables_out(db, f, version, file, why);
    if (fclose(f) != 0 && e == OK)
        e = say_io(file, why);
    return e;
}

/* ---------------------------------------------------------------- in */

static enum err say_damaged(char why[STORE_WHY_MAX])
{
    return store_say(why, ERR_CORRUPT, "The tables in the backup are damaged.");
}

static enum err open_copy(const char *file, FILE **ret_f, int *ret_version, char why[STORE_WHY_MAX])
{
    char magic[5];
    uint32_t version = 0;
    FILE *f = fopen(file, "rbe");
    if (f == NULL)
        return store_say(why, ERR_IO, "%s cannot be read: %s.", file, strerror(errno));
    if (fread(magic, 5, 1, f) != 1 || memcmp(magic, MAGIC, 5) != 0 || !get_le(f, 4, &version)) {
        fclose(f);
        return say_damaged(why);
    }
    *ret_version = (int)version;
    *ret_f = f;
    return OK;
}

enum err postgres_copy_version(const char *file, int *ret_version, char why[STORE_WHY_MAX])
{
    FILE *f = NULL;
    enum err e = open_copy(file, &f, ret_version, why);
    if (e == OK)
        fclose(f);
    return e;
}

/* Text of n bytes, with a NUL; NULL at the end of the file or beyond `most`. */
static char *get_text(FILE *f, unsigned width, uint32_t most, uint32_t *ret_n)
{
    if (!get_le(f, width, ret_n) || *ret_n > most)
        return NULL;
    char *p = mem_alloc((size_t)*ret_n + 1);
    if (*ret_n != 0 && fread(p, *ret_n, 1, f) != 1) {
        mem_free(p);
        return NULL;
    }
    p[*ret_n] = '\0';
    return p;
}

static enum err pieces_in(PGconn *db, FILE *f, char why[STORE_WHY_MAX])
{
    enum err e = OK;
    for (;;) {
        uint32_t n = 0;
        char *piece = get_text(f, 4, PIECE_MAX, &n);
        if (piece == NULL)
            e = say_damaged(why);
        else if (n != 0 && PQputCopyData(db, piece, (int)n) != 1)
            e = say_pg(db, why);
        mem_free(piece);
        if (e != OK || n == 0)
            break;
    }
    if (PQputCopyEnd(db, e == OK ? NULL : "the backup is damaged") != 1 && e == OK)
        e = say_pg(db, why);
    PGresult *r = NULL;
    while ((r = PQgetResult(db)) != NULL) {
        if (PQresultStatus(r) != PGRES_COMMAND_OK && e == OK)
            e = say_pg(db, why);
        PQclear(r);
    }
    return e;
}

static enum err table_in(PGconn *db, FILE *f, const char *table, char why[STORE_WHY_MAX])
{
    struct buf text;
    uint32_t n = 0;
    char *columns = get_text(f, 4, 65536, &n);
    if (columns == NULL)
        return say_damaged(why);
    buf_init(&text, 131072);
    buf_printf(&text, "COPY \"%s\" (%s) FROM STDIN (FORMAT binary)", table, columns);
    buf_byte(&text, '\0');
    must(buf_check(&text) == OK);
    PGresult *r = PQexec(db, text.p);
    enum err e = PQresultStatus(r) == PGRES_COPY_IN ? OK : say_pg(db, why);
    PQclear(r);
    buf_fini(&text);
    mem_free(columns);
    return e == OK ? pieces_in(db, f, why) : e;
}

/* What migrations put into tables is in the backup too. */
static enum err empty_all(PGconn *db, char why[STORE_WHY_MAX])
{
    PGresult *r = PQexec(
        db, "DO $$ DECLARE t text; BEGIN FOR t IN SELECT quote_ident(relname) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
            " AND relname <> 'migration' LOOP EXECUTE 'TRUNCATE ' || t || ' CASCADE'; END LOOP;"
            " END $$");
    enum err e = PQresultStatus(r) == PGRES_COMMAND_OK ? OK : say_pg(db, why);
    PQclear(r);
    return e;
}

enum err postgres_copy_in(PGconn *db, const char *file, char why[STORE_WHY_MAX])
{
    FILE *f = NULL;
    int version = 0;
    enum err e = open_copy(file, &f, &version, why);
    if (e != OK)
        return e;
    e = empty_all(db, why);
    for (int i = 0; e == OK; i++) {
        uint32_t n = 0;
        char *table = get_text(f, 2, NAME_MAX_BYTES, &n);
        if (table == NULL || i > TABLES_MAX)
            e = say_damaged(why);
        else if (n != 0)
            e = table_in(db, f, table, why);
        mem_free(table);
        if (e == OK && n == 0)
            break;
    }
    fclose(f);
    return e;
}

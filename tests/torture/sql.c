/* Reads a house's database without the house: torture-sql sqlite:PATH|postgresql://… STATEMENT
 *
 * Prints one line per row, values divided by tabs, bytes as \x and hex digits, as PostgreSQL does.
 * The auditor looks with it at what is stored; it need not believe the program that it audits. */
#include "base/str.h"

#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "torture-sql: %s: %s\n", what, why);
    return 1;
}

static void print_sqlite_value(sqlite3_stmt *s, int column)
{
    const unsigned char *bytes;
    switch (sqlite3_column_type(s, column)) {
    case SQLITE_NULL: break;
    case SQLITE_BLOB:
        bytes = sqlite3_column_blob(s, column);
        fputs("\\x", stdout);
        for (int i = 0; i < sqlite3_column_bytes(s, column); i++)
            printf("%02x", bytes[i]);
        break;
    default: printf("%s", (const char *)sqlite3_column_text(s, column)); break;
    }
}

static int ask_sqlite(const char *path, const char *statement)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    /* Not read-only: the log of a killed house has to be read first, which may write. */
    int e = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (e == SQLITE_OK)
        e = sqlite3_busy_timeout(db, 10000);
    if (e == SQLITE_OK)
        e = sqlite3_prepare_v2(db, statement, -1, &s, NULL);
    if (e != SQLITE_OK)
        return fail(path, db != NULL ? sqlite3_errmsg(db) : "no memory");
    int columns = sqlite3_column_count(s);
    while ((e = sqlite3_step(s)) == SQLITE_ROW)
        for (int i = 0; i < columns; i++) {
            print_sqlite_value(s, i);
            putchar(i + 1 < columns ? '\t' : '\n');
        }
    if (e != SQLITE_DONE)
        return fail(path, sqlite3_errmsg(db));
    sqlite3_finalize(s);
    sqlite3_close(db);
    return 0;
}

static int ask_postgres(const char *url, const char *statement)
{
    PGconn *db = PQconnectdb(url);
    if (PQstatus(db) != CONNECTION_OK)
        return fail(url, PQerrorMessage(db));
    PGresult *r = PQexec(db, statement);
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        return fail(url, PQerrorMessage(db));
    int columns = PQnfields(r);
    for (int row = 0; row < PQntuples(r); row++)
        for (int i = 0; i < columns; i++) {
            fputs(PQgetvalue(r, row, i), stdout);
            putchar(i + 1 < columns ? '\t' : '\n');
        }
    PQclear(r);
    PQfinish(db);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return fail("usage", "torture-sql URL STATEMENT");
    struct str url = str_c(argv[1]);
    if (str_starts(url, STR("sqlite:")))
        return ask_sqlite(argv[1] + sizeof("sqlite:") - 1, argv[2]);
    return ask_postgres(argv[1], argv[2]);
}

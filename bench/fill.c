/* Fills the SQLite database of a stopped house with customers, keys and a past, to measure on.
 *
 *   fill DB TEAM customers=10000 keys=1000000 rows=10000000 heavy=1000000
 *
 * TEAM (team_…) gets `heavy` of the rows, the others share the rest. Rows lie within the last
 * thirty days and their sums by hour fit them; the ledger knows nothing of them. */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MODELS = 6, KEYS = 3, HOURS = 30 * 24 };
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static uint64_t seed = 42;
static sqlite3 *db;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static void die(const char *what)
{
    fprintf(stderr, "fill: %s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}

static void run(const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sql);
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        die(sql);
    return s;
}

static void step(sqlite3_stmt *s)
{
    if (sqlite3_step(s) != SQLITE_DONE)
        die(sqlite3_sql(s));
    sqlite3_reset(s);
}

static void id_make(unsigned char id[16], uint64_t ms)
{
    uint64_t a = draw(), b = draw();
    for (int i = 5; i >= 0; i--, ms >>= 8)
        id[i] = (unsigned char)ms;
    memcpy(id + 6, &a, 8);
    memcpy(id + 14, &b, 2);
}

/* 128 bits as 26 digits of five bits, the first of which has three. */
static void id_text(const char *prefix, const unsigned char id[16], char text[40])
{
    unsigned __int128 v = 0;
    size_t n = strlen(prefix);
    for (int i = 0; i < 16; i++)
        v = v << 8 | id[i];
    memcpy(text, prefix, n);
    for (int i = 25; i >= 0; i--, v >>= 5)
        text[n + (size_t)i] = digits[(unsigned)v & 31];
    text[n + 26] = '\0';
}

static void id_read(const char *text, unsigned char id[16])
{
    unsigned __int128 v = 0;
    for (const char *p = strchr(text, '_') + 1; *p != '\0'; p++)
        v = v << 5 | (unsigned)(strchr(digits, *p) - digits);
    for (int i = 15; i >= 0; i--, v >>= 8)
        id[i] = (unsigned char)v;
}

static void usage_of(const unsigned char team[16], int64_t rows, int64_t now_us)
{
    static sqlite3_stmt *line, *hour;
    unsigned char user[16], key[KEYS][16];
    if (line == NULL) {
        line = prepare(
            "INSERT INTO usage VALUES (?1,?2,?3,?4,?5,'main',200,1,?6,?7,?8,?8,?9,?10,0,x'')");
        hour = prepare("INSERT INTO usage_hour VALUES (?1,?2,?3,?4,?5,0,?6,?7,0,?8,?8)"
                       " ON CONFLICT DO UPDATE SET requests = requests + excluded.requests,"
                       " input_tokens = input_tokens + excluded.input_tokens,"
                       " output_tokens = output_tokens + excluded.output_tokens,"
                       " charge = charge + excluded.charge, cost = cost + excluded.cost");
    }
    id_make(user, 1700000000000);
    for (int i = 0; i < KEYS; i++)
        id_make(key[i], 1700000000000);
    sqlite3_bind_blob(line, 1, team, 16, SQLITE_STATIC);
    sqlite3_bind_blob(line, 3, user, 16, SQLITE_STATIC);
    sqlite3_bind_blob(hour, 1, team, 16, SQLITE_STATIC);
    int64_t span = (int64_t)HOURS * 3600000000;
    for (int64_t i = 0; i < rows; i++) {
        unsigned char id[16];
        char model[32];
        int64_t at = now_us - span + span / rows * i, in = (int64_t)(draw() % 2000) + 10,
                out = (int64_t)(draw() % 800) + 1, charge = in * 150 + out * 600;
        unsigned k = draw() % KEYS;
        snprintf(model, sizeof(model), "maker/model-%u", (unsigned)(draw() % MODELS));
        id_make(id, (uint64_t)at / 1000);
        sqlite3_bind_blob(line, 2, id, 16, SQLITE_TRANSIENT);
        sqlite3_bind_blob(line, 4, key[k], 16, SQLITE_STATIC);
        sqlite3_bind_text(line, 5, model, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int64(line, 6, in);
        sqlite3_bind_int64(line, 7, out);
        sqlite3_bind_int64(line, 8, charge);
        sqlite3_bind_int64(line, 9, at);
        sqlite3_bind_int64(line, 10, at + 900000);
        step(line);
        sqlite3_bind_int64(hour, 2, at / 3600000000);
        sqlite3_bind_blob(hour, 3, key[k], 16, SQLITE_STATIC);
        sqlite3_bind_text(hour, 4, model, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int64(hour, 5, 1);
        sqlite3_bind_int64(hour, 6, in);
        sqlite3_bind_int64(hour, 7, out);
        sqlite3_bind_int64(hour, 8, charge);
        step(hour);
    }
}

static void customer(int n, int64_t keys, int64_t rows, int64_t now_us)
{
    static sqlite3_stmt *user, *team, *member, *account, *key;
    unsigned char id[16];
    char user_id[40], team_id[40], key_id[40], email[64];
    if (user == NULL) {
        user = prepare(
            "INSERT INTO app_user (id, email, email_key, is_operator, suspended, created_us,"
            " verified_us) VALUES (?1, ?2, ?2, 0, 0, ?3, ?3)");
        team = prepare(
            "INSERT INTO team (id, name, personal_of, created_us) VALUES (?1, ?2, ?3, ?4)");
        member = prepare("INSERT INTO member (team_id, user_id, role, created_us)"
                         " VALUES (?1, ?2, 'owner', ?3)");
        account = prepare("INSERT INTO ledger_account VALUES (?1, 0, 0, 0, 0, ?2)");
        key = prepare(
            "INSERT INTO api_key (id, user_id, team_id, mac, name, display, scopes, models, ips,"
            " created_us, expires_us, revoked_us, last_used_us)"
            " VALUES (?1, ?2, ?3, ?4, 'key', 'tg_…abcd', 7, '', '', ?5, 0, 0, 0)");
    }
    int64_t born = now_us - (int64_t)(draw() % 31536000) * 1000000;
    id_make(id, (uint64_t)born / 1000);
    id_text("usr_", id, user_id);
    id_make(id, (uint64_t)born / 1000);
    id_text("team_", id, team_id);
    snprintf(email, sizeof(email), "customer%d@example.com", n);
    sqlite3_bind_text(user, 1, user_id, -1, SQLITE_STATIC);
    sqlite3_bind_text(user, 2, email, -1, SQLITE_STATIC);
    sqlite3_bind_int64(user, 3, born);
    step(user);
    sqlite3_bind_text(team, 1, team_id, -1, SQLITE_STATIC);
    sqlite3_bind_text(team, 2, email, -1, SQLITE_STATIC);
    sqlite3_bind_text(team, 3, user_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(team, 4, born);
    step(team);
    sqlite3_bind_text(member, 1, team_id, -1, SQLITE_STATIC);
    sqlite3_bind_text(member, 2, user_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(member, 3, born);
    step(member);
    sqlite3_bind_blob(account, 1, id, 16, SQLITE_STATIC);
    sqlite3_bind_int64(account, 2, born);
    step(account);
    for (int64_t i = 0; i < keys; i++) {
        unsigned char mac[32], kid[16];
        for (int w = 0; w < 32; w += 8) {
            uint64_t r = draw();
            memcpy(mac + w, &r, 8);
        }
        id_make(kid, (uint64_t)born / 1000);
        id_text("key_", kid, key_id);
        sqlite3_bind_text(key, 1, key_id, -1, SQLITE_STATIC);
        sqlite3_bind_text(key, 2, user_id, -1, SQLITE_STATIC);
        sqlite3_bind_text(key, 3, team_id, -1, SQLITE_STATIC);
        sqlite3_bind_blob(key, 4, mac, 32, SQLITE_STATIC);
        sqlite3_bind_int64(key, 5, born);
        step(key);
    }
    usage_of(id, rows, now_us);
}

static int64_t option(int argc, char **argv, const char *name, int64_t otherwise)
{
    size_t n = strlen(name);
    for (int i = 3; i < argc; i++)
        if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=')
            return strtoll(argv[i] + n + 1, NULL, 10); /* tidy: stands alone */
    return otherwise;
}

int main(int argc, char **argv)
{
    if (argc < 3 || strchr(argv[2], '_') == NULL) {
        fprintf(stderr, "usage: fill DB TEAM [customers=N] [keys=N] [rows=N] [heavy=N]\n");
        return 2;
    }
    int64_t customers = option(argc, argv, "customers", 10000),
            keys = option(argc, argv, "keys", 1000000), rows = option(argc, argv, "rows", 10000000),
            heavy = option(argc, argv, "heavy", 1000000);
    if (sqlite3_open(argv[1], &db) != SQLITE_OK)
        die("open");
    run("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA foreign_keys = 0;"
        " PRAGMA wal_autocheckpoint = 20000");
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t now_us = (int64_t)t.tv_sec * 1000000;
    unsigned char team[16];
    id_read(argv[2], team);
    run("BEGIN");
    usage_of(team, heavy, now_us);
    for (int64_t n = 0; n < customers; n++) {
        customer((int)n, keys / customers, (rows - heavy) / customers, now_us);
        if (n % 500 == 499)
            run("COMMIT; BEGIN");
    }
    run("INSERT INTO usage_day SELECT team, hour / 24, key_id, model, sum(requests), sum(failed),"
        " sum(input_tokens), sum(output_tokens), sum(charge) FROM usage_hour GROUP BY 1, 2, 3, 4");
    run("INSERT INTO sales_day SELECT hour / 24, model, sum(requests), sum(input_tokens),"
        " sum(output_tokens), 0, sum(charge), sum(cost) FROM usage_hour GROUP BY 1, 2");
    run("INSERT INTO team_day SELECT hour / 24, team, sum(requests), sum(charge), sum(cost)"
        " FROM usage_hour GROUP BY 1, 2");
    run("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_close(db);
    return 0;
}

/* Lists of people. */
#include "identity/people.h"

#include "identity/room.h"

#define WORD_MAX 200

static void person_of(const struct store_query *q, struct identity_person *p)
{
    *p = (struct identity_person){.email = store_str(q, 2),
                                  .name = store_str(q, 3),
                                  .company = store_str(q, 4),
                                  .is_operator = store_i64(q, 5) != 0,
                                  .suspended = store_i64(q, 6) != 0,
                                  .verified = store_i64(q, 7) != 0,
                                  .created_us = store_i64(q, 8)};
    (void)id_parse("usr_", store_str(q, 0), &p->user);
    (void)id_parse("team_", store_str(q, 1), &p->team);
}

/* %word% in lower case, with the wildcards of LIKE escaped. */
static struct str pattern_of(struct str word, char text[2 * WORD_MAX + 4])
{
    size_t n = 0;
    text[n++] = '%';
    for (size_t i = 0; i < word.n && i < WORD_MAX; i++) {
        char c = word.p[i];
        if (c == '%' || c == '_' || c == '!')
            text[n++] = '!';
        text[n++] = c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
    }
    text[n++] = '%';
    return str_of(text, n);
}

enum err identity_people(struct store_conn *conn, struct str word, struct str below, int64_t limit,
                         identity_person_f fn, void *arg)
{
    struct store_query *q = NULL;
    char text[2 * WORD_MAX + 4];
    enum err e = store_start(conn, SQL_IDENTITY_PEOPLE, &q, "tti", pattern_of(word, text), below,
                             limit);
    while (e == OK && (e = store_step(q)) == OK) {
        struct identity_person p;
        person_of(q, &p);
        fn(arg, &p);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err identity_person_get(struct store_conn *conn, struct id user, identity_person_f fn,
                             void *arg)
{
    struct store_query *q = NULL;
    char text[ID_TEXT_MAX];
    enum err e = store_start(conn, SQL_IDENTITY_PERSON, &q, "t", id_text("usr_", user, text));
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        struct identity_person p;
        person_of(q, &p);
        fn(arg, &p);
    }
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

enum err identity_team_label(struct store_conn *conn, struct arena *a, struct id team,
                             struct str *ret_label)
{
    struct store_query *q = NULL;
    char text[ID_TEXT_MAX];
    enum err e = store_start(conn, SQL_IDENTITY_TEAM_LABEL, &q, "t", id_text("team_", team, text));
    if (e == OK)
        e = store_step(q);
    *ret_label = e == OK ? arena_dup(a, store_str(q, 0)) : STR("");
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

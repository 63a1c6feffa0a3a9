/* JSON results for people: objects as lines, arrays as tables that fit the terminal. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_MAX 16
#define TEXT_MAX (1u << 20)
#define CELL_LEAST 6

static int terminal_width(void)
{
    struct winsize w;
    uint64_t n;
    const char *columns = getenv("COLUMNS");
    if (columns != NULL && str_to_u64(str_c(columns), 1000, &n) && n >= 40)
        return (int)n;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col >= 40)
        return w.ws_col;
    return isatty(STDOUT_FILENO) ? 80 : 1000;
}

/* Characters, not bytes: continuation bytes do not count. */
static size_t width_of(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

/* A value as people read it. Control characters are shown as blanks, so that no name can write on
 * the terminal. */
static struct str text_of(struct arena *a, struct str value)
{
    struct str s = value;
    if (json_type_of(value) == JSON_NULL)
        return STR("-");
    if (json_type_of(value) == JSON_STRING && json_string(a, value, &s) != OK)
        return STR("?");
    struct str copy = arena_dup(a, s);
    for (char *p = (char *)(uintptr_t)copy.p; p < copy.p + copy.n; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
    return copy;
}

static void cell(struct str s, size_t width, bool right, bool last)
{
    size_t w = width_of(s);
    if (w > width) {
        size_t bytes = 0, n = 0;
        for (; bytes < s.n && n + 1 < width; bytes++)
            if (bytes + 1 == s.n || ((unsigned char)s.p[bytes + 1] & 0xC0) != 0x80)
                n++;
        printf("%.*s…", (int)bytes, s.p);
        w = width;
    } else {
        if (right)
            printf("%*s", (int)(width - w), "");
        printf("%.*s", STR_ARG(s));
    }
    if (!last)
        printf("%*s", (int)((right ? 0 : width - w) + 2), "");
}

struct table {
    struct str key[COLUMNS_MAX];
    size_t width[COLUMNS_MAX];
    bool number[COLUMNS_MAX];
    size_t n;
};

static void measure(struct table *t, struct arena *a, struct str rows)
{
    struct json_walk r = json_walk_of(rows);
    while (json_next(&r)) {
        struct json_walk m = json_walk_of(r.value);
        while (m.object && json_next(&m)) {
            size_t i = 0;
            while (i < t->n && !str_eq(t->key[i], m.key))
                i++;
            if (i == COLUMNS_MAX)
                continue;
            if (i == t->n) {
                t->key[t->n] = m.key;
                t->width[t->n] = m.key.n;
                t->number[t->n++] = true;
            }
            size_t w = width_of(text_of(a, m.value));
            t->width[i] = w > t->width[i] ? w : t->width[i];
            t->number[i] &= json_type_of(m.value) == JSON_NUMBER;
        }
    }
}

/* The widest columns give way until the row fits. */
static void fit(struct table *t)
{
    size_t most = (size_t)terminal_width();
    for (;;) {
        size_t sum = 0, widest = 0;
        for (size_t i = 0; i < t->n; i++) {
            sum += t->width[i] + (i + 1 < t->n ? 2 : 0);
            widest = t->width[i] > t->width[widest] ? i : widest;
        }
        if (sum <= most || t->n == 0 || t->width[widest] <= CELL_LEAST)
            return;
        t->width[widest]--;
    }
}

static void print_table(struct arena *a, struct str rows)
{
    struct table t = {.n = 0};
    measure(&t, a, rows);
    if (t.n == 0) {
        puts("(none)");
        return;
    }
    fit(&t);
    bool colour = cli_colour();
    fputs(colour ? "\033[1m" : "", stdout);
    for (size_t i = 0; i < t.n; i++)
        cell(t.key[i], t.width[i], t.number[i], i + 1 == t.n);
    puts(colour ? "\033[0m" : "");
    struct json_walk r = json_walk_of(rows);
    while (json_next(&r)) {
        for (size_t i = 0; i < t.n; i++) {
            struct str v = json_get(r.value, t.key[i]);
            cell(v.n != 0 ? text_of(a, v) : STR(""), t.width[i], t.number[i], i + 1 == t.n);
        }
        putchar('\n');
    }
}

static bool is_nested(struct str rows)
{
    struct json_walk r = json_walk_of(rows);
    while (json_next(&r)) {
        struct json_walk m = json_walk_of(r.value);
        while (m.object && json_next(&m))
            if (json_type_of(m.value) == JSON_OBJECT)
                return true;
    }
    return false;
}

#define DEPTH_MAX 6

static void print_lines(struct arena *a, struct str object, int indent);

static void print_array(struct arena *a, struct str array, int indent)
{
    struct json_walk w = json_walk_of(array);
    if (!json_next(&w))
        return;
    if (json_type_of(w.value) == JSON_OBJECT && !is_nested(array)) {
        print_table(a, array);
        return;
    }
    for (bool more = true, first = true; more; more = json_next(&w), first = false) {
        if (json_type_of(w.value) != JSON_OBJECT) {
            printf("%*s%.*s\n", indent, "", STR_ARG(text_of(a, w.value)));
            continue;
        }
        fputs(first ? "" : "\n", stdout);
        print_lines(a, w.value, indent);
    }
}

/* A line per member; objects and arrays inside are set further in. */
static void print_lines(struct arena *a, struct str object, int indent)
{
    size_t width = 0;
    struct json_walk w = json_walk_of(object);
    while (json_next(&w))
        if (json_type_of(w.value) != JSON_OBJECT && json_type_of(w.value) != JSON_ARRAY)
            width = w.key.n > width ? w.key.n : width;
    w = json_walk_of(object);
    while (json_next(&w)) {
        enum json_type t = json_type_of(w.value);
        struct json_walk inside = json_walk_of(w.value);
        bool deep = indent < 2 * DEPTH_MAX && (t == JSON_ARRAY || t == JSON_OBJECT);
        if (deep && !json_next(&inside))
            continue;
        if (deep)
            printf("%*s%.*s:\n", indent, "", STR_ARG(w.key));
        if (deep && t == JSON_ARRAY)
            print_array(a, w.value, indent + 2);
        else if (deep)
            print_lines(a, w.value, indent + 2);
        else
            printf("%*s%-*.*s  %.*s\n", indent, "", (int)width, STR_ARG(w.key),
                   STR_ARG(text_of(a, w.value)));
    }
}

void cli_print(const struct cli_args *args, struct str json)
{
    struct arena a;
    if (args->json) {
        printf("%.*s\n", STR_ARG(json));
        return;
    }
    arena_init(&a, 64u * 1024, 64u * TEXT_MAX);
    json = json_trim(json);
    if (json_type_of(json) == JSON_ARRAY)
        print_table(&a, json);
    else if (str_eq(json, STR("{\"ok\":true}")))
        puts("done");
    else
        print_lines(&a, json, 0);
    arena_fini(&a);
}

/* Verbs and options. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct cli_option cli_house_options[] = {
    {"data", "DIR", false, "data directory of the house (./data)"},
    {"database", "URL", false, "sqlite:PATH or postgresql://…"},
    {"config", "FILE", false, "configuration file"},
    {NULL, NULL, false, NULL}};

static const struct cli_option common_options[] = {
    {"json", NULL, false, "print one JSON document"},
    {"help", NULL, false, "show what the verb takes"},
    {NULL, NULL, false, NULL}};

int cli_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("tollgate: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return CLI_FAILED;
}

int cli_wrong_usage(const struct cli_args *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("tollgate: ", stderr);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    if (a->verb != NULL)
        fprintf(stderr, "; see 'tollgate help %s'\n", a->verb->name);
    else
        fputs("; see 'tollgate help'\n", stderr);
    return CLI_USAGE;
}

bool cli_colour(void)
{
    const char *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) == 1 && (no == NULL || no[0] == '\0');
}

const char *cli_value(const struct cli_args *a, const char *option)
{
    for (size_t i = 0; i < a->given_n; i++)
        if (strcmp(a->given[i].option->name, option) == 0)
            return a->given[i].value;
    return NULL;
}

bool cli_flag(const struct cli_args *a, const char *option)
{
    for (size_t i = 0; i < a->given_n; i++)
        if (strcmp(a->given[i].option->name, option) == 0)
            return true;
    return false;
}

/* How many of the words are the verb's name; 0: another verb. */
static size_t name_words(const struct cli_verb *v, int argc, char **argv)
{
    struct str rest = str_c(v->name);
    size_t n = 0;
    while (rest.n != 0) {
        struct str word = str_cut(&rest, ' ');
        if ((int)n >= argc || !str_eq(word, str_c(argv[n])))
            return 0;
        n++;
    }
    return n;
}

static const struct cli_verb *find_verb(const struct cli_verb *const *tables, int argc, char **argv,
                                        size_t *ret_words)
{
    const struct cli_verb *best = NULL;
    *ret_words = 0;
    for (; *tables != NULL; tables++)
        for (const struct cli_verb *v = *tables; v->name != NULL; v++) {
            size_t n = name_words(v, argc, argv);
            if (n > *ret_words) {
                best = v;
                *ret_words = n;
            }
        }
    return best;
}

static const struct cli_option *find_in(const struct cli_option *o, struct str name)
{
    for (; o != NULL && o->name != NULL; o++)
        if (str_eq(str_c(o->name), name))
            return o;
    return NULL;
}

static const struct cli_option *find_option(const struct cli_verb *v, struct str name)
{
    const struct cli_option *o = find_in(v->options, name);
    if (o == NULL && v->operation != NULL)
        o = find_in(cli_house_options, name);
    return o != NULL ? o : find_in(common_options, name);
}

/* One option at argv[*i]; its value may be the next word. */
static int read_option(struct cli_args *a, int argc, char **argv, int *i)
{
    struct str word = str_from(str_c(argv[*i]), 2);
    struct str value = word;
    struct str name = str_cut(&value, '=');
    bool glued = name.n < word.n;
    const struct cli_option *o = find_option(a->verb, name);
    if (o == NULL)
        return cli_wrong_usage(a, "'%s' has no option --%.*s", a->verb->name, STR_ARG(name));
    if (cli_flag(a, o->name))
        return cli_wrong_usage(a, "--%s comes twice", o->name);
    if (a->given_n == CLI_OPTIONS_MAX)
        return cli_wrong_usage(a, "too many options");
    const char *v = NULL;
    if (o->value == NULL && glued)
        return cli_wrong_usage(a, "--%s takes no value", o->name);
    if (o->value != NULL) {
        if (!glued && *i + 1 >= argc)
            return cli_wrong_usage(a, "--%s needs a value: %s", o->name, o->value);
        v = glued ? value.p : argv[++*i];
    }
    a->given[a->given_n].option = o;
    a->given[a->given_n++].value = v;
    return CLI_DONE;
}

static int check_operands(const struct cli_args *a)
{
    struct str rest = str_c(a->verb->operands);
    size_t least = 0, most = 0;
    bool many = str_find(rest, STR("…")) != SIZE_MAX;
    while (rest.n != 0) {
        struct str word = str_cut(&rest, ' ');
        if (word.n == 0)
            continue;
        most++;
        least += word.p[0] != '[';
    }
    if (a->operands_n < least)
        return cli_wrong_usage(a, "'%s' needs: %s", a->verb->name, a->verb->operands);
    if (a->operands_n > most && !many)
        return cli_wrong_usage(a, "'%s' is one word too many", a->operands[most]);
    for (const struct cli_option *o = a->verb->options; o != NULL && o->name != NULL; o++)
        if (o->required && !cli_flag(a, o->name))
            return cli_wrong_usage(a, "--%s %s is missing", o->name, o->value);
    return CLI_DONE;
}

static int read_args(struct cli_args *a, int argc, char **argv)
{
    bool words_only = false;
    for (int i = 0; i < argc; i++) {
        if (!words_only && strcmp(argv[i], "--") == 0) {
            words_only = true;
        } else if (!words_only && strncmp(argv[i], "--", 2) == 0) {
            int r = read_option(a, argc, argv, &i);
            if (r != CLI_DONE)
                return r;
        } else if (!words_only && argv[i][0] == '-' && argv[i][1] != '\0') {
            return cli_wrong_usage(a, "'%s': options begin with two dashes", argv[i]);
        } else if (a->operands_n == CLI_OPTIONS_MAX) {
            return cli_wrong_usage(a, "too many words");
        } else {
            a->operands[a->operands_n++] = argv[i];
        }
    }
    a->json = cli_flag(a, "json");
    return cli_flag(a, "help") ? CLI_DONE : check_operands(a);
}

static int print_help(const struct cli_verb *const *tables, const char *verb)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    cli_help(tables, verb, &b);
    fwrite(b.p, 1, b.n, stdout);
    buf_fini(&b);
    return CLI_DONE;
}

int cli_main(int argc, char **argv, const struct cli_verb *const *tables)
{
    struct cli_args a = {.tables = tables};
    size_t words = 0;
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(tables, NULL);
        return argc < 2 ? CLI_USAGE : CLI_DONE;
    }
    a.verb = find_verb(tables, argc - 1, argv + 1, &words);
    if (a.verb == NULL) {
        bool group = false;
        for (const struct cli_verb *const *t = tables; *t != NULL; t++)
            for (const struct cli_verb *v = *t; v->name != NULL; v++)
                group |= strncmp(v->name, argv[1], strlen(argv[1])) == 0 &&
                         v->name[strlen(argv[1])] == ' ';
        if (group)
            return cli_wrong_usage(&a, "'%s' needs one more word, e.g. as in 'tollgate help %s'",
                                   argv[1], argv[1]);
        return cli_wrong_usage(&a, "there is no verb '%s'", argv[1]);
    }
    int r = read_args(&a, argc - 1 - (int)words, argv + 1 + words);
    if (r != CLI_DONE)
        return r;
    if (cli_flag(&a, "help"))
        return print_help(tables, a.verb->name);
    return a.verb->run(&a);
}

/* ---- help and completion ---- */

static void option_line(struct buf *b, const struct cli_option *o)
{
    char left[64];
    snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value != NULL ? " " : "",
             o->value != NULL ? o->value : "");
    buf_printf(b, "  %-26s %s%s\n", left, o->help, o->required ? " (needed)" : "");
}

static void help_one(const struct cli_verb *v, struct buf *b)
{
    buf_printf(b, "tollgate %s%s%s\n  %s\n\n", v->name, v->operands[0] != '\0' ? " " : "",
               v->operands, v->summary);
    for (const struct cli_option *o = v->options; o != NULL && o->name != NULL; o++)
        option_line(b, o);
    for (const struct cli_option *o = cli_house_options; v->operation != NULL && o->name != NULL;
         o++)
        option_line(b, o);
    for (const struct cli_option *o = common_options; o->name != NULL; o++)
        option_line(b, o);
    buf_byte(b, '\n');
}

void cli_help(const struct cli_verb *const *tables, const char *verb, struct buf *b)
{
    if (verb == NULL)
        buf_add(b, STR("Tollgate sells, meters and bills access to APIs on prepaid credit.\n\n"));
    bool any = false;
    for (; *tables != NULL; tables++)
        for (const struct cli_verb *v = *tables; v->name != NULL; v++) {
            size_t n = verb != NULL ? strlen(verb) : 0;
            bool wanted = verb != NULL && strncmp(v->name, verb, n) == 0 &&
                          (v->name[n] == '\0' || v->name[n] == ' ');
            if (wanted)
                help_one(v, b);
            else if (verb == NULL)
                buf_printf(b, "  %-28s %s\n", v->name, v->summary);
            any |= wanted;
        }
    if (verb == NULL)
        buf_add(b, STR("\n'tollgate help VERB' tells more.\n"
                       "Exit status: 0 done, 1 refused or failed, 2 wrong usage.\n"));
    else if (!any)
        buf_printf(b, "There is no verb '%s'.\n", verb);
}

/* Words that may follow `prefix` among the verbs. */
static void completion_bash(const struct cli_verb *const *tables, struct buf *out)
{
    buf_add(out, STR("_tollgate() {\n  local cur=\"${COMP_WORDS[COMP_CWORD]}\" line\n"
                     "  line=\"${COMP_WORDS[*]:1:COMP_CWORD-1}\"\n  local words=\"\"\n"
                     "  case \"$line\" in *--*) line=\"${line%% --*}\";; esac\n"
                     "  case \"$line\" in\n"));
    for (; *tables != NULL; tables++)
        for (const struct cli_verb *v = *tables; v->name != NULL; v++) {
            buf_printf(out, "    \"%s\"*) words=\"--json --help", v->name);
            for (const struct cli_option *o = v->options; o != NULL && o->name != NULL; o++)
                buf_printf(out, " --%s", o->name);
            if (v->operation != NULL)
                buf_add(out, STR(" --data --database --config"));
            buf_add(out, STR("\";;\n"));
        }
    buf_add(out, STR("  esac\n"));
}

static void verbs_list(const struct cli_verb *const *tables, const char *sep, struct buf *out)
{
    for (; *tables != NULL; tables++)
        for (const struct cli_verb *v = *tables; v->name != NULL; v++)
            buf_printf(out, "%s%s", v->name, sep);
}

enum err cli_completion(const struct cli_verb *const *tables, const char *shell, struct buf *out)
{
    bool zsh = strcmp(shell, "zsh") == 0;
    if (strcmp(shell, "fish") == 0) {
        for (const struct cli_verb *const *t = tables; *t != NULL; t++)
            for (const struct cli_verb *v = *t; v->name != NULL; v++)
                buf_printf(out,
                           "complete -c tollgate -f -n '__fish_use_subcommand' -a '%s' -d \"%s\"\n",
                           v->name, v->summary);
        return OK;
    }
    if (!zsh && strcmp(shell, "bash") != 0)
        return ERR_INVALID_REQUEST;
    if (zsh)
        buf_add(out, STR("#compdef tollgate\nautoload -U +X bashcompinit && bashcompinit\n"));
    completion_bash(tables, out);
    buf_add(out, STR("  local verbs=$'"));
    verbs_list(tables, "\\n", out);
    buf_add(out, STR("'\n  local v rest\n  while IFS= read -r v; do\n"
                     "    if [ -z \"$line\" ]; then words+=\" ${v%% *}\"\n"
                     "    elif [ \"${v#\"$line\" }\" != \"$v\" ]; then rest=\"${v#\"$line\" }\"; "
                     "words+=\" ${rest%% *}\"; fi\n  done <<< \"$verbs\"\n"
                     "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
                     "complete -F _tollgate tollgate\n"));
    return OK;
}

/* The command line: verbs in tables, their options, what they print.
 *
 * Owns: argument parsing, tables on the terminal, the customer's verbs.
 * Needs: base, outbound.
 * Threads: one.
 * Memory: the process ends with the verb.
 * Units: money as decimal text in dollars.
 * Errors: exit status 0 done, 1 refused or failed (why, and what to do, on standard error), 2
 * wrong usage.
 * Always: --json prints one JSON document on standard output; words for people go to standard
 * error or, without --json, to standard output; colour only on a terminal. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/buf.h"
#include "base/json.h"

#define CLI_DONE 0
#define CLI_FAILED 1
#define CLI_USAGE 2
#define CLI_OPTIONS_MAX 24

struct cli_option {
    const char *name; /* without dashes */
    const char *value; /* what stands for the value in the help; NULL: a flag */
    bool required;
    const char *help;
};

struct cli_args;
struct cli_verb {
    const char *name; /* "admin user create" */
    const char *operands; /* "FILE"; "[TEXT]" when it may be missing; "" none */
    const struct cli_option *options; /* ends with a NULL name; may be NULL */
    const char *summary;
    int (*run)(struct cli_args *args);
    const char *operation; /* admin's, for verbs that are one */
};

struct cli_args {
    const struct cli_verb *verb;
    const struct cli_verb *const *tables; /* all verbs, for help and completion; ends with NULL */
    struct {
        const struct cli_option *option;
        const char *value; /* NULL for flags */
    } given[CLI_OPTIONS_MAX];
    size_t given_n;
    const char *operands[CLI_OPTIONS_MAX];
    size_t operands_n;
    bool json;
};

/* Finds the verb, reads the arguments, runs it. Each table ends with a NULL name. */
int cli_main(int argc, char **argv, const struct cli_verb *const *tables);
/* The verbs of customers: models, keys, billing, chat, whoami, completion, help. */
extern const struct cli_verb cli_verbs[];
/* Options that name a house; every verb with an `operation`, and those that say so, takes them. */
extern const struct cli_option cli_house_options[];

/* NULL when not given. */
const char *cli_value(const struct cli_args *a, const char *option);
bool cli_flag(const struct cli_args *a, const char *option);
/* Says it on standard error and returns CLI_FAILED. */
int cli_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);
int cli_wrong_usage(const struct cli_args *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Prints a JSON result: as it is with --json, else an object as lines, an array as a table that
 * fits the terminal. */
void cli_print(const struct cli_args *a, struct str json);
/* A completion script for the shell: "bash", "zsh", "fish". ERR_INVALID_REQUEST for another. */
MUST enum err cli_completion(const struct cli_verb *const *tables, const char *shell,
                             struct buf *out);
void cli_help(const struct cli_verb *const *tables, const char *verb, struct buf *out);
bool cli_colour(void);

/* ---- talking to a server as a customer (api.c) ---- */
struct cli_server {
    char url[512], key[128];
};
/* TOLLGATE_URL and TOLLGATE_API_KEY win over the configuration file. False with words on standard
 * error when there is no key and one is needed. */
bool cli_server_find(struct cli_server *s, bool needs_key);
/* GET or POST; the answer's body in `body`. Prints a friendly reason and returns false when it is
 * not 2xx. */
bool cli_api(const struct cli_server *s, const char *method, const char *path, struct str request,
             struct buf *body);
/* GET of what the key need not be allowed to see: false without a word. */
bool cli_api_maybe(const struct cli_server *s, const char *path, struct buf *ret_body);
/* The same without a word: false when there was no answer. */
bool cli_request(const struct cli_server *s, const char *method, const char *path, struct str body,
                 struct buf *ret_body, int *ret_status);
/* $XDG_CONFIG_HOME/tollgate/config; what it says goes into *s, with a word when others may read
 * it. */
void cli_config_path(char *path, size_t size);
void cli_config_read(const char *path, struct cli_server *s);
/* Says why a request was refused, on standard error. */
void cli_explain(int status, struct str body, const char *url);

#endif

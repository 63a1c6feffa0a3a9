/* The operator's verbs: serve, check-config, migrate, backup, and those that are operations. */
#include "app/verbs.h"
#include "app/socket.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define RESULT_MAX (64u << 20)
#define SECRET_MAX 4096

/* ---- arguments as JSON ---- */

/* A secret from standard input (--api-key-stdin, --password-stdin): its first line. */
static bool read_line_of_stdin(struct buf *out)
{
    char line[SECRET_MAX];
    if (fgets(line, sizeof(line), stdin) == NULL)
        return false;
    size_t n = strcspn(line, "\r\n");
    buf_add(out, str_of(line, n));
    mem_wipe(line, sizeof(line));
    return n != 0;
}

static bool ask_passphrase(const char *prompt, struct buf *out)
{
    struct termios old, quiet;
    if (!isatty(STDIN_FILENO))
        return read_line_of_stdin(out);
    fputs(prompt, stderr);
    tcgetattr(STDIN_FILENO, &old);
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    bool ok = read_line_of_stdin(out);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
    fputc('\n', stderr);
    return ok;
}

static void passphrase(struct buf *out)
{
    const char *env = getenv("TOLLGATE_PASSPHRASE");
    if (env != NULL)
        buf_add(out, str_c(env));
    else if (!ask_passphrase("Passphrase: ", out))
        buf_reset(out);
}

/* The option's value under its name; operands under theirs, in lower case. */
static int args_json(const struct cli_args *a, struct buf *json)
{
    if (cli_flag(a, "api-key") && cli_flag(a, "api-key-stdin"))
        return cli_wrong_usage(a, "--api-key and --api-key-stdin contradict each other");
    buf_byte(json, '{');
    for (size_t i = 0; i < a->given_n; i++) {
        const struct cli_option *o = a->given[i].option;
        bool key = strcmp(o->name, "api-key-stdin") == 0;
        if (key || strcmp(o->name, "password-stdin") == 0) {
            struct buf secret;
            buf_init(&secret, SECRET_MAX);
            if (!read_line_of_stdin(&secret)) {
                buf_fini(&secret);
                return cli_fail("--%s: there is none on standard input", o->name);
            }
            buf_json_member(json, key ? "api-key" : "password", buf_str(&secret));
            mem_wipe(secret.p, secret.n);
            buf_fini(&secret);
        } else if (o->value == NULL) {
            buf_json_bool(json, o->name, true);
        } else {
            buf_json_member(json, o->name, str_c(a->given[i].value));
        }
    }
    struct str names = str_c(a->verb->operands);
    for (size_t i = 0; i < a->operands_n; i++) {
        char name[32];
        struct str word = str_cut(&names, ' ');
        size_t n = word.n < sizeof(name) - 1 ? word.n : sizeof(name) - 1;
        for (size_t k = 0; k < n; k++)
            name[k] = (char)(word.p[k] | 32);
        name[n] = '\0';
        buf_json_member(json, name, str_c(a->operands[i]));
    }
    if (strcmp(a->verb->operation, "backup.create") == 0) {
        struct buf secret;
        buf_init(&secret, SECRET_MAX);
        passphrase(&secret);
        buf_json_member(json, "passphrase", buf_str(&secret));
        mem_wipe(secret.p, secret.n);
        buf_fini(&secret);
    }
    buf_byte(json, '}');
    return CLI_DONE;
}

/* ---- operations ---- */

/* Beside a running server by its socket, else on the store itself. */
static enum err perform(struct house *h, const struct cli_args *a, struct str args, struct buf *out,
                        struct buf *why)
{
    enum err e = OK;
    const char *op = a->verb->operation;
    switch (socket_ask(h, op, args, out, why, &e)) {
    case SOCKET_ANSWERED: return e;
    case SOCKET_BROKEN:
        buf_add(why, STR("the server hung up; look at its log before you try again"));
        return ERR_IO;
    case SOCKET_NOBODY: break;
    }
    bool may_create = strncmp(a->verb->name, "admin ", 6) == 0;
    e = house_open(h, may_create, why);
    if (e == OK)
        e = admin_perform(&h->admin, NULL, op, args, out, why);
    return e;
}

static bool verdict_is_bad(const struct cli_args *a, struct str json)
{
    return strcmp(a->verb->operation, "ledger.verify") == 0 &&
           !json_is_true(json_get(json, STR("ok")));
}

static void say_after(const struct cli_args *a, struct str json)
{
    if (strcmp(a->verb->operation, "ledger.verify") == 0 && !a->json && !verdict_is_bad(a, json))
        puts("All is well.");
    if (json_get(json, STR("api_key")).n != 0)
        fputs("The key is shown this once.\n", stderr);
}

static int run_operation(struct cli_args *a)
{
    struct house h;
    struct buf args, out, why;
    buf_init(&args, 1u << 20);
    buf_init(&out, RESULT_MAX);
    buf_init(&why, 64u * 1024);
    int status = args_json(a, &args);
    enum err e = ERR_INVALID_REQUEST;
    if (status == CLI_DONE) {
        e = house_configure(&h, a, &why);
        if (e == OK)
            e = perform(&h, a, buf_str(&args), &out, &why);
        house_close(&h);
        if (e != OK)
            status = cli_fail("%.*s", STR_ARG(buf_str(&why)));
        if (e == ERR_VALIDATION_FAILED)
            status = CLI_USAGE; /* a value that no option takes */
    }
    if (e == OK) {
        cli_print(a, buf_str(&out));
        say_after(a, buf_str(&out));
        status = verdict_is_bad(a, buf_str(&out)) ? CLI_FAILED : CLI_DONE;
    }
    if (args.p != NULL)
        mem_wipe(args.p, args.n);
    buf_fini(&args);
    buf_fini(&out);
    buf_fini(&why);
    return status;
}

/* ---- verbs of their own ---- */

static int run_check_config(struct cli_args *a)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    if (cli_flag(a, "example")) {
        config_example(&b);
        fwrite(b.p, 1, b.n, stdout);
        buf_fini(&b);
        return CLI_DONE;
    }
    if (a->operands_n == 0) {
        buf_fini(&b);
        return cli_wrong_usage(a, "'check-config' needs: FILE");
    }
    struct config *c = config_new();
    enum err e = config_read(c, a->operands[0], &b);
    if (e != ERR_IO && config_check(c, &b) != OK)
        e = ERR_INVALID_REQUEST;
    config_free(&c);
    if (e != OK)
        fwrite(b.p, 1, b.n, stderr);
    else
        printf("%s is fine\n", a->operands[0]);
    buf_fini(&b);
    return e == OK ? CLI_DONE : CLI_FAILED;
}

static int run_migrate(struct cli_args *a)
{
    struct house h;
    struct buf why, out;
    buf_init(&why, 64u * 1024);
    buf_init(&out, 1024);
    enum err e = house_configure(&h, a, &why);
    if (e == OK)
        e = house_open(&h, true, &why);
    int status = CLI_DONE;
    if (e == ERR_HOUSE_OWNED) {
        status = cli_fail("%.*s (a server brings its database up to date when it starts)",
                          STR_ARG(buf_str(&why)));
    } else if (e != OK) {
        status = cli_fail("%.*s", STR_ARG(buf_str(&why)));
    } else {
        buf_byte(&out, '{');
        buf_json_i64(&out, "version", store_version(h.store));
        buf_byte(&out, '}');
        cli_print(a, buf_str(&out));
    }
    house_close(&h);
    buf_fini(&why);
    buf_fini(&out);
    return status;
}

static int run_restore(struct cli_args *a)
{
    struct house h;
    struct buf why, secret;
    char text[STORE_WHY_MAX] = "";
    buf_init(&why, 64u * 1024);
    buf_init(&secret, SECRET_MAX);
    enum err e = house_configure(&h, a, &why);
    if (e == OK) {
        passphrase(&secret);
        struct store_options o = house_store_options(&h, true);
        e = store_restore(&o, a->operands[0], buf_str(&secret), text);
        buf_add(&why, str_c(text));
    }
    house_close(&h);
    int status = e == OK ? CLI_DONE : cli_fail("%.*s", STR_ARG(buf_str(&why)));
    if (e == OK)
        cli_print(a, STR("{\"ok\":true}"));
    if (secret.p != NULL)
        mem_wipe(secret.p, secret.n);
    buf_fini(&secret);
    buf_fini(&why);
    return status;
}

/* ---- the table ---- */

#define END                                                                                        \
    {                                                                                              \
        NULL, NULL, false, NULL                                                                    \
    }
#define OPTIONS(name) static const struct cli_option name[]

OPTIONS(serve_options) = {{"config", "FILE", false, "configuration file"},
                          {"data", "DIR", false, "data directory of the house (./data)"},
                          {"listen", "HOST:PORT", false, "address to listen on"},
                          {"database", "URL", false, "sqlite:PATH or postgresql://…"},
                          END};
OPTIONS(check_options) = {{"example", NULL, false, "print an example with every key"}, END};
OPTIONS(user_create) = {{"email", "E", true, "e-mail address"},
                        {"credit", "USD", false, "promotional credit to begin with"},
                        {"operator", NULL, false, "may see and change everything"},
                        {"password-stdin", NULL, false, "his password from standard input"},
                        END};
OPTIONS(user_suspend) = {
    {"user", "E", true, "e-mail address or id"}, {"lift", NULL, false, "ends the suspension"}, END};
OPTIONS(key_create) = {{"user", "E", true, "e-mail address or id"},
                       {"name", "TEXT", false, "what it is for"},
                       {"scope", "LIST", false, "inference, usage, keys or all (all)"},
                       {"expires", "TIME", false, "RFC 3339 or a span such as 30d"},
                       {"models", "LIST", false, "only these models; * is a wildcard"},
                       {"ips", "LIST", false, "only from these addresses or nets"},
                       {"cap", "USD", false, "may spend so much in all"},
                       END};
OPTIONS(key_list) = {{"user", "E", true, "e-mail address or id"}, END};
OPTIONS(key_revoke) = {{"key", "ID", true, "key_…"}, END};
OPTIONS(credit_add) = {{"user", "E", false, "e-mail address or id: into his own wallet"},
                       {"team", "ID", false, "into the wallet of a team"},
                       {"amount", "USD", true, "how much"},
                       {"reason", "TEXT", true, "why, for the ledger"},
                       {"idempotency-key", "TEXT", false, "the same again does nothing"},
                       END};
OPTIONS(provider_add) = {{"kind", "KIND", true, "openrouter or openai"},
                         {"base-url", "URL", true, "e.g. https://openrouter.ai/api/v1"},
                         {"api-key", "K", false, "its key (better: --api-key-stdin)"},
                         {"api-key-stdin", NULL, false, "its key from standard input"},
                         {"tag", "TEXT", false, "what customers see instead of the name"},
                         {"on-disconnect", "HOW", false, "drain (default) or cancel"},
                         END};
OPTIONS(route_add) = {{"model", "PATTERN", true, "which models; * is a wildcard"},
                      {"provider", "NAME", true, "where they go"},
                      {"upstream-model", "M", false, "what they are called there"},
                      {"priority", "N", false, "higher is tried first (0)"},
                      {"weight", "N", false, "share among equals (1)"},
                      END};
OPTIONS(by_id) = {{"id", "N", true, "as its list shows"}, END};
OPTIONS(price_set) = {{"model", "PATTERN", true, "which models; * is a wildcard"},
                      {"input", "USD", true, "per input token"},
                      {"output", "USD", true, "per output token"},
                      {"cache-read", "USD", false, "per cached input token"},
                      {"cache-write", "USD", false, "per input token written to the cache"},
                      {"request", "USD", false, "per request"},
                      END};
OPTIONS(price_sync) = {{"provider", "NAME", true, "whose list is taken"}, END};
OPTIONS(rule_add) = {{"model", "PATTERN", true, "which models; * is a wildcard"},
                     {"markup", "PERCENT", true, "on the price, e.g. 20"},
                     {"min-cost", "USD", false, "least charge per call"},
                     {"priority", "N", false, "higher wins (0)"},
                     END};
OPTIONS(plan_add) = {{"name", "TEXT", true, "as customers see it"},
                     {"price", "AMOUNT", true, "of a period, in the house's currency"},
                     {"monthly-credit", "USD", true, "that is included"},
                     {"description", "TEXT", false, "a sentence"},
                     {"interval", "month|year", false, "how often it is paid (month)"},
                     {"roll-over", "none|all|capped", false, "what stays at a renewal (none)"},
                     {"roll-over-max", "USD", false, "at most so much, with capped"},
                     {"rpm", "N", false, "requests per minute of each member"},
                     {"burst", "N", false, "requests at once of each member"},
                     {"trial-days", "N", false, "days before the first payment (0)"},
                     {"trial-credit", "USD", false, "to try it with"},
                     END};
OPTIONS(limits_options) = {{"user", "E", false, "of this user"},
                           {"key", "ID", false, "of this key"},
                           {"global", NULL, false, "of everybody together"},
                           {"rpm", "N", false, "requests per minute; 0: off"},
                           {"burst", "N", false, "requests at once"},
                           {"per-hour", "N", false, "requests per hour"},
                           {"per-day", "N", false, "requests per day"},
                           {"tpm", "N", false, "tokens per minute"},
                           {"concurrency", "N", false, "calls at once"},
                           {"max-tokens", "N", false, "output tokens per request"},
                           END};

#define OPERATION(name, operands, options, summary, op)                                            \
    {                                                                                              \
        name, operands, options, summary, run_operation, op                                        \
    }

const struct cli_verb app_verbs[] = {
    {"serve", "", serve_options, "runs the house", app_serve, NULL},
    {"check-config", "[FILE]", check_options, "every mistake of a configuration file",
     run_check_config, NULL},
    OPERATION("admin user create", "", user_create, "a user, his team, wallet and key",
              "user.create"),
    OPERATION("admin user suspend", "", user_suspend, "stops all calls of a user", "user.suspend"),
    OPERATION("admin key create", "", key_create, "another key", "key.create"),
    OPERATION("admin key list", "", key_list, "a user's keys", "key.list"),
    OPERATION("admin key revoke", "", key_revoke, "ends a key at once", "key.revoke"),
    OPERATION("admin credit add", "", credit_add, "promotional credit", "credit.add"),
    OPERATION("admin provider add", "NAME", provider_add, "an upstream, or another key for it",
              "provider.add"),
    OPERATION("admin provider list", "", NULL, "the upstreams", "provider.list"),
    OPERATION("admin provider remove", "NAME", NULL, "an upstream and its routes",
              "provider.remove"),
    OPERATION("admin provider test", "NAME", NULL, "asks an upstream for its models",
              "provider.test"),
    OPERATION("admin route add", "", route_add, "which models go where", "route.add"),
    OPERATION("admin route list", "", NULL, "the routes", "route.list"),
    OPERATION("admin route remove", "", by_id, "a route", "route.remove"),
    OPERATION("admin price set", "", price_set, "a new price version", "price.set"),
    OPERATION("admin price list", "", NULL, "the prices in force", "price.list"),
    OPERATION("admin price sync", "", price_sync, "models and prices of a provider's list",
              "price.sync"),
    OPERATION("admin pricing-rule add", "", rule_add, "markup and minimum", "pricing-rule.add"),
    OPERATION("admin pricing-rule list", "", NULL, "the rules", "pricing-rule.list"),
    OPERATION("admin pricing-rule remove", "", by_id, "a rule", "pricing-rule.remove"),
    OPERATION("admin plan add", "", plan_add, "a plan to subscribe to", "plan.add"),
    OPERATION("admin plan list", "", NULL, "the plans and how many have them", "plan.list"),
    OPERATION("admin plan retire", "", by_id, "no longer on offer", "plan.retire"),
    OPERATION("admin limits set", "", limits_options, "rate limits", "limits.set"),
    OPERATION("ledger verify", "", NULL, "recomputes and compares everything", "ledger.verify"),
    OPERATION("ledger explain", "REQUEST", NULL, "how one charge came about", "ledger.explain"),
    OPERATION("ledger unresolved", "", NULL, "calls whose outcome is unknown", "ledger.unresolved"),
    OPERATION("backup create", "FILE", NULL, "the house as one sealed file", "backup.create"),
    {"backup restore", "FILE", cli_house_options, "a house from a sealed file", run_restore, NULL},
    {"migrate", "", cli_house_options, "brings the database up to date", run_migrate, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL}};

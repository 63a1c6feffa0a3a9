/* The customer's verbs. */
#include "cli/chat.h"
#include "cli/cli.h"
#include "cli/login.h"

#include <stdio.h>

#define BODY_MAX (64u << 20)

/* GETs a path and prints one member of the answer, or all of it. */
static int show(struct cli_args *a, bool needs_key, const char *path, const char *member)
{
    struct cli_server s;
    struct buf body;
    if (!cli_server_find(&s, needs_key))
        return CLI_FAILED;
    buf_init(&body, BODY_MAX);
    bool ok = cli_api(&s, "GET", path, STR(""), &body);
    if (ok) {
        struct str json = json_trim(buf_str(&body));
        cli_print(a, member != NULL && !a->json ? json_get(json, str_c(member)) : json);
    }
    buf_fini(&body);
    return ok ? CLI_DONE : CLI_FAILED;
}

static int run_whoami(struct cli_args *a)
{
    return show(a, true, "/me", NULL);
}

static int run_keys_list(struct cli_args *a)
{
    return show(a, true, "/keys/list", "keys");
}

static int run_history(struct cli_args *a)
{
    char path[128];
    const char *limit = cli_value(a, "limit");
    uint64_t n = 20;
    if (limit != NULL && !str_to_u64(str_c(limit), 1000, &n))
        return cli_wrong_usage(a, "--limit must be a number from 0 to 1000");
    snprintf(path, sizeof(path), "/me/usage?recent_limit=%llu", (unsigned long long)n);
    return show(a, true, path, "recent");
}

/* The list without its nested pricing, which gets columns of its own. */
static int run_models(struct cli_args *a)
{
    struct cli_server s;
    struct buf body, flat;
    if (!cli_server_find(&s, false))
        return CLI_FAILED;
    buf_init(&body, BODY_MAX);
    buf_init(&flat, BODY_MAX);
    bool ok = cli_api(&s, "GET", "/v1/models", STR(""), &body);
    if (ok && a->json)
        cli_print(a, buf_str(&body));
    if (ok && !a->json) {
        buf_byte(&flat, '[');
        struct json_walk w = json_walk_of(json_get(json_trim(buf_str(&body)), STR("data")));
        while (json_next(&w)) {
            struct str p = json_get(w.value, STR("pricing"));
            struct str in = json_get(p, STR("prompt")), out = json_get(p, STR("completion"));
            buf_json_comma(&flat);
            buf_printf(&flat, "{\"id\":%.*s,\"context\":%.*s,\"input\":%.*s,\"output\":%.*s}",
                       STR_ARG(json_get(w.value, STR("id"))),
                       STR_ARG(json_get(w.value, STR("context_length"))),
                       STR_ARG(in.n != 0 ? in : STR("null")),
                       STR_ARG(out.n != 0 ? out : STR("null")));
        }
        buf_byte(&flat, ']');
        cli_print(a, buf_str(&flat));
        fputs("Prices in USD per token.\n", stderr);
    }
    buf_fini(&body);
    buf_fini(&flat);
    return ok ? CLI_DONE : CLI_FAILED;
}

/* POSTs and prints the answer; `once` is said when it holds a key. */
static int post(struct cli_args *a, const char *path, struct str request, const char *once)
{
    struct cli_server s;
    struct buf body;
    if (!cli_server_find(&s, true))
        return CLI_FAILED;
    buf_init(&body, BODY_MAX);
    bool ok = cli_api(&s, "POST", path, request, &body);
    if (ok)
        cli_print(a, buf_str(&body));
    if (ok && once != NULL)
        fprintf(stderr, "%s\n", once);
    buf_fini(&body);
    return ok ? CLI_DONE : CLI_FAILED;
}

static int run_rotate(struct cli_args *a)
{
    char rq[64];
    uint64_t grace = 0;
    const char *g = cli_value(a, "grace");
    if (g != NULL && !str_to_u64(str_c(g), 604800, &grace))
        return cli_wrong_usage(a, "--grace takes seconds, at most 604800");
    snprintf(rq, sizeof(rq), "{\"grace_seconds\":%llu}", (unsigned long long)grace);
    return post(a, "/keys/rotate", str_c(rq),
                "The new key is shown this once. Put it where the old one was.");
}

/* A page on which the amount is paid. */
static int run_topup(struct cli_args *a)
{
    struct cli_server s;
    struct buf rq, body;
    struct arena arena;
    struct str url;
    if (!cli_server_find(&s, true))
        return CLI_FAILED;
    arena_init(&arena, 1024, 65536);
    buf_init(&rq, 4096);
    buf_init(&body, BODY_MAX);
    buf_byte(&rq, '{');
    buf_json_member(&rq, "amount", str_c(a->operands[0]));
    buf_byte(&rq, '}');
    bool ok = cli_api(&s, "POST", "/api/stripe/create-checkout-session", buf_str(&rq), &body);
    struct str json = json_trim(buf_str(&body));
    if (ok && a->json)
        cli_print(a, json);
    else if (ok && json_string(&arena, json_get(json, STR("sessionUrl")), &url) == OK)
        printf("Pay here: %.*s\n", STR_ARG(url));
    buf_fini(&rq);
    buf_fini(&body);
    arena_fini(&arena);
    return ok ? CLI_DONE : CLI_FAILED;
}

/* Plans, as a table without what is nested. */
static int run_plans(struct cli_args *a)
{
    return show(a, false, "/api/plans", "data");
}

/* By the plan's id, or its name. */
static struct str plan_named(struct str list, const char *word)
{
    struct json_walk w = json_walk_of(list);
    while (json_next(&w)) {
        struct str id = json_get(w.value, STR("id")), name = json_get(w.value, STR("name"));
        if (id.n < 2 || name.n < 2)
            continue;
        if (str_eq(str_of(id.p + 1, id.n - 2), str_c(word)) ||
            str_eq_nocase(str_of(name.p + 1, name.n - 2), str_c(word)))
            return id;
    }
    return STR("");
}

static int run_subscribe(struct cli_args *a)
{
    struct cli_server s;
    struct buf rq, body;
    struct arena arena;
    struct str url;
    if (!cli_server_find(&s, true))
        return CLI_FAILED;
    arena_init(&arena, 1024, 65536);
    buf_init(&rq, 4096);
    buf_init(&body, BODY_MAX);
    bool ok = cli_api(&s, "GET", "/api/plans", STR(""), &body);
    struct str plan = plan_named(json_get(json_trim(buf_str(&body)), STR("data")), a->operands[0]);
    if (ok && plan.n == 0) {
        fprintf(stderr, "There is no plan '%s'. 'tollgate billing plans' lists them.\n",
                a->operands[0]);
        ok = false;
    }
    buf_printf(&rq, "{\"plan\":%.*s}", STR_ARG(plan));
    buf_reset(&body);
    ok = ok && cli_api(&s, "POST", "/api/billing/subscription", buf_str(&rq), &body);
    struct str json = json_trim(buf_str(&body));
    if (ok && a->json)
        cli_print(a, json);
    else if (ok && json_string(&arena, json_get(json, STR("url")), &url) == OK)
        printf("Subscribe here: %.*s\n", STR_ARG(url));
    buf_fini(&rq);
    buf_fini(&body);
    arena_fini(&arena);
    return ok ? CLI_DONE : CLI_FAILED;
}

/* "a,b" to ["a","b"]. */
static void add_list(struct buf *b, const char *member, const char *list)
{
    struct str rest = str_c(list);
    buf_json_key(b, member);
    buf_byte(b, '[');
    while (rest.n != 0) {
        struct str one = str_trim(str_cut(&rest, ','));
        if (one.n == 0)
            continue;
        buf_json_comma(b);
        buf_json_str(b, one);
    }
    buf_byte(b, ']');
}

static int run_create(struct cli_args *a)
{
    static const struct {
        const char *option, *member;
        bool list;
    } options[] = {{"name", "name", false},          {"scope", "scope", false},
                   {"expires", "expires_at", false}, {"cap", "cap", false},
                   {"models", "models", true},       {"ips", "ips", true}};
    struct buf rq;
    buf_init(&rq, 64u * 1024);
    buf_byte(&rq, '{');
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const char *value = cli_value(a, options[i].option);
        if (value != NULL && options[i].list)
            add_list(&rq, options[i].member, value);
        else if (value != NULL)
            buf_json_member(&rq, options[i].member, str_c(value));
    }
    buf_byte(&rq, '}');
    int status = post(a, "/api/keys", buf_str(&rq), "The key is shown this once.");
    buf_fini(&rq);
    return status;
}

static int run_revoke(struct cli_args *a)
{
    char path[256];
    struct str id = str_c(a->operands[0]);
    if (!str_starts(id, STR("key_")) || id.n > 64 || str_index(id, '/') != SIZE_MAX ||
        str_index(id, '?') != SIZE_MAX)
        return cli_wrong_usage(a, "a key's id looks like key_…; 'keys list' shows them");
    snprintf(path, sizeof(path), "/api/keys/%s/revoke", a->operands[0]);
    return post(a, path, STR("{}"), NULL);
}

/* "Plan         Pro, active until 2026-12-20, $12 of its credit left" */
static void print_plan(struct str subscription)
{
    struct arena a;
    struct str name, status, end = STR(""), left = STR("0");
    arena_init(&a, 1024, 65536);
    struct str plan = json_get(subscription, STR("plan"));
    struct str period = json_get(subscription, STR("period"));
    bool ends = json_is_true(json_get(subscription, STR("cancel_at_period_end")));
    if (json_string(&a, json_get(plan, STR("name")), &name) == OK &&
        json_string(&a, json_get(subscription, STR("status")), &status) == OK) {
        (void)!json_string(&a, json_get(period, STR("end")), &end);
        (void)!json_string(&a, json_get(json_get(subscription, STR("credit")), STR("left")), &left);
        printf("Plan         %.*s, %.*s%s%.*s, $%.*s of its credit left\n", STR_ARG(name),
               STR_ARG(status),
               end.n == 0 ? ""
               : ends     ? ", ends "
                          : ", renews ",
               STR_ARG(str_upto(end, 10)), STR_ARG(left));
    }
    arena_fini(&a);
}

static void print_status(struct str json, struct str subscription)
{
    struct str balance = json_get(json, STR("balance"));
    struct nano left = NANO(0);
    if (nano_parse(balance, true, &left) == OK && left.v < NANO_PER_USD)
        fprintf(stderr, "Low balance: $%.*s is left.\n", STR_ARG(balance));
    printf("Balance      $%.*s\n", STR_ARG(balance));
    print_plan(subscription);
    printf("This month   $%.*s for %.*s requests, %.*s tokens\n\n",
           STR_ARG(json_get(json, STR("total_cost"))),
           STR_ARG(json_get(json, STR("total_requests"))),
           STR_ARG(json_get(json, STR("total_tokens"))));
}

static int run_status(struct cli_args *a)
{
    struct cli_server s;
    struct buf body, plan;
    if (!cli_server_find(&s, true))
        return CLI_FAILED;
    buf_init(&body, BODY_MAX);
    buf_init(&plan, BODY_MAX);
    bool ok = cli_api(&s, "GET", "/me/usage?recent_limit=0", STR(""), &body);
    (void)(ok && cli_api_maybe(&s, "/api/billing/subscription", &plan));
    struct str json = json_trim(buf_str(&body));
    struct str subscription = json_get(json_trim(buf_str(&plan)), STR("subscription"));
    if (ok && a->json && json.n > 1) {
        body.n = (size_t)(json.p + json.n - body.p) - 1; /* one more member */
        buf_json_key(&body, "subscription");
        buf_add(&body, subscription.n != 0 ? subscription : STR("null"));
        buf_byte(&body, '}');
        cli_print(a, json_trim(buf_str(&body)));
    }
    if (ok && !a->json) {
        print_status(json, subscription);
        cli_print(a, json_get(json, STR("by_model")));
    }
    buf_fini(&body);
    buf_fini(&plan);
    return ok ? CLI_DONE : CLI_FAILED;
}

static int run_completion(struct cli_args *a)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    enum err e = cli_completion(a->tables, a->operands[0], &b);
    if (e == OK)
        fwrite(b.p, 1, b.n, stdout);
    buf_fini(&b);
    return e == OK ? CLI_DONE : cli_wrong_usage(a, "completion knows bash, zsh and fish");
}

static int run_help(struct cli_args *a)
{
    struct buf b, name;
    buf_init(&b, 1u << 20);
    buf_init(&name, 1024);
    for (size_t i = 0; i < a->operands_n; i++)
        buf_printf(&name, "%s%s", i != 0 ? " " : "", a->operands[i]);
    buf_byte(&name, '\0');
    cli_help(a->tables, a->operands_n != 0 ? name.p : NULL, &b);
    fwrite(b.p, 1, b.n, stdout);
    bool found = !str_starts(buf_str(&b), STR("There is no verb"));
    buf_fini(&b);
    buf_fini(&name);
    return found ? CLI_DONE : CLI_USAGE;
}

static const struct cli_option history_options[] = {{"limit", "N", false, "how many calls (20)"},
                                                    {NULL, NULL, false, NULL}};
static const struct cli_option create_options[] = {
    {"name", "TEXT", false, "what it is for"},
    {"scope", "LIST", false, "inference, usage, keys or all (as the key in use)"},
    {"expires", "TIME", false, "RFC 3339"},
    {"cap", "USD", false, "what it may spend in all"},
    {"models", "LIST", false, "patterns of the models that it may use"},
    {"ips", "LIST", false, "addresses and nets that it may be used from"},
    {NULL, NULL, false, NULL}};
static const struct cli_option rotate_options[] = {
    {"grace", "SECONDS", false, "how long the old key still works (0)"}, {NULL, NULL, false, NULL}};
static const struct cli_option chat_options[] = {
    {"model", "M", false, "which model (the first one listed)"},
    {"max-tokens", "N", false, "longest answer"},
    {NULL, NULL, false, NULL}};

static const struct cli_option login_options[] = {
    {"url", "URL", false, "which server (TOLLGATE_URL, or the last one)"},
    {"name", "TEXT", false, "what the key is called (this machine's name)"},
    {"no-browser", NULL, false, "only show the address"},
    {NULL, NULL, false, NULL}};

const struct cli_verb cli_verbs[] = {
    {"help", "[VERB…]", NULL, "tells what a verb takes", run_help, NULL},
    {"login", "", login_options, "signs in by the browser, and keeps a key", cli_run_login, NULL},
    {"logout", "", NULL, "revokes that key and forgets it", cli_run_logout, NULL},
    {"models", "", NULL, "models and their prices", run_models, NULL},
    {"whoami", "", NULL, "whose key this is", run_whoami, NULL},
    {"keys list", "", NULL, "your API keys", run_keys_list, NULL},
    {"keys rotate", "", rotate_options, "a new key instead of the one in use", run_rotate, NULL},
    {"keys create", "", create_options, "another key", run_create, NULL},
    {"keys revoke", "ID", NULL, "ends a key at once", run_revoke, NULL},
    {"billing status", "", NULL, "balance and this month's spend", run_status, NULL},
    {"billing history", "", history_options, "the latest calls and what they cost", run_history,
     NULL},
    {"billing topup", "AMOUNT", NULL, "a page on which credit is paid", run_topup, NULL},
    {"billing plans", "", NULL, "plans on offer", run_plans, NULL},
    {"billing subscribe", "PLAN", NULL, "a page on which a plan is subscribed to", run_subscribe,
     NULL},
    {"chat", "[TEXT…]", chat_options, "asks a model; without TEXT: standard input", cli_run_chat,
     NULL},
    {"completion", "SHELL", NULL, "completion script for bash, zsh or fish", run_completion, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL}};

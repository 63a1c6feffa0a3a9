/* Asks a model and streams the answer; shows what it cost and what is left. */
#include "cli/chat.h"
#include "codec/sse.h"
#include "outbound/outbound.h"

#include <stdio.h>
#include <unistd.h>

#define TEXT_MAX (8u << 20)
#define EVENT_MAX (1u << 20)
#define TIMEOUT_MS 3600000

struct chat {
    const struct cli_args *args;
    struct sse sse;
    struct buf text;
    struct str cost;
    struct buf kept; /* cost's bytes */
    bool failed;
};

/* No control character of a model reaches the terminal, line ends and tabs aside. */
static void print_text(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c >= 0x20 && c != 0x7F) || c == '\n' || c == '\t')
            putchar(c);
    }
    fflush(stdout);
}

static void on_event(struct chat *c, struct str data)
{
    static const char *const message[] = {"error", "message", NULL};
    size_t offset;
    struct arena a;
    struct str s;
    if (json_check(data, &offset) != OK)
        return;
    arena_init(&a, 4096, EVENT_MAX);
    if (json_string(&a, json_path(data, message), &s) == OK) {
        c->failed = true;
        fprintf(stderr, "\ntollgate: %.*s\n", STR_ARG(s));
    }
    struct json_walk w = json_walk_of(json_get(data, STR("choices")));
    if (json_next(&w)) {
        struct str delta = json_get(w.value, STR("delta"));
        if (json_string(&a, json_get(delta, STR("content")), &s) == OK) {
            buf_add(&c->text, s);
            if (!c->args->json)
                print_text(s);
        }
    }
    struct str cost = json_get(json_get(data, STR("usage")), STR("cost"));
    if (cost.n != 0) {
        buf_reset(&c->kept);
        buf_add(&c->kept, cost);
    }
    arena_fini(&a);
}

static void on_bytes(void *arg, struct str bytes)
{
    struct chat *c = arg;
    struct sse_event e;
    while (sse_next(&c->sse, &bytes, &e) == OK)
        if (e.kind == SSE_EVENT && !str_eq(e.data, STR("[DONE]")))
            on_event(c, e.data);
}

/* The first model of the list, the recommended ones before the others. */
static bool first_model(const struct cli_server *s, struct buf *ret)
{
    struct buf body;
    struct str best = STR("");
    buf_init(&body, 64u << 20);
    bool ok = cli_api(s, "GET", "/v1/models", STR(""), &body);
    struct json_walk w = json_walk_of(json_get(json_trim(buf_str(&body)), STR("data")));
    while (ok && json_next(&w)) {
        bool recommended = json_is_true(json_get(w.value, STR("recommended")));
        if (best.n == 0 || recommended)
            best = json_get(w.value, STR("id"));
        if (recommended)
            break;
    }
    buf_add(ret, best);
    buf_fini(&body);
    if (ok && best.n == 0)
        cli_fail("the server lists no model; name one with --model");
    return ok && best.n != 0;
}

static void read_text(const struct cli_args *a, struct buf *text)
{
    for (size_t i = 0; i < a->operands_n; i++)
        buf_printf(text, "%s%s", i != 0 ? " " : "", a->operands[i]);
    if (a->operands_n != 0)
        return;
    if (isatty(STDIN_FILENO))
        fputs("Type your message, end with Ctrl-D:\n", stderr);
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof(part), stdin)) > 0)
        buf_add(text, str_of(part, n));
}

static bool build_request(const struct cli_args *a, const struct cli_server *s, uint64_t cap,
                          struct buf *rq)
{
    struct buf text, model;
    buf_init(&text, TEXT_MAX);
    buf_init(&model, 4096);
    const char *m = cli_value(a, "model");
    if (m != NULL)
        buf_json_str(&model, str_c(m));
    bool ok = m != NULL || first_model(s, &model);
    if (ok)
        read_text(a, &text);
    if (ok && json_trim(buf_str(&text)).n == 0) {
        cli_fail("there is nothing to ask; give TEXT or standard input");
        ok = false;
    }
    buf_add(rq, STR("{\"model\":"));
    buf_add(rq, buf_str(&model));
    buf_add(rq, STR(",\"stream\":true,\"stream_options\":{\"include_usage\":true},"));
    if (cap != 0)
        buf_printf(rq, "\"max_tokens\":%llu,", (unsigned long long)cap);
    buf_add(rq, STR("\"messages\":[{\"role\":\"user\",\"content\":"));
    buf_json_str(rq, buf_str(&text));
    buf_add(rq, STR("}]}"));
    buf_fini(&text);
    buf_fini(&model);
    return ok && buf_check(rq) == OK;
}

/* Balance after the call: the head told what was left before it. */
static void print_end(struct chat *c, const struct outbound_answer *a)
{
    struct nano left = NANO(0), cost = NANO(0);
    char text[UNITS_TEXT_MAX];
    struct str before = outbound_header_ending(a, STR("-credits-remaining"));
    bool has_left = nano_parse(before, true, &left) == OK;
    bool has_cost = nano_parse(buf_str(&c->kept), true, &cost) == OK;
    if (has_left && has_cost)
        left = nano_minus(left, cost);
    if (c->args->json) {
        struct buf b;
        buf_init(&b, TEXT_MAX * 2);
        buf_byte(&b, '{');
        buf_json_member(&b, "text", buf_str(&c->text));
        if (has_cost)
            buf_json_nano(&b, "cost_usd", cost);
        if (has_left)
            buf_json_nano(&b, "balance_usd", left);
        buf_byte(&b, '}');
        cli_print(c->args, buf_str(&b));
        buf_fini(&b);
        return;
    }
    putchar('\n');
    fflush(stdout);
    if (has_cost)
        fprintf(stderr, "cost $%.*s", STR_ARG(nano_format(cost, text)));
    if (has_left)
        fprintf(stderr, "%sbalance $%.*s", has_cost ? ", " : "", STR_ARG(nano_format(left, text)));
    if (has_cost || has_left)
        fputc('\n', stderr);
    if (has_left && left.v < NANO_PER_USD)
        fprintf(stderr, "Low balance: $%.*s is left. 'tollgate billing status' tells more.\n",
                STR_ARG(nano_format(left, text)));
}

int cli_run_chat(struct cli_args *args)
{
    struct cli_server s;
    struct buf rq;
    uint64_t cap = 0;
    const char *max = cli_value(args, "max-tokens");
    if (max != NULL && (!str_to_u64(str_c(max), 100000000, &cap) || cap == 0))
        return cli_wrong_usage(args, "--max-tokens must be a number above 0");
    if (!cli_server_find(&s, true))
        return CLI_FAILED;
    buf_init(&rq, TEXT_MAX * 2);
    if (!build_request(args, &s, cap, &rq))
        return CLI_FAILED;
    struct chat c = {.args = args};
    sse_init(&c.sse, EVENT_MAX);
    buf_init(&c.text, TEXT_MAX);
    buf_init(&c.kept, 256);
    char url[1024], auth[256], why[OUTBOUND_WHY_MAX] = "";
    snprintf(url, sizeof(url), "%s/v1/chat/completions", s.url);
    snprintf(auth, sizeof(auth), "Authorization: Bearer %s", s.key);
    const char *const headers[] = {"Content-Type: application/json", auth, NULL};
    struct outbound_answer a;
    struct outbound_request call = {.method = "POST",
                                    .url = url,
                                    .headers = headers,
                                    .body = buf_str(&rq),
                                    .timeout_ms = TIMEOUT_MS,
                                    .body_bytes_max = 1u << 20,
                                    .on_bytes = on_bytes,
                                    .arg = &c};
    enum err e = outbound_call(&call, &a, why);
    bool ok = e == OK && a.status == 200 && !c.failed;
    if (e != OK)
        cli_fail("%s: %s", s.url, why);
    else if (a.status != 200)
        cli_explain(a.status, buf_str(&a.body), s.url);
    else
        print_end(&c, &a);
    outbound_answer_fini(&a);
    sse_fini(&c.sse);
    buf_fini(&c.text);
    buf_fini(&c.kept);
    buf_fini(&rq);
    return ok ? CLI_DONE : CLI_FAILED;
}

/* Usage figures: read from the upstream's own object, priced, and shown as the customer's. */
#include "gateway/steps.h"

#define TOKENS_MAX INT64_C(1000000000)

static void read_count(struct str value, int64_t *n)
{
    int64_t v;
    if (json_int(value, 0, TOKENS_MAX, &v) == OK)
        *n = v;
}

static void read_details(struct call_answer *a, struct str details, bool input)
{
    if (json_type_of(details) != JSON_OBJECT)
        return;
    struct json_walk w = json_walk_of(details);
    while (json_next(&w)) {
        if (input && json_is(&w, STR("cached_tokens")))
            read_count(w.value, &a->usage.cache_read);
        else if (input && json_is(&w, STR("cache_write_tokens")))
            read_count(w.value, &a->usage.cache_write);
        else if (!input && json_is(&w, STR("reasoning_tokens")))
            read_count(w.value, &a->usage.reasoning);
    }
}

/* Parts never exceed the whole, whatever an upstream says. */
static void bound_parts(struct catalog_usage *u)
{
    if (u->cache_read > u->input)
        u->cache_read = u->input;
    if (u->cache_write > u->input - u->cache_read)
        u->cache_write = u->input - u->cache_read;
    if (u->reasoning > u->output)
        u->reasoning = u->output;
}

void usage_read(struct call_answer *a, struct str usage)
{
    if (json_type_of(usage) != JSON_OBJECT)
        return;
    struct nano fee = {0}, inference = {0};
    bool fee_there = false, byok = false;
    struct json_walk w = json_walk_of(usage);
    while (json_next(&w)) {
        if (json_is(&w, STR("prompt_tokens"))) {
            read_count(w.value, &a->usage.input);
            a->has_usage = true;
        } else if (json_is(&w, STR("completion_tokens"))) {
            read_count(w.value, &a->usage.output);
            a->has_usage = true;
        } else if (json_is(&w, STR("prompt_tokens_details"))) {
            read_details(a, w.value, true);
        } else if (json_is(&w, STR("completion_tokens_details"))) {
            read_details(a, w.value, false);
        } else if (json_is(&w, STR("cost"))) {
            fee_there = nano_parse(w.value, true, &fee) == OK && fee.v >= 0;
        } else if (json_is(&w, STR("is_byok"))) {
            byok = json_is_true(w.value);
        } else if (json_is(&w, STR("cost_details"))) {
            struct str v = json_type_of(w.value) == JSON_OBJECT
                               ? json_get(w.value, STR("upstream_inference_cost"))
                               : STR("");
            if (json_type_of(v) != JSON_NUMBER || nano_parse(v, true, &inference) != OK)
                inference.v = 0;
        }
    }
    bound_parts(&a->usage);
    if (fee_there) {
        /* With the operator's own key at the provider the fee comes on top of the inference. */
        a->cost = byok && inference.v > 0 ? nano_plus(fee, inference) : fee;
        a->has_cost = true;
    }
    a->raw_usage_n = usage.n < sizeof(a->raw_usage) ? usage.n : 0;
    memcpy(a->raw_usage, usage.p, a->raw_usage_n);
}

static void put_run(struct buf *out, struct str *run)
{
    if (run->n == 0)
        return;
    buf_json_comma(out);
    buf_add(out, *run);
    *run = STR("");
}

void usage_rewrite(struct str usage, struct nano charge, struct buf *out)
{
    struct str run = STR(""); /* members that stay, as they stand beside each other */
    struct json_walk w = json_walk_of(usage);
    buf_byte(out, '{');
    while (json_next(&w)) {
        bool goes = json_is(&w, STR("cost")) || json_is(&w, STR("cost_details")) ||
                    json_is(&w, STR("is_byok"));
        const char *from = run.n != 0 ? run.p : usage.p + w.at;
        if (goes)
            put_run(out, &run);
        else
            run = str_of(from, (size_t)(w.value.p + w.value.n - from));
    }
    put_run(out, &run);
    buf_json_nano_number(out, "cost", charge);
    buf_byte(out, '}');
}

void usage_say_paid(const struct call *c, struct buf *b, size_t at, struct str opening)
{
    struct buf whole, paid;
    struct str before = str_upto(buf_str(b), at);
    buf_init(&whole, b->n + opening.n + 64);
    buf_init(&paid, b->n + 64);
    buf_add(&whole, opening);
    buf_add(&whole, str_from(buf_str(b), at));
    struct str object = buf_str(&whole), usage = json_get(object, STR("usage"));
    if (json_type_of(usage) == JSON_OBJECT) {
        size_t from = (size_t)(usage.p - object.p);
        buf_add(&paid, before);
        buf_add(&paid, str_of(object.p + opening.n, from - opening.n));
        usage_rewrite(usage, call_paid(c), &paid);
        buf_add(&paid, str_from(object, from + usage.n));
        buf_reset(b);
        buf_add(b, buf_str(&paid));
    }
    buf_fini(&whole);
    buf_fini(&paid);
}

static void own_count(struct call *c)
{
    struct call_answer *a = &c->ans;
    /* Four bytes of text a token: the middle of what tokenizers make of English, where the hold's
     * estimate is deliberately high. */
    a->usage = (struct catalog_usage){.input = (c->rq.input_bytes + 3) / 4,
                                      .output = (a->output_bytes + 3) / 4};
}

static enum err price_it(struct call *c)
{
    const struct call_answer *a = &c->ans;
    if (c->plan.price != NULL) {
        c->basis = a->has_usage ? BASIS_PROVIDER_USAGE : BASIS_ESTIMATED;
        return catalog_charge(&c->plan, &a->usage, &c->charge);
    }
    if (!a->has_cost) { /* neither price nor cost: what was held is all there is to go by */
        c->basis = BASIS_ESTIMATED;
        c->charge = c->quote;
        return OK;
    }
    c->basis = BASIS_PROVIDER_COST;
    return catalog_charge_by_cost(&c->plan, a->cost, &c->charge);
}

void usage_charge(struct call *c)
{
    struct call_answer *a = &c->ans;
    if (!a->has_usage)
        own_count(c);
    bool nothing = a->has_usage && a->usage.input == 0 && a->usage.output == 0 &&
                   (!a->has_cost || a->cost.v == 0);
    if (nothing) { /* an explicit zero is zero, also for the rule's minimum */
        c->charge = NANO(0);
        c->basis = BASIS_PROVIDER_USAGE;
    } else if (price_it(c) != OK) {
        observe_say("error", "charge_out_of_bounds",
                    "the charge of %s is out of bounds; the hold is taken", c->id_text);
        c->charge = c->quote;
        c->basis = BASIS_ESTIMATED;
    }
    c->cost = a->cost;
    if (!a->has_cost &&
        (c->plan.price == NULL || catalog_cost(&c->plan, &a->usage, &c->cost) != OK))
        c->cost = NANO(0);
}

/* Source: OpenRouter API, GET /generation. */
bool receipt_read(struct call_answer *a, struct str body)
{
    size_t offset;
    if (json_check(body, &offset) != OK)
        return false;
    struct str data = json_get(json_trim(body), STR("data"));
    struct nano cost;
    int64_t in = 0, out = 0;
    if (json_type_of(data) != JSON_OBJECT ||
        nano_parse(json_get(data, STR("total_cost")), true, &cost) != OK || cost.v < 0)
        return false;
    if (json_int(json_get(data, STR("native_tokens_prompt")), 0, TOKENS_MAX, &in) != OK &&
        json_int(json_get(data, STR("tokens_prompt")), 0, TOKENS_MAX, &in) != OK)
        return false;
    if (json_int(json_get(data, STR("native_tokens_completion")), 0, TOKENS_MAX, &out) != OK &&
        json_int(json_get(data, STR("tokens_completion")), 0, TOKENS_MAX, &out) != OK)
        return false;
    a->usage = (struct catalog_usage){.input = in, .output = out};
    read_count(json_get(data, STR("native_tokens_cached")), &a->usage.cache_read);
    read_count(json_get(data, STR("native_tokens_reasoning")), &a->usage.reasoning);
    bound_parts(&a->usage);
    a->cost = cost;
    a->has_usage = a->has_cost = true;
    return true;
}

bool receipt_id_is_plain(struct str id)
{
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '-' || c == '_' || c == '.';
        if (!plain)
            return false;
    }
    return id.n != 0;
}

const char *basis_name(int64_t basis)
{
    static const char *const name[] = {"none", "provider_usage", "provider_cost", "estimated"};
    return basis >= 0 && basis < 4 ? name[basis] : "none";
}

/* The settle step: one record that posts the charge, the answer's last byte behind it, the log
 * line, and the end of the call. */
#include "gateway/steps.h"

void call_note_upstream_id(struct call *c, struct str id)
{
    if (c->upstream_id_noted || id.n == 0 || id.n >= UPSTREAM_ID_MAX || !c->held || c->settled)
        return;
    c->upstream_id_noted = true;
    memcpy(c->ans.upstream_id, id.p, id.n);
    c->ans.upstream_id_n = id.n;
    /* Most answers are settled in the turn in which they come; their settlement tells it. */
    call_at_turn_end(c);
}

void call_journal_upstream_id(struct call *c)
{
    if (!c->upstream_id_noted || c->upstream_id_journalled)
        return;
    c->upstream_id_journalled = true;
    ledger_hold_upstream_id(c->gl->lane, &c->hold,
                            str_of(c->ans.upstream_id, c->ans.upstream_id_n));
}

void call_hold_about(const struct call *c, struct buf *b)
{
    about_put_id(b, ABOUT_USER, c->key->user);
    about_put_id(b, ABOUT_KEY, c->key->key);
    about_put_id(b, ABOUT_TEAM, c->key->team);
    about_put_text(b, ABOUT_MODEL, c->rq.model);
    about_put_int(b, ABOUT_PRODUCT, c->product->id);
    about_put_int(b, ABOUT_STREAM, c->rq.stream);
    about_put_int(b, ABOUT_STARTED, c->started_wall_us);
    about_put_int(b, ABOUT_PRICE, c->plan.price != NULL ? c->plan.price->id : 0);
    about_put_int(b, ABOUT_RULE, c->plan.rule != NULL ? c->plan.rule->id : 0);
    about_put_int(b, ABOUT_MARKUP, c->plan.rule != NULL ? c->plan.rule->markup_ppm : 0);
    about_put_int(b, ABOUT_INPUT_ESTIMATE, c->rq.input_estimate);
    about_put_int(b, ABOUT_OUTPUT_CAP, c->output_cap);
}

void call_dispatch_about(const struct call *c, struct buf *b)
{
    const struct catalog_candidate *k = &c->plan.candidates[c->candidate];
    about_put_text(b, ABOUT_PROVIDER, k->provider->name);
    about_put_int(b, ABOUT_PROVIDER_ID, k->provider->id);
    if (c->key_index < k->provider->keys_n)
        about_put_int(b, ABOUT_PROVIDER_KEY, k->provider->keys[c->key_index].id);
    if (k->rename)
        about_put_text(b, ABOUT_UPSTREAM_MODEL, k->upstream_model);
    about_put_int(b, ABOUT_ATTEMPT, c->attempts);
}

void call_end_about(const struct call *c, struct buf *b)
{
    const struct call_answer *a = &c->ans;
    about_put_int(b, ABOUT_STATUS, c->err == OK ? 200 : err_info(c->err)->status);
    about_put_int(b, ABOUT_BASIS, c->basis);
    about_put_int(b, ABOUT_INPUT, a->usage.input);
    about_put_int(b, ABOUT_OUTPUT, a->usage.output);
    about_put_int(b, ABOUT_CACHE_READ, a->usage.cache_read);
    about_put_int(b, ABOUT_CACHE_WRITE, a->usage.cache_write);
    about_put_int(b, ABOUT_REASONING, a->usage.reasoning);
    if (c->head_us != 0)
        about_put_int(b, ABOUT_FIRST_BYTE, c->started_wall_us + (c->head_us - c->started_us));
    if (a->has_cost)
        about_put_int(b, ABOUT_COST_REPORTED, a->cost.v);
    if (a->raw_usage_n != 0)
        about_put_text(b, ABOUT_RAW_USAGE, str_of(a->raw_usage, a->raw_usage_n));
    if (!c->upstream_id_journalled)
        about_put_text(b, ABOUT_UPSTREAM_ID, str_of(a->upstream_id, a->upstream_id_n));
    if (c->err != OK)
        about_put_text(b, ABOUT_ERROR, str_c(err_info(c->err)->code));
}

/* ---- the line ---- */

static void log_line(struct call *c)
{
    struct gateway_loop *gl = c->gl;
    struct buf *b = &gl->log;
    int64_t now = loop_now_us(gl->loop);
    buf_reset(b);
    buf_json_plain(b, "request_id", str_c(c->id_text));
    buf_json_plain(b, "user", str_c(c->key->user_hash));
    buf_json_plain(b, "product", str_c(c->product->name));
    buf_json_member(b, "model", c->rq.model);
    buf_json_member(b, "provider", c->plan.candidates[c->candidate].provider->tag);
    buf_json_i64(b, "status", c->err == OK ? 200 : err_info(c->err)->status);
    if (c->err != OK)
        buf_json_plain(b, "error", str_c(err_info(c->err)->code));
    buf_json_bool(b, "stream", c->rq.stream);
    buf_json_i64(b, "attempts", c->attempts);
    buf_json_i64(b, "input_tokens", c->ans.usage.input);
    buf_json_i64(b, "output_tokens", c->ans.usage.output);
    buf_json_plain(b, "basis", str_c(basis_name(c->basis)));
    buf_json_nano(b, "charge_usd", c->charge);
    buf_json_nano(b, "cost_usd", c->cost);
    if (c->unresolved)
        buf_json_bool(b, "unresolved", true);
    buf_json_i64(b, "queue_us", c->dispatched_us != 0 ? c->dispatched_us - c->started_us : 0);
    buf_json_i64(b, "first_byte_us", c->head_us != 0 ? c->head_us - c->started_us : 0);
    buf_json_i64(b, "last_byte_us", c->ended_us != 0 ? c->ended_us - c->started_us : 0);
    buf_json_i64(b, "commit_us", c->ended_us != 0 ? now - c->ended_us : 0);
    observe_log("info", "call", loop_wall_us(gl->loop), buf_str(b));
}

static void count(const struct call *c)
{
    const struct gateway_loop *gl = c->gl;
    int64_t now = loop_now_us(gl->loop);
    observe_add(c->err == OK ? METRIC_CALLS_OK : METRIC_CALLS_FAILED, 1);
    observe_add(METRIC_CHARGED_NANO, (uint64_t)c->charge.v);
    observe_add(METRIC_COST_NANO, (uint64_t)c->cost.v);
    observe_add(METRIC_WRITTEN_OFF_NANO, (uint64_t)c->written_off.v);
    observe_add(METRIC_TOKENS_IN, (uint64_t)c->ans.usage.input);
    observe_add(METRIC_TOKENS_OUT, (uint64_t)c->ans.usage.output);
    observe_add(METRIC_TOKENS_CACHED, (uint64_t)c->ans.usage.cache_read);
    observe_time(METRIC_TIME_CALL, now - c->started_us);
    if (c->ended_us != 0) {
        observe_time(METRIC_TIME_STEP_SETTLE, now - c->ended_us);
        if (c->dispatched_us != 0)
            observe_time(METRIC_TIME_OVERHEAD,
                         now - c->started_us - (c->ended_us - c->dispatched_us));
    }
}

void call_done(struct call *c)
{
    must(c->settled);
    count(c);
    if (c->gl->g->o.log_calls)
        log_line(c);
    if (c->up != NULL) {
        upstream_cancel(c->up);
        c->up = NULL;
    }
    call_free(c);
}

/* ---- the record ---- */

/* An unknown outcome costs what the house's policy says. */
static void charge_by_policy(struct call *c)
{
    c->unresolved = true;
    observe_add(METRIC_CALLS_UNRESOLVED, 1);
    switch (c->gl->g->o.unknown_outcome) {
    case LEDGER_POLICY_CHECKPOINT:
        if (!c->streaming)
            break;
        c->ans.has_usage = false;
        usage_charge(c);
        return;
    case LEDGER_POLICY_ESTIMATE:
        c->charge = c->quote;
        c->basis = BASIS_ESTIMATED;
        return;
    case LEDGER_POLICY_ZERO:
    case LEDGER_POLICY__COUNT: break;
    }
    c->charge = c->cost = NANO(0);
    c->basis = BASIS_NONE;
}

static bool was_served(const struct call *c)
{
    return c->status >= 200 && c->status < 300;
}

void call_settle(struct call *c, call_next_f next)
{
    struct gateway_loop *gl = c->gl;
    int64_t wall = loop_wall_us(gl->loop);
    must(c->held && !c->settled);
    if (c->ended_us == 0)
        c->ended_us = loop_now_us(gl->loop);
    if (c->ans.no_outcome)
        charge_by_policy(c);
    ledger_ticket ticket;
    buf_reset(&gl->log);
    call_end_about(c, &gl->log);
    if (was_served(c) || c->unresolved || c->charge.v != 0) {
        struct ledger_settlement s = {.charge = c->charge,
                                      .cost = c->cost,
                                      .unresolved = c->unresolved,
                                      .wall_us = wall,
                                      .about = buf_str(&gl->log)};
        ticket = ledger_hold_settle(gl->lane, &c->hold, &s, &c->written_off);
        if (c->written_off.v != 0)
            observe_say("alert", "written_off", "%s cost more than its wallet could pay",
                        c->id_text);
    } else {
        ticket = ledger_hold_void(gl->lane, &c->hold, wall, buf_str(&gl->log));
    }
    c->settled = true;
    int64_t used = c->ans.usage.input + c->ans.usage.output;
    limits_settle(gl->g->o.limits, &c->taken, used, loop_now_us(gl->loop));
    if (c->err == ERR_LEDGER_UNAVAILABLE) {
        next(c); /* the disk is what is missing: nobody waits for it */
        return;
    }
    if (gl->g->o.durability == GATEWAY_STRICT)
        c->ticket = ticket;
    call_wait_durable(c, true, next);
}

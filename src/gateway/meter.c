/* The meter step: what the upstream says, handed to the kind of answer that it is. */
#include "gateway/steps.h"

#define ERROR_BODY_MAX (64u * 1024)

static void copy_value(char *to, size_t size, struct str from)
{
    struct str s = str_upto(from, size - 1);
    if (s.n != 0)
        memcpy(to, s.p, s.n);
    to[s.n] = '\0';
}

/* His own key is gone there, or its limit lags behind: the next calls go by the house's. */
static void own_key_refused(const struct call *c)
{
    const struct gateway_options *o = &c->gl->g->o;
    if (identity_upstream_doubt(o->upstreams, c->key->user) && o->user_key_refused != NULL)
        o->user_key_refused(o->user_keys_arg, c->key->user);
}

static void on_head(void *arg, const struct http1_head *head)
{
    struct call *c = arg;
    c->status = head->status;
    c->head_us = loop_now_us(c->gl->loop);
    c->up_sent = true;
    observe_time(METRIC_TIME_STEP_FIRST_BYTE, c->head_us - c->dispatched_us);
    call_note_provider(c, head->status == 429 || head->status >= 500,
                       c->head_us - c->dispatched_us);
    if (c->own_key && head->status >= 401 && head->status <= 403)
        own_key_refused(c);
    struct str generation = http1_header_get(head, STR("x-generation-id"));
    if (generation.p != NULL)
        call_note_upstream_id(c, generation);
    if (head->status == 429 || head->status == 503) {
        uint64_t s;
        struct str after = http1_header_get(head, STR("retry-after"));
        if (after.p != NULL && str_to_u64(after, 3600, &s))
            copy_value(c->retry_after, sizeof(c->retry_after), after);
    }
    struct str type = http1_header_get(head, STR("content-type"));
    bool events = type.p != NULL && str_starts_nocase(type, STR("text/event-stream"));
    if (head->status >= 200 && head->status < 300 && c->rq.stream && events) {
        c->streaming = true;
        observe_add(METRIC_CALLS_STREAMED, 1);
        stream_head(c);
    }
}

static void on_body(void *arg, struct str bytes)
{
    struct call *c = arg;
    if (c->streaming) {
        stream_body(c, bytes);
    } else if (c->status >= 300) {
        if (c->answer.n + bytes.n <= ERROR_BODY_MAX)
            buf_add(&c->answer, bytes);
    } else {
        answer_body(c, bytes);
    }
}

static void on_end(void *arg)
{
    struct call *c = arg;
    c->up = NULL;
    c->ended_us = loop_now_us(c->gl->loop);
    observe_time(METRIC_TIME_STEP_RELAY, c->ended_us - c->head_us);
    if (c->streaming) {
        stream_end(c);
    } else if (c->status >= 200 && c->status < 300) {
        answer_end(c);
    } else {
        struct upstream_failure f = {.err = upstream_status_err(c->status),
                                     .phase = UPSTREAM_BODY,
                                     .request_bytes = true,
                                     .response_bytes = true,
                                     .why = "the upstream answered with an error"};
        call_attempt_failed(c, &f, c->status == 429 || c->status == 503);
    }
}

static void on_fail(void *arg, const struct upstream_failure *f)
{
    struct call *c = arg;
    c->up = NULL;
    c->ended_us = loop_now_us(c->gl->loop);
    c->ans.timed_out = f->err == ERR_UPSTREAM_TIMEOUT;
    observe_say("warn", "upstream_failed", "%s: %s", c->id_text, f->why != NULL ? f->why : "");
    if (c->streaming)
        stream_cut(c, f);
    else if (c->status >= 200 && c->status < 300)
        answer_cut(c, f);
    else
        call_attempt_failed(c, f, !f->request_bytes || (f->reused && !f->response_bytes));
}

const struct upstream_events call_upstream_events = {on_head, on_body, on_end, on_fail};

void call_client_drained(void *call)
{
    struct call *c = call;
    if (c->up != NULL)
        upstream_resume(c->up);
}

/* The client left. Before the request was sent nothing is lost; afterwards the provider's way
 * decides: read on to the usage, or stop. */
void call_client_gone(void *call)
{
    struct call *c = call;
    c->x = NULL;
    if (c->loading)
        return; /* who_loaded frees it */
    observe_add(METRIC_CALLS_GONE, 1);
    if (!c->held) {
        call_free(c);
        return;
    }
    if (!c->settled)
        c->err = ERR_CLIENT_GONE;
    if (c->up == NULL || c->settled)
        return; /* it waits for the disk, and finds out then */
    const struct catalog_provider *p = c->plan.candidates[c->candidate].provider;
    bool sent = c->up_sent || upstream_is_sent(c->up);
    if (sent && p->drain) {
        upstream_resume(c->up);
        return;
    }
    call_wait_cancel(c);
    upstream_cancel(c->up);
    c->up = NULL;
    c->ended_us = loop_now_us(c->gl->loop);
    if (!sent) {
        call_attempt_failed(c, NULL, false);
        return;
    }
    c->ans.failed = true;
    call_resolve(c);
}

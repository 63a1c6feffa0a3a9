/* Calls with an Idempotency-Key: claimed before anything is held, answered again from what was
 * kept, let go when nothing was held.
 *
 * A kept answer is one line of head and the body: "200 text/event-stream 0.0000036\n" + body, or
 * "E17\n" for the error of that number. */
#include "base/mem.h"
#include "gateway/steps.h"

struct call_idempotency {
    struct idempotency_key key;
    struct buf answer; /* the kept one, or the one that is being made */
    enum err claim;
    bool claimed, too_large;
    call_next_f next;
};

/* What happens behind the call's back, when it is over. */
struct ending {
    struct gateway *g;
    struct call_idempotency *k;
    bool keep;
};

static void claim_work(void *call)
{
    struct call *c = call;
    struct call_idempotency *k = c->idem;
    k->claim = idempotency_claim(&c->gl->g->idempotency, &k->key, clock_wall_us(), &k->answer);
}

static void answer_again(struct call *c)
{
    struct call_idempotency *k = c->idem;
    struct str rest = buf_str(&k->answer);
    struct str head = str_cut(&rest, '\n');
    struct http_exchange *x = c->x;
    uint64_t n = 200;
    c->x = NULL;
    http_exchange_set(x, NULL, NULL);
    if (str_starts(head, STR("E")) && str_to_u64(str_from(head, 1), ERR__COUNT - 1, &n)) {
        http_error(x, (enum err)n, STR(""), STR(""),
                   STR("Idempotency-Replayed: true\r\nx-should-retry: false\r\n"));
    } else {
        struct str status = str_cut(&head, ' '), type = str_cut(&head, ' ');
        if (!str_to_u64(status, 599, &n))
            n = 200;
        http_start(x, (int)n);
        http_set(x, STR("Idempotency-Replayed"), STR("true"));
        if (!str_starts(type, STR("text/event-stream")))
            http_set(x, str_c(c->gl->g->header_cost), head);
        http_body(x, type, rest);
    }
    call_free(c);
}

static void claim_done(void *call)
{
    struct call *c = call;
    struct call_idempotency *k = c->idem;
    c->loading = false;
    k->claimed = k->claim == OK && k->answer.n == 0;
    if (c->x == NULL) {
        call_free(c);
        return;
    }
    if (k->claim == OK && !k->claimed) {
        answer_again(c);
        return;
    }
    if (k->claim == OK) {
        k->next(c);
        return;
    }
    struct str message =
        k->claim == ERR_CONFLICT
            ? STR("The answer to this Idempotency-Key was given, but is not kept. Use another key "
                  "to make another call.")
            : STR("");
    call_refuse(c, k->claim, message, STR(""),
                k->claim == ERR_IN_PROGRESS ? STR("Retry-After: 1\r\n") : STR(""));
}

void call_claim(struct call *c, call_next_f next)
{
    struct str text = http_header(c->x, STR("idempotency-key"));
    if (text.p == NULL) {
        next(c);
        return;
    }
    struct call_idempotency *k = mem_zalloc(sizeof(*k));
    c->idem = k;
    k->next = next;
    buf_init(&k->answer, IDEMPOTENCY_ANSWER_MAX);
    enum err e = idempotency_key_make(&k->key, c->key->team, text, str_c(c->product->path),
                                      http_request_of(c->x)->body);
    if (e != OK) {
        call_refuse(c, e, STR("An Idempotency-Key has 1 to 255 printable ASCII characters."),
                    STR("Idempotency-Key"), STR(""));
        return;
    }
    e = loop_work(c->gl->loop, claim_work, claim_done, c);
    if (e != OK) {
        call_refuse(c, e, STR(""), STR(""), STR("Retry-After: 1\r\n"));
        return;
    }
    c->loading = true;
}

/* ---- the answer that is being made ---- */

void call_keep_head(struct call *c, int status, const char *type)
{
    char text[UNITS_TEXT_MAX];
    if (c->idem == NULL)
        return;
    buf_reset(&c->idem->answer);
    buf_printf(&c->idem->answer, "%d %s %.*s\n", status, type,
               STR_ARG(nano_format(call_paid(c), text)));
}

void call_keep_error(struct call *c, enum err e)
{
    if (c->idem == NULL)
        return;
    buf_reset(&c->idem->answer);
    buf_printf(&c->idem->answer, "E%d\n", (int)e);
}

void call_keep(struct call *c, struct str bytes)
{
    if (c->idem != NULL)
        buf_add(&c->idem->answer, bytes);
}

void call_keep_instead(struct call *c, size_t n, struct str bytes)
{
    if (c->idem == NULL || c->idem->answer.n < n)
        return;
    c->idem->answer.n -= n;
    buf_add(&c->idem->answer, bytes);
}

void call_keep_nothing(struct call *c)
{
    if (c->idem != NULL)
        c->idem->too_large = true;
}

/* ---- the end ---- */

static enum err end_in(struct store_conn *conn, void *arg)
{
    struct ending *n = arg;
    struct call_idempotency *k = n->k;
    if (!n->keep)
        return idempotency_drop_in(conn, &k->key);
    struct str answer = k->too_large || k->answer.over ? STR("") : buf_str(&k->answer);
    return idempotency_store_in(&n->g->idempotency, conn, &k->key, answer);
}

static void idem_free(struct call_idempotency *k)
{
    if (k->answer.p != NULL)
        mem_wipe(k->answer.p, k->answer.cap);
    buf_fini(&k->answer);
    mem_free(k);
}

static void ended(void *arg, enum err e)
{
    struct ending *n = arg;
    if (e != OK)
        observe_say("error", "idempotency_failed", "an answer could not be kept");
    idem_free(n->k);
    mem_free(n);
}

/* Of a call that is freed: what was held is kept, the rest is let go. */
void call_idem_end(struct call *c)
{
    struct call_idempotency *k = c->idem;
    if (k == NULL)
        return;
    c->idem = NULL;
    if (!k->claimed) {
        idem_free(k);
        return;
    }
    struct ending *n = mem_zalloc(sizeof(*n));
    *n = (struct ending){c->gl->g, k, c->held && c->attempts != 0};
    if (n->keep && k->answer.n == 0)
        k->too_large = true; /* the client left before there was anything to keep */
    store_write_later(c->gl->g->o.store, end_in, ended, n);
}

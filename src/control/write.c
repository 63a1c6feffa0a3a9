/* One transaction with its idempotency and its line of audit. */
#include "control/write.h"
#include "identity/audit.h"

enum err control_audit_in(struct store_conn *conn, const struct control_who *who,
                          struct str address, struct id team, const char *action, struct str object,
                          struct str change)
{
    char actor[ID_TEXT_MAX];
    struct identity_audit_line line = {.team = team,
                                       .actor = id_text("usr_", who->user, actor),
                                       .address = address,
                                       .action = str_c(action),
                                       .object = object,
                                       .change = change.n != 0 ? change : STR("{}")};
    return identity_audit_line_in(conn, &line, who->now_us);
}

static enum err write_in(struct store_conn *conn, void *arg)
{
    struct control_write *w = arg;
    struct idempotency *i = gateway_idempotency(w->c->gateway);
    enum err e = OK;
    buf_reset(&w->replay);
    if (w->idem.n != 0)
        e = idempotency_claim_in(i, conn, &w->idem, w->who->now_us, &w->replay);
    if (e != OK || w->replay.n != 0)
        return e;
    e = w->work(w, conn);
    if (e == OK && w->idem.n != 0) {
        buf_reset(&w->kept);
        if (w->json != NULL)
            w->json(w, false, &w->kept);
        if (w->kept.n == 0)
            buf_byte(&w->kept, ' '); /* an empty answer means that none is kept */
        e = idempotency_store_in(i, conn, &w->idem, buf_str(&w->kept));
    }
    if (e != OK || w->action == NULL)
        return e;
    return control_audit_in(conn, w->who, w->r->peer, w->team, w->action, str_c(w->object),
                            w->change);
}

void control_write_object_json(struct control_write *w, bool first, struct buf *b)
{
    (void)first;
    buf_byte(b, '{');
    buf_json_member(b, "id", str_c(w->object));
    buf_byte(b, '}');
}

enum err control_write_run(struct control_write *w)
{
    struct str idem = http_request_header(w->r, STR("idempotency-key"));
    enum err e = OK;
    if (idem.p != NULL && !w->secret)
        e = idempotency_key_make(&w->idem, w->who->team, idem, w->r->path, w->r->body);
    if (e != OK) {
        w->reply->field = STR("Idempotency-Key");
        w->reply->message = STR("An Idempotency-Key has 1 to 255 printable ASCII characters.");
        return e;
    }
    if (id_is_zero(w->team))
        w->team = w->who->team;
    buf_init(&w->replay, IDEMPOTENCY_ANSWER_MAX);
    buf_init(&w->kept, IDEMPOTENCY_ANSWER_MAX);
    e = store_write(w->c->store, write_in, w);
    if (e == OK) {
        w->reply->status = w->status != 0 ? w->status : w->json == NULL ? 204 : 200;
        if (w->replay.n != 0)
            buf_add(&w->reply->headers, STR("Idempotency-Replayed: true\r\n"));
        if (w->json != NULL && w->replay.n != 0)
            buf_add(&w->reply->body, buf_str(&w->replay));
        else if (w->json != NULL)
            w->json(w, true, &w->reply->body);
    }
    buf_fini(&w->replay);
    buf_fini(&w->kept);
    return e;
}

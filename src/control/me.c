/* GET /me, GET /me/usage: the key's owner, his balance and his usage. */
#include "base/clock.h"
#include "control/body.h"
#include "control/control.h"
#include "control/period.h"

#define RECENT_DEFAULT 20
#define RECENT_DETAILED 100
#define RECENT_MAX 1000

enum err control_me(void *control, const struct http_request *r, struct http_reply *reply)
{
    struct control *c = control;
    struct identity_key *key = NULL;
    struct buf scopes;
    enum err e = gateway_who(c->gateway, r, 0, clock_wall_us(), &key);
    if (e != OK)
        return e;
    buf_byte(&reply->body, '{');
    id_json(&reply->body, "user_id", "usr_", key->user);
    id_json(&reply->body, "team_id", "team_", key->team);
    id_json(&reply->body, "key_id", "key_", key->key);
    buf_json_key(&reply->body, "scopes");
    buf_byte(&reply->body, '[');
    buf_init(&scopes, 256);
    identity_scopes_text(key->scopes, &scopes);
    struct str rest = buf_str(&scopes);
    while (rest.n != 0) {
        buf_json_comma(&reply->body);
        buf_json_str(&reply->body, str_cut(&rest, ' '));
    }
    buf_fini(&scopes);
    buf_add(&reply->body, STR("]}"));
    identity_key_unref(&key);
    return OK;
}

static enum err read_recent(const struct http_request *r, struct http_reply *reply,
                            int64_t *ret_recent)
{
    struct str v;
    uint64_t n = RECENT_DEFAULT;
    if (http_query(r, reply->arena, STR("detailed"), &v)) {
        bool yes = str_eq(v, STR("true")) || str_eq(v, STR("1"));
        if (!yes && !str_eq(v, STR("false")) && !str_eq(v, STR("0")))
            return control_wrong(reply, ERR_INVALID_REQUEST, "detailed",
                                 "'detailed' must be true or false.");
        n = yes ? RECENT_DETAILED : n;
    }
    if (http_query(r, reply->arena, STR("recent_limit"), &v) && !str_to_u64(v, RECENT_MAX, &n))
        return control_wrong(reply, ERR_INVALID_REQUEST, "recent_limit",
                             "'recent_limit' must be a number from 0 to 1000.");
    *ret_recent = (int64_t)n;
    return OK;
}

enum err control_me_usage(void *control, const struct http_request *r, struct http_reply *reply)
{
    struct control *c = control;
    struct identity_key *key = NULL;
    int64_t now = clock_wall_us(), recent = 0;
    struct control_period p = {clock_month_start(now), now};
    enum err e = gateway_who(c->gateway, r, IDENTITY_SCOPE_USAGE, now, &key);
    if (e != OK)
        return e;
    struct id team = key->team, wallet = key->wallet;
    identity_key_unref(&key);
    e = control_period_read(r, reply, &p);
    if (e == OK)
        e = read_recent(r, reply, &recent);
    if (e == OK)
        e = ledger_settled_up(c->ledger); /* a customer sees the call that he just made */
    if (e != OK)
        return e;
    const struct ledger_account *a = ledger_find(c->ledger, wallet);
    buf_byte(&reply->body, '{');
    buf_json_nano_number(&reply->body, "balance", a != NULL ? ledger_balance(a) : NANO(0));
    e = gateway_usage_json(c->gateway, team, p.start_us, p.end_us, recent, &reply->body);
    buf_byte(&reply->body, '}');
    return e;
}

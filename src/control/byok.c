/* POST /api/openrouter-provision: a key of the provider's for the customer's own use, handed out
 * once.
 *
 * What is spent with it does not pass through this house, so it is limited: to what the operator
 * gives each user for it, and never more in all, however often it is made anew. It is made while
 * its user waits. A claim in his row says so before the provider is asked, and stays until the
 * outcome is known; one that a death or a silence left behind is cleaned up by whoever asks next:
 * what was made then nobody has seen, so it is ended. */
#include "control/byok.h"

#include "base/clock.h"
#include "base/mem.h"
#include "control/body.h"
#include "control/routes.h"
#include "control/write.h"
#include "observe/observe.h"

#include <stdio.h>

#define CLAIM_US (90 * US_PER_S) /* more than the calls of one request can take */
#define ORPHANS_MAX 8

/* What was spent of such a key's limit stays spent. */
static struct openrouter byok_provider(const struct control *c)
{
    struct openrouter o = *upstream_keys_provider(c->upstream_keys);
    o.limit_reset = "";
    return o;
}

struct row {
    char user[ID_TEXT_MAX], hash[IDENTITY_UPSTREAM_HASH_MAX + 1]; /* hash: empty when he has none */
    struct nano limit; /* of the key that there is, or of the next one */
    int64_t claimed_us;
};

static void row_read(const struct store_query *q, struct row *r)
{
    snprintf(r->user, sizeof(r->user), "%.*s", STR_ARG(store_str(q, 0)));
    snprintf(r->hash, sizeof(r->hash), "%.*s", STR_ARG(store_str(q, 1)));
    r->limit = store_nano(q, 2);
    r->claimed_us = store_i64(q, 3);
}

/* NOT_FOUND. */
static enum err row_get(struct store_conn *conn, const char *user, struct row *ret)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_BYOK_GET, &q, "t", str_c(user));
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        row_read(q, ret);
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

static enum err end_later_in(struct control *c, struct store_conn *conn, const char *hash,
                             int64_t now_us)
{
    struct jobs_spec spec = {.kind = "upstream_end", .input = str_c(hash)};
    return hash[0] != '\0' ? jobs_enqueue_in(c->jobs, conn, &spec, now_us, NULL) : OK;
}

enum err byok_end_in(struct control *c, struct store_conn *conn, struct id user, int64_t now_us)
{
    char text[ID_TEXT_MAX];
    struct row r;
    enum err e = row_get(conn, id_text("usr_", user, text).p, &r);
    if (e != OK)
        return e == ERR_NOT_FOUND ? OK : e;
    e = end_later_in(c, conn, r.hash, now_us);
    return e == OK ? store_run(conn, SQL_BYOK_DELETE, NULL, "t", str_c(text)) : e;
}

/* ---- the key before: what is left of its limit is the next one's ---- */

struct retiring {
    struct control *c;
    struct row row;
    int64_t now_us;
};

static enum err retire_in(struct store_conn *conn, void *arg)
{
    const struct retiring *x = arg;
    int64_t changed = 0;
    enum err e = store_run(conn, SQL_BYOK_RETIRE, &changed, "ttn", str_c(x->row.user),
                           str_c(x->row.hash), x->row.limit);
    return e == OK && changed != 0 ? end_later_in(x->c, conn, x->row.hash, x->now_us) : e;
}

/* ABSENT: somebody has ended it at the provider, and nobody knows what was left. */
static enum jobs_outcome retire(struct control *c, struct jobs_call *call, struct row *r)
{
    struct openrouter o = byok_provider(c);
    struct openrouter_key key;
    enum jobs_outcome outcome = openrouter_key_read(&o, call, str_c(r->hash), o.limit_reset, &key);
    if (outcome != JOBS_DONE)
        return outcome;
    int64_t left = key.remaining.v >= 0 ? key.remaining.v : r->limit.v - key.usage.v;
    r->limit = NANO(left < 0 ? 0 : left < r->limit.v ? left : r->limit.v);
    struct retiring x = {.c = c, .row = *r, .now_us = call->now_us};
    if (store_write(c->store, retire_in, &x) != OK)
        return JOBS_RETRY;
    /* A job ends it in any case; now is better. */
    outcome = openrouter_key_end(&o, call, str_c(r->hash));
    r->hash[0] = '\0';
    return outcome;
}

/* ---- who is suspended has none ---- */

struct suspended {
    struct row rows[100];
    size_t n;
};

static enum err suspended_read(struct control *c, struct suspended *s)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_BYOK_SUSPENDED, &q, "");
    while (e == OK && s->n < 100 && (e = store_step(q)) == OK)
        row_read(q, &s->rows[s->n++]);
    store_finish(&q);
    store_reader_end(&conn);
    return e == ERR_END ? OK : e;
}

static enum jobs_outcome check_run(struct jobs_call *call)
{
    struct control *c = call->arg;
    struct openrouter o = byok_provider(c);
    if (!openrouter_is_there(&o))
        return JOBS_DONE;
    struct suspended *s = mem_zalloc(sizeof(*s));
    enum jobs_outcome outcome = suspended_read(c, s) == OK ? JOBS_DONE : JOBS_RETRY;
    for (size_t i = 0; i < s->n && outcome == JOBS_DONE; i++) {
        outcome = retire(c, call, &s->rows[i]);
        if (outcome == JOBS_ABSENT) {
            struct retiring x = {.c = c, .row = s->rows[i], .now_us = call->now_us};
            x.row.limit = NANO(0);
            outcome = store_write(c->store, retire_in, &x) == OK ? JOBS_DONE : JOBS_RETRY;
        }
    }
    mem_free(s);
    return outcome;
}

static const struct jobs_step check_steps[] = {{.name = "suspended", .run = check_run}};

void byok_add(struct control *c, struct jobs_kind *kind, int64_t every_us)
{
    *kind = (struct jobs_kind){
        .name = "byok_check", .steps = check_steps, .steps_n = 1, .every_us = every_us, .arg = c};
    jobs_kind_add(c->jobs, kind);
}

/* ---- asked for ---- */

struct byok {
    struct control_write w; /* of the end: the key's row and its line of audit */
    struct jobs_call call;
    struct row row;
    bool rotate, makes, stale;
    struct str hash, secret; /* of what was made */
};

static enum err claim_in(struct store_conn *conn, void *arg)
{
    struct byok *b = arg;
    struct row *r = &b->row;
    int64_t now_us = b->w.who->now_us;
    enum err e = row_get(conn, b->w.object, r);
    if (e == ERR_NOT_FOUND) {
        *r = (struct row){.limit = b->w.c->byok_limit};
        memcpy(r->user, b->w.object, sizeof(r->user));
        e = OK;
    }
    if (e != OK)
        return e;
    if (r->claimed_us > now_us - CLAIM_US)
        return ERR_IN_PROGRESS;
    b->stale = r->claimed_us != 0;
    b->makes = b->rotate || r->hash[0] == '\0';
    if (!b->makes && !b->stale)
        return OK;
    return store_run(conn, SQL_BYOK_CLAIM, NULL, "tni", str_c(r->user), r->limit, now_us);
}

static enum err unclaim_in(struct store_conn *conn, void *arg)
{
    const struct byok *b = arg;
    return store_run(conn, SQL_BYOK_UNCLAIM, NULL, "t", str_c(b->row.user));
}

static struct str key_name(const struct byok *b, struct arena *a)
{
    return arena_printf(a, "%.60s %s (own use)", b->w.c->brand_name, b->row.user);
}

struct orphans {
    struct str name, but;
    char hashes[ORPHANS_MAX][IDENTITY_UPSTREAM_HASH_MAX + 1];
    size_t n;
};

static bool orphan_look(void *arg, const struct openrouter_key *key)
{
    struct orphans *o = arg;
    if (!str_eq(key->name, o->name) || str_eq(key->hash, o->but) ||
        key->hash.n > IDENTITY_UPSTREAM_HASH_MAX)
        return true;
    memcpy(o->hashes[o->n], key->hash.p, key->hash.n);
    o->hashes[o->n][key->hash.n] = '\0';
    return ++o->n < ORPHANS_MAX;
}

static enum jobs_outcome orphans_end(struct byok *b)
{
    struct openrouter provider = byok_provider(b->w.c);
    struct orphans o = {.name = key_name(b, &b->call.arena), .but = str_c(b->row.hash)};
    enum jobs_outcome outcome = openrouter_keys_walk(&provider, &b->call, orphan_look, &o);
    for (size_t i = 0; i < o.n && outcome == JOBS_DONE; i++)
        outcome = openrouter_key_end(&provider, &b->call, str_c(o.hashes[i]));
    return outcome;
}

/* DONE: hash and secret are there, when one was to be made. */
static enum jobs_outcome at_provider(struct byok *b, bool *ret_keep_claim)
{
    struct openrouter provider = byok_provider(b->w.c);
    enum jobs_outcome outcome = b->stale ? orphans_end(b) : JOBS_DONE;
    *ret_keep_claim = outcome != JOBS_DONE;
    if (outcome == JOBS_DONE && b->makes && b->row.hash[0] != '\0')
        outcome = retire(b->w.c, &b->call, &b->row);
    if (outcome != JOBS_DONE || !b->makes)
        return outcome;
    outcome = openrouter_key_make(&provider, &b->call, key_name(b, &b->call.arena),
                                  (struct openrouter_limit){b->row.limit, provider.limit_reset},
                                  &b->hash, &b->secret);
    *ret_keep_claim = outcome == JOBS_DONE || outcome == JOBS_UNKNOWN;
    return outcome;
}

static enum err made_in(struct control_write *w, struct store_conn *conn)
{
    const struct byok *b = w->arg;
    return store_run(conn, SQL_BYOK_MADE, NULL, "tti", str_c(b->row.user), b->hash, w->who->now_us);
}

static void made_json(struct control_write *w, bool first, struct buf *b)
{
    const struct byok *x = w->arg;
    (void)first;
    buf_byte(b, '{');
    buf_json_bool(b, "success", true);
    buf_json_key(b, "apiKey");
    if (x->makes)
        buf_json_str(b, x->secret);
    else
        buf_add(b, STR("null"));
    buf_json_nano(b, "limit", x->row.limit);
    buf_json_bool(b, "isNewKey", x->makes);
    buf_byte(b, '}');
}

static enum err refused(struct byok *b, enum jobs_outcome outcome)
{
    struct http_reply *reply = b->w.reply;
    observe_say("warn", "byok_failed", "%s: %s", b->row.user,
                outcome == JOBS_ABSENT ? "his key is gone at the provider" : b->call.why);
    if (outcome == JOBS_ABSENT) {
        reply->message = STR("This key was ended at the provider. Write to us.");
        return ERR_CONFLICT;
    }
    if (outcome == JOBS_FAILED)
        return ERR_UPSTREAM_ERROR;
    reply->message = STR("The provider cannot make keys right now. Try again in two minutes.");
    buf_add(&reply->headers, STR("Retry-After: 120\r\n"));
    return ERR_UPSTREAM_UNAVAILABLE;
}

static enum err provision(struct byok *b)
{
    struct control *c = b->w.c;
    bool keep_claim = false;
    enum err e = store_write(c->store, claim_in, b);
    if (e != OK)
        return e;
    if (!b->makes && !b->stale) {
        made_json(&b->w, true, &b->w.reply->body);
        return OK;
    }
    enum jobs_outcome outcome = at_provider(b, &keep_claim);
    if (!keep_claim)
        e = store_write(c->store, unclaim_in, b);
    if (outcome != JOBS_DONE)
        return refused(b, outcome);
    if (e == OK && b->makes)
        e = control_write_run(&b->w); /* its claim ends with it; or stays, and the key is ended */
    else if (e == OK)
        made_json(&b->w, true, &b->w.reply->body);
    return e;
}

CONTROL_ASK(control_openrouter_provision)
{
    struct byok b = {.w = {.c = c,
                           .who = who,
                           .r = r,
                           .reply = reply,
                           .arg = &b,
                           .work = made_in,
                           .json = made_json,
                           .action = "byok.create",
                           .secret = true},
                     .call = {.arg = c, .now_us = who->now_us},
                     .secret = STR("")};
    struct openrouter provider = byok_provider(c);
    const struct control_field fields[] = {
        {.name = "rotate", .kind = CONTROL_BOOL, .to = &b.rotate}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && who->by != CONTROL_BY_SESSION) {
        reply->message = STR("Sign in: this is not for tokens.");
        e = ERR_FORBIDDEN;
    }
    if (e == OK && (c->byok_limit.v == 0 || !openrouter_is_there(&provider)))
        e = ERR_NOT_IMPLEMENTED;
    if (e != OK)
        return e;
    (void)id_text("usr_", who->user, b.w.object);
    buf_init(&b.call.data, 1024);
    arena_init(&b.call.arena, 4096, 1u << 20);
    e = provision(&b);
    mem_wipe((char *)(uintptr_t)b.secret.p, b.secret.n);
    arena_fini(&b.call.arena);
    buf_fini(&b.call.data);
    return e;
}

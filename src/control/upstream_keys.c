/* Keys of single users at the provider.
 *
 * A key is made by POST, which cannot be repeated: its name carries the run's id, so that after a
 * silence the list tells whether it was made. The key itself is shown only once, so one that was
 * made behind our back is of no use: it is ended, and another one is made. */
#include "control/upstream_keys.h"

#include "base/clock.h"
#include "base/mem.h"
#include "observe/observe.h"
#include "payments/subscriptions.h"

#include <stdio.h>

#define DRAIN_US (60 * US_PER_S) /* calls with the old key may end */
#define SOON_US (2 * US_PER_S)
#define SEEN_BATCH 64

struct upstream_keys {
    struct upstream_keys_options options;
    struct ledger *ledger;
    struct jobs_kind make, limit, end, check;
};

const struct openrouter *upstream_keys_provider(const struct upstream_keys *k)
{
    return &k->options.openrouter;
}

bool upstream_keys_are_on(const struct upstream_keys *k)
{
    return openrouter_is_configured(&k->options.openrouter);
}

/* ---------------------------------------------------------------- what he may spend */

/* One wallet: what is in it, and whether a subscription fills it every month. */
static enum err wallet_add(const struct upstream_keys *k, struct store_conn *conn, struct id team,
                           struct openrouter_limit *limit)
{
    struct arena a;
    struct subscription x;
    const struct ledger_account *account = ledger_find(k->ledger, team);
    struct nano balance = account != NULL ? ledger_balance(account) : NANO(0);
    if (balance.v > 0 && nano_add(limit->amount, balance, &limit->amount) != OK)
        limit->amount = NANO(INT64_MAX);
    arena_init(&a, 4096, 65536);
    enum err e = subscriptions_of_team(conn, &a, team, &x);
    if (e == OK && x.access)
        limit->reset = "monthly";
    arena_fini(&a);
    return e == ERR_NOT_FOUND ? OK : e;
}

/* All wallets that he may spend from. */
static enum err limit_of(const struct upstream_keys *k, struct id user,
                         struct openrouter_limit *ret)
{
    char text[ID_TEXT_MAX];
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    struct id team;
    *ret = (struct openrouter_limit){NANO(0), k->options.openrouter.limit_reset};
    enum err e = store_reader_begin(k->options.store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_UPSTREAM_TEAMS_OF_USER, &q, "t", id_text("usr_", user, text));
    while (e == OK && (e = store_step(q)) == OK)
        if (id_parse("team_", store_str(q, 0), &team))
            e = wallet_add(k, conn, team, ret);
    store_finish(&q);
    store_reader_end(&conn);
    return e == ERR_END ? OK : e;
}

static bool user_of(struct jobs_call *call, struct id *ret_user)
{
    if (id_parse("usr_", call->input, ret_user))
        return true;
    snprintf(call->why, sizeof(call->why), "the job names no user");
    return false;
}

static enum err row_of(const struct upstream_keys *k, struct id user,
                       struct identity_upstream_row *ret)
{
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(k->options.store, &conn);
    if (e != OK)
        return e;
    e = identity_upstream_get(conn, user, ret);
    store_reader_end(&conn);
    return e;
}

/* ---------------------------------------------------------------- made */

static struct str name_of(const struct upstream_keys *k, struct jobs_call *call)
{
    char run[ID_TEXT_MAX];
    return arena_printf(&call->arena, "%.60s %.*s %.*s", k->options.brand, STR_ARG(call->input),
                        STR_ARG(id_text("job_", call->run, run)));
}

/* data: hash, limit, sealed key, a line each (the seal's bytes to the end). */
static enum jobs_outcome make_run(struct jobs_call *call)
{
    struct upstream_keys *k = call->arg;
    struct id user;
    struct openrouter_limit limit;
    struct str hash, secret;
    char text[UNITS_TEXT_MAX];
    if (!user_of(call, &user))
        return JOBS_FAILED;
    if (limit_of(k, user, &limit) != OK)
        return JOBS_RETRY;
    enum jobs_outcome outcome = openrouter_key_make(&k->options.openrouter, call, name_of(k, call),
                                                    limit, &hash, &secret);
    if (outcome != JOBS_DONE)
        return outcome;
    buf_reset(&call->data);
    buf_add(&call->data, hash);
    buf_byte(&call->data, '\n');
    buf_add(&call->data, nano_format(limit.amount, text));
    buf_byte(&call->data, '\n');
    identity_upstream_seal(k->options.upstreams, user, secret, &call->data);
    mem_wipe((char *)(uintptr_t)secret.p, secret.n);
    return JOBS_DONE;
}

static enum err make_done_in(struct store_conn *conn, struct jobs_call *call)
{
    struct upstream_keys *k = call->arg;
    struct id user;
    struct nano limit;
    struct str sealed = buf_str(&call->data), hash = str_cut(&sealed, '\n');
    if (!user_of(call, &user) || nano_parse(str_cut(&sealed, '\n'), false, &limit) != OK)
        return ERR_CORRUPT;
    return identity_upstream_put_in(k->options.upstreams, conn, user, hash, sealed, limit,
                                    call->now_us);
}

struct search {
    struct str name;
    char hash[IDENTITY_UPSTREAM_HASH_MAX + 1];
};

static bool search_key(void *arg, const struct openrouter_key *key)
{
    struct search *s = arg;
    if (!str_eq(key->name, s->name) || key->hash.n > IDENTITY_UPSTREAM_HASH_MAX)
        return true;
    memcpy(s->hash, key->hash.p, key->hash.n);
    s->hash[key->hash.n] = '\0';
    return false;
}

/* Made or not, it has to be made again; but what was made is ended first. */
static enum jobs_outcome make_reconcile(struct jobs_call *call)
{
    struct upstream_keys *k = call->arg;
    struct search s = {.name = name_of(k, call)};
    enum jobs_outcome outcome = openrouter_keys_walk(&k->options.openrouter, call, search_key, &s);
    if (outcome == JOBS_DONE && s.hash[0] != '\0')
        outcome = openrouter_key_end(&k->options.openrouter, call, str_c(s.hash));
    return outcome == JOBS_DONE ? JOBS_ABSENT : outcome;
}

/* The key before this one is ended, a while after calls have stopped using it. */
static enum jobs_outcome retire_run(struct jobs_call *call)
{
    struct upstream_keys *k = call->arg;
    struct identity_upstream_row row;
    struct id user;
    if (!user_of(call, &user))
        return JOBS_FAILED;
    enum err e = row_of(k, user, &row);
    if (e != OK && e != ERR_NOT_FOUND)
        return JOBS_RETRY;
    buf_reset(&call->data); /* from here on: the old key's hash */
    if (e == ERR_NOT_FOUND || row.old_hash[0] == '\0')
        return JOBS_END;
    if (call->now_us < row.rotated_us + DRAIN_US) {
        call->wake_us = row.rotated_us + DRAIN_US;
        return JOBS_SLEEP;
    }
    buf_add(&call->data, str_c(row.old_hash));
    return openrouter_key_end(&k->options.openrouter, call, str_c(row.old_hash));
}

static enum err retire_done_in(struct store_conn *conn, struct jobs_call *call)
{
    return store_run(conn, SQL_UPSTREAM_KEY_RETIRED, NULL, "tt", call->input, buf_str(&call->data));
}

static const struct jobs_step make_steps[] = {
    {.name = "make", .run = make_run, .reconcile = make_reconcile, .done_in = make_done_in},
    {.name = "retire", .run = retire_run, .done_in = retire_done_in},
};

static enum err make_in(struct upstream_keys *k, struct store_conn *conn, struct id user,
                        struct str key, int64_t now_us)
{
    char text[ID_TEXT_MAX];
    struct jobs_spec spec = {
        .kind = "upstream_key", .key = key, .input = id_text("usr_", user, text)};
    return jobs_enqueue_in(k->options.jobs, conn, &spec, now_us, NULL);
}

enum err upstream_keys_ensure_in(struct upstream_keys *k, struct store_conn *conn, struct id user,
                                 int64_t now_us)
{
    char text[ID_TEXT_MAX];
    struct identity_upstream_row row;
    if (!upstream_keys_are_on(k))
        return OK;
    enum err e = identity_upstream_get(conn, user, &row);
    return e == ERR_NOT_FOUND ? make_in(k, conn, user, id_text("usr_", user, text), now_us) : e;
}

enum err upstream_keys_rotate_in(struct upstream_keys *k, struct store_conn *conn, struct id user,
                                 int64_t now_us)
{
    struct identity_upstream_row row;
    if (!upstream_keys_are_on(k))
        return ERR_NOT_IMPLEMENTED;
    enum err e = identity_upstream_get(conn, user, &row);
    if (e != OK)
        return e;
    /* The same key of his is not rotated twice. */
    return row.old_hash[0] != '\0' ? ERR_CONFLICT : make_in(k, conn, user, str_c(row.hash), now_us);
}

/* ---------------------------------------------------------------- ended */

static enum jobs_outcome end_run(struct jobs_call *call)
{
    struct upstream_keys *k = call->arg;
    return openrouter_key_end(&k->options.openrouter, call, call->input);
}

static const struct jobs_step end_steps[] = {{.name = "end", .run = end_run}};

enum err upstream_keys_end_in(struct upstream_keys *k, struct store_conn *conn, struct id user,
                              int64_t now_us)
{
    struct identity_upstream_row row;
    enum err e = identity_upstream_get(conn, user, &row);
    if (e != OK)
        return e == ERR_NOT_FOUND ? OK : e;
    e = identity_upstream_lost_in(k->options.upstreams, conn, user, str_c(row.hash));
    const char *const hashes[] = {row.hash, row.old_hash};
    for (size_t i = 0; i < 2 && e == OK; i++) {
        struct jobs_spec spec = {.kind = "upstream_end", .input = str_c(hashes[i])};
        if (spec.input.n != 0)
            e = jobs_enqueue_in(k->options.jobs, conn, &spec, now_us, NULL);
    }
    return e;
}

/* ---------------------------------------------------------------- limited */

struct seen {
    char hash[IDENTITY_UPSTREAM_HASH_MAX + 1];
    struct nano limit, remaining, usage_monthly, byok_usage_monthly;
};

static void see(struct seen *s, const struct openrouter_key *key)
{
    struct str hash = str_upto(key->hash, IDENTITY_UPSTREAM_HASH_MAX);
    memcpy(s->hash, hash.p, hash.n);
    s->hash[hash.n] = '\0';
    s->limit = key->limit;
    s->remaining = key->remaining;
    s->usage_monthly = key->usage_monthly;
    s->byok_usage_monthly = key->byok_usage_monthly;
}

static enum err seen_in(struct store_conn *conn, const struct seen *s, int64_t now_us)
{
    return store_run(conn, SQL_UPSTREAM_KEY_SEEN, NULL, "tnnnni", str_c(s->hash), s->limit,
                     s->remaining, s->usage_monthly, s->byok_usage_monthly, now_us);
}

/* The provider ended a key that we did not: he gets another one. */
struct lost {
    struct upstream_keys *k;
    struct id user;
    const char *hash;
    int64_t now_us;
};

static enum err lost_in(struct store_conn *conn, void *arg)
{
    const struct lost *l = arg;
    enum err e = identity_upstream_lost_in(l->k->options.upstreams, conn, l->user, str_c(l->hash));
    return e == OK ? make_in(l->k, conn, l->user, str_c(l->hash), l->now_us) : e;
}

static enum jobs_outcome lost(struct upstream_keys *k, struct jobs_call *call, struct id user,
                              const char *hash)
{
    struct lost l = {k, user, hash, call->now_us};
    observe_say("warn", "upstream_key_lost", "%.*s: the provider no longer has this user's key",
                STR_ARG(call->input));
    return store_write(k->options.store, lost_in, &l) == OK ? JOBS_END : JOBS_RETRY;
}

struct trust {
    struct identity_upstreams *u;
    struct id user;
};

/* data: what was seen, kept by limit_done_in. */
static enum jobs_outcome limit_run(struct jobs_call *call)
{
    struct upstream_keys *k = call->arg;
    struct identity_upstream_row row;
    struct openrouter_key key;
    struct id user;
    struct openrouter_limit limit;
    struct seen s;
    if (!user_of(call, &user))
        return JOBS_FAILED;
    enum err e = row_of(k, user, &row);
    if (e == ERR_NOT_FOUND)
        return JOBS_DONE;
    if (e != OK || limit_of(k, user, &limit) != OK)
        return JOBS_RETRY;
    enum jobs_outcome outcome = openrouter_key_read(&k->options.openrouter, call, str_c(row.hash),
                                                    limit.reset, &key);
    if (outcome == JOBS_ABSENT)
        return lost(k, call, user, row.hash);
    if (outcome != JOBS_DONE)
        return outcome;
    key.remaining = limit.amount;
    if (nano_add(limit.amount, key.usage, &limit.amount) != OK)
        return JOBS_FAILED;
    key.limit = limit.amount;
    outcome = openrouter_key_limit(&k->options.openrouter, call, str_c(row.hash), limit);
    if (outcome != JOBS_DONE)
        return outcome == JOBS_ABSENT ? JOBS_RETRY : outcome;
    see(&s, &key);
    buf_reset(&call->data);
    buf_add(&call->data, str_of((const char *)&s, sizeof(s)));
    return JOBS_DONE;
}

/* Whatever it was refused for, its limit is right now. */
static void trust_on_end(void *arg, bool committed)
{
    struct trust *t = arg;
    if (committed)
        identity_upstream_trust(t->u, t->user);
    mem_free(t);
}

static enum err limit_done_in(struct store_conn *conn, struct jobs_call *call)
{
    struct seen s;
    if (call->data.n != sizeof(s))
        return OK; /* he has no key (any more) */
    struct upstream_keys *k = call->arg;
    struct trust *t = mem_zalloc(sizeof(*t));
    t->u = k->options.upstreams;
    if (!user_of(call, &t->user)) {
        mem_free(t);
        return ERR_CORRUPT;
    }
    store_on_end(conn, trust_on_end, t);
    memcpy(&s, call->data.p, sizeof(s));
    return seen_in(conn, &s, call->now_us);
}

static const struct jobs_step limit_steps[] = {
    {.name = "mirror", .run = limit_run, .done_in = limit_done_in}};

/* Changes of one second share a run, which begins after that second is over. */
static enum err limit_later_in(struct upstream_keys *k, struct store_conn *conn, struct str user,
                               int64_t now_us)
{
    char key[ID_TEXT_MAX + 32];
    int n = snprintf(key, sizeof(key), "%.*s %lld", STR_ARG(user), (long long)(now_us / US_PER_S));
    struct jobs_spec spec = {.kind = "upstream_limit",
                             .key = str_of(key, (size_t)n),
                             .input = user,
                             .wake_us = now_us + SOON_US};
    return jobs_enqueue_in(k->options.jobs, conn, &spec, now_us, NULL);
}

struct refused {
    struct upstream_keys *k;
    struct id user;
    int64_t now_us;
};

static enum err refused_in(struct store_conn *conn, void *arg)
{
    const struct refused *r = arg;
    char user[ID_TEXT_MAX];
    return limit_later_in(r->k, conn, id_text("usr_", r->user, user), r->now_us);
}

static void refused_done(void *arg, enum err e)
{
    if (e != OK)
        observe_say("warn", "upstream_key_refused", "%s", err_info(e)->meaning);
    mem_free(arg);
}

void upstream_keys_refused(struct upstream_keys *k, struct id user, int64_t now_us)
{
    struct refused *r = mem_zalloc(sizeof(*r));
    *r = (struct refused){k, user, now_us};
    store_write_later(k->options.store, refused_in, refused_done, r);
}

enum err upstream_keys_credit_changed_in(void *arg, struct store_conn *conn, struct id wallet,
                                         int64_t wall_us)
{
    struct upstream_keys *k = arg;
    char team[ID_TEXT_MAX];
    struct store_query *q = NULL;
    if (!upstream_keys_are_on(k))
        return OK;
    enum err e = store_start(conn, SQL_UPSTREAM_KEYS_OF_TEAM, &q, "t",
                             id_text("team_", wallet, team));
    while (e == OK && (e = store_step(q)) == OK)
        e = limit_later_in(k, conn, store_str(q, 0), wall_us);
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

/* ---------------------------------------------------------------- looked after */

struct round {
    struct upstream_keys *k;
    int64_t now_us;
    struct seen batch[SEEN_BATCH];
    size_t n;
    enum err err;
};

static enum err batch_in(struct store_conn *conn, void *arg)
{
    const struct round *r = arg;
    enum err e = OK;
    for (size_t i = 0; i < r->n && e == OK; i++)
        e = seen_in(conn, &r->batch[i], r->now_us);
    return e;
}

static void batch_write(struct round *r)
{
    if (r->n != 0 && r->err == OK)
        r->err = store_write(r->k->options.store, batch_in, r);
    r->n = 0;
}

static bool round_key(void *arg, const struct openrouter_key *key)
{
    struct round *r = arg;
    if (key->disabled)
        return true; /* as good as gone */
    see(&r->batch[r->n++], key);
    if (r->n == SEEN_BATCH)
        batch_write(r);
    return r->err == OK;
}

static enum jobs_outcome check_run(struct jobs_call *call)
{
    struct upstream_keys *k = call->arg;
    struct round r = {.k = k, .now_us = call->now_us};
    if (!openrouter_is_there(&k->options.openrouter))
        return JOBS_DONE;
    enum jobs_outcome outcome = openrouter_keys_walk(&k->options.openrouter, call, round_key, &r);
    batch_write(&r);
    return outcome == JOBS_DONE && r.err != OK ? JOBS_RETRY : outcome;
}

/* Those that the round did not see are looked at one by one. */
static enum jobs_outcome unseen_one(struct upstream_keys *k, struct jobs_call *call,
                                    struct str user_text, const char *hash)
{
    struct openrouter_key key;
    struct id user;
    struct round r = {.k = k, .now_us = call->now_us};
    enum jobs_outcome outcome = openrouter_key_read(&k->options.openrouter, call, str_c(hash),
                                                    k->options.openrouter.limit_reset, &key);
    if (!id_parse("usr_", user_text, &user) || (outcome != JOBS_DONE && outcome != JOBS_ABSENT))
        return outcome;
    if (outcome == JOBS_ABSENT || key.disabled) {
        struct lost l = {k, user, hash, call->now_us};
        return store_write(k->options.store, lost_in, &l) == OK ? JOBS_DONE : JOBS_RETRY;
    }
    (void)round_key(&r, &key);
    batch_write(&r);
    return r.err == OK ? JOBS_DONE : JOBS_RETRY;
}

struct unseen {
    size_t n;
    char user[100][ID_TEXT_MAX], hash[100][IDENTITY_UPSTREAM_HASH_MAX + 1];
};

static enum err unseen_read(const struct upstream_keys *k, int64_t before_us, struct unseen *u)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    enum err e = store_reader_begin(k->options.store, &conn);
    if (e != OK)
        return e;
    u->n = 0;
    e = store_start(conn, SQL_UPSTREAM_KEYS_UNSEEN, &q, "it", before_us, STR(""));
    while (e == OK && (e = store_step(q)) == OK && u->n < 100) {
        snprintf(u->user[u->n], ID_TEXT_MAX, "%.*s", STR_ARG(store_str(q, 0)));
        snprintf(u->hash[u->n], IDENTITY_UPSTREAM_HASH_MAX + 1, "%.*s", STR_ARG(store_str(q, 1)));
        u->n++;
    }
    store_finish(&q);
    store_reader_end(&conn);
    return e == ERR_END ? OK : e;
}

/* A hundred a time: so many are lost only when the provider has lost them all. */
static enum jobs_outcome unseen_run(struct jobs_call *call)
{
    struct upstream_keys *k = call->arg;
    if (!openrouter_is_there(&k->options.openrouter))
        return JOBS_DONE;
    struct unseen *u = mem_zalloc(sizeof(*u));
    enum jobs_outcome outcome = JOBS_DONE;
    if (unseen_read(k, call->now_us - k->options.check_every_us / 2, u) != OK)
        outcome = JOBS_RETRY;
    for (size_t i = 0; i < u->n && outcome == JOBS_DONE; i++)
        outcome = unseen_one(k, call, str_c(u->user[i]), u->hash[i]);
    mem_free(u);
    return outcome;
}

static const struct jobs_step check_steps[] = {{.name = "list", .run = check_run},
                                               {.name = "unseen", .run = unseen_run}};

/* ---------------------------------------------------------------- */

struct upstream_keys *upstream_keys_new(const struct upstream_keys_options *options)
{
    struct upstream_keys *k = mem_zalloc(sizeof(*k));
    k->options = *options;
    k->make = (struct jobs_kind){
        .name = "upstream_key", .steps = make_steps, .steps_n = 2, .wipe = true, .arg = k};
    k->limit = (struct jobs_kind){
        .name = "upstream_limit", .steps = limit_steps, .steps_n = 1, .arg = k};
    k->end = (struct jobs_kind){.name = "upstream_end", .steps = end_steps, .steps_n = 1, .arg = k};
    k->check = (struct jobs_kind){.name = "upstream_check",
                                  .steps = check_steps,
                                  .steps_n = 2,
                                  .every_us = options->check_every_us,
                                  .arg = k};
    jobs_kind_add(options->jobs, &k->make);
    jobs_kind_add(options->jobs, &k->limit);
    jobs_kind_add(options->jobs, &k->end);
    jobs_kind_add(options->jobs, &k->check);
    return k;
}

void upstream_keys_attach(struct upstream_keys *k, struct ledger *ledger)
{
    k->ledger = ledger;
}

void upstream_keys_free(struct upstream_keys **k)
{
    mem_free(*k);
    *k = NULL;
}

/* The table of buckets, the taking over all subjects at once, and the rules of single subjects. */
#include "limits/limits.h"
#include "base/clock.h"
#include "base/mem.h"
#include "limits/bucket.h"

#include <pthread.h>

#define SHARDS 64
#define CHAINS_FIRST 16
#define IDLE_US (2 * US_PER_DAY)
#define SWEEP_CHAINS 2
#define PLAN_ROWS 4 /* among the scopes of table limit_rule: what teams' plans give */

struct shard {
    ALIGNED(64) pthread_mutex_t lock;
    struct limits_bucket **chains;
    size_t cap, n;
    size_t hand;
};

struct limits {
    pthread_mutex_t defaults_lock; /* the innermost */
    struct limits_rule defaults[LIMITS_SCOPE__COUNT];
    struct limits_rule funded; /* the user's default in that tier */
    _Atomic uint64_t generation;
    _Atomic bool default_on[LIMITS_SCOPE__COUNT];
    _Atomic bool default_max; /* some default has max_tokens */
    _Atomic int64_t own[LIMITS_SCOPE__COUNT];
    _Atomic int64_t own_max;
    /* The global bucket. While it has requests per minute alone, these four are all there is to
     * know of its rate, and no lock is taken. */
    _Atomic bool global_simple, global_on;
    _Atomic int64_t global_step, global_room, global_rpm, global_burst;
    pthread_mutex_t global_lock;
    struct limits_bucket global;
    void *block;
    struct shard *shards;
};

/* ---- names ---- */

const struct limits_field limits_fields[LIMITS_FIELDS] = {
    {"rpm", "rpm"},
    {"burst", "burst"},
    {"per_hour", "per-hour"},
    {"per_day", "per-day"},
    {"tpm", "tpm"},
    {"concurrency", "concurrency"},
    {"max_tokens", "max-tokens"},
};

int64_t *limits_field_of(struct limits_rule *rule, size_t field)
{
    int64_t *const at[LIMITS_FIELDS] = {&rule->rpm,       &rule->burst, &rule->per_hour,
                                        &rule->per_day,   &rule->tpm,   &rule->concurrency,
                                        &rule->max_tokens};
    must(field < LIMITS_FIELDS);
    return at[field];
}

/* ---- rates ---- */

static struct limits_rule raised(struct limits_rule r, int64_t rpm, int64_t burst)
{
    if (r.rpm <= 0 || rpm <= r.rpm)
        return r;
    r.rpm = rpm;
    r.burst = burst > r.burst ? burst : r.burst;
    return r;
}

static void refresh(struct limits *l, struct limits_bucket *b)
{
    uint64_t generation = atomic_load_explicit(&l->generation, memory_order_acquire);
    if (b->generation == generation)
        return;
    pthread_mutex_lock(&l->defaults_lock);
    b->generation = atomic_load_explicit(&l->generation, memory_order_relaxed);
    struct limits_rule base = b->tier == LIMITS_TIER_FUNDED ? l->funded : l->defaults[b->scope];
    if (b->scope == LIMITS_USER)
        base = raised(base, b->plan.rpm, b->plan.burst);
    limits_rate_make(&b->own, &base, &b->rate);
    pthread_mutex_unlock(&l->defaults_lock);
}

static void tier_set(struct limits *l, struct limits_bucket *b, enum limits_tier tier,
                     struct limits_raise plan, int64_t now_us)
{
    if (b->tier == tier && b->plan.rpm == plan.rpm && b->plan.burst == plan.burst) {
        refresh(l, b);
        return;
    }
    int64_t old_step = b->rate.req_step;
    b->tier = tier;
    b->plan = plan;
    b->generation = 0;
    refresh(l, b);
    limits_bucket_rescale(b, old_step, now_us);
}

/* Under global_lock, after a change. */
static void global_renew(struct limits *l)
{
    l->global.generation = 0;
    refresh(l, &l->global);
    const struct limits_rate *r = &l->global.rate;
    atomic_store(&l->global_step, r->req_step);
    atomic_store(&l->global_room, r->req_room);
    atomic_store(&l->global_rpm, r->rule.rpm);
    atomic_store(&l->global_burst, r->rule.burst);
    atomic_store(&l->global_on, limits_rate_is_on(r));
    atomic_store(&l->global_simple, r->rule.per_hour == 0 && r->rule.per_day == 0 &&
                                        r->rule.tpm == 0 && r->rule.concurrency == 0);
}

void limits_set_defaults(struct limits *l, const struct limits_options *options)
{
    pthread_mutex_lock(&l->defaults_lock);
    bool any_max = false;
    for (unsigned s = 0; s < LIMITS_SCOPE__COUNT; s++) {
        struct limits_rule unset = LIMITS_UNSET;
        struct limits_rate rate;
        l->defaults[s] = options->defaults[s];
        limits_rate_make(&unset, &l->defaults[s], &rate);
        atomic_store(&l->default_on[s], limits_rate_is_on(&rate));
        any_max |= rate.rule.max_tokens > 0;
    }
    l->funded = raised(options->defaults[LIMITS_USER], options->funded.rpm, options->funded.burst);
    atomic_store(&l->default_max, any_max);
    atomic_fetch_add(&l->generation, 1);
    pthread_mutex_unlock(&l->defaults_lock);
    pthread_mutex_lock(&l->global_lock);
    global_renew(l);
    pthread_mutex_unlock(&l->global_lock);
}

/* ---- shards, under their locks ---- */

static struct shard *shard_of(struct limits *l, struct id id)
{
    return &l->shards[id_hash(id) % SHARDS];
}

static size_t chain_of(const struct shard *s, struct id id)
{
    return (size_t)(id_hash(id) / SHARDS) & (s->cap - 1);
}

static struct limits_bucket *bucket_find(const struct shard *s, enum limits_scope scope,
                                         struct id id)
{
    struct limits_bucket *b = s->cap != 0 ? s->chains[chain_of(s, id)] : NULL;
    while (b != NULL && !(b->scope == scope && id_eq(b->id, id)))
        b = b->next;
    return b;
}

static void shard_grow(struct shard *s)
{
    struct limits_bucket **old = s->chains;
    size_t old_cap = s->cap;
    s->cap = old_cap != 0 ? old_cap * 2 : CHAINS_FIRST;
    s->chains = mem_array(s->cap, sizeof(struct limits_bucket *));
    for (size_t i = 0; i < old_cap; i++)
        while (old[i] != NULL) {
            struct limits_bucket *b = old[i];
            old[i] = b->next;
            b->next = s->chains[chain_of(s, b->id)];
            s->chains[chain_of(s, b->id)] = b;
        }
    mem_free(old);
}

/* A few chains further on each time: buckets that nobody has touched for two days go. */
static void shard_sweep(struct shard *s, int64_t now_us)
{
    for (size_t i = 0; i < SWEEP_CHAINS && s->cap != 0; i++) {
        struct limits_bucket **at = &s->chains[s->hand++ & (s->cap - 1)];
        while (*at != NULL) {
            struct limits_bucket *b = *at;
            if (b->pinned || b->inflight != 0 || now_us - b->touched_us < IDLE_US) {
                at = &b->next;
                continue;
            }
            *at = b->next;
            limits_bucket_free(b);
            s->n--;
        }
    }
}

static struct limits_bucket *bucket_make(struct shard *s, enum limits_scope scope, struct id id,
                                         int64_t now_us)
{
    shard_sweep(s, now_us);
    if (s->n >= s->cap)
        shard_grow(s);
    struct limits_bucket *b = mem_zalloc(sizeof(*b));
    b->id = id;
    b->scope = scope;
    b->own = LIMITS_UNSET;
    b->touched_us = now_us;
    b->next = s->chains[chain_of(s, id)];
    s->chains[chain_of(s, id)] = b;
    s->n++;
    return b;
}

/* ---- taking ---- */

/* The subjects of a call that some limit may apply to, and their shards. */
struct party {
    struct limits_bucket *bucket[LIMITS_SUBJECTS];
    unsigned shard[LIMITS_SUBJECTS]; /* ascending, each once */
    unsigned shards_n;
};

static bool may_apply(struct limits *l, unsigned scope, struct id id)
{
    return !id_is_zero(id) && (atomic_load_explicit(&l->default_on[scope], memory_order_relaxed) ||
                               atomic_load_explicit(&l->own[scope], memory_order_relaxed) != 0);
}

static void party_lock(struct limits *l, struct party *p, const struct id *subject)
{
    for (unsigned scope = LIMITS_TEAM; scope < LIMITS_SUBJECTS; scope++) {
        if (!may_apply(l, scope, subject[scope]))
            continue;
        unsigned shard = (unsigned)(shard_of(l, subject[scope]) - l->shards), i = p->shards_n;
        while (i > 0 && p->shard[i - 1] > shard)
            i--;
        if (i > 0 && p->shard[i - 1] == shard)
            continue;
        for (unsigned k = p->shards_n++; k > i; k--)
            p->shard[k] = p->shard[k - 1];
        p->shard[i] = shard;
    }
    for (unsigned i = 0; i < p->shards_n; i++)
        pthread_mutex_lock(&l->shards[p->shard[i]].lock);
}

static void party_unlock(struct limits *l, const struct party *p)
{
    for (unsigned i = p->shards_n; i-- > 0;)
        pthread_mutex_unlock(&l->shards[p->shard[i]].lock);
}

static void party_find(struct limits *l, struct party *p, const struct id *subject,
                       enum limits_tier tier, int64_t now_us)
{
    struct limits_raise plan = {0, 0};
    for (unsigned scope = LIMITS_TEAM; scope < LIMITS_SUBJECTS; scope++) {
        if (!may_apply(l, scope, subject[scope]))
            continue;
        struct shard *s = shard_of(l, subject[scope]);
        bool locked = false;
        for (unsigned i = 0; i < p->shards_n; i++)
            locked |= &l->shards[p->shard[i]] == s;
        if (!locked)
            continue; /* its rule came this very moment: the next call sees it */
        struct limits_bucket *b = bucket_find(s, (enum limits_scope)scope, subject[scope]);
        if (b == NULL && atomic_load_explicit(&l->default_on[scope], memory_order_relaxed))
            b = bucket_make(s, (enum limits_scope)scope, subject[scope], now_us);
        if (b == NULL)
            continue;
        if (scope == LIMITS_TEAM)
            plan = b->plan; /* (its members come after it) */
        if (scope == LIMITS_USER)
            tier_set(l, b, tier, plan, now_us);
        else
            refresh(l, b);
        b->touched_us = now_us; /* also keeps it from being swept by the next one's making */
        if (limits_rate_is_on(&b->rate))
            p->bucket[scope] = b;
    }
}

/* Does the call fit into the bucket at all, were it empty? */
static bool fits(const struct limits_bucket *b, int64_t tokens, struct limits_denial *denial)
{
    static const char *const names[LIMITS_SCOPE__COUNT] = {"global", "team", "user", "key"};
    if (b->rate.tok_step == 0 || tokens <= b->rate.rule.tpm)
        return true;
    *denial = (struct limits_denial){"tokens per minute", names[b->scope], b->rate.rule.tpm, 0};
    return false;
}

static enum err check_one(struct limits_bucket *b, int64_t tokens, int64_t now_us,
                          struct limits_denial *denial)
{
    if (!fits(b, tokens, denial))
        return ERR_VALIDATION_FAILED;
    return limits_bucket_check(b, tokens, now_us, denial) ? OK : ERR_RATE_LIMITED;
}

static enum err party_check(const struct party *p, int64_t tokens, int64_t now_us,
                            struct limits_denial *denial)
{
    enum err e = OK;
    for (unsigned i = LIMITS_TEAM; i < LIMITS_SUBJECTS && e != ERR_VALIDATION_FAILED; i++) {
        enum err one = p->bucket[i] != NULL ? check_one(p->bucket[i], tokens, now_us, denial) : OK;
        e = one != OK ? one : e;
    }
    return e;
}

static struct limits_rate global_rate(struct limits *l)
{
    struct limits_rate r = {
        .req_step = atomic_load_explicit(&l->global_step, memory_order_relaxed)};
    r.req_room = atomic_load_explicit(&l->global_room, memory_order_relaxed);
    r.rule.rpm = atomic_load_explicit(&l->global_rpm, memory_order_relaxed);
    r.rule.burst = atomic_load_explicit(&l->global_burst, memory_order_relaxed);
    return r;
}

/* The last check, which takes when `before` is OK and it passes itself. */
static enum err global_take(struct limits *l, enum err before, int64_t tokens, int64_t now_us,
                            struct limits_taken *taken, struct limits_view *view,
                            struct limits_denial *denial)
{
    if (!atomic_load_explicit(&l->global_on, memory_order_relaxed))
        return before;
    if (atomic_load_explicit(&l->global_simple, memory_order_relaxed)) {
        struct limits_rate rate = global_rate(l);
        if (rate.req_step != 0 && before == OK &&
            !limits_bucket_take_request(&l->global, &rate, now_us, taken, LIMITS_GLOBAL, denial))
            before = ERR_RATE_LIMITED;
        limits_bucket_view_requests(&l->global, &rate, now_us, view);
        return before;
    }
    pthread_mutex_lock(&l->global_lock);
    refresh(l, &l->global);
    if (before != ERR_VALIDATION_FAILED) {
        enum err e = check_one(&l->global, tokens, now_us, denial);
        before = e != OK ? e : before;
        if (before == OK)
            limits_bucket_take(&l->global, tokens, now_us, taken, LIMITS_GLOBAL);
    }
    limits_bucket_view(&l->global, now_us, view);
    pthread_mutex_unlock(&l->global_lock);
    return before;
}

enum err limits_take(struct limits *l, struct id team, struct id user, struct id key,
                     enum limits_tier tier, int64_t tokens, int64_t mono_us,
                     struct limits_taken *ret_taken, struct limits_view *ret_view,
                     struct limits_denial *ret_denial)
{
    must(tokens >= 0 && mono_us >= 0);
    struct limits_taken taken = {.tokens = tokens, .at_us = mono_us};
    taken.subject[LIMITS_TEAM] = team;
    taken.subject[LIMITS_USER] = user;
    taken.subject[LIMITS_KEY] = key;
    struct limits_view view = {-1, -1, 0, -1, -1, 0};
    struct limits_denial denial = {0};
    struct party p = {.shards_n = 0};
    party_lock(l, &p, taken.subject);
    party_find(l, &p, taken.subject, tier, mono_us);
    enum err e = party_check(&p, tokens, mono_us, &denial);
    e = global_take(l, e, tokens, mono_us, &taken, &view, &denial);
    for (unsigned i = LIMITS_TEAM; i < LIMITS_SUBJECTS; i++) {
        if (p.bucket[i] == NULL)
            continue;
        if (e == OK)
            limits_bucket_take(p.bucket[i], tokens, mono_us, &taken, i);
        limits_bucket_view(p.bucket[i], mono_us, &view);
    }
    party_unlock(l, &p);
    *ret_view = view;
    if (e == OK)
        *ret_taken = taken;
    else
        *ret_denial = denial;
    return e;
}

/* ---- giving back ---- */

static void end_one(struct limits_bucket *b, const struct limits_taken *taken, unsigned i,
                    bool release, int64_t tokens_used, int64_t mono_us)
{
    if (release)
        limits_bucket_release(b, taken, i, mono_us);
    else
        limits_bucket_settle(b, taken, i, tokens_used, mono_us);
}

static void end_global(struct limits *l, const struct limits_taken *taken, bool release,
                       int64_t tokens_used, int64_t mono_us)
{
    if (!taken->held[LIMITS_GLOBAL] || (!release && !taken->placed[LIMITS_GLOBAL]))
        return;
    pthread_mutex_lock(&l->global_lock);
    refresh(l, &l->global);
    end_one(&l->global, taken, LIMITS_GLOBAL, release, tokens_used, mono_us);
    pthread_mutex_unlock(&l->global_lock);
}

static void end_all(struct limits *l, struct limits_taken *taken, bool release, int64_t tokens_used,
                    int64_t mono_us)
{
    for (unsigned i = LIMITS_TEAM; i < LIMITS_SUBJECTS; i++) {
        if (!taken->held[i])
            continue;
        struct shard *s = shard_of(l, taken->subject[i]);
        pthread_mutex_lock(&s->lock);
        /* It cannot have gone: one that has calls under way stays. */
        struct limits_bucket *b = bucket_find(s, (enum limits_scope)i, taken->subject[i]);
        must(b != NULL);
        refresh(l, b);
        end_one(b, taken, i, release, tokens_used, mono_us);
        pthread_mutex_unlock(&s->lock);
    }
    end_global(l, taken, release, tokens_used, mono_us);
    *taken = (struct limits_taken){.tokens = 0};
}

void limits_settle(struct limits *limits, struct limits_taken *taken, int64_t tokens_used,
                   int64_t mono_us)
{
    must(tokens_used >= 0);
    end_all(limits, taken, false, tokens_used, mono_us);
}

void limits_release(struct limits *limits, struct limits_taken *taken, int64_t mono_us)
{
    end_all(limits, taken, true, 0, mono_us);
}

/* ---- rules ---- */

static struct limits_rule own_rule(struct limits *l, enum limits_scope scope, struct id subject)
{
    struct limits_rule own = LIMITS_UNSET;
    if (scope == LIMITS_GLOBAL) {
        pthread_mutex_lock(&l->global_lock);
        own = l->global.own;
        pthread_mutex_unlock(&l->global_lock);
        return own;
    }
    struct shard *s = shard_of(l, subject);
    pthread_mutex_lock(&s->lock);
    struct limits_bucket *b = bucket_find(s, scope, subject);
    if (b != NULL)
        own = b->own;
    pthread_mutex_unlock(&s->lock);
    return own;
}

void limits_get(struct limits *l, enum limits_scope scope, struct id subject,
                struct limits_rule *ret_rule)
{
    struct limits_rule own = own_rule(l, scope, subject);
    struct limits_rate rate;
    pthread_mutex_lock(&l->defaults_lock);
    limits_rate_make(&own, &l->defaults[scope], &rate);
    pthread_mutex_unlock(&l->defaults_lock);
    *ret_rule = rate.rule;
}

int64_t limits_max_tokens(struct limits *l, struct id team, struct id user, struct id key)
{
    if (!atomic_load_explicit(&l->default_max, memory_order_relaxed) &&
        atomic_load_explicit(&l->own_max, memory_order_relaxed) == 0)
        return 0;
    const struct id subject[LIMITS_SUBJECTS] = {{{0}}, team, user, key};
    int64_t least = 0;
    for (unsigned s = 0; s < LIMITS_SCOPE__COUNT; s++) {
        struct limits_rule rule;
        limits_get(l, (enum limits_scope)s, subject[s], &rule);
        if (rule.max_tokens > 0 && (least == 0 || rule.max_tokens < least))
            least = rule.max_tokens;
    }
    return least;
}

/* After a change of its own rule, or of its plan. */
static void pin(struct limits *l, struct limits_bucket *b)
{
    bool team = b->scope == LIMITS_TEAM;
    bool pinned = !limits_rule_is_unset(&b->own) || (team && b->plan.rpm > 0);
    atomic_fetch_add(&l->own[b->scope], (int64_t)pinned - (int64_t)b->pinned);
    b->pinned = pinned;
    b->generation = 0;
}

/* The subject's own rule from now on. */
static void rule_apply(struct limits *l, enum limits_scope scope, struct id subject,
                       const struct limits_rule *rule)
{
    struct shard *s = scope == LIMITS_GLOBAL ? NULL : shard_of(l, subject);
    pthread_mutex_t *lock = s == NULL ? &l->global_lock : &s->lock;
    pthread_mutex_lock(lock);
    struct limits_bucket *b = s == NULL ? &l->global : bucket_find(s, scope, subject);
    if (b == NULL && !limits_rule_is_unset(rule))
        b = bucket_make(s, scope, subject, 0);
    if (b != NULL) {
        atomic_fetch_add(&l->own_max,
                         (int64_t)(rule->max_tokens > 0) - (int64_t)(b->own.max_tokens > 0));
        b->own = *rule;
        pin(l, b);
    }
    if (s == NULL)
        global_renew(l);
    pthread_mutex_unlock(lock);
}

static void plan_apply(struct limits *l, struct id team, struct limits_raise plan)
{
    struct shard *s = shard_of(l, team);
    pthread_mutex_lock(&s->lock);
    struct limits_bucket *b = bucket_find(s, LIMITS_TEAM, team);
    if (b == NULL && plan.rpm > 0)
        b = bucket_make(s, LIMITS_TEAM, team, 0);
    if (b != NULL) {
        b->plan = plan;
        pin(l, b);
    }
    pthread_mutex_unlock(&s->lock);
}

struct set {
    struct limits *limits;
    enum limits_scope scope;
    struct id subject;
    struct limits_rule rule;
};

static void set_end(void *arg, bool committed)
{
    struct set *set = arg;
    if (committed)
        rule_apply(set->limits, set->scope, set->subject, &set->rule);
    mem_free(set);
}

static const char *const prefixes[LIMITS_SCOPE__COUNT] = {"", "team_", "usr_", "key_"};

static struct str subject_text(enum limits_scope scope, struct id id, char text[ID_TEXT_MAX])
{
    return scope == LIMITS_GLOBAL ? STR("") : id_text(prefixes[scope], id, text);
}

static struct limits_rule rule_of_row(const struct store_query *q, int column)
{
    return (struct limits_rule){.rpm = store_i64(q, column),
                                .burst = store_i64(q, column + 1),
                                .per_hour = store_i64(q, column + 2),
                                .per_day = store_i64(q, column + 3),
                                .tpm = store_i64(q, column + 4),
                                .concurrency = store_i64(q, column + 5),
                                .max_tokens = store_i64(q, column + 6)};
}

/* What the store has for the subject, as this transaction sees it. */
static enum err read_rule(struct store_conn *conn, enum limits_scope scope, struct str subject,
                          struct limits_rule *ret_rule)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_LIMITS_RULE_GET, &q, "it", (int64_t)scope, subject);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_rule = rule_of_row(q, 0);
    if (e == ERR_END) {
        *ret_rule = LIMITS_UNSET;
        e = OK;
    }
    store_finish(&q);
    return e;
}

static void merge(int64_t *into, int64_t value)
{
    if (value >= 0)
        *into = value;
}

static struct limits_rule merged(struct limits_rule into, const struct limits_rule *rule)
{
    merge(&into.rpm, rule->rpm);
    merge(&into.burst, rule->burst);
    merge(&into.per_hour, rule->per_hour);
    merge(&into.per_day, rule->per_day);
    merge(&into.tpm, rule->tpm);
    merge(&into.concurrency, rule->concurrency);
    merge(&into.max_tokens, rule->max_tokens);
    return limits_rule_is_unset(rule) ? LIMITS_UNSET : into;
}

enum err limits_set_in(struct limits *l, struct store_conn *conn, enum limits_scope scope,
                       struct id subject, const struct limits_rule *rule, int64_t wall_us)
{
    if (limits_rule_fault(rule) != NULL || (scope == LIMITS_GLOBAL) != id_is_zero(subject))
        return ERR_VALIDATION_FAILED;
    char text[ID_TEXT_MAX];
    struct str s = subject_text(scope, subject, text);
    struct limits_rule r;
    enum err e = read_rule(conn, scope, s, &r);
    if (e != OK)
        return e;
    r = merged(r, rule);
    if (limits_rule_fault(&r) != NULL)
        return ERR_VALIDATION_FAILED;
    struct set *set = mem_zalloc(sizeof(*set));
    *set = (struct set){l, scope, subject, r};
    store_on_end(conn, set_end, set);
    if (limits_rule_is_unset(&r))
        return store_run(conn, SQL_LIMITS_RULE_DELETE, NULL, "it", (int64_t)scope, s);
    return store_run(conn, SQL_LIMITS_RULE_PUT, NULL, "itiiiiiiii", (int64_t)scope, s, r.rpm,
                     r.burst, r.per_hour, r.per_day, r.tpm, r.concurrency, r.max_tokens, wall_us);
}

struct plan_set {
    struct limits *limits;
    struct id team;
    struct limits_raise plan;
};

static void plan_set_end(void *arg, bool committed)
{
    struct plan_set *set = arg;
    if (committed)
        plan_apply(set->limits, set->team, set->plan);
    mem_free(set);
}

enum err limits_plan_set_in(struct limits *l, struct store_conn *conn, struct id team,
                            struct limits_raise raise, int64_t wall_us)
{
    char text[ID_TEXT_MAX];
    struct str t = subject_text(LIMITS_TEAM, team, text);
    int64_t none = -1;
    if (raise.rpm < 0 || raise.burst < 0)
        return ERR_VALIDATION_FAILED;
    struct plan_set *set = mem_zalloc(sizeof(*set));
    *set = (struct plan_set){l, team, raise};
    store_on_end(conn, plan_set_end, set);
    if (raise.rpm == 0)
        return store_run(conn, SQL_LIMITS_RULE_DELETE, NULL, "it", (int64_t)PLAN_ROWS, t);
    return store_run(conn, SQL_LIMITS_RULE_PUT, NULL, "itiiiiiiii", (int64_t)PLAN_ROWS, t,
                     raise.rpm, raise.burst, none, none, none, none, none, wall_us);
}

static enum err read_rules(struct limits *l, struct store_conn *conn)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_LIMITS_RULES, &q, "");
    while (e == OK && (e = store_step(q)) == OK) {
        int64_t scope = store_i64(q, 0);
        struct id subject = {{0}};
        if (scope == PLAN_ROWS && id_parse("team_", store_str(q, 1), &subject)) {
            plan_apply(l, subject, (struct limits_raise){store_i64(q, 2), store_i64(q, 3)});
            continue;
        }
        if (scope < 0 || scope >= LIMITS_SCOPE__COUNT ||
            (scope != LIMITS_GLOBAL && !id_parse(prefixes[scope], store_str(q, 1), &subject))) {
            e = ERR_CORRUPT;
            break;
        }
        struct limits_rule rule = rule_of_row(q, 2);
        rule_apply(l, (enum limits_scope)scope, subject, &rule);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

enum err limits_new(struct store *store, const struct limits_options *options,
                    struct limits **ret_limits)
{
    struct limits *l = mem_zalloc(sizeof(*l));
    must(pthread_mutex_init(&l->defaults_lock, NULL) == 0);
    must(pthread_mutex_init(&l->global_lock, NULL) == 0);
    l->block = mem_zalloc(SHARDS * sizeof(struct shard) + 63);
    l->shards = (struct shard *)(((uintptr_t)l->block + 63) & ~(uintptr_t)63);
    for (size_t i = 0; i < SHARDS; i++)
        must(pthread_mutex_init(&l->shards[i].lock, NULL) == 0);
    l->global.scope = LIMITS_GLOBAL;
    l->global.own = LIMITS_UNSET;
    limits_set_defaults(l, options);
    struct store_conn *conn = NULL;
    enum err e = store_reader_begin(store, &conn);
    if (e == OK) {
        e = read_rules(l, conn);
        store_reader_end(&conn);
    }
    if (e == OK)
        *ret_limits = l;
    else
        limits_free(&l);
    return e;
}

void limits_free(struct limits **limits)
{
    struct limits *l = *limits;
    if (l == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &l->shards[i];
        for (size_t k = 0; k < s->cap; k++)
            while (s->chains[k] != NULL) {
                struct limits_bucket *b = s->chains[k];
                s->chains[k] = b->next;
                limits_bucket_free(b);
            }
        mem_free(s->chains);
        pthread_mutex_destroy(&s->lock);
    }
    mem_free(l->global.hour);
    mem_free(l->global.day);
    mem_free(l->block);
    pthread_mutex_destroy(&l->global_lock);
    pthread_mutex_destroy(&l->defaults_lock);
    mem_free(l);
    *limits = NULL;
}

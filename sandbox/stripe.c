/* Stripe's API: who may, what was asked before, and which object it is about. */
#include "sandbox/stripe.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "codec/url.h"
#include "sandbox/stripe_board.h"
#include "sandbox/stripe_room.h"
#include "sandbox/text.h"

#include <stdarg.h>
#include <stdio.h>

/* ---------------------------------------------------------------- forms */

static bool decode(struct str s, struct arena *a, struct str *ret)
{
    struct buf b;
    buf_init(&b, 65536);
    bool ok = url_decode(s, true, &b) == OK;
    if (ok)
        *ret = arena_dup(a, buf_str(&b));
    buf_fini(&b);
    return ok;
}

void stripe_form_read(struct str text, struct arena *a, struct stripe_form *f)
{
    struct str name, value;
    f->arena = a;
    f->n = 0;
    while (f->n < sizeof(f->pairs) / sizeof(f->pairs[0]) && url_query_next(&text, &name, &value))
        if (decode(name, a, &f->pairs[f->n].name) && decode(value, a, &f->pairs[f->n].value))
            f->n++;
}

bool form_has(const struct stripe_form *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_eq(f->pairs[i].name, str_c(name)))
            return true;
    return false;
}

struct str form_get(const struct stripe_form *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_eq(f->pairs[i].name, str_c(name)))
            return f->pairs[i].value;
    return STR("");
}

int64_t form_i64(const struct stripe_form *f, const char *name, int64_t otherwise)
{
    uint64_t n;
    return str_to_u64(form_get(f, name), INT64_MAX, &n) ? (int64_t)n : otherwise;
}

struct str form_metadata(const struct stripe_form *f, const char *prefix)
{
    struct buf b;
    struct str head = str_c(prefix);
    char name[64];
    buf_init(&b, 65536);
    buf_byte(&b, '{');
    for (size_t i = 0; i < f->n; i++) {
        struct str n = f->pairs[i].name;
        if (!str_starts(n, head) || n.n < head.n + 3 || n.p[head.n] != '[')
            continue;
        snprintf(name, sizeof(name), "%.*s",
                 STR_ARG(str_upto(str_from(n, head.n + 1), n.n - head.n - 2)));
        buf_json_member(&b, name, f->pairs[i].value);
    }
    buf_byte(&b, '}');
    struct str kept = stripe_keep(buf_str(&b));
    buf_fini(&b);
    return kept;
}

/* ---------------------------------------------------------------- objects */

/* For ever, and found from here: what is overwritten may still be read by a delivery. */
static struct kept {
    struct kept *next;
    char text[];
} * kept;

struct str stripe_keep(struct str s)
{
    struct kept *k = mem_alloc(sizeof(*k) + s.n + 1);
    k->next = kept;
    kept = k;
    memcpy(k->text, s.p != NULL ? s.p : "", s.n);
    k->text[s.n] = '\0';
    return str_of(k->text, s.n);
}

uint64_t stripe_draw(struct stripe *s, uint64_t below)
{
    return below == 0 ? 0 : sandbox_mix(s->seed + ++s->draws) % below;
}

struct stripe_object *stripe_add(struct stripe *s, enum stripe_kind kind, const char *prefix,
                                 int64_t now)
{
    must(s->n < STRIPE_OBJECTS_MAX);
    struct stripe_object *o = mem_zalloc(sizeof(*o));
    o->kind = kind;
    o->created = now;
    o->status = o->payment_status = o->reason = "";
    o->metadata = o->inner_metadata = STR("{}");
    o->currency = STR("usd");
    s->numbers++;
    /* Not of the seed alone: a house that outlives the sandbox has seen the first ones. */
    snprintf(o->id, sizeof(o->id), "%s%08llx%012llx", prefix, (unsigned long long)s->numbers,
             (unsigned long long)(sandbox_mix(s->seed ^ s->numbers ^ (uint64_t)now) >> 16));
    s->objects[s->n++] = o;
    return o;
}

struct stripe_object *stripe_find(struct stripe *s, enum stripe_kind kind, struct str id)
{
    for (size_t i = s->n; i > 0; i--) {
        struct stripe_object *o = s->objects[i - 1];
        if (o->kind == kind && str_eq(str_c(o->id), id))
            return kind == STRIPE_CUSTOMER && o->deleted ? NULL : o;
    }
    return NULL;
}

void stripe_fail(struct stripe_call *c, int status, const char *code, const char *message)
{
    buf_reset(c->out);
    buf_add(c->out, STR("{\"error\":{\"type\":\"invalid_request_error\""));
    buf_json_member(c->out, "code", str_c(code));
    buf_json_member(c->out, "message", str_c(message));
    if (str_starts(str_c(message), STR("No such ")))
        buf_json_member(c->out, "param", str_from(str_c(message), 8));
    buf_add(c->out, STR("}}"));
    c->status = status;
}

/* ---------------------------------------------------------------- calls */

static const struct collection {
    const char *path;
    enum stripe_kind kind;
} collections[] = {
    {"customers", STRIPE_CUSTOMER},
    {"payment_intents", STRIPE_INTENT},
    {"refunds", STRIPE_REFUND},
    {"disputes", STRIPE_DISPUTE},
    {"products", STRIPE_PRODUCT},
    {"prices", STRIPE_PRICE},
    {"subscriptions", STRIPE_SUBSCRIPTION},
    {"invoices", STRIPE_INVOICE},
    {"coupons", STRIPE_COUPON},
    {"events", STRIPE_EVENT},
};

static bool path_is(const struct stripe_call *c, size_t i, const char *word)
{
    return i < c->path_n && str_eq(c->path[i], str_c(word));
}

static bool is_listed(const struct stripe_call *c, const struct stripe_object *o,
                      enum stripe_kind kind)
{
    struct str customer = form_get(&c->form, "customer");
    struct str intent = form_get(&c->form, "payment_intent");
    struct str subscription = form_get(&c->form, "subscription");
    if (o->kind != kind || o->deleted || o->created < form_i64(&c->form, "created[gte]", 0))
        return false;
    if (customer.n != 0 && (o->customer == NULL || !str_eq(customer, str_c(o->customer->id))))
        return false;
    if (subscription.n != 0 &&
        (o->subscription == NULL || !str_eq(subscription, str_c(o->subscription->id))))
        return false;
    return intent.n == 0 || (o->intent != NULL && str_eq(intent, str_c(o->intent->id)));
}

/* The newest first. */
static void list(struct stripe_call *c, const struct collection *l)
{
    struct stripe *s = c->stripe;
    struct str after = form_get(&c->form, "starting_after");
    int64_t limit = form_i64(&c->form, "limit", 10);
    bool begun = after.n == 0, more = false;
    buf_printf(c->out, "{\"object\":\"list\",\"url\":\"/v1/%s\",\"data\":[", l->path);
    for (size_t i = s->n; i > 0 && !more; i--) {
        const struct stripe_object *o = s->objects[i - 1];
        if (!begun) {
            begun = str_eq(after, str_c(o->id));
            continue;
        }
        if (!is_listed(c, o, l->kind))
            continue;
        more = limit-- == 0;
        if (more)
            break;
        buf_json_comma(c->out);
        stripe_show(o, c->out);
    }
    buf_add(c->out, STR("]"));
    buf_json_bool(c->out, "has_more", more);
    buf_byte(c->out, '}');
}

static void customer_make(struct stripe_call *c)
{
    struct stripe_object *o = stripe_add(c->stripe, STRIPE_CUSTOMER, "cus_", c->now);
    struct str clock = form_get(&c->form, "test_clock");
    o->email = stripe_keep(form_get(&c->form, "email"));
    o->name = stripe_keep(form_get(&c->form, "name"));
    o->metadata = form_metadata(&c->form, "metadata");
    if (clock.n != 0)
        o->clock = stripe_find(c->stripe, STRIPE_CLOCK, clock);
    stripe_show(o, c->out);
    stripe_event(c->stripe, "customer.created", o, c->now);
}

/* Calls under customers/{id}: nothing of who was deleted, and his end. */
static bool customer_is_over(struct stripe_call *c)
{
    bool del = strcmp(c->method, "DELETE") == 0;
    if (!path_is(c, 0, "customers") || c->path_n < 2)
        return false;
    struct stripe_object *o = stripe_find(c->stripe, STRIPE_CUSTOMER, c->path[1]);
    if (o == NULL) {
        stripe_fail(c, 404, "resource_missing", "No such customer");
        return true;
    }
    if (!del || c->path_n != 2)
        return false;
    stripe_event(c->stripe, "customer.deleted", o, c->now);
    o->deleted = true;
    buf_add(c->out, STR("{\"object\":\"customer\",\"deleted\":true"));
    buf_json_member(c->out, "id", str_c(o->id));
    buf_byte(c->out, '}');
    return true;
}

static bool charges_get(struct stripe_call *c)
{
    char id[64];
    if (!path_is(c, 0, "charges") || c->path_n != 2)
        return false;
    snprintf(id, sizeof(id), "pi_%.*s", STR_ARG(str_upto(str_from(c->path[1], 3), 50)));
    struct stripe_object *o = stripe_find(c->stripe, STRIPE_INTENT, str_c(id));
    if (o == NULL)
        stripe_fail(c, 404, "resource_missing", "No such charge");
    else
        stripe_show_charge(o, c->out);
    return true;
}

static bool sessions(struct stripe_call *c)
{
    struct stripe_object *o;
    if (!path_is(c, 0, "checkout") || !path_is(c, 1, "sessions"))
        return false;
    if (c->path_n == 2 && strcmp(c->method, "POST") == 0) {
        stripe_session_make(c);
        return true;
    }
    o = c->path_n >= 3 ? stripe_find(c->stripe, STRIPE_SESSION, c->path[2]) : NULL;
    if (o == NULL) {
        stripe_fail(c, 404, "resource_missing", "No such checkout.session");
        return true;
    }
    if (path_is(c, 3, "expire"))
        (void)stripe_session_end(c->stripe, o, STR("close"), c->now);
    stripe_show(o, c->out);
    return true;
}

static bool read_object(struct stripe_call *c)
{
    for (size_t i = 0; i < sizeof(collections) / sizeof(collections[0]); i++) {
        const struct collection *l = &collections[i];
        if (!path_is(c, 0, l->path))
            continue;
        if (c->path_n == 1) {
            list(c, l);
            return true;
        }
        struct stripe_object *o = stripe_find(c->stripe, l->kind, c->path[1]);
        if (o == NULL)
            stripe_fail(c, 404, "resource_missing", "No such object");
        else if (form_has(&c->form, "expand[]"))
            stripe_show_expanded(o, c->out);
        else
            stripe_show(o, c->out);
        return true;
    }
    return false;
}

static void dispatch(struct stripe_call *c)
{
    bool get = strcmp(c->method, "GET") == 0, post = strcmp(c->method, "POST") == 0;
    if (sessions(c) || customer_is_over(c) || (get && charges_get(c)) ||
        (get && c->path_n <= 2 && read_object(c)))
        return;
    if (post && c->path_n == 1 && path_is(c, 0, "customers"))
        customer_make(c);
    else if (post && c->path_n == 1 && path_is(c, 0, "payment_intents"))
        stripe_intent_make(c);
    else if (post && c->path_n == 1 && path_is(c, 0, "refunds"))
        stripe_refund_make(c);
    else
        stripe_plan_call(c);
}

/* ---------------------------------------------------------------- once */

static struct stripe_idempotency *key_find(struct stripe *s, struct str key)
{
    for (size_t i = s->keys_n; i > 0; i--)
        if (str_eq(str_c(s->keys[i - 1].key), key))
            return &s->keys[i - 1];
    return NULL;
}

static void key_keep(struct stripe *s, struct str key, uint64_t hash, const struct stripe_call *c)
{
    if (key.n == 0 || key.n > 255 || s->keys_n == STRIPE_KEYS_MAX)
        return;
    struct stripe_idempotency *k = &s->keys[s->keys_n++];
    snprintf(k->key, sizeof(k->key), "%.*s", STR_ARG(key));
    k->hash = hash;
    k->status = c->status;
    k->body = stripe_keep(buf_str(c->out));
}

/* A fault that a test has asked for. Before the work nothing is kept, as with 409 and 429. */
static bool faulty(struct stripe_call *c, bool after)
{
    struct stripe *s = c->stripe;
    if (s->fail_times == 0 || s->fail_after != after)
        return false;
    s->fail_times--;
    stripe_fail(c, s->fail_status, "sandbox_fault", "A fault that was asked for.");
    return true;
}

static void once(struct stripe_call *c, const struct http_request *r)
{
    struct stripe *s = c->stripe;
    struct str key = http_request_header(r, STR("idempotency-key"));
    bool post = strcmp(c->method, "POST") == 0;
    uint64_t hash = str_hash(r->body) ^ str_hash(r->path);
    const struct stripe_idempotency *k = post && key.n != 0 ? key_find(s, key) : NULL;
    if (k != NULL && k->hash != hash) {
        stripe_fail(c, 400, "idempotency_error", "The key was used with other parameters.");
    } else if (faulty(c, false)) {
        return;
    } else if (k != NULL) {
        c->status = k->status;
        buf_add(c->out, k->body);
    } else {
        dispatch(c);
        if (post && c->status != 409 && c->status != 429)
            key_keep(s, key, hash, c);
        (void)faulty(c, true);
    }
}

static void call_read(struct stripe_call *c, const struct http_request *r, struct arena *a)
{
    struct str rest = str_from(r->path, sizeof("/stripe/v1/") - 1);
    while (rest.n != 0 && c->path_n < sizeof(c->path) / sizeof(c->path[0]))
        c->path[c->path_n++] = str_cut(&rest, '/');
    stripe_form_read(r->body.n != 0 ? r->body : r->query, a, &c->form);
    c->host = http_request_header(r, STR("host"));
    snprintf(c->stripe->host, sizeof(c->stripe->host), "%.*s", STR_ARG(c->host));
}

static enum err api(void *arg, const struct http_request *r, struct http_reply *reply,
                    const char *method)
{
    struct stripe *s = arg;
    struct str auth = http_request_header(r, STR("authorization"));
    struct stripe_call *c = arena_zalloc(reply->arena, sizeof(*c));
    c->stripe = s;
    c->method = method;
    c->out = &reply->body;
    c->now = clock_wall_us() / US_PER_S;
    c->status = 200;
    if (!str_starts(auth, STR("Bearer sk_")) && !str_starts(auth, STR("Bearer rk_"))) {
        stripe_fail(c, 401, "api_key_invalid", "Invalid API Key provided");
    } else {
        must(pthread_mutex_lock(&s->lock) == 0);
        call_read(c, r, reply->arena);
        once(c, r);
        must(pthread_mutex_unlock(&s->lock) == 0);
    }
    buf_add(&reply->headers, STR("Request-Id: req_sandbox\r\n"));
    reply->status = c->status;
    return OK;
}

static enum err api_get(void *arg, const struct http_request *r, struct http_reply *reply)
{
    return api(arg, r, reply, "GET");
}

static enum err api_post(void *arg, const struct http_request *r, struct http_reply *reply)
{
    return api(arg, r, reply, "POST");
}

static enum err api_delete(void *arg, const struct http_request *r, struct http_reply *reply)
{
    return api(arg, r, reply, "DELETE");
}

struct stripe *sandbox_stripe_new(const struct sandbox_stripe_options *options)
{
    struct stripe *s = mem_zalloc(sizeof(*s));
    must(pthread_mutex_init(&s->lock, NULL) == 0);
    must(pthread_cond_init(&s->wake, NULL) == 0);
    s->seed = sandbox_mix(options->seed ^ 0x737472697065);
    s->webhook = stripe_keep(options->webhook);
    s->secret = stripe_keep(options->secret);
    s->objects = mem_array(STRIPE_OBJECTS_MAX, sizeof(struct stripe_object *));
    s->keys = mem_array(STRIPE_KEYS_MAX, sizeof(*s->keys));
    s->queue = mem_array(STRIPE_QUEUE_MAX, sizeof(*s->queue));
    stripe_events_start(s);
    return s;
}

size_t sandbox_stripe_routes(struct stripe *s, struct http_route *routes, size_t n, size_t max)
{
    static const struct {
        const char *method, *path;
        enum err (*slow)(void *arg, const struct http_request *r, struct http_reply *reply);
    } table[] = {
        {"GET", "/stripe/v1/{path*}", api_get},
        {"POST", "/stripe/v1/{path*}", api_post},
        {"DELETE", "/stripe/v1/{path*}", api_delete},
        {"GET", "/stripe/checkout/{id}", stripe_page},
        {"POST", "/stripe/checkout/{id}/{how}", stripe_page_post},
        {"GET", "/stripe/portal/{id}", stripe_portal},
        {"POST", "/stripe/portal/{id}/{how}", stripe_portal_post},
        {"GET", "/stripe/invoice/{id}", stripe_invoice},
        {"POST", "/stripe/invoice/{id}/{how}", stripe_invoice_post},
        {"GET", "/stripe", stripe_board},
        {"POST", "/stripe/do/{what}/{id}", stripe_board_post},
        {"GET", "/sandbox/stripe", stripe_state},
        {"POST", "/sandbox/stripe/{what}", stripe_control},
        {"POST", "/sandbox/stripe/{what}/{id}", stripe_control},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        must(n < max);
        routes[n++] = (struct http_route){.method = table[i].method,
                                          .path = table[i].path,
                                          .lane = HTTP_SLOW,
                                          .body_bytes_max = 1 << 20,
                                          .slow = table[i].slow,
                                          .arg = s};
    }
    return n;
}

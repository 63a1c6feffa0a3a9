/* Usage lines and their hourly sums, written behind the ledger's journal in its own transactions.
 */
#include "base/mem.h"
#include "gateway/steps.h"

#define SLOTS 8192
#define TEXT_BYTES (1u << 20)

/* Sums of one team, key, model and hour that are not written yet. */
struct sum {
    struct id team, key;
    struct str model;
    int64_t hour, requests, failed, input, output, cache_read;
    struct nano charge, cost;
    bool used;
};

struct rollup {
    struct sum slot[SLOTS];
    uint16_t used[SLOTS]; /* the slots in use; the table is too large to walk */
    size_t n;
    struct arena text;
    struct buf detail; /* of the line in the making */
};

struct rollup *rollup_new(void)
{
    struct rollup *r = mem_zalloc(sizeof(*r));
    arena_init(&r->text, 16u * 1024, TEXT_BYTES);
    buf_init(&r->detail, 4096);
    return r;
}

static void clear(struct rollup *r)
{
    while (r->n != 0)
        r->slot[r->used[--r->n]] = (struct sum){.used = false};
    arena_reset(&r->text);
}

void rollup_free(struct rollup **r)
{
    if (*r != NULL) {
        arena_fini(&(*r)->text);
        buf_fini(&(*r)->detail);
    }
    mem_free(*r);
    *r = NULL;
}

static struct sum *slot_of(struct rollup *r, struct id team, struct id key, struct str model,
                           int64_t hour)
{
    uint64_t h = id_hash(key) ^ str_hash(model) ^ (uint64_t)hour * 0x9E3779B97F4A7C15u;
    for (size_t i = (size_t)h % SLOTS;; i = (i + 1) % SLOTS) {
        struct sum *s = &r->slot[i];
        if (!s->used) {
            *s = (struct sum){.used = true,
                              .team = team,
                              .key = key,
                              .hour = hour,
                              .model = arena_dup(&r->text, model)};
            r->used[r->n++] = (uint16_t)i;
            return s;
        }
        if (s->hour == hour && id_eq(s->key, key) && id_eq(s->team, team) &&
            str_eq(s->model, model))
            return s;
    }
}

static enum err flush(void *gateway, struct store_conn *conn)
{
    struct rollup *r = ((struct gateway *)gateway)->rollup;
    for (size_t i = 0; i < r->n; i++) {
        const struct sum *s = &r->slot[r->used[i]];
        int64_t day = s->hour / 24;
        store_put(conn, SQL_USAGE_HOUR_ADD, "bibtiiiiinn", id_bytes(&s->team), s->hour,
                  id_bytes(&s->key), s->model, s->requests, s->failed, s->input, s->output,
                  s->cache_read, s->charge, s->cost);
        store_put(conn, SQL_USAGE_DAY_ADD, "bibtiiiin", id_bytes(&s->team), day, id_bytes(&s->key),
                  s->model, s->requests, s->failed, s->input, s->output, s->charge);
        store_put(conn, SQL_SALES_DAY_ADD, "itiiiinn", day, s->model, s->requests, s->input,
                  s->output, s->cache_read, s->charge, s->cost);
        store_put(conn, SQL_TEAM_DAY_ADD, "ibinn", day, id_bytes(&s->team), s->requests, s->charge,
                  s->cost);
    }
    clear(r);
    return OK;
}

static void reset(void *gateway)
{
    clear(((struct gateway *)gateway)->rollup);
}

static void read_abouts(const struct ledger_outcome *o, struct about *a)
{
    *a = (struct about){0};
    about_read(a, o->hold_about);
    about_read(a, o->dispatch_about);
    if (o->kind == LEDGER_OPEN)
        about_read(a, o->checkpoint_about);
    about_read(a, o->end_about);
}

/* What no search and no sum asks for. */
static void detail(struct gateway *g, const struct ledger_outcome *o, const struct about *a)
{
    static const enum about_tag kept[] = {ABOUT_PRODUCT,   ABOUT_STREAM,     ABOUT_UPSTREAM_MODEL,
                                          ABOUT_ERROR,     ABOUT_CACHE_READ, ABOUT_CACHE_WRITE,
                                          ABOUT_REASONING, ABOUT_PRICE,      ABOUT_RULE,
                                          ABOUT_MARKUP,    ABOUT_FIRST_BYTE, ABOUT_COST_REPORTED};
    struct buf *b = &g->rollup->detail;
    buf_reset(b);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        about_put_text(b, kept[i], about_text(a, kept[i]));
    about_put_text(b, ABOUT_UPSTREAM_ID,
                   o->upstream_id.n != 0 ? o->upstream_id : about_text(a, ABOUT_UPSTREAM_ID));
    about_put_int(b, ABOUT_ATTEMPT, o->attempts);
    about_put_int(b, ABOUT_WRITTEN_OFF, o->written_off.v);
}

/* What was charged is what the wallet paid; what it could not is the house's. */
static struct nano paid(const struct ledger_outcome *o)
{
    return nano_minus(o->charge, o->written_off);
}

static void add_line(struct gateway *g, struct store_conn *conn, const struct ledger_outcome *o,
                     const struct about *a)
{
    struct id user = about_id(a, ABOUT_USER), key = about_id(a, ABOUT_KEY);
    detail(g, o, a);
    store_put(conn, SQL_USAGE_ADD, "bbbbttiiiinniiib", id_bytes(&o->wallet), id_bytes(&o->call),
              id_bytes(&user), id_bytes(&key), about_text(a, ABOUT_MODEL),
              about_text(a, ABOUT_PROVIDER), about_int(a, ABOUT_STATUS), about_int(a, ABOUT_BASIS),
              about_int(a, ABOUT_INPUT), about_int(a, ABOUT_OUTPUT), paid(o), o->cost,
              about_int(a, ABOUT_STARTED), o->ended_us, (int64_t)o->unresolved,
              buf_str(&g->rollup->detail));
}

static enum err outcome(void *gateway, struct store_conn *conn, const struct ledger_outcome *o)
{
    struct gateway *g = gateway;
    struct about a;
    if (o->attempts == 0)
        return OK; /* nothing left the house */
    read_abouts(o, &a);
    add_line(g, conn, o, &a);
    if (g->rollup->n > SLOTS / 2 || g->rollup->text.over) {
        enum err e = flush(g, conn);
        if (e != OK)
            return e;
    }
    struct sum *s = slot_of(g->rollup, o->wallet, about_id(&a, ABOUT_KEY),
                            about_text(&a, ABOUT_MODEL),
                            id_wall_ms(o->call) / 1000 * US_PER_S / US_PER_HOUR);
    s->requests++;
    s->failed += about_int(&a, ABOUT_STATUS) >= 400;
    s->input += about_int(&a, ABOUT_INPUT);
    s->output += about_int(&a, ABOUT_OUTPUT);
    s->cache_read += about_int(&a, ABOUT_CACHE_READ);
    s->charge = nano_plus(s->charge, paid(o));
    s->cost = nano_plus(s->cost, o->cost);
    return OK;
}

struct ledger_projector gateway_projector(struct gateway *g)
{
    return (struct ledger_projector){.outcome = outcome, .flush = flush, .reset = reset, .arg = g};
}

void gateway_about_json(void *gateway, const char *record, struct str about, struct buf *json)
{
    (void)gateway;
    (void)record;
    about_json(about, json);
}

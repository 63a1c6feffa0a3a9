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
    size_t n;
    struct arena text;
};

struct rollup *rollup_new(void)
{
    struct rollup *r = mem_zalloc(sizeof(*r));
    arena_init(&r->text, 16u * 1024, TEXT_BYTES);
    return r;
}

static void clear(struct rollup *r)
{
    if (r->n != 0)
        memset(r->slot, 0, sizeof(r->slot));
    r->n = 0;
    arena_reset(&r->text);
}

void rollup_free(struct rollup **r)
{
    if (*r != NULL)
        arena_fini(&(*r)->text);
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
            r->n++;
            return s;
        }
        if (s->hour == hour && id_eq(s->key, key) && id_eq(s->team, team) &&
            str_eq(s->model, model))
            return s;
    }
}

static struct str bytes_of(const struct id *id)
{
    return str_of((const char *)id->b, sizeof(id->b));
}

static enum err flush(void *gateway, struct store_conn *conn)
{
    struct rollup *r = ((struct gateway *)gateway)->rollup;
    for (size_t i = 0; i < SLOTS && r->n != 0; i++) {
        const struct sum *s = &r->slot[i];
        if (!s->used)
            continue;
        store_put(conn, SQL_USAGE_HOUR_ADD, "bibtiiiiinn", bytes_of(&s->team), s->hour,
                  bytes_of(&s->key), s->model, s->requests, s->failed, s->input, s->output,
                  s->cache_read, s->charge, s->cost);
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

static void add_line(struct store_conn *conn, const struct ledger_outcome *o, const struct about *a)
{
    struct id user = about_id(a, ABOUT_USER), key = about_id(a, ABOUT_KEY);
    store_put(conn, SQL_USAGE_ADD, "bbbbttttiiitiiiiiinnniiiiiiii", bytes_of(&o->call),
              bytes_of(&o->wallet), bytes_of(&user), bytes_of(&key), about_text(a, ABOUT_MODEL),
              about_text(a, ABOUT_PROVIDER), about_text(a, ABOUT_UPSTREAM_MODEL), o->upstream_id,
              about_int(a, ABOUT_PRODUCT), about_int(a, ABOUT_STREAM), about_int(a, ABOUT_STATUS),
              about_text(a, ABOUT_ERROR), about_int(a, ABOUT_BASIS), about_int(a, ABOUT_INPUT),
              about_int(a, ABOUT_OUTPUT), about_int(a, ABOUT_CACHE_READ),
              about_int(a, ABOUT_CACHE_WRITE), about_int(a, ABOUT_REASONING), o->charge, o->cost,
              o->written_off, about_int(a, ABOUT_PRICE), about_int(a, ABOUT_RULE),
              about_int(a, ABOUT_MARKUP), (int64_t)o->attempts, about_int(a, ABOUT_STARTED),
              about_int(a, ABOUT_FIRST_BYTE), o->ended_us, (int64_t)o->unresolved);
}

static enum err outcome(void *gateway, struct store_conn *conn, const struct ledger_outcome *o)
{
    struct gateway *g = gateway;
    struct about a;
    if (o->attempts == 0)
        return OK; /* nothing left the house */
    read_abouts(o, &a);
    add_line(conn, o, &a);
    if (g->rollup->n > SLOTS / 2 || g->rollup->text.over) {
        enum err e = flush(g, conn);
        if (e != OK)
            return e;
    }
    struct sum *s = slot_of(g->rollup, o->wallet, about_id(&a, ABOUT_KEY),
                            about_text(&a, ABOUT_MODEL), o->ended_us / US_PER_HOUR);
    s->requests++;
    s->failed += about_int(&a, ABOUT_STATUS) >= 400;
    s->input += about_int(&a, ABOUT_INPUT);
    s->output += about_int(&a, ABOUT_OUTPUT);
    s->cache_read += about_int(&a, ABOUT_CACHE_READ);
    s->charge = nano_plus(s->charge, o->charge);
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

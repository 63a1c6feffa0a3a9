/* /api/models, and a key for the playground. */
#include "base/clock.h"
#include "base/mem.h"
#include "control/body.h"
#include "control/routes.h"
#include "control/write.h"

#define PLAY_US US_PER_HOUR

/* ---- models ---- */

struct models {
    struct buf *out;
    struct str q; /* lower case */
};

static bool has_word(struct str s, struct str word)
{
    if (word.n > s.n)
        return false;
    for (size_t i = 0; i + word.n <= s.n; i++)
        if (str_eq_nocase(str_of(s.p + i, word.n), word))
            return true;
    return false;
}

static void price_member(struct buf *b, const char *name, struct pico p)
{
    char text[UNITS_TEXT_MAX];
    buf_json_member(b, name, pico_format(p, text));
}

static void add_model(void *arg, const struct catalog_model *m, const struct catalog_plan *plan)
{
    struct models *l = arg;
    struct buf *b = l->out;
    struct catalog_price price;
    if (!has_word(m->id, l->q) && !has_word(m->name, l->q))
        return;
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", m->id);
    buf_json_member(b, "name", m->name);
    buf_json_member(b, "owned_by", m->owned_by);
    buf_json_i64(b, "context_length", m->context_length);
    buf_json_i64(b, "max_output", m->max_output);
    buf_json_bool(b, "recommended", m->recommended);
    buf_json_key(b, "pricing");
    if (catalog_customer_price(plan, &price) != OK) {
        buf_add(b, STR("null}"));
        return;
    }
    buf_byte(b, '{');
    price_member(b, "prompt", price.input);
    price_member(b, "completion", price.output);
    if (price.has_cache_read)
        price_member(b, "cache_read", price.cache_read);
    if (price.has_cache_write)
        price_member(b, "cache_write", price.cache_write);
    if (price.request.v != 0)
        price_member(b, "request", price.request);
    buf_add(b, STR("}}"));
}

CONTROL_ASK(control_models_list)
{
    struct models l = {.out = &reply->body, .q = STR("")};
    (void)who;
    (void)!http_query(r, reply->arena, STR("q"), &l.q);
    const struct catalog_snapshot *s = catalog_ref(c->catalog);
    buf_add(l.out, STR("{\"data\":["));
    catalog_models(s, add_model, &l);
    buf_add(l.out, STR("],\"has_more\":false,\"next_cursor\":null}"));
    catalog_unref(&s);
    return OK;
}

/* ---- the playground ---- */

struct playing {
    struct control_write w;
    struct id key;
    char text[IDENTITY_KEY_TEXT_MAX];
    int64_t expires_us;
};

static enum err make_key(struct control_write *w, struct store_conn *conn)
{
    struct playing *p = w->arg;
    struct identity_key_spec spec = {.user = w->who->user,
                                     .team = w->who->team,
                                     .name = STR("Playground"),
                                     .scopes = IDENTITY_SCOPE_INFERENCE,
                                     .expires_us = p->expires_us,
                                     .hidden = true};
    enum err e = identity_key_create_in(w->c->identity, conn, &spec, w->who->now_us, &p->key,
                                        p->text);
    (void)id_text("key_", p->key, w->object);
    return e;
}

static void key_json(struct control_write *w, bool first, struct buf *b)
{
    const struct playing *p = w->arg;
    buf_byte(b, '{');
    buf_json_key(b, "api_key");
    if (first)
        buf_json_str(b, str_c(p->text));
    else
        buf_add(b, STR("null"));
    buf_json_time(b, "expires_at", p->expires_us);
    buf_byte(b, '}');
}

CONTROL_ASK(control_playground_key)
{
    struct playing p = {.expires_us = who->now_us + PLAY_US};
    enum err e = control_body_read(r, reply, NULL, 0);
    if (e != OK)
        return e;
    p.w = (struct control_write){.c = c,
                                 .who = who,
                                 .r = r,
                                 .reply = reply,
                                 .arg = &p,
                                 .work = make_key,
                                 .json = key_json,
                                 .action = "playground.key",
                                 .status = 201};
    e = control_write_run(&p.w);
    mem_wipe(p.text, sizeof(p.text));
    return e;
}

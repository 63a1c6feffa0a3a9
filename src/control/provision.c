/* POST /api/provision: a key for whoever is signed in, and one of his own upstream. */
#include "base/mem.h"
#include "control/body.h"
#include "control/routes.h"
#include "control/tell.h"
#include "control/write.h"

struct provision {
    struct str name;
    bool name_given, rotate;
    struct id key; /* the one that he has; zero: none */
    struct id new_key;
    bool made, is_first;
    char text[IDENTITY_KEY_TEXT_MAX];
};

struct search {
    int64_t now_us;
    struct id found;
};

/* The newest that is good for calls; those that the house made for itself are not his. */
static void look_at(void *arg, const struct identity_key_row *row)
{
    struct search *s = arg;
    bool good = strcmp(identity_key_status(row, s->now_us), "active") == 0 &&
                row->revoked_us == 0 && (row->scopes & IDENTITY_SCOPE_INFERENCE) != 0;
    if (good && id_is_zero(s->found))
        s->found = row->key;
}

static enum err make(struct control_write *w, struct store_conn *conn, struct provision *p)
{
    struct identity_key_spec spec = {.user = w->who->user,
                                     .team = w->who->team,
                                     .name = p->name,
                                     .scopes = IDENTITY_SCOPE_ALL,
                                     .models = STR(""),
                                     .ips = STR("")};
    const char *fault = identity_key_fault(&spec, w->who->now_us);
    if (fault != NULL) {
        w->reply->message = str_c(fault);
        w->reply->field = STR("name");
        return ERR_VALIDATION_FAILED;
    }
    return identity_key_create_in(w->c->identity, conn, &spec, w->who->now_us, &p->new_key,
                                  p->text);
}

static enum err provision_in(struct control_write *w, struct store_conn *conn)
{
    struct provision *p = w->arg;
    struct search s = {.now_us = w->who->now_us};
    enum err e = identity_key_list(w->c->identity, conn, w->who->team, w->who->user, look_at, &s);
    p->key = s.found;
    p->is_first = id_is_zero(p->key);
    p->made = p->is_first || p->rotate || p->name_given;
    p->new_key = p->key;
    if (e == OK && p->rotate && !p->is_first)
        e = identity_key_rotate_in(w->c->identity, conn, w->who->team, p->key, 0, w->who->now_us,
                                   &p->new_key, p->text);
    else if (e == OK && p->made)
        e = make(w, conn, p);
    if (e == OK)
        e = upstream_keys_ensure_in(w->c->upstream_keys, conn, w->who->user, w->who->now_us);
    if (e == OK && p->made)
        e = tell_key_in(w->c, conn, HOOKS_KEY_CREATED, w->who->team, p->new_key, w->who->now_us);
    if (e == OK && p->rotate && !p->is_first)
        e = tell_key_in(w->c, conn, HOOKS_KEY_REVOKED, w->who->team, p->key, w->who->now_us);
    (void)id_text("key_", p->new_key, w->object);
    w->change = p->made ? STR("{\"made\":true}") : STR("{\"made\":false}");
    return e;
}

static void key_member(struct buf *b, const char *name, const struct provision *p, bool first)
{
    buf_json_key(b, name);
    if (first && p->made)
        buf_json_str(b, str_c(p->text));
    else
        buf_add(b, STR("null"));
}

static void provision_json(struct control_write *w, bool first, struct buf *b)
{
    const struct provision *p = w->arg;
    char text[ID_TEXT_MAX];
    buf_byte(b, '{');
    buf_json_bool(b, "success", true);
    key_member(b, w->c->brand_key_member, p, first);
    key_member(b, "apiKey", p, first);
    buf_json_member(b, "keyId", id_text("key_", p->new_key, text));
    buf_json_bool(b, "isNewKey", p->made);
    buf_byte(b, '}');
}

CONTROL_ASK(control_provision)
{
    struct provision p = {.name = STR("default")};
    struct control_write w = {.c = c,
                              .who = who,
                              .r = r,
                              .reply = reply,
                              .arg = &p,
                              .work = provision_in,
                              .json = provision_json,
                              .action = "provision"};
    const struct control_field fields[] = {
        {.name = "rotate", .kind = CONTROL_BOOL, .to = &p.rotate},
        {.name = "name", .kind = CONTROL_TEXT, .to = &p.name, .min = 1, .given = &p.name_given}};
    if (!control_may(who, IDENTITY_MAY_KEYS_WRITE))
        return ERR_ROLE_MISSING;
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK && p.rotate && p.name_given)
        e = control_wrong(reply, ERR_INVALID_REQUEST, "name",
                          "Say 'rotate' or 'name': one asks for the key anew, one for another.");
    if (e == OK)
        e = control_write_run(&w);
    mem_wipe(p.text, sizeof(p.text));
    return e;
}

/* Calling operations by name, and what they share. */
#include "admin/admin.h"
#include "base/clock.h"
#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>

#define WHY_MAX 4096

struct str admin_arg(struct admin_run *run, const char *name)
{
    struct str s = STR("");
    if (json_string(&run->arena, json_get(run->args, str_c(name)), &s) != OK)
        return STR("");
    return arena_dup(&run->arena, s);
}

bool admin_has(const struct admin_run *run, const char *name)
{
    return json_get(run->args, str_c(name)).n != 0;
}

bool admin_flag(const struct admin_run *run, const char *name)
{
    return json_is_true(json_get(run->args, str_c(name)));
}

enum err admin_no(struct admin_run *run, enum err e, const char *fmt, ...)
{
    char text[WHY_MAX / 4];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    must(n >= 0);
    buf_reset(&run->why);
    buf_add(&run->why, str_c(text));
    return e;
}

enum err admin_int(struct admin_run *run, const char *name, int64_t min, int64_t max, int64_t *ret)
{
    struct str s = admin_arg(run, name);
    uint64_t n;
    if (!admin_has(run, name))
        return OK;
    bool neg = s.n != 0 && s.p[0] == '-';
    if (!str_to_u64(str_from(s, neg ? 1 : 0), INT64_MAX, &n))
        return admin_no(run, ERR_VALIDATION_FAILED, "--%s must be a whole number", name);
    int64_t v = neg ? -(int64_t)n : (int64_t)n;
    if (v < min || v > max)
        return admin_no(run, ERR_VALIDATION_FAILED, "--%s must be from %lld to %lld", name,
                        (long long)min, (long long)max);
    *ret = v;
    return OK;
}

enum err admin_user(struct admin_run *run, struct store_conn *conn, const char *name,
                    struct identity_user *ret_user)
{
    struct str s = admin_arg(run, name);
    struct id id;
    enum err e = id_parse("usr_", s, &id) ? identity_user_by_id(conn, &run->arena, id, ret_user)
                                          : identity_user_by_email(conn, &run->arena, s, ret_user);
    if (e == ERR_NOT_FOUND)
        return admin_no(run, e, "there is no user '%.*s'; create one with 'admin user create'",
                        STR_ARG(s));
    return e;
}

/* Secrets are not kept in the audit log. */
static bool is_secret(struct str key)
{
    return json_key_is(key, STR("api-key")) || json_key_is(key, STR("passphrase")) ||
           json_key_is(key, STR("password"));
}

enum err admin_audit(struct admin_run *run, struct store_conn *conn, const char *action,
                     struct str object)
{
    struct buf b;
    buf_init(&b, ADMIN_ARGS_MAX);
    buf_byte(&b, '{');
    struct json_walk w = json_walk_of(run->args);
    while (json_next(&w)) {
        buf_json_comma(&b);
        buf_printf(&b, "\"%.*s\":", STR_ARG(w.key));
        buf_add(&b, is_secret(w.key) ? STR("\"…\"") : w.value);
    }
    buf_byte(&b, '}');
    enum err e = identity_audit_in(conn, run->actor->name, run->actor->address, str_c(action),
                                   object, buf_str(&b), run->now_us);
    buf_fini(&b);
    return e;
}

static admin_f find(const char *name)
{
    static const struct admin_operation *const tables[] = {admin_people, admin_catalog, admin_money,
                                                           admin_plans};
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
        for (const struct admin_operation *o = tables[t]; o->name != NULL; o++)
            if (strcmp(o->name, name) == 0)
                return o->fn;
    return NULL;
}

enum err admin_perform(struct admin *a, const struct admin_actor *actor, const char *operation,
                       struct str args, struct buf *out, struct buf *ret_why)
{
    static const struct admin_actor local = {{"operator", 8}, {"local", 5}};
    struct admin_run run = {.a = a,
                            .actor = actor != NULL ? actor : &local,
                            .args = args,
                            .now_us = clock_wall_us(),
                            .out = out};
    admin_f fn = find(operation);
    if (fn == NULL) {
        buf_printf(ret_why, "there is no operation '%s' in this version", operation);
        return ERR_NOT_FOUND;
    }
    size_t offset;
    if (args.n > ADMIN_ARGS_MAX || json_check(args, &offset) != OK ||
        json_type_of(args) != JSON_OBJECT) {
        buf_add(ret_why, STR("the arguments are no JSON object"));
        return ERR_INVALID_JSON;
    }
    arena_init(&run.arena, 8192, 8u << 20);
    buf_init(&run.why, WHY_MAX);
    enum err e = fn(&run);
    if (e != OK) {
        buf_reset(out);
        buf_add(ret_why, run.why.n != 0 ? buf_str(&run.why) : str_c(err_info(e)->meaning));
    }
    buf_fini(&run.why);
    arena_fini(&run.arena);
    return e;
}

/* Users, keys, credit, limits. */
#include "admin/admin.h"
#include "base/clock.h"
#include "base/mem.h"
#include "identity/account.h"
#include "identity/team.h"

static enum err amount_arg(struct admin_run *run, const char *name, struct nano *ret)
{
    struct str s = admin_arg(run, name);
    if (nano_parse(s, false, ret) != OK || ret->v <= 0)
        return admin_no(run, ERR_VALIDATION_FAILED,
                        "--%s must be an amount in dollars above 0 with at most 9 places, e.g. 10 "
                        "or 0.25",
                        name);
    return OK;
}

static enum err grant(struct admin_run *run, struct store_conn *conn, struct id wallet,
                      struct nano amount, struct str reason, struct str idempotency,
                      bool *ret_replayed)
{
    struct ledger_grant g = {.wallet = wallet,
                             .lot = id_new(run->now_us),
                             .kind = LEDGER_LOT_PROMOTIONAL,
                             .amount = amount,
                             .priority = 10,
                             .source = STR("promo_expense"),
                             .reason = reason,
                             .idempotency = idempotency,
                             .wall_us = run->now_us};
    char text[ID_TEXT_MAX];
    if (g.idempotency.n == 0)
        g.idempotency = arena_dup(&run->arena, id_text("credit:lot_", g.lot, text));
    return ledger_grant_in(run->a->ledger, conn, &g, ret_replayed);
}

/* ---- user create ---- */

struct creation {
    struct admin_run *run;
    struct nano credit;
    bool has_credit;
    struct identity_user user;
    struct id key;
    char phc[IDENTITY_PHC_MAX]; /* "": no password */
    char text[IDENTITY_KEY_TEXT_MAX];
};

static enum err create_user(struct store_conn *conn, void *arg)
{
    struct creation *c = arg;
    struct admin_run *run = c->run;
    struct str email = admin_arg(run, "email");
    char text[ID_TEXT_MAX];
    bool replayed;
    enum err e = identity_user_create_in(run->a->identity, conn, email, admin_flag(run, "operator"),
                                         run->now_us, &c->user);
    if (e == ERR_CONFLICT)
        return admin_no(run, e, "'%.*s' has an account already", STR_ARG(email));
    if (e == ERR_VALIDATION_FAILED)
        return admin_no(run, e, "'%.*s' is not an e-mail address", STR_ARG(email));
    if (e == OK && c->phc[0] != '\0')
        e = identity_password_set_in(conn, c->user.user, str_c(c->phc));
    if (e == OK)
        e = ledger_account_open_in(run->a->ledger, conn, c->user.wallet, LEDGER_WALLET, NANO(0),
                                   run->now_us);
    if (e == OK && c->has_credit)
        e = grant(run, conn, c->user.wallet, c->credit, STR("given at the account's creation"),
                  STR(""), &replayed);
    struct identity_key_spec spec = {.user = c->user.user,
                                     .team = c->user.team,
                                     .name = STR("default"),
                                     .scopes = IDENTITY_SCOPE_ALL};
    if (e == OK)
        e = identity_key_create_in(run->a->identity, conn, &spec, run->now_us, &c->key, c->text);
    return e != OK ? e : admin_audit(run, conn, "user.create", id_text("usr_", c->user.user, text));
}

static enum err password_arg(struct admin_run *run, char ret_phc[IDENTITY_PHC_MAX])
{
    struct str password = admin_arg(run, "password");
    const char *fault = identity_password_fault(password);
    if (fault != NULL)
        return admin_no(run, ERR_VALIDATION_FAILED, "%s", fault);
    return identity_password_hash(run->a->identity, password, ret_phc);
}

static enum err user_create(struct admin_run *run)
{
    struct creation c = {.run = run};
    char text[ID_TEXT_MAX];
    c.has_credit = admin_arg(run, "credit").n != 0;
    struct nano zero;
    if (c.has_credit && nano_parse(admin_arg(run, "credit"), false, &zero) == OK && zero.v == 0)
        c.has_credit = false;
    enum err e = c.has_credit ? amount_arg(run, "credit", &c.credit) : OK;
    if (e == OK && admin_has(run, "password"))
        e = password_arg(run, c.phc);
    if (e == OK)
        e = store_write(run->a->store, create_user, &c);
    mem_wipe(c.phc, sizeof(c.phc));
    if (e != OK)
        return e;
    buf_byte(run->out, '{');
    buf_json_member(run->out, "user_id", id_text("usr_", c.user.user, text));
    buf_json_member(run->out, "team_id", id_text("team_", c.user.team, text));
    buf_json_member(run->out, "key_id", id_text("key_", c.key, text));
    buf_json_member(run->out, "api_key", str_c(c.text));
    buf_byte(run->out, '}');
    return OK;
}

static enum err suspend_user(struct store_conn *conn, void *arg)
{
    struct admin_run *run = arg;
    struct identity_user u;
    char text[ID_TEXT_MAX];
    enum err e = admin_user(run, conn, "user", &u);
    if (e == OK)
        e = identity_user_suspend_in(run->a->identity, conn, u.user, !admin_flag(run, "lift"));
    return e != OK ? e : admin_audit(run, conn, "user.suspend", id_text("usr_", u.user, text));
}

static enum err done(struct admin_run *run, enum err e)
{
    if (e == OK)
        buf_add(run->out, STR("{\"ok\":true}"));
    return e;
}

static enum err user_suspend(struct admin_run *run)
{
    return done(run, store_write(run->a->store, suspend_user, run));
}

/* ---- keys ---- */

static enum err key_spec(struct admin_run *run, struct store_conn *conn,
                         struct identity_key_spec *spec)
{
    struct identity_user u;
    struct str expires = admin_arg(run, "expires");
    enum err e = admin_user(run, conn, "user", &u);
    if (e != OK)
        return e;
    *spec = (struct identity_key_spec){.user = u.user,
                                       .team = u.team,
                                       .name = admin_arg(run, "name"),
                                       .scopes = IDENTITY_SCOPE_ALL};
    if (spec->name.n == 0)
        spec->name = STR("key");
    if (admin_arg(run, "scope").n != 0 &&
        identity_scopes_parse(admin_arg(run, "scope"), &spec->scopes) != OK)
        return admin_no(run, ERR_VALIDATION_FAILED,
                        "--scope takes 'inference', 'usage', 'keys' or 'all', separated by commas");
    int64_t in = 0;
    if (expires.n != 0 && clock_parse(expires, &spec->expires_us) != OK) {
        if (clock_parse_duration(expires, &in) != OK || in == 0)
            return admin_no(run, ERR_VALIDATION_FAILED,
                            "--expires takes a time (2027-01-31T00:00:00Z) or a span (30d)");
        spec->expires_us = run->now_us + in;
    }
    if (spec->expires_us != 0 && spec->expires_us <= run->now_us)
        return admin_no(run, ERR_VALIDATION_FAILED, "--expires lies in the past");
    char *models = (char *)(uintptr_t)arena_dup(&run->arena, admin_arg(run, "models")).p;
    char *ips = (char *)(uintptr_t)arena_dup(&run->arena, admin_arg(run, "ips")).p;
    for (char *lists[] = {models, ips, NULL}, **l = lists; *l != NULL; l++)
        for (char *p = *l; *p != '\0'; p++)
            if (*p == ',')
                *p = '\n';
    spec->models = str_c(models);
    spec->ips = str_c(ips);
    return OK;
}

static enum err open_cap(struct admin_run *run, struct store_conn *conn, struct id *ret_cap)
{
    struct nano limit;
    enum err e = amount_arg(run, "cap", &limit);
    if (e != OK)
        return e;
    *ret_cap = id_new(run->now_us);
    e = ledger_account_open_in(run->a->ledger, conn, *ret_cap, LEDGER_CAP, NANO(0), run->now_us);
    if (e == OK)
        e = ledger_cap_set_in(run->a->ledger, conn, *ret_cap, false, limit, run->now_us);
    return e;
}

static enum err create_key(struct store_conn *conn, void *arg)
{
    struct creation *c = arg;
    struct admin_run *run = c->run;
    struct identity_key_spec spec;
    char text[ID_TEXT_MAX];
    enum err e = key_spec(run, conn, &spec);
    if (e == OK && admin_arg(run, "cap").n != 0)
        e = open_cap(run, conn, &spec.cap);
    if (e == OK) {
        e = identity_key_create_in(run->a->identity, conn, &spec, run->now_us, &c->key, c->text);
        if (e == ERR_VALIDATION_FAILED)
            return admin_no(run, e,
                            "a name has 1 to 100 characters; --models takes patterns, --ips "
                            "addresses or nets, separated by commas");
    }
    c->user.user = spec.user;
    return e != OK ? e : admin_audit(run, conn, "key.create", id_text("key_", c->key, text));
}

static enum err key_create(struct admin_run *run)
{
    struct creation c = {.run = run};
    char text[ID_TEXT_MAX];
    enum err e = store_write(run->a->store, create_key, &c);
    if (e != OK)
        return e;
    buf_byte(run->out, '{');
    buf_json_member(run->out, "key_id", id_text("key_", c.key, text));
    buf_json_member(run->out, "user_id", id_text("usr_", c.user.user, text));
    buf_json_member(run->out, "api_key", str_c(c.text));
    buf_byte(run->out, '}');
    return OK;
}

static void key_row(void *arg, const struct identity_key_row *row)
{
    struct admin_run *run = arg;
    struct buf *b = run->out, scopes;
    char text[ID_TEXT_MAX];
    buf_init(&scopes, 256);
    identity_scopes_text(row->scopes, &scopes);
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", id_text("key_", row->key, text));
    buf_json_member(b, "name", row->name);
    buf_json_member(b, "key_display", row->display);
    buf_json_member(b, "status", str_c(identity_key_status(row, run->now_us)));
    buf_json_member(b, "scope", buf_str(&scopes));
    buf_json_member(b, "user_id", id_text("usr_", row->user, text));
    buf_json_time(b, "created_at", row->created_us);
    buf_json_time(b, "last_used_at", row->last_used_us);
    buf_json_time(b, "expires_at", row->expires_us);
    const struct ledger_account *cap = id_is_zero(row->cap) ? NULL
                                                            : ledger_find(run->a->ledger, row->cap);
    if (cap != NULL)
        buf_json_nano(b, "cap_left", ledger_available(cap));
    buf_byte(b, '}');
    buf_fini(&scopes);
}

static enum err key_list(struct admin_run *run)
{
    struct store_conn *conn = NULL;
    struct identity_user u = {.email = STR("")};
    enum err e = store_reader_begin(run->a->store, &conn);
    if (e != OK)
        return e;
    e = admin_user(run, conn, "user", &u);
    buf_byte(run->out, '[');
    if (e == OK)
        e = identity_key_list(run->a->identity, conn, u.team, u.user, key_row, run);
    buf_byte(run->out, ']');
    store_reader_end(&conn);
    return e;
}

static void key_team(void *arg, const struct identity_key_row *row)
{
    *(struct id *)arg = row->team;
}

static enum err revoke_key(struct store_conn *conn, void *arg)
{
    struct admin_run *run = arg;
    struct str s = admin_arg(run, "key");
    struct id key, team;
    if (!id_parse("key_", s, &key))
        return admin_no(run, ERR_VALIDATION_FAILED,
                        "'%.*s' is no key id; 'admin key list' shows them as key_…", STR_ARG(s));
    enum err e = identity_key_get(run->a->identity, conn, key, key_team, &team);
    if (e == OK)
        e = identity_key_revoke_in(run->a->identity, conn, team, key, run->now_us);
    if (e == ERR_NOT_FOUND)
        return admin_no(run, e, "there is no key %.*s", STR_ARG(s));
    return e != OK ? e : admin_audit(run, conn, "key.revoke", s);
}

static enum err key_revoke(struct admin_run *run)
{
    return done(run, store_write(run->a->store, revoke_key, run));
}

/* ---- credit ---- */

struct crediting {
    struct admin_run *run;
    struct nano amount;
    struct id wallet;
    bool replayed;
};

static void note_team(void *arg, const struct identity_team_row *row)
{
    *(struct id *)arg = row->team;
}

/* Whose wallet: a user's own, or that of a team which people share. */
static enum err credit_wallet(struct admin_run *run, struct store_conn *conn, struct id *ret_wallet,
                              char object[ID_TEXT_MAX])
{
    struct str name = admin_arg(run, "team");
    struct id team, nobody = {{0}};
    struct identity_user u;
    if ((name.n != 0) == (admin_arg(run, "user").n != 0))
        return admin_no(run, ERR_VALIDATION_FAILED, "name either --user or --team");
    enum err e;
    if (name.n == 0) {
        e = admin_user(run, conn, "user", &u);
        if (e == OK) {
            *ret_wallet = u.wallet;
            id_text("usr_", u.user, object);
        }
        return e;
    }
    e = id_parse("team_", name, &team)
            ? identity_team_get(conn, team, nobody, note_team, ret_wallet)
            : ERR_NOT_FOUND;
    if (e == ERR_NOT_FOUND)
        return admin_no(run, e, "there is no team '%.*s'; --team takes an id, team_…",
                        STR_ARG(name));
    if (e == OK)
        id_text("team_", team, object);
    return e;
}

static enum err add_credit(struct store_conn *conn, void *arg)
{
    struct crediting *c = arg;
    char object[ID_TEXT_MAX];
    enum err e = credit_wallet(c->run, conn, &c->wallet, object);
    if (e != OK)
        return e;
    struct str key = admin_arg(c->run, "idempotency-key");
    if (key.n != 0)
        key = arena_printf(&c->run->arena, "credit:%.*s", STR_ARG(key));
    e = grant(c->run, conn, c->wallet, c->amount, admin_arg(c->run, "reason"), key, &c->replayed);
    if (e == ERR_CONFLICT)
        return admin_no(c->run, e, "this idempotency key was used for another credit");
    return e != OK ? e : admin_audit(c->run, conn, "credit.add", str_c(object));
}

static enum err credit_add(struct admin_run *run)
{
    struct crediting c = {.run = run};
    enum err e = amount_arg(run, "amount", &c.amount);
    if (e == OK)
        e = store_write(run->a->store, add_credit, &c);
    if (e != OK)
        return e;
    const struct ledger_account *a = ledger_find(run->a->ledger, c.wallet);
    buf_byte(run->out, '{');
    buf_json_nano(run->out, "balance", a != NULL ? ledger_balance(a) : NANO(0));
    buf_json_bool(run->out, "replayed", c.replayed);
    buf_byte(run->out, '}');
    return OK;
}

/* ---- limits ---- */

struct limiting {
    struct admin_run *run;
    enum limits_scope scope;
    struct id subject;
    struct limits_rule rule;
};

static enum err limit_subject(struct limiting *l, struct store_conn *conn)
{
    struct admin_run *run = l->run;
    bool user = admin_arg(run, "user").n != 0, key = admin_arg(run, "key").n != 0,
         global = admin_flag(run, "global");
    if (user + key + global != 1)
        return admin_no(run, ERR_VALIDATION_FAILED, "name one of --user, --key and --global");
    l->scope = user ? LIMITS_USER : key ? LIMITS_KEY : LIMITS_GLOBAL;
    l->subject = (struct id){{0}};
    if (user) {
        struct identity_user u;
        enum err e = admin_user(run, conn, "user", &u);
        l->subject = u.user;
        return e;
    }
    if (key && !id_parse("key_", admin_arg(run, "key"), &l->subject))
        return admin_no(run, ERR_VALIDATION_FAILED, "--key takes a key's id, key_…");
    return OK;
}

static enum err set_limits(struct store_conn *conn, void *arg)
{
    struct limiting *l = arg;
    enum err e = limit_subject(l, conn);
    if (e == OK)
        e = limits_set_in(l->run->a->limits, conn, l->scope, l->subject, &l->rule, l->run->now_us);
    return e != OK ? e : admin_audit(l->run, conn, "limits.set", STR(""));
}

static enum err limits_set(struct admin_run *run)
{
    struct limiting l = {.run = run, .rule = LIMITS_UNSET};
    bool any = false;
    for (size_t i = 0; i < LIMITS_FIELDS; i++) {
        any |= admin_has(run, limits_fields[i].option);
        enum err e = admin_int(run, limits_fields[i].option, 0, 1000000000,
                               limits_field_of(&l.rule, i));
        if (e != OK)
            return e;
    }
    if (!any)
        return admin_no(run, ERR_VALIDATION_FAILED, "name at least one limit, e.g. --rpm 120");
    enum err e = store_write(run->a->store, set_limits, &l);
    if (e != OK)
        return e;
    struct limits_rule now;
    limits_get(run->a->limits, l.scope, l.subject, &now);
    buf_byte(run->out, '{');
    for (size_t i = 0; i < LIMITS_FIELDS; i++)
        buf_json_i64(run->out, limits_fields[i].option, *limits_field_of(&now, i));
    buf_byte(run->out, '}');
    return OK;
}

const struct admin_operation admin_people[] = {
    {"user.create", user_create}, {"user.suspend", user_suspend},
    {"key.create", key_create},   {"key.list", key_list},
    {"key.revoke", key_revoke},   {"credit.add", credit_add},
    {"limits.set", limits_set},   {NULL, NULL}};

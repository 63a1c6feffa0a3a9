/* Codes that give credit: made by operators, redeemed by customers. Only a code's HMAC is kept. */
#include "base/clock.h"
#include "base/mem.h"
#include "control/account.h"
#include "control/body.h"
#include "control/routes.h"
#include "control/write.h"

#include <stdio.h>

#define AT_ONCE_MAX 100
#define CODE_CHARS 16
#define CODE_MIN 6
#define CODE_MAX 40
#define PRIORITY 8 /* behind the welcome, before what was paid for */
#define SHOWN_MAX (256u * 1024)
/* Without what is read wrongly: I, O, 0, 1. */
#define ALPHABET STR("ABCDEFGHJKLMNPQRSTUVWXYZ23456789")

struct code {
    char id[ID_TEXT_MAX];
    struct str name, hint;
    struct nano amount;
    int64_t uses, uses_max, per_user, expires_us, credit_days, ended_us, created_us;
};

/* ---- the code itself ---- */

/* As it is compared: capitals and digits alone. False: no code looks like that. */
static bool plain(struct str text, char out[CODE_MAX + 1])
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '-' || c == ' ')
            continue;
        c = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
        if (n == CODE_MAX || ((c < 'A' || c > 'Z') && (c < '0' || c > '9')))
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return n >= CODE_MIN;
}

static void mac_of(const struct control *c, const char *code, uint8_t ret_mac[CRYPTO_HASH_LEN])
{
    char text[CODE_MAX + 32];
    int n = snprintf(text, sizeof(text), "redemption code:%s", code);
    crypto_hmac(c->seal, str_of(text, (size_t)n), ret_mac);
    mem_wipe(text, sizeof(text));
}

/* "ABCD-EFGH-JKLM-NPQR" */
static void draw(char out[CODE_MAX + 1])
{
    char chars[CODE_CHARS];
    size_t n = 0;
    crypto_random_of(ALPHABET, chars, sizeof(chars));
    for (size_t i = 0; i < CODE_CHARS; i++) {
        if (i != 0 && i % 4 == 0)
            out[n++] = '-';
        out[n++] = chars[i];
    }
    out[n] = '\0';
    mem_wipe(chars, sizeof(chars));
}

/* ---- rows ---- */

static void take(const struct store_query *q, struct arena *a, struct code *c)
{
    snprintf(c->id, sizeof(c->id), "%.*s", STR_ARG(store_str(q, 0)));
    c->name = arena_dup(a, store_str(q, 1));
    c->hint = arena_dup(a, store_str(q, 2));
    c->amount = store_nano(q, 3);
    c->uses = store_i64(q, 4);
    c->uses_max = store_i64(q, 5);
    c->per_user = store_i64(q, 6);
    c->expires_us = store_i64(q, 7);
    c->credit_days = store_i64(q, 8);
    c->ended_us = store_i64(q, 9);
    c->created_us = store_i64(q, 10);
}

static enum err get(struct store_conn *conn, struct arena *a, struct str id, struct code *ret)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_CODE_GET, &q, "t", id);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        take(q, a, ret);
    store_finish(&q);
    return e == ERR_END ? ERR_NOT_FOUND : e;
}

static const char *status_of(const struct code *c, int64_t now_us)
{
    if (c->ended_us != 0)
        return "ended";
    if (c->expires_us != 0 && c->expires_us <= now_us)
        return "expired";
    return c->uses >= c->uses_max ? "used_up" : "active";
}

/* Left open. */
static void code_members(struct buf *b, const struct code *c, int64_t now_us)
{
    buf_json_comma(b);
    buf_byte(b, '{');
    buf_json_member(b, "id", str_c(c->id));
    buf_json_member(b, "name", c->name);
    buf_json_member(b, "hint", c->hint);
    buf_json_nano(b, "amount", c->amount);
    buf_json_i64(b, "uses", c->uses);
    buf_json_i64(b, "uses_max", c->uses_max);
    buf_json_i64(b, "per_user", c->per_user);
    buf_json_time(b, "expires_at", c->expires_us);
    buf_json_key(b, "credit_days");
    if (c->credit_days != 0)
        buf_i64(b, c->credit_days);
    else
        buf_add(b, STR("null"));
    buf_json_member(b, "status", str_c(status_of(c, now_us)));
    buf_json_time(b, "created_at", c->created_us);
}

/* ---- operators ---- */

CONTROL_ASK(control_admin_codes)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    struct control_page page;
    struct str word = STR("");
    enum err e = control_page_begin(r, reply, &page);
    (void)http_query(r, reply->arena, STR("q"), &word);
    if (e == OK)
        e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_CODE_LIST, &q, "tti", page.after, word, page.limit + 1);
    while (e == OK && (e = store_step(q)) == OK) {
        struct code code;
        take(q, reply->arena, &code);
        if (!control_page_row(&page, str_c(code.id)))
            continue;
        code_members(&reply->body, &code, who->now_us);
        buf_byte(&reply->body, '}');
    }
    store_finish(&q);
    store_reader_end(&conn);
    control_page_end(&page, reply);
    return e == ERR_END ? OK : e;
}

static enum err redemptions(struct store_conn *conn, struct str id, struct buf *b)
{
    struct store_query *q = NULL;
    buf_json_key(b, "redemptions");
    buf_byte(b, '[');
    enum err e = store_start(conn, SQL_CODE_REDEMPTIONS, &q, "t", id);
    while (e == OK && (e = store_step(q)) == OK) {
        buf_json_comma(b);
        buf_byte(b, '{');
        buf_json_key(b, "user");
        buf_byte(b, '{');
        buf_json_member(b, "id", store_str(q, 0));
        buf_json_member(b, "email", store_str(q, 1));
        buf_byte(b, '}');
        buf_json_member(b, "team_id", store_str(q, 2));
        buf_json_time(b, "at", store_i64(q, 3));
        buf_json_nano(b, "amount", store_nano(q, 4));
        buf_byte(b, '}');
    }
    store_finish(&q);
    buf_byte(b, ']');
    return e == ERR_END ? OK : e;
}

CONTROL_ASK(control_admin_code)
{
    struct store_conn *conn = NULL;
    struct code code;
    enum err e = store_reader_begin(c->store, &conn);
    if (e != OK)
        return e;
    e = get(conn, reply->arena, r->params[0], &code);
    if (e == OK) {
        code_members(&reply->body, &code, who->now_us);
        e = redemptions(conn, r->params[0], &reply->body);
        buf_byte(&reply->body, '}');
    }
    store_reader_end(&conn);
    return e;
}

struct code_write {
    struct control_write w;
    struct code code;
    struct str own; /* a word of the operator's; empty: drawn */
    struct str id;
    int64_t count;
    struct buf shown, kept; /* with the codes, and with null instead */
};

static enum err add_in(struct code_write *x, struct store_conn *conn)
{
    char shown[CODE_MAX + 1], code[CODE_MAX + 1];
    uint8_t mac[CRYPTO_HASH_LEN];
    struct code *c = &x->code;
    int64_t changed = 0, now_us = x->w.who->now_us;
    if (x->own.n != 0)
        snprintf(shown, sizeof(shown), "%.*s", STR_ARG(x->own));
    else
        draw(shown);
    must(plain(str_c(shown), code));
    mac_of(x->w.c, code, mac);
    c->hint = arena_printf(x->w.reply->arena, "%.4s\xE2\x80\xA6", code);
    c->created_us = now_us;
    enum err e = store_run(conn, SQL_CODE_ADD, &changed, "ttbtniiiii",
                           id_text("code_", id_new(now_us), c->id), c->name,
                           str_of((const char *)mac, sizeof(mac)), c->hint, c->amount, c->uses_max,
                           c->per_user, c->expires_us, c->credit_days, now_us);
    if (e == OK && changed == 0)
        e = control_wrong(x->w.reply, ERR_CONFLICT, "code", "There is such a code already.");
    if (e != OK)
        return e;
    for (int i = 0; i < 2; i++) {
        struct buf *b = i == 0 ? &x->shown : &x->kept;
        code_members(b, c, now_us);
        buf_json_key(b, "code");
        if (i == 0)
            buf_json_str(b, str_c(shown));
        else
            buf_add(b, STR("null"));
        buf_byte(b, '}');
    }
    mem_wipe(shown, sizeof(shown));
    mem_wipe(code, sizeof(code));
    return OK;
}

static enum err create_in(struct control_write *w, struct store_conn *conn)
{
    struct code_write *x = w->arg;
    enum err e = OK;
    buf_reset(&x->shown);
    buf_reset(&x->kept);
    buf_add(&x->shown, STR("{\"data\":["));
    buf_add(&x->kept, STR("{\"data\":["));
    for (int64_t i = 0; i < x->count && e == OK; i++)
        e = add_in(x, conn);
    buf_add(&x->shown, STR("]}"));
    buf_add(&x->kept, STR("]}"));
    snprintf(w->object, sizeof(w->object), "%s", x->code.id);
    w->change = arena_printf(w->reply->arena, "{\"count\":%lld}", (long long)x->count);
    return e == OK && x->shown.over ? ERR_LIMIT : e;
}

static void create_json(struct control_write *w, bool first, struct buf *b)
{
    const struct code_write *x = w->arg;
    buf_add(b, buf_str(first ? &x->shown : &x->kept));
}

static enum err run(struct code_write *x, struct control *c, const struct control_who *who,
                    const struct http_request *r, struct http_reply *reply)
{
    x->w.c = c;
    x->w.who = who;
    x->w.r = r;
    x->w.reply = reply;
    x->w.arg = x;
    buf_init(&x->shown, SHOWN_MAX);
    buf_init(&x->kept, SHOWN_MAX);
    enum err e = control_write_run(&x->w);
    if (x->shown.p != NULL)
        mem_wipe(x->shown.p, x->shown.n);
    buf_fini(&x->shown);
    buf_fini(&x->kept);
    return e;
}

static enum err check(const struct code_write *x, int64_t now_us, struct http_reply *reply)
{
    char code[CODE_MAX + 1];
    if (x->code.amount.v <= 0 || x->code.amount.v > 100000 * NANO_PER_USD)
        return control_wrong(reply, ERR_VALIDATION_FAILED, "amount",
                             "It must be above 0 and at most 100000.");
    if (x->own.n != 0 && !plain(x->own, code))
        return control_wrong(reply, ERR_VALIDATION_FAILED, "code",
                             "A code has 6 to 40 letters, digits and dashes.");
    if (x->own.n != 0 && x->count != 1)
        return control_wrong(reply, ERR_VALIDATION_FAILED, "count",
                             "With a word of one's own there is one code.");
    if (x->code.expires_us != 0 && x->code.expires_us <= now_us)
        return control_wrong(reply, ERR_VALIDATION_FAILED, "expires_at", "It has passed.");
    return OK;
}

CONTROL_ASK(control_admin_code_create)
{
    struct code_write x = {
        .w = {.action = "code.create", .work = create_in, .json = create_json, .status = 201},
        .code = {.uses_max = 1, .per_user = 1},
        .own = STR(""),
        .count = 1};
    bool null[3];
    const struct control_field fields[] = {
        {.name = "name", .kind = CONTROL_TEXT, .to = &x.code.name, .min = 1, .required = true},
        {.name = "amount", .kind = CONTROL_USD, .to = &x.code.amount, .required = true},
        {.name = "code", .kind = CONTROL_TEXT, .to = &x.own, .max = CODE_MAX, .null = &null[0]},
        {.name = "uses_max",
         .kind = CONTROL_INT,
         .to = &x.code.uses_max,
         .min = 1,
         .max = 1000000000},
        {.name = "per_user", .kind = CONTROL_INT, .to = &x.code.per_user, .min = 1, .max = 1000},
        {.name = "expires_at", .kind = CONTROL_TIME, .to = &x.code.expires_us, .null = &null[1]},
        {.name = "credit_days",
         .kind = CONTROL_INT,
         .to = &x.code.credit_days,
         .min = 1,
         .max = 3650,
         .null = &null[2]},
        {.name = "count", .kind = CONTROL_INT, .to = &x.count, .min = 1, .max = AT_ONCE_MAX}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e == OK)
        e = check(&x, who->now_us, reply);
    return e == OK ? run(&x, c, who, r, reply) : e;
}

static enum err end_in(struct control_write *w, struct store_conn *conn)
{
    struct code_write *x = w->arg;
    enum err e = store_run(conn, SQL_CODE_END, NULL, "ti", x->id, w->who->now_us);
    if (e == OK)
        e = get(conn, w->reply->arena, x->id, &x->code);
    buf_reset(&x->shown);
    if (e == OK) {
        code_members(&x->shown, &x->code, w->who->now_us);
        buf_byte(&x->shown, '}');
        buf_reset(&x->kept);
        buf_add(&x->kept, buf_str(&x->shown));
        snprintf(w->object, sizeof(w->object), "%s", x->code.id);
    }
    return e;
}

CONTROL_ASK(control_admin_code_end)
{
    struct code_write x = {.w = {.action = "code.end", .work = end_in, .json = create_json},
                           .id = r->params[0]};
    enum err e = control_body_read(r, reply, NULL, 0);
    return e == OK ? run(&x, c, who, r, reply) : e;
}

/* ---- customers ---- */

struct redeeming {
    struct control_write w;
    uint8_t mac[CRYPTO_HASH_LEN];
    struct code code;
    struct nano balance;
    int64_t credit_until_us;
};

static enum err find_in(struct redeeming *x, struct store_conn *conn)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_CODE_BY_MAC, &q, "b",
                             str_of((const char *)x->mac, sizeof(x->mac)));
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        take(q, x->w.reply->arena, &x->code);
    store_finish(&q);
    if (e == OK && (x->code.ended_us != 0 ||
                    (x->code.expires_us != 0 && x->code.expires_us <= x->w.who->now_us)))
        e = ERR_END;
    if (e == ERR_END)
        e = control_wrong(x->w.reply, ERR_NOT_FOUND, "code",
                          "There is no such code, or it is no longer good.");
    return e;
}

/* ret_n: how often this user has redeemed it before. */
static enum err use_in(struct redeeming *x, struct store_conn *conn, struct str user,
                       int64_t *ret_n)
{
    struct store_query *q = NULL;
    int64_t changed = 0;
    enum err e = store_start(conn, SQL_CODE_USED_BY, &q, "tt", str_c(x->code.id), user);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        *ret_n = store_i64(q, 0);
    store_finish(&q);
    if (e == OK && *ret_n >= x->code.per_user)
        return control_wrong(x->w.reply, ERR_CONFLICT, "code", "You have redeemed this code.");
    if (e == OK)
        e = store_run(conn, SQL_CODE_USE, &changed, "t", str_c(x->code.id));
    if (e == OK && changed == 0)
        return control_wrong(x->w.reply, ERR_CONFLICT, "code", "This code is used up.");
    return e;
}

static enum err grant_in(struct redeeming *x, struct store_conn *conn, struct str user, int64_t n)
{
    const struct control_who *who = x->w.who;
    const struct ledger_account *wallet = ledger_find(x->w.c->ledger, who->team);
    char once[160], reason[200];
    bool replayed;
    snprintf(once, sizeof(once), "code:%s:%.*s:%lld", x->code.id, STR_ARG(user), (long long)n);
    snprintf(reason, sizeof(reason), "code %s", x->code.id);
    x->credit_until_us = x->code.credit_days != 0 ? who->now_us + x->code.credit_days * US_PER_DAY
                                                  : 0;
    struct ledger_grant g = {.wallet = who->team,
                             .lot = id_new(who->now_us),
                             .kind = LEDGER_LOT_PROMOTIONAL,
                             .amount = x->code.amount,
                             .priority = PRIORITY,
                             .expires_us = x->credit_until_us,
                             .source = STR("promo_expense"),
                             .reason = str_c(reason),
                             .idempotency = str_c(once),
                             .wall_us = who->now_us};
    struct nano before = wallet != NULL ? ledger_balance(wallet) : NANO(0);
    x->balance = nano_plus(before, x->code.amount);
    return ledger_grant_in(x->w.c->ledger, conn, &g, &replayed);
}

static enum err redeem_in(struct control_write *w, struct store_conn *conn)
{
    struct redeeming *x = w->arg;
    char user_text[ID_TEXT_MAX], team[ID_TEXT_MAX];
    struct str user = id_text("usr_", w->who->user, user_text);
    int64_t n = 0;
    enum err e = find_in(x, conn);
    if (e == OK)
        e = use_in(x, conn, user, &n);
    if (e == OK)
        e = store_run(conn, SQL_CODE_USED, NULL, "ttitni", str_c(x->code.id), user, n,
                      id_text("team_", w->who->team, team), x->code.amount, w->who->now_us);
    if (e == OK)
        e = grant_in(x, conn, user, n);
    snprintf(w->object, sizeof(w->object), "%s", x->code.id);
    return e;
}

static void redeem_json(struct control_write *w, bool first, struct buf *b)
{
    const struct redeeming *x = w->arg;
    (void)first;
    buf_byte(b, '{');
    buf_json_nano(b, "amount", x->code.amount);
    buf_json_nano(b, "balance", x->balance);
    buf_json_time(b, "expires_at", x->credit_until_us);
    buf_byte(b, '}');
}

/* Guessing is braked by user and by address; what was right gives the try back. */
CONTROL_ASK(control_billing_redeem)
{
    struct redeeming x = {.w = {.c = c,
                                .who = who,
                                .r = r,
                                .reply = reply,
                                .arg = &x,
                                .work = redeem_in,
                                .json = redeem_json,
                                .action = "code.redeem"}};
    struct str text = STR("");
    char code[CODE_MAX + 1], user[ID_TEXT_MAX];
    const struct control_field fields[] = {
        {.name = "code", .kind = CONTROL_TEXT, .to = &text, .max = 80, .required = true}};
    enum err e = CONTROL_BODY_READ(r, reply, fields);
    if (e != OK)
        return e;
    struct str by_user = arena_printf(reply->arena, "redeem %.*s",
                                      STR_ARG(id_text("usr_", who->user, user)));
    struct str by_address = arena_printf(reply->arena, "redeem %.*s", STR_ARG(r->peer));
    e = control_brake(c, reply, IDENTITY_BRAKE_DEVICE, by_user);
    if (e == OK)
        e = control_brake(c, reply, IDENTITY_BRAKE_DEVICE, by_address);
    if (e != OK)
        return e;
    if (!plain(text, code))
        return control_wrong(reply, ERR_NOT_FOUND, "code",
                             "There is no such code, or it is no longer good.");
    mac_of(c, code, x.mac);
    e = control_write_run(&x.w);
    if (e == OK) {
        identity_brake_good(c->identity, IDENTITY_BRAKE_DEVICE, by_user);
        identity_brake_good(c->identity, IDENTITY_BRAKE_DEVICE, by_address);
    }
    return e;
}

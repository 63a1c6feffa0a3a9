/* The second factor: /api/auth/totp/…; its picture is a QR code as SVG. */
#include "base/mem.h"
#include "codec/url.h"
#include "control/account.h"
#include "control/body.h"
#include "control/routes.h"
#include "control/write.h"

#include <qrencode.h>

#define CODES IDENTITY_RECOVERY_CODES
#define QUIET 4 /* modules around it (ISO/IEC 18004) */

struct totp {
    struct control_write w;
    struct identity_profile p;
    struct str code;
    char base32[IDENTITY_TOTP_BASE32_MAX];
    char codes[CODES][IDENTITY_RECOVERY_TEXT_MAX];
};

/* Each run of dark modules is one rectangle of the path. */
static enum err qr_svg(struct str text, struct arena *a, struct str *ret_svg)
{
    struct str z = arena_dup(a, text);
    QRcode *qr = QRcode_encodeString8bit(z.p, 0, QR_ECLEVEL_M);
    if (qr == NULL)
        return ERR_INTERNAL;
    struct buf b;
    int n = qr->width;
    buf_init(&b, 256u * 1024);
    buf_printf(&b,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
               "shape-rendering=\"crispEdges\" role=\"img\" aria-label=\"QR code\">"
               "<path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/><path fill=\"#000\" d=\"",
               n + 2 * QUIET, n + 2 * QUIET, n + 2 * QUIET, n + 2 * QUIET);
    for (int y = 0; y < n; y++)
        for (int x = 0, run = 0; x<n; x += run> 0 ? run : 1) {
            run = 0;
            while (x + run < n && (qr->data[y * n + x + run] & 1) != 0)
                run++;
            if (run > 0)
                buf_printf(&b, "M%d %dh%dv1h-%dz", x + QUIET, y + QUIET, run, run);
        }
    buf_add(&b, STR("\"/></svg>"));
    QRcode_free(qr);
    *ret_svg = arena_dup(a, buf_str(&b));
    bool over = b.over || a->over;
    buf_fini(&b);
    return over ? ERR_LIMIT : OK;
}

/* otpauth://totp/Brand:ann%40example.com?secret=…&issuer=Brand, as authenticator apps read it. */
static struct str otpauth(struct totp *t, struct arena *a)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_add(&b, STR("otpauth://totp/"));
    url_encode(str_c(t->w.c->brand_name), &b);
    buf_byte(&b, ':');
    url_encode(t->p.email, &b);
    buf_printf(&b, "?secret=%s&issuer=", t->base32);
    url_encode(str_c(t->w.c->brand_name), &b);
    struct str s = arena_dup(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

static void codes_json(struct control_write *w, bool first, struct buf *b)
{
    const struct totp *t = w->arg;
    (void)first;
    buf_add(b, STR("{\"recovery_codes\":["));
    for (size_t i = 0; i < CODES; i++) {
        buf_json_comma(b);
        buf_json_str(b, str_c(t->codes[i]));
    }
    buf_add(b, STR("]}"));
}

static enum err told(struct totp *t, struct store_conn *conn, enum mail_name name)
{
    struct control_mail m = {.name = name, .to = t->p.email, .vars = {.at_us = t->w.who->now_us}};
    return control_mail_in(t->w.c, conn, &m, t->w.who->now_us);
}

static enum err start(struct control_write *w, struct store_conn *conn)
{
    struct totp *t = w->arg;
    return identity_totp_start_in(w->c->identity, conn, w->who->user, t->base32);
}

static enum err confirm(struct control_write *w, struct store_conn *conn)
{
    struct totp *t = w->arg;
    enum err e = identity_totp_confirm_in(w->c->identity, conn, w->who->user, t->code,
                                          w->who->now_us, t->codes);
    return e == OK ? told(t, conn, MAIL_TOTP_ENABLED) : e;
}

static enum err disable(struct control_write *w, struct store_conn *conn)
{
    struct totp *t = w->arg;
    enum err e = identity_totp_check_in(w->c->identity, conn, w->who->user, t->code, true,
                                        w->who->now_us);
    if (e == OK)
        e = identity_totp_end_in(conn, w->who->user);
    return e == OK ? told(t, conn, MAIL_TOTP_DISABLED) : e;
}

static enum err recover(struct control_write *w, struct store_conn *conn)
{
    struct totp *t = w->arg;
    enum err e = identity_totp_check_in(w->c->identity, conn, w->who->user, t->code, true,
                                        w->who->now_us);
    return e == OK ? identity_recovery_make_in(w->c->identity, conn, w->who->user, t->codes) : e;
}

/* Reads password and code as far as they are wanted, checks, writes. */
static enum err run(struct totp *t, struct control *c, const struct control_who *who,
                    const struct http_request *r, struct http_reply *reply, bool wants_password,
                    bool wants_code)
{
    struct str password = STR("");
    struct control_field fields[2];
    size_t n = 0;
    if (wants_password)
        fields[n++] = (struct control_field){
            .name = "password", .kind = CONTROL_SECRET, .to = &password};
    if (wants_code)
        fields[n++] = (struct control_field){
            .name = "code", .kind = CONTROL_TEXT, .to = &t->code, .max = 20, .required = true};
    t->w.c = c;
    t->w.who = who;
    t->w.r = r;
    t->w.reply = reply;
    t->w.arg = t;
    id_text("usr_", who->user, t->w.object);
    enum err e = control_body_read(r, reply, fields, n);
    if (e == OK && wants_password)
        e = control_password_check(c, who, reply, password, &t->p);
    if (e == OK && !wants_password)
        e = control_profile(c, who, reply, &t->p);
    struct str key = control_email_key(reply->arena, e == OK ? t->p.email : STR(""));
    if (e == OK && wants_code)
        e = control_brake(c, reply, IDENTITY_BRAKE_ACCOUNT, key);
    if (e == OK)
        e = control_write_run(&t->w);
    if (e == OK && wants_code)
        identity_brake_good(c->identity, IDENTITY_BRAKE_ACCOUNT, key);
    if (e == ERR_DENIED)
        return control_wrong(reply, ERR_TOTP_INVALID, "code", "The code is wrong, or was used.");
    if (e == ERR_CONFLICT && reply->message.n == 0)
        reply->message = STR("Two-step sign-in is on already: switch it off first.");
    if (e == ERR_NOT_FOUND)
        reply->message = STR("Two-step sign-in is not on.");
    return e;
}

CONTROL_ASK(control_totp_start)
{
    struct totp t = {.w = {.work = start, .action = "totp.start", .status = 200, .secret = true}};
    struct str svg = STR("");
    enum err e = run(&t, c, who, r, reply, true, false);
    if (e != OK)
        return e;
    struct str uri = otpauth(&t, reply->arena);
    e = qr_svg(uri, reply->arena, &svg);
    buf_byte(&reply->body, '{');
    buf_json_member(&reply->body, "secret", str_c(t.base32));
    buf_json_member(&reply->body, "otpauth_uri", uri);
    buf_json_member(&reply->body, "qr_svg", svg);
    buf_byte(&reply->body, '}');
    mem_wipe(t.base32, sizeof(t.base32));
    return e;
}

CONTROL_ASK(control_totp_confirm)
{
    struct totp t = {
        .w = {.work = confirm, .json = codes_json, .action = "totp.confirm", .secret = true}};
    return run(&t, c, who, r, reply, false, true);
}

CONTROL_ASK(control_totp_disable)
{
    struct totp t = {.w = {.work = disable, .action = "totp.disable"}};
    return run(&t, c, who, r, reply, true, true);
}

CONTROL_ASK(control_totp_recovery)
{
    struct totp t = {
        .w = {.work = recover, .json = codes_json, .action = "totp.recovery", .secret = true}};
    return run(&t, c, who, r, reply, true, true);
}

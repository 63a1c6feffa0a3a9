/* Mails as text. The layout is what mail programs understand: tables, inline styles, no script, no
 * picture but the logo. */
#include "control/letter.h"

#include "base/clock.h"

#define LINE_MAX_QP 76
#define WORD_MAX 60 /* of the 75 characters of an encoded word */
#define PART_MAX (256u * 1024)
#define VALUE_MAX 200

static const struct letter {
    const char *name, *subject, *heading, *text, *button, *note;
} letters[] = {
#define MAIL(name, text_name, subject, heading, text, button, note)                                \
    {text_name, subject, heading, text, button, note},
    MAIL_TABLE(MAIL)
#undef MAIL
};

/* ---------------------------------------------------------------- encodings */

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || (unsigned char)s.p[i] > 0x7E)
            return false;
    return s.n <= 200 && str_find(s, STR("=?")) == SIZE_MAX;
}

static void hex_byte(struct buf *out, char c)
{
    static const char hex[] = "0123456789ABCDEF";
    buf_byte(out, '=');
    buf_byte(out, hex[(unsigned char)c >> 4]);
    buf_byte(out, hex[(unsigned char)c & 15]);
}

/* Bytes of the UTF-8 character at i. */
static size_t char_bytes(struct str s, size_t i)
{
    size_t n = 1;
    while (i + n < s.n && ((unsigned char)s.p[i + n] & 0xC0) == 0x80)
        n++;
    return n;
}

static bool is_word_safe(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

void letter_header_text(struct buf *out, struct str s)
{
    static const struct str open = {"=?UTF-8?Q?", 10};
    size_t width = 0;
    if (is_plain(s)) {
        buf_add(out, s);
        return;
    }
    for (size_t i = 0; i < s.n;) {
        size_t n = char_bytes(s, i), wide = is_word_safe(s.p[i]) || s.p[i] == ' ' ? 1 : 3 * n;
        if (width == 0 || width + wide > WORD_MAX) {
            buf_add(out, width != 0 ? STR("?=\r\n ") : STR(""));
            buf_add(out, open);
            width = 0;
        }
        for (size_t k = i; k < i + n; k++) {
            if (is_word_safe(s.p[k]))
                buf_byte(out, s.p[k]);
            else if ((unsigned char)s.p[k] <= 0x20 || s.p[k] == 0x7F)
                buf_byte(out, '_');
            else
                hex_byte(out, s.p[k]);
        }
        width += wide;
        i += n;
    }
    buf_add(out, width != 0 ? STR("?=") : STR(""));
}

void letter_quoted_printable(struct buf *out, struct str s)
{
    size_t width = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\n') {
            buf_add(out, STR("\r\n"));
            width = 0;
            continue;
        }
        bool last = i + 1 == s.n || s.p[i + 1] == '\n';
        bool plain = c > 0x20 && c < 0x7F && c != '=';
        plain = plain || (c == ' ' && !last); /* a blank at a line's end would get lost */
        plain = plain && !(c == '.' && width == 0);
        if (width + (plain ? 1 : 3) > LINE_MAX_QP - 1) {
            buf_add(out, STR("=\r\n"));
            width = 0;
            plain = plain && c != '.';
        }
        if (plain)
            buf_byte(out, c);
        else
            hex_byte(out, c);
        width += plain ? 1 : 3;
    }
    buf_add(out, STR("\r\n"));
}

/* ---------------------------------------------------------------- values */

/* What somebody chose: no control bytes, not for ever, and a word joiner behind each dot and slash,
 * so that "evil.example/x" does not become a link. */
static void chosen_add(struct buf *out, struct str s, bool html)
{
    static const struct str joiner = {"\xE2\x81\xA0", 3};
    for (size_t i = 0; i < s.n && i < VALUE_MAX;) {
        size_t n = char_bytes(s, i);
        for (size_t k = i; k < i + n; k++) {
            char c = (unsigned char)s.p[k] < 0x20 || s.p[k] == 0x7F ? ' ' : s.p[k];
            if (html)
                buf_html(out, str_of(&c, 1));
            else
                buf_byte(out, c);
        }
        if ((s.p[i] == '.' || s.p[i] == '/' || s.p[i] == ':') && i + n < s.n && s.p[i + n] != ' ')
            buf_add(out, joiner);
        i += n;
    }
}

static void value_add(struct buf *out, const struct mail_options *o, const struct mail_vars *v,
                      struct str name, bool html)
{
    const struct {
        struct str name, value;
    } chosen[] = {
        {STR("brand"), str_c(o->brand)}, {STR("name"), v->name},       {STR("device"), v->device},
        {STR("team"), v->team},          {STR("inviter"), v->inviter}, {STR("member"), v->member},
        {STR("role"), v->role},          {STR("address"), v->address}, {STR("amount"), v->amount}};
    char time[CLOCK_TEXT_MAX];
    for (size_t i = 0; i < sizeof(chosen) / sizeof(chosen[0]); i++)
        if (str_eq(name, chosen[i].name)) {
            bool ours = i == 0 || str_eq(name, STR("amount")) || str_eq(name, STR("role"));
            if (!ours)
                chosen_add(out, chosen[i].value, html);
            else if (html)
                buf_html(out, chosen[i].value);
            else
                buf_add(out, chosen[i].value);
            return;
        }
    if (str_eq(name, STR("at")))
        buf_add(out, clock_http_date(v->at_us, time));
    else if (str_eq(name, STR("hours")))
        buf_i64(out, v->hours);
    else
        buf_i64(out, str_eq(name, STR("days")) ? v->days : 0);
}

/* A text of the table with its braces filled in. */
static void fill(struct buf *out, const struct mail_options *o, const struct mail_vars *v,
                 struct str text, bool html)
{
    while (text.n != 0) {
        size_t brace = str_index(text, '{');
        struct str before = str_upto(text, brace);
        if (html)
            buf_html(out, before);
        else
            buf_add(out, before);
        text = str_from(text, before.n + 1);
        if (brace != SIZE_MAX)
            value_add(out, o, v, str_cut(&text, '}'), html);
    }
}

/* ---------------------------------------------------------------- the parts */

static void text_part(struct buf *out, const struct mail_options *o, const struct letter *l,
                      const struct mail_vars *v)
{
    fill(out, o, v, str_c(l->heading), false);
    struct str rest = str_c(l->text);
    while (rest.n != 0) {
        buf_add(out, STR("\n\n"));
        fill(out, o, v, str_cut(&rest, '\n'), false);
    }
    if (l->button[0] != '\0') {
        buf_printf(out, "\n\n%s:\n%s%.*s", l->button, o->public_url, STR_ARG(v->path));
    }
    if (l->note[0] != '\0') {
        buf_add(out, STR("\n\n"));
        fill(out, o, v, str_c(l->note), false);
    }
    buf_printf(out, "\n\n-- \n%s\n%s\n", o->brand, o->public_url);
}

/* Dark text on a light colour, white on a dark one (the weights of ITU-R BT.601). */
static const char *ink_of(const char *color)
{
    uint8_t c[3] = {0};
    (void)crypto_unhex(str_from(str_c(color), 1), c, sizeof(c));
    return c[0] * 299 + c[1] * 587 + c[2] * 114 > 160 * 1000 ? "#111827" : "#ffffff";
}

static void html_head(struct buf *out, const struct mail_options *o, const struct letter *l,
                      const struct mail_vars *v)
{
    buf_add(out, STR("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width\">\n"
                     "<meta name=\"color-scheme\" content=\"light dark\">\n<title>"));
    fill(out, o, v, str_c(l->subject), true);
    buf_add(out, STR("</title></head>\n<body style=\"margin:0;padding:0;background:#f3f4f6\">\n"
                     "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" "
                     "cellspacing=\"0\" style=\"background:#f3f4f6\"><tr><td align=\"center\" "
                     "style=\"padding:32px 12px\">\n"
                     "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" "
                     "cellspacing=\"0\" style=\"max-width:560px;background:#ffffff;border:1px "
                     "solid #e5e7eb;border-radius:12px;font-family:-apple-system,'Segoe UI',"
                     "Roboto,Helvetica,Arial,sans-serif;color:#111827\">\n"
                     "<tr><td style=\"padding:28px 32px 0 32px;font-size:16px;"
                     "font-weight:600\">"));
    if (o->logo_url[0] != '\0') {
        buf_add(out, STR("<img alt=\"\" height=\"28\" style=\"vertical-align:middle;"
                         "border:0;margin-right:10px\" src=\""));
        buf_html(out, o->logo_url[0] == '/' ? str_c(o->public_url) : STR(""));
        buf_html(out, str_c(o->logo_url));
        buf_add(out, STR("\">"));
    }
    buf_html(out, str_c(o->brand));
    buf_add(out, STR("</td></tr>\n<tr><td style=\"padding:20px 32px 0 32px\"><h1 style=\"margin:0;"
                     "font-size:22px;line-height:30px;font-weight:600\">"));
    fill(out, o, v, str_c(l->heading), true);
    buf_add(out, STR("</h1></td></tr>\n"));
}

static void html_button(struct buf *out, const struct mail_options *o, const struct letter *l,
                        const struct mail_vars *v)
{
    buf_add(out, STR("<tr><td style=\"padding:24px 32px 0 32px\"><a style=\"display:inline-block;"
                     "padding:12px 22px;border-radius:8px;font-size:15px;font-weight:600;"
                     "text-decoration:none;background:"));
    buf_printf(out, "%s;color:%s\" href=\"", o->color, ink_of(o->color));
    buf_html(out, str_c(o->public_url));
    buf_html(out, v->path);
    buf_printf(out,
               "\">%s</a></td></tr>\n"
               "<tr><td style=\"padding:16px 32px 0 32px;font-size:13px;line-height:20px;"
               "color:#6b7280;word-break:break-all\">Or open this address:<br>",
               l->button);
    buf_html(out, str_c(o->public_url));
    buf_html(out, v->path);
    buf_add(out, STR("</td></tr>\n"));
}

static void html_part(struct buf *out, const struct mail_options *o, const struct letter *l,
                      const struct mail_vars *v)
{
    html_head(out, o, l, v);
    struct str rest = str_c(l->text);
    while (rest.n != 0) {
        buf_add(out, STR("<tr><td style=\"padding:14px 32px 0 32px;font-size:15px;"
                         "line-height:24px\">"));
        fill(out, o, v, str_cut(&rest, '\n'), true);
        buf_add(out, STR("</td></tr>\n"));
    }
    if (l->button[0] != '\0')
        html_button(out, o, l, v);
    buf_add(out, STR("<tr><td style=\"padding:24px 32px 28px 32px;font-size:13px;"
                     "line-height:20px;color:#6b7280\">"));
    fill(out, o, v, str_c(l->note), true);
    buf_add(out, STR("</td></tr>\n</table>\n<p style=\"margin:16px 0 0 0;font-family:Arial,"
                     "sans-serif;font-size:12px;color:#6b7280\">"));
    buf_html(out, str_c(o->brand));
    buf_add(out, STR(" &middot; "));
    buf_html(out, str_c(o->public_url));
    buf_add(out, STR("</p>\n</td></tr></table></body></html>\n"));
}

/* ---------------------------------------------------------------- the message */

static void date_line(struct buf *out, int64_t now_us)
{
    char text[CLOCK_TEXT_MAX];
    struct str date = clock_http_date(now_us, text);
    buf_printf(out, "Date: %.*s +0000\r\n", (int)date.n - 4, date.p); /* less " GMT" */
}

/* Plain text stands in quotes, encoded words do not (RFC 2047 §5). */
static void from_name(struct buf *out, struct str brand)
{
    if (!is_plain(brand)) {
        letter_header_text(out, brand);
        return;
    }
    buf_byte(out, '"');
    for (size_t i = 0; i < brand.n; i++)
        if (brand.p[i] != '"' && brand.p[i] != '\\')
            buf_byte(out, brand.p[i]);
    buf_byte(out, '"');
}

static void headers(struct buf *out, const struct mail_options *o, const struct letter *l,
                    struct str to, const struct mail_vars *v, struct str id, int64_t now_us)
{
    struct buf subject;
    struct str domain = str_c(o->from);
    (void)str_cut(&domain, '@');
    buf_init(&subject, 4096);
    fill(&subject, o, v, str_c(l->subject), false);
    buf_add(out, STR("From: "));
    from_name(out, str_c(o->brand));
    buf_printf(out, " <%s>\r\nTo: <%.*s>\r\nSubject: ", o->from, STR_ARG(to));
    letter_header_text(out, buf_str(&subject));
    buf_add(out, STR("\r\n"));
    date_line(out, now_us);
    buf_printf(out,
               "Message-ID: <%.*s@%.*s>\r\n"
               "Auto-Submitted: auto-generated\r\n"
               "MIME-Version: 1.0\r\n"
               "Content-Type: multipart/alternative; boundary=\"%.*s\"\r\n\r\n",
               STR_ARG(id), STR_ARG(domain), STR_ARG(id));
    buf_fini(&subject);
}

const char *letter_name(enum mail_name name)
{
    return letters[name].name;
}

enum mail_name letter_of_name(struct str name)
{
    for (int i = 0; i < MAIL__COUNT; i++)
        if (str_eq(name, str_c(letters[i].name)))
            return (enum mail_name)i;
    return MAIL__COUNT;
}

void letter_write(const struct mail_options *o, enum mail_name name, struct str to,
                  const struct mail_vars *vars, struct id message, int64_t now_us,
                  struct buf *ret_message)
{
    const struct letter *l = &letters[name];
    char text[ID_TEXT_MAX];
    struct str id = id_text("mail_", message, text);
    struct buf part;
    buf_init(&part, PART_MAX);
    headers(ret_message, o, l, to, vars, id, now_us);
    for (int html = 0; html < 2; html++) {
        buf_reset(&part);
        if (html)
            html_part(&part, o, l, vars);
        else
            text_part(&part, o, l, vars);
        buf_printf(ret_message,
                   "--%.*s\r\nContent-Type: text/%s; charset=utf-8\r\n"
                   "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
                   STR_ARG(id), html ? "html" : "plain");
        letter_quoted_printable(ret_message, buf_str(&part));
    }
    buf_printf(ret_message, "--%.*s--\r\n", STR_ARG(id));
    ret_message->over = ret_message->over || part.over;
    buf_fini(&part);
}

/* A small SMTP receiver. */
#include "sandbox/smtp.h"

#include "base/mem.h"

enum { LINE_MAX_BYTES = 64 * 1024, RECIPIENTS_MAX = 100, ADDRESS_MAX = 320 };

enum stage {
    STAGE_COMMANDS,
    STAGE_AUTH_USER, /* of LOGIN: the name is awaited */
    STAGE_AUTH_LAST, /* the last line of AUTH */
    STAGE_DATA
};

struct session {
    struct sandbox_smtp *smtp;
    struct loop_conn *c;
    enum stage stage;
    struct buf in, message, to;
    char from[ADDRESS_MAX];
    size_t from_n, recipients;
    bool greeted, has_from, too_large, ending;
};

static void say(struct session *s, struct str line)
{
    loop_conn_write(s->c, &line, 1);
}

static void mail_reset(struct session *s)
{
    s->has_from = s->too_large = false;
    s->recipients = 0;
    buf_reset(&s->to);
    buf_fini(&s->message);
}

/* "FROM:<a@b> SIZE=3": the address into *ret_address, the parameters left in *rest. */
static bool path_read(struct str *rest, struct str word, struct str *ret_address)
{
    if (!str_starts_nocase(*rest, word))
        return false;
    struct str s = str_trim(str_from(*rest, word.n));
    if (s.n < 2 || s.p[0] != '<')
        return false;
    s = str_from(s, 1);
    size_t end = str_index(s, '>');
    if (end == SIZE_MAX || end > ADDRESS_MAX)
        return false;
    *ret_address = str_upto(s, end);
    *rest = str_from(s, end + 1);
    return true;
}

static void mail_from(struct session *s, struct str rest)
{
    struct str address;
    if (!s->greeted) {
        say(s, STR("503 5.5.1 Say EHLO first\r\n"));
        return;
    }
    if (s->has_from) {
        say(s, STR("503 5.5.1 There is a sender already\r\n"));
        return;
    }
    if (!path_read(&rest, STR("FROM:"), &address)) {
        say(s, STR("501 5.5.4 MAIL FROM:<address>\r\n"));
        return;
    }
    while (rest.n > 0) {
        uint64_t size;
        struct str word = str_cut(&rest, ' ');
        if (str_starts_nocase(word, STR("SIZE=")) &&
            (!str_to_u64(str_from(word, 5), UINT64_MAX, &size) || size > SANDBOX_MAIL_BYTES_MAX)) {
            say(s, STR("552 5.3.4 Too large\r\n"));
            return;
        }
    }
    memcpy(s->from, address.p, address.n);
    s->from_n = address.n;
    s->has_from = true;
    say(s, STR("250 2.1.0 Ok\r\n"));
}

static void rcpt_to(struct session *s, struct str rest)
{
    struct str address;
    if (!s->has_from) {
        say(s, STR("503 5.5.1 MAIL first\r\n"));
    } else if (!path_read(&rest, STR("TO:"), &address) || address.n == 0) {
        say(s, STR("501 5.5.4 RCPT TO:<address>\r\n"));
    } else if (str_starts_nocase(address, STR("reject"))) {
        say(s, STR("550 5.1.1 No such mailbox\r\n"));
    } else if (str_starts_nocase(address, STR("defer"))) {
        say(s, STR("451 4.7.1 Try again later\r\n"));
    } else if (s->recipients == RECIPIENTS_MAX) {
        say(s, STR("452 4.5.3 Too many recipients\r\n"));
    } else {
        s->recipients++;
        buf_add(&s->to, address);
        buf_byte(&s->to, '\n');
        say(s, STR("250 2.1.5 Ok\r\n"));
    }
}

static void auth(struct session *s, struct str rest)
{
    struct str how = str_cut(&rest, ' ');
    bool plain = str_eq_nocase(how, STR("PLAIN")), login = str_eq_nocase(how, STR("LOGIN"));
    if (!plain && !login) {
        say(s, STR("504 5.5.4 PLAIN or LOGIN\r\n"));
    } else if (plain && rest.n > 0) {
        say(s, STR("235 2.7.0 Ok\r\n"));
    } else if (plain) {
        s->stage = STAGE_AUTH_LAST;
        say(s, STR("334 \r\n"));
    } else {
        s->stage = rest.n > 0 ? STAGE_AUTH_LAST : STAGE_AUTH_USER;
        say(s, rest.n > 0 ? STR("334 UGFzc3dvcmQ6\r\n") : STR("334 VXNlcm5hbWU6\r\n"));
    }
}

static void command(struct session *s, struct str line)
{
    struct str rest = line;
    struct str verb = str_cut(&rest, ' ');
    rest = str_trim(rest);
    if (str_eq_nocase(verb, STR("EHLO")) || str_eq_nocase(verb, STR("HELO"))) {
        mail_reset(s);
        s->greeted = true;
        say(s, str_eq_nocase(verb, STR("HELO"))
                   ? STR("250 tollgate-sandbox\r\n")
                   : STR("250-tollgate-sandbox\r\n250-PIPELINING\r\n250-SIZE 26214400\r\n"
                         "250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n"
                         "250 AUTH PLAIN LOGIN\r\n"));
    } else if (str_eq_nocase(verb, STR("MAIL"))) {
        mail_from(s, rest);
    } else if (str_eq_nocase(verb, STR("RCPT"))) {
        rcpt_to(s, rest);
    } else if (str_eq_nocase(verb, STR("AUTH"))) {
        auth(s, rest);
    } else if (str_eq_nocase(verb, STR("DATA"))) {
        if (s->recipients == 0) {
            say(s, STR("503 5.5.1 RCPT first\r\n"));
            return;
        }
        s->stage = STAGE_DATA;
        say(s, STR("354 End with a line of one dot\r\n"));
    } else if (str_eq_nocase(verb, STR("RSET"))) {
        mail_reset(s);
        say(s, STR("250 2.0.0 Ok\r\n"));
    } else if (str_eq_nocase(verb, STR("NOOP"))) {
        say(s, STR("250 2.0.0 Ok\r\n"));
    } else if (str_eq_nocase(verb, STR("VRFY"))) {
        say(s, STR("252 2.1.5 Send some mail, I will try\r\n"));
    } else if (str_eq_nocase(verb, STR("QUIT"))) {
        say(s, STR("221 2.0.0 Bye\r\n"));
        s->ending = true;
    } else {
        say(s, STR("500 5.5.2 What is that?\r\n"));
    }
}

static void data_line(struct session *s, struct str line)
{
    if (!str_eq(line, STR("."))) {
        if (line.n > 0 && line.p[0] == '.')
            line = str_from(line, 1);
        buf_add(&s->message, line);
        buf_add(&s->message, STR("\r\n"));
        s->too_large |= s->message.over;
        return;
    }
    s->stage = STAGE_COMMANDS;
    if (s->too_large) {
        say(s, STR("552 5.3.4 Too large\r\n"));
    } else {
        sandbox_inbox_add(s->smtp->inbox, str_of(s->from, s->from_n), buf_str(&s->to),
                          buf_str(&s->message), loop_wall_us(s->smtp->loop));
        say(s, STR("250 2.0.0 Ok: kept\r\n"));
    }
    mail_reset(s);
}

static void line_take(struct session *s, struct str line)
{
    switch (s->stage) {
    case STAGE_COMMANDS: command(s, line); break;
    case STAGE_AUTH_USER:
        s->stage = STAGE_AUTH_LAST;
        say(s, STR("334 UGFzc3dvcmQ6\r\n"));
        break;
    case STAGE_AUTH_LAST:
        s->stage = STAGE_COMMANDS;
        say(s, STR("235 2.7.0 Ok\r\n"));
        break;
    case STAGE_DATA: data_line(s, line); break;
    }
}

static void smtp_read(void *arg, struct str bytes)
{
    struct session *s = arg;
    while (bytes.n > 0 && !s->ending) {
        /* A line ends with CRLF; a bare LF is part of it, so that nobody can smuggle a dot. */
        const char *lf = memchr(bytes.p, '\n', bytes.n);
        struct str part = lf == NULL ? bytes : str_upto(bytes, (size_t)(lf - bytes.p) + 1);
        bytes = str_from(bytes, part.n);
        buf_add(&s->in, part);
        if (s->in.over) {
            say(s, STR("500 5.5.2 Line too long\r\n"));
            s->ending = true;
        } else if (str_ends(buf_str(&s->in), STR("\r\n"))) {
            line_take(s, str_upto(buf_str(&s->in), s->in.n - 2));
            buf_reset(&s->in);
        }
    }
    if (s->ending)
        loop_conn_close(s->c);
}

static void smtp_closed(void *arg, enum loop_close reason, const char *why)
{
    struct session *s = arg;
    (void)reason;
    (void)why;
    buf_fini(&s->in);
    buf_fini(&s->message);
    buf_fini(&s->to);
    mem_free(s);
}

static const struct loop_conn_events smtp_events = {.read = smtp_read, .closed = smtp_closed};

void sandbox_smtp_accept(void *smtp, struct loop_conn *c)
{
    struct session *s = mem_zalloc(sizeof(*s));
    s->smtp = smtp;
    s->c = c;
    buf_init(&s->in, LINE_MAX_BYTES);
    buf_init(&s->message, SANDBOX_MAIL_BYTES_MAX);
    buf_init(&s->to, RECIPIENTS_MAX * (ADDRESS_MAX + 1));
    loop_conn_set(c, &smtp_events, s);
    say(s, STR("220 tollgate-sandbox ESMTP\r\n"));
}

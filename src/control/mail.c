/* Mails in the queue: sealed, sent by the job kind "mail", forgotten.
 *
 * SMTP cannot be asked whether a mail arrived. When nobody knows, it is sent again with the same
 * Message-ID, which is what the receiving side tells copies by. */
#include "control/mail.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "control/letter.h"
#include "identity/identity.h"
#include "observe/observe.h"
#include "outbound/mail.h"

#include <stdatomic.h>
#include <stdio.h>

#define SEND_TIMEOUT_MS 30000
#define MESSAGE_MAX (1024u * 1024)
#define TO_MAX 254
#define PATH_MAX_BYTES 2048
#define VALUE_MAX 1024
#define WAIT_US (5 * 60 * US_PER_S)
#define STALE_US (3 * US_PER_DAY) /* no link in a mail lives longer */
#define SEAL_ABOUT STR("job mail")

struct mail {
    struct mail_options options;
    struct jobs *jobs;
    struct jobs_kind kind;
    _Atomic bool told; /* that mails wait */
};

/* ---------------------------------------------------------------- sealed */

/* One row per text value: written to the queue and read back by it. */
static const struct {
    const char *name;
    size_t offset;
} values[] = {
    {"path", offsetof(struct mail_vars, path)},
    {"name", offsetof(struct mail_vars, name)},
    {"address", offsetof(struct mail_vars, address)},
    {"device", offsetof(struct mail_vars, device)},
    {"team", offsetof(struct mail_vars, team)},
    {"inviter", offsetof(struct mail_vars, inviter)},
    {"member", offsetof(struct mail_vars, member)},
    {"role", offsetof(struct mail_vars, role)},
    {"amount", offsetof(struct mail_vars, amount)},
};
#define VALUES (sizeof(values) / sizeof(values[0]))

static struct str value_get(const struct mail_vars *v, size_t i)
{
    struct str s;
    memcpy(&s, (const char *)v + values[i].offset, sizeof(s));
    return s.p != NULL ? s : STR("");
}

static void value_set(struct mail_vars *v, size_t i, struct str s)
{
    memcpy((char *)v + values[i].offset, &s, sizeof(s));
}

static void pack(struct buf *b, enum mail_name name, struct str to, const struct mail_vars *v)
{
    buf_byte(b, '{');
    buf_json_member(b, "mail", str_c(letter_name(name)));
    buf_json_member(b, "to", to);
    buf_json_i64(b, "at", v->at_us);
    buf_json_i64(b, "hours", v->hours);
    buf_json_i64(b, "days", v->days);
    for (size_t i = 0; i < VALUES; i++)
        if (value_get(v, i).n != 0)
            buf_json_member(b, values[i].name, value_get(v, i));
    buf_byte(b, '}');
}

static enum err unpack(struct arena *a, struct str text, enum mail_name *name, struct str *to,
                       struct mail_vars *v)
{
    struct str word;
    size_t offset;
    memset(v, 0, sizeof(*v));
    if (json_check(text, &offset) != OK ||
        json_string(a, json_get(text, STR("mail")), &word) != OK ||
        json_string(a, json_get(text, STR("to")), to) != OK ||
        json_int(json_get(text, STR("at")), 0, INT64_MAX, &v->at_us) != OK ||
        json_int(json_get(text, STR("hours")), 0, INT64_MAX, &v->hours) != OK ||
        json_int(json_get(text, STR("days")), 0, INT64_MAX, &v->days) != OK)
        return ERR_CORRUPT;
    *name = letter_of_name(word);
    for (size_t i = 0; i < VALUES; i++) {
        struct str value = json_get(text, str_c(values[i].name));
        if (value.n != 0 && json_string(a, value, &word) == OK)
            value_set(v, i, word);
    }
    return *name == MAIL__COUNT ? ERR_CORRUPT : OK;
}

/* Something that stands between < and > in a header and in SMTP without a thought. */
static bool can_be_mailed_to(struct str to)
{
    if (identity_email_fault(to) != NULL || to.n > TO_MAX)
        return false;
    for (size_t i = 0; i < to.n; i++)
        if ((unsigned char)to.p[i] <= 0x20 || memchr("<>()[],;:\\\"", to.p[i], 11) != NULL)
            return false;
    return true;
}

enum err mail_enqueue_in(struct mail *mail, struct store_conn *conn, enum mail_name name,
                         struct str to, const struct mail_vars *vars, struct str key,
                         int64_t now_us)
{
    struct buf plain, sealed;
    if (str_ends(to, STR(".invalid")))
        return OK; /* of somebody whom we know without an address: nobody would get it */
    bool fits = can_be_mailed_to(to);
    for (size_t i = 0; i < VALUES; i++)
        fits = fits && value_get(vars, i).n <= (i == 0 ? PATH_MAX_BYTES : VALUE_MAX);
    if (!fits)
        return ERR_VALIDATION_FAILED;
    buf_init(&plain, JOBS_INPUT_MAX / 2);
    buf_init(&sealed, JOBS_INPUT_MAX);
    pack(&plain, name, to, vars);
    must(!plain.over);
    crypto_seal(mail->options.seal, SEAL_ABOUT, buf_str(&plain), &sealed);
    struct jobs_spec spec = {.kind = "mail", .key = key, .input = buf_str(&sealed)};
    enum err e = jobs_enqueue_in(mail->jobs, conn, &spec, now_us, NULL);
    mem_wipe(plain.p, plain.n);
    buf_fini(&plain);
    buf_fini(&sealed);
    return e;
}

void mail_render(const struct mail *mail, enum mail_name name, struct str to,
                 const struct mail_vars *vars, struct id message, int64_t now_us,
                 struct buf *ret_message)
{
    letter_write(&mail->options, name, to, vars, message, now_us, ret_message);
}

/* ---------------------------------------------------------------- sent */

static enum jobs_outcome outcome_of(enum err e)
{
    if (e == OK)
        return JOBS_DONE;
    return e == ERR_VALIDATION_FAILED ? JOBS_FAILED : JOBS_RETRY;
}

static enum jobs_outcome hand_over(struct mail *m, struct jobs_call *call, struct str text)
{
    enum mail_name name;
    struct str to;
    struct mail_vars vars;
    struct buf message;
    char address[TO_MAX + 1];
    if (unpack(&call->arena, text, &name, &to, &vars) != OK || to.n > TO_MAX) {
        snprintf(call->why, sizeof(call->why), "the queued mail cannot be read");
        return JOBS_FAILED;
    }
    memcpy(address, to.p, to.n);
    address[to.n] = '\0';
    buf_init(&message, MESSAGE_MAX);
    letter_write(&m->options, name, to, &vars, call->run, call->now_us, &message);
    must(!message.over);
    struct outbound_mail mail = {.url = m->options.smtp_url,
                                 .user = m->options.smtp_user,
                                 .password = m->options.smtp_password,
                                 .from = m->options.from,
                                 .to = address,
                                 .message = buf_str(&message),
                                 .timeout_ms = SEND_TIMEOUT_MS,
                                 .ca_file = m->options.ca_file,
                                 .plain_allowed = m->options.plain_allowed};
    enum err e = outbound_mail_send(&mail, call->why);
    mem_wipe(message.p, message.n);
    buf_fini(&message);
    return outcome_of(e);
}

/* No mail server yet: the mail waits, the operator hears of it once. */
static enum jobs_outcome wait_for_server(struct mail *m, struct jobs_call *call)
{
    if (!atomic_exchange(&m->told, true))
        observe_say("warn", "mail_waits",
                    "mails wait: no mail server is configured ([smtp] url and from)");
    snprintf(call->why, sizeof(call->why), "no mail server is configured");
    call->wake_us = call->now_us + WAIT_US;
    return JOBS_SLEEP;
}

static enum jobs_outcome send_step(struct jobs_call *call)
{
    struct mail *m = call->arg;
    struct buf plain;
    if (call->now_us - id_wall_ms(call->run) * US_PER_MS > STALE_US) {
        snprintf(call->why, sizeof(call->why), "it waited for three days; what it says is stale");
        return JOBS_FAILED;
    }
    if (!mail_is_configured(m))
        return wait_for_server(m, call);
    buf_init(&plain, JOBS_INPUT_MAX);
    enum jobs_outcome outcome = JOBS_FAILED;
    if (crypto_open(m->options.seal, SEAL_ABOUT, call->input, &plain) == OK)
        outcome = hand_over(m, call, buf_str(&plain));
    else
        snprintf(call->why, sizeof(call->why), "the queued mail's seal does not open");
    if (plain.p != NULL)
        mem_wipe(plain.p, plain.n);
    buf_fini(&plain);
    return outcome;
}

static const struct jobs_step steps[] = {{.name = "send", .run = send_step, .attempts_max = 14}};

struct mail *mail_new(struct jobs *jobs, const struct mail_options *options)
{
    struct mail *m = mem_zalloc(sizeof(*m));
    m->options = *options;
    m->jobs = jobs;
    m->kind = (struct jobs_kind){
        .name = "mail", .steps = steps, .steps_n = 1, .wipe = true, .arg = m};
    jobs_kind_add(jobs, &m->kind);
    return m;
}

void mail_free(struct mail **mail)
{
    if (*mail == NULL)
        return;
    mem_wipe(&(*mail)->options, sizeof((*mail)->options));
    mem_free(*mail);
    *mail = NULL;
}

bool mail_is_configured(const struct mail *mail)
{
    return mail->options.smtp_url[0] != '\0';
}

/* Mail to customers: enqueued in the caller's transaction, sent by a durable job.
 *
 * Owns: the job kind "mail".
 * Needs: jobs, outbound, store.
 * Threads: mail_enqueue_in inside store_write closures; the rest by the one who opens the house.
 * Memory: a queued mail is sealed in the store, forgotten once sent.
 * Units: µs.
 * Errors: VALIDATION_FAILED when the address cannot be mailed to or a value is too long; those of
 * the store.
 * Always: text and HTML parts; every value is escaped, none can add a header; links lead to the
 * house's own public address; no content is logged. Without SMTP mails wait, and health says so. */
#ifndef CONTROL_MAIL_H
#define CONTROL_MAIL_H

#include "base/crypto.h"
#include "jobs/jobs.h"
#include "tbl/mails.h"

enum mail_name {
#define MAIL(name, text_name, subject, heading, text, button, note) MAIL_##name,
    MAIL_TABLE(MAIL)
#undef MAIL
        MAIL__COUNT
};

/* Of the house; texts live as long as the mail room. */
struct mail_options {
    const char *brand, *color, *logo_url; /* "#3355ff"; logo may be empty */
    const char *public_url; /* without a slash at the end */
    const char *smtp_url; /* "smtp://host:587", "smtps://host:465"; empty: mails wait */
    const char *smtp_user, *smtp_password;
    const char *from; /* address */
    const char *ca_file; /* NULL: the system's */
    bool plain_allowed; /* without TLS also to other machines */
    uint8_t seal[CRYPTO_KEY_LEN];
};
struct mail;
/* Adds its kind to jobs. */
struct mail *mail_new(struct jobs *jobs, const struct mail_options *options);
void mail_free(struct mail **mail);
bool mail_is_configured(const struct mail *mail);

/* Values for the braces of tbl/mails.h; those that a mail does not name are not looked at. */
struct mail_vars {
    struct str path; /* where the button leads, behind the public address: "/verify?token=…" */
    struct str name, address, device, team, inviter, member, role, amount;
    int64_t at_us, hours, days;
};
/* `key` as in jobs: the same again is the same mail; may be empty. Nothing is sent to addresses
 * under .invalid. */
MUST enum err mail_enqueue_in(struct mail *mail, struct store_conn *conn, enum mail_name name,
                              struct str to, const struct mail_vars *vars, struct str key,
                              int64_t now_us);
/* The whole message as it is sent (RFC 5322), for the job and its test. */
void mail_render(const struct mail *mail, enum mail_name name, struct str to,
                 const struct mail_vars *vars, struct id message, int64_t now_us,
                 struct buf *ret_message);

#endif

/* The text of a mail: RFC 5322 with a text and an HTML part. Inside this room only.
 * Owns: nothing.  Threads: any.  Memory: the caller's buffer.
 * Always: what customers wrote (names, teams, devices) is escaped, and made so that mail programs
 * see no link in it. */
#ifndef CONTROL_LETTER_H
#define CONTROL_LETTER_H

#include "control/mail.h"

/* A header's value: words of RFC 2047 where it is not plain ASCII; control bytes become blanks. */
void letter_header_text(struct buf *out, struct str s);
/* Quoted-printable (RFC 2045 §6.7); line ends become CR LF. */
void letter_quoted_printable(struct buf *out, struct str s);

/* The whole message; `over` sticks when it does not fit. */
void letter_write(const struct mail_options *o, enum mail_name name, struct str to,
                  const struct mail_vars *vars, struct id message, int64_t now_us,
                  struct buf *ret_message);
/* "verify"; and back, MAIL__COUNT when there is none. */
const char *letter_name(enum mail_name name);
enum mail_name letter_of_name(struct str name);

#endif

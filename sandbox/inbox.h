/* Mail that arrived by SMTP, for tests and people to look at.
 *
 * Owns: the messages.  Needs: base.
 * Threads: any; a lock.
 * Memory: the last SANDBOX_MAILS messages, SANDBOX_MAIL_BYTES_MAX each.
 * Units: bytes, µs of wall time.
 * Errors: none.
 * Always: `raw` is what came, dot-unstuffed, with CRLF; `text` is its first text/plain part,
 * decoded, with LF. */
#ifndef SANDBOX_INBOX_H
#define SANDBOX_INBOX_H

#include "base/buf.h"

enum {
    SANDBOX_MAILS = 1000,
    SANDBOX_PAGE_MAILS = 50, /* on the page for people */
    SANDBOX_MAIL_BYTES_MAX = 25 * 1024 * 1024
};

struct sandbox_inbox;

struct sandbox_inbox *sandbox_inbox_new(void);
/* `to` is a list, each address ended by LF. */
void sandbox_inbox_add(struct sandbox_inbox *inbox, struct str from, struct str to, struct str raw,
                       int64_t now_us);
/* A JSON array, oldest first. */
void sandbox_inbox_show(struct sandbox_inbox *inbox, struct buf *b);
/* The newest as an HTML page, whose links can be followed. */
void sandbox_inbox_page(struct sandbox_inbox *inbox, struct buf *b);
void sandbox_inbox_clear(struct sandbox_inbox *inbox);

#endif

/* A small SMTP receiver (RFC 5321) on a loop: everything it takes goes to the inbox.
 *
 * Owns: its connections.  Needs: loop, inbox.
 * Threads: its loop.
 * Memory: a message of 25 MiB, a line of 64 KiB, 100 recipients at most per connection.
 * Units: bytes.
 * Errors: SMTP replies. A recipient that begins with "reject" is refused for good (550), one with
 * "defer" for now (451).
 * Always: EHLO and HELO, pipelining, SIZE, 8BITMIME, SMTPUTF8, AUTH PLAIN and LOGIN (any
 * password). */
#ifndef SANDBOX_SMTP_H
#define SANDBOX_SMTP_H

#include "loop/loop.h"
#include "sandbox/inbox.h"

struct sandbox_smtp {
    struct loop *loop;
    struct sandbox_inbox *inbox;
};

/* Give to loop_listen with the struct as its argument. */
void sandbox_smtp_accept(void *smtp, struct loop_conn *c);

#endif

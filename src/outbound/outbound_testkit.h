/* A mail server for tests, on loopback: one connection after another, in a thread.
 *
 * Owns: its socket, its thread.  Needs: outbound.  Threads: started and stopped by one.
 * Memory: the last message, up to 1 MiB.
 * Units: none.  Errors: what fails ends the test.
 * Always: takes AUTH PLAIN for the name "user" with the password "pass word". */
#ifndef OUTBOUND_OUTBOUND_TESTKIT_H
#define OUTBOUND_OUTBOUND_TESTKIT_H

#include "base/buf.h"

#include <pthread.h>
#include <stdatomic.h>

struct smtp_testkit {
    char url[64];
    /* What it says next, a line without its end; NULL: the usual. */
    const char *_Atomic to_rcpt, *_Atomic to_data;
    _Atomic bool cut_after_data; /* takes the message and says nothing */
    _Atomic int taken; /* messages; who has read it may read the last one below */
    char rcpt[300];
    struct buf message;
    int socket;
    pthread_t thread;
};
void smtp_testkit_start(struct smtp_testkit *kit);
void smtp_testkit_stop(struct smtp_testkit *kit);

#endif

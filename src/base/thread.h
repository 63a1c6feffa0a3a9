/* What a thread is called, and how soon it runs when there is something for it to do.
 *
 * Owns: nothing.  Threads: each says it of itself.  Memory: none.
 * Units: µs.
 * Errors: none: where the kernel does not know of slices (before 6.12), the usual ones stay.
 * Source: sched_setattr(2): sched_runtime of SCHED_OTHER is the slice that is asked for; who asks
 * for a shorter one is let in sooner when he wakes, and gets no more of the processor in all. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

/* At most 15 bytes. */
void thread_name(const char *name);
/* Somebody waits for what it does: it is let in soon, and does little at a time. */
void thread_be_prompt(void);
/* Nobody does: it runs behind the others. */
void thread_be_patient(void);

#endif

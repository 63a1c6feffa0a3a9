/* Deaths on demand, for the torture tests.
 *
 * Owns: the count of commits and statements.  Needs: nothing.  Threads: any.
 * Memory: static.  Units: none.  Errors: none.
 * Always: without -DTOLLGATE_FAULTS there is no code. With it, the environment's TOLLGATE_FAULT
 * names one place: "commit-before:N" or "commit:N" kills the process (SIGKILL) right before the
 * N-th commit of the writer, "commit-after:N" right behind it, "write:N" at its N-th statement. */
#ifndef STORE_FAULT_H
#define STORE_FAULT_H

enum store_fault {
    STORE_FAULT_COMMIT_BEFORE,
    STORE_FAULT_COMMIT_AFTER,
    STORE_FAULT_WRITE,
    STORE_FAULT__COUNT
};

#ifdef TOLLGATE_FAULTS
void store_fault_here(enum store_fault place);
#else
static inline void store_fault_here(enum store_fault place)
{
    (void)place;
}
#endif

#endif

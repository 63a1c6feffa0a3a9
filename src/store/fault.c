/* Dies where TOLLGATE_FAULT says. */
#include "store/fault.h"

#ifdef TOLLGATE_FAULTS

#include "base/str.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static enum store_fault where = STORE_FAULT__COUNT;
static uint64_t at;
static _Atomic uint64_t passed;

static void read_environment(void)
{
    static const struct {
        const char *name;
        enum store_fault place;
    } names[] = {
        {"commit", STORE_FAULT_COMMIT_BEFORE},
        {"commit-before", STORE_FAULT_COMMIT_BEFORE},
        {"commit-after", STORE_FAULT_COMMIT_AFTER},
        {"write", STORE_FAULT_WRITE},
    };
    struct str rest = str_c(getenv("TOLLGATE_FAULT"));
    struct str name = str_cut(&rest, ':');
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_eq(name, str_c(names[i].name)) && str_to_u64(rest, UINT32_MAX, &at))
            where = names[i].place;
}

void store_fault_here(enum store_fault place)
{
    pthread_once(&once, read_environment);
    if (place != where || at == 0)
        return;
    if (atomic_fetch_add(&passed, 1) + 1 == at)
        raise(SIGKILL);
}

#endif

/* Names, slices and niceness. */
#include "base/thread.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROMPT_SLICE_NS 200000
#define PATIENT_NICE 10

/* As sched_setattr(2) has it; the C library of Debian 12 does not. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

void thread_name(const char *name)
{
    (void)pthread_setname_np(pthread_self(), name);
}

void thread_be_prompt(void)
{
    struct attributes attr = {.size = sizeof(attr)};
    if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) != 0)
        return;
    attr.runtime = PROMPT_SLICE_NS;
    (void)syscall(SYS_sched_setattr, 0, &attr, 0);
}

void thread_be_patient(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), PATIENT_NICE);
}

/* Picks a verb. */
#include "app/verbs.h"
#include "base/crypto.h"
#include "base/mem.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    static const struct cli_verb *const tables[] = {app_verbs, cli_verbs, NULL};
    crypto_init();
#ifdef TOLLGATE_FAULTS
    const char *fault = getenv("TOLLGATE_FAULT");
    uint64_t n;
    if (fault != NULL && str_starts(str_c(fault), STR("alloc:")) &&
        str_to_u64(str_from(str_c(fault), 6), UINT64_MAX, &n))
        mem_fail_at(n);
#endif
    return cli_main(argc, argv, tables);
}

/* The operator's verbs.
 * Owns: the table. Threads: one. Errors: exit status. */
#ifndef APP_VERBS_H
#define APP_VERBS_H

#include "cli/cli.h"

extern const struct cli_verb app_verbs[];
int app_serve(struct cli_args *args);

#endif

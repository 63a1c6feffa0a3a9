/* `tollgate chat`.
 * Owns: nothing. Threads: one. Errors: exit status. */
#ifndef CLI_CHAT_H
#define CLI_CHAT_H

#include "cli/cli.h"

int cli_run_chat(struct cli_args *args);

#endif

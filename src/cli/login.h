/* `tollgate login` and `logout`.
 *
 * Owns: the file $XDG_CONFIG_HOME/tollgate/config.
 * Needs: outbound.  Threads: one.  Memory: freed at the end of the verb.
 * Errors: exit status, with words on standard error.
 * Always: the file has mode 0600 and is replaced whole; the key is not printed. */
#ifndef CLI_LOGIN_H
#define CLI_LOGIN_H

struct cli_args;

int cli_run_login(struct cli_args *args);
int cli_run_logout(struct cli_args *args);

#endif

/* What the keys of usage lines are called, and whose they are, each looked up once per answer.
 *
 * Owns: copies of the names.  Needs: identity.  Threads: one.
 * Memory: texts live until control_names_fini.  Units: none.
 * Errors: a key that is not there has empty names.
 * Always: looks on the caller's connection. */
#ifndef CONTROL_NAMES_H
#define CONTROL_NAMES_H

#include "control/control.h"

struct control_name {
    struct id key, user;
    struct str name, email;
};
struct control_names {
    struct control *c;
    struct store_conn *conn;
    struct arena arena;
    struct control_name *list;
    size_t n, cap;
};
void control_names_init(struct control_names *names, struct control *c, struct store_conn *conn);
void control_names_fini(struct control_names *names);
/* Until the next call. */
const struct control_name *control_name_of(struct control_names *names, struct id key);

#endif

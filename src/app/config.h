/* The configuration: an INI file, every key from tbl/config.h.
 *
 * Owns: struct config.
 * Needs: base, inih.
 * Threads: read once, then constant; a reload makes another one.
 * Memory: texts belong to the struct; config_free.
 * Units: by key: µs, bytes, nano-dollars.
 * Errors: all mistakes of a file at once, a line each, with file, line, key and what to do. */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "control/control.h"
#include "tbl/config.h"

#define CONFIG_STR char *
#define CONFIG_BOOL bool
#define CONFIG_INT int64_t
#define CONFIG_SIZE int64_t
#define CONFIG_TIME int64_t
#define CONFIG_USD struct nano
#define CONFIG_MODE enum gateway_durability
#define CONFIG_POLICY enum ledger_policy
#define CONFIG_SIGNUP enum control_signup

struct config {
#define CONF(section, key, type, text, hint) CONFIG_##type section##_##key;
    CONF_TABLE(CONF)
#undef CONF
};

/* All defaults. */
struct config *config_new(void);
void config_free(struct config **c);
/* Reads the file over the defaults. ERR_INVALID_REQUEST: mistakes are in `report`, one a line.
 * ERR_IO: it cannot be read. */
MUST enum err config_read(struct config *c, const char *file, struct buf *report);
/* What no single key can tell: pairs that must go together. */
MUST enum err config_check(const struct config *c, struct buf *report);
/* A commented example with every key. */
void config_example(struct buf *out);

#endif

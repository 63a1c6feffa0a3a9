/* What people write down about users and keys: checked and brought into one form.
 * Inside this room only; pure functions.
 *
 * Owns: nothing.  Threads: any.  Memory: caller's.
 * Errors: each fault is a sentence for whoever wrote it; NULL means that nothing is wrong. */
#ifndef IDENTITY_WORDS_H
#define IDENTITY_WORDS_H

#include "base/str.h"

#include <stdbool.h>

#define IDENTITY_EMAIL_MAX 254
#define IDENTITY_LIST_MAX 4096
#define IDENTITY_NAME_CHARS_MAX 100
#define IDENTITY_PATTERN_MAX 200

/* Trimmed, the domain in lower case. ret_key is what must be unique: all of it in lower case. */
const char *identity_words_email(struct str email, char ret_text[IDENTITY_EMAIL_MAX + 1],
                                 char ret_key[IDENTITY_EMAIL_MAX + 1], size_t *ret_n);
const char *identity_words_name(struct str name);
/* Lists as people give them (blanks, commas, lines) to one entry per line. */
const char *identity_words_models(struct str list, char ret_text[IDENTITY_LIST_MAX], size_t *ret_n);
const char *identity_words_ips(struct str list, char ret_text[IDENTITY_LIST_MAX], size_t *ret_n);
/* `nets` as stored; IPv4 addresses mapped into IPv6 (RFC 4291 §2.5.5.2) count as IPv4. */
bool identity_words_ip_in(struct str nets, struct str address);

#endif

/* Keys made through OpenRouter's keys API. Any other bearer key is good too; these can be disabled,
 * deleted, expire, and have a limit.
 *
 * Owns: the keys.  Needs: http, base.
 * Threads: any; a lock.
 * Memory: at most SANDBOX_KEYS_MAX keys.
 * Units: pico-dollars.
 * Errors: HTTP statuses.
 * Always: the key's text is shown once, at its making. */
#ifndef SANDBOX_KEYS_H
#define SANDBOX_KEYS_H

#include "sandbox/sandbox.h"

enum { SANDBOX_KEYS_MAX = 10000 };

struct sandbox_keys *sandbox_keys_new(uint64_t seed);
/* 200, or why a call by this bearer is refused: 401 disabled, deleted, expired; 402 over its
 * limit. */
int sandbox_key_status(struct sandbox *s, struct str bearer);
/* The object of GET /key for a bearer. */
void sandbox_key_show(struct sandbox *s, struct str bearer, struct buf *b);
/* The routes of the API: each answers with a status and a body, which is an error's message when
 * the status is 400 or more. */
int sandbox_keys_list(struct sandbox *s, struct buf *b);
int sandbox_keys_create(struct sandbox *s, struct str body, int64_t now_us, struct buf *b);
int sandbox_keys_get(struct sandbox *s, struct str hash, struct buf *b);
int sandbox_keys_patch(struct sandbox *s, struct str hash, struct str body, int64_t now_us,
                       struct buf *b);
int sandbox_keys_delete(struct sandbox *s, struct str hash, struct buf *b);

#endif

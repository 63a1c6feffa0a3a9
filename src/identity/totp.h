/* The code of a step. Inside this room and its tests only; pure.
 *
 * Owns: nothing.  Threads: any.  Memory: caller's.  Errors: none. */
#ifndef IDENTITY_TOTP_H
#define IDENTITY_TOTP_H

#include <stddef.h>
#include <stdint.h>

void identity_totp_code(const uint8_t *secret, size_t n, int64_t step, char ret_code[7]);
int64_t identity_totp_step(int64_t wall_us);

#endif

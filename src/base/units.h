/* Money. Ledger amounts are nano-dollars (1e-9), prices pico-dollars (1e-12) per unit.
 *
 * Owns: the only arithmetic on money, and the only decimal scanner for it. Threads: any.
 * Memory: none. Units: as the types say; a one-member struct each, so that mixing does not
 * compile.
 * Errors: an addition that would wrap is ERR_LIMIT; text that is no amount is
 * ERR_INVALID_REQUEST.
 * Always: no floating point; one rounding per call (charges up, refunds down). */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/err.h"
#include "base/str.h"

#define NANO_PER_USD INT64_C(1000000000)

struct nano {
    int64_t v;
};
struct pico {
    int64_t v;
};

#define NANO(x) ((struct nano){(x)})
#define PICO(x) ((struct pico){(x)})

/* A sum of units × price, wide enough for anything that fits the inputs. Opaque. */
struct pico_sum {
    uint64_t lo;
    int64_t hi;
};

MUST enum err nano_add(struct nano a, struct nano b, struct nano *ret_sum);
MUST enum err nano_sub(struct nano a, struct nano b, struct nano *ret_diff);
/* For sums whose bound is known; a wrap is a bug and aborts. */
struct nano nano_plus(struct nano a, struct nano b);
struct nano nano_minus(struct nano a, struct nano b);
/* part × 1000 ÷ whole, towards zero; whole is not 0. Bounded to int64. */
int64_t nano_per_mille(struct nano part, struct nano whole);

/* amount × part ÷ whole, rounded down; 0 <= part <= whole, whole is not 0, amount >= 0. */
struct nano nano_share(struct nano amount, int64_t part, int64_t whole);

struct pico_sum pico_sum_zero(void);
/* sum += units × price; units >= 0. */
void pico_sum_add(struct pico_sum *sum, int64_t units, struct pico price);
void pico_sum_add_nano(struct pico_sum *sum, struct nano n);
/* sum × (1e6 + markup_ppm) / 1e6 ÷ 1000, rounded up (charges); ERR_LIMIT when over int64.
 * markup_ppm may be negative down to -1e6. Source of the rounding rule: one division at the end. */
MUST enum err pico_sum_charge(struct pico_sum sum, int64_t markup_ppm, struct nano *ret_charge);
/* The same rounded down (refunds, comparisons). */
MUST enum err pico_sum_floor(struct pico_sum sum, int64_t markup_ppm, struct nano *ret_amount);
/* How many units at `price` plus markup fit into `budget`, at most `max`; price 0 gives max. */
int64_t pico_units_affordable(struct nano budget, struct pico price, int64_t markup_ppm,
                              int64_t max);
/* price × (1e6 + markup_ppm) / 1e6 rounded up: the unit price that a customer sees. */
MUST enum err pico_markup(struct pico price, int64_t markup_ppm, struct pico *ret_price);

/* Decimal text, with optional sign, fraction and exponent (JSON's grammar plus a leading '+' or
 * missing digits refused). Digits beyond the unit must be zero, unless `round_up`, which is for
 * figures that a provider reports. */
MUST enum err nano_parse(struct str s, bool round_up, struct nano *ret_amount);
MUST enum err pico_parse(struct str s, bool round_up, struct pico *ret_price);
/* Percent ("20", "12.5", up to 4 places) to parts per million. */
MUST enum err ppm_parse_percent(struct str s, int64_t *ret_ppm);

#define UNITS_TEXT_MAX 32
/* Shortest plain decimal, no exponent, no trailing zeros: "12.34", "0.000000001", "-3". */
struct str nano_format(struct nano n, char text[UNITS_TEXT_MAX]);
struct str pico_format(struct pico p, char text[UNITS_TEXT_MAX]);

#endif

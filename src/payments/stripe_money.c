/* Minor units and nano: exact, by one table of exponents. */
#include "base/units.h"
#include "payments/stripe.h"

/* https://docs.stripe.com/currencies: what is not here has two digits. */
static const struct exponent {
    char code[4];
    int digits;
} exceptions[] = {
    {"bif", 0}, {"clp", 0}, {"djf", 0}, {"gnf", 0}, {"jpy", 0}, {"kmf", 0}, {"krw", 0},
    {"mga", 0}, {"pyg", 0}, {"rwf", 0}, {"vnd", 0}, {"vuv", 0}, {"xaf", 0}, {"xof", 0},
    {"xpf", 0}, {"bhd", 3}, {"jod", 3}, {"kwd", 3}, {"omr", 3}, {"tnd", 3},
};

bool stripe_exponent(struct str currency, int *ret_digits)
{
    if (currency.n != 3)
        return false;
    for (size_t i = 0; i < 3; i++)
        if ((currency.p[i] | 32) < 'a' || (currency.p[i] | 32) > 'z')
            return false;
    *ret_digits = 2;
    for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++)
        if (str_eq_nocase(currency, str_of(exceptions[i].code, 3)))
            *ret_digits = exceptions[i].digits;
    return true;
}

static int64_t nano_per_minor(int digits)
{
    int64_t n = NANO_PER_USD;
    for (int i = 0; i < digits; i++)
        n /= 10;
    return n;
}

enum err stripe_to_nano(struct str currency, int64_t minor, struct nano *ret_amount)
{
    int digits;
    int64_t n;
    if (!stripe_exponent(currency, &digits))
        return ERR_VALIDATION_FAILED;
    if (__builtin_mul_overflow(minor, nano_per_minor(digits), &n))
        return ERR_LIMIT;
    *ret_amount = NANO(n);
    return OK;
}

/* Sent times a hundred, but only whole units may be charged. */
static bool is_whole_only(struct str currency)
{
    return str_eq_nocase(currency, STR("isk")) || str_eq_nocase(currency, STR("ugx"));
}

static bool steps_of(struct str currency, int64_t *ret_unit, int64_t *ret_step)
{
    int digits;
    if (!stripe_exponent(currency, &digits))
        return false;
    *ret_unit = *ret_step = nano_per_minor(digits);
    if (digits == 3)
        *ret_step = *ret_unit * 10; /* the last digit must be 0 */
    if (is_whole_only(currency))
        *ret_step = NANO_PER_USD;
    return true;
}

enum err stripe_to_minor(struct str currency, struct nano amount, int64_t *ret_minor)
{
    int64_t unit, step;
    if (!steps_of(currency, &unit, &step) || amount.v < 0 || amount.v % step != 0)
        return ERR_VALIDATION_FAILED;
    *ret_minor = amount.v / unit;
    return OK;
}

enum err stripe_to_minor_down(struct str currency, struct nano amount, int64_t *ret_minor)
{
    int64_t unit, step;
    if (!steps_of(currency, &unit, &step) || amount.v < 0)
        return ERR_VALIDATION_FAILED;
    *ret_minor = (amount.v - amount.v % step) / unit;
    return OK;
}

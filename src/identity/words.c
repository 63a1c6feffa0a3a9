/* E-mail addresses, names, lists of models and networks. */
#include "identity/words.h"

#include <arpa/inet.h>

static bool is_separator(char c)
{
    return c == ' ' || c == ',' || c == '\n' || c == '\r' || c == '\t';
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7F)
            return true;
        /* U+0080 to U+009F, which terminals obey too. */
        if (c == 0xC2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xA0)
            return true;
    }
    return false;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

const char *identity_words_email(struct str email, char ret_text[IDENTITY_EMAIL_MAX + 1],
                                 char ret_key[IDENTITY_EMAIL_MAX + 1], size_t *ret_n)
{
    email = str_trim(email);
    if (email.n == 0)
        return "the e-mail address is empty";
    if (email.n > IDENTITY_EMAIL_MAX)
        return "the e-mail address is longer than 254 bytes";
    if (!str_is_utf8(email) || has_control(email) || str_index(email, ' ') != SIZE_MAX)
        return "the e-mail address has a blank or a control character in it";
    size_t at = str_index(email, '@');
    if (at == SIZE_MAX || str_index(str_from(email, at + 1), '@') != SIZE_MAX)
        return "an e-mail address has exactly one '@'";
    if (at == 0 || at + 1 == email.n)
        return "an e-mail address has something before and behind its '@'";
    for (size_t i = 0; i < email.n; i++) {
        ret_text[i] = i > at ? lower(email.p[i]) : email.p[i];
        ret_key[i] = lower(email.p[i]);
    }
    ret_text[email.n] = ret_key[email.n] = '\0';
    *ret_n = email.n;
    return NULL;
}

const char *identity_words_name(struct str name)
{
    if (name.n == 0)
        return "the name is empty";
    if (!str_is_utf8(name))
        return "the name is not UTF-8";
    if (has_control(name))
        return "the name has a control character in it";
    size_t chars = 0;
    for (size_t i = 0; i < name.n; i++)
        chars += ((unsigned char)name.p[i] & 0xC0) != 0x80;
    return chars > IDENTITY_NAME_CHARS_MAX ? "the name is longer than 100 characters" : NULL;
}

typedef const char *(*entry_f)(struct str entry);

static const char *list_normal(struct str list, entry_f check, char *text, size_t *ret_n)
{
    size_t n = 0, i = 0;
    for (;;) {
        while (i < list.n && is_separator(list.p[i]))
            i++;
        if (i == list.n)
            break;
        size_t from = i;
        while (i < list.n && !is_separator(list.p[i]))
            i++;
        struct str entry = str_of(list.p + from, i - from);
        const char *fault = check(entry);
        if (fault != NULL)
            return fault;
        if (n + entry.n + 1 > IDENTITY_LIST_MAX)
            return "the list is longer than 4096 bytes";
        if (n != 0)
            text[n++] = '\n';
        memcpy(text + n, entry.p, entry.n);
        n += entry.n;
    }
    *ret_n = n;
    return NULL;
}

static const char *model_fault(struct str entry)
{
    if (entry.n > IDENTITY_PATTERN_MAX)
        return "a model pattern is longer than 200 bytes";
    if (!str_is_utf8(entry) || has_control(entry))
        return "a model pattern has a control character in it";
    return NULL;
}

const char *identity_words_models(struct str list, char ret_text[IDENTITY_LIST_MAX], size_t *ret_n)
{
    return list_normal(list, model_fault, ret_text, ret_n);
}

/* An address of either family, IPv4 as its mapped IPv6. */
static bool address_parse(struct str s, uint8_t ret[16], bool *ret_v4)
{
    char text[INET6_ADDRSTRLEN];
    if (s.n == 0 || s.n >= sizeof(text))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    memcpy(ret, mapped, sizeof(mapped));
    *ret_v4 = inet_pton(AF_INET, text, ret + 12) == 1;
    if (*ret_v4)
        return true;
    if (inet_pton(AF_INET6, text, ret) != 1)
        return false;
    *ret_v4 = memcmp(ret, mapped, sizeof(mapped)) == 0;
    return true;
}

/* "10.0.0.0/8", "2001:db8::/32", or an address alone; bits counts from the mapped form's start. */
static bool net_parse(struct str s, uint8_t ret[16], unsigned *ret_bits)
{
    size_t slash = str_index(s, '/');
    bool v4;
    if (!address_parse(str_upto(s, slash), ret, &v4))
        return false;
    bool dotted = str_index(str_upto(s, slash), ':') == SIZE_MAX;
    uint64_t bits = dotted ? 32 : 128;
    if (slash != SIZE_MAX && !str_to_u64(str_from(s, slash + 1), bits, &bits))
        return false;
    *ret_bits = (unsigned)bits + (dotted ? 96 : 0);
    return true;
}

static const char *ip_fault(struct str entry)
{
    uint8_t net[16];
    unsigned bits;
    return net_parse(entry, net, &bits)
               ? NULL
               : "an entry of the address list is neither an IP address nor a network like "
                 "10.0.0.0/8";
}

const char *identity_words_ips(struct str list, char ret_text[IDENTITY_LIST_MAX], size_t *ret_n)
{
    return list_normal(list, ip_fault, ret_text, ret_n);
}

static bool same_bits(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
    if (memcmp(a, b, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    return rest == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)) == 0;
}

bool identity_words_ip_in(struct str nets, struct str address)
{
    uint8_t a[16], net[16];
    unsigned bits;
    bool v4;
    if (!address_parse(address, a, &v4))
        return false;
    while (nets.n != 0)
        if (net_parse(str_cut(&nets, '\n'), net, &bits) && same_bits(a, net, bits))
            return true;
    return false;
}

/* What the operator may write down, said in words when it may not be. */
#include "catalog/faults.h"
#include "catalog/room.h"

#define PRICE_MAX INT64_C(1000000000000000) /* $1,000 per token or request */
#define MIN_COST_MAX (1000000 * NANO_PER_USD)
#define MARKUP_MIN (-INT64_C(1000000))
#define MARKUP_MAX INT64_C(1000000000)
#define PRIORITY_MAX INT64_C(1000000)
#define WEIGHT_MAX INT64_C(1000)
#define TOKENS_MAX INT64_C(1000000000000)

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7F)
            return false;
    return true;
}

static const char *name_fault(struct str s, bool may_be_empty)
{
    if (s.n == 0)
        return may_be_empty ? NULL : "the name is empty";
    if (s.n > CATALOG_NAME_MAX)
        return "the name is longer than 64 bytes";
    /* It goes out in a header field. */
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] >= 0x7F)
            return "the name has a character that is not printable ASCII";
    if (s.p[0] == ' ' || s.p[s.n - 1] == ' ')
        return "the name begins or ends with a blank";
    return NULL;
}

static const char *pattern_fault(struct str s)
{
    if (s.n == 0)
        return "the model pattern is empty";
    if (s.n > CATALOG_PATTERN_MAX)
        return "the model pattern is longer than 200 bytes";
    return is_plain(s) ? NULL : "the model pattern has a blank or a character outside ASCII";
}

static bool port_ok(struct str s)
{
    uint64_t port;
    return str_to_u64(s, 65535, &port) && port != 0;
}

static bool host_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
}

static const char *authority_fault(struct str s)
{
    if (str_index(s, '@') != SIZE_MAX)
        return "the base URL has a user name in it";
    struct str host, port;
    if (s.n != 0 && s.p[0] == '[') {
        size_t end = str_index(s, ']');
        if (end == SIZE_MAX || end < 3)
            return "the base URL's address is not closed by ']'";
        host = str_of(s.p + 1, end - 1);
        port = str_from(s, end + 1);
        for (size_t i = 0; i < host.n; i++)
            if (host.p[i] != ':' && !host_char(host.p[i]))
                return "the base URL's address is no IPv6 address";
    } else {
        size_t colon = str_index(s, ':');
        host = str_upto(s, colon);
        port = colon == SIZE_MAX ? STR("") : str_from(s, colon);
        for (size_t i = 0; i < host.n; i++)
            if (!host_char(host.p[i]))
                return "the base URL's host has a character that no host has";
    }
    if (host.n == 0 || host.n > 253)
        return "the base URL has no host";
    if (port.n != 0 && (port.p[0] != ':' || !port_ok(str_from(port, 1))))
        return "the base URL's port is not 1 to 65535";
    return NULL;
}

static const char *url_fault(struct str url)
{
    if (url.n > CATALOG_URL_MAX)
        return "the base URL is longer than 512 bytes";
    if (!is_plain(url))
        return "the base URL has a blank or a character outside ASCII";
    if (str_starts_nocase(url, STR("https://")))
        url = str_from(url, 8);
    else if (str_starts_nocase(url, STR("http://")))
        url = str_from(url, 7);
    else
        return "the base URL begins with http:// or https://";
    if (str_index(url, '?') != SIZE_MAX || str_index(url, '#') != SIZE_MAX)
        return "the base URL has a query or a fragment";
    if (str_index(url, '\\') != SIZE_MAX)
        return "the base URL has a backslash";
    return authority_fault(str_upto(url, str_index(url, '/')));
}

const char *catalog_provider_fault(const struct catalog_provider_spec *s)
{
    const char *fault = name_fault(s->name, false);
    if (fault == NULL)
        fault = name_fault(s->tag, true);
    if (fault == NULL && (unsigned)s->kind >= CATALOG_KIND__COUNT)
        fault = "the kind is openrouter, openai or anthropic";
    if (fault == NULL)
        fault = url_fault(s->base_url);
    if (fault == NULL && s->api_key.n > CATALOG_SECRET_MAX)
        fault = "the API key is longer than 4096 bytes";
    if (fault == NULL && !is_plain(s->api_key))
        fault = "the API key has a blank or a character outside ASCII";
    return fault;
}

static size_t stars(struct str s)
{
    return s.n - catalog_literals(s);
}

const char *catalog_route_fault(const struct catalog_route_spec *s)
{
    const char *fault = pattern_fault(s->pattern);
    if (fault == NULL)
        fault = name_fault(s->provider, false);
    if (fault == NULL && s->upstream_model.n != 0)
        fault = pattern_fault(s->upstream_model);
    if (fault != NULL)
        return fault;
    if (stars(s->upstream_model) > 1 || (stars(s->upstream_model) == 1 && stars(s->pattern) != 1))
        return "an upstream model with a '*' needs a pattern with exactly one";
    if (s->priority < -PRIORITY_MAX || s->priority > PRIORITY_MAX)
        return "the priority is -1,000,000 to 1,000,000";
    if (s->weight < 1 || s->weight > WEIGHT_MAX)
        return "the weight is 1 to 1,000";
    return NULL;
}

const char *catalog_price_fault(const struct catalog_price *p)
{
    const char *fault = pattern_fault(p->pattern);
    if (fault != NULL)
        return fault;
    const struct pico all[] = {p->input, p->output, p->request,
                               p->has_cache_read ? p->cache_read : PICO(0),
                               p->has_cache_write ? p->cache_write : PICO(0)};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i].v < 0)
            return "a price is negative";
        if (all[i].v > PRICE_MAX)
            return "a price is more than $1,000 per token or request";
    }
    return NULL;
}

const char *catalog_rule_fault(const struct catalog_rule *r)
{
    const char *fault = pattern_fault(r->pattern);
    if (fault != NULL)
        return fault;
    if (r->markup_ppm < MARKUP_MIN || r->markup_ppm > MARKUP_MAX)
        return "the markup is -100 to 100,000 percent";
    if (r->min_cost.v < 0 || r->min_cost.v > MIN_COST_MAX)
        return "the least charge is $0 to $1,000,000";
    if (r->priority < -PRIORITY_MAX || r->priority > PRIORITY_MAX)
        return "the priority is -1,000,000 to 1,000,000";
    return NULL;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F)
            return true;
    return false;
}

const char *catalog_model_fault(const struct catalog_model *m)
{
    const char *fault = pattern_fault(m->id);
    if (fault == NULL && !catalog_is_exact(m->id))
        fault = "a model's id has no '*'";
    if (fault != NULL)
        return fault;
    if (m->name.n > CATALOG_PATTERN_MAX || m->owned_by.n > CATALOG_PATTERN_MAX ||
        has_control(m->name) || has_control(m->owned_by) || !str_is_utf8(m->name) ||
        !str_is_utf8(m->owned_by))
        return "a model's name or owner is longer than 200 bytes or not plain text";
    if (m->created_s < 0 || m->context_length < 0 || m->context_length > TOKENS_MAX ||
        m->max_output < 0 || m->max_output > TOKENS_MAX)
        return "a model's time or length is out of bounds";
    return NULL;
}

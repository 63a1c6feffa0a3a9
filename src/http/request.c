/* What slow handlers ask of a request. */
#include "http/http.h"
#include "http/router.h"

struct str http_request_header(const struct http_request *r, struct str name)
{
    return http1_header_get(r->head, name);
}

bool http_query(const struct http_request *r, struct arena *a, struct str name,
                struct str *ret_value)
{
    struct str query = r->query;
    while (query.n != 0) {
        struct str value = str_cut(&query, '&');
        struct str key = str_cut(&value, '=');
        struct str text;
        if (http_percent_decode(key, true, a, &text) != OK || !str_eq(text, name))
            continue;
        if (http_percent_decode(value, true, a, &text) != OK)
            return false;
        *ret_value = text;
        return true;
    }
    return false;
}

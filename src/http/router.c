/* Route lookup. */
#include "http/router.h"
#include "base/mem.h"

#include <stdlib.h>

struct node {
    struct str path; /* as in the table */
    size_t literal; /* bytes before the first parameter */
    bool plain;
    const struct http_route *by_method[HTTP1_METHOD__COUNT];
};

struct http_router {
    struct node *nodes; /* most specific first */
    size_t nodes_n;
    const struct node **table; /* the plain ones by hash, NULL when empty */
    size_t mask;
};

static const char *const method_names[HTTP1_METHOD__COUNT] = {
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", NULL,
};

/* The byte behind the parameter that begins at i. */
static size_t param_end(struct str p, size_t i)
{
    size_t close = str_index(str_from(p, i), '}');
    must(close != SIZE_MAX);
    return i + close + 1;
}

static bool param_takes_rest(struct str p, size_t i)
{
    return p.p[param_end(p, i) - 2] == '*';
}

/* Order of specificity; 0 only for patterns of the same shape. */
static int pattern_cmp(struct str a, struct str b)
{
    size_t i = 0, k = 0;
    while (i < a.n && k < b.n) {
        bool pa = a.p[i] == '{', pb = b.p[k] == '{';
        if (pa != pb)
            return pa ? 1 : -1;
        if (!pa) {
            if (a.p[i] != b.p[k])
                return (unsigned char)a.p[i] < (unsigned char)b.p[k] ? -1 : 1;
            i++, k++;
            continue;
        }
        bool ra = param_takes_rest(a, i), rb = param_takes_rest(b, k);
        if (ra != rb)
            return ra ? 1 : -1;
        i = param_end(a, i);
        k = param_end(b, k);
    }
    return (i < a.n) - (k < b.n);
}

static int node_cmp(const void *a, const void *b)
{
    return pattern_cmp(((const struct node *)a)->path, ((const struct node *)b)->path);
}

static enum http1_method method_of(const char *name)
{
    for (int m = 0; m < HTTP1_OTHER; m++)
        if (strcmp(method_names[m], name) == 0)
            return (enum http1_method)m;
    bool method_is_known = false;
    must(method_is_known); /* the route table is ours */
    return HTTP1_OTHER;
}

static struct node *node_for(struct http_router *r, const char *path)
{
    struct str p = str_c(path);
    for (size_t i = 0; i < r->nodes_n; i++)
        if (pattern_cmp(r->nodes[i].path, p) == 0)
            return &r->nodes[i];
    struct node *n = &r->nodes[r->nodes_n++];
    size_t brace = str_index(p, '{');
    *n = (struct node){.path = p, .plain = brace == SIZE_MAX};
    n->literal = n->plain ? p.n : brace;
    return n;
}

static void table_build(struct http_router *r)
{
    size_t size = 16;
    while (size < 4 * r->nodes_n)
        size *= 2;
    r->table = mem_array(size, sizeof(void *));
    r->mask = size - 1;
    for (size_t i = 0; i < r->nodes_n; i++) {
        if (!r->nodes[i].plain)
            continue;
        size_t at = str_hash(r->nodes[i].path) & r->mask;
        while (r->table[at] != NULL)
            at = (at + 1) & r->mask;
        r->table[at] = &r->nodes[i];
    }
}

struct http_router *http_router_new(const struct http_route *routes, size_t n)
{
    struct http_router *r = mem_zalloc(sizeof(*r));
    r->nodes = mem_array(n + 1, sizeof(*r->nodes));
    for (size_t i = 0; i < n; i++) {
        struct node *node = node_for(r, routes[i].path);
        enum http1_method m = method_of(routes[i].method);
        must(node->by_method[m] == NULL);
        node->by_method[m] = &routes[i];
    }
    for (size_t i = 0; i < r->nodes_n; i++)
        if (r->nodes[i].by_method[HTTP1_HEAD] == NULL)
            r->nodes[i].by_method[HTTP1_HEAD] = r->nodes[i].by_method[HTTP1_GET];
    qsort(r->nodes, r->nodes_n, sizeof(*r->nodes), node_cmp);
    table_build(r);
    return r;
}

void http_router_free(struct http_router **r)
{
    if (*r == NULL)
        return;
    mem_free((*r)->table);
    mem_free((*r)->nodes);
    mem_free(*r);
    *r = NULL;
}

/* Raw values of the parameters, or false. */
static bool node_matches(const struct node *n, struct str path, struct str raw[HTTP_PARAMS_MAX])
{
    if (path.n < n->literal || memcmp(path.p, n->path.p, n->literal) != 0)
        return false;
    size_t i = n->literal, k = n->literal, params = 0;
    while (i < n->path.n) {
        if (n->path.p[i] != '{') {
            if (k >= path.n || path.p[k] != n->path.p[i])
                return false;
            i++, k++;
            continue;
        }
        must(params < HTTP_PARAMS_MAX);
        struct str rest = str_from(path, k);
        size_t slash = str_index(rest, '/');
        size_t len = slash == SIZE_MAX || param_takes_rest(n->path, i) ? rest.n : slash;
        if (len == 0)
            return false;
        raw[params++] = str_upto(rest, len);
        k += len;
        i = param_end(n->path, i);
    }
    return k == path.n;
}

enum err http_percent_decode(struct str s, bool plus, struct arena *a, struct str *ret_text)
{
    char *p = arena_alloc(a, s.n + 1);
    if (p == NULL)
        return ERR_HEADERS_TOO_LARGE;
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            int hi = i + 2 < s.n ? str_hex_digit(s.p[i + 1]) : -1;
            int lo = hi >= 0 ? str_hex_digit(s.p[i + 2]) : -1;
            if (lo < 0)
                return ERR_INVALID_REQUEST;
            c = (char)(hi << 4 | lo);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0')
            return ERR_INVALID_REQUEST;
        p[n++] = c;
    }
    p[n] = '\0';
    *ret_text = str_of(p, n);
    return OK;
}

static enum err params_decode(const struct str raw[HTTP_PARAMS_MAX], struct arena *a,
                              struct str ret_params[HTTP_PARAMS_MAX])
{
    for (size_t i = 0; i < HTTP_PARAMS_MAX; i++) {
        ret_params[i] = raw[i];
        if (raw[i].p == NULL || str_index(raw[i], '%') == SIZE_MAX)
            continue;
        enum err e = http_percent_decode(raw[i], false, a, &ret_params[i]);
        if (e != OK)
            return e;
    }
    return OK;
}

static const struct node *plain_find(const struct http_router *r, struct str path)
{
    for (size_t at = str_hash(path) & r->mask; r->table[at] != NULL; at = (at + 1) & r->mask)
        if (str_eq(r->table[at]->path, path))
            return r->table[at];
    return NULL;
}

static void allow_text(const bool allowed[HTTP1_METHOD__COUNT], char ret_allow[HTTP_ALLOW_MAX])
{
    size_t n = 0;
    for (int m = 0; m < HTTP1_OTHER; m++) {
        if (!allowed[m])
            continue;
        if (n != 0) {
            memcpy(ret_allow + n, ", ", 2);
            n += 2;
        }
        size_t len = strlen(method_names[m]);
        memcpy(ret_allow + n, method_names[m], len);
        n += len;
    }
    ret_allow[n] = '\0';
}

/* "/{x*}" takes what nobody else has by any method; for its own other methods nothing is there. */
static bool node_is_last_resort(const struct node *n)
{
    return !n->plain && n->literal == 1 && param_takes_rest(n->path, 1);
}

enum err http_router_find(const struct http_router *r, enum http1_method method, struct str path,
                          struct arena *a, struct str ret_params[HTTP_PARAMS_MAX],
                          const struct http_route **ret_route, char ret_allow[HTTP_ALLOW_MAX])
{
    const struct node *plain = plain_find(r, path);
    if (plain != NULL && plain->by_method[method] != NULL) {
        *ret_route = plain->by_method[method];
        return OK;
    }
    bool allowed[HTTP1_METHOD__COUNT] = {false};
    bool any = false;
    for (size_t i = 0; i < r->nodes_n; i++) {
        const struct node *n = &r->nodes[i];
        struct str raw[HTTP_PARAMS_MAX] = {{0}};
        if (node_is_last_resort(n) && (any || n->by_method[method] == NULL))
            break;
        if (n->plain ? n != plain : !node_matches(n, path, raw))
            continue;
        if (n->by_method[method] != NULL) {
            enum err e = params_decode(raw, a, ret_params);
            if (e == OK)
                *ret_route = n->by_method[method];
            return e;
        }
        any = true;
        for (int m = 0; m < HTTP1_OTHER; m++)
            allowed[m] |= n->by_method[m] != NULL;
    }
    if (!any)
        return ERR_NOT_FOUND;
    allow_text(allowed, ret_allow);
    return ERR_METHOD_NOT_ALLOWED;
}

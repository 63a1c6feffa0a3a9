/* Files, pages and the headers that go with them. */
#include "console/console.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "console/files.h"

#include <string.h>

#define RENDERED_MAX (64u * 1024)
#define RENDERED_N 2
#define POLICY_MAX 2048
#define COLOR_OWN "#2f5bea"

/* The files that bear the brand: the page itself and its icon. */
static const char *const rendered_paths[RENDERED_N] = {"/index.html", "/icon.svg"};

struct rendered {
    struct buf body;
    char etag[2 * CRYPTO_HASH_LEN + 3];
};

struct console {
    struct rendered rendered[RENDERED_N];
    struct buf policy; /* the pages' content security policy, a header line */
};

static void policy_write(struct buf *b, struct str logo_url);

/* ---- the brand ---- */

static bool color_is_sane(struct str color)
{
    if (color.n != 7 || color.p[0] != '#')
        return false;
    for (size_t i = 1; i < color.n; i++)
        if (str_hex_digit(color.p[i]) < 0)
            return false;
    return true;
}

/* %BRAND% and %COLOR% in `text`, replaced. */
static void render(struct rendered *r, struct str text, struct str brand, struct str color)
{
    uint8_t hash[CRYPTO_HASH_LEN];
    char hex[2 * CRYPTO_HASH_LEN + 1];
    buf_init(&r->body, RENDERED_MAX);
    while (text.n != 0) {
        size_t at = str_index(text, '%');
        buf_add(&r->body, str_upto(text, at));
        text = str_from(text, at);
        if (str_starts(text, STR("%BRAND%"))) {
            buf_html(&r->body, brand);
            text = str_from(text, 7);
        } else if (str_starts(text, STR("%COLOR%"))) {
            buf_add(&r->body, color);
            text = str_from(text, 7);
        } else if (text.n != 0) {
            buf_byte(&r->body, '%');
            text = str_from(text, 1);
        }
    }
    must(buf_check(&r->body) == OK); /* a page of ours and a name that the configuration bounds */
    crypto_sha256(buf_str(&r->body), hash);
    struct str etag = crypto_hex(hash, sizeof(hash), hex);
    r->etag[0] = '"';
    memcpy(r->etag + 1, etag.p, 24);
    memcpy(r->etag + 25, "\"", 2);
}

static struct str bytes_of(const struct console_file *f)
{
    return str_of(f->bytes, (size_t)(f->bytes_end - f->bytes));
}

static const struct console_file *file_find(struct str path)
{
    size_t low = 0, high = console_files_n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = str_cmp(str_c(console_files[mid].path), path);
        if (order == 0)
            return &console_files[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

struct console *console_new(struct str brand, struct str color, struct str logo_url)
{
    struct console *c = mem_zalloc(sizeof(*c));
    if (!color_is_sane(color))
        color = STR(COLOR_OWN);
    for (size_t i = 0; i < RENDERED_N; i++) {
        const struct console_file *f = file_find(str_c(rendered_paths[i]));
        render(&c->rendered[i], f != NULL ? bytes_of(f) : STR(""), brand, color);
    }
    policy_write(&c->policy, logo_url);
    return c;
}

void console_free(struct console **c)
{
    if (*c == NULL)
        return;
    for (size_t i = 0; i < RENDERED_N; i++)
        buf_fini(&(*c)->rendered[i].body);
    buf_fini(&(*c)->policy);
    mem_free(*c);
    *c = NULL;
}

/* ---- what is where ---- */

static const char *content_type(struct str path)
{
    static const struct {
        const char *suffix, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".woff2", "font/woff2"},
        {".json", "application/json"},
        {".webmanifest", "application/manifest+json"},
        {".txt", "text/plain; charset=utf-8"},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (str_ends(path, str_c(types[i].suffix)))
            return types[i].type;
    return "application/octet-stream";
}

bool console_path_is_api(struct str path)
{
    static const char *const prefixes[] = {"/v1", "/api", "/me", "/platform", "/sandbox"};
    static const char *const plain[] = {"/keys/validate", "/keys/list", "/keys/rotate", "/health",
                                        "/ready",         "/metrics",   "/openapi.json"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
        struct str prefix = str_c(prefixes[i]);
        if (str_starts(path, prefix) && (path.n == prefix.n || path.p[prefix.n] == '/'))
            return true;
    }
    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
        if (str_eq(path, str_c(plain[i])))
            return true;
    return false;
}

/* "/admin/jobs/:id" and the like. */
static bool page_fits(struct str pattern, struct str path)
{
    while (pattern.n != 0 || path.n != 0) {
        struct str a = str_cut(&pattern, '/'), b = str_cut(&path, '/');
        bool any = str_starts(a, STR(":"));
        if (any ? b.n == 0 : !str_eq(a, b))
            return false;
    }
    return true;
}

static bool is_page(struct str path)
{
    for (size_t i = 0; console_pages[i] != NULL; i++)
        if (page_fits(str_c(console_pages[i]), path))
            return true;
    return false;
}

/* Is `what` in a comma list of a header, without being refused by q=0? */
static bool list_has(struct str list, struct str what)
{
    while (list.n != 0) {
        struct str one = str_cut(&list, ',');
        struct str name = str_trim(str_cut(&one, ';'));
        struct str q = str_trim(one);
        if (str_eq_nocase(name, what))
            return !str_eq(q, STR("q=0")) && !str_starts(q, STR("q=0.000"));
    }
    return false;
}

static bool etag_is_known(struct str if_none_match, struct str etag)
{
    while (if_none_match.n != 0) {
        struct str one = str_trim(str_cut(&if_none_match, ','));
        if (str_starts(one, STR("W/")))
            one = str_from(one, 2);
        if (str_eq(one, etag) || str_eq(one, STR("*")))
            return true;
    }
    return false;
}

static void answer_with(const struct console *c, const struct console_file *f,
                        const struct console_ask *ask, struct console_answer *a)
{
    struct str path = str_c(f->path);
    *a = (struct console_answer){.status = 200, .content_type = content_type(path)};
    a->for_ever = str_starts(path, STR("/assets/"));
    a->body = bytes_of(f);
    a->etag = str_c(f->etag);
    for (size_t i = 0; i < RENDERED_N; i++) {
        if (strcmp(f->path, rendered_paths[i]) != 0)
            continue;
        a->body = buf_str(&c->rendered[i].body);
        a->etag = str_c(c->rendered[i].etag);
        return;
    }
    if (f->zip != NULL && list_has(ask->accept_encoding, STR("gzip"))) {
        a->zipped = true;
        a->body = str_of(f->zip, (size_t)(f->zip_end - f->zip));
    }
}

bool console_find(const struct console *c, const struct console_ask *ask,
                  struct console_answer *ret_answer)
{
    if (console_path_is_api(ask->path))
        return false;
    const struct console_file *f = file_find(ask->path);
    int status = 200;
    if (f == NULL) {
        bool page = is_page(ask->path);
        if (!page && !list_has(ask->accept, STR("text/html")))
            return false;
        status = page ? 200 : 404;
        f = file_find(STR("/index.html"));
    }
    if (f == NULL)
        return false;
    answer_with(c, f, ask, ret_answer);
    ret_answer->status = status;
    if (status == 200 && etag_is_known(ask->if_none_match, ret_answer->etag)) {
        ret_answer->status = 304;
        ret_answer->body = STR("");
    }
    return true;
}

/* ---- on the wire ---- */

static struct str header_or_empty(const struct http_exchange *x, struct str name)
{
    struct str value = http_header(x, name);
    return value.p != NULL ? value : STR("");
}

static void ready(void *arg, struct http_exchange *x)
{
    const struct console *c = arg;
    struct console_answer a;
    struct console_ask ask = {
        .path = http_request_of(x)->path,
        .accept = header_or_empty(x, STR("accept")),
        .accept_encoding = header_or_empty(x, STR("accept-encoding")),
        .if_none_match = header_or_empty(x, STR("if-none-match")),
    };
    if (!console_find(c, &ask, &a)) {
        http_error(x, ERR_NOT_FOUND, STR(""), STR(""), STR(""));
        return;
    }
    http_start(x, a.status);
    http_set(x, STR("Cache-Control"),
             a.for_ever ? STR("public, max-age=31536000, immutable") : STR("no-cache"));
    http_set(x, STR("Vary"), STR("Accept-Encoding"));
    if (a.status != 404)
        http_set(x, STR("ETag"), a.etag);
    if (a.zipped)
        http_set(x, STR("Content-Encoding"), STR("gzip"));
    http_body(x, a.status == 304 ? STR("") : str_c(a.content_type), a.body);
}

static struct http_route route(struct console *c, const char *path)
{
    return (struct http_route){
        .method = "GET", .path = path, .lane = HTTP_FAST, .ready = ready, .arg = c};
}

struct http_route console_route_home(struct console *c)
{
    return route(c, "/");
}

struct http_route console_route(struct console *c)
{
    return route(c, "/{path*}");
}

/* ---- headers ---- */

/* "https://cdn.example.com" of a URL there; empty when a policy could not name it. */
static struct str origin_of(struct str url)
{
    size_t scheme = str_starts(url, STR("https://")) ? 8 : str_starts(url, STR("http://")) ? 7 : 0;
    size_t n = scheme;
    while (n < url.n && url.p[n] != '/' && url.p[n] != '?' && url.p[n] != '#')
        n++;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)url.p[i] <= ' ' || strchr("\"';,", url.p[i]) != NULL)
            return STR("");
    return scheme != 0 && n > scheme ? str_upto(url, n) : STR("");
}

/* Styles inline, because the dialogs' scroll lock writes a <style>; scripts never. */
static void policy_write(struct buf *b, struct str logo_url)
{
    struct str logo = origin_of(logo_url);
    buf_init(b, POLICY_MAX);
    buf_add(b, STR("Content-Security-Policy: default-src 'none'; script-src 'self'; "
                   "style-src 'self' 'unsafe-inline'; font-src 'self'; connect-src 'self'; "
                   "manifest-src 'self'; base-uri 'none'; form-action 'self'; "
                   "frame-ancestors 'none'; img-src 'self' data:"));
    if (logo.n != 0 && logo.n < POLICY_MAX / 2) {
        buf_byte(b, ' ');
        buf_add(b, logo);
    }
    buf_add(b, STR("\r\n"));
    must(buf_check(b) == OK);
}

void console_headers(const struct console *c, struct str path, bool https, struct buf *lines)
{
    buf_add(lines, STR("X-Content-Type-Options: nosniff\r\n"));
    if (https)
        buf_add(lines, STR("Strict-Transport-Security: max-age=31536000\r\n"));
    if (str_starts(path, STR("/v1/")))
        return;
    buf_add(lines, STR("Referrer-Policy: no-referrer\r\n"
                       "X-Frame-Options: DENY\r\n"
                       "Cross-Origin-Opener-Policy: same-origin\r\n"
                       "Permissions-Policy: camera=(), microphone=(), geolocation=(), payment=(), "
                       "usb=()\r\n"));
    if (console_path_is_api(path))
        buf_add(lines, STR("Content-Security-Policy: default-src 'none'; "
                           "frame-ancestors 'none'\r\n"));
    else
        buf_add(lines, buf_str(&c->policy));
}

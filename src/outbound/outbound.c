/* One call by libcurl, and the guard on the connected address. */
#include "outbound/outbound.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#define HEADERS_BYTES_MAX (64u * 1024)

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_library(void)
{
    must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

/* IPv4 blocks that are not public unicast (IANA special-purpose registry, RFC 6890). */
static bool ipv4_is_public(uint32_t a)
{
    static const struct {
        uint32_t net;
        unsigned bits;
    } blocks[] = {{0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},
                  {0xA9FE0000, 16}, {0xAC100000, 12}, {0xC0000000, 24}, {0xC0000200, 24},
                  {0xC0586300, 24}, {0xC0A80000, 16}, {0xC6120000, 15}, {0xC6336400, 24},
                  {0xCB007100, 24}, {0xE0000000, 4},  {0xF0000000, 4}};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        if (a >> (32 - blocks[i].bits) == blocks[i].net >> (32 - blocks[i].bits))
            return false;
    return true;
}

bool outbound_address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        return ipv4_is_public(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family != AF_INET6)
        return false;
    struct sockaddr_in6 in6;
    memcpy(&in6, address, sizeof(in6));
    const uint8_t *b = in6.sin6_addr.s6_addr;
    /* Embedded IPv4: mapped (::ffff/96), NAT64 (64:ff9b::/96) and 6to4 (2002::/16). */
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    static const uint8_t nat64[12] = {0, 0x64, 0xFF, 0x9B};
    if (memcmp(b, mapped, 12) == 0 || memcmp(b, nat64, 12) == 0)
        return ipv4_is_public((uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 |
                              b[15]);
    if (b[0] == 0x20 && b[1] == 0x02)
        return ipv4_is_public((uint32_t)b[2] << 24 | (uint32_t)b[3] << 16 | (uint32_t)b[4] << 8 |
                              b[5]);
    if (b[0] == 0x20 && b[1] == 0x01 && (b[2] == 0x0D || (b[2] | b[3]) == 0))
        return false; /* documentation, Teredo */
    return (b[0] & 0xE0) == 0x20; /* global unicast is 2000::/3 */
}

static curl_socket_t open_guarded(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    bool *refused = arg;
    (void)purpose;
    if (!outbound_address_is_public(&a->addr)) {
        *refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

struct taking {
    const struct outbound_request *request;
    struct outbound_answer *answer;
    CURL *handle;
};

static size_t take(char *p, size_t size, size_t n, void *arg)
{
    struct taking *t = arg;
    struct str bytes = str_of(p, size * n);
    long status = 0;
    curl_easy_getinfo(t->handle, CURLINFO_RESPONSE_CODE, &status);
    if (t->request->on_bytes != NULL && status >= 200 && status < 300) {
        t->request->on_bytes(t->request->arg, bytes);
        return bytes.n;
    }
    buf_add(&t->answer->body, bytes);
    return t->answer->body.over ? 0 : bytes.n;
}

static size_t take_header(char *p, size_t size, size_t n, void *arg)
{
    struct taking *t = arg;
    struct str line = str_of(p, size * n);
    if (str_starts(line, STR("HTTP/")))
        buf_reset(&t->answer->headers);
    buf_add(&t->answer->headers, line);
    return line.n;
}

void outbound_answer_fini(struct outbound_answer *a)
{
    buf_fini(&a->headers);
    buf_fini(&a->body);
}

static bool name_fits(struct str name, struct str wanted, bool ending)
{
    if (ending && name.n > wanted.n)
        name = str_from(name, name.n - wanted.n);
    return str_eq_nocase(name, wanted);
}

static struct str find_header(const struct outbound_answer *a, struct str wanted, bool ending)
{
    struct str rest = buf_str(&a->headers);
    while (rest.n != 0) {
        struct str line = str_cut(&rest, '\n');
        struct str key = str_cut(&line, ':');
        if (name_fits(key, wanted, ending)) {
            if (line.n != 0 && line.p[line.n - 1] == '\r')
                line.n--;
            return str_trim(line);
        }
    }
    return STR("");
}

struct str outbound_header(const struct outbound_answer *a, struct str name)
{
    return find_header(a, name, false);
}

struct str outbound_header_ending(const struct outbound_answer *a, struct str ending)
{
    return find_header(a, ending, true);
}

static enum err err_of(CURLcode code, bool refused)
{
    if (refused)
        return ERR_FORBIDDEN;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ERR_UPSTREAM_TIMEOUT;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
        code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION)
        return ERR_UPSTREAM_UNAVAILABLE;
    return ERR_UPSTREAM_ERROR;
}

static void set_up(CURL *h, const struct outbound_request *r, struct curl_slist *headers,
                   struct taking *taking, char *error)
{
    curl_easy_setopt(h, CURLOPT_URL, r->url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, r->method);
    if (strcmp(r->method, "HEAD") == 0)
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    if (r->body.n != 0) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, r->body.p);
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
    }
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, taking);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, taking);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "tollgate");
    if (r->ca_file != NULL)
        curl_easy_setopt(h, CURLOPT_CAINFO, r->ca_file);
    if (r->unix_socket != NULL)
        curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, r->unix_socket);
}

enum err outbound_call(const struct outbound_request *r, struct outbound_answer *ret_answer,
                       char ret_why[OUTBOUND_WHY_MAX])
{
    char error[CURL_ERROR_SIZE] = "";
    bool refused = false;
    pthread_once(&once, init_library);
    buf_init(&ret_answer->body, r->body_bytes_max);
    buf_init(&ret_answer->headers, HEADERS_BYTES_MAX);
    ret_answer->status = 0;
    CURL *h = curl_easy_init();
    must(h != NULL);
    struct curl_slist *headers = NULL;
    for (size_t i = 0; r->headers != NULL && r->headers[i] != NULL; i++) {
        struct curl_slist *more = curl_slist_append(headers, r->headers[i]);
        must(more != NULL);
        headers = more;
    }
    struct taking taking = {r, ret_answer, h};
    set_up(h, r, headers, &taking, error);
    if (r->guarded) {
        /* Behind a proxy the guard would look at the proxy's address. */
        curl_easy_setopt(h, CURLOPT_PROXY, "");
        curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, open_guarded);
        curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, &refused);
    }
    CURLcode code = curl_easy_perform(h);
    long status = 0;
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(h);
    if (code != CURLE_OK) {
        snprintf(ret_why, OUTBOUND_WHY_MAX, "%s",
                 refused            ? "the address is not public"
                 : error[0] != '\0' ? error
                                    : curl_easy_strerror(code));
        return err_of(code, refused);
    }
    ret_answer->status = (int)status;
    return OK;
}

/* A customer's server and key, and plain requests to it. */
#include "cli/cli.h"
#include "outbound/outbound.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define BODY_MAX (64u << 20)
#define TIMEOUT_MS 60000

static int on_value(void *arg, const char *section, const char *key, const char *value)
{
    struct cli_server *s = arg;
    if (strcmp(section, "client") != 0)
        return 1;
    if (strcmp(key, "url") == 0)
        snprintf(s->url, sizeof(s->url), "%s", value);
    if (strcmp(key, "api_key") == 0)
        snprintf(s->key, sizeof(s->key), "%s", value);
    return 1;
}

void cli_config_path(char *path, size_t size)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (base != NULL && base[0] == '/')
        snprintf(path, size, "%s/tollgate/config", base);
    else
        snprintf(path, size, "%s/.config/tollgate/config", home != NULL ? home : "");
}

void cli_config_read(const char *path, struct cli_server *s)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return;
    if ((st.st_mode & 077) != 0)
        fprintf(stderr, "tollgate: %s can be read by others; run: chmod 600 %s\n", path, path);
    if (ini_parse(path, on_value, s) != 0)
        fprintf(stderr, "tollgate: %s is not as expected: [client], url = …, api_key = …\n", path);
}

bool cli_server_find(struct cli_server *s, bool needs_key)
{
    const char *url = getenv("TOLLGATE_URL"), *key = getenv("TOLLGATE_API_KEY");
    char path[1024];
    *s = (struct cli_server){.url = "http://127.0.0.1:8787"};
    cli_config_path(path, sizeof(path));
    cli_config_read(path, s);
    if (url != NULL && url[0] != '\0')
        snprintf(s->url, sizeof(s->url), "%s", url);
    if (key != NULL && key[0] != '\0')
        snprintf(s->key, sizeof(s->key), "%s", key);
    size_t n = strlen(s->url);
    while (n > 0 && s->url[n - 1] == '/')
        s->url[--n] = '\0';
    if (needs_key && s->key[0] == '\0') {
        cli_fail("no API key: run 'tollgate login', or set TOLLGATE_API_KEY");
        return false;
    }
    return true;
}

void cli_explain(int status, struct str body, const char *url)
{
    static const char *const message_path[] = {"error", "message", NULL};
    static const char *const field_path[] = {"error", "field", NULL};
    static const char *const url_path[] = {"error", "top_up_url", NULL};
    struct arena a;
    size_t offset;
    struct str message = STR(""), field = STR(""), top_up = STR("");
    arena_init(&a, 4096, 1u << 20);
    if (json_check(body, &offset) == OK) {
        if (json_string(&a, json_path(body, message_path), &message) != OK)
            message = STR("");
        if (json_string(&a, json_path(body, field_path), &field) != OK)
            field = STR("");
        if (json_string(&a, json_path(body, url_path), &top_up) != OK)
            top_up = STR("");
    }
    if (status == 402)
        cli_fail("%.*s\nTop up at %.*s", STR_ARG(message),
                 STR_ARG(top_up.n != 0 ? top_up : str_c(url)));
    else if (message.n != 0)
        cli_fail("%.*s%s%.*s (HTTP %d)", STR_ARG(field), field.n != 0 ? ": " : "", STR_ARG(message),
                 status);
    else
        cli_fail("%s answered HTTP %d", url, status);
    arena_fini(&a);
}

static enum err request(const struct cli_server *s, const char *method, const char *path,
                        struct str body, struct outbound_answer *a, char why[OUTBOUND_WHY_MAX])
{
    char url[1024], auth[256];
    snprintf(url, sizeof(url), "%s%s", s->url, path);
    snprintf(auth, sizeof(auth), "Authorization: Bearer %s", s->key);
    const char *const headers[] = {"Content-Type: application/json",
                                   s->key[0] != '\0' ? auth : NULL, NULL};
    struct outbound_request rq = {.method = method,
                                  .url = url,
                                  .headers = headers,
                                  .body = body,
                                  .timeout_ms = TIMEOUT_MS,
                                  .body_bytes_max = BODY_MAX};
    return outbound_call(&rq, a, why);
}

bool cli_request(const struct cli_server *s, const char *method, const char *path, struct str body,
                 struct buf *ret_body, int *ret_status)
{
    char why[OUTBOUND_WHY_MAX] = "";
    struct outbound_answer a;
    enum err e = request(s, method, path, body, &a, why);
    if (e == OK) {
        *ret_status = a.status;
        buf_add(ret_body, buf_str(&a.body));
    }
    outbound_answer_fini(&a);
    return e == OK;
}

bool cli_api(const struct cli_server *s, const char *method, const char *path, struct str body,
             struct buf *ret_body)
{
    char why[OUTBOUND_WHY_MAX] = "";
    struct outbound_answer a;
    enum err e = request(s, method, path, body, &a, why);
    bool ok = e == OK && a.status >= 200 && a.status < 300;
    if (e != OK)
        cli_fail("%s cannot be reached: %s; is it running? TOLLGATE_URL names another", s->url,
                 why);
    else if (!ok)
        cli_explain(a.status, buf_str(&a.body), s->url);
    else
        buf_add(ret_body, buf_str(&a.body));
    outbound_answer_fini(&a);
    return ok;
}

bool cli_api_maybe(const struct cli_server *s, const char *path, struct buf *ret_body)
{
    char why[OUTBOUND_WHY_MAX] = "";
    struct outbound_answer a;
    bool ok = request(s, "GET", path, STR(""), &a, why) == OK && a.status == 200;
    if (ok)
        buf_add(ret_body, buf_str(&a.body));
    outbound_answer_fini(&a);
    return ok;
}

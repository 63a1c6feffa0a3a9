/* `tollgate login` and `logout`: a key by the device flow (RFC 8628), kept in the user's
 * configuration. */
#include "cli/login.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "codec/url.h"
#include "outbound/outbound.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (64u * 1024)
#define TIMEOUT_MS 30000
#define PATH_LEN 1100
#define INTERVAL_S_MAX 60
#define UNREACHED_MAX 5 /* in a row */

/* ---- the file ---- */

static bool write_all(int fd, struct str s)
{
    while (s.n != 0) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = str_from(s, (size_t)n);
    }
    return fsync(fd) == 0;
}

/* Made with mode 0600 and put in place whole. */
static bool write_config(const struct cli_server *s, const char *path)
{
    char dir[PATH_LEN], temp[PATH_LEN + 16];
    struct buf b;
    snprintf(dir, sizeof(dir), "%s", path);
    for (char *p = dir + 1; *p != '\0'; p++)
        if (*p == '/') {
            *p = '\0';
            (void)mkdir(dir, 0700);
            *p = '/';
        }
    snprintf(temp, sizeof(temp), "%s.%ld", path, (long)getpid());
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    buf_init(&b, 4096);
    buf_printf(&b, "[client]\nurl = %s\napi_key = %s\n", s->url, s->key);
    bool ok = fchmod(fd, 0600) == 0 && write_all(fd, buf_str(&b));
    ok = close(fd) == 0 && ok;
    mem_wipe(b.p, b.n);
    buf_fini(&b);
    if (ok && rename(temp, path) == 0)
        return true;
    (void)unlink(temp);
    return false;
}

/* ---- the server ---- */

/* A form, as the RFC wants it; the answer's status, 0 when there was none (said why). */
static int post_form(const struct cli_server *s, const char *path, struct str form,
                     struct buf *ret_body, char why[OUTBOUND_WHY_MAX])
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    char url[1024];
    struct outbound_answer a;
    snprintf(url, sizeof(url), "%s%s", s->url, path);
    struct outbound_request rq = {.method = "POST",
                                  .url = url,
                                  .headers = headers,
                                  .body = form,
                                  .timeout_ms = TIMEOUT_MS,
                                  .body_bytes_max = ANSWER_MAX};
    buf_reset(ret_body);
    int status = outbound_call(&rq, &a, why) == OK ? a.status : 0;
    size_t offset;
    if (status != 0)
        buf_add(ret_body, buf_str(&a.body));
    if (status != 0 && json_check(buf_str(ret_body), &offset) != OK)
        buf_reset(ret_body);
    outbound_answer_fini(&a);
    return status;
}

static struct str member(struct arena *a, const struct buf *json, const char *name)
{
    struct str s;
    struct str object = json_trim(buf_str(json));
    return json_string(a, json_get(object, str_c(name)), &s) == OK ? arena_dup(a, s) : STR("");
}

static int64_t number(const struct buf *json, const char *name, int64_t fallback)
{
    int64_t n;
    struct str object = json_trim(buf_str(json));
    return json_int(json_get(object, str_c(name)), 1, 86400, &n) == OK ? n : fallback;
}

/* ---- the browser ---- */

/* Nothing that a terminal or a file's next line would obey. */
static bool is_plain(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7F)
            return false;
    return text[0] != '\0';
}

/* Only an address that is one goes to another program, and as one argument. */
static bool is_plain_url(const char *url)
{
    struct url u;
    const char *why;
    return is_plain(url) && url_parse(str_c(url), &u, &why) == OK;
}

NORETURN static void run_browser(const char *url, int told)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0 && setsid() >= 0 && dup2(null, 0) == 0 && dup2(null, 1) == 1 &&
        dup2(null, 2) == 2) {
        char program[] = "xdg-open", *copy = mem_dup(url, strlen(url));
        execvp(program, (char *[]){program, copy, NULL});
    }
    (void)!write(told, "", 1);
    _exit(127);
}

static bool open_browser(const char *url)
{
    const char *x11 = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    if (((x11 == NULL || x11[0] == '\0') && (wayland == NULL || wayland[0] == '\0')) ||
        !is_plain_url(url))
        return false;
    /* Its own process, for as long as it likes: some browsers stay until they are closed. What is
     * written to the pipe is that it could not be run. */
    int told[2];
    char failed;
    if (pipe2(told, O_CLOEXEC) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0)
            run_browser(url, told[1]);
        _exit(0);
    }
    (void)close(told[1]);
    bool opened = pid > 0 && waitpid(pid, NULL, 0) == pid && read(told[0], &failed, 1) == 0;
    (void)close(told[0]);
    return opened;
}

/* ---- login ---- */

struct login {
    struct cli_args *args;
    struct cli_server server;
    struct arena arena;
    struct buf body;
    struct str device_code, uri, uri_complete, user_code;
    int64_t interval_s, until_us;
    char why[OUTBOUND_WHY_MAX];
};

static int begin(struct login *l)
{
    char host[128] = "";
    const char *name = cli_value(l->args, "name");
    struct buf form;
    (void)gethostname(host, sizeof(host) - 1);
    buf_init(&form, 4096);
    buf_add(&form, STR("client_id=tollgate-cli&name="));
    url_encode(str_c(name != NULL ? name : host[0] != '\0' ? host : "command line"), &form);
    int status = post_form(&l->server, "/api/auth/device", buf_str(&form), &l->body, l->why);
    buf_fini(&form);
    if (status == 0)
        return cli_fail("%s cannot be reached: %s; is it running? --url names another",
                        l->server.url, l->why);
    if (status != 200) {
        cli_explain(status, buf_str(&l->body), l->server.url);
        return CLI_FAILED;
    }
    l->device_code = member(&l->arena, &l->body, "device_code");
    l->user_code = member(&l->arena, &l->body, "user_code");
    l->uri = member(&l->arena, &l->body, "verification_uri");
    l->uri_complete = member(&l->arena, &l->body, "verification_uri_complete");
    l->interval_s = number(&l->body, "interval", 5);
    l->until_us = clock_mono_us() + number(&l->body, "expires_in", 600) * US_PER_S;
    if (l->device_code.n == 0 || !is_plain(l->user_code.p) || !is_plain_url(l->uri.p))
        return cli_fail("%s answered something that is no device code", l->server.url);
    return CLI_DONE;
}

static void tell(struct login *l)
{
    bool opened = !cli_flag(l->args, "no-browser") && l->uri_complete.n != 0 &&
                  open_browser(l->uri_complete.p);
    fprintf(stderr,
            opened ? "Your browser shows a page that asks about this code:\n\n    %s\n\n"
                     "If it does not, open %s\n\n"
                   : "Open this page in a browser, here or elsewhere, and enter the code\n\n"
                     "    %s\n\n    %s\n\n",
            opened ? l->user_code.p : l->uri.p, opened ? l->uri.p : l->user_code.p);
    fputs("Waiting until it is approved; Ctrl-C ends this.\n", stderr);
}

static void wait_s(int64_t s)
{
    struct timespec t = {.tv_sec = s};
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

/* Asks as often as it is welcome (RFC 8628 §3.5), until there is an answer. */
static int await_key(struct login *l)
{
    struct buf form;
    int unreached = 0, result = CLI_FAILED;
    buf_init(&form, 4096);
    buf_add(&form, STR("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&"
                       "client_id=tollgate-cli&device_code="));
    url_encode(l->device_code, &form);
    for (;;) {
        wait_s(l->interval_s);
        int status = post_form(&l->server, "/api/auth/token", buf_str(&form), &l->body, l->why);
        struct str error = member(&l->arena, &l->body, "error");
        unreached = status == 0 || status >= 500 || status == 429 ? unreached + 1 : 0;
        if (status == 200) {
            result = CLI_DONE;
            break;
        }
        if (str_eq(error, STR("slow_down")) && l->interval_s < INTERVAL_S_MAX)
            l->interval_s += 5;
        bool goes_on = unreached != 0 || str_eq(error, STR("slow_down")) ||
                       str_eq(error, STR("authorization_pending"));
        if (goes_on && unreached < UNREACHED_MAX && clock_mono_us() < l->until_us)
            continue;
        if (unreached != 0)
            cli_fail("%s cannot be reached any more%s%s", l->server.url, l->why[0] ? ": " : "",
                     l->why);
        else if (str_eq(error, STR("access_denied")))
            cli_fail("This was declined in the browser.");
        else
            cli_fail("Nobody approved it in time. Run 'tollgate login' again.");
        break;
    }
    mem_wipe(form.p, form.n);
    buf_fini(&form);
    return result;
}

static void revoke_old(const struct cli_server *old)
{
    struct buf body;
    char path[128];
    int status = 0;
    if (old->key[0] == '\0')
        return;
    buf_init(&body, ANSWER_MAX);
    if (cli_request(old, "GET", "/me", STR(""), &body, &status) && status == 200) {
        struct arena a;
        arena_init(&a, 1024, ANSWER_MAX);
        struct str id = member(&a, &body, "key_id");
        snprintf(path, sizeof(path), "/api/keys/%.*s/revoke", STR_ARG(id));
        buf_reset(&body);
        (void)cli_request(old, "POST", path, STR("{}"), &body, &status);
        arena_fini(&a);
    }
    buf_fini(&body);
}

static int keep(struct login *l)
{
    char path[PATH_LEN];
    struct cli_server old = {.url = ""};
    struct str key = member(&l->arena, &l->body, "access_token");
    struct str email = member(&l->arena, &l->body, "email");
    if (!is_plain(key.p) || key.n >= sizeof(l->server.key))
        return cli_fail("%s answered without a key", l->server.url);
    cli_config_path(path, sizeof(path));
    cli_config_read(path, &old);
    memcpy(l->server.key, key.p, key.n + 1);
    if (!write_config(&l->server, path)) {
        int e = errno;
        revoke_old(&l->server); /* nobody would find it again */
        return cli_fail("%s cannot be written: %s", path, strerror(e));
    }
    if (strcmp(old.url, l->server.url) == 0)
        revoke_old(&old);
    if (l->args->json) {
        struct buf out;
        buf_init(&out, ANSWER_MAX);
        buf_byte(&out, '{');
        buf_json_member(&out, "email", email);
        buf_json_member(&out, "team_id", member(&l->arena, &l->body, "team_id"));
        buf_json_member(&out, "key_id", member(&l->arena, &l->body, "key_id"));
        buf_json_member(&out, "url", str_c(l->server.url));
        buf_json_member(&out, "file", str_c(path));
        buf_byte(&out, '}');
        cli_print(l->args, buf_str(&out));
        buf_fini(&out);
    } else {
        printf("Signed in as %.*s. The key is in %s\n", STR_ARG(email), path);
    }
    if (getenv("TOLLGATE_API_KEY") != NULL)
        fputs("TOLLGATE_API_KEY is set, and wins over it.\n", stderr);
    return CLI_DONE;
}

int cli_run_login(struct cli_args *a)
{
    struct login l = {.args = a};
    const char *url = cli_value(a, "url");
    (void)cli_server_find(&l.server, false);
    if (url != NULL) {
        size_t n = strlen(url);
        while (n > 0 && url[n - 1] == '/')
            n--;
        if (n >= sizeof(l.server.url) || !is_plain_url(url))
            return cli_wrong_usage(a, "--url takes an address such as https://api.example.com");
        snprintf(l.server.url, sizeof(l.server.url), "%.*s", (int)n, url);
    }
    mem_wipe(l.server.key, sizeof(l.server.key));
    arena_init(&l.arena, 4096, 4u << 20);
    buf_init(&l.body, ANSWER_MAX);
    int result = begin(&l);
    if (result == CLI_DONE) {
        tell(&l);
        result = await_key(&l);
    }
    if (result == CLI_DONE)
        result = keep(&l);
    mem_wipe(l.server.key, sizeof(l.server.key));
    buf_fini(&l.body);
    arena_fini(&l.arena);
    return result;
}

/* ---- logout ---- */

int cli_run_logout(struct cli_args *a)
{
    char path[PATH_LEN], revoke[128];
    struct cli_server s = {.url = ""};
    struct buf body;
    struct arena arena;
    int status = 0;
    cli_config_path(path, sizeof(path));
    cli_config_read(path, &s);
    if (s.key[0] == '\0')
        return cli_fail("There is no key in %s: nobody is signed in.", path);
    buf_init(&body, ANSWER_MAX);
    arena_init(&arena, 1024, ANSWER_MAX);
    bool reached = cli_request(&s, "GET", "/me", STR(""), &body, &status);
    if (reached && status == 200) {
        struct str id = member(&arena, &body, "key_id");
        snprintf(revoke, sizeof(revoke), "/api/keys/%.*s/revoke", STR_ARG(id));
        buf_reset(&body);
        reached = cli_request(&s, "POST", revoke, STR("{}"), &body, &status);
    }
    arena_fini(&arena);
    buf_fini(&body);
    /* 401: it was ended already, elsewhere. */
    if (!reached || (status != 200 && status != 401))
        return cli_fail("The key could not be revoked at %s, so it stays in %s. Try again.", s.url,
                        path);
    if (unlink(path) != 0)
        return cli_fail("The key is revoked, but %s cannot be removed: %s", path, strerror(errno));
    if (a->json)
        cli_print(a, STR("{\"ok\":true}"));
    else
        printf("Signed out: the key is revoked, and %s is gone.\n", path);
    return CLI_DONE;
}

/* Reading the configuration file. */
#include "app/config.h"
#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <sys/stat.h>

#define LINE_BYTES_MAX 1000 /* inih cuts longer lines without a word */

enum type { T_STR, T_BOOL, T_INT, T_SIZE, T_TIME, T_USD, T_MODE, T_POLICY, T_SIGNUP };

static const struct row {
    const char *section, *key, *text, *hint;
    enum type type;
    size_t offset;
} rows[] = {
#define CONF(section, key, type, text, hint)                                                       \
    {#section, #key, text, hint, T_##type, offsetof(struct config, section##_##key)},
    CONF_TABLE(CONF)
#undef CONF
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* ---- values ---- */

static bool set_bool(struct str s, bool *v)
{
    bool yes = str_eq_nocase(s, STR("yes")) || str_eq_nocase(s, STR("true")) ||
               str_eq_nocase(s, STR("on")) || str_eq(s, STR("1"));
    bool no = str_eq_nocase(s, STR("no")) || str_eq_nocase(s, STR("false")) ||
              str_eq_nocase(s, STR("off")) || str_eq(s, STR("0"));
    *v = yes;
    return yes || no;
}

static bool set_int(struct str s, int64_t *v)
{
    uint64_t n;
    if (!str_to_u64(s, 1000000000, &n))
        return false;
    *v = (int64_t)n;
    return true;
}

static bool set_size(struct str s, int64_t *v)
{
    int64_t unit = 1;
    uint64_t n;
    if (s.n > 1 && strchr("KMGkmg", s.p[s.n - 1]) != NULL) {
        char c = (char)(s.p[s.n - 1] | 32);
        unit = c == 'k' ? 1 << 10 : c == 'm' ? 1 << 20 : 1 << 30;
        s.n--;
    }
    if (!str_to_u64(s, 1000000000, &n) || (int64_t)n > INT64_MAX / unit)
        return false;
    *v = (int64_t)n * unit;
    return true;
}

static bool set_time(struct str s, int64_t *v)
{
    uint64_t n;
    if (str_ends(s, STR("ms"))) {
        if (!str_to_u64(str_upto(s, s.n - 2), 1000000000, &n))
            return false;
        *v = (int64_t)n * US_PER_MS;
        return true;
    }
    return clock_parse_duration(s, v) == OK;
}

static bool set_mode(struct str s, enum gateway_durability *v)
{
    static const char *const name[] = {"strict", "overlap", "relaxed"};
    for (int i = 0; i < GATEWAY_DURABILITY__COUNT; i++)
        if (str_eq_nocase(s, str_c(name[i]))) {
            *v = (enum gateway_durability)i;
            return true;
        }
    return false;
}

static bool set_policy(struct str s, enum ledger_policy *v)
{
    static const char *const name[] = {"zero", "checkpoint", "estimate"};
    for (int i = 0; i < LEDGER_POLICY__COUNT; i++)
        if (str_eq_nocase(s, str_c(name[i]))) {
            *v = (enum ledger_policy)i;
            return true;
        }
    return false;
}

static bool set_signup(struct str s, enum control_signup *v)
{
    static const char *const name[] = {"open", "invitation", "closed"};
    for (int i = 0; i < CONTROL_SIGNUP__COUNT; i++)
        if (str_eq_nocase(s, str_c(name[i]))) {
            *v = (enum control_signup)i;
            return true;
        }
    return false;
}

static bool set_text(struct str s, char **v)
{
    if (!str_is_utf8(s))
        return false;
    mem_free(*v);
    *v = mem_dup(s.p, s.n);
    return true;
}

static bool set(struct config *c, const struct row *r, struct str s)
{
    void *at = (char *)c + r->offset;
    switch (r->type) {
    case T_STR: return set_text(s, at);
    case T_BOOL: return set_bool(s, at);
    case T_INT: return set_int(s, at);
    case T_SIZE: return set_size(s, at);
    case T_TIME: return set_time(s, at);
    case T_USD: return nano_parse(s, false, at) == OK && ((struct nano *)at)->v >= 0;
    case T_MODE: return set_mode(s, at);
    case T_POLICY: return set_policy(s, at);
    case T_SIGNUP: return set_signup(s, at);
    }
    return false;
}

static const char *type_words(enum type t)
{
    switch (t) {
    case T_STR: return "text in UTF-8";
    case T_BOOL: return "yes or no";
    case T_INT: return "a whole number";
    case T_SIZE: return "a size such as 512K, 8M or 1G";
    case T_TIME: return "a time such as 250ms, 90s, 15m or 12h";
    case T_USD: return "dollars such as 0.25";
    case T_MODE: return "strict, overlap or relaxed";
    case T_POLICY: return "checkpoint, estimate or zero";
    case T_SIGNUP: return "open, invitation or closed";
    }
    return "";
}

struct config *config_new(void)
{
    struct config *c = mem_zalloc(sizeof(*c));
    for (size_t i = 0; i < ROWS; i++)
        must(set(c, &rows[i], str_c(rows[i].text)));
    return c;
}

void config_free(struct config **c)
{
    for (size_t i = 0; *c != NULL && i < ROWS; i++)
        if (rows[i].type == T_STR)
            mem_free(*(char **)(void *)((char *)*c + rows[i].offset));
    mem_free(*c);
    *c = NULL;
}

/* ---- the file ---- */

struct reading {
    struct config *c;
    const char *file;
    struct buf *report;
    FILE *stream;
    int line;
    bool seen[ROWS];
    bool bad;
};

static bool section_exists(const char *section)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].section, section) == 0)
            return true;
    return false;
}

static void unknown_key(struct reading *r, const char *section, const char *key)
{
    r->bad = true;
    buf_printf(r->report, "%s:%d: ", r->file, r->line);
    if (section[0] == '\0')
        buf_printf(r->report, "'%s' stands before any [section]\n", key);
    else if (!section_exists(section))
        buf_printf(r->report,
                   "there is no section [%s]; 'tollgate check-config --example' shows all\n",
                   section);
    else
        buf_printf(r->report,
                   "there is no key '%s' in [%s]; 'tollgate check-config --example' shows all\n",
                   key, section);
}

static int on_value(void *arg, const char *section, const char *key, const char *value)
{
    struct reading *r = arg;
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].section, section) != 0 || strcmp(rows[i].key, key) != 0)
            continue;
        r->bad |= r->seen[i];
        if (r->seen[i])
            buf_printf(r->report, "%s:%d: '%s' in [%s] comes twice\n", r->file, r->line, key,
                       section);
        r->seen[i] = true;
        if (!set(r->c, &rows[i], str_trim(str_c(value)))) {
            r->bad = true;
            buf_printf(r->report, "%s:%d: %s = %s: must be %s (%s)\n", r->file, r->line, key, value,
                       type_words(rows[i].type), rows[i].hint);
        }
        return 1;
    }
    unknown_key(r, section, key);
    return 1;
}

/* Counts lines, so that mistakes have a place, and refuses those that inih would cut. */
static char *read_line(char *to, int size, void *arg)
{
    struct reading *r = arg;
    char line[LINE_BYTES_MAX + 2];
    if (fgets(line, sizeof(line), r->stream) == NULL)
        return NULL;
    r->line++;
    size_t n = strlen(line);
    if (n > LINE_BYTES_MAX || (int)n >= size) {
        r->bad = true;
        buf_printf(r->report, "%s:%d: the line is longer than %d bytes\n", r->file, r->line,
                   size - 2 < LINE_BYTES_MAX ? size - 2 : LINE_BYTES_MAX);
        while (n > 0 && line[n - 1] != '\n' && fgets(line, sizeof(line), r->stream) != NULL)
            n = strlen(line);
        to[0] = '\n';
        to[1] = '\0';
        return to;
    }
    memcpy(to, line, n + 1);
    return to;
}

enum err config_read(struct config *c, const char *file, struct buf *report)
{
    struct reading r = {.c = c, .file = file, .report = report};
    struct stat st;
    r.stream = stat(file, &st) == 0 && !S_ISDIR(st.st_mode) ? fopen(file, "re") : NULL;
    if (r.stream == NULL) {
        buf_printf(report, "%s: cannot be read: %s\n", file,
                   errno != 0 ? strerror(errno) : "it is a directory");
        return ERR_IO;
    }
    int bad_line = ini_parse_stream(read_line, &r, on_value, &r);
    fclose(r.stream);
    if (bad_line > 0) {
        r.bad = true;
        buf_printf(report, "%s:%d: neither '[section]' nor 'key = value'\n", file, bad_line);
    }
    return r.bad ? ERR_INVALID_REQUEST : OK;
}

/* ---- across keys ---- */

static bool is_prefix_of_keys(const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++)
        if (!(s[i] >= 'a' && s[i] <= 'z') && !(s[i] >= '0' && s[i] <= '9'))
            return false;
    return n >= 1 && n <= 8;
}

static bool is_header_prefix(const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++) {
        char l = (char)(s[i] | 32);
        if (!(l >= 'a' && l <= 'z') && !(s[i] >= '0' && s[i] <= '9') && s[i] != '-')
            return false;
    }
    return n >= 2 && n <= 32;
}

static bool is_color(const char *s)
{
    uint8_t rgb[3];
    return s[0] == '#' && crypto_unhex(str_c(s + 1), rgb, sizeof(rgb));
}

/* A path of this server or an https address, without what would end an attribute or a policy. */
static bool is_logo(const char *s)
{
    bool known = s[0] == '\0' || (s[0] == '/' && s[1] != '/') || strncmp(s, "https://", 8) == 0;
    return known && strpbrk(s, " \"'<>;,\\") == NULL;
}

static void check_brand(const struct config *c, struct buf *report)
{
    if (!is_prefix_of_keys(c->brand_key_prefix))
        buf_add(report, STR("[brand] key_prefix must have 1 to 8 lower-case letters or digits\n"));
    if (!is_header_prefix(c->brand_header_prefix))
        buf_add(report, STR("[brand] header_prefix must have 2 to 32 letters, digits or dashes\n"));
    if (!is_color(c->brand_color))
        buf_add(report, STR("[brand] color must be as #2f5bea\n"));
    if (!is_logo(c->brand_logo_url))
        buf_add(report, STR("[brand] logo_url must be an https:// address or a /path\n"));
}

/* Names alone, and none that leads back here. */
static void check_redirects(const struct config *c, struct buf *report)
{
    struct str hosts = str_c(c->server_redirect_hosts), url = str_c(c->server_public_url);
    if (hosts.n != 0 && url.n == 0)
        buf_add(report,
                STR("[server] redirect_hosts needs public_url, which is where they lead\n"));
    size_t scheme = str_find(url, STR("://"));
    struct str own = scheme < url.n ? str_from(url, scheme + 3) : url;
    own = str_upto(own, str_index(own, '/'));
    own = str_upto(own, str_index(own, ':'));
    while (hosts.n != 0) {
        struct str one = str_trim(str_cut(&hosts, ','));
        if (one.n == 0 || str_index(one, '/') != SIZE_MAX || str_index(one, ':') != SIZE_MAX)
            buf_printf(report,
                       "[server] redirect_hosts: '%.*s' must be a host's name, without scheme and "
                       "port\n",
                       STR_ARG(one));
        else if (str_eq_nocase(one, own))
            buf_printf(report, "[server] redirect_hosts: %.*s is public_url's own host\n",
                       STR_ARG(one));
    }
}

static void check_client(const char *section, const char *id, const char *secret,
                         struct buf *report)
{
    if ((id[0] != '\0') != (secret[0] != '\0'))
        buf_printf(report, "[%s] client_id and client_secret go together\n", section);
}

static void check_url(const char *key, struct str url, struct buf *report)
{
    if (!identity_oidc_url_is_good(url))
        buf_printf(report, "%s = %.*s: must be an https:// address\n", key, STR_ARG(url));
}

static void check_sign_in(const struct config *c, struct buf *report)
{
    check_client("github", c->github_client_id, c->github_client_secret, report);
    check_client("google", c->google_client_id, c->google_client_secret, report);
    check_client("oidc", c->oidc_client_id, c->oidc_client_secret, report);
    check_url("[github] url", str_c(c->github_url), report);
    check_url("[github] api_url", str_c(c->github_api_url), report);
    if (c->oidc_client_id[0] != '\0')
        check_url("[oidc] issuer", str_c(c->oidc_issuer), report);
    struct str list = str_c(c->jwt_issuers);
    size_t n = 0;
    for (; list.n != 0; n++)
        check_url("[jwt] issuers", str_trim(str_cut(&list, ',')), report);
    if (n > IDENTITY_OIDC_JWT_ISSUERS_MAX)
        buf_printf(report, "[jwt] issuers: at most %d\n", IDENTITY_OIDC_JWT_ISSUERS_MAX);
    if (n != 0 && c->jwt_audiences[0] == '\0' && c->jwt_parties[0] == '\0')
        buf_add(report,
                STR("[jwt] issuers needs audiences or parties: whom their tokens are for\n"));
}

static void check_openrouter(const struct config *c, struct buf *report)
{
    if (c->openrouter_provisioning_key[0] != '\0' && c->openrouter_provisioning_key_file[0] != '\0')
        buf_add(report,
                STR("[openrouter] provisioning_key and provisioning_key_file cannot both be "
                    "given\n"));
    bool provisions = c->openrouter_provisioning_key[0] != '\0' ||
                      c->openrouter_provisioning_key_file[0] != '\0';
    if (provisions && c->openrouter_provider[0] == '\0')
        buf_add(report, STR("[openrouter] provisioning_key needs provider\n"));
    struct str reset = str_c(c->openrouter_limit_reset);
    if (reset.n != 0 && !str_eq(reset, STR("daily")) && !str_eq(reset, STR("weekly")) &&
        !str_eq(reset, STR("monthly")))
        buf_add(report, STR("[openrouter] limit_reset must be daily, weekly or monthly\n"));
    if (c->openrouter_check_every < US_PER_S)
        buf_add(report, STR("[openrouter] check_every must be 1s or more\n"));
}

static void check_packs(const struct config *c, struct buf *report)
{
    struct nano n;
    struct str packs = str_c(c->stripe_packs);
    while (packs.n != 0) {
        struct str one = str_trim(str_cut(&packs, ','));
        if (nano_parse(one, false, &n) != OK || n.v < c->stripe_amount_min.v ||
            n.v > c->stripe_amount_max.v)
            buf_printf(report,
                       "[stripe] packs: %.*s must be an amount from amount_min to amount_max\n",
                       STR_ARG(one));
    }
}

static void check_states(const struct config *c, struct buf *report)
{
    static const char *const states[] = {"incomplete", "trialing", "active",
                                         "past_due",   "unpaid",   "paused"};
    struct str list = str_c(c->stripe_subscription_access);
    while (list.n != 0) {
        struct str one = str_trim(str_cut(&list, ','));
        bool known = false;
        for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
            known = known || str_eq(one, str_c(states[i]));
        if (!known)
            buf_printf(report,
                       "[stripe] subscription_access: '%.*s' is none of incomplete, trialing, "
                       "active, past_due, unpaid, paused\n",
                       STR_ARG(one));
    }
}

static void check_stripe(const struct config *c, struct buf *report)
{
    struct str url = str_c(c->stripe_api_url);
    int digits;
    bool on = c->stripe_secret_key[0] != '\0' || c->stripe_secret_key_file[0] != '\0';
    if (!on)
        return;
    if (c->stripe_secret_key[0] != '\0' && c->stripe_secret_key_file[0] != '\0')
        buf_add(report, STR("[stripe] secret_key and secret_key_file cannot both be given\n"));
    if (c->stripe_webhook_secrets[0] == '\0' && c->stripe_webhook_secrets_file[0] == '\0')
        buf_add(report, STR("[stripe] secret_key needs webhook_secrets: without them nobody knows "
                            "whether an event is Stripe's\n"));
    if (!identity_oidc_url_is_good(url) || str_ends(url, STR("/")))
        buf_add(report, STR("[stripe] api_url must be an https:// address without a slash at the "
                            "end\n"));
    if (!stripe_exponent(str_c(c->stripe_currency), &digits))
        buf_add(report, STR("[stripe] currency must be three letters, as usd\n"));
    if (c->stripe_amount_min.v <= 0 || c->stripe_amount_max.v < c->stripe_amount_min.v)
        buf_add(report, STR("[stripe] amount_min must be more than 0, amount_max not less\n"));
    if (c->stripe_checkout_expires < 1800 * US_PER_S || c->stripe_checkout_expires > US_PER_DAY)
        buf_add(report, STR("[stripe] checkout_expires must be from 30m to 24h\n"));
    if (c->stripe_reconcile_again < US_PER_S)
        buf_add(report, STR("[stripe] reconcile_again must be 1s or more\n"));
    if (c->stripe_reconcile_every < US_PER_S)
        buf_add(report, STR("[stripe] reconcile_every must be 1s or more\n"));
    check_packs(c, report);
    check_states(c, report);
}

static void check_smtp(const struct config *c, struct buf *report)
{
    struct str url = str_c(c->smtp_url);
    if (url.n != 0 && !str_starts(url, STR("smtp://")) && !str_starts(url, STR("smtps://")))
        buf_add(report, STR("[smtp] url must be smtp://HOST:PORT or smtps://HOST:PORT\n"));
    if (url.n != 0 && identity_email_fault(str_c(c->smtp_from)) != NULL)
        buf_add(report, STR("[smtp] from must be an e-mail address\n"));
    if (c->smtp_password[0] != '\0' && c->smtp_password_file[0] != '\0')
        buf_add(report, STR("[smtp] password and password_file cannot both be given\n"));
    if (c->jobs_threads < 1 || c->jobs_threads > 64)
        buf_add(report, STR("[jobs] threads must be from 1 to 64\n"));
}

enum err config_check(const struct config *c, struct buf *report)
{
    size_t before = report->n;
    union loop_addr addr;
    const char *const listens[][2] = {{"listen", c->server_listen},
                                      {"tls_listen", c->server_tls_listen},
                                      {"metrics_listen", c->server_metrics_listen}};
    for (size_t i = 0; i < 3; i++)
        if (listens[i][1][0] != '\0' && loop_addr_parse(str_c(listens[i][1]), &addr) != OK)
            buf_printf(report,
                       "[server] %s = %s: must be a numeric address and a port, e.g. "
                       "127.0.0.1:8787 or [::1]:8787\n",
                       listens[i][0], listens[i][1]);
    bool tls = c->server_tls_listen[0] != '\0';
    if (tls && (c->server_tls_cert[0] == '\0' || c->server_tls_key[0] == '\0'))
        buf_add(report, STR("[server] tls_listen needs tls_cert and tls_key\n"));
    check_brand(c, report);
    check_redirects(c, report);
    check_smtp(c, report);
    check_openrouter(c, report);
    check_stripe(c, report);
    check_sign_in(c, report);
    if (c->gateway_prompt_bytes_per_token < 1 || c->gateway_prompt_bytes_per_token > 16)
        buf_add(report, STR("[gateway] prompt_bytes_per_token must be from 1 to 16\n"));
    if (c->gateway_default_output_tokens < 1)
        buf_add(report, STR("[gateway] default_output_tokens must be 1 or more\n"));
    if (c->login_password_passes < 1 || c->login_password_passes > 100 ||
        c->login_password_memory < 8192 || c->login_password_memory > (INT64_C(4) << 30))
        buf_add(report, STR("[login] password_memory must be from 8K to 4G, password_passes from 1 "
                            "to 100\n"));
    if (c->login_passwords_at_once < 1 || c->login_passwords_at_once > 64)
        buf_add(report, STR("[login] passwords_at_once must be from 1 to 64\n"));
    if (c->login_session_idle < 60 * US_PER_S || c->login_session_max < c->login_session_idle)
        buf_add(report, STR("[login] session_idle must be 60s or more, session_max not less\n"));
    if ((c->retention_audit != 0 && c->retention_audit < 30 * US_PER_DAY) ||
        (c->retention_ended_keys != 0 && c->retention_ended_keys < 62 * US_PER_DAY))
        buf_add(report, STR("[retention] audit must be 30d or more, ended_keys 62d or more (a "
                            "month's statement names its keys); 0s keeps them for ever\n"));
    if (c->gateway_attempts_max < 1)
        buf_add(report, STR("[gateway] attempts_max must be 1 or more\n"));
    if (c->server_threads > 256)
        buf_add(report, STR("[server] threads must be from 0 to 256\n"));
    if (c->gateway_answer_bytes_max < (128 << 10) || c->gateway_answer_bytes_max > (1 << 30))
        buf_add(report, STR("[gateway] answer_bytes_max must be from 128K to 1G\n"));
    if (c->server_body_bytes_max < 1024)
        buf_add(report, STR("[server] body_bytes_max must be 1K or more\n"));
    struct str db = str_c(c->store_database);
    if (db.n != 0 && !str_starts(db, STR("sqlite:")) && !str_starts(db, STR("postgresql://")) &&
        !str_starts(db, STR("postgres://")))
        buf_add(report, STR("[store] database must be sqlite:PATH or postgresql://…\n"));
    return report->n == before ? OK : ERR_INVALID_REQUEST;
}

void config_example(struct buf *out)
{
    const char *section = "";
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(section, rows[i].section) != 0)
            buf_printf(out, "%s[%s]\n", i == 0 ? "" : "\n", rows[i].section);
        section = rows[i].section;
        buf_printf(out, "# %s\n#%s = %s\n", rows[i].hint, rows[i].key, rows[i].text);
    }
}

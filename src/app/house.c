/* Opening and closing. */
#include "app/house.h"
#include "app/chores.h"
#include "base/clock.h"
#include "base/mem.h"
#include "control/auto_topup.h"
#include "control/byok.h"
#include "control/invoice.h"
#include "control/tell.h"
#include "version.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define KEYS_IN_MEMORY 4000000

enum err house_configure(struct house *h, const struct cli_args *args, struct buf *why)
{
    const char *data = cli_value(args, "data"), *database = cli_value(args, "database");
    const char *file = cli_value(args, "config");
    *h = (struct house){.config = config_new()};
    enum err e = OK;
    if (file != NULL)
        e = config_read(h->config, file, why);
    if (e != ERR_IO && config_check(h->config, why) != OK)
        e = ERR_INVALID_REQUEST;
    if (e != OK)
        return e;
    snprintf(h->data_dir, sizeof(h->data_dir), "%s", data != NULL ? data : "data");
    if (database == NULL && h->config->store_database[0] != '\0')
        database = h->config->store_database;
    if (database != NULL)
        snprintf(h->database, sizeof(h->database), "%s", database);
    else
        snprintf(h->database, sizeof(h->database), "sqlite:%s/tollgate.db", h->data_dir);
    struct str url = str_c(h->database);
    if (!str_starts(url, STR("sqlite:")) && !str_starts(url, STR("postgresql://")) &&
        !str_starts(url, STR("postgres://"))) {
        buf_printf(why, "--database must be sqlite:PATH or postgresql://…, not '%s'", h->database);
        return ERR_INVALID_REQUEST;
    }
    return OK;
}

struct store_options house_store_options(const struct house *h, bool may_create)
{
    return (struct store_options){.url = h->database,
                                  .data_dir = h->data_dir,
                                  .readers_max = (size_t)h->config->store_readers,
                                  .ballast_bytes = (size_t)h->config->store_ballast,
                                  .may_create = may_create};
}

struct limits_options house_limits(const struct config *c)
{
    struct limits_options o = {
        .defaults = {[LIMITS_TEAM] = LIMITS_UNSET, [LIMITS_KEY] = LIMITS_UNSET}};
    o.defaults[LIMITS_GLOBAL] = (struct limits_rule){.rpm = c->limits_global_rpm,
                                                     .burst = c->limits_global_burst};
    o.defaults[LIMITS_USER] = (struct limits_rule){.rpm = c->limits_user_rpm,
                                                   .burst = c->limits_user_burst,
                                                   .per_hour = c->limits_user_per_hour,
                                                   .per_day = c->limits_user_per_day,
                                                   .tpm = c->limits_user_tpm,
                                                   .concurrency = c->limits_user_concurrency,
                                                   .max_tokens = c->limits_user_max_tokens};
    o.funded = (struct limits_rule){.rpm = c->limits_tier_rpm, .burst = c->limits_tier_burst};
    return o;
}

static void user_key_refused(void *house, struct id user)
{
    upstream_keys_refused(((struct house *)house)->upstream_keys, user, clock_wall_us());
}

static struct gateway_options gateway_options_of(struct house *h)
{
    const struct config *c = h->config;
    return (struct gateway_options){
        .store = h->store,
        .identity = h->identity,
        .limits = h->limits,
        .upstreams = c->openrouter_provider[0] != '\0' ? h->upstreams : NULL,
        .user_keys_provider = c->openrouter_provider,
        .user_key_refused = user_key_refused,
        .user_keys_arg = h,
        .tier_balance = c->limits_tier_balance,
        .durability = c->store_durability,
        .commit_window_us = c->store_commit_window,
        .unknown_outcome = c->gateway_unknown_outcome,
        .header_prefix = c->brand_header_prefix,
        .top_up_url = h->top_up_url,
        .ca_file = c->upstream_ca_file[0] != '\0' ? c->upstream_ca_file : NULL,
        .default_output_tokens = c->gateway_default_output_tokens,
        .prompt_bytes_per_token = c->gateway_prompt_bytes_per_token,
        .image_tokens = c->gateway_image_tokens,
        .file_tokens = c->gateway_file_tokens,
        .unpriced_hold = c->gateway_unpriced_hold,
        .body_bytes_max = (size_t)c->server_body_bytes_max,
        .answer_bytes_max = (size_t)c->gateway_answer_bytes_max,
        .buffered_max = (size_t)c->server_buffered_bytes_max,
        .models_public = c->gateway_models_public,
        .log_calls = c->log_calls,
        .attempts_max = c->gateway_attempts_max,
        .timeouts = {.connect_us = c->upstream_connect_timeout,
                     .first_byte_us = c->upstream_first_byte_timeout,
                     .idle_us = c->upstream_idle_timeout,
                     .total_us = c->upstream_total_timeout},
        .buffered = &h->buffered};
}

void house_make_urls(struct house *h, struct str listens)
{
    const struct config *c = h->config;
    struct str base = str_c(c->server_public_url);
    while (base.n != 0 && base.p[base.n - 1] == '/')
        base.n--;
    if (base.n != 0)
        snprintf(h->public_url, sizeof(h->public_url), "%.*s", STR_ARG(base));
    else
        snprintf(h->public_url, sizeof(h->public_url), "http://%.*s", STR_ARG(listens));
    if (c->gateway_top_up_url[0] != '\0')
        snprintf(h->top_up_url, sizeof(h->top_up_url), "%s", c->gateway_top_up_url);
    else
        snprintf(h->top_up_url, sizeof(h->top_up_url), "%s/billing", h->public_url);
}

/* "Tollgate" → "tollgateApiKey". */
static void make_key_member(struct house *h)
{
    size_t n = 0;
    const char *name = h->config->brand_name;
    for (const char *p = name; *p != '\0' && n < 40; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                      (*p >= '0' && *p <= '9');
        if (letter)
            h->control.brand_key_member[n++] = *p;
    }
    if (n != 0 && h->control.brand_key_member[0] >= 'A' && h->control.brand_key_member[0] <= 'Z')
        h->control.brand_key_member[0] |= 32;
    memcpy(h->control.brand_key_member + n, "ApiKey", sizeof("ApiKey"));
}

/* The first line of the file, without its end. */
static enum err read_secret(const char *key, const char *file, char ret_text[HOUSE_PASSWORD_MAX],
                            char why[STORE_WHY_MAX])
{
    FILE *f = fopen(file, "re");
    ret_text[0] = '\0';
    bool read = f != NULL && fgets(ret_text, HOUSE_PASSWORD_MAX, f) != NULL;
    if (f != NULL)
        fclose(f);
    ret_text[strcspn(ret_text, "\r\n")] = '\0';
    if (read)
        return OK;
    snprintf(why, STORE_WHY_MAX, "%s = %s cannot be read", key, file);
    return ERR_IO;
}

static enum err open_upstream_keys(struct house *h, char why[STORE_WHY_MAX])
{
    const struct config *c = h->config;
    const char *file = c->openrouter_provisioning_key_file;
    struct upstream_keys_options o = {
        .store = h->store,
        .jobs = h->jobs,
        .upstreams = h->upstreams,
        .brand = c->brand_name,
        .check_every_us = c->openrouter_check_every,
        .openrouter = {.catalog = h->catalog,
                       .provider = c->openrouter_provider,
                       .management_key = c->openrouter_provisioning_key,
                       .limit_reset = c->openrouter_limit_reset,
                       .ca_file = c->upstream_ca_file[0] != '\0' ? c->upstream_ca_file : NULL}};
    if (file[0] != '\0') {
        enum err e = read_secret("[openrouter] provisioning_key_file", file, h->provisioning_key,
                                 why);
        if (e != OK)
            return e;
        o.openrouter.management_key = h->provisioning_key;
    }
    h->upstream_keys = upstream_keys_new(&o);
    return OK;
}

static enum err open_payments(struct house *h, char why[STORE_WHY_MAX])
{
    const struct config *c = h->config;
    struct payments_options o = {
        .store = h->store,
        .jobs = h->jobs,
        .stripe = {.api_url = c->stripe_api_url,
                   .secret_key = c->stripe_secret_key,
                   .webhook_secrets = c->stripe_webhook_secrets,
                   .account = c->stripe_account,
                   .currency = c->stripe_currency,
                   .livemode = c->stripe_livemode,
                   .ca_file = c->upstream_ca_file[0] != '\0' ? c->upstream_ca_file : NULL},
        .brand = c->brand_name,
        .public_url = h->public_url,
        .packs = c->stripe_packs,
        .amount_min = c->stripe_amount_min,
        .amount_max = c->stripe_amount_max,
        .automatic_tax = c->stripe_automatic_tax,
        .promotion_codes = c->stripe_promotion_codes,
        .fraud_warning_freezes = c->stripe_fraud_warning_freezes,
        .checkout_expires_us = c->stripe_checkout_expires,
        .reconcile_every_us = c->stripe_reconcile_every,
        .reconcile_again_us = c->stripe_reconcile_again,
        .access_states = c->stripe_subscription_access,
        .grace_us = c->stripe_subscription_grace};
    enum err e = OK;
    if (c->stripe_secret_key_file[0] != '\0') {
        e = read_secret("[stripe] secret_key_file", c->stripe_secret_key_file, h->stripe_key, why);
        o.stripe.secret_key = h->stripe_key;
    }
    if (e == OK && c->stripe_webhook_secrets_file[0] != '\0') {
        e = read_secret("[stripe] webhook_secrets_file", c->stripe_webhook_secrets_file,
                        h->stripe_webhooks, why);
        o.stripe.webhook_secrets = h->stripe_webhooks;
    }
    if (e == OK && stripe_is_on(&o.stripe) && o.stripe.webhook_secrets[0] == '\0') {
        snprintf(why, STORE_WHY_MAX,
                 "[stripe] webhook_secrets must be given: without them nobody "
                 "knows whether an event is Stripe's");
        e = ERR_INVALID_REQUEST;
    }
    if (e == OK)
        h->payments = payments_new(&o);
    return e;
}

/* Providers whose client is configured, in the order of their buttons. */
static void open_oidc(struct house *h)
{
    const struct config *c = h->config;
    const char *ca = c->upstream_ca_file[0] != '\0' ? c->upstream_ca_file : NULL;
    struct identity_oidc_options o = {.jwt_issuers = c->jwt_issuers,
                                      .jwt_audiences = c->jwt_audiences,
                                      .jwt_parties = c->jwt_parties,
                                      .ca_file = ca};
    const struct identity_oidc_provider all[] = {
        {.id = "github",
         .name = "GitHub",
         .kind = IDENTITY_OIDC_GITHUB,
         .issuer = c->github_url,
         .api_url = c->github_api_url,
         .client_id = c->github_client_id,
         .client_secret = c->github_client_secret,
         .scope = "read:user user:email"},
        {.id = "google",
         .name = "Google",
         .issuer = "https://accounts.google.com",
         .client_id = c->google_client_id,
         .client_secret = c->google_client_secret,
         .scope = "openid email profile"},
        {.id = "oidc",
         .name = c->oidc_name,
         .issuer = c->oidc_issuer,
         .client_id = c->oidc_client_id,
         .client_secret = c->oidc_client_secret,
         .scope = c->oidc_scope},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i].client_id[0] != '\0')
            o.providers[o.providers_n++] = all[i];
    h->oidc = identity_oidc_new(&o);
}

/* Webhooks, and what is told by them. */
static void open_hooks(struct house *h, const uint8_t seal[CRYPTO_KEY_LEN])
{
    const struct config *c = h->config;
    struct hooks_options o = {.store = h->store,
                              .jobs = h->jobs,
                              .private_allowed = c->webhooks_private_allowed,
                              .ca_file = c->upstream_ca_file[0] != '\0' ? c->upstream_ca_file
                                                                        : NULL,
                              .turned_off_in = tell_turned_off_in,
                              .arg = &h->control};
    memcpy(o.seal, seal, sizeof(o.seal));
    h->hooks = hooks_new(&o);
    mem_wipe(o.seal, sizeof(o.seal));
    h->control.jobs = h->jobs;
    tell_alerts_add(&h->control, &h->alerts);
    byok_add(&h->control, &h->byok, h->config->openrouter_check_every);
    invoice_statements_add(&h->control, &h->statements);
    auto_topup_add(&h->control, &h->topup_look, &h->topup);
}

/* What follows a wallet's credit: limits of keys elsewhere, and who wants to be told. */
static enum err credit_changed_in(void *house, struct store_conn *conn, struct id wallet,
                                  int64_t wall_us)
{
    struct house *h = house;
    enum err e = upstream_keys_credit_changed_in(h->upstream_keys, conn, wallet, wall_us);
    return e == OK ? tell_credit_changed_in(conn, wallet) : e;
}

/* Jobs, and what runs on them. */
static enum err open_jobs(struct house *h, const uint8_t seal[CRYPTO_KEY_LEN],
                          char why[STORE_WHY_MAX])
{
    const struct config *c = h->config;
    struct jobs_options jo = {.threads = (size_t)c->jobs_threads, .keep_us = c->jobs_keep};
    struct mail_options mo = {.brand = c->brand_name,
                              .color = c->brand_color,
                              .logo_url = c->brand_logo_url,
                              .public_url = h->public_url,
                              .smtp_url = c->smtp_url,
                              .smtp_user = c->smtp_user,
                              .smtp_password = c->smtp_password,
                              .from = c->smtp_from,
                              .ca_file = c->smtp_ca_file[0] != '\0' ? c->smtp_ca_file : NULL,
                              .plain_allowed = !c->smtp_tls};
    enum err e = OK;
    if (c->smtp_password_file[0] != '\0') {
        e = read_secret("[smtp] password_file", c->smtp_password_file, h->smtp_password, why);
        mo.smtp_password = h->smtp_password;
    }
    if (e == OK)
        e = jobs_open(h->store, &jo, &h->jobs);
    if (e != OK)
        return e;
    memcpy(mo.seal, seal, sizeof(mo.seal));
    h->mail = mail_new(h->jobs, &mo);
    mem_wipe(mo.seal, sizeof(mo.seal));
    memcpy(h->control.seal, seal, sizeof(h->control.seal));
    open_oidc(h);
    open_hooks(h, seal);
    chores_add(h);
    e = open_payments(h, why);
    return e == OK ? open_upstream_keys(h, why) : e;
}

static enum err perform(void *admin, struct str actor, struct str address, const char *operation,
                        struct str args, struct buf *out, struct buf *why)
{
    struct admin_actor who = {actor, address};
    return admin_perform(admin, &who, operation, args, out, why);
}

static enum err open_keepers(struct house *h, char why[STORE_WHY_MAX])
{
    const struct config *c = h->config;
    struct identity_options io = {.key_prefix = c->brand_key_prefix,
                                  .keys_max = KEYS_IN_MEMORY,
                                  .session_idle_us = c->login_session_idle,
                                  .session_max_us = c->login_session_max,
                                  .password_memory_bytes = c->login_password_memory,
                                  .password_passes = c->login_password_passes,
                                  .password_at_once = c->login_passwords_at_once};
    struct catalog_options co = {.attach = gateway_provider_attach,
                                 .detach = gateway_provider_detach};
    struct limits_options lo = house_limits(h->config);
    enum err e = store_secret(h->store, "pepper", io.pepper, why);
    if (e == OK)
        e = store_secret(h->store, "seal", co.seal, why);
    if (e != OK)
        return e;
    memcpy(io.seal, co.seal, sizeof(io.seal));
    h->identity = identity_new(h->store, &io);
    mem_wipe(&io, sizeof(io));
    e = limits_new(h->store, &lo, &h->limits);
    if (e != OK)
        return e;
    e = identity_upstreams_open(h->store, co.seal, &h->upstreams);
    if (e != OK)
        return e;
    struct gateway_options go = gateway_options_of(h);
    memcpy(go.seal, co.seal, sizeof(go.seal));
    e = gateway_new(&go, &h->gateway, why);
    mem_wipe(go.seal, sizeof(go.seal));
    co.arg = h->gateway;
    if (e == OK)
        e = catalog_new(h->store, &co, &h->catalog, why);
    if (e == OK)
        e = open_jobs(h, co.seal, why);
    mem_wipe(co.seal, sizeof(co.seal));
    struct ledger_options ledger = {.node = STR("n1")};
    if (e == OK) {
        ledger.projector = gateway_projector(h->gateway);
        ledger.watcher = (struct ledger_watcher){credit_changed_in, h};
        e = ledger_open(h->store, &ledger, &h->ledger, why);
    }
    if (e != OK)
        return e;
    gateway_attach(h->gateway, h->ledger, h->catalog);
    upstream_keys_attach(h->upstream_keys, h->ledger);
    payments_attach(h->payments, h->ledger);
    return gateway_recover(h->gateway, clock_wall_us(), &h->recovered_voided, &h->recovered_settled,
                           &h->recovered_unresolved);
}

enum err house_open(struct house *h, bool may_create, struct buf *why)
{
    char text[STORE_WHY_MAX] = "";
    struct store_options so = house_store_options(h, may_create);
    house_make_urls(h, str_c(h->config->server_listen));
    make_key_member(h);
    enum err e = store_open(&so, &h->store, text);
    if (e == OK)
        e = open_keepers(h, text);
    if (e != OK) {
        buf_add(why, text[0] != '\0' ? str_c(text) : str_c(err_info(e)->meaning));
        return e;
    }
    h->admin = (struct admin){
        .store = h->store,
        .identity = h->identity,
        .limits = h->limits,
        .catalog = h->catalog,
        .ledger = h->ledger,
        .gateway = h->gateway,
        .payments = h->payments,
        .ca_file = h->config->upstream_ca_file[0] != '\0' ? h->config->upstream_ca_file : NULL};
    h->control.perform = perform;
    h->control.operations = &h->admin;
    h->control.gateway = h->gateway;
    h->control.identity = h->identity;
    h->control.ledger = h->ledger;
    h->control.limits = h->limits;
    h->control.catalog = h->catalog;
    h->control.jobs = h->jobs;
    h->control.mail = h->mail;
    h->control.hooks = h->hooks;
    h->control.seller = (struct control_seller){.name = h->config->invoice_seller_name,
                                                .address = h->config->invoice_seller_address,
                                                .tax_id = h->config->invoice_seller_tax_id,
                                                .email = h->config->invoice_seller_email,
                                                .tax_name = h->config->invoice_tax_name,
                                                .note = h->config->invoice_note,
                                                .prefix = h->config->invoice_prefix};
    h->control.low_balance = h->config->credit_low_balance;
    h->control.oidc = h->oidc;
    h->control.payments = h->payments;
    payments_watch(h->payments, (struct payments_watcher){control_payment_changed_in, &h->control});
    subscriptions_watch(
        h->payments, (struct subscriptions_watcher){control_subscription_changed_in, &h->control});
    h->control.upstream_keys = h->upstream_keys;
    h->control.store = h->store;
    h->control.brand_name = h->config->brand_name;
    h->control.brand_color = h->config->brand_color;
    h->control.brand_logo_url = h->config->brand_logo_url;
    h->control.public_url = h->public_url;
    h->control.signup = h->config->signup_mode;
    h->control.byok_limit = h->config->openrouter_own_use_limit;
    h->control.intro_credit = h->config->credit_intro;
    h->control.version = TOLLGATE_VERSION;
    h->control.metrics_token = h->config->server_metrics_token;
    h->control.started_us = clock_wall_us();
    return OK;
}

void house_close(struct house *h)
{
    if (h->identity != NULL && h->ledger != NULL && identity_flush_last_used(h->identity) != OK)
        fputs("tollgate: times of last use could not be written\n", stderr);
    if (h->ledger != NULL)
        ledger_close(&h->ledger);
    if (h->store != NULL)
        store_close(&h->store);
    mail_free(&h->mail);
    hooks_free(&h->hooks);
    upstream_keys_free(&h->upstream_keys);
    payments_free(&h->payments);
    mem_wipe(h->stripe_key, sizeof(h->stripe_key));
    mem_wipe(h->stripe_webhooks, sizeof(h->stripe_webhooks));
    identity_oidc_free(&h->oidc);
    mem_wipe(h->control.seal, sizeof(h->control.seal));
    identity_upstreams_close(&h->upstreams);
    mem_wipe(h->provisioning_key, sizeof(h->provisioning_key));
    jobs_close(&h->jobs);
    mem_wipe(h->smtp_password, sizeof(h->smtp_password));
    if (h->catalog != NULL)
        catalog_free(&h->catalog);
    gateway_free(&h->gateway);
    if (h->limits != NULL)
        limits_free(&h->limits);
    if (h->identity != NULL)
        identity_free(&h->identity);
    config_free(&h->config);
}

void house_socket_path(const struct house *h, char *path, size_t size)
{
    char real[PATH_MAX];
    const char *dir = realpath(h->data_dir, real) != NULL ? real : h->data_dir;
    int n = snprintf(path, size, "%s/admin.sock", dir);
    if (n > 0 && (size_t)n < sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return;
    const char *run = getenv("XDG_RUNTIME_DIR");
    snprintf(path, size, "%s/tollgate-%d-%016llx.sock", run != NULL ? run : "/tmp", (int)getuid(),
             (unsigned long long)str_hash(str_c(dir)));
}

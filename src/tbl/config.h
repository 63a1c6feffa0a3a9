/* Every key of the configuration file, once.
 *
 *   CONF(section, key, TYPE, default text, hint)
 *
 * struct config has a member section_key of the type's C type. The hint is what the checker prints
 * beside a mistake, and what the example configuration says.
 *
 *   STR text · BOOL yes/no · INT 0…1e9 · SIZE bytes with K, M, G · TIME 90s, 15m, 12h, 30d, 250ms
 *   USD decimal dollars · MODE strict/overlap/relaxed · POLICY checkpoint/estimate/zero
 *   SIGNUP open/invitation/closed */
#ifndef TBL_CONFIG_H
#define TBL_CONFIG_H

#define CONF_TABLE(CONF)                                                                           \
    CONF(server, listen, STR, "127.0.0.1:8787", "address and port, e.g. 0.0.0.0:8787")             \
    CONF(server, tls_listen, STR, "", "address and port of the TLS listener, e.g. 0.0.0.0:443")    \
    CONF(server, tls_cert, STR, "", "PEM file with the certificate chain")                         \
    CONF(server, tls_key, STR, "", "PEM file with the private key")                                \
    CONF(server, threads, INT, "0", "event loops; 0: one per core")                                \
    CONF(server, public_url, STR, "",                                                              \
         "where customers reach this server, e.g. https://api.example.com")                        \
    CONF(server, trusted_proxies, STR, "",                                                         \
         "addresses or nets whose X-Forwarded-For counts, comma separated")                        \
    CONF(server, redirect_hosts, STR, "",                                                          \
         "former hosts, comma separated, whose /api is answered with 307 to public_url")           \
    CONF(server, cors_origins, STR, "", "origins that browsers may call from, comma separated")    \
    CONF(server, metrics_listen, STR, "", "own listener for /metrics, e.g. 127.0.0.1:9187")        \
    CONF(server, metrics_token, STR, "",                                                           \
         "bearer token that /metrics asks for; empty: loopback only")                              \
    CONF(server, body_bytes_max, SIZE, "32M", "largest body on /v1")                               \
    CONF(server, buffered_bytes_max, SIZE, "1G", "bodies and answers in memory, all together")     \
    CONF(server, connections_max, INT, "20000", "open connections per event loop")                 \
    CONF(server, idle_timeout, TIME, "75s", "a connection without a request closes after")         \
    CONF(server, head_timeout, TIME, "10s", "a request head must be complete within")              \
    CONF(server, body_timeout, TIME, "60s", "a body must make progress within")                    \
    CONF(server, drain_timeout, TIME, "30s", "running calls may finish for so long after SIGTERM") \
    CONF(brand, name, STR, "Tollgate", "what customers see")                                       \
    CONF(brand, header_prefix, STR, "X-Tollgate-", "of response headers; letters, digits, dashes") \
    CONF(brand, key_prefix, STR, "tg", "of API keys; 1 to 8 lower-case letters or digits")         \
    CONF(brand, color, STR, "#2f5bea", "of buttons and links, as #rrggbb")                         \
    CONF(brand, logo_url, STR, "", "picture beside the name; https, or a path of this server")     \
    CONF(store, database, STR, "", "sqlite:PATH or postgresql://…; empty: DIR/tollgate.db")        \
    CONF(store, durability, MODE, "strict", "strict, overlap or relaxed")                          \
    CONF(store, commit_window, TIME, "1ms", "longest gathering for one commit")                    \
    CONF(store, ballast, SIZE, "16M", "disk space kept for settlements when the disk is full")     \
    CONF(store, readers, INT, "4", "database connections for readers")                             \
    CONF(gateway, default_output_tokens, INT, "4096", "held when the client names no cap")         \
    CONF(gateway, prompt_bytes_per_token, INT, "3", "for the estimate of a prompt; 1 to 16")       \
    CONF(gateway, image_tokens, INT, "2048", "held per image in a prompt")                         \
    CONF(gateway, file_tokens, INT, "65536", "held at most per file or audio in a prompt")         \
    CONF(gateway, unpriced_hold, USD, "0.25", "held when only the provider knows the price")       \
    CONF(gateway, answer_bytes_max, SIZE, "8M",                                                    \
         "answers up to this are buffered to carry their cost")                                    \
    CONF(gateway, unknown_outcome, POLICY, "checkpoint",                                           \
         "what a call costs whose outcome is unknown")                                             \
    CONF(gateway, top_up_url, STR, "", "where a customer buys credit; empty: public_url/billing")  \
    CONF(gateway, models_public, BOOL, "yes", "GET /v1/models without a key")                      \
    CONF(gateway, attempts_max, INT, "4", "attempts per call before the first byte")               \
    CONF(upstream, connect_timeout, TIME, "10s", "name, TCP and TLS towards a provider")           \
    CONF(upstream, first_byte_timeout, TIME, "300s", "from the request to the answer's head")      \
    CONF(upstream, idle_timeout, TIME, "120s", "between two pieces of an answer")                  \
    CONF(upstream, total_timeout, TIME, "1h", "a whole call")                                      \
    CONF(upstream, ca_file, STR, "", "PEM file of CAs; empty: the system's")                       \
    CONF(limits, user_rpm, INT, "60", "requests per minute and user; 0: off")                      \
    CONF(limits, user_burst, INT, "10", "requests at once per user")                               \
    CONF(limits, user_per_hour, INT, "0", "requests per hour and user; 0: off")                    \
    CONF(limits, user_per_day, INT, "0", "requests per day and user; 0: off")                      \
    CONF(limits, user_tpm, INT, "0", "tokens per minute and user; 0: off")                         \
    CONF(limits, user_concurrency, INT, "0", "calls at once per user; 0: off")                     \
    CONF(limits, user_max_tokens, INT, "0", "output tokens per request; 0: any")                   \
    CONF(limits, tier_balance, USD, "10",                                                          \
         "from this balance on a user has the tier's rate; 0: none")                               \
    CONF(limits, tier_rpm, INT, "600", "requests per minute of that tier")                         \
    CONF(limits, tier_burst, INT, "100", "requests at once of that tier")                          \
    CONF(limits, global_rpm, INT, "10000", "requests per minute of everybody; 0: off")             \
    CONF(limits, global_burst, INT, "1000", "requests at once of everybody")                       \
    CONF(login, password_memory, SIZE, "46M", "of argon2id; 19M or more")                          \
    CONF(login, password_passes, INT, "1", "of argon2id; 2 with 19M")                              \
    CONF(login, passwords_at_once, INT, "2", "hashes that are computed at the same time")          \
    CONF(login, session_idle, TIME, "7d", "a session that is not used ends after")                 \
    CONF(login, session_max, TIME, "30d", "any session ends after")                                \
    CONF(signup, mode, SIGNUP, "open", "open, invitation or closed")                               \
    CONF(credit, intro, USD, "10", "granted once per verified e-mail address; 0: none")            \
    CONF(credit, low_balance, USD, "5",                                                            \
         "owners are told when a balance falls below; 0: never. A team may set its own")           \
    CONF(invoice, prefix, STR, "INV-", "of the numbers of receipts and statements")                \
    CONF(invoice, seller_name, STR, "", "who sells, as invoices say it; empty: the brand")         \
    CONF(invoice, seller_address, STR, "", "lines, separated by ;")                                \
    CONF(invoice, seller_tax_id, STR, "", "e.g. a VAT number")                                     \
    CONF(invoice, seller_email, STR, "", "whom to ask about an invoice")                           \
    CONF(invoice, tax_name, STR, "Tax", "what the tax is called: VAT, GST")                        \
    CONF(invoice, note, STR, "", "small print at the end")                                         \
    CONF(webhooks, private_allowed, BOOL, "no",                                                    \
         "customers' webhooks may lead to private addresses, and without TLS")                     \
    CONF(smtp, url, STR, "",                                                                       \
         "smtp://host:587 (TLS when offered) or smtps://host:465; empty: mails wait")              \
    CONF(smtp, user, STR, "", "name at the mail server; empty: none is asked for")                 \
    CONF(smtp, password, STR, "", "password at the mail server")                                   \
    CONF(smtp, password_file, STR, "", "file that holds the password instead")                     \
    CONF(smtp, tls, BOOL, "yes", "refuse to send without TLS (loopback aside)")                    \
    CONF(smtp, from, STR, "", "address that mails come from; needed with url")                     \
    CONF(smtp, ca_file, STR, "", "PEM file of CAs; empty: the system's")                           \
    CONF(github, client_id, STR, "", "OAuth app of GitHub; empty: no sign-in with GitHub")         \
    CONF(github, client_secret, STR, "", "its secret")                                             \
    CONF(github, url, STR, "https://github.com", "where its pages are")                            \
    CONF(github, api_url, STR, "https://api.github.com", "where its API is")                       \
    CONF(google, client_id, STR, "", "OAuth client of Google; empty: no sign-in with Google")      \
    CONF(google, client_secret, STR, "", "its secret")                                             \
    CONF(oidc, issuer, STR, "", "any OpenID Connect issuer, as its discovery document says it")    \
    CONF(oidc, client_id, STR, "", "client at this issuer")                                        \
    CONF(oidc, client_secret, STR, "", "its secret")                                               \
    CONF(oidc, name, STR, "Single sign-on", "what its button says")                                \
    CONF(oidc, scope, STR, "openid email profile", "what is asked for")                            \
    CONF(jwt, issuers, STR, "", "issuers whose tokens are taken as bearers, comma separated")      \
    CONF(jwt, audiences, STR, "", "one of these must be in a token's aud, comma separated")        \
    CONF(jwt, parties, STR, "", "a token's azp must be one of these, comma separated")             \
    CONF(openrouter, provider, STR, "",                                                            \
         "provider (as named by 'admin provider add') at which users get keys of their own")       \
    CONF(openrouter, provisioning_key, STR, "", "key of its keys API; makes no completions")       \
    CONF(openrouter, provisioning_key_file, STR, "", "file that holds it instead")                 \
    CONF(openrouter, limit_reset, STR, "", "daily, weekly or monthly; empty: never")               \
    CONF(openrouter, own_use_limit, USD, "0",                                                      \
         "what each user may spend with a key that is handed out to him; 0: none is")              \
    CONF(openrouter, check_every, TIME, "10m", "keys and what was used of them are looked at")     \
    CONF(stripe, secret_key, STR, "", "sk_… or rk_… of Stripe; empty: nothing is sold")            \
    CONF(stripe, secret_key_file, STR, "", "file that holds it instead")                           \
    CONF(stripe, webhook_secrets, STR, "", "whsec_… of our endpoint, several comma separated")     \
    CONF(stripe, webhook_secrets_file, STR, "", "file whose first line holds them instead")        \
    CONF(stripe, api_url, STR, "https://api.stripe.com", "where its API is")                       \
    CONF(stripe, account, STR, "", "acct_… that events must name, when they name one")             \
    CONF(stripe, livemode, BOOL, "no", "live events (yes) or those of test mode (no) count")       \
    CONF(stripe, currency, STR, "usd", "of this house's credit")                                   \
    CONF(stripe, packs, STR, "5, 10, 25, 50, 100", "amounts that the top-up page offers")          \
    CONF(stripe, amount_min, USD, "5", "smallest amount that can be bought")                       \
    CONF(stripe, amount_max, USD, "2000", "largest amount that can be bought at once")             \
    CONF(stripe, automatic_tax, BOOL, "no", "Stripe adds the taxes of the customer's country")     \
    CONF(stripe, promotion_codes, BOOL, "no", "customers may enter Stripe's promotion codes")      \
    CONF(stripe, fraud_warning_freezes, BOOL, "no",                                                \
         "an early fraud warning freezes the payment's credit")                                    \
    CONF(stripe, checkout_expires, TIME, "1h", "an unpaid checkout closes after; 30m to 24h")      \
    CONF(stripe, reconcile_every, TIME, "1h", "Stripe's lists are compared with ours")             \
    CONF(stripe, reconcile_again, TIME, "20s",                                                     \
         "what differs is looked at twice again, each time after: its event may be on its way")    \
    CONF(stripe, subscription_access, STR, "trialing, active, past_due",                           \
         "states of a subscription in which its plan's limits hold, comma separated")              \
    CONF(stripe, subscription_grace, TIME, "3d",                                                   \
         "that they hold on, and included credit lasts, when a renewal is not paid")               \
    CONF(jobs, threads, INT, "4", "workers for mail and other work in the background; 1 to 64")    \
    CONF(jobs, keep, TIME, "7d", "finished jobs stay listed for")                                  \
    CONF(retention, audit, TIME, "400d", "lines of the audit log are kept for; 0s: for ever")      \
    CONF(retention, ended_keys, TIME, "400d",                                                      \
         "API keys are listed, and named in usage, for so long after their end; 0s: for ever")     \
    CONF(log, file, STR, "-", "where the JSON log goes; - is standard error")                      \
    CONF(log, calls, BOOL, "yes", "one line per call")

#endif

/* The house, opened: every keeper wired to the others.
 *
 * Owns: the keepers, in the order they were opened.
 * Needs: everything below.
 * Threads: opened and closed by one; the keepers say who may use them in between.
 * Memory: house_close.
 * Errors: with words for the operator in `why`. */
#ifndef APP_HOUSE_H
#define APP_HOUSE_H

#include "admin/admin.h"
#include "app/config.h"
#include "cli/cli.h"
#include "control/control.h"

#define HOUSE_PASSWORD_MAX 512

struct house {
    struct config *config;
    char data_dir[1024], database[2048];
    struct store *store;
    struct identity *identity;
    struct limits *limits;
    struct gateway *gateway;
    struct catalog *catalog;
    struct ledger *ledger;
    struct jobs *jobs;
    struct mail *mail;
    struct upstream_keys *upstream_keys;
    struct payments *payments;
    struct identity_upstreams *upstreams;
    struct identity_oidc *oidc;
    struct jobs_kind expiries, retention, byok, alerts, statements, topup_look, topup;
    struct hooks *hooks;
    struct admin admin;
    struct control control;
    char public_url[1024]; /* without a slash at the end */
    char top_up_url[1200];
    char smtp_password[HOUSE_PASSWORD_MAX], provisioning_key[HOUSE_PASSWORD_MAX];
    char stripe_key[HOUSE_PASSWORD_MAX], stripe_webhooks[HOUSE_PASSWORD_MAX];
    _Atomic size_t buffered; /* bytes of bodies and answers in memory, all loops */
    int recovered_voided, recovered_settled, recovered_unresolved;
};

/* Reads --data, --database and --config of the verb (and the file) into a house that is not open
 * yet. Mistakes of the file are in `why`, a line each. */
MUST enum err house_configure(struct house *h, const struct cli_args *args, struct buf *why);
MUST enum err house_open(struct house *h, bool may_create, struct buf *why);
/* Where customers reach it: as configured, else where it listens. */
void house_make_urls(struct house *h, struct str listens);
/* Takes half-opened ones. */
void house_close(struct house *h);
struct store_options house_store_options(const struct house *h, bool may_create);
/* The limits' defaults of a configuration. */
struct limits_options house_limits(const struct config *c);
/* Where a running server listens for operators. */
void house_socket_path(const struct house *h, char *path, size_t size);

#endif

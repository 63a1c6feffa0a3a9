/* What customers and operators ask for over HTTP, beside the calls: keys, usage, health, figures.
 * One file per resource, thin over the keepers.
 *
 * Owns: nothing.
 * Needs: gateway, identity, ledger, store, observe.
 * Threads: slow handlers on workers; health and readiness on the loops.
 * Memory: replies in the reply's buffers.
 * Units: as on the wire.
 * Errors: the wire contract's; a handler's error becomes the answer.
 * Always: a handler checks who before anything else, and nobody sees another team's things. */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "control/mail.h"
#include "control/upstream_keys.h"
#include "gateway/gateway.h"
#include "identity/oidc.h"
#include "jobs/hooks.h"
#include "payments/subscriptions.h"

#include <stdatomic.h>

/* Who may make an account: anybody, who was invited, nobody. */
enum control_signup {
    CONTROL_SIGNUP_OPEN,
    CONTROL_SIGNUP_INVITATION,
    CONTROL_SIGNUP_CLOSED,
    CONTROL_SIGNUP__COUNT
};

/* Who sells, as invoices say it; texts live as long as the house. */
struct control_seller {
    const char *name, *address, *tax_id, *email, *tax_name, *note, *prefix; /* address: a;b;c */
};

struct control {
    struct gateway *gateway;
    struct identity *identity;
    struct ledger *ledger;
    struct limits *limits;
    struct catalog *catalog;
    struct store *store;
    const char *version;
    struct jobs *jobs;
    struct mail *mail;
    struct hooks *hooks;
    struct upstream_keys *upstream_keys;
    struct payments *payments;
    struct identity_oidc *oidc;
    uint8_t seal[CRYPTO_KEY_LEN]; /* for what browsers keep for us */
    /* The operator's operations by name (the admin room's, which app wires up). */
    enum err (*perform)(void *operations, struct str actor, struct str address,
                        const char *operation, struct str args, struct buf *out, struct buf *why);
    void *operations;
    const char *brand_name, *brand_color, *brand_logo_url;
    const char *public_url; /* without a slash at the end; the listener's when none is set */
    enum control_signup signup;
    struct control_seller seller;
    struct nano byok_limit; /* of a key for a customer's own use; 0: there are none */
    struct nano intro_credit, low_balance; /* low_balance: told below; 0: never */
    uint8_t setup_hash[CRYPTO_HASH_LEN]; /* of the link that makes the first operator */
    bool setup_open;
    char brand_key_member[64]; /* "tollgateApiKey" */
    const char *metrics_token; /* "": loopback peers only */
    _Atomic bool ready;
    _Atomic bool draining;
    int64_t started_us;
};

/* Fits payments_watch: the team's webhooks hear of it, receipts and credit notes are issued. */
enum err control_payment_changed_in(void *control, struct store_conn *conn, const struct payment *x,
                                    struct str what, int64_t now_us);

/* Members of a payment as its team sees it. */
MUST enum err control_payment_json(struct store_conn *conn, const struct payment *x, struct buf *b);
/* The member `team`, for an operator: its id and its name. */
MUST enum err control_team_json(struct store_conn *conn, struct arena *a, struct id team,
                                struct buf *b);

/* Fits subscriptions_watch. */
enum err control_subscription_changed_in(void *control, struct store_conn *conn,
                                         const struct subscription_told *told);

enum err control_me(void *control, const struct http_request *r, struct http_reply *reply);
enum err control_me_usage(void *control, const struct http_request *r, struct http_reply *reply);
enum err control_keys_validate(void *control, const struct http_request *r,
                               struct http_reply *reply);
enum err control_metrics(void *control, const struct http_request *r, struct http_reply *reply);
struct http_route control_route_health(struct control *c);
struct http_route control_route_ready(struct control *c);

/* The body of every error, by path: OpenAI's shape on /v1, the control API's elsewhere. Fits
 * http_options.render. */
void control_render_error(void *control, struct str path, enum err e, struct str message,
                          struct str field, const char *request_id, struct buf *headers,
                          struct buf *body);

#endif

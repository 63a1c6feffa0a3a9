/* Every route, once. The router is built from it, and the house rules see that each is exercised.
 *
 *   (NAME, "METHOD", "/path", LANE, handler, body limit, NEED, "what it is for")
 *
 * FAST handlers are made per loop by the gateway or the control room, SLOW ones run on worker
 * threads; so do those of lane ASK, behind the door of control/who.h.
 * NEED says who may: NONE anybody; KEY an API key, which the handler asks for itself; SELF whoever
 * is signed in; OPERATOR; or a permission of tbl/permissions.h. */
#ifndef TBL_ROUTES_H
#define TBL_ROUTES_H

#include "tbl/routes_billing.h"
#include "tbl/routes_operator.h"

#define ROUTE_TABLE(ROUTE)                                                                         \
    ROUTE(CHAT, "POST", "/v1/chat/completions", FAST, gateway_route_chat, 0, KEY,                  \
          "chat completions")                                                                      \
    ROUTE(COMPLETIONS, "POST", "/v1/completions", FAST, gateway_route_completions, 0, KEY,         \
          "text completions")                                                                      \
    ROUTE(EMBEDDINGS, "POST", "/v1/embeddings", FAST, gateway_route_embeddings, 0, KEY,            \
          "embeddings")                                                                            \
    ROUTE(MODELS, "GET", "/v1/models", FAST, gateway_route_models, 0, NONE, "models and prices")   \
    ROUTE(MODEL, "GET", "/v1/models/{id*}", FAST, gateway_route_model, 0, NONE, "one model")       \
    ROUTE(GENERATION, "GET", "/v1/generation", SLOW, gateway_generation, 0, KEY,                   \
          "what a call cost")                                                                      \
    ROUTE(ME, "GET", "/me", SLOW, control_me, 0, KEY, "whose key this is")                         \
    ROUTE(ME_USAGE, "GET", "/me/usage", SLOW, control_me_usage, 0, KEY, "balance and usage")       \
    ROUTE(KEYS_VALIDATE, "GET", "/keys/validate", SLOW, control_keys_validate, 0, NONE,            \
          "is this key good")                                                                      \
    ROUTE(KEYS_LIST, "GET", "/keys/list", ASK, control_keys_list, 0, KEYS_READ, "the team's keys") \
    ROUTE(KEYS_ROTATE, "POST", "/keys/rotate", ASK, control_keys_rotate, 65536, KEYS_WRITE,        \
          "a new key for an old one")                                                              \
    ROUTE(API_KEYS_LIST, "GET", "/api/keys", ASK, control_api_keys_list, 0, KEYS_READ,             \
          "the team's keys, page by page")                                                         \
    ROUTE(API_KEYS_GET, "GET", "/api/keys/{id}", ASK, control_api_keys_get, 0, KEYS_READ,          \
          "one key")                                                                               \
    ROUTE(API_KEYS_EDIT, "PATCH", "/api/keys/{id}", ASK, control_api_keys_edit, 65536, KEYS_WRITE, \
          "changes a key")                                                                         \
    ROUTE(API_KEYS_ROTATE, "POST", "/api/keys/{id}/rotate", ASK, control_api_keys_rotate, 65536,   \
          KEYS_WRITE, "a new key for an old one")                                                  \
    ROUTE(API_KEYS_CREATE, "POST", "/api/keys", ASK, control_keys_create, 65536, KEYS_WRITE,       \
          "another key")                                                                           \
    ROUTE(API_KEYS_REVOKE, "POST", "/api/keys/{id}/revoke", ASK, control_keys_revoke, 65536,       \
          KEYS_WRITE, "ends a key at once")                                                        \
    ROUTE(AUTH_OPTIONS, "GET", "/api/auth/options", ASK, control_auth_options, 0, NONE,            \
          "what signing in takes here")                                                            \
    ROUTE(AUTH_SIGNUP, "POST", "/api/auth/signup", ASK, control_auth_signup, 16384, NONE,          \
          "an account")                                                                            \
    ROUTE(AUTH_VERIFY, "POST", "/api/auth/verify", ASK, control_auth_verify, 16384, NONE,          \
          "the link of a mail")                                                                    \
    ROUTE(AUTH_RESEND, "POST", "/api/auth/resend", ASK, control_auth_resend, 16384, NONE,          \
          "that link again")                                                                       \
    ROUTE(AUTH_FORGOT, "POST", "/api/auth/forgot", ASK, control_auth_forgot, 16384, NONE,          \
          "a link for another password")                                                           \
    ROUTE(AUTH_RESET, "POST", "/api/auth/reset", ASK, control_auth_reset, 16384, NONE,             \
          "another password")                                                                      \
    ROUTE(AUTH_SETUP, "POST", "/api/auth/setup", ASK, control_auth_setup, 16384, NONE,             \
          "the first operator")                                                                    \
    ROUTE(AUTH_LOGIN, "POST", "/api/auth/login", ASK, control_auth_login, 16384, NONE,             \
          "a session")                                                                             \
    ROUTE(AUTH_LOGOUT, "POST", "/api/auth/logout", ASK, control_auth_logout, 16384, SELF,          \
          "its end")                                                                               \
    ROUTE(AUTH_PASSWORD, "POST", "/api/auth/password", ASK, control_auth_password, 16384, SELF,    \
          "changes the password")                                                                  \
    ROUTE(AUTH_EMAIL, "POST", "/api/auth/email", ASK, control_auth_email, 16384, SELF,             \
          "changes the address")                                                                   \
    ROUTE(AUTH_SESSIONS, "GET", "/api/auth/sessions", ASK, control_auth_sessions, 0, SELF,         \
          "where one is signed in")                                                                \
    ROUTE(AUTH_SESSION_END, "DELETE", "/api/auth/sessions/{id}", ASK, control_auth_session_end, 0, \
          SELF, "signs one out")                                                                   \
    ROUTE(AUTH_IDENTITIES, "GET", "/api/auth/identities", ASK, control_identities_list, 0, SELF,   \
          "accounts elsewhere that one signs in with")                                             \
    ROUTE(AUTH_IDENTITY_END, "DELETE", "/api/auth/identities/{id}", ASK, control_identity_end,     \
          16384, SELF, "disconnects one")                                                          \
    ROUTE(TOTP_START, "POST", "/api/auth/totp/start", ASK, control_totp_start, 16384, SELF,        \
          "a secret for an app")                                                                   \
    ROUTE(TOTP_CONFIRM, "POST", "/api/auth/totp/confirm", ASK, control_totp_confirm, 16384, SELF,  \
          "two-step sign-in on")                                                                   \
    ROUTE(TOTP_DISABLE, "POST", "/api/auth/totp/disable", ASK, control_totp_disable, 16384, SELF,  \
          "and off")                                                                               \
    ROUTE(TOTP_RECOVERY, "POST", "/api/auth/totp/recovery", ASK, control_totp_recovery, 16384,     \
          SELF, "new recovery codes")                                                              \
    ROUTE(AUTH_DEVICE, "POST", "/api/auth/device", ASK, control_auth_device, 16384, NONE,          \
          "a device asks to be let in")                                                            \
    ROUTE(AUTH_TOKEN, "POST", "/api/auth/token", ASK, control_auth_token, 16384, NONE,             \
          "and whether it may")                                                                    \
    ROUTE(DEVICE_GET, "GET", "/api/auth/device/{user_code}", ASK, control_device_get, 0, SELF,     \
          "which device asks")                                                                     \
    ROUTE(DEVICE_DECIDE, "POST", "/api/auth/device/decide", ASK, control_device_decide, 16384,     \
          SELF, "lets it in or not")                                                               \
    ROUTE(API_ME, "GET", "/api/me", ASK, control_api_me, 0, SELF, "who is signed in")              \
    ROUTE(API_ME_EDIT, "PATCH", "/api/me", ASK, control_api_me_edit, 16384, SELF,                  \
          "name and company")                                                                      \
    ROUTE(API_ME_TEAM, "POST", "/api/me/team", ASK, control_api_me_team, 16384, SELF,              \
          "the current team")                                                                      \
    ROUTE(API_ME_DELETE, "DELETE", "/api/me", ASK, control_api_me_delete, 16384, SELF,             \
          "the person goes")                                                                       \
    ROUTE(TEAMS_LIST, "GET", "/api/teams", ASK, control_teams_list, 0, SELF, "one's teams")        \
    ROUTE(TEAM_CREATE, "POST", "/api/teams", ASK, control_team_create, 16384, SELF,                \
          "another team")                                                                          \
    ROUTE(TEAM_GET, "GET", "/api/teams/{id}", ASK, control_team_get, 0, TEAM_READ, "one team")     \
    ROUTE(TEAM_EDIT, "PATCH", "/api/teams/{id}", ASK, control_team_edit, 16384, TEAM_WRITE,        \
          "its name")                                                                              \
    ROUTE(TEAM_DELETE, "DELETE", "/api/teams/{id}", ASK, control_team_delete, 16384, TEAM_OWN,     \
          "its end")                                                                               \
    ROUTE(TEAM_TRANSFER, "POST", "/api/teams/{id}/transfer", ASK, control_team_transfer, 16384,    \
          TEAM_OWN, "to another owner")                                                            \
    ROUTE(MEMBERS_LIST, "GET", "/api/teams/{id}/members", ASK, control_members_list, 0, TEAM_READ, \
          "who belongs to it")                                                                     \
    ROUTE(MEMBER_EDIT, "PATCH", "/api/teams/{id}/members/{user_id}", ASK, control_member_edit,     \
          16384, MEMBERS_WRITE, "role and cap")                                                    \
    ROUTE(MEMBER_DELETE, "DELETE", "/api/teams/{id}/members/{user_id}", ASK,                       \
          control_member_delete, 0, TEAM_READ, "removes one, or leaves")                           \
    ROUTE(INVITATIONS_LIST, "GET", "/api/teams/{id}/invitations", ASK, control_invitations_list,   \
          0, MEMBERS_WRITE, "who was invited")                                                     \
    ROUTE(INVITATION_CREATE, "POST", "/api/teams/{id}/invitations", ASK,                           \
          control_invitation_create, 16384, MEMBERS_WRITE, "invites by mail")                      \
    ROUTE(INVITATION_DELETE, "DELETE", "/api/teams/{id}/invitations/{invitation_id}", ASK,         \
          control_invitation_delete, 0, MEMBERS_WRITE, "takes it back")                            \
    ROUTE(INVITATION_GET, "GET", "/api/invitations/{token}", ASK, control_invitation_get, 0, NONE, \
          "what a link invites to")                                                                \
    ROUTE(INVITATION_ACCEPT, "POST", "/api/invitations/{token}/accept", ASK,                       \
          control_invitation_accept, 16384, SELF, "joins")                                         \
    ROUTE(AUDIT_LIST, "GET", "/api/audit", ASK, control_audit_list, 0, AUDIT_READ,                 \
          "who did what in the team")                                                              \
    ROUTE(USAGE_CURRENT, "GET", "/api/usage/current", ASK, control_usage_current, 0, USAGE_READ,   \
          "this month and today")                                                                  \
    ROUTE(USAGE_SERIES, "GET", "/api/usage/series", ASK, control_usage_series, 0, USAGE_READ,      \
          "by hour or day, by model, key or member")                                               \
    ROUTE(USAGE_HISTORY, "GET", "/api/usage/history", ASK, control_usage_history, 0, USAGE_READ,   \
          "call by call")                                                                          \
    ROUTE(USAGE_EXPORT, "GET", "/api/usage/export.csv", ASK, control_usage_export, 0, USAGE_READ,  \
          "the same as CSV")                                                                       \
    ROUTE(BILLING_BALANCE, "GET", "/api/billing/balance", ASK, control_billing_balance, 0,         \
          BILLING_READ, "what is left")                                                            \
    ROUTE(BILLING_LOTS, "GET", "/api/billing/lots", ASK, control_billing_lots, 0, BILLING_READ,    \
          "what the balance is made of")                                                           \
    ROUTE(BILLING_TRANSACTIONS, "GET", "/api/billing/transactions", ASK,                           \
          control_billing_transactions, 0, BILLING_READ, "what came and went")                     \
    ROUTE(BILLING_OPTIONS, "GET", "/api/billing/options", ASK, control_billing_options, 0,         \
          BILLING_READ, "what can be bought")                                                      \
    ROUTE(BILLING_CHECKOUT, "POST", "/api/billing/checkout", ASK, control_billing_checkout, 4096,  \
          CHECKOUT, "a page on which credit is paid")                                              \
    ROUTE(BILLING_PAYMENTS, "GET", "/api/billing/payments", ASK, control_billing_payments, 0,      \
          BILLING_READ, "what was paid")                                                           \
    ROUTE(BILLING_PAYMENT, "GET", "/api/billing/payments/{id}", ASK, control_billing_payment, 0,   \
          BILLING_READ, "one payment")                                                             \
    ROUTE(STRIPE_CHECKOUT, "POST", "/api/stripe/create-checkout-session", ASK,                     \
          control_stripe_checkout, 4096, CHECKOUT, "the same page, as others name it")             \
    ROUTE(STRIPE_WEBHOOK, "POST", "/api/stripe/webhook", ASK, control_stripe_webhook, 1048576,     \
          NONE, "what Stripe tells")                                                               \
    ROUTE(API_MODELS, "GET", "/api/models", ASK, control_models_list, 0, SELF,                     \
          "models with prices, searched")                                                          \
    ROUTE(PLAYGROUND, "POST", "/api/playground", ASK, control_playground_key, 4096, PLAYGROUND,    \
          "a key for the playground")                                                              \
    ROUTE(OIDC_START, "GET", "/api/auth/oidc/{provider}/start", ASK, control_oidc_start, 0, NONE,  \
          "to an issuer")                                                                          \
    ROUTE(OIDC_CALLBACK, "GET", "/api/auth/oidc/{provider}/callback", ASK, control_oidc_callback,  \
          0, NONE, "back from an issuer")                                                          \
    ROUTE(PROVISION, "POST", "/api/provision", ASK, control_provision, 65536, SELF,                \
          "a key for who is signed in")                                                            \
    ROUTE(OPENROUTER_PROVISION, "POST", "/api/openrouter-provision", ASK,                          \
          control_openrouter_provision, 4096, SELF, "a key of the provider's, for one's own use")  \
    ROUTE_TABLE_BILLING(ROUTE)                                                                     \
    ROUTE_TABLE_OPERATOR(ROUTE)                                                                    \
    ROUTE(HEALTH, "GET", "/health", FAST, control_route_health, 0, NONE, "is the process alive")   \
    ROUTE(READY, "GET", "/ready", FAST, control_route_ready, 0, NONE, "does it take calls")        \
    ROUTE(METRICS, "GET", "/metrics", SLOW, control_metrics, 0, NONE, "Prometheus figures")        \
    ROUTE(CONSOLE_HOME, "GET", "/", FAST, console_route_home, 0, NONE, "the console")              \
    ROUTE(CONSOLE, "GET", "/{path*}", FAST, console_route, 0, NONE, "the console's files and pages")

#endif

/* The handlers of lane ASK, by resource; docs/reference/control-api.md says what each takes and
 * answers, tbl/routes.h what it needs.
 *
 * Owns: nothing.  Needs: who.  Threads: worker threads; they block.
 * Memory: replies in the reply's buffers.  Units: as on the wire.  Errors: the wire contract's. */
#ifndef CONTROL_ROUTES_H
#define CONTROL_ROUTES_H

#include "control/who.h"

#define CONTROL_ASK(name)                                                                          \
    enum err name(struct control *c, const struct control_who *who, const struct http_request *r,  \
                  struct http_reply *reply)

CONTROL_ASK(control_keys_list);
CONTROL_ASK(control_keys_rotate);
CONTROL_ASK(control_keys_create);
CONTROL_ASK(control_keys_revoke);
CONTROL_ASK(control_api_keys_list);
CONTROL_ASK(control_api_keys_get);
CONTROL_ASK(control_api_keys_edit);
CONTROL_ASK(control_api_keys_rotate);
CONTROL_ASK(control_auth_signup);
CONTROL_ASK(control_auth_resend);
CONTROL_ASK(control_auth_forgot);
CONTROL_ASK(control_auth_verify);
CONTROL_ASK(control_auth_reset);
CONTROL_ASK(control_auth_setup);
CONTROL_ASK(control_auth_options);
CONTROL_ASK(control_auth_login);
CONTROL_ASK(control_auth_logout);
CONTROL_ASK(control_auth_sessions);
CONTROL_ASK(control_auth_session_end);
CONTROL_ASK(control_auth_password);
CONTROL_ASK(control_auth_email);
CONTROL_ASK(control_api_me);
CONTROL_ASK(control_api_me_edit);
CONTROL_ASK(control_api_me_team);
CONTROL_ASK(control_api_me_delete);
CONTROL_ASK(control_totp_start);
CONTROL_ASK(control_totp_confirm);
CONTROL_ASK(control_totp_disable);
CONTROL_ASK(control_totp_recovery);
CONTROL_ASK(control_teams_list);
CONTROL_ASK(control_team_get);
CONTROL_ASK(control_members_list);
CONTROL_ASK(control_team_create);
CONTROL_ASK(control_team_edit);
CONTROL_ASK(control_team_delete);
CONTROL_ASK(control_member_edit);
CONTROL_ASK(control_member_delete);
CONTROL_ASK(control_team_transfer);
CONTROL_ASK(control_invitations_list);
CONTROL_ASK(control_invitation_create);
CONTROL_ASK(control_invitation_delete);
CONTROL_ASK(control_invitation_get);
CONTROL_ASK(control_invitation_accept);
CONTROL_ASK(control_auth_device);
CONTROL_ASK(control_auth_token);
CONTROL_ASK(control_device_get);
CONTROL_ASK(control_device_decide);
CONTROL_ASK(control_audit_list);
CONTROL_ASK(control_admin_audit_list);
CONTROL_ASK(control_admin_jobs_list);
CONTROL_ASK(control_admin_jobs_get);
CONTROL_ASK(control_admin_jobs_retry);
CONTROL_ASK(control_admin_jobs_cancel);
CONTROL_ASK(control_admin_upstream_keys);
CONTROL_ASK(control_admin_upstream_rotate);
CONTROL_ASK(control_oidc_start);
CONTROL_ASK(control_oidc_callback);
CONTROL_ASK(control_openrouter_provision);
CONTROL_ASK(control_identities_list);
CONTROL_ASK(control_identity_end);
CONTROL_ASK(control_provision);

CONTROL_ASK(control_usage_current);
CONTROL_ASK(control_usage_series);
CONTROL_ASK(control_usage_history);
CONTROL_ASK(control_usage_export);
CONTROL_ASK(control_billing_balance);
CONTROL_ASK(control_billing_lots);
CONTROL_ASK(control_billing_transactions);
CONTROL_ASK(control_webhooks_list);
CONTROL_ASK(control_webhook_create);
CONTROL_ASK(control_webhook_get);
CONTROL_ASK(control_webhook_edit);
CONTROL_ASK(control_webhook_delete);
CONTROL_ASK(control_webhook_rotate);
CONTROL_ASK(control_webhook_test);
CONTROL_ASK(control_webhook_deliveries);
CONTROL_ASK(control_webhook_delivery);
CONTROL_ASK(control_webhook_replay);
CONTROL_ASK(control_webhook_replay_range);
CONTROL_ASK(control_alerts_get);
CONTROL_ASK(control_alerts_edit);
CONTROL_ASK(control_billing_redeem);
CONTROL_ASK(control_admin_codes);
CONTROL_ASK(control_admin_code);
CONTROL_ASK(control_admin_code_create);
CONTROL_ASK(control_admin_code_end);
CONTROL_ASK(control_invoices_list);
CONTROL_ASK(control_invoice_pdf);
CONTROL_ASK(control_details_get);
CONTROL_ASK(control_details_edit);
CONTROL_ASK(control_billing_csv);
CONTROL_ASK(control_billing_options);
CONTROL_ASK(control_billing_checkout);
CONTROL_ASK(control_billing_payments);
CONTROL_ASK(control_billing_payment);
CONTROL_ASK(control_stripe_checkout);
CONTROL_ASK(control_stripe_webhook);
CONTROL_ASK(control_auto_topup_get);
CONTROL_ASK(control_auto_topup_edit);
CONTROL_ASK(control_plans);
CONTROL_ASK(control_subscription);
CONTROL_ASK(control_subscription_start);
CONTROL_ASK(control_subscription_preview);
CONTROL_ASK(control_subscription_change);
CONTROL_ASK(control_subscription_cancel);
CONTROL_ASK(control_subscription_resume);
CONTROL_ASK(control_billing_portal);
CONTROL_ASK(control_models_list);
CONTROL_ASK(control_playground_key);

CONTROL_ASK(control_admin_customers);
CONTROL_ASK(control_admin_customer);
CONTROL_ASK(control_admin_suspend);
CONTROL_ASK(control_admin_unsuspend);
CONTROL_ASK(control_admin_credit);
CONTROL_ASK(control_admin_limits);
CONTROL_ASK(control_admin_providers);
CONTROL_ASK(control_admin_provider_add);
CONTROL_ASK(control_admin_provider_remove);
CONTROL_ASK(control_admin_provider_test);
CONTROL_ASK(control_admin_routes);
CONTROL_ASK(control_admin_route_add);
CONTROL_ASK(control_admin_route_remove);
CONTROL_ASK(control_admin_prices);
CONTROL_ASK(control_admin_price_set);
CONTROL_ASK(control_admin_price_sync);
CONTROL_ASK(control_admin_rules);
CONTROL_ASK(control_admin_rule_add);
CONTROL_ASK(control_admin_rule_remove);
CONTROL_ASK(control_admin_rule_try);
CONTROL_ASK(control_admin_margin);
CONTROL_ASK(control_admin_settings);
CONTROL_ASK(control_admin_settings_set);
CONTROL_ASK(control_admin_health);
CONTROL_ASK(control_admin_payments);
CONTROL_ASK(control_admin_payment);
CONTROL_ASK(control_admin_refund);
CONTROL_ASK(control_admin_release);
CONTROL_ASK(control_admin_invoice_pdf);
CONTROL_ASK(control_admin_stripe_events);
CONTROL_ASK(control_admin_reconciliation);
CONTROL_ASK(control_admin_reconcile);
CONTROL_ASK(control_admin_plans);
CONTROL_ASK(control_admin_plan);
CONTROL_ASK(control_admin_plan_create);
CONTROL_ASK(control_admin_plan_edit);
CONTROL_ASK(control_admin_plan_delete);
CONTROL_ASK(control_admin_subscriptions);
CONTROL_ASK(control_admin_subscription);
CONTROL_ASK(control_admin_subscription_cancel);
CONTROL_ASK(control_admin_subscription_refresh);

/* ---- shared by resources ---- */
/* A connection to read by, which sees all that has ended. */
MUST enum err control_look_back(struct control *c, struct store_conn **ret_conn);
/* {"exists":bool,…}: a user's own key at the provider, never its value. */
MUST enum err control_upstream_key_json(struct store_conn *conn, struct id user, struct buf *b);
/* A JSON array of a team's lots, newest first. */
MUST enum err control_lots_json(struct control *c, struct store_conn *conn, struct id team,
                                struct buf *b);
/* Quoted (RFC 4180); one that a spreadsheet would take for a formula gets an apostrophe. */
void control_csv_cell(struct buf *b, struct str s);
struct limits_rule;
/* `"cap":{"limit","spent"}` or null; a limit that is being set goes in front of the ledger's. */
void control_cap_json(struct control *c, struct buf *b, struct id cap, const struct nano *limit);
/* Opens the cap when there is none; limit NULL: off. */
MUST enum err control_cap_set_in(struct control *c, struct store_conn *conn, struct id *cap,
                                 const struct nano *limit, int64_t now_us);
/* {"rpm":…}: what is not limited is null. */
void control_limits_json(struct buf *b, struct limits_rule *rule);
/* What is set, as arguments of the operation limits.set. */
void control_limits_args(struct limits_rule *rule, struct buf *args);
/* Members that are missing stay as they are in *rule, null is 0 (off). */
MUST enum err control_limits_read(struct str object, struct http_reply *reply,
                                  struct limits_rule *rule);

#endif

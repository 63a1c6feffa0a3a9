/* Routes about a team's money and what it is told: rows of tbl/routes.h, which has them all. */
#ifndef TBL_ROUTES_BILLING_H
#define TBL_ROUTES_BILLING_H

#define ROUTE_TABLE_BILLING(ROUTE)                                                                 \
    ROUTE(WEBHOOKS, "GET", "/api/webhooks", ASK, control_webhooks_list, 0, WEBHOOKS_READ,          \
          "endpoints that are told what happens")                                                  \
    ROUTE(WEBHOOK_CREATE, "POST", "/api/webhooks", ASK, control_webhook_create, 16384,             \
          WEBHOOKS_WRITE, "another endpoint")                                                      \
    ROUTE(WEBHOOK_GET, "GET", "/api/webhooks/{id}", ASK, control_webhook_get, 0, WEBHOOKS_READ,    \
          "one endpoint")                                                                          \
    ROUTE(WEBHOOK_EDIT, "PATCH", "/api/webhooks/{id}", ASK, control_webhook_edit, 16384,           \
          WEBHOOKS_WRITE, "changes it")                                                            \
    ROUTE(WEBHOOK_DELETE, "DELETE", "/api/webhooks/{id}", ASK, control_webhook_delete, 0,          \
          WEBHOOKS_WRITE, "its end")                                                               \
    ROUTE(WEBHOOK_ROTATE, "POST", "/api/webhooks/{id}/rotate", ASK, control_webhook_rotate, 4096,  \
          WEBHOOKS_WRITE, "another secret")                                                        \
    ROUTE(WEBHOOK_TEST, "POST", "/api/webhooks/{id}/test", ASK, control_webhook_test, 4096,        \
          WEBHOOKS_WRITE, "sends it something")                                                    \
    ROUTE(WEBHOOK_DELIVERIES, "GET", "/api/webhooks/{id}/deliveries", ASK,                         \
          control_webhook_deliveries, 0, WEBHOOKS_READ, "what was sent to it")                     \
    ROUTE(WEBHOOK_DELIVERY, "GET", "/api/webhooks/{id}/deliveries/{delivery_id}", ASK,             \
          control_webhook_delivery, 0, WEBHOOKS_READ, "one delivery with its tries")               \
    ROUTE(WEBHOOK_REPLAY, "POST", "/api/webhooks/{id}/deliveries/{delivery_id}/replay", ASK,       \
          control_webhook_replay, 4096, WEBHOOKS_WRITE, "sends it again")                          \
    ROUTE(WEBHOOK_REPLAY_RANGE, "POST", "/api/webhooks/{id}/replay", ASK,                          \
          control_webhook_replay_range, 4096, WEBHOOKS_WRITE, "sends those of a time again")       \
    ROUTE(ALERTS_GET, "GET", "/api/billing/alerts", ASK, control_alerts_get, 0, BILLING_READ,      \
          "when a team is told of its money")                                                      \
    ROUTE(ALERTS_EDIT, "PATCH", "/api/billing/alerts", ASK, control_alerts_edit, 4096,             \
          BILLING_WRITE, "sets it otherwise")                                                      \
    ROUTE(REDEEM, "POST", "/api/billing/redeem", ASK, control_billing_redeem, 4096, BILLING_WRITE, \
          "credit for a code")                                                                     \
    ROUTE(INVOICES, "GET", "/api/billing/invoices", ASK, control_invoices_list, 0, BILLING_READ,   \
          "receipts and statements")                                                               \
    ROUTE(INVOICE_PDF, "GET", "/api/billing/invoices/{id}/pdf", ASK, control_invoice_pdf, 0,       \
          BILLING_READ, "one on paper")                                                            \
    ROUTE(BILLING_CSV, "GET", "/api/billing/transactions.csv", ASK, control_billing_csv, 0,        \
          BILLING_READ, "what came and went, as CSV")                                              \
    ROUTE(DETAILS_GET, "GET", "/api/billing/details", ASK, control_details_get, 0, BILLING_READ,   \
          "whom invoices are for")                                                                 \
    ROUTE(DETAILS_EDIT, "PATCH", "/api/billing/details", ASK, control_details_edit, 16384,         \
          BILLING_WRITE, "changes that")                                                           \
    ROUTE(AUTO_TOPUP_GET, "GET", "/api/billing/auto-topup", ASK, control_auto_topup_get, 0,        \
          BILLING_READ, "credit that buys itself")                                                 \
    ROUTE(AUTO_TOPUP_EDIT, "PATCH", "/api/billing/auto-topup", ASK, control_auto_topup_edit, 4096, \
          BILLING_WRITE, "sets it")                                                                \
    ROUTE(PLANS, "GET", "/api/plans", ASK, control_plans, 0, NONE, "plans on offer")               \
    ROUTE(SUBSCRIPTION, "GET", "/api/billing/subscription", ASK, control_subscription, 0,          \
          BILLING_READ, "the team's plan")                                                         \
    ROUTE(SUBSCRIPTION_START, "POST", "/api/billing/subscription", ASK,                            \
          control_subscription_start, 4096, CHECKOUT, "opens the page to subscribe on")            \
    ROUTE(SUBSCRIPTION_PREVIEW, "POST", "/api/billing/subscription/preview", ASK,                  \
          control_subscription_preview, 4096, BILLING_WRITE, "what a change would do")             \
    ROUTE(SUBSCRIPTION_CHANGE, "POST", "/api/billing/subscription/change", ASK,                    \
          control_subscription_change, 4096, BILLING_WRITE, "another plan")                        \
    ROUTE(SUBSCRIPTION_CANCEL, "POST", "/api/billing/subscription/cancel", ASK,                    \
          control_subscription_cancel, 4096, BILLING_WRITE, "ends it with its period")             \
    ROUTE(SUBSCRIPTION_RESUME, "POST", "/api/billing/subscription/resume", ASK,                    \
          control_subscription_resume, 4096, BILLING_WRITE, "does not end it after all")           \
    ROUTE(PORTAL, "POST", "/api/billing/portal", ASK, control_billing_portal, 4096, BILLING_WRITE, \
          "opens Stripe's pages for cards and invoices")                                           \
    ROUTE(ADMIN_PLANS, "GET", "/api/admin/plans", ASK, control_admin_plans, 0, OPERATOR,           \
          "what is sold by subscription")                                                          \
    ROUTE(ADMIN_PLAN, "GET", "/api/admin/plans/{id}", ASK, control_admin_plan, 0, OPERATOR,        \
          "one plan")                                                                              \
    ROUTE(ADMIN_PLAN_CREATE, "POST", "/api/admin/plans", ASK, control_admin_plan_create, 16384,    \
          OPERATOR, "another plan")                                                                \
    ROUTE(ADMIN_PLAN_EDIT, "PATCH", "/api/admin/plans/{id}", ASK, control_admin_plan_edit, 16384,  \
          OPERATOR, "changes it for who comes")                                                    \
    ROUTE(ADMIN_PLAN_DELETE, "DELETE", "/api/admin/plans/{id}", ASK, control_admin_plan_delete, 0, \
          OPERATOR, "takes one away that nobody had")                                              \
    ROUTE(ADMIN_SUBSCRIPTIONS, "GET", "/api/admin/subscriptions", ASK,                             \
          control_admin_subscriptions, 0, OPERATOR, "who has a plan")                              \
    ROUTE(ADMIN_SUBSCRIPTION, "GET", "/api/admin/subscriptions/{id}", ASK,                         \
          control_admin_subscription, 0, OPERATOR, "one subscription and what was paid for it")    \
    ROUTE(ADMIN_SUBSCRIPTION_CANCEL, "POST", "/api/admin/subscriptions/{id}/cancel", ASK,          \
          control_admin_subscription_cancel, 4096, OPERATOR, "ends it")                            \
    ROUTE(ADMIN_SUBSCRIPTION_REFRESH, "POST", "/api/admin/subscriptions/{id}/refresh", ASK,        \
          control_admin_subscription_refresh, 4096, OPERATOR, "asks Stripe what it is")            \
    ROUTE(ADMIN_CODES, "GET", "/api/admin/codes", ASK, control_admin_codes, 0, OPERATOR,           \
          "codes that give credit")                                                                \
    ROUTE(ADMIN_CODE, "GET", "/api/admin/codes/{id}", ASK, control_admin_code, 0, OPERATOR,        \
          "one, and who redeemed it")                                                              \
    ROUTE(ADMIN_CODE_CREATE, "POST", "/api/admin/codes", ASK, control_admin_code_create, 16384,    \
          OPERATOR, "more of them")                                                                \
    ROUTE(ADMIN_CODE_END, "POST", "/api/admin/codes/{id}/end", ASK, control_admin_code_end, 4096,  \
          OPERATOR, "ends one")

#endif

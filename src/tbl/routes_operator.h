/* The operator's routes: rows of tbl/routes.h, which has them all. */
#ifndef TBL_ROUTES_OPERATOR_H
#define TBL_ROUTES_OPERATOR_H

#define ROUTE_TABLE_OPERATOR(ROUTE)                                                                \
    ROUTE(ADMIN_AUDIT, "GET", "/api/admin/audit", ASK, control_admin_audit_list, 0, OPERATOR,      \
          "who did what in the house")                                                             \
    ROUTE(ADMIN_JOBS, "GET", "/api/admin/jobs", ASK, control_admin_jobs_list, 0, OPERATOR,         \
          "what runs in the background")                                                           \
    ROUTE(ADMIN_JOB, "GET", "/api/admin/jobs/{id}", ASK, control_admin_jobs_get, 0, OPERATOR,      \
          "one job with its steps")                                                                \
    ROUTE(ADMIN_JOB_RETRY, "POST", "/api/admin/jobs/{id}/retry", ASK, control_admin_jobs_retry, 0, \
          OPERATOR, "tries a job again")                                                           \
    ROUTE(ADMIN_JOB_CANCEL, "POST", "/api/admin/jobs/{id}/cancel", ASK, control_admin_jobs_cancel, \
          0, OPERATOR, "ends a job")                                                               \
    ROUTE(ADMIN_UPSTREAM_KEYS, "GET", "/api/admin/upstream-keys", ASK,                             \
          control_admin_upstream_keys, 0, OPERATOR, "users' own keys at the provider")             \
    ROUTE(ADMIN_UPSTREAM_ROTATE, "POST", "/api/admin/upstream-keys/{id}/rotate", ASK,              \
          control_admin_upstream_rotate, 0, OPERATOR, "another key for a user")                    \
    ROUTE(ADMIN_CUSTOMERS, "GET", "/api/admin/customers", ASK, control_admin_customers, 0,         \
          OPERATOR, "customers, searched")                                                         \
    ROUTE(ADMIN_CUSTOMER, "GET", "/api/admin/customers/{id}", ASK, control_admin_customer, 0,      \
          OPERATOR, "one customer")                                                                \
    ROUTE(ADMIN_SUSPEND, "POST", "/api/admin/customers/{id}/suspend", ASK, control_admin_suspend,  \
          4096, OPERATOR, "may not call")                                                          \
    ROUTE(ADMIN_UNSUSPEND, "POST", "/api/admin/customers/{id}/unsuspend", ASK,                     \
          control_admin_unsuspend, 4096, OPERATOR, "may again")                                    \
    ROUTE(ADMIN_CREDIT, "POST", "/api/admin/customers/{id}/credit", ASK, control_admin_credit,     \
          4096, OPERATOR, "gives credit")                                                          \
    ROUTE(ADMIN_LIMITS, "POST", "/api/admin/customers/{id}/limits", ASK, control_admin_limits,     \
          4096, OPERATOR, "sets limits")                                                           \
    ROUTE(ADMIN_PROVIDERS, "GET", "/api/admin/providers", ASK, control_admin_providers, 0,         \
          OPERATOR, "providers and their health")                                                  \
    ROUTE(ADMIN_PROVIDER_ADD, "POST", "/api/admin/providers", ASK, control_admin_provider_add,     \
          16384, OPERATOR, "another provider, or key")                                             \
    ROUTE(ADMIN_PROVIDER_REMOVE, "DELETE", "/api/admin/providers/{name}", ASK,                     \
          control_admin_provider_remove, 0, OPERATOR, "without its routes")                        \
    ROUTE(ADMIN_PROVIDER_TEST, "POST", "/api/admin/providers/{name}/test", ASK,                    \
          control_admin_provider_test, 4096, OPERATOR, "does it answer")                           \
    ROUTE(ADMIN_ROUTES, "GET", "/api/admin/routes", ASK, control_admin_routes, 0, OPERATOR,        \
          "which model goes where")                                                                \
    ROUTE(ADMIN_ROUTE_ADD, "POST", "/api/admin/routes", ASK, control_admin_route_add, 16384,       \
          OPERATOR, "another route")                                                               \
    ROUTE(ADMIN_ROUTE_REMOVE, "DELETE", "/api/admin/routes/{id}", ASK, control_admin_route_remove, \
          0, OPERATOR, "ends one")                                                                 \
    ROUTE(ADMIN_PRICES, "GET", "/api/admin/prices", ASK, control_admin_prices, 0, OPERATOR,        \
          "the price list")                                                                        \
    ROUTE(ADMIN_PRICE_SET, "POST", "/api/admin/prices", ASK, control_admin_price_set, 16384,       \
          OPERATOR, "a new version of a price")                                                    \
    ROUTE(ADMIN_PRICE_SYNC, "POST", "/api/admin/prices/sync", ASK, control_admin_price_sync,       \
          16384, OPERATOR, "takes a provider's list")                                              \
    ROUTE(ADMIN_RULES, "GET", "/api/admin/pricing-rules", ASK, control_admin_rules, 0, OPERATOR,   \
          "markups")                                                                               \
    ROUTE(ADMIN_RULE_ADD, "POST", "/api/admin/pricing-rules", ASK, control_admin_rule_add, 16384,  \
          OPERATOR, "another rule")                                                                \
    ROUTE(ADMIN_RULE_REMOVE, "DELETE", "/api/admin/pricing-rules/{id}", ASK,                       \
          control_admin_rule_remove, 0, OPERATOR, "ends one")                                      \
    ROUTE(ADMIN_RULE_TRY, "POST", "/api/admin/pricing-rules/dry-run", ASK, control_admin_rule_try, \
          16384, OPERATOR, "what a rule would have earned")                                        \
    ROUTE(ADMIN_MARGIN, "GET", "/api/admin/margin", ASK, control_admin_margin, 0, OPERATOR,        \
          "what was earned")                                                                       \
    ROUTE(ADMIN_SETTINGS, "GET", "/api/admin/settings", ASK, control_admin_settings, 0, OPERATOR,  \
          "how the house is set")                                                                  \
    ROUTE(ADMIN_SETTINGS_SET, "PATCH", "/api/admin/settings", ASK, control_admin_settings_set,     \
          16384, OPERATOR, "sets it otherwise")                                                    \
    ROUTE(ADMIN_PAYMENTS, "GET", "/api/admin/payments", ASK, control_admin_payments, 0, OPERATOR,  \
          "payments, searched")                                                                    \
    ROUTE(ADMIN_PAYMENT, "GET", "/api/admin/payments/{id}", ASK, control_admin_payment, 0,         \
          OPERATOR, "one payment with what is known of it")                                        \
    ROUTE(ADMIN_PAYMENT_REFUND, "POST", "/api/admin/payments/{id}/refund", ASK,                    \
          control_admin_refund, 4096, OPERATOR, "sends money back")                                \
    ROUTE(ADMIN_PAYMENT_RELEASE, "POST", "/api/admin/payments/{id}/disputes/{dispute_id}/release", \
          ASK, control_admin_release, 4096, OPERATOR, "gives frozen credit back")                  \
    ROUTE(ADMIN_INVOICE_PDF, "GET", "/api/admin/invoices/{id}/pdf", ASK,                           \
          control_admin_invoice_pdf, 0, OPERATOR, "a customer's receipt or statement")             \
    ROUTE(ADMIN_STRIPE_EVENTS, "GET", "/api/admin/stripe-events", ASK,                             \
          control_admin_stripe_events, 0, OPERATOR, "what Stripe told")                            \
    ROUTE(ADMIN_RECONCILIATION, "GET", "/api/admin/reconciliation", ASK,                           \
          control_admin_reconciliation, 0, OPERATOR, "what differs between Stripe and here")       \
    ROUTE(ADMIN_RECONCILE, "POST", "/api/admin/reconciliation", ASK, control_admin_reconcile, 0,   \
          OPERATOR, "compares now")                                                                \
    ROUTE(ADMIN_HEALTH, "GET", "/api/admin/health", ASK, control_admin_health, 0, OPERATOR,        \
          "how the house is")

#endif

/* Every event that webhooks tell, once.
 *
 *   HOOK(NAME, "name", "what happened") */
#ifndef TBL_HOOKS_H
#define TBL_HOOKS_H

#define HOOK_TABLE(HOOK)                                                                           \
    HOOK(BALANCE_LOW, "balance.low", "the balance fell below a threshold")                         \
    HOOK(USAGE_THRESHOLD, "usage.threshold", "a month's spending went over a threshold")           \
    HOOK(KEY_CREATED, "key.created", "an API key was made")                                        \
    HOOK(KEY_REVOKED, "key.revoked", "an API key was ended")                                       \
    HOOK(PAYMENT_SUCCEEDED, "payment.succeeded", "credit was bought")                              \
    HOOK(PAYMENT_FAILED, "payment.failed", "a payment failed")                                     \
    HOOK(PAYMENT_REFUNDED, "payment.refunded", "a payment was given back, whole or in part")       \
    HOOK(PAYMENT_DISPUTED, "payment.disputed", "a payment is disputed")                            \
    HOOK(SUBSCRIPTION_UPDATED, "subscription.updated", "a subscription changed")                   \
    HOOK(WEBHOOK_TEST, "webhook.test", "somebody tries the endpoint")

#endif

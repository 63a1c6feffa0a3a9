/* Every mail, once. Text in braces is a variable of struct mail_vars; {brand} is the house's name.
 *
 *   MAIL(NAME, "name", "subject", "heading", "text", "button", "note")
 *
 * text    paragraphs, separated by \n
 * button  label of the link; empty: the mail has none
 * note    small print at the end */
#ifndef TBL_MAILS_H
#define TBL_MAILS_H

#define MAIL_IGNORE "If this was not you, you can ignore this mail."
#define MAIL_ALARM                                                                                 \
    "If this was not you, reset your password now and look at the sessions of your account."

#define MAIL_TABLE(MAIL)                                                                           \
    MAIL(VERIFY, "verify", "Confirm your e-mail address", "Confirm your e-mail address",           \
         "Welcome to {brand}. Confirm this address to finish setting up your account.\n"           \
         "The link is good for {hours} hours.",                                                    \
         "Confirm address", MAIL_IGNORE)                                                           \
    MAIL(ADDRESS_TAKEN, "address_taken", "You already have an account",                            \
         "You already have an account",                                                            \
         "Somebody, perhaps you, tried to sign up at {brand} with this address, which has an "     \
         "account already. Sign in as usual, or reset your password if you have forgotten it.",    \
         "Sign in", MAIL_IGNORE)                                                                   \
    MAIL(RESET, "reset", "Reset your password", "Reset your password",                             \
         "Somebody, perhaps you, asked for a new password for your account at {brand}.\n"          \
         "The link works once and is good for {hours} hours.",                                     \
         "Choose a new password", MAIL_IGNORE)                                                     \
    MAIL(PASSWORD_CHANGED, "password_changed", "Your password was changed",                        \
         "Your password was changed",                                                              \
         "The password of your account at {brand} was changed at {at}. Other sessions have been "  \
         "signed out.",                                                                            \
         "", MAIL_ALARM)                                                                           \
    MAIL(ADDRESS_CONFIRM, "address_confirm", "Confirm your new e-mail address",                    \
         "Confirm your new e-mail address",                                                        \
         "You asked to use this address for your account at {brand}. It changes when you open "    \
         "the link, which is good for {hours} hours.",                                             \
         "Confirm new address", MAIL_IGNORE)                                                       \
    MAIL(ADDRESS_CHANGED, "address_changed", "Your e-mail address was changed",                    \
         "Your e-mail address was changed",                                                        \
         "Your account at {brand} now uses {address} instead of this address.", "",                \
         "If this was not you, write to us at once: somebody else may have your account.")         \
    MAIL(NEW_SIGN_IN, "new_sign_in", "New sign-in to your account", "New sign-in to your account", \
         "Your account at {brand} was signed in to from a device that we have not seen "           \
         "before.\n"                                                                               \
         "Time: {at}\nAddress: {address}\nDevice: {device}",                                       \
         "Look at your sessions", MAIL_ALARM)                                                      \
    MAIL(TOTP_ENABLED, "totp_enabled", "Two-step sign-in is on", "Two-step sign-in is on",         \
         "Signing in to {brand} now also asks for a code of your authenticator app. Keep your "    \
         "recovery codes in a safe place.",                                                        \
         "", MAIL_ALARM)                                                                           \
    MAIL(TOTP_DISABLED, "totp_disabled", "Two-step sign-in is off", "Two-step sign-in is off",     \
         "Signing in to {brand} no longer asks for a code of your authenticator app.", "",         \
         MAIL_ALARM)                                                                               \
    MAIL(IDENTITY_LINKED, "identity_linked", "Another way to sign in", "Another way to sign in",   \
         "Your account at {brand} can now be signed in to by way of {name}.",                      \
         "Look at your account", MAIL_ALARM)                                                       \
    MAIL(IDENTITY_UNLINKED, "identity_unlinked", "A way to sign in was removed",                   \
         "A way to sign in was removed",                                                           \
         "Your account at {brand} can no longer be signed in to by way of {name}. Other sessions " \
         "have been signed out.",                                                                  \
         "Look at your account", MAIL_ALARM)                                                       \
    MAIL(INVITATION, "invitation", "{inviter} invites you to {team}", "Join {team}",               \
         "{inviter} invites you to the team {team} at {brand}, as {role}.\n"                       \
         "The invitation is good for {days} days.",                                                \
         "Open the invitation", "If you do not know {inviter}, you can ignore this mail.")         \
    MAIL(TEAM_JOINED, "team_joined", "{member} joined {team}", "{member} joined {team}",           \
         "{member} has accepted the invitation to {team} and may now use it as {role}.",           \
         "See the team", "")                                                                       \
    MAIL(TEAM_ROLE, "team_role", "Your role in {team} changed", "Your role in {team} changed",     \
         "You are now {role} of the team {team} at {brand}.", "See the team", "")                  \
    MAIL(TEAM_REMOVED, "team_removed", "You are no longer in {team}",                              \
         "You are no longer in {team}",                                                            \
         "You were removed from the team {team} at {brand}. Keys that you made for it no longer "  \
         "work.",                                                                                  \
         "", "")                                                                                   \
    MAIL(TEAM_OWNER, "team_owner", "You now own {team}", "You now own {team}",                     \
         "{inviter} has made you the owner of the team {team} at {brand}.", "See the team", "")    \
    MAIL(KEY_CREATED, "key_created", "A new API key was made", "A new API key was made",           \
         "The API key {name} was made for your account at {brand} at {at}.", "See your keys",      \
         MAIL_ALARM)                                                                               \
    MAIL(LOW_BALANCE, "low_balance", "Your credit is running low", "Your credit is running low",   \
         "Your balance at {brand} is {amount}. When it is used up, calls are refused until you "   \
         "top up.",                                                                                \
         "Top up", "")                                                                             \
    MAIL(                                                                                          \
        AUTO_TOPUP_FAILED, "auto_topup_failed", "A top-up failed", "A top-up failed",              \
        "Your card could not be charged with {amount} for the credit of {team}. It will be tried " \
        "again in a few hours.",                                                                   \
        "Look at it", "")                                                                          \
    MAIL(AUTO_TOPUP_STOPPED, "auto_topup_stopped", "Automatic top-up was stopped",                 \
         "Automatic top-up was stopped",                                                           \
         "Your card could not be charged with {amount} for the credit of {team} several times. "   \
         "Buy credit with another card, and turn it on again.",                                    \
         "Top up", "")                                                                             \
    MAIL(AUTO_TOPUP_HUMAN, "auto_topup_human", "Your bank wants you to confirm a payment",         \
         "Your bank wants you to confirm a payment",                                               \
         "Your card could not be charged with {amount} for the credit of {team} without you. Buy " \
         "the credit yourself, then turn automatic top-up on again.",                              \
         "Top up", "")                                                                             \
    MAIL(SUBSCRIPTION_FAILED, "subscription_failed", "Your subscription could not be paid",        \
         "Your subscription could not be paid",                                                    \
         "Your card could not be charged for {name} ({amount}), the subscription of {team}. It "   \
         "will be tried again in the next days. Use another card to keep the plan.",               \
         "Look at it", "")                                                                         \
    MAIL(                                                                                          \
        SUBSCRIPTION_ACTION, "subscription_action", "Your bank wants you to confirm a payment",    \
        "Your bank wants you to confirm a payment",                                                \
        "The payment for {name} ({amount}), the subscription of {team}, waits for you: your bank " \
        "wants you to confirm it.",                                                                \
        "Confirm the payment", "")                                                                 \
    MAIL(SUBSCRIPTION_WARNING, "subscription_warning", "Your plan is about to be taken away",      \
         "Your plan is about to be taken away",                                                    \
         "{name}, the subscription of {team}, is still not paid. Its limits hold until {at}. Pay " \
         "the open invoice, or use another card, to keep them.",                                   \
         "Pay now", "")                                                                            \
    MAIL(SUBSCRIPTION_TRIAL, "subscription_trial", "Your trial ends soon", "Your trial ends soon", \
         "The trial of {name} for {team} ends at {at}. From then on your card is charged with "    \
         "{amount} each period. Cancel before, if you do not want that.",                          \
         "Look at your plan", "")                                                                  \
    MAIL(SUBSCRIPTION_ENDED, "subscription_ended", "Your subscription has ended",                  \
         "Your subscription has ended",                                                            \
         "{name}, the subscription of {team}, has ended. What was left of its included credit is " \
         "gone, credit that you have bought stays.",                                               \
         "See the plans", "")                                                                      \
    MAIL(WEBHOOK_OFF, "webhook_off", "A webhook was turned off", "A webhook was turned off",       \
         "The webhook of {team} to {name} did not take what was sent to it, and was turned off. "  \
         "What was not delivered can be sent again.",                                              \
         "See the webhooks", "")                                                                   \
    MAIL(ACCOUNT_DELETED, "account_deleted", "Your account was deleted",                           \
         "Your account was deleted",                                                               \
         "Your account at {brand} was deleted as you asked. Your keys and sessions have ended.",   \
         "", "If this was not you, write to us at once.")

#endif

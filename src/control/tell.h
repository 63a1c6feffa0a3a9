/* Who hears of what happens in a team: its webhooks, and the mail of its owners.
 *
 * Owns: the job kind "alerts": balances and spending that passed a threshold.
 * Needs: hooks, mail, identity, ledger.
 * Threads: functions ending in _in inside a store_write closure; the rest by the one who opens the
 * house.
 * Memory: texts must live until the call returns.
 * Units: µs.
 * Errors: those of the store.
 * Always: a threshold is told once until it is armed again, whatever crashes; no call waits for it:
 * balances are looked at behind the ledger's back. */
#ifndef CONTROL_TELL_H
#define CONTROL_TELL_H

#include "control/control.h"

#define TELL_THRESHOLDS_MAX 5

/* key.created, key.revoked. */
MUST enum err tell_key_in(struct control *c, struct store_conn *conn, enum hooks_event event,
                          struct id team, struct id key, int64_t now_us);
/* The same mail to each owner of the team; `key` as in jobs, empty: none. {team} is filled in. */
MUST enum err tell_owners_in(struct control *c, struct store_conn *conn, struct id team,
                             enum mail_name name, const struct mail_vars *vars, struct str key,
                             int64_t now_us);
/* Fits hooks_options. */
enum err tell_turned_off_in(void *control, struct store_conn *conn, struct id team, struct str url,
                            struct str endpoint, int64_t now_us);
/* Fits what the ledger's watcher calls: the wallet is looked at soon. */
MUST enum err tell_credit_changed_in(struct store_conn *conn, struct id wallet);
/* Adds the kind to c->jobs. */
void tell_alerts_add(struct control *c, struct jobs_kind *kind);

/* ---- thresholds of a team ---- */
struct tell_rule {
    struct nano low[TELL_THRESHOLDS_MAX], spent[TELL_THRESHOLDS_MAX]; /* low: the highest first */
    size_t low_n, spent_n;
    bool low_set; /* else low is the house's */
    bool seen; /* was looked at before */
    int64_t armed, told, month_us;
};
MUST enum err tell_rule_get(struct control *c, struct store_conn *conn, struct id team,
                            struct tell_rule *ret_rule);
MUST enum err tell_rule_set_in(struct store_conn *conn, struct id team,
                               const struct tell_rule *rule);
/* Decimal dollars, one a line, into at most TELL_THRESHOLDS_MAX different amounts above zero.
 * False: they are not. */
bool tell_amounts(struct str lines, struct nano *ret_list, size_t *ret_n);
/* What passed with this balance and this month's spending: the indexes, or -1; the rule becomes
 * what is to be kept. True when that is something else than before. */
bool tell_rule_look(struct tell_rule *rule, struct nano balance, struct nano spent,
                    int64_t month_us, int *ret_low, int *ret_spent);

#endif

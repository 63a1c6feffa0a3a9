/* From facts to money.
 *
 * What must leave a payment's credit is a function of all facts together: `hard`, refunded or
 * withdrawn by a dispute, and `soft`, frozen by a dispute that is open. Both are taken from what is
 * unspent of the payment's lots; of the hard part, what is not there is owed. When less must leave
 * than has (a refund failed, a dispute was won), the difference comes back: as a lot, or as less
 * that is owed. What the operator has released is taken again only when the dispute is lost.
 *
 * Money and credit are not the same sum where tax came on top, a discount off, or a plan's price
 * buys other credit: a part of what was paid stands for the same part of the credit. */
#include "base/clock.h"
#include "base/mem.h"
#include "payments/room.h"

#include <stdio.h>

struct claims {
    int64_t hard_minor, soft_minor, refunded_minor;
    int64_t decided_minor; /* of hard_minor: refunded, or lost for good */
    int64_t returned_minor; /* as Stripe says: without refunds that we have yet to ask for */
    bool disputed;
};

static enum err refunds_read(struct store_conn *conn, struct str intent, struct claims *c)
{
    struct store_query *q = NULL;
    int64_t all = 0, failed = 0, most = 0, asked = 0;
    enum err e = store_start(conn, SQL_PAYMENTS_REFUNDS, &q, "t", intent);
    while (e == OK && (e = store_step(q)) == OK) {
        all += store_i64(q, 1);
        failed += store_i64(q, 2) != 0 ? store_i64(q, 1) : 0;
        asked += str_starts(store_str(q, 0), STR(PAYMENTS_REFUND_OURS)) ? store_i64(q, 1) : 0;
    }
    store_finish(&q);
    if (e != ERR_END)
        return e;
    e = store_start(conn, SQL_PAYMENTS_CHARGE_GET, &q, "t", intent);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        most = store_i64(q, 0);
    store_finish(&q);
    /* The charge's sum is cumulative, and may tell of refunds that we have not heard of yet. */
    int64_t gross = all > most ? all : most;
    int64_t told = all - asked > most ? all - asked : most;
    c->refunded_minor = gross > failed ? gross - failed : 0;
    c->returned_minor = told > failed ? told - failed : 0;
    c->hard_minor += c->refunded_minor;
    c->decided_minor += c->refunded_minor;
    return e == ERR_END ? OK : e;
}

static enum err disputes_read(struct store_conn *conn, struct str intent, struct claims *c)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_PAYMENTS_DISPUTES, &q, "t", intent);
    while (e == OK && (e = store_step(q)) == OK) {
        int64_t amount = store_i64(q, 1);
        bool opened = store_i64(q, 3) != 0, withdrawn = store_i64(q, 4) != 0;
        bool reinstated = store_i64(q, 5) != 0, lost = store_i64(q, 6) != 0;
        bool released = store_i64(q, 7) != 0 && !lost;
        bool warning = str_starts(store_str(q, 0), STR(PAYMENTS_WARNING_ID));
        if (reinstated)
            continue;
        /* A dispute that was released is one all the same: nothing can be refunded. */
        c->disputed |= (opened || withdrawn || lost) && !(released && warning);
        if (released)
            continue;
        if (lost)
            c->decided_minor += amount;
        if (withdrawn || lost)
            c->hard_minor += amount;
        else if (opened)
            c->soft_minor += amount;
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

/* ---------------------------------------------------------------- the ledger's side */

struct settling {
    struct payments *p;
    struct store_conn *conn;
    struct payment *x;
    int64_t now_us;
    char key[ID_TEXT_MAX + 48], reason[160];
};

/* Every move of a payment has a number, kept in its row by the same transaction. */
static struct str next_key(struct settling *s, const char *what)
{
    s->x->moves++;
    int n = snprintf(s->key, sizeof(s->key), "stripe:%s:%lld:%s", s->x->id, (long long)s->x->moves,
                     what);
    return str_of(s->key, (size_t)n);
}

static struct str reason(struct settling *s, const char *words)
{
    int n = snprintf(s->reason, sizeof(s->reason), "%s, payment %s", words, s->x->id);
    return str_of(s->reason, (size_t)n);
}

struct lots {
    struct id ids[64];
    size_t n;
    struct nano expired; /* of all of them */
};

static enum err lots_read(struct store_conn *conn, const char *payment, struct lots *l)
{
    struct store_query *q = NULL;
    *l = (struct lots){.n = 0};
    enum err e = store_start(conn, SQL_PAYMENTS_LOTS, &q, "t", str_c(payment));
    while (e == OK && l->n < sizeof(l->ids) / sizeof(l->ids[0]) && (e = store_step(q)) == OK) {
        l->ids[l->n++] = id_of_bytes(store_str(q, 0));
        l->expired = nano_plus(l->expired, store_nano(q, 1));
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

/* What is given back of a month that is over stays for another one. */
static int64_t lasts_until(const struct payment_month *m, bool back, int64_t now_us)
{
    int64_t least = now_us + (back ? 30 * US_PER_DAY : US_PER_S);
    if (m == NULL || m->expires_us == 0)
        return 0;
    return m->expires_us > least ? m->expires_us : least;
}

static enum err lot_grant(struct settling *s, struct nano amount, const char *words,
                          const struct payment_month *month, bool back)
{
    struct lots l;
    bool replayed, plan = str_eq(s->x->kind, STR("subscription"));
    enum err e = lots_read(s->conn, s->x->id, &l);
    struct ledger_grant g = {.wallet = s->x->team,
                             .lot = id_new(s->now_us),
                             .kind = plan ? LEDGER_LOT_SUBSCRIPTION : LEDGER_LOT_PURCHASED,
                             .amount = amount,
                             .priority = plan ? PAYMENTS_PLAN_PRIORITY : PAYMENTS_PRIORITY,
                             .expires_us = lasts_until(month, back, s->now_us),
                             .source = STR("stripe_clearing"),
                             .reason = reason(s, words),
                             .wall_us = s->now_us};
    if (e != OK || amount.v == 0)
        return e;
    if (l.n == sizeof(l.ids) / sizeof(l.ids[0]))
        return ERR_VALIDATION_FAILED; /* so often is no dispute won */
    g.idempotency = next_key(s, "grant");
    e = ledger_grant_in(s->p->ledger, s->conn, &g, &replayed);
    if (e != OK)
        return e;
    return store_run(s->conn, SQL_PAYMENTS_LOT_ADD, NULL, "tibii", str_c(s->x->id), (int64_t)l.n,
                     id_bytes(&g.lot), month != NULL ? month->starts_us : 0, g.expires_us);
}

static enum err lots_take(struct settling *s, int64_t most)
{
    struct lots l;
    struct nano taken;
    enum err e = lots_read(s->conn, s->x->id, &l);
    for (size_t i = l.n; e == OK && i > 0 && most > 0; i--) {
        struct nano unspent;
        e = ledger_lot_unspent_in(s->p->ledger, s->conn, l.ids[i - 1], &unspent);
        if (e != OK || unspent.v == 0)
            continue;
        e = ledger_lot_take_in(s->p->ledger, s->conn, l.ids[i - 1], NANO(most),
                               STR("stripe_clearing"), reason(s, "taken back"), next_key(s, "take"),
                               s->now_us, &taken);
        if (e != OK)
            return e;
        most -= taken.v;
        s->x->taken = nano_plus(s->x->taken, taken);
    }
    return e;
}

/* One of the house's accounts bears so much of what is given back, no more and no less. */
static enum err borne_set(struct settling *s, const char *account, struct nano *at, int64_t wanted,
                          const char *words)
{
    int64_t more = wanted - at->v;
    if (more == 0)
        return OK;
    struct str from = more > 0 ? str_c(account) : STR("stripe_clearing");
    struct str to = more > 0 ? STR("stripe_clearing") : str_c(account);
    *at = NANO(wanted);
    return ledger_move_in(s->p->ledger, s->conn, from, to, NANO(more > 0 ? more : -more),
                          reason(s, words), next_key(s, account), s->now_us);
}

/* What expired unspent is given back by the house, what was spent is owed. */
static enum err short_set(struct settling *s, int64_t missing)
{
    struct lots l;
    enum err e = lots_read(s->conn, s->x->id, &l);
    int64_t expired = e == OK && l.expired.v < missing ? l.expired.v : missing;
    if (e == OK)
        e = borne_set(s, "breakage", &s->x->reversed, expired, "given back though expired");
    return e == OK ? borne_set(s, "receivable", &s->x->owed, missing - expired, "owed") : e;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t nano_of(const struct payment *x, int64_t minor)
{
    if (minor <= 0)
        return 0;
    return minor >= x->paid_minor ? x->amount.v : nano_share(x->amount, minor, x->paid_minor).v;
}

static enum err claims_read(struct store_conn *conn, const struct payment *x, struct claims *c)
{
    *c = (struct claims){0};
    if (x->intent.n == 0)
        return OK;
    enum err e = refunds_read(conn, x->intent, c);
    return e == OK ? disputes_read(conn, x->intent, c) : e;
}

enum err payments_standing(struct store_conn *conn, const struct payment *x,
                           struct payments_standing *ret_standing)
{
    struct claims c;
    enum err e = claims_read(conn, x, &c);
    int64_t frozen = e == OK ? x->taken.v - nano_of(x, c.decided_minor) : 0;
    bool undecided = e == OK && c.hard_minor + c.soft_minor > c.decided_minor;
    if (e == OK)
        *ret_standing = (struct payments_standing){
            .returned_minor = min64(c.returned_minor, x->paid_minor),
            .refunded_minor = min64(c.refunded_minor, x->paid_minor),
            .frozen = NANO(undecided && frozen > 0 ? frozen : 0)};
    return e;
}

static struct str status_of(const struct payment *x, const struct claims *c)
{
    if (c->disputed)
        return STR("disputed");
    bool all = c->refunded_minor > 0 && c->refunded_minor >= x->paid_minor;
    return all ? STR("refunded") : STR("completed");
}

enum err payment_settle_in(struct payments *p, struct store_conn *conn, struct arena *a,
                           struct payment *x, int64_t now_us)
{
    struct settling s = {.p = p, .conn = conn, .x = x, .now_us = now_us};
    struct claims c;
    struct str before = x->status;
    (void)a;
    if (!payment_is_granted(x) || x->intent.n == 0)
        return OK; /* it is settled when it is paid */
    enum err e = claims_read(conn, x, &c);
    if (e != OK)
        return e;
    int64_t hard = nano_of(x, c.hard_minor);
    int64_t want = min64(x->amount.v, hard + nano_of(x, c.soft_minor));
    if (x->taken.v < want) {
        e = lots_take(&s, want - x->taken.v);
    } else if (x->taken.v > want) {
        const struct payment_month now = {now_us, now_us};
        e = lot_grant(&s, NANO(x->taken.v - want), "given back",
                      str_eq(x->kind, STR("subscription")) ? &now : NULL, true);
        x->taken = NANO(want);
    }
    if (e == OK)
        e = short_set(&s, hard > x->taken.v ? hard - x->taken.v : 0);
    if (e != OK)
        return e;
    struct nano refunded = NANO(nano_of(x, c.refunded_minor));
    bool more = refunded.v > x->refunded.v;
    x->refunded = refunded;
    x->status = status_of(x, &c);
    e = payment_put_in(p, conn, x, before, now_us);
    if (e == OK)
        e = payment_tell_in(p, conn, x, STR("settled"), now_us);
    return e == OK && more ? payment_tell_in(p, conn, x, STR("refunded"), now_us) : e;
}

enum err payment_unspent_in(struct payments *p, struct store_conn *conn, const char *payment,
                            struct nano *ret_unspent)
{
    struct lots l;
    struct nano sum = NANO(0), one;
    enum err e = lots_read(conn, payment, &l);
    for (size_t i = 0; i < l.n && e == OK; i++) {
        e = ledger_lot_unspent_in(p->ledger, conn, l.ids[i], &one);
        if (e == OK)
            sum = nano_plus(sum, one);
    }
    if (e == OK)
        *ret_unspent = sum;
    return e;
}

/* ---------------------------------------------------------------- released */

static enum err release(struct payments *p, struct store_conn *conn, struct arena *a,
                        struct payment *x, struct str dispute, int64_t now_us)
{
    int64_t changed = 0;
    struct store_query *q = NULL;
    enum err e = store_start(conn, SQL_PAYMENTS_DISPUTE_OF, &q, "tt", dispute, x->intent);
    if (e == OK)
        e = store_step(q);
    store_finish(&q);
    if (e != OK)
        return e == ERR_END ? ERR_NOT_FOUND : e;
    e = store_run(conn, SQL_PAYMENTS_DISPUTE_RELEASE, &changed, "t", dispute);
    if (e == OK && changed == 0)
        return ERR_CONFLICT;
    return e == OK ? payment_settle_in(p, conn, a, x, now_us) : e;
}

enum err payments_release_in(struct payments *p, struct store_conn *conn, const char *payment,
                             struct str dispute, int64_t now_us)
{
    struct arena a;
    struct payment x;
    arena_init(&a, 4096, 65536);
    enum err e = payments_get(conn, &a, str_c(payment), &x);
    if (e == OK)
        e = release(p, conn, &a, &x, dispute, now_us);
    arena_fini(&a);
    return e;
}

/* ---------------------------------------------------------------- paid */

enum err payment_paid_in(struct payments *p, struct store_conn *conn, struct arena *a,
                         struct payment *x, struct str intent, const struct payment_month *month,
                         int64_t now_us)
{
    struct settling s = {.p = p, .conn = conn, .x = x, .now_us = now_us};
    struct payment other;
    if (intent.n != 0) {
        enum err e = payments_get(conn, a, intent, &other);
        if (e == OK && strcmp(other.id, x->id) != 0)
            return ERR_CONFLICT;
        if (e != OK && e != ERR_NOT_FOUND)
            return e;
        x->intent = intent;
    }
    struct str before = x->status;
    enum err e = lot_grant(&s, x->amount, month != NULL ? "subscribed" : "bought", month, false);
    if (e != OK)
        return e;
    x->completed_us = now_us;
    x->awaiting = false;
    x->failure = STR("");
    x->status = STR("completed");
    e = payment_put_in(p, conn, x, before, now_us);
    return e == OK ? payment_settle_in(p, conn, a, x, now_us) : e;
}

enum err payments_paid_in(struct payments *p, struct store_conn *conn, const char *payment,
                          struct str intent, int64_t paid_minor, int64_t tax_minor, int64_t now_us)
{
    struct arena a;
    struct payment x;
    arena_init(&a, 4096, 65536);
    enum err e = payments_get(conn, &a, str_c(payment), &x);
    if (e == OK && !payment_is_granted(&x)) {
        x.paid_minor = paid_minor;
        x.tax_minor = tax_minor;
        e = payment_paid_in(p, conn, &a, &x, intent, NULL, now_us);
    }
    arena_fini(&a);
    return e;
}

/* ---------------------------------------------------------------- months of a subscription */

enum err payment_more_in(struct payments *p, struct store_conn *conn, struct arena *a,
                         struct payment *x, struct nano amount, const struct payment_month *month,
                         int64_t now_us)
{
    struct settling s = {.p = p, .conn = conn, .x = x, .now_us = now_us};
    enum err e = lot_grant(&s, amount, "subscribed", month, false);
    x->amount = nano_plus(x->amount, amount);
    if (e == OK)
        e = payment_put_in(p, conn, x, x->status, now_us);
    return e == OK ? payment_settle_in(p, conn, a, x, now_us) : e;
}

enum err payment_expire_in(struct payments *p, struct store_conn *conn, struct str payment,
                           struct id lot, struct nano most, int64_t now_us)
{
    struct arena a;
    struct payment x;
    struct nano unspent = NANO(0), taken = NANO(0), left = NANO(0);
    struct settling s = {.p = p, .conn = conn, .x = &x, .now_us = now_us};
    arena_init(&a, 4096, 65536);
    enum err e = payments_get(conn, &a, payment, &x);
    if (e == OK)
        e = ledger_lot_unspent_in(p->ledger, conn, lot, &unspent);
    unspent = most.v < unspent.v ? most : unspent;
    if (e == OK && unspent.v > 0)
        e = ledger_lot_take_in(p->ledger, conn, lot, unspent, STR("breakage"),
                               reason(&s, "expired"), next_key(&s, "expire"), now_us, &taken);
    if (e == OK)
        e = ledger_lot_left_in(p->ledger, conn, lot, &left);
    if (e == OK)
        e = store_run(conn, SQL_PAYMENTS_LOT_EXPIRED, NULL, "tbnn", payment, id_bytes(&lot), taken,
                      left);
    if (e == OK && taken.v > 0)
        e = payment_put_in(p, conn, &x, x.status, now_us);
    if (e == OK && taken.v > 0)
        e = payment_settle_in(p, conn, &a, &x, now_us);
    arena_fini(&a);
    return e;
}

enum err payments_expire_in(struct payments *p, struct store_conn *conn, int64_t now_us)
{
    struct store_query *q = NULL;
    struct {
        char payment[ID_TEXT_MAX];
        struct id lot;
    } due[100];
    size_t n = 0;
    enum err e = store_start(conn, SQL_PAYMENTS_LOTS_DUE, &q, "i", now_us);
    while (e == OK && n < 100 && (e = store_step(q)) == OK) {
        snprintf(due[n].payment, ID_TEXT_MAX, "%.*s", STR_ARG(store_str(q, 0)));
        due[n++].lot = id_of_bytes(store_str(q, 1));
    }
    store_finish(&q);
    e = e == ERR_END ? OK : e;
    for (size_t i = 0; i < n && e == OK; i++)
        e = payment_expire_in(p, conn, str_c(due[i].payment), due[i].lot, NANO(INT64_MAX), now_us);
    return e;
}

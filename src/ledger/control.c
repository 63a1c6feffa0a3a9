/* Control operations: each is a row of the journal in the caller's transaction. The model follows
 * at once, with an undo log; other threads see what was added only when it is durable, and what is
 * taken away at once. */
#include "base/mem.h"
#include "ledger/counter.h"
#include "ledger/inside.h"

#include <stdio.h>
#include <stdlib.h>

/* One operation, until its transaction ends. */
struct op {
    struct ledger *ledger;
    /* Where the model and the chain were before it. */
    size_t undo_n, moves_n;
    uint64_t seq;
    uint8_t hash[CRYPTO_HASH_LEN];
    int64_t at;
    uint64_t records;
    /* Account figures: when it is durable, and when it is not. */
    struct ledger_account *account;
    int64_t available_add, balance_add, available_back;
    bool opens, sets_off, off;
    /* The answer to a refused operation, kept even when the caller rolls back (I5). */
    struct refusal *refusal;
};

struct refusal {
    struct ledger *ledger;
    char key[RECORD_KEY_MAX + 1];
    uint8_t hash[CRYPTO_HASH_LEN];
    enum err result;
    int64_t at;
};

/* ---- one operation ---- */

static void op_publish(struct op *op)
{
    struct ledger *l = op->ledger;
    struct ledger_account *a = op->account;
    atomic_fetch_add_explicit(&l->lag_records, op->records, memory_order_relaxed);
    if (op->records != 0)
        ledger_tick_soon(l);
    if (a == NULL)
        return;
    atomic_fetch_add(&a->available, op->available_add);
    atomic_fetch_add(&a->balance, op->balance_add);
    if (op->sets_off) {
        atomic_fetch_add(&a->cap_limit, op->balance_add);
        atomic_store(&a->off, op->off);
    }
    if (op->opens)
        atomic_store_explicit(&a->live, true, memory_order_release);
}

static enum err refusal_write(struct store_conn *conn, void *arg);

static void refusal_done(void *arg, enum err e)
{
    /* When even this could not be written, a repetition is decided afresh. */
    (void)e;
    mem_free(arg);
}

static void op_undo(struct op *op)
{
    struct ledger *l = op->ledger;
    /* Whoever is first undoes those behind him, too. */
    if (l->seq > op->seq || l->model->undo_n > op->undo_n) {
        atomic_fetch_sub_explicit(&l->batches, l->seq - op->seq, memory_order_relaxed);
        model_undo_to(l->model, op->undo_n, op->moves_n);
        l->seq = op->seq;
        l->at = op->at;
        memcpy(l->hash, op->hash, sizeof(l->hash));
    }
    atomic_fetch_sub_explicit(&l->records, op->records, memory_order_relaxed);
    if (op->account != NULL)
        atomic_fetch_add(&op->account->available, op->available_back);
    if (op->refusal != NULL && !atomic_load(&l->closing)) {
        store_write_later(l->store, refusal_write, refusal_done, op->refusal);
        op->refusal = NULL;
    }
}

static void op_end(void *arg, bool committed)
{
    struct op *op = arg;
    struct ledger *l = op->ledger;
    if (op->account != NULL && op->account->adding == op)
        op->account->adding = NULL;
    if (committed)
        op_publish(op);
    else
        op_undo(op);
    must(l->ops > 0);
    if (--l->ops == 0)
        l->model->undo_n = 0;
    mem_free(op->refusal);
    mem_free(op);
}

static struct op *op_begin(struct ledger *l, struct store_conn *conn)
{
    struct op *op = mem_zalloc(sizeof(*op));
    op->ledger = l;
    op->undo_n = l->model->undo_n;
    op->moves_n = l->model->moves_n;
    op->seq = l->seq;
    op->at = l->at;
    memcpy(op->hash, l->hash, sizeof(op->hash));
    l->ops++;
    store_on_end(conn, op_end, op);
    return op;
}

/* Applies and journals the records of an operation as one row. */
static enum err op_write(struct op *op, struct store_conn *conn, const struct record *r, size_t n)
{
    struct ledger *l = op->ledger;
    buf_reset(&l->body);
    l->model->undo_on = true;
    enum err e = OK;
    for (size_t i = 0; i < n && e == OK; i++) {
        record_put(&l->body, &r[i]);
        if (r[i].at > l->at)
            l->at = r[i].at;
        e = model_apply(l->model, &r[i]);
    }
    l->model->undo_on = false;
    if (e == OK)
        e = ledger_row_add(l, conn, n);
    if (e == OK)
        op->records = n;
    return e;
}

static enum err may_write(const struct ledger *l)
{
    return atomic_load(&l->closing) ? ERR_LEDGER_UNAVAILABLE : OK;
}

/* ---- idempotency ---- */

static enum err err_named(struct str name)
{
    for (int e = 0; e < ERR__COUNT; e++)
        if (str_eq(name, str_c(err_info((enum err)e)->name)))
            return (enum err)e;
    return ERR_CORRUPT;
}

struct key {
    struct str text;
    uint8_t hash[CRYPTO_HASH_LEN];
    bool known;
    enum err result;
    int64_t amount;
};

/* What is asked, without what differs between two tries of the same (`at`, new ids). */
static void key_hash(struct ledger *l, const struct record *asked, struct key *key)
{
    buf_reset(&l->parts);
    record_put(&l->parts, asked);
    crypto_sha256(buf_str(&l->parts), key->hash);
}

/* Looks the key up: known with the answer, or CONFLICT when the body was another one. */
static enum err key_find(struct ledger *l, struct store_conn *conn, const struct record *asked,
                         struct str text, struct key *ret_key)
{
    struct key key = {.text = text};
    struct store_query *q = NULL;
    key_hash(l, asked, &key);
    enum err e = store_start(conn, SQL_LEDGER_KEY_GET, &q, "t", text);
    if (e == OK)
        e = store_step(q);
    if (e == OK) {
        key.known = true;
        key.result = err_named(store_str(q, 1));
        key.amount = store_i64(q, 2);
        if (!str_eq(store_str(q, 0), str_of((const char *)key.hash, sizeof(key.hash))))
            e = ERR_CONFLICT;
    } else if (e == ERR_END) {
        e = OK;
    }
    store_finish(&q);
    if (e == OK)
        *ret_key = key;
    return e;
}

static enum err key_add(struct store_conn *conn, const struct key *key, int64_t at,
                        struct record *ret_record)
{
    struct record r = {.type = RECORD_KEY,
                       .at = at,
                       .amount = key->amount,
                       .about = key->text,
                       .reason = str_c(err_info(key->result)->name)};
    memcpy(r.hash, key->hash, sizeof(r.hash));
    *ret_record = r;
    return store_run(conn, SQL_LEDGER_KEY_ADD, NULL, "tbtii", key->text,
                     str_of((const char *)key->hash, sizeof(key->hash)), r.reason, key->amount, at);
}

/* Remembers a refusal and returns it. */
static enum err key_refuse(struct ledger *l, struct store_conn *conn, struct key *key,
                           enum err result, int64_t at)
{
    struct record r;
    key->result = result;
    struct op *op = op_begin(l, conn);
    op->refusal = mem_zalloc(sizeof(*op->refusal));
    op->refusal->ledger = l;
    op->refusal->result = result;
    op->refusal->at = at;
    memcpy(op->refusal->key, key->text.p, key->text.n);
    memcpy(op->refusal->hash, key->hash, sizeof(key->hash));
    enum err e = key_add(conn, key, at, &r);
    if (e == OK)
        e = op_write(op, conn, &r, 1);
    return e != OK ? e : result;
}

/* The transaction of a refused operation was rolled back by its caller: the answer is kept by one
 * of its own. */
static enum err refusal_write(struct store_conn *conn, void *arg)
{
    const struct refusal *f = arg;
    struct ledger *l = f->ledger;
    struct key key = {.text = str_c(f->key), .result = f->result};
    struct store_query *q = NULL;
    enum err e = may_write(l);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_LEDGER_KEY_GET, &q, "t", key.text);
    if (e == OK)
        e = store_step(q);
    store_finish(&q);
    if (e != ERR_END)
        return e; /* OK: somebody was faster */
    struct record r;
    memcpy(key.hash, f->hash, sizeof(key.hash));
    struct op *op = op_begin(l, conn);
    e = key_add(conn, &key, f->at, &r);
    return e == OK ? op_write(op, conn, &r, 1) : e;
}

static bool text_is_sound(struct str s, size_t max)
{
    return s.n <= max && str_is_utf8(s) && memchr(s.p, 0, s.n) == NULL;
}

static bool key_is_sound(struct str key)
{
    return key.n != 0 && text_is_sound(key, RECORD_KEY_MAX);
}

/* ---- accounts ---- */

enum err ledger_account_open_in(struct ledger *ledger, struct store_conn *conn, struct id account,
                                enum ledger_kind kind, struct nano overdraft_limit, int64_t wall_us)
{
    if (id_is_zero(account) || overdraft_limit.v < 0 || overdraft_limit.v > LEDGER_MONEY_MAX ||
        (kind != LEDGER_WALLET && overdraft_limit.v != 0))
        return ERR_INVALID_REQUEST;
    enum err e = may_write(ledger);
    if (e != OK)
        return e;
    struct ledger_account *a = model_find(ledger->model, account);
    if (a != NULL && !a->gone)
        return ERR_CONFLICT;
    struct record r = {.type = RECORD_ACCOUNT,
                       .id = account,
                       .kind = kind,
                       .at = wall_us,
                       .amount = overdraft_limit.v};
    struct op *op = op_begin(ledger, conn);
    e = op_write(op, conn, &r, 1);
    if (e != OK)
        return e;
    a = model_find(ledger->model, account);
    atomic_store(&a->available, 0);
    atomic_store(&a->balance, 0);
    atomic_store(&a->overdraft, overdraft_limit.v);
    atomic_store(&a->off, kind == LEDGER_CAP);
    op->account = a;
    op->opens = true;
    return OK;
}

static struct ledger_account *account_of(struct ledger *l, struct id id, enum ledger_kind kind)
{
    struct ledger_account *a = model_find(l->model, id);
    return a == NULL || a->gone || a->kind != kind ? NULL : a;
}

enum err ledger_cap_set_in(struct ledger *ledger, struct store_conn *conn, struct id cap, bool off,
                           struct nano limit, int64_t wall_us)
{
    if (limit.v < 0 || limit.v > LEDGER_MONEY_MAX)
        return ERR_INVALID_REQUEST;
    enum err e = may_write(ledger);
    if (e != OK)
        return e;
    struct ledger_account *a = account_of(ledger, cap, LEDGER_CAP);
    if (a == NULL)
        return ERR_NOT_FOUND;
    int64_t amount = off ? 0 : limit.v, before = a->limit;
    struct record r = {.type = RECORD_CAP,
                       .flags = off ? RECORD_OFF : 0,
                       .id = cap,
                       .at = wall_us,
                       .amount = amount};
    struct op *op = op_begin(ledger, conn);
    e = op_write(op, conn, &r, 1);
    if (e != OK)
        return e;
    op->account = a;
    op->available_add = op->balance_add = amount - before;
    op->sets_off = true;
    op->off = off;
    return OK;
}

/* ---- lots ---- */

static struct record grant_record(const struct ledger_grant *g)
{
    return (struct record){.type = RECORD_GRANT,
                           .other = g->wallet,
                           .amount = g->amount.v,
                           .kind = g->kind,
                           .priority = g->priority,
                           .expires = g->expires_us,
                           .about = g->source,
                           .reason = g->reason};
}

static bool grant_is_sound(const struct ledger_grant *g)
{
    enum house_account source;
    return g->amount.v > 0 && g->amount.v <= LEDGER_MONEY_MAX && !id_is_zero(g->lot) &&
           (unsigned)g->kind < LEDGER_LOT_KIND__COUNT && g->expires_us >= 0 &&
           (g->expires_us == 0 || g->expires_us > g->wall_us) &&
           model_house_named(g->source, &source) && text_is_sound(g->reason, RECORD_REASON_MAX) &&
           key_is_sound(g->idempotency);
}

/* Room for the amount in the wallet, and in all counter accounts whatever they hold. */
static bool has_room(const struct ledger_account *w, int64_t amount)
{
    struct nano sum;
    return nano_add(NANO(w->posted), NANO(amount), &sum) == OK && sum.v <= INT64_MAX / 4;
}

/* Whoever wants to know. */
static enum err credit_changed(const struct ledger *l, struct store_conn *conn,
                               const struct ledger_account *w, int64_t wall_us)
{
    if (l->watcher.credit_changed_in == NULL)
        return OK;
    return l->watcher.credit_changed_in(l->watcher.arg, conn, ledger_account_id(w), wall_us);
}

static enum err grant_new(struct ledger *l, struct store_conn *conn, const struct ledger_grant *g,
                          struct key *key)
{
    struct ledger_account *w = account_of(l, g->wallet, LEDGER_WALLET);
    if (w == NULL)
        return key_refuse(l, conn, key, ERR_NOT_FOUND, g->wall_us);
    enum err e = ledger_lot_need(l->model, conn, g->lot);
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    if (e == OK)
        return key_refuse(l, conn, key, ERR_CONFLICT, g->wall_us);
    if (!has_room(w, g->amount.v))
        return key_refuse(l, conn, key, ERR_LIMIT, g->wall_us);
    struct record r[2];
    struct op *op = op_begin(l, conn);
    key->amount = g->amount.v;
    e = key_add(conn, key, g->wall_us, &r[0]);
    r[1] = grant_record(g);
    r[1].id = g->lot;
    r[1].at = g->wall_us;
    if (e == OK)
        e = op_write(op, conn, r, 2);
    if (e != OK)
        return e;
    op->account = w;
    op->available_add = op->balance_add = g->amount.v;
    w->adding = op;
    return credit_changed(l, conn, w, g->wall_us);
}

enum err ledger_grant_in(struct ledger *ledger, struct store_conn *conn,
                         const struct ledger_grant *g, bool *ret_replayed)
{
    if (!grant_is_sound(g))
        return ERR_INVALID_REQUEST;
    enum err e = may_write(ledger);
    if (e != OK)
        return e;
    struct record asked = grant_record(g);
    struct key key;
    e = key_find(ledger, conn, &asked, g->idempotency, &key);
    if (e == OK)
        e = key.known ? key.result : grant_new(ledger, conn, g, &key);
    if (e == OK)
        *ret_replayed = key.known;
    return e;
}

/* Lowers `available` at once, so that no loop can hold what is about to leave. */
static int64_t wallet_lower(struct ledger_account *w, int64_t most)
{
    int64_t now = atomic_load(&w->available), part;
    do {
        part = now < most ? now : most;
        if (part <= 0)
            return 0;
    } while (!atomic_compare_exchange_weak(&w->available, &now, now - part));
    return part;
}

/* What was granted by this transaction is not available yet, and need not become so. */
static int64_t grant_lower(struct ledger_account *w, int64_t most)
{
    struct op *grant = w->adding;
    if (grant == NULL || most <= 0)
        return 0;
    int64_t part = grant->available_add < most ? grant->available_add : most;
    grant->available_add -= part;
    return part;
}

/* Takes up to `most` of what is unheld of the lot. `key` may be NULL. */
static enum err take_new(struct ledger *l, struct store_conn *conn, struct lot *lot, int64_t most,
                         struct record take, struct key *key, int64_t *ret_taken)
{
    int64_t unheld = lot_unheld(lot);
    most = most < unheld ? most : unheld;
    int64_t part = wallet_lower(lot->wallet, most);
    struct op *op = op_begin(l, conn);
    op->account = lot->wallet;
    op->available_back = part;
    part += grant_lower(lot->wallet, most - part);
    op->balance_add = -part;
    struct record r[2];
    size_t n = 0;
    enum err e = OK;
    if (key != NULL) {
        key->amount = part;
        e = key_add(conn, key, take.at, &r[n++]);
    }
    if (part > 0) {
        take.id = lot->id;
        take.other = id_new(take.at);
        take.amount = part;
        r[n++] = take;
    }
    if (e == OK && n > 0)
        e = op_write(op, conn, r, n);
    if (e == OK && part > 0)
        e = credit_changed(l, conn, lot->wallet, take.at);
    if (e == OK)
        *ret_taken = part;
    return e;
}

enum err ledger_lot_take_in(struct ledger *ledger, struct store_conn *conn, struct id lot,
                            struct nano most, struct str to, struct str reason,
                            struct str idempotency, int64_t wall_us, struct nano *ret_taken)
{
    enum house_account counter;
    if (most.v <= 0 || most.v > LEDGER_MONEY_MAX || !model_house_named(to, &counter) ||
        !text_is_sound(reason, RECORD_REASON_MAX) || !key_is_sound(idempotency))
        return ERR_INVALID_REQUEST;
    enum err e = may_write(ledger);
    if (e != OK)
        return e;
    struct record asked = {
        .type = RECORD_TAKE, .id = lot, .amount = most.v, .about = to, .reason = reason};
    struct key key;
    e = key_find(ledger, conn, &asked, idempotency, &key);
    if (e != OK)
        return e;
    if (key.known) {
        if (key.result == OK)
            *ret_taken = NANO(key.amount);
        return key.result;
    }
    e = ledger_lot_need(ledger->model, conn, lot);
    if (e == ERR_NOT_FOUND)
        return key_refuse(ledger, conn, &key, ERR_NOT_FOUND, wall_us);
    asked.at = wall_us;
    int64_t taken = 0;
    if (e == OK)
        e = take_new(ledger, conn, model_lot(ledger->model, lot), most.v, asked, &key, &taken);
    if (e == OK)
        *ret_taken = NANO(taken);
    return e;
}

enum err ledger_lot_left_in(struct ledger *ledger, struct store_conn *conn, struct id lot,
                            struct nano *ret_left)
{
    enum err e = ledger_lot_need(ledger->model, conn, lot);
    if (e == OK)
        *ret_left = NANO(model_lot(ledger->model, lot)->remaining);
    return e;
}

enum err ledger_lot_unspent_in(struct ledger *ledger, struct store_conn *conn, struct id lot,
                               struct nano *ret_unspent)
{
    enum err e = ledger_lot_need(ledger->model, conn, lot);
    if (e != OK)
        return e;
    const struct lot *l = model_lot(ledger->model, lot);
    const struct op *grant = l->wallet->adding;
    int64_t unheld = lot_unheld(l), available = atomic_load(&l->wallet->available);
    if (grant != NULL)
        available += grant->available_add;
    int64_t least = available < unheld ? available : unheld;
    *ret_unspent = NANO(least > 0 ? least : 0);
    return OK;
}

enum err ledger_move_in(struct ledger *ledger, struct store_conn *conn, struct str from,
                        struct str to, struct nano amount, struct str reason,
                        struct str idempotency, int64_t wall_us)
{
    enum house_account a, b;
    char about[RECORD_MOVE_MAX];
    struct record r[2];
    struct key key;
    if (amount.v <= 0 || amount.v > LEDGER_MONEY_MAX || !model_house_named(from, &a) ||
        !model_house_named(to, &b) || a == b || !text_is_sound(reason, RECORD_REASON_MAX) ||
        !key_is_sound(idempotency))
        return ERR_INVALID_REQUEST;
    int n = snprintf(about, sizeof(about), "%.*s %.*s", STR_ARG(from), STR_ARG(to));
    struct record asked = {.type = RECORD_MOVE,
                           .amount = amount.v,
                           .about = str_of(about, (size_t)n),
                           .reason = reason};
    enum err e = may_write(ledger);
    if (e == OK)
        e = key_find(ledger, conn, &asked, idempotency, &key);
    if (e != OK || key.known)
        return e != OK ? e : key.result;
    struct op *op = op_begin(ledger, conn);
    key.amount = amount.v;
    e = key_add(conn, &key, wall_us, &r[0]);
    asked.at = wall_us;
    asked.other = id_new(wall_us);
    r[1] = asked;
    return e == OK ? op_write(op, conn, r, 2) : e;
}

static int by_expiry(const void *a, const void *b)
{
    const struct lot *const *x = a, *const *y = b;
    if ((*x)->expires != (*y)->expires)
        return (*x)->expires < (*y)->expires ? -1 : 1;
    return memcmp((*x)->id.b, (*y)->id.b, sizeof((*x)->id.b));
}

/* The lots that are due, the longest overdue first. */
static struct lot **lots_due(const struct model *m, int64_t wall_us, size_t *ret_n)
{
    size_t at = 0, n = 0, cap = 0;
    struct lot **due = NULL;
    for (struct lot *lot = idmap_next(&m->lots, &at); lot != NULL;
         lot = idmap_next(&m->lots, &at)) {
        if (lot->gone || lot->expires == 0 || lot->expires > wall_us || lot_unheld(lot) <= 0)
            continue;
        if (n == cap) {
            cap = cap != 0 ? cap * 2 : 16;
            due = mem_realloc(due, cap * sizeof(struct lot *));
        }
        due[n++] = lot;
    }
    if (n != 0)
        qsort(due, n, sizeof(struct lot *), by_expiry);
    *ret_n = n;
    return due;
}

enum err ledger_expire_in(struct ledger *ledger, struct store_conn *conn, int64_t wall_us,
                          int *ret_lots)
{
    enum err e = may_write(ledger);
    if (e != OK)
        return e;
    size_t n = 0;
    int lots = 0;
    struct lot **due = lots_due(ledger->model, wall_us, &n);
    for (size_t i = 0; i < n && e == OK; i++) {
        struct record take = {
            .type = RECORD_TAKE, .at = wall_us, .about = STR("breakage"), .reason = STR("expired")};
        int64_t taken = 0;
        e = take_new(ledger, conn, due[i], lot_unheld(due[i]), take, NULL, &taken);
        lots += taken > 0;
    }
    mem_free(due);
    if (e == OK)
        *ret_lots = lots;
    return e;
}

/* ---- refunds ---- */

/* What a call took from whom, in recorded order, and what was given back of it. */
struct charged {
    struct split_of {
        struct id from;
        int64_t left;
    } * parts;
    size_t n, cap;
};

static enum err charged_add(void *arg, const struct move *m)
{
    struct charged *c = arg;
    if (!id_eq(m->credit, model_house_id(HOUSE_REVENUE)) ||
        id_eq(m->debit, model_house_id(HOUSE_WRITE_OFF)))
        return OK;
    if (c->n == c->cap) {
        c->cap = c->cap != 0 ? c->cap * 2 : 8;
        c->parts = mem_realloc(c->parts, c->cap * sizeof(*c->parts));
    }
    c->parts[c->n++] = (struct split_of){m->debit, m->amount};
    return OK;
}

static void charged_less(struct charged *c, struct id from, int64_t amount)
{
    for (size_t i = 0; i < c->n && amount > 0; i++) {
        if (!id_eq(c->parts[i].from, from))
            continue;
        int64_t part = amount < c->parts[i].left ? amount : c->parts[i].left;
        c->parts[i].left -= part;
        amount -= part;
    }
}

static enum err charged_read(struct store_conn *conn, enum sql_id sql, struct id call,
                             struct charged *c)
{
    struct store_query *q = NULL;
    enum err e = store_start(conn, sql, &q, "b", id_bytes(&call));
    while (e == OK && (e = store_step(q)) == OK) {
        struct move m = {.debit = id_of_bytes(store_str(q, 2)),
                         .credit = id_of_bytes(store_str(q, 3)),
                         .amount = store_i64(q, 4)};
        if (sql == SQL_LEDGER_TRANSFER_OF)
            (void)charged_add(c, &m);
        else
            charged_less(c, m.credit, m.amount);
    }
    store_finish(&q);
    return e == ERR_END ? OK : e;
}

/* From the tables, and from what is not projected yet. */
static enum err charged_find(struct ledger *l, struct store_conn *conn, struct id call,
                             struct charged *c)
{
    enum err e = charged_read(conn, SQL_LEDGER_TRANSFER_OF, call, c);
    for (const struct hold *h = l->model->ended; h != NULL && e == OK; h = h->next)
        if (id_eq(h->call, call))
            e = model_hold_moves(h, charged_add, c);
    if (e == OK)
        e = charged_read(conn, SQL_LEDGER_TRANSFER_CORRECTING, call, c);
    for (size_t i = 0; i < l->model->moves_n; i++)
        if (id_eq(l->model->moves[i].corrects, call))
            charged_less(c, l->model->moves[i].credit, l->model->moves[i].amount);
    return e;
}

/* The parts of `amount`, in recorded order; the lots are in memory then. */
static enum err refund_parts(struct ledger *l, struct store_conn *conn, const struct charged *c,
                             int64_t amount, struct buf *parts, struct ledger_account **ret_wallet)
{
    enum err e = OK;
    for (size_t i = 0; i < c->n && amount > 0 && e == OK; i++) {
        int64_t part = amount < c->parts[i].left ? amount : c->parts[i].left;
        struct ledger_account *w = account_of(l, c->parts[i].from, LEDGER_WALLET);
        if (part == 0)
            continue;
        if (w == NULL)
            e = ledger_lot_need(l->model, conn, c->parts[i].from);
        if (e == OK)
            *ret_wallet = w != NULL ? w : model_lot(l->model, c->parts[i].from)->wallet;
        record_part_put(parts, c->parts[i].from, part);
        amount -= part;
    }
    if (e == OK && (amount > 0 || parts->n > (size_t)RECORD_PARTS_MAX * RECORD_PART_LEN))
        e = ERR_LIMIT;
    return e;
}

static enum err refund_new(struct ledger *l, struct store_conn *conn, struct record r,
                           struct key *key, const struct charged *c)
{
    struct ledger_account *w = NULL;
    struct buf parts;
    buf_init(&parts, SIZE_MAX / 2);
    enum err e = c->n == 0 ? ERR_NOT_FOUND : refund_parts(l, conn, c, r.amount, &parts, &w);
    if (e == ERR_LIMIT || (e == ERR_NOT_FOUND && c->n == 0)) {
        buf_fini(&parts);
        return key_refuse(l, conn, key, e, r.at);
    }
    if (e == OK) {
        struct record two[2];
        struct op *op = op_begin(l, conn);
        key->amount = r.amount;
        e = key_add(conn, key, r.at, &two[0]);
        r.other = id_new(r.at);
        r.parts = buf_str(&parts);
        two[1] = r;
        if (e == OK)
            e = op_write(op, conn, two, 2);
        if (e == OK) {
            op->account = w;
            op->available_add = op->balance_add = r.amount;
            e = credit_changed(l, conn, w, r.at);
        }
    }
    buf_fini(&parts);
    return e;
}

enum err ledger_refund_in(struct ledger *ledger, struct store_conn *conn, struct id call,
                          struct nano amount, struct str reason, struct str idempotency,
                          int64_t wall_us)
{
    if (amount.v <= 0 || amount.v > LEDGER_MONEY_MAX || !text_is_sound(reason, RECORD_REASON_MAX) ||
        !key_is_sound(idempotency))
        return ERR_INVALID_REQUEST;
    enum err e = may_write(ledger);
    if (e != OK)
        return e;
    struct record asked = {.type = RECORD_REFUND, .id = call, .amount = amount.v, .reason = reason};
    struct key key;
    e = key_find(ledger, conn, &asked, idempotency, &key);
    if (e != OK || key.known)
        return e != OK ? e : key.result;
    struct charged c = {0};
    asked.at = wall_us;
    e = charged_find(ledger, conn, call, &c);
    if (e == OK)
        e = refund_new(ledger, conn, asked, &key, &c);
    mem_free(c.parts);
    return e;
}

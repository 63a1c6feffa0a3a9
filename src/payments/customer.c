/* A team's customer at Stripe: made when he is needed, and made anew when he was deleted there. */
#include "base/crypto.h"
#include "payments/room.h"

#include <stdio.h>

struct customer {
    struct payments *p;
    struct str team, id;
};

static enum err customer_in(struct store_conn *conn, void *arg)
{
    const struct customer *c = arg;
    return store_run(conn, SQL_PAYMENTS_CUSTOMER_ADD, NULL, "tit", c->team,
                     (int64_t)c->p->options.stripe.livemode, c->id);
}

/* NOT_FOUND: there is none; *ret_replaced: the one that was deleted there, or "". */
static enum err customer_known(struct payments *p, struct str team, char ret_customer[128],
                               char ret_replaced[128])
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    enum err e = store_reader_begin(p->options.store, &conn);
    if (e != OK)
        return e;
    e = store_start(conn, SQL_PAYMENTS_CUSTOMER_GET, &q, "ti", team,
                    (int64_t)p->options.stripe.livemode);
    if (e == OK)
        e = store_step(q);
    if (e == OK)
        snprintf(ret_customer, 128, "%.*s", STR_ARG(str_upto(store_str(q, 0), 127)));
    snprintf(ret_replaced, 128, "%.*s",
             STR_ARG(e == OK ? str_upto(store_str(q, 1), 127) : STR("")));
    store_finish(&q);
    store_reader_end(&conn);
    return e == ERR_END || (e == OK && ret_customer[0] == '\0') ? ERR_NOT_FOUND : e;
}

enum err payment_customer_known(struct payments *p, struct str team, char ret_customer[128])
{
    char replaced[128] = "";
    return customer_known(p, team, ret_customer, replaced);
}

enum err payments_customer(struct payments *p, struct id team, struct str email,
                           char ret_customer[128], struct stripe_answer *ret_answer)
{
    char text[ID_TEXT_MAX], hex[2 * CRYPTO_HASH_LEN + 1], key[ID_TEXT_MAX + 32 + 128];
    char replaced[128] = "";
    uint8_t hash[CRYPTO_HASH_LEN];
    struct arena a;
    struct buf form;
    struct customer c = {.p = p, .team = id_text("team_", team, text)};
    memset(ret_answer, 0, sizeof(*ret_answer));
    enum err e = customer_known(p, c.team, ret_customer, replaced);
    if (e != ERR_NOT_FOUND)
        return e;
    buf_init(&form, STRIPE_FORM_MAX);
    arena_init(&a, 1024, 16384);
    if (email.n != 0)
        stripe_form_text(&form, "email", email);
    stripe_form_text(&form, "metadata[team_id]", c.team);
    /* The address is in the key: another body under the same key is refused. And the customer that
     * this one replaces: the same key would give him back. */
    crypto_sha256(email, hash);
    int n = snprintf(key, sizeof(key), "customer:%.*s:%.16s%s%s", STR_ARG(c.team),
                     crypto_hex(hash, sizeof(hash), hex).p, replaced[0] != '\0' ? ":" : "",
                     replaced);
    e = stripe_post(&p->options.stripe, "/v1/customers", buf_str(&form), str_of(key, (size_t)n),
                    ret_answer);
    if (e == OK) {
        c.id = stripe_text(&a, ret_answer->json, "id");
        e = c.id.n == 0 || c.id.n > 127 ? ERR_UPSTREAM_ERROR
                                        : store_write(p->options.store, customer_in, &c);
    }
    if (e == OK)
        e = customer_known(p, c.team, ret_customer, replaced);
    arena_fini(&a);
    buf_fini(&form);
    return e;
}

/* ---------------------------------------------------------------- deleted there */

enum err payments_customer_gone_in(struct store_conn *conn, struct str customer)
{
    return customer.n != 0 ? store_run(conn, SQL_PAYMENTS_CUSTOMER_GONE, NULL, "t", customer) : OK;
}

static enum err gone_in(struct store_conn *conn, void *arg)
{
    return payments_customer_gone_in(conn, str_c(arg));
}

enum err payments_customer_gone(struct payments *p, const char *customer)
{
    return store_write(p->options.store, gone_in, (void *)(uintptr_t)customer);
}

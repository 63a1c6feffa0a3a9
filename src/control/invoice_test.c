/* Receipts, credit notes, statements: what they say, once each, numbered without gaps. */
#include "control/invoice.h"
#include "identity/identity.h"
#include "store/store_testkit.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define T0 (INT64_C(1795132800) * US_PER_S) /* 20 November 2026 */
#define OCTOBER (INT64_C(1790812800) * US_PER_S)
#define DAY_0 (OCTOBER / US_PER_DAY)

static struct store_testkit kit;
static struct control control;
static struct jobs *jobs;
static struct jobs_kind kind;
static struct id team, key;
static struct arena arena;

/* ---- a house ---- */

static enum err people_in(struct store_conn *conn, void *arg)
{
    struct identity_user user;
    char text[IDENTITY_KEY_TEXT_MAX];
    (void)arg;
    enum err e = identity_user_create_in(control.identity, conn, STR("ada@example.com"), false,
                                         OCTOBER, &user);
    team = user.team;
    struct identity_key_spec spec = {
        .user = user.user, .team = team, .name = STR("Produktion"), .scopes = IDENTITY_SCOPE_ALL};
    return e == OK ? identity_key_create_in(control.identity, conn, &spec, OCTOBER, &key, text) : e;
}

static enum err details_in(struct store_conn *conn, void *arg)
{
    struct invoice_details d;
    enum err e = invoice_details_get(conn, &arena, team, &d);
    assert_int_equal(d.name.n + d.address.n + d.tax_id.n + d.email.n, 0);
    return e == OK ? invoice_details_set_in(conn, team, arg) : e;
}

static void house_begin(bool postgres)
{
    struct identity_options o = {.key_prefix = "tg", .keys_max = 100};
    struct jobs_options jo = {0};
    struct ledger_options lo = {.node = STR("n1")};
    char why[STORE_WHY_MAX];
    if (!store_testkit_begin(&kit, postgres))
        skip();
    control = (struct control){.store = store_testkit_open(&kit),
                               .brand_name = "Tollgate",
                               .brand_color = "#2f5bea",
                               .seller = {"Müller & Söhne", "Hauptstraße 1; ;10115 Berlin", "DE1",
                                          "", "VAT", "Thanks.", "TG-"}};
    control.identity = identity_new(control.store, &o);
    assert_int_equal(ledger_open(control.store, &lo, &control.ledger, why), OK);
    assert_int_equal(jobs_open(control.store, &jo, &jobs), OK);
    control.jobs = jobs;
    invoice_statements_add(&control, &kind);
    arena_init(&arena, 4096, 8u << 20);
    assert_int_equal(store_write(control.store, people_in, NULL), OK);
}

static void house_end(void)
{
    arena_fini(&arena);
    ledger_close(&control.ledger);
    store_close(&control.store);
    jobs_close(&jobs);
    identity_free(&control.identity);
    store_testkit_end(&kit);
}

static const char *unquoted(struct str s)
{
    char *p = arena_alloc(&arena, s.n + 1);
    for (size_t i = 0; i < s.n; i++)
        p[i] = (char)(s.p[i] == '"' ? '\'' : s.p[i]);
    p[s.n] = '\0';
    return p;
}

/* The paper of that number, which has these sums, with ' for "; "": there is none. */
static const char *body_of(const char *number, const char *sums)
{
    struct store_conn *conn = NULL;
    struct store_query *q = NULL;
    struct str body = STR("");
    assert_int_equal(store_reader_begin(control.store, &conn), OK);
    assert_int_equal(store_start(conn, SQL_INVOICE_LIST, &q, "btti", id_bytes(&team), STR(""),
                                 STR("~"), (int64_t)100),
                     OK);
    struct str id = STR("");
    while (store_step(q) == OK) {
        if (!str_eq(store_str(q, 1), str_c(number)))
            continue;
        char total[UNITS_TEXT_MAX], tax[UNITS_TEXT_MAX];
        id = arena_dup(&arena, store_str(q, 0));
        assert_string_equal(arena_printf(&arena, "%.*s %.*s %.*s %.*s", STR_ARG(store_str(q, 2)),
                                         STR_ARG(nano_format(store_nano(q, 7), total)),
                                         STR_ARG(nano_format(store_nano(q, 8), tax)),
                                         STR_ARG(store_str(q, 9)))
                                .p,
                            sums);
    }
    store_finish(&q);
    assert_int_equal(store_start(conn, SQL_INVOICE_GET, &q, "tb", id, id_bytes(&team)), OK);
    if (store_step(q) == OK)
        body = arena_dup(&arena, store_str(q, 1));
    store_finish(&q);
    store_reader_end(&conn);
    return unquoted(body);
}

/* ' for ". */
#define HEAD(title, buyer)                                                                         \
    "{'title':'" title "','brand':'Tollgate','color':'#2f5bea','seller':['Müller & Söhne',"      \
    "'Hauptstraße 1','10115 Berlin','Tax ID: DE1'],'buyer':[" buyer "],'note':'Thanks.','facts':"
#define BILL(title, buyer, facts, what, net, tax, last, total)                                     \
    HEAD(title, buyer)                                                                             \
    "[" facts "],'sections':[{'heading':'','columns':['Description','Amount'],'rows':[['" what     \
    "','" net "']]}],'totals':[['Subtotal','" net "'],['VAT','" tax "'],['" last "','" total       \
    "']]}"
#define PAID(id) "['Issued','20 November 2026'],['Paid','20 November 2026'],['Payment','" id "']"
#define NOTE(what, net, tax, last, total)                                                          \
    BILL("Credit note", ADA,                                                                       \
         "['Issued','21 November 2026'],['Receipt','TG-2026-000001'],['Payment','pay_1']",         \
         what ": Prepaid credit", net, tax, last, total)
#define ADA "'ada@example.com'"
#define BUYER "'株式会社 Example','1-2-3 Shibuya','Tokyo','Tax ID: T1','ap@example.com'"
#define PAPER "'inv_..........................'"

/* ---- receipts and credit notes ---- */

static struct invoice_payment paid = {.id = {"pay_1", 5},
                                      .what = {"Prepaid credit", 14},
                                      .currency = {"usd", 3},
                                      .digits = 2,
                                      .paid = {1234560000000},
                                      .tax = {34560000000},
                                      .credit = {1200000000000},
                                      .at_us = T0};

static enum err receipt_in(struct store_conn *conn, void *arg)
{
    struct invoice_payment p = *(const struct invoice_payment *)arg;
    p.team = team;
    return invoice_receipt_in(&control, conn, &p);
}

struct back {
    struct invoice_payment p;
    int64_t returned;
    char papers[400];
};

static enum err returned_in(struct store_conn *conn, void *arg)
{
    struct back *x = arg;
    struct buf b;
    x->p.team = team;
    enum err e = invoice_returned_in(&control, conn, &x->p, NANO(x->returned), T0 + US_PER_DAY);
    buf_init(&b, 400);
    if (e == OK)
        e = invoice_papers_json(conn, x->p.id, &b);
    for (size_t i = 0; i + 30 < b.n; i++) /* ids are another each time */
        if (memcmp(b.p + i, "inv_", 4) == 0)
            memset(b.p + i + 4, '.', 26);
    snprintf(x->papers, sizeof(x->papers), "%s", unquoted(buf_str(&b)));
    buf_fini(&b);
    return e;
}

static void refund(struct back *x, int64_t returned)
{
    x->returned = returned;
    assert_int_equal(store_write(control.store, returned_in, x), OK);
}

static void receipts(bool postgres)
{
    house_begin(postgres);
    for (int i = 0; i < 2; i++)
        assert_int_equal(store_write(control.store, receipt_in, &paid), OK);
    assert_string_equal(body_of("TG-2026-000001", "receipt 1234.56 34.56 usd"),
                        BILL("Receipt", ADA, PAID("pay_1"), "Prepaid credit ($1,200.00)",
                             "$1,200.00", "$34.56", "Total paid", "$1,234.56"));
    struct invoice_payment yen = paid;
    yen.id = STR("pay_2");
    yen.currency = STR("jpy");
    yen.digits = 0;
    yen.what = STR("Pro, 2026-11-20 to 2026-12-20");
    struct invoice_details d = {STR("株式会社 Example"), STR("1-2-3 Shibuya\nTokyo"), STR("T1"),
                                STR("ap@example.com")};
    assert_int_equal(store_write(control.store, details_in, &d), OK);
    yen.paid = NANO(INT64_C(1234000) * NANO_PER_USD);
    yen.tax = NANO(INT64_C(34000) * NANO_PER_USD);
    assert_int_equal(store_write(control.store, receipt_in, &yen), OK);
    assert_string_equal(body_of("TG-2026-000002", "receipt 1234000 34000 jpy"),
                        BILL("Receipt", BUYER, PAID("pay_2"),
                             "Pro, 2026-11-20 to 2026-12-20 ($1,200.00 of credit)", "JPY 1,200,000",
                             "JPY 34,000", "Total paid", "JPY 1,234,000"));
    assert_string_equal(body_of("TG-2026-000003", ""), "");
    house_end();
}

static void credit_notes(bool postgres)
{
    struct back x = {.p = paid};
    house_begin(postgres);
    refund(&x, 500000000000);
    assert_string_equal(x.papers, "'receipt_id':null,'credit_note_ids':[]");
    assert_int_equal(store_write(control.store, receipt_in, &x.p), OK);
    refund(&x, 500000000000);
    assert_string_equal(x.papers, "'receipt_id':" PAPER ",'credit_note_ids':[" PAPER "]");
    assert_string_equal(body_of("TG-CN-2026-000001", "credit_note -500 -13.99 usd"),
                        NOTE("Refund", "$486.01", "$13.99", "Total refunded", "$500.00"));
    refund(&x, 500000000000);
    refund(&x, 1234560000000);
    assert_string_equal(body_of("TG-CN-2026-000002", "credit_note -734.56 -20.57 usd"),
                        NOTE("Refund", "$713.99", "$20.57", "Total refunded", "$734.56"));
    refund(&x, 1000000000000);
    assert_string_equal(
        body_of("TG-CN-2026-000003", "credit_note 234.56 6.57 usd"),
        NOTE("Refund that did not arrive", "-$227.99", "-$6.57", "Taken back", "-$234.56"));
    assert_string_equal(x.papers,
                        "'receipt_id':" PAPER ",'credit_note_ids':[" PAPER "," PAPER "," PAPER "]");
    house_end();
}

/* ---- statements ---- */

static enum err used_in(struct store_conn *conn, void *arg)
{
    struct id gone = {{9}};
    enum err e = OK;
    (void)arg;
    for (int64_t i = 0; i < 40 && e == OK; i++) {
        struct str model = i % 2 != 0 ? STR("anthropic/claude") : STR("openai/gpt");
        e = store_run(conn, SQL_USAGE_DAY_ADD, NULL, "bibtiiiin", id_bytes(&team), DAY_0 - 1 + i,
                      id_bytes(i % 3 != 0 ? &key : &gone), model, 100 + i, INT64_C(1), 1000 * i,
                      INT64_C(12345), NANO(i * 123456789));
    }
    return e == OK ? store_run(conn, SQL_TEAM_DAY_ADD, NULL, "ibinn", DAY_0, id_bytes(&team),
                               INT64_C(1), NANO(1), NANO(1))
                   : e;
}

static enum err credit_in(struct store_conn *conn, void *arg)
{
    bool replayed;
    struct nano taken;
    struct ledger_grant g = {.wallet = team,
                             .lot = id_new(OCTOBER),
                             .kind = LEDGER_LOT_PROMOTIONAL,
                             .amount = NANO(25 * NANO_PER_USD),
                             .source = STR("promo_expense"),
                             .reason = STR("welcome"),
                             .idempotency = STR("g"),
                             .wall_us = OCTOBER + US_PER_HOUR};
    (void)arg;
    enum err e = ledger_account_open_in(control.ledger, conn, team, LEDGER_WALLET, NANO(0),
                                        OCTOBER);
    if (e == OK)
        e = ledger_grant_in(control.ledger, conn, &g, &replayed);
    if (e == OK)
        e = ledger_lot_take_in(control.ledger, conn, g.lot, NANO(5 * NANO_PER_USD), STR("breakage"),
                               STR("expired"), STR("t"), OCTOBER + US_PER_DAY, &taken);
    g.lot = id_new(OCTOBER);
    g.idempotency = STR("later");
    g.wall_us = OCTOBER + 31 * US_PER_DAY;
    return e == OK ? ledger_grant_in(control.ledger, conn, &g, &replayed) : e;
}

static enum err much_credit_in(struct store_conn *conn, void *arg)
{
    char reason[400], once[16];
    bool replayed;
    memset(reason, '"', sizeof(reason)); /* two bytes each on the paper */
    (void)arg;
    enum err e = ledger_account_open_in(control.ledger, conn, team, LEDGER_WALLET, NANO(0),
                                        OCTOBER);
    for (int i = 0; i < 1100 && e == OK; i++) {
        int n = snprintf(once, sizeof(once), "g%d", i);
        struct ledger_grant g = {.wallet = team,
                                 .lot = id_new(OCTOBER),
                                 .kind = LEDGER_LOT_PROMOTIONAL,
                                 .amount = NANO(1),
                                 .source = STR("promo_expense"),
                                 .reason = str_of(reason, sizeof(reason)),
                                 .idempotency = str_of(once, (size_t)n),
                                 .wall_us = OCTOBER + i};
        e = ledger_grant_in(control.ledger, conn, &g, &replayed);
    }
    return e;
}

static void issue(void)
{
    struct jobs_call call = {.arg = &control, .now_us = T0};
    assert_int_equal(kind.steps[0].run(&call), JOBS_DONE);
}

#define OCTOBER_PAPER                                                                              \
    HEAD("Statement", ADA)                                                                         \
    "[['Period','October 2026 (UTC)'],['Issued','20 November 2026'],['Calls','3,596']],"           \
    "'sections':[{'heading':'By model','columns':['Model','Requests','Input tokens','Output "      \
    "tokens','Amount'],"                                                                           \
    "'rows':[['anthropic/claude','1,856','256,000','197,520','$31.604937984'],"                    \
    "['openai/gpt','1,740','240,000','185,175','$29.62962936']]},"                                 \
    "{'heading':'By member','columns':['Member','Requests','Input tokens','Output "                \
    "tokens','Amount'],"                                                                           \
    "'rows':[['ada@example.com','2,431','331,000','259,245','$40.864197159'],"                     \
    "['somebody who has gone','1,165','165,000','123,450','$20.370370185']]},"                     \
    "{'heading':'By API key','columns':['Key','Requests','Input tokens','Output "                  \
    "tokens','Amount'],"                                                                           \
    "'rows':[['Produktion','2,431','331,000','259,245','$40.864197159'],"                          \
    "['(deleted key)','1,165','165,000','123,450','$20.370370185']]},"                             \
    "{'heading':'Credit','columns':['Entry','Amount'],"                                            \
    "'rows':[['2 October 2026  Expired: expired','-$5.00'],"                                       \
    "['1 October 2026  Credit: welcome','$25.00']]}],"                                             \
    "'totals':[['Credit added','$25.00'],['Credit taken "                                          \
    "back','-$5.00'],['Used','$61.234567344']]}"

static void statements(bool postgres)
{
    house_begin(postgres);
    issue();
    assert_string_equal(body_of("TG-2026-000001", ""), "");
    assert_int_equal(store_write(control.store, used_in, NULL), OK);
    assert_int_equal(store_write(control.store, credit_in, NULL), OK);
    assert_int_equal(ledger_settled_up(control.ledger), OK);
    issue();
    issue();
    assert_string_equal(body_of("TG-2026-000001", "statement 61.234567344 0 usd"), OCTOBER_PAPER);
    assert_string_equal(body_of("TG-2026-000002", ""), "");
    house_end();
}

/* As many entries as fit, each as long as it can be. */
static void a_long_month(bool postgres)
{
    house_begin(postgres);
    assert_int_equal(store_write(control.store, much_credit_in, NULL), OK);
    assert_int_equal(ledger_settled_up(control.ledger), OK);
    issue();
    struct str body = str_c(body_of("TG-2026-000001", "statement 0 0 usd"));
    assert_true(body.n > 400000);
    assert_true(str_ends(body, STR("'totals':[['Credit added','$0.000001'],"
                                   "['Credit taken back','$0.00'],['Used','$0.00']]}")));
    house_end();
}

#define ON_BOTH(name)                                                                              \
    static void name##_sqlite(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        name(false);                                                                               \
    }                                                                                              \
    static void name##_postgres(void **state)                                                      \
    {                                                                                              \
        (void)state;                                                                               \
        name(true);                                                                                \
    }
ON_BOTH(receipts)
ON_BOTH(credit_notes)
ON_BOTH(statements)
ON_BOTH(a_long_month)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receipts_sqlite),     cmocka_unit_test(receipts_postgres),
        cmocka_unit_test(credit_notes_sqlite), cmocka_unit_test(credit_notes_postgres),
        cmocka_unit_test(statements_sqlite),   cmocka_unit_test(statements_postgres),
        cmocka_unit_test(a_long_month_sqlite), cmocka_unit_test(a_long_month_postgres)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    store_testkit_fini();
    return failed;
}

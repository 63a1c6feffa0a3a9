/* TLS: who is trusted and who is not, reload, and data both ways. */
#include "loop/loop.h"
#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/tls_test.XXXXXX";
static char cert_file[64], key_file[64], other_cert_file[64], other_key_file[64];
static char why[256];

/* ---- certificates ---- */

static void add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

static void make_certificate(const char *cert, const char *key, const char *names, long serial)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    assert_true(pkey != NULL && x != NULL);
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, pkey);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x, name);
    add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(x, NID_subject_alt_name, names);
    assert_true(X509_sign(x, pkey, EVP_sha256()) > 0);
    FILE *f = fopen(cert, "w");
    assert_true(f != NULL && PEM_write_X509(f, x) == 1);
    fclose(f);
    f = fopen(key, "w");
    assert_true(f != NULL && PEM_write_PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(pkey);
}

static int make_files(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(cert_file, sizeof(cert_file), "%s/cert.pem", dir);
    snprintf(key_file, sizeof(key_file), "%s/key.pem", dir);
    snprintf(other_cert_file, sizeof(other_cert_file), "%s/other.pem", dir);
    snprintf(other_key_file, sizeof(other_key_file), "%s/other-key.pem", dir);
    make_certificate(cert_file, key_file, "DNS:tollgate.test,IP:127.0.0.1", 1);
    make_certificate(other_cert_file, other_key_file, "DNS:other.test", 2);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(cert_file);
    unlink(key_file);
    unlink(other_cert_file);
    unlink(other_key_file);
    return rmdir(dir);
}

/* ---- two ends ---- */

struct end {
    struct loop *loop;
    struct loop_conn *conn;
    size_t bytes, opened, closed, released;
    uint64_t sum;
    enum loop_close reason;
    char why[256];
    void (*on_opened)(struct end *e);
    void (*on_read)(struct end *e, struct str bytes);
    void (*on_drained)(struct end *e);
    size_t left;
    bool paused_once;
};

static struct loop *loop, *server_loop;
static struct loop_tls *server_tls, *client_tls;
static struct loop_listener *listener;
static struct end server, client;
static struct loop_timer guard, timer;

static void on_opened(void *arg)
{
    struct end *e = arg;
    e->opened++;
    assert_true(loop_conn_is_tls(e->conn));
    if (e->on_opened != NULL)
        e->on_opened(e);
}

static void on_read(void *arg, struct str bytes)
{
    struct end *e = arg;
    assert_true(bytes.n != 0);
    for (size_t i = 0; i < bytes.n; i++)
        e->sum = e->sum * 31 + (unsigned char)bytes.p[i];
    e->bytes += bytes.n;
    if (e->on_read != NULL)
        e->on_read(e, bytes);
}

static void on_drained(void *arg)
{
    struct end *e = arg;
    if (e->on_drained != NULL)
        e->on_drained(e);
}

static void on_closed(void *arg, enum loop_close reason, const char *text)
{
    struct end *e = arg;
    e->closed++;
    e->reason = reason;
    snprintf(e->why, sizeof(e->why), "%s", text);
    e->conn = NULL;
    loop_stop(e->loop);
}

static const struct loop_conn_events events = {on_opened, on_read, on_drained, on_closed};

static void on_accept(void *arg, struct loop_conn *c)
{
    struct end *e = arg;
    e->conn = c;
    loop_conn_set(c, &events, e);
}

static void guard_rings(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for 20 s");
}

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void listen_tls(void)
{
    union loop_addr a;
    assert_int_equal(loop_addr_parse(STR("127.0.0.1:0"), &a), OK);
    assert_int_equal(loop_listen(server_loop, &a, server_tls, false, on_accept, &server, &listener),
                     OK);
}

/* Everything but the callbacks: the server runs on a loop and a thread of its own. */
static void set_up(const char *ca_file)
{
    loop = loop_new();
    server_loop = loop_new();
    server = (struct end){.loop = server_loop};
    client = (struct end){.loop = loop};
    assert_int_equal(loop_tls_server_new(cert_file, key_file, &server_tls, why, sizeof(why)), OK);
    assert_int_equal(loop_tls_client_new(ca_file, &client_tls, why, sizeof(why)), OK);
    listen_tls();
}

static void dial(struct str name, struct loop_tls *tls)
{
    union loop_addr a;
    char text[32];
    snprintf(text, sizeof(text), "127.0.0.1:%u", loop_listener_port(listener));
    assert_int_equal(loop_addr_parse(str_c(text), &a), OK);
    client.conn = loop_connect(loop, &a, tls, name, &events, &client);
}

static void run_both(void)
{
    pthread_t thread;
    loop_timer_init(&guard, loop, guard_rings, NULL);
    loop_timer_start(&guard, 20 * US_PER_S);
    assert_int_equal(pthread_create(&thread, NULL, run_loop, server_loop), 0);
    loop_run(loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void tear_down(void)
{
    loop_listener_close(&listener);
    loop_free(&loop);
    loop_free(&server_loop);
    loop_tls_free(&server_tls);
    loop_tls_free(&client_tls);
    loop_tls_free(&client_tls);
}

static void play(const char *ca_file, struct str name)
{
    set_up(ca_file);
    dial(name, client_tls);
    run_both();
    tear_down();
}

/* ---- trust ---- */

static void close_now(struct end *e)
{
    loop_conn_close(e->conn);
}

static void trusts(const char *ca_file, struct str name)
{
    set_up(ca_file);
    client.on_opened = close_now;
    dial(name, client_tls);
    run_both();
    tear_down();
    assert_int_equal(client.opened, 1);
    assert_int_equal(client.reason, LOOP_CLOSE_OURS);
    assert_int_equal(server.opened, 1);
    assert_int_equal(server.reason, LOOP_CLOSE_EOF);
}

static void test_trusted(void **state)
{
    (void)state;
    trusts(cert_file, STR("tollgate.test"));
    trusts(cert_file, STR("127.0.0.1"));
}

static void refuses(const char *ca_file, struct str name, const char *text)
{
    play(ca_file, name);
    assert_int_equal(client.opened, 0);
    assert_int_equal(client.reason, LOOP_CLOSE_TLS);
    if (strstr(client.why, text) == NULL)
        fail_msg("%s", client.why);
    assert_true(server.closed == 0 || server.reason == LOOP_CLOSE_TLS);
}

static void test_not_trusted(void **state)
{
    (void)state;
    refuses(NULL, STR("tollgate.test"), "self-signed");
    refuses(other_cert_file, STR("tollgate.test"), "certificate is refused");
    refuses(cert_file, STR("other.test"), "ostname mismatch");
    refuses(cert_file, STR("127.0.0.2"), "IP address mismatch");
    assert_int_equal(server.closed, 1);
    assert_int_equal(server.opened, 0);
}

static void test_no_name(void **state)
{
    (void)state;
    set_up(cert_file);
    dial(STR(""), client_tls);
    client.on_opened = close_now;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_loop, server_loop), 0);
    loop_run(loop);
    loop_stop(server_loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    tear_down();
    assert_int_equal(client.opened, 0);
    assert_int_equal(client.reason, LOOP_CLOSE_TLS);
}

/* Not TLS at all, from either side. */
static void say_plain(struct end *e)
{
    struct str s = STR("GET / HTTP/1.1\r\n\r\n");
    loop_conn_write(e->conn, &s, 1);
}

static void on_plain_opened(void *arg)
{
    say_plain(arg);
}

static void test_plain_client(void **state)
{
    static const struct loop_conn_events plain = {on_plain_opened, on_read, NULL, on_closed};
    (void)state;
    set_up(cert_file);
    dial(STR("tollgate.test"), NULL);
    loop_conn_set(client.conn, &plain, &client);
    run_both();
    tear_down();
    assert_int_equal(server.reason, LOOP_CLOSE_TLS);
    assert_non_null(strstr(server.why, "TLS: "));
    assert_int_equal(server.opened, 0);
}

/* ---- files ---- */

static void test_bad_files(void **state)
{
    struct loop_tls *tls = NULL;
    char long_name[5000];
    (void)state;
    why[0] = '\0';
    assert_int_equal(loop_tls_server_new("/no/such", key_file, &tls, why, sizeof(why)),
                     ERR_INVALID_REQUEST);
    assert_non_null(strstr(why, "/no/such"));
    assert_int_equal(loop_tls_server_new(cert_file, "/no/key", &tls, why, sizeof(why)),
                     ERR_INVALID_REQUEST);
    assert_non_null(strstr(why, "/no/key"));
    assert_int_equal(loop_tls_server_new(cert_file, other_key_file, &tls, why, sizeof(why)),
                     ERR_INVALID_REQUEST);
    assert_int_equal(loop_tls_client_new("/no/ca", &tls, why, sizeof(why)), ERR_INVALID_REQUEST);
    assert_non_null(strstr(why, "/no/ca"));
    memset(long_name, 'a', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    assert_int_equal(loop_tls_server_new(long_name, key_file, &tls, why, sizeof(why)),
                     ERR_INVALID_REQUEST);
    assert_null(tls);
}

/* A reload acts on new connections; a failed one leaves the old certificate. */
static void test_reload(void **state)
{
    char cert[64], key[64], hidden[64];
    (void)state;
    snprintf(cert, sizeof(cert), "%s/live.pem", dir);
    snprintf(key, sizeof(key), "%s/live-key.pem", dir);
    snprintf(hidden, sizeof(hidden), "%s/hidden.pem", dir);
    make_certificate(cert, key, "DNS:first.test", 3);
    set_up(cert);
    loop_tls_free(&server_tls);
    loop_listener_close(&listener);
    assert_int_equal(loop_tls_server_new(cert, key, &server_tls, why, sizeof(why)), OK);
    listen_tls();
    assert_int_equal(rename(cert, hidden), 0);
    assert_int_equal(loop_tls_server_reload(server_tls, why, sizeof(why)), ERR_INVALID_REQUEST);
    client.on_opened = close_now;
    dial(STR("first.test"), client_tls);
    run_both();
    assert_int_equal(client.opened, 1); /* the old one still serves */

    make_certificate(cert, key, "DNS:second.test", 4);
    assert_int_equal(loop_tls_server_reload(server_tls, why, sizeof(why)), OK);
    loop_listener_close(&listener);
    loop_free(&loop);
    loop_free(&server_loop);
    loop_tls_free(&client_tls);
    assert_int_equal(loop_tls_client_new(cert, &client_tls, why, sizeof(why)), OK);
    loop = loop_new();
    server_loop = loop_new();
    server = (struct end){.loop = server_loop};
    client = (struct end){.loop = loop, .on_opened = close_now};
    listen_tls();
    dial(STR("second.test"), client_tls);
    run_both();
    assert_int_equal(client.opened, 1);
    tear_down();
    unlink(cert);
    unlink(key);
    unlink(hidden);
}

/* ---- data ---- */

enum { LARGE = 16 << 20, STEP = 70 * 1000 };
static char piece[STEP];
static uint64_t sum_wanted;

static void sent_one(void *arg)
{
    struct end *e = arg;
    e->released++;
}

/* Small copies and large references by turns. */
static void send_more(struct end *e)
{
    while (e->left != 0 && loop_conn_queued(e->conn) < 300 * 1024) {
        struct str s = str_of(piece, e->left < STEP ? e->left : STEP);
        struct str small = str_upto(s, 100), rest = str_from(s, 100);
        loop_conn_write(e->conn, &small, 1);
        loop_conn_write_ref(e->conn, rest, sent_one, e);
        for (size_t i = 0; i < s.n; i++)
            sum_wanted = sum_wanted * 31 + (unsigned char)s.p[i];
        e->left -= s.n;
    }
    if (e->left == 0)
        loop_conn_close(e->conn);
}

static void resume(void *arg)
{
    struct end *e = arg;
    if (e->conn != NULL)
        loop_conn_resume(e->conn);
}

static void resume_later(struct end *e, struct str bytes)
{
    (void)bytes;
    if (e->bytes / (4 << 20) == e->left)
        return;
    e->left = e->bytes / (4 << 20);
    loop_conn_pause(e->conn);
    loop_timer_start(&timer, 10 * 1000);
}

/* Paused at once, so that what comes along with the handshake has to be held. */
static void pause_at_first(struct end *e)
{
    loop_conn_pause(e->conn);
    loop_timer_start(&timer, 50 * 1000);
}

static void test_large(void **state)
{
    (void)state;
    for (size_t i = 0; i < STEP; i++)
        piece[i] = (char)(i * 7 + i / 251);
    set_up(cert_file);
    client.left = LARGE;
    client.on_opened = client.on_drained = send_more;
    server.on_opened = pause_at_first;
    server.on_read = resume_later;
    loop_timer_init(&timer, server_loop, resume, &server);
    dial(STR("tollgate.test"), client_tls);
    run_both();
    tear_down();
    assert_int_equal(server.bytes, LARGE);
    assert_true(server.sum == sum_wanted);
    assert_int_equal(server.reason, LOOP_CLOSE_EOF);
    assert_int_equal(client.reason, LOOP_CLOSE_OURS);
    assert_int_equal(client.released, (LARGE + STEP - 1) / STEP);
}

static void echo(struct end *e, struct str bytes)
{
    loop_conn_write(e->conn, &bytes, 1);
}

static void ping(struct end *e)
{
    struct str s[2] = {STR("pi"), STR("ng")};
    uint64_t before = loop_conn_sent(e->conn);
    loop_conn_write(e->conn, s, 2);
    assert_true(loop_conn_queued(e->conn) >= 4);
    assert_true(loop_conn_sent(e->conn) == before);
}

static void ping_again(struct end *e, struct str bytes)
{
    assert_int_equal(bytes.n, 4);
    assert_true(loop_conn_sent(e->conn) == e->bytes);
    if (e->bytes == 400)
        loop_conn_close(e->conn);
    else
        ping(e);
}

static void test_echo(void **state)
{
    (void)state;
    set_up(cert_file);
    client.on_opened = ping;
    client.on_read = ping_again;
    server.on_read = echo;
    dial(STR("tollgate.test"), client_tls);
    run_both();
    tear_down();
    assert_int_equal(client.bytes, 400);
    assert_int_equal(server.reason, LOOP_CLOSE_EOF);
}

static void abort_now(struct end *e, struct str bytes)
{
    (void)bytes;
    loop_conn_abort(e->conn);
}

/* An end without close_notify is told apart: it may be an attacker's. */
static void test_abort(void **state)
{
    (void)state;
    set_up(cert_file);
    client.on_opened = ping;
    server.on_read = abort_now;
    dial(STR("tollgate.test"), client_tls);
    run_both();
    tear_down();
    assert_int_equal(server.reason, LOOP_CLOSE_OURS);
    assert_int_equal(client.reason, LOOP_CLOSE_RESET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trusted),   cmocka_unit_test(test_not_trusted),
        cmocka_unit_test(test_no_name),   cmocka_unit_test(test_plain_client),
        cmocka_unit_test(test_bad_files), cmocka_unit_test(test_reload),
        cmocka_unit_test(test_large),     cmocka_unit_test(test_echo),
        cmocka_unit_test(test_abort),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}

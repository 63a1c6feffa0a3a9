/* TLS by OpenSSL over a BIO of our own: it reads from what the loop has just read and writes
 * straight into the connection's queue, so nothing is copied on the way that need not be. */
#include "loop/inner.h"
#include "base/mem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <stdio.h>

enum { RECORD_BYTES = 16 * 1024, FILE_NAME_MAX = 4096, HOST_MAX = 256 };

struct loop_tls {
    pthread_mutex_t lock; /* guards ctx, which a reload swaps; OpenSSL counts its users */
    SSL_CTX *ctx;
    bool server;
    char cert_file[FILE_NAME_MAX], key_file[FILE_NAME_MAX];
};

/* ---- the BIO ---- */

static int bio_read(BIO *bio, char *to, int max)
{
    struct loop_session *s = ((struct loop_conn *)BIO_get_data(bio))->session;
    BIO_clear_retry_flags(bio);
    if (max <= 0)
        return 0;
    if (s->in.n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    struct str take = str_upto(s->in, (size_t)max);
    memcpy(to, take.p, take.n);
    s->in = str_from(s->in, take.n);
    return (int)take.n;
}

static int bio_write(BIO *bio, const char *from, int n)
{
    struct loop_conn *c = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (n <= 0)
        return 0;
    queue_add(&c->loop->chunks, &c->out, str_of(from, (size_t)n));
    if (!c->ended)
        loop_touch(c);
    return n;
}

static long bio_ctrl(BIO *bio, int what, long n, void *p)
{
    (void)bio;
    (void)n;
    (void)p;
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void bio_init(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "loop connection");
    must(bio_method != NULL && BIO_meth_set_read(bio_method, bio_read) == 1 &&
         BIO_meth_set_write(bio_method, bio_write) == 1 &&
         BIO_meth_set_ctrl(bio_method, bio_ctrl) == 1);
}

/* ---- contexts ---- */

static const unsigned char alpn_ours[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                   const unsigned char *in, unsigned in_n, void *arg)
{
    unsigned char *picked;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&picked, out_n, alpn_ours, sizeof(alpn_ours), in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = picked;
    return SSL_TLSEXT_ERR_OK;
}

static const char *openssl_reason(void)
{
    unsigned long e = ERR_peek_last_error();
    const char *text = e != 0 ? ERR_reason_error_string(e) : NULL;
    return text != NULL ? text : "unknown TLS failure";
}

static SSL_CTX *ctx_refuse(SSL_CTX *ctx, char *ret_why, size_t why_max, const char *what,
                           const char *file)
{
    (void)snprintf(ret_why, why_max, "%s %s: %s", what, file, openssl_reason());
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return NULL;
}

static SSL_CTX *ctx_new(const SSL_METHOD *method)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(method);
    must(ctx != NULL && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    return ctx;
}

static SSL_CTX *server_ctx(const char *cert_file, const char *key_file, char *ret_why,
                           size_t why_max)
{
    static const unsigned char name[] = "tollgate";
    SSL_CTX *ctx = ctx_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        return ctx_refuse(ctx, ret_why, why_max, "the certificate", cert_file);
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return ctx_refuse(ctx, ret_why, why_max, "the private key", key_file);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Tickets carry the session, so nothing is kept here. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    must(SSL_CTX_set_session_id_context(ctx, name, sizeof(name) - 1) == 1);
    must(SSL_CTX_set_num_tickets(ctx, 1) == 1);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    return ctx;
}

static struct loop_tls *tls_new(SSL_CTX *ctx, bool server)
{
    struct loop_tls *tls = mem_zalloc(sizeof(*tls));
    must(pthread_once(&bio_once, bio_init) == 0);
    must(pthread_mutex_init(&tls->lock, NULL) == 0);
    tls->ctx = ctx;
    tls->server = server;
    return tls;
}

enum err loop_tls_server_new(const char *cert_file, const char *key_file, struct loop_tls **ret_tls,
                             char *ret_why, size_t why_max)
{
    if (strlen(cert_file) >= FILE_NAME_MAX || strlen(key_file) >= FILE_NAME_MAX) {
        (void)snprintf(ret_why, why_max, "a file name is too long");
        return ERR_INVALID_REQUEST;
    }
    SSL_CTX *ctx = server_ctx(cert_file, key_file, ret_why, why_max);
    if (ctx == NULL)
        return ERR_INVALID_REQUEST;
    struct loop_tls *tls = tls_new(ctx, true);
    memcpy(tls->cert_file, cert_file, strlen(cert_file) + 1);
    memcpy(tls->key_file, key_file, strlen(key_file) + 1);
    *ret_tls = tls;
    return OK;
}

enum err loop_tls_server_reload(struct loop_tls *tls, char *ret_why, size_t why_max)
{
    must(tls->server);
    SSL_CTX *ctx = server_ctx(tls->cert_file, tls->key_file, ret_why, why_max);
    if (ctx == NULL)
        return ERR_INVALID_REQUEST;
    must(pthread_mutex_lock(&tls->lock) == 0);
    SSL_CTX *old = tls->ctx;
    tls->ctx = ctx;
    must(pthread_mutex_unlock(&tls->lock) == 0);
    SSL_CTX_free(old);
    return OK;
}

enum err loop_tls_client_new(const char *ca_file, struct loop_tls **ret_tls, char *ret_why,
                             size_t why_max)
{
    SSL_CTX *ctx = ctx_new(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    must(SSL_CTX_set_alpn_protos(ctx, alpn_ours, sizeof(alpn_ours)) == 0);
    bool good = ca_file != NULL ? SSL_CTX_load_verify_locations(ctx, ca_file, NULL) == 1
                                : SSL_CTX_set_default_verify_paths(ctx) == 1;
    if (!good) {
        (void)ctx_refuse(ctx, ret_why, why_max, "the certificates of",
                         ca_file != NULL ? ca_file : "the system");
        return ERR_INVALID_REQUEST;
    }
    ERR_clear_error();
    *ret_tls = tls_new(ctx, false);
    return OK;
}

void loop_tls_free(struct loop_tls **ret_tls)
{
    struct loop_tls *tls = *ret_tls;
    if (tls == NULL)
        return;
    *ret_tls = NULL;
    SSL_CTX_free(tls->ctx);
    must(pthread_mutex_destroy(&tls->lock) == 0);
    mem_free(tls);
}

/* ---- sessions ---- */

/* Whom the certificate must name: an address is looked for among its addresses. */
static bool expect_name(SSL *ssl, struct str name)
{
    char host[HOST_MAX];
    if (name.n == 0 || name.n >= sizeof(host) || memchr(name.p, '\0', name.n) != NULL)
        return false;
    memcpy(host, name.p, name.n);
    host[name.n] = '\0';
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
        return true;
    ERR_clear_error();
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

void session_new(struct loop_conn *c, struct loop_tls *tls, struct str server_name)
{
    struct loop_session *s = mem_zalloc(sizeof(*s));
    must(pthread_mutex_lock(&tls->lock) == 0);
    s->ssl = SSL_new(tls->ctx);
    must(pthread_mutex_unlock(&tls->lock) == 0);
    BIO *bio = BIO_new(bio_method);
    must(s->ssl != NULL && bio != NULL);
    BIO_set_data(bio, c);
    BIO_set_init(bio, 1);
    SSL_set_bio(s->ssl, bio, bio);
    c->session = s;
    if (c->loop->plain_buf == NULL)
        c->loop->plain_buf = mem_alloc(LOOP_PLAIN_BYTES);
    if (tls->server) {
        SSL_set_accept_state(s->ssl);
        return;
    }
    SSL_set_connect_state(s->ssl);
    if (!expect_name(s->ssl, server_name)) {
        c->failed = true;
        c->fail = LOOP_CLOSE_TLS;
        c->fail_why = "no usable name to verify the certificate by";
        loop_touch(c);
    }
}

void session_free(struct loop_conn *c)
{
    struct loop_session *s = c->session;
    if (s == NULL)
        return;
    c->session = NULL;
    /* Otherwise OpenSSL would forget the session of a peer that may resume it. */
    SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(s->ssl);
    queue_drop(&c->loop->chunks, &s->plain);
    mem_free(s->held);
    mem_free(s);
}

static void session_fail(struct loop_conn *c)
{
    SSL *ssl = c->session->ssl;
    long verify = SSL_get_verify_result(ssl);
    const char *why = verify != X509_V_OK ? loop_why("TLS: the certificate is refused: %s",
                                                     X509_verify_cert_error_string(verify))
                                          : loop_why("TLS: %s", openssl_reason());
    ERR_clear_error();
    conn_finish(c, LOOP_CLOSE_TLS, why);
}

/* True when the session is open. */
static bool handshake(struct loop_conn *c)
{
    struct loop_session *s = c->session;
    if (s->open)
        return true;
    ERR_clear_error();
    int r = SSL_do_handshake(s->ssl);
    if (r != 1) {
        if (SSL_get_error(s->ssl, r) != SSL_ERROR_WANT_READ)
            session_fail(c);
        return false;
    }
    s->open = true;
    loop_touch(c);
    conn_opened(c);
    return true;
}

void session_start(struct loop_conn *c)
{
    (void)handshake(c);
}

static bool wants_plain(const struct loop_conn *c)
{
    return !c->paused && !c->close_asked && !c->abort_asked;
}

/* Decrypts what came into one buffer and delivers it in one piece. */
static void take_plain(struct loop_conn *c)
{
    SSL *ssl = c->session->ssl;
    char *plain = c->loop->plain_buf;
    size_t n = 0, got;
    int r = 1;
    while (r == 1 && wants_plain(c)) {
        ERR_clear_error();
        got = 0;
        r = SSL_read_ex(ssl, plain + n, LOOP_PLAIN_BYTES - n, &got);
        n += got;
        if (n == LOOP_PLAIN_BYTES) {
            conn_deliver(c, str_of(plain, n));
            n = 0;
        }
    }
    int e = r == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, r);
    if (n != 0)
        conn_deliver(c, str_of(plain, n));
    if (e == SSL_ERROR_ZERO_RETURN)
        conn_finish(c, c->close_asked ? LOOP_CLOSE_OURS : LOOP_CLOSE_EOF,
                    "the peer ended the connection");
    else if (e != SSL_ERROR_NONE && e != SSL_ERROR_WANT_READ)
        session_fail(c);
}

static void hold_rest(struct loop_session *s)
{
    if (s->in.n == 0)
        return;
    s->held = mem_realloc(s->held, s->held_n + s->in.n);
    memcpy(s->held + s->held_n, s->in.p, s->in.n);
    s->held_n += s->in.n;
    s->in = str_of("", 0);
}

void session_feed(struct loop_conn *c, struct str bytes)
{
    struct loop_session *s = c->session;
    s->in = bytes;
    if (handshake(c) && wants_plain(c))
        take_plain(c);
    if (!c->ended)
        hold_rest(s);
}

void session_feed_held(struct loop_conn *c)
{
    struct loop_session *s = c->session;
    if (s->held_n == 0)
        return;
    char *held = s->held;
    struct str bytes = str_of(held, s->held_n);
    s->held = NULL;
    s->held_n = 0;
    session_feed(c, bytes);
    mem_free(held);
}

/* Small pieces share a record. */
static struct str next_record(struct loop_conn *c)
{
    struct iovec pieces[LOOP_IOV_MAX];
    size_t n, used = 0;
    unsigned k = queue_pieces(&c->session->plain, pieces, LOOP_IOV_MAX, &n);
    must(k != 0);
    if (k == 1 || pieces[0].iov_len >= RECORD_BYTES / 2)
        return str_of(pieces[0].iov_base, pieces[0].iov_len);
    for (unsigned i = 0; i < k && used < RECORD_BYTES; i++) {
        size_t room = RECORD_BYTES - used;
        size_t take = pieces[i].iov_len < room ? pieces[i].iov_len : room;
        memcpy(c->loop->plain_buf + used, pieces[i].iov_base, take);
        used += take;
    }
    return str_of(c->loop->plain_buf, used);
}

bool session_encrypt(struct loop_conn *c)
{
    struct loop_session *s = c->session;
    if (!s->open || s->shut)
        return true;
    while (s->plain.bytes != 0 && c->out.bytes < LOOP_TLS_AHEAD_BYTES) {
        struct str record = next_record(c);
        size_t n = 0;
        ERR_clear_error();
        if (SSL_write_ex(s->ssl, record.p, record.n, &n) != 1) {
            session_fail(c);
            return false;
        }
        c->sent += n;
        queue_consume(&c->loop->chunks, &s->plain, n);
    }
    return true;
}

void session_shut(struct loop_conn *c)
{
    c->session->shut = true;
    ERR_clear_error();
    (void)SSL_shutdown(c->session->ssl);
    ERR_clear_error();
}

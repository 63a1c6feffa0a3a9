/* Mail by libcurl. */
#include "outbound/mail.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_library(void)
{
    must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

struct talk {
    struct str left; /* of the message */
    char said[OUTBOUND_WHY_MAX]; /* the server's last refusal */
};

static size_t give(char *p, size_t size, size_t n, void *arg)
{
    struct talk *t = arg;
    struct str piece = str_upto(t->left, size * n);
    memcpy(p, piece.p, piece.n);
    t->left = str_from(t->left, piece.n);
    return piece.n;
}

static size_t hear(char *p, size_t size, size_t n, void *arg)
{
    struct talk *t = arg;
    struct str line = str_of(p, size * n);
    if (line.n == 0 || (line.p[0] != '4' && line.p[0] != '5'))
        return size * n;
    while (line.n != 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
        line.n--;
    snprintf(t->said, sizeof(t->said), "%.*s", STR_ARG(line));
    for (char *c = t->said; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7E)
            *c = '?'; /* it goes to the log */
    return size * n;
}

/* Is the server on this machine? (Names other than localhost are not looked up for that.) */
static bool is_loopback(const char *url)
{
    struct str host = str_c(url);
    size_t scheme = str_find(host, STR("://"));
    if (scheme == SIZE_MAX)
        return false;
    host = str_from(host, scheme + 3);
    return str_starts(host, STR("127.")) || str_starts(host, STR("[::1]")) ||
           str_eq(host, STR("localhost")) || str_starts(host, STR("localhost:")) ||
           str_starts(host, STR("localhost/"));
}

static void set_up(CURL *h, const struct outbound_mail *m, struct curl_slist *to, struct talk *t,
                   char *error)
{
    bool plain = m->plain_allowed || is_loopback(m->url);
    char from[320];
    snprintf(from, sizeof(from), "<%s>", m->from);
    curl_easy_setopt(h, CURLOPT_URL, m->url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(h, CURLOPT_USE_SSL, plain ? (long)CURLUSESSL_TRY : (long)CURLUSESSL_ALL);
    curl_easy_setopt(h, CURLOPT_MAIL_FROM, from);
    curl_easy_setopt(h, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)m->message.n);
    curl_easy_setopt(h, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(h, CURLOPT_READDATA, t);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, hear);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)m->timeout_ms);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, error);
    if (m->user != NULL && m->user[0] != '\0') {
        curl_easy_setopt(h, CURLOPT_USERNAME, m->user);
        curl_easy_setopt(h, CURLOPT_PASSWORD, m->password != NULL ? m->password : "");
    }
    if (m->ca_file != NULL)
        curl_easy_setopt(h, CURLOPT_CAINFO, m->ca_file);
}

/* RFC 5321 §4.2: 4yz is for now, 5yz for good; 530, 534, 535 and 538 are about us. */
static enum err err_of(CURLcode code, long status)
{
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ERR_UPSTREAM_TIMEOUT;
    if (code == CURLE_LOGIN_DENIED || status == 530 || status == 534 || status == 535 ||
        status == 538)
        return ERR_DENIED;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
        code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
        code == CURLE_USE_SSL_FAILED)
        return ERR_UPSTREAM_UNAVAILABLE;
    if (status >= 400 && status < 500)
        return ERR_RATE_LIMITED;
    return status >= 500 && status < 600 ? ERR_VALIDATION_FAILED : ERR_UPSTREAM_ERROR;
}

enum err outbound_mail_send(const struct outbound_mail *m, char ret_why[OUTBOUND_WHY_MAX])
{
    char error[CURL_ERROR_SIZE] = "", to[320];
    struct talk talk = {.left = m->message};
    pthread_once(&once, init_library);
    CURL *h = curl_easy_init();
    must(h != NULL);
    snprintf(to, sizeof(to), "<%s>", m->to);
    struct curl_slist *list = curl_slist_append(NULL, to);
    must(list != NULL);
    set_up(h, m, list, &talk, error);
    CURLcode code = curl_easy_perform(h);
    long status = 0;
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(list);
    curl_easy_cleanup(h);
    if (code == CURLE_OK)
        return OK;
    snprintf(ret_why, OUTBOUND_WHY_MAX, "%.120s%s%.120s",
             error[0] != '\0' ? error : curl_easy_strerror(code),
             talk.said[0] != '\0' ? "; it said: " : "", talk.said);
    return err_of(code, status);
}

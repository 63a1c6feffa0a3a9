/* The mail server of tests. */
#include "outbound/outbound_testkit.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static bool line_of(FILE *f, char *line, size_t cap)
{
    if (fgets(line, (int)cap, f) == NULL)
        return false;
    line[strcspn(line, "\r\n")] = '\0';
    return true;
}

/* (Not through f: a stream cannot be read and written without a seek between.) */
static void say(FILE *f, const char *line)
{
    dprintf(fileno(f), "%s\r\n", line);
}

static bool take_message(struct smtp_testkit *kit, FILE *f)
{
    char line[2048];
    say(f, "354 go on");
    buf_reset(&kit->message);
    while (line_of(f, line, sizeof(line))) {
        if (strcmp(line, ".") == 0) {
            atomic_fetch_add(&kit->taken, 1);
            return true;
        }
        struct str s = str_c(line);
        buf_add(&kit->message, s.n > 1 && s.p[0] == '.' ? str_from(s, 1) : s);
        buf_byte(&kit->message, '\n');
    }
    return false;
}

/* Everything but DATA. */
static void reply(struct smtp_testkit *kit, FILE *f, struct str s)
{
    const char *rcpt = atomic_load(&kit->to_rcpt);
    if (str_starts(s, STR("EHLO"))) {
        say(f, "250-test\r\n250 AUTH PLAIN");
    } else if (str_starts(s, STR("AUTH"))) {
        char line[300];
        say(f, "334 ");
        bool right = line_of(f, line, sizeof(line)) && strcmp(line, "AHVzZXIAcGFzcyB3b3Jk") == 0;
        say(f, right ? "235 in" : "535 no");
    } else if (str_starts(s, STR("RCPT"))) {
        snprintf(kit->rcpt, sizeof(kit->rcpt), "%.*s", STR_ARG(s));
        say(f, rcpt != NULL ? rcpt : "250 ok");
    } else {
        say(f, str_starts(s, STR("QUIT")) ? "221 bye" : "250 ok");
    }
}

static void serve(struct smtp_testkit *kit, FILE *f)
{
    char line[2048];
    say(f, "220 test");
    while (line_of(f, line, sizeof(line))) {
        const char *data = atomic_load(&kit->to_data);
        if (strcmp(line, "DATA") != 0)
            reply(kit, f, str_c(line));
        else if (!take_message(kit, f) || atomic_load(&kit->cut_after_data))
            return;
        else
            say(f, data != NULL ? data : "250 taken");
    }
}

static void *run(void *arg)
{
    struct smtp_testkit *kit = arg;
    for (;;) {
        int fd = accept(kit->socket, NULL, NULL);
        if (fd < 0)
            return NULL;
        FILE *f = fdopen(fd, "r");
        must(f != NULL);
        serve(kit, f);
        fclose(f);
    }
}

void smtp_testkit_start(struct smtp_testkit *kit)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(in);
    memset(kit, 0, sizeof(*kit));
    buf_init(&kit->message, 1u << 20);
    kit->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(kit->socket >= 0);
    must(bind(kit->socket, (struct sockaddr *)&in, sizeof(in)) == 0);
    must(listen(kit->socket, 16) == 0);
    must(getsockname(kit->socket, (struct sockaddr *)&in, &n) == 0);
    snprintf(kit->url, sizeof(kit->url), "smtp://127.0.0.1:%d", ntohs(in.sin_port));
    must(pthread_create(&kit->thread, NULL, run, kit) == 0);
}

void smtp_testkit_stop(struct smtp_testkit *kit)
{
    shutdown(kit->socket, SHUT_RDWR);
    pthread_join(kit->thread, NULL);
    close(kit->socket);
    buf_fini(&kit->message);
}

/* Bodies and cookies: whatever comes, what is taken keeps to its table, and what is refused says
 * why. */
#include "control/body.h"
#include "control/who.h"

#include <stddef.h>
#include <stdint.h>

struct values {
    struct str text, secret, texts, object;
    bool yes, null;
    int64_t n, time;
    struct nano usd;
};

static void try_body(struct str body, struct arena *a)
{
    struct values v = {.text = STR(""), .secret = STR(""), .n = 3};
    const struct control_field fields[] = {
        {.name = "text", .kind = CONTROL_TEXT, .to = &v.text, .min = 1, .max = 10},
        {.name = "secret", .kind = CONTROL_SECRET, .to = &v.secret, .max = 20},
        {.name = "yes", .kind = CONTROL_BOOL, .to = &v.yes},
        {.name = "n", .kind = CONTROL_INT, .to = &v.n, .min = 1, .max = 9},
        {.name = "usd", .kind = CONTROL_USD, .to = &v.usd, .null = &v.null},
        {.name = "time", .kind = CONTROL_TIME, .to = &v.time},
        {.name = "texts", .kind = CONTROL_TEXTS, .to = &v.texts},
        {.name = "object", .kind = CONTROL_OBJECT, .to = &v.object}};
    struct http_request r = {.body = body};
    struct http_reply reply = {.arena = a};
    enum err e = CONTROL_BODY_READ(&r, &reply, fields);
    if (e != OK) {
        must(e == ERR_INVALID_JSON || e == ERR_INVALID_REQUEST || e == ERR_VALIDATION_FAILED ||
             e == ERR_LIMIT);
        must(reply.message.n != 0 || e == ERR_LIMIT);
        return;
    }
    must(v.n >= 1 && v.n <= 9 && v.usd.v >= 0);
    must(str_is_utf8(v.text) && v.text.n <= 40 && v.secret.n <= 20);
    must(str_index(v.text, '\n') == SIZE_MAX && str_index(v.secret, '\0') == SIZE_MAX);
    must(v.text.n == 0 || v.text.p[v.text.n] == '\0');
}

static void try_cookie(struct str header)
{
    struct str value = control_cookie_find(header, STR("tollgate_session"));
    must(value.p == NULL || (value.p >= header.p && value.p + value.n <= header.p + header.n));
    must(str_index(value, ';') == SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str text = str_of((const char *)data, n);
    struct arena a;
    arena_init(&a, 1024, 64u * 1024);
    try_body(text, &a);
    try_cookie(text);
    arena_fini(&a);
    return 0;
}

/* Tokens and key sets of any bytes: as they come, and with the two objects put into a token. */
#include "identity/jwt.h"

#include "base/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void token(struct str text, const struct jwt_keys *keys)
{
    struct arena a;
    struct jwt t;
    arena_init(&a, 4096, 1u << 20);
    if (jwt_read(&a, text, &t) == OK) {
        struct jwt_expect x = {.issuer = jwt_claim(&a, &t, STR("iss")),
                               .audiences = STR("me"),
                               .parties = jwt_claim(&a, &t, STR("azp")),
                               .nonce = STR(""),
                               .now_us = INT64_C(1795132800000000)};
        must(jwt_is_text(text));
        must(t.head.p[0] == '{' && t.claims.p[0] == '{');
        if (jwt_check_claims(&a, &t, &x) == OK)
            must(jwt_claim(&a, &t, STR("sub")).n != 0);
        if (keys != NULL)
            must(jwt_check_signature(&t, keys) != OK); /* nobody guesses that */
    }
    arena_fini(&a);
}

/* head \n claims \n signature, encoded. */
static void made(struct str in, const struct jwt_keys *keys)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    base64url_add(&b, str_cut(&in, '\n'));
    buf_byte(&b, '.');
    base64url_add(&b, str_cut(&in, '\n'));
    buf_byte(&b, '.');
    base64url_add(&b, in);
    token(buf_str(&b), keys);
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct jwt_keys *keys = NULL, *known = NULL;
    struct str in = str_of((const char *)data, size);
    must(jwt_keys_parse(STR("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
                            "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"),
                        &known) == OK);
    if (jwt_keys_parse(in, &keys) == OK)
        must(jwt_keys_count(keys) <= JWT_KEYS_MAX);
    token(in, known);
    made(in, known);
    jwt_keys_free(&keys);
    jwt_keys_free(&known);
    return 0;
}

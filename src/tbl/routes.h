/* Every route, once. The router is built from it, and the house rules see that each is exercised.
 *
 *   (NAME, "METHOD", "/path", LANE, handler, body limit, "what it is for")
 *
 * FAST handlers are made per loop by the gateway or the control room, SLOW ones run on worker
 * threads. */
#ifndef TBL_ROUTES_H
#define TBL_ROUTES_H

#define ROUTE_TABLE(ROUTE)                                                                         \
    ROUTE(CHAT, "POST", "/v1/chat/completions", FAST, gateway_route_chat, 0, "chat completions")   \
    ROUTE(COMPLETIONS, "POST", "/v1/completions", FAST, gateway_route_completions, 0,              \
          "text completions")                                                                      \
    ROUTE(EMBEDDINGS, "POST", "/v1/embeddings", FAST, gateway_route_embeddings, 0, "embeddings")   \
    ROUTE(MODELS, "GET", "/v1/models", FAST, gateway_route_models, 0, "models and prices")         \
    ROUTE(MODEL, "GET", "/v1/models/{id*}", FAST, gateway_route_model, 0, "one model")             \
    ROUTE(GENERATION, "GET", "/v1/generation", SLOW, gateway_generation, 0, "what a call cost")    \
    ROUTE(ME, "GET", "/me", SLOW, control_me, 0, "whose key this is")                              \
    ROUTE(ME_USAGE, "GET", "/me/usage", SLOW, control_me_usage, 0, "balance and usage")            \
    ROUTE(KEYS_VALIDATE, "GET", "/keys/validate", SLOW, control_keys_validate, 0,                  \
          "is this key good")                                                                      \
    ROUTE(KEYS_LIST, "GET", "/keys/list", SLOW, control_keys_list, 0, "the team's keys")           \
    ROUTE(KEYS_ROTATE, "POST", "/keys/rotate", SLOW, control_keys_rotate, 65536,                   \
          "a new key for an old one")                                                              \
    ROUTE(API_KEYS_CREATE, "POST", "/api/keys", SLOW, control_keys_create, 65536, "another key")   \
    ROUTE(API_KEYS_REVOKE, "POST", "/api/keys/{id}/revoke", SLOW, control_keys_revoke, 65536,      \
          "ends a key at once")                                                                    \
    ROUTE(HEALTH, "GET", "/health", FAST, control_route_health, 0, "is the process alive")         \
    ROUTE(READY, "GET", "/ready", FAST, control_route_ready, 0, "does it take calls")              \
    ROUTE(METRICS, "GET", "/metrics", SLOW, control_metrics, 0, "Prometheus figures")              \
    ROUTE(CONSOLE_HOME, "GET", "/", FAST, console_route_home, 0, "the console")                    \
    ROUTE(CONSOLE, "GET", "/{path*}", FAST, console_route, 0, "the console's files and pages")

#endif

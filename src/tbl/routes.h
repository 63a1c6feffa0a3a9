/* Every route, once. The router is built from it, and the house rules see that each is exercised.
 *
 *   (NAME, "METHOD", "/path", LANE, handler, body limit, NEED, "what it is for")
 *
 * FAST handlers are made per loop by the gateway or the control room, SLOW ones run on worker
 * threads; so do those of lane ASK, behind the door of control/who.h.
 * NEED says who may: NONE anybody; KEY an API key, which the handler asks for itself; SELF whoever
 * is signed in; OPERATOR; or a permission of tbl/permissions.h. */
#ifndef TBL_ROUTES_H
#define TBL_ROUTES_H

#define ROUTE_TABLE(ROUTE)                                                                         \
    ROUTE(CHAT, "POST", "/v1/chat/completions", FAST, gateway_route_chat, 0, KEY,                  \
          "chat completions")                                                                      \
    ROUTE(COMPLETIONS, "POST", "/v1/completions", FAST, gateway_route_completions, 0, KEY,         \
          "text completions")                                                                      \
    ROUTE(EMBEDDINGS, "POST", "/v1/embeddings", FAST, gateway_route_embeddings, 0, KEY,            \
          "embeddings")                                                                            \
    ROUTE(MODELS, "GET", "/v1/models", FAST, gateway_route_models, 0, NONE, "models and prices")   \
    ROUTE(MODEL, "GET", "/v1/models/{id*}", FAST, gateway_route_model, 0, NONE, "one model")       \
    ROUTE(GENERATION, "GET", "/v1/generation", SLOW, gateway_generation, 0, KEY,                   \
          "what a call cost")                                                                      \
    ROUTE(ME, "GET", "/me", SLOW, control_me, 0, KEY, "whose key this is")                         \
    ROUTE(ME_USAGE, "GET", "/me/usage", SLOW, control_me_usage, 0, KEY, "balance and usage")       \
    ROUTE(KEYS_VALIDATE, "GET", "/keys/validate", SLOW, control_keys_validate, 0, NONE,            \
          "is this key good")                                                                      \
    ROUTE(KEYS_LIST, "GET", "/keys/list", ASK, control_keys_list, 0, KEYS_READ, "the team's keys") \
    ROUTE(KEYS_ROTATE, "POST", "/keys/rotate", ASK, control_keys_rotate, 65536, KEYS_WRITE,        \
          "a new key for an old one")                                                              \
    ROUTE(API_KEYS_LIST, "GET", "/api/keys", ASK, control_api_keys_list, 0, KEYS_READ,             \
          "the team's keys, page by page")                                                         \
    ROUTE(API_KEYS_GET, "GET", "/api/keys/{id}", ASK, control_api_keys_get, 0, KEYS_READ,          \
          "one key")                                                                               \
    ROUTE(API_KEYS_EDIT, "PATCH", "/api/keys/{id}", ASK, control_api_keys_edit, 65536, KEYS_WRITE, \
          "changes a key")                                                                         \
    ROUTE(API_KEYS_ROTATE, "POST", "/api/keys/{id}/rotate", ASK, control_api_keys_rotate, 65536,   \
          KEYS_WRITE, "a new key for an old one")                                                  \
    ROUTE(API_KEYS_CREATE, "POST", "/api/keys", ASK, control_keys_create, 65536, KEYS_WRITE,       \
          "another key")                                                                           \
    ROUTE(API_KEYS_REVOKE, "POST", "/api/keys/{id}/revoke", ASK, control_keys_revoke, 65536,       \
          KEYS_WRITE, "ends a key at once")                                                        \
    ROUTE(HEALTH, "GET", "/health", FAST, control_route_health, 0, NONE, "is the process alive")   \
    ROUTE(READY, "GET", "/ready", FAST, control_route_ready, 0, NONE, "does it take calls")        \
    ROUTE(METRICS, "GET", "/metrics", SLOW, control_metrics, 0, NONE, "Prometheus figures")        \
    ROUTE(CONSOLE_HOME, "GET", "/", FAST, console_route_home, 0, NONE, "the console")              \
    ROUTE(CONSOLE, "GET", "/{path*}", FAST, console_route, 0, NONE, "the console's files and pages")

#endif

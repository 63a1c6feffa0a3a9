/* Every refusal and fault, once. Source of the public codes and statuses: the wire contract.
 *
 *   ERR(NAME, status, code, type, retry, meaning)
 *
 * NAME    enum err member ERR_NAME
 * status  HTTP status of the answer
 * code    public code, stable: clients match on it
 * type    `error.type` of the OpenAI shape; Anthropic's is derived from the status
 * retry   true when the same request may succeed later without a change
 * meaning what it says to the customer when nobody has something better to say; it says what to do
 */
#ifndef TBL_ERRORS_H
#define TBL_ERRORS_H

#define ERR_TABLE(ERR)                                                                             \
    ERR(INVALID_JSON, 400, "invalid_json", "invalid_request_error", false,                         \
        "The body is not valid JSON.")                                                             \
    ERR(INVALID_REQUEST, 400, "invalid_request", "invalid_request_error", false,                   \
        "The request is malformed.")                                                               \
    ERR(UNSUPPORTED_PARAMETER, 400, "unsupported_parameter", "invalid_request_error", false,       \
        "A parameter of the request is not supported here.")                                       \
    ERR(MISSING_API_KEY, 401, "missing_api_key", "authentication_error", false,                    \
        "No API key was given. Send it as 'Authorization: Bearer KEY'.")                           \
    ERR(INVALID_API_KEY, 401, "invalid_api_key", "authentication_error", false,                    \
        "The API key is not valid. Check it, or have another one made.")                           \
    ERR(EXPIRED_API_KEY, 401, "expired_api_key", "authentication_error", false,                    \
        "The API key has expired. Use another one, or let one be made.")                           \
    ERR(REVOKED_API_KEY, 401, "revoked_api_key", "authentication_error", false,                    \
        "The API key was revoked. Use another one, or let one be made.")                           \
    ERR(MISSING_CREDENTIALS, 401, "missing_credentials", "authentication_error", false,            \
        "Sign in first, or send an API key as 'Authorization: Bearer KEY'.")                       \
    ERR(SESSION_EXPIRED, 401, "session_expired", "authentication_error", false,                    \
        "The session has ended. Sign in again.")                                                   \
    ERR(INVALID_CREDENTIALS, 401, "invalid_credentials", "authentication_error", false,            \
        "The e-mail address or the password is wrong.")                                            \
    ERR(TOTP_REQUIRED, 401, "totp_required", "authentication_error", false,                        \
        "Also send the code of the authenticator app, or a recovery code.")                        \
    ERR(TOTP_INVALID, 401, "totp_invalid", "authentication_error", false,                          \
        "The code is wrong, or was used already. Try the next one.")                               \
    ERR(INSUFFICIENT_CREDITS, 402, "insufficient_credits", "insufficient_quota", false,            \
        "Not enough credit for this call. Top up, or lower max_tokens.")                           \
    ERR(PAYMENT_FAILED, 402, "payment_failed", "insufficient_quota", false,                        \
        "The card was declined. Nothing was changed; try another card.")                           \
    ERR(MODEL_NOT_ALLOWED, 403, "model_not_allowed", "permission_error", false,                    \
        "This API key may not use this model.")                                                    \
    ERR(IP_NOT_ALLOWED, 403, "ip_not_allowed", "permission_error", false,                          \
        "This API key may not be used from this address.")                                         \
    ERR(SCOPE_MISSING, 403, "scope_missing", "permission_error", false,                            \
        "This API key lacks the scope that this route needs.")                                     \
    ERR(SPEND_CAP_REACHED, 403, "spend_cap_reached", "permission_error", false,                    \
        "The spend cap of this API key or member is reached.")                                     \
    ERR(EMAIL_UNVERIFIED, 403, "email_unverified", "permission_error", false,                      \
        "Verify the e-mail address of the account first.")                                         \
    ERR(ROLE_MISSING, 403, "role_missing", "permission_error", false,                              \
        "Your role in this team does not allow this. Ask an admin or the owner.")                  \
    ERR(CSRF_FAILED, 403, "csrf_failed", "permission_error", false,                                \
        "The X-CSRF-Token header is missing or not this session's. Reload the page.")              \
    ERR(FORBIDDEN, 403, "forbidden", "permission_error", false, "This is not allowed.")            \
    ERR(MODEL_NOT_FOUND, 404, "model_not_found", "invalid_request_error", false,                   \
        "This model does not exist here. GET /v1/models lists those that do.")                     \
    ERR(NOT_FOUND, 404, "not_found", "invalid_request_error", false, "There is no such thing.")    \
    ERR(METHOD_NOT_ALLOWED, 405, "method_not_allowed", "invalid_request_error", false,             \
        "The path exists, but not with this method; see the Allow header.")                        \
    ERR(REQUEST_TIMEOUT, 408, "request_timeout", "invalid_request_error", true,                    \
        "The request did not arrive in time.")                                                     \
    ERR(CONFLICT, 409, "conflict", "invalid_request_error", false,                                 \
        "This conflicts with what exists already.")                                                \
    ERR(IN_PROGRESS, 409, "in_progress", "invalid_request_error", true,                            \
        "A request with the same Idempotency-Key is still being worked on.")                       \
    ERR(LENGTH_REQUIRED, 411, "length_required", "invalid_request_error", false,                   \
        "The request needs a Content-Length or chunked encoding.")                                 \
    ERR(BODY_TOO_LARGE, 413, "body_too_large", "invalid_request_error", false,                     \
        "The body is larger than this route takes.")                                               \
    ERR(URI_TOO_LONG, 414, "uri_too_long", "invalid_request_error", false,                         \
        "The request target is too long.")                                                         \
    ERR(UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type", "invalid_request_error", false,     \
        "Send the body as application/json, without a content encoding.")                          \
    ERR(EXPECTATION_FAILED, 417, "expectation_failed", "invalid_request_error", false,             \
        "The only expectation known here is 100-continue.")                                        \
    ERR(UNPRICED_MODEL, 422, "unpriced_model", "invalid_request_error", false,                     \
        "This model has no price yet, so it cannot be sold.")                                      \
    ERR(IDEMPOTENCY_MISMATCH, 422, "idempotency_mismatch", "invalid_request_error", false,         \
        "The Idempotency-Key was used before with another body.")                                  \
    ERR(VALIDATION_FAILED, 422, "validation_failed", "invalid_request_error", false,               \
        "A value is out of its bounds.")                                                           \
    ERR(RATE_LIMITED, 429, "rate_limit_exceeded", "rate_limit_error", true,                        \
        "Too many requests. Wait as Retry-After says.")                                            \
    ERR(HEADERS_TOO_LARGE, 431, "headers_too_large", "invalid_request_error", false,               \
        "The request's header fields are too many or too long.")                                   \
    ERR(CLIENT_GONE, 499, "client_closed_request", "invalid_request_error", false,                 \
        "The client went away.")                                                                   \
    ERR(INTERNAL, 500, "internal", "server_error", true, "Something went wrong on our side.")      \
    ERR(NOT_IMPLEMENTED, 501, "not_implemented", "invalid_request_error", false,                   \
        "This is not supported by this server.")                                                   \
    ERR(UPSTREAM_ERROR, 502, "upstream_error", "server_error", true,                               \
        "The model's provider failed.")                                                            \
    ERR(UPSTREAM_UNAVAILABLE, 503, "upstream_unavailable", "server_error", true,                   \
        "The model's provider cannot be reached right now.")                                       \
    ERR(OVERLOADED, 503, "overloaded", "server_error", true,                                       \
        "The server is too busy. Try again in a moment.")                                          \
    ERR(LEDGER_UNAVAILABLE, 503, "ledger_unavailable", "server_error", true,                       \
        "Calls cannot be recorded right now, so none is taken.")                                   \
    ERR(DRAINING, 503, "draining", "server_error", true,                                           \
        "The server is going down. Try again in a moment.")                                        \
    ERR(UPSTREAM_TIMEOUT, 504, "upstream_timeout", "server_error", true,                           \
        "The model's provider did not answer in time.")                                            \
    ERR(HTTP_VERSION, 505, "http_version_not_supported", "invalid_request_error", false,           \
        "Only HTTP/1.0 and HTTP/1.1 are spoken here.")                                             \
    /* Below: inside only; on the wire they are `internal`. */                                     \
    ERR(END, 500, "internal", "server_error", false, "end of input")                               \
    ERR(LIMIT, 500, "internal", "server_error", false, "a limit was reached")                      \
    ERR(IO, 500, "internal", "server_error", true, "input or output failed")                       \
    ERR(STORE, 500, "internal", "server_error", true, "the database failed")                       \
    ERR(STORE_BUSY, 500, "internal", "server_error", true, "the database is locked")               \
    ERR(STORE_FULL, 500, "internal", "server_error", true, "the disk is full")                     \
    ERR(STORE_READONLY, 500, "internal", "server_error", false, "the database is read-only")       \
    ERR(STORE_FOREIGN, 500, "internal", "server_error", false, "not a database of this program")   \
    ERR(STORE_NEWER, 500, "internal", "server_error", false, "made by a newer version")            \
    ERR(HOUSE_OWNED, 500, "internal", "server_error", false, "another process owns this house")    \
    ERR(CORRUPT, 500, "internal", "server_error", false, "stored data does not add up")            \
    ERR(DENIED, 500, "internal", "server_error", false, "the seal does not open with this key")

#endif

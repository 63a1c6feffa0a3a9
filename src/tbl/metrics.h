/* Every figure of /metrics, once.
 *
 *   COUNTER(NAME, "name", "help")
 *   HISTOGRAM(NAME, "name", "help")   microseconds inside, seconds outside
 *
 * Gauges are written by who knows them, when they are asked for. */
#ifndef TBL_METRICS_H
#define TBL_METRICS_H

#define METRIC_COUNTERS(COUNTER)                                                                   \
    COUNTER(REQUESTS, "tollgate_http_requests_total", "HTTP requests answered")                    \
    COUNTER(REQUESTS_4XX, "tollgate_http_requests_4xx_total", "answered with 4xx")                 \
    COUNTER(REQUESTS_5XX, "tollgate_http_requests_5xx_total", "answered with 5xx")                 \
    COUNTER(CALLS, "tollgate_calls_total", "metered calls that were held")                         \
    COUNTER(CALLS_OK, "tollgate_calls_ok_total", "calls answered by an upstream with 2xx")         \
    COUNTER(CALLS_FAILED, "tollgate_calls_failed_total",                                           \
            "calls that ended in an error after their hold")                                       \
    COUNTER(CALLS_STREAMED, "tollgate_calls_streamed_total", "calls answered as a stream")         \
    COUNTER(CALLS_GONE, "tollgate_calls_client_gone_total", "calls whose client left")             \
    COUNTER(CALLS_UNRESOLVED, "tollgate_calls_unresolved_total",                                   \
            "calls settled without a known outcome")                                               \
    COUNTER(REFUSED_AUTH, "tollgate_refused_auth_total", "refused by the key")                     \
    COUNTER(REFUSED_LIMIT, "tollgate_refused_limit_total", "refused by a rate limit")              \
    COUNTER(REFUSED_CREDIT, "tollgate_refused_credit_total",                                       \
            "refused for lack of credit or by a cap")                                              \
    COUNTER(CLAMPED, "tollgate_calls_clamped_total",                                               \
            "calls whose output cap was set by the wallet")                                        \
    COUNTER(ATTEMPTS, "tollgate_upstream_attempts_total", "attempts sent upstream")                \
    COUNTER(RETRIES, "tollgate_upstream_retries_total", "attempts after the first")                \
    COUNTER(UPSTREAM_FAILED, "tollgate_upstream_failures_total",                                   \
            "attempts without a usable answer")                                                    \
    COUNTER(CHARGED_NANO, "tollgate_charged_nanodollars_total", "charged to customers")            \
    COUNTER(COST_NANO, "tollgate_cost_nanodollars_total", "cost to the operator")                  \
    COUNTER(WRITTEN_OFF_NANO, "tollgate_written_off_nanodollars_total",                            \
            "charges that no wallet covered")                                                      \
    COUNTER(TOKENS_IN, "tollgate_tokens_input_total", "input tokens")                              \
    COUNTER(TOKENS_OUT, "tollgate_tokens_output_total", "output tokens")                           \
    COUNTER(TOKENS_CACHED, "tollgate_tokens_cached_total",                                         \
            "input tokens from the provider's cache")                                              \
    COUNTER(KEY_HITS, "tollgate_key_cache_hits_total", "keys found in memory")                     \
    COUNTER(KEY_MISSES, "tollgate_key_cache_misses_total", "keys loaded from the store")           \
    COUNTER(SLOW_TURNS, "tollgate_loop_slow_turns_total", "loop turns over 50 ms")

#define METRIC_HISTOGRAMS(HISTOGRAM)                                                               \
    HISTOGRAM(STEP_READ, "tollgate_step_read_seconds", "head to complete body")                    \
    HISTOGRAM(STEP_HOLD, "tollgate_step_hold_seconds", "body to a durable hold")                   \
    HISTOGRAM(STEP_FIRST_BYTE, "tollgate_step_first_byte_seconds",                                 \
              "dispatch to the upstream's head")                                                   \
    HISTOGRAM(STEP_RELAY, "tollgate_step_relay_seconds", "upstream's head to its end")             \
    HISTOGRAM(STEP_SETTLE, "tollgate_step_settle_seconds",                                         \
              "upstream's end to a durable settlement")                                            \
    HISTOGRAM(CALL, "tollgate_call_seconds", "a whole call")                                       \
    HISTOGRAM(OVERHEAD, "tollgate_call_overhead_seconds", "a whole call less the upstream's time")

#endif

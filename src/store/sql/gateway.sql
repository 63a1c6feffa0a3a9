-- Usage lines, their sums by hour, and what customers and operators read of them.

-- name: USAGE_ADD
-- rows: 8
INSERT INTO usage (team, id, user_id, key_id, model, provider, status, basis, input_tokens,
    output_tokens, charge, cost, started_us, ended_us, unresolved, detail)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (team, id) DO NOTHING;

-- name: USAGE_HOUR_ADD
INSERT INTO usage_hour (team, hour, key_id, model, requests, failed, input_tokens, output_tokens,
    cache_read_tokens, charge, cost)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (team, hour, key_id, model) DO UPDATE SET
    requests = usage_hour.requests + excluded.requests,
    failed = usage_hour.failed + excluded.failed,
    input_tokens = usage_hour.input_tokens + excluded.input_tokens,
    output_tokens = usage_hour.output_tokens + excluded.output_tokens,
    cache_read_tokens = usage_hour.cache_read_tokens + excluded.cache_read_tokens,
    charge = usage_hour.charge + excluded.charge,
    cost = usage_hour.cost + excluded.cost;

-- name: USAGE_GET
SELECT model, status, basis, input_tokens, output_tokens, charge, started_us, ended_us, unresolved,
    detail
FROM usage WHERE team = $1 AND id = $2;

-- name: USAGE_BY_MODEL
SELECT model, CAST(sum(requests) AS bigint), CAST(sum(input_tokens) AS bigint),
    CAST(sum(output_tokens) AS bigint), CAST(sum(charge) AS bigint)
FROM usage_hour WHERE team = $1 AND hour >= $2 AND hour < $3
GROUP BY model ORDER BY 5 DESC, 1;

-- By line, when a period does not begin and end on the hour. The bounds are ids: they begin with the
-- time at which the call did.
-- name: USAGE_BY_MODEL_EXACT
SELECT model, CAST(count(*) AS bigint), CAST(sum(input_tokens) AS bigint),
    CAST(sum(output_tokens) AS bigint), CAST(sum(charge) AS bigint)
FROM usage WHERE team = $1 AND id >= $2 AND id < $3
GROUP BY model ORDER BY 5 DESC, 1;

-- name: USAGE_RECENT
SELECT started_us, id, model, input_tokens, output_tokens, charge, status, basis, unresolved, detail
FROM usage WHERE team = $1 AND id >= $2 AND id < $3
ORDER BY id DESC LIMIT $4;

-- name: USAGE_UNRESOLVED
SELECT id, team, key_id, model, provider, detail, status, charge, started_us, ended_us, basis
FROM usage WHERE unresolved = 1 ORDER BY ended_us DESC LIMIT 1000;

-- What usage says that a team was charged, and what the ledger posted from it.
-- name: USAGE_SUM_BY_TEAM
SELECT team, CAST(count(*) AS bigint), CAST(sum(charge) AS bigint) FROM usage
GROUP BY team ORDER BY team;

-- name: USAGE_CHARGES
SELECT id, charge FROM usage;

-- name: USAGE_HOUR_SUM_BY_TEAM
SELECT team, CAST(sum(requests) AS bigint), CAST(sum(charge) AS bigint) FROM usage_hour
GROUP BY team ORDER BY team;

-- name: IDEMPOTENCY_GET
SELECT body_hash, boot, state, answer, at FROM idempotency WHERE team = $1 AND idempotency = $2;

-- name: IDEMPOTENCY_CLAIM
INSERT INTO idempotency (team, idempotency, body_hash, boot, state, answer, at)
VALUES ($1, $2, $3, $4, 0, $5, $6)
ON CONFLICT (team, idempotency) DO UPDATE SET body_hash = excluded.body_hash, boot = excluded.boot,
    state = 0, answer = excluded.answer, at = excluded.at;

-- name: IDEMPOTENCY_STORE
UPDATE idempotency SET state = $3, answer = $4 WHERE team = $1 AND idempotency = $2;

-- name: IDEMPOTENCY_DROP
DELETE FROM idempotency WHERE team = $1 AND idempotency = $2 AND state = 0;

-- name: IDEMPOTENCY_EXPIRE
DELETE FROM idempotency WHERE at < $1;

-- Sums of a team between two hours.
-- name: USAGE_SUMS
SELECT CAST(COALESCE(sum(requests), 0) AS bigint), CAST(COALESCE(sum(failed), 0) AS bigint),
    CAST(COALESCE(sum(input_tokens), 0) AS bigint), CAST(COALESCE(sum(output_tokens), 0) AS bigint),
    CAST(COALESCE(sum(charge), 0) AS bigint)
FROM usage_hour WHERE team = $1 AND hour >= $2 AND hour < $3;

-- The same by buckets of $4 hours, and by key and model within them.
-- name: USAGE_SERIES
SELECT CAST(hour / $4 AS bigint) * $4, key_id, model, CAST(sum(requests) AS bigint),
    CAST(sum(failed) AS bigint), CAST(sum(input_tokens) AS bigint),
    CAST(sum(output_tokens) AS bigint), CAST(sum(charge) AS bigint)
FROM usage_hour WHERE team = $1 AND hour >= $2 AND hour < $3
GROUP BY 1, key_id, model ORDER BY 1, key_id, model;

-- name: USAGE_LINES
SELECT id, user_id, key_id, model, status, basis, input_tokens, output_tokens, charge, started_us,
    ended_us, unresolved, detail
FROM usage WHERE team = $1 AND id >= $2 AND id < $3 AND ($4 = '' OR model = $4)
AND (length($5) = 0 OR key_id = $5) AND (length($6) = 0 OR user_id = $6)
AND ($7 = 0 OR ($7 = 1 AND status < 400) OR ($7 = 2 AND status >= 400))
ORDER BY id DESC LIMIT $8;

-- What the last call of a team was, by time.
-- name: USAGE_LAST
SELECT started_us FROM usage WHERE team = $1 ORDER BY id DESC LIMIT 1;

-- name: USAGE_DAY_ADD
INSERT INTO usage_day (team, day, key_id, model, requests, failed, input_tokens, output_tokens,
    charge)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (team, day, key_id, model) DO UPDATE SET
    requests = usage_day.requests + excluded.requests,
    failed = usage_day.failed + excluded.failed,
    input_tokens = usage_day.input_tokens + excluded.input_tokens,
    output_tokens = usage_day.output_tokens + excluded.output_tokens,
    charge = usage_day.charge + excluded.charge;

-- name: SALES_DAY_ADD
INSERT INTO sales_day (day, model, requests, input_tokens, output_tokens, cache_read_tokens, charge,
    cost)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (day, model) DO UPDATE SET
    requests = sales_day.requests + excluded.requests,
    input_tokens = sales_day.input_tokens + excluded.input_tokens,
    output_tokens = sales_day.output_tokens + excluded.output_tokens,
    cache_read_tokens = sales_day.cache_read_tokens + excluded.cache_read_tokens,
    charge = sales_day.charge + excluded.charge,
    cost = sales_day.cost + excluded.cost;

-- name: TEAM_DAY_ADD
INSERT INTO team_day (day, team, requests, charge, cost) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (day, team) DO UPDATE SET
    requests = team_day.requests + excluded.requests,
    charge = team_day.charge + excluded.charge,
    cost = team_day.cost + excluded.cost;

-- The same as by hour, for whole days.
-- name: USAGE_DAY_SUMS
SELECT CAST(COALESCE(sum(requests), 0) AS bigint), CAST(COALESCE(sum(failed), 0) AS bigint),
    CAST(COALESCE(sum(input_tokens), 0) AS bigint), CAST(COALESCE(sum(output_tokens), 0) AS bigint),
    CAST(COALESCE(sum(charge), 0) AS bigint)
FROM usage_day WHERE team = $1 AND day >= $2 AND day < $3;

-- name: USAGE_DAY_SERIES
SELECT day * 24, key_id, model, requests, failed, input_tokens, output_tokens, charge
FROM usage_day WHERE team = $1 AND day >= $2 AND day < $3 ORDER BY day, key_id, model;

-- name: USAGE_DAY_BY_MODEL
SELECT model, CAST(sum(requests) AS bigint), CAST(sum(input_tokens) AS bigint),
    CAST(sum(output_tokens) AS bigint), CAST(sum(charge) AS bigint)
FROM usage_day WHERE team = $1 AND day >= $2 AND day < $3
GROUP BY model ORDER BY 5 DESC, 1;

-- Days of a team that were charged, newest first.
-- name: USAGE_DAYS
SELECT day, CAST(sum(requests) AS bigint), CAST(sum(charge) AS bigint)
FROM usage_day WHERE team = $1 AND day >= $2 AND day < $3
GROUP BY day HAVING sum(charge) > 0 ORDER BY day DESC LIMIT $4;

-- name: USAGE_DAY_SUM_BY_TEAM
SELECT team, CAST(sum(requests) AS bigint), CAST(sum(charge) AS bigint) FROM usage_day
GROUP BY team ORDER BY team;

-- Of the whole house: what was earned by model, and by team.
-- name: MARGIN_BY_MODEL
SELECT model, CAST(sum(requests) AS bigint), CAST(sum(charge) AS bigint), CAST(sum(cost) AS bigint)
FROM sales_day WHERE day >= $1 AND day < $2 GROUP BY model ORDER BY 3 DESC, 1 LIMIT 1000;

-- name: MARGIN_BY_TEAM
SELECT team, CAST(sum(requests) AS bigint), CAST(sum(charge) AS bigint), CAST(sum(cost) AS bigint)
FROM team_day WHERE day >= $1 AND day < $2 GROUP BY team ORDER BY 3 DESC, 1 LIMIT 1000;

-- What was sold of each model, for trying out a rule.
-- name: USAGE_OF_MODELS
SELECT model, CAST(sum(requests) AS bigint), CAST(sum(input_tokens) AS bigint),
    CAST(sum(output_tokens) AS bigint), CAST(sum(cache_read_tokens) AS bigint),
    CAST(sum(charge) AS bigint), CAST(sum(cost) AS bigint)
FROM sales_day WHERE day >= $1 AND day < $2 GROUP BY model ORDER BY 6 DESC, 1 LIMIT 1000;

-- As many of them as the list shows.
-- name: USAGE_UNRESOLVED_COUNT
SELECT CAST(count(*) AS bigint) FROM (SELECT 1 AS one FROM usage WHERE unresolved = 1 LIMIT 1000) AS u;

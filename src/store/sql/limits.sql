-- Rules of single subjects.

-- name: LIMITS_RULE_PUT
INSERT INTO limit_rule (scope, subject, rpm, burst, per_hour, per_day, tpm, concurrency,
    max_tokens, updated_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (scope, subject) DO UPDATE SET rpm = excluded.rpm, burst = excluded.burst,
    per_hour = excluded.per_hour, per_day = excluded.per_day, tpm = excluded.tpm,
    concurrency = excluded.concurrency, max_tokens = excluded.max_tokens,
    updated_us = excluded.updated_us;

-- name: LIMITS_RULE_DELETE
DELETE FROM limit_rule WHERE scope = $1 AND subject = $2;

-- name: LIMITS_RULE_GET
SELECT rpm, burst, per_hour, per_day, tpm, concurrency, max_tokens
FROM limit_rule WHERE scope = $1 AND subject = $2;

-- name: LIMITS_RULES
SELECT scope, subject, rpm, burst, per_hour, per_day, tpm, concurrency, max_tokens
FROM limit_rule ORDER BY scope, subject;

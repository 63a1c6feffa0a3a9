-- Keys that the house has its provider make for single users.

-- name: UPSTREAM_KEY_GET
SELECT hash, old_hash, rotated_us FROM upstream_key WHERE user_id = $1;

-- name: UPSTREAM_KEY_PUT
INSERT INTO upstream_key (user_id, hash, sealed, old_hash, created_us, rotated_us, money_limit,
    limit_remaining, usage_monthly, byok_usage_monthly, checked_us)
VALUES ($1, $2, $3, '', $4, 0, $5, $5, 0, 0, $4)
ON CONFLICT (user_id) DO UPDATE SET old_hash = upstream_key.hash, hash = excluded.hash,
    sealed = excluded.sealed, rotated_us = excluded.created_us,
    money_limit = excluded.money_limit, limit_remaining = excluded.limit_remaining,
    usage_monthly = 0, byok_usage_monthly = 0, checked_us = excluded.checked_us;

-- name: UPSTREAM_KEY_RETIRED
UPDATE upstream_key SET old_hash = '' WHERE user_id = $1 AND old_hash = $2;

-- name: UPSTREAM_KEY_SEEN
UPDATE upstream_key SET money_limit = $2, limit_remaining = $3, usage_monthly = $4,
    byok_usage_monthly = $5, checked_us = $6 WHERE hash = $1;

-- name: UPSTREAM_KEY_LOST
DELETE FROM upstream_key WHERE user_id = $1 AND hash = $2;

-- name: UPSTREAM_KEYS_ALL
SELECT user_id, sealed FROM upstream_key;

-- name: UPSTREAM_KEYS_LIST
SELECT k.user_id, u.email, k.rotated_us, k.money_limit, k.limit_remaining, k.usage_monthly,
    k.byok_usage_monthly, k.checked_us, k.created_us
FROM upstream_key k JOIN app_user u ON u.id = k.user_id
WHERE k.user_id < $1 ORDER BY k.user_id DESC LIMIT $2;

-- name: UPSTREAM_KEY_STATE
SELECT k.user_id, u.email, k.rotated_us, k.money_limit, k.limit_remaining, k.usage_monthly,
    k.byok_usage_monthly, k.checked_us, k.created_us
FROM upstream_key k JOIN app_user u ON u.id = k.user_id WHERE k.user_id = $1;

-- name: UPSTREAM_KEYS_OF_TEAM
SELECT k.user_id FROM upstream_key k JOIN member m ON m.user_id = k.user_id WHERE m.team_id = $1;

-- name: UPSTREAM_KEYS_UNSEEN
SELECT user_id, hash FROM upstream_key WHERE checked_us < $1 AND user_id > $2
ORDER BY user_id LIMIT 100;

-- name: UPSTREAM_TEAMS_OF_USER
SELECT team_id FROM member WHERE user_id = $1;

-- Keys for customers' own use.

-- name: BYOK_GET
SELECT user_id, hash, money_limit, claimed_us FROM byok_key WHERE user_id = $1;

-- name: BYOK_CLAIM
INSERT INTO byok_key (user_id, hash, money_limit, claimed_us, made_us) VALUES ($1, '', $2, $3, 0)
ON CONFLICT (user_id) DO UPDATE SET claimed_us = excluded.claimed_us;

-- name: BYOK_UNCLAIM
UPDATE byok_key SET claimed_us = 0 WHERE user_id = $1;

-- name: BYOK_RETIRE
UPDATE byok_key SET hash = '', money_limit = $3 WHERE user_id = $1 AND hash = $2;

-- name: BYOK_MADE
UPDATE byok_key SET hash = $2, made_us = $3, claimed_us = 0 WHERE user_id = $1;

-- name: BYOK_DELETE
DELETE FROM byok_key WHERE user_id = $1;

-- name: BYOK_SUSPENDED
SELECT b.user_id, b.hash, b.money_limit, b.claimed_us
FROM byok_key b JOIN app_user u ON u.id = b.user_id WHERE u.suspended = 1 AND b.hash <> '' LIMIT 100;

-- Codes that give credit.

-- name: CODE_ADD
INSERT INTO redemption_code (id, name, mac, hint, amount, uses, uses_max, per_user, expires_us,
    credit_days, ended_us, created_us)
VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9, 0, $10)
ON CONFLICT (mac) DO NOTHING;

-- name: CODE_BY_MAC
SELECT id, name, hint, amount, uses, uses_max, per_user, expires_us, credit_days, ended_us,
    created_us
FROM redemption_code WHERE mac = $1;

-- name: CODE_GET
SELECT id, name, hint, amount, uses, uses_max, per_user, expires_us, credit_days, ended_us,
    created_us
FROM redemption_code WHERE id = $1;

-- name: CODE_LIST
SELECT id, name, hint, amount, uses, uses_max, per_user, expires_us, credit_days, ended_us,
    created_us
FROM redemption_code
WHERE id < $1 AND ($2 = '' OR lower(name) LIKE '%' || lower($2) || '%') ORDER BY id DESC LIMIT $3;

-- name: CODE_USE
UPDATE redemption_code SET uses = uses + 1 WHERE id = $1 AND uses < uses_max;

-- name: CODE_USED_BY
SELECT CAST(count(*) AS bigint) FROM redemption WHERE code_id = $1 AND user_id = $2;

-- name: CODE_USED
INSERT INTO redemption (code_id, user_id, n, team_id, amount, at_us)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: CODE_END
UPDATE redemption_code SET ended_us = $2 WHERE id = $1 AND ended_us = 0;

-- name: CODE_REDEMPTIONS
SELECT r.user_id, COALESCE(u.email, ''), r.team_id, r.at_us, r.amount
FROM redemption r LEFT JOIN app_user u ON u.id = r.user_id
WHERE r.code_id = $1 ORDER BY r.at_us DESC, r.user_id, r.n DESC LIMIT 100;

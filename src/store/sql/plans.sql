-- Plans and what Stripe calls them.

-- name: PLAN_ADD
INSERT INTO plan (id, name, description, active, trial_days, trial_credit, n, created_us, updated_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8);

-- name: PLAN_SET
UPDATE plan SET name = $2, description = $3, active = $4, trial_days = $5, trial_credit = $6, n = $7,
    updated_us = $8
WHERE id = $1;

-- name: PLAN_DROP
DELETE FROM plan WHERE id = $1;

-- name: PLAN_VERSIONS_DROP
DELETE FROM plan_version WHERE plan_id = $1;

-- name: PLAN_PRICES_DROP
DELETE FROM plan_price WHERE plan_id = $1;

-- name: PLAN_VERSION_ADD
INSERT INTO plan_version (plan_id, n, price_minor, currency, period, monthly_credit, roll_over,
    roll_over_max, rpm, burst, created_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: PLAN_PRICE_PUT
INSERT INTO plan_price (plan_id, n, livemode, product, price) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (plan_id, n, livemode) DO UPDATE SET product = excluded.product, price = excluded.price;

-- name: PLAN_PRICE_FORGET
DELETE FROM plan_price WHERE plan_id = $1 AND n = $2 AND livemode = $3;

-- name: PLAN_TOUCH
UPDATE plan SET updated_us = $2 WHERE id = $1;

-- One version; n 0: the present one.
-- name: PLAN_GET
SELECT p.id, p.name, p.description, p.active, p.trial_days, p.trial_credit, p.n, v.n, v.price_minor,
    v.currency, v.period, v.monthly_credit, v.roll_over, v.roll_over_max, v.rpm, v.burst,
    COALESCE(s.product, ''), COALESCE(s.price, ''), p.created_us, p.updated_us
FROM plan p JOIN plan_version v ON v.plan_id = p.id
    LEFT JOIN plan_price s ON s.plan_id = p.id AND s.n = v.n AND s.livemode = $3
WHERE p.id = $1 AND v.n = CASE WHEN $2 = 0 THEN p.n ELSE $2 END;

-- name: PLAN_BY_PRICE
SELECT plan_id, n, livemode FROM plan_price WHERE price = $1;

-- The present versions, the newest plan first.
-- name: PLAN_LIST
SELECT p.id, p.name, p.description, p.active, p.trial_days, p.trial_credit, p.n, v.n, v.price_minor,
    v.currency, v.period, v.monthly_credit, v.roll_over, v.roll_over_max, v.rpm, v.burst,
    COALESCE(s.product, ''), COALESCE(s.price, ''), p.created_us, p.updated_us
FROM plan p JOIN plan_version v ON v.plan_id = p.id AND v.n = p.n
    LEFT JOIN plan_price s ON s.plan_id = p.id AND s.n = v.n AND s.livemode = $1
WHERE p.id < $2 ORDER BY p.id DESC LIMIT $3;

-- What can be had, the cheapest first.
-- name: PLAN_OFFERED
SELECT p.id, p.name, p.description, p.active, p.trial_days, p.trial_credit, p.n, v.n, v.price_minor,
    v.currency, v.period, v.monthly_credit, v.roll_over, v.roll_over_max, v.rpm, v.burst, s.product,
    s.price, p.created_us, p.updated_us
FROM plan p JOIN plan_version v ON v.plan_id = p.id AND v.n = p.n
    JOIN plan_price s ON s.plan_id = p.id AND s.n = v.n AND s.livemode = $1
WHERE p.active = 1 AND v.currency = $2 ORDER BY v.price_minor, p.id LIMIT 100;

-- Of any version: they share it.
-- name: PLAN_PRODUCT
SELECT product FROM plan_price WHERE plan_id = $1 AND livemode = $2 LIMIT 1;

-- name: PLAN_UNPRICED
SELECT p.id FROM plan p
WHERE p.active = 1 AND NOT EXISTS (SELECT 1 FROM plan_price s WHERE s.plan_id = p.id AND s.n = p.n
    AND s.livemode = $1)
ORDER BY p.id LIMIT 100;

-- Who has it, and who ever had it.
-- name: PLAN_USERS
SELECT count(*), CAST(COALESCE(sum(CASE WHEN status IN ('incomplete', 'trialing', 'active',
    'past_due', 'unpaid', 'paused') THEN 1 ELSE 0 END), 0) AS bigint)
FROM subscription WHERE plan_id = $1;

-- name: PORTAL_GET
SELECT configuration FROM stripe_portal WHERE prices = $1 AND livemode = $2;

-- name: PORTAL_PUT
INSERT INTO stripe_portal (prices, livemode, configuration) VALUES ($1, $2, $3)
ON CONFLICT (prices, livemode) DO NOTHING;

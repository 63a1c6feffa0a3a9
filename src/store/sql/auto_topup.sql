-- Credit that buys itself.

-- name: AUTO_GET
SELECT state, threshold, amount, monthly_cap, user_id, month_us, spent, failures, reason, in_flight,
    not_before_us
FROM auto_topup WHERE team_id = $1;

-- name: AUTO_SET
INSERT INTO auto_topup (team_id, state, threshold, amount, monthly_cap, user_id, month_us, spent,
    failures, reason, in_flight, not_before_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (team_id) DO UPDATE SET state = excluded.state, threshold = excluded.threshold,
    amount = excluded.amount, monthly_cap = excluded.monthly_cap, user_id = excluded.user_id,
    month_us = excluded.month_us, spent = excluded.spent, failures = excluded.failures,
    reason = excluded.reason, in_flight = excluded.in_flight,
    not_before_us = excluded.not_before_us;

-- name: AUTO_READY
SELECT team_id, threshold FROM auto_topup
WHERE state = 'on' AND in_flight = '' AND not_before_us <= $1 ORDER BY team_id;

-- Has the team a customer at Stripe, and so perhaps a card?
-- name: AUTO_CUSTOMER
SELECT customer_id FROM stripe_customer
WHERE team_id = $1 AND livemode = $2 AND customer_id <> '';

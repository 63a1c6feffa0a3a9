-- Who has a plan.

-- name: SUBSCRIPTION_ADD
INSERT INTO subscription (id, team_id, user_id, status, livemode, plan_id, plan_n, paid_us, stripe_id,
    item_id, item_price, session_id, url, failure, pay_url, tickets, applied, period_start_us,
    period_end_us, trial_days, trial_end_us, cancel_at_end, grace_until_us, access, credit_us,
    year_us, year_month, year_payment, trial_lot, told, created_us, expires_us, ended_us, updated_us)
VALUES ($1, $2, $3, 'pending', $4, $5, $6, 0, '', '', '', '', '', '', '', 0, 0, 0, 0, $7, 0, 0, 0, 0,
    0, 0, 0, '', $8, '', $9, $10, 0, $9);

-- name: SUBSCRIPTION_GET
SELECT s.id, s.team_id, s.user_id, s.status, s.livemode, s.plan_id, s.plan_n, s.paid_us, s.stripe_id,
    s.item_id, s.item_price, s.session_id, s.url, s.failure, s.pay_url, s.tickets, s.applied,
    s.period_start_us, s.period_end_us, s.trial_days, s.trial_end_us, s.cancel_at_end,
    s.grace_until_us, s.access, s.credit_us, s.year_us, s.year_month, s.year_payment, s.trial_lot,
    s.told, s.created_us, s.expires_us, s.ended_us, s.updated_us, COALESCE(u.email, ''),
    s.credit_plan, s.credit_n
FROM subscription s LEFT JOIN app_user u ON u.id = s.user_id
WHERE s.id = $1;

-- name: SUBSCRIPTION_BY_STRIPE
SELECT s.id, s.team_id, s.user_id, s.status, s.livemode, s.plan_id, s.plan_n, s.paid_us, s.stripe_id,
    s.item_id, s.item_price, s.session_id, s.url, s.failure, s.pay_url, s.tickets, s.applied,
    s.period_start_us, s.period_end_us, s.trial_days, s.trial_end_us, s.cancel_at_end,
    s.grace_until_us, s.access, s.credit_us, s.year_us, s.year_month, s.year_payment, s.trial_lot,
    s.told, s.created_us, s.expires_us, s.ended_us, s.updated_us, COALESCE(u.email, ''),
    s.credit_plan, s.credit_n
FROM subscription s LEFT JOIN app_user u ON u.id = s.user_id
WHERE s.stripe_id = $1 AND s.stripe_id <> '';

-- name: SUBSCRIPTION_BY_SESSION
SELECT s.id, s.team_id, s.user_id, s.status, s.livemode, s.plan_id, s.plan_n, s.paid_us, s.stripe_id,
    s.item_id, s.item_price, s.session_id, s.url, s.failure, s.pay_url, s.tickets, s.applied,
    s.period_start_us, s.period_end_us, s.trial_days, s.trial_end_us, s.cancel_at_end,
    s.grace_until_us, s.access, s.credit_us, s.year_us, s.year_month, s.year_payment, s.trial_lot,
    s.told, s.created_us, s.expires_us, s.ended_us, s.updated_us, COALESCE(u.email, ''),
    s.credit_plan, s.credit_n
FROM subscription s LEFT JOIN app_user u ON u.id = s.user_id
WHERE s.session_id = $1 AND s.session_id <> '';

-- Those that have not ended come first, then the newest.
-- name: SUBSCRIPTION_OF_TEAM
SELECT s.id, s.team_id, s.user_id, s.status, s.livemode, s.plan_id, s.plan_n, s.paid_us, s.stripe_id,
    s.item_id, s.item_price, s.session_id, s.url, s.failure, s.pay_url, s.tickets, s.applied,
    s.period_start_us, s.period_end_us, s.trial_days, s.trial_end_us, s.cancel_at_end,
    s.grace_until_us, s.access, s.credit_us, s.year_us, s.year_month, s.year_payment, s.trial_lot,
    s.told, s.created_us, s.expires_us, s.ended_us, s.updated_us, COALESCE(u.email, ''),
    s.credit_plan, s.credit_n
FROM subscription s LEFT JOIN app_user u ON u.id = s.user_id
WHERE s.team_id = $1
ORDER BY CASE WHEN s.status IN ('trialing', 'active', 'past_due', 'unpaid', 'paused') THEN 0
    WHEN s.status IN ('pending', 'incomplete') THEN 1 ELSE 2 END, s.id DESC LIMIT 1;

-- name: SUBSCRIPTION_LIST
SELECT s.id, s.team_id, s.user_id, s.status, s.livemode, s.plan_id, s.plan_n, s.paid_us, s.stripe_id,
    s.item_id, s.item_price, s.session_id, s.url, s.failure, s.pay_url, s.tickets, s.applied,
    s.period_start_us, s.period_end_us, s.trial_days, s.trial_end_us, s.cancel_at_end,
    s.grace_until_us, s.access, s.credit_us, s.year_us, s.year_month, s.year_payment, s.trial_lot,
    s.told, s.created_us, s.expires_us, s.ended_us, s.updated_us, COALESCE(u.email, ''),
    s.credit_plan, s.credit_n
FROM subscription s LEFT JOIN app_user u ON u.id = s.user_id
WHERE ($1 = '' OR s.status = $1 OR ($1 = 'live' AND s.status IN ('incomplete', 'trialing', 'active',
    'past_due', 'unpaid', 'paused'))) AND s.id < $3 AND ($2 = '' OR s.id = $2 OR s.stripe_id = $2
    OR s.team_id = $2 OR s.plan_id = $2 OR lower(u.email) LIKE '%' || lower($2) || '%')
ORDER BY s.id DESC LIMIT $4;

-- name: SUBSCRIPTION_SET
UPDATE subscription SET status = $2, plan_id = $3, plan_n = $4, paid_us = $5, stripe_id = $6,
    item_id = $7, item_price = $8, session_id = $9, url = $10, failure = $11, pay_url = $12,
    applied = $13, period_start_us = $14, period_end_us = $15, trial_end_us = $16,
    cancel_at_end = $17, grace_until_us = $18, access = $19, credit_us = $20, year_us = $21,
    year_month = $22, year_payment = $23, trial_lot = $24, told = $25, ended_us = $26,
    updated_us = $27, credit_plan = $28, credit_n = $29
WHERE id = $1;

-- name: SUBSCRIPTION_TICKET
UPDATE subscription SET tickets = tickets + 1 WHERE id = $1;

-- Trials are had once: by a team, and by whoever starts them.
-- name: SUBSCRIPTION_TRIALS
SELECT count(*) FROM subscription
WHERE (team_id = $1 OR (user_id = $2 AND user_id <> '')) AND trial_days > 0
    AND status NOT IN ('pending', 'expired', 'incomplete_expired');

-- The months of a year that is paid.
-- name: SUBSCRIPTION_YEARLY
SELECT id FROM subscription
WHERE year_payment <> '' AND year_month < 12 AND status IN ('active', 'past_due')
ORDER BY id LIMIT 1000;

-- Those that never got a page.
-- name: SUBSCRIPTION_OVERDUE
SELECT id FROM subscription
WHERE status = 'pending' AND expires_us < $1 AND session_id = '' AND stripe_id = ''
ORDER BY id LIMIT 100;

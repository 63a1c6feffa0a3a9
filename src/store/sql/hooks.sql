-- Webhooks of teams, and when a team is told about its money.

-- name: HOOK_ADD
INSERT INTO webhook_endpoint (id, team_id, url, description, events, secret, old_secret,
    old_until_us, state, failing_since_us, created_us, updated_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 'enabled', 0, $8, $8);

-- name: HOOK_LIST
SELECT id, url, description, events, state, failing_since_us, created_us, updated_us, old_until_us,
    team_id
FROM webhook_endpoint WHERE team_id = $1 ORDER BY id DESC LIMIT 100;

-- name: HOOK_GET
SELECT id, url, description, events, state, failing_since_us, created_us, updated_us, old_until_us,
    team_id
FROM webhook_endpoint WHERE id = $1;

-- name: HOOK_EDIT
UPDATE webhook_endpoint SET url = $2, description = $3, events = $4, state = $5,
    failing_since_us = CASE WHEN $5 = 'enabled' AND state <> 'enabled' THEN 0
        ELSE failing_since_us END, updated_us = $6
WHERE id = $1;

-- name: HOOK_ROTATE
UPDATE webhook_endpoint SET old_secret = secret, old_until_us = $3, secret = $2, updated_us = $4
WHERE id = $1;

-- name: HOOK_DROP_TRIES
DELETE FROM webhook_try WHERE delivery_id IN
    (SELECT id FROM webhook_delivery WHERE endpoint_id = $1);

-- name: HOOK_DROP_DELIVERIES
DELETE FROM webhook_delivery WHERE endpoint_id = $1;

-- name: HOOK_DROP
DELETE FROM webhook_endpoint WHERE id = $1;

-- name: HOOK_SEQUENCE
INSERT INTO webhook_sequence (team_id, n) VALUES ($1, 1)
ON CONFLICT (team_id) DO UPDATE SET n = webhook_sequence.n + 1;

-- name: HOOK_SEQUENCE_GET
SELECT n FROM webhook_sequence WHERE team_id = $1;

-- name: HOOK_MESSAGE_ADD
INSERT INTO webhook_message (id, team_id, type, body, once, created_us)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: HOOK_MESSAGE_ONCE
SELECT id FROM webhook_message WHERE team_id = $1 AND once = $2;

-- name: HOOK_DELIVERY_ADD
INSERT INTO webhook_delivery (id, endpoint_id, message_id, replay, state, attempts, status,
    created_us, next_us, ended_us)
VALUES ($1, $2, $3, $4, 'pending', 0, 0, $5, $5, 0);

-- name: HOOK_SENDING
SELECT e.id, e.team_id, e.url, e.state, e.secret, e.old_secret, e.old_until_us, m.id, m.body,
    d.attempts, d.state, e.failing_since_us
FROM webhook_delivery d JOIN webhook_endpoint e ON e.id = d.endpoint_id
    JOIN webhook_message m ON m.id = d.message_id
WHERE d.id = $1;

-- name: HOOK_TRY_ADD
INSERT INTO webhook_try (delivery_id, n, at_us, status, duration_us, error, response)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (delivery_id, n) DO NOTHING;

-- name: HOOK_DELIVERY_SET
UPDATE webhook_delivery SET state = $2, attempts = $3, status = $4, next_us = $5, ended_us = $6
WHERE id = $1;

-- name: HOOK_DELIVERY_CANCEL
UPDATE webhook_delivery SET state = 'cancelled', next_us = 0, ended_us = $2
WHERE id = $1 AND state = 'pending';

-- The first failure since a success counts.
-- name: HOOK_FAILING
UPDATE webhook_endpoint SET failing_since_us = $2 WHERE id = $1 AND failing_since_us = 0;

-- name: HOOK_WORKING
UPDATE webhook_endpoint SET failing_since_us = 0 WHERE id = $1 AND failing_since_us <> 0;

-- name: HOOK_TURN_OFF
UPDATE webhook_endpoint SET state = $2, updated_us = $3 WHERE id = $1 AND state = 'enabled';

-- name: HOOK_DELIVERIES
SELECT d.id, d.message_id, m.type, d.state, d.attempts, d.status, d.created_us, d.next_us,
    d.ended_us, d.replay
FROM webhook_delivery d JOIN webhook_message m ON m.id = d.message_id
WHERE d.endpoint_id = $1 AND ($2 = '' OR d.state = $2) AND d.id < $3 ORDER BY d.id DESC LIMIT $4;

-- name: HOOK_DELIVERY_GET
SELECT d.id, d.message_id, m.type, d.state, d.attempts, d.status, d.created_us, d.next_us,
    d.ended_us, d.replay, m.body
FROM webhook_delivery d JOIN webhook_message m ON m.id = d.message_id
WHERE d.endpoint_id = $1 AND d.id = $2;

-- name: HOOK_TRIES
SELECT at_us, status, duration_us, error, response FROM webhook_try WHERE delivery_id = $1
ORDER BY n;

-- Messages of a time that went to the endpoint, each once.
-- name: HOOK_RANGE
SELECT message_id FROM webhook_delivery
WHERE endpoint_id = $1 AND created_us >= $2 AND created_us < $3 AND state = $4
GROUP BY message_id ORDER BY message_id LIMIT 500;

-- name: HOOK_EXPIRE_TRIES
DELETE FROM webhook_try WHERE delivery_id IN
    (SELECT id FROM webhook_delivery WHERE created_us < $1 AND state <> 'pending');

-- name: HOOK_EXPIRE_DELIVERIES
DELETE FROM webhook_delivery WHERE created_us < $1 AND state <> 'pending';

-- name: HOOK_EXPIRE_MESSAGES
DELETE FROM webhook_message WHERE created_us < $1 AND NOT EXISTS
    (SELECT 1 FROM webhook_delivery d WHERE d.message_id = webhook_message.id);

-- name: ALERT_GET
SELECT low, low_set, spent, armed, told, month_us FROM team_alert WHERE team_id = $1;

-- name: ALERT_SET
INSERT INTO team_alert (team_id, low, low_set, spent, armed, told, month_us)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (team_id) DO UPDATE SET low = excluded.low, low_set = excluded.low_set,
    spent = excluded.spent, armed = excluded.armed, told = excluded.told,
    month_us = excluded.month_us;

-- name: ALERT_DUE_ADD
INSERT INTO team_alert_due (team_id) VALUES ($1) ON CONFLICT (team_id) DO NOTHING;

-- name: ALERT_DUE_DROP
DELETE FROM team_alert_due WHERE team_id = $1;

-- name: ALERT_DUE
SELECT team_id FROM team_alert_due ORDER BY team_id LIMIT 5000;

-- Whose calls were charged since the day.
-- name: ALERT_ACTIVE
SELECT DISTINCT team FROM team_day WHERE day >= $1;

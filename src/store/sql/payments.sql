-- Payments through Stripe.

-- name: PAYMENTS_ADD
INSERT INTO stripe_transactions (id, team_id, user_id, kind, status, awaiting, amount, currency,
    amount_minor, paid_minor, tax_minor, livemode, session_id, payment_intent, customer_id, url,
    failure, taken, owed, refunded, moves, created_us, expires_us, completed_us, updated_us)
VALUES ($1, $2, $3, $4, 'pending', 0, $5, $6, $7, 0, 0, $8, '', '', '', '', '', 0, 0, 0, 0, $9,
    $10, 0, $9);

-- name: PAYMENTS_PENDING
SELECT count(*) FROM stripe_transactions WHERE team_id = $1 AND status = 'pending';

-- name: PAYMENTS_GET
SELECT p.id, p.team_id, p.user_id, p.kind, p.status, p.awaiting, p.amount, p.currency,
    p.amount_minor, p.paid_minor, p.tax_minor, p.livemode, p.session_id, p.payment_intent,
    p.customer_id, p.url, p.failure, p.taken, p.owed, p.refunded, p.moves, p.created_us,
    p.expires_us, p.completed_us, p.updated_us, COALESCE(u.email, ''), p.subscription_id,
    p.invoice_id, p.about, p.reversed
FROM stripe_transactions p LEFT JOIN app_user u ON u.id = p.user_id WHERE p.id = $1;

-- name: PAYMENTS_BY_SESSION
SELECT p.id, p.team_id, p.user_id, p.kind, p.status, p.awaiting, p.amount, p.currency,
    p.amount_minor, p.paid_minor, p.tax_minor, p.livemode, p.session_id, p.payment_intent,
    p.customer_id, p.url, p.failure, p.taken, p.owed, p.refunded, p.moves, p.created_us,
    p.expires_us, p.completed_us, p.updated_us, COALESCE(u.email, ''), p.subscription_id,
    p.invoice_id, p.about, p.reversed
FROM stripe_transactions p LEFT JOIN app_user u ON u.id = p.user_id
WHERE p.session_id = $1 AND p.session_id <> '';

-- name: PAYMENTS_BY_INTENT
SELECT p.id, p.team_id, p.user_id, p.kind, p.status, p.awaiting, p.amount, p.currency,
    p.amount_minor, p.paid_minor, p.tax_minor, p.livemode, p.session_id, p.payment_intent,
    p.customer_id, p.url, p.failure, p.taken, p.owed, p.refunded, p.moves, p.created_us,
    p.expires_us, p.completed_us, p.updated_us, COALESCE(u.email, ''), p.subscription_id,
    p.invoice_id, p.about, p.reversed
FROM stripe_transactions p LEFT JOIN app_user u ON u.id = p.user_id
WHERE p.payment_intent = $1 AND p.payment_intent <> '';

-- name: PAYMENTS_BY_INVOICE
SELECT p.id, p.team_id, p.user_id, p.kind, p.status, p.awaiting, p.amount, p.currency,
    p.amount_minor, p.paid_minor, p.tax_minor, p.livemode, p.session_id, p.payment_intent,
    p.customer_id, p.url, p.failure, p.taken, p.owed, p.refunded, p.moves, p.created_us,
    p.expires_us, p.completed_us, p.updated_us, COALESCE(u.email, ''), p.subscription_id,
    p.invoice_id, p.about, p.reversed
FROM stripe_transactions p LEFT JOIN app_user u ON u.id = p.user_id
WHERE p.invoice_id = $1 AND p.invoice_id <> '';

-- What is paid through another's invoice: for whom it was is known before anything is.
-- name: PAYMENTS_ADD_INVOICE
INSERT INTO stripe_transactions (id, team_id, user_id, kind, status, awaiting, amount, currency,
    amount_minor, paid_minor, tax_minor, livemode, session_id, payment_intent, customer_id, url,
    failure, taken, owed, refunded, moves, created_us, expires_us, completed_us, updated_us,
    subscription_id, invoice_id, about)
VALUES ($1, $2, $3, 'subscription', 'pending', 0, 0, $4, $5, 0, 0, $6, '', '', '', '', '', 0, 0, 0,
    0, $7, 0, 0, $7, $8, $9, '');

-- name: PAYMENTS_LIST
SELECT p.id, p.team_id, p.user_id, p.kind, p.status, p.awaiting, p.amount, p.currency,
    p.amount_minor, p.paid_minor, p.tax_minor, p.livemode, p.session_id, p.payment_intent,
    p.customer_id, p.url, p.failure, p.taken, p.owed, p.refunded, p.moves, p.created_us,
    p.expires_us, p.completed_us, p.updated_us, COALESCE(u.email, ''), p.subscription_id,
    p.invoice_id, p.about, p.reversed
FROM stripe_transactions p LEFT JOIN app_user u ON u.id = p.user_id
WHERE ($1 = '' OR p.team_id = $1) AND ($2 = '' OR p.status = $2) AND p.id < $4 AND ($3 = ''
    OR p.id = $3 OR p.payment_intent = $3 OR p.session_id = $3 OR p.team_id = $3
    OR lower(u.email) LIKE '%' || lower($3) || '%')
ORDER BY p.id DESC LIMIT $5;

-- name: PAYMENTS_OPENED
UPDATE stripe_transactions SET session_id = $2, url = $3, customer_id = $4, updated_us = $5
WHERE id = $1 AND session_id = '';

-- name: PAYMENTS_SET
UPDATE stripe_transactions SET status = $2, awaiting = $3, paid_minor = $4, tax_minor = $5,
    session_id = $6, payment_intent = $7, customer_id = $8, failure = $9, taken = $10, owed = $11,
    refunded = $12, moves = $13, completed_us = $14, updated_us = $15, amount = $16, about = $17,
    reversed = $18
WHERE id = $1;

-- name: PAYMENTS_LOT_ADD
INSERT INTO stripe_lot (payment_id, n, lot_id, starts_us, expires_us, expired)
VALUES ($1, $2, $3, $4, $5, 0);

-- name: PAYMENTS_LOTS
SELECT lot_id, expired FROM stripe_lot WHERE payment_id = $1 ORDER BY n;

-- It stays due as long as something is left in it.
-- name: PAYMENTS_LOT_EXPIRED
UPDATE stripe_lot SET expired = expired + $3,
    expires_us = CASE WHEN $4 > 0 THEN expires_us ELSE 0 END
WHERE payment_id = $1 AND lot_id = $2;

-- name: PAYMENTS_LOTS_DUE
SELECT payment_id, lot_id FROM stripe_lot WHERE expires_us > 0 AND expires_us <= $1
ORDER BY expires_us LIMIT 100;

-- Of a subscription, the oldest month first.
-- name: PAYMENTS_LOTS_BEFORE
SELECT l.payment_id, l.lot_id FROM stripe_transactions p JOIN stripe_lot l ON l.payment_id = p.id
WHERE p.subscription_id = $1 AND p.subscription_id <> '' AND l.starts_us < $2
ORDER BY l.starts_us, l.payment_id, l.n;

-- name: PAYMENTS_OF_SUBSCRIPTION
SELECT id FROM stripe_transactions WHERE subscription_id = $1 AND subscription_id <> ''
ORDER BY id DESC LIMIT 100;

-- name: PAYMENTS_OWED
SELECT id FROM stripe_transactions WHERE owed > 0 AND updated_us > $1 ORDER BY id LIMIT 100;

-- name: PAYMENTS_OVERDUE
SELECT id FROM stripe_transactions
WHERE status = 'pending' AND awaiting = 0 AND expires_us < $1 AND session_id = '' AND kind = 'topup'
ORDER BY id LIMIT 100;

-- name: PAYMENTS_UNSURE
SELECT session_id FROM stripe_transactions
WHERE status = 'pending' AND session_id <> '' AND expires_us < $1 AND session_id > $2
UNION ALL
SELECT session_id FROM subscription
WHERE status = 'pending' AND session_id <> '' AND expires_us < $1 AND session_id > $2
ORDER BY 1 LIMIT 100;

-- name: PAYMENTS_CUSTOMER_GET
SELECT customer_id, replaced FROM stripe_customer WHERE team_id = $1 AND livemode = $2;

-- name: PAYMENTS_CUSTOMER_ADD
INSERT INTO stripe_customer (team_id, livemode, customer_id) VALUES ($1, $2, $3)
ON CONFLICT (team_id, livemode) DO UPDATE SET customer_id = excluded.customer_id
WHERE stripe_customer.customer_id = '';

-- name: PAYMENTS_CUSTOMER_GONE
UPDATE stripe_customer SET replaced = customer_id, customer_id = '' WHERE customer_id = $1;

-- name: PAYMENTS_CUSTOMER_IS
SELECT team_id FROM stripe_customer WHERE customer_id = $1 LIMIT 1;

-- name: PAYMENTS_EVENT_ADD
INSERT INTO stripe_event (id, type, created_us, received_us, deliveries, state, note, body)
VALUES ($1, $2, $3, $4, 1, $5, $6, $7) ON CONFLICT (id) DO NOTHING;

-- name: PAYMENTS_EVENT_AGAIN
UPDATE stripe_event SET deliveries = deliveries + 1 WHERE id = $1;

-- name: PAYMENTS_EVENT_GET
SELECT type, created_us, state, body FROM stripe_event WHERE id = $1;

-- name: PAYMENTS_EVENT_SET
UPDATE stripe_event SET state = $2, note = $3 WHERE id = $1 AND state = 'stored';

-- name: PAYMENTS_EVENTS
SELECT id, type, created_us, received_us, deliveries, state, note FROM stripe_event
WHERE ($1 = '' OR state = $1) AND ($2 = '' OR type = $2) AND id < $3 ORDER BY id DESC LIMIT $4;

-- name: PAYMENTS_EVENTS_ABOUT
SELECT id, type, created_us, received_us, deliveries, state, note FROM stripe_event
WHERE note = $1 ORDER BY received_us DESC LIMIT 100;

-- name: PAYMENTS_EVENTS_REFUSED
SELECT count(*) FROM stripe_event WHERE state = 'refused' AND received_us > $1;

-- name: PAYMENTS_EVENTS_EXPIRE
DELETE FROM stripe_event WHERE state <> 'stored' AND received_us < $1;

-- name: PAYMENTS_REFUND_PUT
INSERT INTO stripe_refund (id, payment_intent, amount_minor, failed, seen_us)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET failed =
    CASE WHEN excluded.failed > stripe_refund.failed THEN excluded.failed ELSE stripe_refund.failed
    END;

-- name: PAYMENTS_REFUND_DROP
DELETE FROM stripe_refund WHERE id = $1;

-- name: PAYMENTS_REFUNDS
SELECT id, amount_minor, failed FROM stripe_refund WHERE payment_intent = $1 ORDER BY seen_us, id;

-- name: PAYMENTS_CHARGE_PUT
INSERT INTO stripe_charge (payment_intent, refunded_minor) VALUES ($1, $2)
ON CONFLICT (payment_intent) DO UPDATE SET refunded_minor =
    CASE WHEN excluded.refunded_minor > stripe_charge.refunded_minor THEN excluded.refunded_minor
    ELSE stripe_charge.refunded_minor END;

-- name: PAYMENTS_CHARGE_GET
SELECT refunded_minor FROM stripe_charge WHERE payment_intent = $1;

-- name: PAYMENTS_DISPUTE_PUT
INSERT INTO stripe_dispute (id, payment_intent, amount_minor, reason, opened, withdrawn, reinstated,
    lost, seen_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (id) DO UPDATE SET
    amount_minor = CASE WHEN excluded.amount_minor > stripe_dispute.amount_minor
        THEN excluded.amount_minor ELSE stripe_dispute.amount_minor END,
    opened = CASE WHEN excluded.opened > stripe_dispute.opened
        THEN excluded.opened ELSE stripe_dispute.opened END,
    withdrawn = CASE WHEN excluded.withdrawn > stripe_dispute.withdrawn
        THEN excluded.withdrawn ELSE stripe_dispute.withdrawn END,
    reinstated = CASE WHEN excluded.reinstated > stripe_dispute.reinstated
        THEN excluded.reinstated ELSE stripe_dispute.reinstated END,
    lost = CASE WHEN excluded.lost > stripe_dispute.lost
        THEN excluded.lost ELSE stripe_dispute.lost END;

-- name: PAYMENTS_DISPUTES
SELECT id, amount_minor, reason, opened, withdrawn, reinstated, lost, released FROM stripe_dispute
WHERE payment_intent = $1 ORDER BY seen_us, id;

-- name: PAYMENTS_DISPUTE_OF
SELECT id FROM stripe_dispute WHERE id = $1 AND payment_intent = $2;

-- name: PAYMENTS_DISPUTE_RELEASE
UPDATE stripe_dispute SET released = 1
WHERE id = $1 AND released = 0 AND reinstated = 0 AND lost = 0 AND (opened = 1 OR withdrawn = 1);

-- name: PAYMENTS_DISPUTES_COUNT
SELECT count(*) FROM stripe_dispute WHERE payment_intent = $1;

-- name: PAYMENTS_REPORT_ADD
INSERT INTO stripe_report (id, at_us, from_us, checked, mended, mismatches, body)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: PAYMENTS_REPORTS
SELECT id, at_us, from_us, checked, mended, mismatches, body FROM stripe_report
ORDER BY id DESC LIMIT 50;

-- name: PAYMENTS_EVENTS_STORED
SELECT count(*) FROM stripe_event WHERE state = 'stored';

-- name: PAYMENTS_GRANTED_SINCE
SELECT payment_intent, id FROM stripe_transactions
WHERE completed_us >= $1 AND completed_us < $2 AND payment_intent <> '' ORDER BY payment_intent;

-- name: PAYMENTS_REFUND_GET
SELECT amount_minor, failed FROM stripe_refund WHERE id = $1;

-- name: PAYMENTS_DISPUTE_GET
SELECT amount_minor, reinstated, lost FROM stripe_dispute WHERE id = $1;

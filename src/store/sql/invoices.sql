-- Receipts and statements.

-- name: INVOICE_NEXT
INSERT INTO invoice_series (series, n) VALUES ($1, 1)
ON CONFLICT (series) DO UPDATE SET n = invoice_series.n + 1;

-- name: INVOICE_NEXT_GET
SELECT n FROM invoice_series WHERE series = $1;

-- name: INVOICE_ADD
INSERT INTO invoice (id, number, kind, team, payment_id, period_start_us, period_end_us, issued_us,
    total, tax, currency, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: INVOICE_OF_PAYMENT
SELECT id FROM invoice WHERE payment_id = $1 AND kind = $2 ORDER BY id;

-- name: INVOICE_RECEIPT
SELECT id, number FROM invoice WHERE payment_id = $1 AND kind = 'receipt';

-- name: INVOICE_NOTES_SUM
SELECT CAST(COALESCE(sum(total), 0) AS bigint), CAST(COALESCE(sum(tax), 0) AS bigint) FROM invoice
WHERE payment_id = $1 AND kind = 'credit_note';

-- name: INVOICE_OF_MONTH
SELECT id FROM invoice WHERE kind = 'statement' AND team = $1 AND period_start_us = $2;

-- name: INVOICE_LIST
SELECT id, number, kind, payment_id, period_start_us, period_end_us, issued_us, total, tax, currency
FROM invoice WHERE team = $1 AND ($2 = '' OR kind = $2) AND id < $3 ORDER BY id DESC LIMIT $4;

-- name: INVOICE_GET
SELECT number, body FROM invoice WHERE id = $1 AND team = $2;

-- name: INVOICE_ANY
SELECT number, body FROM invoice WHERE id = $1;

-- Who has something in a month and no statement of it.
-- name: INVOICE_WANTED
SELECT team FROM (
    SELECT team FROM team_day WHERE day >= $1 AND day < $2
    UNION SELECT wallet FROM ledger_lot WHERE granted_at >= $3 AND granted_at < $4
) w WHERE NOT EXISTS (SELECT 1 FROM invoice i
    WHERE i.kind = 'statement' AND i.team = w.team AND i.period_start_us = $3)
ORDER BY team LIMIT 200;

-- name: DETAILS_GET
SELECT name, address, tax_id, email FROM billing_details WHERE team = $1;

-- name: DETAILS_SET
INSERT INTO billing_details (team, name, address, tax_id, email) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (team) DO UPDATE SET name = excluded.name, address = excluded.address,
    tax_id = excluded.tax_id, email = excluded.email;

-- The ledger: the journal, and what is projected from it.

-- name: LEDGER_JOURNAL_ADD
INSERT INTO ledger_journal (node, seq, at, records, hash, body) VALUES ($1, $2, $3, $4, $5, $6);

-- name: LEDGER_JOURNAL_FROM
SELECT seq, at, records, hash, body FROM ledger_journal WHERE node = $1 AND seq >= $2 ORDER BY seq
LIMIT $3;

-- name: LEDGER_JOURNAL_HEAD
SELECT seq, at FROM ledger_journal WHERE node = $1 ORDER BY seq DESC LIMIT 1;

-- name: LEDGER_JOURNAL_AT
SELECT at FROM ledger_journal WHERE node = $1 AND seq = $2;

-- name: LEDGER_JOURNAL_STRANGER
SELECT node FROM ledger_journal WHERE node <> $1 LIMIT 1;

-- name: LEDGER_CHECKPOINT_GET
SELECT seq, hash, at FROM ledger_checkpoint WHERE node = $1;

-- name: LEDGER_CHECKPOINT_SET
INSERT INTO ledger_checkpoint (node, seq, hash, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, at = excluded.at;

-- name: LEDGER_ACCOUNT_SET
INSERT INTO ledger_account (id, kind, balance, money_limit, is_off, opened_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET balance = excluded.balance, money_limit = excluded.money_limit,
    is_off = excluded.is_off;

-- name: LEDGER_ACCOUNT_ALL
SELECT id, kind, balance, money_limit, is_off, opened_at FROM ledger_account;

-- name: LEDGER_LOT_ADD
INSERT INTO ledger_lot (id, wallet, kind, amount, remaining, priority, expires_at, source, reason,
    granted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: LEDGER_LOT_SET
UPDATE ledger_lot SET remaining = $2 WHERE id = $1;

-- name: LEDGER_LOT_LIVE
SELECT id, wallet, kind, amount, remaining, priority, expires_at, source, reason, granted_at
FROM ledger_lot WHERE remaining > 0;

-- name: LEDGER_LOT_GET
SELECT id, wallet, kind, amount, remaining, priority, expires_at, source, reason, granted_at
FROM ledger_lot WHERE id = $1;

-- name: LEDGER_LOT_ALL
SELECT id, wallet, kind, amount, remaining, priority, expires_at, source, reason, granted_at
FROM ledger_lot;

-- name: LEDGER_HOLD_SET
INSERT INTO ledger_hold (call, wallet, cap1, cap2, amount, held_at, dispatched_at, attempts,
    checkpoint, parts, hold_about, dispatch_about, checkpoint_about, upstream_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (call) DO UPDATE SET dispatched_at = excluded.dispatched_at,
    attempts = excluded.attempts, checkpoint = excluded.checkpoint,
    dispatch_about = excluded.dispatch_about, checkpoint_about = excluded.checkpoint_about,
    upstream_id = excluded.upstream_id;

-- name: LEDGER_HOLD_DROP
DELETE FROM ledger_hold WHERE call = $1;

-- name: LEDGER_HOLD_ALL
SELECT call, wallet, cap1, cap2, amount, held_at, dispatched_at, attempts, checkpoint, parts,
    hold_about, dispatch_about, checkpoint_about, upstream_id
FROM ledger_hold;

-- name: LEDGER_TRANSFER_ADD
-- rows: 8
INSERT INTO ledger_transfer (group_id, n, debit, credit, amount, reason, at, corrects)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (group_id, n) DO NOTHING;

-- name: LEDGER_TRANSFER_GET
SELECT debit, credit, amount, reason, at, corrects FROM ledger_transfer
WHERE group_id = $1 AND n = $2;

-- name: LEDGER_TRANSFER_OF
SELECT group_id, n, debit, credit, amount, reason, at, corrects FROM ledger_transfer
WHERE group_id = $1 ORDER BY n;

-- name: LEDGER_TRANSFER_CORRECTING
SELECT group_id, n, debit, credit, amount, reason, at, corrects FROM ledger_transfer
WHERE corrects = $1 ORDER BY at, group_id, n;

-- name: LEDGER_TRANSFER_COUNT
SELECT count(*) FROM ledger_transfer;

-- name: LEDGER_KEY_GET
SELECT body_hash, result, amount, at FROM ledger_key WHERE idempotency = $1;

-- name: LEDGER_KEY_ADD
INSERT INTO ledger_key (idempotency, body_hash, result, amount, at) VALUES ($1, $2, $3, $4, $5);

-- name: LEDGER_KEY_COUNT
SELECT count(*) FROM ledger_key;

-- What each account moved, from the transfers alone.
-- name: LEDGER_SUMS
SELECT account, CAST(sum(amount) AS bigint) FROM (
    SELECT credit AS account, amount FROM ledger_transfer
    UNION ALL
    SELECT debit AS account, -amount AS amount FROM ledger_transfer
) AS moved GROUP BY account;

-- What was posted as a call's charge.
-- name: LEDGER_CALL_CHARGED
SELECT CAST(COALESCE(sum(amount), 0) AS bigint) FROM ledger_transfer
WHERE group_id = $1 AND credit = $2 AND debit <> $3;

-- name: LEDGER_LOTS_OF
SELECT id, kind, amount, remaining, priority, granted_at, expires_at, source, reason
FROM ledger_lot WHERE wallet = $1 AND granted_at < $2 ORDER BY granted_at DESC, id DESC LIMIT $3;

-- Of a wallet's lots: what came in, and what was taken back or expired; not the charges.
-- name: LEDGER_MOVES_OF
SELECT t.group_id, t.n, t.at, t.amount, t.reason, t.corrects, t.debit, t.credit, l.kind
FROM ledger_lot l JOIN ledger_transfer t ON t.credit = l.id AND t.reason <> 'charge'
WHERE l.wallet = $1 AND t.at < $2
UNION ALL
SELECT t.group_id, t.n, t.at, -t.amount, t.reason, t.corrects, t.debit, t.credit, l.kind
FROM ledger_lot l JOIN ledger_transfer t ON t.debit = l.id AND t.reason <> 'charge'
WHERE l.wallet = $1 AND t.at < $2
ORDER BY 3 DESC LIMIT $3;

-- The journal is the truth; every other table of the ledger can be made again from it.

-- One row per group commit: records packed behind each other, hash = SHA-256(hash before, body).
CREATE TABLE ledger_journal (
    node text NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    records bigint NOT NULL,
    hash bytea NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (node, seq)
) WITHOUT ROWID;

-- Up to which row of its journal a node has written the tables below, with that row's hash: a start
-- checks the chain from here on.
CREATE TABLE ledger_checkpoint (
    node text PRIMARY KEY,
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    at bigint NOT NULL
);

-- kind: 0 wallet, 1 spend cap, 2 account of the house. balance: wallets and house accounts, credits
-- less debits (all together 0); caps, what was spent, negative. money_limit: overdraft, or the cap.
CREATE TABLE ledger_account (
    id bytea PRIMARY KEY,
    kind bigint NOT NULL,
    balance bigint NOT NULL,
    money_limit bigint NOT NULL,
    is_off bigint NOT NULL,
    opened_at bigint NOT NULL
) WITHOUT ROWID;

-- remaining: not spent, held or not.
CREATE TABLE ledger_lot (
    id bytea PRIMARY KEY,
    wallet bytea NOT NULL,
    kind bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    remaining bigint NOT NULL CHECK (remaining >= 0 AND remaining <= amount),
    priority bigint NOT NULL,
    expires_at bigint NOT NULL,
    source bytea NOT NULL,
    reason text NOT NULL,
    granted_at bigint NOT NULL
) WITHOUT ROWID;
CREATE INDEX ledger_lot_wallet ON ledger_lot (wallet, granted_at);
CREATE INDEX ledger_lot_live ON ledger_lot (id) WHERE remaining > 0;

-- Open holds only. A hold that opened and ended between two projections was never here.
-- parts: (lot, or the wallet itself for overdraft; amount), packed as in the journal.
CREATE TABLE ledger_hold (
    call bytea PRIMARY KEY,
    wallet bytea NOT NULL,
    cap1 bytea NOT NULL,
    cap2 bytea NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    held_at bigint NOT NULL,
    dispatched_at bigint NOT NULL,
    attempts bigint NOT NULL,
    checkpoint bigint,
    parts bytea NOT NULL,
    hold_about bytea NOT NULL,
    dispatch_about bytea NOT NULL,
    checkpoint_about bytea NOT NULL,
    upstream_id bytea NOT NULL
) WITHOUT ROWID;

-- Posted movements. group_id: the call, the lot of a grant, or the cause; a group sums to zero, since
-- each movement has one debit and one credit. corrects: the call that a refund corrects.
CREATE TABLE ledger_transfer (
    group_id bytea NOT NULL,
    n bigint NOT NULL,
    debit bytea NOT NULL,
    credit bytea NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    reason text NOT NULL,
    at bigint NOT NULL,
    corrects bytea,
    PRIMARY KEY (group_id, n)
) WITHOUT ROWID;
CREATE INDEX ledger_transfer_corrects ON ledger_transfer (corrects) WHERE corrects IS NOT NULL;

-- The answers given to control operations, refusals too, by idempotency key.
CREATE TABLE ledger_key (
    idempotency text PRIMARY KEY,
    body_hash bytea NOT NULL,
    result text NOT NULL,
    amount bigint NOT NULL,
    at bigint NOT NULL
) WITHOUT ROWID;

-- Receipts and statements. body: what it says (JSON), which does not change any more. Numbers of a
-- series have no gaps: they are taken in the transaction that writes the row.
CREATE TABLE invoice (
    id text PRIMARY KEY NOT NULL,
    number text NOT NULL UNIQUE,
    kind text NOT NULL,
    team bytea NOT NULL,
    payment_id text NOT NULL,
    period_start_us bigint NOT NULL,
    period_end_us bigint NOT NULL,
    issued_us bigint NOT NULL,
    total bigint NOT NULL,
    tax bigint NOT NULL,
    currency text NOT NULL,
    body text NOT NULL
);
CREATE INDEX invoice_team ON invoice (team, id);
CREATE UNIQUE INDEX invoice_payment ON invoice (payment_id) WHERE payment_id <> '';
CREATE UNIQUE INDEX invoice_month ON invoice (team, period_start_us) WHERE kind = 'statement';

CREATE TABLE invoice_series (
    series text PRIMARY KEY NOT NULL,
    n bigint NOT NULL
);

-- The buyer's details, as the team has given them. address: lines.
CREATE TABLE billing_details (
    team bytea PRIMARY KEY NOT NULL,
    name text NOT NULL,
    address text NOT NULL,
    tax_id text NOT NULL,
    email text NOT NULL
);

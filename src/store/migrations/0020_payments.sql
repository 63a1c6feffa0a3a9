-- Money that comes in through Stripe. Amounts: nano of credit, and *_minor as Stripe counts them.
-- Empty texts and zeros: not known, or none.

-- One order or payment. status: pending, completed, failed, expired, refunded, disputed; awaiting:
-- the customer has paid in a way that takes days. taken: credit that refunds and disputes took back
-- out of its lots; owed: what they could not take (receivable).
CREATE TABLE stripe_transactions (
    id text PRIMARY KEY NOT NULL,
    team_id text NOT NULL,
    user_id text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    awaiting bigint NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    paid_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    livemode bigint NOT NULL,
    session_id text NOT NULL,
    payment_intent text NOT NULL,
    customer_id text NOT NULL,
    url text NOT NULL,
    failure text NOT NULL,
    taken bigint NOT NULL,
    owed bigint NOT NULL,
    refunded bigint NOT NULL,
    moves bigint NOT NULL,
    created_us bigint NOT NULL,
    expires_us bigint NOT NULL,
    completed_us bigint NOT NULL,
    updated_us bigint NOT NULL
);
CREATE UNIQUE INDEX stripe_transactions_by_session ON stripe_transactions (session_id)
    WHERE session_id <> '';
CREATE UNIQUE INDEX stripe_transactions_by_intent ON stripe_transactions (payment_intent)
    WHERE payment_intent <> '';
CREATE INDEX stripe_transactions_by_team ON stripe_transactions (team_id, id);
CREATE INDEX stripe_transactions_by_status ON stripe_transactions (status, created_us);

-- The lots that a payment was made into, the first and those given back by disputes that were won.
CREATE TABLE stripe_lot (
    payment_id text NOT NULL REFERENCES stripe_transactions (id),
    n bigint NOT NULL,
    lot_id bytea NOT NULL,
    PRIMARY KEY (payment_id, n)
);

-- What Stripe told, as it came. state: stored (to be worked on), done, ignored, refused.
CREATE TABLE stripe_event (
    id text PRIMARY KEY NOT NULL,
    type text NOT NULL,
    created_us bigint NOT NULL,
    received_us bigint NOT NULL,
    deliveries bigint NOT NULL,
    state text NOT NULL,
    note text NOT NULL,
    body text NOT NULL
);
CREATE INDEX stripe_event_by_state ON stripe_event (state, received_us);

-- Facts that events tell, each of which only ever grows, so that their order does not matter.
CREATE TABLE stripe_refund (
    id text PRIMARY KEY NOT NULL,
    payment_intent text NOT NULL,
    amount_minor bigint NOT NULL,
    failed bigint NOT NULL,
    seen_us bigint NOT NULL
);
CREATE INDEX stripe_refund_by_intent ON stripe_refund (payment_intent);

CREATE TABLE stripe_charge (
    payment_intent text PRIMARY KEY NOT NULL,
    refunded_minor bigint NOT NULL
);

CREATE TABLE stripe_dispute (
    id text PRIMARY KEY NOT NULL,
    payment_intent text NOT NULL,
    amount_minor bigint NOT NULL,
    reason text NOT NULL,
    opened bigint NOT NULL,
    withdrawn bigint NOT NULL,
    reinstated bigint NOT NULL,
    lost bigint NOT NULL,
    seen_us bigint NOT NULL
);
CREATE INDEX stripe_dispute_by_intent ON stripe_dispute (payment_intent);

CREATE TABLE stripe_customer (
    team_id text NOT NULL,
    livemode bigint NOT NULL,
    customer_id text NOT NULL,
    PRIMARY KEY (team_id, livemode)
);
CREATE INDEX stripe_customer_by_id ON stripe_customer (customer_id);

-- What the comparisons of Stripe's lists with ours have found.
CREATE TABLE stripe_report (
    id text PRIMARY KEY NOT NULL,
    at_us bigint NOT NULL,
    from_us bigint NOT NULL,
    checked bigint NOT NULL,
    mended bigint NOT NULL,
    mismatches bigint NOT NULL,
    body text NOT NULL
);

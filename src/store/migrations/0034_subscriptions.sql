-- Plans, and who has one. Amounts: nano of credit, and *_minor as Stripe counts them. Empty texts and
-- zeros: not known, or none.

CREATE TABLE plan (
    id text PRIMARY KEY NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    active bigint NOT NULL,
    trial_days bigint NOT NULL,
    trial_credit bigint NOT NULL,
    n bigint NOT NULL,
    created_us bigint NOT NULL,
    updated_us bigint NOT NULL
);

-- What was sold under a plan's name: never changed, as somebody may have it. period: month, year.
-- roll_over: none, all, capped.
CREATE TABLE plan_version (
    plan_id text NOT NULL REFERENCES plan (id),
    n bigint NOT NULL,
    price_minor bigint NOT NULL,
    currency text NOT NULL,
    period text NOT NULL,
    monthly_credit bigint NOT NULL,
    roll_over text NOT NULL,
    roll_over_max bigint NOT NULL,
    rpm bigint NOT NULL,
    burst bigint NOT NULL,
    created_us bigint NOT NULL,
    PRIMARY KEY (plan_id, n)
);

-- What Stripe calls a version. Test mode and live mode have each their own.
CREATE TABLE plan_price (
    plan_id text NOT NULL,
    n bigint NOT NULL,
    livemode bigint NOT NULL,
    product text NOT NULL,
    price text NOT NULL,
    PRIMARY KEY (plan_id, n, livemode)
);
CREATE UNIQUE INDEX plan_price_by_price ON plan_price (price);

-- status: pending (its checkout is open), expired, then Stripe's. plan_id, plan_n: what was paid
-- for, as of paid_us (of an invoice), before that what was asked for; item_price: what the next
-- renewal is charged by. tickets, applied: Stripe's object is asked for in turns, and what an
-- earlier turn has seen never overwrites what a later one has. credit_us: the month that credit was
-- given for last. year_*: of a yearly plan's credit: when the year began, the next month that is due,
-- and the payment that it belongs to. access: the tier holds. told: the hash of what the team's
-- webhooks were told last.
CREATE TABLE subscription (
    id text PRIMARY KEY NOT NULL,
    team_id text NOT NULL,
    user_id text NOT NULL,
    status text NOT NULL,
    livemode bigint NOT NULL,
    plan_id text NOT NULL,
    plan_n bigint NOT NULL,
    paid_us bigint NOT NULL,
    stripe_id text NOT NULL,
    item_id text NOT NULL,
    item_price text NOT NULL,
    session_id text NOT NULL,
    url text NOT NULL,
    failure text NOT NULL,
    pay_url text NOT NULL,
    tickets bigint NOT NULL,
    applied bigint NOT NULL,
    period_start_us bigint NOT NULL,
    period_end_us bigint NOT NULL,
    trial_days bigint NOT NULL,
    trial_end_us bigint NOT NULL,
    cancel_at_end bigint NOT NULL,
    grace_until_us bigint NOT NULL,
    access bigint NOT NULL,
    credit_us bigint NOT NULL,
    year_us bigint NOT NULL,
    year_month bigint NOT NULL,
    year_payment text NOT NULL,
    trial_lot bytea NOT NULL,
    told text NOT NULL,
    created_us bigint NOT NULL,
    expires_us bigint NOT NULL,
    ended_us bigint NOT NULL,
    updated_us bigint NOT NULL
);
CREATE INDEX subscription_by_team ON subscription (team_id, id);
CREATE UNIQUE INDEX subscription_by_stripe ON subscription (stripe_id) WHERE stripe_id <> '';
CREATE UNIQUE INDEX subscription_by_session ON subscription (session_id) WHERE session_id <> '';
CREATE INDEX subscription_by_status ON subscription (status, id);
CREATE INDEX subscription_by_plan ON subscription (plan_id, status);

-- A payment of a subscription: which, by which invoice, for what in words. reversed: of what expired
-- unspent, so much was given back as money.
ALTER TABLE stripe_transactions ADD COLUMN subscription_id text NOT NULL DEFAULT '';
ALTER TABLE stripe_transactions ADD COLUMN invoice_id text NOT NULL DEFAULT '';
ALTER TABLE stripe_transactions ADD COLUMN about text NOT NULL DEFAULT '';
ALTER TABLE stripe_transactions ADD COLUMN reversed bigint NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX stripe_transactions_by_invoice ON stripe_transactions (invoice_id)
    WHERE invoice_id <> '';
CREATE INDEX stripe_transactions_by_subscription ON stripe_transactions (subscription_id)
    WHERE subscription_id <> '';

-- A lot of a subscription: the month that it is for, when it expires at the latest, and how much of
-- it has.
ALTER TABLE stripe_lot ADD COLUMN starts_us bigint NOT NULL DEFAULT 0;
ALTER TABLE stripe_lot ADD COLUMN expires_us bigint NOT NULL DEFAULT 0;
ALTER TABLE stripe_lot ADD COLUMN expired bigint NOT NULL DEFAULT 0;
CREATE INDEX stripe_lot_due ON stripe_lot (expires_us) WHERE expires_us > 0;

-- What customers may change to in Stripe's portal: a configuration there for each set of prices.
CREATE TABLE stripe_portal (
    prices text NOT NULL,
    livemode bigint NOT NULL,
    configuration text NOT NULL,
    PRIMARY KEY (prices, livemode)
);

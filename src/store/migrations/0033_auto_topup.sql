-- Credit that buys itself. state: on, off, suspended (until somebody turns it on again). in_flight:
-- the payment that is on its way; empty: none. spent: ordered in the month. not_before_us: after a
-- failure.
CREATE TABLE auto_topup (
    team_id text PRIMARY KEY NOT NULL,
    state text NOT NULL,
    threshold bigint NOT NULL,
    amount bigint NOT NULL,
    monthly_cap bigint NOT NULL,
    user_id text NOT NULL,
    month_us bigint NOT NULL,
    spent bigint NOT NULL,
    failures bigint NOT NULL,
    reason text NOT NULL,
    in_flight text NOT NULL,
    not_before_us bigint NOT NULL
);
CREATE INDEX auto_topup_ready ON auto_topup (team_id) WHERE state = 'on' AND in_flight = '';

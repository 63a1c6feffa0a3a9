-- Codes that give credit. mac: HMAC of the code as it is compared; hint: how it begins. ended_us: an
-- operator has ended it. credit_days 0: what it gave does not expire.
CREATE TABLE redemption_code (
    id text PRIMARY KEY NOT NULL,
    name text NOT NULL,
    mac bytea NOT NULL UNIQUE,
    hint text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    uses bigint NOT NULL,
    uses_max bigint NOT NULL CHECK (uses <= uses_max),
    per_user bigint NOT NULL,
    expires_us bigint NOT NULL,
    credit_days bigint NOT NULL,
    ended_us bigint NOT NULL,
    created_us bigint NOT NULL
);

CREATE TABLE redemption (
    code_id text NOT NULL REFERENCES redemption_code (id),
    user_id text NOT NULL,
    n bigint NOT NULL,
    team_id text NOT NULL,
    amount bigint NOT NULL,
    at_us bigint NOT NULL,
    PRIMARY KEY (code_id, user_id, n)
) WITHOUT ROWID;
CREATE INDEX redemption_at ON redemption (code_id, at_us);

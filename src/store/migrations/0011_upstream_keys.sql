-- Keys that the house has its provider make for single users. hash: the provider's name of the key;
-- sealed: the key. old_hash: the one before, until the provider has ended it. Amounts in nano; -1:
-- not known, or none.

CREATE TABLE upstream_key (
    user_id text PRIMARY KEY NOT NULL REFERENCES app_user (id),
    hash text NOT NULL,
    sealed bytea NOT NULL,
    old_hash text NOT NULL,
    created_us bigint NOT NULL,
    rotated_us bigint NOT NULL,
    money_limit bigint NOT NULL,
    limit_remaining bigint NOT NULL,
    usage_monthly bigint NOT NULL,
    byok_usage_monthly bigint NOT NULL,
    checked_us bigint NOT NULL
);

CREATE INDEX upstream_key_by_hash ON upstream_key (hash);

-- Keys of the provider's that customers got for their own use: what the provider calls the key (empty:
-- there is none now), what it or the next one may spend, and since when one is being made (0: not).

CREATE TABLE byok_key (
    user_id text PRIMARY KEY NOT NULL REFERENCES app_user (id),
    hash text NOT NULL,
    money_limit bigint NOT NULL,
    claimed_us bigint NOT NULL,
    made_us bigint NOT NULL
);

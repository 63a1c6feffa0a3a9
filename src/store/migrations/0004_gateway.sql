-- One line per dispatched call, and its sums by hour. Both are projections of the ledger's journal,
-- which also keeps the upstream's usage object as it came.

CREATE TABLE usage (
    id bytea PRIMARY KEY,
    team bytea NOT NULL,
    user_id bytea NOT NULL,
    key_id bytea NOT NULL,
    model text NOT NULL,
    provider text NOT NULL,
    upstream_model text NOT NULL,
    upstream_id text NOT NULL,
    product bigint NOT NULL,
    stream bigint NOT NULL,
    status bigint NOT NULL,
    error text NOT NULL,
    basis bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cache_read_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    charge bigint NOT NULL,
    cost bigint NOT NULL,
    written_off bigint NOT NULL,
    price_id bigint NOT NULL,
    rule_id bigint NOT NULL,
    markup_ppm bigint NOT NULL,
    attempts bigint NOT NULL,
    started_us bigint NOT NULL,
    first_byte_us bigint NOT NULL,
    ended_us bigint NOT NULL,
    unresolved bigint NOT NULL
) WITHOUT ROWID;

CREATE INDEX usage_by_team ON usage (team, ended_us);
CREATE INDEX usage_unresolved ON usage (ended_us) WHERE unresolved = 1;

CREATE TABLE usage_hour (
    team bytea NOT NULL,
    hour bigint NOT NULL,
    key_id bytea NOT NULL,
    model text NOT NULL,
    requests bigint NOT NULL,
    failed bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cache_read_tokens bigint NOT NULL,
    charge bigint NOT NULL,
    cost bigint NOT NULL,
    PRIMARY KEY (team, hour, key_id, model)
) WITHOUT ROWID;

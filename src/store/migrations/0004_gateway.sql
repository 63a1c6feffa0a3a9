-- One line per dispatched call, and its sums by hour. Both are projections of the ledger's journal,
-- which also keeps the upstream's usage object as it came. Lines stand in the order in which a team's
-- calls began, since ids begin with the time; `detail` has what no search and no sum asks for, packed
-- like the records' own descriptions (gateway/about.h).

CREATE TABLE usage (
    team bytea NOT NULL,
    id bytea NOT NULL,
    user_id bytea NOT NULL,
    key_id bytea NOT NULL,
    model text NOT NULL,
    provider text NOT NULL,
    status bigint NOT NULL,
    basis bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    charge bigint NOT NULL,
    cost bigint NOT NULL,
    started_us bigint NOT NULL,
    ended_us bigint NOT NULL,
    unresolved bigint NOT NULL,
    detail bytea NOT NULL,
    PRIMARY KEY (team, id)
) WITHOUT ROWID;

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

-- Sums by day, so that a month is thirty rows and not seven hundred for each key and model; and those
-- of the whole house, for its operator.
CREATE TABLE usage_day (
    team bytea NOT NULL,
    day bigint NOT NULL,
    key_id bytea NOT NULL,
    model text NOT NULL,
    requests bigint NOT NULL,
    failed bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    charge bigint NOT NULL,
    PRIMARY KEY (team, day, key_id, model)
) WITHOUT ROWID;

CREATE TABLE sales_day (
    day bigint NOT NULL,
    model text NOT NULL,
    requests bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cache_read_tokens bigint NOT NULL,
    charge bigint NOT NULL,
    cost bigint NOT NULL,
    PRIMARY KEY (day, model)
) WITHOUT ROWID;

CREATE TABLE team_day (
    day bigint NOT NULL,
    team bytea NOT NULL,
    requests bigint NOT NULL,
    charge bigint NOT NULL,
    cost bigint NOT NULL,
    PRIMARY KEY (day, team)
) WITHOUT ROWID;

INSERT INTO usage_day SELECT team, CAST(hour / 24 AS bigint), key_id, model,
    CAST(sum(requests) AS bigint), CAST(sum(failed) AS bigint), CAST(sum(input_tokens) AS bigint),
    CAST(sum(output_tokens) AS bigint), CAST(sum(charge) AS bigint)
FROM usage_hour GROUP BY 1, 2, 3, 4;

INSERT INTO sales_day SELECT CAST(hour / 24 AS bigint), model, CAST(sum(requests) AS bigint),
    CAST(sum(input_tokens) AS bigint), CAST(sum(output_tokens) AS bigint),
    CAST(sum(cache_read_tokens) AS bigint), CAST(sum(charge) AS bigint), CAST(sum(cost) AS bigint)
FROM usage_hour GROUP BY 1, 2;

INSERT INTO team_day SELECT CAST(hour / 24 AS bigint), team, CAST(sum(requests) AS bigint),
    CAST(sum(charge) AS bigint), CAST(sum(cost) AS bigint)
FROM usage_hour GROUP BY 1, 2;

-- Limits of single subjects. scope: 0 global, 1 team, 2 user, 3 key; -1 in a limit: not set here.

CREATE TABLE limit_rule (
    scope bigint NOT NULL,
    subject text NOT NULL,
    rpm bigint NOT NULL,
    burst bigint NOT NULL,
    per_hour bigint NOT NULL,
    per_day bigint NOT NULL,
    tpm bigint NOT NULL,
    concurrency bigint NOT NULL,
    max_tokens bigint NOT NULL,
    updated_us bigint NOT NULL,
    PRIMARY KEY (scope, subject)
);

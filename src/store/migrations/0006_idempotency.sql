-- Answers by Idempotency-Key, sealed, for a day. state: 0 being worked on, 1 an answer, 2 an answer
-- that was too large to keep.
CREATE TABLE idempotency (
    team bytea NOT NULL,
    idempotency text NOT NULL,
    body_hash bytea NOT NULL,
    boot bytea NOT NULL,
    state bigint NOT NULL,
    answer bytea NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (team, idempotency)
) WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (at);

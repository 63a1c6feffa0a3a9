-- Durable jobs. state: scheduled, retrying, sleeping, running, done, cancelled, needs_attention.
-- live: somebody has to look at it at wake_us; for a run whose step runs that is the lease's end.
-- intent: the present step was begun, and what came of it outside is not known. once: the same
-- kind and text is the same run. boot: the process that has the lease.

CREATE TABLE job_run (
    id text PRIMARY KEY NOT NULL,
    kind text NOT NULL,
    once text,
    state text NOT NULL,
    live bigint NOT NULL,
    wake_us bigint NOT NULL,
    step bigint NOT NULL,
    attempt bigint NOT NULL,
    intent bigint NOT NULL,
    cancel bigint NOT NULL,
    boot text NOT NULL,
    lease_epoch bigint NOT NULL,
    input bytea NOT NULL,
    data bytea NOT NULL,
    error text NOT NULL,
    created_us bigint NOT NULL,
    ended_us bigint NOT NULL,
    UNIQUE (kind, once)
);

CREATE INDEX job_run_due ON job_run (wake_us, id) WHERE live = 1;
CREATE INDEX job_run_state ON job_run (state, id);
CREATE INDEX job_run_ended ON job_run (ended_us) WHERE ended_us > 0;

CREATE TABLE job_step (
    run_id text NOT NULL REFERENCES job_run (id),
    seq bigint NOT NULL,
    name text NOT NULL,
    state text NOT NULL,
    attempt bigint NOT NULL,
    started_us bigint NOT NULL,
    ended_us bigint NOT NULL,
    error text NOT NULL,
    PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;

-- Durable jobs.

-- name: JOBS_INSERT
INSERT INTO job_run (id, kind, once, state, live, wake_us, step, attempt, intent, cancel, boot,
    lease_epoch, input, data, error, created_us, ended_us)
VALUES ($1, $2, $3, 'scheduled', 1, $4, 0, 0, 0, 0, '', 0, $5, $6, '', $7, 0)
ON CONFLICT (kind, once) DO NOTHING RETURNING id;

-- name: JOBS_BY_KEY
SELECT id FROM job_run WHERE kind = $1 AND once = $2;

-- The one place where a run is taken. A lease that ran out is due like any other run.
-- name: JOBS_CLAIM
UPDATE job_run SET state = 'running', boot = $1, lease_epoch = lease_epoch + 1, wake_us = $2,
    attempt = CASE WHEN state = 'sleeping' THEN attempt ELSE attempt + 1 END
WHERE id = (SELECT id FROM job_run WHERE live = 1 AND wake_us <= $3 ORDER BY wake_us, id LIMIT 1)
RETURNING id, kind, step, attempt, intent, cancel, lease_epoch, input, data;

-- name: JOBS_NEXT
SELECT CAST(min(wake_us) AS bigint) FROM job_run WHERE live = 1;

-- name: JOBS_INTEND
UPDATE job_run SET intent = 1 WHERE id = $1 AND lease_epoch = $2;

-- name: JOBS_STEP_BEGIN
INSERT INTO job_step (run_id, seq, name, state, attempt, started_us, ended_us, error)
VALUES ($1, $2, $3, 'running', $4, $5, 0, '')
ON CONFLICT (run_id, seq) DO UPDATE SET name = excluded.name, state = excluded.state,
    attempt = excluded.attempt, ended_us = 0,
    started_us = CASE WHEN job_step.state = 'done' THEN excluded.started_us
        ELSE job_step.started_us END;

-- name: JOBS_STEP_END
UPDATE job_step SET state = $3, ended_us = $4, error = $5 WHERE run_id = $1 AND seq = $2;

-- name: JOBS_FENCE
SELECT cancel FROM job_run WHERE id = $1 AND lease_epoch = $2 AND state = 'running';

-- name: JOBS_LEAVE
UPDATE job_run SET state = $3, live = $4, wake_us = $5, step = $6, attempt = $7, intent = $8,
    data = $9, error = $10, ended_us = $11
WHERE id = $1 AND lease_epoch = $2 AND state = 'running';

-- name: JOBS_WIPE
UPDATE job_run SET input = $2, data = $2 WHERE id = $1;

-- name: JOBS_BOOT
UPDATE job_run SET wake_us = $2 WHERE state = 'running' AND boot <> $1;

-- name: JOBS_SOONER
UPDATE job_run SET wake_us = $3 WHERE kind = $1 AND once = $2 AND live = 1 AND state <> 'running'
    AND wake_us > $3;

-- name: JOBS_GET
SELECT id, kind, state, step, attempt, intent, wake_us, created_us, error
FROM job_run WHERE id = $1;

-- name: JOBS_INPUT
SELECT input FROM job_run WHERE id = $1;

-- name: JOBS_AGAIN
UPDATE job_run SET state = 'scheduled', live = 1, wake_us = $2, attempt = 0, cancel = 0,
    ended_us = 0
WHERE id = $1 AND state IN ('scheduled', 'retrying', 'sleeping', 'needs_attention');

-- name: JOBS_CANCEL_NOW
UPDATE job_run SET state = 'cancelled', live = 0, ended_us = $2, cancel = 1
WHERE id = $1 AND (state = 'needs_attention'
    OR (intent = 0 AND state IN ('scheduled', 'retrying', 'sleeping')));

-- name: JOBS_CANCEL_LATER
UPDATE job_run SET cancel = 1,
    wake_us = CASE WHEN state = 'running' THEN wake_us ELSE $2 END
WHERE id = $1 AND live = 1;

-- name: JOBS_LIST
SELECT id, kind, state, step, attempt, intent, wake_us, created_us, error
FROM job_run WHERE ($1 = '' OR state = $1) AND ($2 = '' OR kind = $2) AND id < $3
ORDER BY id DESC LIMIT $4;

-- name: JOBS_STEPS
SELECT seq, name, state, attempt, started_us, ended_us, error
FROM job_step WHERE run_id = $1 ORDER BY seq;

-- name: JOBS_COUNT
SELECT state, CAST(count(*) AS bigint) FROM job_run
WHERE state IN ('scheduled', 'retrying', 'sleeping', 'running', 'needs_attention') GROUP BY state;

-- name: JOBS_OLD_STEPS_DELETE
DELETE FROM job_step WHERE run_id IN (SELECT id FROM job_run
    WHERE ended_us > 0 AND ended_us < $2 AND (ended_us < $1 OR state <> 'needs_attention')
    ORDER BY ended_us, id LIMIT 500);

-- name: JOBS_OLD_DELETE
DELETE FROM job_run WHERE id IN (SELECT id FROM job_run
    WHERE ended_us > 0 AND ended_us < $2 AND (ended_us < $1 OR state <> 'needs_attention')
    ORDER BY ended_us, id LIMIT 500);

-- How much of a run's secrets is still there; for tests.
-- name: JOBS_SIZE
SELECT CAST(length(input) + length(data) AS bigint) FROM job_run WHERE id = $1;

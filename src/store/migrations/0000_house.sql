-- The house itself: what was done to its schema, and who it is.
CREATE TABLE migration (
    version bigint PRIMARY KEY,
    name text NOT NULL,
    applied_at bigint NOT NULL
);

-- Rows: id, created_at, epoch (a new one at each start), and pepper and seal: fingerprints, so that
-- a secret that was lost or mixed up is noticed before it is used.
CREATE TABLE house (
    name text PRIMARY KEY,
    value text NOT NULL
) WITHOUT ROWID;

-- Statements of the store itself.

-- name: MIGRATION_ADD
INSERT INTO migration (version, name, applied_at) VALUES ($1, $2, $3);

-- name: MIGRATION_LIST
SELECT version, name FROM migration ORDER BY version;

-- name: HOUSE_GET
SELECT value FROM house WHERE name = $1;

-- name: HOUSE_SET
INSERT INTO house (name, value) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- Providers, their keys, routes, prices, pricing rules, models.

-- name: CATALOG_NUMBER
INSERT INTO catalog_counter (name, value) VALUES ($1, 1)
ON CONFLICT (name) DO UPDATE SET value = catalog_counter.value + 1 RETURNING value;

-- name: CATALOG_PROVIDER_BY_NAME
SELECT id, kind, base_url FROM provider WHERE name = $1;

-- name: CATALOG_PROVIDER_INSERT
INSERT INTO provider (id, name, tag, kind, base_url, drain, created_us)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: CATALOG_PROVIDER_DELETE
DELETE FROM provider WHERE id = $1;

-- name: CATALOG_PROVIDER_KEYS_DELETE
DELETE FROM provider_key WHERE provider_id = $1;

-- name: CATALOG_PROVIDER_ROUTES_DELETE
DELETE FROM route WHERE provider_id = $1;

-- name: CATALOG_KEY_INSERT
INSERT INTO provider_key (id, provider_id, sealed, created_us) VALUES ($1, $2, $3, $4);

-- name: CATALOG_ROUTE_INSERT
INSERT INTO route (id, pattern, provider_id, upstream_model, priority, weight, created_us)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: CATALOG_ROUTE_DELETE
DELETE FROM route WHERE id = $1;

-- name: CATALOG_PRICE_INSERT
INSERT INTO price (id, pattern, input, output, cache_read, cache_write, request, created_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: CATALOG_PRICE_BY_ID
SELECT id, pattern, input, output, cache_read, cache_write, request, created_us
FROM price WHERE id = $1;

-- name: CATALOG_RULE_INSERT
INSERT INTO pricing_rule (id, pattern, markup_ppm, min_cost, priority, created_us)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: CATALOG_RULE_DELETE
DELETE FROM pricing_rule WHERE id = $1;

-- name: CATALOG_MODEL_PUT
INSERT INTO model (id, name, owned_by, created_s, context_length, max_output, recommended,
    updated_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, owned_by = excluded.owned_by,
    created_s = excluded.created_s, context_length = excluded.context_length,
    max_output = excluded.max_output, recommended = excluded.recommended,
    updated_us = excluded.updated_us;

-- name: CATALOG_PROVIDERS
SELECT id, name, tag, kind, base_url, drain FROM provider ORDER BY id;

-- name: CATALOG_KEYS
SELECT id, provider_id, sealed FROM provider_key ORDER BY provider_id, id;

-- name: CATALOG_ROUTES
SELECT id, pattern, provider_id, upstream_model, priority, weight FROM route ORDER BY id;

-- name: CATALOG_PRICES
SELECT p.id, p.pattern, p.input, p.output, p.cache_read, p.cache_write, p.request, p.created_us
FROM price p WHERE NOT EXISTS (SELECT 1 FROM price q WHERE q.pattern = p.pattern AND q.id > p.id)
ORDER BY p.id;

-- name: CATALOG_RULES
SELECT id, pattern, markup_ppm, min_cost, priority FROM pricing_rule ORDER BY id;

-- name: CATALOG_MODELS
SELECT id, name, owned_by, created_s, context_length, max_output, recommended
FROM model ORDER BY id;

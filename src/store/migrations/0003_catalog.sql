-- Providers and their keys, routes, price versions, pricing rules, descriptions of models.

-- Numbers are never given twice, even after the newest row was removed.
CREATE TABLE catalog_counter (
    name text PRIMARY KEY,
    value bigint NOT NULL
);

CREATE TABLE provider (
    id bigint PRIMARY KEY,
    name text NOT NULL UNIQUE,
    tag text NOT NULL,
    kind text NOT NULL,
    base_url text NOT NULL,
    drain bigint NOT NULL,
    created_us bigint NOT NULL
);

CREATE TABLE provider_key (
    id bigint PRIMARY KEY,
    provider_id bigint NOT NULL REFERENCES provider (id),
    sealed bytea NOT NULL,
    created_us bigint NOT NULL
);

CREATE INDEX provider_key_by_provider ON provider_key (provider_id);

CREATE TABLE route (
    id bigint PRIMARY KEY,
    pattern text NOT NULL,
    provider_id bigint NOT NULL REFERENCES provider (id),
    upstream_model text NOT NULL,
    priority bigint NOT NULL,
    weight bigint NOT NULL,
    created_us bigint NOT NULL
);

CREATE INDEX route_by_provider ON route (provider_id);

-- Prices in pico-dollars; a row is a version and is never changed.
CREATE TABLE price (
    id bigint PRIMARY KEY,
    pattern text NOT NULL,
    input bigint NOT NULL,
    output bigint NOT NULL,
    cache_read bigint,
    cache_write bigint,
    request bigint NOT NULL,
    created_us bigint NOT NULL
);

CREATE INDEX price_by_pattern ON price (pattern, id);

CREATE TABLE pricing_rule (
    id bigint PRIMARY KEY,
    pattern text NOT NULL,
    markup_ppm bigint NOT NULL,
    min_cost bigint NOT NULL,
    priority bigint NOT NULL,
    created_us bigint NOT NULL
);

CREATE TABLE model (
    id text PRIMARY KEY,
    name text NOT NULL,
    owned_by text NOT NULL,
    created_s bigint NOT NULL,
    context_length bigint NOT NULL,
    max_output bigint NOT NULL,
    recommended bigint NOT NULL,
    updated_us bigint NOT NULL
);

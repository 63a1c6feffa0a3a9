-- What happens in a team, told to addresses of its own.

-- events: '*', or names, one a line. Secrets are sealed. state: enabled, or why it is not: manual,
-- gone, failing.
CREATE TABLE webhook_endpoint (
    id text PRIMARY KEY NOT NULL,
    team_id text NOT NULL REFERENCES team (id),
    url text NOT NULL,
    description text NOT NULL,
    events text NOT NULL,
    secret bytea NOT NULL,
    old_secret bytea NOT NULL,
    old_until_us bigint NOT NULL,
    state text NOT NULL,
    failing_since_us bigint NOT NULL,
    created_us bigint NOT NULL,
    updated_us bigint NOT NULL
);
CREATE INDEX webhook_endpoint_team ON webhook_endpoint (team_id, id);

CREATE TABLE webhook_sequence (
    team_id text PRIMARY KEY NOT NULL,
    n bigint NOT NULL
);

-- once: the same team and text is the same message.
CREATE TABLE webhook_message (
    id text PRIMARY KEY NOT NULL,
    team_id text NOT NULL,
    type text NOT NULL,
    body text NOT NULL,
    once text,
    created_us bigint NOT NULL,
    UNIQUE (team_id, once)
);

-- One message on its way to one endpoint. state: pending, delivered, failed, cancelled. status: what
-- was answered last; 0: nothing.
CREATE TABLE webhook_delivery (
    id text PRIMARY KEY NOT NULL,
    endpoint_id text NOT NULL REFERENCES webhook_endpoint (id),
    message_id text NOT NULL REFERENCES webhook_message (id),
    replay bigint NOT NULL,
    state text NOT NULL,
    attempts bigint NOT NULL,
    status bigint NOT NULL,
    created_us bigint NOT NULL,
    next_us bigint NOT NULL,
    ended_us bigint NOT NULL
);
CREATE INDEX webhook_delivery_endpoint ON webhook_delivery (endpoint_id, id);
CREATE INDEX webhook_delivery_message ON webhook_delivery (message_id);

CREATE TABLE webhook_try (
    delivery_id text NOT NULL REFERENCES webhook_delivery (id),
    n bigint NOT NULL,
    at_us bigint NOT NULL,
    status bigint NOT NULL,
    duration_us bigint NOT NULL,
    error text NOT NULL,
    response text NOT NULL,
    PRIMARY KEY (delivery_id, n)
) WITHOUT ROWID;

-- When a team is told about its money. low, spent: decimal dollars, one a line; low_set 0: the
-- house's own. armed: which of low may be told, bit by bit; told: which of spent were, in the month.
CREATE TABLE team_alert (
    team_id text PRIMARY KEY NOT NULL,
    low text NOT NULL,
    low_set bigint NOT NULL,
    spent text NOT NULL,
    armed bigint NOT NULL,
    told bigint NOT NULL,
    month_us bigint NOT NULL
);

-- Whose credit was changed by something else than calls since somebody looked.
CREATE TABLE team_alert_due (
    team_id text PRIMARY KEY NOT NULL
);

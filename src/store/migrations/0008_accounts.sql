-- People: what they are called, how they prove who they are, where they are signed in.

ALTER TABLE app_user ADD COLUMN name text NOT NULL DEFAULT '';
ALTER TABLE app_user ADD COLUMN company text NOT NULL DEFAULT '';
ALTER TABLE app_user ADD COLUMN password text NOT NULL DEFAULT '';
ALTER TABLE app_user ADD COLUMN verified_us bigint NOT NULL DEFAULT 0;
ALTER TABLE app_user ADD COLUMN deleted_us bigint NOT NULL DEFAULT 0;
ALTER TABLE app_user ADD COLUMN totp bytea;
ALTER TABLE app_user ADD COLUMN totp_since_us bigint NOT NULL DEFAULT 0;
ALTER TABLE app_user ADD COLUMN totp_step bigint NOT NULL DEFAULT 0;

-- Those that there are were made by an operator, who answers for their addresses.
UPDATE app_user SET verified_us = created_us;

CREATE INDEX app_user_operator ON app_user (is_operator);

CREATE TABLE session (
    id text NOT NULL PRIMARY KEY,
    user_id text NOT NULL REFERENCES app_user (id),
    team_id text NOT NULL REFERENCES team (id),
    mac bytea NOT NULL UNIQUE,
    old_mac bytea UNIQUE,
    old_until_us bigint NOT NULL,
    is_cookie bigint NOT NULL,
    address text NOT NULL,
    user_agent text NOT NULL,
    created_us bigint NOT NULL,
    rotated_us bigint NOT NULL,
    seen_us bigint NOT NULL
);

CREATE INDEX session_by_user ON session (user_id, id);
CREATE INDEX session_by_seen ON session (seen_us);

CREATE TABLE auth_link (
    mac bytea NOT NULL PRIMARY KEY,
    kind bigint NOT NULL,
    user_id text NOT NULL REFERENCES app_user (id),
    email text NOT NULL,
    browser text NOT NULL,
    password text NOT NULL,
    name text NOT NULL,
    company text NOT NULL,
    invitation text NOT NULL,
    created_us bigint NOT NULL,
    expires_us bigint NOT NULL
);

CREATE INDEX auth_link_by_user ON auth_link (user_id, kind);
CREATE INDEX auth_link_by_expiry ON auth_link (expires_us);

CREATE TABLE recovery_code (
    user_id text NOT NULL REFERENCES app_user (id),
    mac bytea NOT NULL,
    PRIMARY KEY (user_id, mac)
);

-- Logins of devices that wait to be approved (RFC 8628).
CREATE TABLE device_login (
    mac bytea NOT NULL PRIMARY KEY,
    user_code text NOT NULL UNIQUE,
    name text NOT NULL,
    address text NOT NULL,
    created_us bigint NOT NULL,
    expires_us bigint NOT NULL,
    interval_us bigint NOT NULL,
    polled_us bigint NOT NULL,
    status bigint NOT NULL,
    user_id text REFERENCES app_user (id),
    team_id text REFERENCES team (id)
);

CREATE INDEX device_login_by_expiry ON device_login (expires_us);

ALTER TABLE audit ADD COLUMN team_id text NOT NULL DEFAULT '';
CREATE INDEX audit_by_team ON audit (team_id, id);

-- Keys that the house makes for itself, such as the playground's.
ALTER TABLE api_key ADD COLUMN hidden bigint NOT NULL DEFAULT 0;

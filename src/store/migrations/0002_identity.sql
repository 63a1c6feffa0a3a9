-- Users, teams, members, API keys, the audit log.

CREATE TABLE app_user (
    id text PRIMARY KEY,
    email text NOT NULL,
    email_key text NOT NULL UNIQUE,
    is_operator bigint NOT NULL,
    suspended bigint NOT NULL,
    created_us bigint NOT NULL
);

CREATE TABLE team (
    id text PRIMARY KEY,
    name text NOT NULL,
    personal_of text UNIQUE REFERENCES app_user (id),
    created_us bigint NOT NULL
);

CREATE TABLE member (
    team_id text NOT NULL REFERENCES team (id),
    user_id text NOT NULL REFERENCES app_user (id),
    role text NOT NULL,
    cap_id text,
    created_us bigint NOT NULL,
    PRIMARY KEY (team_id, user_id)
);

CREATE INDEX member_by_user ON member (user_id);

CREATE TABLE api_key (
    id text PRIMARY KEY,
    user_id text NOT NULL REFERENCES app_user (id),
    team_id text NOT NULL REFERENCES team (id),
    mac bytea NOT NULL UNIQUE,
    name text NOT NULL,
    display text NOT NULL,
    scopes bigint NOT NULL,
    models text NOT NULL,
    ips text NOT NULL,
    cap_id text,
    created_us bigint NOT NULL,
    expires_us bigint NOT NULL,
    revoked_us bigint NOT NULL,
    last_used_us bigint NOT NULL
);

CREATE INDEX api_key_by_team ON api_key (team_id, id);
CREATE INDEX api_key_by_user ON api_key (user_id, id);

CREATE TABLE audit (
    id text PRIMARY KEY,
    at_us bigint NOT NULL,
    actor text NOT NULL,
    address text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    change_json text NOT NULL
);

CREATE INDEX audit_by_object ON audit (object, id);

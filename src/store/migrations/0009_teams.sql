-- Teams that people share, and how they come into them.

ALTER TABLE team ADD COLUMN deleted_us bigint NOT NULL DEFAULT 0;

UPDATE team SET name = 'Personal' WHERE personal_of IS NOT NULL;

CREATE TABLE invitation (
    id text NOT NULL PRIMARY KEY,
    team_id text NOT NULL REFERENCES team (id),
    email text NOT NULL,
    email_key text NOT NULL,
    role text NOT NULL,
    mac bytea NOT NULL UNIQUE,
    invited_by text NOT NULL REFERENCES app_user (id),
    created_us bigint NOT NULL,
    expires_us bigint NOT NULL,
    accepted_us bigint NOT NULL,
    UNIQUE (team_id, email_key)
);

-- Who somebody is elsewhere: one row per identity that an issuer gives.

CREATE TABLE user_identity (
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id text NOT NULL REFERENCES app_user (id),
    email text NOT NULL,
    created_us bigint NOT NULL,
    PRIMARY KEY (issuer, subject)
);

CREATE INDEX user_identity_by_user ON user_identity (user_id);

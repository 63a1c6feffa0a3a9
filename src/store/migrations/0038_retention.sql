-- Keys that are over are looked for by when they ended.

CREATE INDEX api_key_revoked ON api_key (revoked_us) WHERE revoked_us <> 0;
CREATE INDEX api_key_expired ON api_key (expires_us) WHERE expires_us <> 0;

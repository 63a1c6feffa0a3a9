-- Users, teams, members, API keys, the audit log.

-- name: IDENTITY_USER_INSERT
INSERT INTO app_user (id, email, email_key, is_operator, suspended, created_us, verified_us)
VALUES ($1, $2, $3, $4, 0, $5, $5);

-- name: IDENTITY_TEAM_INSERT
INSERT INTO team (id, name, personal_of, created_us) VALUES ($1, $2, $3, $4);

-- name: IDENTITY_MEMBER_INSERT
INSERT INTO member (team_id, user_id, role, cap_id, created_us) VALUES ($1, $2, $3, NULL, $4);

-- name: IDENTITY_USER_BY_EMAIL
SELECT u.id, t.id, u.email, u.is_operator, u.suspended, u.created_us
FROM app_user u JOIN team t ON t.personal_of = u.id WHERE u.email_key = $1;

-- name: IDENTITY_USER_BY_ID
SELECT u.id, t.id, u.email, u.is_operator, u.suspended, u.created_us
FROM app_user u JOIN team t ON t.personal_of = u.id WHERE u.id = $1;

-- name: IDENTITY_USER_SUSPEND
UPDATE app_user SET suspended = $2 WHERE id = $1;

-- name: IDENTITY_MEMBER_GET
SELECT m.cap_id, u.suspended FROM member m JOIN app_user u ON u.id = m.user_id
WHERE m.team_id = $1 AND m.user_id = $2;

-- name: IDENTITY_MEMBER_CAP
UPDATE member SET cap_id = $3 WHERE team_id = $1 AND user_id = $2;

-- name: IDENTITY_KEY_INSERT
INSERT INTO api_key (id, user_id, team_id, mac, name, display, scopes, models, ips, cap_id,
    created_us, expires_us, revoked_us, last_used_us, hidden)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0, $13);

-- name: IDENTITY_KEY_BY_MAC
SELECT k.id, k.user_id, k.team_id, k.cap_id, m.cap_id, k.scopes, k.expires_us, k.revoked_us,
    k.last_used_us, u.suspended, k.models, k.ips
FROM api_key k JOIN app_user u ON u.id = k.user_id
LEFT JOIN member m ON m.team_id = k.team_id AND m.user_id = k.user_id
WHERE k.mac = $1;

-- name: IDENTITY_KEY_BY_ID
SELECT k.id, k.user_id, k.team_id, k.cap_id, k.name, k.display, k.models, k.ips, k.scopes,
    k.created_us, k.last_used_us, k.expires_us, k.revoked_us, k.mac, u.email, u.name
FROM api_key k JOIN app_user u ON u.id = k.user_id WHERE k.id = $1;

-- name: IDENTITY_KEYS
SELECT k.id, k.user_id, k.team_id, k.cap_id, k.name, k.display, k.models, k.ips, k.scopes,
    k.created_us, k.last_used_us, k.expires_us, k.revoked_us, k.mac, u.email, u.name
FROM api_key k JOIN app_user u ON u.id = k.user_id
WHERE k.team_id = $1 AND ($2 = '' OR k.user_id = $2) AND k.id < $3 AND k.hidden = 0
AND ($5 = '' OR $5 = CASE WHEN k.revoked_us <> 0 AND k.revoked_us <= $4 THEN 'revoked'
    WHEN k.expires_us <> 0 AND k.expires_us <= $4 THEN 'expired' ELSE 'active' END)
ORDER BY k.id DESC LIMIT $6;

-- name: IDENTITY_KEY_EDIT
UPDATE api_key SET name = COALESCE($3, name), scopes = COALESCE($4, scopes),
    models = COALESCE($5, models), ips = COALESCE($6, ips), expires_us = COALESCE($7, expires_us)
WHERE id = $1 AND team_id = $2 AND (revoked_us = 0 OR revoked_us > $8) RETURNING mac;

-- name: IDENTITY_KEY_REVOKE
UPDATE api_key SET revoked_us = $3
WHERE id = $1 AND team_id = $2 AND (revoked_us = 0 OR revoked_us > $3);

-- name: IDENTITY_REVOKE_OF_USER
UPDATE api_key SET revoked_us = $2
WHERE user_id = $1 AND (revoked_us = 0 OR revoked_us > $2) RETURNING mac;

-- name: IDENTITY_REVOKE_OF_TEAM
UPDATE api_key SET revoked_us = $2
WHERE team_id = $1 AND (revoked_us = 0 OR revoked_us > $2) RETURNING mac;

-- name: IDENTITY_REVOKE_OF_MEMBER
UPDATE api_key SET revoked_us = $3
WHERE team_id = $1 AND user_id = $2 AND (revoked_us = 0 OR revoked_us > $3) RETURNING mac;

-- name: IDENTITY_KEY_CAP
UPDATE api_key SET cap_id = $2 WHERE id = $1;

-- name: IDENTITY_KEY_USED
UPDATE api_key SET last_used_us = $2 WHERE id = $1 AND last_used_us < $2;

-- name: IDENTITY_MACS_OF_USER
SELECT mac FROM api_key WHERE user_id = $1;

-- name: IDENTITY_MACS_OF_MEMBER
SELECT mac FROM api_key WHERE team_id = $1 AND user_id = $2;

-- name: IDENTITY_MEMBER_ROLE
SELECT role FROM member WHERE team_id = $1 AND user_id = $2;

-- name: IDENTITY_AUDIT
INSERT INTO audit (id, at_us, actor, address, action, object, change_json, team_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: IDENTITY_AUDIT_OF_TEAM
SELECT a.id, a.at_us, a.actor, COALESCE(u.email, ''), a.address, a.action, a.object, a.change_json
FROM audit a LEFT JOIN app_user u ON u.id = a.actor
WHERE a.team_id = $1 AND a.id < $2 AND ($3 = '' OR a.actor = $3)
AND ($4 = '' OR a.action = $4 OR substr(a.action, 1, length($4) + 1) = $4 || '.')
AND ($5 = '' OR a.object = $5) AND a.at_us >= $6 AND a.at_us < $7
ORDER BY a.id DESC LIMIT $8;

-- name: IDENTITY_AUDIT_ALL
SELECT a.id, a.at_us, a.actor, COALESCE(u.email, ''), a.address, a.action, a.object, a.change_json
FROM audit a LEFT JOIN app_user u ON u.id = a.actor
WHERE $1 = '' AND a.id < $2 AND ($3 = '' OR a.actor = $3)
AND ($4 = '' OR a.action = $4 OR substr(a.action, 1, length($4) + 1) = $4 || '.')
AND ($5 = '' OR a.object = $5) AND a.at_us >= $6 AND a.at_us < $7
ORDER BY a.id DESC LIMIT $8;

-- Ids begin with the time.
-- name: IDENTITY_AUDIT_FORGET
DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id < $1 ORDER BY id LIMIT $2);

-- name: IDENTITY_KEYS_FORGET
DELETE FROM api_key WHERE id IN (
    SELECT id FROM (SELECT id FROM api_key WHERE revoked_us <> 0 AND revoked_us < $1 LIMIT $2) AS r
    UNION
    SELECT id FROM (SELECT id FROM api_key WHERE expires_us <> 0 AND expires_us < $1 LIMIT $2) AS e)
RETURNING id;

-- name: IDENTITY_PEOPLE
SELECT u.id, t.id, u.email, u.name, u.company, u.is_operator, u.suspended, u.verified_us,
    u.created_us
FROM app_user u JOIN team t ON t.personal_of = u.id
WHERE u.deleted_us = 0 AND (u.email_key LIKE $1 ESCAPE '!' OR lower(u.name) LIKE $1 ESCAPE '!'
    OR lower(u.company) LIKE $1 ESCAPE '!') AND u.id < $2
ORDER BY u.id DESC LIMIT $3;

-- name: IDENTITY_PERSON
SELECT u.id, t.id, u.email, u.name, u.company, u.is_operator, u.suspended, u.verified_us,
    u.created_us
FROM app_user u JOIN team t ON t.personal_of = u.id WHERE u.id = $1 AND u.deleted_us = 0;

-- name: IDENTITY_TEAM_LABEL
SELECT COALESCE(u.email, t.name) FROM team t LEFT JOIN app_user u ON u.id = t.personal_of
WHERE t.id = $1;

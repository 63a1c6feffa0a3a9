-- Teams, members, invitations; devices that ask to be let in.

-- name: TEAM_LIST
SELECT t.id, t.name, m.role, CASE WHEN t.personal_of IS NULL THEN 0 ELSE 1 END,
    (SELECT count(*) FROM member o WHERE o.team_id = t.id), t.created_us
FROM member m JOIN team t ON t.id = m.team_id WHERE m.user_id = $1 ORDER BY t.id;

-- name: TEAM_GET
SELECT t.id, t.name, COALESCE(m.role, ''), CASE WHEN t.personal_of IS NULL THEN 0 ELSE 1 END,
    (SELECT count(*) FROM member o WHERE o.team_id = t.id), t.created_us
FROM team t LEFT JOIN member m ON m.team_id = t.id AND m.user_id = $2
WHERE t.id = $1 AND t.deleted_us = 0;

-- name: TEAM_INSERT
INSERT INTO team (id, name, personal_of, created_us) VALUES ($1, $2, NULL, $3);

-- name: TEAM_RENAME
UPDATE team SET name = $2 WHERE id = $1 AND deleted_us = 0;

-- name: TEAM_CLOSE
UPDATE team SET deleted_us = $2 WHERE id = $1 AND personal_of IS NULL AND deleted_us = 0;

-- name: TEAM_DROP_MEMBERS
DELETE FROM member WHERE team_id = $1;

-- name: TEAM_DROP_INVITATIONS
DELETE FROM invitation WHERE team_id = $1;

-- name: TEAM_MEMBERS
SELECT m.user_id, u.email, u.name, m.role, m.cap_id, m.created_us
FROM member m JOIN app_user u ON u.id = m.user_id
WHERE m.team_id = $1 AND ($2 = '' OR m.user_id = $2) ORDER BY m.created_us, m.user_id;

-- The last owner stays one; so does the one whose personal team it is.
-- name: TEAM_ROLE_SET
UPDATE member SET role = $3 WHERE team_id = $1 AND user_id = $2
AND ($3 = 'owner' OR role <> 'owner' OR (
    EXISTS (SELECT 1 FROM member o WHERE o.team_id = $1 AND o.role = 'owner' AND o.user_id <> $2)
    AND NOT EXISTS (SELECT 1 FROM team t WHERE t.id = $1 AND t.personal_of = $2)));

-- name: TEAM_MEMBER_DROP
DELETE FROM member WHERE team_id = $1 AND user_id = $2
AND (role <> 'owner' OR (
    EXISTS (SELECT 1 FROM member o WHERE o.team_id = $1 AND o.role = 'owner' AND o.user_id <> $2)
    AND NOT EXISTS (SELECT 1 FROM team t WHERE t.id = $1 AND t.personal_of = $2)));

-- name: TEAM_MEMBER_ADD
INSERT INTO member (team_id, user_id, role, cap_id, created_us) VALUES ($1, $2, $3, NULL, $4)
ON CONFLICT (team_id, user_id) DO NOTHING;

-- name: TEAM_INVITE
INSERT INTO invitation (id, team_id, email, email_key, role, mac, invited_by, created_us,
    expires_us, accepted_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)
ON CONFLICT (team_id, email_key) DO UPDATE SET id = excluded.id, role = excluded.role,
    mac = excluded.mac, invited_by = excluded.invited_by, created_us = excluded.created_us,
    expires_us = excluded.expires_us, accepted_us = 0;

-- name: TEAM_INVITATIONS
SELECT i.id, i.team_id, t.name, i.email, i.role, u.id, u.email, u.name, i.created_us, i.expires_us,
    i.accepted_us
FROM invitation i JOIN team t ON t.id = i.team_id JOIN app_user u ON u.id = i.invited_by
WHERE i.team_id = $1 AND i.id < $2 ORDER BY i.id DESC LIMIT $3;

-- name: TEAM_INVITATION_BY_MAC
SELECT i.id, i.team_id, t.name, i.email, i.role, u.id, u.email, u.name, i.created_us, i.expires_us,
    i.accepted_us
FROM invitation i JOIN team t ON t.id = i.team_id JOIN app_user u ON u.id = i.invited_by
WHERE i.mac = $1 AND t.deleted_us = 0;

-- name: TEAM_INVITATION_BY_ID
SELECT i.id, i.team_id, t.name, i.email, i.role, u.id, u.email, u.name, i.created_us, i.expires_us,
    i.accepted_us
FROM invitation i JOIN team t ON t.id = i.team_id JOIN app_user u ON u.id = i.invited_by
WHERE i.id = $1 AND t.deleted_us = 0;

-- name: TEAM_INVITATION_ACCEPT
UPDATE invitation SET accepted_us = $2 WHERE id = $1 AND accepted_us = 0;

-- name: TEAM_INVITATION_DROP
DELETE FROM invitation WHERE id = $1 AND team_id = $2;

-- name: DEVICE_ADD
INSERT INTO device_login (mac, user_code, name, address, created_us, expires_us, interval_us,
    polled_us, status, user_id, team_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, NULL, NULL);

-- name: DEVICE_BY_CODE
SELECT user_code, name, address, created_us, expires_us, status FROM device_login
WHERE user_code = $1;

-- name: DEVICE_DECIDE
UPDATE device_login SET status = $2, user_id = $3, team_id = $4
WHERE user_code = $1 AND status = 0 AND expires_us > $5;

-- name: DEVICE_BY_MAC
SELECT name, expires_us, interval_us, polled_us, status, user_id, team_id, user_code
FROM device_login WHERE mac = $1;

-- name: DEVICE_POLLED
UPDATE device_login SET polled_us = $2, interval_us = $3 WHERE mac = $1;

-- name: DEVICE_DROP
DELETE FROM device_login WHERE mac = $1;

-- Who is signed in.

-- name: SESSION_INSERT
INSERT INTO session (id, user_id, team_id, mac, old_mac, old_until_us, is_cookie, address,
    user_agent, created_us, rotated_us, seen_us)
VALUES ($1, $2, $3, $4, NULL, 0, $5, $6, $7, $8, $8, $8);

-- name: SESSION_PERSONAL_TEAM
SELECT id FROM team WHERE personal_of = $1;

-- The role is empty for who is no member of that team any more.
-- name: SESSION_BY_MAC
SELECT s.id, s.user_id, s.team_id, m.role, t.id, u.email, u.name, u.is_operator, u.suspended,
    u.deleted_us, s.is_cookie, s.created_us, s.rotated_us, s.seen_us, s.old_until_us, s.mac
FROM session s JOIN app_user u ON u.id = s.user_id JOIN team t ON t.personal_of = u.id
LEFT JOIN member m ON m.team_id = s.team_id AND m.user_id = s.user_id
WHERE s.mac = $1 OR s.old_mac = $1;

-- name: SESSION_SEEN
UPDATE session SET seen_us = $2 WHERE id = $1 AND seen_us < $2;

-- The token that came stays good until the next one is used: its answer may be lost.
-- name: SESSION_ROTATE
UPDATE session SET old_mac = $2, old_until_us = $3, mac = $4, rotated_us = $5, seen_us = $5
WHERE id = $1 AND rotated_us < $6 AND (mac = $2 OR old_mac = $2);

-- name: SESSION_SETTLE
UPDATE session SET old_until_us = $2, seen_us = $3 WHERE id = $1 AND old_until_us > $2;

-- name: SESSION_TEAM_SET
UPDATE session SET team_id = $3 WHERE id = $1 AND user_id = $2
AND EXISTS (SELECT 1 FROM member WHERE team_id = $3 AND user_id = $2);

-- name: SESSION_END
DELETE FROM session WHERE id = $1 AND user_id = $2;

-- name: SESSION_END_ALL
DELETE FROM session WHERE user_id = $1 AND id <> $2;

-- name: SESSION_TRIM
DELETE FROM session WHERE user_id = $1
AND id NOT IN (SELECT s.id FROM session s WHERE s.user_id = $1 ORDER BY s.id DESC LIMIT $2);

-- name: SESSION_OF_USER
SELECT id, created_us, seen_us, address, user_agent FROM session
WHERE user_id = $1 AND created_us > $2 AND seen_us > $3 ORDER BY id DESC;

-- name: SESSION_ANY
SELECT count(*), CAST(COALESCE(sum(CASE WHEN user_agent = $2 THEN 1 ELSE 0 END), 0) AS bigint)
FROM session WHERE user_id = $1;

-- name: SESSION_EXPIRE
DELETE FROM session WHERE created_us < $1 OR seen_us < $2;

-- name: SESSION_EXPIRE_LINKS
DELETE FROM auth_link WHERE expires_us < $1;

-- name: SESSION_EXPIRE_DEVICES
DELETE FROM device_login WHERE expires_us < $1;

-- People: profiles, passwords, links, the second factor.

-- name: ACCOUNT_SET_UP
UPDATE app_user SET name = $2, company = $3, password = $4, verified_us = $5 WHERE id = $1;

-- name: ACCOUNT_BY_ID
SELECT u.id, t.id, u.email, u.name, u.company, u.password, u.verified_us, u.created_us,
    u.totp_since_us, u.is_operator, u.suspended
FROM app_user u JOIN team t ON t.personal_of = u.id WHERE u.id = $1 AND u.deleted_us = 0;

-- name: ACCOUNT_BY_EMAIL
SELECT u.id, t.id, u.email, u.name, u.company, u.password, u.verified_us, u.created_us,
    u.totp_since_us, u.is_operator, u.suspended
FROM app_user u JOIN team t ON t.personal_of = u.id WHERE u.email_key = $1 AND u.deleted_us = 0;

-- name: ACCOUNT_NAMES
UPDATE app_user SET name = COALESCE($2, name), company = COALESCE($3, company) WHERE id = $1;

-- name: ACCOUNT_VERIFIED
UPDATE app_user SET verified_us = $2 WHERE id = $1 AND verified_us = 0 AND deleted_us = 0;

-- name: ACCOUNT_EMAIL
UPDATE app_user SET email = $2, email_key = $3 WHERE id = $1 AND deleted_us = 0
AND NOT EXISTS (SELECT 1 FROM app_user o WHERE o.email_key = $3 AND o.id <> $1);

-- name: ACCOUNT_PASSWORD
UPDATE app_user SET password = $2 WHERE id = $1;

-- name: ACCOUNT_OPERATORS
SELECT count(*) FROM app_user WHERE is_operator = 1 AND deleted_us = 0;

-- name: ACCOUNT_LAST_OWNER
SELECT t.id FROM team t JOIN member m ON m.team_id = t.id
WHERE m.user_id = $1 AND m.role = 'owner' AND t.personal_of IS NULL AND t.deleted_us = 0
AND NOT EXISTS (SELECT 1 FROM member o WHERE o.team_id = t.id AND o.role = 'owner'
    AND o.user_id <> $1) LIMIT 1;

-- name: ACCOUNT_DELETE
UPDATE app_user SET email = $2, email_key = $2, name = '', company = '', password = '',
    totp = NULL, totp_since_us = 0, is_operator = 0, suspended = 1, deleted_us = $3
WHERE id = $1 AND deleted_us = 0;

-- name: ACCOUNT_DELETE_MEMBERSHIPS
DELETE FROM member WHERE user_id = $1;

-- name: ACCOUNT_DELETE_OTHERS
DELETE FROM member WHERE team_id IN (SELECT id FROM team WHERE personal_of = $1);

-- name: ACCOUNT_CLOSE_TEAM
UPDATE team SET deleted_us = $2 WHERE personal_of = $1;

-- name: ACCOUNT_FORGET_AUDIT
UPDATE audit SET address = '' WHERE actor = $1;

-- name: ACCOUNT_FORGET_INVITATIONS
DELETE FROM invitation WHERE email_key = (SELECT email_key FROM app_user WHERE id = $1);

-- name: ACCOUNT_UNVERIFIED
SELECT id FROM app_user WHERE verified_us = 0 AND deleted_us = 0 AND created_us < $1
ORDER BY created_us LIMIT $2;

-- name: ACCOUNT_LINK_ADD
INSERT INTO auth_link (mac, kind, user_id, email, browser, password, name, company, invitation,
    created_us, expires_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: ACCOUNT_LINK_TAKE
DELETE FROM auth_link WHERE mac = $1 AND kind = $2
RETURNING user_id, email, browser, password, name, company, invitation, expires_us;

-- name: ACCOUNT_LINK_DROP
DELETE FROM auth_link WHERE user_id = $1 AND kind = $2;

-- name: ACCOUNT_LINK_DROP_ALL
DELETE FROM auth_link WHERE user_id = $1;

-- name: ACCOUNT_DEVICE_DROP
DELETE FROM device_login WHERE user_id = $1;

-- name: ACCOUNT_TOTP_GET
SELECT totp, totp_since_us, totp_step FROM app_user WHERE id = $1 AND deleted_us = 0;

-- name: ACCOUNT_TOTP_START
UPDATE app_user SET totp = $2, totp_step = 0 WHERE id = $1 AND totp_since_us = 0 AND deleted_us = 0;

-- name: ACCOUNT_TOTP_STEP
UPDATE app_user SET totp_step = $2 WHERE id = $1 AND totp_step < $2;

-- name: ACCOUNT_TOTP_CONFIRM
UPDATE app_user SET totp_since_us = $2 WHERE id = $1;

-- name: ACCOUNT_TOTP_END
UPDATE app_user SET totp = NULL, totp_since_us = 0 WHERE id = $1;

-- name: ACCOUNT_RECOVERY_DROP
DELETE FROM recovery_code WHERE user_id = $1;

-- name: ACCOUNT_RECOVERY_ADD
INSERT INTO recovery_code (user_id, mac) VALUES ($1, $2);

-- name: ACCOUNT_RECOVERY_USE
DELETE FROM recovery_code WHERE user_id = $1 AND mac = $2;

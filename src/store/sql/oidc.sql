-- Who somebody is elsewhere.

-- name: OIDC_USER
SELECT user_id FROM user_identity WHERE issuer = $1 AND subject = $2;

-- name: OIDC_LINK
INSERT INTO user_identity (issuer, subject, user_id, email, created_us) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (issuer, subject) DO NOTHING;

-- name: OIDC_LIST
SELECT issuer, subject, email, created_us FROM user_identity WHERE user_id = $1
ORDER BY created_us, issuer, subject;

-- name: OIDC_UNLINK
DELETE FROM user_identity WHERE issuer = $1 AND subject = $2 AND user_id = $3;

-- name: OIDC_FORGET
DELETE FROM user_identity WHERE user_id = $1;

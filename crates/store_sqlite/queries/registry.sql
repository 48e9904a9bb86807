-- name: objects
SELECT tenant, kind, name, managed_by, definition, created_at, updated_at, retired_at FROM objects
WHERE retired_at IS NULL ORDER BY tenant, kind, name

-- name: object
SELECT created_at, retired_at FROM objects WHERE tenant = ?1 AND kind = ?2 AND name = ?3

-- name: insert_object
INSERT INTO objects (tenant, kind, name, managed_by, definition, created_at, updated_at, retired_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)

-- name: replace_object
UPDATE objects SET managed_by = ?4, definition = ?5, created_at = ?6, updated_at = ?7, retired_at = ?8
WHERE tenant = ?1 AND kind = ?2 AND name = ?3

-- name: retire_object
UPDATE objects SET retired_at = ?4, updated_at = ?4
WHERE tenant = ?1 AND kind = ?2 AND name = ?3 AND retired_at IS NULL

-- name: insert_api_key
INSERT INTO api_keys (id, tenant, hash, scopes, note, created_at, expires_at, revoked_at, last_used_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING

-- name: api_keys
SELECT id, tenant, hash, scopes, note, created_at, expires_at, revoked_at, last_used_at FROM api_keys ORDER BY id

-- name: api_keys_of
SELECT id, tenant, hash, scopes, note, created_at, expires_at, revoked_at, last_used_at FROM api_keys
WHERE tenant = ?1 ORDER BY id

-- name: api_key
SELECT id, tenant, hash, scopes, note, created_at, expires_at, revoked_at, last_used_at FROM api_keys WHERE id = ?1

-- name: revoke_api_key
UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?3) WHERE tenant = ?1 AND id = ?2

-- name: touch_api_key
UPDATE api_keys SET last_used_at = max(coalesce(last_used_at, ?2), ?2) WHERE id = ?1

-- name: begin_idempotent
INSERT INTO idempotency (tenant, key, request, begun_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING

-- name: idempotent
SELECT request, begun_at, status, body FROM idempotency WHERE tenant = ?1 AND key = ?2

-- name: restart_idempotent
UPDATE idempotency SET begun_at = ?3 WHERE tenant = ?1 AND key = ?2

-- name: answer_idempotent
UPDATE idempotency SET status = ?3, body = ?4 WHERE tenant = ?1 AND key = ?2 AND status IS NULL

-- name: forget_idempotent
DELETE FROM idempotency WHERE tenant = ?1 AND key = ?2 AND status IS NULL

-- Whoever worked on these ended with the process that did.
-- name: forget_unanswered
DELETE FROM idempotency WHERE status IS NULL

-- name: setting
SELECT value FROM settings WHERE name = ?1

-- name: put_setting
INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value

-- name: insert_setting
INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING

-- name: exchange_setting
UPDATE settings SET value = ?3 WHERE name = ?1 AND value = ?2

-- name: put_destination
INSERT INTO destinations (tenant, destination, state, since, reason) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO UPDATE SET state = excluded.state, since = excluded.since, reason = excluded.reason

-- name: activate_destination
DELETE FROM destinations WHERE tenant = ?1 AND destination = ?2

-- name: destinations
SELECT tenant, destination, state, since, reason FROM destinations ORDER BY tenant, destination

-- name: keep_setting
INSERT INTO settings (name, value) VALUES (?1, ?2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE length(settings.value) = 0

-- name: insert_notice
INSERT INTO notices (id, tenant, cause, alert, channel, stage, severity, state, made_at, due_at, tries, problem, closed)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'waiting', ?8, ?9, 0, '', 0) ON CONFLICT DO NOTHING

-- name: drop_notice
UPDATE notices SET state = 'dropped', ended_at = ?5
WHERE tenant = ?1 AND cause = ?2 AND stage = ?3 AND channel = ?4 AND closed = 0 AND state = 'waiting'

-- name: close_notices
UPDATE notices SET closed = 1 WHERE tenant = ?1 AND cause = ?2 AND closed = 0

-- name: told
SELECT id, tenant, cause, alert, channel, stage, severity, state, made_at, due_at, tries, ended_at, problem FROM notices
WHERE tenant = ?1 AND closed = 0 AND stage <> 'digest' ORDER BY cause, stage, channel

-- name: waiting_notices
SELECT tenant, channel, min(due_at) FROM notices INDEXED BY notices_due WHERE state = 'waiting'
GROUP BY tenant, channel

-- name: due_notices
SELECT id, tenant, cause, alert, channel, stage, severity, state, made_at, due_at, tries, ended_at, problem FROM notices
WHERE tenant = ?1 AND channel = ?2 AND state = 'waiting' AND due_at <= ?3 ORDER BY due_at, seq LIMIT ?4

-- name: claim_notice
UPDATE notices SET due_at = ?2, tries = tries + 1 WHERE id = ?1

-- name: end_notice
UPDATE notices SET state = ?3, ended_at = ?4, due_at = ?5, problem = ?6
WHERE tenant = ?1 AND id = ?2 AND (state = 'waiting' OR ?3 = 'sent')

-- name: notices
SELECT id, tenant, cause, alert, channel, stage, severity, state, made_at, due_at, tries, ended_at, problem FROM notices
WHERE tenant = ?1 ORDER BY seq DESC LIMIT ?2

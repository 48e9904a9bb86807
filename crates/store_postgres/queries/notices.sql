-- name: insert_notices
INSERT INTO notices (tenant, id, cause, alert, channel, stage, severity, state, made_at, due_at, tries, problem, closed)
SELECT $1, u.id, $2, u.alert, u.channel, u.stage, u.severity, 'waiting', u.made_at, u.due_at, 0, '', false
FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[])
  AS u (id, alert, channel, stage, severity, made_at, due_at)
ON CONFLICT (tenant, cause, stage, channel) WHERE NOT closed DO NOTHING

-- name: drop_notices
UPDATE notices SET state = 'dropped', ended_at = $5
FROM unnest($3::text[], $4::text[]) AS u (stage, channel)
WHERE notices.tenant = $1 AND cause = $2 AND notices.stage = u.stage AND notices.channel = u.channel
  AND NOT closed AND state = 'waiting'

-- name: close_notices
UPDATE notices SET closed = true WHERE tenant = $1 AND cause = $2 AND NOT closed

-- name: told
SELECT id, tenant, cause, alert, channel, stage, severity, state, made_at, due_at, tries, ended_at, problem FROM notices
WHERE tenant = $1 AND NOT closed AND stage <> 'digest' ORDER BY cause, stage, channel

-- Of all tenants.
-- name: waiting_notices
SELECT tenant, channel, min(due_at) FROM notices WHERE state = 'waiting' GROUP BY tenant, channel ORDER BY tenant, channel

-- name: claim_notices
UPDATE notices SET due_at = $4, tries = tries + 1
WHERE tenant = $1 AND id IN
  (SELECT id FROM notices WHERE tenant = $1 AND channel = $2 AND state = 'waiting' AND due_at <= $3
   ORDER BY due_at, id LIMIT $5 FOR UPDATE SKIP LOCKED)
RETURNING id, tenant, cause, alert, channel, stage, severity, state, made_at, due_at, tries, ended_at, problem

-- name: end_notice
UPDATE notices SET state = $3, ended_at = $4, due_at = $5, problem = $6
WHERE tenant = $1 AND id = $2 AND (state = 'waiting' OR $3 = 'sent')

-- name: notices
SELECT id, tenant, cause, alert, channel, stage, severity, state, made_at, due_at, tries, ended_at, problem FROM notices
WHERE tenant = $1 ORDER BY made_at DESC, id DESC LIMIT $2

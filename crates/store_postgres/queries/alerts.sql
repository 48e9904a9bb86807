-- name: count_alert
UPDATE alerts SET last_at = greatest(last_at, $4), count = count + $5, detail = $6
WHERE tenant = $1 AND kind = $2 AND object = $3 AND resolved_at IS NULL

-- name: open_alert
INSERT INTO alerts (tenant, id, kind, object, detail, opened_at, last_at, count, resolved_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL)
ON CONFLICT (tenant, kind, object) WHERE resolved_at IS NULL DO NOTHING

-- Of this kind and object there is one at most: the newest, unless a person resolved it.
-- name: reopen_alert
UPDATE alerts SET resolved_at = NULL, reopened = reopened + 1, last_at = greatest(last_at, $4), count = count + $5,
  detail = $6
WHERE tenant = $1 AND resolved_by IS NULL AND id =
  (SELECT id FROM alerts WHERE tenant = $1 AND kind = $2 AND object = $3 AND NOT settled
   ORDER BY opened_at DESC, id DESC LIMIT 1)

-- name: resolve_alert
UPDATE alerts SET resolved_at = $4, resolved_by = $5
WHERE tenant = $1 AND kind = $2 AND object = $3 AND resolved_at IS NULL

-- name: acknowledge_alert
UPDATE alerts SET acknowledged_at = coalesce(acknowledged_at, $3), acknowledged_by = coalesce(acknowledged_by, $4)
WHERE tenant = $1 AND id = $2 AND resolved_at IS NULL
RETURNING id, tenant, kind, object, detail, opened_at, last_at, count, resolved_at,
  acknowledged_at, acknowledged_by, resolved_by, reopened

-- Of all tenants.
-- name: unsettled_alerts
SELECT id, tenant, kind, object, detail, opened_at, last_at, count, resolved_at,
  acknowledged_at, acknowledged_by, resolved_by, reopened FROM alerts
WHERE NOT settled ORDER BY tenant, kind, object, opened_at

-- name: settle_alerts
UPDATE alerts SET settled = true WHERE tenant = $1 AND id = ANY($2::uuid[]) AND NOT settled AND resolved_at IS NOT NULL

-- name: alerts
SELECT id, tenant, kind, object, detail, opened_at, last_at, count, resolved_at,
  acknowledged_at, acknowledged_by, resolved_by, reopened FROM alerts
WHERE tenant = $1 AND (opened_at, id) < ($2, $3) ORDER BY opened_at DESC, id DESC LIMIT $4

-- Gathered before they are put in order: the few that are open are not looked for among all that there ever was.
-- name: open_alerts_of
WITH open AS MATERIALIZED (SELECT * FROM alerts WHERE tenant = $1 AND resolved_at IS NULL)
SELECT id, tenant, kind, object, detail, opened_at, last_at, count, resolved_at,
  acknowledged_at, acknowledged_by, resolved_by, reopened FROM open
WHERE (opened_at, id) < ($2, $3) ORDER BY opened_at DESC, id DESC LIMIT $4

-- Of all tenants.
-- name: open_alerts
SELECT id, tenant, kind, object, detail, opened_at, last_at, count, resolved_at,
  acknowledged_at, acknowledged_by, resolved_by, reopened FROM alerts
WHERE resolved_at IS NULL ORDER BY tenant, kind, object
